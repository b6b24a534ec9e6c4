package house_test

import (
	"fmt"
	"net/http"
	"testing"
)

// phase waits until Shanghai stands in a phase, by the market data and by the books.
func (h *house) phase(name string) {
	h.t.Helper()
	eventually(h.t, "phase "+name, func() error {
		_, body := h.call(account{}, "GET", "/readyz", nil)
		who := h.accounts[0]
		_, quote := h.call(who, "GET", "/api/v1/quotes/600000.SH", nil)
		_, phases := h.call(who, "GET", "/api/v1/phases", nil)
		list, _ := phases["phases"].([]any)
		for _, one := range list {
			if p, _ := one.(object); p["market"] == "XSHG" && p["phase"] == name && quote["phase"] == name {
				return nil
			}
		}
		return fmt.Errorf("quote %v, phases %v, %v", quote["phase"], phases, body)
	})
}

func (h *house) refused(who account, method, path string, body any, row refusalRow) {
	h.t.Helper()
	status, answer := h.call(who, method, path, body)
	refusal{status, answer}.is(h.t, row)
}

func (h *house) cancelled(who account, id string) {
	h.t.Helper()
	if status, answer := h.call(who, "DELETE", "/v2/orders/"+id, nil); status != http.StatusNoContent {
		h.t.Fatalf("cancel %s: status %d %v", id, status, answer)
	}
}

// TestOpeningCall lives through the morning in seconds: the call, its locked part, the opening price, the gap.
func TestOpeningCall(t *testing.T) {
	t.Parallel()
	h := open(t, "--flow", "0", "--sessions", "real", "--start", "2026-11-23T09:14:00+08:00", "--speed", "75")
	buyer, seller := h.accounts[0], h.accounts[1]
	const symbol = "600000.SH"
	h.phase("OPENING_CALL")
	market := object{"symbol": symbol, "side": "buy", "qty": "100", "type": "market"}
	h.refused(buyer, "POST", "/v2/orders", market, refusalRow{status: 422, reason: "MARKET_ORDER_NOT_NOW"})
	bid := h.place(buyer, limit("buy", symbol, 500, "10.10"))
	rest := h.place(buyer, limit("buy", symbol, 200, "9.95"))
	gone := h.place(buyer, limit("buy", symbol, 100, "9.50")) // no cage in a call
	h.order(buyer, gone, "new")
	h.cancelled(buyer, gone) // the first five minutes take cancels
	h.order(buyer, gone, "canceled")

	h.phase("OPENING_CALL_LOCKED")
	ask := h.place(seller, limit("sell", symbol, 500, "10.00")) // orders are taken, cancels are not
	h.order(seller, ask, "new")
	h.refused(buyer, "DELETE", "/v2/orders/"+rest, nil, refusalRow{status: 422, reason: "NO_CANCEL_PHASE"})
	h.refused(buyer, "PATCH", "/v2/orders/"+rest, object{"qty": "100"}, refusalRow{status: 422,
		reason: "NO_CANCEL_PHASE"})

	// 500 at 10.10 meet 500 at 10.00 and nothing is left at either price: Shanghai takes the middle, 10.05.
	if o := h.order(buyer, bid, "filled"); text(o, "filled_avg_price") != "10.05" {
		t.Errorf("opening price %v, want 10.05", text(o, "filled_avg_price"))
	}
	h.order(seller, ask, "filled")

	h.phase("OPENING_GAP")
	held := h.place(seller, limit("sell", symbol, 100, "10.05"))
	if o := h.must(200, seller, "GET", "/api/v1/orders/"+held, nil); text(o, "status") != "HELD" {
		t.Errorf("in the gap an order is %v, want HELD", text(o, "status"))
	}
	h.cancelled(buyer, rest) // held as well, and sent first at 09:30
	h.phase("CONTINUOUS")
	h.order(seller, held, "new", "filled", "partially_filled")
	h.order(buyer, rest, "canceled", "filled", "partially_filled")
}

