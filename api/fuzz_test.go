package api

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"evenkeel/core/money"
	"evenkeel/core/trade"
	"evenkeel/feed"
)

// An order request is read or refused with a fault of the client's, whatever it is.
func FuzzOrderRequest(f *testing.F) {
	for _, seed := range []string{
		`{"symbol":"600000.SH","side":"buy","type":"limit","qty":"100","limit_price":10.5,"time_in_force":"day"}`,
		`{"symbol":"1","side":"sell","qty":1e2,"cn":{"market_type":"IOC"},"order_class":"simple","legs":[]}`,
		`{"qty":"","side":null,"extended_hours":"true","notional":5}`, `[]`, `{`, `{"cn":7}`, "\x00",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		form, err := parseForm(raw)
		if err != nil {
			if status := faultOf(err).Status; status != 400 {
				t.Fatalf("%q: status %d", raw, status)
			}
			return
		}
		w, err := readWish(form)
		if err != nil {
			if status := faultOf(err).Status; status != 422 {
				t.Fatalf("%q: status %d", raw, status)
			}
			return
		}
		if w.Quantity <= 0 || w.Price < 0 || w.Side != trade.Buy && w.Side != trade.Sell || w.Symbol == "" {
			t.Fatalf("%q was read as %+v", raw, w)
		}
		for v := trade.SSE; v <= trade.BSE; v++ {
			if kind, err := w.orderType(v); err == nil && kind == 0 {
				t.Fatalf("%q has no order type", raw)
			}
		}
		if native, err := parseForm(raw); err == nil {
			_, _ = readNative(native) // it need not be one: it must not panic
		}
	})
}

// What is read as a price prints as a price that is read alike; no float on the way.
func FuzzDecimal(f *testing.F) {
	for _, seed := range []string{`10.5`, `"10.50"`, `1e2`, `"25E-2"`, `-0.0001`, `" 7 "`, `1e400`, `"."`, `""`, `0x10`,
		`"1e+2"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		text, err := decimalText(json.RawMessage(raw))
		if err != nil {
			return
		}
		p, err := money.ParsePrice(text)
		if err != nil {
			return
		}
		again, err := decimalText(json.RawMessage(p.String()))
		if err != nil || again != p.String() {
			t.Fatalf("%q: %v became %q, %v", raw, p, again, err)
		}
		if back, err := money.ParsePrice(string(priceNumber(p))); err != nil || back != p {
			t.Fatalf("%q: %v as a number is %s", raw, p, priceNumber(p))
		}
	})
}

// A UUID that is read prints the same again.
func FuzzUUID(f *testing.F) {
	f.Add(orderID(1<<trade.ShardShift | 42))
	f.Add(accountID(1))
	f.Add("65766b02-0001-8000-8000-00000000002A")
	f.Add(strings.Repeat("-", 36))
	f.Fuzz(func(t *testing.T, s string) {
		if b, ok := parseUUID(s); ok && formatUUID(b) != s {
			t.Fatalf("%q is written %q", s, formatUUID(b))
		}
		for kind := accountKind; kind <= activityKind; kind++ {
			if n, ok := parseID(kind, s); ok && formatID(kind, n) != s {
				t.Fatalf("%q is written %q", s, formatID(kind, n))
			}
		}
		if number, err := parseEventID(7, s); err == nil {
			e := trade.Event{Account: 7, Number: number}
			if again, err := parseEventID(7, eventID(&e)); err != nil || again != number {
				t.Fatalf("%q: number %d became %d, %v", s, number, again, err)
			}
		}
		_, _, _ = parseActivityID(s)
		_, _ = parsePage(s)
		_, _ = parseMoment(s)
		_, _, _ = parseTimeframe(s)
		_, _ = periodOf(s)
	})
}

// A message of a stream is read or refused; deep nesting and false lengths end in an error.
func FuzzStreamMessage(f *testing.F) {
	for _, v := range []any{
		map[string]any{"action": "auth", "key": "a", "secret": "b"},
		map[string]any{"action": "subscribe", "trades": []string{"*"}, "quotes": nil},
		map[string]any{"action": "listen", "data": map[string]any{"streams": []string{"trade_updates"}}},
	} {
		packed, err := msgpack.Marshal(v)
		if err != nil {
			f.Fatal(err)
		}
		text, _ := json.Marshal(v)
		f.Add(packed)
		f.Add(text)
	}
	f.Add([]byte(strings.Repeat("\x91", 5000)))
	f.Add([]byte{0xdd, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		began := time.Now()
		m, err := parseDataMessage(b)
		if err == nil {
			packed, err := msgpack.Marshal(&m)
			if err != nil {
				t.Fatal(err)
			}
			again, err := parseDataMessage(packed)
			a, b := m.lists(), again.lists()
			if err != nil || again.Action != m.Action || !slices.EqualFunc(a[:], b[:], slices.Equal) {
				t.Fatalf("%+v became %+v, %v", m, again, err)
			}
		}
		_, _ = parseTradeMessage(b) // it must not panic
		if took := time.Since(began); took > time.Second {
			t.Fatalf("%d bytes took %v", len(b), took)
		}
	})
}

// Both encodings of the data stream's messages are read by the libraries that clients use.
func TestMessagesAreReadable(t *testing.T) {
	c := feed.Candle{Symbol: "600000.SH", Start: 1_783_476_000_123_456_789, Open: 99_900, High: 101_000, Low: 99_000,
		Close:  100_100,
		Volume: 5_000_000_000, Turnover: 1, Trades: 3}
	for _, packed := range []bool{false, true} {
		w := wire{packed: packed}
		w.array(2)
		for i := range 2 {
			w.element(i)
			writeUpdate(&w, &feed.Update{Kind: feed.BarUpdate, Candle: &c})
		}
		w.endArray()
		var rows []map[string]any
		read := json.Unmarshal
		if packed {
			read = msgpack.Unmarshal
		}
		if err := read(w.b, &rows); err != nil || len(rows) != 2 {
			t.Fatalf("packed %v: %v %q", packed, err, w.b)
		}
		if rows[1]["T"] != "b" || rows[1]["o"] != 9.99 || rows[1]["S"] != "600000.SH" {
			t.Errorf("packed %v: %v", packed, rows[1])
		}
		if at, ok := rows[0]["t"].(time.Time); packed && (!ok || at.UnixNano() != int64(c.Start)) {
			t.Errorf("time %v", rows[0]["t"])
		}
	}
}
