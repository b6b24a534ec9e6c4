package replica

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"

	"go.etcd.io/raft/v3/raftpb"
)

// A position is the place of an entry in the history of a group.
type position struct {
	index, term uint64
}

// A committedReader reads the agreed entries of a log in order, each once: what a later leader overwrote is left out.
// Entries wait in memory until the log says that they are agreed, which it does a few entries later.
type committedReader struct {
	records  *recordReader
	identity []byte // what the log's metadata must be
	after    uint64
	waiting  []logEntry // read and not known to be agreed, in order, with data of their own
	spare    [][]byte
	state    hardState
	last     position // last entry read, or where reading began
	tail     logTail
}

// A logTail is where the log ends.
type logTail struct {
	path   string
	offset int64
	torn   bool
}

// openCommitted begins reading the entries after index after. The log must reach back that far, else ErrGone.
func openCommitted(logDir string, identity []byte, after position) (*committedReader, error) {
	segments, err := listSegments(logDir)
	if err != nil {
		return nil, err
	}
	if len(segments) == 0 {
		return nil, fmt.Errorf("%w: %s has no segments; a node id is never used twice: restore the log from a backup, or, "+
			"when the group has other voters, remove this node from it and add one with a new id", ErrLogLost, logDir)
	}
	from := segmentsFrom(segments, after.index+1)
	if from == nil {
		return nil, fmt.Errorf("%w: asked for index %d, the oldest segment begins at %d", ErrGone, after.index+1,
			segments[0].first)
	}
	return &committedReader{records: newRecordReader(from), identity: identity, after: after.index, last: after}, nil
}

func (c *committedReader) close() { c.records.close() }

// read calls visit with each agreed entry after the first until the log ends or, when until is not zero, that entry
// was visited. The data of an entry is valid during the call. At the end of the log, leftover is what was not known
// to be agreed.
func (c *committedReader) read(until position, visit func(logEntry) error) error {
	for {
		rec, err := c.records.next()
		var damage *CorruptError
		switch {
		case err == nil:
		case errors.As(err, &damage): // first, as its cause may be one of the ends below, in the middle
			return err
		case errors.Is(err, io.EOF), errors.Is(err, errTornFrame):
			c.tail = logTail{path: c.records.path(), offset: c.records.offset, torn: errors.Is(err, errTornFrame)}
			return nil
		default:
			return err
		}
		found, err := c.take(rec, until)
		if err != nil {
			return err
		}
		agreed := c.state.commit
		if found {
			agreed = until.index
		}
		if err := c.release(agreed, visit); err != nil {
			return err
		}
		if found {
			return nil
		}
	}
}

// take adds one record to what is known; found says that it was the entry until.
func (c *committedReader) take(rec record, until position) (found bool, err error) {
	switch rec.kind {
	case metadataRecord:
		if string(rec.data) != string(c.identity) {
			return false, fmt.Errorf("%w: segment %s is of %q, this is %q", ErrForeign, c.records.path(), rec.data, c.identity)
		}
	case stateRecord:
		if c.state, err = decodeHardState(rec.data); err != nil {
			return false, c.records.corrupt(err)
		}
	case entryRecord:
		e, err := decodeLogEntry(rec.data)
		if err == nil && e.kind == raftpb.EntryConfChange {
			err = fmt.Errorf("entry %d is of kind %v, which no release writes", e.index, e.kind)
		}
		if err == nil && e.index <= c.state.commit {
			err = fmt.Errorf("entry %d follows word that entries up to %d are agreed", e.index, c.state.commit)
		}
		if err != nil {
			return false, c.records.corrupt(err)
		}
		if e.index <= c.after {
			c.last = position{e.index, e.term}
			return false, nil
		}
		if err := c.hold(e); err != nil {
			return false, err
		}
		return until == position{e.index, e.term}, nil
	}
	return false, nil
}

// hold keeps an entry until it is known to be agreed. It replaces those of its index and later.
func (c *committedReader) hold(e logEntry) error {
	for len(c.waiting) > 0 && c.waiting[len(c.waiting)-1].index >= e.index {
		c.drop(len(c.waiting) - 1)
	}
	next := c.after + 1
	if len(c.waiting) > 0 {
		next = c.waiting[len(c.waiting)-1].index + 1
	}
	if e.index != next {
		return c.records.corrupt(fmt.Errorf("entry %d follows entry %d", e.index, next-1))
	}
	var own []byte
	if last := len(c.spare) - 1; last >= 0 {
		own = c.spare[last]
		c.spare = c.spare[:last]
	}
	e.data = append(own[:0], e.data...)
	c.waiting = append(c.waiting, e)
	c.last = position{e.index, e.term}
	return nil
}

func (c *committedReader) drop(i int) {
	c.spare = append(c.spare, c.waiting[i].data)
	c.waiting = c.waiting[:i]
}

