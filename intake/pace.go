package intake

import "time"

// pace holds orders, or looks at logins, back when the processors are full. A limit on how much is worked on at a time
// cannot: two, one after the other without a pause, fill two processors, and then every goroutine of a cancel
// (its reader, the log, the books, the writer) waits behind them. So while goroutines wait long, turns are given out
// at a rate, which is lowered until they do not, and raised again slowly: some idle time is left, in which others
// find a processor at once. Questions need none: Breath is finer.
//
// Source: Chiu and Jain, Analysis of the Increase and Decrease Algorithms, Computer Networks 17, 1989.
type pace struct {
	rate  float64 // turns a second; 0: as many as there are places
	saved float64 // turns that may be taken now
	at    time.Duration
	turns float64 // in this window
	most  float64 // turns a second that were taken lately when nothing was held back
	began time.Duration
	asked float64 // turns a second that were asked for in the last window, those that were not given among them
	shut  float64 // that were asked for and not given, in this window
	bare  bool    // it may be lowered as far as its slowest: see knocks
}

// Factors of a pace, for every window of windowTime.
const (
	paceLess  = 0.85
	paceMore  = 1.04
	paceLeast = 0.5                    // of what was answered when nothing was held back
	paceFade  = 0.99                   // of what that was, while nothing is
	paceLoose = 4                      // times what is asked for: then there is no pace any more
	paceBurst = 2 * time.Millisecond   // turns of so much time may be saved
	paceRest  = 500 * time.Millisecond // a window so long was a quiet one
	paceTick  = time.Millisecond       // how often turns that are due are given out
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

// adapt ends a window. The rate is never lowered below slowest, nor below half of what was answered when nothing was
// held back: if that leaves the processors full, somebody else fills them, and holding more back would help nobody.
func (p *pace) adapt(now time.Duration, pressed bool, slowest float64) {
	took := now - p.began
	asked := p.turns / max(took.Seconds(), windowTime.Seconds())
	p.asked = asked + p.shut/max(took.Seconds(), windowTime.Seconds())
	switch {
	case took > paceRest:
		p.rate = 0
	case pressed && asked > slowest:
		p.most = max(p.most, asked)
		if p.rate == 0 {
			p.saved = 0
		}
		if p.rate == 0 || p.rate > asked {
			p.rate = asked
		}
		least := max(slowest, p.most*paceLeast)
		if p.bare {
			least = slowest
		}
		p.rate = max(least, p.rate*paceLess)
	case p.rate > 0 && !pressed:
		if p.rate *= paceMore; p.rate > paceLoose*(asked+slowest) {
			p.rate = 0
		}
	default:
		p.most = max(asked, p.most*paceFade)
	}
	p.turns, p.shut, p.began = 0, 0, now
}

// slowestPace is the rate for each processor below which no class is held.
const slowestPace = 250

// Orders are held back last, and not while questions or logins are what fills the processors: when goroutines wait so
// many times longer than what is too long for others, and at a rate so many times higher.
const (
	lastPressed = 5
	lastPace    = 4
)

// look is what the queue does once in a window: how long do goroutines wait for a processor, and who is to be slower?
func (q *Queue) look(now time.Duration) {
	does := &q.pools[commands].pace
	if now-q.looked >= windowTime {
		q.looked = now
		if q.limits.Pressure != nil {
			q.pressure = q.limits.Pressure()
		}
		if q.limits.Network != nil {
			q.network = q.limits.Network()
			pause := q.network
			if q.lines[Query].all.size+q.lines[Quote].all.size > 0 {
				pause = max(pause, exitCrowded)
			}
			q.exit.network.Store(int64(pause))
		}
		queries, _ := q.rates[Query].lately(now)
		quotes, _ := q.rates[Quote].lately(now)
		others := queries+quotes > 2*q.slowest
		for i := range q.knocks { // before anything else is held back
			q.knocks[i].adapt(now, q.pressure > q.limits.Pressed/4, float64(q.limits.Knocks))
			others = others || q.knocks[i].asked > float64(q.limits.Knocks)
		}
		does.adapt(now, max(q.pressure, q.network) > lastPressed*q.limits.Pressed && !others, lastPace*q.slowest)
	}
	does.refill(now)
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
// come late: they are told when to come, and are few as long as those who get tickets are. Orders are not held back
// while logins storm: they are not what fills the processors.
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
	p.shut++
	q.turned++
	q.counts[Heavy].Foreseen++
	return q.refuse(Heavy, now)
}
