package intake

import (
	"math"
	"runtime/metrics"
	"sync"
	"time"
)

// Pressure tells how long goroutines that could run wait for a processor: nine in ten waited less, since it was last
// asked. It is the earliest sign that the processors have more to do than they can, and one that no request's own
// time shows, since raft and the books wait in the same line.
func Pressure() func() time.Duration {
	var mu sync.Mutex
	sample := []metrics.Sample{{Name: "/sched/latencies:seconds"}}
	var before []uint64
	return func() time.Duration {
		mu.Lock()
		defer mu.Unlock()
		metrics.Read(sample)
		if sample[0].Value.Kind() != metrics.KindFloat64Histogram {
			return 0
		}
		h := sample[0].Value.Float64Histogram()
		if len(before) != len(h.Counts) {
			before = make([]uint64, len(h.Counts))
		}
		waited := share(h, before, .9)
		copy(before, h.Counts)
		return waited
	}
}

// share returns the time below which the given share of a histogram's counts lies, those before taken off.
func share(h *metrics.Float64Histogram, before []uint64, part float64) time.Duration {
	total := uint64(0)
	for i, n := range h.Counts {
		total += n - before[i]
	}
	seen, want := uint64(0), uint64(math.Ceil(part*float64(total)))
	for i, n := range h.Counts {
		if seen += n - before[i]; total > 0 && seen >= want {
			if upper := h.Buckets[i+1]; !math.IsInf(upper, 1) {
				return time.Duration(upper * float64(time.Second))
			}
			return time.Duration(h.Buckets[i] * float64(time.Second))
		}
	}
	return 0
}
