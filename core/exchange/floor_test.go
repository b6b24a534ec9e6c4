package exchange

import (
	"bytes"
	"fmt"
	"reflect"
	"testing"

	"evenkeel/core/book"
	"evenkeel/core/money"
	"evenkeel/core/rules"
	"evenkeel/core/trade"
)

// floor is an exchange with somebody who writes everything down and compares: a twin that hears the same commands in
// their encoding, and a plain record of what brokers were told.
type floor struct {
	t          testing.TB
	m, twin    *Machine
	out, other Output
	decoder    Decoder
	told       map[place][]Report // by unit and partition: reports of yesterday and today
	index      map[place]uint64   // of the last report ever
	dayStart   map[place]int      // where today's begin
	orders     map[requestKey]*toldOrder
	byNumber   map[OrderNumber]*toldOrder
	volume     map[SecurityNumber]money.Quantity
	every      int // commands between two restores of the twin; 0: never
	commands   int
}

type place struct {
	pbu       PBU
	partition uint32
}

// toldOrder is an order as its broker knows it from reports alone.
type toldOrder struct {
	last                      Report
	quantity, traded, dropped money.Quantity
}

func newFloor(t testing.TB, partitions uint32, every int) *floor {
	f := &floor{
		t: t, m: New(partitions), twin: New(partitions), every: every,
		told: map[place][]Report{}, index: map[place]uint64{}, dayStart: map[place]int{},
	}
	f.newDay()
	return f
}

func (f *floor) newDay() {
	f.orders, f.byNumber = map[requestKey]*toldOrder{}, map[OrderNumber]*toldOrder{}
	f.volume = map[SecurityNumber]money.Quantity{}
	for p, reports := range f.told {
		f.told[p] = append([]Report(nil), reports[f.dayStart[p]:]...)
		f.dayStart[p] = len(f.told[p])
	}
}

func (f *floor) setUp(day trade.Day, listings ...*ListSecurity) {
	f.apply(0, &AdoptRules{Text: []byte(rules.Embedded())})
	f.apply(0, &RollDay{Day: day})
	for _, l := range listings {
		if a := f.apply(0, l); a.Reason != trade.Accepted {
			f.t.Fatal("list", l.Code, a)
		}
	}
}

// apply carries out a command on both machines and checks everything that can be checked.
func (f *floor) apply(at trade.Time, c Command) Answer {
	f.t.Helper()
	f.commands++
	f.out.Reset()
	answer := f.m.Apply(at, c, &f.out)
	for i := range f.out.Reports { // before the new day forgets the old one's orders
		f.hear(&f.out.Reports[i])
	}
	for i := range f.out.Trades {
		f.volume[f.out.Trades[i].Security] += f.out.Trades[i].Quantity
	}
	if _, ok := c.(*RollDay); ok && answer.Reason == trade.Accepted {
		f.newDay()
	}
	encoded := AppendCommand(nil, c)
	decoded, err := f.decoder.Command(encoded)
	if err != nil {
		f.t.Fatalf("%T: %v", c, err)
	}
	if again := AppendCommand(nil, decoded); !bytes.Equal(again, encoded) {
		f.t.Fatalf("%T: encoded again, it differs", c)
	}
	f.other.Reset()
	if twin := f.twin.Apply(at, decoded, &f.other); twin != answer || !reflect.DeepEqual(f.out, f.other) {
		f.t.Fatalf("command %d: %T: the twin says %v %+v\nthis one %v %+v", f.commands, c, twin, f.other, answer, f.out)
	}
	if f.every > 0 {
		f.checkBooks()
	}
	if f.every > 0 && f.commands%f.every == 0 {
		f.restore()
	}
	return answer
}

// hear is the broker's side: indexes without gaps, quantities that add up.
func (f *floor) hear(r *Report) {
	f.t.Helper()
	p := place{r.PBU, r.Partition}
	f.index[p]++
	if r.Index != f.index[p] {
		f.t.Fatalf("a gap in front of report %+v", *r)
	}
	f.told[p] = append(f.told[p], *r)
	id := r.ClOrdID
	if r.OrigClOrdID != (ClOrdID{}) {
		id = r.OrigClOrdID
	}
	key := keyOf(&r.PBU, &id)
	o := f.orders[key]
	if r.Type == trade.CancelRejectedReport && r.Order == 0 {
		return
	}
	if o == nil {
		o = &toldOrder{quantity: r.Quantity}
		f.orders[key], f.byNumber[r.Order] = o, o
		if r.Type != trade.OrderAcceptedReport && r.Type != trade.OrderRejectedReport {
			f.t.Fatalf("an order begins with %+v", *r)
		}
	} else if r.Type == trade.OrderAcceptedReport || r.Type == trade.OrderRejectedReport {
		f.t.Fatalf("an order is answered twice: %+v", *r)
	}
	leaves := o.quantity - o.traded - o.dropped
	switch r.Type {
	case trade.TradeReport:
		if r.LastQuantity <= 0 || r.LastPrice <= 0 {
			f.t.Fatalf("a trade of nothing: %+v", *r)
		}
		o.traded += r.LastQuantity
	case trade.OrderRejectedReport:
		o.dropped = o.quantity
	case trade.OrderCancelledReport:
		if leaves <= 0 {
			f.t.Fatalf("an order that is done is cancelled: %+v", *r)
		}
		o.dropped = leaves
	}
	if r.Filled != o.traded || r.Leaves != o.quantity-o.traded-o.dropped || r.Leaves < 0 {
		f.t.Fatalf("leaves %d, filled %d, but told before that %+v: %+v", r.Leaves, r.Filled, *o, *r)
	}
	want := trade.Working
	switch {
	case r.Type == trade.OrderRejectedReport:
		want = trade.Rejected
	case r.Type == trade.OrderCancelledReport && r.Reason == trade.ExpiredAtClose:
		want = trade.Expired
	case r.Type == trade.OrderCancelledReport:
		want = trade.Cancelled
	case r.Type == trade.CancelRejectedReport && r.Leaves == 0:
		want = o.last.Status
	case r.Leaves == 0:
		want = trade.Filled
	case r.Filled > 0:
		want = trade.PartlyFilled
	}
	if r.Status != want {
		f.t.Fatalf("status %d, want %d: %+v", r.Status, want, *r)
	}
	o.last = *r
}

