package intake

import "time"

// pace is at which logins are looked at when the processors are full. A limit on how many are at a time cannot hold
// them: two, one after the other without a pause, fill two processors, and then every goroutine of an order (its
// reader, the log, the books, the writer) waits behind them. So while goroutines wait long, turns are given out at a
// rate, which is lowered until they do not, and raised again slowly: some idle time is left, in which others find a
// processor at once. Questions and orders need none: Breath is finer, and they are dearer than what it costs.
//
// Source: Chiu and Jain, Analysis of the Increase and Decrease Algorithms, Computer Networks 17, 1989.
type pace struct {
	rate  float64 // turns a second; 0: as many as there are places
	saved float64 // turns that may be taken now
	at    time.Duration
	turns float64 // in this window
	began time.Duration
}

// Factors of a pace, for every window of windowTime.
const (
	paceLess  = 0.85
	paceMore  = 1.04
	paceLoose = 4                      // times what is asked for: then there is no pace any more
	paceBurst = 2 * time.Millisecond   // turns of so much time may be saved
	paceRest  = 500 * time.Millisecond // a window so long was a quiet one
)

// open reports whether a turn may be taken.
func (p *pace) open() bool { return p.rate == 0 || p.saved >= 1 }

func (p *pace) spend() {
	p.turns++
	if p.rate > 0 {
		p.saved--
	}
}

// refill saves turns up.
func (p *pace) refill(now time.Duration) {
	if p.rate > 0 {
		p.saved = min(p.saved+p.rate*(now-p.at).Seconds(), max(1, p.rate*paceBurst.Seconds()))
	}
	p.at = now
}

// adapt ends a window. The rate is never lowered below slowest.
func (p *pace) adapt(now time.Duration, pressed bool, slowest float64) {
	took := now - p.began
	asked := p.turns / max(took.Seconds(), windowTime.Seconds())
	switch {
	case took > paceRest:
		p.rate = 0
	case pressed && asked > slowest:
		if p.rate == 0 {
			p.saved = 0
		}
		if p.rate == 0 || p.rate > asked {
			p.rate = asked
		}
		p.rate = max(slowest, p.rate*paceLess)
	case p.rate > 0 && !pressed:
		if p.rate *= paceMore; p.rate > paceLoose*(asked+slowest) {
			p.rate = 0
		}
	}
	p.turns, p.began = 0, now
}

// look is what the queue does once in a window: how long do goroutines wait for a processor, and the network to be
// heard, and who is to be slower?
func (q *Queue) look(now time.Duration) {
	if now-q.looked >= windowTime {
		q.looked = now
		if q.limits.Pressure != nil {
			q.pressure = q.limits.Pressure()
		}
		if q.limits.Network != nil {
			pause := q.limits.Network()
			if q.lines[Query].all.size+q.lines[Quote].all.size > 0 {
				pause = max(pause, exitCrowded)
			}
			q.exit.wanted.Store(int64(pause))
		}
		for i := range q.knocks { // before anything else is held back
			q.knocks[i].adapt(now, q.pressure > q.limits.Pressed/4, float64(q.limits.Knocks))
		}
	}
	for i := range q.knocks {
		q.knocks[i].refill(now)
	}
}

// TurnedAway is how many logins were not even looked at.
func (q *Queue) TurnedAway() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.turned
}

// Knock says whether a login that has just come may be looked at: its body, its ticket, its place. Looking costs tens
// of microseconds, and a storm of logins is of thousands a second, before any of them stands in a line that could hold
// it back. So while goroutines wait long for a processor, logins are looked at at a pace, and the others are told when
// to come back at no more than what that takes. It may be lowered far, since who is not looked at loses nothing that
// he has. Who brings a ticket, or what looks like one, has a pace of his own, or else those whose turn has come would
// come late: they are told when to come, and are few as long as those who get tickets are.
func (q *Queue) Knock(ticket bool) error {
	if q.limits.Off {
		return nil
	}
	now := time.Since(q.start)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.look(now)
	p := &q.knocks[0]
	if ticket {
		p = &q.knocks[1]
	}
	if p.open() {
		p.spend()
		return nil
	}
	q.turned++
	q.counts[Heavy].Foreseen++
	return q.refuse(Heavy, now)
}
