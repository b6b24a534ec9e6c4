package sim

import (
	"errors"
	"time"

	"evenkeel/core/trade"
	"evenkeel/replica"
	"evenkeel/venue"
)

// The node's side of the link to the exchange: it carries the real conversation, as the link's own goroutines do.

var (
	errDeposed  = errors.New("this node no longer leads")
	errLost     = errors.New("the connection was lost")
	errNobody   = errors.New("nobody answers at the exchange")
	errUnproven = errors.New("leadership could not be confirmed")
)

// connectTime is how long it takes to see that nobody answers.
const connectTime = 200 * time.Millisecond

// dial connects to the exchange, when this node leads and is not connected.
func (n *node) dial() {
	w := n.world
	if !n.lead.Ready || n.wire != nil {
		return
	}
	n.dialled++
	try := n.dialled
	w.net.call(n.place, exchangePlace, streamTag, func() {
		w.exchange.stimulate(func() {
			if !n.up || n.dialled != try || n.wire != nil || !n.lead.Ready {
				return
			}
			s := w.net.connect(&n.process, &w.exchange.process)
			w.exchange.accept(s)
			n.connected(s)
		})
	})
	n.after(connectTime, processTag, func() {
		if n.dialled == try && n.wire == nil {
			n.redial(time.Time{}, errNobody)
		}
	})
}

func (n *node) connected(s *stream) {
	n.wire, n.heard, n.alarmed = s, n.heard[:0], 0
	talk := n.link.Converse(n.time())
	n.talk = talk
	s.ends[0].take = func(b []byte) {
		n.heard = append(n.heard, b...)
		n.converse()
	}
	s.ends[0].ended = func() {
		if n.talk == talk {
			n.hangUp(errLost)
		}
	}
	n.stimulate(n.converse)
}

// hangUp ends the conversation. After that it must have nothing to say.
func (n *node) hangUp(why error) {
	if n.talk == nil {
		return
	}
	n.talk.End(why)
	if rest := n.talk.Output(n.time(), nil); len(rest) > 0 {
		n.world.fail("%s: a link that was ended because %v has %d bytes more to say", n.name, why, len(rest))
	}
	since := n.talk.Since()
	if n.world.trace != nil {
		n.world.say("%s hangs up on the exchange: %v", n.name, n.talk.Err())
	}
	why = n.talk.Err()
	n.wire.close(0)
	n.wire, n.talk, n.heard = nil, nil, n.heard[:0]
	n.redial(since, why)
}

// redial connects again after a pause, and after a proof that this node still leads.
func (n *node) redial(since time.Time, why error) {
	pause := n.link.Ended(n.time(), since, why)
	if !n.lead.Ready {
		return
	}
	term := n.lead.Term
	n.after(max(pause, 1), processTag, func() {
		if !n.lead.Ready || n.lead.Term != term {
			return
		}
		n.fresh(func(_ uint64, err error) {
			switch {
			case !n.lead.Ready || n.lead.Term != term:
			case err != nil:
				n.redial(time.Time{}, errUnproven)
			default:
				n.dial()
			}
		})
	})
}

// converse carries what there is to carry between exchange, conversation and log.
func (n *node) converse() {
	for n.talk != nil {
		talk := n.talk
		did := false
		now := n.time()
		used, _ := talk.Receive(now, n.heard)
		if used > 0 {
			n.heard = n.heard[:copy(n.heard, n.heard[used:])]
			did = true
		}
		did = n.propose(talk) || did
		if out := talk.Output(now, nil); len(out) > 0 {
			if !n.lead.Ready {
				n.world.fail("%s speaks to the exchange and does not lead", n.name)
			}
			n.wire.write(0, out)
			did = true
		}
		_ = talk.Tick(now) // told by Err
		if err := talk.Err(); err != nil {
			if n.talk == talk {
				n.hangUp(err)
			}
			return
		}
		if !did {
			n.alarm(talk, now)
			return
		}
	}
}

// alarm has the conversation go on when it has something to do although nothing happens.
func (n *node) alarm(talk *venue.Conversation, now time.Time) {
	next := max(talk.NextTimer(now).Sub(now), time.Millisecond)
	at := now.Add(next).UnixNano()
	if n.alarmed != 0 && n.alarmed <= at && n.alarmed > now.UnixNano() {
		return // an earlier one goes off before, and looks again
	}
	n.alarmed = at
	n.after(next, processTag, func() {
		if n.alarmed == at {
			n.alarmed = 0
		}
		if n.talk == talk {
			n.converse()
		}
	})
}

// propose gives the conversation's commands to the log.
func (n *node) propose(talk *venue.Conversation) (did bool) {
	for p := talk.Proposal(); p != nil; p = talk.Proposal() {
		n.tell(p)
		err := n.shard.Link().Submit(p, func(a trade.Answer, err error) {
			talk.Answered(a, err)
			if n.world.trace != nil && (err != nil || a.Reason != trade.Accepted) {
				n.world.say("%s: the books answer the exchange: reason %d, %v", n.name, a.Reason, err)
			}
			n.poke()
		})
		talk.Given(err == nil)
		switch {
		case err == nil:
			did = true
			n.poke()
		case errors.Is(err, replica.ErrFull):
			return did
		default:
			talk.End(err)
			return true
		}
	}
	return did
}

// tell writes to the trace what the exchange said.
func (n *node) tell(p []byte) {
	if n.world.trace == nil {
		return
	}
	var c trade.Command
	if err := trade.DecodeCommand(p, &c); err != nil {
		n.world.fail("%s: the link proposes what cannot be read: %v", n.name, err)
		return
	}
	switch r := &c.Report; c.Kind {
	case trade.ReportKind:
		n.world.say("%s proposes report %d of partition %d: type %d, request %d, order %d, %d at %d, reason %d", n.name,
			r.Index, r.Partition, r.Type, r.Request&trade.NumberMask, r.Order&trade.NumberMask, r.Quantity, r.Price, r.Reason)
	case trade.SetPhaseKind:
		n.world.say("%s proposes phase %+v", n.name, c.SetPhase)
	case trade.StartDayKind, trade.EndDayKind:
		n.world.say("%s proposes start %d or end %d", n.name, c.StartDay.Day, c.EndDay.Day)
	}
}
