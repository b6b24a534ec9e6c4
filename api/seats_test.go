package api

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"evenkeel/core/trade"
)

// Whoever holds connections without saying who they are keeps no investor out.
func TestStrangersMakeRoom(t *testing.T) {
	h := openHouse(t, func(p *Parts) { p.Limits.Strangers, p.Limits.StreamAuth = 2, time.Hour })
	strangers := make([]*socket, 8)
	for i := range strangers {
		strangers[i] = h.dial(t, "/stream", false)
	}
	for _, s := range strangers[:6] {
		if _, _, err := s.ws.Read(s.ctx); err == nil || s.ctx.Err() != nil {
			t.Fatal("a stranger stays when there are newer ones")
		}
	}
	s := h.tradeStream(t, h.key, h.secret)
	h.place(`{"symbol":"600000.SH","qty":"100","side":"buy","type":"limit","limit_price":"9.90"}`)
	var m map[string]any
	if s.hear(&m); m["stream"] != "trade_updates" {
		t.Errorf("%v", m)
	}
}

// tradeStream opens /stream, says who it is, and listens.
func (h *house) tradeStream(t *testing.T, key, secret string) *socket {
	t.Helper()
	s := h.dial(t, "/stream", false)
	var m map[string]any
	s.say(map[string]any{"action": "auth", "key": key, "secret": secret})
	if s.hear(&m); fmt.Sprint(m["data"]) != "map[action:authenticate status:authorized]" {
		t.Fatalf("%v", m)
	}
	s.say(map[string]any{"action": "listen", "data": map[string]any{"streams": []string{"trade_updates"}}})
	s.hear(&m)
	return s
}

func TestStreamsAreCounted(t *testing.T) {
	h := openHouse(t, func(p *Parts) { p.Limits.Streams, p.Limits.PerAccount = 3, 2 })
	_, key, secret := h.open("bob", trade.MayEverything)
	first := h.tradeStream(t, h.key, h.secret)
	h.tradeStream(t, h.key, h.secret)
	s := h.dial(t, "/stream", false)
	s.say(map[string]any{"action": "auth", "key": h.key, "secret": h.secret})
	var m map[string]any
	if s.hear(&m); m["action"] != "error" {
		t.Errorf("a third stream of an account: %v", m)
	}
	if r := h.ask("GET", "/v2/events/trades", ""); r.status != 429 || r.json["reason"] != tooManyStreams {
		t.Errorf("a third stream of an account: %d %s", r.status, r.raw)
	}
	h.tradeStream(t, key, secret)
	r := h.send("GET", "/v2/events/trades", "", "APCA-API-KEY-ID", key, "APCA-API-SECRET-KEY", secret)
	if r.status != 503 || r.json["reason"] != noRoom || r.header.Get("Retry-After") == "" {
		t.Errorf("a fourth stream of the house: %d %s", r.status, r.raw)
	}
	_ = first.ws.CloseNow()
	h.eventually(t, "a place that was given back is not taken", func() bool {
		h.server.seats.mu.Lock()
		defer h.server.seats.mu.Unlock()
		return h.server.seats.taken == 2
	})
	h.tradeStream(t, h.key, h.secret)
}

// eventually waits for what another goroutine does.
func (h *house) eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	look, late := time.NewTicker(time.Millisecond), time.After(10*time.Second)
	defer look.Stop()
	for !holds() {
		select {
		case <-look.C:
		case <-late:
			t.Fatal(what)
		}
	}
}

// A stream of orders ends when nobody says who it is, and says no more when its key or session has ended.
func TestStreamsEndWithTheirKey(t *testing.T) {
	h := openHouse(t, func(p *Parts) { p.Limits.KeepAlive = 20 * time.Millisecond })
	_, key, secret := h.open("bob", trade.MayEverything)
	token := h.login(t)
	made := h.send("POST", "/api/v1/keys", `{}`, "Authorization", "Bearer "+token)
	id, _ := made.json["id"].(string)
	word, _ := made.json["secret"].(string)
	s := h.tradeStream(t, id, word)
	other := h.tradeStream(t, key, secret)
	prices := h.dial(t, "/v2/sip", false)
	prices.one()
	prices.say(map[string]any{"action": "auth", "key": id, "secret": word})
	prices.one()
	prices.say(map[string]any{"action": "subscribe", "trades": []string{"*"}})
	prices.one()
	events := h.lines(t, "/api/v1/events", "Authorization", "Bearer "+token)
	if r := h.send("DELETE", "/api/v1/keys/"+id, "", "Authorization", "Bearer "+token); r.status != 204 {
		t.Fatalf("%d %s", r.status, r.raw)
	}
	if r := h.send("POST", "/api/v1/logout", "", "Authorization", "Bearer "+token); r.status != 204 {
		t.Fatalf("%d %s", r.status, r.raw)
	}
	for {
		if _, _, err := s.ws.Read(s.ctx); err != nil {
			break
		}
	}
	if s.ctx.Err() != nil {
		t.Error("the stream of a revoked key goes on")
	}
	h.tick("600000.SH", 100_000, 100)
	if _, b, err := prices.ws.Read(prices.ctx); err == nil || prices.ctx.Err() != nil {
		t.Errorf("the prices of a revoked key go on: %s", b)
	}
	for events.Scan() {
		if strings.HasPrefix(events.Text(), "data: ") {
			t.Errorf("the stream of a closed session says %s", events.Text())
		}
	}
	h.server.seats.mu.Lock()
	open := h.server.seats.taken
	h.server.seats.mu.Unlock()
	if open < 1 || other.ctx.Err() != nil {
		t.Error("the other's stream has ended too")
	}
}

