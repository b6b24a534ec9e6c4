package sim

import "time"

// In some worlds one fault happens at a time, and the next one when the house is whole again. No single machine, disk,
// path or restart may stop trading there for as long as a second.

// longestGap is how long nobody at all may be answered in such a world.
const longestGap = time.Second

// loneTroubles are faults of one machine, one disk or one path, and work that is planned.
var loneTroubles = [kinds]bool{
	crash: true, crashInWrite: true, pause: true, clockJump: true, symmetricPartition: true, oneWayPartition: true,
	slowPath: true, cloggedPath: true, slowDisk: true, hungDisk: true, fullDisk: true, bitRot: true, lostDisk: true,
	memoryFlip: true, exchangeCrash: true, exchangePause: true, slowExchange: true, linkCut: true, transfer: true,
	replaceMember: true,
}

// withLone makes a mix one of a world with one fault at a time.
func (m *Mix) withLone() {
	m.lone, m.nodes, m.learner, m.upgrade, m.rolls = true, max(3, m.nodes), false, false, false
	m.loss, m.duplication, m.reordering, m.delay, m.breaks, m.refusals = 0, 0, 0, 0, 0, 0
	m.think = min(m.think, 60*time.Millisecond) // somebody always asks for something
	m.every = min(m.every, 300*time.Millisecond)
	own := m.kinds[:0]
	for _, k := range m.kinds {
		if loneTroubles[k] {
			own = append(own, k)
		}
	}
	m.kinds = append(own, crash)
}

// whole reports whether nothing is wrong with the house any more.
func (f *faults) whole() bool {
	w := f.world
	leader := w.leader()
	if f.running > 0 || f.changing || w.now < f.clogged || leader == nil || !w.exchange.up {
		return false
	}
	applied := leader.group.Group().Status().Applied
	for _, n := range w.nodes {
		if !n.gone && (!n.up || n.leaving || n.live.flipped || n.group.Group().Status().Applied+wholeLag < applied) {
			return false
		}
	}
	return true
}

// wholeLag is how many entries a member of a house that is whole may be behind.
const wholeLag = 20

// served notes that somebody was answered by the books.
func (w *World) served() {
	if w.mix.lone && w.troubled {
		gap := time.Duration(w.now - w.answered)
		w.counts.Gap = max(w.counts.Gap, gap)
		if gap > longestGap {
			w.fail("nobody was answered for %v, and one thing was wrong at a time, last a %v", gap, w.faults.last())
		}
	}
	w.answered = w.now
}

// last names the newest fault.
func (f *faults) last() string {
	if f.this == nil {
		return "fault that has not happened"
	}
	return f.this.kind.String()
}

// alone cuts one machine off: it has a side of its own in a partition.
func (w *World) alone(side *[places]int) {
	victim := place(1 + w.random.IntN(len(w.nodes)))
	if leader := w.leader(); leader != nil && w.random.IntN(2) == 0 {
		victim = leader.place
	}
	mine := w.random.IntN(2)
	for p := range side {
		side[p] = 1 - mine
	}
	side[victim] = mine
}
