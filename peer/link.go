package peer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A remote is another node as this one dials it.
type remote struct {
	peers    *Peers
	node     uint64
	address  string
	stop     context.CancelFunc
	messages *link
	calls    *link
	courier  *courier

	dropped, refused, connects atomic.Uint64
	sent, received             atomic.Uint64 // of connections that have ended

	mutex   sync.Mutex
	trouble string // why it is not connected
	hello   []byte
	version uint16
}

// A link keeps one lane to a node connected.
type link struct {
	remote *remote
	lane   lane
	now    atomic.Pointer[connection] // nil while there is none
	kick   chan struct{}              // ends a pause before dialling
}

// steady is how long a connection must have held for its end to be news, and not more of the same.
const steady = time.Second

// run dials, carries the connection, and dials again, until ctx ends.
func (l *link) run(ctx context.Context) {
	limits := &l.remote.peers.config.Limits
	pause := limits.BackoffLeast
	for {
		began := time.Now()
		c, err := l.remote.dial(ctx, l.lane)
		if err == nil {
			began = time.Now()
			err = l.carry(ctx, c)
		}
		if ctx.Err() != nil {
			return
		}
		l.remote.down(l.lane, err)
		if c != nil && time.Since(began) > steady {
			pause = limits.BackoffLeast
		}
		timer := time.NewTimer(pause/2 + rand.N(pause)) //nolint:gosec // jitter is no secret
		select {
		case <-timer.C:
			pause = min(2*pause, limits.BackoffMost)
		case <-l.kick:
			timer.Stop()
			pause = limits.BackoffLeast
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// carry uses a connection until it ends, and says what was lost with it.
func (l *link) carry(ctx context.Context, c *connection) error {
	p := l.remote.peers
	release := context.AfterFunc(ctx, func() { c.close(errDropped) })
	defer release()
	if !p.register(c) {
		c.close(errClosed)
	}
	l.now.Store(c)
	l.remote.up(l.lane, c)
	err := c.run()
	l.now.Store(nil)
	p.forget(c)
	l.remote.sent.Add(c.sent.Load())
	l.remote.received.Add(c.received.Load())
	c.abandon()
	for _, group := range c.groups { // nothing is added to a closed connection
		p.config.Unreachable(c.node, group)
	}
	return err
}

// up notes that a lane is connected.
func (r *remote) up(l lane, c *connection) {
	r.connects.Add(1)
	r.mutex.Lock()
	r.trouble, r.hello, r.version = "", c.hello, c.version
	r.mutex.Unlock()
	r.peers.config.Log.Info("connected to a node", "node", r.node, "address", r.address, "lane", l.String())
}

// down notes why a lane is not connected; the log is told when that is news.
func (r *remote) down(l lane, err error) {
	r.mutex.Lock()
	news := r.trouble != err.Error()
	r.trouble = err.Error()
	r.mutex.Unlock()
	if news {
		r.peers.config.Log.Warn("no connection to a node", "node", r.node, "address", r.address, "lane", l.String(),
			"error", err)
	}
}

// dial connects one lane and proves both ends to each other.
func (r *remote) dial(ctx context.Context, l lane) (_ *connection, err error) {
	p := r.peers
	limits := &p.config.Limits
	dialer := net.Dialer{Timeout: limits.Connect, KeepAlive: -1} // signs of life are our own
	plain, err := dialer.DialContext(ctx, "tcp", r.address)
	if err != nil {
		return nil, fmt.Errorf("dial node %d: %w", r.node, err)
	}
	hasten(plain)
	release := context.AfterFunc(ctx, func() { _ = plain.Close() })
	defer func() {
		release()
		if err != nil {
			_ = plain.Close()
		}
	}()
	if err := plain.SetDeadline(time.Now().Add(limits.Hello)); err != nil {
		return nil, fmt.Errorf("dial node %d: %w", r.node, err)
	}
	socket := tls.Client(plain, p.config.Identity.dialling(r.node))
	if err := socket.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("node %d at %s does not prove who it is: %w", r.node, r.address, err)
	}
	state := socket.ConnectionState()
	switch node, err := p.config.Identity.prove(&state); {
	case err != nil:
		return nil, fmt.Errorf("node %d at %s does not prove who it is: %w", r.node, r.address, err)
	case node != r.node:
		return nil, fmt.Errorf("at %s is node %d, not node %d", r.address, node, r.node)
	}
	c := newConnection(p, socket, r.node, l, true)
	if err := c.greet(); err != nil {
		return nil, fmt.Errorf("node %d at %s: %w", r.node, r.address, err)
	}
	return c, plain.SetDeadline(time.Time{})
}

// greet says hello and waits for the welcome.
func (c *connection) greet() error {
	p := c.peers
	g := greeting{
		oldest: p.oldest, newest: p.newest, lane: c.lane, from: p.config.Identity.Node, to: c.node,
		cluster: p.config.Identity.Cluster, opaque: p.config.Hello,
	}
	if _, err := c.socket.Write(g.appendTo(nil)); err != nil {
		return err
	}
	k, body, err := c.in.next(maxText + MaxHello)
	switch {
	case err != nil:
		return fmt.Errorf("no welcome: %w", err)
	case k == refusalFrame:
		return fmt.Errorf("refuses this node: %s", body)
	case k != welcomeFrame:
		return fmt.Errorf("%w: kind %d in place of a welcome", errFrame, k)
	}
	w, err := readWelcome(body)
	switch {
	case err != nil:
		return err
	case w.node != c.node:
		return fmt.Errorf("calls itself node %d", w.node)
	case w.version < p.oldest || w.version > p.newest:
		return fmt.Errorf("wants version %d of the protocol, this binary speaks %d to %d", w.version, p.oldest, p.newest)
	}
	c.version, c.hello = w.version, w.opaque
	return nil
}

// welcomes checks a hello against what the certificate proved, and settles the version.
func (p *Peers) welcomes(g *greeting, node uint64) (version uint16, err error) {
	me := p.config.Identity
	version = min(g.newest, p.newest)
	switch {
	case g.from != node:
		return 0, fmt.Errorf("the certificate is node %d's, the hello node %d's", node, g.from)
	case g.to != me.Node:
		return 0, fmt.Errorf("this is node %d, not node %d", me.Node, g.to)
	case g.cluster != me.Cluster:
		return 0, fmt.Errorf("this is cluster %s, not cluster %s", me.Cluster, g.cluster)
	case version < max(g.oldest, p.oldest):
		return 0, fmt.Errorf("versions %d to %d of the protocol are spoken here, not %d to %d", p.oldest, p.newest, g.oldest,
			g.newest)
	case g.lane < messages || g.lane > bulk:
		return 0, fmt.Errorf("there is no %v here", g.lane)
	case node == me.Node:
		return 0, errors.New("a node does not call itself")
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.dropped[node] {
		return 0, fmt.Errorf("node %d is no longer part of the cluster", node)
	}
	return version, nil
}
