package replica

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestFeaturesAreAppended holds the table to the file that remembers it: a line is only ever added at the end, in
// both.
func TestFeaturesAreAppended(t *testing.T) {
	remembered, err := os.ReadFile("testdata/features.txt")
	if err != nil {
		t.Fatal(err)
	}
	var is strings.Builder
	for i, f := range Known() {
		if f.Number != uint32(i+1) {
			t.Errorf("%v is in place %d", f, i+1)
		}
		fmt.Fprintf(&is, "%d %s, since %s\n", f.Number, f.Name, f.Since)
	}
	if withheld == 0 && is.String() != string(remembered) || !strings.HasPrefix(string(remembered), is.String()) {
		t.Errorf("the table is\n%sand was\n%sa feature is added at the end of both, and nothing else ever changes",
			is.String(), remembered)
	}
	if err := checkFeatures(Known()); err != nil {
		t.Error(err)
	}
}

func TestCharter(t *testing.T) {
	c := charter{}
	if !c.empty() || c.has(1) {
		t.Fatal("a new charter is not empty")
	}
	c = c.withKnown(NodeFeatures{2, []uint32{1}}).withKnown(NodeFeatures{1, nil}).withActive(Feature{4, "d", "1"})
	older := c
	c = c.withActive(Feature{3, "c", "1"}).withKnown(NodeFeatures{1, []uint32{1, 3}})
	if got := fmt.Sprint(c.known, numbersOf(c.active)); got != "[{1 [1 3]} {2 [1]}] [3 4]" {
		t.Error(got)
	}
	if got := fmt.Sprint(older.known, older.has(3)); got != "[{1 []} {2 [1]}] false" {
		t.Error("a charter changed with its successor:", got)
	}
	if got := fmt.Sprint(c.missing(3, []uint64{1, 2, 9})); got != "[2 9]" {
		t.Error(got)
	}
	err := c.check(7, []Feature{{Number: 4}})
	if want := "feature 3 (c) is active in group 7, and this binary does not know it: use release 1 or a later one"; err ==
		nil || err.Error() != want {
		t.Error(err)
	}
}

// activate orders a feature on the leader and returns how that went.
func (w *world) activate(number uint32) error {
	w.t.Helper()
	leader, _ := w.lead()
	var err error
	done := false
	leader.Group().AskActivate(number, func(e error) { done, err = true, e })
	w.until("an answer", func() bool { return done })
	return err
}

// as opens all nodes, or one, again as a binary that knows some features.
func (w *world) as(features []Feature, only ...uint64) {
	w.t.Helper()
	for n := range w.nodes {
		if len(only) == 0 || slices.Contains(only, uint64(n+1)) {
			w.options[n].Features = features
			w.comesBack(uint64(n + 1))
		}
	}
}

func (w *world) allActive(numbers ...uint32) func() bool {
	return func() bool {
		return !slices.ContainsFunc(w.nodes, func(m *Manual[uint64]) bool {
			return !slices.Equal(numbersOf(m.Group().Features().Active), numbers)
		})
	}
}

// kept makes a snapshot at each node and returns the layout versions of all.
func (w *world) kept() map[uint32]int {
	w.t.Helper()
	versions := map[uint32]int{}
	for _, m := range w.nodes {
		done := false
		if err := m.Group().Keep(func(err error) {
			if err != nil {
				w.t.Error(err)
			}
			done = true
		}); err != nil {
			w.t.Fatal(err)
		}
		w.until("a snapshot", func() bool { return done })
		paths, err := snapshotFiles(m.group.home.snapshots())
		if err != nil {
			w.t.Fatal(err)
		}
		head, err := os.ReadFile(paths[0])
		if err != nil {
			w.t.Fatal(err)
		}
		versions[binary.LittleEndian.Uint32(head[8:])]++
	}
	return versions
}

var (
	nothing = []Feature{}
	two     = []Feature{{1, "state comparison", "0.1.0"}, {2, "the next thing", "0.2.0"}}
)

// TestNewGroupHasWhatAllKnow: a group is born with the features that every member's binary knows.
func TestNewGroupHasWhatAllKnow(t *testing.T) {
	w := newWorldOf(t, 3, func(n int, o *Options[uint64]) {
		o.Features = two
		if n == 1 {
			o.Features = two[:1]
		}
	})
	w.propose("a command before all have spoken")
	w.until("the first features", w.allActive(1))
	if got := fmt.Sprint(w.nodes[0].Group().Features().Known); got != "[{1 [1 2]} {2 [1]} {3 [1 2]}]" {
		t.Error(got)
	}
	if got := w.kept(); got[snapshotVersion] != 3 {
		t.Error(got)
	}
}

