package sim

import (
	"errors"
	"fmt"
	"strings"
	"time"

	core "evenkeel/core/exchange"
	"evenkeel/core/money"
	"evenkeel/core/rules"
	"evenkeel/core/trade"
)

// A desk is the people of the house: it sets up the books, and turns the day together with the exchange. What it wants
// of the books it asks for until it is answered; all of it may be asked twice.
type desk struct {
	world  *World
	todo   []trade.Command // of the setup, in order
	done   int
	busy   bool
	day    trade.Day
	closed bool // no new actions: the day turns
	turned bool // it has
	nights int  // that have begun
	opened func() bool
}

func newDesk(w *World) *desk {
	d := &desk{world: w, day: firstDay}
	d.todo = append(d.todo, trade.Command{Kind: trade.AdoptRulesKind,
		AdoptRules: trade.AdoptRules{Text: []byte(rules.Embedded())}})
	d.list(firstDay)
	for n := range w.mix.accounts {
		d.todo = append(d.todo, trade.Command{Kind: trade.OpenAccountKind, OpenAccount: trade.OpenAccount{
			Login: fmt.Appendf(nil, "investor%d", n), Permissions: trade.MayEverything, Commission: money.Rate(250)}})
	}
	for n := range w.mix.accounts {
		id := accountID(n)
		cash := trade.Command{Kind: trade.MoveCashKind, MoveCash: trade.MoveCash{Account: id, Amount: 300_000_0000,
			Reference: []byte("first")}}
		if n == 0 {
			cash.MoveCash.Amount = firstCash // the account that never trades runs dry now and then
		} else {
			for s := range securities {
				d.todo = append(d.todo, trade.Command{Kind: trade.MoveSharesKind, MoveShares: trade.MoveShares{
					Account: id, Security: trade.SecurityID(s + 1), Quantity: firstShares, Cost: 50_000_0000,
					Reference: fmt.Appendf(nil, "first%d", s)}})
			}
		}
		d.todo = append(d.todo, cash)
		d.todo = append(d.todo, trade.Command{Kind: trade.OpenSessionKind, OpenSession: trade.OpenSession{
			Account: id, TokenHash: [32]byte{byte(n + 1)}, Expires: trade.Time(began) + trade.Time(24*time.Hour)}})
	}
	w.after(time.Millisecond, worldTag, d.ask)
	return d
}

// What accounts begin with: cash, of the one that never trades, and shares of each security, of the others.
const (
	firstCash   money.Cash     = 1000_0000
	firstShares money.Quantity = 5000
)

// accountID is what the books give the nth account: they are opened one after the other.
func accountID(n int) trade.AccountID { return trade.AccountID(n + 1) }

func (d *desk) list(day trade.Day) {
	for i := range securities {
		s := &securities[i]
		d.todo = append(d.todo, trade.Command{Kind: trade.ListSecurityKind, ListSecurity: trade.ListSecurity{
			Security: trade.Security{Symbol: []byte(s.symbol), Name: []byte(s.symbol), Venue: s.venue, Board: s.board,
				Condition: trade.Normal, TPlusZero: s.free, PreviousClose: s.base, Day: day}}})
	}
}

// ask asks for the next thing to be done.
func (d *desk) ask() {
	w := d.world
	if d.done == len(d.todo) || d.busy {
		return
	}
	if c := &d.todo[d.done]; c.Kind == trade.MoveCashKind || c.Kind == trade.MoveSharesKind {
		// A movement is made once a day, so one that may have to be asked for twice waits until the day has begun.
		if leader := w.leader(); leader == nil || leader.books.Day().Today() != d.day {
			w.after(10*time.Millisecond, worldTag, d.ask)
			return
		}
	}
	d.busy = true
	which := d.done
	at := w.nodes[w.random.IntN(len(w.nodes))]
	next := func() {
		if d.done == which && d.busy { // it was not answered
			d.busy = false
			d.ask()
		}
	}
	r := &request{command: encode(&d.todo[which]), answer: func(a reply) {
		w.net.call(at.place, clientPlace, messageTag, func() {
			if d.done != which {
				return
			}
			if a.outcome != answered {
				return // the timer asks again
			}
			d.done++
			d.busy = false
			d.heard(&d.todo[which], &a.answer)
			d.ask()
		})
	}}
	w.net.call(clientPlace, at.place, messageTag, func() { at.stimulate(func() { at.serve(r) }) })
	w.after(60*time.Millisecond, worldTag, next)
}

