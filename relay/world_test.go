package relay

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"evenkeel/core/trade"
	"evenkeel/peer"
	"evenkeel/replica"
)

// A world is three nodes' relays, their logs and the network between them, played by one goroutine from one seed. What
// cannot happen with real ones does not happen here; everything else does, at the worst moment.
type world struct {
	t        *testing.T
	r        *rand.Rand
	nodes    []*site
	leader   int // whose log is true
	term     uint64
	truth    []wish // in the order of the log, the second times left out
	applied  map[wish]bool
	sent     map[wish]int // answers by command
	outcomes map[wish]error
	under    []*netCall // read by a node, and perhaps not answered
	asked    int
	told     int
	calm     bool // nothing goes wrong any more
}

// worlds is how many are played.
const worlds = 100

// A wish is a command of a test, by who submitted it and in which order.
type wish struct{ node, number int }

// A site is one node of a world. It is its log and its end of the network, too.
type site struct {
	world   *world
	id      int
	relay   *Relay
	shard   *Shard
	leading bool // as its log believes
	pending []entry
	owed    []func()   // answers of the log that come a little later, in order
	next    int        // number of its next command
	news    [][3]int   // Follow's arguments that were not told yet: leader, self, term
	wires   [4]*wire   // to each node
	limbo   []*netCall // of wires that were cut: the other node may still read them
}

type entry struct {
	wish wish
	done func(trade.Answer, error)
}

// A wire carries calls in order.
type wire struct {
	calls   []*netCall // not read by the other node
	replies []*netCall // read by it
}

type netCall struct {
	from  int
	to    int
	body  []byte
	done  func([]byte, error)
	reply []byte
	cut   bool
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{t: t, r: rand.New(rand.NewPCG(seed, 1)), applied: map[wish]bool{}, sent: map[wish]int{},
		outcomes: map[wish]error{}}
	for id := range 3 {
		p := &site{world: w, id: id}
		// A relay without its own goroutine: the world ticks.
		p.relay = NewManual(p, Limits{
			Calls: 3, CallCommands: 4, Pause: time.Nanosecond, Grace: time.Nanosecond, Leaderless: time.Hour,
			Outcome: time.Hour,
		}, time.Now)
		p.shard = p.relay.Shard(Parts{Group: 1, Log: p})
		for to := range p.wires {
			p.wires[to] = &wire{}
		}
		w.nodes = append(w.nodes, p)
	}
	w.elect(0)
	return w
}

// Submit implements Log.
func (p *site) Submit(command []byte, done func(trade.Answer, error)) error {
	var c trade.Command
	if err := trade.DecodeCommand(command, &c); err != nil {
		p.world.t.Fatal(err)
	}
	switch {
	case !p.leading:
		return replica.ErrNotLeader
	case len(p.pending) >= 12, !p.world.calm && p.world.r.IntN(50) == 0:
		return replica.ErrFull
	}
	v, number := wish{node: int(c.MoveCash.Account)}, c.MoveCash.Reference
	if c.Kind == trade.SetPasswordKind {
		v, number = wish{node: int(c.SetPassword.Account)}, c.SetPassword.PasswordHash
	}
	if _, err := fmt.Sscanf(string(number), "%d", &v.number); err != nil {
		p.world.t.Fatal(err)
	}
	p.pending = append(p.pending, entry{v, done})
	return nil
}

// CallAsync implements Caller.
func (p *site) CallAsync(to uint64, _ uint16, body []byte, done func([]byte, error)) error {
	if to == uint64(p.id)+1 || !p.world.calm && p.world.r.IntN(30) == 0 {
		return peer.ErrNotSent
	}
	wire := p.wires[to-1]
	wire.calls = append(wire.calls, &netCall{from: p.id, to: int(to) - 1, body: slices.Clone(body), done: done})
	return nil
}

