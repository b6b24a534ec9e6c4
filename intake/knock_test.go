package intake

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// In a storm of logins few are looked at while the processors are full, those with a ticket at a pace of their own;
// all are when they are not. Orders are not held back for what the logins do.
func TestKnocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pressure := time.Second
		q := newQueue(QueueLimits{Knocks: 100, Pressure: func() time.Duration { return pressure }}.withDefaults())
		second := func() (looked, tickets, ordered int) {
			for i := range 12_000 {
				var busy *BusyError
				switch err := q.Knock(false); {
				case err == nil:
					looked++
				case !errors.As(err, &busy) || busy.After < time.Second:
					t.Fatal(err)
				}
				if i%200 == 0 && q.Knock(true) == nil {
					tickets++
				}
				if i%10 == 0 {
					if turn, err := q.Enter(t.Context(), Order, uint64(i), nil); err == nil {
						ordered++
						turn.End()
					}
				}
				time.Sleep(time.Second / 12_000)
			}
			return looked, tickets, ordered
		}
		second()
		if looked, tickets, ordered := second(); looked < 80 || looked > 120 || tickets != 60 || ordered != 1200 {
			t.Errorf("%d of 12,000 are looked at, %d of 60 with a ticket, %d of 1200 orders", looked, tickets, ordered)
		}
		pressure = 0
		for range 4 {
			second()
		}
		if looked, _, _ := second(); looked != 12_000 {
			t.Errorf("%d of 12,000 are looked at when there is room", looked)
		}
		if n := q.Status(Heavy).Foreseen; n == 0 {
			t.Error("who was turned away is not counted")
		}
	})
}