// TestActivation is a rolling upgrade: refused while a node's binary does not know the feature, with its name; then
// accepted, on all nodes; from then on a binary that does not know it refuses to start.
func TestActivation(t *testing.T) {
	w := newWorldOf(t, 3, func(_ int, o *Options[uint64]) { o.Features = two[:1] })
	w.propose("a")
	w.until("the first features", w.allActive(1))
	_, leader := w.lead()
	last := leader%3 + 1
	for n := range w.nodes {
		if uint64(n+1) != last {
			w.as(two, uint64(n+1))
			w.propose("while nodes are upgraded")
		}
	}
	if _, leads := w.lead(); leads == last { // the old binary does not know what it is asked for, either
		var refused *RefusedFeatureError
		if err := w.activate(2); !errors.As(err, &refused) || refused.Missing[0] != last {
			t.Fatal(err)
		}
		w.nodes[last-1].Group().AskTransfer(0, func(error) {})
		w.until("another leader", func() bool { _, now := w.lead(); return now != last })
	}
	err := w.activate(2)
	var refused *RefusedFeatureError
	if !errors.As(err, &refused) || !slices.Equal(refused.Missing, []uint64{last}) {
		t.Fatalf("activated while node %d does not know it: %v", last, err)
	}
	want := fmt.Sprintf("feature 2 (the next thing) was not activated: the binary of node %d does not know it: run release "+
		"0.2.0 or a later one there", last)
	if err.Error() != want {
		t.Errorf("%q, not %q", err, want)
	}
	w.as(two, last)
	if err := w.activate(2); err != nil {
		t.Fatal(err)
	}
	w.until("the feature at all nodes", w.allActive(1, 2))
	if err := w.activate(2); err != nil {
		t.Errorf("the second time: %v", err)
	}
	if got := fmt.Sprint(w.nodes[last-1].Group().Features().Known); got != "[{1 [1 2]} {2 [1 2]} {3 [1 2]}]" {
		t.Error(got)
	}
	for _, how := range []string{"log", "snapshot"} {
		o := w.options[last-1]
		o.Features = two[:1]
		if err := w.nodes[last-1].Close(); err != nil {
			t.Fatal(err)
		}
		_, err := OpenManual(o)
		var unknown *UnknownFeatureError
		if !errors.As(err, &unknown) || unknown.Feature != two[1] {
			t.Fatalf("a binary that does not know the feature opens the %s: %v", how, err)
		}
		w.open(int(last))
		w.until("all is well", w.allActive(1, 2))
		w.kept()
	}
}

// TestRollback: until a feature is active, the binary of the release before opens everything that the newer one
// wrote: the log with what nodes know in it, and snapshots.
func TestRollback(t *testing.T) {
	w := newWorldOf(t, 3, func(_ int, o *Options[uint64]) { o.Features = nothing })
	w.propose("a")
	w.until("all have said what they know", func() bool { return w.nodes[0].group.applier.agreed().born })
	w.as(Known())
	w.propose("b")
	w.until("the log has it", func() bool {
		numbers, _ := w.nodes[1].group.applier.agreed().knows(3)
		return len(numbers) == len(Known())
	})
	w.kept()
	if w.allActive(1)() {
		t.Fatal("a feature came without an order")
	}
	w.as(nothing)
	w.propose("c")
	for n, m := range w.nodes {
		w.until("all commands", func() bool { return len(diaryOf(m)) == 3 })
		if s := m.Group().Status(); s.Failure != "" {
			t.Errorf("node %d: %s", n+1, s.Failure)
		}
	}
	w.as(Known())
	if err := w.activate(StateComparison); err != nil && len(Known()) > 0 {
		t.Fatal(err)
	}
}

// TestOlderGroupStaysAsItWas: a group that a release without features made gets none of them, nor any entry or layout
// that such a release could not read, until somebody activates one.
func TestOlderGroupStaysAsItWas(t *testing.T) {
	w := newWorldOf(t, 3, func(_ int, o *Options[uint64]) { o.Features = two })
	for _, m := range w.nodes { // as if a command had been applied by the older release
		m.group.applier.clerk.commanded = true
		m.group.applier.commanded.Store(true)
	}
	w.propose("a")
	since := w.now
	w.until("some seconds", func() bool { return w.now.Sub(since) > 5*time.Second })
	if got := w.kept(); got[plainSnapshot] != 3 {
		t.Errorf("snapshots have versions %v", got)
	}
	for n := range w.nodes {
		h := w.nodes[n].group.home
		reader, err := openCommitted(h.log(), h.identity(), position{})
		if err != nil {
			t.Fatal(err)
		}
		err = reader.read(position{}, func(e logEntry) error {
			if isControl(e.data) {
				return fmt.Errorf("entry %d is of the log's own", e.index)
			}
			return nil
		})
		reader.close()
		if err != nil {
			t.Error(err)
		}
	}
	if err := w.activate(1); err != nil {
		t.Fatal(err)
	}
	w.until("the feature", w.allActive(1))
	w.compared(0)
}

