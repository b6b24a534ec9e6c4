package api

import (
	"net/http"
	"strconv"
	"time"

	"evenkeel/core/money"
	"evenkeel/core/rules"
	"evenkeel/core/trade"
	"evenkeel/feed"
	"evenkeel/intake"
)

// Charts of the screen: the minutes of a day on the grid of its trading minutes, candles with a way back, and the
// trades of the day. What they show is what the exchange sends of its past, and what has come since; the past of the
// simulated exchange, before it was set up, is made up, and the demo says so.

// Limits of charts.
const (
	candlesDefault = 500
	candlesMost    = 2000
	ticksDefault   = 100
	ticksMost      = 1000
)

// span of trading within a day, in minutes from midnight: a market's day is one or two of them.
type tradingSpan struct{ from, until int }

// gridOf are the spans of a day in which minutes are counted; none where the rules know none.
func (s *Server) gridOf(v trade.Venue, day trade.Day) (grid []tradingSpan) {
	table := s.Rules()
	for at, n := rules.TimeOfDay(0), 0; n < 24; n++ {
		phase, begins, ok := table.Next(v, day, at)
		if !ok {
			break
		}
		if open := phase == trade.Continuous || phase == trade.ClosingCall; open {
			from := minuteOf(rules.Join(day, begins))
			until := from
			if _, ends, ok := table.Next(v, day, begins); ok {
				until = minuteOf(rules.Join(day, ends))
			}
			if k := len(grid); k > 0 && grid[k-1].until == from {
				grid[k-1].until = until
			} else {
				grid = append(grid, tradingSpan{from, until})
			}
		}
		at = begins
	}
	return grid
}

// minuteOf is a time's minute of its day in Shanghai.
func minuteOf(t trade.Time) int {
	local := time.Unix(0, int64(t)).In(shanghai)
	return local.Hour()*60 + local.Minute()
}

// callTime is how long before the first span, in minutes, the trades of the opening call may be, and how long after
// the last those of the close and of fixed prices.
const callTime = 31

// placeOn is which trading minute of the day a minute is. The opening call counts to the first, what comes after a
// span to its last. A minute that is of no trading day is none: an exchange that never closes has no grid.
func placeOn(grid []tradingSpan, minute int) (index int, ok bool) {
	before := 0
	for i, span := range grid {
		late := 1
		if i == len(grid)-1 {
			late = callTime
		}
		early := 0
		if i == 0 {
			early = callTime
		}
		if minute >= span.from-early && minute < span.until+late {
			return before + min(max(minute, span.from), span.until-1) - span.from, true
		}
		before += span.until - span.from
	}
	return 0, false
}

// startOf is when a trading minute begins.
func startOf(grid []tradingSpan, day trade.Day, index int) trade.Time {
	for _, span := range grid {
		if index < span.until-span.from {
			return rules.Join(day, 0) + trade.Time(span.from+index)*trade.Time(time.Minute)
		}
		index -= span.until - span.from
	}
	return rules.Join(day, 0)
}

func spansOf(grid []tradingSpan, day trade.Day) []any {
	list := []any{}
	for _, span := range grid {
		list = append(list, map[string]any{"from": stamp(rules.Join(day, 0) + trade.Time(span.from)*trade.Time(time.Minute)),
			"until":   stamp(rules.Join(day, 0) + trade.Time(span.until)*trade.Time(time.Minute)),
			"minutes": span.until - span.from})
	}
	return list
}

// onGrid merges minutes of one day into groups of n trading minutes. Where one lies outside of the grid, the grid is
// not that of this day, and groups are counted from midnight.
func onGrid(minutes []feed.Candle, grid []tradingSpan, n int) (rows []feed.Candle, places []int, regular bool) {
	regular = len(grid) > 0
	for i := range minutes {
		_, ok := placeOn(grid, minuteOf(minutes[i].Start))
		regular = regular && ok
	}
	for i := range minutes {
		c := &minutes[i]
		at, start := 0, trade.Time(0)
		if regular {
			at, _ = placeOn(grid, minuteOf(c.Start))
			at = at / n * n
			start = startOf(grid, c.Day, at)
		} else {
			at = minuteOf(c.Start) / n * n
			start = c.Start - trade.Time(minuteOf(c.Start)-at)*trade.Time(time.Minute)
		}
		if k := len(rows); k > 0 && rows[k-1].Start == start {
			rows[k-1] = merged(&rows[k-1], c)
			continue
		}
		row := *c
		row.Start = start
		rows, places = append(rows, row), append(places, at)
	}
	return rows, places, regular
}

