package exchange

import (
	"evenkeel/core/book"
	"evenkeel/core/money"
	"evenkeel/core/must"
	"evenkeel/core/planted"
	"evenkeel/core/rules"
	"evenkeel/core/trade"
)

// newOrder takes an order. The ladder of its reasons, the first that holds wins:
//
//	refused without an index:  DuplicateOrder, OrderLimitOfDay, VenueThrottled (no room for another PBU)
//	rejected with an index:    UnknownSecurity, WrongDay, ConditionUnknown, SecuritySuspended, RulesMissing,
//	                           SecurityHalted, MarketClosed, SideUnknown,
//	                           MarketOrderNoLimit, MarketOrderNotNow, FixedPriceNotNow, TypeNotAvailable,
//	                           PriceMissing, PriceNotAllowed, PriceNotOnTick, PriceAboveLimit, PriceBelowLimit,
//	                           FixedPriceVoid, PriceOutsideCage,
//	                           QuantityNotPositive, QuantityAboveMaximum, QuantityBelowMinimum, QuantityNotInLots,
//	                           OddLotNotWhole, TooManyOpenOrders
func (m *Machine) newOrder(c *NewOrder, out *Output) Answer {
	unit, refused := m.admit(c.PBU, c.ClOrdID, c.Day)
	if refused.Reason != trade.Accepted {
		out.Refusals = append(out.Refusals, Refusal{
			PBU: c.PBU, ClOrdID: c.ClOrdID, Security: c.Security, Time: m.now,
			Reason: refused.Reason, Numbers: refused.Numbers,
		})
		return refused
	}
	s := m.listed(m.codes[c.Security])
	answer := m.check(s, c)
	o, number := m.addOrder(unit, keyOf(&c.PBU, &c.ClOrdID))
	*o = order{
		clOrdID: c.ClOrdID, account: c.Account, side: c.Side, kind: c.Type, unit: unit, code: c.Security,
		price: c.Price, quantity: c.Quantity,
	}
	if s != nil {
		o.security = s.number
	}
	if answer.Reason != trade.Accepted {
		o.status = trade.Rejected
		m.report(unit, o.security, &record{
			kind: trade.OrderRejectedReport, status: trade.Rejected, reason: answer.Reason, numbers: answer.Numbers,
		}, about{order: o, number: number}, out)
		m.forgetDone(o, number)
		return answer
	}
	s.taken = true
	o.status, o.leaves = trade.Working, c.Quantity
	m.report(unit, s.number, &record{kind: trade.OrderAcceptedReport, status: trade.Working, leaves: o.leaves},
		about{order: o, number: number}, out)
	m.enterBook(s, o, number, out)
	m.touch(s, out)
	if s.haltUntil > m.now {
		m.step(s, m.venues[s.Venue].phase, out)
	}
	return answer
}

// admit finds the unit of a request with an unused ClOrdID, and makes it if it is new.
func (m *Machine) admit(p PBU, id ClOrdID, written trade.Day) (unit uint32, refused Answer) {
	key := keyOf(&p, &id)
	if m.passing.uses(key) {
		return 0, Answer{Reason: trade.DuplicateOrder}
	}
	if _, used := m.today.requests[key]; used && !planted.Is(planted.DuplicateTaken) {
		return 0, Answer{Reason: trade.DuplicateOrder}
	}
	if written == m.yesterday.number && written != m.today.number {
		if _, used := m.yesterday.requests[key]; used {
			return 0, Answer{Reason: trade.DuplicateOrder}
		}
	}
	if m.today.orders.count >= MostRequests || m.today.cancels.count >= MostRequests {
		return 0, Answer{Reason: trade.OrderLimitOfDay}
	}
	unit, ok := m.unitOf[p]
	if ok {
		return unit, Answer{}
	}
	if len(m.units) >= MostUnits {
		return 0, Answer{Reason: trade.VenueThrottled}
	}
	return m.addUnit(p), Answer{}
}

