package rules

import (
	"math"
	"math/big"
	"strings"
	"testing"

	"evenkeel/core/money"
	"evenkeel/core/trade"
)

// everySecurity calls f for each venue, board and condition, those that do not exist included.
func everySecurity(f func(trade.Venue, trade.Board, trade.Condition)) {
	for venue := trade.Venue(0); venue <= trade.BSE+1; venue++ {
		for board := trade.Board(0); board <= trade.ETF+1; board++ {
			for condition := trade.Condition(0); condition <= trade.Suspended+1; condition++ {
				f(venue, board, condition)
			}
		}
	}
}

// TestUnknownRefuses: what no row covers has no terms, and never terms without limits.
func TestUnknownRefuses(t *testing.T) {
	r := Standard()
	days := []trade.Day{
		math.MinInt32, -1, 0, 1, 19911231, FirstDay, 20260230, 20260706, LastDay, 22000101, math.MaxInt32,
	}
	known := 0
	everySecurity(func(venue trade.Venue, board trade.Board, condition trade.Condition) {
		for _, day := range days {
			terms, ok := r.Terms(venue, board, condition, day)
			if ok != (r.Missing(venue, board, condition, day) == "") {
				t.Errorf("%d %d %d %d: Terms says %t, Missing %q", venue, board, condition, day, ok,
					r.Missing(venue, board, condition, day))
			}
			if !ok {
				if terms != (Terms{}) {
					t.Errorf("%d %d %d %d: refused, with terms", venue, board, condition, day)
				}
				continue
			}
			known++
			if !has(venue, board) || !ValidDay(day) || condition < trade.Normal || condition > trade.NewListing {
				t.Errorf("%d %d %d %d has terms", venue, board, condition, day)
			}
			if !terms.HasLimit && (condition != trade.NewListing || terms.Halt.First == 0) {
				t.Errorf("%d %d %d %d has no limit", venue, board, condition, day)
			}
			if terms.Tick <= 0 || terms.BuyIncrement <= 0 || terms.MaxLimit <= 0 || !terms.Types.Has(trade.Limit) ||
				terms.Tariff.CommissionMost <= 0 || terms.Closing == 0 || terms.TieBreak == 0 {
				t.Errorf("%d %d %d %d has empty terms: %+v", venue, board, condition, day, terms)
			}
		}
	})
	// Six venue-board pairs: four with all conditions, SSE and SZSE funds with two; BSE has four. On two days.
	if want := 2 * (5*4 + 2*2); known != want {
		t.Errorf("%d securities and days are known, want %d", known, want)
	}
	for day := range 5 {
		if p := r.PhaseAt(0, trade.Day(day), Hour); p != trade.UnknownPhase {
			t.Errorf("an unknown venue has phase %d", p)
		}
	}
	for _, at := range []TimeOfDay{-1, FullDay, math.MaxInt64, math.MinInt64} {
		if p := r.PhaseAt(trade.SSE, 20260706, at); p != trade.UnknownPhase {
			t.Errorf("time %d has phase %d", at, p)
		}
	}
	for _, phase := range []trade.Phase{0, trade.Halted + 1, 200, 255} {
		if o, c := r.Takes(trade.SSE, 20260706, phase); o != Refused || c != Refused {
			t.Errorf("phase %d takes %d, %d", phase, o, c)
		}
	}
	zero := Terms{}
	if _, _, ok := zero.Limits(100_000); ok {
		t.Error("zero terms have limits")
	}
	if reason, _ := zero.ValidQuantity(trade.Buy, trade.Limit, 100, 100); reason == trade.Accepted {
		t.Error("zero terms accept a quantity")
	}
	if zero.OnTick(100) || zero.Accepts(trade.Limit, trade.Continuous) {
		t.Error("zero terms accept an order")
	}
}

