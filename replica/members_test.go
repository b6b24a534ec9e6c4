package replica

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/iotest"

	"go.etcd.io/raft/v3/raftpb"
)

// change asks the leader for a change and waits for its end.
func (w *world) change(c Change) (err error) {
	w.t.Helper()
	leader, _ := w.lead()
	said := false
	leader.Group().AskChange(c, func(e error) { err, said = e, true })
	w.until("the end of a change", func() bool { return said })
	return err
}

// mustChange asks until a learner has caught up.
func (w *world) mustChange(c Change) {
	w.t.Helper()
	w.until("a change", func() bool {
		leader := w.leader()
		if leader == nil {
			return false
		}
		err := errors.New("nothing was said")
		leader.Group().AskChange(c, func(e error) { err = e })
		w.settle()
		if err != nil && !errors.Is(err, ErrBehind) && !errors.Is(err, ErrChanging) {
			w.t.Fatal(err)
		}
		return err == nil
	})
}

// agree waits until nodes have all commands.
func (w *world) agree(want []string, nodes ...uint64) {
	w.t.Helper()
	w.until(fmt.Sprint("all commands at ", nodes), func() bool {
		return !slices.ContainsFunc(nodes, func(n uint64) bool { return !slices.Equal(diaryOf(w.nodes[n-1]), want) })
	})
}

func membersOf(m *Manual[uint64]) string {
	text := ""
	for _, member := range m.Group().Members() {
		text += fmt.Sprint(member.ID)
		if member.Learner {
			text += "l"
		}
		text += member.Address + " "
	}
	return text
}

func TestGrowFromOneToThree(t *testing.T) {
	w := newWorld(t, 1)
	var heard []Member
	w.nodes[0].group.loop.membersChanged = func(m []Member) { heard = m }
	var want []string
	say := func(n int) {
		for range n {
			want = append(want, fmt.Sprint("command ", len(want)))
			w.propose(want[len(want)-1])
		}
	}
	say(20)
	two, three := w.join(), w.join()
	w.until("nothing", func() bool { return w.now.Unix() > 1_000_002 }) // they wait
	if l := w.nodes[1].Group().Leadership(); l.Leader != 0 || l.Leading || len(w.nodes[1].Group().Members()) != 0 {
		t.Fatalf("who joins leads: %+v", l)
	}
	if err := w.change(Change{Add: []Member{{ID: two, Address: "b:2"}}}); err != nil {
		t.Fatal(err)
	}
	say(5)
	if err := w.change(Change{Add: []Member{{ID: three, Address: "c:3"}}}); err != nil {
		t.Fatal(err)
	}
	w.agree(want, 2, 3)
	if w.snapshots == 0 || membersOf(w.nodes[2]) != "1 2lb:2 3lc:3 " {
		t.Fatalf("%d snapshots, members %q", w.snapshots, membersOf(w.nodes[2]))
	}
	w.mustChange(Change{Promote: []uint64{2, 3}})
	say(5)
	w.agree(want, 1, 2, 3)
	for _, m := range w.nodes {
		if got := membersOf(m); got != "1 2b:2 3c:3 " || m.group.loop.memory.joint() {
			t.Fatalf("members %q", got)
		}
	}
	if len(heard) != 3 {
		t.Fatalf("heard of %v", heard)
	}
	// Now any one may die, and all of it is there after a restart of everybody.
	w.dead = 1
	say(5)
	w.dead = 0
	for node := range w.nodes {
		if node == 1 { // one of them from a snapshot of its own
			kept := errors.New("nothing was said")
			_ = w.nodes[node].Group().Keep(func(err error) { kept = err })
			w.settle()
			if kept != nil {
				t.Fatal(kept)
			}
		}
		if err := w.nodes[node].Crash(); err != nil {
			t.Fatal(err)
		}
		w.open(node + 1)
		if got := membersOf(w.nodes[node]); got != "1 2b:2 3c:3 " {
			t.Fatalf("node %d opened with members %q", node+1, got)
		}
	}
	say(1)
	w.agree(want, 1, 2, 3)
}

