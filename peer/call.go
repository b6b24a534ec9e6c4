package peer

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
)

// A callTable holds the calls of a connection that wait for their answers. A call's id is its place here and how often
// that place was used before, so that an answer finds its call without a search, and a wrong one is seen.
type callTable struct {
	places []waitingCall
	free   []uint32
	out    int
}

type waitingCall struct {
	uses uint32
	at   uint64 // where its frame begins among all bytes of the connection
	done func([]byte, error)
}

func (t *callTable) add(at uint64, done func([]byte, error)) (id uint64) {
	if len(t.free) == 0 {
		t.places = append(t.places, waitingCall{})
		t.free = append(t.free, uint32(len(t.places)-1))
	}
	place := t.free[len(t.free)-1]
	t.free = t.free[:len(t.free)-1]
	w := &t.places[place]
	w.at, w.done = at, done
	t.out++
	return uint64(w.uses)<<32 | uint64(place)
}

// remove returns the done of a call, nil when there is no such call.
func (t *callTable) remove(id uint64) func([]byte, error) {
	place := uint32(id)
	if int64(place) >= int64(len(t.places)) || t.places[place].uses != uint32(id>>32) {
		return nil
	}
	w := &t.places[place]
	done := w.done
	if done != nil {
		w.uses++
		w.done = nil
		t.free = append(t.free, place)
		t.out--
	}
	return done
}

// all returns the calls that wait, in the order in which they were made.
func (t *callTable) all() []waitingCall {
	var waiting []waitingCall
	for _, w := range t.places {
		if w.done != nil {
			waiting = append(waiting, w)
		}
	}
	slices.SortFunc(waiting, func(a, b waitingCall) int {
		if a.at < b.at {
			return -1
		}
		return 1
	})
	return waiting
}

// ask sends a call.
func (c *connection) ask(callKind uint16, body []byte, done func([]byte, error)) error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if err := c.admit(); err != nil {
		return fmt.Errorf("%w: %w", ErrNotSent, err)
	}
	if most := c.peers.config.Limits.Calls; c.calls.out >= most {
		return fmt.Errorf("%w: %d calls to node %d wait for their answers", ErrNotSent, most, c.node)
	}
	c.queued(appendCall(c.pending, c.calls.add(c.appended, done), callKind, body))
	notify(c.wake)
	return nil
}

// abandon tells the calls of a closed connection what became of them.
func (c *connection) abandon() {
	c.mutex.Lock()
	waiting, taken, cause := c.calls.all(), c.taken, c.cause
	c.calls = callTable{}
	c.mutex.Unlock()
	for _, w := range waiting {
		if w.at >= taken {
			w.done(nil, fmt.Errorf("%w: %w", ErrNotSent, cause))
		} else {
			w.done(nil, fmt.Errorf("%w: %w", ErrUnknown, cause))
		}
	}
}

// answered carries an answer to who asked.
func (c *connection) answered(frame []byte) error {
	id, o, body, err := readAnswer(frame)
	if err != nil {
		return err
	}
	c.mutex.Lock()
	done := c.calls.remove(id)
	c.mutex.Unlock()
	if done == nil {
		return fmt.Errorf("%w: an answer to a call that was not made", errFrame)
	}
	switch o {
	case answered:
		done(body, nil)
	case failed:
		done(nil, &RemoteError{Node: c.node, Text: string(body)})
	case refused:
		done(nil, fmt.Errorf("%w: node %d takes no more: %s", ErrNotSent, c.node, body))
	}
	return nil
}

// called gives a call to the handler.
func (c *connection) called(frame []byte) error {
	id, callKind, body, err := readCall(frame)
	if err != nil {
		return err
	}
	limits := &c.peers.config.Limits
	if len(body) > limits.CallBytes {
		return fmt.Errorf("%w: a call of %d bytes, at most %d", errFrame, len(body), limits.CallBytes)
	}
	if c.serving.Load() >= int64(limits.Calls) {
		c.reply(id, refused, []byte("too many calls without an answer"))
		return nil
	}
	c.serving.Add(1)
	var once atomic.Bool
	c.peers.config.Call(c.node, callKind, body, func(answer []byte, err error) {
		if once.Swap(true) {
			return
		}
		c.serving.Add(-1)
		switch {
		case err != nil:
			text := err.Error()
			c.reply(id, failed, []byte(text[:min(len(text), maxText)]))
		case len(answer) > limits.CallBytes:
			c.reply(id, failed, fmt.Appendf(nil, "an answer of %d bytes, at most %d", len(answer), limits.CallBytes))
		default:
			c.reply(id, answered, answer)
		}
	})
	return nil
}

// reply sends an answer. Who does not take its answers loses the connection, and so learns that they are missing.
func (c *connection) reply(id uint64, o outcome, body []byte) {
	c.mutex.Lock()
	slow := c.cause == nil && len(c.pending) >= c.peers.config.Limits.QueueBytes
	if c.cause == nil && !slow {
		c.queued(appendAnswer(c.pending, id, o, body))
	}
	c.mutex.Unlock()
	if slow {
		c.close(errSlow)
	}
	notify(c.wake)
}

// CallAsync sends a call to another node. body is copied. When it returns nil, done is called exactly once, from
// another goroutine and never from within CallAsync: with the answer, which is valid until done returns, or with
// ErrNotSent, ErrUnknown or a *RemoteError. done must not block. When CallAsync returns an error (ErrNotSent), done is
// never called.
func (p *Peers) CallAsync(to uint64, callKind uint16, body []byte, done func(answer []byte, err error)) error {
	if most := p.config.Limits.CallBytes; len(body) > most {
		return fmt.Errorf("%w: a call of %d bytes, at most %d", ErrNotSent, len(body), most)
	}
	r := p.remote(to)
	if r == nil {
		return fmt.Errorf("%w: node %d is not known here", ErrNotSent, to)
	}
	c := r.calls.now.Load()
	if c == nil {
		r.refused.Add(1)
		return fmt.Errorf("%w: node %d is not connected", ErrNotSent, to)
	}
	err := c.ask(callKind, body, done)
	if err != nil {
		r.refused.Add(1)
	}
	return err
}

// Call sends a call and waits for its answer. When ctx ends first, the error is both ErrUnknown and ctx's.
func (p *Peers) Call(ctx context.Context, to uint64, callKind uint16, body []byte) ([]byte, error) {
	type said struct {
		answer []byte
		err    error
	}
	answers := make(chan said, 1)
	err := p.CallAsync(to, callKind, body, func(answer []byte, err error) { answers <- said{slices.Clone(answer), err} })
	if err != nil {
		return nil, err
	}
	select {
	case s := <-answers:
		return s.answer, s.err
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrUnknown, ctx.Err())
	}
}
