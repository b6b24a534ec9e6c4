package venue

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"evenkeel/core/money"
	"evenkeel/core/trade"
	"evenkeel/szse"
)

// The other side of the link in these tests: a small gateway on real TCP that keeps its reports, as an exchange does,
// and small books that apply what the link proposes, as the broker does.

const (
	testPartitions = 2
	testDay        = trade.Day(20260707)
	testTime       = trade.Time(1783387800_000_000_000) // 2026-07-07 09:30 in Shanghai
)

// gateway is an exchange that accepts every order and fills it at once.
type gateway struct {
	mu       sync.Mutex
	used     map[[10]byte]bool
	log      [testPartitions][][]byte // report frames; report i of a partition is at i-1
	sessions int
	news     chan struct{} // closed when there is something new to send
	got      []string      // requests as they came, duplicates too: "N" or "C" and the ClOrdID
	password string

	// What goes wrong. Each may be nil.
	reject  func(id string, times int) uint16                          // a BusinessReject in place of an answer, 0: none
	rewrite func(session int, p int, index int64, frame []byte) []byte // of a report as it is sent
	carry   func(session int, c net.Conn) net.Conn                     // of the connection
	times   map[string]int
}

func newGateway() *gateway {
	return &gateway{used: map[[10]byte]bool{}, news: make(chan struct{}), times: map[string]int{}, password: "secret"}
}

// listen serves on TCP until the test ends.
func (g *gateway) listen(t *testing.T) (address string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g.serveOn(t, l)
	return l.Addr().String()
}

func (g *gateway) serveOn(t *testing.T, l net.Listener) {
	var all sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
			all.Go(func() { g.serve(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for _, c := range open {
			_ = c.Close()
		}
		mu.Unlock()
		all.Wait()
	})
}

// serve holds one session.
func (g *gateway) serve(c net.Conn) {
	defer c.Close()
	g.mu.Lock()
	g.sessions++
	session := g.sessions
	if g.carry != nil {
		c = g.carry(session, c)
	}
	g.mu.Unlock()
	reader, d := szse.NewReader(c), &szse.Decoder{}
	first, err := readMessage(reader, d)
	if err != nil {
		return
	}
	logon, ok := first.(*szse.Logon)
	if !ok || szse.Text(logon.Password[:]) != g.password {
		m := szse.Logout{SessionStatus: szse.LogoutWrongPassword}
		copy(m.Text[:], "wrong password")
		_, _ = c.Write(m.Append(nil))
		return
	}
	answer := szse.Logon{SenderCompID: logon.TargetCompID, TargetCompID: logon.SenderCompID, HeartBtInt: logon.HeartBtInt}
	hello := answer.Append(nil)
	hello = (&szse.PlatformStateInfo{PlatformID: 1, PlatformState: szse.PlatformOpen}).Append(hello)
	hello = (&szse.PlatformInfo{PlatformID: 1, Partitions: []int32{1, 2}}).Append(hello)
	if _, err := c.Write(hello); err != nil {
		return
	}
	out := &outgoing{c: c}
	var writing sync.WaitGroup
	defer writing.Wait()
	done := make(chan struct{})
	defer close(done)
	synced := false
	for {
		m, err := readMessage(reader, d)
		if err != nil {
			return
		}
		switch m := m.(type) {
		case *szse.ReportSynchronization:
			synced = true
			points := slices.Clone(m.Points)
			writing.Go(func() {
				defer c.Close()
				g.send(session, out, points, done)
			})
		case *szse.NewOrder:
			if !synced {
				panic("an order came before the reports were asked for")
			}
			g.order(out, m)
		case *szse.OrderCancelRequest:
			g.cancel(out, m)
		case *szse.Logout:
			out.write(m.Append(nil))
			return
		}
	}
}

// outgoing is a connection that two goroutines write to.
type outgoing struct {
	mu sync.Mutex
	c  net.Conn
}

func (o *outgoing) write(b []byte) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, err := o.c.Write(b)
	return err == nil
}

func readMessage(r *szse.Reader, d *szse.Decoder) (szse.Message, error) {
	f, err := r.Next()
	if err != nil {
		return nil, err
	}
	return d.Decode(f)
}

