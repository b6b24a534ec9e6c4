package replica

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"go.etcd.io/raft/v3/raftpb"
)

// Limits of a group. Zero means the default, which is given with each.
type Limits struct {
	EntryBytes    int           // 256 KiB: the largest entry; a command that does not fit in one is ErrTooLarge
	EntryCommands int           // 1,024: commands in one entry
	InFlight      int           // 64: entries proposed and not yet applied
	QueueCommands int           // 65,536: commands waiting to be proposed; one more is ErrFull
	QueueBytes    int           // 64 MiB: bytes waiting to be proposed; more is ErrFull
	MemoryEntries int           // 16,384: entries in memory, for members a little behind; 4 times for a while
	MemoryBytes   int           // 64 MiB: bytes of them
	Reads         int           // 65,536: calls of Fresh waiting, and as many of Await; one more is ErrFull
	Inspections   int           // 1,024: calls of Inspect and Snapshot waiting; one more is ErrFull
	SnapshotsKept int           // 3: snapshot files kept
	SnapshotBytes int           // 256 MiB: a snapshot is made after so many bytes of log at the latest
	SnapshotShare int           // 4: and after so many times the bytes of the newest one, since a start replays the rest
	SnapshotLeast int           // 4 MiB: but not after fewer bytes of log; at most SnapshotBytes counts
	SnapshotEvery time.Duration // 10 min: and after so much time, when anything was applied
	SnapshotRetry time.Duration // 1 min: the pause after a snapshot that went wrong
	SlowSync      time.Duration // 100 ms: a longer sync of the log counts as slow, and loses the leadership
	StalledSync   time.Duration // 30 s: a write or sync of the log that takes longer fails the group
	MendWait      time.Duration // 30 s: how long a node that diverged waits for the leader's snapshot before it fails
	CompareEvery  time.Duration // 900 ms: between comparisons of the members' states; who differs has stopped in 1 s
	Tick          time.Duration // 10 ms: the step of the protocol's clock; an election takes 10 to 20 of them
}

// Options of Open. Dir, Group, Node and New are required.
type Options[A any] struct {
	Dir   string            // data directory; the group lives in a directory of its own below it
	Group uint64            // which log; 1 or more, never reused
	Node  uint64            // which voter of it; 1 or more, never reused
	New   func() Machine[A] // an empty machine; called for the live one and for each shadow
	// DropOldLog deletes segments that lie wholly behind the oldest kept snapshot. By default they stay as the archive
	// that Replay reads.
	DropOldLog bool
	Limits     Limits
	Transport  Transport               // nil: nobody to send to, right for one voter
	Clock      func() time.Time        // nil: time.Now. It stamps entries, from the raft loop only
	Progress   func(done, total int64) // nil, or called now and then by Open with bytes of log replayed
	Log        *slog.Logger            // nil: silent. Told of cut tails, bad snapshots, slow disks, failures
	// Disk, when not nil, is put between the group and its log, each time that the log is opened: a disk that a
	// simulation or a test plays.
	Disk func(WriteAhead) WriteAhead
	// Members are who belongs to the group when it is new; every one of them must be given the same. nil: Node alone. A
	// group that exists knows its members.
	Members []Member
	// Replaced, when not nil, is called from the apply goroutine when the machine was replaced by one that was restored
	// from the leader's snapshot at an index.
	Replaced func(m Machine[A], index uint64)
	// Join is of a node that the others add with Change: its directory begins empty, and it waits to hear from them.
	Join bool
	// MembersChanged, when not nil, is called from the raft loop with the members after each change of them. It must not
	// block.
	MembersChanged func([]Member)
	// Led, when not nil, is called from the raft loop whenever something of it has changed. It must not block.
	Led func(Leadership)
	// Features are those that this binary is taken to know; nil: Known(), which is right but for a simulated upgrade.
	Features []Feature
}

// maxEntryBytes is the largest Limits.EntryBytes.
const maxEntryBytes = 16 << 20

func orDefault[T int | time.Duration](value *T, fallback T) {
	if *value == 0 {
		*value = fallback
	}
}

