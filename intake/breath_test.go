package intake

import (
	"context"
	"net"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Questions, and orders, have turns until a breath is due, and then none until the network was heard; others go on.
func TestBreathTurns(t *testing.T) {
	few := breath * runtime.GOMAXPROCS(0)
	for c, others := range map[Class][]Class{Query: {Order, Cancel, Heavy}, Order: {Quote, Cancel, Heavy}} {
		var next func()
		asked := 0
		q := newQueue(QueueLimits{ViewsFloor: 100, ViewsCeiling: 100,
			Breath: func(f func()) { next = f; asked++ }}.withDefaults())
		turn := func(c Class, key uint64) {
			if turn, err := q.Enter(t.Context(), c, key, nil); err != nil {
				t.Errorf("class %v: %v", c, err)
			} else {
				turn.End()
			}
		}
		for range few {
			turn(c, 1)
		}
		if asked != 1 {
			t.Fatalf("a breath was asked for %d times after %d of class %v", asked, few, c)
		}
		var all sync.WaitGroup
		for i := range few + 1 {
			all.Go(func() { turn(c, uint64(i)) })
		}
		waiting := func(n int) {
			t.Helper()
			for deadline := time.Now().Add(10 * time.Second); q.Status(c).Waiting != n; time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("%d of class %v wait, want %d", q.Status(c).Waiting, c, n)
				}
			}
		}
		waiting(few + 1)
		for _, other := range others {
			turn(other, 1)
		}
		next()
		waiting(1)
		next()
		all.Wait()
		empty(t, q)
	}
}

// While questions keep a processor full, what comes over the network is heard between few of them. Without a breath it
// is heard between hundreds: the runtime looks every 10 ms.
func TestBreathHears(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	q := newQueue(QueueLimits{Breath: Breath(ctx)}.withDefaults())
	var answered atomic.Int64
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			for ctx.Err() == nil {
				turn, err := q.Enter(ctx, Query, uint64(i), nil)
				if err != nil {
					continue
				}
				for end := time.Now().Add(50 * time.Microsecond); time.Now().Before(end); { // it takes a processor
				}
				answered.Add(1)
				turn.End()
			}
		})
	}
	here, there := pair(t)
	var between []int64
	sent := make(chan int64, 1)
	all.Go(func() {
		for b := make([]byte, 1); ; {
			if _, err := here.Read(b); err != nil {
				return
			}
			sent <- answered.Load()
		}
	})
	for range 100 {
		before := answered.Load()
		if _, err := there.Write([]byte{1}); err != nil {
			t.Fatal(err)
		}
		between = append(between, <-sent-before)
		time.Sleep(time.Millisecond)
	}
	cancel()
	_ = here.Close()
	all.Wait()
	slices.Sort(between)
	if n := between[len(between)/2]; n > 8*breath {
		t.Errorf("%d questions were answered before the network was heard (%d at the most)", n, between[len(between)-1])
	}
}

// pair are the two ends of a connection.
func pair(t *testing.T) (here, there net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if there, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if here, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = here.Close(), there.Close() })
	return here, there
}

// Nobody waits for a breath of what has ended.
func TestBreathEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	ask := Breath(ctx)
	heard := make(chan struct{}, 100)
	next := func() { heard <- struct{}{} }
	ask(next)
	<-heard
	cancel()
	for range 50 {
		ask(next)
		<-heard
	}
}
