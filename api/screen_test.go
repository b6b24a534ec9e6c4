package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/getkin/kin-openapi/openapi3"

	"evenkeel/core/money"
	"evenkeel/core/trade"
)

// screen opens the stream of the screen. Headers are name, value pairs; without any, the account's key.
func (h *house) screen(t *testing.T, headers ...string) *socket {
	t.Helper()
	if len(headers) == 0 {
		headers = []string{"APCA-API-KEY-ID", h.key, "APCA-API-SECRET-KEY", h.secret}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	header := http.Header{}
	for i := 0; i+1 < len(headers); i += 2 {
		header.Set(headers[i], headers[i+1])
	}
	ws, answer, err := websocket.Dial(ctx, h.url+"/api/v1/stream", &websocket.DialOptions{HTTPHeader: header})
	if err != nil {
		t.Fatal(err)
	}
	if answer.Body != nil {
		answer.Body.Close()
	}
	ws.SetReadLimit(4 << 20)
	t.Cleanup(func() { _ = ws.CloseNow() })
	return &socket{t: t, ctx: ctx, ws: ws}
}

// frame is one frame of the screen, whichever it is.
type frame struct {
	T        string          `json:"t"`
	D        json.RawMessage `json:"d"`
	ID       json.RawMessage `json:"id"`
	After    string          `json:"after"`
	Symbol   string          `json:"symbol"`
	Reason   string          `json:"reason"`
	Op       string          `json:"op"`
	Snapshot bool            `json:"snapshot"`
}

// next reads frames until one is of a kind, and decodes what it is about.
func (s *socket) next(kind string, d any) (f frame) {
	s.t.Helper()
	for {
		f = frame{}
		s.hear(&f)
		if f.T != kind {
			continue
		}
		if d != nil {
			if err := json.Unmarshal(f.D, d); err != nil {
				s.t.Fatalf("%v: %s", err, f.D)
			}
		}
		return f
	}
}

func TestScreenQuotes(t *testing.T) {
	h := openHouse(t)
	s := h.screen(t)
	s.say(map[string]any{"op": "subscribe", "quotes": []string{"600000", "000001.SZ", "688001.SH"},
		"depth": []string{"600000.SH"}})
	var rows []screenQuote
	s.next("quotes", &rows)
	if len(rows) != 2 || rows[0].Symbol != "600000.SH" || rows[0].Bid != "9.99" || rows[0].AskSize != 900 ||
		*rows[0].Up != "11.00" || rows[0].Received == "" {
		t.Fatalf("%+v", rows)
	}
	var depth screenDepth
	s.next("depth", &depth)
	if len(depth.Bids) != 1 || depth.Bids[0] != (screenLevel{"9.99", 1000, 2}) {
		t.Fatalf("%+v", depth)
	}
	// Of a thousand changes the screen is told a few, the last among them, and only of what changed.
	for i := range 1000 {
		h.quote("600000.SH", 99_000, money.Price(100_100+100*i))
	}
	frames := 0
	for last := ""; last != "20.00"; frames++ {
		rows = nil
		s.next("quotes", &rows)
		if len(rows) != 1 || rows[0].Symbol != "600000.SH" {
			t.Fatalf("%+v", rows)
		}
		last = rows[0].Ask
	}
	if frames > 200 {
		t.Errorf("%d frames for 1,000 changes", frames)
	}
	s.say(map[string]any{"op": "unsubscribe", "quotes": []string{"600000.SH"}, "depth": []string{"*"}})
	s.say(map[string]any{"op": "ping", "id": 7})
	if f := s.next("pong", nil); string(f.ID) != "7" {
		t.Errorf("%+v", f)
	}
	h.quote("600000.SH", 99_000, 100_000)
	h.quote("000001.SZ", 113_000, 114_000)
	rows = nil
	if s.next("quotes", &rows); len(rows) != 1 || rows[0].Symbol != "000001.SZ" {
		t.Errorf("%+v", rows)
	}
}

func TestScreenTicks(t *testing.T) {
	h := openHouse(t)
	for range 100 {
		h.tick("600000.SH", 100_000, 100)
	}
	s := h.screen(t)
	s.say(map[string]any{"op": "subscribe", "ticks": []string{"600000.SH"}})
	seen := uint64(0)
	read := func(snapshot bool) {
		t.Helper()
		var rows []screenTick
		if f := s.next("ticks", &rows); f.Symbol != "600000.SH" || f.Snapshot != snapshot {
			t.Fatalf("%+v", f)
		}
		for _, row := range rows {
			if seen != 0 && row.Number != seen+1 {
				t.Fatalf("%d after %d", row.Number, seen)
			}
			seen = row.Number
		}
	}
	if read(true); seen != 100 {
		t.Errorf("the newest of the past is %d", seen)
	}
	go func() {
		for range 300 {
			h.tick("600000.SH", 100_000, 100)
		}
	}()
	for seen < 400 {
		read(false)
	}
	h.market.Restart(houseDay) // the exchange's stream of the day begins anew
	h.market.Live()
	seen = 0
	read(true)
	h.sequence = 0
	h.tick("600000.SH", 100_000, 100)
	if read(false); seen != 1 {
		t.Errorf("%d", seen)
	}
}

// Events go on behind a number, without a gap and without one twice, however often the stream is lost.
func TestScreenEvents(t *testing.T) {
	h := openHouse(t, wide)
	move := func(i int) {
		h.must(&trade.Command{Kind: trade.MoveCashKind, MoveCash: trade.MoveCash{Account: h.account,
			Amount: money.Scale, Reference: fmt.Appendf(nil, "move %d", i)}})
	}
	first := h.day.LastNumber(h.account)
	var writing sync.WaitGroup
	writing.Go(func() {
		for i := range 200 {
			move(i)
		}
	})
	seen := first
	for seen < first+200 {
		s := h.screen(t)
		s.say(map[string]any{"op": "events", "after": fmt.Sprint(seen)})
		if f := s.next("events", nil); f.After != fmt.Sprint(seen) {
			t.Fatalf("%+v", f)
		}
		for i := 0; i < 37 && seen < first+200; i++ {
			var e nativeEvent
			if s.next("event", &e); e.Number != seen+1 || e.Kind != "CASH_MOVED" {
				t.Fatalf("%+v after %d", e, seen)
			}
			seen = e.Number
		}
		_ = s.ws.CloseNow()
	}
	writing.Wait()
	s := h.screen(t)
	s.say(map[string]any{"op": "events", "after": seen + 5})
	if f := s.next("error", nil); f.Reason != badField || f.Op != "events" {
		t.Errorf("a number that there is not: %+v", f)
	}
	s.say(map[string]any{"op": "events"})
	if f := s.next("events", nil); f.After != fmt.Sprint(seen) {
		t.Errorf("live only: %+v", f)
	}
	move(200)
	var e nativeEvent
	if s.next("event", &e); e.Number != seen+1 {
		t.Errorf("%+v", e)
	}
}

func TestScreenStatus(t *testing.T) {
	h := openHouse(t)
	var mu sync.Mutex
	now := House{Leader: true, Orders: LinkUp}
	h.server.House = func(trade.AccountID) House { mu.Lock(); defer mu.Unlock(); return now }
	s := h.screen(t)
	var v screenStanding
	s.next("status", &v)
	if len(v.Phases) != 3 || v.Exchange.Orders != "up" || !v.Leader || v.Last != h.day.LastNumber(h.account) {
		t.Errorf("%+v", v)
	}
	mu.Lock()
	now = House{Orders: LinkDown, Trouble: "no answer", Stale: true, Behind: 1500 * time.Millisecond}
	mu.Unlock()
	for v.Leader {
		s.next("status", &v)
	}
	if v.Exchange.Orders != "down" || *v.Exchange.Trouble != "no answer" || !v.Stale || *v.Behind != 1500 {
		t.Errorf("%+v", v)
	}
	mu.Lock()
	now = House{Leader: true, Orders: LinkSlow, Oldest: 4 * time.Second}
	mu.Unlock()
	for !v.Leader {
		s.next("status", &v)
	}
	if v.Exchange.Orders != "slow" || *v.Exchange.Oldest != 4000 {
		t.Errorf("%+v", v)
	}
	h.must(&trade.Command{Kind: trade.SetPhaseKind, SetPhase: trade.SetPhase{Venue: trade.SSE, Phase: trade.Lunch,
		Day: houseDay}})
	for v.Phases[0].(map[string]any)["phase"] != "LUNCH" {
		v = screenStanding{}
		s.next("status", &v)
	}
}

func TestScreenDoor(t *testing.T) {
	h := openHouse(t, wide)
	refused := func(status int, headers ...string) {
		t.Helper()
		header := http.Header{}
		for i := 0; i+1 < len(headers); i += 2 {
			header.Set(headers[i], headers[i+1])
		}
		_, answer, err := websocket.Dial(t.Context(), h.url+"/api/v1/stream", &websocket.DialOptions{HTTPHeader: header})
		if err == nil || answer == nil || answer.StatusCode != status {
			t.Errorf("%v: %v %v", headers, answer, err)
		}
	}
	refused(401)
	refused(401, "Cookie", sessionCookie+"=made-up")
	token := h.login(t)
	refused(403, "Cookie", sessionCookie+"="+token, "Origin", "https://elsewhere.example")
	s := h.screen(t, "Cookie", sessionCookie+"="+token, "Origin", h.url)
	for _, c := range []struct{ said, reason string }{
		{`{`, badJSON}, {`{"op":"fly"}`, badField}, {`{"op":"events","after":"x"}`, badField},
		{`{"op":"subscribe","quotes":["999999.SH"]}`, symbolUnknown},
		{`{"op":"subscribe","depth":["` + strings.Repeat(`1","`, maxDepths) + `"]}`, badField},
		{`{"op":"ping","id":"` + strings.Repeat("x", longestID) + `"}`, badJSON},
	} {
		if err := s.ws.Write(s.ctx, websocket.MessageText, []byte(c.said)); err != nil {
			t.Fatal(err)
		}
		if f := s.next("error", nil); f.Reason != c.reason {
			t.Errorf("%s: %+v", c.said, f)
		}
	}
	r := h.send("POST", "/api/v1/logout", "", "Authorization", "Bearer "+token)
	if r.status != 204 {
		t.Fatalf("%d %s", r.status, r.raw)
	}
	for { // a session that has ended holds no stream
		if _, _, err := s.ws.Read(s.ctx); err != nil {
			break
		}
	}
	if s.ctx.Err() != nil {
		t.Error("the stream outlived its session")
	}
}

// Who does not read gets no more than screenAhead bytes of the market, is cut off, and hears the newest when he comes
// back.
func TestScreenIsNeverAhead(t *testing.T) {
	h := openHouse(t, func(p *Parts) { p.Limits.StreamWrite = 200 * time.Millisecond })
	s := h.screen(t)
	s.say(map[string]any{"op": "subscribe", "quotes": []string{"600000.SH"}, "depth": []string{"600000.SH"}})
	var rows []screenQuote
	s.next("quotes", &rows)
	stop := make(chan struct{})
	var moving sync.WaitGroup
	moving.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
				h.quote("600000.SH", money.Price(90_000+i%100*100), 110_000)
			}
		}
	})
	for deadline := time.Now().Add(60 * time.Second); h.server.Market.Readers() > 0; {
		if time.Now().After(deadline) {
			t.Fatal("who does not read is still served")
		}
		time.Sleep(10 * time.Millisecond)
	}
	close(stop)
	moving.Wait()
	got := 0
	for {
		_, b, err := s.ws.Read(s.ctx)
		if err != nil {
			break
		}
		if strings.HasPrefix(string(b), `{"t":"quotes"`) || strings.HasPrefix(string(b), `{"t":"depth"`) {
			got += len(b)
		}
	}
	if got > 2*screenAhead {
		t.Errorf("%d bytes were on their way", got)
	}
}