// complete fills in the defaults.
func (l *Limits) complete() {
	orDefault(&l.EntryBytes, 256<<10)
	orDefault(&l.EntryCommands, 1024)
	orDefault(&l.InFlight, 64)
	orDefault(&l.QueueCommands, 1<<16)
	orDefault(&l.QueueBytes, 64<<20)
	orDefault(&l.MemoryEntries, 1<<14)
	orDefault(&l.MemoryBytes, 64<<20)
	orDefault(&l.Reads, 1<<16)
	orDefault(&l.Inspections, 1024)
	orDefault(&l.SnapshotsKept, 3)
	orDefault(&l.SnapshotBytes, 256<<20)
	orDefault(&l.SnapshotShare, 4)
	orDefault(&l.SnapshotLeast, 4<<20)
	orDefault(&l.SnapshotEvery, 10*time.Minute)
	orDefault(&l.SnapshotRetry, time.Minute)
	orDefault(&l.SlowSync, 100*time.Millisecond)
	// It is long: storage that several nodes share stands still for all of them at once, and groups that failed would
	// make an outage of a pause. A leader whose disk alone hangs gives its leadership away long before (SlowSync).
	orDefault(&l.StalledSync, 30*time.Second)
	orDefault(&l.MendWait, 30*time.Second)
	orDefault(&l.CompareEvery, 900*time.Millisecond)
	orDefault(&l.Tick, 10*time.Millisecond)
}

// check reports a limit that makes no sense, by its name.
func (l *Limits) check() error {
	if l.EntryBytes > maxEntryBytes {
		return fmt.Errorf("limit EntryBytes is %d and must be at most %d", l.EntryBytes, maxEntryBytes)
	}
	for _, limit := range []struct {
		name         string
		value, least int
	}{
		{"EntryBytes", l.EntryBytes, 1 << 10}, {"EntryCommands", l.EntryCommands, 1}, {"InFlight", l.InFlight, 1},
		{"QueueCommands", l.QueueCommands, 1}, {"QueueBytes", l.QueueBytes, l.EntryBytes},
		{"MemoryEntries", l.MemoryEntries, 4}, {"MemoryBytes", l.MemoryBytes, l.EntryBytes},
		{"Reads", l.Reads, 1},
		{"Inspections", l.Inspections, 1}, {"SnapshotsKept", l.SnapshotsKept, 1}, {"SnapshotBytes", l.SnapshotBytes, 1},
		{"SnapshotShare", l.SnapshotShare, 1}, {"SnapshotLeast", l.SnapshotLeast, 1},
		{"SnapshotEvery", int(l.SnapshotEvery), 1}, {"SnapshotRetry", int(l.SnapshotRetry), 1},
		{"SlowSync", int(l.SlowSync), 1}, {"StalledSync", int(l.StalledSync), 1}, {"Tick", int(l.Tick), 1},
		{"MendWait", int(l.MendWait), int(l.Tick)},
		{"CompareEvery", int(l.CompareEvery), int(l.Tick)},
	} {
		if limit.value < limit.least {
			return fmt.Errorf("limit %s is %d and must be at least %d", limit.name, limit.value, limit.least)
		}
	}
	return nil
}

// snapshotAfter is after how many bytes of log a snapshot is due, when the newest one has so many bytes. What a start
// replays is then in proportion to what it restores anyway, and snapshots cost a fixed share of what the log costs.
func (l *Limits) snapshotAfter(newest uint64) uint64 {
	most, share := uint64(l.SnapshotBytes), uint64(l.SnapshotShare)
	if newest > most/share {
		return most
	}
	return min(max(newest*share, uint64(l.SnapshotLeast)), most)
}

// nobody is the transport of a group with one voter.
type nobody struct{}

func (nobody) Send(uint64, []*raftpb.Message) {}

func (nobody) SendSnapshot(_ uint64, _ *raftpb.Message, _ func() (io.ReadCloser, int64, error), done func(error)) {
	done(errors.New("there is nobody to send to"))
}

// complete checks the options and fills in the defaults.
func (o *Options[A]) complete() error {
	if o.Dir == "" || o.New == nil {
		return errors.New("a group needs a directory and a machine")
	}
	if o.Group == 0 || o.Node == 0 || o.Node >= maxNode {
		return fmt.Errorf("group is %d and node is %d: both begin at 1, a node is less than %d", o.Group, o.Node, maxNode)
	}
	o.Limits.complete()
	if err := o.Limits.check(); err != nil {
		return err
	}
	if o.Features == nil {
		o.Features = Known()
	}
	if err := checkFeatures(o.Features); err != nil {
		return err
	}
	if o.Transport == nil {
		o.Transport = nobody{}
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Disk == nil {
		o.Disk = func(log WriteAhead) WriteAhead { return log }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Join {
		if o.Members != nil {
			return errors.New("a node that joins does not say who the members are")
		}
		return nil
	}
	if o.Members == nil {
		o.Members = []Member{{ID: o.Node}}
	}
	return checkMembers(o.Members, o.Node)
}

// maxNode keeps clear of the ids that the protocol uses for its own threads.
const maxNode = 1 << 32
