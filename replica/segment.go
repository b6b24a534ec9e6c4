package replica

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"evenkeel/core/planted"
)

// This file reads the segments of the write-ahead log one record at a time. The log's own package reads a whole log
// into memory; snapshots, replays and archives need it streamed, and damage told from an unfinished end. The format
// (go.etcd.io/etcd/server/v3/storage/wal, encoder.go and decoder.go, v3.7.3): a frame of 8 bytes, little-endian, holds
// the record's length in its low 56 bits, and, when the top bit is set, the bytes of padding to a multiple of 8 in the
// low 3 bits of its top byte; then the record, a protobuf message of type (1), crc (2) and data (3). The crc is the
// CRC-32C of all data since the start of the log, seeded at the head of each segment by a record of type 4.

const (
	frameBytes  = 8
	sectorBytes = 512 // a sector is written wholly or not at all
	// maxRecordBytes is more than any record: entries are bounded by maxEntryBytes.
	maxRecordBytes = maxEntryBytes + 1<<10
	readAhead      = 1 << 18
)

// Types of records.
const (
	metadataRecord = iota + 1
	entryRecord
	stateRecord
	crcRecord
	snapshotRecord
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var (
	errChecksum  = errors.New("checksum does not match")
	errNotRecord = errors.New("not a record of the log")
	errTornFrame = errors.New("record is incomplete")
)

// A segment is one file of the log. Its name holds its place and the index of the first entry in it.
type segment struct {
	path            string
	sequence, first uint64
}

// listSegments lists the segments in dir in order; they must follow each other without a gap.
func listSegments(dir string) ([]segment, error) {
	names, err := filesOf(dir, ".wal")
	if err != nil {
		return nil, fmt.Errorf("reading the log: %w", err)
	}
	var segments []segment
	for _, path := range names {
		s := segment{path: path}
		name := filepath.Base(path)
		if n, err := fmt.Sscanf(name, "%016x-%016x.wal", &s.sequence, &s.first); err != nil || n != 2 {
			return nil, &CorruptError{File: path, Cause: errors.New("name is not that of a segment")}
		}
		if last := len(segments) - 1; last >= 0 && segments[last].sequence+1 != s.sequence {
			return nil, &CorruptError{File: path, Cause: fmt.Errorf("segment %d is missing before it",
				segments[last].sequence+1)}
		}
		segments = append(segments, s)
	}
	return segments, nil
}

// segmentsFrom is the part of segments that holds the entries from index on.
func segmentsFrom(segments []segment, index uint64) []segment {
	for i := len(segments) - 1; i >= 0; i-- {
		if segments[i].first <= index {
			return segments[i:]
		}
	}
	return nil
}

// A record of the log. data aliases the reader's buffer and is valid until the next read.
type record struct {
	kind int64
	crc  uint32
	data []byte
}

// A recordReader reads the records of segments in order and verifies each.
type recordReader struct {
	segments []segment
	place    int // which segment
	file     *os.File
	buffered *bufio.Reader
	size     int64
	offset   int64 // end of the last good record
	crc      uint32
	seeded   bool // a crc record was read
	headed   bool // this segment's metadata record was read
	buffer   []byte
	read     int64 // bytes of all segments read
	progress func(read int64)
}

func newRecordReader(segments []segment) *recordReader {
	return &recordReader{segments: segments, buffer: make([]byte, 1<<16)}
}

func (r *recordReader) close() {
	if r.file != nil {
		_ = r.file.Close() // only read
		r.file = nil
	}
}

// path is the file being read.
func (r *recordReader) path() string { return r.segments[r.place].path }

func (r *recordReader) last() bool { return r.place == len(r.segments)-1 }

func (r *recordReader) corrupt(cause error) error {
	return &CorruptError{File: r.path(), Offset: r.offset, Cause: cause}
}

// open opens the segment at place.
func (r *recordReader) open() error {
	file, err := os.Open(r.path())
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s was deleted before it was read", ErrGone, r.path())
	}
	if err != nil {
		return fmt.Errorf("reading the log: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		_ = file.Close()
		return fmt.Errorf("reading the log: %w", err)
	}
	r.file, r.size, r.offset, r.headed = file, info.Size(), 0, false
	if r.buffered == nil {
		r.buffered = bufio.NewReaderSize(file, readAhead)
	} else {
		r.buffered.Reset(file)
	}
	return nil
}

// next reads the next record. At the end of the log it is io.EOF, or errTornFrame when a record was begun; the place
// is then r.path() and r.offset. Damage is a CorruptError.
func (r *recordReader) next() (record, error) {
	for {
		if r.file == nil {
			if err := r.open(); err != nil {
				return record{}, err
			}
		}
		rec, size, err := r.readFrame()
		if err == nil {
			if err = r.verify(rec); err != nil {
				return record{}, r.judge(err, size)
			}
			r.offset += size
			r.read += size
			if r.progress != nil {
				r.progress(r.read)
			}
			return rec, nil
		}
		if errors.Is(err, io.EOF) && !r.last() && r.headed && r.offset == r.size {
			r.close()
			r.place++
			continue
		}
		return record{}, r.judge(err, size)
	}
}

// readFrame reads one frame and its record, unverified. io.EOF says that the log ends here, errTornFrame that the file
// ends within the record.
func (r *recordReader) readFrame() (record, int64, error) {
	var frame [frameBytes]byte
	n, err := io.ReadFull(r.buffered, frame[:])
	if err != nil {
		if n > 0 && errors.Is(err, io.ErrUnexpectedEOF) {
			return record{}, int64(n), errTornFrame
		}
		return record{}, 0, err
	}
	length, padding, ok := splitFrame(binary.LittleEndian.Uint64(frame[:]))
	if !ok {
		return record{}, frameBytes, fmt.Errorf("%w: its frame is %x", errNotRecord, frame)
	}
	if length == 0 {
		return record{}, frameBytes, io.EOF
	}
	body := length + padding
	if body > int64(len(r.buffer)) {
		r.buffer = make([]byte, body)
	}
	if n, err = io.ReadFull(r.buffered, r.buffer[:body]); err != nil {
		if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return record{}, 0, err
		}
		if n > recordPrefix && !consistent(r.buffer[:n], length) {
			return record{}, frameBytes + body, errNotRecord
		}
		return record{}, frameBytes + body, errTornFrame
	}
	rec, err := decodeRecord(r.buffer[:length])
	if err != nil {
		return record{}, frameBytes + body, err
	}
	return rec, frameBytes + body, nil
}

