package replica

import (
	"fmt"

	"go.etcd.io/raft/v3/raftpb"

	"evenkeel/core/must"
)

// reform follows the changes of members among applied entries. The protocol must hear of them before it hears that
// they are applied.
func (l *loop[A]) reform(entries []*raftpb.Entry) {
	for _, e := range entries {
		if e.GetType() != raftpb.EntryConfChangeV2 {
			continue
		}
		next := l.memory.roster
		err := next.reform(logEntry{kind: e.GetType(), index: e.GetIndex(), data: e.GetData()})
		if err != nil {
			l.fail(fmt.Errorf("group %d: %w", l.group, err))
			return
		}
		c, _ := decodeChange(e.GetData()) // reform has decoded it
		conf := l.raft.ApplyConfChange(c)
		must.Hold(next.conf.Equivalent(conf) == nil, "the protocol and the log know the same members")
		l.setRoster(next)
	}
}

// setRoster makes somebody else the members.
func (l *loop[A]) setRoster(next roster) {
	l.memory.roster = next
	members := next.members()
	l.mutex.Lock()
	l.public.members = members
	l.mutex.Unlock()
	if l.membersChanged != nil {
		l.membersChanged(members)
	}
}
