package sim

import (
	"errors"
	"slices"
	"time"

	"evenkeel/core/trade"
	"evenkeel/relay"
	"evenkeel/replica"
)

// A tie is the connection over which the relay of one node asks that of another. What goes over it comes in order; or
// it breaks, and who waits for an answer is told so, when the silence is noticed.
type tie struct {
	from, to *node
	breaks   int // counts them: what was sent before one does not come after it
	waiting  []*question
	last     [2]int64 // arrival of the newest message, there and back
}

// A question waits for its answer.
type question struct {
	asker *node
	life  int
	done  func([]byte, error)
}

// silence is after how long a broken tie is noticed, at most.
const silence = 300 * time.Millisecond

// relayLimits end every command before the day can turn: mostLate is longer.
var relayLimits = relay.Limits{Leaderless: 800 * time.Millisecond, Outcome: 1500 * time.Millisecond}

// openRelay gives a node that starts its relay.
func (n *node) openRelay() {
	n.relay = relay.NewManual(n, relayLimits, n.time)
	n.shard = n.relay.Shard(relay.Parts{
		Group: brokerGroup, Log: n.group.Group(), Await: n.group.Group().AskAwait,
		Today:   func() trade.Day { return n.books.Day().Today() },
		Applied: func() uint64 { return n.books.Day().Index() },
	})
	n.shard.Led(n.lead)
}

// carry gives a command to the log, wherever its leader is.
func (n *node) carry(command []byte, answer func(reply)) {
	err := n.shard.Submit(command, func(a trade.Answer, err error) {
		switch {
		case err == nil:
			answer(reply{outcome: answered, answer: a})
		case errors.Is(err, replica.ErrUnknown), errors.Is(err, replica.ErrHidden):
			answer(reply{outcome: unknown})
		default:
			answer(reply{outcome: later})
		}
	})
	if err != nil {
		answer(reply{outcome: later})
	}
	n.poke()
}

var errNoNode = errors.New("there is no such node")

// CallAsync implements relay.Caller.
func (n *node) CallAsync(to uint64, _ uint16, body []byte, done func([]byte, error)) error {
	w := n.world
	if to == 0 || to > uint64(len(w.nodes)) {
		return errNoNode
	}
	t := n.ties[to]
	if t == nil {
		t = &tie{from: n, to: w.nodes[to-1]}
		n.ties[to] = t
	}
	q := &question{n, n.life, done}
	t.waiting = append(t.waiting, q)
	body = slices.Clone(body)
	serve := w.tonight(func() {
		t.to.relay.Serve(n.id, body, func(answer []byte, err error) {
			answer = slices.Clone(answer)
			t.carry(1, func() { t.answer(q, answer, err) })
		})
		t.to.poke()
	}, t.snap)
	t.carry(0, func() { t.to.stimulate(serve) })
	return nil
}

// carry brings a message there (0) or back (1), after those before it.
func (t *tie) carry(way int, deliver func()) {
	w := t.from.world
	a, b := t.from, t.to
	if way == 1 {
		a, b = b, a
	}
	p := &w.net.paths[a.place][b.place]
	if p.isCut(w) || w.loses(w.mix.loss/8) {
		t.snap()
		return
	}
	at := max(w.now+int64(w.net.delay(p)), t.last[way]+1)
	t.last[way] = at
	before := t.breaks
	w.queue.put(at, messageTag, func() {
		switch {
		case t.breaks != before:
		case p.isCut(w) || !b.up:
			t.snap()
		default:
			deliver()
		}
	})
}

func (t *tie) answer(q *question, answer []byte, err error) {
	i := slices.Index(t.waiting, q)
	if i < 0 {
		return
	}
	t.waiting = slices.Delete(t.waiting, i, i+1)
	q.end(answer, err)
}

func (q *question) end(answer []byte, err error) {
	if q.asker.life == q.life {
		q.asker.stimulate(func() {
			q.done(answer, err)
			q.asker.poke()
		})
	}
}

// snap breaks the tie.
func (t *tie) snap() {
	w := t.from.world
	t.breaks++
	waiting := t.waiting
	t.waiting = nil
	w.after(w.below(silence), messageTag, func() {
		for _, q := range waiting {
			q.end(nil, errLost)
		}
	})
}

// snapTies breaks all ties of a node that dies.
func (n *node) snapTies() {
	for _, other := range n.world.nodes {
		if t := other.ties[n.id]; t != nil {
			t.snap()
		}
	}
	n.ties = [mostNodes + 1]*tie{}
}
