package venue

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	core "evenkeel/core/exchange"
	"evenkeel/core/trade"
	"evenkeel/exchange"
	"evenkeel/szse"
)

// What a leader that was deposed can still do at the real exchange: nothing, once the new leader's logon was answered.

const fenceUnit = "000701"

// fenced is an exchange of the tests that ask what of a unit is in its journal.
func fenced(t testing.TB) *exchange.Server {
	list, err := exchange.ShippedList()
	if err != nil {
		t.Fatal(err)
	}
	s, err := exchange.Open(exchange.Config{Dir: t.TempDir(), List: list,
		Units: []exchange.Unit{{CompID: "BROKER", PBU: fenceUnit, Password: "secret"}},
		Clock: exchange.Clock{Sessions: exchange.Always, Start: time.Date(2026, 7, 7, 2, 0, 0, 0, time.UTC)}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// confirmed are the orders of the unit that are in the exchange's journal, by number.
func confirmed(s *exchange.Server) map[trade.OrderID]bool {
	ids := map[trade.OrderID]bool{}
	var pbu core.PBU
	szse.SetText(pbu[:], fenceUnit)
	s.View(func(m *core.Machine) {
		for p := uint32(1); p <= m.Partitions(); p++ {
			m.Reports(pbu, p, 1, func(r *core.Report) bool { ids[ours(r.ClOrdID)] = true; return true })
		}
	})
	return ids
}

// leader is a node's outbox and link, on a log that takes everything at once.
type leader struct {
	outbox *Outbox
	link   *Link
	mu     sync.Mutex
	seen   map[trade.OrderID]bool // requests that reports came about
	filled chan trade.OrderID     // hears of trades, when there is room
}

func newLeader(t testing.TB, address string, change func(*Options)) *leader {
	l := &leader{outbox: NewOutbox(), seen: map[trade.OrderID]bool{}, filled: make(chan trade.OrderID, 1)}
	l.outbox.Learn(&trade.Event{Kind: trade.SecurityListed,
		Security: trade.Security{ID: 1, Symbol: []byte("600519.SH"), Venue: trade.SSE}})
	o := Options{Address: address, Sender: "BROKER", Target: exchange.CompID, Unit: fenceUnit, Password: "secret",
		Outbox: l.outbox, Proposer: l}
	if change != nil {
		change(&o)
	}
	var err error
	if l.link, err = New(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.link.Stop)
	return l
}

func (l *leader) Submit(command []byte, done func(trade.Answer, error)) error {
	var c trade.Command
	if err := trade.DecodeCommand(command, &c); err != nil {
		return err
	}
	if c.Kind == trade.ReportKind {
		r := &c.Report
		out := trade.Output{Confirmed: []trade.OrderID{r.Request}, Events: []trade.Event{{Kind: trade.ReportTaken,
			Report: trade.ReportPlace{Partition: r.Partition, Index: r.Index}}}}
		l.outbox.Fold(&out)
		l.mu.Lock()
		l.seen[r.Request] = true
		if r.Type == trade.TradeReport {
			select {
			case l.filled <- r.Request:
			default:
			}
		}
		l.mu.Unlock()
	}
	done(trade.Answer{}, nil)
	return nil
}

func (l *leader) place(from, count int) {
	for i := range trade.OrderID(count) {
		id := trade.OrderID(from) + i
		l.outbox.Add(trade.Outgoing{Request: id, Order: id, Account: 7, Security: 1, Side: trade.Buy, Type: trade.Limit,
			Price: 1_688_0000, Quantity: 100, Day: testDay, Time: testTime})
	}
}

// slowPath is a path on which what the broker writes may be held back, and arrives later all the same.
type slowPath struct {
	address string
	mu      sync.Mutex
	cond    *sync.Cond
	held    bool
	passed  int // bytes
	done    sync.WaitGroup
}

func newSlowPath(t *testing.T, to string) *slowPath {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &slowPath{address: l.Addr().String()}
	p.cond = sync.NewCond(&p.mu)
	p.done.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				_ = near.Close()
				continue
			}
			p.done.Go(func() { _, _ = io.Copy(near, far); _ = near.Close() })
			p.done.Go(func() { p.carry(far, near); _ = far.Close() })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.hold(false)
		p.done.Wait()
	})
	return p
}

