package sim

import (
	"errors"
	"slices"
	"time"

	"evenkeel/replica"
)

// An upgrade goes through a world of some seeds: its nodes begin with a binary that knows no features, are restarted
// with one that knows them, one after the other and now and then back, and an operator asks for the activation all the
// while. It must be refused until every member's binary knows the feature; once it is active, an old binary must
// refuse to start.

// features are those of a node's binary.
func (n *node) features() []replica.Feature {
	if n.old {
		return []replica.Feature{} // none; nil would be all
	}
	return nil
}

// exchangeBinary restarts a node with the other binary.
func (f *faults) exchangeBinary(n *node) bool {
	w := f.world
	if !w.mix.upgrade || n.leaving || n.lost {
		return false
	}
	n.kill()
	n.changed = w.now
	was := n.old
	n.old = !n.old && !w.truth.active && w.random.IntN(4) == 0 // mostly forward, back only while that may be
	if n.old != was {
		w.bites(f.this)
	}
	w.say("%s gets the old binary: %t", n.name, n.old)
	f.reviveLater(n)
	return true
}

// activate asks for the activation of a feature, until it is active.
func (f *faults) activate() {
	w := f.world
	if leader := w.leader(); leader != nil {
		if w.truth.asked == 0 {
			w.truth.asked = w.now
		}
		leader.group.Group().AskActivate(replica.StateComparison, func(err error) {
			if w.trace != nil {
				w.say("activation by %s: %v", leader.name, err)
			}
			switch {
			case err == nil:
				w.truth.activated(leader, w.truth.asked)
			case !errors.Is(err, replica.ErrUnknown): // else it may be active, or become so
				w.truth.asked = 0
			}
		})
		leader.poke()
	}
	w.after(w.about(400*time.Millisecond), worldTag, func() {
		if !w.truth.active {
			f.activate()
		}
	})
}

// activated: every member's binary knows the feature; of one that came, or was given another binary, after somebody
// asked, that cannot be said.
func (t *truth) activated(leader *node, asked int64) {
	if !t.active {
		t.world.counts.Activated++
	}
	t.active = true
	for _, m := range leader.group.Group().Members() {
		if n := t.world.nodes[m.ID-1]; n.old && !n.lost && n.changed < asked {
			t.world.fail("a feature was activated, and the binary of %s does not know it", n.name)
		}
	}
}

// isActive reports whether a node has a feature active.
func (n *node) isActive() bool {
	return slices.ContainsFunc(n.group.Group().Features().Active,
		func(a replica.Feature) bool { return a.Number == replica.StateComparison })
}

// isUnknownFeature reports whether a start was refused because the binary is too old.
func isUnknownFeature(err error) bool {
	var unknown *replica.UnknownFeatureError
	return errors.As(err, &unknown)
}
