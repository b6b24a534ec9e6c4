package disk

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// What a disk writes at once, and what a file system keeps in one piece.
const (
	page   = 4096
	sector = 512
)

// memory is what a power loss would undo: old contents by file, and changes of names in their order.
type memory struct {
	syncing sync.RWMutex // held for reading by every sync on its way
	mu      sync.Mutex
	kept    string // directory of files that were removed or replaced, and would come back
	next    int    // numbers of changes, and names in kept
	files   map[uint64]*stale
	names   []change
	turns   map[uint64]*turn // syncs of one file come one after the other
}

// turn is the right to sync a file.
type turn struct {
	sync.Mutex
	waiting int
}

// stale is what the disk has of a file that was written to since.
type stale struct {
	file  *os.File         // of our own: the file may have lost its name, and comes back
	size  int64            // on the disk
	pages map[int64][]byte // on the disk, of pages that were written to; nil: behind size
}

// change is one change of names that is not on the disk.
type change struct {
	number    int
	kind      kind
	directory uint64 // that must be synced, by inode
	other     uint64 // second directory of a rename
	child     uint64 // whose own sync will do too; 0: none
	path, old string // old: what it was called before, of a rename
	kept      string // the file that stood there, under this name in kept; "": none
}

type kind uint8

const (
	made kind = iota
	removed
	renamed
)

func newMemory(kept string) *memory {
	return &memory{kept: kept, files: map[uint64]*stale{}, turns: map[uint64]*turn{}}
}

func (m *memory) size() (files, names int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.files), len(m.names)
}

func inode(fd int) (uint64, error) {
	var stat syscall.Stat_t
	err := syscall.Fstat(fd, &stat)
	return stat.Ino, err
}

func inodeOf(path string) (uint64, error) {
	var stat syscall.Stat_t
	err := syscall.Lstat(path, &stat)
	return stat.Ino, err
}

// stale is the memory of a file, begun when there is none.
func (m *memory) stale(f *os.File) (*stale, error) {
	var stat syscall.Stat_t
	if err := syscall.Fstat(int(f.Fd()), &stat); err != nil {
		return nil, err
	}
	if s := m.files[stat.Ino]; s != nil {
		return s, nil
	}
	own, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	s := &stale{file: own, size: stat.Size, pages: map[int64][]byte{}}
	m.files[stat.Ino] = s
	return s, nil
}

// keep remembers the pages of a range as the disk has them.
func (s *stale) keep(from, until int64) error {
	for at := from - from%page; at < until; at += page {
		if _, has := s.pages[at]; has {
			continue
		}
		if at >= s.size {
			s.pages[at] = nil
			continue
		}
		old := make([]byte, page)
		n, err := s.file.ReadAt(old, at)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		s.pages[at] = old[:min(int64(n), s.size-at)]
	}
	return nil
}

func (m *memory) write(f *os.File, data []byte, offset int64) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, err := m.stale(f)
	if err == nil {
		err = s.keep(offset, offset+int64(len(data)))
	}
	if err != nil {
		return 0, err
	}
	return syscall.Pwrite(int(f.Fd()), data, offset)
}

// change does what changes a file from one offset to another; -1: to its end.
func (m *memory) change(f *os.File, from, until int64, how func(fd int) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, err := m.stale(f)
	if err != nil {
		return err
	}
	if until < 0 {
		until = s.size
	}
	if err := s.keep(from, until); err != nil {
		return err
	}
	return how(int(f.Fd()))
}

// take waits for the right to sync a file, and gives it back.
func (m *memory) take(node uint64) (giveBack func()) {
	m.mu.Lock()
	t := m.turns[node]
	if t == nil {
		t = &turn{}
		m.turns[node] = t
	}
	t.waiting++
	m.mu.Unlock()
	t.Lock()
	return func() {
		t.Unlock()
		m.mu.Lock()
		defer m.mu.Unlock()
		if t.waiting--; t.waiting == 0 {
			delete(m.turns, node)
		}
	}
}

