package api

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"evenkeel/core/money"
	"evenkeel/core/trade"
	"evenkeel/intake"
	"evenkeel/records"
	"evenkeel/replica"
)

// TestFresh: an answer about an account waits for the views, names the entry that they reflect, and is marked when
// they may be behind; market data and orders that go straight in wait for nothing.
func TestFresh(t *testing.T) {
	var asked atomic.Int32
	var least atomic.Uint64
	var wrong atomic.Pointer[error]
	var age atomic.Int64
	h := openHouse(t, func(p *Parts) {
		p.Fresh.Account = func(_ context.Context, _ trade.AccountID, index uint64) (time.Duration, error) {
			asked.Add(1)
			least.Store(index)
			if err := wrong.Load(); err != nil {
				return time.Duration(age.Load()), *err
			}
			return 0, nil
		}
	})
	const order = `{"symbol":"600000.SH","qty":"100","side":"buy","type":"limit","limit_price":"10","time_in_force":"day"}`
	for _, c := range []struct {
		method, path, index string
		asks                int32
		least               uint64
		status              int
	}{
		{"GET", "/v2/account", "", 1, 0, 200}, {"GET", "/v2/orders", "0:7", 1, 7, 200},
		{"GET", "/v2/positions", "5:7", 1, 0, 200}, {"GET", "/v2/positions", "x", 0, 0, 400},
		{"GET", "/api/v1/events/list", "", 1, 0, 200}, {"DELETE", "/v2/orders", "", 1, 0, 207},
		{"GET", "/v2/clock", "", 0, 0, 200}, {"GET", "/v2/assets", "", 0, 0, 200}, {"POST", "/v2/orders", "", 0, 0, 200},
	} {
		asked.Store(0)
		least.Store(0)
		var more []string
		if c.index != "" {
			more = []string{indexHeader, c.index}
		}
		answer := h.ask(c.method, c.path, order, more...)
		if answer.status != c.status || asked.Load() != c.asks || least.Load() != c.least {
			t.Errorf("%s %s: status %d, asked %d times for %d", c.method, c.path, answer.status, asked.Load(),
				least.Load())
		}
		if about := c.asks > 0 || c.method == "POST"; about != strings.HasPrefix(answer.header.Get(indexHeader), "0:") {
			t.Errorf("%s %s: index %q", c.method, c.path, answer.header.Get(indexHeader))
		}
	}
	behind := errors.New("the leader does not answer")
	wrong.Store(&behind)
	age.Store(int64(1500 * time.Millisecond))
	if got := h.ask("GET", "/v2/account", "").header.Get(staleHeader); got != "1500" {
		t.Errorf("1.5 s old is told as %q", got)
	}
	age.Store(-1)
	if got := h.ask("GET", "/v2/account", "").header.Get(staleHeader); got != "unknown" {
		t.Errorf("of unknown age is told as %q", got)
	}
	if got := h.ask("GET", "/api/v1/events?from=1000000", ""); got.status != 503 || got.header.Get("Retry-After") == "" {
		t.Errorf("a stream from a number that may not be here yet: %d", got.status)
	}
	diverged := fmt.Errorf("%w: the group has failed", ErrWrong)
	wrong.Store(&diverged)
	for _, path := range []string{"/v2/account", "/api/v1/orders"} {
		got := h.ask("GET", path, "")
		if got.status != 503 || got.header.Get("Retry-After") == "" || got.header.Get(staleHeader) != "" {
			t.Errorf("%s from views that are wrong: %d, stale %q", path, got.status, got.header.Get(staleHeader))
		}
	}
}

// TestIntroductions: a key that was made elsewhere is known once the leaders were asked; a crowd with made-up keys
// shares few questions.
func TestIntroductions(t *testing.T) {
	var h *house
	var asked atomic.Int32
	var learn atomic.Pointer[func()]
	h = openHouse(t, func(p *Parts) {
		p.Fresh.All = func(context.Context) error {
			asked.Add(1)
			if learn := learn.Swap(nil); learn != nil {
				(*learn)()
			}
			return nil
		}
	})
	account := func(key, secret string) int {
		return h.send("GET", "/v2/account", "", "APCA-API-KEY-ID", key, "APCA-API-SECRET-KEY", secret).status
	}
	if status := account(h.key, h.secret); status != 200 || asked.Load() != 0 {
		t.Errorf("a key that is known: status %d, asked %d times", status, asked.Load())
	}
	late := func() { h.openAs("later", "EKLATER", "a secret", trade.MayEverything) }
	learn.Store(&late)
	if status := account("EKLATER", "a secret"); status != 200 || asked.Load() != 1 {
		t.Errorf("a key that another node had made: status %d, asked %d times", status, asked.Load())
	}
	const crowd = 200
	done := make(chan int, crowd)
	began := time.Now()
	for range crowd {
		go func() { done <- account("EKMADEUP", "x") }()
	}
	for range crowd {
		if status := <-done; status != 401 {
			t.Errorf("a made-up key: status %d", status)
		}
	}
	if most := int32(time.Since(began)/strangersPause) + 3; asked.Load() > most {
		t.Errorf("%d made-up keys asked the leaders %d times, want %d at most", crowd, asked.Load(), most)
	}
}

