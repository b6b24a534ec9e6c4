package venue

import (
	"io"
	"net"
	"testing"

	"evenkeel/core/trade"
	"evenkeel/szse"
)

// always is a log that takes everything at once.
type always struct {
	outbox *Outbox
	taken  int
	enough int
	done   chan struct{}
}

func (a *always) Submit(_ []byte, done func(trade.Answer, error)) error {
	done(trade.Answer{}, nil)
	if a.taken++; a.taken == a.enough {
		close(a.done)
	}
	return nil
}

// gatewayOn is a minimal gateway on loopback TCP that greets and then calls serve.
func gatewayOn(b *testing.B, serve func(c net.Conn)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = l.Close() })
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		r, d := szse.NewReader(c), &szse.Decoder{}
		if _, err := readMessage(r, d); err != nil {
			return
		}
		answer := szse.Logon{HeartBtInt: 60}
		copy(answer.SenderCompID[:], "SZSE")
		copy(answer.TargetCompID[:], "BROKER")
		frames := answer.Append(nil)
		frames = (&szse.PlatformStateInfo{PlatformState: szse.PlatformOpen}).Append(frames)
		frames = (&szse.PlatformInfo{Partitions: []int32{1}}).Append(frames)
		if _, err := c.Write(frames); err != nil {
			return
		}
		serve(c)
	}()
	return l.Addr().String()
}

func benchLink(b *testing.B, address string, log *always) *Link {
	l, err := New(Options{Address: address, Sender: "BROKER", Target: "SZSE", Unit: "000701", Password: "secret",
		Outbox: log.outbox, Proposer: log})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(l.Stop)
	return l
}

// BenchmarkReports is one report from the socket to the log's Submit.
func BenchmarkReports(b *testing.B) {
	log := &always{outbox: NewOutbox(), enough: b.N, done: make(chan struct{})}
	address := gatewayOn(b, func(c net.Conn) {
		var frames []byte
		m := szse.ExecutionReport{ReportHead: szse.ReportHead{PartitionNo: 1, TransactTime: 20260707_093000_000},
			ClOrdID: [10]byte([]byte("0000000010")), ExecType: szse.ExecTrade, LastPx: 1, LastQty: 100}
		for i := range b.N {
			m.ReportIndex = int64(i + 1)
			if frames = m.Append(frames); len(frames) > 32<<10 || i == b.N-1 {
				if _, err := c.Write(frames); err != nil {
					return
				}
				frames = frames[:0]
			}
		}
		_, _ = io.Copy(io.Discard, c)
	})
	l := benchLink(b, address, log)
	b.ReportAllocs()
	b.ResetTimer()
	l.Start()
	<-log.done
}

// BenchmarkRequests is one order from the outbox to the exchange's socket.
func BenchmarkRequests(b *testing.B) {
	log := &always{outbox: NewOutbox(), enough: -1}
	log.outbox.Learn(&trade.Event{Kind: trade.SecurityListed,
		Security: trade.Security{ID: 1, Symbol: []byte("600519.SH"), Venue: trade.SSE}})
	arrived := make(chan struct{})
	address := gatewayOn(b, func(c net.Conn) {
		defer close(arrived)
		r := szse.NewReader(c)
		for n := 0; n < b.N; {
			f, err := r.Next()
			if err != nil {
				return
			}
			if f.Type == szse.TypeNewOrder {
				n++
			}
		}
	})
	for i := range b.N {
		log.outbox.Add(trade.Outgoing{Request: trade.OrderID(i + 1), Order: trade.OrderID(i + 1), Account: 7, Security: 1,
			Side: trade.Buy, Type: trade.Limit, Price: 1, Quantity: 100, Day: testDay, Time: testTime})
	}
	l := benchLink(b, address, log)
	b.ReportAllocs()
	b.ResetTimer()
	l.Start()
	<-arrived
}
