package ledger

import (
	"fmt"

	"evenkeel/core/money"
	"evenkeel/core/planted"
	"evenkeel/core/trade"
)

// Walk walks the claim of an order.
func (c *Claim) Walk(w *trade.Coder) {
	trade.Int64(w, &c.Price)
	trade.Int64(w, &c.Quantity)
	trade.Int64(w, &c.Filled)
	trade.Int64(w, &c.Amount)
	trade.Int64(w, &c.Cash)
	trade.Int64(w, &c.Shares)
	walkFees(w, &c.Fees)
	trade.Int32(w, &c.Security)
	trade.Int8(w, &c.Side)
}

func walkFees(w *trade.Coder, f *trade.Fees) {
	trade.Int64(w, &f.Commission)
	trade.Int64(w, &f.StampDuty)
	trade.Int64(w, &f.Transfer)
}

// WalkHouse walks the house's side of cash, and of the shares of the securities listed so far.
func (b *Books) WalkHouse(w *trade.Coder) {
	trade.Int64(w, &b.house.External)
	trade.Int64(w, &b.house.Market)
	walkFees(w, &b.house.Fees)
}

// WalkShares walks the house's side of the shares of one listed security.
func (b *Books) WalkShares(w *trade.Coder, security trade.SecurityID) {
	trade.Int64(w, &b.custody[security-1])
	trade.Int64(w, &b.market[security-1])
}

// Walk walks one account, which exists and, when reading, is empty. What is read may break invariants: Check
// afterwards.
func (b *Books) Walk(w *trade.Coder, n Number) {
	e := b.accounts.At(uint32(n))
	trade.Int64(w, &e.available)
	trade.Int64(w, &e.frozen)
	trade.Int64(w, &e.receivable)
	trade.Int64(w, &e.commission)
	count := e.count
	trade.Int16(w, &count)
	before := trade.SecurityID(0)
	for i := range count {
		var p position
		if !w.Reading() {
			p = *b.positions.at(e.block + uint32(i))
		}
		trade.Int32(w, &p.security)
		trade.Int64(w, &p.sellable)
		trade.Int64(w, &p.frozen)
		trade.Int64(w, &p.bought)
		trade.Int64(w, &p.cost)
		if !w.Reading() {
			continue
		}
		if planted.Is(planted.SettledEarly) {
			p.sellable, p.bought = p.sellable+p.bought, 0
		}
		if w.Err() == nil && (p.security <= before || int(p.security) > len(b.custody)) {
			w.Fail(fmt.Errorf("%w: account %d has security %d after %d, of %d",
				trade.ErrUnreadable, n, p.security, before, len(b.custody)))
		}
		if w.Err() == nil && (p.sellable|p.frozen|p.bought|money.Quantity(p.cost)) < 0 {
			w.Fail(fmt.Errorf("%w: account %d has less than nothing of security %d", trade.ErrUnreadable, n,
				p.security))
		}
		if w.Err() != nil {
			return
		}
		before = p.security
		if i == 0 {
			e.class = 1
			for 1<<(e.class-1) < int(count) {
				e.class++
			}
			if e.class >= classes {
				w.Fail(fmt.Errorf("%w: account %d has %d positions", trade.ErrUnreadable, n, count))
				e.class = 0
				return
			}
			e.block = b.positions.take(e.class)
		}
		e.count++
		*b.positions.at(e.block + uint32(i)) = p
	}
}
