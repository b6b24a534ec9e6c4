package waiting

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func signer(key string) Signer {
	return func(purpose string, of []byte) (sum [32]byte, ok bool) {
		h := hmac.New(sha256.New, []byte(key))
		h.Write([]byte(purpose))
		h.Write([]byte{0})
		h.Write(of)
		copy(sum[:], h.Sum(nil))
		return sum, true
	}
}

// desk is a room in front of workers of made-up speed, in time that the test moves.
type desk struct {
	*Room
	now  time.Time
	wait time.Duration
	each time.Duration
}

func newDesk(key string, l Limits) *desk {
	d := &desk{now: time.UnixMilli(1_800_000_000_000), each: 100 * time.Millisecond}
	d.Room = New(Parts{Sign: signer(key), Limits: l, Clock: func() time.Time { return d.now },
		Outlook: func() (time.Duration, time.Duration) { return d.wait, d.each }})
	return d
}

func (d *desk) in(t *testing.T, name, ticket string, lane Lane) *Pass {
	t.Helper()
	pass, place := d.Enter(name, ticket, lane)
	if pass == nil {
		t.Fatalf("%s waits: %+v", name, place)
	}
	return pass
}

func (d *desk) waits(t *testing.T, name, ticket string, lane Lane) *Place {
	t.Helper()
	pass, place := d.Enter(name, ticket, lane)
	if pass != nil {
		t.Fatalf("%s is let in", name)
	}
	return place
}

// Nobody waits while there is room in front of the work. From then on who comes stands behind who came before, and is
// let in at the rate of the work, in order.
func TestOrderAndRate(t *testing.T) {
	d := newDesk("k", Limits{})
	d.in(t, "a", "", General)
	d.wait = 2 * time.Second
	var tickets []string
	for i := range 100 {
		p := d.waits(t, fmt.Sprint("n", i), "", General)
		if p.Ahead != i || p.Waiting != i+1 || p.Called || p.Renewed || p.Lane != General {
			t.Fatalf("place %d: %+v", i, p)
		}
		tickets = append(tickets, p.Ticket)
	}
	d.now = d.now.Add(time.Second)
	if p := d.waits(t, "n0", tickets[0], General); p.Ahead != 0 {
		t.Errorf("somebody was called while the work had no room: %+v", p)
	}
	d.wait = 300 * time.Millisecond // room, but not idle
	d.waits(t, "late", "", General) // who comes now does not pass those who wait
	next := 0
	for range 100 {
		d.now = d.now.Add(100 * time.Millisecond)
		for ; next < len(tickets); next++ {
			if pass, _ := d.Enter(fmt.Sprint("n", next), tickets[next], General); pass == nil {
				break
			}
		}
		if next+1 < len(tickets) {
			if pass, p := d.Enter(fmt.Sprint("n", next+1), tickets[next+1], General); pass != nil {
				t.Fatalf("%d is let in before %d", next+1, next)
			} else if p.Ahead != 1 {
				t.Fatalf("behind the next: %+v", p)
			}
		}
	}
	if next < 95 || next > 100 { // ten seconds at ten a second
		t.Errorf("%d were let in within ten seconds at ten a second", next)
	}
}

// Who waits is told the same times when the ticket is given and when it is looked at, though the ticket says them in
// milliseconds and clocks are finer.
func TestOneTime(t *testing.T) {
	d := newDesk("k", Limits{})
	d.wait, d.now = 2*time.Second, d.now.Add(1234567*time.Nanosecond)
	p := d.waits(t, "a", "", General)
	again, err := d.Look(p.Ticket)
	ticket, wrong := parse(p.Ticket, d.Sign)
	if err != nil || wrong != nil || !again.Since.Equal(p.Since) || !ticket.Until.Equal(p.Until) {
		t.Errorf("given %v until %v, looked at %+v %v; the ticket says %+v %v", p.Since, p.Until, again, err, ticket, wrong)
	}
}

// A node that lacks the house's key calls no ticket worthless: it does not know.
func TestLookWithoutKey(t *testing.T) {
	d := newDesk("k", Limits{})
	d.wait = 2 * time.Second
	p := d.waits(t, "a", "", General)
	sign := d.Sign
	d.Sign = func(string, []byte) (sum [32]byte, ok bool) { return sum, false }
	if _, err := d.Look(p.Ticket); !errors.Is(err, ErrKey) || d.Status().Invalid != 0 {
		t.Errorf("%v, %+v", err, d.Status())
	}
	d.Sign = sign
	if _, err := d.Look(p.Ticket); err != nil {
		t.Error(err)
	}
}

