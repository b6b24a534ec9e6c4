package api

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"evenkeel/auth"
	"evenkeel/core/trade"
	"evenkeel/intake"
	"evenkeel/waiting"
)

// crowded puts a wait of the test's choice in front of the passwords.
func (h *house) crowded(wait time.Duration) (set func(time.Duration)) {
	var now atomic.Int64
	now.Store(int64(wait))
	p := h.server.room.Parts
	p.Outlook = func() (time.Duration, time.Duration) { return time.Duration(now.Load()), 100 * time.Millisecond }
	h.server.room = waiting.New(p)
	return func(wait time.Duration) { now.Store(int64(wait)) }
}

func loginOf(name, word, more string) string {
	return `{"login":"` + name + `","password":"` + word + `"` + more + `}`
}

func ticketOf(r reply) string {
	place, _ := r.json["waiting"].(map[string]any)
	ticket, _ := place["ticket"].(string)
	return ticket
}

// A storm of logins waits by ticket, whether their names exist or not, and a login goes through in its turn, once.
// Who is logged in, or has a key, is never in the room.
func TestWaitingRoom(t *testing.T) {
	h := openHouse(t, sealed)
	_, router := described(t)
	token := h.login(t)
	id := h.ask("POST", "/v2/orders",
		`{"symbol":"600000.SH","qty":"100","side":"buy","type":"limit","limit_price":"9"}`).json["id"].(string)
	wait := h.crowded(2 * time.Second)
	nobody := h.send("POST", "/api/v1/login", loginOf("nobody", password, ""))
	mine := h.send("POST", "/api/v1/login", loginOf(login, password, ""))
	for i, r := range []reply{nobody, mine} {
		conforms(t, router, "POST", "/api/v1/login", "", r)
		place := r.json["waiting"].(map[string]any)
		if r.status != 503 || r.json["reason"] != loginWaits || r.header.Get("Retry-After") == "" ||
			place["ahead"] != float64(i) || place["lane"] != "general" || place["called"] != false {
			t.Errorf("%d %s", r.status, r.raw)
		}
	}
	for _, headers := range [][]string{{"Cookie", sessionCookie + "=" + token, "Sec-Fetch-Site", "same-origin"},
		{"APCA-API-KEY-ID", h.key, "APCA-API-SECRET-KEY", h.secret}} {
		if r := h.send("GET", "/v2/account", "", headers...); r.status != 200 {
			t.Errorf("%d %s", r.status, r.raw)
		}
	}
	if r := h.send("DELETE", "/v2/orders/"+id, "", "Cookie", sessionCookie+"="+token, "Sec-Fetch-Site",
		"same-origin"); r.status != 204 {
		t.Errorf("a cancel in a storm of logins: %d %s", r.status, r.raw)
	}
	place := h.send("POST", "/api/v1/login/place", `{"ticket":"`+ticketOf(mine)+`"}`)
	conforms(t, router, "POST", "/api/v1/login/place", "", place)
	if place.status != 200 || place.json["ahead"] != float64(1) {
		t.Errorf("%d %s", place.status, place.raw)
	}
	wait(0)
	h.later(10 * time.Second)
	with := `,"ticket":"` + ticketOf(mine) + `"`
	if r := h.send("POST", "/api/v1/login", loginOf(login, "wrong password", with)); r.status != 401 {
		t.Errorf("a wrong password in its turn: %d %s", r.status, r.raw)
	}
	if r := h.send("POST", "/api/v1/login", loginOf(login, password, with)); r.status != 200 {
		t.Errorf("in its turn: %d %s", r.status, r.raw)
	}
	wait(2 * time.Second)
	for name, ticket := range map[string]string{login: ticketOf(mine), "bob": ticketOf(nobody), "cid": "made up"} {
		r := h.send("POST", "/api/v1/login", loginOf(name, password, `,"ticket":"`+ticket+`"`))
		if place, _ := r.json["waiting"].(map[string]any); r.status != 503 || place["renewed"] != true {
			t.Errorf("a ticket that is used, of another, or made up: %d %s", r.status, r.raw)
		}
	}
	used := h.send("POST", "/api/v1/login/place", `{"ticket":"`+ticketOf(mine)+`"}`)
	conforms(t, router, "POST", "/api/v1/login/place", "", used)
	if used.status != 422 || used.json["reason"] != ticketOver {
		t.Errorf("%d %s", used.status, used.raw)
	}
	sealer := h.server.Sealer
	h.server.Sealer = func() *auth.Sealer { return nil }
	keyless := h.send("POST", "/api/v1/login/place", `{"ticket":"`+ticketOf(mine)+`"}`)
	conforms(t, router, "POST", "/api/v1/login/place", "", keyless)
	if keyless.status != 503 || keyless.json["reason"] != sealMissing {
		t.Errorf("%d %s", keyless.status, keyless.raw)
	}
	h.server.Sealer = sealer
	h.server.measures = newMeasures(h.server, nil) // of the room that stands here
	r := h.send("GET", "/metrics", "")
	for _, want := range []string{`evenkeel_waiting_room_length{lane="general"} 3`,
		`evenkeel_waiting_room_admitted_total{by="general"} 2`, `evenkeel_waiting_room_refused_total{reason="new"} 5`,
		`evenkeel_waiting_room_refused_total{reason="invalid"} 2`, `evenkeel_waiting_room_refused_total{reason="spent"} 2`} {
		if !strings.Contains(r.raw, want) {
			t.Errorf("no %s in\n%s", want, grep(r.raw, "waiting_room"))
		}
	}
}

