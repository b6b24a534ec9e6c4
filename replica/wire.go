package replica

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
)

// This file speaks with the other members.

// send hands messages to the transport. Snapshots go their own way.
func (l *loop[A]) send(messages []*raftpb.Message) {
	plain := messages[:0]
	for _, m := range messages {
		if m.GetType() == raftpb.MsgSnap {
			l.sendSnapshot(m)
		} else {
			plain = append(plain, m)
		}
	}
	if len(plain) > 0 {
		l.transport.Send(l.group, plain)
	}
}

// sendSnapshot hands the snapshot file that a message is about to the transport: one at a time to each node.
func (l *loop[A]) sendSnapshot(m *raftpb.Message) {
	to := m.GetTo()
	if l.sending[to] {
		l.raft.ReportSnapshot(to, raft.SnapshotFailure) // the one before it is still on its way
		return
	}
	l.sending[to] = true
	meta := m.GetSnapshot().GetMetadata()
	path := snapshotPath(l.keeper.home.snapshots(), position{meta.GetIndex(), meta.GetTerm()})
	open := func() (io.ReadCloser, int64, error) {
		file, err := os.Open(path)
		if err != nil {
			return nil, 0, err
		}
		info, err := file.Stat()
		if err != nil {
			return nil, 0, errors.Join(err, file.Close())
		}
		return file, info.Size(), nil
	}
	l.transport.SendSnapshot(l.group, m, open, func(err error) { l.in.post(loopWork[A]{sent: m, err: err}) })
}

// onSent tells the protocol how sending a snapshot ended.
func (l *loop[A]) onSent(m *raftpb.Message, err error) {
	delete(l.sending, m.GetTo())
	status := raft.SnapshotFinish
	if err != nil {
		status = raft.SnapshotFailure
		l.log.Warn("sending a snapshot", "group", l.group, "to", m.GetTo(), "error", err)
	}
	l.raft.ReportSnapshot(m.GetTo(), status)
}

// receive takes a message of another node. One that does not fit is ignored, as if it had been lost.
func (l *loop[A]) receive(m *raftpb.Message) {
	if (l.hung || l.mending != nil) && m.GetType() == raftpb.MsgTimeoutNow {
		return // a node whose disk hangs must not lead, nor one whose state is wrong
	}
	switch {
	case tellsRemoved(m):
		l.fail(removedError(l.node, l.group))
	case l.memory.wasRemoved(m.GetFrom()):
		l.tellRemoved(m.GetFrom())
	case m.GetType() == raftpb.MsgApp && m.GetIndex() == 0 && len(l.memory.ids()) == 0:
		// A log from its first entry does not say who the members were: a snapshot will.
	case m.GetType() == raftpb.MsgApp && len(m.GetEntries()) > 0 && l.memory.full(l.limits):
		// The machine does not keep up: the leader sends again what is lost.
	case m.GetType() == raftpb.MsgHeartbeat && m.GetTerm() >= l.term && m.GetCommit() > l.memory.end():
		l.fail(fmt.Errorf("%w: node %d of group %d once had entries up to index %d, and has them up to %d; a node that forgets "+
			"what it voted for and acknowledged is a danger to the others: remove it, and add the machine under an id that "+
			"was never used", ErrLogLost, l.node, l.group, m.GetCommit(), l.memory.end()))
	default:
		l.heard[m.GetFrom()] = l.beat
		_ = l.raft.Step(m)
	}
}

// observe notes how far the others are, and which entries those who are up will soon ask for.
func (l *loop[A]) observe() {
	var followers []Follower
	l.pin = math.MaxUint64
	if l.leading {
		l.raft.WithProgress(func(id uint64, kind raft.ProgressType, p tracker.Progress) {
			if id == l.node {
				return
			}
			follower := Follower{Node: id, Learner: kind == raft.ProgressTypeLearner, Match: p.Match,
				Active: l.hears(id), Snapshot: p.State == tracker.StateSnapshot}
			followers = append(followers, follower)
			has := p.Match
			if follower.Snapshot {
				has = p.PendingSnapshot
			}
			if follower.Active && has+1 >= l.memory.first {
				l.pin = min(l.pin, has)
			}
		})
	}
	l.mutex.Lock()
	l.public.followers = followers
	l.mutex.Unlock()
}
