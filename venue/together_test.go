package venue

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	core "evenkeel/core/exchange"
	"evenkeel/core/money"
	"evenkeel/core/rules"
	"evenkeel/core/trade"
	"evenkeel/exchange"
	"evenkeel/replica"
	"evenkeel/szse"
)

// Both sides of the link in one goroutine with a clock of its own: the real conversation, the real gateway, the
// exchange's real books. What goes wrong is drawn from a seed: connections that are slow or break, a leadership that
// moves while the old leader does not know it, a log that loses proposals, an exchange that dies before its journal
// has what it took.

// world is all of it.
type world struct {
	t       *testing.T
	random  *rand.Rand
	now     time.Time
	story   *strings.Builder
	machine *exchange.Machine
	gateway *exchange.Gateway
	journal []entry
	current int // whose bytes the gateway takes now
	greeted int // the session whose logon was answered last
	lines   []*wire
	nodes   [2]*member
	leader  int
	log     []trade.Command // committed: what every node applies
	places  int
	applied map[trade.OrderID]int // accepted reports in the log's books, by request
}

type entry struct {
	session int
	command []byte
	done    func(core.Answer, error)
}

// member is one node of the broker.
type member struct {
	number  int
	outbox  *Outbox
	link    *Link
	talk    *Conversation
	wire    *wire
	applied int // of the log
	next    time.Time
	asked   []proposed
	leads   bool // it believes so
}

type proposed struct {
	command trade.Command
	talk    *Conversation
}

// wire is a connection: bytes on their way in both directions.
type wire struct {
	number   int
	session  *exchange.Session
	up, down []byte
	broken   bool
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{t: t, random: rand.New(rand.NewPCG(seed, 1)), now: time.Date(2026, 7, 7, 2, 0, 0, 0, time.UTC),
		story: &strings.Builder{}, machine: exchange.NewMachine(2), applied: map[trade.OrderID]int{}}
	list, err := exchange.ShippedList()
	if err != nil {
		t.Fatal(err)
	}
	setUp := exchange.SetUp(rules.Embedded(), testDay, list[:8])
	setUp = append(setUp, core.AppendCommand(nil, &core.SetPhase{Venue: trade.SSE, Phase: trade.Continuous}))
	for _, c := range setUp {
		w.machine.Apply(replica.Entry{Time: w.now.UnixNano(), Commands: [][]byte{c}}, make([]core.Answer, 1))
	}
	w.openGateway()
	for i := range w.nodes {
		n := &member{number: i, outbox: NewOutbox()}
		n.outbox.Learn(&trade.Event{Kind: trade.SecurityListed,
			Security: trade.Security{ID: 1, Symbol: []byte("600519.SH"), Venue: trade.SSE}})
		n.link, err = New(Options{Address: "127.0.0.1:1", Sender: "BROKER", Target: exchange.CompID, Unit: fenceUnit,
			Password: "secret", Outbox: n.outbox, Proposer: &books{}, InFlight: 16,
			Jitter: func(d time.Duration) time.Duration { return time.Duration(w.random.Int64N(int64(d) + 1)) }})
		if err != nil {
			t.Fatal(err)
		}
		w.nodes[i] = n
	}
	w.elect(0)
	return w
}

var errJournal = errors.New("the exchange died")

func (w *world) openGateway() {
	var err error
	w.gateway, err = exchange.NewGateway(exchange.GatewayConfig{Partitions: 2, View: w.machine.View, Full: errFull,
		Units: []exchange.Unit{{CompID: "BROKER", PBU: fenceUnit, Password: "secret"}},
		Submit: func(command []byte, done func(core.Answer, error)) error {
			if len(w.journal) > 20 {
				return errFull
			}
			if w.current != w.greeted {
				w.fail("session %d writes to the journal, and %d was answered", w.current, w.greeted)
			}
			w.journal = append(w.journal, entry{w.current, slices.Clone(command), done})
			return nil
		}})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) fail(format string, args ...any) {
	w.t.Helper()
	w.t.Fatalf(format+"\n%s", append(args, w.story)...)
}

func (w *world) tell(format string, args ...any) { fmt.Fprintf(w.story, format+"\n", args...) }

// elect makes a node the leader. It has applied everything before; the old one does not know yet.
func (w *world) elect(number int) {
	n := w.nodes[number]
	w.leader = number
	w.catchUp(n, len(w.log))
	n.leads = true
	n.link.Begin()
	n.next = w.now
	w.tell("%v node %d leads", w.now.UnixMilli(), number)
}

