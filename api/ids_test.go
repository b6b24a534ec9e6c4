package api

import (
	"testing"

	"evenkeel/core/trade"
)

// Times and ids of events rise with their numbers, also where the books' time stands still and where the low bits of
// a number begin again.
func TestEventsSort(t *testing.T) {
	e := trade.Event{Account: 3, Number: atMask - 2, Time: 1_783_476_000_000_000_000}
	for range 6 {
		next := e
		next.Number++
		if next.Number%2 == 0 {
			next.Time += 5_000_000
		}
		if eventID(&e) >= eventID(&next) {
			t.Errorf("event %d: %s is not below %s", e.Number, eventID(&e), eventID(&next))
		}
		if !since(&next, atOf(&e)+1) || since(&e, atOf(&e)+1) {
			t.Errorf("event %d: resuming behind it loses %d, or repeats it", e.Number, next.Number)
		}
		e = next
	}
	a, b := trade.Event{Account: 1, Number: 9, Time: 5e18}, trade.Event{Account: 1, Number: 10, Time: 5e18}
	if atOf(&a) >= atOf(&b) {
		t.Error("two events of one moment have times that do not rise")
	}
}

func TestIDsAreStrict(t *testing.T) {
	if got := orderID(1<<trade.ShardShift | 42); got != "65766b02-0001-8000-8000-00000000002a" {
		t.Errorf("order 42 of shard 1 is %s", got)
	}
	for _, s := range []string{"", "65766b02-0001-8000-8000-00000000002A", "65766b01-0001-8000-8000-00000000002a",
		"65766b02-0001-8000-8000-000000000000", "65766b02-0001-8000-8000-00000000002a ",
		"65766b02-0001-7000-8000-00000000002a"} {
		if n, ok := parseID(orderKind, s); ok {
			t.Errorf("%q was read as %d", s, n)
		}
	}
}

func TestAverages(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{average(10_000*9, 7), "1.28571429"}, {average(0, 0), "0"}, {average(-99_900, 1), "-9.99"},
		{ratio(1, 3), "0.33333333"}, {ratio(-1, 8), "-0.125"}, {ratio(5, 0), "0"}, {string(priceNumber(100_000)), "10"},
		{string(priceNumber(99_900)), "9.99"}, {accountNumber(1), "000000000001"},
	} {
		if c.got != c.want {
			t.Errorf("%s, want %s", c.got, c.want)
		}
	}
}
