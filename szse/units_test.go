package szse

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"evenkeel/core/money"
	"evenkeel/core/trade"
)

func TestQuantities(t *testing.T) {
	for _, q := range []money.Quantity{0, 1, 100, -5, math.MaxInt64 / 100, math.MinInt64 / 100} {
		w, err := FromShares(q)
		if err != nil || int64(w) != int64(q)*100 {
			t.Errorf("%d shares are %d, %v", q, w, err)
		}
		if got, err := w.Shares(); err != nil || got != q {
			t.Errorf("%d is %d shares, %v", w, got, err)
		}
	}
	for _, q := range []money.Quantity{math.MaxInt64/100 + 1, math.MinInt64/100 - 1, math.MaxInt64, math.MinInt64} {
		if _, err := FromShares(q); !errors.Is(err, ErrRange) {
			t.Errorf("%d shares: %v", q, err)
		}
	}
	for _, w := range []Qty{1, 99, 101, -1, math.MaxInt64} {
		if _, err := w.Shares(); !errors.Is(err, ErrFraction) {
			t.Errorf("quantity %d: %v", w, err)
		}
	}
}

func TestTimestamps(t *testing.T) {
	for _, c := range []struct {
		utc  string
		want Timestamp
	}{
		{"2026-07-07T01:30:00.123Z", 20260707093000123},
		{"2026-07-06T16:00:00Z", 20260707000000000},
		{"2026-07-06T15:59:59.999Z", 20260706235959999},
		{"1970-01-01T00:00:00Z", 19700101080000000},
		{"2024-02-29T04:00:00Z", 20240229120000000},
	} {
		at, err := time.Parse(time.RFC3339Nano, c.utc)
		if err != nil {
			t.Fatal(err)
		}
		got, err := FromTime(trade.Time(at.UnixNano()))
		if err != nil || got != c.want {
			t.Errorf("%s is %d, %v; want %d", c.utc, got, err, c.want)
		}
		back, err := c.want.Time()
		if err != nil || int64(back) != at.UnixNano() {
			t.Errorf("%d is %d, %v; want %d", c.want, back, err, at.UnixNano())
		}
	}
	for _, bad := range []Timestamp{0, -1, 1, 20260000000000000, 20261301000000000, 20260631000000000, 20250229120000000,
		20260707240000000, 20260707096000000, 20260707093060000, 19691231235959999, 22620101000000000,
		math.MaxInt64, math.MinInt64, 99999999999999999} {
		if _, err := bad.Time(); !errors.Is(err, ErrTimestamp) {
			t.Errorf("%d: %v", bad, err)
		}
	}
	for _, bad := range []trade.Time{math.MinInt64, -8*3600*1e9 - 1, math.MaxInt64} {
		if _, err := FromTime(bad); !errors.Is(err, ErrRange) {
			t.Errorf("%d ns: %v", bad, err)
		}
	}
	if got := Timestamp(20260707093000123).Day(); got != 20260707 {
		t.Errorf("day %d", got)
	}
	if got := Timestamp(20260707093000123).On(20270102); got != 20270102093000123 {
		t.Errorf("on another day %d", got)
	}
}

func TestTexts(t *testing.T) {
	var b [5]byte
	for _, c := range []struct {
		s    string
		ok   bool
		want string
	}{{"abc", true, "abc  "}, {"abcde", true, "abcde"}, {"", true, "     "}, {"abcdef", false, "     "},
		{"a\x00", false, "     "}, {"é", false, "     "}, {" a", false, "     "}, {"a b", true, "a b  "}} {
		if ok := SetText(b[:], c.s); ok != c.ok || string(b[:]) != c.want {
			t.Errorf("%q: %v %q", c.s, ok, b)
		}
	}
	if ClipText(b[:], "a\nlonger"); string(b[:]) != "a?lon" {
		t.Errorf("clipped to %q", b)
	}
	if ClipText(b[:], " a"); string(b[:]) != "?a   " {
		t.Errorf("clipped to %q", b)
	}
}

func TestClOrdIDs(t *testing.T) {
	for _, c := range []struct {
		shard, number uint64
		want          string
	}{{0, 0, "0000000000"}, {0, 1, "0000000001"}, {1, 36, "0100000010"}, {MaxShard, MaxOrderNumber, "ZZZZZZZZZZ"},
		{37, 35, "110000000Z"}} {
		id := trade.OrderID(c.shard<<trade.ShardShift | c.number)
		b, err := ClOrdID(id)
		if err != nil || string(b[:]) != c.want {
			t.Errorf("%d of %d is %q, %v; want %q", c.number, c.shard, b, err, c.want)
		}
		if back, err := OrderID(b); err != nil || back != id {
			t.Errorf("%q is %d, %v; want %d", b, back, err, id)
		}
	}
	for _, id := range []trade.OrderID{(MaxShard + 1) << trade.ShardShift, MaxOrderNumber + 1, math.MaxUint64} {
		if _, err := ClOrdID(id); !errors.Is(err, ErrRange) {
			t.Errorf("%d: %v", id, err)
		}
	}
	if b, err := AccountID(1<<trade.ShardShift | 36); err != nil || string(b[:]) != "0100000010  " {
		t.Errorf("account %q, %v", b, err)
	}
	if _, err := AccountID(math.MaxUint64); !errors.Is(err, ErrRange) {
		t.Error(err)
	}
	for _, s := range []string{"000000000 ", "abcdefghij", "          ", "00000-0000"} {
		if _, err := OrderID([10]byte([]byte(s))); !errors.Is(err, ErrValue) {
			t.Errorf("%q: %v", s, err)
		}
	}
}

