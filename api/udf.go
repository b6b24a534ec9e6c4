package api

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"evenkeel/core/money"
	"evenkeel/core/trade"
	"evenkeel/feed"
	"evenkeel/intake"
)

// TradingView's Universal Data Feed: charts without a line of our own. Prices are JSON numbers, times are seconds.

// udfResolutions are the candles that a chart may ask for.
var udfResolutions = []string{"1", "5", "15", "30", "60", "1D", "1W", "1M"}

func udfConfig(*Server, *call) (int, any, error) {
	exchanges := []any{map[string]string{"value": "", "name": "All", "desc": "All exchanges"}}
	for _, v := range venues {
		exchanges = append(exchanges, map[string]string{"value": v.acronym, "name": v.acronym, "desc": v.name})
	}
	return http.StatusOK, map[string]any{"supports_search": true, "supports_group_request": false,
		"supports_marks": false, "supports_timescale_marks": false, "supports_time": true, "exchanges": exchanges,
		"symbols_types": []any{map[string]string{"name": "All", "value": ""}, map[string]string{"name": "Stock",
			"value": "stock"}},
		"supported_resolutions": udfResolutions}, nil
}

func acronym(v trade.Venue) string {
	for _, known := range venues {
		if known.venue == v {
			return known.acronym
		}
	}
	return ""
}

func udfSymbols(s *Server, c *call) (int, any, error) {
	text := c.r.URL.Query().Get("symbol")
	if _, symbol, ok := strings.Cut(text, ":"); ok { // EXCHANGE:SYMBOL
		text = symbol
	}
	line, err := s.security(text)
	if err != nil {
		return 0, nil, err
	}
	terms, _ := s.Rules().Terms(line.Venue, line.Board, line.Condition, line.Day)
	tick := max(terms.Tick, 1)
	return http.StatusOK, map[string]any{
		"name": string(line.Symbol), "ticker": string(line.Symbol), "description": string(line.Name), "type": "stock",
		"session": "0930-1130,1300-1500", "timezone": "Asia/Shanghai", "exchange": acronym(line.Venue),
		"listed_exchange": acronym(line.Venue), "minmov": 1, "pricescale": money.Scale / int64(tick), "has_intraday": true,
		"has_daily": true, "has_weekly_and_monthly": true, "visible_plots_set": "ohlcv", "volume_precision": 0,
		"supported_resolutions": udfResolutions, "intraday_multipliers": []string{"1", "5", "15", "30", "60"},
		"data_status": "streaming", "format": "price", "currency_code": "CNY",
	}, nil
}

func udfSearch(s *Server, c *call) (int, any, error) {
	q := c.query()
	limit := q.integer("limit", 30, 1, 100)
	if q.err != nil {
		return 0, nil, q.err
	}
	venue, named := venueOf(q.text("exchange"))
	list := []any{}
	for _, line := range s.Listing.Securities() {
		if line.ID == 0 || named && line.Venue != venue || !assetMatches(&line, q.text("query")) || len(list) >= limit {
			continue
		}
		list = append(list, map[string]string{"symbol": string(line.Symbol), "full_name": string(line.Symbol),
			"description": string(line.Name), "exchange": acronym(line.Venue), "ticker": string(line.Symbol), "type": "stock"})
	}
	return http.StatusOK, list, nil
}

// resolution reads 1, 5, 60 (minutes), D or 1D, W, M.
func resolution(text string) (span feed.Span, n int, ok bool) {
	switch strings.TrimPrefix(text, "1") {
	case "D":
		return feed.Days, 1, true
	case "W":
		return feed.Weeks, 1, true
	case "M":
		return feed.Months, 1, true
	}
	n, err := strconv.Atoi(text)
	return feed.Minutes, n, err == nil && n > 0 && n <= minutesOfDay && minutesOfDay%n == 0
}

// udfMost bounds the candles of one answer, udfFar the times of a question, in seconds from 1970.
const (
	udfMost = 10_000
	udfFar  = 1 << 33
)

// udfDay lies between the beginning of a day in Shanghai and that of its date in UTC, which is the time that UDF wants
// of the candles of days, weeks and months: they have a date, and no time.
const udfDay = trade.Time(8 * time.Hour)

// udfAnswer says what is wrong as charts read it, too.
func udfAnswer(e endpoint) endpoint {
	return func(s *Server, c *call) (int, any, error) {
		status, body, err := e(s, c)
		if err != nil {
			f := faultOf(err)
			return 0, nil, f.with("s", "error").with("errmsg", f.English)
		}
		return status, body, nil
	}
}

