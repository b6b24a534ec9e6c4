package records

import (
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"

	"evenkeel/core/must"
	"evenkeel/core/planted"
	"evenkeel/core/trade"
)

const (
	// shardCount spreads the accounts over locks, so that a reader of one account does not stand in the way of the
	// rest.
	shardCount = 256
	// scanRows is how many orders are looked at under one hold of a lock: the fold waits for no more than that.
	scanRows = 256
	// fewOrders is how many orders of an account are looked at one by one for a client order id: most accounts never
	// have more, and need no map.
	fewOrders = 32
)

// Day is the view of the accounts in memory: what each has now, its orders and its events of the KeptDays. One
// goroutine folds; any number ask.
//
// What is older than the kept days is not answered from the moment that a day starts; its memory is given back bit by
// bit, one shard with each entry of the log.
type Day struct {
	today  atomic.Int32
	oldest atomic.Int32 // the first of the kept days; 0: all
	index  atomic.Uint64
	gone   atomic.Bool // retired
	shards [shardCount]shard
	seed   maphash.Seed

	// Of the folding goroutine.
	tail   *Tail
	swept  int // shards that have given back what is older than the kept days
	buffer []byte
}

type shard struct {
	mu       sync.RWMutex
	accounts map[trade.AccountID]*account
	stock    stock
	watchers map[trade.AccountID][]chan struct{}
}

// account is what the memory holds of one account. Most are quiet on most days and have no more than this: it is kept
// small, and the rest is made when something happens.
type account struct {
	balance trade.Balance
	number  uint64 // of its last event, which may be older than the kept days
	rows    *rows
}

// rows are what an account has of the kept days.
type rows struct {
	positions []trade.Position        // by security
	orders    []*trade.Order          // by ID
	clients   map[uint64]*trade.Order // by the hash of their client order id; nil: there are few, look at them all
	events    stream
	equity    equityPoint
}

// equityPoint is what an account was worth when a day began.
type equityPoint struct {
	Day    trade.Day
	Equity int64
}

func (r *rows) empty() bool {
	return len(r.positions) == 0 && len(r.orders) == 0 && len(r.events.chunks) == 0 && r.equity.Day == 0
}

// NewDay returns an empty view.
func NewDay() *Day {
	d := &Day{seed: maphash.MakeSeed(), swept: shardCount}
	for i := range d.shards {
		d.shards[i].accounts = map[trade.AccountID]*account{}
	}
	return d
}

// Feed gives every numbered event from now on to a tail, in order. It is called between two entries, by the folding
// goroutine, and returns the log index behind which the tail begins. A view that is fed before Restore, or before the
// log is replayed into it, has the more in its tail, and history the less to ask the log for.
func (d *Day) Feed(tail *Tail) (index uint64) {
	d.tail = tail
	tail.Begin(d.Index())
	return d.Index()
}

// Index is the log index of the last entry that was folded.
func (d *Day) Index() uint64 { return d.index.Load() }

// Today is the trading day of the books, 0 before the first.
func (d *Day) Today() trade.Day { return trade.Day(d.today.Load()) }

func (d *Day) kept() trade.Day { return trade.Day(d.oldest.Load()) }

func (d *Day) shard(id trade.AccountID) *shard { return &d.shards[uint64(id)%shardCount] }

// Fold takes what one command left behind. Only one goroutine may fold.
func (d *Day) Fold(events []trade.Event) {
	for i := range events {
		e := &events[i]
		if planted.Is(planted.DayNotCommitted) && e.Kind == trade.CashMoved && e.Number%8 == 0 {
			continue
		}
		if e.Kind == trade.DayStarted {
			d.turn(e.Day)
		}
		if e.Account == 0 || e.Kind > trade.AccountOpened {
			continue
		}
		if !e.Kind.Numbered() {
			d.take(e, nil)
			continue
		}
		d.buffer = encode(d.buffer[:0], e)
		d.take(e, d.buffer)
		if d.tail != nil {
			d.tail.add(d.buffer)
		}
	}
}

// Commit says that everything of a log entry was folded.
func (d *Day) Commit(index uint64) {
	d.index.Store(index)
	if d.tail != nil {
		d.tail.commit(index)
	}
	if d.swept < shardCount {
		d.sweep(&d.shards[d.swept])
		d.swept++
	}
}

