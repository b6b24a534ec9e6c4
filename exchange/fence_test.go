package exchange

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	core "evenkeel/core/exchange"
	"evenkeel/core/rules"
	"evenkeel/core/trade"
	"evenkeel/replica"
	"evenkeel/szse"
)

// stepped is a gateway whose journal applies when it is told to, without goroutines, sockets or a clock.
type stepped struct {
	t       *testing.T
	now     time.Time
	gateway *Gateway
	machine *Machine
	queue   []queued
	full    bool
}

type queued struct {
	command []byte
	done    func(core.Answer, error)
}

var errTestFull = errors.New("full")

func newStepped(t *testing.T) *stepped {
	s := &stepped{t: t, now: time.Date(2026, 7, 23, 2, 0, 0, 0, time.UTC), machine: NewMachine(4)}
	list, err := ShippedList()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range SetUp(rules.Embedded(), testDay, list) {
		s.submit(c, func(core.Answer, error) {})
	}
	for v := trade.SSE; v <= trade.BSE; v++ {
		s.submit(core.AppendCommand(nil, &core.SetPhase{Venue: v, Phase: trade.Continuous}), func(core.Answer, error) {})
	}
	s.apply()
	s.gateway, err = NewGateway(GatewayConfig{Partitions: 4, Units: testUnits, View: s.machine.View, Submit: s.submit,
		Full: errTestFull})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *stepped) submit(command []byte, done func(core.Answer, error)) error {
	if s.full {
		return errTestFull
	}
	s.queue = append(s.queue, queued{command, done})
	return nil
}

func (s *stepped) apply() {
	for len(s.queue) > 0 {
		q := s.queue[0]
		s.queue = s.queue[1:]
		answers := make([]core.Answer, 1)
		s.machine.Apply(replica.Entry{Time: s.now.UnixNano(), Commands: [][]byte{q.command}}, answers)
		q.done(answers[0], nil)
	}
}

// caller is the broker's end of a stepped session.
type caller struct {
	s       *stepped
	session *Session
	broker  *broker // to make messages
}

func (s *stepped) call() *caller {
	return &caller{s: s, session: s.gateway.Session(s.now), broker: &broker{t: s.t, unit: testUnits[0], day: testDay}}
}

func (c *caller) send(m ...szse.Message) {
	var b []byte
	for _, one := range m {
		b = one.Append(b)
	}
	for range 100 {
		used, err := c.session.Receive(c.s.now, b)
		if b = b[used:]; len(b) == 0 || err != nil || used == 0 {
			return
		}
	}
}

// hears is what the session says now, as text.
func (c *caller) hears() string {
	var words []string
	for {
		_ = c.session.Tick(c.s.now)
		b := c.session.Output(c.s.now, nil)
		if len(b) == 0 {
			return strings.Join(words, " ")
		}
		for len(b) > 0 {
			frame, size, err := szse.ParseFrame(b)
			if err != nil || size == 0 {
				c.s.t.Fatal("half a message", err)
			}
			b = b[size:]
			var d szse.Decoder
			m, err := d.Decode(frame)
			if err != nil {
				c.s.t.Fatal(err)
			}
			switch m := m.(type) {
			case *szse.ExecutionConfirm:
				words = append(words, "confirm:"+szse.Text(m.ClOrdID[:]))
			case *szse.BusinessReject:
				words = append(words, fmt.Sprint("reject:", szse.Text(m.BusinessRejectRefID[:]), ":", m.BusinessRejectReason))
			case *szse.Logout:
				words = append(words, fmt.Sprint("logout:", m.SessionStatus))
			default:
				words = append(words, m.Type().String())
			}
		}
	}
}

func (c *caller) synchronise() *szse.ReportSynchronization {
	m := &szse.ReportSynchronization{}
	for p := range int32(4) {
		m.Points = append(m.Points, szse.SyncPoint{PartitionNo: p + 1, ReportIndex: 1})
	}
	return m
}

func (c *caller) order(id string) szse.Message {
	return c.broker.order("600000", id, trade.Buy, 100, 9_9000)
}

func (c *caller) expect(what, want string) {
	c.s.t.Helper()
	if got := c.hears(); got != want {
		c.s.t.Errorf("%s: hears %q, want %q", what, got, want)
	}
}

const (
	greeting = "Logon PlatformStateInfo PlatformInfo"
	state    = "TradingSessionStatus TradingSessionStatus TradingSessionStatus"
)

// TestFence: a newer session is answered when the older can have no effect any more, and not before.
func TestFence(t *testing.T) {
	s := newStepped(t)
	old := s.call()
	old.send(logonOf(testUnits[0]))
	old.expect("the first logon", greeting)
	old.send(old.synchronise())
	old.expect("the first synchronisation", state)
	old.send(old.order("1"), old.order("2"))
	young := s.call()
	young.send(logonOf(testUnits[0]), young.synchronise(), young.order("9"))
	young.expect("while the older one's orders are on their way to the journal", "")
	old.send(old.order("3"))
	if len(s.queue) != 2 {
		t.Errorf("%d requests went to the journal, want the 2 from before", len(s.queue))
	}
	s.apply()
	young.expect("while the older connection may still be written to", "")
	old.expect("the older session", "logout:7")
	old.session.Gone()
	young.expect("when the older connection is closed", greeting)
	young.send(young.synchronise(), young.order("9"))
	young.expect("the older one's orders, and no others", "confirm:1 confirm:2 "+state)
	s.apply()
	old.expect("the older session, afterwards", "")
	young.expect("its own order", "confirm:9")
}

