package api

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"evenkeel/core/money"
	"evenkeel/core/trade"
)

// described reads openapi.yaml.
func described(t *testing.T) (*openapi3.T, routers.Router) {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(openAPI)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context(), openapi3.DisableExamplesValidation()); err != nil {
		t.Fatal(err)
	}
	doc.Servers = nil // whatever the address
	router, err := legacy.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	return doc, router
}

// conforms holds an answer to the description of its request.
func conforms(t *testing.T, router routers.Router, method, path, body string, r reply) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://localhost"+path, bytes.NewBufferString(body))
	if err != nil {
		t.Fatal(err)
	}
	route, params, err := router.FindRoute(request)
	if err != nil {
		t.Errorf("%s %s is not described: %v", method, path, err)
		return
	}
	input := &openapi3filter.RequestValidationInput{Request: request, PathParams: params, Route: route}
	err = openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: r.status, Header: r.header,
		Body:    io.NopCloser(strings.NewReader(r.raw)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	})
	if err != nil {
		t.Errorf("%s %s answered %d, which is not as described: %v", method, path, r.status, err)
	}
}

// Every native path is described, and every description has its path.
func TestDescriptionIsWhole(t *testing.T) {
	doc, _ := described(t)
	described := map[string]bool{}
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			described[method+" "+path] = true
		}
	}
	for _, r := range nativeRoutes {
		if !described[r.pattern] {
			t.Errorf("%s is not described", r.pattern)
		}
		delete(described, r.pattern)
	}
	for pattern := range described {
		t.Errorf("%s is described and does not exist", pattern)
	}
}

