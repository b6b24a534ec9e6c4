package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"evenkeel/load"
	"evenkeel/node"
	"evenkeel/venue"
)

const loadUsage = `Drive a server with requests on an absolute schedule, counted from when each was due, and say what
the investors were told: waits by class, what was refused with a time to come back, what failed, and
whether the answers were true. --data names the server's data directory: its demo accounts are used, and
--accounts N makes N accounts more at its desk (an account may send 50 orders a second).
A login that is given a ticket of the waiting room comes back with it when told, whatever --retry says.

  evenkeel load --data data --rate 500 --seconds 20
  evenkeel load --data data --mix order=50,cancel=30,query=20 --shape step --rate 5000 --accounts 200
  evenkeel load --data data --shape day --seconds 120 --out report            a page and load.json there
  evenkeel load --data data --shape login-storm --mix order=50,quote=45,login=5 --rate 200 --stay 2m
  evenkeel load --data data --mix query --rate 100 --ws 200 --sse 50

It drives this machine alone: a load may take a server down. Another one must be named: --test-server HOST.

Shapes:
`

func runLoad(ctx context.Context, args []string, out io.Writer) error {
	usage := loadUsage
	for _, s := range load.Shapes {
		usage += fmt.Sprintf("  %-12s %s\n", s.Name, s.What)
	}
	f := flags("load", usage, out)
	c := load.Config{}
	f.StringVar(&c.URL, "url", "", "the server (default: as demo.json of --data says)")
	f.StringVar(&c.Named, "test-server", "", "a host that is not this machine, and is there to be tested")
	data := f.String("data", "", "data directory of a server on this machine")
	file := f.String("accounts-file", "", "file of accounts in the form of demo.json")
	made := f.Int("accounts", 0, fmt.Sprintf("accounts that are made at the desk of --data, up to %d", maxMade))
	ca := f.String("ca", "", "file (PEM) of the authority of an https server")
	mix := f.String("mix", "trade", "day, trade, order, cancel, query, quote, login, or shares such as order=50,query=50")
	f.Float64Var(&c.Rate, "rate", 500, fmt.Sprintf("requests a second, up to %d", load.MaxRate))
	f.StringVar(&c.Shape, "shape", "flat", "how the rate changes, see above")
	seconds := f.Float64("seconds", 15, fmt.Sprintf("how long the shape takes, up to %.0f", load.MaxTime.Seconds()))
	warm := f.Float64("warm", 2, "seconds at the first rate before it, not counted")
	f.BoolVar(&c.Poisson, "poisson", false, "requests come at random; else evenly")
	f.IntVar(&c.Drivers, "drivers", 0, fmt.Sprintf("goroutines that send, up to %d (default: one for each processor)", load.MaxDrivers))
	f.IntVar(&c.Connections, "connections", 512, fmt.Sprintf("at most, up to %d", load.MaxConnections))
	f.IntVar(&c.Pipeline, "pipeline", 1, "requests under way on one connection when all are in use")
	f.IntVar(&c.Sources, "sources", 1, "loopback addresses that connections come from")
	f.DurationVar(&c.Patience, "patience", 5*time.Second, "then a request is given up, and its connection")
	retry := f.String("retry", "never", "what who was refused does: never, polite (comes back when told to), rude (at once)")
	f.DurationVar(&c.Stay, "stay", 0, "who has a ticket of the waiting room comes back for so long behind the shape (default: as --patience)")
	f.IntVar(&c.Audit, "audit", 500, "orders that are looked for at the end")
	f.IntVar(&c.Streams.Events, "sse", 0, "readers of accounts' events")
	f.IntVar(&c.Streams.Quotes, "ws", 0, "readers of quotes over WebSockets")
	f.IntVar(&c.Streams.Symbols, "ws-symbols", 0, "securities that each asks for, up to 4; 0: all")
	f.Uint64Var(&c.Seed, "seed", 1, "of what is chosen at random")
	dir := f.String("out", "", "directory for load.json and index.html, a page with pictures; default: a table only")
	quiet := f.Bool("quiet", false, "no line every second")
	if err := parse(f, args); err != nil {
		return err
	}
	var err error
	if c.Mix, err = load.ParseMix(*mix); err != nil {
		return wrong(f, err.Error())
	}
	words := map[string]load.Retry{"never": load.Never, "polite": load.Polite, "rude": load.Rude}
	known := false
	if c.Retry, known = words[*retry]; !known {
		return wrong(f, fmt.Sprintf("--retry %q: never, polite or rude", *retry))
	}
	c.Lasts, c.Warm = time.Duration(*seconds*float64(time.Second)), time.Duration(*warm*float64(time.Second))
	if err := who(ctx, &c, *data, *file, *made, *ca); err != nil {
		return err
	}
	if !*quiet {
		c.Say = func(line string) { _, _ = fmt.Fprintln(out, line) }
	}
	result, err := load.Run(ctx, c)
	if err != nil {
		return err
	}
	return tellLoad(result, *dir, out)
}

