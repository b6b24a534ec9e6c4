package gate

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// house is a server behind a gate that says who asks, and holds what begins with /hold.
type house struct {
	gate   *Gate
	plain  string
	secure string
	trust  *tls.Config
	hold   chan struct{}
}

func open(t *testing.T, l Limits) *house {
	t.Helper()
	h := &house{gate: New(l, nil), hold: make(chan struct{})}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer h.gate.Work(r.Context())()
		if r.URL.Path == "/known" {
			h.gate.Known(r.Context())
		}
		if strings.HasPrefix(r.URL.Path, "/stranger") && !h.gate.Stranger(r.Context()) {
			w.Header().Set("Connection", "close")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		if r.URL.Path == "/stranger/much" {
			_, _ = w.Write(make([]byte, 3*answerUnit))
			return
		}
		if r.URL.Path == "/hold" {
			select {
			case <-h.hold:
			case <-r.Context().Done():
			}
		}
		host, _, _ := net.SplitHostPort(r.RemoteAddr)
		_, _ = io.WriteString(w, host)
	})
	proto := httptest.NewUnstartedServer(handler)
	proto.EnableHTTP2 = true
	proto.StartTLS() // for its certificate
	t.Cleanup(proto.Close)
	h.trust = proto.Client().Transport.(*http.Transport).TLSClientConfig
	for _, secure := range []bool{false, true} {
		inner, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := &http.Server{Handler: handler, ConnContext: h.gate.Context, ReadHeaderTimeout: time.Minute}
		if secure {
			s.TLSConfig = h.gate.TLS(&tls.Config{Certificates: proto.TLS.Certificates, MinVersion: tls.VersionTLS12})
			h.secure = inner.Addr().String()
			go func() { _ = s.ServeTLS(h.gate.Listen(inner, false), "", "") }()
		} else {
			h.plain = inner.Addr().String()
			go func() { _ = s.Serve(h.gate.Listen(inner, true)) }()
		}
		t.Cleanup(func() { _ = s.Close() })
	}
	return h
}

// dial connects from a loopback address.
func dial(t *testing.T, from, to string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 20 * time.Second}
	c, err := d.DialContext(t.Context(), "tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	return c
}

// ask sends a request and returns the status and what the answer says; an error is status 0.
func ask(c net.Conn, before, path string) (int, string, http.Header) {
	_, _ = fmt.Fprintf(c, "%sGET %s HTTP/1.1\r\nHost: a\r\n\r\n", before, path)
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0, err.Error(), nil
	}
	defer r.Body.Close()
	text, _ := io.ReadAll(r.Body)
	return r.StatusCode, string(text), r.Header
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(what)
		}
	}
}

// An address has its share, and others are let in; when a connection ends its place is free.
func TestPerAddress(t *testing.T) {
	h := open(t, Limits{PerAddress: 2})
	a, b := dial(t, "127.0.0.2", h.plain), dial(t, "127.0.0.2", h.plain)
	for _, c := range []net.Conn{a, b} {
		if status, text, _ := ask(c, "", "/"); status != 200 || text != "127.0.0.2" {
			t.Fatalf("%d %s", status, text)
		}
	}
	r, err := http.ReadResponse(bufio.NewReader(dial(t, "127.0.0.2", h.plain)), nil) // without a word of ours
	if err != nil || r.StatusCode != 503 || r.Header.Get("Retry-After") == "" {
		t.Fatalf("%v %v", r, err)
	}
	if status, _, _ := ask(dial(t, "127.0.0.3", h.plain), "", "/"); status != 200 {
		t.Errorf("another address: %d", status)
	}
	if h.gate.Refused(Address) != 1 || h.gate.Open() != 3 {
		t.Errorf("%d refused, %d open", h.gate.Refused(Address), h.gate.Open())
	}
	_ = a.Close()
	eventually(t, "the place is not free", func() bool { return h.gate.Open() == 2 })
	if status, _, _ := ask(dial(t, "127.0.0.2", h.plain), "", "/"); status != 200 {
		t.Errorf("a free place: %d", status)
	}
}

