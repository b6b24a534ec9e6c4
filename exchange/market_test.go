package exchange

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	core "evenkeel/core/exchange"
	"evenkeel/core/money"
	"evenkeel/core/rules"
	"evenkeel/core/trade"
	"evenkeel/szse"
)

// TestMarketData: the order of what a reader is told, and going on from any number.
func TestMarketData(t *testing.T) {
	s := open(t, Config{Dir: t.TempDir(), Flow: Flow{Rate: 0.001, Seed: 1}})
	phase(t, s, trade.Continuous)
	b := online(t, s, testUnits[0])
	trades := func(from, to int) {
		for i := from; i < to; i++ {
			b.send(b.order("600000", fmt.Sprint("b", i), trade.Buy, 100, 10_0000))
			b.send(b.order("600000", fmt.Sprint("s", i), trade.Sell, 100, 10_0000))
		}
		b.answered(fmt.Sprint("s", to-1))
	}
	trades(0, 20)
	all, end := subscribe(t, s, szse.WantAll, 0, 0).replay()
	var kinds []string
	for _, text := range all {
		if kind, _, _ := strings.Cut(text, " "); len(kinds) == 0 || kinds[len(kinds)-1] != kind {
			kinds = append(kinds, kind)
		}
	}
	if want := []string{"SecurityDefinition", "Bar", "SessionState", "TradeTick"}; !slices.Equal(kinds, want) {
		t.Errorf("the order of messages is %v, want %v", kinds, want)
	}
	stream, _ := subscribe(t, s, szse.WantStream, testDay, 1).replay()
	if uint64(len(stream)) != end.Next-1 || end.Day != testDay || len(stream) < 20 {
		t.Errorf("%d messages, %+v", len(stream), end)
	}
	for from := uint64(1); from <= end.Next; from++ {
		part, _ := subscribe(t, s, szse.WantStream, testDay, from).replay()
		if !slices.Equal(part, stream[from-1:]) {
			t.Errorf("from %d: %d messages, want %d", from, len(part), len(stream[from-1:]))
		}
	}
	for _, ask := range []struct {
		day  trade.Day
		from uint64
	}{{testDay - 1, 5}, {testDay, end.Next + 1}} { // a day that is over, a number that never was
		if part, _ := subscribe(t, s, szse.WantStream, ask.day, ask.from).replay(); len(part) != len(stream) {
			t.Errorf("%+v: %d messages, want all %d", ask, len(part), len(stream))
		}
	}
	live := subscribe(t, s, szse.WantStream|szse.WantQuotes, testDay, end.Next)
	live.replay()
	trades(20, 25)
	next, quoted := end.Next, false
	for next < end.Next+5 || !quoted {
		switch m := live.next().(type) {
		case *szse.TradeTick:
			if m.Sequence != next || m.Price != 10_0000 {
				t.Fatalf("%+v, want number %d", m, next)
			}
			next++
		case *szse.Quote:
			quoted = m.Trades == 25 && m.Sequence == end.Next+4
			if m.Sequence != next-1 {
				t.Fatalf("a quote is current up to %d, its reader has %d", m.Sequence, next-1)
			}
		}
	}
	if err := s.RollDay(t.Context(), testDay+1); err != nil {
		t.Fatal(err)
	}
	closed := 0
	for {
		m, ok := live.next().(*szse.SessionState)
		if ok && m.Day == testDay {
			if closed++; m.Phase != trade.Closed || m.Sequence != next {
				t.Fatalf("the old day's end: %+v, want number %d", m, next)
			}
			next++
		}
		if ok && m.Day == testDay+1 {
			if m.Sequence != 1 || m.Phase != trade.BeforeOpen || closed != 3 {
				t.Fatalf("the new day begins with %+v, after %d closed venues", m, closed)
			}
			break
		}
	}
	days, _ := subscribe(t, s, szse.WantDayBars|szse.WantMinuteBars, 0, 0).replay()
	if !slices.ContainsFunc(days, func(text string) bool {
		return strings.Contains(text, fmt.Sprintf("Minutes:0 Day:%d", testDay)) && strings.Contains(text, "Volume:2500 ")
	}) {
		t.Error("the day has no candle")
	}
}

