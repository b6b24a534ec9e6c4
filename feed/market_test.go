package feed

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"evenkeel/core/money"
	"evenkeel/core/trade"
	"evenkeel/szse"
)

const firstDay trade.Day = 20260105 // a Monday

// at is a time of a day in Shanghai.
func at(day trade.Day, hour, minute, second int) trade.Time {
	return trade.Time(time.Date(int(day/10000), time.Month(day/100%100), int(day%100), hour, minute, second, 0,
		shanghai).UnixNano())
}

func named(code string) szse.Security {
	s := szse.Security{Venue: trade.SSE}
	szse.SetText(s.Code[:], code)
	return s
}

var moutai = named("600519")

const symbol = "600519.SH"

// tape feeds a market with trades, numbered.
type tape struct {
	*Market
	day  trade.Day
	next uint64
}

func (t *tape) trade(when trade.Time, price money.Price, quantity money.Quantity) {
	t.next++
	t.Trade(&szse.TradeTick{Sequence: t.next, Day: t.day, Security: moutai, Time: when, Price: price, Quantity: quantity})
}

func (t *tape) turn(day trade.Day) { t.day, t.next = day, 0 }

func newTape() *tape { return &tape{Market: NewMarket(), day: firstDay} }

func show(rows []Candle) (text string) {
	for _, c := range rows {
		text += fmt.Sprintf("%s %d %d %d %d x%d/%d\n", time.Unix(0, int64(c.Start)).In(shanghai).Format("0102 15:04"),
			c.Open, c.High, c.Low, c.Close, c.Volume, c.Trades)
	}
	return text
}

func expect(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n%swant\n%s", what, got, want)
	}
}

func TestCandles(t *testing.T) {
	m := newTape()
	for day := range trade.Day(2) {
		m.turn(firstDay + day)
		for n, when := range []trade.Time{at(m.day, 9, 25, 0), at(m.day, 9, 30, 0), at(m.day, 9, 31, 59),
			at(m.day, 11, 29, 59),
			at(m.day, 13, 0, 0), at(m.day, 14, 59, 59), at(m.day, 15, 0, 0)} {
			m.trade(when, money.Price(100+n), 10)
		}
	}
	m.turn(20260202) // another month
	m.trade(at(20260202, 10, 0, 0), 50, 1)
	first := Interval{Until: at(firstDay, 23, 0, 0)}
	for _, c := range []struct {
		span Span
		n    int
		in   Interval
		want string
	}{
		{Minutes, 1, first, "0105 09:25 100 100 100 100 x10/1\n0105 09:30 101 101 101 101 x10/1\n" +
			"0105 09:31 102 102 102 102 x10/1\n0105 11:29 103 103 103 103 x10/1\n0105 13:00 104 104 104 104 x10/1\n" +
			"0105 14:59 105 105 105 105 x10/1\n0105 15:00 106 106 106 106 x10/1\n"},
		{Minutes, 5, first, "0105 09:25 100 100 100 100 x10/1\n0105 09:30 101 102 101 102 x20/2\n" +
			"0105 11:25 103 103 103 103 x10/1\n0105 13:00 104 104 104 104 x10/1\n0105 14:55 105 105 105 105 x10/1\n" +
			"0105 15:00 106 106 106 106 x10/1\n"},
		{Minutes, 15, Interval{From: at(firstDay, 9, 31, 0), Limit: 1}, "0105 11:15 103 103 103 103 x10/1\n"},
		{Minutes, 30, Interval{From: at(firstDay, 9, 30, 0), Limit: 1}, "0105 09:30 101 102 101 102 x20/2\n"},
		{Minutes, 60, first, "0105 09:00 100 102 100 102 x30/3\n0105 11:00 103 103 103 103 x10/1\n" +
			"0105 13:00 104 104 104 104 x10/1\n0105 14:00 105 105 105 105 x10/1\n0105 15:00 106 106 106 106 x10/1\n"},
		{Days, 1, Interval{}, "0105 00:00 100 106 100 106 x70/7\n0106 00:00 100 106 100 106 x70/7\n" +
			"0202 00:00 50 50 50 50 x1/1\n"},
		{Weeks, 1, Interval{}, "0105 00:00 100 106 100 106 x140/14\n0202 00:00 50 50 50 50 x1/1\n"},
		{Months, 1, Interval{}, "0101 00:00 100 106 100 106 x140/14\n0201 00:00 50 50 50 50 x1/1\n"},
		{Days, 1, Interval{Newest: true, Skip: 1, Limit: 1}, "0106 00:00 100 106 100 106 x70/7\n"},
		{Minutes, 0, Interval{}, ""},
	} {
		expect(t, fmt.Sprintf("%d of %d", c.n, c.span), show(m.Candles(symbol, c.span, c.n, c.in)), c.want)
	}
	today, before, hasToday, hasBefore := m.DayCandles(symbol)
	if !hasToday || !hasBefore || today.Day != 20260202 || before.Day != firstDay+1 {
		t.Errorf("today %+v %v, before %+v %v", today, hasToday, before, hasBefore)
	}
	m.turn(20260203)
	m.Session(&szse.SessionState{Sequence: 1, Day: 20260203, Venue: trade.SSE, Phase: trade.OpeningCall})
	if _, before, hasToday, hasBefore := m.DayCandles(symbol); hasToday || !hasBefore || before.Day != 20260202 {
		t.Errorf("before the day's first trade: %v, %+v", hasToday, before)
	}
	if got := len(m.Trades(symbol, Interval{From: at(firstDay+1, 0, 0, 0), Until: at(firstDay+1, 13, 0, 0)})); got != 4 {
		t.Errorf("%d trades, want 4", got)
	}
}

