package intake

import (
	"sync"
	"time"

	"evenkeel/core/trade"
)

// budgetShards spreads the accounts over locks.
const budgetShards = 64

// budgets holds one leaky bucket per account and class, each as one number: the time until which the account has used
// up its rate. Below now the bucket is full, and the account need not be remembered.
type budgets struct {
	rates  [classes]Rate
	most   int // accounts per shard
	shards [budgetShards]budgetShard
}

type budgetShard struct {
	mu   sync.Mutex
	used map[trade.AccountID]*[classes]int64 // ns
}

func newBudgets(rates [classes]Rate, accounts int) *budgets {
	b := &budgets{rates: rates, most: max(1, accounts/budgetShards)}
	for i := range b.shards {
		b.shards[i].used = map[trade.AccountID]*[classes]int64{}
	}
	return b
}

// Allowance is where an account stands with its budget of a class.
type Allowance struct {
	Limit     int       // requests a minute
	Remaining int       // requests that would be taken now
	Reset     time.Time // when the budget is whole again
}

// take spends one request when the wait for it is at most most, and returns that wait; else it spends nothing, and ok
// is false.
func (b *budgets) take(id trade.AccountID, c Class, now time.Time, most time.Duration) (wait time.Duration, ok bool) {
	s := &b.shards[uint64(id)%budgetShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	used := s.used[id]
	if used == nil {
		if len(s.used) >= b.most {
			s.forget(now.UnixNano(), b.most)
		}
		used = new([classes]int64)
		s.used[id] = used
	}
	each := int64(time.Second) / int64(b.rates[c].PerSecond)
	at := max(used[c], now.UnixNano()) + each
	wait = time.Duration(at - now.UnixNano() - each*int64(b.rates[c].Burst))
	if wait > most {
		return wait, false
	}
	used[c] = at
	return max(0, wait), true
}

func (b *budgets) allowance(id trade.AccountID, c Class, now time.Time) Allowance {
	s := &b.shards[uint64(id)%budgetShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	rate := b.rates[c]
	at := now.UnixNano()
	if used := s.used[id]; used != nil {
		at = max(at, used[c])
	}
	each := int64(time.Second) / int64(rate.PerSecond)
	spent := (at - now.UnixNano() + each - 1) / each
	return Allowance{Limit: rate.PerSecond * 60, Remaining: max(0, rate.Burst-int(spent)), Reset: time.Unix(0, at)}
}

// forget drops the accounts whose buckets are full, and when none is, some: they start anew, which is in their
// favour.
func (s *budgetShard) forget(now int64, most int) {
	for id, used := range s.used {
		full := true
		for _, at := range used {
			full = full && at <= now
		}
		if full {
			delete(s.used, id)
		}
	}
	for id := range s.used {
		if len(s.used) < most {
			return
		}
		delete(s.used, id)
	}
}
