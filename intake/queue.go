package intake

import (
	"context"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"
)

// Patience is how long a request of a class waits for its turn: Burst as long as the line has not stood for that
// long, and Standing when it has, since a line that does not end only makes everybody late. Standing is below what is
// promised for the class by the time that the work takes.
//
// Source: Nichols and Jacobson, Controlling Queue Delay, ACM Queue 10(5), 2012; Maurer, Fail at Scale, ACM Queue
// 13(8), 2015.
type Patience struct{ Burst, Standing time.Duration }

// QueueLimits are those of the queue. Zero members mean the default.
type QueueLimits struct {
	Off      bool // nothing waits and nothing is refused: what a server without a door does, for comparison
	Waiting  int  // 16,384: requests that wait, of all classes together
	Patience [classes]Patience
	// Commands bounds orders and cancels under way: 64 to 8,192. A quarter is kept for each of the two.
	CommandsFloor, CommandsCeiling int
	// Views bounds questions, and changes of settings, under way: one more than there are processors, to 512. A tenth,
	// one at the least, is kept for each of the three classes, of a pool that is not too small for it.
	ViewsFloor, ViewsCeiling int
	Heavy                    int           // max(1, GOMAXPROCS-1): heavy requests under way, so that a processor is left
	Inside                   int           // 64: requests about the house itself under way
	Knocks                   int           // 250 for each processor: logins a second that are looked at in any case
	Pressed                  time.Duration // 2 ms: when goroutines wait so long for a processor, fewer are let in
	// Pressure returns how long runnable goroutines have waited for a processor lately; nil: not asked.
	Pressure func() time.Duration
	// Network returns how long what the network brings has waited until it was looked at lately; nil: not asked.
	Network func() time.Duration
	// Breath calls what it is given when the network has been heard; nil: requests follow each other without a pause.
	Breath func(next func())
}

func (l QueueLimits) withDefaults() QueueLimits {
	processors := runtime.GOMAXPROCS(0)
	set(&l.Waiting, 16_384)
	set(&l.CommandsFloor, 64)
	set(&l.CommandsCeiling, max(8192, l.CommandsFloor))
	set(&l.ViewsFloor, processors+1)
	set(&l.ViewsCeiling, max(512, l.ViewsFloor))
	set(&l.Heavy, max(1, processors-1))
	set(&l.Inside, 64)
	set(&l.Knocks, 250*processors)
	set(&l.Pressed, 2*time.Millisecond)
	const ms = time.Millisecond
	patience := [classes]Patience{Inside: {1000 * ms, 1000 * ms}, Cancel: {400 * ms, 25 * ms}, Order: {400 * ms, 50 * ms},
		Query: {1000 * ms, 1000 * ms}, Quote: {1000 * ms, 1000 * ms}, Manage: {2000 * ms, 2000 * ms},
		Report: {1500 * ms, 1500 * ms}, Heavy: {1500 * ms, 1500 * ms}}
	for c := range classes {
		set(&l.Patience[c].Burst, patience[c].Burst)
		set(&l.Patience[c].Standing, patience[c].Standing)
	}
	return l
}

// Pools are what classes share: orders and cancels the log, questions the views, and the rest has its own.
type poolName uint8

const (
	commands poolName = iota
	views
	heavy
	inside
	pools
)

var poolOf = [classes]poolName{Heavy: heavy, Report: heavy, Manage: views, Quote: views, Query: views, Order: commands,
	Cancel: commands, Inside: inside}

// kept is the part of its pool that is kept for a class while it does not use it, so that no storm of another takes
// all: one in so many, and one at the least, but of a pool that is too small for it.
var kept = [classes]int{Manage: 10, Quote: 10, Query: 10, Order: 4, Cancel: 4}

// smallest is the pool of which every class is kept a place.
const smallest = 4

// passes is how often a class that waits may be passed over by higher ones of its pool before it has a turn: of a pool
// that is too small to keep places, and full of questions of accounts, quotes would get none at all. 0: always.
var passes = [classes]int{Manage: 15, Quote: 7}

