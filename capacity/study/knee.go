package study

import (
	"context"
	"fmt"
	"math"
)

// Step is a rate that was tried.
type Step struct {
	Rate   float64 `json:"rate"`
	Share  float64 `json:"share"`  // answered in time, of the class that was worst
	P99    float64 `json:"p99"`    // of the class that was worst against its objective
	Useful float64 `json:"useful"` // answered in time, a second
	Late   float64 `json:"late"`   // of the driver, p99
}

// Carried reports whether the rate kept its promises.
func (s *Step) Carried() bool { return s.Share >= Objective }

// Knee is the highest rate that was carried.
type Knee struct {
	Kind  string             `json:"kind"`
	Mix   string             `json:"mix"`
	Rate  float64            `json:"rate"`  // of the whole mix
	Rates map[string]float64 `json:"rates"` // by class
	Steps []Step             `json:"steps"` // in the order in which they were tried
	Bound string             `json:"bound,omitempty"`
}

// LateMost is how late a driver may be, p99 in ms, for what it measures to be the server's: a tenth of the strictest
// objective, the 50 ms of a cancel.
const LateMost = 5

// Doubt says when a knee may be lower than what the server carries: the driver itself was late at the lowest rate that
// was not carried, and latency counts from when a request was due. "" where there is nothing to doubt.
func (k *Knee) Doubt() string {
	var lowest *Step
	for i := range k.Steps {
		s := &k.Steps[i]
		if s.Carried() || s.Rate <= k.Rate {
			continue
		}
		if lowest == nil || s.Rate < lowest.Rate || s.Rate == lowest.Rate && s.Late < lowest.Late {
			lowest = s
		}
	}
	if lowest == nil || lowest.Late <= LateMost {
		return ""
	}
	return fmt.Sprintf("%s: at %s a second, which was not carried, the driver itself was %s ms late (p99), and that "+
		"counts as the server's: the knee is at least %s.", k.Kind, figure(lowest.Rate), figure(lowest.Late), figure(k.Rate))
}

// Search is where to look for a knee.
type Search struct {
	Start, Least, Most float64
	Precision          float64 // 0.03: the knee lies in so much more than what is told
}

// Probe tries a rate.
type Probe func(ctx context.Context, rate float64) (Step, error)

// maxSteps bounds a search.
const maxSteps = 60

// Find looks for the highest rate that is carried: doubled until one is not, then halved in between. A rate that
// was not carried is tried once more, since a machine has bad moments; what is carried once is not doubted.
func (s Search) Find(ctx context.Context, probe Probe) (k Knee, err error) {
	try := func(rate float64) (carried bool, err error) {
		for range 2 {
			step, err := probe(ctx, rate)
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return false, fmt.Errorf("a load of %.0f a second: %w", rate, err)
			}
			k.Steps = append(k.Steps, step)
			if step.Carried() {
				return true, nil
			}
		}
		return false, nil
	}
	good, bad := 0.0, 0.0
	for rate := min(max(s.Start, s.Least), s.Most); len(k.Steps) < maxSteps; {
		carried, err := try(rate)
		if err != nil {
			return k, err
		}
		if carried {
			good = max(good, rate)
		} else if bad == 0 || rate < bad {
			bad = rate
		}
		switch {
		case bad == 0 && good >= s.Most:
			k.Rate, k.Bound = good, fmt.Sprintf("more than %s was not tried", figure(s.Most))
			return k, nil
		case bad == 0:
			rate = min(2*good, s.Most)
		case good == 0 && bad <= s.Least:
			k.Bound = fmt.Sprintf("less than %s was not tried", figure(s.Least))
			return k, nil
		case good == 0:
			rate = max(bad/2, s.Least)
		case bad/good <= 1+s.Precision:
			k.Rate = good
			return k, nil
		default:
			rate = math.Sqrt(good * bad)
		}
	}
	k.Rate, k.Bound = good, "the search was cut off"
	return k, nil
}
