package venue

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"evenkeel/core/broker"
	core "evenkeel/core/exchange"
	"evenkeel/core/money"
	"evenkeel/core/rules"
	"evenkeel/core/trade"
	"evenkeel/exchange"
	"evenkeel/szse"
)

// house is the broker's real books behind a plain log in memory: commands are applied one after the other, and
// followed by the outbox.
type house struct {
	t      *testing.T
	outbox *Outbox
	state  *broker.State
	now    trade.Time

	mu       sync.Mutex
	cond     *sync.Cond
	queue    []submitted
	closed   bool
	orders   map[trade.OrderID]trade.Order // as the last event told
	unwanted []trade.Reason
	ended    chan struct{}
}

func newHouse(t *testing.T, now time.Time) *house {
	h := &house{t: t, outbox: NewOutbox(), state: broker.New(0), now: trade.Time(now.UnixNano()),
		orders: map[trade.OrderID]trade.Order{}, ended: make(chan struct{})}
	h.cond = sync.NewCond(&h.mu)
	go h.run()
	t.Cleanup(func() {
		h.mu.Lock()
		h.closed = true
		h.cond.Broadcast()
		h.mu.Unlock()
		<-h.ended
	})
	return h
}

// houseQueue is how many commands may wait.
const houseQueue = 64

func (h *house) Submit(encoded []byte, done func(trade.Answer, error)) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.queue) >= houseQueue {
		return errFull
	}
	h.push(encoded, done)
	return nil
}

func (h *house) push(encoded []byte, done func(trade.Answer, error)) {
	s := submitted{done: done}
	if err := trade.DecodeCommand(slices.Clone(encoded), &s.command); err != nil {
		panic(err)
	}
	h.queue = append(h.queue, s)
	h.cond.Broadcast()
}

func (h *house) run() {
	defer close(h.ended)
	var out trade.Output
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		for len(h.queue) == 0 && !h.closed {
			h.cond.Wait()
		}
		if h.closed {
			return
		}
		next := h.queue[0]
		h.queue = h.queue[1:]
		out.Reset()
		h.now++
		answer := h.state.Apply(h.now, &next.command, &out)
		for i := range out.Events {
			if e := &out.Events[i]; e.Kind.OfOrder() {
				o := e.Order
				o.ClientID = nil
				h.orders[o.ID] = o
			}
		}
		taken := answer.Reason == trade.Accepted || answer.Reason == trade.ReportRepeated
		if next.command.Kind == trade.ReportKind && !taken {
			h.unwanted = append(h.unwanted, answer.Reason)
		}
		h.outbox.Fold(&out)
		h.cond.Broadcast()
		h.mu.Unlock()
		next.done(answer, nil)
		h.mu.Lock()
	}
}

// ask applies a command and returns its answer.
func (h *house) ask(c *trade.Command) trade.Answer {
	h.t.Helper()
	encoded, err := trade.AppendCommand(nil, c)
	if err != nil {
		h.t.Fatal(err)
	}
	answers := make(chan trade.Answer, 1)
	h.mu.Lock()
	for len(h.queue) >= houseQueue {
		h.cond.Wait()
	}
	h.push(encoded, func(a trade.Answer, _ error) { answers <- a })
	h.mu.Unlock()
	return <-answers
}

// must applies a command that is not refused.
func (h *house) must(c *trade.Command) trade.Answer {
	h.t.Helper()
	a := h.ask(c)
	if a.Reason != trade.Accepted {
		h.t.Fatalf("command %d was refused: reason %d, %+v", c.Kind, a.Reason, a.Numbers)
	}
	return a
}

// market is the real exchange, which can be closed and opened again from its journal.
type market struct {
	t      *testing.T
	config exchange.Config

	mu     sync.Mutex
	server *exchange.Server
}

func (m *market) open() {
	server, err := exchange.Open(m.config)
	if err != nil {
		m.t.Fatal(err)
	}
	m.mu.Lock()
	m.server = server
	m.mu.Unlock()
}

func (m *market) close() {
	m.mu.Lock()
	server := m.server
	m.server = nil
	m.mu.Unlock()
	if server != nil {
		if err := server.Close(); err != nil {
			m.t.Error(err)
		}
	}
}

