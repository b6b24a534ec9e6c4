package api

import (
	"encoding/base64"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"evenkeel/core/money"
	"evenkeel/core/trade"
	"evenkeel/feed"
	"evenkeel/szse"
)

// Rows of the data API. Prices are exact JSON numbers; sizes are shares. The published Go client reads sizes of
// trades and quotes as 32-bit numbers, so larger ones are shown as the largest.
type (
	barRow struct {
		T  string `json:"t"`
		O  number `json:"o"`
		H  number `json:"h"`
		L  number `json:"l"`
		C  number `json:"c"`
		V  uint64 `json:"v"`
		N  uint64 `json:"n"`
		VW number `json:"vw"`
	}
	tradeRow struct {
		T string   `json:"t"`
		X string   `json:"x"`
		P number   `json:"p"`
		S uint32   `json:"s"`
		C []string `json:"c"`
		I int64    `json:"i"`
		Z string   `json:"z"`
	}
	quoteRow struct {
		T  string   `json:"t"`
		BX string   `json:"bx"`
		BP number   `json:"bp"`
		BS uint32   `json:"bs"`
		AX string   `json:"ax"`
		AP number   `json:"ap"`
		AS uint32   `json:"as"`
		C  []string `json:"c"`
		Z  string   `json:"z"`
	}
	levelRow struct {
		P number `json:"p"`
		S int64  `json:"s"`
	}
	bookRow struct {
		T string     `json:"t"`
		B []levelRow `json:"b"`
		A []levelRow `json:"a"`
	}
	auctionRow struct {
		T string `json:"t"`
		X string `json:"x"`
		P number `json:"p"`
		S uint32 `json:"s"`
		C string `json:"c"`
	}
	auctionDay struct {
		D string       `json:"d"`
		O []auctionRow `json:"o"`
		C []auctionRow `json:"c"`
	}
)

func small(q money.Quantity) uint32 { return uint32(max(0, min(int64(q), math.MaxUint32))) }

func barOf(c *feed.Candle) barRow {
	return barRow{T: stamp(c.Start), O: priceNumber(c.Open), H: priceNumber(c.High), L: priceNumber(c.Low),
		C: priceNumber(c.Close), V: uint64(max(0, c.Volume)), N: c.Trades, VW: priceNumber(c.Average())}
}

func tradeOf(t *feed.Trade) tradeRow {
	return tradeRow{T: stamp(t.Time), X: exchangeLetter(t.Symbol), P: priceNumber(t.Price), S: small(t.Quantity),
		C: []string{condition(t)}, I: int64(t.Sequence), Z: tape(t.Symbol)}
}

func quoteOf(q *feed.Quote) quoteRow {
	x := exchangeLetter(q.Symbol)
	bid, ask := q.BestBid(), q.BestAsk()
	return quoteRow{T: stamp(q.Time), BX: x, BP: priceNumber(bid.Price), BS: small(bid.Quantity), AX: x,
		AP: priceNumber(ask.Price), AS: small(ask.Quantity), C: []string{"R"}, Z: tape(q.Symbol)}
}

func bookOf(q *feed.Quote) bookRow {
	return bookRow{T: stamp(q.Time), B: levels(q.Bids[:q.BidCount]), A: levels(q.Asks[:q.AskCount])}
}

func levels(from []szse.Level) []levelRow {
	rows := make([]levelRow, len(from))
	for i := range from {
		rows[i] = levelRow{P: priceNumber(from[i].Price), S: int64(from[i].Quantity)}
	}
	return rows
}

// condition is the condition of a trade: how it was matched.
func condition(t *feed.Trade) string {
	switch t.Phase {
	case trade.OpeningCall, trade.OpeningCallLocked, trade.OpeningGap:
		return "O"
	case trade.ClosingCall:
		return "C"
	case trade.FixedPriceEntry, trade.FixedPriceTrading:
		return "F"
	case trade.VolatilityHalt:
		return "H"
	}
	return "@"
}

// tradeConditions and quoteConditions are the codes in c.
var (
	tradeConditions = map[string]string{"@": "Regular trade, continuous", "O": "Opening call auction",
		"C": "Closing call auction", "F": "Fixed price after hours", "H": "Call after a volatility halt"}
	quoteConditions = map[string]string{"R": "Regular"}
)

// delay of the delayed_sip feed.
const delay = 15 * time.Minute

// ask is what a market-data request has in common.
type ask struct {
	single  bool // the symbol stands in the path: one row or list instead of a map
	symbols []string
	delayed bool
}

