package sim

import (
	"bytes"
	"fmt"
	"strings"

	"go.etcd.io/raft/v3/raftpb"

	"evenkeel/books"
	core "evenkeel/core/exchange"
	"evenkeel/core/money"
	"evenkeel/core/trade"
	"evenkeel/records"
	"evenkeel/replica"
	"evenkeel/szse"
)

// The truth is what the world knows and nobody in it does: what each entry of the log made of the books the first time
// that anybody applied it, who led each term, and what was acknowledged.
type truth struct {
	world   *World
	marks   []markAt          // by index
	leaders map[uint64]uint64 // of each term
	votes   map[ballot]uint64 // for whom
	active  bool              // a feature was activated
	asked   int64             // since when the activation may have come true, 0: it cannot
	newest  uint64            // highest index applied anywhere
}

// markAt is what was seen at one index.
type markAt struct {
	seen     bool
	by       uint64 // node
	state    uint64 // hash
	answered uint64 // digest of the answers
	time     int64
}

func newTruth(w *World) truth {
	return truth{world: w, leaders: map[uint64]uint64{}, votes: map[ballot]uint64{}}
}

// leads notes who leads a term: nobody else ever may.
func (t *truth) leads(n *node, term uint64) {
	if other, is := t.leaders[term]; is && other != n.id {
		t.world.fail("nodes %d and %d both lead term %d", other, n.id, term)
	}
	t.leaders[term] = n.id
}

// hear hears what a node says to another: who votes for somebody in a term votes for nobody else in it. That a node
// asks for votes says nothing of its own, which counts when it is on its disk.
func (t *truth) hear(m *raftpb.Message) {
	if m.GetType() != raftpb.MsgVoteResp || m.GetReject() {
		return
	}
	by, term, to := m.GetFrom(), m.GetTerm(), m.GetTo()
	if n := t.world.nodes[by-1]; term >= n.voted.term {
		n.voted = vote{term, to}
	}
	key := ballot{by, term}
	if before, voted := t.votes[key]; voted && before != to {
		t.world.fail("node %d votes for node %d in term %d, and it voted for node %d", by, to, term, before)
	}
	t.votes[key] = to
}

// A vote is what a node said in a term.
type vote struct{ term, to uint64 }

// A ballot is one node's vote of one term.
type ballot struct{ by, term uint64 }

// machine makes the books of a node, watched.
func (t *truth) machine(n *node) *witness {
	return &witness{Books: books.New(0), node: n, truth: t}
}

// A witness is a node's books, live or shadow, each entry of which is compared with what it made elsewhere.
type witness struct {
	*books.Books
	node  *node
	truth *truth
	last  uint64
	time  int64

	flipped bool // a bit of it is not what the log made it: nothing that it makes counts
}

// Apply implements replica.Machine.
func (x *witness) Apply(e replica.Entry, answers []trade.Answer) {
	if x.flipped {
		x.stumble(e, answers)
		return
	}
	x.Books.Apply(e, answers)
	w := x.truth.world
	if e.Index <= x.last || e.Time < x.time {
		w.fail("%s applies entry %d of time %d after entry %d of time %d", x.node.name, e.Index, e.Time, x.last, x.time)
	}
	x.last, x.time = e.Index, e.Time
	now := markAt{true, x.node.id, x.Books.Hash(), digestAnswers(answers), e.Time}
	for uint64(len(x.truth.marks)) <= e.Index {
		x.truth.marks = append(x.truth.marks, make([]markAt, 256)...)
	}
	first := &x.truth.marks[e.Index]
	if !first.seen {
		*first = now
		x.truth.newest = max(x.truth.newest, e.Index)
		w.note(e.Index, now.state)
		return
	}
	if first.state != now.state || first.answered != now.answered || first.time != now.time {
		w.fail("entry %d made state %016x with answers %016x at node %d, and state %016x with answers %016x at node %d",
			e.Index, first.state, first.answered, first.by, now.state, now.answered, now.by)
	}
}

func digestAnswers(answers []trade.Answer) (sum uint64) {
	for i := range answers {
		a := &answers[i]
		replayed := uint64(0)
		if a.Replayed {
			replayed = 1
		}
		for _, v := range [...]uint64{uint64(a.Reason), replayed, uint64(a.Status), uint64(a.Order), a.Number,
			uint64(a.Numbers.Given), uint64(a.Numbers.Bound)} {
			sum = (sum ^ v) * 0x9e3779b97f4a7c15
		}
	}
	return sum
}

// judge looks at everything when all has come to rest.
func (w *World) judge() {
	leader := w.leader()
	if leader == nil {
		w.fail("%v", errNoLeader)
		return
	}
	w.judgeReplicas(leader)
	w.judgeClients(leader)
	w.judgeExchange(leader)
	w.judgeAccounts(leader)
	for _, a := range w.accounts {
		if err := a.history.check(); err != nil {
			a.history.tell(w)
			w.fail("%v", err)
		}
	}
}

