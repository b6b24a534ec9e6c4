package rules

import "evenkeel/core/money"

// Halt are the volatility halts of a security without a price limit.
type Halt struct {
	First, Second money.Rate // moves from the day's open that halt trading: 30 % and 60 %
	Length        TimeOfDay  // how long
	End           TimeOfDay  // a halt that would last beyond this time ends at it, and goes into the closing call
}

// HaltMarks are the halts that a security has had today; zero at the open.
type HaltMarks uint8

// Marks: each direction and threshold halts once a day.
const (
	HaltedUpFirst HaltMarks = 1 << iota
	HaltedUpSecond
	HaltedDownFirst
	HaltedDownSecond
)

// Trips reports whether a trade at price halts the security, given the day's opening price and the halts it has had;
// marks are those after it. A trade straight past the second threshold spends both marks and halts once. Without halt
// rules or an opening price nothing halts.
func (h *Halt) Trips(open, price money.Price, had HaltMarks) (marks HaltMarks, halts bool) {
	if h.First <= 0 || open <= 0 || price <= 0 {
		return had, false
	}
	first, second := HaltedUpFirst, HaltedUpSecond
	if price < open {
		first, second = HaltedDownFirst, HaltedDownSecond
	}
	marks = had
	if h.moved(open, price, h.Second) {
		marks |= first | second
	} else if h.moved(open, price, h.First) {
		marks |= first
	}
	return marks, marks != had
}

// moved reports whether price is at least rate away from open.
func (h *Halt) moved(open, price money.Price, rate money.Rate) bool {
	away := price - open
	if away < 0 {
		away = -away
	}
	// Rounded up: a move that is a fraction of a unit short of the threshold has not reached it.
	least, ok := money.MulDiv(int64(open), int64(rate), int64(money.Whole), money.Up)
	return ok && int64(away) >= least
}

// Until returns when a halt that begins at a time of day ends: Length later, by the clock, at the latest at End. The
// lunch break counts (no public copy of the rules says otherwise); a halt that ends in it resumes at 13:00. At
// resumption the orders taken in the halt are matched in a call of their own, and after one that ends at End the
// closing call follows (SZSE, answers on trading, 2024-01-18).
func (h *Halt) Until(begin TimeOfDay) TimeOfDay {
	return min(begin+h.Length, h.End)
}
