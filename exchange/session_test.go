package exchange

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	core "evenkeel/core/exchange"
	"evenkeel/core/trade"
	"evenkeel/szse"
)

func TestLogonRefused(t *testing.T) {
	s := open(t, Config{Dir: t.TempDir()})
	for name, test := range map[string]struct {
		change func(*szse.Logon)
		status int32
	}{
		"wrong password": {func(m *szse.Logon) { szse.SetText(m.Password[:], "secret-b") }, szse.LogoutWrongPassword},
		"unknown unit":   {func(m *szse.Logon) { szse.SetText(m.SenderCompID[:], "NOBODY") }, szse.LogoutWrongPassword},
		"players":        {func(m *szse.Logon) { szse.SetText(m.SenderCompID[:], "PLAYER") }, szse.LogoutWrongPassword},
		"wrong target":   {func(m *szse.Logon) { szse.SetText(m.TargetCompID[:], "OTHER") }, szse.LogoutWrongTarget},
		"heartbeat 0":    {func(m *szse.Logon) { m.HeartBtInt = 0 }, szse.LogoutProtocolError},
		"heartbeat 61":   {func(m *szse.Logon) { m.HeartBtInt = 61 }, szse.LogoutProtocolError},
	} {
		conn := dial(t, s.OrdersAddress())
		b := &broker{t: t, conn: conn, in: szse.NewReader(conn)}
		m := logonOf(testUnits[0])
		test.change(m)
		b.send(m)
		if got, ok := b.next().(*szse.Logout); !ok || got.SessionStatus != test.status {
			t.Errorf("%s: %+v, want status %d", name, got, test.status)
		} else if strings.Contains(szse.Text(got.Text[:]), "secret") {
			t.Errorf("%s: the answer tells a password: %s", name, got.Text)
		}
		if _, err := b.read(); !errors.Is(err, io.EOF) {
			t.Errorf("%s: the connection stays: %v", name, err)
		}
	}
	conn := dial(t, s.OrdersAddress())
	b := &broker{t: t, conn: conn, in: szse.NewReader(conn), unit: testUnits[0], day: testDay}
	b.send(b.order("600000", "1", trade.Buy, 100, 10_0000))
	if got, ok := b.next().(*szse.Logout); !ok || got.SessionStatus != szse.LogoutProtocolError {
		t.Errorf("an order before the logon: %+v", got)
	}
}

func TestUnitsRefused(t *testing.T) {
	for name, units := range map[string][]Unit{
		"no name": {{PBU: "A"}}, "no PBU": {{CompID: "A"}}, "long PBU": {{CompID: "A", PBU: "1234567"}},
		"of the players": {{CompID: "A", PBU: "PLAYER"}}, "PBU twice": {{CompID: "A", PBU: "1"}, {CompID: "B", PBU: "1"}},
		"name twice": {{CompID: "A", PBU: "1"}, {CompID: "A", PBU: "2"}}, "not ASCII": {{CompID: "A", PBU: "é"}},
	} {
		if s, err := Open(Config{Dir: t.TempDir(), Units: units}); err == nil {
			t.Errorf("%s: taken", name)
			_ = s.Close()
		}
	}
	for _, address := range []string{"0.0.0.0:0", "localhost:0", "nonsense", "8.8.8.8:1"} {
		if s, err := Open(Config{Dir: t.TempDir(), Orders: address}); err == nil {
			t.Errorf("%s: taken", address)
			_ = s.Close()
		}
	}
}

