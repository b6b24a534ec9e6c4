package api

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"evenkeel/core/money"
	"evenkeel/core/rules"
	"evenkeel/core/trade"
	"evenkeel/records"
	"evenkeel/szse"
)

// tradeAt tells the market a trade of a time of a day.
func (h *house) tradeAt(symbol string, day trade.Day, hour, minute int, p money.Price, q money.Quantity) {
	h.t.Helper()
	line, _ := h.listing.Symbol(symbol)
	h.sequence++
	at := rules.Join(day, 0) + trade.Time(hour*60+minute)*trade.Time(time.Minute)
	h.market.Trade(&szse.TradeTick{Sequence: h.sequence, Day: day, Security: marketName(symbol, line.Venue), Time: at,
		Price: p, Quantity: q, Aggressor: trade.Buy, Phase: trade.Continuous})
}

func TestMinutesOfADay(t *testing.T) {
	h := openHouse(t)
	const symbol = "600000.SH"
	for _, at := range []struct {
		hour, minute int
		price        money.Price
	}{{9, 25, 100_000}, {9, 30, 101_000}, {11, 29, 102_000}, {13, 0, 103_000}, {14, 56, 104_000}, {15, 0, 105_000}} {
		h.tradeAt(symbol, houseDay, at.hour, at.minute, at.price, 100)
	}
	r := h.ask("GET", "/api/v1/minutes/600000", "")
	var v struct {
		Grid     int
		Previous string `json:"previous_close"`
		Spans    []struct{ Minutes int }
		Minutes  []struct {
			Index          *int
			Time           string
			Price, Average string
			Volume         int64
		}
	}
	if err := json.Unmarshal([]byte(r.raw), &v); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range v.Minutes {
		got = append(got, fmt.Sprintf("%d %s %s %d", *m.Index, m.Price, m.Average, m.Volume))
	}
	want := []string{"0 10.10 10.05 200", "119 10.20 10.10 100", "120 10.30 10.15 100", "236 10.40 10.20 100",
		"239 10.50 10.25 100"}
	if v.Grid != 240 || len(v.Spans) != 2 || v.Previous != "10.00" || !slices.Equal(got, want) {
		t.Errorf("%q, want %q: %s", got, want, r.raw)
	}
	candles := func(query string) (starts []string) {
		t.Helper()
		r := h.ask("GET", "/api/v1/candles/600000?"+query, "")
		var v struct {
			Candles []struct{ Time, Open, High, Low, Close string }
			Before  *string
		}
		if err := json.Unmarshal([]byte(r.raw), &v); err != nil || r.status != 200 {
			t.Fatalf("%v: %s", err, r.raw)
		}
		for _, c := range v.Candles {
			starts = append(starts, c.Time[11:16]+" "+c.Open+" "+c.High+" "+c.Low+" "+c.Close)
		}
		if v.Before != nil {
			starts = append(starts, *v.Before)
		}
		return starts
	}
	hours := []string{"01:30 10.00 10.10 10.00 10.10", "02:30 10.20 10.20 10.20 10.20", "05:00 10.30 10.30 10.30 10.30",
		"06:00 10.40 10.50 10.40 10.50"} // in UTC: 9:30, 10:30, 13:00 and 14:00 in Shanghai
	if got := candles("interval=60m"); !slices.Equal(got, hours) {
		t.Errorf("hours %q", got)
	}
	page := candles("interval=60m&limit=2")
	if !slices.Equal(page, []string{hours[2], hours[3], "2026-07-08T05:00:00Z"}) {
		t.Errorf("a page %q", page)
	}
	if got := candles("interval=60m&limit=2&before=" + page[2]); !slices.Equal(got, hours[:2]) {
		t.Errorf("the page before %q", got)
	}
	if got := candles("interval=day"); len(got) != 1 || got[0] != "16:00 10.00 10.50 10.00 10.50" {
		t.Errorf("days %q", got)
	}
	// An exchange that never closes has no grid.
	h.tradeAt("000001.SZ", houseDay, 20, 15, 114_000, 100)
	h.tradeAt("000001.SZ", houseDay, 20, 16, 114_100, 100)
	r = h.ask("GET", "/api/v1/minutes/000001", "")
	if err := json.Unmarshal([]byte(r.raw), &v); err != nil || v.Grid != 0 || len(v.Minutes) != 2 ||
		v.Minutes[0].Index != nil {
		t.Errorf("%v: %s", err, r.raw)
	}
}

func TestTicksOfADay(t *testing.T) {
	h := openHouse(t)
	for i := range 25 {
		h.tick([]string{"600000.SH", "000001.SZ"}[i%2], 100_000, money.Quantity(100+i))
	}
	seen, before := []uint64{}, ""
	for {
		r := h.ask("GET", "/api/v1/ticks/600000?limit=5"+before, "")
		var v struct {
			Ticks  []screenTick
			Before *uint64
		}
		if err := json.Unmarshal([]byte(r.raw), &v); err != nil || r.status != 200 {
			t.Fatalf("%v: %s", err, r.raw)
		}
		for _, tick := range v.Ticks {
			seen = append(seen, tick.Number)
		}
		if v.Before == nil {
			break
		}
		before = fmt.Sprintf("&before=%d", *v.Before)
	}
	if len(seen) != 13 || seen[0] != 25 || seen[12] != 1 {
		t.Errorf("%v", seen)
	}
}

