// Package risk answers whether an order may pass: a ladder of checks in a fixed order, of which the first that fails
// gives the reason. It reads and changes nothing.
//
// Units: those of core/money. Invariant: an order that passes can be frozen with what the account has, and nothing
// that it can come to costs more.
//
// The ladder:
//
//	 1 UnknownAccount        the account does not exist
//	 2 AccountBlocked        it has no permission at all
//	 3 TradingSuspended      its owner suspended trading
//	 4 UnknownSecurity       the security is not in the list
//	 5 BoardNotAllowed       the account has no permission for the board
//	 6 ConditionUnknown      nobody said what holds for the security today
//	 7 SecuritySuspended     it takes no orders today
//	 8 RulesMissing          no rule is in force for it today
//	 9 SecurityHalted        it is halted
//	10 MarketClosed          the phase takes no orders, and nothing is held for a later one
//	11 SideUnknown           neither buy nor sell
//	12 MarketOrderNoLimit    a market order for a security without a daily limit
//	13 TypeNotAvailable      venue and board do not have the type today
//	14 MarketOrderNotNow, FixedPriceNotNow, MarketClosed: the phase (a held order: the phase that follows) does not take
//	   the type
//	15 PriceMissing, PriceNotAllowed, PriceNotOnTick, PriceAboveLimit, PriceBelowLimit
//	16 QuantityNotPositive, QuantityAboveMaximum, QuantityBelowMinimum, OddLotNotWhole, QuantityNotInLots
//	17 ClientIDTooLong
//	18 TooManyOpenOrders
//	19 AmountOverflows       the worst case is above ledger.MaxAmount
//	20 InsufficientCash      a buy's worst case is above what is available
//	21 InsufficientSellable  a sale of more than is sellable
//
// Replays of a client order id are found before the ladder; ClientIDUsed therefore wins over all but 1. The price cage
// depends on the live book, so the exchange decides it; Cage is for an edge that wants to say so earlier.
//
// It never looks at the book, never holds an order back for later, and never rounds.
//
// Source: trading rules of SSE, SZSE and BSE (the order tables of core/rules); T+1 settlement.
package risk

import (
	"math"

	"evenkeel/core/ledger"
	"evenkeel/core/money"
	"evenkeel/core/rules"
	"evenkeel/core/trade"
)

// MaxOpenOrders is how many orders of one account may be open at once.
const MaxOpenOrders = 1000

// Order is what an investor asks for.
type Order struct {
	Side     trade.Side
	Type     trade.OrderType
	Price    money.Price // 0: none
	Quantity money.Quantity
	ClientID int // bytes
}

// Account is what the ladder asks about who places it.
type Account struct {
	Permissions trade.Permissions
	Suspended   bool
	OpenOrders  int
	Available   money.Cash
	Sellable    money.Quantity // of the order's security
	Commission  money.Rate
}

// Market is what the ladder asks about the security and the moment.
type Market struct {
	Board     trade.Board
	Condition trade.Condition // UnknownCondition where what is known is of another day
	Terms     *rules.Terms    // nil: no rule is in force
	Halted    bool
	Orders    rules.Acceptance // what becomes of orders in the phase
	Phase     trade.Phase      // that the order will meet: the present one, or the next where orders are held
	Upper     money.Price      // limits of the day; meaningless unless Terms.HasLimit
	Lower     money.Price
}

// Verdict is what came of the ladder. Where Reason is Accepted the rest says how the order goes on.
type Verdict struct {
	Reason  trade.Reason
	Numbers trade.Numbers
	Hold    bool           // the broker holds the order until the exchange takes it
	Price   money.Price    // what a share of a buy can cost at most
	Cash    money.Cash     // to freeze
	Shares  money.Quantity // to freeze
}

