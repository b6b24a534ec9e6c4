// Package waiting is the room where logins wait when more come than can be looked at: who comes gets a signed ticket
// (place, time, lane), goes away, and comes back with it when told.
//
// The house keeps nothing of who waits, only two numbers for each lane: the last place that was given away, and the
// last that was called. Places are called at the rate at which logins are carried out, a little faster as long as
// those who were called do not come, and not at all while the line in front of the work is long. Every node of a house
// has a line of its own and takes the tickets of all: one of another line stands where it would stand had it been
// given here at its time, and who comes from a line that nobody remembers gets a place at the end, in his lane.
//
// Units: the clock's time; places count from 1. Invariants: in a lane of a line who came earlier is called no later; a
// ticket is for one login name, opens one login on a node, and allows Tries wrong passwords; nothing here says whether
// a login name exists; memory is bounded by the limits. It knows neither accounts nor passwords, and starts nothing.
//
// Source: RFC 2104 (HMAC); Chiu and Jain, Computer Networks 17, 1989, for the rate of calls.
package waiting

import (
	"errors"
	"math"
	"math/rand/v2"
	"sync"
	"time"
)

// Limits of a room. Zero members mean the default.
type Limits struct {
	// Bound is how long logins may wait in front of the work, 1 s: who comes when it is longer, or when others have
	// tickets already, gets a ticket.
	Bound time.Duration
	// Refill is the wait in front of the work below which places are called, 500 ms.
	Refill time.Duration
	Grace  time.Duration // 2 min: how long after the time that it was told a ticket is taken
	Life   time.Duration // 2 h: how long a ticket is taken at all
	Soon   time.Duration // 2 s: the shortest time to come back, for who comes next
	Late   time.Duration // 1 min: the longest, for who waits long
	Tries  int           // 3: wrong passwords for which a ticket whose turn has come is good
	Used   int           // 65,536: tickets whose use is remembered
}

func (l Limits) withDefaults() Limits {
	set(&l.Bound, time.Second)
	set(&l.Refill, 500*time.Millisecond)
	set(&l.Grace, 2*time.Minute)
	set(&l.Life, 2*time.Hour)
	set(&l.Soon, 2*time.Second)
	set(&l.Late, time.Minute)
	set(&l.Tries, 3)
	set(&l.Used, 65_536)
	return l
}

func set[T int | time.Duration](v *T, otherwise T) {
	if *v <= 0 {
		*v = otherwise
	}
}

// Constants of how places are called.
const (
	firstShare  = 0.8  // of the calls, while both lanes wait, for the first
	speedUp     = 1.5  // a second, while the work has room
	speedDown   = 0.5  // when it has none
	speedMost   = 64.0 // times what the work carries out
	step        = time.Second
	longestStep = 5 * time.Minute // when nobody has asked for longer
	smooth      = 10 * time.Second
	whole       = 1e-6 // less of a place is none
	spread      = 4    // times to come back are longer by up to one part of so many, at random
	remembered  = 4096 // moments of a line, by which tickets of other lines are placed
	momentEvery = 2 * time.Second
)

// Parts are what a room is made of. All are required but Clock.
type Parts struct {
	Sign Signer
	// Outlook says how long a login that comes now would wait in front of the work, and how much of the workers' time
	// one takes: its work divided by the workers.
	Outlook func() (wait, each time.Duration)
	Clock   func() time.Time // nil: time.Now
	Limits  Limits
}

// Room is where logins wait.
type Room struct {
	Parts
	line uint64

	mu      sync.Mutex
	lanes   [Lanes]lane
	moments []moment // oldest first, since the line stands
	at      time.Time
	speed   float64
	rate    float64 // calls a second, a sliding mean; 0: none yet
	used    map[use]*usage
	swept   time.Time
	counts  Counts
}

// lane of a line. Between called and issued are those who wait.
type lane struct {
	issued uint64
	called float64
}

func (l *lane) waiting() float64 { return max(0, float64(l.issued)-l.called) }

// moment is how many places had been given away at a time.
type moment struct {
	at     time.Time
	issued [Lanes]uint64
}

// use names a ticket, however often it was signed anew.
type use struct {
	line, place uint64
	lane        Lane
}

type usage struct {
	tries int
	until time.Time
}

// Counts are what the room has done since its start.
type Counts struct {
	Tickets  [Lanes]uint64 // places given away
	Looked   uint64        // tickets looked at before their turn
	Straight uint64        // logins let in without a ticket: nobody waited
	Admitted [Lanes]uint64 // logins let in by ticket
	Back     uint64        // of those, turned back: the work had no room after all, or the house could not
	Invalid  uint64        // tickets that were not ours, over, or not for that login
	Spent    uint64        // tickets used up
}

