package broker

import (
	"evenkeel/core/ledger"
	"evenkeel/core/money"
	"evenkeel/core/must"
	"evenkeel/core/planted"
	"evenkeel/core/risk"
	"evenkeel/core/trade"
)

// seat is the place of a request in the table of the day, from 1; 0 is none. Its OrderID is base + seat.
type seat uint32

// queue names a list that a request is in.
type queue uint8

// Queues. A held order or cancel waits for its venue.
const (
	noQueue queue = 0
	outbox  queue = 1
	heldAt  queue = 1 // + venue
	queues        = int(heldAt) + int(trade.BSE) + 1
)

// order is one request of the day: an order or, where target is set, the cancel of one. Orders hold no pointers.
type order struct {
	ledger.Claim
	price      money.Price    // as asked: limit or protection price
	whole      money.Quantity // as asked: of a replacement with the fills of the old order included
	account    ledger.Number
	replaces   seat
	replacedBy seat
	cancel     seat // the cancel under way
	target     seat // a cancel's order
	next, prev seat // in its queue
	queue      queue
	kind       trade.OrderType
	status     trade.OrderStatus
	channel    trade.Channel
	reason     trade.Reason
	tariff     uint16 // in State.tariffs: fees are those of the moment when it was placed
	numbers    trade.Numbers
	clientID   text // in State.clientIDs
	venueOrder [16]byte
	placed     trade.Time
	updated    trade.Time
	acceptedAt trade.Time
	doneAt     trade.Time
	mark       uint64 // what State.sums has of it
}

// chain is a queue's ends.
type chain struct{ first, last seat }

func (s *State) at(i seat) *order { return s.orders.At(uint32(i) - 1) }

// id returns the OrderID of a seat, 0 for none.
func (s *State) id(i seat) trade.OrderID {
	if i == 0 {
		return 0
	}
	return trade.OrderID(uint64(s.shard)<<trade.ShardShift | s.base + uint64(i))
}

// seatOf finds the seat of a request of today; ok is false for any other number.
func (s *State) seatOf(id trade.OrderID) (seat, bool) {
	number := uint64(id) & trade.NumberMask
	if uint64(id)>>trade.ShardShift != uint64(s.shard) || number <= s.base || number-s.base > uint64(s.orders.Len()) {
		return 0, false
	}
	return seat(number - s.base), true
}

// roomForOrders reports whether n more requests have numbers.
func (s *State) roomForOrders(n int) bool {
	next := uint64(s.orders.Len() + n)
	return next <= MaxOrdersOfDay && s.base+next <= trade.NumberMask
}

// newSeat makes a request of an account.
func (s *State) newSeat(n ledger.Number) (seat, *order) {
	i, o := s.orders.Add()
	o.account, o.placed, o.updated = n, s.now, s.now
	return seat(i + 1), o
}

// push puts a request at the end of a queue; in the outbox it becomes outgoing.
func (s *State) push(i seat, o *order, q queue) {
	must.Hold(o.queue == noQueue, "a request is in one queue")
	c := &s.chains[q]
	o.queue, o.prev, o.next = q, c.last, 0
	if c.last == 0 {
		c.first = i
	} else {
		s.at(c.last).next = i
	}
	s.sums.queues += link(q, o.prev, i)
	c.last = i
	if q == outbox {
		n := len(s.out.Outgoing)
		if n == cap(s.out.Outgoing) {
			s.out.Outgoing = append(s.out.Outgoing, trade.Outgoing{})
		}
		s.out.Outgoing = s.out.Outgoing[:n+1]
		s.outgoing(&s.out.Outgoing[n], i, o)
		s.hashOutgoing(i, o)
	}
}

