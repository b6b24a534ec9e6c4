package api

import (
	"context"
	"errors"
	"strings"
	"testing"

	"evenkeel/core/trade"
	"evenkeel/intake"
)

// board is a house of one node, which remembers what it was told.
type board struct {
	acts []OpsAct
	err  error
}

func (b *board) Look(context.Context) OpsLook {
	load := OpsLoad{Classes: []OpsClass{}, Orders: []uint64{}, Reads: []uint64{}}
	return OpsLook{Node: 1, Nodes: []OpsNode{{Node: 1, Waits: []string{}, Load: &load, Shards: []OpsShard{{Leader: 1}}},
		{Node: 2, Trouble: "no answer", Waits: []string{}, Shards: []OpsShard{}}}, Halts: []OpsHalt{}, Acts: b.acts}
}

func (b *board) Act(_ context.Context, a OpsAct) (OpsAct, error) {
	if b.err != nil {
		return a, b.err
	}
	a.Number, a.Outcome = uint64(len(b.acts)+1), "done"
	b.acts = append([]OpsAct{a}, b.acts...)
	return a, nil
}

// asStaff opens an account of staff and logs it in as a browser does.
func (h *house) asStaff(t *testing.T) (cookie []string, key, secret string) {
	t.Helper()
	_, key, secret = h.open("staff", trade.MayOperate|trade.MayRead)
	in := h.send("POST", "/api/v1/login", `{"login":"staff","password":"`+password+`"}`)
	if in.status != 200 {
		t.Fatalf("%d %s", in.status, in.raw)
	}
	return []string{"Cookie", sessionCookie + "=" + in.cookie(sessionCookie)}, key, secret
}

func TestStaff(t *testing.T) {
	b := &board{acts: []OpsAct{}}
	h := openHouse(t, sealed, func(p *Parts) { p.Ops = b })
	_, router := described(t)
	cookie, key, secret := h.asStaff(t)
	check := func(method, path, body string, status int, headers ...string) reply {
		t.Helper()
		r := h.send(method, path, body, headers...)
		if r.status != status {
			t.Errorf("%s %s %s: %d, want %d: %s", method, path, body, r.status, status, r.raw)
		}
		conforms(t, router, method, path, body, r)
		return r
	}
	const halt = `{"act":"halt","symbol":"600000","reason":"news is due"}`
	own := []string{"APCA-API-KEY-ID", key, "APCA-API-SECRET-KEY", secret}
	for what, headers := range map[string][]string{"a key of staff": own,
		"an investor": {"APCA-API-KEY-ID", h.key, "APCA-API-SECRET-KEY", h.secret},
		"a bearer":    {"Authorization", "Bearer " + strings.TrimPrefix(cookie[1], sessionCookie+"=")},
		"other pages": append([]string{"Sec-Fetch-Site", "cross-site"}, cookie...)} {
		if r := h.send("GET", "/api/v1/ops", "", headers...); r.status != 403 && what != "other pages" {
			t.Errorf("%s sees the house: %d", what, r.status) // no browser sends the cookie along for other pages
		}
		if r := check("POST", "/api/v1/ops/acts", halt, 403, headers...); r.status != 403 {
			t.Errorf("%s halts", what)
		}
	}
	check("GET", "/api/v1/ops", "", 401)
	if len(b.acts) != 0 {
		t.Fatalf("%+v", b.acts)
	}
	if r := check("GET", "/api/v1/ops", "", 200, cookie...); r.json["node"] != 1. {
		t.Error(r.raw)
	}
	for _, wrong := range []string{`{"act":"halt","symbol":"600000"}`, `{"act":"halt","reason":"x"}`,
		`{"act":"halt","symbol":"999999","reason":"x"}`, `{"act":"burn","reason":"x"}`, `{"act":"drain","reason":"x"}`,
		`{"act":"transfer","node":2,"reason":"x"}`, `{"act":"read_only","reason":"` + strings.Repeat("长", 201) + `"}`} {
		if r := h.send("POST", "/api/v1/ops/acts", wrong, cookie...); r.status != 422 && r.status != 404 {
			t.Errorf("%s: %d %s", wrong, r.status, r.raw)
		}
	}
	check("POST", "/api/v1/ops/acts", halt, 200, cookie...)
	check("POST", "/api/v1/ops/acts", `{"act":"transfer","node":1,"shard":0,"reason":"disk"}`, 200, cookie...)
	if len(b.acts) != 2 || b.acts[1].Who != "staff" || b.acts[1].Symbol != "600000.SH" || *b.acts[0].Shard != 0 {
		t.Errorf("%+v", b.acts)
	}
	check("GET", "/api/v1/ops", "", 200, cookie...)
	b.err = errors.New("no leader")
	check("POST", "/api/v1/ops/acts", halt, 503, cookie...)
}

// Outside of a demo staff need a second proof.
func TestStaffNeedASecondProof(t *testing.T) {
	h := openHouse(t, sealed, func(p *Parts) { p.Ops, p.Demo = &board{acts: []OpsAct{}}, false })
	cookie, _, _ := h.asStaff(t)
	if r := h.send("GET", "/api/v1/ops", "", cookie...); r.status != 403 || r.json["reason"] != secondNeeded {
		t.Errorf("%d %s", r.status, r.raw)
	}
	h.enrol(t, cookie...)
	if r := h.send("GET", "/api/v1/ops", "", cookie...); r.status != 200 {
		t.Errorf("%d %s", r.status, r.raw)
	}
}

// A read-only house takes cancels, and nothing that adds to what is under way.
func TestReadOnlyHouse(t *testing.T) {
	only := false
	h := openHouse(t, func(p *Parts) {
		d := p.Door.Parts
		d.ReadOnly = func() bool { return only }
		p.Door = intake.New(d)
		p.House = func(trade.AccountID) House { return House{Leader: true, ReadOnly: only, ReadOnlyWhy: "a test"} }
	})
	id := h.place(`{"symbol":"600000.SH","qty":"100","side":"buy","type":"limit","limit_price":"10"}`)
	h.accept(id)
	only = true
	for path, body := range map[string]string{
		"POST /v2/orders":                 `{"symbol":"600000.SH","qty":"100","side":"buy","type":"limit","limit_price":"10"}`,
		"POST /api/v1/orders":             `{"symbol":"600000.SH","quantity":"100","side":"buy","type":"LIMIT","price":"10"}`,
		"PATCH /v2/orders/" + orderID(id): `{"qty":"200"}`, "POST /api/v1/cash": `{"amount":"1"}`} {
		method, path, _ := strings.Cut(path, " ")
		if r := h.ask(method, path, body); r.status != 503 || r.json["reason"] != readOnly ||
			r.header.Get("Retry-After") == "" {
			t.Errorf("%s: %d %s", path, r.status, r.raw)
		}
	}
	if v := h.server.standing(h.account); !v.ReadOnly || v.Why == nil || *v.Why != "a test" {
		t.Errorf("%+v", v)
	}
	if r := h.ask("GET", "/v2/account", ""); r.status != 200 {
		t.Errorf("%d %s", r.status, r.raw)
	}
	if r := h.ask("DELETE", "/v2/orders/"+orderID(id), ""); r.status != 204 {
		t.Errorf("a cancel: %d %s", r.status, r.raw)
	}
}