// verify checks a record against the running checksum and takes it into account.
func (r *recordReader) verify(rec record) error {
	if rec.kind == crcRecord {
		if r.seeded && r.crc != rec.crc {
			return errChecksum
		}
		r.crc, r.seeded = rec.crc, true
		return nil
	}
	if !r.seeded {
		return fmt.Errorf("%w: a segment begins with its checksum", errNotRecord)
	}
	crc := crc32.Update(r.crc, castagnoli, rec.data)
	if crc != rec.crc && !planted.Is(planted.CorruptionAccepted) {
		return errChecksum
	}
	r.crc = crc
	if rec.kind == metadataRecord {
		r.headed = true
	}
	return nil
}

// judge decides what a bad record is: the unfinished end of the log, or damage. Only the last segment can have an
// unfinished end, and never in its head, which is synced before the segment gets its name.
func (r *recordReader) judge(cause error, size int64) error {
	var path *os.PathError
	switch {
	case errors.As(cause, &path):
		return fmt.Errorf("reading the log: %w", cause)
	case !r.last() || !r.headed:
		if errors.Is(cause, io.EOF) {
			cause = io.ErrUnexpectedEOF
		}
		return r.corrupt(cause)
	case errors.Is(cause, io.EOF):
		if size == frameBytes && r.nonzeroSector() {
			return r.corrupt(fmt.Errorf("%w: its length is lost", errNotRecord))
		}
		return io.EOF
	case errors.Is(cause, errTornFrame):
		return errTornFrame
	case size > frameBytes && (planted.Is(planted.DamageTakenForEnd) || r.tornBody(size-frameBytes)):
		return errTornFrame
	}
	return r.corrupt(cause)
}

// nonzeroSector reports whether anything follows a zero frame in its own sector: as sectors are written wholly, that
// is no unfinished write.
func (r *recordReader) nonzeroSector() bool {
	after := r.offset + frameBytes
	rest := make([]byte, (sectorBytes-after%sectorBytes)%sectorBytes)
	n, _ := r.file.ReadAt(rest, after)
	return !allZero(rest[:n])
}

// unwritten reports whether nothing follows offset at in its sector. Zeros at the end of a record are what an
// unfinished write leaves only where that is so: as sectors are written wholly, anything behind them says that they
// are the record's own.
func (r *recordReader) unwritten(at int64) bool {
	rest := make([]byte, (sectorBytes-at%sectorBytes)%sectorBytes)
	n, _ := r.file.ReadAt(rest, at)
	return allZero(rest[:n])
}

// tornBody reports whether the record of body bytes at r.offset, which is in r.buffer, was written in part: a whole
// sector of it is still zero, and what is there of its head agrees with the frame.
func (r *recordReader) tornBody(body int64) bool {
	at := r.offset + frameBytes
	rest := r.buffer[:body]
	torn := false
	for first := true; len(rest) > 0; first = false {
		n := min(int64(len(rest)), sectorBytes-at%sectorBytes)
		if allZero(rest[:n]) {
			torn = torn || r.unwritten(at+n)
		} else if first && n > recordPrefix && !consistent(rest[:n], body) {
			return false
		}
		at += n
		rest = rest[n:]
	}
	return torn
}

var zeros [1 << 12]byte

func allZero(b []byte) bool {
	for len(b) > len(zeros) {
		if !bytes.Equal(b[:len(zeros)], zeros[:]) {
			return false
		}
		b = b[len(zeros):]
	}
	return bytes.Equal(b, zeros[:len(b)])
}

// splitFrame is the length of the record and of its padding; ok is false when the two do not agree.
func splitFrame(frame uint64) (length, padding int64, ok bool) {
	length = int64(frame & (1<<56 - 1))
	padding = -length & 7
	top := uint64(0)
	if padding != 0 {
		top = uint64(0x80 | padding)
	}
	return length, padding, length <= maxRecordBytes && frame>>56 == top
}

// recordPrefix is the most bytes that the type, the crc and the length of the data of a record take.
const recordPrefix = 2 + 6 + 1 + 5

// consistent reports whether the beginning of a record agrees with the length of its frame (padding may be included).
func consistent(beginning []byte, length int64) bool {
	rest := beginning
	kind, rest, ok := uintField(rest, 1)
	if !ok {
		return false
	}
	_, rest, ok = uintField(rest, 2)
	if !ok {
		return false
	}
	if kind == crcRecord && (len(rest) == 0 || rest[0] != 3<<3|2) {
		return true
	}
	if len(rest) == 0 || rest[0] != 3<<3|2 {
		return false
	}
	size, n := binary.Uvarint(rest[1:])
	if n <= 0 {
		return false
	}
	whole := int64(len(beginning)-len(rest)+1+n) + int64(size)
	return whole <= length && length < whole+frameBytes
}