// How long it takes is what is said, and who waits long comes back rarely.
func TestExpected(t *testing.T) {
	d := newDesk("k", Limits{})
	d.wait = 2 * time.Second
	var last *Place
	for i := range 3000 {
		last = d.waits(t, fmt.Sprint(i), "", General)
	}
	if last.Expected < 290*time.Second || last.Expected > 310*time.Second {
		t.Errorf("3,000 at ten a second: %v", last.Expected)
	}
	if last.Return < d.Limits.Late || last.Return > d.Limits.Late*5/4+time.Second {
		t.Errorf("comes back in %v", last.Return)
	}
	if !last.Until.Equal(d.now.Add(last.Return + d.Limits.Grace).Truncate(time.Millisecond)) {
		t.Errorf("until %v", last.Until)
	}
}

// Those who do not come back do not hold up who does: places are called faster as long as the work has nothing to do.
func TestAbsent(t *testing.T) {
	d := newDesk("k", Limits{})
	d.wait = 2 * time.Second
	for i := range 10_000 {
		d.waits(t, fmt.Sprint("gone", i), "", General)
	}
	p := d.waits(t, "here", "", General)
	d.wait = 0
	began := d.now
	for pass := (*Pass)(nil); pass == nil; {
		d.now = d.now.Add(p.Return)
		pass, p = d.Enter("here", p.Ticket, General)
	}
	if took := d.now.Sub(began); took > 90*time.Second {
		t.Errorf("behind 10,000 who are gone, %v: with all of them 1,000 s", took)
	}
}

// The first lane has most of the calls, and the other is not starved.
func TestLanes(t *testing.T) {
	d := newDesk("k", Limits{})
	d.wait = 2 * time.Second
	var general, first []string
	for i := range 100 {
		general = append(general, d.waits(t, fmt.Sprint("g", i), "", General).Ticket)
	}
	for i := range 100 {
		first = append(first, d.waits(t, fmt.Sprint("f", i), "", First).Ticket)
	}
	d.wait = 300 * time.Millisecond
	for range 100 {
		d.now = d.now.Add(100 * time.Millisecond)
		d.Status()
	}
	count := func(of []string) (n int) {
		for _, ticket := range of {
			if p, err := d.Look(ticket); err == nil && p.Called {
				n++
			}
		}
		return n
	}
	if f, g := count(first), count(general); f < 75 || f > 81 || g < 18 || g > 21 {
		t.Errorf("of 100 calls %d were for the first lane, %d for the other", f, g)
	}
	// A lane is in the ticket: nobody gets into another by asking for it.
	if p, err := d.Look(general[99]); err != nil || p.Lane != General {
		t.Errorf("%+v %v", p, err)
	}
}

// A ticket is for one login name, is over when it says so, and opens one login, after a few wrong passwords at most.
func TestTicketIsGoodOnce(t *testing.T) {
	d := newDesk("k", Limits{})
	d.wait = 2 * time.Second
	d.waits(t, "before", "", General)
	p := d.waits(t, "ann", "", General)
	if q := d.waits(t, "bob", p.Ticket, General); !q.Renewed || q.Ahead != 2 {
		t.Errorf("with ann's ticket bob: %+v", q)
	}
	d.wait = 0
	d.now = d.now.Add(time.Second)
	for range d.Limits.Tries - 1 {
		d.in(t, "ann", p.Ticket, General)
	}
	d.wait = 2 * time.Second // somebody waits, so that without a ticket ann would
	d.waits(t, "cid", "", General)
	later, err := d.Look(p.Ticket)
	if err != nil {
		t.Fatal(err)
	}
	d.in(t, "ann", p.Ticket, General).Spend()
	for _, ticket := range []string{p.Ticket, later.Ticket} {
		if q := d.waits(t, "ann", ticket, General); !q.Renewed || q.Called {
			t.Errorf("a ticket that was used: %+v", q)
		}
		if _, err := d.Look(ticket); !errors.Is(err, ErrTicket) {
			t.Errorf("%v", err)
		}
	}
	for d.now.Before(later.Until) { // the use is not forgotten before the last copy is over
		d.swept = time.Time{}
		d.sweep(d.now)
		if q, err := d.Look(later.Ticket); !errors.Is(err, ErrTicket) {
			t.Fatalf("%v after its use: %+v", d.now, q)
		}
		d.now = d.now.Add(50 * time.Second)
	}
	if s := d.Status(); s.Spent != 7 || s.Invalid != 1 || s.Admitted[General] != 3 {
		t.Errorf("%+v", s.Counts)
	}
}

