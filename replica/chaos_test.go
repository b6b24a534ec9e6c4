package replica

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"testing/cryptotest"
	"time"

	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/raft/v3/raftpb"
)

// A chaos is a world in which everything happens in any order: by its seed, and again in the same way.
type chaos struct {
	*world
	random       *rand.Rand
	dir          string
	haste        int          // how often time passes, of 10,000 things that happen
	deaths       int          // how often somebody dies
	down         map[int]bool // by place in nodes
	out          map[int]bool // removed for good
	asking       bool         // a change of members is under way
	acknowledged map[string]uint64
	most         uint64 // largest answer
	said         int
	history      map[uint64]uint64 // chain of the machine by index
}

// A witness is a diary that compares its history with that of all others.
type witness struct {
	diary
	c    *chaos
	node int
}

func (m *witness) Apply(e Entry, answers []uint64) {
	m.diary.Apply(e, answers)
	if was, ok := m.c.history[e.Index]; ok && was != m.chain {
		m.c.t.Fatalf("node %d differs at index %d", m.node, e.Index)
	}
	m.c.history[e.Index] = m.chain
}

func (c *chaos) options(node int, join bool) {
	o := testOptions(filepath.Join(c.dir, strconv.Itoa(node)))
	o.Node, o.Transport, o.Clock = uint64(node), c.world, func() time.Time { return c.now }
	o.New = func() Machine[uint64] { return &witness{c: c, node: node} }
	o.Limits.MemoryEntries, o.Limits.SnapshotBytes = 8, 2000
	if o.Join = join; !join {
		o.Members = []Member{{ID: 1}, {ID: 2}, {ID: 3}}
	}
	c.world.options = append(c.world.options, o)
	c.nodes = append(c.nodes, nil)
}

func (c *chaos) start(place int) {
	m, err := OpenManual(c.world.options[place])
	if errors.Is(err, ErrRemoved) {
		c.out[place] = true
		return
	}
	if err != nil {
		c.t.Fatalf("node %d: %v", place+1, err)
	}
	c.nodes[place] = m
	delete(c.down, place)
}

func (c *chaos) gone(place int) bool { return c.down[place] || c.out[place] }

// act does one thing.
func (c *chaos) act() {
	place := c.random.IntN(len(c.nodes))
	if c.down[place] && !c.out[place] && c.random.IntN(100) == 0 {
		c.start(place)
		return
	}
	if c.gone(place) {
		return
	}
	m := c.nodes[place]
	g := m.Group()
	if failure := g.Status().Failure; failure != "" {
		if err := <-g.Failed(); !errors.Is(err, ErrRemoved) {
			c.t.Fatalf("node %d: %v", place+1, err)
		}
		c.out[place] = true
		_ = m.Crash()
		return
	}
	switch n := c.random.IntN(10_000); {
	case n < 2500:
		m.StepLoop()
	case n < 3500:
		m.BeginJournal()
	case n < 4500:
		m.FinishJournal()
	case n < 5500:
		m.StepApplier()
	case n < 5700:
		m.StepKeeper()
	case n < 5700+c.haste:
		m.Tick()
		c.now = c.now.Add(time.Millisecond)
	case n < 9200:
		c.deliver()
	case n < 9600:
		c.say(g)
	case n < 9900:
		c.ask(m)
	case n < 9900+c.deaths:
		_ = m.Crash()
		c.down[place] = true
	case n < 9930:
		g.AskTransfer(uint64(c.random.IntN(len(c.nodes)+1)), func(error) {})
	case n < 9950:
		_ = g.Keep(func(err error) {
			var diverged *DivergedError
			if errors.As(err, &diverged) {
				c.t.Error(err)
			}
		})
	case n < 9980:
		c.reform(g)
	case n < 9990:
		g.Unreachable(uint64(c.random.IntN(len(c.nodes)) + 1))
	}
}

// deliver takes a message off the wire: it arrives, gets lost, or arrives twice.
func (c *chaos) deliver() {
	if len(c.wire) == 0 {
		return
	}
	i := 0
	if c.random.IntN(4) == 0 {
		i = c.random.IntN(len(c.wire))
	}
	m := c.wire[i]
	if n := c.random.IntN(100); n > 3 {
		c.wire = slices.Delete(c.wire, i, i+1)
	} else if n == 0 {
		c.wire = slices.Delete(c.wire, i, i+1)
		return
	}
	if to := int(m.GetTo()) - 1; !c.gone(to) {
		c.nodes[to].Group().Receive(m)
	}
}

func (c *chaos) say(g *Group[uint64]) {
	c.said++
	command := strconv.Itoa(c.said)
	_ = g.Submit([]byte(command), func(answer uint64, err error) {
		if err == nil {
			c.acknowledged[command] = answer
			c.most = max(c.most, answer)
		}
	})
}

// ask asks for a fresh index, and holds what is seen there to what was acknowledged before.
func (c *chaos) ask(m *Manual[uint64]) {
	most := c.most
	m.Group().AskFresh(func(index uint64, err error) {
		if err != nil {
			return
		}
		m.Group().AskAwait(index, func(err error) {
			if got := uint64(len(m.Machine().(*witness).lines)); err == nil && got < most {
				c.t.Errorf("node %d has %d commands at a fresh index, %d were acknowledged", m.group.home.node, got, most)
			}
		})
	})
}

