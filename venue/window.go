package venue

import (
	"context"
	"sync"

	"evenkeel/core/must"
)

// window counts what was handed to the log and not answered, up to a limit.
type window struct {
	mu    sync.Mutex
	used  int
	most  int
	freed chan struct{} // closed by the next leave; nil when nobody waits
}

// enter takes a place, waiting for one when all are taken. It fails with the context's cause.
func (w *window) enter(ctx context.Context) error {
	return w.until(ctx, func() bool {
		if w.used >= w.most {
			return false
		}
		w.used++
		return true
	})
}

// drain waits until nothing is under way. When one of those that left has ended the context before it left, drain
// fails: without an error, everything before was taken.
func (w *window) drain(ctx context.Context) error {
	if err := w.until(ctx, func() bool { return w.used == 0 }); err != nil {
		return err
	}
	return context.Cause(ctx)
}

func (w *window) until(ctx context.Context, ready func() bool) error {
	for {
		w.mu.Lock()
		if ready() {
			w.mu.Unlock()
			return nil
		}
		freed := w.waiting()
		w.mu.Unlock()
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-freed:
		}
	}
}

func (w *window) waiting() <-chan struct{} {
	if w.freed == nil {
		w.freed = make(chan struct{})
	}
	return w.freed
}

// next is closed when something leaves.
func (w *window) next() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.waiting()
}

func (w *window) leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.used--
	must.Hold(w.used >= 0, "who leaves has entered")
	if w.freed != nil {
		close(w.freed)
		w.freed = nil
	}
}

func (w *window) inFlight() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.used
}
