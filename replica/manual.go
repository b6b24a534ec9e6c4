package replica

import (
	"os"
	"slices"
)

// A Manual is a group without goroutines and without a clock of its own: whoever holds it says when time passes and
// when each owner does what lies in its mailbox. All of it, and all methods of its Group, belong to one goroutine. Of
// the Group, what waits (Propose, Inspect, Snapshot and their like) must not be called: nobody would answer; their
// forms with a done function are for this. Options.Clock is the only time that it knows.
//
// The code is that of a group with goroutines: those call the same steps.
type Manual[A any] struct {
	group *Group[A]
	over  bool
}

// OpenManual is Open for a Manual. The errors are the same. A lone voter leads after some steps.
func OpenManual[A any](o Options[A]) (*Manual[A], error) {
	if err := o.complete(); err != nil {
		return nil, openError(err)
	}
	g, err := build(&o, o.Clock)
	if err != nil {
		return nil, err
	}
	return &Manual[A]{group: g}, nil
}

// Group is the group.
func (m *Manual[A]) Group() *Group[A] { return m.group }

// Machine is the live machine.
func (m *Manual[A]) Machine() Machine[A] { return m.group.applier.machine }

// Ballot is the term that this node is in, and for whom it voted in it, 0 for nobody. Just after OpenManual it is what
// the disk says.
func (m *Manual[A]) Ballot() (term, vote uint64) { return m.group.loop.term, m.group.loop.vote }

// Tick lets one Limits.Tick pass for the protocol and its watchdogs.
func (m *Manual[A]) Tick() {
	if m.over {
		return
	}
	m.group.loop.tick()
	m.group.loop.advance()
}

// StepLoop does what lies in the mailbox of the raft loop and the queue of commands, and reports whether there was
// anything. So do the other steps with theirs.
func (m *Manual[A]) StepLoop() bool { return !m.over && m.group.loop.step() }

// StepApplier applies entries and answers commands.
func (m *Manual[A]) StepApplier() bool { return !m.over && m.group.applier.step() }

// StepKeeper makes a snapshot, or goes on with one after the journal did its part.
func (m *Manual[A]) StepKeeper() bool { return !m.over && m.group.keeper.step() }

// StepJournal writes what lies in the journal's mailbox, at once: BeginJournal and FinishJournal.
func (m *Manual[A]) StepJournal() bool { return m.BeginJournal() && m.FinishJournal() }

// BeginJournal takes what lies in the journal's mailbox: from now on a write is under way, and a disk that hangs is
// one that is not followed by FinishJournal. It reports whether a write is under way.
func (m *Manual[A]) BeginJournal() bool { return !m.over && m.group.journal.begin() }

// FinishJournal carries out the write that BeginJournal began and reports whether there was one.
func (m *Manual[A]) FinishJournal() bool { return !m.over && m.group.journal.finish() }

// Crash drops the group as a loss of power does: what waits is never answered, what was not synced is lost. Files and
// the lock are closed, so that the directory can be opened again.
func (m *Manual[A]) Crash() error {
	if m.over {
		return nil
	}
	m.over = true
	m.group.queue.refuse(ErrClosed)
	err := dropUnsynced(m.group.home.log(), m.group.journal.wal)
	m.group.home.release()
	return err
}

// CrashInInstall is Crash in the middle of the installation of a leader's snapshot, after so many of its steps and
// what was to be written before it. It returns the snapshot's index, or 0 when no installation is under way, and then
// nothing happened.
func (m *Manual[A]) CrashInInstall(steps int) (index uint64, err error) {
	j := m.group.journal
	at := slices.IndexFunc(j.under, func(w journalWork) bool { return w.install != nil })
	if m.over || at < 0 {
		return 0, nil
	}
	i := j.under[at].install
	j.under = j.under[:at]
	j.finish()
	m.over = true
	m.group.queue.refuse(ErrClosed)
	err = j.wal.Close()
	for n, step := range i.steps() {
		if n < steps && err == nil {
			err = step()
		}
	}
	m.group.home.release()
	return i.head.at.index, err
}

// dropUnsynced closes a log and takes back what closing wrote: the log's package has no other way to close its files.
func dropUnsynced(dir string, log WriteAhead) error {
	segments, err := listSegments(dir)
	if err != nil || len(segments) == 0 {
		_ = log.Close() // its files are gone
		return err
	}
	path := segments[len(segments)-1].path
	file, err := os.OpenFile(path, os.O_RDWR, fileMode)
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // what it loses was lost
	info, err := file.Stat()
	if err != nil {
		return err
	}
	end, err := lastNonzero(file, 0, info.Size())
	if err != nil {
		return err
	}
	if err := log.Close(); err != nil {
		return err
	}
	if err := file.Truncate(end); err != nil {
		return err
	}
	return file.Truncate(info.Size())
}

// Close ends the group as Group.Close does.
func (m *Manual[A]) Close() error {
	if m.over {
		return nil
	}
	m.over = true
	g := m.group
	g.loop.end()
	for !g.applier.ended {
		g.applier.step()
	}
	close(g.keeper.stopping)
	g.keeper.end()
	g.journal.end()
	g.home.release()
	return nil
}