func udfHistory(s *Server, c *call) (int, any, error) {
	q := c.query()
	line, err := s.security(q.text("symbol"))
	if err != nil {
		return http.StatusOK, map[string]string{"s": "error", "errmsg": faultOf(err).English}, nil // UDF says it so
	}
	span, n, ok := resolution(q.text("resolution"))
	if !ok {
		return http.StatusOK, map[string]string{"s": "error", "errmsg": "unknown resolution"}, nil
	}
	// Charts go back before 1970 when they look for the beginning.
	from, to := q.integer("from", 0, -udfFar, udfFar), q.integer("to", int(s.Clock().Unix()), -udfFar, udfFar)
	back := q.integer("countback", 0, 0, udfMost)
	if q.err != nil {
		return 0, nil, q.err
	}
	shift := trade.Time(0)
	if span != feed.Minutes {
		shift = udfDay
	}
	in := feed.Interval{Until: max(1, trade.Time(to)*trade.Time(time.Second)-shift), Newest: true, Limit: udfMost}
	if back > 0 {
		in.Limit = back
	} else {
		in.From = max(0, trade.Time(from)*trade.Time(time.Second)-shift)
	}
	rows := s.Market.Candles(string(line.Symbol), span, n, in)
	if len(rows) == 0 {
		return http.StatusOK, map[string]any{"s": "no_data"}, nil
	}
	slices.SortFunc(rows, func(a, b feed.Candle) int { return cmp.Compare(a.Start, b.Start) })
	var t, v []int64
	var o, h, l, closes []number
	for i := range rows {
		t, v = append(t, int64(rows[i].Start+shift)/int64(time.Second)), append(v, int64(rows[i].Volume))
		o, h = append(o, priceNumber(rows[i].Open)), append(h, priceNumber(rows[i].High))
		l, closes = append(l, priceNumber(rows[i].Low)), append(closes, priceNumber(rows[i].Close))
	}
	return http.StatusOK, map[string]any{"s": "ok", "t": t, "o": o, "h": h, "l": l, "c": closes, "v": v}, nil
}

func udfTime(s *Server, c *call) (int, any, error) {
	c.deliver(http.StatusOK, "text/plain", strconv.AppendInt(nil, s.Clock().Unix(), 10))
	return 0, nil, nil
}

func udfQuotes(s *Server, c *call) (int, any, error) {
	list := []any{}
	symbols := c.query().list("symbols")
	if len(symbols) > s.Limits.Symbols {
		return 0, nil, say(badQuery, "symbols", "too many at once")
	}
	for _, text := range symbols {
		line, err := s.security(text)
		q, ok := s.Market.LatestQuote(string(line.Symbol))
		if err != nil || !ok {
			list = append(list, map[string]any{"s": "error", "n": clip(text), "v": map[string]any{}})
			continue
		}
		change := q.Last - q.PreviousClose
		if q.Last == 0 {
			change = 0
		}
		list = append(list, map[string]any{"s": "ok", "n": text, "v": map[string]any{
			"short_name": string(line.Symbol), "exchange": acronym(line.Venue), "description": string(line.Name),
			"lp": priceNumber(q.Last), "ask": priceNumber(q.BestAsk().Price), "bid": priceNumber(q.BestBid().Price),
			"open_price": priceNumber(q.Open), "high_price": priceNumber(q.High), "low_price": priceNumber(q.Low),
			"prev_close_price": priceNumber(q.PreviousClose), "volume": int64(q.Volume), "ch": priceNumber(change),
			"chp": number(ratio(int64(change)*100, int64(q.PreviousClose)))}})
	}
	return http.StatusOK, map[string]any{"s": "ok", "d": list}, nil
}

// udfRoutes are TradingView's paths.
var udfRoutes = []route{
	{"GET /udf/config", anyone, intake.Quote, udfConfig, false},
	{"GET /udf/symbols", chart, intake.Quote, udfAnswer(udfSymbols), false},
	{"GET /udf/search", chart, intake.Quote, udfAnswer(udfSearch), false},
	{"GET /udf/history", chart, intake.Quote, udfAnswer(udfHistory), false},
	{"GET /udf/quotes", chart, intake.Quote, udfAnswer(udfQuotes), false},
	{"GET /udf/time", anyone, intake.Quote, udfTime, false},
}
