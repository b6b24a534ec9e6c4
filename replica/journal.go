package replica

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	"go.etcd.io/raft/v3/raftpb"

	"evenkeel/core/planted"
)

// A WriteAhead is the write-ahead log opened for appending: etcd's, or one that plays a bad disk (Options.Disk). Save
// returns when what it was given is durable; a state alone need not be, unless its term or vote is new.
type WriteAhead interface {
	Save(state *raftpb.HardState, entries []*raftpb.Entry) error
	SaveSnapshot(snapshot *walpb.Snapshot) error
	Sync() error // makes durable what was saved and need not be
	ReleaseLockTo(index uint64) error
	Close() error
}

// SegmentBytes sets how large a segment of the log is, for all groups of this process; the default is 64 MB. Each
// group keeps one segment in use and one prepared, so a simulation with many groups wants small ones. It must be
// called before the first group is opened.
func SegmentBytes(n int64) { wal.SegmentSizeBytes = n }

// A journal owns the write-ahead log: it saves what the raft loop hands it, in order, and reports back only what is on
// disk. Everything that came in during one sync goes into the next as one save.
//
// After an error the log is never written again: what the failed write left is decided by the next start.
type journal struct {
	dir      string
	wal      WriteAhead
	disk     func(WriteAhead) WriteAhead // put before a log that is opened
	in       *mailbox[journalWork]
	under    []journalWork           // begun and not finished
	spent    []journalWork           // reused
	failed   bool                    // the log cannot go on
	saved    func([]*raftpb.Message) // called in order with what is durable
	broken   func(error)             // called once, when the log cannot go on
	slow     time.Duration
	log      *slog.Logger
	stopping chan struct{}
	stopped  chan struct{} // closed when the goroutine has ended and the log is closed

	written   int64 // bytes of entries since the finished segments were closed
	now       func() time.Time
	started   time.Time
	began     time.Duration // when the write under way began, since started
	marked    bool          // it did so in begin
	busySince atomic.Int64  // names the write under way: ns since started, never twice the same; 0 when there is none
	latest    int64         // last name given
	syncs     atomic.Uint64
	slowSyncs atomic.Uint64
	longest   atomic.Int64
}

// journalWork is one of: a message to append, a snapshot to note, segments to delete, what was saved to be synced.
// done hears of the second and the third.
type journalWork struct {
	message  *raftpb.Message
	install  *installation // before the message's entries
	snapshot *walpb.Snapshot
	keepFrom uint64 // delete segments that lie wholly before this index
	sync     bool
	done     func(error)
}

// openJournal opens a verified and mended log for appending. Asked for what follows the last index there can be, the
// log's package reads its last segment only, keeps none of it, reports that it met no snapshot record of that index,
// and is ready to append.
func openJournal(dir string, state hardState) (*wal.WAL, error) {
	w, err := wal.Open(nil, dir, &walpb.Snapshot{Index: new(uint64(math.MaxUint64)), Term: new(uint64(0))})
	if err != nil {
		return nil, fmt.Errorf("opening the log in %s: %w", dir, err)
	}
	_, _, _, err = w.ReadAll()
	if err != nil && !errors.Is(err, wal.ErrSnapshotNotFound) {
		_ = w.Close()
		return nil, fmt.Errorf("opening the log in %s: %w", dir, err)
	}
	// The state at the head of the next segment is the last one saved since opening: save one.
	if err := w.Save(state.proto(), nil); err != nil {
		_ = w.Close()
		return nil, diskError(dir, err)
	}
	return w, nil
}

// run is the journal's goroutine.
func (j *journal) run() {
	for {
		select {
		case <-j.stopping:
			j.end()
			return
		case <-j.in.wake:
		}
		j.begin()
		j.finish()
	}
}

// end closes the log. That writes what is buffered: states without entries, which need not be durable.
func (j *journal) end() {
	if err := j.wal.Close(); err != nil && !j.failed {
		j.log.Error("closing the log", "dir", j.dir, "error", err)
	}
	close(j.stopped)
}

// begin takes what lies in the mailbox, unless a write is under way: from now on one is. It reports whether one is.
func (j *journal) begin() bool {
	if len(j.under) > 0 {
		return true
	}
	j.under = j.in.take(j.spent)
	j.spent = nil
	if len(j.under) == 0 {
		return false
	}
	j.mark()
	j.marked = true
	if planted.Is(planted.AcknowledgeBeforeSync) {
		j.acknowledge()
	}
	return true
}

