// Command evenkeel is a brokerage trading platform. This file is its front door: a table of commands.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

// Version is set by the build (-ldflags "-X main.Version=...").
var Version = "0.1.0-dev"

// command is one line of the table.
type command struct {
	name, does string
	run        func(ctx context.Context, args []string, out io.Writer) error
}

func commands() []command {
	return []command{
		{"serve", "run everything on this machine: books, API, and a simulated exchange", serve},
		{"exchange", "run the simulated exchange alone", runExchange},
		{"account", "open accounts, move cash and shares, make keys, on a running server", account},
		{"ca", "make the certificates by which the machines of a cluster know each other", ca},
		{"cluster", "run a whole cluster on this machine, to try it", runCluster},
		{"node", "look after the nodes of a cluster: status, drain, transfer, add, remove", runNode},
		{"replay", "play a recorded day through the exchange's gateway and compare the fills", replay},
		{"drill", "kill, cut off and break the nodes of a cluster, and measure what clients see of it", runDrill},
		{"bench-cluster", "measure orders through three nodes, beside etcd and PostgreSQL", benchCluster},
		{"load", "drive a server with a crowd's requests: waits by class, refusals, failures, truth", runLoad},
		{"surge", "show what the door does at ten times what a server carries, beside one without", runSurge},
		{"attack", "attack a server of its own in seven ways, and see what an honest client is told", runAttack},
		{"width", "show how many clients market data reaches at once, beside a plain broadcast", runWidth},
		{"capacity", "find how much a server carries, against its recorded peaks; or model a fleet", runCapacity},
		{"bench", "measure order to acknowledgement over REST, at a fixed rate", bench},
		{"version", "print the version", func(_ context.Context, args []string, out io.Writer) error {
			if err := parse(flags("version", "Print the version of this binary.", out), args); err != nil {
				return err
			}
			_, err := fmt.Fprintln(out, "evenkeel", Version)
			return err
		}},
	}
}

// Exit codes: what was asked for went wrong, or it was not asked for in words that the command knows.
const (
	exitFailed = 1
	exitUsage  = 2
)

// usageError says that the command line cannot be read, and where to read more.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second signal ends the process at once
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return
	}
	fmt.Fprintln(os.Stderr, "evenkeel:", err)
	var usage *usageError
	if errors.As(err, &usage) {
		os.Exit(exitUsage)
	}
	os.Exit(exitFailed)
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 || args[0] == "-h" || args[0] == "-help" || args[0] == "--help" {
		return help(out)
	}
	if args[0] == "help" {
		if len(args) == 1 {
			return help(out)
		}
		args = []string{args[1], "--help"}
	}
	for _, c := range commands() {
		if c.name == args[0] {
			return c.run(ctx, args[1:], out)
		}
	}
	return &usageError{fmt.Sprintf("unknown command %q; `evenkeel help` lists them", args[0])}
}

func help(out io.Writer) error {
	text := `Evenkeel is a brokerage trading platform that keeps going.

Usage: evenkeel <command> [flags]

Commands:
`
	for _, c := range commands() {
		text += fmt.Sprintf("  %-13s %s\n", c.name, c.does)
	}
	text += `
Start here:
  evenkeel serve                      a whole demo market on http://127.0.0.1:8080, with accounts and keys
  curl -s http://127.0.0.1:8080/readyz
  evenkeel <command> --help           what a command can do, with examples

Data is kept in ./data unless --data names another directory; stop with Ctrl-C, start again, and nothing is lost.
`
	_, err := io.WriteString(out, text)
	return err
}

// flagSet is the flags of a command, with what it says when it is asked for help.
type flagSet struct {
	*flag.FlagSet
	usage string
	out   io.Writer
}

// flags makes a flag set whose help begins with what the command does and how it is used.
func flags(name, usage string, out io.Writer) *flagSet {
	f := &flagSet{FlagSet: flag.NewFlagSet(name, flag.ContinueOnError), usage: usage, out: out}
	f.SetOutput(io.Discard) // what is wrong is said once, in one line
	f.Usage = func() {}
	return f
}

// flagHelp is a paragraph for each flag, written as it is typed.
func flagHelp(f *flagSet) string {
	var text strings.Builder
	f.VisitAll(func(one *flag.Flag) {
		kind, does := flag.UnquoteUsage(one)
		fmt.Fprintf(&text, "  --%s", one.Name)
		if kind != "" {
			fmt.Fprintf(&text, " %s", kind)
		}
		fmt.Fprintf(&text, "\n        %s", does)
		if one.DefValue != "" && one.DefValue != "false" && !strings.Contains(does, "default") {
			fmt.Fprintf(&text, " (default %s)", one.DefValue)
		}
		text.WriteString("\n")
	})
	return text.String()
}

// parse parses flags and refuses words that are none.
func parse(f *flagSet, args []string) error {
	if err := parseFlags(f, args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return wrong(f, fmt.Sprintf("unexpected %q", f.Arg(0)))
	}
	return nil
}

func parseFlags(f *flagSet, args []string) error {
	switch err := f.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		text := f.usage + "\n"
		if all := flagHelp(f); all != "" {
			text += "\nFlags:\n" + all
		}
		_, _ = io.WriteString(f.out, text)
		return err
	case err != nil:
		return wrong(f, err.Error())
	}
	return nil
}

// strayFlag names a flag that was given and is not among those that are taken; "" when there is none.
func strayFlag(f *flagSet, takes []string) string {
	stray := ""
	f.Visit(func(one *flag.Flag) {
		if !slices.Contains(takes, one.Name) {
			stray = one.Name
		}
	})
	return stray
}

// wrong refuses a command line and says where to read more.
func wrong(f *flagSet, why string) error {
	return &usageError{fmt.Sprintf("%s: %s; `evenkeel %s --help` tells what it takes", f.Name(), why, f.Name())}
}
