package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"evenkeel/drill"
	"evenkeel/drill/cable"
	"evenkeel/drill/disk"
)

const drillUsage = `Make every kind of trouble that a cluster is built for, on real processes of its own, under a
load that keeps a record of everything that it was told; and measure what clients saw of it. At the end of each kind
the record is compared with what every node shows, with the log of every node, and with the exchange's journal: nothing
may be lost, duplicated or wrong.

  evenkeel drill                                    every kind once
  evenkeel drill --trials 20 --faults kill,stop     two kinds, twenty times each
  evenkeel drill --out report                       drill.json and drill.html there: a picture of each kind
  evenkeel drill --previous evenkeel-previous       rolling upgrades from that binary, too

Kinds: `

// diskWord makes the program serve one disk of a drill: `evenkeel drill disk BACKING POINT`.
const diskWord = "disk"

func runDrill(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 3 && args[0] == diskWord {
		return disk.Serve(args[1], args[2], os.Stdin, os.Stdout)
	}
	f := flags("drill", drillUsage+strings.Join(drill.Kinds(), ", ")+`.
Cut cables and bad disks need root, /dev/fuse and nft; without them they are left out, and the report says so.`, out)
	c := drill.Config{Version: Version, DiskWords: []string{"drill", diskWord}, Say: func(format string, args ...any) {
		_, _ = fmt.Fprintf(out, format+"\n", args...)
	}}
	f.StringVar(&c.Faults, "faults", "all", "which kinds, separated by commas")
	f.IntVar(&c.Trials, "trials", 1, fmt.Sprintf("of each kind, 1 to %d", drill.MaxTrials))
	f.IntVar(&c.Nodes, "nodes", 3, fmt.Sprintf("of the cluster, 3 to %d", drill.MaxNodes))
	f.IntVar(&c.Shards, "shards", 1, "of the accounts; the fault is made where shard 0 is led")
	f.IntVar(&c.Programs, "clients", 3, "each at home on another node")
	f.IntVar(&c.Accounts, "accounts", 12, fmt.Sprintf("of the clients, up to %d", drill.MaxAccounts))
	f.IntVar(&c.Rate, "rate", 300, fmt.Sprintf("requests a second of all clients, %d for each account at most",
		drill.AccountRate))
	f.IntVar(&c.Flow, "flow", 20, "orders and cancels a second of the exchange's own players")
	f.Uint64Var(&c.Seed, "seed", 1, "of the clients' choices")
	f.StringVar(&c.Dir, "data", "", "directory for data and logs; default: a temporary one, kept after trouble")
	f.StringVar(&c.Previous, "previous", "", "binary of the version before, to be upgraded from")
	f.StringVar(&c.Planted, "planted", "", "binary with planted bugs, for a replica that goes wrong")
	report := f.String("out", "", "directory for drill.json and drill.html; default: a table only")
	hard := f.Bool("bounds", false, "fail when a gap is longer than its bound, too")
	if err := parse(f, args); err != nil {
		return err
	}
	if err := c.Check(); err != nil {
		return wrong(f, err.Error())
	}
	if cable.Usable() == nil && !cable.Inside() {
		err := cable.Enter()
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.ExitCode() == exitFailed {
			return errors.New("the drill did not end well: see above")
		}
		return err
	}
	var err error
	if c.Program, err = os.Executable(); err != nil {
		return err
	}
	return carryOut(ctx, c, *report, *hard, out)
}

// carryOut runs the drill and writes what came of it.
func carryOut(ctx context.Context, c drill.Config, dir string, hard bool, out io.Writer) error {
	if dir != "" {
		if err := os.MkdirAll(dir, 0o750); err != nil {
			return fmt.Errorf("directory of the report: %w", err)
		}
	}
	result, err := drill.Run(ctx, c)
	if result == nil {
		return err
	}
	_, _ = fmt.Fprintln(out)
	err = errors.Join(err, result.Table(out))
	if dir != "" {
		err = errors.Join(err, drill.Write(result, dir))
		_, _ = fmt.Fprintf(out, "\nthe report is in %s: drill.html, drill.json\n", dir)
	}
	complaints := result.Complaints(hard)
	for _, complaint := range complaints {
		_, _ = fmt.Fprintln(out, complaint)
	}
	if len(complaints) > 0 {
		err = errors.Join(err, fmt.Errorf("%d complaints", len(complaints)))
	}
	return err
}
