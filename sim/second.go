package sim

import (
	"bytes"
	"fmt"
	"io"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"evenkeel/books"
	"evenkeel/core/money"
	"evenkeel/core/trade"
	"evenkeel/replica"
)

// In some worlds the house has a second shard: every node has a group more, with books of its own, and one client asks
// it for one movement of cash after the other. In such a world only the first shard has troubles, and the second must
// not notice: each of its answers comes in time, unless a process died, which both shards are in.

const (
	secondGroup = 2
	secondShard = 1
	// secondTime is the longest that the second shard takes for an answer: a try that met a node that does not lead, the
	// pause behind it, twice, and room.
	secondTime = 250 * time.Millisecond
	// deathTime is how long after the death of a process answers may be late: an election, and a lost vote.
	deathTime = 1500 * time.Millisecond
)

// A teller is the second shard's client, and what the world knows of that shard.
type teller struct {
	world   *World
	truth   truth
	account trade.AccountID // 0 until it is opened
	asked   int             // movements
	cash    money.Cash      // acknowledged
	command []byte          // under way, nil when there is none
	amount  money.Cash
	called  int64
	tries   int
	excused int64 // until then answers may be late
}

// A branch is the second shard's group on one node.
type branch struct {
	group   *replica.Manual[trade.Answer]
	books   *books.Books
	lead    replica.Leadership
	writing bool
}

// openBranch starts the second shard's group with its process.
func (n *node) openBranch() {
	w := n.world
	n.branch = branch{}
	if !w.mix.second {
		return
	}
	b := &n.branch
	o := replica.Options[trade.Answer]{
		Dir: n.dir, Group: secondGroup, Node: n.id, Clock: n.time, Limits: w.limits(), DropOldLog: w.mix.dropLog,
		Transport: branchTransport{n},
		New: func() replica.Machine[trade.Answer] {
			return &witness{Books: books.New(secondShard), node: n, truth: &w.teller.truth}
		},
		Led:      func(now replica.Leadership) { b.lead = now },
		Replaced: func(m replica.Machine[trade.Answer], _ uint64) { b.books = m.(*witness).Books },
	}
	for _, v := range n.voters {
		o.Members = append(o.Members, replica.Member{ID: v})
	}
	group, err := replica.OpenManual(o)
	if err != nil {
		w.fail("%s: the second shard does not start: %v", n.name, err)
		return
	}
	b.group, b.books = group, group.Machine().(*witness).Books
}

// crashBranch ends it with its process.
func (n *node) crashBranch() {
	w := n.world
	if n.branch.group == nil {
		return
	}
	w.teller.excused = w.now + int64(deathTime)
	if err := n.branch.group.Crash(); err != nil {
		w.fail("%s: crash of the second shard: %v", n.name, err)
	}
	n.branch.group, n.branch.lead = nil, replica.Leadership{} // or its client would go on asking the dead
}

// workBranch has its owners work, and reports whether there was anything to do.
func (n *node) workBranch() (did bool) {
	b := &n.branch
	if b.group == nil {
		return false
	}
	did = b.group.StepLoop()
	did = b.group.StepApplier() || did
	did = b.group.StepKeeper() || did
	if !b.writing && b.group.BeginJournal() {
		b.writing = true
		n.after(diskLeast+n.world.below(2*diskLeast), diskTag, func() {
			b.writing = false
			b.group.FinishJournal()
			n.poke()
		})
	}
	select {
	case err := <-b.group.Group().Failed():
		n.world.fail("%s: the second shard has failed: %v", n.name, err)
	default:
	}
	return did
}

// begin has the teller work.
func (t *teller) begin() {
	if !t.world.mix.second {
		return
	}
	c := trade.Command{Kind: trade.OpenAccountKind, OpenAccount: trade.OpenAccount{
		Login: []byte("second"), Permissions: trade.MayEverything, Commission: money.Rate(250)}}
	t.ask(&c, 0)
}

func (t *teller) next() {
	if !t.world.investing {
		return
	}
	t.asked++
	amount := money.Cash(t.asked) * 1_0000
	c := trade.Command{Kind: trade.MoveCashKind}
	c.MoveCash = trade.MoveCash{Account: t.account, Amount: amount, Reference: fmt.Appendf(nil, "s%d", t.asked)}
	t.ask(&c, amount)
}

func (t *teller) ask(c *trade.Command, amount money.Cash) {
	t.command, t.amount, t.called = encode(c), amount, t.world.now
	t.try()
}

