package sim

import (
	"slices"
	"time"

	core "evenkeel/core/exchange"
	"evenkeel/core/must"
	"evenkeel/exchange"
	"evenkeel/replica"
	"evenkeel/szse"
)

// A line carries one session of the exchange's gateway over one stream, as the exchange's own goroutines do.
type line struct {
	market  *market
	number  int
	stream  *stream
	session *exchange.Session
	in      []byte
	closed  bool
	alarmed int64 // when it has something to do although nothing happens; 0: no alarm is set
}

const (
	brokerCompID   = "BROKER"
	brokerPassword = "secret"
)

// newGateway makes the gateway of a process that starts.
func (m *market) newGateway() *exchange.Gateway {
	g, err := exchange.NewGateway(exchange.GatewayConfig{
		Partitions: m.world.mix.partition,
		Units:      []exchange.Unit{{CompID: brokerCompID, PBU: brokerUnit, Password: brokerPassword}},
		View:       m.books.View,
		Submit:     m.submitRequest,
		Full:       replica.ErrFull,
	})
	must.Hold(err == nil, "the unit of the world can be")
	return g
}

// submitRequest puts a request of the line that is being listened to into the exchange's log.
func (m *market) submitRequest(command []byte, done func(core.Answer, error)) error {
	from, life := m.hearing, m.life
	from.fence("submits a request")
	m.world.counts.Orders++
	m.poke()
	return m.group.Group().Submit(command, func(a core.Answer, err error) {
		if m.life == life && err == nil {
			from.fence("has a request applied")
		}
		done(a, err)
	})
}

// fence: nothing of an older session has an effect once a newer one was answered.
func (l *line) fence(what string) {
	if l.number < l.market.greeted {
		l.market.world.fail("session %d of the exchange %s, and session %d was answered already", l.number, what,
			l.market.greeted)
	}
}

// accept takes a connection.
func (m *market) accept(s *stream) {
	m.accepted++
	l := &line{market: m, number: m.accepted, stream: s, session: m.gateway.Session(m.time())}
	m.lines = append(m.lines, l)
	s.ends[1].take = func(b []byte) {
		l.in = append(l.in, l.spoil(b)...)
		l.work()
	}
	s.ends[1].ended = func() {
		l.session.Lost(errLost)
		l.work()
	}
	l.work()
}

// refuses reports whether the exchange refuses an order for good. What it takes, or refuses, once it does each time
// that the order is sent again: else the link would hear that an order is refused which trades.
func (m *market) refuses(id core.ClOrdID) bool {
	refused, seen := m.refused[id]
	if !seen {
		refused = m.world.troubled && m.world.chance(m.world.mix.refusals)
		m.refused[id] = refused
	}
	return refused
}

// spoil makes the exchange refuse an order for good, now and then: as one of another unit.
func (l *line) spoil(b []byte) []byte {
	w := l.market.world
	if w.mix.refusals == 0 {
		return b
	}
	l.stream.torn = append(l.stream.torn, b...)
	var whole []byte
	for {
		frame, size, err := szse.ParseFrame(l.stream.torn)
		if err != nil || size == 0 {
			return whole
		}
		var m szse.NewOrder
		if frame.Type == szse.TypeNewOrder && m.Decode(frame.Body) == nil && l.market.refuses(m.ClOrdID) {
			m.SubmittingPBUID = unit("OTHER")
			whole = m.Append(whole)
			w.counts.Mishaps[refusedOrder]++
			if w.random.IntN(3) == 0 { // and the connection breaks before everybody knows
				w.after(w.below(4*time.Millisecond), streamTag, l.stream.cut)
			}
		} else {
			whole = append(whole, l.stream.torn[:size]...)
		}
		l.stream.torn = l.stream.torn[size:]
	}
}

// work carries what there is to carry between the stream and the session.
func (l *line) work() {
	m := l.market
	for !l.closed {
		now := m.time()
		m.hearing = l
		used, _ := l.session.Receive(now, l.in) // told by Err
		m.hearing = nil
		l.in = l.in[:copy(l.in, l.in[used:])]
		_ = l.session.Tick(now)
		out := l.session.Output(now, nil)
		if len(out) > 0 {
			if l.session.Err() == nil && l.number > m.greeted {
				m.greeted = l.number
				m.world.counts.Sessions++
			}
			l.stream.write(1, out)
			continue
		}
		if l.session.Err() != nil {
			l.close()
			return
		}
		if used == 0 {
			l.alarm(now)
			return
		}
	}
}

// close ends the line: the session has said its last word.
func (l *line) close() {
	l.closed = true
	l.stream.close(1)
	l.market.lines = slices.DeleteFunc(l.market.lines, func(o *line) bool { return o == l })
	l.session.Gone()
	l.market.poke() // a newer session may wait for that
}

func (l *line) alarm(now time.Time) {
	wait := max(l.session.NextTimer(now).Sub(now), time.Millisecond)
	at := now.Add(wait).UnixNano()
	if l.alarmed > now.UnixNano() && l.alarmed <= at {
		return
	}
	l.alarmed = at
	l.market.after(wait, processTag, func() {
		if l.alarmed == at {
			l.alarmed = 0
		}
		l.work()
	})
}
