package load

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
)

// Every shape is due as often as its curve says, in order, and within its time.
func TestSchedule(t *testing.T) {
	for _, shape := range Shapes {
		for _, poisson := range []bool{false, true} {
			c := Config{Rate: 1000, Shape: shape.Name, Lasts: 20 * time.Second, Warm: time.Second, Poisson: poisson,
				Mix: Mix{Order: 3, Login: 1}, Seed: 7}
			s, err := newSchedule(&c)
			if err != nil {
				t.Fatal(err)
			}
			want := 0.0
			for _, f := range s.flows {
				want += f.curve.total(21)
			}
			n, before := 0, time.Duration(0)
			for _, due, ok := s.pop(); ok; _, due, ok = s.pop() {
				if due < before || due > 21*time.Second+time.Microsecond {
					t.Fatalf("%s: %v is due behind %v", shape.Name, due, before)
				}
				n, before = n+1, due
			}
			if math.Abs(float64(n)-want) > 3+5*math.Sqrt(want)*map[bool]float64{true: 1}[poisson] {
				t.Errorf("%s: %d are due, want %.0f", shape.Name, n, want)
			}
		}
	}
	if most := DayRate(9.5); most < 3 || DayRate(12) > 0.1 {
		t.Errorf("the day's peak is %.1f of its mean, lunch %.2f", most, DayRate(12))
	}
}

// A driver that is held up sends what it owes at once, and counts from when it was due.
func TestLateness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := Config{Rate: 100, Shape: "flat", Lasts: time.Second, Mix: Mix{Query: 1}, Accounts: make([]Account, 1)}
		c.setDefaults()
		naps := 0
		c.Sleep = func(d time.Duration) {
			if naps++; naps == 5 {
				d += 300 * time.Millisecond
			}
			time.Sleep(d)
		}
		plan, err := newSchedule(&c)
		if err != nil {
			t.Fatal(err)
		}
		r := &worker{run: &run{config: c, began: time.Now(), crowd: newCrowd(&c)}, tally: newTally(&c)}
		r.asks.New = func() any { return new(ask) }
		var waits []time.Duration
		r.pool = &pool{began: r.began, closed: true, heard: func(a *ask, _ *reply, _ error) {
			waits = append(waits, r.pool.now()-a.due)
		}}
		r.drive(context.Background(), plan)
		late := 0
		for _, w := range waits {
			if w > 5*time.Millisecond {
				late++
			}
		}
		if len(waits) < 99 || late < 28 || late > 32 {
			t.Errorf("%d sent, %d of them late: a pause of 300 ms holds 30 of 100 up", len(waits), late)
		}
		if p99 := r.tally.late.ValueAtQuantile(99); p99 < 250_000 {
			t.Errorf("the driver says that it was late by %d us", p99)
		}
	})
}

// house is a server that keeps orders, and lies when it is told to.
type house struct {
	mu     sync.Mutex
	orders map[string]map[string]string // by id
	by     map[string]string
	lie    string
	full   bool
	events []chan string // of readers: client order ids
}

// stream tells a reader of every order that comes.
func (h *house) stream(w http.ResponseWriter, r *http.Request) {
	orders := make(chan string, 10_000)
	h.mu.Lock()
	h.events = append(h.events, orders)
	h.mu.Unlock()
	w.WriteHeader(http.StatusOK)
	_ = http.NewResponseController(w).Flush()
	for number := 1; ; number++ {
		select {
		case <-r.Context().Done():
			return
		case client := <-orders:
			if h.lie == "gap" && number == 5 {
				number++
			}
			if h.lie != "silent" || number%10 != 0 {
				_, _ = fmt.Fprintf(w, "id: %d\ndata: {\"order\":{\"client_order_id\":\"%s\"}}\n\n", number, client)
				_ = http.NewResponseController(w).Flush()
			}
		}
	}
}

