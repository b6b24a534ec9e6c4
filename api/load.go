package api

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"evenkeel/intake"
	"evenkeel/waiting"
)

// latencyBounds are the bounds of the latencies' buckets, in seconds.
var latencyBounds = []float64{.0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10}

// Load is how busy this front door is.
func (s *Server) Load() OpsLoad {
	v := OpsLoad{Orders: s.measures.latencies(isOrder), Reads: s.measures.latencies(func(pattern string) bool {
		return strings.HasPrefix(pattern, "GET ")
	})}
	for _, class := range intake.Classes() {
		v.Classes = append(v.Classes, OpsClass{Class: class.String(), InFlight: s.Door.InFlight(class),
			Waiting: s.Door.Waiting(class) + s.Door.Queue.Status(class).Waiting})
	}
	v.Requests, v.Refused = sum(s.measures.requests), sum(s.measures.refusals)
	v.Streams = int(sum(s.measures.readers))
	room := s.room.Status()
	v.Room = OpsRoom{Waiting: room.Waiting[waiting.First] + room.Waiting[waiting.General],
		First: room.Waiting[waiting.First], Rate: room.Rate,
		Expected: int(room.Expected.Seconds()), Oldest: int(room.Oldest.Seconds()),
		Turned: s.Door.Queue.TurnedAway()}
	v.Lag = s.Lag()
	if s.Capacity != nil {
		v.Capacity = pointer(s.Capacity())
	}
	return v
}

// isOrder reports whether requests of a route place, replace or cancel orders.
func isOrder(pattern string) bool {
	method, path, _ := strings.Cut(pattern, " ")
	return method != "GET" && (strings.HasPrefix(path, "/v2/orders") || strings.HasPrefix(path, "/api/v1/orders"))
}

// each calls take with every metric of a collector.
func each(from prometheus.Collector, take func(*dto.Metric)) {
	metrics := make(chan prometheus.Metric)
	go func() {
		defer close(metrics)
		from.Collect(metrics)
	}()
	for metric := range metrics {
		var v dto.Metric
		if metric.Write(&v) == nil {
			take(&v)
		}
	}
}

// latencies are how many requests of the routes took up to each bound, and then how many there were.
func (m *measures) latencies(of func(pattern string) bool) []uint64 {
	counts := make([]uint64, len(latencyBounds)+1)
	each(m.latency, func(v *dto.Metric) {
		if len(v.GetLabel()) != 1 || !of(v.GetLabel()[0].GetValue()) {
			return
		}
		for i, bucket := range v.GetHistogram().GetBucket() {
			if i < len(latencyBounds) {
				counts[i] += bucket.GetCumulativeCount()
			}
		}
		counts[len(latencyBounds)] += v.GetHistogram().GetSampleCount()
	})
	return counts
}

func sum(of prometheus.Collector) (total uint64) {
	each(of, func(v *dto.Metric) { total += uint64(v.GetCounter().GetValue() + v.GetGauge().GetValue()) })
	return total
}
