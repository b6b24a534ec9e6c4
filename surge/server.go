package surge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"evenkeel/load"
)

// Kind of server.
type Kind string

// Kinds: with the door, and one that takes everything at once.
const (
	Door  Kind = "door"
	Plain Kind = "plain"
)

// server is a process of the house.
type server struct {
	program  string
	words    []string // that make it drive a crowd
	command  *exec.Cmd
	log      *os.File
	url      string
	accounts []load.Account
	ended    chan struct{}
	err      error // holds after ended
}

// Limits of a process.
const (
	startTime = 60 * time.Second
	stopTime  = 30 * time.Second
	look      = 50 * time.Millisecond
)

// start runs a server with accounts.
func start(ctx context.Context, c *Config, kind Kind) (s *server, err error) {
	data := filepath.Join(c.Dir, string(kind))
	if err := os.MkdirAll(data, 0o750); err != nil {
		return nil, fmt.Errorf("directory of a server: %w", err)
	}
	words := []string{"serve", "--data", data, "--listen", "127.0.0.1:0", "--demo", "8",
		"--flow", "20"}
	if kind == Plain {
		words = append(words, "--no-queue")
	}
	s = &server{program: c.Program, words: c.Words, ended: make(chan struct{})}
	s.command = exec.Command(c.Program, words...) //nolint:gosec // ourselves
	if s.log, err = os.OpenFile(data+".log", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600); err != nil {
		return nil, fmt.Errorf("log of a server: %w", err)
	}
	s.command.Env = append(os.Environ(), fmt.Sprintf("GOMAXPROCS=%d", max(1, runtime.NumCPU()-1)))
	s.command.Stdout, s.command.Stderr = s.log, s.log
	s.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.command.Start(); err != nil {
		return nil, errors.Join(err, s.log.Close())
	}
	if err := pin(s.command.Process.Pid, 1, runtime.NumCPU()); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	go func() { s.err = s.command.Wait(); close(s.ended) }()
	if err := s.open(ctx, c, data); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

// open waits until the server can work, and makes accounts.
func (s *server) open(ctx context.Context, c *Config, data string) error {
	var demo struct {
		HTTP     string         `json:"http"`
		Accounts []load.Account `json:"accounts"`
	}
	err := s.await(ctx, "is not ready", func() bool {
		text, err := os.ReadFile(filepath.Join(data, "demo.json")) //nolint:gosec // ours
		if err != nil || json.Unmarshal(text, &demo) != nil || len(demo.Accounts) == 0 {
			return false
		}
		s.url = demo.HTTP
		return s.ready(ctx)
	})
	if err != nil {
		return err
	}
	made, err := c.Make(ctx, data, c.Accounts)
	s.accounts = append(demo.Accounts, made...)
	return err
}

func (s *server) ready(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/readyz", http.NoBody)
	if err != nil {
		return false
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	return answer.Body.Close() == nil && answer.StatusCode == http.StatusOK
}

func (s *server) await(ctx context.Context, what string, done func() bool) error {
	tick := time.NewTicker(look)
	defer tick.Stop()
	deadline := time.After(startTime)
	for {
		if done() {
			return nil
		}
		select {
		case <-tick.C:
		case <-s.ended:
			said, _ := os.ReadFile(s.log.Name()) //nolint:errcheck // what it said is a courtesy
			return fmt.Errorf("it ended: %w: %s", s.err, strings.TrimSpace(string(said[max(0, len(said)-2000):])))
		case <-deadline:
			return fmt.Errorf("it %s after %v", what, startTime)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// settle waits until what a case left is over: the server answers, and answers fast.
func (s *server) settle(ctx context.Context) error {
	quick := 0
	return s.await(ctx, "does not come to rest", func() bool {
		began := time.Now()
		if s.ready(ctx) && time.Since(began) < 20*time.Millisecond {
			quick++
		} else {
			quick = 0
		}
		return quick >= 10
	})
}

// stop ends the process, at last by force.
func (s *server) stop() error {
	_ = s.command.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-s.ended:
	case <-time.After(stopTime):
		_ = s.command.Process.Kill()
		<-s.ended
	}
	return s.log.Close()
}
