package intake

import (
	"context"
	"time"
)

// verdict is what became of a request that waits.
type verdict uint8

const (
	waits     verdict = iota
	granted           // it may be worked on
	pushedOut         // the queue was full, and it was the oldest of the lowest class
	outwaited         // it waited longer than its class has patience
	gone              // its caller has gone
)

// entry is a request that waits. It stands in two chains: the line's, by age, and its asker's.
type entry struct {
	class Class
	key   uint64
	since time.Duration // when it came, since the queue was made
	state verdict
	ctx   context.Context // who waits for the answer
	told  chan struct{}   // one element when state is no longer waits
	of    *asker
	age   link[entry]
	own   link[entry]
	next  *entry // in the store of entries to use again
}

// asker is an account with requests in a line.
type asker struct {
	key     uint64
	entries chain[entry] // by age
	turn    link[asker]
	next    *asker // in the store of askers to use again
}

func byAge(e *entry) *link[entry]  { return &e.age }
func byOwn(e *entry) *link[entry]  { return &e.own }
func byTurn(a *asker) *link[asker] { return &a.turn }

// line is the requests of one class that wait. Accounts take turns, one request each: who has just had a turn goes to
// the end. An account that comes anew stands behind all others, or before them where the newest goes first; so does a
// request among those of its account.
type line struct {
	newestFirst bool
	all         chain[entry] // by age
	turns       chain[asker] // the first is next
	askers      map[uint64]*asker
	idle        *asker        // to use again
	stands      time.Duration // since when somebody has waited here at every moment
}

// push puts a request at its place.
func (l *line) push(e *entry) {
	if l.all.size == 0 {
		l.stands = e.since
	}
	a := l.askers[e.key]
	if a == nil {
		if a = l.idle; a != nil {
			l.idle, a.next = a.next, nil
		} else {
			a = &asker{}
		}
		a.key = e.key
		l.askers[e.key] = a
		if l.newestFirst {
			l.turns.pushFirst(a, byTurn)
		} else {
			l.turns.pushLast(a, byTurn)
		}
	}
	e.of = a
	a.entries.pushLast(e, byOwn)
	l.all.pushLast(e, byAge)
}

// take removes the request whose turn it is; nil when nobody waits.
func (l *line) take() *entry {
	a := l.turns.first
	if a == nil {
		return nil
	}
	e := a.entries.first
	if l.newestFirst {
		e = a.entries.last
	}
	l.remove(e)
	if a.entries.size > 0 {
		l.turns.remove(a, byTurn)
		l.turns.pushLast(a, byTurn)
	}
	return e
}

// remove takes a request out, wherever it stands.
func (l *line) remove(e *entry) {
	a := e.of
	e.of = nil
	l.all.remove(e, byAge)
	a.entries.remove(e, byOwn)
	if a.entries.size == 0 {
		l.turns.remove(a, byTurn)
		delete(l.askers, a.key)
		a.next, l.idle = l.idle, a
	}
}

// link is an element's place in a chain.
type link[T any] struct{ before, after *T }

// chain is a list whose elements hold their own places, so that they are put in and taken out of anywhere without an
// allocation. at says which place of an element is this chain's.
type chain[T any] struct {
	first, last *T
	size        int
}

func (c *chain[T]) pushLast(v *T, at func(*T) *link[T]) {
	*at(v) = link[T]{before: c.last}
	if c.last == nil {
		c.first = v
	} else {
		at(c.last).after = v
	}
	c.last = v
	c.size++
}

func (c *chain[T]) pushFirst(v *T, at func(*T) *link[T]) {
	*at(v) = link[T]{after: c.first}
	if c.first == nil {
		c.last = v
	} else {
		at(c.first).before = v
	}
	c.first = v
	c.size++
}

func (c *chain[T]) remove(v *T, at func(*T) *link[T]) {
	place := at(v)
	if place.before == nil {
		c.first = place.after
	} else {
		at(place.before).after = place.after
	}
	if place.after == nil {
		c.last = place.before
	} else {
		at(place.after).before = place.before
	}
	*place = link[T]{}
	c.size--
}