// Who holds connections without asking loses them to who comes, and who is being answered does not.
func TestFull(t *testing.T) {
	h := open(t, Limits{Connections: 4})
	var holders []net.Conn
	for range 4 {
		c := dial(t, "127.0.0.9", h.plain)
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nX-Slow: ") // and no more
		holders = append(holders, c)
	}
	eventually(t, "they are not all open", func() bool { return h.gate.Open() == 4 })
	if status, _, _ := ask(dial(t, "127.0.0.1", h.plain), "", "/"); status != 200 || h.gate.Refused(Evicted) != 1 {
		t.Fatalf("%d, %d made room", status, h.gate.Refused(Evicted))
	}
	r, err := http.ReadResponse(bufio.NewReader(dial(t, "127.0.0.9", h.plain)), nil)
	if err != nil || r.StatusCode != 503 || h.gate.Refused(Full) != 1 {
		t.Errorf("the address that has most wants more: %v %v", r, err)
	}
	for _, c := range holders {
		_ = c.Close()
	}
	eventually(t, "they are not gone", func() bool { return h.gate.Open() == 1 })
	var all sync.WaitGroup
	answered := make(chan int, 3)
	for range 3 {
		c := dial(t, "127.0.0.9", h.plain)
		all.Go(func() { status, _, _ := ask(c, "", "/hold"); answered <- status })
	}
	working := func() (n int) {
		h.gate.mu.Lock()
		defer h.gate.mu.Unlock()
		for _, host := range h.gate.hosts {
			for c := range host.conns {
				n += int(c.working.Load())
			}
		}
		return n
	}
	eventually(t, "they are not worked on", func() bool { return working() == 3 })
	r, err = http.ReadResponse(bufio.NewReader(dial(t, "127.0.0.1", h.plain)), nil)
	if err != nil || r.StatusCode != 503 {
		t.Errorf("all are being answered: %v %v", r, err)
	}
	close(h.hold)
	all.Wait()
	for range 3 {
		if status := <-answered; status != 200 {
			t.Errorf("%d", status)
		}
	}
}

// New connections and handshakes have rates, which an address fills for itself alone.
func TestRates(t *testing.T) {
	h := open(t, Limits{NewPerAddress: Rate{1, 3}, HandshakesPerAddress: Rate{1, 2}})
	got := map[int]int{}
	for range 6 {
		status, _, _ := ask(dial(t, "127.0.0.5", h.plain), "", "/")
		got[status]++
	}
	if got[200] < 3 || got[200] > 5 || h.gate.Refused(TooFast) == 0 { // some may have been earned on a slow machine
		t.Errorf("%v", got)
	}
	shaken := 0
	for range 3 {
		c := tls.Client(dial(t, "127.0.0.6", h.secure), &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // who cares
		if c.HandshakeContext(t.Context()) == nil {
			shaken++
		}
	}
	if shaken != 2 && h.gate.Refused(Handshake) == 0 {
		t.Errorf("%d handshakes", shaken)
	}
	if status, _, _ := ask(dial(t, "127.0.0.7", h.plain), "", "/"); status != 200 {
		t.Errorf("another address: %d", status)
	}
}

// A trusted balancer's word is taken, and needed; that of anybody else is no HTTP.
func TestProxy(t *testing.T) {
	h := open(t, Limits{PerAddress: 1, Trusted: []netip.Prefix{netip.MustParsePrefix("127.0.0.8/32")}})
	const one = "PROXY TCP4 203.0.113.7 10.0.0.1 5000 443\r\n"
	two := "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + "\xcb\x00\x71\x08\x0a\x00\x00\x01\x13\x88\x01\xbb"
	for before, want := range map[string]string{one: "203.0.113.7", two: "203.0.113.8"} {
		if status, text, _ := ask(dial(t, "127.0.0.8", h.plain), before, "/"); status != 200 || text != want {
			t.Errorf("%q: %d %s", before, status, text)
		}
	}
	if status, text, _ := ask(dial(t, "127.0.0.8", h.plain), one, "/"); status != 503 && status != 0 {
		t.Errorf("the client's share is taken: %d %s", status, text)
	}
	if status, text, _ := ask(dial(t, "127.0.0.8", h.plain), "", "/"); status == 200 {
		t.Errorf("a balancer without a header: %d %s", status, text)
	}
	if status, text, _ := ask(dial(t, "127.0.0.2", h.plain), one, "/"); status != 400 {
		t.Errorf("anybody's header: %d %s", status, text)
	}
	if h.gate.Refused(Address) != 1 || h.gate.Refused(NoHeader) != 1 {
		t.Errorf("%d and %d refused", h.gate.Refused(Address), h.gate.Refused(NoHeader))
	}
}

// flood is an HTTP/2 connection on which requests can be made without waiting.
type flood struct {
	conn   net.Conn
	frames *http2.Framer
	next   uint32
}

func (h *house) flood(t *testing.T, from string) *flood {
	t.Helper()
	trust := h.trust.Clone()
	trust.NextProtos = []string{"h2"}
	trust.InsecureSkipVerify = true
	c := tls.Client(dial(t, from, h.secure), trust)
	if err := c.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(c, http2.ClientPreface)
	f := &flood{conn: c, frames: http2.NewFramer(c, c), next: 1}
	if err := f.frames.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, c) }()
	return f
}

