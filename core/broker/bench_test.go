package broker

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"syscall"
	"testing"
	"time"

	"evenkeel/core/money"
	"evenkeel/core/trade"
)

// The stream of BenchmarkApply: many accounts that place, fill and cancel in many securities. A cycle is a placement
// and its acceptance, then a full fill in two parts, or a cancel and its report: 4 commands.
const (
	benchAccounts   = 100_000
	benchSecurities = 5_000
	benchCycles     = 1 << 17
)

// stream is a day's commands, encoded one behind the other, as the log hands them over.
type stream struct {
	bytes []byte
	ends  []int
}

func (s *stream) add(b *testing.B, c *trade.Command) {
	var err error
	if s.bytes, err = trade.AppendCommand(s.bytes, c); err != nil {
		b.Fatal(err)
	}
	s.ends = append(s.ends, len(s.bytes))
}

// benchState has accounts with cash and two positions each.
func benchState(tb testing.TB, accounts, securities int) *State {
	s := New(1)
	var out trade.Output
	apply := func(c *trade.Command) {
		out.Reset()
		if a := s.Apply(1, c, &out); a.Reason != trade.Accepted {
			tb.Fatalf("command of kind %d: refused for %d", c.Kind, a.Reason)
		}
	}
	apply(&trade.Command{Kind: trade.AdoptRulesKind, AdoptRules: trade.AdoptRules{Text: standardRules()}})
	listAll(s, securities, 20260707, apply)
	hash := []byte("$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g")
	r := rand.New(rand.NewPCG(1, 1))
	for i := range accounts {
		c := trade.Command{Kind: trade.OpenAccountKind}
		c.OpenAccount = trade.OpenAccount{
			Login: fmt.Appendf(nil, "investor%07d",
				i), PasswordHash: hash, Permissions: trade.MayEverything, Commission: 25000,
		}
		apply(&c)
		id := trade.AccountID(1<<trade.ShardShift | (i + 1))
		c = trade.Command{Kind: trade.MoveCashKind, MoveCash: trade.MoveCash{Account: id, Amount: 1e11,
			Reference: []byte("first")}}
		apply(&c)
		for k := range 2 {
			c = trade.Command{Kind: trade.MoveSharesKind}
			security := trade.SecurityID(1 + (i*7+k*(1+r.IntN(securities-1)))%securities)
			c.MoveShares = trade.MoveShares{Account: id, Security: security, Quantity: 1e6, Cost: 1e10,
				Reference: []byte{byte(k)}}
			apply(&c)
		}
	}
	return s
}

func listAll(s *State, securities int, day trade.Day, apply func(*trade.Command)) {
	for i := range securities {
		c := trade.Command{Kind: trade.ListSecurityKind}
		c.ListSecurity.Security = trade.Security{
			Symbol: fmt.Appendf(nil, "%06d.SH",
				i), Name: []byte("浦发银行"), Pinyin: []byte("pfyh"), Venue: trade.SSE, Board: trade.Main,
			Condition: trade.Normal, PreviousClose: 10_0000, Day: day,
		}
		apply(&c)
	}
	apply(&trade.Command{Kind: trade.StartDayKind, StartDay: trade.StartDay{Day: day}})
	apply(&trade.Command{Kind: trade.SetPhaseKind, SetPhase: trade.SetPhase{Venue: trade.SSE, Phase: trade.Continuous,
		Day: day}})
}

