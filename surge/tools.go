package surge

import (
	"context"
	"fmt"
	"io"
	"net"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// tool is an attack that a published program makes, beside ours: we might be blind to what we forgot.
type tool struct {
	kind
	program string
	secure  bool
	words   func(at string, n, seconds int) []string // at: host:port
}

// slow is an attack of slowhttptest.
func slow(name, letter, path string, more ...string) tool {
	words := func(at string, n, seconds int) []string {
		return append([]string{letter, "-c", strconv.Itoa(n), "-r", strconv.Itoa(n), "-i", "1", "-p", "2", "-l",
			strconv.Itoa(seconds), "-u", "http://" + at + path}, more...)
	}
	return tool{kind{name: "slowhttptest " + name, n: 100}, "slowhttptest", false, words}
}

var tools = []tool{
	slow("headers", "-H", "/v2/clock"),
	slow("body", "-B", "/api/v1/login", "-s", "60000"),
	slow("range", "-R", "/api/v1/openapi.yaml", "-a", "5", "-b", "3000"),
	slow("read", "-X", "/api/v1/openapi.yaml", "-w", "10", "-y", "20", "-n", "1", "-z", "5", "-k", "10"),
	{kind{name: "h2load", n: 10}, "h2load", true, func(at string, n, seconds int) []string {
		return []string{"-D", strconv.Itoa(seconds), "-c", strconv.Itoa(n), "-m", "100", "https://" + at + "/v2/clock"}
	}},
}

// installed are the attacks of the programs that this machine has; missing are those that it lacks.
func installed() (all []kind, missing []string) {
	for i := range tools {
		t := &tools[i]
		switch _, err := exec.LookPath(t.program); {
		case err != nil && !slices.Contains(missing, t.program):
			missing = append(missing, t.program)
		case err == nil:
			k := t.kind
			k.storm = func(ctx context.Context, at *target, from net.IP, n int) {
				if err := t.run(ctx, at, from, n); err != nil {
					at.failed.Store(&err)
				}
			}
			all = append(all, k)
		}
	}
	return all, missing
}

// longestTool is how long a program may attack, whatever becomes of us.
const longestTool = 90 * time.Second

// run lets the program attack from an address, for as long as ctx lasts. Published
// tools cannot choose theirs: what they send to us we send on from there.
func (k *tool) run(ctx context.Context, t *target, from net.IP, n int) error {
	to := t.plain
	if k.secure {
		to = t.secure
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("surge: a door for %s: %w", k.program, err)
	}
	var all sync.WaitGroup
	defer all.Wait()
	ctx, stop := context.WithTimeout(ctx, longestTool)
	defer stop()
	context.AfterFunc(ctx, func() { _ = l.Close() })
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { t.forward(ctx, c, from, to) })
		}
	})
	words := k.words(l.Addr().String(), n, int(longestTool.Seconds()))
	command := exec.CommandContext(ctx, k.program, words...) //nolint:gosec // of our table
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := command.Start(); err != nil {
		return fmt.Errorf("surge: %w", err)
	}
	if err := asides(command.Process.Pid); err != nil {
		return err
	}
	_ = command.Wait() // it is ended by force
	return nil
}

// asides puts a process where the crowds are, behind them.
func asides(pid int) error {
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, pid, stormNice) // a courtesy
	return pin(pid, 0, 1)
}

// forward carries a connection on from an address, both ways, with as little held between as the kernel lets us.
func (t *target) forward(ctx context.Context, c net.Conn, from net.IP, to string) {
	defer func() { _ = c.Close() }()
	server, release := t.connect(ctx, from, to)
	if server == nil {
		return
	}
	defer release()
	ends := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer ends()
	for _, side := range []net.Conn{c, server} {
		if tcp, ok := side.(*net.TCPConn); ok {
			_ = tcp.SetReadBuffer(4096)
			_ = tcp.SetWriteBuffer(4096)
		}
	}
	var up sync.WaitGroup
	up.Go(func() {
		_, _ = io.Copy(server, c)
		_ = server.Close() // the attacker has gone
	})
	if _, err := io.Copy(c, server); err == nil {
		t.cut(ctx)
	}
	_ = c.Close()
	up.Wait()
}
