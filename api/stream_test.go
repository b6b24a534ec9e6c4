package api

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/vmihailenco/msgpack/v5"

	"evenkeel/core/money"
	"evenkeel/feed"
	"evenkeel/intake"
)

// socket is a client of a WebSocket stream.
type socket struct {
	t      *testing.T
	ctx    context.Context
	ws     *websocket.Conn
	packed bool
	kind   websocket.MessageType // of the last frame read
}

func (h *house) dial(t *testing.T, path string, packed bool) *socket {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	header := http.Header{}
	if packed {
		header.Set("Content-Type", "application/msgpack")
	}
	ws, answer, err := websocket.Dial(ctx, h.url+path, &websocket.DialOptions{HTTPHeader: header})
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if answer.Body != nil {
		answer.Body.Close()
	}
	ws.SetReadLimit(1 << 20)
	t.Cleanup(func() { _ = ws.CloseNow() })
	return &socket{t: t, ctx: ctx, ws: ws, packed: packed}
}

func (s *socket) say(v any) {
	s.t.Helper()
	var b []byte
	var err error
	kind := websocket.MessageText
	if s.packed {
		kind = websocket.MessageBinary
		b, err = msgpack.Marshal(v)
	} else {
		b, err = json.Marshal(v)
	}
	if err == nil {
		err = s.ws.Write(s.ctx, kind, b)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *socket) hear(v any) {
	s.t.Helper()
	kind, b, err := s.ws.Read(s.ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	s.kind = kind
	read := json.Unmarshal
	if s.packed {
		read = msgpack.Unmarshal
	}
	if err := read(b, v); err != nil {
		s.t.Fatalf("%v: %q", err, b)
	}
}

// one reads a frame of the data stream that has exactly one message.
func (s *socket) one() map[string]any {
	s.t.Helper()
	var frame []map[string]any
	s.hear(&frame)
	if len(frame) != 1 {
		s.t.Fatalf("a frame of %d messages: %v", len(frame), frame)
	}
	return frame[0]
}

// until reads messages until one is of a type.
func (s *socket) until(kind string) map[string]any {
	s.t.Helper()
	for {
		var frame []map[string]any
		s.hear(&frame)
		for _, m := range frame {
			if m["T"] == kind {
				return m
			}
		}
	}
}

func TestDataStream(t *testing.T) {
	for _, packed := range []bool{false, true} {
		t.Run(fmt.Sprintf("packed=%v", packed), func(t *testing.T) {
			h := openHouse(t)
			s := h.dial(t, "/v2/sip", packed)
			if m := s.one(); m["T"] != "success" || m["msg"] != "connected" {
				t.Fatalf("%v", m)
			}
			s.say(map[string]any{"action": "subscribe", "trades": []string{"*"}})
			if m := s.one(); fmt.Sprint(m["code"]) != "401" {
				t.Errorf("%v", m)
			}
			s.say(map[string]any{"action": "auth", "key": h.key, "secret": "wrong"})
			if m := s.one(); fmt.Sprint(m["code"]) != "402" {
				t.Errorf("%v", m)
			}
			s.say(map[string]any{"action": "auth", "key": h.key, "secret": h.secret})
			if m := s.one(); m["msg"] != "authenticated" {
				t.Fatalf("%v", m)
			}
			s.say(map[string]any{"action": "auth", "key": h.key, "secret": h.secret})
			if m := s.one(); fmt.Sprint(m["code"]) != "403" {
				t.Errorf("%v", m)
			}
			s.say(map[string]any{"action": "dance"})
			if m := s.one(); fmt.Sprint(m["code"]) != "400" {
				t.Errorf("%v", m)
			}
			s.say(map[string]any{"action": "subscribe", "trades": []string{"SH600000"}, "quotes": []string{"*"},
				"orderbooks": []string{"600000"}, "lulds": nil})
			m := s.one()
			if m["T"] != "subscription" || fmt.Sprint(m["trades"], m["quotes"], m["orderbooks"], m["lulds"],
				m["corrections"]) !=
				"[600000.SH] [*] [600000.SH] [] [600000.SH]" {
				t.Fatalf("%v", m)
			}
			if book := s.until("o"); book["S"] != "600000.SH" || book["r"] != true {
				t.Errorf("%v", book)
			}
			h.quote("000001.SZ", 113_800, 114_200)
			if q := s.until("q"); q["S"] != "000001.SZ" || q["bp"] != 11.38 || fmt.Sprint(q["bs"]) != "1000" {
				t.Errorf("%v", q)
			}
			h.tick("600000.SH", 100_100, 300)
			if m := s.until("t"); m["p"] != 10.01 || fmt.Sprint(m["s"]) != "300" || m["x"] != "S" {
				t.Errorf("%v", m)
			}
			s.say(map[string]any{"action": "unsubscribe", "quotes": []string{"*"}})
			if m := s.until("subscription"); fmt.Sprint(m["quotes"]) != "[]" {
				t.Errorf("%v", m)
			}
		})
	}
}

// The first member of every message is its type: the published Go client insists on it.
func TestTypeComesFirst(t *testing.T) {
	h := openHouse(t)
	s := h.dial(t, "/v2/iex", true)
	_, b, err := s.ws.Read(s.ctx)
	if err != nil || len(b) < 4 || b[0] != 0x91 || b[1] != 0x82 || string(b[2:4]) != "\xa1T" {
		t.Fatalf("%v %x", err, b)
	}
}

func TestUnauthenticatedStreamEnds(t *testing.T) {
	h := openHouse(t, func(p *Parts) { p.Limits.StreamAuth = 10 * time.Millisecond })
	s := h.dial(t, "/v2/sip", false)
	s.one()
	if m := s.one(); fmt.Sprint(m["code"]) != "404" {
		t.Errorf("%v", m)
	}
	if _, _, err := s.ws.Read(s.ctx); err == nil {
		t.Error("the stream went on")
	}
}

func TestTradeStream(t *testing.T) {
	for _, packed := range []bool{false, true} {
		for _, old := range []bool{false, true} {
			h := openHouse(t)
			s := h.dial(t, "/stream", packed)
			var m struct {
				Stream string         `json:"stream" msgpack:"stream"`
				Action string         `json:"action" msgpack:"action"`
				Data   map[string]any `json:"data" msgpack:"data"`
			}
			hello := map[string]any{"action": "authenticate", "data": map[string]any{"key_id": h.key, "secret_key": h.secret}}
			if old {
				hello = map[string]any{"action": "auth", "key": h.key, "secret": h.secret}
			}
			s.say(map[string]any{"action": "listen", "data": map[string]any{"streams": []string{"trade_updates"}}})
			if s.hear(&m); m.Data["status"] != "unauthorized" {
				t.Errorf("%+v", m)
			}
			s.say(hello)
			if s.hear(&m); m.Stream != "authorization" || m.Data["status"] != "authorized" ||
				s.kind != websocket.MessageBinary {
				t.Fatalf("%+v, frame of kind %v", m, s.kind)
			}
			s.say(map[string]any{"action": "listen", "data": map[string]any{"streams": []string{"trade_updates", "nothing"}}})
			if s.hear(&m); m.Stream != "listening" || fmt.Sprint(m.Data["streams"]) != "[trade_updates]" {
				t.Fatalf("%+v", m)
			}
			id := h.place(`{"symbol":"600000.SH","qty":"100","side":"buy","type":"limit","limit_price":"10"}`)
			h.accept(id)
			h.fill(id, 100, 100_000)
			for _, want := range []string{"pending_new", "new", "fill"} {
				m.Data = nil
				if s.hear(&m); m.Stream != "trade_updates" || m.Data["event"] != want {
					t.Fatalf("%+v, want %s", m, want)
				}
			}
			order := m.Data["order"].(map[string]any)
			if m.Data["price"] != "10.00" || m.Data["qty"] != "100" || m.Data["position_qty"] != "1150" ||
				order["status"] != "filled" {
				t.Errorf("%+v", m)
			}
			if err := s.ws.Write(s.ctx, websocket.MessageBinary, []byte{heartbeat}); err != nil {
				t.Error(err)
			}
			if err := s.ws.Write(s.ctx, websocket.MessageText, []byte(`{"action":`)); err != nil {
				t.Error(err)
			}
			if s.hear(&m); m.Action != "error" {
				t.Errorf("%+v", m)
			}
		}
	}
}

// events reads server-sent events.
type events struct {
	t      *testing.T
	answer *http.Response
	in     *bufio.Reader
}

func (h *house) listen(t *testing.T, path string) *events {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Apca-Api-Key-Id", h.key)
	r.Header.Set("Apca-Api-Secret-Key", h.secret)
	answer, err := h.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { answer.Body.Close() })
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", path, answer.Status)
	}
	return &events{t: t, answer: answer, in: bufio.NewReader(answer.Body)}
}