// benchDay writes a day's stream; first is the last request number before it, index the last report's.
func benchDay(b *testing.B, s *stream, first, index uint64, accounts, securities int) (next uint64) {
	s.bytes, s.ends = s.bytes[:0], s.ends[:0]
	r := rand.New(rand.NewPCG(first, 2))
	id := func() trade.OrderID { first++; return trade.OrderID(1<<trade.ShardShift | first) }
	report := func(kind trade.ReportType, request, order trade.OrderID, price money.Price, quantity money.Quantity) {
		index++
		c := trade.Command{Kind: trade.ReportKind}
		c.Report = trade.Report{Type: kind, Partition: 1, Index: index, Request: request, Order: order, Price: price,
			Quantity: quantity, Time: 1}
		s.add(b, &c)
	}
	for i := range benchCycles {
		account := r.IntN(accounts)
		c := trade.Command{Kind: trade.PlaceOrderKind}
		c.PlaceOrder = trade.PlaceOrder{
			Account: trade.AccountID(1<<trade.ShardShift | (account + 1)), Security: trade.SecurityID(1 + r.IntN(securities)),
			Side: trade.Buy, Type: trade.Limit, Price: 10_0000 - 100*money.Price(r.IntN(50)), Quantity: 200,
			ClientID: fmt.Appendf(nil, "order-%d-%d", account, i),
		}
		if r.IntN(2) == 0 {
			c.PlaceOrder.Side, c.PlaceOrder.Security = trade.Sell, trade.SecurityID(1+account*7%securities)
		}
		s.add(b, &c)
		placed := id()
		report(trade.OrderAcceptedReport, placed, placed, 0, 0)
		if r.IntN(2) == 0 {
			report(trade.TradeReport, placed, placed, c.PlaceOrder.Price, 100)
			report(trade.TradeReport, placed, placed, c.PlaceOrder.Price, 100)
			continue
		}
		c.Kind, c.CancelOrder = trade.CancelOrderKind, trade.CancelOrder{Account: c.PlaceOrder.Account, Order: placed}
		s.add(b, &c)
		report(trade.OrderCancelledReport, id(), placed, 0, 200)
	}
	return first
}

// BenchmarkApply measures one command, decoding included: risk, freeze, outbox, events and digest. Its reference,
// measured in the same run, is plainBroker: the same stream booked the plain way with Go's maps, and only the bare
// minimum of it: client ids, freezing, fills; no ladder, fees, events, outbox, statuses or digest.
func BenchmarkApply(b *testing.B) {
	for _, kind := range []string{"broker", "plain"} {
		b.Run(kind, func(b *testing.B) {
			s := benchState(b, benchAccounts, benchSecurities)
			plain := newPlain(benchAccounts)
			var day stream
			var out trade.Output
			var c trade.Command
			number, index, today := uint64(0), uint64(0), trade.Day(20260707)
			at := 0
			b.ReportAllocs()
			b.ResetTimer()
			spent, began := time.Duration(0), processorTime()
			for i := range b.N {
				if at == len(day.ends) {
					b.StopTimer()
					spent += processorTime() - began
					today++
					out.Drain = func(*trade.Output) {}
					listAll(s, benchSecurities, today, func(c *trade.Command) { out.Reset(); s.Apply(1, c, &out) })
					before := number
					number = benchDay(b, &day, number, index, benchAccounts, benchSecurities)
					index = indexAfter(&day)
					plain.newDay(before)
					at = 0
					runtime.GC()
					b.StartTimer()
					began = processorTime()
				}
				from := 0
				if at > 0 {
					from = day.ends[at-1]
				}
				if err := trade.DecodeCommand(day.bytes[from:day.ends[at]], &c); err != nil {
					b.Fatal(err)
				}
				at++
				if kind == "plain" {
					plain.apply(&c)
					continue
				}
				out.Reset()
				if a := s.Apply(trade.Time(i), &c, &out); a.Reason != trade.Accepted {
					b.Fatalf("command of kind %d: refused for %d %+v", c.Kind, a.Reason, a.Numbers)
				}
			}
			spent += processorTime() - began
			b.ReportMetric(float64(spent.Nanoseconds())/float64(b.N), "cpu-ns/op")
		})
	}
}

// processorTime is what the process has used of processors: unlike the clock it does not count what neighbours used.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// indexAfter returns the last report index of a day's stream.
func indexAfter(s *stream) uint64 {
	var c trade.Command
	for i := len(s.ends) - 1; i > 0; i-- {
		if trade.DecodeCommand(s.bytes[s.ends[i-1]:s.ends[i]], &c) == nil && c.Kind == trade.ReportKind {
			return c.Report.Index
		}
	}
	return 0
}

// plainBroker is the reference: accounts, positions and orders in Go's maps.
type plainBroker struct {
	accounts map[trade.AccountID]*plainAccount
	orders   map[trade.OrderID]*plainOrder
	ids      map[string]trade.OrderID
	next     uint64
}