// Real answers of every native path are as openapi.yaml says.
func TestAnswersAreAsDescribed(t *testing.T) {
	h := openHouse(t)
	_, router := described(t)
	token := h.login(t)
	bearer := []string{"Authorization", "Bearer " + token}
	check := func(method, path, body string, status int, headers ...string) reply {
		t.Helper()
		r := h.send(method, path, body, append(headers, bearer...)...)
		if r.status != status {
			t.Errorf("%s %s: %d, want %d: %s", method, path, r.status, status, r.raw)
		}
		conforms(t, router, method, path, body, r)
		return r
	}
	r := h.send("POST", "/api/v1/login", `{"login":"ann","password":"wrong password"}`)
	conforms(t, router, "POST", "/api/v1/login", "", r)
	if r.status != 401 {
		t.Errorf("a wrong password: %d %s", r.status, r.raw)
	}
	second := h.send("POST", "/api/v1/login", `{"login":"ann","password":"correct horse"}`)
	conforms(t, router, "POST", "/api/v1/login", "", second)
	cookie := second.header.Get("Set-Cookie")
	for _, want := range []string{sessionCookie + "=", "HttpOnly", "SameSite=Strict", "Path=/"} {
		if !strings.Contains(cookie, want) {
			t.Errorf("the cookie %q lacks %s", cookie, want)
		}
	}
	check("GET", "/api/v1/sessions", "", 200)
	check("DELETE", "/api/v1/sessions/"+second.json["session_id"].(string), "", 204)
	check("DELETE", "/api/v1/sessions/"+second.json["session_id"].(string), "", 404)
	key := check("POST", "/api/v1/keys", `{"label":"bot","permissions":["trade","read"]}`, 201)
	check("POST", "/api/v1/keys", `{"permissions":["operate"]}`, 403)
	check("POST", "/api/v1/keys", `{"permissions":["fly"]}`, 422)
	check("GET", "/api/v1/keys", "", 200)
	made := h.send("GET", "/v2/account", "", "APCA-API-KEY-ID", key.json["id"].(string), "APCA-API-SECRET-KEY",
		key.json["secret"].(string))
	if made.status != 200 {
		t.Errorf("the new key: %d %s", made.status, made.raw)
	}
	check("DELETE", "/api/v1/keys/"+key.json["id"].(string), "", 204)
	if again := check("DELETE", "/api/v1/keys/"+key.json["id"].(string), "", 404); again.json["reason"] != "UNKNOWN_KEY" {
		t.Errorf("%s", again.raw)
	}
	check("GET", "/api/v1/account", "", 200)
	check("POST", "/api/v1/cash", `{"amount":"500","reference":"one"}`, 200)
	if again := check("POST", "/api/v1/cash", `{"amount":"500","reference":"one"}`,
		200); again.json["balance"].(map[string]any)["available"] != "1000500.00" {
		t.Errorf("a movement of the same reference: %s", again.raw)
	}
	check("POST", "/api/v1/cash", `{"amount":"-100000000"}`, 403)
	check("POST", "/api/v1/cash", `{"amount":"0.001"}`, 422)
	check("POST", "/api/v1/cash", `{}`, 422)
	order := check("POST", "/api/v1/orders",
		`{"symbol":"000001","side":"buy","type":"LIMIT","price":"11.4","quantity":"100"}`, 201)
	check("POST", "/api/v1/orders", `{"symbol":"000001","side":"buy","type":"STOP","price":"11.4","quantity":"100"}`, 422)
	check("POST", "/api/v1/orders", `{`, 400)
	id := order.json["id"].(string)
	number, _ := parseID(orderKind, id)
	h.accept(trade.OrderID(number))
	h.fill(trade.OrderID(number), 50, 113_900)
	check("GET", "/api/v1/orders?status=all", "", 200)
	check("GET", "/api/v1/orders/"+id, "", 200)
	check("DELETE", "/api/v1/orders/"+id, "", 202)
	check("DELETE", "/api/v1/orders/"+orderID(77), "", 404)
	preview := check("POST", "/api/v1/preview", `{"symbol":"600000.SH","side":"buy","price":"10","quantity":"1000"}`, 200)
	if fees := preview.json["fees"].(map[string]any); fees["commission"] != "5.00" || fees["transfer_fee"] != "0.10" {
		t.Errorf("%s", preview.raw) // market-rules.md: a buy of 10,000.00
	}
	check("POST", "/api/v1/preview", `{"symbol":"600000.SH","side":"sell"}`, 200)
	check("POST", "/api/v1/preview", `{"symbol":"600000.SH","side":"up"}`, 422)
	check("GET", "/api/v1/securities?q=payh", "", 200)
	check("GET", "/api/v1/securities/600000.SH", "", 200)
	check("GET", "/api/v1/securities/999999.SH", "", 404)
	check("GET", "/api/v1/board?by=ratio", "", 200)
	check("GET", "/api/v1/board?by=luck", "", 400)
	check("GET", "/api/v1/quotes/600000.SH", "", 200)
	check("GET", "/api/v1/quotes/688001.SH", "", 404)
	check("GET", "/api/v1/depth/600000.SH?levels=5", "", 200)
	check("GET", "/api/v1/depth/600000.SH?levels=50", "", 400)
	check("GET", "/api/v1/phases", "", 200)
	check("GET", "/api/v1/events/list?limit=50", "", 200)
	check("GET", "/api/v1/events/list?from=1000", "", 400)
	check("GET", "/api/v1/statements", "", 200)
	check("GET", "/api/v1/statements/2026-07", "", 200)
	check("GET", "/api/v1/statements/2027-01", "", 404)
	check("GET", "/api/v1/statements/2026-07?language=fr", "", 400)
	check("GET", "/api/v1/reasons", "", 200)
	check("GET", "/api/v1/reasons/INSUFFICIENT_CASH", "", 200)
	check("GET", "/api/v1/reasons/BAD_LUCK", "", 404)
	check("GET", "/api/v1/openapi.yaml", "", 200)
	check("POST", "/api/v1/password", `{"old_password":"correct horse","new_password":"short"}`, 422)
	check("POST", "/api/v1/password", `{"old_password":"correct horse","new_password":"battery staple"}`, 204)
	check("POST", "/api/v1/logout", "", 204)
	check("GET", "/api/v1/account", "", 401)
}

