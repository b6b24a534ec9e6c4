package venue

import (
	"errors"
	"fmt"
	"time"

	"evenkeel/core/must"
	"evenkeel/core/planted"
	"evenkeel/core/trade"
	"evenkeel/szse"
)

// Errors that end a session; Status tells the last one.
var (
	// ErrSilence: nothing came for two heartbeat intervals.
	ErrSilence = errors.New("the exchange is silent")
	// ErrLogout: the exchange ended the session, or refused the logon; the text is its own.
	ErrLogout = errors.New("the exchange logged us out")
	// ErrReplaced: as ErrLogout, because a newer session of our unit logged on.
	ErrReplaced = fmt.Errorf("%w: a newer session of ours took its place", ErrLogout)
	// ErrGap: a report is missing, or the exchange's reports are not those that the books know.
	ErrGap = errors.New("reports do not follow each other")
	// ErrProtocol: the exchange sent something that the interface does not allow.
	ErrProtocol = errors.New("the exchange broke the protocol")
	// ErrLog: the replicated log did not take what the exchange said, or may not have.
	ErrLog = errors.New("the log did not take a report")

	errLeft = errors.New("logged out")
)

// Conversation is one session with the exchange, from our Logon to its end, as a machine that is stepped from outside:
// no goroutine, no socket, no clock, no wait. Who holds one does, in any order and from one goroutine at a time (the
// link's own goroutines do it under a lock, the simulation in its one goroutine):
//
//   - bytes that came from the exchange go into Receive. What it did not use is given again, with what came since;
//     while Room is false it uses nothing, and reading should stop, so that the exchange waits on TCP. When Room is
//     back, Receive is called even when nothing came;
//   - Output is what to write. It is asked whenever something happened (a Receive, an Answered, Outbox.Changed, a
//     timer) and the connection takes more, until it returns nothing;
//   - Proposal is the next command for the log, and Given says whether the log took it. Its answer comes by Answered,
//     perhaps before Given, perhaps after the conversation has ended;
//   - NextTimer is when Tick and Output have something to do although nothing happened.
//
// When a method returns an error, or Err does, the conversation is over and the connection is to be closed. End does
// the same from outside. What is over does nothing any more, but for Answered.
type Conversation struct {
	link  *Link
	stage stage
	err   error     // why it is over
	now   time.Time // of the call that is under way
	began time.Time // when the exchange answered the logon; zero before

	silence time.Duration // after which the session ends
	heard   time.Time     // since when silence counts
	deaf    bool          // it did not listen, so silence does not count
	rest    int           // bytes that Receive left
	wrote   time.Time     // when something was last to be written
	decoder szse.Decoder

	partitions []partition
	day        trade.Day // of the books, or proposed by this conversation
	finishing  bool      // EndDay was proposed by this conversation
	held       held
	unsaid     []refusal // of an earlier conversation, whose outcome is not known: to be proposed again

	queue    queue
	requests requests
}

// stage is how far a conversation has come.
type stage uint8

const (
	dialled  stage = iota // our Logon is to be written
	greeted               // it was, and is not answered
	atWork                // logged on
	parting               // our Logout is to be written
	departed              // it was, and is not answered
	over
)

// Converse begins a conversation on a new connection. A link has one at a time; between two, Begin is called when
// a new leadership began.
func (l *Link) Converse(now time.Time) *Conversation {
	c := &Conversation{link: l, silence: LogonTimeout, heard: now, now: now}
	c.requests.open(l.o.Unit)
	l.unanswered = unanswered{}
	if planted.Is(planted.OutboxNotResent) {
		c.requests.position, _ = l.o.Outbox.Newest()
	}
	return c
}

// Err is why the conversation is over, nil while it is not.
func (c *Conversation) Err() error { return c.err }

// Since is when the exchange answered the logon, zero when it did not.
func (c *Conversation) Since() time.Time { return c.began }

// End ends the conversation, for instance because the connection was lost. The first reason stays.
func (c *Conversation) End(why error) {
	must.Hold(why != nil, "a conversation ends for a reason")
	if c.stage == over {
		return
	}
	if c.stage, c.err = over, why; planted.Is(planted.OutboxUnfenced) {
		c.stage = atWork
	}
	c.link.window.used -= c.queue.drop()
	c.link.counts.disconnected()
}

// fail is End for an error that is handed up too.
func (c *Conversation) fail(err error) error {
	if err != nil {
		c.End(err)
	}
	return err
}

// Leave says goodbye: a Logout goes out, and the conversation is over when the exchange has answered it.
func (c *Conversation) Leave() {
	switch c.stage {
	case dialled, greeted:
		c.End(errLeft)
	case atWork:
		c.stage = parting
	}
}

// Receive takes the messages that b begins with, and returns how many bytes they had. It stops where Room ends.
func (c *Conversation) Receive(now time.Time, b []byte) (used int, err error) {
	if c.stage == over {
		return 0, c.err
	}
	c.now = now
	if len(b) > c.rest {
		c.link.counts.heard(now)
	}
	if c.deaf || len(b) > c.rest {
		c.heard = now
	}
	for {
		c.deaf = !c.Room()
		if c.deaf {
			break
		}
		frame, size, err := szse.ParseFrame(b[used:])
		if err != nil {
			return used, c.fail(fmt.Errorf("read from the exchange: %w", err))
		}
		if size == 0 {
			break
		}
		used += size
		if err := c.fail(c.take(frame)); err != nil {
			return used, err
		}
	}
	c.rest = len(b) - used
	return used, nil
}

