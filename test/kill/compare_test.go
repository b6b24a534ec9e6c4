package kill

import (
	"path/filepath"
	"testing"
	"time"

	"evenkeel/core/broker"
	core "evenkeel/core/exchange"
	"evenkeel/core/money"
	"evenkeel/core/trade"
	"evenkeel/exchange"
	"evenkeel/replica"
	"evenkeel/szse"
)

// brokerOrder is an order by the broker's log.
type brokerOrder struct {
	trade.Order
	client string
	sent   bool // it was once in the outbox
}

// brokerLog is what the broker's log says.
type brokerLog struct {
	orders  map[trade.OrderID]*brokerOrder
	clients map[string][]trade.OrderID // by client order id
	cancels map[trade.OrderID]bool     // requests to cancel that were in the outbox
}

// readBroker applies the broker's log from its first entry to books of its own.
func readBroker(t *testing.T, dir string) *brokerLog {
	t.Helper()
	l := &brokerLog{orders: map[trade.OrderID]*brokerOrder{}, clients: map[string][]trade.OrderID{},
		cancels: map[trade.OrderID]bool{}}
	state := broker.New(0)
	var command trade.Command
	var out trade.Output
	options := replica.Options[trade.Answer]{Dir: filepath.Join(dir, "broker"), Group: 1, Node: 1}
	out.Drain = l.take
	err := replica.Replay(options, 0, func(e replica.Entry) error {
		for _, c := range e.Commands {
			out.Reset()
			if err := trade.DecodeCommand(c, &command); err != nil {
				return err
			}
			state.Apply(trade.Time(e.Time), &command, &out)
			l.take(&out)
		}
		return nil
	})
	if err != nil {
		t.Fatal("read the broker's log:", err)
	}
	if err := state.Check(); err != nil {
		t.Error("the broker's books:", err)
	}
	if n := state.Untrue(); n != 0 {
		t.Errorf("the exchange reported %d times what the books could not believe", n)
	}
	return l
}

func (l *brokerLog) take(out *trade.Output) {
	for i := range out.Events {
		e := &out.Events[i]
		if !e.Kind.OfOrder() {
			continue
		}
		o := l.orders[e.Order.ID]
		if o == nil {
			o = &brokerOrder{client: string(e.Order.ClientID)}
			l.orders[e.Order.ID] = o
			l.clients[o.client] = append(l.clients[o.client], e.Order.ID)
		}
		o.Order = e.Order
	}
	for i := range out.Outgoing {
		if r := &out.Outgoing[i]; r.Cancel {
			l.cancels[r.Request] = true
		} else if o := l.orders[r.Request]; o != nil {
			o.sent = true
		}
	}
}

// exchangeOrder is an order by the exchange's reports.
type exchangeOrder struct {
	answered int // how often it was accepted or rejected
	last     core.Report
	filled   money.Quantity
	amount   money.Cash
}

// exchangeLog is what the exchange has reported to the broker's unit.
type exchangeLog struct {
	orders  map[core.ClOrdID]*exchangeOrder
	cancels map[core.ClOrdID]int // answers to requests to cancel
}

