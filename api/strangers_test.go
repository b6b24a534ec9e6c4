package api

import (
	"net/http/httptest"
	"strings"
	"testing"
)

// Who brings credentials that are somebody's is known, and nobody else.
func TestKnows(t *testing.T) {
	h := openHouse(t)
	for _, k := range []struct {
		name, header, value string
		known               bool
	}{
		{"nothing", "X-Nothing", "", false},
		{"a key without a secret", "Apca-Api-Key-Id", h.key, false},
		{"a token", "Authorization", "Bearer nobody's", false},
		{"a cookie", "Cookie", sessionCookie + "=nobody's", false},
	} {
		r := httptest.NewRequest("GET", "/v2/clock", nil)
		r.Header.Set(k.header, k.value)
		if h.server.Knows(r) != k.known {
			t.Errorf("%s: known is not %v", k.name, k.known)
		}
	}
	r := httptest.NewRequest("GET", "/v2/clock", nil)
	r.Header.Set("Apca-Api-Key-Id", h.key)
	r.Header.Set("Apca-Api-Secret-Key", h.secret)
	if !h.server.Knows(r) {
		t.Error("who has a key and its secret is a stranger")
	}
	if IsLogin(r) || !IsLogin(httptest.NewRequest("POST", loginPath, nil)) {
		t.Error("logins are not told from other requests")
	}
}

// Who asks too much without saying who they are is told so, in words, with a time, and for the last time on that
// connection.
func TestTooManyStrangers(t *testing.T) {
	w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/v2/clock", nil)
	r.Header.Set("Accept-Language", "zh-CN")
	TooManyStrangers(w, r)
	h := w.Header()
	if w.Code != 429 || h.Get("Retry-After") != "2" || h.Get("Connection") != "close" || h.Get("X-Request-Id") == "" ||
		h.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%d %v", w.Code, h)
	}
	if text := w.Body.String(); !strings.Contains(text, `"reason":"RATE_LIMITED"`) ||
		!strings.Contains(text, `"message":"请求过于频繁,请在 2 秒后重试"`) {
		t.Error(text)
	}
}

// Who talks on a stream without saying who they are is cut off; who does is not.
func TestStrangersWords(t *testing.T) {
	h := openHouse(t, func(p *Parts) { p.Limits.StreamWords = 3 })
	for _, path := range []string{"/stream", "/v2/sip"} {
		s := h.dial(t, path, false)
		heard := 0
		for range 5 {
			s.say(map[string]any{"action": "listen"})
		}
		for {
			if _, _, err := s.ws.Read(s.ctx); err != nil {
				break
			}
			heard++
		}
		if heard > 4 || s.ctx.Err() != nil {
			t.Errorf("%s: a stranger heard %d answers: %v", path, heard, s.ctx.Err())
		}
	}
	s := h.tradeStream(t, h.key, h.secret)
	for range 5 {
		s.say(map[string]any{"action": "listen", "data": map[string]any{"streams": []string{"trade_updates"}}})
		var m map[string]any
		s.hear(&m)
	}
}
