package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"evenkeel/width"
)

const widthUsage = `Show how many clients market data reaches at once on this machine: servers of its own, and clients
on loopback addresses that all want the quotes of every security, as every update, as the latest of each at a pace, and
from a plain broadcast with the same WebSocket library. Where a process may have too few file descriptors for all
clients, there are more servers.

  evenkeel width
  evenkeel width --clients 5000 --seconds 20 --out report      width.json and width.txt there

It fails when a client of the house was not let in, or was cut off.`

// plainWord makes the program a plain broadcast.
const plainWord = "plain"

func runWidth(ctx context.Context, args []string, out io.Writer) (err error) {
	if len(args) == 1 {
		switch args[0] {
		case crowdWord:
			return width.Crowd(ctx, os.Stdin, out)
		case plainWord:
			return width.Plain(ctx, os.Stdin, out)
		}
	}
	f := flags("width", widthUsage, out)
	c := width.Config{CrowdWords: []string{"width", crowdWord}, PlainWords: []string{"width", plainWord},
		Make: makeAccounts, Say: func(format string, args ...any) { _, _ = fmt.Fprintf(out, format+"\n", args...) }}
	f.IntVar(&c.Clients, "clients", 50_000, fmt.Sprintf("at once, 1 to %d", width.MostClients))
	f.IntVar(&c.PerServer, "per-server", 0, "clients of one server; 0: as many as its file descriptors allow")
	f.Float64Var(&c.Flow, "flow", 4, "orders and cancels a second at each server's exchange: most change a quote")
	seconds := f.Float64("seconds", 10, "that each case is counted, 1 to 60")
	settle := f.Float64("settle", 3, "seconds before that")
	dir := f.String("out", "", "directory for width.json and width.txt; default: a table only")
	if err := parse(f, args); err != nil {
		return err
	}
	if *seconds < 1 || *seconds > 60 || *settle < 0 || *settle > 60 {
		return wrong(f, "--seconds 1 to 60, --settle 0 to 60")
	}
	c.Lasts, c.Settle = time.Duration(*seconds*float64(time.Second)), time.Duration(*settle*float64(time.Second))
	if c.Program, err = os.Executable(); err != nil {
		return err
	}
	if c.Dir, err = os.MkdirTemp("", "evenkeel-width-"); err != nil {
		return err
	}
	result, err := width.Run(ctx, c)
	if err != nil {
		return fmt.Errorf("%w (data and logs are in %s)", err, c.Dir)
	}
	_, _ = fmt.Fprintln(out)
	err = errors.Join(result.Table(out), os.RemoveAll(c.Dir))
	if *dir != "" {
		err = errors.Join(err, writeProof(*dir, "width", result.JSON, result.Table))
	}
	if !result.Held() {
		err = errors.Join(err, errors.New("a client was not let in, or was cut off"))
	}
	return err
}
