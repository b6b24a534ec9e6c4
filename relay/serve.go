package relay

import (
	"bytes"
	"errors"
	"sync"
	"sync/atomic"

	"evenkeel/core/trade"
	"evenkeel/replica"
)

// A guest is another node's epoch at this one. When a command of an epoch was refused, none of the same epoch is let
// in any more, and none of an older one: what stood behind it in its node's order comes again behind it.
type guest struct {
	mutex   sync.Mutex
	epoch   uint64
	refused bool
}

// A visit is the commands of one call at the log of this node.
type visit struct {
	slots  []*slot
	count  int
	left   atomic.Int32 // results that are missing, and one for serve itself
	epoch  uint64
	index  func() uint64 // Parts.Applied
	answer func([]byte, error)
	body   []byte
}

// A slot is one command of a visit.
type slot struct {
	visit  *visit
	what   result
	answer trade.Answer
	done   func(trade.Answer, error) // made once
}

var visits = sync.Pool{New: func() any { return new(visit) }}

// An early is a call that came while this node leads and is not ready yet. It is served in a moment: sent back, it
// would come again only after a pause.
type early struct {
	from     uint64
	question question
	answer   func([]byte, error)
}

// maxEarly bounds the calls that wait for this node to be ready; one more is told to come again.
const maxEarly = 256

// serve takes another node's commands. Where calls wait, it waits behind them: those of a node stay in their order.
func (s *Shard) serve(from uint64, q *question, answer func([]byte, error)) {
	s.mutex.Lock()
	wait := (s.rising && s.term == q.term || s.waking) && !s.closed && len(s.early) < maxEarly
	if wait {
		one := early{from, *q, answer}
		one.question.commands = bytes.Clone(q.commands)
		s.early = append(s.early, one)
	}
	s.mutex.Unlock()
	if !wait {
		s.take(from, q, answer)
	}
}

// wake serves the calls that have waited for this node to be ready, or that need not wait any more.
func (s *Shard) wake() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.waking || s.rising && !s.closed {
		return
	}
	s.waking = true
	for len(s.early) > 0 {
		now := s.early
		s.early = nil
		s.mutex.Unlock()
		for i := range now {
			s.take(now[i].from, &now[i].question, now[i].answer)
		}
		s.mutex.Lock()
	}
	s.waking = false
}

// take brings another node's commands to the log of this one.
func (s *Shard) take(from uint64, q *question, answer func([]byte, error)) {
	s.mutex.Lock()
	g := s.guests[from]
	if g == nil {
		g = &guest{}
		s.guests[from] = g
	}
	leads := s.self && s.term == q.term && !s.closed
	s.mutex.Unlock()
	s.served.Add(uint64(q.count))
	v := newVisit(q.count, answer)
	g.mutex.Lock()
	why := notLeader
	switch {
	case q.epoch < g.epoch:
		leads = false
	case q.epoch > g.epoch:
		g.epoch, g.refused = q.epoch, !leads
	default:
		g.refused = g.refused || !leads
		leads = !g.refused
	}
	v.epoch, v.index = g.epoch, s.Applied
	for i := range q.count {
		day, command := q.next()
		one := v.slots[i]
		switch {
		case !leads:
			one.end(why)
		default:
			err := s.submit(day, command, one.done)
			switch {
			case err == nil:
			case errors.Is(err, errOtherDay):
				one.end(otherDay)
			case errors.Is(err, replica.ErrTooLarge):
				one.end(tooLarge)
			default:
				if leads, g.refused = false, true; errors.Is(err, replica.ErrFull) {
					why = full
				}
				one.end(why)
			}
		}
	}
	g.mutex.Unlock()
	v.finish()
}

func newVisit(count int, answer func([]byte, error)) *visit {
	v, _ := visits.Get().(*visit)
	for len(v.slots) < count {
		one := &slot{visit: v}
		one.done = one.returned
		v.slots = append(v.slots, one)
	}
	v.count, v.answer = count, answer
	v.left.Store(int32(count) + 1)
	return v
}

// returned is the log's answer to one command.
func (o *slot) returned(a trade.Answer, err error) {
	switch {
	case err == nil:
		o.answer = a
		o.end(answered)
	case errors.Is(err, replica.ErrUnknown):
		o.end(unknown)
	default: // ErrNotLeader, ErrClosed, ErrFailed: nothing happened
		o.end(notLeader)
	}
}

func (o *slot) end(what result) {
	o.what = what
	o.visit.finish()
}

// finish answers the call when the last result is there.
func (v *visit) finish() {
	if v.left.Add(-1) > 0 {
		return
	}
	v.body = appendReply(v.body[:0], v.epoch, v.index(), v.count)
	for _, one := range v.slots[:v.count] {
		v.body = appendResult(v.body, one.what, &one.answer)
	}
	answer := v.answer
	v.answer = nil
	answer(v.body, nil)
	visits.Put(v)
}