// finish carries out what begin took and reports whether there was anything.
func (j *journal) finish() bool {
	work := j.under
	if len(work) == 0 {
		return false
	}
	j.under, j.spent = nil, work
	for !j.failed && len(work) > 0 {
		n, err := j.perform(work)
		work = work[n:]
		if err != nil {
			j.failed = true
			j.broken(diskError(j.dir, err))
		}
	}
	for _, w := range work {
		if w.done != nil {
			w.done(ErrFailed)
		}
	}
	j.marked = false
	j.busySince.Store(0)
	return true
}

// perform does the first of the work, appends that follow each other as one save, and returns how much that was.
func (j *journal) perform(work []journalWork) (n int, err error) {
	if i := work[0].install; i != nil {
		if err := j.timed(true, func() error { return j.install(i) }); err != nil {
			return 1, err
		}
		return 1, j.save(work[:1])
	}
	for n < len(work) && work[n].message != nil && work[n].install == nil {
		n++
	}
	if n > 0 {
		return n, j.save(work[:n])
	}
	return 1, j.other(work[0])
}

func (j *journal) save(work []journalWork) error {
	messages := make([]*raftpb.Message, len(work)) // its own: the raft loop keeps it
	var entries []*raftpb.Entry
	var state *raftpb.HardState
	for i, w := range work {
		messages[i] = w.message
		for _, e := range w.message.Entries {
			entries = append(entries, e)
			j.written += int64(len(e.Data))
		}
		if w.message.Term != nil {
			state = &raftpb.HardState{Term: w.message.Term, Vote: w.message.Vote, Commit: w.message.Commit}
		}
	}
	if planted.Is(planted.VoteForgotten) && state != nil {
		state.Vote = nil
	}
	if planted.Is(planted.TermForgotten) && len(entries) == 0 {
		state = nil
	}
	err := j.timed(len(entries) > 0, func() error { return j.wal.Save(state, entries) })
	if err != nil {
		return err
	}
	if !planted.Is(planted.AcknowledgeBeforeSync) || work[0].install != nil {
		j.saved(messages)
	}
	if j.written < wal.SegmentSizeBytes {
		return nil
	}
	// The log's package keeps each segment that it finished open, and locked, until it is told to let go: without this
	// the process runs out of files.
	j.written = 0
	return j.wal.ReleaseLockTo(entries[len(entries)-1].GetIndex())
}

func (j *journal) other(w journalWork) error {
	var err error
	switch {
	case w.snapshot != nil:
		err = j.timed(true, func() error { return j.wal.SaveSnapshot(w.snapshot) })
	case w.sync:
		return j.timed(true, j.wal.Sync)
	default:
		err = j.deleteBefore(w.keepFrom)
	}
	w.done(err)
	return err
}

// mark notes that a write is under way: the raft loop watches it from outside.
func (j *journal) mark() {
	j.began = j.now().Sub(j.started)
	j.latest = max(int64(j.began)+1, j.latest+1)
	j.busySince.Store(j.latest)
}

// timed runs one write and measures it.
func (j *journal) timed(synced bool, write func() error) error {
	if !j.marked {
		j.mark()
	}
	j.marked = false
	err := write()
	took := j.now().Sub(j.started) - j.began
	j.busySince.Store(0)
	if !synced {
		return err
	}
	j.syncs.Add(1)
	if took > time.Duration(j.longest.Load()) {
		j.longest.Store(int64(took))
	}
	if took > j.slow {
		j.slowSyncs.Add(1)
		j.log.Warn("slow sync of the log", "dir", j.dir, "took", took)
	}
	return err
}

// busyFor is how long the write under way has taken, 0 when there is none.
func (j *journal) busyFor() time.Duration {
	since := j.busySince.Load()
	if since == 0 {
		return 0
	}
	return j.now().Sub(j.started) - time.Duration(since-1)
}

// deleteBefore deletes the segments whose entries are all before index. It deletes from the oldest, so that what is
// left has no gap.
func (j *journal) deleteBefore(index uint64) error {
	segments, err := listSegments(j.dir)
	if err != nil {
		return err
	}
	kept := segmentsFrom(segments, index)
	if kept == nil || len(kept) == len(segments) {
		return nil
	}
	if err := j.wal.ReleaseLockTo(index); err != nil {
		return err
	}
	for _, s := range segments[:len(segments)-len(kept)] {
		if err := os.Remove(s.path); err != nil {
			return err
		}
	}
	return syncDir(j.dir)
}

// diskError says what to do about an error of the log.
func diskError(dir string, err error) error {
	where := dir
	var path *os.PathError
	if errors.As(err, &path) {
		where = path.Path
		if !filepath.IsAbs(where) {
			where = filepath.Join(dir, where)
		}
	}
	advice := "check the disk, then start again: what was acknowledged is kept"
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG) {
		advice = "make room on the disk, then start again: what was acknowledged is kept"
	}
	return fmt.Errorf("writing the log %s: %w; %s", where, err, advice)
}