// check is the part of the ladder that rejects with an index. s is nil for an unknown security.
func (m *Machine) check(s *security, c *NewOrder) Answer {
	if s == nil {
		return Answer{Reason: trade.UnknownSecurity}
	}
	venue := &m.venues[s.Venue]
	switch {
	case c.Day != m.today.number:
		return Answer{Reason: trade.WrongDay}
	case s.refusal != trade.Accepted:
		return Answer{Reason: s.refusal}
	case s.phase == trade.Halted:
		return Answer{Reason: trade.SecurityHalted}
	case venue.orders[s.phase] != rules.Taken:
		return Answer{Reason: trade.MarketClosed}
	case c.Side != trade.Buy && c.Side != trade.Sell:
		return Answer{Reason: trade.SideUnknown}
	}
	for _, rung := range [...]func(*security, *NewOrder) Answer{checkType, checkPrice, checkCage, checkQuantity} {
		if a := rung(s, c); a.Reason != trade.Accepted {
			return a
		}
	}
	return Answer{}
}

func checkType(s *security, c *NewOrder) Answer {
	fixed := s.phase == trade.FixedPriceEntry || s.phase == trade.FixedPriceTrading
	switch {
	case c.Type.Market() && !s.terms.HasLimit:
		return Answer{Reason: trade.MarketOrderNoLimit}
	case c.Type.Market() && s.terms.Types.Has(c.Type) && s.phase != trade.Continuous:
		return Answer{Reason: trade.MarketOrderNotNow}
	case c.Type == trade.FixedPrice && s.terms.Types.Has(c.Type) && (!fixed || s.close%s.tick != 0):
		return Answer{Reason: trade.FixedPriceNotNow}
	case c.Type > trade.FixedPrice || !s.terms.Accepts(c.Type, s.phase):
		return Answer{Reason: trade.TypeNotAvailable}
	}
	return Answer{}
}

func checkPrice(s *security, c *NewOrder) Answer {
	refuse := func(r trade.Reason, bound, nearest money.Price) Answer {
		return Answer{r, trade.Numbers{Given: int64(c.Price), Bound: int64(bound), Nearest: int64(nearest)}}
	}
	if c.Type.Market() {
		switch {
		case c.Price == 0:
			return Answer{}
		case !s.terms.Protected.Has(c.Type):
			return refuse(trade.PriceNotAllowed, 0, 0)
		}
	}
	lowest, highest := s.tick, s.highest()
	if s.terms.HasLimit {
		lowest, highest = max(lowest, s.down), min(highest, s.up)
	}
	switch {
	case c.Price <= 0:
		return refuse(trade.PriceMissing, lowest, lowest)
	case c.Price%s.tick != 0 || !s.terms.OnTick(c.Price):
		return refuse(trade.PriceNotOnTick, s.tick, min(max(c.Price-c.Price%s.tick, lowest), highest))
	case c.Price > highest:
		return refuse(trade.PriceAboveLimit, highest, highest)
	case c.Price < lowest:
		return refuse(trade.PriceBelowLimit, lowest, lowest)
	case c.Type == trade.FixedPrice && s.void(c):
		return refuse(trade.FixedPriceVoid, s.close, s.close)
	}
	return Answer{}
}

// void: a fixed-price buy limit below the close, or a sell limit above it, is void (market-rules.md, "Sessions").
func (s *security) void(c *NewOrder) bool {
	return c.Side == trade.Buy && c.Price < s.close || c.Side == trade.Sell && c.Price > s.close
}

// checkCage holds limit orders near the market in continuous trading.
func checkCage(s *security, c *NewOrder) Answer {
	if c.Type != trade.Limit || s.phase != trade.Continuous || !s.terms.HasCage {
		return Answer{}
	}
	bid, _, _ := s.book.Best(trade.Buy)
	ask, _, _ := s.book.Best(trade.Sell)
	reference := rules.Reference(c.Side, bid, ask, s.stats.Last, s.PreviousClose)
	if s.terms.InCage(c.Side, c.Price, reference) {
		return Answer{}
	}
	bound, _ := s.terms.Cage(c.Side, reference)
	nearest := bound
	if s.terms.HasLimit && nearest > 0 {
		nearest = min(max(nearest, s.down), s.up)
	}
	return Answer{trade.PriceOutsideCage,
		trade.Numbers{Given: int64(c.Price), Bound: int64(bound), Nearest: int64(nearest)}}
}