// merged is a candle with a later one taken in.
func merged(a, b *feed.Candle) feed.Candle {
	c := *a
	c.High, c.Low, c.Close = max(a.High, b.High), min(a.Low, b.Low), b.Close
	c.Volume, c.Turnover, c.Trades = a.Volume+b.Volume, a.Turnover+b.Turnover, a.Trades+b.Trades
	return c
}

// minutesOfDays are the minutes kept of a security, from a time on and before another, as days.
func (s *Server) minutesOfDays(symbol string, from, until trade.Time) (days [][]feed.Candle) {
	rows := s.Market.Candles(symbol, feed.Minutes, 1, feed.Interval{From: from, Until: until})
	for i := range rows {
		if k := len(days); k == 0 || days[k-1][0].Day != rows[i].Day {
			days = append(days, nil)
		}
		days[len(days)-1] = append(days[len(days)-1], rows[i])
	}
	return days
}

// getMinutes is GET /api/v1/minutes/{symbol}?day=: price, average and volume of each minute of a day.
func getMinutes(s *Server, c *call) (int, any, error) {
	line, err := s.security(c.r.PathValue("symbol"))
	if err != nil {
		return 0, nil, err
	}
	q := c.query()
	day := q.day("day")
	if q.err != nil {
		return 0, nil, q.err
	}
	symbol := string(line.Symbol)
	today, _ := s.Market.Place()
	if day == 0 {
		day = max(today, line.Day)
	}
	var minutes []feed.Candle
	for _, one := range s.minutesOfDays(symbol, rules.Join(day, 0), rules.Join(rules.AddDays(day, 1), 0)) {
		minutes = append(minutes, one...)
	}
	grid := s.gridOf(line.Venue, day)
	rows, places, regular := onGrid(minutes, grid, 1)
	spans, count := spansOf(grid, day), 0
	for _, span := range grid {
		count += span.until - span.from
	}
	if !regular && len(rows) > 0 {
		spans, count = []any{}, 0
	}
	list := make([]any, len(rows))
	var volume money.Quantity
	var turnover money.Cash
	for i := range rows {
		volume, turnover = volume+rows[i].Volume, turnover+rows[i].Turnover
		row := map[string]any{"index": nil, "time": stamp(rows[i].Start), "price": rows[i].Close.String(),
			"average": average(turnover, volume), "volume": int64(rows[i].Volume), "turnover": rows[i].Turnover.String()}
		if regular {
			row["index"] = places[i]
		}
		list[i] = row
	}
	previous := any(nil)
	if p := s.closeBefore(&line, day); p > 0 {
		previous = p.String()
	}
	return http.StatusOK, map[string]any{"symbol": symbol, "name": string(line.Name), "day": dayText(day),
		"previous_close": previous, "spans": spans, "grid": count, "minutes": list, "simulated": s.Demo}, nil
}

// closeBefore is the close before a day: of today as the exchange says, of an earlier one as the candle before says.
func (s *Server) closeBefore(line *trade.Security, day trade.Day) money.Price {
	if day == line.Day {
		return line.PreviousClose
	}
	rows := s.Market.Candles(string(line.Symbol), feed.Days, 1, feed.Interval{Until: rules.Join(day, 0), Newest: true,
		Limit: 1})
	if len(rows) == 0 {
		return 0
	}
	return rows[0].Close
}

// intervals of candles, with their minutes; 0: a span of its own.
var intervals = map[string]struct {
	span    feed.Span
	minutes int
}{"1m": {feed.Minutes, 1}, "5m": {feed.Minutes, 5}, "15m": {feed.Minutes, 15}, "30m": {feed.Minutes, 30},
	"60m": {feed.Minutes, 60}, "day": {feed.Days, 0}, "week": {feed.Weeks, 0}, "month": {feed.Months, 0}}

