package exchange

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"evenkeel/core/book"
	core "evenkeel/core/exchange"
	"evenkeel/core/trade"
)

func TestLook(t *testing.T) {
	rate, _ := strconv.ParseFloat(os.Getenv("LOOK"), 64)
	if rate == 0 {
		t.Skip()
	}
	began := time.Now()
	s, err := Open(Config{Dir: t.TempDir(), Flow: Flow{Rate: rate, Seed: 1}})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("open took", time.Since(began))
	began = time.Now()
	for {
		var empty int
		s.View(func(m *core.Machine) {
			for n := core.SecurityNumber(1); n <= m.Securities(); n++ {
				q := m.Quote(n)
				if q.Refusal == 0 && (q.BuyQuantity == 0 || q.SellQuantity == 0) {
					empty++
				}
			}
		})
		if empty == 0 {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	fmt.Println("populated after", time.Since(began))
	secs, _ := strconv.Atoi(os.Getenv("SECS"))
	for i := range secs {
		s.View(func(m *core.Machine) {
			for _, c := range []string{"600519", "600000", "688981", "510300", "300750", "600654", "920002"} {
				code, _ := core.MakeCode(c)
				n, ok := m.Find(code)
				if !ok {
					continue
				}
				q := m.Quote(n)
				var l [3]book.Level
				bid, ask := "-", "-"
				if m.Depth(n, trade.Buy, l[:]) > 0 {
					bid = fmt.Sprint(l[0].Price, "x", l[0].Quantity)
				}
				if m.Depth(n, trade.Sell, l[:]) > 0 {
					ask = fmt.Sprint(l[0].Price, "x", l[0].Quantity)
				}
				if i%5 == 0 {
					fmt.Printf("%2d %s prev %v last %v bid %s ask %s vol %d n %d open %d lim %v %v\n", i, c, q.Listing.PreviousClose, q.Statistics.Last, bid, ask, q.Statistics.Volume, q.Statistics.Trades, q.OpenOrders, q.Lower, q.Upper)
				}
			}
		})
		time.Sleep(time.Second)
	}
	s.View(func(m *core.Machine) {
		for n := core.SecurityNumber(1); n <= m.Securities(); n++ {
			q := m.Quote(n)
			var b, a [1]book.Level
			m.Depth(n, trade.Buy, b[:])
			m.Depth(n, trade.Sell, a[:])
			move := 0.0
			if q.Statistics.Last > 0 {
				move = 100 * (float64(q.Statistics.Last)/float64(q.Listing.PreviousClose) - 1)
			}
			if q.Tick > 0 {
				fmt.Printf("%s prev %v move %.2f%% range %.2f%% spread %d ticks, trades %d, open %d\n", q.Listing.Code, q.Listing.PreviousClose, move, 100*float64(q.Statistics.High-q.Statistics.Low)/float64(q.Listing.PreviousClose), (a[0].Price-b[0].Price)/q.Tick, q.Statistics.Trades, q.OpenOrders)
			}
		}
	})
	began = time.Now()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	fmt.Println("close took", time.Since(began))
}
