package house_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// refusalRow is a bad request and what the answer says: status, reason, and the numbers where there are any.
type refusalRow struct {
	name                  string
	body                  any
	status                int
	reason                string
	given, bound, nearest string
}

// broken is an order with one member changed; nil takes it out.
func broken(order object, name string, value any) object {
	changed := object{}
	for k, v := range order {
		changed[k] = v
	}
	if changed[name] = value; value == nil {
		delete(changed, name)
	}
	return changed
}

// TestRefusals sends everything that is wrong with an order during continuous trading. 600000.SH closed at 10.00, so
// its limits are 11.00 and 9.00 and, with an empty book, its cage is 10.20 and 9.80.
func TestRefusals(t *testing.T) {
	t.Parallel()
	h := open(t, "--flow", "0")
	who := h.accounts[0]
	if said, err := h.desk("", "shares", who.Login, "--symbol", "600000.SH", "--quantity", "50"); err != nil {
		t.Fatalf("%v %s", err, said)
	}
	const symbol = "600000.SH"
	good := limit("buy", symbol, 100, "10.00")
	market := object{"symbol": symbol, "side": "buy", "qty": "100", "type": "market"}
	rows := []refusalRow{
		{"no JSON", `{"symbol":`, 400, "BAD_JSON", "", "", ""},
		{"a list", `[1,2]`, 400, "BAD_JSON", "", "", ""},
		{"two objects", `{"symbol":"600000.SH"}{}`, 400, "BAD_JSON", "", "", ""},
		{"empty", ``, 422, "MISSING_FIELD", "", "", ""},
		{"a body over the limit", `{"symbol":"` + strings.Repeat("x", 70_000) + `"}`, 413, "BODY_TOO_LARGE", "", "",
			""},
		{"quantity of a wrong type", broken(good, "qty", object{}), 422, "BAD_FIELD", "", "", ""},
		{"price of words", broken(good, "limit_price", "ten"), 422, "BAD_FIELD", "", "", ""},
		{"no side", broken(good, "side", nil), 422, "MISSING_FIELD", "", "", ""},
		{"no symbol", broken(good, "symbol", nil), 422, "MISSING_FIELD", "", "", ""},
		{"no quantity", broken(good, "qty", nil), 422, "MISSING_FIELD", "", "", ""},
		{"limit without a price", broken(good, "limit_price", nil), 422, "MISSING_FIELD", "", "", ""},
		{"unknown side", broken(good, "side", "hold"), 422, "BAD_FIELD", "", "", ""},
		{"a stop order", broken(good, "type", "stop"), 422, "ORDER_TYPE_NOT_AVAILABLE", "", "", ""},
		{"good till cancelled", broken(good, "time_in_force", "gtc"), 422, "TIME_IN_FORCE_NOT_AVAILABLE", "", "", ""},
		{"a bracket", broken(good, "order_class", "bracket"), 422, "ORDER_CLASS_NOT_AVAILABLE", "", "", ""},
		{"part of a share", broken(good, "qty", "100.5"), 422, "BAD_FIELD", "", "", ""},
		{"an unknown symbol", broken(good, "symbol", "999999.SH"), 422, "SYMBOL_UNKNOWN", "", "", ""},
		{"a suspended security", limit("buy", "603999.SH", 100, "6.10"), 422, "SECURITY_SUSPENDED", "", "", ""},
		{"no shares", broken(good, "qty", "0"), 422, "QUANTITY_NOT_POSITIVE", "", "", ""},
		{"fewer than none", broken(good, "qty", "-100"), 422, "QUANTITY_NOT_POSITIVE", "-100", "0", ""},
		{"below a lot", broken(good, "qty", "50"), 422, "QUANTITY_BELOW_MINIMUM", "50", "100", "100"},
		{"one lot and a half", broken(good, "qty", "150"), 422, "QUANTITY_NOT_IN_LOTS", "150", "100", "100"},
		{"above the maximum", broken(good, "qty", "1000100"), 422, "QUANTITY_ABOVE_MAXIMUM", "1000100", "1000000",
			"1000000"},
		{"STAR below 200", limit("buy", "688981.SH", 199, "52.66"), 422, "QUANTITY_BELOW_MINIMUM", "199", "200",
			"200"},
		{"STAR above its maximum", limit("buy", "688981.SH", 100_001, "52.66"), 422, "QUANTITY_ABOVE_MAXIMUM",
			"100001", "100000", "100000"},
		{"BSE below 100", limit("buy", "920023.BJ", 99, "3.64"), 422, "QUANTITY_BELOW_MINIMUM", "99", "100", "100"},
		{"an odd lot in two", limit("sell", symbol, 30, "10.00"), 422, "ODD_LOT_NOT_WHOLE", "30", "50", "50"},
		{"half a tick", broken(good, "limit_price", "10.005"), 422, "PRICE_NOT_ON_TICK", "10.005", "0.01", "10.00"},
		{"an ETF's tick", limit("buy", "510300.SH", 100, "3.9125"), 422, "PRICE_NOT_ON_TICK", "3.9125", "0.001",
			"3.912"},
		{"above the upper limit", broken(good, "limit_price", "11.01"), 422, "PRICE_ABOVE_LIMIT", "11.01", "11.00",
			"11.00"},
		{"below the lower limit", limit("sell", symbol, 100, "8.99"), 422, "PRICE_BELOW_LIMIT", "8.99", "9.00",
			"9.00"},
		{"above the cage", broken(good, "limit_price", "10.21"), 422, "PRICE_OUTSIDE_CAGE", "10.21", "10.20",
			"10.20"},
		{"below the cage", limit("sell", symbol, 100, "9.79"), 422, "PRICE_OUTSIDE_CAGE", "9.79", "9.80", "9.80"},
		{"no cash", limit("buy", "600519.SH", 700, "1688.00"), 403, "INSUFFICIENT_CASH", "1181907.22", "1000000.00",
			"1000000.00"},
		{"nothing sellable", limit("sell", "601398.SH", 100, "5.42"), 403, "INSUFFICIENT_SELLABLE", "100", "0", ""},
		{"fill or kill at Shanghai", broken(market, "time_in_force", "fok"), 422, "TIME_IN_FORCE_NOT_AVAILABLE", "",
			"", ""},
		{"market without a daily limit", broken(market, "symbol", "301999.SZ"), 422, "MARKET_ORDER_NO_LIMIT", "", "",
			""},
		{"after hours too early", broken(good, "cn", object{"market_type": "FIXED_PRICE"}), 422, "FIXED_PRICE_NOT_NOW",
			"", "", ""},
		{"a name over 128 bytes", broken(good, "client_order_id", strings.Repeat("x", 129)), 422,
			"CLIENT_ORDER_ID_TOO_LONG", "129", "128", "128"},
	}
	before := h.standing(who)
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			status, answer := h.call(who, "POST", "/v2/orders", row.body)
			refusal{status, answer}.is(t, row)
		})
	}
	if lines := differences("", before, h.standing(who)); len(lines) > 0 {
		t.Errorf("refusals changed the account:\n%s", strings.Join(lines, "\n"))
	}
	for name, order := range map[string]object{
		"STAR 200 and one": limit("buy", "688981.SH", 201, "52.66"),
		"BSE 100 and one":  limit("buy", "920023.BJ", 101, "3.64"),
		"an odd lot whole": limit("sell", symbol, 50, "10.00"),
		"unknown members":  broken(limit("buy", symbol, 100, "9.95"), "colour", "red"),
		"nulls and empty texts": {"symbol": symbol, "side": "buy", "qty": 100.0, "limit_price": "9.9", "type": "limit",
			"client_order_id": "", "legs": nil, "notional": nil, "order_class": ""},
	} {
		t.Run(name, func(t *testing.T) {
			id := h.place(who, order)
			h.order(who, id, "new")
			if o := h.must(200, who, "GET", "/v2/orders/"+id, nil); o["colour"] != nil {
				t.Errorf("an unknown member came back: %v", o)
			}
		})
	}
}

