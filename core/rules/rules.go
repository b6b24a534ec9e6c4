// Package rules answers what the market's rules say about a security on a day: sessions, lots, ticks, order types,
// price limits, cages, halts, fees, settlement and the trading calendar, all read from dated tables in one text.
//
// Units: prices and cash in 1/10,000 CNY, rates in 1/100,000,000 (package money), times of day in nanoseconds on the
// exchanges' clock (TimeOfDay), days as YYYYMMDD.
//
// Invariants: of each table at most one row holds for a venue, board, condition and day (Parse refuses overlaps), and
// the sessions of a venue fill the day without gaps. What no row covers is unknown, and unknown is refused: ok is
// false, a phase is UnknownPhase, an acceptance is Refused; it is never read as "no limit". A row changes nothing on
// days before its from. Rules does not change after Parse, may be shared, and its queries allocate nothing.
//
// It never reads a file or a clock, and holds no figure of the market in code. It rounds as a row says, and
// fees half-up to the fen.
//
// Source: the trading rules of SSE, SZSE and BSE and the tariffs of the exchanges, ChinaClear and the Ministry of
// Finance; each row of market.txt names its own, and a mark says how well it is known.
package rules

import (
	_ "embed"

	"evenkeel/core/money"
	"evenkeel/core/must"
	"evenkeel/core/trade"
)

//go:embed market.txt
var embedded string

// Embedded returns the text of the tables that the program was built with.
func Embedded() string { return embedded }

// Standard returns the parsed embedded tables. Tests keep them parsable, so that a failure is a bug.
func Standard() *Rules {
	r, err := Parse(embedded)
	must.Hold(err == nil, "embedded market rules parse")
	return r
}

// Rules are the parsed tables.
type Rules struct {
	tables [tableCount][]row
	order  []tableID // of the text
}

// Row is a row of a table as people read it.
type Row struct {
	Table    string
	Line     int // in the text
	From, To trade.Day
	Text     string // the columns
	Mark     string // "seen", "m" (from memory, not verified) or "?" (sources disagree)
	Source   string
}

// Rows returns all rows in the order of the text, for people who check the rules. To is 0 while a rule is in force.
func (r *Rules) Rows() []Row {
	var all []Row
	for _, id := range r.order {
		s := &schemas[id]
		for i := range r.tables[id] {
			one := &r.tables[id][i]
			all = append(all, Row{
				Table: s.name, Line: one.line, Text: string(one.columns(nil, s)), Mark: markWords[one.mark], Source: one.source,
				From: trade.Day(one.cells[s.from]), To: trade.Day(max(one.cells[s.to], 0)),
			})
		}
	}
	return all
}

// Terms returns all rules of a security on a day; ok is false when any table has no row for it (Missing names the
// table), and for UnknownCondition and Suspended always: such a security takes no orders. It does not ask whether the
// day is a trading day.
func (r *Rules) Terms(
	venue trade.Venue, board trade.Board, condition trade.Condition, day trade.Day,
) (t Terms, ok bool) {
	missing := r.resolve(&t, venue, board, condition, day)
	if missing != complete {
		return Terms{}, false
	}
	return t, true
}

// Missing returns the name of the first table without a row for a security on a day; it is empty when Terms has an
// answer. It is for messages to operators.
func (r *Rules) Missing(venue trade.Venue, board trade.Board, condition trade.Condition, day trade.Day) string {
	var t Terms
	if missing := r.resolve(&t, venue, board, condition, day); missing != complete {
		return schemas[missing].name
	}
	return ""
}

// FreeDays returns how many trading days after its listing a security of the board has no price limit, when it is
// listed on day: so long its condition is NewListing.
func (r *Rules) FreeDays(venue trade.Venue, board trade.Board, day trade.Day) (days int, ok bool) {
	if c := r.find(listings, venue, board, 0, day); c != nil {
		return int(c[listingDays]), true
	}
	return 0, false
}

// Programme are the lines above which one account's programme trading is high-frequency trading.
type Programme struct {
	PerSecond int64 // orders and cancels in one second
	PerDay    int64 // orders and cancels in one day
}

// Programme returns the thresholds of programme trading on a day; ok is false when there is no rule.
func (r *Rules) Programme(venue trade.Venue, day trade.Day) (p Programme, ok bool) {
	if c := r.find(programmes, venue, 0, 0, day); c != nil {
		return Programme{PerSecond: c[programmeSecond], PerDay: c[programmeDay]}, true
	}
	return Programme{}, false
}

// Spoofing are the lines of abnormal trading by orders that are cancelled again.
type Spoofing struct {
	Distance  money.Rate // of the price from the previous close, opening call
	Cancelled money.Rate // share of the quantity that is cancelled
	Moved     money.Rate // of the virtual price, opening call
	Levels    int64      // continuous trading: orders inside so many best levels
}

// Spoofing returns the lines on a day; ok is false when there is no rule.
func (r *Rules) Spoofing(venue trade.Venue, board trade.Board, day trade.Day) (s Spoofing, ok bool) {
	if c := r.find(spoofings, venue, board, 0, day); c != nil {
		return Spoofing{
			Distance: money.Rate(c[spoofingDistance]), Cancelled: money.Rate(c[spoofingCancelled]),
			Moved: money.Rate(c[spoofingMoved]), Levels: c[spoofingLevels],
		}, true
	}
	return Spoofing{}, false
}

// Deviations are the published lines of abnormal price moves, as deviations from the index.
type Deviations struct {
	ThreeDays            money.Rate // abnormal: over three trading days, either direction
	TenUp, TenDown       money.Rate // seriously abnormal: over ten trading days
	ThirtyUp, ThirtyDown money.Rate // seriously abnormal: over thirty trading days
}

// Deviations returns the lines on a day; ok is false when there is no rule.
func (r *Rules) Deviations(venue trade.Venue, board trade.Board, day trade.Day) (d Deviations, ok bool) {
	if c := r.find(deviations, venue, board, 0, day); c != nil {
		return Deviations{
			ThreeDays: money.Rate(c[deviationThree]),
			TenUp:     money.Rate(c[deviationTenUp]), TenDown: money.Rate(c[deviationTenDown]),
			ThirtyUp: money.Rate(c[deviationThirtyUp]), ThirtyDown: money.Rate(c[deviationThirtyDown]),
		}, true
	}
	return Deviations{}, false
}

// find returns the one row of a table that holds, or nil. Keys that the table does not have are ignored.
func (r *Rules) find(
	id tableID, venue trade.Venue, board trade.Board, condition trade.Condition, day trade.Day,
) *cells {
	rows := r.tables[id]
	for i := range rows {
		if schemas[id].covers(&rows[i].cells, venue, board, condition, day) {
			return &rows[i].cells
		}
	}
	return nil
}