// send sends all reports from the points on, and new ones as they come.
func (g *gateway) send(session int, out *outgoing, points []szse.SyncPoint, done <-chan struct{}) {
	for {
		g.mu.Lock()
		var frames []byte
		for i := range points {
			p := &points[i]
			list := g.log[p.PartitionNo-1]
			if p.ReportIndex < 1 || p.ReportIndex > int64(len(list))+1 {
				g.mu.Unlock()
				m := szse.Logout{SessionStatus: szse.LogoutProtocolError}
				copy(m.Text[:], "no such report")
				out.write(m.Append(nil))
				return
			}
			for ; p.ReportIndex <= int64(len(list)); p.ReportIndex++ {
				frame := list[p.ReportIndex-1]
				if g.rewrite != nil {
					frame = g.rewrite(session, int(p.PartitionNo), p.ReportIndex, frame)
				}
				frames = append(frames, frame...)
			}
		}
		news := g.news
		g.mu.Unlock()
		if !out.write(frames) {
			return
		}
		select {
		case <-news:
		case <-done:
			return
		}
	}
}

// tell adds a report to a partition, under g.mu.
func (g *gateway) tell(partition int, fill func(h szse.ReportHead) szse.Message) {
	at, _ := szse.FromTime(testTime)
	h := szse.ReportHead{PartitionNo: int32(partition), ReportIndex: int64(len(g.log[partition-1])) + 1, TransactTime: at}
	g.log[partition-1] = append(g.log[partition-1], fill(h).Append(nil))
	close(g.news)
	g.news = make(chan struct{})
}

// partitionOf spreads securities over the partitions.
func partitionOf(code [8]byte) int { return int(code[5])%testPartitions + 1 }

// refused answers a request with a BusinessReject when it is a duplicate or is to go wrong.
func (g *gateway) refused(out *outgoing, kind string, h *szse.OrderHead) bool {
	id := kind + string(h.ClOrdID[:])
	g.got = append(g.got, id)
	g.times[id]++
	code := uint16(0)
	if g.reject != nil {
		code = g.reject(id, g.times[id])
	}
	if code == 0 && g.used[h.ClOrdID] {
		code = szse.RejectDuplicate
	}
	if code == 0 {
		g.used[h.ClOrdID] = true
		return false
	}
	m := szse.BusinessReject{BusinessRejectReason: code, BusinessRejectRefID: h.ClOrdID}
	go out.write(m.Append(nil)) // the reader goes on
	return true
}

func (g *gateway) order(out *outgoing, m *szse.NewOrder) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.refused(out, "N", &m.OrderHead) {
		return
	}
	p := partitionOf(m.SecurityID)
	g.tell(p, func(h szse.ReportHead) szse.Message {
		return &szse.ExecutionConfirm{ReportHead: h, ClOrdID: m.ClOrdID, ExecType: szse.ExecNew, OrdStatus: szse.StatusNew,
			LeavesQty: m.OrderQty, OrderQty: m.OrderQty, Side: m.Side, OrdType: m.OrdType}
	})
	g.tell(p, func(h szse.ReportHead) szse.Message {
		return &szse.ExecutionReport{ReportHead: h, ClOrdID: m.ClOrdID, ExecType: szse.ExecTrade,
			OrdStatus: szse.StatusFilled, LastPx: m.Price, LastQty: m.OrderQty, CumQty: m.OrderQty, Side: m.Side}
	})
}

func (g *gateway) cancel(out *outgoing, m *szse.OrderCancelRequest) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.refused(out, "C", &m.OrderHead) {
		return
	}
	g.tell(partitionOf(m.SecurityID), func(h szse.ReportHead) szse.Message {
		return &szse.CancelReject{ReportHead: h, ClOrdID: m.ClOrdID, OrigClOrdID: m.OrigClOrdID, Side: m.Side,
			CxlRejReason: uint16(trade.OrderAlreadyDone)}
	})
}

