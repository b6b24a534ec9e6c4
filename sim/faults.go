package sim

import (
	"time"
)

// Faults happen at random moments while the world is troubled. Each has an end, and heal ends those that are left.
type faults struct {
	world    *World
	ended    bool
	undone   []func() // by heal, in order: what ends a fault that lasts
	tearing  *blow    // machines lose their power in the middle of what they do with snapshots
	changing bool     // members are being changed
	this     *blow    // what happens now, or happened last
	running  int      // faults that have an end and have not ended
	clogged  int64    // until then a path is
	ill      *node    // the one machine whose disk or state is damaged, or whose disk is lost: a minority
}

func (f *faults) begin() {
	w := f.world
	if w.mix.rolls {
		w.after(w.below(w.mix.trouble), faultTag, w.desk.turn)
	}
	if w.mix.upgrade {
		f.activate()
	}
	if w.mix.learner {
		w.after(w.below(w.mix.trouble/2), faultTag, f.addLearner)
	}
	if len(w.mix.kinds) > 0 {
		f.next()
	}
}

func (f *faults) next() {
	w := f.world
	w.after(w.about(w.mix.every), faultTag, func() {
		if f.ended {
			return
		}
		if w.mix.lone && !f.whole() {
			f.next()
			return
		}
		k := w.mix.kinds[w.random.IntN(len(w.mix.kinds))]
		w.counts.Drawn[k]++
		f.this = &blow{kind: k}
		if f.happen(k) {
			w.counts.Faults[k]++
		}
		f.next()
	})
}

// lasting is how long a fault lasts: mostly short, now and then longer than any patience.
func (f *faults) lasting() time.Duration {
	if f.world.random.IntN(4) == 0 {
		return f.world.about(1500 * time.Millisecond)
	}
	return f.world.about(250 * time.Millisecond)
}

// until ends something after a while, or when the world heals.
func (f *faults) until(d time.Duration, end func()) {
	over := false
	f.running++
	once := func() {
		if !over {
			over = true
			f.running--
			end()
		}
	}
	f.undone = append(f.undone, once)
	f.world.after(d, faultTag, once)
}

// heal ends all faults, starts what is down, and replaces what cannot be started.
func (f *faults) heal() {
	w := f.world
	f.ended = true
	for _, end := range f.undone {
		end()
	}
	f.undone = nil
	w.net.mend()
	w.mix.loss, w.mix.duplication, w.mix.reordering, w.mix.delay = 0, 0, 0, 0
	for _, n := range w.nodes {
		if n.gone {
			continue
		}
		n.setClock(right, 0)
		n.disk.slow, n.disk.full, n.busy = 0, false, false
		n.disk.release()
		n.wake()
		if n.old {
			n.kill()
			n.old = false
		}
		f.revive(n)
	}
	w.exchange.wake()
	w.exchange.setClock(right, 0)
	w.exchange.slow = 0
	f.reviveExchange()
}

// someone is a machine that is a member, nil when the one that was drawn is not.
func (f *faults) someone() *node {
	n := f.world.nodes[f.world.random.IntN(len(f.world.nodes))]
	if n.gone {
		return nil
	}
	if leader := f.world.leader(); leader != nil && f.world.random.IntN(3) == 0 {
		return leader // the one that hurts most
	}
	return n
}

// reviveLater starts a machine again after a while.
func (f *faults) reviveLater(n *node) {
	f.until(20*time.Millisecond+f.lasting(), func() { f.revive(n) })
}

func (f *faults) revive(n *node) {
	if n.up || n.gone || n.lost {
		return
	}
	n.world.counts.Restarts++
	n.open()
}

func (f *faults) reviveExchange() {
	if x := f.world.exchange; !x.up {
		x.start()
	}
}

// exchangePower is a loss of power at the exchange.
func (f *faults) exchangePower() (wrote bool) {
	wrote = f.world.exchange.killInWrite()
	f.until(f.lasting(), f.reviveExchange)
	return wrote
}

// skew sets a clock wrong.
func (f *faults) skew(k kind, p *process) {
	if k == clockRate {
		p.setClock(right-200_000+f.world.random.Int64N(400_000), 0)
	} else {
		p.setClock(p.rate, f.world.below(4*time.Second)-2*time.Second)
	}
	p.skewed = f.this
}

