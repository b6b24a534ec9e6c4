package records

import (
	"context"
	"fmt"
	"math/rand/v2"

	"evenkeel/core/trade"
)

// house makes event streams as the books would: numbers without a gap, orders that live and die, days that turn.
type house struct {
	random   *rand.Rand
	now      trade.Time
	day      trade.Day
	index    uint64
	last     trade.OrderID
	accounts []*made
	entries  []logged // the log
}

type made struct {
	id        trade.AccountID
	number    uint64
	balance   trade.Balance
	positions map[trade.SecurityID]trade.Position
	orders    []*trade.Order // of the day
}

// logged is one entry of the log with what it left behind.
type logged struct {
	index  uint64
	events []trade.Event
}

var days = []trade.Day{20260105, 20260106, 20260107, 20260108, 20260109, 20260112}

func newHouse(seed uint64, accounts int) *house { return newShard(0, seed, accounts) }

func newShard(shard uint16, seed uint64, accounts int) *house {
	h := &house{random: rand.New(rand.NewPCG(seed, 1)), now: 1_767_000_000_000_000_000}
	for i := range accounts {
		h.accounts = append(h.accounts, &made{id: trade.AccountID(shard)<<trade.ShardShift | trade.AccountID(i+1),
			positions: map[trade.SecurityID]trade.Position{}})
	}
	var opened []trade.Event
	for _, a := range h.accounts {
		opened = append(opened, trade.Event{Kind: trade.AccountOpened, Account: a.id, Time: h.now})
	}
	h.commit(opened)
	return h
}

func (h *house) commit(events []trade.Event) logged {
	h.index++
	h.now += 1_000_000
	l := logged{index: h.index, events: events}
	h.entries = append(h.entries, l)
	return l
}

func (h *house) event(a *made, kind trade.EventKind) trade.Event {
	a.number++
	return trade.Event{Kind: kind, Account: a.id, Number: a.number, Time: h.now, Day: h.day, Balance: a.balance}
}

func (h *house) orderEvent(a *made, kind trade.EventKind, o *trade.Order) trade.Event {
	e := h.event(a, kind)
	o.Updated = h.now
	e.Order, e.Position = *o, a.positions[o.Security]
	e.Position.Security = o.Security
	return e
}

// startDay turns the day: what is open expires first.
func (h *house) startDay(day trade.Day) logged {
	var events []trade.Event
	for _, a := range h.accounts {
		for _, o := range a.orders {
			if !o.Status.Done() {
				o.Status, o.Reason, o.DoneAt = trade.Expired, trade.ExpiredAtClose, h.now
				events = append(events, h.orderEvent(a, trade.OrderExpired, o))
			}
		}
		a.orders = nil
	}
	h.day = day
	events = append(events, trade.Event{Kind: trade.DayStarted, Time: h.now, Day: day})
	for _, a := range h.accounts {
		if len(a.positions) == 0 {
			continue
		}
		e := h.event(a, trade.AccountDay)
		e.Equity = a.balance.Available + 7
		events = append(events, e)
		for id := trade.SecurityID(1); id < 6; id++ {
			if p, ok := a.positions[id]; ok {
				e := h.event(a, trade.PositionDay)
				e.Position = p
				events = append(events, e)
			}
		}
	}
	return h.commit(events)
}

// step makes the next entry: something that happens to one account, or, now and then, nothing to any.
func (h *house) step() logged {
	a := h.accounts[h.random.IntN(len(h.accounts))]
	var live []*trade.Order
	for _, o := range a.orders {
		if !o.Status.Done() {
			live = append(live, o)
		}
	}
	what := h.random.IntN(10)
	switch {
	case what == 0:
		return h.commit([]trade.Event{{Kind: trade.ReportTaken, Time: h.now, Day: h.day}})
	case what == 1 || h.day == 0:
		a.balance.Available += 1000
		e := h.event(a, trade.CashMoved)
		e.Cash = trade.CashMovement{Amount: 1000, Reference: fmt.Appendf(nil, "r%d", h.index)}
		return h.commit([]trade.Event{e})
	case what < 5 || len(live) == 0:
		return h.commit([]trade.Event{h.place(a)})
	}
	o := live[h.random.IntN(len(live))]
	switch what {
	case 5:
		o.Status = trade.Working
		return h.commit([]trade.Event{h.orderEvent(a, trade.OrderAccepted, o)})
	case 6:
		o.Status, o.DoneAt = trade.Cancelled, h.now
		return h.commit([]trade.Event{h.orderEvent(a, trade.OrderCancelled, o)})
	case 7: // a cancel that is refused explains itself on the event, not on the order
		e := h.orderEvent(a, trade.CancelRefused, o)
		e.Order.Reason, e.Order.Numbers = trade.VenueRefused, trade.Numbers{Given: 1}
		return h.commit([]trade.Event{e})
	}
	return h.commit([]trade.Event{h.fill(a, o)})
}

