package relay

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"evenkeel/core/trade"
	"evenkeel/peer"
	"evenkeel/replica"
)

// A rig is one shard whose log and whose connections a test plays by hand; nothing ticks but the test.
type rig struct {
	t     *testing.T
	relay *Relay
	shard *Shard
	today trade.Day

	refuse error // of the log
	asked  [][]byte
	dones  []func(trade.Answer, error)

	apart bool // no connection
	calls []rigCall
	said  []string // what submitters were told, in order
}

type rigCall struct {
	to   uint64
	body []byte
	done func([]byte, error)
}

func newRig(t *testing.T, limits Limits) *rig {
	r := &rig{t: t, today: testDay}
	r.relay = NewManual(r, limits, time.Now)
	r.shard = r.relay.Shard(Parts{Group: group, Log: r, Today: func() trade.Day { return r.today }})
	return r
}

// Submit implements Log.
func (r *rig) Submit(command []byte, done func(trade.Answer, error)) error {
	if r.refuse != nil {
		return r.refuse
	}
	r.asked, r.dones = append(r.asked, slices.Clone(command)), append(r.dones, done)
	return nil
}

// CallAsync implements Caller.
func (r *rig) CallAsync(to uint64, _ uint16, body []byte, done func([]byte, error)) error {
	if r.apart {
		return peer.ErrNotSent
	}
	r.calls = append(r.calls, rigCall{to, slices.Clone(body), done})
	return nil
}

// submit hands in a command; what comes of it is noted under a name.
func (r *rig) submit(name string, c *trade.Command) error {
	return r.shard.Submit(encoded(r.t, c), func(a trade.Answer, err error) {
		what := fmt.Sprint(a.Reason)
		for _, e := range []error{replica.ErrUnknown, replica.ErrNotLeader, replica.ErrClosed, replica.ErrFailed,
			replica.ErrTooLarge} {
			if errors.Is(err, e) {
				what = e.Error()
				break
			}
		}
		r.said = append(r.said, name+": "+what)
	})
}

func (r *rig) must(name string, c *trade.Command) {
	r.t.Helper()
	if err := r.submit(name, c); err != nil {
		r.t.Fatal(err)
	}
}

// heard checks what submitters were told since the last time.
func (r *rig) heard(want ...string) {
	r.t.Helper()
	if !slices.Equal(r.said, want) {
		r.t.Errorf("heard %q, want %q", r.said, want)
	}
	r.said = nil
	if held := r.shard.Status().Held; held < 0 {
		r.t.Errorf("%d commands are held", held)
	}
}

// reply answers the oldest call, with one result for each command.
func (r *rig) reply(results ...result) {
	r.t.Helper()
	c := r.calls[0]
	r.calls = r.calls[1:]
	q, err := readQuestion(c.body)
	if err != nil || q.count != len(results) {
		r.t.Fatalf("a call of %d commands, %v; %d results", q.count, err, len(results))
	}
	b := appendReply(nil, q.epoch, 0, q.count)
	for _, what := range results {
		b = appendResult(b, what, &trade.Answer{})
	}
	c.done(b, nil)
}

func password() *trade.Command { // a command that is not handed out twice
	return &trade.Command{Kind: trade.SetPasswordKind, SetPassword: trade.SetPassword{Account: 1}}
}

// later is a time by which everything that has a limit is over.
func later() time.Time { return time.Now().Add(time.Hour) }

// soon is a time by which the pause is over, and nothing else.
func soon() time.Time { return time.Now().Add(100 * time.Millisecond) }

func TestWaitsForALeader(t *testing.T) {
	r := newRig(t, Limits{Commands: 3, Bytes: 70})
	r.must("a", deposit(1, 1))
	r.must("b", deposit(1, 2))
	if err := r.submit("c", deposit(1, 3)); !errors.Is(err, replica.ErrFull) {
		t.Errorf("more bytes than may wait: %v", err)
	}
	if err := r.submit("d", &trade.Command{Kind: trade.AdoptRulesKind,
		AdoptRules: trade.AdoptRules{Text: make([]byte, trade.MaxRules)}}); !errors.Is(err, replica.ErrTooLarge) {
		t.Errorf("a command that fits into no call: %v", err)
	}
	r.shard.tick(soon())
	r.heard()
	r.shard.tick(later())
	r.heard("a: not the leader of the group", "b: not the leader of the group")
	r.must("e", deposit(1, 4))
	r.shard.Follow(7, true, 1)
	if len(r.dones) != 1 {
		t.Fatal("the command did not come to the log")
	}
	r.must("f", deposit(1, 5))
	r.must("g", deposit(1, 5))
	if err := r.submit("h", deposit(1, 6)); !errors.Is(err, replica.ErrFull) {
		t.Errorf("more commands than may be out: %v", err)
	}
	for _, done := range r.dones {
		done(trade.Answer{}, nil)
	}
	r.heard("e: 0", "f: 0", "g: 0")
	if s := r.shard.Status(); s.Held != 0 || s.Waiting != 0 {
		t.Errorf("%+v", s)
	}
}

