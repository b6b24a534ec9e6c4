package api

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"evenkeel/core/money"
	"evenkeel/core/trade"
	"evenkeel/records"
)

// equityRow is what an account was worth when a trading day began, or is worth now. Movements whose number is above
// that of one row and at most that of the next came between the two.
type equityRow struct {
	day    trade.Day
	at     trade.Time
	number uint64
	equity money.Cash
}

// A flow is money or shares that came into an account (amount > 0) or left it: no profit, and no loss.
type flow struct {
	kind   string // an activity's type
	number uint64
	at     trade.Time
	amount money.Cash
}

// flowKinds are the activities that are flows. Of A shares at a broker without margin there are no others.
var flowKinds = []string{"CSD", "CSW", "JNLS"}

// getPortfolioHistory is GET /v2/account/portfolio/history: the equity at the start of each trading day, and now.
func getPortfolioHistory(s *Server, c *call) (int, any, error) {
	q := c.query()
	frame := q.choice("timeframe", "1D", "1Min", "5Min", "15Min", "1H")
	period := q.text("period")
	from, until := q.moment("start"), q.moment("end")
	if until == 0 {
		until = q.moment("date_end")
	}
	span, err := periodOf(period)
	if err != nil {
		q.wrong("period", err.Error())
	}
	told := q.list("cashflow_types")
	if q.err != nil {
		return 0, nil, q.err
	}
	now := s.now()
	if until == 0 {
		until = now + 1
	}
	if from == 0 {
		if began := span(time.Unix(0, int64(until))); inRange(began) { // else all there is
			from = trade.Time(began.UnixNano())
		}
	}
	standing, _ := s.Day(c.who.Account).Standing(c.who.Account) // before the flows: none is missing up to its number
	rows, err := s.equityRows(c, from, until)
	if err != nil {
		return 0, nil, err
	}
	if until > now {
		equity := cashOf(standing.Balance) + s.worth(standing.Positions)
		rows = append(rows, equityRow{day: dayOf(s.Clock()), at: now, number: standing.Number, equity: equity})
	}
	flows, err := s.flows(c, rows)
	if err != nil {
		return 0, nil, err
	}
	for ; len(flows) > 0 && flows[0].at < rows[0].at; flows = flows[1:] { // before the period began
		rows[0].equity += flows[0].amount
	}
	return http.StatusOK, portfolio(rows, flows, frame, told), nil
}

// equityRows returns what an account was worth when each trading day of a period began, before them, where there is
// one, a row of what it began the period with.
func (s *Server) equityRows(c *call, from, until trade.Time) ([]equityRow, error) {
	days := records.EventFilter{Kinds: []trade.EventKind{trade.AccountDay}, From: from, Until: until,
		Limit: records.MaxRows}
	events, err := s.events(c, days)
	if err != nil {
		return nil, err
	}
	slices.Reverse(events)
	rows := make([]equityRow, 0, len(events)+2)
	for i := range events {
		if e := &events[i]; e.Equity != 0 || len(rows) > 0 {
			rows = append(rows, equityRow{day: e.Day, at: e.Time, number: e.Number, equity: e.Equity})
		}
	}
	if len(rows) == records.MaxRows {
		return rows, nil
	}
	days.From, days.Until, days.Limit = 0, from, 1
	before := []trade.Event{}
	if from > 0 {
		if before, err = s.events(c, days); err != nil {
			return nil, err
		}
	}
	switch {
	case len(before) == 0:
		first, ok := s.firstEquity(c, from, until)
		if ok && (len(rows) == 0 || first.number < rows[0].number) {
			rows = slices.Insert(rows, 0, first)
		}
	case len(rows) == 0: // a day that began before the period; since then the account holds nothing, or it is this day
		e := &before[0]
		rows = append(rows, equityRow{day: e.Day, at: from, number: e.Number, equity: e.Equity})
	}
	return rows, nil
}

// firstEquity returns what an account that has never begun a day with anything but cash had after the first that came
// in. There is none when nothing has, or when history cannot be read.
func (s *Server) firstEquity(c *call, from, until trade.Time) (equityRow, bool) {
	events, err := s.events(c, records.EventFilter{Kinds: []trade.EventKind{trade.CashMoved, trade.SharesMoved},
		Direction: records.OldestFirst, Until: until, Limit: 1})
	if err != nil {
		s.Log.Warn("an account's first equity is left out", "request", c.id, "error", err)
		c.w.Header().Set("X-History", "unavailable")
		return equityRow{}, false
	}
	if len(events) == 0 {
		return equityRow{}, false
	}
	e := &events[0]
	row := equityRow{day: e.Day, at: max(from, e.Time), number: e.Number, equity: cashOf(e.Balance)}
	if e.Kind == trade.SharesMoved {
		row.equity += s.moved(e)
	}
	return row, row.equity > 0
}

