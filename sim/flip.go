package sim

import (
	"evenkeel/core/trade"
	"evenkeel/replica"
)

// A bit of the state in one machine's memory flips. The members' comparison must find it: the machine stops itself,
// and comes back with the state that its snapshots and its log, or the leader's snapshot, make.
//
// What the machine answers until it is found nobody can vouch for (docs/adr/0009), so its reads do not count here, and
// one that is about to lead with it loses its power: as leader it could trade on it.

// flip strikes a voter that follows, as long as all others are sound.
func (f *faults) flip(n *node) bool {
	w := f.world
	for _, other := range w.nodes {
		if n.lead.Leading && !other.gone {
			n = other // a leader is not struck; somebody else is
		}
	}
	if f.ill != nil || f.changing || f.voters() < 3 || !f.votes(n) || !n.up || n.lead.Leading || !n.isActive() {
		return false
	}
	row := n.books.State().Flip(w.random.IntN)
	if row == "" {
		return false
	}
	w.say("%s has a flip of %s", n.name, row)
	n.live.flipped, n.flip, f.ill = true, f.this, n
	return true
}

// restored: a machine that was made from disk, or from the leader's snapshot, is sound.
func (f *faults) restored(n *node) {
	if f.ill == n && !n.ill {
		f.ill = nil
	}
}

// hid reports whether a flip has gone without a trace: a command wrote over it before anything was made of it.
func (f *faults) hid(n *node) bool {
	mark := &f.world.truth.marks[n.live.last]
	if !mark.seen || mark.state != n.books.Hash() || n.books.State().Verify() != nil {
		return false
	}
	n.live.flipped = false
	f.restored(n)
	return true
}

// stumble applies an entry to a state that is wrong: whatever comes of it, a panic included, which ends the process.
func (x *witness) stumble(e replica.Entry, answers []trade.Answer) {
	n := x.node
	defer func() {
		if p := recover(); p != nil {
			n.world.say("%s stumbles over a flip: %v", n.name, p)
			n.after(1, processTag, n.loseToFlip)
		}
	}()
	x.last, x.time = e.Index, e.Time
	x.Books.Apply(e, answers)
}

// loseToFlip ends a process whose state is wrong.
func (n *node) loseToFlip() {
	n.world.bites(n.flip)
	n.kill()
	n.world.faults.reviveLater(n)
}
