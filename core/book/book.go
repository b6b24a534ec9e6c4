// Package book is one security's order book: price-time matching and the call auction.
//
// Units: prices are money.Price on the book's tick, quantities are shares.
//
// Invariants: at a price, who came first trades first; a better price trades before a worse one; a continuous trade is
// at the resting order's price, an auction has one price; no trade is beyond an order's limit or protection price;
// what an order brought = what traded + what rests + what was cancelled. Best price, order count and totals are O(1);
// adding, cancelling and one fill are O(1) in the number of orders and levels; depth of n levels looks at n levels.
// Once the book has held as many orders and levels as it holds now, no operation allocates.
//
// It never knows the time, the phase, an account or a name; never decides whether an order may come (lots, limits,
// cages and phases are core/exchange's); never keeps an order that has left. Memory grows with the orders that rest,
// never with their prices. Handles are places in this book's memory: two books with the same orders may give
// different ones, so a handle must never be reported, logged or snapshotted.
//
// Source: market-rules.md, "Order types" and "Call auction", after the trading rules of SSE, SZSE and BSE; protection
// prices after the SSE rule that neither a trade nor the limit price an order is turned into may be beyond them.
package book

import (
	"iter"

	"evenkeel/core/money"
	"evenkeel/core/must"
	"evenkeel/core/trade"
)

// Limits of a book.
const (
	MostOrders                   = 1 << 24 // resting orders, unless Options say fewer
	MostQuantity  money.Quantity = 1 << 38 // shares of one order; MostOrders of them still fit an int64
	MostTicks                    = 1 << 30 // a price must be below this many ticks
	LongestTick   money.Price    = 1 << 16 // in 1/10,000 CNY
	BestLevels                   = 5       // levels that a best-5 order may sweep
	anyLevels                    = MostTicks
	smallestOrder money.Quantity = 1
)

// Handle is the place of a resting order in its book: valid until the order leaves, 0 is none. Handles are used again;
// Cancel and Look take the order's ID too, so an old handle never reaches another order.
type Handle uint32

// Order is a request to trade. ID is the caller's and comes back in fills; it must be unique among the orders that
// rest.
type Order struct {
	ID       uint64
	Side     trade.Side
	Type     trade.OrderType
	Price    money.Price // Limit: the limit. Market types: the protection price, 0 when it has none
	Quantity money.Quantity
}

// Fill is one trade. In continuous trading Maker rested and Taker arrived; in an auction both rested, Maker is the
// sell and Taker the buy. A party with nothing left has left the book and its handle is dead.
type Fill struct {
	Maker, Taker             uint64 // IDs
	Price                    money.Price
	Quantity                 money.Quantity
	MakerLeft, TakerLeft     money.Quantity // after this trade
	MakerHandle, TakerHandle Handle         // TakerHandle is 0 unless in an auction
	TakerSide                trade.Side     // Buy in an auction
}

// Result says what became of an order. Unless it was refused, Filled + Rested + Cancelled is its quantity.
type Result struct {
	Handle    Handle // of what rests, 0 when nothing does
	Outcome   Outcome
	Filled    money.Quantity
	Rested    money.Quantity
	Cancelled money.Quantity
	Price     money.Price // at which the remainder rests, 0 when nothing does
}

// Outcome is why an order is where it is now.
type Outcome uint8

// Outcomes. From InvalidSide on the order was refused and the book did not change.
const (
	Filled           Outcome = 1  // all of it traded
	Rests            Outcome = 2  // what did not trade rests
	RestCancelled    Outcome = 3  // part traded, the type does not let the rest stay
	NoOppositeSide   Outcome = 4  // nothing to trade with: cancelled
	NoOwnSide        Outcome = 5  // no price to take: cancelled
	NotFillable      Outcome = 6  // fill or kill, and not all of it can trade: cancelled
	BeyondProtection Outcome = 7  // the protection price forbids the price it would have: cancelled before any trade
	InvalidSide      Outcome = 16 // neither Buy nor Sell
	InvalidType      Outcome = 17 // not a type that this operation takes
	InvalidQuantity  Outcome = 18 // not 1 to MostQuantity
	InvalidPrice     Outcome = 19 // no limit price, off the tick, negative, or MostTicks and more
	BookFull         Outcome = 20 // as many orders rest as may
)

// Refused reports whether the order was refused: it never came into the book and nothing changed.
func (o Outcome) Refused() bool { return o >= InvalidSide }

// Level is the orders at one price.
type Level struct {
	Price    money.Price
	Quantity money.Quantity
	Orders   int
}

// Resting is an order in the book; Type is Limit and Quantity is what is left.
type Resting struct {
	Order
	Handle Handle
}

// Options of a book.
type Options struct {
	Tick   money.Price // the price step, 1 to LongestTick
	Orders int         // resting orders to make room for now; more are welcome later
	Most   int         // resting orders allowed, 1 to MostOrders; 0 is MostOrders
}

func (o Options) check() Options {
	must.Hold(o.Tick > 0 && o.Tick <= LongestTick, "a book's tick is 1 to LongestTick")
	if o.Most == 0 {
		o.Most = MostOrders
	}
	must.Hold(o.Most > 0 && o.Most <= MostOrders, "a book's most orders are 1 to MostOrders")
	o.Orders = max(0, min(o.Orders, o.Most))
	return o
}

