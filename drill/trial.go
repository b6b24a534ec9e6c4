package drill

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"evenkeel/drill/disk"
	"evenkeel/drill/load"
	"evenkeel/drill/report"
)

// Times of a trial.
const (
	calmBefore = 1 * time.Second
	calmAfter  = 500 * time.Millisecond
	settled    = load.HedgeAfter // a trial begins when no request has been due for longer
	pictured   = 3 * time.Second // after the fault that the picture shows, at least
)

// trial is one fault, under load.
type trial struct {
	house  *house
	load   *load.Load
	fault  *fault
	number int
	last   bool
	victim *node // who led when it began
	random *rand.Rand
	began  time.Time // of the calm
	struck time.Time
	events []report.Event

	restarts   []report.Restart // planned ones, of one node each
	redundancy time.Duration    // the longest that a node that was replaced took to have everything
}

// note writes down that something happens now.
func (t *trial) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	t.events = append(t.events, report.Event{At: milliseconds(time.Since(t.struck)), Text: text})
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// others are the machines of the nodes that are not the victim's.
func (t *trial) others() (names []string) {
	for _, n := range t.house.nodes {
		if n != t.victim {
			names = append(names, n.machine)
		}
	}
	return names
}

// run carries a trial out.
func (t *trial) run(ctx context.Context) (_ report.Trial, err error) {
	t.load.GoHome()
	if t.victim, err = t.house.leader(ctx); err != nil {
		return report.Trial{}, err
	}
	// What was held up by the trial before, and is asked anew, is not this one's.
	if err = await(ctx, "the requests of the trial before", func() bool {
		return t.load.Behind() < settled
	}); err != nil {
		return report.Trial{}, err
	}
	t.began = time.Now()
	if !sleep(ctx, calmBefore) {
		return report.Trial{}, context.Cause(ctx)
	}
	if t.fault.name == "lie" {
		if err := t.victim.disk.Set(disk.Condition{Lie: true}); err != nil {
			return report.Trial{}, err
		}
		sleep(ctx, lieBefore)
	}
	t.struck = time.Now()
	if err := t.fault.strike(ctx, t); err != nil {
		return report.Trial{}, fmt.Errorf("making the fault: %w", err)
	}
	sleep(ctx, t.fault.hold)
	healed := time.Now()
	if t.fault.heal != nil {
		if err := t.fault.heal(ctx, t); err != nil {
			return report.Trial{}, fmt.Errorf("healing: %w", err)
		}
	}
	if err := t.house.whole(ctx); err != nil {
		return report.Trial{}, fmt.Errorf("after healing: %w", err)
	}
	redundant := max(t.redundancy, time.Since(healed))
	t.note("all nodes have everything again")
	if !sleep(ctx, max(calmAfter, pictured-time.Since(t.struck))) {
		return report.Trial{}, context.Cause(ctx)
	}
	return t.measure(milliseconds(redundant)), nil
}

// sleep answers false when the run was ended meanwhile.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// keptReasons is of how many failed requests of a trial the report says why.
const keptReasons = 5

// measure reads what the programs saw from their record.
func (t *trial) measure(redundancy float64) report.Trial {
	until := time.Now()
	r := report.Trial{Number: t.number, Victim: t.victim.machine, Redundancy: redundancy, Events: t.events}
	answers := map[int][]float64{} // by program: when, in milliseconds from the fault
	for p := range t.house.config.Programs {
		answers[p] = nil // who is not answered at all has a gap, too
	}
	for _, q := range t.load.Requests(time.Time{}, until) {
		if q.Due.Before(t.began) && q.Done.Before(t.began) {
			continue // another trial's
		}
		r.Requests++
		if q.Attempts > 1 {
			r.Retried++
		}
		switch q.Outcome {
		case load.Failed:
			if r.Failed++; len(r.Why) < keptReasons {
				r.Why = append(r.Why, fmt.Sprintf("%s, due at %.0f ms, after %d attempts in %.0f ms: %s", q.Wish.ClientID,
					milliseconds(q.Due.Sub(t.struck)), q.Attempts, milliseconds(q.Done.Sub(q.Due)), q.Why))
			}
			continue
		case load.Refused:
			r.Refused++
		case load.Pending:
			continue // of the last milliseconds; the next trial, or the end, tells
		case load.Acknowledged:
		}
		at, waited := milliseconds(q.Done.Sub(t.struck)), milliseconds(q.Done.Sub(q.Due))
		if at >= 0 {
			r.Waited = max(r.Waited, waited)
		}
		answers[q.Program] = append(answers[q.Program], at)
		r.Points = append(r.Points, report.Point{At: at, Waited: waited, Program: q.Program, Node: q.Node})
	}
	all := gaps(answers, milliseconds(until.Sub(t.struck)))
	r.Calm = calmOf(all)
	r.Gap = longest(all, 0, math.Inf(1))
	for _, one := range t.restarts {
		one.Gap = longest(all, one.From, one.Until)
		r.Restarts = append(r.Restarts, one)
	}
	return r
}

