package node

import (
	"context"
	"fmt"
	"time"

	"evenkeel/api"
	"evenkeel/books"
	"evenkeel/capacity"
	"evenkeel/core/rules"
)

// quietMarket is how long the exchange's market data may be silent before the node says so; its heartbeats come more
// often.
const quietMarket = 10 * time.Second

// api makes the front door.
func (n *Node) api() *api.Server {
	return api.New(api.Parts{
		Door: n.door, Directory: n.directory, Passwords: n.passwords, Day: n.dayOf,
		Listing: n.listing(),
		Market:  n.market, Documents: n.documents, History: n.history,
		Rules: func() *rules.Rules { return n.rules },
		Fresh: api.Fresh{Account: n.freshOf, All: n.freshAll, Lately: n.latelyOf},
		House: n.house, HouseNews: n.houseNews, Ops: staff{n},
		Ready: n.unready, Demo: n.config.Demo, Sealer: n.sealer,
		DemoLogins: n.demoLogins, Capacity: func() capacity.Report { return n.peaks.Report(time.Now()) },
		Version: n.config.Version, Gauges: n.gauges(), Log: n.log, Limits: api.Limits{Streams: n.config.Streams},
	})
}

// unready says why orders cannot be carried out now. History and statements are not among the reasons.
func (n *Node) unready() (reasons []string) {
	if n.draining.Load() {
		reasons = append(reasons, "the node is being drained: its work goes to the others")
	}
	for _, s := range n.shards {
		of := ""
		if len(n.shards) > 1 {
			of = fmt.Sprintf("shard %d: ", s.number)
		}
		for _, reason := range s.unready() {
			reasons = append(reasons, of+reason)
		}
	}
	reasons = append(reasons, n.cluster.trouble()...)
	if err := n.exchangeTrouble(); err != nil {
		reasons = append(reasons, err.Error())
	}
	if heard := n.market.Heard(); time.Since(heard) > quietMarket {
		reasons = append(reasons, "no market data from the exchange")
	}
	if missing := n.demoWaits(); missing != "" {
		reasons = append(reasons, missing)
	}
	return reasons
}

// behind is how many entries a node may be behind what it knows to be agreed, and still be ready.
const behind = 4096

// unready says why orders of the shard's accounts cannot be carried out now, as far as this node knows.
func (s *shard) unready() (reasons []string) {
	switch status := s.group.Status(); {
	case status.Diverged != "":
		reasons = append(reasons, "this node's books are not those of most nodes: it stops")
	case status.Leader == 0:
		reasons = append(reasons, fmt.Sprintf("the log takes no commands: no leader is known (term %d)", status.Term))
	case s.leads():
		if err := s.link.Status().Ready(); err != nil {
			reasons = append(reasons, err.Error())
		}
	case status.Leading:
		reasons = append(reasons, "a new leader takes in what is agreed")
	case status.Committed > status.Applied+behind:
		reasons = append(reasons, fmt.Sprintf("this node is %d entries behind", status.Committed-status.Applied))
	}
	if day, _ := s.views.listing.Today(); day == 0 {
		reasons = append(reasons, "no trading day has begun")
	}
	if missing := s.unlisted(); missing > 0 {
		reasons = append(reasons, fmt.Sprintf("%d securities are still to be listed", missing))
	}
	return reasons
}

// check reads the books' own audit of every shard, between two commands.
func (n *Node) check(ctx context.Context) error {
	for _, s := range n.shards {
		var wrong error
		if err := s.inspect(ctx, func(b *books.Books) { wrong = b.State().Check() }); err != nil {
			return err
		}
		if wrong != nil {
			return fmt.Errorf("shard %d: %w", s.number, wrong)
		}
	}
	return nil
}
