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
// In version 2 the length of a roster stands in place of the number of voters, nothing in that of learners, and the
// roster in place of their ids; it is written when the roster is more than voters and learners. In version 3 the
// length of a charter stands in place of the number of learners, and the charter behind the roster; it is written when
// the group has agreed anything about itself. The crc is CRC-32C.
// The file is written under another name and renamed when it is synced.
const (
	snapshotMagic   = "EVENSNAP"
	snapshotVersion = 3
	rosterSnapshot  = 2
	plainSnapshot   = 1
	snapshotFixed   = 8 + 4 + 4 + 8 + 8 + 8 + 8 + 8 + 4 + 4
	snapshotSuffix  = ".snapshot"
	maxMembers      = 1 << 10
	maxRoster       = 1 << 20 // bytes: room for 100,000 removed ids
	maxCharter      = 8 << 20 // bytes: room for every member that knows every feature
	snapshotBuffer  = 1 << 20
)

// A snapshotHead says what a snapshot is of.
type snapshotHead struct {
	group uint64
	at    position
	time  int64 // of the last entry
	roster
	charter charter
	bytes   uint64 // of the body
	crc     uint32 // of the body
}

// metadata is what the protocol knows of a snapshot.
func (h snapshotHead) metadata() *raftpb.SnapshotMetadata {
	return &raftpb.SnapshotMetadata{ConfState: h.conf, Index: new(h.at.index), Term: new(h.at.term)}
}

