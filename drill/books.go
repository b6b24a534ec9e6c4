package drill

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/zeebo/xxh3"

	"evenkeel/core/broker"
	core "evenkeel/core/exchange"
	"evenkeel/core/money"
	"evenkeel/core/trade"
	"evenkeel/drill/load"
	"evenkeel/drill/report"
	"evenkeel/exchange"
	"evenkeel/replica"
	"evenkeel/szse"
)

// booked is an order by the broker's log.
type booked struct {
	trade.Order
	sent bool // it was once in the outbox
}

// history is what the log of one shard on one node says.
type history struct {
	orders  map[trade.OrderID]*booked
	clients map[string][]trade.OrderID
	cancels map[trade.OrderID]bool
	chain   []uint64 // hash of the log up to each entry, by place
	first   uint64   // index of the first
}

// readBooks applies the log of a shard, on the disk of a node that has ended, to books of its own.
func (n *node) readBooks(shard uint16) (*history, error) {
	h := &history{orders: map[trade.OrderID]*booked{}, clients: map[string][]trade.OrderID{},
		cancels: map[trade.OrderID]bool{}}
	state := broker.New(shard)
	var command trade.Command
	var out trade.Output
	out.Drain = h.take
	var chain xxh3.Hasher
	err := replica.Replay(replica.Options[trade.Answer]{Dir: filepath.Join(n.kept(), "broker"), Group: uint64(shard) + 1,
		Node: n.id}, 0, func(e replica.Entry) error {
		if h.first == 0 {
			h.first = e.Index
		}
		for _, c := range e.Commands {
			_, _ = chain.Write(c)
			out.Reset()
			if err := trade.DecodeCommand(c, &command); err != nil {
				return err
			}
			state.Apply(trade.Time(e.Time), &command, &out)
			h.take(&out)
		}
		h.chain = append(h.chain, chain.Sum64()^uint64(e.Time)) //nolint:gosec // bits
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the log of %s: %w", n.machine, err)
	}
	if err := state.Check(); err != nil {
		return nil, fmt.Errorf("the books of %s: %w", n.machine, err)
	}
	if untrue := state.Untrue(); untrue != 0 {
		return nil, fmt.Errorf("the books of %s could not believe %d reports of the exchange", n.machine, untrue)
	}
	return h, nil
}

func (h *history) take(out *trade.Output) {
	for i := range out.Events {
		e := &out.Events[i]
		if !e.Kind.OfOrder() {
			continue
		}
		o := h.orders[e.Order.ID]
		if o == nil {
			o = &booked{}
			h.orders[e.Order.ID] = o
			client := string(e.Order.ClientID)
			h.clients[client] = append(h.clients[client], e.Order.ID)
		}
		o.Order = e.Order
	}
	for i := range out.Outgoing {
		if r := &out.Outgoing[i]; r.Cancel {
			h.cancels[r.Request] = true
		} else if o := h.orders[r.Request]; o != nil {
			o.sent = true
		}
	}
}

// compareBooks compares the logs of all nodes with each other, with what programs were told, and with the exchange.
func (h *house) compareBooks(told map[string]*load.Request, a *report.Audit) error {
	market, err := readExchange(h.exchangeData(), h.config.Shards)
	if err != nil {
		return err
	}
	a.Exchange = len(market.orders)
	for shard := range h.config.Shards {
		whole, err := h.sameLogs(uint16(shard), a) //nolint:gosec // few
		if err != nil {
			return err
		}
		for client, ids := range whole.clients {
			r := told[client]
			switch {
			case len(ids) > 1:
				a.Duplicated++
				a.Say("client order id %s has %d orders in the log", client, len(ids))
			case r == nil:
				a.Wrong++
				a.Say("the log has %s, which nobody asked for", client)
			case r.Outcome == load.Refused:
				a.Wrong++
				a.Say("%s was refused (%s), and the log has it", client, r.Why)
			}
			delete(told, client)
		}
		market.compare(whole, a)
	}
	for client, r := range told {
		if r.Outcome == load.Acknowledged {
			a.Lost++
			a.Say("%s was acknowledged as %s by node %d, and no log has it", client, r.Order, r.Node)
		}
	}
	for id, o := range market.orders {
		if !o.known {
			a.Wrong++
			a.Say("the exchange has order %s, which no log knows: %+v", id, o.last)
		}
	}
	return nil
}

// sameLogs reads the log of a shard on every node, and complains where two differ. A node that came back by a
// snapshot has the end of the log only.
func (h *house) sameLogs(shard uint16, a *report.Audit) (*history, error) {
	var all []*history
	for _, n := range h.nodes {
		one, err := n.readBooks(shard)
		switch {
		case errors.Is(err, replica.ErrGone):
		case err != nil:
			return nil, err
		default:
			all = append(all, one)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("shard %d: no node has the whole log", shard)
	}
	longest := all[0]
	for _, one := range all[1:] {
		if len(one.chain) > len(longest.chain) {
			longest = one
		}
	}
	for i, one := range all {
		if last := len(one.chain) - 1; last < 0 || one.chain[last] != longest.chain[last] {
			a.Wrong++
			a.Say("shard %d: the log of the %d. node differs from another's", shard, i+1)
		}
	}
	return longest, nil
}

// listed is an order by the exchange's reports.
type listed struct {
	answered int
	last     core.Report
	filled   money.Quantity
	amount   money.Cash
	known    bool
}

// market is what the exchange has reported to the broker.
type market struct {
	orders  map[core.ClOrdID]*listed
	cancels map[core.ClOrdID]int
}

func readExchange(dir string, shards int) (_ *market, err error) {
	s, err := exchange.Open(exchange.Config{Dir: dir, Clock: exchange.Clock{Sessions: exchange.Manual}})
	if err != nil {
		return nil, fmt.Errorf("reading the exchange's journal: %w", err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	m := &market{map[core.ClOrdID]*listed{}, map[core.ClOrdID]int{}}
	s.View(func(books *core.Machine) {
		for shard := range shards {
			var unit core.PBU
			copy(unit[:], fmt.Sprintf("EK%04d", shard+1))
			for p := uint32(1); p <= books.Partitions(); p++ {
				books.Reports(unit, p, 1, func(r *core.Report) bool {
					m.take(r)
					return true
				})
			}
		}
	})
	return m, nil
}

func (m *market) take(r *core.Report) {
	id := r.ClOrdID
	if r.OrigClOrdID != (core.ClOrdID{}) {
		m.cancels[r.ClOrdID]++
		id = r.OrigClOrdID
	}
	o := m.orders[id]
	if o == nil {
		o = &listed{}
		m.orders[id] = o
	}
	switch r.Type {
	case trade.OrderAcceptedReport, trade.OrderRejectedReport:
		o.answered++
	case trade.TradeReport:
		amount, _ := money.Amount(r.LastPrice, r.LastQuantity)
		o.filled += r.LastQuantity
		o.amount += amount
	}
	if r.Order != 0 {
		o.last = *r
	}
}

// compare compares a shard's orders with the exchange's.
func (m *market) compare(h *history, a *report.Audit) {
	for id, o := range h.orders {
		name, err := szse.ClOrdID(id)
		if err != nil {
			a.Wrong++
			a.Say("order %d: %v", id, err)
			continue
		}
		e := m.orders[name]
		if e != nil {
			e.known = true
		}
		switch {
		case e == nil && o.sent:
			a.Lost++
			a.Say("%s was in the outbox and never reached the exchange: %+v", o.ClientID, o.Order)
		case e == nil:
		case e.answered != 1:
			a.Duplicated++
			a.Say("%s was answered %d times by the exchange", o.ClientID, e.answered)
		case e.filled != o.Filled || e.amount != o.Amount || e.last.Quantity != o.Quantity || e.last.Price != o.Price ||
			e.last.Side != o.Side:
			a.Wrong++
			a.Say("%s: the log has %+v, the exchange %+v", o.ClientID, o.Order, e.last)
		case e.last.Leaves != 0 || !o.Status.Done():
			a.Wrong++
			a.Say("%s: status %d in the log, %d at the exchange with %d left", o.ClientID, o.Status, e.last.Status,
				e.last.Leaves)
		}
	}
	for id := range h.cancels {
		if name, err := szse.ClOrdID(id); err != nil || m.cancels[name] > 1 {
			a.Duplicated++
			a.Say("cancel %d was answered %d times by the exchange", id, m.cancels[name])
		}
	}
}
