package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"evenkeel/capacity/study"
	"evenkeel/load"
)

// measured is a server that is measured.
type measured struct {
	config load.Config
	step   time.Duration
	data   string
	pid    int // 0: not known
	stop   func()
	runs   uint64
}

// kneeDemo is how many demo accounts a server has that is started for it: those can log in.
const kneeDemo = 40

// open starts a server, or finds the one that runs, and its accounts.
func (m *measuring) open(ctx context.Context, shards int) (h *measured, err error) {
	h = &measured{step: m.step, data: m.data, stop: func() {}}
	if m.data == "" {
		m.study.Server = "a server of its own"
		if err := h.start(ctx, shards); err != nil {
			return nil, err
		}
	}
	h.config = load.Config{URL: m.server}
	if err := who(ctx, &h.config, h.data, "", m.made, ""); err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

// start starts a server of this binary in a directory of its own.
func (h *measured) start(ctx context.Context, shards int) error {
	binary, err := os.Executable()
	if err != nil {
		return fmt.Errorf("start a server: %w", err)
	}
	home, err := os.MkdirTemp("", "evenkeel-capacity-")
	if err != nil {
		return fmt.Errorf("start a server: %w", err)
	}
	h.data = filepath.Join(home, "data")
	var said bytes.Buffer
	command := exec.CommandContext(ctx, binary, "serve", "--data", h.data, "--listen", "127.0.0.1:0", "--listen-tls", "",
		"--shards", strconv.Itoa(shards), "--demo", strconv.Itoa(kneeDemo)) //nolint:gosec // ourselves
	command.Stdout, command.Stderr = &said, &said
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = 20 * time.Second
	if err := command.Start(); err != nil {
		return errors.Join(fmt.Errorf("start a server: %w", err), os.RemoveAll(home))
	}
	h.pid = command.Process.Pid
	ended := make(chan struct{})
	go func() {
		_ = command.Wait() // what it said tells why
		close(ended)
	}()
	h.stop = func() {
		_ = command.Process.Signal(syscall.SIGTERM) // it may have ended
		select {
		case <-ended:
		case <-time.After(command.WaitDelay):
			_ = command.Process.Kill()
			<-ended
		}
		_ = os.RemoveAll(home)
	}
	if err := h.ready(ctx, ended); err != nil {
		h.stop()
		return fmt.Errorf("%w; it said:\n%s", err, said.String())
	}
	return nil
}

// kneeStart is how long a server may take until it is ready.
const kneeStart = 2 * time.Minute

func (h *measured) ready(ctx context.Context, ended <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, kneeStart)
	defer cancel()
	for {
		c := load.Config{}
		err := who(ctx, &c, h.data, "", 0, "")
		if err == nil {
			var request *http.Request
			if request, err = http.NewRequestWithContext(ctx, http.MethodGet, c.URL+"/readyz", http.NoBody); err != nil {
				return err
			}
			var answer *http.Response
			if answer, err = http.DefaultClient.Do(request); err == nil {
				_ = answer.Body.Close()
				if answer.StatusCode == http.StatusOK {
					return nil
				}
			}
		}
		select {
		case <-ended:
			return errors.New("the server that was started ended")
		case <-ctx.Done():
			return errors.New("the server that was started is not ready")
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (h *measured) close() { h.stop() }

// drive is one load.
func (h *measured) drive(ctx context.Context, mix load.Mix, rate float64) (*load.Result, error) {
	h.runs++
	c := h.config
	c.Mix, c.Rate, c.Poisson, c.Seed = mix, min(rate, load.MaxRate), true, h.runs
	c.Lasts, c.Warm, c.Connections = h.step, h.step/5, 256
	c.Retry, c.Audit = load.Never, 50
	result, err := load.Run(ctx, c)
	if err == nil && result.Checks.Wrong > 0 {
		err = fmt.Errorf("%d answers were wrong: %s", result.Checks.Wrong, strings.Join(result.Checks.Complaints, "; "))
	}
	return result, err
}

// usage is what the server's process has used so far. It is read from /proc, and known on Linux only.
func (h *measured) usage() (u study.Usage, err error) {
	if h.pid == 0 {
		return u, errors.New("the server was started by somebody else")
	}
	proc := filepath.Join("/proc", strconv.Itoa(h.pid))
	stat, err := os.ReadFile(filepath.Join(proc, "stat"))
	if err != nil {
		return u, err
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 22 {
		return u, fmt.Errorf("%s/stat has %d fields", proc, len(fields))
	}
	number := func(i int) float64 { v, _ := strconv.ParseFloat(fields[i], 64); return v }
	const ticks = 100 // of a second; Linux has had no other for users in this century
	u.CPU = (number(11) + number(12)) / ticks
	u.Memory = number(21) * float64(os.Getpagesize())
	u.Disk = wordBehind(filepath.Join(proc, "io"), "write_bytes:", 0)
	files, err := os.ReadDir(filepath.Join(proc, "fd"))
	u.Descriptors = float64(len(files))
	return u, err
}

// machineOf is what there is; members that cannot be told are 0.
func machineOf(data string, pid int, network float64) (m study.Machine) {
	m.Network = network
	m.Processors = float64(runtime.NumCPU())
	var s syscall.Statfs_t
	if syscall.Statfs(data, &s) == nil {
		m.DiskFree = float64(s.Bavail) * float64(s.Bsize)
	}
	m.Memory = 1024 * wordBehind("/proc/meminfo", "MemTotal:", 0)
	m.Descriptors = wordBehind(filepath.Join("/proc", strconv.Itoa(pid), "limits"), "Max open files", 0)
	return m
}

// wordBehind reads the n-th number behind a name in a file of lines.
func wordBehind(file, name string, n int) float64 {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, is := strings.CutPrefix(line, name); is {
			if words := strings.Fields(rest); len(words) > n {
				v, _ := strconv.ParseFloat(words[n], 64)
				return v
			}
		}
	}
	return 0
}