// Status is how the room is.
type Status struct {
	Counts
	Waiting  [Lanes]int // places given away and not called; who has gone away for ever is among them
	Rate     float64    // calls a second, lately
	Expected time.Duration
	// Oldest is how long who is next has stood in line, within momentEvery and only as far back as moments are kept.
	Oldest time.Duration
}

// New returns an empty room.
func New(p Parts) *Room {
	p.Limits = p.Limits.withDefaults()
	if p.Clock == nil {
		p.Clock = time.Now
	}
	return &Room{Parts: p, line: rand.Uint64(), speed: 1, used: map[use]*usage{}}
}

// Place is what who waits is told.
type Place struct {
	Ticket   string
	Lane     Lane
	Ahead    int           // who goes before, at most: those who have gone away are among them. 0: next
	Waiting  int           // in all lanes, at most
	Expected time.Duration // until the turn
	Return   time.Duration // when to come back
	Since    time.Time
	Until    time.Time
	Called   bool // the turn has come: the ticket lets a login in
	Renewed  bool // a ticket was shown that is worth nothing: this is a new one
}

// Pass is the right to log in now. A nil Pass is nobody's.
type Pass struct {
	room   *Room
	name   Mark
	named  bool // it has the mark: the house's key was there when it was given
	lane   Lane
	ticket Ticket
	held   bool // by ticket
}

// Enter lets a login in (a Pass), or gives or confirms a place. ticket may be empty; lane is that of a new place.
// Without the house's key nobody waits here.
func (r *Room) Enter(name, ticket string, lane Lane) (*Pass, *Place) {
	pass := Pass{room: r, lane: lane}
	if pass.name, pass.named = mark(name, r.Sign); !pass.named {
		return &pass, nil
	}
	now := r.Clock()
	t, err := r.read(ticket, now)
	renewed := ticket != "" && (err != nil || t.Name != pass.name)
	wait, each := r.Outlook()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.advance(now, wait, each)
	if renewed {
		r.counts.Invalid++
	}
	if ticket != "" && !renewed {
		r.settle(&t, now)
		return r.byTicket(&t, pass, now)
	}
	if r.waiting() < 1 && wait <= r.Limits.Bound {
		r.counts.Straight++
		return &pass, nil
	}
	return nil, r.give(pass.name, lane, now, renewed)
}

// give gives a place away.
func (r *Room) give(m Mark, l Lane, now time.Time, renewed bool) *Place {
	since := now.Truncate(time.Millisecond) // as the ticket will say: who waits is told one time, not two
	t := Ticket{Line: r.line, Place: r.issue(l, now), Since: since, Lane: l, Name: m}
	p := r.place(&t, now)
	p.Renewed = renewed
	return p
}

// byTicket lets in whose turn it is.
func (r *Room) byTicket(t *Ticket, pass Pass, now time.Time) (*Pass, *Place) {
	if !r.calls(t) {
		r.counts.Looked++
		return nil, r.place(t, now)
	}
	u := r.usageOf(t, now)
	if u.tries >= r.Limits.Tries {
		r.counts.Spent++
		return nil, r.give(t.Name, t.Lane, now, true)
	}
	u.tries++
	r.counts.Admitted[t.Lane]++
	pass.ticket, pass.held = *t, true
	return &pass, nil
}

// Look tells who waits where he stands, and puts the end of his ticket off. The error is ErrTicket or ErrKey.
func (r *Room) Look(ticket string) (*Place, error) {
	now := r.Clock()
	t, err := r.read(ticket, now)
	wait, each := r.Outlook()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.advance(now, wait, each)
	if err != nil {
		if !errors.Is(err, ErrKey) {
			r.counts.Invalid++
		}
		return nil, err
	}
	r.settle(&t, now)
	if u := r.used[t.use()]; u != nil && u.tries >= r.Limits.Tries {
		r.counts.Spent++
		return nil, ErrTicket
	}
	r.counts.Looked++
	return r.place(&t, now), nil
}

// read opens a ticket that is still good.
func (r *Room) read(ticket string, now time.Time) (t Ticket, err error) {
	if ticket == "" {
		return t, ErrTicket
	}
	t, err = parse(ticket, r.Sign)
	if err == nil && (!now.Before(t.Until) || now.Sub(t.Since) >= r.Limits.Life) {
		err = ErrTicket
	}
	return t, err
}

