package intake

import (
	"context"
	"runtime"
	"sync"
	"testing"
)

// When a crowd of one asker waits, newcomers of that asker are turned away before they are read, others are not, and
// at twice as many nobody comes in; other classes are not concerned.
func TestCrowded(t *testing.T) {
	q := newQueue(QueueLimits{CommandsFloor: 1, CommandsCeiling: 1}.withDefaults())
	ctx, over := context.WithCancel(t.Context())
	var all sync.WaitGroup
	defer all.Wait()
	defer over()
	wait := func(key uint64, until int) {
		for n := q.Status(Order).Waiting; n < until; n++ {
			all.Go(func() {
				if turn, err := q.Enter(ctx, Order, key, nil); err == nil {
					<-ctx.Done()
					turn.End()
				}
			})
			for q.Status(Order).Waiting == n && t.Context().Err() == nil {
				runtime.Gosched()
			}
		}
	}
	first, err := q.Enter(ctx, Order, 9, nil) // nobody else has a turn
	if err != nil {
		t.Fatal(err)
	}
	defer first.End()
	most := crowds[Order] * runtime.GOMAXPROCS(0)
	wait(1, most-1)
	if err := q.Crowded(Order, 1); err != nil {
		t.Errorf("there is room: %v", err)
	}
	wait(1, most)
	if q.Crowded(Order, 1) == nil || q.Crowded(Order, 0) == nil {
		t.Error("a crowd's own newcomer, or nobody, is let in")
	}
	for _, class := range []Class{Cancel, Query, Inside} {
		if err := q.Crowded(class, 1); err != nil {
			t.Errorf("%v: %v", class, err)
		}
	}
	if err := q.Crowded(Order, 2); err != nil {
		t.Errorf("another asker: %v", err)
	}
	wait(1, 2*most)
	if q.Crowded(Order, 2) == nil {
		t.Error("there is no end to the line")
	}
}