// books apply commands in order, as the replicated log and the broker's state machine do.
type books struct {
	outbox *Outbox

	mu      sync.Mutex
	cond    *sync.Cond
	queue   []submitted
	limit   int // of queue; Submit is ErrFull beyond
	held    bool
	closed  bool
	applied map[uint32]uint64
	history []string // what was applied
	spoil   func(c *trade.Command) (lost bool)
	swallow bool // what is spoiled is answered as if it had been applied
	fulls   int
	gaps    int // reports that were proposed before the one in front of them
	repeats int // reports that were proposed again
	ended   chan struct{}
}

type submitted struct {
	command trade.Command
	done    func(trade.Answer, error)
}

var (
	errFull    = errors.New("full")
	errUnknown = errors.New("unknown")
)

func newBooks(t testing.TB) *books {
	b := &books{outbox: NewOutbox(), limit: 100, applied: map[uint32]uint64{}, ended: make(chan struct{})}
	b.cond = sync.NewCond(&b.mu)
	for id, code := range map[trade.SecurityID]string{1: "600519.SH", 2: "000002.SZ"} {
		venue := trade.SSE
		if id == 2 {
			venue = trade.SZSE
		}
		b.outbox.Learn(&trade.Event{Kind: trade.SecurityListed,
			Security: trade.Security{ID: id, Symbol: []byte(code), Venue: venue}})
	}
	go b.run()
	t.Cleanup(func() {
		b.mu.Lock()
		b.closed, b.held = true, false
		b.cond.Broadcast()
		b.mu.Unlock()
		<-b.ended
	})
	return b
}

func (b *books) Submit(encoded []byte, done func(trade.Answer, error)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.queue) >= b.limit {
		b.fulls++
		b.cond.Broadcast()
		return errFull
	}
	var s submitted
	if err := trade.DecodeCommand(slices.Clone(encoded), &s.command); err != nil {
		panic(err)
	}
	s.done = done
	b.queue = append(b.queue, s)
	b.cond.Broadcast()
	return nil
}

func (b *books) run() {
	defer close(b.ended)
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		for (len(b.queue) == 0 || b.held) && !b.closed {
			b.cond.Wait()
		}
		if b.closed {
			return
		}
		next := b.queue[0]
		b.queue = b.queue[1:]
		var answer trade.Answer
		err := errUnknown
		if b.spoil == nil || !b.spoil(&next.command) {
			answer, err = b.apply(&next.command), nil
		} else if b.swallow {
			err = nil
		}
		b.cond.Broadcast()
		b.mu.Unlock()
		next.done(answer, err)
		b.mu.Lock()
	}
}

func (b *books) apply(c *trade.Command) trade.Answer {
	var out trade.Output
	switch c.Kind {
	case trade.StartDayKind:
		b.history = append(b.history, fmt.Sprintf("start %d", c.StartDay.Day))
		out.Events = append(out.Events, trade.Event{Kind: trade.DayStarted, Day: c.StartDay.Day})
	case trade.EndDayKind:
		b.history = append(b.history, fmt.Sprintf("end %d", c.EndDay.Day))
		out.Events = append(out.Events, trade.Event{Kind: trade.DayEnded, Day: c.EndDay.Day})
	case trade.SetPhaseKind:
		b.history = append(b.history, fmt.Sprintf("phase %d of %d", c.SetPhase.Phase, c.SetPhase.Venue))
	case trade.ReportKind:
		r := &c.Report
		if r.Type != trade.RefusedReport {
			switch next := b.applied[r.Partition] + 1; {
			case r.Index < next:
				b.repeats++
				return trade.Answer{Reason: trade.ReportRepeated}
			case r.Index > next:
				b.gaps++
				return trade.Answer{Reason: trade.ReportGap, Numbers: trade.Numbers{Given: int64(r.Index), Bound: int64(next)}}
			}
			b.applied[r.Partition] = r.Index
			out.Events = append(out.Events, trade.Event{Kind: trade.ReportTaken,
				Report: trade.ReportPlace{Partition: r.Partition, Index: r.Index}})
		}
		id, _ := szse.ClOrdID(r.Request)
		b.history = append(b.history, fmt.Sprintf("%d %s %d", r.Type, id, r.Quantity))
		if r.Type != trade.TradeReport {
			out.Confirmed = append(out.Confirmed, r.Request)
		}
	}
	b.outbox.Fold(&out)
	return trade.Answer{}
}

