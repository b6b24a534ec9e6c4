package disk

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/posixtest"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/raft/v3/raftpb"
)

func write(t *testing.T, name, text string, synced bool) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.WriteString(text)
	}
	if err == nil && synced {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		return "(" + err.Error()[strings.LastIndex(err.Error(), ": ")+2:] + ")"
	}
	return string(text)
}

func syncDirectory(t *testing.T, name string) {
	t.Helper()
	f, err := os.Open(name)
	if err == nil {
		err = errors.Join(f.Sync(), f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

const gone = "(no such file or directory)"

// TestPassesThrough runs go-fuse's own list of what a file system must do.
func TestPassesThrough(t *testing.T) {
	_, point := mount(t)
	for name, check := range posixtest.All {
		switch name {
		case "DirectIO", "RenameExchange", "FcntlFlockSetLk", "FcntlFlockLocksFile", "SetattrSymlink", "XAttr",
			"RenameOpenDir", "Tmpfile", "OpenSymlinkRace", "XAttrLarge":
			continue // not needed by a log or by SQLite, and not offered
		case "FstatDeleted", "NlinkZero":
			continue // what was removed has a second name, until the removal is on the disk
		}
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(point, name)
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			check(t, dir)
		})
	}
}

func TestPowerLoss(t *testing.T) {
	d, point := mount(t)
	at := func(name string) string { return filepath.Join(point, name) }
	write(t, at("kept"), "one", true)
	write(t, at("replaced"), "old", true)
	write(t, at("removed"), "here", true)
	write(t, at("shortened"), strings.Repeat("x", 3*page), true)
	syncDirectory(t, point)

	write(t, at("kept"), "two and more", false)
	write(t, at("new"), "never synced", false)
	write(t, at("new.synced"), "synced", true)
	write(t, at("next"), "next", true)
	for _, err := range []error{os.Rename(at("next"), at("replaced")), os.Remove(at("removed")),
		os.Truncate(at("shortened"), 5), os.Mkdir(at("dir"), 0o700), os.Rename(at("dir"), at("dir.renamed"))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	write(t, at("dir.renamed/inside"), "inside", false)
	if got := read(t, at("kept")) + read(t, at("replaced")) + read(t, at("removed")); got !=
		"two and morenext"+gone {
		t.Fatalf("before the loss: %q", got)
	}
	d.losePower(Loss{})
	for name, want := range map[string]string{"kept": "one", "replaced": "old", "removed": "here", "new": gone,
		"new.synced": "synced", "next": "next", "shortened": strings.Repeat("x", 3*page), "dir/inside": gone,
		"dir.renamed/inside": gone} {
		if got := read(t, at(name)); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if left := d.count(); left.Files+left.Names != 0 {
		t.Errorf("unsynced after the loss: %+v", left)
	}
}

// TestSyncedSurvives: a directory that is filled, renamed and synced as etcd's log does it stays.
func TestSyncedSurvives(t *testing.T) {
	d, point := mount(t)
	if err := os.Mkdir(filepath.Join(point, "log.new"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(point, "log.new", "0"), "first", true)
	if err := os.Rename(filepath.Join(point, "log.new"), filepath.Join(point, "log")); err != nil {
		t.Fatal(err)
	}
	syncDirectory(t, point)
	write(t, filepath.Join(point, "log", "1"), "unsynced", false)
	d.losePower(Loss{})
	if got := read(t, filepath.Join(point, "log", "0")); got != "first" {
		t.Error("the synced file:", got)
	}
	if got := read(t, filepath.Join(point, "log", "1")); got != gone {
		t.Error("the unsynced file:", got)
	}
}

func TestTorn(t *testing.T) {
	d, point := mount(t)
	name := filepath.Join(point, "log")
	outcomes := map[string]bool{}
	for seed := range uint64(40) {
		write(t, name, strings.Repeat("a", 2*page), true)
		write(t, name, strings.Repeat("b", 2*page), false)
		d.losePower(Loss{Torn: true, Seed: seed})
		got := read(t, name)
		if len(got) != 2*page {
			t.Fatalf("seed %d: %d bytes", seed, len(got))
		}
		shape := ""
		for at := 0; at < len(got); at += sector {
			if got[at:at+sector] != strings.Repeat(got[at:at+1], sector) {
				t.Fatalf("seed %d: a sector is torn", seed)
			}
			shape += got[at : at+1]
		}
		outcomes[shape] = true
	}
	if !outcomes[strings.Repeat("a", 16)] && !outcomes[strings.Repeat("b", 16)] || len(outcomes) < 8 {
		t.Errorf("%d ways to tear: %v", len(outcomes), outcomes)
	}
}

func TestFaults(t *testing.T) {
	d, point := mount(t)
	f, err := os.Create(filepath.Join(point, "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	put := func() error { _, err := f.WriteString("text"); return err }
	for _, c := range []struct {
		what  string
		c     Condition
		do    func() error
		wrong error
	}{
		{"write", Condition{}, put, nil},
		{"failing write", Condition{FailWrites: true}, put, syscall.EIO},
		{"sync of a disk that fails writes", Condition{FailWrites: true}, f.Sync, nil},
		{"failing sync", Condition{FailSyncs: true}, f.Sync, syscall.EIO},
		{"full", Condition{Full: true}, put, syscall.ENOSPC},
		{"full, and a file grows", Condition{Full: true}, func() error { return f.Truncate(1 << 20) }, syscall.ENOSPC},
		{"full, and a name is made", Condition{Full: true}, func() error {
			return os.Mkdir(filepath.Join(point, "dir"), 0o700)
		}, syscall.ENOSPC},
		{"off", Condition{Off: true}, func() error { _, err := os.ReadFile(f.Name()); return err }, syscall.EIO},
		{"in order again", Condition{}, func() error { return errors.Join(put(), f.Sync()) }, nil},
	} {
		d.set(c.c)
		if err := c.do(); !errors.Is(err, c.wrong) {
			t.Errorf("%s: %v, want %v", c.what, err, c.wrong)
		}
	}
	d.set(Condition{Slow: 30 * time.Millisecond})
	began := time.Now()
	if err := f.Sync(); err != nil || time.Since(began) < 30*time.Millisecond {
		t.Errorf("a slow sync took %v: %v", time.Since(began), err)
	}
}

func TestLie(t *testing.T) {
	d, point := mount(t)
	name := filepath.Join(point, "log")
	write(t, name, "one", true)
	d.set(Condition{Lie: true})
	write(t, name, "two", true)
	write(t, name, "three", true)
	if got := read(t, name); got != "three" {
		t.Fatal("before the loss:", got)
	}
	d.losePower(Loss{})
	if got := read(t, name); got != "one" {
		t.Error("a lie was kept:", got)
	}
}

func TestHang(t *testing.T) {
	d, point := mount(t)
	name := filepath.Join(point, "log")
	write(t, name, "one", true)
	d.set(Condition{HangSyncs: true})
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	synced := make(chan error, 1)
	go func() { synced <- f.Sync() }()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for d.count().Hanging == 0 {
		<-ticker.C
	}
	write(t, filepath.Join(point, "other"), "others go on", false)
	select {
	case err := <-synced:
		t.Fatal("the sync came back:", err)
	default:
	}
	d.set(Condition{})
	if err := <-synced; err != nil {
		t.Error(err)
	}
}

func TestFlipBit(t *testing.T) {
	d, point := mount(t)
	name := filepath.Join(point, "log")
	write(t, name, "abc", true)
	_ = read(t, name)
	if err := d.FlipBit("log", 1, 0); err != nil {
		t.Fatal(err)
	}
	if got := read(t, name); got != "acc" {
		t.Error(got)
	}
	if err := d.FlipBit("log", 9, 0); err == nil {
		t.Error("a bit behind the end was turned over")
	}
}

// TestLog has etcd's log live on the disk through fifty power losses: what it synced is there, what a lie kept is not.
func TestLog(t *testing.T) {
	d, point := mount(t)
	dir := filepath.Join(point, "wal")
	wal.SegmentSizeBytes = 256 << 10
	w, err := wal.Create(nil, dir, []byte("metadata"))
	if err != nil {
		t.Fatal(err)
	}
	last := uint64(0)
	save := func(sync bool) {
		last++
		index, term := last, uint64(1)
		entry := &raftpb.Entry{Index: &index, Term: &term, Data: bytes.Repeat([]byte{byte(last)}, 3000)}
		if err := w.Save(&raftpb.HardState{Term: &term, Commit: &index}, []*raftpb.Entry{entry}); err != nil {
			t.Fatal(err)
		}
		if !sync {
			last-- // it may be lost
		}
	}
	for round := range 50 {
		for range 20 {
			save(true)
		}
		if round%2 == 0 {
			d.set(Condition{Lie: true})
			save(false)
		}
		d.set(Condition{Lie: true}) // nothing more reaches the disk, and the log lets its files go
		_ = w.Close()
		d.losePower(Loss{Torn: true, Seed: uint64(round)})
		d.set(Condition{})
		if !wal.Exist(dir) {
			t.Fatal("the log is gone")
		}
		entries := reopen(t, &w, dir)
		if len(entries) == 0 || entries[len(entries)-1].GetIndex() < last {
			t.Fatalf("round %d: %d entries, %d were synced", round, len(entries), last)
		}
		last = entries[len(entries)-1].GetIndex()
		if !slices.IsSortedFunc(entries, func(a, b *raftpb.Entry) int { return int(a.GetIndex()) - int(b.GetIndex()) }) {
			t.Fatal("the log is out of order")
		}
	}
}

// reopen opens the log again, and repairs its end once.
func reopen(t *testing.T, w **wal.WAL, dir string) []*raftpb.Entry {
	t.Helper()
	for attempt := range 2 {
		opened, err := wal.Open(nil, dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _, entries, err := opened.ReadAll()
		if err == nil {
			*w = opened
			return entries
		}
		_ = opened.Close()
		if attempt == 1 || !wal.Repair(nil, dir) {
			t.Fatal(err)
		}
	}
	return nil
}