// ask opens a stream and resets it.
func (f *flood) ask(path string) error {
	var block strings.Builder
	e := hpack.NewEncoder(&block)
	for _, p := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", "a"}, {":path", path}} {
		_ = e.WriteField(hpack.HeaderField{Name: p[0], Value: p[1]})
	}
	err := f.frames.WriteHeaders(http2.HeadersFrameParam{StreamID: f.next, BlockFragment: []byte(block.String()),
		EndStream: true, EndHeaders: true})
	if err == nil {
		err = f.frames.WriteRSTStream(f.next, http2.ErrCodeCancel)
	}
	f.next += 2
	return err
}

// A client that opens streams and resets them, again and again, is let go.
func TestRapidReset(t *testing.T) {
	h := open(t, Limits{Resets: 20})
	f := h.flood(t, "127.0.0.4")
	eventually(t, "the connection still stands", func() bool {
		return h.gate.Refused(Reset) > 0 || f.ask("/hold") != nil && h.gate.Refused(Reset) > 0
	})
}

// What comes over TLS from an address whose strangers ask too much is read no further, whoever answers it; who is
// known is read from the same address.
func TestStrangersAreNotRead(t *testing.T) {
	h := open(t, Limits{StrangersPerAddress: Rate{1, 4}, Resets: 1 << 30})
	f := h.flood(t, "127.0.0.4")
	_ = f.conn.SetWriteDeadline(time.Now().Add(2 * time.Second))
	var err error
	for n := 0; err == nil && n < 200_000; n++ { // some 15 MB
		err = f.ask("/nobody")
	}
	if in, _ := h.gate.Bytes(); err == nil || in > 1<<20 {
		t.Errorf("%d bytes were read: %v", in, err)
	}
	if wait, ok := h.gate.turn(&conn{host: h.gate.hosts[netip.MustParseAddr("127.0.0.4")]}); ok {
		t.Errorf("a stranger has a turn after %v", wait)
	}
	k := h.flood(t, "127.0.0.4")
	before, _ := h.gate.Bytes()
	_ = k.conn.SetWriteDeadline(time.Now().Add(20 * time.Second))
	for range 2000 { // more than is free
		if err := k.ask("/known"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Microsecond)
	}
	eventually(t, "who is known is not read", func() bool {
		in, _ := h.gate.Bytes()
		return in-before > 4*freeBytes
	})
}

