package ledger

import (
	"evenkeel/core/money"
	"evenkeel/core/must"
	"evenkeel/core/trade"
)

// position is what an account has of one security; the total is the sum of its three parts.
type position struct {
	security trade.SecurityID
	sellable money.Quantity
	frozen   money.Quantity
	bought   money.Quantity
	cost     money.Cash
}

func (p *position) total() money.Quantity { return p.sellable + p.frozen + p.bought }

func (p *position) position() trade.Position {
	return trade.Position{
		Security: p.security, Total: p.total(), Sellable: p.sellable, Frozen: p.frozen, Bought: p.bought, Cost: p.cost,
	}
}

// part returns the cost of so many of the shares: in proportion, rounded half-up, all of it for all of them.
func (p *position) part(quantity money.Quantity) money.Cash {
	total := p.total()
	if quantity == total {
		return p.cost
	}
	v, ok := money.MulDiv(int64(p.cost), int64(quantity), int64(total), money.HalfUp)
	must.Hold(ok, "a part of a cost fits")
	return money.Cash(v)
}

// search returns where a security stands, or would, among an account's positions.
func (b *Books) search(e *entry, security trade.SecurityID) (i int, found bool) {
	if e.count == 0 {
		return 0, false
	}
	block := b.positions.block(e.block, e.count)
	low, high := 0, len(block)
	for high-low > 8 {
		if middle := (low + high) / 2; block[middle].security <= security {
			low = middle
		} else {
			high = middle
		}
	}
	for ; low < high; low++ {
		if block[low].security >= security {
			return low, block[low].security == security
		}
	}
	return high, false
}

// find returns a position, or nil. The pointer is valid until the account's next insert.
func (b *Books) find(e *entry, security trade.SecurityID) *position {
	if i, found := b.search(e, security); found {
		return b.positions.at(e.block + uint32(i))
	}
	return nil
}

// insert returns a position of the account that is open, to be changed; it is made where it is missing.
func (b *Books) insert(e *entry, security trade.SecurityID) *position {
	i, found := b.search(e, security)
	if found {
		p := b.positions.at(e.block + uint32(i))
		b.openPosition(p)
		return p
	}
	b.settlePosition() // the others may move
	must.Hold(security >= 1 && int(security) <= len(b.custody), "the security is listed")
	if e.class == 0 {
		e.block, e.class = b.positions.take(1), 1
	} else if int(e.count) == 1<<(e.class-1) {
		wider := b.positions.take(e.class + 1)
		copy(b.positions.block(wider, e.count), b.positions.block(e.block, e.count))
		b.positions.give(e.block, e.class)
		e.block, e.class = wider, e.class+1
	}
	e.count++
	block := b.positions.block(e.block, e.count)
	copy(block[i+1:], block[i:])
	block[i] = position{security: security}
	b.held.position = &block[i] // a new row: no sum has it yet
	return &block[i]
}
