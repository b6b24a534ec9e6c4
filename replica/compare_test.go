package replica

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
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
	faults := make([]*fault, nodes)
	w := newWorldOf(t, nodes, func(n int, o *Options[uint64]) {
		faults[n] = &fault{}
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

// TestDivergedMemberStops plants a wrong state on a follower and on the leader: within a second and an election it
// has stopped, the others go on, and when it is started again its state is right and compared again.
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
			var err error
			w.until("the failure", func() bool { err = w.failure(bad); return err != nil })
			limit := w.options[0].Limits.CompareEvery
			if took := w.now.Sub(since); took > limit+limit/10 {
				t.Errorf("it took %v", took)
			}
			var diverged *DivergedError
			if !errors.As(err, &diverged) || diverged.Node != bad || len(diverged.Agree) != 2 ||
				slices.Contains(diverged.Agree, bad) || diverged.Live == diverged.Shadow {
				t.Fatalf("%v: %+v", err, diverged)
			}
			status := w.nodes[bad-1].Group().Status()
			if status.Leading || !strings.Contains(status.Diverged, "DIVERGED") {
				t.Errorf("%+v", status)
			}
			stopped := w.now
			if _, now := w.lead(); now == bad {
				t.Fatal("it leads")
			}
			if took := w.now.Sub(stopped); took > 2*w.options[0].Limits.Tick {
				t.Errorf("nobody led for %v", took)
			}
			w.propose("y")
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
	w.until("the failure", func() bool { return w.failure(bad) != nil })
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
		if err := h.noteDivergence(index); err != nil {
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
