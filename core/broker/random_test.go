package broker

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"evenkeel/core/money"
	"evenkeel/core/trade"
)

// world drives a state with random commands of all kinds, as an exchange and a crowd that make every mistake, and
// keeps what events and outputs say: a view that must be right without computing anything.
type world struct {
	t        testing.TB
	r        *rand.Rand
	state    *State
	now      trade.Time
	day      trade.Day
	accounts int
	index    map[uint32]uint64
	ids      int
	out      trade.Output
	encoded  []byte
	decoded  trade.Command

	sent     map[trade.OrderID]trade.Outgoing // at the exchange, as the exchange sees it
	resting  []trade.OrderID                  // orders that the exchange may talk about
	outbox   map[trade.OrderID]bool
	orders   map[trade.OrderID]trade.Order
	recent   []trade.OrderID
	balances map[trade.AccountID]trade.Balance
	numbers  map[trade.AccountID]uint64
	held     map[[2]uint64]trade.Position
	refused  map[trade.Reason]int
	events   map[trade.EventKind]int
}

func newWorld(t testing.TB, seed uint64) *world {
	w := &world{
		t: t, r: rand.New(rand.NewPCG(seed, 1)), state: New(3), index: map[uint32]uint64{}, day: 20260706,
		sent: map[trade.OrderID]trade.Outgoing{}, outbox: map[trade.OrderID]bool{}, orders: map[trade.OrderID]trade.Order{},
		balances: map[trade.AccountID]trade.Balance{}, numbers: map[trade.AccountID]uint64{},
		held: map[[2]uint64]trade.Position{}, refused: map[trade.Reason]int{}, events: map[trade.EventKind]int{},
	}
	w.apply(&trade.Command{Kind: trade.AdoptRulesKind, AdoptRules: trade.AdoptRules{Text: standardRules()}})
	for range 12 {
		w.openAccount()
	}
	w.newDay()
	return w
}

func (w *world) openAccount() {
	w.accounts++
	c := trade.Command{Kind: trade.OpenAccountKind}
	c.OpenAccount = trade.OpenAccount{
		Login: fmt.Appendf(nil, "user%d",
			w.accounts), Permissions: trade.MayEverything, Commission: money.Rate(w.r.IntN(400_000)),
	}
	w.apply(&c)
	c = trade.Command{Kind: trade.MoveCashKind}
	c.MoveCash = trade.MoveCash{Account: w.someAccount(), Amount: money.Cash(1 + w.r.Int64N(1e10)), Reference: w.id()}
	w.apply(&c)
}

// lists are the securities of the world; 5 has no limit, 6 trades the day it is bought.
var lists = []struct {
	symbol string
	venue  trade.Venue
	board  trade.Board
	price  money.Price
	free   bool
	t0     bool
}{
	{"600000.SH", trade.SSE, trade.Main, 10_0000, false, false},
	{"000001.SZ", trade.SZSE, trade.Main, 11_4000, false, false},
	{"300001.SZ", trade.SZSE, trade.ChiNext, 30_0000, false, false},
	{"688001.SH", trade.SSE, trade.STAR, 7_9000, false, false},
	{"600004.SH", trade.SSE, trade.Main, 5_0000, true, false},
	{"510300.SH", trade.SSE, trade.ETF, 4_0000, false, true},
	{"920023.BJ", trade.BSE, trade.BSEMain, 1_8200, false, false},
}

func (w *world) newDay() {
	w.day++
	if w.day%100 > 28 {
		w.day += 100 - w.day%100 + 1
	}
	if w.day/100%100 > 12 {
		w.day += 10000 - 1200
	}
	for _, l := range lists {
		c := trade.Command{Kind: trade.ListSecurityKind}
		condition := trade.Normal
		if l.free {
			condition = trade.NewListing
		}
		c.ListSecurity.Security = trade.Security{
			Symbol: []byte(l.symbol), Name: []byte(l.symbol), Venue: l.venue, Board: l.board, Condition: condition,
			TPlusZero: l.t0, PreviousClose: l.price, Day: w.day,
		}
		w.apply(&c)
	}
	w.apply(&trade.Command{Kind: trade.StartDayKind, StartDay: trade.StartDay{Day: w.day}})
	clear(w.sent)
	clear(w.orders)
	w.resting, w.recent = w.resting[:0], w.recent[:0]
	for v := trade.SSE; v <= trade.BSE; v++ {
		w.phase(v, trade.Continuous)
	}
}