// TestLunch holds what comes at noon until 13:00.
func TestLunch(t *testing.T) {
	t.Parallel()
	h := open(t, "--flow", "0", "--sessions", "real", "--start", "2026-11-23T11:29:30+08:00", "--speed", "600")
	buyer, seller := h.accounts[0], h.accounts[1]
	const symbol = "600000.SH"
	h.phase("LUNCH")
	ask := h.place(seller, limit("sell", symbol, 200, "10.00"))
	bid := h.place(buyer, limit("buy", symbol, 200, "10.00"))
	gone := h.place(buyer, limit("buy", symbol, 100, "9.99"))
	if o := h.must(200, buyer, "GET", "/api/v1/orders/"+bid, nil); text(o, "status") != "HELD" || text(o,
		"cn.frozen_cash") != "2005.02" {
		t.Errorf("at lunch a bid is %v with %v frozen, want HELD with 2005.02", text(o, "status"), text(o,
			"cn.frozen_cash"))
	}
	h.cancelled(buyer, gone) // what is still here needs no exchange
	h.order(buyer, gone, "canceled")
	h.phase("CONTINUOUS")
	h.order(seller, ask, "filled")
	h.order(buyer, bid, "filled")
}

// TestClose ends the day: closing call without cancels, fixed-price trading at the close, closed.
func TestClose(t *testing.T) {
	t.Parallel()
	h := open(t, "--flow", "0", "--sessions", "real", "--start", "2026-11-23T14:55:40+08:00", "--speed", "60")
	buyer, seller := h.accounts[0], h.accounts[1]
	const symbol = "600000.SH"
	h.phase("CLOSING_CALL")
	bid := h.place(buyer, limit("buy", symbol, 500, "10.10"))
	ask := h.place(seller, limit("sell", symbol, 200, "10.10"))
	h.order(buyer, bid, "new", "partially_filled")
	h.refused(buyer, "DELETE", "/v2/orders/"+bid, nil, refusalRow{status: 422, reason: "NO_CANCEL_PHASE"})
	h.order(seller, ask, "filled") // the close is 10.10
	h.phase("FIXED_PRICE_ENTRY")
	fixed := func(side, price string) object {
		return broken(limit(side, symbol, 100, price), "cn", object{"market_type": "FIXED_PRICE"})
	}
	void := h.order(seller, h.place(seller, fixed("sell", "10.11")), "rejected") // the exchange knows the close
	if text(void, "cn.reason") != "FIXED_PRICE_VOID" || text(void, "cn.reason_text_zh") == "" {
		t.Errorf("a sale above the close was rejected for %v", void["cn"])
	}
	sell, buy := h.place(seller, fixed("sell", "10.00")), h.place(buyer, fixed("buy", "10.20"))
	for who, id := range map[account]string{seller: sell, buyer: buy} {
		if o := h.order(who, id, "filled"); text(o, "filled_avg_price") != "10.10" {
			t.Errorf("after hours a fill is at %v, want the close 10.10", text(o, "filled_avg_price"))
		}
	}

	// The rest of the half hour is skipped: a start of the clock that is later than the journal's last time wins.
	h.Kill()
	h.args = []string{"--flow", "0", "--sessions", "real", "--start", "2026-11-23T15:29:59+08:00"}
	h.start()
	h.ready()
	h.phase("CLOSED")
	h.refused(buyer, "POST", "/v2/orders", limit("buy", symbol, 100, "10.00"), refusalRow{status: 422,
		reason: "MARKET_CLOSED"})
	if o := h.order(buyer, bid, "expired"); text(o, "filled_qty") != "200" || text(o,
		"cn.reason") != "EXPIRED_AT_CLOSE" {
		t.Errorf("the bid ended with %v filled for %v, want 200 and EXPIRED_AT_CLOSE", text(o, "filled_qty"), text(o,
			"cn.reason"))
	}
}
