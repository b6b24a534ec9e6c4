// Package peer is the connections between the nodes of a cluster, and the certificates by which they know each other.
// All groups of a pair of nodes share one set of connections: a lane for the protocol's messages, one for
// calls, and one for each snapshot under way. A node dials the lanes it sends on; on the messages lane nothing comes
// back but signs of life.
//
// Units: sizes are bytes, integers on the wire are little-endian and of fixed size, node ids begin at 1.
//
// Invariants:
//   - Mutual TLS 1.3 under one private authority. The certificate's node and cluster, what the hello claims, and who
//     was dialled are the same, or nothing is exchanged.
//   - Nothing here blocks a sender. Every queue has a bound in Limits; what is over it is dropped and reported
//     (messages), or refused at once (calls).
//   - Messages and calls of one connection arrive in the order in which they were sent, once, or not at all. Messages
//     that may have been lost are reported to Config.Unreachable.
//   - A call's done runs exactly once: with the answer, with ErrNotSent (the other node has not seen it) or with
//     ErrUnknown (it may have). A call that was refused at once has no done.
//   - A node that is silent for Limits.Silence, counted in this process's own steps, is gone: its connections are
//     closed and dialled again. A slow or silent node holds up no other.
//
// It never looks into what it carries, beyond who a message of the protocol is from and for; it never sends a message
// twice, and never answers a call itself.
//
// Frames: a uint32 length of what follows, a byte of kind, then the kind's fields (frame.go). The first frame each way
// is a hello, which settles the version; its own form never changes. Two binaries talk when their version ranges meet.
//
// Source: RFC 8446 (TLS 1.3), RFC 5280 (certificates), RFC 7301 (protocol names); go.etcd.io/raft/v3 for what a
// transport owes the protocol.
package peer

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"go.etcd.io/raft/v3/raftpb"
)

// Versions of the protocol that this binary speaks.
const (
	oldestVersion = 1
	newestVersion = 1
)

// Errors of calls and snapshots. Compare with errors.Is.
var (
	// ErrNotSent: the other node has not seen it. Nothing happened; try again later, or elsewhere.
	ErrNotSent = errors.New("not sent")
	// ErrUnknown: it was sent, and the connection ended before the answer. It may have been carried out.
	ErrUnknown = errors.New("outcome unknown")
)

// A RemoteError is what the other node's handler answered in place of an answer.
type RemoteError struct {
	Node uint64
	Text string
}

func (e *RemoteError) Error() string { return fmt.Sprintf("node %d answers: %s", e.Node, e.Text) }

// Limits of a node's connections. Zero means the default, which is given with each.
type Limits struct {
	QueueFrames  int           // 16,384: frames that wait for one connection; one more is dropped or refused
	QueueBytes   int           // 16 MiB: bytes of them (a single larger frame passes when nothing waits)
	Calls        int           // 4,096: calls of one connection without an answer
	CallBytes    int           // 4 MiB: one call's body or answer
	Snapshots    int           // 64: snapshots that wait for their turn at one peer
	SnapshotRate int           // 64 MiB: of a snapshot in a second, so that it does not crowd out the rest
	Pulse        time.Duration // 50 ms: a sign of life is sent, and the other side's looked for, so often
	Silence      time.Duration // 500 ms: a connection without any is closed
	Stall        time.Duration // 2 s: a write that is not taken for so long closes the connection
	BulkStall    time.Duration // 30 s: the same where a snapshot is sent, whose reader waits for its disk
	BulkAnswer   time.Duration // 2 min: the other node has this long to install a snapshot that it has whole
	Connect      time.Duration // 250 ms: to reach an address
	Hello        time.Duration // 1 s: to prove who one is, after that
	BackoffLeast time.Duration // 10 ms: pause before dialling again, doubled each time
	BackoffMost  time.Duration // 500 ms: up to this; a node that dials us is dialled at once
	Handshakes   int           // 64: connections that have not proved who they are; one more is closed
	Connections  int           // 256: connections accepted
}

func orDefault[T int | time.Duration](value *T, fallback T) {
	if *value <= 0 {
		*value = fallback
	}
}

