package exchange

import (
	"evenkeel/core/book"
	"evenkeel/core/money"
	"evenkeel/core/trade"
)

// day is what the exchange remembers of the requests of one trading day.
type day struct {
	number     trade.Day
	firstOrder OrderNumber // number of the order with index 0
	orders     table[order]
	cancels    table[cancelRequest]
	requests   map[requestKey]uint32 // index of the order + 1; 0 for a cancel
	streams    []stream              // by unit x partitions + partition - 1
}

// requestKey is a PBU and a ClOrdID.
type requestKey [16]byte

func keyOf(u *PBU, id *ClOrdID) (k requestKey) {
	copy(k[:6], u[:])
	copy(k[6:], id[:])
	return k
}

// order is a NewOrder that got a report index, rejected ones included.
type order struct {
	clOrdID  ClOrdID
	account  Account
	side     trade.Side
	kind     trade.OrderType
	status   trade.OrderStatus
	unit     uint32
	code     Code
	security SecurityNumber // 0: unknown
	handle   book.Handle    // while it rests; a place in memory, never shown
	price    money.Price
	quantity money.Quantity
	leaves   money.Quantity
	filled   money.Quantity
}

// open reports whether the order may still trade.
func (o *order) open() bool { return o.leaves > 0 }

// cancelRequest is a Cancel that got a report index.
type cancelRequest struct {
	clOrdID     ClOrdID
	origClOrdID ClOrdID
	unit        uint32
	order       uint32 // index + 1, 0: unknown
	code        Code   // as the request said
}

// newDay returns a day whose report streams go on where those of the day before ended.
func newDay(number trade.Day, firstOrder OrderNumber, before []stream, requests int) *day {
	d := &day{number: number, firstOrder: firstOrder, requests: make(map[requestKey]uint32, requests)}
	d.streams = make([]stream, len(before))
	for i := range before {
		d.streams[i] = stream{first: before[i].next, next: before[i].next}
	}
	return d
}

// numberOf is the order number of the order with an index.
func (d *day) numberOf(index uint32) OrderNumber { return d.firstOrder + OrderNumber(index) }

// rollDay closes what is not closed, and starts a day.
func (m *Machine) rollDay(c *RollDay, out *Output) Answer {
	if c.Day <= m.today.number {
		return Answer{trade.DayNotLater, trade.Numbers{Given: int64(c.Day), Bound: int64(m.today.number)}}
	}
	first := m.today.number == 0
	for v := trade.SSE; v <= trade.BSE && !first; v++ {
		m.movePhase(v, trade.Closed, out)
	}
	m.yesterday = m.today
	m.today = newDay(c.Day, m.yesterday.numberOf(m.yesterday.orders.count), m.yesterday.streams,
		len(m.yesterday.requests))
	for v := trade.SSE; v <= trade.BSE; v++ {
		m.venues[v].phase = trade.BeforeOpen
		out.Phases = append(out.Phases, PhaseChange{Venue: v, Phase: trade.BeforeOpen, Time: m.now})
	}
	for _, s := range m.securities {
		s.newDay(first)
		m.touch(s, out)
	}
	m.nextResume = never
	m.resolveAll(out)
	return Answer{}
}
