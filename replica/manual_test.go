package replica

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"go.etcd.io/raft/v3/raftpb"
)

// A world is three groups without goroutines, in made-up time. Messages wait until they are delivered.
type world struct {
	t       *testing.T
	now     time.Time
	nodes   []*Manual[uint64]
	options []Options[uint64]
	wire    []*raftpb.Message
	hung    int    // node whose disk hangs, from 1
	dead    uint64 // node that nobody reaches
	deaf    uint64 // node that reaches the others, and hears nothing
	lose    func(*raftpb.Message) bool
	slow    int // node whose machine stands still, from 1
	allHang bool
	isolate bool // nobody reaches anybody
	sent    map[raftpb.MessageType]int

	snapshots int // sent
	breaks    int // so many of them break
}

// Send implements Transport.
func (w *world) Send(_ uint64, messages []*raftpb.Message) {
	for _, m := range messages {
		w.sent[m.GetType()]++
	}
	w.wire = append(w.wire, messages...)
}

func newWorld(t *testing.T, nodes int) *world {
	return newWorldOf(t, nodes, func(int, *Options[uint64]) {})
}

// newWorldOf is newWorld with other options.
func newWorldOf(t *testing.T, nodes int, change func(n int, o *Options[uint64])) *world {
	w := &world{t: t, now: time.Unix(1_000_000, 0), sent: map[raftpb.MessageType]int{}}
	for n := range nodes {
		o := testOptions(t.TempDir())
		o.Node, o.Transport, o.Clock = uint64(n+1), w, func() time.Time { return w.now }
		o.Members = []Member{{ID: 1}, {ID: 2}, {ID: 3}}[:nodes]
		change(n, &o)
		o.Limits.complete()
		w.options = append(w.options, o)
		w.nodes = append(w.nodes, nil)
		w.open(n + 1)
	}
	return w
}

// join opens another node, which waits to be added.
func (w *world) join() (node uint64) {
	o := testOptions(w.t.TempDir())
	o.Node, o.Transport, o.Clock, o.Join = uint64(len(w.nodes)+1), w, func() time.Time { return w.now }, true
	w.options = append(w.options, o)
	w.nodes = append(w.nodes, nil)
	w.open(int(o.Node))
	return o.Node
}

func (w *world) open(node int) {
	w.t.Helper()
	m, err := OpenManual(w.options[node-1])
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = m.Close() })
	w.nodes[node-1] = m
}

// settle steps everybody until there is nothing to do.
func (w *world) settle() {
	for did := true; did; {
		did = false
		for n, m := range w.nodes {
			if uint64(n+1) == w.dead {
				continue
			}
			hung := w.hung == n+1 || w.allHang
			did = m.StepLoop() || did
			if hung {
				m.BeginJournal()
			} else {
				did = m.StepJournal() || did
			}
			did = w.slow != n+1 && m.StepApplier() || did
			did = m.StepKeeper() || did
		}
		wire := w.wire
		w.wire = nil
		for _, message := range wire {
			did = true
			if w.isolate || message.GetTo() == w.dead || message.GetTo() == w.deaf || message.GetFrom() == w.dead ||
				w.lose != nil && w.lose(message) {
				continue
			}
			w.nodes[message.GetTo()-1].Group().Receive(message)
		}
	}
}

// until lets time pass until something holds, at most for a while.
func (w *world) until(what string, holds func() bool) {
	w.t.Helper()
	for range 1000 {
		w.settle()
		if holds() {
			return
		}
		w.now = w.now.Add(10 * time.Millisecond)
		for _, m := range w.nodes {
			m.Tick()
		}
	}
	w.t.Fatal("waited in vain: " + what)
}

func (w *world) leader() *Manual[uint64] {
	for n, m := range w.nodes {
		if uint64(n+1) != w.dead && m.Group().Status().Leading {
			return m
		}
	}
	return nil
}

func diaryOf(m *Manual[uint64]) []string {
	var all []string
	for _, line := range m.Machine().(interface{ itself() *diary }).itself().lines {
		all = append(all, string(line))
	}
	return all
}

