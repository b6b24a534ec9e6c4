package broker

import (
	"bytes"
	"errors"
	"slices"

	"github.com/zeebo/xxh3"

	"evenkeel/core/ledger"
	"evenkeel/core/money"
	"evenkeel/core/rules"
	"evenkeel/core/trade"
)

// adoptRules: RulesInvalid (Given: the line), TooManySecurities never. Terms, limits and phases are looked up again;
// orders keep the fees of the moment when they were placed.
func (s *State) adoptRules(rulesText []byte) trade.Answer {
	if len(rulesText) > trade.MaxRules {
		return refuseWith(trade.RulesInvalid, int64(len(rulesText)), trade.MaxRules, 0)
	}
	parsed, err := rules.Parse(string(rulesText))
	if err != nil {
		var where *rules.Error
		if errors.As(err, &where) {
			return refuseWith(trade.RulesInvalid, int64(where.Line), 0, 0)
		}
		return refuse(trade.RulesInvalid)
	}
	if !s.roomForTariffs(parsed) {
		return refuseWith(trade.RulesInvalid, MaxTariffs+1, MaxTariffs, 0)
	}
	s.rules, s.rulesText = parsed, slices.Clone(rulesText)
	s.sums.rules = s.rulesHash()
	s.settled(s.emit(trade.RulesAdopted))
	s.terms = s.terms[:0]
	for i := range s.securities {
		y := s.lines[i]
		s.look(&s.securities[i])
		s.settleSecurity(&s.securities[i])
		if s.lines[i].upper != y.upper || s.lines[i].lower != y.lower {
			s.securityEvent(&s.securities[i])
			s.drain()
		}
	}
	for v := range s.markets {
		s.lookPhase(trade.Venue(v))
	}
	for v := trade.SSE; v <= trade.BSE; v++ {
		s.release(v)
	}
	return trade.Answer{}
}

// roomForTariffs reports whether the tariffs that new rules bring fit beside those of today's orders.
func (s *State) roomForTariffs(parsed *rules.Rules) bool {
	fresh := s.tariffs
	for i := range s.securities {
		y := &s.securities[i]
		if t, ok := parsed.Terms(y.Venue, y.Board, y.Condition, y.Day); ok && !slices.Contains(fresh, t.Tariff) {
			fresh = append(slices.Clip(fresh), t.Tariff)
		}
	}
	return len(fresh) <= MaxTariffs
}

// lookAll looks up what the rules say about all securities.
func (s *State) lookAll() {
	s.terms = s.terms[:0]
	for i := range s.securities {
		s.look(&s.securities[i])
		s.settleSecurity(&s.securities[i])
	}
}

// look looks up what the rules say about a security on its day.
func (s *State) look(y *security) {
	if len(s.terms) > 2*ledger.MaxSecurities { // most of them are of other days
		s.lookAll()
	}
	at := &s.lines[y.ID-1]
	*at = line{
		day: y.Day, venue: y.Venue, board: y.Board, condition: y.Condition, tPlusZero: y.TPlusZero, halted: at.halted,
	}
	if s.rules == nil {
		return
	}
	terms, ok := s.rules.Terms(y.Venue, y.Board, y.Condition, y.Day)
	if !ok || !sound(&terms.Tariff) {
		return
	}
	upper, lower := money.Price(0), money.Price(0)
	if terms.HasLimit {
		// Without a previous close there are no limits to hold an order to, and no limit is not what the rules say.
		if lower, upper, ok = terms.Limits(y.PreviousClose); !ok {
			return
		}
	}
	tariff := slices.Index(s.tariffs, terms.Tariff)
	if tariff < 0 {
		if len(s.tariffs) >= MaxTariffs {
			return
		}
		tariff = len(s.tariffs)
		s.tariffs = append(s.tariffs, terms.Tariff)
	}
	number := slices.Index(s.terms, terms)
	if number < 0 {
		number = len(s.terms)
		s.terms = append(s.terms, terms)
	}
	at.upper, at.lower, at.terms, at.tariff, at.known = upper, lower, uint16(number), uint16(tariff), true
}

// listSecurity: CommandUnreadable (also a number that is neither the symbol's nor the next one), RulesMissing (no such
// venue), WrongDay (not a day, or one that is over), TooManySecurities. A known symbol keeps its number; a new one
// gets the next. Who needs it to be a certain number says so: a list whose middle was lost must not go on behind the
// gap. The next day's lines are best listed before StartDay: the equity that StartDay reports is at the previous
// closes that it finds.
func (s *State) listSecurity(c *trade.Security) trade.Answer {
	switch {
	case len(c.Symbol) == 0 || len(c.Symbol) > trade.MaxSymbol || len(c.Name) > trade.MaxName ||
		len(c.Pinyin) > trade.MaxPinyin || c.PreviousClose < 0:
		return refuse(trade.CommandUnreadable)
	case c.Venue < trade.SSE || c.Venue > trade.BSE:
		return refuse(trade.RulesMissing)
	case !rules.ValidDay(c.Day) || c.Day < s.day:
		return refuseWith(trade.WrongDay, int64(c.Day), int64(s.day), int64(s.day))
	}
	y := s.findSymbol(c.Symbol)
	number := trade.SecurityID(len(s.securities) + 1)
	if y != nil {
		number = y.ID
	}
	if c.ID != 0 && c.ID != number {
		return refuseWith(trade.CommandUnreadable, int64(c.ID), int64(number), int64(number))
	}
	if y == nil {
		if len(s.securities) >= ledger.MaxSecurities {
			return refuseWith(trade.TooManySecurities, int64(len(s.securities))+1, ledger.MaxSecurities,
				ledger.MaxSecurities)
		}
		s.securities = append(s.securities, security{symbol: s.texts.keep(c.Symbol)})
		s.lines = append(s.lines, line{})
		y = &s.securities[number-1]
		s.symbols.put(xxh3.Hash(c.Symbol), uint32(number))
		s.books.List(number)
	}
	s.retext(&y.name, c.Name)
	s.retext(&y.pinyin, c.Pinyin)
	y.Security = *c
	y.ID, y.Symbol, y.Name, y.Pinyin = number, nil, nil, nil
	s.look(y)
	s.settleSecurity(y)
	s.securityEvent(y)
	s.tidy()
	return trade.Answer{Security: number}
}

