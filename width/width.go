// Package width shows how many clients market data reaches at once on this machine, how late, and with how much memory
// for each; beside a plain broadcast with the same WebSocket library, which tells as many clients the same in the same
// run.
//
// A process has a bounded number of file descriptors. So there are as many servers as the clients need, each with an
// exchange of its own, and as many processes with clients; all share the processors of the machine. A plain broadcast
// stands behind each server, and is a client of it.
//
// Units: lags in milliseconds, from the exchange's time in the oldest message of a frame to the client that reads it;
// memory in bytes. Invariants: every client that was asked for is counted as open, lost or failed; what could not be
// reached is said. It times nothing that it does not also count.
package width

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"evenkeel/load"
)

// Config of a run.
type Config struct {
	Program    string   // the house's
	CrowdWords []string // that make it drive a crowd
	PlainWords []string // that make it broadcast
	Dir        string   // for data and logs
	Clients    int
	PerServer  int     // clients of one server; 0: as many as its descriptors allow
	Flow       float64 // orders and cancels a second of each server's players
	Settle     time.Duration
	Lasts      time.Duration // of each case
	Make       func(ctx context.Context, data string, n int) ([]load.Account, error)
	Say        func(format string, args ...any)
}

// Limits of a run.
const (
	MostClients = 1_000_000
	perAccount  = 60 // streams of one account, fewer than it may have
	reserve     = 1000
	restTime    = 3 * time.Second // over which servers without clients are watched
	startTime   = time.Minute
	stopTime    = 30 * time.Second
	look        = 50 * time.Millisecond
)

// child is a process of ours that is told something and answers.
type child struct {
	command *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	log     *os.File
}

func (c *Config) start(name string, words ...string) (p *child, err error) {
	p = &child{command: exec.Command(c.Program, words...)} //nolint:gosec // ourselves
	p.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	name = filepath.Join(c.Dir, name+".log")
	if p.log, err = os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600); err != nil {
		return nil, fmt.Errorf("width: log of a process: %w", err)
	}
	p.command.Stderr = p.log
	out, err := p.command.StdoutPipe()
	if err == nil {
		p.in, err = p.command.StdinPipe()
	}
	if err == nil {
		err = p.command.Start()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("width: %w", err), p.log.Close())
	}
	p.out = bufio.NewReaderSize(out, 1<<20)
	return p, nil
}

// stop ends a process, at last by force.
func (p *child) stop() error {
	_ = p.in.Close()
	_ = p.command.Process.Signal(syscall.SIGTERM) // it may have ended
	late := time.AfterFunc(stopTime, func() { _ = p.command.Process.Kill() })
	defer late.Stop()
	_, _ = io.Copy(io.Discard, p.out)
	_ = p.command.Wait() // what it had to say was said
	return p.log.Close()
}

// tell says one line, and reads one into v.
func (p *child) tell(v any) error {
	text, err := json.Marshal(v)
	if err == nil {
		_, err = p.in.Write(append(text, '\n'))
	}
	return err
}

func (p *child) hear(v any) error {
	text, err := p.out.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(text, v)
	}
	if err != nil {
		said, _ := os.ReadFile(p.log.Name()) //nolint:errcheck // what it said is a courtesy
		return fmt.Errorf("width: a process said %.200q: %w\n%s", text, err, said[max(0, len(said)-2000):])
	}
	return nil
}

// server is a house with its accounts.
type server struct {
	*child
	address  string // host:port
	accounts []load.Account
	memory   uint64        // without clients
	rest     time.Duration // of processor time, each second without clients
}

