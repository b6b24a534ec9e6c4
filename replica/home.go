package replica

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"

	"go.etcd.io/etcd/server/v3/storage/wal"
)

const (
	markerName    = "MARKER"
	lockName      = "LOCK"
	logName       = "log"
	snapshotsName = "snapshots"
	directoryMode = 0o700
	fileMode      = 0o600
	newSuffix     = ".new"
)

// A home is the directory of one group on one node, locked.
type home struct {
	dir         string
	group, node uint64
	initial     roster // of the group when it was new; nobody when this node joined it later
	lock        *os.File

	doubt     sync.Mutex // over what follows, and its file
	diverged  uint64     // DIVERGED's index, 0 without one
	trusted   uint64     // index of a snapshot of the leader's that is younger, 0 without one
	installed uint64     // index of the leader's snapshot in whose place the log stood, 0 without one
}

func (h *home) log() string       { return filepath.Join(h.dir, logName) }
func (h *home) snapshots() string { return filepath.Join(h.dir, snapshotsName) }

// identity is what each segment of the log says of itself.
func (h *home) identity() []byte {
	b := binary.LittleEndian.AppendUint64([]byte("replica1"), h.group)
	return binary.LittleEndian.AppendUint64(b, h.node)
}

// homeDir is where a group lives. The group is in the path, so that groups share a data directory.
func homeDir(dir string, group uint64) string {
	return filepath.Join(dir, fmt.Sprintf("g%d", group))
}

// openHome locks the directory of a group, creating it when create is set and there is nothing. A directory that has
// content and no marker, or another's, is refused.
func openHome(dir string, group, node uint64, members []Member, create bool) (*home, error) {
	h := &home{dir: homeDir(dir, group), group: group, node: node, initial: newRoster(members)}
	if create {
		if err := h.createIfAbsent(dir); err != nil {
			return nil, fmt.Errorf("creating %s: %w", h.dir, err)
		}
	}
	marker, err := os.ReadFile(filepath.Join(h.dir, markerName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s has no %s file, so it is not known whose it is; if it is a damaged copy of a group, "+
			"restore it whole from a backup; if it may go, move it away, and a new group starts empty", ErrNoMarker, h.dir,
			markerName)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the group: %w", err)
	}
	if err := h.readMarker(string(marker)); err != nil {
		return nil, err
	}
	if err := h.acquire(); err != nil {
		return nil, err
	}
	return h, nil
}

