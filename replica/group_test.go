package replica

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

func TestAnswersComeBackAfterRestart(t *testing.T) {
	o := testOptions(t.TempDir())
	var want []string
	for round := range 3 {
		g := open(t, o)
		if got := lines(t, g); !slices.Equal(got, want) {
			t.Fatalf("round %d: restored %q, want %q", round, got, want)
		}
		for n := range 10 {
			command := numbered(round*10 + n)
			want = append(want, command)
			if answer := propose(t, g, command); answer != uint64(len(want)) {
				t.Fatalf("answer %d, want %d", answer, len(want))
			}
		}
		closeGroup(t, g)
	}
}

func TestTimeNeverDecreases(t *testing.T) {
	o := testOptions(t.TempDir())
	clock := time.Unix(1_000_000, 0)
	o.Clock = func() time.Time { clock = clock.Add(-time.Second); return clock }
	for range 2 {
		g := open(t, o)
		propose(t, g, "a")
		propose(t, g, "b")
		closeGroup(t, g)
	}
	var times []int64
	if err := Replay(o, 0, func(e Entry) error { times = append(times, e.Time); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(times) != 4 || !slices.IsSorted(times) {
		t.Fatalf("times %v", times)
	}
}

func TestFullIsRefusedAtOnce(t *testing.T) {
	o := testOptions(t.TempDir())
	o.Limits.QueueCommands, o.Limits.InFlight, o.Limits.EntryCommands = 8, 1, 4
	release := make(chan struct{})
	o.New = func() Machine[uint64] { return &blocker{release: release} }
	g := open(t, o)
	var answered sync.WaitGroup
	accepted := 0
	for {
		err := g.Submit([]byte("x"), func(uint64, error) { answered.Done() })
		if errors.Is(err, ErrFull) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		answered.Add(1)
		if accepted++; accepted > 8+4 {
			t.Fatal("more were taken than the limits allow")
		}
	}
	close(release)
	answered.Wait()
	if _, err := g.Propose(t.Context(), []byte("y")); err != nil {
		t.Fatalf("after the queue was full: %v", err)
	}
}

// A blocker is a machine that stands still until it is released.
type blocker struct {
	diary
	release chan struct{}
	blocked func() // nil, or told when it begins to wait
}

func (b *blocker) Apply(e Entry, answers []uint64) {
	if b.blocked != nil {
		b.blocked()
	}
	<-b.release
	b.diary.Apply(e, answers)
}

func TestQueueBytesAreBounded(t *testing.T) {
	o := testOptions(t.TempDir())
	o.Limits.QueueBytes, o.Limits.EntryBytes, o.Limits.InFlight = 4096, 1024, 1
	release := make(chan struct{})
	o.New = func() Machine[uint64] { return &blocker{release: release} }
	g := open(t, o)
	defer close(release)
	taken := 0
	for ; taken < 100; taken++ {
		if err := g.Submit(make([]byte, 500), func(uint64, error) {}); errors.Is(err, ErrFull) {
			break
		}
	}
	if taken > 8+2 {
		t.Fatalf("%d commands of 500 bytes were taken into 4,096 bytes", taken)
	}
}

func TestTooLargeIsRefused(t *testing.T) {
	o := testOptions(t.TempDir())
	g := open(t, o)
	largest := 256<<10 - payloadHeader - commandOverhead
	if _, err := g.Propose(t.Context(), make([]byte, largest+1)); !errors.Is(err, ErrTooLarge) {
		t.Fatalf("error %v", err)
	}
	propose(t, g, strings.Repeat("x", largest))
	propose(t, g, "")
	closeGroup(t, g)
	g = open(t, o)
	if got := lines(t, g); len(got) != 2 || len(got[0]) != largest || got[1] != "" {
		t.Fatalf("%d commands came back", len(got))
	}
}

func TestCloseAnswersEverything(t *testing.T) {
	o := testOptions(t.TempDir())
	release := make(chan struct{})
	o.New = func() Machine[uint64] { return &blocker{release: release} }
	o.Limits.InFlight = 2
	g := open(t, o)
	const commands = 5000
	var mutex sync.Mutex
	outcomes := map[error]int{}
	for range commands {
		err := g.Submit([]byte("x"), func(_ uint64, err error) {
			mutex.Lock()
			outcomes[err]++
			mutex.Unlock()
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	time.AfterFunc(10*time.Millisecond, func() { close(release) })
	closeGroup(t, g)
	if outcomes[nil]+outcomes[ErrUnknown]+outcomes[ErrClosed] != commands || outcomes[ErrClosed] == 0 {
		t.Fatalf("outcomes %v", outcomes)
	}
	if err := g.Submit(nil, nil); !errors.Is(err, ErrClosed) {
		t.Fatalf("submit after close: %v", err)
	}
	if err := g.Inspect(t.Context(), nil); !errors.Is(err, ErrClosed) {
		t.Fatalf("inspect after close: %v", err)
	}
	if err := g.Snapshot(t.Context()); !errors.Is(err, ErrClosed) {
		t.Fatalf("snapshot after close: %v", err)
	}
	o.New = newDiary
	if got := len(lines(t, open(t, o))); got < outcomes[nil] || got > commands-outcomes[ErrClosed] {
		t.Fatalf("%d commands came back, outcomes %v", got, outcomes)
	}
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	o := testOptions(t.TempDir())
	release := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	o.New = func() Machine[uint64] { return &blocker{release: release, blocked: cancel} }
	g := open(t, o)
	defer close(release)
	if _, err := g.Propose(ctx, []byte("x")); !errors.Is(err, ErrUnknown) || !errors.Is(err, context.Canceled) {
		t.Fatalf("propose: %v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	time.AfterFunc(5*time.Millisecond, cancel)
	err := g.Inspect(ctx, func(Machine[uint64], uint64) { t.Error("looked after it was told not to") })
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("inspect: %v", err)
	}
}

func TestDirectoryIsLocked(t *testing.T) {
	o := testOptions(t.TempDir())
	g := open(t, o)
	if _, err := Open(o); !errors.Is(err, ErrLocked) {
		t.Fatalf("second open: %v", err)
	}
	if err := Replay(o, 0, nil); !errors.Is(err, ErrLocked) {
		t.Fatalf("replay of an open group: %v", err)
	}
	closeGroup(t, g)
	open(t, o)
}

func TestBadOptionsAreNamed(t *testing.T) {
	good := testOptions(t.TempDir())
	for name, spoil := range map[string]func(*Options[uint64]){
		"directory":  func(o *Options[uint64]) { o.Dir = "" },
		"group is 0": func(o *Options[uint64]) { o.Group = 0 },
		"EntryBytes": func(o *Options[uint64]) { o.Limits.EntryBytes = 1 << 30 },
		"InFlight":   func(o *Options[uint64]) { o.Limits.InFlight = -1 },
	} {
		o := good
		spoil(&o)
		if _, err := Open(o); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestCommandsShareSyncs(t *testing.T) {
	g := open(t, testOptions(t.TempDir()))
	before := g.Status().Syncs
	const commands = 20000
	var answered sync.WaitGroup
	answered.Add(commands)
	for range commands {
		for g.Submit([]byte("x"), func(uint64, error) { answered.Done() }) != nil {
			time.Sleep(time.Millisecond)
		}
	}
	answered.Wait()
	if syncs := g.Status().Syncs - before; syncs > commands/100 {
		t.Fatalf("%d commands took %d syncs", commands, syncs)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	o := testOptions(t.TempDir())
	o.Limits.MemoryEntries = 16
	g := open(t, o)
	for n := range 100 {
		propose(t, g, numbered(n))
	}
	if s := g.Status(); s.MemoryEntries > 20 {
		t.Fatalf("%d entries in memory", s.MemoryEntries)
	}
	closeGroup(t, g)
	g = open(t, o)
	if s := g.Status(); s.MemoryEntries > 20 || len(lines(t, g)) != 100 {
		t.Fatalf("%d entries in memory, %d commands", s.MemoryEntries, len(lines(t, g)))
	}
}

func TestStatusAgrees(t *testing.T) {
	g := open(t, testOptions(t.TempDir()))
	for n := range 5 {
		propose(t, g, numbered(n))
	}
	s := g.Status()
	if s.Leader != 1 || !s.Leading || s.Group != 7 || s.Term == 0 || s.Applied < 5 || s.Committed < s.Applied ||
		s.Durable < s.Committed || s.Syncs < 5 || s.Failure != "" {
		t.Fatalf("status %+v", s)
	}
}

func TestClosedStaysClosed(t *testing.T) {
	o := testOptions(t.TempDir())
	o.Limits.Inspections = 2
	g := open(t, o)
	closeGroup(t, g)
	for range 5 {
		if err := g.Inspect(t.Context(), nil); !errors.Is(err, ErrClosed) {
			t.Fatalf("inspect: %v", err)
		}
		if err := g.Snapshot(t.Context()); !errors.Is(err, ErrClosed) {
			t.Fatalf("snapshot: %v", err)
		}
	}
	if g.Status().Leading {
		t.Fatal("a closed group says that it takes commands")
	}
}

// The queue's word of refusal changes under those who ask: a command must be taken, or refused with a reason. Under
// the race detector this test saw the reason read without the lock.
func TestRefusalAlwaysHasAReason(t *testing.T) {
	o := testOptions(t.TempDir())
	if err := o.complete(); err != nil {
		t.Fatal(err)
	}
	q := newQueue[uint64](o.Limits)
	var taken, answered atomic.Int64
	end := make(chan struct{})
	var submitters sync.WaitGroup
	for range 2 {
		submitters.Go(func() {
			for {
				select {
				case <-end:
					return
				default:
				}
				if q.submit([]byte("x"), func(uint64, error) { answered.Add(1) }) == nil {
					taken.Add(1)
				}
			}
		})
	}
	answer := func(batches []*batch[uint64]) {
		for _, b := range batches {
			for _, done := range b.dones {
				done(0, nil)
			}
		}
	}
	for range 300_000 {
		q.accept()
		answer(q.refuse(ErrNotLeader))
	}
	close(end)
	submitters.Wait()
	answer(q.refuse(ErrClosed))
	if taken.Load() != answered.Load() {
		t.Fatalf("%d commands were taken and %d answered", taken.Load(), answered.Load())
	}
}

func TestMemoryIsBoundedForMembersThatAreUp(t *testing.T) {
	m := newLogMemory(snapshotHead{roster: newRoster([]Member{{ID: 1}, {ID: 2}})}, []uint64{1, 2})
	limits := Limits{MemoryEntries: 8, MemoryBytes: 1 << 20}
	for index := uint64(1); index <= 100; index++ {
		m.add([]*raftpb.Entry{{Index: new(index), Term: new(uint64(1)), Data: []byte("x")}})
		m.trim(limits, index, 5) // somebody needs what is behind the fifth
		if n := len(m.sizes); n > pinnedFactor*8+1 || m.bytes != n || index < pinnedFactor*8 && m.first > 6 {
			t.Fatalf("at %d: %d entries from %d", index, n, m.first)
		}
	}
	if _, err := m.Snapshot(); !errors.Is(err, raft.ErrSnapshotTemporarilyUnavailable) || !m.wanted {
		t.Fatalf("a snapshot that nothing follows: %v", err)
	}
}
