package exchange

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	core "evenkeel/core/exchange"
	"evenkeel/core/planted"
	"evenkeel/szse"
)

// Session is one broker's connection to the gateway. Bytes that came go into Receive; Output is what to write, asked
// whenever something happened until it gives nothing; Tick notices the silence of the broker, and NextTimer is when it
// or Output have something to do although nothing happened. It is level-triggered: what there is to send it finds by
// looking at the books from where the broker is. When Err is not nil the session is over: Output gives its last word,
// the connection is closed, and then Gone says so.
type Session struct {
	gateway *Gateway
	news    signal // to look at Output again

	mu    sync.Mutex
	now   time.Time // of the call that is under way
	stage lifeStage
	over  error // why it is over
	last  int32 // SessionStatus of the last word
	said  bool  // the last word is said, or is not to be
	gone  bool  // the connection is closed
	cut   func()

	unit      Unit
	pbu       core.PBU
	logon     szse.Logon
	heartbeat time.Duration
	older     *Session  // of the unit, until it rests
	fenced    time.Time // when the older one was ended

	began time.Time
	heard time.Time // since when silence counts
	deaf  bool      // it takes nothing, so silence does not count
	rest  int       // bytes that Receive left
	wrote time.Time

	order  szse.NewOrder
	cancel szse.OrderCancelRequest
	sync   szse.ReportSynchronization

	pending  int      // requests that wait for the journal
	refusals [][]byte // encoded, waiting
	next     []uint64 // report index to send, by partition-1; nil before synchronisation
	told     told
}

// lifeStage is how far a session has come.
type lifeStage uint8

const (
	strange lifeStage = iota // has not said who it is
	fencing                  // is to be answered when the older session rests
	serving
)

// Err is why the session is over, nil while it is not.
func (b *Session) Err() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.over
}

// Unit is who logged on; zero before.
func (b *Session) Unit() Unit {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.unit
}

// stop ends the session; the first reason stays. When it has returned, nothing more of the session enters the journal,
// and no report is given to it.
func (b *Session) stop(why error, status int32) {
	if b.over != nil || planted.Is(planted.OldSessionSpeaks) && errors.Is(why, errReplaced) {
		return
	}
	b.over, b.last = why, status
	b.refusals = nil
	if b.cut != nil {
		b.cut()
	}
	b.news.tell()
}

// End ends the session from outside, with a last word.
func (b *Session) End(why error, status int32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stop(why, status)
}

// Lost ends the session because its connection is no more.
func (b *Session) Lost(why error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if why == nil {
		why = io.EOF
	}
	b.stop(why, szse.LogoutDone)
	b.said = true
}

// Gone says that the connection is closed: nothing more is read from it or written to it.
func (b *Session) Gone() {
	b.mu.Lock()
	b.stop(io.EOF, szse.LogoutDone)
	b.said, b.gone = true, true
	b.mu.Unlock()
	// While something of it, or of one before it, is on its way to the journal, a newer session must find it and wait.
	if journal, _ := b.resting(); journal {
		b.gateway.forget(b)
	}
	b.gateway.wake(b.pbu)
}

// Room reports whether the session takes requests: neither those that wait for the journal nor their refusals grow
// without bound.
func (b *Session) Room() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.room()
}

// Deaf reports whether the last Receive stopped for want of room: it is to be called again when Room is back.
func (b *Session) Deaf() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.deaf
}

func (b *Session) room() bool {
	return b.over == nil && b.stage != fencing && b.pending+len(b.refusals) < MaxUnanswered
}

// Receive takes the messages that p begins with, and returns how many bytes they had. It stops where Room ends; then
// it is called again, perhaps with nothing new, when Room is back. A request's answer comes by report; only what never
// reaches the books is refused.
func (b *Session) Receive(now time.Time, p []byte) (used int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = now
	if b.deaf || len(p) > b.rest {
		b.heard = now
	}
	for b.over == nil {
		if b.deaf = !b.room(); b.deaf {
			break
		}
		frame, size, err := szse.ParseFrame(p[used:])
		if err != nil {
			b.stop(err, szse.LogoutProtocolError)
			break
		}
		if size == 0 {
			break
		}
		used += size
		b.take(frame)
	}
	b.rest = len(p) - used
	return used, b.over
}

func (b *Session) take(frame szse.Frame) {
	if b.stage == strange {
		b.takeLogon(frame)
		return
	}
	var err error
	switch frame.Type {
	case szse.TypeHeartbeat:
	case szse.TypeLogout:
		b.stop(errors.New("logged out"), szse.LogoutDone)
	case szse.TypeReportSynchronization:
		if err = b.sync.Decode(frame.Body); err == nil {
			err = b.synchronise(&b.sync)
		}
	case szse.TypeNewOrder:
		if err = b.order.Decode(frame.Body); err == nil {
			b.submitOrder(&b.order)
		}
	case szse.TypeOrderCancelRequest:
		if err = b.cancel.Decode(frame.Body); err == nil {
			b.submitCancel(&b.cancel)
		}
	default:
		err = fmt.Errorf("message type %d is not taken by this gateway", frame.Type)
	}
	if err != nil {
		b.stop(err, szse.LogoutProtocolError)
	}
}

// Tick ends a session that has been silent for two intervals, or has not said who it is. Time in which it was not
// listened to does not count.
func (b *Session) Tick(now time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = now
	switch {
	case b.over != nil || b.deaf:
	case b.stage == strange && now.Sub(b.began) >= LogonTime:
		b.stop(fmt.Errorf("%w: nothing was said for %v", errRefused, LogonTime), szse.LogoutHeartbeatMissed)
	case b.stage == serving && now.Sub(b.heard) >= 2*b.heartbeat:
		b.stop(fmt.Errorf("silent for %v", 2*b.heartbeat), szse.LogoutHeartbeatMissed)
	}
	return b.over
}

// NextTimer is when Tick and Output have something to do although nothing happened before.
func (b *Session) NextTimer(now time.Time) time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.over != nil:
		return now.Add(LogoutTime)
	case b.stage == strange:
		return b.began.Add(LogonTime)
	case b.stage == fencing:
		if fence := b.fenced.Add(FenceTime); now.Before(fence) {
			return fence
		}
		return b.fenced.Add(LogonTime)
	}
	next := b.wrote.Add(b.heartbeat)
	if silence := b.heard.Add(2 * b.heartbeat); !b.deaf && silence.Before(next) {
		return silence
	}
	return next
}

// Output appends what is to be written now, a bounded piece at a time: the caller asks again until nothing is added.
func (b *Session) Output(now time.Time, into []byte) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = now
	before := len(into)
	if b.over == nil && b.stage == fencing {
		into = b.greet(into)
	}
	switch {
	case b.over != nil:
		return b.lastWord(into)
	case b.stage == serving && len(into) == before:
		into = b.collect(into)
		if len(into) == before && now.Sub(b.wrote) >= b.heartbeat {
			into = (&szse.Heartbeat{}).Append(into)
		}
	}
	if len(into) > before {
		b.wrote = now
	}
	return into
}

func (b *Session) lastWord(into []byte) []byte {
	if b.said {
		return into
	}
	b.said = true
	m := szse.Logout{SessionStatus: b.last}
	szse.ClipText(m.Text[:], b.over.Error())
	return m.Append(into)
}