// node is a resting order: 32 bytes, so that two share a cache line and none straddles one. No pointers: the collector
// has nothing to scan. A free node has nothing left, and next is the next free one.
type node struct {
	id    uint64
	left  money.Quantity
	next  uint32 // behind it in time
	prev  uint32 // before it in time
	level uint32
	side  uint32 // index of its ladder
}

// Book is one security's orders. The zero value is not usable; New makes one. It is not safe for concurrent use.
type Book struct {
	ladders [2]ladder // index: side & 1
	nodes   []node    // 0 is none
	free    uint32    // first free node
	pool    pool
	tick    money.Price
	inverse uint64 // 2^64/tick rounded up
	most    int
}

// New returns an empty book. Options out of range are a bug of the caller and panic.
func New(o Options) *Book {
	o = o.check()
	b := &Book{tick: o.Tick, inverse: ^uint64(0)/uint64(o.Tick) + 1, most: o.Most}
	b.nodes = make([]node, 1, 1+o.Orders)
	b.Clear()
	return b
}

// Clear removes all orders and keeps the memory. All handles are dead.
func (b *Book) Clear() {
	b.nodes, b.free = b.nodes[:1], 0
	b.pool.clear()
	b.ladders[trade.Sell&1] = ladder{side: trade.Sell, root: b.pool.takePage(0, 0)}
	b.ladders[trade.Buy&1] = ladder{side: trade.Buy, flip: MostTicks - 1, root: b.pool.takePage(0, 0)}
}

// Rest puts a limit order into the book without matching, as in a call phase or when a book is rebuilt.
func (b *Book) Rest(o Order) Result {
	if o.Type != trade.Limit {
		return Result{Outcome: InvalidType}
	}
	tick, refusal := b.admit(o)
	if refusal != 0 {
		return Result{Outcome: refusal}
	}
	own := &b.ladders[o.Side&1]
	return Result{
		Handle: b.attach(own, tick^own.flip, o.ID, o.Quantity), Outcome: Rests, Rested: o.Quantity, Price: o.Price,
	}
}

// Cancel takes the order id at h out of the book and returns what was left of it; false when it does not rest at h.
func (b *Book) Cancel(h Handle, id uint64) (left money.Quantity, ok bool) {
	if uint(h) >= uint(len(b.nodes)) {
		return 0, false
	}
	n := &b.nodes[h]
	left = n.left
	if left == 0 || n.id != id {
		return 0, false
	}
	l := &b.ladders[n.side&1]
	v := &b.pool.levels[n.level]
	v.quantity -= left
	l.quantity -= left
	b.detach(l, v, n, uint32(h))
	return left, true
}

// Look returns the order id resting at h; false when it does not rest there.
func (b *Book) Look(h Handle, id uint64) (Resting, bool) {
	if uint(h) >= uint(len(b.nodes)) || b.nodes[h].left == 0 || b.nodes[h].id != id {
		return Resting{}, false
	}
	return b.resting(uint32(h)), true
}

func (b *Book) resting(h uint32) Resting {
	n := &b.nodes[h]
	l := &b.ladders[n.side&1]
	price := b.price(l, &b.pool.levels[n.level])
	return Resting{Order{n.id, l.side, trade.Limit, price, n.left}, Handle(h)}
}

// Best returns the best price of a side and what is offered there in all; false when the side is empty.
func (b *Book) Best(side trade.Side) (money.Price, money.Quantity, bool) {
	l := &b.ladders[side&1]
	if l.best == 0 {
		return 0, 0, false
	}
	v := &b.pool.levels[l.best]
	return b.price(l, v), v.quantity, true
}

// Depth writes the best levels of a side into dst, best first, and returns how many there were to write.
func (b *Book) Depth(side trade.Side, dst []Level) int {
	l := &b.ladders[side&1]
	i := 0
	for at := l.best; at != 0 && i < len(dst); i++ {
		v := &b.pool.levels[at]
		dst[i] = Level{b.price(l, v), v.quantity, int(v.orders)}
		at = v.worse
	}
	return i
}

// Count is how many orders rest, on both sides.
func (b *Book) Count() int { return b.ladders[0].orders + b.ladders[1].orders }

// Total returns all that a side offers: shares, orders and price levels.
func (b *Book) Total(side trade.Side) (quantity money.Quantity, orders, levels int) {
	l := &b.ladders[side&1]
	return l.quantity, l.orders, l.levels
}

// Orders are the orders of a side, best price first and first come first: given to Rest in this order, both sides in
// any order, they make a book that behaves the same. The book must not change meanwhile.
func (b *Book) Orders(side trade.Side) iter.Seq[Resting] {
	return func(yield func(Resting) bool) {
		for at := b.ladders[side&1].best; at != 0; at = b.pool.levels[at].worse {
			for h := b.pool.levels[at].first; h != 0; h = b.nodes[h].next {
				if !yield(b.resting(h)) {
					return
				}
			}
		}
	}
}

func (b *Book) price(l *ladder, v *level) money.Price { return money.Price(v.key^l.flip) * b.tick }
