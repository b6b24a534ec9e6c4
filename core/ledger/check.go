package ledger

import (
	"errors"
	"fmt"

	"evenkeel/core/money"
	"evenkeel/core/trade"
)

// ErrUnbalanced is wrapped by every complaint of Check.
var ErrUnbalanced = errors.New("the books do not balance")

// Check verifies the invariants of all accounts and of the house against the claims of the day, done ones included,
// which claims visits. It reads everything and costs accordingly.
func (b *Books) Check(claims func(visit func(Number, *Claim))) error {
	frozen := make([]money.Cash, b.accounts.Len())
	proceeds := make([]money.Cash, b.accounts.Len())
	shares := make([]money.Quantity, len(b.positions.sheets)<<slabBits)
	var wrong error
	claims(func(n Number, c *Claim) {
		if wrong != nil {
			return
		}
		if int(n) >= len(frozen) {
			wrong = fmt.Errorf("%w: an order of account %d, of %d", ErrUnbalanced, n, len(frozen))
			return
		}
		frozen[n] += c.Cash
		if c.Side == trade.Sell {
			proceeds[n] += c.Amount - c.Fees.Total()
		}
		if c.Shares == 0 {
			return
		}
		e := b.accounts.At(uint32(n))
		i, found := b.search(e, c.Security)
		if !found {
			wrong = fmt.Errorf("%w: account %d sells security %d and has none", ErrUnbalanced, n, c.Security)
			return
		}
		shares[e.block+uint32(i)] += c.Shares
	})
	if wrong != nil {
		return wrong
	}
	cash := b.house.External + b.house.Market + b.house.Fees.Total()
	held := make([]money.Quantity, len(b.custody))
	for i := range b.custody {
		held[i] = b.custody[i] + b.market[i]
	}
	for n := range frozen {
		e := b.accounts.At(uint32(n))
		cash += e.available + e.frozen
		switch {
		case e.available < 0 || e.frozen < 0 || e.receivable < 0 || e.commission < 0:
			return fmt.Errorf("%w: account %d has %v, of it frozen %v", ErrUnbalanced, n, e.available+e.frozen,
				e.frozen)
		case e.frozen != frozen[n]:
			return fmt.Errorf("%w: account %d has %v frozen, its orders need %v", ErrUnbalanced, n, e.frozen,
				frozen[n])
		case e.receivable != proceeds[n]:
			return fmt.Errorf("%w: account %d has %v receivable, its sales brought %v", ErrUnbalanced, n, e.receivable,
				proceeds[n])
		}
		if err := b.checkPositions(Number(n), e, shares, held); err != nil {
			return err
		}
	}
	if cash != 0 {
		return fmt.Errorf("%w: cash of all accounts, market, fees and outside sums to %v", ErrUnbalanced, cash)
	}
	for i, sum := range held {
		if sum != 0 {
			return fmt.Errorf("%w: shares of security %d, market and custody sum to %d", ErrUnbalanced, i+1, sum)
		}
	}
	return nil
}

func (b *Books) checkPositions(n Number, e *entry, frozen, held []money.Quantity) error {
	before := trade.SecurityID(0)
	for i := range e.count {
		p := b.positions.at(e.block + uint32(i))
		switch {
		case p.security <= before || int(p.security) > len(held):
			return fmt.Errorf("%w: account %d has security %d after %d, of %d", ErrUnbalanced, n, p.security, before,
				len(held))
		case p.sellable < 0 || p.frozen < 0 || p.bought < 0 || p.cost < 0:
			return fmt.Errorf("%w: account %d has less than nothing of security %d", ErrUnbalanced, n, p.security)
		case p.frozen != frozen[e.block+uint32(i)]:
			return fmt.Errorf("%w: account %d has %d of security %d frozen, its orders need %d",
				ErrUnbalanced, n, p.frozen, p.security, frozen[e.block+uint32(i)])
		case p.total() == 0 && p.cost != 0:
			return fmt.Errorf("%w: account %d has none of security %d, at a cost of %v", ErrUnbalanced, n, p.security,
				p.cost)
		}
		before = p.security
		held[p.security-1] += p.total()
	}
	return nil
}
