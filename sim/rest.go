package sim

import (
	"fmt"
	"strings"

	"evenkeel/core/trade"
)

// When a world has healed, and when it has come to rest.

// healed reports whether everybody was served since a time.
func (w *World) healed(since int64) bool {
	if w.mix.upgrade && (w.leader() == nil || !w.leader().isActive()) {
		return false
	}
	if w.desk.closed || w.faults.changing || w.leader() == nil || !w.exchange.up {
		return false
	}
	for _, n := range w.nodes {
		if !n.gone && (!n.up || n.live.flipped && !w.faults.hid(n) || n.group.Group().Status().Applied+1 < w.truth.newest) {
			return false
		}
	}
	for _, a := range w.accounts {
		for i := range a.hands {
			h := &a.hands[i]
			if h.served <= since || h.open != nil && h.open.called <= since {
				return false
			}
		}
	}
	return true
}

func (w *World) unhealed(since int64) string {
	var b strings.Builder
	w.describe(&b)
	for _, a := range w.accounts {
		for i := range a.hands {
			h := &a.hands[i]
			if h.open != nil && h.open.called <= since {
				fmt.Fprintf(&b, "; account %d.%d waits for %s since %.3f ms, %d tries", a.number, i, h.open,
					float64(h.open.called-began)/1e6, h.open.tries)
			}
		}
	}
	return b.String()
}

// describe says where everybody stands.
func (w *World) describe(b *strings.Builder) {
	fmt.Fprintf(b, "the exchange is up: %t, the day turns: %t", w.exchange.up, w.desk.closed)
	for _, n := range w.nodes {
		switch {
		case n.gone:
			fmt.Fprintf(b, "; %s is gone", n.name)
		case !n.up:
			fmt.Fprintf(b, "; %s is down", n.name)
		default:
			s := n.group.Group().Status()
			fmt.Fprintf(b, "; %s: leader %d, term %d, ready %t, applied %d of %d, durable %d, connected %t, outbox %d %s",
				n.name, n.lead.Leader, s.Term, n.lead.Ready, s.Applied, s.Committed, s.Durable, n.talk != nil, n.outbox.Len(),
				s.Failure)
		}
	}
}

// rested reports whether nobody waits for anything any more.
func (w *World) rested() bool {
	leader := w.leader()
	if !w.teller.rested() {
		return false
	}
	if leader == nil || !w.idle() || leader.talk == nil || leader.outbox.Len() > 0 || !w.exchange.up {
		return false
	}
	for p := range w.mix.partition {
		if w.exchange.lacking(p+1) != leader.outbox.Lacking(p+1) {
			return false
		}
	}
	if w.exchange.group.Group().Status().InFlight > 0 {
		return false
	}
	applied := leader.group.Group().Status()
	if applied.InFlight > 0 || applied.QueuedCommands > 0 {
		return false
	}
	for _, n := range w.nodes {
		if !n.gone && (!n.up || n.group.Group().Status().Applied != applied.Applied) {
			return false
		}
	}
	return true
}

func (w *World) restless() string {
	var b strings.Builder
	w.describe(&b)
	for p := range w.mix.partition {
		fmt.Fprintf(&b, "; partition %d: the exchange's next report is %d", p+1, w.exchange.lacking(p+1))
		if leader := w.leader(); leader != nil {
			fmt.Fprintf(&b, ", the books lack %d", leader.outbox.Lacking(p+1))
		}
	}
	return b.String()
}

// see follows the phases that the books know.
func (n *node) see(e *trade.Event) {
	switch e.Kind {
	case trade.PhaseChanged:
		n.phases[e.Phase.Venue] = e.Phase.Phase
	case trade.DayStarted:
		clear(n.phases[:])
	}
}

// tradesOn reports whether the books are in continuous trading of a day.
func (n *node) tradesOn(day trade.Day) bool {
	for v := trade.SSE; v <= trade.BSE; v++ {
		if n.phases[v] != trade.Continuous {
			return false
		}
	}
	return n.books.Day().Today() == day
}
