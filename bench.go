package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"evenkeel/exchange"
	"evenkeel/node"
)

const benchUsage = `Measure order to acknowledgement over REST: an open loop that sends orders on an absolute
schedule and counts from the moment that each was due, beside the same loop against /healthz, which does no work.
Without --url a server is started for the run, in a directory of its own.

  evenkeel bench --rate 1000 --seconds 20
  evenkeel bench --url http://127.0.0.1:8080 --demo data/demo.json --rate 200`

// Bounds of a measurement.
const (
	benchMaxRate    = 20_000
	benchMaxSeconds = 600
	benchFlight     = 4096 // requests under way at most; a request that finds no room is counted as late, not dropped
	benchAccounts   = 50
	warmUp          = 2 * time.Second
)

func bench(ctx context.Context, args []string, out io.Writer) (err error) {
	f := flags("bench", benchUsage, out)
	rate := f.Int("rate", 1000, fmt.Sprintf("orders a second, 1 to %d", benchMaxRate))
	seconds := f.Int("seconds", 15, fmt.Sprintf("how long, 1 to %d", benchMaxSeconds))
	url := f.String("url", "", "a server that runs already (needs --demo)")
	demo := f.String("demo", "", "its demo.json")
	if err := parse(f, args); err != nil {
		return err
	}
	if *rate < 1 || *rate > benchMaxRate || *seconds < 1 || *seconds > benchMaxSeconds {
		return wrong(f, fmt.Sprintf("--rate 1 to %d, --seconds 1 to %d", benchMaxRate, benchMaxSeconds))
	}
	if (*url == "") != (*demo == "") {
		return wrong(f, "--url and --demo go together: a server, and the demo.json of its data directory")
	}
	var file node.DemoFile
	if *url == "" {
		dir, err := os.MkdirTemp("", "evenkeel-bench-")
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		tuneMemory()
		n, err := node.Start(ctx, node.Config{Dir: dir, Listen: "127.0.0.1:0", Demo: true, DemoN: benchAccounts,
			Version: Version,
			Flow:    exchange.Flow{Rate: 60, Seed: 1}})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, n.Close()) }()
		var stop context.CancelCauseFunc
		ctx, stop = context.WithCancelCause(ctx)
		defer stop(nil)
		go func() {
			select {
			case failure := <-n.Failed():
				stop(fmt.Errorf("the log of the server failed: %w", failure))
			case <-ctx.Done():
			}
		}()
		*demo = filepath.Join(dir, "demo.json")
	}
	text, err := os.ReadFile(*demo)
	if err == nil {
		err = json.Unmarshal(text, &file)
	}
	if err == nil && len(file.Accounts) == 0 {
		err = errors.New("there are none")
	}
	if err != nil {
		return fmt.Errorf("demo accounts of the server: %s: %w", *demo, err)
	}
	if err := enough(*rate, *seconds, len(file.Accounts)); err != nil {
		return err
	}
	if *url == "" {
		*url = file.HTTP
	}
	b := bencher{url: *url, accounts: file.Accounts, client: &http.Client{Timeout: 30 * time.Second,
		Transport: &http.Transport{MaxIdleConns: benchFlight, MaxIdleConnsPerHost: benchFlight}}}
	_, _ = fmt.Fprintf(out, "%d a second for %d s over %d accounts, counted from when each was due\n\n", *rate,
		*seconds, len(file.Accounts))
	_, _ = fmt.Fprintf(out, "%-22s %8s %8s %9s %9s %9s %9s\n", "", "sent", "failed", "p50 ms", "p99 ms", "p99.9 ms",
		"max ms")
	reference, err := b.run(ctx, "GET /healthz", *rate, *seconds, b.health, out)
	if err != nil {
		return err
	}
	orders, err := b.run(ctx, "POST /v2/orders", *rate, *seconds, b.order, out)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "\norder p99 is %.1f x the reference's\n",
		float64(orders.ValueAtQuantile(99))/float64(max(1, reference.ValueAtQuantile(99))))
	return err
}

