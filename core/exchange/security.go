package exchange

import (
	"math"

	"evenkeel/core/book"
	"evenkeel/core/money"
	"evenkeel/core/rules"
	"evenkeel/core/trade"
)

// SecurityNumber is the dense number of a security in the order of listing, from 1. It is never used twice.
type SecurityNumber uint32

const never trade.Time = math.MaxInt64

// highestPrice is a bound of every price of a trade, and of a previous close.
const highestPrice = book.MostTicks * book.LongestTick

// security is one listed security, today.
type security struct {
	ListSecurity
	number SecurityNumber

	// What the rules say for today; refusal is why they say nothing.
	terms    rules.Terms
	refusal  trade.Reason
	down, up money.Price // 0: no limit today

	book  *book.Book  // nil until the rules once said something
	tick  money.Price // of the book
	taken bool        // an order was accepted today

	phase     trade.Phase // the venue's, unless the security is halted
	call      trade.Phase // the call that the book collects for: it may be crossed. 0: none
	halted    bool        // by HaltSecurity
	haltUntil trade.Time  // of a volatility halt, 0: none
	marks     rules.HaltMarks
	closed    bool // the auction session is over and close holds
	absent    bool // was halted when the session ended: takes no part until the next
	close     money.Price
	callPrice money.Price // of the closing call, 0: it made none

	stats  Statistics
	minute minute
}

// list adds or changes a security.
func (m *Machine) list(c *ListSecurity, out *Output) Answer {
	if !c.fits() {
		return Answer{Reason: trade.UnknownSecurity}
	}
	if c.PreviousClose <= 0 || c.PreviousClose > highestPrice {
		return Answer{trade.PriceMissing, trade.Numbers{Given: int64(c.PreviousClose), Bound: int64(highestPrice)}}
	}
	number := m.codes[c.Code]
	switch {
	case number == 0 && len(m.securities) >= MostSecurities:
		return Answer{trade.TooManySecurities, trade.Numbers{Given: MostSecurities + 1, Bound: MostSecurities}}
	case number == 0:
		number = SecurityNumber(len(m.securities) + 1)
		m.codes[c.Code] = number
		m.securities = append(m.securities, &security{number: number, phase: trade.BeforeOpen})
	default:
		s := m.securities[number-1]
		if s.Venue != c.Venue || s.Board != c.Board {
			return Answer{Reason: trade.UnknownSecurity}
		}
		if s.taken || s.closed {
			return Answer{Reason: trade.MarketClosed}
		}
	}
	s := m.securities[number-1]
	s.ListSecurity = *c
	m.resolve(s)
	s.openBook()
	m.step(s, m.venues[s.Venue].phase, out)
	m.touch(s, out)
	return Answer{}
}

// fits reports whether the listing's words are known and its texts short enough.
func (c *ListSecurity) fits() bool {
	return known(c.Venue) && c.Board >= trade.Main && c.Board <= trade.ETF && c.Code != (Code{}) &&
		c.Flags&^knownFlags == 0 && len(c.Name) <= trade.MaxName && c.Condition <= trade.Suspended
}

// resolve looks up what holds for a security today.
func (m *Machine) resolve(s *security) {
	condition := s.Condition
	if condition == trade.NewListing && m.rules != nil {
		// After its free days a new listing is like any other. FreeDays asks for the day of listing; today's rule is
		// taken, which differs only for a security that was listed in the week of a change.
		if free, ok := m.rules.FreeDays(s.Venue, s.Board, m.today.number); ok && int(s.ListedDay) > free {
			condition = trade.Normal
		}
	}
	s.terms, s.refusal, s.down, s.up = rules.Terms{}, trade.Accepted, 0, 0
	terms, ok := rules.Terms{}, false
	if m.rules != nil {
		terms, ok = m.rules.Terms(s.Venue, s.Board, condition, m.today.number)
	}
	switch {
	case condition == trade.UnknownCondition:
		s.refusal = trade.ConditionUnknown
	case condition == trade.Suspended:
		s.refusal = trade.SecuritySuspended
	case !ok || terms.Tick <= 0 || terms.Tick > book.LongestTick:
		s.refusal = trade.RulesMissing
	}
	if s.refusal != trade.Accepted {
		return
	}
	s.terms = terms
	if terms.HasLimit {
		if s.down, s.up, ok = terms.Limits(s.PreviousClose); !ok {
			s.refusal = trade.RulesMissing
		}
	}
}

// openBook gives a security a book for the tick of the rules. A new tick waits until the old book is empty, which it
// is every morning.
func (s *security) openBook() {
	if s.refusal != trade.Accepted {
		return
	}
	if s.book == nil || s.tick != s.terms.Tick && s.book.Count() == 0 {
		s.book, s.tick = book.New(book.Options{Tick: s.terms.Tick}), s.terms.Tick
	}
}

// highest is the highest price that the book can hold.
func (s *security) highest() money.Price { return s.tick * (book.MostTicks - 1) }

// newDay forgets the old day; first says that there was none.
func (s *security) newDay(first bool) {
	if !first {
		if s.closed { // listed after the close of its venue it was never closed
			s.PreviousClose = s.close
		}
		s.ListedDay++
	}
	if s.phase != trade.Halted {
		s.phase = trade.BeforeOpen
	}
	s.taken, s.call, s.haltUntil, s.marks = false, 0, 0, 0
	s.closed, s.absent, s.close, s.callPrice = false, false, 0, 0
	s.stats = Statistics{}
	s.minute.clear()
}

// reference is the price that an auction stays near, where its rule needs one.
func (s *security) reference() money.Price {
	// SZSE: nearest the previous close in the opening call, nearest the last trade in other calls; BSE: the last trade.
	if s.stats.Last == 0 || s.Venue == trade.SZSE && s.call == trade.OpeningCall {
		return s.PreviousClose
	}
	return s.stats.Last
}

// minute keeps the trades of the last minute up to the last trade.
type minute struct {
	trades []timedTrade // oldest first, from start on
	start  int
}

type timedTrade struct {
	at       trade.Time
	price    money.Price
	quantity money.Quantity
}

// averageSpan is how far back the closing price's average looks from the last trade, both ends included.
const averageSpan trade.Time = 60_000_000_000

func (w *minute) clear() { w.trades, w.start = w.trades[:0], 0 }

func (w *minute) add(t timedTrade) {
	if n := len(w.trades); n > w.start && w.trades[n-1].at == t.at && w.trades[n-1].price == t.price {
		w.trades[n-1].quantity += t.quantity
		return
	}
	for w.start < len(w.trades) && w.trades[w.start].at < t.at-averageSpan {
		w.start++
	}
	// Move down when half is over, so that the memory stays in proportion to a minute.
	if w.start > 16 && w.start > len(w.trades)/2 {
		w.trades = w.trades[:copy(w.trades, w.trades[w.start:])]
		w.start = 0
	}
	w.trades = append(w.trades, t)
}