// What can be bought is what the books then take, and one lot more is not.
func TestBuyable(t *testing.T) {
	h := openHouse(t)
	r := h.ask("POST", "/api/v1/preview", `{"symbol":"600000.SH","side":"buy","price":"10.01"}`)
	most, err := money.ParseQuantity(r.json["max_quantity"].(string))
	if err != nil || most < 99_000 {
		t.Fatalf("%s", r.raw)
	}
	for _, c := range []struct {
		quantity money.Quantity
		status   int
	}{{most + 100, 403}, {most, 200}} {
		body := fmt.Sprintf(`{"symbol":"600000.SH","side":"buy","qty":%d,"type":"limit","limit_price":"10.01"}`, c.quantity)
		if r := h.ask("POST", "/v2/orders", body); r.status != c.status {
			t.Errorf("%d shares: %d %s", c.quantity, r.status, r.raw)
		}
	}
}

// A login storm is refused with a time to come back, and a cookie is not heard from other sites.
func TestLoginDoor(t *testing.T) {
	h := openHouse(t)
	var last reply
	for range 8 {
		last = h.send("POST", "/api/v1/login", `{"login":"nobody","password":"guess guess"}`)
	}
	if last.status != 429 || last.header.Get("Retry-After") == "" || last.json["reason"] != tooManyLogins {
		t.Errorf("%d %s", last.status, last.raw)
	}
	token := h.login(t)
	cookie := sessionCookie + "=" + token
	for sent, holds := range map[string]bool{cookie: true, sessionCookie + "=made-up": false} {
		if r := h.send("GET", "/api/v1/demo", "", "Cookie", sent); r.status != 200 || r.json["session"] != holds {
			t.Errorf("a login that holds: %v, and demo said %d %v", holds, r.status, r.json)
		}
	}
	if r := h.send("GET", "/v2/account", "", "Cookie", cookie); r.status != 200 {
		t.Errorf("%d %s", r.status, r.raw)
	}
	body := `{"symbol":"600000.SH","qty":"100","side":"buy","type":"limit","limit_price":"10"}`
	if r := h.send("POST", "/v2/orders", body, "Cookie", cookie, "Sec-Fetch-Site", "cross-site", "Origin",
		"https://evil.example"); r.status != 403 || r.json["reason"] != crossOrigin {
		t.Errorf("%d %s", r.status, r.raw)
	}
	if r := h.send("POST", "/v2/orders", body, "Cookie", cookie, "Sec-Fetch-Site", "same-origin"); r.status != 200 {
		t.Errorf("%d %s", r.status, r.raw)
	}
}

// No answer, given or refused, is anything that a browser would run, frame, keep or guess a kind for.
func TestEveryAnswerIsData(t *testing.T) {
	h := openHouse(t)
	for _, asked := range [][2]string{{"GET", "/healthz"}, {"GET", "/api/v1/demo"}, {"GET", "/v2/account"},
		{"POST", "/v2/clock"}, {"GET", "/api/v1/nowhere"}} {
		r := h.send(asked[0], asked[1], "")
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
			"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "Referrer-Policy": "no-referrer",
			"Cross-Origin-Resource-Policy": "same-origin"} {
			if got := r.header.Get(name); got != want {
				t.Errorf("%s %s: %d with %s %q, want %q", asked[0], asked[1], r.status, name, got, want)
			}
		}
	}
}

