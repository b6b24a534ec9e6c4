package feed

import (
	"context"
	"maps"
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

// Reader receives updates. Its queue is bounded: who does not read is cut off.
type Reader struct {
	market   *Market
	latest   bool
	interest Interest // under the market's lock

	mu      sync.Mutex
	queue   []Update
	counted int              // updates in the queue that count against ReaderQueue
	waiting map[snapshot]int // of a latest reader: where the snapshot that waits stands in the queue
	err     error
	news    chan struct{}
}

// snapshot names what a newer update makes worthless.
type snapshot struct {
	kind   UpdateKind
	symbol string
}

// replaceable kinds tell how things stand, not what happened.
var replaceable = [updateKinds]bool{QuoteUpdate: true, DepthUpdate: true, LimitUpdate: true, ImbalanceUpdate: true}

// Subscribe makes a reader; it must be closed with Leave.
func (m *Market) Subscribe() (*Reader, error) { return m.subscribe(false) }

// SubscribeLatest makes a reader for whom a newer quote, depth, limit or imbalance of a security takes the place of
// the one that still waits. Only other updates can cut it off, however slowly it reads.
func (m *Market) SubscribeLatest() (*Reader, error) { return m.subscribe(true) }

func (m *Market) subscribe(latest bool) (*Reader, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, ErrClosed
	}
	if len(m.readers) >= MaxReaders {
		return nil, ErrTooManyReaders
	}
	r := &Reader{market: m, latest: latest, news: make(chan struct{}, 1)}
	if latest {
		r.waiting = map[snapshot]int{}
	}
	m.readers[r] = struct{}{}
	return r, nil
}

// Leave ends a reader.
func (m *Market) Leave(r *Reader) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget(r)
	delete(m.readers, r)
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
	for r := range m.readers {
		r.end(ErrClosed)
	}
}

// audience are the readers who want a kind of update: those of all securities, and those of some.
type audience struct {
	every   map[*Reader]struct{}
	symbols map[string]map[*Reader]struct{}
}

// listened reports whether anybody would be told.
func (m *Market) listened(kind UpdateKind, symbol string) bool {
	a := &m.wanted[kind]
	return !m.quiet && (len(a.every) > 0 || len(a.symbols[symbol]) > 0)
}

// tell gives an update to those who want it, and to nobody else is it any work. Under the market's lock.
func (m *Market) tell(u Update) {
	if m.quiet {
		return
	}
	a := &m.wanted[u.Kind]
	for r := range a.every {
		r.take(&u)
	}
	for r := range a.symbols[u.Symbol] {
		if _, told := a.every[r]; !told {
			r.take(&u)
		}
	}
}

// forget takes a reader out of every audience.
func (m *Market) forget(r *Reader) {
	for kind := range m.wanted {
		a := &m.wanted[kind]
		delete(a.every, r)
		for symbol := range r.interest.Symbols[kind] {
			delete(a.symbols[symbol], r)
			if len(a.symbols[symbol]) == 0 {
				delete(a.symbols, symbol)
			}
		}
	}
	r.interest = Interest{}
}

// Ask replaces what the reader is interested in.
func (r *Reader) Ask(in Interest) {
	m := r.market
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget(r)
	if _, here := m.readers[r]; !here {
		return
	}
	r.interest.Every = in.Every
	for kind := range m.wanted {
		a := &m.wanted[kind]
		if in.Every[kind] {
			a.every[r] = struct{}{}
		}
		r.interest.Symbols[kind] = maps.Clone(in.Symbols[kind])
		for symbol, wants := range in.Symbols[kind] {
			if !wants {
				continue
			}
			if a.symbols[symbol] == nil {
				a.symbols[symbol] = map[*Reader]struct{}{}
			}
			a.symbols[symbol][r] = struct{}{}
		}
	}
}

func (r *Reader) take(u *Update) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return
	}
	if r.latest && replaceable[u.Kind] {
		key := snapshot{u.Kind, u.Symbol}
		if at, waits := r.waiting[key]; waits {
			r.queue[at] = *u
			return
		}
		r.waiting[key] = len(r.queue)
	} else if r.counted++; r.counted > ReaderQueue {
		r.err, r.queue = ErrSlow, nil
		r.wake()
		return
	}
	r.queue = append(r.queue, *u)
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

// Next waits for updates and returns all that came since the last call, oldest first. ErrSlow, ErrRestarted, ErrClosed
// or the context's error end it.
func (r *Reader) Next(ctx context.Context) ([]Update, error) {
	for {
		r.mu.Lock()
		queue, err := r.queue, r.err
		r.queue, r.counted = nil, 0
		clear(r.waiting)
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
