package peer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"go.etcd.io/raft/v3/raftpb"
)

// A courier takes snapshots to a node, one at a time, each over a connection of its own.
type courier struct {
	remote *remote
	wake   chan struct{}

	mutex   sync.Mutex
	parcels []parcel
	busy    int  // 1 while one is under way
	stopped bool // nothing is taken any more
}

// A parcel is a snapshot to be sent.
type parcel struct {
	group   uint64
	message []byte // encoded
	open    func() (io.ReadCloser, int64, error)
	done    func(error)
}

const snapshotChunk = 256 << 10

// SendSnapshot sends the snapshot that a message is about. It keeps nothing of the message. open is called when its
// turn has come; size is how many bytes the reader has. done is called exactly once, later, from another goroutine:
// with nil when the other node has installed it, else with why it was not, or may not have been.
func (p *Peers) SendSnapshot(
	group uint64, m *raftpb.Message, open func() (r io.ReadCloser, size int64, err error), done func(error),
) {
	to := m.GetTo()
	encoded, err := proto.Marshal(m)
	r := p.remote(to)
	switch {
	case err != nil:
		err = fmt.Errorf("encode a snapshot's message: %w", err)
	case r == nil:
		err = fmt.Errorf("%w: node %d is not known here", ErrNotSent, to)
	default:
		err = r.courier.take(parcel{group, encoded, open, done}, p.config.Limits.Snapshots)
	}
	if err != nil {
		go done(err)
	}
}

func (c *courier) take(one parcel, most int) error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	switch {
	case c.stopped:
		return fmt.Errorf("%w: %w", ErrNotSent, errDropped)
	case len(c.parcels) >= most:
		return fmt.Errorf("%w: %d snapshots wait for node %d", ErrNotSent, most, c.remote.node)
	}
	c.parcels = append(c.parcels, one)
	notify(c.wake)
	return nil
}

func (c *courier) waiting() int {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return len(c.parcels) + c.busy
}

// next returns the next parcel, false when there is none.
func (c *courier) next() (one parcel, ok bool) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.busy = 0; len(c.parcels) == 0 {
		return one, false
	}
	one, c.busy = c.parcels[0], 1
	c.parcels = c.parcels[1:]
	return one, true
}

func (c *courier) run(ctx context.Context) {
	for {
		one, ok := c.next()
		if ok && ctx.Err() == nil {
			one.done(c.deliver(ctx, one))
			continue
		}
		if ok {
			one.done(fmt.Errorf("%w: %w", ErrNotSent, errDropped))
			continue
		}
		select {
		case <-c.wake:
		case <-ctx.Done():
			c.mutex.Lock()
			c.stopped = true
			left := c.parcels
			c.parcels = nil
			c.mutex.Unlock()
			for _, one := range left {
				one.done(fmt.Errorf("%w: %w", ErrNotSent, errDropped))
			}
			return
		}
	}
}

// deliver sends one snapshot and waits until it is installed.
func (c *courier) deliver(ctx context.Context, one parcel) (err error) {
	p := c.remote.peers
	r, size, err := one.open()
	if err != nil {
		return fmt.Errorf("open the snapshot: %w", err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	to, err := c.remote.dial(ctx, bulk)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotSent, err)
	}
	release := context.AfterFunc(ctx, func() { to.close(errDropped) })
	defer release()
	if !p.register(to) {
		to.close(errClosed)
		return fmt.Errorf("%w: %w", ErrNotSent, errClosed)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = to.run()
	}()
	defer func() {
		to.close(errClosed)
		<-ended
		p.forget(to)
		c.remote.sent.Add(to.sent.Load())
	}()
	c.remote.connects.Add(1)
	if err := to.push(func(b []byte) []byte { return appendSnapshot(b, one.group, size, one.message) }); err != nil {
		return fmt.Errorf("%w: %w", ErrNotSent, err)
	}
	if err := to.pour(r, size); err != nil {
		return err
	}
	return to.installation(p.config.Limits.BulkAnswer)
}