// next returns the next event's data; an error when the stream ends.
func (e *events) next() (map[string]any, error) {
	for {
		line, err := e.in.ReadString('\n')
		if err != nil {
			return nil, err
		}
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			v := map[string]any{}
			return v, json.Unmarshal([]byte(data), &v)
		}
	}
}

func (e *events) must(want string) map[string]any {
	e.t.Helper()
	v, err := e.next()
	if err != nil || v["event"] != want {
		e.t.Fatalf("%v %v, want %s", v, err, want)
	}
	return v
}

func TestTradeEvents(t *testing.T) {
	h := openHouse(t)
	live := h.listen(t, "/v2/events/trades")
	id := h.place(`{"symbol":"600000.SH","qty":"200","side":"buy","type":"limit","limit_price":"10"}`)
	h.accept(id)
	h.fill(id, 100, 99_800)
	h.fill(id, 100, 99_900)
	words := []string{"pending_new", "new", "partial_fill", "fill"}
	var all []map[string]any
	for _, want := range words {
		all = append(all, live.must(want))
	}
	for i := range len(all) - 1 {
		if all[i]["event_id"].(string) >= all[i+1]["event_id"].(string) || all[i]["at"].(string) >= all[i+1]["at"].(string) {
			t.Errorf("%v and %v do not rise", all[i], all[i+1])
		}
	}
	// Resuming a nanosecond behind an event, as the published Go client does, gives the rest.
	at, err := time.Parse(time.RFC3339Nano, all[1]["at"].(string))
	if err != nil {
		t.Fatal(err)
	}
	resumed := h.listen(t, "/v2/events/trades?since="+url.QueryEscape(at.Add(1).Format(time.RFC3339Nano)))
	resumed.must("partial_fill")
	resumed.must("fill")
	// Any two times enclose what happened between them, also those that belong to no event.
	for _, width := range []time.Duration{time.Microsecond, 500 * time.Microsecond, time.Millisecond, time.Second} {
		last, err := time.Parse(time.RFC3339Nano, all[3]["at"].(string))
		if err != nil {
			t.Fatal(err)
		}
		around := h.listen(t, "/v2/events/trades?since="+url.QueryEscape(at.Add(-time.Hour).Format(time.RFC3339Nano))+
			"&until="+url.QueryEscape(last.Add(width).Format(time.RFC3339Nano)))
		for _, want := range words {
			around.must(want)
		}
		if v, err := around.next(); err == nil {
			t.Errorf("behind the last: %v", v)
		}
		h.mu.Lock()
		h.clock = h.clock.Add(time.Minute)
		h.mu.Unlock()
	}
	// A stretch ends cleanly; the same ids come at every replay.
	stretch := h.listen(t, fmt.Sprintf("/v2/events/trades?since_id=%v&until_id=%v", all[1]["event_id"],
		all[2]["event_id"]))
	for i := 1; i <= 2; i++ {
		if v := stretch.must(words[i]); v["event_id"] != all[i]["event_id"] || v["execution_id"] != all[i]["execution_id"] {
			t.Errorf("%v became %v", all[i], v)
		}
	}
	if _, err := stretch.next(); err == nil || !strings.Contains(err.Error(), "EOF") || strings.Contains(err.Error(),
		"unexpected") {
		t.Errorf("a stretch ended with %v", err)
	}
	for _, query := range []string{"since=x", "since=2026-07-08&since_id=" + all[0]["event_id"].(string),
		"until=2026-07-08",
		"since_id=nonsense", "since=2026-07-08&until=2026-07-07"} {
		if r := h.ask("GET", "/v2/events/trades?"+query, ""); r.status != 400 {
			t.Errorf("%s: %d %s", query, r.status, r.raw)
		}
	}
	// A drained stream is broken off, never ended: a clean end would stop the published Go client for ever.
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := h.server.Drain(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := live.next(); err == nil || !strings.Contains(err.Error(), "unexpected EOF") {
		t.Errorf("a drained stream ended with %v", err)
	}
	if r := h.ask("GET", "/v2/events/trades", ""); r.status != 503 || r.header.Get("Retry-After") == "" {
		t.Errorf("%d %s", r.status, r.raw)
	}
}

func TestNativeEvents(t *testing.T) {
	h := openHouse(t)
	id := h.place(`{"symbol":"600000.SH","qty":"100","side":"buy","type":"limit","limit_price":"10"}`)
	live := h.listen(t, "/api/v1/events?from=1")
	for number := 1.0; number <= 3; number++ { // cash, shares, the order
		if v, err := live.next(); err != nil || v["number"] != number {
			t.Fatalf("%v %v, want number %v", v, err, number)
		}
	}
	h.accept(id)
	if v, err := live.next(); err != nil || v["number"] != 4.0 || v["kind"] != "ORDER_ACCEPTED" {
		t.Errorf("%v %v", v, err)
	}
	again := h.listen(t, "/api/v1/events?from=3")
	if v, err := again.next(); err != nil || v["kind"] != "ORDER_PLACED" {
		t.Errorf("%v %v", v, err)
	}
	if r := h.ask("GET", "/api/v1/events?from=99", ""); r.status != 400 || r.json["nearest"] != "5" {
		t.Errorf("%d %s", r.status, r.raw)
	}
	token := h.login(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	ws, answer, err := websocket.Dial(ctx, h.url+"/api/v1/events?from=2", &websocket.DialOptions{
		HTTPHeader: http.Header{"Cookie": {sessionCookie + "=" + token}}})
	if err != nil {
		t.Fatal(err)
	}
	if answer.Body != nil {
		answer.Body.Close()
	}
	defer func() { _ = ws.CloseNow() }()
	if _, b, err := ws.Read(ctx); err != nil || !strings.Contains(string(b), `"SHARES_MOVED"`) {
		t.Errorf("%s %v", b, err)
	}
}

// login returns a token.
func (h *house) login(t testing.TB) string {
	t.Helper()
	r := h.send("POST", "/api/v1/login", `{"login":"`+login+`","password":"`+password+`","label":"a test"}`)
	if r.status != 200 {
		t.Fatalf("%d %s", r.status, r.raw)
	}
	token, _ := r.json["token"].(string)
	return token
}

// A client that does not read is told so and cut off; nobody waits for it.
func TestSlowReader(t *testing.T) {
	h := openHouse(t, func(p *Parts) { p.Limits.StreamWrite = 200 * time.Millisecond })
	s := h.dial(t, "/v2/sip", false)
	s.one()
	s.say(map[string]any{"action": "auth", "key": h.key, "secret": h.secret})
	s.one()
	s.say(map[string]any{"action": "subscribe", "trades": []string{"*"}})
	s.one()
	deadline := time.Now().Add(10 * time.Second)
	for h.market.Readers() > 0 && time.Now().Before(deadline) {
		for range 1000 {
			h.tick("600000.SH", 100_000, 100)
		}
	}
	if h.market.Readers() > 0 {
		t.Fatal("a reader that does not read was kept")
	}
}

func TestPace(t *testing.T) {
	now := time.Unix(0, 0)
	p := newPaces(time.Second, func() time.Time { return now })
	if w := p.wait("a"); w != 0 {
		t.Errorf("the first stream waits %v", w)
	}
	if w := p.wait("a"); w != time.Second {
		t.Errorf("the second waits %v", w)
	}
	if w := p.wait("a"); w != time.Second {
		t.Errorf("the third waits %v: no longer than the second", w)
	}
	now = now.Add(3 * time.Second)
	if w := p.wait("a"); w != 0 {
		t.Errorf("a late one waits %v", w)
	}
}

// However busy the market is, the acknowledgement of a first subscription comes before any data: the published Go
// client refuses to connect otherwise.
func TestAcknowledgementComesFirst(t *testing.T) {
	h := openHouse(t)
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				h.tick("600000.SH", 100_000, 100)
			}
		}
	}()
	defer func() { close(stop); <-done }()
	for range 20 {
		s := h.dial(t, "/v2/sip", false)
		s.one()
		s.say(map[string]any{"action": "auth", "key": h.key, "secret": h.secret})
		s.one()
		s.say(map[string]any{"action": "subscribe", "trades": []string{"*"}, "bars": []string{"*"}})
		if m := s.one(); m["T"] != "subscription" {
			t.Fatalf("%v", m)
		}
		_ = s.ws.CloseNow()
	}
}

