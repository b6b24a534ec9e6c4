package replica

import (
	"go.etcd.io/raft/v3/raftpb"
)

// What planted bugs take more than a line for. Nothing here is called unless one is planted.

// acknowledge says that a write which is only beginning is done.
func (j *journal) acknowledge() {
	for _, w := range j.under {
		if w.message != nil && w.install == nil {
			j.saved([]*raftpb.Message{w.message})
		}
	}
}

// pretendQuorum says for another voter that it has what this leader has on its own disk.
func (l *loop[A]) pretendQuorum(own *raftpb.Message) {
	if !l.leading || own.GetType() != raftpb.MsgStorageAppendResp || own.GetIndex() == 0 {
		return
	}
	for _, voter := range l.memory.voters() {
		if voter != l.node {
			_ = l.raft.Step(&raftpb.Message{Type: raftpb.MsgAppResp.Enum(), From: new(voter), To: new(l.node),
				Term: new(l.term), Index: new(own.GetIndex())})
		}
	}
}
