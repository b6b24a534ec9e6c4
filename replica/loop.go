package replica

import (
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"evenkeel/core/planted"
)

// A loop owns the protocol: it packs commands into proposals, carries the protocol's work to the journal and the
// applier in order, and their results back. It never waits for either, so its clock ticks whatever they do.
type loop[A any] struct {
	group     uint64
	node      uint64
	raft      *raft.RawNode
	memory    *logMemory
	queue     *queue[A]
	journal   *journal
	applier   *applier[A]
	keeper    *keeper[A]
	transport Transport
	limits    Limits
	clock     func() time.Time // what entries are stamped with
	now       func() time.Time // what durations are measured by
	log       *slog.Logger
	in        *mailbox[loopWork[A]]
	spent     []loopWork[A] // reused
	stopping  chan struct{}
	stopped   chan struct{}
	ready     chan struct{} // closed when this node leads and has applied all that came before
	failures  chan error    // of capacity one

	leader    uint64
	leading   bool
	isReady   bool // it leads and has applied all that came before
	opened    bool // it was ready once
	failure   error
	term      uint64
	vote      uint64
	committed uint64
	time      int64       // of the newest entry
	proposed  []*batch[A] // handed to raft, not yet in the log
	placed    []*batch[A] // in the log, not yet handed to the applier, by index
	inFlight  int         // own batches proposed and not applied
	appending int         // messages with entries at the journal
	applied   uint64      // what raft knows to be applied

	watched int64 // the write of the journal that the last tick saw, by its name; 0: none
	ticks   int   // for how many ticks it was under way
	hung    bool  // that is longer than SlowSync

	beat  int            // ticks so far
	heard map[uint64]int // beat at which each other node was heard of last
	deaf  int            // for how many ticks this leader has heard too few
	asked []uint64       // whom it has asked to take over meanwhile, in order

	pin uint64 // entries behind it are kept in memory for members that will ask for them

	membersChanged func([]Member)
	change         *change // under way, nil when none is
	jointTicks     int     // for how many ticks a joint change is applied and has not ended

	led       func(Leadership)
	told      Leadership // what was announced last
	transfer  *transfer  // leadership on its way, nil while it is not
	unwilling uint64     // who did not take it the last time
	fresh     *fresh
	chores    *chores
	mending   *mending // nil while the state is right
	mends     mends
	sending   map[uint64]bool // nodes that a snapshot is being sent to

	arrived    *arrival[A] // a snapshot that the protocol has not decided on, nil when there is none
	installing *arrival[A] // one at the journal
	restored   uint64      // index of the newest that the protocol took in place of the log

	keeping   bool      // a snapshot of the group's own accord is under way
	keptBytes uint64    // applier.bytes at the last snapshot
	keptSize  uint64    // bytes of the newest snapshot
	keptAt    time.Time // when it was tried
	retryAt   time.Time // not before

	mutex  sync.Mutex
	public loopReport
}

// A loopReport is what others may know of the protocol.
type loopReport struct {
	leadership               Leadership
	committed, durable       uint64
	inFlight, entries, bytes int
	followers                []Follower
	features                 FeatureState
	compared                 uint64 // last index at which this node had what most members had
	diverged                 string // why this node's state is not that of most members
	differ                   string // why the members' states may not be equal
	members                  []Member
	removed                  []uint64
	failure                  string
}

// loopWork is one of: messages whose writes are durable, entries applied, a message from another voter, a voter that
// cannot be reached, leadership to give away, a change of members, how sending a snapshot ended, where to make a
// snapshot, how it went, a failure.
type loopWork[A any] struct {
	saved       []*raftpb.Message
	applied     *appliedWork
	received    *raftpb.Message
	unreachable uint64
	transfer    *transfer
	change      *change
	arrived     *arrival[A]
	sent        *raftpb.Message
	mark        *mark
	kept        *mark
	found       *finding
	mended      uint64          // index of the leader's snapshot that is beside the log now
	reported    *raftpb.Message // of a member, for the leader
	order       *order
	err         error // of sent and kept
	failure     error
}

// run is the raft loop's goroutine.
func (l *loop[A]) run() {
	ticker := time.NewTicker(l.limits.Tick)
	defer ticker.Stop()
	for {
		l.step()
		select {
		case <-l.stopping:
			l.end()
			return
		case <-ticker.C:
			l.tick()
		case <-l.queue.wake:
		case <-l.in.wake:
		}
	}
}

// step does what lies in the mailbox and the queue, and reports whether there was anything.
func (l *loop[A]) step() bool {
	work := l.in.take(l.spent)
	l.spent = work
	for i := range work {
		l.take(&work[i])
	}
	return l.advance() || len(work) > 0
}

