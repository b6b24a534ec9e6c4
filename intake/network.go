package intake

import (
	"context"
	"os"
	"sync/atomic"
	"time"
)

// Network tells how long what comes over the network waits until somebody looks: a byte that is sent through a pipe of
// our own, and heard as connections are. While all processors are busy, the runtime looks every 10 ms, at 128
// connections each time, so that a crowd of thousands waits for hundreds of milliseconds before any of it stands in a
// line that Pressure knows of. It ends with ctx.
func Network(ctx context.Context) func() time.Duration {
	in, out, err := os.Pipe()
	if err != nil { // no more files: there is worse
		return func() time.Duration { return 0 }
	}
	context.AfterFunc(ctx, func() { _, _ = out.Close(), in.Close() })
	start := time.Now()
	var sent, took atomic.Int64
	go func() {
		var b [1]byte
		for {
			if _, err := in.Read(b[:]); err != nil {
				return
			}
			took.Store(int64(time.Since(start)) - sent.Swap(0))
		}
	}()
	return func() time.Duration {
		if at := sent.Load(); at != 0 { // it is still on its way
			return time.Duration(max(int64(time.Since(start))-at, took.Load()))
		}
		sent.Store(int64(time.Since(start)))
		if _, err := out.Write([]byte{1}); err != nil { // one byte at most lies there: it ends
			sent.Store(0)
		}
		return time.Duration(took.Load())
	}
}
