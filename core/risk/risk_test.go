package risk

import (
	"testing"

	"evenkeel/core/ledger"
	"evenkeel/core/money"
	"evenkeel/core/rules"
	"evenkeel/core/trade"
)

func market(t testing.TB, board trade.Board, condition trade.Condition) Market {
	t.Helper()
	terms, ok := rules.Standard().Terms(trade.SSE, board, condition, 20260707)
	if !ok {
		t.Fatal("no terms")
	}
	return Market{
		Board: board, Condition: condition, Terms: &terms, Orders: rules.Taken, Phase: trade.Continuous,
		Upper: 11_0000, Lower: 9_0000,
	}
}

func rich() Account {
	return Account{Permissions: trade.MayEverything, Available: 1_000_000 * money.Scale, Sellable: 250,
		Commission: 25000}
}

// TestLadder breaks every rung from the last to the first on top of the broken ones below it: each time the higher one
// is the reason, so the order of the ladder is what the package says. The scripts of core/broker show each with its
// numbers.
func TestLadder(t *testing.T) {
	o := Order{Side: trade.Buy, Type: trade.Limit, Price: 10_0000, Quantity: 100, ClientID: 2}
	a, m := rich(), market(t, trade.Main, trade.Normal)
	who, where := &a, &m
	if v := Place(&o, who, where); v.Reason != trade.Accepted || v.Cash != 1005_0100 || v.Price != 10_0000 || v.Hold {
		t.Fatalf("a sound order: %+v", v)
	}
	none := *m.Terms
	none.HasLimit, none.Types = false, 0
	steps := []struct {
		breaks func()
		reason trade.Reason
	}{
		{func() { a.Available = 1000 }, trade.InsufficientCash},
		{func() { o.Quantity, m.Terms.MaxLimit = 1e15, 1e16 }, trade.AmountOverflows},
		{func() { a.OpenOrders = MaxOpenOrders }, trade.TooManyOpenOrders},
		{func() { o.ClientID = trade.MaxClientID + 1 }, trade.ClientIDTooLong},
		{func() { o.Quantity = 150 }, trade.QuantityNotInLots},
		{func() { o.Quantity = 50 }, trade.QuantityBelowMinimum},
		{func() { o.Quantity = 2e16 }, trade.QuantityAboveMaximum},
		{func() { o.Quantity = 0 }, trade.QuantityNotPositive},
		{func() { o.Price = 8_9900 }, trade.PriceBelowLimit},
		{func() { o.Price = 11_0100 }, trade.PriceAboveLimit},
		{func() { o.Price = 11_0150 }, trade.PriceNotOnTick},
		{func() { o.Price = 0 }, trade.PriceMissing},
		{func() { m.Phase = trade.FixedPriceEntry }, trade.MarketClosed},
		{func() { o.Type = trade.FillOrKill }, trade.TypeNotAvailable},
		{func() { m.Terms = &none }, trade.MarketOrderNoLimit},
		{func() { o.Side = 9 }, trade.SideUnknown},
		{func() { m.Orders = rules.Refused }, trade.MarketClosed},
		{func() { m.Halted = true }, trade.SecurityHalted},
		{func() { m.Terms = nil }, trade.RulesMissing},
		{func() { m.Condition = trade.Suspended }, trade.SecuritySuspended},
		{func() { m.Condition = trade.UnknownCondition }, trade.ConditionUnknown},
		{func() { m.Board = 99 }, trade.BoardNotAllowed},
		{func() { where = nil }, trade.UnknownSecurity},
		{func() { a.Suspended = true }, trade.TradingSuspended},
		{func() { a.Permissions = 0 }, trade.AccountBlocked},
		{func() { who = nil }, trade.UnknownAccount},
	}
	for i, step := range steps {
		step.breaks()
		if v := Place(&o, who, where); v.Reason != step.reason {
			t.Errorf("rung %d from below: reason %d, want %d", i, v.Reason, step.reason)
		}
	}
}