// futureRows are changes to the embedded text that begin on 2027-03-01, one for each table that Terms reads.
var futureRows = []struct{ old, closed, added string }{
	{"SSE,SZSE Main 1992-01-01 open 0.01 seen", "SSE,SZSE Main 1992-01-01 2027-02-28 0.01 seen",
		"SSE,SZSE Main 2027-03-01 open 0.02 seen new"},
	{"SSE,SZSE Main normal 1996-12-16 open 10%", "SSE,SZSE Main normal 1996-12-16 2027-02-28 10%",
		"SSE,SZSE Main normal 2027-03-01 open 20% half-up 1 seen new"},
	{"SSE,SZSE Main 1992-01-01 open 100 100", "SSE,SZSE Main 1992-01-01 2027-02-28 100 100",
		"SSE,SZSE Main 2027-03-01 open 200 1 200 1 once 500000 50000 seen new"},
	{"SSE,SZSE Main 2023-04-10 open 2% 10", "SSE,SZSE Main 2023-04-10 2027-02-28 2% 10",
		"SSE,SZSE Main 2027-03-01 open none 0 half-up seen new"},
	{"SSE,SZSE Main 1995-01-01 open 1 no", "SSE,SZSE Main 1995-01-01 2027-02-28 1 no",
		"SSE,SZSE Main 2027-03-01 open 0 yes seen new"},
	{"stamp sell 2023-08-28 open 0.05% seen Ministry of Finance, halved on 2023-08-28\nSSE",
		"stamp sell 2023-08-28 2027-02-28 0.05% seen old\nSSE",
		"SSE,SZSE Main,ChiNext,STAR stamp sell 2027-03-01 open 0% seen new"},
	{"all all 2002-05-01 open 0.3% 5.00", "all all 2002-05-01 2027-02-28 0.3% 5.00",
		"all all 2027-03-01 open 0.1% 0.00 seen new"},
	{"SSE 2018-08-20 open last-minute-average", "SSE 2018-08-20 2027-02-28 last-minute-average",
		"SSE 2027-03-01 open last-trade seen new"},
	{"SSE 2006-07-01 open unfilled-then-middle", "SSE 2006-07-01 2027-02-28 unfilled-then-middle",
		"SSE 2027-03-01 open imbalance-then-last-trade seen new"},
	{"SSE Main best-five-cancel,best-five-limit 2006-07-01 open",
		"SSE Main best-five-cancel,best-five-limit 2006-07-01 2027-02-28",
		"SSE Main best-five-limit 2027-03-01 open continuous no no seen new"},
}

// TestFutureRow: a row with a future date changes nothing before that day, and something from it on.
func TestFutureRow(t *testing.T) {
	const change = trade.Day(20270301)
	before := Standard()
	text := spaced(Embedded())
	for _, f := range futureRows {
		if strings.Count(text, f.old) != 1 {
			t.Fatalf("%q stands %d times in the text", f.old, strings.Count(text, f.old))
		}
		edited := strings.Replace(text, f.old, f.closed, 1)
		at := strings.Index(edited, f.closed)
		at += strings.IndexByte(edited[at:], '\n') + 1
		edited = edited[:at] + f.added + "\n" + edited[at:]
		after, err := Parse(edited)
		if err != nil {
			t.Fatal(err)
		}
		everySecurity(func(venue trade.Venue, board trade.Board, condition trade.Condition) {
			for n := 1; n < 300; n += 1 + n/4 { // each of the last days, and ever fewer before them
				day := AddDays(change, -n)
				old, okOld := before.Terms(venue, board, condition, day)
				now, okNow := after.Terms(venue, board, condition, day)
				if old != now || okOld != okNow {
					t.Fatalf("%q changes %d %d %d on %d", f.added, venue, board, condition, day)
				}
			}
		})
		for _, day := range []trade.Day{change, 20280101} {
			old, _ := before.Terms(trade.SSE, trade.Main, trade.Normal, day)
			now, ok := after.Terms(trade.SSE, trade.Main, trade.Normal, day)
			if !ok || old == now {
				t.Errorf("%q changes nothing on %d (%s)", f.added, day, after.Missing(trade.SSE, trade.Main, trade.Normal, day))
			}
		}
	}
}

