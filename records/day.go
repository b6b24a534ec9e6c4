package records

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"

	"evenkeel/core/must"
	"evenkeel/core/trade"
)

// shardCount spreads the accounts over locks, so that a reader of one account does not stand in the way of the rest.
const shardCount = 256

// Day is the view of the accounts in memory: what each has now, its orders and its events of today and the trading day
// before. One goroutine folds; any number ask.
type Day struct {
	today  atomic.Int32
	index  atomic.Uint64
	shards [shardCount]shard
	tail   *Tail
	buffer []byte // of the folding goroutine
}

type shard struct {
	mu       sync.RWMutex
	accounts map[trade.AccountID]*account
}

// account is what the memory holds of one account. Orders and events are made when the first comes: most accounts are
// quiet on most days.
type account struct {
	balance   trade.Balance
	equity    equityPoint      // at the last start of a day
	positions []trade.Position // by security
	orders    map[trade.OrderID]*trade.Order
	sequence  []*trade.Order           // by ID
	clients   map[string]trade.OrderID // of the orders of the latest day
	clientDay trade.Day
	events    stream
	watchers  []chan struct{}
}

type equityPoint struct {
	Day    trade.Day
	Equity int64
}

// NewDay returns an empty view. tail receives every numbered event in order; nil when nobody keeps history.
func NewDay(tail *Tail) *Day {
	d := &Day{tail: tail}
	for i := range d.shards {
		d.shards[i].accounts = map[trade.AccountID]*account{}
	}
	return d
}

// Index is the log index of the last entry that was folded.
func (d *Day) Index() uint64 { return d.index.Load() }

// Today is the trading day of the books, 0 before the first.
func (d *Day) Today() trade.Day { return trade.Day(d.today.Load()) }

func (d *Day) shard(id trade.AccountID) *shard { return &d.shards[uint64(id)%shardCount] }

// Fold takes what one entry of the log left behind. Only one goroutine may fold.
func (d *Day) Fold(index uint64, events []trade.Event) {
	for i := range events {
		d.fold(&events[i], true)
	}
	d.index.Store(index)
	if d.tail != nil {
		d.tail.commit(index)
	}
}

// Describe takes an event that describes the books as they are (broker.State.Describe): it is kept nowhere but in the
// state that it tells.
func (d *Day) Describe(e *trade.Event) { d.fold(e, false) }

func (d *Day) fold(e *trade.Event, record bool) {
	if e.Kind == trade.DayStarted {
		d.today.Store(int32(e.Day))
	}
	if e.Account == 0 || e.Kind > trade.AccountOpened {
		return
	}
	s := d.shard(e.Account)
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.accounts[e.Account]
	if a == nil {
		a = &account{}
		s.accounts[e.Account] = a
	}
	a.take(e)
	if !record || e.Number == 0 {
		return
	}
	d.buffer = encode(d.buffer[:0], e)
	a.events.add(e, d.buffer)
	if d.tail != nil {
		d.tail.add(d.buffer)
	}
	for _, w := range a.watchers {
		select {
		case w <- struct{}{}:
		default: // it has been told already and has not looked yet
		}
	}
}

// take applies what an event left behind to the account's rows.
func (a *account) take(e *trade.Event) {
	switch {
	case e.Kind.OfOrder():
		a.takeOrder(&e.Order, e.Day)
		a.balance = e.Balance
		a.setPosition(e.Position)
	case e.Kind == trade.CashMoved || e.Kind == trade.AccountOpened:
		a.balance = e.Balance
	case e.Kind == trade.SharesMoved:
		a.balance = e.Balance
		a.setPosition(e.Position)
	case e.Kind == trade.AccountDay:
		a.balance = e.Balance
		a.equity = equityPoint{Day: e.Day, Equity: int64(e.Equity)}
	case e.Kind == trade.PositionDay:
		a.setPosition(e.Position)
	}
}

func (a *account) takeOrder(o *trade.Order, today trade.Day) {
	if a.orders == nil {
		a.orders = map[trade.OrderID]*trade.Order{}
	}
	if today > a.clientDay {
		a.clientDay, a.clients = today, map[string]trade.OrderID{}
		a.forgetOrders()
	}
	row := a.orders[o.ID]
	if row == nil {
		row = &trade.Order{ClientID: slices.Clone(o.ClientID)}
		a.orders[o.ID] = row
		at, _ := slices.BinarySearchFunc(a.sequence, o.ID, func(r *trade.Order, id trade.OrderID) int {
			if r.ID < id {
				return -1
			} else if r.ID > id {
				return 1
			}
			return 0
		})
		a.sequence = slices.Insert(a.sequence, at, row)
		if o.Day == a.clientDay && len(o.ClientID) > 0 {
			a.clients[string(o.ClientID)] = o.ID
		}
	}
	client := row.ClientID
	*row = *o
	row.ClientID = client
}

