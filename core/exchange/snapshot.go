package exchange

import (
	"errors"
	"fmt"

	"evenkeel/core/book"
	"evenkeel/core/money"
	"evenkeel/core/rules"
	"evenkeel/core/trade"
)

// SnapshotVersion is the first byte of a snapshot. A change of any layout below takes the next number.
const SnapshotVersion = 1

// ErrInconsistent says that a snapshot contradicts itself.
var ErrInconsistent = errors.New("inconsistent")

// AppendSnapshot appends the whole state: version, machine, securities, broker units, the two days with their requests
// and reports, and the books as lists in order of priority. What follows from these is not in it.
func (m *Machine) AppendSnapshot(b []byte) []byte {
	w := writer{b: append(b, SnapshotVersion)}
	w.u32(m.partitions)
	w.u64(uint64(m.now))
	w.u64(uint64(m.executions))
	w.bool(m.rules != nil)
	w.text(m.rulesText)
	for v := trade.SSE; v <= trade.BSE; v++ {
		w.u8(uint8(m.venues[v].phase))
	}
	w.u32(uint32(len(m.units)))
	for i := range m.units {
		w.bytes(m.units[i][:])
		w.bool(m.passing.units[i])
	}
	w.u64(uint64(m.passing.next))
	w.u32(uint32(len(m.securities)))
	for _, s := range m.securities {
		w.security(s)
	}
	w.day(m.yesterday)
	w.day(m.today)
	for _, s := range m.securities {
		for side := trade.Buy; side <= trade.Sell && s.book != nil; side++ {
			_, orders, _ := s.book.Total(side)
			w.u32(uint32(orders))
			for rests := range s.book.Orders(side) {
				w.u64(rests.ID)
				w.u64(uint64(rests.Price))
				if OrderNumber(rests.ID) >= firstPassing {
					w.order(m.orderAt(OrderNumber(rests.ID)))
				}
			}
		}
	}
	return w.b
}

func (w *writer) security(s *security) {
	w.listing(&s.ListSecurity)
	w.u64(uint64(s.tick))
	w.u8(uint8(s.phase))
	w.u8(uint8(s.call))
	w.u8(uint8(s.marks))
	w.bool(s.taken)
	w.bool(s.halted)
	w.bool(s.closed)
	w.bool(s.absent)
	w.u64(uint64(s.haltUntil))
	w.u64(uint64(s.close))
	w.u64(uint64(s.callPrice))
	t := &s.stats
	w.u64(uint64(t.Open))
	w.u64(uint64(t.High))
	w.u64(uint64(t.Low))
	w.u64(uint64(t.Last))
	w.u64(uint64(t.Volume))
	w.u64(uint64(t.Turnover))
	w.u64(t.Trades)
	w.u64(uint64(t.LastTime))
	kept := s.minute.trades[s.minute.start:]
	w.u32(uint32(len(kept)))
	for i := range kept {
		w.u64(uint64(kept[i].at))
		w.u64(uint64(kept[i].price))
		w.u64(uint64(kept[i].quantity))
	}
}

func (w *writer) day(d *day) {
	w.u32(uint32(d.number))
	w.u64(uint64(d.firstOrder))
	w.u32(d.orders.count)
	for i := range d.orders.count {
		w.order(d.orders.at(i))
	}
	w.u32(d.cancels.count)
	for i := range d.cancels.count {
		c := d.cancels.at(i)
		w.bytes(c.clOrdID[:])
		w.bytes(c.origClOrdID[:])
		w.bytes(c.code[:])
		w.u32(c.unit)
		w.u32(c.order)
	}
	w.u32(uint32(len(d.streams)))
	for i := range d.streams {
		s := &d.streams[i]
		w.u64(s.first)
		w.u64(s.next)
		w.u64(uint64(s.last))
		w.u32(uint32(len(s.chunks)))
		for j := range s.chunks {
			w.u64(s.chunks[j].first)
			w.u64(uint64(s.chunks[j].base))
			w.text(s.chunks[j].bytes)
		}
	}
}

func (w *writer) order(o *order) {
	w.bytes(o.clOrdID[:])
	w.bytes(o.account[:])
	w.bytes(o.code[:])
	w.u8(uint8(o.side))
	w.u8(uint8(o.kind))
	w.u8(uint8(o.status))
	w.u32(o.unit)
	w.u32(uint32(o.security))
	w.u64(uint64(o.price))
	w.u64(uint64(o.quantity))
	w.u64(uint64(o.leaves))
	w.u64(uint64(o.filled))
}