// lines begins a request whose answer is a stream of lines.
func (h *house) lines(t *testing.T, path string, headers ...string) *bufio.Scanner {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.url+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := h.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = answer.Body.Close() })
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d", path, answer.StatusCode)
	}
	return bufio.NewScanner(answer.Body)
}

func TestSilentTradeStreamEnds(t *testing.T) {
	h := openHouse(t, func(p *Parts) { p.Limits.StreamAuth = 10 * time.Millisecond })
	s := h.dial(t, "/stream", false)
	if _, _, err := s.ws.Read(s.ctx); err == nil || s.ctx.Err() != nil {
		t.Errorf("nobody said who it is, and it goes on: %v", err)
	}
}

// Before it is known who speaks, long messages are not read; texts that cannot be symbols are never kept.
func TestLongMessages(t *testing.T) {
	h := openHouse(t)
	long := strings.Repeat("X", 5000)
	s := h.dial(t, "/v2/sip", false)
	s.one()
	s.say(map[string]any{"action": "auth", "key": long, "secret": "x"})
	if _, _, err := s.ws.Read(s.ctx); err == nil {
		t.Error("a stranger's long message was read")
	}
	s = h.dial(t, "/v2/sip", false)
	s.one()
	s.say(map[string]any{"action": "auth", "key": h.key, "secret": h.secret})
	s.one()
	s.say(map[string]any{"action": "subscribe", "bars": []string{long}})
	if m := s.one(); fmt.Sprint(m["code"]) != "400" {
		t.Errorf("%v", m)
	}
	s.say(map[string]any{"action": "subscribe", "bars": make([]string, 10_001)})
	if m := s.one(); fmt.Sprint(m["code"]) != "405" {
		t.Errorf("%v", m)
	}
	s.say(map[string]any{"action": "subscribe", "bars": []string{"600000"}})
	if m := s.one(); fmt.Sprint(m["bars"]) != "[600000.SH]" {
		t.Errorf("%v", m)
	}
}

// A client that answers no ping is cut off: it would take a place for ever.
func TestDeadClientIsCutOff(t *testing.T) {
	h := openHouse(t, func(p *Parts) {
		p.Limits.KeepAlive, p.Limits.StreamWrite = 20*time.Millisecond, 300*time.Millisecond
	})
	h.tradeStream(t, h.key, h.secret) // who does not read sends no pong
	h.eventually(t, "a client that answers no ping was kept", func() bool {
		h.server.seats.mu.Lock()
		defer h.server.seats.mu.Unlock()
		return h.server.seats.taken == 0
	})
}

// Over HTTP/2 a stream lives on when nothing was written for longer than a write may take.
func TestEventsOverHTTP2(t *testing.T) {
	t.Parallel()
	h := openHouse(t, func(p *Parts) {
		p.Limits.StreamWrite, p.Limits.KeepAlive = 400*time.Millisecond, 900*time.Millisecond
	})
	server := httptest.NewUnstartedServer(h.server)
	server.EnableHTTP2 = true
	server.Config.WriteTimeout = 2 * time.Second
	server.StartTLS()
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	h.url, h.client = server.URL, server.Client()
	lines := h.lines(t, "/v2/events/trades", "APCA-API-KEY-ID", h.key, "APCA-API-SECRET-KEY", h.secret)
	for alive := 0; alive < 4; {
		if !lines.Scan() {
			t.Fatalf("the stream ended after %d comments: %v", alive, lines.Err())
		}
		if strings.HasPrefix(lines.Text(), ":") {
			alive++
		}
	}
}

func TestStreamsWantAWebSocket(t *testing.T) {
	h := openHouse(t)
	for _, headers := range [][]string{{}, {"Upgrade", "h2c", "Connection", "Upgrade"}} {
		if r := h.send("GET", "/stream", "", headers...); r.status != 426 || r.json["reason"] != webSocketOnly {
			t.Errorf("%v: %d %s", headers, r.status, r.raw)
		}
	}
}
