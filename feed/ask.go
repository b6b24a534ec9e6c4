package feed

import (
	"cmp"
	"slices"
	"time"

	"evenkeel/core/trade"
	"evenkeel/szse"
)

// Symbols returns all symbols, sorted.
func (m *Market) Symbols() []string {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return slices.Clone(m.symbols)
}

// Definition returns what holds for a security.
func (m *Market) Definition(symbol string) (*Definition, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	s := m.securities[symbol]
	if s == nil || s.definition == nil {
		return nil, false
	}
	return s.definition, true
}

// Definitions returns all definitions, by symbol.
func (m *Market) Definitions() (all []*Definition) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, symbol := range m.symbols {
		if d := m.securities[symbol].definition; d != nil {
			all = append(all, d)
		}
	}
	return all
}

// LatestQuote returns the newest snapshot.
func (m *Market) LatestQuote(symbol string) (*Quote, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	s := m.securities[symbol]
	if s == nil || s.quote == nil {
		return nil, false
	}
	return s.quote, true
}

// LatestTrade returns the newest trade.
func (m *Market) LatestTrade(symbol string) (*Trade, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	s := m.securities[symbol]
	if s == nil || len(s.trades) == 0 {
		return nil, false
	}
	return s.trades[len(s.trades)-1], true
}

// SessionOf returns the phase of a venue.
func (m *Market) SessionOf(v trade.Venue) (szse.SessionState, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	s, ok := m.sessions[v]
	return s, ok
}

// Interval chooses a span of time, and how much of it. From is inclusive, Until exclusive; zero is open.
type Interval struct {
	From, Until trade.Time
	Newest      bool // newest first
	Skip, Limit int  // Limit 0 is all that there is
}

// cut applies an interval to rows that are sorted by time, oldest first.
func cut[T any](rows []T, at func(*T) trade.Time, in Interval) []T {
	from, until := 0, len(rows)
	for from < until && at(&rows[from]) < in.From {
		from++
	}
	for in.Until != 0 && until > from && at(&rows[until-1]) >= in.Until {
		until--
	}
	rows = slices.Clone(rows[from:until])
	if in.Newest {
		slices.Reverse(rows)
	}
	rows = rows[min(max(0, in.Skip), len(rows)):]
	if in.Limit > 0 && len(rows) > in.Limit {
		rows = rows[:in.Limit]
	}
	return rows
}

// Trades returns the trades kept of a security.
func (m *Market) Trades(symbol string, in Interval) []*Trade {
	m.mu.RLock()
	var rows []*Trade
	if s := m.securities[symbol]; s != nil {
		rows = s.trades
	}
	m.mu.RUnlock()
	return cut(rows, func(t **Trade) trade.Time { return (*t).Time }, in)
}

// TradesFrom returns today's trades of some securities from a number of the exchange's stream on, in the stream's
// order, all of one moment: the stream goes on with number next. Those of numbers before oldest may be lacking. It is
// not told while the past is being read, which nobody hears of: false.
func (m *Market) TradesFrom(symbols []string, number uint64) (rows []*Trade, oldest, next uint64, told bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.quiet {
		return nil, 0, 0, false
	}
	oldest = m.begun
	for _, symbol := range symbols {
		s := m.securities[symbol]
		if s == nil {
			continue
		}
		if len(s.trades) >= MaxTrades && s.trades[0].Day == m.day {
			oldest = max(oldest, s.trades[0].Sequence)
		}
		for at := len(s.trades) - 1; at >= 0 && s.trades[at].Day == m.day && s.trades[at].Sequence >= number; at-- {
			rows = append(rows, s.trades[at])
		}
	}
	slices.SortFunc(rows, func(a, b *Trade) int { return cmp.Compare(a.Sequence, b.Sequence) })
	return rows, oldest, m.next, true
}

// Quotes returns the past quotes kept of a security.
func (m *Market) Quotes(symbol string, in Interval) []*Quote {
	m.mu.RLock()
	var rows []*Quote
	if s := m.securities[symbol]; s != nil {
		rows = s.quotes
	}
	m.mu.RUnlock()
	return cut(rows, func(q **Quote) trade.Time { return (*q).Time }, in)
}

// Span is the length of a candle.
type Span uint8

// Spans of candles: minutes and hours are counted from midnight, weeks begin on Monday.
const (
	Minutes Span = iota
	Days
	Weeks
	Months
)

// Candles returns candles of n minutes (n divides a day), n days, n weeks or n months (n is 1 for all but minutes).
// An interval without a trade has no candle. The last one may still be growing. Hours are counted from midnight too:
// the morning's last ends with the lunch break.
func (m *Market) Candles(symbol string, span Span, n int, in Interval) []Candle {
	if n <= 0 {
		return nil
	}
	rows, _ := m.candles(symbol, span == Minutes, bucket(in.From, span, n))
	var merged []Candle
	for i := range rows {
		start := bucket(rows[i].Start, span, n)
		if k := len(merged); k == 0 || merged[k-1].Start != start {
			merged = append(merged, Candle{Symbol: symbol, Start: start, Day: rows[i].Day})
		}
		merged[len(merged)-1].merge(&rows[i])
	}
	return cut(merged, func(c *Candle) trade.Time { return c.Start }, in)
}

// candles copies the minutes or the days of a security that begin at a time or later, and says which day it is.
func (m *Market) candles(symbol string, minutes bool, from trade.Time) (rows []Candle, today trade.Day) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	s := m.securities[symbol]
	if s == nil {
		return nil, m.day
	}
	if minutes {
		return slices.Clone(s.minutes[place(s.minutes, from):]), m.day
	}
	rows = slices.Clone(s.days[place(s.days, from):])
	if s.today.Trades > 0 && s.today.Start >= from {
		rows = insertCandle(rows, s.today, MaxDays)
	}
	return rows, m.day
}

// DayCandles returns today's candle, and that of the trading day before; false where there is none.
func (m *Market) DayCandles(symbol string) (today, before Candle, hasToday, hasBefore bool) {
	rows, current := m.candles(symbol, false, 0)
	for i := len(rows) - 1; i >= 0 && !hasBefore; i-- {
		if rows[i].Day == current {
			today, hasToday = rows[i], true
		} else if rows[i].Day < current || current == 0 {
			before, hasBefore = rows[i], true
		}
	}
	return today, before, hasToday, hasBefore
}

var shanghai = time.FixedZone("Asia/Shanghai", 8*60*60)

func bucket(t trade.Time, span Span, n int) trade.Time {
	d := time.Unix(0, int64(t)).In(shanghai)
	switch span {
	case Minutes:
		midnight := dayStart(t)
		width := trade.Time(n) * trade.Time(time.Minute)
		return midnight + (t-midnight)/width*width
	case Weeks:
		back := (int(d.Weekday()) + 6) % 7
		return dayStart(t) - trade.Time(back)*trade.Time(24*time.Hour)
	case Months:
		return trade.Time(time.Date(d.Year(), d.Month(), 1, 0, 0, 0, 0, shanghai).UnixNano())
	}
	return dayStart(t)
}
