package peer

import (
	"fmt"
	"sync"
	"testing"

	"go.etcd.io/raft/v3/raftpb"
)

// BenchmarkMessages sends messages of one entry of 128 bytes and counts those that arrive.
func BenchmarkMessages(b *testing.B) {
	for _, size := range []int{128, 16 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			var arrived sync.WaitGroup
			window := make(chan struct{}, 256) // what raft keeps on the way
			_, members := trio(b, func(c *Config) {
				c.Messages = func(uint64, *raftpb.Message) { <-window; arrived.Done() }
			})
			batch := []*raftpb.Message{message(1, 2, 7, size)}
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				arrived.Add(1)
				window <- struct{}{}
				members[1].Send(1, batch)
			}
			arrived.Wait()
		})
	}
}

// BenchmarkCalls asks with a body of 128 bytes, which comes back.
func BenchmarkCalls(b *testing.B) {
	for _, flight := range []int{1, 64, 1024} {
		b.Run(fmt.Sprintf("%d in flight", flight), func(b *testing.B) {
			_, members := trio(b, func(c *Config) { c.Call = (&echo{}).call })
			body := make([]byte, 128)
			window := make(chan struct{}, flight)
			done := func(_ []byte, err error) {
				if err != nil {
					b.Error(err)
				}
				<-window
			}
			b.ReportAllocs()
			for b.Loop() {
				window <- struct{}{}
				if err := members[1].CallAsync(2, 0, body, done); err != nil {
					b.Fatal(err)
				}
			}
			for range flight {
				window <- struct{}{}
			}
		})
	}
}
