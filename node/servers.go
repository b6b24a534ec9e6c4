package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"

	"evenkeel/api"
	"evenkeel/gate"
	"evenkeel/web"
)

// servers are the listeners of the API.
type servers struct {
	plain, secure net.Listener
	ca            string // file of the authority to trust; "": the certificate was given
	handler       atomic.Pointer[http.Handler]
	app           *web.App
	all           []*http.Server
	drain         func(context.Context) error // ends the streams
	leaving       atomic.Bool                 // every answer is a goodbye
	gate          *gate.Gate                  // before what clients' connections ask
	turnstile     api.Turnstile               // behind it, where a storm of logins is turned away
	log           *slog.Logger
	work          sync.WaitGroup

	mu     sync.Mutex
	closed bool
	fresh  map[net.Conn]struct{} // connections that have not said anything yet
}

// openListeners takes the addresses, and answers "starting" there: replaying a long log takes a while.
func (n *Node) openListeners(ctx, _ context.Context) (err error) {
	s := &servers{log: n.log, app: web.New(), fresh: map[net.Conn]struct{}{}, gate: gate.New(n.config.Gate, nil)}
	n.servers = s
	first := http.Handler(http.HandlerFunc(starting))
	s.handler.Store(&first)
	if s.plain, err = listen(ctx, "--listen", n.config.Listen); err != nil {
		return err
	}
	s.serve(s.turnstile.Listen(s.gate.Listen(s.plain, true)), s.gated(), nil)
	if n.config.ListenTLS == "" {
		return nil
	}
	config, ca, err := tlsConfig(&n.config)
	if err != nil {
		return err
	}
	s.ca = ca
	if s.secure, err = listen(ctx, "--listen-tls", n.config.ListenTLS); err != nil {
		return err
	}
	s.serve(s.gate.Listen(s.secure, false), s.gated(), s.gate.TLS(config))
	return nil
}

// gated is a server whose connections the gate follows.
func (s *servers) gated() *http.Server {
	server := api.HTTPServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer s.gate.Work(r.Context())()
		server, open := (*s.handler.Load()).(*api.Server)
		switch {
		case open && server.Knows(r):
			s.gate.Known(r.Context())
		case open && api.IsLogin(r): // they have a door of their own
		case !s.gate.Stranger(r.Context()):
			api.TooManyStrangers(w, r)
			return
		}
		s.ServeHTTP(w, r)
	}))
	server.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return s.turnstile.Context(s.gate.Context(ctx, c), c)
	}
	return server
}

func listen(ctx context.Context, flag, address string) (net.Listener, error) {
	var c net.ListenConfig
	l, err := c.Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s %s: something listens there already, perhaps another evenkeel; "+
			"choose another address (port 0: any)", flag, address)
	}
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", flag, address, err)
	}
	return l, nil
}

// starting answers before the house is open. The process is well, and takes nothing yet.
func starting(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if r.URL.Path == "/healthz" {
		_, _ = w.Write([]byte(`{"status":"starting"}`)) // whoever asked may have gone
		return
	}
	w.Header().Set("Retry-After", "1")
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = w.Write([]byte(`{"code":50310005,"reason":"STARTING","ready":false,"reasons":["the log is being replayed"],` +
		`"message":"the server is starting: come back in a second","message_en":"the server is starting: come back in a ` +
		`second","message_zh":"服务器正在启动,请稍后重试"}`))
}

// openServers lets the API answer.
func (n *Node) openServers(_, _ context.Context) error {
	n.server = n.api()
	n.servers.drain = n.server.Drain
	n.servers.turnstile.Guard(n.server)
	handler := http.Handler(n.server)
	n.servers.handler.Store(&handler)
	return nil
}

// ServeHTTP hands a request to who answers now. The web app is memory, and is there before the API is. While the node
// leaves, each answer is the last on its connection (RFC 9112, 9.6): whoever gets it asks another node next, before
// this one is gone.
func (s *servers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.leaving.Load() {
		w.Header().Set("Connection", "close")
	}
	if s.app.Serve(w, r, api.Owns) {
		return
	}
	(*s.handler.Load()).ServeHTTP(w, r)
}

func (s *servers) serve(l net.Listener, server *http.Server, config *tls.Config) {
	server.TLSConfig, server.ConnState = config, s.follow
	server.ErrorLog = slog.NewLogLogger(s.log.Handler(),
		slog.LevelDebug) // clients that speak no HTTP, no TLS, or go away
	s.all = append(s.all, server)
	s.work.Go(func() {
		if config != nil {
			_ = server.ServeTLS(l, "", "") // ends with ErrServerClosed
		} else {
			_ = server.Serve(l)
		}
	})
}

// follow keeps account of connections that have not said anything yet: a client's spare ones. A server that shuts down
// would wait for them for five seconds.
func (s *servers) follow(c net.Conn, state http.ConnState) {
	s.turnstile.Follow(c, state)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case state != http.StateNew:
		delete(s.fresh, c)
	case s.closed:
		_ = c.Close() // it was accepted a moment too late
	default:
		s.fresh[c] = struct{}{}
	}
}

// closeFresh closes the connections that have not said anything yet, and those that are still to come.
func (s *servers) closeFresh() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for c := range s.fresh {
		_ = c.Close() // nothing was asked on it
	}
	clear(s.fresh)
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
	ctx, cancel := context.WithTimeout(context.Background(), DrainTime)
	defer cancel()
	if s.drain != nil {
		if err := s.drain(ctx); err != nil {
			s.log.Warn("streams did not end in time", "error", err)
		}
	}
	s.closeFresh()
	var errs []error
	for _, server := range s.all {
		err := server.Shutdown(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			s.log.Warn("requests did not end in time and were cut off")
			err = server.Close()
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("stop the API: %w", err))
		}
	}
	s.work.Wait()
	return errors.Join(errs...)
}
