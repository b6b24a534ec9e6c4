package node

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"evenkeel/auth"
	"evenkeel/books"
	"evenkeel/core/rules"
	"evenkeel/core/trade"
	"evenkeel/records"
	"evenkeel/replica"
	"evenkeel/venue"
)

// million is how many accounts the house is measured with.
const million = 1_000_000

// BenchmarkMillionAccounts opens a million accounts with a password and money through the log, takes a snapshot, and
// starts again from it with all views: memory per account and the time of a cold start.
func BenchmarkMillionAccounts(b *testing.B) {
	for b.Loop() {
		measureAccounts(b, million)
	}
}

// TestManyAccounts is the same road with fewer accounts: all are there after a cold start, and the books add up.
func TestManyAccounts(t *testing.T) { measureAccounts(t, 5_000) }

// allViews are the views of a node, without a node.
func allViews() *views {
	return &views{listing: records.NewListing(), directory: auth.NewDirectory(), outbox: venue.NewOutbox(),
		tail: records.NewTail(), documents: records.NewDocuments()}
}

func openBooksIn(t testing.TB, dir string) (*replica.Group[trade.Answer], *books.Books, *views) {
	t.Helper()
	g, err := replica.Open(replica.Options[trade.Answer]{Dir: dir, Group: groupOf(0), Node: firstNode,
		New: func() replica.Machine[trade.Answer] { return books.New(0) }})
	if err != nil {
		t.Fatal(err)
	}
	v := allViews()
	var live *books.Books
	if err := g.Inspect(context.Background(), func(m replica.Machine[trade.Answer], index uint64) {
		live = books.Of(m)
		attach(live, v, index)
	}); err != nil {
		t.Fatal(err)
	}
	return g, live, v
}

func measureAccounts(t testing.TB, count int) {
	dir := t.TempDir()
	before := heap()
	g, _, _ := openBooksIn(t, dir)
	began := time.Now()
	propose := proposer(t, g)
	propose(&trade.Command{Kind: trade.AdoptRulesKind, AdoptRules: trade.AdoptRules{Text: []byte(rules.Embedded())}})
	propose(&trade.Command{Kind: trade.StartDayKind, StartDay: trade.StartDay{Day: 20261123}})
	hash := auth.Hash{Parameters: auth.DefaultParameters, Salt: make([]byte, 16), Key: make([]byte, 32)}.String()
	for i := range count {
		propose(&trade.Command{Kind: trade.OpenAccountKind, OpenAccount: trade.OpenAccount{Login: fmt.Appendf(nil,
			"investor%07d", i),
			PasswordHash: []byte(hash), Permissions: trade.MayEverything, Commission: demoCommission}})
		propose(&trade.Command{Kind: trade.MoveCashKind, MoveCash: trade.MoveCash{Account: trade.AccountID(i + 1),
			Amount: demoCash, Reference: []byte("first")}})
	}
	propose(nil)
	filled := time.Since(began)
	if err := g.Snapshot(t.Context()); err != nil {
		t.Fatal(err)
	}
	bytes := float64(heap()-before) / float64(count)
	status := g.Status()
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	began = time.Now()
	g, live, v := openBooksIn(t, dir)
	cold := time.Since(began)
	defer func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	}()
	if n := v.directory.Accounts(); n != count {
		t.Fatalf("%d accounts after a cold start, %d were opened", n, count)
	}
	if b, ok := live.Day().Balance(trade.AccountID(count)); !ok || b.Available != demoCash {
		t.Fatalf("the last account has %v, %v were paid in", b.Available, demoCash)
	}
	if err := g.Inspect(t.Context(), func(replica.Machine[trade.Answer], uint64) {
		if err := live.State().Check(); err != nil {
			t.Error(err)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if b, ok := t.(*testing.B); ok {
		b.ReportMetric(bytes, "B/account")
		b.ReportMetric(float64(status.SnapshotBytes)/float64(count), "snapshot-B/account")
		b.ReportMetric(cold.Seconds(), "cold-start-s")
		b.ReportMetric(float64(2*count)/filled.Seconds(), "commands/s")
		b.ReportMetric(0, "ns/op")
	}
}

// proposer submits commands without waiting for each; a nil command waits for all.
func proposer(t testing.TB, g *replica.Group[trade.Answer]) func(*trade.Command) {
	const window = 8192
	flight := make(chan struct{}, window)
	var encoded []byte
	return func(c *trade.Command) {
		if c == nil {
			for range window {
				flight <- struct{}{}
			}
			return
		}
		var err error
		if encoded, err = trade.AppendCommand(encoded[:0], c); err != nil {
			t.Fatal(err)
		}
		flight <- struct{}{}
		if err := g.Submit(encoded, func(a trade.Answer, err error) {
			if err != nil || a.Reason != trade.Accepted {
				t.Errorf("a command was refused: %d, %v", a.Reason, err)
			}
			<-flight
		}); err != nil {
			t.Fatal(err)
		}
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
