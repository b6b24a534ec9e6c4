package sim

import (
	"fmt"
	"strings"
)

// A fault may miss: what is struck is down already, nothing crosses the path that is cut, nothing is written to the
// disk that is full. A kind that mostly misses tests nothing, so it is counted how often one took effect.

// A blow is one fault that happened.
type blow struct {
	kind kind
	told bool
}

// bites notes that a fault took effect; it counts once. nil is no fault.
func (w *World) bites(b *blow) {
	if b != nil && !b.told {
		b.told = true
		w.counts.Bit[b.kind]++
	}
}

// A mishap is what happens by chance, to one message, write or order of many.
type mishap int

const (
	lostMessage mishap = iota
	doubledMessage
	overtakenMessage
	lateMessage
	brokenStream
	refusedOrder
	brokenSnapshot
	lostWrite // the process dies while it is under way, and nothing of it is on disk
	tornWrite // some of it is
	mutedWrite
	mishaps
)

var mishapNames = [mishaps]string{
	"message lost", "message twice", "message out of order", "message late", "connection to the exchange broken",
	"order refused for good", "connection broken in a snapshot", "crash before a write", "crash in the middle of a write",
	"crash after a write that nobody heard of",
}

func (m mishap) String() string { return mishapNames[m] }

// coverage is the table of what was tried in the worlds of some counts.
func coverage(all []Counts) string {
	var sum Counts
	var drawn [kinds]int
	var met [mishaps]int
	for i := range all {
		c := &all[i]
		sum.add(c)
		for k := range kinds {
			drawn[k] += min(1, c.Drawn[k])
		}
		for m := range mishaps {
			met[m] += min(1, c.Mishaps[m])
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%-42s %7s %8s %9s %12s\n", "fault", "worlds", "drawn", "happened", "took effect")
	for k := range kinds {
		fmt.Fprintf(&b, "%-42s %7d %8d %9d %12d\n", k, drawn[k], sum.Drawn[k], sum.Faults[k], sum.Bit[k])
	}
	for m := range mishaps {
		fmt.Fprintf(&b, "%-42s %7d %8s %9s %12d\n", m, met[m], "", "", sum.Mishaps[m])
	}
	return b.String()
}

// missing are the faults that never took effect.
func (c *Counts) missing() (names []string) {
	for k := range kinds {
		if c.Bit[k] == 0 {
			names = append(names, k.String())
		}
	}
	for m := range mishaps {
		if c.Mishaps[m] == 0 {
			names = append(names, m.String())
		}
	}
	return names
}
