package feed

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"evenkeel/core/trade"
	"evenkeel/szse"
)

// exchangeOf is a small exchange: it hands each connection, with what it asked for, to the test.
type caller struct {
	conn net.Conn
	in   *szse.Reader
	ask  szse.Subscribe
}

func exchangeOf(t *testing.T) (*Market, <-chan *caller) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	callers := make(chan *caller, 16)
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			c := &caller{conn: conn, in: szse.NewReader(conn)}
			if f, err := c.in.Next(); err != nil || f.Type != szse.TypeSubscribe || c.ask.Decode(f.Body) != nil {
				_ = conn.Close()
				continue
			}
			callers <- c
		}
	})
	link := &Link{Market: NewMarket(), Dial: func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", listener.Addr().String())
	}}
	work.Go(func() { link.Run(ctx) })
	t.Cleanup(func() { cancel(); _ = listener.Close(); work.Wait() })
	return link.Market, callers
}

func next(t *testing.T, callers <-chan *caller, day trade.Day, from uint64) *caller {
	t.Helper()
	select {
	case c := <-callers:
		if c.ask.Day != day || c.ask.From != from || c.ask.Want != szse.WantAll {
			t.Fatalf("asked for day %d from %d, want %d from %d", c.ask.Day, c.ask.From, day, from)
		}
		t.Cleanup(func() { _ = c.conn.Close() })
		return c
	case <-time.After(30 * time.Second):
		t.Fatal("nobody connects")
	}
	return nil
}

func (c *caller) say(t *testing.T, messages ...szse.Message) {
	t.Helper()
	for _, m := range messages {
		if _, err := c.conn.Write(m.Append(nil)); err != nil {
			t.Fatal(err)
		}
	}
}

func tick(day trade.Day, sequence uint64) *szse.TradeTick {
	return &szse.TradeTick{Sequence: sequence, Day: day, Security: moutai, Time: at(day, 10, 0, 0) + trade.Time(sequence),
		Price: 100, Quantity: 1, Phase: trade.Continuous}
}

func end(day trade.Day, next uint64) *szse.EndOfReplay {
	return &szse.EndOfReplay{Day: day, Next: next}
}

func reach(t *testing.T, m *Market, day trade.Day, number uint64) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		d, n := m.Place()
		if d == day && n == number {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("at day %d number %d, want %d %d", d, n, day, number)
		case <-time.After(time.Millisecond):
		}
	}
}

func TestLinkResumes(t *testing.T) {
	m, callers := exchangeOf(t)
	r := reader(t, m, TradeUpdate)
	c := next(t, callers, 0, 1)
	c.say(t, &szse.SecurityDefinition{Security: moutai, Board: trade.Main, Condition: trade.Normal, Day: firstDay},
		tick(firstDay, 1), tick(firstDay, 2), end(firstDay, 3), tick(firstDay, 3), &szse.Heartbeat{})
	reach(t, m, firstDay, 4)
	_ = c.conn.Close()
	c = next(t, callers, firstDay, 4)
	c.say(t, tick(firstDay, 4), end(firstDay, 5), tick(firstDay, 5), tick(firstDay, 7)) // 6 is lost on the way
	c = next(t, callers, firstDay, 6)
	c.say(t, tick(firstDay, 6), tick(firstDay, 7), end(firstDay, 8))
	c.say(t, tick(firstDay+1, 1), &szse.SessionState{Sequence: 2, Day: firstDay + 1, Venue: trade.SSE,
		Phase: trade.OpeningCall})
	reach(t, m, firstDay+1, 3)
	expect(t, "each once", told(t, r), "trade 3\ntrade 4\ntrade 5\ntrade 6\ntrade 7\ntrade 1\n")
	if rows := m.Candles(symbol, Days, 1, Interval{}); len(rows) != 2 || rows[0].Trades != 7 || rows[1].Trades != 1 {
		t.Errorf("candles %s", show(rows))
	}
	if m.Heard().IsZero() {
		t.Error("the exchange was heard of")
	}
	c.say(t, &szse.Logon{}) // not market data
	next(t, callers, firstDay+1, 3)
}

