package replica

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	directoryVariable = "REPLICA_TEST_DIR"
	killRounds        = 40
)

// childMain is the process that a test kills ("writer") or starves of room ("starved").
func childMain(role string) int {
	o := testOptions(os.Getenv(directoryVariable))
	o.Limits.SnapshotBytes = 16 << 10
	g, err := Open(o)
	if err != nil {
		fmt.Println("error", err)
		return 1
	}
	if role == "starved" {
		signal.Ignore(syscall.SIGXFSZ)
		limit := syscall.Rlimit{Cur: 1<<20 + 4096, Max: 1<<20 + 4096} // a segment and no more
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
			fmt.Println("error", err)
			return 1
		}
	}
	if role == "starved" { // however slow the machine is, something is acknowledged before the room is used up
		answer, err := g.Propose(context.Background(), []byte("first"))
		if err != nil {
			fmt.Println("error", err)
			return 1
		}
		fmt.Println("ack", answer, "first")
	}
	var mutex sync.Mutex
	for w := range 4 {
		go func() {
			for n := 0; ; n++ {
				command := fmt.Sprintf("%d-%d-%d %0*d", os.Getpid(), w, n, n*37%1500+1, 0)
				_ = g.Submit([]byte(command), func(answer uint64, err error) {
					if err == nil {
						mutex.Lock()
						fmt.Println("ack", answer, command)
						mutex.Unlock()
					}
				})
				if n%16 == 0 {
					time.Sleep(100 * time.Microsecond)
				}
			}
		}()
	}
	err = <-g.Failed()
	closed := g.Close()
	_, refused := g.Propose(context.Background(), []byte("x"))
	fmt.Println("failed", closed, "|", refused, "|", err)
	return 0
}

// child starts the test binary in a role.
func child(t *testing.T, role, dir string) (*exec.Cmd, io.Reader) {
	t.Helper()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), childVariable+"="+role, directoryVariable+"="+dir)
	command.Stderr = os.Stderr
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	return command, out
}

// An account is what children acknowledged: number of a command to the command.
type account map[uint64]string

// hear reads what a child says until it ends. first is called at the first acknowledgement.
func (a account) hear(t *testing.T, out io.Reader, first func()) (rest []string) {
	t.Helper()
	in := bufio.NewReader(out)
	for {
		line, err := in.ReadString('\n')
		if err != nil { // a line without its end was cut by the kill: nobody heard it
			return rest
		}
		word, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		if word != "ack" {
			rest = append(rest, line)
			continue
		}
		number, command, _ := strings.Cut(text, " ")
		n, err := strconv.ParseUint(number, 10, 64)
		if err != nil {
			t.Fatal(line)
		}
		if had, ok := a[n]; ok {
			t.Fatalf("command %d was %q and is %q", n, had, command)
		}
		a[n] = command
		if first != nil {
			first()
			first = nil
		}
	}
}

// check opens the directory and demands every acknowledged command in its place.
func (a account) check(t *testing.T, dir string) {
	t.Helper()
	o := testOptions(dir)
	g := open(t, o)
	got := lines(t, g)
	for n, command := range a {
		if n > uint64(len(got)) || got[n-1] != command {
			t.Fatalf("acknowledged command %d, %.40q, is not there; %d commands are", n, command, len(got))
		}
	}
	closeGroup(t, g)
}

