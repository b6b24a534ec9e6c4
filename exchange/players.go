package exchange

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"evenkeel/core/book"
	core "evenkeel/core/exchange"
	"evenkeel/core/money"
	"evenkeel/core/rules"
	"evenkeel/core/trade"
)

// Flow says how lively the players are. They follow the zero-intelligence model of continuous double auctions (Smith,
// Farmer, Gillemot and Krishnamurthy, "Statistical theory of the continuous double auction", Quantitative Finance 3,
// 2003; Cont, Stoikov and Talreja, "A stochastic model for order book dynamics", Operations Research 58, 2010): limit
// orders, market orders and cancels arrive as independent Poisson streams, limit orders at a power-law distance from
// the touch, cancels in proportion to what rests. Sizes are log-normal in lots. So that prices go somewhere, each
// security has a hidden value that walks at random and leans the sides of orders towards itself (Chiarella and Iori,
// 2002), and activity over the day has the U shape that markets have: busy at the open and at the close. The numbers
// are made up to look alive, not fitted to a market.
type Flow struct {
	Rate float64 // orders and cancels a second over all securities, before the time of day counts; 0: no players
	Seed uint64  // of every choice; their timing follows the clock
}

// Bounds of the players.
const (
	MaxFlow       = 5_000 // Flow.Rate
	playersStep   = 50 * time.Millisecond
	playersMost   = 200 // orders that one security's players have resting
	playersLeast  = 24  // below this only limit orders come
	playersStart  = 30  // orders placed in each security when its book is empty
	playersQueued = 256 // requests on their way; beyond, the players wait
)

// players are one goroutine that trades with itself and everybody else.
type players struct {
	server  *Server
	flow    Flow
	random  *rand.Rand
	next    uint64 // of ClOrdIDs
	games   []*game
	byCode  map[core.Code]*game
	weights int
	told    chan []outcome
	waiting int
}

// game is what the players know of one security.
type game struct {
	number core.SecurityNumber
	code   core.Code
	weight int
	value  float64 // hidden, in units of price
	orders []core.ClOrdID
	place  map[core.ClOrdID]int
}

// outcome is what became of one of their orders.
type outcome struct {
	code core.Code
	id   core.ClOrdID
	gone bool
}

func newPlayers(s *Server, f Flow) *players {
	f.Rate = math.Min(f.Rate, MaxFlow)
	p := &players{server: s, flow: f, random: rand.New(rand.NewPCG(f.Seed, 0x706c6179)), byCode: map[core.Code]*game{},
		told: make(chan []outcome, 1024)}
	s.View(func(m *core.Machine) {
		for _, l := range s.config.List {
			n, ok := m.Find(l.Code)
			if !ok {
				continue
			}
			q := m.Quote(n)
			value := float64(q.Listing.PreviousClose)
			if q.Statistics.Last > 0 {
				value = float64(q.Statistics.Last)
			}
			g := &game{number: n, code: l.Code, weight: l.Weight, value: value, place: map[core.ClOrdID]int{}}
			p.games = append(p.games, g)
			p.byCode[l.Code] = g
			p.weights += l.Weight
		}
		p.recall(m)
	})
	s.machine.mu.Lock()
	s.machine.watch = p.watch
	s.machine.mu.Unlock()
	return p
}

// recall finds, after a restart, the orders that still rest. ClOrdIDs go on above theirs: those of orders that are done
// may be used again.
func (p *players) recall(m *core.Machine) {
	for _, g := range p.games {
		m.OpenOrders(g.number, playersUnit, func(id core.ClOrdID) bool {
			p.next = max(p.next, numberOf(id))
			p.learn(outcome{code: g.code, id: id})
			return true
		})
	}
}

