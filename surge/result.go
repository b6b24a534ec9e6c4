package surge

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"evenkeel/load"
)

// Class is what a class was told in a case.
type Class struct {
	Class    string  `json:"class"`
	Due      int     `json:"due"`
	Answered int     `json:"answered"`
	InTime   int     `json:"in_time"`
	Refused  int     `json:"refused"`
	Failed   int     `json:"failed"` // without an answer that can be used
	Rebuffed int     `json:"rebuffed"`
	P50      float64 `json:"p50"`
	P99      float64 `json:"p99"`
	Max      float64 `json:"max"`
}

func (c *Class) share() float64 {
	if c == nil {
		return 1
	}
	return float64(c.InTime) / float64(max(1, c.Due))
}

// Case is one thing that was done to one server.
type Case struct {
	Name     string           `json:"name"`
	Server   Kind             `json:"server"`
	Due      float64          `json:"due"`    // requests a second
	Useful   float64          `json:"useful"` // answered within their objective, a second
	Classes  []Class          `json:"classes"`
	Storm    []Class          `json:"storm"` // those who look, or who storm
	Seconds  [][2]load.Moment `json:"seconds,omitempty"`
	Late     float64          `json:"late"`     // p99 of the driver of those who trade: it is in their waits
	LateP99  float64          `json:"late_p99"` // of both drivers, the later one's
	Valid    bool             `json:"valid"`
	Wrong    int              `json:"wrong"` // answers
	Complain []string         `json:"complaints,omitempty"`
}

// Step of the search for the knee.
type Step struct {
	Rate   float64 `json:"rate"`
	Useful float64 `json:"useful"`
	Holds  bool    `json:"holds"`
}

// Promise is what the door must do, and whether it did.
type Promise struct {
	What string `json:"what"`
	Saw  string `json:"saw"`
	Held bool   `json:"held"`
}

// Result of a proof.
type Result struct {
	Machine  string    `json:"machine"`
	Began    time.Time `json:"began"`
	Took     float64   `json:"took"`
	Seconds  float64   `json:"seconds"` // of a case
	Knee     float64   `json:"knee"`
	Steps    []Step    `json:"steps"`
	Cases    []*Case   `json:"cases"`
	Promises []Promise `json:"promises"`

	only []string // the cases that were to be driven; none: all
}

func classesOf(r *load.Result) (all []Class) {
	for i := range r.Rows {
		k := &r.Rows[i]
		all = append(all, Class{Class: k.Class, Due: k.Due, Answered: k.Answered, InTime: k.Met,
			Refused: k.Refused + k.Waiting, Failed: k.Failed, Rebuffed: k.Rebuffed, P50: k.P50, P99: k.P99, Max: k.Max})
	}
	return all
}

func newRow(name string, kind Kind, c crowd, traders, lookers *load.Result) *Case {
	row := &Case{Name: name, Server: kind, Classes: classesOf(traders), Storm: classesOf(lookers),
		Late: traders.LateP99, LateP99: max(traders.LateP99, lookers.LateP99)}
	row.Valid = row.LateP99 <= load.MaxLate.Seconds()*1000
	for _, r := range []*load.Result{traders, lookers} {
		due, met := r.Rates()
		row.Due, row.Useful = row.Due+due, row.Useful+met
		row.Wrong += r.Checks.Wrong
		row.Complain = append(row.Complain, r.Checks.Complaints...)
	}
	if c.shape == "surge" {
		row.Seconds = moments(traders, lookers)
	}
	return row
}

// moments adds the classes of both crowds up, second by second from the first that counts. The lookers' clock began
// two seconds behind that of the traders, and its warm-up is as much shorter.
func moments(traders, lookers *load.Result) (all [][2]load.Moment) {
	for at := 0; at < int(traders.Seconds); at++ {
		var pair [2]load.Moment
		for i, r := range []*load.Result{traders, lookers} {
			for _, m := range r.Moments {
				if second := at + int(r.Warm); second < len(m) {
					pair[i].Due += m[second].Due
					pair[i].Met += m[second].Met
					pair[i].Refused += m[second].Refused
					pair[i].Failed += m[second].Failed
				}
			}
		}
		all = append(all, pair)
	}
	return all
}

// of is a class of those who trade; nil: there is none.
func (c *Case) of(class load.Class) *Class {
	for i := range c.Classes {
		if c.Classes[i].Class == class.String() {
			return &c.Classes[i]
		}
	}
	return nil
}

// worst is the least share of any class that was answered in time.
func (c *Case) worst() float64 {
	least := 1.0
	for _, all := range [][]Class{c.Classes, c.Storm} {
		for i := range all {
			least = min(least, all[i].share())
		}
	}
	return least
}

func cell(c *Class) string {
	if c == nil || c.Due == 0 {
		return "-\t-"
	}
	return fmt.Sprintf("%.2f %%\t%.1f", 100*c.share(), c.P99)
}

func (c *Case) line() string {
	text := fmt.Sprintf("%-5s %-22s %6.0f/s due %6.0f/s useful", c.Server, c.Name, c.Due, c.Useful)
	for _, all := range [][]Class{c.Classes, c.Storm} {
		for i := range all {
			text += fmt.Sprintf(" | %s %.1f %% p99 %.1f", all[i].Class, 100*all[i].share(), all[i].P99)
		}
	}
	return text + fmt.Sprintf(" | late %.1f, the storm %.1f", c.Late, c.LateP99)
}