func (l Limits) withDefaults() Limits {
	orDefault(&l.QueueFrames, 16384)
	orDefault(&l.QueueBytes, 16<<20)
	orDefault(&l.Calls, 4096)
	orDefault(&l.CallBytes, 4<<20)
	orDefault(&l.Snapshots, 64)
	orDefault(&l.SnapshotRate, 64<<20)
	orDefault(&l.Pulse, 50*time.Millisecond)
	orDefault(&l.Silence, 500*time.Millisecond)
	orDefault(&l.Stall, 2*time.Second)
	orDefault(&l.BulkStall, 30*time.Second)
	orDefault(&l.BulkAnswer, 2*time.Minute)
	orDefault(&l.Connect, 250*time.Millisecond)
	orDefault(&l.Hello, time.Second)
	orDefault(&l.BackoffLeast, 10*time.Millisecond)
	orDefault(&l.BackoffMost, 500*time.Millisecond)
	orDefault(&l.Handshakes, 64)
	orDefault(&l.Connections, 256)
	l.CallBytes = min(l.CallBytes, maxFrame-callHeader)
	return l
}

// Config says who a node is and who is told what arrives. Handlers run on the goroutine that reads a connection: they
// must not block, except Snapshot. What they are given is valid until they return. A nil handler ignores, or refuses.
type Config struct {
	Identity *Identity
	Listener net.Listener // plain TCP; closed by Close
	Hello    []byte       // told to every node that is dialled or dials, at most MaxHello bytes
	Limits   Limits
	Log      *slog.Logger // nil: silent. Told of connections that come and go, and of those that are refused

	// Messages takes a message of the protocol, which is the taker's to keep.
	Messages func(group uint64, m *raftpb.Message)
	// Snapshot installs the snapshot that m is about and returns when it is durable. It reads all of r, whose end is
	// io.EOF only when everything arrived. It may block.
	Snapshot func(group uint64, m *raftpb.Message, r io.Reader) error
	// Call takes a call; answer is called once, from any goroutine, at any time, and copies what it is given. Another
	// call of it, or one after the connection has gone, does nothing.
	Call func(from uint64, kind uint16, body []byte, answer func([]byte, error))
	// Greeted learns what a node that dials says of itself; it may call SetPeer.
	Greeted func(node uint64, hello []byte)
	// Unreachable learns that messages to a node may have been lost. It may run inside Send.
	Unreachable func(node, group uint64)
}

// MaxHello is how long Config.Hello may be.
const MaxHello = 4096

func (c *Config) complete() error {
	if c.Identity == nil || c.Listener == nil {
		return errors.New("a node needs an identity and a listener")
	}
	if len(c.Hello) > MaxHello {
		return fmt.Errorf("a hello of %d bytes, at most %d", len(c.Hello), MaxHello)
	}
	c.Limits = c.Limits.withDefaults()
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Messages == nil {
		c.Messages = func(uint64, *raftpb.Message) {}
	}
	if c.Snapshot == nil {
		c.Snapshot = func(uint64, *raftpb.Message, io.Reader) error { return errors.New("no snapshots are taken here") }
	}
	if c.Call == nil {
		c.Call = func(_ uint64, _ uint16, _ []byte, answer func([]byte, error)) {
			answer(nil, errors.New("no calls are taken here"))
		}
	}
	if c.Greeted == nil {
		c.Greeted = func(uint64, []byte) {}
	}
	if c.Unreachable == nil {
		c.Unreachable = func(uint64, uint64) {}
	}
	return nil
}

// Status is what a node knows of its connection to another.
type Status struct {
	Node       uint64
	Address    string        // where it is dialled, "" when it is not
	Messages   bool          // the messages lane is connected
	Calls      bool          // the calls lane is connected
	RoundTrip  time.Duration // of a sign of life, lately; 0 before the first
	Hello      []byte        // what it says of itself, nil before it was reached
	Version    uint16        // of the protocol that is spoken; 0 before it was reached
	Sent       uint64        // bytes handed to its sockets
	Received   uint64        // bytes that came on the lanes that it dials, and back on ours
	Dropped    uint64        // messages dropped for a full queue or want of a connection
	Refused    uint64        // calls refused at once
	Connects   uint64        // connections made by us, first and again
	CallsOut   int           // calls of ours without an answer
	QueueBytes int           // bytes that wait for its sockets
	Snapshots  int           // snapshots that wait or are under way to it
	Trouble    string        // why it is not connected, "" while it is
}