// listingOf is a listing of securities, each with a code, a name and the exchange's initials.
func listingOf(rows ...[3]string) *records.Listing {
	l := records.NewListing()
	for i, row := range rows {
		l.Describe(&trade.Event{Kind: trade.SecurityListed, Security: trade.Security{ID: trade.SecurityID(i + 1),
			Symbol: []byte(row[0]), Name: []byte(row[1]), Pinyin: []byte(row[2])}})
	}
	return l
}

func TestFinder(t *testing.T) {
	l := listingOf([3]string{"600000.SH", "浦发银行", "pfyh"}, [3]string{"000001.SZ", "平安银行", "payh"},
		[3]string{"601963.SH", "重庆银行", "cqyh"}, [3]string{"000625.SZ", "长安汽车", "caqc"},
		[3]string{"600006.SH", "东风汽车", "dfqc"}, [3]string{"000100.SZ", "TCL科技", "tclkj"},
		[3]string{"600600.SH", "青岛啤酒", "qdpj"}, [3]string{"300001.SZ", "特锐德", "trd"},
		[3]string{"600001.SH", "*ST平安", "stpa"})
	var f finder
	for _, c := range []struct {
		text string
		want []string
	}{
		{"600000", []string{"600000.SH"}}, {"000001.sz", []string{"000001.SZ"}},
		{"60000", []string{"600000.SH", "600001.SH", "600006.SH"}}, // the shorter name first
		{"浦发", []string{"600000.SH"}}, {"平安", []string{"000001.SZ", "600001.SH"}},
		{"payh", []string{"000001.SZ"}}, {"PA", []string{"000001.SZ", "600001.SH"}},
		{"cqyh", []string{"601963.SH"}}, {"zqyh", []string{"601963.SH"}}, // 重 is chong and zhong
		{"zaqc", []string{"000625.SZ"}}, // 长 is chang and zhang
		{"pingan", []string{"000001.SZ"}}, {"tcl", []string{"000100.SZ"}}, {"kj", []string{"000100.SZ"}},
		{"汽车", []string{"600006.SH", "000625.SZ"}}, {"", nil}, {"zzzz", nil}, {"\xff", nil},
	} {
		var got []string
		for _, line := range f.find(l, c.text, 5) {
			got = append(got, string(line.Symbol))
		}
		slices.Sort(got)
		want := slices.Sorted(slices.Values(c.want))
		if !slices.Equal(got, want) {
			t.Errorf("%q finds %q, want %q", c.text, got, want)
		}
	}
	if got := f.find(l, "pa", 5); string(got[0].Symbol) != "000001.SZ" {
		t.Errorf("what begins so comes first: %s", got[0].Symbol)
	}
	l.Describe(&trade.Event{Kind: trade.SecurityListed, Security: trade.Security{ID: 1, Symbol: []byte("600000.SH"),
		Name: []byte("首次浦发"), Pinyin: []byte("scpf")}})
	if got := f.find(l, "scpf", 5); len(got) != 1 {
		t.Errorf("a new name is not found: %d", len(got))
	}
}

func BenchmarkFinder(b *testing.B) {
	names := []string{"浦发银行", "平安银行", "重庆啤酒", "长安汽车", "东风汽车", "特锐德", "华兴源创", "青岛海尔", "中国中免"}
	var rows [][3]string
	for i := range 5000 {
		rows = append(rows, [3]string{fmt.Sprintf("%06d.SZ", i), names[i%len(names)], "abcd"})
	}
	l := listingOf(rows...)
	var f finder
	f.find(l, "x", 1)
	for _, text := range []string{"0012", "平安", "cqpj", "zz"} {
		b.Run(text, func(b *testing.B) {
			for b.Loop() {
				f.find(l, text, 20)
			}
		})
	}
}

func TestChartsAreAsDescribed(t *testing.T) {
	h := openHouse(t, wide)
	_, router := described(t)
	h.tradeAt("600000.SH", houseDay, 10, 0, 100_000, 100)
	for path, status := range map[string]int{
		"/api/v1/minutes/600000.SH": 200, "/api/v1/minutes/600000.SH?day=2020-01-02": 200,
		"/api/v1/minutes/688001.SH": 200, "/api/v1/minutes/999999.SH": 404, "/api/v1/minutes/600000.SH?day=x": 400,
		"/api/v1/candles/600000.SH": 200, "/api/v1/candles/600000.SH?interval=5m": 200,
		"/api/v1/candles/600000.SH?interval=week": 200, "/api/v1/candles/600000.SH?interval=2m": 400,
		"/api/v1/ticks/600000.SH": 200, "/api/v1/ticks/600000.SH?limit=0": 400, "/api/v1/search?q=pf": 200,
		"/api/v1/search": 200, "/api/v1/search?limit=1000": 400,
	} {
		r := h.ask("GET", path, "")
		if r.status != status {
			t.Errorf("%s: %d, want %d: %s", path, r.status, status, r.raw)
		}
		conforms(t, router, "GET", path, "", r)
	}
}
