package records

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"runtime"
	"slices"
	"sync"
	"testing"

	"evenkeel/core/trade"
)

func reversed[T any](rows []T) []T {
	rows = slices.Clone(rows)
	slices.Reverse(rows)
	return rows
}

// equalRows compares rows; none and nil are the same.
func equalRows[T any](t *testing.T, what string, got, want []T) {
	t.Helper()
	if len(got) != len(want) || len(got) > 0 && !reflect.DeepEqual(got, want) {
		t.Fatalf("%s: %d rows, want %d, or they differ", what, len(got), len(want))
	}
}

// view asks a Day everything that it can be asked about an account.
type view struct {
	standing    Standing
	orders      []trade.Order
	events      []trade.Event
	first, last uint64
}

func viewOf(t *testing.T, d *Day, id trade.AccountID) view {
	t.Helper()
	v := view{orders: d.Orders(id, OrderFilter{Direction: OldestFirst}), first: d.FirstNumber(id), last: d.LastNumber(id)}
	v.standing, _ = d.Standing(id)
	var err error
	v.events, err = d.Events(id, EventFilter{After: max(1, v.first) - 1, Direction: OldestFirst})
	if v.first > 0 && err != nil {
		t.Fatal(err)
	}
	return v
}

// TestDayIsWhatTheLogSays follows a made house over days, and compares every account with the log after each of them.
func TestDayIsWhatTheLogSays(t *testing.T) {
	h, d := newHouse(1, 7), NewDay()
	h.entries[0].into(d)
	for n, day := range days {
		h.startDay(day).into(d)
		for range 300 {
			h.step().into(d)
		}
		oldest := trade.Day(0)
		if n > 0 {
			oldest = days[n-1]
		}
		for _, a := range h.accounts {
			stream := slices.DeleteFunc(h.stream(a.id), func(e trade.Event) bool { return e.Day < oldest })
			orders := slices.DeleteFunc(h.ever(a.id), func(o trade.Order) bool { return o.Day < oldest })
			v := viewOf(t, d, a.id)
			equalRows(t, "events", v.events, stream[:min(len(stream), MaxRows)])
			equalRows(t, "orders", v.orders, orders)
			newest, _ := d.Events(a.id, EventFilter{})
			equalRows(t, "newest events", newest, reversed(stream)[:min(len(stream), MaxRows)])
			equalRows(t, "newest orders", d.Orders(a.id, OrderFilter{}), reversed(orders))
			if v.standing.Balance != a.balance || v.standing.Number != a.number ||
				len(v.standing.Positions) != len(a.positions) {
				t.Fatalf("day %d account %d: %+v, want %+v", day, a.id, v.standing, a)
			}
			for _, o := range orders {
				got, ok := d.OrderByClientID(a.id, string(o.ClientID))
				if !ok || got.ID != o.ID {
					t.Fatalf("order %d is not found by its client id", o.ID)
				}
			}
		}
	}
}

// TestDayAfterRestart: a view that was restored from a snapshot, and told the books, is the one that was written.
func TestDayAfterRestart(t *testing.T) {
	h, d := newHouse(2, 9), NewDay()
	h.run(days[:4], 400)
	for _, l := range h.entries {
		l.into(d)
	}
	var written bytes.Buffer
	if err := d.Snapshot(&written); err != nil {
		t.Fatal(err)
	}
	again, tail := NewDay(), NewTail()
	again.Feed(tail)
	if err := again.Restore(bytes.NewReader(written.Bytes())); err != nil {
		t.Fatal(err)
	}
	h.describe(again.Describe)
	if at, _ := tail.place(); again.Index() != h.index || at != h.index || again.Today() != d.Today() {
		t.Fatalf("index %d, tail at %d, day %d", again.Index(), at, again.Today())
	}
	for day := range 3 {
		for _, a := range h.accounts {
			if got, want := viewOf(t, again, a.id), viewOf(t, d, a.id); !reflect.DeepEqual(got, want) {
				t.Fatalf("day %d account %d:\n%+v\nwant\n%+v", day, a.id, got, want)
			}
		}
		var one, two bytes.Buffer
		if errors.Join(d.Snapshot(&one), again.Snapshot(&two)) != nil || !bytes.Equal(one.Bytes(), two.Bytes()) {
			t.Fatal("equal views write different snapshots")
		}
		l := h.startDay(20260113 + trade.Day(day))
		l.into(d)
		l.into(again)
		for range 100 { // fewer than there are shards: the sweep is still under way
			l := h.step()
			l.into(d)
			l.into(again)
		}
	}
}

