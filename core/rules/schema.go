package rules

import (
	"evenkeel/core/money"
	"evenkeel/core/trade"
)

// tableID names a table. The order is that in which Missing looks.
type tableID int

const (
	lots tableID = iota
	ticks
	types
	limits
	cages
	halts
	settlement
	levies
	commissions
	closings
	auctions
	sessions
	acceptance
	listings
	programmes
	spoofings
	deviations
	calendar

	tableCount
	complete tableID = -1 // no table is missing
)

// maxColumns bounds the columns of a table, without mark and source.
const maxColumns = 12

// cells are the values of a row, a number for each column of its schema; sets are bit masks, an absent value is
// absent.
type cells [maxColumns]int64

// absent stands for "none" and for a day that has not come ("open").
const absent = -1

// row is one line of a table.
type row struct {
	cells  cells
	line   int
	mark   int64
	source string
}

// kind says how a column is written.
type kind uint8

const (
	kindSet      kind = iota // words separated by commas, or "all"
	kindWord                 // one word
	kindDay                  // YYYY-MM-DD
	kindLastDay              // YYYY-MM-DD or "open"
	kindPercent              // 0.05%
	kindOptional             // a percentage or "none"
	kindPrice                // CNY
	kindCount                // whole number
	kindTime                 // HH:MM or HH:MM:SS
)

// column is one column of a table.
type column struct {
	name string
	kind kind
	key  bool     // two rows of which all keys meet may not hold on the same day
	word []string // of kindSet and kindWord: the words; the value is the place in the list
	most int64    // of kindCount: the largest
}

// schema is a table's form. Every table has the columns from and to; mark and source follow the last column.
type schema struct {
	name                              string
	columns                           []column
	venue, board, condition, from, to int // places of these columns, or absent
}

// Words of the columns. The place of a word is the number of the constant it stands for; "" is a number without a
// word.
var (
	venueWords     = []string{"", "SSE", "SZSE", "BSE"}
	boardWords     = []string{"", "Main", "ChiNext", "STAR", "BSE", "ETF"}
	conditionWords = []string{"", "normal", "ST", "*ST", "new"}
	phaseWords     = []string{
		"", "before-open", "opening-call", "opening-call-locked", "opening-gap", "continuous", "lunch", "closing-call",
		"fixed-price-entry", "fixed-price-trading", "closed", "volatility-halt", "halted",
	}
	typeWords = []string{
		"", "limit", "best-five-cancel", "best-five-limit", "immediate-or-cancel", "opposite-best", "own-best",
		"fill-or-kill", "fixed-price",
	}
	acceptanceWords = []string{"refused", "taken", "held"}
	roundingWords   = []string{"down", "half-up", "up"}
	sideWords       = []string{"", "buy", "sell"}
	itemWords       = []string{"stamp", "transfer", "handling", "supervision"}
	yesNo           = []string{"no", "yes"}
	closingWords    = []string{"", "last-minute-average", "last-trade"}
	tieBreakWords   = []string{
		"", "unfilled-then-middle", "imbalance-then-previous-close", "imbalance-then-last-trade",
	}
	oddLotWords = []string{"refused", "once"}
	stateWords  = []string{"known", "closed"}
	markWords   = []string{"seen", "m", "?"} // seen in a public copy or on the tape; from memory; sources disagree
)

// stateClosed is the calendar's word for days without trading.
const stateClosed = 1

// has reports whether a venue has a board.
func has(venue trade.Venue, board trade.Board) bool {
	switch venue {
	case trade.SSE:
		return board == trade.Main || board == trade.STAR || board == trade.ETF
	case trade.SZSE:
		return board == trade.Main || board == trade.ChiNext || board == trade.ETF
	case trade.BSE:
		return board == trade.BSEMain
	}
	return false
}

func set(name string, words []string) column {
	return column{name: name, kind: kindSet, key: true, word: words}
}
func word(name string, words []string) column { return column{name: name, kind: kindWord, word: words} }
func plain(name string, k kind) column        { return column{name: name, kind: k} }
func count(name string, most int64) column    { return column{name: name, kind: kindCount, most: most} }

func keyed(c column) column {
	c.key = true
	return c
}

// Columns by place. A table's constants follow the columns of its schema.
const (
	sessionStart, sessionEnd, sessionPhase                = 3, 4, 5
	acceptancePhases, acceptanceOrders, acceptanceCancels = 1, 4, 5
	typeTypes, typePhases, typeLimited, typeProtected     = 2, 5, 6, 7
	lotBuyLeast, lotBuyStep, lotSellLeast, lotSellStep    = 4, 5, 6, 7
	lotOdd, lotMaxLimit, lotMaxMarket                     = 8, 9, 10
	tickTick                                              = 4
	limitRate, limitRounding, limitTicks                  = 5, 6, 7
	listingDays                                           = 4
	cageRate, cageTicks, cageRounding                     = 4, 5, 6
	haltFirst, haltSecond, haltMinutes, haltEnd           = 4, 5, 6, 7
	settlementDays, settlementSameDay                     = 4, 5
	closingRule                                           = 3
	auctionRule                                           = 3
	levyItem, levySides, levyRate                         = 2, 3, 6
	commissionMost, commissionLeast                       = 4, 5
	programmeSecond, programmeDay                         = 3, 4
	spoofingDistance, spoofingCancelled                   = 4, 5
	spoofingMoved, spoofingLevels                         = 6, 7
	deviationThree, deviationTenUp, deviationTenDown      = 4, 5, 6
	deviationThirtyUp, deviationThirtyDown                = 7, 8
	calendarState, calendarFrom, calendarTo               = 0, 1, 2
)