// readAsk reads symbols and feed. A text that cannot be a symbol is refused; a security that is not listed is left
// out, and where it is the only one, not found.
func (s *Server) readAsk(c *call, q *query) (a ask, err error) {
	a.delayed = q.text("feed") == "delayed_sip"
	list := q.list("symbols")
	if one := c.r.PathValue("symbol"); one != "" {
		list, a.single = []string{one}, true
	}
	switch {
	case len(list) == 0:
		return a, say(badQuery, "symbols", "is required")
	case len(list) > s.Limits.Symbols:
		return a, say(badQuery, "symbols", fmt.Sprintf("at most %d at once", s.Limits.Symbols))
	}
	for _, text := range list {
		line, err := s.symbols.Find(text)
		if err != nil {
			if symbolLike(text) && !a.single {
				continue
			}
			return a, s.badSymbol(err, a.single)
		}
		if symbol := string(line.Symbol); !slices.Contains(a.symbols, symbol) {
			a.symbols = append(a.symbols, symbol)
		}
	}
	slices.Sort(a.symbols)
	return a, q.err
}

func (s *Server) badSymbol(err error, single bool) error {
	f := say(symbolUnknown, err.Error())
	f.Status, f.Code = http.StatusBadRequest, codeBadRequest
	if single {
		f.Status, f.Code = http.StatusNotFound, codeNotFound
	}
	return f
}

// place of a page: the symbol to go on with, the time of the last row given out, and how many rows of that time were.
type page struct {
	symbol string
	at     trade.Time
	same   int
}

func (p page) token() *string {
	v := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%s|%d|%d", p.symbol, p.at, p.same))
	return &v
}

func parsePage(token string) (p page, ok bool) {
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return p, false
	}
	parts := strings.Split(string(b), "|")
	if len(parts) != 3 {
		return p, false
	}
	at, err1 := strconv.ParseInt(parts[1], 10, 64)
	same, err2 := strconv.Atoi(parts[2])
	return page{symbol: parts[0], at: trade.Time(at), same: same}, err1 == nil && err2 == nil && same >= 0
}

// Limits of rows in a page of market data.
const (
	rowsDefault = 1_000
	rowsMost    = 10_000
)

// spread is the interval, order, limit and place of a market-data request.
type spread struct {
	in    feed.Interval
	limit int
	from  page
}

func (s *Server) readSpread(q *query, a *ask) spread {
	v := spread{limit: q.integer("limit", rowsDefault, 1, rowsMost)}
	v.in.From, v.in.Until = q.moment("start"), q.moment("end")
	if v.in.Until != 0 {
		v.in.Until++ // end is inclusive
	}
	if v.in.From == 0 {
		now := s.Clock().In(shanghai)
		v.in.From = trade.Time(time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, shanghai).UnixNano())
		if v.in.Until != 0 && v.in.Until <= v.in.From {
			v.in.From = 0
		}
	}
	if a.delayed {
		if latest := s.now() - trade.Time(delay); v.in.Until == 0 || v.in.Until > latest {
			v.in.Until = latest
		}
	}
	v.in.Newest = q.choice("sort", "asc", "desc") == "desc"
	if token := q.text("page_token"); token != "" {
		var ok bool
		if v.from, ok = parsePage(token); !ok {
			q.wrong("page_token", "is not one that was given out")
		}
	}
	return v
}

// collect reads the rows of each symbol, in order, until the page is full.
func collect[T, R any](
	a *ask, v *spread, read func(string, feed.Interval) []T, at func(*T) trade.Time, make1 func(*T) R,
) (rows map[string][]R, next *string) {
	rows = map[string][]R{}
	left := v.limit
	for _, symbol := range a.symbols {
		in := v.in
		switch {
		case symbol < v.from.symbol:
			continue
		case symbol == v.from.symbol && in.Newest:
			in.Until, in.Skip = v.from.at+1, v.from.same
		case symbol == v.from.symbol:
			in.From, in.Skip = v.from.at, v.from.same
		}
		in.Limit = left + 1
		found := read(symbol, in)
		more := len(found) > left
		if more {
			found = found[:left]
		}
		for i := range found {
			rows[symbol] = append(rows[symbol], make1(&found[i]))
		}
		left -= len(found)
		if more {
			return rows, after(symbol, found, at, v).token()
		}
		if left == 0 && symbol != a.symbols[len(a.symbols)-1] {
			return rows, after(symbol, found, at, v).token()
		}
	}
	return rows, nil
}

// after is the place behind the last row of found.
func after[T any](symbol string, found []T, at func(*T) trade.Time, v *spread) page {
	p := page{symbol: symbol}
	if len(found) == 0 {
		return v.from
	}
	p.at = at(&found[len(found)-1])
	for i := len(found) - 1; i >= 0 && at(&found[i]) == p.at; i-- {
		p.same++
	}
	if p.same == len(found) && symbol == v.from.symbol && p.at == v.from.at {
		p.same += v.from.same
	}
	return p
}

// listed writes the rows as Alpaca does: a map by symbol, or one list with its symbol.
func listed[R any](name string, a *ask, rows map[string][]R, next *string) (int, any, error) {
	body := map[string]any{"next_page_token": next, "currency": "CNY"}
	if !a.single {
		body[name] = rows
		return http.StatusOK, body, nil
	}
	one := rows[a.symbols[0]]
	if one == nil {
		one = []R{}
	}
	body[name], body["symbol"] = one, a.symbols[0]
	return http.StatusOK, body, nil
}