// TestEarly: what another node sends to a leader that is not ready yet comes to the log when it is, in its order and
// in front of what comes later; and back, when that leader does not become ready.
func TestEarly(t *testing.T) {
	r := newRig(t, Limits{})
	var came []string
	call := func(name string, from, term uint64, c *trade.Command) {
		b := appendCommand(appendQuestion(nil, group, term, term), 0, encoded(t, c))
		setCount(b, 1)
		r.relay.Serve(from, b, func(reply []byte, err error) {
			read, err := readReply(reply, 1)
			if err != nil {
				t.Fatal(err)
			}
			what, err := read.next(&trade.Answer{})
			came = append(came, fmt.Sprint(name, " ", what, " ", err))
		})
		clear(b) // its owner uses it again
	}
	r.shard.Led(replica.Leadership{Leader: 7, Term: 5, Leading: true})
	call("first", 3, 5, deposit(1, 1))
	call("second", 3, 5, deposit(1, 2))
	call("of another term", 4, 4, deposit(1, 3))
	if len(r.asked) != 0 || !slices.Equal(came, []string{"of another term 1 <nil>"}) {
		t.Fatalf("the log was asked %d times, and the other node was told %q", len(r.asked), came)
	}
	r.shard.Led(replica.Leadership{Leader: 7, Term: 5, Leading: true, Ready: true})
	if len(r.asked) != 2 || !bytes.Equal(r.asked[0], encoded(t, deposit(1, 1))) ||
		!bytes.Equal(r.asked[1], encoded(t, deposit(1, 2))) {
		t.Fatalf("the log was asked %q", r.asked)
	}
	for _, done := range r.dones {
		done(trade.Answer{}, nil)
	}
	came = nil
	r.shard.Led(replica.Leadership{Leader: 7, Term: 6, Leading: true})
	call("third", 3, 6, deposit(1, 4))
	r.shard.Led(replica.Leadership{Leader: 2, Term: 7})
	r.shard.Led(replica.Leadership{Leader: 7, Term: 8, Leading: true})
	call("fourth", 3, 8, deposit(1, 5))
	r.shard.close()
	if want := []string{"third 1 <nil>", "fourth 1 <nil>"}; len(r.asked) != 2 || !slices.Equal(came, want) {
		t.Errorf("the log was asked %d times, and the other node was told %q", len(r.asked), came)
	}
}

// TestForwards packs what waits while as many calls as may be are out.
func TestForwards(t *testing.T) {
	r := newRig(t, Limits{Calls: 2, CallCommands: 3, CallBytes: 200})
	r.shard.Led(replica.Leadership{Leader: 2, Term: 5})
	for n := range 7 {
		r.must(fmt.Sprint(n), deposit(1, n))
	}
	counts := func() (counts []int) {
		for _, c := range r.calls {
			q, err := readQuestion(c.body)
			if err != nil || q.group != group || q.term != 5 || c.to != 2 {
				t.Errorf("%+v to %d, %v", q, c.to, err)
			}
			counts = append(counts, q.count)
		}
		return counts
	}
	if got := counts(); !slices.Equal(got, []int{1, 1}) {
		t.Errorf("calls of %v commands", got)
	}
	r.reply(answered)
	if got := counts(); !slices.Equal(got, []int{1, 3}) {
		t.Errorf("calls of %v commands", got)
	}
	r.reply(answered)
	r.reply(answered, tooLarge, answered)
	r.reply(answered, answered)
	r.heard("0: 0", "1: 0", "2: 0", "3: "+replica.ErrTooLarge.Error(), "4: 0", "5: 0", "6: 0")
}

