package replica

import (
	"fmt"
	"strings"
	"sync/atomic"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// A mending is the last work of a node whose state is not that of most members. It applies nothing and answers
// nobody any more, and must not lead; its log and vote are sound and go on, so the others lose no voter yet. It
// asks the leader for a snapshot that is younger than the divergence, because its own older ones and its log may
// lead to the wrong state again: an entry that memory spoiled before it was written has the right checksum. With
// that snapshot beside its log, or in place of a log that does not reach it, or without it after Limits.MendWait, the
// group fails, and the next start has what it takes.
//
// A log may well not reach it: entries that nobody applies do not leave the memory, and when that is full, no more are
// taken.
type mending struct {
	why   error
	index uint64 // of the divergence
	ticks int
}

// mendAgain is how many ticks pass before the leader is asked again.
const mendAgain = electionTicks

// startMending stops everything but the protocol.
func (l *loop[A]) startMending(diverged *DivergedError, err error) {
	refusal := fmt.Errorf("%w: %w", ErrFailed, err)
	l.fresh.refuse(refusal)
	l.applier.readers.refuse(refusal)
	if l.leading || len(l.memory.ids()) < 2 {
		l.fail(err) // nobody took leadership: there is nobody to ask
		return
	}
	l.mending = &mending{why: err, index: diverged.Index}
	l.mends.Store(diverged.Index)
}

// tickMending asks the leader, and does not wait for ever.
func (l *loop[A]) tickMending() {
	m := l.mending
	if m == nil {
		return
	}
	m.ticks++
	switch {
	case l.leading || m.ticks >= int(l.limits.MendWait/l.limits.Tick):
		l.fail(m.why)
	case l.leader != raft.None && m.ticks%mendAgain == 1:
		l.report(report{kind: wantReport, index: m.index})
	}
}

// onWanted sends a member the newest snapshot, when that is young enough, and has one made when it is not.
func (l *loop[A]) onWanted(from, index uint64) {
	meta := l.memory.snapshot
	if meta.GetIndex() < index {
		l.memory.wanted = true
		return
	}
	l.sendSnapshot(&raftpb.Message{Type: raftpb.MsgSnap.Enum(), From: new(l.node), To: new(from), Term: new(l.term),
		Snapshot: &raftpb.Snapshot{Metadata: meta}})
}

// onMended ends a mending with the leader's snapshot.
func (l *loop[A]) onMended(index uint64) {
	if m := l.mending; m != nil {
		l.log.Info("the leader's snapshot is on disk; the next start begins with it", "group", l.group, "index", index)
		l.fail(m.why)
	}
}

// keepForMending lays the leader's snapshot, which was received and verified, beside the log. The log must reach
// it: what this node acknowledged stays.
func (g *Group[A]) keepForMending(a *arrival[A]) error {
	at, public := a.head.at, g.loop.reports()
	if at.index < g.loop.mends.Load() || at.index > min(public.committed, public.durable) {
		return fmt.Errorf("the snapshot at index %d is older than the divergence, or ahead of the log, which reaches %d",
			at.index, min(public.committed, public.durable))
	}
	if err := renameSynced(a.path, strings.TrimSuffix(a.path, receivedSuffix)+snapshotSuffix); err != nil {
		return err
	}
	if err := g.home.noteDivergence(g.loop.mends.Load(), at.index); err != nil {
		return err
	}
	a.busy.Store(false)
	g.loop.in.post(loopWork[A]{mended: at.index})
	return nil
}

// mends is the index of the divergence that is being mended, for other goroutines; 0: none.
type mends = atomic.Uint64

// trusts reports whether a snapshot may be restored: with a divergence noted, one that is not younger, or the
// leader's.
func (h *home) trusts(head snapshotHead, below uint64) bool {
	return below == 0 || head.at.index < below || h.trusted != 0 && head.at.index == h.trusted
}