// A stream has room of its own: it takes none from queries for as long as it lasts.
func TestStreamsLeaveRoomForQueries(t *testing.T) {
	h := openHouse(t, func(p *Parts) {
		d := p.Door.Parts
		d.Limits.InFlight[intake.Query], d.Limits.InFlight[intake.Quote] = 1, 1
		p.Door = intake.New(d)
	})
	h.listen(t, "/v2/events/trades")
	if r := h.ask("GET", "/v2/account", ""); r.status != http.StatusOK {
		t.Errorf("%d %s", r.status, r.raw)
	}
}

// wish opens a data stream and subscribes; the acknowledgement is read.
func (h *house) wish(t *testing.T, packed bool, more map[string]any) *socket {
	t.Helper()
	s := h.dial(t, "/v2/sip", packed)
	s.one()
	s.say(map[string]any{"action": "auth", "key": h.key, "secret": h.secret})
	s.one()
	more["action"] = "subscribe"
	s.say(more)
	return s
}

// frames reads messages up to a place, and returns the prices of trades and bids, and the place.
func (s *socket) frames() (prices []any, place string) {
	s.t.Helper()
	for {
		var frame []map[string]any
		s.hear(&frame)
		for _, m := range frame {
			switch m["T"] {
			case "t":
				prices = append(prices, m["p"])
			case "q":
				prices = append(prices, m["bp"])
			case "place":
				return prices, m["place"].(string)
			case "subscription":
			default:
				prices = append(prices, m["code"])
			}
		}
	}
}

