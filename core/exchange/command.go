package exchange

import (
	"evenkeel/core/money"
	"evenkeel/core/trade"
)

// PBU is a broker unit (SubmittingPBUID), ASCII padded with spaces. It is compared byte by byte.
type PBU [6]byte

// ClOrdID is a request's number as its broker made it, unique per PBU and trading day, orders and cancels together.
type ClOrdID [10]byte

// Account is an investor's securities account.
type Account [12]byte

// Code is a security's code, such as 600519, padded with spaces. Codes are unique over the three venues.
type Code [8]byte

// MakeCode returns s as a Code, and false when it is empty or longer than 8 bytes.
func MakeCode(s string) (Code, bool) {
	c := Code{' ', ' ', ' ', ' ', ' ', ' ', ' ', ' '}
	return c, copy(c[:], s) == len(s) && s != ""
}

// String returns the code without its padding.
func (c Code) String() string {
	n := len(c)
	for n > 0 && (c[n-1] == ' ' || c[n-1] == 0) {
		n--
	}
	return string(c[:n])
}

// CommandKind selects a command's struct in its encoding.
type CommandKind uint8

// Command kinds. Numbers are written to the journal: they never change and are never used twice.
const (
	ListSecurityKind   CommandKind = 1
	NewOrderKind       CommandKind = 2
	CancelKind         CommandKind = 3
	SetPhaseKind       CommandKind = 4
	HaltSecurityKind   CommandKind = 5
	ResumeSecurityKind CommandKind = 6
	TickKind           CommandKind = 7
	RollDayKind        CommandKind = 8
	AdoptRulesKind     CommandKind = 9
	ForgetUnitKind     CommandKind = 10
)

// Command is one wish to change the exchange: a pointer to one of the structs below.
type Command interface{ Kind() CommandKind }

// Flags of a listing, as bits.
type Flags uint32

// Listing flags.
const (
	// SameDaySale is T+0: what was bought today may be sold today. For readers; the exchange has no accounts.
	SameDaySale Flags = 1 << 0

	knownFlags = SameDaySale
)

// ListSecurity adds a security, or says anew what holds for it today. For a listed code, Venue and Board must stay
// what they are, and nothing may change once the security took an order today. Refused: UnknownSecurity (an empty
// code, an unknown venue or board, a listed code on another one), TooManySecurities, PriceMissing, MarketClosed (too
// late today). Where the rules have no row for it, it is listed, and its orders are rejected as RulesMissing.
type ListSecurity struct {
	Code          Code
	Venue         trade.Venue
	Board         trade.Board
	Condition     trade.Condition
	Flags         Flags
	PreviousClose money.Price // > 0; of a new listing its issue price
	ListedDay     int32       // trading days since listing, the first is 1; RollDay counts on
	Name          string      // UTF-8, at most trade.MaxName bytes
}

// NewOrder is an order from a broker. Day is the trading day that it was written for.
type NewOrder struct {
	PBU      PBU
	ClOrdID  ClOrdID
	Account  Account
	Security Code
	Side     trade.Side
	Type     trade.OrderType
	Day      trade.Day
	Price    money.Price // limit; protection price of an SSE market order or 0; 0 for the other types
	Quantity money.Quantity
}

// Cancel asks for the cancel of what the order OrigClOrdID of the same PBU has left.
type Cancel struct {
	PBU         PBU
	ClOrdID     ClOrdID
	OrigClOrdID ClOrdID
	Security    Code // chooses the partition of the answer when the order is unknown
	Day         trade.Day
}

// SetPhase moves a venue to a phase. Every sequence of BeforeOpen to Closed is taken and means what its steps mean:
// leaving a call uncrosses, leaving the auction session for the fixed-price one or the close makes the closing prices
// and expires what rests, and so on. The shell decides when. Refused: MarketClosed for what is no venue's phase.
type SetPhase struct {
	Venue trade.Venue
	Phase trade.Phase
}

// HaltSecurity halts a security: until it is resumed it takes neither orders nor cancels and does not trade. A call
// under way keeps its orders; they meet when the security resumes.
type HaltSecurity struct{ Security Code }

// ResumeSecurity ends a halt; what the book collected in a call is uncrossed.
type ResumeSecurity struct{ Security Code }

// Tick says that time passed. Every command ends volatility halts that are over, a Tick does nothing else.
type Tick struct{}

// RollDay begins a trading day. Venues that are not closed are closed first (with expiry reports of the old day); the
// closing prices become previous closes. Refused: DayNotLater.
type RollDay struct{ Day trade.Day }

// AdoptRules replaces the rule file, at once. Refused: RulesInvalid.
type AdoptRules struct{ Text []byte }

// ForgetUnit makes a broker unit one whose orders are forgotten when they are done: no reports are kept for it (they
// are in Output only), and a ClOrdID may be used again when its order is done. It is for players of the exchange's
// own, whose day would else be most of the exchange's memory. Refused: DuplicateOrder (the unit has sent requests
// that are kept), VenueThrottled (no room for another PBU).
type ForgetUnit struct{ PBU PBU }

// Kind implements Command.
func (*ForgetUnit) Kind() CommandKind { return ForgetUnitKind }

// Kind implements Command.
func (*ListSecurity) Kind() CommandKind { return ListSecurityKind }

// Kind implements Command.
func (*NewOrder) Kind() CommandKind { return NewOrderKind }

// Kind implements Command.
func (*Cancel) Kind() CommandKind { return CancelKind }

// Kind implements Command.
func (*SetPhase) Kind() CommandKind { return SetPhaseKind }

// Kind implements Command.
func (*HaltSecurity) Kind() CommandKind { return HaltSecurityKind }

// Kind implements Command.
func (*ResumeSecurity) Kind() CommandKind { return ResumeSecurityKind }

// Kind implements Command.
func (*Tick) Kind() CommandKind { return TickKind }

// Kind implements Command.
func (*RollDay) Kind() CommandKind { return RollDayKind }

// Kind implements Command.
func (*AdoptRules) Kind() CommandKind { return AdoptRulesKind }