// pull takes a request out of the queue that it is in, if any; out of the outbox it is confirmed.
func (s *State) pull(i seat, o *order) {
	if o.queue == noQueue {
		return
	}
	c := &s.chains[o.queue]
	s.sums.queues -= link(o.queue, o.prev, i)
	if o.prev == 0 {
		c.first = o.next
	} else {
		s.at(o.prev).next = o.next
	}
	if o.next == 0 {
		c.last = o.prev
	} else {
		s.sums.queues += link(o.queue, o.prev, o.next) - link(o.queue, i, o.next)
		s.at(o.next).prev = o.prev
	}
	if o.queue == outbox {
		s.out.Confirmed = append(s.out.Confirmed, s.id(i))
	}
	o.queue, o.prev, o.next = noQueue, 0, 0
}

// outgoing words a request for the exchange: all members of v.
func (s *State) outgoing(v *trade.Outgoing, i seat, o *order) {
	of, order := o, i
	if o.target != 0 {
		of, order = s.at(o.target), o.target
	}
	v.Request, v.Order, v.Cancel, v.Account = s.id(i), s.id(order), o.target != 0, s.accountID(o.account)
	v.Security, v.Side, v.Type, v.Price, v.Quantity = of.Security, of.Side, of.kind, of.price, of.Quantity
	v.Day, v.Time = s.day, o.placed
}

// Outbox visits the requests that the exchange has not confirmed, in the order in which they are to be sent again.
func (s *State) Outbox(visit func(trade.Outgoing)) {
	if planted.Is(planted.OutboxNotKept) {
		return
	}
	var v trade.Outgoing
	for i := s.chains[outbox].first; i != 0; i = s.at(i).next {
		s.outgoing(&v, i, s.at(i))
		visit(v)
	}
}

// describe fills an event's order.
func (s *State) describe(v *trade.Order, i seat, o *order) {
	v.ID = s.id(i)
	v.Account = s.accountID(o.account)
	v.Security, v.Side, v.Type, v.Status, v.Channel = o.Security, o.Side, o.kind, o.status, o.channel
	v.Reason, v.Numbers = o.reason, o.numbers
	v.Price, v.Quantity, v.Filled, v.Amount = o.price, o.Quantity, o.Filled, o.Amount
	v.FrozenCash, v.FrozenShares, v.Fees = o.Cash, o.Shares, o.Fees
	v.Replaces, v.ReplacedBy, v.Cancel = s.id(o.replaces), s.id(o.replacedBy), s.id(o.cancel)
	v.VenueOrder = o.venueOrder
	v.Placed, v.Updated, v.AcceptedAt, v.DoneAt = o.placed, o.updated, o.acceptedAt, o.doneAt
	v.Day = s.day
	v.ClientID = s.clientIDs.read(o.clientID)
}

// settle gives a live order the status that its fills and the exchange's word make.
func (o *order) settle() {
	switch {
	case o.Filled > 0:
		o.status = trade.PartlyFilled
	case o.acceptedAt != 0:
		o.status = trade.Working
	default:
		o.status = trade.PendingNew
	}
}

// end closes an order: nothing stays frozen, nothing stays queued.
func (s *State) end(i seat, o *order, status trade.OrderStatus, reason trade.Reason) {
	must.Hold(!o.status.Done() && o.target == 0, "an order ends once")
	if !planted.Is(planted.FreezeKept) || status != trade.Cancelled {
		s.books.Release(o.account, &o.Claim)
	}
	s.pull(i, o)
	o.status, o.reason, o.doneAt, o.updated = status, reason, s.now, s.now
	s.books.OrderClosed(o.account)
}

// dropCancel takes back a cancel that was not sent, because it waits for the venue; one that may be at the exchange
// stays until it is answered.
func (s *State) dropCancel(o *order) {
	if o.cancel != 0 && s.at(o.cancel).queue != outbox {
		s.pull(o.cancel, s.at(o.cancel))
		o.cancel = 0
	}
}

// asked words an order as the ladder reads it, with another quantity.
func (o *order) asked(quantity money.Quantity) risk.Order {
	return risk.Order{Side: o.Side, Type: o.kind, Price: o.price, Quantity: quantity}
}
