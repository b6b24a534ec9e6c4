package exchange

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"evenkeel/core/rules"
	"evenkeel/core/trade"
)

// everyCommand is one of each kind.
func everyCommand() []Command {
	return []Command{
		boards()[0],
		&NewOrder{
			PBU: unit("PBU001"), ClOrdID: clOrd("o1"), Account: account("A123456789"), Security: code("600001"),
			Side: trade.Buy, Type: trade.Limit, Day: 20260708, Price: 10_0500, Quantity: 300,
		},
		&Cancel{
			PBU: unit("PBU001"), ClOrdID: clOrd("c1"), OrigClOrdID: clOrd("o1"), Security: code("600001"), Day: 20260708,
		},
		&SetPhase{trade.BSE, trade.ClosingCall},
		&HaltSecurity{code("600001")},
		&ResumeSecurity{code("600001")},
		&Tick{},
		&RollDay{20260709},
		&AdoptRules{[]byte("table")},
		&ForgetUnit{unit("PLAYER")},
	}
}

func TestCommandsSurviveTheirEncoding(t *testing.T) {
	var d Decoder
	for _, c := range everyCommand() {
		b := AppendCommand(nil, c)
		got, err := d.Command(b)
		if err != nil || !reflect.DeepEqual(got, c) {
			t.Errorf("%T: %+v, %v", c, got, err)
		}
		for n := range b {
			if _, err := d.Command(b[:n]); err == nil {
				t.Errorf("%T: cut at %d of %d it is taken", c, n, len(b))
			}
		}
		if _, err := d.Command(append(b, 0)); !errors.Is(err, ErrTrailing) {
			t.Errorf("%T with a byte too many: %v", c, err)
		}
		b[0] = CommandVersion + 1
		if _, err := d.Command(b); !errors.Is(err, ErrVersion) || !strings.Contains(err.Error(), "version 2") {
			t.Errorf("%T of another version: %v", c, err)
		}
	}
	if _, err := d.Command([]byte{CommandVersion, 99}); !errors.Is(err, ErrKind) {
		t.Error("an unknown kind:", err)
	}
}

func FuzzDecodeCommand(f *testing.F) {
	for _, c := range everyCommand() {
		f.Add(AppendCommand(nil, c))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var d Decoder
		c, err := d.Command(b)
		if err != nil {
			return
		}
		if again := AppendCommand(nil, c); !bytes.Equal(again, b) {
			t.Fatalf("%x is taken as %+v and encoded as %x", b, c, again)
		}
		// What decodes can be applied, to an empty exchange and to one in trading.
		for _, m := range []*Machine{New(1), smallMarket()} {
			var out Output
			m.Apply(1, c, &out)
			if twin, err := Restore(m.AppendSnapshot(nil)); err != nil {
				t.Fatalf("after %+v: %v, %v", c, twin, err)
			}
		}
	})
}

// smallMarket has a trade, a resting order, a rejection and two partitions.
func smallMarket() *Machine {
	m := New(2)
	var out Output
	m.Apply(0, &AdoptRules{[]byte(rules.Embedded())}, &out)
	m.Apply(0, &RollDay{20260708}, &out)
	m.Apply(0, boards()[0], &out)
	m.Apply(0, boards()[8], &out)
	m.Apply(0, &SetPhase{trade.SSE, trade.Continuous}, &out)
	o := *everyCommand()[1].(*NewOrder)
	m.Apply(5, &o, &out)
	o.ClOrdID, o.Side, o.Quantity = clOrd("o2"), trade.Sell, 100
	m.Apply(6, &o, &out)
	o.ClOrdID, o.Price = clOrd("o3"), 0
	m.Apply(7, &o, &out)
	return m
}

func TestSnapshotOfAnotherVersion(t *testing.T) {
	b := smallMarket().AppendSnapshot(nil)
	b[0] = SnapshotVersion + 1
	if _, err := Restore(b); !errors.Is(err, ErrVersion) {
		t.Error("another version:", err)
	}
	b[0] = SnapshotVersion
	for n := range b {
		if n > 100 && n < len(b)-500 { // inside the text of the rules
			continue
		}
		if _, err := Restore(b[:n]); err == nil {
			t.Errorf("cut at %d of %d it is taken", n, len(b))
		}
	}
	if _, err := Restore(append(b, 0)); !errors.Is(err, ErrTrailing) {
		t.Error("a byte too many:", err)
	}
}

// withoutRules is a snapshot that restores quickly: the market of before with its rules cut out.
func withoutRules() []byte {
	m := smallMarket()
	m.rules, m.rulesText = nil, nil
	return m.AppendSnapshot(nil)
}

func FuzzRestore(f *testing.F) {
	f.Add(New(1).AppendSnapshot(nil))
	f.Add(withoutRules())
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Restore(b)
		if err != nil {
			return
		}
		if again := m.AppendSnapshot(nil); !bytes.Equal(again, b) {
			t.Fatalf("%x is taken and written as %x", b, again)
		}
		for _, p := range m.units {
			for partition := range m.partitions + 2 {
				m.Reports(p, partition, 0, func(*Report) bool { return true })
			}
		}
		for n := range m.Securities() + 2 {
			m.Quote(n)
			m.Auction(n)
		}
	})
}