// quotes sends a reader quotes until he goes.
func (h *house) quotes(w http.ResponseWriter, r *http.Request) {
	ws, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = ws.CloseNow() }()
	_, _, _ = ws.Read(r.Context())
	_, _, _ = ws.Read(r.Context())
	_ = ws.Write(r.Context(), websocket.MessageText, []byte(`[{"T":"subscription"}]`))
	for n := int64(1); err == nil; n++ {
		at, symbol := time.Unix(1000+n, 0), "600000.SH"
		if h.lie == "back" && n == 3 {
			at = time.Unix(5, 0)
		}
		if h.lie == "other security" && n == 3 {
			symbol = "600001.SH"
		}
		err = ws.Write(r.Context(), websocket.MessageText, fmt.Appendf(nil, `[{"T":"q","S":"%s","t":"%s"}]`, symbol,
			at.UTC().Format(time.RFC3339Nano)))
		time.Sleep(20 * time.Millisecond)
	}
}

func (h *house) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/api/v1/events":
		h.stream(w, r)
		return
	case "/v2/iex":
		h.quotes(w, r)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	say := func(v any) { _ = json.NewEncoder(w).Encode(v) }
	id := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	switch {
	case h.full:
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
	case r.Method == http.MethodPost:
		o := map[string]string{}
		_ = json.NewDecoder(r.Body).Decode(&o)
		o["id"], o["status"] = fmt.Sprintf("%036d", len(h.orders)), "new"
		if h.lie == "other" {
			o["client_order_id"] = "x"
		}
		for _, reader := range h.events {
			reader <- o["client_order_id"]
		}
		if h.lie != "forget" {
			h.orders[o["id"]], h.by[o["client_order_id"]] = o, o["id"]
		}
		say(o)
	case r.Method == http.MethodDelete:
		if h.lie != "keep" && h.orders[id] != nil {
			h.orders[id]["status"] = "canceled"
		}
		w.WriteHeader(http.StatusNoContent)
	case strings.Contains(r.URL.Path, "quotes"):
		at := time.Unix(1000+int64(len(h.orders)), 0)
		if h.lie == "past" {
			at = time.Unix(5000-int64(time.Now().UnixMilli()%4000), 0)
		}
		say(map[string]any{"quotes": map[string]any{"S": map[string]string{"t": at.UTC().Format(time.RFC3339Nano)}}})
	case strings.Contains(r.URL.Path, "by_client"):
		if o := h.orders[h.by[r.URL.Query().Get("client_order_id")]]; o != nil {
			if h.lie == "keep" {
				o["status"] = "rejected"
			}
			say(o)
			return
		}
		w.WriteHeader(http.StatusNotFound)
	case h.orders[id] != nil:
		say(h.orders[id])
	default:
		say(map[string]string{})
	}
}

// An honest server has no complaint; each lie is found.
func TestChecks(t *testing.T) {
	for _, lie := range []string{"", "other", "forget", "keep", "past", "gap", "silent", "back", "other security"} {
		h := &house{orders: map[string]map[string]string{}, by: map[string]string{}, lie: lie}
		server := httptest.NewServer(h)
		wait := time.Second // a lie is not waited for
		if lie == "" {
			wait = 30 * time.Second
		}
		result, err := Run(t.Context(), Config{URL: server.URL, Accounts: make([]Account, 3), Audit: 50, AuditWait: wait,
			Rate: 300,
			Mix:  Mix{Order: 4, Cancel: 2, Query: 2, Quote: 2}, Lasts: time.Second, Connections: 8, Patience: 20 * time.Second,
			Streams: Streams{Events: 1, Quotes: 1, Symbols: 1}})
		server.Close()
		if err != nil {
			t.Fatal(err)
		}
		if (result.Checks.Wrong > 0) != (lie != "") {
			t.Errorf("lie %q: %+v", lie, result.Checks)
		}
		if s := result.Streams; s.Opened != 2 || lie == "" && (s.Seen == 0 || s.Messages == 0) {
			t.Errorf("lie %q: streams %+v", lie, s)
		}
		if o := result.Row(Order); lie == "" && (o == nil || o.Answered < 100 || result.Checks.Found == 0) {
			t.Errorf("%+v %+v", o, result.Checks)
		}
	}
}