// The addresses that are remembered are bounded.
func TestAddressesAreBounded(t *testing.T) {
	g := New(Limits{Addresses: 100}, nil)
	for i := range 10_000 {
		c := &conn{gate: g}
		a, _ := netip.AddrFromSlice([]byte{10, 0, byte(i >> 8), byte(i)})
		if _, ok := g.enter(c, a); !ok {
			t.Fatal("not let in")
		}
		g.leave(c)
	}
	if len(g.hosts) > 100 {
		t.Errorf("%d are remembered", len(g.hosts))
	}
	if network(netip.MustParseAddr("2001:db8::1")) != network(netip.MustParseAddr("2001:db8::2")) {
		t.Error("one network of 64 bits is many")
	}
	_ = g.Context(context.Background(), nil)
}

// Strangers have a rate, which an address fills for itself alone, and those who are known are not held up by it.
func TestStrangers(t *testing.T) {
	h := open(t, Limits{StrangersPerAddress: Rate{1, 4}})
	c := dial(t, "127.0.0.11", h.plain)
	for range 4 {
		if status, text, _ := ask(c, "", "/stranger"); status != 200 {
			t.Fatalf("%d %s", status, text)
		}
	}
	began := time.Now()
	if status, text, _ := ask(c, "", "/stranger"); status != 200 || time.Since(began) < 100*time.Millisecond {
		t.Errorf("a turn that comes within the second: %d %s after %v", status, text, time.Since(began))
	}
	var all sync.WaitGroup
	var refused atomic.Int32
	for range 4 { // one of them has the next turn
		other := dial(t, "127.0.0.11", h.plain)
		all.Go(func() {
			began := time.Now()
			if status, _, _ := ask(other, "", "/stranger"); status == 429 && time.Since(began) >= strangersTurn {
				refused.Add(1)
			}
		})
	}
	if status, _, _ := ask(dial(t, "127.0.0.11", h.plain), "", "/"); status != 200 {
		t.Errorf("who is known: %d", status)
	}
	if status, _, _ := ask(dial(t, "127.0.0.12", h.plain), "", "/stranger"); status != 200 {
		t.Errorf("another address: %d", status)
	}
	all.Wait()
	if n := refused.Load(); n < 2 || uint64(n) != h.gate.Refused(Strangers) {
		t.Errorf("%d of 4 were refused, %d counted", n, h.gate.Refused(Strangers))
	}
}

// Large answers are paid like many requests, and over all there is a rate, too.
func TestStrangersPay(t *testing.T) {
	h := open(t, Limits{StrangersPerAddress: Rate{1, 4}, Strangers: Rate{1, 6}})
	if status, _, _ := ask(dial(t, "127.0.0.11", h.plain), "", "/stranger/much"); status != 200 {
		t.Fatal(status)
	}
	used := func() (one, all bucket) {
		h.gate.mu.Lock()
		defer h.gate.mu.Unlock()
		return h.gate.hosts[netip.MustParseAddr("127.0.0.11")].buckets[strangers], h.gate.all[strangers]
	}
	eventually(t, "the answer is not paid", func() bool {
		one, all := used()
		return time.Until(time.Unix(0, int64(min(one, all)))) > 2*time.Second
	})
	for range 3 {
		_, _, _ = ask(dial(t, "127.0.0.12", h.plain), "", "/stranger")
	}
	if wait, ok := h.gate.turn(&conn{host: &host{}}); ok && wait == 0 {
		t.Error("nobody fills the rate over all")
	}
}

// Few strangers wait: who comes when those places are taken loses the connection at once.
func TestStrangersWaitIsBounded(t *testing.T) {
	h := open(t, Limits{StrangersPerAddress: Rate{1, 1}})
	if status, _, _ := ask(dial(t, "127.0.0.11", h.plain), "", "/stranger"); status != 200 {
		t.Fatal(status)
	}
	h.gate.waiting.Store(strangersWait)
	began := time.Now()
	if status, _, _ := ask(dial(t, "127.0.0.11", h.plain), "", "/stranger"); status != 0 {
		t.Errorf("%d after %v", status, time.Since(began))
	}
	if n := h.gate.waiting.Load(); n != strangersWait || h.gate.Refused(Strangers) != 1 {
		t.Errorf("%d wait, %d refused", n, h.gate.Refused(Strangers))
	}
}