type pool struct {
	limit
	under  int // under way
	of     [classes]int
	took   [classes]time.Duration // a sliding mean; of heavy work only
	lately Class                  // that had the last turn
	passed [classes]int           // turns that higher classes have had while this one waited

	breathes bool // turns are given out between breaths: see Breath
	breath   int  // turns that are left until the next
}

// place reports whether one more of a class may be worked on.
func (p *pool) place(c Class) bool {
	size := p.size()
	if p.under >= size || p.breathes && c != Cancel && p.breath == 0 {
		return false
	}
	free := size - p.under
	for other := range classes {
		if poolOf[other] == poolOf[c] && other != c && kept[other] > 0 {
			keep := size / kept[other]
			if keep == 0 && size >= smallest {
				keep = 1
			}
			free -= max(0, keep-p.of[other])
		}
	}
	return free > 0
}

// take counts a turn of a class.
func (q *Queue) take(c Class) {
	p := &q.pools[poolOf[c]]
	p.under++
	p.of[c]++
	p.lately = c
	p.passed[c] = 0
	for lower := range c {
		if passes[lower] > 0 && poolOf[lower] == poolOf[c] && q.lines[lower].all.size > 0 {
			p.passed[lower]++
		}
	}
	if p.breathes && c != Cancel {
		p.breath--
	}
}

// breathe asks for a breath when all turns until then are given out. Who begins one does it, not who gives the last
// one out: that is whoever hears the network, and would find what is asked for then without listening.
func (q *Queue) breathe() {
	for _, name := range breathing {
		if p := &q.pools[name]; p.breathes && p.breath == 0 && !q.asked {
			q.asked = true
			q.limits.Breath(q.heard)
		}
	}
}

// breathing are the pools whose turns are given out between breaths, but for cancels.
var breathing = [...]poolName{commands, views}

// Queue is the line in front of all work that a client asks for. A request is worked on at once while its pool has a
// place and nobody with more right waits; else it waits, and the highest class goes first. In a full queue the oldest
// request of the lowest class makes room. A class of questions is passed over only so often (passes). Orders and
// cancels go in the order in which they came; questions newest first, since the oldest asker has gone already or will
// have soon. Inside a class accounts take turns.
//
// Heavy work is slow and its workers few, so how long a newcomer would wait is known: who would wait longer than the
// patience is refused at once. Its classes take turns, since neither may starve the other.
//
// A request costs no timer and no goroutine here, and no allocation but the first time.
type Queue struct {
	limits QueueLimits
	start  time.Time

	processors int // asked once: the runtime locks its scheduler to tell

	mu      sync.Mutex
	lines   [classes]line
	pools   [pools]pool
	waiting int
	ticking bool // a look at the oldest is due
	idle    *entry
	counts  [classes]QueueCounts
	rates   [classes]rates

	looked   time.Duration // when the pressure was looked at
	pressure time.Duration
	knocks   [2]pace // at which logins are looked at when the processors are full: without a ticket, and with one
	turned   uint64  // away, of those
	exit     exit    // through which they go

	asked bool   // for a breath
	heard func() // what Breath is given
}

// QueueCounts are what became of the requests of a class.
type QueueCounts struct {
	Straight  uint64        // worked on at once
	Waited    uint64        // worked on after a wait
	PushedOut uint64        // refused: the queue was full
	Outwaited uint64        // refused: its wait was over
	Foreseen  uint64        // refused at once: its wait would have been too long
	Gone      uint64        // dropped: the caller has gone
	Wait      time.Duration // all waits of those that were worked on together
}

// QueueStatus is how a class stands.
type QueueStatus struct {
	QueueCounts
	Waiting int
	Under   int // being worked on
	Limit   int // how many of the class's pool may be
}

