package book

import (
	"math"
	"math/rand/v2"
	"runtime/debug"
	"testing"

	"evenkeel/core/money"
	"evenkeel/core/trade"
)

// A flow is a stream of orders and cancels, made before it is measured: 46 % limit orders near the touch, 44 % cancels
// of any resting order, 10 % orders that trade at once. Orders are exponentially distributed away from the middle, 1
// to 9 lots; those that trade are one lot, so that what comes is what goes.
type flow struct {
	name   string
	levels int     // of both sides together
	mean   float64 // distance from the middle, in ticks
	live   int     // orders that rest, always about so many
}

var flows = []flow{
	{"near-touch", 1000, 150, 20_000}, // (a)
	{"crowded", 60, 12, 40_000},       // (b)
}

const (
	flowSteps  = 1 << 19
	plainSteps = 1 << 13 // the plain book is too slow for more
	lot        = 100
	middle     = 100_000 // ticks
)

// step is one operation of a flow; 40 bytes, read in order.
type step struct {
	order uint64
	price money.Price
	lots  uint32
	fast  Handle // to cancel
	plain Handle
	kind  uint8
	side  trade.Side
}

const (
	stepAdd = iota
	stepCancel
	stepTake
)

// maker makes a flow by running it.
type maker struct {
	flow
	random  *rand.Rand
	fast    *Book
	plain   *Plain // only for the first plainSteps
	last    uint64
	resting []uint64       // IDs
	place   map[uint64]int // in resting
	handles map[uint64][2]Handle
	steps   []step
	fills   []Fill
}

// run returns the orders that rest at first, and the steps.
func (f flow) run() (before, steps []step) {
	m := &maker{
		flow: f, random: rand.New(rand.NewPCG(1, uint64(f.levels))), fast: New(Options{Tick: 100}),
		plain: NewPlain(Options{Tick: 100}), place: map[uint64]int{}, handles: map[uint64][2]Handle{},
	}
	for range f.live {
		m.add()
	}
	before, m.steps = m.steps, nil
	for len(m.steps) < flowSteps {
		if len(m.steps) == plainSteps {
			m.plain = nil
		}
		switch r := m.random.IntN(100); {
		case r < 46:
			m.add()
		case r < 90:
			m.cancel()
		default:
			m.take()
		}
	}
	return before, m.steps
}

func (m *maker) add() {
	away := money.Price(m.levels) // from the middle, in ticks
	for away > money.Price(m.levels/2) {
		away = 1 + money.Price(-math.Log(1-m.random.Float64())*m.mean)
	}
	side := trade.Sell
	if m.random.IntN(2) == 0 {
		side, away = trade.Buy, -away
	}
	m.last++
	s := step{order: m.last, price: (middle + away) * 100, lots: 1 + m.random.Uint32N(9), kind: stepAdd, side: side}
	h := m.do(&s)
	m.handles[s.order] = h
	m.place[s.order] = len(m.resting)
	m.resting = append(m.resting, s.order)
}

func (m *maker) cancel() {
	s := step{order: m.resting[m.random.IntN(len(m.resting))], kind: stepCancel}
	s.fast, s.plain = m.handles[s.order][0], m.handles[s.order][1]
	m.do(&s)
	m.forget(s.order)
}

func (m *maker) take() {
	m.last++
	s := step{order: m.last, lots: 1, kind: stepTake, side: trade.Buy, price: (middle + money.Price(m.levels)) * 100}
	if m.random.IntN(2) == 0 {
		s.side, s.price = trade.Sell, (middle-money.Price(m.levels))*100
	}
	m.do(&s)
	for _, f := range m.fills {
		if f.MakerLeft == 0 {
			m.forget(f.Maker)
		}
	}
}

func (m *maker) forget(id uint64) {
	at, last := m.place[id], m.resting[len(m.resting)-1]
	m.resting[at], m.place[last] = last, at
	m.resting = m.resting[:len(m.resting)-1]
	delete(m.place, id)
	delete(m.handles, id)
}

func (m *maker) do(s *step) (h [2]Handle) {
	m.steps = append(m.steps, *s)
	m.fills = m.fills[:0]
	if m.plain != nil {
		h[1] = runPlain(m.plain, s, &m.fills)
		m.fills = m.fills[:0]
	}
	h[0] = runFast(m.fast, s, &m.fills)
	return h
}

func (s *step) request() Order {
	return Order{s.order, s.side, trade.Limit, s.price, money.Quantity(s.lots) * lot}
}

func runFast(b *Book, s *step, fills *[]Fill) Handle {
	if s.kind == stepCancel {
		if _, ok := b.Cancel(s.fast, s.order); !ok {
			panic("a cancel of the flow finds nothing")
		}
		return 0
	}
	return b.Submit(s.request(), fills).Handle
}

func runPlain(p *Plain, s *step, fills *[]Fill) Handle {
	if s.kind == stepCancel {
		if _, ok := p.Cancel(s.plain, s.order); !ok {
			panic("a cancel of the flow finds nothing")
		}
		return 0
	}
	return p.Submit(s.request(), fills).Handle
}

// BenchmarkBook measures an operation of each flow on both books.
func BenchmarkBook(b *testing.B) {
	for _, f := range flows {
		before, steps := f.run()
		debug.FreeOSMemory() // what making the flow left is not collected while measuring
		b.Run(f.name+"/fast", func(b *testing.B) {
			book, fills := New(Options{Tick: 100, Orders: f.live}), make([]Fill, 0, 64)
			b.ReportAllocs()
			for i := 0; i < b.N; i++ {
				at := i % flowSteps
				if at == 0 {
					b.StopTimer()
					book.Clear()
					for j := range before {
						runFast(book, &before[j], &fills)
					}
					b.StartTimer()
				}
				fills = fills[:0]
				runFast(book, &steps[at], &fills)
			}
			_, _, buys := book.Total(trade.Buy)
			_, _, sells := book.Total(trade.Sell)
			b.ReportMetric(float64(book.Count()), "live")
			b.ReportMetric(float64(buys+sells), "levels")
		})
		b.Run(f.name+"/plain", func(b *testing.B) {
			var plain *Plain
			fills := make([]Fill, 0, 64)
			b.ReportAllocs()
			for i := 0; i < b.N; i++ {
				at := i % plainSteps
				if at == 0 {
					b.StopTimer()
					plain = NewPlain(Options{Tick: 100})
					for j := range before {
						runPlain(plain, &before[j], &fills)
					}
					b.StartTimer()
				}
				fills = fills[:0]
				runPlain(plain, &steps[at], &fills)
			}
		})
	}
}
