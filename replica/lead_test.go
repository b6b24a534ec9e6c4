package replica

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"go.etcd.io/raft/v3/raftpb"
)

// lead waits for a leader that is ready.
func (w *world) lead() (*Manual[uint64], uint64) {
	w.t.Helper()
	w.until("a leader", func() bool {
		l := w.leader()
		return l != nil && l.Group().Leadership().Ready
	})
	l := w.leader().Group().Leadership()
	return w.nodes[l.Leader-1], l.Leader
}

// propose submits a command to the leader and waits for its answer.
func (w *world) propose(command string) {
	w.t.Helper()
	leader, _ := w.lead()
	answered := false
	err := leader.Group().Submit([]byte(command), func(_ uint64, err error) {
		if err != nil {
			w.t.Error(err)
		}
		answered = true
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.until("an answer", func() bool { return answered })
}

func TestTransferLosesNoCommand(t *testing.T) {
	w := newWorld(t, 3)
	heard := map[uint64][]Leadership{}
	for n := range w.nodes {
		w.nodes[n].group.loop.led = func(l Leadership) { heard[uint64(n+1)] = append(heard[uint64(n+1)], l) }
	}
	leader, from := w.lead()
	to := from%3 + 1
	taken, unknown, refused, done := 0, 0, 0, errors.New("nothing was said")
	for range 10 {
		err := leader.Group().Submit([]byte("x"), func(_ uint64, err error) {
			switch {
			case errors.Is(err, ErrNotLeader):
				refused++
			case err != nil:
				unknown++
			default:
				taken++
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		leader.StepLoop()
	}
	leader.Group().AskTransfer(to, func(err error) { done = err })
	leader.StepLoop()
	w.hung = int(from) // what is in flight cannot end: the transfer waits for it
	w.settle()
	if now := leader.Group().Leadership(); !now.Leading {
		t.Fatal("leadership left before what was in flight had ended")
	}
	w.hung = 0
	if err := leader.Group().Submit([]byte("late"), func(_ uint64, err error) {
		if errors.Is(err, ErrNotLeader) {
			refused++
		}
	}); err != nil {
		t.Fatal(err)
	}
	w.settle() // no tick passes: a transfer takes messages only
	if done != nil || unknown != 0 || taken == 0 || taken+refused != 11 {
		t.Fatalf("transfer: %v; %d taken, %d unknown, %d refused", done, taken, unknown, refused)
	}
	if _, now := w.lead(); now != to {
		t.Fatalf("node %d leads, not %d", now, to)
	}
	for node, all := range heard {
		last := all[len(all)-1]
		if last.Leader != to || last.Leading != (node == to) || last.Ready != (node == to) {
			t.Errorf("node %d heard %+v", node, all)
		}
	}
	leader.Group().AskTransfer(to, func(err error) { done = err })
	w.settle()
	if !errors.Is(done, ErrNotLeader) {
		t.Fatalf("transfer by a follower: %v", done)
	}
}

func TestTransferToADeadVoterEnds(t *testing.T) {
	w := newWorld(t, 3)
	leader, from := w.lead()
	w.dead = from%3 + 1
	outcome := errors.New("nothing was said")
	said := false
	leader.Group().AskTransfer(w.dead, func(err error) { outcome, said = err, true })
	began := w.now
	w.until("an end", func() bool { return said })
	if !errors.Is(outcome, ErrNotTransferred) || w.now.Sub(began) > 300*time.Millisecond {
		t.Fatalf("%v after %v", outcome, w.now.Sub(began))
	}
	w.propose("goes on")
	for to, want := range map[uint64]error{from: nil, 9: ErrNoSuccessor} {
		leader.Group().AskTransfer(to, func(err error) { outcome = err })
		w.settle()
		if !errors.Is(outcome, want) {
			t.Errorf("to %d: %v", to, outcome)
		}
	}
}

func TestHungDiskLosesLeadership(t *testing.T) {
	w := newWorld(t, 3)
	for _, m := range w.nodes {
		m.group.loop.limits.SlowSync = 100 * time.Millisecond
	}
	leader, from := w.lead()
	w.propose("good")
	w.hung = int(from)
	outcome := errors.New("nothing was said")
	if err := leader.Group().Submit([]byte("stuck"), func(_ uint64, err error) { outcome = err }); err != nil {
		t.Fatal(err)
	}
	began := w.now
	w.until("another leader", func() bool {
		return slices.ContainsFunc(w.nodes, func(m *Manual[uint64]) bool {
			return m != leader && m.Group().Leadership().Ready
		})
	})
	if took := w.now.Sub(began); took > 150*time.Millisecond {
		t.Fatalf("it took %v", took)
	}
	if !errors.Is(outcome, ErrUnknown) {
		t.Fatalf("a command whose save hangs: %v", outcome)
	}
	// While its disk hangs it must not win an election, even when nobody else leads.
	w.isolate = true
	for range 100 {
		w.settle()
		w.now = w.now.Add(10 * time.Millisecond)
		leader.Tick()
		leader.Group().Receive(&raftpb.Message{Type: raftpb.MsgTimeoutNow.Enum(), From: new(from%3 + 1), To: new(from),
			Term: new(leader.Group().Leadership().Term)})
		if leader.group.loop.raft.BasicStatus().RaftState.String() != "StateFollower" {
			t.Fatal("a node whose disk hangs stands for election")
		}
	}
	w.isolate = false
	w.hung = 0
	w.propose("after")
	w.until("all have all", func() bool {
		return !slices.ContainsFunc(w.nodes, func(m *Manual[uint64]) bool { return len(diaryOf(m)) != 3 })
	})
}

func TestFollowersSaveWhileTheLeaderDoes(t *testing.T) {
	w := newWorld(t, 3)
	leader, from := w.lead()
	w.hung = int(from)
	before := leader.Group().Status()
	if err := leader.Group().Submit([]byte("x"), func(uint64, error) {}); err != nil {
		t.Fatal(err)
	}
	w.settle() // no time passes
	if s := leader.Group().Status(); s.Committed <= before.Committed || s.Durable != before.Durable {
		t.Fatalf("committed %d of %d, durable %d of %d", s.Committed, before.Committed, s.Durable, before.Durable)
	}
}

func TestFreshIsNeverStale(t *testing.T) {
	w := newWorld(t, 3)
	_, from := w.lead()
	for n := range 30 {
		w.propose(fmt.Sprint(n))
		asked, answered := 0, 0
		for node := range w.nodes {
			for range 5 {
				asked++
				w.nodes[node].Group().AskFresh(func(index uint64, err error) {
					if err != nil {
						t.Error(err)
					}
					w.nodes[node].Group().AskAwait(index, func(err error) {
						if err != nil || len(diaryOf(w.nodes[node])) < n+1 {
							t.Errorf("node %d has %d commands at a fresh index, acknowledged are %d; %v", node+1,
								len(diaryOf(w.nodes[node])), n+1, err)
						}
						answered++
					})
				})
			}
		}
		w.until("fresh indexes", func() bool { return asked == answered })
	}
	if sent := w.sent[raftpb.MsgReadIndex]; sent > 3*30 {
		t.Fatalf("%d questions were asked by two followers in 30 rounds", sent)
	}
	// A leader that is cut off must not answer, and nobody waits for ever.
	w.dead = from
	outcomes := map[int]error{}
	for node := range w.nodes {
		w.nodes[node].Group().AskFresh(func(_ uint64, err error) { outcomes[node] = err })
	}
	began := w.now
	w.until("an end", func() bool { return len(outcomes) == 3 })
	if took := w.now.Sub(began); took > 400*time.Millisecond {
		t.Fatalf("it took %v", took)
	}
	for node, err := range outcomes {
		if !errors.Is(err, ErrNoLeader) {
			t.Errorf("node %d: %v", node+1, err)
		}
	}
}

func TestFreshOfALoneVoterAndAfterTheEnd(t *testing.T) {
	g := open(t, testOptions(t.TempDir()))
	propose(t, g, "a")
	index, err := g.Fresh(t.Context())
	if err != nil || index < g.Status().Applied {
		t.Fatalf("%d, %v", index, err)
	}
	if err := g.Await(t.Context(), index); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := g.Await(ctx, index+1000); !errors.Is(err, context.DeadlineExceeded) || len(g.applier.readers.waiting) != 0 {
		t.Fatalf("await: %v", err)
	}
	waits := make(chan error, 1)
	g.AskAwait(index+1000, func(err error) { waits <- err })
	closeGroup(t, g)
	if err := <-waits; !errors.Is(err, ErrClosed) {
		t.Fatalf("await at the end: %v", err)
	}
	if _, err := g.Fresh(t.Context()); !errors.Is(err, ErrClosed) {
		t.Fatalf("fresh after the end: %v", err)
	}
	if err := g.Transfer(t.Context(), 0); !errors.Is(err, ErrClosed) {
		t.Fatalf("transfer after the end: %v", err)
	}
}

func TestReadersAreBounded(t *testing.T) {
	o := testOptions(t.TempDir())
	o.Limits.Reads = 2
	g := open(t, o)
	var last error
	for range 3 {
		g.AskAwait(1<<40, func(err error) { last = err })
	}
	if !errors.Is(last, ErrFull) {
		t.Fatalf("the third of two: %v", last)
	}
}

func TestVotesOutliveACrash(t *testing.T) {
	w := newWorld(t, 3)
	w.propose("a")
	w.agree([]string{"a"}, 1, 2, 3)
	term := w.nodes[0].Group().Leadership().Term + 5
	voted := func(by uint64) (granted bool) {
		w.wire = nil
		w.nodes[0].Group().Receive(&raftpb.Message{Type: raftpb.MsgVote.Enum(), From: new(by), To: new(uint64(1)),
			Term: new(term), Index: new(uint64(1 << 40)), LogTerm: new(term - 1), Context: []byte("CampaignTransfer")})
		w.nodes[0].StepLoop()
		if len(w.wire) > 0 {
			t.Fatalf("an answer before the vote was saved: %v", w.wire)
		}
		w.nodes[0].StepJournal()
		w.nodes[0].StepLoop()
		for _, m := range w.wire {
			if m.GetType() == raftpb.MsgVoteResp && m.GetTo() == by {
				return !m.GetReject()
			}
		}
		t.Fatal("no answer")
		return false
	}
	if !voted(2) {
		t.Fatal("no vote")
	}
	if err := w.nodes[0].Crash(); err != nil {
		t.Fatal(err)
	}
	w.open(1)
	if voted(3) {
		t.Fatal("two votes in one term")
	}
}

func TestDisksThatAllHangMoveNothing(t *testing.T) {
	w := newWorld(t, 3)
	for _, m := range w.nodes {
		m.group.loop.limits.SlowSync = 100 * time.Millisecond
	}
	leader, _ := w.lead()
	w.allHang = true
	if err := leader.Group().Submit([]byte("x"), func(uint64, error) {}); err != nil {
		t.Fatal(err)
	}
	for range 50 {
		w.settle()
		w.now = w.now.Add(10 * time.Millisecond)
		for _, m := range w.nodes {
			m.Tick()
		}
	}
	if !leader.Group().Leadership().Leading || w.sent[raftpb.MsgTimeoutNow] > 0 {
		t.Fatal("leadership went to where it is no better")
	}
	w.allHang = false
	w.propose("y")
}

// TestAlwaysASuccessor: at every tick of a leader that hears the others one can take over, and members can go, also
// when the protocol has just begun to count anew who is active.
func TestAlwaysASuccessor(t *testing.T) {
	w := newWorld(t, 3)
	leader, _ := w.lead()
	for tick := range 3 * electionTicks {
		leader.Tick()
		leader.StepLoop()
		if to, _ := leader.group.loop.successor(); to == 0 {
			t.Fatalf("there is none at tick %d", tick)
		}
		if err := leader.group.loop.checkQuorum(leader.group.loop.memory.voters()); err != nil {
			t.Fatalf("members cannot change at tick %d: %v", tick, err)
		}
		w.settle()
	}
}

// TestDeafLeaderIsSucceeded: a leader that the others hear and that hears nobody has a successor before it is missed
// The others do not tick: by themselves they would never stand for election.
func TestDeafLeaderIsSucceeded(t *testing.T) {
	w := newWorld(t, 3)
	leader, _ := w.lead()
	old := leader.Group().Leadership()
	for range 2 * electionTicks { // as long as it hears the others it stays
		leader.Tick()
		w.settle()
	}
	if now := leader.Group().Leadership(); now != old {
		t.Fatalf("%+v became %+v", old, now)
	}
	w.deaf = old.Leader
	for tick := range electionTicks - 1 { // the protocol has it step down later
		leader.Tick()
		w.settle()
		for n, m := range w.nodes {
			if l := m.Group().Leadership(); uint64(n+1) != w.deaf && l.Ready {
				if asked := w.sent[raftpb.MsgTimeoutNow]; asked != 1 {
					t.Errorf("successors were asked %d times", asked)
				}
				t.Logf("node %d leads after %d ticks", n+1, tick+1)
				return
			}
		}
	}
	t.Error("nobody has taken over")
}

// TestDeafLeaderAsksAnother: what a deaf leader says may be lost as well, or whom it asks may not win; another one is
// asked, and only then the first again.
func TestDeafLeaderAsksAnother(t *testing.T) {
	w := newWorld(t, 3)
	leader, _ := w.lead()
	w.deaf = leader.Group().Leadership().Leader
	var asked []uint64
	w.lose = func(m *raftpb.Message) bool {
		if m.GetType() == raftpb.MsgTimeoutNow {
			asked = append(asked, m.GetTo())
		}
		return m.GetType() == raftpb.MsgTimeoutNow && len(asked) < 3
	}
	for len(asked) < 3 && leader.Group().Leadership().Leading {
		leader.Tick()
		w.settle()
	}
	if len(asked) != 3 || asked[0] == asked[1] || asked[2] != asked[0] {
		t.Fatalf("asked: %v", asked)
	}
	if now := w.nodes[asked[2]-1].Group().Leadership(); !now.Ready {
		t.Errorf("node %d was asked twice, and heard it the second time: %+v", asked[2], now)
	}
}