func TestBadChangesAreRefused(t *testing.T) {
	w := newWorld(t, 3)
	four := w.join()
	w.propose("a")
	for _, c := range []struct {
		change Change
		want   error
	}{
		{Change{}, ErrBadChange},
		{Change{Add: []Member{{ID: 0}}}, ErrBadChange},
		{Change{Add: []Member{{ID: 4, Address: "a b"}}}, ErrBadChange},
		{Change{Add: []Member{{ID: 3}}}, ErrUsedID},
		{Change{Add: []Member{{ID: 4}, {ID: 4}}}, ErrBadChange},
		{Change{Promote: []uint64{3}}, ErrBadChange},
		{Change{Promote: []uint64{7}}, ErrBadChange},
		{Change{Remove: []uint64{7}}, ErrBadChange},
		{Change{Remove: []uint64{1, 2, 3}}, ErrBadChange},
	} {
		if err := w.change(c.change); !errors.Is(err, c.want) {
			t.Errorf("%+v: %v", c.change, err)
		}
	}
	w.dead = four
	if err := w.change(Change{Add: []Member{{ID: four}}}); err != nil {
		t.Fatal(err)
	}
	if err := w.change(Change{Promote: []uint64{four}}); !errors.Is(err, ErrBehind) {
		t.Fatalf("promoting a dead learner: %v", err)
	}
	w.dead = 0
	leader, from := w.lead()
	w.dead = from%3 + 1
	w.until("it is known to be dead", func() bool {
		return slices.ContainsFunc(leader.Group().Status().Followers, func(f Follower) bool {
			return f.Node == w.dead && !f.Active
		})
	})
	if err := w.change(Change{Remove: []uint64{(from+1)%3 + 1}}); !errors.Is(err, ErrNoQuorum) {
		t.Fatalf("removing one of two that are up: %v", err)
	}
	w.propose("goes on")
}

func TestReplaceADeadNode(t *testing.T) {
	w := newWorld(t, 3)
	var want []string
	for n := range 10 {
		want = append(want, fmt.Sprint(n))
		w.propose(want[n])
	}
	_, from := w.lead()
	gone := from%3 + 1
	w.dead = gone
	four := w.join()
	if err := w.change(Change{Add: []Member{{ID: four}}}); err != nil {
		t.Fatal(err)
	}
	w.mustChange(Change{Promote: []uint64{four}, Remove: []uint64{gone}})
	want = append(want, "after")
	w.propose("after")
	w.agree(want, from, four)
	if err := w.change(Change{Add: []Member{{ID: gone}}}); !errors.Is(err, ErrUsedID) {
		t.Fatalf("an id was used twice: %v", err)
	}
	// Who was removed comes back, does not disturb, and hears of it.
	term := w.nodes[from-1].Group().Leadership().Term
	w.dead = 0
	w.until("it hears of it", func() bool { return w.nodes[gone-1].Group().Status().Failure != "" })
	if err := <-w.nodes[gone-1].Group().Failed(); !errors.Is(err, ErrRemoved) {
		t.Fatal(err)
	}
	if now := w.nodes[from-1].Group().Leadership(); now.Term != term || !now.Leading {
		t.Fatalf("a removed node disturbed: %+v in place of term %d", now, term)
	}
	// What was removed is in the snapshot too.
	kept := errors.New("nothing was said")
	_ = w.nodes[from-1].Group().Keep(func(err error) { kept = err })
	w.settle()
	if kept != nil {
		t.Fatal(kept)
	}
	if err := w.nodes[from-1].Crash(); err != nil {
		t.Fatal(err)
	}
	w.open(int(from))
	if !w.nodes[from-1].group.loop.memory.wasRemoved(gone) || w.nodes[from-1].Group().Status().StartReplayed != 0 {
		t.Fatal("a restart forgot who was removed")
	}
}

func TestRemoveTheLeader(t *testing.T) {
	w := newWorld(t, 3)
	w.propose("a")
	leader, from := w.lead()
	outcome := errors.New("nothing was said")
	leader.Group().AskChange(Change{Remove: []uint64{from}}, func(err error) { outcome = err })
	w.settle() // no time passes: it gives leadership away first
	if outcome != nil {
		t.Fatal(outcome)
	}
	w.propose("b")
	now, to := w.lead()
	if to == from {
		t.Fatal("who was removed leads")
	}
	if got := len(now.Group().Members()); got != 2 || now.group.loop.memory.joint() {
		t.Fatalf("%d members", got)
	}
	w.until("it hears of it", func() bool { return leader.Group().Status().Failure != "" })
	if err := <-leader.Group().Failed(); !errors.Is(err, ErrRemoved) {
		t.Fatal(err)
	}
}