func (c *Config) serve(ctx context.Context, n, clients int) (s *server, err error) {
	name := fmt.Sprintf("server%d", n)
	data := filepath.Join(c.Dir, name)
	p, err := c.start(name, "serve", "--data", data, "--listen", "127.0.0.1:0", "--listen-tls", "", "--demo", "8",
		"--flow", fmt.Sprint(c.Flow), "--seed", fmt.Sprint(n+1), "--streams", fmt.Sprint(clients+reserve),
		"--connections", fmt.Sprint(clients+reserve))
	if err != nil {
		return nil, err
	}
	s = &server{child: p}
	go func() { _, _ = io.Copy(io.Discard, p.out) }()
	var demo struct {
		HTTP     string         `json:"http"`
		Accounts []load.Account `json:"accounts"`
	}
	for deadline := time.Now().Add(startTime); ; time.Sleep(look) {
		text, err := os.ReadFile(filepath.Join(data, "demo.json")) //nolint:gosec // ours
		if err == nil && json.Unmarshal(text, &demo) == nil && len(demo.Accounts) > 0 && isReady(ctx, demo.HTTP) {
			break
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return nil, errors.Join(fmt.Errorf("width: %s is not ready after %v", name, startTime), ctx.Err(), s.stop())
		}
	}
	at, err := url.Parse(demo.HTTP)
	if err == nil {
		s.address = at.Host
		s.accounts, err = c.Make(ctx, data, max(1, (clients+perAccount-1)/perAccount))
	}
	if err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

func isReady(ctx context.Context, base string) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/readyz", http.NoBody)
	if err != nil {
		return false
	}
	answer, err := http.DefaultClient.Do(r)
	return err == nil && answer.Body.Close() == nil && answer.StatusCode == http.StatusOK
}

// says is what a client of an account says to have quotes.
func says(a load.Account, more string) []string {
	return []string{fmt.Sprintf(`{"action":"auth","key":%q,"secret":%q}`, a.KeyID, a.Secret),
		`{"action":"subscribe","quotes":["*"]` + more + `}`}
}

// situation is one way of telling many clients.
type situation struct {
	name  string
	more  string // of the subscription
	plain bool
}

var situations = []situation{
	{name: "every update"},
	{name: "latest, each 250 ms", more: `,"conflate_ms":250`},
	{name: "latest, each second", more: `,"conflate_ms":1000`},
	{name: "plain broadcast", plain: true},
}

// Run measures every situation.
func Run(ctx context.Context, c Config) (r *Result, err error) {
	if c.Clients < 1 || c.Clients > MostClients || c.Lasts <= 0 || c.Flow <= 0 {
		return nil, fmt.Errorf("width: 1 to %d clients, a time and a flow", MostClients)
	}
	limit := raiseLimit()
	r = &Result{Machine: load.Machine(), Began: time.Now(), Clients: c.Clients, Descriptors: limit, Flow: c.Flow,
		Seconds: c.Lasts.Seconds()}
	most := min(limit*3/4, limit-reserve) - reserve // what a gate lets in, of it
	if most < 1 {
		most = limit / 4
	}
	if c.PerServer > 0 {
		most = min(most, c.PerServer)
	}
	count := (c.Clients + most - 1) / most
	var servers []*server
	defer func() {
		for _, s := range servers {
			err = errors.Join(err, s.stop())
		}
	}()
	each := (c.Clients + count - 1) / count
	for n := range count {
		s, err := c.serve(ctx, n, each)
		if err != nil {
			return r, err
		}
		servers = append(servers, s)
	}
	r.Servers, r.PerServer = count, each
	c.Say("%d clients at %d servers; a process may have %d descriptors here", c.Clients, count, limit)
	quiet, cancel := context.WithTimeout(ctx, restTime)
	defer cancel()
	for _, s := range servers {
		s.rest -= processorOf(s.command.Process.Pid)
	}
	r.Quiet = millis(noise(quiet))
	for _, s := range servers {
		pid := s.command.Process.Pid
		s.rest, s.memory = (s.rest+processorOf(pid))/time.Duration(restTime/time.Second), memoryOf(pid)
	}
	for _, k := range situations {
		row, err := c.measure(ctx, k, servers)
		if err != nil {
			return r, fmt.Errorf("%s: %w", k.name, err)
		}
		r.Cases = append(r.Cases, row)
		c.Say("%s", row.line())
	}
	r.Took = time.Since(r.Began).Seconds()
	return r, nil
}

