package sim

import (
	"fmt"

	core "evenkeel/core/exchange"
	"evenkeel/core/money"
	"evenkeel/core/trade"
	"evenkeel/records"
)

// An audit keeps an account's books a second time, from what the account's clients were told and what the exchange
// did: what was paid in and out once each, what was bought and sold there, and the fees of the orders. The books may
// add up and be wrong all the same, for everybody alike; here they would differ.

// listenEvery is how often the reader of a stream asks, of an investor's pauses.
const listenEvery = 2

// A listener reads an account's stream of events: it asks a node for what lies behind the last number that it heard,
// each time perhaps another one, as a client does whose connection went elsewhere.
type listener struct {
	account *account
	heard   []uint64 // hashes of the events behind first
	first   uint64   // number of the event before the first that it heard
	asked   int      // counts questions
}

// listen asks again and again.
func (l *listener) listen() {
	w := l.account.world
	w.after(w.about(listenEvery*w.mix.think), clientTag, func() {
		if !w.investing {
			return
		}
		l.ask(w.nodes[w.random.IntN(len(w.nodes))])
		l.listen()
	})
}

func (l *listener) ask(n *node) {
	w := l.account.world
	l.asked++
	asked, after := l.asked, l.first+uint64(len(l.heard))
	w.net.call(clientPlace, n.place, messageTag, func() {
		n.stimulate(func() {
			if n.live.flipped { // what it says before it is found nobody vouches for
				return
			}
			events, err := n.books.Day().Events(l.account.id, records.EventFilter{Direction: records.OldestFirst, After: after})
			if err != nil {
				w.fail("%s: account %d, events behind %d: %v", n.name, l.account.number, after, err)
			}
			hashes := hashEvents(events)
			w.net.call(n.place, clientPlace, messageTag, func() {
				if l.asked == asked {
					l.hear(n, after, events, hashes)
				}
			})
		})
	})
}

// hear takes what comes: the next number, and no other.
func (l *listener) hear(n *node, after uint64, events []trade.Event, hashes []uint64) {
	for i := range events {
		if want := after + uint64(i) + 1; events[i].Number != want {
			l.account.world.fail("%s: account %d has event %d in its stream where %d should be", n.name, l.account.number,
				events[i].Number, want)
			return
		}
	}
	l.heard = append(l.heard, hashes...)
	l.account.world.counts.Events += len(events)
}

func hashEvents(events []trade.Event) (hashes []uint64) {
	var b []byte
	for i := range events {
		b, _ = trade.AppendEvent(b[:0], &events[i]) // it was read from that
		sum := uint64(len(b))
		for _, c := range b {
			sum = (sum ^ uint64(c)) * 0x9e3779b97f4a7c15
			sum ^= sum >> 29
		}
		hashes = append(hashes, sum)
	}
	return hashes
}

// stream is all that the books have of an account's events.
func (w *World) stream(n *node, id trade.AccountID) (all []trade.Event, err error) {
	day := n.books.Day()
	all, err = day.Events(id, records.EventFilter{Direction: records.OldestFirst, After: max(1, day.FirstNumber(id)) - 1})
	for more := all; err == nil && len(more) > 0; {
		more, err = day.Events(id, records.EventFilter{Direction: records.OldestFirst, After: all[len(all)-1].Number})
		all = append(all, more...)
	}
	return all, err
}

// judgeStream: what was heard of a stream is what happened, and it has no gap.
func (l *listener) judge(all []trade.Event) error {
	hashes := hashEvents(all)
	for i := range all {
		number := all[i].Number
		if number != all[0].Number+uint64(i) {
			return fmt.Errorf("its event %d comes behind %d", number, all[0].Number+uint64(i)-1)
		}
		if at := number - l.first - 1; number > l.first && at < uint64(len(l.heard)) && l.heard[at] != hashes[i] {
			return fmt.Errorf("its event %d was told otherwise", number)
		}
	}
	return nil
}

// judgeAccounts audits all of them.
func (w *World) judgeAccounts(leader *node) {
	traded := map[trade.OrderID]*execution{}
	w.exchange.view(func(m *core.Machine) { w.execute(m, traded) })
	for _, a := range w.accounts {
		all, err := w.stream(leader, a.id)
		if err == nil {
			err = a.listener.judge(all)
		}
		if err == nil {
			err = a.audit(leader, all, traded)
		}
		if err != nil {
			w.fail("account %d: %v", a.number, err)
		}
	}
}

// audit compares an account's cash and shares with what they must be.
func (a *account) audit(n *node, all []trade.Event, traded map[trade.OrderID]*execution) error {
	cash, err := a.moved(all)
	if err != nil {
		return err
	}
	var shares [len(securities)]money.Quantity
	for s := range shares {
		if !a.exact {
			shares[s] = firstShares
		}
	}
	day := n.books.Day()
	for _, o := range day.Orders(a.id, records.OrderFilter{Limit: records.MaxRows}) {
		x := traded[o.ID]
		if x == nil {
			continue
		}
		if x.filled > 0 && o.Fees.Commission <= 0 {
			return fmt.Errorf("order %s was filled and no commission charged", o.ClientID)
		}
		cash -= o.Fees.Total()
		if o.Side == trade.Buy {
			cash -= x.amount
			shares[o.Security-1] += x.filled
		} else {
			cash += x.amount
			shares[o.Security-1] -= x.filled
		}
	}
	standing, _ := day.Standing(a.id)
	if has := standing.Balance.Available + standing.Balance.Frozen; has != cash {
		return fmt.Errorf("it has %v in cash, and what it paid in, bought and sold makes %v", has, cash)
	}
	for s := range shares {
		p, _ := day.Position(a.id, trade.SecurityID(s+1))
		if p.Total != shares[s] {
			return fmt.Errorf("it has %d of %s, and what it brought, bought and sold makes %d", p.Total, securities[s].symbol,
				shares[s])
		}
	}
	return nil
}

// moved sums the movements of an account's events: each reference once a day, and all that were acknowledged.
func (a *account) moved(all []trade.Event) (cash money.Cash, err error) {
	type once struct {
		day       trade.Day
		reference string
	}
	seen := map[once]money.Cash{}
	for i := range all {
		if e := &all[i]; e.Kind == trade.CashMoved {
			key := once{e.Day, string(e.Cash.Reference)}
			if _, twice := seen[key]; twice {
				return 0, fmt.Errorf("movement %s was made twice on day %d", e.Cash.Reference, e.Day)
			}
			seen[key] = e.Cash.Amount
			cash += e.Cash.Amount
		}
	}
	for _, m := range a.moves {
		c := &m.command.MoveCash
		if amount, is := seen[once{m.day, string(c.Reference)}]; m.acked && (!is || amount != c.Amount) {
			return 0, fmt.Errorf("movement %s of %v was acknowledged, and the books moved %v", c.Reference, c.Amount, amount)
		}
	}
	return cash, nil
}