// reform asks for a change of members: one learner more, one made a voter, one that goes.
func (c *chaos) reform(g *Group[uint64]) {
	if !g.Leadership().Ready || c.asking {
		return
	}
	var change Change
	members := g.Members()
	voters := slices.DeleteFunc(slices.Clone(members), func(m Member) bool { return m.Learner })
	for _, m := range members {
		if m.Learner {
			change.Promote = append(change.Promote, m.ID)
		}
	}
	switch {
	case len(change.Promote) == 0 && len(c.nodes) < 8:
		c.options(len(c.nodes)+1, true)
		c.start(len(c.nodes) - 1)
		change.Add = []Member{{ID: uint64(len(c.nodes)), Address: "a:" + strconv.Itoa(len(c.nodes))}}
	case len(voters) > 3 || len(voters) > 2 && len(change.Promote) > 0:
		change.Remove = []uint64{voters[c.random.IntN(len(voters))].ID}
	}
	c.asking = true
	g.AskChange(change, func(error) { c.asking = false })
}

// heal brings everybody back and demands that all have all.
func (c *chaos) heal() {
	for place := range c.nodes {
		if c.down[place] {
			c.start(place)
		}
	}
	said, answered := c.said, false
	for round := range 5000 {
		for place, m := range c.nodes {
			if !c.gone(place) {
				m.Tick()
			}
		}
		c.now = c.now.Add(10 * time.Millisecond)
		for did := true; did; {
			did = false
			for place, m := range c.nodes {
				if !c.gone(place) {
					did = m.StepLoop() || did
					did = m.StepJournal() || did
					did = m.StepApplier() || did
					did = m.StepKeeper() || did
				}
			}
			wire := c.wire
			c.wire = nil
			for _, m := range wire {
				did = true
				if to := int(m.GetTo()) - 1; !c.gone(to) {
					c.nodes[to].Group().Receive(m)
				}
			}
		}
		for place, m := range c.nodes {
			if c.gone(place) || !m.Group().Leadership().Ready {
				continue
			}
			if c.agreed(m) && answered {
				return
			}
			if round%100 == 50 {
				c.say(m.Group())
			}
		}
		answered = answered || c.acknowledged[strconv.Itoa(c.said)] != 0 && c.said > said
	}
	for place, m := range c.nodes {
		if !c.gone(place) {
			c.t.Logf("node %d: %+v members %v %+v", place+1, m.Group().Leadership(), m.Group().Members(), m.Group().Status())
		}
	}
	c.t.Fatal("it did not heal")
}

// agreed reports whether all members have all that the leader has.
func (c *chaos) agreed(leader *Manual[uint64]) bool {
	want := leader.Machine().(*witness).lines
	if leader.group.loop.memory.joint() {
		return false
	}
	for _, member := range leader.Group().Members() {
		place := int(member.ID) - 1
		if c.gone(place) || len(c.nodes[place].Machine().(*witness).lines) != len(want) {
			return false
		}
	}
	for command, number := range c.acknowledged {
		if number > uint64(len(want)) || string(want[number-1]) != command {
			c.t.Fatalf("command %q was acknowledged as number %d and is not there", command, number)
		}
	}
	return true
}

// memoryDir is a directory in memory, where there is one: syncs take no time there.
func memoryDir(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "replica")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// TestChaos runs seeds FROM and following, SEEDS of them (environment variables of the test), through everything that
// can happen to a group.
func TestChaos(t *testing.T) {
	seeds, from := 40, 1
	if testing.Short() {
		seeds = 10
	}
	if n, err := strconv.Atoi(os.Getenv("REPLICA_TEST_SEEDS")); err == nil {
		seeds = n
	}
	if n, err := strconv.Atoi(os.Getenv("REPLICA_TEST_FROM")); err == nil {
		from = n
	}
	before := wal.SegmentSizeBytes
	SegmentBytes(1 << 15)
	defer SegmentBytes(before)
	for seed := from; seed < from+seeds; seed++ {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			cryptotest.SetGlobalRandom(t, uint64(seed))
			c := &chaos{
				world:  &world{t: t, now: time.Unix(1_000_000, 0), sent: map[raftpb.MessageType]int{}},
				random: rand.New(rand.NewPCG(uint64(seed), 0)), down: map[int]bool{}, out: map[int]bool{},
				acknowledged: map[string]uint64{}, history: map[uint64]uint64{}, dir: memoryDir(t),
			}
			c.haste, c.deaths = 50+c.random.IntN(200), c.random.IntN(20)
			for node := 1; node <= 3; node++ {
				c.options(node, false)
				c.start(node - 1)
			}
			for range 30_000 {
				c.act()
			}
			c.heal()
			t.Logf("%d of %d commands acknowledged, %d snapshots sent, %d nodes, %d removed", len(c.acknowledged), c.said,
				c.snapshots, len(c.nodes), len(c.out))
			for place, m := range c.nodes {
				if !c.gone(place) {
					_ = m.Close()
				}
			}
		})
	}
}
