package api

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"evenkeel/core/rules"
	"evenkeel/core/trade"
	"evenkeel/records"
)

// An activity is a fill, a movement of cash or shares, or the fees of a fill, made from one event of the account's
// stream. Its id is the time, then a UUID that holds the event's number and which of the event's activities it is; so
// a page goes on from an id without anything being remembered.
type activity struct {
	ID              string `json:"id"`
	ActivityType    string `json:"activity_type"`
	SubType         string `json:"activity_sub_type,omitempty"`
	TransactionTime string `json:"transaction_time,omitempty"`
	Type            string `json:"type,omitempty"`
	Price           string `json:"price,omitempty"`
	Qty             string `json:"qty,omitempty"`
	Side            string `json:"side,omitempty"`
	Symbol          string `json:"symbol,omitempty"`
	LeavesQty       string `json:"leaves_qty,omitempty"`
	CumQty          string `json:"cum_qty,omitempty"`
	OrderID         string `json:"order_id,omitempty"`
	OrderStatus     string `json:"order_status,omitempty"`
	Date            string `json:"date,omitempty"`
	NetAmount       string `json:"net_amount,omitempty"`
	Description     string `json:"description,omitempty"`
	Status          string `json:"status,omitempty"`
	Currency        string `json:"currency,omitempty"`
	CreatedAt       string `json:"created_at,omitempty"`
	CN              any    `json:"cn,omitempty"`

	number uint64
	part   uint64 // of the event: 0 the fill or movement, 1 its fees
}

// activityKind is the fourth kind of a UUID with a number: event number x 2 + part.
const activityKind idKind = 4

func activityID(e *trade.Event, part uint64) string {
	t := time.Unix(0, int64(e.Time)).In(shanghai)
	return fmt.Sprintf("%s%03d::%s", t.Format("20060102150405"), t.Nanosecond()/1e6,
		formatID(activityKind, e.Number<<1|part))
}

// parseActivityID returns the place of an activity in the account's stream.
func parseActivityID(text string) (number, part uint64, ok bool) {
	_, id, ok := strings.Cut(text, "::")
	if !ok {
		return 0, 0, false
	}
	v, ok := parseID(activityKind, id)
	return v >> 1, v & 1, ok
}

// activityTypes are those that A shares at a broker without margin can have, with whether they are trades.
var activityTypes = map[string]bool{"FILL": true, "FEE": false, "CSD": false, "CSW": false, "JNLS": false}

// activities makes the activities of an event, in order.
func (s *Server) activities(e *trade.Event) []activity {
	base := activity{ID: activityID(e, 0), number: e.Number, Date: dayText(e.Day), CreatedAt: stamp(e.Time),
		Status: "executed", Currency: "CNY"}
	switch e.Kind {
	case trade.OrderTraded:
		o := &e.Order
		line, _ := s.Listing.Security(o.Security)
		fill := activity{ID: base.ID, number: e.Number, ActivityType: "FILL", TransactionTime: stamp(e.Time),
			Type: "partial_fill", Price: e.Trade.Price.String(), Qty: shares(e.Trade.Quantity), Side: sideWord(o.Side),
			Symbol: string(line.Symbol), LeavesQty: shares(o.Left()), CumQty: shares(o.Filled), OrderID: orderID(o.ID),
			OrderStatus: compatStatus(o.Status),
			CN: map[string]any{"amount": e.Trade.Amount.String(), "fees": feesOf(e.Trade.Fees), "day": dayText(e.Day),
				"name": string(line.Name)}}
		if o.Left() == 0 {
			fill.Type = "fill"
		}
		fees := base
		fees.ID, fees.part, fees.ActivityType = activityID(e, 1), 1, "FEE"
		fees.NetAmount, fees.Symbol, fees.OrderID = (-e.Trade.Fees.Total()).String(), fill.Symbol, fill.OrderID
		fees.Description = "commission, stamp duty and transfer fee of a fill"
		fees.CN = map[string]any{"fees": feesOf(e.Trade.Fees)}
		return []activity{fill, fees}
	case trade.CashMoved:
		base.ActivityType, base.NetAmount = "CSD", e.Cash.Amount.String()
		base.Description = string(e.Cash.Reference)
		if e.Cash.Amount < 0 {
			base.ActivityType = "CSW"
		}
		return []activity{base}
	case trade.SharesMoved:
		line, _ := s.Listing.Security(e.Position.Security)
		base.ActivityType, base.Symbol, base.Qty = "JNLS", string(line.Symbol), shares(e.Shares.Quantity)
		base.Description, base.NetAmount = string(e.Shares.Reference), "0"
		return []activity{base}
	}
	return nil
}

// pageDefault and pageMost are Alpaca's page sizes of activities.
const pageDefault, pageMost = 100, 100

