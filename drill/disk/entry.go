package disk

import (
	"context"
	"os"
	"path/filepath"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// entry is a file or a directory. It does what the loopback of go-fuse does, after the disk was asked, and with the
// memory told of what a power loss would take.
type entry struct {
	fs.LoopbackNode
	disk *Disk
}

var (
	_ fs.NodeOpener         = (*entry)(nil)
	_ fs.NodeCreater        = (*entry)(nil)
	_ fs.NodeFsyncer        = (*entry)(nil)
	_ fs.NodeSetattrer      = (*entry)(nil)
	_ fs.NodeRenamer        = (*entry)(nil)
	_ fs.NodeUnlinker       = (*entry)(nil)
	_ fs.NodeCopyFileRanger = (*entry)(nil)
	_ fs.FileFsyncdirer     = (*directory)(nil)
)

func (e *entry) path() string { return filepath.Join(e.disk.files, e.Path(nil)) }

func (e *entry) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if wrong := e.disk.mayRead(); wrong != 0 {
		return nil, wrong
	}
	return e.LoopbackNode.Lookup(ctx, name, out)
}

func (e *entry) Open(_ context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	if wrong := e.disk.mayRead(); wrong != 0 {
		return nil, 0, wrong
	}
	if int(flags)&os.O_TRUNC != 0 {
		if wrong := e.resize(0); wrong != 0 {
			return nil, 0, wrong
		}
	}
	f, err := os.OpenFile(e.path(), int(flags)&^(syscall.O_APPEND|syscall.O_TRUNC|syscall.O_DIRECT), 0)
	if err != nil {
		return nil, 0, fs.ToErrno(err)
	}
	return &handle{File: f, disk: e.disk}, 0, 0
}

func (e *entry) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (*fs.Inode,
	fs.FileHandle, uint32, syscall.Errno) {
	if wrong := e.disk.mayWrite(); wrong != 0 {
		return nil, nil, 0, wrong
	}
	var f *os.File
	wrong := e.disk.memory.make(e.path(), name, func(path string) error {
		var err error
		f, err = os.OpenFile(path, int(flags)&^(syscall.O_APPEND|syscall.O_DIRECT)|os.O_CREATE, os.FileMode(mode))
		return err
	})
	if wrong != nil {
		return nil, nil, 0, fs.ToErrno(wrong)
	}
	child, errno := e.LoopbackNode.Lookup(ctx, name, out)
	if errno != 0 {
		_ = f.Close()
		return nil, nil, 0, errno
	}
	return child, &handle{File: f, disk: e.disk}, 0, 0
}

func (e *entry) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return e.add(ctx, name, out, func(path string) error { return os.Mkdir(path, os.FileMode(mode)) })
}

func (e *entry) Mknod(ctx context.Context, name string, mode, device uint32, out *fuse.EntryOut) (*fs.Inode,
	syscall.Errno) {
	return e.add(ctx, name, out, func(path string) error { return syscall.Mknod(path, mode, int(device)) })
}

func (e *entry) Symlink(ctx context.Context, target, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return e.add(ctx, name, out, func(path string) error { return os.Symlink(target, path) })
}

func (e *entry) Link(ctx context.Context, target fs.InodeEmbedder, name string, out *fuse.EntryOut) (*fs.Inode,
	syscall.Errno) {
	from, ours := target.(*entry)
	if !ours {
		return nil, syscall.EXDEV
	}
	return e.add(ctx, name, out, func(path string) error { return os.Link(from.path(), path) })
}

// Tmpfile is refused: a file without a name would need a memory of its own.
func (e *entry) Tmpfile(context.Context, uint32, uint32, *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32,
	syscall.Errno) {
	return nil, nil, 0, syscall.EOPNOTSUPP
}

// add makes a name.
func (e *entry) add(ctx context.Context, name string, out *fuse.EntryOut, how func(path string) error) (*fs.Inode,
	syscall.Errno) {
	if wrong := e.disk.mayWrite(); wrong != 0 {
		return nil, wrong
	}
	if err := e.disk.memory.make(e.path(), name, how); err != nil {
		return nil, fs.ToErrno(err)
	}
	return e.LoopbackNode.Lookup(ctx, name, out)
}

func (e *entry) Unlink(_ context.Context, name string) syscall.Errno {
	if wrong := e.disk.mayRead(); wrong != 0 {
		return wrong
	}
	return fs.ToErrno(e.disk.memory.remove(e.path(), name))
}

func (e *entry) Rmdir(_ context.Context, name string) syscall.Errno {
	if wrong := e.disk.mayRead(); wrong != 0 {
		return wrong
	}
	return fs.ToErrno(e.disk.memory.removeDirectory(e.path(), name))
}

func (e *entry) Rename(_ context.Context, name string, newParent fs.InodeEmbedder, newName string,
	flags uint32) syscall.Errno {
	to, ours := newParent.(*entry)
	switch {
	case !ours:
		return syscall.EXDEV
	case flags&^unix.RENAME_NOREPLACE != 0:
		return syscall.EINVAL
	}
	if wrong := e.disk.mayWrite(); wrong != 0 {
		return wrong
	}
	return fs.ToErrno(e.disk.memory.rename(e.path(), name, to.path(), newName, flags&unix.RENAME_NOREPLACE != 0))
}

// resize changes the size of a file by its name.
func (e *entry) resize(size int64) syscall.Errno {
	f, err := os.OpenFile(e.path(), os.O_RDWR, 0)
	if err != nil {
		return fs.ToErrno(err)
	}
	defer f.Close() //nolint:errcheck // nothing was written through it that a close could lose
	return (&handle{File: f, disk: e.disk}).resize(size)
}

