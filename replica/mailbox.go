package replica

import "sync"

// A mailbox carries values to the one goroutine that owns it, in order. Posting never blocks: what may be in a mailbox
// is bounded by its senders (entries in flight, inspections, one answer each), so that no two owners wait for each
// other.
type mailbox[T any] struct {
	mutex  sync.Mutex
	values []T
	wake   chan struct{}
}

func newMailbox[T any]() *mailbox[T] {
	return &mailbox[T]{wake: make(chan struct{}, 1)}
}

func (m *mailbox[T]) post(values ...T) {
	m.mutex.Lock()
	m.values = append(m.values, values...)
	m.mutex.Unlock()
	notify(m.wake)
}

// take returns all values; spent is a slice that the owner no longer needs.
func (m *mailbox[T]) take(spent []T) []T {
	clear(spent)
	m.mutex.Lock()
	values := m.values
	m.values = spent[:0]
	m.mutex.Unlock()
	return values
}

// notify wakes the owner of a channel of capacity one; a wake-up that is already there is enough.
func notify(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}
