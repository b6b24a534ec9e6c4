package intake

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"strings"
	"sync"
	"time"

	"evenkeel/core/trade"
)

// MaxKey is the longest idempotency key, in bytes.
const MaxKey = 128

// Keys remembers which body an idempotency key came with. Only the books make a request idempotent: where a request
// has no client order id, the key becomes one (ClientID), and so holds across restarts and machines for the trading
// day. The table here adds the refusal of a key that comes with another body and another client order id; it is
// bounded, in memory, and forgets the oldest first.
type Keys struct {
	limit int
	life  time.Duration
	clock func() time.Time

	mu    sync.Mutex
	seen  map[[32]byte]claim
	order [][32]byte // oldest first, from head
	head  int
}

type claim struct {
	body [32]byte
	at   time.Time
}

func newKeys(limit int, life time.Duration, clock func() time.Time) *Keys {
	return &Keys{limit: limit, life: life, clock: clock, seen: map[[32]byte]claim{}}
}

// ClientID is the client order id that stands for an idempotency key.
func ClientID(key string) string {
	sum := sha256.Sum256([]byte(key))
	return "idem-" + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:20]))
}

// Claim ties a key of an account to a request (its method, path and body). The same again is fine; another request is
// ErrKeyReused.
func (k *Keys) Claim(account trade.AccountID, key string, request []byte) error {
	if len(key) > MaxKey {
		return ErrKeyTooLong
	}
	name := sha256.Sum256(fmt.Appendf(nil, "%d %s", account, key))
	body := sha256.Sum256(request)
	now := k.clock()
	k.mu.Lock()
	defer k.mu.Unlock()
	if c, known := k.seen[name]; known && now.Sub(c.at) < k.life {
		if c.body != body {
			return ErrKeyReused
		}
		return nil
	} else if known { // its place in order is old: it may be forgotten early, and then comes anew
		k.seen[name] = claim{body: body, at: now}
		return nil
	}
	for len(k.seen) >= k.limit {
		delete(k.seen, k.order[k.head])
		k.head++
	}
	if k.head > len(k.order)/2 {
		k.order, k.head = append([][32]byte(nil), k.order[k.head:]...), 0
	}
	k.seen[name] = claim{body: body, at: now}
	k.order = append(k.order, name)
	return nil
}

// Forget drops all keys, as a restart does: what is left is what the books know.
func (k *Keys) Forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.seen)
	k.order, k.head = nil, 0
}