func TestSales(t *testing.T) {
	a, m := rich(), market(t, trade.Main, trade.Normal)
	for _, c := range []struct {
		quantity, nearest money.Quantity
		reason            trade.Reason
	}{{250, 0, 0}, {50, 0, 0}, {200, 0, 0}, {30, 50, trade.OddLotNotWhole}, {300, 250, trade.InsufficientSellable}} {
		v := Place(&Order{Side: trade.Sell, Type: trade.Limit, Price: 10_0000, Quantity: c.quantity}, &a, &m)
		if v.Reason != c.reason || c.reason == 0 && (v.Shares != c.quantity || v.Cash != 0) ||
			c.reason != 0 && v.Numbers.Nearest != int64(c.nearest) {
			t.Errorf("a sale of %d: %+v", c.quantity, v)
		}
	}
}

func TestMarketOrders(t *testing.T) {
	a, m := rich(), market(t, trade.Main, trade.Normal)
	o := Order{Side: trade.Buy, Type: trade.BestFiveCancel, Quantity: 100}
	if v := Place(&o, &a, &m); v.Reason != trade.Accepted || v.Price != m.Upper {
		t.Errorf("without protection: %+v", v)
	}
	o.Price = 10_1000
	if v := Place(&o, &a, &m); v.Reason != trade.Accepted || v.Price != 10_1000 {
		t.Errorf("with protection: %+v", v)
	}
	m.Phase, m.Orders = trade.OpeningCall, rules.Held
	if v := Place(&o, &a, &m); v.Reason != trade.MarketOrderNotNow {
		t.Errorf("before the call: %+v", v)
	}
}

func TestCage(t *testing.T) {
	m := market(t, trade.Main, trade.Normal)
	for _, c := range []struct {
		side  trade.Side
		price money.Price
		quote Quote
		bound int64 // 0: let in
	}{
		{trade.Buy, 10_2000, Quote{BestAsk: 10_0000}, 0},
		{trade.Buy, 10_2100, Quote{BestAsk: 10_0000}, 10_2000},
		{trade.Sell, 9_8000, Quote{BestBid: 10_0000}, 0},
		{trade.Sell, 9_7900, Quote{BestBid: 10_0000}, 9_8000},
		{trade.Buy, 3_1100, Quote{Last: 3_0000}, 3_1000},
		{trade.Buy, 3_1100, Quote{}, 0 - 1}, // no reference at all: refused, without a bound
	} {
		o := Order{Side: c.side, Type: trade.Limit, Price: c.price}
		reason, numbers := Cage(&o, m.Terms, trade.Continuous, c.quote)
		if (reason == trade.PriceOutsideCage) != (c.bound != 0) || c.bound > 0 && numbers.Bound != c.bound {
			t.Errorf("side %d at %v: reason %d, %+v", c.side, c.price, reason, numbers)
		}
		if reason, _ := Cage(&o, m.Terms, trade.ClosingCall, c.quote); reason != trade.Accepted {
			t.Errorf("a cage in a call: %d", reason)
		}
	}
}

// TestAffordable: what it says passes, and one more step does not.
func TestAffordable(t *testing.T) {
	for _, board := range []trade.Board{trade.Main, trade.STAR} {
		m := market(t, board, trade.Normal)
		for available := money.Cash(0); available < 30_000*money.Scale; available += 333_3333 {
			q := Affordable(m.Terms, 10_0000, 25000, available)
			cost := func(q money.Quantity) money.Cash {
				worst, _ := ledger.Worst(&ledger.Claim{Price: 10_0000, Quantity: q, Side: trade.Buy}, &m.Terms.Tariff,
					25000)
				return worst
			}
			more := q + m.Terms.BuyIncrement
			if q == 0 {
				more = m.Terms.BuyMinimum
			}
			if q > 0 && cost(q) > available || cost(more) <= available {
				t.Fatalf("board %d, %v: %d shares cost %v, %d cost %v", board, available, q, cost(q), more, cost(more))
			}
		}
		if q := Affordable(m.Terms, 10_0000, 25000, ledger.MaxAmount); q != m.Terms.MaxLimit {
			t.Errorf("%d of at most %d", q, m.Terms.MaxLimit)
		}
	}
}
