package exchange

import (
	"math/bits"

	"evenkeel/core/book"
	"evenkeel/core/money"
	"evenkeel/core/must"
	"evenkeel/core/rules"
	"evenkeel/core/trade"
)

// setPhase moves a venue.
func (m *Machine) setPhase(c *SetPhase, out *Output) Answer {
	// VolatilityHalt and Halted are phases of a security, never of a venue.
	if !known(c.Venue) || c.Phase < trade.BeforeOpen || c.Phase > trade.Closed {
		return Answer{Reason: trade.MarketClosed}
	}
	m.movePhase(c.Venue, c.Phase, out)
	return Answer{}
}

func (m *Machine) movePhase(v trade.Venue, to trade.Phase, out *Output) {
	from := m.venues[v].phase
	if from == to {
		return
	}
	m.venues[v].phase = to
	out.Phases = append(out.Phases, PhaseChange{Venue: v, Phase: to, Time: m.now})
	for _, s := range m.securities {
		if s.Venue == v {
			m.step(s, from, out)
		}
	}
}

// halt halts or resumes a security.
func (m *Machine) halt(code Code, halted bool, out *Output) Answer {
	number := m.codes[code]
	if number == 0 {
		return Answer{Reason: trade.UnknownSecurity}
	}
	s := m.securities[number-1]
	s.halted = halted
	m.step(s, m.venues[s.Venue].phase, out)
	return Answer{}
}

// endVolatilityHalts resumes what is due, and finds out when the next one is.
func (m *Machine) endVolatilityHalts(out *Output) {
	m.nextResume = never
	for _, s := range m.securities {
		if s.haltUntil == 0 {
			continue
		}
		if s.haltUntil <= m.now && m.venues[s.Venue].phase == trade.Continuous && !s.halted {
			m.step(s, trade.Continuous, out)
		}
		if s.haltUntil > m.now {
			m.nextResume = min(m.nextResume, s.haltUntil)
		}
	}
}

// effective is the phase that a security should be in now.
func (m *Machine) effective(s *security) trade.Phase {
	venue := m.venues[s.Venue].phase
	switch {
	case s.halted, s.Condition == trade.Suspended:
		return trade.Halted
	case s.absent && after(venue):
		return trade.Halted // market-rules.md: still halted at 15:00, takes no part
	case s.haltUntil > m.now && venue == trade.Continuous:
		return trade.VolatilityHalt
	}
	return venue
}

// after reports whether the auction session of a venue in the phase is over.
func after(p trade.Phase) bool { return p >= trade.FixedPriceEntry && p <= trade.Closed }

// collects reports whether orders in the phase wait for a call's match.
func collects(p trade.Phase) bool {
	return p == trade.OpeningCall || p == trade.OpeningCallLocked || p == trade.ClosingCall || p == trade.VolatilityHalt
}

// callOf is the call that a phase belongs to: the locked part is a part of the opening call.
func callOf(p trade.Phase) trade.Phase {
	if p == trade.OpeningCallLocked {
		return trade.OpeningCall
	}
	return p
}

// step brings a security into the phase that it should be in, with all that the change means. venueFrom is the venue's
// phase before the command's change, the current one if there was none.
func (m *Machine) step(s *security, venueFrom trade.Phase, out *Output) {
	venue, before := m.venues[s.Venue].phase, s.phase
	switch {
	case after(venue):
		m.endSession(s, out)
		if venue == trade.Closed {
			m.expire(s, out)
		}
	case s.closed: // reopened on the same day
		m.expire(s, out)
		s.closed, s.absent = false, false
	}
	// An uncross may trip a volatility halt, so the phase is asked for again; each round spends a mark.
	for round := 0; ; round++ {
		must.Hold(round < 8, "a security does not come to rest in a phase")
		to := m.effective(s)
		if s.haltUntil != 0 && venue != trade.Lunch && to != trade.VolatilityHalt && to != trade.Halted {
			s.haltUntil = 0
		}
		if to == s.phase {
			break
		}
		m.enter(s, to, out)
	}
	if s.phase == before {
		return
	}
	m.touch(s, out)
	if before != venueFrom || s.phase != venue {
		out.Phases = append(out.Phases, PhaseChange{Venue: s.Venue, Security: s.number, Phase: s.phase, Time: m.now})
	}
}