// TestFenceOfMany: sessions that end each other, one after the other, before any of them was answered.
func TestFenceOfMany(t *testing.T) {
	s := newStepped(t)
	first := s.call()
	first.send(logonOf(testUnits[0]))
	first.hears()
	first.send(first.synchronise(), first.order("1"))
	var all []*caller
	for range 5 {
		c := s.call()
		c.send(logonOf(testUnits[0]))
		all = append(all, c)
	}
	last := all[4]
	for _, c := range all[:4] {
		c.expect("one in the middle", "logout:7")
		c.session.Gone()
	}
	last.expect("while the first one's order is on its way", "")
	s.apply()
	last.expect("while the first connection is open", "")
	s.now = s.now.Add(FenceTime)
	last.expect("after FenceTime", greeting)
	last.send(last.synchronise())
	last.expect("the order of the first", "confirm:1 "+state)
}

// TestFenceOfAStuckJournal: a journal that does not answer cannot hold a logon for ever.
func TestFenceOfAStuckJournal(t *testing.T) {
	s := newStepped(t)
	old := s.call()
	old.send(logonOf(testUnits[0]))
	old.hears()
	old.send(old.synchronise(), old.order("1"))
	young := s.call()
	young.send(logonOf(testUnits[0]))
	young.expect("a stuck journal", "")
	s.now = young.session.NextTimer(s.now)
	young.expect("after FenceTime", "")
	s.now = young.session.NextTimer(s.now)
	young.expect("after LogonTime", "logout:9")
	young.session.Gone()
	old.session.Gone()
	s.apply()
	again := s.call()
	again.send(logonOf(testUnits[0]))
	again.expect("when the journal answers again", greeting)
}

// TestSteppedSession: what a session says of a busy journal, of duplicates and of silence.
func TestSteppedSession(t *testing.T) {
	s := newStepped(t)
	c := s.call()
	s.now = s.now.Add(LogonTime - 1)
	c.send(logonOf(testUnits[0]))
	c.expect("the logon", greeting)
	c.send(c.order("1"), c.order("1"), c.synchronise())
	s.apply()
	c.expect("an order and its duplicate", "reject:1:20001 confirm:1 "+state)
	s.full = true
	c.send(c.order("2"))
	c.expect("a busy journal", "reject:2:20003")
	for range 2 {
		s.now = c.session.NextTimer(s.now)
		c.expect("an interval", "Heartbeat")
		c.send(&szse.Heartbeat{})
	}
	s.now = s.now.Add(59 * time.Second)
	c.expect("two intervals of 30 s, nearly", "Heartbeat")
	s.now = s.now.Add(time.Second)
	c.expect("two intervals", "logout:10")
	stranger := s.call()
	s.now = stranger.session.NextTimer(s.now)
	stranger.expect("a stranger", "logout:10")
	_ = stranger.session.Tick(s.now)
	if err := stranger.session.Err(); err == nil {
		t.Error("a stranger stays")
	}
}

// TestUnansweredAreBounded: a session takes no more requests than may be unanswered, and goes on when they are.
func TestUnansweredAreBounded(t *testing.T) {
	s := newStepped(t)
	c := s.call()
	c.send(logonOf(testUnits[0]))
	c.hears()
	var frames []byte
	for i := range MaxUnanswered + 10 {
		frames = c.order(fmt.Sprint(i)).Append(frames)
	}
	used, err := c.session.Receive(s.now, frames)
	if err != nil || c.session.Room() || len(s.queue) != MaxUnanswered {
		t.Fatalf("%d requests are with the journal, %v", len(s.queue), err)
	}
	s.now = s.now.Add(time.Hour) // it does not listen: that is no silence of the broker's
	if err := c.session.Tick(s.now); err != nil {
		t.Error(err)
	}
	s.apply()
	more, err := c.session.Receive(s.now, frames[used:])
	if err != nil || used+more != len(frames) || len(s.queue) != 10 {
		t.Errorf("%d requests are with the journal, %d of %d bytes were taken, %v", len(s.queue), used+more, len(frames), err)
	}
}

// TestFenceOfALostConnection: the older session's connection broke, and its order is still on its way to the journal.
func TestFenceOfALostConnection(t *testing.T) {
	s := newStepped(t)
	old := s.call()
	old.send(logonOf(testUnits[0]))
	old.hears()
	old.send(old.synchronise(), old.order("1"))
	old.session.Lost(nil)
	old.session.Gone()
	young := s.call()
	young.send(logonOf(testUnits[0]))
	young.expect("while the lost one's order is on its way", "")
	s.apply()
	young.expect("then", greeting)
	young.send(young.synchronise())
	young.expect("the order of the lost one", "confirm:1 "+state)
	young.session.Gone()
	if len(s.gateway.all()) != 0 {
		t.Error("a place is not free")
	}
}

// TestFenceBehindALostOne: a session that waits for an older one loses its connection; the next waits in its place.
func TestFenceBehindALostOne(t *testing.T) {
	s := newStepped(t)
	first := s.call()
	first.send(logonOf(testUnits[0]))
	first.hears()
	first.send(first.synchronise(), first.order("1"))
	middle := s.call()
	middle.send(logonOf(testUnits[0]))
	first.session.Gone()
	middle.session.Lost(nil)
	middle.session.Gone()
	last := s.call()
	last.send(logonOf(testUnits[0]))
	last.expect("while the first one's order is on its way", "")
	s.apply()
	last.expect("then", greeting)
}
