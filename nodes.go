package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"evenkeel/node"
	"evenkeel/replica"
)

const nodesUsage = `Look after the nodes of a cluster, over the socket in the data directory of one of them, which only
its owner may open. Any node takes any of this, and hands it to the node that it concerns.

  evenkeel node status                            nodes, shards, leaders, how far each is
  evenkeel node status --json                     the same for programs
  evenkeel node drain                             before this node is stopped: its leaderships go to others, its
                                                  streams are aborted, new requests are refused for a while
  evenkeel node drain --id 2                      the same for node 2
  evenkeel node undrain --id 2                    it takes work again; a restart does that too
  evenkeel node transfer --shard 1 --to 3         node 3 leads shard 1
  evenkeel node add --id 4 --address 10.0.0.4:7100    a new node learns, and votes when it has the log; it is started
                                                  with evenkeel serve --join, before or after
  evenkeel node promote --id 4                    a node that learns votes, in all shards
  evenkeel node remove --id 3                     for good: a node id is never used twice
  evenkeel node features                          what the nodes' binaries know, and what is active
  evenkeel node activate --feature 2              when all nodes know it; from then on no older binary may run

A dead machine is replaced by remove and add, in this order, and a new id. Growing from one node to three is add,
twice. Leaderships go back to the nodes that are to have them (shard 0 to the first node, shard 1 to the second, ...)
when all have been well for a while; drain keeps them away.`

// nodeWorks are the words of `evenkeel node`, with the flags that each needs.
var nodeWorks = map[string][]string{
	"status": nil, "drain": nil, "undrain": nil, "transfer": {"to"}, "add": {"id", "address"}, "promote": {"id"},
	"remove": {"id"}, "features": nil, "activate": {"feature"},
}

func runNode(ctx context.Context, args []string, out io.Writer) error {
	f := flags("node", nodesUsage, out)
	data := f.String("data", "data", "data directory of a node on this machine")
	var o node.Operation
	f.Uint64Var(&o.Node, "id", 0, "the node that it is about (drain and undrain: default the one of --data)")
	to := f.Uint64("to", 0, "of transfer: the node that is to lead")
	f.IntVar(&o.Shard, "shard", -1, "of transfer: which shard (default: all)")
	f.StringVar(&o.Address, "address", "", "of add: host:port at which the other nodes reach it (its --peer-listen)")
	feature := f.Uint("feature", 0, "of activate: its number")
	learn := f.Bool("learner", false, "of add: it learns only, and does not vote")
	wait := f.Duration("wait", 10*time.Minute, "of add: how long to wait for the node to have the log")
	asJSON := f.Bool("json", false, "of status: for programs")
	var words []string
	for rest := args; ; {
		if err := parseFlags(f, rest); err != nil {
			return err
		}
		if f.NArg() == 0 {
			break
		}
		words, rest = append(words, f.Arg(0)), f.Args()[1:]
	}
	if len(words) != 1 {
		return wrong(f, "say one of status, drain, undrain, transfer, add, promote, remove, features, activate")
	}
	needs, known := nodeWorks[words[0]]
	if !known {
		return wrong(f, fmt.Sprintf("%q is none of status, drain, undrain, transfer, add, promote, remove, features, activate",
			words[0]))
	}
	for _, name := range needs {
		if v := f.Lookup(name).Value.String(); v == "" || v == "0" {
			return wrong(f, fmt.Sprintf("%s needs --%s", words[0], name))
		}
	}
	o.Do = words[0]
	switch o.Do {
	case "status":
		return nodeStatus(ctx, *data, *asJSON, out)
	case "features":
		return nodeFeatures(ctx, *data, out)
	case "activate":
		o.Feature = uint32(*feature)
	case "transfer":
		o.Node = *to
	default:
		if o.Shard >= 0 {
			return wrong(f, o.Do+" is about a node, not about one --shard of it")
		}
	}
	if err := operate(ctx, *data, &o, out); err != nil {
		return err
	}
	if o.Do != "add" || *learn {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, *wait)
	defer cancel()
	if err := awaitLearner(ctx, *data, o.Node, out); err != nil {
		return err
	}
	o.Do = "promote"
	return operate(ctx, *data, &o, out)
}

func operate(ctx context.Context, data string, o *node.Operation, out io.Writer) error {
	answer, err := askDesk(ctx, data, &node.DeskRequest{Do: "operate", Operation: o})
	if answer.Said != "" {
		_, _ = fmt.Fprintln(out, answer.Said)
	}
	return err
}

// Waiting for a node that learns.
const (
	learnerLook = 200 * time.Millisecond
	learnerNear = 64 // entries that it may lack: the log goes on meanwhile
	learnerSay  = 2 * time.Second
)