// TestNewSessions: sessions change on their day, and the calendar of another year is read.
func TestNewSessions(t *testing.T) {
	text := strings.Replace(spaced(Embedded()), "SSE,SZSE 2018-08-20 open 11:30 13:00 lunch seen trading rules\n",
		"SSE,SZSE 2018-08-20 2027-02-28 11:30 13:00 lunch seen trading rules\n"+
			"SSE,SZSE 2027-03-01 open 11:30 13:00 continuous seen new\n", 1)
	r, err := Parse(text + "known 2027-01-01 2027-12-31 seen new\nclosed 2027-03-02 2027-03-02 seen new\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		day  trade.Day
		want trade.Phase
	}{{20270226, trade.Lunch}, {20270301, trade.Continuous}, {20270302, trade.Closed}, {20270303, trade.Continuous}} {
		if got := r.PhaseAt(trade.SSE, c.day, 12*Hour); got != c.want {
			t.Errorf("noon of %d is phase %d, want %d", c.day, got, c.want)
		}
	}
	if next, known := r.NextTradingDay(20270301); next != 20270303 || !known {
		t.Errorf("after 2027-03-01 comes %d, %t", next, known)
	}
	if at, ok := r.Begins(trade.SSE, 20270301, trade.Continuous); !ok || at != 9*Hour+30*Minute {
		t.Errorf("continuous trading begins at %d, %t", at, ok)
	}
	if _, ok := r.Begins(trade.BSE, 20270301, trade.FixedPriceTrading); ok {
		t.Error("BSE has fixed-price trading")
	}
}

// TestTradingDays counts the trading days of the known years; the exchanges publish these numbers in their yearbooks.
func TestTradingDays(t *testing.T) {
	r := Standard()
	for _, c := range []struct{ year, want int }{{2023, 242}, {2024, 242}, {2025, 243}} {
		got := 0
		for day := trade.Day(c.year*10000 + 101); day <= trade.Day(c.year*10000+1231); day = AddDays(day, 1) {
			open, known := r.IsTradingDay(day)
			if !known {
				t.Fatalf("%d is not known", day)
			}
			if open {
				got++
			}
		}
		if got != c.want {
			t.Errorf("%d has %d trading days, want %d", c.year, got, c.want)
		}
	}
	for day := trade.Day(20221201); day < 20280101; day = AddDays(day, 1) {
		next, _ := r.NextTradingDay(day)
		back, _ := r.PreviousTradingDay(next)
		if open, _ := r.IsTradingDay(day); open && back != day {
			t.Fatalf("%d, next %d, and back %d", day, next, back)
		}
		if next <= day {
			t.Fatalf("after %d comes %d", day, next)
		}
	}
	if open, known := r.IsTradingDay(20260230); open || known {
		t.Error("2026-02-30 is a day")
	}
	if next, known := r.NextTradingDay(LastDay); next != 0 || known {
		t.Errorf("after the last day comes %d", next)
	}
	if previous, known := r.PreviousTradingDay(FirstDay); previous != 0 || known {
		t.Errorf("before the first day comes %d", previous)
	}
	if next, known := r.NextTradingDay(7); next != 0 || known {
		t.Errorf("after no day comes %d", next)
	}
}

