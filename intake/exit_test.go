package intake

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Those who are turned away go out few at a time, in the order in which they came, and all of them do.
func TestExit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(QueueLimits{}.withDefaults())
		batch := exitBatch * runtime.GOMAXPROCS(0)
		began := time.Now()
		var mu sync.Mutex
		gone := map[time.Duration][]int{}
		for i := range 10*batch + 1 {
			go func() {
				q.Leave()
				mu.Lock()
				defer mu.Unlock()
				gone[time.Since(began)] = append(gone[time.Since(began)], i)
			}()
			synctest.Wait() // everybody stands where he came
		}
		if n := q.Leaving(); n != 10*batch {
			t.Errorf("%d wait", n)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if n := q.Leaving(); n != 0 {
			t.Fatalf("%d are left", n)
		}
		first := 0
		for at := time.Duration(0); first <= 10*batch; at += exitPause {
			out := gone[at]
			slices.Sort(out)
			if at == 0 && len(out) != 1 || at > 0 && len(out) != batch || out[0] != first {
				t.Fatalf("after %v %v went out, behind %d others", at, out, first)
			}
			first += len(out)
		}
		go q.Leave() // when nobody has come for a while
		synctest.Wait()
		if q.Leaving() != 0 {
			t.Error("who came later never goes")
		}
		time.Sleep(2 * exitPause) // until it is shut

		q.exit.wanted.Store(int64(time.Hour)) // pauses are as long as the network waits, and have an end
		began, last := time.Now(), time.Duration(0)
		for range 3*batch + 1 {
			go func() {
				q.Leave()
				mu.Lock()
				defer mu.Unlock()
				last = max(last, time.Since(began))
			}()
			synctest.Wait()
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if last != 3*exitLongest {
			t.Errorf("the last went out after %v", last)
		}
	})
}

// What the network waits is told: little when nobody keeps the processors, and more when what is heard is not looked
// at.
func TestNetwork(t *testing.T) {
	ctx, over := context.WithCancel(t.Context())
	waits := Network(ctx)
	for deadline := time.Now().Add(20 * time.Second); waits() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nothing comes through")
		}
	}
	over()
	for range 10 { // it ends in peace
		_ = waits()
		time.Sleep(time.Millisecond)
	}
}