// enter moves a security from its phase to another.
func (m *Machine) enter(s *security, to trade.Phase, out *Output) {
	from := s.phase
	if s.call != 0 && !keepsCall(s.call, from, to) {
		m.uncross(s, out)
	}
	switch {
	case collects(to):
		s.call = callOf(to)
	case to == trade.FixedPriceTrading:
		m.matchAtClose(s, out)
	}
	s.phase = to
}

// keepsCall reports whether a call under way goes on without a match when a security moves.
func keepsCall(call, from, to trade.Phase) bool {
	switch {
	case to == trade.Halted, to == trade.Lunch:
		return true // its orders meet when it resumes
	case to == trade.OpeningGap:
		return !collects(from) // resumed in the gap: its orders meet at the end of it
	case !collects(to):
		return false
	case !collects(from):
		return true // resumed into a call: its orders join that
	}
	// The locked part is a part of the opening call. A volatility halt that crosses 14:57 ends there: its own call is
	// matched, and the closing call begins.
	return callOf(to) == call
}

// uncross ends a call: one match at one price.
func (m *Machine) uncross(s *security, out *Output) {
	call := s.call
	if s.book != nil {
		if a, ok := s.book.Auction(book.Rule{Venue: s.Venue, Reference: s.reference()}); ok {
			m.fills = m.fills[:0]
			s.book.Uncross(a.Price, &m.fills)
			m.applyFills(s, true, out)
			if call == trade.ClosingCall {
				s.callPrice = a.Price
			}
		}
		m.holdUncrossed(s)
	}
	s.call = 0
	m.touch(s, out)
}

func (m *Machine) holdUncrossed(s *security) {
	bid, _, bids := s.book.Best(trade.Buy)
	ask, _, asks := s.book.Best(trade.Sell)
	must.Hold(!bids || !asks || bid < ask, "a book is crossed after its call")
}

// matchAtClose begins fixed-price trading: what was entered meets at the close, in order of time.
func (m *Machine) matchAtClose(s *security, out *Output) {
	if s.book == nil || !s.closed {
		return
	}
	m.fills = m.fills[:0]
	s.book.Uncross(s.close, &m.fills)
	m.applyFills(s, true, out)
}

// endSession ends the auction session of a security, once: closing price, expiry of what rests.
func (m *Machine) endSession(s *security, out *Output) {
	if s.closed {
		return
	}
	s.absent = s.halted || s.Condition == trade.Suspended
	if s.call != 0 && !s.absent {
		m.uncross(s, out)
	}
	s.call, s.haltUntil = 0, 0
	s.close, s.closed = s.closingPrice(), true
	m.expire(s, out)
	m.touch(s, out)
}

// closingPrice is that of the closing call; if it made none, SSE and SZSE take the average of the last minute, BSE the
// last trade; without a trade it is the previous close.
func (s *security) closingPrice() money.Price {
	switch {
	case s.callPrice > 0:
		return s.callPrice
	case s.stats.Last == 0:
		return s.PreviousClose
	case s.terms.Closing == rules.LastMinuteAverage:
		return s.minute.average(s.tick)
	}
	return s.stats.Last
}

// average is the volume-weighted average of the kept trades, half-up to the tick; there must be at least one.
func (w *minute) average(tick money.Price) money.Price {
	var high, low uint64 // of the sum of price x quantity
	var quantity uint64
	for _, t := range w.trades[w.start:] {
		h, l := bits.Mul64(uint64(t.price), uint64(t.quantity))
		var carry uint64
		low, carry = bits.Add64(low, l, 0)
		high += h + carry
		quantity += uint64(t.quantity)
	}
	must.Hold(quantity > 0, "an average of no trades")
	// An average is at most the highest price, so it fits; the rounding is that of one division by quantity x tick.
	whole, rest := bits.Div64(high, low, quantity)
	ticks, beyond := whole/uint64(tick), whole%uint64(tick)
	// The exact remainder is beyond + rest/quantity, in units of price; half-up compares it with half a tick.
	if up := 2 * beyond; up >= uint64(tick) || up+1 == uint64(tick) && 2*rest >= quantity {
		ticks++
	}
	return money.Price(ticks) * tick
}

// expire ends what rests, buys first, best price first.
func (m *Machine) expire(s *security, out *Output) {
	if s.book == nil || s.book.Count() == 0 {
		return
	}
	for side := trade.Buy; side <= trade.Sell; side++ {
		for rests := range s.book.Orders(side) {
			m.end(OrderNumber(rests.ID), trade.Expired, trade.ExpiredAtClose, out)
		}
	}
	s.book.Clear()
	m.touch(s, out)
}