// take takes one message. Unknown ones are skipped and counted: a newer exchange may send more than we know.
func (c *Conversation) take(frame szse.Frame) error {
	m, err := c.decoder.Decode(frame)
	if err != nil {
		var unknown szse.UnknownTypeError
		if !errors.As(err, &unknown) {
			return fmt.Errorf("%w: %w", ErrProtocol, err)
		}
		c.link.counts.skipped.Add(1)
		return nil
	}
	if c.began.IsZero() {
		return c.takeLogon(m)
	}
	switch m := m.(type) {
	case szse.Report:
		return c.takeReport(m)
	case *szse.Heartbeat:
		return nil
	case *szse.BusinessReject:
		return c.takeReject(m)
	case *szse.PlatformStateInfo:
		c.requests.platform, c.requests.fresh = m.PlatformState == szse.PlatformOpen, true
		return nil
	case *szse.PlatformInfo:
		return c.takePlatform(m)
	case *szse.TradingSessionStatus:
		return c.takePhase(m)
	case *szse.ReportFinished:
		return c.takeFinished(m)
	case *szse.Logout:
		if c.stage == departed {
			return errLeft
		}
		return logout(m)
	}
	return fmt.Errorf("%w: %s came within a session", ErrProtocol, m.Type())
}

// takeLogon takes the gateway's answer to our Logon.
func (c *Conversation) takeLogon(got szse.Message) error {
	o := &c.link.o
	switch m := got.(type) {
	case *szse.Logout:
		return logout(m)
	case *szse.Logon:
		if szse.Text(m.SenderCompID[:]) != o.Target || szse.Text(m.TargetCompID[:]) != o.Sender {
			return fmt.Errorf("%w: %v answers the logon of %s to %s", ErrProtocol, m, o.Sender, o.Target)
		}
		const longest = 300 // seconds; a gateway that would speak less often is broken
		if m.HeartBtInt < 1 || m.HeartBtInt > longest {
			return fmt.Errorf("%w: heartbeat of %d s, 1 to %d are possible", ErrProtocol, m.HeartBtInt, longest)
		}
		if c.stage != greeted {
			return fmt.Errorf("%w: a Logon came before ours was sent", ErrProtocol)
		}
		c.silence = 2 * time.Duration(m.HeartBtInt) * time.Second
		c.stage, c.began = atWork, c.now
		c.day, _ = o.Outbox.Day()
		c.link.counts.connected(c.now)
		o.Log.Info("logged on to the exchange", "address", o.Address, "target", o.Target)
		c.unsaid = c.link.refused.pending(o.Outbox)
		return nil
	}
	return fmt.Errorf("%w: %s came in place of Logon", ErrProtocol, got.Type())
}

func logout(m *szse.Logout) error {
	why := ErrLogout
	if m.SessionStatus == szse.LogoutAlreadyOn {
		why = ErrReplaced
	}
	return fmt.Errorf("%w: status %d, %q", why, m.SessionStatus, szse.Text(m.Text[:]))
}

// Tick notices silence. Time in which the conversation does not listen does not count.
func (c *Conversation) Tick(now time.Time) error {
	if c.stage == over {
		return c.err
	}
	if c.deaf || now.Before(c.heard.Add(c.silence)) {
		return nil
	}
	return c.fail(fmt.Errorf("%w: nothing came for %v", ErrSilence, c.silence))
}

// NextTimer is when Tick and Output have something to do although nothing happened before. It may be past: then they
// have it now.
func (c *Conversation) NextTimer(now time.Time) time.Time {
	next := now.Add(c.link.o.Heartbeat)
	if c.stage == atWork {
		next = c.requests.timer(c.wrote.Add(c.link.o.Heartbeat), now, c.link.o.Outbox)
	}
	if !c.deaf {
		next = earlier(next, c.heard.Add(c.silence))
	}
	return next
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// Output appends what is to be written now. It gives a bounded piece at a time: the caller asks again until nothing is
// added. What was given counts as written.
func (c *Conversation) Output(now time.Time, into []byte) []byte {
	c.now = now
	before := len(into)
	switch c.stage {
	case dialled:
		into = c.logon(into)
		c.stage = greeted
	case atWork:
		outbox := c.link.o.Outbox
		newest, _ := outbox.Newest()
		c.link.unanswered.note(now, outbox.Oldest(), newest)
		into = c.sendRequests(into)
		if len(into) == before && now.Sub(c.wrote) >= c.link.o.Heartbeat {
			var m szse.Heartbeat
			into = m.Append(into)
		}
	case parting:
		m := szse.Logout{SessionStatus: szse.LogoutDone}
		into = m.Append(into)
		c.stage = departed
	}
	if len(into) > before {
		c.wrote = now
	}
	return into
}

// logon is our Logon.
func (c *Conversation) logon(into []byte) []byte {
	o := &c.link.o
	var m szse.Logon
	copy(m.SenderCompID[:], o.Sender)
	copy(m.TargetCompID[:], o.Target)
	copy(m.Password[:], string(o.Password))
	copy(m.DefaultApplVerID[:], szse.DefaultApplVer)
	m.HeartBtInt = int32(o.Heartbeat / time.Second)
	return m.Append(into)
}
