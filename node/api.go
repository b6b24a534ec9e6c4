package node

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"evenkeel/api"
	"evenkeel/books"
	"evenkeel/core/rules"
)

// quietMarket is how long the exchange's market data may be silent before the node says so; its heartbeats come more
// often.
const quietMarket = 10 * time.Second

// api makes the front door.
func (n *Node) api() *api.Server {
	return api.New(api.Parts{
		Door: n.door, Directory: n.views.directory, Passwords: n.passwords, Day: n.books.Day(),
		Listing: n.views.listing,
		Market:  n.market, Documents: n.views.documents, History: n.history,
		Rules: func() *rules.Rules { return n.rules },
		Ready: n.unready, Demo: n.config.Demo, Version: n.config.Version, Gauges: n.gauges(), Log: n.log,
	})
}

// unready says why orders cannot be carried out now. History and statements are not among the reasons.
func (n *Node) unready() (reasons []string) {
	if s := n.group.Status(); !s.Leading {
		reasons = append(reasons, fmt.Sprintf("the log takes no commands (leader %d, term %d)", s.Leader, s.Term))
	}
	if err := n.exchangeTrouble(); err != nil {
		reasons = append(reasons, err.Error())
	}
	if err := n.link.Status().Ready(); err != nil {
		reasons = append(reasons, err.Error())
	}
	if heard := n.market.Heard(); time.Since(heard) > quietMarket {
		reasons = append(reasons, "no market data from the exchange")
	}
	if day, _ := n.views.listing.Today(); day == 0 {
		reasons = append(reasons, "no trading day has begun")
	}
	if missing := n.demoWaits(); missing != "" {
		reasons = append(reasons, missing)
	}
	return reasons
}

// gauges are what the machine says of itself in /metrics.
func (n *Node) gauges() []prometheus.Collector {
	gauge := func(name, help string, read func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "evenkeel", Name: name, Help: help}, read)
	}
	count := func(name, help string, read func() float64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: "evenkeel", Name: name, Help: help}, read)
	}
	return []prometheus.Collector{
		gauge("log_applied_index", "Last log entry in the books.",
			func() float64 { return float64(n.group.Status().Applied) }),
		gauge("log_durable_index", "Last log entry on disk.",
			func() float64 { return float64(n.group.Status().Durable) }),
		gauge("log_queued_commands", "Commands that wait for the log.",
			func() float64 { return float64(n.group.Status().QueuedCommands) }),
		count("log_syncs_total", "Syncs of the log.", func() float64 { return float64(n.group.Status().Syncs) }),
		count("log_slow_syncs_total", "Syncs that took longer than the limit.",
			func() float64 { return float64(n.group.Status().SlowSyncs) }),
		gauge("log_snapshot_index", "Last entry in the newest snapshot.",
			func() float64 { return float64(n.group.Status().SnapshotIndex) }),
		gauge("exchange_connected", "1 when logged on to the exchange.", func() float64 {
			if n.link.Status().Connected {
				return 1
			}
			return 0
		}),
		gauge("exchange_outbox", "Requests that the exchange has not confirmed.",
			func() float64 { return float64(n.link.Status().Outbox) }),
		count("exchange_reports_total", "Reports that the books took.",
			func() float64 { return float64(n.link.Status().Applied) }),
		count("exchange_unwanted_reports_total", "Reports, phases and days that the books refused: look into each.",
			func() float64 { return float64(n.link.Status().Unwanted) }),
		count("exchange_reconnects_total", "Sessions with the exchange that ended.",
			func() float64 { return float64(n.link.Status().Reconnects) }),
		gauge("records_lag_entries", "Log entries that the history has not taken.", func() float64 {
			return max(0, float64(n.books.Day().Index())-float64(n.history.Index()))
		}),
		gauge("records_waiting_bytes", "Bytes that wait for the history.",
			func() float64 { return float64(n.views.tail.Waiting()) }),
	}
}

// check reads the books' own audit, between two commands.
func (n *Node) check(ctx context.Context) (err error) {
	if looked := n.inspect(ctx, func(b *books.Books) { err = b.State().Check() }); looked != nil {
		return looked
	}
	return err
}
