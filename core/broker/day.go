package broker

import (
	"math"

	"evenkeel/core/ledger"
	"evenkeel/core/money"
	"evenkeel/core/rules"
	"evenkeel/core/trade"
)

// startDay: WrongDay (no day of the calendar), DayNotLater. What is still open of the day before expires first.
func (s *State) startDay(day trade.Day) trade.Answer {
	switch {
	case !rules.ValidDay(day):
		return refuseWith(trade.WrongDay, int64(day), int64(s.day), 0)
	case day <= s.day:
		return refuseWith(trade.DayNotLater, int64(day), int64(s.day), 0)
	}
	s.expire()
	s.base += uint64(s.orders.Len())
	s.orders.Clear()
	s.movements.Clear()
	s.clients.clear()
	s.moved.clear()
	s.clientIDs.clear()
	s.chains = [queues]chain{}
	s.sums.orders.Clear()
	s.sums.day = 0
	s.tariffs = s.tariffs[:0]
	s.day, s.ended, s.seed = day, false, s.digest
	s.lookAll()
	for v := range s.markets {
		s.markets[v].phase = trade.UnknownPhase
		s.lookPhase(trade.Venue(v))
	}
	s.settled(s.emit(trade.DayStarted))
	for n := range ledger.Number(s.accounts.Len()) {
		s.accountDay(n)
		s.drain()
	}
	return trade.Answer{}
}

// accountDay turns one account's day. Who has neither positions nor receivables has nothing to be told.
func (s *State) accountDay(n ledger.Number) {
	count := s.books.Positions(n)
	if count == 0 && s.books.Balance(n).Receivable == 0 {
		return
	}
	s.books.NewDay(n)
	balance := s.books.Balance(n)
	equity := balance.Available + balance.Frozen
	count = s.books.Positions(n)
	for i := range count {
		p := s.books.PositionAt(n, i)
		equity = plus(equity, s.security(p.Security).PreviousClose, p.Total)
	}
	e := s.accountEvent(trade.AccountDay, n)
	e.Balance, e.Equity = balance, equity
	s.settled(e)
	for i := range count {
		e := s.accountEvent(trade.PositionDay, n)
		e.Position = s.books.PositionAt(n, i)
		s.settled(e)
	}
}

// plus adds a value to an equity; what does not fit is shown as the most that does.
func plus(equity money.Cash, price money.Price, quantity money.Quantity) money.Cash {
	value, ok := money.Amount(price, quantity)
	sum, fits := money.Add(equity, value)
	if !ok || !fits {
		return math.MaxInt64
	}
	return sum
}

// endDay: WrongDay. A day that has ended is a replay.
func (s *State) endDay(day trade.Day) trade.Answer {
	switch {
	case s.day == 0 || day != s.day:
		return refuseWith(trade.WrongDay, int64(day), int64(s.day), int64(s.day))
	case s.ended:
		return trade.Answer{Replayed: true}
	}
	s.expire()
	s.ended = true
	for v := range s.markets {
		s.lookPhase(trade.Venue(v))
	}
	s.settled(s.emit(trade.DayEnded))
	return trade.Answer{}
}

// expire ends all that is open, in the order in which it was placed, and empties outbox and held requests.
func (s *State) expire() {
	for i := seat(1); int(i) <= s.orders.Len(); i++ {
		o := s.at(i)
		s.pull(i, o)
		o.cancel = 0
		if o.target != 0 || o.status.Done() {
			s.settleOrder(i, o)
			continue
		}
		s.end(i, o, trade.Expired, trade.ExpiredAtClose)
		s.orderEvent(trade.OrderExpired, i, o)
		s.drain()
	}
}
