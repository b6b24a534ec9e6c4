// Package replica is one log on all machines, applied in order: whoever proposes a command is answered after the
// command is on disk at a quorum and has been applied to the machine.
//
// Units: indexes count the entries of one group from 1, an entry holds 1..Limits.EntryCommands commands, times are
// nanoseconds since 1970 in UTC, sizes are bytes.
//
// Invariants:
//   - A command is answered without error only after its entry was synced (fdatasync) and applied; after any crash it
//     is there again, at the same index and in the same order.
//   - Entries are applied once each, in the order of their indexes; Entry.Time never decreases. Indexes may skip:
//     the log has entries of its own (a new leader's first, changes of membership) that no machine sees.
//   - Every queue has a bound with a name (Limits). Full is refused at once, nothing waits without bound.
//   - A snapshot is made by a second machine from the snapshot before it and the log on disk, never from the live one:
//     each snapshot is a test of restore and replay, and orders never wait for it.
//   - The members' states are compared every Limits.CompareEvery; one whose state is not that of most voters stops.
//     What a restart or a snapshot makes is held to the same comparisons.
//   - What a group does beyond the first release is a Feature, active on all members from one entry of the log on.
//   - A node id is never used twice in a group. A vote and an acknowledgement leave this node after they are on its
//     disk.
//   - Memory is bounded however far a member is behind: it gets a snapshot.
//   - Only an unfinished end of the log is cut at start. Any other damage refuses to start (CorruptError).
//
// It never looks into a command, never answers before the disk has, never reuses a log that failed, and never drops or
// reorders the work of its own log and apply goroutines.
//
// One goroutine owns each state: the raft loop (loop.go) owns the protocol and the log in memory, the journal
// (journal.go) owns the write-ahead log, the applier (applier.go) owns the machine, the keeper (keeper.go) makes
// snapshots. They speak through mailboxes whose content the limits bound. Each does what lies in its mailbox in a
// step; a Manual group has no goroutines, and its holder calls the steps.
//
// On disk, under Options.Dir:
//
//	g<group>/MARKER      who this directory belongs to: format, group, node, members when it was new
//	g<group>/DIVERGED    there while the state of this node is not that of most members: at which index
//	g<group>/LOCK        held by the process that has the group open
//	g<group>/log/        segments of the write-ahead log; kept for ever as the archive unless Options.DropOldLog
//	g<group>/snapshots/  <term>-<index>.snapshot, the newest Limits.SnapshotsKept; <term>-<index>.received is
//	                     one of the leader's on its way in (install.go)
//
// Source: Ongaro and Ousterhout, "In Search of an Understandable Consensus Algorithm" (extended version, 2014);
// go.etcd.io/raft/v3 (RawNode with AsyncStorageWrites) and the write-ahead log of go.etcd.io/etcd/server/v3.
package replica

import (
	"errors"
	"fmt"
	"io"
	"time"

	"go.etcd.io/raft/v3/raftpb"
)

// An Entry is what a machine applies in one step: commands that were packed together, at one time.
// Commands alias memory of the log: they are valid during Apply (or the visit of a Replay) and must not be changed.
type Entry struct {
	Index    uint64
	Time     int64 // ns since 1970 UTC, by the leader's clock when it packed the entry, never decreasing
	Commands [][]byte
}

// A Machine is the state that the log makes. Apply must be deterministic: same entries, same state, same answers.
// All methods are called from one goroutine at a time. Snapshot is only called on a machine that no longer changes.
type Machine[A any] interface {
	// Apply applies all commands of the entry; answers[i] answers e.Commands[i] and is zero before.
	Apply(e Entry, answers []A)
	// Snapshot writes the whole state. Same state, same bytes.
	Snapshot(w io.Writer) error
	// Restore replaces the state by what Snapshot wrote. It is called on a new machine only.
	Restore(r io.Reader) error
}

// A Hasher is a machine with a digest of its whole state, equal on equal states. When machines have one, a snapshot is
// refused (DivergedError) unless the shadow machine's digest equals that of the live machine at the same index.
// Hash runs on the apply goroutine once a snapshot: it should be kept up to date by Apply, not computed by a walk.
type Hasher interface {
	Hash() uint64
}

// A Transport carries messages to the other members of a group.
type Transport interface {
	// Send must not block: it may drop a message (and then says so with Group.Unreachable), and must have copied or
	// encoded what it keeps before it returns.
	Send(group uint64, messages []*raftpb.Message)
	// SendSnapshot carries the snapshot that message, a MsgSnap, is about, to Group.ReceiveSnapshot of the node that it
	// is addressed to. It must not block. open gives the bytes; done is called exactly once, later, when the other side
	// has taken all of them or it went wrong.
	SendSnapshot(group uint64, message *raftpb.Message, open func() (r io.ReadCloser, size int64, err error),
		done func(error))
}