// pour sends the bytes of a snapshot, no faster than the limit. It leaves off when the other node has said what became
// of it.
func (c *connection) pour(r io.Reader, size int64) error {
	rate := int64(c.peers.config.Limits.SnapshotRate)
	chunk := make([]byte, snapshotChunk)
	began, total := time.Now(), int64(0)
	for {
		n, err := io.ReadFull(r, chunk)
		total += int64(n)
		if n > 0 {
			if err := c.push(func(b []byte) []byte { return appendChunk(b, chunk[:n]) }); err != nil {
				return fmt.Errorf("send a snapshot: %w", err)
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = nil
			if total != size {
				err = fmt.Errorf("the snapshot has %d bytes, %d were announced", total, size)
			}
			if err == nil {
				return c.push(func(b []byte) []byte { b = begin(b, wholeFrame); return end(b, len(b)-frameHeader) })
			}
		}
		if err != nil {
			_ = c.push(func(b []byte) []byte { return appendText(b, brokenFrame, err.Error()) })
			return fmt.Errorf("read the snapshot: %w", err)
		}
		if over, err := c.drain(began.Add(time.Duration(total * int64(time.Second) / rate))); over {
			return err
		}
	}
}

// drain waits until the writer has taken what waited, and until a time. over says that no more needs to be sent.
func (c *connection) drain(until time.Time) (over bool, err error) {
	for c.waits() {
		select {
		case <-c.drained:
		case <-c.gone:
		case err := <-c.result:
			c.result <- err
			return true, nil
		}
	}
	if pause := time.Until(until); pause > 0 {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-c.gone:
		}
	}
	select {
	case <-c.gone:
		return true, fmt.Errorf("send a snapshot: %w", c.why())
	default:
		return false, nil
	}
}

// waits reports whether frames wait for the writer.
func (c *connection) waits() bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.cause == nil && len(c.pending) > 0
}

func (c *connection) why() error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.cause
}

// installation waits for what became of a snapshot.
func (c *connection) installation(most time.Duration) error {
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case err := <-c.result:
		return err
	case <-timer.C:
		return fmt.Errorf("%w: node %d has not installed the snapshot within %v", ErrUnknown, c.node, most)
	case <-c.gone:
	}
	select {
	case err := <-c.result: // it came before the end
		return err
	default:
		return fmt.Errorf("%w: %w", ErrUnknown, c.why())
	}
}

// installed reads what became of a snapshot that was sent.
func (c *connection) installed(text []byte) error {
	var err error
	if len(text) > 0 {
		err = &RemoteError{Node: c.node, Text: string(text)}
	}
	select {
	case c.result <- err:
		return nil
	default:
		return fmt.Errorf("%w: a second result of one snapshot", errFrame)
	}
}

// arriving gives a snapshot to the handler as it comes in, and answers what became of it. What may still come is
// thrown away, until the other node has the answer and ends the connection.
func (c *connection) arriving(frame []byte) error {
	group, size, m, err := readSnapshot(frame)
	if err == nil {
		err = c.mayPass(m)
	}
	if err != nil {
		return err
	}
	a := &arrival{c: c, left: size}
	err = c.peers.config.Snapshot(group, m, a)
	if err == nil && !a.whole {
		if n, more := a.Read(make([]byte, 1)); n > 0 || !errors.Is(more, io.EOF) {
			err = errors.New("the snapshot was not read to its end")
		}
	}
	text := ""
	if err != nil {
		text = err.Error()
		if text == "" {
			text = "it was not installed"
		}
	}
	if err := c.push(func(b []byte) []byte { return appendText(b, resultFrame, text) }); err != nil {
		return err
	}
	for {
		if _, _, err := c.next(); err != nil {
			return err
		}
	}
}

// An arrival is the bytes of a snapshot that comes in. Its end is io.EOF only when all are there.
type arrival struct {
	c      *connection
	chunk  []byte // read off the connection, not yet by the handler
	left   int64  // bytes still to come
	whole  bool
	broken error // why no more can come
}

func (a *arrival) Read(b []byte) (int, error) {
	for len(a.chunk) == 0 {
		switch {
		case a.broken != nil:
			return 0, a.broken
		case a.whole:
			return 0, io.EOF
		}
		a.broken = a.take()
	}
	n := copy(b, a.chunk)
	a.chunk = a.chunk[n:]
	return n, nil
}

func (a *arrival) take() error {
	k, body, err := a.c.next()
	switch {
	case errors.Is(err, io.EOF):
		return fmt.Errorf("the snapshot ends %d bytes too early: %w", a.left, io.ErrUnexpectedEOF)
	case err != nil:
		return err
	case k == chunkFrame && int64(len(body)) <= a.left:
		a.chunk = body
		a.left -= int64(len(body))
		return nil
	case k == wholeFrame && len(body) == 0 && a.left == 0:
		a.whole = true
		return nil
	case k == brokenFrame:
		return fmt.Errorf("node %d cannot go on: %s", a.c.node, body)
	}
	return fmt.Errorf("%w: kind %d of %d bytes in a snapshot with %d to come", errFrame, k, len(body), a.left)
}