// A client that comes back with its place misses nothing; one that comes too late is told so; one that asks for the
// latest gets no more than that.
func TestPlaces(t *testing.T) {
	for _, packed := range []bool{false, true} {
		h := openHouse(t)
		s := h.wish(t, packed, map[string]any{"trades": []string{"600000"}, "places": true})
		h.eventually(t, "one circle", func() bool { return h.market.Circles() == 1 })
		h.tick("600000.SH", 100_000, 100)
		prices, place := s.frames()
		if fmt.Sprint(prices) != "[10]" {
			t.Errorf("packed %v: %v %s", packed, prices, place)
		}
		_ = s.ws.CloseNow()
		h.tick("600000.SH", 101_000, 100)
		h.tick("000001.SZ", 50_000, 100)
		h.tick("600000.SH", 102_000, 100)
		s = h.wish(t, packed, map[string]any{"trades": []string{"600000"}, "places": true, "behind": place})
		prices, next := s.frames()
		if fmt.Sprint(prices) != "[10.1 10.2]" || next == place {
			t.Errorf("packed %v: come back, heard %v, at %s behind %s", packed, prices, next, place)
		}
		gone := "0" + place[1:16] + "-1"
		if gone[:16] == place[:16] {
			gone = "1" + gone[1:]
		}
		s = h.wish(t, packed, map[string]any{"trades": []string{"600000"}, "places": true, "behind": gone})
		if m := s.until("error"); fmt.Sprint(m["code"]) != "412" {
			t.Errorf("packed %v: another market's place, heard %v", packed, m)
		}
		h.tick("600000.SH", 103_000, 100)
		if prices, _ = s.frames(); fmt.Sprint(prices) != "[10.3]" {
			t.Errorf("packed %v: behind another market's place, heard %v", packed, prices)
		}
		for _, wrong := range []map[string]any{{"behind": "here"}, {"conflate_ms": 49}, {"conflate_ms": 60_001}} {
			if m := h.wish(t, packed, wrong).one(); fmt.Sprint(m["code"]) != "400" {
				t.Errorf("%v: %v", wrong, m)
			}
		}
		s = h.wish(t, packed, map[string]any{"quotes": []string{"*"}, "places": true, "conflate_ms": 200})
		if m := s.until("subscription"); fmt.Sprint(m["conflate_ms"]) != "200" {
			t.Errorf("%v", m)
		}
		h.eventually(t, "two circles", func() bool { return h.market.Circles() == 2 })
		h.quote("600000.SH", 99_000, 101_000)
		first, _ := s.frames()
		for n := range 5 {
			h.quote("600000.SH", money.Price(99_100+100*n), 101_000)
		}
		if last, _ := s.frames(); fmt.Sprint(first, last) != "[9.9] [9.95]" {
			t.Errorf("the latest: %v, %v", first, last)
		}
	}
}

