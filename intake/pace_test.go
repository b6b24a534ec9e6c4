package intake

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Questions storm, and goroutines wait long when more than 25,000 a second are answered, of 40,000 that could be: so
// many are, about, and who sends orders or cancels does not wait. When the storm is over nothing is held back.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var turns atomic.Int64
		before := int64(0)
		last := time.Now()
		limits := QueueLimits{ViewsFloor: 4, ViewsCeiling: 4, Pressure: func() time.Duration {
			n, now := turns.Load(), time.Now()
			rate := float64(n-before) / now.Sub(last).Seconds()
			before, last = n, now
			if rate > 25_000 {
				return 5 * time.Millisecond
			}
			return 0
		}}.withDefaults()
		q := newQueue(limits)
		q.slowest = 100
		var all sync.WaitGroup
		end := time.Now().Add(4 * time.Second)
		for i := range 200 {
			all.Go(func() {
				for time.Now().Before(end) {
					turn, err := q.Enter(t.Context(), Query, uint64(i), nil)
					if err != nil {
						time.Sleep(time.Millisecond)
						continue
					}
					time.Sleep(100 * time.Microsecond)
					turns.Add(1)
					turn.End()
				}
			})
		}
		time.Sleep(time.Second)
		began, from := turns.Load(), time.Now()
		for range 100 {
			for _, c := range []Class{Order, Cancel} {
				asked := time.Now()
				turn, err := q.Enter(t.Context(), c, 1, nil)
				if waited := time.Since(asked); err != nil || waited > 0 {
					t.Fatalf("class %v waits %v: %v", c, waited, err)
				}
				time.Sleep(10 * time.Millisecond)
				turn.End()
			}
		}
		rate := float64(turns.Load()-began) / time.Since(from).Seconds()
		if rate < 17_000 || rate > 31_000 {
			t.Errorf("%.0f questions a second were answered", rate)
		}
		all.Wait()
		time.Sleep(time.Second)
		turn, err := q.Enter(t.Context(), Query, 1, nil)
		if err != nil || q.pools[views].pace.rate != 0 {
			t.Errorf("after the storm: %v, %v a second", err, q.pools[views].pace.rate)
		}
		turn.End()
		empty(t, q)
	})
}

// Orders that fill the processors are held back, and cancels are not.
func TestPaceOfOrders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(QueueLimits{Pressure: func() time.Duration { return time.Second }}.withDefaults())
		q.slowest = 25
		var all sync.WaitGroup
		var done, refused atomic.Int64
		end := time.Now().Add(2 * time.Second)
		for i := range 50 {
			all.Go(func() {
				for time.Now().Before(end) {
					if turn, err := q.Enter(t.Context(), Order, uint64(i), nil); err != nil {
						refused.Add(1)
					} else {
						done.Add(1)
						time.Sleep(time.Millisecond)
						turn.End()
					}
				}
			})
		}
		time.Sleep(time.Second)
		for range 20 {
			asked := time.Now()
			turn, err := q.Enter(t.Context(), Cancel, 1, nil)
			if time.Since(asked) > 0 || err != nil {
				t.Fatalf("a cancel waits: %v", err)
			}
			time.Sleep(5 * time.Millisecond)
			turn.End()
		}
		all.Wait()
		if n := done.Load(); n < 40_000 || n > 60_000 { // half of what there could be
			t.Errorf("%d orders, %d refused", done.Load(), refused.Load())
		}
		empty(t, q)
	})
}

// When somebody else fills the processors, holding questions back does not help: half of them are answered then.
func TestPaceHelpsNobody(t *testing.T) {
	var p pace
	now := time.Duration(0)
	window := func(most float64, pressed bool) float64 {
		now += windowTime
		p.refill(now)
		p.turns = most
		if p.rate > 0 {
			p.turns = min(most, p.rate)
		}
		p.turns *= windowTime.Seconds()
		p.adapt(now, pressed, 100)
		return p.rate
	}
	for range 10 {
		window(8000, false)
	}
	for range 1000 {
		if rate := window(8000, true); rate < 4000 {
			t.Fatalf("%.0f a second", rate)
		}
	}
	for range 100 {
		window(8000, false)
	}
	if p.rate != 0 && p.rate < 8000 {
		t.Errorf("%.0f a second when nobody waits any more", p.rate)
	}
}
