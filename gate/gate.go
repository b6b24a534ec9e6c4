// Package gate stands where connections come in, before anything is read from them: so many at once, so many new ones
// a second and so many TLS handshakes, over all and from one address; and where requests are worked on, so many a
// second of those who have not said who they are.
//
// Who is over a limit is let go at once, in plain HTTP with a word and a time to come back. When all places are taken,
// a newcomer gets that of a connection which no request is being worked on for, of the address that has most: who only
// holds connections loses them to those who use theirs. Behind a trusted balancer the address is the client's, as the
// PROXY protocol says it; from anybody else such a header is no HTTP, and is answered so.
//
// Units: connections, and rates a second. Invariants: the limit over all stays below the process's file descriptors,
// so that logs, files and other nodes always find one; what is remembered of addresses is bounded; accepting costs a
// lock and no goroutine. An IPv6 address counts as its network of 64 bits. It never reads what a client says but for a
// PROXY header, and knows no investor: that is the door's (intake).
//
// Source: HAProxy, the PROXY protocol, versions 1 and 2; RFC 9113 (HTTP/2), CVE-2023-44487 (rapid reset).
package gate

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pires/go-proxyproto"
)

// Rate is so many a second on average, and so many at once.
type Rate struct{ PerSecond, Burst int }

// Limits of a gate. Zero members mean the default.
type Limits struct {
	Connections int // 16,384, and at most three quarters of the file descriptors that the process may have
	PerAddress  int // 4,096: a house's worth of people behind one address
	// New connections, over all: 4,000 a second, 16,384 at once; from one address 500 and 4,096.
	New, NewPerAddress Rate
	// TLS handshakes, over all: 400 a second for each processor; from one address 50 a second, 512 at once. One takes
	// some 0.3 ms of a processor.
	Handshakes, HandshakesPerAddress Rate
	// Requests of those who have not said who they are, logins apart: over all 1,000 a second for each processor; from
	// one address 600 a second, 2,400 at once.
	Strangers, StrangersPerAddress Rate
	Addresses                      int           // 16,384: that are remembered
	Header                         time.Duration // 5 s: within which a PROXY header comes
	Resets                         int           // 200: requests of a connection that its client gave up, then it ends
	// Trusted are the balancers whose PROXY header is believed, and must come.
	Trusted []netip.Prefix
}

func (l Limits) withDefaults() Limits {
	set(&l.Connections, 16_384)
	l.Connections = min(l.Connections, descriptors()*3/4)
	set(&l.PerAddress, 4096)
	rate(&l.New, 4000, 16_384)
	rate(&l.NewPerAddress, 500, 4096)
	processors := runtime.GOMAXPROCS(0)
	rate(&l.Handshakes, 400*processors, 800*processors)
	rate(&l.HandshakesPerAddress, 50, 512)
	rate(&l.Strangers, 1000*processors, 4000*processors)
	set(&l.StrangersPerAddress.PerSecond, 600)
	set(&l.StrangersPerAddress.Burst, 4*l.StrangersPerAddress.PerSecond)
	set(&l.Addresses, 16_384)
	set(&l.Header, 5*time.Second)
	set(&l.Resets, 200)
	return l
}

func set[T int | time.Duration](v *T, otherwise T) {
	if *v <= 0 {
		*v = otherwise
	}
}

func rate(r *Rate, perSecond, burst int) {
	set(&r.PerSecond, perSecond)
	set(&r.Burst, burst)
}

// descriptors is how many files the process may have open.
func descriptors() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur > 1<<30 {
		return 1 << 30
	}
	return int(limit.Cur) //nolint:gosec // small
}

// Refusal is why a connection was let go.
type Refusal uint8

// Refusals.
const (
	Full      Refusal = iota // all places are taken, and the address has most of them
	Address                  // the address has its share
	TooFast                  // new connections come too fast
	Handshake                // TLS handshakes come too fast
	Evicted                  // idle, its place was given to a newcomer
	Reset                    // its client gave up request after request
	NoHeader                 // a balancer sent no PROXY header
	Strangers                // requests of those who are not known come too fast
	refusals
)

func (r Refusal) String() string {
	return [refusals]string{"full", "address", "too_fast", "handshake", "evicted", "reset", "no_header", "strangers"}[r]
}

// Refusals are all reasons.
func Refusals() (all []Refusal) {
	for r := range refusals {
		all = append(all, r)
	}
	return all
}

