package broker

import (
	"fmt"

	"evenkeel/core/ledger"
	"evenkeel/core/money"
	"evenkeel/core/trade"
)

// Flip changes one bit of a row behind the state's back, as a fault of memory does, and says of which, "" when there
// is no row yet. draw draws a number below n. Only tests and the simulation call it; places in queues stay as they
// are, because a circle of them is a program that hangs and not a state that is wrong.
func (s *State) Flip(draw func(n int) int) string {
	s.books.Settle()
	if s.accounts.Len() == 0 {
		return ""
	}
	bit := draw(40)
	if s.orders.Len() == 0 || draw(4) == 0 {
		n := draw(s.accounts.Len())
		s.books.Flip(ledger.Number(n), bit)
		return fmt.Sprintf("bit %d of the cash of account %d", bit, n+1)
	}
	i := seat(1 + draw(s.orders.Len()))
	o := s.at(i)
	part := draw(7)
	switch part {
	case 0:
		o.price ^= money.Price(1) << bit
	case 1:
		o.whole ^= money.Quantity(1) << bit
	case 2:
		o.Filled ^= money.Quantity(1) << bit
	case 3:
		o.Cash ^= money.Cash(1) << bit
	case 4:
		o.updated ^= trade.Time(1) << bit
	case 5:
		o.venueOrder[bit%len(o.venueOrder)] ^= 1 << (bit % 8)
	case 6:
		o.acceptedAt ^= trade.Time(1) << bit
	}
	return fmt.Sprintf("bit %d of part %d of request %d", bit, part, i)
}
