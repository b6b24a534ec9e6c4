package peer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/raft/v3/raftpb"
)

// Peers are the connections of one node. Its methods may be called from any goroutine.
type Peers struct {
	config         Config
	oldest, newest uint16 // versions that are spoken
	started        time.Time
	context        context.Context //nolint:containedctx // it is the life of the connections, not of a call
	stop           context.CancelFunc
	work           sync.WaitGroup
	remotes        atomic.Pointer[map[uint64]*remote] // never changed, only replaced, under mutex

	mutex    sync.Mutex
	closed   bool
	open     map[*connection]struct{}
	accepted map[place]*connection // the newest of each
	dropped  map[uint64]bool
	proving  int       // connections that have not proved who they are
	told     time.Time // when the log last heard of a refused connection
	untold   int       // refused since
}

// A place is where an accepted connection stands: a node has one in each.
type place struct {
	node uint64
	lane lane
}

// refusalsLogged is how often the log hears of connections that were refused.
const refusalsLogged = time.Second

// New starts to accept connections.
func New(c Config) (*Peers, error) {
	return open(c, oldestVersion, newestVersion)
}

func open(c Config, oldest, newest uint16) (*Peers, error) {
	if err := c.complete(); err != nil {
		return nil, fmt.Errorf("connect to other nodes: %w", err)
	}
	p := &Peers{
		config: c, oldest: oldest, newest: newest, started: time.Now(), open: map[*connection]struct{}{},
		accepted: map[place]*connection{}, dropped: map[uint64]bool{},
	}
	p.remotes.Store(&map[uint64]*remote{})
	p.context, p.stop = context.WithCancel(context.Background())
	if left := time.Until(c.Identity.Ends); left < RenewBefore {
		c.Log.Warn("the node's certificate ends soon: make another with `evenkeel ca node --out`", "ends", c.Identity.Ends)
	}
	p.work.Go(p.listen)
	p.work.Go(p.pulse)
	return p, nil
}

// Close ends every connection and waits for what uses them. Calls and snapshots under way are told.
func (p *Peers) Close() error {
	p.mutex.Lock()
	p.closed = true
	open := slices.Collect(maps.Keys(p.open))
	p.mutex.Unlock()
	p.stop()
	err := p.config.Listener.Close()
	for _, c := range open {
		c.close(errClosed)
	}
	p.work.Wait()
	return err
}

// SetPeer makes another node known, or says where it now is. It is dialled from here on, until Drop.
func (p *Peers) SetPeer(node uint64, address string) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	delete(p.dropped, node)
	was := p.remote(node)
	if p.closed || node == p.config.Identity.Node || was != nil && was.address == address {
		return
	}
	if was != nil {
		was.stop()
	}
	r := &remote{peers: p, node: node, address: address}
	r.messages = &link{remote: r, lane: messages, kick: make(chan struct{}, 1)}
	r.calls = &link{remote: r, lane: calls, kick: make(chan struct{}, 1)}
	r.courier = &courier{remote: r, wake: make(chan struct{}, 1)}
	ctx, stop := context.WithCancel(p.context)
	r.stop = stop
	all := maps.Clone(*p.remotes.Load())
	all[node] = r
	p.remotes.Store(&all)
	p.work.Go(func() { r.messages.run(ctx) })
	p.work.Go(func() { r.calls.run(ctx) })
	p.work.Go(func() { r.courier.run(ctx) })
}

// Drop ends the connections with a node, and refuses it from here on, until SetPeer.
func (p *Peers) Drop(node uint64) {
	p.mutex.Lock()
	p.dropped[node] = true
	if r := p.remote(node); r != nil {
		r.stop()
		all := maps.Clone(*p.remotes.Load())
		delete(all, node)
		p.remotes.Store(&all)
	}
	var gone []*connection
	for c := range p.open {
		if c.node == node {
			gone = append(gone, c)
		}
	}
	p.mutex.Unlock()
	for _, c := range gone {
		c.close(errDropped)
	}
}