// createIfAbsent makes a complete directory under another name and then renames it: it is there wholly or not at all.
// Of processes that do so at the same moment, one does and the others find it done.
func (h *home) createIfAbsent(dir string) error {
	if absent, err := isEmpty(h.dir); !absent {
		return err
	}
	if err := makeDir(dir); err != nil {
		return err
	}
	parent, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer parent.Close() //nolint:errcheck // synced below; closing unlocks
	if err := syscall.Flock(int(parent.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	if absent, err := isEmpty(h.dir); !absent {
		return err
	}
	fresh := h.dir + newSuffix
	if err := os.RemoveAll(fresh); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(fresh, snapshotsName), directoryMode); err != nil {
		return err
	}
	log, err := wal.Create(nil, filepath.Join(fresh, logName), h.identity())
	if err != nil {
		return err
	}
	if err := log.Close(); err != nil {
		return err
	}
	if err := writeSynced(filepath.Join(fresh, markerName), []byte(h.marker())); err != nil {
		return err
	}
	if err := syncDir(fresh); err != nil {
		return err
	}
	if err := os.Rename(fresh, h.dir); err != nil {
		return err
	}
	return parent.Sync()
}

// isEmpty reports whether nothing is in dir, or there is no dir.
func isEmpty(dir string) (bool, error) {
	content, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	return err == nil && len(content) == 0, err
}

// makeDir makes a directory and those above it that are missing, so that their names outlive a loss of power.
func makeDir(dir string) error {
	if _, err := os.Stat(dir); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	above := filepath.Dir(dir)
	if err := makeDir(above); err != nil {
		return err
	}
	if err := os.Mkdir(dir, directoryMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(above)
}

// settle makes definite what a crash left half done. A file that the start has seen may have a name that is in memory
// only: it must be on disk before anything is added to the file. A segment that was being prepared is prepared anew:
// what is in it would follow the log's end.
func (h *home) settle() error {
	prepared, err := filesOf(h.log(), ".tmp")
	if err != nil {
		return err
	}
	for _, path := range prepared {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	for _, dir := range []string{h.log(), h.snapshots(), h.dir, filepath.Dir(h.dir)} {
		if err := syncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

func (h *home) acquire() error {
	path := filepath.Join(h.dir, lockName)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return fmt.Errorf("opening the group: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = file.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return fmt.Errorf("%w: %s", ErrLocked, path)
		}
		return fmt.Errorf("locking %s: %w", path, err)
	}
	h.lock = file
	return nil
}

// release gives the directory free.
func (h *home) release() { _ = h.lock.Close() }

// mend cuts the unfinished end of the log: what lies behind it becomes zero, as in a segment not written to yet. It
// returns the bytes that were not zero.
func mend(tail logTail) (cut int64, err error) {
	file, err := os.OpenFile(tail.path, os.O_RDWR, fileMode)
	if err != nil {
		return 0, err
	}
	defer file.Close() //nolint:errcheck // synced below
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	end, err := lastNonzero(file, tail.offset, info.Size())
	if err != nil {
		return 0, err
	}
	if tail.torn || end > tail.offset {
		if err := file.Truncate(tail.offset); err != nil {
			return 0, err
		}
		if err := file.Truncate(info.Size()); err != nil {
			return 0, err
		}
	}
	// What was written and not synced before a kill is in memory only: it must be on disk before anybody hears of it.
	return end - tail.offset, file.Sync()
}

// lastNonzero is the end of what is not zero in file between from and to.
func lastNonzero(file *os.File, from, to int64) (int64, error) {
	end := from
	chunk := make([]byte, 1<<16)
	for _, part := range spansOf(file, from, to) {
		for at := part.from; at < part.to; {
			n, err := file.ReadAt(chunk[:min(int64(len(chunk)), part.to-at)], at)
			if n == 0 {
				return 0, err
			}
			if !allZero(chunk[:n]) {
				end = at + int64(len(bytes.TrimRight(chunk[:n], "\x00")))
			}
			at += int64(n)
		}
	}
	return end, nil
}

// A span is a part of a file.
type span struct{ from, to int64 }

// SEEK_DATA and SEEK_HOLE of lseek(2) on Linux.
const (
	seekData = 3
	seekHole = 4
)

// spansOf are the parts of file between two offsets that may hold something else than zeros. A segment is mostly room
// that was never written, and a node that starts again is not to read through it. All are found before any is read:
// the system reads ahead, and what it has read counts as written.
func spansOf(file *os.File, from, to int64) (spans []span) {
	for at := from; at < to; {
		data, hole := at, to
		if runtime.GOOS == "linux" {
			var err error
			if data, err = file.Seek(at, seekData); errors.Is(err, syscall.ENXIO) { // a hole to the end
				return spans
			}
			if err == nil && data < to {
				hole, err = file.Seek(data, seekHole)
			}
			if err != nil || hole <= data { // this file system does not tell
				data, hole = at, to
			}
		}
		if data >= to {
			return spans
		}
		spans = append(spans, span{data, min(hole, to)})
		at = hole
	}
	return spans
}

func writeSynced(path string, content []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, fileMode)
	if err != nil {
		return err
	}
	if _, err := file.Write(content); err != nil {
		_ = file.Close()
		return err
	}
	if err := file.Sync(); err != nil {
		_ = file.Close()
		return err
	}
	return file.Close()
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	if err := d.Sync(); err != nil {
		_ = d.Close()
		return err
	}
	return d.Close()
}

// filesOf lists the files of dir whose names end in suffix, in order of their names.
func filesOf(dir, suffix string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name(), suffix) {
			paths = append(paths, filepath.Join(dir, entry.Name()))
		}
	}
	return paths, nil
}
