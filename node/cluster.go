package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"go.etcd.io/raft/v3/raftpb"

	"evenkeel/peer"
	"evenkeel/relay"
	"evenkeel/replica"
)

// cluster is this node's place among the others: the connections to them, and where they are. A node that is alone has
// none, until it is told to listen for others.
type cluster struct {
	node      *Node
	identity  *peer.Identity
	peers     atomic.Pointer[peer.Peers] // nil: this node is alone
	receivers [MaxShards]atomic.Pointer[shard]

	mu      sync.Mutex
	told    map[uint64]string           // where nodes are, as this node was told at its start
	said    map[uint64]string           // where nodes are, as they said themselves when they dialled
	members map[uint16][]replica.Member // of each shard's group, as its log says
	gone    map[uint64]bool             // nodes that were members and are no longer, as far as this node's logs say
	dialled map[uint64]string
}

// hello is what a node says of itself to every other when they connect.
type hello struct {
	Shards  int    `json:"shards"`
	Version string `json:"version"`
	Address string `json:"address,omitempty"` // where the others reach it
}

// ParsePeers reads nodes and their addresses: "1=host:port,2=host:port".
func ParsePeers(text string) (list []replica.Member, err error) {
	if text == "" {
		return nil, nil
	}
	for _, one := range strings.Split(text, ",") {
		number, address, _ := strings.Cut(one, "=")
		id, err := strconv.ParseUint(strings.TrimSpace(number), 10, 32)
		if err == nil && id == 0 {
			err = errors.New("nodes count from 1")
		}
		if err == nil {
			_, _, err = net.SplitHostPort(address)
		}
		if err != nil {
			return nil, fmt.Errorf("--peers %q: nodes and their addresses, such as 1=10.0.0.1:7100,2=10.0.0.2:7100", text)
		}
		if slices.ContainsFunc(list, func(m replica.Member) bool { return m.ID == id }) {
			return nil, fmt.Errorf("--peers %q: node %d stands there twice", text, id)
		}
		list = append(list, replica.Member{ID: id, Address: strings.TrimSpace(address)})
	}
	return list, nil
}

// newCluster checks the configuration, and reads who this node is from its certificate.
func newCluster(n *Node) (*cluster, error) {
	c := &cluster{node: n, told: map[uint64]string{}, said: map[uint64]string{}, members: map[uint16][]replica.Member{},
		gone: map[uint64]bool{}, dialled: map[uint64]string{}}
	config := &n.config
	if err := config.checkCluster(); err != nil {
		return nil, err
	}
	if config.inCluster() {
		identity, err := peer.LoadIdentity(config.PeerTLS)
		if err != nil {
			return nil, fmt.Errorf("--peer-tls %s: %w", config.PeerTLS, err)
		}
		if config.Node != 0 && config.Node != identity.Node {
			return nil, fmt.Errorf("--node %d: the certificate in %s is that of node %d", config.Node, config.PeerTLS,
				identity.Node)
		}
		c.identity, config.Node = identity, identity.Node
	}
	if config.Node == 0 {
		config.Node = firstNode
	}
	listed := slices.ContainsFunc(config.Peers, func(m replica.Member) bool { return m.ID == config.Node })
	if len(config.Peers) > 0 && !config.Join && !listed {
		return nil, fmt.Errorf("--peers does not name node %d, which this is; a node that comes later starts with --join",
			config.Node)
	}
	return c, config.check()
}

// inCluster reports whether this node has, or may get, others beside it.
func (c *Config) inCluster() bool { return c.PeerListen != "" }

// checkCluster refuses what cannot be a cluster.
func (c *Config) checkCluster() error {
	if !c.inCluster() {
		if len(c.Peers) > 0 || c.Join {
			return errors.New("--peers and --join need --peer-listen, the address at which the other nodes reach this one")
		}
		return nil
	}
	if _, err := checkAddress("--peer-listen", c.PeerListen); err != nil {
		return err
	}
	if c.PeerTLS == "" {
		return errors.New("--peer-tls: nodes know each other by certificates; `evenkeel ca --help` tells how to make them")
	}
	switch {
	case c.ExchangeOrders == "":
		return errors.New("--peer-listen: several nodes share one exchange, which runs by itself; name it with --exchange and " +
			"--market")
	case c.Join && len(c.Peers) == 0:
		return errors.New("--join needs --peers, where the nodes are that this one joins")
	}
	return nil
}