// Connected reports whether calls can be sent to a node now.
func (p *Peers) Connected(node uint64) bool {
	r := p.remote(node)
	return r != nil && r.calls.now.Load() != nil
}

// remote returns a known node, nil when it is not.
func (p *Peers) remote(node uint64) *remote { return (*p.remotes.Load())[node] }

// Send lets messages of the protocol wait for their connections. It never blocks, and keeps nothing of them. What
// cannot wait is dropped, and Config.Unreachable learns which node may miss something.
func (p *Peers) Send(group uint64, messages []*raftpb.Message) {
	var missed []uint64
	for _, m := range messages {
		if to := m.GetTo(); !p.sendOne(group, m) && !slices.Contains(missed, to) {
			missed = append(missed, to)
		}
	}
	for _, node := range missed {
		p.config.Unreachable(node, group)
	}
}

func (p *Peers) sendOne(group uint64, m *raftpb.Message) bool {
	r := p.remote(m.GetTo())
	if r == nil {
		return false
	}
	if c := r.messages.now.Load(); c != nil {
		err := c.message(group, m)
		if notify(c.wake); err == nil {
			return true
		}
	}
	r.dropped.Add(1)
	return false
}

// Status lists the known nodes by id.
func (p *Peers) Status() []Status {
	all := *p.remotes.Load()
	statuses := make([]Status, 0, len(all))
	for _, node := range slices.Sorted(maps.Keys(all)) {
		statuses = append(statuses, all[node].status())
	}
	return statuses
}

func (r *remote) status() Status {
	s := Status{
		Node: r.node, Address: r.address, Dropped: r.dropped.Load(), Refused: r.refused.Load(),
		Connects: r.connects.Load(), Sent: r.sent.Load(), Received: r.received.Load(), Snapshots: r.courier.waiting(),
	}
	r.mutex.Lock()
	s.Hello, s.Version, s.Trouble = r.hello, r.version, r.trouble
	r.mutex.Unlock()
	for _, l := range []*link{r.messages, r.calls} {
		c := l.now.Load()
		if c == nil {
			continue
		}
		s.Messages = s.Messages || l == r.messages
		s.Calls = s.Calls || l == r.calls
		s.Sent += c.sent.Load()
		s.Received += c.received.Load()
		s.RoundTrip = time.Duration(c.trip.Load())
		c.mutex.Lock()
		s.QueueBytes += len(c.pending)
		s.CallsOut += c.calls.out
		c.mutex.Unlock()
	}
	r.peers.mutex.Lock()
	for c := range r.peers.open {
		if c.node == r.node && !c.dialled {
			s.Received += c.received.Load()
		}
	}
	r.peers.mutex.Unlock()
	return s
}

// register takes a connection under the pulse; false when the node is closed.
func (p *Peers) register(c *connection) bool {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.closed {
		return false
	}
	p.open[c] = struct{}{}
	return true
}

func (p *Peers) forget(c *connection) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	delete(p.open, c)
	if at := (place{c.node, c.lane}); p.accepted[at] == c {
		delete(p.accepted, at)
	}
}

// pulse beats for every connection.
func (p *Peers) pulse() {
	ticker := time.NewTicker(p.config.Limits.Pulse)
	defer ticker.Stop()
	var open []*connection
	for {
		select {
		case <-p.context.Done():
			return
		case <-ticker.C:
		}
		open = open[:0]
		p.mutex.Lock()
		for c := range p.open {
			open = append(open, c)
		}
		p.mutex.Unlock()
		for _, c := range open {
			c.beat()
		}
		clear(open)
	}
}

