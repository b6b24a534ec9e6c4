package replica

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	"go.etcd.io/raft/v3/raftpb"

	"evenkeel/core/planted"
)

// This file takes a snapshot of the leader's. It is received as a file under another name, verified, and restored
// into a machine of its own, while the group goes on. Then the protocol decides whether it is wanted. If it is, the
// journal makes it durable together with an empty log behind it; what was in the log before is gone. The moment at
// which the old log loses its name is the moment at which the snapshot is there: a start that finds no log finishes
// what was begun, a start that finds one forgets it.

const (
	receivedSuffix = ".received"
	newLogName     = logName + newSuffix
	oldLogName     = logName + ".old"
)

// ErrReceiving: another snapshot is being received or installed. Nothing happened.
var ErrReceiving = errors.New("a snapshot is being received")

// An arrival is a snapshot that was received and verified.
type arrival[A any] struct {
	message *raftpb.Message
	path    string
	head    snapshotHead
	machine Machine[A]
	busy    *atomic.Bool // false again when it is installed or discarded
}

// discard forgets a snapshot that nobody wants.
func (a *arrival[A]) discard() {
	_ = os.Remove(a.path) // what is left is removed at the next start
	a.busy.Store(false)
}

// ReceiveSnapshot takes the snapshot that another node's Transport sends: its message, and its bytes, which are read
// here and may be left unread when the group already has what is in them. It returns when the snapshot is on disk,
// verified and handed over. Any number of goroutines may call it; one at a time is served, the others get
// ErrReceiving.
func (g *Group[A]) ReceiveSnapshot(m *raftpb.Message, r io.Reader) error {
	meta := m.GetSnapshot().GetMetadata()
	if m.GetType() != raftpb.MsgSnap || m.GetTo() != g.home.node || meta.GetIndex() == 0 {
		return fmt.Errorf("receiving a snapshot: message %v to node %d is none of this node's", m.GetType(), m.GetTo())
	}
	mending := g.loop.mends.Load() != 0
	if meta.GetIndex() <= g.loop.reports().committed && !mending {
		g.loop.in.post(loopWork[A]{received: m}) // the protocol answers how far it is
		return nil
	}
	if !g.receiving.CompareAndSwap(false, true) {
		return ErrReceiving
	}
	a := &arrival[A]{message: m, machine: g.keeper.fresh(), busy: &g.receiving}
	at := position{meta.GetIndex(), meta.GetTerm()}
	a.path = strings.TrimSuffix(snapshotPath(g.home.snapshots(), at), snapshotSuffix) + receivedSuffix
	err := g.receive(a, at, r)
	if err == nil && mending && at.index <= g.loop.reports().committed { // else it is installed in place of the log
		if err = g.keepForMending(a); err == nil {
			return nil
		}
	}
	if err != nil {
		a.discard()
		return fmt.Errorf("receiving the snapshot of group %d at index %d from node %d: %w", g.home.group, at.index,
			m.GetFrom(), err)
	}
	g.loop.in.post(loopWork[A]{arrived: a})
	return nil
}

func (g *Group[A]) receive(a *arrival[A], at position, r io.Reader) error {
	closing := func() error {
		select {
		case <-g.loop.stopped:
			return ErrClosed
		default:
			return nil
		}
	}
	if err := copySnapshot(a.path, untilClose{closing, r, nil}); err != nil {
		return err
	}
	restore := func(r io.Reader) error { return a.machine.Restore(untilClose{closing, r, nil}) }
	var err error
	if a.head, err = readSnapshot(a.path, g.home.group, restore); err != nil {
		return err
	}
	if err := a.head.charter.check(g.home.group, g.applier.features); err != nil {
		g.loop.in.post(loopWork[A]{failure: err})
		return err
	}
	if a.head.at != at {
		return fmt.Errorf("it is of index %d in term %d", a.head.at.index, a.head.at.term)
	}
	return a.head.conf.Equivalent(a.message.GetSnapshot().GetMetadata().GetConfState())
}

