package broker

import (
	"bytes"

	"github.com/zeebo/xxh3"

	"evenkeel/core/ledger"
	"evenkeel/core/planted"
	"evenkeel/core/trade"
)

// moveCash: UnknownAccount, CommandUnreadable, then those of ledger.MoveCash.
func (s *State) moveCash(c *trade.MoveCash) trade.Answer {
	n, a := s.account(c.Account)
	switch {
	case a == nil:
		return refuse(trade.UnknownAccount)
	case len(c.Reference) > trade.MaxReference:
		return refuse(trade.CommandUnreadable)
	case s.hasMoved(n, false, c.Reference) && !planted.Is(planted.ReferenceIgnored):
		return s.replayed(n)
	case s.movements.Len() >= MaxMovementsOfDay:
		return refuse(trade.OrderLimitOfDay)
	}
	if reason, numbers := s.books.MoveCash(n, c.Amount); reason != trade.Accepted {
		return trade.Answer{Reason: reason, Numbers: numbers}
	}
	s.remember(n, false, c.Reference)
	e := s.accountEvent(trade.CashMoved, n)
	e.Cash = trade.CashMovement{Amount: c.Amount, Reference: c.Reference}
	e.Balance = s.books.Balance(n)
	s.settled(e)
	return s.done(n)
}

// moveShares: UnknownAccount, CommandUnreadable, UnknownSecurity, then those of ledger.MoveShares.
func (s *State) moveShares(c *trade.MoveShares) trade.Answer {
	n, a := s.account(c.Account)
	switch {
	case a == nil:
		return refuse(trade.UnknownAccount)
	case len(c.Reference) > trade.MaxReference:
		return refuse(trade.CommandUnreadable)
	case s.hasMoved(n, true, c.Reference):
		return s.replayed(n)
	case s.security(c.Security) == nil:
		return refuse(trade.UnknownSecurity)
	case s.movements.Len() >= MaxMovementsOfDay:
		return refuse(trade.OrderLimitOfDay)
	}
	cost, reason, numbers := s.books.MoveShares(n, c.Security, c.Quantity, c.Cost)
	if reason != trade.Accepted {
		return trade.Answer{Reason: reason, Numbers: numbers}
	}
	s.remember(n, true, c.Reference)
	e := s.accountEvent(trade.SharesMoved, n)
	e.Shares = trade.ShareMovement{Quantity: c.Quantity, Cost: cost, Reference: c.Reference}
	e.Position, e.Balance = s.books.Position(n, c.Security), s.books.Balance(n)
	s.settled(e)
	return s.done(n)
}

// movementHash keeps the two kinds of movements apart.
func (s *State) movementHash(n ledger.Number, shares bool, reference []byte) uint64 {
	of := uint64(n) << 1
	if shares {
		of |= 1
	}
	return xxh3.HashSeed(reference, s.seed^of*mixer)
}

func (s *State) hasMoved(n ledger.Number, shares bool, reference []byte) bool {
	hash := s.movementHash(n, shares, reference)
	number, next, ok := s.moved.probe(hash, hash)
	for ok {
		m := s.movements.At(number - 1)
		if m.account == n && m.shares == shares && bytes.Equal(s.clientIDs.read(m.reference), reference) {
			return true
		}
		number, next, ok = s.moved.probe(hash, next)
	}
	return false
}

func (s *State) remember(n ledger.Number, shares bool, reference []byte) {
	i, m := s.movements.Add()
	*m = movement{account: n, shares: shares, reference: s.clientIDs.keep(reference)}
	hash := s.movementHash(n, shares, reference)
	s.moved.put(hash, i+1)
	s.sums.day += movedHash(i, hash)
}
