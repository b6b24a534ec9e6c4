package disk

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// childVariable makes a test binary the process that serves a disk.
const childVariable = "EVENKEEL_TEST_DISK"

func TestMain(m *testing.M) {
	dir := os.Getenv(childVariable)
	if dir == "" {
		os.Exit(m.Run())
	}
	if err := Serve(filepath.Join(dir, "below"), filepath.Join(dir, "disk"), os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// remote is the disk of a test.
type remote struct {
	*Remote
	t *testing.T
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
	r, err := Spawn(command, filepath.Join(dir, "below"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Unmount(); err != nil {
			t.Error(err)
		}
	})
	return &remote{r, t}, filepath.Join(dir, "disk")
}

func (r *remote) set(c Condition) {
	r.t.Helper()
	if err := r.Set(c); err != nil {
		r.t.Fatal(err)
	}
}

func (r *remote) losePower(l Loss) {
	r.t.Helper()
	if _, err := r.LosePower(l); err != nil {
		r.t.Fatal(err)
	}
}

func (r *remote) count() Counts {
	r.t.Helper()
	c, err := r.Count()
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}
