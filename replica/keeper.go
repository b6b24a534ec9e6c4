package replica

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"sync"
	"time"

	"go.etcd.io/etcd/server/v3/storage/wal/walpb"

	"evenkeel/core/planted"
)

// A keeper makes snapshots, one at a time, each on a machine of its own: the newest snapshot on disk is restored, the
// log behind it is replayed from disk up to the mark, the state is compared with the live machine's, and written. Then
// the journal notes it, and drops what is no longer needed, and the keeper hears of it by its mailbox.
type keeper[A any] struct {
	home     *home
	fresh    func() Machine[A]
	features []Feature // that this binary knows
	in       *mailbox[keeperWork]
	journal  *journal
	limits   Limits
	dropLog  bool
	log      *slog.Logger
	now      func() time.Time
	finished func(at mark, err error) // called after each try
	stopping chan struct{}
	stopped  chan struct{}
	newest   snapshotHead // of the newest snapshot on disk; index 0 when there is none
	newestAt string       // its path
	waiting  []mark       // not yet made
	noting   *noting      // what the journal does for the snapshot under way, nil when it does nothing
	mutex    sync.Mutex
	report   keeperReport
}

// keeperWork is one of: where to make a snapshot, one of the leader's that was installed, what the journal says of
// what it was asked.
type keeperWork struct {
	mark      *mark
	installed *snapshotHead
	noted     bool
	err       error
}

// A noting is a snapshot that is written, while the journal does what goes with it.
type noting struct {
	mark
	began time.Time
	then  func() (more bool, err error) // after the journal's answer; more says that it was asked again
}

// A keeperReport is what others may know of snapshots.
type keeperReport struct {
	index  uint64
	bytes  int64
	at     time.Time
	took   time.Duration
	failed string
}

// run is the keeper's goroutine.
func (k *keeper[A]) run() {
	for {
		for k.closing() == nil && k.step() {
		}
		select {
		case <-k.stopping:
			k.end()
			return
		case <-k.in.wake:
		}
	}
}

// end refuses what waits.
func (k *keeper[A]) end() {
	if k.noting != nil {
		k.settle(k.noting.mark, k.noting.began, ErrClosed)
	}
	for _, w := range k.in.take(nil) {
		if w.mark != nil {
			k.waiting = append(k.waiting, *w.mark)
		}
	}
	for _, m := range k.waiting {
		m.tell(ErrClosed)
	}
	close(k.stopped)
}

// step does the next thing that can be done and reports whether there was any.
func (k *keeper[A]) step() bool {
	for _, w := range k.in.take(nil) {
		if w.mark != nil {
			k.waiting = append(k.waiting, *w.mark)
		} else if w.installed != nil {
			k.installed(*w.installed)
		} else if w.noted {
			k.noted(w.err)
		}
	}
	if k.noting != nil || len(k.waiting) == 0 {
		return false
	}
	m := k.waiting[0]
	k.waiting = k.waiting[1:]
	began := k.now()
	more, err := k.keep(m, began)
	if !more {
		k.settle(m, began, err)
	}
	return true
}

// noted goes on after the journal's answer.
func (k *keeper[A]) noted(err error) {
	n := k.noting
	k.noting = nil
	more := false
	if err == nil && n.then != nil {
		more, err = n.then()
	}
	if !more {
		k.settle(n.mark, n.began, err)
	}
}

// settle tells everybody how a try went.
func (k *keeper[A]) settle(m mark, began time.Time, err error) {
	if err != nil && k.closing() != nil && !errors.Is(err, ErrClosed) {
		err = fmt.Errorf("%w: %w", ErrClosed, err) // a machine may have told it in its own words
	}
	k.account(m, err, k.now().Sub(began))
	m.size = k.newest.bytes
	k.finished(m, err)
	m.tell(err)
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
		k.report = keeperReport{index: k.newest.at.index, bytes: int64(k.newest.bytes), at: k.now(), took: took}
	}
}

var errInDoubt = errors.New("this node's state has not agreed with that of most members since it diverged")

