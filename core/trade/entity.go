package trade

import "evenkeel/core/money"

// Limits of the language. A longer text is refused, never cut.
const (
	MaxClientID  = 128    // bytes of a client order id (Alpaca's limit)
	MaxLogin     = 64     // bytes of a login name
	MaxHash      = 256    // bytes of an encoded password hash
	MaxLabel     = 128    // bytes of a key's or session's label
	MaxKeyID     = 64     // bytes of an API key id
	MaxReference = 128    // bytes of a cash or share movement's reference
	MaxSymbol    = 16     // bytes of a symbol such as 600519.SH
	MaxName      = 64     // bytes of a security's name, UTF-8
	MaxPinyin    = 16     // bytes of a security's pinyin initials
	MaxDocument  = 16384  // bytes of one document of an account (watchlist, layout, settings)
	MaxDocName   = 64     // bytes of a document's name
	MaxRules     = 262144 // bytes of the rule file
)

// OrderStatus is where an order stands in its life.
type OrderStatus uint8

// Order statuses. Numbers never change.
const (
	NoStatus       OrderStatus = 0
	PendingNew     OrderStatus = 1 // in the outbox: sent, or to be sent, to the exchange
	Held           OrderStatus = 2 // waits at the broker until the exchange takes orders
	Working        OrderStatus = 3 // accepted at the exchange, nothing filled
	PartlyFilled   OrderStatus = 4
	CancelPending  OrderStatus = 5 // a cancel is in the outbox
	ReplacePending OrderStatus = 6 // a cancel is in the outbox, a new order follows it
	Filled         OrderStatus = 7
	Cancelled      OrderStatus = 8
	Rejected       OrderStatus = 9  // by the exchange, or by the ladder when a replacement takes its place
	Expired        OrderStatus = 10 // at the end of the day
	Replaced       OrderStatus = 11
	AwaitsCancel   OrderStatus = 12 // a replacement that waits for the old order's cancel
)

// Done reports whether the order can change no more.
func (s OrderStatus) Done() bool { return s >= Filled && s <= Replaced }

// Channel is how a command came in.
type Channel uint8

// Channels.
const (
	UnknownChannel Channel = 0
	REST           Channel = 1
	WebSocket      Channel = 2
	FIX            Channel = 3
	Web            Channel = 4
	Desk           Channel = 5
)

// Fees are what one order cost so far, by item; commission includes handling and supervision.
type Fees struct {
	Commission, StampDuty, Transfer money.Cash
}

// Total is the sum of the items; fees are bounded by amounts, so it does not overflow.
func (f Fees) Total() money.Cash { return f.Commission + f.StampDuty + f.Transfer }

// Order is an order of an investor as the broker's books know it. ClientID aliases memory of the giver: copy it to
// keep it.
type Order struct {
	ID              OrderID
	Account         AccountID
	Security        SecurityID
	Side            Side
	Type            OrderType
	Status          OrderStatus
	Channel         Channel
	Reason          Reason // why it was rejected, cancelled by rule, or expired
	Numbers         Numbers
	Price           money.Price // limit or protection price, 0 when there is none
	Quantity        money.Quantity
	Filled          money.Quantity
	Amount          money.Cash // sum of price x quantity of its fills
	FrozenCash      money.Cash
	FrozenShares    money.Quantity
	Fees            Fees // charged so far
	Replaces        OrderID
	ReplacedBy      OrderID
	Cancel          OrderID // the cancel request under way, 0 for none
	VenueOrder      [16]byte
	Placed, Updated Time
	AcceptedAt      Time // at the exchange, 0 before
	DoneAt          Time // 0 while it lives
	Day             Day
	ClientID        []byte
}

// Left is what is still to be filled.
func (o *Order) Left() money.Quantity { return o.Quantity - o.Filled }

// Balance is an account's cash. Cash in all is Available + Frozen.
type Balance struct {
	Available  money.Cash // free to buy with, today's sale proceeds included
	Frozen     money.Cash // for open orders
	Receivable money.Cash // net proceeds of today's sales, part of Available until spent: not withdrawable today
}

// Withdrawable is what may go to the bank today.
func (b Balance) Withdrawable() money.Cash { return max(0, b.Available-max(0, b.Receivable)) }

// Position is what an account has of one security.
type Position struct {
	Security SecurityID
	Total    money.Quantity
	Sellable money.Quantity // opening position less sold less frozen (T+0: bought today too)
	Frozen   money.Quantity // for open sell orders
	Bought   money.Quantity // today, not sellable before the next trading day
	Cost     money.Cash     // what the shares cost with fees, reduced in proportion when sold
}

// Security is one line of the broker's list. Texts alias memory of the giver.
type Security struct {
	ID            SecurityID
	Symbol        []byte // 600519.SH
	Name          []byte // UTF-8
	Pinyin        []byte // initials, lower case
	Venue         Venue
	Board         Board
	Condition     Condition
	TPlusZero     bool
	PreviousClose money.Price
	Listed        Day         // first trading day
	Day           Day         // the day for which PreviousClose and Condition hold
	UpperLimit    money.Price // 0: no limit that day (set by the state from the rules)
	LowerLimit    money.Price
}
