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
	firstPause = 50 * time.Millisecond // before a second try; doubled up to longestPause, with jitter
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
	ask := szse.Subscribe{Want: szse.WantAll, Day: day, From: next, HeartBtInt: int32(Heartbeat / time.Second)}
	if _, err := conn.Write(ask.Append(nil)); err != nil {
		return fmt.Errorf("subscribe to market data: %w", err)
	}
	done := make(chan struct{})
	defer close(done)
	go beat(conn, done)

	in := szse.NewReader(conn)
	var m messages
	for {
		if err := conn.SetReadDeadline(time.Now().Add(2 * Heartbeat)); err != nil {
			return fmt.Errorf("read market data: %w", err)
		}
		frame, err := in.Next()
		if err != nil {
			return fmt.Errorf("read market data: %w", err)
		}
		l.Market.Hear(time.Now())
		if err := l.take(&m, frame); err != nil {
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
			if _, err := conn.Write(frame); err != nil {
				return // the reader sees it too
			}
		}
	}
}

// messages are decoded into again and again.
type messages struct {
	definition szse.SecurityDefinition
	quote      szse.Quote
	trade      szse.TradeTick
	session    szse.SessionState
	bar        szse.Bar
	end        szse.EndOfReplay
	ticked     trade.Time
}

var errGap = errors.New("market data has a gap: the stream is asked for again")

func (l *Link) take(m *messages, f szse.Frame) (err error) {
	switch f.Type {
	case szse.TypeSecurityDefinition:
		if err = m.definition.Decode(f.Body); err == nil {
			l.Market.Define(&m.definition)
			if l.Define != nil {
				l.Define(&m.definition)
			}
		}
	case szse.TypeQuote:
		m.quote = szse.Quote{}
		if err = m.quote.Decode(f.Body); err == nil {
			l.Market.Quote(&m.quote)
			l.tick(m, m.quote.Time)
		}
	case szse.TypeTradeTick:
		if err = m.trade.Decode(f.Body); err == nil {
			if err = l.inOrder(m.trade.Day, m.trade.Sequence); err == nil {
				l.Market.Trade(&m.trade)
				l.tick(m, m.trade.Time)
			}
		}
	case szse.TypeSessionState:
		if err = m.session.Decode(f.Body); err == nil {
			if err = l.inOrder(m.session.Day, m.session.Sequence); err == nil {
				l.Market.Session(&m.session)
				if l.Session != nil {
					l.Session(&m.session)
				}
			}
		}
	case szse.TypeBar:
		if err = m.bar.Decode(f.Body); err == nil {
			l.Market.Bar(&m.bar)
		}
	case szse.TypeEndOfReplay:
		err = m.end.Decode(f.Body)
	case szse.TypeHeartbeat:
	default:
		err = fmt.Errorf("message type %d is not market data", f.Type)
	}
	if err != nil {
		return fmt.Errorf("read market data: %w", err)
	}
	return nil
}

// inOrder holds the day's stream to having no gap: a number that comes twice or too early ends the connection, and the
// next one asks for what is missing.
func (l *Link) inOrder(day trade.Day, sequence uint64) error {
	today, next := l.Market.Place()
	switch {
	case day > today && sequence == 1, day == today && sequence == next:
		return nil
	case day > today || sequence < next:
		l.Market.Restart(day) // another stream than we followed: the exchange was set up anew
	}
	return fmt.Errorf("day %d number %d after day %d number %d: %w", day, sequence, today, next-1, errGap)
}

// tick looks for ended minutes, by the exchange's time.
func (l *Link) tick(m *messages, now trade.Time) {
	if now >= m.ticked+trade.Time(minuteTick) {
		m.ticked = now
		l.Market.Minute(now)
	}
}
