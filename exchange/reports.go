package exchange

import (
	"math"

	core "evenkeel/core/exchange"
	"evenkeel/core/money"
	"evenkeel/core/trade"
	"evenkeel/szse"
)

// batchReports is how many reports are given at once.
const batchReports = 512

// told is what a session has sent besides reports.
type told struct {
	phases   [trade.BSE + 1]trade.Phase // by venue
	day      trade.Day                  // of the phases
	finished trade.Day                  // whose end was told
}

// collect appends a piece of what there is to send. Reports come before the phase that followed them: both are read at
// one moment.
func (b *Session) collect(into []byte) []byte {
	for _, f := range b.refusals {
		into = append(into, f...)
	}
	b.refusals = b.refusals[:0]
	if b.next == nil {
		return into // nothing else before the broker has said where it is
	}
	b.gateway.config.View(func(m *core.Machine) { into = b.appendNews(into, m) })
	return into
}

func (b *Session) appendNews(into []byte, m *core.Machine) []byte {
	t := &b.told
	// A day that ended since it was looked at: its last reports, its end, and only then what is of the new day.
	ending := t.day != 0 && t.day != m.Day() && t.finished != t.day
	count, more := 0, false
	for i := range b.next {
		last := uint64(math.MaxUint64)
		if ending {
			last = m.FirstToday(b.pbu, uint32(i+1))
		}
		m.Reports(b.pbu, uint32(i+1), b.next[i], func(r *core.Report) bool {
			if count >= batchReports || r.Index >= last {
				more = more || r.Index < last
				return false
			}
			count++
			into = appendReport(into, m, r)
			b.next[i] = r.Index + 1
			return true
		})
	}
	switch {
	case more:
		return into
	case ending:
		t.finished = t.day
		return b.appendEnd(into, m, m.FirstToday)
	}
	return b.appendPhases(into, m)
}

// appendPhases appends the phases that the broker was not told, and the end of the day's reports.
func (b *Session) appendPhases(frames []byte, m *core.Machine) []byte {
	t := &b.told
	if m.Day() == 0 {
		return frames
	}
	closed := true
	for v := trade.SSE; v <= trade.BSE; v++ {
		phase := m.VenuePhase(v)
		closed = closed && phase == trade.Closed
		if t.day == m.Day() && t.phases[v] == phase {
			continue
		}
		start, err := szse.FromTime(startOf(m))
		if err != nil {
			continue
		}
		var s szse.TradingSessionStatus
		if s.SetPhase(v, phase, start, 0) == nil {
			frames = s.Append(frames)
		}
		t.phases[v] = phase
	}
	t.day = m.Day()
	if closed && t.finished != m.Day() {
		t.finished = m.Day()
		frames = b.appendEnd(frames, m, func(p core.PBU, partition uint32) uint64 {
			_, next := m.Kept(p, partition)
			return next
		})
	}
	return frames
}

// appendEnd appends the end of a day's reports; next is the index that follows the last one on a partition.
func (b *Session) appendEnd(frames []byte, m *core.Machine, next func(core.PBU, uint32) uint64) []byte {
	for p := uint32(1); p <= m.Partitions(); p++ {
		end := szse.ReportFinished{PartitionNo: int32(p), ReportIndex: int64(next(b.pbu, p) - 1),
			PlatformID: szse.PlatformAuction}
		frames = end.Append(frames)
	}
	return frames
}

// execType is what a report's type is on the wire.
func execType(t trade.ReportType) byte {
	switch t {
	case trade.OrderRejectedReport:
		return szse.ExecRejected
	case trade.OrderCancelledReport:
		return szse.ExecCancelled
	}
	return szse.ExecNew
}

func statusByte(s trade.OrderStatus) byte {
	switch s {
	case trade.PartlyFilled:
		return szse.StatusPartlyFilled
	case trade.Filled:
		return szse.StatusFilled
	case trade.Cancelled, trade.Expired:
		return szse.StatusCancelled
	case trade.Rejected:
		return szse.StatusRejected
	}
	return szse.StatusNew
}

// appendReport appends a report of the books as the wire has it.
func appendReport(frames []byte, m *core.Machine, r *core.Report) []byte {
	head := szse.ReportHead{PartitionNo: int32(r.Partition), ReportIndex: int64(r.Index), ReportingPBUID: r.PBU,
		SubmittingPBUID: r.PBU, SecurityID: r.Security, OwnerType: szse.OwnerInvestor}
	copy(head.ApplID[:], szse.ApplAuction)
	if n, ok := m.Find(r.Security); ok {
		q := m.Quote(n)
		head.SecurityIDSource, _ = szse.SourceOf(q.Listing.Venue)
	}
	head.TransactTime, _ = szse.FromTime(r.Time)
	side, err := szse.SideByte(r.Side)
	if err != nil {
		side = szse.SideBuy // of a cancel for an unknown order: there is none
	}
	switch r.Type {
	case trade.CancelRejectedReport:
		c := szse.CancelReject{ReportHead: head, ClOrdID: r.ClOrdID, OrigClOrdID: r.OrigClOrdID, Side: side,
			OrdStatus: statusByte(r.Status), CxlRejReason: uint16(r.Reason), OrderID: r.OrderID()}
		return c.Append(frames)
	case trade.TradeReport:
		t := szse.ExecutionReport{ReportHead: head, OrderID: r.OrderID(), ClOrdID: r.ClOrdID, ExecID: r.ExecID(),
			ExecType: szse.ExecTrade, OrdStatus: statusByte(r.Status), LastPx: r.LastPrice, LastQty: onWire(r.LastQuantity),
			LeavesQty: onWire(r.Leaves), CumQty: onWire(r.Filled), Side: side, AccountID: r.Account,
			CashMargin: szse.CashMarginCash}
		return t.Append(frames)
	}
	c := szse.ExecutionConfirm{ReportHead: head, OrderID: r.OrderID(), ClOrdID: r.ClOrdID, OrigClOrdID: r.OrigClOrdID,
		ExecID: r.ExecID(), ExecType: execType(r.Type), OrdStatus: statusByte(r.Status), OrdRejReason: uint16(r.Reason),
		LeavesQty: onWire(r.Leaves), CumQty: onWire(r.Filled), Side: side, OrderQty: onWire(r.Quantity), Price: r.Price,
		AccountID: r.Account}
	if terms, err := szse.TermsOf(r.OrderType, c.OrderQty); err == nil {
		c.ApplID, c.OrdType, c.TimeInForce = terms.ApplID, terms.OrdType, terms.TimeInForce
		c.MaxPriceLevels, c.MinQty = terms.MaxPriceLevels, terms.MinQty
	}
	c.CashMargin = szse.CashMarginCash
	return c.Append(frames)
}

// onWire is a quantity of the books, which came from the wire or is part of one that did: it fits.
func onWire(q money.Quantity) szse.Qty { return szse.Qty(q) * szse.QtyScale }