func checkQuantity(s *security, c *NewOrder) Answer {
	// The exchange does not know what the account could sell; the broker does.
	reason, nearest := s.terms.ValidQuantity(c.Side, c.Type, c.Quantity, c.Quantity)
	n := trade.Numbers{Given: int64(c.Quantity), Nearest: int64(nearest)}
	minimum, increment, most := s.terms.BuyMinimum, s.terms.BuyIncrement, s.terms.MaxLimit
	if c.Side == trade.Sell {
		minimum, increment = s.terms.SellMinimum, s.terms.SellIncrement
	}
	if c.Type.Market() {
		most = s.terms.MaxMarket
	}
	most = min(most, book.MostQuantity)
	if reason == trade.Accepted && c.Quantity > most {
		reason, n.Nearest = trade.QuantityAboveMaximum, int64(most)
	}
	switch reason {
	case trade.Accepted:
		if s.book.Count() >= book.MostOrders {
			return Answer{trade.TooManyOpenOrders, trade.Numbers{Given: book.MostOrders + 1, Bound: book.MostOrders}}
		}
		return Answer{}
	case trade.QuantityAboveMaximum:
		n.Bound = int64(most)
	case trade.QuantityNotInLots:
		n.Bound = int64(increment)
	default:
		n.Bound = int64(minimum)
	}
	return Answer{reason, n}
}

// enterBook gives an accepted order to the book: to wait in a call, to match otherwise.
func (m *Machine) enterBook(s *security, o *order, number OrderNumber, out *Output) {
	b := book.Order{
		ID: uint64(number), Side: o.side, Type: o.kind, Price: o.price, Quantity: o.quantity,
	}
	if o.kind == trade.FixedPrice {
		b.Type, b.Price = trade.Limit, s.close
	}
	var result book.Result
	m.fills = m.fills[:0]
	if s.call != 0 || s.phase == trade.FixedPriceEntry {
		result = s.book.Rest(b)
	} else {
		result = s.book.Submit(b, &m.fills)
	}
	must.Hold(!result.Outcome.Refused(), "the book refuses an order that the ladder let through")
	o.handle = result.Handle
	m.applyFills(s, false, out)
	must.Hold(o.leaves == result.Rested+result.Cancelled, "an order's fills are not what the book says")
	if result.Cancelled > 0 {
		m.end(number, trade.Cancelled, remainderReason(result.Outcome), out)
	}
}

// remainderReason says why a type's remainder does not stay.
func remainderReason(o book.Outcome) trade.Reason {
	switch o {
	case book.NoOppositeSide, book.NoOwnSide:
		return trade.NoOppositeSide
	case book.NotFillable:
		return trade.CannotFillWhole
	}
	return trade.TypeRemainder
}

// applyFills reports the trades in m.fills to both sides and to the public, the incoming order (in an auction the
// buyer) first.
func (m *Machine) applyFills(s *security, auction bool, out *Output) {
	if len(m.fills) == 0 {
		return
	}
	priced := !after(m.venues[s.Venue].phase) || s.call != 0
	if priced {
		s.callPrice = 0 // a later trade makes an earlier call's price that of a trade like others
	}
	for i := range m.fills {
		f := &m.fills[i]
		m.executions++
		m.fill(s, f.Taker, f.Price, f.Quantity, f.TakerLeft, out)
		m.fill(s, f.Maker, f.Price, f.Quantity, f.MakerLeft, out)
		t := Trade{
			Security: s.number, Aggressor: f.TakerSide, Phase: s.phase, Number: m.executions, Price: f.Price,
			Quantity: f.Quantity, Time: m.now, Buy: OrderNumber(f.Taker), Sell: OrderNumber(f.Maker),
		}
		if f.TakerSide == trade.Sell {
			t.Buy, t.Sell = t.Sell, t.Buy
		}
		if auction {
			t.Aggressor = 0
		}
		out.Trades = append(out.Trades, t)
		s.stats.count(m.now, f.Price, f.Quantity, priced)
		if priced {
			s.minute.add(timedTrade{m.now, f.Price, f.Quantity})
			m.watchVolatility(s, f.Price)
		}
	}
}