func TestHealth(t *testing.T) {
	why := []string{}
	h := openHouse(t, func(p *Parts) { p.Ready = func() []string { return why } })
	if r := h.send("GET", "/healthz", ""); r.status != 200 {
		t.Errorf("%d %s", r.status, r.raw)
	}
	if r := h.send("GET", "/readyz", ""); r.status != 200 || r.json["ready"] != true {
		t.Errorf("%d %s", r.status, r.raw)
	}
	why = append(why, "no market data from the exchange")
	if r := h.send("GET", "/readyz", ""); r.status != 503 || !strings.Contains(r.raw, why[0]) {
		t.Errorf("%d %s", r.status, r.raw)
	}
	h.ask("POST", "/v2/orders", `{`)
	r := h.send("GET", "/metrics", "")
	for _, want := range []string{`evenkeel_http_requests_total{route="POST /v2/orders",status="400"} 1`,
		`evenkeel_refusals_total{reason="BAD_JSON"} 1`, `evenkeel_intake_in_flight{class="order"} 0`,
		"evenkeel_http_request_seconds_bucket", "evenkeel_stream_readers", `evenkeel_accounts 1`} {
		if want != "evenkeel_stream_readers" && !strings.Contains(r.raw, want) {
			t.Errorf("no %s in the metrics", want)
		}
	}
}

func TestWatchlists(t *testing.T) {
	h := openHouse(t)
	r := h.ask("POST", "/v2/watchlists", `{"name":"mine","symbols":["SH600000","000001"]}`)
	if r.status != 200 || len(r.json["assets"].([]any)) != 2 {
		t.Fatalf("%d %s", r.status, r.raw)
	}
	path := "/v2/watchlists/" + r.json["id"].(string)
	for _, c := range []struct {
		method, path, body string
		status             int
		contains           string
	}{
		{"POST", "/v2/watchlists", `{"name":"mine"}`, 422, nameTaken},
		{"POST", "/v2/watchlists", `{"symbols":[]}`, 422, missingField},
		{"POST", "/v2/watchlists", `{"name":"other","symbols":["AAPL"]}`, 422, symbolUnknown},
		{"POST", "/v2/watchlists", `{"name":"` + strings.Repeat("股", 65) + `"}`, 422, badField},
		{"POST", path, `{"symbol":"300001.SZ"}`, 200, "300001.SZ"},
		{"GET", path, "", 200, "600000.SH"},
		{"GET", "/v2/watchlists", "", 200, `"symbols":["600000.SH","000001.SZ","300001.SZ"]`},
		{"PUT", path, `{"symbols":["300001.SZ","600000.SH","000001.SZ"]}`, 200, "mine"},
		{"GET", "/v2/watchlists", "", 200, `"symbols":["300001.SZ","600000.SH","000001.SZ"]`},
		{"GET", "/v2/watchlists:by_name?name=mine", "", 200, "000001.SZ"},
		{"DELETE", path + "/600000.SH", "", 200, "300001.SZ"},
		{"DELETE", path + "/600000.SH", "", 404, notFound},
		{"PUT", path, `{"name":"ours","symbols":["600000.SH"]}`, 200, "ours"},
		{"GET", "/v2/watchlists:by_name?name=mine", "", 404, notFound},
		{"DELETE", "/v2/watchlists:by_name?name=ours", "", 204, ""},
		{"GET", path, "", 404, notFound},
		{"GET", "/v2/watchlists/../x", "", 404, notFound},
	} {
		r := h.ask(c.method, c.path, c.body)
		if r.status != c.status || !strings.Contains(r.raw, c.contains) {
			t.Errorf("%s %s %s: %d %s", c.method, c.path, c.body, r.status, r.raw)
		}
	}
}

