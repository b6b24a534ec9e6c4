package venue

import (
	"math/rand/v2"
	"slices"
	"testing"

	"evenkeel/core/must"
	"evenkeel/core/trade"
)

func requestsOf(items []Item) (list []trade.OrderID) {
	for _, i := range items {
		list = append(list, i.Request)
	}
	return list
}

// TestOutboxAgainstList compares the outbox with a plain list under random additions and confirmations.
func TestOutboxAgainstList(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	b := NewOutbox()
	var plain []trade.OrderID
	var next trade.OrderID
	var out trade.Output
	for range 20_000 {
		out.Reset()
		for range random.IntN(4) {
			next++
			out.Outgoing = append(out.Outgoing, trade.Outgoing{Request: next})
			plain = append(plain, next)
		}
		for range random.IntN(4) {
			if len(plain) > 1 { // the first one waits for ever, so that confirmed ones pile up behind it
				i := 1 + random.IntN(len(plain)-1)
				out.Confirmed = append(out.Confirmed, plain[i])
				plain = slices.Delete(plain, i, i+1)
			}
		}
		out.Confirmed = append(out.Confirmed, 1<<40) // one that never was here
		b.Fold(&out)
		if b.Len() != len(plain) {
			t.Fatalf("%d wait, want %d", b.Len(), len(plain))
		}
		if random.IntN(50) > 0 {
			continue
		}
		if got := requestsOf(b.After(0, nil, len(plain)+1)); !slices.Equal(got, plain) {
			t.Fatalf("waiting %v\nwant %v", got, plain)
		}
		if len(plain) > 0 {
			i := random.IntN(len(plain))
			item, ok := b.Item(plain[i])
			if !ok || item.Request != plain[i] {
				t.Fatalf("item %d: %v %v", plain[i], item, ok)
			}
			rest := plain[i+1:]
			most := random.IntN(5)
			if got := requestsOf(b.After(item.Position, nil, most)); !slices.Equal(got, rest[:min(most, len(rest))]) {
				t.Fatalf("after %d: %v, want the first %d of %v", plain[i], got, most, rest)
			}
		}
	}
	if len(b.items) > 2*len(plain)+2048 {
		t.Errorf("%d items are kept for %d that wait", len(b.items), len(plain))
	}
}

func TestOutboxLearns(t *testing.T) {
	b := NewOutbox()
	if day, ended := b.Day(); day != 0 || !ended || b.Lacking(3) != 1 {
		t.Errorf("empty: day %d ended %v, lacking %d", day, ended, b.Lacking(3))
	}
	out := trade.Output{Events: []trade.Event{
		{Kind: trade.SecurityListed, Security: trade.Security{ID: 5, Symbol: []byte("688981.SH"), Venue: trade.SSE}},
		{Kind: trade.ReportTaken, Report: trade.ReportPlace{Partition: 3, Index: 7}},
		{Kind: trade.DayStarted, Day: 20260707},
	}, Outgoing: []trade.Outgoing{{Request: 1, Security: 5}, {Request: 2, Security: 6}, {Request: 3, Security: 1 << 31}}}
	b.Fold(&out)
	select {
	case <-b.Changed():
	default:
		t.Error("nobody was woken")
	}
	items := b.After(0, nil, 10)
	if string(items[0].Code[:]) != "688981  " || items[0].Venue != trade.SSE || items[1].Venue+items[2].Venue != 0 {
		t.Errorf("items %+v", items)
	}
	if day, ended := b.Day(); day != 20260707 || ended || b.Lacking(3) != 8 || b.Lacking(2) != 1 {
		t.Errorf("day %d ended %v, lacking %d and %d", day, ended, b.Lacking(3), b.Lacking(2))
	}
	b.Learn(&trade.Event{Kind: trade.DayEnded, Day: 20260707})
	if _, ended := b.Day(); !ended {
		t.Error("the day has not ended")
	}
	b.Reset()
	if day, _ := b.Day(); day != 0 || b.Len() != 0 || b.Lacking(3) != 1 || len(b.After(0, nil, 10)) != 0 {
		t.Error("something is left after Reset")
	}
}

func TestOutboxTakesARequestOnce(t *testing.T) {
	defer func() {
		if _, broken := recover().(must.Broken); !broken {
			t.Error("a request entered twice")
		}
	}()
	b := NewOutbox()
	b.Add(trade.Outgoing{Request: 1})
	b.Add(trade.Outgoing{Request: 1})
}