// sync brings a file or a directory to the disk: what had been written, and the names that had been changed, when it
// began.
func (m *memory) sync(f *os.File) error {
	node, err := inode(int(f.Fd()))
	if err != nil {
		return err
	}
	m.syncing.RLock()
	defer m.syncing.RUnlock()
	defer m.take(node)()
	m.mu.Lock()
	s, until := m.files[node], m.next
	delete(m.files, node)
	m.mu.Unlock()
	err = syscall.Fsync(int(f.Fd()))
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil {
		return errors.Join(err, m.giveBack(node, s))
	}
	if s != nil {
		err = s.file.Close()
	}
	return errors.Join(err, m.settle(node, until))
}

// giveBack remembers again what a sync that failed was to keep.
func (m *memory) giveBack(node uint64, s *stale) error {
	later := m.files[node]
	switch {
	case s == nil:
		return nil
	case later != nil: // written to meanwhile
		for at, old := range later.pages {
			if _, has := s.pages[at]; !has {
				s.pages[at] = old[:max(0, min(int64(len(old)), s.size-at))]
			}
		}
		m.files[node] = s
		return later.file.Close()
	}
	m.files[node] = s
	return nil
}

// note writes a change of names down.
func (m *memory) note(c change) {
	m.next++
	c.number = m.next
	m.names = append(m.names, c)
}

// settle drops the changes of names that the sync of a file or directory has brought to the disk: those in the
// directory, and the name of the file itself with the names of the directories above it. Changes behind a number came
// after the sync began.
func (m *memory) settle(node uint64, until int) error {
	named := map[uint64]bool{node: true}
	var errs error
	for i := len(m.names) - 1; i >= 0; i-- {
		c := m.names[i]
		if c.number > until || c.directory != node && c.other != node && !named[c.child] {
			continue
		}
		if named[c.child] {
			named[c.directory] = true
			if c.other != 0 {
				named[c.other] = true
			}
		}
		if c.kept != "" {
			errs = errors.Join(errs, os.Remove(filepath.Join(m.kept, c.kept)))
		}
		m.names = slices.Delete(m.names, i, i+1)
		if c.kind == renamed { // what came before was done under the old name, and will be undone under the new
			for j := range m.names[:i] {
				m.names[j].path = moved(m.names[j].path, c.old, c.path)
				m.names[j].old = moved(m.names[j].old, c.old, c.path)
			}
		}
	}
	return errs
}

// moved is a path after something that it may lead through was renamed.
func moved(path, from, to string) string {
	if rest, through := strings.CutPrefix(path, from); through && (rest == "" || rest[0] == '/') {
		return to + rest
	}
	return path
}

// make makes a name.
func (m *memory) make(directory, name string, how func(path string) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	path := filepath.Join(directory, name)
	_, err := os.Lstat(path)
	existed := err == nil
	if err := how(path); err != nil || existed {
		return err
	}
	parent, err := inodeOf(directory)
	if err != nil {
		return err
	}
	child, err := inodeOf(path)
	m.note(change{kind: made, directory: parent, child: child, path: path})
	return err
}

// keep gives a file a second name, under which a power loss finds it.
func (m *memory) keep(path string) (string, error) {
	m.next++
	name := fmt.Sprint(m.next)
	return name, os.Link(path, filepath.Join(m.kept, name))
}

func (m *memory) remove(directory, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	parent, err := inodeOf(directory)
	if err != nil {
		return err
	}
	path := filepath.Join(directory, name)
	kept, err := m.keep(path)
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil {
		return errors.Join(err, os.Remove(filepath.Join(m.kept, kept)))
	}
	m.note(change{kind: removed, directory: parent, path: path, kept: kept})
	return nil
}

func (m *memory) removeDirectory(directory, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	parent, err := inodeOf(directory)
	if err != nil {
		return err
	}
	path := filepath.Join(directory, name)
	if err := syscall.Rmdir(path); err != nil {
		return err
	}
	m.note(change{kind: removed, directory: parent, path: path})
	return nil
}

