package records

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"evenkeel/core/must"
	"evenkeel/core/trade"
)

// rowsOfStatement is how many rows one INSERT carries: a round trip to a server costs more than a row.
const rowsOfStatement = 100

// insertion is what one transaction brings, as arguments of statements.
type insertion struct {
	events []any
	orders []orderRow
	place  map[orderKey]int // in orders: of an order only the last state is written
	buffer trade.Event
}

type orderKey struct {
	account trade.AccountID
	order   trade.OrderID
}

type orderRow [orderColumns]any

const (
	eventColumns = 6
	orderColumns = 10

	insertEvents = `INSERT INTO events (account, number, time, day, kind, body) VALUES `
	eventsClash  = ` ON CONFLICT (account, number) DO NOTHING`
	insertOrders = `INSERT INTO orders (account, id, client, placed, day, security, side, done, number, body) VALUES `
	ordersClash  = ` ON CONFLICT (account, id) DO UPDATE SET done = excluded.done, number = excluded.number,
		body = excluded.body WHERE orders.number < excluded.number`
)

// write puts entries into the database, all or none, and says that everything up to index is there.
func (f *follower) write(ctx context.Context, db *sql.DB, entries []Entry, index uint64) (err error) {
	rows := insertion{place: map[orderKey]int{}}
	for _, entry := range entries {
		if err := entry.Events(rows.add); err != nil {
			return fmt.Errorf("write history: entry %d: %w", entry.Index, err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, historyTimeout)
	defer cancel()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("write history: %w", err)
	}
	defer func() {
		if err != nil {
			if undo := tx.Rollback(); undo != nil && !errors.Is(undo, sql.ErrTxDone) {
				err = errors.Join(err, undo)
			}
			err = fmt.Errorf("write history: %w", err)
		}
	}()
	before, d := f.index.Load(), &f.history.database
	if err = d.advance(ctx, tx, f.shard, before, index, len(rows.events)/eventColumns); err != nil {
		return err
	}
	if err = d.insertEvents(ctx, tx, rows.events); err != nil {
		return err
	}
	if err = d.insertOrders(ctx, tx, rows.orders); err != nil {
		return err
	}
	if err = tx.Commit(); err != nil {
		return err
	}
	f.index.Store(index)
	if f.checked == before {
		f.checked = index
	}
	return nil
}

// add takes one encoded event.
func (r *insertion) add(encoded []byte) error {
	e := &r.buffer
	if err := trade.DecodeEvent(encoded, e); err != nil {
		return err
	}
	r.events = append(r.events, int64(e.Account), int64(e.Number), int64(e.Time), int64(e.Day), int64(e.Kind), encoded)
	if !e.Kind.OfOrder() {
		return nil
	}
	o := &e.Order
	if e.Kind == trade.CancelRefused { // the reason is that of the cancel: the order has nothing to explain
		if o.Status.Done() {
			return nil // it changed nothing
		}
		o.Reason, o.Numbers = trade.Accepted, trade.Numbers{}
		var err error
		encoded, err = trade.AppendEvent(nil, e)
		must.Hold(err == nil, "an event that was decoded can be encoded")
	}
	row := orderRow{int64(o.Account), int64(o.ID), nonNil(o.ClientID), int64(o.Placed), int64(o.Day), int64(o.Security),
		int64(o.Side), boolInt(o.Status.Done()), int64(e.Number), encoded}
	key := orderKey{o.Account, o.ID}
	if at, found := r.place[key]; found {
		r.orders[at] = row
		return nil
	}
	r.place[key] = len(r.orders)
	r.orders = append(r.orders, row)
	return nil
}

// nonNil makes an empty text, which is not the same as none to a database.
func nonNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// advance moves the note of how far the history is, if it still says what this process believes. It comes first in the
// transaction: of two writers one waits, and then sees that it is not alone.
func (d *database) advance(ctx context.Context, tx *sql.Tx, shard uint16, from, to uint64, events int) error {
	result, err := tx.ExecContext(ctx, d.sql(`UPDATE progress SET log_index = ?, events = events + ?
		WHERE shard = ? AND log_index = ?`), int64(to), int64(events), int64(shard), int64(from))
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n == 1 {
		return err
	}
	if from != 0 {
		return errTwoWriters
	}
	result, err = tx.ExecContext(ctx, d.sql(`INSERT INTO progress (shard, log_index, events) VALUES (?, ?, ?)
		ON CONFLICT (shard) DO NOTHING`), int64(shard), int64(to), int64(events))
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n == 1 {
		return err
	}
	return errTwoWriters
}

// insertEvents writes events. One that is there already must be the same: the history is being filled again.
func (d *database) insertEvents(ctx context.Context, tx *sql.Tx, args []any) error {
	const most = rowsOfStatement * eventColumns
	for len(args) > 0 {
		part := args[:min(most, len(args))]
		args = args[len(part):]
		n := len(part) / eventColumns
		result, err := tx.ExecContext(ctx, d.sql(insertEvents+tuples(n, eventColumns)+eventsClash), part...)
		if err != nil {
			return err
		}
		written, err := result.RowsAffected()
		if err != nil {
			return err
		}
		if int(written) == n {
			continue
		}
		there := comparison{database: d, asker: tx}
		for i := eventColumns - 1; i < len(part); i += eventColumns {
			if err := there.add(ctx, part[i].([]byte)); err != nil {
				return err
			}
		}
		if err := there.end(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (d *database) insertOrders(ctx context.Context, tx *sql.Tx, rows []orderRow) error {
	for len(rows) > 0 {
		part := rows[:min(rowsOfStatement, len(rows))]
		rows = rows[len(part):]
		args := make([]any, 0, rowsOfStatement*orderColumns)
		for i := range part {
			args = append(args, part[i][:]...)
		}
		statement := d.sql(insertOrders + tuples(len(part), orderColumns) + ordersClash)
		if _, err := tx.ExecContext(ctx, statement, args...); err != nil {
			return err
		}
	}
	return nil
}

// tuples is (?, ?), (?, ?), ...
func tuples(rows, columns int) string {
	one := "(?" + strings.Repeat(", ?", columns-1) + ")"
	return one + strings.Repeat(", "+one, rows-1)
}

// asker is a database or a transaction.
type asker interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// A comparison checks that events are in the database as they are in the log, many with one question: asked one by
// one they took half of what a node that came back computed in its first 350 ms. Errors: ErrHistoryForeign.
type comparison struct {
	database *database
	asker    asker
	ids      []eventKey
	bodies   map[eventKey][]byte
	buffer   trade.Event
}

type eventKey struct{ account, number int64 }

// add takes one event, and compares when there are enough. The bytes are kept until then.
func (c *comparison) add(ctx context.Context, encoded []byte) error {
	if err := trade.DecodeEvent(encoded, &c.buffer); err != nil {
		return err
	}
	if c.bodies == nil {
		c.bodies = make(map[eventKey][]byte, rowsOfStatement)
	}
	key := eventKey{int64(c.buffer.Account), int64(c.buffer.Number)}
	c.ids = append(c.ids, key)
	c.bodies[key] = encoded
	if len(c.ids) < rowsOfStatement {
		return nil
	}
	return c.end(ctx)
}

// end compares what was added and not compared yet.
func (c *comparison) end(ctx context.Context) error {
	if len(c.ids) == 0 {
		return nil
	}
	args := make([]any, 0, 2*len(c.ids))
	for _, key := range c.ids {
		args = append(args, key.account, key.number)
	}
	// PostgreSQL takes the columns' types from the first row; SQLite walks all events for any form of IN, and goes by
	// the key only for a join in this order.
	statement := "WITH wanted (a, n) AS (VALUES (CAST(? AS BIGINT), CAST(? AS BIGINT))"
	if len(c.ids) > 1 {
		statement += ", " + tuples(len(c.ids)-1, 2)
	}
	statement += ") SELECT account, number, body FROM wanted CROSS JOIN events WHERE account = a AND number = n"
	rows, err := c.asker.QueryContext(ctx, c.database.sql(statement), args...)
	if err != nil {
		return err
	}
	for rows.Next() {
		var key eventKey
		var body sql.RawBytes
		if err := rows.Scan(&key.account, &key.number, &body); err != nil {
			return errors.Join(err, rows.Close())
		}
		if want, asked := c.bodies[key]; asked && !bytes.Equal(body, want) {
			err := fmt.Errorf("%w: event %d of account %d is another one", ErrHistoryForeign, key.number, key.account)
			return errors.Join(err, rows.Close())
		}
		delete(c.bodies, key)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for _, key := range c.ids {
		if _, missing := c.bodies[key]; missing {
			return fmt.Errorf("%w: event %d of account %d is missing", ErrHistoryForeign, key.number, key.account)
		}
	}
	c.ids = c.ids[:0]
	return nil
}

func boolInt(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
