package records

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// Source is what the history of a shard is made of.
type Source struct {
	Shard  uint16
	Tail   *Tail
	Replay Replay
	// Memory is the view that the tail follows, for when the log no longer goes back as far as Replay is asked for
	// (ErrLogGone): what it has of the kept days is then all that there is to be had. nil: that is an error.
	Memory func() *Day
	// Writes reports whether this node writes now: where several share a database, the one that leads the shard does,
	// and the others watch how far it is. nil: this node is alone with its database.
	Writes func() bool
}

// Replay tells the events of all log entries behind an index, in order; visit's error ends it. It visits entries
// without events too: the last one says how far it came.
type Replay func(ctx context.Context, after uint64, visit func(Entry) error) error

// follower is where the history of one shard is.
type follower struct {
	history *History
	shard   uint16
	index   atomic.Uint64
	failure atomic.Pointer[string] // why it is behind; nil: it is not
	answers atomic.Bool            // what it has is of this log, and lacks nothing but what the memory has
	source  Source

	// Of its goroutine.
	checked uint64 // up to this log index, what is in SQL is known to be of this log
	marked  time.Time
	said    string
	saidAt  time.Time
}

func (f *follower) ready() error {
	if text := f.failure.Load(); text != nil {
		return fmt.Errorf("%w: %s", ErrHistoryDown, *text)
	}
	return nil
}

func (f *follower) fail(text string) { f.failure.Store(&text) }

