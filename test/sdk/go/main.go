// Command sdk uses the published Go SDK of Alpaca, unmodified, against a running Evenkeel: it reads what an investor
// reads, streams the market, places, amends and cancels orders, and compares the answers with each other.
//
// It prints "ok name" or "not ok name: why" for each check, and exits with 1 when one failed. The SDK is pointed at
// the server by the environment alone: APCA_API_BASE_URL, APCA_API_DATA_URL, DATA_PROXY_WS, APCA_API_KEY_ID,
// APCA_API_SECRET_KEY; with EVENKEEL_HTTP set, the first three are made from it.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/alpacahq/alpaca-trade-api-go/v3/alpaca"
	"github.com/alpacahq/alpaca-trade-api-go/v3/marketdata"
	"github.com/alpacahq/alpaca-trade-api-go/v3/marketdata/stream"
)

// An investor is one account and what its checks have learnt so far.
type investor struct {
	report
	trading *alpaca.Client
	market  *marketdata.Client
	run     string // makes client order ids of this run unique

	listed  []alpaca.Asset
	chosen  security
	started time.Time // by the server's clock
	updates mailbox[alpaca.TradeUpdate]
	quotes  mailbox[stream.Quote]
	trades  mailbox[stream.Trade]
	bars    mailbox[stream.Bar]
	filled  *alpaca.Order
}

func main() {
	if base := os.Getenv("EVENKEEL_HTTP"); base != "" {
		for name, value := range map[string]string{
			"APCA_API_BASE_URL": base, "APCA_API_DATA_URL": base, "DATA_PROXY_WS": base + "/v2",
		} {
			if err := os.Setenv(name, value); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(2)
			}
		}
	}
	ctx, stop := context.WithTimeout(context.Background(), 4*time.Minute)
	defer stop()
	i := &investor{
		trading: alpaca.NewClient(alpaca.ClientOpts{}),
		market:  marketdata.NewClient(marketdata.ClientOpts{}),
		run:     fmt.Sprintf("go-%d", time.Now().UnixNano()),
	}
	i.read()
	if i.failed == 0 {
		i.listen(ctx)
		i.trade()
		i.look()
		i.lists()
		i.replay(ctx)
		i.minute()
	}
	if i.failed > 0 {
		fmt.Printf("%d failed\n", i.failed)
		os.Exit(1)
	}
}

// listen opens both streams. The trade updates start a little in the past, so that nothing is missed while the
// connection is made.
func (i *investor) listen(ctx context.Context) {
	go func() {
		err := i.trading.StreamTradeUpdates(ctx, i.updates.put,
			alpaca.StreamTradeUpdatesRequest{Since: i.started.Add(-time.Second)})
		if ctx.Err() == nil {
			fmt.Println("trade updates ended:", err)
		}
	}()
	client := stream.NewStocksClient(marketdata.IEX,
		stream.WithQuotes(i.quotes.put, "*"), stream.WithTrades(i.trades.put, "*"), stream.WithBars(i.bars.put, "*"))
	i.check("stream connect", func() error { return client.Connect(ctx) })
	i.check("stream quotes", func() error {
		_, err := i.quotes.first(patience, func(q stream.Quote) bool {
			return q.BidPrice > 0 && q.AskPrice > q.BidPrice && q.BidSize > 0 && q.AskSize > 0 && !q.Timestamp.IsZero()
		})
		return err
	})
	i.check("stream trades", func() error {
		seen, err := i.trades.first(patience, func(t stream.Trade) bool {
			return t.Price > 0 && t.Size > 0 && t.ID > 0 && !t.Timestamp.IsZero()
		})
		if err != nil {
			return err
		}
		for _, asset := range i.listed {
			if asset.Symbol == seen.Symbol {
				return nil
			}
		}
		return fmt.Errorf("%q trades and is not listed", seen.Symbol)
	})
}

// replay asks for the past of the trade updates alone: it ends by itself, and tells what the live stream told.
func (i *investor) replay(ctx context.Context) {
	i.check("trade updates replayed", func() error {
		live := i.updates.all()
		if len(live) == 0 {
			return errNothing
		}
		var again []alpaca.TradeUpdate
		err := i.trading.StreamTradeUpdates(ctx, func(u alpaca.TradeUpdate) { again = append(again, u) },
			alpaca.StreamTradeUpdatesRequest{
				Since: i.started.Add(-time.Second), Until: live[len(live)-1].At.Add(time.Millisecond),
			})
		if err != nil {
			return err
		}
		for n, update := range live {
			if n > 0 && !update.At.After(live[n-1].At) {
				return fmt.Errorf("update %d is at %v, not after %v", n, update.At, live[n-1].At)
			}
			if n >= len(again) || again[n].EventID != update.EventID || again[n].Event != update.Event {
				return fmt.Errorf("of %d live updates, number %d differs in %d replayed ones", len(live), n, len(again))
			}
		}
		return nil
	})
}

// minute waits for a bar of the stream and finds it again among the bars of the past.
func (i *investor) minute() {
	i.check("stream bars", func() error {
		bar, err := i.bars.first(100*time.Second, func(b stream.Bar) bool {
			return b.Volume > 0 && b.Low <= b.Open && b.Low <= b.Close && b.High >= b.Open && b.High >= b.Close
		})
		if err != nil {
			return err
		}
		return until(patience, func() error {
			past, err := i.market.GetBars(bar.Symbol, marketdata.GetBarsRequest{
				TimeFrame: marketdata.OneMin, Start: bar.Timestamp, End: bar.Timestamp,
			})
			if err != nil {
				return err
			}
			return hold(len(past) == 1 && past[0].Close == bar.Close && past[0].Volume == bar.Volume,
				"%s at %v: streamed %+v, past %+v", bar.Symbol, bar.Timestamp, bar, past)
		})
	})
}
