package book

import (
	"math/rand/v2"
	"testing"
	"unsafe"

	"evenkeel/core/money"
	"evenkeel/core/must"
	"evenkeel/core/trade"
)

// TestNothingAllocated: once a book has been as large as it is now, no operation allocates.
func TestNothingAllocated(t *testing.T) {
	b, fills := New(Options{Tick: 100}), make([]Fill, 0, 64)
	id := uint64(0)
	order := func(side trade.Side, kind trade.OrderType, price money.Price, quantity money.Quantity) Result {
		id++
		fills = fills[:0]
		return b.Submit(Order{id, side, kind, price, quantity}, &fills)
	}
	fill := func() {
		for i := range money.Price(40) {
			order(trade.Sell, trade.Limit, 1_000_000+100*i*i, 300)
			order(trade.Buy, trade.Limit, 999_900-100*i*i, 300)
		}
	}
	fill()
	b.Clear()
	fill()
	depth := make([]Level, 10)
	for _, c := range []struct {
		name string
		run  func()
	}{
		{"add and cancel at a level", func() {
			b.Cancel(order(trade.Buy, trade.Limit, 999_900, 100).Handle, id)
		}},
		{"add and cancel at a new level", func() {
			b.Cancel(order(trade.Buy, trade.Limit, 1_000, 100).Handle, id)
		}},
		{"match", func() {
			order(trade.Sell, trade.Limit, 999_900, 300)
			order(trade.Buy, trade.Limit, 999_900, 300)
		}},
		{"best 5", func() {
			order(trade.Buy, trade.BestFiveCancel, 0, 1500)
			for i := range money.Price(5) {
				order(trade.Sell, trade.Limit, 1_000_000+100*i*i, 300)
			}
		}},
		{"best 5 then limit", func() {
			b.Cancel(order(trade.Buy, trade.BestFiveLimit, 999_800, 100).Handle, id)
		}},
		{"immediate", func() {
			order(trade.Buy, trade.ImmediateOrCancel, 0, 300)
			order(trade.Sell, trade.Limit, 1_000_000, 300)
		}},
		{"fill or kill", func() { order(trade.Buy, trade.FillOrKill, 0, 300*40+1) }},
		{"own best", func() { b.Cancel(order(trade.Buy, trade.OwnBest, 0, 300).Handle, id) }},
		{"opposite best", func() {
			b.Cancel(order(trade.Buy, trade.OppositeBest, 0, 400).Handle, id)
			order(trade.Sell, trade.Limit, 1_000_000, 300)
		}},
		{"rest and hold an auction", func() {
			id++
			b.Rest(Order{id, trade.Buy, trade.Limit, 1_000_000, 300})
			a, ok := b.Auction(Rule{trade.SZSE, 1_000_000})
			must.Hold(ok && a.Matched == 300, "the sides meet")
			fills = fills[:0]
			b.Uncross(a.Price, &fills)
			order(trade.Sell, trade.Limit, 1_000_000, 300)
		}},
		{"look", func() {
			b.Best(trade.Buy)
			b.Depth(trade.Sell, depth)
			b.Total(trade.Buy)
			b.Look(1, 1)
			for range b.Orders(trade.Buy) {
				break
			}
		}},
	} {
		before, pages := b.Count(), len(b.pool.pages)
		if n := testing.AllocsPerRun(100, c.run); n != 0 {
			t.Errorf("%s: %v allocations", c.name, n)
		}
		if b.Count() != before || len(b.pool.pages) > pages+4 {
			t.Errorf("%s: %d orders became %d, %d pages %d", c.name, before, b.Count(), pages, len(b.pool.pages))
		}
	}
}