// Place runs an order down the ladder. a is nil for an unknown account, m for an unknown security.
func Place(o *Order, a *Account, m *Market) Verdict {
	switch {
	case a == nil:
		return Verdict{Reason: trade.UnknownAccount}
	case a.Permissions == 0:
		return Verdict{Reason: trade.AccountBlocked}
	case a.Suspended:
		return Verdict{Reason: trade.TradingSuspended}
	case m == nil:
		return Verdict{Reason: trade.UnknownSecurity}
	case a.Permissions&boardPermission(m.Board) == 0:
		return Verdict{Reason: trade.BoardNotAllowed}
	case m.Condition == trade.UnknownCondition:
		return Verdict{Reason: trade.ConditionUnknown}
	case m.Condition == trade.Suspended:
		return Verdict{Reason: trade.SecuritySuspended}
	case m.Terms == nil:
		return Verdict{Reason: trade.RulesMissing}
	case m.Halted:
		return Verdict{Reason: trade.SecurityHalted}
	case m.Orders == rules.Refused:
		return Verdict{Reason: trade.MarketClosed}
	case o.Side != trade.Buy && o.Side != trade.Sell:
		return Verdict{Reason: trade.SideUnknown}
	}
	if reason := typeOf(o, m); reason != trade.Accepted {
		return Verdict{Reason: reason}
	}
	if reason, numbers := price(o, m); reason != trade.Accepted {
		return Verdict{Reason: reason, Numbers: numbers}
	}
	// What is not sellable is the last rung's affair.
	reason, nearest := m.Terms.ValidQuantity(o.Side, o.Type, o.Quantity, a.Sellable)
	if reason != trade.Accepted && reason != trade.InsufficientSellable {
		return refused(reason, int64(o.Quantity), int64(bound(o, m.Terms, reason, nearest)), int64(nearest))
	}
	switch {
	case o.ClientID > trade.MaxClientID:
		return refused(trade.ClientIDTooLong, int64(o.ClientID), trade.MaxClientID, trade.MaxClientID)
	case a.OpenOrders >= MaxOpenOrders:
		return refused(trade.TooManyOpenOrders, int64(a.OpenOrders)+1, MaxOpenOrders, MaxOpenOrders)
	}
	return means(o, a, m, nearest)
}

// means checks cash and shares, the last rungs.
func means(o *Order, a *Account, m *Market, nearest money.Quantity) Verdict {
	v := Verdict{Hold: m.Orders == rules.Held, Price: o.Price}
	if v.Price == 0 {
		v.Price = m.Upper
	}
	claim := ledger.Claim{Price: v.Price, Quantity: o.Quantity, Side: o.Side}
	worst, ok := ledger.Worst(&claim, &m.Terms.Tariff, a.Commission)
	switch {
	case !ok:
		amount, fits := money.Amount(v.Price, o.Quantity)
		if !fits {
			amount = math.MaxInt64
		}
		return refused(trade.AmountOverflows, int64(amount), int64(ledger.MaxAmount), int64(ledger.MaxAmount))
	case o.Side == trade.Sell && o.Quantity > a.Sellable:
		return refused(trade.InsufficientSellable, int64(o.Quantity), int64(a.Sellable), int64(nearest))
	case o.Side == trade.Sell:
		v.Shares = o.Quantity
		return v
	case worst > a.Available:
		return refused(trade.InsufficientCash, int64(worst), int64(a.Available), int64(a.Available))
	}
	v.Cash = worst
	return v
}

// boardPermission returns the permission that a board needs, 0 for an unknown board: nobody has it.
func boardPermission(b trade.Board) trade.Permissions {
	switch b {
	case trade.Main, trade.ETF:
		return trade.MayTrade
	case trade.STAR:
		return trade.MaySTAR
	case trade.ChiNext:
		return trade.MayChiNext
	case trade.BSEMain:
		return trade.MayBSE
	}
	return 0
}

// typeOf checks whether the type is available at all, and in the phase that the order will meet.
func typeOf(o *Order, m *Market) trade.Reason {
	switch {
	case o.Type.Market() && !m.Terms.HasLimit:
		return trade.MarketOrderNoLimit
	case !m.Terms.Types.Has(o.Type):
		return trade.TypeNotAvailable
	case m.Terms.Accepts(o.Type, m.Phase):
		return trade.Accepted
	case o.Type.Market():
		return trade.MarketOrderNotNow
	case o.Type == trade.FixedPrice:
		return trade.FixedPriceNotNow
	}
	return trade.MarketClosed
}

