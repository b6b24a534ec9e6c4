package exchange

import (
	"compress/gzip"
	"encoding/csv"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"evenkeel/core/money"
	"evenkeel/core/rules"
	"evenkeel/core/trade"
)

// shared returns the folder of test data that does not come with the project: EVENKEEL_SHARED, else ../shared beside
// the module.
func shared(t *testing.T) string {
	t.Helper()
	if at := os.Getenv("EVENKEEL_SHARED"); at != "" {
		return at
	}
	at, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(at, "go.mod")); err == nil {
			return filepath.Join(at, "..", "shared")
		}
		if at == filepath.Dir(at) {
			t.Fatal("the module's root is not above the test")
		}
		at = filepath.Dir(at)
	}
}

// rows reads a compressed CSV file without its header, or skips the test when there is none.
func rows(t *testing.T, name string, fields int) [][]string {
	t.Helper()
	name = filepath.Join(shared(t), "data", name)
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("no recorded day at %s: set EVENKEEL_SHARED to the folder that holds data/", name)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(name, err)
	}
	r := csv.NewReader(z)
	r.FieldsPerRecord = fields
	all, err := r.ReadAll()
	if err != nil || len(all) < 2 {
		t.Fatal(name, len(all), err)
	}
	return all[1:]
}

func whole(t *testing.T, s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestRealDay sends a recorded day through the machine and wants the exchange's own trades, one for one.
func TestRealDay(t *testing.T) {
	const day = 20230207
	inbound := rows(t, "600519_20230207_inbound.csv.gz", 7)
	fills := rows(t, "600519_20230207_fills.csv.gz", 7)
	f := newFloor(t, 4, 0)
	// The recorded limit prices all lie within 10 % of this close; the day is before the main board had a cage.
	f.setUp(day, &ListSecurity{
		Code: code("600519"), Venue: trade.SSE, Board: trade.Main, Condition: trade.Normal,
		PreviousClose: 1795_0000, ListedDay: 5000, Name: "贵州茅台",
	})
	schedule := []struct {
		from  int64 // HHMMSS and hundredths, as the rows have it
		phase trade.Phase
	}{
		{9150000, trade.OpeningCall}, {9200000, trade.OpeningCallLocked}, {9300000, trade.Continuous},
		{11300000, trade.Lunch}, {13000000, trade.Continuous}, {14570000, trade.ClosingCall},
	}
	moment := func(clock int64) trade.Time {
		s := clock/1_000_000*3600 + clock/10_000%100*60 + clock/100%100
		return rules.Join(day, rules.TimeOfDay(s*100+clock%100)*10_000_000)
	}
	numbers := map[OrderNumber]string{} // the recorded order's number
	requests, traded := 0, 0
	check := func() {
		for i := range f.out.Reports {
			if r := &f.out.Reports[i]; r.Type == trade.OrderRejectedReport || r.Type == trade.CancelRejectedReport {
				t.Fatalf("rejected with %d: %+v", r.Reason, *r)
			}
		}
		for i := range f.out.Trades {
			d := &f.out.Trades[i]
			if traded == len(fills) {
				t.Fatalf("a trade more than recorded: %+v", *d)
			}
			row := fills[traded]
			phase := map[trade.Side]string{0: "N", trade.Buy: "B", trade.Sell: "S"}[d.Aggressor]
			if numbers[d.Buy] != row[3] || numbers[d.Sell] != row[4] || int64(d.Price) != 10*whole(t, row[5]) ||
				int64(d.Quantity) != whole(t, row[6]) || phase != row[2] {
				t.Fatalf("trade %d: recorded %v, here %s from %s: %+v", traded, row, numbers[d.Buy], numbers[d.Sell], *d)
			}
			traded++
		}
	}
	do := func(at trade.Time, c Command) {
		requests++
		f.apply(at, c)
		check()
	}
	uncrossed := false
	for _, row := range inbound {
		clock := whole(t, row[1])
		for len(schedule) > 0 && clock >= schedule[0].from && (row[2] != "U" || uncrossed) {
			do(moment(schedule[0].from), &SetPhase{trade.SSE, schedule[0].phase})
			schedule = schedule[1:]
		}
		at, id := moment(clock), clOrd(row[3])
		switch row[2] {
		case "A", "M":
			side := map[string]trade.Side{"B": trade.Buy, "S": trade.Sell}[row[4]]
			numbers[OrderNumber(len(numbers)+1)] = row[3]
			do(at, &NewOrder{
				PBU: unit("DAY"), ClOrdID: id, Account: account("A"), Security: code("600519"), Side: side,
				Type: trade.Limit, Day: day, Price: money.Price(10 * whole(t, row[5])), Quantity: money.Quantity(whole(t, row[6])),
			})
		case "X":
			do(at, &Cancel{PBU: unit("DAY"), ClOrdID: clOrd("X" + row[3]), OrigClOrdID: id, Security: code("600519"), Day: day})
		case "U":
			if !uncrossed {
				do(at, &SetPhase{trade.SSE, trade.OpeningGap})
				if q := f.m.Quote(1); q.Statistics.Open != 1808_0800 || traded != 334 {
					t.Fatalf("the call opened at %v with %d trades, the exchange at 1808.08 with 334", q.Statistics.Open, traded)
				}
			} else {
				do(at, &SetPhase{trade.SSE, trade.Closed})
			}
			uncrossed = true
		}
	}
	q := f.m.Quote(1)
	if traded != len(fills) || len(fills) != 18_685 || q.Close != 1797_0000 {
		t.Fatalf("%d of %d recorded trades, close %v", traded, len(fills), q.Close)
	}
	f.restore()
	f.checkBooks()
	t.Logf("%d commands, %d trades in order, open %v, close %v", requests, traded, q.Statistics.Open, q.Close)
}
