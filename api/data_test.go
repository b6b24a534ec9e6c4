package api

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"evenkeel/core/money"
	"evenkeel/core/trade"
	"evenkeel/szse"
)

var writeGolden = flag.Bool("update", false, "write the golden answers of testdata/ anew")

// traded fills the market with a few minutes and days of trades.
func traded(t *testing.T) *house {
	h := openHouse(t, wide)
	for day := trade.Day(20260701); day <= 20260707; day++ {
		at := time.Date(2026, 7, int(day%100), 0, 0, 0, 0, shanghai)
		h.market.Bar(&szse.Bar{Security: marketName("600000.SH", trade.SSE), Minutes: szse.DayBar, Day: day,
			Start: trade.Time(at.UnixNano()), Open: 99_000, High: 101_000, Low: 98_000, Close: 100_000, Volume: 1_000_000,
			Turnover: 10_000_000 * money.Scale, Trades: 500})
	}
	for i := range 6 {
		h.tick("600000.SH", money.Price(100_000+100*i), money.Quantity(100*(i+1)))
		h.tick("000001.SZ", money.Price(114_000-100*i), 200)
		for n := range i { // several in one moment
			h.tick("600000.SH", money.Price(100_000+100*i), money.Quantity(1000*(n+1)))
		}
		h.mu.Lock()
		h.clock = h.clock.Add(time.Minute)
		h.mu.Unlock()
	}
	h.quote("600000.SH", 100_400, 100_600)
	return h
}

func TestMarketData(t *testing.T) {
	h := traded(t)
	for _, c := range []struct {
		path     string
		status   int
		contains string
	}{
		{"/v2/stocks/bars?symbols=600000.SH,000001&timeframe=1Min&start=2026-07-08", 200, `"000001.SZ":[{`},
		{"/v2/stocks/600000.SH/bars?timeframe=1Day&start=2026-07-01", 200, `"symbol":"600000.SH"`},
		{"/v2/stocks/bars?symbols=600000.SH&timeframe=7Min", 400, `does not divide`},
		{"/v2/stocks/bars?symbols=600000.SH&timeframe=2Day", 400, badQuery},
		{"/v2/stocks/bars?symbols=600000.SH&timeframe=Fast", 400, badQuery},
		{"/v2/stocks/bars?symbols=600000.SH&adjustment=magic", 400, badQuery},
		{"/v2/stocks/bars", 400, "symbols"},
		{"/v2/stocks/bars?symbols=AAPL", 400, "AAPL"},
		{"/v2/stocks/bars?symbols=600999.SH", 200, `"bars":{}`},
		{"/v2/stocks/600999.SH/bars", 404, symbolUnknown},
		{"/v2/stocks/bars?symbols=600000.SH&limit=0", 400, "limit"},
		{"/v2/stocks/bars?symbols=600000.SH&page_token=!", 400, "page_token"},
		{"/v2/stocks/bars?symbols=600000.SH&start=soon", 400, "start"},
		{"/v2/stocks/trades?symbols=600000.SH&start=2026-07-08&feed=delayed_sip", 200, `"trades":{}`},
		{"/v2/stocks/trades/latest?symbols=600000.SH", 200, `"p":10.05`},
		{"/v2/stocks/600000.SH/trades/latest", 200, `"trade":{`},
		{"/v2/stocks/quotes/latest?symbols=600000.SH", 200, `"bp":10.04`},
		{"/v2/stocks/bars/latest?symbols=600000.SH", 200, `"c":10.05`},
		{"/v2/stocks/orderbooks/latest?symbols=600000.SH", 200, `"a":[{"p":10.06,"s":900}]`},
		{"/v2/stocks/quotes?symbols=600000.SH&start=2026-07-08", 200, `"quotes":{"600000.SH":[{`},
		{"/v2/stocks/auctions?symbols=600000.SH&start=2026-07-08", 200, `"auctions":{}`},
		{"/v2/stocks/snapshots?symbols=600000.SH", 200, `"prevDailyBar":{`},
		{"/v2/stocks/600000.SH/snapshot", 200, `"limit_up":11`},
		{"/v2/stocks/688001.SH/trades/latest", 404, notFound},
		{"/v2/stocks/meta/exchanges", 200, "Shanghai"},
		{"/v2/stocks/meta/conditions/trade?tape=A", 200, "Opening call"},
		{"/v2/stocks/meta/conditions/song", 404, notFound},
		{"/v1beta1/news", 200, `"news":[]`},
		{"/v1beta1/screener/stocks/movers?top=5", 200, `"gainers":[`},
		{"/v1beta1/screener/stocks/most-actives?by=trades", 200, `"most_actives":[`},
		{"/v1/corporate-actions?symbols=600000.SH", 200, `"cash_dividends":[]`},
		{"/v2/assets", 200, `"300001.SZ"`}, {"/v2/assets?exchange=SZSE", 200, `"000001.SZ"`},
		{"/v2/assets/600000", 200, "浦发银行"}, {"/v2/assets/XSHG", 404, symbolUnknown},
		{"/v2/assets/" + securityID(2), 200, "平安银行"}, {"/v2/assets/" + securityID(200), 404, notFound},
		{"/v2/clock", 200, `"is_open":true`}, {"/v3/clock?markets=XSHG", 200, `"phase":"core"`},
		{"/v2/calendar?start=2026-07-06&end=2026-07-12", 200, `"date":"2026-07-10"`},
		{"/v3/calendar/XSHE?start=2026-07-08&end=2026-07-08", 200, `"lunch_start":"2026-07-08T11:30:00+08:00"`},
		{"/v3/calendar/NYSE", 404, notFound}, {"/v2/calendar?start=x", 400, "start"},
		{"/v2/account/portfolio/history?period=1M&timeframe=1D", 200, `"timeframe":"1D"`},
		{"/v2/account/portfolio/history?period=1X", 400, "period"},
		{"/v2/corporate_actions/announcements", 200, `[]`},
		{"/v2/nonsense", 404, notFound},
	} {
		r := h.ask("GET", c.path, "")
		if r.status != c.status || !strings.Contains(r.raw, c.contains) {
			t.Errorf("%s: %d, want %d with %s: %s", c.path, r.status, c.status, c.contains, r.raw)
		}
		if r.status >= 400 {
			checkRefusal(t, c.path, r)
		}
	}
	if r := h.ask("GET", "/v2/calendar?start=2026-07-06&end=2026-07-12", ""); len(r.list(t)) != 5 {
		t.Errorf("a week has %d trading days", len(r.list(t)))
	}
}

