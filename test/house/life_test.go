package house_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestLifeOfAnInvestor is the main job on a quiet market: log in, look, pay in, buy, be refused a same-day sale,
// sell, cancel, replace, read it all back, and find it unchanged after kill -9 and after SIGTERM.
func TestLifeOfAnInvestor(t *testing.T) {
	t.Parallel()
	h := open(t, "--flow", "0")
	maker, wang := h.accounts[0], h.accounts[1]
	const moutai, bank = "600519.SH", "600036.SH"

	// A password opens a session; its token is as good as a key.
	login := h.must(http.StatusOK, account{}, "POST", "/api/v1/login", object{"login": wang.Login,
		"password": wang.Password})
	bearer := []string{"Authorization", "Bearer " + text(login, "token")}
	h.must(http.StatusUnauthorized, account{}, "POST", "/api/v1/login", object{"login": wang.Login,
		"password": "wrong password"})
	if got := text(h.must(http.StatusOK, account{}, "GET", "/api/v1/account", nil, bearer...),
		"login"); got != wang.Login {
		t.Fatalf("the session is %q's", got)
	}

	// The market: the security's terms, its limits of the day from 1688.00 +- 10 %.
	quote := h.must(http.StatusOK, wang, "GET", "/api/v1/quotes/"+moutai, nil)
	if text(quote, "limit_up") != "1856.80" || text(quote, "limit_down") != "1519.20" || text(quote,
		"phase") != "CONTINUOUS" {
		t.Fatalf("quote %v", quote)
	}

	// Money comes in: 1,000,000.00 of the demo and 250,000.50. The same reference twice moves once.
	for range 2 {
		h.must(http.StatusOK, wang, "POST", "/api/v1/cash", object{"amount": "250000.50", "reference": "first"})
	}
	cash := parse(t, "1250000.50")
	check := func(what string, who account, want object) {
		t.Helper()
		got := h.standing(who)
		for path, value := range want {
			if text(got, "balance."+path) != fmt.Sprint(value) {
				t.Errorf("%s: %s is %s, want %v", what, path, text(got, "balance."+path), value)
			}
		}
	}
	check("paid in", wang, object{"available": cash, "frozen": "0.00", "withdrawable": cash})

	// What an order would cost is told before: 100 at 35.20 pays the least commission.
	preview := h.must(http.StatusOK, wang, "POST", "/api/v1/preview", object{"symbol": bank, "side": "buy",
		"type": "LIMIT", "price": "35.20", "quantity": "100"})
	if cost := fen(100 * 3520); text(preview, "total") != (cost + feesOf("buy", cost).total()).String() {
		t.Errorf("preview %v", preview)
	}

	// The maker offers 300 at 1690.01. A bid of 500 at 1690.02 takes them at the maker's price; 200 rest, frozen with
	// their worst fees. What was frozen for the bid before: amount at the limit and fees of it.
	offer := h.place(maker, limit("sell", moutai, 300, "1690.01"))
	h.order(maker, offer, "new")
	bid := h.place(wang, limit("buy", moutai, 500, "1690.02"))
	bought := h.order(wang, bid, "partially_filled")
	amount := fen(300 * 169001)
	paid := feesOf("buy", amount)
	for path, want := range map[string]any{"filled_qty": 300, "filled_avg_price": "1690.01",
		"cn.filled_amount":   amount,
		"cn.fees.commission": paid.commission, "cn.fees.stamp_duty": paid.stamp,
		"cn.fees.transfer_fee": paid.transfer} {
		if text(bought, path) != fmt.Sprint(want) {
			t.Errorf("bid: %s is %s, want %v", path, text(bought, path), want)
		}
	}
	// What the whole order would cost at its worst, less what it has cost: that stays frozen.
	worst := amount + fen(200*169002)
	frozen := worst + feesOf("buy", worst).total() - amount - paid.total()
	check("partly filled", wang, object{"available": cash - amount - paid.total() - frozen, "frozen": frozen})

	// T+1: what was bought today is not sellable today, and the answer says how much is.
	p := position(h.standing(wang), moutai) // the demo gave 2000 before
	if text(p, "total") != "2300" || text(p, "sellable") != "2000" || text(p, "bought_today") != "300" {
		t.Errorf("position %v", p)
	}
	refusal := h.must(http.StatusForbidden, wang, "POST", "/v2/orders", limit("sell", moutai, 2300, "1700.00"))
	if text(refusal, "reason") != "INSUFFICIENT_SELLABLE" || text(refusal, "available") != "2000" || text(refusal,
		"existing_qty") != "2300" {
		t.Errorf("T+1: %v", refusal)
	}

	// The rest is cancelled: everything that was frozen comes back.
	if status, _ := h.call(wang, "DELETE", "/v2/orders/"+bid, nil); status != http.StatusNoContent {
		t.Fatalf("cancel: status %d", status)
	}
	h.order(wang, bid, "canceled")
	cash -= amount + paid.total()
	check("cancelled", wang, object{"available": cash, "frozen": "0.00", "receivable": "0.00"})

	// A sale: the proceeds may be spent at once, and not withdrawn today.
	ask := h.place(wang, limit("sell", moutai, 200, "1690.01"))
	h.order(wang, ask, "new")
	h.order(maker, h.place(maker, limit("buy", moutai, 200, "1690.01")), "filled")
	h.order(wang, ask, "filled")
	proceeds := fen(200 * 169001)
	proceeds -= feesOf("sell", fen(200*169001)).total()
	check("sold", wang, object{"available": cash + proceeds, "receivable": proceeds, "withdrawable": cash})
	cash += proceeds

	// Replace: cancel and new in one; the new order is linked to the old one.
	first := h.place(wang, limit("buy", bank, 1000, "35.00"))
	h.order(wang, first, "new")
	second := text(h.must(http.StatusOK, wang, "PATCH", "/v2/orders/"+first, object{"qty": "1200",
		"limit_price": "34.90"}), "id")
	replaced := h.order(wang, first, "replaced")
	fresh := h.order(wang, second, "new")
	if text(replaced, "replaced_by") != second || text(fresh, "replaces") != first || text(fresh, "qty") != "1200" {
		t.Errorf("replace: %v by %v", replaced, fresh)
	}
	bound := fen(1200 * 3490)
	bound += feesOf("buy", bound).total()
	check("replaced", wang, object{"available": cash - bound, "frozen": bound})

	// A small sale pays the least commission, 5.00: 100 at 35.20 of shares that custody brought.
	if said, err := h.desk("", "shares", wang.Login, "--symbol", bank, "--quantity", "100"); err != nil {
		t.Fatalf("%v %s", err, said)
	}
	h.order(maker, h.place(maker, limit("buy", bank, 100, "35.20")), "new")
	small := h.order(wang, h.place(wang, limit("sell", bank, 100, "35.20")), "filled")
	if least := feesOf("sell", 100*3520); text(small, "cn.fees.commission") != "5.00" ||
		text(small, "cn.fees.total") != least.total().String() {
		t.Errorf("a small sale costs %v, want %v", small["cn"], least)
	}
	little := fen(100*3520) - feesOf("sell", 100*3520).total()
	cash, proceeds = cash+little, proceeds+little
	check("sold a little", wang, object{"available": cash - bound, "receivable": proceeds})

	// Activities: one line a fill, and the deposits.
	fills := h.list(wang, "/v2/account/activities/FILL")
	if len(fills) != 3 || text(fills[1], "side") != "sell" || text(fills[1], "qty") != "200" ||
		text(fills[2], "qty") != "300" || text(fills[2], "price") != "1690.01" {
		t.Errorf("fills %v", fills)
	}
	if paid := h.list(wang, "/v2/account/activities/CSD"); len(paid) != 2 || text(paid[0],
		"net_amount") != "250000.50" {
		t.Errorf("deposits %v", paid)
	}
	history := h.must(http.StatusOK, wang, "GET", "/v2/account/portfolio/history?period=1D", nil)
	if equity, _ := history["equity"].([]any); len(equity) == 0 {
		t.Errorf("portfolio history %v", history)
	}

	// Events: numbered from 1 without gaps, and the stream replays from any number.
	all := h.events(wang)
	for _, from := range []int{1, len(all) / 2, len(all)} {
		if got := h.stream(wang, from, len(all)-from+1); !reflect.DeepEqual(got, all[from-1:]) {
			t.Errorf("the stream from %d differs from the list:\n%v\n%v", from, got, all[from-1:])
		}
	}

	// What was told holds after the worst end and after the best.
	before := h.picture(wang)
	for _, end := range []string{"kill -9", "SIGTERM"} {
		if end == "kill -9" {
			h.Kill()
		} else {
			h.Stop()
		}
		h.start()
		h.ready()
		if lines := differences("", before, h.picture(wang)); len(lines) > 0 {
			t.Errorf("what was told before and after %s differs:\n%s", end, strings.Join(lines, "\n"))
		}
		if said, err := h.desk("", "check"); err != nil {
			t.Errorf("after %s the books do not add up: %v %s", end, err, said)
		}
	}
	h.must(http.StatusOK, account{}, "GET", "/api/v1/account", nil, bearer...) // the session lives on
	if status, _ := h.call(wang, "DELETE", "/v2/orders/"+second, nil); status != http.StatusNoContent {
		t.Fatalf("cancel after the restarts: status %d", status)
	}
	h.order(wang, second, "canceled")
	check("in the end", wang, object{"available": cash, "frozen": "0.00", "withdrawable": cash - proceeds})
}

