package trade

import "evenkeel/core/money"

// CommandKind selects the member of a Command that holds.
type CommandKind uint8

// Command kinds. Numbers are written to the log: they never change and are never used twice.
const (
	NoCommand        CommandKind = 0
	OpenAccountKind  CommandKind = 1
	SetPasswordKind  CommandKind = 2
	AddKeyKind       CommandKind = 3
	RevokeKeyKind    CommandKind = 4
	OpenSessionKind  CommandKind = 5
	CloseSessionKind CommandKind = 6
	SetSettingsKind  CommandKind = 7
	MoveCashKind     CommandKind = 8
	MoveSharesKind   CommandKind = 9
	PlaceOrderKind   CommandKind = 10
	CancelOrderKind  CommandKind = 11
	ReplaceOrderKind CommandKind = 12
	PutDocumentKind  CommandKind = 13
	AdoptRulesKind   CommandKind = 20
	ListSecurityKind CommandKind = 21
	SetPhaseKind     CommandKind = 22
	HaltSecurityKind CommandKind = 23
	ReportKind       CommandKind = 24
	StartDayKind     CommandKind = 25
	EndDayKind       CommandKind = 26
)

// Command is one wish to change the books. Kind says which member holds; the others are stale and mean nothing, so
// that one Command can be decoded into again and again without allocating. Byte slices alias the log entry: they are
// valid until Apply returns.
type Command struct {
	Kind         CommandKind
	OpenAccount  OpenAccount
	SetPassword  SetPassword
	AddKey       AddKey
	RevokeKey    RevokeKey
	OpenSession  OpenSession
	CloseSession CloseSession
	SetSettings  SetSettings
	MoveCash     MoveCash
	MoveShares   MoveShares
	PlaceOrder   PlaceOrder
	CancelOrder  CancelOrder
	ReplaceOrder ReplaceOrder
	PutDocument  PutDocument
	AdoptRules   AdoptRules
	ListSecurity ListSecurity
	SetPhase     SetPhase
	HaltSecurity HaltSecurity
	Report       Report
	StartDay     StartDay
	EndDay       EndDay
}

// Permissions of an account or a key, as bits.
type Permissions uint32

// Permission bits. A key has at most its account's.
const (
	MayTrade      Permissions = 1 << 0 // main boards and funds
	MaySTAR       Permissions = 1 << 1 // needs suitability
	MayChiNext    Permissions = 1 << 2
	MayBSE        Permissions = 1 << 3
	MayRead       Permissions = 1 << 4
	MayMoveCash   Permissions = 1 << 5
	MayOperate    Permissions = 1 << 6 // staff
	EveryBoard                = MayTrade | MaySTAR | MayChiNext | MayBSE
	MayEverything             = EveryBoard | MayRead | MayMoveCash
)

// OpenAccount makes an account; its number is the answer's Account. Refused: LoginTaken, LoginInvalid,
// TooManyAccounts.
type OpenAccount struct {
	Login        []byte
	PasswordHash []byte // encoded argon2id; empty: no password login
	Permissions  Permissions
	Commission   money.Rate // inclusive of handling and supervision
}

// SetPassword replaces an account's password hash.
type SetPassword struct {
	Account      AccountID
	PasswordHash []byte
}

// AddKey gives an account an API key. The secret is random and long, so its SHA-256 is enough.
type AddKey struct {
	Account     AccountID
	KeyID       []byte
	SecretHash  [32]byte
	Permissions Permissions
	Label       []byte
}

// RevokeKey takes a key away.
type RevokeKey struct {
	Account AccountID
	KeyID   []byte
}

// OpenSession remembers the SHA-256 of an opaque token. A session past Expires is closed by the next command of the
// account that needs room.
type OpenSession struct {
	Account   AccountID
	TokenHash [32]byte
	Expires   Time
	Label     []byte // device
}

// CloseSession forgets a session.
type CloseSession struct {
	Account   AccountID
	TokenHash [32]byte
}

// Settings of an account that its owner may change.
type Settings struct {
	SuspendTrading bool
	ConfirmByMail  bool
}

// SetSettings replaces an account's settings.
type SetSettings struct {
	Account  AccountID
	Settings Settings
}