// watchVolatility begins a halt when a trade of continuous trading trips one; the security changes its phase when the
// order that traded is done with.
func (m *Machine) watchVolatility(s *security, p money.Price) {
	if s.terms.HasLimit || m.venues[s.Venue].phase != trade.Continuous {
		return
	}
	marks, halts := s.terms.Halt.Trips(s.stats.Open, p, s.marks)
	s.marks = marks
	if halts {
		// The venue's closing call ends the halt earlier (market-rules.md, "Halts"), see step.
		s.haltUntil = m.now + trade.Time(s.terms.Halt.Length)
		m.nextResume = min(m.nextResume, s.haltUntil)
	}
}

// fill takes one side's part of a trade; m.executions is the trade's number.
func (m *Machine) fill(s *security, id uint64, p money.Price, q, left money.Quantity, out *Output) {
	number := OrderNumber(id)
	o := m.orderAt(number)
	o.filled += q
	o.leaves -= q
	o.status = trade.PartlyFilled
	if o.leaves == 0 {
		o.status = trade.Filled
	}
	r := record{
		kind: trade.TradeReport, status: o.status, execution: m.executions,
		price: p, quantity: q, leaves: o.leaves, filled: o.filled,
	}
	m.report(o.unit, s.number, &r, about{order: o, number: number}, out)
	// Until its remainder is cancelled, the left of an incoming order is not in the book but is its leaves all the same.
	must.Hold(o.leaves == left, "an order's leaves are not what the book says")
	m.forgetDone(o, number)
}

// end takes what an order has left off: cancelled by its type, or expired. It does not touch the book.
func (m *Machine) end(number OrderNumber, status trade.OrderStatus, reason trade.Reason, out *Output) {
	o := m.orderAt(number)
	must.Hold(o.open(), "an order that is done ends again")
	o.leaves, o.status, o.handle = 0, status, 0
	m.report(o.unit, o.security,
		&record{kind: trade.OrderCancelledReport, status: status, filled: o.filled, reason: reason},
		about{order: o, number: number}, out)
	m.forgetDone(o, number)
}

// cancel takes a cancel. The ladder: refused without an index like newOrder; rejected with an index: WrongDay (of
// another day, and the order is not of today), UnknownOrder (also when the security is another), OrderAlreadyDone,
// SecurityHalted, NoCancelInThisPhase (the phase takes orders), MarketClosed.
func (m *Machine) cancel(c *Cancel, out *Output) Answer {
	unit, refused := m.admit(c.PBU, c.ClOrdID, c.Day)
	if refused.Reason != trade.Accepted {
		out.Refusals = append(out.Refusals, Refusal{
			Cancel: true, PBU: c.PBU, ClOrdID: c.ClOrdID, Security: c.Security, Time: m.now,
			Reason: refused.Reason, Numbers: refused.Numbers,
		})
		return refused
	}
	r := record{kind: trade.CancelRejectedReport}
	o, number := m.findOrder(unit, keyOf(&c.PBU, &c.OrigClOrdID), c.Security)
	if o != nil {
		r.status, r.leaves, r.filled = o.status, o.leaves, o.filled
	}
	request := m.addCancel(unit, c, number)
	r.reason = m.checkCancel(o, c)
	if r.reason == trade.Accepted {
		s := m.securities[o.security-1]
		left, ok := s.book.Cancel(o.handle, uint64(number))
		must.Hold(ok && left == o.leaves, "an open order is not in the book")
		o.leaves, o.status, o.handle = 0, trade.Cancelled, 0
		r.kind, r.status, r.leaves = trade.OrderCancelledReport, o.status, 0
		m.touch(s, out)
	}
	m.report(unit, m.codes[c.Security], &r, about{order: o, number: number, cancel: request}, out)
	if o != nil {
		m.forgetDone(o, number)
	}
	return Answer{Reason: r.reason}
}

func (m *Machine) checkCancel(o *order, c *Cancel) trade.Reason {
	switch {
	case o == nil && c.Day != m.today.number:
		return trade.WrongDay
	case o == nil:
		return trade.UnknownOrder
	case !o.open():
		return trade.OrderAlreadyDone
	}
	s := m.securities[o.security-1]
	venue := &m.venues[s.Venue]
	switch {
	case s.phase == trade.Halted:
		return trade.SecurityHalted
	case venue.cancels[s.phase] == rules.Taken:
		return trade.Accepted
	case venue.orders[s.phase] == rules.Taken:
		return trade.NoCancelInThisPhase
	}
	return trade.MarketClosed
}
