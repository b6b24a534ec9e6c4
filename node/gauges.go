package node

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// gauges are what the machine says of itself in /metrics.
func (n *Node) gauges() (all []prometheus.Collector) {
	for _, s := range n.shards {
		all = append(append(all, s.gauges()...), s.linkGauges()...)
		if s.relay != nil {
			all = append(all, s.relayGauges()...)
		}
	}
	all = append(all, peakGauges{n.peaks})
	all = append(all, gateGauges{n.servers.gate})
	if n.config.inCluster() {
		all = append(all, peerGauges{n.cluster})
	}
	return all
}

// measure makes the measures of a shard, under its number.
type measure struct{ labels prometheus.Labels }

func (s *shard) measure() measure {
	return measure{prometheus.Labels{"shard": strconv.Itoa(int(s.number))}}
}

func (m measure) gauge(name, help string, read func() float64) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "evenkeel", Name: name, Help: help,
		ConstLabels: m.labels}, read)
}

func (m measure) count(name, help string, read func() float64) prometheus.Collector {
	return prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: "evenkeel", Name: name, Help: help,
		ConstLabels: m.labels}, read)
}

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// gauges are what a shard says of itself.
func (s *shard) gauges() []prometheus.Collector {
	gauge, count := s.measure().gauge, s.measure().count
	return []prometheus.Collector{
		gauge("log_applied_index", "Last log entry in the books.",
			func() float64 { return float64(s.group.Status().Applied) }),
		gauge("log_durable_index", "Last log entry on disk.",
			func() float64 { return float64(s.group.Status().Durable) }),
		gauge("log_queued_commands", "Commands that wait for the log.",
			func() float64 { return float64(s.group.Status().QueuedCommands) }),
		count("log_syncs_total", "Syncs of the log.", func() float64 { return float64(s.group.Status().Syncs) }),
		count("log_slow_syncs_total", "Syncs that took longer than the limit.",
			func() float64 { return float64(s.group.Status().SlowSyncs) }),
		gauge("log_snapshot_index", "Last entry in the newest snapshot.",
			func() float64 { return float64(s.group.Status().SnapshotIndex) }),
		gauge("log_leads", "1 when this node leads the shard.", func() float64 { return one(s.leads()) }),
		gauge("log_leader_known", "1 when this node knows who leads the shard.",
			func() float64 { return one(s.group.Leadership().Leader != 0) }),
		gauge("log_term", "Terms of leadership so far.", func() float64 { return float64(s.group.Leadership().Term) }),
		gauge("log_lag_entries", "Entries that are agreed, as far as this node knows, and not in its books yet.",
			func() float64 {
				status := s.group.Status()
				return float64(status.Committed - min(status.Committed, status.Applied))
			}),
		gauge("log_voters_heard", "Voters that are well, as the leader knows them, itself too; 0 where it is not here.",
			func() float64 { return float64(s.votersHeard()) }),
		gauge("records_lag_entries", "Log entries that the history has not taken.", func() float64 {
			return max(0, float64(s.day().Index())-float64(s.node.history.Index(s.number)))
		}),
		gauge("records_waiting_bytes", "Bytes that wait for the history.",
			func() float64 { return float64(s.views.tail.Waiting()) }),
	}
}

// votersHeard counts the voters that are well, as a leader knows them.
func (s *shard) votersHeard() (n int) {
	status := s.group.Status()
	if !status.Leading {
		return 0
	}
	for _, f := range status.Followers {
		if f.Active && !f.Learner {
			n++
		}
	}
	return n + 1
}

// linkGauges are what a shard's link to the exchange says of itself.
func (s *shard) linkGauges() []prometheus.Collector {
	gauge, count := s.measure().gauge, s.measure().count
	return []prometheus.Collector{
		gauge("exchange_connected", "1 when logged on to the exchange.",
			func() float64 { return one(s.link.Status().Connected) }),
		gauge("exchange_outbox", "Requests that the exchange has not confirmed.",
			func() float64 { return float64(s.link.Status().Outbox) }),
		gauge("exchange_oldest_seconds", "How long the oldest of those has waited in this session.",
			func() float64 { return s.link.Status().Oldest.Seconds() }),
		count("exchange_reports_total", "Reports that the books took.",
			func() float64 { return float64(s.link.Status().Applied) }),
		count("exchange_unwanted_reports_total", "Reports, phases and days that the books refused: look into each.",
			func() float64 { return float64(s.link.Status().Unwanted) }),
		count("exchange_reconnects_total", "Sessions with the exchange that ended.",
			func() float64 { return float64(s.link.Status().Reconnects) }),
		count("exchange_resent_total", "Requests sent that stood in the outbox when the session began.",
			func() float64 { return float64(s.link.Status().Resent) }),
		count("exchange_spared_total", "Requests that synchronised reports answered before they were sent again.",
			func() float64 { return float64(s.link.Status().Spared) }),
		gauge("exchange_outbox_wait_seconds", "How long the outbox waited for reports when the last session began.",
			func() float64 { return s.link.Status().LastWait.Seconds() }),
		count("exchange_replaced_total", "Sessions that another node of ours ended by logging on.",
			func() float64 { return float64(s.link.Status().Replaced) }),
		count("exchange_unproven_total", "Connections not made because this node may not lead any more.",
			func() float64 { return float64(s.link.Status().Unproven) }),
	}
}

// relayGauges are what the road of a shard's commands to its leader says of itself.
func (s *shard) relayGauges() []prometheus.Collector {
	gauge, count := s.measure().gauge, s.measure().count
	return []prometheus.Collector{
		gauge("relay_held_commands", "Commands on their way to the leader, or waiting for one.",
			func() float64 { return float64(s.relay.Status().Held) }),
		count("relay_forwarded_total", "Commands that went to another node.",
			func() float64 { return float64(s.relay.Status().Forwarded) }),
		count("relay_again_total", "Commands that were handed out once more after a change of leader.",
			func() float64 { return float64(s.relay.Status().Again) }),
		count("relay_unknown_total", "Commands whose outcome could not be told.",
			func() float64 { return float64(s.relay.Status().Unknown) }),
	}
}

// peerGauges are what the connections to the other nodes say of themselves; nodes come and go.
type peerGauges struct{ cluster *cluster }

var (
	peerConnected = prometheus.NewDesc("evenkeel_peer_connected", "1 when the node is connected.", []string{"node"}, nil)
	peerRoundTrip = prometheus.NewDesc("evenkeel_peer_round_trip_seconds", "Of a sign of life, lately.",
		[]string{"node"}, nil)
	peerDropped = prometheus.NewDesc("evenkeel_peer_dropped_total", "Messages that were dropped on the way to the node.",
		[]string{"node"}, nil)
)

// Describe implements prometheus.Collector.
func (peerGauges) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{peerConnected, peerRoundTrip, peerDropped} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (p peerGauges) Collect(out chan<- prometheus.Metric) {
	peers := p.cluster.peers.Load()
	if peers == nil {
		return
	}
	for _, v := range peers.Status() {
		id := strconv.FormatUint(v.Node, 10)
		out <- prometheus.MustNewConstMetric(peerConnected, prometheus.GaugeValue, one(v.Messages && v.Calls), id)
		out <- prometheus.MustNewConstMetric(peerRoundTrip, prometheus.GaugeValue, v.RoundTrip.Seconds(), id)
		out <- prometheus.MustNewConstMetric(peerDropped, prometheus.CounterValue, float64(v.Dropped), id)
	}
}
