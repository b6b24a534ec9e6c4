package broker

import (
	"errors"
	"fmt"

	"evenkeel/core/ledger"
	"evenkeel/core/trade"
)

// ErrBroken is wrapped by the complaints of Check that are not about cash and shares (ledger.ErrUnbalanced).
var ErrBroken = errors.New("the broker's state contradicts itself")

// Check verifies all invariants of the whole house, independently of how they were kept: what each order needs frozen
// is computed again, sums are taken again, queues are walked, and at last Verify looks for rows that no command
// changed. It costs time in proportion to accounts and orders.
func (s *State) Check() error {
	open := make([]uint32, s.accounts.Len())
	for i := seat(1); int(i) <= s.orders.Len(); i++ {
		o := s.at(i)
		if int(o.account) >= len(open) {
			return fmt.Errorf("%w: request %d is of account %d, of %d", ErrBroken, i, o.account, len(open))
		}
		var err error
		if o.target != 0 {
			err = s.checkCancel(i, o)
		} else {
			err = s.checkOrder(i, o)
		}
		if err != nil {
			return fmt.Errorf("%w: request %d: %w", ErrBroken, i, err)
		}
		if o.target == 0 && !o.status.Done() {
			open[o.account]++
		}
	}
	for n := range open {
		if has := s.books.Card(ledger.Number(n)).Open; has != open[n] {
			return fmt.Errorf("%w: account %d counts %d open orders and has %d", ErrBroken, n, has, open[n])
		}
	}
	if err := s.checkQueues(); err != nil {
		return err
	}
	if s.logins.used != s.accounts.Len() || s.books.Accounts() != s.accounts.Len() ||
		s.symbols.used != len(s.securities) {
		return fmt.Errorf("%w: %d accounts, %d ledgers, %d logins", ErrBroken, s.accounts.Len(), s.books.Accounts(),
			s.logins.used)
	}
	err := s.books.Check(func(visit func(ledger.Number, *ledger.Claim)) {
		for i := seat(1); int(i) <= s.orders.Len(); i++ {
			if o := s.at(i); o.target == 0 {
				visit(o.account, &o.Claim)
			}
		}
	})
	if err != nil {
		return err
	}
	return s.Verify()
}

// within reports whether a seat is one of today's, or none.
func (s *State) has(i seat) bool { return int(i) <= s.orders.Len() }

// checkCancel: a cancel is queued exactly as long as its order waits for the answer.
func (s *State) checkCancel(i seat, o *order) error {
	if !s.has(o.target) || s.at(o.target).target != 0 || s.at(o.target).account != o.account {
		return fmt.Errorf("cancels %d, which is not an order of the account", o.target)
	}
	if waits := s.at(o.target).cancel == i; waits != (o.queue != noQueue) {
		return fmt.Errorf("is in queue %d, and its order waits for it: %t", o.queue, waits)
	}
	return nil
}

func (s *State) checkOrder(i seat, o *order) error {
	known := o.status >= trade.PendingNew && o.status <= trade.AwaitsCancel
	switch {
	case !known, o.Side != trade.Buy &&
		o.Side != trade.Sell, s.security(o.Security) == nil, int(o.tariff) >= len(s.tariffs):
		return fmt.Errorf("status %d, side %d, security %d, tariff %d", o.status, o.Side, o.Security, o.tariff)
	case o.Quantity <= 0 || o.Filled < 0 || o.Filled > o.Quantity ||
		(o.Filled == o.Quantity) != (o.status == trade.Filled),
		o.Claim.Price <= 0 || o.Amount < 0 || o.Amount > 2*ledger.MaxAmount || o.whole <= 0:
		return fmt.Errorf("status %d, quantity %d, filled %d, amount %v", o.status, o.Quantity, o.Filled, o.Amount)
	case !s.has(o.replaces) || !s.has(o.replacedBy) || !s.has(o.cancel):
		return errors.New("refers to a request that does not exist")
	case o.cancel != 0 && s.at(o.cancel).target != i:
		return fmt.Errorf("waits for %d, which is not its cancel", o.cancel)
	case o.Fees.Commission < 0 || o.Fees.StampDuty < 0 || o.Fees.Transfer < 0 || o.Fees.Total() > o.Amount &&
		o.Side == trade.Sell:
		return fmt.Errorf("was charged %v on %v", o.Fees.Total(), o.Amount)
	}
	if err := s.checkPlace(i, o); err != nil {
		return err
	}
	return s.checkFrozen(o)
}

