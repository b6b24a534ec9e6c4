package api

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"evenkeel/core/trade"
)

// The bad inputs of the front door: what is sent, and the status, reason and nearest value that come back.
func TestBadOrders(t *testing.T) {
	h := openHouse(t)
	const buy = `"symbol":"600000.SH","side":"buy","time_in_force":"day"`
	for _, c := range []struct {
		what, body string
		status     int
		reason     string
		nearest    string
	}{
		{"no JSON", `{"symbol":`, 400, badJSON, ""},
		{"an array", `[1]`, 400, badJSON, ""},
		{"a number", `7`, 400, badJSON, ""},
		{"no body", ``, 422, missingField, ""},
		{"symbol of another kind", `{"symbol":5,"side":"buy","qty":1}`, 422, badField, ""},
		{"no side", `{"symbol":"600000.SH","qty":"100","type":"limit","limit_price":"10"}`, 422, missingField, ""},
		{"no quantity", `{` + buy + `,"type":"limit","limit_price":"10"}`, 422, missingField, ""},
		{"no price", `{` + buy + `,"type":"limit","qty":"100"}`, 422, missingField, ""},
		{"a word for a price", `{` + buy + `,"type":"limit","qty":"100","limit_price":"ten"}`, 422, badField, ""},
		{"a price of five places", `{` + buy + `,"type":"limit","qty":"100","limit_price":10.00001}`, 422, badField, ""},
		{"a negative price", `{` + buy + `,"type":"limit","qty":"100","limit_price":"-1"}`, 422, badField, ""},
		{"a part of a share", `{` + buy + `,"type":"limit","qty":"100.5","limit_price":"10"}`, 422, badField, ""},
		{"a huge number", `{` + buy + `,"type":"limit","qty":"1e30","limit_price":"10"}`, 422, badField, ""},
		{"no shares", `{` + buy + `,"type":"limit","qty":0,"limit_price":"10"}`, 422, "QUANTITY_NOT_POSITIVE", ""},
		{"half a lot", `{` + buy + `,"type":"limit","qty":150,"limit_price":"10"}`, 422, "QUANTITY_NOT_IN_LOTS", "100"},
		{"below a lot", `{` + buy + `,"type":"limit","qty":50,"limit_price":"10"}`, 422, "QUANTITY_BELOW_MINIMUM", "100"},
		{"too many", `{` + buy + `,"type":"limit","qty":1000100,"limit_price":"10"}`, 422, "QUANTITY_ABOVE_MAXIMUM",
			"1000000"},
		{"between two ticks", `{` + buy + `,"type":"limit","qty":100,"limit_price":"10.005"}`, 422, "PRICE_NOT_ON_TICK",
			"10.00"},
		{"above the limit", `{` + buy + `,"type":"limit","qty":100,"limit_price":"11.01"}`, 422, "PRICE_ABOVE_LIMIT",
			"11.00"},
		{"below the limit", `{` + buy + `,"type":"limit","qty":100,"limit_price":"8.99"}`, 422, "PRICE_BELOW_LIMIT", "9.00"},
		{"outside the cage", `{` + buy + `,"type":"limit","qty":100,"limit_price":"10.50"}`, 422, "PRICE_OUTSIDE_CAGE",
			"10.21"},
		{"no cash", `{` + buy + `,"type":"limit","qty":200000,"limit_price":"10"}`, 403, "INSUFFICIENT_CASH", "1000000.00"},
		{"nothing sellable", `{"symbol":"000001.SZ","side":"sell","qty":100,"type":"limit","limit_price":"11.40"}`, 403,
			"INSUFFICIENT_SELLABLE", ""},
		{"a split odd lot", `{"symbol":"600000.SH","side":"sell","qty":25,"type":"limit","limit_price":"10"}`, 422,
			"ODD_LOT_NOT_WHOLE", "50"},
		{"unknown symbol", `{"symbol":"600999.SH","side":"buy","qty":100,"type":"limit","limit_price":"10"}`, 422,
			symbolUnknown, ""},
		{"no symbol at all", `{"symbol":"AAPL","side":"buy","qty":100,"type":"limit","limit_price":"10"}`, 422,
			symbolUnknown, ""},
		{"a board without permission", `{"symbol":"688001.SH","side":"buy","qty":200,"type":"limit","limit_price":"30"}`,
			403,
			"BOARD_NOT_ALLOWED", ""},
		{"stop", `{` + buy + `,"type":"stop","qty":100,"stop_price":"9"}`, 422, typeUnavailable, ""},
		{"trailing stop", `{` + buy + `,"type":"trailing_stop","qty":100,"trail_price":"1"}`, 422, typeUnavailable, ""},
		{"bracket", `{` + buy + `,"type":"limit","qty":100,"limit_price":"10","order_class":"bracket"}`, 422,
			classUnavailable, ""},
		{"notional", `{` + buy + `,"type":"market","notional":"1000"}`, 422, featureNot, ""},
		{"extended hours", `{` + buy + `,"type":"limit","qty":100,"limit_price":"10","extended_hours":true}`, 422,
			featureNot, ""},
		{"good till cancelled",
			`{"symbol":"600000.SH","side":"buy","time_in_force":"gtc","type":"limit","qty":100,"limit_price":"10"}`,
			422, tifUnavailable, ""},
		{"limit or cancel",
			`{"symbol":"600000.SH","side":"buy","time_in_force":"ioc","type":"limit","qty":100,"limit_price":"10"}`,
			422, tifUnavailable, ""},
		{"fill or kill in Shanghai", `{"symbol":"600000.SH","side":"buy","time_in_force":"fok","type":"market","qty":100}`,
			422, tifUnavailable, ""},
		{"a market type of another venue", `{` + buy + `,"type":"market","qty":100,"cn":{"market_type":"IOC"}}`, 422,
			"TYPE_NOT_AVAILABLE", ""},
		{"an unknown market type", `{` + buy + `,"type":"market","qty":100,"cn":{"market_type":"BEST"}}`, 422, badField, ""},
		{"a long client order id", `{` + buy + `,"type":"limit","qty":100,"limit_price":"10","client_order_id":"` +
			strings.Repeat("x", 129) + `"}`, 422, "CLIENT_ORDER_ID_TOO_LONG", "128"},
		{"a large body", `{"symbol":"` + strings.Repeat("6", 70_000) + `"}`, 413, bodyTooLarge, ""},
	} {
		r := h.ask("POST", "/v2/orders", c.body)
		nearest, _ := r.json["nearest"].(string)
		if r.status != c.status || r.json["reason"] != c.reason || nearest != c.nearest {
			t.Errorf("%s: %d %v nearest %q, want %d %s %q\n%s", c.what, r.status, r.json["reason"], nearest, c.status, c.reason,
				c.nearest, r.raw)
		}
		checkRefusal(t, c.what, r)
	}
	if orders := h.ask("GET", "/v2/orders?status=all", "").list(t); len(orders) != 0 {
		t.Errorf("refused orders left %d in the books", len(orders))
	}
}

