package sim

import (
	"errors"
	"os"
	"slices"
	"time"

	"evenkeel/replica"
)

// Members come and go, as an operator has it: what cannot be done now is asked for again.

// transfer has the leader give leadership away.
func (n *node) transfer() bool {
	leader := n.world.leader()
	if leader == nil {
		return false
	}
	this := n.world.faults.this
	leader.group.Group().AskTransfer(0, func(err error) {
		n.world.say("transfer from %s: %v", leader.name, err)
		if err == nil {
			n.world.bites(this)
		}
	})
	leader.poke()
	return true
}

// askEvery is how often an operator looks at a change that is not done.
const askEvery = 80 * time.Millisecond

// damage hurts the disk of one machine, as long as all others are sound: its directory is lost, or a bit of it rots.
func (f *faults) damage(k kind, n *node) bool {
	if f.ill != nil || f.changing || f.voters() < 3 || !f.votes(n) {
		return false
	}
	n.kill()
	if k == lostDisk {
		if err := os.RemoveAll(n.dir); err != nil {
			f.world.fail("%s: %v", n.name, err)
		}
		f.ill, n.ill, n.lost = n, true, true
		f.world.bites(f.this)
		f.replaceWhenPossible(n)
		return true
	}
	if n.rot() {
		f.ill, n.ill, n.rotten = n, true, f.this
	}
	f.reviveLater(n)
	return true
}

// voters is how many members vote, as the leader knows; 0 without one.
func (f *faults) voters() (count int) {
	leader := f.world.leader()
	if leader == nil {
		return 0
	}
	for _, m := range leader.group.Group().Members() {
		if !m.Learner {
			count++
		}
	}
	return count
}

func (f *faults) votes(n *node) bool {
	m, is := f.member(n)
	return is && !m.Learner
}

// member is a node as the leader knows it.
func (f *faults) member(n *node) (replica.Member, bool) {
	leader := f.world.leader()
	if leader == nil {
		return replica.Member{}, false
	}
	all := leader.group.Group().Members()
	i := slices.IndexFunc(all, func(m replica.Member) bool { return m.ID == n.id })
	if i < 0 {
		return replica.Member{}, false
	}
	return all[i], true
}

// join starts a machine that waits to be added.
func (f *faults) join() *node {
	n := f.world.newNode()
	n.open()
	return n
}

// ask asks the leader for a change; whether it came true is seen in the members.
func (f *faults) ask(c replica.Change) {
	leader := f.world.leader()
	if leader == nil {
		return
	}
	leader.group.Group().AskChange(c, func(err error) {
		if f.world.trace != nil {
			f.world.say("change %+v by %s: %v", c, leader.name, err)
		}
	})
	leader.poke()
}

// insist does something again and again until it is done.
func (f *faults) insist(try func() (done bool), then func()) {
	if try() {
		then()
		return
	}
	f.world.after(askEvery, worldTag, func() { f.insist(try, then) })
}

// replace gives a member's place to a new machine. The old one may be up, down, or lost.
func (f *faults) replace(old *node) bool {
	w := f.world
	may := old.ill || !f.ended && f.voters() >= 3 && f.votes(old)
	if f.changing || old.successor != nil || !may || len(w.nodes) == mostNodes {
		return false
	}
	f.changing = true
	this := f.this
	fresh := f.join()
	old.successor = fresh
	w.say("%s is to be replaced by %s", old.name, fresh.name)
	f.insist(func() bool {
		if _, is := f.member(fresh); is {
			fresh.changed = f.world.now
			return true
		}
		fresh.changed = f.world.now
		f.ask(replica.Change{Add: []replica.Member{{ID: fresh.id}}})
		return false
	}, func() {
		f.insist(func() bool {
			_, stays := f.member(old)
			if f.votes(fresh) && !stays {
				return true
			}
			f.ask(replica.Change{Promote: []uint64{fresh.id}, Remove: []uint64{old.id}})
			return false
		}, func() {
			if this != nil && this.kind == replaceMember {
				w.bites(this)
			}
			f.removed(old)
		})
	})
	return true
}

// replaceWhenPossible replaces a machine as soon as no other change is under way.
func (f *faults) replaceWhenPossible(old *node) {
	f.insist(func() bool { return old.successor != nil || f.replace(old) }, func() {})
}

// removed: a machine that is no member any more goes, sooner or later: it may not know yet.
func (f *faults) removed(old *node) {
	w := f.world
	w.counts.Replaced++
	f.changing = false
	if f.ill == old {
		f.ill = nil
	}
	old.leaving = true
	leave := func() {
		old.kill()
		old.gone = true
	}
	f.until(w.about(300*time.Millisecond), leave)
	if f.ended {
		leave()
	}
}

// addLearner adds a machine that listens and does not vote, and perhaps gives it a vote later.
func (f *faults) addLearner() {
	if !f.changing {
		f.add(f.world.random.IntN(2) == 0, func() {})
	}
}

// add adds a member, and calls then when it is one.
func (f *faults) add(votes bool, then func()) {
	f.changing = true
	fresh := f.join()
	f.insist(func() bool {
		if _, is := f.member(fresh); is {
			fresh.changed = f.world.now
			return true
		}
		fresh.changed = f.world.now
		f.ask(replica.Change{Add: []replica.Member{{ID: fresh.id}}})
		return false
	}, func() {
		f.insist(func() bool {
			if !votes || f.votes(fresh) {
				return true
			}
			f.ask(replica.Change{Promote: []uint64{fresh.id}})
			return false
		}, func() {
			f.changing = false
			then()
		})
	})
}

// Of a group whose size changes.
const (
	fewVoters  = 4 // so many at least before one goes
	mostVoters = 5
)

// resize gives a group one voter more, or takes one away.
func (f *faults) resize(n *node) bool {
	w, this := f.world, f.this
	voters := f.voters()
	if f.changing || f.ill != nil || voters == 0 || len(w.nodes) == mostNodes {
		return false
	}
	if voters < fewVoters || voters < mostVoters && w.random.IntN(2) == 0 {
		f.add(true, func() { w.bites(this) })
		return true
	}
	if !f.votes(n) || n.successor != nil {
		return false
	}
	w.say("%s is to go", n.name)
	f.changing = true
	f.insist(func() bool {
		if _, stays := f.member(n); f.world.leader() != nil && !stays {
			return true
		}
		f.ask(replica.Change{Remove: []uint64{n.id}})
		return false
	}, func() {
		w.bites(this)
		f.removed(n)
	})
	return true
}

// isRemoved reports whether a group failed because its node is no member any more.
func isRemoved(err error) bool { return errors.Is(err, replica.ErrRemoved) }
