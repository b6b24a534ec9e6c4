package replica

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"

	"go.etcd.io/raft/v3/raftpb"
)

// A snapshot file, all numbers little-endian:
//
//	magic "EVENSNAP" | version u32 = 1 | voters u32 | group, index, term u64 | time i64 | body bytes u64 |
//	body crc u32 | learners u32 | voters and learners u64 each | crc of all before u32 | body
//
// The crc is CRC-32C. The file is written under another name and renamed when it is synced.
const (
	snapshotMagic   = "EVENSNAP"
	snapshotVersion = 1
	snapshotFixed   = 8 + 4 + 4 + 8 + 8 + 8 + 8 + 8 + 4 + 4
	snapshotSuffix  = ".snapshot"
	maxMembers      = 1 << 10
	snapshotBuffer  = 1 << 20
)

// A snapshotHead says what a snapshot is of.
type snapshotHead struct {
	group    uint64
	at       position
	time     int64 // of the last entry
	voters   []uint64
	learners []uint64
	bytes    uint64 // of the body
	crc      uint32 // of the body
}

func (h snapshotHead) size() int64 {
	return int64(snapshotFixed + 8*(len(h.voters)+len(h.learners)) + 4)
}

func (h snapshotHead) members() *raftpb.ConfState {
	return &raftpb.ConfState{Voters: slices.Clone(h.voters), Learners: slices.Clone(h.learners), AutoLeave: new(false)}
}

func (h snapshotHead) metadata() *raftpb.SnapshotMetadata {
	return &raftpb.SnapshotMetadata{ConfState: h.members(), Index: new(h.at.index), Term: new(h.at.term)}
}

func encodeSnapshotHead(h snapshotHead) []byte {
	b := append(make([]byte, 0, h.size()), snapshotMagic...)
	b = binary.LittleEndian.AppendUint32(b, snapshotVersion)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(h.voters)))
	for _, n := range []uint64{h.group, h.at.index, h.at.term, uint64(h.time), h.bytes} {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	b = binary.LittleEndian.AppendUint32(b, h.crc)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(h.learners)))
	for _, member := range slices.Concat(h.voters, h.learners) {
		b = binary.LittleEndian.AppendUint64(b, member)
	}
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// decodeSnapshotHead decodes the head at the front of b.
func decodeSnapshotHead(b []byte) (snapshotHead, error) {
	if len(b) < snapshotFixed || string(b[:8]) != snapshotMagic {
		return snapshotHead{}, errors.New("not a snapshot")
	}
	if version := binary.LittleEndian.Uint32(b[8:]); version != snapshotVersion {
		return snapshotHead{}, fmt.Errorf("snapshot has layout version %d, known is %d", version, snapshotVersion)
	}
	word := func(i int) uint64 { return binary.LittleEndian.Uint64(b[16+8*i:]) }
	h := snapshotHead{group: word(0), at: position{word(1), word(2)}, time: int64(word(3)), bytes: word(4)}
	h.crc = binary.LittleEndian.Uint32(b[56:])
	voters, learners := binary.LittleEndian.Uint32(b[12:]), binary.LittleEndian.Uint32(b[60:])
	if voters > maxMembers || learners > maxMembers {
		return snapshotHead{}, fmt.Errorf("snapshot names %d voters and %d learners", voters, learners)
	}
	end := snapshotFixed + 8*int(voters+learners)
	if len(b) < end+4 {
		return snapshotHead{}, io.ErrUnexpectedEOF
	}
	if binary.LittleEndian.Uint32(b[end:]) != crc32.Checksum(b[:end], castagnoli) {
		return snapshotHead{}, errChecksum
	}
	for i := range int(voters) {
		h.voters = append(h.voters, binary.LittleEndian.Uint64(b[snapshotFixed+8*i:]))
	}
	for i := int(voters); i < int(voters+learners); i++ {
		h.learners = append(h.learners, binary.LittleEndian.Uint64(b[snapshotFixed+8*i:]))
	}
	return h, nil
}

// A checksummer counts and sums what is written through it.
type checksummer struct {
	to    io.Writer
	bytes uint64
	crc   uint32
}

func (c *checksummer) Write(p []byte) (int, error) {
	n, err := c.to.Write(p)
	c.bytes += uint64(n)
	c.crc = crc32.Update(c.crc, castagnoli, p[:n])
	return n, err
}

