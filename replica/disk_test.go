package replica

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// copyTree copies a directory as it is at the moment.
func copyTree(t testing.TB, from, to string) {
	t.Helper()
	if err := os.RemoveAll(to); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// liveCopy makes a group with commands and returns a copy of its directory from before it was closed: its last entry
// is the last command.
func liveCopy(t testing.TB, commands ...string) (o Options[uint64], want []string) {
	t.Helper()
	live := testOptions(t.TempDir())
	g := open(t, live)
	for _, command := range commands {
		propose(t, g, command)
	}
	o = testOptions(t.TempDir())
	copyTree(t, live.Dir, o.Dir)
	closeGroup(t, g)
	return o, commands
}

// lastSegment is the newest segment, and where its last entry begins and ends. A state may follow it, when the one
// before was saved with it.
func lastSegment(t testing.TB, o Options[uint64]) (path string, begin, end int64) {
	t.Helper()
	segments, err := listSegments(filepath.Join(homeDir(o.Dir, o.Group), logName))
	if err != nil {
		t.Fatal(err)
	}
	reader := newRecordReader(segments)
	defer reader.close()
	for {
		before := reader.offset
		rec, err := reader.next()
		if errors.Is(err, io.EOF) {
			return reader.path(), begin, end
		}
		if err != nil {
			t.Fatal(err)
		}
		if rec.kind == entryRecord {
			begin, end = before, reader.offset
		}
	}
}

// recovered recovers a directory without starting the group.
func recovered(t testing.TB, o Options[uint64]) ([]string, int64, error) {
	t.Helper()
	if err := o.complete(); err != nil {
		t.Fatal(err)
	}
	h, err := openHome(o.Dir, o.Group, o.Node, o.Members, false)
	if err != nil {
		return nil, 0, err
	}
	defer h.release()
	r := &recovery[uint64]{home: h, options: &o}
	if err := r.recover(); err != nil {
		return nil, 0, err
	}
	var all []string
	for _, line := range r.machine.(*diary).lines {
		all = append(all, string(line))
	}
	return all, r.cut, nil
}

func TestTornTailIsCutAtEveryByte(t *testing.T) {
	o, want := liveCopy(t, "first", "second", strings.Repeat("the last ", 9))
	path, begin, end := lastSegment(t, o)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for cut := begin; cut < end; cut++ {
		if err := os.WriteFile(path, whole[:cut], fileMode); err != nil {
			t.Fatal(err)
		}
		got, bytes, err := recovered(t, o)
		if err != nil || !slices.Equal(got, want[:2]) {
			t.Fatalf("cut at %d of [%d, %d): %q, %v", cut, begin, end, got, err)
		}
		if bytes > cut-begin {
			t.Fatalf("cut at %d: %d bytes were cut, the record begins at %d", cut, bytes, begin)
		}
	}
	g := open(t, o)
	propose(t, g, "after")
	closeGroup(t, g)
	if got, _, err := recovered(t, o); err != nil || !slices.Equal(got, append(want[:2:2], "after")) {
		t.Fatalf("after the cut: %q, %v", got, err)
	}
}

func TestUnwrittenSectorsAreCut(t *testing.T) {
	o, want := liveCopy(t, "first", strings.Repeat("a long last command ", 200))
	path, begin, end := lastSegment(t, o)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for sector := begin / sectorBytes; sector*sectorBytes < end; sector++ {
		torn := slices.Clone(whole)
		clear(torn[max(begin, sector*sectorBytes) : (sector+1)*sectorBytes]) // with what may follow the record in it
		if err := os.WriteFile(path, torn, fileMode); err != nil {
			t.Fatal(err)
		}
		if got, _, err := recovered(t, o); err != nil || !slices.Equal(got, want[:1]) {
			t.Fatalf("sector %d of [%d, %d): %d commands, %v", sector, begin, end, len(got), err)
		}
		mended, err := os.ReadFile(path)
		if err != nil || !allZero(mended[begin:]) || len(mended) != len(whole) {
			t.Fatalf("sector %d: the end was not cleared", sector)
		}
	}
}

func TestEveryFlippedByteIsFound(t *testing.T) {
	o, want := liveCopy(t, "first", "second", "third", strings.Repeat("four ", 30), "fifth", "sixth")
	path, _, end := lastSegment(t, o)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	undetected := 0
	for at := range end {
		for _, mask := range []byte{0xff, 0x01, 0x80, whole[at]} {
			if mask == 0 {
				continue
			}
			flipped := slices.Clone(whole)
			flipped[at] ^= mask
			if err := os.WriteFile(path, flipped, fileMode); err != nil {
				t.Fatal(err)
			}
			got, _, err := recovered(t, o)
			var corrupt *CorruptError
			switch {
			case err == nil && slices.Equal(got, want):
				undetected++ // padding carries nothing
			case errors.Is(err, ErrForeign) && at < 128: // another group's name in the head
			case !errors.As(err, &corrupt):
				t.Fatalf("byte %d ^ %#x: %d commands, error %v", at, mask, len(got), err)
			case corrupt.File != path || max(corrupt.Offset-at, at-corrupt.Offset) > 256:
				// The place is the record's, or, for the head's checksum seed and the kind of an empty entry, which no
				// checksum covers, that of the record that does not fit behind it.
				t.Fatalf("byte %d ^ %#x: reported %v", at, mask, corrupt)
			}
			if err != nil {
				now, readErr := os.ReadFile(path)
				if readErr != nil || !bytes.Equal(now, flipped) {
					t.Fatalf("byte %d: a refused start changed the file", at)
				}
			}
		}
	}
	if undetected > int(end)/3 {
		t.Fatalf("%d flips of %d bytes went unseen", undetected, end)
	}
}

func TestDamageBeforeTheLastSegmentIsFound(t *testing.T) {
	o := testOptions(t.TempDir())
	g := open(t, o)
	for range 40 {
		propose(t, g, strings.Repeat("x", 100_000))
	}
	closeGroup(t, g)
	segments, err := listSegments(filepath.Join(homeDir(o.Dir, o.Group), logName))
	if err != nil || len(segments) < 4 {
		t.Fatalf("%d segments, %v", len(segments), err)
	}
	victim := segments[1].path
	whole, err := os.ReadFile(victim)
	if err != nil {
		t.Fatal(err)
	}
	check := func(name string, damage func() error) {
		t.Helper()
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		_, _, err := recovered(t, o)
		var corrupt *CorruptError
		if !errors.As(err, &corrupt) || corrupt.File != victim && corrupt.File != segments[2].path {
			t.Fatalf("%s: error %v", name, err)
		}
		if err := os.WriteFile(victim, whole, fileMode); err != nil {
			t.Fatal(err)
		}
	}
	check("truncated", func() error { return os.Truncate(victim, int64(len(whole))-100) })
	check("truncated to a record", func() error { return os.Truncate(victim, 0) })
	check("missing", func() error { return os.Remove(victim) })
	check("flipped", func() error {
		flipped := slices.Clone(whole)
		flipped[len(flipped)/2] ^= 4
		return os.WriteFile(victim, flipped, fileMode)
	})
	if got, _, err := recovered(t, o); err != nil || len(got) != 40 {
		t.Fatalf("mended again: %d commands, %v", len(got), err)
	}
}

func TestLostDirectoriesAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		damage func(dir string) error
		want   error
	}{
		"no marker": {func(dir string) error { return os.Remove(filepath.Join(dir, markerName)) }, ErrNoMarker},
		"no segments": {func(dir string) error {
			paths, err := filesOf(filepath.Join(dir, logName), ".wal")
			for _, path := range paths {
				err = errors.Join(err, os.Remove(path))
			}
			return err
		}, ErrLogLost},
		"empty segment": {func(dir string) error {
			paths, err := filesOf(filepath.Join(dir, logName), ".wal")
			return errors.Join(err, os.Truncate(paths[0], 0))
		}, io.ErrUnexpectedEOF},
	} {
		o, _ := liveCopy(t, "a")
		if err := c.damage(homeDir(o.Dir, o.Group)); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(o); !errors.Is(err, c.want) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	o, _ := liveCopy(t, "a")
	o.Node = 2
	if _, err := Open(o); !errors.Is(err, ErrForeign) {
		t.Errorf("another node: %v", err)
	}
}