// TestComesBack looks at each way in which a command comes back, and what becomes of it.
func TestComesBack(t *testing.T) {
	r := newRig(t, Limits{Pause: time.Nanosecond})
	r.shard.Follow(2, false, 1)
	r.must("again", deposit(1, 1))
	r.must("once", password())
	r.reply(unknown)
	r.heard()
	r.must("behind", deposit(1, 2))
	if len(r.calls) != 1 {
		t.Fatal("the gate is open while a command is out")
	}
	r.reply(notLeader) // nothing happened: even what comes once may be handed out again
	r.heard()
	r.shard.tick(soon())
	r.reply(answered, answered, answered)
	r.heard("again: 0", "once: 0", "behind: 0")

	r.must("once", password())
	r.reply(unknown)
	r.heard("once: outcome unknown")
	r.must("once", password())
	r.reply(otherDay)
	r.heard("once: outcome unknown")
	r.must("full", password())
	r.reply(full)
	r.heard()
	r.shard.tick(soon())
	r.reply(answered)
	r.heard("full: 0")

	r.apart = true
	r.must("not sent", password())
	r.apart = false
	r.shard.tick(soon())
	r.reply(answered)
	r.heard("not sent: 0")
	for want, err := range map[string]error{"outcome unknown": peer.ErrUnknown, "0": peer.ErrNotSent} {
		r.must("lost", password())
		r.calls[0].done(nil, err)
		if r.calls = r.calls[1:]; want == "0" {
			r.shard.tick(soon())
			r.reply(answered)
		}
		r.heard("lost: " + want)
	}
	r.must("strange", password())
	r.calls[0].done([]byte("strange"), nil)
	r.calls = nil
	r.heard("strange: outcome unknown")
}

// TestLeaderHangs gives up a deposed leader that does not answer, and does not believe its late answer.
func TestLeaderHangs(t *testing.T) {
	r := newRig(t, Limits{})
	r.shard.Follow(2, false, 1)
	r.must("again", deposit(1, 1))
	r.must("once", password())
	late := r.calls
	r.calls = nil
	r.shard.tick(soon())
	r.heard() // a leader that is not deposed is waited for
	r.shard.Follow(3, false, 2)
	if len(r.calls) != 0 {
		t.Fatal("handed out while it may be answered")
	}
	r.shard.tick(soon())
	r.heard("once: outcome unknown")
	if len(r.calls) != 1 || r.calls[0].to != 3 {
		t.Fatalf("%d calls", len(r.calls))
	}
	for _, c := range late {
		c.done(nil, peer.ErrUnknown)
	}
	r.heard()
	r.reply(answered)
	r.heard("again: 0")
	// One that leads and hangs is waited for as long as an outcome may take.
	r.must("slow", deposit(1, 2))
	r.shard.tick(later())
	r.heard("slow: outcome unknown")
}

// TestDayTurns does not hand an order out again on another day, here or there.
func TestDayTurns(t *testing.T) {
	r := newRig(t, Limits{})
	r.shard.Follow(2, false, 1)
	r.must("day", deposit(1, 1))
	r.must("any day", &trade.Command{Kind: trade.OpenSessionKind})
	lost := r.calls
	r.calls = nil
	r.today++
	for _, c := range lost {
		c.done(nil, peer.ErrUnknown)
	}
	r.heard("day: outcome unknown")
	r.reply(answered)
	r.heard("any day: 0")

	asking, asked := newRig(t, Limits{}), newRig(t, Limits{})
	asking.shard.Follow(2, false, 1)
	asked.shard.Follow(2, true, 1)
	asked.today++ // the leader's books are ahead
	asking.must("day", deposit(1, 1))
	asking.calls[0].done(nil, peer.ErrUnknown)
	asked.relay.Serve(1, asking.calls[1].body, func(b []byte, err error) { asking.calls[1].done(b, err) })
	asking.heard("day: outcome unknown")
}

// TestLocalLogEnds hands on what a log says that is no more.
func TestLocalLogEnds(t *testing.T) {
	r := newRig(t, Limits{})
	r.shard.Follow(1, true, 1)
	r.must("waiting", deposit(1, 1))
	r.must("unknown", deposit(1, 2))
	r.dones[0](trade.Answer{}, replica.ErrFailed)
	r.refuse = fmt.Errorf("%w: disk", replica.ErrFailed)
	r.dones[1](trade.Answer{}, replica.ErrUnknown) // tried again, and refused
	r.heard("waiting: "+replica.ErrFailed.Error(), "unknown: outcome unknown")
	if err := r.submit("new", deposit(1, 3)); !errors.Is(err, replica.ErrFailed) {
		t.Errorf("%v", err)
	}
	r.refuse = replica.ErrFull
	if err := r.submit("new", deposit(1, 3)); !errors.Is(err, replica.ErrFull) {
		t.Errorf("%v", err)
	}
	r.refuse = replica.ErrNotLeader // it knows before we are told
	r.must("early", deposit(1, 3))
	r.shard.Follow(2, false, 2)
	r.reply(answered)
	r.heard("early: 0")
}

