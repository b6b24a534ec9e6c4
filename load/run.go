package load

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Why there was no answer.
var (
	errNoConnection = errors.New("no connection")
	errBroken       = errors.New("the connection broke")
	errPatience     = errors.New("nobody answered in time")
)

// run is a load under way.
type run struct {
	config  Config
	began   time.Time
	crowd   *crowd
	workers []*worker
}

// worker sends a part of what is due: every n-th request of the one schedule that all read, over connections of its
// own, and counts what became of it. Workers share nothing but the crowd, so that none waits for another.
type worker struct {
	*run
	pool  *pool
	tally *tally
	asks  sync.Pool
	alive atomic.Int64 // requests that have begun and not ended, those that come back included

	mu     sync.Mutex // of what follows
	later  comeback   // to be tried again
	random *rand.Rand
}

// batch is how many requests that are due are sent before the clock is read again.
const batch = 32

// Run carries a load out, and audits what was told. It ends early, and still reports, when ctx does.
func Run(ctx context.Context, c Config) (*Result, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if _, err := newSchedule(&c); err != nil {
		return nil, err
	}
	r := &run{config: c, crowd: newCrowd(&c)}
	streams, err := openStreams(ctx, &c)
	if err != nil {
		return nil, err
	}
	r.began = time.Now()
	for i := range c.Drivers {
		w, err := newWorker(r, i)
		if err != nil {
			return nil, err
		}
		r.workers = append(r.workers, w)
	}
	r.crowd.host = r.workers[0].pool.host
	done := make(chan struct{})
	var aside, driving sync.WaitGroup
	aside.Go(func() { r.watch(done) })
	for i, w := range r.workers {
		plan, err := newSchedule(&c)
		if err != nil {
			return nil, err // it was made above
		}
		plan.take, plan.of = i, len(r.workers)
		driving.Go(func() {
			w.drive(ctx, plan)
			w.settle(ctx)
		})
	}
	driving.Wait()
	close(done)
	aside.Wait()
	took := time.Since(r.began)
	checks := r.crowd.checks()
	if c.Audit > 0 && ctx.Err() == nil {
		r.audit(ctx, checks)
	}
	for _, w := range r.workers {
		w.pool.close()
	}
	result := r.result(took)
	if ctx.Err() == nil {
		streams.await(r.crowd)
	}
	result.Streams = streams.close()
	result.Checks = checks
	checks.add(result.Streams.Complaints...)
	return result, nil
}

// newWorker makes the i-th worker, with its part of the connections.
func newWorker(r *run, i int) (w *worker, err error) {
	c := &r.config
	w = &worker{run: r, tally: newTally(c)}
	w.random = rand.New(rand.NewPCG(c.Seed, uint64(2+i)<<8)) //nolint:gosec // to be repeated
	w.asks.New = func() any { return new(ask) }
	if w.pool, err = newPool(c, r.began, r.crowd.build, w.heard); err != nil {
		return nil, err
	}
	w.pool.most = c.Connections / c.Drivers
	if i < c.Connections%c.Drivers {
		w.pool.most++
	}
	return w, nil
}

// drive sends what is due, when it is. How late each was is measured when it goes out, not when the clock was read.
func (w *worker) drive(ctx context.Context, plan *schedule) {
	class, due, ok := plan.pop()
	for ok && ctx.Err() == nil {
		now := w.pool.now()
		again, next := w.returning(now)
		if again != nil {
			w.send(again)
			continue
		}
		if next == 0 || due < next {
			next = due
		}
		if next > now {
			w.config.Sleep(min(next-now, 50*time.Millisecond))
			continue
		}
		for n := 0; ok && n < batch && due <= now; n++ {
			if a := w.next(class, due); a != nil {
				w.alive.Add(1)
				w.send(a)
			}
			class, due, ok = plan.pop()
		}
	}
}

