package replica

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// An unsteady machine is a diary that remembers the command "x" wrongly while its fault is on, and finds rows that
// were altered while it says so.
type unsteady struct {
	diary
	fault *fault
}

// A fault is shared by the machines of a node.
type fault struct {
	wrong   bool  // of commands
	altered error // of rows
	version uint32
}

func (u *unsteady) Apply(e Entry, answers []uint64) {
	u.diary.Apply(e, answers)
	for _, command := range e.Commands {
		if string(command) == "x" && u.fault.wrong {
			u.chain++
		}
	}
}

func (u *unsteady) Patrol(uint64) error { return u.fault.altered }

func (u *unsteady) HashVersion() uint32 { return u.fault.version }

// unsteadyWorld is a world of unsteady machines in which all members know and have every feature.
func unsteadyWorld(t *testing.T, nodes int) (*world, []*fault) {
	return unsteadyWorldOf(t, nodes, Limits{})
}

// unsteadyWorldOf is unsteadyWorld with another limit of entries in memory, when one is given.
func unsteadyWorldOf(t *testing.T, nodes int, limits Limits) (*world, []*fault) {
	faults := make([]*fault, nodes)
	w := newWorldOf(t, nodes, func(n int, o *Options[uint64]) {
		faults[n] = &fault{}
		o.Limits.MemoryEntries = max(o.Limits.MemoryEntries, limits.MemoryEntries)
		o.New = func() Machine[uint64] { return &unsteady{fault: faults[n]} }
	})
	w.until("a group with its first features", func() bool {
		return !slices.ContainsFunc(w.nodes, func(m *Manual[uint64]) bool {
			return len(m.Group().Features().Active) != len(Known())
		})
	})
	return w, faults
}

// compared waits until all nodes but one have had the same state at an index from now on.
func (w *world) compared(but uint64) {
	w.t.Helper()
	from := uint64(0)
	for _, m := range w.nodes {
		from = max(from, m.Group().Status().Applied)
	}
	w.until("a comparison", func() bool {
		for n, m := range w.nodes {
			if uint64(n+1) != but && m.Group().Status().LastCompared <= from {
				return false
			}
		}
		return true
	})
}

// failure is what a node's group failed of, nil while it works.
func (w *world) failure(node uint64) error {
	select {
	case err := <-w.nodes[node-1].Group().Failed():
		return err
	default:
		return nil
	}
}

// stops waits until a node says that its state is wrong.
func (w *world) stops(node uint64) {
	w.t.Helper()
	w.until("a node that has diverged", func() bool { return w.nodes[node-1].Group().Status().Diverged != "" })
}

// pass lets time pass.
func (w *world) pass(by time.Duration) {
	w.t.Helper()
	since := w.now
	w.until("time passes", func() bool { return w.now.Sub(since) >= by })
}

// comesBack opens a node's group again.
func (w *world) comesBack(node uint64) {
	w.t.Helper()
	if err := w.nodes[node-1].Close(); err != nil {
		w.t.Fatal(err)
	}
	w.open(int(node))
}

func TestStatesAreCompared(t *testing.T) {
	w, _ := unsteadyWorld(t, 3)
	w.propose("a")
	w.compared(0)
	w.propose("x")
	w.compared(0)
	for n, m := range w.nodes {
		if s := m.Group().Status(); s.Differ != "" || s.Diverged != "" || s.Failure != "" {
			t.Errorf("node %d: %+v", n+1, s)
		}
	}
}

