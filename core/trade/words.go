package trade

// Side of an order. The values are those of FIX and of the exchange's interface, less the character '0'.
type Side uint8

// The two sides.
const (
	Buy  Side = 1
	Sell Side = 2
)

// Opposite returns the other side.
func (s Side) Opposite() Side { return Buy + Sell - s }

// OrderType is how an order wants to be matched; market-rules.md, "Order types".
type OrderType uint8

// Order types. Numbers never change; they are written to logs.
const (
	Limit             OrderType = 1 // day order at a price or better
	BestFiveCancel    OrderType = 2 // sweep the 5 best opposite levels, cancel the rest
	BestFiveLimit     OrderType = 3 // sweep 5 levels, the rest becomes a limit order (SSE)
	ImmediateOrCancel OrderType = 4 // all opposite levels, cancel the rest (SZSE)
	OppositeBest      OrderType = 5 // limit at the best opposite price on arrival
	OwnBest           OrderType = 6 // limit at the best own-side price on arrival
	FillOrKill        OrderType = 7 // all or nothing (SZSE)
	FixedPrice        OrderType = 8 // after hours, at the closing price, with a limit of its own
)

// Market reports whether the type has no limit price of its own (SSE types may carry a protection price).
func (t OrderType) Market() bool { return t >= BestFiveCancel && t <= FillOrKill }

// Venue is an exchange.
type Venue uint8

// Venues. Numbers never change.
const (
	SSE  Venue = 1
	SZSE Venue = 2
	BSE  Venue = 3
)

// Board is a market segment of a venue; lots, ticks, limits and cages depend on it.
type Board uint8

// Boards. Numbers never change.
const (
	Main    Board = 1 // SSE and SZSE main boards
	ChiNext Board = 2 // SZSE growth board
	STAR    Board = 3 // SSE science and technology board
	BSEMain Board = 4 // BSE
	ETF     Board = 5 // exchange-traded funds on SSE and SZSE
)

// Condition is what the exchange says about a security on a day. The zero value is unknown and refuses orders.
type Condition uint8

// Conditions. Numbers never change.
const (
	UnknownCondition Condition = 0
	Normal           Condition = 1
	SpecialTreatment Condition = 2 // ST
	DelistingRisk    Condition = 3 // *ST
	NewListing       Condition = 4 // first days after listing, without a price limit
	Suspended        Condition = 5 // takes no orders today
)

// Phase is where a venue or a security stands in its trading day; market-rules.md, "Sessions".
type Phase uint8

// Phases. Numbers never change.
const (
	UnknownPhase      Phase = 0
	BeforeOpen        Phase = 1 // no orders taken by the exchange
	OpeningCall       Phase = 2
	OpeningCallLocked Phase = 3 // orders, no cancels
	OpeningGap        Phase = 4 // after the opening match; the broker holds orders and cancels
	Continuous        Phase = 5
	Lunch             Phase = 6 // held
	ClosingCall       Phase = 7 // orders, no cancels
	FixedPriceEntry   Phase = 8 // fixed-price orders accepted, no match
	FixedPriceTrading Phase = 9
	Closed            Phase = 10
	VolatilityHalt    Phase = 11 // of a new listing: orders and cancels accepted, resumes with a call
	Halted            Phase = 12 // a security halted by the exchange: nothing is taken
)

// AccountID names an account: the shard in the high 16 bits, a dense number from 1 in the low 48.
type AccountID uint64

// OrderID names an order of the broker: the shard in the high 16 bits, a dense number from 1 in the low 48. Its
// ten-character form is the ClOrdID at the exchange. Cancel requests draw from the same sequence.
type OrderID uint64

// ShardShift is where the shard stands in an AccountID or OrderID.
const ShardShift = 48

// NumberMask selects the dense number of an AccountID or OrderID.
const NumberMask = 1<<ShardShift - 1

// SecurityID is the dense number of a security in the broker's list, from 1. It is never used twice.
type SecurityID uint32

// Time is nanoseconds since 1970 UTC, always from a log entry.
type Time int64

// Day is a trading day as the number YYYYMMDD.
type Day int32