// turn begins a day: the one before is kept, what is older is not.
func (d *Day) turn(day trade.Day) {
	if today := d.Today(); day > today {
		d.oldest.Store(int32(today))
		d.today.Store(int32(day))
		d.swept = 0
	}
}

// sweep gives back the memory of what is older than the kept days.
func (d *Day) sweep(s *shard) {
	s.mu.Lock()
	defer s.mu.Unlock()
	oldest := d.kept()
	s.stock = stock{} // what lives for different days should not share memory
	for _, a := range s.accounts {
		if a.rows == nil {
			continue
		}
		a.rows.forget(oldest, d.seed)
		if a.rows.empty() {
			a.rows = nil
		}
	}
}

func (r *rows) forget(oldest trade.Day, seed maphash.Seed) {
	r.events.forget(oldest)
	if r.equity.Day < oldest {
		r.equity = equityPoint{}
	}
	if len(r.orders) == 0 || keptOrder(r.orders[0], oldest) && keptOrder(r.orders[len(r.orders)-1], oldest) {
		return
	}
	var left []*trade.Order
	for _, o := range r.orders {
		if keptOrder(o, oldest) {
			left = append(left, o)
			continue
		}
		if r.clients != nil {
			if key := maphash.Bytes(seed, o.ClientID); r.clients[key] == o {
				delete(r.clients, key)
			}
		}
	}
	r.orders = left
	if len(left) == 0 {
		r.clients = nil
	}
}

// keptOrder reports whether an order is still in memory: one that can change is, of whatever day.
func keptOrder(o *trade.Order, oldest trade.Day) bool { return o.Day >= oldest || !o.Status.Done() }

// take applies an event to its account; frame is its encoding when it is part of the account's stream.
func (d *Day) take(e *trade.Event, frame []byte) {
	s := d.shard(e.Account)
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.account(e.Account)
	a.take(e, d.seed, &s.stock)
	if frame == nil {
		return
	}
	must.Hold(e.Number == a.number+1, "event numbers of an account have no gap")
	a.number = e.Number
	a.made().events.add(e, frame, &s.stock)
	if len(s.watchers) > 0 {
		s.wake(e.Account)
	}
}

func (s *shard) account(id trade.AccountID) *account {
	a := s.accounts[id]
	if a == nil {
		a = &account{}
		s.accounts[id] = a
	}
	return a
}

func (s *shard) wake(id trade.AccountID) {
	for _, w := range s.watchers[id] {
		select {
		case w <- struct{}{}:
		default: // it has been told already and has not looked yet
		}
	}
}

func (a *account) made() *rows {
	if a.rows == nil {
		a.rows = &rows{}
	}
	return a.rows
}

// Describe takes an event that describes the books as they are (broker.State.Describe). The books have the last word
// about all that they know: cash, positions, orders of the day, and the number of each account's last event.
func (d *Day) Describe(e *trade.Event) {
	if e.Kind == trade.DayStarted {
		d.turn(e.Day)
	}
	if e.Account == 0 || e.Kind > trade.AccountOpened {
		return
	}
	if e.Kind == trade.AccountOpened {
		s := d.shard(e.Account)
		s.mu.Lock()
		a := s.account(e.Account)
		a.number = e.Number
		if a.rows != nil {
			a.rows.positions = nil // each that there is follows
			if a.rows.events.last() != e.Number {
				a.rows.events = stream{} // not those of these books: the History has them
			}
		}
		s.mu.Unlock()
	}
	d.take(e, nil)
}

// take applies what an event left behind to the account's rows.
func (a *account) take(e *trade.Event, seed maphash.Seed, from *stock) {
	switch {
	case e.Kind.OfOrder():
		a.made().takeOrder(e, seed, from)
		a.balance = e.Balance
		a.setPosition(&e.Position)
	case e.Kind == trade.CashMoved || e.Kind == trade.AccountOpened:
		a.balance = e.Balance
	case e.Kind == trade.SharesMoved:
		a.balance = e.Balance
		a.setPosition(&e.Position)
	case e.Kind == trade.AccountDay:
		a.balance = e.Balance
		a.made().equity = equityPoint{Day: e.Day, Equity: int64(e.Equity)}
	case e.Kind == trade.PositionDay:
		a.setPosition(&e.Position)
	}
}