// Frames are as openapi.yaml says.
func TestScreenIsAsDescribed(t *testing.T) {
	h := openHouse(t)
	doc, _ := described(t)
	h.tick("600000.SH", 100_000, 100)
	s := h.screen(t)
	s.say(map[string]any{"op": "subscribe", "quotes": []string{"600000.SH"}, "depth": []string{"600000.SH"},
		"ticks": []string{"600000.SH"}})
	s.say(map[string]any{"op": "events", "after": "0"})
	s.say(map[string]any{"op": "ping", "id": "a"})
	s.say(map[string]any{"op": "fly"})
	want := map[string]string{"status": "ScreenStatus", "quotes": "ScreenQuotes", "depth": "ScreenDepth",
		"ticks": "ScreenTicks", "events": "ScreenEvents", "event": "ScreenEvent", "pong": "ScreenPong",
		"error": "ScreenError"}
	seen := map[string]bool{}
	for len(seen) < len(want) {
		var v map[string]any
		s.hear(&v)
		kind, _ := v["t"].(string)
		seen[kind] = true
		schema := doc.Components.Schemas[want[kind]]
		if schema == nil {
			t.Fatalf("%s is not described", kind)
		}
		if err := schema.Value.VisitJSON(v, openapi3.MultiErrors()); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

func FuzzScreenMessage(f *testing.F) {
	for _, seed := range []string{`{"op":"subscribe","quotes":["600000.SH"]}`, `{"op":"events","after":"17"}`,
		`{"op":"events","after":17}`, `{"op":"ping","id":{"a":1}}`, `[]`, `{"after":"\u0031"}`, `{"after":-1}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := parseScreenMessage(raw)
		if err != nil {
			return
		}
		if len(m.ID) > longestID {
			t.Fatalf("an id of %d bytes", len(m.ID))
		}
		if after, live, err := m.number(); err == nil && !live {
			again, _, err := (&screenMessage{After: fmt.Appendf(nil, "%q", fmt.Sprint(after))}).number()
			if err != nil || again != after {
				t.Fatalf("%q was read as %d, and then as %d, %v", raw, after, again, err)
			}
		}
	})
}
