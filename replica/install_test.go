package replica

import (
	"fmt"
	"testing"
)

// TestChangeAppliedBehindASnapshot: a machine that is slow has a change of members yet to apply when a snapshot of the
// leader's takes the place of the log, members and all. The change is older than they are, and must not be made again.
func TestChangeAppliedBehindASnapshot(t *testing.T) {
	w := newWorld(t, 3)
	w.join()
	for _, m := range w.nodes {
		m.group.loop.limits.MemoryEntries = 8
	}
	var want []string
	say := func(n int) {
		for range n {
			want = append(want, fmt.Sprint(len(want)))
			w.propose(want[len(want)-1])
		}
	}
	say(3)
	w.agree(want, 1, 2, 3)
	leader, from := w.lead()
	late := from%3 + 1
	slow := w.nodes[late-1].group
	w.slow = int(late)
	if err := w.change(Change{Add: []Member{{ID: 4}}}); err != nil {
		t.Fatal(err)
	}
	changed := leader.Group().Status().Applied
	w.until("the change is agreed at the slow node", func() bool { return slow.loop.committed >= changed })
	w.dead = late
	w.mustChange(Change{Promote: []uint64{4}})
	say(100)
	w.dead = 0
	w.until("the snapshot is installed", func() bool { return slow.loop.memory.first > changed+50 })
	w.slow = 0
	w.agree(want, 1, 2, 3, 4)
	for n, m := range w.nodes {
		if got := membersOf(m); got != "1 2 3 4 " {
			t.Fatalf("node %d has members %q", n+1, got)
		}
	}
	say(3)
	w.agree(want, 1, 2, 3, 4)
}
