package records

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// postgres is a PostgreSQL server of this test's own: its data in a directory of its own, on a port of 127.0.0.1.
type postgres struct {
	bin, dir string
	port     int
	owner    *syscall.SysProcAttr
	process  *exec.Cmd
	output   bytes.Buffer
	made     int
}

var shared struct {
	mu     sync.Mutex
	server *postgres
}

func TestMain(m *testing.M) {
	code := m.Run()
	if p := shared.server; p != nil {
		p.kill()
		_ = os.RemoveAll(p.dir)
	}
	os.Exit(code)
}

// server returns the server of all tests, and starts it for the first.
func server(t *testing.T) *postgres {
	t.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.server == nil {
		shared.server = newPostgres(t)
		shared.server.start(t)
	}
	return shared.server
}

// newPostgres makes the data directory of a server.
func newPostgres(t *testing.T) *postgres {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if path, missing := exec.LookPath("initdb"); missing == nil {
		found = append(found, path)
	}
	if err != nil || len(found) == 0 {
		t.Skip("no PostgreSQL server is installed: `make setup` installs Debian's package postgresql")
	}
	p := &postgres{bin: filepath.Dir(slices.Max(found)), owner: &syscall.SysProcAttr{}}
	// Not t.TempDir: the server's own user must be able to reach it, and it outlives the test that made it.
	if p.dir, err = os.MkdirTemp("", "evenkeel-postgres-"); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 { // a server refuses to run as root
		who, err := user.Lookup("postgres")
		if err != nil {
			t.Fatalf("as root, the user of Debian's package postgresql is needed: %v", err)
		}
		uid, err1 := strconv.Atoi(who.Uid)
		gid, err2 := strconv.Atoi(who.Gid)
		if err1 != nil || err2 != nil || os.Chown(p.dir, uid, gid) != nil {
			t.Fatalf("give %s to the user postgres", p.dir)
		}
		p.owner.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	p.owner.Pdeathsig = syscall.SIGQUIT // a test that is killed leaves no server behind
	out, err := p.command("initdb", "-D", p.dir+"/data", "-U", "keeper", "-A", "trust", "-E", "UTF8", "--no-sync",
		"--locale=C").CombinedOutput()
	if err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.port = listener.Addr().(*net.TCPAddr).Port
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *postgres) command(name string, args ...string) *exec.Cmd {
	c := exec.Command(filepath.Join(p.bin, name), args...)
	c.Dir, c.SysProcAttr, c.Env = p.dir, p.owner, []string{"LC_ALL=C", "PATH=" + os.Getenv("PATH")}
	return c
}

// start starts the server and waits until it answers.
func (p *postgres) start(t *testing.T) {
	t.Helper()
	p.process = p.command("postgres", "-D", p.dir+"/data", "-p", strconv.Itoa(p.port), "-c", "listen_addresses=127.0.0.1",
		"-c", "unix_socket_directories=", "-c", "shared_buffers=16MB")
	p.process.Stdout, p.process.Stderr = &p.output, &p.output
	if err := p.process.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "PostgreSQL answers", func() bool {
		conn, err := pgx.Connect(context.Background(), p.address("postgres"))
		if err != nil {
			return false
		}
		_ = conn.Close(context.Background())
		return true
	})
}

// kill ends the server at once, as a power cut would: SIGQUIT makes it leave without writing anything, and, unlike
// SIGKILL, take its children along.
func (p *postgres) kill() {
	_ = p.process.Process.Signal(syscall.SIGQUIT)
	_ = p.process.Wait()
}

func (p *postgres) address(database string) string {
	return fmt.Sprintf("postgres://keeper@127.0.0.1:%d/%s?sslmode=disable", p.port, database)
}

// database makes an empty database and returns its address.
func (p *postgres) database(t *testing.T) string {
	t.Helper()
	shared.mu.Lock()
	p.made++
	name := fmt.Sprintf("history%d", p.made)
	shared.mu.Unlock()
	db := p.connect(t, "postgres")
	if _, err := db.ExecContext(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	return p.address(name)
}

func (p *postgres) connect(t *testing.T, name string) *sql.DB {
	t.Helper()
	config, err := pgx.ParseConfig(p.address(name))
	if err != nil {
		t.Fatal(err)
	}
	db := stdlib.OpenDB(*config)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// TestHistoryServerDies kills PostgreSQL again and again while events come, starts it again, and finds every event
// once.
func TestHistoryServerDies(t *testing.T) {
	p := newPostgres(t)
	t.Cleanup(func() { _ = os.RemoveAll(p.dir) })
	h, d, tail := newHouse(40, 5), NewDay(), NewTail()
	d.Feed(tail)
	h.entries[0].into(d)
	// It is down when the history begins.
	f := follow(t, HistoryOptions{URL: p.address("postgres")}, tail, h.replay)
	h.startDay(days[0]).into(d)
	for round := range 5 {
		for range 200 {
			h.step().into(d)
		}
		if _, err := f.Events(t.Context(), 1, EventFilter{}); err == nil {
			t.Fatal("a server that is down answers")
		}
		at := f.Index(0) // before: on a busy machine all may be caught up with when start returns
		p.start(t)
		until(t, "it goes on", func() bool { return f.Index(0) > at })
		if round == 4 {
			f.reach(t, h)
			f.agree(t, h)
		}
		for range 300 {
			h.step().into(d)
		}
		p.kill() // in the middle of writing, or not
	}
	p.start(t)
	f.reach(t, h)
	f.agree(t, h)
	f.stop()
	var rows, numbers int
	err := p.connect(t, "postgres").QueryRowContext(t.Context(),
		"SELECT count(*), count(DISTINCT (account, number)) FROM events").Scan(&rows, &numbers)
	want := 0
	for _, a := range h.accounts {
		want += len(h.stream(a.id))
	}
	if err != nil || rows != want || numbers != want {
		t.Errorf("%d rows, %d numbers, want %d: %v", rows, numbers, want, err)
	}
	p.kill()
}

// TestHistorySlowServer: a statement that does not end is given up, and the rest goes on.
func TestHistorySlowServer(t *testing.T) {
	p := server(t)
	h := newHouse(41, 2)
	h.run(days[:1], 50)
	tail := NewTail()
	tail.Begin(h.index)
	address := p.database(t)
	f := follow(t, HistoryOptions{URL: address}, tail, h.replay)
	f.reach(t, h)
	config, err := pgx.ParseConfig(address)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "BEGIN; LOCK TABLE events"); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := f.Events(short, 1, EventFilter{}); err == nil {
		t.Error("a locked table answers")
	}
	if _, err := conn.Exec(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	_ = conn.Close(t.Context())
	f.agree(t, h)
}
