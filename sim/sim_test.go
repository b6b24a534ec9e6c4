package sim

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/cryptotest"
	"time"

	"evenkeel/replica"
)

// The variables of a run, all optional:
//
//	SEEDS, FROM      how many seeds, and the first of them
//	TRACE            with SEEDS=1: everything that happens is written to standard output
//	EVENKEEL_PLANT   in a build with the tag `planted`: the bug to plant
//	EVENKEEL_CHILD   set for the processes that this test starts: every how many-th seed is theirs
const (
	plantVariable = "EVENKEEL_PLANT"
	childVariable = "EVENKEEL_CHILD"
)

// plainSeeds is how many seeds run where nobody says how many: `go test ./...` should not take minutes.
const plainSeeds = 40

func number(t *testing.T, variable string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return n
}

// TestMain makes the log's segments small: a world has many, and each lives for seconds.
func TestMain(m *testing.M) {
	replica.SegmentBytes(segmentBytes)
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}

const segmentBytes = 64 << 10

// scratch is a directory for disks, in memory where this machine has one: what a world writes is of no use later.
func scratch(t *testing.T) string {
	t.Helper()
	const memory = "/dev/shm"
	if info, err := os.Stat(memory); err != nil || !info.IsDir() {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp(memory, "evenkeel-sim-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// live runs one seed with the process's random source set by it.
func live(t *testing.T, seed uint64, dir string, trace io.Writer) (r Report) {
	t.Helper()
	t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
		cryptotest.SetGlobalRandom(t, seed)
		r = Run(Options{Seed: seed, Dir: dir, Trace: trace})
	})
	return r
}

// A result is what a child says of a seed, one line of JSON each.
type result struct {
	Seed   uint64
	Digest uint64
	Wrong  string
	Took   time.Duration
	Counts Counts
	Events uint64
	Lasted time.Duration
}

const resultPrefix = "seed: "

// TestLife runs seeds in this process. It is what TestSeeds starts in each of its children, and what replays a seed.
func TestLife(t *testing.T) {
	step := number(t, childVariable, 0)
	if step == 0 && os.Getenv("SEEDS") != "1" {
		t.Skip("TestSeeds runs this in processes of its own")
	}
	plant(t)
	from, seeds, dir := number(t, "FROM", 1), number(t, "SEEDS", 1), scratch(t)
	var trace io.Writer
	if os.Getenv("TRACE") != "" {
		buffered := bufio.NewWriterSize(os.Stdout, 1<<20)
		defer buffered.Flush() //nolint:errcheck // standard output
		trace = buffered
	}
	for i := range seeds {
		began := time.Now()
		r := live(t, from+i*max(1, step), dir, trace)
		said := result{Seed: r.Seed, Digest: r.Digest, Took: time.Since(began), Counts: r.Counts, Events: r.Events,
			Lasted: r.Lasted}
		if r.Err != nil {
			said.Wrong = r.Err.Error()
		}
		line, err := json.Marshal(said)
		if err != nil {
			t.Fatal(err)
		}
		if step != 0 {
			fmt.Printf("%s%s\n", resultPrefix, line)
		} else {
			t.Logf("seed %d: digest %016x, %d events, %v of the world in %v\n%+v", r.Seed, r.Digest, r.Events, r.Lasted,
				said.Took.Round(time.Millisecond), r.Counts)
		}
		if r.Err != nil {
			t.Errorf("seed %d: %v", r.Seed, r.Err)
			if step != 0 && os.Getenv(plantVariable) != "" {
				return // the bug is found
			}
		}
	}
}

// children runs seeds in processes of their own, as many as there are processors: the random source of a process can
// be set for one world at a time. It calls hear with each result, in the order in which they come.
func children(t *testing.T, from, seeds uint64, variables []string, hear func(result)) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	processes := min(uint64(runtime.NumCPU()), seeds)
	var lock sync.Mutex
	var work sync.WaitGroup
	for p := range processes {
		mine := (seeds - p + processes - 1) / processes
		command := exec.CommandContext(t.Context(), program, "-test.run=^TestLife$", "-test.timeout=0")
		command.Env = append(os.Environ(), "GOMAXPROCS=1", fmt.Sprint("FROM=", from+p), fmt.Sprint("SEEDS=", mine),
			fmt.Sprint(childVariable, "=", processes))
		command.Env = append(command.Env, variables...)
		command.Stderr = os.Stderr
		out, err := command.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		work.Go(func() {
			heard := uint64(0)
			var rest []string
			lines := bufio.NewScanner(out)
			lines.Buffer(nil, 1<<24)
			for lines.Scan() {
				text, is := strings.CutPrefix(lines.Text(), resultPrefix)
				var r result
				if !is || json.Unmarshal([]byte(text), &r) != nil {
					rest = append(rest, lines.Text())
					continue
				}
				heard++
				lock.Lock()
				hear(r)
				lock.Unlock()
			}
			var exit *exec.ExitError
			if err := command.Wait(); err != nil && !errors.As(err, &exit) || heard == 0 {
				t.Errorf("a process with seeds from %d ended after %d of them: %v\n%s", from+p, heard, err,
					strings.Join(rest, "\n"))
			}
		})
	}
	work.Wait()
}

