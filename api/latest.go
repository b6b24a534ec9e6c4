package api

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"

	"evenkeel/core/money"
	"evenkeel/core/trade"
	"evenkeel/feed"
	"evenkeel/intake"
)

// symbolLike reports whether a text has the form of a symbol.
func symbolLike(text string) bool {
	_, _, ok := intake.ParseSymbol(text)
	return ok
}

// latest answers one row for each symbol: under plural in a map, or under singular with its symbol.
func latest[R any](s *Server, c *call, plural, singular string, read func(a *ask, symbol string) (R, bool)) (int, any,
	error) {
	q := c.query()
	a, err := s.readAsk(c, q)
	if err != nil {
		return 0, nil, err
	}
	rows := map[string]R{}
	for _, symbol := range a.symbols {
		if row, ok := read(&a, symbol); ok {
			rows[symbol] = row
		}
	}
	if !a.single {
		return http.StatusOK, map[string]any{plural: rows, "currency": "CNY"}, nil
	}
	row, ok := rows[a.symbols[0]]
	if !ok {
		return 0, nil, say(notFound, singular+" of "+a.symbols[0])
	}
	return http.StatusOK, map[string]any{"symbol": a.symbols[0], singular: row, "currency": "CNY"}, nil
}

func (s *Server) latestTrade(a *ask, symbol string) (row tradeRow, ok bool) {
	t, ok := s.Market.LatestTrade(symbol)
	if ok && a.delayed {
		old := s.Market.Trades(symbol, feed.Interval{Until: s.now() - trade.Time(delay), Newest: true, Limit: 1})
		if ok = len(old) == 1; ok {
			t = old[0]
		}
	}
	if !ok {
		return row, false
	}
	return tradeOf(t), true
}

func (s *Server) latestQuote(a *ask, symbol string) (row quoteRow, ok bool) {
	t, ok := s.Market.LatestQuote(symbol)
	if ok && a.delayed {
		old := s.Market.Quotes(symbol, feed.Interval{Until: s.now() - trade.Time(delay), Newest: true, Limit: 1})
		if ok = len(old) == 1; ok {
			t = old[0]
		}
	}
	if !ok {
		return row, false
	}
	return quoteOf(t), true
}

func (s *Server) latestBar(a *ask, symbol string) (row barRow, ok bool) {
	in := feed.Interval{Newest: true, Limit: 1}
	if a.delayed {
		in.Until = s.now() - trade.Time(delay)
	}
	rows := s.Market.Candles(symbol, feed.Minutes, 1, in)
	if len(rows) == 0 {
		return row, false
	}
	return barOf(&rows[0]), true
}

func getLatestTrades(s *Server, c *call) (int, any, error) {
	return latest(s, c, "trades", "trade", s.latestTrade)
}

func getLatestQuotes(s *Server, c *call) (int, any, error) {
	return latest(s, c, "quotes", "quote", s.latestQuote)
}

func getLatestBars(s *Server, c *call) (int, any, error) {
	return latest(s, c, "bars", "bar", s.latestBar)
}

func getLatestBooks(s *Server, c *call) (int, any, error) {
	return latest(s, c, "orderbooks", "orderbook", func(_ *ask, symbol string) (row bookRow, ok bool) {
		q, ok := s.Market.LatestQuote(symbol)
		if !ok {
			return row, false
		}
		return bookOf(q), true
	})
}

// snapshot is what is known of a security now. Members that there is nothing for are null.
type snapshot struct {
	LatestTrade  *tradeRow   `json:"latestTrade"`
	LatestQuote  *quoteRow   `json:"latestQuote"`
	MinuteBar    *barRow     `json:"minuteBar"`
	DailyBar     *barRow     `json:"dailyBar"`
	PrevDailyBar *barRow     `json:"prevDailyBar"`
	CN           *snapshotCN `json:"cn,omitempty"`
}

type snapshotCN struct {
	Name      string  `json:"name"`
	Phase     string  `json:"phase"`
	PrevClose number  `json:"prev_close"`
	LimitUp   *number `json:"limit_up"`
	LimitDown *number `json:"limit_down"`
	Open      *number `json:"open"`
	Turnover  number  `json:"turnover"`
}