// checkRefusal holds a refusal to what every client may rely on.
func checkRefusal(t *testing.T, what string, r reply) {
	t.Helper()
	code, _ := r.json["code"].(float64)
	if int(code)/100_000 != r.status {
		t.Errorf("%s: code %v of status %d", what, r.json["code"], r.status)
	}
	for _, name := range []string{"message", "message_en", "message_zh", "reason", "request_id", "docs"} {
		if v, _ := r.json[name].(string); v == "" {
			t.Errorf("%s: no %s in %s", what, name, r.raw)
		}
	}
	for _, name := range []string{"X-Request-Id", "X-Ratelimit-Limit", "X-Ratelimit-Remaining", "X-Ratelimit-Reset"} {
		if r.header.Get(name) == "" {
			t.Errorf("%s: no %s", what, name)
		}
	}
	if r.status == 429 || r.status == 503 {
		if r.header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", what)
		}
	}
}

// An order's life as a client of Alpaca sees it.
func TestOrderLife(t *testing.T) {
	h := openHouse(t)
	r := h.ask("POST", "/v2/orders", `{"symbol":"SH600000","qty":"200","side":"buy","type":"limit","limit_price":10.0,
		"time_in_force":"day","client_order_id":"mine","order_class":"","legs":null,"unknown":{"deep":[1,2]}}`)
	if r.status != 200 || r.json["status"] != "pending_new" || r.json["symbol"] != "600000.SH" {
		t.Fatalf("%d %s", r.status, r.raw)
	}
	id := r.json["id"].(string)
	number, _ := parseID(orderKind, id)
	if again := h.ask("POST", "/v2/orders", `
		{"symbol":"600000.SH","qty":200,"side":"buy","type":"limit",
		"limit_price":"10.00","time_in_force":"day","client_order_id":"mine"}`); again.status != 200 ||
		again.json["id"] != id || again.header.Get("Idempotent-Replay") != "true" {
		t.Errorf("the same order again: %d %s", again.status, again.raw)
	}
	if other := h.ask("POST", "/v2/orders", `
		{"symbol":"600000.SH","qty":300,"side":"buy","type":"limit",
		"limit_price":"10.00","client_order_id":"mine"}`); other.status != 422 ||
		other.json["reason"] != "CLIENT_ORDER_ID_USED" {
		t.Errorf("another order under the same id: %d %s", other.status, other.raw)
	}
	h.accept(trade.OrderID(number))
	h.fill(trade.OrderID(number), 100, 99_900)
	r = h.ask("GET", "/v2/orders/"+id, "")
	if r.json["status"] != "partially_filled" || r.json["filled_qty"] != "100" || r.json["filled_avg_price"] != "9.99" {
		t.Errorf("%s", r.raw)
	}
	if by := h.ask("GET", "/v2/orders:by_client_order_id?client_order_id=mine", ""); by.json["id"] != id {
		t.Errorf("by client order id: %d %s", by.status, by.raw)
	}
	replaced := h.ask("PATCH", "/v2/orders/"+id, `{"qty":"300","limit_price":"9.98"}`)
	if replaced.status != 200 || replaced.json["replaces"] != id || replaced.json["id"] == id {
		t.Fatalf("%d %s", replaced.status, replaced.raw)
	}
	if d := h.ask("DELETE", "/v2/orders/"+replaced.json["id"].(string), ""); d.status != 204 && d.status != 422 {
		t.Errorf("%d %s", d.status, d.raw)
	}
	if missing := h.ask("GET", "/v2/orders/"+orderID(99), ""); missing.status != 404 {
		t.Errorf("%d %s", missing.status, missing.raw)
	}
	if missing := h.ask("DELETE", "/v2/orders/nonsense", ""); missing.status != 404 ||
		missing.json["reason"] != orderUnknown {
		t.Errorf("%d %s", missing.status, missing.raw)
	}
	position := h.ask("GET", "/v2/positions/600000", "")
	if position.json["qty"] != "1150" || position.json["qty_available"] != "1050" {
		t.Errorf("%s", position.raw)
	}
}

