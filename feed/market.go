package feed

import (
	"slices"
	"strings"
	"sync"
	"time"

	"evenkeel/core/money"
	"evenkeel/core/trade"
	"evenkeel/szse"
)

// Market is what is known of all securities. One goroutine feeds it, any number read.
type Market struct {
	mu         sync.RWMutex
	securities map[string]*security
	symbols    []string // sorted
	sessions   map[trade.Venue]szse.SessionState
	day        trade.Day
	next       uint64 // number that the day's stream continues with
	heard      time.Time
	readers    []*Reader
	closed     bool
}

type security struct {
	definition *Definition
	quote      *Quote
	trades     []*Trade // oldest first
	quotes     []*Quote
	minutes    []Candle // oldest first
	days       []Candle // of the past, oldest first
	today      Candle
	told       trade.Time // start of the last minute that was given out as ended
	phase      trade.Phase
}

// NewMarket returns a market of which nothing is known.
func NewMarket() *Market {
	return &Market{securities: map[string]*security{}, sessions: map[trade.Venue]szse.SessionState{}, next: 1}
}

func (m *Market) of(symbol string) *security {
	s := m.securities[symbol]
	if s == nil {
		s = &security{}
		m.securities[symbol] = s
		at, _ := slices.BinarySearch(m.symbols, symbol)
		m.symbols = slices.Insert(m.symbols, at, symbol)
	}
	return s
}

// Define takes a definition.
func (m *Market) Define(d *szse.SecurityDefinition) {
	m.mu.Lock()
	defer m.mu.Unlock()
	symbol := Symbol(d.Security)
	m.of(symbol).definition = &Definition{Symbol: symbol, Name: szse.Text(d.Name[:]),
		Pinyin: strings.ToUpper(szse.Text(d.Pinyin[:])), SecurityDefinition: *d}
}

// Session takes a venue's phase. Securities follow it unless their quote says otherwise.
func (m *Market) Session(s *szse.SessionState) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance(s.Day, s.Sequence)
	before := m.sessions[s.Venue]
	m.sessions[s.Venue] = *s
	if before.Phase == s.Phase && before.Day == s.Day {
		return
	}
	for _, symbol := range m.symbols {
		row := m.securities[symbol]
		if strings.HasSuffix(symbol, Suffix(s.Venue)) {
			row.phase = s.Phase
			m.tell(Update{Kind: StatusUpdate, Symbol: symbol,
				Status: &Status{Symbol: symbol, Phase: s.Phase, Day: s.Day, Time: s.Time}})
		}
	}
}

// advance moves the place in the day's stream, and turns the day over.
func (m *Market) advance(day trade.Day, sequence uint64) {
	if day > m.day {
		if m.day != 0 {
			for _, s := range m.securities {
				s.turn()
			}
		}
		m.day = day
	}
	m.next = sequence + 1
}

// turn makes today's candle the newest of the past.
func (s *security) turn() {
	if s.today.Trades > 0 {
		s.days = appendCandle(s.days, s.today, MaxDays)
	}
	s.today = Candle{}
}

// Quote takes a snapshot.
func (m *Market) Quote(q *szse.Quote) {
	m.mu.Lock()
	defer m.mu.Unlock()
	symbol := Symbol(q.Security)
	s := m.of(symbol)
	now := &Quote{Symbol: symbol, Quote: *q}
	before := s.quote
	s.quote = now
	if before == nil || before.BestBid() != now.BestBid() || before.BestAsk() != now.BestAsk() {
		s.quotes = appendRow(s.quotes, now, MaxQuotes)
		m.tell(Update{Kind: QuoteUpdate, Symbol: symbol, Quote: now})
	}
	m.tell(Update{Kind: DepthUpdate, Symbol: symbol, Quote: now})
	if before == nil || before.UpperLimit != now.UpperLimit || before.LowerLimit != now.LowerLimit {
		m.tell(Update{Kind: LimitUpdate, Symbol: symbol, Quote: now})
	}
	if auction(now) && (before == nil || before.AuctionPrice != now.AuctionPrice ||
		before.AuctionMatched != now.AuctionMatched || before.AuctionUnmatched != now.AuctionUnmatched) {
		m.tell(Update{Kind: ImbalanceUpdate, Symbol: symbol, Quote: now})
	}
	if s.phase != now.Phase {
		s.phase = now.Phase
		m.tell(Update{Kind: StatusUpdate, Symbol: symbol,
			Status: &Status{Symbol: symbol, Phase: now.Phase, Day: m.day, Time: now.Time}})
	}
}

func auction(q *Quote) bool {
	switch q.Phase {
	case trade.OpeningCall, trade.OpeningCallLocked, trade.ClosingCall, trade.VolatilityHalt:
		return true
	}
	return false
}

// Trade takes a trade of the day's stream.
func (m *Market) Trade(t *szse.TradeTick) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance(t.Day, t.Sequence)
	symbol := Symbol(t.Security)
	s := m.of(symbol)
	row := &Trade{Symbol: symbol, TradeTick: *t}
	s.trades = appendRow(s.trades, row, MaxTrades)
	s.addTrade(symbol, t)
	m.tell(Update{Kind: TradeUpdate, Symbol: symbol, Trade: row})
	if start := minute(t.Time); start <= s.told {
		m.tellCandle(LateBarUpdate, s.minuteAt(start))
	}
}

