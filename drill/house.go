package drill

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"evenkeel/drill/cable"
	"evenkeel/drill/disk"
	"evenkeel/drill/load"
)

// patience is how long anything that must happen may take.
const patience = 60 * time.Second

// look is how often something is looked at that is waited for.
const look = 10 * time.Millisecond

// house is a cluster and an exchange, each node a process of its own on a machine of its own.
type house struct {
	config   *Config
	dir      string
	network  *cable.Network // nil: all on this machine's loopback
	exchange *process
	nodes    []*node
	trust    *tls.Config
	accounts []load.Account
}

// node is one node of the cluster.
type node struct {
	*process
	id   uint64
	url  string
	data string       // as the process sees it
	disk *disk.Remote // nil: the machine's own
	desk http.Client
}

// standing is how a node says that it is, at its desk.
type standing struct {
	Node    uint64   `json:"node"`
	Trouble string   `json:"trouble"`
	Waits   []string `json:"waits"`
	Shards  []struct {
		Shard     int    `json:"shard"`
		Leader    uint64 `json:"leader"`
		Leads     bool   `json:"leads"`
		Applied   uint64 `json:"applied"`
		Committed uint64 `json:"committed"`
	} `json:"shards"`
}

// places are the addresses of a house.
type places struct {
	network *cable.Network
	used    map[int]bool
}

// listen is an address of a machine.
func (p *places) listen(machine string, port int) string {
	if p.network != nil {
		return fmt.Sprintf("%s:%d", p.network.Address(machine), port)
	}
	for { // below the ports that the system gives to outgoing connections
		port := 20_000 + rand.IntN(10_000) //nolint:gosec // any will do
		if p.used[port] {
			continue
		}
		p.used[port] = true
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil { //nolint:noctx // at once
			_ = l.Close()
			return l.Addr().String()
		}
	}
}

const exchangeMachine = "exchange"

func machineOf(id int) string { return fmt.Sprintf("node%d", id) }

// build makes a house: certificates, disks, processes. Nothing runs yet.
func build(c *Config, dir, program string, network *cable.Network, disks bool) (_ *house, err error) {
	h := &house{config: c, dir: dir, network: network}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close())
		}
	}()
	at := places{network, map[int]bool{}}
	pki := filepath.Join(dir, "pki")
	run := func(args ...string) error {
		out, err := exec.Command(program, args...).CombinedOutput() //nolint:gosec,noctx // our own program, at once
		if err != nil {
			return fmt.Errorf("%v: %w: %s", args, err, out)
		}
		return nil
	}
	if err := run("ca", "init", "--dir", pki); err != nil {
		return nil, err
	}
	orders, market := at.listen(exchangeMachine, 7001), at.listen(exchangeMachine, 7002)
	h.exchange = &process{machine: exchangeMachine, network: network, program: program,
		log: filepath.Join(dir, "exchange.log")}
	exchangeData := filepath.Join(dir, "exchange")
	h.exchange.args = []string{"exchange", "--data", exchangeData, "--orders", orders, "--market", market,
		"--flow", fmt.Sprint(c.Flow), "--units", fmt.Sprint(c.Shards)}
	secure := []string{}
	if network != nil {
		if err := run("ca", "exchange", "--dir", pki, "--host", network.Address(exchangeMachine).String()); err != nil {
			return nil, err
		}
		h.exchange.args = append(h.exchange.args, "--tls-cert", filepath.Join(pki, "exchange", "exchange.pem"),
			"--tls-key", filepath.Join(pki, "exchange", "exchange.key"))
		secure = []string{"--exchange-ca", filepath.Join(pki, "ca.pem")}
	}
	peers, doors, talks := "", []string{}, []string{}
	for id := 1; id <= c.Nodes; id++ {
		talks = append(talks, at.listen(machineOf(id), 7100))
		doors = append(doors, at.listen(machineOf(id), 8443))
		peers += fmt.Sprintf(",%d=%s", id, talks[id-1])
	}
	for id := 1; id <= c.Nodes; id++ {
		host, _, _ := net.SplitHostPort(doors[id-1])
		own := filepath.Join(pki, fmt.Sprintf("node-%d", id))
		if err := run("ca", "node", "--dir", pki, "--node", fmt.Sprint(id), "--host", host); err != nil {
			return nil, err
		}
		n := &node{id: uint64(id), url: "https://" + doors[id-1], data: filepath.Join(dir, machineOf(id))} //nolint:gosec
		n.process = &process{machine: machineOf(id), network: network, program: program,
			log: filepath.Join(dir, machineOf(id)+".log")}
		n.args = append([]string{"serve", "--data", n.data, "--node", fmt.Sprint(id), "--peers", peers[1:],
			"--peer-listen", talks[id-1], "--peer-tls", own, "--listen", "127.0.0.1:0", "--listen-tls", doors[id-1],
			"--tls-cert", filepath.Join(own, "node.pem"), "--tls-key", filepath.Join(own, "node.key"),
			"--exchange", orders, "--market", market, "--shards", fmt.Sprint(c.Shards),
			"--exchange-password-file", filepath.Join(exchangeData, "password"), "--demo", fmt.Sprint(c.Accounts),
			"--log", "info"}, secure...)
		n.desk.Transport = &http.Transport{DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				var d net.Dialer
				return d.DialContext(ctx, "unix", filepath.Join(n.data, "desk.sock"))
			}}
		n.desk.Timeout = time.Second
		h.nodes = append(h.nodes, n)
		if disks {
			if n.disk, err = c.openDisk(filepath.Join(dir, machineOf(id)+".below"), n.data); err != nil {
				return nil, err
			}
		}
	}
	pem, err := os.ReadFile(filepath.Join(pki, "ca.pem"))
	if err != nil {
		return nil, err
	}
	h.trust = &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS13}
	h.trust.RootCAs.AppendCertsFromPEM(pem)
	return h, nil
}

