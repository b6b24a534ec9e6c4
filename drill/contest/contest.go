// Package contest measures the road of an order to the disks of a majority and back, beside what others do with the
// same work in the same run: etcd's puts on three nodes, and an order as a transaction of PostgreSQL.
//
// Units: orders a second; microseconds.
//
// What is measured of us: real processes on this machine, each with the log (replica, real syncs), the books (the
// broker's state and the day's records) and the connections between nodes (peer, mutual TLS) that it has in service,
// and without door and exchange. The client is a process of its own: it reaches the leader as every node does, through
// relay. An order is a PlaceOrder command that freezes cash; it is answered when a majority has it on disk and the
// leader has applied it. etcd's client puts as many bytes, over gRPC without TLS, to the leader; PostgreSQL freezes
// cash and inserts the order in one round trip, over a local socket.
//
// Invariants: the same loop for everybody: so many in flight, the next one when one is answered; a warm-up that is not
// counted; one after the other, so that nobody shares the processors with another.
//
// It never measures a rival with durability turned down.
package contest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"evenkeel/peer"
	"evenkeel/replica"
)

// Config of a run.
type Config struct {
	Program string        // this binary, whose words MemberWords make a member
	Words   []string      // before a member's flags
	Rivals  string        // the binary of tools/rivals; "": only us
	Dir     string        // on the disk that is measured
	Flights []int         // in flight
	Warm    time.Duration // before each measurement
	Lasts   time.Duration
	Say     func(format string, args ...any)
}

// Row is one measurement.
type Row struct {
	Name     string  `json:"name"`
	Flight   int     `json:"flight"`
	Requests int64   `json:"requests"`
	Rate     float64 `json:"rate"` // a second
	P50      int64   `json:"p50"`
	P99      int64   `json:"p99"`
	// Processor time of an order, in microseconds, over all processes of it; 0: not measured.
	Leader   float64 `json:"leader,omitempty"`
	Follower float64 `json:"follower,omitempty"` // of each
	Client   float64 `json:"client,omitempty"`
}

// Names of what is measured.
const (
	One       = "evenkeel, 1 node"
	Three     = "evenkeel, 3 nodes"
	TwoShards = "evenkeel, 3 nodes, 2 shards"
	Etcd      = "etcd"
	Postgres  = "postgres"
)

// Run measures everybody, one after the other.
func Run(ctx context.Context, c Config) (rows []Row, err error) {
	for _, us := range []struct {
		name          string
		nodes, shards int
	}{{One, 1, 1}, {Three, 3, 1}, {TwoShards, 3, 2}} {
		flights := c.Flights
		if us.shards > 1 {
			flights = flights[len(flights)-1:]
		}
		more, err := c.measure(ctx, us.name, us.nodes, us.shards, flights)
		rows = append(rows, more...)
		if err != nil {
			return rows, fmt.Errorf("%s: %w", us.name, err)
		}
	}
	if c.Rivals == "" {
		return rows, nil
	}
	for _, rival := range []string{Etcd, Postgres} {
		more, err := c.rival(ctx, rival)
		rows = append(rows, more...)
		if err != nil {
			return rows, fmt.Errorf("%s: %w", rival, err)
		}
	}
	return rows, nil
}

// running is a member's process.
type running struct {
	command *exec.Cmd
	node    uint64
}

