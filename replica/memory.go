package replica

import (
	"slices"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"evenkeel/core/must"
)

// A logMemory is the part of the log that the protocol sees: the newest entries, and where the newest snapshot is. It
// is bounded: applied entries leave it, and who needs one that left gets a snapshot. The raft loop owns it.
type logMemory struct {
	*raft.MemoryStorage
	snapshot *raftpb.SnapshotMetadata // newest snapshot on disk
	wanted   bool                     // the protocol asked for one that does not exist yet
	roster                            // as of the last entry applied
	founders []uint64                 // members when the group was new
	looked   *raftpb.ConfState        // members that anyJoined looked at last
	joined   bool                     // what it saw
	state    *raftpb.HardState
	first    uint64 // index of sizes[0]
	sizes    []int  // bytes of each entry in memory
	bytes    int
}

// newLogMemory makes an empty log behind a snapshot, which may be that of a new group: position zero.
func newLogMemory(head snapshotHead, founders []uint64) *logMemory {
	m := &logMemory{founders: founders, roster: head.roster}
	m.restart(head)
	return m
}

// restart empties the log: it begins behind a snapshot.
func (m *logMemory) restart(head snapshotHead) {
	m.MemoryStorage = raft.NewMemoryStorage()
	m.snapshot, m.first, m.sizes, m.bytes, m.wanted = head.metadata(), head.at.index+1, nil, 0, false
	err := m.ApplySnapshot(&raftpb.Snapshot{Metadata: m.snapshot})
	must.Hold(err == nil, "a new log in memory takes any snapshot")
}

// InitialState implements raft.Storage.
func (m *logMemory) InitialState() (*raftpb.HardState, *raftpb.ConfState, error) {
	return m.state, m.conf, nil
}

// Snapshot implements raft.Storage: the place of the newest snapshot; its content stays on disk. One that the entries
// in memory do not follow is of no use to anybody, nor is one to a member that it does not know: a new one is made
// then.
func (m *logMemory) Snapshot() (*raftpb.Snapshot, error) {
	known := roster{conf: m.snapshot.GetConfState()}.ids()
	stranger := func(id uint64) bool {
		_, found := slices.BinarySearch(known, id)
		return !found
	}
	if m.snapshot.GetIndex() == 0 || m.snapshot.GetIndex()+1 < m.first || slices.ContainsFunc(m.ids(), stranger) {
		m.wanted = true
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

// trim lets the oldest entries go when there are more than the limits allow, a quarter of them at once, but none that
// is not applied. Those behind index keep stay, for members that will soon ask for them, until there are pinnedFactor
// times as many.
func (m *logMemory) trim(limits Limits, applied, keep uint64) {
	if len(m.sizes) > pinnedFactor*limits.MemoryEntries || m.bytes > pinnedFactor*limits.MemoryBytes {
		keep = applied
	}
	if len(m.sizes) > limits.MemoryEntries || m.bytes > limits.MemoryBytes {
		n, bytes := 0, m.bytes
		for len(m.sizes)-n > limits.MemoryEntries*3/4 || bytes > limits.MemoryBytes*3/4 {
			if m.first+uint64(n) > min(keep, applied) {
				break
			}
			bytes -= m.sizes[n]
			n++
		}
		m.drop(n)
	}
	// Who joined later does not know with whom the group began: that is in a snapshot, and not in the first entries.
	if m.first == 1 && applied >= 1 && m.anyJoined() {
		m.drop(1)
	}
}

const pinnedFactor = 4

// full reports whether more entries wait to be applied than may: those that are applied have left by then.
func (m *logMemory) full(limits Limits) bool {
	return len(m.sizes) > (pinnedFactor+1)*limits.MemoryEntries || m.bytes > (pinnedFactor+1)*limits.MemoryBytes
}

// end is the last entry on disk.
func (m *logMemory) end() uint64 { return m.first + uint64(len(m.sizes)) - 1 }

// anyJoined reports whether a member was not there when the group was new. It looks again when the members change.
func (m *logMemory) anyJoined() bool {
	if m.looked != m.conf {
		m.looked = m.conf
		m.joined = slices.ContainsFunc(m.ids(), func(id uint64) bool { return !slices.Contains(m.founders, id) })
	}
	return m.joined
}

// drop lets the n oldest entries go.
func (m *logMemory) drop(n int) {
	if n == 0 {
		return
	}
	for _, size := range m.sizes[:n] {
		m.bytes -= size
	}
	m.sizes = append(m.sizes[:0], m.sizes[n:]...)
	m.first += uint64(n)
	err := m.Compact(m.first - 1)
	must.Hold(err == nil, "only entries that are in memory leave it")
}