func (s *Server) snapshot(a *ask, symbol string) snapshot {
	var n snapshot
	if row, ok := s.latestTrade(a, symbol); ok {
		n.LatestTrade = &row
	}
	if row, ok := s.latestQuote(a, symbol); ok {
		n.LatestQuote = &row
	}
	if row, ok := s.latestBar(a, symbol); ok {
		n.MinuteBar = &row
	}
	today, before, hasToday, hasBefore := s.Market.DayCandles(symbol)
	if hasToday {
		n.DailyBar = pointer(barOf(&today))
	}
	if hasBefore {
		n.PrevDailyBar = pointer(barOf(&before))
	}
	line, _ := s.Listing.Symbol(symbol)
	n.CN = &snapshotCN{Name: string(line.Name), PrevClose: priceNumber(line.PreviousClose), Turnover: "0"}
	if line.UpperLimit != 0 {
		n.CN.LimitUp, n.CN.LimitDown = pointer(priceNumber(line.UpperLimit)), pointer(priceNumber(line.LowerLimit))
	}
	if q, ok := s.Market.LatestQuote(symbol); ok {
		n.CN.Phase, n.CN.Turnover = phaseWords[q.Phase].name, cashNumber(q.Turnover)
		if q.Open != 0 {
			n.CN.Open = pointer(priceNumber(q.Open))
		}
	}
	return n
}

// getSnapshots is GET /v2/stocks/snapshots: the root object is keyed by symbol.
func getSnapshots(s *Server, c *call) (int, any, error) {
	a, err := s.readAsk(c, c.query())
	if err != nil {
		return 0, nil, err
	}
	rows := map[string]snapshot{}
	for _, symbol := range a.symbols {
		rows[symbol] = s.snapshot(&a, symbol)
	}
	return http.StatusOK, rows, nil
}

// getSnapshot is GET /v2/stocks/{symbol}/snapshot.
func getSnapshot(s *Server, c *call) (int, any, error) {
	a, err := s.readAsk(c, c.query())
	if err != nil {
		return 0, nil, err
	}
	n := s.snapshot(&a, a.symbols[0])
	return http.StatusOK, struct {
		Symbol   string `json:"symbol"`
		Currency string `json:"currency"`
		snapshot
	}{a.symbols[0], "CNY", n}, nil
}

func getExchanges(*Server, *call) (int, any, error) {
	return http.StatusOK, map[string]string{"S": "Shanghai Stock Exchange", "Z": "Shenzhen Stock Exchange",
		"J": "Beijing Stock Exchange"}, nil
}

func getConditions(_ *Server, c *call) (int, any, error) {
	switch kind := c.r.PathValue("type"); kind {
	case "trade":
		return http.StatusOK, tradeConditions, nil
	case "quote":
		return http.StatusOK, quoteConditions, nil
	default:
		return 0, nil, say(notFound, "conditions of "+clip(kind))
	}
}

func getCorporateActions(*Server, *call) (int, any, error) {
	actions := map[string]any{}
	for _, kind := range []string{"cash_dividends", "stock_dividends", "rights_distributions", "forward_splits",
		"reverse_splits", "unit_splits", "spin_offs", "cash_mergers", "stock_mergers", "stock_and_cash_mergers",
		"redemptions", "name_changes", "worthless_removals"} {
		actions[kind] = []any{}
	}
	return http.StatusOK, map[string]any{"corporate_actions": actions, "next_page_token": nil}, nil
}

func getIndices(*Server, *call) (int, any, error) {
	return http.StatusOK, map[string]any{"values": map[string]any{}, "next_page_token": nil}, nil
}

// moved is a security with how far it moved today.
type moved struct {
	Symbol  string `json:"symbol"`
	Price   number `json:"price"`
	Change  number `json:"change"`
	Percent number `json:"percent_change"`
	part    int64
}

const topMost = 100

