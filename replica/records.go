package replica

import (
	"encoding/binary"
	"fmt"

	"go.etcd.io/raft/v3/raftpb"
)

// This file decodes the few protobuf messages of the log by hand: without copies, and without a panic on bad bytes.
// Field numbers: etcd wal/walpb/record.proto, raft raftpb/raft.proto.

// uintField reads a varint field with the given number at the front of b.
func uintField(b []byte, number byte) (value uint64, rest []byte, ok bool) {
	if len(b) == 0 || b[0] != number<<3 {
		return 0, b, false
	}
	value, n := binary.Uvarint(b[1:])
	if n <= 0 {
		return 0, b, false
	}
	return value, b[1+n:], true
}

// bytesField reads a length-delimited field with the given number at the front of b.
func bytesField(b []byte, number byte) (value, rest []byte, ok bool) {
	if len(b) == 0 || b[0] != number<<3|2 {
		return nil, b, false
	}
	size, n := binary.Uvarint(b[1:])
	if n <= 0 || size > uint64(len(b)-1-n) {
		return nil, b, false
	}
	b = b[1+n:]
	return b[:size:size], b[size:], true
}

// decodeRecord decodes a record of the log: fields in order, data absent or last.
func decodeRecord(b []byte) (record, error) {
	kind, rest, ok := uintField(b, 1)
	if !ok || kind < metadataRecord || kind > snapshotRecord {
		return record{}, errNotRecord
	}
	crc, rest, ok := uintField(rest, 2)
	if !ok || crc > 1<<32-1 {
		return record{}, errNotRecord
	}
	rec := record{kind: int64(kind), crc: uint32(crc)}
	if len(rest) > 0 {
		if rec.data, rest, ok = bytesField(rest, 3); !ok || len(rest) > 0 {
			return record{}, errNotRecord
		}
	}
	return rec, nil
}

// A logEntry is an entry as the log has it. data may alias a buffer.
type logEntry struct {
	kind        raftpb.EntryType
	term, index uint64
	data        []byte
}

func decodeLogEntry(b []byte) (logEntry, error) {
	kind, rest, _ := uintField(b, 1)
	term, rest, _ := uintField(rest, 2)
	index, rest, ok := uintField(rest, 3)
	if !ok || kind > uint64(raftpb.EntryConfChangeV2) {
		return logEntry{}, fmt.Errorf("%w: not an entry", errNotRecord)
	}
	e := logEntry{kind: raftpb.EntryType(kind), term: term, index: index}
	if len(rest) > 0 {
		if e.data, rest, ok = bytesField(rest, 4); !ok || len(rest) > 0 {
			return logEntry{}, fmt.Errorf("%w: not an entry", errNotRecord)
		}
	}
	return e, nil
}

// A hardState is what the protocol must remember: its term, whom it voted for, and how far the log is agreed.
type hardState struct {
	term, vote, commit uint64
}

func decodeHardState(b []byte) (hardState, error) {
	var s hardState
	s.term, b, _ = uintField(b, 1)
	s.vote, b, _ = uintField(b, 2)
	s.commit, b, _ = uintField(b, 3)
	if len(b) != 0 {
		return hardState{}, fmt.Errorf("%w: not a state", errNotRecord)
	}
	return s, nil
}

func (s hardState) proto() *raftpb.HardState {
	return &raftpb.HardState{Term: new(s.term), Vote: new(s.vote), Commit: new(s.commit)}
}

// proto makes an entry of its own for the log in memory.
func (e logEntry) proto() *raftpb.Entry {
	return &raftpb.Entry{
		Type:  e.kind.Enum(),
		Term:  new(e.term),
		Index: new(e.index),
		Data:  append([]byte(nil), e.data...),
	}
}
