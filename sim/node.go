package sim

import (
	"errors"
	"fmt"
	"time"

	"evenkeel/books"
	"evenkeel/core/trade"
	"evenkeel/exchange"
	"evenkeel/relay"
	"evenkeel/replica"
	"evenkeel/venue"
)

// A node is one machine of the broker: the group of the one shard with its books, the link to the exchange while it
// leads, and the door at which clients ask. Its directory is its disk; an id is never given twice.
type node struct {
	process
	id      uint64
	voters  []uint64 // of the group when it was new; nil: it joins
	group   *replica.Manual[trade.Answer]
	books   *books.Books
	branch  branch   // of the second shard, when the house has one
	live    *witness // the same, watched
	outbox  *venue.Outbox
	link    *venue.Link
	talk    *venue.Conversation
	wire    *stream
	heard   []byte // bytes from the exchange that are not used yet
	alarmed int64  // when the conversation has something to do, by this node's clock; 0: no alarm is set
	dialled int    // counts the attempts to connect
	lead    replica.Leadership
	phases  [trade.BSE + 1]trade.Phase
	relay   *relay.Relay
	shard   *relay.Shard
	ties    [mostNodes + 1]*tie // to other nodes, by id
	durable uint64              // the last entry that it said was on its disk, when it died
	voted   vote                // the last vote that it gave to another

	poked     bool
	busy      bool // its applier gets no processor
	busyBy    *blow
	flip      *blow // the last flip of its memory
	rotten    *blow // what damaged its disk
	disk      disk
	old       bool  // its binary knows no features
	changed   int64 // when it got its binary, or became a member: what was asked before is not judged by it
	lost      bool  // its disk is empty: it never comes back
	successor *node // the machine that takes its place
	leaving   bool  // it is no member any more, and may not know
	gone      bool  // it is no member any more, and never comes back
	member    bool  // it is one, or is to become one
	ill       bool  // its disk is damaged: it must not come back as it is
}

// brokerGroup is the one shard's.
const brokerGroup = 1

func (w *World) newNode() *node {
	id := uint64(len(w.nodes) + 1)
	old := w.mix.upgrade && !w.truth.active && w.random.IntN(2) == 0
	n := &node{old: old, process: newProcess(w, fmt.Sprint("node ", id), fmt.Sprint("node", id), place(id)), id: id,
		member: true}
	n.disk.node = n
	w.nodes = append(w.nodes, n)
	return n
}

// limits are those of every group of the world.
func (w *World) limits() replica.Limits {
	return replica.Limits{
		EntryBytes: 32 << 10, MemoryEntries: w.mix.memory, SnapshotEvery: w.mix.snapshots,
		SnapshotRetry: 300 * time.Millisecond, SnapshotsKept: 2, CompareEvery: 150 * time.Millisecond,
		StalledSync: time.Second,
	}
}

// create starts a machine that was never there.
func (n *node) start(voters []uint64) {
	n.voters = voters
	n.open()
}

// open starts the process on its disk. One that does not start stays down, and says why.
func (n *node) open() {
	w := n.world
	n.begin()
	n.disk.reset()
	n.outbox = venue.NewOutbox()
	o := replica.Options[trade.Answer]{
		Dir: n.dir, Group: brokerGroup, Node: n.id, Clock: n.time, Limits: w.limits(), DropOldLog: w.mix.dropLog,
		Transport: transport{n}, New: func() replica.Machine[trade.Answer] { return w.truth.machine(n) },
		Disk: n.disk.between, Led: n.follow, Join: n.voters == nil, Replaced: n.replaced, Features: n.features(),
		MembersChanged: n.membersChanged,
	}
	for _, v := range n.voters {
		o.Members = append(o.Members, replica.Member{ID: v})
	}
	group, err := replica.OpenManual(o)
	if err != nil {
		n.refuseStart(err)
		return
	}
	n.group = group
	if has := group.Group().Status().Durable; has < n.durable {
		w.fail("%s said that its disk had entry %d, and it starts with a log that ends at %d", n.name, n.durable, has)
	}
	term, to := group.Ballot()
	if term < n.voted.term || term == n.voted.term && to != n.voted.to {
		w.fail("%s voted for node %d in term %d, and it starts in term %d with a vote for node %d", n.name, n.voted.to,
			n.voted.term, term, to)
	}
	n.attach(group.Machine())
	n.openRelay()
	n.openBranch()
	link, err := venue.New(venue.Options{
		Address: "127.0.0.1:1", Sender: brokerCompID, Target: exchange.CompID, Unit: brokerUnit,
		Password: brokerPassword,
		Outbox:   n.outbox, Proposer: n.shard.Link(), Full: replica.ErrFull, Heartbeat: time.Second,
		Jitter: w.below,
	})
	if err != nil {
		w.fail("%s: %v", n.name, err)
		return
	}
	n.link = link
	if w.trace != nil {
		w.say("%s is up: %+v", n.name, group.Group().Status())
	}
	n.tick()
	n.poke()
}

