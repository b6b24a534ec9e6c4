package api

import (
	"github.com/prometheus/client_golang/prometheus"

	"evenkeel/intake"
)

// doorMeasures are what the door says of each class, read when they are asked for.
type doorMeasures struct{ door *intake.Door }

func doorMeasure(name, help string, more ...string) *prometheus.Desc {
	return prometheus.NewDesc("evenkeel_intake_"+name, help, append([]string{"class"}, more...), nil)
}

var (
	commandsInFlight = doorMeasure("in_flight", "Commands and questions being worked on, whoever brought them.")
	commandsWaiting  = doorMeasure("waiting", "Commands that wait for budget or room behind the queue.")
	queueWaiting     = doorMeasure("queue_waiting", "Requests that wait for their turn.")
	queueUnderWay    = doorMeasure("queue_under_way", "Requests that had their turn and are being worked on.")
	queueLimit       = doorMeasure("queue_limit", "How many of the class and those that share with it may be worked on now.")
	queueTurns       = doorMeasure("queue_turns_total", "Requests that were worked on: straight, or after they waited.",
		"after")
	queueRefused = doorMeasure("queue_refused_total",
		"Requests that were not worked on: pushed_out of a full queue, outwaited, foreseen to be, or gone with their caller.", "reason")
	queueWaits = doorMeasure("queue_wait_seconds_total", "How long those that were worked on had waited, together.")
)

// Describe implements prometheus.Collector.
func (doorMeasures) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{commandsInFlight, commandsWaiting, queueWaiting, queueUnderWay, queueLimit,
		queueTurns, queueRefused, queueWaits} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (m doorMeasures) Collect(to chan<- prometheus.Metric) {
	for _, class := range intake.Classes() {
		gauge := func(d *prometheus.Desc, value int) {
			to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(value), class.String())
		}
		count := func(d *prometheus.Desc, value float64, labels ...string) {
			to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, value, append([]string{class.String()},
				labels...)...)
		}
		s := m.door.Queue.Status(class)
		gauge(commandsInFlight, m.door.InFlight(class))
		gauge(commandsWaiting, m.door.Waiting(class))
		gauge(queueWaiting, s.Waiting)
		gauge(queueUnderWay, s.Under)
		gauge(queueLimit, s.Limit)
		count(queueTurns, float64(s.Straight), "nothing")
		count(queueTurns, float64(s.Waited), "wait")
		count(queueRefused, float64(s.PushedOut), "pushed_out")
		count(queueRefused, float64(s.Outwaited), "outwaited")
		count(queueRefused, float64(s.Foreseen), "foreseen")
		count(queueRefused, float64(s.Gone), "gone")
		count(queueWaits, s.Wait.Seconds())
	}
}
