package rules

import (
	"evenkeel/core/money"
	"evenkeel/core/trade"
)

// TypeSet is a set of order types: bit 1<<type.
type TypeSet uint16

// Has reports whether the type is in the set.
func (s TypeSet) Has(t trade.OrderType) bool { return t < 16 && s>>t&1 == 1 }

// PhaseSet is a set of phases: bit 1<<phase.
type PhaseSet uint16

// Has reports whether the phase is in the set.
func (s PhaseSet) Has(p trade.Phase) bool { return p < 16 && s>>p&1 == 1 }

// Closing says how a closing price is found when the closing call makes none.
type Closing uint8

// Closing rules, of table closings.
const (
	// LastMinuteAverage is the volume-weighted average of the trades in the last minute up to and including the last
	// trade (SSE, SZSE).
	LastMinuteAverage Closing = 1
	// LastTrade is the price of the last trade (BSE).
	LastTrade Closing = 2
)

// TieBreak says which of several prices with the largest volume a call auction takes.
type TieBreak uint8

// Tie-breaks, of table auctions.
const (
	// UnfilledThenMiddle: smallest unfilled quantity, then the middle of the lowest and highest left, half a tick up;
	// candidates are the order prices in the book (SSE).
	UnfilledThenMiddle TieBreak = 1
	// ImbalanceThenPreviousClose: smallest imbalance, then nearest the previous close in the opening call and nearest
	// the last trade in other calls; candidates are all ticks (SZSE).
	ImbalanceThenPreviousClose TieBreak = 2
	// ImbalanceThenLastTrade: smallest imbalance, then nearest the last trade, else the previous close (BSE).
	ImbalanceThenLastTrade TieBreak = 3
)

// Terms are all rules that hold for one security on one day, as plain numbers: look them up once a day and keep them.
// A Terms is a value without pointers, comparable, and its methods allocate nothing. The zero Terms permits nothing.
type Terms struct {
	Venue     trade.Venue
	Board     trade.Board
	Condition trade.Condition
	Day       trade.Day

	Tick money.Price // prices of orders are multiples of it

	BuyMinimum    money.Quantity // smallest buy
	BuyIncrement  money.Quantity // a buy is BuyMinimum plus a multiple of it
	SellMinimum   money.Quantity // smallest sale, except of an odd lot
	SellIncrement money.Quantity // a sale is SellMinimum plus a multiple of it, except of an odd lot
	OddLotOnce    bool           // a remainder that makes no lot may be sold, all of it in one order
	MaxLimit      money.Quantity // largest limit or fixed-price order
	MaxMarket     money.Quantity // largest market order

	Types     TypeSet      // order types that the exchange takes for this security today
	Protected TypeSet      // market order types that carry a protection price
	phases    [16]PhaseSet // in which phases the exchange takes each type

	HasLimit      bool // false only where the rules say so: a new listing in its first days
	LimitRate     money.Rate
	LimitRounding money.Rounding
	LimitTicks    int64 // the limit is at least so many ticks from the previous close

	HasCage      bool
	CageRate     money.Rate
	CageTicks    int64 // alternative: so many ticks from the reference, where that is wider; 0 is none
	CageRounding money.Rounding

	Halt Halt // of a security without a limit; zero for others

	ShareDays   int  // shares bought on day T can be sold on trading day T+ShareDays
	SameDaySale bool // instruments that carry the T+0 flag are exempt from ShareDays

	Closing  Closing
	TieBreak TieBreak
	Tariff   Tariff
}

// Accepts reports whether the exchange takes orders of the type in the phase. Whether it is taken, held or refused at
// all in the phase is Rules.Takes.
func (t *Terms) Accepts(o trade.OrderType, p trade.Phase) bool {
	return t.Types.Has(o) && t.phases[o&15].Has(p)
}

// FixedPrice reports whether the security takes part in fixed-price trading after hours.
func (t *Terms) FixedPrice() bool { return t.Types.Has(trade.FixedPrice) }

// Sellable reports whether shares bought on the day itself can be sold on it; sameDay is the instrument's T+0 flag.
func (t *Terms) Sellable(sameDay bool) bool { return t.ShareDays == 0 || sameDay && t.SameDaySale }

// OnTick reports whether p is a price that an order can have: positive and a multiple of the tick.
func (t *Terms) OnTick(p money.Price) bool { return p > 0 && t.Tick > 0 && p%t.Tick == 0 }

