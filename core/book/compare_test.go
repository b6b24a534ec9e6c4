package book

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"evenkeel/core/money"
	"evenkeel/core/trade"
)

// source gives the choices of a random stream: of a fuzzer's bytes, or endless from a seed.
type source struct {
	bytes  []byte
	random *rand.Rand
}

func (s *source) done() bool { return s.random == nil && len(s.bytes) == 0 }

// pick returns a number from 0 to n-1; n is at most 256.
func (s *source) pick(n int) int {
	if s.random != nil {
		return s.random.IntN(n)
	}
	if len(s.bytes) == 0 {
		return 0
	}
	v := int(s.bytes[0]) % n
	s.bytes = s.bytes[1:]
	return v
}

// twins are the two books under the same operations.
type twins struct {
	t       testing.TB
	fast    *Book
	plain   *Plain
	options Options
	stride  money.Price // ticks between the prices that orders choose from
	last    uint64
	live    []uint64
	handles map[uint64][2]Handle // of all orders that ever rested
	fills   [2][]Fill
}

func newTwins(t testing.TB, o Options, stride money.Price) *twins {
	return &twins{t: t, fast: New(o), plain: NewPlain(o), options: o, stride: stride, handles: map[uint64][2]Handle{}}
}

// step does one operation on both books and compares all that they say.
func (w *twins) step(in *source) {
	w.fills[0], w.fills[1] = w.fills[0][:0], w.fills[1][:0]
	kind := in.pick(64)
	switch {
	case kind < 20:
		w.submit(w.order(in, trade.Limit), false)
	case kind < 26:
		w.submit(w.order(in, trade.Limit), true)
	case kind < 36:
		w.submit(w.order(in, trade.BestFiveCancel+trade.OrderType(in.pick(6))), false)
	case kind < 52:
		w.cancel(in)
	case kind < 54:
		w.auction(in)
	case kind == 54:
		w.uncross(w.at(in.pick(64)))
	case kind == 55:
		w.rebuild()
	case kind == 56:
		w.malformed(in)
	default:
		w.submit(w.order(in, trade.Limit), false)
	}
	w.compare()
}

// at is the i-th price that orders choose from; a few are at the edges of the range.
func (w *twins) at(i int) money.Price {
	tick := w.options.Tick
	switch i {
	case 0:
		return tick
	case 1:
		return (MostTicks - 1) * tick
	}
	return (1_000_000 + money.Price(i)*w.stride) * tick
}

func (w *twins) order(in *source, kind trade.OrderType) Order {
	w.last++
	o := Order{ID: w.last, Side: trade.Buy + trade.Side(in.pick(2)), Type: kind}
	// Most buys are below most sells, so that a book builds up and is met all the same.
	near := in.pick(40)
	if o.Side == trade.Sell {
		near += 20
	}
	if near < 2 && in.pick(4) != 0 {
		near += 2
	}
	if kind == trade.Limit || in.pick(2) == 0 {
		o.Price = w.at(near)
	}
	o.Quantity = money.Quantity(1 + in.pick(8))
	if in.pick(8) == 0 {
		o.Quantity *= 20
	}
	return o
}

func (w *twins) submit(o Order, rest bool) {
	var a, b Result
	if rest {
		a, b = w.fast.Rest(o), w.plain.Rest(o)
	} else {
		a, b = w.fast.Submit(o, &w.fills[0]), w.plain.Submit(o, &w.fills[1])
	}
	if (a.Handle != 0) != (b.Handle != 0) || (a.Handle != 0) != (a.Outcome == Rests) {
		w.t.Fatalf("%+v: handles of %+v and %+v", o, a, b)
	}
	if a.Handle != 0 {
		w.handles[o.ID] = [2]Handle{a.Handle, b.Handle}
		w.live = append(w.live, o.ID)
	}
	a.Handle, b.Handle = 0, 0
	if a != b {
		w.t.Fatalf("%+v: fast %+v, plain %+v", o, a, b)
	}
	if !a.Outcome.Refused() && a.Filled+a.Rested+a.Cancelled != o.Quantity {
		w.t.Fatalf("%+v: %+v does not add up", o, a)
	}
}

