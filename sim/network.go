package sim

import "time"

// A place is where a process is, as the network sees it.
type place int

// The places: clients share one, nodes have their ids, the exchange has the last.
const (
	clientPlace   place = 0
	mostNodes           = 30 // ids that a world gives, replaced machines included
	exchangePlace place = mostNodes + 1
	places              = mostNodes + 2
)

// A path is one direction between two places.
type path struct {
	cut   int   // how many faults cut it now
	clog  int64 // what is sent before this time waits for it
	slow  time.Duration
	last  int64 // arrival of the newest message that keeps its order
	usual time.Duration
}

// A network carries messages between places. A message may be lost, come twice, late, or before an older one; a
// stream's bytes come in order or the stream breaks.
type network struct {
	world *World
	paths [places][places]path
}

// Delays of a path that nothing is wrong with.
const (
	leastDelay = 30 * time.Microsecond
	mostDelay  = 400 * time.Microsecond
)

func newNetwork(w *World) *network {
	n := &network{world: w}
	for from := range n.paths {
		for to := range n.paths[from] {
			n.paths[from][to].usual = leastDelay + w.below(mostDelay-leastDelay)
		}
	}
	return n
}

// delay is how long something takes now that is not lost.
func (n *network) delay(p *path) time.Duration {
	w := n.world
	d := p.usual + w.below(p.usual) + p.slow
	if p.slow > 0 {
		d += w.below(p.slow)
	}
	if wait := time.Duration(p.clog - w.now); wait > 0 {
		d += wait
	}
	return d
}

// send carries a message; deliver runs at the other end, perhaps twice, perhaps never.
func (n *network) send(from, to place, what tag, deliver func()) {
	times := 1
	if n.world.chance(n.world.mix.duplication) {
		times = 2
	}
	n.carry(from, to, what, times, deliver)
}

// call carries a question or an answer of a connection: it comes once or not at all.
func (n *network) call(from, to place, what tag, deliver func()) { n.carry(from, to, what, 1, deliver) }

func (n *network) carry(from, to place, what tag, times int, deliver func()) {
	w := n.world
	p := &n.paths[from][to]
	if p.cut > 0 || w.chance(w.mix.loss) {
		return
	}
	for range times {
		d := n.delay(p)
		if w.chance(w.mix.delay) {
			d += w.below(w.mix.longDelay)
		}
		at := w.now + int64(d)
		if !w.chance(w.mix.reordering) {
			at = max(at, p.last+1)
			p.last = at
		}
		w.queue.put(at, what, func() {
			if p.cut == 0 {
				deliver()
			}
		})
	}
}

// cutBetween cuts, or mends (by -1), the direction from one place to another.
func (n *network) cutBetween(from, to place, by int) {
	n.paths[from][to].cut += by
}

// mend ends all faults of all paths.
func (n *network) mend() {
	for from := range n.paths {
		for to := range n.paths[from] {
			p := &n.paths[from][to]
			p.cut, p.clog, p.slow = 0, 0, 0
		}
	}
}

// A stream is a connection: bytes come in order, or it breaks. Where the path is cut, bytes wait for a while.
type stream struct {
	net    *network
	ends   [2]streamEnd
	broken bool
	torn   []byte // of what the exchange hears: a message that is not whole yet
}

type streamEnd struct {
	owner   *process
	life    int
	take    func([]byte)
	ended   func()
	pending []byte // on their way to this end
	moving  bool   // a delivery is planned
	since   int64  // when the delivery under way was first tried
}

// Of a stream's bytes that do not get through.
const (
	retransmit   = 40 * time.Millisecond
	giveStreamUp = 3 * time.Second
)

// connect makes a stream between two processes that are up.
func (n *network) connect(a, b *process) *stream {
	s := &stream{net: n}
	s.ends[0] = streamEnd{owner: a, life: a.life}
	s.ends[1] = streamEnd{owner: b, life: b.life}
	return s
}

// write sends bytes to the other end. They are copied.
func (s *stream) write(from int, b []byte) {
	if s.broken || len(b) == 0 {
		return
	}
	to := &s.ends[1-from]
	to.pending = append(to.pending, b...)
	if w := s.net.world; w.troubled && w.chance(w.mix.breaks) {
		w.after(s.net.delay(s.pathTo(1-from)), streamTag, s.cut)
	}
	if !to.moving {
		to.moving, to.since = true, s.net.world.now
		s.move(1-from, s.net.delay(s.pathTo(1-from)))
	}
}

func (s *stream) pathTo(end int) *path {
	return &s.net.paths[s.ends[1-end].owner.place][s.ends[end].owner.place]
}

// move delivers what is on its way to an end, in pieces as a network cuts them.
func (s *stream) move(end int, d time.Duration) {
	w := s.net.world
	w.after(d, streamTag, func() {
		to := &s.ends[end]
		switch {
		case s.broken:
			return
		case !to.owner.up || to.owner.life != to.life:
			s.cut() // nobody is there any more: reset
			return
		case s.pathTo(end).cut > 0:
			if w.now-to.since > int64(giveStreamUp) {
				s.cut()
				return
			}
			s.move(end, retransmit)
			return
		}
		n := len(to.pending)
		if n > 1 && w.random.IntN(4) == 0 {
			n = 1 + w.random.IntN(n)
		}
		piece := append([]byte(nil), to.pending[:n]...)
		to.pending = append(to.pending[:0], to.pending[n:]...)
		to.moving = len(to.pending) > 0
		if to.moving {
			to.since = w.now
			s.move(end, s.net.delay(s.pathTo(end)))
		}
		to.owner.stimulate(func() {
			if !s.broken {
				to.take(piece)
			}
		})
	})
}

// cut breaks the stream; both ends hear of it.
func (s *stream) cut() {
	if s.broken {
		return
	}
	s.broken = true
	for end := range s.ends {
		e := &s.ends[end]
		s.net.world.after(s.net.delay(s.pathTo(end)), streamTag, func() {
			if e.owner.life == e.life && e.ended != nil {
				e.owner.stimulate(e.ended)
			}
		})
	}
}

// close is one end's farewell: the other end hears of it in time, this one not at all.
func (s *stream) close(from int) {
	s.ends[from].ended = nil
	s.cut()
}
