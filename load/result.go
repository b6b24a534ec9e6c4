package load

import (
	"encoding/json"
	"fmt"
	"io"
	"sort"
	"text/tabwriter"
	"time"
)

// Row is a class in a result. Waits are in milliseconds, from when a request was due for the first time.
type Row struct {
	Class     string    `json:"class"`
	Objective float64   `json:"objective"`
	Due       int       `json:"due"`
	Tries     int       `json:"tries"`
	Answered  int       `json:"answered"`
	Met       int       `json:"met"` // within the objective
	Refused   int       `json:"refused"`
	Waiting   int       `json:"waiting,omitempty"` // still in the waiting room's line
	Rejected  int       `json:"rejected"`
	Failed    int       `json:"failed"` // Rebuffed, faulty, broken and unanswered
	Rebuffed  int       `json:"rebuffed"`
	Refusals  int       `json:"refusals"` // of all tries
	P50       float64   `json:"p50"`
	P90       float64   `json:"p90"`
	P99       float64   `json:"p99"`
	P999      float64   `json:"p999"`
	Max       float64   `json:"max"`
	RefuseP99 float64   `json:"refuse_p99"`
	Curve     []float64 `json:"curve"` // waits at CurveAt
}

// CurveAt is the percentiles of a row's curve.
var CurveAt = [...]float64{0, 10, 25, 50, 75, 90, 95, 97.5, 99, 99.5, 99.75, 99.9, 99.95, 99.99, 99.999}

// Share of the requests that were due which were answered within the objective.
func (r *Row) Share() float64 { return float64(r.Met) / float64(max(1, r.Due)) }

// Tickets are what became of the logins that were given a place in the waiting room's line, each once. Waits are in
// seconds: from the first ticket until they were let in.
type Tickets struct {
	Given   int     `json:"given"`
	Looks   int     `json:"looks"` // before their turn
	Called  int     `json:"called"`
	Waiting int     `json:"waiting"` // still, when the load was over
	P50     float64 `json:"p50"`
	P99     float64 `json:"p99"`
	Max     float64 `json:"max"`
}

func (t *tickets) result() *Tickets {
	if t.given == 0 {
		return nil
	}
	s := func(micros int64) float64 { return float64(micros) / 1e6 }
	return &Tickets{Given: t.given, Looks: t.looks, Called: t.called, Waiting: t.given - t.called,
		P50: s(t.told.ValueAtQuantile(50)), P99: s(t.told.ValueAtQuantile(99)), Max: s(t.told.Max())}
}

// Checks are what answers were held to.
type Checks struct {
	Orders     int      `json:"orders"` // acknowledged
	Cancels    int      `json:"cancels"`
	Quotes     int      `json:"quotes"`
	Found      int      `json:"found"` // of the sample that was looked for at the end
	Unaudited  string   `json:"unaudited,omitempty"`
	Wrong      int      `json:"wrong"`
	Complaints []string `json:"complaints,omitempty"` // the first of them
}

const mostComplaints = 20

func (k *Checks) add(texts ...string) {
	for _, text := range texts {
		k.Wrong++
		if len(k.Complaints) < mostComplaints {
			k.Complaints = append(k.Complaints, text)
		}
	}
}

// Reason is something that went otherwise, and how often.
type Reason struct {
	What  string `json:"what"`
	Count int    `json:"count"`
}

// Result of a load.
type Result struct {
	URL         string               `json:"url"`
	Began       time.Time            `json:"began"`
	Took        float64              `json:"took"` // seconds
	Machine     string               `json:"machine"`
	Drivers     int                  `json:"drivers"`
	Shape       string               `json:"shape"`
	Mix         string               `json:"mix"`
	Rate        float64              `json:"rate"`
	Poisson     bool                 `json:"poisson"`
	Seconds     float64              `json:"seconds"`
	Warm        float64              `json:"warm"`
	Accounts    int                  `json:"accounts"`
	Connections int64                `json:"connections"` // that were made
	Read        int64                `json:"read_bytes"`
	Written     int64                `json:"written_bytes"`
	LateP50     float64              `json:"late_p50"` // of the driver
	LateP99     float64              `json:"late_p99"`
	LateMax     float64              `json:"late_max"`
	Valid       bool                 `json:"valid"` // the driver was not late
	Rows        []Row                `json:"rows"`
	Reasons     []Reason             `json:"reasons,omitempty"`
	Checks      *Checks              `json:"checks"`
	Tickets     *Tickets             `json:"tickets,omitempty"`
	Streams     StreamResult         `json:"streams"`
	Moments     map[string][]*Moment `json:"moments"` // by class, every second from the beginning
}