// Follow writes what comes of a shard, until the context ends. What the tail no longer has is replayed from the log.
func (h *History) Follow(ctx context.Context, source Source) {
	f := h.followers[source.Shard]
	f.source = source
	pause := historyRetry
	for {
		began := time.Now()
		err := f.follow(ctx)
		if ctx.Err() != nil {
			f.flush(ctx)
			return
		}
		f.fail(err.Error())
		if errors.Is(err, ErrHistoryForeign) {
			f.answers.Store(false)
		}
		f.say(err)
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
func (f *follower) say(err error) {
	if err == nil {
		return
	}
	text := err.Error()
	if text == f.said && time.Since(f.saidAt) < historySay {
		return
	}
	f.said, f.saidAt = text, time.Now()
	f.history.log.Warn("the history is behind; it is tried again", "database", f.history.database.name, "shard", f.shard,
		"error", err)
}

// open opens the database, or opens it anew where its file is another one, and reads where the shard's history is.
func (f *follower) open(ctx context.Context) (*sql.DB, error) {
	db, err := f.history.open()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, historyTimeout)
	defer cancel()
	index, err := f.history.database.prepareTables(ctx, db, f.shard)
	if err != nil {
		return nil, err
	}
	f.place(index)
	return db, nil
}

// place takes where SQL says that the history is.
func (f *follower) place(index uint64) {
	if index < f.index.Swap(index) {
		f.answers.Store(false) // emptied, or put back from a copy
	}
	f.checked = min(f.checked, index)
}

func (f *follower) follow(ctx context.Context) error {
	db, err := f.open(ctx)
	if err != nil {
		return err
	}
	tail := f.source.Tail
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := f.history.same(db); err != nil {
			return err
		}
		wrote, err := f.step(ctx, db)
		switch {
		case err != nil:
			return err
		case wrote && f.writes() && tail.Waiting() >= historyBatch:
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

// writes reports whether this node writes the shard's history now.
func (f *follower) writes() bool { return f.source.Writes == nil || f.source.Writes() }

// step does the next piece of work, and reports whether there was any.
func (f *follower) step(ctx context.Context, db *sql.DB) (bool, error) {
	tail := f.source.Tail
	at, begun := tail.place()
	if !begun {
		return false, nil
	}
	writes := f.writes()
	if !writes {
		if err := f.watch(ctx, db); err != nil {
			return false, err
		}
	}
	index := f.index.Load()
	if f.checked < index {
		if known, err := f.compare(ctx, db, index, writes); err != nil || !known {
			return false, err
		}
	}
	if !writes {
		tail.Taken(index)
		f.isReady()
		return true, nil // looked at again after a while
	}
	entries, ok := tail.After(index, historyBatch)
	switch {
	case !ok:
		f.fail("it is being filled from the log")
		f.answers.Store(false)
		return true, f.catchUp(ctx, db)
	case len(entries) > 0:
		last := entries[len(entries)-1].Index
		if err := f.write(ctx, db, entries, last); err != nil {
			return false, err
		}
		tail.Taken(last)
		f.isReady()
		return true, nil
	case at > index && time.Since(f.marked) >= historyMark:
		// No events since: noted all the same, so that the next start need not ask the log about it.
		f.marked = time.Now()
		return false, f.write(ctx, db, nil, at)
	}
	f.isReady()
	return false, nil
}

// watch reads how far the node is that writes.
func (f *follower) watch(ctx context.Context, db *sql.DB) error {
	ctx, cancel := context.WithTimeout(ctx, historyTimeout)
	defer cancel()
	index, _, err := f.history.database.progress(ctx, db, f.shard)
	if err != nil {
		return err
	}
	f.place(index)
	return nil
}

func (f *follower) isReady() {
	f.answers.Store(true)
	if f.failure.Swap(nil) != nil {
		f.history.log.Info("the history is there", "database", f.history.database.name, "shard", f.shard,
			"index", f.index.Load())
		f.said = ""
	}
}

// compare makes sure that the history is not of another log, or ahead of this one: what the tail has of entries that
// SQL claims to have must be there, to the byte. It reports whether that is known for all entries up to index. After a
// crash the log itself may need a moment to come back to where it was; and a node that does not write may be behind
// the one that does.
func (f *follower) compare(ctx context.Context, db *sql.DB, index uint64, writes bool) (bool, error) {
	tail := f.source.Tail
	at, _ := tail.place()
	entries, _ := tail.After(max(f.checked, tail.first()), historyBatch)
	ctx, cancel := context.WithTimeout(ctx, historyTimeout)
	defer cancel()
	there, checked := comparison{database: &f.history.database, asker: db}, f.checked
	for _, e := range entries {
		if e.Index > index {
			break
		}
		if err := e.Events(func(encoded []byte) error { return there.add(ctx, encoded) }); err != nil {
			return false, fmt.Errorf("entries %d to %d: %w", checked+1, e.Index, err)
		}
		checked = e.Index
	}
	if err := there.end(ctx); err != nil {
		return false, fmt.Errorf("entries up to %d: %w", checked, err)
	}
	f.checked = checked
	if at >= index && (len(entries) == 0 || entries[len(entries)-1].Index >= index) {
		f.checked = index
		return true, nil
	}
	if at < index && writes {
		err := fmt.Errorf("%w: it ends with entry %d, the log with entry %d", ErrHistoryForeign, index, at)
		f.fail(err.Error())
		f.answers.Store(false)
		f.say(err)
	}
	return false, nil
}

// catchUp fills from the log. The last entries that the history should have are compared with it first.
func (f *follower) catchUp(ctx context.Context, db *sql.DB) error {
	began := f.index.Load()
	var batch []Entry
	size, last := 0, began
	there := comparison{database: &f.history.database, asker: db}
	err := f.source.Replay(ctx, began-min(began, historyOverlap), func(e Entry) error {
		if e.Index <= began {
			return e.Events(func(encoded []byte) error { return there.add(ctx, encoded) })
		}
		if err := there.end(ctx); err != nil {
			return err
		}
		last = e.Index
		if len(e.events) > 0 {
			batch = append(batch, e)
			size += len(e.events)
		}
		if size < historyBatch {
			return nil
		}
		err := f.write(ctx, db, batch, e.Index)
		clear(batch)
		batch, size = batch[:0], 0
		return err
	})
	if err == nil {
		err = there.end(ctx)
	}
	if err == nil && last > f.index.Load() {
		err = f.write(ctx, db, batch, last)
	}
	if from := f.source.Tail.first(); err == nil && last < from {
		err = fmt.Errorf("the log told the events up to entry %d, those up to %d are needed", last, from)
	}
	if errors.Is(err, ErrLogGone) && f.source.Memory != nil {
		return f.fromMemory(ctx, db, f.source.Memory())
	}
	if err != nil {
		return fmt.Errorf("fill the history from the log: %w", err)
	}
	f.history.log.Info("the history was filled from the log", "database", f.history.database.name, "shard", f.shard,
		"from", began, "to", last)
	return nil
}

// fromMemory fills from the view in memory: a node that began with a snapshot of another has no older log. What is
// read of an account may be newer than the place that is noted; it is written again from the tail, and is the same.
func (f *follower) fromMemory(ctx context.Context, db *sql.DB, day *Day) error {
	began, index := f.index.Load(), day.Index()
	var batch [][]byte
	size := 0
	write := func(index uint64) error {
		err := f.write(ctx, db, []Entry{EntryOf(index, batch...)}, index)
		batch, size = nil, 0
		return err
	}
	err := day.Visit(func(encoded []byte) error {
		batch = append(batch, encoded)
		if size += len(encoded); size < historyBatch {
			return ctx.Err()
		}
		return write(began)
	})
	if err == nil && index < began {
		err = fmt.Errorf("the memory is at entry %d, the history at entry %d", index, began)
	}
	if err == nil {
		err = write(index)
	}
	if err != nil {
		return fmt.Errorf("fill the history from memory: %w", err)
	}
	f.history.log.Warn("the log does not go back to where the history is: it was filled with the days in memory, and "+
		"lacks what is older", "database", f.history.database.name, "shard", f.shard, "from", began, "to", index)
	return nil
}

// flush writes what waits when the process ends, so that the next start finds the history where the log is.
func (f *follower) flush(ctx context.Context) {
	if f.ready() != nil || !f.writes() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), historyFlush)
	defer cancel()
	db, err := f.open(ctx)
	for err == nil {
		at, _ := f.source.Tail.place()
		index := f.index.Load()
		entries, ok := f.source.Tail.After(index, historyBatch)
		if !ok || index >= at {
			return
		}
		if len(entries) > 0 {
			at = entries[len(entries)-1].Index
		}
		err = f.write(ctx, db, entries, at)
	}
	f.say(err) // the next start makes up for it
}