// getActivities is GET /v2/account/activities and /v2/account/activities/{type}. Of symbols, side and order_id, which
// Alpaca does not have here, each chooses among those that have one.
func getActivities(s *Server, c *call) (int, any, error) {
	q := c.query()
	types := q.list("activity_types")
	if one := c.r.PathValue("type"); one != "" {
		types = []string{one}
	}
	f := records.EventFilter{Kinds: []trade.EventKind{trade.OrderTraded, trade.CashMoved, trade.SharesMoved},
		From: q.moment("after"), Until: q.moment("until")}
	if f.From != 0 {
		f.From++ // after is exclusive
	}
	if day := q.day("date"); day != 0 {
		f.From, f.Until = rules.Join(day, 0), rules.Join(rules.AddDays(day, 1), 0)
	}
	size := q.integer("page_size", pageDefault, 1, pageMost)
	oldest := q.choice("direction", "desc", "asc") == "asc"
	category := q.choice("category", "", "trade_activity", "non_trade_activity")
	side, order := q.choice("side", "", "buy", "sell"), q.text("order_id")
	symbols := q.list("symbols")
	for i, symbol := range symbols {
		if line, err := s.symbols.Find(symbol); err == nil {
			symbols[i] = string(line.Symbol)
		}
	}
	from, part := uint64(0), uint64(0)
	if token := q.text("page_token"); token != "" {
		var ok bool
		if from, part, ok = parseActivityID(token); !ok {
			q.wrong("page_token", "is not the id of an activity")
		}
	}
	if q.err != nil {
		return 0, nil, q.err
	}
	wanted := func(a *activity) bool {
		if len(types) > 0 && !slices.ContainsFunc(types, func(t string) bool {
			return strings.EqualFold(t,
				a.ActivityType)
		}) {
			return false
		}
		if category != "" && activityTypes[a.ActivityType] != (category == "trade_activity") {
			return false
		}
		if side != "" && a.Side != side || order != "" && a.OrderID != order ||
			len(symbols) > 0 && !slices.Contains(symbols, a.Symbol) {
			return false
		}
		switch {
		case from == 0:
			return true
		case oldest:
			return a.number > from || a.number == from && a.part > part
		}
		return a.number < from || a.number == from && a.part < part
	}
	list, err := s.activityPage(c, f, oldest, from, size, wanted)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, list, nil
}

// activityPage walks the account's stream until a page is full or the stream ends.
func (s *Server) activityPage(
	c *call, f records.EventFilter, oldest bool, from uint64, size int, wanted func(*activity) bool,
) ([]activity, error) {
	list := []activity{}
	if oldest {
		f.Direction = records.OldestFirst
		f.After = max(from, 1) - 1
	} else if from != 0 {
		f.Before = from + 1
	}
	for {
		f.Limit = records.MaxRows
		rows, err := s.events(c, f)
		if err != nil {
			return nil, err
		}
		for i := range rows {
			made := s.activities(&rows[i])
			if !oldest {
				slices.Reverse(made)
			}
			for k := range made {
				if wanted(&made[k]) {
					if list = append(list, made[k]); len(list) == size {
						return list, nil
					}
				}
			}
		}
		if len(rows) == 0 || len(rows) < f.Limit {
			return list, nil
		}
		if oldest {
			f.After = rows[len(rows)-1].Number
		} else {
			f.Before = rows[len(rows)-1].Number
		}
	}
}

// events reads an account's stream from memory and, where the memory has forgotten, from history. Newest first,
// memory is read before history; a page of the newest is shown even when history is down.
func (s *Server) events(c *call, f records.EventFilter) ([]trade.Event, error) {
	id := c.who.Account
	rows, err := s.Day(id).Events(id, f)
	if s.History == nil {
		if err != nil && f.Direction == records.OldestFirst { // nothing older is kept anywhere
			f.After = max(f.After, s.Day(id).FirstNumber(id)-1)
			return s.Day(id).Events(id, f)
		}
		return rows, err
	}
	if err != nil {
		old, err := s.past(c).Events(c.r.Context(), id, f)
		if err != nil {
			return nil, historyFault(err)
		}
		return old, nil
	}
	if f.Direction == records.OldestFirst || f.Limit > 0 && len(rows) >= f.Limit {
		return rows, nil
	}
	if first := s.Day(id).FirstNumber(id); first > 0 && (f.Before == 0 || f.Before > first) {
		f.Before = first
	}
	if f.Before == 1 {
		return rows, nil
	}
	f.Limit -= len(rows)
	old, err := s.past(c).Events(c.r.Context(), id, f)
	if err != nil {
		s.Log.Warn("older events are left out", "request", c.id, "error", err)
		c.w.Header().Set("X-History", "unavailable")
		return rows, nil
	}
	return append(rows, old...), nil
}