func TestDayForgottenEvents(t *testing.T) {
	h, d := newHouse(3, 1), NewDay()
	h.run(days[:3], 200)
	for _, l := range h.entries {
		l.into(d)
	}
	id := h.accounts[0].id
	first, last := d.FirstNumber(id), d.LastNumber(id)
	stream := h.stream(id)
	before := stream[first-2] // the newest that is gone
	for _, c := range []struct {
		what string
		f    EventFilter
		gone bool
	}{
		{"from the beginning", EventFilter{}, true},
		{"behind one that is gone", EventFilter{After: first - 2}, true},
		{"behind the newest that is gone", EventFilter{After: first - 1}, false},
		{"at the end", EventFilter{After: last}, false},
		{"beyond the end", EventFilter{After: 1<<64 - 1}, false},
		{"from the time of one that is gone", EventFilter{From: before.Time}, true},
		{"from a time that is kept", EventFilter{From: stream[first+20].Time}, false},
	} {
		c.f.Direction = OldestFirst
		if _, err := d.Events(id, c.f); errors.Is(err, ErrForgotten) != c.gone {
			t.Errorf("%s: %v", c.what, err)
		}
	}
	// A time that a forgotten event and a kept one share: the day turned within one entry.
	if stream[first-1].Time == before.Time {
		return
	}
	t.Fatal("the made house turns its days within one entry, and here it did not")
}

func TestDayPages(t *testing.T) {
	h, d := newHouse(4, 2), NewDay()
	h.run(days[:2], 3000)
	for _, l := range h.entries {
		l.into(d)
	}
	id := h.accounts[0].id
	for _, direction := range []Direction{NewestFirst, OldestFirst} {
		var events []trade.Event
		f := EventFilter{Direction: direction, Limit: 37, Kinds: []trade.EventKind{trade.OrderTraded, trade.CashMoved}}
		for {
			page, err := d.Events(id, f)
			if err != nil {
				t.Fatal(err)
			}
			if events = append(events, page...); len(page) < 37 {
				break
			}
			f.After, f.Before = page[36].Number, 0
			if direction == NewestFirst {
				f.After, f.Before = 0, page[36].Number
			}
		}
		var orders []trade.Order
		g := OrderFilter{Direction: direction, Limit: 41, Closed: true, Securities: []trade.SecurityID{1, 4}}
		for {
			page := d.Orders(id, g)
			if orders = append(orders, page...); len(page) < 41 {
				break
			}
			g.AfterID, g.BeforeID = page[40].ID, 0
			if direction == NewestFirst {
				g.AfterID, g.BeforeID = 0, page[40].ID
			}
		}
		if direction == NewestFirst {
			events, orders = reversed(events), reversed(orders)
		}
		equalRows(t, "events", events, slices.DeleteFunc(h.stream(id), func(e trade.Event) bool { return !f.kind(e.Kind) }))
		equalRows(t, "orders", orders, slices.DeleteFunc(h.ever(id), func(o trade.Order) bool {
			return !o.Status.Done() || o.Security != 1 && o.Security != 4
		}))
	}
}

func (f *EventFilter) kind(k trade.EventKind) bool { return slices.Contains(f.Kinds, k) }

