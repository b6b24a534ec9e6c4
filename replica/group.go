package replica

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// A Group is one log of this node and its machine. Its methods may be called from any goroutine.
type Group[A any] struct {
	home      *home
	queue     *queue[A]
	loop      *loop[A]
	journal   *journal
	applier   *applier[A]
	keeper    *keeper[A]
	limits    Limits
	waiters   sync.Pool   // of *waiter[A]
	start     Status      // what the start did
	lone      bool        // it was the only voter at start
	receiving atomic.Bool // a snapshot is being received or installed
	closing   sync.Once
	closeErr  error
}

// A waiter waits for one answer.
type waiter[A any] struct {
	answers chan outcome[A]
	done    func(A, error)
}

type outcome[A any] struct {
	answer A
	err    error
}

// Open opens or creates the group of o in o.Dir: it verifies and mends the directory, restores the newest good
// snapshot and replays the log behind it. A group of one voter takes commands when Open returns.
// Errors: ErrLocked, ErrNoMarker, ErrForeign, ErrLogLost, *CorruptError, or what the disk or the machine's Restore
// says.
func Open[A any](o Options[A]) (*Group[A], error) {
	if err := o.complete(); err != nil {
		return nil, openError(err)
	}
	g, err := build(&o, time.Now)
	if err != nil {
		return nil, err
	}
	go g.journal.run()
	go g.applier.run()
	go g.keeper.run()
	go g.loop.run()
	if g.lone {
		select {
		case <-g.loop.ready:
		case err := <-g.loop.failures:
			return nil, errors.Join(err, g.Close())
		}
	}
	return g, nil
}

func openError(err error) error { return fmt.Errorf("opening a group: %w", err) }

// Submit hands a command to the log. The command is copied. When Submit returns nil, done is called exactly once, from
// the apply goroutine, with the answer or an error (ErrUnknown, ErrNotLeader, ErrClosed, ErrFailed); done must not
// block, and may call Submit. When Submit returns an error (ErrFull, ErrTooLarge, ErrNotLeader, ErrClosed, ErrFailed),
// done is never called and nothing happened.
func (g *Group[A]) Submit(command []byte, done func(A, error)) error {
	return g.queue.submit(command, done)
}

// Propose hands a command to the log and waits for its answer. The errors are those of Submit and its done; when ctx
// ends first the error is both ErrUnknown and ctx's.
func (g *Group[A]) Propose(ctx context.Context, command []byte) (A, error) {
	var none A
	if err := ctx.Err(); err != nil {
		return none, err
	}
	w, ok := g.waiters.Get().(*waiter[A])
	if !ok {
		answers := make(chan outcome[A], 1)
		w = &waiter[A]{answers: answers, done: func(a A, err error) { answers <- outcome[A]{a, err} }}
	}
	if err := g.Submit(command, w.done); err != nil {
		g.waiters.Put(w)
		return none, err
	}
	select {
	case o := <-w.answers:
		g.waiters.Put(w)
		return o.answer, o.err
	case <-ctx.Done():
		return none, fmt.Errorf("%w: %w", ErrUnknown, ctx.Err()) // the waiter still gets its answer: it is not reused
	}
}

// Inspect runs look on the apply goroutine between two entries, with the machine and the last index applied. look must
// not change the machine, keep it, or block. What was answered before Inspect was called is applied. A failed group
// can still be inspected. Errors: ErrFull, ErrClosed, ctx's; look has not run then and will not.
func (g *Group[A]) Inspect(ctx context.Context, look func(m Machine[A], index uint64)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := g.applier.admit(g.limits); err != nil {
		return err
	}
	i := &inspection[A]{look: look, done: make(chan struct{})}
	g.applier.in.post(applierWork[A]{look: i})
	return g.applier.await(ctx, i)
}

// Look is Inspect without waiting: look runs later, on the apply goroutine, unless the group closes before. Errors:
// ErrFull, ErrClosed; look will not run then.
func (g *Group[A]) Look(look func(m Machine[A], index uint64)) error {
	if err := g.applier.admit(g.limits); err != nil {
		return err
	}
	g.applier.in.post(applierWork[A]{look: &inspection[A]{look: look, done: make(chan struct{})}})
	return nil
}

// Keep is Snapshot without waiting: done hears how it went, from a goroutine of the group, and must not block. When
// Keep returns an error (ErrFull, ErrClosed), done is never called.
func (g *Group[A]) Keep(done func(error)) error {
	if err := g.applier.admit(g.limits); err != nil {
		return err
	}
	g.applier.in.post(applierWork[A]{mark: &markRequest{done: done, waiting: &g.applier.looking}})
	return nil
}

