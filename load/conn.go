package load

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// ask is one request on its way.
type ask struct {
	class   Class
	account int32
	tries   uint8
	symbol  int8
	order   *order
	ticket  string        // of a login that was given a place in line
	given   time.Duration // when that was, for the first time
	first   time.Duration // due for the first time, when it is tried again
	due     time.Duration // since the beginning
	sent    time.Duration
	seen    int64 // of a quote: the newest time that had been seen when it was sent
}

// heard is told what became of an ask: an answer, or an error when there was none.
type heard func(a *ask, r *reply, err error)

// pool is the connections of a load.
type pool struct {
	address string
	host    string
	trust   *tls.Config
	most    int
	depth   int
	sources int
	newest  bool
	began   time.Time
	build   func(buffer []byte, a *ask) []byte
	heard   heard
	patient time.Duration

	mu      sync.Mutex
	idle    []*conn
	all     map[*conn]struct{}
	dialing int
	waiting []*ask // from head on
	head    int
	closed  bool
	dialled atomic.Int64
	read    atomic.Int64 // bytes
	written atomic.Int64
	work    sync.WaitGroup
}

// conn is one of them. Its reader answers the requests in their order.
type conn struct {
	pool   *pool
	net    net.Conn
	br     *bufio.Reader
	buffer []byte

	mu     sync.Mutex
	flight []*ask
	broken bool
	gaveUp bool // who asked did, not the server
}

func newPool(c *Config, began time.Time, build func([]byte, *ask) []byte, h heard) (*pool, error) {
	u, address, err := Target(c.URL, c.Named)
	if err != nil {
		return nil, err
	}
	p := &pool{address: address, host: u.Host, most: c.Connections, depth: c.Pipeline, sources: c.Sources,
		newest: c.Newest, began: began, build: build, heard: h, patient: c.Patience, all: map[*conn]struct{}{}}
	p.trust = trustFor(c, u)
	return p, nil
}

// trustFor is how to speak to a server; nil without TLS.
func trustFor(c *Config, u *url.URL) *tls.Config {
	if u.Scheme != "https" {
		return nil
	}
	trust := c.Trust.Clone()
	if trust == nil {
		trust = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	trust.ServerName, trust.NextProtos = u.Hostname(), []string{"http/1.1"}
	return trust
}

func (p *pool) now() time.Duration { return time.Since(p.began) }

// send gives a request to a connection that is free, to a new one, or lets it wait.
func (p *pool) send(a *ask) {
	p.mu.Lock()
	if n := len(p.idle); n > 0 && !p.closed {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		c.write(a)
		return
	}
	if p.closed || len(p.waiting)-p.head >= MaxWaiting {
		p.mu.Unlock()
		p.heard(a, nil, errNoConnection)
		return
	}
	p.waiting = append(p.waiting, a)
	if len(p.all)+p.dialing < p.most {
		p.dialing++
		p.work.Go(p.dial)
	} else if p.depth > 1 {
		p.share()
	}
	p.mu.Unlock()
}

// share gives the request that waits to a connection in use that has room; called with the lock, returns with it.
func (p *pool) share() {
	looked := 0
	for c := range p.all { // a map begins anywhere
		if looked++; looked > 8 {
			return
		}
		c.mu.Lock()
		room := !c.broken && len(c.flight) > 0 && len(c.flight) < p.depth
		c.mu.Unlock()
		if !room {
			continue
		}
		if a := p.next(); a != nil {
			p.mu.Unlock()
			c.write(a)
			p.mu.Lock()
		}
		return
	}
}

// next takes the request that waits longest, or shortest where the newest goes first.
func (p *pool) next() *ask {
	if n := len(p.waiting) - 1; p.newest && n >= p.head {
		a := p.waiting[n]
		p.waiting[n] = nil
		p.waiting = p.waiting[:n]
		return a
	}
	return p.oldest()
}

func (p *pool) oldest() *ask {
	if p.head == len(p.waiting) {
		p.waiting, p.head = p.waiting[:0], 0
		return nil
	}
	a := p.waiting[p.head]
	p.waiting[p.head] = nil
	p.head++
	if p.head > 1024 && p.head > len(p.waiting)/2 {
		p.waiting = append(p.waiting[:0], p.waiting[p.head:]...)
		p.head = 0
	}
	return a
}

// free is a connection that has nothing to do.
func (p *pool) free(c *conn) {
	p.mu.Lock()
	a := p.next()
	if a == nil && !p.closed {
		p.idle = append(p.idle, c)
	}
	p.mu.Unlock()
	if a != nil {
		c.write(a)
	}
}

func (p *pool) connect() (net.Conn, error) {
	d := net.Dialer{Timeout: p.patient}
	if p.sources > 1 {
		d.LocalAddr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(1+p.dialled.Load()%int64(p.sources)))}
	}
	p.dialled.Add(1)
	raw, err := d.Dial("tcp", p.address)
	if err != nil || p.trust == nil {
		return raw, err
	}
	secure := tls.Client(raw, p.trust)
	_ = raw.SetDeadline(time.Now().Add(p.patient))
	if err := secure.Handshake(); err != nil {
		_ = raw.Close()
		return nil, err
	}
	_ = raw.SetDeadline(time.Time{})
	return secure, nil
}

