package replica

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestSnapshotUnderLoadEqualsTheLiveState(t *testing.T) {
	o := testOptions(t.TempDir())
	o.Limits.SnapshotBytes, o.Limits.EntryBytes, o.Limits.QueueBytes = 64<<10, 4<<10, 1<<20
	g := open(t, o)
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for n := range 800 {
				if _, err := g.Propose(t.Context(), []byte(numbered(w*1000+n))); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 5 { // the diary's Hash makes each of them a comparison
		if err := g.Snapshot(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	writers.Wait()
	if err := g.Snapshot(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := g.Status()
	if s.SnapshotIndex != s.Applied || s.SnapshotFailed != "" || s.SnapshotBytes == 0 {
		t.Fatalf("status %+v", s)
	}
	want := lines(t, g)
	paths, err := snapshotFiles(g.home.snapshots())
	if err != nil || len(paths) != 3 {
		t.Fatalf("%d snapshots kept, %v", len(paths), err)
	}
	closeGroup(t, g)
	g = open(t, o)
	if got := lines(t, g); !slices.Equal(got, want) || len(got) != 3200 {
		t.Fatalf("%d commands came back of %d", len(got), len(want))
	}
	if s := g.Status(); s.StartReplayed != 0 || s.SnapshotIndex == 0 {
		t.Fatalf("status %+v", s)
	}
	if err := g.Snapshot(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestSnapshotsComeByBytesAndByTime(t *testing.T) {
	for name, limits := range map[string]Limits{
		"bytes": {SnapshotBytes: 1000, SnapshotEvery: time.Hour},
		"least": {SnapshotLeast: 1000, SnapshotEvery: time.Hour},
		"time":  {SnapshotEvery: 20 * time.Millisecond},
	} {
		o := testOptions(t.TempDir())
		limits.StalledSync = o.Limits.StalledSync
		o.Limits = limits
		g := open(t, o)
		propose(t, g, strings.Repeat(name, 300))
		deadline := time.Now().Add(10 * time.Second)
		for g.Status().SnapshotIndex == 0 {
			if time.Now().After(deadline) {
				t.Fatalf("no snapshot by %s: %+v", name, g.Status())
			}
			time.Sleep(time.Millisecond)
		}
	}
}

func TestSnapshotAfter(t *testing.T) {
	var l Limits
	l.complete()
	for newest, want := range map[uint64]uint64{
		0: 4 << 20, 1 << 20: 4 << 20, 1<<20 + 1: 4<<20 + 4, 10 << 20: 40 << 20, 64 << 20: 256 << 20, 65 << 20: 256 << 20,
		1 << 63: 256 << 20,
	} {
		if got := l.snapshotAfter(newest); got != want {
			t.Errorf("a snapshot of %d bytes is followed after %d, want %d", newest, got, want)
		}
	}
	l.SnapshotBytes = 1000 // less than SnapshotLeast
	if got := l.snapshotAfter(0); got != 1000 {
		t.Errorf("got %d, want 1000", got)
	}
}

func TestDivergedMachineIsNotKept(t *testing.T) {
	o := testOptions(t.TempDir())
	made := 0
	o.New = func() Machine[uint64] { made++; return &diary{skew: uint64(made)} }
	g := open(t, o)
	propose(t, g, "a")
	var diverged *DivergedError
	if err := g.Snapshot(t.Context()); !errors.As(err, &diverged) {
		t.Fatalf("error %v", err)
	}
	paths, err := snapshotFiles(g.home.snapshots())
	if s := g.Status(); err != nil || len(paths) != 0 || !strings.Contains(s.SnapshotFailed, "differs") {
		t.Fatalf("%d snapshots, %v, status %+v", len(paths), err, s)
	}
	propose(t, g, "orders go on")
}

func TestCorruptSnapshotIsPassedOver(t *testing.T) {
	o := testOptions(t.TempDir())
	g := open(t, o)
	var want []string
	for n := range 4 {
		want = append(want, numbered(n))
		propose(t, g, want[n])
		if n < 3 {
			if err := g.Snapshot(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	closeGroup(t, g)
	paths, err := snapshotFiles(g.home.snapshots())
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths { // newest first; in the end the whole log is replayed
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range []int{0, 20, 60, len(content) - 1} {
			flipped := slices.Clone(content)
			flipped[at] ^= 1
			if err := os.WriteFile(path, flipped, fileMode); err != nil {
				t.Fatal(err)
			}
			var corrupt *CorruptError
			if _, err := readSnapshot(path, o.Group, nil); !errors.As(err, &corrupt) || corrupt.File != path {
				t.Fatalf("byte %d of %s: %v", at, path, err)
			}
			if got, _, err := recovered(t, o); err != nil || !slices.Equal(got, want) {
				t.Fatalf("byte %d of %s: %q, %v", at, path, got, err)
			}
		}
	}
}

func TestOldLogIsDroppedBehindTheOldestSnapshot(t *testing.T) {
	o := testOptions(t.TempDir())
	o.DropOldLog = true
	o.Limits.SnapshotsKept = 2
	g := open(t, o)
	want := []string{}
	for n := range 60 {
		want = append(want, strings.Repeat(numbered(n), 1000))
		propose(t, g, want[n])
		if n%10 == 9 {
			if err := g.Snapshot(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := g.Replay(0, func(Entry) error { return nil }); !errors.Is(err, ErrGone) {
		t.Fatalf("replay from the beginning: %v", err)
	}
	segments, err := listSegments(g.home.log())
	if err != nil || segments[0].sequence == 0 {
		t.Fatalf("%d segments from %d, %v", len(segments), segments[0].sequence, err)
	}
	closeGroup(t, g)
	paths, err := snapshotFiles(g.home.snapshots())
	if err != nil || len(paths) != 2 {
		t.Fatal(paths, err)
	}
	for range 2 { // the older snapshot must do as well
		if got, _, err := recovered(t, o); err != nil || !slices.Equal(got, want) {
			t.Fatalf("%d commands came back, %v", len(got), err)
		}
		if err := os.Truncate(paths[0], 100); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Truncate(paths[1], 100); err != nil {
		t.Fatal(err)
	}
	var corrupt *CorruptError
	if _, err := Open(o); !errors.As(err, &corrupt) || corrupt.File != paths[0] {
		t.Fatalf("without any snapshot: %v", err)
	}
}

func TestArchiveEqualsWhatWasApplied(t *testing.T) {
	o := testOptions(t.TempDir())
	g := open(t, o)
	var want []string
	for n := range 30 {
		want = append(want, strings.Repeat(numbered(n), 2000))
		propose(t, g, want[n])
		if n == 20 {
			if err := g.Snapshot(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	var indexes []uint64
	collect := func(replay func(visit func(Entry) error) error) []string {
		t.Helper()
		var got []string
		indexes = nil
		err := replay(func(e Entry) error {
			indexes = append(indexes, e.Index)
			for _, command := range e.Commands {
				got = append(got, string(command))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := collect(func(visit func(Entry) error) error { return g.Replay(0, visit) }); !slices.Equal(got, want) {
		t.Fatalf("open: %d commands of %d", len(got), len(want))
	}
	after := indexes[11]
	got := collect(func(visit func(Entry) error) error { return g.Replay(after, visit) })
	if !slices.Equal(got, want[12:]) {
		t.Fatalf("open, after %d: %d commands", after, len(got))
	}
	stop := errors.New("enough")
	if err := g.Replay(0, func(Entry) error { return stop }); !errors.Is(err, stop) {
		t.Fatalf("stopped: %v", err)
	}
	closeGroup(t, g)
	got = collect(func(visit func(Entry) error) error { return Replay(o, 0, visit) })
	if !slices.Equal(got, want) {
		t.Fatalf("closed: %d commands of %d", len(got), len(want))
	}
}

func TestLogOfManyShortRunsIsKept(t *testing.T) {
	o := testOptions(t.TempDir())
	o.Limits.SnapshotBytes = 1000
	for range 2 { // neither run writes enough for a snapshot
		g := open(t, o)
		propose(t, g, strings.Repeat("x", 700))
		closeGroup(t, g)
	}
	g := open(t, o)
	deadline := time.Now().Add(10 * time.Second)
	for g.Status().SnapshotIndex == 0 {
		if time.Now().After(deadline) {
			t.Fatalf("no snapshot: %+v", g.Status())
		}
		time.Sleep(time.Millisecond)
	}
}

// A writer is a machine whose snapshot never ends by itself.
type writer struct {
	diary
	begun chan struct{}
}

func (w *writer) Snapshot(to io.Writer) error {
	close(w.begun)
	for {
		if _, err := to.Write([]byte("x")); err != nil {
			return err
		}
		time.Sleep(time.Millisecond)
	}
}

func TestCloseGivesUpASnapshot(t *testing.T) {
	o := testOptions(t.TempDir())
	begun := make(chan struct{})
	o.New = func() Machine[uint64] { return &writer{begun: begun} }
	g := open(t, o)
	propose(t, g, "a")
	kept := make(chan error, 1)
	go func() { kept <- g.Snapshot(t.Context()) }()
	<-begun
	closeGroup(t, g)
	if err := <-kept; !errors.Is(err, ErrClosed) {
		t.Fatalf("snapshot: %v", err)
	}
	o.New = newDiary
	if got := lines(t, open(t, o)); !slices.Equal(got, []string{"a"}) {
		t.Fatalf("%q came back", got)
	}
}

func TestSnapshotsAskedForAreBounded(t *testing.T) {
	o := testOptions(t.TempDir())
	o.Limits.Inspections = 3
	g := open(t, o)
	begun, release := make(chan struct{}), make(chan struct{})
	goOn := sync.OnceFunc(func() { close(release) })
	defer goOn()
	look := func(Machine[uint64], uint64) { close(begun); <-release }
	go g.Inspect(context.Background(), look) //nolint:errcheck // it stands in the way, that is all
	<-begun
	var err error
	for range 4 { // whoever stops waiting has still asked
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		err = g.Snapshot(ctx)
		cancel()
	}
	if !errors.Is(err, ErrFull) {
		t.Fatalf("the fourth of three: %v", err)
	}
	goOn()
	for errors.Is(err, ErrFull) {
		err = g.Snapshot(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestReplayOfDroppedLogSaysSo(t *testing.T) {
	o := testOptions(t.TempDir())
	o.DropOldLog, o.Limits.SnapshotsKept = true, 1
	g := open(t, o)
	for range 40 {
		propose(t, g, strings.Repeat("x", 100_000))
	}
	visited := 0
	err := g.Replay(0, func(Entry) error {
		if visited++; visited == 3 {
			return g.Snapshot(t.Context())
		}
		return nil
	})
	if !errors.Is(err, ErrGone) {
		t.Fatalf("after %d entries: %v", visited, err)
	}
}
