package api

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"evenkeel/intake"
)

// turnstile puts the house's server behind a turnstile on a real connection. shut says that no login can be looked at.
func (h *house) turnstile(t *testing.T) (address string, shut func()) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var gate Turnstile
	server := HTTPServer(h.server)
	server.ConnContext, server.ConnState = gate.Context, gate.Follow
	go func() { _ = server.Serve(gate.Listen(l)) }()
	t.Cleanup(func() { _ = server.Close() })
	return l.Addr().String(), func() {
		q := intake.New(intake.Parts{Limits: intake.Limits{Queue: intake.QueueLimits{Knocks: 1,
			Pressure: func() time.Duration { return time.Hour }}}}).Queue
		h.server.Door.Queue = q
		last := time.Now()
		for time.Since(last) < 200*time.Millisecond { // until the pace is the slowest
			if q.Knock(false) == nil {
				last = time.Now()
			}
		}
		go func() { // others take the one turn that there is every second
			for t.Context().Err() == nil {
				_ = q.Knock(false)
				runtime.Gosched()
			}
		}()
		gate.Guard(h.server)
	}
}

func rawLogin(body string, headers ...string) string {
	head := "POST /api/v1/login HTTP/1.1\r\nHost: x\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n"
	for _, line := range headers {
		head += line + "\r\n"
	}
	return head + "\r\n" + body
}

// FuzzAttempt: whatever the turnstile takes for a request is one to the server's own reader, from the first byte to
// the last, with the same body, and at the same route.
func FuzzAttempt(f *testing.F) {
	for _, text := range []string{rawLogin(`{"login":"a","ticket":"b"}`), rawLogin("", "Accept-Language: zh-CN"),
		rawLogin("x", "Via: 1.1 p"), rawLogin("x", "Content-Length: 1"), rawLogin("x", "Transfer-Encoding: chunked"),
		rawLogin("x", " folded: y"), rawLogin("x") + "GET / HTTP/1.1\r\n", "POST /api/v1/login HTTP/1.1\r\n\r\n",
		"GET /v2/account HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n",
		"GET /v2/orders/7?x=%20 HTTP/1.1\r\nHost: x\r\n\r\n", "GET //v2/orders/../x HTTP/1.1\r\nHost: x\r\n\r\n",
		"DELETE /v2/orders HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /v2/orders/ HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"} {
		f.Add([]byte(text))
	}
	mux := openHouse(f).server.mux
	f.Fuzz(func(t *testing.T, text []byte) {
		a, ok := parseAttempt(text)
		if !ok {
			return
		}
		in := bufio.NewReader(bytes.NewReader(text))
		r, err := http.ReadRequest(in)
		if err != nil {
			t.Skip() // the server would have refused it: so does the turnstile
		}
		body, err := io.ReadAll(r.Body)
		rest, _ := io.ReadAll(in)
		if err != nil || len(rest) > 0 || !bytes.HasSuffix(text, body) || int(r.ContentLength) != len(body) || r.Close ||
			len(r.TransferEncoding) > 0 {
			t.Errorf("%q: %+v, %q behind it", text, r, rest)
		}
		if _, pattern := mux.Handler(r); a.door != nil && a.door.route.pattern != pattern {
			t.Errorf("%q is taken for %s, and is %q", text, a.door.route.pattern, pattern)
		}
	})
}

// Every route of orders and questions has its door, and no other has: not streams, cancels, or what operators ask.
func TestDoors(t *testing.T) {
	some := strings.NewReplacer("{symbol}", "600000.SH", "{id}", "7", "{feed}", "sip")
	for i := range routeTable {
		r := &routeTable[i]
		method, path, _ := strings.Cut(r.pattern, " ")
		d := doorOf([]byte(method), []byte(regexp.MustCompile(`{[^}]*}`).ReplaceAllString(some.Replace(path), "x")))
		stands := r.waits() || !r.stream && intake.Crowds(r.class)
		if stands != (d != nil) || d != nil && d.route != r {
			t.Errorf("%s: %+v", r.pattern, d)
		}
	}
}

