package intake

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// exit is where those go out who were not even looked at. Telling one so takes some 40 us, most of it the kernel's,
// and in a storm of thousands a second these are what fills a processor: each is a goroutine that the network has
// woken, and what is runnable has one line, in which the five goroutines of an order stand behind all of them (seen:
// 4,000, half a second each). So they are let out few at a time, with a pause between in which everybody else has a
// turn. Who lets them out stands in that line, too: where it is long, the pause is, and what is left of the processors
// after all else goes to refusals. Meanwhile a crowd's connections wait for their answers, and bring nothing new.
//
// A pause also empties the line, and only then does the runtime look at the network more often than every 10 ms. So
// pauses are as long as the network has waited lately: what goes out comes in again, and while it does so faster than
// it is looked at, everybody's requests wait where no line of ours has an order.
//
// Source: Mogul and Ramakrishnan, Eliminating Receive Livelock, ACM TOCS 15(3), 1997.
type exit struct {
	mu      sync.Mutex
	first   *dismissed
	last    *dismissed
	letting bool
	waiting int
	wanted  atomic.Int64 // the next pause: what the network waits, and more while questions wait
}

// dismissed is one who waits to be told.
type dismissed struct {
	next *dismissed
	told chan struct{} // one element, so that nobody waits for who has not come yet
}

// What goes out at once for each processor, and the least pause behind that: 8,000 a second with an idle processor, of
// which they take a third. The longest pause lets out 250 a second.
const (
	exitBatch   = 8
	exitPause   = time.Millisecond
	exitLongest = 32 * time.Millisecond
	exitCrowded = 4 * time.Millisecond // the least while questions wait
)

// pause is how long the next have to wait.
func (e *exit) pause() time.Duration {
	return min(max(exitPause, time.Duration(e.wanted.Load())), exitLongest)
}

// leave waits until the caller may go out. Everybody does in his turn, so it is over after as many pauses as there are
// batches of connections.
func (e *exit) leave() {
	d := &dismissed{told: make(chan struct{}, 1)}
	e.mu.Lock()
	if e.last == nil {
		e.first = d
	} else {
		e.last.next = d
	}
	e.last = d
	e.waiting++
	if !e.letting {
		e.letting = true
		go e.let(exitBatch * runtime.GOMAXPROCS(0))
	}
	e.mu.Unlock()
	<-d.told
}

// let lets them out, until nobody has come for a whole pause.
func (e *exit) let(batch int) {
	for {
		e.mu.Lock()
		if e.first == nil {
			e.letting = false
			e.mu.Unlock()
			return
		}
		for n := 0; n < batch && e.first != nil; n++ {
			d := e.first
			if e.first = d.next; e.first == nil {
				e.last = nil
			}
			e.waiting--
			d.told <- struct{}{}
		}
		e.mu.Unlock()
		time.Sleep(e.pause())
	}
}

// Leave is for who was turned away by Knock: it returns when he may be told so.
func (q *Queue) Leave() { q.exit.leave() }

// Leaving is how many wait to be told that they are turned away.
func (q *Queue) Leaving() int {
	q.exit.mu.Lock()
	defer q.exit.mu.Unlock()
	return q.exit.waiting
}
