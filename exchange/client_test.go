package exchange

import (
	"bytes"
	"fmt"
	"net"
	"testing"
	"time"

	core "evenkeel/core/exchange"
	"evenkeel/core/money"
	"evenkeel/core/trade"
	"evenkeel/szse"
)

const testDay = 20260723 // a Thursday

var testUnits = []Unit{
	{CompID: "BROKER-A", PBU: "EK0001", Password: "secret-a"}, {CompID: "BROKER-B", PBU: "EK0002", Password: "secret-b"},
}

// always is a session that never closes.
var always = Clock{Sessions: Always, Start: time.Date(2026, 7, 23, 2, 0, 0, 0, time.UTC)}

// open starts a server with a clock of the test's own, unless the config says otherwise.
func open(t testing.TB, c Config) *Server {
	t.Helper()
	s := opened(t, c)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// opened is open for tests that close by themselves.
func opened(t testing.TB, c Config) *Server {
	t.Helper()
	if c.Units == nil {
		c.Units = testUnits
	}
	if c.Clock.Sessions == Always && c.Clock.Start.IsZero() {
		c.Clock = Clock{Sessions: Manual, Start: time.Date(2026, 7, 23, 1, 0, 0, 0, time.UTC)}
	}
	s, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func phase(t testing.TB, s *Server, p trade.Phase) {
	t.Helper()
	for v := trade.SSE; v <= trade.BSE; v++ {
		if err := s.SetPhase(t.Context(), v, p); err != nil {
			t.Fatal(err)
		}
	}
}

func quote(t testing.TB, s *Server, symbol string) (q core.Quote) {
	t.Helper()
	code, _ := core.MakeCode(symbol)
	s.View(func(m *core.Machine) {
		n, ok := m.Find(code)
		if !ok {
			t.Errorf("%s is not listed", symbol)
		}
		q = m.Quote(n)
	})
	return q
}

// broker is a broker's side of a session, as a test needs it.
type broker struct {
	t       testing.TB
	conn    net.Conn
	in      *szse.Reader
	decoder szse.Decoder
	unit    Unit
	day     trade.Day
}

func dial(t testing.TB, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func logonOf(u Unit) *szse.Logon {
	m := &szse.Logon{HeartBtInt: 30}
	szse.SetText(m.SenderCompID[:], u.CompID)
	szse.SetText(m.TargetCompID[:], CompID)
	szse.SetText(m.Password[:], u.Password)
	szse.SetText(m.DefaultApplVerID[:], szse.DefaultApplVer)
	return m
}

// logon connects and logs on, without synchronising.
func logon(t testing.TB, s *Server, u Unit) *broker {
	t.Helper()
	conn := dial(t, s.OrdersAddress())
	b := &broker{t: t, conn: conn, in: szse.NewReader(conn), unit: u, day: testDay}
	b.send(logonOf(u))
	for _, want := range []szse.MsgType{szse.TypeLogon, szse.TypePlatformStateInfo, szse.TypePlatformInfo} {
		if m := b.next(); m.Type() != want {
			t.Fatalf("%s in place of %s: %+v", m.Type(), want, m)
		}
	}
	return b
}

// online logs on and asks for all reports.
func online(t testing.TB, s *Server, u Unit) *broker {
	t.Helper()
	b := logon(t, s, u)
	b.synchronise(1, 1, 1, 1)
	return b
}

func (b *broker) send(m szse.Message) {
	b.t.Helper()
	if _, err := b.conn.Write(m.Append(nil)); err != nil {
		b.t.Fatal(err)
	}
}

func (b *broker) synchronise(from ...int64) {
	b.t.Helper()
	var m szse.ReportSynchronization
	for i, n := range from {
		m.Points = append(m.Points, szse.SyncPoint{PartitionNo: int32(i + 1), ReportIndex: n})
	}
	b.send(&m)
}

// read returns the next message, or the error of the connection.
func (b *broker) read() (szse.Message, error) {
	_ = b.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	frame, err := b.in.Next()
	if err != nil {
		return nil, err
	}
	return b.decoder.Decode(frame)
}

func (b *broker) next() szse.Message {
	b.t.Helper()
	m, err := b.read()
	if err != nil {
		b.t.Fatal(err)
	}
	return m
}

// await returns the next message of a type, and skips the others.
func await[M szse.Message](b *broker) M {
	b.t.Helper()
	for {
		if m, ok := b.next().(M); ok {
			return m
		}
	}
}

// reports reads so many reports, and returns their frames by partition.
func (b *broker) reports(n int) (frames map[int32][][]byte) {
	b.t.Helper()
	frames = map[int32][][]byte{}
	for n > 0 {
		if r, ok := b.next().(szse.Report); ok {
			h := r.Head()
			frames[h.PartitionNo] = append(frames[h.PartitionNo], r.Append(nil))
			n--
		}
	}
	return frames
}

// answered reads until the request with a ClOrdID has its answer; those that were sent before it have theirs.
func (b *broker) answered(id string) {
	b.t.Helper()
	for {
		switch m := b.next().(type) {
		case *szse.ExecutionConfirm:
			if szse.Text(m.ClOrdID[:]) == id {
				return
			}
		case *szse.CancelReject:
			if szse.Text(m.ClOrdID[:]) == id {
				return
			}
		}
	}
}

func (b *broker) head(symbol, id string) szse.OrderHead {
	h := szse.OrderHead{OwnerType: szse.OwnerInvestor, TransactTime: szse.Timestamp(b.day) * 1_000_000_000}
	h.TransactTime += 10_00_00_000
	copy(h.ApplID[:], szse.ApplAuction)
	szse.SetText(h.SubmittingPBUID[:], b.unit.PBU)
	szse.SetText(h.SecurityID[:], symbol)
	szse.SetText(h.ClOrdID[:], id)
	return h
}

func (b *broker) order(symbol, id string, side trade.Side, quantity money.Quantity, price money.Price) *szse.NewOrder {
	m := &szse.NewOrder{OrderHead: b.head(symbol, id), Price: price}
	m.Side, _ = szse.SideByte(side)
	m.OrderQty, _ = szse.FromShares(quantity)
	terms, _ := szse.TermsOf(trade.Limit, m.OrderQty)
	m.SetTerms(terms)
	m.CashMargin = szse.CashMarginCash
	szse.SetText(m.AccountID[:], "A000000001")
	return m
}

func (b *broker) cancel(symbol, id, orig string) *szse.OrderCancelRequest {
	m := &szse.OrderCancelRequest{OrderHead: b.head(symbol, id), Side: szse.SideBuy}
	szse.SetText(m.OrigClOrdID[:], orig)
	return m
}

// total is how many reports a unit has.
func total(s *Server, u Unit) (n int) {
	var pbu core.PBU
	szse.SetText(pbu[:], u.PBU)
	s.View(func(m *core.Machine) {
		for p := uint32(1); p <= m.Partitions(); p++ {
			first, next := m.Kept(pbu, p)
			n += int(next - first)
		}
	})
	return n
}

// everything is all that a broker can ask for.
func everything(t testing.TB, s *Server, u Unit) map[int32][][]byte {
	t.Helper()
	b := online(t, s, u)
	defer b.conn.Close()
	return b.reports(total(s, u))
}

func sameReports(t testing.TB, got, want map[int32][][]byte) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("reports on %d partitions, want %d", len(got), len(want))
	}
	for p := range want {
		if !bytes.Equal(bytes.Join(got[p], nil), bytes.Join(want[p], nil)) {
			t.Errorf("partition %d: %d reports differ from the %d before", p, len(got[p]), len(want[p]))
		}
	}
}

// books is the exchange's whole state but its time.
func books(s *Server) (snapshot string) {
	const from, to = 5, 13 // version, partitions, time
	s.View(func(m *core.Machine) { snapshot = string(m.AppendSnapshot(nil)) })
	return snapshot[:from] + snapshot[to:]
}

// reader is a reader of market data.
type reader struct {
	t       testing.TB
	conn    net.Conn
	in      *szse.Reader
	decoder szse.Decoder
}

func subscribe(t testing.TB, s *Server, want szse.Want, day trade.Day, from uint64) *reader {
	t.Helper()
	conn := dial(t, s.MarketAddress())
	r := &reader{t: t, conn: conn, in: szse.NewReader(conn)}
	ask := szse.Subscribe{Want: want, Day: day, From: from, HeartBtInt: 30}
	if _, err := conn.Write(ask.Append(nil)); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *reader) read() (szse.Message, error) {
	_ = r.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	frame, err := r.in.Next()
	if err != nil {
		return nil, err
	}
	return r.decoder.Decode(frame)
}

func (r *reader) next() szse.Message {
	r.t.Helper()
	m, err := r.read()
	if err != nil {
		r.t.Fatal(err)
	}
	return m
}

// replay reads to the EndOfReplay and returns it with the messages before it, as text.
func (r *reader) replay() (all []string, end szse.EndOfReplay) {
	r.t.Helper()
	for {
		m := r.next()
		if e, ok := m.(*szse.EndOfReplay); ok {
			return all, *e
		}
		all = append(all, fmt.Sprintf("%s %+v", m.Type(), m))
	}
}
