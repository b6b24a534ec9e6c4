package feed

import (
	"crypto/sha256"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"evenkeel/core/money"
	"evenkeel/core/trade"
	"evenkeel/szse"
)

// Market is what is known of all securities. One goroutine feeds it, any number read.
type Market struct {
	mu         sync.RWMutex
	securities map[string]*security
	names      map[szse.Security]*security
	symbols    []string // sorted
	sessions   map[trade.Venue]szse.SessionState
	day        trade.Day
	next       uint64     // number that the day's stream continues with
	begun      uint64     // number from which on it is here
	defined    trade.Day  // the newest day of a definition
	clock      trade.Time // the newest time of the exchange
	heard      atomic.Int64
	quiet      bool        // the past is being read: nobody is told
	young      []*security // those with minutes that have not been given out as ended
	readers    map[*Reader]struct{}
	listeners  int
	circles    map[[sha256.Size]byte]*circle
	wanted     [updateKinds]audience
	epoch      uint64    // of the numbers of updates
	number     uint64    // of the last update
	kept       []*Update // the last MaxKept, each at its number less one, modulo that
	closed     bool
}

type security struct {
	symbol     string
	venue      trade.Venue
	definition *Definition
	quote      *Quote
	trades     []*Trade // oldest first; a row that is in the list is never replaced: readers hold the list
	quotes     []*Quote // the same
	minutes    []Candle // oldest first
	days       []Candle // of the past, oldest first
	today      Candle
	told       trade.Time // start of the last minute that was given out as ended
	young      bool       // it is among the market's young
	phase      trade.Phase
}

// NewMarket returns a market of which nothing is known.
func NewMarket() *Market {
	m := &Market{securities: map[string]*security{}, names: map[szse.Security]*security{},
		sessions: map[trade.Venue]szse.SessionState{}, next: 1, begun: 1, readers: map[*Reader]struct{}{},
		circles: map[[sha256.Size]byte]*circle{}, epoch: rand.Uint64()}
	for i := range m.wanted {
		m.wanted[i] = audience{every: map[taker]struct{}{}, symbols: map[string]map[taker]struct{}{}}
	}
	return m
}

func (m *Market) of(name szse.Security) *security {
	s := m.names[name]
	if s != nil {
		return s
	}
	symbol := Symbol(name)
	s = &security{symbol: symbol, venue: name.Venue}
	m.names[name], m.securities[symbol] = s, s
	at, _ := slices.BinarySearch(m.symbols, symbol)
	m.symbols = slices.Insert(m.symbols, at, symbol)
	return s
}

// Define takes a definition.
func (m *Market) Define(d *szse.SecurityDefinition) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.of(d.Security)
	m.defined = max(m.defined, d.Day)
	s.definition = &Definition{Symbol: s.symbol, Name: szse.Text(d.Name[:]),
		Pinyin: strings.ToUpper(szse.Text(d.Pinyin[:])), SecurityDefinition: *d}
}

// Session takes a venue's phase. Securities follow it unless their quote says otherwise.
func (m *Market) Session(s *szse.SessionState) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance(s.Day, s.Sequence, s.Time)
	before := m.sessions[s.Venue]
	m.sessions[s.Venue] = *s
	if before.Phase == s.Phase && before.Day == s.Day {
		return
	}
	for _, symbol := range m.symbols {
		if row := m.securities[symbol]; row.venue == s.Venue {
			row.phase = s.Phase
			m.tellStatus(row, s.Day, s.Time)
		}
	}
}

func (m *Market) tellStatus(s *security, day trade.Day, now trade.Time) {
	m.tell(&Update{Kind: StatusUpdate, Symbol: s.symbol,
		Status: &Status{Symbol: s.symbol, Phase: s.phase, Day: day, Time: now}})
}

// advance moves the place in the day's stream, and turns the day over.
func (m *Market) advance(day trade.Day, sequence uint64, now trade.Time) {
	if day > m.day {
		for _, s := range m.securities {
			s.turn(day)
		}
		m.day = day
	}
	if sequence != m.next {
		m.begun = sequence // the day's first, or the first that there is of it
	}
	m.next, m.clock = sequence+1, max(m.clock, now)
}

// turn makes the candle of the day before the newest of the past. Where the exchange has sent that day's candle, ours
// may lack what went by while the connection was lost.
func (s *security) turn(day trade.Day) {
	if s.today.Trades == 0 || s.today.Day >= day {
		return
	}
	if at := place(s.days, s.today.Start); at == len(s.days) || s.days[at].Start != s.today.Start {
		s.days = insertCandle(s.days, s.today, MaxDays)
	}
	s.today = Candle{}
}

