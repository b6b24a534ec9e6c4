package api

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"evenkeel/auth"
	"evenkeel/core/trade"
)

// sealed gives a server the key of second proofs.
func sealed(p *Parts) {
	sealer := auth.NewSealer(auth.NewSealKey())
	p.Sealer = func() *auth.Sealer { return sealer }
}

// cookie reads one that an answer sets.
func (r reply) cookie(name string) string {
	for _, line := range r.header.Values("Set-Cookie") {
		if c, err := http.ParseSetCookie(line); err == nil && c.Name == name {
			return c.Value
		}
	}
	return ""
}

func (h *house) later(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clock = h.clock.Add(d)
}

// enrol gives the account an authenticator app.
func (h *house) enrol(t *testing.T, bearer ...string) (secret string, recovery []any) {
	t.Helper()
	begun := h.send("POST", "/api/v1/second/totp", `{"password":"`+password+`"}`, bearer...)
	if begun.status != 200 {
		t.Fatalf("%d %s", begun.status, begun.raw)
	}
	secret = begun.json["secret"].(string)
	done := h.send("POST", "/api/v1/second/totp/confirm",
		`{"enrolment":"`+begun.json["enrolment"].(string)+`","code":"`+h.code(t, secret)+`"}`, bearer...)
	if done.status != 200 {
		t.Fatalf("%d %s", done.status, done.raw)
	}
	return secret, done.json["recovery_codes"].([]any)
}

func (h *house) code(t *testing.T, secret string) string {
	t.Helper()
	code, err := auth.CodeTOTP(secret, h.now())
	if err != nil {
		t.Fatal(err)
	}
	return code
}

func TestLoginInTwoSteps(t *testing.T) {
	h := openHouse(t, sealed)
	_, router := described(t)
	bearer := []string{"Authorization", "Bearer " + h.login(t)}
	check := func(method, path, body string, status int, reason string, headers ...string) reply {
		t.Helper()
		r := h.send(method, path, body, headers...)
		if r.status != status || reason != "" && r.json["reason"] != reason {
			t.Errorf("%s %s %s: %d, want %d %s: %s", method, path, body, r.status, status, reason, r.raw)
		}
		conforms(t, router, method, path, body, r)
		return r
	}
	check("GET", "/api/v1/second", "", 200, "", bearer...)
	check("POST", "/api/v1/second/totp", `{"password":"another one"}`, 422, proofWrong, bearer...)
	check("POST", "/api/v1/second/totp", `{"password":"`+password+`"}`, 403, notPermitted, "APCA-API-KEY-ID", h.key,
		"APCA-API-SECRET-KEY", h.secret)
	begun := check("POST", "/api/v1/second/totp", `{"password":"`+password+`"}`, 200, "", bearer...)
	if uri := begun.json["uri"].(string); !strings.HasPrefix(uri, "otpauth://totp/Evenkeel:ann?") {
		t.Error(uri)
	}
	check("POST", "/api/v1/second/totp/confirm", `{"enrolment":"`+begun.json["enrolment"].(string)+`","code":"000000"}`,
		422, proofWrong, bearer...)
	check("POST", "/api/v1/second/totp/confirm", `{"enrolment":"AAAA","code":"000000"}`, 422, stepOver, bearer...)
	secret, recovery := h.enrol(t, bearer...)
	if kept, _ := h.documents.Document(h.account, auth.ProofsName); len(kept) == 0 ||
		strings.Contains(string(kept), secret) {
		t.Errorf("the books keep %q", kept)
	}
	check("POST", "/api/v1/second/totp", `{"password":"`+password+`"}`, 422, secondThere, bearer...)
	if r := check("GET", "/api/v1/second", "", 200, "", bearer...); r.json["totp"] != true ||
		r.json["recovery_left"] != 10. {
		t.Error(r.raw)
	}

	const loginBody = `{"login":"` + login + `","password":"` + password + `"}`
	first := check("POST", "/api/v1/login", loginBody, 202, "")
	if first.cookie(sessionCookie) != "" || first.json["token"] != nil {
		t.Errorf("the password alone opened: %s", first.raw)
	}
	step := first.json["step"].(string)
	second := func(code string) string { return `{"step":"` + step + `","code":"` + code + `"}` }
	check("POST", "/api/v1/login/second", second("123456"), 422, proofWrong)
	check("POST", "/api/v1/login/second", `{"step":"`+step[1:]+`","code":"1"}`, 422, stepOver)
	check("POST", "/api/v1/login/second", second(h.code(t, secret)), 403, crossOrigin, "Sec-Fetch-Site", "cross-site")
	opened := check("POST", "/api/v1/login/second", second(h.code(t, secret)), 200, "", "Sec-Fetch-Site", "same-origin")
	if opened.json["token"] != nil || opened.cookie(sessionCookie) == "" {
		t.Errorf("a page is shown the token: %s", opened.raw)
	}
	cookie := []string{"Cookie", sessionCookie + "=" + opened.cookie(sessionCookie)}
	check("GET", "/api/v1/account", "", 200, "", cookie...)
	check("POST", "/api/v1/login/second", second(h.code(t, secret)), 422, codeUsed)
	check("POST", "/api/v1/logout", "", 204, "", cookie...)
	h.later(time.Second) // the books forget a login that is over
	check("POST", "/api/v1/login/second", second(h.code(t, secret)), 422, codeUsed)
	check("POST", "/api/v1/login/second", second(recovery[2].(string)), 200, "")
	check("POST", "/api/v1/login/second", second(recovery[2].(string)), 422, proofWrong)
	h.later(loginStepTime)
	check("POST", "/api/v1/login/second", second(h.code(t, secret)), 422, stepOver)
	h.later(time.Minute)
	check("POST", "/api/v1/second/recovery", `{"code":"1"}`, 422, proofWrong, bearer...)
	fresh := check("POST", "/api/v1/second/recovery", `{"code":"`+h.code(t, secret)+`"}`, 200, "", bearer...)
	if fresh.json["recovery_codes"].([]any)[0] == recovery[0] {
		t.Error("the old recovery codes are the new")
	}
	check("POST", "/api/v1/second/totp/remove", `{"code":"`+h.code(t, secret)+`"}`, 204, "", bearer...)
	check("POST", "/api/v1/second/totp/remove", `{"code":"1"}`, 404, notFound, bearer...)
	check("POST", "/api/v1/login", loginBody, 200, "")
}