// copySnapshot writes what r has of one snapshot to a file, and syncs it. The head says how much that is.
func copySnapshot(path string, r io.Reader) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, fileMode)
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // synced below
	beginning := make([]byte, snapshotFixed)
	if _, err := io.ReadFull(r, beginning); err != nil {
		return err
	}
	size, err := snapshotHeadSize(beginning)
	if err != nil {
		return err
	}
	beginning = append(beginning, make([]byte, size-snapshotFixed)...)
	if _, err := io.ReadFull(r, beginning[snapshotFixed:]); err != nil {
		return err
	}
	h, _, err := decodeSnapshotHead(beginning)
	if err != nil {
		return err
	}
	if _, err := file.Write(beginning); err != nil {
		return err
	}
	buffered := bufio.NewWriterSize(file, int(min(h.bytes+1, snapshotBuffer)))
	if _, err := io.CopyN(buffered, r, int64(h.bytes)); err != nil {
		return err
	}
	if err := buffered.Flush(); err != nil {
		return err
	}
	return file.Sync()
}

// An installation replaces a group's log by a snapshot and an empty log behind it.
type installation struct {
	home     *home
	received string // the snapshot's file
	head     snapshotHead
	state    *raftpb.HardState // of the new log
}

// steps are what an installation does, in order; a crash may come after any of them, and in it.
func (i *installation) steps() []func() error {
	h := i.home
	return []func() error{
		i.makeLog,
		func() error { return renameSynced(h.log(), filepath.Join(h.dir, oldLogName)) }, // it is done
		func() error { return renameSynced(i.received, snapshotPath(h.snapshots(), i.head.at)) },
		func() error { return h.trustInstalled(i.head.at.index) },
		func() error { return renameSynced(filepath.Join(h.dir, newLogName), h.log()) },
		func() error { return os.RemoveAll(filepath.Join(h.dir, oldLogName)) },
	}
}

// makeLog makes the empty log, complete, under another name. Its first segment says by its name that nothing before
// is in it.
func (i *installation) makeLog() error {
	dir := filepath.Join(i.home.dir, newLogName)
	for _, left := range []string{dir, filepath.Join(i.home.dir, oldLogName)} {
		if err := os.RemoveAll(left); err != nil {
			return err
		}
	}
	if err := syncDir(i.home.snapshots()); err != nil { // the received file has its name
		return err
	}
	log, err := wal.Create(nil, dir, i.home.identity())
	if err != nil {
		return err
	}
	at := i.head.at
	err = log.SaveSnapshot(&walpb.Snapshot{Index: new(at.index), Term: new(at.term), ConfState: i.head.conf})
	if err == nil {
		err = log.Save(i.state, nil)
	}
	if err = errors.Join(err, log.Close()); err != nil {
		return err
	}
	segments, err := listSegments(dir)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("%016x-%016x.wal", segments[0].sequence, at.index+1)
	return renameSynced(segments[0].path, filepath.Join(dir, name))
}