// catchUp has a node apply the log up to an index.
func (w *world) catchUp(n *member, to int) {
	for ; n.applied < to; n.applied++ {
		var out trade.Output
		switch c := &w.log[n.applied]; c.Kind {
		case trade.PlaceOrderKind:
			id := trade.OrderID(c.PlaceOrder.Quantity)
			out.Outgoing = append(out.Outgoing, trade.Outgoing{Request: id, Order: id, Account: 7, Security: 1,
				Side: trade.Buy, Type: trade.Limit, Price: 1_688_0000, Quantity: 100, Day: testDay, Time: testTime})
		case trade.StartDayKind:
			out.Events = append(out.Events, trade.Event{Kind: trade.DayStarted, Day: c.StartDay.Day})
		case trade.ReportKind:
			r := &c.Report
			out.Confirmed = append(out.Confirmed, r.Request)
			out.Events = append(out.Events, trade.Event{Kind: trade.ReportTaken,
				Report: trade.ReportPlace{Partition: r.Partition, Index: r.Index}})
		}
		n.outbox.Fold(&out)
	}
}

// commit is what the log does with a leader's proposal: it is applied there at once, elsewhere later.
func (w *world) commit(n *member, p proposed) {
	if n.number != w.leader || w.random.IntN(60) == 0 {
		p.talk.Answered(trade.Answer{}, errUnknown)
		return
	}
	var answer trade.Answer
	if r := &p.command.Report; p.command.Kind == trade.ReportKind {
		switch next := n.outbox.Lacking(r.Partition); {
		case r.Index < next:
			answer.Reason = trade.ReportRepeated
		case r.Index > next:
			answer.Reason = trade.ReportGap // the one before was lost
		case r.Type == trade.OrderAcceptedReport:
			w.applied[r.Request]++
		}
	}
	if answer.Reason == trade.Accepted {
		w.log = append(w.log, p.command)
		w.catchUp(n, len(w.log))
	}
	p.talk.Answered(answer, nil)
}

// connect begins a session of a node.
func (w *world) connect(n *member) {
	n.wire = &wire{number: len(w.lines) + 1, session: w.gateway.Session(w.now)}
	w.lines = append(w.lines, n.wire)
	n.talk = n.link.Converse(w.now)
	w.tell("%v node %d connects, session %d", w.now.UnixMilli(), n.number, n.wire.number)
}

// turn lets a node do what it can.
func (w *world) turn(n *member) {
	if n.talk == nil {
		if n.leads && !w.now.Before(n.next) {
			w.connect(n)
		}
		return
	}
	_ = n.talk.Tick(w.now)
	if n.wire.broken {
		n.talk.End(errors.New("the connection broke"))
	}
	used, _ := n.talk.Receive(w.now, n.wire.down)
	n.wire.down = n.wire.down[used:]
	if len(n.wire.up) < 4096 {
		n.wire.up = n.talk.Output(w.now, n.wire.up)
	}
	for command := n.talk.Proposal(); command != nil; command = n.talk.Proposal() {
		p := proposed{talk: n.talk}
		if err := trade.DecodeCommand(slices.Clone(command), &p.command); err != nil {
			w.t.Fatal(err)
		}
		full := len(n.asked) > 8
		n.talk.Given(!full)
		if full {
			break
		}
		n.asked = append(n.asked, p)
	}
	if err := n.talk.Err(); err != nil {
		n.next = w.now.Add(n.link.Ended(w.now, n.talk.Since(), err))
		n.wire.broken = true
		n.talk = nil
		if n.number != w.leader {
			n.leads = false // who asks a quorum before he connects again learns it
		}
		w.tell("%v node %d: session %d is over: %v", w.now.UnixMilli(), n.number, n.wire.number, err)
	}
}

// serve lets the exchange do what it can on a connection; some of the bytes arrive.
func (w *world) serve(l *wire) {
	if l.session == nil {
		return
	}
	w.current = l.number
	arrived := len(l.up)
	if w.random.IntN(2) == 0 {
		arrived = w.random.IntN(len(l.up) + 1)
	}
	used, _ := l.session.Receive(w.now, l.up[:arrived])
	l.up = l.up[used:]
	_ = l.session.Tick(w.now)
	if len(l.down) < 4096 {
		before := len(l.down)
		l.down = l.session.Output(w.now, l.down)
		if frame, size, _ := szse.ParseFrame(l.down[before:]); size > 0 && frame.Type == szse.TypeLogon {
			if len(w.journal) > 0 {
				w.fail("session %d is answered, and an older one's requests are on their way", l.number)
			}
			w.greeted = l.number
		}
	}
	if l.broken || l.session.Err() != nil {
		l.session.Gone()
		l.broken, l.session = true, nil
	}
}

