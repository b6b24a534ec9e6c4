package records

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Limits of the history.
const (
	historyBatch   = 1 << 20                // bytes of events written in one transaction
	historyRetry   = 250 * time.Millisecond // pause after SQL failed; doubled up to historyPause
	historyPause   = 5 * time.Second
	historyLook    = 250 * time.Millisecond // how often the tail is looked at without news
	historyLinger  = 250 * time.Millisecond // between two writes that are less than a batch: events share a transaction
	historyConns   = 4                      // connections to SQL
	historyConnect = 5 * time.Second        // to connect to PostgreSQL
	historyTimeout = 30 * time.Second       // for one transaction, and for making the tables
	historyAnswer  = 10 * time.Second       // for one question
	historyMark    = 10 * time.Second       // how often progress without events is noted
	historyFlush   = 2 * time.Second        // for what waits when the process ends
	historySay     = time.Minute            // how often the same failure is logged
	historyOverlap = 1000                   // log entries that are compared when the history is filled from the log
)

// Errors of the history.
var (
	// ErrHistoryDown says that SQL cannot be asked now. Trading does not need it.
	ErrHistoryDown = errors.New("the history cannot be asked now; it catches up when its database is back")
	// ErrHistoryForeign says that the database holds what the log does not: nothing is written into it.
	ErrHistoryForeign = errors.New("the history belongs to another log, or to a newer one than this: an older log was " +
		"restored, or the wrong database was named; move the old history away (history.db, or the tables progress, events " +
		"and orders) and it is filled from this log")
	// ErrLogGone is what a Replay fails with when the log does not go back as far as it was asked for.
	ErrLogGone    = errors.New("the log does not go back that far")
	errTwoWriters = errors.New("somebody else writes into this history")
)

// HistoryOptions say where history is kept.
type HistoryOptions struct {
	URL    string // postgres://... ; "": SQLite. A password belongs into PGPASSWORD or a password file instead
	Dir    string // where SQLite keeps history.db
	Shards int    // of the house; 0: one
	Log    *slog.Logger
}

// History is what is older than the memory, in SQL: PostgreSQL, or SQLite in the data directory. It follows the log of
// each shard: an event is written once, with the log index that it came from in the same transaction, so that after
// any failure it goes on where it was; when the database is lost it is filled again from the log. Any number may read
// it, and several nodes may follow into one database: the place moves from where its writer saw it, or not at all.
type History struct {
	database  database
	log       *slog.Logger
	followers []*follower // by shard

	mu     sync.Mutex
	db     *sql.DB // nil: not open
	closed bool
	opened fs.FileInfo // the file of SQLite that is open
}

// OpenHistory checks the address, and does not wait for the database: Follow opens it, and tries again when it is
// down.
func OpenHistory(o HistoryOptions) (*History, error) {
	d, err := databaseOf(o.URL, o.Dir)
	if err != nil {
		return nil, err
	}
	h := &History{database: d, log: o.Log}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	for shard := range max(1, o.Shards) {
		f := &follower{history: h, shard: uint16(shard)}
		f.fail("it was not opened yet")
		h.followers = append(h.followers, f)
	}
	return h, nil
}

// Close closes the database. Follow has ended before.
func (h *History) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	if h.db == nil {
		return nil
	}
	db := h.db
	h.db = nil
	if err := db.Close(); err != nil {
		return fmt.Errorf("close the history: %w", err)
	}
	return nil
}

// Index is the log index of a shard up to which its history is complete.
func (h *History) Index(shard uint16) uint64 { return h.followers[shard].index.Load() }

// Shared reports whether the database may be that of other nodes too.
func (h *History) Shared() bool { return h.database.file == "" }

// Ready returns nil, or ErrHistoryDown with why the history is behind. Questions may be answered all the same: it is
// the memory that has what a history lacks whose database takes no more.
func (h *History) Ready() error {
	for _, f := range h.followers {
		if err := f.ready(); err != nil {
			return err
		}
	}
	return nil
}

// open opens the database, or opens it anew where its file is another one.
func (h *History) open() (*sql.DB, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, ErrHistoryDown
	}
	if h.db != nil && h.database.same(h.opened) != nil {
		_ = h.db.Close() // what it has is lost: its file has no name any more
		h.db = nil
		for _, f := range h.followers {
			f.answers.Store(false)
		}
	}
	if h.db == nil {
		db, err := h.database.open()
		if err != nil {
			return nil, fmt.Errorf("open the history: %w", err)
		}
		db.SetMaxOpenConns(historyConns)
		db.SetMaxIdleConns(historyConns)
		h.db = db
		if h.database.file != "" {
			if h.opened, err = os.Stat(h.database.file); err != nil {
				return nil, fmt.Errorf("open the history: %w", err)
			}
		}
	}
	return h.db, nil
}

// same checks that an open database is the one that questions go to, and that its file is still there.
func (h *History) same(db *sql.DB) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.db != db {
		return errMoved
	}
	return h.database.same(h.opened)
}