// What an account may do: intake's budget of orders a second, and how many may be open (core/risk). Orders of the
// bench rest, so that the books carry them all.
const (
	benchPerSecond = 50
	benchOpen      = 1000
)

// enough refuses a measurement that would only count refusals.
func enough(rate, seconds, accounts int) error {
	if most := accounts * benchPerSecond; rate > most {
		return &usageError{fmt.Sprintf("bench: --rate %d: %d accounts may send %d orders a second (%d each)", rate,
			accounts, most, benchPerSecond)}
	}
	if longest := accounts*benchOpen/rate - int(warmUp/time.Second); seconds > longest {
		return &usageError{fmt.Sprintf("bench: --seconds %d: at %d a second %d accounts have their %d open orders after %d s",
			seconds, rate, accounts, benchOpen, max(0, longest))}
	}
	return nil
}

type bencher struct {
	url      string
	accounts []node.DemoAccount
	client   *http.Client
}

// run holds an open loop: what the server does not answer in time does not slow the schedule.
func (b *bencher) run(ctx context.Context, name string, rate, seconds int, one func(context.Context, int) error,
	out io.Writer) (*hdrhistogram.Histogram, error) {
	h := hdrhistogram.New(1, int64(time.Minute/time.Microsecond), 3)
	var mu sync.Mutex
	var failed atomic.Int64
	var first atomic.Pointer[string]
	var work sync.WaitGroup
	room := make(chan struct{}, benchFlight)
	gap := time.Second / time.Duration(rate)
	began := time.Now()
	warm := began.Add(warmUp)
	total := rate * (seconds + int(warmUp/time.Second))
	for i := range total {
		due := began.Add(time.Duration(i) * gap)
		if wait := time.Until(due); wait > 0 {
			time.Sleep(wait)
		}
		if ctx.Err() != nil {
			break
		}
		room <- struct{}{}
		work.Go(func() {
			err := one(ctx, i)
			took := time.Since(due)
			<-room
			if err != nil {
				failed.Add(1)
				text := err.Error()
				first.CompareAndSwap(nil, &text)
				return
			}
			if due.Before(warm) {
				return
			}
			mu.Lock()
			_ = h.RecordValue(min(took.Microseconds(), h.HighestTrackableValue())) // within range by min
			mu.Unlock()
		})
	}
	work.Wait()
	ms := func(q float64) float64 { return float64(h.ValueAtQuantile(q)) / 1000 }
	_, _ = fmt.Fprintf(out, "%-22s %8d %8d %9.2f %9.2f %9.2f %9.2f\n", name, h.TotalCount(), failed.Load(), ms(50),
		ms(99), ms(99.9), float64(h.Max())/1000)
	if text := first.Load(); text != nil {
		_, _ = fmt.Fprintln(out, "  first failure:", *text)
	}
	return h, context.Cause(ctx)
}

func (b *bencher) health(ctx context.Context, _ int) error {
	return b.call(ctx, http.MethodGet, "/healthz", nil, 0)
}

// order buys 100 shares far below the market, so that it rests; the account's next order cancels nothing: the books
// carry them all.
func (b *bencher) order(ctx context.Context, i int) error {
	body := []byte(`{"symbol":"600000.SH","qty":"100","side":"buy","type":"limit","time_in_force":"day","limit_price":"9.20"}`)
	if i%2 == 1 {
		body = []byte(`{"symbol":"000001.SZ","qty":"100","side":"buy","type":"limit","time_in_force":"day","limit_price":"10.40"}`)
	}
	return b.call(ctx, http.MethodPost, "/v2/orders", body, i)
}

func (b *bencher) call(ctx context.Context, method, path string, body []byte, i int) error {
	request, err := http.NewRequestWithContext(ctx, method, b.url+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	a := b.accounts[i%len(b.accounts)]
	request.Header.Set("APCA-API-KEY-ID", a.KeyID)
	request.Header.Set("APCA-API-SECRET-KEY", a.Secret)
	request.Header.Set("Content-Type", "application/json")
	response, err := b.client.Do(request)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, 4096))
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", response.Status, text)
	}
	return nil
}