// TurnBack gives a pass back that was of no use, because the work in front of it had no room after all: the ticket, a
// new one if there was none, is to be tried again. It is nil where the house's key is missing, or was when the pass
// was given: a ticket would be for nobody.
func (p *Pass) TurnBack() *Place {
	r := p.room
	if _, ok := r.Sign(purposeNames, nil); !ok || !p.named {
		return nil
	}
	now := r.Clock()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !p.held {
		return r.give(p.name, p.lane, now, false)
	}
	p.untry()
	if t := &p.ticket; t.Line != r.line && !r.remembers(t) { // nobody waited here, and now somebody does
		t.Line, t.Place = r.line, r.issue(t.Lane, now)
	}
	return r.place(&p.ticket, now)
}

// Undo gives a try of a ticket back: the login would have been carried out, and the house could not.
func (p *Pass) Undo() {
	if p == nil || !p.held {
		return
	}
	p.room.mu.Lock()
	defer p.room.mu.Unlock()
	p.untry()
}

// untry gives a try back; under the room's lock.
func (p *Pass) untry() {
	if u := p.room.used[p.ticket.use()]; u != nil && u.tries > 0 {
		u.tries--
	}
	p.room.counts.Back++
}

// Spend uses the ticket up: the login was carried out.
func (p *Pass) Spend() {
	if p == nil || !p.held {
		return
	}
	r := p.room
	r.mu.Lock()
	defer r.mu.Unlock()
	r.usageOf(&p.ticket, r.Clock()).tries = r.Limits.Tries
}

// Status tells how the room is.
func (r *Room) Status() Status {
	now := r.Clock()
	wait, each := r.Outlook()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.advance(now, wait, each)
	s := Status{Counts: r.counts, Rate: r.rate}
	for l := range r.lanes {
		s.Waiting[l] = int(math.Ceil(r.lanes[l].waiting()))
	}
	if r.waiting() >= 1 {
		s.Expected = r.expected(General, r.lanes[General].waiting())
		s.Oldest = r.oldest(now)
	} else {
		s.Rate = 0
	}
	return s
}

// oldest is how long ago the place was given away that is next in some lane.
func (r *Room) oldest(now time.Time) (longest time.Duration) {
	for l := range r.lanes {
		if r.lanes[l].waiting() < 1 {
			continue
		}
		for i := len(r.moments) - 1; i >= 0; i-- { // the last moment at which it had not been given away
			if m := &r.moments[i]; float64(m.issued[l]) <= r.lanes[l].called || i == 0 {
				longest = max(longest, now.Sub(m.at))
				break
			}
		}
	}
	return longest
}

func (r *Room) waiting() (all float64) {
	for l := range r.lanes {
		all += r.lanes[l].waiting()
	}
	return all
}

// advance calls the places whose turn has come since it was last asked.
func (r *Room) advance(now time.Time, wait, each time.Duration) {
	took := min(max(0, now.Sub(r.at)), longestStep)
	r.at = now
	for ; took > step; took -= step { // when nobody asked for so long
		r.advanceBy(step, wait, each)
	}
	r.advanceBy(took, wait, each)
}

func (r *Room) advanceBy(took, wait, each time.Duration) {
	if r.waiting() == 0 {
		r.moments, r.speed, r.rate = r.moments[:0], 1, 0
		return
	}
	capacity := 1 / max(each, time.Millisecond).Seconds()
	if r.rate == 0 {
		r.rate = capacity
	}
	calls := 0.0
	switch {
	case wait >= r.Limits.Refill:
		if took > 0 {
			r.speed = max(1, r.speed*math.Pow(speedDown, took.Seconds()))
		}
	default:
		if wait <= each {
			r.speed = min(speedMost, r.speed*math.Pow(speedUp, took.Seconds()))
		}
		calls = capacity * r.speed * took.Seconds()
	}
	calls = r.call(calls)
	if took > 0 {
		r.rate += (calls/took.Seconds() - r.rate) * (1 - math.Exp(-took.Seconds()/smooth.Seconds()))
	}
}

// call calls so many places, and returns how many there were.
func (r *Room) call(calls float64) (done float64) {
	take := func(l Lane, most float64) {
		n := min(most, r.lanes[l].waiting())
		r.lanes[l].called += n
		if r.lanes[l].waiting() < whole {
			r.lanes[l].called = float64(r.lanes[l].issued)
		}
		done += n
	}
	take(First, calls*firstShare)
	take(General, calls-done)
	take(First, calls-done)
	return done
}

// issue gives the next place of a lane away.
func (r *Room) issue(l Lane, now time.Time) uint64 {
	if n := len(r.moments); n == 0 || now.Sub(r.moments[n-1].at) >= momentEvery {
		if n >= remembered {
			r.moments = append(r.moments[:0], r.moments[n/2:]...)
		}
		m := moment{at: now}
		for other := range r.lanes {
			m.issued[other] = r.lanes[other].issued
		}
		r.moments = append(r.moments, m)
	}
	if r.lanes[l].waiting() == 0 { // nobody waits: what was called in advance is nobody's
		r.lanes[l].called = float64(r.lanes[l].issued)
	}
	r.lanes[l].issued++
	r.counts.Tickets[l]++
	return r.lanes[l].issued
}

