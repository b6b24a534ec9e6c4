package node

import (
	"github.com/prometheus/client_golang/prometheus"

	"evenkeel/gate"
)

// gateGauges are what the gate says of connections.
type gateGauges struct{ gate *gate.Gate }

var (
	gateOpen = prometheus.NewDesc("evenkeel_gate_connections", "Connections of clients.", nil, nil)
	gateMost = prometheus.NewDesc("evenkeel_gate_connections_limit", "How many there may be.", nil, nil)
	gateGone = prometheus.NewDesc("evenkeel_gate_refused_total",
		"Connections that were let go: full, their address has its share (address), new ones or handshakes come too_fast, "+
			"evicted for a newcomer, reset again and again, without a balancer's header, or of strangers who ask too fast.", []string{"reason"}, nil)
)

// Describe implements prometheus.Collector.
func (gateGauges) Describe(to chan<- *prometheus.Desc) {
	to <- gateOpen
	to <- gateMost
	to <- gateGone
}

// Collect implements prometheus.Collector.
func (g gateGauges) Collect(to chan<- prometheus.Metric) {
	to <- prometheus.MustNewConstMetric(gateOpen, prometheus.GaugeValue, float64(g.gate.Open()))
	to <- prometheus.MustNewConstMetric(gateMost, prometheus.GaugeValue, float64(g.gate.Most()))
	for _, r := range gate.Refusals() {
		to <- prometheus.MustNewConstMetric(gateGone, prometheus.CounterValue, float64(g.gate.Refused(r)), r.String())
	}
}
