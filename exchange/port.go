package exchange

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"
)

// ReadTLS makes the server's side of TLS from a certificate file and its key file (PEM), such as `evenkeel ca
// exchange` makes.
func ReadTLS(certificate, key string) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return nil, fmt.Errorf("certificate of the exchange: %w", err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair}}, nil
}

// ErrPlaintext refuses to listen beyond this machine without TLS.
var ErrPlaintext = errors.New("plaintext is for loopback addresses only")

func (s *Server) listen(address string) (net.Listener, error) {
	if address == "" {
		address = "127.0.0.1:0"
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if ip := net.ParseIP(host); s.config.TLS == nil && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("%w: %q is not of this machine; give a certificate and its key (--tls-cert and --tls-key, "+
			"which `evenkeel ca exchange` makes), or use 127.0.0.1:%s", ErrPlaintext, address, port)
	}
	var l net.ListenConfig
	return l.Listen(context.Background(), "tcp", address)
}

// secure puts TLS on a new connection when the exchange has a certificate.
func (s *Server) secure(ctx context.Context, conn *net.Conn) error {
	if s.config.TLS == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, LogonTime)
	defer cancel()
	secured := tls.Server(*conn, s.config.TLS)
	if err := secured.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("secure the connection: %w", err)
	}
	*conn = secured
	return nil
}

// hangUp closes a connection at once: TLS would wait seconds to say goodbye to a peer that takes nothing.
func hangUp(conn net.Conn) {
	if secured, is := conn.(*tls.Conn); is {
		conn = secured.NetConn()
	}
	_ = conn.Close() // nothing is owed to it
}

// accept serves connections, at most so many at a time, until the listener closes.
func (s *Server) accept(ctx context.Context, l net.Listener, most int, serve func(context.Context, net.Conn)) {
	places := make(chan struct{}, most)
	for {
		conn, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			s.log.Warn("accept a connection", "error", err)
			select {
			case <-ctx.Done():
				return
			case <-time.After(50 * time.Millisecond): // out of descriptors: do not spin
			}
			continue
		}
		select {
		case places <- struct{}{}:
		default:
			_ = conn.Close()
			continue
		}
		s.work.Go(func() {
			defer func() { hangUp(conn) }()
			defer func() { <-places }() // first: who sees his connection end may take the place
			if err := s.secure(ctx, &conn); err != nil {
				s.log.Warn("connection refused", "from", conn.RemoteAddr(), "error", err)
				return
			}
			serve(ctx, conn)
		})
	}
}
