// Package report is what a drill found, for people and for programs: a table, JSON, and a page with a picture of every
// kind of fault.
//
// Units: milliseconds, as floating-point numbers in JSON; times are counted from the moment of the fault.
//
// Invariants: whatever a figure hides is in the JSON beside it: every trial, and of the worst one every answer.
// What was left out is said, with the reason.
//
// It never judges what it was given no bound for.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Bounds of a kind of fault, in milliseconds; 0: none.
type Bounds struct {
	P50 float64 `json:"p50,omitempty"`
	P99 float64 `json:"p99,omitempty"`
	Max float64 `json:"max,omitempty"`
}

// Event is something that was done, or seen, during a trial.
type Event struct {
	At   float64 `json:"at"`
	Text string  `json:"text"`
}

// Point is one answer: when it came, how long it had been due, and who gave it.
type Point struct {
	At      float64 `json:"at"`
	Waited  float64 `json:"waited"`
	Program int     `json:"program"`
	Node    uint64  `json:"node"`
}

// Gap is the longest time between two answers that a program saw.
type Gap struct {
	Program int     `json:"program"`
	From    float64 `json:"from"`
	Until   float64 `json:"until"`
}

// Length of a gap.
func (g Gap) Length() float64 { return g.Until - g.From }

// Restart is one planned restart of one node within a trial: from the moment when it was asked to end until all nodes
// had everything again.
type Restart struct {
	Machine string  `json:"machine"`
	From    float64 `json:"from"`
	Until   float64 `json:"until"`
	Gap     Gap     `json:"gap"` // the longest of all programs that has a part of that time
}

// Trial is one fault.
type Trial struct {
	Number     int       `json:"number"`
	Victim     string    `json:"victim"`
	Gap        Gap       `json:"gap"`        // the longest of all programs, from the fault to the end of the trial
	Waited     float64   `json:"waited"`     // the longest that a request of that time waited, from when it was due
	Calm       float64   `json:"calm"`       // the longest gap in the calm before: what is noise
	Redundancy float64   `json:"redundancy"` // from healing until every node had everything again
	Requests   int       `json:"requests"`
	Retried    int       `json:"retried"`       // that needed more than one attempt
	Refused    int       `json:"refused"`       // by the books, for a reason of the business
	Failed     int       `json:"failed"`        // nobody answered
	Why        []string  `json:"why,omitempty"` // the first of the failed, in words
	Restarts   []Restart `json:"restarts,omitempty"`
	Events     []Event   `json:"events"`
	Points     []Point   `json:"points,omitempty"`
}

// Audit is what was found when everything that programs were told was compared with the books and the exchange.
type Audit struct {
	Orders     int      `json:"orders"`   // acknowledged
	Cancels    int      `json:"cancels"`  // acknowledged
	Exchange   int      `json:"exchange"` // orders that the exchange has
	Lost       int      `json:"lost"`     // acknowledged, and not in the books
	Duplicated int      `json:"duplicated"`
	Wrong      int      `json:"wrong"`
	Complaints []string `json:"complaints,omitempty"` // the first of them, in words
}

// MaxComplaints that an Audit keeps.
const MaxComplaints = 50

// Say adds a complaint.
func (a *Audit) Say(format string, args ...any) {
	if len(a.Complaints) < MaxComplaints {
		a.Complaints = append(a.Complaints, fmt.Sprintf(format, args...))
	}
}

// Kind is all trials of one kind of fault.
type Kind struct {
	Name    string  `json:"name"`
	Title   string  `json:"title"`
	What    string  `json:"what"` // in a sentence
	Bounds  Bounds  `json:"bounds"`
	Trials  []Trial `json:"trials"`
	Audit   Audit   `json:"audit"`
	Trouble string  `json:"trouble,omitempty"` // why it was not carried out to its end
	LeftOut string  `json:"left_out,omitempty"`
}

// Gaps are what is counted of a kind: one for each planned restart of a node, or one for each trial without any.
func (k *Kind) Gaps() (gaps []float64) {
	for i := range k.Trials {
		t := &k.Trials[i]
		for _, r := range t.Restarts {
			gaps = append(gaps, r.Gap.Length())
		}
		if len(t.Restarts) == 0 {
			gaps = append(gaps, t.Gap.Length())
		}
	}
	return gaps
}

// Quantile of the gaps of a kind.
func (k *Kind) Quantile(q float64) float64 { return quantile(k.Gaps(), q) }

// Longest gap of a kind, whether in a restart or beside it.
func (k *Kind) Longest() float64 {
	if worst := k.Worst(); worst != nil {
		return worst.Gap.Length()
	}
	return 0
}

// Calm is the median and the longest of the trials' longest gaps in the calm before: what the machine does by itself.
func (k *Kind) Calm() (p50, longest float64) {
	var calm []float64
	for i := range k.Trials {
		calm = append(calm, k.Trials[i].Calm)
	}
	return quantile(calm, 0.5), quantile(calm, 1)
}

// quantile is the smallest value that is not below a share of all.
func quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[max(0, int(math.Ceil(q*float64(len(values))))-1)]
}

