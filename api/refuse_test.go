package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"evenkeel/intake"
)

// refusals are one request of every protocol, as a client sends it that is turned away when the house is full.
var refusals = []struct{ name, method, path, more string }{
	{"question", "GET", "/v2/account", ""},
	{"order", "POST", "/v2/orders", "Content-Type: application/json\r\n"},
	{"cancel", "DELETE", "/v2/orders/1", ""},
	{"event stream", "GET", "/v2/events/trades", "Accept: text/event-stream\r\n"},
	{"WebSocket", "GET", "/stream", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"},
}

// crowded gives a house a door in front of which one waits, and nobody else may.
func crowded(t testing.TB) func(*Parts) {
	return func(p *Parts) {
		wide(p)
		d := p.Door.Parts
		d.Limits.Queue = intake.QueueLimits{Waiting: 1, Inside: 1}
		d.Limits.Queue.Patience[intake.Inside] = intake.Patience{Burst: time.Hour, Standing: time.Hour}
		p.Door = intake.New(d)
		turn, err := p.Door.Queue.Enter(t.Context(), intake.Inside, 1, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(turn.End)
		go func() {
			turn, err := p.Door.Queue.Enter(t.Context(), intake.Inside, 1, nil)
			if err == nil || !errors.Is(err, context.Canceled) {
				turn.End()
			}
		}()
		for p.Door.Queue.Full(intake.Query) == nil {
			time.Sleep(time.Millisecond) // until the other waits
		}
	}
}

// Whoever is refused because the house is full is told so in every protocol alike, keeps the connection, and is told a
// time to come back that is not everybody's.
func TestCrowded(t *testing.T) {
	h := openHouse(t, crowded(t))
	conn, err := net.Dial("tcp", strings.TrimPrefix(h.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	r := bufio.NewReader(conn)
	for _, k := range refusals {
		times := map[int]bool{}
		for range 40 {
			if _, err := fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: a\r\n%s\r\n", k.method, k.path, k.more); err != nil {
				t.Fatalf("%s: the connection has ended: %v", k.name, err)
			}
			answer, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatalf("%s: the connection has ended: %v", k.name, err)
			}
			text, err := io.ReadAll(answer.Body)
			var body struct {
				Code            int
				Reason, Message string
				English         string `json:"message_en"`
				Chinese         string `json:"message_zh"`
				Request         string `json:"request_id"`
			}
			if err == nil {
				err = json.Unmarshal(text, &body)
			}
			after, _ := strconv.Atoi(answer.Header.Get("Retry-After"))
			want := fmt.Sprintf("come back in %d s", after)
			if err != nil || answer.StatusCode != 503 || body.Code != 50310001 || body.Reason != noRoom || after < 1 ||
				!strings.Contains(body.English, want) || body.Message != body.English ||
				!strings.Contains(body.Chinese, strconv.Itoa(after)) || body.Request != answer.Header.Get("X-Request-Id") {
				t.Fatalf("%s: %v %d %v %s", k.name, err, answer.StatusCode, answer.Header, text)
			}
			times[after] = true
		}
		if len(times) < 2 {
			t.Errorf("%s: all come back after the same time: %v", k.name, times)
		}
	}
}

// silent is a ResponseWriter that nobody reads.
type silent struct{ header http.Header }

func (w *silent) Header() http.Header       { return w.header }
func (*silent) WriteHeader(int)             {}
func (*silent) Write(b []byte) (int, error) { return len(b), nil }

// refuse answers one refused request without a network.
func refuse(t testing.TB) []func() {
	h := openHouse(t, crowded(t))
	var all []func()
	for _, k := range refusals {
		text := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: a\r\nApca-Api-Key-Id: %s\r\nApca-Api-Secret-Key: %s\r\n%s\r\n", k.method,
			k.path, h.key, h.secret, k.more)
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
		if err != nil {
			t.Fatal(err)
		}
		w := &silent{}
		all = append(all, func() {
			w.header = make(http.Header, 8)
			h.server.ServeHTTP(w, r)
		})
	}
	return all
}

// mostAllocations of a refusal: what is built anew for each is its header and what the request carries with it.
const mostAllocations = 40

func TestRefusalAllocations(t *testing.T) {
	for i, act := range refuse(t) {
		if n := testing.AllocsPerRun(1000, act); n > mostAllocations {
			t.Errorf("%s: %v allocations to refuse one", refusals[i].name, n)
		}
	}
}

// What it costs to refuse in each protocol, but for the network.
func BenchmarkRefuse(b *testing.B) {
	acts := refuse(b)
	for i, k := range refusals {
		b.Run(k.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				acts[i]()
			}
		})
	}
}