// getCandles is GET /api/v1/candles/{symbol}?interval=&before=&limit=: candles oldest first, the newest of those that
// begin before a time.
func getCandles(s *Server, c *call) (int, any, error) {
	line, err := s.security(c.r.PathValue("symbol"))
	if err != nil {
		return 0, nil, err
	}
	q := c.query()
	name := q.choice("interval", "day", "1m", "5m", "15m", "30m", "60m", "week", "month")
	limit := q.integer("limit", candlesDefault, 1, candlesMost)
	before := q.moment("before")
	if q.err != nil {
		return 0, nil, q.err
	}
	rows := s.candlesBefore(&line, name, before)
	next := any(nil)
	if len(rows) > limit {
		rows = rows[len(rows)-limit:]
		next = stamp(rows[0].Start)
	}
	list := make([]any, len(rows))
	for i := range rows {
		r := &rows[i]
		list[i] = map[string]any{"time": stamp(r.Start), "day": dayText(r.Day), "open": r.Open.String(),
			"high": r.High.String(), "low": r.Low.String(), "close": r.Close.String(), "volume": int64(r.Volume),
			"turnover": r.Turnover.String(), "trades": r.Trades}
	}
	return http.StatusOK, map[string]any{"symbol": string(line.Symbol), "interval": name, "candles": list,
		"before": next, "simulated": s.Demo}, nil
}

func (s *Server) candlesBefore(line *trade.Security, name string, before trade.Time) (rows []feed.Candle) {
	kind, symbol := intervals[name], string(line.Symbol)
	if kind.minutes == 0 {
		return s.Market.Candles(symbol, kind.span, 1, feed.Interval{Until: before})
	}
	for _, minutes := range s.minutesOfDays(symbol, 0, 0) {
		one, _, _ := onGrid(minutes, s.gridOf(line.Venue, minutes[0].Day), kind.minutes)
		rows = append(rows, one...)
	}
	for before != 0 && len(rows) > 0 && rows[len(rows)-1].Start >= before {
		rows = rows[:len(rows)-1]
	}
	return rows
}

// getTicks is GET /api/v1/ticks/{symbol}?before=&limit=: trades of the day, newest first, those before a number.
func getTicks(s *Server, c *call) (int, any, error) {
	line, err := s.security(c.r.PathValue("symbol"))
	if err != nil {
		return 0, nil, err
	}
	q := c.query()
	limit := q.integer("limit", ticksDefault, 1, ticksMost)
	before := q.integer("before", 0, 0, 1<<53)
	if q.err != nil {
		return 0, nil, q.err
	}
	day, _ := s.Market.Place()
	list, places := []screenTick{}, s.places(string(line.Symbol))
	next := any(nil)
	for _, t := range s.Market.Trades(string(line.Symbol), feed.Interval{Newest: true}) {
		if t.Day != day {
			break
		}
		if before != 0 && t.Sequence >= uint64(before) {
			continue
		}
		if len(list) == limit {
			next = list[limit-1].Number
			break
		}
		list = append(list, screenTickOf(t, places))
	}
	return http.StatusOK, map[string]any{"symbol": string(line.Symbol), "day": dayText(day), "ticks": list,
		"before": next}, nil
}

// getSearch is GET /api/v1/search?q=&limit=: securities by code, name and pinyin, the likeliest first.
func getSearch(s *Server, c *call) (int, any, error) {
	q := c.query()
	limit := q.integer("limit", 20, 1, 100)
	text := q.text("q")
	if len(text) > longestSearch {
		q.wrong("q", "at most "+strconv.Itoa(longestSearch)+" bytes")
	}
	if q.err != nil {
		return 0, nil, q.err
	}
	list := []any{}
	for _, line := range s.finder.find(s.Listing, text, limit) {
		list = append(list, map[string]any{"symbol": string(line.Symbol), "name": string(line.Name),
			"pinyin": string(line.Pinyin), "market": marketCode(line.Venue), "board": boardWords[line.Board],
			"condition": conditionWords[line.Condition]})
	}
	return http.StatusOK, map[string]any{"securities": list}, nil
}

// chartRoutes are the charts and the search.
var chartRoutes = []route{
	{"GET /api/v1/minutes/{symbol}", reader, intake.Quote, getMinutes, false},
	{"GET /api/v1/candles/{symbol}", reader, intake.Quote, getCandles, false},
	{"GET /api/v1/ticks/{symbol}", reader, intake.Quote, getTicks, false},
	{"GET /api/v1/search", reader, intake.Quote, getSearch, false},
}
