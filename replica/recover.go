package replica

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"evenkeel/core/planted"
)

// A recovery brings a group back from its directory: the newest good snapshot, then the log behind it.
type recovery[A any] struct {
	home     *home
	options  *Options[A]
	machine  Machine[A]
	clerk    *clerk[A]
	head     snapshotHead // of the snapshot that was restored
	headPath string
	below    uint64 // snapshots of this index and later are not to be trusted; 0: all are
	doubt    error  // why
	memory   *logMemory
	state    hardState
	applied  position
	time     int64 // of the newest entry
	applying int64 // of the last entry applied
	replayed uint64
	grown    uint64 // bytes of the entries behind the snapshot
	cut      int64
	took     time.Duration
}

// recover reads everything and mends the end of the log. Nothing on disk changes when it returns an error.
func (r *recovery[A]) recover() error {
	began := time.Now()
	if err := r.home.readDivergence(); err != nil {
		return err
	}
	if r.home.diverged > 0 { // what was made of the state after that is suspect
		r.below = r.home.diverged + 1
	}
	tail, last, err := r.rebuild()
	for r.distrust(err) {
		tail, last, err = r.rebuild()
	}
	if err != nil {
		return err
	}
	if err := r.checkTail(tail, last); err != nil {
		return err
	}
	if r.cut, err = mend(tail); err == nil {
		err = r.home.settle()
	}
	if err == nil {
		err = r.settleDoubt()
	}
	if err != nil {
		return diskError(r.home.log(), err)
	}
	if r.cut > 0 {
		r.options.Log.Warn("cut the unfinished end of the log", "file", tail.path, "offset", tail.offset, "bytes", r.cut)
	}
	// What is applied is agreed: alone, all that is on disk; else what a state said, or a snapshot.
	r.state.commit = max(r.state.commit, r.applied.index)
	r.memory.state = r.state.proto()
	r.took = time.Since(began)
	return nil
}

// rebuild makes the state of a snapshot and the log, and returns where the log ends.
func (r *recovery[A]) rebuild() (logTail, position, error) {
	if err := r.restore(); err != nil {
		return logTail{}, position{}, err
	}
	if r.head.at.index == 0 {
		r.head.roster = r.home.initial
	}
	r.clerk = newClerk[A](r.home, r.options.Features, r.head)
	if err := r.clerk.charter.check(r.home.group, r.options.Features); err != nil {
		return logTail{}, position{}, err
	}
	r.memory = newLogMemory(r.head, r.home.initial.ids())
	r.applied, r.time = r.head.at, r.head.time
	return r.replay()
}

// distrust says whether to try again with an older snapshot, because the newest made a state that most members do not
// have.
func (r *recovery[A]) distrust(err error) bool {
	var diverged *DivergedError
	if !errors.As(err, &diverged) || r.head.at.index == 0 {
		return false
	}
	r.options.Log.Error("a snapshot makes another state than most members have; trying the one before it", "file",
		r.headPath, "error", err)
	below := r.head.at.index
	if below == r.home.trusted {
		r.home.trusted, below = 0, r.home.diverged+1
	}
	*r = recovery[A]{home: r.home, options: r.options, below: below, doubt: err}
	return true
}

// settleDoubt takes snapshots that are not to be trusted out of use, and forgets a divergence that is healed.
func (r *recovery[A]) settleDoubt() error {
	if r.below > 0 {
		if err := r.home.setAside(r.below); err != nil {
			return err
		}
	}
	return r.home.settleDivergence(r.clerk.agreed)
}

// restore restores the newest snapshot that is whole. A damaged one is passed over when an older one, or the log from
// its beginning, makes the same state.
func (r *recovery[A]) restore() error {
	paths, err := listSnapshots(r.home.snapshots())
	if err != nil {
		return fmt.Errorf("reading the snapshots: %w", err)
	}
	damage := r.doubt
	for _, path := range paths {
		if r.below > 0 {
			head, err := readSnapshot(path, r.home.group, nil)
			if err != nil || !r.home.trusts(head, r.below) {
				damage = cmp.Or(damage, fmt.Errorf("%s is of a state that most members did not have", path))
				continue
			}
		}
		machine := r.options.New()
		head, err := readSnapshot(path, r.home.group, machine.Restore)
		if err == nil {
			r.machine, r.head, r.headPath, r.applying = machine, head, path, head.time
			return nil
		}
		var corrupt *CorruptError
		if !errors.As(err, &corrupt) {
			return err
		}
		r.options.Log.Error("a snapshot is corrupt; trying the one before it", "file", path, "error", err)
		if damage == nil {
			damage = err
		}
	}
	r.machine = r.options.New()
	if damage != nil {
		// Without a snapshot the log must go back to the first entry.
		segments, err := listSegments(r.home.log())
		if err != nil || len(segments) == 0 || segments[0].first > 1 {
			return damage
		}
	}
	return nil
}

