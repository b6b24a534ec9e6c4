package exchange

import (
	"evenkeel/core/must"
	"evenkeel/core/trade"
)

// partitionOf is the partition of a security, from 1; that of unknown ones is 1.
func (m *Machine) partitionOf(n SecurityNumber) uint32 {
	if n == 0 {
		return 1
	}
	return (uint32(n)-1)%m.partitions + 1
}

// addUnit makes room for the reports of a new broker unit.
func (m *Machine) addUnit(p PBU) uint32 {
	unit := uint32(len(m.units))
	m.units = append(m.units, p)
	m.passing.units = append(m.passing.units, false)
	m.unitOf[p] = unit
	for range m.partitions {
		m.today.streams = append(m.today.streams, stream{first: 1, next: 1})
	}
	return unit
}

// about is what a report is about. order is nil when the order is unknown, cancel nil when nobody asked for a cancel.
type about struct {
	order  *order
	number OrderNumber
	cancel *cancelRequest
}

// report keeps a record as the next report of its unit and partition, and puts it out. It gives the record its time
// and, unless it has one, its execution number.
func (m *Machine) report(unit uint32, n SecurityNumber, r *record, of about, out *Output) {
	r.at = m.now
	if r.execution == 0 {
		m.executions++
		r.execution = m.executions
	}
	partition := m.partitionOf(n)
	s := &m.today.streams[unit*m.partitions+partition-1]
	var index uint64
	if m.passing.units[unit] {
		index = s.skip()
	} else {
		if of.order != nil {
			r.order = uint32(of.number-m.today.firstOrder) + 1
		}
		if of.cancel != nil {
			r.cancel = m.today.cancels.count // the one just added
		}
		index = s.add(r)
	}
	out.Reports = append(out.Reports, Report{})
	m.fillReport(&out.Reports[len(out.Reports)-1], of, unit, partition, index, r)
}

// fillReport makes a report of a record and what it is about.
func (m *Machine) fillReport(report *Report, of about, unit, partition uint32, index uint64, r *record) {
	*report = Report{
		Type: r.kind, Status: r.status, Partition: partition, Index: index, Time: r.at, PBU: m.units[unit],
		Execution: r.execution, Leaves: r.leaves, Filled: r.filled, LastPrice: r.price, LastQuantity: r.quantity,
		Reason: r.reason, Numbers: r.numbers,
	}
	if o := of.order; o != nil {
		report.ClOrdID, report.Account, report.Security = o.clOrdID, o.account, o.code
		report.Side, report.OrderType, report.Price, report.Quantity = o.side, o.kind, o.price, o.quantity
		report.Order = of.number
	}
	if c := of.cancel; c != nil {
		report.ClOrdID, report.OrigClOrdID, report.Security = c.clOrdID, c.origClOrdID, c.code
	}
}

// about is what a kept record is about, in the tables of its day.
func (d *day) about(r *record) (of about) {
	if r.order != 0 {
		of.order, of.number = d.orders.at(r.order-1), d.numberOf(r.order-1)
	}
	if r.cancel != 0 {
		of.cancel = d.cancels.at(r.cancel - 1)
	}
	return of
}

// Kept returns which report indexes of a broker unit on a partition are kept: first to next-1. Both are 1 for a unit
// that was never heard of; both are 0 for a partition that does not exist.
func (m *Machine) Kept(p PBU, partition uint32) (first, next uint64) {
	unit, ok := m.unitOf[p]
	switch {
	case partition == 0 || partition > m.partitions:
		return 0, 0
	case !ok:
		return 1, 1
	}
	at := int(unit*m.partitions + partition - 1)
	next = m.today.streams[at].next
	if at < len(m.yesterday.streams) && !m.passing.units[unit] {
		return m.yesterday.streams[at].first, next
	}
	return m.today.streams[at].first, next
}

// FirstToday is the index that the first report of today has, or will have, for a broker unit on a partition: what is
// before it was told on earlier days. It is 1 for a unit that was never heard of, 0 for a partition that does not
// exist.
func (m *Machine) FirstToday(p PBU, partition uint32) uint64 {
	unit, ok := m.unitOf[p]
	switch {
	case partition == 0 || partition > m.partitions:
		return 0
	case !ok:
		return 1
	}
	if at := int(unit*m.partitions + partition - 1); at < len(m.yesterday.streams) {
		return m.yesterday.streams[at].next
	}
	return 1
}

// Reports calls visit with every kept report of a broker unit on a partition from an index on, in order, until it
// returns false. The report is valid during the call only.
func (m *Machine) Reports(p PBU, partition uint32, from uint64, visit func(*Report) bool) {
	unit, ok := m.unitOf[p]
	if !ok || partition == 0 || partition > m.partitions {
		return
	}
	at := int(unit*m.partitions + partition - 1)
	var report Report
	more := true
	for _, d := range [...]*day{m.yesterday, m.today} {
		if !more || at >= len(d.streams) {
			continue
		}
		d.streams[at].visit(from, func(index uint64, r *record) bool {
			m.fillReport(&report, d.about(r), unit, partition, index, r)
			must.Hold(report.Type != trade.RefusedReport, "a refusal was kept as a report")
			more = visit(&report)
			return more
		})
	}
}
