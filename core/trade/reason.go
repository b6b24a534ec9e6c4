package trade

// Reason says why something was refused; the zero value means that it was not. Names are the sentence. Numbers are
// written to logs and to the exchange's wire: they never change and are never used twice. The ladders in core/risk and
// core/exchange say which reason wins when several hold.
type Reason uint16

// Reasons about who asks.
const (
	Accepted          Reason = 0
	UnknownAccount    Reason = 1
	AccountBlocked    Reason = 2
	TradingSuspended  Reason = 3 // by the account's own setting
	BoardNotAllowed   Reason = 4 // the account has no permission for the board
	LoginTaken        Reason = 5
	LoginInvalid      Reason = 6
	UnknownKey        Reason = 7
	TooManyKeys       Reason = 8
	UnknownSession    Reason = 9
	TooManySessions   Reason = 10
	TooManyAccounts   Reason = 11
	DocumentTooLarge  Reason = 12
	TooManyDocuments  Reason = 13
	UnknownDocument   Reason = 14
	KeyTaken          Reason = 15 // the key id stands for another key
	CommissionInvalid Reason = 16 // negative, or above the whole amount
)

// Reasons about the security and the moment.
const (
	UnknownSecurity      Reason = 20
	ConditionUnknown     Reason = 21 // the exchange's state of the security is not known: orders are refused
	SecuritySuspended    Reason = 22
	SecurityHalted       Reason = 23
	MarketClosed         Reason = 24 // the phase takes no orders, and nothing is held for it
	NoCancelInThisPhase  Reason = 25
	MarketOrderNotNow    Reason = 26 // market orders are for continuous trading only
	MarketOrderNoLimit   Reason = 27 // market orders need a security with a daily limit
	FixedPriceNotNow     Reason = 28
	WrongDay             Reason = 29 // an order of another trading day
	RulesMissing         Reason = 30 // no rule is in force for this venue, board, condition and day
	TooManySecurities    Reason = 31
	NotTradableOnChannel Reason = 32
)

// Reasons about the order.
const (
	TypeNotAvailable     Reason = 40
	SideUnknown          Reason = 41
	PriceMissing         Reason = 42
	PriceNotAllowed      Reason = 43 // the type takes no price
	PriceNotOnTick       Reason = 44
	PriceAboveLimit      Reason = 45 // above the day's upper limit
	PriceBelowLimit      Reason = 46
	PriceOutsideCage     Reason = 47
	QuantityNotPositive  Reason = 48
	QuantityBelowMinimum Reason = 49
	QuantityNotInLots    Reason = 50
	OddLotNotWhole       Reason = 51 // a remainder below the lot is sold in one order, whole
	QuantityAboveMaximum Reason = 52
	FixedPriceVoid       Reason = 53 // a fixed-price limit on the wrong side of the close
	ClientIDUsed         Reason = 54 // the client order id stands for another order of today
	ClientIDTooLong      Reason = 55
	TooManyOpenOrders    Reason = 56
	AmountOverflows      Reason = 57
	NoOppositeSide       Reason = 58 // nothing to trade with, or to take a price from
	CannotFillWhole      Reason = 59
)

// Reasons about money and shares.
const (
	InsufficientCash     Reason = 70
	InsufficientSellable Reason = 71
	AmountNotPositive    Reason = 72
	NotWithdrawable      Reason = 73
)

// Reasons about an order that exists, or should.
const (
	UnknownOrder        Reason = 80
	OrderAlreadyDone    Reason = 81
	CancelPendingNow    Reason = 82 // a cancel of this order is under way already
	NothingToReplace    Reason = 83 // the replacement changes nothing
	ReplaceBelowFilled  Reason = 84 // the new quantity is not above what was filled
	FilledBeforeReplace Reason = 85
	DuplicateOrder      Reason = 86 // at the exchange: the ClOrdID was used today
	NotOwner            Reason = 87
)

// Reasons between machines.
const (
	ReportGap            Reason = 100 // a report came before the one in front of it
	ReportRepeated       Reason = 101 // a report that was applied already
	RulesInvalid         Reason = 102
	DayNotLater          Reason = 103
	CommandUnreadable    Reason = 104 // unknown version or kind, or a broken encoding
	VenueRefused         Reason = 105 // the exchange refused for a reason that we do not know
	VenueThrottled       Reason = 106
	ExpiredAtClose       Reason = 107
	CancelledByVenue     Reason = 108
	OrderLimitOfDay      Reason = 109 // no order numbers are left
	TypeRemainder        Reason = 110 // what an order type leaves is cancelled by rule
	ReportUnknownRequest Reason = 111
	ReportUntrue         Reason = 112 // a report that contradicts the books: its index is taken, nothing else
	TooManyPartitions    Reason = 113
)

// Unit is what the numbers of a refusal count.
type Unit uint8

// Units.
const (
	NoUnit Unit = iota
	Prices
	Shares
	Money
	Counts
)

// Unit tells what Given, Bound and Nearest of a refusal for this reason count.
func (r Reason) Unit() Unit {
	switch r {
	case PriceMissing, PriceNotAllowed, PriceNotOnTick, PriceAboveLimit, PriceBelowLimit, PriceOutsideCage,
		FixedPriceVoid:
		return Prices
	case QuantityNotPositive, QuantityBelowMinimum, QuantityNotInLots, OddLotNotWhole, QuantityAboveMaximum,
		InsufficientSellable, ReplaceBelowFilled, CannotFillWhole:
		return Shares
	case InsufficientCash, AmountNotPositive, NotWithdrawable, AmountOverflows:
		return Money
	case TooManyKeys, TooManySessions, TooManyAccounts, DocumentTooLarge, TooManyDocuments, ClientIDTooLong,
		TooManyOpenOrders, TooManySecurities, TooManyPartitions, ReportGap, ReportRepeated, DayNotLater:
		return Counts
	}
	return NoUnit
}

// Numbers go with a refusal: what was given, the bound that it broke, and the nearest value that would pass (0 when
// there is none). They count what the reason's Unit says.
type Numbers struct {
	Given, Bound, Nearest int64
}
