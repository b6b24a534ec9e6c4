package peer

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/raft/v3/raftpb"
)

// A connection is one lane to or from a node, after both have proved who they are. A goroutine reads it and another
// writes what waits; whoever sends appends to what waits, so that what comes during a write shares the next.
type connection struct {
	peers   *Peers
	socket  net.Conn // TLS
	node    uint64
	lane    lane
	dialled bool // by this node
	version uint16
	hello   []byte // of the other node
	in      *frameReader
	wake    chan struct{} // of the writer
	drained chan struct{} // told after each write, for the sender of a snapshot
	gone    chan struct{} // closed with the connection
	result  chan error    // of a snapshot that was sent, of capacity one

	mutex    sync.Mutex
	cause    error  // why the connection was closed, nil while it is open
	pending  []byte // frames that wait
	frames   int    // in pending
	spare    []byte // for reuse
	appended uint64 // bytes that ever came into pending
	taken    uint64 // of them, bytes that were handed to the socket
	calls    callTable
	groups   []uint64 // whose messages were sent here

	serving  atomic.Int64  // calls that the handler has not answered
	received atomic.Uint64 // bytes
	sent     atomic.Uint64 // bytes
	reading  atomic.Bool   // the reader waits for the socket
	writes   atomic.Uint64 // odd while the writer waits for it
	trip     atomic.Int64  // of a sign of life, ns

	watch watch // the pulse's own
}

// Why connections end.
var (
	errSilent  = errors.New("the other node is silent")
	errStalled = errors.New("the other node takes nothing")
	errSlow    = errors.New("the other node does not take its answers")
	errNewer   = errors.New("the other node has connected again")
	errDropped = errors.New("the node was dropped or moved")
	errClosed  = errors.New("closed here")
	errBacklog = errors.New("as much waits for the node as may")
)

const (
	writePiece = 256 << 10 // a write of more is cut, so that its progress is seen
	keptBuffer = 4 << 20   // a larger buffer is not kept for reuse
)

func newConnection(p *Peers, socket net.Conn, node uint64, l lane, dialled bool) *connection {
	c := &connection{
		peers: p, socket: socket, node: node, lane: l, dialled: dialled, wake: make(chan struct{}, 1),
		drained: make(chan struct{}, 1), gone: make(chan struct{}), result: make(chan error, 1),
	}
	c.in = newFrameReader(countingReader{c})
	return c
}

// countingReader counts what arrives: each byte is a sign of life.
type countingReader struct{ c *connection }

func (r countingReader) Read(b []byte) (int, error) {
	r.c.reading.Store(true)
	n, err := r.c.socket.Read(b)
	r.c.reading.Store(false)
	r.c.received.Add(uint64(n))
	return n, err
}

// notify wakes the owner of a channel of capacity one; a wake-up that is already there is enough.
func notify(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}

// close closes the connection for a reason; the first counts. It never waits.
func (c *connection) close(cause error) {
	c.mutex.Lock()
	first := c.cause == nil
	if first {
		c.cause = cause
	}
	c.mutex.Unlock()
	if first {
		_ = plainSocket(c.socket).Close() // not TLS's goodbye, which may wait for the socket
		close(c.gone)
	}
}

// plainSocket is what lies below TLS.
func plainSocket(socket net.Conn) net.Conn {
	if t, ok := socket.(interface{ NetConn() net.Conn }); ok {
		return t.NetConn()
	}
	return socket
}

// run carries the connection until it ends, and says why it did.
func (c *connection) run() error {
	written := make(chan struct{})
	go func() {
		defer close(written)
		c.write()
	}()
	c.close(c.read())
	<-written
	return c.cause
}

// admit says whether another frame may wait. The mutex is held.
func (c *connection) admit() error {
	switch limits := &c.peers.config.Limits; {
	case c.cause != nil:
		return c.cause
	case c.frames >= limits.QueueFrames || len(c.pending) >= limits.QueueBytes:
		return errBacklog
	}
	return nil
}

// queued notes that pending grew to b by a frame. The mutex is held.
func (c *connection) queued(b []byte) {
	c.appended += uint64(len(b) - len(c.pending))
	c.pending = b
	c.frames++
}

// push lets a frame wait for the writer.
func (c *connection) push(frame func([]byte) []byte) error {
	c.mutex.Lock()
	err := c.admit()
	if err == nil {
		c.queued(frame(c.pending))
	}
	c.mutex.Unlock()
	notify(c.wake)
	return err
}

// message lets a message of the protocol wait.
func (c *connection) message(group uint64, m *raftpb.Message) error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if err := c.admit(); err != nil {
		return err
	}
	at := len(c.pending)
	b, err := appendMessage(c.pending, group, m)
	if err != nil {
		return err
	}
	if size := len(b) - at; size > maxFrame {
		return fmt.Errorf("a message of %d bytes, at most %d", size, maxFrame)
	}
	c.queued(b)
	for _, known := range c.groups {
		if known == group {
			return nil
		}
	}
	c.groups = append(c.groups, group)
	return nil
}

