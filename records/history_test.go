package records

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"evenkeel/core/trade"
)

// place is a database to keep a history in; each call of fresh is an empty one.
type place struct {
	name  string
	fresh func(t *testing.T) HistoryOptions
}

func places() []place {
	return []place{
		{"SQLite", func(t *testing.T) HistoryOptions { return HistoryOptions{Dir: t.TempDir()} }},
		{"PostgreSQL", func(t *testing.T) HistoryOptions { return HistoryOptions{URL: server(t).database(t)} }},
	}
}

// onBoth runs a test on SQLite and on a PostgreSQL server.
func onBoth(t *testing.T, test func(*testing.T, HistoryOptions)) {
	for _, p := range places() {
		t.Run(p.name, func(t *testing.T) { test(t, p.fresh(t)) })
	}
}

// following is a history that follows a tail.
type following struct {
	*History
	stop func() // ends it, and may be called again
}

func follow(t *testing.T, o HistoryOptions, tail *Tail, replay Replay) following {
	t.Helper()
	h, err := OpenHistory(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() { h.Follow(ctx, Source{Tail: tail, Replay: replay}) })
	stop := sync.OnceFunc(func() {
		cancel()
		work.Wait()
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return following{h, stop}
}

// until waits for a condition that another goroutine brings about.
func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(60 * time.Second)
	for !condition() {
		select {
		case <-deadline:
			t.Fatalf("waited in vain until %s", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// reach waits until the history has everything that the house made.
func (f following) reach(t *testing.T, h *house) {
	t.Helper()
	last := h.index
	for last > 0 && len(h.entries[last-1].encoded().events) == 0 { // entries without events need not be noted
		last--
	}
	until(t, "the history is there", func() bool { return f.Index(0) >= last && f.Ready() == nil })
}

// agree compares a whole history with the log.
func (f following) agree(t *testing.T, h *house) {
	t.Helper()
	ctx := t.Context()
	for _, a := range h.accounts {
		var events []trade.Event
		g := EventFilter{Direction: OldestFirst}
		for {
			page, err := f.Events(ctx, a.id, g)
			if err != nil {
				t.Fatal(err)
			}
			if events = append(events, page...); len(page) < MaxRows {
				break
			}
			g.After = page[len(page)-1].Number
		}
		equalRows(t, "events in SQL", events, h.stream(a.id))
		orders, err := f.Orders(ctx, a.id, OrderFilter{Direction: OldestFirst})
		if err != nil {
			t.Fatal(err)
		}
		want := h.ever(a.id)
		equalRows(t, "orders in SQL", orders, want[:min(len(want), MaxRows)])
	}
}

func TestHistoryFollows(t *testing.T) {
	onBoth(t, func(t *testing.T, o HistoryOptions) {
		h, d, tail := newHouse(20, 5), NewDay(), NewTail()
		d.Feed(tail)
		h.entries[0].into(d)
		f := follow(t, o, tail, h.replay)
		for _, day := range days[:3] {
			h.startDay(day).into(d)
			for range 300 {
				h.step().into(d)
			}
		}
		f.reach(t, h)
		f.agree(t, h)
		if tail.Waiting() != 0 {
			t.Errorf("%d bytes wait", tail.Waiting())
		}
		f.stop()
		if at := f.Index(0); at != h.index {
			t.Errorf("stopped at entry %d of %d: the next start has to ask the log", at, h.index)
		}
		askHistory(t, o, h)
	})
}

// askHistory asks a history that is there all kinds of questions, without a log to follow.
func askHistory(t *testing.T, o HistoryOptions, h *house) {
	tail := NewTail()
	tail.Begin(h.index)
	f := follow(t, o, tail, func(context.Context, uint64, func(Entry) error) error {
		t.Error("the log was asked, though the history has all of it")
		return nil
	})
	until(t, "it is open", func() bool { return f.Ready() == nil })
	f.agree(t, h)
	ctx, id := t.Context(), h.accounts[0].id
	stream, orders := h.stream(id), h.ever(id)
	for _, e := range []EventFilter{
		{}, {Limit: 3}, {After: 10, Before: 20}, {After: 1<<64 - 1}, {Direction: OldestFirst, Limit: 7},
		{Kinds: []trade.EventKind{trade.CashMoved, trade.OrderTraded}}, {From: stream[9].Time, Until: stream[40].Time},
		{Limit: -1}, {Limit: MaxRows + 1}, {Before: 1<<64 - 1, Limit: 2},
	} {
		want := slices.DeleteFunc(slices.Clone(stream), func(row trade.Event) bool { return !e.chooses(&row) })
		if e.Direction == NewestFirst {
			slices.Reverse(want)
		}
		got, err := f.Events(ctx, id, e)
		if err != nil {
			t.Fatal(err)
		}
		equalRows(t, "events", got, want[:min(len(want), e.limit())])
	}
	for _, g := range []OrderFilter{
		{}, {Open: true}, {Closed: true, Limit: 5}, {Side: trade.Sell, Direction: OldestFirst},
		{AfterID: orders[3].ID, BeforeID: orders[30].ID}, {After: orders[3].Placed, Until: orders[30].Placed},
		{Securities: []trade.SecurityID{2, 3}, Open: true, Closed: true},
	} {
		want := slices.DeleteFunc(slices.Clone(orders), func(o trade.Order) bool {
			return !g.chosen(&o) || g.AfterID != 0 && o.ID <= g.AfterID || g.BeforeID != 0 && o.ID >= g.BeforeID
		})
		if g.Direction == NewestFirst {
			slices.Reverse(want)
		}
		got, err := f.Orders(ctx, id, g)
		if err != nil {
			t.Fatal(err)
		}
		equalRows(t, "orders", got, want[:min(len(want), g.limit())])
	}
	for _, o := range orders {
		one, ok, err := f.Order(ctx, id, o.ID)
		two, found, err2 := f.OrderByClientID(ctx, id, string(o.ClientID))
		if !ok || !found || errors.Join(err, err2) != nil || one.ID != o.ID || two.ID != o.ID {
			t.Fatalf("order %d: %v %v %v %v", o.ID, ok, found, err, err2)
		}
	}
	if _, ok, err := f.Order(ctx, id, 1<<40); ok || err != nil {
		t.Errorf("an order that is not: %v %v", ok, err)
	}
}

// TestHistoryFromTheLog: what a tail no longer has, or never had, is replayed; what is lost is filled again.
func TestHistoryFromTheLog(t *testing.T) {
	onBoth(t, func(t *testing.T, o HistoryOptions) {
		h := newHouse(21, 4)
		h.run(days[:2], 300)
		tail := NewTail()
		tail.Begin(h.index)
		f := follow(t, o, tail, h.replay)
		f.reach(t, h)
		f.agree(t, h)
		f.stop()

		h.run(days[2:3], 100) // while nobody followed
		tail = NewTail()
		tail.Begin(h.index)
		f = follow(t, o, tail, h.replay)
		f.reach(t, h)
		f.agree(t, h)
		for _, loss := range []string{"DROP TABLE orders", "DELETE FROM events", "DROP TABLE progress",
			"DROP TABLE events"} {
			f.stop()
			execute(t, o, loss)
			f = follow(t, o, tail, h.replay)
			until(t, "it is filled after "+loss, func() bool { return f.Index(0) == h.index && f.Ready() == nil })
			f.agree(t, h)
		}
	})
}

// execute runs a statement of somebody else's.
func execute(t *testing.T, o HistoryOptions, statement string) {
	t.Helper()
	d, err := databaseOf(o.URL, o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	db, err := d.open()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestHistoryDropped: tables that go while the history is followed come back, whole.
func TestHistoryDropped(t *testing.T) {
	onBoth(t, func(t *testing.T, o HistoryOptions) {
		h, d, tail := newHouse(22, 4), NewDay(), NewTail()
		d.Feed(tail)
		h.entries[0].into(d)
		f := follow(t, o, tail, h.replay)
		h.startDay(days[0]).into(d)
		for n := range 200 {
			h.step().into(d)
			if n == 100 {
				f.reach(t, h)
				execute(t, o, "DROP TABLE events")
			}
		}
		f.reach(t, h)
		f.agree(t, h)
	})
}

// TestHistoryOfAnotherLog: an older log was restored. Nothing is written, and the log says so; when the log was only
// slow to come back, all goes on.
func TestHistoryOfAnotherLog(t *testing.T) {
	onBoth(t, func(t *testing.T, o HistoryOptions) {
		h := newHouse(23, 3)
		h.run(days[:1], 100)
		whole := NewTail()
		whole.Begin(h.index)
		f := follow(t, o, whole, h.replay)
		f.reach(t, h)
		f.stop()

		var log written
		o.Log = slog.New(slog.NewTextHandler(&log, nil))
		cut := h.entries[:len(h.entries)/2]
		tail, d := NewTail(), NewDay()
		for _, l := range cut {
			l.into(d)
		}
		d.Feed(tail)
		f = follow(t, o, tail, h.replay)
		until(t, "it says so", func() bool { return strings.Contains(log.text(), "belongs to another log") })
		if _, err := f.Events(t.Context(), 1, EventFilter{}); !errors.Is(err, ErrHistoryDown) {
			t.Errorf("a history of another log answers: %v", err)
		}
		for _, l := range h.entries[len(cut):] {
			l.into(d) // the same log after all
		}
		f.reach(t, h)
		f.agree(t, h)
		f.stop()

		other := newHouse(24, 3)
		other.run(days[:1], 200)
		tail, d = NewTail(), NewDay()
		d.Feed(tail)
		for _, l := range other.entries {
			l.into(d)
		}
		for _, end := range []uint64{50, other.index} { // behind the history, and past it: by the tail, and by the log
			log = written{}
			if end == other.index {
				tail = NewTail()
				tail.Begin(end)
			}
			f = follow(t, o, tail, other.replay)
			until(t, "it says so", func() bool { return strings.Contains(log.text(), "is another one") })
			if f.Ready() == nil || f.Index(0) > h.index {
				t.Errorf("ready %v at entry %d", f.Ready(), f.Index(0))
			}
			f.stop()
		}
		o.Log = nil
		f = follow(t, o, whole, h.replay)
		f.reach(t, h)
		f.agree(t, h)
	})
}

// TestComparison finds the one event of many that is missing in SQL, or another one, wherever it stands among those
// that are asked for together.
func TestComparison(t *testing.T) {
	onBoth(t, func(t *testing.T, o HistoryOptions) {
		h := newHouse(27, 3)
		h.run(days[:1], 500)
		tail := NewTail()
		tail.Begin(h.index)
		f := follow(t, o, tail, h.replay)
		f.reach(t, h)
		f.stop()
		var events [][]byte
		for _, l := range h.entries {
			if err := l.encoded().Events(func(b []byte) error { events = append(events, b); return nil }); err != nil {
				t.Fatal(err)
			}
		}
		if len(events) < 2*rowsOfStatement+1 {
			t.Fatal("too few events:", len(events))
		}
		events = events[:2*rowsOfStatement+1]
		compare := func() error {
			d, err := databaseOf(o.URL, o.Dir)
			if err != nil {
				t.Fatal(err)
			}
			db, err := d.open()
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close() //nolint:errcheck // only read
			c := comparison{database: &d, asker: db}
			for _, b := range events {
				if err := c.add(t.Context(), b); err != nil {
					return err
				}
			}
			return c.end(t.Context())
		}
		if err := compare(); err != nil {
			t.Error(err)
		}
		for _, at := range []int{0, rowsOfStatement - 1, rowsOfStatement, 2 * rowsOfStatement} {
			var e trade.Event
			whole := events[at]
			if err := trade.DecodeEvent(whole, &e); err != nil {
				t.Fatal(err)
			}
			for what, change := range map[string]func(){"is another one": func() { e.Time++ },
				"is missing": func() { e.Number += 1 << 40 }} {
				was := e
				change()
				var err error
				if events[at], err = trade.AppendEvent(nil, &e); err != nil {
					t.Fatal(err)
				}
				if err := compare(); !errors.Is(err, ErrHistoryForeign) || !strings.Contains(err.Error(), what) {
					t.Errorf("event %d of %d %s: %v", at, len(events), what, err)
				}
				e, events[at] = was, whole
			}
		}
	})
}

// written is a log that a test reads.
type written struct {
	mu    sync.Mutex
	bytes strings.Builder
}

func (w *written) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.bytes.Write(b)
}

func (w *written) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.bytes.String()
}

// TestHistoryTwoWriters: the second sees that it is not alone, and nothing comes twice.
func TestHistoryTwoWriters(t *testing.T) {
	onBoth(t, func(t *testing.T, o HistoryOptions) {
		h := newHouse(25, 3)
		h.run(days[:1], 50)
		one, two := NewTail(), NewTail()
		one.Begin(h.index)
		two.Begin(h.index)
		f, g := follow(t, o, one, h.replay), follow(t, o, two, h.replay)
		f.reach(t, h)
		g.reach(t, h)
		f.agree(t, h)
		g.agree(t, h)
	})
}

func TestHistoryReplayThatFallsShort(t *testing.T) {
	h := newHouse(26, 2)
	h.run(days[:1], 50)
	tail := NewTail()
	tail.Begin(h.index + 100)
	f := follow(t, HistoryOptions{Dir: t.TempDir()}, tail, h.replay)
	until(t, "it says so", func() bool { return f.Ready() != nil && strings.Contains(f.Ready().Error(), "are needed") })
}

// TestHistoryFileGone: SQLite would go on writing into a file that was deleted.
func TestHistoryFileGone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a dir? with #100% odd name")
	o := HistoryOptions{Dir: dir}
	h, d, tail := newHouse(27, 3), NewDay(), NewTail()
	d.Feed(tail)
	h.run(days[:1], 100)
	for _, l := range h.entries {
		l.into(d)
	}
	f := follow(t, o, tail, h.replay)
	until(t, "it says that there is no such directory", func() bool {
		return strings.Contains(f.Ready().Error(), "no such file")
	})
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	f.reach(t, h)
	file := filepath.Join(dir, "history.db")
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v: a history is for its owner alone", info, err)
	}
	for _, name := range []string{file, file + "-wal", file + "-shm"} {
		if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	h.step().into(d)
	until(t, "it notices", func() bool { _, err := os.Stat(file); return err == nil })
	f.reach(t, h)
	f.agree(t, h)
}

// TestHistoryDiskFull: the database takes no more for a while, is asked all the same, and catches up.
func TestHistoryDiskFull(t *testing.T) {
	h, d, tail := newHouse(28, 3), NewDay(), NewTail()
	d.Feed(tail)
	h.entries[0].into(d)
	o := HistoryOptions{Dir: t.TempDir()}
	opened, err := OpenHistory(o)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var db *sql.DB
	open := opened.database.open
	opened.database.open = func() (*sql.DB, error) {
		mu.Lock()
		defer mu.Unlock()
		made, err := open()
		if err == nil {
			made.SetMaxOpenConns(1)
			db = made
		}
		return made, err
	}
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	work.Go(func() { opened.Follow(ctx, Source{Tail: tail, Replay: h.replay}) })
	f := following{opened, func() { cancel(); work.Wait(); _ = opened.Close() }}
	defer f.stop()
	h.startDay(days[0]).into(d)
	for range 50 {
		h.step().into(d)
	}
	f.reach(t, h)
	mu.Lock()
	db.SetMaxOpenConns(1) // a limit of one connection holds for all that there are
	for _, pragma := range []string{"PRAGMA max_page_count = 1", "PRAGMA wal_checkpoint(TRUNCATE)"} {
		if _, err := db.ExecContext(ctx, pragma); err != nil {
			t.Fatal(err)
		}
	}
	before := h.stream(1)
	for range 2000 {
		h.step().into(d)
	}
	until(t, "it is full", func() bool { return f.Ready() != nil && strings.Contains(f.Ready().Error(), "full") })
	rows, err := f.Events(ctx, 1, EventFilter{Limit: 1})
	if err != nil || len(rows) != 1 || rows[0].Number < before[len(before)-1].Number {
		t.Errorf("a full database answers %d rows, %v", len(rows), err)
	}
	if _, err := db.ExecContext(ctx, "PRAGMA max_page_count = 1000000"); err != nil {
		t.Fatal(err)
	}
	mu.Unlock()
	f.reach(t, h)
	f.agree(t, h)
}

func TestHistoryAddress(t *testing.T) {
	for _, address := range []string{
		"postgres://u:hunter2@h:notaport/x", "postgres://u:hunter2@h/x?sslmode=nonsense", "postgres://u:hunter2@[::1/x",
		"mysql://u:hunter2@h/x", "hunter2", "postgres://u@h/x?password=hunter2&connect_timeout=x",
	} {
		_, err := OpenHistory(HistoryOptions{URL: address})
		if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "postgres://") {
			t.Errorf("%s: %v", strings.ReplaceAll(address, "hunter2", "***"), err)
		}
	}
	var log written
	tail := NewTail()
	tail.Begin(0)
	o := HistoryOptions{URL: "postgres://somebody:hunter2@127.0.0.1:1/there?password=hunter2",
		Log: slog.New(slog.NewTextHandler(&log, nil))}
	f := follow(t, o, tail, func(context.Context, uint64, func(Entry) error) error { return nil })
	until(t, "it says that nobody is there", func() bool { return strings.Contains(log.text(), "somebody@127.0.0.1") })
	if said := log.text() + f.Ready().Error(); strings.Contains(said, "hunter2") {
		t.Error(said)
	}
}

func TestTailOverflow(t *testing.T) {
	tail := NewTail()
	if _, begun := tail.place(); begun {
		t.Error("begun before Begin")
	}
	tail.Begin(10)
	event := make([]byte, 1<<20)
	for n := range uint64(100) {
		tail.add(event)
		tail.commit(11 + n)
	}
	if tail.Waiting() > TailBytes {
		t.Errorf("%d bytes wait, at most %d", tail.Waiting(), TailBytes)
	}
	if _, ok := tail.After(10, 1); ok {
		t.Error("a tail that forgot entries says that it has them")
	}
	from := tail.first()
	entries, ok := tail.After(from, 1)
	if !ok || len(entries) != 1 || entries[0].Index != from+1 {
		t.Errorf("after %d: %d entries, %v: one always comes", from, len(entries), ok)
	}
	tail.Taken(110)
	if entries, ok := tail.After(110, 1); !ok || len(entries) != 0 || tail.Waiting() != 0 {
		t.Errorf("after all: %d entries, %v, %d bytes", len(entries), ok, tail.Waiting())
	}
}