// checkPlace: the status fits the queue, the cancel and the replacement.
func (s *State) checkPlace(i seat, o *order) error {
	live := !o.status.Done()
	atBroker := o.status == trade.Held || o.status == trade.AwaitsCancel
	switch {
	case (o.queue == outbox) != (live && !atBroker && o.acceptedAt == 0):
		return fmt.Errorf("status %d, accepted at %d, queue %d", o.status, o.acceptedAt, o.queue)
	case (o.queue > outbox) != (o.status == trade.Held):
		return fmt.Errorf("status %d, queue %d", o.status, o.queue)
	case live && (o.cancel != 0) != (o.status == trade.CancelPending || o.status == trade.ReplacePending):
		return fmt.Errorf("status %d, cancel %d", o.status, o.cancel)
	case o.status == trade.PendingNew && o.acceptedAt != 0, o.status == trade.Working && (o.acceptedAt == 0 ||
		o.Filled > 0),
		o.status == trade.PartlyFilled && o.Filled == 0, atBroker && (o.Filled > 0 || o.acceptedAt != 0):
		return fmt.Errorf("status %d, accepted at %d, filled %d", o.status, o.acceptedAt, o.Filled)
	case o.status == trade.ReplacePending && (o.replacedBy == 0 || s.at(o.replacedBy).status != trade.AwaitsCancel ||
		s.at(o.replacedBy).replaces != i):
		return fmt.Errorf("is being replaced by %d, which does not know it", o.replacedBy)
	case o.status == trade.AwaitsCancel && (o.replaces == 0 || s.at(o.replaces).status != trade.ReplacePending ||
		s.at(o.replaces).replacedBy != i):
		return fmt.Errorf("waits for the end of %d, which does not know it", o.replaces)
	case o.status == trade.AwaitsCancel && (s.at(o.replaces).account != o.account ||
		s.at(o.replaces).Security != o.Security ||
		s.at(o.replaces).Side != o.Side):
		return fmt.Errorf("waits for the end of %d, which is of another kind", o.replaces)
	}
	return nil
}

// checkFrozen computes again what an order needs.
func (s *State) checkFrozen(o *order) error {
	worst, ok := ledger.Worst(&o.Claim, &s.tariffs[o.tariff], s.books.Commission(o.account))
	switch live := !o.status.Done(); {
	case !ok && live && o.Side == trade.Buy:
		return fmt.Errorf("needs more than %v", ledger.MaxAmount)
	case !live && (o.Cash != 0 || o.Shares != 0):
		return fmt.Errorf("is done and has %v and %d shares frozen", o.Cash, o.Shares)
	case !live:
		return nil
	case o.Side == trade.Buy && o.Shares != 0 || o.Side == trade.Sell && o.Cash != 0:
		return fmt.Errorf("side %d has %v and %d shares frozen", o.Side, o.Cash, o.Shares)
	case o.status == trade.AwaitsCancel:
		// What it may need beyond its old order; the whole at most.
		if o.Cash < 0 || o.Cash > worst || o.Shares < 0 || o.Shares > o.Quantity {
			return fmt.Errorf("waits with %v and %d shares frozen, needs at most %v", o.Cash, o.Shares, worst)
		}
	case o.Side == trade.Buy && o.Cash != worst:
		return fmt.Errorf("has %v frozen and needs %v", o.Cash, worst)
	case o.Side == trade.Sell && o.Shares != o.Left():
		return fmt.Errorf("has %d shares frozen and needs %d", o.Shares, o.Left())
	}
	return nil
}

// checkQueues walks every queue both ways, and counts that no request is lost between them.
func (s *State) checkQueues() error {
	queued := 0
	for q := range s.chains {
		before, walked := seat(0), 0
		for i := s.chains[q].first; i != 0; i = s.at(i).next {
			if !s.has(i) || s.at(i).prev != before || s.at(i).queue != queue(q) || walked > s.orders.Len() {
				return fmt.Errorf("%w: queue %d breaks at request %d", ErrBroken, q, i)
			}
			before = i
			walked++
		}
		if s.chains[q].last != before {
			return fmt.Errorf("%w: queue %d ends at request %d, not %d", ErrBroken, q, before, s.chains[q].last)
		}
		queued += walked
	}
	for i := seat(1); int(i) <= s.orders.Len(); i++ {
		if s.at(i).queue != noQueue {
			queued--
		}
	}
	if queued != 0 {
		return fmt.Errorf("%w: %d requests are in two queues, or in none", ErrBroken, queued)
	}
	return nil
}
