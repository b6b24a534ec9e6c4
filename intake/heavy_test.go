package intake

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A storm of logins is answered within its patience: as many wait as can be worked on by then, and the others are told
// to come back at once. Reports that are asked for meanwhile have every second turn.
func TestHeavyWaitIsForeseen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(QueueLimits{Heavy: 1}.withDefaults())
		const hash = 40 * time.Millisecond
		work := func(c Class, key uint64) (time.Duration, error) {
			began := time.Now()
			turn, err := q.Enter(t.Context(), c, key, nil)
			waited := time.Since(began)
			if err == nil {
				time.Sleep(hash)
				turn.End()
			}
			return waited, err
		}
		for i := range 40 { // what it takes becomes known
			if _, err := work(Heavy, uint64(i)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := work(Report, 1); err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		var mu sync.Mutex
		var in, out int
		for i := range 256 {
			all.Go(func() {
				waited, err := work(Heavy, uint64(i))
				mu.Lock()
				defer mu.Unlock()
				var busy *BusyError
				switch {
				case err == nil && waited <= q.limits.Patience[Heavy].Standing+tick:
					in++
				case errors.As(err, &busy) && busy.After >= time.Second:
					out++
					if waited > q.limits.Patience[Heavy].Standing+tick {
						t.Errorf("refused after %v", waited)
					}
				default:
					t.Errorf("after %v: %v", waited, err)
				}
			})
		}
		synctest.Wait()
		if waited, err := work(Report, 1); err != nil || waited > 2*hash {
			t.Errorf("a report waits %v behind logins: %v", waited, err)
		}
		all.Wait()
		if s := q.Status(Heavy); in < 30 || in > 45 || out != 256-in || int(s.Foreseen) < out-3 {
			t.Errorf("%d logins were let in, %d refused: %+v", in, out, s)
		}
		empty(t, q)
	})
}
