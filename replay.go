package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"evenkeel/core/money"
	"evenkeel/core/trade"
	"evenkeel/exchange"
)

const replayUsage = `Play a recorded day through the exchange's gateway over TCP, in the exchange's own protocol, and
compare the fills with the recorded ones. The exchange is started for the run in a directory of its own.

  evenkeel replay --inbound inbound.csv.gz --fills fills.csv.gz --day 20230207 --close 1795.00

The files are described in exchange/recording.go: biz,time,type,order,side,price_milli,qty for the inbound orders, and
biz,time,phase,buy_order,sell_order,price_milli,qty for the fills.`

func replay(ctx context.Context, args []string, out io.Writer) error {
	f := flags("replay", replayUsage, out)
	inbound := f.String("inbound", "", "recorded orders (CSV, may be .gz)")
	fills := f.String("fills", "", "recorded fills to compare with (CSV, may be .gz); empty: none")
	code := f.String("security", "600519", "the security's code")
	venue := f.String("venue", "SSE", "its venue: SSE or SZSE")
	day := f.Int("day", 20230207, "the recorded trading day, YYYYMMDD: it chooses the rules")
	close := f.String("close", "1795.00", "the previous close, from which the day's limits are computed")
	if err := parse(f, args); err != nil {
		return err
	}
	if *inbound == "" {
		return errors.New("replay: --inbound is needed; `evenkeel replay --help` shows an example")
	}
	price, err := money.ParsePrice(*close)
	if err != nil {
		return fmt.Errorf("--close %w", err)
	}
	v := trade.SSE
	if *venue == "SZSE" {
		v = trade.SZSE
	} else if *venue != "SSE" {
		return fmt.Errorf("--venue %q: SSE or SZSE", *venue)
	}
	rows, err := readFile(*inbound, exchange.ReadRecording)
	if err != nil {
		return err
	}
	var want []exchange.Fill
	if *fills != "" {
		if want, err = readFile(*fills, exchange.ReadFills); err != nil {
			return err
		}
	}
	began := time.Now()
	got, err := exchange.Replay(ctx, &exchange.RecordedDay{Rows: rows, Code: *code, Venue: v, Day: trade.Day(*day),
		Close: price}, out)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "%d orders and cancels, %d fills in %v\n", len(rows), len(got),
		time.Since(began).Round(time.Millisecond))
	if len(got) > 0 {
		_, _ = fmt.Fprintf(out, "first price %v, last price %v\n", got[0].Price, got[len(got)-1].Price)
	}
	if *fills == "" {
		return nil
	}
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return fmt.Errorf("fill %d differs: recorded %+v, here %+v", i+1, want[i], got[i])
		}
	}
	if len(got) != len(want) {
		return fmt.Errorf("%d fills were recorded, here are %d", len(want), len(got))
	}
	_, _ = fmt.Fprintf(out, "all %d fills are the recorded ones, in order\n", len(want))
	return nil
}

// readFile reads a file with a reader of the exchange's.
func readFile[T any](name string, read func(io.Reader) ([]T, error)) (_ []T, err error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("recording: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return read(file)
}
