package rules

import (
	"fmt"

	"evenkeel/core/trade"
)

// clash reports whether two rows hold for the same security on the same day.
func (s *schema) clash(a, b *cells) bool {
	if a[s.to] != absent && a[s.to] < b[s.from] || b[s.to] != absent && b[s.to] < a[s.from] {
		return false
	}
	for i := range s.columns {
		switch {
		case !s.columns[i].key:
		case s.columns[i].kind == kindSet && a[i]&b[i] == 0:
			return false
		case s.columns[i].kind != kindSet && a[i] != b[i]:
			return false
		}
	}
	return s.venue == absent || s.board == absent || anyPair(a[s.venue]&b[s.venue], a[s.board]&b[s.board])
}

// stray returns a word of one of two sets that has no partner in the other: a venue without any of the boards, or a
// board that none of the venues has. A column that says all takes what there is.
func stray(venueSet, boardSet int64) string {
	if venueSet != fullSet(venueWords) {
		for venue := trade.SSE; venue <= trade.BSE; venue++ {
			if venueSet>>venue&1 == 1 && !anyPair(1<<venue, boardSet) {
				return "venue " + venueWords[venue]
			}
		}
	}
	if boardSet != fullSet(boardWords) {
		for board := trade.Main; board <= trade.ETF; board++ {
			if boardSet>>board&1 == 1 && !anyPair(venueSet, 1<<board) {
				return "board " + boardWords[board]
			}
		}
	}
	return ""
}

func anyPair(venueSet, boardSet int64) bool {
	for venue := trade.SSE; venue <= trade.BSE; venue++ {
		for board := trade.Main; board <= trade.ETF; board++ {
			if venueSet>>venue&1 == 1 && boardSet>>board&1 == 1 && has(venue, board) {
				return true
			}
		}
	}
	return false
}

// contradiction returns the column whose value makes no sense beside the others, and what would.
func contradiction(id tableID, c *cells) (column int, want string) {
	switch id {
	case lots:
		for _, i := range [...]int{lotBuyLeast, lotBuyStep, lotSellLeast, lotSellStep} {
			if c[i] < 1 {
				return i, "want 1 or more"
			}
		}
		for _, i := range [...]int{lotMaxLimit, lotMaxMarket} {
			if c[i] < max(c[lotBuyLeast], c[lotSellLeast]) {
				return i, "want at least the smallest buy and sale"
			}
		}
	case ticks:
		if c[tickTick] < 1 {
			return tickTick, "want a price above 0"
		}
	case limits:
		if c[limitRate] > int64(100*percent) {
			return limitRate, "want at most 100%"
		}
		if c[limitRate] != absent && c[limitTicks] < 1 {
			return limitTicks, "want 1 or more"
		}
	case cages:
		if c[cageRate] > int64(100*percent) {
			return cageRate, "want at most 100%"
		}
	case halts:
		if c[haltFirst] < 1 {
			return haltFirst, "want more than 0%"
		}
		if c[haltSecond] <= c[haltFirst] {
			return haltSecond, "want more than the first threshold"
		}
		if c[haltMinutes] < 1 {
			return haltMinutes, "want 1 or more"
		}
	case commissions:
		if c[commissionMost] > int64(100*percent) {
			return commissionMost, "want at most 100%"
		}
	case levies:
		if c[levyRate] > int64(100*percent) {
			return levyRate, "want at most 100%"
		}
	case sessions:
		if c[sessionEnd] <= c[sessionStart] {
			return sessionEnd, "want a time after the start"
		}
	case calendar:
		if c[calendarTo] == absent {
			return calendarTo, "want a last day; the calendar is never open"
		}
	}
	return 0, ""
}

// check refuses what only the whole text can show.
func (r *Rules) check(seen [tableCount]bool) error {
	for id := range schemas {
		if !seen[id] {
			return &Error{Want: "table " + schemas[id].name + " is missing"}
		}
	}
	for _, venue := range [...]trade.Venue{trade.SSE, trade.SZSE, trade.BSE} {
		if err := r.checkSessions(venue); err != nil {
			return err
		}
	}
	for i := range r.tables[calendar] {
		c := &r.tables[calendar][i]
		if c.cells[calendarState] != stateClosed {
			continue
		}
		from := trade.Day(c.cells[calendarFrom])
		before, _ := r.PreviousTradingDay(from)
		after, _ := r.NextTradingDay(max(before, FirstDay))
		if before == 0 && ValidDay(AddDays(from, -mostClosedDays-2)) ||
			after == 0 && ValidDay(AddDays(from, mostClosedDays+2)) {
			return &Error{Line: c.line, Column: "to", Value: dayText(c.cells[calendarTo]),
				Want: fmt.Sprintf("no trading for more than %d days", mostClosedDays)}
		}
	}
	return nil
}

// checkSessions refuses a day of a venue that its sessions do not fill exactly. The sessions change on few days only:
// where a row begins, and after it ends.
func (r *Rules) checkSessions(venue trade.Venue) error {
	rows := r.tables[sessions]
	for i := range rows {
		c := &rows[i].cells
		if !inSet(c, schemas[sessions].venue, uint8(venue)) {
			continue
		}
		if err := r.checkDay(venue, trade.Day(c[schemas[sessions].from]), rows[i].line); err != nil {
			return err
		}
		if last := c[schemas[sessions].to]; last != absent && last < int64(LastDay) {
			if err := r.checkDay(venue, AddDays(trade.Day(last), 1), rows[i].line); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *Rules) checkDay(venue trade.Venue, day trade.Day, line int) error {
	at, covered, count := TimeOfDay(0), TimeOfDay(0), 0
	for i := range r.tables[sessions] {
		c := &r.tables[sessions][i].cells
		if schemas[sessions].covers(c, venue, 0, 0, day) {
			covered += TimeOfDay(c[sessionEnd] - c[sessionStart])
			count++
		}
	}
	if count > mostSessions {
		return &Error{Line: line, Want: fmt.Sprintf("%s has %d sessions on %s, at most %d are possible",
			venueWords[venue], count, dayText(int64(day)), mostSessions)}
	}
	for range count {
		c := r.session(venue, day, at)
		if c == nil || TimeOfDay(c[sessionStart]) != at {
			break
		}
		at = TimeOfDay(c[sessionEnd])
	}
	if count > 0 && at == FullDay && covered != FullDay {
		return &Error{Line: line, Want: fmt.Sprintf("two sessions of %s on %s hold at the same time",
			venueWords[venue], dayText(int64(day)))}
	}
	if count > 0 && at != FullDay {
		return &Error{Line: line, Column: "start", Value: timeText(int64(at)), Want: fmt.Sprintf(
			"the sessions of %s on %s do not fill the day from 00:00 to 24:00 one after the other; look at this time",
			venueWords[venue], dayText(int64(day)))}
	}
	return nil
}