func (m *memory) rename(fromDirectory, fromName, toDirectory, toName string, alone bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	from, to := filepath.Join(fromDirectory, fromName), filepath.Join(toDirectory, toName)
	c := change{kind: renamed, path: to, old: from}
	var errs [3]error
	c.directory, errs[0] = inodeOf(fromDirectory)
	c.other, errs[1] = inodeOf(toDirectory)
	c.child, errs[2] = inodeOf(from)
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	if old, err := os.Lstat(to); err == nil {
		switch {
		case alone:
			return syscall.EEXIST
		case !old.IsDir():
			if c.kept, err = m.keep(to); err != nil {
				return err
			}
		}
	}
	flags := uint(0)
	if alone {
		flags = unix.RENAME_NOREPLACE
	}
	if err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, flags); err != nil {
		if c.kept != "" {
			err = errors.Join(err, os.Remove(filepath.Join(m.kept, c.kept)))
		}
		return err
	}
	m.note(c)
	return nil
}

// lose undoes what was not synced.
func (m *memory) lose(l Loss) (files, names int, err error) {
	m.syncing.Lock()
	defer m.syncing.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	random := rand.New(rand.NewPCG(l.Seed, 0)) //nolint:gosec // a choice that must be repeatable
	for _, node := range slices.Sorted(maps.Keys(m.files)) {
		s := m.files[node]
		if l.Torn {
			err = errors.Join(err, s.tear(random))
		} else {
			err = errors.Join(err, s.restore())
		}
		err = errors.Join(err, s.file.Close())
		delete(m.files, node)
		files++
	}
	for _, c := range slices.Backward(m.names) {
		err = errors.Join(err, m.undo(c))
		names++
	}
	m.names = nil
	return files, names, err
}

// restore gives a file back the size and the pages that the disk has.
func (s *stale) restore() error {
	err := s.file.Truncate(s.size)
	for at, old := range s.pages {
		if len(old) == 0 {
			continue
		}
		_, wrong := s.file.WriteAt(old, at)
		err = errors.Join(err, wrong)
	}
	return err
}

// tear leaves some pages as they were, some as they were written, and some in between.
func (s *stale) tear(random *rand.Rand) error {
	info, err := s.file.Stat()
	if err != nil {
		return err
	}
	size := info.Size()
	for _, at := range slices.Sorted(maps.Keys(s.pages)) {
		reached := random.IntN(page/sector+1) * sector // so many bytes of the page had come to the disk
		if dice := random.IntN(3); dice == 0 {
			reached = 0
		} else if dice == 1 {
			reached = page
		}
		before := make([]byte, page) // zeros, where the disk had nothing
		copy(before, s.pages[at])
		until := min(at+page, size)
		if from := at + int64(reached); from < until {
			_, wrong := s.file.WriteAt(before[reached:until-at], from)
			err = errors.Join(err, wrong)
		}
	}
	if size != s.size && random.IntN(2) == 0 {
		if size < s.size { // it was cut, and the disk has not heard of it
			return errors.Join(err, s.restore())
		}
		err = errors.Join(err, s.file.Truncate(s.size))
	}
	return err
}

// undo takes back one change of names.
func (m *memory) undo(c change) error {
	switch c.kind {
	case made:
		return os.RemoveAll(c.path)
	case removed:
		if c.kept == "" {
			return os.Mkdir(c.path, 0o700)
		}
	case renamed:
		if err := os.Rename(c.path, c.old); err != nil || c.kept == "" {
			return err
		}
	}
	return os.Rename(filepath.Join(m.kept, c.kept), c.path)
}

// forget gives back what is held, without undoing anything.
func (m *memory) forget() (err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.files {
		err = errors.Join(err, s.file.Close())
	}
	clear(m.files)
	for _, c := range m.names {
		if c.kept != "" {
			err = errors.Join(err, os.Remove(filepath.Join(m.kept, c.kept)))
		}
	}
	m.names = nil
	return err
}
