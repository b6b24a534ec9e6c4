package intake

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

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