func (w *world) phase(v trade.Venue, p trade.Phase) {
	w.apply(&trade.Command{Kind: trade.SetPhaseKind, SetPhase: trade.SetPhase{Venue: v, Phase: p, Day: w.day}})
}

func (w *world) id() []byte {
	w.ids++
	return fmt.Appendf(nil, "c%d", w.ids)
}

func (w *world) someAccount() trade.AccountID {
	return trade.AccountID(3<<trade.ShardShift | 1 + w.r.Uint64N(uint64(w.accounts)))
}

func (w *world) someOrder() trade.OrderID {
	if len(w.recent) == 0 || w.r.IntN(200) == 0 {
		return trade.OrderID(3<<trade.ShardShift | w.r.Uint64N(1000))
	}
	return w.recent[max(0, len(w.recent)-1-w.r.IntN(60))]
}

func (w *world) somePrice(security int) money.Price {
	base := lists[security-1].price
	if w.r.IntN(50) == 0 {
		return money.Price(w.r.Int64N(int64(base) * 2))
	}
	return base - base%100 + 100*money.Price(w.r.IntN(41)-20)
}

func (w *world) someQuantity() money.Quantity {
	if w.r.IntN(10) == 0 {
		return money.Quantity(w.r.IntN(1000) - 10)
	}
	return 100 * money.Quantity(1+w.r.IntN(30))
}

// step applies one random command.
func (w *world) step() {
	var c trade.Command
	switch n := w.r.IntN(1000); {
	case n < 340:
		security := 1 + w.r.IntN(len(lists))
		c.Kind = trade.PlaceOrderKind
		c.PlaceOrder = trade.PlaceOrder{
			Account: w.someAccount(), Security: trade.SecurityID(security), Side: trade.Side(1 + w.r.IntN(2)),
			Type:  trade.Limit,
			Price: w.somePrice(security), Quantity: w.someQuantity(), ClientID: w.id(),
		}
		if w.r.IntN(8) == 0 {
			c.PlaceOrder.Type, c.PlaceOrder.Price = trade.OrderType(w.r.IntN(10)), 0
		}
		if w.r.IntN(30) == 0 {
			c.PlaceOrder.ClientID = fmt.Appendf(nil, "c%d", 1+w.r.IntN(w.ids))
		}
	case n < 430:
		o := w.orders[w.someOrder()]
		c.Kind, c.CancelOrder = trade.CancelOrderKind, trade.CancelOrder{Account: o.Account, Order: o.ID}
	case n < 510:
		o := w.orders[w.someOrder()]
		c.Kind = trade.ReplaceOrderKind
		c.ReplaceOrder = trade.ReplaceOrder{Account: o.Account, Order: o.ID, ClientID: w.id(),
			Quantity: w.someQuantity()}
		if o.Security > 0 && w.r.IntN(2) == 0 {
			c.ReplaceOrder.Price = w.somePrice(int(o.Security))
		}
	case n < 920:
		w.report(&c)
	case n < 950:
		c.Kind = trade.MoveCashKind
		c.MoveCash = trade.MoveCash{Account: w.someAccount(), Amount: money.Cash(w.r.Int64N(2e9) - 1e9),
			Reference: w.id()}
	case n < 980:
		c.Kind = trade.MoveSharesKind
		c.MoveShares = trade.MoveShares{
			Account: w.someAccount(), Security: trade.SecurityID(1 + w.r.IntN(len(lists))),
			Quantity: money.Quantity(w.r.IntN(4000) - 1500), Cost: money.Cash(w.r.Int64N(1e8)), Reference: w.id(),
		}
	case n < 992:
		phases := []trade.Phase{trade.Continuous, trade.Continuous, trade.Lunch, trade.OpeningGap, trade.BeforeOpen,
			trade.OpeningCall, trade.ClosingCall, trade.FixedPriceTrading, trade.Closed, trade.VolatilityHalt}
		c.Kind = trade.SetPhaseKind
		c.SetPhase = trade.SetPhase{Venue: trade.Venue(1 + w.r.IntN(3)), Phase: phases[w.r.IntN(len(phases))],
			Day: w.day}
	default:
		w.rare(&c)
	}
	w.apply(&c)
}