// TestDivergedMemberStops plants a wrong state on a follower and on the leader, right behind a comparison: within a
// second it has stopped, the others go on, and when it is started again its state is right and compared again.
func TestDivergedMemberStops(t *testing.T) {
	for _, leads := range []bool{false, true} {
		t.Run(fmt.Sprintf("leads %t", leads), func(t *testing.T) {
			w, faults := unsteadyWorld(t, 3)
			_, leader := w.lead()
			bad := leader
			if !leads {
				bad = leader%3 + 1
			}
			w.compared(0)
			faults[bad-1].wrong = true
			w.propose("x")
			since := w.now
			w.stops(bad)
			if took := w.now.Sub(since); took > time.Second || took < w.options[0].Limits.CompareEvery/2 {
				t.Errorf("it took %v", took)
			}
			stopped := w.now
			if _, now := w.lead(); now == bad {
				t.Fatal("it leads")
			}
			if took := w.now.Sub(stopped); took > 2*w.options[0].Limits.Tick {
				t.Errorf("nobody led for %v", took)
			}
			w.propose("y")
			var err error
			w.until("the failure", func() bool { err = w.failure(bad); return err != nil })
			var diverged *DivergedError
			if !errors.As(err, &diverged) || diverged.Node != bad || len(diverged.Agree) != 2 ||
				slices.Contains(diverged.Agree, bad) || diverged.Live == diverged.Shadow {
				t.Fatalf("%v: %+v", err, diverged)
			}
			status := w.nodes[bad-1].Group().Status()
			if status.Leading || !strings.Contains(status.Diverged, "DIVERGED") {
				t.Errorf("%+v", status)
			}
			w.compared(bad)
			faults[bad-1].wrong = false
			note := filepath.Join(w.nodes[bad-1].group.home.dir, divergedName)
			if _, err := os.Stat(note); err != nil {
				t.Error("the divergence is not noted:", err)
			}
			w.comesBack(bad)
			w.compared(0)
			if got := diaryOf(w.nodes[bad-1]); !slices.Equal(got, []string{"x", "y"}) {
				t.Errorf("it came back with %q", got)
			}
			if _, err := os.Stat(note); err == nil {
				t.Error("the divergence is healed and not forgotten")
			}
		})
	}
}

// TestSpoiledLogIsPassedOver: a node whose log leads to the wrong state every time (memory spoiled an entry before
// it was written) comes back by a snapshot of the leader's. Its log stays: what it acknowledged is there, and its
// vote.
func TestSpoiledLogIsPassedOver(t *testing.T) {
	w, faults := unsteadyWorld(t, 3)
	w.propose("a")
	_, leader := w.lead()
	bad := leader%3 + 1
	faults[bad-1].wrong = true // for ever
	w.propose("x")
	w.stops(bad)
	w.propose("b")
	before := w.nodes[bad-1].group.loop.memory.state
	w.until("the failure", func() bool { return w.failure(bad) != nil })
	if from, _ := w.nodes[bad-1].group.loop.memory.FirstIndex(); from != 1 {
		t.Errorf("the log begins at %d", from)
	}
	w.comesBack(bad)
	after := w.nodes[bad-1].group.loop.memory.state
	if after.GetTerm() < before.GetTerm() || after.GetTerm() == before.GetTerm() && after.GetVote() != before.GetVote() {
		t.Errorf("it voted %v and remembers %v", before, after)
	}
	w.propose("c")
	w.compared(0)
	w.compared(0)
	if err := w.failure(bad); err != nil {
		t.Error(err)
	}
	if got := diaryOf(w.nodes[bad-1]); !slices.Equal(got, []string{"a", "x", "b", "c"}) {
		t.Errorf("it has %q", got)
	}
	indexes := 0
	if err := w.nodes[bad-1].Group().Replay(0, func(Entry) error { indexes++; return nil }); err != nil || indexes != 4 {
		t.Errorf("its log has %d commands, %v", indexes, err)
	}
}

// TestMendingEnds: a node that cannot reach the leader fails all the same, and does not lead before.
func TestMendingEnds(t *testing.T) {
	w, faults := unsteadyWorld(t, 3)
	_, leader := w.lead()
	bad := leader%3 + 1
	faults[bad-1].wrong = true
	w.propose("x")
	w.stops(bad)
	if err := w.nodes[bad-1].Group().Submit([]byte("y"), nil); err == nil {
		t.Error("it takes commands")
	}
	var refused error
	w.nodes[bad-1].Group().AskFresh(func(_ uint64, err error) { refused = err })
	if !errors.Is(refused, ErrFailed) {
		t.Errorf("it answers questions: %v", refused)
	}
	w.isolate = true
	since := w.now
	w.nodes[bad-1].Group().Receive(&raftpb.Message{Type: raftpb.MsgTimeoutNow.Enum(), From: new(leader), To: new(bad),
		Term: new(w.nodes[bad-1].Group().Status().Term)})
	for w.failure(bad) == nil && w.now.Sub(since) < time.Hour {
		w.pass(w.options[0].Limits.Tick)
		if state := w.nodes[bad-1].group.loop.raft.BasicStatus().RaftState; state != raft.StateFollower {
			t.Fatal("it stands for election:", state)
		}
	}
	if took, limit := w.now.Sub(since), w.options[0].Limits.MendWait; took < limit/2 || took > limit+time.Second {
		t.Errorf("it took %v", took)
	}
	w.isolate = false
	faults[bad-1].wrong = false
	w.comesBack(bad)
	w.compared(0)
}

