package sim

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strconv"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"evenkeel/core/money"
	"evenkeel/core/trade"
	"evenkeel/records"
)

// A request is what a client asks of a node.
type request struct {
	account *account // of a read
	command []byte   // nil: a fresh read
	answer  func(reply)
}

// A reply is a node's answer.
type reply struct {
	outcome outcome
	answer  trade.Answer
	view    view
}

type outcome uint8

const (
	answered outcome = iota
	unknown          // it may be done, or not
	later            // it was not done: ask again, perhaps somebody else
)

// A view is what a read tells.
type view struct {
	number uint64
	orders ids
	cash   money.Cash
}

// serve is the door of a node: commands go to the leader, reads are answered here.
func (n *node) serve(r *request) {
	if r.command == nil {
		n.read(r)
		return
	}
	n.carry(r.command, r.answer)
}

// read answers a read from this node's own views, when they have everything that was acknowledged before it came.
func (n *node) read(r *request) {
	n.fresh(func(index uint64, err error) {
		if err != nil {
			r.answer(reply{outcome: later})
			return
		}
		n.await(index, func() {
			if n.live.flipped { // what it says before it is found nobody vouches for
				r.answer(reply{outcome: later})
				return
			}
			r.answer(reply{outcome: answered, view: n.look(r.account)})
		})
	})
}

// fresh finds an index at or behind which everything lies that was acknowledged before. What anybody had applied when
// it was asked for is agreed, so it must not lie before that either.
func (n *node) fresh(then func(uint64, error)) {
	applied := n.world.truth.newest
	n.group.Group().AskFresh(func(index uint64, err error) {
		if err == nil && index < applied {
			n.world.fail("%s takes index %d for fresh, and entry %d had been applied before it asked", n.name, index, applied)
		}
		then(index, err)
	})
	n.poke()
}

// await runs then when an index is applied.
func (n *node) await(index uint64, then func()) {
	n.group.Group().AskAwait(index, func(err error) {
		if err == nil {
			then()
		}
	})
}

// look reads an account's view.
func (n *node) look(a *account) (v view) {
	day := n.books.Day()
	if s, ok := day.Standing(a.id); ok {
		v.number, v.cash = s.Number, s.Balance.Available
	}
	for _, o := range day.Orders(a.id, records.OrderFilter{}) {
		if id, err := strconv.Atoi(string(bytes.TrimPrefix(o.ClientID, []byte("c")))); err == nil && id < mostIDs {
			v.orders.add(id)
		}
	}
	return v
}

// A transport carries a node's messages to the other members.
type transport struct{ *node }

// Send implements replica.Transport.
func (t transport) Send(_ uint64, messages []*raftpb.Message) {
	w := t.world
	for _, m := range messages {
		if m.GetTo() == 0 || m.GetTo() > uint64(len(w.nodes)) {
			continue
		}
		to := w.nodes[m.GetTo()-1]
		w.truth.hear(m)
		m = copyMessage(m)
		if w.trace != nil {
			w.say("%s -> %s: %v term %d index %d, %d entries, commit %d, reject %t", t.name, to.name, m.GetType(), m.GetTerm(),
				m.GetIndex(), len(m.Entries), m.GetCommit(), m.GetReject())
		}
		w.net.send(t.place, to.place, messageTag, func() {
			to.stimulate(func() {
				w.note(uint64(m.GetType()), m.GetFrom(), m.GetTo(), m.GetIndex())
				to.group.Group().Receive(copyMessage(m))
				to.poke()
			})
		})
	}
}

// copyMessage copies what the protocol may change; entries themselves never change.
func copyMessage(m *raftpb.Message) *raftpb.Message {
	return &raftpb.Message{
		Type: m.Type, To: m.To, From: m.From, Term: m.Term, LogTerm: m.LogTerm, Index: m.Index,
		Entries: slices.Clone(m.Entries), Commit: m.Commit, Vote: m.Vote, Snapshot: m.Snapshot, Reject: m.Reject,
		RejectHint: m.RejectHint, Context: slices.Clone(m.Context), Responses: m.Responses,
	}
}

// SendSnapshot implements replica.Transport: the whole snapshot crosses the network at once, or not at all.
func (t transport) SendSnapshot(
	_ uint64, m *raftpb.Message, open func() (io.ReadCloser, int64, error), done func(error),
) {
	w := t.world
	if m.GetTo() == 0 || m.GetTo() > uint64(len(w.nodes)) {
		done(errLost)
		return
	}
	to, m := w.nodes[m.GetTo()-1], copyMessage(m)
	content, err := readAll(open)
	if err != nil {
		done(err)
		return
	}
	told := false
	tell := func(err error) {
		if !told {
			told = true
			t.stimulate(func() {
				done(err)
				t.poke()
			})
		}
	}
	w.net.send(t.place, to.place, messageTag, func() {
		to.stimulate(func() {
			err := to.receive(copyMessage(m), content)
			if to.up {
				tell(err)
				to.poke()
			}
		})
	})
	t.after(snapshotTime, messageTag, func() { tell(errLost) })
}

// snapshotTime is how long a snapshot may be on its way.
const snapshotTime = 2 * time.Second

func readAll(open func() (io.ReadCloser, int64, error)) ([]byte, error) {
	from, _, err := open()
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(from)
	return content, errors.Join(err, from.Close())
}
