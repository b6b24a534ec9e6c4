package exchange

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"evenkeel/core/money"
	"evenkeel/core/trade"
)

// recorded reads a file of the recorded day, or skips the test when there is none: EVENKEEL_SHARED, else ../shared
// beside the module.
func recorded[T any](t *testing.T, name string, read func(io.Reader) ([]T, error)) []T {
	t.Helper()
	folder := os.Getenv("EVENKEEL_SHARED")
	if folder == "" {
		folder = filepath.Join("..", "..", "shared")
	}
	file, err := os.Open(filepath.Join(folder, "data", name))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("no recorded day in %s: set EVENKEEL_SHARED to the folder that holds data/", folder)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	all, err := read(file)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestRealDayOverTCP plays a recorded day to the gateway and wants the exchange's own trades, one for one.
func TestRealDayOverTCP(t *testing.T) {
	day := &RecordedDay{Rows: recorded(t, "600519_20230207_inbound.csv.gz", ReadRecording), Code: "600519",
		Venue: trade.SSE, Day: 20230207, Close: 1795_0000}
	want := recorded(t, "600519_20230207_fills.csv.gz", ReadFills)
	got, err := Replay(t.Context(), day, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Fatalf("fill %d: recorded %+v, here %+v", i+1, want[i], got[i])
		}
	}
	if len(got) != len(want) || len(want) != 18_685 || got[0].Price != 1808_0800 {
		t.Fatalf("%d fills, %d were recorded, the first at %v", len(got), len(want), got[0].Price)
	}
}

const smallRecording = recordingHeader + `
1,9150000,A,11,B,10000,200
2,9150110,A,12,S,9990,100
3,9160000,X,11,B,0,0
4,9250000,U,0,,0,0
5,9300001,A,13,B,10010,300
6,9300002,M,14,S,10010,100
7,14570000,A,15,S,10010,100
8,15000000,U,0,,0,0
`

func TestSmallRecording(t *testing.T) {
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write([]byte(smallRecording))
	_ = z.Close()
	for _, r := range []io.Reader{strings.NewReader(smallRecording), &zipped} {
		rows, err := ReadRecording(r)
		if err != nil || len(rows) != 8 {
			t.Fatal(len(rows), err)
		}
		day := &RecordedDay{Rows: rows, Code: "600000", Venue: trade.SSE, Day: 20230207, Close: 10_0000}
		got, err := Replay(t.Context(), day, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		want := []Fill{{13, 12, 9_9900, 100}, {13, 14, 10_0100, 100}, {13, 15, 10_0100, 100}}
		if !slices.Equal(got, want) {
			t.Errorf("fills %+v, want %+v", got, want)
		}
	}
}

func TestPlayFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "day.csv")
	if err := os.WriteFile(name, []byte(smallRecording), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, Config{Dir: t.TempDir()})
	var out strings.Builder
	if err := s.PlayFile(t.Context(), name, "600000", 0, &out); err != nil {
		t.Fatal(err)
	}
	if err := s.RollDay(t.Context(), 20260724); err != nil { // behind everything that was played
		t.Fatal(err)
	}
	if q := quote(t, s, "600000"); q.Listing.PreviousClose != 10_0100 {
		t.Errorf("the day closed at %v", q.Listing.PreviousClose)
	}
	if err := s.PlayFile(t.Context(), name, "999999", 0, &out); err == nil || !strings.Contains(err.Error(), "999999") {
		t.Error("a security that is not listed:", err)
	}
	if err := s.PlayFile(t.Context(), name+"x", "600000", 0, &out); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a file that is not there:", err)
	}
}

func TestRecordingErrors(t *testing.T) {
	for row, want := range map[string]string{
		"1,9150000,A,11,B,10000":                   "line 2: 6 columns, 7 are needed",
		"1,9156000,A,11,B,10000,200":               `time "9156000"`,
		"1,99999999,A,11,B,10000,200":              `time "99999999"`,
		"1,9150000,Q,11,B,10000,200":               `type "Q": A, M, X or U`,
		"1,9150000,A,11,X,10000,200":               `side "X": one of B, S`,
		"1,9150000,A,11,B,-1,200":                  `price_milli "-1"`,
		"1,9150000,A,11,B,1,x":                     `qty "x"`,
		"1,9150000,A,9999999999,B,1,1":             `order "9999999999": 0 to 999999999`,
		"1,9150001,A,1,B,1,1\n2,9150000,A,1,B,1,1": "line 3: time 9150000 is before the row in front of it",
	} {
		if _, err := ReadRecording(strings.NewReader(recordingHeader + "\n" + row)); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", row, err, want)
		}
	}
	if _, err := ReadRecording(strings.NewReader("order,price\n")); err == nil ||
		!strings.Contains(err.Error(), recordingHeader) {
		t.Error("another header:", err)
	}
	if _, err := ReadRecording(strings.NewReader("\x1f\x8b broken")); err == nil {
		t.Error("broken gzip is taken")
	}
	if _, err := ReadFills(strings.NewReader(fillsHeader + "\n1,2,N,3,4,5,six")); err == nil ||
		!strings.Contains(err.Error(), `line 2: qty "six"`) {
		t.Error("a broken fill:", err)
	}
}

func FuzzReadRecording(f *testing.F) {
	f.Add([]byte(smallRecording))
	f.Add([]byte(recordingHeader + "\n1,0,U,,,,\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		rows, err := ReadRecording(bytes.NewReader(b))
		if err != nil {
			return
		}
		for i := range rows {
			r := &rows[i]
			if r.At < 0 || i > 0 && r.At < rows[i-1].At || r.Price < 0 || r.Quantity < 0 || r.Order > mostNumber ||
				!strings.ContainsRune("AMXU", rune(r.Kind)) || r.Price%(money.Scale/1000) != 0 {
				t.Fatalf("row %d is taken: %+v", i+1, *r)
			}
		}
	})
}

func FuzzReadList(f *testing.F) {
	f.Add([]byte(shippedList))
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := ReadList(bytes.NewReader(b))
		if err == nil && len(list) > MaxListed {
			t.Fatal(len(list))
		}
		for i := range list {
			if err == nil && (list[i].PreviousClose <= 0 || list[i].Weight < 1 || list[i].ListedDay < 1) {
				t.Fatalf("line %d is taken: %+v", i+1, list[i])
			}
		}
	})
}

func TestShippedList(t *testing.T) {
	list, err := ShippedList()
	if err != nil || len(list) < 50 {
		t.Fatal(len(list), err)
	}
	boards, conditions := map[trade.Board]int{}, map[trade.Condition]int{}
	for i := range list {
		boards[list[i].Board]++
		conditions[list[i].Condition]++
	}
	if len(boards) != 5 || len(conditions) < 4 {
		t.Errorf("boards %v, conditions %v", boards, conditions)
	}
}
