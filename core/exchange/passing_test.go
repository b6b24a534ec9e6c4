package exchange

import (
	"bytes"
	"fmt"
	"testing"

	"evenkeel/core/rules"
	"evenkeel/core/trade"
)

// TestForgottenUnit plays two days twice: once with units whose orders are forgotten when they are done. Everybody
// else is told the same, the market is the same, and nothing of the forgotten ones stays.
func TestForgottenUnit(t *testing.T) {
	const day = 20260708
	forgotten := map[PBU]bool{unit("U1"): true, unit("U2"): true}
	kept, other := New(3), New(3)
	var out, outOther Output
	c := newCrowd(7, kept, day, false)
	apply := func(at trade.Time, command Command) {
		out.Reset()
		outOther.Reset()
		a, b := kept.Apply(at, command, &out), other.Apply(at, command, &outOther)
		if cancel, ok := command.(*Cancel); !ok || !forgotten[cancel.PBU] {
			if a != b {
				t.Fatalf("%+v: %v, with units that are forgotten %v", command, a, b)
			}
		}
		if got, want := publicOf(&outOther, forgotten), publicOf(&out, forgotten); got != want {
			t.Fatalf("%+v: said\n%s, with units that are forgotten\n%s", command, want, got)
		}
	}
	apply(0, &AdoptRules{Text: []byte(rules.Embedded())})
	for _, u := range []string{"U1", "U2"} {
		if a := other.Apply(0, &ForgetUnit{unit(u)}, &outOther); a.Reason != trade.Accepted {
			t.Fatal(a)
		}
	}
	at := rules.Join(day, 0)
	apply(at, &RollDay{day})
	for _, l := range c.listings {
		apply(at, l)
	}
	for range 2 {
		for _, phase := range []trade.Phase{trade.OpeningCall, trade.OpeningGap, trade.Continuous, trade.ClosingCall} {
			for v := trade.SSE; v <= trade.BSE; v++ {
				apply(at, &SetPhase{v, phase})
			}
			for i := range 1500 {
				at += trade.Time(c.random.IntN(1_000_000_000))
				if c.random.IntN(100) < 60 {
					apply(at, c.order())
				} else {
					apply(at, c.cancel())
				}
				if i%300 == 0 {
					other = restored(t, other)
				}
			}
		}
		c.day = rules.AddDays(c.day, 1)
		c.recent = c.recent[:0]
		apply(at, &RollDay{c.day})
		restored(t, other)
		if n := len(other.passing.orders) + len(other.passing.ids); n != 0 {
			t.Errorf("%d forgotten orders are remembered overnight", n)
		}
	}
	if a := other.Apply(at, &ForgetUnit{unit("U0")}, &outOther); a.Reason != trade.DuplicateOrder {
		t.Errorf("a unit whose reports are kept is forgotten: %v", a)
	}
	if first, next := other.Kept(unit("U1"), 1); first != next || next < 100 || other.FirstToday(unit("U1"), 1) != next {
		t.Errorf("reports %d to %d of a forgotten unit are kept", first, next)
	}
	if whole, less := len(kept.AppendSnapshot(nil)), len(other.AppendSnapshot(nil)); less > whole*2/3 {
		t.Errorf("a snapshot of %d bytes, %d without the orders that are forgotten", whole, less)
	}
}

// restored is the machine that the snapshot makes.
func restored(t *testing.T, m *Machine) *Machine {
	t.Helper()
	snapshot := m.AppendSnapshot(nil)
	again, err := Restore(snapshot)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(again.AppendSnapshot(nil), snapshot) {
		t.Fatal("restored, the snapshot differs")
	}
	return again
}

// publicOf is what the market and the units that are not forgotten were told, the numbers of orders apart.
func publicOf(out *Output, forgotten map[PBU]bool) string {
	var b []byte
	for i := range out.Trades {
		d := out.Trades[i]
		d.Buy, d.Sell, d.Number = 0, 0, 0
		b = fmt.Appendf(b, "%+v\n", d)
	}
	for i := range out.Reports {
		if r := out.Reports[i]; !forgotten[r.PBU] {
			r.Order, r.Execution = 0, 0
			b = fmt.Appendf(b, "%+v\n", r)
		}
	}
	return string(fmt.Appendf(b, "%+v %v", out.Phases, out.Changed))
}

// TestForgottenClOrdID: it may be used again when its order is done, and not before.
func TestForgottenClOrdID(t *testing.T) {
	f := newFloor(t, 1, 0)
	f.setUp(20260708, boards()[0])
	f.apply(0, &ForgetUnit{unit("P")})
	f.apply(0, &SetPhase{trade.SSE, trade.Continuous})
	order := &NewOrder{PBU: unit("P"), ClOrdID: clOrd("1"), Account: account("A"), Security: code("600001"),
		Side: trade.Buy, Type: trade.Limit, Day: 20260708, Price: 10_0000, Quantity: 100}
	var out Output
	apply := func(c Command, want trade.Reason) {
		t.Helper()
		if a := f.m.Apply(0, c, &out); a.Reason != want {
			t.Fatalf("%+v: reason %d, want %d", c, a.Reason, want)
		}
	}
	apply(order, trade.Accepted)
	apply(order, trade.DuplicateOrder)
	var open int
	f.m.OpenOrders(1, unit("P"), func(id ClOrdID) bool { open++; return id == clOrd("1") })
	if open != 1 {
		t.Errorf("%d open orders", open)
	}
	cancel := &Cancel{PBU: unit("P"), ClOrdID: clOrd("2"), OrigClOrdID: clOrd("1"), Security: code("600001"),
		Day: 20260708}
	apply(cancel, trade.Accepted)
	cancel.ClOrdID = clOrd("3")
	apply(cancel, trade.UnknownOrder)
	apply(order, trade.Accepted)
}
