package load

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
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
		r := &run{config: c, began: time.Now(), crowd: newCrowd(&c), tally: newTally(&c)}
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
}

func (h *house) ServeHTTP(w http.ResponseWriter, r *http.Request) {
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
	for _, lie := range []string{"", "other", "forget", "keep", "past"} {
		h := &house{orders: map[string]map[string]string{}, by: map[string]string{}, lie: lie}
		server := httptest.NewServer(h)
		result, err := Run(t.Context(), Config{URL: server.URL, Accounts: make([]Account, 3), Audit: 50, Rate: 300,
			Mix: Mix{Order: 4, Cancel: 2, Query: 2, Quote: 2}, Lasts: time.Second, Connections: 8, Patience: 20 * time.Second})
		server.Close()
		if err != nil {
			t.Fatal(err)
		}
		if (result.Checks.Wrong > 0) != (lie != "") {
			t.Errorf("lie %q: %+v", lie, result.Checks)
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
