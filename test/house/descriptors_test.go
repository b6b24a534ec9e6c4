package house_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
)

// A crowd takes every connection of a server that may have few files open. Who is connected is answered as before,
// who comes gets a place of those who ask for nothing, the server keeps files enough for its own work, and when the
// crowd has gone nothing is left of it.
func TestFewDescriptors(t *testing.T) {
	t.Parallel()
	const files, crowd = 400, 600
	h := &house{t: t, dir: t.TempDir(), files: files, args: []string{"--demo", "1"}}
	h.start()
	h.ready()
	who := h.accounts[0]
	open := func() int {
		list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", h.Cmd.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	own := open()
	from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}}
	address := strings.TrimPrefix(h.url, "http://")
	var idle []net.Conn
	defer func() {
		for _, c := range idle {
			_ = c.Close() // the server may have been first
		}
	}()
	most := 0
	for range crowd {
		c, err := from.DialContext(t.Context(), "tcp", address)
		if err != nil {
			continue // that is for the server to decide
		}
		idle = append(idle, c)
		_, _ = c.Write([]byte("GET /v2/clock HTTP/1.1\r\nHost: a\r\nX-Slow: ")) // and never the end of it
		most = max(most, open())
	}
	if most < files/2 || most >= files {
		t.Errorf("%d files were open at most: the crowd did not fill the server, or left it none of %d", most, files)
	}
	buy := func(n int) object {
		return object{"symbol": "600000.SH", "qty": "100", "side": "buy", "type": "limit", "time_in_force": "day",
			"limit_price": "9.50", "client_order_id": fmt.Sprint("crowded-", n)}
	}
	h.must(http.StatusOK, who, "POST", "/v2/orders", buy(1))
	newcomer := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for range 20 {
		r, err := newcomer.Get(h.url + "/readyz") //nolint:noctx // of a moment
		if err != nil {
			t.Fatalf("a newcomer: %v", err)
		}
		_ = r.Body.Close() // not read
		if r.StatusCode != http.StatusOK {
			t.Errorf("a newcomer: %d", r.StatusCode)
		}
	}
	if strings.Contains(h.Said.String(), "too many open files") {
		t.Errorf("the server ran out of files:\n%s", h.Said)
	}
	for _, c := range idle {
		_ = c.Close()
	}
	idle = nil
	eventually(t, "the crowd to be forgotten", func() error {
		if now := open(); now > own+20 {
			return errors.New(fmt.Sprint(now, " files are open, before it were ", own))
		}
		return nil
	})
	h.must(http.StatusOK, who, "POST", "/v2/orders", buy(2))
}