// dial makes a connection and reads from it until it ends.
func (p *pool) dial() {
	raw, err := p.connect()
	p.mu.Lock()
	p.dialing--
	if err != nil || p.closed {
		a := p.next()
		p.mu.Unlock()
		if raw != nil {
			_ = raw.Close()
		}
		if a != nil {
			p.heard(a, nil, fmt.Errorf("%w: %w", errNoConnection, err))
		}
		return
	}
	c := &conn{pool: p, net: raw, br: bufio.NewReaderSize(raw, maxLine), buffer: make([]byte, 0, 1024)}
	p.all[c] = struct{}{}
	p.mu.Unlock()
	p.free(c)
	c.readAll()
}

// write sends a request; on a connection that has broken it has failed.
func (c *conn) write(a *ask) {
	c.mu.Lock()
	if c.broken {
		c.mu.Unlock()
		c.pool.heard(a, nil, errBroken)
		return
	}
	c.flight = append(c.flight, a)
	a.sent = c.pool.now()
	c.buffer = c.pool.build(c.buffer[:0], a)
	n, err := c.net.Write(c.buffer)
	c.mu.Unlock()
	c.pool.written.Add(int64(n))
	if err != nil {
		_ = c.net.Close() // the reader ends, and says so to whom it concerns
	}
}

func (c *conn) readAll() {
	var r reply
	for {
		err := readReply(c.br, &r)
		if err != nil {
			c.end()
			return
		}
		c.pool.read.Add(int64(len(r.body)) + 350) // about what the headers are
		c.mu.Lock()
		if len(c.flight) == 0 {
			c.mu.Unlock()
			c.end() // an answer that nobody asked for, such as a time-out
			return
		}
		a := c.flight[0]
		copy(c.flight, c.flight[1:])
		c.flight[len(c.flight)-1] = nil
		c.flight = c.flight[:len(c.flight)-1]
		empty := len(c.flight) == 0
		c.mu.Unlock()
		closes := r.closes
		c.pool.heard(a, &r, nil)
		if closes {
			c.end()
			return
		}
		if empty {
			c.pool.free(c)
		}
	}
}

// end lets go of the connection. What was under way has failed.
func (c *conn) end() {
	_ = c.net.Close()
	c.mu.Lock()
	c.broken = true
	left, why := c.flight, errBroken
	c.flight = nil
	if c.gaveUp {
		why = errPatience
	}
	c.mu.Unlock()
	p := c.pool
	p.mu.Lock()
	delete(p.all, c)
	for i, other := range p.idle {
		if other == c {
			p.idle = append(p.idle[:i], p.idle[i+1:]...)
			break
		}
	}
	if len(p.waiting) > p.head && !p.closed && len(p.all)+p.dialing < p.most {
		p.dialing++
		p.work.Go(p.dial)
	}
	p.mu.Unlock()
	for _, a := range left {
		p.heard(a, nil, why)
	}
}

// abandon gives up what has been waited for too long: on a connection with it, as a person who closes the page.
func (p *pool) abandon() {
	late := p.now() - p.patient
	var gone []*ask
	var slow []*conn
	p.mu.Lock()
	for p.head < len(p.waiting) && p.waiting[p.head].due < late {
		gone = append(gone, p.oldest())
	}
	for c := range p.all {
		c.mu.Lock()
		if len(c.flight) > 0 && c.flight[0].due < late {
			slow, c.gaveUp = append(slow, c), true
		}
		c.mu.Unlock()
	}
	p.mu.Unlock()
	for _, a := range gone {
		p.heard(a, nil, errPatience)
	}
	for _, c := range slow {
		_ = c.net.Close()
	}
}

func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	for c := range p.all {
		_ = c.net.Close()
	}
	p.mu.Unlock()
	p.work.Wait()
}

// plain is a connection for one who asks and waits.
func (p *pool) plain() (*conn, error) {
	raw, err := p.connect()
	if err != nil {
		return nil, err
	}
	return &conn{net: raw, br: bufio.NewReaderSize(raw, maxLine)}, nil
}