// MoveCash deposits (Amount > 0) or withdraws (Amount < 0). Reference is unique per account and day: a second movement
// with the same reference is answered like the first and moves nothing.
type MoveCash struct {
	Account   AccountID
	Amount    money.Cash
	Reference []byte
}

// MoveShares brings shares in from custody (Quantity > 0) at a cost, sellable at once, or out of it (Quantity < 0).
type MoveShares struct {
	Account   AccountID
	Security  SecurityID
	Quantity  money.Quantity
	Cost      money.Cash
	Reference []byte
}

// PlaceOrder places an order. ClientID is unique per account and day: the same ClientID with the same order is
// answered as the first time (Answer.Replayed), with another order it is refused (ClientIDUsed).
type PlaceOrder struct {
	Account  AccountID
	Security SecurityID
	Side     Side
	Type     OrderType
	Channel  Channel
	Price    money.Price // 0: none
	Quantity money.Quantity
	ClientID []byte // never empty: the edge makes one where the client gave none
}

// CancelOrder asks for an order's cancel.
type CancelOrder struct {
	Account AccountID
	Order   OrderID
	Channel Channel
}

// ReplaceOrder cancels an order and, once that is certain, places a new one with what the old one has left: Quantity
// is the whole order's new quantity, fills of the old one included. Quantity 0 and Price 0 keep the old values.
type ReplaceOrder struct {
	Account  AccountID
	Order    OrderID
	Channel  Channel
	Price    money.Price
	Quantity money.Quantity
	ClientID []byte
}

// PutDocument keeps a small text of the account (a watchlist, a layout); an empty Body removes it.
type PutDocument struct {
	Account AccountID
	Name    []byte
	Body    []byte
}

// AdoptRules replaces the rule file. Refused: RulesInvalid.
type AdoptRules struct{ Text []byte }

// ListSecurity adds a security to the list, or says what holds for it on a day. Its ID is made by the state.
type ListSecurity struct{ Security Security }

// SetPhase is the exchange's word about a venue's phase.
type SetPhase struct {
	Venue Venue
	Phase Phase
	Day   Day
}

// HaltSecurity halts a security at the broker, or ends that.
type HaltSecurity struct {
	Security SecurityID
	Halted   bool
}

// ReportType is what a report of the exchange says.
type ReportType uint8

// Report types. Numbers never change.
const (
	OrderAcceptedReport  ReportType = 1
	OrderRejectedReport  ReportType = 2
	TradeReport          ReportType = 3
	OrderCancelledReport ReportType = 4
	CancelRejectedReport ReportType = 5
	// RefusedReport is a business reject: it has no index, and holds only while the request is unconfirmed.
	RefusedReport ReportType = 6
)

// Report is the exchange's word about one request. Partition and Index say its place; a report is applied once, in
// order, per partition: a gap is refused (ReportGap), a repetition is answered ReportRepeated and changes nothing.
type Report struct {
	Type       ReportType
	Partition  uint32
	Index      uint64         // from 1, gapless per partition, never restarted; 0 for RefusedReport
	Request    OrderID        // the ClOrdID that the report is about
	Order      OrderID        // the order that a cancel was for (OrigClOrdID); else the same as Request
	VenueOrder [16]byte       // OrderID of the exchange
	Execution  [16]byte       // ExecID
	Price      money.Price    // LastPx
	Quantity   money.Quantity // LastQty; for OrderCancelledReport the quantity cancelled
	Reason     Reason
	Numbers    Numbers
	Time       Time // of the exchange
}

// StartDay begins a trading day: what is open from the day before expires, sale proceeds become withdrawable, bought
// shares sellable, client order ids free. Refused: DayNotLater.
type StartDay struct{ Day Day }

// EndDay ends the trading day: what is still open expires. It is proposed when every report of the day was applied.
type EndDay struct{ Day Day }

// Answer is what came of a command. Where Reason is not Accepted nothing was changed.
type Answer struct {
	Reason   Reason
	Replayed bool // the command came before, and this is its first answer
	Status   OrderStatus
	Account  AccountID
	Order    OrderID
	Security SecurityID
	Number   uint64 // the account's event number after the command
	Numbers  Numbers
}