func (w *world) rare(c *trade.Command) {
	a := w.someAccount()
	switch w.r.IntN(9) {
	case 0:
		c.Kind = trade.HaltSecurityKind
		c.HaltSecurity = trade.HaltSecurity{Security: trade.SecurityID(1 + w.r.IntN(len(lists))),
			Halted: w.r.IntN(8) == 0}
	case 1:
		c.Kind = trade.SetSettingsKind
		c.SetSettings = trade.SetSettings{Account: a, Settings: trade.Settings{SuspendTrading: w.r.IntN(4) == 0}}
	case 2:
		c.Kind, c.AddKey = trade.AddKeyKind, trade.AddKey{Account: a, KeyID: w.id(), Permissions: trade.MayTrade,
			Label: w.id()}
	case 3:
		c.Kind = trade.RevokeKeyKind
		c.RevokeKey = trade.RevokeKey{Account: a, KeyID: fmt.Appendf(nil, "c%d", 1+w.r.IntN(w.ids))}
		if n, acc := w.state.account(a); acc != nil && acc.keys != 0 {
			c.RevokeKey.KeyID = bytes.Clone(w.state.texts.read(w.state.keys.at(acc.keys).value.id))
			_ = n
		}
	case 4:
		c.Kind = trade.OpenSessionKind
		c.OpenSession = trade.OpenSession{Account: a, Expires: w.now + trade.Time(w.r.Int64N(50_000)), Label: w.id()}
		copy(c.OpenSession.TokenHash[:], w.id())
	case 5:
		c.Kind = trade.PutDocumentKind
		c.PutDocument = trade.PutDocument{Account: a, Name: fmt.Appendf(nil, "d%d", w.r.IntN(40)),
			Body: bytes.Repeat(w.id(), w.r.IntN(200))}
	case 6:
		c.Kind, c.SetPassword = trade.SetPasswordKind, trade.SetPassword{Account: a, PasswordHash: w.id()}
	case 7:
		c.Kind, c.AdoptRules.Text = trade.AdoptRulesKind, standardRules()
		if w.r.IntN(2) == 0 {
			c.AdoptRules.Text = bytes.ReplaceAll(standardRules(), []byte("0.001%"), []byte("0.003%"))
		}
	case 8:
		c.Kind = trade.EndDayKind
		c.EndDay.Day = w.day - trade.Day(1+w.r.IntN(3)) // never this day: step's caller ends it
	}
}

// report makes a report of the exchange about something that was sent, and now and then one that cannot be.
func (w *world) report(c *trade.Command) {
	c.Kind = trade.ReportKind
	partition := uint32(1 + w.r.IntN(3))
	v := &c.Report
	*v = trade.Report{Partition: partition, Index: w.index[partition] + 1, Time: w.now}
	if len(w.resting) == 0 || w.r.IntN(100) == 0 {
		v.Type, v.Request = trade.ReportType(w.r.IntN(8)), w.someOrder()
		v.Index += uint64(w.r.IntN(3)) - 1
		v.Price, v.Quantity = money.Price(w.r.Int64N(200_000)), w.someQuantity()
		return
	}
	at := max(0, len(w.resting)-1-w.r.IntN(40))
	sent := w.sent[w.resting[at]]
	for !sent.Cancel && w.orders[sent.Order].Status.Done() && len(w.resting) > 1 && w.r.IntN(50) > 0 {
		w.resting = append(w.resting[:at], w.resting[at+1:]...)
		at = max(0, len(w.resting)-1-w.r.IntN(40))
		sent = w.sent[w.resting[at]]
	}
	order := w.orders[sent.Order]
	v.Request, v.Order = sent.Request, sent.Order
	if sent.Cancel {
		v.Type, v.Quantity = trade.OrderCancelledReport, order.Left()
		if order.Status.Done() || w.r.IntN(4) == 0 {
			v.Type = trade.CancelRejectedReport
		}
		w.resting = append(w.resting[:at], w.resting[at+1:]...)
	} else {
		w.about(v, &order, at)
	}
	if w.r.IntN(40) == 0 {
		v.Type, v.Index = trade.RefusedReport, 0
		v.Reason = [...]trade.Reason{trade.DuplicateOrder, trade.VenueThrottled}[w.r.IntN(2)]
	}
}

func (w *world) about(v *trade.Report, order *trade.Order, at int) {
	switch n := w.r.IntN(10); {
	case order.AcceptedAt == 0 && n < 6:
		v.Type = trade.OrderAcceptedReport
	case order.AcceptedAt == 0 && n < 7:
		v.Type, v.Reason = trade.OrderRejectedReport, trade.PriceOutsideCage
	case n < 9:
		v.Type, v.Price, v.Quantity = trade.TradeReport, order.Price, max(1, order.Left())
		if v.Price == 0 {
			v.Price = lists[order.Security-1].price
		} else if order.Side == trade.Buy {
			v.Price = max(100, v.Price-100*money.Price(w.r.IntN(20)))
		}
		if w.r.IntN(2) == 0 {
			v.Quantity = 1 + money.Quantity(w.r.Int64N(int64(v.Quantity)))
		}
	default:
		v.Type, v.Quantity = trade.OrderCancelledReport, order.Left()
	}
	if order.Status.Done() {
		w.resting = append(w.resting[:at], w.resting[at+1:]...)
	}
}

