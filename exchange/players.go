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

// Flow says how lively the players are. Most of them have no intelligence (Smith, Farmer, Gillemot and Krishnamurthy,
// "Statistical theory of the continuous double auction", Quantitative Finance 3, 2003; Cont, Stoikov and Talreja, "A
// stochastic model for order book dynamics", Operations Research 58, 2010): limit orders, market orders and cancels
// arrive as independent Poisson streams, limit orders at a power-law distance from the opposite touch, cancels in
// proportion to what rests. Sizes are log-normal in lots. So that prices go somewhere, each security has a hidden
// value, and a few informed players trade towards it (after Chiarella and Iori, "A simulation analysis of the
// microstructure of double auction markets", Quantitative Finance 2, 2002). The value walks at random and is drawn
// back to the previous close (an Ornstein-Uhlenbeck process in its logarithm), so weakly that a day's path looks like
// a walk, and so that it stays within the daily limits. Activity over the day has the U shape that markets have: busy
// at the open and at the close. The numbers are made up to look alive, not fitted to a market.
type Flow struct {
	Rate float64 // orders and cancels a second of the wall's time, all securities, on the average of a session; 0: none
	Seed uint64  // of every choice; their timing follows the clock
	Even bool    // securities take turns, at one rate all day: so that a measure knows how often each changes
}

// Bounds of the players.
const (
	MaxFlow       = 10_000 // Flow.Rate
	playersStep   = 50 * time.Millisecond
	playersMost   = 200   // orders that one security's players have resting
	playersLeast  = 24    // below this only limit orders come
	playersStart  = 30    // orders placed in each security when its book is empty
	playersFilled = 4     // securities whose empty books are filled in one step
	playersQueued = 2_048 // requests on their way; beyond, the players wait
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
	clock   trade.Time // until when the hidden values have walked
	turn    int        // of an even flow: whose turn it was
	due     float64    // of an even flow: the part of a move that is left
}