// TestMendingTakesASnapshotAheadOfItsLog: the leader has dropped what a diverged node's log lacks, so its snapshot is
// installed in place of the log, long before the node would give up waiting.
func TestMendingTakesASnapshotAheadOfItsLog(t *testing.T) {
	const memory = 4
	w, faults := unsteadyWorldOf(t, 3, Limits{MemoryEntries: memory})
	_, leader := w.lead()
	bad := leader%3 + 1
	faults[bad-1].wrong = true
	w.propose("x")
	w.stops(bad)
	w.dead = bad
	want := []string{"x"}
	for n := range 3 * memory {
		want = append(want, fmt.Sprint(n))
		w.propose(want[n+1])
	}
	has := w.nodes[bad-1].Group().Status().Durable
	w.until("a leader that has dropped what it lacks", func() bool {
		first, _ := w.nodes[leader-1].group.loop.memory.FirstIndex()
		return first > has+1
	})
	w.dead = 0
	w.until("the failure", func() bool { return w.failure(bad) != nil })
	faults[bad-1].wrong = false
	w.comesBack(bad)
	w.compared(0)
	if got := diaryOf(w.nodes[bad-1]); !slices.Equal(got, want) {
		t.Errorf("it has %q", got)
	}
}

// TestMendingRefusesSnapshots that are older than the divergence, or ahead of what this node's log has on disk.
func TestMendingRefusesSnapshots(t *testing.T) {
	w, faults := unsteadyWorld(t, 3)
	leader, id := w.lead()
	bad := id%3 + 1
	w.propose("a")
	w.kept()
	w.compared(0)
	faults[bad-1].wrong = true
	w.propose("x")
	w.stops(bad)
	g, meta := w.nodes[bad-1].group, leader.group.loop.memory.snapshot
	send := func() error {
		file, err := os.Open(snapshotPath(leader.group.home.snapshots(), position{meta.GetIndex(), meta.GetTerm()}))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close() //nolint:errcheck // only read
		return g.ReceiveSnapshot(&raftpb.Message{Type: raftpb.MsgSnap.Enum(), From: new(id), To: new(bad),
			Term: new(uint64(1)), Snapshot: &raftpb.Snapshot{Metadata: meta}}, file)
	}
	if err := send(); err == nil || !strings.Contains(err.Error(), "older than the divergence") {
		t.Errorf("a snapshot of before: %v", err)
	}
	g.loop.mends.Store(1) // now it is young enough
	durable := g.loop.public.durable
	g.loop.public.durable = meta.GetIndex() - 1
	if err := send(); err == nil || !strings.Contains(err.Error(), "ahead of the log") {
		t.Errorf("a snapshot ahead of the log: %v", err)
	}
	if files, err := filesOf(g.home.snapshots(), receivedSuffix); err != nil || len(files) > 0 {
		t.Errorf("left are %v, %v", files, err)
	}
	g.loop.public.durable = durable
	if err := send(); err != nil || g.home.trusted != meta.GetIndex() {
		t.Errorf("a good one: %v", err)
	}
}

// TestAlteredRowsStopAMember: a flip of memory that no command has touched yet is found by the patrol, and the others
// decide: one that is alone with it stops, and a fault that all have (a bug) stops nobody.
func TestAlteredRowsStopAMember(t *testing.T) {
	w, faults := unsteadyWorld(t, 3)
	w.propose("x")
	w.compared(0)
	faults[1].altered = errors.New("row 7 is not what it was")
	var err error
	w.until("the failure", func() bool { err = w.failure(2); return err != nil })
	var diverged *DivergedError
	if !errors.As(err, &diverged) || !diverged.Altered || diverged.Live != diverged.Shadow {
		t.Fatalf("%v: %+v", err, diverged)
	}
	faults[1].altered = nil
	w.comesBack(2)
	w.compared(0)
	for _, f := range faults {
		f.altered = errors.New("a bug")
	}
	w.compared(0)
	w.compared(0)
}

// TestNoMajority: of two members nobody knows which is wrong: both say so, and go on.
func TestNoMajority(t *testing.T) {
	w, faults := unsteadyWorld(t, 2)
	w.compared(0)
	faults[1].wrong = true
	w.propose("x")
	w.until("both say so", func() bool {
		return w.nodes[0].Group().Status().Differ != "" && w.nodes[1].Group().Status().Differ != ""
	})
	w.propose("y")
	if err := errors.Join(w.failure(1), w.failure(2)); err != nil {
		t.Error(err)
	}
}

