package api

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"evenkeel/statement"
)

// What a statement lists explains its cash to the cent, and the file is a PDF that holds it.
func TestStatement(t *testing.T) {
	h := openHouse(t)
	order := h.place(`{"symbol":"000001.SZ","side":"buy","type":"limit","limit_price":"11.40","qty":"300"}`)
	h.accept(order)
	h.fill(order, 200, 113_900) // the rest stays frozen
	if r := h.ask("POST", "/api/v1/cash", `{"amount":"-1000.50","reference":"rent"}`); r.status != 200 {
		t.Fatalf("%d %s", r.status, r.raw)
	}
	read := func(month time.Month) *statement.Statement {
		t.Helper()
		c := &call{r: httptest.NewRequest("GET", "/", nil), w: httptest.NewRecorder()}
		c.who.Account = h.account
		v, err := h.server.statementOf(c, time.Date(2026, month, 1, 0, 0, 0, 0, shanghai))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	v := read(time.July)
	sums := v.Sums()
	got := fmt.Sprintf("%s + %s - %s - %s - %s = %s, %d trades, %d positions, %t", v.Opening, sums.In, sums.Out, sums.Bought,
		sums.Fees, v.Closing, len(v.Trades), len(v.Positions), v.Balanced())
	want := "0.00 + 1000000.00 - 1000.50 - 2278.00 - 5.02 = 996716.48, 1 trades, 2 positions, true"
	if got != want {
		t.Errorf("the month is\n%s\nwant\n%s", got, want)
	}
	for _, language := range []string{"zh", "en"} {
		r := h.ask("GET", "/api/v1/statements/2026-07?language="+language, "")
		if r.status != 200 || r.header.Get("Content-Type") != "application/pdf" || !strings.HasPrefix(r.raw, "%PDF-") {
			t.Errorf("%d %s %.20q", r.status, r.header.Get("Content-Type"), r.raw)
		}
	}
	h.mu.Lock()
	h.clock = h.clock.AddDate(0, 1, 0)
	h.mu.Unlock()
	if v := read(time.August); v.Opening.String() != "996716.48" || v.Closing != v.Opening || !v.Balanced() {
		t.Errorf("a month of nothing goes from %s to %s", v.Opening, v.Closing)
	}
	if v := read(time.July); !v.Whole || v.Closing.String() != "996716.48" {
		t.Errorf("a month that is over: whole %t, %s", v.Whole, v.Closing)
	}
	if err := v.Write(&bytes.Buffer{}); err != nil {
		t.Error(err)
	}
}
