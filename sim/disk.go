package sim

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	"go.etcd.io/raft/v3/raftpb"

	"evenkeel/replica"
)

// A disk is what a node's log is written to. The files are real; how long a write takes, whether it returns, and what
// of it is there after a loss of power is the world's to say.
type disk struct {
	node    *node
	real    replica.WriteAhead
	writing bool
	stuck   bool // a write is under way and does not return
	slow    time.Duration
	hung    bool
	full    bool
	doomed  func() // happens in the middle of the next write

	slowBy, hungBy, fullBy *blow
}

// diskLeast is half of what a write takes on average when nothing is wrong.
const diskLeast = 250 * time.Microsecond

// between puts the disk between a group and its log.
func (d *disk) between(real replica.WriteAhead) replica.WriteAhead {
	d.real = real
	return d
}

func (d *disk) reset() {
	d.writing, d.stuck, d.hung, d.full, d.doomed = false, false, false, false, nil
}

// work begins a write when there is something to write.
func (d *disk) work() {
	if d.writing || !d.node.group.BeginJournal() {
		return
	}
	d.writing = true
	d.complete()
}

func (d *disk) complete() {
	w := d.node.world
	took := diskLeast + w.below(2*diskLeast) + d.slow
	if d.slow > 0 {
		took += w.below(d.slow)
		w.bites(d.slowBy)
	}
	if d.doomed != nil {
		d.node.after(w.below(took), diskTag, d.doomed)
		d.doomed = nil
	}
	d.node.after(took, diskTag, func() {
		if d.hung {
			d.stuck = true
			w.bites(d.hungBy)
			return
		}
		d.writing = false
		if d.node.finishWrite() {
			d.node.poke()
		}
	})
}

// release lets a disk that hung go on.
func (d *disk) release() {
	d.hung = false
	if d.stuck {
		d.stuck = false
		d.complete()
	}
}

// errFull is what a full disk says.
var errFull = &os.PathError{Op: "write", Path: "log", Err: syscall.ENOSPC}

// Save implements replica.WriteAhead.
func (d *disk) Save(state *raftpb.HardState, entries []*raftpb.Entry) error {
	if d.full && len(entries) > 0 {
		d.node.world.bites(d.fullBy)
		return errFull
	}
	return d.real.Save(state, entries)
}

// SaveSnapshot implements replica.WriteAhead.
func (d *disk) SaveSnapshot(s *walpb.Snapshot) error { return d.real.SaveSnapshot(s) }

// Sync implements replica.WriteAhead.
func (d *disk) Sync() error { return d.real.Sync() }

// ReleaseLockTo implements replica.WriteAhead.
func (d *disk) ReleaseLockTo(index uint64) error { return d.real.ReleaseLockTo(index) }

// Close implements replica.WriteAhead.
func (d *disk) Close() error { return d.real.Close() }

// A tail is where a log ends on disk.
type tail struct {
	path string
	end  int64
}

// tailOf finds the end of a node's log.
func (n *node) tailOf() (t tail) {
	for _, path := range n.files(".wal") {
		t.path = path
	}
	if content, err := os.ReadFile(t.path); err == nil {
		t.end = int64(len(bytes.TrimRight(content, "\x00")))
	}
	return t
}

// files lists a node's files of one kind, in order.
func (n *node) files(suffix string) (paths []string) {
	root := filepath.Join(n.dir, fmt.Sprint("g", brokerGroup))
	for _, dir := range []string{"log", "snapshots"} {
		entries, _ := os.ReadDir(filepath.Join(root, dir)) // what is not there has no files
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), suffix) {
				paths = append(paths, filepath.Join(root, dir, e.Name()))
			}
		}
	}
	slices.Sort(paths)
	return paths
}

// killInWrite kills the process, as a loss of power does, in the middle of a write when one is under way: all of it is
// there and nobody was told, or some sectors are, or none. It reports whether one was.
func (n *node) killInWrite() (wrote bool) {
	if !n.up {
		return false
	}
	w := n.world
	n.dark = true
	wrote = n.disk.writing
	if !wrote || n.disk.full || w.random.IntN(3) == 0 {
		if wrote {
			w.counts.Mishaps[lostWrite]++
		}
		n.kill()
		return wrote
	}
	before := n.tailOf()
	n.group.FinishJournal()
	n.kill()
	after := n.tailOf()
	if after.path != before.path || after.end <= before.end || w.random.IntN(3) == 0 {
		w.counts.Mishaps[mutedWrite]++
		return wrote
	}
	w.counts.Mishaps[tornWrite]++
	n.say("its last write is torn")
	if err := n.tear(after.path, before.end, after.end); err != nil {
		w.fail("%s: %v", n.name, err)
	}
	return wrote
}

const sector = 512

// tear takes back some sectors of a write: those behind one place, or here and there.
func (n *node) tear(path string, from, to int64) error {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // its content is the world's own
	behind := n.world.random.IntN(2) == 0
	first := from / sector
	last := (to - 1) / sector
	cut := first + n.world.random.Int64N(last-first+1)
	for at := first; at <= last; at++ {
		if behind && at < cut || !behind && at != cut && n.world.random.IntN(2) == 0 {
			continue
		}
		begin, end := max(from, at*sector), min(to, (at+1)*sector)
		if _, err := file.WriteAt(make([]byte, end-begin), begin); err != nil {
			return err
		}
	}
	return nil
}

// rot flips a bit of what is on the disk of a node that is down.
func (n *node) rot() bool {
	w := n.world
	paths := slices.Concat(n.files(".wal"), n.files(".snapshot"))
	if len(paths) == 0 {
		return false
	}
	path := paths[w.random.IntN(len(paths))]
	content, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	end := len(bytes.TrimRight(content, "\x00"))
	if end == 0 {
		return false
	}
	at := w.random.IntN(end)
	content[at] ^= 1 << w.random.IntN(8)
	n.say(fmt.Sprintf("a bit of %s rots at %d of %d", filepath.Base(path), at, end))
	return os.WriteFile(path, content, 0o600) == nil
}