// awaitLearner waits until a node has the log of every shard, and says now and then how far it is.
func awaitLearner(ctx context.Context, data string, id uint64, out io.Writer) error {
	ticker := time.NewTicker(learnerLook)
	defer ticker.Stop()
	said := time.Now()
	for {
		answer, err := askDesk(ctx, data, &node.DeskRequest{Do: "nodes"})
		if err != nil {
			return err
		}
		shards, there, text := 0, 0, ""
		for _, n := range answer.Nodes {
			for _, s := range n.Shards {
				if !s.Leads {
					continue
				}
				shards++
				for _, f := range s.Followers {
					if f.Node != id {
						continue
					}
					if f.Match+learnerNear >= s.Committed && f.Active {
						there++
					}
					text += fmt.Sprintf("  shard %d: %d of %d", s.Shard, f.Match, s.Committed)
				}
			}
		}
		if shards > 0 && there == shards && len(answer.Nodes) > 0 && shards == shardsOf(answer.Nodes) {
			return nil
		}
		if time.Since(said) > learnerSay {
			said = time.Now()
			_, _ = fmt.Fprintf(out, "node %d learns: %d of %d shards are there%s\n", id, there, shardsOf(answer.Nodes), text)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("node %d learns, and does not have the log yet; is it running? `evenkeel node status` tells, and "+
				"`evenkeel node promote --id %d` goes on: %w", id, id, ctx.Err())
		}
	}
}

func shardsOf(nodes []node.Standing) (n int) {
	for _, one := range nodes {
		n = max(n, len(one.Shards))
	}
	return n
}

// nodeStatus prints how the cluster is, as its nodes say themselves.
func nodeStatus(ctx context.Context, data string, asJSON bool, out io.Writer) error {
	answer, err := askDesk(ctx, data, &node.DeskRequest{Do: "nodes"})
	if err != nil {
		return err
	}
	if asJSON {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(answer.Nodes)
	}
	table := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "node\tstate\tversion\tup\tAPI\tpeers at")
	for _, n := range answer.Nodes {
		if n.Trouble != "" {
			_, _ = fmt.Fprintf(table, "%d\tdoes not answer\t\t\t\t\n", n.Node)
			continue
		}
		_, _ = fmt.Fprintf(table, "%d\t%s\t%s\t%v\t%s\t%s\n", n.Node, stateOf(&n), n.Version, n.Up.Round(time.Second), n.API,
			n.Address)
	}
	_, _ = fmt.Fprintln(table, "\nshard\tnode\trole\tterm\tapplied\tlag\tcompared\tsnapshot\texchange")
	for shard := range shardsOf(answer.Nodes) {
		most := uint64(0)
		for _, n := range answer.Nodes {
			if shard < len(n.Shards) {
				most = max(most, n.Shards[shard].Committed)
			}
		}
		for _, n := range answer.Nodes {
			if shard < len(n.Shards) {
				s := &n.Shards[shard]
				_, _ = fmt.Fprintf(table, "%d\t%d\t%s\t%d\t%d\t%d\t%d\t%d\t%s\n", s.Shard, n.Node, roleOf(n.Node, s), s.Term,
					s.Applied, most-min(most, s.Applied), s.Compared, s.Snapshot, s.Link)
			}
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	var troubles []error
	for _, n := range answer.Nodes {
		if n.Trouble != "" {
			troubles = append(troubles, errors.New(n.Trouble))
		}
		for _, s := range n.Shards {
			if s.Differ != "" {
				_, _ = fmt.Fprintf(out, "node %d, shard %d: %s\n", n.Node, s.Shard, s.Differ)
			}
		}
		for _, reason := range n.Waits {
			_, _ = fmt.Fprintf(out, "node %d waits: %s\n", n.Node, reason)
		}
	}
	for _, trouble := range troubles {
		_, _ = fmt.Fprintln(out, trouble)
	}
	return nil
}

// nodeFeatures prints what the binaries of the nodes know, as their logs say, and what is active in which shards.
func nodeFeatures(ctx context.Context, data string, out io.Writer) error {
	answer, err := askDesk(ctx, data, &node.DeskRequest{Do: "nodes"})
	if err != nil {
		return err
	}
	active, knows := map[uint32][]string{}, map[uint32]map[uint64]bool{}
	for _, n := range answer.Nodes {
		for _, s := range n.Shards {
			if !s.Leads {
				continue
			}
			for _, f := range s.Features.Active {
				active[f.Number] = append(active[f.Number], strconv.Itoa(int(s.Shard)))
			}
			for _, k := range s.Features.Known {
				for _, number := range k.Numbers {
					if knows[number] == nil {
						knows[number] = map[uint64]bool{}
					}
					knows[number][k.Node] = true
				}
			}
		}
	}
	table := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "feature\tname\tsince\tactive in shards\tknown by nodes")
	for _, f := range replica.Known() {
		var nodes []string
		for _, id := range slices.Sorted(maps.Keys(knows[f.Number])) {
			nodes = append(nodes, strconv.FormatUint(id, 10))
		}
		slices.Sort(active[f.Number])
		_, _ = fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\n", f.Number, f.Name, f.Since, strings.Join(active[f.Number], " "),
			strings.Join(nodes, " "))
	}
	return table.Flush()
}

func stateOf(n *node.Standing) string {
	switch {
	case n.Draining:
		return "draining"
	case len(n.Waits) > 0:
		return "waiting"
	}
	return "ready"
}

// roleOf is what a node is in a shard, as it knows itself.
func roleOf(id uint64, s *node.ShardStanding) string {
	if s.Leads {
		return "leader"
	}
	for _, m := range s.Members {
		switch {
		case m.ID != id:
		case m.Learner:
			return "learner"
		case s.Leader == 0:
			return "voter, no leader"
		default:
			return "voter"
		}
	}
	return "no member"
}