// Nobody sees or touches what is not his.
func TestOwners(t *testing.T) {
	h := openHouse(t)
	id := h.place(`{"symbol":"600000.SH","qty":"100","side":"buy","type":"limit","limit_price":"10","time_in_force":"day"}`)
	_, key, secret := h.open("bob", trade.MayEverything)
	_, watcher, watching := h.open("eve", trade.MayRead)
	for _, c := range []struct {
		method, path, body, key, secret string
		status                          int
	}{
		{"GET", "/v2/orders/" + orderID(id), "", key, secret, 404},
		{"DELETE", "/v2/orders/" + orderID(id), "", key, secret, 404},
		{"PATCH", "/v2/orders/" + orderID(id), `{"qty":"200"}`, key, secret, 404},
		{"GET", "/v2/account", "", key, "wrong", 401},
		{"GET", "/v2/account", "", "EKNOBODY", secret, 401},
		{"GET", "/v2/account", "", "", "", 401},
		{"GET", "/v2/account", "", watcher, watching, 200},
		{"POST", "/v2/orders", `{"symbol":"600000.SH","qty":"100","side":"buy","type":"limit","limit_price":"10"}`, watcher,
			watching, 403},
		{"POST", "/api/v1/keys", `{}`, key, secret, 403},
		{"POST", "/api/v1/password", `{"old_password":"correct horse","new_password":"battery staple"}`, key, secret, 403},
		{"GET", "/v2/nothing/here", "", key, secret, 404},
		{"GET", "/v2/account/", "", key, secret, 404},
		{"PUT", "/v2/orders", "", key, secret, 405},
		{"GET", "//v2/account", "", key, secret, 404},
	} {
		r := h.send(c.method, c.path, c.body, "APCA-API-KEY-ID", c.key, "APCA-API-SECRET-KEY", c.secret)
		if r.status != c.status {
			t.Errorf("%s %s: %d, want %d: %s", c.method, c.path, r.status, c.status, r.raw)
		}
		if r.status >= 400 {
			checkRefusal(t, c.method+" "+c.path, r)
		}
	}
}