// Who reads too slowly is warned, and its lag is known while it is so.
func TestSlowReaderIsWarned(t *testing.T) {
	h := openHouse(t)
	s := h.wish(t, false, map[string]any{"trades": []string{"*"}})
	s.until("subscription")
	s.ws.SetReadLimit(-1)
	for deadline := time.Now().Add(20 * time.Second); ; {
		for range 200 {
			h.tick("600000.SH", 100_000, 100)
		}
		lag := h.server.Lag()
		if len(lag.Most) > 0 && lag.Most[0].Behind > feed.MaxBehind/2+1000 {
			if lag.Readers != 1 || lag.Most[0].Stream != "data" || lag.Most[0].Lag <= 0 || lag.Most[0].Login == "" {
				t.Errorf("%+v", lag)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%+v", lag)
		}
	}
	m := s.until("warning")
	if fmt.Sprint(m["code"], m["behind_limit"]) != fmt.Sprint(407, feed.MaxBehind) {
		t.Errorf("%v", m)
	}
	if text := h.ask("GET", "/metrics", "").raw; !strings.Contains(text, `evenkeel_stream_lag_seconds_count{stream="data"} 1`) {
		t.Errorf("%s", text)
	}
}

// A place that is read is the one that was written, and nothing else is.
func FuzzPlace(f *testing.F) {
	f.Add("00000000000000ff-17")
	f.Add("-")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := readPlace(text)
		if err == nil && placeText(p) != text {
			t.Fatalf("%q became %q", text, placeText(p))
		}
	})
}
