package api

import (
	"encoding/json"
	"slices"
	"testing"

	"evenkeel/core/money"
	"evenkeel/feed"
	"evenkeel/szse"
)

func TestRatiosAreComparedExactly(t *testing.T) {
	quote := func(last, previous money.Price) *feed.Quote {
		return &feed.Quote{Quote: szse.Quote{Last: last, PreviousClose: previous}}
	}
	for _, c := range []struct {
		a, b *feed.Quote
		want int
	}{
		{quote(100_100, 100_000), quote(120_100, 120_000), 1}, // 0.01 of 10.00 is more than 0.01 of 12.00
		{quote(99_900, 100_000), quote(119_900, 120_000), -1},
		{quote(110_000, 100_000), quote(220_000, 200_000), 0},
		{quote(0, 100_000), quote(99_900, 100_000), 1}, // what was not traded has risen by nothing
	} {
		if got := compareRatios(c.a, c.b); got != c.want {
			t.Errorf("%v of %v, %v of %v: %d, want %d", c.a.Last, c.a.PreviousClose, c.b.Last, c.b.PreviousClose, got,
				c.want)
		}
	}
}

func TestBoardHasTheLargestFirst(t *testing.T) {
	h := openHouse(t)
	h.quote("000001.SZ", 99_900, 100_000)
	h.quote("600000.SH", 119_900, 120_000)
	var v struct{ Symbols []string }
	if err := json.Unmarshal([]byte(h.ask("GET", "/api/v1/board?by=ask", "").raw), &v); err != nil {
		t.Fatal(err)
	}
	if want := []string{"600000.SH", "000001.SZ"}; !slices.Equal(v.Symbols, want) {
		t.Errorf("%q, want %q", v.Symbols, want)
	}
}