// forgetOrders drops finished orders that are older than KeptDays. The days are those on which the account was active.
func (a *account) forgetOrders() {
	var days []trade.Day
	for i := len(a.sequence) - 1; i >= 0 && len(days) < KeptDays; i-- {
		if n := len(days); n == 0 || days[n-1] != a.sequence[i].Day {
			days = append(days, a.sequence[i].Day)
		}
	}
	if len(days) < KeptDays-1 || len(days) == 0 {
		return
	}
	oldest := days[min(len(days), KeptDays-1)-1]
	a.sequence = slices.DeleteFunc(a.sequence, func(o *trade.Order) bool {
		if o.Day < oldest && o.Status.Done() {
			delete(a.orders, o.ID)
			return true
		}
		return false
	})
}

func (a *account) setPosition(p trade.Position) {
	if p.Security == 0 {
		return
	}
	at, found := slices.BinarySearchFunc(a.positions, p.Security, func(r trade.Position, id trade.SecurityID) int {
		return int(int64(r.Security) - int64(id))
	})
	switch {
	case found && p.Total == 0 && p.Frozen == 0:
		a.positions = slices.Delete(a.positions, at, at+1)
	case found:
		a.positions[at] = p
	case p.Total != 0:
		a.positions = slices.Insert(a.positions, at, p)
	}
}

// read runs ask with the account's rows, and reports whether the account is known.
func (d *Day) read(id trade.AccountID, ask func(*account)) bool {
	s := d.shard(id)
	s.mu.RLock()
	defer s.mu.RUnlock()
	a := s.accounts[id]
	if a == nil {
		return false
	}
	ask(a)
	return true
}

// Balance returns an account's cash, and false for an unknown account.
func (d *Day) Balance(id trade.AccountID) (b trade.Balance, ok bool) {
	ok = d.read(id, func(a *account) { b = a.balance })
	return b, ok
}

// Standing is an account's cash, positions and event number at one moment.
type Standing struct {
	Balance   trade.Balance
	Positions []trade.Position // by security
	Number    uint64           // of the account's last event
	// EquityDay and Equity say what the account was worth when that day began; 0 when it held nothing.
	EquityDay trade.Day
	Equity    int64
}

// Standing returns what an account has, all of one moment, and false for an unknown account.
func (d *Day) Standing(id trade.AccountID) (s Standing, ok bool) {
	ok = d.read(id, func(a *account) {
		s = Standing{Balance: a.balance, Positions: slices.Clone(a.positions), Number: a.events.last(),
			EquityDay: a.equity.Day, Equity: a.equity.Equity}
	})
	return s, ok
}

// Position returns one position, and false when there is none.
func (d *Day) Position(id trade.AccountID, security trade.SecurityID) (p trade.Position, ok bool) {
	d.read(id, func(a *account) {
		for i := range a.positions {
			if a.positions[i].Security == security {
				p, ok = a.positions[i], true
			}
		}
	})
	return p, ok
}

// Order returns an account's order of the days in memory. Its ClientID must not be changed.
func (d *Day) Order(id trade.AccountID, order trade.OrderID) (o trade.Order, ok bool) {
	d.read(id, func(a *account) {
		if row := a.orders[order]; row != nil {
			o, ok = *row, true
		}
	})
	return o, ok
}

// OrderByClientID returns the order of the account's latest day that was placed under a client order id.
func (d *Day) OrderByClientID(id trade.AccountID, client string) (o trade.Order, ok bool) {
	d.read(id, func(a *account) {
		if row := a.orders[a.clients[client]]; row != nil {
			o, ok = *row, true
		}
	})
	return o, ok
}

// Orders returns the orders in memory that a filter chooses.
func (d *Day) Orders(id trade.AccountID, f OrderFilter) (rows []trade.Order) {
	d.read(id, func(a *account) {
		for i := range a.sequence {
			o := a.sequence[i]
			if f.Direction == NewestFirst {
				o = a.sequence[len(a.sequence)-1-i]
			}
			if f.chooses(o) {
				rows = append(rows, *o)
			}
			if len(rows) == f.limit() {
				return
			}
		}
	})
	return rows
}

// Events returns the events in memory that a filter chooses. ErrForgotten when OldestFirst asks for events that the
// memory no longer has; NewestFirst returns what there is.
func (d *Day) Events(id trade.AccountID, f EventFilter) (rows []trade.Event, err error) {
	d.read(id, func(a *account) {
		if f.Direction == OldestFirst && f.After+1 < a.events.first && f.From < a.events.firstTime {
			err = fmt.Errorf("events after %d of account %d: %w", f.After, id, ErrForgotten)
			return
		}
		rows = a.events.read(&f)
	})
	return rows, err
}

