package replica

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"

	"evenkeel/core/must"
)

// A Change of members. All of it happens at once, by joint consensus when votes change: until both the voters before
// and those after agree, both must.
type Change struct {
	Add     []Member // new members, which begin as learners, under ids that were never used
	Promote []uint64 // learners that become voters; they must have nearly all of the log
	Remove  []uint64 // members that go, for good
}

// Errors of Change. It may also fail with ErrNotLeader, ErrFailed, ErrClosed (nothing happened), and ErrUnknown.
var (
	// ErrChanging: a change of members or of leadership is under way, or this leader is not ready. Nothing happened.
	ErrChanging = errors.New("members cannot be changed at the moment")
	// ErrUsedID: a node id is never used twice. Nothing happened.
	ErrUsedID = errors.New("node id was used before")
	// ErrBehind: a learner has too little of the log to vote. Nothing happened; it catches up by itself.
	ErrBehind = errors.New("learner is too far behind to vote")
	// ErrNoQuorum: too few of the voters after the change are up. Nothing happened.
	ErrNoQuorum = errors.New("too few voters would be up")
	// ErrBadChange: the change makes no sense. Nothing happened.
	ErrBadChange = errors.New("members cannot be changed so")
	// ErrRemoved: this node was removed from the group. Its directory is of no more use: a node id is never used twice.
	ErrRemoved = errors.New("node was removed from its group")
)

// Change changes the members and waits until that is done. The leader alone can.
func (g *Group[A]) Change(ctx context.Context, c Change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	done := make(chan error, 1)
	g.AskChange(c, func(err error) { done <- err })
	return g.wait(ctx, done)
}

// AskChange is Change without waiting: done is called from the raft loop, and must not block; it is never called when
// the group is closed.
func (g *Group[A]) AskChange(c Change, done func(error)) {
	g.loop.in.post(loopWork[A]{change: &change{Change: c, done: done}})
}

// A change is one that the raft loop carries out.
type change struct {
	Change
	done    func(error)
	message *raftpb.ConfChangeV2
	leaves  bool   // the leader itself goes: what is in flight is waited for, and nothing else proposed
	begun   bool   // it was proposed
	ticks   int    // since it was asked
	index   uint64 // where it came to lie, 0 while that is not known
	entered bool   // it is applied: what may follow comes by itself
}

// promoteLag is how many entries a learner may lack to be made a voter.
const promoteLag = 128

// startChange checks a change and makes it the one under way.
func (l *loop[A]) startChange(c *change) {
	var err error
	switch {
	case !l.leading:
		err = ErrNotLeader
	case !l.isReady || l.change != nil || l.transfer != nil || l.memory.joint():
		err = ErrChanging
	case len(c.Add) > 0 && l.chores.pending(activateControl): // who comes now would not have been asked
		err = ErrChanging
	default:
		err = l.checkChange(c)
	}
	if err != nil {
		c.done(err)
		return
	}
	l.change = c
}

// checkChange says what is wrong with a change, and makes its message.
func (l *loop[A]) checkChange(c *change) error {
	m := &raftpb.ConfChangeV2{Context: encodeMembers(c.Add)}
	single := func(kind raftpb.ConfChangeType, id uint64) {
		m.Changes = append(m.Changes, &raftpb.ConfChangeSingle{Type: kind.Enum(), NodeId: new(id)})
	}
	seen := map[uint64]bool{}
	twice := func(id uint64) error {
		if seen[id] {
			return fmt.Errorf("%w: node %d is named twice", ErrBadChange, id)
		}
		seen[id] = true
		return nil
	}
	ids, voters := l.memory.ids(), l.memory.voters()
	for _, added := range c.Add {
		if err := errors.Join(twice(added.ID), l.checkNew(added, ids)); err != nil {
			return err
		}
		single(raftpb.ConfChangeAddLearnerNode, added.ID)
	}
	for _, id := range c.Promote {
		if err := errors.Join(twice(id), l.checkLearner(id)); err != nil {
			return err
		}
		single(raftpb.ConfChangeAddNode, id)
	}
	votes := len(c.Promote) > 0
	for _, id := range c.Remove {
		if err := twice(id); err != nil {
			return err
		}
		if !slices.Contains(ids, id) {
			return fmt.Errorf("%w: node %d is not a member", ErrBadChange, id)
		}
		votes = votes || slices.Contains(voters, id)
		c.leaves = c.leaves || id == l.node
		single(raftpb.ConfChangeRemoveNode, id)
	}
	if len(m.Changes) == 0 {
		return fmt.Errorf("%w: it changes nothing", ErrBadChange)
	}
	if votes {
		m.Transition = raftpb.ConfChangeTransitionJointImplicit.Enum()
	}
	next, err := l.memory.after(m)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrBadChange, err)
	}
	if len(next.ids()) > maxMembers {
		return fmt.Errorf("%w: %d members are more than %d", ErrBadChange, len(next.ids()), maxMembers)
	}
	c.message = m
	return l.checkQuorum(next.conf.GetVoters())
}