func encodeSnapshotHead(h snapshotHead) []byte {
	version, voters, learners := uint32(plainSnapshot), uint32(len(h.conf.GetVoters())), uint32(len(h.conf.GetLearners()))
	var members []byte
	if h.plain() && h.charter.empty() {
		for _, id := range slices.Concat(h.conf.GetVoters(), h.conf.GetLearners()) {
			members = binary.LittleEndian.AppendUint64(members, id)
		}
	} else {
		members = encodeRoster(h.roster)
		version, voters, learners = rosterSnapshot, uint32(len(members)), 0
		if !h.charter.empty() {
			agreed := encodeCharter(h.charter)
			version, learners = snapshotVersion, uint32(len(agreed))
			members = append(members, agreed...)
		}
	}
	b := append(make([]byte, 0, snapshotFixed+len(members)+4), snapshotMagic...)
	b = binary.LittleEndian.AppendUint32(b, version)
	b = binary.LittleEndian.AppendUint32(b, voters)
	for _, n := range []uint64{h.group, h.at.index, h.at.term, uint64(h.time), h.bytes} {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	b = binary.LittleEndian.AppendUint32(b, h.crc)
	b = binary.LittleEndian.AppendUint32(b, learners)
	b = append(b, members...)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// snapshotHeadSize is how long the head is whose first snapshotFixed bytes are b.
func snapshotHeadSize(b []byte) (int, error) {
	if len(b) < snapshotFixed || string(b[:8]) != snapshotMagic {
		return 0, errors.New("not a snapshot")
	}
	version := binary.LittleEndian.Uint32(b[8:])
	first, second := binary.LittleEndian.Uint32(b[12:]), binary.LittleEndian.Uint32(b[60:])
	switch {
	case version < plainSnapshot || version > snapshotVersion:
		return 0, fmt.Errorf("snapshot has layout version %d, known is %d", version, snapshotVersion)
	case version == plainSnapshot && (first > maxMembers || second > maxMembers):
		return 0, fmt.Errorf("snapshot names %d voters and %d learners", first, second)
	case version > plainSnapshot && (first > maxRoster || second > maxCharter),
		version == rosterSnapshot && second != 0:
		return 0, fmt.Errorf("snapshot has a roster of %d bytes and a charter of %d", first, second)
	case version == plainSnapshot:
		return snapshotFixed + 8*int(first+second) + 4, nil
	}
	return snapshotFixed + int(first) + int(second) + 4, nil
}

// decodeSnapshotHead decodes the head at the front of b.
func decodeSnapshotHead(b []byte) (h snapshotHead, size int, err error) {
	if size, err = snapshotHeadSize(b); err != nil {
		return snapshotHead{}, 0, err
	}
	end := size - 4
	if len(b) < size {
		return snapshotHead{}, 0, io.ErrUnexpectedEOF
	}
	if binary.LittleEndian.Uint32(b[end:]) != crc32.Checksum(b[:end], castagnoli) {
		return snapshotHead{}, 0, errChecksum
	}
	word := func(i int) uint64 { return binary.LittleEndian.Uint64(b[16+8*i:]) }
	h = snapshotHead{group: word(0), at: position{word(1), word(2)}, time: int64(word(3)), bytes: word(4)}
	h.crc = binary.LittleEndian.Uint32(b[56:])
	if binary.LittleEndian.Uint32(b[8:]) == plainSnapshot {
		h.roster = newRoster(nil)
		for i := snapshotFixed; i < end; i += 8 {
			id := binary.LittleEndian.Uint64(b[i:])
			if uint32(i-snapshotFixed)/8 < binary.LittleEndian.Uint32(b[12:]) {
				h.conf.Voters = append(h.conf.Voters, id)
			} else {
				h.conf.Learners = append(h.conf.Learners, id)
			}
		}
		return h, size, nil
	}
	middle := end
	if charterBytes := int(binary.LittleEndian.Uint32(b[60:])); charterBytes > 0 {
		middle -= charterBytes
		if h.charter, err = decodeCharter(b[middle:end]); err != nil {
			return snapshotHead{}, 0, err
		}
	}
	h.roster, err = decodeRoster(b[snapshotFixed:middle])
	version := binary.LittleEndian.Uint32(b[8:])
	if err == nil && (version == rosterSnapshot && h.plain() || version == snapshotVersion && h.charter.empty()) {
		err = errNotRoster // it has an encoding of its own
	}
	return h, size, err
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
	if _, err = file.Seek(int64(len(encodeSnapshotHead(h))), io.SeekStart); err != nil {
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
	h, size, err := readSnapshotHead(file)
	if err != nil {
		return h, err
	}
	if h.group != group {
		return h, fmt.Errorf("%w: snapshot %s is of group %d, this is %d", ErrForeign, path, h.group, group)
	}
	info, err := file.Stat()
	if err != nil {
		return h, fmt.Errorf("reading a snapshot: %w", err)
	}
	if uint64(info.Size()) != uint64(size)+h.bytes {
		return h, &CorruptError{File: path, Offset: info.Size(), Cause: fmt.Errorf("file has %d bytes and should have %d",
			info.Size(), uint64(size)+h.bytes)}
	}
	sum := &checksummer{to: io.Discard}
	body := func() *io.SectionReader { return io.NewSectionReader(file, int64(size), int64(h.bytes)) }
	buffer := int(min(info.Size(), snapshotBuffer)) // opening many small groups must be cheap
	if _, err := io.CopyBuffer(sum, onlyReader{body()}, make([]byte, buffer)); err != nil {
		return h, fmt.Errorf("reading a snapshot: %w", err)
	}
	if sum.crc != h.crc {
		return h, &CorruptError{File: path, Offset: int64(size), Cause: errChecksum}
	}
	if read == nil {
		return h, nil
	}
	if err := read(bufio.NewReaderSize(body(), buffer)); err != nil {
		return h, fmt.Errorf("restoring snapshot %s: %w", path, err)
	}
	return h, nil
}

// readSnapshotHead reads the head of a snapshot file. Damage is a CorruptError.
func readSnapshotHead(file *os.File) (h snapshotHead, size int, err error) {
	beginning := make([]byte, snapshotFixed)
	n, err := file.ReadAt(beginning, 0)
	if err == nil {
		if size, err = snapshotHeadSize(beginning); err == nil {
			beginning = make([]byte, size)
			n, err = file.ReadAt(beginning, 0)
		}
	}
	var path *os.PathError
	if errors.As(err, &path) {
		return h, 0, fmt.Errorf("reading a snapshot: %w", err)
	}
	if err == nil || errors.Is(err, io.EOF) {
		h, size, err = decodeSnapshotHead(beginning[:n])
	}
	if err != nil {
		return h, 0, &CorruptError{File: file.Name(), Cause: err}
	}
	return h, size, nil
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