func snapshotPath(dir string, at position) string {
	return filepath.Join(dir, fmt.Sprintf("%016x-%016x%s", at.term, at.index, snapshotSuffix))
}

// writeSnapshot writes a snapshot file whose body write makes, durably and atomically.
func writeSnapshot(dir string, h snapshotHead, write func(io.Writer) error) (written snapshotHead, err error) {
	path := snapshotPath(dir, h.at)
	file, err := os.OpenFile(path+newSuffix, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, fileMode)
	if err != nil {
		return h, err
	}
	defer func() {
		if err != nil {
			_ = file.Close()
			_ = os.Remove(path + newSuffix)
		}
	}()
	if _, err = file.Seek(h.size(), io.SeekStart); err != nil {
		return h, err
	}
	buffered := bufio.NewWriterSize(file, snapshotBuffer)
	sum := &checksummer{to: buffered}
	if err = write(sum); err != nil {
		return h, err
	}
	if err = buffered.Flush(); err != nil {
		return h, err
	}
	h.bytes, h.crc = sum.bytes, sum.crc
	if _, err = file.WriteAt(encodeSnapshotHead(h), 0); err != nil {
		return h, err
	}
	if err = file.Sync(); err != nil {
		return h, err
	}
	if err = file.Close(); err != nil {
		return h, err
	}
	if err = os.Rename(path+newSuffix, path); err != nil {
		return h, err
	}
	return h, syncDir(dir)
}

// readSnapshot verifies the whole file first and then gives its body to read. Damage is a CorruptError.
func readSnapshot(path string, group uint64, read func(io.Reader) error) (snapshotHead, error) {
	file, err := os.Open(path)
	if err != nil {
		return snapshotHead{}, fmt.Errorf("reading a snapshot: %w", err)
	}
	defer file.Close() //nolint:errcheck // only read
	beginning := make([]byte, snapshotFixed+8*2*maxMembers+4)
	n, err := file.ReadAt(beginning, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return snapshotHead{}, fmt.Errorf("reading a snapshot: %w", err)
	}
	h, err := decodeSnapshotHead(beginning[:n])
	if err != nil {
		return snapshotHead{}, &CorruptError{File: path, Cause: err}
	}
	if h.group != group {
		return h, fmt.Errorf("%w: snapshot %s is of group %d, this is %d", ErrForeign, path, h.group, group)
	}
	info, err := file.Stat()
	if err != nil {
		return h, fmt.Errorf("reading a snapshot: %w", err)
	}
	if uint64(info.Size()) != uint64(h.size())+h.bytes {
		return h, &CorruptError{File: path, Offset: info.Size(), Cause: fmt.Errorf("file has %d bytes and should have %d",
			info.Size(), uint64(h.size())+h.bytes)}
	}
	sum := &checksummer{to: io.Discard}
	body := func() *io.SectionReader { return io.NewSectionReader(file, h.size(), int64(h.bytes)) }
	buffer := int(min(info.Size(), snapshotBuffer)) // opening many small groups must be cheap
	if _, err := io.CopyBuffer(sum, onlyReader{body()}, make([]byte, buffer)); err != nil {
		return h, fmt.Errorf("reading a snapshot: %w", err)
	}
	if sum.crc != h.crc {
		return h, &CorruptError{File: path, Offset: h.size(), Cause: errChecksum}
	}
	if read == nil {
		return h, nil
	}
	if err := read(bufio.NewReaderSize(body(), buffer)); err != nil {
		return h, fmt.Errorf("restoring snapshot %s: %w", path, err)
	}
	return h, nil
}

// onlyReader hides that a reader could write itself, so that the copy's buffer is used.
type onlyReader struct{ io.Reader }

// listSnapshots lists the snapshot files of dir, newest first, and removes what an interrupted write left.
func listSnapshots(dir string) ([]string, error) {
	leftovers, err := filesOf(dir, snapshotSuffix+newSuffix)
	if err != nil {
		return nil, err
	}
	for _, path := range leftovers {
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	return snapshotFiles(dir)
}

// snapshotFiles lists the snapshot files of dir, newest first.
func snapshotFiles(dir string) ([]string, error) {
	paths, err := filesOf(dir, snapshotSuffix)
	if err != nil {
		return nil, err
	}
	slices.Reverse(paths)
	return paths, nil
}
