package exchange

import (
	"math/big"
	"math/rand/v2"
	"testing"

	"evenkeel/core/money"
	"evenkeel/core/trade"
)

// TestAverageIsExact compares the closing average with rational arithmetic, also where sums do not fit 64 bits.
func TestAverageIsExact(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	for range 20_000 {
		tick := money.Price(1 + random.IntN(12))
		scale := int64(1) << (1 + random.IntN(44))
		var w minute
		sum, quantity := new(big.Int), new(big.Int)
		for i := range 1 + random.IntN(4) {
			d := timedTrade{trade.Time(i), money.Price(1 + random.Int64N(scale)), money.Quantity(1 + random.Int64N(1<<38))}
			w.add(d)
			sum.Add(sum, new(big.Int).Mul(big.NewInt(int64(d.price)), big.NewInt(int64(d.quantity))))
			quantity.Add(quantity, big.NewInt(int64(d.quantity)))
		}
		// round half-up to the tick: floor((2 sum + quantity tick) / (2 quantity tick)) ticks
		step := quantity.Mul(quantity, big.NewInt(int64(tick)))
		want := new(big.Int).Lsh(sum, 1)
		want.Div(want.Add(want, step), new(big.Int).Lsh(step, 1))
		want.Mul(want, big.NewInt(int64(tick)))
		if got := w.average(tick); !want.IsInt64() || int64(got) != want.Int64() {
			t.Fatalf("average of %+v by %d: %d, want %d", w.trades, tick, got, want)
		}
	}
}

// TestMinuteForgets keeps the memory of a long day in proportion to a minute.
func TestMinuteForgets(t *testing.T) {
	var w minute
	for i := range 100_000 {
		w.add(timedTrade{trade.Time(i) * 1_000_000_000, money.Price(100 + i%7), 1})
		if first := w.trades[w.start].at; i >= 60 && first != trade.Time(i-60)*1_000_000_000 {
			t.Fatalf("at %d s the oldest trade is of %d", i, first)
		}
	}
	if cap(w.trades) > 512 {
		t.Errorf("room for %d trades, a minute has 61", cap(w.trades))
	}
}
