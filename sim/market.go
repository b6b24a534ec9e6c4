package sim

import (
	"slices"
	"time"

	core "evenkeel/core/exchange"
	"evenkeel/core/money"
	"evenkeel/core/rules"
	"evenkeel/core/trade"
	"evenkeel/exchange"
	"evenkeel/replica"
)

// A market is the exchange's process: its books on a log of its own, and the gateway at which one broker logs on.
// Other brokers trade there too: they make orders for ours to meet.
type market struct {
	process
	group    *replica.Manual[core.Answer]
	books    *exchange.Machine
	gateway  *exchange.Gateway
	lines    []*line               // open, in the order in which they came
	refused  map[core.ClOrdID]bool // of each order that came, whether it is refused for good
	hearing  *line                 // the one that is listened to now
	accepted int                   // connections ever
	greeted  int                   // the newest session that was answered
	poked    bool
	writing  bool
	doomed   func()        // happens in the middle of the next write
	slow     time.Duration // added to each step
	slowBy   *blow
	makers   int // orders that others have made
	resting  []core.ClOrdID
}

// A security of the world.
type security struct {
	symbol string
	code   core.Code
	venue  trade.Venue
	board  trade.Board
	base   money.Price
	tick   money.Price
	free   bool // T+0
}

func code(s string) core.Code {
	c, _ := core.MakeCode(s)
	return c
}

var securities = [...]security{
	{"600000.SH", code("600000"), trade.SSE, trade.Main, 10_0000, 100, false},
	{"000001.SZ", code("000001"), trade.SZSE, trade.Main, 11_4000, 100, false},
	{"510300.SH", code("510300"), trade.SSE, trade.ETF, 4_0000, 10, true},
}

// near is a price at which an order may meet another.
func (s *security) near(w *World) money.Price {
	return s.base + s.tick*money.Price(w.random.IntN(17)-8)
}

// Names and groups of the exchange.
const (
	marketGroup = 1
	brokerUnit  = "EK0001"
	makerUnit   = "MM0001"
)

func unit(s string) (p core.PBU) {
	copy(p[:], s)
	return p
}

func newMarket(w *World) *market {
	m := &market{process: newProcess(w, "exchange", "exchange", exchangePlace), refused: map[core.ClOrdID]bool{}}
	m.start()
	m.submit(&core.AdoptRules{Text: []byte(rules.Embedded())})
	m.open(firstDay, true)
	m.make()
	return m
}

// start starts the process on its disk.
func (m *market) start() {
	m.begin()
	o := replica.Options[core.Answer]{
		Dir: m.dir, Group: marketGroup, Node: 1, Clock: m.time, Limits: m.world.limits(),
		New: func() replica.Machine[core.Answer] { return exchange.NewMachine(m.world.mix.partition) },
	}
	var err error
	if m.group, err = replica.OpenManual(o); err != nil {
		m.world.fail("the exchange does not start: %v", err)
		m.end()
		return
	}
	m.books, _ = m.group.Machine().(*exchange.Machine)
	m.gateway = m.newGateway()
	m.writing, m.poked, m.doomed = false, false, nil
	m.tick()
	m.poke()
	for range 8 { // a lone voter leads after some steps
		m.group.StepLoop()
		m.group.StepJournal()
		m.group.StepApplier()
	}
}

// kill ends the process as kill -9 and a loss of power do.
func (m *market) kill() {
	if !m.up {
		return
	}
	m.end()
	for _, l := range m.lines {
		if m.dark {
			l.stream.darken(1)
		} else {
			l.stream.close(1)
		}
	}
	m.lines = nil
	if err := m.group.Crash(); err != nil {
		m.world.fail("crash of the exchange: %v", err)
	}
}

// killInWrite kills it as a loss of power does.
func (m *market) killInWrite() bool {
	if !m.up {
		return false
	}
	m.dark = true
	wrote, _ := m.endInWrite(m.writing, false, func() { m.group.FinishJournal() }, m.kill)
	return wrote
}

func (m *market) tick() {
	m.after(10*time.Millisecond, tickTag, func() {
		m.group.Tick()
		m.poke()
		m.tick()
	})
}