// apply encodes, decodes and applies a command, and folds what came of it.
func (w *world) apply(c *trade.Command) trade.Answer {
	var err error
	if w.encoded, err = trade.AppendCommand(w.encoded[:0], c); err != nil {
		w.t.Fatal(err)
	}
	if err := trade.DecodeCommand(w.encoded, &w.decoded); err != nil {
		w.t.Fatal(err)
	}
	w.now += 1000
	w.out.Reset()
	answer := w.state.Apply(w.now, &w.decoded, &w.out)
	w.refused[answer.Reason]++
	w.fold(&answer)
	return answer
}

func (w *world) fold(answer *trade.Answer) {
	if answer.Reason != trade.Accepted && answer.Reason != trade.ReportUnknownRequest &&
		answer.Reason != trade.ReportUntrue &&
		len(w.out.Events)+len(w.out.Outgoing)+len(w.out.Confirmed) > 0 {
		w.t.Fatalf("a command refused for reason %d left %d events", answer.Reason, len(w.out.Events))
	}
	for _, o := range w.out.Outgoing {
		w.sent[o.Request], w.outbox[o.Request] = o, true
		w.resting = append(w.resting, o.Request)
	}
	for _, id := range w.out.Confirmed {
		if !w.outbox[id] {
			w.t.Fatalf("%d left the outbox and was not in it", id)
		}
		delete(w.outbox, id)
	}
	for i := range w.out.Events {
		e := &w.out.Events[i]
		w.events[e.Kind]++
		if e.Kind.Numbered() {
			w.numbers[e.Account]++
			if e.Number != w.numbers[e.Account] {
				w.t.Fatalf("event %d of account %d is numbered %d", w.numbers[e.Account], e.Account, e.Number)
			}
		}
		switch {
		case e.Kind == trade.ReportTaken:
			w.index[e.Report.Partition]++
			if w.index[e.Report.Partition] != e.Report.Index {
				w.t.Fatalf("report %d was taken in the place of %d", e.Report.Index, w.index[e.Report.Partition])
			}
		case e.Kind.OfOrder():
			if _, known := w.orders[e.Order.ID]; !known {
				w.recent = append(w.recent, e.Order.ID)
			}
			o := e.Order
			o.ClientID = nil
			w.orders[o.ID], w.balances[e.Account] = o, e.Balance
			w.held[[2]uint64{uint64(e.Account), uint64(e.Position.Security)}] = e.Position
		case e.Kind == trade.CashMoved:
			w.balances[e.Account] = e.Balance
		case e.Kind == trade.SharesMoved:
			w.held[[2]uint64{uint64(e.Account), uint64(e.Position.Security)}] = e.Position
		case e.Kind == trade.AccountDay:
			w.balances[e.Account] = e.Balance
			for y := range lists { // positions follow; those that do not are gone
				delete(w.held, [2]uint64{uint64(e.Account), uint64(y + 1)})
			}
		case e.Kind == trade.PositionDay:
			w.held[[2]uint64{uint64(e.Account), uint64(e.Position.Security)}] = e.Position
		}
	}
}

// check compares the state with itself and with what the events said.
func (w *world) check() {
	w.t.Helper()
	if err := w.state.Check(); err != nil {
		w.t.Fatal(err)
	}
	outbox := 0
	w.state.Outbox(func(o trade.Outgoing) {
		outbox++
		if !w.outbox[o.Request] || w.sent[o.Request] != o {
			w.t.Fatalf("request %d of the outbox was told otherwise", o.Request)
		}
	})
	if outbox != len(w.outbox) {
		w.t.Fatalf("the outbox has %d requests, the outputs said %d", outbox, len(w.outbox))
	}
	for id, b := range w.balances {
		if is, _ := w.state.Balance(id); is != b {
			w.t.Fatalf("account %d has %+v, the events said %+v", id, is, b)
		}
	}
	for k, p := range w.held {
		n, _ := w.state.account(trade.AccountID(k[0]))
		if is := w.state.books.Position(n, trade.SecurityID(k[1])); is != p {
			w.t.Fatalf("account %d has %+v, the events said %+v", k[0], is, p)
		}
	}
	for id, was := range w.orders {
		i, ok := w.state.seatOf(id)
		var is trade.Order
		if ok {
			w.state.describe(&is, i, w.state.at(i))
		}
		is.ClientID = nil
		is.Reason, is.Numbers = was.Reason, was.Numbers // CancelRefused explains itself in the event only
		if is.Filled != was.Filled || is.Status != was.Status || is.FrozenCash != was.FrozenCash ||
			is.Fees != was.Fees ||
			is.Quantity != was.Quantity {
			w.t.Fatalf("order %d is %+v, the events said %+v", id, is, was)
		}
	}
}