// Every order type, as the venues have them.
func TestOrderTypes(t *testing.T) {
	h := openHouse(t)
	for _, c := range []struct {
		body  string
		kind  trade.OrderType
		price string
	}{
		{`"symbol":"600000.SH","type":"market","time_in_force":"day"`, trade.BestFiveCancel, ""},
		{`"symbol":"600000.SH","type":"market","time_in_force":"ioc","limit_price":"10.10"`, trade.BestFiveCancel, "10.10"},
		{`"symbol":"000001.SZ","type":"market","time_in_force":"day"`, trade.BestFiveCancel, ""},
		{`"symbol":"000001.SZ","type":"market","time_in_force":"ioc"`, trade.ImmediateOrCancel, ""},
		{`"symbol":"000001.SZ","type":"market","time_in_force":"fok"`, trade.FillOrKill, ""},
		{`"symbol":"600000.SH","type":"market","cn":{"market_type":"BEST5_TO_LIMIT"}`, trade.BestFiveLimit, ""},
		{`"symbol":"000001.SZ","type":"market","cn":{"market_type":"own_best"}`, trade.OwnBest, ""},
		{`"symbol":"000001.SZ","type":"market","cn":{"market_type":"OPPOSITE_BEST"}`, trade.OppositeBest, ""},
		{`"symbol":"000001.SZ","type":"limit","limit_price":"11.4"`, trade.Limit, "11.40"},
	} {
		id := h.place(`{"qty":100,"side":"buy",` + c.body + `}`)
		sent := h.sent[id]
		if sent.Type != c.kind || c.price != "" && sent.Price.String() != c.price {
			t.Errorf("%s: sent as type %d at %v", c.body, sent.Type, sent.Price)
		}
	}
}

func TestIdempotencyKey(t *testing.T) {
	h := openHouse(t)
	body := func(qty int) string {
		return fmt.Sprintf(`{"symbol":"600000.SH","qty":%d,"side":"buy","type":"limit","limit_price":"10"}`, qty)
	}
	first := h.ask("POST", "/v2/orders", body(100), "Idempotency-Key", "abc")
	again := h.ask("POST", "/v2/orders", body(100), "Idempotency-Key", "abc")
	other := h.ask("POST", "/v2/orders", body(200), "Idempotency-Key", "abc")
	if first.status != 200 || again.status != 200 || first.json["id"] != again.json["id"] {
		t.Errorf("%s\n%s", first.raw, again.raw)
	}
	if other.status != 422 || other.json["reason"] != keyReused {
		t.Errorf("%d %s", other.status, other.raw)
	}
	// Another machine, or this one after a restart, knows only the books.
	h.server.Door.Keys.Forget()
	again = h.ask("POST", "/v2/orders", body(100), "Idempotency-Key", "abc")
	other = h.ask("POST", "/v2/orders", body(200), "Idempotency-Key", "abc")
	if again.json["id"] != first.json["id"] || other.status != 422 {
		t.Errorf("after a restart: %s\n%s", again.raw, other.raw)
	}
	if long := h.ask("POST", "/v2/orders", body(100), "Idempotency-Key", strings.Repeat("k", 129)); long.status != 422 {
		t.Errorf("%d %s", long.status, long.raw)
	}
}

