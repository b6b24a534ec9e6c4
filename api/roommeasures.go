package api

import (
	"github.com/prometheus/client_golang/prometheus"

	"evenkeel/waiting"
)

// roomMeasures are what the waiting room says, read when they are asked for.
type roomMeasures struct{ room *waiting.Room }

func roomMeasure(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("evenkeel_waiting_room_"+name, help, labels, nil)
}

var (
	roomLength = roomMeasure("length",
		"Places given away whose turn has not come; who has gone away for ever is among them.", "lane")
	roomExpected = roomMeasure("expected_seconds", "How long who comes now waits.")
	roomOldest   = roomMeasure("oldest_seconds", "How long who is next has waited; 0 when nobody waits.")
	roomRate     = roomMeasure("calls_per_second", "Places called, lately; 0 when nobody waits.")
	roomTickets  = roomMeasure("tickets_total", "Places given away.", "lane")
	roomAdmitted = roomMeasure("admitted_total", "Logins let in: straight, when nobody waited, or by ticket.", "by")
	roomRefused  = roomMeasure("refused_total",
		"Answers that were a place in line (new, early, back: the work had no room after all), and tickets that were worth nothing "+
			"(invalid, spent).", "reason")
)

// Describe implements prometheus.Collector.
func (roomMeasures) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{roomLength, roomExpected, roomOldest, roomRate, roomTickets,
		roomAdmitted, roomRefused} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (m roomMeasures) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	count := func(d *prometheus.Desc, value uint64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(value), labels...)
	}
	s := m.room.Status()
	for l := range waiting.Lanes {
		gauge(roomLength, float64(s.Waiting[l]), l.String())
		count(roomTickets, s.Tickets[l], l.String())
		count(roomAdmitted, s.Admitted[l], l.String())
	}
	count(roomAdmitted, s.Straight, "straight")
	gauge(roomExpected, s.Expected.Seconds())
	gauge(roomOldest, s.Oldest.Seconds())
	gauge(roomRate, s.Rate)
	count(roomRefused, s.Tickets[waiting.General]+s.Tickets[waiting.First], "new")
	count(roomRefused, s.Looked, "early")
	count(roomRefused, s.Back, "back")
	count(roomRefused, s.Invalid, "invalid")
	count(roomRefused, s.Spent, "spent")
}
