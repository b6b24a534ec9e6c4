package node

import (
	"maps"
	"testing"

	"evenkeel/replica"
)

// TestWanted: a node dials its members and whom it was told of, also one that its log does not know of yet: it may be
// the leader by now. Who left, as the log says, is not dialled.
func TestWanted(t *testing.T) {
	c := &cluster{node: &Node{}, members: map[uint16][]replica.Member{}, gone: map[uint64]bool{},
		said: map[uint64]string{},
		told: map[uint64]string{1: "a:1", 2: "b:1", 3: "c:1", 4: "d:1"}}
	c.node.config.Node = 3
	members := func(ids ...uint64) (list []replica.Member) {
		for _, id := range ids {
			list = append(list, replica.Member{ID: id, Address: "x:1"})
		}
		return list
	}
	for _, step := range []struct {
		what string
		do   func()
		want map[uint64]string
	}{
		{"nothing is known", func() {}, map[uint64]string{1: "a:1", 2: "b:1", 4: "d:1"}},
		{"the log is behind", func() { c.follow(0, members(1, 2, 3)) }, map[uint64]string{1: "a:1", 2: "b:1", 4: "d:1"}},
		{"one came whom nobody told of", func() { c.follow(0, members(1, 2, 3, 4, 5)) },
			map[uint64]string{1: "a:1", 2: "b:1", 4: "d:1", 5: "x:1"}},
		{"of another shard too", func() { c.follow(1, members(1, 2, 3)) },
			map[uint64]string{1: "a:1", 2: "b:1", 4: "d:1", 5: "x:1"}},
		{"one left a shard", func() { c.follow(0, members(2, 3, 4, 5)) },
			map[uint64]string{1: "a:1", 2: "b:1", 4: "d:1", 5: "x:1"}},
		{"one left all", func() { c.follow(1, members(2, 3, 4)) }, map[uint64]string{2: "b:1", 4: "d:1", 5: "x:1"}},
		{"one had left before the start", func() { c.forget([]uint64{1, 6}) },
			map[uint64]string{2: "b:1", 4: "d:1", 5: "x:1"}},
		{"one has moved, and says so", func() { c.greeted(2, []byte(`{"shards":1,"address":"moved:1"}`)) },
			map[uint64]string{2: "moved:1", 4: "d:1", 5: "x:1"}},
		{"others say nothing of use", func() {
			c.greeted(4, []byte(`{"address":"0.0.0.0:1"}`))
			c.greeted(4, []byte(`{"version":"of old"}`))
			c.greeted(5, []byte("no such thing"))
			c.greeted(6, []byte(`{"address":"nobody:1"}`))
		}, map[uint64]string{2: "moved:1", 4: "d:1", 5: "x:1"}},
	} {
		step.do()
		if got := c.wanted(); !maps.Equal(got, step.want) {
			t.Errorf("%s: %v, not %v", step.what, got, step.want)
		}
	}
}
