package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"

	"evenkeel/node"
	"evenkeel/peer"
)

const clusterUsage = `Run a whole cluster on this machine, to try it: an exchange with players, and nodes that are
processes of their own, with certificates made for the occasion and demo accounts. Any node serves any client; kill
one, with kill -9 if you like, and the others go on. Stop all with Ctrl-C; the same command goes on where it was.

  evenkeel cluster
  evenkeel cluster --dir try --nodes 3 --shards 2
  evenkeel node status --data cluster/node-1         who leads what
  kill -9 $(cat cluster/node-2.pid)

Where everything is stands in cluster.json of the directory. A cluster on one machine protects from no dead machine.`

// clusterFile is what cluster.json holds, for programs.
type clusterFile struct {
	Exchange clusterProcess     `json:"exchange"`
	Nodes    []clusterProcess   `json:"nodes"`
	Demo     []node.DemoAccount `json:"accounts"`
}

// clusterProcess is one process of a cluster.
type clusterProcess struct {
	Name    string   `json:"name"`
	PID     int      `json:"pid"`
	HTTP    string   `json:"http,omitempty"` // of a node: its API
	Command []string `json:"command"`        // starts it again
}

// Limits of a cluster for trying.
const (
	clusterNodes = 7
	clusterUp    = 60 * time.Second
	clusterDown  = 15 * time.Second
	clusterLook  = 50 * time.Millisecond
)

// clusterFlags are what a cluster is made of.
type clusterFlags struct {
	dir           string
	nodes, shards int
	demo          int
	clock         clockFlags
	log           string
}

func runCluster(ctx context.Context, args []string, out io.Writer) error {
	f := flags("cluster", clusterUsage, out)
	var c clusterFlags
	f.StringVar(&c.dir, "dir", "cluster", "directory of everything, made where it is not")
	f.IntVar(&c.nodes, "nodes", 3, fmt.Sprintf("how many nodes, 1 to %d", clusterNodes))
	f.IntVar(&c.shards, "shards", 1, fmt.Sprintf("over how many logs the accounts are spread, 1 to %d", node.MaxShards))
	f.IntVar(&c.demo, "demo", 4, "how many demo accounts")
	f.StringVar(&c.log, "log", "warn", "what the logs of the processes say: debug, info, warn or error")
	c.clock.add(f)
	if err := parse(f, args); err != nil {
		return err
	}
	if c.nodes < 1 || c.nodes > clusterNodes {
		return wrong(f, fmt.Sprintf("--nodes %d: 1 to %d", c.nodes, clusterNodes))
	}
	if _, _, err := c.clock.read(); err != nil {
		return err
	}
	processes, err := c.plan()
	if err != nil {
		return err
	}
	// Written before anything runs, so that a start that is cut off can go on.
	file := clusterFile{Exchange: processes[0], Nodes: processes[1:]}
	if err := c.save(&file); err != nil {
		return err
	}
	var running sync.WaitGroup
	ended := make(chan string, len(processes))
	defer running.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	for i := range processes {
		p := &processes[i]
		if err := c.start(ctx, p, &running, ended); err != nil {
			return err
		}
		if err := awaitProcess(ctx, p, ended); err != nil {
			return fmt.Errorf("%s: %w; see %s", p.Name, err, filepath.Join(c.dir, p.Name+".log"))
		}
	}
	file.Exchange, file.Nodes = processes[0], processes[1:]
	if err := c.welcome(ctx, &file, ended, out); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			_, _ = fmt.Fprintln(out, "stopping")
			return nil
		case name := <-ended:
			_, _ = fmt.Fprintf(out, "%s has ended; its command in %s starts it again\n", name,
				filepath.Join(c.dir, "cluster.json"))
		}
	}
}

// plan makes the certificates, where there are none, and says which processes there are.
func (c *clusterFlags) plan() (all []clusterProcess, err error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if c.dir, err = filepath.Abs(c.dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return nil, err
	}
	if text, err := os.ReadFile(filepath.Join(c.dir, "cluster.json")); err == nil { // one that was here before
		var before clusterFile
		if err := json.Unmarshal(text, &before); err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Join(c.dir, "cluster.json"), err)
		}
		all = append([]clusterProcess{before.Exchange}, before.Nodes...)
		for i := range all {
			if len(all[i].Command) == 0 {
				return nil, fmt.Errorf("%s names no command for a process", filepath.Join(c.dir, "cluster.json"))
			}
			all[i].Command[0] = program // it may have moved
		}
		return all, nil
	}
	pki := filepath.Join(c.dir, "pki")
	authority, err := peer.CreateAuthority(pki)
	if err != nil {
		return nil, err
	}
	ports, err := freePorts(2 + 2*c.nodes)
	if err != nil {
		return nil, err
	}
	var peers []string
	for i := range c.nodes {
		peers = append(peers, fmt.Sprintf("%d=%s", i+1, ports[2+i]))
	}
	data := filepath.Join(c.dir, "exchange")
	all = append(all, clusterProcess{Name: "exchange", Command: []string{program, "exchange", "--data", data,
		"--orders", ports[0], "--market", ports[1], "--units", strconv.Itoa(c.shards), "--log", c.log,
		"--sessions", c.clock.sessions, "--speed", strconv.Itoa(c.clock.speed), "--start", c.clock.start,
		"--flow", strconv.FormatFloat(c.clock.flow, 'f', -1, 64), "--seed", strconv.FormatUint(c.clock.seed, 10)}})
	for i := range c.nodes {
		id := uint64(i + 1)
		if _, err := authority.IssueNode(id, nil, filepath.Join(pki, fmt.Sprintf("node-%d", id))); err != nil {
			return nil, err
		}
		name := fmt.Sprintf("node-%d", id)
		all = append(all, clusterProcess{Name: name, HTTP: "http://" + ports[2+c.nodes+i], Command: []string{program,
			"serve", "--data", filepath.Join(c.dir, name), "--listen", ports[2+c.nodes+i], "--listen-tls", "",
			"--shards", strconv.Itoa(c.shards), "--demo", strconv.Itoa(c.demo), "--log", c.log,
			"--peer-listen", ports[2+i], "--peer-tls", filepath.Join(pki, name), "--peers", strings.Join(peers, ","),
			"--exchange", ports[0], "--market", ports[1],
			"--exchange-password-file", filepath.Join(data, "password")}})
	}
	return all, nil
}

