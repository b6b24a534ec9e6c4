package records

import (
	"fmt"
	"slices"

	"evenkeel/core/planted"
	"evenkeel/core/trade"
)

// read runs ask with the account's rows, nil where it has none, and reports whether the account is known. It runs
// under a lock that the fold may wait for: ask copies a bounded number of rows and no more.
func (d *Day) read(id trade.AccountID, ask func(*account, *rows)) bool {
	s := d.shard(id)
	s.mu.RLock()
	defer s.mu.RUnlock()
	a := s.accounts[id]
	if a == nil {
		return false
	}
	r := a.rows
	if r == nil {
		r = &none
	}
	ask(a, r)
	return true
}

// none are the rows of an account that has none.
var none rows

// Balance returns an account's cash, and false for an unknown account.
func (d *Day) Balance(id trade.AccountID) (b trade.Balance, ok bool) {
	ok = d.read(id, func(a *account, _ *rows) { b = a.balance })
	return b, ok
}

// Standing is an account's cash, positions and event number at one moment.
type Standing struct {
	Balance   trade.Balance
	Positions []trade.Position // by security
	Number    uint64           // of the account's last event
	// EquityDay and Equity say what the account was worth when that day began, one of the KeptDays; 0 when it held
	// nothing on either.
	EquityDay trade.Day
	Equity    int64
}

// Standing returns what an account has, all of one moment, and false for an unknown account.
func (d *Day) Standing(id trade.AccountID) (s Standing, ok bool) {
	oldest := d.kept()
	ok = d.read(id, func(a *account, r *rows) {
		s = Standing{Balance: a.balance, Positions: slices.Clone(r.positions), Number: a.number}
		if r.equity.Day >= oldest {
			s.EquityDay, s.Equity = r.equity.Day, r.equity.Equity
		}
	})
	return s, ok
}

// Position returns one position, and false when there is none.
func (d *Day) Position(id trade.AccountID, security trade.SecurityID) (p trade.Position, ok bool) {
	d.read(id, func(_ *account, r *rows) {
		for i := range r.positions {
			if r.positions[i].Security == security {
				p, ok = r.positions[i], true
			}
		}
	})
	return p, ok
}

// Order returns an account's order of the days in memory. Its ClientID must not be changed.
func (d *Day) Order(id trade.AccountID, order trade.OrderID) (o trade.Order, ok bool) {
	oldest := d.kept()
	d.read(id, func(_ *account, r *rows) {
		if at, found := r.place(order); found && keptOrder(r.orders[at], oldest) {
			o, ok = *r.orders[at], true
		}
	})
	return o, ok
}

// OrderByClientID returns the newest order in memory that was placed under a client order id; its Day says of which
// day it is. Its ClientID must not be changed.
func (d *Day) OrderByClientID(id trade.AccountID, client string) (o trade.Order, ok bool) {
	if client == "" {
		return o, false
	}
	oldest := d.kept()
	d.read(id, func(_ *account, r *rows) {
		if row := r.placedAs(client, d.seed, oldest); row != nil {
			o, ok = *row, true
		}
	})
	return o, ok
}

// Orders returns the orders in memory that a filter chooses.
func (d *Day) Orders(id trade.AccountID, f OrderFilter) (found []trade.Order) {
	oldest := d.kept()
	for more := true; more; {
		more = false
		d.read(id, func(_ *account, r *rows) { found, more = r.chooseOrders(found, &f, oldest) })
	}
	return found
}

// chooseOrders looks at the next scanRows orders between the filter's cursors, moves the cursor that is in its way,
// and reports whether there is more to look at.
func (r *rows) chooseOrders(found []trade.Order, f *OrderFilter, oldest trade.Day) (_ []trade.Order, more bool) {
	from, until := 0, len(r.orders)
	if f.AfterID != 0 {
		at, exact := r.place(f.AfterID)
		if from = at; exact {
			from++
		}
	}
	if f.BeforeID != 0 {
		until, _ = r.place(f.BeforeID)
	}
	for range scanRows {
		if from >= until || len(found) >= f.limit() {
			return found, false
		}
		var o *trade.Order
		if f.Direction == NewestFirst {
			until--
			o = r.orders[until]
			f.BeforeID = o.ID
		} else {
			o = r.orders[from]
			from++
			f.AfterID = o.ID
		}
		if keptOrder(o, oldest) && f.chosen(o) {
			found = append(found, *o)
		}
	}
	return found, true
}