// gaps are the times between the answers of each program. One that hears nothing more has a gap to the end, and one
// that heard nothing at all one from the fault on.
func gaps(answers map[int][]float64, end float64) (all []report.Gap) {
	for program, at := range answers {
		slices.Sort(at)
		if len(at) == 0 {
			all = append(all, report.Gap{Program: program, Until: end})
		}
		for i := 1; i <= len(at); i++ {
			until := end
			if i < len(at) {
				until = at[i]
			}
			all = append(all, report.Gap{Program: program, From: at[i-1], Until: until})
		}
	}
	return all
}

// calmOf is the longest gap that was over before the fault.
func calmOf(all []report.Gap) (calm float64) {
	for _, one := range all {
		if one.Until < 0 {
			calm = max(calm, one.Length())
		}
	}
	return calm
}

// longest is the longest gap that has a part of a time.
func longest(all []report.Gap, from, until float64) (gap report.Gap) {
	for _, one := range all {
		if one.Until >= from && one.From <= until && one.Length() > gap.Length() {
			gap = one
		}
	}
	return gap
}

// kind carries out all trials of a fault in a house of its own, and compares what its programs were told with books
// and exchange.
func (d *drill) kind(ctx context.Context, f *fault) report.Kind {
	k := report.Kind{Name: f.name, Title: f.title, What: f.what, Bounds: f.bounds}
	if k.LeftOut = d.missing(f.needs); k.LeftOut != "" {
		return k
	}
	dir := filepath.Join(d.dir, f.name)
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		err = d.trials(ctx, f, dir, &k)
	}
	if err != nil {
		k.Trouble = err.Error()
	}
	return k
}

func (d *drill) trials(ctx context.Context, f *fault, dir string, k *report.Kind) (err error) {
	program := d.config.Program
	if f.needs.previous {
		program = d.config.Previous
	}
	h, err := build(&d.config, dir, program, d.network, f.needs.disk)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	if err := h.open(ctx); err != nil {
		return errors.Join(err, h.said())
	}
	var targets []load.Node
	for _, n := range h.nodes {
		targets = append(targets, load.Node{ID: n.id, URL: n.url})
	}
	random := rand.New(rand.NewPCG(d.config.Seed, 0)) //nolint:gosec // choices that can be repeated
	l, err := load.Start(load.Config{Nodes: targets, Trust: h.trust, Accounts: h.accounts, Programs: d.config.Programs,
		Rate: d.config.Rate, Seed: random.Uint64() % 1e6})
	if err != nil {
		return err
	}
	var trouble error
	for number := 1; number <= d.config.Trials && trouble == nil; number++ {
		t := &trial{house: h, load: l, fault: f, number: number, last: number == d.config.Trials, random: random}
		var r report.Trial
		if r, trouble = t.run(ctx); trouble != nil {
			trouble = errors.Join(fmt.Errorf("trial %d: %w", number, trouble), h.said())
			break
		}
		if worst := k.Worst(); worst != nil { // pictures are large, and one is drawn
			if worst.Gap.Length() >= r.Gap.Length() {
				r.Points = nil
			} else {
				worst.Points = nil
			}
		}
		k.Trials = append(k.Trials, r)
		d.say("%-8s %2d of %d: gap %4.0f ms, everything again after %.1f s", f.name, number, d.config.Trials,
			r.Gap.Length(), r.Redundancy/1000)
	}
	l.Stop()
	if trouble != nil {
		return trouble
	}
	return h.audit(ctx, l, &k.Audit)
}

// said is the last of what the programs of a house said, as an error's text.
func (h *house) said() error {
	text := ""
	for _, n := range h.nodes {
		text += fmt.Sprintf("\n%s said last:\n%s", n.machine, n.tail())
	}
	return errors.New(text + "\nthe exchange said last:\n" + h.exchange.tail())
}