func TestMillion(t *testing.T) {
	commands, careful, every := 1_000_000, 6_000, 5_000
	if testing.Short() {
		commands, careful = 60_000, 1_500
	}
	w := newWorld(t, 20260707)
	for i := range commands {
		if i%15_000 == 14_999 {
			if w.r.IntN(2) == 0 {
				w.apply(&trade.Command{Kind: trade.EndDayKind, EndDay: trade.EndDay{Day: w.day}})
			}
			w.newDay()
			w.openAccount()
		}
		w.step()
		if i < careful || i%every == 0 {
			w.check()
		}
	}
	w.check()
	if n := len(w.state.clientIDs.pages); n > 1 {
		t.Errorf("%d pages of client order ids: those of the days before are kept", n)
	}
	if w.state.Untrue() == 0 {
		t.Error("no report was untrue")
	}
	for kind := trade.OrderPlaced; kind <= trade.ReplaceRefused; kind++ {
		if w.events[kind] < commands/20_000 {
			t.Errorf("only %d events of kind %d: the test does not reach them", w.events[kind], kind)
		}
	}
	t.Logf("%d commands, answers by reason: %v", commands, w.refused)
}

// TestSameAfterRestore goes on from a snapshot and from the state itself, and compares every output.
func TestSameAfterRestore(t *testing.T) {
	seeds := 40
	if testing.Short() {
		seeds = 5
	}
	for seed := range uint64(seeds) {
		w := newWorld(t, 1000+seed)
		for range 200 + w.r.IntN(2000) {
			w.step()
		}
		if seed%3 == 0 {
			w.apply(&trade.Command{Kind: trade.EndDayKind, EndDay: trade.EndDay{Day: w.day}})
		}
		var taken bytes.Buffer
		if err := w.state.Snapshot(&taken); err != nil {
			t.Fatal(err)
		}
		twin := New(3)
		if err := twin.Restore(&taken); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		var out trade.Output
		for i := range 1500 {
			if i == 1000 {
				w.newDay()
				twin = followed(t, w)
			}
			w.step()
			out.Reset()
			twin.Apply(w.now, &w.decoded, &out)
			if i < 1000 || i > 1000 {
				sameOutput(t, seed, i, &w.out, &out)
			}
			if twin.Hash() != w.state.Hash() {
				t.Fatalf("seed %d, command %d: the digests differ", seed, i)
			}
		}
	}
}

// followed restores a twin of a world's state.
func followed(t *testing.T, w *world) *State {
	t.Helper()
	var taken bytes.Buffer
	if err := w.state.Snapshot(&taken); err != nil {
		t.Fatal(err)
	}
	twin := New(3)
	if err := twin.Restore(&taken); err != nil {
		t.Fatal(err)
	}
	return twin
}

func sameOutput(t *testing.T, seed uint64, i int, a, b *trade.Output) {
	t.Helper()
	if len(a.Events) != len(b.Events) || len(a.Outgoing) != len(b.Outgoing) || len(a.Confirmed) != len(b.Confirmed) {
		t.Fatalf("seed %d, command %d: %d and %d events", seed, i, len(a.Events), len(b.Events))
	}
	for k := range a.Events {
		x, errX := trade.AppendEvent(nil, &a.Events[k])
		y, errY := trade.AppendEvent(nil, &b.Events[k])
		if errX != nil || errY != nil || !bytes.Equal(x, y) {
			t.Fatalf("seed %d, command %d: event %d differs", seed, i, k)
		}
	}
	for k := range a.Outgoing {
		if a.Outgoing[k] != b.Outgoing[k] {
			t.Fatalf("seed %d, command %d: request %d differs", seed, i, k)
		}
	}
	for k := range a.Confirmed {
		if a.Confirmed[k] != b.Confirmed[k] {
			t.Fatalf("seed %d, command %d: confirmation %d differs", seed, i, k)
		}
	}
}