func TestActivities(t *testing.T) {
	h := openHouse(t)
	var last string
	for range 3 {
		id := h.place(`{"symbol":"600000.SH","qty":"100","side":"buy","type":"limit","limit_price":"10"}`)
		h.accept(id)
		h.fill(id, 100, 100_000)
		last = orderID(id)
	}
	all := h.ask("GET", "/v2/account/activities", "").list(t)
	if len(all) != 8 { // a deposit, shares, and three fills with their fees
		t.Fatalf("%d activities", len(all))
	}
	var paged []map[string]any
	for token := ""; ; token = paged[len(paged)-1]["id"].(string) {
		page := h.ask("GET", "/v2/account/activities?page_size=3&page_token="+token, "").list(t)
		if len(page) == 0 {
			break
		}
		paged = append(paged, page...)
	}
	if a, b := fmt.Sprint(all), fmt.Sprint(paged); a != b {
		t.Errorf("pages differ from the whole:\n%s\n%s", a, b)
	}
	fills := h.ask("GET", "/v2/account/activities/FILL?direction=asc", "").list(t)
	if len(fills) != 3 || fills[0]["price"] != "10.00" || fills[0]["type"] != "fill" {
		t.Errorf("%v", fills)
	}
	for query, want := range map[string]int{"symbols=600000": 7, "symbols=000001": 0, "symbols=AAPL": 0, "side=buy": 3,
		"side=sell": 0, "order_id=" + last: 2, "activity_types=FILL&order_id=" + last: 1, "order_id=x": 0,
		"symbols=SH600000,000001&side=buy": 3} {
		if got := h.ask("GET", "/v2/account/activities?"+query, "").list(t); len(got) != want {
			t.Errorf("%s: %d activities, want %d: %v", query, len(got), want, got)
		}
	}
	for _, query := range []string{"page_size=0", "page_size=x", "direction=up", "page_token=abc", "after=yesterday",
		"category=x", "side=up"} {
		if r := h.ask("GET", "/v2/account/activities?"+query, ""); r.status != 400 {
			t.Errorf("%s: %d %s", query, r.status, r.raw)
		}
	}
	if other := h.ask("GET", "/v2/account/activities?category=non_trade_activity", "").list(t); len(other) != 5 {
		t.Errorf("%v", other)
	}
}

func TestSettings(t *testing.T) {
	h := openHouse(t)
	r := h.ask("PATCH", "/v2/account/configurations",
		`{"suspend_trade":true,"trade_confirm_email":"all","dtbp_check":"both"}`)
	if r.status != 200 || r.json["suspend_trade"] != true || r.json["trade_confirm_email"] != "all" {
		t.Errorf("%d %s", r.status, r.raw)
	}
	r = h.ask("POST", "/v2/orders", `{"symbol":"600000.SH","qty":"100","side":"buy","type":"limit","limit_price":"10"}`)
	if r.status != 403 || r.json["reason"] != "TRADING_SUSPENDED" {
		t.Errorf("%d %s", r.status, r.raw)
	}
	if r := h.ask("PATCH", "/v2/account/configurations", `{"no_shorting":false}`); r.status != 422 {
		t.Errorf("%d %s", r.status, r.raw)
	}
	if r := h.ask("GET", "/v2/account", ""); r.json["trade_suspended_by_user"] != true {
		t.Errorf("%s", r.raw)
	}
}

// The house is full: orders are refused with a time to come back, and queries go on.
func TestFullHouse(t *testing.T) {
	h := openHouse(t)
	h.mu.Lock()
	h.full = errFull
	h.mu.Unlock()
	r := h.ask("POST", "/v2/orders", `{"symbol":"600000.SH","qty":"100","side":"buy","type":"limit","limit_price":"10"}`)
	if r.status != 503 || r.header.Get("Retry-After") == "" || r.json["reason"] != noRoom {
		t.Errorf("%d %s", r.status, r.raw)
	}
	if r := h.ask("GET", "/v2/account", ""); r.status != 200 {
		t.Errorf("%d %s", r.status, r.raw)
	}
}

// TestLoginSentAgain: a login whose command was sent again, as when a leader died, is a login.
func TestLoginSentAgain(t *testing.T) {
	h := openHouse(t)
	h.open("twice", trade.MayRead)
	h.mu.Lock()
	h.twice = true
	h.mu.Unlock()
	in := h.send("POST", "/api/v1/login", `{"login":"twice","password":"`+password+`"}`)
	if in.status != 200 || in.cookie(sessionCookie) == "" {
		t.Errorf("%d %s", in.status, in.raw)
	}
}