// watch is called under the machine's lock: it copies what concerns the players and goes.
func (p *players) watch(out *core.Output) {
	var news []outcome
	for i := range out.Reports {
		r := &out.Reports[i]
		if r.PBU != playersUnit {
			continue
		}
		id := r.ClOrdID
		if r.OrigClOrdID != (core.ClOrdID{}) {
			id = r.OrigClOrdID
		}
		news = append(news, outcome{code: r.Security, id: id, gone: r.Leaves == 0})
	}
	if len(news) == 0 {
		return
	}
	select {
	case p.told <- news:
	default: // they miss something: an order they believe in is gone, and its cancel will be refused
	}
}

func (p *players) learn(o outcome) {
	g := p.byCode[o.code]
	if g == nil {
		return
	}
	at, known := g.place[o.id]
	switch {
	case o.gone && known:
		last := len(g.orders) - 1
		g.orders[at] = g.orders[last]
		g.place[g.orders[at]] = at
		g.orders = g.orders[:last]
		delete(g.place, o.id)
	case !o.gone && !known:
		g.place[o.id] = len(g.orders)
		g.orders = append(g.orders, o.id)
	}
}

// run plays until the server closes.
func (p *players) run(ctx context.Context) {
	ticker := time.NewTicker(playersStep)
	defer ticker.Stop()
	done := make(chan struct{}, playersQueued)
	day := trade.Day(0)
	for {
		select {
		case <-ctx.Done():
			return
		case news := <-p.told:
			for _, o := range news {
				p.learn(o)
			}
			continue
		case <-done:
			p.waiting--
			continue
		case <-ticker.C:
		}
		var moves []core.Command
		p.server.View(func(m *core.Machine) {
			if m.Day() != day {
				day = m.Day()
				p.newDay()
			}
			moves = p.moves(m)
		})
		for _, c := range moves {
			if p.waiting >= playersQueued {
				break
			}
			if err := p.server.group.Submit(core.AppendCommand(nil, c), func(core.Answer, error) {
				select {
				case done <- struct{}{}:
				case <-ctx.Done():
				}
			}); err == nil {
				p.waiting++
			}
		}
	}
}

// newDay forgets yesterday's orders: they have expired. ClOrdIDs go on.
func (p *players) newDay() {
	for _, g := range p.games {
		g.orders, g.place = nil, map[core.ClOrdID]int{}
	}
}

// moves are what the players want to do in one step.
func (p *players) moves(m *core.Machine) []core.Command {
	_, at := rules.Split(m.Now())
	step := playersStep.Seconds()
	count := p.poisson(p.flow.Rate * step * activity(time.Duration(at)))
	var moves []core.Command
	for range count {
		g := p.choose()
		q := m.Quote(g.number)
		if q.Refusal != trade.Accepted {
			continue
		}
		g.value *= math.Exp(p.random.NormFloat64() * volatility)
		if c := p.move(m, g, &q); c != nil {
			moves = append(moves, c)
		}
	}
	for _, g := range p.games { // a book that is nearly empty is filled, whatever the rate
		if q := m.Quote(g.number); q.OpenOrders < playersLeast/2 && q.Refusal == trade.Accepted && q.Phase == trade.Continuous && p.waiting == 0 {
			for range playersStart {
				moves = append(moves, p.limit(m, g, &q, p.side(g, &q), false))
			}
			break // one security a step
		}
	}
	return moves
}

// volatility is the standard deviation of a hidden value's step, relative.
const volatility = 0.0004

// activity is how busy a time of day is: 1 on the average of a session, more at its ends.
func activity(at time.Duration) float64 {
	const open, close = 9.5, 15.0
	hour := at.Hours()
	if hour < open || hour > close {
		return 1
	}
	x := (hour-open)/(close-open)*2 - 1 // -1 at the open, 1 at the close
	return 0.6 + 1.2*x*x
}

func (p *players) choose() *game {
	n := p.random.IntN(p.weights)
	for _, g := range p.games {
		if n -= g.weight; n < 0 {
			return g
		}
	}
	return p.games[0]
}

// Shares of the kinds of moves, in percent, where both sides are well filled.
const (
	cancelShare = 40
	marketShare = 12
)

