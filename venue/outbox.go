package venue

import (
	"bytes"
	"math"
	"slices"
	"sync"

	"evenkeel/core/must"
	"evenkeel/core/trade"
)

// Outbox is what the books have for the exchange, folded from what each Apply left behind: the requests that it has
// not confirmed, in order, and per partition the last report that was applied. It may be used by many goroutines;
// Changed wakes one.
type Outbox struct {
	mu         sync.Mutex
	items      []Item // by Position; taken ones stay, marked, until they are worth removing
	taken      int    // how many of items are marked
	last       uint64 // Position of the newest item ever
	places     map[trade.OrderID]uint64
	securities []listed // by SecurityID
	applied    map[uint32]uint64
	day        trade.Day
	ended      trade.Day
	changed    chan struct{}
}

// Item is one request for the exchange.
type Item struct {
	trade.Outgoing
	Position uint64 // from 1, rising in the order of the outbox
	Code     [8]byte
	Venue    trade.Venue // 0: the books' event of the security never came
	taken    bool
}

type listed struct {
	code  [8]byte
	venue trade.Venue
}

// NewOutbox returns an empty outbox.
func NewOutbox() *Outbox {
	return &Outbox{places: map[trade.OrderID]uint64{}, applied: map[uint32]uint64{}, changed: make(chan struct{}, 1)}
}

// Reset empties the outbox, before it is filled from other books.
func (b *Outbox) Reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.items, b.taken, b.securities = nil, 0, nil
	clear(b.places)
	clear(b.applied)
	b.day, b.ended = 0, 0
	b.signal()
}

// Fold takes in what one Apply left behind. The events are not kept.
func (b *Outbox) Fold(out *trade.Output) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range out.Events {
		b.learn(&out.Events[i])
	}
	for i := range out.Outgoing {
		b.add(&out.Outgoing[i])
	}
	for _, request := range out.Confirmed {
		b.take(request)
	}
	if len(out.Outgoing)+len(out.Confirmed) > 0 {
		b.signal()
	}
}

// Learn takes in one event: securities, days and the places of reports. The books describe themselves in events when
// the outbox is filled anew; Add follows for what is unconfirmed.
func (b *Outbox) Learn(e *trade.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.learn(e)
}

// Add appends a request to the outbox.
func (b *Outbox) Add(o trade.Outgoing) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.add(&o)
	b.signal()
}

func (b *Outbox) learn(e *trade.Event) {
	switch e.Kind {
	case trade.SecurityListed:
		id := int(e.Security.ID)
		for len(b.securities) <= id {
			b.securities = append(b.securities, listed{})
		}
		b.securities[id] = listed{codeOf(e.Security.Symbol), e.Security.Venue}
	case trade.ReportTaken:
		b.applied[e.Report.Partition] = max(b.applied[e.Report.Partition], e.Report.Index)
	case trade.DayStarted:
		b.day = max(b.day, e.Day)
	case trade.DayEnded:
		b.ended = max(b.ended, e.Day)
	}
}

// codeOf is the part of a symbol such as 600519.SH before the dot, padded with spaces.
func codeOf(symbol []byte) (code [8]byte) {
	code = [8]byte{' ', ' ', ' ', ' ', ' ', ' ', ' ', ' '}
	before, _, _ := bytes.Cut(symbol, []byte{'.'})
	copy(code[:], before)
	return code
}

func (b *Outbox) add(o *trade.Outgoing) {
	if _, twice := b.places[o.Request]; twice {
		must.Hold(false, "a request enters the outbox once")
	}
	b.last++
	item := Item{Outgoing: *o, Position: b.last}
	if int(o.Security) < len(b.securities) {
		item.Code, item.Venue = b.securities[o.Security].code, b.securities[o.Security].venue
	}
	b.places[o.Request] = item.Position
	b.items = append(b.items, item)
}

func (b *Outbox) take(request trade.OrderID) {
	position, there := b.places[request]
	if !there {
		return // the books confirm also what never was here, such as a held order's cancel
	}
	delete(b.places, request)
	b.items[b.find(position)].taken = true
	b.taken++
	for len(b.items) > 0 && b.items[0].taken {
		b.items = b.items[1:]
		b.taken--
	}
	const leastWorth = 1024 // taken items behind one that waits long are removed together
	if b.taken > leastWorth && b.taken > len(b.items)/2 {
		b.items = slices.DeleteFunc(b.items, func(i Item) bool { return i.taken })
		b.taken = 0
	}
}

// find returns the index of the first item at a position or after it.
func (b *Outbox) find(position uint64) int {
	i, _ := slices.BinarySearchFunc(b.items, position, func(i Item, p uint64) int {
		switch {
		case i.Position < p:
			return -1
		case i.Position > p:
			return 1
		}
		return 0
	})
	return i
}

func (b *Outbox) signal() {
	select {
	case b.changed <- struct{}{}:
	default: // a wake-up that is already there is enough
	}
}

// Changed wakes one waiter after the outbox changed.
func (b *Outbox) Changed() <-chan struct{} { return b.changed }

// After appends to into, up to most, the waiting items whose position is after the given one, in order.
func (b *Outbox) After(position uint64, into []Item, most int) []Item {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := b.find(position + 1); i < len(b.items) && most > 0; i++ {
		if !b.items[i].taken {
			into = append(into, b.items[i])
			most--
		}
	}
	return into
}

// Item returns a waiting request.
func (b *Outbox) Item(request trade.OrderID) (Item, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	position, there := b.places[request]
	if !there {
		return Item{}, false
	}
	return b.items[b.find(position)], true
}

// Len is how many requests wait for the exchange's word.
func (b *Outbox) Len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.places)
}

// Newest is the position of the newest request that ever entered, and how many wait.
func (b *Outbox) Newest() (position uint64, waiting int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.last, len(b.places)
}

// Oldest is the position of the oldest request that waits; the highest number there is when none does.
func (b *Outbox) Oldest() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.items) == 0 {
		return math.MaxUint64
	}
	return b.items[0].Position
}

// Through is how many requests wait up to a position.
func (b *Outbox) Through(position uint64) (waiting int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.items {
		if b.items[i].Position > position {
			break
		}
		if !b.items[i].taken {
			waiting++
		}
	}
	return waiting
}

// Lacking is the first report of a partition that the books do not have.
func (b *Outbox) Lacking(partition uint32) uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.applied[partition] + 1
}

// Day is the books' trading day, and whether it has ended; 0 before the first.
func (b *Outbox) Day() (day trade.Day, ended bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.day, b.ended >= b.day
}