// TestSilentMemberIsNotWaitedFor: a member that is away does not keep the others from comparing.
func TestSilentMemberIsNotWaitedFor(t *testing.T) {
	w, faults := unsteadyWorld(t, 3)
	_, leader := w.lead()
	w.dead = leader%3 + 1
	bad := w.dead%3 + 1
	w.compared(w.dead)
	faults[bad-1].wrong = true
	w.propose("x")
	w.until("they say so", func() bool { return w.nodes[bad-1].Group().Status().Differ != "" })
	if err := w.failure(bad); err != nil {
		t.Errorf("one of two that are up stopped: %v", err)
	}
	w.dead = 0
	w.until("the failure", func() bool { return w.failure(bad) != nil })
}

// TestOtherVersionsAreNotCompared: a member whose hashes are of other things is neither wrong nor a witness.
func TestOtherVersionsAreNotCompared(t *testing.T) {
	w, faults := unsteadyWorld(t, 3)
	_, leader := w.lead()
	w.compared(0)
	other := leader%3 + 1
	faults[other-1].version, faults[other-1].wrong = 2, true
	w.comesBack(other)
	w.propose("x")
	w.compared(other)
	w.compared(other)
	if err := w.failure(other); err != nil {
		t.Error(err)
	}
}

// TestBadSnapshotIsPassedOver: a state that was wrong when a snapshot of it was made is found by the replay behind
// it, and an older snapshot makes the right one.
func TestBadSnapshotIsPassedOver(t *testing.T) {
	w, faults := unsteadyWorld(t, 3)
	_, leader := w.lead()
	bad := leader%3 + 1
	w.propose("a")
	keep := func() {
		t.Helper()
		kept := false
		if err := w.nodes[bad-1].Group().Keep(func(err error) {
			if err != nil {
				t.Error(err)
			}
			kept = true
		}); err != nil {
			t.Fatal(err)
		}
		w.until("a snapshot", func() bool { return kept })
	}
	w.compared(0)
	keep()
	faults[bad-1].wrong = true // of the live machine and the shadow alike
	w.propose("x")
	keep()
	w.stops(bad)
	w.dead = bad  // the leader's snapshot does not reach it
	for range 4 { // until gives up earlier than MendWait
		w.pass(w.options[0].Limits.MendWait / 4)
	}
	w.until("the failure", func() bool { return w.failure(bad) != nil })
	w.dead = 0
	faults[bad-1].wrong = false
	w.comesBack(bad)
	w.compared(0)
	suspects, err := filesOf(w.nodes[bad-1].group.home.snapshots(), suspectSuffix)
	if err != nil || len(suspects) != 1 {
		t.Errorf("%d snapshots are set aside, %v", len(suspects), err)
	}
}

// TestDivergenceIsRemembered: with the note of a divergence, snapshots that are younger are not restored; the note
// goes when the state agrees again, at the start if the log says so, else at the next comparison.
func TestDivergenceIsRemembered(t *testing.T) {
	w, _ := unsteadyWorld(t, 3)
	w.propose("a")
	w.compared(0)
	w.kept()
	h := w.nodes[0].group.home
	noted := func() bool {
		_, err := os.Stat(filepath.Join(h.dir, divergedName))
		return err == nil
	}
	note := func(index uint64) {
		t.Helper()
		if err := w.nodes[0].Close(); err != nil {
			t.Fatal(err)
		}
		if err := h.noteDivergence(index, 0); err != nil {
			t.Fatal(err)
		}
		w.open(1)
	}
	head := w.nodes[0].group.keeper.newest
	note(head.at.index - 1)
	if got := w.nodes[0].group.keeper.newest; got.at.index != 0 {
		t.Errorf("the snapshot at index %d was restored", got.at.index)
	}
	w.compared(0)
	if noted() {
		t.Error("it is noted after a comparison")
	}
	w.propose("b")
	w.compared(0)
	w.compared(0)
	note(2)
	if noted() {
		t.Error("it is noted after a start that met later comparisons")
	}
	note(w.nodes[0].Group().Status().Applied + 1)
	if !noted() {
		t.Error("it is forgotten though nothing was compared since")
	}
	w.compared(0)
	w.compared(0)
	if noted() {
		t.Error("it is noted after a later comparison")
	}
	if got := diaryOf(w.nodes[0]); !slices.Equal(got, []string{"a", "b"}) {
		t.Error(got)
	}
}