// Pages put together are the whole, in both directions, for any size.
func TestPages(t *testing.T) {
	h := traded(t)
	for _, sort := range []string{"asc", "desc"} {
		base := "/v2/stocks/trades?symbols=600000.SH,000001.SZ&start=2026-07-08&sort=" + sort
		whole := h.ask("GET", base, "").json["trades"].(map[string]any)
		for size := 1; size <= 29; size++ {
			got := map[string][]any{}
			for token, pages := "", 0; pages < 40; pages++ {
				r := h.ask("GET", fmt.Sprintf("%s&limit=%d&page_token=%s", base, size, token), "")
				rows, _ := r.json["trades"].(map[string]any)
				for symbol, list := range rows {
					got[symbol] = append(got[symbol], list.([]any)...)
				}
				next, more := r.json["next_page_token"].(string)
				if !more {
					break
				}
				token = next
			}
			for symbol := range whole {
				if a, b := fmt.Sprint(whole[symbol]), fmt.Sprint(got[symbol]); a != b {
					t.Errorf("%s, pages of %d, %s:\n%s\n%s", sort, size, symbol, a, b)
				}
			}
		}
	}
}

func TestUDF(t *testing.T) {
	h := traded(t)
	for _, c := range []struct {
		path     string
		contains string
	}{
		{"/udf/config", `"supports_search":true`}, {"/udf/symbols?symbol=SSE:600000.SH", `"pricescale":100`},
		{"/udf/search?query=pfyh&limit=5", `"600000.SH"`}, {"/udf/time", "17"},
		{"/udf/history?symbol=600000.SH&resolution=1&from=0&to=1999999999", `"s":"ok"`},
		{"/udf/history?symbol=600000.SH&resolution=D&countback=3&to=1999999999", `"o":[9.9,9.9,10]`},
		{"/udf/history?symbol=600000.SH&resolution=7x&to=1", `"s":"error"`},
		{"/udf/history?symbol=600000.SH&resolution=5&from=1&to=2", `"no_data"`},
		{"/udf/history?symbol=WHO&resolution=5&from=1&to=2", `"s":"error"`},
		{"/udf/quotes?symbols=600000.SH,WHO", `"bid":10.04`},
	} {
		if r := h.send("GET", c.path, ""); r.status != 200 || !strings.Contains(r.raw, c.contains) {
			t.Errorf("%s: %d %s", c.path, r.status, r.raw)
		}
	}
}

// volatile is what differs from run to run.
var volatile = regexp.MustCompile(`req-[0-9a-f]{24}|2[0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|\+08:00)`)

