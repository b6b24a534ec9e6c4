package replica

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// A flow proposes commands wherever the leader is, until it is stopped, and remembers what was acknowledged.
type flow struct {
	c            *cluster
	mutex        sync.Mutex
	acknowledged map[string]bool
	unknown      int
	longest      time.Duration // between two acknowledgements
	latest       time.Time
	stop         chan struct{}
	writers      sync.WaitGroup
}

func (c *cluster) flow(t *testing.T, writers int) *flow {
	f := &flow{c: c, acknowledged: map[string]bool{}, stop: make(chan struct{}), latest: time.Now()}
	for w := range writers {
		f.writers.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-f.stop:
					return
				default:
				}
				f.propose(t, fmt.Sprintf("%d-%d", w, n))
			}
		})
	}
	return f
}

// propose proposes one command until it is acknowledged, or its outcome is unknown.
func (f *flow) propose(t *testing.T, command string) {
	for {
		for _, g := range f.c.all() {
			if !g.Leadership().Leading {
				continue
			}
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			_, err := g.Propose(ctx, []byte(command))
			cancel()
			switch {
			case err == nil:
				f.mutex.Lock()
				f.acknowledged[command] = true
				f.longest = max(f.longest, time.Since(f.latest))
				f.latest = time.Now()
				f.mutex.Unlock()
				return
			case errors.Is(err, ErrUnknown):
				f.mutex.Lock()
				f.unknown++
				f.mutex.Unlock()
				return
			}
		}
		select {
		case <-f.stop:
			return
		case <-time.After(time.Millisecond):
		}
	}
}

func (f *flow) count() int {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return len(f.acknowledged)
}

// goOn waits until n more commands are acknowledged.
func (f *flow) goOn(t *testing.T, n int) {
	t.Helper()
	have := f.count()
	eventually(t, "commands", func() bool { return f.count() >= have+n })
}

// check stops the flow and demands every acknowledged command at all groups, once, in one order.
func (f *flow) check(t *testing.T, groups ...*Group[uint64]) {
	t.Helper()
	close(f.stop)
	f.writers.Wait()
	t.Logf("%d acknowledged, %d unknown, longest pause %v", len(f.acknowledged), f.unknown, f.longest)
	var first []string
	for i, g := range groups {
		index, err := groups[0].Fresh(t.Context())
		if err == nil {
			err = g.Await(t.Context(), index)
		}
		if err != nil {
			t.Fatal(err)
		}
		got := lines(t, g)
		if i == 0 {
			first = got
		}
		if !slices.Equal(got, first) {
			t.Fatalf("group %d has %d commands, the first %d", i, len(got), len(first))
		}
	}
	seen := map[string]int{}
	for _, command := range first {
		seen[command]++
	}
	for command := range f.acknowledged {
		if seen[command] != 1 {
			t.Fatalf("%q was acknowledged and is there %d times", command, seen[command])
		}
	}
	if len(first) > len(f.acknowledged)+f.unknown {
		t.Fatalf("%d commands are there, %d were acknowledged and %d unknown", len(first), len(f.acknowledged), f.unknown)
	}
}

func (c *cluster) all() []*Group[uint64] {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	var all []*Group[uint64]
	for node := uint64(1); node <= 8; node++ {
		if g := c.groups[node]; g != nil {
			all = append(all, g)
		}
	}
	return all
}

func (c *cluster) add(t *testing.T, node uint64, o Options[uint64]) *Group[uint64] {
	t.Helper()
	o.Node, o.Transport = node, c
	g := open(t, o)
	c.mutex.Lock()
	c.groups[node] = g
	c.mutex.Unlock()
	return g
}

// change asks whoever leads for a change until it is made.
func (c *cluster) change(t *testing.T, change Change) {
	t.Helper()
	eventually(t, fmt.Sprintf("change %+v", change), func() bool {
		for _, g := range c.all() {
			if !g.Leadership().Leading {
				continue
			}
			err := g.Change(t.Context(), change)
			if err == nil || errors.Is(err, ErrUsedID) { // it may have been made when the outcome was unknown
				return true
			}
			if !errors.Is(err, ErrBehind) && !errors.Is(err, ErrChanging) && !errors.Is(err, ErrNotLeader) &&
				!errors.Is(err, ErrUnknown) {
				t.Fatal(err)
			}
		}
		return false
	})
}

