// Package cluster_test runs whole clusters as their users do: an exchange and several nodes, each a real process on
// the loopback with certificates of its own, and clients that know the nodes' addresses and nothing more. Nodes are
// killed with kill -9, stopped, drained, added and replaced under a flow of orders; what clients were told is held
// against what every node tells afterwards: nothing lost, nothing twice. It never looks inside.
package cluster_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"evenkeel/test/rig"
)

const (
	startLimit = 60 * time.Second
	waitLimit  = 30 * time.Second
	lookEvery  = 50 * time.Millisecond
)

func TestMain(m *testing.M) { rig.Main(m) }

// machine is one node of a cluster: it may be ended and started again.
type machine struct {
	*rig.Process
	id   int
	dir  string
	url  string
	peer string
	args []string
}

// account is a demo account.
type account struct {
	Login    string `json:"login"`
	Password string `json:"password"`
	KeyID    string `json:"key_id"`
	Secret   string `json:"secret"`
}

// cluster is an exchange and its nodes.
type cluster struct {
	t        *testing.T
	dir      string
	orders   string
	market   string
	shards   int
	nodes    []*machine
	accounts []account
}

// given are the ports that freeAddresses has found.
var given = map[int]bool{}

// freeAddresses finds addresses of the loopback that are free now and stay so: below those that the system gives to
// outgoing connections and to whoever asks for any, and none twice.
func freeAddresses(t *testing.T, count int) (all []string) {
	t.Helper()
	for len(all) < count {
		port := 20_000 + rand.IntN(10_000)
		if given[port] {
			continue
		}
		given[port] = true
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			all = append(all, l.Addr().String())
			_ = l.Close()
		}
	}
	return all
}

// open starts an exchange without players, and so many nodes that are born together; it waits until all are ready.
func open(t *testing.T, nodes, shards int) *cluster {
	t.Helper()
	c := launch(t, nodes, shards)
	for _, m := range c.nodes {
		c.ready(m)
	}
	var file struct{ Accounts []account }
	text, err := os.ReadFile(filepath.Join(c.nodes[0].dir, "demo.json"))
	if err == nil {
		err = json.Unmarshal(text, &file)
	}
	if err != nil {
		t.Fatal(err)
	}
	c.accounts = file.Accounts
	return c
}

// launch starts what open opens, and does not wait for the nodes.
func launch(t *testing.T, nodes, shards int) *cluster {
	t.Helper()
	c := &cluster{t: t, dir: t.TempDir(), shards: shards}
	addresses := freeAddresses(t, 2)
	c.orders, c.market = addresses[0], addresses[1]
	rig.Run(t, "exchange", "--data", filepath.Join(c.dir, "exchange"), "--orders", c.orders, "--market", c.market,
		"--flow", "0", "--units", fmt.Sprint(shards))
	c.command("ca", "init", "--dir", filepath.Join(c.dir, "pki"))
	c.eventually("the exchange has a password", func() error {
		_, err := os.Stat(filepath.Join(c.dir, "exchange", "password"))
		return err
	})
	for i := range nodes {
		c.machine(i + 1)
	}
	for _, m := range c.nodes {
		m.args = append(m.args, "--peers", c.peers(nodes))
		c.start(m)
	}
	return c
}

// machine gives the next node a certificate and addresses.
func (c *cluster) machine(id int) *machine {
	c.t.Helper()
	c.command("ca", "node", "--dir", filepath.Join(c.dir, "pki"), "--node", fmt.Sprint(id))
	addresses := freeAddresses(c.t, 2)
	m := &machine{id: id, dir: filepath.Join(c.dir, fmt.Sprintf("node-%d", id)), url: "http://" + addresses[0],
		peer: addresses[1]}
	m.args = []string{"serve", "--data", m.dir, "--listen", addresses[0], "--listen-tls", "", "--shards",
		fmt.Sprint(c.shards), "--demo", "4", "--log", "info", "--peer-listen", m.peer, "--peer-tls",
		filepath.Join(c.dir, "pki", fmt.Sprintf("node-%d", id)), "--exchange", c.orders, "--market", c.market,
		"--exchange-password-file", filepath.Join(c.dir, "exchange", "password")}
	c.nodes = append(c.nodes, m)
	return m
}

// peers are the first nodes, as --peers wants them.
func (c *cluster) peers(count int) string {
	var all []string
	for _, m := range c.nodes[:count] {
		all = append(all, fmt.Sprintf("%d=%s", m.id, m.peer))
	}
	return strings.Join(all, ",")
}

func (c *cluster) start(m *machine) {
	c.t.Helper()
	m.Process = rig.Run(c.t, m.args...)
}