// When many wait, orders and questions are turned away before they are read, but not cancels, and not who has nothing
// waiting.
func TestTurnstileOfCrowds(t *testing.T) {
	h := openHouse(t, sealed)
	address, shut := h.turnstile(t)
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	in := bufio.NewReader(c)
	ask := func(method, path string) (int, string) {
		t.Helper()
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		_, _ = fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: x\r\nApca-Api-Key-Id: %s\r\nApca-Api-Secret-Key: %s\r\n"+
			"Content-Length: 0\r\n\r\n", method, path, h.key, h.secret)
		r, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(r.Body)
		return r.StatusCode, string(body)
	}
	shut()
	q := h.server.Door.Queue
	ask("GET", "/v2/account")
	var all sync.WaitGroup
	ctx, over := context.WithCancel(t.Context())
	defer all.Wait()
	defer over()
	crowd := func(class intake.Class, keys func(int) uint64) {
		for n := range 4096 { // the pace gives some a turn
			if err := q.Crowded(class, 1<<60); err != nil {
				return
			}
			all.Go(func() {
				if turn, err := q.Enter(ctx, class, keys(n), nil); err == nil {
					<-ctx.Done()
					turn.End()
				}
			})
			time.Sleep(100 * time.Microsecond)
		}
		t.Fatalf("%v is never crowded", class)
	}
	crowd(intake.Query, func(n int) uint64 { return uint64(n) + 1<<32 })
	crowd(intake.Order, func(n int) uint64 { return uint64(n) + 1<<32 })
	h.secret = "wrong" // who is read is told so: 401
	for method, path := range map[string]string{"GET": "/v2/account", "POST": "/v2/orders"} {
		if status, body := ask(method, path); status != 503 || !strings.Contains(body, noRoom) {
			t.Errorf("%s %s: %d %s", method, path, status, body)
		}
	}
	if status, body := ask("DELETE", "/v2/orders/none"); status != 401 {
		t.Errorf("a cancel: %d %s", status, body)
	}
	if n := counter(t, h, `evenkeel_http_requests_total{route="POST /v2/orders",status="503"}`); n != 1 {
		t.Errorf("%v were counted", n)
	}
}

// What is turned away at the turnstile is refused as the server refuses, on a connection that stays; all else goes
// through it, and so does a login on a connection on which other things were asked.
func TestTurnstile(t *testing.T) {
	h := openHouse(t, sealed)
	_, router := described(t)
	address, shut := h.turnstile(t)
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	in := bufio.NewReader(c)
	ask := func(text string) (*http.Response, string) {
		t.Helper()
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		if _, err := io.WriteString(c, text); err != nil {
			t.Fatal(err)
		}
		r, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		return r, string(body)
	}
	if r, body := ask(rawLogin(loginOf(login, password, ""))); r.StatusCode != 200 {
		t.Errorf("%d %s", r.StatusCode, body)
	}
	shut()
	refused := func(headers ...string) (r *http.Response, body string) { // one a second is let through, perhaps this one
		t.Helper()
		for range 8 {
			if r, body = ask(rawLogin(loginOf(login, password, ""), headers...)); r.StatusCode != 200 {
				break
			}
		}
		return r, body
	}
	turned := counter(t, h, `evenkeel_http_requests_total{route="POST /api/v1/login",status="503"}`)
	for _, headers := range [][]string{{}, {"Accept-Language: zh-CN"}, {"Via: 1.1 proxy"}} {
		r, body := refused(headers...)
		got := reply{status: r.StatusCode, header: r.Header, raw: body}
		conforms(t, router, "POST", "/api/v1/login", "", got)
		after, err := strconv.Atoi(r.Header.Get("Retry-After"))
		if r.StatusCode != 503 || err != nil || after < 1 || !strings.Contains(body, noRoom) || r.Close ||
			!strings.Contains(body, r.Header.Get("X-Request-Id")) || len(r.Header.Get("X-Request-Id")) != len(requestID()) {
			t.Errorf("%d %v %s", r.StatusCode, r.Header, body)
		}
		for _, line := range protected {
			if r.Header.Get(line[0]) != line[1] {
				t.Errorf("no %s", line[0])
			}
		}
	}
	if n := counter(t, h, `evenkeel_http_requests_total{route="POST /api/v1/login",status="503"}`); n != turned+3 {
		t.Errorf("%v were counted", n-turned)
	}
	r, body := ask(rawLogin(loginOf(login, password, `,"ticket":"x"`)))
	if !strings.Contains(body, loginWaits) && r.StatusCode != 200 {
		t.Errorf("who has a ticket has a pace of his own: %d %s", r.StatusCode, body)
	}
	if r, body := ask("GET /healthz HTTP/1.1\r\nHost: x\r\nTE: trailers\r\n\r\n"); r.StatusCode != 200 {
		t.Errorf("%d %s", r.StatusCode, body)
	}
	// Behind a request that it has not read itself the turnstile does not know where the next begins: the server refuses.
	if r, body := refused(); r.StatusCode != 503 || !strings.Contains(body, noRoom) {
		t.Errorf("%d %s", r.StatusCode, body)
	}
}

// counter is a figure of the house's measures; 0: there is none.
func counter(t *testing.T, h *house, name string) float64 {
	t.Helper()
	for line := range strings.Lines(h.send("GET", "/metrics", "").raw) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
	return 0
}
