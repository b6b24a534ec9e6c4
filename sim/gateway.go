package sim

import (
	"math"
	"time"

	core "evenkeel/core/exchange"
	"evenkeel/core/trade"
	"evenkeel/exchange"
	"evenkeel/szse"
)

// A gateway is one session of the broker with the exchange, from the exchange's side.
type gateway struct {
	market   *market
	stream   *stream
	in       []byte
	pbu      core.PBU
	logged   bool
	over     bool
	next     []uint64 // report to send, by partition-1; nil before synchronisation
	frames   []byte
	phases   [trade.BSE + 1]trade.Phase
	day      trade.Day // of the phases
	finished trade.Day
}

// accept takes a connection.
func (m *market) accept(s *stream) {
	g := &gateway{market: m, stream: s, pbu: unit(brokerUnit)}
	s.ends[1].take = g.receive
	s.ends[1].ended = func() { g.over = true }
	g.beat()
}

func (g *gateway) beat() {
	g.market.after(time.Second, processTag, func() {
		if !g.over {
			if g.logged {
				g.frames = (&szse.Heartbeat{}).Append(g.frames)
				g.flush()
			}
			g.beat()
		}
	})
}

func (g *gateway) receive(b []byte) {
	g.in = append(g.in, b...)
	for !g.over {
		frame, size, err := szse.ParseFrame(g.in)
		if err != nil {
			g.market.world.fail("the exchange cannot read its broker: %v", err)
			return
		}
		if size == 0 {
			break
		}
		if err := g.take(frame); err != nil {
			g.market.world.fail("the broker broke the protocol: %v", err)
			return
		}
		g.in = g.in[:copy(g.in, g.in[size:])]
	}
	g.market.poke()
}

func (g *gateway) take(f szse.Frame) error {
	switch f.Type {
	case szse.TypeLogon:
		return g.logon(f.Body)
	case szse.TypeReportSynchronization:
		var m szse.ReportSynchronization
		if err := m.Decode(f.Body); err != nil {
			return err
		}
		g.next = make([]uint64, g.market.world.mix.partition)
		for _, p := range m.Points {
			first, end := g.market.books.core.Kept(g.pbu, uint32(p.PartitionNo))
			if p.ReportIndex < int64(first) || p.ReportIndex > int64(end) {
				g.market.world.fail("partition %d: report %d was asked for, kept are %d to %d", p.PartitionNo, p.ReportIndex,
					first, end-1)
			}
			g.next[p.PartitionNo-1] = uint64(p.ReportIndex)
		}
	case szse.TypeNewOrder:
		var m szse.NewOrder
		if err := m.Decode(f.Body); err != nil {
			return err
		}
		c := core.NewOrder{PBU: g.pbu, ClOrdID: m.ClOrdID, Account: m.AccountID, Security: m.SecurityID,
			Day: m.TransactTime.Day(), Price: m.Price}
		c.Side, _ = szse.SideOf(m.Side)
		c.Type, _ = m.Terms().OrderType(m.OrderQty)
		c.Quantity, _ = m.OrderQty.Shares()
		g.submit(&c, m.OrderHead, szse.TypeNewOrder)
	case szse.TypeOrderCancelRequest:
		var m szse.OrderCancelRequest
		if err := m.Decode(f.Body); err != nil {
			return err
		}
		g.submit(&core.Cancel{PBU: g.pbu, ClOrdID: m.ClOrdID, OrigClOrdID: m.OrigClOrdID, Security: m.SecurityID,
			Day: m.TransactTime.Day()}, m.OrderHead, szse.TypeOrderCancelRequest)
	case szse.TypeLogout:
		g.end()
	}
	return nil
}