func TestActivationIsRefused(t *testing.T) {
	w := newWorldOf(t, 3, func(_ int, o *Options[uint64]) { o.Features = two[:1] })
	_, leader := w.lead()
	w.until("the first features", w.allActive(1))
	w.as(two)
	_, leader = w.lead()
	var err error
	w.nodes[leader%3].Group().AskActivate(2, func(e error) { err = e })
	w.settle()
	if !errors.Is(err, ErrNotLeader) {
		t.Errorf("a follower says %v", err)
	}
	var refused *RefusedFeatureError
	if err := w.activate(9); !errors.As(err, &refused) || refused.Missing[0] != leader {
		t.Errorf("a number that nobody knows: %v", err)
	}
	w.comesBack(leader) // another leader, to whom one member has never spoken
	w.dead = leader
	_, next := w.lead()
	for next == leader {
		w.until("another leader", func() bool { return w.leader() != nil && w.leader() != w.nodes[leader-1] })
		_, next = w.lead()
	}
	if err := w.activate(2); !errors.As(err, &refused) || !slices.Equal(refused.Silent, []uint64{leader}) {
		t.Errorf("a member is silent: %v", err)
	}
}

// TestSnapshotCarriesFeatures: a member that is far behind learns what is active from the leader's snapshot, and one
// whose binary does not know it fails with a clear error instead of taking it.
func TestSnapshotCarriesFeatures(t *testing.T) {
	w := newWorldOf(t, 3, func(_ int, o *Options[uint64]) { o.Features, o.Limits.MemoryEntries = two[:1], 8 })
	w.propose("a")
	w.until("the first features", w.allActive(1))
	w.as(two)
	_, leader := w.lead()
	late := leader%3 + 1
	for _, features := range [][]Feature{two, two[:1]} {
		if features[len(features)-1].Number == 2 { // the second time it is active already
			if err := w.activate(2); err != nil {
				t.Fatal(err)
			}
		}
		w.dead = late
		for n := range 100 {
			w.propose(fmt.Sprint("while it is away ", n))
		}
		w.dead = 0
		if len(features) == 2 {
			last := w.leader().Group().Status().Applied
			w.until("a snapshot", func() bool { return w.nodes[late-1].Group().Status().Applied >= last && w.snapshots > 0 })
			w.until("the features", w.allActive(1, 2))
			w.compared(0)
			continue
		}
		w.nodes[late-1].group.applier.features = features
		var err error
		w.until("the failure", func() bool { err = w.failure(late); return err != nil })
		var unknown *UnknownFeatureError
		if !errors.As(err, &unknown) || unknown.Feature != two[1] {
			t.Errorf("it failed with %v", err)
		}
	}
}

// TestActivationAndChange: who comes into a group while a feature is activated is asked, too. Neither begins while the
// other is under way.
func TestActivationAndChange(t *testing.T) {
	w := newWorldOf(t, 3, func(_ int, o *Options[uint64]) { o.Features = two })
	w.propose("a")
	leader, _ := w.lead()
	l := leader.group.loop
	l.chores.flying[activateControl]++
	var said error
	leader.Group().AskChange(Change{Add: []Member{{ID: 4}}}, func(err error) { said = err })
	leader.StepLoop()
	if l.chores.flying[activateControl]--; !errors.Is(said, ErrChanging) {
		t.Errorf("a member is added while a feature is activated: %v", said)
	}
	l.chores.order = &order{feature: two[1], done: func(error) {}}
	for _, id := range l.memberIDs() {
		l.chores.reported[id] = report{kind: knowsReport, numbers: []uint32{1, 2}}
	}
	l.change = &change{done: func(error) {}}
	if l.pursueOrder(true, 10); l.chores.pending(activateControl) {
		t.Error("a feature is activated while members change")
	}
	l.change = nil
	if l.pursueOrder(true, 10); !l.chores.pending(activateControl) {
		t.Error("no feature is activated when the members have changed")
	}
}
