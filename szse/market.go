package szse

import (
	"evenkeel/core/money"
	"evenkeel/core/trade"
)

// The market data port: our own layouts, in the exchange's frames.
//
// The reader connects and sends Subscribe; the server sends what was asked for, in this order: definitions, history
// bars, the day's stream from Subscribe.From, then EndOfReplay; from there everything as it happens. Both sides send
// Heartbeat when they have nothing else to say; silence of two intervals ends the connection.
//
// The stream of a day is every TradeTick and SessionState, numbered by Sequence from 1 without a gap: a reader that
// lost its connection asks for its last number + 1 and has missed nothing. A Quote is a snapshot with no number of its
// own: its Sequence says up to which number of the stream it is current, and a slow reader may be given fewer of them.
// A SecurityDefinition holds for its Day and is sent again whenever it changes; one that went by during a lost
// connection is asked for again with WantDefinitions. With a new day the stream starts again at 1.

// MaxDepth is how many price levels a Quote has at most on each side.
const MaxDepth = 10

// Security names a security on the market data port.
type Security struct {
	Venue trade.Venue
	Code  [8]byte // "600519"
}

func (m *Security) fields(c *cursor) {
	choice(c, "Venue", &m.Venue, trade.SSE, trade.BSE)
	c.text("Code", m.Code[:])
}

// SecurityDefinition is what holds for a security on a trading day.
type SecurityDefinition struct {
	Security
	Board         trade.Board
	Condition     trade.Condition
	Name          [40]byte    // UTF-8
	Pinyin        [8]byte     // initials of the name, capital letters
	PreviousClose money.Price // of the day before, or the issue price
	UpperLimit    money.Price // 0: no limit
	LowerLimit    money.Price // 0: no limit
	Tick          money.Price
	Listed        trade.Day
	TPlusZero     bool // what is bought today may be sold today
	Day           trade.Day
}

// Type is TypeSecurityDefinition.
func (m *SecurityDefinition) Type() MsgType { return TypeSecurityDefinition }

// Append appends the frame.
func (m *SecurityDefinition) Append(dst []byte) []byte {
	c := begin(dst, TypeSecurityDefinition)
	m.fields(&c)
	return c.end()
}

// Decode reads the body.
func (m *SecurityDefinition) Decode(body []byte) error {
	c := open(body, TypeSecurityDefinition)
	m.fields(&c)
	return c.close()
}

func (m *SecurityDefinition) fields(c *cursor) {
	m.Security.fields(c)
	choice(c, "Board", &m.Board, trade.Main, trade.ETF)
	choice(c, "Condition", &m.Condition, trade.UnknownCondition, trade.Suspended)
	c.name("Name", m.Name[:])
	c.text("Pinyin", m.Pinyin[:])
	i64(c, &m.PreviousClose)
	i64(c, &m.UpperLimit)
	i64(c, &m.LowerLimit)
	i64(c, &m.Tick)
	i32(c, &m.Listed)
	c.flag("TPlusZero", &m.TPlusZero)
	i32(c, &m.Day)
}

// Level is one price of a book.
type Level struct {
	Price    money.Price
	Quantity money.Quantity
	Orders   uint32 // how many rest there
}

// Quote is a snapshot of a security. During a call it has no levels: the Auction fields hold instead.
type Quote struct {
	Security
	Phase         trade.Phase // of the security: VolatilityHalt and Halted may differ from the venue's
	Time          trade.Time
	Sequence      uint64      // the last number of the day's stream that this includes
	Last          money.Price // 0: no trade today
	Open          money.Price // 0: no trade today
	High          money.Price
	Low           money.Price
	PreviousClose money.Price
	UpperLimit    money.Price // 0: no limit
	LowerLimit    money.Price
	Volume        money.Quantity
	Turnover      money.Cash
	Trades        uint64
	// AuctionPrice is the virtual reference price of a call, 0 when nothing would match.
	AuctionPrice     money.Price
	AuctionMatched   money.Quantity
	AuctionUnmatched money.Quantity
	AuctionSide      trade.Side // of the unmatched quantity; 0: none
	BidCount         uint8      // levels of Bids that hold
	AskCount         uint8
	Bids             [MaxDepth]Level // best first
	Asks             [MaxDepth]Level
}

