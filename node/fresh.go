package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"evenkeel/api"
	"evenkeel/core/trade"
)

// FreshWait is how long an answer about an account waits for this node's views to have what was acknowledged anywhere.
// It is a round trip to the shard's leader and back, or an election.
const FreshWait = 300 * time.Millisecond

// latelyPause is between two questions whether the views are fresh, for the sake of a command.
const latelyPause = 5 * time.Millisecond

// fresh waits until the shard's views have what was acknowledged before the call, and the entry least. An error says
// that they may not; then age is how long ago they did, negative when never.
func (s *shard) fresh(ctx context.Context, least uint64) (age time.Duration, err error) {
	if s.alone.Load() && least <= s.day().Index() { // what was acknowledged, was applied here
		return 0, nil
	}
	asked := time.Now()
	bounded, cancel := context.WithTimeout(ctx, FreshWait)
	defer cancel()
	index, err := s.group.Fresh(bounded)
	if err == nil {
		err = s.group.Await(bounded, max(index, least))
	}
	if err == nil {
		s.freshAt.Store(&asked)
		return 0, nil
	}
	if s.group.Status().Diverged != "" {
		return -1, fmt.Errorf("%w: %w", api.ErrWrong, err)
	}
	if at := s.freshAt.Load(); at != nil {
		return time.Since(*at), err
	}
	return -1, err
}

// freshOf is fresh for the shard of an account.
func (n *Node) freshOf(ctx context.Context, account trade.AccountID, least uint64) (time.Duration, error) {
	if s := n.shardOf(account); s != nil {
		return s.fresh(ctx, least)
	}
	return 0, nil
}

// latelyOf waits until the views of an account's shard were fresh within api.RevocationLag: an election is outwaited,
// as a command outwaits it.
func (n *Node) latelyOf(ctx context.Context, account trade.AccountID) error {
	s := n.shardOf(account)
	if s == nil || s.alone.Load() {
		return nil
	}
	for began := time.Now(); ; {
		if at := s.freshAt.Load(); at != nil && time.Since(*at) < api.RevocationLag {
			return nil
		}
		_, err := s.fresh(ctx, 0)
		if err == nil {
			return nil
		}
		if errors.Is(err, api.ErrWrong) || ctx.Err() != nil || time.Since(began) > api.RevocationLag {
			return err
		}
		time.Sleep(latelyPause)
	}
}

// freshAll is fresh for all shards at once.
func (n *Node) freshAll(ctx context.Context) error {
	answers := make(chan error, len(n.shards))
	for _, s := range n.shards {
		go func() {
			_, err := s.fresh(ctx, 0)
			answers <- err
		}()
	}
	var all []error
	for range n.shards {
		all = append(all, <-answers)
	}
	return errors.Join(all...)
}
