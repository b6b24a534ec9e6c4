// Package feed holds market data: definitions, quotes with depth, trades, candles, phases; and gives them to readers
// as they change.
//
// Units: those of core/trade; symbols are canonical (600519.SH, 000001.SZ, 920023.BJ); times are the exchange's.
// Invariants: a quote, trade or candle once given is never changed (readers may keep it); a reader receives each trade
// of its securities once, in order, or is cut off with ErrSlow or ErrRestarted and comes back by asking anew, or to
// the place that it had; nobody waits for a reader. It never decides anything, and never blocks the connection to the
// exchange.
//
// Listeners who want the same in the same form share each frame (circle); a Reader has a queue of its own.
//
// Candles follow the market's habit: a minute candle at time t covers [t, t+1 min); the day's first takes in the
// opening call (its trades carry 09:25) at 09:30 only where a chart asks for it, here they stay in the minute that
// they have.
package feed

import (
	"errors"
	"sync/atomic"
	"time"

	"evenkeel/core/money"
	"evenkeel/core/trade"
	"evenkeel/szse"
)

// Limits of the room.
const (
	MaxTrades     = 20_000 // trades kept of one security, the newest
	MaxMinuteDays = 10     // trading days of minute candles kept of one security
	MaxDays       = 2_000  // day candles kept of one security
	MaxQuotes     = 2_000  // past quotes kept of one security, the newest
	MaxReaders    = 65_536 // readers and listeners of one market
	ReaderQueue   = 4_096  // updates that wait for one reader; one more cuts it off
	MaxBehind     = 16_384 // updates that a listener may be behind; one more cuts it off
	MaxKept       = 65_536 // updates of all securities that a listener may come back to
)

// Errors of readers.
var (
	// ErrSlow: the reader fell ReaderQueue updates behind, or the listener MaxBehind, and was cut off.
	ErrSlow = errors.New("reader is too slow: it was cut off")
	// ErrTooManyReaders refuses a reader above MaxReaders.
	ErrTooManyReaders = errors.New("too many readers of market data")
	// ErrRestarted: the exchange's stream of the day began anew, and what was told may not be so: ask anew.
	ErrRestarted = errors.New("market data began anew: ask again")
	// ErrClosed: the market was closed.
	ErrClosed = errors.New("market data is closed")
)

// Symbol is the canonical name of a security.
func Symbol(s szse.Security) string { return szse.Text(s.Code[:]) + Suffix(s.Venue) }

// Suffix is how canonical symbols of a venue end; "" for an unknown venue.
func Suffix(v trade.Venue) string {
	switch v {
	case trade.SSE:
		return ".SH"
	case trade.SZSE:
		return ".SZ"
	case trade.BSE:
		return ".BJ"
	}
	return ""
}

// Definition is what holds for a security on a trading day.
type Definition struct {
	Symbol string
	Name   string
	Pinyin string
	szse.SecurityDefinition
}

// Quote is a snapshot of a security with up to szse.MaxDepth levels.
type Quote struct {
	Symbol   string
	Received time.Time // when it came here, by the local clock
	szse.Quote

	forms [2]atomic.Pointer[[]byte]
}

// Form is one of two encodings of a quote that all its readers share: encode is called the first time, and must give
// the same bytes for the same quote.
func (q *Quote) Form(which int, encode func(*Quote) []byte) []byte {
	return shared(&q.forms[which], q, encode)
}

// BestBid and BestAsk are the first levels, zero where there is none.
func (q *Quote) BestBid() szse.Level {
	if q.BidCount == 0 {
		return szse.Level{}
	}
	return q.Bids[0]
}

// BestAsk is the best offer.
func (q *Quote) BestAsk() szse.Level {
	if q.AskCount == 0 {
		return szse.Level{}
	}
	return q.Asks[0]
}

// Trade is one trade of the market.
type Trade struct {
	Symbol string
	szse.TradeTick
}

// Candle sums up the trades of an interval.
type Candle struct {
	Symbol                 string
	Start                  trade.Time
	Day                    trade.Day
	Open, High, Low, Close money.Price
	Volume                 money.Quantity
	Turnover               money.Cash
	Trades                 uint64
}

// Average is the volume-weighted price, rounded down; the close when nothing was traded.
func (c *Candle) Average() money.Price {
	if c.Volume <= 0 {
		return c.Close
	}
	return money.Price(int64(c.Turnover) / int64(c.Volume))
}

func (c *Candle) add(p money.Price, q money.Quantity) {
	if c.Trades == 0 {
		c.Open, c.High, c.Low = p, p, p
	}
	c.High, c.Low, c.Close = max(c.High, p), min(c.Low, p), p
	c.Volume += q
	if amount, ok := money.Amount(p, q); ok {
		c.Turnover += amount
	}
	c.Trades++
}

// merge takes in a later candle.
func (c *Candle) merge(b *Candle) {
	if b.Trades == 0 {
		return
	}
	if c.Trades == 0 {
		c.Open, c.High, c.Low = b.Open, b.High, b.Low
	}
	c.High, c.Low, c.Close = max(c.High, b.High), min(c.Low, b.Low), b.Close
	c.Volume += b.Volume
	c.Turnover += b.Turnover
	c.Trades += b.Trades
}

// UpdateKind says what an update is.
type UpdateKind uint8

// Update kinds.
const (
	TradeUpdate     UpdateKind = iota // Trade
	QuoteUpdate                       // Quote: best prices or sizes changed
	DepthUpdate                       // Quote: any level changed
	BarUpdate                         // Candle: a minute has ended
	LateBarUpdate                     // Candle: a minute that had ended got another trade
	DayBarUpdate                      // Candle: the day so far, each minute
	StatusUpdate                      // Status
	LimitUpdate                       // Quote: limits of the day
	ImbalanceUpdate                   // Quote: the call's virtual price and volumes
	updateKinds
)

// Status says in which phase a security is.
type Status struct {
	Symbol string
	Phase  trade.Phase
	Day    trade.Day
	Time   trade.Time
}

// Update is one piece of news for a reader; the member that its Kind names holds.
type Update struct {
	Kind   UpdateKind
	Symbol string
	Trade  *Trade
	Quote  *Quote
	Candle *Candle
	Status *Status

	Number uint64    // in the market's stream of updates; 0: it was not told
	At     time.Time // when it was told, by the local clock

	forms [2]atomic.Pointer[[]byte]
}

// Form is one of two encodings of an update that all share, as of a quote.
func (u *Update) Form(which int, encode func(*Update) []byte) []byte {
	return shared(&u.forms[which], u, encode)
}

func shared[T any](kept *atomic.Pointer[[]byte], from T, encode func(T) []byte) []byte {
	if b := kept.Load(); b != nil {
		return *b
	}
	made := encode(from)
	kept.Store(&made) // two may do so at once: their bytes are equal
	return made
}