// Setattr changes the size as a write does; mode, owner and times are not remembered over a power loss.
func (e *entry) Setattr(ctx context.Context, f fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if size, sized := in.GetSize(); sized {
		wrong := syscall.Errno(0)
		if h, open := f.(*handle); open {
			wrong = h.resize(int64(size)) //nolint:gosec // the kernel's own limit is an int64
		} else {
			wrong = e.resize(int64(size)) //nolint:gosec // as above
		}
		if wrong != 0 {
			return wrong
		}
		in.Valid &^= fuse.FATTR_SIZE
	}
	if wrong := e.disk.mayRead(); wrong != 0 {
		return wrong
	}
	return e.LoopbackNode.Setattr(ctx, nil, in, out)
}

func (e *entry) Getattr(ctx context.Context, f fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	h, open := f.(*handle)
	if !open {
		return e.LoopbackNode.Getattr(ctx, nil, out)
	}
	var stat syscall.Stat_t // the file may have no name any more
	if err := syscall.Fstat(int(h.File.Fd()), &stat); err != nil {
		return fs.ToErrno(err)
	}
	out.FromStat(&stat)
	return 0
}

// Fsync is fsync, fdatasync and the sync of a directory: to keep less than was asked for is a fault, to keep more is
// not.
func (e *entry) Fsync(ctx context.Context, f fs.FileHandle, _ uint32) syscall.Errno {
	reaches, wrong := e.disk.awaitSync(ctx)
	if wrong != 0 || !reaches {
		return wrong
	}
	defer e.disk.countSync()
	if h, open := f.(*handle); open {
		return fs.ToErrno(e.disk.memory.sync(h.File))
	}
	directory, err := os.Open(e.path())
	if err != nil {
		return fs.ToErrno(err)
	}
	defer directory.Close() //nolint:errcheck // only read
	return fs.ToErrno(e.disk.memory.sync(directory))
}

// directory is an open directory: that of go-fuse, whose sync would pass the disk by.
type directory struct {
	stream
	entry *entry
}

// stream is what the kernel asks of an open directory.
type stream interface {
	fs.FileReaddirenter
	fs.FileReleasedirer
	fs.FileSeekdirer
}

func (e *entry) OpendirHandle(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	if wrong := e.disk.mayRead(); wrong != 0 {
		return nil, 0, wrong
	}
	handle, flags, wrong := e.LoopbackNode.OpendirHandle(ctx, flags)
	if wrong != 0 {
		return nil, 0, wrong
	}
	s, whole := handle.(stream)
	if !whole {
		return nil, 0, syscall.ENOTSUP
	}
	return &directory{s, e}, flags, 0
}

func (d *directory) Fsyncdir(ctx context.Context, flags uint32) syscall.Errno {
	return d.entry.Fsync(ctx, nil, flags)
}

// CopyFileRange is left to the kernel, which reads and writes.
func (e *entry) CopyFileRange(context.Context, fs.FileHandle, uint64, *fs.Inode, fs.FileHandle, uint64, uint64,
	uint64) (uint32, syscall.Errno) {
	return 0, syscall.ENOSYS
}

// handle is an open file.
type handle struct {
	*os.File
	disk *Disk
}

var (
	_ fs.FileReader    = (*handle)(nil)
	_ fs.FileWriter    = (*handle)(nil)
	_ fs.FileReleaser  = (*handle)(nil)
	_ fs.FileFlusher   = (*handle)(nil)
	_ fs.FileAllocater = (*handle)(nil)
	_ fs.FileLseeker   = (*handle)(nil)
)

func (h *handle) Read(_ context.Context, buffer []byte, offset int64) (fuse.ReadResult, syscall.Errno) {
	if wrong := h.disk.mayRead(); wrong != 0 {
		return nil, wrong
	}
	return fuse.ReadResultFd(h.Fd(), offset, len(buffer)), 0
}

func (h *handle) Write(_ context.Context, data []byte, offset int64) (uint32, syscall.Errno) {
	if wrong := h.disk.mayWrite(); wrong != 0 {
		return 0, wrong
	}
	n, err := h.disk.memory.write(h.File, data, offset)
	return uint32(n), fs.ToErrno(err) //nolint:gosec // at most len(data)
}

func (h *handle) resize(size int64) syscall.Errno {
	if wrong := h.disk.mayWrite(); wrong != 0 {
		return wrong
	}
	return fs.ToErrno(h.disk.memory.change(h.File, size, -1, func(fd int) error {
		return syscall.Ftruncate(fd, size)
	}))
}

func (h *handle) Allocate(_ context.Context, offset, size uint64, mode uint32) syscall.Errno {
	if wrong := h.disk.mayWrite(); wrong != 0 {
		return wrong
	}
	from, length := int64(offset), int64(size) //nolint:gosec // the kernel's own limit is an int64
	until := from
	if mode&^unix.FALLOC_FL_KEEP_SIZE != 0 {
		until = from + length // holes and zeroed ranges change what is there
	}
	return fs.ToErrno(h.disk.memory.change(h.File, from, until, func(fd int) error {
		return syscall.Fallocate(fd, mode, from, length)
	}))
}

func (h *handle) Lseek(_ context.Context, offset uint64, whence uint32) (uint64, syscall.Errno) {
	n, err := unix.Seek(int(h.Fd()), int64(offset), int(whence)) //nolint:gosec // the kernel's own limit is an int64
	return uint64(n), fs.ToErrno(err)                            //nolint:gosec // as above
}

func (h *handle) Flush(context.Context) syscall.Errno { return 0 }

func (h *handle) Release(context.Context) syscall.Errno { return fs.ToErrno(h.Close()) }
