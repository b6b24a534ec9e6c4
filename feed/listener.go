package feed

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrPlace: updates behind that place are no longer kept, or it is of another market: ask anew.
var ErrPlace = errors.New("updates behind that place are no longer kept")

// Listener receives frames, which it shares with those who want the same in the same form. One goroutine calls Next.
type Listener struct {
	market *Market

	mu      sync.Mutex
	circle  *circle
	number  uint64   // of the frame that it has next in the circle, or is at
	at      *Frame   // that Next returned last, until the next call
	own     bool     // at is of the backlog, or of a circle that it has left
	backlog []*Frame // before those of the circle
	waiting int      // updates in the backlog
	err     error    // it was lost, or has left
	left    bool
	changed chan struct{} // the circle is another one
}

// Listen makes a listener that wants nothing yet; it must leave.
func (m *Market) Listen() (*Listener, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.room(); err != nil {
		return nil, err
	}
	m.listeners++
	return &Listener{market: m, changed: make(chan struct{}, 1)}, nil
}

// Ask replaces what the listener wants, and how. What it has not had of what it wanted before still comes. With a
// place, what it wants and was told behind that place comes first, once and in order; ErrPlace when that cannot be
// had: then it is told what comes from now on.
func (l *Listener) Ask(in Interest, form Form, behind Place) error {
	m := l.market
	m.mu.Lock()
	defer m.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	l.depart()
	key := keyOf(&in, &form)
	c := m.circles[key]
	if c == nil || c.ended() {
		c = newCircle(key, in.clone(), form)
		c.latest = Place{m.epoch, m.number}
		m.circles[key] = c
		m.gather(c, &c.interest)
	}
	c.members++
	l.circle, l.number = c, c.enter()
	var err error
	if behind != (Place{}) {
		err = l.catchUp(m, c, behind)
	}
	select {
	case l.changed <- struct{}{}:
	default:
	}
	return err
}

// catchUp puts what was told behind a place before what comes.
func (l *Listener) catchUp(m *Market, c *circle, behind Place) error {
	if behind.Epoch != m.epoch || behind.Number > m.number || behind.Number < m.number-uint64(len(m.kept)) {
		return ErrPlace
	}
	past := newCircle(c.key, c.interest, c.form)
	past.latest = Place{m.epoch, m.number}
	past.tail = 1
	for n := behind.Number + 1; n <= m.number; n++ {
		if u := m.kept[(n-1)%MaxKept]; c.interest.wants(u) {
			past.take(u)
		}
	}
	past.latest.Number = m.number
	frames, err := past.leave(0)
	if err != nil {
		return ErrPlace // more than MaxBehind of them
	}
	l.keepBack(frames)
	return nil
}

func (l *Listener) keepBack(frames []*Frame) {
	for _, f := range frames {
		l.waiting += len(f.updates)
	}
	l.backlog = append(l.backlog, frames...)
	if l.waiting > MaxBehind {
		l.err = ErrSlow
	}
}

// depart leaves the circle, and keeps what was not had of it. Under both locks.
func (l *Listener) depart() {
	c := l.circle
	if c == nil {
		return
	}
	frames, err := c.leave(l.number)
	if err == nil && l.at != nil && !l.own {
		frames, l.own = frames[1:], true
	}
	l.keepBack(frames)
	if err != nil && l.err == nil {
		l.err = err
	}
	l.circle = nil
	if c.members--; c.members == 0 {
		if l.market.circles[c.key] == c {
			delete(l.market.circles, c.key)
		}
		l.market.scatter(c, &c.interest)
	}
}

// Leave ends the listener.
func (l *Listener) Leave() {
	m := l.market
	m.mu.Lock()
	defer m.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left {
		return
	}
	m.listeners--
	l.depart()
	l.backlog, l.at, l.waiting, l.err, l.left = nil, nil, 0, ErrClosed, true
}

// Next waits for the next frame; the one before counts as had. ErrSlow, ErrRestarted, ErrClosed or the context's error
// end it.
func (l *Listener) Next(ctx context.Context) (*Frame, error) {
	for {
		f, c, made, err := l.take()
		if f != nil || err != nil {
			return f, err
		}
		var news chan struct{}
		if c != nil {
			news = c.news
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-l.changed:
		case <-news:
		case <-made:
		}
	}
}

// take passes the frame before, and takes the next; or says what to wait for.
func (l *Listener) take() (f *Frame, c *circle, made chan struct{}, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c = l.circle; c != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
	}
	if l.at != nil && !l.own {
		c.pass(l.number)
		l.number++
	}
	l.at = nil
	if l.err != nil {
		return nil, nil, nil, l.err
	}
	if len(l.backlog) > 0 {
		l.at, l.own, l.backlog = l.backlog[0], true, l.backlog[1:]
		l.waiting -= len(l.at.updates)
		return l.at, nil, nil, nil
	}
	if c == nil {
		return nil, nil, nil, nil
	}
	if f, err = c.next(l.number); f != nil {
		l.at, l.own = f, false
	}
	return f, c, c.made, err
}

// Place is where the market is, when the listener has had all that it wants up to there.
func (l *Listener) Place() (p Place, ok bool) {
	m := l.market
	m.mu.RLock()
	defer m.mu.RUnlock()
	if _, behind := l.Lag(time.Time{}); behind > 0 || m.quiet {
		return p, false
	}
	return Place{m.epoch, m.number}, true
}

// Lag is how old the oldest update is that the listener has not had, and how many there are. A frame that Next
// returned has been had when Next is called again.
func (l *Listener) Lag(now time.Time) (age time.Duration, behind int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.circle != nil {
		age, behind = l.circle.lag(l.number, now)
	}
	behind += l.waiting
	if len(l.backlog) > 0 {
		age = now.Sub(l.backlog[0].born())
	}
	if l.at != nil && l.own {
		age, behind = now.Sub(l.at.born()), behind+len(l.at.updates)
	}
	return age, behind
}