// measure starts a cluster of our own and measures it.
func (c *Config) measure(ctx context.Context, name string, nodes, shards int, flights []int) (rows []Row, err error) {
	dir, err := os.MkdirTemp(c.Dir, "evenkeel-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	authority, err := peer.CreateAuthority(filepath.Join(dir, "pki"))
	if err != nil {
		return nil, err
	}
	members := make([]replica.Member, nodes+1) // the last one is the driver
	peers := []string{}
	for i := range members {
		address, err := free(ctx)
		if err != nil {
			return nil, err
		}
		members[i] = replica.Member{ID: uint64(i) + 1, Address: address} //nolint:gosec // few
		peers = append(peers, fmt.Sprintf("%d=%s", i+1, address))
		if _, err := authority.IssueNode(uint64(i)+1, nil, identityOf(dir, i)); err != nil { //nolint:gosec // few
			return nil, err
		}
	}
	var processes []running
	defer func() {
		for _, p := range processes {
			_ = p.command.Process.Kill()
			_ = p.command.Wait()
		}
	}()
	for i := range nodes {
		p, err := c.start(dir, i, peers, shards)
		if err != nil {
			return nil, err
		}
		processes = append(processes, p)
	}
	d, err := openDriver(ctx, identityOf(dir, nodes), members[nodes], members[:nodes], shards)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	if err := d.found(); err != nil {
		return nil, err
	}
	leads := d.shards[0].Status().Leader
	for _, flight := range flights {
		before, own := usage(processes), ownUsage()
		first := d.serial
		requests, took, err := d.measure(flight, c.Warm, c.Lasts)
		if err != nil {
			return rows, err
		}
		row := Row{Name: name, Flight: flight, Requests: requests, Rate: float64(requests) / c.Lasts.Seconds(),
			P50: took.ValueAtQuantile(50), P99: took.ValueAtQuantile(99)}
		orders := float64(d.serial - first)
		for node, spent := range usage(processes) {
			spent -= before[node]
			if node == leads {
				row.Leader = spent / orders
			} else {
				row.Follower = spent / orders
			}
		}
		row.Client = (ownUsage() - own) / orders
		rows = append(rows, row)
		c.Say("%-28s %5d in flight: %8.0f a second, p50 %d us, p99 %d us", name, flight, row.Rate, row.P50, row.P99)
	}
	return rows, nil
}

func identityOf(dir string, i int) string {
	return filepath.Join(dir, "pki", fmt.Sprintf("node-%d", i+1))
}

// start starts a member and waits until it is ready.
func (c *Config) start(dir string, i int, peers []string, shards int) (running, error) {
	data := filepath.Join(dir, fmt.Sprintf("member-%d", i+1))
	if err := os.MkdirAll(data, 0o700); err != nil {
		return running{}, err
	}
	_, address, _ := strings.Cut(peers[i], "=")
	args := append(append([]string{}, c.Words...), "--node", strconv.Itoa(i+1), "--data", data, "--peer-tls",
		identityOf(dir, i), "--peer-listen", address, "--peers", strings.Join(peers[:len(peers)-1], ","), "--driver",
		peers[len(peers)-1], "--shards", strconv.Itoa(shards))
	command := exec.Command(c.Program, args...) //nolint:gosec,noctx // our own program; its end is ours to choose
	command.Stderr = os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := command.StdoutPipe()
	if err != nil {
		return running{}, err
	}
	if err := command.Start(); err != nil {
		return running{}, err
	}
	p := running{command, uint64(i) + 1} //nolint:gosec // few
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		return p, errors.Join(fmt.Errorf("member %d said %q: %w", i+1, line, err), command.Process.Kill())
	}
	return p, nil
}

func free(ctx context.Context) (string, error) {
	var listen net.ListenConfig
	l, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// ticksOfSecond is the kernel's unit of processor time in /proc (USER_HZ).
const ticksOfSecond = 100

// usage is the processor time that members have spent, in microseconds.
func usage(processes []running) map[uint64]float64 {
	spent := map[uint64]float64{}
	for _, p := range processes {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.command.Process.Pid))
		if err != nil {
			continue
		}
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		user, _ := strconv.ParseFloat(fields[11], 64)
		system, _ := strconv.ParseFloat(fields[12], 64)
		spent[p.node] = (user + system) * float64(time.Second/time.Microsecond) / ticksOfSecond
	}
	return spent
}

func ownUsage() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return float64(u.Utime.Sec+u.Stime.Sec)*1e6 + float64(u.Utime.Usec+u.Stime.Usec)
}

// rival runs tools/rivals, which prints a row on each line.
func (c *Config) rival(ctx context.Context, name string) (rows []Row, err error) {
	dir, err := os.MkdirTemp(c.Dir, name+"-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	flights := []string{}
	for _, f := range c.Flights {
		flights = append(flights, strconv.Itoa(f))
	}
	command := exec.CommandContext(ctx, c.Rivals, name, "--dir", dir, "--flights", //nolint:gosec // as the caller said
		strings.Join(flights, ","), "--warm", c.Warm.String(), "--time", c.Lasts.String(), "--size",
		strconv.Itoa(commandSize()))
	var wrong bytes.Buffer
	command.Stderr = &wrong
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, wrong.Bytes()[max(0, wrong.Len()-2000):])
	}
	for line := range bytes.Lines(out) {
		var row Row
		if err := json.Unmarshal(line, &row); err != nil {
			return rows, fmt.Errorf("%q: %w", line, err)
		}
		rows = append(rows, row)
		c.Say("%-28s %5d in flight: %8.0f a second, p50 %d us, p99 %d us", name, row.Flight, row.Rate, row.P50, row.P99)
	}
	return rows, nil
}
