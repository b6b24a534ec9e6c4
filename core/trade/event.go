package trade

import "evenkeel/core/money"

// EventKind says what happened, and which members of an Event hold.
type EventKind uint8

// Event kinds. Numbers are kept in histories: they never change and are never used twice.
const (
	NoEvent EventKind = 0

	// The account's stream: each has a Number, Order, Balance, and Position after the event.
	OrderPlaced      EventKind = 1 // PendingNew or Held or AwaitsCancel
	OrderReleased    EventKind = 2 // a held order went to the outbox
	OrderAccepted    EventKind = 3 // by the exchange
	OrderTraded      EventKind = 4 // Trade holds too
	CancelRequested  EventKind = 5
	OrderCancelled   EventKind = 6
	OrderRejected    EventKind = 7
	OrderExpired     EventKind = 8
	CancelRefused    EventKind = 9 // the order lives on; Order.Reason says why
	ReplaceRequested EventKind = 10
	OrderReplaced    EventKind = 11 // the old order; Order.ReplacedBy is the new one
	ReplaceRefused   EventKind = 12

	// The account's stream, without an order.
	CashMoved   EventKind = 20 // Cash, Balance
	SharesMoved EventKind = 21 // Shares, Position, Balance
	AccountDay  EventKind = 22 // a new day for an account with positions or receivables: Balance, Day, Equity
	PositionDay EventKind = 23 // a new day for one position: Position, Day

	// About the account, without a Number: not part of its stream.
	AccountOpened   EventKind = 30 // Account: Credential.Login, PasswordHash, Permissions, Commission; Balance
	PasswordSet     EventKind = 31
	KeyAdded        EventKind = 32
	KeyRevoked      EventKind = 33
	SessionOpened   EventKind = 34
	SessionClosed   EventKind = 35
	SettingsChanged EventKind = 36
	DocumentPut     EventKind = 37

	// About the house: Account is 0.
	RulesAdopted   EventKind = 50
	SecurityListed EventKind = 51 // Security
	PhaseChanged   EventKind = 52 // Phase
	SecurityHalt   EventKind = 53 // Security.ID, Halted
	DayStarted     EventKind = 54 // Day
	DayEnded       EventKind = 55 // Day
	ReportTaken    EventKind = 56 // Report: partition and index were applied
)

// Numbered reports whether events of the kind are part of an account's stream.
func (k EventKind) Numbered() bool { return k >= OrderPlaced && k <= PositionDay }

// OfOrder reports whether the event's Order holds.
func (k EventKind) OfOrder() bool { return k >= OrderPlaced && k <= ReplaceRefused }

// Event is something that happened, with what it left behind: a view that keeps the last Order, Balance and Position
// it saw is right without computing anything. Byte slices alias the giver's memory until Apply returns.
type Event struct {
	Kind       EventKind
	Time       Time
	Account    AccountID
	Number     uint64 // of the account's stream, from 1, gapless
	Day        Day    // the trading day at the time
	Order      Order
	Trade      Trade
	Balance    Balance
	Position   Position
	Cash       CashMovement
	Shares     ShareMovement
	Equity     money.Cash // AccountDay: cash and positions at the previous close
	Credential Credential
	Settings   Settings
	Document   Document
	Security   Security
	Halted     bool
	Phase      SetPhase
	Report     ReportPlace
}

// Trade is one fill.
type Trade struct {
	Execution [16]byte
	Price     money.Price
	Quantity  money.Quantity
	Amount    money.Cash // price x quantity
	Fees      Fees       // charged with this fill
}

// CashMovement is a deposit (Amount > 0) or a withdrawal.
type CashMovement struct {
	Amount    money.Cash
	Reference []byte
}

// ShareMovement brings shares in (Quantity > 0) or out.
type ShareMovement struct {
	Quantity  money.Quantity
	Cost      money.Cash
	Reference []byte
}

// Credential is what a door needs to know to recognise somebody. Hashes only, but still not for streams or history.
type Credential struct {
	Login        []byte
	PasswordHash []byte
	KeyID        []byte
	Label        []byte
	Hash         [32]byte // of an API secret or a session token
	Permissions  Permissions
	Commission   money.Rate
	Expires      Time
}

// Document is a small text of an account.
type Document struct {
	Name, Body []byte
}

// ReportPlace is the place of a report.
type ReportPlace struct {
	Partition uint32
	Index     uint64
}

// Outgoing is a request for the exchange: an order, or the cancel of one. It stays in the outbox until the exchange
// confirmed it, and is sent again, unchanged, whenever its fate is unknown.
type Outgoing struct {
	Request  OrderID // becomes the ClOrdID
	Order    OrderID // the order to cancel; for a new order the same as Request
	Cancel   bool
	Account  AccountID
	Security SecurityID
	Side     Side
	Type     OrderType
	Price    money.Price
	Quantity money.Quantity
	Day      Day
	Time     Time
}

// Output is what an Apply leaves for the rooms above. The caller owns it and resets it before each entry.
type Output struct {
	Events    []Event
	Outgoing  []Outgoing // new in the outbox, in order
	Confirmed []OrderID  // requests that left the outbox

	// Drain, where it is set, is called in the middle of a command that leaves very many events (the turn of a day),
	// whenever there are DrainAt of them. It takes what is there; the output is reset when it returns.
	Drain func(*Output)
}

// DrainAt is how many events an Output with a Drain holds at most, but for a few.
const DrainAt = 4096

// Reset empties the output and keeps its memory.
func (o *Output) Reset() {
	o.Events, o.Outgoing, o.Confirmed = o.Events[:0], o.Outgoing[:0], o.Confirmed[:0]
}
