package api

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"time"

	"evenkeel/core/money"
	"evenkeel/core/trade"
	"evenkeel/records"
	"evenkeel/statement"
)

// A statement is a month of the account's stream, read when it is asked for: nothing of it is kept.

// mostMonths bounds the list of statements.
const mostMonths = 240

// withBalance are the kinds of events that say what cash an account has.
var withBalance = []trade.EventKind{trade.OrderPlaced, trade.OrderReleased, trade.OrderAccepted, trade.OrderTraded,
	trade.CancelRequested, trade.OrderCancelled, trade.OrderRejected, trade.OrderExpired, trade.ReplaceRequested,
	trade.OrderReplaced, trade.CashMoved, trade.SharesMoved, trade.AccountDay}

// getStatements is GET /api/v1/statements: the months that have one, newest first.
func getStatements(s *Server, c *call) (int, any, error) {
	list := []any{}
	first, err := s.events(c, records.EventFilter{Direction: records.OldestFirst, Limit: 1})
	if err != nil {
		return 0, nil, err
	}
	if len(first) > 0 {
		began := time.Unix(0, int64(first[0].Time)).In(shanghai)
		now := s.Clock().In(shanghai)
		for month := monthOf(now); !month.Before(monthOf(began)) && len(list) < mostMonths; month = month.AddDate(0, -1, 0) {
			list = append(list, map[string]any{"month": month.Format("2006-01"), "complete": month.Before(monthOf(now))})
		}
	}
	return http.StatusOK, map[string]any{"statements": list}, nil
}

func monthOf(t time.Time) time.Time { return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, shanghai) }

// getStatement is GET /api/v1/statements/{month}: a PDF, in Chinese unless the query says en.
func getStatement(s *Server, c *call) (int, any, error) {
	q := c.query()
	language := q.choice("language", "zh", "en")
	month, err := time.ParseInLocation("2006-01", c.r.PathValue("month"), shanghai)
	switch {
	case q.err != nil:
		return 0, nil, q.err
	case err != nil || month.After(s.Clock()):
		return 0, nil, say(notFound, "statement of "+clip(c.r.PathValue("month")))
	}
	made, err := s.statementOf(c, month)
	if err != nil {
		return 0, nil, err
	}
	made.Chinese = language == "zh"
	var b bytes.Buffer
	if err := made.Write(&b); err != nil {
		return 0, nil, err
	}
	h := c.w.Header()
	h.Set("Content-Disposition", `attachment; filename="evenkeel-`+made.Number+"-"+made.Month+`.pdf"`)
	h.Set("Cache-Control", "no-store")
	c.deliver(http.StatusOK, "application/pdf", b.Bytes())
	return 0, nil, nil
}

// statementOf reads a month of the account.
func (s *Server) statementOf(c *call, month time.Time) (*statement.Statement, error) {
	known, _ := s.Directory.Account(c.who.Account)
	from, until := trade.Time(month.UnixNano()), trade.Time(month.AddDate(0, 1, 0).UnixNano())
	v := &statement.Statement{Month: month.Format("2006-01"), Number: accountNumber(c.who.Account), Login: known.Login,
		Made: s.Clock().In(shanghai).Format(time.DateTime), Whole: s.now() >= until}
	before, err := s.events(c, records.EventFilter{Kinds: withBalance, Until: from, Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(before) > 0 {
		v.Opening = cashOf(before[0].Balance)
	}
	v.Closing = v.Opening
	held := map[trade.SecurityID]trade.Position{}
	f := records.EventFilter{From: from, Until: until, Direction: records.OldestFirst, Limit: records.MaxRows}
	for {
		rows, err := s.events(c, f)
		if err != nil {
			return nil, err
		}
		for i := range rows {
			s.enter(v, held, &rows[i])
		}
		if len(v.Trades)+len(v.Movements) > statement.MaxRows {
			return nil, say(featureNot, "a statement of "+v.Month, "it has too many trades; read /v2/account/activities")
		}
		if len(rows) < f.Limit {
			break
		}
		f.After = rows[len(rows)-1].Number
	}
	if !v.Whole { // what is not told yet is known all the same
		standing, _ := s.Day(c.who.Account).Standing(c.who.Account)
		v.Equity = cashOf(standing.Balance) + s.worth(standing.Positions)
	}
	for _, p := range held {
		if p.Total != 0 {
			line, _ := s.Listing.Security(p.Security)
			v.Positions = append(v.Positions, statement.Position{Symbol: string(line.Symbol), Name: string(line.Name),
				Quantity: p.Total, Cost: p.Cost})
		}
	}
	slices.SortFunc(v.Positions, func(a, b statement.Position) int { return strings.Compare(a.Symbol, b.Symbol) })
	return v, nil
}

func cashOf(b trade.Balance) money.Cash { return b.Available + b.Frozen }

// enter adds an event to a statement.
func (s *Server) enter(v *statement.Statement, held map[trade.SecurityID]trade.Position, e *trade.Event) {
	at := time.Unix(0, int64(e.Time)).In(shanghai).Format(time.DateTime)
	if slices.Contains(withBalance, e.Kind) {
		v.Closing = cashOf(e.Balance)
	}
	if e.Position.Security != 0 {
		held[e.Position.Security] = e.Position
	}
	switch e.Kind {
	case trade.OrderTraded:
		line, _ := s.Listing.Security(e.Order.Security)
		v.Trades = append(v.Trades, statement.Trade{Time: at, Symbol: string(line.Symbol), Name: string(line.Name),
			Buy: e.Order.Side == trade.Buy, Price: e.Trade.Price, Quantity: e.Trade.Quantity, Amount: e.Trade.Amount,
			Fees: e.Trade.Fees.Total()})
	case trade.CashMoved:
		v.Movements = append(v.Movements, statement.Movement{Time: at, Amount: e.Cash.Amount,
			Reference: string(e.Cash.Reference)})
	}
}
