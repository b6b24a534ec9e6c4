package house_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// TestTheDayTurns trades on a Monday, lets midnight pass while a stream is open, and goes on on Tuesday: what was
// open has expired, what was bought is sellable, what was owed is withdrawable, and every event and record of Monday
// is there.
func TestTheDayTurns(t *testing.T) {
	t.Parallel()
	// Each start of the exchange's clock is later than the last: the hours between pass while the house is off.
	at := func(start, speed string) []string {
		return []string{"--flow", "0", "--sessions", "real", "--start", start, "--speed", speed}
	}
	h := open(t, at("2026-11-23T10:00:00+08:00", "1")...)
	who, maker := h.accounts[0], h.accounts[1]
	const symbol = "600036.SH" // not among the demo's holdings
	h.phase("CONTINUOUS")
	said, err := h.desk("", "shares", maker.Login, "--symbol", symbol, "--quantity", "1000")
	if err != nil {
		t.Fatalf("%v %s", err, said)
	}
	// Bought 400 at 35.20 = 14,080.00; sold 1000 of the demo's 600000.SH at 10.00 = 10,000.00; one bid stays open.
	h.order(maker, h.place(maker, limit("sell", symbol, 400, "35.20")), "new")
	bought := h.place(who, limit("buy", symbol, 400, "35.20"))
	h.order(who, bought, "filled")
	h.order(maker, h.place(maker, limit("buy", "600000.SH", 1000, "10.00")), "new")
	sold := h.place(who, limit("sell", "600000.SH", 1000, "10.00"))
	h.order(who, sold, "filled")
	open := h.place(who, limit("buy", symbol, 100, "35.00"))
	h.order(who, open, "new")
	h.refused(who, "POST", "/v2/orders", limit("sell", symbol, 400, "35.20"), refusalRow{status: 403,
		reason: "INSUFFICIENT_SELLABLE", given: "400", bound: "0"})
	cost, gain := fen(1_408_000), fen(1_000_000)
	cost += feesOf("buy", cost).total()
	gain -= feesOf("sell", gain).total()
	cash := fen(100_000_000) - cost + gain
	monday := h.standing(who)
	if text(monday, "balance.receivable") != gain.String() || text(monday, "balance.withdrawable") == cash.String() {
		t.Errorf("on Monday %v", monday["balance"])
	}
	before := h.events(who)

	// Midnight, half an exchange-minute away.
	h.Kill()
	h.args = at("2026-11-23T23:59:30+08:00", "20")
	h.start()
	h.ready()
	turned := make(chan []object, 1)
	go func() { turned <- h.stream(who, len(before)+1, 3) }() // the expiry, and the new day of account and position
	eventually(t, "Tuesday", func() error {
		if day := text(h.must(200, who, "GET", "/v2/account", nil), "cn.day"); day != "2026-11-24" {
			return fmt.Errorf("it is %s", day)
		}
		return nil
	})
	if got := <-turned; len(got) == 3 && text(got[0], "order.cn.reason") != "EXPIRED_AT_CLOSE" {
		t.Errorf("the night told %v", got)
	}
	expired := h.order(who, open, "expired")
	if text(expired, "cn.frozen_cash") != "0.00" {
		t.Errorf("an expired order freezes %v", text(expired, "cn.frozen_cash"))
	}

	h.Stop()
	h.args = at("2026-11-24T09:40:00+08:00", "1")
	h.start()
	h.ready()
	h.phase("CONTINUOUS")
	tuesday := h.standing(who)
	for path, want := range map[string]fen{"available": cash, "frozen": 0, "receivable": 0, "withdrawable": cash} {
		if text(tuesday, "balance."+path) != want.String() {
			t.Errorf("on Tuesday %s is %s, want %v", path, text(tuesday, "balance."+path), want)
		}
	}
	if p := position(tuesday, symbol); text(p, "sellable") != "400" || text(p, "bought_today") != "0" {
		t.Errorf("on Tuesday %v", p)
	}
	// The bank takes all of it; the shares are sold.
	h.must(200, who, "POST", "/api/v1/cash", object{"amount": "-" + cash.String(), "reference": "to the bank"})
	h.order(maker, h.place(maker, limit("buy", symbol, 400, "35.20")), "new")
	h.order(who, h.place(who, limit("sell", symbol, 400, "35.20")), "filled")

	// Monday is still there, event by event, from the memory and, after another start, from the history.
	for range 2 {
		all := h.events(who) // numbered without gaps
		if !reflect.DeepEqual(all[:len(before)], before) {
			t.Errorf("Monday's events changed:\n%s", strings.Join(differences("", before, all[:len(before)]), "\n"))
		}
		days := map[string]int{}
		for _, e := range all {
			if text(e, "kind") == "ACCOUNT_DAY" {
				days[text(e, "day")]++
			}
		}
		if days["2026-11-24"] != 1 {
			t.Errorf("days that began for the account: %v", days)
		}
		if o := h.order(who, bought, "filled"); text(o, "cn.day") != "2026-11-23" {
			t.Errorf("Monday's order is of %v", text(o, "cn.day"))
		}
		if n := len(h.list(who, "/v2/orders?status=closed&limit=100")); n != 4 {
			t.Errorf("%d closed orders are told, want 4", n)
		}
		history := h.must(200, who, "GET", "/v2/account/portfolio/history?period=1M", nil)
		if equity, _ := history["equity"].([]any); len(equity) == 0 {
			t.Errorf("no equity of the day that ended: %v", history)
		}
		h.Kill()
		h.start()
		h.ready()
	}
}
