package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"evenkeel/load"
	"evenkeel/surge"
)

const attackUsage = `Attack a server of its own on this machine, each kind from another loopback address: slow headers,
slow bodies, ranges, slow reading, TLS handshakes, HTTP/2 rapid reset, WebSockets, and where they are installed what
slowhttptest and h2load do; and see what an honest client is told meanwhile. Nothing but that server is ever attacked.

  evenkeel attack
  evenkeel attack --attackers 1000 --seconds 20 --out report     attack.json and attack.txt there

It fails when the honest client had less than 99 of 100 requests answered, or waited 50 ms at p99.`

func runAttack(ctx context.Context, args []string, out io.Writer) (err error) {
	f := flags("attack", attackUsage, out)
	c := surge.Config{Words: []string{"surge", crowdWord}, Say: func(format string, args ...any) {
		_, _ = fmt.Fprintf(out, format+"\n", args...)
	}, Make: func(context.Context, string, int) ([]load.Account, error) { return nil, nil }}
	seconds := f.Float64("seconds", 10, "of each kind, 1 to 60")
	f.DurationVar(&c.Patience, "patience", 2*time.Second, "how long the honest client waits for an answer")
	attackers := f.Int("attackers", 500, fmt.Sprintf("connections at once, up to %d", surge.MostAttackers))
	names := f.String("kinds", "", "those alone, with commas: slow read,TLS handshakes; default: all")
	dir := f.String("out", "", "directory for attack.json and attack.txt; default: a table only")
	if err := parse(f, args); err != nil {
		return err
	}
	if *names != "" {
		c.Cases = strings.Split(*names, ",")
	}
	c.Seconds = time.Duration(*seconds * float64(time.Second))
	if c.Program, err = os.Executable(); err != nil {
		return err
	}
	if c.Dir, err = os.MkdirTemp("", "evenkeel-attack-"); err != nil {
		return err
	}
	result, err := surge.RunAttacks(ctx, c, *attackers)
	if err != nil {
		return fmt.Errorf("%w (data and logs are in %s)", err, c.Dir)
	}
	_, _ = fmt.Fprintln(out)
	err = errors.Join(result.Table(out), os.RemoveAll(c.Dir))
	if *dir != "" {
		err = errors.Join(err, writeProof(*dir, "attack", result.JSON, result.Table))
	}
	if !result.Held() {
		err = errors.Join(err, errors.New("the honest client was not served well"))
	}
	return err
}