// cancel cancels an order, sometimes one that has left.
func (w *twins) cancel(in *source) {
	id := uint64(1 + in.pick(256))
	if len(w.live) > 0 && in.pick(8) != 0 {
		id = w.live[(in.pick(256)<<8|in.pick(256))%len(w.live)]
	}
	h := w.handles[id]
	before, rested := w.fast.Look(h[0], id)
	left, ok := w.fast.Cancel(h[0], id)
	plainLeft, plainOK := w.plain.Cancel(h[1], id)
	if left != plainLeft || ok != plainOK || rested != ok || before.Quantity != left {
		w.t.Fatalf("cancel %d: fast %d %v, plain %d %v, looked %+v %v", id, left, ok, plainLeft, plainOK, before, rested)
	}
	if ok {
		w.live = slices.DeleteFunc(w.live, func(v uint64) bool { return v == id })
	}
}

func (w *twins) malformed(in *source) {
	o := w.order(in, trade.OrderType(in.pick(10)))
	switch in.pick(5) {
	case 0:
		o.Side = trade.Side(in.pick(4))
	case 1:
		o.Quantity = []money.Quantity{0, -1, MostQuantity + 1, -1 << 63, 1<<63 - 1}[in.pick(5)]
	case 2:
		o.Price = []money.Price{0, -1, 1, MostTicks * w.options.Tick, -1 << 63, 1<<63 - 1}[in.pick(6)]
	case 3:
		o.Price += money.Price(in.pick(100))
	}
	w.submit(o, in.pick(2) == 0)
}

// auction compares the auctions of all venues, and sometimes holds the last one. Where the plain book would have to
// look at too many prices, nothing is compared.
func (w *twins) auction(in *source) {
	const most = 3000 // ticks
	bid, _, _ := w.fast.Best(trade.Buy)
	ask, _, _ := w.fast.Best(trade.Sell)
	if (bid-ask)/w.options.Tick > most {
		return
	}
	reference := w.at(in.pick(64)) + money.Price(in.pick(256))
	for _, venue := range []trade.Venue{trade.SSE, trade.SZSE, trade.BSE} {
		r := Rule{venue, reference * money.Price(in.pick(8)&1)}
		a, ok := w.fast.Auction(r)
		b, plainOK := w.plain.Auction(r)
		if a != b || ok != plainOK || ok != (bid > 0 && ask > 0 && bid >= ask) {
			w.t.Fatalf("auction %+v: fast %+v %v, plain %+v %v", r, a, ok, b, plainOK)
		}
		if ok && venue == trade.BSE && in.pick(2) == 0 {
			if matched := w.uncross(a.Price); matched != a.Matched {
				w.t.Fatalf("%+v: %d matched", a, matched)
			}
			bid, _, bids := w.fast.Best(trade.Buy)
			ask, _, asks := w.fast.Best(trade.Sell)
			if bids && asks && bid >= ask {
				w.t.Fatalf("%+v leaves the book crossed at %v and %v", a, bid, ask)
			}
		}
	}
}

func (w *twins) uncross(price money.Price) money.Quantity {
	a, b := w.fast.Uncross(price, &w.fills[0]), w.plain.Uncross(price, &w.fills[1])
	if a != b {
		w.t.Fatalf("uncross at %v: fast %d, plain %d", price, a, b)
	}
	return a
}

// rebuild makes the fast book anew of its orders, as a snapshot does: it must behave as before.
func (w *twins) rebuild() {
	fresh := New(w.options)
	for _, side := range []trade.Side{trade.Sell, trade.Buy} {
		for r := range w.fast.Orders(side) {
			h := w.handles[r.ID]
			h[0] = fresh.Rest(r.Order).Handle
			w.handles[r.ID] = h
		}
	}
	w.fast = fresh
}