// price checks the limit or protection price.
func price(o *Order, m *Market) (trade.Reason, trade.Numbers) {
	given := trade.Numbers{Given: int64(o.Price)}
	switch {
	case o.Price == 0 && o.Type.Market():
		return trade.Accepted, trade.Numbers{}
	case o.Price <= 0:
		return trade.PriceMissing, given
	case o.Type.Market() && !m.Terms.Protected.Has(o.Type):
		return trade.PriceNotAllowed, given
	}
	if !m.Terms.OnTick(o.Price) {
		below, above, _ := m.Terms.Ticks(o.Price)
		nearest := below
		if below == 0 {
			nearest = above
		}
		if m.Terms.HasLimit {
			nearest = min(max(nearest, m.Lower), m.Upper)
		}
		return trade.PriceNotOnTick, trade.Numbers{Given: int64(o.Price), Bound: int64(m.Terms.Tick),
			Nearest: int64(nearest)}
	}
	switch {
	case !m.Terms.HasLimit:
		return trade.Accepted, trade.Numbers{}
	case o.Price > m.Upper:
		return trade.PriceAboveLimit, trade.Numbers{Given: int64(o.Price), Bound: int64(m.Upper),
			Nearest: int64(m.Upper)}
	case o.Price < m.Lower:
		return trade.PriceBelowLimit, trade.Numbers{Given: int64(o.Price), Bound: int64(m.Lower),
			Nearest: int64(m.Lower)}
	}
	return trade.Accepted, trade.Numbers{}
}

// bound returns the figure that a quantity broke.
func bound(o *Order, t *rules.Terms, reason trade.Reason, nearest money.Quantity) money.Quantity {
	least, step, most := t.BuyMinimum, t.BuyIncrement, t.MaxLimit
	if o.Side == trade.Sell {
		least, step = t.SellMinimum, t.SellIncrement
	}
	if o.Type.Market() {
		most = t.MaxMarket
	}
	switch reason {
	case trade.QuantityNotPositive, trade.QuantityBelowMinimum:
		return least
	case trade.QuantityAboveMaximum:
		return most
	case trade.OddLotNotWhole:
		return nearest
	}
	return step
}

func refused(reason trade.Reason, given, bound, nearest int64) Verdict {
	return Verdict{Reason: reason, Numbers: trade.Numbers{Given: given, Bound: bound, Nearest: nearest}}
}

// Quote is what the market shows of a security; a price that is not there is 0.
type Quote struct {
	BestBid, BestAsk, Last, PreviousClose money.Price
}

// Cage tells whether the price cage would let an order in, were the book as the quote says: PriceOutsideCage with the
// bound, or Accepted. It holds for limit orders in continuous trading; the exchange decides, on its own book.
func Cage(o *Order, t *rules.Terms, phase trade.Phase, q Quote) (trade.Reason, trade.Numbers) {
	if o.Type != trade.Limit || phase != trade.Continuous || !t.HasCage {
		return trade.Accepted, trade.Numbers{}
	}
	reference := rules.Reference(o.Side, q.BestBid, q.BestAsk, q.Last, q.PreviousClose)
	if t.InCage(o.Side, o.Price, reference) {
		return trade.Accepted, trade.Numbers{}
	}
	bound, _ := t.Cage(o.Side, reference)
	return trade.PriceOutsideCage, trade.Numbers{Given: int64(o.Price), Bound: int64(bound), Nearest: int64(bound)}
}

// Affordable returns the largest quantity of a limit buy at a price whose worst case is within available; 0 when there
// is none. It is for an edge that wants to tell an investor what would pass.
func Affordable(t *rules.Terms, price money.Price, commission money.Rate, available money.Cash) money.Quantity {
	fits := func(q money.Quantity) bool {
		worst, ok := ledger.Worst(&ledger.Claim{Price: price, Quantity: q, Side: trade.Buy}, &t.Tariff, commission)
		return ok && worst <= available
	}
	if price <= 0 || t.BuyIncrement <= 0 || t.BuyMinimum <= 0 || t.BuyMinimum > t.MaxLimit || !fits(t.BuyMinimum) {
		return 0
	}
	// Fees never fall when the amount rises, so what fits is a beginning of the row of valid quantities.
	low, high := int64(0), int64((t.MaxLimit-t.BuyMinimum)/t.BuyIncrement)
	for low < high {
		middle := low + (high-low+1)/2
		if fits(t.BuyMinimum + money.Quantity(middle)*t.BuyIncrement) {
			low = middle
		} else {
			high = middle - 1
		}
	}
	return t.BuyMinimum + money.Quantity(low)*t.BuyIncrement
}