type refusal struct {
	status int
	answer object
}

// is checks a refusal: every one has a code that begins with the status, a reason, sentences in both languages that
// say the numbers, and the id of the request.
func (r refusal) is(t *testing.T, want refusalRow) {
	t.Helper()
	code := fmt.Sprintf("%.0f", r.answer["code"])
	if r.status != want.status || text(r.answer, "reason") != want.reason || !strings.HasPrefix(code,
		fmt.Sprint(want.status)) ||
		len(code) != 8 {
		t.Fatalf("status %d, code %s, reason %v; want %d %s: %v", r.status, code, r.answer["reason"], want.status,
			want.reason, r.answer)
	}
	for name, value := range map[string]string{"given": want.given, "bound": want.bound, "nearest": want.nearest} {
		if got := text(r.answer, name); got != value {
			t.Errorf("%s is %q, want %q: %v", name, got, value, r.answer)
		}
	}
	english, chinese := text(r.answer, "message_en"), text(r.answer, "message_zh")
	han := func(c rune) bool { return unicode.Is(unicode.Han, c) }
	if english == "" || strings.ContainsFunc(english, han) || !strings.ContainsFunc(chinese, han) || text(r.answer,
		"request_id") == "" {
		t.Errorf("texts %q and %q: %v", english, chinese, r.answer)
	}
	for _, number := range []string{want.given, want.bound, want.nearest} {
		if want.bound != "" && (!strings.Contains(english, number) || !strings.Contains(chinese, number)) {
			t.Errorf("%s is not in %q and %q", number, english, chinese)
		}
	}
}