// teller is a process that tells clients: a server, or a plain broadcast.
type teller struct {
	pid     int
	address string
	path    string
	says    [][]string
	until   string
	before  uint64        // memory without clients
	rest    time.Duration // of processor time, each second without clients
}

func (c *Config) tellers(k situation, servers []*server) (all []teller, stop func() error, err error) {
	var plains []*child
	stop = func() (err error) {
		for _, p := range plains {
			err = errors.Join(err, p.stop())
		}
		return err
	}
	for n, s := range servers {
		t := teller{pid: s.command.Process.Pid, address: s.address, path: "/v2/sip", until: `"subscription"`,
			before: s.memory, rest: s.rest}
		for _, a := range s.accounts {
			t.says = append(t.says, says(a, k.more))
		}
		if k.plain {
			p, err := c.start(fmt.Sprintf("plain%d", n), c.PlainWords...)
			if err != nil {
				return nil, stop, err
			}
			plains = append(plains, p)
			err = p.tell(source{URL: "ws://" + s.address + "/v2/sip", Says: says(s.accounts[0], "")})
			var line string
			if err == nil {
				line, err = p.out.ReadString('\n')
			}
			if err != nil {
				return nil, stop, fmt.Errorf("width: a plain broadcast: %w", err)
			}
			t = teller{pid: p.command.Process.Pid, address: line[:len(line)-1], path: "/"}
			t.before = memoryOf(t.pid)
		}
		all = append(all, t)
	}
	return all, stop, nil
}

// measure lets a crowd into every server, and counts what it is told.
func (c *Config) measure(ctx context.Context, k situation, servers []*server) (row Case, err error) {
	tellers, stop, err := c.tellers(k, servers)
	defer func() { err = errors.Join(err, stop()) }()
	row = Case{Name: k.name}
	if err != nil {
		return row, err
	}
	sockets := socketMemory()
	var crowds []*child
	defer func() {
		for _, p := range crowds {
			err = errors.Join(err, p.stop())
		}
	}()
	left, from := c.Clients, 0
	for n, t := range tellers {
		clients := min(left, (c.Clients+len(tellers)-1)/len(tellers))
		left -= clients
		p, err := c.start(fmt.Sprintf("crowd%d", n), c.CrowdWords...)
		if err != nil {
			return row, err
		}
		crowds = append(crowds, p)
		if err := p.tell(plan{Address: t.address, Path: t.path, Says: t.says, Until: t.until, Clients: clients, From: from,
			Settle: c.Settle, Lasts: c.Lasts}); err != nil {
			return row, err
		}
		var in ready
		if err := p.hear(&in); err != nil {
			return row, err
		}
		if in.Open < clients && row.Why == "" {
			row.Why = in.Why
		}
		row.idle += memoryOf(t.pid) - min(memoryOf(t.pid), t.before)
		from += (clients + perAddress - 1) / perAddress
	}
	return row, c.count(ctx, &row, tellers, crowds, sockets)
}

// count has all crowds count at once.
func (c *Config) count(ctx context.Context, row *Case, tellers []teller, crowds []*child, sockets uint64) error {
	for _, p := range crowds {
		if err := p.tell("begin"); err != nil {
			return err
		}
	}
	time.Sleep(c.Settle)
	listening, cancel := context.WithTimeout(ctx, c.Lasts)
	defer cancel()
	spent := time.Duration(0)
	for _, t := range tellers {
		spent -= processorOf(t.pid)
	}
	row.Noise = millis(noise(listening))
	for _, t := range tellers {
		spent += processorOf(t.pid) - time.Duration(c.Lasts.Seconds()*float64(t.rest))
		now := memoryOf(t.pid)
		row.memory += now - min(now, t.before)
	}
	row.sockets = socketMemory() - min(socketMemory(), sockets)
	lag := hdrhistogram.New(1, mostLag, 3)
	for _, p := range crowds {
		var v told
		if err := p.hear(&v); err != nil {
			return err
		}
		row.add(&v)
		lag.Merge(hdrhistogram.Import(v.Lag))
	}
	row.sum(lag, max(0, spent))
	return nil
}
