package load

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
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
	config Config
	began  time.Time
	pool   *pool
	crowd  *crowd
	tally  *tally
	asks   sync.Pool
	alive  atomic.Int64 // requests that have begun and not ended, those that come back included

	mu     sync.Mutex // of what follows
	later  comeback   // to be tried again
	random *rand.Rand
}

// Run carries a load out, and audits what was told. It ends early, and still reports, when ctx does.
func Run(ctx context.Context, c Config) (*Result, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	plan, err := newSchedule(&c)
	if err != nil {
		return nil, err
	}
	r := &run{config: c, random: rand.New(rand.NewPCG(c.Seed, 2))} //nolint:gosec // to be repeated
	r.asks.New = func() any { return new(ask) }
	streams, err := openStreams(ctx, &c)
	if err != nil {
		return nil, err
	}
	r.began = time.Now()
	r.crowd = newCrowd(&c)
	r.tally = newTally(&c)
	if r.pool, err = newPool(&c, r.began, r.crowd.build, r.heard); err != nil {
		return nil, err
	}
	r.crowd.host = r.pool.host
	done := make(chan struct{})
	var aside sync.WaitGroup
	aside.Go(func() { r.watch(done) })
	r.drive(ctx, plan)
	r.settle(ctx)
	close(done)
	aside.Wait()
	took := time.Since(r.began)
	checks := r.crowd.checks()
	if c.Audit > 0 && ctx.Err() == nil {
		r.audit(ctx, checks)
	}
	r.pool.close()
	result := r.tally.result(&c, r, took)
	result.Streams = streams.close()
	result.Checks = checks
	checks.add(result.Streams.Complaints...)
	return result, nil
}

// drive sends what is due, when it is.
func (r *run) drive(ctx context.Context, plan *schedule) {
	class, due, ok := plan.pop()
	for ok && ctx.Err() == nil {
		now := r.pool.now()
		next := due
		if again, at := r.returning(now); again != nil {
			r.send(again)
			continue
		} else if at > 0 && at < next {
			next = at
		}
		if next > now {
			r.config.Sleep(min(next-now, 50*time.Millisecond))
			continue
		}
		if a := r.next(class, due); a != nil {
			r.alive.Add(1)
			r.send(a)
		}
		class, due, ok = plan.pop()
	}
}

// settle waits for what is under way, and for those that come back.
func (r *run) settle(ctx context.Context) {
	limit := r.pool.now() + r.config.Patience + time.Second
	for r.alive.Load() > 0 && r.pool.now() < limit && ctx.Err() == nil {
		if again, _ := r.returning(r.pool.now()); again != nil {
			r.send(again)
			continue
		}
		r.config.Sleep(time.Millisecond)
	}
}

// next makes the request that is due.
func (r *run) next(class Class, due time.Duration) *ask {
	a, _ := r.asks.Get().(*ask)
	*a = ask{class: class, first: due, due: due}
	r.crowd.choose(a)
	return a
}

func (r *run) send(a *ask) {
	r.tally.sent(a, r.pool.now())
	r.pool.send(a)
}

// heard judges an answer, counts it, and lets those come back that do.
func (r *run) heard(a *ask, reply *reply, err error) {
	now := r.pool.now()
	o := outcomeOf(a, reply, err)
	if err == nil {
		r.crowd.learn(a, reply, o)
	} else {
		r.crowd.lose(a)
	}
	again := r.comesBack(a, reply, o, now)
	r.tally.ended(a, o, now, again, reply, err)
	if !again {
		r.alive.Add(-1)
		r.asks.Put(a)
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

// comesBack decides whether a request is tried again, and when.
func (r *run) comesBack(a *ask, reply *reply, o Outcome, now time.Duration) bool {
	if r.config.Retry == Never || o.final() || a.tries+1 >= MaxTries {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	wait := time.Duration(0)
	if r.config.Retry == Polite {
		wait = time.Second << a.tries
		if reply != nil && reply.retryAfter >= 0 {
			wait = time.Duration(reply.retryAfter) * time.Second
		}
		wait += time.Duration(r.random.Float64() * float64(max(wait, time.Second)) / 2)
	}
	end := r.config.Warm + r.config.Lasts
	if now+wait > end+r.config.Patience {
		return false
	}
	again, _ := r.asks.Get().(*ask)
	*again = *a
	again.tries++
	again.due = now + wait
	heap.Push(&r.later, again)
	return true
}

// returning takes a request whose time to come back has come, or says when the first one's will.
func (r *run) returning(now time.Duration) (*ask, time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.later) == 0 {
		return nil, 0
	}
	if first := r.later[0]; first.due > now {
		return nil, first.due
	}
	a, _ := heap.Pop(&r.later).(*ask)
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
		r.pool.abandon()
		if n%10 == 0 {
			r.config.Say(r.tally.line(r.pool.now()))
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
