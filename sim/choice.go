package sim

import (
	"fmt"

	"evenkeel/core/money"
	"evenkeel/core/trade"
)

// What an investor does next.

func clientID(c *trade.Command) string {
	switch c.Kind {
	case trade.PlaceOrderKind:
		return string(c.PlaceOrder.ClientID)
	case trade.ReplaceOrderKind:
		return string(c.ReplaceOrder.ClientID)
	}
	return ""
}

// String names an action for the trace.
func (d *doing) String() string {
	switch {
	case d.target != 0:
		return fmt.Sprintf("cancel %d", d.target&trade.NumberMask)
	case d.order != nil:
		return "order " + clientID(&d.order.command)
	case d.move != nil:
		return "movement " + string(d.move.command.MoveCash.Reference)
	}
	return "read"
}

// choose makes the next action of an account.
func (a *account) choose() *doing {
	n := a.world.random.IntN(100)
	if a.exact {
		switch {
		case n < 25:
			return a.read()
		case n < 40 && len(a.moves) > 0:
			return a.moveAgain()
		}
		return a.move()
	}
	switch {
	case n < 20:
		return a.read()
	case n < 28 && len(a.orders) > 0:
		return a.placeAgain()
	case n < 45:
		if d := a.cancel(); d != nil {
			return d
		}
	case n < 55:
		if d := a.replace(); d != nil {
			return d
		}
	case n < 60:
		return a.move()
	}
	return a.place()
}

func (a *account) read() *doing {
	return &doing{action: action{what: asking}, recorded: true}
}

func encode(c *trade.Command) []byte {
	b, err := trade.AppendCommand(nil, c)
	if err != nil {
		panic(err) // what the world makes can be said
	}
	return b
}

// move deposits or pays out.
func (a *account) move() *doing {
	id := len(a.moves)
	if id == mostIDs {
		return a.read()
	}
	amount := money.Cash(1+a.world.random.IntN(900)) * 1_0000
	if a.exact && a.world.random.IntN(3) == 0 {
		amount = -amount
	}
	c := trade.Command{Kind: trade.MoveCashKind}
	c.MoveCash = trade.MoveCash{Account: a.id, Amount: amount, Reference: fmt.Appendf(nil, "m%d", id)}
	m := &moved{command: c, day: a.world.desk.day}
	a.moves = append(a.moves, m)
	return &doing{action: action{moving, id, amount}, command: encode(&c), move: m, recorded: true}
}

func (a *account) moveAgain() *doing {
	id := a.world.random.IntN(len(a.moves))
	m := a.moves[id]
	if !m.acked || m.day != a.world.desk.day { // references are free again on another day
		return a.read()
	}
	return &doing{action: action{removing, id, m.command.MoveCash.Amount}, command: encode(&m.command), move: m,
		recorded: true}
}

// place places an order near the market, most of them such that they trade.
func (a *account) place() *doing {
	w := a.world
	id := len(a.orders)
	if id == mostIDs {
		return a.read()
	}
	of := w.random.IntN(len(securities))
	s := &securities[of]
	side := trade.Buy
	if w.random.IntN(5) < 2 {
		side = trade.Sell
	}
	c := trade.Command{Kind: trade.PlaceOrderKind}
	c.PlaceOrder = trade.PlaceOrder{
		Account: a.id, Security: trade.SecurityID(of + 1), Side: side, Type: trade.Limit,
		Price:    s.near(w),
		Quantity: 100 * money.Quantity(1+w.random.IntN(20)), ClientID: fmt.Appendf(nil, "c%d", id),
	}
	p := &placed{command: c, side: side, of: c.PlaceOrder.Security, shares: c.PlaceOrder.Quantity, day: w.desk.day}
	a.orders = append(a.orders, p)
	return &doing{action: action{what: placing, id: id}, command: encode(&c), order: p, recorded: true}
}

// placeAgain sends an order a second time, as one does who is not sure that it went through.
func (a *account) placeAgain() *doing {
	id := len(a.orders) - 1 - a.world.random.IntN(min(12, len(a.orders)))
	p := a.orders[id]
	if p.day != a.world.desk.day || !p.acked {
		return a.read()
	}
	return &doing{action: action{what: repeating, id: id}, command: encode(&p.command), order: p, recorded: true}
}

// living is one of the account's newest orders that may still live, nil when there is none.
func (a *account) living() *placed {
	for back := range min(8, len(a.orders)) {
		p := a.orders[len(a.orders)-1-back]
		if p.acked && !p.ended && p.day == a.world.desk.day && a.world.random.IntN(2) == 0 {
			return p
		}
	}
	return nil
}

func (a *account) cancel() *doing {
	p := a.living()
	if p == nil {
		return nil
	}
	p.ended = true
	c := trade.Command{Kind: trade.CancelOrderKind, CancelOrder: trade.CancelOrder{Account: a.id, Order: p.id}}
	return &doing{command: encode(&c), target: p.id}
}

func (a *account) replace() *doing {
	old := a.living()
	id := len(a.orders)
	if old == nil || id == mostIDs {
		return nil
	}
	c := trade.Command{Kind: trade.ReplaceOrderKind}
	c.ReplaceOrder = trade.ReplaceOrder{
		Account: a.id, Order: old.id, Price: securities[old.of-1].near(a.world),
		Quantity: 100 * money.Quantity(1+a.world.random.IntN(20)), ClientID: fmt.Appendf(nil, "c%d", id),
	}
	p := &placed{command: c, side: old.side, of: old.of, shares: c.ReplaceOrder.Quantity, day: old.day}
	a.orders = append(a.orders, p)
	old.ended = true
	return &doing{action: action{what: placing, id: id}, command: encode(&c), order: p, recorded: true}
}
