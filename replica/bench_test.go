package replica

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/etcd/server/v3/storage/wal"
)

const (
	benchCommand = 128  // bytes of a command
	benchBatch   = 1024 // commands a raw sync carries
)

// A counter is a machine that costs nothing.
type counter struct{ commands uint64 }

func (c *counter) Apply(e Entry, answers []uint64) {
	for i := range e.Commands {
		c.commands++
		answers[i] = c.commands
	}
}
func (c *counter) Snapshot(io.Writer) error { return nil }
func (c *counter) Restore(io.Reader) error  { return nil }

// A rawLog is what the log is measured against: write and fdatasync of the same bytes, in order, in a file whose room
// was made before, as the log's segments.
type rawLog struct {
	file *os.File
	left int
}

func newRawLog(tb testing.TB, dir string) *rawLog {
	tb.Helper()
	file, err := os.Create(filepath.Join(dir, "raw"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = file.Close() })
	return &rawLog{file: file}
}

func (r *rawLog) write(tb testing.TB, b []byte) {
	if r.left < len(b) {
		if _, err := r.file.Seek(0, io.SeekStart); err != nil {
			tb.Fatal(err)
		}
		r.left = int(wal.SegmentSizeBytes)
		err := errors.Join(r.file.Truncate(0), syscall.Fallocate(int(r.file.Fd()), 0, 0, int64(r.left)), r.file.Sync())
		if err != nil {
			tb.Fatal(err)
		}
	}
	r.left -= len(b)
	if _, err := r.file.Write(b); err != nil {
		tb.Fatal(err)
	}
	if err := syscall.Fdatasync(int(r.file.Fd())); err != nil {
		tb.Fatal(err)
	}
}

// BenchmarkJournal measures commands of 128 bytes acknowledged after fdatasync, with the queue kept full by Submit, in
// turns with a raw loop that writes and syncs 1,024 of them at a time. "strict" lets the log, too, have no more than
// 1,024 to a sync and one sync at a time; "default" lets it share syncs as it does in service.
func BenchmarkJournal(b *testing.B) {
	b.Run("strict", func(b *testing.B) { journal1024(b, 1) })
	b.Run("default", func(b *testing.B) { journal1024(b, 0) })
}

func journal1024(b *testing.B, inFlight int) {
	o := testOptions(b.TempDir())
	o.New = func() Machine[uint64] { return &counter{} }
	o.Limits.SnapshotBytes, o.Limits.InFlight = 1<<40, inFlight
	g := open(b, o)
	raw := newRawLog(b, b.TempDir())
	command, batch := make([]byte, benchCommand), make([]byte, benchCommand*benchBatch)
	var ours, theirs time.Duration
	syncs := g.Status().Syncs
	b.ResetTimer()
	const turn = 256 * benchBatch
	for done := 0; done < b.N; done += turn {
		n := min(turn, b.N-done)
		began := time.Now()
		submitAll(b, g, command, n)
		ours += time.Since(began)
		began = time.Now()
		for left := n; left > 0; left -= benchBatch {
			raw.write(b, batch[:min(left, benchBatch)*benchCommand])
		}
		theirs += time.Since(began)
	}
	b.StopTimer()
	rate, rawRate := float64(b.N)/ours.Seconds(), float64(b.N)/theirs.Seconds()
	b.ReportMetric(rate, "commands/s")
	b.ReportMetric(rawRate, "raw-commands/s")
	b.ReportMetric(100*rate/rawRate, "%of-raw")
	b.ReportMetric(float64(b.N)/float64(g.Status().Syncs-syncs), "commands/sync")
}

// submitAll submits n commands, and waits for a place when the queue is full.
func submitAll(b *testing.B, g *Group[uint64], command []byte, n int) {
	var answered atomic.Int64
	all, some := make(chan struct{}), make(chan struct{}, 1)
	done := func(_ uint64, err error) {
		if err != nil {
			b.Error(err)
		}
		count := answered.Add(1)
		if count%benchBatch == 0 {
			notify(some)
		}
		if count == int64(n) {
			close(all)
		}
	}
	for i := 0; i < n; {
		err := g.Submit(command, done)
		switch {
		case err == nil:
			i++
		case errors.Is(err, ErrFull):
			<-some
		default:
			b.Fatal(err)
		}
	}
	<-all
}

// BenchmarkPropose measures one command at a time, from Propose to its answer, in turns with one raw write and sync.
func BenchmarkPropose(b *testing.B) {
	o := testOptions(b.TempDir())
	o.New = func() Machine[uint64] { return &counter{} }
	g := open(b, o)
	raw := newRawLog(b, b.TempDir())
	command := make([]byte, benchCommand)
	var ours, theirs []time.Duration
	b.ResetTimer()
	for range b.N {
		began := time.Now()
		if _, err := g.Propose(b.Context(), command); err != nil {
			b.Fatal(err)
		}
		middle := time.Now()
		raw.write(b, command)
		ours = append(ours, middle.Sub(began))
		theirs = append(theirs, time.Since(middle))
	}
	b.StopTimer()
	p50, raw50 := middle(ours), middle(theirs)
	b.ReportMetric(float64(p50.Microseconds()), "p50-µs")
	b.ReportMetric(float64(raw50.Microseconds()), "raw-p50-µs")
	b.ReportMetric(float64(p50)/float64(raw50), "x-raw")
}

func middle(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

// BenchmarkThreeVoters measures commands of 128 bytes acknowledged by three voters of one process, each with its own
// directory on the same disk, with the queue kept full.
func BenchmarkThreeVoters(b *testing.B) {
	c := &cluster{groups: map[uint64]*Group[uint64]{}}
	c.mutex.Lock()
	for node := uint64(1); node <= 3; node++ {
		o := c.options(b.TempDir(), node)
		o.New = func() Machine[uint64] { return &counter{} }
		o.Limits.SnapshotBytes, o.Limits.SlowSync = 1<<40, 1<<36
		c.groups[node] = open(b, o)
	}
	c.mutex.Unlock()
	leader := c.leader(b, 0)
	b.ResetTimer()
	submitAll(b, leader, make([]byte, benchCommand), b.N)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commands/s")
}