func TestJointChangeEndsUnderAnotherLeader(t *testing.T) {
	w := newWorld(t, 3)
	four := w.join()
	w.propose("a")
	if err := w.change(Change{Add: []Member{{ID: four}}}); err != nil {
		t.Fatal(err)
	}
	w.until("it has caught up", func() bool { return len(diaryOf(w.nodes[3])) == 1 })
	leader, from := w.lead()
	w.settle()
	leader.Group().AskChange(Change{Promote: []uint64{four}, Remove: []uint64{from%3 + 1}}, func(error) {})
	for range 1000 { // until it has begun and not ended
		for n, m := range w.nodes {
			if uint64(n+1) == w.dead {
				continue
			}
			m.StepLoop()
			m.StepJournal()
			m.StepApplier()
		}
		if leader.group.loop.memory.joint() {
			w.dead = from
			break
		}
		wire := w.wire
		w.wire = nil
		for _, message := range wire {
			w.nodes[message.GetTo()-1].Group().Receive(message)
		}
	}
	if w.dead == 0 {
		t.Fatal("it was never joint")
	}
	w.wire = nil
	w.until("another leads, and the change is over", func() bool {
		return slices.ContainsFunc(w.nodes, func(m *Manual[uint64]) bool {
			l := m.Group().Leadership()
			return m != leader && l.Ready && !m.group.loop.memory.joint()
		})
	})
}

func TestFollowerFarBehindGetsASnapshot(t *testing.T) {
	w := newWorld(t, 3)
	for _, m := range w.nodes {
		m.group.loop.limits.MemoryEntries = 8
	}
	replaced := uint64(0)
	_, from := w.lead()
	late := from%3 + 1
	w.nodes[late-1].group.applier.replaced = func(_ Machine[uint64], index uint64) { replaced = index }
	var want []string
	say := func(n int) {
		for range n {
			want = append(want, fmt.Sprint(len(want)))
			w.propose(want[len(want)-1])
		}
	}
	say(3)
	w.agree(want, 1, 2, 3)
	w.dead = late
	say(100)
	leader, _ := w.lead()
	if s := leader.Group().Status(); s.MemoryEntries > 4*8+2 {
		t.Fatalf("%d entries are in memory for one that is dead", s.MemoryEntries)
	}
	w.dead, w.breaks = 0, 2
	began := w.now
	w.agree(want, late)
	if w.snapshots < 3 || replaced == 0 {
		t.Fatalf("%d snapshots were sent, replaced at %d", w.snapshots, replaced)
	}
	t.Logf("caught up after %v", w.now.Sub(began))
	say(20)
	w.agree(want, 1, 2, 3)
	// Its log begins behind the snapshot, and it starts from there.
	if err := w.nodes[late-1].Group().Replay(0, func(Entry) error { return nil }); !errors.Is(err, ErrGone) {
		t.Fatalf("replay from the beginning: %v", err)
	}
	if err := w.nodes[late-1].Crash(); err != nil {
		t.Fatal(err)
	}
	w.open(int(late))
	say(3)
	w.agree(want, 1, 2, 3)
	kept := errors.New("nothing was said")
	_ = w.nodes[late-1].Group().Keep(func(err error) { kept = err })
	w.settle()
	if kept != nil {
		t.Fatal(kept)
	}
}

// TestCrashWhileInstalling stops an installation after each of its steps: a start finds the snapshot, or what was
// before.
func TestCrashWhileInstalling(t *testing.T) {
	for stop := range 6 {
		w := newWorld(t, 3)
		var want []string
		say := func(n int) {
			for range n {
				want = append(want, fmt.Sprint(len(want)))
				w.propose(want[len(want)-1])
			}
		}
		say(3)
		w.agree(want, 1, 2, 3)
		_, from := w.lead()
		late := from%3 + 1
		w.dead = late
		say(10)
		leader, _ := w.lead()
		kept := errors.New("nothing was said")
		_ = leader.Group().Keep(func(err error) { kept = err })
		w.settle()
		if kept != nil {
			t.Fatal(kept)
		}
		path := leader.group.keeper.newestAt
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		head, err := readSnapshot(path, 7, nil)
		if err != nil {
			t.Fatal(err)
		}
		h := w.nodes[late-1].group.home
		received := filepath.Join(h.snapshots(), filepath.Base(path)[:33]+receivedSuffix)
		if err := os.WriteFile(received, content, fileMode); err != nil {
			t.Fatal(err)
		}
		old := w.nodes[late-1].group.loop
		state := &raftpb.HardState{Term: new(max(old.term, head.at.term)), Vote: new(old.vote), Commit: new(head.at.index)}
		if err := w.nodes[late-1].Crash(); err != nil {
			t.Fatal(err)
		}
		i := &installation{home: h, received: received, head: head, state: state}
		for n, step := range i.steps() {
			if n < stop {
				if err := step(); err != nil {
					t.Fatal(err)
				}
			}
		}
		w.open(int(late))
		if got := len(diaryOf(w.nodes[late-1])); got > 3 && stop < 2 || got != 13 && stop >= 2 {
			t.Fatalf("stopped after %d steps: %d commands", stop, got)
		}
		if l := w.nodes[late-1].group.loop; l.term < state.GetTerm() || l.term == old.term && l.vote != old.vote {
			t.Fatalf("stopped after %d steps: term %d, vote %d; it was %d, %d", stop, l.term, l.vote, old.term, old.vote)
		}
		left, err := filesOf(h.dir, "")
		if err != nil || len(left) != 4 {
			t.Fatalf("stopped after %d steps: %v are left, %v", stop, left, err)
		}
		w.dead = 0
		say(3)
		w.agree(want, 1, 2, 3)
	}
}