// Ticks returns the nearest valid prices at or below, and at or above p; both are p when p is valid. below is 0 when
// there is none; ok is false when there is no tick or the result does not fit.
func (t *Terms) Ticks(p money.Price) (below, above money.Price, ok bool) {
	if t.Tick <= 0 {
		return 0, 0, false
	}
	if p <= 0 {
		return 0, t.Tick, true
	}
	below = p - p%t.Tick
	if below == p {
		return p, p, true
	}
	if above, ok = money.Add(below, t.Tick); !ok {
		return below, 0, false
	}
	return below, above, true
}

// Limits returns the lowest and highest price of the day for a positive previous close: previous close x (1 -+ rate)
// rounded to the tick as the venue does, at least LimitTicks away, and never below one tick. ok is false when the
// security has no limit (see HasLimit), the close is not positive, or a result does not fit.
func (t *Terms) Limits(previousClose money.Price) (down, up money.Price, ok bool) {
	if !t.HasLimit || previousClose <= 0 || t.Tick <= 0 {
		return 0, 0, false
	}
	down, okDown := t.scaled(previousClose, money.Whole-t.LimitRate, t.LimitRounding)
	up, okUp := t.scaled(previousClose, money.Whole+t.LimitRate, t.LimitRounding)
	least, okLeast := money.Amount(t.Tick, money.Quantity(t.LimitTicks))
	leastUp, okSum := money.Add(previousClose, money.Price(least))
	if !okDown || !okUp || !okLeast || !okSum {
		return 0, 0, false
	}
	// A previous close between two ticks (after a dividend it never is) keeps the limits on the tick.
	if d := previousClose - money.Price(least); down > d {
		down = max(d-d%t.Tick, 0)
	}
	if up < leastUp {
		up, okUp = money.Round(leastUp, t.Tick, money.Up)
	}
	return max(down, t.Tick), up, okUp
}

// Reference returns the price that the cage of a new order is measured from: for a buy the best ask, else the best
// bid, else the last trade, else the previous close; mirrored for a sale. An absent price is 0; so is the result when
// all are absent.
func Reference(side trade.Side, bestBid, bestAsk, last, previousClose money.Price) money.Price {
	near, far := bestAsk, bestBid
	if side == trade.Sell {
		near, far = bestBid, bestAsk
	}
	switch {
	case near > 0:
		return near
	case far > 0:
		return far
	case last > 0:
		return last
	}
	return max(previousClose, 0)
}

// Cage returns the highest price of a buy, or the lowest of a sale, that the cage lets in for a reference price; it
// holds for limit orders in continuous trading. has is false when the security has no cage (see HasCage); a bound
// that cannot be computed (reference not positive, side unknown, overflow) is 0, and has is true: 0 is below every
// buy, and a sale must be refused too when the bound is 0.
func (t *Terms) Cage(side trade.Side, reference money.Price) (bound money.Price, has bool) {
	if !t.HasCage {
		return 0, false
	}
	if reference <= 0 || t.Tick <= 0 {
		return 0, true
	}
	away, ok := money.Amount(t.Tick, money.Quantity(t.CageTicks))
	if !ok {
		return 0, true
	}
	switch side {
	case trade.Buy:
		bound, ok = t.scaled(reference, money.Whole+t.CageRate, t.CageRounding)
		other, fits := money.Add(reference, money.Price(away))
		if !ok || !fits {
			return 0, true
		}
		if t.CageTicks > 0 {
			bound = max(bound, other-other%t.Tick)
		}
		return bound, true
	case trade.Sell:
		bound, ok = t.scaled(reference, money.Whole-t.CageRate, t.CageRounding)
		if !ok {
			return 0, true
		}
		if t.CageTicks > 0 {
			other := reference - money.Price(away)
			if other > 0 && other%t.Tick != 0 {
				other += t.Tick - other%t.Tick // the lowest price on the tick; below the reference, it cannot overflow
			}
			bound = min(bound, other)
		}
		return max(bound, t.Tick), true
	}
	return 0, true
}

// InCage reports whether the cage lets a limit order of the side and price in; true when there is no cage.
func (t *Terms) InCage(side trade.Side, price, reference money.Price) bool {
	bound, has := t.Cage(side, reference)
	switch {
	case !has:
		return true
	case bound <= 0:
		return false
	case side == trade.Buy:
		return price <= bound
	}
	return price >= bound
}

// scaled returns p x r rounded to a multiple of the tick.
func (t *Terms) scaled(p money.Price, r money.Rate, how money.Rounding) (money.Price, bool) {
	n, ok := money.MulDiv(int64(p), int64(r), int64(money.Whole)*int64(t.Tick), how)
	if !ok {
		return 0, false
	}
	v, ok := money.MulDiv(n, int64(t.Tick), 1, money.Down)
	return money.Price(v), ok
}
