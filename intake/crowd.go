package intake

import "time"

// crowds is how many requests of a class may wait, for each processor, before newcomers are turned away where they
// come in: reading a request and finding out who asks takes tens of microseconds, and where thousands come at once
// that is most of the work, and stands in the processors' line before what has a turn. What waits here is worked on
// within some 20 ms. 0: none is turned away before it is read.
var crowds = [classes]int{Quote: 128, Query: 128, Order: 32}

// Crowds reports whether requests of a class may be turned away before they are read.
func Crowds(c Class) bool { return crowds[c] > 0 }

// Crowded is why a request that has just come is turned away; nil: it is not. key is who asks, as far as it is known
// before the request is read: who has nothing waiting may come in while twice as many wait, so that a crowd of one
// account's requests keeps nobody else's out.
func (q *Queue) Crowded(c Class, key uint64) error {
	if q.limits.Off || crowds[c] == 0 {
		return nil
	}
	most := crowds[c] * q.processors
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Since(q.start)
	q.look(now)
	l := &q.lines[c]
	if l.all.size < most || key != 0 && l.askers[key] == nil && l.all.size < 2*most {
		return nil
	}
	q.counts[c].Foreseen++
	return q.refuse(c, now)
}