// Snapshot makes a snapshot of what is applied now, or waits for one under way and makes none when that covers it.
// Errors: *DivergedError, *CorruptError, ErrFailed, ErrClosed, ctx's (the snapshot is then made all the same), ErrFull
// when Limits.Inspections wait already, or the disk's.
func (g *Group[A]) Snapshot(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	done := make(chan error, 1)
	if err := g.Keep(func(err error) { done <- err }); err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-g.keeper.stopped:
	}
	select {
	case err := <-done:
		return err
	default:
		return ErrClosed
	}
}

// Replay visits the entries after index after that are applied now, in order, from the archive on disk, while the
// group works. Entries of the log's own are skipped. It ends early with the error that visit returns. ErrGone says
// that the archive no longer goes back that far.
func (g *Group[A]) Replay(after uint64, visit func(Entry) error) error {
	until := g.applier.applies()
	if after >= until.index {
		return nil
	}
	return replayLog(g.home, after, until, visit)
}

// Replay visits the entries after index after in the archive of a group that no process has open, in order. It changes
// nothing: an unfinished end of the log is passed over. Only Dir, Group, Node of o are needed.
func Replay[A any](o Options[A], after uint64, visit func(Entry) error) error {
	h, err := openHome(o.Dir, o.Group, o.Node, nil, false)
	if err != nil {
		return err
	}
	defer h.release()
	return replayLog(h, after, position{}, visit)
}

// replayLog reads the archive up to a position; up to the end of what is agreed when until is zero.
func replayLog(h *home, after uint64, until position, visit func(Entry) error) error {
	reader, err := openCommitted(h.log(), h.identity(), position{index: after})
	if err != nil {
		return err
	}
	defer reader.close()
	visitPayload := visitPayloads(h.group, visit)
	if err := reader.read(until, visitPayload); err != nil {
		return err
	}
	if until.index == 0 {
		return releaseAlone(h, reader, visitPayload)
	}
	if reader.after < until.index {
		return &CorruptError{File: reader.tail.path, Offset: reader.tail.offset,
			Cause: fmt.Errorf("the log ends at index %d, applied is %d", reader.after, until.index)}
	}
	return nil
}

// releaseAlone visits what a log does not say is agreed and is all the same, because its node was the only voter.
func releaseAlone(h *home, reader *committedReader, visit func(logEntry) error) error {
	if len(reader.waiting) == 0 {
		return nil
	}
	members, err := h.rosterAt(reader.after)
	for err == nil && len(reader.waiting) > 0 && members.alone(h.node) {
		err = reader.release(reader.waiting[0].index, func(e logEntry) error {
			if err := members.reform(e); err != nil {
				return err
			}
			return visit(e)
		})
	}
	return err
}

// rosterAt is who the members were after entry index, which is agreed: from the newest snapshot and the log behind it.
func (h *home) rosterAt(index uint64) (roster, error) {
	paths, err := snapshotFiles(h.snapshots())
	if err != nil {
		return roster{}, err
	}
	head := snapshotHead{roster: h.initial}
	for _, path := range paths {
		newest, err := readSnapshot(path, h.group, nil)
		if err == nil && newest.at.index <= index {
			head = newest
			break
		}
	}
	reader, err := openCommitted(h.log(), h.identity(), head.at)
	if err != nil {
		return roster{}, err
	}
	defer reader.close()
	members := head.roster
	err = reader.read(position{}, func(e logEntry) error {
		if e.index > index {
			return nil
		}
		return members.reform(e)
	})
	return members, err
}

// Receive takes a message that another voter of the group sent. It never blocks. Proposals are not taken from others:
// the leader alone stamps time; snapshots go to ReceiveSnapshot.
func (g *Group[A]) Receive(message *raftpb.Message) {
	switch kind := message.GetType(); {
	case kind == raftpb.MsgProp: // a report: control.go
		g.loop.in.post(loopWork[A]{reported: message})
	case kind == raftpb.MsgSnap, raft.IsLocalMsg(kind) && !tellsRemoved(message):
	default:
		g.loop.in.post(loopWork[A]{received: message})
	}
}

// Unreachable says that messages to a node were lost.
func (g *Group[A]) Unreachable(node uint64) {
	if node != 0 {
		g.loop.in.post(loopWork[A]{unreachable: node})
	}
}