// take hands what waits to the writer, which returns the buffer that it had before.
func (c *connection) take(spent []byte) []byte {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if cap(spent) > 0 && cap(spent) <= keptBuffer {
		c.spare = spent[:0]
	}
	if c.cause != nil || len(c.pending) == 0 {
		return nil
	}
	b := c.pending
	c.pending, c.spare, c.frames = c.spare, nil, 0
	c.taken += uint64(len(b))
	return b
}

func (c *connection) write() {
	var b []byte
	for {
		if b = c.take(b); b == nil {
			select {
			case <-c.wake:
				continue
			case <-c.gone:
				return
			}
		}
		for at := 0; at < len(b); at += writePiece {
			piece := b[at:min(len(b), at+writePiece)]
			c.writes.Add(1)
			n, err := c.socket.Write(piece)
			c.writes.Add(1)
			c.sent.Add(uint64(n))
			if err != nil {
				c.close(fmt.Errorf("write to node %d: %w", c.node, err))
				return
			}
		}
		notify(c.drained)
	}
}

// next returns the next frame that is not a sign of life.
func (c *connection) next() (kind, []byte, error) {
	for {
		k, body, err := c.in.next(maxFrame)
		if err != nil || k != pingFrame && k != pongFrame {
			return k, body, err
		}
		mark, err := readMark(body)
		switch {
		case err != nil:
			return 0, nil, err
		case k == pongFrame:
			c.trip.Store(max(1, int64(time.Since(c.peers.started))-int64(mark)))
		case !c.dialled: // the end that dialled asks for the round trip
			_ = c.push(func(b []byte) []byte { return appendMark(b, pongFrame, mark) }) // data is as good
		}
	}
}

func (c *connection) read() error {
	for {
		k, body, err := c.next()
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("node %d closed the connection", c.node)
		}
		if err == nil {
			err = c.accept(k, body)
		}
		if err != nil {
			return fmt.Errorf("read from node %d: %w", c.node, err)
		}
	}
}

// accept does what a frame asks for, where it belongs on this lane and at this end of it.
func (c *connection) accept(k kind, body []byte) error {
	switch {
	case k == messageFrame && c.lane == messages && !c.dialled:
		group, m, err := readMessage(body)
		if err == nil {
			err = c.mayPass(m)
		}
		if err != nil {
			return err
		}
		c.peers.config.Messages(group, m)
		return nil
	case k == callFrame && c.lane == calls && !c.dialled:
		return c.called(body)
	case k == answerFrame && c.lane == calls && c.dialled:
		return c.answered(body)
	case k == snapshotFrame && c.lane == bulk && !c.dialled:
		return c.arriving(body)
	case k == resultFrame && c.lane == bulk && c.dialled:
		return c.installed(body)
	}
	return fmt.Errorf("%w: kind %d on the %v lane", errFrame, k, c.lane)
}

// mayPass holds a message to its connection. What a node passes on for another still names the other.
func (c *connection) mayPass(m *raftpb.Message) error {
	passedOn := m.GetType() == raftpb.MsgReadIndex || m.GetType() == raftpb.MsgTransferLeader ||
		m.GetType() == raftpb.MsgProp
	if m.GetTo() != c.peers.config.Identity.Node || m.GetFrom() != c.node && !passedOn {
		return fmt.Errorf("%w: a message from node %d to node %d", errFrame, m.GetFrom(), m.GetTo())
	}
	return nil
}

// A watch is what the pulse saw of a connection before.
type watch struct {
	received, writes uint64
	quiet, stalled   int // pulses without a change
}

// beat sends a sign of life, and closes the connection where nothing comes or nothing is taken. Pulses are counted,
// not time: when this process itself stood still, the other node is not to blame.
func (c *connection) beat() {
	limits := &c.peers.config.Limits
	w := &c.watch
	if received := c.received.Load(); received != w.received || !c.reading.Load() {
		w.received, w.quiet = received, 0
	} else if w.quiet++; time.Duration(w.quiet)*limits.Pulse >= limits.Silence {
		c.close(fmt.Errorf("%w: nothing for %v", errSilent, limits.Silence))
		return
	}
	stall := limits.Stall
	if c.lane == bulk {
		stall = limits.BulkStall
	}
	if writes := c.writes.Load(); writes != w.writes || writes%2 == 0 {
		w.writes, w.stalled = writes, 0
	} else if w.stalled++; time.Duration(w.stalled)*limits.Pulse >= stall {
		c.close(fmt.Errorf("%w: nothing for %v", errStalled, stall))
		return
	}
	mark := uint64(time.Since(c.peers.started))
	_ = c.push(func(b []byte) []byte { return appendMark(b, pingFrame, mark) }) // where much waits, that is a sign too
}