// TestDroppedStream: who wants what is no longer kept is told so in front, and gets candles instead.
func TestDroppedStream(t *testing.T) {
	s := open(t, Config{Dir: t.TempDir()})
	phase(t, s, trade.Continuous)
	m := s.machine
	m.mu.Lock()
	n, _ := m.core.Find(core.Code{'6', '0', '0', '0', '0', '0', ' ', ' '})
	at := rules.Join(testDay, 10*rules.TimeOfDay(time.Hour))
	trades := make([]core.Trade, 1)
	for i := range 2*KeptTicks + 50 {
		trades[0] = core.Trade{Security: n, Price: 10_0000, Quantity: 100, Time: at + trade.Time(i)*1_000_000}
		m.tape.take(m.core, testDay, nil, trades, nil)
	}
	dropped := m.tape.dropped
	m.mu.Unlock()
	for _, from := range []uint64{0, 1, 7, dropped} {
		r := subscribe(t, s, szse.WantMinuteBars|szse.WantStream, testDay, from)
		void, ok := r.next().(*szse.EndOfReplay)
		if !ok || void.Next != dropped+1 || void.Day != testDay {
			t.Fatalf("from %d: the first message is %+v", from, void)
		}
		var volume money.Quantity
		next := void.Next
		for ended := false; !ended; {
			switch m := r.next().(type) {
			case *szse.Bar:
				volume += m.Volume
			case *szse.TradeTick:
				if m.Sequence != next {
					t.Fatalf("number %d, want %d", m.Sequence, next)
				}
				next++
				volume += m.Quantity
			case *szse.SessionState:
				next++
			case *szse.EndOfReplay:
				ended = true
			}
		}
		if volume != (2*KeptTicks+50)*100 {
			t.Errorf("from %d: a volume of %d", from, volume)
		}
		_ = r.conn.Close()
	}
	late := subscribe(t, s, szse.WantMinuteBars|szse.WantStream, testDay, dropped+1)
	if first, ok := late.next().(*szse.TradeTick); !ok || first.Sequence != dropped+1 {
		t.Errorf("who lacks nothing is told %+v", first)
	}
}

