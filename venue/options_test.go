package venue

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestOptions(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Options)
		want   error
		says   string
	}{
		{"as they are", func(*Options) {}, nil, ""},
		{"localhost", func(o *Options) { o.Address = "localhost:7" }, nil, ""},
		{"IPv6 loopback", func(o *Options) { o.Address = "[::1]:7" }, nil, ""},
		{"another machine with TLS", func(o *Options) { o.Address, o.TLS = "10.0.0.5:7", &tls.Config{} }, nil, ""},
		{"another machine", func(o *Options) { o.Address = "10.0.0.5:7001" }, ErrPlaintext, "use 127.0.0.1:7001"},
		{"every interface", func(o *Options) { o.Address = "0.0.0.0:7001" }, ErrPlaintext, "configure TLS"},
		{"another name", func(o *Options) { o.Address = "exchange.example:7001" }, ErrPlaintext, `"exchange.example:7001"`},
		{"no port", func(o *Options) { o.Address = "127.0.0.1" }, ErrOption, "host:port"},
		{"an empty port", func(o *Options) { o.Address = "127.0.0.1:" }, ErrOption, "host:port"},
		{"no sender", func(o *Options) { o.Sender = "" }, ErrOption, "sender needs 1 to 20"},
		{"a long unit", func(o *Options) { o.Unit = "1234567" }, ErrOption, "unit needs 1 to 6"},
		{"a long password", func(o *Options) { o.Password = "12345678901234567" }, ErrOption, "password needs 1 to 16"},
		{"a fraction of a second", func(o *Options) { o.Heartbeat = 1500 * time.Millisecond }, ErrOption, "1.5s"},
		{"a long heartbeat", func(o *Options) { o.Heartbeat = time.Hour }, ErrOption, "from 1s to 1m"},
		{"negative in flight", func(o *Options) { o.InFlight = -1 }, ErrOption, "-1 reports"},
		{"pauses the wrong way", func(o *Options) { o.LeastPause, o.MostPause = 2, 1 }, ErrOption, "from 2ns to 1ns"},
	} {
		o := Options{Address: "127.0.0.1:7001", Sender: "BROKER", Target: "SZSE", Unit: "000701", Password: "secret",
			Outbox: NewOutbox(), Proposer: &books{}}
		c.change(&o)
		_, err := New(o)
		if !errors.Is(err, c.want) || c.want != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %v that says %q", c.name, err, c.want, c.says)
		}
		if err != nil && strings.Contains(err.Error(), string(o.Password)) {
			t.Errorf("%s: the password is in %q", c.name, err)
		}
	}
}

func TestPasswordIsHidden(t *testing.T) {
	o := Options{Password: "hunter2"}
	text, _ := o.Password.MarshalText()
	for _, s := range []string{fmt.Sprint(o), fmt.Sprintf("%+v", o), fmt.Sprintf("%#v", o.Password),
		fmt.Sprintf("%q", o.Password), string(text)} {
		if strings.Contains(s, "hunter2") || !strings.Contains(s, "(hidden)") {
			t.Errorf("shown as %s", s)
		}
	}
}

func TestReadPassword(t *testing.T) {
	dir := t.TempDir()
	for content, want := range map[string]string{"secret": "secret", "secret\n": "secret", "secret\r\n": "secret",
		"two words\n": "two words", "": "", "\n": "", "12345678901234567": "", " x": "", "x\ny": "", "gehéim": ""} {
		file := filepath.Join(dir, "password")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := ReadPassword(file, "")
		if string(got) != want || (err != nil) != (want == "") {
			t.Errorf("file %q: %q, %v", content, string(got), err)
		}
		if err != nil && (!errors.Is(err, ErrPassword) || !strings.Contains(err.Error(), file) ||
			len(content) > 2 && strings.Contains(err.Error(), content)) {
			t.Errorf("file %q: %v", content, err)
		}
	}
	if _, err := ReadPassword(filepath.Join(dir, "absent"), ""); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	t.Setenv("VENUE_TEST_PASSWORD", "from env")
	if got, err := ReadPassword("", "VENUE_TEST_PASSWORD"); err != nil || got != "from env" {
		t.Errorf("variable: %v", err)
	}
	if _, err := ReadPassword("", "VENUE_TEST_ABSENT"); !errors.Is(err, ErrPassword) {
		t.Error(err)
	}
}

// TestTLS: the link trades over TLS with a gateway that it trusts, and not with another.
func TestTLS(t *testing.T) {
	web := httptest.NewTLSServer(nil) // for its certificate of 127.0.0.1
	certificates, root := web.TLS.Certificates, web.Certificate()
	web.Close()
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g, b := newGateway(), newBooks(t)
	g.serveOn(t, tls.NewListener(plain, &tls.Config{Certificates: certificates}))
	trusted := x509.NewCertPool()
	trusted.AddCert(root)
	b.place(1, 10)

	wary := b.link(t, plain.Addr().String(), func(o *Options) { o.TLS = &tls.Config{} })
	wary.Start()
	var unknown x509.UnknownAuthorityError
	eventually(t, "a refused certificate", func() bool { return errors.As(wary.Status().LastError, &unknown) })
	wary.Stop()

	l := b.link(t, plain.Addr().String(), func(o *Options) { o.TLS = &tls.Config{RootCAs: trusted} })
	l.Start()
	want := wanted(1, 10)
	b.until(t, "all reports", func() bool { return len(b.history) == len(want) })
	b.agree(t, g, want)
	l.Stop()
}