// Transfer gives leadership to a voter, the one that has most of the log when to is 0, and waits until that leads.
// Until then commands wait. Errors: ErrNotLeader, ErrNoSuccessor, ErrTransferring, ErrNotTransferred, ErrFailed,
// ErrClosed, ctx's (it may still be transferred then).
func (g *Group[A]) Transfer(ctx context.Context, to uint64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	done := make(chan error, 1)
	g.AskTransfer(to, func(err error) { done <- err })
	return g.wait(ctx, done)
}

// AskTransfer is Transfer without waiting: done is called from the raft loop, and must not block; it is never called
// when the group is closed.
func (g *Group[A]) AskTransfer(to uint64, done func(error)) {
	g.loop.in.post(loopWork[A]{transfer: &transfer{to: to, done: done}})
}

// wait waits for an answer of the raft loop.
func (g *Group[A]) wait(ctx context.Context, done chan error) error {
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-g.loop.stopped:
	}
	select {
	case err := <-done:
		return err
	default:
		return ErrClosed
	}
}

// Leadership is who leads the group, as this node knows it.
func (g *Group[A]) Leadership() Leadership { return g.loop.reports().leadership }

// Members are who belongs to the group, as of the last entry applied.
func (g *Group[A]) Members() []Member { return g.loop.reports().members }

// Removed are the ids that were members and are no longer, as of the last entry applied.
func (g *Group[A]) Removed() []uint64 { return g.loop.reports().removed }

// Status is what the group says of itself. It never waits for the disk or the machine.
func (g *Group[A]) Status() Status {
	s := g.start
	s.Applied = g.applier.applies().index // first: the loop publishes what is committed after it has handed it on
	l, k := g.loop.reports(), g.keeper.reports()
	s.Leader, s.Leading, s.Term = l.leadership.Leader, l.leadership.Leading, l.leadership.Term
	s.Followers = l.followers
	s.LastCompared, s.Differ, s.Diverged = l.compared, l.differ, l.diverged
	s.Committed, s.Durable, s.Failure = max(l.committed, s.Applied), l.durable, l.failure
	s.InFlight, s.MemoryEntries, s.MemoryBytes = l.inFlight, l.entries, l.bytes
	s.QueuedCommands, s.QueuedBytes = g.queue.waiting()
	s.SnapshotIndex, s.SnapshotBytes, s.SnapshotTime, s.SnapshotTook = k.index, k.bytes, k.at, k.took
	s.SnapshotFailed = k.failed
	s.Syncs, s.SlowSyncs = g.journal.syncs.Load(), g.journal.slowSyncs.Load()
	s.LongestSync = time.Duration(g.journal.longest.Load())
	return s
}

// Failed delivers at most one error: why the group stopped taking commands, naming the file and what to do. The
// machine can still be inspected; the group works again after Close and Open.
func (g *Group[A]) Failed() <-chan error { return g.loop.failures }

// Close stops the group. Commands in flight are answered ErrUnknown, those not yet proposed ErrClosed; when Close
// returns all are answered. A snapshot under way is given up. It returns an error, and leaves the directory locked,
// when a write that hangs keeps a file open. It must not be called from a done function or from within Apply.
func (g *Group[A]) Close() error {
	g.closing.Do(func() { g.closeErr = g.close() })
	return g.closeErr
}

func (g *Group[A]) close() error {
	close(g.loop.stopping)
	<-g.loop.stopped
	close(g.keeper.stopping)
	close(g.journal.stopping)
	<-g.applier.stopped
	for _, owner := range []struct {
		stopped  chan struct{}
		patience time.Duration
		dir      string
	}{
		{g.journal.stopped, g.limits.StalledSync, g.home.log()},
		{g.keeper.stopped, snapshotPatience * g.limits.StalledSync, g.home.snapshots()},
	} {
		patience := time.NewTimer(owner.patience)
		defer patience.Stop()
		select {
		case <-owner.stopped:
		case <-patience.C:
			go func() { // when it returns after all, the group can be opened again
				<-g.journal.stopped
				<-g.keeper.stopped
				g.home.release()
			}()
			return fmt.Errorf("closing the group: a write to %s does not return; its directory stays locked", owner.dir)
		}
	}
	g.home.release()
	return nil
}

// snapshotPatience is how many times longer than for a save of the log Close waits for the sync of a snapshot.
const snapshotPatience = 10
