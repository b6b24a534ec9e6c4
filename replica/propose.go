package replica

import (
	"slices"

	"go.etcd.io/raft/v3/raftpb"

	"evenkeel/core/must"
	"evenkeel/core/planted"
)

// This file follows the batches of a leader: from the queue to the protocol, to their place in the log, to the
// applier.

// propose hands batches to the protocol: full ones while the limit allows, another only when no sync is under way, so
// that what comes in during a sync shares the next. It reports whether there was one.
func (l *loop[A]) propose() (any bool) {
	for l.leading && l.transfer == nil && (l.change == nil || !l.change.leaves) && l.inFlight < l.limits.InFlight {
		b := l.queue.take(l.appending == 0 && len(l.proposed) == 0)
		if b == nil {
			return any
		}
		any = true
		l.time = max(l.time, l.clock().UnixNano())
		if planted.Is(planted.TimeRunsBack) {
			l.time = l.clock().UnixNano()
		}
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
	why := ErrUnknown
	if planted.Is(planted.AnswerOnStepDown) {
		why = nil
	}
	if planted.Is(planted.AnswerToWrongCommand) {
		lost = l.proposed
	} else {
		l.placed = nil
	}
	l.inFlight -= len(lost)
	l.proposed = nil
	l.lose(lost, why)
	l.loseChange()
}

// place notes where an own batch came to lie in the log. A leader appends nothing but its own proposals, in order, and
// an entry without content when it begins.
func (l *loop[A]) place(e *raftpb.Entry) {
	if e.GetType() != raftpb.EntryNormal || len(e.Data) == 0 {
		l.placeChange(e)
		return
	}
	l.time = max(l.time, payloadTime(e.Data))
	if len(l.proposed) == 0 || e.GetTerm() != l.term {
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
		if b.term != e.GetTerm() && !planted.Is(planted.AnswerToWrongCommand) {
			l.inFlight--
			l.lose([]*batch[A]{b}, ErrUnknown)
			continue
		}
		own = append(own, b)
	}
	return own
}
