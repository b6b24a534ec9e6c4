package node

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Lives of the certificates that a node makes for itself.
const (
	authorityLife   = 10 * 365 * 24 * time.Hour
	certificateLife = 365 * 24 * time.Hour
	renewBefore     = 30 * 24 * time.Hour
)

// tlsConfig is the TLS of the API: the given certificate, or one that a private authority in the data directory signs
// for this machine's loopback names. The authority's certificate, which clients are to trust, is returned too; ""
// when a certificate was given.
func tlsConfig(c *Config) (*tls.Config, string, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	if c.CertFile != "" || c.KeyFile != "" {
		pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
		if err != nil {
			return nil, "", fmt.Errorf("certificate: %w; --tls-cert and --tls-key are PEM files that belong together",
				err)
		}
		config.Certificates = []tls.Certificate{pair}
		return config, "", nil
	}
	dir := filepath.Join(c.Dir, "tls")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, "", fmt.Errorf("certificate: %w", err)
	}
	ca := filepath.Join(dir, "ca.pem")
	pair, err := ownCertificate(dir, ca)
	if err != nil {
		return nil, "", fmt.Errorf("certificate: %w", err)
	}
	config.Certificates = []tls.Certificate{pair}
	return config, ca, nil
}

// ownCertificate returns the certificate of this machine, made anew when it is missing or about to end. The
// authority's key is used once and not kept: a renewal makes a new authority.
func ownCertificate(dir, ca string) (tls.Certificate, error) {
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err == nil && pair.Leaf != nil && time.Until(pair.Leaf.NotAfter) > renewBefore && signedBy(pair.Leaf, ca) {
		return pair, nil // anything else is ours to make anew: half written, of different times, or about to end
	}
	authority, caKey, err := newAuthority()
	if err != nil {
		return pair, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return pair, err
	}
	leaf := &x509.Certificate{SerialNumber: serial(), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(certificateLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}}
	der, err := x509.CreateCertificate(rand.Reader, leaf, authority, &key.PublicKey, caKey)
	if err != nil {
		return pair, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return pair, err
	}
	for _, f := range []struct {
		name, kind string
		der        []byte
	}{{ca, "CERTIFICATE", authority.Raw}, {keyFile, "PRIVATE KEY", keyDER}, {certFile, "CERTIFICATE", der}} {
		text := pem.EncodeToMemory(&pem.Block{Type: f.kind, Bytes: f.der})
		if err := writeFile(f.name, text); err != nil {
			return pair, err
		}
	}
	return tls.LoadX509KeyPair(certFile, keyFile)
}

// signedBy reports whether the authority in a file signed a certificate.
func signedBy(leaf *x509.Certificate, ca string) bool {
	text, err := os.ReadFile(ca)
	if err != nil {
		return false
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	_, err = leaf.Verify(x509.VerifyOptions{Roots: pool})
	return err == nil
}

func newAuthority() (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{SerialNumber: serial(), Subject: pkix.Name{CommonName: "Evenkeel on this machine"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(authorityLife), IsCA: true,
		BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, nil, err
	}
	authority, err := x509.ParseCertificate(der)
	return authority, key, err
}

func serial() *big.Int {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		panic(err) // the system has no randomness: nothing may go on
	}
	return n
}