// release visits the entries up to index agreed.
func (c *committedReader) release(agreed uint64, visit func(logEntry) error) error {
	released := 0
	for _, e := range c.waiting {
		if e.index > agreed {
			break
		}
		if err := visit(e); err != nil {
			return err
		}
		c.after = e.index
		c.spare = append(c.spare, e.data)
		released++
	}
	if released > 0 {
		c.waiting = c.waiting[:copy(c.waiting, c.waiting[released:])]
	}
	return nil
}

// visitPayloads turns log entries into entries for visit.
func visitPayloads(group uint64, visit func(Entry) error) func(logEntry) error {
	var commands [][]byte
	return func(e logEntry) error {
		entry, ok, err := unpack(group, e.kind, e.index, e.data, commands[:0])
		if err != nil || !ok {
			return err
		}
		commands = entry.Commands
		return visit(entry)
	}
}

// unpack makes an Entry of an entry of the log; ok is false for entries of the log's own.
func unpack(
	group uint64,
	kind raftpb.EntryType,
	index uint64,
	data []byte,
	into [][]byte,
) (e Entry, ok bool, err error) {
	if len(data) == 0 || kind == raftpb.EntryConfChangeV2 || isControl(data) {
		return Entry{}, false, nil // a new leader's first, a change of members, one of control.go
	}
	owner, time, commands, err := decodePayload(data, into)
	if err != nil {
		return Entry{}, false, fmt.Errorf("entry %d of group %d: %w", index, group, err)
	}
	if owner != group {
		return Entry{}, false, fmt.Errorf("%w: entry %d is of group %d, this is %d", ErrForeign, index, owner, group)
	}
	return Entry{Index: index, Time: time, Commands: commands}, true, nil
}

// laterState looks behind the end of a log for proof that more of it was once written: two records that follow each
// other with matching checksums, of which the second says that entries after index last were agreed. An unfinished
// write of a group with one voter cannot leave that behind, as it agrees on an entry only after a sync of it.
func laterState(tail logTail, last uint64) (found bool, err error) {
	file, err := os.Open(tail.path)
	if err != nil {
		return false, err
	}
	defer file.Close() //nolint:errcheck // only read
	info, err := file.Stat()
	if err != nil {
		return false, err
	}
	reader := newRecordReader([]segment{{path: tail.path}})
	chunk := make([]byte, readAhead)
	for _, part := range spansOf(file, tail.offset, info.Size()) {
		// Records begin at multiples of 8; the end may lie within one.
		for at := (part.from + 7) &^ 7; at < part.to; {
			n, err := file.ReadAt(chunk, at)
			if err != nil && !errors.Is(err, io.EOF) {
				return false, err
			}
			whole := n - frameBytes - recordPrefix // what begins later is not wholly in the chunk
			place := 0
			for ; place <= whole; place += frameBytes {
				if _, _, ok := frameOf(chunk[place:n]); ok && reader.statesAt(file, at+int64(place), last) {
					return true, nil
				}
			}
			if err != nil || place == 0 {
				return false, nil
			}
			at += int64(place)
		}
	}
	return false, nil
}

// statesAt reports whether at offset at a record is followed by a state that agrees on entries after last.
func (r *recordReader) statesAt(file *os.File, at int64, last uint64) bool {
	first, size, ok := r.recordAt(file, at)
	if !ok {
		return false
	}
	second, _, ok := r.recordAt(file, at+size)
	if !ok || second.kind != stateRecord || crc32.Update(first.crc, castagnoli, second.data) != second.crc {
		return false
	}
	state, err := decodeHardState(second.data)
	return err == nil && state.commit > last
}

// recordAt reads what may be a record at an offset.
func (r *recordReader) recordAt(file *os.File, at int64) (rec record, size int64, ok bool) {
	var head [frameBytes + recordPrefix]byte
	if n, _ := file.ReadAt(head[:], at); n < len(head) {
		return record{}, 0, false
	}
	length, padding, ok := frameOf(head[:])
	if !ok {
		return record{}, 0, false
	}
	if length > int64(len(r.buffer)) {
		r.buffer = make([]byte, length)
	}
	if n, _ := file.ReadAt(r.buffer[:length], at+frameBytes); int64(n) < length {
		return record{}, 0, false
	}
	rec, err := decodeRecord(r.buffer[:length])
	return rec, frameBytes + length + padding, err == nil
}

// frameOf is the length and the padding of the record that may begin at b, a frame and the head of a record.
func frameOf(b []byte) (length, padding int64, ok bool) {
	length, padding, ok = splitFrame(binary.LittleEndian.Uint64(b))
	return length, padding, ok && length >= 4 && plausible(b[frameBytes:frameBytes+recordPrefix], length)
}

// plausible reports whether the head of a record agrees with its length, when the record is long enough to say.
func plausible(head []byte, length int64) bool {
	return length < int64(len(head)) || consistent(head, length)
}