func newQueue(l QueueLimits) *Queue {
	processors := runtime.GOMAXPROCS(0)
	q := &Queue{limits: l, start: time.Now(), processors: processors}
	for _, name := range breathing {
		q.pools[name].breathes, q.pools[name].breath = l.Breath != nil, breath*processors
	}
	q.heard = func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.asked = false
		now := time.Since(q.start)
		for _, name := range breathing {
			q.pools[name].breath = breath * processors
			q.dispatch(name, now)
		}
	}
	for c := range classes {
		q.lines[c] = line{newestFirst: c < Order && poolOf[c] != heavy, askers: map[uint64]*asker{}}
	}
	q.pools[commands].limit = newLimit(tune{l.CommandsFloor, l.CommandsCeiling, 10 * time.Millisecond, .5, .75})
	q.pools[views].limit = newLimit(tune{l.ViewsFloor, l.ViewsCeiling, time.Millisecond, .2, .4})
	q.pools[heavy].limit = newLimit(tune{floor: l.Heavy, ceiling: l.Heavy})
	q.pools[inside].limit = newLimit(tune{floor: l.Inside, ceiling: l.Inside})
	return q
}

// Turn is the right to be worked on. The zero Turn is nobody's, and ends without effect.
type Turn struct {
	queue *Queue
	usual *Usual
	class Class
	began time.Duration
}

// tick is how often the queue looks for those that have waited long enough, while somebody waits.
const tick = 5 * time.Millisecond

// Enter waits for a turn. key says whose request it is, for the turns between accounts; usual what its kind takes.
// The error is a BusyError, or that of ctx when the caller has gone.
func (q *Queue) Enter(ctx context.Context, c Class, key uint64, usual *Usual) (Turn, error) {
	if q.limits.Off {
		return Turn{}, nil
	}
	now := time.Since(q.start)
	turn := Turn{queue: q, usual: usual, class: c, began: now}
	q.mu.Lock()
	q.look(now)
	p := &q.pools[poolOf[c]]
	if q.next(poolOf[c], c) && p.place(c) {
		q.take(c)
		q.counts[c].Straight++
		q.rates[c].count(now, 1, 0)
		q.breathe()
		q.mu.Unlock()
		return turn, nil
	}
	if poolOf[c] == heavy && q.foreseen(c) > q.limits.Patience[c].Standing {
		q.counts[c].Foreseen++
		err := q.refuse(c, now)
		q.mu.Unlock()
		return Turn{}, err
	}
	if q.waiting >= q.limits.Waiting && !q.makeRoom(c, now) {
		q.counts[c].PushedOut++
		err := q.refuse(c, now)
		q.mu.Unlock()
		return Turn{}, err
	}
	e := q.entry()
	e.class, e.key, e.since, e.state, e.ctx = c, key, now, waits, ctx
	q.lines[c].push(e)
	q.waiting++
	q.watch()
	q.mu.Unlock()
	return q.await(ctx, e, turn)
}