// game is what the players know of one security.
type game struct {
	number core.SecurityNumber
	code   core.Code
	weight int
	value  float64 // hidden: the logarithm of its ratio to the previous close
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
	p := &players{server: s, flow: f, random: rand.New(rand.NewPCG(f.Seed, 0x706c6179)), //nolint:gosec // a game
		byCode: map[core.Code]*game{}, told: make(chan []outcome, 1024)}
	s.View(func(m *core.Machine) {
		for _, l := range s.config.List {
			n, ok := m.Find(l.Code)
			if !ok {
				continue
			}
			q := m.Quote(n)
			g := &game{number: n, code: l.Code, weight: l.Weight, place: map[core.ClOrdID]int{}}
			if q.Statistics.Last > 0 {
				g.value = math.Log(float64(q.Statistics.Last) / float64(q.Listing.PreviousClose))
			}
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

// recall finds, after a restart, the orders that still rest. ClOrdIDs go on above theirs: those of orders that are
// done may be used again.
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

// newDay forgets yesterday's orders: they have expired. ClOrdIDs go on. What the value was away from yesterday's close
// it starts the day with only in part: the night is quiet.
func (p *players) newDay() {
	for _, g := range p.games {
		g.value *= 0.2
		g.orders, g.place = nil, map[core.ClOrdID]int{}
	}
}

// moves are what the players want to do in one step.
func (p *players) moves(m *core.Machine) []core.Command {
	_, at := rules.Split(m.Now())
	p.walk(m)
	var moves []core.Command
	for range p.count(time.Duration(at)) {
		g := p.choose()
		if q := m.Quote(g.number); q.Refusal == trade.Accepted {
			moves = append(moves, p.move(m, g, &q)...)
		}
	}
	if p.waiting > 0 {
		return moves
	}
	filled := 0
	for _, g := range p.games { // a side that is empty is filled, whatever the rate
		q := m.Quote(g.number)
		if q.Refusal != trade.Accepted || q.Phase != trade.Continuous || q.BuyQuantity > 0 && q.SellQuantity > 0 {
			continue
		}
		if filled++; filled > playersFilled {
			break
		}
		moves = append(moves, p.fill(m, g, &q)...)
	}
	return moves
}

// count is how many of them there are in a step at a time of day.
func (p *players) count(at time.Duration) int {
	if !p.flow.Even {
		return p.poisson(p.flow.Rate * playersStep.Seconds() * activity(at))
	}
	p.due += p.flow.Rate * playersStep.Seconds()
	n := int(p.due)
	p.due -= float64(n)
	return n
}

// fill fills the sides that are empty.
func (p *players) fill(m *core.Machine, g *game, q *core.Quote) (moves []core.Command) {
	for i := range playersStart {
		switch {
		case i%2 == 0 && q.BuyQuantity == 0:
			moves = append(moves, p.limit(m, g, q, trade.Buy))
		case i%2 == 1 && q.SellQuantity == 0:
			moves = append(moves, p.limit(m, g, q, trade.Sell))
		}
	}
	return moves
}

// Figures of the hidden values, of their logarithms.
const (
	volatility = 0.00015 // standard deviation of a second's step: 1.8 % in a session of four hours
	widest     = 0.25    // standard deviation in the long run, as a part of the way to the daily limit
	noLimit    = 0.20    // stands for the daily limit of a security that has none
	longest    = time.Minute
)

// walk lets the hidden values walk from the last step to now, by the exchange's time.
func (p *players) walk(m *core.Machine) {
	passed := min(time.Duration(m.Now()-p.clock), longest).Seconds()
	if p.clock == 0 || passed <= 0 {
		passed = 0
	}
	p.clock = m.Now()
	for _, g := range p.games {
		q := m.Quote(g.number)
		limit := noLimit
		if q.Upper > 0 {
			limit = math.Log(float64(q.Upper) / float64(q.Listing.PreviousClose))
		}
		spread := limit * widest
		pull := volatility * volatility / (2 * spread * spread)
		g.value += -g.value*pull*passed + volatility*math.Sqrt(passed)*p.random.NormFloat64()
		g.value = math.Max(-0.9*limit, math.Min(0.9*limit, g.value))
	}
}

// activity is how busy a time of day is: 1 on the average of a session, more at its ends.
func activity(at time.Duration) float64 {
	const opens, closes = 9.5, 15.0
	hour := at.Hours()
	if hour < opens || hour > closes {
		return 1
	}
	x := (hour-opens)/(closes-opens)*2 - 1 // -1 at the open, 1 at the close
	return 0.6 + 1.2*x*x
}

func (p *players) choose() *game {
	if p.flow.Even {
		p.turn = (p.turn + 1) % len(p.games)
		return p.games[p.turn]
	}
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
	cancelShare   = 36
	takeShare     = 8
	informedShare = 14
)

// move is what one player does.
func (p *players) move(m *core.Machine, g *game, q *core.Quote) []core.Command {
	dice := p.random.IntN(100)
	side := trade.Buy + trade.Side(p.random.IntN(2))
	var one core.Command
	switch q.Phase {
	case trade.Continuous:
		full, few := len(g.orders) > playersMost, len(g.orders) < playersLeast
		switch {
		case full || dice < cancelShare && !few:
			one = p.cancel(m, g)
		case few:
			one = p.limit(m, g, q, side)
		case dice < cancelShare+takeShare:
			one = p.take(m, g, q, side)
		case dice < cancelShare+takeShare+informedShare:
			one = p.informed(m, g, q)
		default:
			one = p.limit(m, g, q, side)
		}
	case trade.OpeningCall, trade.OpeningCallLocked, trade.ClosingCall, trade.VolatilityHalt:
		if len(g.orders) < playersMost {
			one = p.collect(m, g, q, side)
		}
	}
	if one == nil {
		return nil
	}
	return []core.Command{one}
}

// touch is the best price of a side, and what is there; 0 when it is empty.
func touch(m *core.Machine, g *game, side trade.Side) (money.Price, money.Quantity) {
	var levels [1]book.Level
	if m.Depth(g.number, side, levels[:]) == 0 {
		return 0, 0
	}
	return levels[0].Price, levels[0].Quantity
}

// near is a side's touch, and whether players believe it: a touch far from what the security is worth is of a book
// that has run thin, and who followed it would drag the market along.
func (g *game) near(m *core.Machine, q *core.Quote, side trade.Side) (money.Price, bool) {
	const reach, ticks = 500, 12 // a part of the price, or so many ticks
	price, _ := touch(m, g, side)
	worth := g.worth(q)
	most := max(worth/reach, ticks*q.Tick)
	return price, price > 0 && price >= worth-most && price <= worth+most
}

// limit makes an order at a power-law distance from the opposite touch, or from where that would be. Distances are in
// ticks where the tick is large for the price, else in parts of the price.
func (p *players) limit(m *core.Machine, g *game, q *core.Quote, side trade.Side) core.Command {
	reference, near := g.near(m, q, side.Opposite())
	if !near {
		reference = g.worth(q)
	}
	const exponent, furthest, part = 1.3, 60, 0.0001
	far := math.Min(math.Pow(1-p.random.Float64(), -1/exponent), furthest)
	ticks := math.Max(math.Floor(far), math.Floor(far*part*float64(reference)/float64(q.Tick)))
	return p.order(m, g, q, side, reference-money.Price(ticks)*q.Tick*sign(side), p.size())
}

// sign is 1 for a buy, for which a lower price is further from the market, and -1 for a sell.
func sign(side trade.Side) money.Price {
	if side == trade.Buy {
		return 1
	}
	return -1
}

// take makes an order that trades with the opposite touch.
func (p *players) take(m *core.Machine, g *game, q *core.Quote, side trade.Side) core.Command {
	price, near := g.near(m, q, side.Opposite())
	if !near {
		return p.limit(m, g, q, side)
	}
	return p.order(m, g, q, side, price, p.size())
}

// informed makes an order that takes the whole touch when that is on the wrong side of the hidden value.
func (p *players) informed(m *core.Machine, g *game, q *core.Quote) core.Command {
	const most = 20_000 // shares
	worth := g.worth(q)
	if ask, there := touch(m, g, trade.Sell); ask > 0 && ask < worth {
		return p.order(m, g, q, trade.Buy, ask, min(there, most))
	}
	if bid, there := touch(m, g, trade.Buy); bid > worth {
		return p.order(m, g, q, trade.Sell, bid, min(there, most))
	}
	return p.limit(m, g, q, trade.Buy+trade.Side(p.random.IntN(2)))
}

// collect makes an order of a call, at a normal distance around the hidden value.
func (p *players) collect(m *core.Machine, g *game, q *core.Quote, side trade.Side) core.Command {
	const around = 0.002
	ticks := math.Round(p.random.NormFloat64() * math.Max(2, around*float64(g.worth(q))/float64(q.Tick)))
	return p.order(m, g, q, side, g.worth(q)+money.Price(ticks)*q.Tick, p.size())
}

// worth is the hidden value as a price on the tick.
func (g *game) worth(q *core.Quote) money.Price {
	price := float64(q.Listing.PreviousClose) * math.Exp(g.value)
	return money.Price(math.Round(price/float64(q.Tick))) * q.Tick
}

// size draws a number of shares.
func (p *players) size() money.Quantity {
	return money.Quantity(math.Min(math.Ceil(math.Exp(p.random.NormFloat64()*1.1+0.9)), 200)) * 100
}

// order makes an order within the daily limits.
func (p *players) order(m *core.Machine, g *game, q *core.Quote, side trade.Side, price money.Price,
	quantity money.Quantity) core.Command {
	if q.Upper > 0 {
		price = min(price, q.Upper)
	}
	price = max(price, q.Lower, q.Tick)
	const lot, least = 100, 200
	quantity -= quantity % lot
	if quantity = max(quantity, lot); q.Listing.Board == trade.STAR {
		quantity = max(quantity, least)
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
