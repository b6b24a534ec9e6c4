package replica

import (
	"fmt"
	"log/slog"
	"math"
	"slices"
	"sync"
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"evenkeel/core/must"
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
	in        *mailbox[loopWork]
	spent     []loopWork // reused
	stopping  chan struct{}
	stopped   chan struct{}
	ready     chan struct{} // closed when this node leads and has applied all that came before
	failures  chan error    // of capacity one

	leading   bool
	isReady   bool
	failure   error
	term      uint64
	time      int64       // of the newest entry
	proposed  []*batch[A] // handed to raft, not yet in the log
	placed    []*batch[A] // in the log, not yet handed to the applier, by index
	inFlight  int         // own batches proposed and not applied
	appending int         // messages with entries at the journal
	applied   uint64      // what raft knows to be applied

	watched int64 // the write of the journal that the last tick saw, by when it began; 0: none
	ticks   int   // for how many ticks it was under way

	keeping   bool      // a snapshot of the group's own accord is under way
	keptBytes uint64    // applier.bytes at the last snapshot
	keptAt    time.Time // when it was tried
	retryAt   time.Time // not before

	mutex  sync.Mutex
	public loopReport
}

// A loopReport is what others may know of the protocol.
type loopReport struct {
	leader, term, committed, durable uint64
	leading                          bool
	inFlight, entries, bytes         int
	failure                          string
}

// loopWork is one of: messages whose writes are durable, entries applied, a message from another voter, where to make
// a snapshot, how it went, a failure.
type loopWork struct {
	saved    []*raftpb.Message
	applied  *appliedWork
	received *raftpb.Message
	mark     *mark
	kept     *mark
	keptErr  error
	failure  error
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
	did := l.propose()
	for l.raft.HasReady() {
		did = true
		l.carryOut(l.raft.Ready())
		if l.failure != nil {
			return did
		}
		l.propose()
	}
	l.publish()
	return did
}

// propose hands batches to the protocol: full ones while the limit allows, another only when no sync is under way, so
// that what comes in during a sync shares the next. It reports whether there was one.
func (l *loop[A]) propose() (any bool) {
	for l.leading && l.inFlight < l.limits.InFlight {
		b := l.queue.take(l.appending == 0 && len(l.proposed) == 0)
		if b == nil {
			return any
		}
		any = true
		l.time = max(l.time, l.clock().UnixNano())
		stampPayload(b.payload, l.group, l.time, len(b.dones))
		err := l.raft.Propose(b.payload) // copies the payload
		b.size = len(b.payload)
		l.queue.reuse(b)
		if err != nil {
			l.lose([]*batch[A]{b}, ErrNotLeader)
			continue
		}
		l.proposed = append(l.proposed, b)
		l.inFlight++
	}
	return any
}

func (l *loop[A]) lose(lost []*batch[A], why error) {
	if len(lost) > 0 {
		l.applier.in.post(applierWork[A]{lost: lost, why: why})
	}
}

// abandon answers everything in flight that the applier does not have yet: nobody knows what becomes of it.
func (l *loop[A]) abandon() {
	lost := slices.Concat(l.placed, l.proposed)
	l.inFlight -= len(lost)
	l.placed, l.proposed = nil, nil
	l.lose(lost, ErrUnknown)
}

// carryOut does what a Ready asks for. Messages to the journal and the applier go in order and are never dropped.
func (l *loop[A]) carryOut(rd raft.Ready) {
	if rd.HardState != nil && rd.GetTerm() != l.term {
		l.abandon()
		l.term = rd.GetTerm()
	}
	if rd.SoftState != nil {
		l.lead(rd.SoftState)
	}
	if !raft.IsEmptySnap(rd.Snapshot) {
		l.fail(fmt.Errorf("the leader sent a snapshot at index %d, which this release cannot take",
			rd.Snapshot.GetMetadata().GetIndex()))
		return
	}
	for _, e := range rd.Entries {
		l.place(e)
	}
	var others []*raftpb.Message
	for _, m := range rd.Messages {
		switch m.GetTo() {
		case raft.LocalAppendThread:
			if len(m.Entries) > 0 {
				l.appending++
			}
			l.journal.in.post(journalWork{message: m})
		case raft.LocalApplyThread:
			l.applier.in.post(applierWork[A]{message: m, batches: l.claim(m.Entries)})
		default:
			others = append(others, m)
		}
	}
	l.send(others)
}

