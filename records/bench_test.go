package records

import (
	"runtime"
	"syscall"
	"testing"
	"time"

	"evenkeel/core/trade"
)

// idleBytes is how much memory a quiet account may take.
const idleBytes = 150

func TestIdleAccountsAreSmall(t *testing.T) {
	if testing.Short() {
		t.Skip("a million accounts")
	}
	const accounts = 1_000_000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	d := NewDay()
	e := trade.Event{Kind: trade.AccountOpened}
	for n := range accounts {
		e.Account = trade.AccountID(n + 1)
		d.Fold([]trade.Event{e})
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := (after.HeapAlloc - before.HeapAlloc) / accounts
	t.Logf("%d bytes an idle account", each)
	if each > idleBytes {
		t.Errorf("%d bytes an idle account, at most %d", each, idleBytes)
	}
	// What an account had long ago is given back.
	deposit := trade.Event{Kind: trade.CashMoved, Number: 1, Day: days[0]}
	for n := range accounts / 10 {
		deposit.Account = trade.AccountID(n + 1)
		d.Fold([]trade.Event{deposit})
	}
	for n, day := range days[:3] {
		d.Fold([]trade.Event{{Kind: trade.DayStarted, Day: day}})
		for i := range shardCount + 1 {
			d.Commit(uint64(n*1000 + i))
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if again := (after.HeapAlloc - before.HeapAlloc) / accounts; again > each+1 {
		t.Errorf("%d bytes an account after its events were forgotten, %d before", again, each)
	}
	runtime.KeepAlive(d)
}

// processorTime is what the process has used of processors: unlike the clock it does not count what neighbours used.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkFold folds the life of orders of 100,000 accounts: placed, accepted, filled.
func BenchmarkFold(b *testing.B) {
	const accounts = 100_000
	for _, fed := range []bool{false, true} {
		name := map[bool]string{false: "memory", true: "memory and tail"}[fed]
		b.Run(name, func(b *testing.B) {
			d := NewDay()
			if fed {
				d.Feed(NewTail())
			}
			numbers := make([]uint64, accounts)
			e := make([]trade.Event, 1)
			client := []byte("904837e3-3b76-47ec-b432-046db621571b")
			b.ReportAllocs()
			began := processorTime()
			for n := range b.N {
				at := n / 3 * 7919 % accounts
				numbers[at]++
				e[0].Kind = []trade.EventKind{trade.OrderPlaced, trade.OrderAccepted, trade.OrderTraded}[n%3]
				e[0].Account, e[0].Number, e[0].Day = trade.AccountID(at+1), numbers[at], days[0]
				e[0].Order = trade.Order{ID: trade.OrderID(n/3 + 1), Account: e[0].Account, Day: days[0], Status: trade.Working,
					ClientID: client}
				d.Fold(e)
				if n%64 == 63 {
					d.Commit(uint64(n))
				}
			}
			b.ReportMetric(float64((processorTime()-began).Nanoseconds())/float64(b.N), "cpu-ns/op")
		})
	}
}

// BenchmarkHistory writes events to SQLite, a log entry of 64 at a time.
func BenchmarkHistory(b *testing.B) {
	h := newHouse(50, 1000)
	h.run(days[:1], 20_000)
	o := HistoryOptions{Dir: b.TempDir()}
	d, err := OpenHistory(o)
	if err != nil {
		b.Fatal(err)
	}
	f := d.followers[0]
	db, err := f.open(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	var entries []Entry
	for _, l := range h.entries {
		entries = append(entries, l.encoded())
	}
	written := 0
	for b.Loop() {
		const empty = "DELETE FROM events; DELETE FROM orders; DELETE FROM progress"
		if _, err := db.ExecContext(b.Context(), empty); err != nil {
			b.Fatal(err)
		}
		f.index.Store(0)
		for at := 0; at < len(entries); at += 2000 {
			part := entries[at:min(at+2000, len(entries))]
			if err := f.write(b.Context(), db, part, part[len(part)-1].Index); err != nil {
				b.Fatal(err)
			}
		}
		written += len(entries)
	}
	b.ReportMetric(float64(written)/b.Elapsed().Seconds(), "events/s")
	if err := d.Close(); err != nil {
		b.Fatal(err)
	}
}