// open starts everything and waits until orders are taken.
func (h *house) open(ctx context.Context) error {
	if err := h.exchange.start(); err != nil {
		return err
	}
	if err := await(ctx, "the exchange's password", func() bool {
		_, err := os.Stat(filepath.Join(h.dir, "exchange", "password"))
		return err == nil
	}); err != nil {
		return err
	}
	for _, n := range h.nodes {
		if err := n.start(); err != nil {
			return err
		}
	}
	if err := h.whole(ctx); err != nil {
		return err
	}
	var demo struct {
		Accounts []load.Account `json:"accounts"`
	}
	return await(ctx, "demo accounts", func() bool {
		text, err := os.ReadFile(filepath.Join(h.nodes[0].data, "demo.json"))
		if err != nil || json.Unmarshal(text, &demo) != nil || len(demo.Accounts) == 0 {
			return false
		}
		h.accounts = demo.Accounts
		return true
	})
}

// close kills what runs and lets go of the disks.
func (h *house) close() (err error) {
	for _, n := range h.nodes {
		if n.disk != nil {
			err = errors.Join(err, n.disk.Set(disk.Condition{})) // what hangs cannot be killed
		}
		err = errors.Join(err, n.kill())
	}
	if h.exchange != nil {
		err = errors.Join(err, h.exchange.kill())
	}
	for _, n := range h.nodes {
		if n.disk != nil {
			err = errors.Join(err, n.disk.Unmount())
		}
	}
	return err
}

// openDisk mounts a disk, served by a process of its own.
func (c *Config) openDisk(backing, point string) (*disk.Remote, error) {
	args := append(append([]string{}, c.DiskWords...), backing, point)
	command := exec.Command(c.Program, args...) //nolint:gosec,noctx // our own program; it ends with its input
	command.Stderr = os.Stderr
	return disk.Spawn(command, backing)
}

// kept is where the files of a node's data directory really are.
func (n *node) kept() string {
	if n.disk != nil {
		return n.disk.Below()
	}
	return n.data
}

