package venue

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"evenkeel/exchange"
	"evenkeel/szse"
)

// certificate is one of 127.0.0.1, and the file of who made it.
func certificate(t *testing.T) (pair tls.Certificate, authority string) {
	web := httptest.NewTLSServer(nil)
	defer web.Close()
	authority = filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw})
	if err := os.WriteFile(authority, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return web.TLS.Certificates[0], authority
}

// TestExchangeBeyondThisMachine: both ports of an exchange with a certificate listen on every address, and talk to who
// trusts it; who speaks plaintext, or trusts another, is not talked to.
func TestExchangeBeyondThisMachine(t *testing.T) {
	pair, authority := certificate(t)
	units, err := exchange.Units("BROKER", fenceUnit, "secret", 2)
	if err != nil {
		t.Fatal(err)
	}
	config := exchange.Config{Dir: t.TempDir(), Orders: "0.0.0.0:0", Market: "0.0.0.0:0", Units: units,
		Clock: exchange.Clock{Sessions: exchange.Always, Start: time.Date(2026, 7, 7, 2, 0, 0, 0, time.UTC)}}
	if _, err := exchange.Open(config); !errors.Is(err, exchange.ErrPlaintext) {
		t.Fatalf("without a certificate: %v", err)
	}
	config.TLS = &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair}}
	s, err := exchange.Open(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	here := func(address string) string {
		_, port, _ := net.SplitHostPort(address)
		return "127.0.0.1:" + port
	}
	trust, err := Trust(authority)
	if err != nil {
		t.Fatal(err)
	}
	for i, u := range units {
		l := newLeader(t, here(s.OrdersAddress()), func(o *Options) { o.TLS, o.Sender, o.Unit = trust, u.CompID, u.PBU })
		l.place(1, 5) // the same numbers on both units
		l.link.Start()
		eventually(t, "a unit's orders", func() bool { return l.outbox.Len() == 0 })
		if st := l.link.Status(); st.Duplicates > 0 || st.Sessions != 1 {
			t.Errorf("unit %d: %+v", i+1, st)
		}
		l.link.Stop()
	}
	dial, err := Dialer(here(s.MarketAddress()), trust)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write((&szse.Subscribe{Want: szse.WantDefinitions, HeartBtInt: 30}).Append(nil)); err != nil {
		t.Fatal(err)
	}
	m, err := readMessage(szse.NewReader(conn), &szse.Decoder{})
	if err != nil || m.Type() != szse.TypeSecurityDefinition {
		t.Errorf("market data: %v, %v", m, err)
	}
	for _, address := range []string{s.OrdersAddress(), s.MarketAddress()} {
		plain, err := Dialer(here(address), nil)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := plain(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = conn.Write((&szse.Logon{HeartBtInt: 30}).Append(nil))
		answer, _ := io.ReadAll(conn)
		if _, _, err := szse.ParseFrame(answer); err == nil && len(answer) > 12 {
			t.Errorf("plaintext is answered: %q", answer)
		}
		_ = conn.Close()
		wary, _ := Dialer(here(address), &tls.Config{MinVersion: tls.VersionTLS13})
		var unknown *tls.CertificateVerificationError
		if _, err := wary(t.Context()); !errors.As(err, &unknown) {
			t.Errorf("an exchange that is not trusted: %v", err)
		}
	}
}

func TestTrust(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{empty, filepath.Join(t.TempDir(), "absent.pem")} {
		if _, err := Trust(file); !errors.Is(err, ErrTrust) {
			t.Errorf("%s: %v", file, err)
		}
	}
	if _, err := Dialer("10.0.0.9:7002", nil); !errors.Is(err, ErrPlaintext) {
		t.Error(err)
	}
	if _, err := Dialer("10.0.0.9", &tls.Config{MinVersion: tls.VersionTLS13}); !errors.Is(err, ErrOption) {
		t.Error(err)
	}
	dial, err := Dialer("10.0.0.9:7002", &tls.Config{MinVersion: tls.VersionTLS13})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := dial(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