func TestClose(t *testing.T) {
	r := newRig(t, Limits{})
	r.must("waiting", deposit(1, 1))
	r.shard.close()
	r.heard("waiting: the group is closed")
	if err := r.submit("late", deposit(1, 1)); !errors.Is(err, replica.ErrClosed) {
		t.Errorf("%v", err)
	}
	r = newRig(t, Limits{})
	r.shard.Follow(1, true, 1)
	r.must("out", deposit(1, 1))
	r.must("lost", deposit(1, 2))
	r.shard.close()
	r.heard()
	r.dones[0](trade.Answer{}, nil)
	r.dones[1](trade.Answer{}, replica.ErrUnknown)
	r.heard("out: 0", "lost: outcome unknown")
	real := New(nil, Limits{})
	s := real.Shard(Parts{Group: 3, Log: r})
	if list := real.Status(); len(list) != 1 || list[0].Group != 3 {
		t.Errorf("%+v", list)
	}
	s.Follow(9, false, 1)
	told := make(chan error, 1)
	if err := s.Submit(encoded(t, deposit(1, 1)), func(_ trade.Answer, err error) { told <- err }); err != nil {
		t.Fatal(err)
	}
	real.Close()
	if err := <-told; !errors.Is(err, replica.ErrClosed) {
		t.Errorf("without peers: %v", err)
	}
}

// TestServeRefuses answers calls that cannot be.
func TestServeRefuses(t *testing.T) {
	r := newRig(t, Limits{})
	good := appendCommand(appendQuestion(nil, group, 1, 1), 0, encoded(t, password()))
	setCount(good, 1)
	for _, c := range []struct {
		what string
		body []byte
		says string
	}{
		{"nothing", nil, "0 bytes"}, {"another version", append([]byte{9}, good[1:]...), "another version"},
		{"no commands", appendQuestion(nil, group, 1, 1), "0 commands"},
		{"half a command", good[:len(good)-1], "within a command"},
		{"too much", append(bytes.Clone(good), 1), "1 bytes too many"},
		{"another group", append(append(bytes.Clone(good[:1]), 9), good[2:]...), "group 9 is not here"},
	} {
		r.relay.Serve(2, c.body, func(_ []byte, err error) {
			if !errors.Is(err, errCall) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: %v", c.what, err)
			}
		})
	}
}

// FuzzCalls reads any bytes as a question and as a reply: what is accepted is written again as it was.
func FuzzCalls(f *testing.F) {
	b := appendCommand(appendCommand(appendQuestion(nil, 1, 2, 3), 0, []byte("one")), testDay, nil)
	setCount(b, 2)
	f.Add(b)
	b = appendReply(nil, 7, 8, 3)
	for _, what := range []result{answered, notLeader, otherDay} {
		b = appendResult(b, what, &trade.Answer{Reason: 1, Number: 9})
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		if q, err := readQuestion(b); err == nil {
			again := appendQuestion(nil, q.group, q.term, q.epoch)
			setCount(again, q.count)
			for range q.count {
				day, command := q.next()
				again = appendCommand(again, day, command)
			}
			if !bytes.Equal(again, b) {
				t.Fatalf("%x came back as %x", b, again)
			}
		} else if !errors.Is(err, errCall) {
			t.Fatal(err)
		}
		for count := range 4 {
			r, err := readReply(b, count)
			if err != nil {
				if !errors.Is(err, errCall) {
					t.Fatal(err)
				}
				continue
			}
			again := appendReply(nil, r.epoch, r.index, count)
			for range count {
				var a trade.Answer
				what, err := r.next(&a)
				if err != nil {
					t.Fatalf("a reply that was checked: %v", err)
				}
				again = appendResult(again, what, &a)
			}
			if !bytes.Equal(again, b) {
				t.Fatalf("%x came back as %x", b, again)
			}
		}
	})
}