// TestFarPrices: memory follows the orders, not the prices, and comes back; an auction over the whole range of prices
// looks at its few levels only.
func TestFarPrices(t *testing.T) {
	const orders = 2000
	b, random := New(Options{Tick: 1}), rand.New(rand.NewPCG(1, 3))
	for round := range 5 {
		var placed [orders]Handle
		for i := range uint64(orders) {
			side := trade.Buy + trade.Side(i%2)
			price := money.Price(1 + random.Int64N(MostTicks-1))
			placed[i] = b.Rest(Order{i + 1, side, trade.Limit, price, 100}).Handle
		}
		if most := 2 + 5*orders; len(b.pool.pages) > most {
			t.Fatalf("%d pages for %d orders", len(b.pool.pages), orders)
		}
		for _, venue := range []trade.Venue{trade.SSE, trade.SZSE, trade.BSE} {
			if a, ok := b.Auction(Rule{venue, 1}); !ok || a.Matched == 0 {
				t.Fatalf("no auction: %+v", a)
			}
		}
		if err := audit(b); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		for i, h := range placed {
			if _, ok := b.Cancel(h, uint64(i)+1); !ok {
				t.Fatalf("order %d is not there", i)
			}
		}
		if err := audit(b); err != nil || b.Count() != 0 {
			t.Fatalf("round %d: %d orders left, %v", round, b.Count(), err)
		}
	}
	if most := 2 + 5*orders; len(b.pool.pages) > most {
		t.Fatalf("%d pages after all rounds", len(b.pool.pages))
	}
	b.Rest(Order{1, trade.Buy, trade.Limit, MostTicks - 1, 100})
	b.Rest(Order{2, trade.Sell, trade.Limit, 1, 100})
	for _, c := range []struct {
		rule Rule
		want money.Price
	}{
		{Rule{trade.SSE, 0}, MostTicks / 2}, {Rule{trade.SZSE, 0}, 1}, {Rule{trade.SZSE, 18_080_800}, 18_080_800},
		{Rule{trade.BSE, 1<<63 - 1}, MostTicks - 1}, {Rule{trade.BSE, -1 << 63}, 1},
	} {
		if a, ok := b.Auction(c.rule); !ok || a.Price != c.want || a.Matched != 100 {
			t.Errorf("%+v: %+v %v", c.rule, a, ok)
		}
	}
}

// TestHandleOfAnother: an old handle whose place has been used again reaches nobody.
func TestHandleOfAnother(t *testing.T) {
	b := New(Options{Tick: 100})
	var fills []Fill
	first := b.Submit(Order{1, trade.Buy, trade.Limit, 1000, 100}, &fills).Handle
	b.Submit(Order{2, trade.Sell, trade.Limit, 1000, 100}, &fills)
	second := b.Submit(Order{3, trade.Buy, trade.Limit, 1000, 100}, &fills).Handle
	if first != second {
		t.Fatalf("the place %d is not used again: %d", first, second)
	}
	for _, h := range []Handle{first, 0, 2, 1 << 31, 1<<32 - 1} {
		if left, ok := b.Cancel(h, 1); ok || left != 0 {
			t.Errorf("order 1 left at %d, and was cancelled with %d", h, left)
		}
		if r, ok := b.Look(h, 1); ok {
			t.Errorf("order 1 left, and is seen at %d: %+v", h, r)
		}
	}
	if r, ok := b.Look(second, 3); !ok || r.Order != (Order{3, trade.Buy, trade.Limit, 1000, 100}) {
		t.Errorf("order 3: %+v %v", r, ok)
	}
}

// TestOptions: a book that cannot be is a bug of its maker.
func TestOptions(t *testing.T) {
	for _, o := range []Options{
		{}, {Tick: -1}, {Tick: LongestTick + 1}, {Tick: 1, Most: -1}, {Tick: 1, Most: MostOrders + 1},
	} {
		func() {
			defer func() {
				if _, broken := recover().(must.Broken); !broken {
					t.Errorf("%+v makes a book", o)
				}
			}()
			New(o)
		}()
	}
	New(Options{Tick: LongestTick, Orders: -1, Most: MostOrders})
}

// TestSizes: what the speed rests on.
func TestSizes(t *testing.T) {
	if n, l := unsafe.Sizeof(node{}), unsafe.Sizeof(level{}); n != 32 || l != 32 {
		t.Errorf("a node has %d bytes, a level %d: 32 each keep them within a cache line", n, l)
	}
}