// ready waits until a node says that it is.
func (c *cluster) ready(m *machine) {
	c.t.Helper()
	c.eventually(fmt.Sprintf("node %d is ready", m.id), func() error {
		status, text, err := ask(c.t.Context(), m.url, account{}, "GET", "/readyz", nil)
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("status %d: %s", status, text)
		}
		select {
		case <-m.Ended:
			c.t.Fatalf("node %d ended: %v\n%s", m.id, m.Err, m.Said)
		default:
		}
		return err
	})
}

// command runs a command to its end, which must be a good one.
func (c *cluster) command(args ...string) string {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*waitLimit)
	defer cancel()
	said, err := exec.CommandContext(ctx, rig.Binary, args...).CombinedOutput()
	if err != nil {
		c.t.Fatalf("%v: %v\n%s", args, err, said)
	}
	return string(said)
}

func (c *cluster) eventually(what string, ask func() error) {
	c.t.Helper()
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	deadline := time.After(waitLimit)
	for {
		err := ask()
		if err == nil {
			return
		}
		select {
		case <-ticker.C:
		case <-deadline:
			c.t.Fatalf("%s: still not after %v: %v", what, waitLimit, err)
		}
	}
}

// standing is what `evenkeel node status --json` tells of a node.
type standing struct {
	Node    int    `json:"node"`
	Trouble string `json:"trouble"`
	Shards  []struct {
		Shard   int    `json:"shard"`
		Leader  int    `json:"leader"`
		Leads   bool   `json:"leads"`
		Applied uint64 `json:"applied"`
		Members []struct {
			ID      int
			Learner bool
		} `json:"members"`
	} `json:"shards"`
}

// standings asks a node how all are.
func (c *cluster) standings(m *machine) (all []standing) {
	c.t.Helper()
	if err := json.Unmarshal([]byte(c.command("node", "status", "--json", "--data", m.dir)), &all); err != nil {
		c.t.Fatal(err)
	}
	return all
}

// leader is the node that leads a shard, as another node knows.
func (c *cluster) leader(asked *machine, shard int) (leader *machine) {
	c.t.Helper()
	c.eventually(fmt.Sprintf("shard %d has a leader", shard), func() error {
		for _, v := range c.standings(asked) {
			if shard < len(v.Shards) && v.Shards[shard].Leads {
				at := slices.IndexFunc(c.nodes, func(m *machine) bool { return m.id == v.Node })
				leader = c.nodes[at]
				return nil
			}
		}
		return errors.New("nobody leads")
	})
	return leader
}

// object is a JSON object.
type object = map[string]any

// client makes connections that end with their node.
var client = &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 16,
	DialContext: (&net.Dialer{Timeout: 200 * time.Millisecond}).DialContext}}

// ask makes one request.
func ask(ctx context.Context, url string, who account, method, path string, body any, headers ...string) (
	status int, text []byte, err error,
) {
	answer, text, err := exchange(ctx, url, who, method, path, body, headers...)
	if err != nil {
		return 0, nil, err
	}
	return answer.StatusCode, text, nil
}

func exchange(ctx context.Context, url string, who account, method, path string, body any, headers ...string) (
	*http.Response, []byte, error,
) {
	var in io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, nil, err
		}
		in = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, url+path, in)
	if err != nil {
		return nil, nil, err
	}
	if who.KeyID != "" {
		request.Header.Set("APCA-API-KEY-ID", who.KeyID)
		request.Header.Set("APCA-API-SECRET-KEY", who.Secret)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	answer, err := client.Do(request)
	if err != nil {
		return nil, nil, err
	}
	text, err := io.ReadAll(answer.Body)
	return answer, text, errors.Join(err, answer.Body.Close())
}

// must is ask at a node for an object, with a status that has to be.
func (c *cluster) must(m *machine, status int, who account, method, path string, body any, headers ...string) object {
	c.t.Helper()
	got, text, err := ask(c.t.Context(), m.url, who, method, path, body, headers...)
	if err != nil || got != status {
		c.t.Fatalf("node %d: %s %s: status %d, want %d: %v %s", m.id, method, path, got, status, err, text)
	}
	var answer object
	if len(text) > 0 && text[0] == '{' {
		if err := json.Unmarshal(text, &answer); err != nil {
			c.t.Fatal(err)
		}
	}
	return answer
}

// limit is a limit order for the day that rests: nobody sells so low.
func limit(client string) object {
	return object{"symbol": "600000.SH", "side": "buy", "qty": "100", "type": "limit", "time_in_force": "day",
		"limit_price": "9.50", "client_order_id": client}
}
