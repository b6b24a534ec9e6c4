package load

import (
	"math/rand/v2"
	"time"
)

// flow is the arrivals of a class.
type flow struct {
	class Class
	curve Curve
	sums  []float64
	n     float64       // requests that have been due, in the curve's measure
	next  time.Duration // of the one that comes; none when over
	over  bool
}

// schedule says when which request is due, from the beginning on. The same configuration gives the same schedule.
type schedule struct {
	flows   []*flow
	poisson bool
	random  *rand.Rand
	take    int // of every so many requests, which one is given; all read the same schedule
	of      int
	turn    int
}

func newSchedule(c *Config) (*schedule, error) {
	s := &schedule{poisson: c.Poisson, random: rand.New(rand.NewPCG(c.Seed, 1))} //nolint:gosec // to be repeated
	all := c.Mix.sum()
	for class, share := range c.Mix {
		if share == 0 {
			continue
		}
		curve, err := curveOf(c.Shape, Class(class), c.Rate*share/all, c.Warm.Seconds(), c.Lasts.Seconds())
		if err != nil {
			return nil, err
		}
		f := &flow{class: Class(class), curve: curve, sums: curve.sums()}
		if !s.poisson { // flows do not begin with one beat
			f.n = float64(class)/float64(Classes) - 1
		}
		s.advance(f)
		s.flows = append(s.flows, f)
	}
	return s, nil
}

// advance finds a flow's next arrival. Arrivals of a rate that changes are those of a rate of 1 in the measure of its
// total: even ones at the whole numbers, those at random after exponential gaps.
func (s *schedule) advance(f *flow) {
	if s.poisson {
		f.n += s.random.ExpFloat64()
	} else {
		f.n++
	}
	at, ok := f.curve.when(f.n, f.sums)
	f.next, f.over = after(at), !ok
}

// pop gives the next request of this share; ok is false when there is none.
func (s *schedule) pop() (class Class, due time.Duration, ok bool) {
	for {
		class, due, ok = s.first()
		mine := s.of < 2 || s.turn%s.of == s.take
		s.turn++
		if mine || !ok {
			return class, due, ok
		}
	}
}

// first takes the earliest arrival of all.
func (s *schedule) first() (class Class, due time.Duration, ok bool) {
	var first *flow
	for _, f := range s.flows {
		if !f.over && (first == nil || f.next < first.next) {
			first = f
		}
	}
	if first == nil {
		return 0, 0, false
	}
	class, due = first.class, first.next
	s.advance(first)
	return class, due, true
}