func TestNoAllocations(t *testing.T) {
	r := Standard()
	var sink int64
	for name, f := range map[string]func(){
		"terms": func() {
			terms, _ := r.Terms(trade.SSE, trade.STAR, trade.Normal, 20260706)
			sink += int64(terms.Tick)
		},
		"sessions": func() {
			sink += int64(r.PhaseAt(trade.SZSE, 20260706, 10*Hour))
			_, next, _ := r.Next(trade.SZSE, 20260706, 10*Hour)
			orders, _ := r.Takes(trade.SZSE, 20260706, trade.Lunch)
			sink += int64(next) + int64(orders)
		},
		"calendar": func() {
			next, _ := r.NextTradingDay(20260930)
			sink += int64(next)
		},
		"order": func() {
			terms, _ := r.Terms(trade.SSE, trade.Main, trade.Normal, 20260706)
			down, up, _ := terms.Limits(114_000)
			bound, _ := terms.Cage(trade.Buy, Reference(trade.Buy, 114_000, 0, 0, 0))
			_, nearest := terms.ValidQuantity(trade.Sell, trade.Limit, 151, 251)
			fees, _ := terms.Fees(trade.Sell, 123_456_700, 25_000)
			_, above, _ := terms.Ticks(114_001)
			sink += int64(down+up+bound+above) + int64(nearest) + int64(fees.Total)
		},
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkTerms(b *testing.B) {
	r := Standard()
	b.ReportAllocs()
	for b.Loop() {
		r.Terms(trade.SSE, trade.Main, trade.Normal, 20260706)
	}
}

func BenchmarkOrder(b *testing.B) {
	terms, _ := Standard().Terms(trade.SSE, trade.Main, trade.Normal, 20260706)
	b.ReportAllocs()
	for b.Loop() {
		terms.Cage(trade.Buy, Reference(trade.Buy, 114_000, 0, 0, 0))
		terms.ValidQuantity(trade.Buy, trade.Limit, 1500, 0)
		terms.OnTick(114_000)
	}
}

func BenchmarkFees(b *testing.B) {
	terms, _ := Standard().Terms(trade.SSE, trade.Main, trade.Normal, 20260706)
	b.ReportAllocs()
	for b.Loop() {
		terms.Fees(trade.Sell, 123_456_700, 25_000)
	}
}

func BenchmarkParse(b *testing.B) {
	for b.Loop() {
		Parse(embedded)
	}
}

// TestAll: a row for all venues and boards invents no board that a venue does not have.
func TestAll(t *testing.T) {
	var b strings.Builder
	rows := map[string][]string{
		"lots":  {"all all 1992-01-01 open 100 100 100 100 once 1000 1000"},
		"ticks": {"all all 1992-01-01 open 0.01"}, "types": {"all all all 1992-01-01 open all no no"},
		"limits":     {"all all all 1992-01-01 open 10% half-up 1"},
		"cages":      {"all all 1992-01-01 open none 0 half-up"},
		"settlement": {"all all 1992-01-01 open 1 no"},
		"levies": {"all all stamp all 1992-01-01 open 0%", "all all transfer all 1992-01-01 open 0%",
			"all all handling all 1992-01-01 open 0%", "all all supervision all 1992-01-01 open 0%"},
		"commissions": {"all all 1992-01-01 open 0.3% 5.00"}, "closings": {"all 1992-01-01 open last-trade"},
		"auctions": {"all 1992-01-01 open imbalance-then-last-trade"},
	}
	for i := range schemas {
		b.WriteString("table " + schemas[i].name + "\n" + strings.Join(schemas[i].header(), " ") + "\n")
		for _, row := range rows[schemas[i].name] {
			b.WriteString(row + " seen here\n")
		}
	}
	r, err := Parse(b.String())
	if err != nil {
		t.Fatal(err)
	}
	everySecurity(func(venue trade.Venue, board trade.Board, condition trade.Condition) {
		_, ok := r.Terms(venue, board, condition, 20260706)
		if want := has(venue, board) && condition >= trade.Normal && condition <= trade.NewListing; ok != want {
			t.Errorf("%d %d %d has terms: %t", venue, board, condition, ok)
		}
	})
	if _, err := Parse(strings.Replace(b.String(), "0.01 seen here\n",
		"0.01 seen here\nSSE Main 2030-01-01 open 0.02 seen again\n", 1)); err == nil {
		t.Error("an overlap with a row for all is accepted")
	}
}

// TestMissing: a rule that begins in the future leaves its table without a row, and the security is refused.
func TestMissing(t *testing.T) {
	for _, c := range []struct {
		old, table string
		condition  trade.Condition
	}{
		{"SSE STAR 2019-07-22 open 200", "lots", trade.Normal},
		{"SSE STAR 2019-07-22 open 0.01", "ticks", trade.Normal},
		{"all all limit 1992-01-01", "types", trade.Normal},
		{"SSE STAR normal,ST,*ST 2019-07-22", "limits", trade.Normal},
		{"SSE STAR new 2019-07-22 open none", "limits", trade.NewListing},
		{"SSE STAR 2019-07-22 open 2%", "cages", trade.Normal},
		{"SSE STAR 2019-07-22 open 30% 60%", "halts", trade.NewListing},
		{"SSE STAR 2019-07-22 open 30% 60%", "", trade.Normal}, // with a limit nothing halts
		{"SSE STAR 2019-07-22 open 1 no", "settlement", trade.Normal},
		{"SSE,SZSE Main,ChiNext,STAR stamp buy 2008-09-19", "levies", trade.Normal},
		{"SSE,SZSE Main,ChiNext,STAR supervision all 2012-09-01", "levies", trade.Normal},
		{"all all 2002-05-01 open 0.3%", "commissions", trade.Normal},
		{"SSE 2018-08-20 open last-minute-average", "closings", trade.Normal},
		{"SSE 2006-07-01 open unfilled", "auctions", trade.Normal},
	} {
		text, from := spaced(Embedded()), strings.IndexAny(c.old, "12")
		if strings.Count(text, c.old) != 1 {
			t.Fatalf("%q stands %d times in the text", c.old, strings.Count(text, c.old))
		}
		later := c.old[:from] + "2030-01-01" + c.old[from+len("2030-01-01"):]
		r, err := Parse(strings.Replace(text, c.old, later, 1))
		if err != nil {
			t.Fatal(err)
		}
		if missing := r.Missing(trade.SSE, trade.STAR, c.condition, 20260706); missing != c.table {
			t.Errorf("%q: table %q is missing, want %q", later, missing, c.table)
		}
		if _, ok := r.Terms(trade.SSE, trade.STAR, c.condition, 20260706); ok != (c.table == "") {
			t.Errorf("%q: terms are known: %t", later, ok)
		}
	}
}

// TestHaltThreshold: a move that is a fraction of a unit short has not reached the threshold.
func TestHaltThreshold(t *testing.T) {
	h := Halt{First: 33_333_333, Second: 2 * 33_333_333, Length: 10 * Minute, End: 15 * Hour}
	if _, halts := h.Trips(10_000, 13_333, 0); halts {
		t.Error("33.33% is taken for 33.333333%")
	}
	if marks, halts := h.Trips(10_000, 13_334, 0); !halts || marks != HaltedUpFirst {
		t.Errorf("33.34%% leaves marks %d, %t", marks, halts)
	}
}

// TestParseLimits: a text, a table, a line and a day of sessions have largest sizes.
func TestParseLimits(t *testing.T) {
	text := spaced(Embedded())
	for name, long := range map[string]string{
		"text": text + strings.Repeat("#\n", MaxText/2),
		"line": text + "# " + strings.Repeat("x", maxLine) + "\n",
		"rows": text + strings.Repeat("known 2030-01-01 2030-01-01 seen x\n", 1) + manyDays(MaxRows),
		"sessions": strings.Replace(text, "SSE,SZSE 2018-08-20 open 11:30 13:00 lunch seen trading rules\n",
			manyMinutes(), 1),
	} {
		if _, err := Parse(long); err == nil {
			t.Errorf("%s: no limit", name)
		} else if name == "sessions" && !strings.Contains(err.Error(), "at most 48") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func manyDays(n int) string {
	var b strings.Builder
	for i := range n {
		day := dayText(int64(AddDays(20400101, 3*i)))
		b.WriteString("closed " + day + " " + day + " seen x\n")
	}
	return b.String()
}

// manyMinutes cuts the lunch break into 90 sessions.
func manyMinutes() string {
	var b strings.Builder
	for at := 11*Hour + 30*Minute; at < 13*Hour; at += Minute {
		b.WriteString("SSE,SZSE 2018-08-20 open " + timeText(int64(at)) + " " + timeText(int64(at+Minute)) +
			" lunch seen x\n")
	}
	return b.String()
}

// rounded is the oracle of the roundings: p x r to a multiple of unit, in unlimited integers.
func rounded(p, r, unit int64, how money.Rounding) *big.Int {
	n := new(big.Int).Mul(big.NewInt(p), big.NewInt(r))
	d := new(big.Int).Mul(big.NewInt(int64(money.Whole)), big.NewInt(unit))
	if how == money.HalfUp {
		n.Add(n.Lsh(n, 1), d)
		d.Lsh(d, 1)
	}
	return n.Div(n, d).Mul(n, big.NewInt(unit))
}
