package replica

import (
	"errors"
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// build locks and recovers the directory of a group and makes its owners, none of which runs yet. now is what
// durations are measured by.
func build[A any](o *Options[A], now func() time.Time) (*Group[A], error) {
	h, err := openHome(o.Dir, o.Group, o.Node, o.Members, true)
	if err != nil {
		return nil, err
	}
	if err := h.settleInstall(); err != nil {
		h.release()
		return nil, openError(err)
	}
	g, err := buildIn(h, o, now)
	if err != nil {
		h.release()
		return nil, err
	}
	return g, nil
}

func buildIn[A any](h *home, o *Options[A], now func() time.Time) (*Group[A], error) {
	r := &recovery[A]{home: h, options: o}
	if err := r.recover(); err != nil {
		return nil, err
	}
	if r.memory.wasRemoved(o.Node) {
		return nil, removedError(o.Node, o.Group)
	}
	log, err := openJournal(h.log(), r.state)
	if err != nil {
		return nil, err
	}
	node, err := raft.NewRawNode(protocolConfig(o.Node, r.memory, r.applied.index, o.Limits, o.Log))
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	last, err := r.memory.LastIndex()
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	g := &Group[A]{home: h, limits: o.Limits, queue: newQueue[A](o.Limits)}
	g.connect(o, r, node, log, now)
	g.loop.public.durable = last
	g.loop.showKnowledge()
	g.start = Status{Group: o.Group, Node: o.Node, StartReplayed: r.replayed, StartCut: r.cut, StartTook: r.took}
	r.logStart(o.Log)
	g.loop.public.members, g.loop.public.removed = r.memory.members(), r.memory.removed
	if g.lone = r.memory.alone(o.Node); g.lone { // nobody else could be elected: do not wait for the election timeout
		if err := node.Campaign(); err != nil {
			return nil, errors.Join(err, log.Close())
		}
	}
	return g, nil
}

// connect makes the owners and the mailboxes between them.
func (g *Group[A]) connect(o *Options[A], r *recovery[A], node *raft.RawNode, log WriteAhead, now func() time.Time) {
	in := newMailbox[loopWork[A]]()
	g.journal = &journal{
		dir: g.home.log(), wal: o.Disk(log), disk: o.Disk, in: newMailbox[journalWork](), slow: o.Limits.SlowSync,
		log: o.Log, stopping: make(chan struct{}), stopped: make(chan struct{}), now: now, started: now(),
		saved:  func(messages []*raftpb.Message) { in.post(loopWork[A]{saved: messages}) },
		broken: func(err error) { in.post(loopWork[A]{failure: err}) },
	}
	_, hashes := r.machine.(Hasher)
	g.applier = &applier[A]{
		group: o.Group, machine: r.machine, in: newMailbox[applierWork[A]](), recycle: g.queue.recycle,
		stopped: make(chan struct{}), time: r.applying, place: r.applied,
		applied:  func(w appliedWork) { in.post(loopWork[A]{applied: &w}) },
		replaced: o.Replaced,
		marked:   func(m mark) { in.post(loopWork[A]{mark: &m}) },
		broken:   func(err error) { in.post(loopWork[A]{failure: err}) },
		home:     g.home, features: o.Features,
		hashes: hashes, scheme: schemeOf(r.machine), found: func(f finding) { in.post(loopWork[A]{found: &f}) },
	}
	g.applier.beginGoverning(r.clerk)
	g.applier.bytes.Store(r.grown)
	g.applier.readers.applied = r.applied.index
	g.keeper = &keeper[A]{
		home: g.home, fresh: o.New, features: o.Features, in: newMailbox[keeperWork](), journal: g.journal, limits: o.Limits,
		dropLog: o.DropOldLog, log: o.Log, now: now, stopping: make(chan struct{}), stopped: make(chan struct{}),
		newest: r.head, newestAt: r.headPath,
		report:   keeperReport{index: r.head.at.index, bytes: int64(r.head.bytes)},
		finished: func(m mark, err error) { in.post(loopWork[A]{kept: &m, err: err}) },
	}
	g.loop = &loop[A]{
		group: o.Group, node: o.Node, raft: node, memory: r.memory, queue: g.queue, journal: g.journal,
		applier: g.applier, keeper: g.keeper, transport: o.Transport, limits: o.Limits, clock: o.Clock, now: now,
		log: o.Log, in: in, stopping: make(chan struct{}), stopped: make(chan struct{}), ready: make(chan struct{}),
		failures: make(chan error, 1), term: r.state.term, vote: r.state.vote, time: r.time,
		applied: r.applied.index, keptSize: r.head.bytes, keptAt: now(),
		committed: r.state.commit, led: o.Led, membersChanged: o.MembersChanged, fresh: newFresh(),
		sending: map[uint64]bool{}, heard: map[uint64]int{},
		chores: newChores(o.Features),
	}
}