func (l *loop[A]) send(messages []*raftpb.Message) {
	if len(messages) > 0 {
		l.transport.Send(l.group, messages)
	}
}

// lead follows who leads.
func (l *loop[A]) lead(now *raft.SoftState) {
	leading := now.RaftState == raft.StateLeader
	l.mutex.Lock()
	l.public.leader, l.public.leading = now.Lead, leading
	l.mutex.Unlock()
	if leading == l.leading {
		return
	}
	l.leading = leading
	if leading {
		l.queue.accept()
		return
	}
	l.abandon()
	l.lose(l.queue.refuse(ErrNotLeader), ErrNotLeader)
}

// place notes where an own batch came to lie in the log. A leader appends nothing but its own proposals, in order, and
// an entry without content when it begins.
func (l *loop[A]) place(e *raftpb.Entry) {
	l.time = max(l.time, payloadTime(e.Data))
	if len(l.proposed) == 0 || len(e.Data) == 0 || e.GetTerm() != l.term {
		return
	}
	b := l.proposed[0]
	must.Hold(len(e.Data) == b.size, "entries of a leader's term are its batches in order")
	l.proposed[0] = nil
	l.proposed = l.proposed[1:]
	b.index, b.term = e.GetIndex(), e.GetTerm()
	l.placed = append(l.placed, b)
}

// claim returns the own batches among agreed entries. What has another entry in its place is lost.
func (l *loop[A]) claim(entries []*raftpb.Entry) []*batch[A] {
	var own []*batch[A]
	for _, e := range entries {
		if len(l.placed) == 0 || l.placed[0].index != e.GetIndex() {
			continue
		}
		b := l.placed[0]
		l.placed[0] = nil
		l.placed = l.placed[1:]
		if b.term != e.GetTerm() {
			l.inFlight--
			l.lose([]*batch[A]{b}, ErrUnknown)
			continue
		}
		own = append(own, b)
	}
	return own
}

func (l *loop[A]) take(w *loopWork) {
	switch {
	case l.failure != nil:
		if w.mark != nil { // a failed group makes no snapshots
			w.mark.tell(ErrFailed)
		}
	case w.saved != nil:
		l.onSaved(w.saved)
	case w.applied != nil:
		l.onApplied(w.applied)
	case w.received != nil:
		_ = l.raft.Step(w.received) // a message that does not fit is ignored, as if it had been lost
	case w.mark != nil:
		w.mark.members = l.memory.members
		l.keeper.in.post(keeperWork{mark: w.mark})
	case w.kept != nil:
		l.onKept(w.kept, w.keptErr)
	case w.failure != nil:
		l.fail(w.failure)
	}
}

// onSaved takes what is durable into the log in memory and delivers the answers that waited for it.
func (l *loop[A]) onSaved(messages []*raftpb.Message) {
	for _, m := range messages {
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
	}
	l.send(others)
}

func (l *loop[A]) onApplied(w *appliedWork) {
	l.inFlight -= w.own
	l.respond(w.message.Responses)
	last := w.message.Entries[len(w.message.Entries)-1]
	l.applied = last.GetIndex()
	keep := l.applied
	if len(l.memory.members.GetVoters()) > 1 {
		keep = min(keep, l.memory.snapshot.GetIndex()) // a voter that is behind may need the rest
	}
	l.memory.trim(l.limits, keep)
	if l.leading && !l.isReady && last.GetTerm() == l.term {
		l.isReady = true
		close(l.ready)
	}
}

func (l *loop[A]) onKept(m *mark, err error) {
	l.keeping = false
	if err != nil {
		l.retryAt = l.now().Add(l.limits.SnapshotRetry)
		return
	}
	l.keptBytes, l.keptAt = m.bytes, l.now()
	if m.at.index > l.memory.snapshot.GetIndex() {
		l.memory.snapshot = &raftpb.SnapshotMetadata{ConfState: m.members, Index: new(m.at.index), Term: new(m.at.term)}
	}
}

