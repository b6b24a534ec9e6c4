// Package disk is a disk that fails on command: a FUSE file system that passes everything on to a directory of the
// machine's, and of which the owner decides what goes wrong with it.
//
// Units: bytes; what a power loss takes is counted in pages of 4,096 bytes, torn in sectors of 512.
//
// Invariants: without a fault it does what the directory below does, and a sync is a sync of that directory. It knows
// at every moment what a power loss takes: all that was written, made, renamed or removed since the last sync that
// reached the directory. A sync that lies reaches nothing.
//
// It never buffers a write: what a process has written is read back at once, until the power goes.
//
// Source: POSIX fsync(2): the content of a file needs a sync of the file, its name a sync of the directory; as on
// Linux's own file systems, a sync of a new file brings its name, and those of the directories above it, to the disk
// too. Torn writes: Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014.
package disk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// Device is what the kernel must offer.
const Device = "/dev/fuse"

// filesName is where the files are below a backing directory.
const filesName = "files"

// Condition is what is wrong with a disk. The zero value is a disk in order.
type Condition struct {
	FailWrites bool          // writes end with EIO
	FailSyncs  bool          // syncs end with EIO, and what they should have kept stays unsynced
	HangSyncs  bool          // syncs do not return while this holds; afterwards they go on
	Lie        bool          // syncs return at once and have done nothing
	Full       bool          // whatever writes ends with ENOSPC, as on a file system that never writes in place
	Slow       time.Duration // a sync takes so much longer
	Off        bool          // everything ends with EIO: the power is off
}

// Disk is one mounted file system.
type Disk struct {
	server *fuse.Server
	point  string // where it is mounted
	files  string // the directory below
	memory *memory

	mu        sync.Mutex
	condition Condition
	changed   chan struct{} // closed when the condition changes
	syncs     int           // that reached the directory
	hanging   int
}

// Usable says why no disk can be mounted here; nil when one can.
func Usable() error {
	file, err := os.OpenFile(Device, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("a disk that fails needs FUSE: %w", err)
	}
	_ = file.Close()
	if os.Geteuid() != 0 {
		return errors.New("a disk that fails needs root: mounting is refused to others")
	}
	return nil
}

// Mount shows at point what is kept under backing; both are made when they are missing.
func Mount(backing, point string) (*Disk, error) {
	files, kept := filepath.Join(backing, filesName), filepath.Join(backing, "removed")
	for _, dir := range []string{files, kept, point} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("mounting a disk: %w", err)
		}
	}
	var stat syscall.Stat_t
	if err := syscall.Stat(files, &stat); err != nil {
		return nil, fmt.Errorf("mounting a disk: %s: %w", files, err)
	}
	d := &Disk{point: point, files: files, changed: make(chan struct{}),
		memory: newMemory(kept)}
	root := &fs.LoopbackRoot{Path: files, Dev: stat.Dev}
	root.NewNode = func(*fs.LoopbackRoot, *fs.Inode, string, *syscall.Stat_t) fs.InodeEmbedder {
		return &entry{LoopbackNode: fs.LoopbackNode{RootData: root}, disk: d}
	}
	top := &entry{LoopbackNode: fs.LoopbackNode{RootData: root}, disk: d}
	root.RootNode = top
	// The kernel must remember nothing by itself: after a power loss files are other than it knew them.
	var none time.Duration
	server, err := fs.Mount(point, top, &fs.Options{EntryTimeout: &none, AttrTimeout: &none, NegativeTimeout: &none,
		MountOptions: fuse.MountOptions{DirectMountStrict: true, FsName: "evenkeel-drill", Name: "drill",
			MaxWrite: fuse.MAX_KERNEL_WRITE, DisableXAttrs: true}})
	if err != nil {
		return nil, fmt.Errorf("mounting a disk at %s: %w", point, err)
	}
	d.server = server
	return d, nil
}

// Unmount ends the disk; what hangs is let go. The directory below stays as processes saw it last.
func (d *Disk) Unmount() error {
	d.Set(Condition{})
	err := d.server.Unmount()
	if err != nil { // somebody still has a file open: the name goes now, the rest with the last of them
		err = syscall.Unmount(d.point, syscall.MNT_DETACH)
	}
	return errors.Join(err, d.memory.forget())
}

// Set makes the disk's condition the one given, at once: syncs that hang go on when they no longer have to.
func (d *Disk) Set(c Condition) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.condition = c
	close(d.changed)
	d.changed = make(chan struct{})
}

// Condition is what is wrong with the disk.
func (d *Disk) Condition() Condition {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.condition
}

// Syncs is how many syncs have reached the directory below, and how many hang.
func (d *Disk) Syncs() (done, hanging int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.syncs, d.hanging
}

// Unsynced is how many files a power loss would change, and how many names.
func (d *Disk) Unsynced() (files, names int) { return d.memory.size() }

// Loss is what becomes of that which was not synced when the power goes.
type Loss struct {
	Torn bool   // of each file some pages, and of some pages some sectors, had reached the disk: chosen by Seed
	Seed uint64 // ignored unless Torn
}

// LosePower takes what was not synced. No process may have a file of the disk open: those that had are dead, or the
// disk is Off. It answers how many files and names are other than processes had seen them.
func (d *Disk) LosePower(l Loss) (files, names int, err error) { return d.memory.lose(l) }

// FlipBit turns one bit of a file over, as a disk does that rots. The name is relative to the mount point; the file is
// read from the disk again when it is opened next.
func (d *Disk) FlipBit(name string, offset int64, bit uint8) (err error) {
	file, err := os.OpenFile(filepath.Join(d.files, name), os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("flipping a bit: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	var b [1]byte
	if _, err := file.ReadAt(b[:], offset); err != nil {
		return fmt.Errorf("flipping a bit of %s at %d: %w", name, offset, err)
	}
	b[0] ^= 1 << (bit % 8)
	if _, err := file.WriteAt(b[:], offset); err != nil {
		return fmt.Errorf("flipping a bit of %s at %d: %w", name, offset, err)
	}
	return nil
}

// Below is the directory that keeps the files.
func (d *Disk) Below() string { return d.files }

// mayWrite says what a write, a new name or a change of size ends with.
func (d *Disk) mayWrite() syscall.Errno {
	c := d.Condition()
	switch {
	case c.Off, c.FailWrites:
		return syscall.EIO
	case c.Full:
		return syscall.ENOSPC
	}
	return 0
}

// mayRead says what a read ends with.
func (d *Disk) mayRead() syscall.Errno {
	if d.Condition().Off {
		return syscall.EIO
	}
	return 0
}

// awaitSync holds a sync as long as the disk's condition says. It answers whether the sync is to reach the directory.
func (d *Disk) awaitSync(ctx context.Context) (reaches bool, wrong syscall.Errno) {
	if slow := d.Condition().Slow; slow > 0 {
		timer := time.NewTimer(slow)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return false, syscall.EINTR
		}
	}
	for {
		d.mu.Lock()
		c, changed := d.condition, d.changed
		if c.HangSyncs && !c.Off {
			d.hanging++
		}
		d.mu.Unlock()
		switch {
		case c.Off, c.FailSyncs && !c.HangSyncs:
			return false, syscall.EIO
		case !c.HangSyncs:
			return !c.Lie, 0
		}
		<-changed // not the interrupt either: a process that waits for a disk cannot be killed
		d.mu.Lock()
		d.hanging--
		d.mu.Unlock()
	}
}

func (d *Disk) countSync() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.syncs++
}