// result puts together what the workers counted. They have ended.
func (r *run) result(took time.Duration) *Result {
	c, t := &r.config, newTally(&r.config)
	var dialled, read, written int64
	for _, w := range r.workers {
		w.tally.mu.Lock()
		t.add(w.tally)
		w.tally.mu.Unlock()
		dialled += w.pool.dialled.Load()
		read += w.pool.read.Load()
		written += w.pool.written.Load()
	}
	ms := func(micros int64) float64 { return float64(micros) / 1000 }
	res := &Result{URL: c.URL, Began: r.began, Took: took.Seconds(), Machine: Machine(), Shape: c.Shape,
		Mix: c.Mix.String(), Rate: c.Rate, Poisson: c.Poisson, Seconds: c.Lasts.Seconds(), Warm: c.Warm.Seconds(),
		Accounts: len(c.Accounts), Connections: dialled, Read: read,
		Written: written, Drivers: c.Drivers,
		LateP50: ms(t.late.ValueAtQuantile(50)), LateP99: ms(t.late.ValueAtQuantile(99)),
		LateMax: ms(t.late.Max()), Moments: map[string][]*Moment{}}
	res.Valid = res.LateP99 <= MaxLate.Seconds()*1000
	for class := range Classes {
		k := &t.classes[class]
		if k.due == 0 {
			continue
		}
		q := func(v float64) float64 { return ms(k.waits.ValueAtQuantile(v)) }
		row := Row{Class: class.String(), Objective: c.Objectives[class].Seconds() * 1000, Due: k.due, Tries: k.tries,
			Answered: k.ended[Answered], Met: k.met, Refused: k.ended[Refused], Waiting: k.ended[Waits],
			Rejected: k.ended[Rejected],
			Rebuffed: k.ended[Rebuffed], Refusals: k.refusals, P50: q(50), P90: q(90), P99: q(99), P999: q(99.9),
			Max: ms(k.waits.Max()), RefuseP99: ms(k.refusing.ValueAtQuantile(99))}
		for _, at := range CurveAt {
			row.Curve = append(row.Curve, q(at))
		}
		// Whatever has not ended when the load does is without an answer.
		row.Failed = row.Due - row.Answered - row.Refused - row.Waiting - row.Rejected
		res.Rows = append(res.Rows, row)
		for i := range t.moments {
			m := &t.moments[i][class]
			m.P50, m.P99 = m.quantile(0.5), m.quantile(0.99)
			res.Moments[class.String()] = append(res.Moments[class.String()], m)
		}
	}
	res.Tickets = t.tickets.result()
	for what, n := range t.first {
		res.Reasons = append(res.Reasons, Reason{what, n})
	}
	sort.Slice(res.Reasons, func(i, j int) bool {
		a, b := res.Reasons[i], res.Reasons[j]
		return a.Count > b.Count || a.Count == b.Count && a.What < b.What
	})
	return res
}

// Row of a class; nil when it had none.
func (r *Result) Row(class Class) *Row {
	for i := range r.Rows {
		if r.Rows[i].Class == class.String() {
			return &r.Rows[i]
		}
	}
	return nil
}

// Rates that were due, and that were answered within their objective, a second.
func (r *Result) Rates() (due, met float64) {
	for i := range r.Rows {
		due, met = due+float64(r.Rows[i].Due), met+float64(r.Rows[i].Met)
	}
	return due / r.Seconds, met / r.Seconds
}

// JSON writes everything.
func (r *Result) JSON(out io.Writer) error {
	e := json.NewEncoder(out)
	e.SetIndent("", " ")
	return e.Encode(r)
}

// Table writes it for people.
func (r *Result) Table(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', tabwriter.AlignRight)
	row := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\t\n", args...) }
	row("class\tdue\tanswered\tin time\trefused\twaiting\trejected\tfailed\tp50 ms\tp90\tp99\tp99.9\tmax\tobjective")
	for i := range r.Rows {
		k := &r.Rows[i]
		row("%s\t%d\t%d\t%.2f %%\t%d\t%d\t%d\t%d\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t%.0f", k.Class, k.Due, k.Answered, 100*k.Share(),
			k.Refused, k.Waiting, k.Rejected, k.Failed, k.P50, k.P90, k.P99, k.P999, k.Max, k.Objective)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	due, met := r.Rates()
	_, _ = fmt.Fprintf(out, "\n%.0f a second were due, %.0f answered in time; %d connections; driver late p50 %.2f, p99 %.2f, max %.2f ms\n",
		due, met, r.Connections, r.LateP50, r.LateP99, r.LateMax)
	if k := r.Tickets; k != nil {
		_, _ = fmt.Fprintf(out, "waiting room: %d logins were given a ticket, %d were called, %d still wait; %d looks before the turn; "+
			"called after p50 %.1f, p99 %.1f, max %.1f s\n", k.Given, k.Called, k.Waiting, k.Looks, k.P50, k.P99, k.Max)
	}
	if k := r.Checks; k != nil {
		_, _ = fmt.Fprintf(out, "checked: %d orders and %d cancels acknowledged, %d quotes; %d orders looked for at the end; %d wrong\n",
			k.Orders, k.Cancels, k.Quotes, k.Found, k.Wrong)
		if k.Unaudited != "" {
			_, _ = fmt.Fprintln(out, "not looked for to the end:", k.Unaudited)
		}
		for _, text := range k.Complaints {
			_, _ = fmt.Fprintln(out, "  wrong:", text)
		}
	}
	for i, reason := range r.Reasons {
		if i == 8 {
			_, _ = fmt.Fprintf(out, "  and %d more\n", len(r.Reasons)-i)
			break
		}
		_, _ = fmt.Fprintf(out, "  %8d  %s\n", reason.Count, reason.What)
	}
	r.Streams.table(out)
	if !r.Valid {
		_, _ = fmt.Fprintf(out, "NOT VALID: the driver was late by %.1f ms at p99, more than %v: it had too little of the machine\n",
			r.LateP99, MaxLate)
	}
	return nil
}