// openCluster opens the connections to the other nodes. What comes before a shard is open is lost; it is sent again.
func (n *Node) openCluster(ctx, _ context.Context) error {
	c := n.cluster
	if !n.config.inCluster() {
		return nil
	}
	for _, m := range n.config.Peers {
		c.told[m.ID] = m.Address
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", n.config.PeerListen)
	if err != nil {
		return fmt.Errorf("--peer-listen %s: %w", n.config.PeerListen, err)
	}
	n.relay = relay.New(c, relay.Limits{})
	said, err := json.Marshal(hello{Shards: n.config.Shards, Version: n.config.Version, Address: n.config.PeerListen})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	peers, err := peer.New(peer.Config{
		Identity: c.identity, Listener: listener, Hello: said, Log: n.log, Messages: c.receive, Snapshot: c.receiveSnapshot,
		Call: n.called, Unreachable: c.unreachable, Greeted: c.greeted,
	})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	c.peers.Store(peers)
	c.dial()
	return nil
}

// follow takes who belongs to the group of a shard. It is called from the raft loop.
func (c *cluster) follow(shard uint16, members []replica.Member) {
	c.mu.Lock()
	for _, before := range c.members[shard] {
		c.gone[before.ID] = true // unless it is still a member, of this shard or of another
	}
	c.members[shard] = members
	c.mu.Unlock()
	c.dial()
}

// forget takes who was a member of a shard and is no longer.
func (c *cluster) forget(removed []uint64) {
	c.mu.Lock()
	for _, id := range removed {
		c.gone[id] = true
	}
	c.mu.Unlock()
	c.dial()
}

// greeted takes where a node that dialled says that it is: its certificate has proved who it is. A machine that moved
// dials the others, and is found by them without anybody having told them.
func (c *cluster) greeted(node uint64, text []byte) {
	var said hello
	if json.Unmarshal(text, &said) != nil {
		return // of a binary that says something else
	}
	host, _, err := net.SplitHostPort(said.Address)
	if ip := net.ParseIP(host); err != nil || host == "" || ip != nil && ip.IsUnspecified() {
		return
	}
	c.mu.Lock()
	c.said[node] = said.Address
	c.mu.Unlock()
	c.dial()
}

// dial makes the connections be those that are wanted.
func (c *cluster) dial() {
	peers := c.peers.Load()
	if peers == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	want := c.wanted()
	for id, address := range want {
		if address != "" && c.dialled[id] != address {
			c.dialled[id] = address
			peers.SetPeer(id, address)
		}
	}
	for id := range c.dialled {
		if _, wanted := want[id]; !wanted {
			delete(c.dialled, id)
			peers.Drop(id)
		}
	}
}

// wanted are the other nodes that are to be connected, and where they are: the members, and the nodes that this one
// was told of, but for those that its logs know to have left. A log that is behind does not know of a member that came
// since, and learns of it from nobody else when that one leads. Where a node was told to be wins over what the log
// says, and what it says itself over both: a machine may have moved. The mutex is held.
func (c *cluster) wanted() map[uint64]string {
	want := map[uint64]string{}
	for _, members := range c.members {
		for _, m := range members {
			want[m.ID] = m.Address
		}
	}
	for id, address := range c.told {
		if _, member := want[id]; member || !c.gone[id] {
			want[id] = address
		}
	}
	for id := range want {
		if address, ok := c.said[id]; ok {
			want[id] = address
		}
	}
	delete(want, c.node.config.Node)
	return want
}

// others are the other nodes that are connected or dialled, in order.
func (c *cluster) others() (ids []uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id := range c.dialled {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// shardOfGroup returns the open shard of a group, nil when there is none.
func (c *cluster) shardOfGroup(group uint64) *shard {
	if group < 1 || group > MaxShards {
		return nil
	}
	return c.receivers[group-1].Load()
}

func (c *cluster) receive(group uint64, m *raftpb.Message) {
	if s := c.shardOfGroup(group); s != nil {
		s.group.Receive(m)
	}
}

// errNotOpen is what others are told whose snapshot comes too early.
var errNotOpen = errors.New("the shard is not open here")

func (c *cluster) receiveSnapshot(group uint64, m *raftpb.Message, r io.Reader) error {
	s := c.shardOfGroup(group)
	if s == nil {
		return fmt.Errorf("group %d: %w", group, errNotOpen)
	}
	return s.group.ReceiveSnapshot(m, r)
}

func (c *cluster) unreachable(node, group uint64) {
	if s := c.shardOfGroup(group); s != nil {
		s.group.Unreachable(node)
	}
}

// Send implements replica.Transport.
func (c *cluster) Send(group uint64, messages []*raftpb.Message) {
	if peers := c.peers.Load(); peers != nil {
		peers.Send(group, messages)
	}
}

// SendSnapshot implements replica.Transport.
func (c *cluster) SendSnapshot(
	group uint64, message *raftpb.Message, open func() (io.ReadCloser, int64, error), done func(error),
) {
	peers := c.peers.Load()
	if peers == nil {
		done(errors.New("this node is not connected to others"))
		return
	}
	peers.SendSnapshot(group, message, open, done)
}

// CallAsync implements relay.Caller.
func (c *cluster) CallAsync(to uint64, kind uint16, body []byte, done func([]byte, error)) error {
	peers := c.peers.Load()
	if peers == nil {
		return peer.ErrNotSent
	}
	return peers.CallAsync(to, kind, body, done)
}

// mixed reports whether a node that is or was connected runs another version than this one.
func (c *cluster) mixed() bool {
	peers := c.peers.Load()
	if peers == nil {
		return false
	}
	return slices.ContainsFunc(peers.Status(), func(status peer.Status) bool {
		var said hello
		return status.Hello != nil && json.Unmarshal(status.Hello, &said) == nil && said.Version != c.node.config.Version
	})
}

// trouble says what a node that is connected cannot be: of another layout.
func (c *cluster) trouble() (reasons []string) {
	peers := c.peers.Load()
	if peers == nil {
		return nil
	}
	for _, status := range peers.Status() {
		var said hello
		if status.Hello != nil && json.Unmarshal(status.Hello, &said) == nil && said.Shards != 0 &&
			said.Shards != c.node.config.Shards {
			reasons = append(reasons, fmt.Sprintf("node %d has %d shards, this one %d: one of them was set up for another "+
				"cluster", status.Node, said.Shards, c.node.config.Shards))
		}
	}
	return reasons
}

func (c *cluster) close() error {
	if peers := c.peers.Load(); peers != nil {
		return peers.Close()
	}
	return nil
}
