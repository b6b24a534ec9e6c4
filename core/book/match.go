package book

import (
	"math/bits"

	"evenkeel/core/money"
	"evenkeel/core/must"
	"evenkeel/core/trade"
)

// Submit matches an order against the other side and lets the rest stay, or not, as its type says. Trades are appended
// to fills. Market types belong to continuous trading; that and their venue are the caller's to see to.
func (b *Book) Submit(o Order, fills *[]Fill) Result {
	tick, refusal := b.admit(o)
	if refusal != 0 {
		return Result{Outcome: refusal}
	}
	own, other := &b.ladders[o.Side&1], &b.ladders[o.Side&1^1]
	if o.Type == trade.Limit {
		left := o.Quantity
		if bound := tick ^ other.flip; other.best != 0 && b.pool.levels[other.best].key <= bound {
			left, _ = b.sweep(other, o, bound, anyLevels, fills)
		}
		return b.settle(own, o, left, tick^own.flip)
	}
	return b.submitMarket(own, other, o, tick, fills)
}

// submitMarket is Submit for the types that take their price from the book. tick is the protection price's.
func (b *Book) submitMarket(own, other *ladder, o Order, tick uint32, fills *[]Fill) Result {
	bound := uint32(MostTicks - 1) // the worst key to trade at
	if o.Price != 0 {
		bound = tick ^ other.flip
	}
	switch o.Type {
	case trade.OppositeBest:
		return b.submitAt(own, other, other, NoOppositeSide, o, bound, fills)
	case trade.OwnBest:
		return b.submitAt(own, other, own, NoOwnSide, o, bound, fills)
	case trade.FillOrKill:
		if !b.covers(other, o.Quantity, bound) {
			return Result{Outcome: NotFillable, Cancelled: o.Quantity}
		}
	}
	levels := anyLevels
	if o.Type == trade.BestFiveCancel || o.Type == trade.BestFiveLimit {
		levels = BestLevels
	}
	left, last := b.sweep(other, o, bound, levels, fills)
	switch {
	case left == 0:
		return Result{Outcome: Filled, Filled: o.Quantity}
	case o.Type == trade.BestFiveLimit && left < o.Quantity:
		return b.settle(own, o, left, last^other.flip^own.flip)
	case o.Type == trade.BestFiveLimit:
		return b.submitAt(own, other, own, NoOwnSide, o, bound, fills)
	case left < o.Quantity:
		return Result{Outcome: RestCancelled, Filled: o.Quantity - left, Cancelled: left}
	case other.best == 0:
		return Result{Outcome: NoOppositeSide, Cancelled: left}
	}
	return Result{Outcome: BeyondProtection, Cancelled: left}
}

// submitAt makes o a limit order at the best price of model and matches it so; with none it is cancelled as none says.
// A price beyond the protection price, whose key on the other side is bound, is not taken: the rule says that it may
// not be, not what happens then; cancelling costs the investor nothing, resting at the protection price might.
func (b *Book) submitAt(own, other, model *ladder, none Outcome, o Order, bound uint32, fills *[]Fill) Result {
	if model.best == 0 {
		return Result{Outcome: none, Cancelled: o.Quantity}
	}
	tick := b.pool.levels[model.best].key ^ model.flip
	if tick^other.flip > bound {
		return Result{Outcome: BeyondProtection, Cancelled: o.Quantity}
	}
	left, _ := b.sweep(other, o, tick^other.flip, anyLevels, fills)
	return b.settle(own, o, left, tick^own.flip)
}

// settle rests what sweep left of an order at key.
func (b *Book) settle(own *ladder, o Order, left money.Quantity, key uint32) Result {
	if left == 0 {
		return Result{Outcome: Filled, Filled: o.Quantity}
	}
	return Result{
		Handle: b.attach(own, key, o.ID, left), Outcome: Rests,
		Filled: o.Quantity - left, Rested: left, Price: money.Price(key^own.flip) * b.tick,
	}
}