func TestClosePositions(t *testing.T) {
	h := openHouse(t)
	for _, c := range []struct {
		query  string
		status int
	}{{"?qty=100&percentage=10", 400}, {"?qty=x", 400}, {"?percentage=101", 400}, {"?qty=2000", 403}} {
		if r := h.ask("DELETE", "/v2/positions/600000.SH"+c.query, ""); r.status != c.status {
			t.Errorf("%s: %d %s", c.query, r.status, r.raw)
		}
	}
	r := h.ask("DELETE", "/v2/positions/600000.SH?qty=100", "")
	if r.status != 200 || r.json["side"] != "sell" || r.json["qty"] != "100" || r.json["type"] != "market" {
		t.Errorf("%d %s", r.status, r.raw)
	}
	if r := h.ask("DELETE", "/v2/positions/000001.SZ", ""); r.status != 404 {
		t.Errorf("%d %s", r.status, r.raw)
	}
	r = h.ask("DELETE", "/v2/positions?cancel_orders=true", "")
	if lines := r.list(t); r.status != http.StatusMultiStatus || len(lines) != 1 || lines[0]["status"] != 200.0 {
		t.Errorf("%d %s", r.status, r.raw)
	}
	r = h.ask("DELETE", "/v2/orders", "")
	if r.status != http.StatusMultiStatus {
		t.Errorf("%d %s", r.status, r.raw)
	}
}

// The languages of refusals.
func TestLanguages(t *testing.T) {
	h := openHouse(t)
	zh := h.ask("GET", "/v2/positions/000001.SZ", "", "Accept-Language", "zh-CN,zh;q=0.9")
	en := h.ask("GET", "/v2/positions/000001.SZ", "")
	if zh.json["message"] != zh.json["message_zh"] || en.json["message"] != en.json["message_en"] ||
		zh.json["message"] == en.json["message"] {
		t.Errorf("%s\n%s", zh.raw, en.raw)
	}
}

// The advice about the cage comes last: what the books would say wins, and a replay has its answer already.
func TestCageIsAdvice(t *testing.T) {
	h := openHouse(t)
	const body = `{"symbol":"600000.SH","qty":100,"side":"buy","type":"limit","limit_price":"10.20","client_order_id":"caged"}`
	if r := h.ask("POST", "/v2/orders", body); r.status != 200 {
		t.Fatalf("%d %s", r.status, r.raw)
	}
	h.quote("600000.SH", 94_900, 95_100)
	if r := h.ask("POST", "/v2/orders", body); r.status != 200 || r.header.Get("Idempotent-Replay") != "true" {
		t.Errorf("a replay: %d %s", r.status, r.raw)
	}
	for _, c := range []struct{ body, reason string }{
		{`"symbol":"600000.SH","qty":100,"side":"buy","limit_price":"10.20"`, cageAdvice},
		{`"symbol":"600000.SH","qty":500000,"side":"buy","limit_price":"10.20"`, "INSUFFICIENT_CASH"},
		{`"symbol":"000001.SZ","qty":100,"side":"sell","limit_price":"10.50"`, "INSUFFICIENT_SELLABLE"},
		{`"symbol":"600000.SH","qty":100,"side":"sell","limit_price":"9.20"`, cageAdvice},
	} {
		if r := h.ask("POST", "/v2/orders", `{"type":"limit",`+c.body+`}`); r.json["reason"] != c.reason {
			t.Errorf("%s: %d %s", c.body, r.status, r.raw)
		}
	}
	id := h.place(`{"symbol":"600000.SH","qty":100,"side":"buy","type":"limit","limit_price":"9.40"}`)
	if r := h.ask("PATCH", "/v2/orders/"+orderID(id), `{"limit_price":"10.20"}`); r.json["reason"] != cageAdvice ||
		r.json["nearest"] != "9.70" {
		t.Errorf("a replacement: %d %s", r.status, r.raw)
	}
	// Old quotes advise nothing.
	h.mu.Lock()
	h.clock = h.clock.Add(time.Minute)
	h.mu.Unlock()
	h.place(`{"symbol":"600000.SH","qty":100,"side":"buy","type":"limit","limit_price":"10.20"}`)
}

// The last point of the history is now, also while the clock runs.
func TestHistoryEndsNow(t *testing.T) {
	h := openHouse(t, func(p *Parts) {
		clock := p.Clock
		ticks := atomic.Int64{}
		p.Clock = func() time.Time { return clock().Add(time.Duration(ticks.Add(1)) * time.Second) }
	})
	r := h.ask("GET", "/v2/account/portfolio/history?period=1D&timeframe=5Min", "")
	if n, _ := r.json["timestamp"].([]any); len(n) == 0 || len(n) != len(r.json["equity"].([]any)) {
		t.Errorf("%s", r.raw)
	}
}