// levelSize is the size of a Level on the wire, in bytes.
const levelSize = 20

// Type is TypeQuote.
func (m *Quote) Type() MsgType { return TypeQuote }

// Append appends the frame.
func (m *Quote) Append(dst []byte) []byte {
	c := begin(dst, TypeQuote)
	m.fields(&c)
	return c.end()
}

// Decode reads the body. Levels beyond the counts are left as they were.
func (m *Quote) Decode(body []byte) error {
	c := open(body, TypeQuote)
	m.fields(&c)
	return c.close()
}

func (m *Quote) fields(c *cursor) {
	m.Security.fields(c)
	choice(c, "Phase", &m.Phase, trade.UnknownPhase, trade.Halted)
	i64(c, &m.Time)
	c.u64(&m.Sequence)
	i64(c, &m.Last)
	i64(c, &m.Open)
	i64(c, &m.High)
	i64(c, &m.Low)
	i64(c, &m.PreviousClose)
	i64(c, &m.UpperLimit)
	i64(c, &m.LowerLimit)
	i64(c, &m.Volume)
	i64(c, &m.Turnover)
	c.u64(&m.Trades)
	i64(c, &m.AuctionPrice)
	i64(c, &m.AuctionMatched)
	i64(c, &m.AuctionUnmatched)
	choice(c, "AuctionSide", &m.AuctionSide, 0, trade.Sell)
	m.levels(c)
}

func (m *Quote) levels(c *cursor) {
	choice(c, "BidCount", &m.BidCount, 0, MaxDepth)
	choice(c, "AskCount", &m.AskCount, 0, MaxDepth)
	if c.err != nil {
		return
	}
	if want := c.at + levelSize*int(m.BidCount+m.AskCount); c.reading && want != len(c.bytes) {
		c.err = LengthError{Type: c.kind, Got: len(c.bytes), Want: want}
		return
	}
	for i := range m.BidCount {
		m.Bids[i].fields(c)
	}
	for i := range m.AskCount {
		m.Asks[i].fields(c)
	}
}

func (m *Level) fields(c *cursor) {
	i64(c, &m.Price)
	i64(c, &m.Quantity)
	c.u32(&m.Orders)
}

// TradeTick is one trade of the market.
type TradeTick struct {
	Sequence uint64 // of the day's stream
	Day      trade.Day
	Security
	Time      trade.Time
	Price     money.Price
	Quantity  money.Quantity
	Aggressor trade.Side // 0: a call has none
	BuyOrder  uint64     // the exchange's numbers of both orders
	SellOrder uint64
	Phase     trade.Phase // in which it was matched
}

// Type is TypeTradeTick.
func (m *TradeTick) Type() MsgType { return TypeTradeTick }

// Append appends the frame.
func (m *TradeTick) Append(dst []byte) []byte {
	c := begin(dst, TypeTradeTick)
	m.fields(&c)
	return c.end()
}

// Decode reads the body.
func (m *TradeTick) Decode(body []byte) error {
	c := open(body, TypeTradeTick)
	m.fields(&c)
	return c.close()
}

func (m *TradeTick) fields(c *cursor) {
	c.u64(&m.Sequence)
	i32(c, &m.Day)
	m.Security.fields(c)
	i64(c, &m.Time)
	i64(c, &m.Price)
	i64(c, &m.Quantity)
	choice(c, "Aggressor", &m.Aggressor, 0, trade.Sell)
	c.u64(&m.BuyOrder)
	c.u64(&m.SellOrder)
	choice(c, "Phase", &m.Phase, trade.UnknownPhase, trade.Halted)
}

// SessionState says in which phase a venue is from now on.
type SessionState struct {
	Sequence uint64 // of the day's stream
	Day      trade.Day
	Venue    trade.Venue
	Phase    trade.Phase
	Time     trade.Time // when the phase began
	Next     trade.Time // when the next one begins; 0: not known
}

// Type is TypeSessionState.
func (m *SessionState) Type() MsgType { return TypeSessionState }

// Append appends the frame.
func (m *SessionState) Append(dst []byte) []byte {
	c := begin(dst, TypeSessionState)
	m.fields(&c)
	return c.end()
}

