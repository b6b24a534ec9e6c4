package feed

import (
	"context"
	"slices"
	"sync"
)

// Interest says of which securities a reader wants which updates. Every is for all securities.
type Interest struct {
	Every   [updateKinds]bool
	Symbols [updateKinds]map[string]bool
}

// Want adds symbols of a kind; "*" is all of them.
func (in *Interest) Want(kind UpdateKind, symbols ...string) {
	for _, s := range symbols {
		if s == "*" {
			in.Every[kind] = true
			continue
		}
		if in.Symbols[kind] == nil {
			in.Symbols[kind] = map[string]bool{}
		}
		in.Symbols[kind][s] = true
	}
}

func (in *Interest) has(kind UpdateKind, symbol string) bool {
	return in.Every[kind] || in.Symbols[kind][symbol]
}

// Reader receives updates. Its queue is bounded: who does not read is cut off.
type Reader struct {
	mu       sync.Mutex
	interest Interest
	queue    []Update
	err      error
	news     chan struct{}
}

// Subscribe makes a reader; it must be closed with Leave.
func (m *Market) Subscribe() (*Reader, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, ErrClosed
	}
	if len(m.readers) >= MaxReaders {
		return nil, ErrTooManyReaders
	}
	r := &Reader{news: make(chan struct{}, 1)}
	m.readers = append(m.readers, r)
	return r, nil
}

// Leave ends a reader.
func (m *Market) Leave(r *Reader) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.readers = slices.DeleteFunc(m.readers, func(other *Reader) bool { return other == r })
}

// Readers counts the readers.
func (m *Market) Readers() int {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return len(m.readers)
}

// Close cuts every reader off with ErrClosed.
func (m *Market) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	for _, r := range m.readers {
		r.end(ErrClosed)
	}
}

// tell gives an update to those who want it. Under the market's lock.
func (m *Market) tell(u Update) {
	for _, r := range m.readers {
		r.take(u)
	}
}

// Ask replaces what the reader is interested in.
func (r *Reader) Ask(in Interest) {
	r.mu.Lock()
	r.interest = in
	r.mu.Unlock()
}

func (r *Reader) take(u Update) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil || !r.interest.has(u.Kind, u.Symbol) {
		return
	}
	if len(r.queue) >= ReaderQueue {
		r.err, r.queue = ErrSlow, nil
	} else {
		r.queue = append(r.queue, u)
	}
	r.wake()
}

func (r *Reader) end(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = err
	}
	r.wake()
}

func (r *Reader) wake() {
	select {
	case r.news <- struct{}{}:
	default:
	}
}

// Next waits for updates and returns all that came since the last call, oldest first. ErrSlow, ErrClosed or the
// context's error end it.
func (r *Reader) Next(ctx context.Context) ([]Update, error) {
	for {
		r.mu.Lock()
		queue, err := r.queue, r.err
		r.queue = nil
		r.mu.Unlock()
		if len(queue) > 0 {
			return queue, nil
		}
		if err != nil {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-r.news:
		}
	}
}