// Quote takes a snapshot.
func (m *Market) Quote(q *szse.Quote) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.of(q.Security)
	m.clock = max(m.clock, q.Time)
	now := &Quote{Symbol: s.symbol, Received: time.Now(), Quote: *q}
	before := s.quote
	s.quote = now
	if before == nil || before.BestBid() != now.BestBid() || before.BestAsk() != now.BestAsk() {
		s.quotes = appendRow(s.quotes, now, MaxQuotes)
		m.tell(&Update{Kind: QuoteUpdate, Symbol: s.symbol, Quote: now})
	}
	m.tell(&Update{Kind: DepthUpdate, Symbol: s.symbol, Quote: now})
	if before == nil || before.UpperLimit != now.UpperLimit || before.LowerLimit != now.LowerLimit {
		m.tell(&Update{Kind: LimitUpdate, Symbol: s.symbol, Quote: now})
	}
	if auction(now) && (before == nil || before.AuctionPrice != now.AuctionPrice ||
		before.AuctionMatched != now.AuctionMatched || before.AuctionUnmatched != now.AuctionUnmatched) {
		m.tell(&Update{Kind: ImbalanceUpdate, Symbol: s.symbol, Quote: now})
	}
	if s.phase != now.Phase {
		s.phase = now.Phase
		m.tellStatus(s, m.day, now.Time)
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
	m.advance(t.Day, t.Sequence, t.Time)
	s := m.of(t.Security)
	row := &Trade{Symbol: s.symbol, TradeTick: *t}
	s.trades = appendRow(s.trades, row, MaxTrades)
	start := minute(t.Time)
	c := s.addTrade(t, start)
	m.tell(&Update{Kind: TradeUpdate, Symbol: s.symbol, Trade: row})
	switch {
	case start <= s.told && !m.quiet:
		m.tellCandle(LateBarUpdate, c)
	case start > s.told && !s.young:
		s.young, m.young = true, append(m.young, s)
	}
}

// addTrade adds a trade to its day and its minute, and returns the minute; nil when it is of a day that is not kept.
func (s *security) addTrade(t *szse.TradeTick, start trade.Time) *Candle {
	if s.today.Day != t.Day {
		s.today = s.sum(t.Day, dayStart(t.Time))
	}
	s.today.add(t.Price, t.Quantity)
	at := place(s.minutes, start)
	if at == len(s.minutes) || s.minutes[at].Start != start {
		newDay := at == 0 || s.minutes[at-1].Day != t.Day
		s.minutes = slices.Insert(s.minutes, at, Candle{Symbol: s.symbol, Day: t.Day, Start: start})
		if newDay {
			at -= s.forgetMinutes()
		}
		if at < 0 {
			return nil
		}
	}
	s.minutes[at].add(t.Price, t.Quantity)
	return &s.minutes[at]
}

// sum is the candle of a day as its minutes say.
func (s *security) sum(day trade.Day, start trade.Time) Candle {
	c := Candle{Symbol: s.symbol, Day: day, Start: start}
	from := len(s.minutes)
	for from > 0 && s.minutes[from-1].Day >= day {
		from--
	}
	for i := from; i < len(s.minutes) && s.minutes[i].Day == day; i++ {
		c.merge(&s.minutes[i])
	}
	return c
}

// forgetMinutes keeps MaxMinuteDays days of minutes, and returns how many candles went.
func (s *security) forgetMinutes() int {
	days, last := 0, trade.Day(0)
	for i := len(s.minutes) - 1; i >= 0; i-- {
		if s.minutes[i].Day != last {
			days, last = days+1, s.minutes[i].Day
		}
		if days > MaxMinuteDays {
			s.minutes = append([]Candle(nil), s.minutes[i+1:]...)
			return i + 1
		}
	}
	return 0
}

// Bar takes a candle of the past. One of today is of trades that the stream no longer has: it comes before the stream.
func (m *Market) Bar(b *szse.Bar) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.of(b.Security)
	c := Candle{Symbol: s.symbol, Start: b.Start, Day: b.Day, Open: b.Open, High: b.High, Low: b.Low, Close: b.Close,
		Volume: b.Volume, Turnover: b.Turnover, Trades: max(1, b.Trades)}
	switch b.Minutes {
	case szse.DayBar:
		s.days = insertCandle(s.days, c, MaxDays)
	case 1:
		s.minutes = insertCandle(s.minutes, c, MaxMinuteDays*24*60)
		s.forgetMinutes()
		if b.Day >= max(m.day, m.defined, s.today.Day) {
			s.today = s.sum(b.Day, dayStart(b.Start))
		}
	}
}