// compare holds the two books against each other, and the fast one against its own invariants.
func (w *twins) compare() {
	if w.fast.Count() != w.plain.Count() {
		w.t.Fatalf("fast has %d orders, plain %d", w.fast.Count(), w.plain.Count())
	}
	if len(w.fills[0]) != len(w.fills[1]) {
		w.t.Fatalf("fast %+v, plain %+v", w.fills[0], w.fills[1])
	}
	gone := map[uint64]bool{}
	for i, a := range w.fills[0] {
		b := w.fills[1][i]
		if a.MakerHandle != w.handles[a.Maker][0] || a.TakerHandle != 0 && a.TakerHandle != w.handles[a.Taker][0] {
			w.t.Fatalf("handles of %+v: %v, %v", a, w.handles[a.Maker], w.handles[a.Taker])
		}
		gone[a.Maker] = gone[a.Maker] || a.MakerLeft == 0
		gone[a.Taker] = gone[a.Taker] || a.TakerLeft == 0
		a.MakerHandle, a.TakerHandle, b.MakerHandle, b.TakerHandle = 0, 0, 0, 0
		if a != b {
			w.t.Fatalf("fill %d: fast %+v, plain %+v", i, a, b)
		}
	}
	if len(gone) > 0 {
		w.live = slices.DeleteFunc(w.live, func(id uint64) bool { return gone[id] })
	}
	if len(w.live) != w.fast.Count() {
		w.t.Fatalf("%d orders should rest, %d do", len(w.live), w.fast.Count())
	}
	for _, side := range []trade.Side{trade.Buy, trade.Sell} {
		price, quantity, ok := w.fast.Best(side)
		plainPrice, plainQuantity, plainOK := w.plain.Best(side)
		if price != plainPrice || quantity != plainQuantity || ok != plainOK {
			w.t.Fatalf("best: fast %v %d, plain %v %d", price, quantity, plainPrice, plainQuantity)
		}
		var a, b [70]Level
		n, m := w.fast.Depth(side, a[:]), w.plain.Depth(side, b[:])
		if n != m || a != b {
			w.t.Fatalf("depth: fast %v, plain %v", a[:n], b[:m])
		}
	}
	if err := audit(w.fast); err != nil {
		w.t.Fatal(err)
	}
}

// compareOrders holds the order of all orders against each other.
func (w *twins) compareOrders() {
	for _, side := range []trade.Side{trade.Buy, trade.Sell} {
		plain := slices.Collect(w.plain.Orders(side))
		i := 0
		for r := range w.fast.Orders(side) {
			if i >= len(plain) || r.Order != plain[i].Order {
				w.t.Fatalf("order %d of the side: fast %+v, plain %+v", i, r, plain)
			}
			i++
		}
	}
}

// audit walks everything that b is made of.
func audit(b *Book) error {
	nodes, levels, pages := 0, 0, 0
	for at := b.free; at != 0; at = b.nodes[at].next {
		nodes++
	}
	for at := b.pool.freeLevel; at != 0; at = b.pool.levels[at].worse {
		levels++
	}
	for at := b.pool.freePage; at != 0; at = b.pool.pages[at].parent {
		pages++
	}
	for i := range b.ladders {
		l := &b.ladders[i]
		if err := auditLadder(b, l); err != nil {
			return err
		}
		nodes += l.orders
		levels += l.levels
		under, atLeaf := countPages(b, l.root, rootShift)
		pages += under
		if atLeaf != l.levels {
			return fmt.Errorf("%d levels in the tree, %d in the list", atLeaf, l.levels)
		}
	}
	if nodes != len(b.nodes)-1 || levels != len(b.pool.levels)-1 || pages != len(b.pool.pages)-1 {
		return fmt.Errorf("lost: %d of %d nodes, %d of %d levels, %d of %d pages are free or used",
			nodes, len(b.nodes)-1, levels, len(b.pool.levels)-1, pages, len(b.pool.pages)-1)
	}
	return nil
}

