package intake

import (
	"math"
	"time"
)

// Usual is how long one kind of request takes when nothing is in its way: the least mean that a window has seen, which
// is slowly forgotten, since what is usual changes. Kinds differ by orders of magnitude; only against its own kind can
// it be said that a request was slow. Its members belong to the queue that it is given to.
type Usual struct {
	least float64 // s; 0: not known yet
	sum   float64 // s, in this window
	count float64
}

// forget is how much of the distance to the present mean the least forgets with every window: about 1 % a second.
const forget = 0.0005

// tune is how a limit adapts.
type tune struct {
	floor, ceiling int
	quick          time.Duration // what takes less than this was not slow, whatever is usual
	grow, shrink   float64       // the share that waits inside: below grow the limit is raised, above shrink lowered
}

// Windows of the limit: it is looked at when so many requests have ended and so much time has passed.
const (
	windowCount = 16
	windowTime  = 20 * time.Millisecond
)

// limit adapts how many requests are worked on at once, as TCP Vegas does with a window: from how much longer they
// take than at the best of times follows how many of them only wait for each other inside. Few: more are let in.
// Many: fewer, since those wait better outside, in a queue that knows who goes first. It moves by steps that are a
// share of itself, so that it comes from the floor to anywhere in a second.
//
// Source: Brakmo and Peterson, TCP Vegas, IEEE JSAC 13(8), 1995; Netflix, concurrency-limits, 2018 (VegasLimit).
type limit struct {
	tune
	now     float64
	most    int // requests under way at the same time, in this window
	took    float64
	usual   float64 // what they would have taken
	count   int
	began   time.Duration
	touched []*Usual
}

func newLimit(t tune) limit { return limit{tune: t, now: float64(t.floor)} }

// size is how many may be worked on.
func (l *limit) size() int { return int(l.now) }

// sample counts a request in that has ended, when n were under way.
func (l *limit) sample(u *Usual, took time.Duration, n int) {
	if l.ceiling == l.floor {
		return
	}
	l.most = max(l.most, n)
	l.count++
	if u.count == 0 {
		l.touched = append(l.touched, u)
	}
	u.sum += took.Seconds()
	u.count++
}

// ripe reports whether there is enough to judge by.
func (l *limit) ripe(now time.Duration) bool {
	return l.count >= windowCount && now-l.began >= windowTime
}

// adapt ends a window. pressed says that the processors have more to do than they can, by a sign from elsewhere: then
// the limit is not raised, and is lowered when it is far from the floor.
func (l *limit) adapt(now time.Duration, pressed bool) {
	took, usual := 0.0, 0.0
	for _, u := range l.touched {
		mean := u.sum / u.count
		switch {
		case u.least == 0 || mean < u.least && u.count >= 4:
			u.least = mean
		default:
			u.least += (mean - u.least) * forget
		}
		took += u.sum
		usual += u.count * max(u.least, min(mean, l.quick.Seconds()))
		u.sum, u.count = 0, 0
	}
	inside := 0.0 // the share of the limit that waits
	if took > usual {
		inside = 1 - usual/took
	}
	switch {
	case inside > l.shrink, pressed && inside > l.grow:
		l.now -= max(1, l.now/8)
	case pressed:
		l.now -= max(1, l.now/16)
	case inside < l.grow && l.most >= l.size()-1:
		l.now += max(1, l.now/8)
	}
	l.now = math.Min(math.Max(l.now, float64(l.floor)), float64(l.ceiling))
	l.touched, l.count, l.most, l.began = l.touched[:0], 0, 0, now
}