// until waits for a condition on the books, which is checked after each command.
func (b *books) until(t testing.TB, what string, ready func() bool) {
	t.Helper()
	timer := time.AfterFunc(20*time.Second, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.limit = -1
		b.cond.Broadcast()
	})
	defer timer.Stop()
	b.mu.Lock()
	defer b.mu.Unlock()
	for !ready() {
		if b.limit < 0 {
			t.Fatalf("waited too long for: %s; the books have %q, the outbox %d", what, b.history, b.outbox.Len())
		}
		b.cond.Wait()
	}
}

// place puts n orders and, after each third, a cancel into the outbox. It returns how many requests that are.
func (b *books) place(from, n int) int {
	count := 0
	for i := from; i < from+n; i++ {
		o := trade.Outgoing{Request: trade.OrderID(2 * i), Order: trade.OrderID(2 * i), Account: 7,
			Security: trade.SecurityID(1 + i%2), Side: trade.Buy, Type: trade.Limit, Price: 10 * money.Scale,
			Quantity: money.Quantity(100 * i), Day: testDay, Time: testTime}
		b.outbox.Add(o)
		count++
		if i%3 == 0 {
			o.Cancel, o.Request = true, o.Request+1
			b.outbox.Add(o)
			count++
		}
	}
	return count
}

// wanted is what the books must have after place: each request's reports once, order by order.
func wanted(from, n int) []string {
	var list []string
	for i := from; i < from+n; i++ {
		id, _ := szse.ClOrdID(trade.OrderID(2 * i))
		list = append(list, fmt.Sprintf("%d %s 0", trade.OrderAcceptedReport, id),
			fmt.Sprintf("%d %s %d", trade.TradeReport, id, 100*i))
		if i%3 == 0 {
			id, _ := szse.ClOrdID(trade.OrderID(2*i + 1))
			list = append(list, fmt.Sprintf("%d %s 0", trade.CancelRejectedReport, id))
		}
	}
	slices.Sort(list)
	return list
}

// agree compares the books with what must be there, and with the exchange's own log.
func (b *books) agree(t testing.TB, g *gateway, want []string) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	got := slices.Clone(b.history)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Fatalf("the books have\n%q\nwant\n%q", got, want)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for p := range g.log {
		if b.applied[uint32(p+1)] != uint64(len(g.log[p])) {
			t.Fatalf("partition %d: the books applied %d of %d reports", p+1, b.applied[uint32(p+1)], len(g.log[p]))
		}
	}
}

// link makes a link between the books and an address; it is stopped when the test ends.
func (b *books) link(t testing.TB, address string, change func(*Options)) *Link {
	t.Helper()
	o := Options{Address: address, Sender: "BROKER", Target: "SZSE", Unit: "000701", Password: "secret",
		Outbox: b.outbox, Proposer: b, Full: errFull, LeastPause: time.Millisecond, MostPause: 4 * time.Millisecond}
	if change != nil {
		change(&o)
	}
	l, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Stop)
	return l
}

// cutConn closes itself after so many bytes were read from it or written to it; negative: never.
type cutConn struct {
	net.Conn
	mu          sync.Mutex
	read, write int
}

func (c *cutConn) Read(b []byte) (int, error) {
	c.mu.Lock()
	left := c.read
	c.mu.Unlock()
	if left == 0 {
		_ = c.Close()
		return 0, io.ErrClosedPipe
	}
	if left > 0 && len(b) > left {
		b = b[:left]
	}
	n, err := c.Conn.Read(b)
	c.mu.Lock()
	if c.read > 0 {
		c.read -= n
	}
	c.mu.Unlock()
	return n, err
}

func (c *cutConn) Write(b []byte) (int, error) {
	c.mu.Lock()
	left := c.write
	if left > 0 {
		c.write -= min(left, len(b))
	}
	c.mu.Unlock()
	if left < 0 || len(b) < left {
		return c.Conn.Write(b)
	}
	n, _ := c.Conn.Write(b[:left])
	_ = c.Close()
	return n, io.ErrClosedPipe
}
