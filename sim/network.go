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
	cut                   int   // how many faults cut it now
	clog                  int64 // what is sent before this time waits for it
	slow                  time.Duration
	cutBy, clogBy, slowBy *blow
	last                  int64 // arrival of the newest message that keeps its order
	usual                 time.Duration
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
		w.bites(p.slowBy)
	}
	if wait := time.Duration(p.clog - w.now); wait > 0 {
		d += wait
		w.bites(p.clogBy)
	}
	return d
}

// send carries a message; deliver runs at the other end, perhaps twice, perhaps never.
func (n *network) send(from, to place, what tag, deliver func()) {
	times := 1
	if n.world.chance(n.world.mix.duplication) {
		times = 2
		n.world.counts.Mishaps[doubledMessage]++
	}
	n.carry(from, to, what, times, deliver)
}

// call carries a question or an answer of a connection: it comes once or not at all.
func (n *network) call(from, to place, what tag, deliver func()) { n.carry(from, to, what, 1, deliver) }

func (n *network) carry(from, to place, what tag, times int, deliver func()) {
	w := n.world
	p := &n.paths[from][to]
	if p.isCut(w) || w.loses(w.mix.loss) {
		return
	}
	for range times {
		d := n.delay(p)
		if w.chance(w.mix.delay) {
			d += w.below(w.mix.longDelay)
			w.counts.Mishaps[lateMessage]++
		}
		at := w.now + int64(d)
		if !w.chance(w.mix.reordering) {
			at = max(at, p.last+1)
			p.last = at
		} else if at < p.last {
			w.counts.Mishaps[overtakenMessage]++
		}
		w.queue.put(at, what, func() {
			if !p.isCut(w) {
				deliver()
			}
		})
	}
}

// loses reports whether a message is lost by chance, so many times of a million.
func (w *World) loses(millionths int) bool {
	lost := w.chance(millionths)
	if lost {
		w.counts.Mishaps[lostMessage]++
	}
	return lost
}

// isCut reports whether nothing gets through.
func (p *path) isCut(w *World) bool {
	if p.cut > 0 {
		w.bites(p.cutBy)
	}
	return p.cut > 0
}

// choke has what is sent before a time wait for it.
func (p *path) choke(until int64, by *blow) { p.clog, p.clogBy = until, by }

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

// A stream is a connection: bytes come in order, or it breaks. Where the path is cut, bytes wait for a while. What was
// written before one end closed still comes to the other, as from a kernel's buffers: who is deposed, or has died, has
// not said its last word for those who hear it.
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
	closed  bool   // its owner has closed it, or is dead: it takes nothing
	last    bool   // the other end has closed: behind what is pending comes the end
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
	if s.broken || s.ends[from].closed || len(b) == 0 {
		return
	}
	to := &s.ends[1-from]
	to.pending = append(to.pending, b...)
	if w := s.net.world; w.troubled && w.chance(w.mix.breaks) {
		w.counts.Mishaps[brokenStream]++
		w.after(s.net.delay(s.pathTo(1-from)), streamTag, s.cut)
	}
	s.start(1 - from)
}

// start plans a delivery to an end, unless there is one.
func (s *stream) start(end int) {
	if to := &s.ends[end]; !to.moving {
		to.moving, to.since = true, s.net.world.now
		s.move(end, s.net.delay(s.pathTo(end)))
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
		case s.pathTo(end).isCut(w) || to.owner.dark:
			if w.now-to.since > int64(giveStreamUp) {
				s.cut()
				return
			}
			s.move(end, retransmit)
			return
		case to.owner.life != to.life && !s.ends[1-end].closed:
			s.cut() // nobody is there any more: reset
			return
		}
		s.deliver(end)
	})
}

// deliver gives a piece of what is pending to an end that is there, and behind the last one the end.
func (s *stream) deliver(end int) {
	w := s.net.world
	to := &s.ends[end]
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
	if to.closed || to.owner.life != to.life {
		return
	}
	over := to.last && !to.moving
	to.owner.stimulate(func() {
		if n > 0 && !s.broken && !to.closed {
			to.take(piece)
		}
		if over && !s.broken && !to.closed && to.ended != nil {
			to.ended()
		}
	})
}

// cut breaks the stream: what is on its way is lost, and both ends hear of it.
func (s *stream) cut() {
	if s.broken {
		return
	}
	s.broken = true
	for end := range s.ends {
		e := &s.ends[end]
		s.net.world.after(s.net.delay(s.pathTo(end)), streamTag, func() {
			if e.owner.life == e.life && !e.closed && e.ended != nil {
				e.owner.stimulate(e.ended)
			}
		})
	}
}

// darken is what a loss of power does to a stream: some of what was written gets out, and nobody is told anything.
func (s *stream) darken(from int) {
	to := &s.ends[1-from]
	s.ends[from].closed = true
	to.pending = to.pending[:s.net.world.random.IntN(len(to.pending)+1)]
}

// close is one end's farewell: it hears nothing more, and the other end hears what was written before, and then the
// end.
func (s *stream) close(from int) {
	if s.ends[from].closed {
		return
	}
	s.ends[from].closed = true
	s.ends[1-from].last = true
	s.start(1 - from)
}