func TestManualVotersAgree(t *testing.T) {
	w := newWorld(t, 3)
	w.until("a leader", func() bool { return w.leader() != nil })
	var want []string
	for n := range 50 {
		want = append(want, fmt.Sprint("command ", n))
		answered := false
		err := w.leader().Group().Submit([]byte(want[n]), func(answer uint64, err error) {
			answered = err == nil && answer == uint64(n+1)
		})
		if err != nil {
			t.Fatal(err)
		}
		w.until("an answer", func() bool { return answered })
		if n%10 == 9 {
			node := n/10%3 + 1
			if err := w.nodes[node-1].Crash(); err != nil {
				t.Fatal(err)
			}
			w.open(node)
			w.until("a leader", func() bool { return w.leader() != nil })
		}
	}
	w.until("all commands at all nodes", func() bool {
		return !slices.ContainsFunc(w.nodes, func(m *Manual[uint64]) bool { return len(diaryOf(m)) != len(want) })
	})
	for _, m := range w.nodes {
		if got := diaryOf(m); !slices.Equal(got, want) {
			t.Fatalf("%q", got)
		}
		kept := errors.New("nothing was said")
		if err := m.Group().Keep(func(err error) { kept = err }); err != nil {
			t.Fatal(err)
		}
		w.settle()
		if kept != nil || m.Group().Status().SnapshotIndex != m.Group().Status().Applied {
			t.Fatalf("snapshot: %v", kept)
		}
	}
}

func TestManualCrashLosesWhatWasUnderWay(t *testing.T) {
	w := newWorld(t, 1)
	w.until("a leader", func() bool { return w.leader() != nil })
	submit := func(command string) (answered *bool) {
		answered = new(bool)
		if err := w.nodes[0].Group().Submit([]byte(command), func(uint64, error) { *answered = true }); err != nil {
			t.Fatal(err)
		}
		w.settle()
		return answered
	}
	if !*submit("saved") {
		t.Fatal("no answer")
	}
	w.hung = 1
	if *submit("hung") || !w.nodes[0].BeginJournal() {
		t.Fatal("an answer without a save")
	}
	if err := w.nodes[0].Crash(); err != nil {
		t.Fatal(err)
	}
	w.hung = 0
	w.open(1)
	w.until("a leader", func() bool { return w.leader() != nil })
	if got := diaryOf(w.nodes[0]); !slices.Equal(got, []string{"saved"}) {
		t.Fatalf("%q came back", got)
	}
}

func TestManualHungDiskFailsByTicks(t *testing.T) {
	w := newWorld(t, 1)
	w.until("a leader", func() bool { return w.leader() != nil })
	w.nodes[0].group.loop.limits.StalledSync = time.Second
	w.hung = 1
	var outcome error
	if err := w.nodes[0].Group().Submit([]byte("x"), func(_ uint64, err error) { outcome = err }); err != nil {
		t.Fatal(err)
	}
	began := w.now
	w.until("a failure", func() bool { return w.nodes[0].Group().Status().Failure != "" })
	if took := w.now.Sub(began); took < time.Second || took > 1100*time.Millisecond || !errors.Is(outcome, ErrUnknown) {
		t.Fatalf("it took %v, outcome %v", took, outcome)
	}
}

// SendSnapshot implements Transport.
func (w *world) SendSnapshot(_ uint64, m *raftpb.Message, open func() (io.ReadCloser, int64, error),
	done func(error),
) {
	w.snapshots++
	r, size, err := open()
	if err != nil {
		done(err)
		return
	}
	defer r.Close() //nolint:errcheck // only read
	if w.isolate || m.GetTo() == w.dead || m.GetFrom() == w.dead || w.breaks > 0 {
		w.breaks--
		size /= 2
	}
	to := w.nodes[m.GetTo()-1]
	if to.over {
		done(errors.New("nobody is there"))
		return
	}
	done(to.Group().ReceiveSnapshot(m, io.LimitReader(r, size)))
}
