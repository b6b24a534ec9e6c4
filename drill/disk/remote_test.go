package disk

import (
	"fmt"
	"io"
	"net/rpc"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// The disk of a test lives in a process of its own: one that serves a file system and uses it as well can wait for
// itself.
const childVariable = "EVENKEEL_TEST_DISK"

func TestMain(m *testing.M) {
	dir := os.Getenv(childVariable)
	if dir == "" {
		os.Exit(m.Run())
	}
	if err := serve(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(dir string) error {
	d, err := Mount(filepath.Join(dir, "below"), filepath.Join(dir, "disk"))
	if err != nil {
		return err
	}
	server := rpc.NewServer()
	if err := server.RegisterName("Disk", (*child)(d)); err != nil {
		return err
	}
	server.ServeConn(pipes{os.Stdin, os.Stdout}) // until the test closes its end
	return d.Unmount()
}

type pipes struct {
	io.ReadCloser
	io.Writer
}

// child is a disk as its test calls it.
type child Disk

// Done is an answer that says nothing.
type Done struct{}

// Counts are two numbers.
type Counts struct{ A, B int }

// Flip names a bit.
type Flip struct {
	Name   string
	Offset int64
}

func (c *child) Set(condition Condition, _ *Done) error {
	(*Disk)(c).Set(condition)
	return nil
}

func (c *child) LosePower(l Loss, _ *Done) error {
	_, _, err := (*Disk)(c).LosePower(l)
	return err
}

func (c *child) FlipBit(f Flip, _ *Done) error { return (*Disk)(c).FlipBit(f.Name, f.Offset, 0) }

func (c *child) Syncs(_ Done, counts *Counts) error {
	counts.A, counts.B = (*Disk)(c).Syncs()
	return nil
}

func (c *child) Unsynced(_ Done, counts *Counts) error {
	counts.A, counts.B = (*Disk)(c).Unsynced()
	return nil
}

// remote is the disk of a test.
type remote struct {
	t      *testing.T
	client *rpc.Client
}

// mount mounts a disk for the test.
func mount(t *testing.T) (*remote, string) {
	t.Helper()
	if err := Usable(); err != nil {
		t.Skip("left out: ", err)
	}
	dir := t.TempDir()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), childVariable+"="+dir)
	command.Stderr = os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	r := &remote{t, rpc.NewClient(struct {
		io.Reader
		io.WriteCloser
	}{out, in})}
	t.Cleanup(func() {
		_ = r.client.Close()
		if err := command.Wait(); err != nil {
			t.Error("the disk ended with", err)
		}
	})
	r.syncs() // it is mounted
	return r, filepath.Join(dir, "disk")
}

func (r *remote) call(method string, question, answer any) {
	r.t.Helper()
	if err := r.client.Call("Disk."+method, question, answer); err != nil {
		r.t.Fatal(method, ": ", err)
	}
}

func (r *remote) set(c Condition) { r.call("Set", c, &Done{}) }

func (r *remote) losePower(l Loss) { r.call("LosePower", l, &Done{}) }

func (r *remote) syncs() (c Counts) {
	r.call("Syncs", Done{}, &c)
	return c
}
