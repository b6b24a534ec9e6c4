package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"evenkeel/drill/contest"
	"evenkeel/node"
)

const contestUsage = `Measure orders to the disks of a majority of three processes and back, beside etcd's puts on
three nodes and an order as a transaction of PostgreSQL, all on this machine and in this run (make bench-cluster).

  evenkeel bench-cluster                                     only us
  evenkeel bench-cluster --rivals bin/rivals --out rows.json

--rivals is the program of tools/rivals. The other flags with node in their help are for the processes of the run.`

func benchCluster(ctx context.Context, args []string, out io.Writer) (err error) {
	f := flags("bench-cluster", contestUsage, out)
	c := contest.Config{Words: []string{"bench-cluster", "--member"}, Say: func(format string, args ...any) {
		_, _ = fmt.Fprintf(out, format+"\n", args...)
	}}
	f.StringVar(&c.Rivals, "rivals", "", "program that measures the others; empty: they are left out")
	f.StringVar(&c.Dir, "dir", "", "directory on the disk that is measured; default: that of temporary files")
	f.DurationVar(&c.Lasts, "time", 5*time.Second, "of each measurement")
	f.DurationVar(&c.Warm, "warm", time.Second, "before it, not counted")
	flights := f.String("flights", "1,64,1024", "orders in flight")
	file := f.String("out", "", "file for the measurements as JSON")
	member := f.Bool("member", false, "be a node of the run")
	var m contest.MemberConfig
	f.Uint64Var(&m.Node, "node", 0, "of a node: its id")
	f.StringVar(&m.Dir, "data", "", "of a node: its data directory")
	f.StringVar(&m.Identity, "peer-tls", "", "of a node: the directory of its certificate")
	f.StringVar(&m.Listen, "peer-listen", "", "of a node: its address")
	f.IntVar(&m.Shards, "shards", 1, "of a node: how many")
	peers := f.String("peers", "", "of a node: where all are")
	driver := f.String("driver", "", "of a node: where its client is")
	if err := parse(f, args); err != nil {
		return err
	}
	if *member {
		tuneMemory()
		if m.Members, err = node.ParsePeers(*peers); err != nil {
			return err
		}
		client, err := node.ParsePeers(*driver)
		if err != nil || len(client) != 1 {
			return wrong(f, "--driver: one node and its address")
		}
		m.Driver = client[0]
		return contest.Member(ctx, m, out)
	}
	for text := range strings.SplitSeq(*flights, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > benchFlight {
			return wrong(f, fmt.Sprintf("--flights %q: numbers of 1 to %d, separated by commas", *flights, benchFlight))
		}
		c.Flights = append(c.Flights, n)
	}
	if c.Program, err = os.Executable(); err != nil {
		return err
	}
	rows, err := contest.Run(ctx, c)
	_, _ = fmt.Fprintln(out)
	err = errors.Join(err, contest.Table(rows, out))
	if *file != "" {
		text, wrong := json.MarshalIndent(rows, "", " ")
		err = errors.Join(err, wrong, os.WriteFile(*file, append(text, '\n'), 0o600))
	}
	return err
}
