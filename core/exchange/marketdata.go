package exchange

import (
	"math"

	"evenkeel/core/book"
	"evenkeel/core/money"
	"evenkeel/core/trade"
)

// Output is what an Apply leaves for the gateway and for market data. The caller owns it and resets it before each
// command, or reads it after several; everything is in the order in which it happened.
type Output struct {
	Reports  []Report         // with an index; also kept for Reports
	Refusals []Refusal        // without one, not kept
	Trades   []Trade          // for the public
	Changed  []SecurityNumber // whose depth, auction, statistics or phase may be new; once a command
	Phases   []PhaseChange
}

// Reset empties the output and keeps its memory.
func (o *Output) Reset() {
	o.Reports, o.Refusals, o.Trades = o.Reports[:0], o.Refusals[:0], o.Trades[:0]
	o.Changed, o.Phases = o.Changed[:0], o.Phases[:0]
}

// Trade is one trade as the public sees it.
type Trade struct {
	Security  SecurityNumber
	Aggressor trade.Side  // 0 in an auction
	Phase     trade.Phase // that matched it; of an auction, the call
	Number    ExecutionNumber
	Buy, Sell OrderNumber
	Price     money.Price
	Quantity  money.Quantity
	Time      trade.Time
}

// PhaseChange says that a venue, or a security by its own halt or resumption, is in a phase from now on.
type PhaseChange struct {
	Venue    trade.Venue
	Phase    trade.Phase
	Security SecurityNumber // 0: the whole venue
	Time     trade.Time
}

// Statistics are a security's figures of the day. Prices are 0 before the first trade. Fixed-price trading after hours
// counts in volume, turnover and trades only.
type Statistics struct {
	Open, High, Low, Last money.Price
	Volume                money.Quantity
	Turnover              money.Cash // stays at the largest Cash rather than overflow
	Trades                uint64
	LastTime              trade.Time
}

// Quote is what the exchange publishes about a security, depth excepted.
type Quote struct {
	Number       SecurityNumber
	Partition    uint32
	Listing      ListSecurity
	Phase        trade.Phase
	Refusal      trade.Reason // why it takes no order today whatever the phase: Accepted, or ConditionUnknown, ...
	Tick         money.Price  // 0 where the rules say nothing
	Lower, Upper money.Price  // 0: no daily limit
	Close        money.Price  // of today, 0 before the session's end
	HaltUntil    trade.Time   // of a volatility halt, 0: none
	BuyQuantity  money.Quantity
	SellQuantity money.Quantity // on both sides of the book in all; 0 while a call collects
	OpenOrders   int
	Statistics   Statistics
}

// Securities is how many securities are listed; their numbers are 1 to that.
func (m *Machine) Securities() SecurityNumber { return SecurityNumber(len(m.securities)) }

// Find returns the number of a listed code.
func (m *Machine) Find(c Code) (SecurityNumber, bool) {
	n := m.codes[c]
	return n, n != 0
}

// Quote returns what is public about a listed security; the zero Quote for a number that is not.
func (m *Machine) Quote(n SecurityNumber) Quote {
	s := m.listed(n)
	if s == nil {
		return Quote{}
	}
	q := Quote{
		Number: n, Partition: m.partitionOf(n), Listing: s.ListSecurity, Phase: s.phase, Refusal: s.refusal,
		Tick: s.terms.Tick, Lower: s.down, Upper: s.up, Close: s.close, HaltUntil: s.haltUntil, Statistics: s.stats,
	}
	if s.book != nil {
		q.OpenOrders = s.book.Count()
		if s.call == 0 {
			q.BuyQuantity, _, _ = s.book.Total(trade.Buy)
			q.SellQuantity, _, _ = s.book.Total(trade.Sell)
		}
	}
	return q
}

// Depth writes the best levels of a side into dst, best first, and returns how many there were. While a call collects
// there are none: only Auction is public then.
func (m *Machine) Depth(n SecurityNumber, side trade.Side, dst []book.Level) int {
	s := m.listed(n)
	if s == nil || s.book == nil || s.call != 0 || side != trade.Buy && side != trade.Sell {
		return 0
	}
	return s.book.Depth(side, dst)
}

// Auction is what a call under way would trade now: virtual price, matched and unmatched quantity. ok is false when no
// call collects, or when the sides do not meet. Its cost grows with the levels where they do; read it at the pace of
// publication.
func (m *Machine) Auction(n SecurityNumber) (a book.Auction, ok bool) {
	s := m.listed(n)
	if s == nil || s.book == nil || s.call == 0 {
		return book.Auction{}, false
	}
	return s.book.Auction(book.Rule{Venue: s.Venue, Reference: s.reference()})
}

func (m *Machine) listed(n SecurityNumber) *security {
	if n == 0 || uint64(n) > uint64(len(m.securities)) {
		return nil
	}
	return m.securities[n-1]
}

// touch marks a security as changed. Commands touch securities one after the other, so that looking at the last mark
// of the command is enough to mark each once or nearly.
func (m *Machine) touch(s *security, out *Output) {
	if n := len(out.Changed); n > m.shown && out.Changed[n-1] == s.number {
		return
	}
	out.Changed = append(out.Changed, s.number)
}

// count takes a trade into the day's figures; priced is false for fixed-price trading.
func (s *Statistics) count(at trade.Time, p money.Price, q money.Quantity, priced bool) {
	s.Volume += q
	s.Trades++
	amount, ok := money.Amount(p, q)
	if s.Turnover, ok = addIf(ok, s.Turnover, amount); !ok {
		s.Turnover = math.MaxInt64
	}
	if !priced {
		return
	}
	if s.Open == 0 {
		s.Open, s.High, s.Low = p, p, p
	}
	s.High, s.Low, s.Last, s.LastTime = max(s.High, p), min(s.Low, p), p, at
}

func addIf(ok bool, a, b money.Cash) (money.Cash, bool) {
	sum, fits := money.Add(a, b)
	return sum, ok && fits
}