func TestKilledAtAnyMoment(t *testing.T) {
	dir := t.TempDir()
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	rounds := killRounds
	if testing.Short() {
		rounds = 5
	}
	snapshots := filepath.Join(homeDir(dir, 7), snapshotsName)
	acknowledged := account{}
	for round := range rounds {
		command, out := child(t, "writer", dir)
		wait := time.Duration(random.IntN(40_000)) * time.Microsecond
		kill := func() { _ = command.Process.Signal(syscall.SIGKILL) }
		if round%4 == 3 { // also while it starts
			time.AfterFunc(wait, kill)
			acknowledged.hear(t, out, nil)
		} else {
			rest := acknowledged.hear(t, out, func() {
				go func() {
					if round == 1 { // however slow the machine is, the rounds after this one begin with a snapshot
						awaitSnapshot(snapshots, 20*time.Second)
					}
					time.AfterFunc(wait, kill)
				}()
			})
			if len(rest) > 0 {
				t.Fatalf("round %d: %q", round, rest)
			}
		}
		_ = command.Wait() // killed
		if round%8 == 7 {
			acknowledged.check(t, dir)
		}
	}
	acknowledged.check(t, dir)
	kept, err := snapshotFiles(snapshots)
	if err != nil || len(kept) == 0 {
		t.Fatalf("no snapshot was made in all rounds, %v", err)
	}
	t.Logf("%d commands were acknowledged in %d rounds", len(acknowledged), rounds)
}

// awaitSnapshot waits until dir has a snapshot, or long enough.
func awaitSnapshot(dir string, atMost time.Duration) {
	for deadline := time.Now().Add(atMost); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if kept, err := snapshotFiles(dir); err == nil && len(kept) > 0 {
			return
		}
	}
}

func TestFileLimitFailsTheGroup(t *testing.T) {
	dir := t.TempDir()
	acknowledged := account{}
	command, out := child(t, "starved", dir)
	rest := acknowledged.hear(t, out, nil)
	if err := command.Wait(); err != nil {
		t.Fatalf("%v: %q", err, rest)
	}
	last := strings.Join(rest, "")
	for _, want := range []string{"failed <nil> | the group is closed |", "writing the log " + dir, ".wal", "make room"} {
		if !strings.Contains(last, want) {
			t.Errorf("%q is not in %q", want, last)
		}
	}
	if len(acknowledged) == 0 {
		t.Error("nothing was acknowledged before")
	}
	acknowledged.check(t, dir)
}

func TestFullDiskFailsTheGroup(t *testing.T) {
	dir := t.TempDir()
	mount := func(flags uintptr, size string) error {
		return syscall.Mount("tmpfs", dir, "tmpfs", flags, "size="+size)
	}
	if err := mount(0, "5m"); err != nil {
		t.Skipf("a file system of its own cannot be mounted here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, 0) })
	o := testOptions(dir)
	g := open(t, o)
	acknowledged := account{}
	var unknown int
	var mutex sync.Mutex
	var failure error
	acknowledged[propose(t, g, "first")] = "first"
	for n := 0; failure == nil; n++ {
		command := numbered(n) + strings.Repeat(".", 2000)
		_ = g.Submit([]byte(command), func(answer uint64, err error) {
			mutex.Lock()
			defer mutex.Unlock()
			if err == nil {
				acknowledged[answer] = command
			} else if errors.Is(err, ErrUnknown) {
				unknown++
			}
		})
		select {
		case failure = <-g.Failed():
		default:
		}
	}
	if !errors.Is(failure, syscall.ENOSPC) || !strings.Contains(failure.Error(), "make room") ||
		!strings.Contains(failure.Error(), dir) {
		t.Fatalf("failure %v", failure)
	}
	if err := g.Submit([]byte("x"), nil); !errors.Is(err, ErrFailed) || !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("submit: %v", err)
	}
	if got := lines(t, g); len(got) < len(acknowledged) { // a failed group can still be read
		t.Fatalf("%d commands are there", len(got))
	}
	if s := g.Status(); s.Leading || s.Failure == "" {
		t.Fatalf("status %+v", s)
	}
	closeGroup(t, g)
	if unknown == 0 || len(acknowledged) == 0 {
		t.Fatalf("%d unknown, %d acknowledged", unknown, len(acknowledged))
	}
	if err := mount(syscall.MS_REMOUNT, "64m"); err != nil {
		t.Fatal(err)
	}
	acknowledged.check(t, dir)
}
