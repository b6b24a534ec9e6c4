package book

import (
	"evenkeel/core/money"
	"evenkeel/core/must"
	"evenkeel/core/trade"
)

// Rule says how an auction chooses among prices that trade the same.
type Rule struct {
	Venue trade.Venue
	// Reference is the price to stay near: SZSE the previous close in the opening call and the last trade in others,
	// BSE the last trade, else the previous close. SSE has none and ignores it. 0 is nearest the lowest price.
	Reference money.Price
}

// Auction is what a call would do now: the virtual price, what it would trade, and what would stay at or through the
// price untraded. UnmatchedSide is 0 when nothing would.
type Auction struct {
	Price         money.Price
	Matched       money.Quantity
	Unmatched     money.Quantity
	UnmatchedSide trade.Side
}

// Auction returns what Uncross would do at the price of the rule; false when the sides do not meet. Nothing changes.
//
// D(p) is what buys at p or above want, S(p) what sells at p or below offer, V(p) the smaller. A price is feasible
// when V > 0 and every buy above and every sell below it trades in full. The largest V wins, then the smallest |D-S|,
// then SSE takes the middle of the lowest and the highest price left, a half tick going up; the others the price
// nearest the reference, of two equally near the higher. SSE looks at the prices of orders only, the others at every
// tick.
//
// Not every tick is visited: between two neighbouring order prices nothing changes, and a price there is feasible
// only when D = S. The prices that win are neighbours (D-S never rises with the price), so a lowest and a highest name
// them. The cost is the number of levels where the sides meet.
//
// Source: market-rules.md, "Call auction".
func (b *Book) Auction(r Rule) (Auction, bool) {
	must.Hold(r.Venue >= trade.SSE && r.Venue <= trade.BSE, "an auction has a known venue")
	buys, sells := &b.ladders[trade.Buy&1], &b.ladders[trade.Sell&1]
	if buys.best == 0 || sells.best == 0 {
		return Auction{}, false
	}
	// From the best buy down to the lowest that reaches the best sell: below it nothing is on offer.
	floor := int64(b.pool.levels[sells.best].key)
	var want money.Quantity // D: buys at the current price or above
	var lowest uint32
	for at := buys.best; at != 0; at = b.pool.levels[at].worse {
		v := &b.pool.levels[at]
		if int64(v.key^buys.flip) < floor {
			break
		}
		want, lowest = want+v.quantity, at
	}
	if lowest == 0 {
		return Auction{}, false
	}
	found := b.climb(lowest, sells.best, want, r.Venue != trade.SSE)
	tick := found.lowest
	if r.Venue == trade.SSE {
		tick = (found.lowest + found.highest + 1) / 2
	} else if r.Reference > 0 {
		nearest := int64(r.Reference / b.tick)
		if r.Reference%b.tick >= b.tick-r.Reference%b.tick { // half a tick or more
			nearest++
		}
		tick = min(max(nearest, found.lowest), found.highest)
	}
	return b.auctionAt(tick), true
}

// candidates are the best prices so far of an auction, in ticks, all of them matching and leaving the same.
type candidates struct {
	lowest, highest int64
	matched, over   money.Quantity // V and |D-S|
}

// consider takes the prices from lowest to highest, all of one D and S, when they are as good or better. Calls come in
// rising order of prices.
func (c *candidates) consider(lowest, highest int64, want, offer money.Quantity) {
	matched, over := min(want, offer), max(want-offer, offer-want)
	switch {
	case matched > c.matched, matched == c.matched && over < c.over:
		*c = candidates{lowest, highest, matched, over}
	case matched == c.matched && over == c.over:
		c.highest = highest
	}
}

// climb visits the order prices from where the sides begin to meet up to the best buy, and with between also the
// ticks between them. buy is the lowest buy level to look at, want what it and those above want; sell is the best.
func (b *Book) climb(buy, sell uint32, want money.Quantity, between bool) candidates {
	buys, sells := &b.ladders[trade.Buy&1], &b.ladders[trade.Sell&1]
	var found candidates
	var offer money.Quantity // S: sells below the current price
	for previous := int64(0); buy != 0; {
		bid := &b.pool.levels[buy]
		price, wanted, offered := int64(bid.key^buys.flip), bid.quantity, money.Quantity(0)
		if sell != 0 {
			if ask := int64(b.pool.levels[sell].key ^ sells.flip); ask <= price {
				offered = b.pool.levels[sell].quantity
				sell = b.pool.levels[sell].worse
				if ask < price {
					price, wanted = ask, 0
				}
			}
		}
		if between && price > previous+1 && want == offer {
			found.consider(previous+1, price-1, want, offer)
		}
		if above, below := want-wanted, offer; above <= offer+offered && below <= want {
			found.consider(price, price, want, offer+offered)
		}
		want, offer, previous = want-wanted, offer+offered, price
		if wanted > 0 {
			buy = bid.better
		}
	}
	return found
}

// auctionAt returns what trades at a price.
func (b *Book) auctionAt(tick int64) Auction {
	a := Auction{Price: money.Price(tick) * b.tick}
	var reach [2]money.Quantity
	for i := range b.ladders {
		l := &b.ladders[i]
		bound := uint32(tick) ^ l.flip
		for at := l.best; at != 0 && b.pool.levels[at].key <= bound; at = b.pool.levels[at].worse {
			reach[i] += b.pool.levels[at].quantity
		}
	}
	want, offer := reach[trade.Buy&1], reach[trade.Sell&1]
	a.Matched = min(want, offer)
	switch {
	case want > offer:
		a.Unmatched, a.UnmatchedSide = want-offer, trade.Buy
	case offer > want:
		a.Unmatched, a.UnmatchedSide = offer-want, trade.Sell
	}
	return a
}

// Uncross trades all that can at one price, best and oldest first on both sides, appends the trades to fills and
// returns their sum. price is Auction's: with another one, orders may be left that should have traded. A price that is
// not on the tick trades nothing.
func (b *Book) Uncross(price money.Price, fills *[]Fill) (matched money.Quantity) {
	tick := price / b.tick
	if price <= 0 || tick >= MostTicks || tick*b.tick != price {
		return 0
	}
	buys, sells := &b.ladders[trade.Buy&1], &b.ladders[trade.Sell&1]
	for buys.best != 0 && sells.best != 0 {
		bid, ask := &b.pool.levels[buys.best], &b.pool.levels[sells.best]
		if bid.key > uint32(tick)^buys.flip || ask.key > uint32(tick)^sells.flip {
			break
		}
		bought, sold := bid.first, ask.first
		q := min(b.nodes[bought].left, b.nodes[sold].left)
		must.Hold(q > 0, "a level holds what its orders have left")
		b.take(buys, bid, bought, q)
		b.take(sells, ask, sold, q)
		matched += q
		*fills = append(*fills, Fill{
			Maker: b.nodes[sold].id, Taker: b.nodes[bought].id, Price: price, Quantity: q,
			MakerLeft: b.nodes[sold].left, TakerLeft: b.nodes[bought].left,
			MakerHandle: Handle(sold), TakerHandle: Handle(bought), TakerSide: trade.Buy,
		})
	}
	return matched
}

// take trades q of the node h, and frees it when nothing is left; its id stays readable until the next attach.
func (b *Book) take(l *ladder, v *level, h uint32, q money.Quantity) {
	n := &b.nodes[h]
	n.left -= q
	v.quantity -= q
	l.quantity -= q
	if n.left == 0 {
		b.detach(l, v, n, h)
	}
}
