package records

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
)

// sharer is a node of three that follow two shards into one database.
type sharer struct {
	history *History
	days    [2]*Day
	leads   [2]atomic.Bool
}

// TestHistoryShared: three nodes follow two shards into one database, the lead of each shard moves between them in mid
// flow, also to a node that is behind and back; nothing is missing, nothing comes twice, and all answer.
func TestHistoryShared(t *testing.T) {
	onBoth(t, func(t *testing.T, o HistoryOptions) {
		o.Shards = 2
		houses := [2]*house{newShard(0, 31, 4), newShard(1, 32, 4)}
		ctx, cancel := context.WithCancel(context.Background())
		var work sync.WaitGroup
		defer work.Wait()
		defer cancel()
		var nodes [3]*sharer
		for i := range nodes {
			n := &sharer{}
			nodes[i] = n
			var err error
			if n.history, err = OpenHistory(o); err != nil {
				t.Fatal(err)
			}
			for shard, h := range houses {
				tail := NewTail()
				n.days[shard] = NewDay()
				n.days[shard].Feed(tail)
				work.Go(func() {
					n.history.Follow(ctx, Source{Shard: uint16(shard), Tail: tail, Replay: h.replay, Writes: n.leads[shard].Load})
				})
			}
		}
		folded := [3][2]int{}
		fold := func(node, shard int) {
			for _, l := range houses[shard].entries[folded[node][shard]:] {
				l.into(nodes[node].days[shard])
			}
			folded[node][shard] = len(houses[shard].entries)
		}
		for round := range 6 {
			for shard, h := range houses {
				h.run(days[round:round+1], 40)
				leader, behind := (round+shard)%3, (round+shard+1)%3
				for i := range nodes {
					nodes[i].leads[shard].Store(i == leader)
					if i != behind { // it hears of this round when it leads the next one
						fold(i, shard)
					}
				}
				until(t, "the leader has written", func() bool {
					return nodes[leader].history.Index(uint16(shard)) >= h.index-1 && nodes[leader].history.Ready() == nil
				})
				fold(behind, shard)
			}
		}
		for i, n := range nodes {
			for shard, h := range houses {
				until(t, "all have it", func() bool {
					return n.history.Index(uint16(shard)) >= h.index-1 && n.history.Ready() == nil
				})
				if t.Failed() {
					t.Fatalf("node %d", i)
				}
				following{n.history, cancel}.agree(t, h)
			}
		}
	})
}

// TestHistoryFromMemory: a node that began with another's snapshot has no older log, and fills its history with what
// the snapshot has of the days that are kept; what comes while it does so is neither lost nor there twice.
func TestHistoryFromMemory(t *testing.T) {
	onBoth(t, func(t *testing.T, o HistoryOptions) {
		h, d, tail := newHouse(33, 5), NewDay(), NewTail()
		h.run(days[:2], 300)
		for _, l := range h.entries {
			l.into(d)
		}
		d.Feed(tail)
		history, err := OpenHistory(o)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		var work sync.WaitGroup
		gone := func(context.Context, uint64, func(Entry) error) error { return fmt.Errorf("entry 1: %w", ErrLogGone) }
		work.Go(func() {
			history.Follow(ctx, Source{Tail: tail, Replay: gone, Memory: func() *Day { return d }})
		})
		f := following{history, sync.OnceFunc(func() { cancel(); work.Wait(); _ = history.Close() })}
		t.Cleanup(f.stop)
		at := len(h.entries)
		h.run(days[1:2], 200)
		for _, l := range h.entries[at:] {
			l.into(d)
		}
		f.reach(t, h)
		f.agree(t, h)
	})
}