func (p *slowPath) carry(to, from net.Conn) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		p.mu.Lock()
		for p.held && n > 0 {
			p.cond.Wait()
		}
		p.passed += n
		p.mu.Unlock()
		if _, failed := to.Write(buffer[:n]); err != nil || failed != nil {
			return
		}
	}
}

func (p *slowPath) hold(held bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = held
	p.cond.Broadcast()
}

// TestDelayedWrites: what an old leader wrote, and lay on its way, arrives after the new leader's logon was answered.
// None of it enters the exchange's journal, and no report reaches the old one.
func TestDelayedWrites(t *testing.T) {
	for _, stopped := range []bool{true, false} {
		s := fenced(t)
		path := newSlowPath(t, s.OrdersAddress())
		old := newLeader(t, path.address, func(o *Options) { o.Confirm = deposed })
		old.place(1, 10)
		old.link.Start()
		eventually(t, "the old leader's first orders", func() bool { return len(confirmed(s)) == 10 })
		path.hold(true)
		old.place(100, 500)
		eventually(t, "the old leader's orders on their way", func() bool { return old.link.Status().Sent == 510 })
		if stopped {
			old.link.Stop()
		}
		young := newLeader(t, s.OrdersAddress(), nil)
		young.place(1, 10) // the log of both is the same up to here
		young.place(1000, 5)
		young.link.Start()
		eventually(t, "the new leader's orders", func() bool { return len(confirmed(s)) == 15 })
		if st := young.link.Status(); st.Spared != 10 || st.Duplicates > 0 {
			t.Errorf("the new leader sends what was answered: %+v", st)
		}
		path.hold(false)
		eventually(t, "the old leader's connection ends", func() bool { return !old.link.Status().Connected })
		young.place(2000, 5)
		eventually(t, "the new leader's later orders", func() bool { return len(confirmed(s)) >= 20 })
		for id := range confirmed(s) {
			if id >= 100 && id < 1000 {
				t.Fatalf("stopped %v: order %d of the old leader came through", stopped, id)
			}
		}
		old.mu.Lock()
		for id := range old.seen {
			if id >= 100 {
				t.Errorf("the old leader heard of order %d", id)
			}
		}
		old.mu.Unlock()
		if st := young.link.Status(); st.Sessions != 1 {
			t.Errorf("the old leader threw the new one out: %+v", st)
		}
	}
}

// deposed is what asking for the leadership says to who has lost it.
func deposed(context.Context) error { return fmt.Errorf("another node leads") }

// TestFlood: the old session's requests lie read and unread before the exchange, thousands of them, when the new
// leader logs on. What had entered the journal when the logon was answered is all that ever does.
func TestFlood(t *testing.T) {
	s := fenced(t)
	old := newLeader(t, s.OrdersAddress(), func(o *Options) { o.Confirm = deposed })
	old.place(1, 30_000)
	old.link.Start()
	eventually(t, "a part of the flood", func() bool { return len(confirmed(s)) > 2000 })
	conn, err := net.Dial("tcp", s.OrdersAddress())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	m := szse.Logon{HeartBtInt: 30}
	copy(m.SenderCompID[:], "BROKER")
	copy(m.TargetCompID[:], exchange.CompID)
	copy(m.Password[:], "secret")
	copy(m.DefaultApplVerID[:], szse.DefaultApplVer)
	if _, err := conn.Write(m.Append(nil)); err != nil {
		t.Fatal(err)
	}
	if answer, err := readMessage(szse.NewReader(conn), &szse.Decoder{}); err != nil || answer.Type() != szse.TypeLogon {
		t.Fatalf("%v, %v", answer, err)
	}
	at := len(confirmed(s))
	eventually(t, "the old leader notices", func() bool { return old.link.Status().Unproven > 0 })
	if now := len(confirmed(s)); now != at || at >= 30_000 {
		t.Errorf("%d orders were in the journal when the logon was answered, and %d are now", at, now)
	}
	if st := old.link.Status(); st.Sessions != 1 {
		t.Errorf("status %+v", st)
	}
}

