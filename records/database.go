package records

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"evenkeel/core/trade"
)

// database is the SQL database that history is kept in: where it is, and how it differs from the other kind.
type database struct {
	name     string // for people, without a password
	bytes    string // the type of bytes
	numbered bool   // parameters are $1, $2, ...
	file     string // of SQLite
	open     func() (*sql.DB, error)
}

// databaseOf reads an address. A password is better left to PGPASSWORD or a password file, since everybody on the
// machine may read a command line; where the address has one, it is never shown.
func databaseOf(address, dir string) (database, error) {
	switch {
	case address == "":
		return sqliteIn(dir), nil
	case strings.HasPrefix(address, "postgres://"), strings.HasPrefix(address, "postgresql://"):
		return postgresAt(address)
	}
	scheme, _, _ := strings.Cut(address, ":")
	if len(scheme) > 20 || len(scheme) == len(address) {
		scheme = "that"
	}
	return database{}, fmt.Errorf("records: %q is no kind of database known here: an address such as "+
		"postgres://user@host/database, or nothing for SQLite", scheme)
}

func postgresAt(address string) (database, error) {
	const example = "an address such as postgres://user@host:5432/database"
	u, err := url.Parse(address)
	if err != nil {
		return database{}, fmt.Errorf("records: the PostgreSQL address cannot be read: %s", example) // err would show it
	}
	config, err := pgx.ParseConfig(address)
	if err != nil {
		return database{}, fmt.Errorf("records: the PostgreSQL address %s cannot be used: %s", shown(u), example)
	}
	config.ConnectTimeout = historyConnect
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "evenkeel"
	}
	return database{name: shown(u), bytes: "BYTEA", numbered: true, open: func() (*sql.DB, error) {
		return stdlib.OpenDB(*config), nil
	}}, nil
}

// shown is an address without what may be secret: a password, and parameters, of which one may be a password.
func shown(u *url.URL) string {
	plain := *u
	plain.RawQuery, plain.Fragment = "", ""
	if u.User != nil {
		plain.User = url.User(u.User.Username())
	}
	return plain.String()
}

func sqliteIn(dir string) database {
	file := filepath.Join(dir, "history.db")
	source := "file:" + (&url.URL{Path: file}).EscapedPath() +
		"?_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_pragma=busy_timeout(5000)&_txlock=immediate"
	return database{name: file, bytes: "BLOB", file: file, open: func() (*sql.DB, error) {
		// Made here, because what investors did is nobody else's business; SQLite's other files take after this one.
		made, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
		if err == nil {
			err = made.Close()
		}
		if err != nil && !errors.Is(err, fs.ErrPermission) { // without permission: SQLite may still read it
			return nil, err
		}
		return sql.Open("sqlite", source)
	}}
}

// errMoved says that the file under an open SQLite database is no longer the one that its name leads to.
var errMoved = errors.New("the file of the history was removed or replaced: it is opened anew")

// same checks that SQLite's file is the one that was opened: it would go on writing into a file that was deleted.
func (d *database) same(opened fs.FileInfo) error {
	if d.file == "" {
		return nil
	}
	now, err := os.Stat(d.file)
	if err != nil || opened == nil || !os.SameFile(opened, now) {
		return errMoved
	}
	return nil
}

// sql turns the ? of a statement into what the database calls them, and BYTES into its type of bytes.
func (d *database) sql(statement string) string {
	statement = strings.ReplaceAll(statement, "BYTES", d.bytes)
	if !d.numbered {
		return statement
	}
	var b strings.Builder
	n := 0
	for part := range strings.SplitAfterSeq(statement, "?") {
		if before, cut := strings.CutSuffix(part, "?"); cut {
			n++
			fmt.Fprintf(&b, "%s$%d", before, n)
		} else {
			b.WriteString(part)
		}
	}
	return b.String()
}

// schema is applied one statement after the other; each may be repeated. A change appends, it never edits. Unsigned
// numbers are kept as the signed ones of the same bits; client order ids are bytes, since clients may send any.
var schema = []string{
	`CREATE TABLE IF NOT EXISTS progress (shard BIGINT PRIMARY KEY, log_index BIGINT NOT NULL, events BIGINT NOT NULL)`,
	`CREATE TABLE IF NOT EXISTS events (account BIGINT NOT NULL, number BIGINT NOT NULL, time BIGINT NOT NULL,
	 day BIGINT NOT NULL, kind BIGINT NOT NULL, body BYTES NOT NULL, PRIMARY KEY (account, number))`,
	`CREATE INDEX IF NOT EXISTS events_time ON events (account, time)`,
	`CREATE TABLE IF NOT EXISTS orders (account BIGINT NOT NULL, id BIGINT NOT NULL, client BYTES NOT NULL,
	 placed BIGINT NOT NULL, day BIGINT NOT NULL, security BIGINT NOT NULL, side BIGINT NOT NULL, done BIGINT NOT NULL,
	 number BIGINT NOT NULL, body BYTES NOT NULL, PRIMARY KEY (account, id))`,
	`CREATE INDEX IF NOT EXISTS orders_client ON orders (account, client)`,
	`CREATE INDEX IF NOT EXISTS orders_placed ON orders (account, placed)`,
}

// prepareTables makes the tables, and reads up to which log index a shard's history is filled: 0 when what they held
// of it was lost.
func (d *database) prepareTables(ctx context.Context, db *sql.DB, shard uint16) (index uint64, err error) {
	for _, s := range schema {
		if _, err := db.ExecContext(ctx, d.sql(s)); err != nil {
			return 0, fmt.Errorf("make the tables of the history: %w", err)
		}
	}
	index, count, err := d.progress(ctx, db, shard)
	if err != nil || count == 0 {
		return index, err
	}
	first, last := int64(shard)<<trade.ShardShift, int64(shard)<<trade.ShardShift|trade.NumberMask
	lost := false
	for _, question := range []string{ // one row where something was lost
		`SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM events WHERE account BETWEEN ? AND ?)`,
		`SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM orders WHERE account BETWEEN ? AND ?)
		 AND EXISTS (SELECT 1 FROM events WHERE kind <= 12 AND account BETWEEN ? AND ?)`,
	} {
		args := []any{first, last, first, last}
		var one int
		err := db.QueryRowContext(ctx, d.sql(question), args[:strings.Count(question, "?")]...).Scan(&one)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return 0, fmt.Errorf("read whether the history is whole: %w", err)
		}
		lost = lost || err == nil
	}
	if !lost {
		return index, nil
	}
	// A table was dropped or emptied, and the note about it was not.
	if _, err := db.ExecContext(ctx, d.sql(`DELETE FROM progress WHERE shard = ?`), int64(shard)); err != nil {
		return 0, fmt.Errorf("begin the history anew: %w", err)
	}
	return 0, nil
}

// progress reads up to which log index a shard's history is filled, and with how many events.
func (d *database) progress(ctx context.Context, db *sql.DB, shard uint16) (index, events uint64, err error) {
	var at, count int64
	err = db.QueryRowContext(ctx, d.sql(`SELECT log_index, events FROM progress WHERE shard = ?`),
		int64(shard)).Scan(&at, &count)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, fmt.Errorf("read where the history is: %w", err)
	}
	return uint64(at), uint64(count), nil
}