// Restore makes a machine of a snapshot that fills b. Errors are ErrVersion, ErrTruncated, ErrTrailing, ErrValue or
// ErrInconsistent, wrapped. The snapshot is not kept.
func Restore(b []byte) (*Machine, error) {
	r := reader{b: b}
	if version := r.u8(); r.err == nil && version != SnapshotVersion {
		return nil, fmt.Errorf("restore exchange: version %d, this program knows %d: %w",
			version, SnapshotVersion, ErrVersion)
	}
	m := r.machine()
	if r.err == nil && len(r.b) > 0 {
		r.err = fmt.Errorf("%d: %w", len(r.b), ErrTrailing)
	}
	if r.err != nil {
		return nil, fmt.Errorf("restore exchange: %w", r.err)
	}
	return m, nil
}

func (r *reader) machine() *Machine {
	partitions := r.u32()
	r.hold(partitions >= 1 && partitions <= MostPartitions, "1 to MostPartitions partitions")
	if r.err != nil {
		return nil
	}
	m := New(partitions)
	m.now, m.executions = trade.Time(r.u64()), ExecutionNumber(r.u64())
	r.rules(m)
	for v := trade.SSE; v <= trade.BSE; v++ {
		m.venues[v].phase = trade.Phase(r.u8())
		r.hold(m.venues[v].phase >= trade.BeforeOpen && m.venues[v].phase <= trade.Closed, "a venue's phase")
	}
	for n := r.count(MostUnits); n > 0 && r.err == nil; n-- {
		var p PBU
		r.bytes(p[:])
		_, twice := m.unitOf[p]
		r.hold(!twice, "broker units are listed once")
		m.unitOf[p] = uint32(len(m.units))
		m.units = append(m.units, p)
		m.passing.units = append(m.passing.units, r.bool())
	}
	m.passing.next = OrderNumber(r.u64())
	r.hold(m.passing.next >= firstPassing && m.passing.next < 1<<62, "numbers of orders that are forgotten")
	for n := r.count(MostSecurities); n > 0 && r.err == nil; n-- {
		r.security(m)
	}
	m.yesterday = r.day(m)
	m.today = r.day(m)
	if r.err != nil {
		return nil
	}
	r.betweenDays(m)
	m.resolveVenues()
	open := 0
	for i := range m.today.orders.count {
		if m.today.orders.at(i).open() {
			open++
		}
	}
	for _, s := range m.securities {
		m.resolve(s)
		open -= r.book(m, s)
	}
	r.hold(open == 0, "the books hold the open orders")
	return m
}

func (r *reader) rules(m *Machine) {
	has := r.bool()
	text := r.text(trade.MaxRules)
	if !has || r.err != nil {
		r.hold(len(text) == 0, "no rules, no text")
		return
	}
	m.rulesText = append([]byte(nil), text...)
	var err error
	if m.rules, err = rules.Parse(string(text)); err != nil {
		r.err = err
	}
}

func (r *reader) security(m *Machine) {
	s := &security{number: SecurityNumber(len(m.securities) + 1)}
	r.listing(&s.ListSecurity)
	s.tick = money.Price(r.u64())
	s.phase, s.call, s.marks = trade.Phase(r.u8()), trade.Phase(r.u8()), rules.HaltMarks(r.u8())
	s.taken, s.halted, s.closed, s.absent = r.bool(), r.bool(), r.bool(), r.bool()
	s.haltUntil = trade.Time(r.u64())
	s.close, s.callPrice = money.Price(r.u64()), money.Price(r.u64())
	t := &s.stats
	t.Open, t.High, t.Low, t.Last = money.Price(r.u64()), money.Price(r.u64()), money.Price(r.u64()), money.Price(r.u64())
	t.Volume, t.Turnover = money.Quantity(r.u64()), money.Cash(r.u64())
	t.Trades, t.LastTime = r.u64(), trade.Time(r.u64())
	var volume money.Quantity
	for n := r.u32(); n > 0 && r.err == nil; n-- {
		d := timedTrade{trade.Time(r.u64()), money.Price(r.u64()), money.Quantity(r.u64())}
		r.hold(d.price > 0 && d.price <= highestPrice && d.quantity > 0 && d.quantity <= t.Volume-volume,
			"trades of the last minute are part of the day's volume")
		volume += d.quantity
		s.minute.trades = append(s.minute.trades, d)
	}
	_, twice := m.codes[s.Code]
	r.hold(!twice && s.fits(), "listings are valid and listed once")
	r.hold(s.phase >= trade.BeforeOpen && s.phase <= lastPhase, "the phase of a security")
	r.hold(s.call == 0 || collects(s.call), "the call of a security")
	r.hold(s.tick >= 0 && s.tick <= book.LongestTick, "the tick of a book")
	r.hold((t.Last > 0) == (volume > 0) && isPrice(t.Last), "the last trade is one of the last minute")
	r.hold(isPrice(s.close) && isPrice(s.callPrice) && isPrice(s.PreviousClose) && s.PreviousClose > 0, "closing prices")
	r.hold(!s.closed || s.close > 0, "a closed security has a closing price")
	if r.err != nil {
		return
	}
	if s.tick > 0 {
		s.book = book.New(book.Options{Tick: s.tick})
	}
	if s.haltUntil > m.now {
		m.nextResume = min(m.nextResume, s.haltUntil)
	}
	m.codes[s.Code] = s.number
	m.securities = append(m.securities, s)
}