// reader asks for kinds of updates of the symbol, and drain shows what came.
func reader(t *testing.T, m *Market, kinds ...UpdateKind) *Reader {
	t.Helper()
	r, err := m.Subscribe()
	if err != nil {
		t.Fatal(err)
	}
	var in Interest
	for _, k := range kinds {
		in.Want(k, symbol)
	}
	r.Ask(in)
	return r
}

func drain(r *Reader) ([]*Update, error) {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	rows, err := r.Next(ended)
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return rows, err
}

func told(t *testing.T, r *Reader) (text string) {
	t.Helper()
	rows, err := drain(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range rows {
		switch u.Kind {
		case TradeUpdate:
			text += fmt.Sprintf("trade %d\n", u.Trade.Sequence)
		case BarUpdate, LateBarUpdate, DayBarUpdate:
			name := map[UpdateKind]string{BarUpdate: "bar", LateBarUpdate: "late", DayBarUpdate: "day"}[u.Kind]
			text += name + " " + show([]Candle{*u.Candle})
		default:
			text += fmt.Sprintf("kind %d\n", u.Kind)
		}
	}
	return text
}

func TestMinutesAreToldOnce(t *testing.T) {
	m := newTape()
	r := reader(t, m.Market, BarUpdate, LateBarUpdate, DayBarUpdate)
	m.trade(at(firstDay, 9, 30, 1), 100, 10)
	m.trade(at(firstDay, 9, 31, 1), 90, 10)
	m.Minute(at(firstDay, 9, 31, 2))
	expect(t, "one has ended", told(t, r), "bar 0105 09:30 100 100 100 100 x10/1\nday 0105 00:00 100 100 90 90 x20/2\n")
	m.Minute(at(firstDay, 9, 31, 59))
	expect(t, "none has ended since", told(t, r), "")
	m.trade(at(firstDay, 9, 30, 59), 101, 1)
	expect(t, "a late trade", told(t, r), "late 0105 09:30 100 101 100 101 x11/2\n")
	m.Minute(at(firstDay, 11, 0, 0))
	expect(t, "the other", told(t, r), "bar 0105 09:31 90 90 90 90 x10/1\nday 0105 00:00 100 101 90 101 x21/3\n")
	m.Minute(at(firstDay, 11, 1, 0))
	if got := told(t, r); got != "" || len(m.young) != 0 {
		t.Errorf("told again: %s, %d wait", got, len(m.young))
	}
	m.turn(firstDay + 1)
	m.trade(at(m.day, 9, 30, 0), 100, 1)
	m.Minute(at(m.day, 9, 31, 0))
	expect(t, "the next day", told(t, r), "bar 0106 09:30 100 100 100 100 x1/1\nday 0106 00:00 100 100 100 100 x1/1\n")
}

func bar(minutes uint16, day trade.Day, start trade.Time, price money.Price) *szse.Bar {
	return &szse.Bar{Security: moutai, Minutes: minutes, Day: day, Start: start, Open: price, High: price + 1,
		Low:   price - 1,
		Close: price, Volume: 100, Turnover: 1, Trades: 5}
}

// TestBarsThenTicks: candles of what the stream no longer has and the stream that follows add up.
func TestBarsThenTicks(t *testing.T) {
	m := newTape()
	r := reader(t, m.Market, TradeUpdate, BarUpdate, LateBarUpdate)
	m.Recall()
	m.Define(&szse.SecurityDefinition{Security: moutai, Day: firstDay + 1})
	m.Bar(bar(szse.DayBar, firstDay, at(firstDay, 0, 0, 0), 200))
	m.Bar(bar(1, firstDay, at(firstDay, 9, 30, 0), 200))
	m.Bar(bar(1, firstDay+1, at(firstDay+1, 9, 30, 0), 210))
	m.Bar(bar(1, firstDay+1, at(firstDay+1, 9, 31, 0), 211))
	const want = "0105 00:00 200 201 199 200 x100/5\n0106 00:00 210 212 209 211 x200/10\n"
	expect(t, "bars alone", show(m.Candles(symbol, Days, 1, Interval{})), want)
	m.turn(firstDay + 1)
	m.next = 5000
	m.trade(at(m.day, 9, 31, 30), 300, 7)
	m.Live()
	expect(t, "nothing of the past is told", told(t, r), "")
	expect(t, "days", show(m.Candles(symbol, Days, 1, Interval{})),
		"0105 00:00 200 201 199 200 x100/5\n0106 00:00 210 300 209 300 x207/11\n")
	expect(t, "minutes", show(m.Candles(symbol, Minutes, 1, Interval{From: at(m.day, 0, 0, 0)})),
		"0106 09:30 210 211 209 210 x100/5\n0106 09:31 211 300 210 300 x107/6\n")
	m.trade(at(m.day, 9, 31, 40), 301, 1)
	m.Minute(at(m.day, 9, 32, 0))
	expect(t, "the minute that was under way", told(t, r), "trade 5002\nbar 0106 09:31 211 301 210 301 x108/7\n")

	// The exchange's candle of a day is whole; ours lacks what went by while the connection was lost.
	m.Bar(bar(szse.DayBar, firstDay+1, at(firstDay+1, 0, 0, 0), 999))
	m.turn(firstDay + 2)
	m.trade(at(m.day, 9, 30, 0), 400, 1)
	expect(t, "the next day", show(m.Candles(symbol, Days, 1, Interval{From: at(firstDay+1, 0, 0, 0)})),
		"0106 00:00 999 1000 998 999 x100/5\n0107 00:00 400 400 400 400 x1/1\n")
}

func TestRestart(t *testing.T) {
	m := newTape()
	m.trade(at(firstDay, 9, 30, 0), 100, 1)
	m.turn(firstDay + 1)
	m.trade(at(m.day, 9, 30, 0), 100, 1)
	m.Minute(at(m.day, 9, 31, 0))
	r := reader(t, m.Market, TradeUpdate)
	held := m.Trades(symbol, Interval{})
	m.Restart(m.day)
	if _, err := drain(r); !errors.Is(err, ErrRestarted) {
		t.Errorf("a reader over a restart: %v", err)
	}
	if day, next := m.Place(); day != m.day || next != 1 || len(held) != 2 || held[1] == nil {
		t.Errorf("day %d next %d", day, next)
	}
	m.next = 0
	r = reader(t, m.Market, TradeUpdate, BarUpdate, LateBarUpdate)
	m.trade(at(m.day, 9, 30, 0), 100, 1)
	m.trade(at(m.day, 9, 31, 0), 100, 1)
	m.Live()
	m.trade(at(m.day, 9, 31, 1), 100, 1)
	m.Minute(at(m.day, 9, 32, 0))
	expect(t, "after the restart", told(t, r), "trade 3\nbar 0106 09:31 100 100 100 100 x2/2\n")
	expect(t, "days", show(m.Candles(symbol, Days, 1, Interval{})),
		"0105 00:00 100 100 100 100 x1/1\n0106 00:00 100 100 100 100 x3/3\n")
	m.Restart(firstDay) // an exchange that was set up anew, on an earlier day
	if rows := m.Candles(symbol, Days, 1, Interval{}); len(rows) != 0 {
		t.Errorf("candles of later days stay: %s", show(rows))
	}
}

func quote(bid money.Price) *szse.Quote {
	q := &szse.Quote{Security: moutai, Phase: trade.Continuous, BidCount: 1, UpperLimit: 110, LowerLimit: 90}
	q.Bids[0] = szse.Level{Price: bid, Quantity: 100, Orders: 1}
	return q
}

func TestReaders(t *testing.T) {
	m := newTape()
	slow, latest := reader(t, m.Market, QuoteUpdate, TradeUpdate), must(m.SubscribeLatest())
	var in Interest
	in.Want(QuoteUpdate, "*")
	in.Want(QuoteUpdate, symbol) // twice is once
	in.Want(DepthUpdate, symbol)
	in.Want(TradeUpdate, "000001.SZ")
	latest.Ask(in)
	for n := range ReaderQueue + 10 {
		m.Quote(quote(money.Price(100 + n)))
		m.trade(at(firstDay, 9, 30, 0), 100, 1)
	}
	if _, err := drain(slow); !errors.Is(err, ErrSlow) {
		t.Errorf("a reader that did not read: %v", err)
	}
	rows, err := drain(latest)
	if err != nil || len(rows) != 2 || rows[0].Quote.Bids[0].Price != 100+ReaderQueue+9 || rows[1].Kind != DepthUpdate {
		t.Errorf("the latest: %d rows, %v", len(rows), err)
	}
	m.Quote(quote(1))
	m.Quote(quote(2))
	if rows, err := drain(latest); err != nil || len(rows) != 2 || rows[0].Quote.Bids[0].Price != 2 {
		t.Errorf("the latest after a look: %d rows, %v", len(rows), err)
	}
	latest.Ask(Interest{})
	m.Quote(quote(3))
	if rows, _ := drain(latest); len(rows) != 0 {
		t.Errorf("told what was not asked for: %d", len(rows))
	}
	latest.Ask(in)
	m.Leave(latest)
	m.Leave(slow)
	latest.Ask(in) // too late
	for kind := range m.wanted {
		if a := &m.wanted[kind]; len(a.every) != 0 || len(a.symbols) != 0 {
			t.Errorf("kind %d has readers that left", kind)
		}
	}
	last := reader(t, m.Market)
	m.Close()
	if _, err := drain(last); !errors.Is(err, ErrClosed) {
		t.Errorf("a closed market: %v", err)
	}
	if _, err := m.Subscribe(); !errors.Is(err, ErrClosed) || m.Readers() != 1 {
		t.Errorf("a reader of a closed market: %v", err)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func BenchmarkMarket(b *testing.B) {
	for _, readers := range []int{0, 1, 100, 1000} {
		m := newTape()
		var all []*Reader
		for range readers {
			r := must(m.SubscribeLatest())
			var in Interest
			in.Want(TradeUpdate, symbol)
			in.Want(QuoteUpdate, symbol)
			r.Ask(in)
			all = append(all, r)
		}
		empty := func(n int) {
			if n%1000 != 0 {
				return
			}
			for _, r := range all {
				_, _ = drain(r)
			}
		}
		b.Run(fmt.Sprintf("trade/%d", readers), func(b *testing.B) {
			b.ReportAllocs()
			for n := range b.N {
				m.trade(at0+trade.Time(n)*1000, 100, 1)
				empty(n)
			}
		})
		b.Run(fmt.Sprintf("quote/%d", readers), func(b *testing.B) {
			b.ReportAllocs()
			q := quote(100)
			for n := range b.N {
				q.Bids[0].Price = money.Price(n)
				m.Quote(q)
				empty(n)
			}
		})
	}
}

var at0 = at(firstDay, 10, 0, 0)