// admit checks an order and returns its price in ticks, or the refusal.
func (b *Book) admit(o Order) (tick uint32, refusal Outcome) {
	if o.Side != trade.Buy && o.Side != trade.Sell {
		return 0, InvalidSide
	}
	if o.Type != trade.Limit && !o.Type.Market() {
		return 0, InvalidType
	}
	if o.Quantity < smallestOrder || o.Quantity > MostQuantity {
		return 0, InvalidQuantity
	}
	if o.Price <= 0 && (o.Price < 0 || o.Type == trade.Limit) {
		return 0, InvalidPrice
	}
	// Division by multiplying with the inverse; whatever it gives, only an exact quotient passes.
	n, _ := bits.Mul64(uint64(o.Price), b.inverse)
	if b.tick == 1 {
		n = uint64(o.Price) // the inverse of 1 does not fit
	}
	if n >= MostTicks || money.Price(n)*b.tick != o.Price {
		return 0, InvalidPrice
	}
	if b.Count() >= b.most && o.Type != trade.ImmediateOrCancel && o.Type != trade.BestFiveCancel &&
		o.Type != trade.FillOrKill {
		return 0, BookFull
	}
	return uint32(n), 0
}

// covers reports whether l offers quantity at keys up to bound.
func (b *Book) covers(l *ladder, quantity money.Quantity, bound uint32) bool {
	if l.quantity < quantity {
		return false
	}
	for at := l.best; at != 0 && b.pool.levels[at].key <= bound; at = b.pool.levels[at].worse {
		quantity -= b.pool.levels[at].quantity
		if quantity <= 0 {
			return true
		}
	}
	return false
}

// sweep trades o with the orders of l at keys up to bound, in at most so many levels. It returns what is left of o and
// the key of the last trade.
func (b *Book) sweep(l *ladder, o Order, bound uint32, most int, fills *[]Fill) (left money.Quantity, last uint32) {
	left = o.Quantity
	for ; left > 0 && most > 0 && l.best != 0; most-- {
		at := l.best
		v := &b.pool.levels[at]
		if v.key > bound {
			break
		}
		last = v.key
		price := b.price(l, v)
		taken := min(left, v.quantity)
		v.quantity -= taken
		l.quantity -= taken
		for taken > 0 {
			h := v.first
			n := &b.nodes[h]
			q := min(taken, n.left)
			must.Hold(q > 0, "a level holds what its orders have left")
			taken -= q
			left -= q
			n.left -= q
			*fills = append(*fills, Fill{
				Maker: n.id, Taker: o.ID, Price: price, Quantity: q, MakerLeft: n.left, TakerLeft: left,
				MakerHandle: Handle(h), TakerSide: o.Side,
			})
			if n.left == 0 {
				b.detach(l, v, n, h)
			}
		}
	}
	return left, last
}

// attach puts an order behind the others at its price.
func (b *Book) attach(l *ladder, key uint32, id uint64, left money.Quantity) Handle {
	at := b.pool.level(l, key)
	h := b.free
	if h != 0 {
		b.free = b.nodes[h].next
	} else {
		b.nodes = append(b.nodes, node{})
		h = uint32(len(b.nodes) - 1)
	}
	v := &b.pool.levels[at]
	n := &b.nodes[h]
	n.id, n.left, n.level, n.side = id, left, at, uint32(l.side&1)
	n.prev, n.next = v.last, 0
	if newestFirst {
		n.prev, n.next = 0, v.first
	}
	if n.prev == 0 {
		v.first = h
	} else {
		b.nodes[n.prev].next = h
	}
	if n.next == 0 {
		v.last = h
	} else {
		b.nodes[n.next].prev = h
	}
	v.quantity += left
	v.orders++
	l.quantity += left
	l.orders++
	return Handle(h)
}

// detach takes the node n at h, whose quantity is already off the sums, out of its level and frees it.
func (b *Book) detach(l *ladder, v *level, n *node, h uint32) {
	if n.prev == 0 {
		v.first = n.next
	} else {
		b.nodes[n.prev].next = n.next
	}
	if n.next == 0 {
		v.last = n.prev
	} else {
		b.nodes[n.next].prev = n.prev
	}
	l.orders--
	v.orders--
	if v.orders == 0 {
		b.pool.drop(l, n.level)
	}
	n.left = 0
	n.next, b.free = b.free, h
}