// TestLinkLongDay: the exchange keeps only the newest of a day.
func TestLinkLongDay(t *testing.T) {
	m, callers := exchangeOf(t)
	c := next(t, callers, 0, 1)
	c.say(t, bar(1, firstDay, at(firstDay, 9, 59, 0), 100), tick(firstDay, 500), tick(firstDay, 501), end(firstDay, 502))
	reach(t, m, firstDay, 502)
	if rows := m.Candles(symbol, Days, 1, Interval{}); len(rows) != 1 || rows[0].Trades != 7 {
		t.Errorf("candles %s", show(rows))
	}
	r := reader(t, m, TradeUpdate)
	_ = c.conn.Close()
	c = next(t, callers, firstDay, 502)
	c.say(t, tick(firstDay, 900)) // what is between is gone: all is asked for again
	c = next(t, callers, firstDay, 1)
	if _, err := drain(r); err != ErrRestarted {
		t.Errorf("a reader who missed trades: %v", err)
	}
	c.say(t, bar(1, firstDay, at(firstDay, 9, 59, 0), 100), bar(1, firstDay, at(firstDay, 10, 0, 0), 100),
		tick(firstDay, 800), end(firstDay, 801), tick(firstDay, 801))
	reach(t, m, firstDay, 802)
	if rows := m.Candles(symbol, Days, 1, Interval{}); len(rows) != 1 || rows[0].Trades != 12 {
		t.Errorf("candles %s", show(rows))
	}
	_ = c.conn.Close()
	c = next(t, callers, firstDay, 802)
	c.say(t, tick(firstDay+1, 300)) // of a day whose beginning nobody was told
	c = next(t, callers, firstDay+1, 1)
	c.say(t, tick(firstDay+1, 300), end(firstDay+1, 301))
	reach(t, m, firstDay+1, 301)
}

// TestLinkVoid: an exchange that no longer has the stream from where it is asked for says so in front of everything.
func TestLinkVoid(t *testing.T) {
	m, callers := exchangeOf(t)
	c := next(t, callers, 0, 1)
	c.say(t, end(firstDay, 500), bar(1, firstDay, at(firstDay, 9, 59, 0), 100), tick(firstDay, 500), end(firstDay, 501))
	reach(t, m, firstDay, 501)
	r := reader(t, m, TradeUpdate)
	_ = c.conn.Close()
	c = next(t, callers, firstDay, 501)
	c.say(
		t,
		end(firstDay, 900),
		bar(1, firstDay, at(firstDay, 9, 59, 0), 100),
		bar(1, firstDay, at(firstDay, 10, 0, 0), 100),
		tick(firstDay, 900),
		end(firstDay, 901),
		tick(firstDay, 901),
	)
	reach(t, m, firstDay, 902)
	if _, err := drain(r); err != ErrRestarted {
		t.Errorf("a reader who missed trades: %v", err)
	}
	if rows := m.Candles(symbol, Days, 1, Interval{}); len(rows) != 1 || rows[0].Trades != 12 {
		t.Errorf("candles %s", show(rows))
	}
}

// TestLinkNewExchange: the exchange was set up anew, on the same day or an earlier one, with or without a word.
func TestLinkNewExchange(t *testing.T) {
	m, callers := exchangeOf(t)
	c := next(t, callers, 0, 1)
	c.say(t, tick(firstDay+2, 1), tick(firstDay+2, 2), end(firstDay+2, 3))
	reach(t, m, firstDay+2, 3)
	_ = c.conn.Close()
	c = next(t, callers, firstDay+2, 3)
	c.say(t, tick(firstDay+2, 1))
	c = next(t, callers, firstDay+2, 1)
	c.say(t, tick(firstDay+2, 1), end(firstDay+2, 2))
	reach(t, m, firstDay+2, 2)
	_ = c.conn.Close()
	c = next(t, callers, firstDay+2, 2)
	c.say(t, tick(firstDay, 1))
	c = next(t, callers, firstDay, 1)
	c.say(t, tick(firstDay, 1), tick(firstDay, 2), end(firstDay, 3))
	reach(t, m, firstDay, 3)
	_ = c.conn.Close()
	c = next(t, callers, firstDay, 3)
	c.say(t, end(firstDay-1, 1)) // nothing was said there yet
	reach(t, m, firstDay-1, 1)
	c.say(t, tick(firstDay-1, 1))
	reach(t, m, firstDay-1, 2)
	if rows := m.Trades(symbol, Interval{}); len(rows) != 1 {
		t.Errorf("%d trades", len(rows))
	}
}

func TestLinkHeartbeats(t *testing.T) {
	_, callers := exchangeOf(t)
	c := next(t, callers, 0, 1)
	f, err := c.in.Next()
	if err != nil || f.Type != szse.TypeHeartbeat {
		t.Fatalf("%v %v", f.Type, err)
	}
	next(t, callers, 0, 1) // we said nothing for two intervals
}
