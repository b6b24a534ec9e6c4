package records

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"evenkeel/core/trade"
)

// where collects conditions of a question.
type where struct {
	text strings.Builder
	args []any
}

func (w *where) and(condition string, args ...any) {
	w.text.WriteString(" AND " + condition)
	w.args = append(w.args, args...)
}

func one[T ~uint8 | ~uint32](w *where, column string, values []T) {
	if len(values) == 0 {
		return
	}
	args := make([]any, len(values))
	for i, v := range values {
		args[i] = int64(v)
	}
	w.and(column+" IN (?"+strings.Repeat(", ?", len(args)-1)+")", args...)
}

// Orders returns the orders that a filter chooses, of any day, by their ID.
func (h *History) Orders(ctx context.Context, id trade.AccountID, f OrderFilter) ([]trade.Order, error) {
	w := where{args: []any{int64(id)}}
	if f.Open != f.Closed {
		w.and("done = ?", boolInt(f.Closed))
	}
	if f.After != 0 {
		w.and("placed > ?", int64(f.After))
	}
	if f.Until != 0 {
		w.and("placed < ?", int64(f.Until))
	}
	if f.BeforeID != 0 {
		w.and("id < ?", int64(f.BeforeID))
	}
	if f.AfterID != 0 {
		w.and("id > ?", int64(f.AfterID))
	}
	if f.Side != 0 {
		w.and("side = ?", int64(f.Side))
	}
	one(&w, "security", f.Securities)
	rows, err := h.ask(ctx, id, ordersOf, &w, "id", f.Direction, f.limit())
	if err != nil {
		return nil, err
	}
	orders := make([]trade.Order, len(rows))
	for i := range rows {
		orders[i] = rows[i].Order
	}
	return orders, nil
}

const (
	ordersOf = `SELECT body FROM orders WHERE account = ?`
	eventsOf = `SELECT body FROM events WHERE account = ?`
)

// Order returns one order of any day, and false when there is none.
func (h *History) Order(ctx context.Context, id trade.AccountID, order trade.OrderID) (trade.Order, bool, error) {
	w := where{args: []any{int64(id)}}
	w.and("id = ?", int64(order))
	return h.newest(ctx, id, &w)
}

// OrderByClientID returns the newest order that was placed under a client order id.
func (h *History) OrderByClientID(ctx context.Context, id trade.AccountID, client string) (trade.Order, bool, error) {
	w := where{args: []any{int64(id)}}
	w.and("client = ?", []byte(client))
	return h.newest(ctx, id, &w)
}

func (h *History) newest(ctx context.Context, id trade.AccountID, w *where) (o trade.Order, ok bool, err error) {
	rows, err := h.ask(ctx, id, ordersOf, w, "id", NewestFirst, 1)
	if err != nil || len(rows) == 0 {
		return o, false, err
	}
	return rows[0].Order, true, nil
}

// Events returns the events that a filter chooses, of any day, by their number.
func (h *History) Events(ctx context.Context, id trade.AccountID, f EventFilter) ([]trade.Event, error) {
	w := where{args: []any{int64(id)}}
	w.and("number > ?", signed(f.After))
	if f.Before != 0 {
		w.and("number < ?", signed(f.Before))
	}
	if f.From != 0 {
		w.and("time >= ?", int64(f.From))
	}
	if f.Until != 0 {
		w.and("time < ?", int64(f.Until))
	}
	one(&w, "kind", f.Kinds)
	return h.ask(ctx, id, eventsOf, &w, "number", f.Direction, f.limit())
}

// signed is an event number as SQL knows it; what does not fit is beyond every number that there is.
func signed(number uint64) int64 { return int64(min(number, math.MaxInt64)) }

func (h *History) ask(
	ctx context.Context, account trade.AccountID, question string, w *where, order string, d Direction, limit int,
) (_ []trade.Event, err error) {
	h.mu.Lock()
	db := h.db
	h.mu.Unlock()
	shard := uint64(account) >> trade.ShardShift
	if shard >= uint64(len(h.followers)) {
		return nil, nil
	}
	if f := h.followers[shard]; db == nil || !f.answers.Load() {
		return nil, errors.Join(f.ready(), ErrHistoryDown)
	}
	direction := " ASC"
	if d == NewestFirst {
		direction = " DESC"
	}
	ctx, cancel := context.WithTimeout(ctx, historyAnswer)
	defer cancel()
	question = h.database.sql(question + w.text.String() + " ORDER BY " + order + direction + " LIMIT ?")
	rows, err := db.QueryContext(ctx, question, append(w.args, limit)...)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrHistoryDown, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var events []trade.Event
	for rows.Next() {
		var body []byte
		if err := rows.Scan(&body); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrHistoryDown, err)
		}
		events = append(events, trade.Event{})
		if err := trade.DecodeEvent(body, &events[len(events)-1]); err != nil {
			return nil, fmt.Errorf("read the history: %w", err)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrHistoryDown, err)
	}
	return events, nil
}