func TestOrdersAndCancels(t *testing.T) {
	s := open(t, Config{Dir: t.TempDir()})
	phase(t, s, trade.Continuous)
	a, b := online(t, s, testUnits[0]), online(t, s, testUnits[1])

	a.send(a.order("600000", "1", trade.Buy, 500, 10_0000))
	accepted := *await[*szse.ExecutionConfirm](a)
	if accepted.ExecType != szse.ExecNew || szse.Text(accepted.ClOrdID[:]) != "1" || accepted.LeavesQty != 500_00 {
		t.Errorf("accepted: %+v", accepted)
	}
	b.send(b.order("600000", "1", trade.Sell, 200, 9_9900)) // the same ClOrdID of another unit
	if m := await[*szse.ExecutionReport](b); m.LastPx != 10_0000 || m.LastQty != 200_00 ||
		m.OrdStatus != szse.StatusFilled {
		t.Errorf("the seller's trade: %+v", m)
	}
	if m := await[*szse.ExecutionReport](a); m.LeavesQty != 300_00 || m.OrdStatus != szse.StatusPartlyFilled ||
		m.ReportIndex != accepted.ReportIndex+1 || m.OrderID != accepted.OrderID {
		t.Errorf("the buyer's trade: %+v", m)
	}
	a.send(a.order("600000", "1", trade.Buy, 500, 10_0000))
	if m := await[*szse.BusinessReject](a); m.BusinessRejectReason != szse.RejectDuplicate ||
		szse.Text(m.BusinessRejectRefID[:]) != "1" || m.RefMsgType != szse.TypeNewOrder {
		t.Errorf("a duplicate: %+v", m)
	}
	a.send(a.cancel("600000", "2", "1"))
	if m := await[*szse.ExecutionConfirm](a); m.ExecType != szse.ExecCancelled || m.OrdStatus != szse.StatusCancelled ||
		m.OrderQty-m.CumQty != 300_00 || szse.Text(m.OrigClOrdID[:]) != "1" || szse.Text(m.ClOrdID[:]) != "2" {
		t.Errorf("cancelled: %+v", m)
	}
	a.send(a.cancel("600000", "2", "1"))
	if m := await[*szse.BusinessReject](a); m.BusinessRejectReason != szse.RejectDuplicate ||
		m.RefMsgType != szse.TypeOrderCancelRequest {
		t.Errorf("a duplicate cancel: %+v", m)
	}
	a.send(a.cancel("600000", "3", "1"))
	if m := await[*szse.CancelReject](a); trade.Reason(m.CxlRejReason) != trade.OrderAlreadyDone {
		t.Errorf("a cancel that is too late: %+v", m)
	}
	a.send(a.cancel("600000", "4", "77"))
	if m := await[*szse.CancelReject](a); trade.Reason(m.CxlRejReason) != trade.UnknownOrder {
		t.Errorf("a cancel of nothing: %+v", m)
	}
	for id, test := range map[string]struct {
		change func(*szse.NewOrder)
		reason trade.Reason
	}{
		"10": {func(m *szse.NewOrder) { szse.SetText(m.SecurityID[:], "999999") }, trade.UnknownSecurity},
		"11": {func(m *szse.NewOrder) { m.TransactTime -= 1_000_000_000 }, trade.WrongDay},
		"12": {func(m *szse.NewOrder) { m.Price = 12_0000 }, trade.PriceAboveLimit},
		"13": {func(m *szse.NewOrder) { m.Price = 10_0050 }, trade.PriceNotOnTick},
		"14": {func(m *szse.NewOrder) { m.OrderQty = 150_00 }, trade.QuantityNotInLots},
		"15": {func(m *szse.NewOrder) { m.Price = 10_9900 }, trade.PriceOutsideCage},
		"16": {func(m *szse.NewOrder) { szse.SetText(m.SecurityID[:], "603999") }, trade.SecuritySuspended},
	} {
		m := a.order("600000", id, trade.Buy, 100, 10_0000)
		test.change(m)
		a.send(m)
		if m := await[*szse.ExecutionConfirm](a); m.ExecType != szse.ExecRejected || szse.Text(m.ClOrdID[:]) != id ||
			trade.Reason(m.OrdRejReason) != test.reason {
			t.Errorf("%s: %+v, want reason %d", id, m, test.reason)
		}
	}
	for name, change := range map[string]func(*szse.NewOrder){
		"side":     func(m *szse.NewOrder) { m.Side = 'x' },
		"type":     func(m *szse.NewOrder) { m.OrdType = '9' },
		"fraction": func(m *szse.NewOrder) { m.OrderQty = 150 },
		"unit":     func(m *szse.NewOrder) { szse.SetText(m.SubmittingPBUID[:], "EK0002") },
	} {
		m := a.order("600000", "20", trade.Buy, 100, 10_0000)
		change(m)
		a.send(m)
		if m := await[*szse.BusinessReject](a); m.BusinessRejectReason != szse.RejectUnreadable {
			t.Errorf("%s: %+v", name, m)
		}
	}
}

