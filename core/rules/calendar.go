package rules

import "evenkeel/core/trade"

// mostClosedDays bounds a run of days without trading; Parse refuses a calendar with a longer one.
const mostClosedDays = 60

// IsTradingDay reports whether the exchanges trade on a day: not on Saturdays, Sundays and the holidays of the
// calendar table. known is false when the day lies outside the years that the table knows; then every weekday counts
// as a trading day. A number that is no day is no trading day and not known.
func (r *Rules) IsTradingDay(day trade.Day) (open, known bool) {
	if !ValidDay(day) {
		return false, false
	}
	weekday := Weekday(day)
	open = weekday != Saturday && weekday != Sunday
	for i := range r.tables[calendar] {
		c := &r.tables[calendar][i].cells
		if day < trade.Day(c[calendarFrom]) || day > trade.Day(c[calendarTo]) {
			continue
		}
		if c[calendarState] == stateClosed {
			open = false
		} else {
			known = true
		}
	}
	return open, known
}

// NextTradingDay returns the first trading day after a valid day; known is false when a day up to it lies outside the
// calendar table. It is 0 when there is none up to LastDay, and for a day that is not valid.
func (r *Rules) NextTradingDay(day trade.Day) (next trade.Day, known bool) { return r.step(day, 1) }

// PreviousTradingDay returns the last trading day before a valid day, like NextTradingDay; 0 when there is none down
// to FirstDay.
func (r *Rules) PreviousTradingDay(day trade.Day) (previous trade.Day, known bool) {
	return r.step(day, -1)
}

func (r *Rules) step(day trade.Day, by int) (trade.Day, bool) {
	if !ValidDay(day) {
		return 0, false
	}
	all := true
	for range mostClosedDays + 1 {
		day = AddDays(day, by)
		if !ValidDay(day) {
			return 0, false
		}
		open, known := r.IsTradingDay(day)
		all = all && known
		if open {
			return day, all
		}
	}
	return 0, false
}
