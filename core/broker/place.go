package broker

import (
	"bytes"

	"github.com/zeebo/xxh3"

	"evenkeel/core/ledger"
	"evenkeel/core/money"
	"evenkeel/core/planted"
	"evenkeel/core/risk"
	"evenkeel/core/rules"
	"evenkeel/core/trade"
)

// mixer spreads account numbers over the seeds of hashes (the golden ratio's fraction in 64 bits).
const mixer = 0x9e3779b97f4a7c15

func (s *State) clientHash(n ledger.Number, id []byte) uint64 {
	return xxh3.HashSeed(id, s.seed^uint64(n)*mixer)
}

// findClient returns the request of an account that has the client order id, 0 when there is none.
func (s *State) findClient(n ledger.Number, id []byte, hash uint64) seat {
	number, next, ok := s.clients.probe(hash, hash)
	for ok {
		if o := s.at(seat(number)); o.account == n && bytes.Equal(s.clientIDs.read(o.clientID), id) {
			return seat(number)
		}
		number, next, ok = s.clients.probe(hash, next)
	}
	return 0
}

// answer says where an order stands.
func (s *State) answer(i seat, o *order) trade.Answer {
	return trade.Answer{
		Status: o.status, Account: s.accountID(o.account), Order: s.id(i), Security: o.Security,
		Number: s.books.Card(o.account).Number,
	}
}

// place: UnknownAccount, CommandUnreadable (no client order id), ClientIDUsed, the ladder of core/risk,
// OrderLimitOfDay.
func (s *State) place(c *trade.PlaceOrder) trade.Answer {
	n, a := s.account(c.Account)
	switch {
	case a == nil:
		return refuse(trade.UnknownAccount)
	case len(c.ClientID) == 0:
		return refuse(trade.CommandUnreadable)
	}
	hash := s.clientHash(n, c.ClientID)
	if i := s.findClient(n, c.ClientID, hash); i != 0 && !planted.Is(planted.ClientIDsIgnored) {
		o := s.at(i)
		if o.replaces != 0 || o.Security != c.Security || o.Side != c.Side || o.kind != c.Type ||
			o.price != c.Price || o.whole != c.Quantity {
			return trade.Answer{Reason: trade.ClientIDUsed, Order: s.id(i)}
		}
		answer := s.answer(i, o)
		answer.Replayed = true
		return answer
	}
	y := s.line(c.Security)
	asked := risk.Order{
		Side: c.Side, Type: c.Type, Price: c.Price, Quantity: c.Quantity, ClientID: len(c.ClientID),
	}
	v := s.ladder(&asked, n, c.Security, nil, 0)
	if v.Reason != trade.Accepted {
		return trade.Answer{Reason: v.Reason, Numbers: v.Numbers}
	}
	if !s.roomForOrders(1) {
		return refuse(trade.OrderLimitOfDay)
	}
	i, o := s.newOrder(n, c.Security, &asked, &v, c.Channel, c.ClientID, hash)
	s.books.Freeze(n, &o.Claim, v.Cash, v.Shares)
	s.enter(i, o, y, v.Hold)
	s.orderEvent(trade.OrderPlaced, i, o)
	return s.answer(i, o)
}

// ladder asks core/risk. What old has frozen counts as free, and so do lent open orders: a replacement takes the place
// of the old one.
func (s *State) ladder(
	asked *risk.Order, n ledger.Number, of trade.SecurityID, old *order, lent int,
) risk.Verdict {
	y, card := s.line(of), s.books.Card(n)
	who := risk.Account{
		Permissions: card.Permissions, Suspended: card.Settings.SuspendTrading, OpenOrders: int(card.Open) - lent,
		Available: s.books.Balance(n).Available, Commission: s.books.Commission(n),
	}
	if y == nil {
		return risk.Place(asked, &who, nil)
	}
	if asked.Side == trade.Sell {
		who.Sellable = s.books.Sellable(n, of)
	}
	if old != nil {
		who.Available += old.Cash
		who.Sellable += old.Shares
	}
	m := &s.markets[y.venue]
	where := risk.Market{
		Board: y.board, Condition: y.condition, Halted: y.halted, Orders: m.orders, Phase: m.meets,
		Upper: y.upper, Lower: y.lower,
	}
	if y.known {
		where.Terms = &s.terms[y.terms]
	}
	if y.day != s.day {
		where.Condition = trade.UnknownCondition
	}
	return risk.Place(asked, &who, &where)
}

