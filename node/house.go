package node

import (
	"context"
	"time"

	"evenkeel/api"
	"evenkeel/core/trade"
	"evenkeel/venue"
)

// lookAgain is how old what a screen is told of a shard may be. It is found out by one goroutine for all screens, and
// only while there are any.
const lookAgain = time.Second

// lookout is how a shard stands, as it was found when somebody last looked.
type lookout struct {
	house api.House
	at    time.Time
}

// house is how the house stands for an account. It waits for nobody.
func (n *Node) house(account trade.AccountID) api.House {
	s := n.shardOf(account)
	if s == nil {
		return api.House{}
	}
	seen := s.seen.Load()
	if seen == nil || time.Since(seen.at) > lookAgain {
		select {
		case s.look <- struct{}{}:
		default: // somebody is looking
		}
	}
	if seen == nil {
		seen = &lookout{}
	}
	h := seen.house
	decided := n.decision()
	h.ReadOnly, h.ReadOnlyWhy = decided.ReadOnly, decided.Reason
	h.Leader = s.group.Leadership().Leader != 0 // known at once
	return h
}

// lookOut finds out how the shard stands whenever somebody wants to know, until the context ends.
func (s *shard) lookOut(ctx context.Context) {
	for {
		select {
		case <-s.look:
		case <-ctx.Done():
			return
		}
		s.seen.Store(&lookout{s.stands(ctx), time.Now()})
	}
}

func (s *shard) stands(ctx context.Context) (h api.House) {
	age, err := s.fresh(ctx, 0)
	if err != nil {
		h.Stale, h.Behind = true, age
	}
	leader := s.group.Leadership().Leader
	switch {
	case s.leads():
		own := s.standing()
		own.linkTo(&h)
	case leader != 0 && leader != s.node.config.Node:
		s.linkOf(ctx, leader, &h)
	}
	return h
}

// linkOf asks the leader how its session with the exchange is.
func (s *shard) linkOf(ctx context.Context, leader uint64, h *api.House) {
	standing, err := s.node.standingOf(ctx, leader)
	if err != nil {
		return
	}
	for i := range standing.Shards {
		if of := &standing.Shards[i]; of.Shard == s.number {
			of.linkTo(h)
		}
	}
}

// linkTo tells how a leader's session with the exchange is; a follower, which has none, leaves it unknown.
func (v *ShardStanding) linkTo(h *api.House) {
	oldest := time.Duration(v.Oldest) * time.Millisecond
	switch {
	case v.Link == "":
	case v.Link != linkUp:
		h.Orders, h.Trouble = api.LinkDown, v.Link
	case oldest > venue.SlowAfter:
		h.Orders, h.Oldest = api.LinkSlow, oldest
	default:
		h.Orders = api.LinkUp
	}
}