// TestResend sends the same orders again, more than a session may have unanswered at once: every one is refused as a
// duplicate, and the session lives.
func TestResend(t *testing.T) {
	s := open(t, Config{Dir: t.TempDir()})
	phase(t, s, trade.Continuous)
	const many = MaxUnanswered + 500
	for round := range 2 {
		b := online(t, s, testUnits[0])
		sent := make(chan error, 1)
		go func() {
			w := szse.NewWriter(b.conn)
			for i := range many {
				if err := w.Queue(b.order("600000", fmt.Sprint(i), trade.Buy, 100, 9_9000)); err != nil {
					sent <- err
					return
				}
			}
			sent <- w.Flush()
		}()
		confirmed, duplicates := 0, 0
		for confirmed < many || duplicates < many*round {
			switch m := b.next().(type) {
			case *szse.ExecutionConfirm:
				confirmed++
			case *szse.BusinessReject:
				if m.BusinessRejectReason != szse.RejectDuplicate {
					t.Fatalf("%+v", m)
				}
				duplicates++
			}
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		if confirmed != many {
			t.Errorf("round %d: %d confirmations, %d duplicates", round, confirmed, duplicates)
		}
		_ = b.conn.Close()
	}
}

// TestTakeOver: a new session of a unit ends the older one, which changes nothing any more.
func TestTakeOver(t *testing.T) {
	s := open(t, Config{Dir: t.TempDir()})
	phase(t, s, trade.Continuous)
	old := online(t, s, testUnits[0])
	old.send(old.order("600000", "1", trade.Buy, 100, 9_9000))
	await[*szse.ExecutionConfirm](old)
	other := online(t, s, testUnits[1])
	young := online(t, s, testUnits[0])
	if m := await[*szse.Logout](old); m.SessionStatus != szse.LogoutAlreadyOn {
		t.Errorf("the older session is told %+v", m)
	}
	_, _ = old.conn.Write(old.order("600000", "2", trade.Buy, 100, 9_9000).Append(nil))
	if m := await[*szse.ExecutionConfirm](young); szse.Text(m.ClOrdID[:]) != "1" {
		t.Errorf("the newer session is told %+v", m)
	}
	young.send(young.order("600000", "3", trade.Buy, 100, 9_9000))
	if m := await[*szse.ExecutionConfirm](young); szse.Text(m.ClOrdID[:]) != "3" {
		t.Errorf("the newer session is told %+v", m)
	}
	other.send(other.order("600000", "1", trade.Buy, 100, 9_9000))
	await[*szse.ExecutionConfirm](other)
}

// TestSynchronisation asks for reports from every index, and beyond.
func TestSynchronisation(t *testing.T) {
	s := open(t, Config{Dir: t.TempDir()})
	phase(t, s, trade.Continuous)
	b := online(t, s, testUnits[0])
	symbols := []string{"600519", "600036", "601318", "600000", "600030"}
	for i := range 60 {
		price := quote(t, s, symbols[i%5]).Listing.PreviousClose
		b.send(b.order(symbols[i%5], fmt.Sprint(i), trade.Buy+trade.Side(i%2), 100, price))
	}
	for i := range 60 {
		b.send(b.cancel(symbols[i%5], fmt.Sprint("c", i), fmt.Sprint(i)))
	}
	b.answered("c59")
	all := everything(t, s, testUnits[0])
	for from := range 12 {
		again := logon(t, s, testUnits[0])
		want, points, count := map[int32][][]byte{}, []int64{}, 0
		for p := int32(1); p <= 4; p++ {
			skip := min(from*3*int(p), len(all[p]))
			points = append(points, int64(skip+1))
			if want[p] = all[p][skip:]; len(want[p]) == 0 {
				delete(want, p)
			}
			count += len(want[p])
		}
		again.synchronise(points...)
		got := again.reports(count)
		sameReports(t, got, want)
		if m := await[*szse.TradingSessionStatus](again); m.TradSesStatus != szse.SessionOpenStatus {
			t.Errorf("after the reports: %+v", m)
		}
		_ = again.conn.Close()
	}
	for name, points := range map[string][]int64{
		"beyond": {1, 1, 1, int64(len(all[4]) + 2)}, "zero": {0, 1, 1, 1}, "a partition too many": {1, 1, 1, 1, 1},
		"a partition less": {1, 1, 1},
	} {
		again := logon(t, s, testUnits[0])
		again.synchronise(points...)
		if m := await[*szse.Logout](again); m.SessionStatus != szse.LogoutProtocolError {
			t.Errorf("%s: %+v", name, m)
		}
	}
}

// TestDays: over the end of a day a broker is told its last reports, its end, and then the new day, whether it was
// there or comes back later.
func TestDays(t *testing.T) {
	s := open(t, Config{Dir: t.TempDir()})
	phase(t, s, trade.Continuous)
	b := online(t, s, testUnits[0])
	b.send(b.order("600000", "1", trade.Buy, 100, 9_9000))
	await[*szse.ExecutionConfirm](b)
	if err := s.RollDay(t.Context(), testDay+1); err != nil {
		t.Fatal(err)
	}
	phase(t, s, trade.Continuous)
	if m := await[*szse.ExecutionConfirm](b); trade.Reason(m.OrdRejReason) != trade.ExpiredAtClose {
		t.Errorf("the order at the day's end: %+v", m)
	}
	finished := 0
	for finished < 4 {
		switch m := b.next().(type) {
		case *szse.ReportFinished:
			want := int64(0)
			if m.PartitionNo == 4 { // of 600000
				want = 2
			}
			if finished++; m.ReportIndex != want {
				t.Errorf("the end of partition %d is %d, want %d", m.PartitionNo, m.ReportIndex, want)
			}
		case *szse.TradingSessionStatus:
			if _, _, day, _ := m.Phase(); day != testDay {
				t.Error("the new day comes before the old one's end")
			}
		case szse.Report:
			t.Errorf("a report too many: %+v", m)
		}
	}
	day := trade.Day(0)
	for day != testDay+1 {
		_, _, day, _ = await[*szse.TradingSessionStatus](b).Phase()
	}
	b.send(b.order("600000", "2", trade.Buy, 100, 9_9000)) // of yesterday
	if m := await[*szse.ExecutionConfirm](b); trade.Reason(m.OrdRejReason) != trade.WrongDay || m.ReportIndex != 3 {
		t.Errorf("yesterday's order: %+v", m)
	}
	b.day++
	b.send(b.order("600000", "1", trade.Buy, 100, 9_9000)) // yesterday's ClOrdID is free
	if m := await[*szse.ExecutionConfirm](b); m.ExecType != szse.ExecNew {
		t.Errorf("today's order: %+v", m)
	}
	again := everything(t, s, testUnits[0])
	if len(again[4]) != 4 {
		t.Errorf("%d reports of two days, want 4", len(again[4]))
	}
	phase(t, s, trade.Closed)
	late := online(t, s, testUnits[0]) // after the close, before the next day
	if m := await[*szse.ReportFinished](late); m.PartitionNo != 1 {
		t.Errorf("%+v", m)
	}
}

// TestGarbage: what is no message ends its own connection and nothing else.
func TestGarbage(t *testing.T) {
	s := open(t, Config{Dir: t.TempDir()})
	phase(t, s, trade.Continuous)
	good := online(t, s, testUnits[1])
	market := subscribe(t, s, szse.WantStream, 0, 1)
	market.replay()
	before := books(s)
	valid := logonOf(testUnits[0]).Append(nil)
	order := good.order("600000", "1", trade.Buy, 100, 9_9000).Append(nil)
	broken := slices.Clone(order)
	broken[len(broken)-1]++
	other := slices.Clone(order)
	other[3]++ // an unknown message with a wrong checksum
	points := szse.ReportSynchronization{Points: make([]szse.SyncPoint, 9)}
	long := slices.Clone(order)
	long[5] = 0xff // a body of 16 MB
	for _, address := range []string{s.OrdersAddress(), s.MarketAddress()} {
		for name, garbage := range map[string][]byte{
			"nothing": {}, "noise": []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), "zeros": make([]byte, 4096),
			"checksum": append(slices.Clone(valid), broken...), "length": append(slices.Clone(valid), long...),
			"kind": append(slices.Clone(valid), other...), "half": valid[:40],
			"quote":    append(slices.Clone(valid), (&szse.Quote{Security: szse.Security{Venue: 1}}).Append(nil)...),
			"sync":     append(slices.Clone(valid), points.Append(nil)...),
			"twice on": append(slices.Clone(valid), valid...),
		} {
			conn := dial(t, address)
			_, _ = conn.Write(garbage)
			_ = conn.(*net.TCPConn).CloseWrite()
			_, err := io.Copy(io.Discard, conn) // until the server hangs up
			var operation *net.OpError
			if err != nil && !errors.As(err, &operation) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if after := books(s); after != before {
		t.Error("garbage changed the books")
	}
	good.send(good.order("600000", "1", trade.Buy, 100, 9_9000))
	await[*szse.ExecutionConfirm](good)
	good.send(good.order("600000", "2", trade.Sell, 100, 9_9000))
	if m, ok := market.next().(*szse.TradeTick); !ok || m.Quantity != 100 {
		t.Errorf("the market hears %+v", m)
	}
}

// TestStrangers: connections that say nothing are bounded, and do not keep brokers out for ever.
func TestStrangers(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for LogonTime")
	}
	s := open(t, Config{Dir: t.TempDir()})
	first := dial(t, s.OrdersAddress())
	for range MaxSessions + MaxStrangers - 1 {
		dial(t, s.OrdersAddress())
	}
	b := &broker{t: t, conn: dial(t, s.OrdersAddress())}
	if b.in = szse.NewReader(b.conn); true {
		if m, err := b.read(); err == nil {
			t.Errorf("one too many hears %+v", m)
		}
	}
	_, _ = io.Copy(io.Discard, first) // until the server has had enough of it
	deadline := time.Now().Add(10 * time.Second)
	for { // its place is free a moment later
		conn := dial(t, s.OrdersAddress())
		b := &broker{t: t, conn: conn, in: szse.NewReader(conn)}
		_, err := conn.Write(logonOf(testUnits[0]).Append(nil))
		if err == nil {
			_, err = b.read()
		}
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("a broker is kept out: %v", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func FuzzGateway(f *testing.F) {
	s, err := Open(Config{Dir: f.TempDir(), Units: testUnits, Clock: Clock{Sessions: Manual}})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = s.Close() })
	b := &broker{t: f, unit: testUnits[0], day: testDay}
	var sync szse.ReportSynchronization
	for p := range int32(4) {
		sync.Points = append(sync.Points, szse.SyncPoint{PartitionNo: p + 1, ReportIndex: 1})
	}
	f.Add(sync.Append(nil), false)
	f.Add(b.order("600000", "1", trade.Buy, 100, 9_9000).Append(sync.Append(nil)), false)
	f.Add((&szse.Subscribe{Want: szse.WantAll, HeartBtInt: 3}).Append(nil), true)
	f.Fuzz(func(t *testing.T, bytes []byte, market bool) {
		address, first := s.OrdersAddress(), logonOf(testUnits[0]).Append(nil)
		if market {
			address, first = s.MarketAddress(), nil
		}
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, _ = conn.Write(append(first, bytes...))
		_ = conn.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, conn)
		s.View(func(m *core.Machine) {
			if m.Day() == 0 {
				t.Error("the exchange has lost its day")
			}
		})
	})
}