// settleInstall finishes an installation whose log has lost its name, and forgets any other.
func (h *home) settleInstall() error {
	fresh := filepath.Join(h.dir, newLogName)
	received, err := filesOf(h.snapshots(), receivedSuffix)
	if err != nil {
		return err
	}
	_, err = os.Stat(h.log())
	if errors.Is(err, fs.ErrNotExist) {
		segments, err := listSegments(fresh)
		if errors.Is(err, fs.ErrNotExist) || len(segments) == 0 {
			return nil // it is not known what became of the log: the start will say so
		}
		if err != nil {
			return err
		}
		for _, path := range received {
			name := strings.TrimSuffix(path, receivedSuffix) + snapshotSuffix
			if strings.HasSuffix(name, fmt.Sprintf("-%016x%s", segments[0].first-1, snapshotSuffix)) {
				if err := renameSynced(path, name); err != nil {
					return err
				}
			}
		}
		if err := h.readDivergence(); err != nil {
			return err
		}
		if err := h.trustInstalled(segments[0].first - 1); err != nil {
			return err
		}
		if err := renameSynced(fresh, h.log()); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	for _, path := range append(received, fresh, fresh+".tmp", filepath.Join(h.dir, oldLogName)) {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	return nil
}

// renameSynced gives a file another name, durably.
func renameSynced(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return syncDir(filepath.Dir(to))
}

// install makes a snapshot durable, in place of the log.
func (j *journal) install(i *installation) error {
	if err := j.wal.Close(); err != nil {
		return err
	}
	for _, step := range i.steps() {
		if err := step(); err != nil {
			return err
		}
	}
	log, err := openJournal(j.dir, hardState{i.state.GetTerm(), i.state.GetVote(), i.state.GetCommit()})
	if err != nil {
		return err
	}
	j.wal, j.written = j.disk(log), 0
	return nil
}

// takeArrival keeps a received snapshot until advance offers it to the protocol.
func (l *loop[A]) takeArrival(a *arrival[A]) {
	if l.arrived != nil || l.installing != nil {
		a.discard() // it comes again
		return
	}
	l.arrived = a
}

// offer offers a received snapshot to the protocol. One that it wants it takes for the log at once, members and all:
// nothing may come between this and beginInstall.
func (l *loop[A]) offer() {
	if l.arrived != nil {
		l.receive(l.arrived.message)
	}
}

// beginInstall has the journal install what the protocol wants.
func (l *loop[A]) beginInstall(m *raftpb.Message) *installation {
	meta := m.GetSnapshot().GetMetadata()
	a := l.arrived
	if a == nil || a.head.at != (position{meta.GetIndex(), meta.GetTerm()}) {
		l.fail(fmt.Errorf("the protocol wants a snapshot at index %d that was not received", meta.GetIndex()))
		return nil
	}
	l.arrived, l.installing, l.restored = nil, a, a.head.at.index
	state := &raftpb.HardState{Term: new(l.term), Vote: new(l.vote), Commit: new(a.head.at.index)}
	return &installation{home: l.keeper.home, received: a.path, head: a.head, state: state}
}

// onInstalled goes on from a snapshot that is durable now.
func (l *loop[A]) onInstalled() {
	a := l.installing
	l.installing = nil
	l.memory.restart(a.head)
	l.applied, l.time = a.head.at.index, max(l.time, a.head.time)
	l.keptBytes, l.keptSize, l.keptAt = l.applier.bytes.Load(), a.head.bytes, l.now()
	if l.mending == nil && !planted.Is(planted.SnapshotNotTaken) {
		l.applier.in.post(applierWork[A]{replace: a})
	}
	l.keeper.in.post(keeperWork{installed: &a.head})
	l.log.Info("a snapshot of the leader's is installed", "group", l.group, "index", a.head.at.index)
	a.busy.Store(false)
	l.setRoster(a.head.roster)
	l.onMended(a.head.at.index)
}

// replace goes on with another machine.
func (a *applier[A]) replace(by *arrival[A]) {
	a.machine, a.time = by.machine, by.head.time
	a.beginGoverning(newClerk[A](a.home, a.features, by.head))
	if a.replaced != nil { // before anybody who waits for the index is told: they look at what follows the machine
		a.replaced(a.machine, by.head.at.index)
	}
	a.mutex.Lock()
	a.place = by.head.at
	a.mutex.Unlock()
	a.readers.reach(a.place.index)
}

// installed goes on from a snapshot that was installed.
func (k *keeper[A]) installed(h snapshotHead) {
	if h.at.index <= k.newest.at.index {
		return
	}
	k.newest, k.newestAt = h, snapshotPath(k.home.snapshots(), h.at)
	k.mutex.Lock()
	k.report = keeperReport{index: h.at.index, bytes: int64(h.bytes), at: k.now()}
	k.mutex.Unlock()
}
