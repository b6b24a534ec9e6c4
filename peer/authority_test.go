package peer

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// newAuthority makes an authority in a directory of the test.
func newAuthority(t testing.TB) *Authority {
	t.Helper()
	a, err := CreateAuthority(filepath.Join(t.TempDir(), "pki"))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// identity issues and loads the certificate of a node.
func identity(t testing.TB, a *Authority, node uint64) *Identity {
	t.Helper()
	dir, err := a.IssueNode(node, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	i, err := LoadIdentity(dir)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func TestAuthority(t *testing.T) {
	a := newAuthority(t)
	again, err := OpenAuthority(a.dir)
	if err != nil || again.Cluster != a.Cluster || len(a.Cluster) != 16 {
		t.Fatalf("opened cluster %q of %q, %v", again.Cluster, a.Cluster, err)
	}
	dir, err := again.IssueNode(2, []string{"10.0.0.2", "node2.example", "::1"}, "")
	if err != nil || dir != filepath.Join(a.dir, "node-2") {
		t.Fatal(dir, err)
	}
	i, err := LoadIdentity(dir)
	if err != nil || i.Node != 2 || i.Cluster != a.Cluster {
		t.Fatalf("%+v, %v", i, err)
	}
	if left := time.Until(i.Ends); left < CertificateLife-2*time.Hour || left > CertificateLife {
		t.Errorf("the certificate lives %v", left)
	}
	leaf := i.certificate.Leaf
	for _, host := range []string{"10.0.0.2", "node2.example", "::1", dialledName(a.Cluster, 2)} {
		if err := leaf.VerifyHostname(host); err != nil {
			t.Error(err)
		}
	}
	if err := leaf.VerifyHostname(dialledName(a.Cluster, 3)); err == nil {
		t.Error("node 2's certificate is good for node 3")
	}
	other, _ := again.IssueNode(3, nil, "")
	second, err := LoadIdentity(other)
	if err != nil || second.certificate.Leaf.SerialNumber.Cmp(leaf.SerialNumber) == 0 {
		t.Errorf("a serial number twice, or %v", err)
	}
	for _, file := range []string{AuthorityKeyFile, "node-2/" + NodeKeyFile} {
		if info, err := os.Stat(filepath.Join(a.dir, file)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v", file, info.Mode(), err)
		}
	}
}

func TestAuthorityOverwritesNothing(t *testing.T) {
	a := newAuthority(t)
	if _, err := CreateAuthority(a.dir); err == nil || !strings.Contains(err.Error(), "is there already") {
		t.Errorf("a second authority in one place: %v", err)
	}
	dir, err := a.IssueNode(1, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadFile(filepath.Join(dir, NodeKeyFile))
	if _, err := a.IssueNode(1, nil, ""); err == nil || !strings.Contains(err.Error(), "is there already") {
		t.Errorf("a second node 1 in one place: %v", err)
	}
	// One file in the way is enough, and the others are not left behind.
	half := t.TempDir()
	if err := os.WriteFile(filepath.Join(half, NodeFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := a.IssueNode(1, nil, half); err == nil {
		t.Error("wrote over a file")
	}
	if left, _ := os.ReadDir(half); len(left) != 1 {
		t.Errorf("left %v behind", left)
	}
	if after, _ := os.ReadFile(filepath.Join(dir, NodeKeyFile)); string(after) != string(before) {
		t.Error("the key changed")
	}
	if _, err := a.IssueNode(1, nil, t.TempDir()); err != nil {
		t.Errorf("renewal into another directory: %v", err)
	}
}

func TestAuthorityRefuses(t *testing.T) {
	a, foreign := newAuthority(t), newAuthority(t)
	for _, c := range []struct {
		node  uint64
		hosts []string
		says  string
	}{
		{0, nil, "ids go from 1"}, {MaxNode + 1, nil, "ids go from 1"}, {1, []string{"a:80"}, "without a port"},
		{1, []string{"-a"}, "host \"-a\""}, {1, []string{"a..b"}, "host"}, {1, []string{"a b"}, "host"},
		{1, []string{strings.Repeat("a.", 127)}, "host"}, {1, make([]string, MaxHosts+1), "at most"},
	} {
		if _, err := a.IssueNode(c.node, c.hosts, t.TempDir()); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("node %d %q: %v, want %q", c.node, c.hosts, err, c.says)
		}
	}
	if _, err := a.IssueExchange(nil, ""); err == nil {
		t.Error("an exchange without a name")
	}
	if _, err := OpenAuthority(t.TempDir()); err == nil || !strings.Contains(err.Error(), "evenkeel ca init") {
		t.Errorf("no authority: %v", err)
	}
	dir, _ := a.IssueNode(1, nil, "")
	if _, err := OpenAuthority(dir); err == nil || !strings.Contains(err.Error(), "the authority's key is needed") {
		t.Errorf("a node's directory as an authority: %v", err)
	}
	copyFile(t, filepath.Join(foreign.dir, AuthorityKeyFile), filepath.Join(a.dir, AuthorityKeyFile))
	if _, err := OpenAuthority(a.dir); err == nil || !strings.Contains(err.Error(), "is not the key of") {
		t.Errorf("a key of another authority: %v", err)
	}
	copyFile(t, filepath.Join(foreign.dir, AuthorityFile), filepath.Join(dir, AuthorityFile))
	if _, err := LoadIdentity(dir); err == nil || !strings.Contains(err.Error(), "does not hold") {
		t.Errorf("a certificate of another authority: %v", err)
	}
	exchange, err := foreign.IssueExchange([]string{"localhost"}, "")
	if err != nil {
		t.Fatal(err)
	}
	copyFile(t, filepath.Join(exchange, ExchangeFile), filepath.Join(exchange, NodeFile))
	copyFile(t, filepath.Join(exchange, ExchangeKeyFile), filepath.Join(exchange, NodeKeyFile))
	if _, err := LoadIdentity(exchange); err == nil || !strings.Contains(err.Error(), "not a node's") {
		t.Errorf("an exchange as a node: %v", err)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestExchangeCertificate shakes hands as a broker that believes the authority does.
func TestExchangeCertificate(t *testing.T) {
	a := newAuthority(t)
	dir, err := a.IssueExchange([]string{"127.0.0.1", "exchange.example"}, "")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, ExchangeFile), filepath.Join(dir, ExchangeKeyFile))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(a.Certificate)
	for name, good := range map[string]bool{"127.0.0.1": true, "exchange.example": true, "other.example": false} {
		here, there := net.Pipe()
		server := tls.Server(there, &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair}})
		go func() { _ = server.HandshakeContext(t.Context()); _ = there.Close() }()
		client := tls.Client(here, &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: roots, ServerName: name})
		if err := client.HandshakeContext(t.Context()); (err == nil) != good {
			t.Errorf("%s: %v", name, err)
		}
		_ = here.Close()
	}
}

func FuzzName(f *testing.F) {
	for _, seed := range []string{"evenkeel://00112233aabbccdd/node/7", "evenkeel://a/exchange", "evenkeel://a",
		"https://a/node/7", "evenkeel://a/node/07", "evenkeel://a/node/0", "evenkeel://a/node/4294967296"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := url.Parse(text)
		if err != nil {
			return
		}
		n, err := nameOf(&x509.Certificate{URIs: []*url.URL{u}})
		if err != nil || n.Node == 0 {
			return
		}
		if u.String() != n.url().String() {
			t.Fatalf("%q was read as %+v", text, n)
		}
	})
}