// listen accepts connections until the listener is closed.
func (p *Peers) listen() {
	for {
		plain, err := p.config.Listener.Accept()
		if p.context.Err() != nil {
			if err == nil {
				_ = plain.Close()
			}
			return
		}
		if err != nil { // too many open files, or the like
			p.refuse("", err)
			timer := time.NewTimer(p.config.Limits.BackoffMost)
			select {
			case <-timer.C:
				continue
			case <-p.context.Done():
				timer.Stop()
				return
			}
		}
		hasten(plain)
		limits := &p.config.Limits
		p.mutex.Lock()
		full := p.proving >= limits.Handshakes || len(p.open) >= limits.Connections
		if !full {
			p.proving++
		}
		p.mutex.Unlock()
		if full {
			_ = plain.Close()
			p.refuse(plain.RemoteAddr().String(), errors.New("too many connections"))
			continue
		}
		p.work.Go(func() { p.answer(plain) })
	}
}

// answer lets a connection prove itself, and carries it.
func (p *Peers) answer(plain net.Conn) {
	c, err := p.admit(plain)
	p.mutex.Lock()
	p.proving--
	p.mutex.Unlock()
	if err != nil {
		_ = plain.Close()
		if p.context.Err() == nil {
			p.refuse(plain.RemoteAddr().String(), err)
		}
		return
	}
	err = c.run()
	p.forget(c)
	p.config.Log.Info("a node's connection has ended", "node", c.node, "lane", c.lane.String(), "error", err)
}

func (p *Peers) admit(plain net.Conn) (*connection, error) {
	release := context.AfterFunc(p.context, func() { _ = plain.Close() })
	defer release()
	if err := plain.SetDeadline(time.Now().Add(p.config.Limits.Hello)); err != nil {
		return nil, err
	}
	socket := tls.Server(plain, p.config.Identity.accepting())
	if err := socket.HandshakeContext(p.context); err != nil {
		return nil, fmt.Errorf("handshake: %w", err)
	}
	state := socket.ConnectionState()
	node, err := p.config.Identity.prove(&state)
	if err != nil {
		return nil, err
	}
	c := newConnection(p, socket, node, 0, false)
	k, body, err := c.in.next(maxText + MaxHello)
	if err == nil && k != helloFrame {
		err = fmt.Errorf("%w: kind %d in place of a hello", errFrame, k)
	}
	if err != nil {
		return nil, fmt.Errorf("node %d: %w", node, err)
	}
	g, err := readGreeting(body)
	if err == nil {
		c.version, err = p.welcomes(&g, node)
	}
	if err != nil {
		_, late := socket.Write(appendText(nil, refusalFrame, err.Error()))
		return nil, errors.Join(fmt.Errorf("node %d: %w", node, err), late)
	}
	c.lane, c.hello = g.lane, g.opaque
	w := welcome{version: c.version, node: p.config.Identity.Node, opaque: p.config.Hello}
	if _, err := socket.Write(w.appendTo(nil)); err != nil {
		return nil, fmt.Errorf("node %d: %w", node, err)
	}
	if err := plain.SetDeadline(time.Time{}); err != nil {
		return nil, err
	}
	return c, p.seat(c)
}

// seat gives an accepted connection its place; an older one in it ends. A node that dials us can be dialled.
func (p *Peers) seat(c *connection) error {
	if !p.register(c) {
		return errClosed
	}
	at := place{c.node, c.lane}
	p.mutex.Lock()
	older := p.accepted[at]
	p.accepted[at] = c
	gone := p.dropped[c.node] // in the meantime
	p.mutex.Unlock()
	if older != nil {
		older.close(errNewer)
	}
	if gone {
		c.close(errDropped)
	} else {
		p.config.Greeted(c.node, c.hello)
	}
	if r := p.remote(c.node); r != nil {
		notify(r.messages.kick)
		notify(r.calls.kick)
	}
	return nil
}

// refuse tells the log of a connection that was not let in, now and then.
func (p *Peers) refuse(from string, err error) {
	p.mutex.Lock()
	p.untold++
	count, now := p.untold, time.Now()
	tell := now.Sub(p.told) >= refusalsLogged
	if tell {
		p.told, p.untold = now, 0
	}
	p.mutex.Unlock()
	if tell {
		p.config.Log.Warn("a connection was refused", "from", from, "error", err, "refused", count)
	}
}