// tick steps the protocol's clock, watches the journal and starts snapshots that are due.
func (l *loop[A]) tick() {
	if l.failure != nil {
		return
	}
	l.raft.Tick()
	if l.stalled() {
		l.fail(fmt.Errorf("writing the log %s has taken %v and the limit is %v; check the disk, then start again: what was "+
			"acknowledged is kept", l.journal.dir, l.journal.busyFor().Round(time.Millisecond), l.limits.StalledSync))
		return
	}
	grown := l.applier.bytes.Load() - l.keptBytes
	now := l.now()
	due := grown >= uint64(l.limits.SnapshotBytes) || grown > 0 && now.Sub(l.keptAt) >= l.limits.SnapshotEvery
	if due && !l.keeping && !now.Before(l.retryAt) {
		l.keeping = true
		l.applier.in.post(applierWork[A]{mark: &markRequest{}})
	}
}

// stalled reports whether one write of the journal has gone on for too many ticks. Ticks are counted, not time: when
// the process itself stood still (stopped, or on a machine that was), the disk is not to blame.
func (l *loop[A]) stalled() bool {
	now := l.journal.busySince.Load()
	if now == 0 || now != l.watched {
		l.watched, l.ticks = now, 0
		return false
	}
	l.ticks++
	return time.Duration(l.ticks)*l.limits.Tick >= l.limits.StalledSync
}

// fail stops taking commands for good. What is in flight is unknown: it may be on disk.
func (l *loop[A]) fail(err error) {
	if l.failure != nil {
		return
	}
	l.failure = err
	l.leading = false
	l.log.Error("the group has failed", "group", l.group, "error", err)
	l.abandon()
	refusal := fmt.Errorf("%w: %w", ErrFailed, err)
	l.lose(l.queue.refuse(refusal), refusal)
	l.mutex.Lock()
	l.public.leading, l.public.leader, l.public.failure = false, 0, err.Error()
	l.mutex.Unlock()
	l.failures <- err
}

// end answers everything that waits and ends the applier.
func (l *loop[A]) end() {
	l.mutex.Lock()
	l.public.leading = false
	l.mutex.Unlock()
	l.lose(l.queue.refuse(ErrClosed), ErrClosed)
	l.abandon()
	for _, w := range l.in.take(nil) {
		if w.mark != nil {
			w.mark.tell(ErrClosed)
		}
	}
	l.applier.in.post(applierWork[A]{stop: true})
	close(l.stopped)
}

func (l *loop[A]) publish() {
	status := l.raft.BasicStatus()
	l.mutex.Lock()
	l.public.term, l.public.committed = status.GetTerm(), status.GetCommit()
	l.public.inFlight, l.public.entries, l.public.bytes = l.inFlight, len(l.memory.sizes), l.memory.bytes
	l.mutex.Unlock()
}

func (l *loop[A]) reports() loopReport {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.public
}

// protocolConfig is the configuration of the protocol. Settings with their reasons:
// pre-vote and check-quorum keep a voter that comes back, or is cut off, from disturbing a working leader; proposals
// are not forwarded, because the leader stamps their time; applying may run ahead of its answers by all that is in
// flight.
func protocolConfig(node uint64, memory *logMemory, applied uint64, limits Limits, log *slog.Logger) *raft.Config {
	return &raft.Config{
		ID:                        node,
		ElectionTick:              electionTicks,
		HeartbeatTick:             heartbeatTicks,
		Storage:                   memory,
		Applied:                   applied,
		AsyncStorageWrites:        true,
		MaxSizePerMsg:             uint64(limits.EntryBytes),
		MaxCommittedSizePerReady:  uint64(limits.EntryBytes) * uint64(limits.InFlight),
		MaxUncommittedEntriesSize: math.MaxUint64, // InFlight bounds it
		MaxInflightMsgs:           maxInflightMessages,
		CheckQuorum:               true,
		PreVote:                   true,
		DisableProposalForwarding: true,
		StepDownOnRemoval:         true,
		Logger:                    raftLogger{log},
	}
}

const (
	electionTicks       = 10
	heartbeatTicks      = 2
	maxInflightMessages = 256
)
