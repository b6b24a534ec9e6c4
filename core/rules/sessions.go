package rules

import "evenkeel/core/trade"

// Acceptance says what becomes of an order or a cancel in a phase.
type Acceptance uint8

// Acceptances. The zero value refuses.
const (
	Refused Acceptance = 0
	Taken   Acceptance = 1 // by the exchange
	Held    Acceptance = 2 // by the broker, who forwards it when the exchange takes it
)

// PhaseAt returns the phase of a venue at a time of a day. On a day without trading it is Closed all day; it is
// UnknownPhase when the tables do not know the venue, the day or the time. Halts of a security are not in it.
func (r *Rules) PhaseAt(venue trade.Venue, day trade.Day, at TimeOfDay) trade.Phase {
	phase := r.Session(venue, day, at)
	if open, _ := r.IsTradingDay(day); !open && phase != trade.UnknownPhase {
		return trade.Closed
	}
	return phase
}

// Session is PhaseAt as if every day were a trading day.
func (r *Rules) Session(venue trade.Venue, day trade.Day, at TimeOfDay) trade.Phase {
	if c := r.session(venue, day, at); c != nil {
		return trade.Phase(c[sessionPhase])
	}
	return trade.UnknownPhase
}

// Next returns the phase that follows the one at a time of a trading day, and when it begins; ok is false when the
// day has no further phase or the tables do not know the venue, the day or the time.
func (r *Rules) Next(venue trade.Venue, day trade.Day, at TimeOfDay) (phase trade.Phase, begins TimeOfDay, ok bool) {
	c := r.session(venue, day, at)
	if c == nil {
		return trade.UnknownPhase, 0, false
	}
	begins = TimeOfDay(c[sessionEnd])
	phase = r.Session(venue, day, begins)
	return phase, begins, phase != trade.UnknownPhase
}

// Begins returns when a phase of a trading day begins first; ok is false when the day has no such phase.
func (r *Rules) Begins(venue trade.Venue, day trade.Day, phase trade.Phase) (at TimeOfDay, ok bool) {
	for i := range r.tables[sessions] {
		c := &r.tables[sessions][i].cells
		if schemas[sessions].covers(c, venue, 0, 0, day) && trade.Phase(c[sessionPhase]) == phase {
			if begins := TimeOfDay(c[sessionStart]); !ok || begins < at {
				at, ok = begins, true
			}
		}
	}
	return at, ok
}

// Takes returns what becomes of orders and cancels in a phase. Which types of orders are taken is Terms.Accepts.
func (r *Rules) Takes(venue trade.Venue, day trade.Day, phase trade.Phase) (orders, cancels Acceptance) {
	for i := range r.tables[acceptance] {
		c := &r.tables[acceptance][i].cells
		if schemas[acceptance].covers(c, venue, 0, 0, day) && PhaseSet(c[acceptancePhases]).Has(phase) {
			return Acceptance(c[acceptanceOrders]), Acceptance(c[acceptanceCancels])
		}
	}
	return Refused, Refused
}

// session returns the row that a time of day falls into.
func (r *Rules) session(venue trade.Venue, day trade.Day, at TimeOfDay) *cells {
	for i := range r.tables[sessions] {
		c := &r.tables[sessions][i].cells
		if schemas[sessions].covers(c, venue, 0, 0, day) &&
			at >= TimeOfDay(c[sessionStart]) && at < TimeOfDay(c[sessionEnd]) {
			return c
		}
	}
	return nil
}
