package exchange

import (
	"context"
	"errors"
	"net"
	"time"

	"evenkeel/szse"
)

// line carries one session over one connection: its reader gives it what comes, its writer sends what it has to say.
type line struct {
	session *Session
	conn    net.Conn
	listen  signal // the session may take requests again
}

// serveBroker holds one connection to the order gateway.
func (s *Server) serveBroker(ctx context.Context, conn net.Conn) {
	b := s.gateway.Session(time.Now())
	l := &line{session: b, conn: conn, listen: newSignal()}
	b.cut = func() { _ = conn.SetWriteDeadline(time.Now().Add(b.patience())) }
	done := make(chan struct{})
	s.work.Go(func() {
		defer close(done)
		l.write(ctx)
		hangUp(conn) // frees the reader
	})
	l.read()
	<-done
	b.Gone()
	switch unit, why := b.Unit(), b.Err(); {
	case unit.CompID == "":
		s.log.Warn("logon refused", "from", conn.RemoteAddr(), "error", why)
	default:
		s.log.Info("broker logged off", "unit", unit.CompID, "from", conn.RemoteAddr(), "reason", why)
	}
}

// patience is how long a write may take.
func (b *Session) patience() time.Duration {
	switch {
	case b.over == nil:
		return WriteTime
	case errors.Is(b.over, errReplaced):
		return FenceTime / 2 // the one that is under way, and the last word
	}
	return LogoutTime
}

// read gives the session what comes until either ends.
func (l *line) read() {
	buffer := make([]byte, szse.ReadBuffer)
	start, end := 0, 0
	for {
		used, err := l.session.Receive(time.Now(), buffer[start:end])
		if err != nil {
			return
		}
		start += used
		if l.session.Deaf() { // what it left may be whole messages: no more bytes need come behind them
			if !l.session.Room() {
				if _, open := <-l.listen; !open {
					return
				}
			}
			continue
		}
		end = copy(buffer, buffer[start:end])
		start = 0
		n, err := l.conn.Read(buffer[end:])
		end += n
		if n == 0 && err != nil {
			l.session.Lost(err)
			return
		}
	}
}

// write sends what the session has to say until it is over.
func (l *line) write(ctx context.Context) {
	defer close(l.listen)
	timer := time.NewTimer(0)
	defer timer.Stop()
	var out []byte
	for {
		now := time.Now()
		_ = l.session.Tick(now)
		out = l.session.Output(now, out[:0])
		l.session.mu.Lock()
		patience, over, finished := l.session.patience(), l.session.over != nil, l.session.said
		l.session.mu.Unlock()
		if len(out) > 0 {
			_ = l.conn.SetWriteDeadline(now.Add(patience))
			if _, err := l.conn.Write(out); err != nil {
				l.session.Lost(err)
				return
			}
			continue
		}
		if over && finished {
			return
		}
		if l.session.Room() {
			l.listen.tell()
		}
		timer.Reset(l.session.NextTimer(now).Sub(now))
		select {
		case <-ctx.Done():
			l.session.End(errClosing, szse.LogoutShuttingDown)
			ctx = context.WithoutCancel(ctx) // said once
		case <-l.session.news:
		case <-timer.C:
		}
	}
}

var errClosing = errors.New("the exchange shuts down")