// Gate counts connections in and out.
type Gate struct {
	limits Limits
	clock  func() time.Time

	mu     sync.Mutex
	open   int
	hosts  map[netip.Addr]*host
	all    [paces]bucket
	counts [refusals]atomic.Uint64
	in     atomic.Uint64 // bytes that clients' connections carried
	out    atomic.Uint64

	waiting atomic.Int32 // requests of strangers
}

// pace is what a bucket is for.
type pace uint8

const (
	newcomers pace = iota
	handshakes
	strangers
	paces
)

// host is an address with connections, or one that had some lately.
type host struct {
	conns   map[*conn]struct{}
	buckets [paces]bucket
}

// bucket is the time until which a rate is used up, in nanoseconds.
type bucket int64

// take spends one, if there is one.
func (b *bucket) take(now int64, r Rate) bool {
	if b.after(now, r) > 0 {
		return false
	}
	b.spend(now, r, 1)
	return true
}

// New returns a gate. A nil clock is time.Now.
func New(l Limits, clock func() time.Time) *Gate {
	if clock == nil {
		clock = time.Now
	}
	return &Gate{limits: l.withDefaults(), clock: clock, hosts: map[netip.Addr]*host{}}
}

// Open is the number of connections.
func (g *Gate) Open() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open
}

// Refused is how often a connection was let go for a reason.
func (g *Gate) Refused(r Refusal) uint64 { return g.counts[r].Load() }

// Most is how many connections there may be.
func (g *Gate) Most() int { return g.limits.Connections }

// Bytes are what clients' connections carried so far, TLS too.
func (g *Gate) Bytes() (in, out uint64) { return g.in.Load(), g.out.Load() }

// Listen puts the gate before a listener. plain says that who is let go understands HTTP without TLS.
func (g *Gate) Listen(l net.Listener, plain bool) net.Listener { return &listener{l, g, plain} }

type listener struct {
	net.Listener
	gate  *Gate
	plain bool
}

// Accept returns the next connection that is within the limits.
func (l *listener) Accept() (net.Conn, error) {
	for {
		raw, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := &conn{Conn: raw, gate: l.gate, since: l.gate.clock(), plain: l.plain}
		from := addressOf(raw.RemoteAddr())
		if l.gate.trusts(from) {
			c.Conn = proxyproto.NewConn(raw, proxyproto.WithPolicy(proxyproto.REQUIRE),
				proxyproto.SetReadHeaderTimeout(l.gate.limits.Header))
			c.proxied = true
			return c, nil // it is counted when its first byte is asked for: the header is read by then
		}
		if why, ok := l.gate.enter(c, from); !ok {
			c.refuse(why)
			continue
		}
		return c, nil
	}
}

// refusal is what a client is told whose connection is not taken.
const refusal = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: %d\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

func (g *Gate) trusts(from netip.Addr) bool {
	for _, p := range g.limits.Trusted {
		if p.Contains(from) {
			return true
		}
	}
	return false
}