// judgeReplicas: all are the same to the byte, and add up.
func (w *World) judgeReplicas(leader *node) {
	var want bytes.Buffer
	for _, n := range append([]*node{leader}, w.nodes...) {
		if n.gone {
			continue
		}
		var got bytes.Buffer
		if err := n.books.Snapshot(&got); err != nil {
			w.fail("%s: %v", n.name, err)
			return
		}
		if n == leader && want.Len() == 0 {
			want = got
		}
		if !bytes.Equal(got.Bytes(), want.Bytes()) {
			w.fail("%s and %s are at rest and differ: %d and %d bytes of snapshot", n.name, leader.name, got.Len(), want.Len())
		}
		if untrue := n.books.State().Untrue(); untrue != 0 {
			w.fail("%s: %d reports of the exchange contradicted the books", n.name, untrue)
		}
	}
}

// judgeClients: what was acknowledged is there.
func (w *World) judgeClients(leader *node) {
	day := leader.books.Day()
	for _, a := range w.accounts {
		for i, p := range a.orders {
			if !p.acked {
				continue
			}
			o, ok := day.Order(a.id, p.id)
			if !ok || string(o.ClientID) != fmt.Sprint("c", i) {
				w.fail("account %d: order c%d was acknowledged as %d, and is not there", a.number, i, p.id&trade.NumberMask)
				return
			}
		}
		sessions := 0
		leader.books.State().Describe(func(e *trade.Event) {
			if e.Kind == trade.SessionOpened && e.Account == a.id {
				sessions++
			}
		})
		if sessions != 1 {
			w.fail("account %d has %d sessions, and 1 was opened", a.number, sessions)
		}
	}
}

// An execution is what became of one order at the exchange.
type execution struct {
	order    trade.OrderID
	accepted int
	rejected int
	filled   money.Quantity
	amount   money.Cash
	ended    int
	quantity money.Quantity
	price    money.Price
	side     trade.Side
}

// judgeExchange: each order is there exactly once, and both sides say the same of it.
func (w *World) judgeExchange(leader *node) {
	seen := map[trade.OrderID]*execution{}
	w.exchange.view(func(m *core.Machine) { w.execute(m, seen) })
	known := 0
	for _, a := range w.accounts {
		for _, o := range leader.books.Day().Orders(a.id, records.OrderFilter{}) {
			x := seen[o.ID]
			if x != nil {
				known++
			}
			if err := compareOrder(&o, x); err != nil {
				w.fail("account %d, order %d (%s): %v", a.number, o.ID&trade.NumberMask, o.ClientID, err)
				return
			}
		}
	}
	if known != len(seen) {
		w.fail("the exchange has %d orders of ours, and %d of them are in the books", len(seen), known)
	}
}

// execute folds the reports of all that the exchange has of ours.
func (w *World) execute(m *core.Machine, seen map[trade.OrderID]*execution) {
	for p := uint32(1); p <= m.Partitions(); p++ {
		m.Reports(unit(brokerUnit), p, 1, func(r *core.Report) bool {
			switch {
			case r.Type == trade.CancelRejectedReport:
				return true
			case r.Type == trade.OrderCancelledReport && r.OrigClOrdID != (core.ClOrdID{}):
				r.ClOrdID = r.OrigClOrdID
			}
			id, err := szse.OrderID(r.ClOrdID)
			if err != nil {
				w.fail("the exchange has an order %q, which is not a number of ours", r.ClOrdID[:])
				return false
			}
			x := seen[id]
			if x == nil {
				x = &execution{order: id, quantity: r.Quantity, price: r.Price, side: r.Side}
				seen[id] = x
			}
			switch r.Type {
			case trade.OrderAcceptedReport:
				x.accepted++
			case trade.OrderRejectedReport:
				x.rejected++
			case trade.TradeReport:
				x.filled += r.LastQuantity
				x.amount += money.Cash(int64(r.LastPrice) * int64(r.LastQuantity))
			case trade.OrderCancelledReport:
				x.ended++
			}
			return true
		})
	}
}

// compareOrder compares what the books say of an order with what the exchange does.
func compareOrder(o *trade.Order, x *execution) error {
	if x == nil {
		if o.AcceptedAt != 0 || o.Filled != 0 || o.Status == trade.Working || o.Status == trade.PendingNew {
			return fmt.Errorf("it has status %d in the books, and the exchange does not know it", o.Status)
		}
		return nil
	}
	var wrong []string
	note := func(format string, words ...any) { wrong = append(wrong, fmt.Sprintf(format, words...)) }
	if x.accepted+x.rejected != 1 {
		note("the exchange accepted it %d times and rejected it %d times", x.accepted, x.rejected)
	}
	if x.filled != o.Filled || x.amount != o.Amount {
		note("filled at the exchange %d for %d, in the books %d for %d", x.filled, x.amount, o.Filled, o.Amount)
	}
	live := x.accepted == 1 && x.ended == 0 && x.filled < x.quantity
	if live == o.Status.Done() {
		note("it lives at the exchange: %t, and has status %d in the books", live, o.Status)
	}
	if x.side != o.Side || x.price != o.Price || x.quantity != o.Quantity {
		note("the exchange has side %d, %d at %d, the books side %d, %d at %d", x.side, x.quantity, x.price, o.Side,
			o.Quantity, o.Price)
	}
	if len(wrong) > 0 {
		return fmt.Errorf("%s", strings.Join(wrong, "; "))
	}
	return nil
}
