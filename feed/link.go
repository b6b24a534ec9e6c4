package feed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"time"

	"evenkeel/core/trade"
	"evenkeel/szse"
)

// Times of the connection to the exchange's market data.
const (
	Heartbeat  = 3 * time.Second // asked of the exchange, and sent to it
	dialTime   = 3 * time.Second
	firstPause = 50 * time.Millisecond // before a second try; doubled up to lastPause, with jitter
	lastPause  = 2 * time.Second
	minuteTick = time.Second // how often ended minutes are looked for
)

// Link keeps a Market fed from an exchange. Definitions and phases are also handed up, for the books.
type Link struct {
	Market  *Market
	Dial    func(ctx context.Context) (net.Conn, error)
	Define  func(*szse.SecurityDefinition) // may be nil
	Session func(*szse.SessionState)       // may be nil
	Log     *slog.Logger
}

// Run connects, and connects again, until the context ends.
func (l *Link) Run(ctx context.Context) {
	pause := time.Duration(0)
	for ctx.Err() == nil {
		began := time.Now()
		err := l.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		if l.Log != nil {
			l.Log.Warn("market data connection lost", "error", err)
		}
		if time.Since(began) > lastPause {
			pause = 0
		}
		pause = min(lastPause, max(firstPause, 2*pause))
		select {
		case <-ctx.Done():
		case <-time.After(pause/2 + rand.N(pause/2)):
		}
	}
}

// follow holds one connection until it fails.
func (l *Link) follow(ctx context.Context) error {
	dialing, cancel := context.WithTimeout(ctx, dialTime)
	conn, err := l.Dial(dialing)
	cancel()
	if err != nil {
		return fmt.Errorf("connect to market data: %w", err)
	}
	ending := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer func() { ending(); _ = conn.Close() }()

	day, next := l.Market.Place()
	if next <= 1 {
		l.Market.Recall()
	}
	ask := szse.Subscribe{Want: szse.WantAll, Day: day, From: next, HeartBtInt: int32(Heartbeat / time.Second)}
	if err := conn.SetWriteDeadline(time.Now().Add(2 * Heartbeat)); err != nil {
		return fmt.Errorf("subscribe to market data: %w", err)
	}
	if _, err := conn.Write(ask.Append(nil)); err != nil {
		return fmt.Errorf("subscribe to market data: %w", err)
	}
	done := make(chan struct{})
	defer close(done)
	go beat(conn, done)

	in := szse.NewReader(conn)
	c := conversation{whole: next <= 1, asked: max(1, next)}
	for {
		if !in.Buffered() { // what waits in the buffer was heard already
			if err := conn.SetReadDeadline(time.Now().Add(2 * Heartbeat)); err != nil {
				return fmt.Errorf("read market data: %w", err)
			}
		}
		frame, err := in.Next()
		if err != nil {
			return fmt.Errorf("read market data: %w", err)
		}
		if !in.Buffered() {
			l.Market.Hear(time.Now())
		}
		if err := l.take(&c, frame); err != nil {
			return err
		}
	}
}

// beat sends heartbeats until the connection ends.
func beat(conn net.Conn, done <-chan struct{}) {
	frame := (&szse.Heartbeat{}).Append(nil)
	ticker := time.NewTicker(Heartbeat)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			return
		case <-ticker.C:
			_ = conn.SetWriteDeadline(time.Now().Add(2 * Heartbeat))
			if _, err := conn.Write(frame); err != nil {
				return // the reader sees it too
			}
		}
	}
}

// conversation is one connection. Its messages are decoded into again and again.
type conversation struct {
	whole bool   // the stream was asked for from its beginning, or comes from there
	asked uint64 // the number that it was asked from
	heard bool   // a message came
	begun bool   // a message of the stream came
	live  bool   // the past has been told

	definition szse.SecurityDefinition
	quote      szse.Quote
	trade      szse.TradeTick
	session    szse.SessionState
	bar        szse.Bar
	end        szse.EndOfReplay
	ticked     trade.Time
}

