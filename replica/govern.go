package replica

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"go.etcd.io/raft/v3/raftpb"
)

// newClerk begins behind a snapshot, which may be that of a new group: position zero.
func newClerk[A any](h *home, features []Feature, head snapshotHead) *clerk[A] {
	return &clerk[A]{group: h.group, node: h.node, features: features, charter: head.charter,
		commanded: head.at.index > 0 && !head.charter.young}
}

// visitPayloads turns log entries into entries for visit, and reads those of the log's own for the machine.
func (c *clerk[A]) visitPayloads(machine Machine[A], visit func(Entry) error) func(logEntry) error {
	plain := visitPayloads(c.group, func(e Entry) error {
		c.commanded = true
		return visit(e)
	})
	return func(e logEntry) error {
		if e.kind != raftpb.EntryNormal || !isControl(e.data) {
			return plain(e)
		}
		_, err := c.read(machine, e.index, e.data)
		return err
	}
}

// beginGoverning goes on with what a clerk has read so far, and makes it public.
func (a *applier[A]) beginGoverning(c *clerk[A]) {
	c.live = true
	agreed := c.charter
	a.clerk = c
	a.commanded.Store(c.commanded)
	a.charter.Store(&agreed)
}

// agreed is what the group has agreed about itself, as of the last entry applied.
func (a *applier[A]) agreed() charter { return *a.charter.Load() }

// govern reads an entry of the log's own. When this node's state is not that of most members, that is noted on disk
// before anybody hears of it: the next start must not trust what was made of this state.
func (a *applier[A]) govern(index uint64, payload []byte) error {
	f, err := a.clerk.read(a.machine, index, payload)
	var diverged *DivergedError
	switch {
	case errors.As(err, &diverged):
		return errors.Join(err, a.home.noteDivergence(diverged.Index, 0))
	case err != nil:
		return err
	case f.opinion == sameAsMost:
		err = a.home.settleDivergence(f.compared.index)
	}
	agreed := a.clerk.charter
	a.charter.Store(&agreed)
	a.found(f)
	return err
}

// A node whose state was not that of most members has a file in its directory that says at which index. Snapshots
// that were made later are not restored; the file goes when the state agrees again at that index or a later one.
const divergedName = "DIVERGED"

// noteDivergence writes the file. trusted is the index of a snapshot of the leader's, which may be restored though
// it is younger; 0: there is none.
func (h *home) noteDivergence(index, trusted uint64) error {
	h.doubt.Lock()
	defer h.doubt.Unlock()
	return h.note(index, trusted)
}

func (h *home) note(index, trusted uint64) error {
	if h.installed > index {
		trusted = max(trusted, h.installed)
	}
	err := writeSynced(filepath.Join(h.dir, divergedName), fmt.Appendf(nil, "index %d\ntrusted %d\n", index, trusted))
	if err == nil {
		err = syncDir(h.dir)
	}
	if err != nil {
		return fmt.Errorf("noting the divergence: %w", err)
	}
	h.diverged, h.trusted = index, trusted
	return nil
}

// trustInstalled: the log begins behind a snapshot of the leader's now, and there is no start but with that one.
func (h *home) trustInstalled(index uint64) error {
	h.doubt.Lock()
	defer h.doubt.Unlock()
	h.installed = index
	if h.diverged == 0 {
		return nil
	}
	return h.note(h.diverged, index)
}

// inDoubt reports whether the state has not agreed yet since it diverged.
func (h *home) inDoubt() bool {
	h.doubt.Lock()
	defer h.doubt.Unlock()
	return h.diverged != 0
}

// readDivergence takes what the file says, 0 when there is none. One that cannot be read is taken for the worst.
func (h *home) readDivergence() error {
	h.doubt.Lock()
	defer h.doubt.Unlock()
	text, err := os.ReadFile(filepath.Join(h.dir, divergedName))
	if errors.Is(err, fs.ErrNotExist) {
		h.diverged, h.trusted = 0, 0
		return nil
	}
	if err != nil {
		return fmt.Errorf("opening the group: %w", err)
	}
	n, _ := fmt.Sscanf(string(text), "index %d\ntrusted %d\n", &h.diverged, &h.trusted)
	if n != 2 || h.diverged == 0 {
		h.diverged, h.trusted = 1, 0
	}
	return nil
}

// settleDivergence forgets a divergence when the state agrees at an index.
func (h *home) settleDivergence(agreed uint64) error {
	h.doubt.Lock()
	defer h.doubt.Unlock()
	if h.diverged == 0 || agreed < h.diverged {
		return nil
	}
	if err := os.Remove(filepath.Join(h.dir, divergedName)); err != nil {
		return fmt.Errorf("forgetting the divergence: %w", err)
	}
	h.diverged, h.trusted = 0, 0
	return syncDir(h.dir)
}

// suspectSuffix marks snapshots that made another state than most members had. They are kept for who looks into it.
const suspectSuffix = ".suspect"

// setAside takes snapshots of an index and later out of use.
func (h *home) setAside(from uint64) error {
	paths, err := snapshotFiles(h.snapshots())
	if err != nil {
		return err
	}
	for _, path := range paths {
		head, err := readSnapshot(path, h.group, nil)
		if err == nil && h.trusts(head, from) {
			continue
		}
		if err := os.Rename(path, path+suspectSuffix); err != nil {
			return err
		}
	}
	return syncDir(h.snapshots())
}

// beginChores begins a term as leader.
func (l *loop[A]) beginChores() {
	c := l.chores
	c.begin()
	c.reported[l.node] = report{kind: knowsReport, numbers: numbersOf(c.features)}
	if agreed := l.applier.agreed(); !agreed.born && !l.applier.commanded.Load() {
		l.beBorn(agreed)
	}
}

// giveUp fails the group. One whose state is not that of most members is mended first; a leader gives leadership away
// before that, so that nobody has to wait for an election. Until somebody takes it commands wait.
func (l *loop[A]) giveUp(err error) {
	var diverged *DivergedError
	if !errors.As(err, &diverged) {
		l.fail(err)
		return
	}
	l.mutex.Lock()
	l.public.diverged = err.Error()
	l.mutex.Unlock()
	l.log.Error("this node's state has diverged: it stops", "group", l.group, "error", err)
	if !l.leading || l.transfer != nil {
		l.startMending(diverged, err)
		return
	}
	l.startTransfer(&transfer{now: true, done: func(error) {
		if l.failure == nil {
			l.startMending(diverged, err)
		}
	}})
}

func (l *loop[A]) memberIDs() []uint64 { return l.memory.ids() }
func (l *loop[A]) voterIDs() []uint64  { return l.memory.voters() }

// Features are what the group has agreed about features, and what its members' binaries know: as of the log, and on
// the leader as of what they said since.
func (g *Group[A]) Features() FeatureState { return g.loop.reports().features }

// Activate activates a feature on all members, at one entry of the log, and waits until that is done. A feature
// that is active stays so: from then on a binary that does not know it refuses to start. Errors:
// *RefusedFeatureError names the members in the way, ErrNotLeader, ErrActivating, ErrUnknown when leadership was
// lost meanwhile, ErrFailed, ErrClosed, ctx's (it may still be activated then).
func (g *Group[A]) Activate(ctx context.Context, number uint32) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	done := make(chan error, 1)
	g.AskActivate(number, func(err error) { done <- err })
	return g.wait(ctx, done)
}

// AskActivate is Activate without waiting: done is called from the raft loop, and must not block.
func (g *Group[A]) AskActivate(number uint32, done func(error)) {
	g.loop.in.post(loopWork[A]{order: &order{feature: Feature{Number: number}, done: done}})
}
