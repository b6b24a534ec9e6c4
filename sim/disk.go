package sim

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
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
	first   uint64 // lowest entry written by a process that dies in that
	last    uint64 // entry written last: the log ends there, and what a deposed leader had behind it is gone

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
	*d = disk{node: d.node, slow: d.slow, slowBy: d.slowBy}
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
	if n := len(entries); n > 0 {
		d.last = entries[n-1].GetIndex()
		if first := entries[0].GetIndex(); d.first == 0 || first < d.first {
			d.first = first
		}
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

// killInWrite kills the process, as a loss of power does, in the middle of a write when one is under way. It reports
// whether one was.
func (n *node) killInWrite() (wrote bool) {
	if !n.up {
		return false
	}
	n.dark = true
	n.disk.first = 0
	wrote, torn := n.endInWrite(n.disk.writing, n.disk.full, func() { n.group.FinishJournal() }, n.kill)
	if torn && n.disk.first > 0 {
		n.durable = min(n.durable, n.disk.first-1)
	}
	return wrote
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
