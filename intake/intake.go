// Package intake is the one door: every command of an investor, from whatever protocol, enters here.
//
// In front of all work that clients ask for stands a queue (Queue): the class of a request follows from its route
// before a body is read, a higher class goes first, and how many are worked on at once adapts to how long they take.
// Behind it a command is checked, in this order: may the principal give it, for this account; has the account budget
// left; is there room in the class; then it is encoded, handed to the log of the account's shard, and waits for the
// answer of the books.
// Units: those of core/trade. Invariants: everything that waits is counted, bounded and has a longest wait; full is
// refused at once, or after a wait that the class's limits bound, with a time to come back; a command that was handed
// to the log is either answered by the books or its outcome is said to be unknown (ErrUnknown), never guessed. It
// decides nothing about an order: the ladder of the books does, and its refusal is a value (trade.Answer.Reason).
//
// Source: RFC 6585 (429), RFC 9110 (Retry-After), ITU-T I.371 (the virtual scheduling form of the leaky bucket).
package intake

import (
	"errors"
	"fmt"
	"time"

	"evenkeel/core/trade"
)

// Class is the kind of work that a request is, as its route says before a body is read. Each has a line of its own in
// the queue, and a budget.
type Class uint8

// Classes, the last refused first. The zero class is the lowest.
const (
	Heavy  Class = iota // logins and passwords: work for the few workers that are kept for it
	Report              // statements, and what is older than the memory: also for those workers
	Manage              // settings, keys, sessions, cash, and everything else
	Quote               // market data
	Query               // questions about an account, answered from views
	Order               // new orders and replacements
	Cancel
	Inside // the house itself: how it is, and who operates it
	classes
)

// Classes are all classes, the first refused last.
func Classes() []Class { return []Class{Inside, Cancel, Order, Query, Quote, Manage, Report, Heavy} }

func (c Class) String() string {
	if c < classes {
		return [classes]string{"heavy", "report", "manage", "quote", "query", "order", "cancel", "inside"}[c]
	}
	return "unknown"
}

// Rate is a budget: so many a second on average, and so many at once.
type Rate struct {
	PerSecond int
	Burst     int
}

// Limits of the door. Zero members mean the default.
type Limits struct {
	// Budget of one account by class: Query and Quote 50/s, 200 at once; Manage, Report and Heavy 5/s, 30; Order
	// 50/s, 100; Cancel 200/s, 400. An account that trades by programme is told to stay under 300 orders and cancels a
	// second by the rules anyway.
	Budget [classes]Rate
	// InFlight bounds the requests of a class that are being worked on, over all accounts and whoever brings them:
	// Query and Quote 4,096, Manage, Report and Heavy 512, Order 8,192, Cancel 16,384. The queue's limits are far below.
	InFlight [classes]int
	Queue    QueueLimits   // the line in front of the work, and how much is worked on at once
	Smooth   time.Duration // 1 s: the longest that an order or cancel waits for budget or room instead of being refused
	Answer   time.Duration // 10 s: the longest that a command waits for its answer
	Accounts int           // 131,072: accounts whose budget is remembered; a forgotten one starts anew
	Keys     int           // 65,536: idempotency keys remembered
	KeyLife  time.Duration // 24 h: how long
}

func (l Limits) withDefaults() Limits {
	rates := [classes]Rate{Query: {50, 200}, Quote: {50, 200}, Manage: {5, 30}, Report: {5, 30}, Heavy: {5, 30},
		Order: {50, 100}, Cancel: {200, 400}, Inside: {50, 200}}
	flight := [classes]int{Query: 4096, Quote: 4096, Manage: 512, Report: 512, Heavy: 512, Order: 8192,
		Cancel: 16384, Inside: 64}
	for c := range classes {
		if l.Budget[c].PerSecond <= 0 || l.Budget[c].Burst <= 0 {
			l.Budget[c] = rates[c]
		}
		set(&l.InFlight[c], flight[c])
	}
	l.Queue = l.Queue.withDefaults()
	set(&l.Smooth, time.Second)
	set(&l.Answer, 10*time.Second)
	set(&l.Accounts, 131_072)
	set(&l.Keys, 65_536)
	set(&l.KeyLife, 24*time.Hour)
	return l
}

func set[T int | time.Duration](v *T, otherwise T) {
	if *v <= 0 {
		*v = otherwise
	}
}

// Errors of the door. Nothing happened, except for ErrUnknown.
var (
	// ErrNotPermitted: the principal lacks the permission.
	ErrNotPermitted = errors.New("not permitted")
	// ErrBoardNotAllowed: the principal may trade, and not on the board of the order.
	ErrBoardNotAllowed = errors.New("not permitted to trade on this board")
	// ErrReadOnly: staff let nobody place orders or move cash now.
	ErrReadOnly = errors.New("the house is read-only")
	// ErrNotOwner: the command is for an account of somebody else.
	ErrNotOwner = errors.New("not the owner of the account")
	// ErrUnknown: the command may have been carried out, or may still be. Asking the books (by client order id) tells.
	ErrUnknown = errors.New("outcome unknown")
	// ErrHidden: the books have carried the command out, their answer is given, and the views of this node have not
	// come that far.
	ErrHidden = errors.New("carried out, and not to be seen here yet")
	// ErrUnavailable: the books cannot take commands now.
	ErrUnavailable = errors.New("the books take no commands now")
	// ErrKeyReused: the idempotency key came before with another body.
	ErrKeyReused = errors.New("the idempotency key was used with another body")
	// ErrKeyTooLong: an idempotency key has at most MaxKey bytes.
	ErrKeyTooLong = fmt.Errorf("an idempotency key has at most %d bytes", MaxKey)
	// ErrTooLong: a text of the command is above its limit.
	ErrTooLong = trade.ErrTooLong
)

// Shortage is what there was too little of.
type Shortage uint8

// Shortages.
const (
	NoBudget Shortage = iota // the account asked too often
	NoRoom                   // the house is full
)

// BusyError refuses now, and says when to come back.
type BusyError struct {
	Class Class
	Short Shortage
	After time.Duration
}

func (e *BusyError) Error() string {
	if e.Short == NoBudget {
		return fmt.Sprintf("too many requests of class %v: come back in %v", e.Class, e.After)
	}
	return fmt.Sprintf("no room for requests of class %v: come back in %v", e.Class, e.After)
}