func (l *loop[A]) checkNew(m Member, ids []uint64) error {
	switch {
	case m.ID == 0 || m.ID >= maxNode:
		return fmt.Errorf("%w: id %d: ids begin at 1 and are less than %d", ErrBadChange, m.ID, uint64(maxNode))
	case slices.Contains(ids, m.ID):
		return fmt.Errorf("%w: node %d is a member", ErrUsedID, m.ID)
	case l.memory.wasRemoved(m.ID):
		return fmt.Errorf("%w: node %d was removed from group %d; give the new node another id", ErrUsedID, m.ID, l.group)
	}
	if err := checkAddress(m); err != nil {
		return fmt.Errorf("%w: %w", ErrBadChange, err)
	}
	return nil
}

// checkLearner says why a node cannot be made a voter.
func (l *loop[A]) checkLearner(id uint64) (err error) {
	err = fmt.Errorf("%w: node %d is not a learner", ErrBadChange, id)
	l.raft.WithProgress(func(node uint64, kind raft.ProgressType, p tracker.Progress) {
		switch {
		case node != id || kind != raft.ProgressTypeLearner:
		case !l.hears(id) || p.Match == 0:
			err = fmt.Errorf("%w: node %d is not heard of", ErrBehind, id)
		case p.Match+promoteLag < l.committed:
			err = fmt.Errorf("%w: node %d has the log up to index %d of %d", ErrBehind, id, p.Match, l.committed)
		default:
			err = nil
		}
	})
	return err
}

// checkQuorum refuses voters of which too few are up: the change could begin and not end.
func (l *loop[A]) checkQuorum(voters []uint64) error {
	up := 0
	l.raft.WithProgress(func(id uint64, _ raft.ProgressType, _ tracker.Progress) {
		if slices.Contains(voters, id) && (id == l.node || l.hears(id)) {
			up++
		}
	})
	if up <= len(voters)/2 {
		return fmt.Errorf("%w: of the %d voters after it %d are up", ErrNoQuorum, len(voters), up)
	}
	return nil
}

// beginChange proposes the change under way when it may be. It reports whether it did.
func (l *loop[A]) beginChange() bool {
	c := l.change
	if c == nil || c.begun || c.leaves && l.inFlight > 0 && c.ticks < drainTicks {
		return false
	}
	c.begun = true
	if err := l.raft.ProposeConfChange(c.message); err != nil {
		l.endChange(ErrNotLeader)
	}
	return true
}

// placeChange notes where the change under way came to lie: it is the next entry of its kind. The protocol puts an
// empty entry in the place of a change that it refuses.
func (l *loop[A]) placeChange(e *raftpb.Entry) {
	c := l.change
	if c == nil || !c.begun || c.index != 0 || e.GetTerm() != l.term {
		return
	}
	if e.GetType() != raftpb.EntryConfChangeV2 {
		l.endChange(ErrChanging)
		return
	}
	c.index = e.GetIndex()
}