// A login that the house could not open takes nothing of its ticket, however often; one that was opened takes all.
func TestUndo(t *testing.T) {
	d := newDesk("k", Limits{})
	d.wait = 2 * time.Second
	p := d.waits(t, "ann", "", General)
	d.wait = 0
	d.now = d.now.Add(time.Second)
	for range 2 * d.Limits.Tries {
		d.in(t, "ann", p.Ticket, General).Undo()
	}
	d.in(t, "ann", p.Ticket, General).Spend()
	if _, err := d.Look(p.Ticket); !errors.Is(err, ErrTicket) {
		t.Errorf("a ticket that was used: %v", err)
	}
	var nobody *Pass
	nobody.Undo()
}

// A ticket whose turn has come keeps its place when the work has no room after all, and that is no try.
func TestTurnBack(t *testing.T) {
	d := newDesk("k", Limits{})
	d.wait = 2 * time.Second
	p := d.waits(t, "ann", "", General)
	d.wait = 0
	d.now = d.now.Add(time.Second)
	for range 10 {
		p = d.in(t, "ann", p.Ticket, General).TurnBack()
		if !p.Called || p.Return > 3*time.Second {
			t.Fatalf("%+v", p)
		}
	}
	if q := d.in(t, "bob", "", First).TurnBack(); q == nil || q.Lane != First || q.Ahead != 0 || q.Called {
		t.Errorf("who came without a ticket: %+v", q)
	}
}

// Every node takes every node's tickets: where its line stood already, at the time that they say; else at the end.
func TestOtherNodes(t *testing.T) {
	a, b := newDesk("k", Limits{}), newDesk("k", Limits{})
	a.wait, b.wait = 2*time.Second, 2*time.Second
	var middle *Place
	for i := range 100 {
		p := a.waits(t, fmt.Sprint("n", i), "", General)
		b.waits(t, fmt.Sprint("m", i), "", General)
		if i == 49 {
			middle = p
		}
		a.now, b.now = a.now.Add(100*time.Millisecond), b.now.Add(100*time.Millisecond)
	}
	if p := b.waits(t, "n49", middle.Ticket, General); p.Ahead < 45 || p.Ahead > 52 || p.Renewed {
		t.Errorf("with 50 before at that time: %+v", p)
	}
	c := newDesk("k", Limits{}) // begins now
	c.wait, c.now = 2*time.Second, a.now
	c.waits(t, "new", "", General)
	p := c.waits(t, "n49", middle.Ticket, General)
	if p.Ahead != 1 || p.Renewed || !p.Since.Equal(middle.Since) {
		t.Errorf("in a line that nobody stood in: %+v", p)
	}
	if q := c.waits(t, "n49", p.Ticket, General); q.Ahead != 1 {
		t.Errorf("and again: %+v", q)
	}
	other := newDesk("another house", Limits{})
	other.wait = 2 * time.Second
	if q := other.waits(t, "n49", middle.Ticket, General); !q.Renewed {
		t.Errorf("another house takes it: %+v", q)
	}
	// A node where nobody waits lets in who holds any ticket; if too many come, they line up.
	e := newDesk("k", Limits{})
	if q := e.in(t, "n49", middle.Ticket, General).TurnBack(); q.Called || q.Ahead != 0 {
		t.Errorf("%+v", q)
	}
}

// Memory does not grow with those who wait, nor beyond its limits with those who come.
func TestBounds(t *testing.T) {
	d := newDesk("k", Limits{Used: 100})
	d.wait = 2 * time.Second
	for i := range 20_000 {
		d.waits(t, "x", "", General)
		d.now = d.now.Add(time.Second)
		if i%50 == 0 {
			d.usageOf(&Ticket{Place: uint64(i)}, d.now)
		}
	}
	if len(d.moments) > remembered || len(d.used) > 100 {
		t.Errorf("%d moments, %d uses", len(d.moments), len(d.used))
	}
	d.wait = 0
	for range 200 {
		d.now = d.now.Add(time.Second)
		d.Status()
	}
	if s := d.Status(); s.Waiting != [Lanes]int{} || len(d.moments) != 0 || s.Rate != 0 {
		t.Errorf("%+v, %d moments", s, len(d.moments))
	}
}

