package api

import (
	"fmt"
	"math"
	"testing"
	"time"

	"evenkeel/core/money"
	"evenkeel/core/trade"
	"evenkeel/szse"
)

// floats reads an array of numbers.
func floats(t *testing.T, v any) (list []float64) {
	t.Helper()
	all, ok := v.([]any)
	if !ok {
		t.Fatalf("%v is no array", v)
	}
	for _, one := range all {
		list = append(list, one.(float64))
	}
	return list
}

// move brings cash and shares in, or takes them out, one second after the other.
func (h *house) move(reference string, cash money.Cash, quantity money.Quantity) {
	h.t.Helper()
	if cash != 0 {
		h.must(&trade.Command{Kind: trade.MoveCashKind, MoveCash: trade.MoveCash{Account: h.account,
			Amount: cash * money.Scale, Reference: []byte(reference)}})
	}
	if quantity != 0 {
		h.must(&trade.Command{Kind: trade.MoveSharesKind, MoveShares: trade.MoveShares{Account: h.account, Security: 1,
			Quantity: quantity, Reference: []byte(reference)}})
	}
	h.later(time.Second)
}

// What comes in or leaves is neither profit nor loss: only what the market did is.
func TestEquityWithoutFlows(t *testing.T) {
	h := openHouse(t) // 1,000,000.00 came in, then 1,050 shares at a cost of 9,450.00, which closed at 10.00
	h.later(time.Second)
	history := func(more string) (gain, part, equity []float64, flows map[string]any, base float64) {
		t.Helper()
		r := h.ask("GET", "/v2/account/portfolio/history?period=all"+more, "")
		if r.status != 200 {
			t.Fatalf("%d %s", r.status, r.raw)
		}
		return floats(t, r.json["profit_loss"]), floats(t, r.json["profit_loss_pct"]), floats(t, r.json["equity"]),
			r.json["cashflow"].(map[string]any), r.json["base_value"].(float64)
	}
	last := func(list []float64) float64 { return list[len(list)-1] }
	near := func(what string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 1e-6 {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	h.tick("600000.SH", 100_000, 100) // 10.00: nothing gained
	gain, _, equity, flows, base := history("")
	near("base: the first that came in", base, 1_000_000)
	near("gain on the first day", last(gain), 0)
	near("equity on the first day", last(equity), 1_010_500)
	near("shares that came in", last(floats(t, flows["JNLS"])), 10_500)

	h.must(&trade.Command{Kind: trade.StartDayKind, StartDay: trade.StartDay{Day: 20260709}})
	h.later(24 * time.Hour)
	h.move("in", 500_000, 0)
	h.move("out", -200_000, 0)
	h.move("more", 0, 1000) // at yesterday's close, 10.00, though they cost nothing
	for _, price := range []money.Price{100_000, 110_000, 90_000} {
		h.market.Quote(&szse.Quote{Security: marketName("600000.SH", trade.SSE), Phase: trade.Continuous,
			Time: trade.Time(h.now().UnixNano()), PreviousClose: 100_000, Last: price})
		gain, part, equity, flows, _ := history("")
		worth := float64(price) / 10_000 * 2050
		near("equity", last(equity), 1_300_000+worth)
		near("gain when the day began", gain[1], 0)
		near(fmt.Sprintf("gain at %d", price), last(gain), worth-20_500)
		near("shares that came in", last(floats(t, flows["JNLS"])), 20_500)
		near("deposits", last(floats(t, flows["CSD"])), 500_000)
		near("withdrawals", last(floats(t, flows["CSW"])), -200_000)
		if last(part) != 0 && math.Signbit(last(part)) != math.Signbit(last(gain)) {
			t.Errorf("a part of %v for a gain of %v", last(part), last(gain))
		}
		sum := 0.0
		for _, of := range flows {
			sum += last(floats(t, of))
		}
		near("what equity is made of", last(equity), base+last(gain)+sum)
	}
	if _, _, _, flows, _ := history("&cashflow_types=CSW"); len(flows) != 1 || flows["CSW"] == nil {
		t.Errorf("asked for withdrawals, told of %v", flows)
	}
	if _, _, _, flows, _ := history("&cashflow_types=NONE"); len(flows) != 0 {
		t.Errorf("asked for none, told of %v", flows)
	}
}
