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
	m.unitOf[p] = unit
	for range m.partitions {
		m.today.streams = append(m.today.streams, stream{first: 1, next: 1})
	}
	return unit
}

// report keeps a record as the next report of its unit and partition, and puts it out. It gives the record its time
// and, unless it has one, its execution number.
func (m *Machine) report(unit uint32, n SecurityNumber, r *record, out *Output) {
	r.at = m.now
	if r.execution == 0 {
		m.executions++
		r.execution = m.executions
	}
	partition := m.partitionOf(n)
	index := m.today.streams[unit*m.partitions+partition-1].add(r)
	out.Reports = append(out.Reports, Report{})
	m.fillReport(&out.Reports[len(out.Reports)-1], m.today, unit, partition, index, r)
}

// fillReport makes a report of a record and the tables of its day.
func (m *Machine) fillReport(report *Report, d *day, unit, partition uint32, index uint64, r *record) {
	*report = Report{
		Type: r.kind, Status: r.status, Partition: partition, Index: index, Time: r.at, PBU: m.units[unit],
		Execution: r.execution, Leaves: r.leaves, Filled: r.filled, LastPrice: r.price, LastQuantity: r.quantity,
		Reason: r.reason, Numbers: r.numbers,
	}
	if r.order != 0 {
		o := d.orders.at(r.order - 1)
		report.ClOrdID, report.Account, report.Security = o.clOrdID, o.account, o.code
		report.Side, report.OrderType, report.Price, report.Quantity = o.side, o.kind, o.price, o.quantity
		report.Order = d.numberOf(r.order - 1)
	}
	if r.cancel != 0 {
		c := d.cancels.at(r.cancel - 1)
		report.ClOrdID, report.OrigClOrdID, report.Security = c.clOrdID, c.origClOrdID, c.code
	}
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
	if at < len(m.yesterday.streams) {
		return m.yesterday.streams[at].first, next
	}
	return m.today.streams[at].first, next
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
			m.fillReport(&report, d, unit, partition, index, r)
			must.Hold(report.Type != trade.RefusedReport, "a refusal was kept as a report")
			more = visit(&report)
			return more
		})
	}
}