// apply applies the oldest command of a log that is true.
func (w *world) apply(e entry) trade.Answer {
	a := trade.Answer{Account: trade.AccountID(e.wish.node), Replayed: w.applied[e.wish]}
	if a.Replayed && e.wish.once() {
		w.t.Fatalf("%v came to the log twice", e.wish)
	}
	if !a.Replayed {
		w.applied[e.wish] = true
		w.truth = append(w.truth, e.wish)
	}
	return a
}

// elect makes another log the true one. The old leader's log learns it later; what lay in it is in part in the true
// log, and its node is not told.
func (w *world) elect(leader int) {
	old := w.nodes[w.leader]
	if old.leading {
		agreed := 0
		if len(old.pending) > 0 {
			agreed = w.r.IntN(len(old.pending) + 1)
		}
		for _, e := range old.pending[:agreed] {
			w.apply(e)
		}
	}
	w.leader = leader
	w.term++
	now := w.nodes[leader]
	now.lose()
	now.news = nil
	now.leading = true
	for _, p := range w.nodes {
		self := 0
		if p == now {
			self = 1
		}
		if w.r.IntN(2) == 0 {
			p.news = append(p.news, [3]int{0, 0, int(w.term)})
		}
		p.news = append(p.news, [3]int{leader + 1, self, int(w.term)})
	}
}

// lose is a log's end of leadership: what is in the log is unknown, what only waited for it was not taken. Its own
// relay is told before it can lead again.
func (p *site) lose() {
	if !p.leading {
		return
	}
	p.leading = false
	defer p.shard.Follow(0, false, p.world.term)
	lost := p.pending
	p.pending = nil
	known := len(lost)
	if known > 0 {
		known = p.world.r.IntN(known + 1)
	}
	for i, e := range lost {
		err := replica.ErrNotLeader
		if i < known || p.world.applied[e.wish] {
			err = replica.ErrUnknown
		}
		p.owed = append(p.owed, func() { e.done(trade.Answer{}, err) })
	}
}

// submit hands a new command to a node's relay.
func (p *site) submit() {
	v := wish{p.id + 1, p.next}
	err := p.shard.Submit(encoded(p.world.t, v.command()),
		func(a trade.Answer, err error) {
			p.world.sent[v]++
			p.world.told++
			p.world.outcomes[v] = err
			if err == nil && int(a.Account) != v.node {
				p.world.t.Fatalf("%v was answered %+v", v, a)
			}
		})
	if err == nil {
		p.next++
		p.world.asked++
	} else if !errors.Is(err, replica.ErrFull) {
		p.world.t.Fatal(err)
	}
}

// read lets a node read a call.
func (w *world) read(c *netCall) {
	w.nodes[c.to].relay.Serve(uint64(c.from)+1, c.body, func(b []byte, err error) {
		if err != nil {
			w.t.Fatal(err)
		}
		if c.reply = slices.Clone(b); !c.cut {
			wire := w.nodes[c.from].wires[c.to]
			wire.replies = append(wire.replies, c)
		}
	})
}

// cut ends a connection: what had left is in part still to be read, but nobody hears of it; what had not is told.
func (p *site) cut(to int) {
	lost := p.wires[to]
	p.wires[to] = &wire{}
	left := 0
	if len(lost.calls) > 0 {
		left = p.world.r.IntN(len(lost.calls) + 1)
	}
	p.limbo = append(p.limbo, lost.calls[:left]...)
	unknown := slices.Concat(p.reading(to), lost.replies, lost.calls[:left])
	for _, c := range unknown {
		c.cut = true
	}
	for _, c := range unknown {
		c.done(nil, peer.ErrUnknown)
	}
	for _, c := range lost.calls[left:] {
		c.done(nil, peer.ErrNotSent)
	}
}

// reading lists the calls to a node that it has read and not answered.
func (p *site) reading(to int) (calls []*netCall) {
	for _, c := range p.world.under {
		if c.from == p.id && c.to == to && c.reply == nil && !c.cut {
			calls = append(calls, c)
		}
	}
	return calls
}