func (h *house) place(a *made) trade.Event {
	h.last++
	o := &trade.Order{ID: h.last, Account: a.id, Security: trade.SecurityID(1 + h.random.IntN(5)), Side: trade.Buy,
		Type: trade.Limit, Status: trade.PendingNew, Price: 100_000, Quantity: 300, Placed: h.now, Day: h.day,
		ClientID: fmt.Appendf(nil, "c\xff\x00%d", h.last)} // any bytes
	if h.random.IntN(2) == 0 {
		o.Side = trade.Sell
	}
	a.orders = append(a.orders, o)
	return h.orderEvent(a, trade.OrderPlaced, o)
}

func (h *house) fill(a *made, o *trade.Order) trade.Event {
	o.Filled, o.Status = o.Filled+100, trade.PartlyFilled
	if o.Left() == 0 {
		o.Status, o.DoneAt = trade.Filled, h.now
	}
	p := a.positions[o.Security]
	p.Security = o.Security
	if o.Side == trade.Buy {
		p.Total, a.balance.Available = p.Total+100, a.balance.Available-10_000_000
	} else {
		p.Total, a.balance.Available = max(0, p.Total-100), a.balance.Available+10_000_000
	}
	if a.positions[o.Security] = p; p.Total == 0 {
		delete(a.positions, o.Security)
	}
	e := h.orderEvent(a, trade.OrderTraded, o)
	e.Trade = trade.Trade{Price: 100_000, Quantity: 100, Amount: 10_000_000}
	return e
}

// run makes entries over some days.
func (h *house) run(days []trade.Day, steps int) {
	for _, day := range days {
		h.startDay(day)
		for range steps {
			h.step()
		}
	}
}

// describe is what broker.State.Describe does.
func (h *house) describe(visit func(*trade.Event)) {
	visit(&trade.Event{Kind: trade.DayStarted, Day: h.day})
	for _, a := range h.accounts {
		visit(&trade.Event{Kind: trade.AccountOpened, Account: a.id, Number: a.number, Day: h.day, Balance: a.balance})
		for id := trade.SecurityID(1); id < 6; id++ {
			if p, ok := a.positions[id]; ok {
				visit(&trade.Event{Kind: trade.PositionDay, Account: a.id, Day: h.day, Position: p})
			}
		}
	}
	for id := trade.OrderID(1); id <= h.last; id++ {
		for _, a := range h.accounts {
			for _, o := range a.orders {
				if o.ID == id {
					p := a.positions[o.Security]
					p.Security = o.Security
					visit(&trade.Event{Kind: trade.OrderPlaced, Account: a.id, Day: h.day, Order: *o, Balance: a.balance,
						Position: p})
				}
			}
		}
	}
}

func (l logged) into(d *Day) {
	d.Fold(l.events)
	d.Commit(l.index)
}

func (l logged) encoded() Entry {
	var all [][]byte
	for i := range l.events {
		if l.events[i].Kind.Numbered() {
			all = append(all, encode(nil, &l.events[i]))
		}
	}
	return EntryOf(l.index, all...)
}

// replay is a log that can be read again.
func (h *house) replay(_ context.Context, after uint64, visit func(Entry) error) error {
	for _, l := range h.entries {
		if l.index > after {
			if err := visit(l.encoded()); err != nil {
				return err
			}
		}
	}
	return nil
}

// stream is what an account was ever told.
func (h *house) stream(id trade.AccountID) (events []trade.Event) {
	for _, l := range h.entries {
		for i := range l.events {
			if e := &l.events[i]; e.Account == id && e.Kind.Numbered() {
				var kept trade.Event
				if err := trade.DecodeEvent(encode(nil, e), &kept); err != nil {
					panic(err)
				}
				events = append(events, kept)
			}
		}
	}
	return events
}

// ever are an account's orders of all days, as they are now.
func (h *house) ever(id trade.AccountID) (orders []trade.Order) {
	place := map[trade.OrderID]int{}
	for _, e := range h.stream(id) {
		if !e.Kind.OfOrder() {
			continue
		}
		o := e.Order
		at, found := place[o.ID]
		if !found {
			at = len(orders)
			place[o.ID], orders = at, append(orders, o)
		}
		if e.Kind == trade.CancelRefused {
			o.Reason, o.Numbers = orders[at].Reason, orders[at].Numbers
		}
		orders[at] = o
	}
	return orders
}
