package relay

import (
	"fmt"
	"testing"

	"evenkeel/core/trade"
)

// BenchmarkSubmit submits deposits and counts their answers: at the leader, where they go straight in, and at another
// node, which forwards them.
func BenchmarkSubmit(b *testing.B) {
	for _, flight := range []int{1, 64, 1024} {
		for _, where := range []string{"local", "forwarded"} {
			b.Run(fmt.Sprintf("%s, %d in flight", where, flight), func(b *testing.B) {
				stations := cluster(b, Limits{})
				at := leader(b, stations)
				account := at.ask(b, openAccount("alice")).Account
				if where == "forwarded" {
					at = stations[at.node%3+1]
				}
				window := make(chan struct{}, flight)
				done := func(a trade.Answer, err error) {
					if err != nil || a.Reason != trade.Accepted {
						b.Error(a, err)
					}
					<-window
				}
				command := encoded(b, deposit(account, 0)) // the same again: the books answer it as they did
				b.ReportAllocs()
				for b.Loop() {
					window <- struct{}{}
					if err := at.shard.Submit(command, done); err != nil {
						b.Fatal(err)
					}
				}
				for range flight {
					window <- struct{}{}
				}
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commands/s")
			})
		}
	}
}