// moved is what shares that moved were worth: at the close before they did, as in the day's equity, or at their cost
// where that close is not known.
func (s *Server) moved(e *trade.Event) money.Cash {
	line, _ := s.Listing.Security(e.Position.Security)
	closed := s.closeBefore(&line, e.Day)
	if value, ok := money.Amount(closed, e.Shares.Quantity); ok && closed > 0 {
		return value
	}
	return e.Shares.Cost
}

// flows returns what came in and left between the first of the rows and the last, oldest first.
func (s *Server) flows(c *call, rows []equityRow) ([]flow, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	f := records.EventFilter{Kinds: []trade.EventKind{trade.CashMoved, trade.SharesMoved}, After: rows[0].number,
		Before: rows[len(rows)-1].number + 1, Limit: records.MaxRows}
	list := []flow{}
	for {
		events, err := s.events(c, f)
		if err != nil {
			return nil, err
		}
		for i := range events {
			e := &events[i]
			one := flow{kind: "CSD", number: e.Number, at: e.Time, amount: e.Cash.Amount}
			switch {
			case e.Kind == trade.SharesMoved:
				one.kind, one.amount = "JNLS", s.moved(e)
			case one.amount < 0:
				one.kind = "CSW"
			}
			list = append(list, one)
		}
		if len(events) < f.Limit {
			slices.Reverse(list)
			return list, nil
		}
		f.Before = events[len(events)-1].Number
	}
}

// portfolio is Alpaca's PortfolioHistory. cashflow is what came in and left since the first row, summed up to each,
// by type; profit_loss is the equity above base_value without it, and profit_loss_pct that profit as a part of
// base_value and all that came in. told names the types that cashflow shows, all of them when it is empty.
func portfolio(rows []equityRow, flows []flow, frame string, told []string) map[string]any {
	stamps, equity, gain, gainPart := []int64{}, []number{}, []number{}, []number{}
	base, net, brought := money.Cash(0), money.Cash(0), money.Cash(0)
	asof := any(nil)
	sums, shown := map[string]money.Cash{}, map[string][]number{}
	for i := range rows {
		if i == 0 {
			base, asof = rows[0].equity, dayText(rows[0].day)
		}
		for ; len(flows) > 0 && flows[0].number <= rows[i].number; flows = flows[1:] {
			net += flows[0].amount
			brought += max(0, flows[0].amount)
			sums[flows[0].kind] += flows[0].amount
		}
		stamps = append(stamps, int64(rows[i].at)/int64(time.Second))
		equity = append(equity, cashNumber(rows[i].equity))
		profit := rows[i].equity - base - net
		gain = append(gain, cashNumber(profit))
		gainPart = append(gainPart, number(ratio(int64(profit), int64(base+brought))))
		for _, kind := range flowKinds {
			shown[kind] = append(shown[kind], cashNumber(sums[kind]))
		}
	}
	for _, kind := range flowKinds {
		wanted := len(told) == 0 || slices.ContainsFunc(told, func(word string) bool {
			return strings.EqualFold(word, kind) || strings.EqualFold(word, "ALL")
		})
		if _, came := sums[kind]; !came || !wanted {
			delete(shown, kind)
		}
	}
	return map[string]any{"timestamp": stamps, "equity": equity, "profit_loss": gain, "profit_loss_pct": gainPart,
		"base_value": cashNumber(base), "base_value_asof": asof, "timeframe": frame, "cashflow": shown}
}

// periodOf reads 1D, 2W, 3M, 1A, all; a month when it is absent.
func periodOf(text string) (func(time.Time) time.Time, error) {
	if text == "" {
		text = "1M"
	}
	if strings.EqualFold(text, "all") {
		return func(time.Time) time.Time { return time.Unix(0, 0) }, nil
	}
	count, unit := 0, ""
	if _, err := fmt.Sscanf(text, "%d%1s", &count, &unit); err != nil || count < 1 || count > 1000 ||
		fmt.Sprintf("%d%s", count, unit) != text {
		return nil, fmt.Errorf("%q is not like 5D, 2W, 1M, 1A or all", clip(text))
	}
	switch strings.ToUpper(unit) {
	case "D":
		return func(t time.Time) time.Time { return t.AddDate(0, 0, -count) }, nil
	case "W":
		return func(t time.Time) time.Time { return t.AddDate(0, 0, -7*count) }, nil
	case "M":
		return func(t time.Time) time.Time { return t.AddDate(0, -count, 0) }, nil
	case "A", "Y":
		return func(t time.Time) time.Time { return t.AddDate(-count, 0, 0) }, nil
	}
	return nil, fmt.Errorf("%q is not like 5D, 2W, 1M, 1A or all", clip(text))
}