func (l *loop[A]) endChange(err error) {
	c := l.change
	l.change = nil
	c.done(err)
}

// loseChange answers a change when leadership is lost: once it is applied, what is left comes by itself.
func (l *loop[A]) loseChange() {
	if c := l.change; c != nil && c.entered {
		l.endChange(nil)
	} else if c != nil {
		l.endChange(ErrUnknown)
	}
}

// tickChange sees to it that a joint change ends: the protocol proposes its end once, and not while leadership is on
// its way.
func (l *loop[A]) tickChange() {
	if l.change != nil {
		l.change.ticks++
	}
	if !l.leading || !l.isReady || !l.memory.joint() || l.transfer != nil {
		l.jointTicks = 0
		return
	}
	if l.jointTicks++; l.jointTicks%electionTicks == 0 {
		_ = l.raft.ProposeConfChange(&raftpb.ConfChangeV2{}) // again in a while
	}
}

// reform follows the changes of members among applied entries. The protocol must hear of them before it hears that
// they are applied; from the moment at which it takes a snapshot it knows the members of that, and entries before it
// that are still being applied must not be told it.
func (l *loop[A]) reform(entries []*raftpb.Entry) {
	for _, e := range entries {
		if e.GetType() != raftpb.EntryConfChangeV2 || e.GetIndex() <= l.applied {
			continue
		}
		next := l.memory.roster
		err := next.reform(logEntry{kind: e.GetType(), index: e.GetIndex(), data: e.GetData()})
		if err != nil {
			l.fail(fmt.Errorf("group %d: %w", l.group, err))
			return
		}
		told := e.GetIndex() > l.restored
		if told {
			c, _ := decodeChange(e.GetData()) // reform has decoded it
			conf := l.raft.ApplyConfChange(c)
			must.Hold(next.conf.Equivalent(conf) == nil, "the protocol and the log know the same members")
		}
		l.setRoster(next)
		// That it is agreed must be durable: a node that lost its last fellow could not ask anybody after a restart.
		l.journal.in.post(journalWork{sync: true})
		if c := l.change; c != nil && c.index == e.GetIndex() {
			c.entered = true
		}
		if l.failure == nil && told {
			l.reformed()
		}
	}
}

// reformed goes on after a change was applied: a leader that goes gives leadership away first.
func (l *loop[A]) reformed() {
	if !l.memory.joint() {
		if c := l.change; c != nil && c.entered {
			l.endChange(nil)
		}
		return
	}
	if l.leading && l.transfer == nil && !slices.Contains(l.memory.conf.GetVoters(), l.node) {
		l.startTransfer(&transfer{now: true, done: func(err error) {
			if err != nil {
				l.log.Warn("giving leadership away before leaving", "group", l.group, "error", err)
			}
		}})
		l.beginTransfer()
	}
}

// setRoster makes somebody else the members.
func (l *loop[A]) setRoster(next roster) {
	l.memory.roster = next
	members := next.members()
	l.mutex.Lock()
	l.public.members, l.public.removed = members, next.removed
	l.mutex.Unlock()
	if l.membersChanged != nil {
		l.membersChanged(members)
	}
	if next.wasRemoved(l.node) {
		l.fail(removedError(l.node, l.group))
	}
}

func removedError(node, group uint64) error {
	return fmt.Errorf("%w: node %d of group %d; stop it and move its directory away; to have the machine back, add it "+
		"under an id that was never used", ErrRemoved, node, group)
}

// A member that was removed may not have heard of it: the others no longer tell it anything. When it asks for votes
// it is told by a message that the protocol itself never sends.
var removedContext = []byte("removed")

func (l *loop[A]) tellRemoved(node uint64) {
	l.transport.Send(l.group, []*raftpb.Message{{Type: raftpb.MsgUnreachable.Enum(), To: new(node), From: new(l.node),
		Context: removedContext}})
}

func tellsRemoved(m *raftpb.Message) bool {
	return m.GetType() == raftpb.MsgUnreachable && bytes.Equal(m.GetContext(), removedContext)
}