func (p *players) move(m *core.Machine, g *game, q *core.Quote) core.Command {
	dice := p.random.IntN(100)
	switch q.Phase {
	case trade.Continuous:
		full := len(g.orders) > playersMost
		switch {
		case (dice < cancelShare || full) && len(g.orders) > playersLeast:
			return p.cancel(m, g)
		case dice < cancelShare+marketShare && q.OpenOrders > playersLeast:
			return p.limit(m, g, q, p.side(g, q), true)
		}
		return p.limit(m, g, q, p.side(g, q), false)
	case trade.OpeningCall, trade.OpeningCallLocked, trade.ClosingCall, trade.VolatilityHalt:
		if len(g.orders) < playersMost {
			return p.limit(m, g, q, p.side(g, q), false)
		}
	}
	return nil
}

// side leans towards the hidden value: the further the market is from it, the more orders pull it there.
func (p *players) side(g *game, q *core.Quote) trade.Side {
	here := float64(q.Statistics.Last)
	if here == 0 {
		here = float64(q.Listing.PreviousClose)
	}
	lean := math.Max(-0.3, math.Min(0.3, (g.value-here)/here*40))
	if p.random.Float64() < 0.5+lean {
		return trade.Buy
	}
	return trade.Sell
}

// limit makes an order at a power-law distance behind the opposite touch, or one that takes it.
func (p *players) limit(m *core.Machine, g *game, q *core.Quote, side trade.Side, take bool) core.Command {
	var levels [1]book.Level
	reference := q.Statistics.Last
	if reference == 0 {
		reference = q.Listing.PreviousClose
	}
	opposite := reference
	if m.Depth(g.number, side.Opposite(), levels[:]) > 0 {
		opposite = levels[0].Price
	} else {
		take = false
	}
	ticks := 0.0
	if !take {
		ticks = math.Min(math.Floor(math.Pow(1-p.random.Float64(), -1/1.3)), 60)
	}
	away := money.Price(ticks) * q.Tick
	price := opposite - away
	if side == trade.Sell {
		price = opposite + away
	}
	if q.Upper > 0 {
		price = min(price, q.Upper)
	}
	price = max(price, q.Lower, q.Tick)
	return p.order(m, g, q, side, price)
}

func (p *players) order(m *core.Machine, g *game, q *core.Quote, side trade.Side, price money.Price) core.Command {
	lots := math.Min(math.Ceil(math.Exp(p.random.NormFloat64()*1.1+0.9)), 200)
	quantity := money.Quantity(lots) * 100
	if q.Listing.Board == trade.STAR {
		quantity += 100 // at least 200
	}
	c := &core.NewOrder{PBU: playersUnit, ClOrdID: p.id(), Security: g.code, Side: side, Type: trade.Limit, Day: m.Day(),
		Price: price, Quantity: quantity}
	copy(c.Account[:], "PLAYER      ")
	return c
}

func (p *players) cancel(m *core.Machine, g *game) core.Command {
	orig := g.orders[p.random.IntN(len(g.orders))]
	return &core.Cancel{PBU: playersUnit, ClOrdID: p.id(), OrigClOrdID: orig, Security: g.code, Day: m.Day()}
}

// id makes the next ClOrdID: ten digits.
func (p *players) id() (id core.ClOrdID) {
	p.next++
	copy(id[:], fmt.Sprintf("%010d", p.next%10_000_000_000))
	return id
}

func numberOf(id core.ClOrdID) (n uint64) {
	for _, c := range id {
		if c < '0' || c > '9' {
			return 0
		}
		n = n*10 + uint64(c-'0')
	}
	return n
}

// poisson draws a number of arrivals (Knuth's method; a normal approximation where it would be slow).
func (p *players) poisson(mean float64) int {
	if mean > 50 {
		return max(0, int(math.Round(mean+math.Sqrt(mean)*p.random.NormFloat64())))
	}
	limit, product, n := math.Exp(-mean), p.random.Float64(), 0
	for product > limit {
		product *= p.random.Float64()
		n++
	}
	return n
}
