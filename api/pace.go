package api

import (
	"sync"
	"time"
)

// maxPaced bounds the keys whose last event stream is remembered.
const maxPaced = 16_384

// paces holds new event streams of a key that opens them too fast. The published Go client comes back at once when a
// stream was aborted, and an error status makes it come back just as fast; only holding the request slows it down.
type paces struct {
	hold  time.Duration
	clock func() time.Time
	mu    sync.Mutex
	last  map[string]time.Time
}

func newPaces(hold time.Duration, clock func() time.Time) *paces {
	return &paces{hold: hold, clock: clock, last: map[string]time.Time{}}
}

// wait returns how long a new stream of the key is held: what is left of hold since the last one.
func (p *paces) wait(key string) time.Duration {
	now := p.clock()
	p.mu.Lock()
	defer p.mu.Unlock()
	last, known := p.last[key]
	if len(p.last) >= maxPaced {
		for k, t := range p.last {
			if now.Sub(t) >= p.hold || len(p.last) >= maxPaced {
				delete(p.last, k)
			}
		}
	}
	wait := time.Duration(0)
	if known {
		wait = min(p.hold, max(0, p.hold-now.Sub(last)))
	}
	p.last[key] = now.Add(wait)
	return wait
}