// Full reports whether a request of a class would be refused at once: there is no need to read its body.
func (q *Queue) Full(c Class) error {
	if q.limits.Off {
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.waiting < q.limits.Waiting {
		return nil
	}
	for lower := Class(0); lower <= c; lower++ {
		if q.lines[lower].all.size > 0 {
			return nil
		}
	}
	q.counts[c].PushedOut++
	return q.refuse(c, time.Since(q.start))
}

func (q *Queue) await(ctx context.Context, e *entry, turn Turn) (Turn, error) {
	select {
	case <-e.told:
	case <-ctx.Done():
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Since(q.start)
	state := e.state
	if state == waits { // the caller has gone
		q.lines[e.class].remove(e)
		q.waiting--
		q.counts[e.class].Gone++
		q.store(e)
		return Turn{}, ctx.Err()
	}
	if len(e.told) > 0 {
		<-e.told
	}
	q.store(e)
	if state == pushedOut || state == outwaited {
		return Turn{}, q.refuse(turn.class, now)
	}
	err := ctx.Err()
	if state == gone {
		return Turn{}, err
	}
	if err != nil {
		q.end(turn, now, false)
		q.counts[turn.class].Gone++
		return Turn{}, err
	}
	turn.began = now
	q.breathe()
	return turn, nil
}

// End gives the place to the next. It may be called again.
func (t *Turn) End() {
	if t.queue == nil {
		return
	}
	q := t.queue
	now := time.Since(q.start)
	q.mu.Lock()
	q.end(*t, now, true)
	q.mu.Unlock()
	t.queue = nil
}

func (q *Queue) end(t Turn, now time.Duration, counts bool) {
	p := &q.pools[poolOf[t.class]]
	if counts && p == &q.pools[heavy] {
		p.took[t.class] += (now - t.began - p.took[t.class]) / slide
	}
	if counts && t.usual != nil {
		p.sample(t.usual, now-t.began, p.under)
		if p.ripe(now) {
			q.adapt(p, now)
		}
	}
	p.under--
	p.of[t.class]--
	q.look(now)
	q.dispatch(poolOf[t.class], now)
}

// adapt looks at a limit. Orders and cancels that wait, and goroutines that wait for a processor, are signs that
// questions take what is not theirs.
func (q *Queue) adapt(p *pool, now time.Duration) {
	pressed := false
	if p == &q.pools[views] {
		pressed = q.lines[Order].all.size+q.lines[Cancel].all.size > 0 ||
			q.pressure > q.limits.Pressed
	}
	p.adapt(now, pressed)
}

// next reports whether nobody of the pool who waits has more right than a newcomer of the class.
func (q *Queue) next(name poolName, c Class) bool {
	for other := c; other < classes; other++ {
		if poolOf[other] == name && q.lines[other].all.size > 0 && (other == c || q.pools[name].place(other)) {
			return false
		}
	}
	due, ok := q.due(name)
	return !ok || due >= c
}

// due is a class that waits and has been passed over as often as it may be; ok is false when there is none.
func (q *Queue) due(name poolName) (c Class, ok bool) {
	p := &q.pools[name]
	for c, most := range passes {
		if c := Class(c); most > 0 && poolOf[c] == name && p.passed[c] >= most && q.lines[c].all.size > 0 && p.place(c) {
			return c, true
		}
	}
	return 0, false
}

// dispatch hands the pool's free places out, to the highest class first.
func (q *Queue) dispatch(name poolName, now time.Duration) {
	for class, ok := q.whose(name); ok; class, ok = q.whose(name) {
		e := q.lines[class].take()
		q.waiting--
		if e.ctx.Err() != nil { // its own goroutine will notice, and finds it out of the line
			q.counts[class].Gone++
			q.tell(e, gone)
			continue
		}
		q.take(class)
		q.counts[class].Waited++
		q.counts[class].Wait += now - e.since
		q.rates[class].count(now, 1, 0)
		q.tell(e, granted)
	}
}

// whose turn it is in a pool: a class that was passed over too often, else the highest that waits and has a place, of
// heavy work one that did not have the last turn.
func (q *Queue) whose(name poolName) (class Class, ok bool) {
	if class, ok = q.due(name); ok {
		return class, true
	}
	p := &q.pools[name]
	for c := int(classes) - 1; c >= 0; c-- {
		other := Class(c)
		if poolOf[other] != name || q.lines[other].all.size == 0 || !p.place(other) {
			continue
		}
		if name != heavy || other != p.lately {
			return other, true
		}
		class, ok = other, true
	}
	return class, ok
}

// slide is over how many requests the mean of what heavy work takes slides.
const slide = 8

// foreseen is how long a newcomer of a heavy class would wait, from what its work took lately.
func (q *Queue) foreseen(c Class) time.Duration {
	p := &q.pools[poolOf[c]]
	each := p.took[c]
	for other := range classes {
		if other != c && poolOf[other] == poolOf[c] && q.lines[other].all.size > 0 {
			each += p.took[other] // they take turns
		}
	}
	return each * time.Duration(q.lines[c].all.size+1) / time.Duration(p.size())
}

// Outlook says how long a newcomer of a heavy class would wait, and how much of the workers' time one takes. Both are
// 0 until some were worked on.
func (q *Queue) Outlook(c Class) (wait, each time.Duration) {
	if q.limits.Off {
		return 0, 0
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	p := &q.pools[poolOf[c]]
	wait = q.foreseen(c)
	each = wait / time.Duration(q.lines[c].all.size+1)
	if q.lines[c].all.size == 0 && p.place(c) {
		wait = 0
	}
	return wait, each
}

// makeRoom refuses the oldest of the lowest class that waits, if that is not above c.
func (q *Queue) makeRoom(c Class, now time.Duration) bool {
	for lower := Class(0); lower <= c; lower++ {
		if e := q.lines[lower].all.first; e != nil {
			q.lines[lower].remove(e)
			q.waiting--
			q.counts[lower].PushedOut++
			q.tell(e, pushedOut)
			return true
		}
	}
	return false
}

// expire refuses those that have waited long enough.
func (q *Queue) expire(now time.Duration) {
	for c := range q.lines {
		l, patience := &q.lines[c], q.limits.Patience[c]
		longest := patience.Burst
		if now-l.stands > patience.Burst {
			longest = patience.Standing
		}
		for e := l.all.first; e != nil && now-e.since > longest; e = l.all.first {
			l.remove(e)
			q.waiting--
			q.counts[c].Outwaited++
			q.tell(e, outwaited)
		}
	}
}

// watch sees to it that those that wait are looked at again.
func (q *Queue) watch() {
	if q.ticking || q.waiting == 0 {
		return
	}
	q.ticking = true
	time.AfterFunc(tick, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.ticking = false
		now := time.Since(q.start)
		q.look(now)
		q.expire(now)
		for name := range pools {
			q.dispatch(name, now) // a limit may have grown
		}
		q.breathe() // who had the last turn may have gone
		q.watch()
	})
}

func (q *Queue) tell(e *entry, v verdict) {
	e.state = v
	e.told <- struct{}{}
}

func (q *Queue) entry() *entry {
	if e := q.idle; e != nil {
		q.idle, e.next = e.next, nil
		return e
	}
	return &entry{told: make(chan struct{}, 1)}
}

func (q *Queue) store(e *entry) { e.ctx, e.next, q.idle = nil, q.idle, e }

// Status tells how a class stands.
func (q *Queue) Status(c Class) QueueStatus {
	q.mu.Lock()
	defer q.mu.Unlock()
	p := &q.pools[poolOf[c]]
	return QueueStatus{QueueCounts: q.counts[c], Waiting: q.lines[c].all.size, Under: p.of[c], Limit: p.size()}
}

// longestAfter is the longest time after which a refused request of a class is told to come back.
var longestAfter = [classes]time.Duration{Heavy: 30 * time.Second, Report: 30 * time.Second,
	Manage: 15 * time.Second, Quote: 15 * time.Second, Query: 15 * time.Second, Order: 4 * time.Second,
	Cancel: time.Second, Inside: time.Second}

// refuse says when to come back: after a second, and a random time over which all that are being refused now come
// back no faster than twice as slowly as they are answered. It is whole seconds, since Retry-After can say nothing
// else, and rounding what is not would bring those together that are to be apart.
func (q *Queue) refuse(c Class, now time.Duration) error {
	q.rates[c].count(now, 0, 1)
	answered, refused := q.rates[c].lately(now)
	spread := min(max(2*refused/max(answered, 1), 1), longestAfter[c].Seconds())
	return &BusyError{Class: c, Short: NoRoom, After: time.Second * time.Duration(1+rand.N(int64(spread)+1))}
}

// rates counts what a class was answered and refused in this second and the one before.
type rates struct {
	second              time.Duration
	answered, refused   float64
	answered1, refused1 float64
}

func (r *rates) count(now time.Duration, answered, refused float64) {
	if second := now.Truncate(time.Second); second != r.second {
		r.answered1, r.refused1 = r.answered, r.refused
		if second-r.second > time.Second {
			r.answered1, r.refused1 = 0, 0
		}
		r.second, r.answered, r.refused = second, 0, 0
	}
	r.answered += answered
	r.refused += refused
}

// lately returns how many were answered and refused in about the last second.
func (r *rates) lately(now time.Duration) (answered, refused float64) {
	r.count(now, 0, 0)
	old := 1 - (now - r.second).Seconds()
	return r.answered + old*r.answered1, r.refused + old*r.refused1
}