// refuseStart: a machine whose disk is damaged must say so; one whose disk is not must start.
func (n *node) refuseStart(err error) {
	n.end()
	n.world.say("%s does not start: %v", n.name, err)
	switch {
	case isUnknownFeature(err) && n.old:
		n.old = false // its operator reads what it says, and gives it the new binary
		n.world.faults.reviveLater(n)
	case n.leaving, isRemoved(err):
		n.leaving, n.gone = true, true
	case n.ill:
		n.lost = true
		n.world.bites(n.rotten)
		n.world.faults.replaceWhenPossible(n)
	default:
		n.world.fail("%s does not start, and nothing is wrong with its disk: %v", n.name, err)
	}
}

// attach follows the live books from here on.
func (n *node) attach(m replica.Machine[trade.Answer]) {
	n.live = m.(*witness)
	n.books = n.live.Books
	n.world.faults.restored(n)
	n.outbox.Reset()
	n.phases = [trade.BSE + 1]trade.Phase{}
	n.books.State().Describe(func(e *trade.Event) {
		n.outbox.Learn(e)
		n.see(e)
	})
	n.books.State().Outbox(n.outbox.Add)
	n.books.Follow(func(out *trade.Output) {
		n.outbox.Fold(out)
		for i := range out.Events {
			n.see(&out.Events[i])
		}
	})
}

func (n *node) replaced(m replica.Machine[trade.Answer], index uint64) {
	n.world.counts.Installed++
	n.world.say("%s took a snapshot at %d", n.name, index)
	n.attach(m)
}

func (n *node) membersChanged(members []replica.Member) {
	if n.world.trace != nil {
		n.world.say("%s knows the members %v", n.name, members)
	}
}

// kill ends the process at once; what is not on disk is lost.
func (n *node) kill() {
	if !n.up {
		return
	}
	n.say("dies")
	n.end()
	if n.wire != nil {
		if n.dark {
			n.wire.darken(0)
		} else {
			n.wire.close(0)
		}
	}
	n.snapTies()
	n.relay, n.shard = nil, nil
	n.alarmed = 0
	n.wire, n.talk, n.heard, n.lead = nil, nil, nil, replica.Leadership{}
	n.poked, n.busy = false, false
	n.crashBranch()
	n.durable = n.group.Group().Status().Durable
	if n.disk.last > 0 {
		n.durable = min(n.durable, n.disk.last)
	}
	if err := n.group.Crash(); err != nil {
		n.world.fail("%s: crash: %v", n.name, err)
	}
	n.group = nil
}

func (n *node) say(what string) {
	if n.world.trace != nil {
		n.world.say("%s %s", n.name, what)
	}
}

func (n *node) tick() {
	n.after(10*time.Millisecond, tickTag, func() {
		n.group.Tick()
		if n.branch.group != nil {
			n.branch.group.Tick()
		}
		n.relay.Tick()
		n.poke()
		n.tick()
	})
}

// poke has the node's owners work soon, in an order that changes.
func (n *node) poke() {
	if n.poked {
		return
	}
	n.poked = true
	n.after(5*time.Microsecond+n.world.below(40*time.Microsecond), processTag, n.work)
}

func (n *node) work() {
	n.poked = false
	did := n.workBranch()
	did = n.group.StepLoop() || did
	switch {
	case n.busy: // work ends it
		if s := n.group.Group().Status(); s.Committed > s.Applied {
			n.world.bites(n.busyBy)
		}
	case n.world.random.IntN(8) > 0:
		did = n.group.StepApplier() || did
		did = n.keep() || did
		if !n.up {
			return
		}
	default: // the applier and the keeper are late
		did = true
	}
	n.disk.work()
	select {
	case err := <-n.group.Group().Failed():
		n.failed(err)
		return
	default:
	}
	if n.world.random.IntN(8) > 0 {
		n.converse()
	} else { // the link is late
		did = true
	}
	if did {
		n.poke()
	}
}

// failed: a group that has failed ends its process; it comes back when its disk works.
func (n *node) failed(err error) {
	n.world.say("%s has failed: %v", n.name, err)
	var diverged *replica.DivergedError
	if errors.As(err, &diverged) {
		if !n.live.flipped {
			n.world.fail("%s: %v", n.name, err)
			return
		}
		n.world.counts.Diverged++
		n.world.bites(n.flip)
	}
	n.kill()
	if isUnknownFeature(err) && n.old {
		n.old = false
	}
	if isRemoved(err) {
		n.leaving, n.gone = true, true
		return
	}
	n.world.faults.reviveLater(n)
}

// follow hears who leads.
func (n *node) follow(now replica.Leadership) {
	w := n.world
	w.say("%s knows the leader %d of term %d, leading %t, ready %t", n.name, now.Leader, now.Term, now.Leading, now.Ready)
	was := n.lead
	n.lead = now
	if n.shard != nil {
		n.shard.Led(now)
	}
	if now.Leading && !was.Leading {
		w.counts.Elections++
		w.truth.leads(n, now.Term)
	}
	switch {
	case now.Leading && n.live.flipped:
		n.after(1, processTag, n.loseToFlip)
	case now.Ready && !was.Ready:
		n.link.Begin()
		n.after(1, processTag, n.dial)
	case !now.Ready && was.Ready:
		n.hangUp(errDeposed)
	}
}