// settle waits for what is under way, and for those that come back.
func (w *worker) settle(ctx context.Context) {
	limit := w.pool.now() + max(w.config.Patience, w.config.Stay) + w.config.Patience + time.Second
	for w.alive.Load() > 0 && w.pool.now() < limit && ctx.Err() == nil {
		if again, _ := w.returning(w.pool.now()); again != nil {
			w.send(again)
			continue
		}
		w.config.Sleep(time.Millisecond)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.later { // a load that was ended early: who stands in line has not failed
		if a.ticket != "" {
			w.tally.left(a)
		}
	}
	w.later = nil
}

// next makes the request that is due.
func (w *worker) next(class Class, due time.Duration) *ask {
	a, _ := w.asks.Get().(*ask)
	*a = ask{class: class, first: due, due: due}
	w.crowd.choose(a)
	return a
}

func (w *worker) send(a *ask) {
	w.tally.sent(a, w.pool.now())
	w.pool.send(a)
}

// heard judges an answer, counts it, and lets those come back that do.
func (w *worker) heard(a *ask, reply *reply, err error) {
	now := w.pool.now()
	o := outcomeOf(a, reply, err)
	if o == Waits {
		if a.ticket == "" {
			a.given = now
		}
		a.ticket = string(member(reply.body, "ticket"))
	}
	if err == nil {
		w.crowd.learn(a, reply, o)
	} else {
		w.crowd.lose(a)
	}
	again := w.comesBack(a, reply, o, now)
	w.tally.ended(a, o, now, again, reply, err)
	if !again {
		w.alive.Add(-1)
		w.asks.Put(a)
	}
}

// comeback is the requests that are tried again, by the time when.
type comeback []*ask

func (h comeback) Len() int           { return len(h) }
func (h comeback) Less(i, j int) bool { return h[i].due < h[j].due }
func (h comeback) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *comeback) Push(v any) {
	if a, ok := v.(*ask); ok {
		*h = append(*h, a)
	}
}

// Pop implements heap.Interface.
func (h *comeback) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// comesBack decides whether a request is tried again, and when. Who has a ticket of the waiting room comes back with
// it even where programs give up, since the screen does: when he was told to, also after a refusal or an answer that
// was lost.
func (w *worker) comesBack(a *ask, reply *reply, o Outcome, now time.Duration) bool {
	patient := a.ticket != ""
	if o.final() || !patient && (w.config.Retry == Never || a.tries+1 >= MaxTries) {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	stay := w.config.Patience
	if patient {
		stay = w.config.Stay
	}
	wait := w.pause(a, reply)
	if now+wait > w.config.Warm+w.config.Lasts+stay {
		return false
	}
	again, _ := w.asks.Get().(*ask)
	*again = *a
	if again.tries < math.MaxUint8 {
		again.tries++
	}
	again.due = now + wait
	heap.Push(&w.later, again)
	return true
}

// pause is how long somebody stays away who comes back. A place in line has its time spread by the house; other times
// to come back are spread here.
func (w *worker) pause(a *ask, reply *reply) time.Duration {
	told := reply != nil && reply.retryAfter >= 0
	switch {
	case w.config.Retry == Rude:
		return 0
	case told && a.ticket != "":
		return time.Duration(reply.retryAfter) * time.Second
	}
	wait := time.Second << min(a.tries, MaxTries)
	if told {
		wait = time.Duration(reply.retryAfter) * time.Second
	}
	return wait + time.Duration(w.random.Float64()*float64(max(wait, time.Second))/2)
}

// returning takes a request whose time to come back has come, or says when the first one's will.
func (w *worker) returning(now time.Duration) (*ask, time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.later) == 0 {
		return nil, 0
	}
	if first := w.later[0]; first.due > now {
		return nil, first.due
	}
	a, _ := heap.Pop(&w.later).(*ask)
	return a, 0
}

// watch gives up what has taken too long, and tells the state every second.
func (r *run) watch(done <-chan struct{}) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-done:
			return
		case <-tick.C:
		}
		for _, w := range r.workers {
			w.pool.abandon()
		}
		if n%10 == 0 {
			r.config.Say(r.line(time.Since(r.began)))
		}
	}
}

// outcomeOf classifies what came.
func outcomeOf(a *ask, r *reply, err error) Outcome {
	switch {
	case errors.Is(err, errPatience):
		return Unanswered
	case err != nil:
		return Broken
	case r.status < 300:
		return Answered
	case r.status == 429 || r.status == 503:
		if a.class == Login && r.retryAfter >= 0 && len(member(r.body, "ticket")) > 0 {
			return Waits
		}
		if r.retryAfter >= 0 {
			return Refused
		}
		return Rebuffed
	case r.status >= 500:
		return Faulty
	case a.class == Cancel && r.status == 422 && strings.Contains(string(member(r.body, "reason")), "DONE"):
		return Answered // filled before the cancel came: it has its answer
	}
	return Rejected
}

// Machine says what the driver runs on.
func Machine() string {
	return fmt.Sprintf("%d processors, %s/%s, %s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
}