// TestVouched: an order by a key that was revoked elsewhere is refused once this node knows, and it makes sure of that
// first; where it cannot, it says so. A cancel waits for nothing.
func TestVouched(t *testing.T) {
	var h *house
	var asked atomic.Int32
	var outcome atomic.Pointer[func() error]
	h = openHouse(t, func(p *Parts) {
		p.Fresh.Lately = func(context.Context, trade.AccountID) error {
			asked.Add(1)
			if outcome := outcome.Load(); outcome != nil {
				return (*outcome)()
			}
			return nil
		}
	})
	const body = `{"symbol":"600000.SH","qty":"100","side":"buy","type":"limit","limit_price":"10",
		"time_in_force":"day"}`
	expect := func(method, path string, status int, asks int32) {
		t.Helper()
		asked.Store(0)
		if r := h.ask(method, path, body); r.status != status || asked.Load() != asks {
			t.Errorf("%s %s: %d, asked %d times, want %d and %d: %s", method, path, r.status, asked.Load(),
				status, asks, r.raw)
		}
	}
	expect("POST", "/v2/orders", 200, 1)
	expect("POST", "/api/v1/keys", 403, 1) // a key makes no keys
	expect("GET", "/v2/account", 200, 0)
	behind := func() error { return errors.New("the leader does not answer") }
	outcome.Store(&behind)
	expect("POST", "/v2/orders", 503, 1)
	expect("DELETE", "/v2/orders/"+orderID(77), 404, 0)
	revoked := func() error {
		h.must(&trade.Command{Kind: trade.RevokeKeyKind,
			RevokeKey: trade.RevokeKey{Account: h.account, KeyID: []byte(h.key)}})
		return nil
	}
	outcome.Store(&revoked)
	expect("POST", "/v2/orders", 401, 1)
}

// TestMissing: what is not found in views that may be behind is not said not to be.
func TestMissing(t *testing.T) {
	behind := errors.New("the leader does not answer")
	h := openHouse(t, func(p *Parts) {
		p.Fresh.Account = func(context.Context, trade.AccountID, uint64) (time.Duration, error) { return -1, behind }
	})
	for _, path := range []string{"/v2/orders/" + orderID(77), "/v2/orders:by_client_order_id?client_order_id=x"} {
		if r := h.ask("GET", path, ""); r.status != 503 || r.header.Get("Retry-After") == "" {
			t.Errorf("%s: %d %s", path, r.status, r.raw)
		}
	}
	if r := h.ask("GET", "/v2/orders", ""); r.status != 200 || r.header.Get(staleHeader) == "" {
		t.Errorf("what there is, is shown and marked: %d", r.status)
	}
}

// TestDayReplaced: a snapshot takes the place of the day's view while a stream of an account is open; the stream goes
// on behind its last number, and what the new view alone has comes too.
func TestDayReplaced(t *testing.T) {
	var day atomic.Pointer[records.Day]
	h := openHouse(t, func(p *Parts) {
		day.Store(p.Day(0)) // before anybody replaces it
		p.Day = func(trade.AccountID) *records.Day { return day.Load() }
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", h.url+"/api/v1/events?from=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Apca-Api-Key-Id", h.key)
	r.Header.Set("Apca-Api-Secret-Key", h.secret)
	answer, err := h.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	deposit := func(reference string) {
		h.must(&trade.Command{Kind: trade.MoveCashKind, MoveCash: trade.MoveCash{Account: h.account, Amount: money.Scale,
			Reference: []byte(reference)}})
	}
	lines, next := bufio.NewScanner(answer.Body), uint64(1)
	until := func(last uint64) {
		t.Helper()
		for next <= last && lines.Scan() {
			if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
				if id != strconv.FormatUint(next, 10) {
					t.Fatalf("number %s comes where %d should", id, next)
				}
				next++
			}
		}
		if next <= last {
			t.Fatalf("the stream ended before number %d: %v", last, lines.Err())
		}
	}
	old := h.day
	until(old.LastNumber(h.account))
	h.mu.Lock() // nothing is applied meanwhile
	var snapshot bytes.Buffer
	fresh := records.NewDay()
	err = errors.Join(old.Snapshot(&snapshot), fresh.Restore(&snapshot))
	h.state.Describe(fresh.Describe)
	h.day = fresh
	h.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	deposit("behind") // the new view alone has it
	day.Store(fresh)
	old.Retire()
	until(fresh.LastNumber(h.account))
	deposit("live")
	until(fresh.LastNumber(h.account))
}

// TestHidden: an order that was taken while this node's views are behind is answered with what is known of it, once;
// one that was taken before may be anything by now, and its outcome is said to be unknown here.
func TestHidden(t *testing.T) {
	h := openHouse(t)
	h.server.Door.Log = func(trade.AccountID) intake.Log { return hiding{h} }
	const order = `{"symbol":"600000.SH","qty":"100","side":"buy","type":"limit","limit_price":"10","time_in_force":"day",
		"client_order_id":"hidden"}`
	first := h.ask("POST", "/v2/orders", order)
	if first.status != 200 || first.json["status"] != "pending_new" || first.json["client_order_id"] != "hidden" ||
		first.json["qty"] != "100" || first.header.Get(staleHeader) == "" {
		t.Errorf("%d %s", first.status, first.raw)
	}
	if again := h.ask("POST", "/v2/orders", order); again.status != 500 || again.json["reason"] != outcomeUnknown {
		t.Errorf("%d %s", again.status, again.raw)
	}
}

// hiding is the log of a house whose views do not hear of what it does.
type hiding struct{ house *house }

func (l hiding) Submit(command []byte, done func(trade.Answer, error)) error {
	h := l.house
	h.mu.Lock()
	day := h.day
	h.day = records.NewDay()
	h.state.Describe(h.day.Describe)
	answer, err := h.apply(command)
	h.day = day
	h.mu.Unlock()
	if err == nil {
		err = fmt.Errorf("late: %w", replica.ErrHidden)
	}
	done(answer, err)
	return nil
}
