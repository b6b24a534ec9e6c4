// Package venue is the broker's link to an exchange: it sends what stands in the books' outbox, and hands every report
// of the exchange to the replicated log, so that each request reaches the exchange exactly once whatever fails
// between.
//
// How that holds. A request stays in the outbox until a report or a refusal of it was applied. After each logon the
// whole outbox is sent again, in order, under the same ClOrdIDs; the exchange refuses those that it had (a duplicate)
// and the link ignores that refusal, because the original's reports come anyway: the link asks, per partition, for the
// first report that the books lack, and checks that none is missing. Reports go to the log in their order, each once
// per session; the books apply an index once and refuse a gap.
//
// Invariants: one session at a time; nothing is sent before the gateway named its partitions and was asked for their
// reports; a report that cannot be proposed stops the reading (the exchange then waits on TCP) and is never dropped;
// after Stop has returned nothing more is written; every wait has an end with a name.
//
// Refusals without a report index (BusinessReject) are told apart, because only some of them are final:
//   - a duplicate is ignored and counted;
//   - throttled, or the platform not open: nothing is sent for a pause that doubles up to MostThrottle, then the
//     request is sent again. It waits at most until its trading day ends, when the books let it expire;
//   - what depends on the request alone (unknown security, unreadable, unknown application) is final: a refusal of it
//     is proposed to the log;
//   - an unknown reason counts as throttled RefusalTries times, then as final.
//
// A request whose refusal was proposed is never sent again, even when the outcome of the proposal is unknown:
// otherwise the exchange might take an order that the books gave back. Until the books let it go the refusal is
// proposed again with each session. A new leader does not know of that, so a link must be started only after
// everything that the log held before the leadership began has been applied.
//
// The link holds no money and decides about no order. It never writes the password anywhere but to the exchange, and
// speaks plaintext with this machine only.
//
// Source: the session rules of the exchange's binary trading interface, as package szse states them.
package venue

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"evenkeel/core/must"
	"evenkeel/core/trade"
	"evenkeel/szse"
)

// Limits of a link.
const (
	// DefaultHeartbeat is the interval of heartbeats; silence of two ends the session.
	DefaultHeartbeat = 5 * time.Second
	// DefaultInFlight is how many reports may wait for the log at once before the link stops reading.
	DefaultInFlight = 4096
	// DefaultLeastPause and DefaultMostPause bound the pause before a new attempt to connect, which doubles from one to
	// the other. The first attempt after a session that lasted StableAfter is made at once.
	DefaultLeastPause = 100 * time.Millisecond
	DefaultMostPause  = 5 * time.Second
	// StableAfter is how long a session must last to count as good.
	StableAfter = 2 * time.Second
	// ConnectTimeout bounds dialling and the TLS handshake, and LogonTimeout the wait for the gateway's Logon.
	ConnectTimeout = 5 * time.Second
	LogonTimeout   = 10 * time.Second
	// LogoutTimeout bounds the wait for the gateway's Logout when the link is closed.
	LogoutTimeout = 2 * time.Second
	// LeastThrottle and MostThrottle bound the pause after a request was throttled.
	LeastThrottle = 20 * time.Millisecond
	MostThrottle  = time.Second
	// FullPause is how long the link waits when the log's queue is full and none of its own reports is in it.
	FullPause = 5 * time.Millisecond
	// RefusalTries is how often a request is sent that the exchange refuses for an unknown reason.
	RefusalTries = 8
	// sendBatch is how many requests are taken from the outbox at once.
	sendBatch = 256
)

// Proposer is the replicated log. Submit copies the command. When it returns nil, done is called exactly once with the
// answer or an error, must not block, and may come before Submit returns; when it returns an error nothing happened.
type Proposer interface {
	Submit(command []byte, done func(trade.Answer, error)) error
}

// Options of New. Address, Sender, Target, Unit, Password, Outbox and Proposer are required.
type Options struct {
	Address  string // host:port of the gateway
	Sender   string // SenderCompID, at most 20 ASCII characters
	Target   string // TargetCompID, at most 20 ASCII characters
	Unit     string // SubmittingPBUID, at most 6 ASCII characters
	Password Password
	TLS      *tls.Config // required unless Address is of this machine's loopback
	Outbox   *Outbox
	Proposer Proposer
	Full     error // by which Submit says that its queue is full; the link waits and submits again

	Heartbeat  time.Duration // whole seconds, 1 s to 60 s; 0: DefaultHeartbeat
	InFlight   int           // 0: DefaultInFlight
	LeastPause time.Duration // 0: DefaultLeastPause
	MostPause  time.Duration // 0: DefaultMostPause
	Log        *slog.Logger  // nil: silent
	// Dial opens the connection, to which TLS is added; nil: TCP. The simulation has its own network.
	Dial func(ctx context.Context, address string) (net.Conn, error)
}