// advance proposes what may be proposed and carries out what the protocol asks for, until neither is left. It reports
// whether there was anything.
func (l *loop[A]) advance() bool {
	if l.failure != nil {
		return false
	}
	l.offer()
	did := l.start()
	for l.raft.HasReady() {
		did = true
		l.carryOut(l.raft.Ready())
		if l.failure != nil {
			return did
		}
		l.start()
	}
	if l.arrived != nil { // the protocol did not want it
		l.arrived.discard()
		l.arrived = nil
	}
	l.publish()
	return did
}

// start hands the protocol what waits for it. It reports whether anything did.
func (l *loop[A]) start() bool {
	l.proposeChores()
	proposed, changed, transferred := l.propose(), l.beginChange(), l.beginTransfer()
	return l.askFresh() || proposed || changed || transferred
}

// carryOut does what a Ready asks for. Messages to the journal and the applier go in order and are never dropped.
func (l *loop[A]) carryOut(rd raft.Ready) {
	if rd.HardState != nil {
		l.committed, l.vote = rd.GetCommit(), rd.GetVote()
		if rd.GetTerm() != l.term {
			l.abandon()
			l.term = rd.GetTerm()
		}
	}
	if rd.SoftState != nil {
		l.follow(rd.SoftState)
	}
	l.announce()
	l.takeFresh(rd.ReadStates)
	for _, e := range rd.Entries {
		l.place(e)
	}
	var others []*raftpb.Message
	for _, m := range rd.Messages {
		switch m.GetTo() {
		case raft.LocalAppendThread:
			l.save(m)
		case raft.LocalApplyThread:
			if planted.Is(planted.ApplyMessageDropped) && !l.leading && m.Entries[0].GetIndex()%97 == 0 {
				continue
			}
			l.applier.in.post(applierWork[A]{message: m, batches: l.claim(m.Entries)})
		default:
			others = append(others, m)
		}
	}
	l.send(others)
}

// save hands the journal what must be durable.
func (l *loop[A]) save(m *raftpb.Message) {
	w := journalWork{message: m}
	if !raft.IsEmptySnap(m.Snapshot) {
		if w.install = l.beginInstall(m); w.install == nil {
			return
		}
	}
	if len(m.Entries) > 0 {
		l.appending++
	}
	l.journal.in.post(w)
}

func (l *loop[A]) take(w *loopWork[A]) {
	switch {
	case l.failure != nil:
		w.refuse(ErrFailed)
	case w.saved != nil:
		l.onSaved(w.saved)
	case w.applied != nil:
		l.onApplied(w.applied)
	case w.received != nil:
		l.receive(w.received)
	case w.unreachable != 0:
		l.raft.ReportUnreachable(w.unreachable)
	case w.transfer != nil:
		l.startTransfer(w.transfer)
	case w.change != nil:
		l.startChange(w.change)
	case w.arrived != nil:
		l.takeArrival(w.arrived)
	case w.sent != nil:
		l.onSent(w.sent, w.err)
	case w.mark != nil:
		w.mark.roster = l.memory.roster
		l.keeper.in.post(keeperWork{mark: w.mark})
	case w.kept != nil:
		l.onKept(w.kept, w.err)
	case w.mended != 0:
		l.onMended(w.mended)
	case w.found != nil:
		l.onFinding(w.found)
	case w.reported != nil:
		l.onReport(w.reported)
	case w.order != nil:
		l.startOrder(w.order)
	case w.failure != nil:
		l.giveUp(w.failure)
	}
}

// refuse answers who waits for the work: it will not be done.
func (w *loopWork[A]) refuse(why error) {
	if w.mark != nil {
		w.mark.tell(why)
	}
	if w.transfer != nil {
		w.transfer.done(why)
	}
	if w.change != nil {
		w.change.done(why)
	}
	if w.arrived != nil {
		w.arrived.discard()
	}
	if w.order != nil {
		w.order.done(why)
	}
}

// onSaved takes what is durable into the log in memory and delivers the answers that waited for it.
func (l *loop[A]) onSaved(messages []*raftpb.Message) {
	for _, m := range messages {
		if !raft.IsEmptySnap(m.Snapshot) {
			l.onInstalled()
		}
		if m.Term != nil {
			l.memory.state = &raftpb.HardState{Term: m.Term, Vote: m.Vote, Commit: m.Commit}
		}
		if n := len(m.Entries); n > 0 {
			l.appending--
			l.memory.add(m.Entries)
			l.mutex.Lock()
			l.public.durable = m.Entries[n-1].GetIndex()
			l.mutex.Unlock()
		}
		l.respond(m.Responses)
	}
}