// TestSeeds is the simulation: so many worlds, and none in which a check sees anything.
func TestSeeds(t *testing.T) {
	if os.Getenv(childVariable) != "" || os.Getenv("SEEDS") == "1" {
		t.Skip("TestLife runs this seed")
	}
	if os.Getenv(plantVariable) != "" {
		t.Skip("a bug is planted")
	}
	from, seeds := number(t, "FROM", 1), number(t, "SEEDS", plainSeeds)
	began, told := time.Now(), time.Now()
	var all []result
	children(t, from, seeds, nil, func(r result) {
		all = append(all, r)
		if r.Wrong != "" {
			t.Errorf("seed %d: %s\nto see it again: make sim SEEDS=1 FROM=%d TRACE=1\n%s", r.Seed, r.Wrong, r.Seed,
				lastOf(t, r.Seed))
		}
		if time.Since(told) > 10*time.Second {
			told = time.Now()
			fmt.Printf("sim: %d of %d seeds in %v\n", len(all), seeds, time.Since(began).Round(time.Second))
		}
	})
	if uint64(len(all)) != seeds {
		t.Errorf("%d of %d seeds were heard of", len(all), seeds)
	}
	summary(t, all, time.Since(began))
}

// lastOf lives a seed again and returns the end of its trace.
func lastOf(t *testing.T, seed uint64) string {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		return err.Error()
	}
	command := exec.CommandContext(t.Context(), program, "-test.run=^TestLife$", "-test.timeout=10m")
	command.Env = append(os.Environ(), "GOMAXPROCS=1", fmt.Sprint("FROM=", seed), "SEEDS=1", "TRACE=1")
	out, err := command.CombinedOutput()
	if err == nil {
		return "lived again it does not go wrong: the world is not a function of its seed"
	}
	lines := strings.Split(strings.TrimRight(string(out), "\n"), "\n")
	const most = 60
	return strings.Join(lines[max(0, len(lines)-most):], "\n")
}

// summary says how much was tried, so that a fault that never happens is seen.
func summary(t *testing.T, all []result, took time.Duration) {
	t.Helper()
	var c Counts
	var world, spent time.Duration
	var events uint64
	slowest := result{}
	for _, r := range all {
		world += r.Lasted
		spent += r.Took
		events += r.Events
		if r.Took > slowest.Took {
			slowest = r
		}
		c.add(&r.Counts)
	}
	t.Logf("%d seeds, %v of the world in %v (%v of processors), %d events; slowest: seed %d, %v", len(all),
		world.Round(time.Second), took.Round(time.Second), spent.Round(time.Second), events, slowest.Seed,
		slowest.Took.Round(time.Millisecond))
	t.Logf("%+v", c)
	var counts []Counts
	for _, r := range all {
		counts = append(counts, r.Counts)
	}
	t.Logf("one fault at a time, somebody was answered at least every %v", c.Gap.Round(time.Millisecond))
	t.Logf("what was tried\n%s", coverage(counts))
	if missing := c.missing(); len(missing) > 0 && len(all) > 200 {
		t.Errorf("in %d seeds these never took effect: %s", len(all), strings.Join(missing, ", "))
	}
}

// TestSameSeedSameDigest: what happens in a world is a function of its seed, whatever else this machine does.
func TestSameSeedSameDigest(t *testing.T) {
	if os.Getenv(childVariable) != "" || os.Getenv(plantVariable) != "" || os.Getenv("SEEDS") == "1" {
		t.Skip("TestLife runs one seed")
	}
	dir := scratch(t)
	for _, seed := range []uint64{1, 2, 3} {
		first := live(t, seed, dir, nil)
		if second := live(t, seed, dir, io.Discard); first.Digest != second.Digest || first.Events != second.Events {
			t.Errorf("seed %d: digest %016x after %d events, and the second time %016x after %d", seed, first.Digest,
				first.Events, second.Digest, second.Events)
		}
		t.Logf("seed %d: digest %016x, %d events", seed, first.Digest, first.Events)
	}
}

// TestTimetable: appointments come by time, those of one time in the order in which they were made.
func TestTimetable(t *testing.T) {
	var table timetable
	var got []int
	for i, at := range []int64{5, 3, 5, 1, 3, 9, 1, 1} {
		table.put(at, worldTag, func() { got = append(got, i) })
	}
	for next, ok := table.take(); ok; next, ok = table.take() {
		next.do()
	}
	if want := []int{3, 6, 7, 1, 4, 0, 2, 5}; !slices.Equal(got, want) {
		t.Errorf("came as %v, want %v", got, want)
	}
}