func (s *security) addTrade(symbol string, t *szse.TradeTick) {
	if s.today.Day != t.Day {
		s.today = Candle{Symbol: symbol, Day: t.Day, Start: dayStart(t.Time)}
	}
	s.today.add(t.Price, t.Quantity)
	start := minute(t.Time)
	c := s.minuteAt(start)
	if c == nil {
		at := len(s.minutes)
		for at > 0 && s.minutes[at-1].Start > start {
			at--
		}
		s.minutes = slices.Insert(s.minutes, at, Candle{Symbol: symbol, Day: t.Day, Start: start})
		c = &s.minutes[at]
		s.forgetMinutes()
		c = s.minuteAt(start)
	}
	if c != nil {
		c.add(t.Price, t.Quantity)
	}
}

// forgetMinutes keeps MaxMinuteDays days of minutes.
func (s *security) forgetMinutes() {
	days, last := 0, trade.Day(0)
	for i := len(s.minutes) - 1; i >= 0; i-- {
		if s.minutes[i].Day != last {
			days, last = days+1, s.minutes[i].Day
		}
		if days > MaxMinuteDays {
			s.minutes = append([]Candle(nil), s.minutes[i+1:]...)
			return
		}
	}
}

func (s *security) minuteAt(start trade.Time) *Candle {
	for i := len(s.minutes) - 1; i >= 0 && s.minutes[i].Start >= start; i-- {
		if s.minutes[i].Start == start {
			return &s.minutes[i]
		}
	}
	return nil
}

// Bar takes a candle of the past.
func (m *Market) Bar(b *szse.Bar) {
	m.mu.Lock()
	defer m.mu.Unlock()
	symbol := Symbol(b.Security)
	s := m.of(symbol)
	c := Candle{Symbol: symbol, Start: b.Start, Day: b.Day, Open: b.Open, High: b.High, Low: b.Low, Close: b.Close,
		Volume: b.Volume, Turnover: b.Turnover, Trades: max(1, b.Trades)}
	if b.Minutes == szse.DayBar {
		s.days = insertCandle(s.days, c, MaxDays)
	} else if b.Minutes == 1 {
		s.minutes = insertCandle(s.minutes, c, MaxMinuteDays*24*60)
	}
}

// Minute gives out the minutes that have ended by a time of the exchange. The connection calls it about each second.
func (m *Market) Minute(now trade.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	current := minute(now)
	for _, symbol := range m.symbols {
		s := m.securities[symbol]
		for i := range s.minutes {
			c := &s.minutes[i]
			if c.Start <= s.told || c.Start >= current || c.Day != m.day {
				continue
			}
			s.told = c.Start
			m.tellCandle(BarUpdate, c)
			m.tellCandle(DayBarUpdate, &s.today)
		}
	}
}

func (m *Market) tellCandle(kind UpdateKind, c *Candle) {
	if c == nil {
		return
	}
	kept := *c
	m.tell(Update{Kind: kind, Symbol: c.Symbol, Candle: &kept})
}

// Restart forgets today's trades and candles: the stream of a day comes again from its beginning.
func (m *Market) Restart(day trade.Day) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.securities {
		s.today = Candle{}
		s.trades = slices.DeleteFunc(s.trades, func(t *Trade) bool { return t.Day == day })
		s.minutes = slices.DeleteFunc(s.minutes, func(c Candle) bool { return c.Day == day })
	}
	m.next = 1
}

// Place returns the day whose stream is being followed, and the number that it continues with.
func (m *Market) Place() (day trade.Day, next uint64) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.day, m.next
}

// Hear notes that the exchange was heard of; by the local clock, since it says how old what we show may be.
func (m *Market) Hear(now time.Time) {
	m.mu.Lock()
	m.heard = now
	m.mu.Unlock()
}

// Heard is when the exchange was last heard of; zero before the first time.
func (m *Market) Heard() time.Time {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.heard
}

func minute(t trade.Time) trade.Time { return t - t%trade.Time(time.Minute) }

// dayStart is midnight in Shanghai, UTC+8 all year.
func dayStart(t trade.Time) trade.Time {
	const shift = trade.Time(8 * time.Hour)
	return t - (t+shift)%trade.Time(24*time.Hour)
}

func appendRow[T any](rows []T, row T, most int) []T {
	if len(rows) >= 2*most { // copy once in a while, not each time
		rows = append(rows[:0:0], rows[len(rows)-most:]...)
	}
	return append(rows, row)
}

func appendCandle(rows []Candle, c Candle, most int) []Candle { return insertCandle(rows, c, most) }

// insertCandle puts a candle in its place in time; one of the same start is replaced.
func insertCandle(rows []Candle, c Candle, most int) []Candle {
	at := len(rows)
	for at > 0 && rows[at-1].Start > c.Start {
		at--
	}
	if at > 0 && rows[at-1].Start == c.Start {
		rows[at-1] = c
		return rows
	}
	rows = slices.Insert(rows, at, c)
	if len(rows) > most {
		rows = append(rows[:0:0], rows[len(rows)-most:]...)
	}
	return rows
}

// Last is the price to value a security at: the last trade, else the previous close, else 0.
func (m *Market) Last(symbol string) money.Price {
	m.mu.RLock()
	defer m.mu.RUnlock()
	s := m.securities[symbol]
	switch {
	case s == nil:
		return 0
	case s.quote != nil && s.quote.Last > 0:
		return s.quote.Last
	case s.quote != nil && s.quote.PreviousClose > 0:
		return s.quote.PreviousClose
	case s.definition != nil:
		return s.definition.PreviousClose
	}
	return 0
}
