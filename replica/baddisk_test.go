package replica

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/raft/v3/raftpb"
)

// A badDisk stands still or refuses to write when it is told to.
type badDisk struct {
	WriteAhead
	refuse atomic.Bool
	stall  atomic.Pointer[chan struct{}]
}

func (d *badDisk) Save(state *raftpb.HardState, entries []*raftpb.Entry) error {
	if wait := d.stall.Load(); wait != nil && len(entries) > 0 {
		<-*wait
	}
	if d.refuse.Load() && len(entries) > 0 {
		return syscall.EIO
	}
	return d.WriteAhead.Save(state, entries)
}

func onBadDisk(o *Options[uint64]) *badDisk {
	d := &badDisk{}
	o.Disk = func(good WriteAhead) WriteAhead { d.WriteAhead = good; return d }
	return d
}

func TestFailingSyncFailsTheGroup(t *testing.T) {
	o := testOptions(t.TempDir())
	disk := onBadDisk(&o)
	g := open(t, o)
	propose(t, g, "good")
	disk.refuse.Store(true)
	if _, err := g.Propose(t.Context(), []byte("bad")); !errors.Is(err, ErrUnknown) {
		t.Fatalf("propose: %v", err)
	}
	if err := <-g.Failed(); !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), "check the disk") {
		t.Fatalf("failure %v", err)
	}
	disk.refuse.Store(false)
	if _, err := g.Propose(t.Context(), []byte("later")); !errors.Is(err, ErrFailed) {
		t.Fatalf("a failed log was used again: %v", err)
	}
	if err := g.Snapshot(t.Context()); !errors.Is(err, ErrFailed) {
		t.Fatalf("snapshot: %v", err)
	}
	closeGroup(t, g)
	o.Disk = nil
	if got := lines(t, open(t, o)); len(got) != 1 || got[0] != "good" {
		t.Fatalf("%q came back", got)
	}
}

func TestStalledSyncFailsTheGroup(t *testing.T) {
	o := testOptions(t.TempDir())
	o.Limits.SlowSync, o.Limits.StalledSync = 20*time.Millisecond, 500*time.Millisecond
	disk := onBadDisk(&o)
	g := open(t, o)
	wait := make(chan struct{})
	disk.stall.Store(&wait)
	time.AfterFunc(40*time.Millisecond, func() { close(wait) })
	slow := g.Status().SlowSyncs
	propose(t, g, "slow")
	if s := g.Status(); s.SlowSyncs <= slow || s.LongestSync < 20*time.Millisecond {
		t.Fatalf("status %+v", s)
	}
	stuck := make(chan struct{})
	disk.stall.Store(&stuck)
	if _, err := g.Propose(t.Context(), []byte("stuck")); !errors.Is(err, ErrUnknown) {
		t.Fatalf("propose: %v", err)
	}
	if err := <-g.Failed(); !strings.Contains(err.Error(), "the limit is 500ms") {
		t.Fatalf("failure %v", err)
	}
	if err := g.Close(); err == nil || !strings.Contains(err.Error(), "does not return") {
		t.Fatalf("close: %v", err)
	}
	if _, err := Open(o); !errors.Is(err, ErrLocked) {
		t.Fatalf("opened under a write that hangs: %v", err)
	}
	close(stuck)
	<-g.journal.stopped
	o.Disk, o.Limits.StalledSync = nil, 1<<36
	eventually(t, "the directory to be free", func() bool { // in the same process
		again, err := Open(o)
		if err == nil {
			err = again.Close()
		} else if !errors.Is(err, ErrLocked) {
			t.Fatal(err)
		}
		return err == nil
	})
}

func TestFullDiskOnlyStopsSnapshots(t *testing.T) {
	o := testOptions(t.TempDir())
	o.New = func() Machine[uint64] { return &unkeepable{} }
	g := open(t, o)
	propose(t, g, "a")
	if err := g.Snapshot(t.Context()); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("snapshot: %v", err)
	}
	leftover, err := filesOf(g.home.snapshots(), "")
	if err != nil || len(leftover) != 0 {
		t.Fatalf("left over: %v, %v", leftover, err)
	}
	propose(t, g, "orders go on")
}

func TestOnlyTicksMakeAStall(t *testing.T) {
	limits := Limits{Tick: 10 * time.Millisecond, StalledSync: time.Second}
	l := &loop[uint64]{limits: limits, journal: &journal{started: time.Now().Add(-time.Hour), now: time.Now}}
	for _, began := range []int64{1, 2} { // each an hour ago: the process was stopped meanwhile
		l.journal.busySince.Store(began)
		ticks := 1
		for l.underWay() < limits.StalledSync {
			if ticks++; ticks > 200 {
				t.Fatal("a write that does not end is not noticed")
			}
		}
		if ticks != 101 {
			t.Fatalf("noticed at tick %d", ticks)
		}
	}
	l.journal.busySince.Store(0)
	if l.underWay() > 0 {
		t.Fatal("no write is under way")
	}
}

// A stuck is a machine whose snapshot stands still until it is released.
type stuck struct {
	diary
	begun, release chan struct{}
}

func (s *stuck) Snapshot(io.Writer) error {
	close(s.begun)
	<-s.release
	return nil
}

func TestCloseDoesNotWaitForASnapshotThatHangs(t *testing.T) {
	o := testOptions(t.TempDir())
	begun, release := make(chan struct{}), make(chan struct{})
	o.New = func() Machine[uint64] { return &stuck{begun: begun, release: release} }
	g := open(t, o)
	propose(t, g, "a")
	go g.Snapshot(context.Background()) //nolint:errcheck // nobody waits for it
	<-begun
	g.limits.StalledSync = 20 * time.Millisecond // for Close alone: the log must not stall
	if err := g.Close(); err == nil || !strings.Contains(err.Error(), snapshotsName) {
		t.Fatalf("close: %v", err)
	}
	if _, err := Open(o); !errors.Is(err, ErrLocked) {
		t.Fatalf("opened under a snapshot that hangs: %v", err)
	}
	close(release)
	<-g.keeper.stopped
}