// find a case of a server.
func (r *Result) find(name string, kind Kind) *Case {
	for _, c := range r.Cases {
		if c.Name == name && c.Server == kind {
			return c
		}
	}
	return &Case{Name: name, Server: kind}
}

// asked reports whether a case was to be driven: only what was is judged.
func (r *Result) asked(name string) bool { return len(r.only) == 0 || slices.Contains(r.only, name) }

func (r *Result) promise(held bool, what, format string, args ...any) {
	r.Promises = append(r.Promises, Promise{what, fmt.Sprintf(format, args...), held})
}

// judge holds the door to what it must do.
func (r *Result) judge() {
	knee, ten := r.find(atKnee, Door), r.find(surge, Door)
	if r.asked(atKnee) && r.asked(surge) {
		r.promise(ten.Useful >= .9*knee.Useful, "at 10 x the knee, useful answers are 90 % of the knee's",
			"%.0f of %.0f a second (%.0f %%); the plain server %.0f", ten.Useful, knee.Useful,
			100*ten.Useful/max(1, knee.Useful), r.find(surge, Plain).Useful)
	}
	calm := r.find(quiet, Door)
	noise := r.find(quietAgain, Door)
	r.inTime(surge, load.Cancel, 50, 0)
	r.inTime(surge, load.Order, 100, 0)
	r.inTime(orderStorm, load.Cancel, 50, 0)
	least := max(calm.of(load.Order).p99(), noise.of(load.Order).p99())
	r.inTime(queryStorm, load.Order, 100, least)
	r.inTime(loginStorm, load.Order, 100, least)
	for _, kind := range []Kind{Door, Plain} {
		if len(r.find(over, kind).Seconds) == 0 {
			continue
		}
		after := r.find(over, kind).after()
		if kind == Door {
			r.promise(after <= 1, "after 10 x, full service within a second", "%d s", after)
		} else {
			r.promise(true, "(the plain server, after 10 x)", "%d s", after)
		}
	}
	wrong := 0
	for _, c := range r.Cases {
		wrong += c.Wrong
	}
	r.promise(wrong == 0, "no answer is wrong", "%d", wrong)
}

func (c *Class) p99() float64 {
	if c == nil {
		return 0
	}
	return c.P99
}

// inTime promises that all of a class was answered, p99 within its objective, and within 1.5 x of a quiet p99.
func (r *Result) inTime(name string, class load.Class, objective, quiet float64) {
	if !r.asked(name) {
		return
	}
	c, plain := r.find(name, Door).of(class), r.find(name, Plain).of(class)
	if c == nil {
		r.promise(false, name+": "+class.String()+"s", "there were none")
		return
	}
	what := fmt.Sprintf("%s: %ss are answered, p99 within %.0f ms", name, class, objective)
	bound := objective
	if quiet > 0 {
		what += " and 1.5 x of quiet"
		bound = min(objective, 1.5*quiet)
	}
	r.promise(c.Answered == c.Due && c.P99 <= bound, what, "%d of %d, p99 %.1f ms (bound %.1f); the plain server %.1f %%, %.1f ms",
		c.Answered, c.Due, c.P99, bound, 100*plain.share(), plain.p99())
}

// after is how many seconds behind the ten-fold crowd the first one is in which 99 of 100 were answered in time.
func (c *Case) after() int {
	from := len(c.Seconds) * 2 / 3
	for i := from; i < len(c.Seconds); i++ {
		due, met := 0, 0
		for _, m := range c.Seconds[i] {
			due, met = due+m.Due, met+m.Met
		}
		if met*100 >= due*99 {
			return i - from
		}
	}
	return len(c.Seconds) - from
}

// Held reports whether every promise was.
func (r *Result) Held() bool {
	for _, p := range r.Promises {
		if !p.Held {
			return false
		}
	}
	return true
}

// JSON writes everything.
func (r *Result) JSON(out io.Writer) error {
	e := json.NewEncoder(out)
	e.SetIndent("", " ")
	return e.Encode(r)
}

// Table writes it for people.
func (r *Result) Table(out io.Writer) error {
	_, _ = fmt.Fprintf(out, "%s; the knee is %.0f requests a second, %.0f s a case\n\n", r.Machine, r.Knee, r.Seconds)
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(w, "case\tserver\tdue/s\tuseful/s\torders\tp99 ms\tcancels\tp99\tquestions\tp99\tquotes\tp99\t"+
		"driver late\tstorm late\t")
	for _, c := range r.Cases {
		storm := func(class load.Class) *Class {
			other := Case{Classes: c.Storm}
			return other.of(class)
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%.0f\t%.0f\t%s\t%s\t%s\t%s\t%.1f\t%.1f\t\n", c.Name, c.Server, c.Due, c.Useful,
			cell(c.of(load.Order)), cell(c.of(load.Cancel)), cell(storm(load.Query)), cell(storm(load.Quote)), c.Late,
			c.LateP99)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, _ = fmt.Fprintln(out)
	for _, p := range r.Promises {
		_, _ = fmt.Fprintf(out, "%-8s %s: %s\n", map[bool]string{true: "held", false: "NOT HELD"}[p.Held], p.What, p.Saw)
	}
	return nil
}
