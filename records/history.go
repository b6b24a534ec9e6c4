package records

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
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
	errTwoWriters = errors.New("somebody else writes into this history")
)

// HistoryOptions say where history is kept.
type HistoryOptions struct {
	URL string // postgres://... ; "": SQLite. A password belongs into PGPASSWORD or a password file instead
	Dir string // where SQLite keeps history.db
	Log *slog.Logger
}

// History is what is older than the memory, in SQL: PostgreSQL, or SQLite in the data directory. It follows the log:
// an event is written once, with the log index that it came from in the same transaction, so that after any failure
// it goes on where it was; when the database is lost it is filled again from the log. One process writes a history,
// any number may read it.
type History struct {
	database database
	log      *slog.Logger
	index    atomic.Uint64
	failure  atomic.Pointer[string] // why it is behind; nil: it is not
	answers  atomic.Bool            // what it has is of this log, and lacks nothing but what the memory has

	mu     sync.Mutex
	db     *sql.DB // nil: not open
	closed bool

	// Of the follower.
	opened  fs.FileInfo // the file of SQLite that is open
	checked uint64      // up to this log index, what is in SQL is known to be of this log
	marked  time.Time
	said    string
	saidAt  time.Time
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
	h.fail("it was not opened yet")
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

// Index is the log index up to which the history is complete.
func (h *History) Index() uint64 { return h.index.Load() }

// Ready returns nil, or ErrHistoryDown with why the history is behind. Questions may be answered all the same: it is
// the memory that has what a history lacks whose database takes no more.
func (h *History) Ready() error {
	if text := h.failure.Load(); text != nil {
		return fmt.Errorf("%w: %s", ErrHistoryDown, *text)
	}
	return nil
}

func (h *History) fail(text string) { h.failure.Store(&text) }

// Replay tells the events of all log entries behind an index, in order; visit's error ends it. It visits entries
// without events too: the last one says how far it came.
type Replay func(ctx context.Context, after uint64, visit func(Entry) error) error

// Follow writes what comes, until the context ends. What the tail no longer has is replayed from the log.
func (h *History) Follow(ctx context.Context, tail *Tail, replay Replay) {
	pause := historyRetry
	for {
		began := time.Now()
		err := h.follow(ctx, tail, replay)
		if ctx.Err() != nil {
			h.flush(ctx, tail)
			return
		}
		h.fail(err.Error())
		if errors.Is(err, ErrHistoryForeign) {
			h.answers.Store(false)
		}
		h.say(err)
		if time.Since(began) > historyPause {
			pause = historyRetry
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, historyPause)
	}
}

// say logs a failure, and the same one again only once in a while.
func (h *History) say(err error) {
	text := err.Error()
	if text == h.said && time.Since(h.saidAt) < historySay {
		return
	}
	h.said, h.saidAt = text, time.Now()
	h.log.Warn("the history is behind; it is tried again", "database", h.database.name, "error", err)
}

// open opens the database, or opens it anew where its file is another one, and reads where the history is.
func (h *History) open(ctx context.Context) (*sql.DB, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, ErrHistoryDown
	}
	if h.db != nil && h.database.same(h.opened) != nil {
		_ = h.db.Close() // what it has is lost: its file has no name any more
		h.db = nil
		h.answers.Store(false)
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
	ctx, cancel := context.WithTimeout(ctx, historyTimeout)
	defer cancel()
	index, err := h.database.prepareTables(ctx, h.db)
	if err != nil {
		return nil, err
	}
	if index < h.index.Swap(index) {
		h.answers.Store(false) // emptied, or put back from a copy
	}
	h.checked = min(h.checked, index)
	return h.db, nil
}

func (h *History) follow(ctx context.Context, tail *Tail, replay Replay) error {
	db, err := h.open(ctx)
	if err != nil {
		return err
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := h.database.same(h.opened); err != nil {
			return err
		}
		wrote, err := h.step(ctx, db, tail, replay)
		switch {
		case err != nil:
			return err
		case wrote && tail.Waiting() >= historyBatch:
			continue
		case wrote:
			select { // a transaction for each order would compete with the log for the disk
			case <-ctx.Done():
			case <-time.After(historyLinger):
			}
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tail.News():
		case <-time.After(historyLook):
		}
	}
}

// step does the next piece of work, and reports whether there was any.
func (h *History) step(ctx context.Context, db *sql.DB, tail *Tail, replay Replay) (bool, error) {
	at, begun := tail.place()
	if !begun {
		return false, nil
	}
	index := h.index.Load()
	if h.checked < index {
		if known, err := h.compare(ctx, db, tail, index); err != nil || !known {
			return false, err
		}
	}
	entries, ok := tail.After(index, historyBatch)
	switch {
	case !ok:
		h.fail("it is being filled from the log")
		h.answers.Store(false)
		return true, h.catchUp(ctx, db, tail, replay)
	case len(entries) > 0:
		last := entries[len(entries)-1].Index
		if err := h.write(ctx, db, entries, last); err != nil {
			return false, err
		}
		tail.Taken(last)
		h.isReady()
		return true, nil
	case at > index && time.Since(h.marked) >= historyMark:
		// No events since: noted all the same, so that the next start need not ask the log about it.
		h.marked = time.Now()
		return false, h.write(ctx, db, nil, at)
	}
	h.isReady()
	return false, nil
}

func (h *History) isReady() {
	h.answers.Store(true)
	if h.failure.Swap(nil) != nil {
		h.log.Info("the history is there", "database", h.database.name, "index", h.index.Load())
		h.said = ""
	}
}

// compare makes sure that the history is not of another log, or ahead of this one: what the tail has of entries that
// SQL claims to have must be there, to the byte. It reports whether that is known for all entries up to index. After a
// crash the log itself may need a moment to come back to where it was.
func (h *History) compare(ctx context.Context, db *sql.DB, tail *Tail, index uint64) (bool, error) {
	at, _ := tail.place()
	entries, _ := tail.After(max(h.checked, tail.first()), historyBatch)
	ctx, cancel := context.WithTimeout(ctx, historyTimeout)
	defer cancel()
	for _, e := range entries {
		if e.Index > index {
			break
		}
		if err := e.Events(func(encoded []byte) error { return h.database.holds(ctx, db, encoded) }); err != nil {
			return false, fmt.Errorf("entry %d: %w", e.Index, err)
		}
		h.checked = e.Index
	}
	if at >= index && (len(entries) == 0 || entries[len(entries)-1].Index >= index) {
		h.checked = index
		return true, nil
	}
	if at < index {
		err := fmt.Errorf("%w: it ends with entry %d, the log with entry %d", ErrHistoryForeign, index, at)
		h.fail(err.Error())
		h.answers.Store(false)
		h.say(err)
	}
	return false, nil
}

// catchUp fills from the log. The last entries that the history should have are compared with it first.
func (h *History) catchUp(ctx context.Context, db *sql.DB, tail *Tail, replay Replay) error {
	began := h.index.Load()
	var batch []Entry
	size, last := 0, began
	err := replay(ctx, began-min(began, historyOverlap), func(e Entry) error {
		if e.Index <= began {
			return e.Events(func(encoded []byte) error { return h.database.holds(ctx, db, encoded) })
		}
		last = e.Index
		if len(e.events) > 0 {
			batch = append(batch, e)
			size += len(e.events)
		}
		if size < historyBatch {
			return nil
		}
		err := h.write(ctx, db, batch, e.Index)
		clear(batch)
		batch, size = batch[:0], 0
		return err
	})
	if err == nil && last > h.index.Load() {
		err = h.write(ctx, db, batch, last)
	}
	if from := tail.first(); err == nil && last < from {
		err = fmt.Errorf("the log told the events up to entry %d, those up to %d are needed", last, from)
	}
	if err != nil {
		return fmt.Errorf("fill the history from the log: %w", err)
	}
	h.log.Info("the history was filled from the log", "database", h.database.name, "from", began, "to", last)
	return nil
}

// flush writes what waits when the process ends, so that the next start finds the history where the log is.
func (h *History) flush(ctx context.Context, tail *Tail) {
	if h.Ready() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), historyFlush)
	defer cancel()
	db, err := h.open(ctx)
	for err == nil {
		at, _ := tail.place()
		index := h.index.Load()
		entries, ok := tail.After(index, historyBatch)
		if !ok || index >= at {
			return
		}
		if len(entries) > 0 {
			at = entries[len(entries)-1].Index
		}
		err = h.write(ctx, db, entries, at)
	}
	h.say(err) // the next start makes up for it
}
