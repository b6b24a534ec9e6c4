package exchange

import (
	"evenkeel/core/must"
	"evenkeel/core/trade"
)

// firstPassing is the number of the first order of a unit of ForgetUnit: they count from here, other orders from 1. It
// has twelve digits, as many as an OrderID has room for.
const firstPassing OrderNumber = 500_000_000_000

// passing is what is known of units whose orders are forgotten when they are done: the orders that are not.
type passing struct {
	units  []bool // by unit: is one of those
	next   OrderNumber
	orders map[OrderNumber]*order
	ids    map[requestKey]OrderNumber
	spare  []*order      // for reuse
	cancel cancelRequest // the one being reported
}

func newPassing() passing {
	return passing{next: firstPassing, orders: map[OrderNumber]*order{}, ids: map[requestKey]OrderNumber{}}
}

// uses reports whether an open order has the ClOrdID.
func (p *passing) uses(key requestKey) bool {
	_, used := p.ids[key]
	return used
}

// forgetUnit makes a unit one of those.
func (m *Machine) forgetUnit(p PBU) Answer {
	unit, known := m.unitOf[p]
	switch {
	case known && m.passing.units[unit]:
		return Answer{}
	case known:
		return Answer{Reason: trade.DuplicateOrder}
	case len(m.units) >= MostUnits:
		return Answer{Reason: trade.VenueThrottled}
	}
	m.passing.units[m.addUnit(p)] = true
	return Answer{}
}

// addOrder makes room for an order of a unit, under an unused ClOrdID.
func (m *Machine) addOrder(unit uint32, key requestKey) (*order, OrderNumber) {
	p := &m.passing
	if !p.units[unit] {
		o, index := m.today.orders.add()
		m.today.requests[key] = index + 1
		return o, m.today.numberOf(index)
	}
	var o *order
	if last := len(p.spare) - 1; last >= 0 {
		o, p.spare = p.spare[last], p.spare[:last]
	} else {
		o = new(order)
	}
	number := p.next
	p.next++
	p.orders[number], p.ids[key] = o, number
	return o, number
}

// orderAt is an order of today: one that the book holds, or that is being taken.
func (m *Machine) orderAt(number OrderNumber) *order {
	if number >= firstPassing {
		o := m.passing.orders[number]
		must.Hold(o != nil, "the book holds an order that was forgotten")
		return o
	}
	index := number - m.today.firstOrder
	must.Hold(index < OrderNumber(m.today.orders.count), "the book holds an order that is not of today")
	return m.today.orders.at(uint32(index))
}

// findOrder is the order of today of a ClOrdID, nil when there is none or it is for another security.
func (m *Machine) findOrder(unit uint32, key requestKey, security Code) (*order, OrderNumber) {
	var number OrderNumber
	if m.passing.units[unit] {
		number = m.passing.ids[key]
	} else if of := m.today.requests[key]; of != 0 {
		number = m.today.numberOf(of - 1)
	}
	if number == 0 {
		return nil, 0
	}
	if o := m.orderAt(number); o.code == security {
		return o, number
	}
	return nil, 0
}

// addCancel keeps a cancel of an order, 0 for an unknown one, where such are kept.
func (m *Machine) addCancel(unit uint32, c *Cancel, of OrderNumber) *cancelRequest {
	request := &m.passing.cancel
	if !m.passing.units[unit] {
		request, _ = m.today.cancels.add()
		m.today.requests[keyOf(&c.PBU, &c.ClOrdID)] = 0
	}
	*request = cancelRequest{clOrdID: c.ClOrdID, origClOrdID: c.OrigClOrdID, unit: unit, code: c.Security}
	if of != 0 && of < firstPassing {
		request.order = uint32(of-m.today.firstOrder) + 1
	}
	return request
}

// forgetDone lets an order go when it is done and its unit is one of those.
func (m *Machine) forgetDone(o *order, number OrderNumber) {
	if number < firstPassing || o.open() {
		return
	}
	p := &m.passing
	delete(p.orders, number)
	delete(p.ids, keyOf(&m.units[o.unit], &o.clOrdID))
	p.spare = append(p.spare, o)
}

// OpenOrders calls visit with the ClOrdID of each order of a broker unit that rests in a security's book, buys first,
// by priority, until it returns false.
func (m *Machine) OpenOrders(n SecurityNumber, p PBU, visit func(ClOrdID) bool) {
	s := m.listed(n)
	unit, ok := m.unitOf[p]
	if s == nil || s.book == nil || !ok {
		return
	}
	for side := trade.Buy; side <= trade.Sell; side++ {
		for rests := range s.book.Orders(side) {
			if o := m.orderAt(OrderNumber(rests.ID)); o.unit == unit && !visit(o.clOrdID) {
				return
			}
		}
	}
}