// Without the house's key nobody can be given a ticket, and nobody waits here.
func TestNoKey(t *testing.T) {
	r := New(Parts{Sign: func(string, []byte) (sum [32]byte, ok bool) { return sum, false },
		Outlook: func() (time.Duration, time.Duration) { return time.Hour, time.Second }})
	pass, place := r.Enter("ann", "", General)
	if pass == nil || place != nil || pass.TurnBack() != nil {
		t.Errorf("%v %v", pass, place)
	}
	var nobody *Pass
	nobody.Spend()
	r.Sign = signer("k") // the key comes while that login is looked at: its ticket would be for no name
	if place := pass.TurnBack(); place != nil {
		t.Errorf("a ticket for nobody: %+v", place)
	}
}

// No text but a whole ticket of this house is one, and each ticket has one text.
func FuzzTicket(f *testing.F) {
	sign := signer("k")
	t := Ticket{Line: 7, Place: 3, Since: time.UnixMilli(1_800_000_000_000), Until: time.UnixMilli(1_800_000_100_000),
		Lane: First, Name: Mark{1, 2, 3}}
	good, _ := t.text(sign)
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add(strings.Repeat("A", len(good)))
	f.Add(good[:len(good)-1] + "=")
	f.Add("")
	f.Fuzz(func(tt *testing.T, text string) {
		got, err := parse(text, sign)
		if err != nil {
			if !errors.Is(err, ErrTicket) {
				tt.Fatal(err)
			}
			return
		}
		if again, _ := got.text(sign); again != text {
			tt.Fatalf("%q is read as %+v, whose text is %q", text, got, again)
		}
		if text != good {
			tt.Fatalf("%q is taken, and nobody signed it", text)
		}
	})
}

// Who is next has waited since about when his place was given away; nobody waits in an empty room.
func TestOldest(t *testing.T) {
	now, wait := time.UnixMilli(1_800_000_000_000), 2*time.Second
	r := New(Parts{Sign: signer("k"), Clock: func() time.Time { return now },
		Outlook: func() (time.Duration, time.Duration) { return wait, 500 * time.Millisecond }})
	if r.Status().Oldest != 0 {
		t.Error("somebody waits in an empty room")
	}
	for i := range 20 { // two a second, for ten seconds
		r.Enter(string(rune('a'+i)), "", General)
		now = now.Add(500 * time.Millisecond)
	}
	if got := r.Status().Oldest; got < 8*time.Second || got > 12*time.Second {
		t.Errorf("%v after 10 s in which nobody was called", got)
	}
	wait = 400 * time.Millisecond // there is room: two a second and more are called
	now = now.Add(2 * time.Second)
	s := r.Status()
	if left := time.Duration(s.Waiting[General]) * 500 * time.Millisecond; s.Waiting[General] == 0 ||
		s.Oldest < left+time.Second || s.Oldest > left+5*time.Second {
		t.Errorf("%v, %d wait", s.Oldest, s.Waiting[General])
	}
	wait = 0
	now = now.Add(time.Minute)
	if s := r.Status(); s.Oldest != 0 || s.Waiting[General] != 0 {
		t.Errorf("%+v", s)
	}
}

// Whatever is changed of a ticket, it is worth nothing.
func TestTicketIsWhole(t *testing.T) {
	sign := signer("k")
	whole := Ticket{Line: 7, Place: 300, Since: time.UnixMilli(1_800_000_000_000),
		Until: time.UnixMilli(1_800_000_100_000), Lane: General, Name: Mark{1, 2, 3}}
	text, _ := whole.text(sign)
	if got, err := parse(text, sign); err != nil || got != whole {
		t.Fatalf("%+v %v", got, err)
	}
	for i := range len(text) {
		for _, c := range "AB-z" {
			other := text[:i] + string(c) + text[i+1:]
			if _, err := parse(other, sign); (err == nil) != (other == text) {
				t.Errorf("with %c at %d: %v", c, i, err)
			}
		}
	}
	if _, err := parse(text, signer("other")); err == nil {
		t.Error("another house's key takes it")
	}
}
