package node

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"evenkeel/api"
	"evenkeel/replica"
)

// Standing is how a node is, as it says itself.
type Standing struct {
	Node     uint64          `json:"node"`
	Trouble  string          `json:"trouble,omitempty"` // why nothing is known of it; the rest is empty then
	Address  string          `json:"address,omitempty"` // where the other nodes reach it
	API      string          `json:"api,omitempty"`
	Version  string          `json:"version,omitempty"`
	Draining bool            `json:"draining,omitempty"`
	Up       time.Duration   `json:"up,omitempty"`
	Waits    []string        `json:"waits,omitempty"` // why it is not ready
	Shards   []ShardStanding `json:"shards,omitempty"`
	Load     *api.OpsLoad    `json:"load,omitempty"` // of its front door
}

// ShardStanding is how a shard is on a node.
type ShardStanding struct {
	Shard     uint16             `json:"shard"`
	Leader    uint64             `json:"leader"`
	Leads     bool               `json:"leads,omitempty"` // this node, with everything of earlier terms applied
	Term      uint64             `json:"term"`
	Applied   uint64             `json:"applied"`
	Committed uint64             `json:"committed"`
	Snapshot  uint64             `json:"snapshot"`
	Compared  uint64             `json:"compared"`         // at this entry its state is known to be that of most members
	Differ    string             `json:"differ,omitempty"` // why the members' states may not be equal
	Link      string             `json:"link,omitempty"`   // of a leader: "up", or why it is not
	Members   []replica.Member   `json:"members,omitempty"`
	Followers []replica.Follower `json:"followers,omitempty"` // of a leader

	Queued     int    `json:"queued"`    // commands that wait for the log
	InFlight   int    `json:"in_flight"` // entries proposed and not yet applied
	Syncs      uint64 `json:"syncs"`
	SlowSyncs  uint64 `json:"slow_syncs"`
	Outbox     int    `json:"outbox"`           // requests that the exchange has not confirmed
	Oldest     int64  `json:"oldest,omitempty"` // of those, how long it has waited, ms
	Reports    uint64 `json:"reports"`          // that the books took, since this node started
	Reconnects uint64 `json:"reconnects"`

	Features replica.FeatureState `json:"features"`
}

// linkUp is a session with the exchange that stands.
const linkUp = "up"

// standing is how this node is.
func (n *Node) standing() Standing {
	v := Standing{Node: n.config.Node, API: n.servers.plainURL(), Version: n.config.Version, Up: time.Since(n.started),
		Draining: n.draining.Load(), Waits: n.unready()}
	if n.config.inCluster() {
		v.Address = n.config.PeerListen
	}
	if n.server != nil {
		load := n.server.Load()
		v.Load = &load
	}
	for _, s := range n.shards {
		v.Shards = append(v.Shards, s.standing())
	}
	return v
}

func (s *shard) standing() ShardStanding {
	status := s.group.Status()
	v := ShardStanding{Shard: s.number, Leader: status.Leader, Leads: s.leads(), Term: status.Term,
		Applied: status.Applied, Committed: status.Committed, Snapshot: status.SnapshotIndex, Members: s.group.Members(),
		Followers: status.Followers, Compared: status.LastCompared, Differ: status.Differ, Features: s.group.Features(),
		Queued: status.QueuedCommands, InFlight: status.InFlight, Syncs: status.Syncs, SlowSyncs: status.SlowSyncs}
	if s.link != nil {
		link := s.link.Status()
		v.Outbox, v.Reports, v.Reconnects = link.Outbox, link.Applied, link.Reconnects
		v.Oldest = link.Oldest.Milliseconds()
	}
	if status.Diverged != "" {
		v.Differ = status.Diverged
	}
	if v.Leads {
		v.Link = linkUp
		if err := s.link.Status().Ready(); err != nil {
			v.Link = err.Error()
		}
	}
	return v
}

// askTime bounds the wait for another node's word about itself.
const askTime = 500 * time.Millisecond

// ask asks another node.
func (c *cluster) ask(ctx context.Context, id uint64, kind uint16, body []byte) ([]byte, error) {
	peers := c.peers.Load()
	if peers == nil {
		return nil, fmt.Errorf("node %d: this node is alone", id)
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	return peers.Call(ctx, id, kind, body)
}

// standingOf asks a node how it is.
func (n *Node) standingOf(ctx context.Context, id uint64) (v Standing, err error) {
	if id == n.config.Node {
		return n.standing(), nil
	}
	answer, err := n.cluster.ask(ctx, id, callStanding, nil)
	if err == nil {
		err = json.Unmarshal(answer, &v)
	}
	if err != nil {
		return v, fmt.Errorf("ask node %d how it is: %w", id, err)
	}
	return v, nil
}

// standings asks all nodes how they are; one that does not answer is listed with why.
func (n *Node) standings(ctx context.Context) []Standing {
	ids := append(n.cluster.others(), n.config.Node)
	slices.Sort(ids)
	list := make([]Standing, len(ids))
	var asking sync.WaitGroup
	for i, id := range ids {
		asking.Go(func() {
			v, err := n.standingOf(ctx, id)
			if err != nil {
				v = Standing{Node: id, Trouble: err.Error()}
			}
			list[i] = v
		})
	}
	asking.Wait()
	return list
}