func auditLadder(b *Book, l *ladder) error {
	var quantity money.Quantity
	orders, levels, better := 0, 0, uint32(0)
	for at := l.best; at != 0; at = b.pool.levels[at].worse {
		v := b.pool.levels[at]
		if v.better != better || better != 0 && b.pool.levels[better].key >= v.key || v.orders == 0 {
			return fmt.Errorf("level %+v is out of order", v)
		}
		var sum money.Quantity
		count, before := uint32(0), uint32(0)
		for h := v.first; h != 0; h = b.nodes[h].next {
			n := b.nodes[h]
			if n.level != at || n.prev != before || n.left <= 0 || n.side != uint32(l.side&1) {
				return fmt.Errorf("node %+v is out of order", n)
			}
			sum, count, before = sum+n.left, count+1, h
		}
		if sum != v.quantity || count != v.orders || v.last != before {
			return fmt.Errorf("level %+v holds %d in %d", v, sum, count)
		}
		page := l.root
		for shift := rootShift; shift > 0; shift -= pageBits {
			page = b.pool.pages[page].child[v.key>>shift&pageMask]
		}
		if b.pool.pages[page].child[v.key&pageMask] != at {
			return fmt.Errorf("level %+v is not found by its price", v)
		}
		quantity, orders, levels, better = quantity+sum, orders+int(count), levels+1, at
	}
	if quantity != l.quantity || orders != l.orders || levels != l.levels {
		return fmt.Errorf("side %d: %d in %d at %d, counted %d in %d at %d",
			l.side, l.quantity, l.orders, l.levels, quantity, orders, levels)
	}
	return nil
}

func countPages(b *Book, at uint32, shift int) (pages, levels int) {
	p := &b.pool.pages[at]
	if shift == 0 {
		return 1, bits.OnesCount64(p.present)
	}
	pages = 1
	for slot, child := range p.child {
		if p.present>>slot&1 != 0 {
			under, found := countPages(b, child, shift-pageBits)
			pages, levels = pages+under, levels+found
			if found == 0 {
				panic("a page with nothing under it")
			}
		}
	}
	return pages, levels
}

// FuzzBook: any stream of operations has the same results on both books.
func FuzzBook(f *testing.F) {
	for seed := range uint64(8) {
		random := rand.New(rand.NewPCG(seed, 2))
		stream := make([]byte, 400)
		for i := range stream {
			stream[i] = byte(random.Uint32())
		}
		f.Add(byte(seed), stream)
	}
	f.Fuzz(func(t *testing.T, shape byte, stream []byte) {
		if len(stream) > 4096 {
			return // long streams are TestLikePlain's
		}
		strides := []money.Price{1, 2, 40, 64, 4096, 300_000}
		o := Options{Tick: []money.Price{1, 10, 100, LongestTick}[shape>>4&3], Most: []int{0, 12}[shape>>6&1]}
		w := newTwins(t, o, strides[int(shape&15)%len(strides)])
		for in := (&source{bytes: stream}); !in.done(); {
			w.step(in)
		}
		w.compareOrders()
	})
}

// TestLikePlain is the fuzzer's test on long streams from seeds.
func TestLikePlain(t *testing.T) {
	steps := 25_000
	if testing.Short() {
		steps = 2_500
	}
	for seed, o := range []struct {
		Options
		stride money.Price
	}{
		{Options{Tick: 100}, 1}, {Options{Tick: 100, Orders: 64}, 1}, {Options{Tick: 10}, 2}, {Options{Tick: 100}, 17},
		{Options{Tick: 1}, 64}, {Options{Tick: 100, Most: 40}, 1}, {Options{Tick: LongestTick}, 5000},
		{Options{Tick: 100}, 300_000},
	} {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			w := newTwins(t, o.Options, o.stride)
			in := &source{random: rand.New(rand.NewPCG(uint64(seed), 1))}
			most, traded := 0, 0
			for i := range steps {
				w.step(in)
				most = max(most, w.fast.Count())
				traded += len(w.fills[0])
				if i%100 == 0 {
					w.compareOrders()
				}
				if i%5000 == 4999 {
					w.fast.Clear()
					w.plain = NewPlain(o.Options)
					w.live, w.handles = nil, map[uint64][2]Handle{}
				}
			}
			if most < 40 || traded < steps/10 {
				t.Errorf("at most %d orders rested, %d traded: the test tests little", most, traded)
			}
		})
	}
}