var errGap = errors.New("market data has a gap: the stream is asked for again")

func (l *Link) take(c *conversation, f szse.Frame) (err error) {
	switch f.Type {
	case szse.TypeSecurityDefinition:
		if err = c.definition.Decode(f.Body); err == nil {
			l.Market.Define(&c.definition)
			if l.Define != nil {
				l.Define(&c.definition)
			}
		}
	case szse.TypeQuote:
		c.quote = szse.Quote{}
		if err = c.quote.Decode(f.Body); err == nil {
			l.Market.Quote(&c.quote)
			l.tick(c, c.quote.Time)
		}
	case szse.TypeTradeTick:
		if err = c.trade.Decode(f.Body); err == nil {
			if err = l.inOrder(c, c.trade.Day, c.trade.Sequence); err == nil {
				l.Market.Trade(&c.trade)
				l.tick(c, c.trade.Time)
			}
		}
	case szse.TypeSessionState:
		if err = c.session.Decode(f.Body); err == nil {
			if err = l.inOrder(c, c.session.Day, c.session.Sequence); err == nil {
				l.Market.Session(&c.session)
				if l.Session != nil {
					l.Session(&c.session)
				}
			}
		}
	case szse.TypeBar:
		if err = c.bar.Decode(f.Body); err == nil {
			l.Market.Bar(&c.bar)
		}
	case szse.TypeEndOfReplay:
		if err = c.end.Decode(f.Body); err == nil && !c.heard && c.end.Next > c.asked {
			l.begin(c)
		} else if err == nil {
			err = l.endOfReplay(c)
		}
	case szse.TypeHeartbeat:
	default:
		err = fmt.Errorf("message type %d is not market data", f.Type)
	}
	if err != nil {
		return fmt.Errorf("read market data: %w", err)
	}
	c.heard = true
	return nil
}

// begin takes an EndOfReplay in front of everything: the exchange no longer has the stream from where it was asked
// for. What is known of the day is void; candles of what is gone come, and the stream from where the message says.
func (l *Link) begin(c *conversation) {
	if !c.whole {
		l.Market.Restart(c.end.Day)
		l.Market.Recall()
	}
	c.whole = true
}

// inOrder holds the day's stream to having no gap. An exchange keeps the newest of a long day: who asks from the
// beginning is given minute candles of what is gone, and a stream that begins later. Who asked for more and is given
// less has lost something that readers should have had: he forgets the day, and asks from the beginning.
func (l *Link) inOrder(c *conversation, day trade.Day, sequence uint64) error {
	today, next := l.Market.Place()
	first := !c.begun
	c.begun = true
	switch {
	case day == today && sequence == next,
		day == today && first && c.whole,
		day > today && (sequence == 1 || first && c.whole):
		return nil
	case day == today && sequence > next && !first:
		// Lost on the way: the exchange may still have it.
	default:
		l.Market.Restart(day) // more is gone than it has, or it is another stream: the exchange was set up anew
	}
	return fmt.Errorf("day %d number %d after day %d number %d: %w", day, sequence, today, next-1, errGap)
}

// endOfReplay compares where the exchange stands with what came, for when nothing came.
func (l *Link) endOfReplay(c *conversation) error {
	today, next := l.Market.Place()
	if !c.begun && c.end.Day <= today && (c.end.Day < today || c.end.Next != next) && c.end.Next <= 1 {
		l.Market.Restart(c.end.Day) // an exchange that was set up anew, and has said nothing yet
		today, next = l.Market.Place()
	}
	if c.end.Day == today && c.end.Next != next {
		l.Market.Restart(today)
		return fmt.Errorf("day %d ends before number %d, not %d: %w", today, c.end.Next, next, errGap)
	}
	c.live = true
	l.Market.Live()
	return nil
}

// tick looks for ended minutes, by the exchange's time.
func (l *Link) tick(c *conversation, now trade.Time) {
	if c.live && now >= c.ticked+trade.Time(minuteTick) {
		c.ticked = now
		l.Market.Minute(now)
	}
}