// replay applies what the log has behind the snapshot and returns where the log ends.
func (r *recovery[A]) replay() (logTail, position, error) {
	reader, err := openCommitted(r.home.log(), r.home.identity(), r.head.at)
	if errors.Is(err, ErrGone) {
		err = fmt.Errorf("%w: %w", ErrLogLost, err)
	}
	if err != nil {
		return logTail{}, position{}, err
	}
	defer reader.close()
	if r.options.Progress != nil {
		total := int64(0)
		for _, s := range reader.records.segments {
			if info, err := os.Stat(s.path); err == nil {
				total += info.Size()
			}
		}
		reader.records.progress = everyMegabyte(total, r.options.Progress)
		defer r.options.Progress(total, total)
	}
	var commands [][]byte
	var answers []A
	visit := func(e logEntry) error {
		if e.kind == raftpb.EntryNormal && isControl(e.data) {
			if _, err := r.clerk.read(r.machine, e.index, e.data); err != nil {
				return err
			}
		}
		entry, ok, err := unpack(r.home.group, e.kind, e.index, e.data, commands[:0])
		if err != nil {
			return err
		}
		if ok {
			commands = entry.Commands
			if len(answers) < len(commands) {
				answers = make([]A, max(len(commands), r.options.Limits.EntryCommands))
			}
			clear(answers[:len(commands)])
			r.machine.Apply(entry, answers[:len(commands)])
			if planted.Is(planted.AppliedTwice) && r.replayed == 0 {
				r.machine.Apply(entry, answers[:len(commands)])
			}
			r.replayed++
			r.applying = entry.Time
			r.clerk.commanded = true
		}
		r.remember(e)
		r.applied = position{e.index, e.term}
		r.grown += uint64(len(e.data))
		if err := r.memory.reform(e); err != nil {
			return err
		}
		r.memory.trim(r.options.Limits, r.applied.index, r.applied.index)
		return nil
	}
	if err := reader.read(position{}, visit); err != nil {
		return logTail{}, position{}, err
	}
	last := reader.last
	r.state = reader.state
	// Alone, all that is on disk is agreed, up to where this node is no longer alone.
	for err == nil && len(reader.waiting) > 0 && (r.memory.alone(r.home.node) || planted.Is(planted.CommitAheadOfLog)) {
		err = reader.release(reader.waiting[0].index, visit)
	}
	for _, e := range reader.waiting {
		r.remember(e)
	}
	return reader.tail, last, err
}

// remember takes an entry into the log in memory.
func (r *recovery[A]) remember(e logEntry) {
	r.time = max(r.time, payloadTime(e.data))
	r.memory.add([]*raftpb.Entry{e.proto()})
}

// checkTail refuses a log that ends before what it is known to have had.
func (r *recovery[A]) checkTail(tail logTail, last position) error {
	if last.index < r.head.at.index {
		return fmt.Errorf(
			"%w: it ends at index %d in %s, and the newest snapshot is of %d; restore the missing segments from "+
				"a backup",
			ErrLogLost,
			last.index,
			tail.path,
			r.head.at.index,
		)
	}
	if last.index < r.state.commit {
		return &CorruptError{
			File:   tail.path,
			Offset: tail.offset,
			Cause: fmt.Errorf("it ends at index %d, and entries up to "+
				"%d were agreed", last.index, r.state.commit),
		}
	}
	if !r.memory.alone(r.home.node) {
		return nil
	}
	found, err := laterState(tail, last.index)
	if err != nil {
		return fmt.Errorf("reading the log: %w", err)
	}
	if found {
		return &CorruptError{
			File:   tail.path,
			Offset: tail.offset,
			Cause: fmt.Errorf("%w: entries after index %d follow it, "+
				"so it is no unfinished end", errNotRecord, last.index),
		}
	}
	return nil
}

// everyMegabyte calls progress once a megabyte.
func everyMegabyte(total int64, progress func(done, total int64)) func(int64) {
	next := int64(0)
	return func(read int64) {
		if read >= next {
			next = read + 1<<20
			progress(min(read, total), total)
		}
	}
}

// logStart tells what a start did.
func (r *recovery[A]) logStart(log *slog.Logger) {
	log.Info("group is restored", "group", r.home.group, "snapshot", r.head.at.index, "applied", r.applied.index,
		"replayed", r.replayed, "cut", r.cut, "took", r.took)
}
