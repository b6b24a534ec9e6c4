package contest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"go.etcd.io/raft/v3/raftpb"

	"evenkeel/books"
	"evenkeel/core/trade"
	"evenkeel/peer"
	"evenkeel/relay"
	"evenkeel/replica"
)

// callLeaders asks a member who leads each shard: []leader.
const callLeaders uint16 = 0x6301

// leader is who leads a shard, as a member knows it.
type leader struct {
	Leader uint64 `json:"leader"`
	Term   uint64 `json:"term"`
	Ready  bool   `json:"ready"` // it is the member that was asked
}

// MemberConfig is one process of the cluster.
type MemberConfig struct {
	Node     uint64
	Dir      string // of its logs
	Identity string // directory of its certificate
	Listen   string
	Members  []replica.Member
	Driver   replica.Member // whom to answer
	Shards   int
}

// member is a node without a door: connections, logs, books.
type member struct {
	config MemberConfig
	peers  *peer.Peers
	relay  *relay.Relay

	mu     sync.Mutex
	groups map[uint64]*replica.Group[trade.Answer]
	led    map[uint64]replica.Leadership
}

// Member runs a member until the context ends.
func Member(ctx context.Context, c MemberConfig, out io.Writer) (err error) {
	identity, err := peer.LoadIdentity(c.Identity)
	if err != nil {
		return err
	}
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return err
	}
	m := &member{config: c, groups: map[uint64]*replica.Group[trade.Answer]{}, led: map[uint64]replica.Leadership{}}
	ready := make(chan struct{}) // calls and messages wait for what they concern
	m.peers, err = peer.New(peer.Config{Identity: identity, Listener: listener,
		Messages: func(group uint64, message *raftpb.Message) {
			if g := m.group(group); g != nil {
				g.Receive(message)
			}
		},
		Snapshot: func(group uint64, message *raftpb.Message, r io.Reader) error {
			g := m.group(group)
			if g == nil {
				return errors.New("the group is not open")
			}
			return g.ReceiveSnapshot(message, r)
		},
		Call: func(from uint64, kind uint16, body []byte, answer func([]byte, error)) {
			<-ready
			switch kind {
			case relay.CallKind:
				m.relay.Serve(from, body, answer)
			case callLeaders:
				answer(json.Marshal(m.leaders()))
			default:
				answer(nil, errors.New("no such call"))
			}
		},
		Unreachable: func(node, group uint64) {
			if g := m.group(group); g != nil {
				g.Unreachable(node)
			}
		}})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer func() { err = errors.Join(err, m.close()) }()
	m.relay = relay.New(m.peers, relay.Limits{})
	close(ready)
	for _, other := range append(c.Members, c.Driver) {
		if other.ID != c.Node {
			m.peers.SetPeer(other.ID, other.Address)
		}
	}
	for shard := range c.Shards {
		if err := m.open(uint64(shard) + 1); err != nil { //nolint:gosec // few
			return err
		}
	}
	_, _ = fmt.Fprintln(out, "ready")
	<-ctx.Done()
	return nil
}

func (m *member) open(group uint64) error {
	shard := uint16(group - 1) //nolint:gosec // few
	var part *relay.Shard      // under mu
	g, err := replica.Open(replica.Options[trade.Answer]{Dir: m.config.Dir, Group: group, Node: m.config.Node,
		Members: m.config.Members, Transport: m.peers,
		New: func() replica.Machine[trade.Answer] { return books.New(shard) },
		Led: func(l replica.Leadership) {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.led[group] = l
			if part != nil {
				part.Led(l)
			}
		}})
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.groups[group] = g
	part = m.relay.Shard(relay.Parts{Group: group, Log: g})
	part.Led(m.led[group])
	return nil
}

func (m *member) group(group uint64) *replica.Group[trade.Answer] {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.groups[group]
}

func (m *member) leaders() (all []leader) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for shard := range m.config.Shards {
		l := m.led[uint64(shard)+1] //nolint:gosec // few
		all = append(all, leader{Leader: l.Leader, Term: l.Term, Ready: l.Ready})
	}
	return all
}

func (m *member) close() error {
	err := m.peers.Close()
	m.mu.Lock()
	groups := m.groups
	m.mu.Unlock()
	for _, g := range groups {
		err = errors.Join(err, g.Close())
	}
	if m.relay != nil {
		m.relay.Close()
	}
	return err
}