// poke has the process work soon.
func (m *market) poke() {
	if m.poked {
		return
	}
	m.poked = true
	m.after(20*time.Microsecond+m.world.below(60*time.Microsecond)+m.slow, processTag, func() {
		m.poked = false
		if m.slow > 0 {
			m.world.bites(m.slowBy)
		}
		did := m.group.StepLoop()
		did = m.group.StepApplier() || did
		did = m.group.StepKeeper() || did
		if !m.writing && m.group.BeginJournal() {
			m.writing = true
			if m.doomed != nil {
				m.after(m.world.below(diskLeast), diskTag, m.doomed)
				m.doomed = nil
			}
			m.after(diskLeast+m.world.below(diskLeast), diskTag, func() {
				m.writing = false
				m.group.FinishJournal()
				m.poke()
			})
		}
		for _, l := range slices.Clone(m.lines) {
			l.work()
		}
		if did {
			m.poke()
		}
	})
}

// submit puts a command of the exchange's own into its log. One that is lost in a crash is not missed.
func (m *market) submit(c core.Command) bool {
	if !m.up {
		return false
	}
	err := m.group.Group().Submit(core.AppendCommand(nil, c), func(core.Answer, error) {})
	m.poke()
	return err == nil
}

// Days of the world: a Monday and the Tuesday behind it.
const (
	firstDay  trade.Day = 20260706
	secondDay trade.Day = 20260707
)

// open begins a trading day, in the middle of continuous trading.
func (m *market) open(day trade.Day, first bool) {
	m.submit(&core.RollDay{Day: day})
	for i := range securities {
		s := &securities[i]
		c := core.ListSecurity{Code: s.code, Venue: s.venue, Board: s.board, Condition: trade.Normal,
			PreviousClose: s.base, ListedDay: 1000, Name: s.symbol}
		if s.free {
			c.Flags = core.SameDaySale
		}
		if first {
			m.submit(&c)
		}
	}
	m.phase(trade.Continuous)
}

func (m *market) phase(p trade.Phase) {
	for v := trade.SSE; v <= trade.BSE; v++ {
		m.submit(&core.SetPhase{Venue: v, Phase: p})
	}
}

// make has others trade: they quote around the base price, and take quotes away.
func (m *market) make() {
	w := m.world
	w.after(w.about(w.mix.think/time.Duration(2)), worldTag, func() {
		m.make()
		if !m.up || m.paused || w.desk.closed || !w.investing {
			return
		}
		m.stimulate(m.quote)
	})
}

func (m *market) quote() {
	w := m.world
	s := &securities[w.random.IntN(len(securities))]
	if len(m.resting) > 6 && w.random.IntN(3) == 0 {
		at := w.random.IntN(len(m.resting))
		id := m.resting[at]
		m.resting = append(m.resting[:at], m.resting[at+1:]...)
		m.makers++
		m.submit(&core.Cancel{PBU: unit(makerUnit), ClOrdID: makerID(m.makers), OrigClOrdID: id, Security: s.code,
			Day: m.day()})
		return
	}
	m.makers++
	side := trade.Buy
	if w.random.IntN(2) == 0 {
		side = trade.Sell
	}
	id := makerID(m.makers)
	m.resting = append(m.resting, id)
	if len(m.resting) > 60 {
		m.resting = m.resting[1:]
	}
	m.submit(&core.NewOrder{PBU: unit(makerUnit), ClOrdID: id, Security: s.code, Side: side, Type: trade.Limit,
		Day: m.day(), Price: s.near(w), Quantity: 100 * money.Quantity(1+w.random.IntN(30))})
}

func makerID(n int) (id core.ClOrdID) {
	for i := len(id) - 1; i >= 0; i-- {
		id[i] = byte('0' + n%10)
		n /= 10
	}
	return id
}

// view looks at the exchange's books.
func (m *market) view(look func(*core.Machine)) { m.books.View(look) }

func (m *market) day() (day trade.Day) {
	m.view(func(c *core.Machine) { day = c.Day() })
	return day
}

// lacking is the first report of a partition that the exchange has not made yet.
func (m *market) lacking(partition uint32) (next uint64) {
	m.view(func(c *core.Machine) { _, next = c.Kept(unit(brokerUnit), partition) })
	return next
}
