package sim

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"
)

// Options of Run.
type Options struct {
	Seed  uint64
	Dir   string    // an empty directory for disks, best in memory; it is emptied afterwards
	Trace io.Writer // nil, or told what happens
}

// A Report is how a world ended.
type Report struct {
	Seed   uint64
	Digest uint64 // of everything that happened, in order: the same seed gives the same
	Mix    Mix
	Events uint64        // that the timetable had
	Lasted time.Duration // of the world's time
	Counts Counts
	Err    error // what a check saw; nil: nothing
}

// Counts say how much happened in a world.
type Counts struct {
	Actions, Tries, Acknowledged, Refused, Reads, Unknown int
	Events                                                int           // that readers of streams heard
	Gap                                                   time.Duration // longest without an answer, of lone faults
	Orders                                                int
	Drawn, Faults, Bit                                    [kinds]int // of each fault: drawn, happened, took effect
	Mishaps                                               [mishaps]int
	Elections, Torn, Restarts, Installed, Replaced        int
	Second                                                int // answers of the second shard
	Diverged                                              int // stopped: their state was not that of most
	Sessions, Days, Activated                             int
}

// A World is the whole house, its exchange and its clients. One goroutine owns it.
type World struct {
	random *rand.Rand
	now    int64 // ns since 1970
	queue  timetable
	digest uint64
	events uint64
	mix    Mix
	dir    string
	trace  io.Writer
	counts Counts
	broken error // the first thing that a check saw

	net       *network
	nodes     []*node // every machine that ever was, by id
	exchange  *market
	accounts  []*account
	desk      *desk
	truth     truth
	faults    faults
	teller    teller
	troubled  bool  // faults happen
	investing bool  // investors begin new actions
	answered  int64 // when somebody was, last
}

// began is when every world begins: 10:00 in Shanghai on a Monday that is a trading day.
var began = time.Date(2026, 7, 6, 2, 0, 0, 0, time.UTC).UnixNano()

// A tag names a kind of appointment, for the digest.
type tag uint8

const (
	processTag tag = iota
	tickTag
	messageTag
	streamTag
	diskTag
	clientTag
	faultTag
	worldTag
)

// errOver ends a world early when a check saw something.
var errOver = errors.New("a check saw something")

// below is a random duration less than d.
func (w *World) below(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return time.Duration(w.random.Int64N(int64(d)))
}

// about is a random duration of which the average is d, and none is above ten times that.
func (w *World) about(d time.Duration) time.Duration {
	return min(10*d, time.Duration(w.random.ExpFloat64()*float64(d)))
}

// chance is true so many times of a million.
func (w *World) chance(millionths int) bool {
	return millionths > 0 && w.random.IntN(1_000_000) < millionths
}

// after plans something of the world itself.
func (w *World) after(d time.Duration, what tag, do func()) {
	w.queue.put(w.now+int64(d), what, do)
}

// say writes to the trace. Callers ask Tracing first where making the words costs something.
func (w *World) say(format string, words ...any) {
	if w.trace == nil {
		return
	}
	_, _ = fmt.Fprintf(w.trace, "%9.3fms  ", float64(w.now-began)/1e6)
	_, _ = fmt.Fprintf(w.trace, format+"\n", words...)
}

// fail notes what a check saw; the first thing counts.
func (w *World) fail(format string, words ...any) {
	if w.broken == nil {
		w.broken = fmt.Errorf("after %.3f ms: "+format, append([]any{float64(w.now-began) / 1e6}, words...)...)
		w.say("FAILED: %v", w.broken)
	}
}

// note adds something to the digest.
func (w *World) note(values ...uint64) {
	const prime = 0x9e3779b97f4a7c15
	for _, v := range values {
		w.digest = (w.digest ^ v) * prime
		w.digest ^= w.digest >> 29
	}
}

// mostEvents ends a world in which something goes round and round.
const mostEvents = 3_000_000

// lookEvery is how often a condition is looked at.
const lookEvery = 2 * time.Millisecond