func readExchange(t *testing.T, dir string) *exchangeLog {
	t.Helper()
	s, err := exchange.Open(exchange.Config{Dir: dir, Clock: exchange.Clock{Sessions: exchange.Manual}})
	if err != nil {
		t.Fatal("open the exchange's journal:", err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	l := &exchangeLog{orders: map[core.ClOrdID]*exchangeOrder{}, cancels: map[core.ClOrdID]int{}}
	s.View(func(m *core.Machine) {
		unit := core.PBU{'E', 'K', '0', '0', '0', '1'}
		for p := uint32(1); p <= m.Partitions(); p++ {
			if first, _ := m.Kept(unit, p); first != 1 {
				t.Errorf("the exchange keeps reports from %d on: the test ran over too many days", first)
			}
			m.Reports(unit, p, 1, func(r *core.Report) bool {
				l.take(r)
				return true
			})
		}
	})
	return l
}

func (l *exchangeLog) take(r *core.Report) {
	id := r.ClOrdID
	if r.OrigClOrdID != (core.ClOrdID{}) {
		l.cancels[r.ClOrdID]++
		id = r.OrigClOrdID
	}
	o := l.orders[id]
	if o == nil {
		o = &exchangeOrder{}
		l.orders[id] = o
	}
	switch r.Type {
	case trade.OrderAcceptedReport, trade.OrderRejectedReport:
		o.answered++
	case trade.TradeReport:
		amount, _ := money.Amount(r.LastPrice, r.LastQuantity)
		o.filled += r.LastQuantity
		o.amount += amount
	}
	if r.Order != 0 {
		o.last = *r
	}
}

// compare lays the three histories side by side.
func compare(t *testing.T, h *house, investors []*investor) {
	t.Helper()
	books, market := readBroker(t, h.broker.dir), readExchange(t, h.exchange.dir)
	counts := map[string]int{}
	var longest time.Duration
	known := map[string]bool{}
	for _, i := range investors {
		counts["answers that were lost"] += i.lost
		longest = max(longest, i.longest)
		counts["asked again by the same order"] += i.replayed
		counts["asked again by client order id"] += i.resolved
		for _, n := range i.notes {
			known[n.client] = true
			counts["told "+n.told.String()]++
			compareClient(t, n, books)
		}
	}
	for client, ids := range books.clients {
		if len(ids) != 1 {
			t.Errorf("client order id %s has %d orders: %v", client, len(ids), ids)
		}
		if !known[client] {
			t.Errorf("nobody asked for client order id %s", client)
		}
	}
	for id, o := range books.orders {
		counts["at the broker: "+statusWord(o.Status)]++
		if o.Filled > 0 {
			counts["at the broker: traded"]++
		}
		compareOrder(t, id, o, market)
	}
	for id := range books.cancels {
		if clOrdID, err := szse.ClOrdID(id); err != nil || market.cancels[clOrdID] > 1 {
			t.Errorf("cancel %d was answered %d times by the exchange", id, market.cancels[clOrdID])
		}
	}
	for clOrdID, o := range market.orders {
		if id, err := szse.OrderID(clOrdID); err != nil || books.orders[id] == nil {
			t.Errorf("the exchange has order %s, which the broker does not know: %+v", clOrdID, o.last)
		}
	}
	for clOrdID := range market.cancels {
		if id, err := szse.OrderID(clOrdID); err != nil || !books.cancels[id] {
			t.Errorf("the exchange has cancel %s, which the broker does not know", clOrdID)
		}
	}
	counts["at the exchange"] = len(market.orders)
	t.Log(counts, "the longest wait for an answer from a broker that was ready:", longest)
	if counts["told accepted"] == 0 || counts["at the broker: traded"] == 0 || counts["answers that were lost"] == 0 {
		t.Error("nothing much happened: the test has shown nothing")
	}
}

// compareClient compares what a client was told with the broker's log.
func compareClient(t *testing.T, n *note, books *brokerLog) {
	t.Helper()
	ids := books.clients[n.client]
	switch n.told {
	case unknown:
		t.Errorf("%s was never resolved", n.client)
		return
	case refused, absent:
		if len(ids) != 0 {
			t.Errorf("the client was told that there is no %s (%s, %s), and the broker has it: %+v", n.client, n.told,
				n.reason, books.orders[ids[0]].Order)
		}
		return
	case accepted:
		if len(ids) == 0 {
			t.Errorf("%s was acknowledged as %s and is lost", n.client, n.id)
			return
		}
	}
	o := books.orders[ids[0]]
	if !o.Status.Done() {
		t.Errorf("%s is still in status %d", n.client, o.Status)
	}
	if n.replaces != "" && books.orders[o.Replaces] != nil && books.orders[o.Replaces].client != n.replaces {
		t.Errorf("%s replaces %s, the client asked to replace %s", n.client, books.orders[o.Replaces].client, n.replaces)
	}
}

// compareOrder compares an order of the broker's log with the exchange's reports.
func compareOrder(t *testing.T, id trade.OrderID, o *brokerOrder, market *exchangeLog) {
	t.Helper()
	clOrdID, err := szse.ClOrdID(id)
	if err != nil {
		t.Errorf("order %d: %v", id, err)
		return
	}
	e := market.orders[clOrdID]
	switch {
	case e == nil && o.sent:
		t.Errorf("%s (%s) was in the outbox and never reached the exchange: %+v", o.client, clOrdID, o.Order)
		return
	case e == nil:
		if o.Filled != 0 {
			t.Errorf("%s was never sent and has traded: %+v", o.client, o.Order)
		}
		return
	case !o.sent:
		t.Errorf("%s was never in the outbox, and the exchange has it: %+v", o.client, e.last)
	}
	if e.answered != 1 {
		t.Errorf("%s (%s) was answered %d times by the exchange", o.client, clOrdID, e.answered)
	}
	if e.filled != o.Filled || e.amount != o.Amount || e.last.Filled != o.Filled {
		t.Errorf("%s: the broker has filled %d for %v, the exchange %d for %v", o.client, o.Filled, o.Amount,
			e.filled, e.amount)
	}
	if e.last.Quantity != o.Quantity || e.last.Side != o.Side || e.last.Price != o.Price {
		t.Errorf("%s: the broker has %d at %v, the exchange %d at %v", o.client, o.Quantity, o.Price,
			e.last.Quantity, e.last.Price)
	}
	if e.last.Leaves != 0 || statusWord(e.last.Status) != statusWord(o.Status) {
		t.Errorf("%s: status %s at the broker, %s at the exchange with %d left", o.client, statusWord(o.Status),
			statusWord(e.last.Status), e.last.Leaves)
	}
}

// statusWord names what both sides must agree on: an order that was replaced was cancelled at the exchange.
func statusWord(s trade.OrderStatus) string {
	switch s {
	case trade.Filled:
		return "filled"
	case trade.Cancelled, trade.Replaced:
		return "cancelled"
	case trade.Rejected:
		return "rejected"
	case trade.Expired:
		return "expired"
	}
	return "open"
}