// TestInstallIsTrusted: with a divergence noted, a node that got a snapshot of the leader's in place of its log starts
// with it again, though nothing was compared since; and it makes no snapshot of its own before.
func TestInstallIsTrusted(t *testing.T) {
	for steps := range 7 { // of the installation, before it crashes
		w, _ := unsteadyWorld(t, 3)
		w.propose("a")
		w.compared(0)
		_, leader := w.lead()
		late := leader%3 + 1
		for n, m := range w.nodes {
			if uint64(n+1) != late {
				m.group.loop.limits.MemoryEntries = 8
			}
		}
		w.dead = late
		at := w.nodes[late-1].Group().Status().Applied
		if err := w.nodes[late-1].Close(); err != nil {
			t.Fatal(err)
		}
		if err := w.nodes[late-1].group.home.noteDivergence(at+1, 0); err != nil {
			t.Fatal(err)
		}
		w.open(int(late))
		var refused error
		if err := w.nodes[late-1].Group().Keep(func(err error) { refused = err }); err != nil {
			t.Fatal(err)
		}
		for range 20 {
			w.nodes[late-1].StepLoop()
			w.nodes[late-1].StepApplier()
			w.nodes[late-1].StepKeeper()
		}
		if !errors.Is(refused, errInDoubt) {
			t.Errorf("a snapshot in doubt: %v", refused)
		}
		for n := range 100 {
			w.propose(fmt.Sprint(n))
		}
		w.dead, w.hung = 0, int(late)
		m := w.nodes[late-1]
		w.until("the installation", func() bool {
			under := slices.ContainsFunc(m.group.journal.under, func(w journalWork) bool { return w.install != nil })
			if !under {
				m.FinishJournal()
			}
			return under
		})
		w.hung = 0
		index, err := m.CrashInInstall(steps)
		if index == 0 || err != nil {
			t.Fatal(index, err)
		}
		w.open(int(late))
		if steps >= 2 && w.nodes[late-1].Group().Status().Applied < index {
			t.Errorf("after %d steps it starts at %d, and the snapshot was of %d", steps,
				w.nodes[late-1].Group().Status().Applied, index)
		}
		if w.nodes[late-1].group.home.diverged == 0 {
			t.Errorf("after %d steps the divergence is forgotten", steps)
		}
		w.compared(0)
		if got := diaryOf(w.nodes[late-1]); len(got) != 101 {
			t.Errorf("after %d steps it has %d commands", steps, len(got))
		}
	}
}

func TestMajority(t *testing.T) {
	of := func(voters uint16, results ...result) string {
		c := control{voters: voters, results: results}
		most, agree, decided := c.majority()
		return fmt.Sprint(most.hash, agree, decided, c.differ())
	}
	for _, test := range []struct{ got, want string }{
		{of(3, result{node: 1, hash: 5}, result{node: 2, hash: 5}, result{node: 3, hash: 5}), "5 [1 2 3] true false"},
		{of(3, result{node: 1, hash: 5}, result{node: 2, hash: 6}, result{node: 3, hash: 6}), "6 [2 3] true true"},
		{of(3, result{node: 1, hash: 5}, result{node: 2, hash: 6}), "0 [] false true"},
		{of(3, result{node: 1, hash: 5}, result{node: 2, hash: 5}), "5 [1 2] true false"},
		{of(3, result{node: 1, hash: 5}, result{node: 2, hash: 6}, result{node: 3, hash: 7}), "0 [] false true"},
		{of(2, result{node: 1, hash: 5}, result{node: 2, hash: 6}), "0 [] false true"},
		{of(5, result{node: 1, hash: 5}, result{node: 2, hash: 5}, result{node: 3, hash: 6}), "0 [] false true"},
		{of(1, result{node: 1, hash: 5}, result{node: 2, hash: 6, learner: true}), "5 [1] true true"},
		{of(3, result{node: 1, hash: 5, learner: true}, result{node: 2, hash: 5, learner: true}, result{node: 3, hash: 5}),
			"0 [] false false"},
		{of(2, result{node: 1, hash: 5}, result{node: 2, hash: 5, altered: true}), "0 [] false true"},
	} {
		if test.got != test.want {
			t.Errorf("%s, not %s", test.got, test.want)
		}
	}
}
