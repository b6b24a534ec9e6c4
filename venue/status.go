package venue

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"evenkeel/core/trade"
)

// Status is what the link says of itself, for readiness and metrics. Counts are since the link was made.
type Status struct {
	Started        bool
	Connected      bool
	ConnectedSince time.Time // of this session; zero when not connected
	LastMessage    time.Time // when bytes last came from the exchange
	LastError      error     // why the last session ended or could not begin; nil when none did
	Outbox         int       // requests that the exchange has not confirmed
	// Oldest is how long the oldest of those has waited in this session, within lotTime.
	Oldest       time.Duration
	InFlight     int    // reports handed to the log and not answered
	Sent         uint64 // requests, each sending counted
	Applied      uint64 // reports, phases and days that the books took
	Repeated     uint64 // reports that came again and changed nothing
	Unwanted     uint64 // reports, phases and days that the books refused
	LastUnwanted trade.Reason
	Duplicates   uint64 // requests that the exchange had already: proof that sending again is safe
	Throttled    uint64 // refusals for now
	Refused      uint64 // requests refused for good without a report
	Stale        uint64 // refusals about nothing that waits
	Skipped      uint64 // messages of unknown types
	LogFull      uint64 // how often the log had no room
	Sessions     uint64 // logons that succeeded
	Reconnects   uint64 // sessions that ended, and attempts that failed
	Replaced     uint64 // sessions that ended because a newer one of our unit logged on
	Unproven     uint64 // attempts that were not made, because the leadership could not be confirmed

	// Of the wait for reports that comes before the outbox is sent.
	Synchronised uint64        // reports that came in it
	Spared       uint64        // requests that reports answered in it: they were not sent again
	Resent       uint64        // requests, of Sent, that stood in the outbox when a session began
	Impatient    uint64        // waits that ended by SyncLimit
	LastWait     time.Duration // the last one, from the logon
}

// counts are the parts of Status that several goroutines count.
type counts struct {
	sent, applied, repeated, unwanted, duplicates, throttled, refused, stale, skipped, full atomic.Uint64
	sessions, reconnects, replaced, unproven                                                atomic.Uint64
	synchronised, spared, resent, impatient                                                 atomic.Uint64
	held                                                                                    atomic.Int64 // ns
	last                                                                                    atomic.Int64 // ns since 1970
	why                                                                                     atomic.Uint32

	mu    sync.Mutex
	since time.Time
	err   error
}

func (c *counts) heard(at time.Time) { c.last.Store(at.UnixNano()) }

func (c *counts) connected(at time.Time) {
	c.sessions.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.since = at
}

func (c *counts) disconnected() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.since = time.Time{}
}

func (c *counts) ended(err error) {
	c.reconnects.Add(1)
	if errors.Is(err, ErrReplaced) {
		c.replaced.Add(1)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
}

// Status tells how the link is doing.
func (l *Link) Status() Status {
	c := &l.counts
	l.mu.Lock()
	started := l.stop != nil
	l.mu.Unlock()
	why := trade.Reason(c.why.Load())
	c.mu.Lock()
	since, err := c.since, c.err
	c.mu.Unlock()
	l.talk.Lock()
	used, oldest := l.window.used, time.Duration(0)
	if !since.IsZero() {
		oldest = l.unanswered.longest(time.Now(), l.o.Outbox.Oldest())
	}
	l.talk.Unlock()
	s := Status{
		Started: started, Connected: !since.IsZero(), ConnectedSince: since, LastError: err,
		Outbox: l.o.Outbox.Len(), Oldest: oldest, InFlight: used,
		Sent: c.sent.Load(), Applied: c.applied.Load(), Repeated: c.repeated.Load(),
		Unwanted: c.unwanted.Load(), LastUnwanted: why,
		Duplicates: c.duplicates.Load(), Throttled: c.throttled.Load(), Refused: c.refused.Load(),
		Stale: c.stale.Load(), Skipped: c.skipped.Load(), LogFull: c.full.Load(),
		Sessions: c.sessions.Load(), Reconnects: c.reconnects.Load(), Replaced: c.replaced.Load(),
		Unproven: c.unproven.Load(), Synchronised: c.synchronised.Load(), Spared: c.spared.Load(),
		Resent: c.resent.Load(), Impatient: c.impatient.Load(), LastWait: time.Duration(c.held.Load()),
	}
	if at := c.last.Load(); at != 0 {
		s.LastMessage = time.Unix(0, at)
	}
	return s
}

// SlowAfter is how long the exchange may take to confirm a request before the link counts as slow. Requests that it
// does not take now are not in the outbox.
const SlowAfter = 3 * time.Second

// ErrNotConnected is wrapped by Ready.
var ErrNotConnected = errors.New("not connected to the exchange")

// Ready returns nil when the link is logged on, else what is in the way. A link that was not started is not in the
// way: another node leads.
func (s Status) Ready() error {
	switch {
	case !s.Started || s.Connected:
		return nil
	case s.LastError != nil:
		return fmt.Errorf("%w: %w", ErrNotConnected, s.LastError)
	}
	return ErrNotConnected
}
