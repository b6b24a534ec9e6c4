package venue

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
)

// ErrTrust is wrapped by the errors of Trust.
var ErrTrust = errors.New("the exchange's authority")

// Trust makes our side of TLS from the file (PEM) of the authority that made the exchange's certificate. Nobody else
// is trusted.
func Trust(file string) (*tls.Config, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTrust, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%w: file %s has no certificate (PEM)", ErrTrust, file)
	}
	return &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: pool}, nil
}

// Dialer returns what connects to an address of the exchange, with TLS when trust is given: for its market data, which
// has the same rules. Errors: as those of New about the address.
func Dialer(address string, trust *tls.Config) (func(context.Context) (net.Conn, error), error) {
	if err := checkAddress(address, trust != nil); err != nil {
		return nil, err
	}
	var d net.Dialer
	return func(ctx context.Context) (net.Conn, error) {
		conn, err := d.DialContext(ctx, "tcp", address)
		if err != nil {
			return nil, err
		}
		return secure(ctx, conn, address, trust)
	}, nil
}

// checkAddress refuses plaintext beyond this machine.
func checkAddress(address string, secured bool) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil || port == "" {
		return fmt.Errorf("%w: exchange address %q is not host:port, for instance 127.0.0.1:7001", ErrOption, address)
	}
	if !secured && !loopback(host) {
		return fmt.Errorf("%w: exchange address %q is not of this machine; configure TLS, or use 127.0.0.1:%s",
			ErrPlaintext, address, port)
	}
	return nil
}

// secure puts TLS on a connection, unless trust is nil. When it fails the connection is closed.
func secure(ctx context.Context, conn net.Conn, address string, trust *tls.Config) (net.Conn, error) {
	if trust == nil {
		return conn, nil
	}
	trust = trust.Clone()
	if trust.ServerName == "" && !trust.InsecureSkipVerify {
		trust.ServerName, _, _ = net.SplitHostPort(address)
	}
	secured := tls.Client(conn, trust)
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = conn.Close() // the handshake's error is told
		return nil, fmt.Errorf("secure the connection to the exchange: %w", err)
	}
	return secured, nil
}