// try asks a node, and soon another when that does not answer.
func (t *teller) try() {
	w := t.world
	t.tries++
	try, at := t.tries, w.nodes[w.random.IntN(len(w.nodes))]
	for _, n := range w.nodes {
		if n.branch.lead.Ready && w.random.IntN(4) > 0 {
			at = n // it mostly knows who leads
		}
	}
	command := t.command
	w.net.call(clientPlace, at.place, messageTag, func() {
		at.stimulate(func() {
			if !at.branch.lead.Ready {
				return
			}
			err := at.branch.group.Group().Submit(command, func(a trade.Answer, err error) {
				w.net.call(at.place, clientPlace, messageTag, func() {
					if err == nil && t.tries == try && t.command != nil {
						t.heard(a)
					}
				})
			})
			if err != nil {
				w.say("%s: the second shard: %v", at.name, err)
			}
			at.poke()
		})
	})
	w.after(30*time.Millisecond, clientTag, func() {
		if t.tries == try && t.command != nil {
			t.try()
		}
	})
}

func (t *teller) heard(a trade.Answer) {
	w := t.world
	t.command = nil
	switch {
	case t.account == 0 && (a.Reason == trade.Accepted || a.Reason == trade.LoginTaken):
		t.account = trade.AccountID(secondShard<<trade.ShardShift | 1)
	case a.Reason != trade.Accepted:
		w.fail("the second shard refused a movement: reason %d", a.Reason)
	}
	t.cash += t.amount
	t.late()
	w.counts.Second++
	w.after(w.about(w.mix.think), clientTag, t.next)
}

// late fails a world in which the second shard noticed the first one's troubles.
func (t *teller) late() {
	w := t.world
	if took := time.Duration(w.now - t.called); took > secondTime && t.called > t.excused && w.now > t.excused {
		w.fail("the second shard took %v for an answer, and only the first one had troubles", took)
	}
}

// rested reports whether the second shard is: its replicas have the same books.
func (t *teller) rested() bool {
	if !t.world.mix.second {
		return true
	}
	for _, n := range t.world.nodes {
		if !n.up || n.branch.books.Hash() != t.world.nodes[0].branch.books.Hash() {
			return false
		}
	}
	return t.command == nil
}

// judge: what was acknowledged is there, once.
func (t *teller) judge() {
	if !t.world.mix.second {
		return
	}
	for _, n := range t.world.nodes {
		if s, ok := n.branch.books.Day().Standing(t.account); !ok || s.Balance.Available != t.cash {
			t.world.fail("%s: the second shard has %d in cash, acknowledged were %d", n.name, s.Balance.Available, t.cash)
		}
	}
}

// A branchTransport carries the messages of the second shard.
type branchTransport struct{ *node }

// Send implements replica.Transport.
func (t branchTransport) Send(_ uint64, messages []*raftpb.Message) {
	for _, m := range messages {
		if m.GetTo() == 0 || m.GetTo() > uint64(len(t.world.nodes)) {
			continue
		}
		to, m := t.world.nodes[m.GetTo()-1], copyMessage(m)
		t.world.net.send(t.place, to.place, messageTag, func() {
			to.stimulate(func() {
				to.branch.group.Group().Receive(copyMessage(m))
				to.poke()
			})
		})
	}
}

// SendSnapshot implements replica.Transport.
func (t branchTransport) SendSnapshot(
	_ uint64, m *raftpb.Message, open func() (io.ReadCloser, int64, error), done func(error),
) {
	content, err := readAll(open)
	if err != nil {
		done(err)
		return
	}
	to, m := t.world.nodes[m.GetTo()-1], copyMessage(m)
	tell := func(err error) {
		t.stimulate(func() {
			done(err)
			t.poke()
		})
	}
	t.world.net.call(t.place, to.place, messageTag, func() {
		if !to.up {
			tell(errLost)
			return
		}
		to.stimulate(func() {
			tell(to.branch.group.Group().ReceiveSnapshot(m, bytes.NewReader(content)))
			to.poke()
		})
	})
}

// ownTroubles are faults of one shard, or of the exchange.
var ownTroubles = [kinds]bool{
	busyApplier: true, slowDisk: true, hungDisk: true, fullDisk: true, memoryFlip: true, exchangeCrash: true,
	exchangePause: true, slowExchange: true, linkCut: true, transfer: true,
}

// withSecond makes a mix one of a world with a second shard.
func (m *Mix) withSecond() {
	m.second, m.nodes, m.learner, m.upgrade = true, 3, false, false
	m.loss, m.duplication, m.reordering, m.delay = 0, 0, 0, 0
	own := m.kinds[:0]
	for _, k := range m.kinds {
		if ownTroubles[k] {
			own = append(own, k)
		}
	}
	m.kinds = append(own, busyApplier, transfer)
}
