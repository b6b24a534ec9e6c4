package venue

import (
	"context"
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"evenkeel/core/trade"
	"evenkeel/exchange"
	"evenkeel/szse"
)

// BenchmarkReturn is how long orders wait because the link moves: from the new leader's Start to the first trade that
// came out of its outbox, at the real exchange on this machine. Fifty orders stand in the outbox, half of which the
// exchange has answered already. The log takes everything at once, so this is the link's and the exchange's part.
func BenchmarkReturn(b *testing.B) {
	for _, old := range []string{"ended", "hung"} {
		b.Run("the old leader "+old, func(b *testing.B) {
			s := fenced(b)
			var took []time.Duration
			for i := range b.N {
				took = append(took, oneReturn(b, s, old == "hung", 1000*(i+1)))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms-p50")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "ms-p99")
			b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "ms-max")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func oneReturn(b *testing.B, s *exchange.Server, hung bool, from int) time.Duration {
	stop := make(chan struct{})
	defer close(stop)
	old := newLeader(b, s.OrdersAddress(), func(o *Options) {
		o.Confirm = deposed
		if hung {
			o.Dial = func(ctx context.Context, address string) (net.Conn, error) {
				var d net.Dialer
				c, err := d.DialContext(ctx, "tcp", address)
				return &hungConn{c, stop}, err
			}
		}
	})
	old.place(from, 25)
	old.link.Start()
	eventually(b, "the old leader's orders", func() bool { return confirmed(s)[trade.OrderID(from+24)] })
	if !hung {
		old.link.Stop()
	}
	young := newLeader(b, s.OrdersAddress(), nil)
	young.place(from, 49)
	sell := trade.OrderID(from + 49)
	young.outbox.Add(trade.Outgoing{Request: sell, Order: sell, Account: 8, Security: 1, Side: trade.Sell,
		Type: trade.Limit, Price: 1_688_0000, Quantity: 100, Day: testDay, Time: testTime})
	began := time.Now()
	young.link.Start()
	select {
	case <-young.filled:
	case <-time.After(20 * time.Second):
		b.Fatalf("no trade came: %+v", young.link.Status())
	}
	took := time.Since(began)
	eventually(b, "an empty outbox", func() bool { return young.outbox.Len() == 0 })
	if st := young.link.Status(); st.Duplicates > 0 || st.Spared != 25 {
		b.Errorf("status %+v", st)
	}
	young.link.Stop()
	return took
}

// hungConn hears nothing any more after the first answers, as a stopped process does, and stays open.
type hungConn struct {
	net.Conn
	stop chan struct{}
}

func (c *hungConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if frame, _, _ := szse.ParseFrame(b[:n]); frame.Type == szse.TypeLogout {
		<-c.stop
		return 0, fmt.Errorf("woken up")
	}
	return n, err
}
