package surge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"evenkeel/load"
)

// plan is a crowd as the process that drives it is told.
type plan struct {
	URL         string         `json:"url"`
	Accounts    []load.Account `json:"accounts"`
	Mix         load.Mix       `json:"mix"`
	Rate        float64        `json:"rate"`
	Shape       string         `json:"shape"`
	Lasts       time.Duration  `json:"lasts"`
	Warm        time.Duration  `json:"warm"`
	Connections int            `json:"connections"`
	Newest      bool           `json:"newest"`
	Sources     int            `json:"sources"`
	Patience    time.Duration  `json:"patience"`
	Seed        uint64         `json:"seed"`
}

// Drive drives one crowd, as told on in, and writes what it was told to out. Each crowd has a process, since those who
// trade share no processor time with those who storm but what the machine makes them share.
func Drive(ctx context.Context, in io.Reader, out io.Writer) error {
	var p plan
	if err := json.NewDecoder(in).Decode(&p); err != nil {
		return fmt.Errorf("surge: what a crowd does: %w", err)
	}
	r, err := load.Run(ctx, load.Config{URL: p.URL, Accounts: p.Accounts, Mix: p.Mix, Rate: p.Rate, Shape: p.Shape,
		Lasts: p.Lasts, Warm: p.Warm, Poisson: true, Connections: p.Connections, Newest: p.Newest, Sources: p.Sources,
		Patience: p.Patience, Seed: p.Seed})
	if err != nil {
		return err
	}
	return r.JSON(out)
}

// patience is how long a person waits.
const patience = 2 * time.Second

// Those who trade begin before it is counted, so that orders rest for those who cancel; those who look begin a second
// before that.
const (
	mostWarm = 3 * time.Second
	headway  = time.Second
)

func (c *crowd) warm() time.Duration { return min(mostWarm, c.lasts+headway) }

// stormNice is how much the driver of those who look gives way to others: a crowd is elsewhere, and takes no processor
// from the server.
const stormNice = 10

// tradeNice is how much the driver of those who trade goes before others, where it may: how late it sends and hears is
// counted as theirs, and in a storm it shares a processor with the other crowd. It needs little. Real-time priority
// would be too much: threads of Go that spin keep those from the processor that they wait for, and it hangs.
const tradeNice = -10

var (
	tradeMix = load.Mix{load.Order: 3, load.Cancel: 2}
	lookMix  = load.Mix{load.Query: 1, load.Quote: 2}
)

// drive lets both crowds loose, and returns what each was told.
func (s *server) drive(ctx context.Context, c crowd) (traders, lookers *load.Result, err error) {
	if c.tradeMix == (load.Mix{}) {
		c.tradeMix = tradeMix
	}
	if c.lookMix == (load.Mix{}) {
		c.lookMix = lookMix
	}
	if c.lookers == 0 {
		c.lookers = Lookers
	}
	p := plan{URL: s.url, Accounts: s.accounts, Shape: c.shape, Lasts: c.lasts, Mix: c.tradeMix, Rate: c.trade,
		Warm: c.warm(), Connections: Traders, Patience: patience, Seed: 1}
	done := make(chan struct{})
	var other error
	go func() {
		defer close(done)
		if c.look == 0 {
			lookers = &load.Result{Seconds: c.lasts.Seconds(), Checks: &load.Checks{}}
			return
		}
		q := p
		q.Mix, q.Rate, q.Warm, q.Connections, q.Newest, q.Seed = c.lookMix, c.look, headway, c.lookers, true, 2
		q.Sources = 1 + c.lookers/2000 // an address has its share of the connections
		timer := time.NewTimer(c.warm() - headway)
		defer timer.Stop()
		select {
		case <-timer.C:
			lookers, other = s.loose(ctx, q, stormNice)
		case <-ctx.Done():
			other = ctx.Err()
		}
	}()
	traders, err = s.loose(ctx, p, tradeNice)
	<-done
	return traders, lookers, errors.Join(err, other)
}

// loose drives one crowd in a process of its own.
func (s *server) loose(ctx context.Context, p plan, nice int) (*load.Result, error) {
	told, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	var out, said bytes.Buffer
	command := exec.CommandContext(ctx, s.program, s.words...) //nolint:gosec // ourselves
	command.Stdin, command.Stdout, command.Stderr = bytes.NewReader(told), &out, &said
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("surge: a crowd: %w", err)
	}
	if err := pin(command.Process.Pid, 0, 1); err != nil {
		return nil, errors.Join(err, command.Process.Kill())
	}
	if nice != 0 {
		_ = syscall.Setpriority(syscall.PRIO_PROCESS, command.Process.Pid, nice) // a courtesy
	}
	if err := command.Wait(); err != nil {
		return nil, fmt.Errorf("surge: a crowd ended: %w: %s", err, said.String())
	}
	var r load.Result
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		return nil, fmt.Errorf("surge: what a crowd was told: %w", err)
	}
	return &r, nil
}

// pin lets a process run on processors from one number up to another, on a machine that has more than one.
func pin(pid, from, until int) error {
	if runtime.NumCPU() < 2 {
		return nil
	}
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return fmt.Errorf("surge: threads of a process: %w", err)
	}
	var set unix.CPUSet
	for i := from; i < until; i++ {
		set.Set(i)
	}
	for _, task := range tasks { // young processes have few threads, and new ones are where their makers are
		if id, err := strconv.Atoi(task.Name()); err == nil {
			if err := unix.SchedSetaffinity(id, &set); err != nil {
				return fmt.Errorf("surge: processors of a process: %w", err)
			}
		}
	}
	return nil
}
