package venue

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// Start begins to connect, and to connect again whenever the session ends, until Stop. It is called when this node
// begins to lead and has applied everything from before. A started link stays as it is.
func (l *Link) Start() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stop != nil || l.closed {
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	l.stop, l.done = stop, done
	l.talk.Lock()
	l.Begin()
	l.talk.Unlock()
	go func() {
		defer close(done)
		l.run(ctx)
	}()
}

// Stop ends the session at once, without a word to the exchange: what was not yet on its way is thrown away. When it
// returns nothing more is written. A stopped link can be started again.
func (l *Link) Stop() {
	l.mu.Lock()
	stop, done := l.stop, l.done
	l.mu.Unlock()
	if stop == nil {
		return
	}
	stop()
	<-done
	l.mu.Lock()
	if l.done == done {
		l.stop, l.done = nil, nil
	}
	l.mu.Unlock()
}

// Close logs out, waiting at most LogoutTimeout for the exchange, and stops for good.
func (l *Link) Close() {
	l.mu.Lock()
	done := l.done
	if !l.closed {
		l.closed = true
		close(l.leaving)
	}
	l.mu.Unlock()
	if done == nil {
		return
	}
	timer := time.NewTimer(LogoutTimeout)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
	l.Stop()
}

// run holds one session after the other.
func (l *Link) run(ctx context.Context) {
	for proven := true; ctx.Err() == nil && !l.isLeaving(); proven = l.o.Confirm == nil {
		var since time.Time
		var err error
		if !proven {
			err = l.confirm(ctx)
		}
		if err == nil {
			since, err = l.session(ctx)
		}
		if ctx.Err() != nil || l.isLeaving() {
			return
		}
		now := time.Now()
		l.talk.Lock()
		pause := l.Ended(now, since, err)
		l.talk.Unlock()
		level := slog.LevelWarn
		if since.IsZero() && pause > 0 && pause < time.Second { // one of many short attempts
			level = slog.LevelDebug
		}
		l.o.Log.Log(ctx, level, "exchange session ended", "error", err, "logged on", !since.IsZero(), "next attempt in",
			pause)
		if !wait(ctx, l.leaving, pause) {
			return
		}
	}
}

// confirm asks whether this node still leads, before a connection that would end the session of another that does.
func (l *Link) confirm(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, ConfirmTimeout)
	defer cancel()
	if err := l.o.Confirm(ctx); err != nil {
		l.counts.unproven.Add(1)
		return fmt.Errorf("%w: %w", ErrUnproven, err)
	}
	return nil
}

func (l *Link) isLeaving() bool {
	select {
	case <-l.leaving:
		return true
	default:
		return false
	}
}

// wait returns after d, or false when it is to end before.
func wait(ctx context.Context, leaving <-chan struct{}, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-leaving:
		return false
	case <-timer.C:
		return true
	}
}