// childAddress names the exchange that this test binary is to flood as an old leader, to be stopped and continued.
const childAddress = "EVENKEEL_VENUE_CHILD"

func TestMain(m *testing.M) {
	if address := os.Getenv(childAddress); address != "" {
		flood(address)
	}
	os.Exit(m.Run())
}

// flood is an old leader that places orders without end, and says when it could not prove its leadership.
func flood(address string) {
	l := newLeader(&testing.T{}, address, func(o *Options) { o.Confirm = deposed })
	l.link.Start()
	for id := 1; ; id += 10 {
		l.place(id, 10)
		time.Sleep(100 * time.Microsecond)
		if st := l.link.Status(); st.Unproven > 0 {
			fmt.Println("deposed", st.Sessions)
			time.Sleep(time.Hour)
		}
	}
}

// TestStoppedProcess: a leader is stopped in the middle of its work (SIGSTOP), another takes over, and the first wakes
// up, with everything that lay in its buffers. It can do nothing any more, and does not throw the new leader out.
func TestStoppedProcess(t *testing.T) {
	s := fenced(t)
	child := exec.Command(os.Args[0]) //nolint:gosec // this test itself
	child.Env = append(os.Environ(), childAddress+"="+s.OrdersAddress())
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = child.Process.Kill()
		_ = child.Wait()
	}()
	eventually(t, "the old leader's work", func() bool { return len(confirmed(s)) > 500 })
	if err := child.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	young := newLeader(t, s.OrdersAddress(), nil)
	young.link.Start()
	eventually(t, "the new leader's session", func() bool { return young.link.Status().Connected })
	at := len(confirmed(s))
	const mine = 1 << 30
	young.place(mine, 20)
	eventually(t, "the new leader's orders", func() bool { return len(confirmed(s)) == at+20 })
	if err := child.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != "deposed 1" {
		t.Fatalf("the old leader says %q, %v", line, err)
	}
	young.place(mine+20, 20)
	eventually(t, "the new leader's later orders", func() bool { return confirmed(s)[mine+39] })
	if now := len(confirmed(s)); now != at+40 {
		t.Errorf("%d orders are in the journal, want %d", now, at+40)
	}
	if st := young.link.Status(); st.Sessions != 1 {
		t.Errorf("the new leader was thrown out: %+v", st)
	}
}

// countedConn counts what is written to it, and takes its time.
type countedConn struct {
	net.Conn
	writes *atomic.Int64
}

func (c *countedConn) Write(b []byte) (n int, err error) {
	for len(b) > 0 && err == nil {
		piece := b[:min(len(b), 1000)]
		c.writes.Add(1)
		var wrote int
		wrote, err = c.Conn.Write(piece)
		n, b = n+wrote, b[wrote:]
		runtime.Gosched()
	}
	return n, err
}

// TestNothingIsWrittenAfterStop stops a link in the middle of its writing, again and again: when Stop has returned
// nothing is written, whatever stands in the outbox.
func TestNothingIsWrittenAfterStop(t *testing.T) {
	s := fenced(t)
	var writes atomic.Int64
	l := newLeader(t, s.OrdersAddress(), func(o *Options) {
		o.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			var d net.Dialer
			c, err := d.DialContext(ctx, "tcp", address)
			return &countedConn{c, &writes}, err
		}
	})
	next := 1
	for round := range 40 {
		l.place(next, 200)
		next += 200
		before := writes.Load()
		l.link.Start()
		eventually(t, "some writing", func() bool { return writes.Load() > before+int64(round%20) })
		l.link.Stop()
		at := writes.Load()
		l.place(next, 10)
		next += 10
		time.Sleep(time.Millisecond) // long enough for who would still write
		if now := writes.Load(); now != at {
			t.Fatalf("round %d: %d writes after Stop had returned", round, now-at)
		}
	}
}