// picture is everything that an account can see of itself and that may not change by a restart.
func (h *house) picture(who account) object {
	h.t.Helper()
	standing := h.standing(who)
	delete(standing, "market_value") // follow the quotes
	delete(standing, "equity")
	return object{"standing": standing, "orders": h.list(who, "/v2/orders?status=all&limit=500"),
		"events":     h.events(who),
		"activities": h.list(who, "/v2/account/activities")}
}

// stream reads so many events of an account's live stream, from a number on. It may run on a goroutine of its own.
func (h *house) stream(who account, from, count int) (rows []object) {
	ctx, cancel := context.WithTimeout(h.t.Context(), waitLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/api/v1/events?from=%d", h.url,
		from), nil)
	if err != nil {
		h.t.Error(err)
		return nil
	}
	request.Header.Set("APCA-API-KEY-ID", who.KeyID)
	request.Header.Set("APCA-API-SECRET-KEY", who.Secret)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		h.t.Error(err)
		return nil
	}
	defer func() { _ = response.Body.Close() }()
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 1<<20)
	for len(rows) < count && lines.Scan() {
		if body, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			var e object
			if err := json.Unmarshal([]byte(body), &e); err != nil {
				h.t.Error(err)
			}
			rows = append(rows, e)
		}
	}
	if len(rows) < count {
		h.t.Errorf("the stream from %d ended after %d events of %d: %v", from, len(rows), count, lines.Err())
	}
	return rows
}

// TestStopWithStreamsOpen ends a house whose streams are in use: they are cut off, and the process ends in time.
func TestStopWithStreamsOpen(t *testing.T) {
	t.Parallel()
	h := open(t)
	cut := make(chan error, 8)
	for i := range cap(cut) {
		path := []string{"/api/v1/events?from=1", "/v2/events/trades"}[i%2]
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("APCA-API-KEY-ID", h.accounts[i%4].KeyID)
		request.Header.Set("APCA-API-SECRET-KEY", h.accounts[i%4].Secret)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			lines := bufio.NewScanner(response.Body)
			for lines.Scan() {
			}
			cut <- lines.Err()
			_ = response.Body.Close()
		}()
	}
	const drain = 5 * time.Second
	if took := h.Stop(); took > drain {
		t.Errorf("took %v to end, want at most %v", took, drain)
	}
	for range cap(cut) {
		if err := <-cut; err == nil {
			t.Error("a stream ended cleanly: its client would not come back")
		}
	}
}