// logon makes this the unit's only session.
func (g *gateway) logon(body []byte) error {
	var m szse.Logon
	if err := m.Decode(body); err != nil {
		return err
	}
	w := g.market.world
	if old := g.market.gate; old != nil && !old.over {
		logout := szse.Logout{SessionStatus: szse.LogoutAlreadyOn}
		old.frames = logout.Append(old.frames)
		old.flush()
		old.end()
	}
	g.market.gate = g
	w.counts.Sessions++
	g.logged = true
	answer := szse.Logon{HeartBtInt: m.HeartBtInt, SenderCompID: m.TargetCompID, TargetCompID: m.SenderCompID,
		DefaultApplVerID: m.DefaultApplVerID}
	g.frames = answer.Append(g.frames)
	state := szse.PlatformStateInfo{PlatformID: szse.PlatformAuction, PlatformState: szse.PlatformOpen}
	g.frames = state.Append(g.frames)
	info := szse.PlatformInfo{PlatformID: szse.PlatformAuction}
	for p := range w.mix.partition {
		info.Partitions = append(info.Partitions, int32(p+1))
	}
	g.frames = info.Append(g.frames)
	return nil
}

func (g *gateway) end() {
	g.over = true
	g.stream.close(1)
}

// submit hands a request to the exchange's log.
func (g *gateway) submit(c core.Command, head szse.OrderHead, kind szse.MsgType) {
	if g.market.gate != g {
		g.market.world.fail("an older session's request enters the exchange's log")
	}
	g.market.world.counts.Orders++
	err := g.market.group.Group().Submit(core.AppendCommand(nil, c), func(a core.Answer, err error) {
		switch {
		case err != nil:
			g.end()
		case a.Reason == trade.DuplicateOrder:
			g.reject(&head, kind, szse.RejectDuplicate)
		}
	})
	if err != nil {
		g.reject(&head, kind, szse.RejectNotOpen)
	}
}

func (g *gateway) reject(head *szse.OrderHead, kind szse.MsgType, why uint16) {
	m := szse.BusinessReject{ApplID: head.ApplID, SubmittingPBUID: head.SubmittingPBUID, SecurityID: head.SecurityID,
		SecurityIDSource: head.SecurityIDSource, RefMsgType: kind, BusinessRejectRefID: head.ClOrdID,
		BusinessRejectReason: why, TransactTime: head.TransactTime}
	g.frames = m.Append(g.frames)
}

// flush writes what there is to say: refusals, reports, phases.
func (g *gateway) flush() {
	if g.next != nil && !g.over {
		g.collect()
	}
	g.stream.write(1, g.frames)
	g.frames = g.frames[:0]
}

// collect appends reports from where the broker is, each partition's in order, and what follows them.
func (g *gateway) collect() {
	m := g.market.books.core
	ending := g.day != 0 && g.day != m.Day() && g.finished != g.day
	for i := range g.next {
		last := uint64(math.MaxUint64)
		if ending {
			last = m.FirstToday(g.pbu, uint32(i+1))
		}
		m.Reports(g.pbu, uint32(i+1), g.next[i], func(r *core.Report) bool {
			if r.Index >= last {
				return false
			}
			g.market.world.counts.Reports++
			g.frames = exchange.AppendReport(g.frames, m, r)
			g.next[i] = r.Index + 1
			return true
		})
	}
	if ending {
		g.finished = g.day
		g.appendEnd(m)
		g.collect()
		return
	}
	if m.Day() == 0 {
		return
	}
	closed := true
	for v := trade.SSE; v <= trade.BSE; v++ {
		phase := m.VenuePhase(v)
		closed = closed && phase == trade.Closed
		if g.day == m.Day() && g.phases[v] == phase {
			continue
		}
		start, err := szse.FromTime(m.Now())
		if err != nil {
			continue
		}
		start = start.On(m.Day())
		var s szse.TradingSessionStatus
		if s.SetPhase(v, phase, start, 0) == nil {
			g.frames = s.Append(g.frames)
		}
		g.phases[v] = phase
	}
	g.day = m.Day()
	if closed && g.finished != m.Day() {
		g.finished = m.Day()
		g.appendEnd(m)
	}
}

// appendEnd says which reports were the day's last.
func (g *gateway) appendEnd(m *core.Machine) {
	for i, next := range g.next {
		end := szse.ReportFinished{PartitionNo: int32(i + 1), ReportIndex: int64(next - 1), PlatformID: szse.PlatformAuction}
		g.frames = end.Append(g.frames)
	}
	_ = m
}