// newOrder makes an order that has nothing frozen yet and is in no queue.
func (s *State) newOrder(
	n ledger.Number, of trade.SecurityID, asked *risk.Order, v *risk.Verdict, by trade.Channel, id []byte,
	hash uint64,
) (seat, *order) {
	i, o := s.newSeat(n)
	o.Claim.Price, o.Quantity, o.Security, o.Side = v.Price, asked.Quantity, of, asked.Side // the rest is zero
	o.price, o.whole, o.kind, o.channel, o.tariff = asked.Price, asked.Quantity, asked.Type, by, s.line(of).tariff
	o.clientID = s.clientIDs.keep(id)
	s.clients.put(hash, uint32(i))
	s.sums.day += clientIDHash(i, hash)
	s.books.OrderOpened(n)
	return i, o
}

// enter sends or holds an order.
func (s *State) enter(i seat, o *order, y *line, hold bool) {
	if hold {
		o.status = trade.Held
		s.push(i, o, heldAt+queue(y.venue))
		return
	}
	o.status = trade.PendingNew
	s.push(i, o, outbox)
}

// own finds an account's order of today: UnknownAccount, UnknownOrder, NotOwner.
func (s *State) own(account trade.AccountID, id trade.OrderID) (seat, *order, trade.Reason) {
	n, a := s.account(account)
	if a == nil {
		return 0, nil, trade.UnknownAccount
	}
	i, ok := s.seatOf(id)
	if !ok || s.at(i).target != 0 {
		return 0, nil, trade.UnknownOrder
	}
	if s.at(i).account != n {
		return 0, nil, trade.NotOwner
	}
	return i, s.at(i), trade.Accepted
}

// cancelOrder: UnknownAccount, UnknownOrder, NotOwner, OrderAlreadyDone, CancelPendingNow, NoCancelInThisPhase,
// OrderLimitOfDay. A held order and a replacement that waits are cancelled at once; to cancel an order that is being
// replaced is to cancel its replacement too.
func (s *State) cancelOrder(c *trade.CancelOrder) trade.Answer {
	i, o, reason := s.own(c.Account, c.Order)
	switch {
	case reason != trade.Accepted:
		return refuse(reason)
	case o.status.Done():
		return trade.Answer{Reason: trade.OrderAlreadyDone, Status: o.status, Order: c.Order}
	case o.status == trade.CancelPending:
		return trade.Answer{Reason: trade.CancelPendingNow, Status: o.status, Order: c.Order}
	case o.status == trade.Held:
		s.end(i, o, trade.Cancelled, trade.Accepted)
		s.orderEvent(trade.OrderCancelled, i, o)
		return s.answer(i, o)
	case o.status == trade.AwaitsCancel:
		s.cancelReplacement(o.replaces, i)
		return s.answer(i, o)
	case o.status == trade.ReplacePending:
		s.cancelReplacement(i, o.replacedBy)
		return s.answer(i, o)
	}
	if reason := s.requestCancel(i, o); reason != trade.Accepted {
		return refuse(reason)
	}
	o.status, o.updated = trade.CancelPending, s.now
	s.orderEvent(trade.CancelRequested, i, o)
	return s.answer(i, o)
}

// cancelReplacement ends a replacement that waits; the cancel of the old order cannot be called back.
func (s *State) cancelReplacement(i, by seat) {
	old, fresh := s.at(i), s.at(by)
	s.end(by, fresh, trade.Cancelled, trade.Accepted)
	old.status, old.replacedBy, old.updated = trade.CancelPending, 0, s.now
	s.orderEvent(trade.OrderCancelled, by, fresh)
	s.orderEvent(trade.CancelRequested, i, old)
}

// requestCancel makes the cancel of an order that is, or will be, at the exchange.
func (s *State) requestCancel(i seat, o *order) trade.Reason {
	venue := s.line(o.Security).venue
	takes := s.markets[venue].cancels
	switch {
	case takes == rules.Refused:
		return trade.NoCancelInThisPhase
	case !s.roomForOrders(1):
		return trade.OrderLimitOfDay
	}
	at, request := s.newSeat(o.account)
	request.target, o.cancel = i, at
	if takes == rules.Held {
		s.push(at, request, heldAt+queue(venue))
	} else {
		s.push(at, request, outbox)
	}
	s.settleOrder(at, request)
	return trade.Accepted
}