// LastNumber is the number of the account's last event, 0 when there was none in memory.
func (d *Day) LastNumber(id trade.AccountID) (n uint64) {
	d.read(id, func(a *account) { n = a.events.last() })
	return n
}

// FirstNumber is the number of the oldest event in memory, 0 when there is none.
func (d *Day) FirstNumber(id trade.AccountID) (n uint64) {
	d.read(id, func(a *account) { n = a.events.first })
	return n
}

// Watch returns a channel that receives a value when the account has events that its reader has not seen; the reader
// then asks Events from the number it holds. stop must be called once.
func (d *Day) Watch(id trade.AccountID) (news <-chan struct{}, stop func(), err error) {
	s := d.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.accounts[id]
	if a == nil {
		a = &account{}
		s.accounts[id] = a
	}
	if len(a.watchers) >= MaxWatchers {
		return nil, nil, fmt.Errorf("account %d has %d: %w", id, MaxWatchers, ErrTooManyWatchers)
	}
	c := make(chan struct{}, 1)
	a.watchers = append(a.watchers, c)
	return c, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		a.watchers = slices.DeleteFunc(a.watchers, func(w chan struct{}) bool { return w == c })
	}, nil
}

// Snapshot writes the events in memory, account by account; the rest of the view is described by the books. The
// caller keeps the view still meanwhile.
func (d *Day) Snapshot(w io.Writer) error {
	var head [20]byte
	for i := range d.shards {
		ids := make([]trade.AccountID, 0, len(d.shards[i].accounts))
		for id, a := range d.shards[i].accounts {
			if len(a.events.bytes) > 0 {
				ids = append(ids, id)
			}
		}
		slices.Sort(ids) // equal views write equal bytes
		for _, id := range ids {
			b := d.shards[i].accounts[id].events.bytes
			binary.LittleEndian.PutUint64(head[:], uint64(id))
			binary.LittleEndian.PutUint64(head[8:], uint64(len(b)))
			if _, err := w.Write(head[:16]); err != nil {
				return fmt.Errorf("write the day's events: %w", err)
			}
			if _, err := w.Write(b); err != nil {
				return fmt.Errorf("write the day's events: %w", err)
			}
		}
	}
	clear(head[:])
	if _, err := w.Write(head[:16]); err != nil {
		return fmt.Errorf("write the day's events: %w", err)
	}
	return nil
}

// maxAccountEvents bounds what a snapshot may claim for one account, so that a broken one cannot exhaust the memory.
const maxAccountEvents = 1 << 32

// Restore reads what Snapshot wrote into an empty view; Describe must follow, so that the books have the last word.
func (d *Day) Restore(r io.Reader) error {
	var head [16]byte
	for {
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return fmt.Errorf("read the day's events: %w", err)
		}
		id := trade.AccountID(binary.LittleEndian.Uint64(head[:]))
		size := binary.LittleEndian.Uint64(head[8:])
		if id == 0 {
			return nil
		}
		if size > maxAccountEvents {
			return fmt.Errorf("read the day's events: account %d claims %d bytes: %w", id, size, trade.ErrUnreadable)
		}
		b, err := io.ReadAll(io.LimitReader(r, int64(size)))
		if err != nil || uint64(len(b)) != size {
			return fmt.Errorf("read the day's events of account %d: %d of %d bytes: %w", id, len(b), size, io.ErrUnexpectedEOF)
		}
		a := &account{}
		var e trade.Event
		if err := frames(b, func(frame []byte) error {
			if err := trade.DecodeEvent(frame, &e); err != nil {
				return err
			}
			a.take(&e)
			a.events.add(&e, frame)
			return nil
		}); err != nil {
			return fmt.Errorf("read the day's events of account %d: %w", id, err)
		}
		d.shard(id).accounts[id] = a
	}
}

// Reset forgets everything but the readers: the books are about to be described anew.
func (d *Day) Reset() {
	for i := range d.shards {
		s := &d.shards[i]
		s.mu.Lock()
		for id, a := range s.accounts {
			if len(a.watchers) == 0 {
				delete(s.accounts, id)
				continue
			}
			*a = account{watchers: a.watchers}
		}
		s.mu.Unlock()
	}
	d.today.Store(0)
	d.index.Store(0)
}

func encode(dst []byte, e *trade.Event) []byte {
	b, err := trade.AppendEvent(dst, e)
	must.Hold(err == nil, "an event of the books can be encoded")
	return b
}
