package sim

import (
	"fmt"
	"math"
	"time"

	"github.com/anishathalye/porcupine"

	"evenkeel/core/money"
)

// What an account's clients did and heard is checked for linearizability, account by account: as no command touches
// two accounts, the whole is linearizable when each part is (Herlihy and Wing 1990, "locality").

// mostIDs is how many orders, and how many movements, an account's clients make.
const mostIDs = 384

// ids is a set of numbers below mostIDs.
type ids [mostIDs / 64]uint64

func (s *ids) has(n int) bool { return s[n/64]&(1<<(n%64)) != 0 }
func (s *ids) add(n int)      { s[n/64] |= 1 << (n % 64) }

// An action is one operation of a client, with all its tries.
type action struct {
	what   actionKind
	id     int        // of the order or movement
	amount money.Cash // of a movement
}

type actionKind uint8

const (
	placing   actionKind = iota // an order under a new client order id, or a replacement
	moving                      // cash under a new reference
	repeating                   // an earlier order, the same once more
	removing                    // an earlier movement once more
	asking                      // a fresh read
)

// An effect is what a client heard. The zero effect says that it heard nothing that counts: the action may have
// happened or may not, or happen later.
type effect struct {
	known    bool
	done     bool // carried out, or answered like the first time
	replayed bool
	tries    int
	number   uint64 // the account's event number
	orders   ids    // of a read
	cash     money.Cash
	exact    bool // cash holds: of an account that does not trade
}

// standing is the model's state of an account: small, and equal on equal states.
type standing struct {
	orders, moves ids
	number        uint64
	cash          money.Cash
}

// step says whether an effect fits a state, and what the state is after it.
func (a *action) step(s standing, e *effect, exact bool) (bool, standing) {
	switch a.what {
	case asking:
		return a.read(s, e)
	case placing, repeating:
		return a.enter(s, e)
	default:
		had := s.moves.has(a.id)
		if enough := s.cash+a.amount >= 0; exact && !had && e.known && e.done != enough {
			return false, s // paid out what was not there, or refused to pay what was
		}
		ok, next := a.enter(s, e)
		if ok && !had && next.moves.has(a.id) {
			next.cash += a.amount
		}
		return ok, next
	}
}

// enter puts an id into a set of the state, once whatever is tried.
func (a *action) enter(s standing, e *effect) (bool, standing) {
	set := &s.orders
	if a.what == moving || a.what == removing {
		set = &s.moves
	}
	had := set.has(a.id)
	switch {
	case !e.known:
		set.add(a.id)
		return true, s // the other case, that nothing happened, is the end of the history
	case !e.done:
		return true, s // a refusal changes nothing
	case e.replayed && (a.what == placing || a.what == moving):
		// An earlier try did it, of the client's or of the relay's; the number is of the answer, not of the deed.
		set.add(a.id)
		return true, s
	case e.number < s.number:
		return false, s
	case had && !e.replayed:
		return false, s // it was carried out twice
	case !had && e.replayed:
		return false, s // answered like a first time that there was not
	case !e.replayed && e.number == s.number:
		return false, s
	}
	set.add(a.id)
	s.number = e.number
	return true, s
}

// read: everything that happened is seen, nothing else, and numbers do not go back.
func (a *action) read(s standing, e *effect) (bool, standing) {
	if !e.known {
		return true, s
	}
	if e.orders != s.orders || e.number < s.number || e.exact && e.cash != s.cash {
		return false, s
	}
	s.number = e.number
	return true, s
}

// A history is what the clients of one account did.
type history struct {
	account    int
	exact      bool // the account does not trade: its cash is known to the cent
	operations []porcupine.Operation
}

func (h *history) add(client int, a action, called int64, e effect, returned int64) {
	if !e.known {
		returned = math.MaxInt64
	}
	h.operations = append(h.operations, porcupine.Operation{
		ClientId: client, Input: a, Output: e, Call: called, Return: returned,
	})
}

// checkTime bounds the search of one history, by the clock of this machine.
const checkTime = 20 * time.Second

// check searches an order of the operations that explains all that was heard.
func (h *history) check() error {
	model := porcupine.Model{
		Init: func() any {
			if h.exact {
				return standing{cash: firstCash}
			}
			return standing{}
		},
		Step: func(state, input, output any) (bool, any) {
			a, _ := input.(action)
			e, _ := output.(effect)
			s, _ := state.(standing)
			ok, next := a.step(s, &e, h.exact)
			return ok, next
		},
	}
	switch porcupine.CheckOperationsTimeout(model, h.operations, checkTime) {
	case porcupine.Illegal:
		return fmt.Errorf("account %d: no order of its %d operations explains what its clients heard", h.account,
			len(h.operations))
	case porcupine.Unknown:
		return fmt.Errorf("account %d: %v were not enough to order its %d operations", h.account, checkTime,
			len(h.operations))
	}
	return nil
}

// tell writes a history to the trace.
func (h *history) tell(w *World) {
	for _, o := range h.operations {
		a, _ := o.Input.(action)
		e, _ := o.Output.(effect)
		returned := "never"
		if o.Return != math.MaxInt64 {
			returned = fmt.Sprintf("%.3f", float64(o.Return-began)/1e6)
		}
		w.say("client %d: %.3f to %s: kind %d id %d amount %d: done %t replayed %t tries %d number %d cash %d orders %x",
			o.ClientId, float64(o.Call-began)/1e6, returned, a.what, a.id, a.amount, e.done, e.replayed, e.tries, e.number,
			e.cash, e.orders)
	}
}