func (l *loop[A]) respond(responses []*raftpb.Message) {
	var others []*raftpb.Message
	for _, m := range responses {
		if m.GetTo() != l.node {
			others = append(others, m)
			continue
		}
		_ = l.raft.Step(m) // an answer from an older term is ignored
		if planted.Is(planted.AnswerBeforeQuorum) {
			l.pretendQuorum(m)
		}
	}
	l.send(others)
}

func (l *loop[A]) onApplied(w *appliedWork) {
	l.inFlight -= w.own
	l.reform(w.message.Entries)
	if l.failure != nil {
		return
	}
	l.respond(w.message.Responses)
	last := w.message.Entries[len(w.message.Entries)-1]
	l.applied = max(l.applied, last.GetIndex()) // a snapshot may have come since
	l.memory.trim(l.limits, l.applied, l.pin)
	if l.leading && !l.isReady && last.GetTerm() == l.term {
		l.isReady = true
		if !l.opened {
			l.opened = true
			close(l.ready)
		}
		l.announce()
	}
}

func (l *loop[A]) onKept(m *mark, err error) {
	l.keeping = false
	if err != nil {
		l.retryAt = l.now().Add(l.limits.SnapshotRetry)
		return
	}
	l.keptBytes, l.keptSize, l.keptAt = m.bytes, m.size, l.now()
	if m.at.index > l.memory.snapshot.GetIndex() {
		l.memory.snapshot = snapshotHead{at: m.at, roster: m.roster}.metadata()
		l.memory.wanted = false
	}
}

// tick steps the protocol's clock, watches the journal and starts snapshots that are due.
func (l *loop[A]) tick() {
	if l.failure != nil {
		return
	}
	l.beat++
	l.watch()
	if l.failure != nil {
		return
	}
	if l.leading || !l.hung && l.mending == nil { // who cannot write, or is wrong, must not stand for election
		l.raft.Tick()
	}
	l.tickTransfer()
	l.listen()
	l.tickChange()
	l.tickFresh()
	l.tickChores()
	if l.tickMending(); l.failure != nil || l.mending != nil {
		return
	}
	l.observe()
	grown := l.applier.bytes.Load() - l.keptBytes
	now := l.now()
	due := l.memory.wanted || grown >= l.limits.snapshotAfter(l.keptSize) ||
		grown > 0 && now.Sub(l.keptAt) >= l.limits.SnapshotEvery
	if due && !l.keeping && !now.Before(l.retryAt) {
		l.keeping = true
		l.applier.in.post(applierWork[A]{mark: &markRequest{}})
	}
}

// fail stops taking commands for good. What is in flight is unknown: it may be on disk.
func (l *loop[A]) fail(err error) {
	if l.failure != nil {
		return
	}
	l.failure = err
	l.bequeath()
	l.leader, l.leading, l.isReady = raft.None, false, false
	l.log.Error("the group has failed", "group", l.group, "error", err)
	l.abandon()
	refusal := fmt.Errorf("%w: %w", ErrFailed, err)
	l.lose(l.queue.refuse(refusal), refusal)
	l.fresh.refuse(refusal)
	l.applier.readers.refuse(refusal)
	if l.transfer != nil {
		l.endTransfer(refusal)
	}
	l.dropChores(refusal)
	l.mutex.Lock()
	l.public.failure = err.Error()
	l.mutex.Unlock()
	l.announce()
	l.failures <- err
}

// end answers everything that waits and ends the applier.
func (l *loop[A]) end() {
	l.bequeath()
	l.leader, l.leading, l.isReady = raft.None, false, false
	l.announce()
	l.lose(l.queue.refuse(ErrClosed), ErrClosed)
	l.abandon()
	l.fresh.refuse(ErrClosed)
	if l.transfer != nil {
		l.endTransfer(ErrClosed)
	}
	l.dropChores(ErrClosed)
	for _, w := range l.in.take(nil) {
		w.refuse(ErrClosed)
	}
	l.applier.in.post(applierWork[A]{stop: true})
	close(l.stopped)
}

func (l *loop[A]) publish() {
	l.mutex.Lock()
	l.public.committed = l.committed
	l.public.inFlight, l.public.entries, l.public.bytes = l.inFlight, len(l.memory.sizes), l.memory.bytes
	l.mutex.Unlock()
}

func (l *loop[A]) reports() loopReport {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.public
}