func (d *desk) heard(c *trade.Command, a *trade.Answer) {
	w := d.world
	switch {
	case a.Reason == trade.Accepted, a.Reason == trade.LoginTaken:
	case c.Kind == trade.ListSecurityKind && a.Reason == trade.WrongDay:
	default:
		w.fail("the desk's command of kind %d was refused: reason %d", c.Kind, a.Reason)
	}
}

// ready reports whether everybody can trade.
func (d *desk) ready() bool {
	leader := d.world.leader()
	if d.done < len(d.todo) || leader == nil || !leader.tradesOn(firstDay) {
		return false
	}
	for n, a := range d.world.accounts {
		a.id = accountID(n)
	}
	return true
}

func (d *desk) missing() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d of %d set up", d.done, len(d.todo))
	for _, n := range d.world.nodes {
		fmt.Fprintf(&b, "; %s up %t leading %+v connected %t", n.name, n.up, n.lead, n.talk != nil)
	}
	return b.String()
}

// turn turns the day, in steps that each wait until the one before has come true.
func (d *desk) turn() {
	w := d.world
	if d.closed || d.turned {
		return
	}
	w.say("--- the day closes")
	d.closed = true
	settled := w.now + int64(mostLate)
	d.steps(
		func() bool {
			if !w.idle() {
				settled = w.now + int64(mostLate)
			}
			return w.now > settled
		},
		func() bool {
			if w.exchange.venuesAre(trade.Closed) {
				return true
			}
			w.exchange.stimulate(func() { w.exchange.phase(trade.Closed) })
			return false
		},
		func() bool { d.nights++; d.list(secondDay); d.ask(); return true },
		func() bool { return d.done == len(d.todo) },
		func() bool {
			if w.exchange.up && w.exchange.day() == secondDay && w.exchange.venuesAre(trade.Continuous) {
				return true
			}
			w.exchange.stimulate(func() { w.exchange.open(secondDay, false) })
			return false
		},
		func() bool {
			leader := w.leader()
			return leader != nil && leader.tradesOn(secondDay)
		},
		func() bool {
			w.say("--- the next day is open")
			d.day, d.turned, d.closed = secondDay, true, false
			w.counts.Days++
			return true
		},
	)
}

// mostLate is how long a relay may keep what a client gave up waiting for, with room.
const mostLate = 2 * time.Second

// tonight returns what does something, unless a night has begun before it comes to that. Between two days of the world
// lie milliseconds, and a path may be clogged, and a process stopped, for longer: but what a client sent for one day
// has no connection any more by which to come on the next, when its reference is free again and its movement would be
// another one.
func (w *World) tonight(do, otherwise func()) func() {
	nights := w.desk.nights
	return func() {
		if w.desk.nights == nights {
			do()
		} else if otherwise != nil {
			otherwise()
		}
	}
}

func (d *desk) steps(all ...func() bool) {
	if len(all) == 0 {
		return
	}
	d.world.after(50*time.Millisecond, worldTag, func() {
		if all[0]() {
			all = all[1:]
		}
		d.steps(all...)
	})
}

// idle reports whether no client waits for anything.
func (w *World) idle() bool {
	for _, a := range w.accounts {
		for i := range a.hands {
			if a.hands[i].open != nil {
				return false
			}
		}
	}
	return true
}

func (m *market) venuesAre(p trade.Phase) bool {
	if !m.up {
		return false
	}
	all := true
	m.view(func(c *core.Machine) {
		for v := trade.SSE; v <= trade.BSE; v++ {
			all = all && c.VenuePhase(v) == p
		}
	})
	return all
}

// leader is the node that leads and is ready, nil when there is none or two.
func (w *World) leader() (one *node) {
	for _, n := range w.nodes {
		if n.up && !n.paused && n.lead.Ready {
			if one != nil {
				return nil
			}
			one = n
		}
	}
	return one
}

var errNoLeader = errors.New("nobody leads")