// Errors of Propose, Submit and Inspect. Compare with errors.Is.
var (
	// ErrFull: a queue is at its limit. Nothing happened; try again later.
	ErrFull = errors.New("the log's queue is full")
	// ErrTooLarge: the command does not fit into an entry. Nothing happened.
	ErrTooLarge = errors.New("command is larger than an entry may be")
	// ErrUnknown: the command was handed to the log, and then leadership was lost, the group failed or closed, or the
	// caller stopped waiting. It may have been applied, or be applied after the next start: ask the machine.
	ErrUnknown = errors.New("outcome unknown")
	// ErrHidden: the command was carried out and its answer is given, and this node's machine has not come that far: what
	// the answer tells of cannot be read here yet. It comes from whoever forwards commands, never from a group.
	ErrHidden = errors.New("carried out, and not to be read here yet")
	// ErrNotLeader: this node does not lead the group (Status says who does). Nothing happened.
	ErrNotLeader = errors.New("not the leader of the group")
	// ErrClosed: the group is closed. Nothing happened.
	ErrClosed = errors.New("the group is closed")
	// ErrFailed: the group has failed (Failed has the cause). Nothing happened.
	ErrFailed = errors.New("the group has failed")
)

// Errors of Open and Replay.
var (
	// ErrLocked: another process, or another Group of this one, has the directory open.
	ErrLocked = errors.New("directory is in use by another process")
	// ErrNoMarker: the directory has content and no marker that it is a group's.
	ErrNoMarker = errors.New("directory has no marker")
	// ErrForeign: the marker names another group or node.
	ErrForeign = errors.New("directory belongs to another group or node")
	// ErrLogLost: the marker knows this node, and its log is empty or ends before its snapshots.
	ErrLogLost = errors.New("log is lost")
	// ErrGone: the entries asked for are no longer in the archive.
	ErrGone = errors.New("entries are no longer in the archive")
)

// A CorruptError says which file is damaged and where. Nothing was changed on disk.
type CorruptError struct {
	File   string
	Offset int64
	Cause  error
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("%s is corrupt at offset %d: %v; keep a copy of the directory, check the disk, and restore the file "+
		"from a backup or another voter", e.File, e.Offset, e.Cause)
}

func (e *CorruptError) Unwrap() error { return e.Cause }

// A DivergedError says that restore and replay made another state than the live machine has (the snapshot was not
// written then), or that most members of the group have another one than this node (it has stopped then): a machine
// that is not deterministic, a snapshot that lacks something, or bad memory.
type DivergedError struct {
	Index        uint64
	Live, Shadow uint64
	// Of a comparison of members, else zero: the group, this node, and who agrees on Shadow.
	Group, Node uint64
	Agree       []uint64
	Altered     bool // this node found rows that no command had changed
}

func (e *DivergedError) Error() string {
	if len(e.Agree) > 0 {
		found := ""
		if e.Altered {
			found = "; rows of it were altered behind its back: check the memory of this machine"
		}
		return fmt.Sprintf("node %d of group %d has DIVERGED: its state at index %d is %016x, that of %s is %016x%s; it has "+
			"stopped and must not lead; start it again: it makes its state anew from a snapshot and the log, and compares it "+
			"again; if it stops again, replace the machine or its binary", e.Node, e.Group, e.Index, e.Live,
			nodes(e.Agree), e.Shadow, found)
	}
	return fmt.Sprintf("state at index %d differs: live %016x, restored and replayed %016x; the snapshot was refused",
		e.Index, e.Live, e.Shadow)
}

// Status is what a group says of itself. Numbers of different goroutines may be a moment apart.
type Status struct {
	Group, Node    uint64
	Leader         uint64 // node that leads, 0 while none is known
	Leading        bool   // it is this node and takes commands
	Term           uint64
	Applied        uint64 // last entry in the machine
	Committed      uint64 // last entry on disk at a quorum
	Durable        uint64 // last entry on this node's disk
	QueuedCommands int
	QueuedBytes    int
	InFlight       int // entries proposed and not yet applied
	MemoryEntries  int // entries of the log in memory
	MemoryBytes    int

	SnapshotIndex  uint64 // last entry in the newest snapshot
	SnapshotBytes  int64
	SnapshotTime   time.Time
	SnapshotTook   time.Duration
	SnapshotFailed string // why the last try failed, "" when it did not

	Syncs       uint64 // syncs of the log
	SlowSyncs   uint64 // of them longer than Limits.SlowSync
	LongestSync time.Duration

	StartReplayed uint64 // entries replayed at start
	StartCut      int64  // bytes of unfinished log cut at start
	StartTook     time.Duration
	Failure       string // why the group failed, "" while it did not

	LastCompared uint64 // last index at which this node is known to have had the state that most members had
	Diverged     string // why this node stopped because most members have another state; "" while it did not
	Differ       string // why the members' states may not be equal, with nobody known to be wrong; "" while they are

	Followers []Follower // the other members, as the leader knows them; of a leader only
}

// A Follower is what a leader knows of another member, as of the last tick.
type Follower struct {
	Node     uint64
	Learner  bool
	Match    uint64 // its log is known to be the leader's up to this index
	Active   bool   // it was heard of within an election's time
	Snapshot bool   // it is waiting for a snapshot
}
