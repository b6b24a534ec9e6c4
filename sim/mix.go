package sim

import (
	"fmt"
	"strings"
	"time"
)

// A Mix is what can go wrong in a world, and how strongly: each seed draws its own, so that the faults of one do not
// hide those of another (Groce et al., "Swarm Testing", ISSTA 2012).
type Mix struct {
	nodes     int // voters at the beginning
	learner   bool
	second    bool // the house has a second shard (second.go)
	lone      bool // one fault at a time (lone.go)
	upgrade   bool // nodes begin with an old binary
	accounts  int
	think     time.Duration // between two operations of an investor, on average
	trouble   time.Duration // how long there are faults
	partition uint32        // report partitions of the exchange
	rolls     bool          // a day turns in the middle
	snapshots time.Duration // between two snapshots of a node
	dropLog   bool          // nodes drop the log behind their snapshots
	memory    int           // entries of the log that stay in memory

	// Of every message, in millionths.
	loss, duplication, reordering, delay int
	longDelay                            time.Duration

	breaks   int // of every write to a stream, in millionths: it breaks
	refusals int // of every order that reaches the exchange: it is refused for good, without a report

	every time.Duration // between two faults, on average
	kinds []kind        // of faults that happen, drawn with equal odds
}

// A kind of fault, or of work that is planned and meets faults.
type kind int

const (
	crash kind = iota
	crashInWrite
	powerLoss
	busyApplier
	pause
	clockRate
	clockJump
	symmetricPartition
	oneWayPartition
	bridgePartition
	slowPath
	cloggedPath
	slowDisk
	hungDisk
	fullDisk
	bitRot
	lostDisk
	memoryFlip
	tornSnapshot
	exchangeCrash
	exchangePause
	slowExchange
	linkCut
	transfer
	replaceMember
	resizedGroup
	otherBinary
	kinds
)

var kindNames = [kinds]string{
	"crash", "crash in a write", "power loss", "busy applier", "pause", "clock rate", "clock jump", "symmetric partition",
	"one-way partition", "bridge partition", "slow path", "clogged path", "slow disk", "hung disk", "full disk",
	"bit rot", "lost disk", "memory flip", "torn snapshot", "exchange crash", "exchange pause", "slow exchange",
	"link cut", "transfer", "replaced member", "grown or shrunk group", "other binary",
}

func (k kind) String() string { return kindNames[k] }

// draw makes the mix of a seed.
func draw(w *World) Mix {
	m := Mix{
		nodes: 3, accounts: 3 + w.random.IntN(4), think: 20*time.Millisecond + w.below(120*time.Millisecond),
		trouble: 3*time.Second + w.below(5*time.Second), partition: uint32(1 + w.random.IntN(3)),
		rolls: w.random.IntN(3) == 0, snapshots: 300*time.Millisecond + w.below(2*time.Second),
		dropLog: w.random.IntN(2) == 0, memory: 16 << w.random.IntN(6),
		every: 80*time.Millisecond + w.below(900*time.Millisecond),
	}
	switch w.random.IntN(10) {
	case 0:
		m.nodes = 1
	case 1:
		m.nodes = 5
	}
	m.learner = m.nodes > 1 && w.random.IntN(5) == 0
	on := func() bool { return w.random.IntN(3) == 0 }
	if on() {
		m.loss = 1 + w.random.IntN(80_000)
	}
	if on() {
		m.duplication = 1 + w.random.IntN(100_000)
	}
	if on() {
		m.reordering = 1 + w.random.IntN(400_000)
	}
	if on() {
		m.delay, m.longDelay = 1+w.random.IntN(50_000), 5*time.Millisecond+w.below(300*time.Millisecond)
	}
	if on() {
		m.breaks = 1 + w.random.IntN(15_000)
	}
	if on() {
		m.refusals = 1 + w.random.IntN(60_000)
	}
	for k := range kinds {
		if k == otherBinary {
			m.upgrade = on()
		}
		if k == otherBinary && m.upgrade || k != otherBinary && on() {
			m.kinds = append(m.kinds, k)
		}
	}
	switch w.random.IntN(16) {
	case 0, 1:
		m.withSecond()
	case 2:
		m.withLone()
	}
	return m
}

// String tells a mix for whoever reads a trace.
func (m *Mix) String() string {
	var names []string
	for _, k := range m.kinds {
		names = append(names, k.String())
	}
	return fmt.Sprintf("%d nodes (learner %t, upgrade %t, second shard %t, lone faults %t), %d accounts, think %v, "+
		"trouble %v, %d partitions, day turns %t, snapshots every %v, drop log %t, memory %d; of a million messages "+
		"lost %d, twice %d, out of order %d, late %d (up to %v); of a million writes to the exchange broken %d, "+
		"orders refused %d; every %v one of: %s",
		m.nodes, m.learner, m.upgrade, m.second, m.lone, m.accounts, m.think, m.trouble, m.partition, m.rolls, m.snapshots,
		m.dropLog, m.memory, m.loss, m.duplication, m.reordering, m.delay, m.longDelay, m.breaks, m.refusals, m.every,
		strings.Join(names, ", "))
}

// add sums counts over worlds.
func (c *Counts) add(o *Counts) {
	for _, pair := range [...][2]*int{
		{&c.Actions, &o.Actions}, {&c.Tries, &o.Tries}, {&c.Acknowledged, &o.Acknowledged}, {&c.Refused, &o.Refused},
		{&c.Reads, &o.Reads}, {&c.Unknown, &o.Unknown}, {&c.Orders, &o.Orders}, {&c.Elections, &o.Elections},
		{&c.Torn, &o.Torn}, {&c.Events, &o.Events},
		{&c.Restarts, &o.Restarts}, {&c.Installed, &o.Installed}, {&c.Replaced, &o.Replaced},
		{&c.Second, &o.Second}, {&c.Diverged, &o.Diverged}, {&c.Sessions, &o.Sessions}, {&c.Days, &o.Days},
		{&c.Activated, &o.Activated},
	} {
		*pair[0] += *pair[1]
	}
	c.Gap = max(c.Gap, o.Gap)
	for k := range c.Faults {
		c.Drawn[k] += o.Drawn[k]
		c.Faults[k] += o.Faults[k]
		c.Bit[k] += o.Bit[k]
	}
	for m := range c.Mishaps {
		c.Mishaps[m] += o.Mishaps[m]
	}
}
