package exchange

import (
	"context"
	"math"
	"time"

	core "evenkeel/core/exchange"
	"evenkeel/core/money"
	"evenkeel/core/trade"
	"evenkeel/szse"
)

// batchReports is how many reports are copied under the lock at once.
const batchReports = 512

// told is what a session's writer has sent besides reports.
type told struct {
	phases   map[trade.Venue]trade.Phase
	day      trade.Day // of the phases
	finished trade.Day // whose end was told
}

// write sends reports, phases, refusals and heartbeats until the session is over.
func (b *session) write(ctx context.Context) {
	beat := time.NewTicker(b.heartbeat)
	defer beat.Stop()
	t := told{phases: map[trade.Venue]trade.Phase{}}
	var frames []byte
	for {
		idle := false
		select {
		case <-ctx.Done():
			b.end()
		case <-b.news:
		case <-beat.C:
			idle = true
		}
		for more := true; more; {
			frames, more = b.collect(frames[:0], &t)
			if len(frames) > 0 && !b.send(frames) {
				return
			}
			idle = idle && len(frames) == 0
		}
		if status, over := b.why(); over != nil {
			m := szse.Logout{SessionStatus: status}
			szse.ClipText(m.Text[:], over.Error())
			b.send(m.Append(frames[:0]))
			return
		}
		if idle && !b.send((&szse.Heartbeat{}).Append(frames[:0])) {
			return
		}
	}
}

func (b *session) send(frames []byte) bool {
	limit := WriteTime
	if _, over := b.why(); over != nil {
		limit = LogoutTime
	}
	_ = b.conn.SetWriteDeadline(time.Now().Add(limit))
	if _, err := b.conn.Write(frames); err != nil {
		b.stop(err, szse.LogoutDone)
		return false
	}
	return true
}

// collect appends what there is to send. Reports come before the phase that followed them: both are read at one
// moment.
func (b *session) collect(frames []byte, t *told) (_ []byte, more bool) {
	b.mu.Lock()
	for _, f := range b.refusals {
		frames = append(frames, f...)
		<-b.unanswered
	}
	b.refusals = b.refusals[:0]
	next := b.next
	b.mu.Unlock()
	if next == nil {
		return frames, false // nothing else before the broker has said where it is
	}
	m := b.server.machine
	m.mu.RLock()
	defer m.mu.RUnlock()
	// A day that ended since it was looked at: its last reports, its end, and only then what is of the new day.
	ending := t.day != 0 && t.day != m.core.Day() && t.finished != t.day
	count := 0
	for i := range next {
		last := uint64(math.MaxUint64)
		if ending {
			last = m.core.FirstToday(b.pbu, uint32(i+1))
		}
		m.core.Reports(b.pbu, uint32(i+1), next[i], func(r *core.Report) bool {
			if count >= batchReports || r.Index >= last {
				more = more || r.Index < last
				return false
			}
			count++
			frames = appendReport(frames, m.core, r)
			next[i] = r.Index + 1
			return true
		})
	}
	switch {
	case more:
		return frames, true
	case ending:
		t.finished = t.day
		return b.appendEnd(frames, m.core, m.core.FirstToday), true
	}
	return b.appendPhases(frames, m.core, t), false
}

// appendPhases appends the phases that the broker was not told, and the end of the day's reports.
func (b *session) appendPhases(frames []byte, m *core.Machine, t *told) []byte {
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
func (b *session) appendEnd(frames []byte, m *core.Machine, next func(core.PBU, uint32) uint64) []byte {
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

// AppendReport appends a report of the books as the wire has it.
func AppendReport(frames []byte, m *core.Machine, r *core.Report) []byte {
	return appendReport(frames, m, r)
}
