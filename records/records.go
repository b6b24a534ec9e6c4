// Package records answers questions about the past: orders, fills, cash, activities, equity, and the accounts' event
// streams. The trading day lives in memory (Day, Listing), folded from the events of the broker's books; everything
// older lives in SQL (History), which follows behind and may be down without anybody's orders noticing.
//
// Units: those of core/trade. Invariants: a view holds exactly what the events up to its log index say; an account's
// event numbers have no gap; an answer is given after the event was folded, so who has just been answered reads his
// own write. It never asks the core, never changes anything in it, and never makes the fold wait for a reader: a
// lock is held only while one account's rows are copied.
package records

import (
	"errors"

	"evenkeel/core/trade"
)

// Limits of the views.
const (
	// KeptDays is how many trading days the memory holds: today and the day that the books had before. An order that
	// can still change is kept whatever its day.
	KeptDays = 2
	// MaxRows is how many rows one question may be answered with; callers page.
	MaxRows = 1000
	// TailBytes bounds the encoded events that wait in memory for SQL; a writer that falls further behind is fed from
	// the log again.
	TailBytes = 64 << 20
	// MaxWatchers bounds the readers of one account's stream.
	MaxWatchers = 64
)

// Errors of questions.
var (
	// ErrForgotten says that the rows asked for are older than the memory: ask the History.
	ErrForgotten = errors.New("older than the records in memory")
	// ErrTooManyWatchers refuses one more reader of an account.
	ErrTooManyWatchers = errors.New("too many readers of this account's stream")
)

// Direction of a list in time.
type Direction uint8

// Directions.
const (
	NewestFirst Direction = iota
	OldestFirst
)

// OrderFilter chooses orders of one account. Zero members choose everything.
type OrderFilter struct {
	Open, Closed bool       // neither or both: all
	After, Until trade.Time // exclusive bounds of Placed
	Securities   []trade.SecurityID
	Side         trade.Side
	BeforeID     trade.OrderID // cursors, exclusive
	AfterID      trade.OrderID
	Direction    Direction
	Limit        int // 0 or above MaxRows: MaxRows
}

func (f *OrderFilter) limit() int {
	if f.Limit <= 0 || f.Limit > MaxRows {
		return MaxRows
	}
	return f.Limit
}

// chosen reports whether an order is among those asked for; the cursors are looked after elsewhere.
func (f *OrderFilter) chosen(o *trade.Order) bool {
	if f.Open != f.Closed && f.Open == o.Status.Done() {
		return false
	}
	if f.After != 0 && o.Placed <= f.After || f.Until != 0 && o.Placed >= f.Until {
		return false
	}
	if f.Side != 0 && o.Side != f.Side {
		return false
	}
	if len(f.Securities) == 0 {
		return true
	}
	for _, s := range f.Securities {
		if s == o.Security {
			return true
		}
	}
	return false
}

// EventFilter chooses events of one account's stream by place, kind and time. Zero members choose everything.
type EventFilter struct {
	After, Before uint64     // exclusive bounds of Number
	From, Until   trade.Time // From inclusive, Until exclusive
	Kinds         []trade.EventKind
	Direction     Direction
	Limit         int
}

func (f *EventFilter) limit() int {
	if f.Limit <= 0 || f.Limit > MaxRows {
		return MaxRows
	}
	return f.Limit
}

func (f *EventFilter) chooses(e *trade.Event) bool {
	if e.Number <= f.After || f.Before != 0 && e.Number >= f.Before {
		return false
	}
	if e.Time < f.From || f.Until != 0 && e.Time >= f.Until {
		return false
	}
	if len(f.Kinds) == 0 {
		return true
	}
	for _, k := range f.Kinds {
		if k == e.Kind {
			return true
		}
	}
	return false
}
