package replica

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
)

// A reader waits until an entry is applied.
type reader struct {
	index uint64
	done  func(error)
}

// readers are those who wait for entries, in the order in which they came. Anybody adds, the applier answers.
type readers struct {
	mutex   sync.Mutex
	refusal error // why nobody is taken in, nil while they are
	applied uint64
	waiting []*reader
	lowest  uint64 // of their indexes, or less
}

// add takes somebody in; it returns nil and no error when there is nothing to wait for, and done was not kept.
func (r *readers) add(index uint64, done func(error), limit int) (*reader, error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	switch {
	case index <= r.applied:
		return nil, nil
	case r.refusal != nil:
		return nil, r.refusal
	case len(r.waiting) >= limit:
		return nil, ErrFull
	case len(r.waiting) == 0:
		r.lowest = math.MaxUint64
	}
	w := &reader{index, done}
	r.waiting = append(r.waiting, w)
	r.lowest = min(r.lowest, index)
	return w, nil
}

// remove lets somebody go who stopped waiting.
func (r *readers) remove(w *reader) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if i := slices.Index(r.waiting, w); i >= 0 {
		r.waiting = slices.Delete(r.waiting, i, i+1)
	}
}

// reach answers those who waited for entries up to index.
func (r *readers) reach(index uint64) {
	r.mutex.Lock()
	r.applied = index
	if len(r.waiting) == 0 || index < r.lowest {
		r.mutex.Unlock()
		return
	}
	var served []*reader
	rest := r.waiting[:0]
	r.lowest = math.MaxUint64
	for _, w := range r.waiting {
		if w.index <= index {
			served = append(served, w)
		} else {
			rest = append(rest, w)
			r.lowest = min(r.lowest, w.index)
		}
	}
	clear(r.waiting[len(rest):])
	r.waiting = rest
	r.mutex.Unlock()
	for _, w := range served {
		w.done(nil)
	}
}

// refuse answers everybody and takes nobody in from now on.
func (r *readers) refuse(why error) {
	r.mutex.Lock()
	r.refusal = why
	waiting := r.waiting
	r.waiting = nil
	r.mutex.Unlock()
	for _, w := range waiting {
		w.done(why)
	}
}

// Await waits until the entry at index is applied here. Errors: ErrFull when Limits.Reads wait already, ErrFailed,
// ErrClosed, ctx's.
func (g *Group[A]) Await(ctx context.Context, index uint64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	done := make(chan error, 1)
	w, err := g.applier.readers.add(index, func(err error) { done <- err }, g.limits.Reads)
	if w == nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		g.applier.readers.remove(w)
		return fmt.Errorf("waiting for entry %d of group %d: %w", index, g.home.group, ctx.Err())
	}
}

// AskAwait is Await without waiting: done is called exactly once, at once or from the apply goroutine, and must not
// block.
func (g *Group[A]) AskAwait(index uint64, done func(error)) {
	if w, err := g.applier.readers.add(index, done, g.limits.Reads); w == nil {
		done(err)
	}
}

// Fresh asks for an index at or behind which everything lies that was acknowledged, by any node, before the call: who
// waits for it with Await and then looks at the machine has read nothing stale. It works on every node; those who ask
// at the same time share one question to the leader. It takes a round trip among the voters and never longer than
// a few elections; on a lone voter nothing. Errors: ErrNoLeader, ErrFull, ErrFailed, ErrClosed, ctx's.
func (g *Group[A]) Fresh(ctx context.Context) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	type answer struct {
		index uint64
		err   error
	}
	answers := make(chan answer, 1)
	g.AskFresh(func(index uint64, err error) { answers <- answer{index, err} })
	select {
	case a := <-answers:
		return a.index, a.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// AskFresh is Fresh without waiting: done is called exactly once, at once with an error or from the raft loop, and
// must not block.
func (g *Group[A]) AskFresh(done func(index uint64, err error)) {
	first, err := g.loop.fresh.add(done, g.limits.Reads)
	if err != nil {
		done(0, err)
	} else if first {
		notify(g.loop.in.wake)
	}
}
