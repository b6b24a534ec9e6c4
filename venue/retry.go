package venue

import (
	"errors"
	"math/rand/v2"
	"time"
)

// retry knows since when the exchange cannot be reached, and how often that was tried.
type retry struct {
	failures int
	since    time.Time
}

// Begin begins a leadership: what an earlier one was refused is forgotten, and the first connection is due at once.
// Start does it; who steps conversations from outside calls it.
func (l *Link) Begin() {
	l.refused.forget()
	l.retry = retry{}
}

// Ended counts a session that ended, or an attempt that failed, and says how long to pause before the next. since is
// when the exchange had answered the logon, zero when it had not.
//
// The first attempt after a session that lasted StableAfter is made at once: orders wait. Then the pauses double from
// LeastPause to MostPause, each less up to a half at random, so that many brokers do not come back in step. While the
// exchange is just not there, a pause is at most QuickPause or a tenth of the time that it has been away, so that its
// return is noticed soon; when it refuses us, or we do not understand each other, it is left alone for longer.
func (l *Link) Ended(now, since time.Time, why error) (pause time.Duration) {
	l.counts.ended(why)
	r := &l.retry
	if !since.IsZero() && now.Sub(since) >= StableAfter {
		*r = retry{}
	}
	if r.failures == 0 {
		r.since = now
	}
	refused := errors.Is(why, ErrLogout) || errors.Is(why, ErrProtocol) || errors.Is(why, ErrGap)
	if r.failures > 0 {
		pause = l.o.LeastPause
		for range r.failures - 1 {
			if pause = min(2*pause, l.o.MostPause); pause == l.o.MostPause {
				break
			}
		}
		if !refused {
			pause = min(pause, max(QuickPause, now.Sub(r.since)/10))
		}
	}
	if errors.Is(why, ErrReplaced) {
		// Another node of ours believes that it leads. Whoever of us is wrong learns it within an election's time; until
		// then we should not throw each other out.
		pause = max(pause, ReplacedPause)
	}
	r.failures++
	return pause - l.o.Jitter(pause/2)
}

// jitter is a random part of a duration.
func jitter(most time.Duration) time.Duration {
	return time.Duration(rand.Int64N(int64(most) + 1)) //nolint:gosec // nothing secret hangs on a pause
}
