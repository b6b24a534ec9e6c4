package book

import (
	"compress/gzip"
	"encoding/csv"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"evenkeel/core/money"
	"evenkeel/core/trade"
)

// shared returns the folder of test data that does not come with the project, or skips the test: EVENKEEL_SHARED, else
// ../shared beside the module.
func shared(t *testing.T) string {
	t.Helper()
	if at := os.Getenv("EVENKEEL_SHARED"); at != "" {
		return at
	}
	at, err := os.Getwd()
	for ; err == nil; at = filepath.Dir(at) {
		if _, missing := os.Stat(filepath.Join(at, "go.mod")); missing == nil {
			return filepath.Join(at, "..", "shared")
		}
		if at == filepath.Dir(at) {
			break
		}
	}
	t.Fatal("the module's root is not above the test", err)
	return ""
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
	if _, err := r.Read(); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(name, err)
	}
	all, err := r.ReadAll()
	if err != nil {
		t.Fatal(name, err)
	}
	return all
}

func number(t *testing.T, s string) int64 {
	t.Helper()
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestRealDay replays a recorded day of Shanghai: every trade of the exchange, in its order, from both books.
func TestRealDay(t *testing.T) {
	inbound := rows(t, "600519_20230207_inbound.csv.gz", 7)
	fills := rows(t, "600519_20230207_fills.csv.gz", 7)
	t.Run("fast", func(t *testing.T) { replayDay(t, New(Options{Tick: 100}), inbound, fills) })
	t.Run("plain", func(t *testing.T) { replayDay(t, NewPlain(Options{Tick: 100}), inbound, fills) })
}

func replayDay(t *testing.T, m market, inbound, fills [][]string) {
	const (
		closingCall = 14570000 // HHMMSS and hundredths
		perMilli    = money.Scale / 1000
		opening     = money.Price(18080800)
	)
	handles := map[uint64]Handle{}
	var trades []Fill
	call, uncrossed := true, 0
	for i, row := range inbound {
		id, price := uint64(0), money.Price(0)
		if row[2] == "U" {
			a, ok := m.Auction(Rule{Venue: trade.SSE})
			if !ok || uncrossed == 0 && a.Price != opening {
				t.Fatalf("row %d: auction %+v %v", i, a, ok)
			}
			if matched := m.Uncross(a.Price, &trades); matched != a.Matched {
				t.Fatalf("row %d: auction %+v matched %d", i, a, matched)
			}
			uncrossed++
			call = false
			continue
		}
		if !call && number(t, row[1]) >= closingCall {
			call = true
		}
		id, price = uint64(number(t, row[3])), money.Price(number(t, row[5])*perMilli)
		if row[2] == "X" {
			if _, ok := m.Cancel(handles[id], id); !ok {
				t.Fatalf("row %d: order %d does not rest", i, id)
			}
			continue
		}
		o := Order{ID: id, Side: trade.Buy, Type: trade.Limit, Price: price, Quantity: money.Quantity(number(t, row[6]))}
		if row[4] == "S" {
			o.Side = trade.Sell
		}
		var r Result
		if call {
			r = m.Rest(o)
		} else {
			r = m.Submit(o, &trades)
		}
		if r.Outcome.Refused() || row[2] == "A" && r.Filled != 0 {
			t.Fatalf("row %d: %+v, %+v", i, o, r)
		}
		handles[id] = r.Handle
	}
	if uncrossed != 2 || len(trades) != len(fills) {
		t.Fatalf("%d auctions, %d trades of %d", uncrossed, len(trades), len(fills))
	}
	for i, f := range trades {
		buy, sell := f.Taker, f.Maker
		if f.TakerSide == trade.Sell {
			buy, sell = sell, buy
		}
		phase := map[trade.Side]string{trade.Buy: "B", trade.Sell: "S"}[f.TakerSide]
		if f.TakerHandle != 0 {
			phase = "N"
		}
		got := [5]int64{int64(buy), int64(sell), int64(f.Price / perMilli), int64(f.Quantity)}
		for j, want := range fills[i][3:] {
			if got[j] != number(t, want) {
				t.Fatalf("trade %d: %v, the exchange's %v", i, got, fills[i])
			}
		}
		if phase != fills[i][2] {
			t.Fatalf("trade %d: in phase %s, the exchange's %v", i, phase, fills[i])
		}
	}
}
