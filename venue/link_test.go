package venue

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"evenkeel/core/trade"
	"evenkeel/szse"
)

func TestOrdersReachTheExchange(t *testing.T) {
	g, b := newGateway(), newBooks(t)
	l := b.link(t, g.listen(t), nil)
	l.Start()
	b.place(1, 20)
	want := wanted(1, 20)
	b.until(t, "all reports", func() bool { return len(b.history) == len(want) })
	b.agree(t, g, want)
	b.place(21, 10)
	want = wanted(1, 30)
	b.until(t, "all reports of later orders", func() bool { return len(b.history) == len(want) })
	b.agree(t, g, want)
	s := l.Status()
	if s.Outbox != 0 || s.Sent != 40 || s.Applied != uint64(len(want)) || s.Sessions != 1 || s.Duplicates != 0 ||
		!s.Connected || !s.Started || s.LastMessage.IsZero() || s.Ready() != nil {
		t.Errorf("status %+v", s)
	}
	l.Close()
	if s := l.Status(); s.Started || s.Connected {
		t.Errorf("status after Close %+v", s)
	}
	if order := g.got; !slices.IsSortedFunc(order, func(a, b string) int { return strings.Compare(a[1:], b[1:]) }) {
		t.Errorf("requests came out of order: %q", order)
	}
}

// TestCutAnywhere breaks the first connection at every message boundary and within every message, in both directions.
// However it breaks, every request is taken once and every report is applied once.
func TestCutAnywhere(t *testing.T) {
	const orders = 4
	want := wanted(1, orders)
	logon := len((&szse.Logon{}).Append(nil))
	order, cancel := len((&szse.NewOrder{}).Append(nil)), len((&szse.OrderCancelRequest{}).Append(nil))
	sync := len((&szse.ReportSynchronization{Points: make([]szse.SyncPoint, testPartitions)}).Append(nil))
	toGateway := []int{logon, sync, order, order, order, cancel, order}
	hello := []int{logon, len((&szse.PlatformStateInfo{}).Append(nil)),
		len((&szse.PlatformInfo{Partitions: make([]int32, testPartitions)}).Append(nil))}
	confirm, fill := len((&szse.ExecutionConfirm{}).Append(nil)), len((&szse.ExecutionReport{}).Append(nil))
	refuse := len((&szse.CancelReject{}).Append(nil))
	fromGateway := append(hello, confirm, fill, confirm, fill, confirm, fill, refuse, confirm, fill)
	run := func(read, write int) {
		g, b := newGateway(), newBooks(t)
		g.carry = func(session int, c net.Conn) net.Conn {
			if session > 1 {
				return c
			}
			return &cutConn{Conn: c, read: read, write: write}
		}
		b.place(1, orders)
		l := b.link(t, g.listen(t), nil)
		l.Start()
		b.until(t, fmt.Sprintf("all reports, cut after reading %d or writing %d", read, write),
			func() bool { return len(b.history) == len(want) })
		b.agree(t, g, want)
		l.Close()
	}
	for _, cut := range cuts(toGateway) {
		run(cut, -1)
	}
	for _, cut := range cuts(fromGateway) {
		run(-1, cut)
	}
}

// cuts are the boundaries of messages of these sizes, and places within them.
func cuts(sizes []int) []int {
	var list []int
	at := 0
	for _, size := range sizes {
		list = append(list, at, at+1, at+szse.HeadSize, at+size/2, at+size-1)
		at += size
	}
	return append(list, at)
}

// TestStorm breaks every connection after a random number of bytes, many times.
func TestStorm(t *testing.T) {
	const orders = 300
	g, b := newGateway(), newBooks(t)
	random := rand.New(rand.NewPCG(1, 2))
	g.carry = func(session int, c net.Conn) net.Conn {
		return &cutConn{Conn: c, read: 300 + random.IntN(6000), write: 300 + random.IntN(6000)}
	}
	l := b.link(t, g.listen(t), func(o *Options) { o.InFlight = 7 })
	b.place(1, orders)
	l.Start()
	want := wanted(1, orders)
	b.until(t, "all reports", func() bool { return len(b.history) >= len(want) })
	b.agree(t, g, want)
	s := l.Status()
	t.Logf("%d sessions, %d requests sent for %d, %d again, %d spared", s.Sessions, s.Sent, orders+orders/3, s.Resent,
		s.Spared)
	if s.Sessions < 10 || s.Resent == 0 || s.Spared == 0 || s.Synchronised == 0 {
		t.Errorf("the storm was no storm: %+v", s)
	}
}