// checkBooks compares the books with what brokers were told.
func (f *floor) checkBooks() {
	f.t.Helper()
	type key struct {
		s    SecurityNumber
		side trade.Side
	}
	open, traded := map[key]money.Quantity{}, map[key]money.Quantity{}
	orders := map[key]int{}
	for _, o := range f.byNumber {
		n, _ := f.m.Find(o.last.Security)
		k := key{n, o.last.Side}
		traded[k] += o.traded
		if left := o.quantity - o.traded - o.dropped; left > 0 {
			open[k] += left
			orders[k]++
		}
	}
	for _, s := range f.m.securities {
		q := f.m.Quote(s.number)
		for side := trade.Buy; side <= trade.Sell && s.book != nil; side++ {
			quantity, count, _ := s.book.Total(side)
			if k := (key{s.number, side}); quantity != open[k] || count != orders[k] || traded[k] != q.Statistics.Volume {
				f.t.Fatalf("%s: side %d of the book has %d in %d orders, brokers know of %d in %d; traded %d of %d",
					s.Code, side, quantity, count, open[k], orders[k], traded[k], q.Statistics.Volume)
			}
		}
		if f.volume[s.number] != q.Statistics.Volume {
			f.t.Fatalf("%s: volume %d, published trades %d", s.Code, q.Statistics.Volume, f.volume[s.number])
		}
		if s.book == nil {
			continue
		}
		bid, _, bids := s.book.Best(trade.Buy)
		ask, _, asks := s.book.Best(trade.Sell)
		entry := f.m.venues[s.Venue].phase == trade.FixedPriceEntry || s.phase == trade.Halted && s.closed
		if bids && asks && bid >= ask && s.call == 0 && !entry {
			f.t.Fatalf("%s: crossed in phase %d: bid %v, ask %v", s.Code, s.phase, bid, ask)
		}
		if (s.call != 0 || q.OpenOrders == 0) && f.m.Depth(s.number, trade.Buy, make([]book.Level, 5)) != 0 {
			f.t.Fatalf("%s: depth is shown in phase %d", s.Code, s.phase)
		}
	}
}

// restore replaces the twin by what the machine's snapshot makes, and checks that all reports are still to be had.
func (f *floor) restore() {
	f.t.Helper()
	snapshot := f.m.AppendSnapshot(nil)
	if twin := f.twin.AppendSnapshot(nil); !bytes.Equal(snapshot, twin) {
		f.t.Fatalf("command %d: the twin's snapshot differs", f.commands)
	}
	restored, err := Restore(snapshot)
	if err != nil {
		f.t.Fatalf("command %d: %v", f.commands, err)
	}
	if again := restored.AppendSnapshot(nil); !bytes.Equal(snapshot, again) {
		f.t.Fatalf("command %d: restored, the snapshot differs", f.commands)
	}
	f.twin = restored
	for p, reports := range f.told {
		first, next := restored.Kept(p.pbu, p.partition)
		if len(reports) > 0 && (first != reports[0].Index || next != reports[len(reports)-1].Index+1) {
			f.t.Fatalf("%v keeps %d to %d, was told %d to %d", p, first, next, reports[0].Index, reports[len(reports)-1].Index)
		}
		for _, from := range []uint64{0, first, first + uint64(len(reports))/3, next - min(next, 1), next} {
			i := int(max(from, first) - first)
			restored.Reports(p.pbu, p.partition, from, func(r *Report) bool {
				if i >= len(reports) || *r != reports[i] {
					f.t.Fatalf("%v from %d: kept %+v", p, from, *r)
				}
				i++
				return true
			})
			if i != len(reports) {
				f.t.Fatalf("%v from %d: %d reports instead of %d", p, from, i, len(reports))
			}
		}
	}
}

func pad(into []byte, s string) {
	for i := range into {
		into[i] = ' '
	}
	if copy(into, s) != len(s) {
		panic(fmt.Sprintf("%q is too long", s))
	}
}

func unit(s string) (p PBU)        { pad(p[:], s); return p }
func clOrd(s string) (c ClOrdID)   { pad(c[:], s); return c }
func account(s string) (a Account) { pad(a[:], s); return a }
func code(s string) (c Code)       { pad(c[:], s); return c }
func trim[T ~[]byte](b T) string   { return string(bytes.TrimRight(b, " \x00")) }