// isPrice reports whether p is a price of a trade, or 0 for none.
func isPrice(p money.Price) bool { return p >= 0 && p <= highestPrice }

func (r *reader) day(m *Machine) *day {
	d := newDay(trade.Day(r.u32()), OrderNumber(r.u64()), nil, 0)
	for n := r.count(MostRequests); n > 0 && r.err == nil; n-- {
		o, index := d.orders.add()
		r.order(m, o)
		r.request(m, d, o.unit, &o.clOrdID, index+1)
	}
	for n := r.count(MostRequests); n > 0 && r.err == nil; n-- {
		c, _ := d.cancels.add()
		r.bytes(c.clOrdID[:])
		r.bytes(c.origClOrdID[:])
		r.bytes(c.code[:])
		c.unit, c.order = r.u32(), r.u32()
		r.hold(c.order <= d.orders.count, "a cancel's order")
		r.request(m, d, c.unit, &c.clOrdID, 0)
	}
	streams := r.count(MostUnits * MostPartitions)
	for n := streams; n > 0 && r.err == nil; n-- {
		d.streams = append(d.streams, r.stream(d))
	}
	most := len(m.units) * int(m.partitions)
	r.hold(int(streams) <= most && streams%m.partitions == 0, "a stream for each unit and partition")
	return d
}

func (r *reader) order(m *Machine, o *order) {
	r.bytes(o.clOrdID[:])
	r.bytes(o.account[:])
	r.bytes(o.code[:])
	o.side, o.kind, o.status = trade.Side(r.u8()), trade.OrderType(r.u8()), trade.OrderStatus(r.u8())
	o.unit, o.security = r.u32(), SecurityNumber(r.u32())
	o.price, o.quantity = money.Price(r.u64()), money.Quantity(r.u64())
	o.leaves, o.filled = money.Quantity(r.u64()), money.Quantity(r.u64())
	r.hold(uint64(o.security) <= uint64(len(m.securities)), "an order's security")
	r.hold(o.leaves >= 0 && o.filled >= 0 && (o.leaves == 0 || o.leaves <= o.quantity-o.filled), "an order's quantities")
}

// request enters a ClOrdID into the day's set.
func (r *reader) request(m *Machine, d *day, unit uint32, id *ClOrdID, order uint32) {
	if r.hold(uint64(unit) < uint64(len(m.units)), "a request's broker unit"); r.err != nil {
		return
	}
	key := keyOf(&m.units[unit], id)
	_, twice := d.requests[key]
	r.hold(!twice, "a ClOrdID is used once")
	d.requests[key] = order
}