// Minute gives out the minutes that have ended by a time of the exchange, each once. The connection calls it about
// each second; it looks only at securities that traded since the minutes that it gave out.
func (m *Market) Minute(now trade.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.quiet {
		return
	}
	current := minute(now)
	left := m.young[:0]
	for _, s := range m.young {
		from := len(s.minutes)
		for from > 0 && s.minutes[from-1].Start > s.told {
			from--
		}
		for ; from < len(s.minutes) && s.minutes[from].Start < current; from++ {
			s.told = s.minutes[from].Start
			m.tellCandle(BarUpdate, &s.minutes[from])
			m.tellCandle(DayBarUpdate, &s.today)
		}
		if s.young = from < len(s.minutes); s.young {
			left = append(left, s)
		}
	}
	clear(m.young[len(left):])
	m.young = left
}

func (m *Market) tellCandle(kind UpdateKind, c *Candle) {
	if c == nil {
		return
	}
	kept := *c
	m.tell(&Update{Kind: kind, Symbol: c.Symbol, Candle: &kept})
}

// Recall says that what follows is the past, up to Live: it is kept, and nobody is told.
func (m *Market) Recall() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.quiet = true
}

// Live says that the past has been told. The minutes that ended in it are not given out.
func (m *Market) Live() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.quiet {
		return
	}
	m.quiet = false
	m.young = nil
	for _, symbol := range m.symbols {
		s := m.securities[symbol]
		s.told = max(s.told, minute(m.clock)-1)
		n := len(s.minutes)
		if s.young = n > 0 && s.minutes[n-1].Start > s.told; s.young {
			m.young = append(m.young, s)
		}
	}
}

// Restart forgets the trades and candles of a day and of those after it: that day's stream comes again from its
// beginning, and is not told until Live. Readers are cut off with ErrRestarted: what they had may not be so.
func (m *Market) Restart(day trade.Day) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.securities {
		// Lists are made anew: readers may hold the old ones.
		s.trades = keep(s.trades, func(t *Trade) bool { return t.Day < day })
		s.minutes = keep(s.minutes, func(c Candle) bool { return c.Day < day })
		s.days = keep(s.days, func(c Candle) bool { return c.Day < day })
		if s.today.Day >= day {
			s.today = Candle{}
		}
		s.told, s.young = 0, false
	}
	m.day, m.defined, m.next, m.clock, m.young, m.quiet = day, min(m.defined, day), 1, 0, nil, true
	m.begun = 1
	m.cutOff(ErrRestarted)
	m.epoch, m.number, m.kept = rand.Uint64(), 0, nil
}

func keep[T any](rows []T, wanted func(T) bool) []T {
	var left []T
	for _, row := range rows {
		if wanted(row) {
			left = append(left, row)
		}
	}
	return left
}

// Place returns the day whose stream is being followed, and the number that it continues with.
func (m *Market) Place() (day trade.Day, next uint64) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.day, m.next
}

// Hear notes that the exchange was heard of; by the local clock, since it says how old what we show may be.
func (m *Market) Hear(now time.Time) { m.heard.Store(now.UnixNano()) }

// Heard is when the exchange was last heard of; zero before the first time.
func (m *Market) Heard() time.Time {
	at := m.heard.Load()
	if at == 0 {
		return time.Time{}
	}
	return time.Unix(0, at)
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

// place is where a candle of a start is, or belongs. Most are the newest.
func place(rows []Candle, start trade.Time) int {
	n := len(rows)
	switch {
	case n == 0 || rows[n-1].Start < start:
		return n
	case rows[n-1].Start == start:
		return n - 1
	}
	at, _ := slices.BinarySearchFunc(rows, start, func(c Candle, start trade.Time) int {
		switch {
		case c.Start < start:
			return -1
		case c.Start > start:
			return 1
		}
		return 0
	})
	return at
}

// insertCandle puts a candle in its place in time; one of the same start is replaced.
func insertCandle(rows []Candle, c Candle, most int) []Candle {
	at := place(rows, c.Start)
	if at < len(rows) && rows[at].Start == c.Start {
		rows[at] = c
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