// TestGapIsRefused has the gateway lose a report on its first session: nothing behind the hole is proposed.
func TestGapIsRefused(t *testing.T) {
	g, b := newGateway(), newBooks(t)
	g.rewrite = func(session, p int, index int64, frame []byte) []byte {
		if session == 1 && p == 1 && index == 2 {
			return nil
		}
		return frame
	}
	l := b.link(t, g.listen(t), nil)
	b.place(1, 6)
	l.Start()
	want := wanted(1, 6)
	b.until(t, "all reports", func() bool { return len(b.history) == len(want) })
	b.agree(t, g, want)
	if s := l.Status(); !errors.Is(s.LastError, ErrGap) || s.Sessions != 2 || b.gaps != 0 {
		t.Errorf("%d proposed behind the hole, status %+v", b.gaps, s)
	}
}

// TestBooksMissAReport: a report is lost behind the link's back. The books refuse what follows, and the link asks
// again.
func TestBooksMissAReport(t *testing.T) {
	g, b := newGateway(), newBooks(t)
	count := 0
	b.swallow = true
	b.spoil = func(*trade.Command) bool { count++; return count == 4 }
	l := b.link(t, g.listen(t), nil)
	b.place(1, 6)
	l.Start()
	want := wanted(1, 6)
	b.until(t, "all reports", func() bool { return len(b.history) == len(want) })
	b.agree(t, g, want)
	if s := l.Status(); !errors.Is(s.LastError, ErrGap) || s.Sessions < 2 || b.gaps == 0 {
		t.Errorf("%d gaps, status %+v", b.gaps, s)
	}
}

// TestRepeatedReport has the gateway send a report twice in one session: the second one changes nothing.
func TestRepeatedReport(t *testing.T) {
	g, b := newGateway(), newBooks(t)
	g.rewrite = func(_, _ int, _ int64, frame []byte) []byte { return append(slices.Clone(frame), frame...) }
	l := b.link(t, g.listen(t), nil)
	b.place(1, 6)
	l.Start()
	want := wanted(1, 6)
	b.until(t, "all reports", func() bool { return len(b.history) == len(want) })
	b.agree(t, g, want)
	l.Close()
	if s := l.Status(); s.Repeated == 0 || s.Sessions != 1 || b.repeats != 0 {
		t.Errorf("%d were proposed again, status %+v", b.repeats, s)
	}
}

// TestLostHistory: the exchange has fewer reports than the books. The link must say so, not skip what comes.
func TestLostHistory(t *testing.T) {
	for name, rewrite := range map[string]func(int, int, int64, []byte) []byte{
		"the gateway refuses the point": nil,
		"the gateway starts anew": func(_, p int, _ int64, _ []byte) []byte {
			m := szse.CancelReject{ReportHead: szse.ReportHead{PartitionNo: int32(p), ReportIndex: 1}}
			return m.Append(nil)
		},
	} {
		g, b := newGateway(), newBooks(t)
		g.rewrite = rewrite
		want := ErrLogout
		if rewrite != nil {
			g.log = [2][][]byte{make([][]byte, 10), make([][]byte, 10)}
			want = ErrGap
		}
		b.outbox.Learn(&trade.Event{Kind: trade.ReportTaken, Report: trade.ReportPlace{Partition: 1, Index: 9}})
		b.outbox.Learn(&trade.Event{Kind: trade.ReportTaken, Report: trade.ReportPlace{Partition: 2, Index: 9}})
		l := b.link(t, g.listen(t), nil)
		l.Start()
		eventually(t, name, func() bool { return errors.Is(l.Status().LastError, want) })
		if len(b.history) != 0 {
			t.Errorf("%s: applied %q", name, b.history)
		}
		l.Stop()
	}
}

// eventually polls a condition that no event announces.
func eventually(t testing.TB, what string, ready func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ready() {
		select {
		case <-deadline:
			t.Fatalf("waited too long for: %s", what)
		case <-tick.C:
		}
	}
}

// TestSlowLog: when the log takes nothing, the link stops reading after what the window and the queue hold, and goes
// on where it was when the log goes on.
func TestSlowLog(t *testing.T) {
	g, b := newGateway(), newBooks(t)
	b.limit, b.held = 3, true
	l := b.link(t, g.listen(t), func(o *Options) { o.InFlight = 5 })
	const orders = 200
	b.place(1, orders)
	l.Start()
	b.until(t, "a full queue", func() bool { return b.fulls > 0 })
	eventually(t, "all requests at the gateway", func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return len(g.got) == orders+orders/3
	})
	if s := l.Status(); s.InFlight > 5 || s.LogFull == 0 || s.Applied != 0 {
		t.Errorf("status %+v", s)
	}
	b.mu.Lock()
	b.held = false
	b.cond.Broadcast()
	b.mu.Unlock()
	want := wanted(1, orders)
	b.until(t, "all reports", func() bool { return len(b.history) == len(want) })
	b.agree(t, g, want)
}