// stream reads a stream and walks through its reports once, so that later walks cannot fail.
func (r *reader) stream(d *day) stream {
	s := stream{first: r.u64(), next: r.u64(), last: trade.Time(r.u64())}
	r.hold(s.first >= 1 && s.next >= s.first && s.next < 1<<62, "a stream's indexes")
	index, last := s.first, trade.Time(0)
	for n := r.u32(); n > 0 && r.err == nil; n-- {
		size := chunkSize(len(s.chunks))
		c := chunk{first: r.u64(), base: trade.Time(r.u64())}
		text := r.text(uint32(size))
		r.hold(c.first == index && len(text) > 0, "a chunk follows the one before")
		last = c.base
		for rest := text; len(rest) > 0 && r.err == nil; index++ {
			v := record{at: last}
			before := len(rest)
			if rest = readRecord(rest, &v); rest == nil {
				r.hold(false, "reports decode")
				break
			}
			canonical := appendRecord(make([]byte, 0, maxRecord), &v, last)
			r.hold(len(canonical) == before-len(rest), "reports are written in one way")
			r.hold(v.order <= d.orders.count && v.cancel <= d.cancels.count, "a report's request")
			r.hold(v.kind >= trade.OrderAcceptedReport && v.kind <= trade.CancelRejectedReport, "a report's type")
			last = v.at
		}
		c.bytes = append(make([]byte, 0, size), text...)
		s.chunks = append(s.chunks, c)
	}
	r.hold(index == s.next, "as many reports as indexes")
	r.hold(len(s.chunks) == 0 && s.last == 0 || len(s.chunks) > 0 && s.last == last, "the time of a stream's last report")
	return s
}

// betweenDays checks what one day hands to the next.
func (r *reader) betweenDays(m *Machine) {
	y, t := m.yesterday, m.today
	r.hold(y.number <= t.number, "yesterday is before today")
	r.hold(y.firstOrder >= 1 && y.firstOrder < 1<<62 && t.firstOrder == y.numberOf(y.orders.count), "order numbers go on")
	r.hold(len(t.streams) == len(m.units)*int(m.partitions) && len(y.streams) <= len(t.streams), "today has all streams")
	for i := range t.streams {
		if r.err != nil {
			return
		}
		r.hold(t.streams[i].last <= m.now, "reports are of the past")
		if m.passing.units[i/int(m.partitions)] {
			r.hold(t.streams[i].first == t.streams[i].next, "reports that are not kept")
		} else if i < len(y.streams) {
			r.hold(t.streams[i].first == y.streams[i].next, "indexes go on")
		} else {
			r.hold(t.streams[i].first == 1, "indexes begin at 1")
		}
	}
}

// book puts a security's resting orders back and returns how many of them are of today's table.
func (r *reader) book(m *Machine, s *security) (orders int) {
	if s.book == nil {
		return 0
	}
	for side := trade.Buy; side <= trade.Sell; side++ {
		worst := money.Price(0)
		for n := r.count(book.MostOrders); n > 0 && r.err == nil; n-- {
			id, price := r.u64(), money.Price(r.u64())
			o := r.resting(m, OrderNumber(id))
			if r.err != nil {
				return orders
			}
			inOrder := worst == 0 || side == trade.Buy && price <= worst || side == trade.Sell && price >= worst
			r.hold(o.security == s.number && o.side == side && o.open() && o.handle == 0 && inOrder, "a resting order")
			if r.err != nil {
				return orders
			}
			result := s.book.Rest(book.Order{ID: id, Side: side, Type: trade.Limit, Price: price, Quantity: o.leaves})
			r.hold(!result.Outcome.Refused(), "a resting order fits the book")
			o.handle, worst = result.Handle, price
			if OrderNumber(id) < firstPassing {
				orders++
			}
		}
	}
	return orders
}

// resting is the order that rests under a number: of today's, or one that follows here and will be forgotten.
func (r *reader) resting(m *Machine, number OrderNumber) *order {
	p := &m.passing
	if number < firstPassing {
		index := number - m.today.firstOrder
		if r.hold(index < OrderNumber(m.today.orders.count), "a resting order is of today"); r.err != nil {
			return nil
		}
		return m.today.orders.at(uint32(index))
	}
	o := &order{}
	r.order(m, o)
	r.hold(number < p.next && p.orders[number] == nil, "a number of an order that will be forgotten")
	r.hold(uint64(o.unit) < uint64(len(p.units)) && p.units[o.unit], "the unit of an order that will be forgotten")
	if r.err != nil {
		return nil
	}
	key := keyOf(&m.units[o.unit], &o.clOrdID)
	r.hold(!p.uses(key), "a ClOrdID is used once")
	p.orders[number], p.ids[key] = o, number
	return o
}

// count reads how many entries follow.
func (r *reader) count(most uint32) uint32 {
	n := r.u32()
	if n > most {
		r.fail("%d entries, at most %d", uint64(n), uint64(most))
		return 0
	}
	return n
}

// hold keeps the first contradiction as an error.
func (r *reader) hold(ok bool, what string) {
	if !ok && r.err == nil {
		r.err = fmt.Errorf("%s: %w", what, ErrInconsistent)
	}
}
