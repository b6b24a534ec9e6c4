package house_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// postgres is a real PostgreSQL of the test's own.
type postgres struct {
	t        *testing.T
	bin, dir string
	port     int
	owner    *syscall.SysProcAttr
	running  *exec.Cmd
}

// newPostgres makes the data directory of a server that is not running yet.
func newPostgres(t *testing.T) *postgres {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb") // the pattern is a good one
	if path, err := exec.LookPath("initdb"); err == nil {
		found = append(found, path)
	}
	if len(found) == 0 {
		t.Skip("no PostgreSQL server is installed: `make setup` installs Debian's package postgresql")
	}
	dir, err := os.MkdirTemp("", "evenkeel-house-pg-") // not t.TempDir: the server's own user must reach it
	if err != nil {
		t.Fatal(err)
	}
	p := &postgres{t: t, bin: filepath.Dir(slices.Max(found)), dir: dir,
		owner: &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}}
	t.Cleanup(func() {
		p.stop()
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if os.Getuid() == 0 { // a server refuses to run as root
		who, err := user.Lookup("postgres")
		if err != nil {
			t.Skipf("as root, the user of Debian's package postgresql is needed: %v", err)
		}
		uid, _ := strconv.Atoi(who.Uid) // numbers on every Unix
		gid, _ := strconv.Atoi(who.Gid)
		if err := os.Chown(dir, uid, gid); err != nil {
			t.Fatal(err)
		}
		p.owner.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	if out, err := p.command("initdb", "-D", dir+"/data", "-U", "keeper", "-A", "trust", "-E", "UTF8", "--no-sync",
		"--locale=C").CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.port = l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *postgres) command(name string, args ...string) *exec.Cmd {
	c := exec.Command(filepath.Join(p.bin, name), args...)
	c.Dir, c.SysProcAttr, c.Env = p.dir, p.owner, []string{"LC_ALL=C", "PATH=" + os.Getenv("PATH")}
	return c
}

func (p *postgres) address() string {
	return fmt.Sprintf("postgres://keeper@127.0.0.1:%d/postgres?sslmode=disable", p.port)
}

func (p *postgres) start() {
	p.t.Helper()
	p.running = p.command("postgres", "-D", p.dir+"/data", "-p", strconv.Itoa(p.port), "-c",
		"listen_addresses=127.0.0.1",
		"-c", "unix_socket_directories=", "-c", "shared_buffers=16MB")
	if err := p.running.Start(); err != nil {
		p.t.Fatal(err)
	}
	eventually(p.t, "PostgreSQL answers", func() error { _, err := p.count("SELECT 1"); return err })
}

// stop ends the server at once, as a power cut would, and takes its children along.
func (p *postgres) stop() {
	if p.running != nil {
		_ = p.running.Process.Signal(syscall.SIGQUIT)
		_ = p.running.Wait()
		p.running = nil
	}
}

// count reads one number.
func (p *postgres) count(query string) (n int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), waitLimit)
	defer cancel()
	conn, err := pgx.Connect(ctx, p.address())
	if err != nil {
		return 0, err
	}
	err = conn.QueryRow(ctx, query).Scan(&n)
	return n, errors.Join(err, conn.Close(ctx))
}

// TestHistoryInPostgreSQL starts a house whose database is down, trades, and lets the database come, go and come
// back:
// trading never waits, and in the end every event is in it.
func TestHistoryInPostgreSQL(t *testing.T) {
	t.Parallel()
	p := newPostgres(t)
	h := open(t, "--flow", "0", "--records", p.address())
	who := h.accounts[0]
	trade := func() {
		t.Helper()
		id := h.place(who, limit("buy", "600000.SH", 100, "9.90"))
		h.order(who, id, "new")
		h.cancelled(who, id)
		h.order(who, id, "canceled")
	}
	all := func() {
		t.Helper()
		eventually(t, "every event is in the history", func() error {
			told := 0
			for _, a := range h.accounts {
				told += len(h.events(a))
			}
			if kept, err := p.count("SELECT count(*) FROM events"); err != nil || kept != told {
				return fmt.Errorf("%d of %d: %w", kept, told, err)
			}
			return nil
		})
	}
	trade()
	p.start()
	all()
	p.stop()
	trade()
	h.Kill() // and the house dies while its database is down
	h.start()
	h.ready()
	trade()
	p.start()
	all()
	if strings.Contains(h.Said.String(), "panic") {
		t.Error("a panic was said")
	}
	if n, err := p.count("SELECT count(*) FROM orders WHERE done > 0"); err != nil || n != 3 {
		t.Errorf("%d orders that ended are in the history, want 3: %v", n, err)
	}
}