func TestWatch(t *testing.T) {
	h, d := newHouse(5, 2), NewDay()
	h.entries[0].into(d)
	id := h.accounts[0].id
	news, stop, err := d.Watch(id)
	if err != nil {
		t.Fatal(err)
	}
	cash := func(a *made) {
		e := h.event(a, trade.CashMoved)
		h.commit([]trade.Event{e}).into(d)
	}
	told := func() bool {
		select {
		case <-news:
			return true
		default:
			return false
		}
	}
	if cash(h.accounts[1]); told() {
		t.Error("told of another account's event")
	}
	cash(h.accounts[0])
	cash(h.accounts[0])
	if !told() || told() {
		t.Error("two events that were not looked at are one piece of news")
	}
	if d.Retired() {
		t.Error("retired before its time")
	}
	if d.Retire(); !d.Retired() || !told() {
		t.Error("a reader of a view that was replaced was not woken")
	}
	stop()
	stop()
	if cash(h.accounts[0]); told() {
		t.Error("told after stop")
	}
	for range MaxWatchers {
		if _, _, err := d.Watch(99); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := d.Watch(99); !errors.Is(err, ErrTooManyWatchers) {
		t.Errorf("one more than MaxWatchers: %v", err)
	}
	if _, ok := d.Balance(99); ok {
		t.Error("an account is known because somebody watches it")
	}
}

// TestReadersBesideFold is for the race detector: readers see whole prefixes of the stream while it grows and turns.
func TestReadersBesideFold(t *testing.T) {
	h, d := newHouse(6, 3), NewDay()
	h.run(days, 400)
	h.entries[0].into(d)
	var readers sync.WaitGroup
	done := make(chan struct{})
	for n := range 4 {
		readers.Go(func() {
			id, seen := h.accounts[n%3].id, uint64(0)
			for {
				select {
				case <-done:
					return
				default:
				}
				rows, err := d.Events(id, EventFilter{After: seen, Direction: OldestFirst, Limit: 50})
				if errors.Is(err, ErrForgotten) {
					seen = max(seen, d.FirstNumber(id)-1)
					continue
				}
				for i := range rows {
					if seen++; rows[i].Number != seen {
						t.Errorf("event %d where %d was due", rows[i].Number, seen)
						return
					}
				}
				d.Orders(id, OrderFilter{Open: true})
				if s, ok := d.Standing(id); ok && s.Number < seen {
					t.Error("a standing older than an event that was seen")
				}
				runtime.Gosched()
			}
		})
	}
	for _, l := range h.entries[1:] {
		l.into(d)
	}
	close(done)
	readers.Wait()
}

func TestRestoreRefuses(t *testing.T) {
	h, d := newHouse(7, 3), NewDay()
	h.run(days[:2], 30)
	for _, l := range h.entries {
		l.into(d)
	}
	var written bytes.Buffer
	if err := d.Snapshot(&written); err != nil {
		t.Fatal(err)
	}
	for n := range written.Len() {
		if err := NewDay().Restore(bytes.NewReader(written.Bytes()[:n])); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("%d of %d bytes: %v", n, written.Len(), err)
		}
	}
	newer := append([]byte{snapshotVersion + 1}, written.Bytes()[1:]...)
	if err := NewDay().Restore(bytes.NewReader(newer)); !errors.Is(err, trade.ErrUnreadable) {
		t.Errorf("another version: %v", err)
	}
	twice := bytes.Clone(written.Bytes()[:written.Len()-16])
	twice = append(twice, written.Bytes()[snapshotHead:]...)
	if err := NewDay().Restore(bytes.NewReader(twice)); !errors.Is(err, trade.ErrUnreadable) {
		t.Errorf("accounts that come twice: %v", err)
	}
}

// FuzzRestore: what is accepted is written again as it was; the rest is an error.
func FuzzRestore(f *testing.F) {
	h, d := newHouse(8, 2), NewDay()
	h.run(days[:3], 12)
	for _, l := range h.entries {
		l.into(d)
	}
	var written bytes.Buffer
	if err := d.Snapshot(&written); err != nil {
		f.Fatal(err)
	}
	f.Add(written.Bytes())
	f.Add(make([]byte, 33))
	f.Fuzz(func(t *testing.T, b []byte) {
		d := NewDay()
		in := bytes.NewReader(b)
		if d.Restore(in) != nil {
			return
		}
		b = b[:len(b)-in.Len()]
		var again bytes.Buffer
		if err := d.Snapshot(&again); err != nil {
			t.Fatal(err)
		}
		two := NewDay()
		if err := two.Restore(bytes.NewReader(again.Bytes())); err != nil || again.Len() != len(b) {
			t.Fatalf("accepted %d bytes, wrote %d: %v", len(b), again.Len(), err)
		}
	})
}
