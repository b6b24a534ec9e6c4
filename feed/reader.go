package feed

import (
	"context"
	"maps"
	"sync"
	"time"
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

func (in *Interest) clone() Interest {
	c := Interest{Every: in.Every}
	for kind := range in.Symbols {
		c.Symbols[kind] = maps.Clone(in.Symbols[kind])
	}
	return c
}

func (in *Interest) wants(u *Update) bool { return in.Every[u.Kind] || in.Symbols[u.Kind][u.Symbol] }

// Reader receives updates. Its queue is bounded: who does not read is cut off.
type Reader struct {
	market   *Market
	latest   bool
	interest Interest // under the market's lock

	mu      sync.Mutex
	queue   []*Update
	counted int              // updates in the queue that count against ReaderQueue
	waiting map[snapshot]int // of a latest reader: where the snapshot that waits stands in the queue
	since   time.Time        // when the oldest in the queue came
	given   time.Time        // the same of what Next returned last, until the next call
	had     int              // how many those are
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

// room says why nobody more can be told; under the market's lock.
func (m *Market) room() error {
	switch {
	case m.closed:
		return ErrClosed
	case len(m.readers)+m.listeners >= MaxReaders:
		return ErrTooManyReaders
	}
	return nil
}

// Subscribe makes a reader; it must be closed with Leave.
func (m *Market) Subscribe() (*Reader, error) { return m.subscribe(false) }

// SubscribeLatest makes a reader for whom a newer quote, depth, limit or imbalance of a security takes the place of
// the one that still waits. Only other updates can cut it off, however slowly it reads.
func (m *Market) SubscribeLatest() (*Reader, error) { return m.subscribe(true) }

func (m *Market) subscribe(latest bool) (*Reader, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.room(); err != nil {
		return nil, err
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

// Readers counts the readers and the listeners.
func (m *Market) Readers() int {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return len(m.readers) + m.listeners
}

// Circles counts the different things that listeners want: each is encoded once.
func (m *Market) Circles() int {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return len(m.circles)
}

// Close cuts every reader off with ErrClosed.
func (m *Market) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	m.cutOff(ErrClosed)
}

func (m *Market) cutOff(err error) {
	for r := range m.readers {
		r.end(err)
	}
	for _, c := range m.circles {
		c.end(err)
	}
}

// taker takes updates, and waits for nobody: a reader, or a circle of listeners.
type taker interface{ take(*Update) }

// audience are those who want a kind of update: of all securities, and of some.
type audience struct {
	every   map[taker]struct{}
	symbols map[string]map[taker]struct{}
}

// tell numbers an update, keeps it, and gives it to those who want it; to nobody else is it any work. Under the
// market's lock.
func (m *Market) tell(u *Update) {
	if m.quiet {
		return
	}
	m.number++
	u.Number, u.At = m.number, time.Now()
	if len(m.kept) < MaxKept {
		m.kept = append(m.kept, u)
	} else {
		m.kept[(u.Number-1)%MaxKept] = u
	}
	a := &m.wanted[u.Kind]
	for r := range a.every {
		r.take(u)
	}
	for r := range a.symbols[u.Symbol] {
		if _, told := a.every[r]; !told {
			r.take(u)
		}
	}
}

// gather puts somebody into the audiences of what is wanted.
func (m *Market) gather(r taker, in *Interest) {
	for kind := range m.wanted {
		a := &m.wanted[kind]
		if in.Every[kind] {
			a.every[r] = struct{}{}
		}
		for symbol, wants := range in.Symbols[kind] {
			if !wants {
				continue
			}
			if a.symbols[symbol] == nil {
				a.symbols[symbol] = map[taker]struct{}{}
			}
			a.symbols[symbol][r] = struct{}{}
		}
	}
}

// scatter takes somebody out of them.
func (m *Market) scatter(r taker, in *Interest) {
	for kind := range m.wanted {
		a := &m.wanted[kind]
		delete(a.every, r)
		for symbol := range in.Symbols[kind] {
			delete(a.symbols[symbol], r)
			if len(a.symbols[symbol]) == 0 {
				delete(a.symbols, symbol)
			}
		}
	}
}

// forget takes a reader out of every audience.
func (m *Market) forget(r *Reader) {
	m.scatter(r, &r.interest)
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
	r.interest = in.clone()
	m.gather(r, &r.interest)
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
			r.queue[at] = u
			return
		}
		r.waiting[key] = len(r.queue)
	} else if r.counted++; r.counted > ReaderQueue {
		r.err, r.queue = ErrSlow, nil
		r.wake()
		return
	}
	if len(r.queue) == 0 {
		r.since = u.At
	}
	r.queue = append(r.queue, u)
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
func (r *Reader) Next(ctx context.Context) ([]*Update, error) {
	for {
		r.mu.Lock()
		queue, err := r.queue, r.err
		r.queue, r.counted, r.given, r.had = nil, 0, time.Time{}, len(queue)
		if len(queue) > 0 {
			r.given = r.since
		}
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

// Lag is how old the oldest update is that the reader has not had, and how many there are. What Next returned has been
// had when Next is called again.
func (r *Reader) Lag(now time.Time) (age time.Duration, behind int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case !r.given.IsZero():
		age = now.Sub(r.given)
	case len(r.queue) > 0:
		age = now.Sub(r.since)
	}
	return age, len(r.queue) + r.had
}
