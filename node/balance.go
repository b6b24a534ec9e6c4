package node

import (
	"context"
	"slices"
	"time"

	"evenkeel/replica"
)

// Limits of spreading leaderships over the nodes.
const (
	balanceLook = time.Second
	// BalanceAfter is how long a leadership and the node that it is to go to must have been well, and how long there
	// is at least between two transfers of one shard. A transfer takes milliseconds, in which orders of the shard
	// wait.
	BalanceAfter = 30 * time.Second
	// balanceLag is how many entries the node may lack that leadership goes to.
	balanceLag = 1024
)

// preferred is the voter that leads a shard when all are well: they take turns, in order.
func preferred(shard uint16, members []replica.Member) uint64 {
	var voters []uint64
	for _, m := range members {
		if !m.Learner {
			voters = append(voters, m.ID)
		}
	}
	if len(voters) == 0 {
		return 0
	}
	slices.Sort(voters)
	return voters[int(shard)%len(voters)]
}

// balance gives leaderships of this node back to the nodes that are to have them, for as long as the node runs.
func (n *Node) balance(running context.Context) {
	moved := make([]time.Time, len(n.shards)) // when a leadership came here, or was offered
	led := make([]bool, len(n.shards))
	for pause(running, balanceLook) {
		for i, s := range n.shards {
			leads := s.leads()
			if leads != led[i] {
				led[i], moved[i] = leads, time.Now()
			}
			to := preferred(s.number, s.group.Members())
			if !leads || to == 0 || to == n.config.Node || n.draining.Load() || time.Since(moved[i]) < BalanceAfter {
				continue
			}
			if !s.canLead(running, to) {
				continue
			}
			moved[i] = time.Now()
			ctx, cancel := context.WithTimeout(running, operateTime)
			err := s.group.Transfer(ctx, to)
			cancel()
			n.log.Info("leadership goes to the node that is to have it", "shard", s.number, "node", to, "error", err)
		}
	}
}

// canLead reports whether all members are well, and a node is ready to lead the shard.
func (s *shard) canLead(ctx context.Context, to uint64) bool {
	status := s.group.Status()
	near := false
	for _, f := range status.Followers {
		if !f.Active || f.Snapshot {
			return false
		}
		near = near || f.Node == to && f.Match+balanceLag >= status.Committed
	}
	if !near {
		return false
	}
	standing, err := s.node.standingOf(ctx, to)
	return err == nil && !standing.Draining && standing.Up >= BalanceAfter
}