// TestUnknownOutcome: the log loses some commands. The session ends, and the next one asks from what was applied.
func TestUnknownOutcome(t *testing.T) {
	g, b := newGateway(), newBooks(t)
	count := 0
	b.spoil = func(*trade.Command) bool { count++; return count%5 == 0 }
	l := b.link(t, g.listen(t), nil)
	b.place(1, 40)
	l.Start()
	want := wanted(1, 40)
	b.until(t, "all reports", func() bool { return len(b.history) == len(want) })
	b.agree(t, g, want)
	if s := l.Status(); s.Sessions < 2 {
		t.Errorf("status %+v", s)
	}
}

// TestStopIsAFence: after Stop nothing more reaches the exchange; a second node then sends the rest.
func TestStopIsAFence(t *testing.T) {
	g, b := newGateway(), newBooks(t)
	address := g.listen(t)
	old, next := b.link(t, address, nil), b.link(t, address, nil)
	old.Start()
	old.Start() // changes nothing
	b.place(1, 5)
	b.until(t, "the first reports", func() bool { return len(b.history) == len(wanted(1, 5)) })
	old.Stop()
	old.Stop()
	g.mu.Lock()
	sessions, requests := g.sessions, len(g.got)
	g.mu.Unlock()
	b.place(6, 5)
	if s := old.Status(); s.Started || s.Connected || s.Outbox != 7 || s.Ready() != nil {
		t.Errorf("status %+v", s)
	}
	g.mu.Lock()
	if g.sessions != sessions || len(g.got) != requests {
		t.Errorf("after Stop: %d sessions and %d requests, before %d and %d", g.sessions, len(g.got), sessions, requests)
	}
	g.mu.Unlock()
	next.Start()
	want := wanted(1, 10)
	b.until(t, "all reports", func() bool { return len(b.history) == len(want) })
	b.agree(t, g, want)
	next.Stop()
	old.Start()
	b.place(11, 2)
	want = wanted(1, 12)
	b.until(t, "all reports", func() bool { return len(b.history) == len(want) })
	b.agree(t, g, want)
}

func TestWrongPassword(t *testing.T) {
	g, b := newGateway(), newBooks(t)
	g.password = "another"
	l := b.link(t, g.listen(t), nil)
	b.place(1, 1)
	l.Start()
	eventually(t, "a refused logon", func() bool { return l.Status().Reconnects >= 3 })
	s := l.Status()
	err := s.Ready()
	if !errors.Is(err, ErrLogout) || !errors.Is(err, ErrNotConnected) || s.Sessions != 0 || len(g.got) != 0 {
		t.Errorf("%v, status %+v", err, s)
	}
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("the password is in %q", err)
	}
}

// TestThrottled: what the exchange refuses for now is sent again until it is taken.
func TestThrottled(t *testing.T) {
	g, b := newGateway(), newBooks(t)
	g.reject = func(id string, times int) uint16 {
		switch {
		case id == "N0000000002" && times <= 2:
			return szse.RejectThrottled
		case id == "N0000000004" && times <= 1:
			return szse.RejectNotOpen
		case id == "N0000000006" && times < RefusalTries:
			return 31999
		}
		return 0
	}
	l := b.link(t, g.listen(t), nil)
	b.place(1, 4)
	l.Start()
	want := wanted(1, 4)
	b.until(t, "all reports", func() bool { return len(b.history) == len(want) })
	b.agree(t, g, want)
	if s := l.Status(); s.Throttled != 2+1+RefusalTries-1 || s.Refused != 0 || s.Sessions != 1 {
		t.Errorf("status %+v", s)
	}
}