func TestUnfinishedCreationStartsAgain(t *testing.T) {
	o := testOptions(t.TempDir())
	half := homeDir(o.Dir, o.Group) + newSuffix
	if err := os.MkdirAll(filepath.Join(half, logName), directoryMode); err != nil {
		t.Fatal(err)
	}
	propose(t, open(t, o), "a")
}

func TestMarkerIsReadBack(t *testing.T) {
	h := &home{group: 1, node: 2, initial: newRoster([]Member{{ID: 2}, {ID: 3}})}
	back := &home{group: 1, node: 2}
	if err := back.readMarker(h.marker()); err != nil || !slices.Equal(back.initial.ids(), h.initial.ids()) {
		t.Fatalf("%v, %v", back.initial, err)
	}
	for _, bad := range []string{"", "replica 1\n", h.marker() + "x", strings.Replace(h.marker(), "2 3", "0", 1)} {
		if err := back.readMarker(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestProcessesThatCreateAtOnce(t *testing.T) {
	for range 20 {
		o := testOptions(filepath.Join(t.TempDir(), "above", "data"))
		var openers sync.WaitGroup
		for range 3 {
			openers.Go(func() {
				g, err := Open(o)
				if err == nil {
					err = g.Close()
				}
				if err != nil && !errors.Is(err, ErrLocked) {
					t.Error(err)
				}
			})
		}
		openers.Wait()
		propose(t, open(t, o), "a")
	}
}

func TestPreparedSegmentIsNotReused(t *testing.T) {
	o, _ := liveCopy(t, "a")
	log := filepath.Join(homeDir(o.Dir, o.Group), logName)
	for _, name := range []string{"0.tmp", "1.tmp"} { // a cut that was killed before it gave the segment its name
		if err := os.WriteFile(filepath.Join(log, name), bytes.Repeat([]byte{7}, 1<<20), fileMode); err != nil {
			t.Fatal(err)
		}
	}
	g := open(t, o)
	for range 25 {
		propose(t, g, strings.Repeat("x", 100_000))
	}
	killed := testOptions(t.TempDir())
	copyTree(t, o.Dir, killed.Dir)
	if got, _, err := recovered(t, killed); err != nil || len(got) != 26 {
		t.Fatalf("%d commands came back, %v", len(got), err)
	}
}

func TestLongUnfinishedEndIsReadOnce(t *testing.T) {
	o, want := liveCopy(t, "first", "second")
	path, _, end := lastSegment(t, o)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for at := end + 2*sectorBytes; at < int64(len(whole)); at++ { // a sector is missing, the rest of a save is there
		whole[at] = byte(at)%250 + 1
	}
	whole = append(whole, bytes.Repeat([]byte{9}, 8<<20)...)
	if err := os.WriteFile(path, whole, fileMode); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if got, _, err := recovered(t, o); err != nil || !slices.Equal(got, want) {
		t.Fatalf("%d commands came back, %v", len(got), err)
	}
	if took := time.Since(began); took > 4*time.Second { // it was 10 s when each word was sought with a read of its own
		t.Fatalf("looking through 9 MB took %v", took)
	}
}

func TestFinishedSegmentsAreClosed(t *testing.T) {
	o := testOptions(t.TempDir())
	g := open(t, o)
	for range 60 {
		propose(t, g, strings.Repeat("x", 100_000))
	}
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	held := 0
	for _, file := range files {
		path, _ := os.Readlink(filepath.Join("/proc/self/fd", file.Name()))
		if strings.HasPrefix(path, o.Dir) && strings.HasSuffix(path, ".wal") {
			held++
		}
	}
	segments, err := listSegments(g.home.log())
	if err != nil || len(segments) < 5 || held > 3 {
		t.Fatalf("%d of %d segments are open, %v", held, len(segments), err)
	}
}