// retext replaces a text unless it is the same.
func (s *State) retext(t *text, b []byte) {
	if !bytes.Equal(s.texts.read(*t), b) {
		s.texts.drop(*t)
		*t = s.texts.keep(b)
	}
}

func (s *State) securityEvent(y *security) {
	e := s.emit(trade.SecurityListed)
	s.describeSecurity(&e.Security, y)
	s.settled(e)
}

func (s *State) describeSecurity(v *trade.Security, y *security) {
	*v = y.Security
	v.UpperLimit, v.LowerLimit = s.lines[y.ID-1].upper, s.lines[y.ID-1].lower
	v.Symbol, v.Name, v.Pinyin = s.texts.read(y.symbol), s.texts.read(y.name), s.texts.read(y.pinyin)
}

func (s *State) findSymbol(symbol []byte) *security {
	hash := xxh3.Hash(symbol)
	number, next, ok := s.symbols.probe(hash, hash)
	for ok {
		if y := &s.securities[number-1]; bytes.Equal(s.texts.read(y.symbol), symbol) {
			return y
		}
		number, next, ok = s.symbols.probe(hash, next)
	}
	return nil
}

// setPhase: CommandUnreadable (no such venue), WrongDay. What was held goes out where the phase takes it.
func (s *State) setPhase(c *trade.SetPhase) trade.Answer {
	switch {
	case c.Venue < trade.SSE || c.Venue > trade.BSE:
		return refuse(trade.CommandUnreadable)
	case s.day == 0 || s.ended || c.Day != s.day:
		return refuseWith(trade.WrongDay, int64(c.Day), int64(s.day), int64(s.day))
	}
	s.markets[c.Venue].phase = c.Phase
	s.lookPhase(c.Venue)
	e := s.emit(trade.PhaseChanged)
	e.Phase = *c
	s.settled(e)
	s.release(c.Venue)
	return trade.Answer{}
}

// lookPhase looks up what the rules say about a venue's phase.
func (s *State) lookPhase(v trade.Venue) {
	m := &s.markets[v]
	m.orders, m.cancels, m.meets = rules.Refused, rules.Refused, m.phase
	if s.rules == nil || s.day == 0 || s.ended {
		return
	}
	phase := m.phase
	if phase == trade.UnknownPhase {
		phase = trade.BeforeOpen
	}
	m.orders, m.cancels = s.rules.Takes(v, s.day, phase)
	m.meets = phase
	if m.orders == rules.Held {
		m.meets = trade.Continuous
		if begins, ok := s.rules.Begins(v, s.day, phase); ok {
			if next, _, ok := s.rules.Next(v, s.day, begins); ok {
				m.meets = next
			}
		}
	}
}

// haltSecurity: UnknownSecurity. The end of a halt lets held orders go.
func (s *State) haltSecurity(c *trade.HaltSecurity) trade.Answer {
	y := s.line(c.Security)
	switch {
	case y == nil:
		return refuse(trade.UnknownSecurity)
	case y.halted == c.Halted:
		return trade.Answer{Replayed: true, Security: c.Security}
	}
	y.halted = c.Halted
	s.settleSecurity(s.security(c.Security))
	e := s.emit(trade.SecurityHalt)
	e.Security.ID, e.Halted = c.Security, c.Halted
	s.settled(e)
	if !y.halted {
		s.release(y.venue)
	}
	return trade.Answer{Security: c.Security}
}

// release sends what is held for a venue and can go now, in the order in which it came.
func (s *State) release(v trade.Venue) {
	m, q := &s.markets[v], heldAt+queue(v)
	var next seat
	for i := s.chains[q].first; i != 0; i = next {
		o := s.at(i)
		next = o.next
		if o.target != 0 {
			if m.cancels == rules.Taken {
				s.pull(i, o)
				s.push(i, o, outbox)
			}
			continue
		}
		y := s.line(o.Security)
		if m.orders != rules.Taken || y.halted || !y.known || !s.terms[y.terms].Accepts(o.kind, m.meets) {
			continue
		}
		s.pull(i, o)
		o.status, o.updated = trade.PendingNew, s.now
		s.push(i, o, outbox)
		s.orderEvent(trade.OrderReleased, i, o)
		s.drain()
	}
}