// TestTerms is the table of market order variants of the exchange's interface.
func TestTerms(t *testing.T) {
	const quantity = 500_00
	for kind, want := range map[trade.OrderType]string{
		trade.Limit:             "010 2 0 0 0",
		trade.BestFiveCancel:    "010 1 3 5 0",
		trade.BestFiveLimit:     "010 1 0 5 0",
		trade.ImmediateOrCancel: "010 1 3 0 0",
		trade.OppositeBest:      "010 1 0 1 0",
		trade.OwnBest:           "010 U 0 0 0",
		trade.FillOrKill:        "010 1 3 0 50000",
		trade.FixedPrice:        "370 2 0 0 0",
	} {
		w, err := TermsOf(kind, quantity)
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Join([]string{string(w.ApplID[:]), string(w.OrdType), string(w.TimeInForce),
			decimal(int64(w.MaxPriceLevels)), decimal(int64(w.MinQty))}, " ")
		if got != want {
			t.Errorf("type %d is %s, want %s", kind, got, want)
		}
		var m NewOrder
		m.SetTerms(w)
		if back, err := m.Terms().OrderType(quantity); err != nil || back != kind {
			t.Errorf("%s is type %d, %v; want %d", got, back, err, kind)
		}
	}
	for _, kind := range []trade.OrderType{0, trade.FixedPrice + 1, 255} {
		if _, err := TermsOf(kind, quantity); !errors.Is(err, ErrValue) {
			t.Errorf("type %d: %v", kind, err)
		}
	}
	ioc, _ := TermsOf(trade.ImmediateOrCancel, quantity)
	limit, _ := TermsOf(trade.Limit, quantity)
	for what, change := range map[string]func() Terms{
		"MinQty of a part":    func() Terms { w := ioc; w.MinQty = 100; return w },
		"two levels":          func() Terms { w := ioc; w.MaxPriceLevels = 2; return w },
		"an unknown TIF":      func() Terms { w := ioc; w.TimeInForce = '9'; return w },
		"an unknown ApplID":   func() Terms { w := ioc; w.ApplID[0] = 'X'; return w },
		"a limit with MinQty": func() Terms { w := limit; w.MinQty = quantity; return w },
	} {
		if kind, err := change().OrderType(quantity); !errors.Is(err, ErrValue) {
			t.Errorf("%s: type %d, %v", what, kind, err)
		}
	}
}

func TestSidesAndVenues(t *testing.T) {
	for _, s := range []trade.Side{trade.Buy, trade.Sell} {
		b, err := SideByte(s)
		back, err2 := SideOf(b)
		if err != nil || err2 != nil || back != s {
			t.Errorf("side %d: %q, %v, %v", s, b, err, err2)
		}
	}
	_, err1 := SideByte(3)
	_, err2 := SideOf('3')
	_, err3 := SourceOf(4)
	_, err4 := VenueOf([4]byte{'1', '0', '9', ' '})
	for _, err := range []error{err1, err2, err3, err4} {
		if !errors.Is(err, ErrValue) {
			t.Error(err)
		}
	}
	for _, v := range []trade.Venue{trade.SSE, trade.SZSE, trade.BSE} {
		source, err := SourceOf(v)
		back, err2 := VenueOf(source)
		if err != nil || err2 != nil || back != v {
			t.Errorf("venue %d: %q, %v, %v", v, source, err, err2)
		}
	}
}

func TestPhases(t *testing.T) {
	const start = 20260707_093000_000
	for v := trade.SSE; v <= trade.BSE; v++ {
		for p := trade.BeforeOpen; p <= trade.Closed; p++ {
			var m TradingSessionStatus
			if err := m.SetPhase(v, p, start, 0); err != nil {
				t.Fatal(err)
			}
			f, _, err := ParseFrame(m.Append(nil))
			if err != nil {
				t.Fatal(err)
			}
			if err := m.Decode(f.Body); err != nil {
				t.Fatal(err)
			}
			if v2, p2, day, err := m.Phase(); v2 != v || p2 != p || day != 20260707 || err != nil {
				t.Errorf("venue %d phase %d came back as %d %d %d, %v", v, p, v2, p2, day, err)
			}
		}
	}
	var m TradingSessionStatus
	noVenue, noName := m.SetPhase(0, trade.Continuous, start, 0), m.SetPhase(trade.SSE, trade.Halted, start, 0)
	for _, err := range []error{noVenue, noName} {
		if !errors.Is(err, ErrValue) {
			t.Error(err)
		}
	}
	if _, _, _, err := m.Phase(); !errors.Is(err, ErrValue) {
		t.Error(err)
	}
	if err := m.SetPhase(trade.SSE, trade.Continuous, 7, 0); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := m.Phase(); !errors.Is(err, ErrTimestamp) {
		t.Error(err)
	}
}