// freePorts finds addresses of the loopback that are free now.
func freePorts(count int) (all []string, err error) {
	for range count {
		l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it is closed at once
		if err != nil {
			return nil, err
		}
		defer func() { _ = l.Close() }()
		all = append(all, l.Addr().String())
	}
	return all, nil
}

// start starts a process, whose words go to a file; it is asked to end when the context does.
func (c *clusterFlags) start(
	ctx context.Context, p *clusterProcess, running *sync.WaitGroup, ended chan<- string,
) error {
	log, err := os.OpenFile(filepath.Join(c.dir, p.Name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	command := exec.Command(p.Command[0], p.Command[1:]...) //nolint:gosec,noctx // ours; it is asked to end
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is ours to pass on
	if err := command.Start(); err != nil {
		return errors.Join(err, log.Close())
	}
	p.PID = command.Process.Pid
	if err := os.WriteFile(filepath.Join(c.dir, p.Name+".pid"), fmt.Appendln(nil, p.PID), 0o600); err != nil {
		return errors.Join(err, command.Process.Kill(), command.Wait(), log.Close())
	}
	gone := make(chan struct{})
	running.Go(func() {
		_ = command.Wait() // how it ended stands in its log
		close(gone)
		_ = log.Close()
		ended <- p.Name
	})
	running.Go(func() {
		select {
		case <-gone:
			return
		case <-ctx.Done():
		}
		_ = command.Process.Signal(syscall.SIGTERM)
		select {
		case <-gone:
		case <-time.After(clusterDown):
			_ = command.Process.Kill()
		}
	})
	return nil
}

// awaitProcess waits until a process listens: the exchange has its password written, a node answers.
func awaitProcess(ctx context.Context, p *clusterProcess, ended <-chan string) error {
	address := strings.TrimPrefix(p.HTTP, "http://")
	if address == "" {
		address = p.Command[5] // --orders of the exchange
	}
	return awaitUp(ctx, ended, func() error {
		c, err := net.DialTimeout("tcp", address, time.Second) //nolint:noctx // it has a time of its own
		if err != nil {
			return err
		}
		return c.Close()
	})
}

// awaitUp asks again and again until there is no error.
func awaitUp(ctx context.Context, ended <-chan string, ask func() error) error {
	deadline := time.Now().Add(clusterUp)
	ticker := time.NewTicker(clusterLook)
	defer ticker.Stop()
	for {
		err := ask()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not up within %v: %w", clusterUp, err)
		}
		select {
		case <-ticker.C:
		case name := <-ended:
			return fmt.Errorf("%s has ended", name)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// welcome waits until all nodes are ready, writes down where everything is, and says so.
func (c *clusterFlags) welcome(ctx context.Context, file *clusterFile, ended <-chan string, out io.Writer) error {
	for i := range file.Nodes {
		n := &file.Nodes[i]
		if err := awaitUp(ctx, ended, func() error { return askReady(ctx, n.HTTP) }); err != nil {
			return fmt.Errorf("%s: %w; see %s", n.Name, err, filepath.Join(c.dir, n.Name+".log"))
		}
	}
	var demo node.DemoFile
	if text, err := os.ReadFile(filepath.Join(c.dir, "node-1", "demo.json")); err == nil {
		if err := json.Unmarshal(text, &demo); err != nil {
			return err
		}
	}
	file.Demo = demo.Accounts
	if err := c.save(file); err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprintf(table, "process\tpid\tAPI\n")
	for _, p := range append([]clusterProcess{file.Exchange}, file.Nodes...) {
		_, _ = fmt.Fprintf(table, "%s\t%d\t%s\n", p.Name, p.PID, p.HTTP)
	}
	if len(demo.Accounts) > 0 {
		_, _ = fmt.Fprintln(table, "\nlogin\tpassword\tAPCA_API_KEY_ID\tAPCA_API_SECRET_KEY")
	}
	for _, a := range demo.Accounts {
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", a.Login, a.Password, a.KeyID, a.Secret)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "\nAll of this, and the commands that start each again, stand in %s.\nevenkeel node status --data %s\n",
		filepath.Join(c.dir, "cluster.json"), filepath.Join(c.dir, "node-1"))
	return err
}

// save writes cluster.json.
func (c *clusterFlags) save(file *clusterFile) error {
	text, err := json.MarshalIndent(file, "", "  ") //nolint:gosec // accounts of a demo, in a directory of its own
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(c.dir, "cluster.json"), append(text, '\n'), 0o600)
}

// askReady asks a server whether it is ready.
func askReady(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/readyz", nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<16))
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("it says %s", text)
	}
	return nil
}