type plainAccount struct {
	available, frozen money.Cash
	positions         map[trade.SecurityID]money.Quantity
}

type plainOrder struct {
	trade.PlaceOrder
	left money.Quantity
}

func newPlain(accounts int) *plainBroker {
	p := &plainBroker{accounts: map[trade.AccountID]*plainAccount{}}
	for i := range accounts {
		p.accounts[trade.AccountID(1<<trade.ShardShift|(i+1))] = &plainAccount{
			available: 1e15, positions: map[trade.SecurityID]money.Quantity{trade.SecurityID(1 + i*7%benchSecurities): 1e9},
		}
	}
	p.newDay(0)
	return p
}

func (p *plainBroker) newDay(number uint64) {
	p.orders, p.ids, p.next = map[trade.OrderID]*plainOrder{}, map[string]trade.OrderID{}, number
}

func (p *plainBroker) apply(c *trade.Command) {
	switch c.Kind {
	case trade.PlaceOrderKind:
		a := p.accounts[c.PlaceOrder.Account]
		id := fmt.Sprint(uint64(c.PlaceOrder.Account)) + string(c.PlaceOrder.ClientID)
		if _, used := p.ids[id]; used {
			return
		}
		p.next++
		number := trade.OrderID(1<<trade.ShardShift | p.next)
		p.ids[id] = number
		p.orders[number] = &plainOrder{c.PlaceOrder, c.PlaceOrder.Quantity}
		if c.PlaceOrder.Side == trade.Sell {
			a.positions[c.PlaceOrder.Security] -= c.PlaceOrder.Quantity
			return
		}
		cash := money.Cash(c.PlaceOrder.Price) * money.Cash(c.PlaceOrder.Quantity)
		a.available, a.frozen = a.available-cash, a.frozen+cash
	case trade.CancelOrderKind:
		p.next++
	case trade.ReportKind:
		o := p.orders[c.Report.Order]
		if o == nil || c.Report.Type == trade.OrderAcceptedReport {
			return
		}
		a := p.accounts[o.Account]
		cash := money.Cash(o.Price) * money.Cash(c.Report.Quantity)
		o.left -= c.Report.Quantity
		filled := c.Report.Type == trade.TradeReport
		switch {
		case o.Side == trade.Buy && filled:
			a.frozen -= cash
			a.positions[o.Security] += c.Report.Quantity
		case o.Side == trade.Buy:
			a.frozen, a.available = a.frozen-cash, a.available+cash
		case filled:
			a.available += cash
		default:
			a.positions[o.Security] += c.Report.Quantity
		}
	}
}

// BenchmarkMillionAccounts measures what a million accounts cost: memory of each (with login, password hash, cash and
// two positions), and the writing and reading of their snapshot. Restore includes the check of the whole house.
func BenchmarkMillionAccounts(b *testing.B) {
	const accounts = 1_000_000
	s := benchState(b, accounts, benchSecurities)
	var out trade.Output
	out.Drain = func(*trade.Output) {}
	start := time.Now()
	s.Apply(1, &trade.Command{Kind: trade.StartDayKind, StartDay: trade.StartDay{Day: 20260708}}, &out)
	b.ReportMetric(time.Since(start).Seconds(), "s/day-turn")
	var taken bytes.Buffer
	for b.Loop() {
		taken.Reset()
		start = time.Now()
		if err := s.Snapshot(&taken); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(time.Since(start).Seconds(), "s/snapshot")
		b.ReportMetric(float64(taken.Len())/accounts, "B-snapshot/account")
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		start = time.Now()
		fresh := New(1)
		if err := fresh.Restore(bytes.NewReader(taken.Bytes())); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(time.Since(start).Seconds(), "s/restore")
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/accounts, "B/account")
		start = time.Now()
		runtime.GC()
		b.ReportMetric(time.Since(start).Seconds(), "s/gc")
		if fresh.Hash() != s.Hash() {
			b.Fatal("the restored state is another")
		}
		runtime.KeepAlive(fresh)
	}
}