// dial connects to where the exchange listens now, through a connection that breaks after some bytes.
func (m *market) dial() func(context.Context, string) (net.Conn, error) {
	random := rand.New(rand.NewPCG(7, 8))
	return func(ctx context.Context, _ string) (net.Conn, error) {
		m.mu.Lock()
		server := m.server
		m.mu.Unlock()
		if server == nil {
			return nil, fmt.Errorf("the exchange is down")
		}
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", server.OrdersAddress())
		if err != nil {
			return c, err
		}
		return &cutConn{Conn: c, read: 5000 + random.IntN(60_000), write: 5000 + random.IntN(100_000)}, nil
	}
}

// told returns what the exchange says of each request of the unit, from its own reports: filled, and whether it is
// over.
func (m *market) told(unit string) (filled map[string]money.Quantity, over map[string]bool, reports uint64) {
	filled, over = map[string]money.Quantity{}, map[string]bool{}
	var pbu core.PBU
	szse.SetText(pbu[:], unit)
	m.server.View(func(machine *core.Machine) {
		for p := uint32(1); p <= machine.Partitions(); p++ {
			machine.Reports(pbu, p, 1, func(r *core.Report) bool {
				reports++
				id := string(r.ClOrdID[:])
				if r.OrigClOrdID != (core.ClOrdID{}) {
					id = string(r.OrigClOrdID[:])
				}
				if r.Order != 0 {
					filled[id] = r.Filled
				}
				switch r.Status {
				case trade.Filled, trade.Cancelled, trade.Rejected, trade.Expired:
					over[id] = true
				}
				return true
			})
		}
	})
	return filled, over, reports
}