// ask asks the desk of a node.
func (n *node) ask(ctx context.Context, question any, answer any) error {
	body, err := json.Marshal(question)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://desk/", bytes.NewReader(body))
	if err != nil {
		return err
	}
	response, err := n.desk.Do(request)
	if err != nil {
		return err
	}
	return errors.Join(json.NewDecoder(response.Body).Decode(answer), response.Body.Close())
}

// standings are how all nodes are, by what one of them says.
func (n *node) standings(ctx context.Context) ([]standing, error) {
	var answer struct {
		Error string     `json:"error"`
		Nodes []standing `json:"nodes"`
	}
	err := n.ask(ctx, map[string]string{"do": "nodes"}, &answer)
	if err == nil && answer.Error != "" {
		err = errors.New(answer.Error)
	}
	return answer.Nodes, err
}

// leader is the node that leads shard 0, once there is one.
func (h *house) leader(ctx context.Context) (found *node, err error) {
	err = await(ctx, "a leader", func() bool {
		for _, n := range h.nodes {
			all, err := n.standings(ctx)
			if err != nil {
				continue
			}
			for _, s := range all {
				if len(s.Shards) > 0 && s.Shards[0].Leads {
					found = h.nodes[s.Node-1]
					return true
				}
			}
		}
		return false
	})
	return found, err
}

// whole waits until every node runs, is ready and has everything that the leader had when it was asked.
func (h *house) whole(ctx context.Context) error {
	var last string
	goal := map[int]uint64{}
	err := await(ctx, "all nodes to have everything", func() bool {
		h.supervise()
		all, err := h.nodes[0].standings(ctx)
		if err != nil {
			last = err.Error()
			return false
		}
		last = fmt.Sprintf("%+v", all)
		if len(goal) == 0 {
			goal = committed(all)
		}
		return everything(all, len(h.nodes), goal)
	})
	if err != nil {
		return fmt.Errorf("%w: %s", err, last)
	}
	return nil
}

// supervise starts again what has ended by itself, as a supervisor of services does: a node whose disk was too slow,
// say, ends so that its leadership goes elsewhere.
func (h *house) supervise() {
	for _, p := range append(h.processes(), h.exchange) {
		if !p.runs() {
			_ = p.start() // the next look tries again
		}
	}
}

func (h *house) processes() (all []*process) {
	for _, n := range h.nodes {
		all = append(all, n.process)
	}
	return all
}

// committed is how far the log of each shard is agreed, by what its leader says; nothing while a shard has none.
func committed(all []standing) map[int]uint64 {
	goal := map[int]uint64{}
	shards := 0
	for _, s := range all {
		shards = max(shards, len(s.Shards))
		for _, shard := range s.Shards {
			if shard.Leads {
				goal[shard.Shard] = shard.Committed
			}
		}
	}
	if len(goal) < shards {
		return nil
	}
	return goal
}

// everything reports whether so many nodes are ready, agree who leads, and have applied the logs up to a goal.
func everything(all []standing, nodes int, goal map[int]uint64) bool {
	well := 0
	leader := map[int]uint64{}
	for _, s := range all {
		for _, shard := range s.Shards {
			if shard.Leads {
				leader[shard.Shard] = s.Node
			}
		}
	}
	for _, s := range all {
		behind := s.Trouble != "" || len(s.Waits) > 0 || len(s.Shards) == 0
		for _, shard := range s.Shards {
			behind = behind || shard.Leader == 0 || shard.Leader != leader[shard.Shard] ||
				shard.Applied < goal[shard.Shard]
		}
		if !behind {
			well++
		}
	}
	return well == nodes && len(goal) > 0
}

// await looks until yes.
func await(ctx context.Context, what string, yes func() bool) error {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for !yes() {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-deadline.C:
			return fmt.Errorf("waited %v for %s", patience, what)
		case <-ticker.C:
		}
	}
	return nil
}