// run lets things happen until a time, or until holds is true. It reports whether it was.
func (w *World) run(until int64, holds func() bool) bool {
	look := w.now // what holds is asked now and then: it costs more than most of what happens
	for w.broken == nil {
		if holds != nil && w.now >= look {
			if holds() {
				return true
			}
			look = w.now + int64(lookEvery)
		}
		if len(w.queue.heap) == 0 || w.queue.heap[0].at > until {
			w.now = max(w.now, until)
			return false
		}
		next, _ := w.queue.take()
		w.now = max(w.now, next.at)
		w.events++
		w.note(uint64(next.at), uint64(next.tag))
		if w.events > mostEvents {
			w.fail("%d things happened, and there is no end", w.events)
		}
		next.do()
	}
	return false
}

// Run lives a world. It must be called with the process's random source set by the seed (testing/cryptotest), because
// the protocol draws its election times from there.
func Run(o Options) (r Report) {
	w := &World{random: rand.New(rand.NewPCG(o.Seed, 0x65_76_65_6e_6b_65_65_6c)), now: began, dir: o.Dir, trace: o.Trace}
	w.mix = draw(w)
	w.say("seed %d: %s", o.Seed, w.mix.String())
	defer func() {
		if p := recover(); p != nil {
			w.fail("panic: %v\n%s", p, debug.Stack())
		}
		w.close()
		r = Report{Seed: o.Seed, Digest: w.digest, Mix: w.mix, Events: w.events, Lasted: time.Duration(w.now - began),
			Counts: w.counts, Err: w.broken}
	}()
	w.build()
	w.live()
	return r
}

// build makes everybody.
func (w *World) build() {
	w.truth = newTruth(w)
	w.teller = teller{world: w, truth: newTruth(w)}
	w.net = newNetwork(w)
	w.exchange = newMarket(w)
	w.desk = newDesk(w)
	var voters []uint64
	for id := range w.mix.nodes {
		voters = append(voters, uint64(id+1))
	}
	for range voters {
		w.newNode().start(voters)
	}
	for n := range w.mix.accounts {
		w.accounts = append(w.accounts, newAccount(w, n))
	}
	w.faults = faults{world: w}
}

// Times of a life.
const (
	setupTime = 20 * time.Second // at most, until everybody can trade
	calmTime  = 300 * time.Millisecond
	// healTime is how soon after the last fault everybody is served again: a drop of a session that nobody saw, an
	// election or two, and a client's own pauses between tries.
	healTime = 12 * time.Second
	endTime  = 12 * time.Second // until everything has come to rest
)

// live is the life of a world: it begins, has its troubles, heals, comes to rest, and is looked at.
func (w *World) live() {
	if !w.run(w.now+int64(setupTime), w.desk.ready) {
		w.fail("the house did not open: %s", w.desk.missing())
		return
	}
	w.say("--- open")
	w.investing, w.troubled, w.answered = true, true, w.now
	for _, a := range w.accounts {
		a.begin()
	}
	w.run(w.now+int64(calmTime), nil)
	w.teller.begin()
	w.faults.begin()
	w.run(w.now+int64(w.mix.trouble), nil)
	w.served()
	w.say("--- healing")
	w.troubled = false
	w.faults.heal()
	since := w.now
	if !w.run(w.now+int64(healTime), func() bool { return w.healed(since) }) {
		w.fail("%v after the last fault not everybody is served: %s", healTime, w.unhealed(since))
		return
	}
	w.say("--- at rest")
	w.investing = false
	if !w.run(w.now+int64(endTime), w.rested) {
		w.fail("%v after the last order not everything has come to rest: %s", endTime, w.restless())
		return
	}
	w.teller.judge()
	w.judge()
}

// close gives back what the world has of this machine.
func (w *World) close() {
	for _, n := range w.nodes {
		n.kill()
	}
	if w.exchange != nil {
		w.exchange.kill()
	}
	entries, err := os.ReadDir(w.dir)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(w.dir, e.Name())))
	}
	if err != nil {
		w.fail("emptying %s: %v", w.dir, err)
	}
}