// Six digits cannot be tried through, and a step is worth nothing after the password was changed.
func TestSecondStepIsBounded(t *testing.T) {
	h := openHouse(t, sealed)
	token := h.login(t)
	secret, _ := h.enrol(t, "Authorization", "Bearer "+token)
	first := h.send("POST", "/api/v1/login", `{"login":"ann","password":"correct horse"}`)
	body := func(code string) string {
		return `{"step":"` + first.json["step"].(string) + `","code":"` + code + `"}`
	}
	if r := h.send("POST", "/api/v1/password", `{"old_password":"correct horse","new_password":"correct horse 2"}`,
		"Authorization", "Bearer "+token); r.status != 204 {
		t.Fatalf("%d %s", r.status, r.raw)
	}
	if r := h.send("POST", "/api/v1/login/second", body(h.code(t, secret))); r.json["reason"] != stepOver {
		t.Errorf("after a change of the password: %d %s", r.status, r.raw)
	}
	first = h.send("POST", "/api/v1/login", `{"login":"ann","password":"correct horse 2"}`)
	var last reply
	for range 8 {
		last = h.send("POST", "/api/v1/login/second", body("000000"))
	}
	if last.status != 429 || last.header.Get("Retry-After") == "" {
		t.Errorf("guessed on: %d %s", last.status, last.raw)
	}
}

// Without the key nobody comes in by the password alone, and who has no second proof comes in as ever.
func TestSealKeyIsMissing(t *testing.T) {
	var lost bool
	sealer := auth.NewSealer(auth.NewSealKey())
	h := openHouse(t, func(p *Parts) {
		p.Sealer = func() *auth.Sealer {
			if lost {
				return nil
			}
			return sealer
		}
	})
	h.open("bob", trade.MayRead)
	h.enrol(t, "Authorization", "Bearer "+h.login(t))
	lost = true
	if r := h.send("POST", "/api/v1/login", `{"login":"ann","password":"correct horse"}`); r.status != 503 ||
		r.json["reason"] != sealMissing || r.cookie(sessionCookie) != "" {
		t.Errorf("%d %s", r.status, r.raw)
	}
	if r := h.send("POST", "/api/v1/login", `{"login":"bob","password":"correct horse"}`); r.status != 200 {
		t.Errorf("%d %s", r.status, r.raw)
	}
}

func TestLock(t *testing.T) {
	h := openHouse(t, sealed)
	_, router := described(t)
	in := h.send("POST", "/api/v1/login", `{"login":"ann","password":"correct horse"}`)
	cookie := []string{"Cookie", sessionCookie + "=" + in.cookie(sessionCookie)}
	if r := h.send("POST", "/api/v1/lock", "", append(cookie, "Origin", "https://evil.example")...); r.status != 403 {
		t.Errorf("another site locks: %d %s", r.status, r.raw)
	}
	r := h.send("POST", "/api/v1/lock", "", cookie...)
	conforms(t, router, "POST", "/api/v1/lock", "", r)
	sealedToken := r.cookie(lockedCookie)
	if r.status != 204 || sealedToken == "" || strings.Contains(sealedToken, in.cookie(sessionCookie)) {
		t.Fatalf("%d %v", r.status, r.header)
	}
	locked := []string{"Cookie", lockedCookie + "=" + sealedToken}
	for _, c := range []struct {
		method, path, body string
		status             int
		headers            []string
	}{
		{"GET", "/api/v1/account", "", 401, locked},
		{"GET", "/api/v1/account", "", 401, []string{"Cookie", sessionCookie + "=" + sealedToken}},
		{"GET", "/api/v1/lock", "", 200, locked},
		{"GET", "/api/v1/lock", "", 200, cookie},
		{"POST", "/api/v1/unlock", `{"password":"wrong"}`, 422, locked},
		{"POST", "/api/v1/unlock", `{"password":"correct horse"}`, 401, nil},
		{"POST", "/api/v1/unlock", `{"password":"correct horse"}`, 204, locked},
	} {
		r := h.send(c.method, c.path, c.body, c.headers...)
		if r.status != c.status {
			t.Errorf("%s %s: %d, want %d: %s", c.method, c.path, r.status, c.status, r.raw)
		}
		conforms(t, router, c.method, c.path, c.body, r)
		if r.status == 204 && r.cookie(sessionCookie) != in.cookie(sessionCookie) {
			t.Errorf("unlocked another: %v", r.header)
		}
	}
	if r := h.ask("POST", "/api/v1/lock", ""); r.status != 403 {
		t.Errorf("a key is locked: %d", r.status)
	}
}
