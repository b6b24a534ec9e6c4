package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"evenkeel/surge"
)

const surgeUsage = `Show what the door is worth: find the knee of a server of its own (the highest rate at which 99 of
100 requests of each class are answered in time), drive it at ten times that, storm it with orders, with questions and
with logins, and do the same to a server without the door. It takes some five minutes, and all of the machine.

  evenkeel surge
  evenkeel surge --out report --seconds 10     surge.json and surge.txt there
  evenkeel surge --knee 4000                   without looking for the knee

It fails when a promise is not held.`

// crowdWord makes the program drive one crowd of a proof.
const crowdWord = "crowd"

func runSurge(ctx context.Context, args []string, out io.Writer) (err error) {
	if len(args) == 1 && args[0] == crowdWord {
		return surge.Drive(ctx, os.Stdin, out)
	}
	f := flags("surge", surgeUsage, out)
	c := surge.Config{Words: []string{"surge", crowdWord}, Make: makeAccounts, Say: func(format string, args ...any) {
		_, _ = fmt.Fprintf(out, format+"\n", args...)
	}}
	seconds := f.Float64("seconds", 5, "of each case, 1 to 60")
	f.Float64Var(&c.Knee, "knee", 0, "requests a second; 0: it is looked for")
	f.IntVar(&c.Accounts, "accounts", surge.Accounts, fmt.Sprintf("that trade and look, up to %d", maxMade))
	only := f.String("only", "", "door or plain: that server alone")
	names := f.String("cases", "", "those alone, with commas: quiet,login storm; default: all")
	dir := f.String("out", "", "directory for surge.json and surge.txt; default: a table only")
	if err := parse(f, args); err != nil {
		return err
	}
	c.Only = surge.Kind(*only)
	if *names != "" {
		c.Cases = strings.Split(*names, ",")
	}
	c.Seconds = time.Duration(*seconds * float64(time.Second))
	if c.Program, err = os.Executable(); err != nil {
		return err
	}
	if c.Dir, err = os.MkdirTemp("", "evenkeel-surge-"); err != nil {
		return err
	}
	result, err := surge.Run(ctx, c)
	if err != nil {
		return fmt.Errorf("%w (data and logs are in %s)", err, c.Dir)
	}
	_, _ = fmt.Fprintln(out)
	err = errors.Join(result.Table(out), os.RemoveAll(c.Dir))
	if *dir != "" {
		err = errors.Join(err, writeProof(*dir, "surge", result.JSON, result.Table))
	}
	if !result.Held() {
		err = errors.Join(err, errors.New("a promise was not held"))
	}
	return err
}

// writeProof writes name.json and name.txt.
func writeProof(dir, name string, json, table func(io.Writer) error) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("directory of the report: %w", err)
	}
	for end, write := range map[string]func(io.Writer) error{".json": json, ".txt": table} {
		file, err := os.OpenFile(filepath.Join(dir, name+end), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
		if err != nil {
			return fmt.Errorf("report: %w", err)
		}
		if err := errors.Join(write(file), file.Close()); err != nil {
			return err
		}
	}
	return nil
}
