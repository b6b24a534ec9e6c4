package drill

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"evenkeel/drill/cable"
)

// process is one program on one machine, which is stopped in every way and started again.
type process struct {
	machine string // of the network, when there is one
	network *cable.Network
	program string // which may change from one start to the next
	args    []string
	env     []string
	log     string // file of all that it ever said

	mu      sync.Mutex
	command *exec.Cmd
	ended   chan struct{}
	how     error
}

// start starts the program.
func (p *process) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() //nolint:errcheck // the program has its own
	_, _ = fmt.Fprintf(log, "--- %s started at %s\n", p.machine, time.Now().Format(time.StampMilli))
	command := exec.Command(p.program, p.args...) //nolint:gosec,noctx // it is our own program; its end is ours to choose
	command.Stdout, command.Stderr = log, log
	command.Env = append(os.Environ(), p.env...)
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if p.network != nil {
		err = p.network.Start(p.machine, command)
	} else {
		err = command.Start()
	}
	if err != nil {
		return fmt.Errorf("starting %s: %w", p.machine, err)
	}
	p.command, p.ended, p.how = command, make(chan struct{}), nil
	go func(ended chan struct{}) {
		err := command.Wait()
		p.mu.Lock()
		p.how = err
		p.mu.Unlock()
		close(ended)
	}(p.ended)
	return nil
}

// signal sends a signal to the program, if it runs.
func (p *process) signal(s syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.command == nil {
		return nil
	}
	if err := p.command.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("%s: %w", p.machine, err)
	}
	return nil
}

// runs reports whether the program has not ended.
func (p *process) runs() bool {
	p.mu.Lock()
	ended := p.ended
	p.mu.Unlock()
	if ended == nil {
		return false
	}
	select {
	case <-ended:
		return false
	default:
		return true
	}
}

// end waits until the program has ended, and says how.
func (p *process) end(patience time.Duration) error {
	p.mu.Lock()
	ended := p.ended
	p.mu.Unlock()
	if ended == nil {
		return nil
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-ended:
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.how
	case <-timer.C:
		return fmt.Errorf("%s has not ended within %v", p.machine, patience)
	}
}

// kill is kill -9.
func (p *process) kill() error {
	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	var killed *exec.ExitError
	if err := p.end(patience); err != nil && !errors.As(err, &killed) {
		return err
	}
	return nil
}

// stop ends the program as an operator would.
func (p *process) stop() error {
	if err := p.signal(syscall.SIGTERM); err != nil {
		return err
	}
	if err := p.end(patience); err != nil {
		return fmt.Errorf("%s was asked to end: %w; it said:\n%s", p.machine, err, p.tail())
	}
	return nil
}

// tail is the last of what the program said.
func (p *process) tail() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-tailBytes):])
}

const tailBytes = 2000
