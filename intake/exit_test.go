package intake

import (
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
	})
}
