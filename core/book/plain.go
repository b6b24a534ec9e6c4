package book

import (
	"iter"
	"slices"

	"evenkeel/core/money"
	"evenkeel/core/trade"
)

// Plain is the book written for the eye: two sorted slices, every rule as it is said. It answers as Book does, handles
// aside, and is what Book is compared with, in results by the fuzzer and in speed by the benchmarks. It is slow.
type Plain struct {
	tick        money.Price
	most        int
	last        Handle
	buys, sells []Resting // best first, then first come first
}

// NewPlain returns an empty plain book.
func NewPlain(o Options) *Plain {
	o = o.check()
	return &Plain{tick: o.Tick, most: o.Most}
}

func (p *Plain) side(s trade.Side) *[]Resting {
	if s == trade.Buy {
		return &p.buys
	}
	return &p.sells
}

// reaches reports whether an order of side s at limit may trade at price.
func reaches(s trade.Side, limit, price money.Price) bool {
	if s == trade.Buy {
		return price <= limit
	}
	return price >= limit
}

func (p *Plain) refusal(o Order) Outcome {
	stays := o.Type == trade.Limit || o.Type == trade.BestFiveLimit || o.Type == trade.OppositeBest ||
		o.Type == trade.OwnBest
	switch {
	case o.Side != trade.Buy && o.Side != trade.Sell:
		return InvalidSide
	case o.Type < trade.Limit || o.Type > trade.FillOrKill:
		return InvalidType
	case o.Quantity < 1 || o.Quantity > MostQuantity:
		return InvalidQuantity
	case o.Price < 0 || o.Price%p.tick != 0 || o.Price/p.tick >= MostTicks || o.Type == trade.Limit && o.Price == 0:
		return InvalidPrice
	case stays && p.Count() >= p.most:
		return BookFull
	}
	return 0
}

// Rest is Book.Rest.
func (p *Plain) Rest(o Order) Result {
	if o.Type != trade.Limit {
		return Result{Outcome: InvalidType}
	}
	if no := p.refusal(o); no != 0 {
		return Result{Outcome: no}
	}
	return p.rest(o, o.Price, o.Quantity)
}

func (p *Plain) rest(o Order, price money.Price, left money.Quantity) Result {
	orders := p.side(o.Side)
	behind := func(r Resting) bool { return !reaches(o.Side, r.Price, price) }
	at := slices.IndexFunc(*orders, behind) // the first that is worse
	if at < 0 {
		at = len(*orders)
	}
	p.last++
	r := Resting{Order{o.ID, o.Side, trade.Limit, price, left}, p.last}
	*orders = slices.Insert(*orders, at, r)
	return Result{Handle: r.Handle, Outcome: Rests, Filled: o.Quantity - left, Rested: left, Price: price}
}

// Submit is Book.Submit.
func (p *Plain) Submit(o Order, fills *[]Fill) Result {
	if no := p.refusal(o); no != 0 {
		return Result{Outcome: no}
	}
	own, other := *p.side(o.Side), *p.side(o.Side.Opposite())
	cancelled := func(why Outcome) Result { return Result{Outcome: why, Cancelled: o.Quantity} }
	beyond := func(price money.Price) bool { return o.Price != 0 && !reaches(o.Side, o.Price, price) }
	switch o.Type {
	case trade.Limit:
		return p.limit(o, o.Price, fills)
	case trade.OppositeBest:
		if len(other) == 0 {
			return cancelled(NoOppositeSide)
		}
		if beyond(other[0].Price) {
			return cancelled(BeyondProtection)
		}
		return p.limit(o, other[0].Price, fills)
	case trade.OwnBest:
		if len(own) == 0 {
			return cancelled(NoOwnSide)
		}
		if beyond(own[0].Price) {
			return cancelled(BeyondProtection)
		}
		return p.limit(o, own[0].Price, fills)
	}
	// The others sweep: what may they reach?
	prices := []money.Price{}
	var sum money.Quantity
	for _, r := range other {
		if beyond(r.Price) {
			break
		}
		sum += r.Quantity
		if !slices.Contains(prices, r.Price) {
			prices = append(prices, r.Price)
		}
	}
	if o.Type == trade.FillOrKill && sum < o.Quantity {
		return cancelled(NotFillable)
	}
	if o.Type == trade.BestFiveCancel || o.Type == trade.BestFiveLimit {
		prices = prices[:min(len(prices), 5)]
	}
	left := o.Quantity
	if len(prices) > 0 {
		left = p.match(o, prices[len(prices)-1], fills)
	}
	switch {
	case left == 0:
		return Result{Outcome: Filled, Filled: o.Quantity}
	case o.Type == trade.BestFiveLimit && left < o.Quantity:
		return p.rest(o, (*fills)[len(*fills)-1].Price, left)
	case o.Type == trade.BestFiveLimit:
		o.Type = trade.OwnBest
		return p.Submit(o, fills)
	case left < o.Quantity:
		return Result{Outcome: RestCancelled, Filled: o.Quantity - left, Cancelled: left}
	case len(other) == 0:
		return cancelled(NoOppositeSide)
	}
	return cancelled(BeyondProtection)
}

func (p *Plain) limit(o Order, price money.Price, fills *[]Fill) Result {
	left := p.match(o, price, fills)
	if left == 0 {
		return Result{Outcome: Filled, Filled: o.Quantity}
	}
	return p.rest(o, price, left)
}

