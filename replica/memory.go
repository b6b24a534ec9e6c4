package replica

import (
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"evenkeel/core/must"
)

// A logMemory is the part of the log that the protocol sees: the newest entries, and where the newest snapshot is. It
// is bounded: applied entries leave it. The raft loop owns it.
type logMemory struct {
	*raft.MemoryStorage
	snapshot *raftpb.SnapshotMetadata // newest snapshot on disk
	members  *raftpb.ConfState        // as of the last entry applied
	state    *raftpb.HardState
	first    uint64 // index of sizes[0]
	sizes    []int  // bytes of each entry in memory
	bytes    int
}

// newLogMemory makes an empty log behind a snapshot, which may be that of a new group: position zero.
func newLogMemory(snapshot *raftpb.SnapshotMetadata) *logMemory {
	m := &logMemory{
		MemoryStorage: raft.NewMemoryStorage(),
		snapshot:      snapshot,
		members:       snapshot.GetConfState(),
		first:         snapshot.GetIndex() + 1,
	}
	err := m.ApplySnapshot(&raftpb.Snapshot{Metadata: snapshot})
	must.Hold(err == nil, "a new log in memory takes any snapshot")
	return m
}

// InitialState implements raft.Storage.
func (m *logMemory) InitialState() (*raftpb.HardState, *raftpb.ConfState, error) {
	return m.state, m.members, nil
}

// Snapshot implements raft.Storage: the place of the newest snapshot; its content stays on disk.
func (m *logMemory) Snapshot() (*raftpb.Snapshot, error) {
	if m.snapshot.GetIndex() == 0 {
		return nil, raft.ErrSnapshotTemporarilyUnavailable
	}
	return &raftpb.Snapshot{Metadata: m.snapshot}, nil
}

// add appends entries, replacing those of their indexes and later.
func (m *logMemory) add(entries []*raftpb.Entry) {
	if len(entries) == 0 {
		return
	}
	from := entries[0].GetIndex()
	must.Hold(from >= m.first && from <= m.first+uint64(len(m.sizes)), "the log in memory has no gap and loses nothing")
	for len(m.sizes) > int(from-m.first) {
		last := len(m.sizes) - 1
		m.bytes -= m.sizes[last]
		m.sizes = m.sizes[:last]
	}
	for _, e := range entries {
		m.sizes = append(m.sizes, len(e.Data))
		m.bytes += len(e.Data)
	}
	err := m.Append(entries)
	must.Hold(err == nil, "memory takes what follows its last entry")
}

// trim lets the oldest entries go when there are more than the limits allow, a quarter of them at once, but none
// behind index keep.
func (m *logMemory) trim(limits Limits, keep uint64) {
	if len(m.sizes) <= limits.MemoryEntries && m.bytes <= limits.MemoryBytes {
		return
	}
	n := 0
	for len(m.sizes)-n > limits.MemoryEntries*3/4 || m.bytes > limits.MemoryBytes*3/4 {
		if m.first+uint64(n) > keep {
			break
		}
		m.bytes -= m.sizes[n]
		n++
	}
	if n == 0 {
		return
	}
	m.sizes = append(m.sizes[:0], m.sizes[n:]...)
	m.first += uint64(n)
	err := m.Compact(m.first - 1)
	must.Hold(err == nil, "only entries that are in memory leave it")
}
