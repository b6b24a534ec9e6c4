package auth

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Aside computes hashes in a process of its own that gives way to all others. In the house's own process a hash takes
// a processor for tens of milliseconds, during which goroutines of orders wait behind it, and 19 MiB of memory each
// time, which the garbage collector pays for with the time of everybody: a storm of logins then slows orders by
// several times, on a machine of few processors most. The process is begun when the first hash is asked for, again
// when it ended, and ends when the house does, whatever way that goes: its input is over then.
type Aside struct {
	command func() *exec.Cmd

	mu      sync.Mutex
	process *process // nil: none runs
	begun   time.Time
	closed  bool
}

// process is one that runs.
type process struct {
	in      io.WriteCloser
	out     *json.Encoder
	command *exec.Cmd
	ended   chan struct{}

	mu      sync.Mutex
	last    uint64
	waiting map[uint64]chan []byte
	over    bool
}

// question is a hash that is asked for, as the process is told.
type question struct {
	ID       uint64 `json:"id"`
	Hash     string `json:"hash"` // its parameters and salt count; its key, by its length
	Password []byte `json:"password"`
}

// result is the key of a question.
type result struct {
	ID  uint64 `json:"id"`
	Key []byte `json:"key"`
}

// NewAside returns one that runs such a command: its input and output go to ServeAside. It starts nothing yet.
func NewAside(command func() *exec.Cmd) *Aside { return &Aside{command: command} }

// ErrAside says that a hash could not be computed aside.
var ErrAside = errors.New("the process of hashes has ended")

// asideEvery bounds how often the process is begun: one that ends at once shall not be begun for every login.
const asideEvery = time.Second

// derive computes the key of a password.
func (a *Aside) derive(h Hash, password string) ([]byte, error) {
	p, err := a.running()
	if err != nil {
		return nil, err
	}
	return p.derive(h, password)
}

// running is the process; it is begun where there is none.
func (a *Aside) running() (*process, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.process != nil {
		select {
		case <-a.process.ended:
			a.process = nil
		default:
			return a.process, nil
		}
	}
	if a.closed || time.Since(a.begun) < asideEvery {
		return nil, ErrAside
	}
	a.begun = time.Now()
	p, err := begin(a.command())
	if err != nil {
		return nil, err
	}
	a.process = p
	return p, nil
}

func begin(c *exec.Cmd) (*process, error) {
	in, err := c.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("input of the process of hashes: %w", err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("output of the process of hashes: %w", err)
	}
	if err := c.Start(); err != nil {
		return nil, fmt.Errorf("begin the process of hashes: %w", err)
	}
	p := &process{in: in, out: json.NewEncoder(in), command: c, ended: make(chan struct{}),
		waiting: map[uint64]chan []byte{}}
	go p.listen(out)
	return p, nil
}

// listen gives each answer to who waits for it, and at the end none to all who still do.
func (p *process) listen(out io.Reader) {
	for d := json.NewDecoder(out); ; {
		var r result
		if d.Decode(&r) != nil {
			break
		}
		p.mu.Lock()
		to := p.waiting[r.ID]
		delete(p.waiting, r.ID)
		p.mu.Unlock()
		if to != nil {
			to <- r.Key
		}
	}
	p.mu.Lock()
	p.over = true
	for id, to := range p.waiting {
		delete(p.waiting, id)
		close(to)
	}
	p.mu.Unlock()
	_ = p.in.Close()
	_ = p.command.Wait() // how it ended does not matter: it is begun again
	close(p.ended)
}

func (p *process) derive(h Hash, password string) ([]byte, error) {
	to := make(chan []byte, 1)
	p.mu.Lock()
	if p.over {
		p.mu.Unlock()
		return nil, ErrAside
	}
	p.last++
	q := question{ID: p.last, Hash: h.String(), Password: []byte(password)}
	p.waiting[q.ID] = to
	err := p.out.Encode(&q) // far below what a pipe holds, as few ask at once
	if err != nil {
		delete(p.waiting, q.ID)
	}
	p.mu.Unlock()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAside, err)
	}
	key := <-to // the process reads on, or ends
	if len(key) != len(h.Key) {
		return nil, ErrAside
	}
	return key, nil
}

// Close ends the process.
func (a *Aside) Close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	if p := a.process; p != nil {
		_ = p.in.Close()
		<-p.ended
	}
}

// asideNice is how far the process stands back: when the processors are full it gets a tenth of what an order's work
// gets, and never nothing.
const asideNice = 10

// ServeAside is the process's side: it answers what comes in until that is over. Each hash takes the time and memory
// that its parameters say, at once: who asks knows how many he may ask for.
func ServeAside(in io.Reader, out io.Writer) error {
	standBack()
	var mu sync.Mutex
	var work sync.WaitGroup
	defer work.Wait()
	e := json.NewEncoder(out)
	for d := json.NewDecoder(bufio.NewReader(in)); ; {
		var q question
		if err := d.Decode(&q); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("a hash to compute: %w", err)
		}
		h, err := ParseHash(q.Hash)
		if err != nil {
			return err
		}
		work.Go(func() {
			r := result{q.ID, h.derive(string(q.Password))}
			mu.Lock()
			defer mu.Unlock()
			_ = e.Encode(&r) // nobody may listen any more: then the input is over, too
		})
	}
}

// standBack lets all threads of this process give way. Those to come have it from those that make them; twice, for one
// that was made meanwhile.
func standBack() {
	for range 2 {
		tasks, _ := os.ReadDir("/proc/self/task") //nolint:errcheck // elsewhere nobody gives way: a courtesy
		for _, task := range tasks {
			if id, err := strconv.Atoi(task.Name()); err == nil {
				_ = syscall.Setpriority(syscall.PRIO_PROCESS, id, asideNice) // a courtesy
			}
		}
	}
}
