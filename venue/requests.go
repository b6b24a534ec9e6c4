package venue

import (
	"slices"
	"time"

	"evenkeel/core/planted"
	"evenkeel/core/trade"
	"evenkeel/szse"
)

// requests is the speaking half of a conversation: when requests may go out, and which is next.
type requests struct {
	encoder  encoder
	platform bool // the exchange takes requests
	position uint64
	batch    []Item
	repeat   []uint64 // positions to send again, in order

	points   []szse.SyncPoint // of reports to ask for
	asked    time.Time        // when reports were first asked for; zero before
	old      uint64           // the newest request of the outbox then: this one and those before may have been sent
	waited   int              // how many requests stood in the outbox then
	quiet    time.Time        // when the last report came
	marked   bool             // the exchange has said all that it was asked for
	markedAt uint64           // what had been proposed then
	released bool             // requests go out
	fresh    bool             // something came that may let requests out

	throttle time.Duration // the pause after the next throttled request
	resume   time.Time     // nothing is sent before it
}

func (r *requests) open(unit string) {
	r.throttle = LeastThrottle
	copy(r.encoder.unit[:], unit)
}

// mark notes the exchange's word that it has sent every report that it was asked for. The session rules have none of
// its own for that: the first phase that it tells after the synchronisation is it (package szse).
func (r *requests) mark(proposed uint64) {
	if !r.asked.IsZero() && !r.marked {
		r.marked, r.markedAt = true, proposed
	}
}

// stirred reports whether something happened since the last Output that may have given it something to say, other than
// a change of the outbox or a timer.
func (c *Conversation) stirred() bool {
	r := &c.requests
	return r.fresh || len(r.points) > 0 || c.stage == atWork && !r.released
}

// ask asks for reports.
func (c *Conversation) ask(into []byte) []byte {
	r := &c.requests
	m := szse.ReportSynchronization{Points: r.points}
	into = m.Append(into)
	r.points = r.points[:0]
	if r.asked.IsZero() {
		r.asked, r.quiet = c.now, c.now
		r.old, r.waited = c.link.o.Outbox.Newest()
	}
	return into
}

// release decides whether requests may go out. What stood in the outbox when the conversation began may have been sent
// before, and its reports may be among those that were asked for: to send it again would be harmless, and useless. So
// requests wait for the reports. That wait has ends: the exchange's mark; SyncQuiet without a report, for an exchange
// that makes no mark; and SyncLimit, since a request that is refused as a duplicate is better than one that is late.
func (c *Conversation) release() bool {
	r := &c.requests
	switch {
	case r.asked.IsZero() || !r.platform || c.now.Before(r.resume):
		return false
	case r.released:
		return true
	case c.link.o.Outbox.Oldest() > r.old: // nothing stands there that may have been sent
	case r.marked && c.queue.answered >= r.markedAt:
	case c.queue.answered == c.queue.proposed && c.held.what == nothingHeld && c.now.Sub(r.quiet) >= SyncQuiet:
	case c.now.Sub(r.asked) >= SyncLimit:
		c.link.counts.impatient.Add(1)
	default:
		return false
	}
	r.released = true
	left := c.link.o.Outbox.Through(r.old)
	c.link.counts.spared.Add(uint64(max(0, r.waited-left)))
	c.link.counts.held.Store(int64(c.now.Sub(c.began)))
	return true
}

// timer is the earlier of next and the end of a wait of the requests.
func (r *requests) timer(next, now time.Time, outbox *Outbox) time.Time {
	if now.Before(r.resume) {
		return earlier(next, r.resume)
	}
	if r.asked.IsZero() || r.released || !r.platform || outbox.Len() == 0 {
		return next
	}
	if quiet := r.quiet.Add(SyncQuiet); now.Before(quiet) {
		next = earlier(next, quiet)
	}
	return earlier(next, r.asked.Add(SyncLimit))
}

// again has a request sent again after a pause. All refusals of one pause double it once: a burst of them says no more
// than one.
func (c *Conversation) again(position uint64) {
	r := &c.requests
	r.fresh = true
	if i, there := slices.BinarySearch(r.repeat, position); !there {
		r.repeat = slices.Insert(r.repeat, i, position)
	}
	if c.now.Before(r.resume) {
		return
	}
	const calm = 2 * MostThrottle // after so long without a refusal the pauses begin small again
	if c.now.Sub(r.resume) > calm {
		r.throttle = LeastThrottle
	}
	r.resume = c.now.Add(r.throttle)
	r.throttle = min(2*r.throttle, MostThrottle)
}

// sendRequests appends the next requests: first those to be sent again, which are older, then new ones.
func (c *Conversation) sendRequests(into []byte) []byte {
	r := &c.requests
	r.fresh = false
	if len(r.points) > 0 {
		return c.ask(into)
	}
	if !c.release() {
		return into
	}
	for before := len(into); len(into) == before; {
		c.nextBatch()
		into = c.appendBatch(into)
		if len(r.batch) < sendBatch {
			break
		}
	}
	return into
}

// nextBatch takes from the outbox what is to be sent next.
func (c *Conversation) nextBatch() {
	r, outbox := &c.requests, c.link.o.Outbox
	r.batch = r.batch[:0]
	for len(r.repeat) > 0 && len(r.batch) < sendBatch {
		position := r.repeat[0]
		r.repeat = r.repeat[1:]
		before := len(r.batch)
		r.batch = outbox.After(position-1, r.batch, 1)
		if len(r.batch) > before && r.batch[before].Position != position {
			r.batch = r.batch[:before] // confirmed in the meantime
		}
	}
	if room := sendBatch - len(r.batch); room > 0 {
		r.batch = outbox.After(r.position, r.batch, room)
	}
}

// appendBatch appends the messages of the batch.
func (c *Conversation) appendBatch(into []byte) []byte {
	r := &c.requests
	for i := range r.batch {
		item := &r.batch[i]
		if c.link.refused.isFinal(item.Request) {
			r.position = max(r.position, item.Position)
			continue
		}
		m, err := r.encoder.message(item)
		if err != nil && c.full() {
			r.batch = r.batch[:i] // it waits for its refusal's place, and those behind it with it
			r.fresh = true
			return into
		}
		r.position = max(r.position, item.Position)
		if planted.Is(planted.ClOrdIDRenewed) && item.Position <= r.old && !item.Cancel {
			r.encoder.order.ClOrdID[0] ^= 1
		}
		if err != nil {
			c.cannotSay(item, err)
			continue
		}
		into = m.Append(into)
		c.link.counts.sent.Add(1)
		if item.Position <= r.old {
			c.link.counts.resent.Add(1)
		}
	}
	return into
}

// cannotSay refuses a request that has no form at the exchange. It was never sent, and never will be.
func (c *Conversation) cannotSay(item *Item, err error) {
	c.link.o.Log.Error("a request cannot be sent to the exchange", "request", uint64(item.Request), "error", err)
	c.link.refused.refuse(item.Request, trade.VenueRefused)
	c.link.counts.refused.Add(1)
	_ = c.fail(c.refuse(refusal{*item, trade.VenueRefused})) // told by Err
}
