package szse

// Values of fields. Those marked [m] are from memory or from one page only; those marked [ours] are our
// own, where the public layouts have nothing for what the house needs. They stand here and nowhere else.

// Side values.
const (
	SideBuy  = '1' // [m]
	SideSell = '2' // [m]
)

// OrdType values.
const (
	OrdTypeMarket  = '1' // [m]
	OrdTypeLimit   = '2' // [m]
	OrdTypeOwnBest = 'U' // [m]
)

// TimeInForce values.
const (
	TimeInForceDay       = '0' // [m]
	TimeInForceImmediate = '3' // [m] what is not filled at once is cancelled
)

// MaxPriceLevels values.
const (
	LevelsAll  = 0 // [m]
	LevelsOne  = 1 // [m] the best opposite level
	LevelsFive = 5 // [m] the five best
)

// ApplID values.
const (
	ApplAuction    = "010" // spot auction
	ApplFixedPrice = "370" // fixed price after hours [ours: in the auction's layout; the exchange has another]
)

// SecurityIDSource values.
const (
	SourceSSE  = "101" // [m]
	SourceSZSE = "102"
	SourceBSE  = "113" // [ours]
)

// CashMarginCash is the CashMargin of an order paid in full.
const CashMarginCash = '1' // [m]

// OwnerInvestor is the OwnerType of an investor.
const OwnerInvestor = 1 // [m]

// ExecType values.
const (
	ExecNew       = '0' // [m]
	ExecCancelled = '4' // [m]
	ExecRejected  = '8' // [m]
	ExecTrade     = 'F' // [m]
)

// OrdStatus values.
const (
	StatusNew          = '0' // [m]
	StatusPartlyFilled = '1' // [m]
	StatusFilled       = '2' // [m]
	StatusCancelled    = '4' // [m]
	StatusRejected     = '8' // [m]
)

// PlatformAuction is the PlatformID of the spot auction.
const PlatformAuction = 1

// PlatformState values.
const (
	PlatformNotOpen  = 0 // [m]
	PlatformOpenSoon = 1 // [m]
	PlatformOpen     = 2 // [m]
	PlatformPaused   = 3 // [m]
	PlatformClosed   = 4 // [m]
)

// SessionStatus values of a Logout.
const (
	LogoutDone            = 4 // [m] the session is over
	LogoutWrongPassword   = 5 // [m] unknown SenderCompID or wrong password: not told apart
	LogoutWrongTarget     = 6 // [ours]
	LogoutAlreadyOn       = 7 // [ours] the unit is logged on elsewhere
	LogoutProtocolError   = 8 // [ours] Text says what
	LogoutShuttingDown    = 9 // [ours]
	LogoutHeartbeatMissed = 10
)

// BusinessRejectReason values. OrdRejReason and CxlRejReason carry a trade.Reason as it is [ours].
const (
	RejectDuplicate       = 20001 // [ours] the ClOrdID was used today
	RejectUnknownSecurity = 20002 // [ours]
	RejectThrottled       = 20003 // [ours] more messages than the unit may send now: try again later
	RejectNotOpen         = 20004 // [ours] the platform takes nothing now: try again later
	RejectUnreadable      = 20005 // [ours] a field makes no sense
	RejectApplication     = 20006 // [ours] ApplID or message that this gateway does not serve
)

// MarketID values of TradingSessionStatus.
const (
	MarketSSE  = "XSHG" // [ours] ISO 10383
	MarketSZSE = "XSHE" // [ours] ISO 10383
	MarketBSE  = "BJSE" // [ours] ISO 10383
)

// TradingSessionID values.
const (
	SessionBeforeOpen        = "PRE" // [ours]
	SessionOpeningCall       = "OCA" // [ours]
	SessionOpeningCallLocked = "OCL" // [ours]
	SessionOpeningGap        = "GAP" // [ours]
	SessionContinuous        = "CON" // [ours]
	SessionLunch             = "LUN" // [ours]
	SessionClosingCall       = "CCA" // [ours]
	SessionFixedPriceEntry   = "FPE" // [ours]
	SessionFixedPriceTrading = "FPT" // [ours]
	SessionClosed            = "END" // [ours]
)

// TradSesStatus values.
const (
	SessionOpenStatus   = 2 // [m]
	SessionClosedStatus = 3 // [m]
)

// DefaultApplVer is the DefaultApplVerID of a Logon.
const DefaultApplVer = "1.00" // [m]
