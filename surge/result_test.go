package surge

import (
	"strings"
	"testing"

	"evenkeel/load"
)

// TestJudge: what was driven is judged, and what was left out on purpose is not.
func TestJudge(t *testing.T) {
	orders := func(name string, p99 float64) *Case {
		class := Class{Class: load.Order.String(), Due: 10, Answered: 10, P99: p99}
		return &Case{Name: name, Server: Door, Classes: []Class{class}}
	}
	storm, calm := orders(loginStorm, 30), orders(quiet, 25)
	judged := func(r Result) (held, not []string) {
		r.judge()
		for _, p := range r.Promises {
			if p.Held {
				held = append(held, p.What)
			} else {
				not = append(not, p.What)
			}
		}
		return held, not
	}
	held, not := judged(Result{Cases: []*Case{calm, storm}, only: []string{quiet, loginStorm}})
	if len(not) != 0 || !strings.Contains(strings.Join(held, ";"), loginStorm) {
		t.Errorf("held %q, not held %q", held, not)
	}
	if _, not = judged(Result{Cases: []*Case{calm, storm}}); len(not) == 0 {
		t.Error("cases that should have been driven and were not are held")
	}
	storm.Classes[0].P99 = 40 // more than 1.5 x of quiet
	if _, not = judged(Result{Cases: []*Case{calm, storm}, only: []string{quiet, loginStorm}}); len(not) != 1 {
		t.Errorf("not held %q", not)
	}
}