// settle places the ticket of another line. Where this line stood when it was given, it stands as if it had been given
// here, and keeps its name; else it becomes one of this line.
func (r *Room) settle(t *Ticket, now time.Time) {
	if t.Line != r.line && r.waiting() >= 1 && !r.remembers(t) {
		t.Line, t.Place = r.line, r.issue(t.Lane, now)
	}
}

// remembers reports whether this line stood already when a ticket was given.
func (r *Room) remembers(t *Ticket) bool {
	return len(r.moments) > 0 && !t.Since.Before(r.moments[0].at)
}

// stands is the place of a ticket in this line.
func (r *Room) stands(t *Ticket) float64 {
	if t.Line == r.line {
		return float64(t.Place)
	}
	if len(r.moments) == 0 || r.waiting() < 1 {
		return 0
	}
	place := float64(r.lanes[t.Lane].issued)
	next := r.at
	for i := len(r.moments) - 1; i >= 0; i-- {
		m := &r.moments[i]
		if !t.Since.Before(m.at) {
			from, width := float64(m.issued[t.Lane]), next.Sub(m.at).Seconds()
			if width <= 0 {
				return place
			}
			return from + (place-from)*min(1, t.Since.Sub(m.at).Seconds()/width)
		}
		place, next = float64(m.issued[t.Lane]), m.at
	}
	return place
}

// calls reports whether the turn of a ticket has come.
func (r *Room) calls(t *Ticket) bool {
	return r.waiting() < 1 || r.stands(t) <= r.lanes[t.Lane].called
}

// place tells where a ticket stands, and signs it anew. Without the house's key the text is empty.
func (r *Room) place(t *Ticket, now time.Time) *Place {
	p := &Place{Lane: t.Lane, Called: r.calls(t), Since: t.Since, Waiting: int(math.Ceil(r.waiting()))}
	left := max(0, r.stands(t)-r.lanes[t.Lane].called)
	if !p.Called {
		p.Ahead = int(math.Ceil(left)) - 1
		p.Expected = max(time.Second, r.expected(t.Lane, left))
	}
	p.Return = min(max(p.Expected/2, r.Limits.Soon), r.Limits.Late)
	p.Return += rand.N(p.Return/spread + 1)
	t.Until = now.Add(p.Return + r.Limits.Grace).Truncate(time.Millisecond)
	if end := t.Since.Add(r.Limits.Life); t.Until.After(end) {
		t.Until = end
	}
	if u := r.used[t.use()]; u != nil && t.Until.After(u.until) {
		u.until = t.Until
	}
	p.Until = t.Until
	if text, ok := t.text(r.Sign); ok {
		p.Ticket = text
	}
	return p
}

// expected is how long the place that so many are left before waits.
func (r *Room) expected(l Lane, left float64) time.Duration {
	rate := max(r.rate, 0.05)
	first, general := r.lanes[First].waiting(), r.lanes[General].waiting()
	var took float64
	switch {
	case l == First && general*firstShare <= left*(1-firstShare): // the other lane is soon over
		took = (left + general) / rate
	case l == First:
		took = left / (firstShare * rate)
	case first*(1-firstShare) <= left*firstShare:
		took = (left + first) / rate
	default:
		took = left / ((1 - firstShare) * rate)
	}
	return time.Duration(min(took, 24*3600) * float64(time.Second))
}

func (t *Ticket) use() use { return use{t.Line, t.Place, t.Lane} }

// usageOf remembers how often a ticket was used, until all that was signed of it is over.
func (r *Room) usageOf(t *Ticket, now time.Time) *usage {
	u := r.used[t.use()]
	if u == nil {
		r.sweep(now)
		u = &usage{}
		r.used[t.use()] = u
	}
	u.until = now.Add(r.Limits.Late + r.Limits.Late/spread + r.Limits.Grace)
	return u
}

// sweep forgets the uses of tickets that are over; if that makes no room, of some (the order of a map is as good as
// any).
func (r *Room) sweep(now time.Time) {
	if len(r.used) < r.Limits.Used && now.Sub(r.swept) < r.Limits.Grace {
		return
	}
	r.swept = now
	for name, u := range r.used {
		if !now.Before(u.until) {
			delete(r.used, name)
		}
	}
	for name := range r.used {
		if len(r.used) < r.Limits.Used {
			return
		}
		delete(r.used, name)
	}
}