// Events returns the events in memory that a filter chooses. ErrForgotten when OldestFirst asks for events that the
// memory no longer has; NewestFirst returns what there is.
func (d *Day) Events(id trade.AccountID, f EventFilter) (found []trade.Event, err error) {
	if f.Direction == NewestFirst {
		return d.newestEvents(id, &f), nil
	}
	if planted.Is(planted.EventSkipped) && f.After%32 == 31 {
		f.After++
	}
	for first := true; len(found) < f.limit(); first = false {
		var c chunk
		var more, lost bool
		d.read(id, func(a *account, r *rows) {
			s := r.events.from(d.kept())
			c, more = s.since(f.After)
			lost = s.lacks(f.After, a.number) && (!first || !s.begins(f.From))
		})
		switch {
		case lost && len(found) == 0:
			return nil, fmt.Errorf("events after %d of account %d: %w", f.After, id, ErrForgotten)
		case lost || !more || f.Before != 0 && c.first >= f.Before || f.Until != 0 && c.firstTime >= f.Until:
			return found, nil
		}
		found = c.choose(found, &f)
		f.After = c.last() // the chunk may have grown since: what is new in it is still to come
	}
	return found, nil
}

func (d *Day) newestEvents(id trade.AccountID, f *EventFilter) (found []trade.Event) {
	before := f.Before
	for len(found) < f.limit() {
		var c chunk
		var more bool
		d.read(id, func(_ *account, r *rows) {
			s := r.events.from(d.kept())
			c, more = s.until(before)
		})
		if !more || c.last() <= f.After || c.lastTime < f.From {
			break
		}
		found = c.choose(found, f)
		before = c.first
	}
	return found
}

// Visit calls visit with the encoded events in memory, account by account, each account's in order, until visit
// returns an error. The fold goes on meanwhile. What visit is given is not changed, and may be kept.
func (d *Day) Visit(visit func(encoded []byte) error) error {
	for i := range d.shards {
		s := &d.shards[i]
		s.mu.RLock()
		var all []stream
		for _, a := range s.accounts {
			if a.rows != nil {
				all = append(all, stream{chunks: slices.Clone(a.rows.events.from(d.kept()).chunks)})
			}
		}
		s.mu.RUnlock()
		for _, one := range all {
			for _, c := range one.chunks {
				if err := frames(c.bytes, visit); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// LastNumber is the number of the account's last event, 0 when it never had one.
func (d *Day) LastNumber(id trade.AccountID) (n uint64) {
	d.read(id, func(a *account, _ *rows) { n = a.number })
	return n
}

// FirstNumber is the number of the oldest event in memory, 0 when there is none.
func (d *Day) FirstNumber(id trade.AccountID) (n uint64) {
	d.read(id, func(_ *account, r *rows) {
		s := r.events.from(d.kept())
		n = s.first()
	})
	return n
}

// Watch returns a channel that receives a value when the account has events that its reader has not seen; the reader
// then asks Events from the number it holds. The channel is never closed; stop ends it, and may be called again.
func (d *Day) Watch(id trade.AccountID) (news <-chan struct{}, stop func(), err error) {
	s := d.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.watchers[id]) >= MaxWatchers {
		return nil, nil, fmt.Errorf("account %d has %d: %w", id, MaxWatchers, ErrTooManyWatchers)
	}
	if s.watchers == nil {
		s.watchers = map[trade.AccountID][]chan struct{}{}
	}
	c := make(chan struct{}, 1)
	s.watchers[id] = append(s.watchers[id], c)
	return c, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		left := slices.DeleteFunc(s.watchers[id], func(w chan struct{}) bool { return w == c })
		if s.watchers[id] = left; len(left) == 0 {
			delete(s.watchers, id)
		}
	}, nil
}