// TestIdentities sends the same name twice, asks with wrong keys, and reaches for somebody else's order.
func TestIdentities(t *testing.T) {
	t.Parallel()
	h := open(t, "--flow", "0")
	who, other := h.accounts[0], h.accounts[1]
	order := broken(limit("buy", "600000.SH", 100, "9.90"), "client_order_id", "mine")
	first := h.must(200, who, "POST", "/v2/orders", order)
	response, body, err := h.ask(who, "POST", "/v2/orders", order)
	if err != nil || response.StatusCode != http.StatusOK || response.Header.Get("Idempotent-Replay") != "true" ||
		!strings.Contains(string(body), text(first, "id")) {
		t.Errorf("the same order again: %v %v %s", err, response, body)
	}
	status, answer := h.call(who, "POST", "/v2/orders", broken(order, "qty", "200"))
	refusal{status, answer}.is(t, refusalRow{status: 422, reason: "CLIENT_ORDER_ID_USED"})
	if n := len(h.list(who, "/v2/orders")); n != 1 {
		t.Errorf("%d orders are open, want 1", n)
	}
	key := []string{"Idempotency-Key", "a key"}
	plain := limit("buy", "600000.SH", 300, "9.80")
	one, two := h.must(200, who, "POST", "/v2/orders", plain, key...), h.must(200, who, "POST", "/v2/orders", plain,
		key...)
	if one["id"] != two["id"] {
		t.Errorf("one Idempotency-Key made %v and %v", one["id"], two["id"])
	}
	status, answer = h.call(who, "POST", "/v2/orders", broken(plain, "qty", "400"), key...)
	refusal{status, answer}.is(t, refusalRow{status: 422, reason: "IDEMPOTENCY_KEY_REUSED"})

	h.order(who, text(first, "id"), "new")
	path := "/v2/orders/" + text(first, "id")
	for _, try := range []struct {
		name   string
		who    account
		method string
		status int
		reason []string
	}{
		{"no key", account{}, "GET", 401, []string{"UNAUTHORIZED"}},
		{"a wrong secret", account{KeyID: who.KeyID, Secret: other.Secret}, "GET", 401, []string{"UNAUTHORIZED"}},
		{"an unknown key", account{KeyID: "EKNOBODY", Secret: "x"}, "DELETE", 401, []string{"UNAUTHORIZED"}},
		{"somebody else's order, read", other, "GET", 404, []string{"ORDER_UNKNOWN"}},
		{"somebody else's order, cancelled", other, "DELETE", 404, []string{"UNKNOWN_ORDER", "NOT_OWNER"}},
		{"somebody else's order, replaced", other, "PATCH", 404, []string{"UNKNOWN_ORDER", "NOT_OWNER"}},
	} {
		t.Run(try.name, func(t *testing.T) {
			var body any
			if try.method == "PATCH" {
				body = object{"qty": "200"}
			}
			status, answer := h.call(try.who, try.method, path, body)
			if status != try.status || !slices.Contains(try.reason, text(answer, "reason")) {
				t.Errorf("status %d %v, want %d %v", status, answer, try.status, try.reason)
			}
		})
	}
	h.order(who, text(first, "id"), "new") // nothing happened to it

	// A key that may only read reads, and does not trade; a revoked one does nothing.
	h.must(403, who, "POST", "/api/v1/keys", object{"label": "more"}) // keys are made by a login, not by a key
	login := h.must(200, account{}, "POST", "/api/v1/login", object{"login": who.Login, "password": who.Password})
	made := h.must(http.StatusCreated, account{}, "POST", "/api/v1/keys", object{"label": "eyes",
		"permissions": []string{"read"}},
		"Authorization", "Bearer "+text(login, "token"))
	eyes := account{KeyID: text(made, "id"), Secret: text(made, "secret")}
	h.must(200, eyes, "GET", path, nil)
	h.must(403, eyes, "POST", "/v2/orders", order)
	h.must(403, eyes, "DELETE", path, nil)
	if said, err := h.desk("", "revoke", who.Login, "--key-id", eyes.KeyID); err != nil {
		t.Errorf("revoke: %v %s", err, said)
	}
	h.must(401, eyes, "GET", path, nil)
}