// Bounds of values, wide enough for every market and narrow enough that no product of two of them overflows.
const (
	mostShares  = 1_000_000_000
	mostTicks   = 10_000
	mostDays    = 60
	mostMinutes = 240
	mostOrders  = 1_000_000_000
	mostPrice   = 100 * money.Scale         // of a tick and of a least commission
	mostPercent = 1_000 * money.Whole / 100 // 1000 %
)

var (
	dates  = []column{plain("from", kindDay), plain("to", kindLastDay)}
	venues = set("venue", venueWords)
	boards = set("board", boardWords)
	marks  = word("mark", markWords)
)

// schemas are the forms of all tables.
var schemas = [tableCount]schema{
	lots: form("lots", []column{venues, boards},
		count("buy-least", mostShares), count("buy-step", mostShares), count("sell-least", mostShares),
		count("sell-step", mostShares), word("odd-lot", oddLotWords),
		count("max-limit", mostShares), count("max-market", mostShares)),
	ticks: form("ticks", []column{venues, boards}, plain("tick", kindPrice)),
	types: form("types", []column{venues, boards, set("types", typeWords)},
		column{name: "phases", kind: kindSet, word: phaseWords},
		word("needs-limit", yesNo), word("protection-price", yesNo)),
	limits: form("limits", []column{venues, boards, set("condition", conditionWords)},
		plain("rate", kindOptional), word("rounding", roundingWords), count("least-ticks", mostTicks)),
	cages: form("cages", []column{venues, boards},
		plain("rate", kindOptional), count("ticks", mostTicks), word("rounding", roundingWords)),
	halts: form("halts", []column{venues, boards},
		plain("first", kindPercent), plain("second", kindPercent), count("minutes", mostMinutes), plain("end", kindTime)),
	settlement: form("settlement", []column{venues, boards},
		count("shares-after", mostDays), word("same-day-flag", yesNo)),
	levies: form("levies", []column{venues, boards, keyed(word("item", itemWords)), set("side", sideWords)},
		plain("rate", kindPercent)),
	commissions: form("commissions", []column{venues, boards}, plain("most", kindPercent), plain("least", kindPrice)),
	closings:    form("closings", []column{venues}, word("rule", closingWords)),
	auctions:    form("auctions", []column{venues}, word("tie-break", tieBreakWords)),
	sessions: form("sessions", []column{venues},
		keyed(plain("start", kindTime)), plain("end", kindTime), word("phase", phaseWords)),
	acceptance: form("acceptance", []column{venues, set("phases", phaseWords)},
		word("orders", acceptanceWords), word("cancels", acceptanceWords)),
	listings:   form("listings", []column{venues, boards}, count("free-days", mostDays)),
	programmes: form("programmes", []column{venues}, count("per-second", mostOrders), count("per-day", mostOrders)),
	spoofings: form("spoofings", []column{venues, boards},
		plain("distance", kindPercent), plain("cancelled", kindPercent), plain("moved", kindPercent),
		count("levels", mostTicks)),
	deviations: form("deviations", []column{venues, boards},
		plain("three-days", kindPercent), plain("ten-up", kindPercent), plain("ten-down", kindPercent),
		plain("thirty-up", kindPercent), plain("thirty-down", kindPercent)),
	calendar: form("calendar", []column{keyed(word("state", stateWords))}),
}

// form puts a schema together: keys, the dates, values.
func form(name string, keys []column, values ...column) schema {
	s := schema{name: name, venue: absent, board: absent, condition: absent}
	s.columns = append(s.columns, keys...)
	s.from, s.to = len(keys), len(keys)+1
	s.columns = append(append(s.columns, dates...), values...)
	for i, c := range s.columns {
		switch c.name {
		case "venue":
			s.venue = i
		case "board":
			s.board = i
		case "condition":
			s.condition = i
		}
	}
	return s
}

// covers reports whether a row holds for a venue, board, condition and day; keys that the table lacks are not asked.
func (s *schema) covers(
	c *cells, venue trade.Venue, board trade.Board, condition trade.Condition, day trade.Day,
) bool {
	return day >= trade.Day(c[s.from]) && (c[s.to] == absent || day <= trade.Day(c[s.to])) && ValidDay(day) &&
		inSet(c, s.venue, uint8(venue)) && inSet(c, s.board, uint8(board)) && inSet(c, s.condition, uint8(condition))
}

func inSet(c *cells, place int, member uint8) bool {
	return place == absent || member < 63 && c[place]>>member&1 == 1
}