// Decode reads the body.
func (m *SessionState) Decode(body []byte) error {
	c := open(body, TypeSessionState)
	m.fields(&c)
	return c.close()
}

func (m *SessionState) fields(c *cursor) {
	c.u64(&m.Sequence)
	i32(c, &m.Day)
	choice(c, "Venue", &m.Venue, trade.SSE, trade.BSE)
	choice(c, "Phase", &m.Phase, trade.UnknownPhase, trade.Halted)
	i64(c, &m.Time)
	i64(c, &m.Next)
}

// DayBar is the Minutes of a bar that covers a whole trading day.
const DayBar = 0

// Bar is a candle of the past.
type Bar struct {
	Security
	Minutes  uint16     // its length, or DayBar
	Day      trade.Day  // the trading day that it belongs to
	Start    trade.Time // of the interval
	Open     money.Price
	High     money.Price
	Low      money.Price
	Close    money.Price
	Volume   money.Quantity
	Turnover money.Cash
	Trades   uint64
}

// Type is TypeBar.
func (m *Bar) Type() MsgType { return TypeBar }

// Append appends the frame.
func (m *Bar) Append(dst []byte) []byte {
	c := begin(dst, TypeBar)
	m.fields(&c)
	return c.end()
}

// Decode reads the body.
func (m *Bar) Decode(body []byte) error {
	c := open(body, TypeBar)
	m.fields(&c)
	return c.close()
}

func (m *Bar) fields(c *cursor) {
	m.Security.fields(c)
	c.u16(&m.Minutes)
	i32(c, &m.Day)
	i64(c, &m.Start)
	i64(c, &m.Open)
	i64(c, &m.High)
	i64(c, &m.Low)
	i64(c, &m.Close)
	i64(c, &m.Volume)
	i64(c, &m.Turnover)
	c.u64(&m.Trades)
}

// Want is what a reader asks for, as bits.
type Want uint32

// Bits of Want. Others are refused.
const (
	WantDefinitions Want = 1 << 0
	WantDayBars     Want = 1 << 1 // all days of the past that the server has
	WantMinuteBars  Want = 1 << 2 // of the days of the past that the server has
	WantStream      Want = 1 << 3 // the day's stream from From, then live
	WantQuotes      Want = 1 << 4 // a Quote of each security, then each change
	WantAll         Want = 1<<5 - 1
)

// Subscribe is the reader's first message, and its only one but Heartbeat.
type Subscribe struct {
	Want       Want
	Day        trade.Day // whose stream From counts in; 0, or a day that is over: the current day from 1
	From       uint64    // the first number of the stream that is lacked; 0 is 1
	HeartBtInt int32     // seconds
}

// Type is TypeSubscribe.
func (m *Subscribe) Type() MsgType { return TypeSubscribe }

// Append appends the frame.
func (m *Subscribe) Append(dst []byte) []byte {
	c := begin(dst, TypeSubscribe)
	m.fields(&c)
	return c.end()
}

// Decode reads the body.
func (m *Subscribe) Decode(body []byte) error {
	c := open(body, TypeSubscribe)
	m.fields(&c)
	return c.close()
}

func (m *Subscribe) fields(c *cursor) {
	c.u32((*uint32)(&m.Want))
	if c.reading && c.err == nil && m.Want&^WantAll != 0 {
		c.refuse("Want", "only the bits of WantAll are known", decimal(int64(m.Want)))
	}
	i32(c, &m.Day)
	c.u64(&m.From)
	i32(c, &m.HeartBtInt)
}

// EndOfReplay says that everything of the past was sent.
type EndOfReplay struct {
	Day  trade.Day // whose stream follows
	Next uint64    // the number that its next message will have
}

// Type is TypeEndOfReplay.
func (m *EndOfReplay) Type() MsgType { return TypeEndOfReplay }

// Append appends the frame.
func (m *EndOfReplay) Append(dst []byte) []byte {
	c := begin(dst, TypeEndOfReplay)
	m.fields(&c)
	return c.end()
}

// Decode reads the body.
func (m *EndOfReplay) Decode(body []byte) error {
	c := open(body, TypeEndOfReplay)
	m.fields(&c)
	return c.close()
}

func (m *EndOfReplay) fields(c *cursor) {
	i32(c, &m.Day)
	c.u64(&m.Next)
}
