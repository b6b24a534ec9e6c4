package api

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"evenkeel/capacity"
	"evenkeel/core/trade"
	"evenkeel/intake"
)

// What is asked for wrongly is refused, never taken for something else.
func TestOrdersAreNotGuessed(t *testing.T) {
	h := openHouse(t)
	order := func(more string) string {
		return `{"symbol":"600000.SH","qty":"100","side":"buy","type":"limit","limit_price":"10"` + more + `}`
	}
	for more, reason := range map[string]string{
		`,"cn":{"market_type":5}`:                               badField,
		`,"cn":{"market_type":["FOK"]}`:                         badField,
		`,"qty":"10000"`:                                        badJSON,
		`,"a":{"b":[1,{"c":2}]},"a":3`:                          badJSON,
		`,"advanced_instructions":{"algorithm":"TWAP"}`:         featureNot,
		`,"position_intent":"buy_to_close"`:                     featureNot,
		`,"position_intent":7`:                                  badField,
		`,"client_order_id":"a","client_order_id":"b","legs":5`: badJSON,
	} {
		if r := h.ask("POST", "/v2/orders", order(more)); r.json["reason"] != reason {
			t.Errorf("%s: %d %s", more, r.status, r.raw)
		}
	}
	ok := `,"position_intent":"buy_to_open","advanced_instructions":null,"cn":{"market_type":""},"a":{"a":1},"b":["a","a"]`
	if r := h.ask("POST", "/v2/orders", order(ok)); r.status != 200 {
		t.Errorf("%d %s", r.status, r.raw)
	}
}

// A client that repeats what timed out must not trade twice: the answer is none that clients repeat, and says the name
// by which the order can be found.
func TestUnknownOutcome(t *testing.T) {
	f := faultOf(findable(errors.Join(intake.ErrUnknown), "mine"))
	if f.Status != 500 || f.Extra["client_order_id"] != "mine" {
		t.Errorf("%+v", f)
	}
	h := openHouse(t, func(p *Parts) { p.Limits.Request = 300 * time.Millisecond })
	h.mu.Lock()
	h.stuck = true
	h.mu.Unlock()
	r := h.ask("POST", "/v2/orders", `{"symbol":"600000.SH","qty":"100","side":"buy","type":"limit","limit_price":"10"}`)
	if r.status != 500 || r.json["reason"] != outcomeUnknown {
		t.Fatalf("%d %s", r.status, r.raw)
	}
	h.mu.Lock()
	h.stuck = false
	h.mu.Unlock()
	client, _ := r.json["client_order_id"].(string)
	if r := h.ask("GET", "/v2/orders:by_client_order_id?client_order_id="+client, ""); client == "" || r.status != 200 {
		t.Errorf("%q: %d %s", client, r.status, r.raw)
	}
}

// Cash that was not moved is not said to have been.
func TestCashReference(t *testing.T) {
	h := openHouse(t)
	for _, c := range []struct {
		body   string
		status int
		replay string
	}{
		{`{"amount":"100","reference":"r"}`, 200, ""}, {`{"amount":"100","reference":"r"}`, 200, "true"},
		{`{"amount":"200","reference":"r"}`, 422, ""}, {`{"amount":"-100","reference":"r"}`, 422, ""},
		{`{"amount":"1","reference":"first"}`, 422, ""},
	} {
		r := h.ask("POST", "/api/v1/cash", c.body)
		if r.status != c.status || r.header.Get("Idempotent-Replay") != c.replay ||
			c.status == 422 && r.json["reason"] != referenceUsed {
			t.Errorf("%s: %d %s", c.body, r.status, r.raw)
		}
	}
	if b, _ := h.day.Balance(h.account); b.Available.String() != "1000100.00" {
		t.Errorf("%v", b.Available)
	}
}

// The password opens the door however many sessions there are, and a new password ends the others.
func TestSessionsMakeRoom(t *testing.T) {
	h := openHouse(t)
	first := h.login(t)
	var last string
	for range 40 {
		last = h.login(t)
	}
	bearer := func(token string) int {
		return h.send("GET", "/api/v1/account", "", "authorization", "bearer "+token).status
	}
	if a, b := bearer(first), bearer(last); a != 401 || b != 200 {
		t.Errorf("the first session %d, the last %d", a, b)
	}
	other := h.login(t)
	body := fmt.Sprintf(`{"old_password":%q,"new_password":"another horse"}`, password)
	if r := h.ask("POST", "/api/v1/password", `{"old_password":"wrong"}`); r.status != 403 {
		t.Errorf("with a key: %d %s", r.status, r.raw)
	}
	if r := h.send("POST", "/api/v1/password", body, "Authorization", "Bearer "+last); r.status != 204 {
		t.Fatalf("%d %s", r.status, r.raw)
	}
	if a, b := bearer(other), bearer(last); a != 401 || b != 200 {
		t.Errorf("after a new password: another session %d, its own %d", a, b)
	}
}