// TestSlowReader: who does not read is cut off, and nobody waits for it.
func TestSlowReader(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for WriteTime")
	}
	s := open(t, Config{Dir: t.TempDir(), Flow: Flow{Rate: 2000, Seed: 1}, Clock: always})
	slow := subscribe(t, s, szse.WantAll, 0, 0)
	quick := subscribe(t, s, szse.WantAll, 0, 0)
	quick.replay()
	ended := make(chan error, 1)
	go func() {
		for {
			if _, err := quick.read(); err != nil {
				ended <- err
				return
			}
		}
	}()
	for {
		s.mu.Lock()
		n := len(s.readers)
		s.mu.Unlock()
		if n == 1 {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if n, err := io.Copy(io.Discard, slow.conn); n == 0 {
		t.Error("the slow reader has nothing in its buffers:", err)
	}
	select {
	case err := <-ended:
		t.Error("the quick reader was cut off:", err)
	default:
	}
}

// TestMarketIsAlive: after a while of players, every security has both sides, near each other and near where it began.
func TestMarketIsAlive(t *testing.T) {
	s := open(t, Config{Dir: t.TempDir(), Flow: Flow{Rate: 3000, Seed: 7}, Clock: always})
	began, full := time.Now(), false
	for !full {
		full = true
		s.View(func(m *core.Machine) {
			for n := core.SecurityNumber(1); n <= m.Securities(); n++ {
				if q := m.Quote(n); q.Refusal == trade.Accepted && (q.BuyQuantity == 0 || q.SellQuantity == 0) {
					full = false
				}
			}
		})
		if took := time.Since(began); took > 10*time.Second { // it takes about half a second where nothing else runs
			t.Fatalf("after %v a book is empty", took)
		}
		time.Sleep(10 * time.Millisecond)
	}
	var rejected, requests int
	s.machine.mu.Lock()
	watch := s.machine.watch
	s.machine.watch = func(out *core.Output) {
		watch(out)
		for i := range out.Reports {
			switch out.Reports[i].Type {
			case trade.OrderRejectedReport:
				rejected++
				requests++
			case trade.OrderAcceptedReport:
				requests++
			}
		}
	}
	s.machine.mu.Unlock()
	for n := 0; n < 8000; {
		time.Sleep(10 * time.Millisecond)
		s.machine.mu.RLock()
		n = requests
		s.machine.mu.RUnlock()
	}
	traded, wide := 0, 0
	s.View(func(m *core.Machine) {
		if rejected*200 > requests {
			t.Errorf("%d of %d orders were rejected", rejected, requests)
		}
		for n := core.SecurityNumber(1); n <= m.Securities(); n++ {
			q := m.Quote(n)
			if q.Refusal != trade.Accepted {
				continue
			}
			if q.Statistics.Trades > 5 {
				traded++
			}
			move := float64(q.Statistics.Last)/float64(q.Listing.PreviousClose) - 1
			if q.Statistics.Last > 0 && (move > 0.03 || move < -0.03) {
				t.Errorf("%s has moved by %.1f %% in seconds", q.Listing.Code, 100*move)
			}
			g := &game{number: n}
			bid, _ := touch(m, g, trade.Buy)
			ask, _ := touch(m, g, trade.Sell)
			if bid > 0 && ask > 0 && ask-bid > max(5*q.Tick, q.Listing.PreviousClose/500) {
				wide++
			}
		}
		if traded < 45 || wide > 5 {
			t.Errorf("%d securities have traded, %d have a wide spread", traded, wide)
		}
		first, next := m.Kept(playersUnit, 1)
		if first != next || next < 100 {
			t.Errorf("reports %d to %d of the players are kept", first, next)
		}
	})
}

func TestHiddenValues(t *testing.T) {
	s := open(t, Config{Dir: t.TempDir()})
	p := newPlayers(s, Flow{Rate: 1, Seed: 3})
	widest, sum, steps := 0.0, 0.0, 0
	m := core.New(1)
	s.View(func(machine *core.Machine) { m = machine })
	for range 3000 {
		p.clock = m.Now() - trade.Time(longest) // a minute a step
		p.walk(m)
		for _, g := range p.games {
			if g.code == (core.Code{'6', '0', '0', '5', '1', '9', ' ', ' '}) {
				widest, sum, steps = max(widest, g.value, -g.value), sum+g.value*g.value, steps+1
			}
		}
	}
	if widest > 0.09 || widest < 0.01 {
		t.Errorf("in 50 hours the value was at most %.2f %% away", 100*widest)
	}
}

// In an even flow each security has its turn as often as any other, at the rate that was asked for.
func TestEvenFlow(t *testing.T) {
	s := open(t, Config{Dir: t.TempDir()})
	p := newPlayers(s, Flow{Rate: 1234, Seed: 3, Even: true})
	turns, moves := map[core.Code]int{}, 0
	for range 20 * 60 { // a minute of steps
		n := p.count(0)
		moves += n
		for range n {
			turns[p.choose().code]++
		}
	}
	least, most := moves, 0
	for _, g := range p.games {
		least, most = min(least, turns[g.code]), max(most, turns[g.code])
	}
	if moves < 1234*60-1 || moves > 1234*60 || most-least > 1 {
		t.Errorf("%d moves in a minute, %d to %d for each of %d securities", moves, least, most, len(p.games))
	}
}