// keep makes the snapshot of a mark, unless there is one of it or of something later; more says that the journal was
// asked to do its part.
func (k *keeper[A]) keep(m mark, began time.Time) (more bool, err error) {
	if m.at.index <= k.newest.at.index {
		return false, nil
	}
	if k.home.inDoubt() {
		return false, errInDoubt // it would not be restored, and would push out one that is
	}
	shadow, agreed, err := k.shadow(m.at)
	if err != nil {
		return false, err
	}
	if h, ok := shadow.(Hasher); ok && m.hashed {
		if hash := h.Hash(); hash != m.hash {
			return false, &DivergedError{Index: m.at.index, Live: m.hash, Shadow: hash}
		}
	}
	head := snapshotHead{group: k.home.group, at: m.at, time: m.time, roster: m.roster, charter: agreed}
	if planted.Is(planted.SnapshotLacksMembers) && k.newest.at.index > 0 {
		head.roster = k.newest.roster
	}
	write := func(w io.Writer) error { return shadow.Snapshot(untilClose{k.closing, nil, w}) }
	if head, err = writeSnapshot(k.home.snapshots(), head, write); err != nil {
		return false, fmt.Errorf("writing a snapshot to %s: %w", k.home.snapshots(), err)
	}
	k.newest, k.newestAt = head, snapshotPath(k.home.snapshots(), m.at)
	note := journalWork{snapshot: &walpb.Snapshot{Index: new(m.at.index), Term: new(m.at.term),
		ConfState: head.conf}}
	k.note(note, noting{mark: m, began: began, then: func() (bool, error) { return k.prune(m, began) }})
	return true, nil
}

// shadow makes a machine with the state at a position, from disk alone, and what the group had agreed there.
func (k *keeper[A]) shadow(at position) (Machine[A], charter, error) {
	machine := k.fresh()
	if k.newestAt != "" {
		read := func(r io.Reader) error { return machine.Restore(untilClose{k.closing, r, nil}) }
		if _, err := readSnapshot(k.newestAt, k.home.group, read); err != nil {
			return nil, charter{}, err
		}
	}
	reader, err := openCommitted(k.home.log(), k.home.identity(), k.newest.at)
	if err != nil {
		return nil, charter{}, err
	}
	defer reader.close()
	var answers []A
	c := newClerk[A](k.home, k.features, k.newest)
	visit := c.visitPayloads(machine, func(e Entry) error {
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
		return nil, charter{}, err
	}
	if reader.after != at.index {
		return nil, charter{}, &CorruptError{File: reader.tail.path, Offset: reader.tail.offset,
			Cause: fmt.Errorf("%w: the log ends at index %d, applied is %d", io.ErrUnexpectedEOF, reader.after, at.index)}
	}
	return machine, c.charter, nil
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

// note has the journal do something; noted goes on from there.
func (k *keeper[A]) note(w journalWork, n noting) {
	k.noting = &n
	w.done = func(err error) { k.in.post(keeperWork{noted: true, err: err}) }
	k.journal.in.post(w)
}

// prune deletes the snapshots that are too many and, when that is wanted, has the journal delete the log behind the
// oldest that stays.
func (k *keeper[A]) prune(m mark, began time.Time) (more bool, err error) {
	paths, err := snapshotFiles(k.home.snapshots())
	if err != nil {
		return false, err
	}
	for len(paths) > k.limits.SnapshotsKept {
		last := len(paths) - 1
		if err := os.Remove(paths[last]); err != nil {
			return false, err
		}
		paths = paths[:last]
	}
	if !k.dropLog {
		return false, nil
	}
	oldest, err := readSnapshot(paths[len(paths)-1], k.home.group, nil)
	if err != nil {
		return false, err
	}
	keepFrom := oldest.at.index + 1
	if planted.Is(planted.DropLogTooEarly) {
		keepFrom = math.MaxUint64
	}
	k.note(journalWork{keepFrom: keepFrom}, noting{mark: m, began: began})
	return true, nil
}

func (k *keeper[A]) reports() keeperReport {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	return k.report
}
