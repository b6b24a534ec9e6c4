// Package rig is what the tests of the whole house share: the real binary, built once, and processes of it that are
// started, asked to end and killed, with all that they say kept for whoever reads why a test failed.
//
// A test package calls Main from its TestMain, then Run. Nothing here looks inside a process.
package rig

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	// StopLimit is how long a process may take to end after SIGTERM.
	StopLimit = 40 * time.Second
	// EndLimit is how long Fails waits for a process that should end by itself.
	EndLimit = 30 * time.Second

	lookEvery = 50 * time.Millisecond
)

// Binary is the house, once Main has built it.
var Binary string

// Main builds the house into Binary, runs the tests and exits with their code.
func Main(m *testing.M) {
	dir, err := os.MkdirTemp("", "evenkeel-test-")
	if err != nil {
		panic(err)
	}
	Binary = filepath.Join(dir, "evenkeel")
	code := 1
	if err := build("evenkeel", Binary); err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		code = m.Run()
	}
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// Build builds a package of this module into the file output.
func Build(t *testing.T, pkg, output string) {
	t.Helper()
	if err := build(pkg, output); err != nil {
		t.Fatal(err)
	}
}

func build(pkg, output string) error {
	if said, err := exec.Command("go", "build", "-o", output, pkg).CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", pkg, err, said)
	}
	return nil
}

// Needs skips the test when something that `make setup` installs is missing; where EVENKEEL_SETUP is "done" it has
// run, and the test fails.
func Needs(t *testing.T, what string, err error) {
	t.Helper()
	switch {
	case err == nil:
	case os.Getenv("EVENKEEL_SETUP") == "done":
		t.Fatalf("%s is missing after the setup: %v", what, err)
	default:
		t.Skipf("%s is missing (%v): run `make setup web` first", what, err)
	}
}

// Words is what a process says; it is read while the process speaks.
type Words struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write takes what the process says.
func (w *Words) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(b)
}

// String is all that was said up to now.
func (w *Words) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// Process is a running command.
type Process struct {
	Cmd   *exec.Cmd
	Said  *Words
	Ended chan struct{} // closed when the process has ended
	Err   error         // how it ended; holds after Ended

	t *testing.T
}

// Run starts Binary with the arguments. At the end of the test the process is killed, and if the test has failed, what
// it said is told.
func Run(t *testing.T, args ...string) *Process {
	t.Helper()
	return Start(t, exec.Command(Binary, args...))
}

// Start is Run of any command that has not been started.
func Start(t *testing.T, cmd *exec.Cmd) *Process {
	t.Helper()
	p := &Process{Cmd: cmd, Said: &Words{}, Ended: make(chan struct{}), t: t}
	cmd.Stdout, cmd.Stderr = p.Said, p.Said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.Err = cmd.Wait(); close(p.Ended) }()
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("%v said:\n%s", cmd.Args, p.Said)
		}
	})
	return p
}

// Until asks again and again until there is no error. A process that has ended before, or a limit that is over, fails
// the test.
func (p *Process) Until(limit time.Duration, ask func() error) {
	p.t.Helper()
	over := time.After(limit)
	for {
		err := ask()
		if err == nil {
			return
		}
		select {
		case <-time.After(lookEvery):
		case <-p.Ended:
			p.t.Fatalf("%v ended before it was ready: %v\n%s", p.Cmd.Args, p.Err, p.Said)
		case <-over:
			p.t.Fatalf("%v: still not after %v: %v\n%s", p.Cmd.Args, limit, err, p.Said)
		}
	}
}

// Kill ends the process as a power cut would, and waits for its end.
func (p *Process) Kill() {
	_ = p.Cmd.Process.Kill() // it may have ended
	<-p.Ended
}

// Stop asks the process to end, and returns how long that took. One that ends with an error, or not within StopLimit,
// fails the test.
func (p *Process) Stop() time.Duration {
	p.t.Helper()
	began := time.Now()
	_ = p.Cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.Ended:
		if p.Err != nil {
			p.t.Errorf("%v ended with %v\n%s", p.Cmd.Args, p.Err, p.Said)
		}
	case <-time.After(StopLimit):
		p.t.Errorf("%v did not end within %v of SIGTERM\n%s", p.Cmd.Args, StopLimit, p.Said)
		p.Kill()
	}
	return time.Since(began)
}

// Fails waits for the process to end by itself with an error, and returns what it said.
func (p *Process) Fails() string {
	p.t.Helper()
	select {
	case <-p.Ended:
	case <-time.After(EndLimit):
		p.t.Fatalf("%v still runs; it said:\n%s", p.Cmd.Args, p.Said)
	}
	if p.Err == nil {
		p.t.Fatalf("%v ended without an error; it said:\n%s", p.Cmd.Args, p.Said)
	}
	return p.Said.String()
}

// Pause stops the process's world while look runs.
func (p *Process) Pause(look func()) {
	p.t.Helper()
	p.signal(syscall.SIGSTOP)
	look()
	p.signal(syscall.SIGCONT)
}

func (p *Process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.Cmd.Process.Signal(s); err != nil {
		p.t.Fatalf("%v to %v: %v", s, p.Cmd.Args, err)
	}
}

// Checks runs a program that prints a line for each of its checks, `ok NAME` or `not ok NAME: WHY`, turns each into a
// test of its own, and fails when the program does, or when fewer than the fewest checks passed.
func Checks(t *testing.T, program *exec.Cmd, fewest int) {
	t.Helper()
	said, err := program.CombinedOutput()
	passed := 0
	for lines := bufio.NewScanner(bytes.NewReader(said)); lines.Scan(); {
		if name, ok := strings.CutPrefix(lines.Text(), "ok "); ok {
			passed++
			t.Run(name, func(*testing.T) {})
		} else if text, failed := strings.CutPrefix(lines.Text(), "not ok "); failed {
			name, why, _ := strings.Cut(text, ": ")
			t.Run(name, func(t *testing.T) { t.Error(why) })
		}
	}
	if err != nil || passed < fewest {
		t.Errorf("%v ended with %v after %d checks that were ok, want at least %d; it said:\n%s", program.Args, err,
			passed, fewest, said)
	}
}
