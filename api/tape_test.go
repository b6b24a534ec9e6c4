package api

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"evenkeel/core/money"
)

// TestTape reads the market's trades by number: from the beginning, from behind the last one that was read, with what
// comes live in between; none is missing, none comes twice, and what is gone is refused.
func TestTape(t *testing.T) {
	h := openHouse(t)
	for i := range 10 { // even numbers are of the one, odd ones of the other, from 1
		h.tick([]string{"600000.SH", "000001.SZ"}[i%2], money.Price(100_000), 100)
	}
	read := func(query string, count int, headers ...string) (ids []string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, "GET", h.url+"/api/v1/trades?symbols=600000.SH,000001.SZ"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i+1 < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		r.Header.Set("Apca-Api-Key-Id", h.key)
		r.Header.Set("Apca-Api-Secret-Key", h.secret)
		answer, err := h.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if answer.StatusCode != 200 {
			t.Fatalf("%s: %s", query, answer.Status)
		}
		for lines := bufio.NewScanner(answer.Body); len(ids) < count && lines.Scan(); {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				var one tapeTrade
				if err := json.Unmarshal([]byte(data), &one); err != nil || one.Price != "10.00" {
					t.Fatalf("%s: %v", data, err)
				}
				ids = append(ids, one.ID)
				if len(ids) == 4 { // what comes while the past is read
					h.tick("600000.SH", money.Price(100_000), 100)
				}
			}
		}
		return ids
	}
	first := read("&from=20260708-1", 11)
	if len(first) != 11 || first[0] != "20260708-1" || first[10] != "20260708-11" {
		t.Errorf("from the beginning: %v", first)
	}
	if rest := read("", 5, "Last-Event-ID", first[5]); len(rest) != 5 || rest[0] != "20260708-7" || rest[4] != "20260708-11" {
		t.Errorf("behind %s: %v", first[5], rest)
	}
	for query, status := range map[string]int{"&from=20260707-1": 410, "&from=x": 400, "&from=20260708": 400} {
		if r := h.ask("GET", "/api/v1/trades?symbols=600000.SH"+query, ""); r.status != status {
			t.Errorf("%s: %d %s", query, r.status, r.raw)
		}
	}
}