func (p *Plain) match(o Order, limit money.Price, fills *[]Fill) (left money.Quantity) {
	left = o.Quantity
	other := p.side(o.Side.Opposite())
	for left > 0 && len(*other) > 0 && reaches(o.Side, limit, (*other)[0].Price) {
		maker := &(*other)[0]
		q := min(left, maker.Quantity)
		left -= q
		maker.Quantity -= q
		*fills = append(*fills, Fill{
			Maker: maker.ID, Taker: o.ID, Price: maker.Price, Quantity: q, MakerLeft: maker.Quantity, TakerLeft: left,
			MakerHandle: maker.Handle, TakerSide: o.Side,
		})
		if maker.Quantity == 0 {
			*other = slices.Delete(*other, 0, 1)
		}
	}
	return left
}

// Cancel is Book.Cancel.
func (p *Plain) Cancel(h Handle, id uint64) (left money.Quantity, ok bool) {
	for _, orders := range []*[]Resting{&p.buys, &p.sells} {
		for i, r := range *orders {
			if r.Handle == h && r.ID == id {
				*orders = slices.Delete(*orders, i, i+1)
				return r.Quantity, true
			}
		}
	}
	return 0, false
}

// Best is Book.Best.
func (p *Plain) Best(side trade.Side) (money.Price, money.Quantity, bool) {
	var one [1]Level
	n := p.Depth(side, one[:])
	return one[0].Price, one[0].Quantity, n == 1
}

// Depth is Book.Depth.
func (p *Plain) Depth(side trade.Side, dst []Level) int {
	n := 0
	for _, r := range *p.side(side) {
		if n == 0 || dst[n-1].Price != r.Price {
			if n == len(dst) {
				break
			}
			dst[n] = Level{Price: r.Price}
			n++
		}
		dst[n-1].Quantity += r.Quantity
		dst[n-1].Orders++
	}
	return n
}

// Count is Book.Count.
func (p *Plain) Count() int { return len(p.buys) + len(p.sells) }

// Orders is Book.Orders.
func (p *Plain) Orders(side trade.Side) iter.Seq[Resting] { return slices.Values(*p.side(side)) }

// Auction is Book.Auction, at every price in turn: use it only where the sides meet in few ticks.
func (p *Plain) Auction(r Rule) (Auction, bool) {
	if len(p.buys) == 0 || len(p.sells) == 0 {
		return Auction{}, false
	}
	var kept []Auction // equally good
	for price := p.sells[0].Price; price <= p.buys[0].Price; price += p.tick {
		a, feasible := p.auctionAt(price)
		atPrice := func(r Resting) bool { return r.Price == price }
		isCandidate := r.Venue != trade.SSE || slices.ContainsFunc(p.buys, atPrice) || slices.ContainsFunc(p.sells, atPrice)
		if !feasible || !isCandidate {
			continue
		}
		if len(kept) > 0 && (a.Matched > kept[0].Matched ||
			a.Matched == kept[0].Matched && a.Unmatched < kept[0].Unmatched) {
			kept = kept[:0]
		}
		if len(kept) == 0 || a.Matched == kept[0].Matched && a.Unmatched == kept[0].Unmatched {
			kept = append(kept, a)
		}
	}
	if len(kept) == 0 {
		return Auction{}, false
	}
	if r.Venue == trade.SSE {
		sum := kept[0].Price + kept[len(kept)-1].Price
		middle, _ := money.Round(sum, 2*p.tick, money.HalfUp) // half of it, to the tick
		a, _ := p.auctionAt(middle / 2)
		return a, true
	}
	nearest := kept[0]
	for _, a := range kept {
		if r.Reference > 0 && distance(a.Price, r.Reference) <= distance(nearest.Price, r.Reference) {
			nearest = a
		}
	}
	return nearest, true
}

func distance(a, b money.Price) money.Price { return max(a-b, b-a) }

// auctionAt returns what trades at price, and whether it is feasible.
func (p *Plain) auctionAt(price money.Price) (Auction, bool) {
	var want, above, offer, below money.Quantity
	for _, r := range p.buys {
		if r.Price >= price {
			want += r.Quantity
		}
		if r.Price > price {
			above += r.Quantity
		}
	}
	for _, r := range p.sells {
		if r.Price <= price {
			offer += r.Quantity
		}
		if r.Price < price {
			below += r.Quantity
		}
	}
	a := Auction{Price: price, Matched: min(want, offer)}
	switch {
	case want > offer:
		a.Unmatched, a.UnmatchedSide = want-offer, trade.Buy
	case offer > want:
		a.Unmatched, a.UnmatchedSide = offer-want, trade.Sell
	}
	return a, a.Matched > 0 && above <= a.Matched && below <= a.Matched
}

// Uncross is Book.Uncross.
func (p *Plain) Uncross(price money.Price, fills *[]Fill) (matched money.Quantity) {
	if price <= 0 || price%p.tick != 0 || price/p.tick >= MostTicks {
		return 0
	}
	for len(p.buys) > 0 && len(p.sells) > 0 && p.buys[0].Price >= price && p.sells[0].Price <= price {
		buy, sell := &p.buys[0], &p.sells[0]
		q := min(buy.Quantity, sell.Quantity)
		buy.Quantity -= q
		sell.Quantity -= q
		matched += q
		*fills = append(*fills, Fill{
			Maker: sell.ID, Taker: buy.ID, Price: price, Quantity: q, MakerLeft: sell.Quantity, TakerLeft: buy.Quantity,
			MakerHandle: sell.Handle, TakerHandle: buy.Handle, TakerSide: trade.Buy,
		})
		if buy.Quantity == 0 {
			p.buys = slices.Delete(p.buys, 0, 1)
		}
		if sell.Quantity == 0 {
			p.sells = slices.Delete(p.sells, 0, 1)
		}
	}
	return matched
}