// TestMembersChangeUnderFlow grows a group from one to three, moves leadership, replaces a node that died, and removes
// the leader, while commands flow.
func TestMembersChangeUnderFlow(t *testing.T) {
	c := &cluster{groups: map[uint64]*Group[uint64]{}}
	options := func(join bool) Options[uint64] {
		o := testOptions(t.TempDir())
		o.Join = join
		o.Limits.SlowSync, o.Limits.SnapshotBytes = 1<<36, 1<<20
		o.Limits.MemoryEntries = 512
		return o
	}
	one := c.add(t, 1, options(false))
	f := c.flow(t, 4)
	f.goOn(t, 100)
	two, three := c.add(t, 2, options(true)), c.add(t, 3, options(true))
	c.change(t, Change{Add: []Member{{ID: 2}, {ID: 3}}})
	c.change(t, Change{Promote: []uint64{2, 3}})
	f.goOn(t, 100)
	if err := one.Transfer(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	f.goOn(t, 100)
	c.isolate(3) // it dies
	four := c.add(t, 4, options(true))
	f.goOn(t, 100)
	c.change(t, Change{Add: []Member{{ID: 4}}})
	c.change(t, Change{Promote: []uint64{4}, Remove: []uint64{3}})
	f.goOn(t, 100)
	leads := c.leader(t, 0).home.node
	c.change(t, Change{Remove: []uint64{leads}})
	f.goOn(t, 100)
	rest := map[uint64]*Group[uint64]{1: one, 2: two, 4: four}
	delete(rest, leads)
	var groups []*Group[uint64]
	for _, g := range rest {
		groups = append(groups, g)
	}
	c.isolate(0)
	f.check(t, groups...)
	if err := <-three.Failed(); !errors.Is(err, ErrRemoved) {
		t.Fatal(err)
	}
	for _, g := range groups {
		if err := g.Snapshot(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// threeVoters is a running group of three, each with its own disk.
func threeVoters(t *testing.T, limits func(*Limits)) (*cluster, map[uint64]*badDisk) {
	c := &cluster{groups: map[uint64]*Group[uint64]{}}
	disks := map[uint64]*badDisk{}
	c.mutex.Lock()
	for node := uint64(1); node <= 3; node++ {
		o := c.options(t.TempDir(), node)
		limits(&o.Limits)
		disks[node] = onBadDisk(&o)
		c.groups[node] = open(t, o)
	}
	c.mutex.Unlock()
	return c, disks
}

// TestLeaderGoesUnderFlow takes the leader away in several ways; who proposes notices a short pause.
func TestLeaderGoesUnderFlow(t *testing.T) {
	for _, way := range []struct {
		name   string
		within time.Duration // of a machine that does nothing else; the test allows ten times as much
		take   func(t *testing.T, c *cluster, leader *Group[uint64], disk *badDisk)
	}{
		{"transfer", 20 * time.Millisecond, func(t *testing.T, _ *cluster, leader *Group[uint64], _ *badDisk) {
			if err := leader.Transfer(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
		}},
		{"close", 40 * time.Millisecond, func(t *testing.T, c *cluster, leader *Group[uint64], _ *badDisk) {
			closeGroup(t, leader)
		}},
		{"failing disk", 60 * time.Millisecond, func(_ *testing.T, _ *cluster, _ *Group[uint64], disk *badDisk) {
			disk.refuse.Store(true)
		}},
		{"hanging disk", 200 * time.Millisecond, func(t *testing.T, _ *cluster, _ *Group[uint64], disk *badDisk) {
			stuck := make(chan struct{})
			disk.stall.Store(&stuck)
			t.Cleanup(func() { disk.stall.Store(nil); close(stuck) })
		}},
		{"isolation", 300 * time.Millisecond, func(_ *testing.T, c *cluster, leader *Group[uint64], _ *badDisk) {
			c.isolate(leader.home.node)
		}},
	} {
		t.Run(way.name, func(t *testing.T) {
			c, disks := threeVoters(t, func(l *Limits) { l.SlowSync = 100 * time.Millisecond })
			c.leader(t, 0)
			f := c.flow(t, 8)
			f.goOn(t, 200)
			leader := c.leader(t, 0)
			was := leader.home.node
			f.mutex.Lock()
			f.longest = 0
			f.mutex.Unlock()
			way.take(t, c, leader, disks[was])
			c.leader(t, was)
			f.goOn(t, 200)
			var rest []*Group[uint64]
			for _, g := range c.all() {
				if g != leader {
					rest = append(rest, g)
				}
			}
			f.mutex.Lock()
			longest := f.longest
			f.mutex.Unlock()
			f.check(t, rest...)
			if longest > 10*way.within {
				t.Errorf("the longest pause was %v", longest)
			}
		})
	}
}