// TestWithTheExchange has the broker's real books trade on the real exchange while the connection breaks again and
// again and the exchange is closed and opened again. In the end books and exchange agree order by order.
func TestWithTheExchange(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	const unit = "000701"
	start := time.Date(2026, 7, 7, 2, 0, 0, 0, time.UTC) // 10:00 in Shanghai, a trading day
	list, err := exchange.ShippedList()
	if err != nil {
		t.Fatal(err)
	}
	list = list[:6]
	m := &market{t: t, config: exchange.Config{Dir: t.TempDir(), List: list,
		Units: []exchange.Unit{{CompID: "BROKER", PBU: unit, Password: "secret"}},
		Clock: exchange.Clock{Sessions: exchange.Always, Start: start}}}
	m.open()
	t.Cleanup(m.close)
	h := newHouse(t, start)
	h.must(&trade.Command{Kind: trade.AdoptRulesKind, AdoptRules: trade.AdoptRules{Text: []byte(rules.Embedded())}})
	random := rand.New(rand.NewPCG(5, 6))
	l, err := New(Options{Address: "127.0.0.1:1", Sender: "BROKER", Target: exchange.CompID, Unit: unit, Password: "secret",
		Outbox: h.outbox, Proposer: h, Full: errFull, LeastPause: time.Millisecond, MostPause: 100 * time.Millisecond,
		Dial: m.dial()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Stop)
	l.Start()
	eventually(t, "the trading day", func() bool { day, ended := h.outbox.Day(); return day == testDay && !ended })
	accounts, securities := furnish(h, list)
	orders := trading(t, h, m, random, list, accounts, securities)
	eventually(t, "an empty outbox", func() bool { return h.outbox.Len() == 0 })
	eventually(t, "every report", func() bool {
		_, _, reports := m.told(unit)
		h.mu.Lock()
		defer h.mu.Unlock()
		var applied uint64
		for p := uint32(1); p <= 4; p++ {
			applied += h.outbox.Lacking(p) - 1
		}
		return applied == reports
	})
	l.Stop()
	filled, over, reports := m.told(unit)
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.state.Check(); err != nil {
		t.Error(err)
	}
	if len(h.unwanted) > 0 {
		t.Errorf("the books refused %v", h.unwanted)
	}
	traded := 0
	for _, id := range orders {
		o := h.orders[id]
		name, _ := szse.ClOrdID(id)
		if o.Filled != filled[string(name[:])] || o.Status.Done() != over[string(name[:])] {
			t.Errorf("order %s: books filled %d status %d, exchange filled %d over %v", name, o.Filled, o.Status,
				filled[string(name[:])], over[string(name[:])])
		}
		if o.Filled > 0 {
			traded++
		}
	}
	s := l.Status()
	t.Logf("%d orders, %d with trades, %d reports, %d sessions, sent %d times, %d again, %d spared, %d duplicates",
		len(orders), traded, reports, s.Sessions, s.Sent, s.Resent, s.Spared, s.Duplicates)
	if traded == 0 || s.Sessions < 5 || s.Resent == 0 || s.Spared == 0 || s.Impatient > 0 {
		t.Errorf("nothing was put to the test: %+v", s)
	}
}

// furnish lists the securities and opens two accounts with money and shares.
func furnish(h *house, list []exchange.Listed) (accounts []trade.AccountID, securities []trade.SecurityID) {
	suffix := map[trade.Venue]string{trade.SSE: ".SH", trade.SZSE: ".SZ", trade.BSE: ".BJ"}
	for i := range list {
		one := &list[i]
		a := h.must(&trade.Command{Kind: trade.ListSecurityKind, ListSecurity: trade.ListSecurity{Security: trade.Security{
			Symbol: []byte(one.Code.String() + suffix[one.Venue]), Name: []byte(one.Name),
			Pinyin: []byte(strings.ToLower(one.Pinyin)),
			Venue:  one.Venue, Board: one.Board, Condition: one.Condition, PreviousClose: one.PreviousClose,
			Listed: 20100101, Day: testDay}}})
		securities = append(securities, a.Security)
	}
	for _, name := range []string{"alice", "bob"} {
		a := h.must(&trade.Command{Kind: trade.OpenAccountKind, OpenAccount: trade.OpenAccount{Login: []byte(name),
			Permissions: trade.MayEverything, Commission: 25_000}})
		accounts = append(accounts, a.Account)
		h.must(&trade.Command{Kind: trade.MoveCashKind, MoveCash: trade.MoveCash{Account: a.Account,
			Amount: 1_000_000_000 * money.Scale, Reference: []byte("cash")}})
		for _, s := range securities {
			h.must(&trade.Command{Kind: trade.MoveSharesKind, MoveShares: trade.MoveShares{Account: a.Account, Security: s,
				Quantity: 1_000_000, Cost: money.Scale, Reference: fmt.Appendf(nil, "shares %d", s)}})
		}
	}
	return accounts, securities
}

// trading places and cancels orders around the previous close, and restarts the exchange now and then.
func trading(t *testing.T, h *house, m *market, random *rand.Rand, list []exchange.Listed, accounts []trade.AccountID,
	securities []trade.SecurityID) (orders []trade.OrderID) {
	const count, restarts = 900, 3
	types := []trade.OrderType{trade.Limit, trade.Limit, trade.Limit, trade.Limit, trade.BestFiveCancel,
		trade.OppositeBest}
	refused := 0
	for i := range count {
		if i%(count/restarts) == count/restarts/2 {
			m.close()
			m.open()
		}
		which := random.IntN(len(securities))
		c := trade.Command{Kind: trade.PlaceOrderKind, PlaceOrder: trade.PlaceOrder{Account: accounts[random.IntN(2)],
			Security: securities[which], Side: trade.Buy + trade.Side(random.IntN(2)), Type: types[random.IntN(len(types))],
			Channel: trade.REST, Quantity: money.Quantity(100 * (1 + random.IntN(5))), ClientID: fmt.Appendf(nil, "c%d", i)}}
		if c.PlaceOrder.Type == trade.Limit {
			c.PlaceOrder.Price = list[which].PreviousClose + money.Price(100*(random.IntN(11)-5))
		}
		a := h.ask(&c)
		if a.Reason != trade.Accepted {
			if refused++; refused > count/10 {
				t.Fatalf("the books refuse orders: reason %d, %+v", a.Reason, a.Numbers)
			}
			continue
		}
		orders = append(orders, a.Order)
		if random.IntN(3) == 0 {
			id := orders[random.IntN(len(orders))]
			h.mu.Lock()
			owner := h.orders[id].Account
			h.mu.Unlock()
			h.ask(&trade.Command{Kind: trade.CancelOrderKind, CancelOrder: trade.CancelOrder{Account: owner, Order: id,
				Channel: trade.REST}}) // may be refused: the order may be done
		}
	}
	return orders
}