func (r *rows) takeOrder(e *trade.Event, seed maphash.Seed, from *stock) {
	o := &e.Order
	at, found := r.place(o.ID)
	if !found {
		row := from.order()
		*row = *o
		row.ClientID = from.keep(o.ClientID)
		if r.orders == nil {
			r.orders = make([]*trade.Order, 0, 4)
		}
		r.orders = slices.Insert(r.orders, at, row)
		r.index(row, seed)
		return
	}
	row := r.orders[at]
	client, reason, numbers := row.ClientID, row.Reason, row.Numbers
	*row = *o
	row.ClientID = client
	if e.Kind == trade.CancelRefused { // the reason is that of the cancel: the order has nothing to explain
		row.Reason, row.Numbers = reason, numbers
	}
}

// index makes an order be found by its client order id.
func (r *rows) index(row *trade.Order, seed maphash.Seed) {
	switch {
	case r.clients != nil:
		r.indexOne(row, seed)
	case len(r.orders) > fewOrders:
		r.clients = make(map[uint64]*trade.Order, 2*fewOrders)
		for _, o := range r.orders {
			r.indexOne(o, seed)
		}
	}
}

func (r *rows) indexOne(row *trade.Order, seed maphash.Seed) {
	if len(row.ClientID) == 0 {
		return
	}
	key := maphash.Bytes(seed, row.ClientID)
	if newest := r.clients[key]; newest == nil || newest.ID < row.ID {
		r.clients[key] = row
	}
}

// placedAs returns the newest order under a client order id that is not forgotten, nil when there is none.
func (r *rows) placedAs(client string, seed maphash.Seed, oldest trade.Day) *trade.Order {
	if r.clients == nil {
		for i := len(r.orders) - 1; i >= 0; i-- {
			if o := r.orders[i]; string(o.ClientID) == client && keptOrder(o, oldest) {
				return o
			}
		}
		return nil
	}
	// Two ids of one account with the same 64-bit hash, of a seed that nobody knows: one order would not be found.
	if o := r.clients[maphash.String(seed, client)]; o != nil && string(o.ClientID) == client && keptOrder(o, oldest) {
		return o
	}
	return nil
}

// place returns where an order is, or belongs.
func (r *rows) place(id trade.OrderID) (at int, found bool) {
	if n := len(r.orders); n > 0 && r.orders[n-1].ID < id {
		return n, false
	}
	return slices.BinarySearchFunc(r.orders, id, func(o *trade.Order, id trade.OrderID) int {
		switch {
		case o.ID < id:
			return -1
		case o.ID > id:
			return 1
		}
		return 0
	})
}

func (a *account) setPosition(p *trade.Position) {
	if p.Security == 0 {
		return
	}
	var have []trade.Position
	if a.rows != nil {
		have = a.rows.positions
	}
	at, found := slices.BinarySearchFunc(have, p.Security, func(r trade.Position, id trade.SecurityID) int {
		return int(int64(r.Security) - int64(id))
	})
	gone := p.Total == 0 && p.Frozen == 0
	switch {
	case found && gone:
		a.rows.positions = slices.Delete(have, at, at+1)
	case found:
		have[at] = *p
	case !gone:
		a.made().positions = slices.Insert(have, at, *p)
	}
}

// Retire says that another view has taken this one's place: its readers are woken, and find out by Retired.
func (d *Day) Retire() {
	d.gone.Store(true)
	for i := range d.shards {
		s := &d.shards[i]
		s.mu.Lock()
		for id := range s.watchers {
			s.wake(id)
		}
		s.mu.Unlock()
	}
}

// Retired reports whether another view has taken this one's place. Who watches asks it after Watch, and each time that
// he is woken.
func (d *Day) Retired() bool { return d.gone.Load() }

func encode(dst []byte, e *trade.Event) []byte {
	b, err := trade.AppendEvent(dst, e)
	must.Hold(err == nil, "an event of the books can be encoded")
	return b
}