// Another site cannot log its visitors in.
func TestLoginFromElsewhere(t *testing.T) {
	h := openHouse(t)
	body := fmt.Sprintf(`{"login":%q,"password":%q}`, login, password)
	for _, headers := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://elsewhere.example"}} {
		r := h.send("POST", "/api/v1/login", body, append(headers, "Content-Type", "text/plain")...)
		if r.status != 403 || r.json["reason"] != crossOrigin || r.header.Get("Set-Cookie") != "" {
			t.Errorf("%v: %d %s", headers, r.status, r.raw)
		}
	}
	if r := h.send("POST", "/api/v1/login", body, "Sec-Fetch-Site", "same-origin"); r.status != 200 {
		t.Errorf("%d %s", r.status, r.raw)
	}
}

// A body that says it is too large is refused before it comes.
func TestLargeBodies(t *testing.T) {
	h := openHouse(t)
	r := httptest.NewRequest(http.MethodPost, "/api/v1/login", strings.NewReader("{"))
	r.ContentLength = 1 << 40
	w := httptest.NewRecorder()
	h.server.ServeHTTP(w, r)
	if w.Code != 413 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// The measures are for this machine, and for who operates the house.
func TestMeasuresAreNotForAll(t *testing.T) {
	h := openHouse(t)
	_, key, secret := h.open("operator", trade.MayOperate)
	h.server.Capacity = func() capacity.Report { return capacity.Report{Lawful: 3} }
	ask := func(path, from string, headers ...string) int {
		r := httptest.NewRequest(http.MethodGet, path, http.NoBody)
		r.RemoteAddr = from
		for i := 0; i+1 < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		w := httptest.NewRecorder()
		h.server.ServeHTTP(w, r)
		return w.Code
	}
	const here, there = "127.0.0.1:5000", "203.0.113.7:5000"
	for _, c := range []struct {
		status int
		from   string
		header []string
	}{
		{200, here, nil}, {200, "[::1]:5000", nil}, {401, there, nil}, {401, here, []string{"X-Forwarded-For", "203.0.113.7"}},
		{403, there, []string{"APCA-API-KEY-ID", h.key, "APCA-API-SECRET-KEY", h.secret}},
		{200, there, []string{"APCA-API-KEY-ID", key, "APCA-API-SECRET-KEY", secret}},
	} {
		for _, path := range []string{"/metrics", "/api/v1/capacity"} {
			if status := ask(path, c.from, c.header...); status != c.status {
				t.Errorf("%s from %s %v: %d, want %d", path, c.from, len(c.header), status, c.status)
			}
		}
	}
}

// A period that begins before clocks do is all there is.
func TestLongPeriods(t *testing.T) {
	h := openHouse(t)
	h.must(&trade.Command{Kind: trade.StartDayKind, StartDay: trade.StartDay{Day: 20260709}})
	for _, period := range []string{"all", "1000A"} {
		r := h.ask("GET", "/v2/account/portfolio/history?period="+period, "")
		times, _ := r.json["timestamp"].([]any)
		if len(times) != 3 || times[0].(float64) > float64(h.now().Unix()) {
			t.Errorf("%s: %d %s", period, r.status, r.raw)
		}
	}
}

// lookingWriter looks at the queue when an answer is written.
type lookingWriter struct {
	httptest.ResponseRecorder
	look func()
}

func (w *lookingWriter) Write(b []byte) (int, error) {
	w.look()
	return w.ResponseRecorder.Write(b)
}

// Whoever reads an answer slowly holds nobody's place: all that is worked on is over when it is written.
func TestWritingHoldsNoTurn(t *testing.T) {
	h := openHouse(t)
	for _, path := range []string{"/api/v1/openapi.yaml", "/udf/time", "/v2/clock", "/v2/account", "/v2/orders/none",
		"/api/v1/statements/2026-07"} {
		under, written := 0, false
		w := &lookingWriter{ResponseRecorder: *httptest.NewRecorder()}
		w.look = func() {
			written = true
			for _, class := range intake.Classes() {
				under += h.server.Door.Queue.Status(class).Under
			}
		}
		r := httptest.NewRequest("GET", path, nil)
		r.Header.Set("Apca-Api-Key-Id", h.key)
		r.Header.Set("Apca-Api-Secret-Key", h.secret)
		h.server.ServeHTTP(w, r)
		if !written || under > 0 {
			t.Errorf("%s: %d are worked on while it is written (%v): %d", path, under, written, w.Code)
		}
	}
}