// Link is the broker's link to one exchange. Its methods may be called at any time from any goroutine.
type Link struct {
	o       Options
	window  window
	counts  counts
	refused refusals

	mu     sync.Mutex // of what follows
	stop   context.CancelFunc
	done   chan struct{} // closed when the run that stop ends has ended
	closed bool

	leaving chan struct{} // closed by Close: the session logs out
}

// New checks the options. It opens nothing; Start does.
func New(o Options) (*Link, error) {
	if err := o.complete(); err != nil {
		return nil, fmt.Errorf("link to the exchange: %w", err)
	}
	l := &Link{o: o, leaving: make(chan struct{})}
	l.window.most = o.InFlight
	l.window.freed = make(chan struct{}, 1)
	return l, nil
}

// ErrPlaintext refuses an address beyond this machine without TLS.
var ErrPlaintext = errors.New("plaintext is for loopback addresses only")

// ErrOption refuses an option's value.
var ErrOption = errors.New("option is not valid")

func (o *Options) complete() error {
	for _, text := range []struct {
		name, value string
		most        int
	}{{"sender", o.Sender, 20}, {"target", o.Target, 20}, {"unit", o.Unit, 6}, {"password", string(o.Password), 16}} {
		if text.value == "" || !szse.SetText(make([]byte, text.most), text.value) {
			return fmt.Errorf("%w: the exchange %s needs 1 to %d printable ASCII characters, the first no space",
				ErrOption, text.name, text.most)
		}
	}
	must.Hold(o.Outbox != nil && o.Proposer != nil, "a link has an outbox and a log")
	host, port, err := net.SplitHostPort(o.Address)
	if err != nil || port == "" {
		return fmt.Errorf("%w: exchange address %q is not host:port, for instance 127.0.0.1:7001", ErrOption, o.Address)
	}
	if o.TLS == nil && !loopback(host) {
		return fmt.Errorf("%w: exchange address %q is not of this machine; configure TLS, or use 127.0.0.1:%s",
			ErrPlaintext, o.Address, port)
	}
	if o.Heartbeat == 0 {
		o.Heartbeat = DefaultHeartbeat
	}
	if o.Heartbeat < time.Second || o.Heartbeat > time.Minute || o.Heartbeat%time.Second != 0 {
		return fmt.Errorf("%w: exchange heartbeat %v, whole seconds from 1s to 1m are possible", ErrOption, o.Heartbeat)
	}
	if o.InFlight == 0 {
		o.InFlight = DefaultInFlight
	}
	if o.LeastPause == 0 {
		o.LeastPause = DefaultLeastPause
	}
	if o.MostPause == 0 {
		o.MostPause = max(DefaultMostPause, o.LeastPause)
	}
	if o.InFlight < 1 || o.LeastPause < 0 || o.MostPause < o.LeastPause {
		return fmt.Errorf("%w: %d reports in flight, pauses from %v to %v", ErrOption, o.InFlight, o.LeastPause, o.MostPause)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Dial == nil {
		var d net.Dialer
		o.Dial = func(ctx context.Context, address string) (net.Conn, error) { return d.DialContext(ctx, "tcp", address) }
	}
	return nil
}

// loopback reports whether a host is certainly this machine. Other names are not trusted: a resolver may say anything.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

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
	l.refused.forget()
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
	failures := 0
	for ctx.Err() == nil && !l.isLeaving() {
		lasted, err := l.session(ctx)
		if ctx.Err() != nil || l.isLeaving() {
			return
		}
		if lasted >= StableAfter {
			failures = 0
		}
		pause := l.pause(failures)
		failures++
		l.counts.ended(err)
		l.o.Log.Warn("exchange session ended", "error", err, "lasted", lasted, "next attempt in", pause)
		if !wait(ctx, l.leaving, pause) {
			return
		}
	}
}

func (l *Link) isLeaving() bool {
	select {
	case <-l.leaving:
		return true
	default:
		return false
	}
}

// pause is how long to wait after so many failures in a row: nothing, then doubling, each less up to a half at random,
// so that many brokers do not come back to an exchange in step.
func (l *Link) pause(failures int) time.Duration {
	if failures == 0 {
		return 0
	}
	p := l.o.LeastPause
	for range failures - 1 {
		if p = min(2*p, l.o.MostPause); p == l.o.MostPause {
			break
		}
	}
	return p - time.Duration(rand.Int64N(int64(p)/2+1)) //nolint:gosec // nothing secret hangs on a pause
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