func grep(text, word string) (found string) {
	for line := range strings.Lines(text) {
		if strings.Contains(line, word) {
			found += line
		}
	}
	return found
}

// Who has open orders or positions, and shows a device on which he has logged in before, waits in front. Nobody learns
// of an account whose password was never given on his device.
func TestFirstLane(t *testing.T) {
	h := openHouse(t, sealed)
	h.open("bob", trade.MayEverything) // has nothing
	device := func(name string) (program, cookie string) {
		t.Helper()
		r := h.send("POST", "/api/v1/login", loginOf(name, password, ""))
		page := h.send("POST", "/api/v1/login", loginOf(name, password, ""), "Sec-Fetch-Site", "same-origin")
		if page.json["device"] != nil || r.cookie(deviceCookie) != "" {
			t.Errorf("a page's script is shown %v, a program has the cookie %q", page.json["device"], r.cookie(deviceCookie))
		}
		return r.json["device"].(string), page.cookie(deviceCookie)
	}
	ann, annPage := device(login)
	bob, _ := device("bob")
	h.crowded(2 * time.Second)
	page := []string{"Cookie", deviceCookie + "=" + annPage, "Sec-Fetch-Site", "same-origin"}
	lane := func(name, device string, headers ...string) any {
		t.Helper()
		r := h.send("POST", "/api/v1/login", loginOf(name, "any password", `,"device":"`+device+`"`), headers...)
		place, _ := r.json["waiting"].(map[string]any)
		return place["lane"]
	}
	for what, got := range map[string]any{
		"general: no device":             lane(login, ""),
		"first: a program's device":      lane(login, ann),
		"first: a page's":                lane(login, "", page...),
		"general: somebody else's":       lane(login, bob),
		"general: nothing at stake":      lane("bob", bob),
		"general: a login without one":   lane("nobody", ann),
		"general: what is made up of it": lane(login, ann[:len(ann)-2]+"AA"),
	} {
		if want, _, _ := strings.Cut(what, ":"); got != want {
			t.Errorf("%s, and it is %v", what, got)
		}
	}
	h.must(&trade.Command{Kind: trade.SetPasswordKind, SetPassword: trade.SetPassword{Account: h.account,
		PasswordHash: []byte("another")}})
	if got := lane(login, ann); got != "general" {
		t.Errorf("a device that knew an older password: %v", got)
	}
}

// When the few workers are taken and the wait would be too long, a login gets a ticket instead of a refusal.
func TestRoomBehindTheQueue(t *testing.T) {
	h := openHouse(t, sealed, func(p *Parts) {
		d := p.Door.Parts
		d.Limits.Queue.Heavy = 1
		d.Limits.Queue.Patience[intake.Heavy] = intake.Patience{Burst: time.Millisecond, Standing: time.Millisecond}
		p.Door = intake.New(d)
	})
	turn, err := h.server.Door.Queue.Enter(t.Context(), intake.Heavy, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := h.send("POST", "/api/v1/login", loginOf(login, password, ""))
	if r.status != 503 || r.json["reason"] != loginWaits || ticketOf(r) == "" {
		t.Fatalf("%d %s", r.status, r.raw)
	}
	turn.End()
	h.later(time.Minute)
	if r := h.send("POST", "/api/v1/login", loginOf(login, password, `,"ticket":"`+ticketOf(r)+`"`)); r.status != 200 {
		t.Errorf("%d %s", r.status, r.raw)
	}
}
