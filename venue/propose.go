package venue

import (
	"fmt"

	"evenkeel/core/must"
	"evenkeel/core/trade"
)

// window counts the commands of a link that wait for the log or for its answer, over all its conversations: one that
// ended may have left some.
type window struct{ used, most int }

// queue holds the commands of one conversation that the log has not taken yet, in their order, encoded one behind the
// other.
type queue struct {
	command trade.Command // to fill
	encoded []byte
	ends    []int // of each command in encoded
	taken   int   // how many of ends the log has
	full    bool  // the log did not take the one after them
	out     bool  // the one after them was handed out, and whether the log takes it is not known yet

	proposed uint64 // commands ever
	answered uint64 // of proposed
}

// queueMost is how many commands may wait to be given to the log before the conversation stops to listen.
const queueMost = 64

// drop empties the queue and returns how many commands were in it that were not handed out.
func (q *queue) drop() (lost int) {
	lost = len(q.ends) - q.taken
	if q.out {
		lost--
	}
	q.ends, q.taken = q.ends[:0], 0
	return lost
}

// waiting reports whether the log is to be given something.
func (q *queue) waiting() bool { return q.taken < len(q.ends) }

// Room reports whether the conversation listens: the log keeps up, and no day waits to begin or to end.
func (c *Conversation) Room() bool {
	if c.stage == over {
		return false
	}
	c.goOn()
	return c.held.what == nothingHeld && len(c.unsaid) == 0 && !c.queue.full && !c.full()
}

// full reports whether no more may be proposed now.
func (c *Conversation) full() bool {
	return c.link.window.used >= c.link.window.most || len(c.queue.ends) >= queueMost
}

// goOn proposes what waited for its time: refusals of an earlier session for a place, a day for the end of everything
// before it.
func (c *Conversation) goOn() {
	for len(c.unsaid) > 0 && !c.full() && c.stage != over {
		r := c.unsaid[0]
		c.unsaid = c.unsaid[1:]
		_ = c.fail(c.refuse(r)) // told by Err
	}
	c.letDayPass()
}

// propose queues the command that was filled in.
func (c *Conversation) propose() (err error) {
	q := &c.queue
	if q.encoded, err = trade.AppendCommand(q.encoded, &q.command); err != nil {
		return fmt.Errorf("%w: %w", ErrLog, err)
	}
	q.ends = append(q.ends, len(q.encoded))
	q.proposed++
	c.link.window.used++
	return nil
}

// Proposal hands out the next command for the log, nil when there is none. It stays valid until Given, which must
// follow; its answer may come before that.
func (c *Conversation) Proposal() []byte {
	if c.stage == over {
		return nil
	}
	c.goOn()
	q := &c.queue
	if q.taken == len(q.ends) {
		return nil
	}
	q.out = true
	from := 0
	if q.taken > 0 {
		from = q.ends[q.taken-1]
	}
	return q.encoded[from:q.ends[q.taken]]
}

// Given says whether the log took what Proposal handed out. If so its answer comes by Answered; if not it is handed
// out again.
func (c *Conversation) Given(taken bool) {
	q := &c.queue
	must.Hold(q.out, "what is given was handed out")
	q.out, q.full = false, !taken
	c.deaf = c.deaf || !taken
	switch {
	case c.stage == over && !taken:
		c.link.window.used-- // End left it alone
	case c.stage != over && taken:
		if q.taken++; q.taken == len(q.ends) {
			q.encoded, q.ends, q.taken = q.encoded[:0], q.ends[:0], 0
		}
	}
}

// Answered hears what the books made of a command that the log was given. Answers come in the log's order.
func (c *Conversation) Answered(a trade.Answer, err error) {
	counts := &c.link.counts
	c.queue.answered++
	c.link.window.used--
	must.Hold(c.link.window.used >= 0, "what is answered was proposed")
	switch {
	case err != nil:
		c.End(fmt.Errorf("%w: %w", ErrLog, err))
	case a.Reason == trade.Accepted:
		counts.applied.Add(1)
	case a.Reason == trade.ReportRepeated:
		counts.repeated.Add(1)
	case a.Reason == trade.ReportGap:
		c.End(fmt.Errorf("%w: the books refuse a report: %d was given, %d is next", ErrGap, a.Numbers.Given,
			a.Numbers.Bound))
	default: // a day that is not later, a report that is about nothing the books know: theirs to say
		counts.why.Store(uint32(a.Reason))
		counts.unwanted.Add(1)
	}
}
