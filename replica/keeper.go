package replica

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
)

// A keeper makes snapshots, one at a time, each on a machine of its own: the newest snapshot on disk is restored, the
// log behind it is replayed from disk up to the mark, the state is compared with the live machine's, and written.
type keeper[A any] struct {
	home     *home
	fresh    func() Machine[A]
	in       *mailbox[mark]
	journal  *journal
	limits   Limits
	dropLog  bool
	log      *slog.Logger
	finished func(at mark, err error) // called after each try
	stopping chan struct{}
	stopped  chan struct{}
	newest   snapshotHead // of the newest snapshot on disk; index 0 when there is none
	newestAt string       // its path
	mutex    sync.Mutex
	report   keeperReport
}

// A keeperReport is what others may know of snapshots.
type keeperReport struct {
	index  uint64
	bytes  int64
	at     time.Time
	took   time.Duration
	failed string
}

func (k *keeper[A]) run() {
	defer close(k.stopped)
	var marks []mark
	for {
		select {
		case <-k.stopping:
			for _, m := range k.in.take(nil) {
				m.tell(ErrClosed)
			}
			return
		case <-k.in.wake:
		}
		marks = k.in.take(marks)
		for _, m := range marks {
			began := time.Now()
			err := k.keep(m)
			if err != nil && k.closing() != nil && !errors.Is(err, ErrClosed) {
				err = fmt.Errorf("%w: %w", ErrClosed, err) // a machine may have told it in its own words
			}
			k.account(m, err, time.Since(began))
			k.finished(m, err)
			m.tell(err)
		}
	}
}

func (k *keeper[A]) account(m mark, err error, took time.Duration) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	k.report.failed = ""
	if err != nil {
		k.report.failed = err.Error()
		if !errors.Is(err, ErrClosed) {
			k.log.Error("making a snapshot", "group", k.home.group, "index", m.at.index, "error", err)
		}
		return
	}
	if k.report.index != k.newest.at.index {
		k.report = keeperReport{index: k.newest.at.index, bytes: int64(k.newest.bytes), at: time.Now(), took: took}
	}
}

// keep makes the snapshot of a mark, unless there is one of it or of something later.
func (k *keeper[A]) keep(m mark) error {
	if m.at.index <= k.newest.at.index {
		return nil
	}
	if len(m.members.GetVotersOutgoing()) > 0 || len(m.members.GetLearnersNext()) > 0 {
		return fmt.Errorf("the group is changing its members at index %d; the snapshot waits until that is done", m.at.index)
	}
	shadow, err := k.shadow(m.at)
	if err != nil {
		return err
	}
	if h, ok := shadow.(Hasher); ok && m.hashed {
		if hash := h.Hash(); hash != m.hash {
			return &DivergedError{Index: m.at.index, Live: m.hash, Shadow: hash}
		}
	}
	head := snapshotHead{group: k.home.group, at: m.at, time: m.time, voters: m.members.GetVoters(),
		learners: m.members.GetLearners()}
	write := func(w io.Writer) error { return shadow.Snapshot(untilClose{k.closing, nil, w}) }
	if head, err = writeSnapshot(k.home.snapshots(), head, write); err != nil {
		return fmt.Errorf("writing a snapshot to %s: %w", k.home.snapshots(), err)
	}
	k.newest, k.newestAt = head, snapshotPath(k.home.snapshots(), m.at)
	err = k.note(journalWork{snapshot: &walpb.Snapshot{Index: new(m.at.index), Term: new(m.at.term),
		ConfState: head.members()}})
	if err != nil {
		return err
	}
	return k.prune()
}

// shadow makes a machine with the state at a position, from disk alone.
func (k *keeper[A]) shadow(at position) (Machine[A], error) {
	machine := k.fresh()
	if k.newestAt != "" {
		read := func(r io.Reader) error { return machine.Restore(untilClose{k.closing, r, nil}) }
		if _, err := readSnapshot(k.newestAt, k.home.group, read); err != nil {
			return nil, err
		}
	}
	reader, err := openCommitted(k.home.log(), k.home.identity(), k.newest.at)
	if err != nil {
		return nil, err
	}
	defer reader.close()
	var answers []A
	visit := visitPayloads(k.home.group, func(e Entry) error {
		if err := k.closing(); err != nil {
			return err
		}
		if len(answers) < len(e.Commands) {
			answers = make([]A, max(len(e.Commands), k.limits.EntryCommands))
		}
		clear(answers[:len(e.Commands)])
		machine.Apply(e, answers[:len(e.Commands)])
		return nil
	})
	if err := reader.read(at, visit); err != nil {
		return nil, err
	}
	if reader.after != at.index {
		return nil, &CorruptError{File: reader.tail.path, Offset: reader.tail.offset,
			Cause: fmt.Errorf("%w: the log ends at index %d, applied is %d", io.ErrUnexpectedEOF, reader.after, at.index)}
	}
	return machine, nil
}

// closing is ErrClosed when the group closes: what is under way is given up.
func (k *keeper[A]) closing() error {
	select {
	case <-k.stopping:
		return ErrClosed
	default:
		return nil
	}
}

// An untilClose reads or writes until the group closes.
type untilClose struct {
	closing func() error
	from    io.Reader
	to      io.Writer
}

func (u untilClose) Read(p []byte) (int, error) {
	if err := u.closing(); err != nil {
		return 0, err
	}
	return u.from.Read(p)
}

func (u untilClose) Write(p []byte) (int, error) {
	if err := u.closing(); err != nil {
		return 0, err
	}
	return u.to.Write(p)
}

// note has the journal do something and waits for it.
func (k *keeper[A]) note(w journalWork) error {
	w.done = make(chan error, 1)
	k.journal.in.post(w)
	select {
	case err := <-w.done:
		return err
	case <-k.journal.dead:
		return ErrFailed
	case <-k.stopping:
		return ErrClosed
	}
}

// prune deletes the snapshots that are too many and, when that is wanted, the log behind the oldest that stays.
func (k *keeper[A]) prune() error {
	paths, err := snapshotFiles(k.home.snapshots())
	if err != nil {
		return err
	}
	for len(paths) > k.limits.SnapshotsKept {
		last := len(paths) - 1
		if err := os.Remove(paths[last]); err != nil {
			return err
		}
		paths = paths[:last]
	}
	if !k.dropLog {
		return nil
	}
	oldest, err := readSnapshot(paths[len(paths)-1], k.home.group, nil)
	if err != nil {
		return err
	}
	return k.note(journalWork{keepFrom: oldest.at.index + 1})
}

func (k *keeper[A]) reports() keeperReport {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	return k.report
}