func TestDamagedSnapshotsAreNotTaken(t *testing.T) {
	w := newWorld(t, 3)
	w.propose("a")
	w.agree([]string{"a"}, 1, 2, 3)
	leader, from := w.lead()
	to := from%3 + 1
	w.dead = to
	w.propose("b")
	_ = leader.Group().Keep(func(error) {})
	w.settle()
	content, err := os.ReadFile(leader.group.keeper.newestAt)
	if err != nil {
		t.Fatal(err)
	}
	meta := leader.group.keeper.newest.metadata()
	m := &raftpb.Message{Type: raftpb.MsgSnap.Enum(), To: new(to), From: new(from),
		Term: new(leader.Group().Leadership().Term), Snapshot: &raftpb.Snapshot{Metadata: meta}}
	late := w.nodes[to-1]
	for _, at := range []int{0, 20, 60, len(content) / 2, len(content) - 1} {
		flipped := slices.Clone(content)
		flipped[at] ^= 1
		if err := late.Group().ReceiveSnapshot(m, slowReader(flipped)); err == nil {
			t.Fatalf("byte %d: taken", at)
		}
	}
	if err := late.Group().ReceiveSnapshot(m, slowReader(content[:len(content)-1])); err == nil {
		t.Fatal("a part was taken")
	}
	meta.Index = new(meta.GetIndex() + 1)
	if err := late.Group().ReceiveSnapshot(m, slowReader(content)); err == nil {
		t.Fatal("another's was taken")
	}
	left, err := filesOf(late.group.home.snapshots(), "")
	if err != nil || len(left) != 0 {
		t.Fatalf("left over: %v, %v", left, err)
	}
	w.dead = 0
	w.agree([]string{"a", "b"}, 1, 2, 3)
}

func TestUnwantedSnapshotsAreForgotten(t *testing.T) {
	w := newWorld(t, 3)
	w.propose("a")
	leader, from := w.lead()
	_ = leader.Group().Keep(func(error) {})
	w.until("a snapshot", func() bool { return leader.Group().Status().SnapshotIndex > 0 })
	content, err := os.ReadFile(leader.group.keeper.newestAt)
	if err != nil {
		t.Fatal(err)
	}
	m := &raftpb.Message{Type: raftpb.MsgSnap.Enum(), To: new(from%3 + 1), From: new(from), Term: new(uint64(1)),
		Snapshot: &raftpb.Snapshot{Metadata: leader.group.keeper.newest.metadata()}}
	late := w.nodes[from%3]
	late.group.loop.public.committed = 0 // as if it were not there yet
	if err := late.Group().ReceiveSnapshot(m, slowReader(content)); err != nil {
		t.Fatal(err)
	}
	if err := late.Group().ReceiveSnapshot(m, slowReader(content)); !errors.Is(err, ErrReceiving) {
		t.Fatalf("two at a time: %v", err)
	}
	w.settle()
	left, err := filesOf(late.group.home.snapshots(), "")
	if err != nil || len(left) != 0 || late.group.receiving.Load() {
		t.Fatalf("left over: %v, %v", left, err)
	}
	w.propose("b")
	w.agree([]string{"a", "b"}, 1, 2, 3)
}

