// Package exchange is the simulated exchange as a deterministic state machine: (state, command at a time) -> (state,
// reports, market data).
//
// Units: prices are money.Price, quantities shares, times nanoseconds from the journal's entries (a time before the
// last one counts as the last one), days YYYYMMDD. Securities, orders and executions are numbered from 1. Broker units
// (PBU) are known from their first request on.
//
// Every NewOrder and Cancel whose ClOrdID its PBU has not used today gets exactly one answer with a report index:
// accepted or rejected, cancelled or cancel rejected; trades and the end of the order come later. One whose ClOrdID
// was used is refused as a duplicate without an index and changes nothing, so that a request of unknown fate can be
// sent again. A request written for another day is rejected as such, but one that was taken yesterday is still a
// duplicate.
//
// Report indexes count per (PBU, partition) from 1, have no gaps, and go on over days: a broker that was away over
// midnight asks for the first index that it lacks, as on any other day. The reports of today and of the trading day
// before are kept, except those of units of ForgetUnit. A security's partition is (its number - 1) mod partitions +
// 1; requests for unknown securities are answered on partition 1.
//
// Invariants: leaves + filled + cancelled = quantity for every order, and the books hold exactly the open orders with
// what they have left; a book is crossed only while a call collects; same commands, same bytes (reports, market data
// and snapshot); a restored snapshot goes on as the original would have.
//
// It never reads a clock (phases are commands), never knows who owns what (selling what one does not have is the
// broker's affair), and never forgets a ClOrdID of the day, but those of units of ForgetUnit. Memory grows with the
// requests of two days, in chunks; in steady state handling an order allocates nothing but those and the growth of the
// set of ClOrdIDs.
//
// Source: market-rules.md; szse-binary.md for the vocabulary of requests and reports.
package exchange

import (
	"evenkeel/core/book"
	"evenkeel/core/must"
	"evenkeel/core/rules"
	"evenkeel/core/trade"
)

// Limits of the exchange.
const (
	MostPartitions = 64
	MostUnits      = 4096    // broker units
	MostSecurities = 16_384  // ever listed
	MostRequests   = 1 << 30 // orders of one day, and as many cancels
	lastPhase      = trade.Halted
)

// Machine is the exchange's state. It is not safe for concurrent use; the readers (Reports, Depth, ...) are to run
// between two Applies.
type Machine struct {
	partitions uint32
	now        trade.Time
	executions ExecutionNumber
	rules      *rules.Rules
	rulesText  []byte
	venues     [trade.BSE + 1]venue
	securities []*security
	codes      map[Code]SecurityNumber
	units      []PBU
	unitOf     map[PBU]uint32
	passing    passing
	today      *day
	yesterday  *day
	nextResume trade.Time // no volatility halt ends before it
	fills      []book.Fill
	shown      int // of the command's Output.Changed, how many came before it
}

// venue is what the securities of a venue have in common.
type venue struct {
	phase           trade.Phase
	orders, cancels [lastPhase + 1]rules.Acceptance // by phase; from the rules, for today
}

// Answer is what came of a command. Reason is Accepted, or why nothing was done; the same reason is in the report or
// refusal of an order or cancel.
type Answer struct {
	Reason  trade.Reason
	Numbers trade.Numbers
}

// New returns an exchange without rules, securities or a day; AdoptRules, RollDay and ListSecurity bring them. All it
// knows comes from its journal, except the number of partitions, 1 to MostPartitions: it must not change over the
// journal's life.
func New(partitions uint32) *Machine {
	must.Hold(partitions >= 1 && partitions <= MostPartitions, "an exchange has 1 to MostPartitions partitions")
	m := &Machine{
		partitions: partitions,
		codes:      map[Code]SecurityNumber{},
		unitOf:     map[PBU]uint32{},
		today:      newDay(0, 1, nil, 0),
		yesterday:  newDay(0, 1, nil, 0),
		nextResume: never,
		passing:    newPassing(),
	}
	for v := trade.SSE; v <= trade.BSE; v++ {
		m.venues[v].phase = trade.BeforeOpen
	}
	return m
}

// Apply carries out a command at a time and appends what came of it to out. It keeps nothing of c.
func (m *Machine) Apply(at trade.Time, c Command, out *Output) Answer {
	m.now = max(m.now, at)
	m.shown = len(out.Changed)
	if m.now >= m.nextResume {
		m.endVolatilityHalts(out)
	}
	switch c := c.(type) {
	case *NewOrder:
		return m.newOrder(c, out)
	case *Cancel:
		return m.cancel(c, out)
	case *Tick:
		return Answer{}
	case *ListSecurity:
		return m.list(c, out)
	case *SetPhase:
		return m.setPhase(c, out)
	case *HaltSecurity:
		return m.halt(c.Security, true, out)
	case *ResumeSecurity:
		return m.halt(c.Security, false, out)
	case *RollDay:
		return m.rollDay(c, out)
	case *AdoptRules:
		return m.adoptRules(c, out)
	case *ForgetUnit:
		return m.forgetUnit(c.PBU)
	}
	must.Hold(false, "a command of an unknown type is applied")
	return Answer{}
}

// Now is the time of the last command.
func (m *Machine) Now() trade.Time { return m.now }

// NextResume is when the next volatility halt ends, at the first command that comes then; far in the future when there
// is none.
func (m *Machine) NextResume() trade.Time { return m.nextResume }

// RulesText is the rule file that was adopted last; nil before. It must not be changed.
func (m *Machine) RulesText() []byte { return m.rulesText }

// Day is the trading day, 0 before the first RollDay.
func (m *Machine) Day() trade.Day { return m.today.number }

// Partitions is how many partitions there are, from 1 on.
func (m *Machine) Partitions() uint32 { return m.partitions }

// VenuePhase is where a venue stands; UnknownPhase for an unknown venue.
func (m *Machine) VenuePhase(v trade.Venue) trade.Phase {
	if !known(v) {
		return trade.UnknownPhase
	}
	return m.venues[v].phase
}

func known(v trade.Venue) bool { return v >= trade.SSE && v <= trade.BSE }

// adoptRules parses the rules and looks up anew what holds for every security.
func (m *Machine) adoptRules(c *AdoptRules, out *Output) Answer {
	parsed, err := rules.Parse(string(c.Text))
	if err != nil {
		return Answer{Reason: trade.RulesInvalid}
	}
	m.rules, m.rulesText = parsed, append([]byte(nil), c.Text...)
	m.resolveAll(out)
	return Answer{}
}

// resolveAll brings phases and securities in line with the rules of today.
func (m *Machine) resolveAll(out *Output) {
	m.resolveVenues()
	for _, s := range m.securities {
		m.resolve(s)
		s.openBook()
		m.step(s, m.venues[s.Venue].phase, out)
	}
}

func (m *Machine) resolveVenues() {
	for v := trade.SSE; v <= trade.BSE; v++ {
		for p := trade.BeforeOpen; p <= lastPhase; p++ {
			orders, cancels := rules.Refused, rules.Refused
			if m.rules != nil {
				orders, cancels = m.rules.Takes(v, m.today.number, p)
			}
			m.venues[v].orders[p], m.venues[v].cancels[p] = orders, cancels
		}
	}
}