// Refusals with a time are no failures, and a polite program comes back.
func TestRefusals(t *testing.T) {
	server := httptest.NewServer(&house{full: true})
	defer server.Close()
	result, err := Run(t.Context(), Config{URL: server.URL, Accounts: make([]Account, 1), Rate: 50, Mix: Mix{Query: 1},
		Lasts: time.Second, Retry: Polite, Patience: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	row := result.Row(Query)
	if row.Failed > 0 || row.Refused != row.Due || row.Tries <= row.Due || row.Refusals != row.Tries {
		t.Errorf("%+v", row)
	}
}

// room gives each login a ticket, calls it at its third try, and the fourth of four never. Who comes with another's
// ticket, with an old one, or too early, is sent away for good.
type room struct {
	mu     sync.Mutex
	given  int
	holder map[string]string // of tickets that are good
	told   map[string]time.Time
	broke  bool // it has let one look go without an answer
}

func (h *room) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var ask struct{ Login, Ticket string }
	if json.NewDecoder(r.Body).Decode(&ask) != nil || r.URL.Path != "/api/v1/login" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	number, look := h.given, 0
	if ask.Ticket == "" {
		h.given++
	} else if _, err := fmt.Sscanf(ask.Ticket, "T%d-%d", &number, &look); err != nil ||
		h.holder[ask.Ticket] != ask.Login || time.Since(h.told[ask.Ticket]) < time.Second {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if look == 1 && !h.broke {
		h.broke = true
		panic(http.ErrAbortHandler) // the connection breaks, and the ticket is as good as before
	}
	delete(h.holder, ask.Ticket)
	if look == 2 && number%4 != 3 {
		_, _ = io.WriteString(w, `{"token":"x"}`)
		return
	}
	ticket := fmt.Sprintf("T%d-%d", number, look+1)
	h.holder[ticket], h.told[ticket] = ask.Login, time.Now()
	w.Header().Set("Retry-After", "1")
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = fmt.Fprintf(w, `{"reason":"LOGIN_WAITS","waiting":{"ticket":"%s"}}`, ticket)
}

// Who is given a place in line comes back when told, under the same name and with the ticket of the last answer, until
// called; the wait counts from the first try. Whoever is not called is still waiting, and nobody has failed.
func TestTickets(t *testing.T) {
	h := &room{holder: map[string]string{}, told: map[string]time.Time{}}
	server := httptest.NewServer(h)
	defer server.Close()
	accounts := []Account{{Login: "ann", Password: "p"}, {Login: "bob", Password: "p"}, {Login: "cid", Password: "p"}}
	result, err := Run(t.Context(), Config{URL: server.URL, Accounts: accounts, Rate: 20, Mix: Mix{Login: 1},
		Lasts: time.Second, Stay: 8 * time.Second, Patience: 20 * time.Second, Drivers: 2})
	if err != nil {
		t.Fatal(err)
	}
	row, k := result.Row(Login), result.Tickets
	never := row.Due / 4
	if k == nil || k.Given != row.Due || k.Called != row.Due-never || k.Waiting != never || k.Looks < row.Due ||
		k.P50 < 2 ||
		row.Answered != k.Called || row.Waiting != never || row.Failed+row.Refused+row.Rejected > 0 || row.P50 < 2000 {
		t.Errorf("%+v %+v %v", row, k, result.Reasons)
	}
	var page, table, asJSON bytes.Buffer
	if err := errors.Join(result.Page(&page), result.Table(&table), result.JSON(&asJSON)); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{page.String(): fmt.Sprintf("gave %d logins", k.Given),
		table.String(): fmt.Sprintf("%d were called, %d still wait", k.Called, k.Waiting), asJSON.String(): `"tickets": {`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
}

// A load that is ended early counts who stands in line as waiting.
func TestTicketsOfAnEndedLoad(t *testing.T) {
	server := httptest.NewServer(&room{holder: map[string]string{}, told: map[string]time.Time{}, broke: true})
	defer server.Close()
	ctx, end := context.WithCancel(t.Context())
	result, err := Run(ctx, Config{URL: server.URL, Accounts: []Account{{Login: "ann", Password: "p"}}, Rate: 10,
		Mix: Mix{Login: 1}, Lasts: 10 * time.Second, Say: func(line string) {
			if strings.Contains(line, "in line") {
				end()
			}
		}})
	end()
	if err != nil {
		t.Fatal(err)
	}
	row, k := result.Row(Login), result.Tickets
	if k == nil || k.Waiting < 1 || k.Waiting != row.Waiting || k.Given != k.Called+k.Waiting {
		t.Errorf("%+v %+v", row, k)
	}
}

// Workers share one schedule: together they send each request once, and what they count is put together.
func TestWorkers(t *testing.T) {
	c := Config{Rate: 1000, Shape: "step", Lasts: 3 * time.Second, Mix: Mix{Order: 3, Query: 1}, Poisson: true, Seed: 3}
	whole, err := newSchedule(&c)
	if err != nil {
		t.Fatal(err)
	}
	var parts [3]*schedule
	for i := range parts {
		if parts[i], err = newSchedule(&c); err != nil {
			t.Fatal(err)
		}
		parts[i].take, parts[i].of = i, len(parts)
	}
	n := 0
	for class, due, ok := whole.pop(); ok; class, due, ok = whole.pop() {
		if of, at, has := parts[n%len(parts)].pop(); of != class || at != due || !has {
			t.Fatalf("request %d: %v at %v, want %v at %v", n, of, at, class, due)
		}
		n++
	}
	server := httptest.NewServer(&house{orders: map[string]map[string]string{}, by: map[string]string{}})
	defer server.Close()
	for drivers := 1; drivers <= 4; drivers++ {
		result, err := Run(t.Context(), Config{URL: server.URL, Accounts: make([]Account, 3), Rate: 200, Mix: Mix{Quote: 1},
			Lasts: time.Second, Connections: 5, Drivers: drivers, Patience: 20 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		row, sum := result.Row(Quote), 0
		for _, m := range result.Moments["quote"] {
			sum += m.Answered
		}
		if row.Due < 199 || row.Due > 201 || row.Answered != row.Due || sum != row.Due || result.Connections > 5 {
			t.Errorf("%d drivers: %+v, %d in the moments, %d connections", drivers, row, sum, result.Connections)
		}
	}
}

// The page shows what the table says, and every class has its pictures.
func TestPage(t *testing.T) {
	server := httptest.NewServer(&house{orders: map[string]map[string]string{}, by: map[string]string{}})
	defer server.Close()
	result, err := Run(t.Context(), Config{URL: server.URL, Accounts: make([]Account, 3), Rate: 100,
		Mix: Mix{Order: 1, Query: 1}, Lasts: time.Second, Patience: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	result.Reasons = append(result.Reasons, Reason{"<b>", 3})
	var b bytes.Buffer
	if err := result.Page(&b); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for _, want := range []string{"<h2>order</h2>", "<h2>query</h2>", "waits over time", "3 &times; &lt;b&gt;",
		`class="met"`, `class="curve" d="M`} {
		if !strings.Contains(text, want) {
			t.Errorf("the page has no %s", want)
		}
	}
	if n := strings.Count(text, "<svg"); n != 6 || strings.Contains(text, "NaN") {
		t.Errorf("%d pictures: %s", n, text)
	}
}

func TestTarget(t *testing.T) {
	for text, want := range map[string]bool{
		"http://127.0.0.1:1": true, "http://localhost:1": true, "http://[::1]:1": true,
		"http://10.0.0.1:1": false, "http://example.com": false, "ftp://127.0.0.1": false, "": false} {
		if _, _, err := Target(text, ""); (err == nil) != want {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, _, err := Target("http://10.0.0.1:1", "10.0.0.1"); err != nil {
		t.Error(err)
	}
}

// FuzzReply: what is accepted is what net/http reads.
func FuzzReply(f *testing.F) {
	for _, text := range []string{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "HTTP/1.1 204 No Content\r\n\r\n",
		"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var r reply
		if readReply(bufio.NewReaderSize(bytes.NewReader(text), maxLine), &r) != nil {
			return
		}
		other, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(text)), nil)
		if err != nil {
			return // net/http is stricter about headers that we pass over
		}
		defer func() { _ = other.Body.Close() }()
		body, err := io.ReadAll(other.Body)
		if err == nil && other.StatusCode == r.status && !bytes.Equal(body, r.body) {
			t.Errorf("%q: read %q, net/http %q", text, r.body, body)
		}
	})
}

func FuzzMix(f *testing.F) {
	f.Add("order=50,cancel=30")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := ParseMix(text)
		if err != nil {
			return
		}
		if again, err := ParseMix(m.String()); err != nil || again != m {
			t.Errorf("%q: %v, then %v (%v)", text, m, again, err)
		}
	})
}
