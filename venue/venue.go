// Package venue is the broker's link to an exchange: it sends what stands in the books' outbox, and hands every report
// of the exchange to the replicated log, so that each request reaches the exchange exactly once whatever fails
// between.
//
// How that holds. A request stays in the outbox until a report or a refusal of it was applied. After each logon the
// link asks, per partition, for the first report that the books lack, and checks that none is missing. Reports go to
// the log in their order, each once per session; the books apply an index once and refuse a gap. When those reports
// are applied (or after SyncLimit) what is left of the outbox is sent again, in order, under the same ClOrdIDs; the
// exchange refuses what it had (a duplicate) and the link ignores that refusal, because the original's reports come
// anyway.
//
// A session is a Conversation, which is stepped from outside: it has no goroutine, socket or clock. Link drives it
// with two goroutines and a connection; the simulation drives the same code with neither.
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
	// the other; Ended says how. The first attempt after a session that lasted StableAfter is made at once.
	DefaultLeastPause = 10 * time.Millisecond
	DefaultMostPause  = 5 * time.Second
	// QuickPause bounds the pauses while the exchange has just gone.
	QuickPause = 50 * time.Millisecond
	// ReplacedPause is the least pause after a newer session of our unit ended ours: about an election's time.
	ReplacedPause = 200 * time.Millisecond
	// ConfirmTimeout bounds Options.Confirm.
	ConfirmTimeout = 500 * time.Millisecond
	// SyncQuiet and SyncLimit bound the wait for reports before the outbox is sent again: so long without a report, for
	// an exchange that does not say that it has sent all; and so long in all.
	SyncQuiet = 20 * time.Millisecond
	SyncLimit = 500 * time.Millisecond
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
	// FullPause is how long the link waits when the log's queue is full, unless one of its own reports is answered.
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
	// Confirm returns nil when this node certainly leads now: it asks a quorum. It is called before every connection of
	// a leadership but the first, which follows a proof; nil: nobody else can lead. Without it a process that was stopped
	// for a while, and wakes up, would throw the new leader out of the exchange.
	Confirm func(ctx context.Context) error
	// Jitter returns a random duration from 0 to most, by which a pause is shortened; nil: of the process's own.
	Jitter func(most time.Duration) time.Duration
	// Dial opens the connection, to which TLS is added; nil: TCP. The simulation has its own network.
	Dial func(ctx context.Context, address string) (net.Conn, error)
}

// Link is the broker's link to one exchange. Its methods may be called at any time from any goroutine.
type Link struct {
	o       Options
	window  window
	counts  counts
	refused refusals
	retry   retry

	unanswered unanswered

	talk   sync.Mutex    // of the conversation, window, refused, retry, unanswered and waits
	waits  bool          // the reader waits for the log, or is about to
	listen chan struct{} // wakes the reader, which waits for the log
	speak  chan struct{} // wakes the writer

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
	l := &Link{o: o, leaving: make(chan struct{}), listen: make(chan struct{}, 1), speak: make(chan struct{}, 1)}
	l.window.most = o.InFlight
	l.Begin()
	return l, nil
}

// ErrPlaintext refuses an address beyond this machine without TLS.
var ErrPlaintext = errors.New("plaintext is for loopback addresses only")

// ErrUnproven: the leadership could not be confirmed, so no connection was made.
var ErrUnproven = errors.New("this node may not lead any more")

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
	if err := checkAddress(o.Address, o.TLS != nil); err != nil {
		return err
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
	if o.Jitter == nil {
		o.Jitter = jitter
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