// replace: those of cancelOrder, CommandUnreadable (no client order id), ClientIDUsed, TypeNotAvailable (only limit
// and fixed-price orders have a price to change), ReplaceBelowFilled, NothingToReplace, the ladder for what would be
// left.
func (s *State) replace(c *trade.ReplaceOrder) trade.Answer {
	i, old, reason := s.own(c.Account, c.Order)
	switch {
	case reason != trade.Accepted:
		return refuse(reason)
	case len(c.ClientID) == 0:
		return refuse(trade.CommandUnreadable)
	}
	price, whole := old.price, old.Quantity
	if c.Price != 0 {
		price = c.Price
	}
	if c.Quantity != 0 {
		whole = c.Quantity
	}
	hash := s.clientHash(old.account, c.ClientID)
	if was := s.findClient(old.account, c.ClientID, hash); was != 0 {
		o := s.at(was)
		if o.replaces != i || o.price != price || o.whole != whole {
			return trade.Answer{Reason: trade.ClientIDUsed, Order: s.id(was)}
		}
		answer := s.answer(was, o)
		answer.Replayed = true
		return answer
	}
	switch {
	case old.status.Done():
		return trade.Answer{Reason: trade.OrderAlreadyDone, Status: old.status, Order: c.Order}
	case old.status == trade.CancelPending || old.status == trade.ReplacePending || old.status == trade.AwaitsCancel:
		return trade.Answer{Reason: trade.CancelPendingNow, Status: old.status, Order: c.Order}
	case old.kind != trade.Limit && old.kind != trade.FixedPrice:
		return refuse(trade.TypeNotAvailable)
	case price == old.price && whole == old.Quantity:
		return refuse(trade.NothingToReplace)
	case whole > 0 && whole <= old.Filled:
		return refuseWith(trade.ReplaceBelowFilled, int64(whole), int64(old.Filled), 0)
	}
	n, y := old.account, s.line(old.Security)
	asked := risk.Order{
		Side: old.Side, Type: old.kind, Price: price, Quantity: max(0, whole-old.Filled), ClientID: len(c.ClientID),
	}
	v := s.ladder(&asked, n, old.Security, old, 1)
	if v.Reason != trade.Accepted {
		return trade.Answer{Reason: v.Reason, Numbers: v.Numbers}
	}
	if !s.roomForOrders(2) {
		return refuse(trade.OrderLimitOfDay)
	}
	if old.status == trade.Held {
		return s.replaceHeld(i, old, y, &asked, &v, c, hash)
	}
	return s.replaceSent(i, old, y, &asked, &v, c, hash, whole)
}

// replaceHeld replaces an order that was never sent, at once.
func (s *State) replaceHeld(
	i seat, old *order, y *line, asked *risk.Order, v *risk.Verdict, c *trade.ReplaceOrder, hash uint64,
) trade.Answer {
	by, fresh := s.newOrder(old.account, old.Security, asked, v, c.Channel, c.ClientID, hash)
	fresh.replaces, old.replacedBy = i, by
	s.end(i, old, trade.Replaced, trade.Accepted)
	s.orderEvent(trade.OrderReplaced, i, old)
	s.books.Freeze(old.account, &fresh.Claim, v.Cash, v.Shares)
	s.enter(by, fresh, y, v.Hold)
	s.orderEvent(trade.OrderPlaced, by, fresh)
	return s.answer(by, fresh)
}

// replaceSent asks for the cancel of an order and lets its replacement wait for it.
func (s *State) replaceSent(
	i seat, old *order, y *line, asked *risk.Order, v *risk.Verdict, c *trade.ReplaceOrder, hash uint64,
	whole money.Quantity,
) trade.Answer {
	if reason := s.requestCancel(i, old); reason != trade.Accepted {
		return refuse(reason)
	}
	n := old.account
	by, fresh := s.newOrder(n, old.Security, asked, v, c.Channel, c.ClientID, hash)
	fresh.replaces, fresh.whole, fresh.status, old.replacedBy = i, whole, trade.AwaitsCancel, by
	cash, shares := s.extra(old, fresh, v)
	if !s.books.Freeze(n, &fresh.Claim, cash, shares) {
		// Enough if nothing of the old order trades any more, and that is what the ladder asked; it asks again later.
		s.books.Freeze(n, &fresh.Claim, max(0, v.Cash-old.Cash), shares)
	}
	old.status, old.updated = trade.ReplacePending, s.now
	s.orderEvent(trade.ReplaceRequested, i, old)
	s.orderEvent(trade.OrderPlaced, by, fresh)
	return s.answer(by, fresh)
}

// extra is what a replacement may need beyond what the old order has frozen. Fills of the old order until its cancel
// take from both sides; what is needed is convex in them, so its largest value is where nothing more is filled or all
// is.
func (s *State) extra(old, fresh *order, v *risk.Verdict) (money.Cash, money.Quantity) {
	if fresh.Side == trade.Sell {
		return 0, max(0, fresh.Quantity-old.Shares)
	}
	beyond := claimOf(fresh.Security, fresh.Side, fresh.Claim.Price, max(0, fresh.Quantity-old.Left()))
	worst, ok := ledger.Worst(&beyond, &s.tariffs[fresh.tariff], s.books.Commission(fresh.account))
	if !ok {
		worst = 0
	}
	return max(0, v.Cash-old.Cash, worst), 0
}