func TestMarkersOfAllKindsAreReadBack(t *testing.T) {
	for _, members := range [][]Member{nil, {{ID: 2}}, {{ID: 2, Address: "a:1"}, {ID: 3, Learner: true}}} {
		h := &home{group: 1, node: 2, initial: newRoster(members)}
		back := &home{group: 1, node: 2}
		if err := back.readMarker(h.marker()); err != nil || !slices.Equal(back.initial.members(), members) {
			t.Errorf("%v: %v, %v", members, back.initial.members(), err)
		}
	}
}

// slowReader reads one byte at a time.
func slowReader(b []byte) io.Reader { return iotest.OneByteReader(bytes.NewReader(b)) }

// A node whose last fellow left must be able to start alone, whatever of the log was not synced.
func TestShrinkToOneAndRestart(t *testing.T) {
	w := newWorld(t, 1)
	w.propose("a")
	w.join()
	if err := w.change(Change{Add: []Member{{ID: 2}}}); err != nil {
		t.Fatal(err)
	}
	w.mustChange(Change{Promote: []uint64{2}})
	w.propose("b")
	if _, from := w.lead(); from != 1 {
		t.Fatal("it was not to lead")
	}
	if err := w.change(Change{Remove: []uint64{2}}); err != nil {
		t.Fatal(err)
	}
	w.dead = 2
	if err := w.nodes[0].Crash(); err != nil {
		t.Fatal(err)
	}
	w.open(1)
	w.propose("c")
	w.agree([]string{"a", "b", "c"}, 1)
}

func TestANodeThatLostItsDiskSaysSo(t *testing.T) {
	w := newWorld(t, 3)
	w.propose("a")
	w.agree([]string{"a"}, 1, 2, 3)
	_, from := w.lead()
	lost := from%3 + 1
	if err := w.nodes[lost-1].Crash(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(w.options[lost-1].Dir); err != nil {
		t.Fatal(err)
	}
	w.open(int(lost))
	w.until("it says so", func() bool { return w.nodes[lost-1].Group().Status().Failure != "" })
	if err := <-w.nodes[lost-1].Group().Failed(); !errors.Is(err, ErrLogLost) {
		t.Fatal(err)
	}
	w.propose("goes on")
}

// A follower whose machine stands still takes no more of the log than its memory may hold, and catches up later.
func TestSlowMachineHoldsTheLogBack(t *testing.T) {
	w := newWorld(t, 3)
	for _, m := range w.nodes {
		m.group.loop.limits.MemoryEntries = 8
	}
	w.propose("0")
	w.agree([]string{"0"}, 1, 2, 3)
	_, from := w.lead()
	w.slow = int(from%3 + 1)
	want := []string{"0"}
	for n := range 100 {
		want = append(want, fmt.Sprint(n+1))
		w.propose(want[n+1])
	}
	slow := w.nodes[w.slow-1]
	if s := slow.Group().Status(); s.MemoryEntries > 6*8 || len(diaryOf(slow)) != 1 {
		t.Fatalf("%d entries wait in memory", s.MemoryEntries)
	}
	w.slow = 0
	w.agree(want, 1, 2, 3)
}

// A snapshot comes in while an older change of members is still being applied: seed 20073 of TestChaos, with 150,000
// things happening.
func TestSnapshotOvertakesAChange(t *testing.T) {
	w := newWorld(t, 3)
	for _, m := range w.nodes {
		m.group.loop.limits.MemoryEntries = 8
	}
	w.propose("0")
	w.agree([]string{"0"}, 1, 2, 3)
	_, from := w.lead()
	late := from%3 + 1
	w.slow = int(late)
	w.join()
	if err := w.change(Change{Add: []Member{{ID: 4}}}); err != nil {
		t.Fatal(err)
	}
	w.until("the follower knows that it is agreed", func() bool {
		return w.nodes[late-1].Group().Status().Committed >= w.nodes[from-1].Group().Status().Applied
	})
	w.dead = late
	if err := w.change(Change{Remove: []uint64{4}}); err != nil {
		t.Fatal(err)
	}
	want := []string{"0"}
	for n := range 100 {
		want = append(want, fmt.Sprint(n+1))
		w.propose(want[n+1])
	}
	w.dead = 0
	w.until("a snapshot is installed", func() bool { return w.nodes[late-1].Group().Status().SnapshotIndex > 0 })
	w.slow = 0
	w.agree(want, 1, 2, 3)
	if got := membersOf(w.nodes[late-1]); got != "1 2 3 " {
		t.Fatalf("members %q", got)
	}
}