// getMovers is GET /v1beta1/screener/stocks/movers.
func getMovers(s *Server, c *call) (int, any, error) {
	q := c.query()
	top := q.integer("top", 10, 1, topMost)
	if q.err != nil {
		return 0, nil, q.err
	}
	var all []moved
	for _, symbol := range s.Market.Symbols() {
		quote, ok := s.Market.LatestQuote(symbol)
		if !ok || quote.Last == 0 || quote.PreviousClose == 0 {
			continue
		}
		change := int64(quote.Last - quote.PreviousClose)
		part, _ := money.MulDiv(change, int64(money.Whole), int64(quote.PreviousClose), money.HalfUp)
		all = append(all, moved{Symbol: symbol, Price: priceNumber(quote.Last), Change: priceNumber(money.Price(change)),
			Percent: number(ratio(change*100, int64(quote.PreviousClose))), part: part})
	}
	slices.SortStableFunc(all, func(a, b moved) int { return cmp.Compare(b.part, a.part) })
	gainers, losers := []moved{}, []moved{}
	for i := 0; i < len(all) && len(gainers) < top && all[i].part > 0; i++ {
		gainers = append(gainers, all[i])
	}
	for i := len(all) - 1; i >= 0 && len(losers) < top && all[i].part < 0; i-- {
		losers = append(losers, all[i])
	}
	return http.StatusOK, map[string]any{"gainers": gainers, "losers": losers, "market_type": "stocks",
		"last_updated": stamp(s.now())}, nil
}

// active is a security with how much was traded today.
type active struct {
	Symbol string `json:"symbol"`
	Volume int64  `json:"volume"`
	Trades uint64 `json:"trade_count"`
}

// getMostActives is GET /v1beta1/screener/stocks/most-actives.
func getMostActives(s *Server, c *call) (int, any, error) {
	q := c.query()
	top := q.integer("top", 10, 1, topMost)
	by := q.choice("by", "volume", "trades")
	if q.err != nil {
		return 0, nil, q.err
	}
	all := []active{}
	for _, symbol := range s.Market.Symbols() {
		if quote, ok := s.Market.LatestQuote(symbol); ok && quote.Volume > 0 {
			all = append(all, active{Symbol: symbol, Volume: int64(quote.Volume), Trades: quote.Trades})
		}
	}
	slices.SortStableFunc(all, func(a, b active) int {
		if by == "trades" {
			return cmp.Compare(b.Trades, a.Trades)
		}
		return cmp.Compare(b.Volume, a.Volume)
	})
	return http.StatusOK, map[string]any{"most_actives": all[:min(top, len(all))], "last_updated": stamp(s.now())}, nil
}

// dataRoutes are Alpaca's market-data API.
var dataRoutes = concat(
	stockRoutes("bars", getBars, getLatestBars),
	stockRoutes("trades", getTrades, getLatestTrades),
	stockRoutes("quotes", getQuotes, getLatestQuotes),
	stockRoutes("orderbooks", nil, getLatestBooks),
	stockRoutes("auctions", getAuctions, nil),
	[]route{
		{"GET /v2/stocks/snapshots", reader, intake.Quote, getSnapshots, false},
		{"GET /v2/stocks/{symbol}/snapshot", reader, intake.Quote, getSnapshot, false},
		{"GET /v2/stocks/meta/exchanges", reader, intake.Quote, getExchanges, false},
		{"GET /v2/stocks/meta/conditions/{type}", reader, intake.Quote, getConditions, false},
		{"GET /v1beta1/news", anyone, intake.Quote, newsOrStream, true},
		{"GET /v1beta1/screener/stocks/most-actives", reader, intake.Quote, getMostActives, false},
		{"GET /v1beta1/screener/stocks/movers", reader, intake.Quote, getMovers, false},
		{"GET /v1beta1/indices/values", reader, intake.Quote, getIndices, false},
		{"GET /v1beta1/indices/latest/values", reader, intake.Quote, getIndices, false},
		{"GET /v1/corporate-actions", reader, intake.Quote, getCorporateActions, false},
		{"GET /v1beta1/corporate-actions", reader, intake.Quote, getCorporateActions, false},
	},
)

// stockRoutes are the four paths of a kind of row.
func stockRoutes(kind string, past, latest endpoint) (table []route) {
	if past != nil {
		table = append(table, route{fmt.Sprintf("GET /v2/stocks/%s", kind), reader, intake.Quote, past, false},
			route{fmt.Sprintf("GET /v2/stocks/{symbol}/%s", kind), reader, intake.Quote, past, false})
	}
	if latest != nil {
		table = append(table, route{fmt.Sprintf("GET /v2/stocks/%s/latest", kind), reader, intake.Quote, latest, false},
			route{fmt.Sprintf("GET /v2/stocks/{symbol}/%s/latest", kind), reader, intake.Quote, latest, false})
	}
	return table
}