// The entities, byte for byte: a change of what clients read shows as a difference here. Times are blanked.
func TestGolden(t *testing.T) {
	h := traded(t)
	id := h.place(`{"symbol":"600000.SH","qty":"200","side":"buy","type":"limit","limit_price":"10","client_order_id":"golden"}`)
	h.accept(id)
	h.fill(id, 100, 99_900)
	for name, path := range map[string]string{
		"account": "/v2/account", "configurations": "/v2/account/configurations", "order": "/v2/orders/" + orderID(id),
		"order_native": "/api/v1/orders/" + orderID(id), "position": "/v2/positions/600000.SH",
		"asset": "/v2/assets/600000.SH",
		"fills": "/v2/account/activities/FILL", "fees": "/v2/account/activities/FEE", "cash": "/v2/account/activities/CSD",
		"clock": "/v2/clock", "clocks": "/v3/clock?markets=SSE", "calendar": "/v2/calendar?start=2026-07-08&end=2026-07-08",
		"market_calendar": "/v3/calendar/XSHG?start=2026-07-08&end=2026-07-08",
		"snapshot":        "/v2/stocks/snapshots?symbols=600000.SH",
		"bars":            "/v2/stocks/bars?symbols=600000.SH&timeframe=1Day&start=2026-07-06", "not_found": "/v2/positions/300001.SZ",
		"events": "/api/v1/events/list", "quote": "/api/v1/quotes/600000.SH", "preview": "",
		"history": "/v2/account/portfolio/history",
	} {
		var r reply
		if path == "" {
			r = h.ask("POST", "/api/v1/preview", `{"symbol":"600000.SH","side":"sell","price":"10","quantity":"1000"}`)
		} else {
			r = h.ask("GET", path, "")
		}
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, []byte(r.raw), "", "  "); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := volatile.ReplaceAllString(pretty.String(), "...") + "\n"
		got = regexp.MustCompile(`178[0-9]{7}`).ReplaceAllString(got, "0")
		got = regexp.MustCompile(`"id": "(0[0-9A-Z]{25}|2026[0-9]{13}::)`).ReplaceAllString(got, `"id": "...`)
		file := filepath.Join("testdata", "golden", name+".json")
		if *writeGolden {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s differs from %s (-update writes it anew):\n%s", path, file, got)
		}
	}
}

// Posting an order over HTTP on loopback, with the books but without the log's disk.
func BenchmarkPostOrder(b *testing.B) {
	h := openHouse(b, wide)
	h.must(&trade.Command{Kind: trade.MoveCashKind, MoveCash: trade.MoveCash{Account: h.account, Amount: 1 << 50,
		Reference: []byte("b")}})
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if n++; n%900 == 0 { // an account may have 1,000 open orders
			b.StopTimer()
			h.account, h.key, h.secret = h.open(fmt.Sprint("bench", n), trade.MayEverything)
			h.must(&trade.Command{Kind: trade.MoveCashKind, MoveCash: trade.MoveCash{Account: h.account, Amount: 1 << 50,
				Reference: []byte("b")}})
			b.StartTimer()
		}
		r := h.ask("POST", "/v2/orders", `{"symbol":"600000.SH","qty":"100","side":"buy","type":"limit","limit_price":"10"}`)
		if r.status != 200 {
			b.Fatalf("%d %s", r.status, r.raw)
		}
	}
}

// A chart's day is its date at midnight in UTC; what it cannot have, it is told in its own words.
func TestChartDays(t *testing.T) {
	h := traded(t)
	midnight := time.Date(2026, 7, 8, 0, 0, 0, 0, time.UTC).Unix()
	for _, resolution := range []string{"D", "W", "M"} {
		r := h.send("GET", fmt.Sprintf("/udf/history?symbol=600000.SH&resolution=%s&from=%d&to=%d", resolution,
			map[string]int64{"D": midnight, "W": -1000, "M": -1000}[resolution], midnight+1), "")
		times, _ := r.json["t"].([]any)
		if len(times) == 0 || int64(times[len(times)-1].(float64))%86_400 != 0 {
			t.Errorf("%s: %d %s", resolution, r.status, r.raw)
		}
		if resolution == "D" && (len(times) != 1 || int64(times[0].(float64)) != midnight) {
			t.Errorf("%s: %s", resolution, r.raw)
		}
	}
	r := h.send("GET", "/udf/symbols?symbol=WHO", "")
	if r.status != 404 || r.json["s"] != "error" || r.json["errmsg"] == "" {
		t.Errorf("%d %s", r.status, r.raw)
	}
}
