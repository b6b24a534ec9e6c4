package exchange

import (
	"encoding/binary"
	"testing"

	"evenkeel/core/rules"
	"evenkeel/core/trade"
)

// load is an exchange in continuous trading with an order stream that keeps its book at one size: an order rests, a
// second one trades with it, a third rests and is cancelled.
type load struct {
	m      *Machine
	out    Output
	order  NewOrder
	cancel Cancel
	count  uint64
}

func newLoad(tb testing.TB) *load {
	l := &load{m: New(4)}
	const day = 20260708
	l.m.Apply(0, &AdoptRules{[]byte(rules.Embedded())}, &l.out)
	l.m.Apply(0, &RollDay{day}, &l.out)
	for _, c := range boards() {
		l.m.Apply(0, c, &l.out)
	}
	l.m.Apply(0, &SetPhase{trade.SSE, trade.Continuous}, &l.out)
	l.order = NewOrder{
		PBU: unit("PBU001"), Account: account("A"), Security: code("600001"), Type: trade.Limit, Day: day, Quantity: 100,
	}
	l.cancel = Cancel{PBU: unit("PBU001"), Security: code("600001"), Day: day}
	for range 400 { // room for what follows
		l.round(tb)
	}
	return l
}

func (l *load) id() (id ClOrdID) {
	l.count++
	binary.BigEndian.PutUint64(id[:8], l.count)
	return id
}

// round is four commands: an order that rests, one that trades with it, one that rests, its cancel.
func (l *load) round(tb testing.TB) {
	l.out.Reset()
	at := trade.Time(l.count * 1000)
	o := &l.order
	o.ClOrdID, o.Side, o.Price = l.id(), trade.Sell, 10_0200
	l.m.Apply(at, o, &l.out)
	o.ClOrdID, o.Side = l.id(), trade.Buy
	l.m.Apply(at, o, &l.out)
	o.ClOrdID, o.Price = l.id(), 9_9900
	l.m.Apply(at, o, &l.out)
	l.cancel.ClOrdID, l.cancel.OrigClOrdID = l.id(), o.ClOrdID
	l.m.Apply(at, &l.cancel, &l.out)
	if len(l.out.Reports) != 6 || len(l.out.Trades) != 1 {
		tb.Fatalf("a round says %+v", l.out)
	}
}

// TestSteadyStateAllocatesChunksOnly: what an order costs is room for the day's requests and reports, in chunks; no
// object of its own. 300 rounds are 900 orders, 300 cancels and 1,800 reports: a chunk of each kind now and then, and
// the set of ClOrdIDs when it grows.
func TestSteadyStateAllocatesChunksOnly(t *testing.T) {
	l := newLoad(t)
	per := testing.AllocsPerRun(3000, func() { l.round(t) })
	if per >= 1 {
		t.Errorf("%.2f allocations in a round of 4 commands and 6 reports", per)
	}
	// Requests that change nothing allocate nothing at all.
	l.cancel.ClOrdID = l.id()
	l.m.Apply(0, &l.cancel, &l.out)
	if per := testing.AllocsPerRun(1000, func() { l.out.Reset(); l.m.Apply(0, &l.cancel, &l.out) }); per != 0 {
		t.Errorf("%.2f allocations for a duplicate", per)
	}
	var d Decoder
	b := AppendCommand(nil, &l.order)
	if per := testing.AllocsPerRun(1000, func() {
		if _, err := d.Command(b); err != nil {
			t.Fatal(err)
		}
	}); per != 0 {
		t.Errorf("%.2f allocations to decode an order", per)
	}
	if per := testing.AllocsPerRun(1000, func() { b = AppendCommand(b[:0], &l.order) }); per != 0 {
		t.Errorf("%.2f allocations to encode an order", per)
	}
}

// BenchmarkRound is four commands and six reports.
func BenchmarkRound(b *testing.B) {
	l := newLoad(b)
	b.ReportAllocs()
	for b.Loop() {
		l.round(b)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/4, "ns/command")
}

// BenchmarkSnapshot is one of a day with 100,000 requests.
func BenchmarkSnapshot(b *testing.B) {
	l := newLoad(b)
	for range 25_000 {
		l.round(b)
	}
	snapshot := l.m.AppendSnapshot(nil)
	for b.Loop() {
		snapshot = l.m.AppendSnapshot(snapshot[:0])
	}
	b.ReportMetric(float64(len(snapshot))/float64(l.count), "bytes/request")
}