// addressOf is the address of a peer, without its port; the zero address of what has none.
func addressOf(a net.Addr) netip.Addr {
	if t, ok := a.(*net.TCPAddr); ok {
		return t.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// network is what an address is counted as.
func network(a netip.Addr) netip.Addr {
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return a
}

// enter counts a connection in, or says why not.
func (g *Gate) enter(c *conn, from netip.Addr) (why Refusal, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	h := g.host(network(from))
	now := g.clock().UnixNano()
	switch {
	case len(h.conns) >= g.limits.PerAddress:
		return Address, false
	case !h.buckets[newcomers].take(now, g.limits.NewPerAddress), !g.all[newcomers].take(now, g.limits.New):
		return TooFast, false
	case g.open >= g.limits.Connections && !g.makeRoom(h):
		return Full, false
	}
	g.open++
	c.host = h
	h.conns[c] = struct{}{}
	return 0, true
}

// looks bounds how much is looked at to find who makes room.
const looks = 64

// makeRoom ends a connection that no request is worked on for, of the address that has most among some.
func (g *Gate) makeRoom(newcomer *host) bool {
	most, looked := newcomer, 0
	for _, h := range g.hosts { // a map begins anywhere
		if len(h.conns) > len(most.conns) {
			most = h
		}
		if looked++; looked >= looks {
			break
		}
	}
	if most == newcomer {
		return false
	}
	var victim *conn
	looked = 0
	for c := range most.conns {
		if c.working.Load() == 0 && (victim == nil || c.since.Before(victim.since)) {
			victim = c
		}
		if looked++; looked >= looks {
			break
		}
	}
	if victim == nil {
		return false
	}
	g.counts[Evicted].Add(1)
	g.leave(victim)
	_ = victim.Conn.Close()
	return true
}

// host finds an address, or remembers it. When too many are, some that have no connection are forgotten.
func (g *Gate) host(a netip.Addr) *host {
	if h := g.hosts[a]; h != nil {
		return h
	}
	if len(g.hosts) >= g.limits.Addresses {
		looked := 0
		for other, h := range g.hosts {
			if len(h.conns) == 0 {
				delete(g.hosts, other)
			}
			if looked++; looked >= looks {
				break
			}
		}
	}
	h := &host{conns: map[*conn]struct{}{}}
	g.hosts[a] = h
	return h
}

// leave counts a connection out, once.
func (g *Gate) leave(c *conn) {
	if c.host == nil {
		return
	}
	delete(c.host.conns, c)
	g.open--
	c.host = nil
}

// conn is a connection that was counted in.
type conn struct {
	net.Conn
	gate    *Gate
	host    *host // nil: it is not counted; under gate.mu
	since   time.Time
	plain   bool
	proxied bool
	first   sync.Once
	refused error
	working atomic.Int32 // requests that are worked on
	given   atomic.Int32 // up by their client
	handled atomic.Int32

	stranger atomic.Bool  // a request of one is worked on
	answered atomic.Int64 // bytes since a request was over
	known    atomic.Bool  // a request of somebody known is worked on
	came     atomic.Int64 // bytes since somebody known asked
}

// Read reads, and counts a balancer's client in first.
func (c *conn) Read(b []byte) (int, error) {
	if c.proxied {
		c.first.Do(c.introduce)
		if c.refused != nil {
			return 0, c.refused
		}
	}
	if !c.plain && !c.mayRead() {
		return 0, io.EOF
	}
	n, err := c.Conn.Read(b)
	if !c.plain {
		c.asked(n)
	}
	c.gate.in.Add(uint64(n)) //nolint:gosec // never negative
	return n, err
}

// Write writes.
func (c *conn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.gate.out.Add(uint64(n)) //nolint:gosec // never negative
	c.answered.Add(int64(n))
	return n, err
}

// introduce counts the client in that a balancer names.
func (c *conn) introduce() {
	from := addressOf(c.Conn.RemoteAddr())
	if named, ok := c.Conn.(*proxyproto.Conn); ok && named.ProxyHeader() == nil {
		c.refuse(NoHeader)
	} else if why, ok := c.gate.enter(c, from); !ok {
		c.refuse(why)
	}
}

// refuse lets a connection go, with a time to come back that is spread over ten seconds where it can be said.
func (c *conn) refuse(why Refusal) {
	c.gate.counts[why].Add(1)
	if c.plain {
		_, _ = fmt.Fprintf(c.Conn, refusal, 1+rand.N(10)) // into an empty buffer: it does not wait
	}
	_ = c.Conn.Close()
	c.refused = io.EOF
}

// Close counts the connection out.
func (c *conn) Close() error {
	c.gate.mu.Lock()
	c.gate.leave(c)
	c.gate.mu.Unlock()
	return c.Conn.Close()
}

type connKey struct{}

// netConn is a TLS connection, which has one of ours below it.
type netConn interface{ NetConn() net.Conn }

// Context is http.Server.ConnContext: it lets Work find the connection of a request.
func (g *Gate) Context(ctx context.Context, c net.Conn) context.Context {
	if secure, ok := c.(netConn); ok {
		c = secure.NetConn()
	}
	return context.WithValue(ctx, connKey{}, c)
}

// Work says that a request is worked on; the function that it returns, that it no longer is. A connection whose client
// gives up most of what it asks for is ended: each such request costs us work, and him nothing.
func (g *Gate) Work(ctx context.Context) (end func()) {
	c, ok := ctx.Value(connKey{}).(*conn)
	if !ok {
		return func() {}
	}
	c.working.Add(1)
	return func() {
		if c.working.Add(-1) == 0 {
			c.known.Store(false)
		}
		g.pay(c)
		handled := c.handled.Add(1)
		if ctx.Err() == nil {
			return
		}
		if given := c.given.Add(1); int(given) >= g.limits.Resets && given > handled/2 {
			g.counts[Reset].Add(1)
			_ = c.Close()
		}
	}
}