// tellLoad writes a result, and fails when it is not valid or an answer was wrong.
func tellLoad(result *load.Result, dir string, out io.Writer) error {
	_, _ = fmt.Fprintln(out)
	err := result.Table(out)
	if dir != "" {
		err = errors.Join(err, writeLoad(dir, result))
	}
	if result.Checks.Wrong > 0 {
		err = errors.Join(err, fmt.Errorf("%d answers were wrong", result.Checks.Wrong))
	}
	if !result.Valid {
		err = errors.Join(err, errors.New("the driver was late: the run is not valid"))
	}
	return err
}

// writeLoad writes load.json and the page.
func writeLoad(dir string, r *load.Result) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("directory of the report: %w", err)
	}
	return errors.Join(writeReport(dir, "load.json", r.JSON), writeReport(dir, "index.html", r.Page))
}

// writeReport writes one file of a report.
func writeReport(dir, name string, write func(io.Writer) error) error {
	file, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return errors.Join(write(file), file.Close())
}

// who finds the server and its accounts.
func who(ctx context.Context, c *load.Config, data, file string, made int, ca string) error {
	var demo node.DemoFile
	name := file
	if name == "" && data != "" {
		name = filepath.Join(data, "demo.json")
	}
	if name == "" {
		return &usageError{"load: --data or --accounts-file says who asks; `evenkeel load --help` tells more"}
	}
	text, err := os.ReadFile(name)
	if err == nil {
		err = json.Unmarshal(text, &demo)
	}
	if err != nil {
		return fmt.Errorf("accounts of the load: %s: %w", name, err)
	}
	if c.URL == "" {
		c.URL = demo.HTTP
	}
	if _, _, err := load.Target(c.URL, c.Named); err != nil {
		return err
	}
	if ca != "" {
		if c.Trust, err = venue.Trust(ca); err != nil {
			return err
		}
	} else {
		c.Trust = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	for _, a := range demo.Accounts {
		c.Accounts = append(c.Accounts, load.Account{Login: a.Login, Password: a.Password, KeyID: a.KeyID, Secret: a.Secret})
	}
	if made > 0 {
		more, err := makeAccounts(ctx, data, made)
		if err != nil {
			return err
		}
		c.Accounts = append(c.Accounts, more...)
	}
	return nil
}

// Accounts that are made for a load.
const (
	maxMade     = 20_000
	makers      = 16
	madeDeposit = "10000000.00"
)

// makeAccounts opens accounts without a password, with a key and cash.
func makeAccounts(ctx context.Context, data string, n int) ([]load.Account, error) {
	if n > maxMade || data == "" {
		return nil, &usageError{fmt.Sprintf("load: --accounts 1 to %d, with --data", maxMade)}
	}
	run := time.Now().UnixNano() / 1e6 % 1e9
	accounts := make([]load.Account, n)
	work, failed := make(chan int, n), make(chan error, makers)
	for i := range n {
		work <- i
	}
	close(work)
	for range makers {
		go func() {
			var err error
			for i := range work {
				if accounts[i], err = makeAccount(ctx, data, fmt.Sprintf("load%d-%d", run, i)); err != nil {
					break
				}
			}
			failed <- err
		}()
	}
	var err error
	for range makers {
		err = errors.Join(err, <-failed)
	}
	return accounts, err
}

func makeAccount(ctx context.Context, data, login string) (a load.Account, err error) {
	if _, err = askDesk(ctx, data, &node.DeskRequest{Do: "open", Login: login, Permissions: "all"}); err != nil {
		return a, fmt.Errorf("open an account for the load: %w", err)
	}
	key, err := askDesk(ctx, data, &node.DeskRequest{Do: "key", Login: login, Permissions: "all"})
	if err != nil {
		return a, fmt.Errorf("make a key for the load: %w", err)
	}
	if _, err = askDesk(ctx, data, &node.DeskRequest{Do: "deposit", Login: login, Amount: madeDeposit}); err != nil {
		return a, fmt.Errorf("deposit for the load: %w", err)
	}
	return load.Account{Login: login, KeyID: key.KeyID, Secret: key.Secret}, nil
}