// TestRefused: what the exchange will never take is refused in the books, and never sent again, even when the log lost
// the refusal and the connection was lost with it.
func TestRefused(t *testing.T) {
	g, b := newGateway(), newBooks(t)
	g.reject = func(id string, _ int) uint16 {
		switch id {
		case "N0000000002":
			return szse.RejectUnknownSecurity
		case "N0000000004":
			return szse.RejectUnreadable
		case "N0000000006":
			return 31999
		}
		return 0
	}
	sent := map[string]int{}                // how often a request had been sent when its refusal came to the log
	b.spoil = func(c *trade.Command) bool { // each refusal is lost once
		if c.Report.Type != trade.RefusedReport {
			return false
		}
		id, _ := szse.ClOrdID(c.Report.Request)
		name := "N" + string(id[:])
		_, again := sent[name]
		if !again {
			g.mu.Lock()
			sent[name] = g.times[name]
			g.mu.Unlock()
		}
		return !again
	}
	l := b.link(t, g.listen(t), nil)
	b.place(1, 2)
	o := trade.Outgoing{Request: 6, Order: 6, Security: 1, Side: trade.Buy, Type: trade.Limit, Price: 1, Quantity: 1,
		Day: testDay, Time: testTime}
	b.outbox.Add(o)
	o.Request, o.Order, o.Security = 8, 8, 99 // a security without a listing has no form at the exchange
	b.outbox.Add(o)
	o.Request, o.Order, o.Security = 10, 10, 1
	b.outbox.Add(o)
	l.Start()
	b.until(t, "all answers", func() bool { return b.outbox.Len() == 0 && len(b.history) == 6 })
	got := slices.Clone(b.history)
	slices.Sort(got)
	want := []string{"1 000000000A 0", "3 000000000A 1", "6 0000000002 0", "6 0000000004 0", "6 0000000006 0",
		"6 0000000008 0"}
	if !slices.Equal(got, want) {
		t.Errorf("the books have %q, want %q", got, want)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for name, times := range sent {
		if g.times[name] != times {
			t.Errorf("%s was sent %d times, %d of them after it had been refused for good", name, g.times[name],
				g.times[name]-times)
		}
	}
	if len(sent) != 4 || sent["N0000000002"] == 0 || sent["N0000000006"] < RefusalTries || sent["N0000000008"] != 0 {
		t.Errorf("sent %v", sent)
	}
	if s := l.Status(); s.Refused != 4 {
		t.Errorf("status %+v", s)
	}
}

// TestDays: the trading day and the phases come to the books in their place between the reports, even when the log
// loses the reports just before them.
func TestDays(t *testing.T) {
	g, b := newGateway(), newBooks(t)
	start := szse.Timestamp(20260707_093000_000)
	phase := func(p trade.Phase, at szse.Timestamp) []byte {
		var m szse.TradingSessionStatus
		if err := m.SetPhase(trade.SSE, p, at, 0); err != nil {
			t.Error(err)
		}
		return m.Append(nil)
	}
	g.rewrite = func(session, p int, index int64, frame []byte) []byte {
		frame = slices.Clone(frame)
		if p == 1 && index == 2 { // after the first order's two reports
			frame = append(frame, phase(trade.Continuous, start)...)
			frame = append(frame, phase(trade.Lunch, start)...)
		}
		if p == 1 && index == 4 {
			frame = (&szse.ReportFinished{PartitionNo: 1, ReportIndex: 4, PlatformID: 1}).Append(frame)
			for range 2 { // said twice, meant once
				frame = (&szse.ReportFinished{PartitionNo: 2, ReportIndex: 0, PlatformID: 1}).Append(frame)
			}
			frame = append(frame, phase(trade.BeforeOpen, start+1_000_000_000)...)
		}
		return frame
	}
	lost := map[uint64]bool{}
	b.spoil = func(c *trade.Command) bool {
		i := c.Report.Index
		first := c.Kind == trade.ReportKind && i%2 == 0 && !lost[i]
		lost[i] = lost[i] || first
		return first
	}
	for id := trade.OrderID(2); id <= 4; id += 2 {
		b.outbox.Add(trade.Outgoing{Request: id, Order: id, Security: 2, Side: trade.Buy, Type: trade.Limit, Price: 1,
			Quantity: 100, Day: testDay, Time: testTime})
	}
	l := b.link(t, g.listen(t), nil)
	l.Start()
	want := []string{"1 0000000002 0", "3 0000000002 100", "start 20260707", "phase 5 of 1", "phase 6 of 1",
		"1 0000000004 0", "3 0000000004 100", "end 20260707", "start 20260708", "phase 1 of 1"}
	b.until(t, "all of the day", func() bool { return len(b.history) == len(want) })
	if !slices.Equal(b.history, want) {
		t.Errorf("the books have\n%q\nwant\n%q", b.history, want)
	}
}

// TestFinishedTooEarly: a day that ends with reports missing does not end.
func TestFinishedTooEarly(t *testing.T) {
	g, b := newGateway(), newBooks(t)
	g.rewrite = func(session, p int, index int64, frame []byte) []byte {
		if session > 1 {
			return frame
		}
		return (&szse.ReportFinished{PartitionNo: 1, ReportIndex: 9, PlatformID: 1}).Append(nil)
	}
	b.place(1, 2)
	l := b.link(t, g.listen(t), nil)
	l.Start()
	want := wanted(1, 2)
	b.until(t, "all reports", func() bool { return len(b.history) == len(want) })
	b.agree(t, g, want)
	if s := l.Status(); !errors.Is(s.LastError, ErrGap) {
		t.Errorf("status %+v", s)
	}
}
