package sim

import (
	"fmt"
	"time"

	"evenkeel/core/money"
	"evenkeel/core/trade"
)

// An account is an investor with two hands: two clients that work at the same time, each one action after the other,
// each on any node. A try that is not answered, or answered that its outcome is unknown, is made again, at another
// node, with the same client order id.
type account struct {
	world    *World
	number   int
	id       trade.AccountID // 0 until it is opened
	exact    bool            // it never trades
	hands    [2]hand
	history  history
	orders   []*placed // by id: what its clients asked for
	moves    []*moved
	listener listener
}

// placed is an order, or a replacement, that a client asked for.
type placed struct {
	command trade.Command
	id      trade.OrderID // once it is known
	day     trade.Day
	side    trade.Side
	of      trade.SecurityID
	shares  money.Quantity
	acked   bool // it was acknowledged
	ended   bool // a client asked for its cancel, or replaced it
}

type moved struct {
	command trade.Command
	day     trade.Day
	acked   bool
}

// A hand is one client.
type hand struct {
	account *account
	number  int
	at      int // the node that it speaks to, a place in world.nodes
	open    *doing
	served  int64 // when its last action was answered
}

// doing is an action under way.
type doing struct {
	action   action
	command  []byte // encoded; nil for a read
	order    *placed
	move     *moved
	target   trade.OrderID // of a cancel, which is no action of the history
	called   int64
	tries    int
	lost     bool // it was given up
	recorded bool // it belongs into the history
}

// Of a client's patience.
const (
	tryTime   = 400 * time.Millisecond
	tryPause  = 40 * time.Millisecond
	giveUpOdd = 20_000 // millionths of tries after which a client walks away
)

func newAccount(w *World, number int) *account {
	a := &account{world: w, number: number, exact: number == 0}
	a.listener.account = a
	a.history = history{account: number, exact: a.exact}
	for i := range a.hands {
		a.hands[i] = hand{account: a, number: i, at: w.random.IntN(w.mix.nodes)}
	}
	return a
}

func (a *account) login() []byte { return fmt.Appendf(nil, "investor%d", a.number) }

func (a *account) begin() {
	a.listener.first = a.world.nodes[0].books.Day().FirstNumber(a.id)
	a.listener.listen()
	for i := range a.hands {
		h := &a.hands[i]
		h.served = a.world.now
		a.world.after(a.world.about(a.world.mix.think), clientTag, h.next)
	}
}

// next begins an action, when it is time for any.
func (h *hand) next() {
	w := h.account.world
	if !w.investing {
		return
	}
	if w.desk.closed {
		w.after(w.about(w.mix.think), clientTag, h.next)
		return
	}
	d := h.account.choose()
	d.called = w.now
	h.open = d
	w.counts.Actions++
	h.try(d)
}

// try makes a try of an action.
func (h *hand) try(d *doing) {
	w := h.account.world
	if h.open != d {
		return
	}
	d.tries++
	w.counts.Tries++
	if d.tries > 1 {
		h.at = w.random.IntN(len(w.nodes))
		for range len(w.nodes) {
			if !w.nodes[h.at].gone {
				break
			}
			h.at = (h.at + 1) % len(w.nodes)
		}
	}
	try := d.tries
	answered := false
	at := w.nodes[h.at]
	r := &request{account: h.account, command: d.command, answer: func(a reply) {
		w.net.call(at.place, clientPlace, messageTag, func() {
			if !answered && h.open == d {
				answered = true
				h.hear(d, try, a)
			}
		})
	}}
	serve := w.tonight(func() { at.serve(r) }, nil)
	w.net.call(clientPlace, at.place, messageTag, func() { at.stimulate(serve) })
	w.after(tryTime, clientTag, func() {
		if h.open == d && d.tries == try && !answered {
			h.again(d)
		}
	})
}

// again makes another try after a pause, or gives up.
func (h *hand) again(d *doing) {
	w := h.account.world
	if w.troubled && w.chance(giveUpOdd) {
		d.lost = true
		h.finish(d, effect{})
		return
	}
	w.after(tryPause/2+w.below(tryPause), clientTag, func() { h.try(d) })
}

// hear takes an answer.
func (h *hand) hear(d *doing, try int, r reply) {
	switch {
	case r.outcome != answered && try == d.tries:
		h.again(d)
	case r.outcome != answered:
	case d.command == nil:
		e := effect{known: true, number: r.view.number, orders: r.view.orders, cash: r.view.cash, exact: h.account.exact}
		h.finish(d, e)
	default:
		h.heardCommand(d, &r.answer)
	}
}

// heardCommand takes the books' answer to a command.
func (h *hand) heardCommand(d *doing, a *trade.Answer) {
	w := h.account.world
	e := effect{known: true, done: a.Reason == trade.Accepted, replayed: a.Replayed, tries: d.tries, number: a.Number}
	if w.trace != nil {
		w.say("account %d.%d: %s: reason %d replayed %t order %d number %d, %d tries", h.account.number, h.number,
			d, a.Reason, a.Replayed, a.Order&trade.NumberMask, a.Number, d.tries)
	}
	switch {
	case e.done && d.order != nil:
		h.account.acknowledge(d.order, a)
	case e.done && d.move != nil:
		d.move.acked = true
	case a.Reason == trade.UnknownAccount || a.Reason == trade.NotOwner || a.Reason == trade.CommandUnreadable ||
		a.Reason == trade.ClientIDUsed:
		w.fail("account %d: %s was refused with reason %d", h.account.number, d, a.Reason)
	case a.Reason == trade.UnknownOrder && d.target != 0 && !w.desk.turned:
		w.fail("account %d: %s: the order was acknowledged, and is unknown", h.account.number, d)
	}
	w.served()
	if !e.done && d.tries > 1 {
		e = effect{} // an earlier try may still be carried out
	}
	if e.done {
		w.counts.Acknowledged++
	} else {
		w.counts.Refused++
	}
	h.finish(d, e)
}

// acknowledge notes that the books have an order.
func (a *account) acknowledge(p *placed, answer *trade.Answer) {
	if p.id != 0 && p.id != answer.Order {
		a.world.fail("account %d: order %s was answered as %d and as %d", a.number, clientID(&p.command), p.id&
			trade.NumberMask, answer.Order&trade.NumberMask)
	}
	p.id, p.acked = answer.Order, true
}

// finish ends an action and begins the next one later.
func (h *hand) finish(d *doing, e effect) {
	w := h.account.world
	h.open = nil
	if e.known {
		h.served = w.now
	} else {
		w.counts.Unknown++
	}
	if d.action.what == asking && e.known {
		w.counts.Reads++
	}
	if d.recorded && (e.known || d.action.what != asking) {
		h.account.history.add(2*h.account.number+h.number, d.action, d.called, e, w.now)
	}
	w.after(w.about(w.mix.think), clientTag, h.next)
}