// step does one thing.
func (w *world) step() {
	p := w.nodes[w.r.IntN(3)]
	switch w.r.IntN(16) {
	case 0, 1, 2:
		if !w.calm {
			p.submit()
		}
	case 3, 4, 5:
		if wire := p.wires[w.r.IntN(3)]; len(wire.calls) > 0 {
			c := wire.calls[0]
			wire.calls = wire.calls[1:]
			w.under = append(slices.DeleteFunc(w.under, func(c *netCall) bool { return c.cut || c.reply != nil }), c)
			w.read(c)
		}
	case 6, 7:
		if wire := p.wires[w.r.IntN(3)]; len(wire.replies) > 0 {
			c := wire.replies[0]
			wire.replies = wire.replies[1:]
			c.done(c.reply, nil)
		}
	case 8, 9, 10:
		if len(p.owed) > 0 {
			pay := p.owed[0]
			p.owed = p.owed[1:]
			pay()
		} else if at := w.nodes[w.leader]; len(at.pending) > 0 && len(at.owed) == 0 {
			e := at.pending[0]
			at.pending = at.pending[1:]
			e.done(w.apply(e), nil)
		}
	case 11:
		if len(p.limbo) > 0 {
			c := p.limbo[0]
			p.limbo = p.limbo[1:]
			w.read(c)
		}
	case 12, 13:
		if len(p.news) > 0 {
			n := p.news[0]
			p.news = p.news[1:]
			if p.id != w.leader && p.leading { // its log notices first
				if len(p.news) > 0 {
					n = p.news[len(p.news)-1]
				}
				p.news = nil
				p.lose()
			}
			p.shard.Follow(uint64(n[0]), n[1] == 1, uint64(n[2]))
		}
	case 14:
		p.shard.tick(time.Now())
	case 15:
		switch {
		case w.calm:
		case w.r.IntN(4) == 0:
			w.elect(w.r.IntN(3))
		default:
			p.cut(w.r.IntN(3))
		}
	}
}

// once says which commands must not be handed out twice. A password is set by them, which tells the number.
func (v wish) once() bool { return v.number%5 == 4 }

func (v wish) command() *trade.Command {
	if !v.once() {
		return deposit(trade.AccountID(v.node), v.number)
	}
	return &trade.Command{Kind: trade.SetPasswordKind, SetPassword: trade.SetPassword{
		Account: trade.AccountID(v.node), PasswordHash: fmt.Appendf(nil, "%08d", v.number),
	}}
}

// TestWorlds plays many worlds: every command is answered once, and not "unknown" where it may be handed out again;
// what was answered is in the log, what must come once has, and each node's commands lie there as they were submitted.
func TestWorlds(t *testing.T) {
	for seed := range uint64(worlds) {
		w := newWorld(t, seed)
		for range 3000 {
			w.step()
		}
		w.calm = true
		for steps := 0; w.told < w.asked && steps < 50_000; steps++ {
			w.step()
		}
		last := map[int]int{1: -1, 2: -1, 3: -1}
		for _, v := range w.truth {
			next := last[v.node] + 1
			for ; next < v.number && (wish{v.node, next}).once() && !w.applied[wish{v.node, next}]; next++ {
			}
			if v.number != next {
				t.Fatalf("seed %d: %v lies behind number %d", seed, v, last[v.node])
			}
			last[v.node] = v.number
		}
		for _, p := range w.nodes {
			for number := range p.next {
				v := wish{p.id + 1, number}
				err := w.outcomes[v]
				lost := errors.Is(err, replica.ErrUnknown) && v.once()
				if w.sent[v] != 1 || !lost && (err != nil || !w.applied[v]) {
					t.Fatalf("seed %d: %v was answered %d times, %v, applied %t; %+v", seed, v, w.sent[v], err, w.applied[v],
						p.shard.Status())
				}
			}
		}
	}
}
