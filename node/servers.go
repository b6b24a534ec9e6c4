package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// Times of the HTTP servers. Streams lift the write time for themselves.
const (
	headerTime = 5 * time.Second
	readTime   = 15 * time.Second
	idleTime   = 2 * time.Minute
	headerSize = 32 << 10
)

// servers are the listeners of the API.
type servers struct {
	plain, secure net.Listener
	ca            string
	all           []*http.Server
	drain         func()
	work          sync.WaitGroup
}

// openServers listens. The API is served over plaintext on loopback addresses only: TLS where traffic leaves the
// machine.
func (n *Node) openServers(_, _ context.Context) (err error) {
	s := &servers{}
	n.servers = s
	handler, drain := n.api()
	s.drain = drain
	host, _, err := net.SplitHostPort(n.config.Listen)
	if err != nil {
		return fmt.Errorf("--listen %q: host:port, such as 127.0.0.1:8080: %w", n.config.Listen, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("--listen %q: without TLS only loopback addresses are served, such as 127.0.0.1:8080; use --listen-tls for others", n.config.Listen)
	}
	if s.plain, err = net.Listen("tcp", n.config.Listen); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	s.serve(s.plain, handler, nil)
	if n.config.ListenTLS == "" {
		return nil
	}
	config, ca, err := tlsConfig(&n.config)
	if err != nil {
		return err
	}
	s.ca = ca
	if s.secure, err = net.Listen("tcp", n.config.ListenTLS); err != nil {
		return fmt.Errorf("listen with TLS: %w", err)
	}
	s.serve(s.secure, handler, config)
	return nil
}

func (s *servers) serve(l net.Listener, h http.Handler, config *tls.Config) {
	server := &http.Server{Handler: h, TLSConfig: config, ReadHeaderTimeout: headerTime, ReadTimeout: readTime,
		IdleTimeout: idleTime, MaxHeaderBytes: headerSize}
	s.all = append(s.all, server)
	s.work.Go(func() {
		if config != nil {
			_ = server.ServeTLS(l, "", "") // ends with ErrServerClosed
		} else {
			_ = server.Serve(l)
		}
	})
}

func (s *servers) plainURL() string { return "http://" + s.plain.Addr().String() }

func (s *servers) secureURL() string {
	if s.secure == nil {
		return ""
	}
	return "https://" + s.secure.Addr().String()
}

// close lets requests under way end, for DrainTime at most. Streams are aborted at once: their clients come back.
func (s *servers) close() error {
	if s.drain != nil {
		s.drain()
	}
	ctx, cancel := context.WithTimeout(context.Background(), DrainTime)
	defer cancel()
	var errs []error
	for _, server := range s.all {
		if err := server.Shutdown(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stop the API: %w", errors.Join(err, server.Close())))
		}
	}
	s.work.Wait()
	return errors.Join(errs...)
}