// happen makes a fault happen and reports whether it did.
func (f *faults) happen(k kind) bool {
	w := f.world
	switch k {
	case exchangeCrash:
		if !w.exchange.up {
			return false
		}
		w.say("*** %v", k)
		if w.random.IntN(2) == 0 {
			w.exchange.doomed = f.inWrite(f.exchangePower)
			return true
		}
		w.exchange.kill()
		w.bites(f.this)
		f.until(f.lasting(), f.reviveExchange)
		return true
	case clockRate, clockJump:
		if w.random.IntN(4) == 0 {
			w.say("*** %v of the exchange", k)
			f.skew(k, &w.exchange.process)
			return true
		}
	case exchangePause:
		w.say("*** %v", k)
		w.exchange.pause(f.this)
		f.until(f.lasting(), w.exchange.wake)
		return true
	case slowExchange:
		w.say("*** %v", k)
		w.exchange.slow, w.exchange.slowBy = w.below(120*time.Millisecond), f.this
		f.until(f.lasting(), func() { w.exchange.slow = 0 })
		return true
	case linkCut:
		leader := w.leader()
		if leader == nil || leader.wire == nil {
			return false
		}
		w.say("*** %v", k)
		leader.wire.cut()
		w.bites(f.this)
		if w.random.IntN(3) == 0 { // where a connection breaks, the next one is often slow
			w.net.paths[exchangePlace][leader.place].choke(w.now+int64(f.lasting()), f.this)
		}
		return true
	case powerLoss:
		w.say("*** %v", k)
		off := f.inWrite(func() bool {
			for _, n := range w.nodes {
				n.killInWrite()
				f.reviveLater(n)
			}
			if w.random.IntN(3) == 0 { // it is in the same building
				f.exchangePower()
			}
			return true
		})
		if leader := w.leader(); leader != nil && w.random.IntN(2) == 0 {
			leader.disk.doomed = off
		} else {
			off()
		}
		return true
	case tornSnapshot:
		w.say("*** %v", k)
		f.tearing = f.this
		f.until(2*f.lasting(), func() { f.tearing = nil })
		return true
	case symmetricPartition, oneWayPartition, bridgePartition, slowPath, cloggedPath:
		w.say("*** %v", k)
		f.paths(k)
		return true
	}
	n := f.someone()
	if n == nil {
		return false
	}
	w.say("*** %v of %s", k, n.name)
	return f.strike(k, n)
}

// inWrite is a crash that waits for a write.
func (f *faults) inWrite(crash func() bool) func() {
	this := f.this
	return func() {
		if !f.ended && crash() {
			f.world.bites(this)
		}
	}
}

// strike makes a fault of one machine happen.
func (f *faults) strike(k kind, n *node) bool {
	w := f.world
	switch k {
	case crash:
		if n.up {
			w.bites(f.this)
		}
		n.kill()
		f.reviveLater(n)
	case crashInWrite:
		n.disk.doomed = f.inWrite(func() bool {
			f.reviveLater(n)
			return n.killInWrite()
		})
	case busyApplier:
		n.busy, n.busyBy = true, f.this
		f.until(f.lasting(), func() {
			n.busy = false
			if n.up {
				n.stimulate(n.poke)
			}
		})
	case pause:
		n.pause(f.this)
		f.until(f.lasting(), n.wake)
	case clockRate, clockJump:
		f.skew(k, &n.process)
	case slowDisk:
		n.disk.slow, n.disk.slowBy = w.below(40*time.Millisecond), f.this
		f.until(f.lasting(), func() { n.disk.slow = 0 })
	case hungDisk:
		n.disk.hung, n.disk.hungBy = true, f.this
		f.until(f.lasting(), n.disk.release)
	case fullDisk:
		n.disk.full, n.disk.fullBy = true, f.this
		f.until(f.lasting(), func() { n.disk.full = false })
	case bitRot, lostDisk:
		return f.damage(k, n)
	case memoryFlip:
		return f.flip(n)
	case transfer:
		return n.transfer()
	case otherBinary:
		return f.exchangeBinary(n)
	case replaceMember:
		return f.replace(n)
	case resizedGroup:
		return f.resize(n)
	}
	return true
}

// paths makes trouble between places.
func (f *faults) paths(k kind) {
	w := f.world
	lasts := f.lasting()
	if k == slowPath || k == cloggedPath {
		from, to := w.random.IntN(len(w.nodes)+1), w.random.IntN(len(w.nodes)+1)
		p := &w.net.paths[from][to]
		if leader := w.leader(); leader != nil && w.random.IntN(2) == 0 { // the link hurts most, in either direction
			p = &w.net.paths[leader.place][exchangePlace]
			if w.random.IntN(2) == 0 {
				p = &w.net.paths[exchangePlace][leader.place]
			}
		}
		if k == slowPath {
			p.slow, p.slowBy = w.below(60*time.Millisecond), f.this
			f.until(lasts, func() { p.slow = 0 })
		} else {
			p.choke(w.now+int64(lasts), f.this)
			f.clogged = max(f.clogged, p.clog)
		}
		return
	}
	// Every place is on a side; in a bridge one node is on both.
	var side [places]int
	for p := range side {
		side[p] = w.random.IntN(2)
	}
	if w.mix.lone {
		w.alone(&side)
	}
	bridge := place(-1)
	if k == bridgePartition {
		bridge = place(1 + w.random.IntN(len(w.nodes)))
	}
	if w.random.IntN(2) == 0 { // clients and the exchange see everybody
		side[clientPlace], side[exchangePlace] = 2, 2
	}
	var cuts [][2]place
	for from := range place(places) {
		for to := range place(places) {
			apart := side[from] != side[to] && side[from] < 2 && side[to] < 2 && from != bridge && to != bridge
			if apart && (k != oneWayPartition || side[from] == 0) {
				cuts = append(cuts, [2]place{from, to})
			}
		}
	}
	for _, c := range cuts {
		w.net.cutBetween(c[0], c[1], 1)
		w.net.paths[c[0]][c[1]].cutBy = f.this
	}
	f.until(lasts, func() {
		for _, c := range cuts {
			w.net.cutBetween(c[0], c[1], -1)
		}
	})
}