// misfortune is what may go wrong in a moment.
func (w *world) misfortune() {
	switch w.random.IntN(400) {
	case 0, 1, 2:
		w.lines[w.random.IntN(len(w.lines))].broken = true
	case 3, 4:
		w.elect(1 - w.leader)
	case 5: // the exchange dies, and what its journal did not have with it
		w.tell("%v the exchange dies with %d requests", w.now.UnixMilli(), len(w.journal))
		journal := w.journal
		w.journal = nil
		for _, l := range w.lines {
			l.broken, l.session = true, nil
		}
		for _, e := range journal {
			e.done(core.Answer{}, errJournal)
		}
		w.openGateway()
	}
}

// step is a moment of one millisecond.
func (w *world) step(calm bool) {
	w.now = w.now.Add(time.Millisecond)
	if !calm {
		w.misfortune()
		if w.random.IntN(3) == 0 {
			w.places++
			c := trade.Command{Kind: trade.PlaceOrderKind}
			c.PlaceOrder.Quantity = money.Quantity(w.places) // stands for the order's number
			w.log = append(w.log, c)
			w.catchUp(w.nodes[w.leader], len(w.log))
		}
	}
	for _, n := range w.nodes {
		w.turn(n)
		if follower := w.random.IntN(4) == 0; follower && n.number != w.leader {
			w.catchUp(n, n.applied+w.random.IntN(len(w.log)-n.applied+1))
		}
		for len(n.asked) > 0 && w.random.IntN(3) > 0 {
			p := n.asked[0]
			n.asked = n.asked[1:]
			w.commit(n, p)
		}
	}
	for _, l := range w.lines {
		w.serve(l)
	}
	for len(w.journal) > 0 && w.random.IntN(3) > 0 {
		e := w.journal[0]
		w.journal = w.journal[1:]
		answers := make([]core.Answer, 1)
		w.machine.Apply(replica.Entry{Time: w.now.UnixNano(), Commands: [][]byte{e.command}}, answers)
		e.done(answers[0], nil)
	}
}

// TestTogether: whatever goes wrong, every order reaches the exchange once, every report reaches the log once, and
// nothing of an older session enters the journal after a newer one was answered. The same seed tells the same story.
func TestTogether(t *testing.T) {
	seeds := 60
	if testing.Short() {
		seeds = 10
	}
	var spared, resent uint64
	for seed := range uint64(seeds) {
		first := together(t, seed)
		for _, n := range first.nodes {
			s := n.link.Status()
			spared, resent = spared+s.Spared, resent+s.Resent
		}
		if seed%10 == 0 && digest(first) != digest(together(t, seed)) {
			t.Fatalf("seed %d tells two stories", seed)
		}
	}
	t.Logf("%d requests were sent again, %d were spared that", resent, spared)
	if spared == 0 || resent == 0 {
		t.Error("nothing was put to the test")
	}
}

func digest(w *world) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(w.story.String()))
	w.machine.View(func(m *core.Machine) { _, _ = h.Write(m.AppendSnapshot(nil)) })
	return h.Sum64()
}

func together(t *testing.T, seed uint64) *world {
	w := newWorld(t, seed)
	w.tell("seed %d", seed)
	for range 2000 {
		w.step(false)
	}
	for i := 0; i < 20_000 && w.nodes[w.leader].outbox.Len() > 0; i++ {
		w.step(true)
	}
	if left := w.nodes[w.leader].outbox.Len(); left > 0 {
		w.fail("%d orders wait in the end", left)
	}
	var pbu core.PBU
	szse.SetText(pbu[:], fenceUnit)
	accepted := map[trade.OrderID]int{}
	w.machine.View(func(m *core.Machine) {
		for p := uint32(1); p <= m.Partitions(); p++ {
			m.Reports(pbu, p, 1, func(r *core.Report) bool { accepted[ours(r.ClOrdID)]++; return true })
		}
	})
	for i := range w.places {
		id := trade.OrderID(i + 1)
		if accepted[id] != 1 || w.applied[id] != 1 {
			w.fail("order %d: %d reports at the exchange, %d in the log", id, accepted[id], w.applied[id])
		}
	}
	return w
}
