// Command rivals measures what others do with the same work on the same machine, for `evenkeel bench-cluster`: etcd's
// puts on three nodes, and an order as a transaction of PostgreSQL. It is a module of its own, so that the house does
// not depend on what it is compared with.
//
// It prints one line of JSON for each measurement: {"name", "flight", "rate", "p50", "p99", "requests"}, rate a
// second, p50 and p99 in microseconds.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "rivals:", err)
		os.Exit(1)
	}
}

// job is what is to be measured.
type job struct {
	dir     string
	flights []int
	warm    time.Duration
	time    time.Duration
	size    int // bytes of an order's command
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("etcd, postgres, or etcd-server with etcd's own flags")
	}
	if args[0] == "etcd-server" {
		etcdmain.Main(append([]string{"etcd"}, args[1:]...))
		return nil
	}
	f := flag.NewFlagSet(args[0], flag.ContinueOnError)
	var j job
	f.StringVar(&j.dir, "dir", "", "an empty directory on the disk to be measured")
	flights := f.String("flights", "1,64,1024", "requests in flight")
	f.DurationVar(&j.time, "time", 5*time.Second, "of each measurement")
	f.DurationVar(&j.warm, "warm", time.Second, "before it")
	f.IntVar(&j.size, "size", 100, "bytes of a put")
	if err := f.Parse(args[1:]); err != nil {
		return err
	}
	for text := range strings.SplitSeq(*flights, ",") {
		n, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("--flights: %w", err)
		}
		j.flights = append(j.flights, n)
	}
	switch args[0] {
	case "etcd":
		return j.etcd(ctx)
	case "postgres":
		return j.postgres(ctx)
	}
	return fmt.Errorf("%q: etcd or postgres", args[0])
}

// closedLoop keeps so many requests in flight, and says how long each took.
func (j *job) closedLoop(ctx context.Context, name string, flight int, one func(ctx context.Context, worker,
	i int) error) error {
	var mu sync.Mutex
	var took []time.Duration
	var first error
	began := time.Now()
	from, until := began.Add(j.warm), began.Add(j.warm+j.time)
	var work sync.WaitGroup
	for worker := range flight {
		work.Go(func() {
			var own []time.Duration
			for i := 0; ; i++ {
				start := time.Now()
				if start.After(until) {
					break
				}
				if err := one(ctx, worker, i); err != nil {
					mu.Lock()
					first = cmpOr(first, err)
					mu.Unlock()
					return
				}
				if end := time.Now(); start.After(from) && end.Before(until) {
					own = append(own, end.Sub(start))
				}
			}
			mu.Lock()
			took = append(took, own...)
			mu.Unlock()
		})
	}
	work.Wait()
	if first != nil || len(took) == 0 {
		return fmt.Errorf("%s, %d in flight: %d requests, %w", name, flight, len(took), first)
	}
	slices.Sort(took)
	return json.NewEncoder(os.Stdout).Encode(map[string]any{"name": name, "flight": flight, "requests": len(took),
		"rate": float64(len(took)) / j.time.Seconds(), "p50": took[len(took)/2].Microseconds(),
		"p99": took[len(took)*99/100].Microseconds()})
}

func cmpOr(first, second error) error {
	if first != nil {
		return first
	}
	return second
}
