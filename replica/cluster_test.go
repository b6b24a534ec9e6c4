package replica

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"go.etcd.io/raft/v3/raftpb"
)

// A cluster is three voters of one group in one process. What crosses a cut is lost.
type cluster struct {
	mutex  sync.Mutex
	groups map[uint64]*Group[uint64]
	cut    uint64 // a node that nobody reaches
}

// Send implements Transport.
func (c *cluster) Send(_ uint64, messages []*raftpb.Message) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for _, m := range messages {
		if to := c.groups[m.GetTo()]; to != nil && m.GetTo() != c.cut && m.GetFrom() != c.cut {
			to.Receive(m)
		}
	}
}

func (c *cluster) isolate(node uint64) {
	c.mutex.Lock()
	c.cut = node
	c.mutex.Unlock()
}

func (c *cluster) options(dir string, node uint64) Options[uint64] {
	o := testOptions(dir)
	o.Node, o.Members, o.Transport = node, []Member{{ID: 1}, {ID: 2}, {ID: 3}}, c
	o.Limits.SlowSync = 1 << 36 // nor move leadership
	return o
}

// leader waits until a node other than one leads, and returns it.
func (c *cluster) leader(t testing.TB, other uint64) *Group[uint64] {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) {
		for node, g := range c.groups {
			if node != other && g.Status().Leading {
				return g
			}
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("no leader")
	return nil
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain: " + what)
		}
		time.Sleep(time.Millisecond)
	}
}

// TestThreeVoters shows that nothing in the interface changes with more voters: leadership moves, what was in flight
// is unknown, an old leader's uncommitted entries are replaced, and all logs tell one history.
func TestThreeVoters(t *testing.T) {
	c := &cluster{groups: map[uint64]*Group[uint64]{}}
	dirs := map[uint64]string{}
	c.mutex.Lock()
	for node := uint64(1); node <= 3; node++ {
		dirs[node] = t.TempDir()
		c.groups[node] = open(t, c.options(dirs[node], node))
	}
	c.mutex.Unlock()
	first := c.leader(t, 0)
	var want []string
	for n := range 20 {
		want = append(want, fmt.Sprint("first ", n))
		propose(t, first, want[n])
	}
	for moved := true; moved; { // on a busy machine leadership may move: who leads then takes a command
		moved = false
		for _, g := range c.groups {
			outcome := make(chan error, 1)
			err := ErrNotLeader
			if g != first {
				err = g.Submit([]byte("x"), func(_ uint64, err error) { outcome <- err })
			}
			switch {
			case err == nil && c.leader(t, 0) == first:
				t.Fatal("a follower took a command")
			case err == nil:
				moved = true
				if <-outcome == nil {
					want = append(want, "x")
				}
				first = c.leader(t, 0)
			case !errors.Is(err, ErrNotLeader):
				t.Fatal(err)
			}
		}
	}
	c.isolate(first.home.node)
	if _, err := first.Propose(t.Context(), []byte("nobody hears this")); !errors.Is(err, ErrUnknown) {
		t.Fatalf("proposed without a quorum: %v", err)
	}
	if err := first.Submit([]byte("x"), func(uint64, error) {}); !errors.Is(err, ErrNotLeader) {
		t.Fatalf("an isolated leader took a command: %v", err)
	}
	second := c.leader(t, first.home.node)
	for n := range 20 {
		command := fmt.Sprint("second ", n)
		want = append(want, command)
		propose(t, second, command)
	}
	c.isolate(0)
	for node, g := range c.groups {
		eventually(t, fmt.Sprint("all commands at node ", node), func() bool { return len(lines(t, g)) == len(want) })
		if got := lines(t, g); !slices.Equal(got, want) {
			t.Fatalf("node %d has %q", node, got)
		}
		if err := g.Snapshot(t.Context()); err != nil { // compares the state with the log's history
			t.Fatalf("node %d: %v", node, err)
		}
	}
	for node, g := range c.groups {
		closeGroup(t, g)
		var archived []string
		err := Replay(c.options(dirs[node], node), 0, func(e Entry) error {
			for _, command := range e.Commands {
				archived = append(archived, string(command))
			}
			return nil
		})
		if err != nil || !slices.Equal(archived, want[:len(archived)]) || len(archived) < len(want)-1 {
			t.Fatalf("node %d's archive has %d of %d commands, %v", node, len(archived), len(want), err)
		}
	}
}

// SendSnapshot implements Transport.
func (c *cluster) SendSnapshot(_ uint64, m *raftpb.Message, open func() (io.ReadCloser, int64, error),
	done func(error),
) {
	c.mutex.Lock()
	to := c.groups[m.GetTo()]
	c.mutex.Unlock()
	go func() {
		r, _, err := open()
		if err == nil && to == nil {
			err = errors.New("nobody is there")
		}
		if err == nil {
			err = to.ReceiveSnapshot(m, r)
		}
		if r != nil {
			_ = r.Close()
		}
		done(err)
	}()
}