// readRows reads a question that asks of which securities and when, and nothing else.
func (s *Server) readRows(c *call) (a ask, v spread, err error) {
	q := c.query()
	a, err = s.readAsk(c, q)
	v = s.readSpread(q, &a)
	if err == nil {
		err = q.err
	}
	return a, v, err
}

func getTrades(s *Server, c *call) (int, any, error) {
	a, v, err := s.readRows(c)
	if err != nil {
		return 0, nil, err
	}
	rows, next := collect(&a, &v, s.Market.Trades, func(t **feed.Trade) trade.Time { return (*t).Time },
		func(t **feed.Trade) tradeRow { return tradeOf(*t) })
	return listed("trades", &a, rows, next)
}

func getQuotes(s *Server, c *call) (int, any, error) {
	a, v, err := s.readRows(c)
	if err != nil {
		return 0, nil, err
	}
	rows, next := collect(&a, &v, s.Market.Quotes, func(t **feed.Quote) trade.Time { return (*t).Time },
		func(t **feed.Quote) quoteRow { return quoteOf(*t) })
	return listed("quotes", &a, rows, next)
}

func getBars(s *Server, c *call) (int, any, error) {
	q := c.query()
	a, err := s.readAsk(c, q)
	v := s.readSpread(q, &a)
	span, n, wrong := parseTimeframe(q.text("timeframe"))
	if wrong != nil {
		q.wrong("timeframe", wrong.Error())
	}
	for _, word := range q.list("adjustment") {
		if !slices.Contains(adjustments, word) {
			q.wrong("adjustment", fmt.Sprintf("%q is not one of %s", clip(word), strings.Join(adjustments, ", ")))
		}
	}
	if err == nil {
		err = q.err
	}
	if err != nil {
		return 0, nil, err
	}
	read := func(symbol string, in feed.Interval) []feed.Candle { return s.Market.Candles(symbol, span, n, in) }
	rows, next := collect(&a, &v, read, func(t *feed.Candle) trade.Time { return t.Start }, barOf)
	return listed("bars", &a, rows, next)
}

// adjustments are taken; prices are raw whatever is asked, until corporate actions are known.
var adjustments = []string{"raw", "split", "dividend", "spin-off", "all", "forward", "backward"}

const minutesOfDay = 24 * 60

// parseTimeframe reads 1Min, 5Min, 1Hour, 1Day, 1Week, 1Month, and the short 1T, 1H, 1D, 1W, 1M; 1Day when absent.
func parseTimeframe(text string) (span feed.Span, n int, err error) {
	if text == "" {
		return feed.Days, 1, nil
	}
	digits := strings.TrimRight(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
	n, bad := strconv.Atoi(digits)
	wrong := fmt.Errorf("%q is not like 1Min, 5Min, 1Hour, 1Day, 1Week or 1Month", clip(text))
	if bad != nil || n < 1 || n > minutesOfDay {
		return 0, 0, wrong
	}
	switch text[len(digits):] {
	case "Min", "T":
	case "Hour", "H":
		n *= 60
	case "Day", "D":
		span = feed.Days
	case "Week", "W":
		span = feed.Weeks
	case "Month", "M":
		span = feed.Months
	default:
		return 0, 0, wrong
	}
	if span == feed.Minutes && minutesOfDay%n != 0 {
		return 0, 0, fmt.Errorf("%q does not divide a day", clip(text))
	}
	if span != feed.Minutes && n != 1 {
		return 0, 0, fmt.Errorf("%q: days, weeks and months come one at a time", clip(text))
	}
	return span, n, nil
}

// getAuctions is GET /v2/stocks/auctions: the call auctions whose trades are still kept.
func getAuctions(s *Server, c *call) (int, any, error) {
	a, v, err := s.readRows(c)
	if err != nil {
		return 0, nil, err
	}
	rows := map[string][]auctionDay{}
	for _, symbol := range a.symbols {
		for _, t := range s.Market.Trades(symbol, feed.Interval{From: v.in.From, Until: v.in.Until}) {
			if days := addAuction(rows[symbol], t); len(days) > 0 {
				rows[symbol] = days
			}
		}
	}
	return listed("auctions", &a, rows, nil)
}

// addAuction adds a trade of a call: all trades of one call are one auction.
func addAuction(days []auctionDay, t *feed.Trade) []auctionDay {
	code := condition(t)
	if code != "O" && code != "C" {
		return days
	}
	day := dayText(t.Day)
	if n := len(days); n == 0 || days[n-1].D != day {
		days = append(days, auctionDay{D: day, O: []auctionRow{}, C: []auctionRow{}})
	}
	list := &days[len(days)-1].O
	if code == "C" {
		list = &days[len(days)-1].C
	}
	if n := len(*list); n > 0 {
		(*list)[n-1].S = uint32(min(uint64((*list)[n-1].S)+uint64(small(t.Quantity)), math.MaxUint32))
		return days
	}
	*list = append(*list, auctionRow{T: stamp(t.Time), X: exchangeLetter(t.Symbol), P: priceNumber(t.Price),
		S: small(t.Quantity), C: code})
	return days
}
