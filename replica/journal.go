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
)

// A writeAhead is the write-ahead log opened for appending: etcd's, or one of a test that plays a bad disk.
type writeAhead interface {
	Save(state *raftpb.HardState, entries []*raftpb.Entry) error
	SaveSnapshot(snapshot *walpb.Snapshot) error
	ReleaseLockTo(index uint64) error
	Close() error
}

// A journal owns the write-ahead log: one goroutine saves what the raft loop hands it, in order, and reports back only
// what is on disk. Everything that came in during one sync goes into the next as one save.
//
// After an error the log is never written again: what the failed write left is decided by the next start.
type journal struct {
	dir      string
	wal      writeAhead
	in       *mailbox[journalWork]
	saved    func([]*raftpb.Message) // called in order with what is durable
	broken   func(error)             // called once, when the log cannot go on
	slow     time.Duration
	log      *slog.Logger
	stopping chan struct{}
	dead     chan struct{} // closed when the log cannot go on
	stopped  chan struct{} // closed when the goroutine has ended and the log is closed

	written   int64        // bytes of entries since the finished segments were closed
	busySince atomic.Int64 // when the write under way began, ns since started; 0 when there is none
	started   time.Time
	syncs     atomic.Uint64
	slowSyncs atomic.Uint64
	longest   atomic.Int64
}

// journalWork is one of: a message to append, a snapshot to note, segments to delete.
type journalWork struct {
	message  *raftpb.Message
	snapshot *walpb.Snapshot
	keepFrom uint64 // delete segments that lie wholly before this index
	done     chan error
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

func (j *journal) run() {
	defer close(j.stopped)
	var work []journalWork
	for {
		select {
		case <-j.stopping:
			// Closing writes what is buffered: states without entries, which need not be durable.
			if err := j.wal.Close(); err != nil {
				j.log.Error("closing the log", "dir", j.dir, "error", err)
			}
			return
		case <-j.in.wake:
		}
		work = j.in.take(work)
		if err := j.perform(work); err != nil {
			close(j.dead)
			j.broken(diskError(j.dir, err))
			<-j.stopping
			_ = j.wal.Close() // its error is known
			return
		}
	}
}

// perform does the work in order, appends that follow each other as one save.
func (j *journal) perform(work []journalWork) error {
	for len(work) > 0 {
		n := 0
		for n < len(work) && work[n].message != nil {
			n++
		}
		if n > 0 {
			if err := j.save(work[:n]); err != nil {
				return err
			}
			work = work[n:]
			continue
		}
		if err := j.other(work[0]); err != nil {
			return err
		}
		work = work[1:]
	}
	return nil
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
	err := j.timed(len(entries) > 0, func() error { return j.wal.Save(state, entries) })
	if err != nil {
		return err
	}
	j.saved(messages)
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
	if w.snapshot != nil {
		err = j.timed(true, func() error { return j.wal.SaveSnapshot(w.snapshot) })
	} else {
		err = j.deleteBefore(w.keepFrom)
	}
	w.done <- err
	return err
}

// timed runs one write and measures it; the raft loop watches it from outside.
func (j *journal) timed(synced bool, write func() error) error {
	began := time.Since(j.started)
	j.busySince.Store(int64(began) + 1)
	err := write()
	took := time.Since(j.started) - began
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
	return time.Since(j.started) - time.Duration(since-1)
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