// Worst is the trial with the longest gap; nil without any.
func (k *Kind) Worst() *Trial {
	var worst *Trial
	for i := range k.Trials {
		if worst == nil || k.Trials[i].Gap.Length() > worst.Gap.Length() {
			worst = &k.Trials[i]
		}
	}
	return worst
}

// Sums over the trials.
func (k *Kind) sums() (requests, retried, failed int, redundancy float64) {
	for i := range k.Trials {
		t := &k.Trials[i]
		requests, retried, failed = requests+t.Requests, retried+t.Retried, failed+t.Failed
		redundancy = max(redundancy, t.Redundancy)
	}
	return requests, retried, failed, redundancy
}

// Complaints are what must not be, in words: anything lost, duplicated, wrong or failed, or, when hard, a bound that
// does not hold.
func (k *Kind) Complaints(hard bool) (all []string) {
	add := func(format string, args ...any) { all = append(all, k.Name+": "+fmt.Sprintf(format, args...)) }
	_, _, failed, _ := k.sums()
	for _, count := range []struct {
		n    int
		what string
	}{{k.Audit.Lost, "lost"}, {k.Audit.Duplicated, "duplicated"}, {k.Audit.Wrong, "wrong"},
		{failed, "failed after retries"}} {
		if count.n != 0 {
			add("%d orders %s", count.n, count.what)
		}
	}
	for i := range k.Trials {
		if why := k.Trials[i].Why; len(why) > 0 {
			add("the first that failed: %s", why[0])
			break
		}
	}
	if k.Trouble != "" {
		add("%s", k.Trouble)
	}
	if hard && len(k.Trials) > 0 {
		for _, bound := range []struct {
			is, most float64
			what     string
		}{{k.Quantile(0.5), k.Bounds.P50, "p50"}, {k.Quantile(0.99), k.Bounds.P99, "p99"},
			{k.Longest(), k.Bounds.Max, "longest"}} {
			if bound.most > 0 && bound.is > bound.most {
				add("%s gap %.0f ms, at most %.0f", bound.what, bound.is, bound.most)
			}
		}
	}
	return all
}

// Drill is a whole run.
type Drill struct {
	Version  string        `json:"version"`
	Began    time.Time     `json:"began"`
	Took     time.Duration `json:"took"`
	Machine  string        `json:"machine"`
	Nodes    int           `json:"nodes"`
	Programs int           `json:"programs"`
	Accounts int           `json:"accounts"`
	Rate     int           `json:"rate"` // requests a second
	Hedge    time.Duration `json:"hedge"`
	Kinds    []Kind        `json:"kinds"`
}

// Complaints of all kinds.
func (d *Drill) Complaints(hard bool) (all []string) {
	for i := range d.Kinds {
		all = append(all, d.Kinds[i].Complaints(hard)...)
	}
	return all
}

// Definition says what the figures of a table are.
const Definition = `Gaps in ms. A gap is the longest time from one answer to the next that any client saw: of a
planned restart, while one node was asked to end until all nodes had everything again (each node's
restart is one gap); of another fault, from it to the end of its trial. max is the longest of the
whole trials. calm: the longest gap of each trial before its fault, as long as the calm lasted:
what the machine and the schedule of the clients do without any fault.
`

// JSON writes everything.
func (d *Drill) JSON(out io.Writer) error {
	e := json.NewEncoder(out)
	e.SetIndent("", " ")
	return e.Encode(d)
}

// Table writes one line for each kind.
func (d *Drill) Table(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', tabwriter.AlignRight)
	row := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\t\n", args...) }
	leftOut := ""
	row("fault\ttrials\tgaps\tp50\tp99\tmax\tbound\tcalm p50\tmax\tlost\tdup\twrong\tfailed\torders\tfull again")
	for i := range d.Kinds {
		k := &d.Kinds[i]
		if len(k.Trials) == 0 {
			why := k.LeftOut
			if why == "" {
				why = k.Trouble
			}
			leftOut += fmt.Sprintf("%s is left out: %s\n", k.Name, why)
			continue
		}
		_, _, failed, redundancy := k.sums()
		calm, noise := k.Calm()
		row("%s\t%d\t%d\t%.0f\t%.0f\t%.0f\t%s\t%.0f\t%.0f\t%d\t%d\t%d\t%d\t%d\t%.1f s", k.Name, len(k.Trials),
			len(k.Gaps()), k.Quantile(0.5), k.Quantile(0.99), k.Longest(), k.Bounds, calm, noise, k.Audit.Lost,
			k.Audit.Duplicated, k.Audit.Wrong, failed, k.Audit.Orders, redundancy/1000)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(out, leftOut+Definition)
	return err
}

func (b Bounds) String() string {
	var parts []string
	for _, p := range []struct {
		most float64
		what string
	}{{b.P50, "p50"}, {b.P99, "p99"}, {b.Max, "max"}} {
		if p.most > 0 {
			parts = append(parts, fmt.Sprintf("%s %.0f", p.what, p.most))
		}
	}
	if len(parts) == 0 {
		return "-"
	}
	return strings.Join(parts, " ")
}
