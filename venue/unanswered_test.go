package venue

import (
	"math"
	"testing"
	"time"
)

// The wait is that of the oldest request without an answer, also when later ones were answered, and ends with it.
func TestUnanswered(t *testing.T) {
	var u unanswered
	start := time.Unix(1_800_000_000, 0)
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	want := func(ms int, oldest uint64, wait time.Duration) {
		t.Helper()
		if got := u.longest(at(ms), oldest); got != wait {
			t.Errorf("at %d ms, oldest %d: %v, want %v", ms, oldest, got, wait)
		}
	}
	want(0, math.MaxUint64, 0)
	u.note(at(0), 1, 3) // 1 to 3 stand there when the session begins
	u.note(at(50), 1, 4)
	u.note(at(200), 1, 5)
	want(1000, 1, time.Second)
	want(1000, 4, time.Second) // of the first lot
	want(1000, 5, 800*time.Millisecond)
	u.note(at(1000), 5, 5)
	want(1000, 5, 800*time.Millisecond)
	u.note(at(1100), math.MaxUint64, 6) // answered before it was looked at
	want(1100, math.MaxUint64, 0)
	u.note(at(2000), 7, 7)
	want(2500, 7, 500*time.Millisecond)
	for i := range 2 * mostLots {
		u.note(at(3000+200*i), 7, uint64(8+i))
	}
	if len(u.lots) != mostLots {
		t.Errorf("%d lots", len(u.lots))
	}
	want(4500, 7, 2500*time.Millisecond)
}
