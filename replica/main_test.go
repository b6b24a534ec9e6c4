package replica

import (
	"bufio"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"os"
	"syscall"
	"testing"

	"github.com/zeebo/xxh3"
	"go.etcd.io/etcd/server/v3/storage/wal"
)

// childVariable, when set, makes the test binary be the process that a test kills or starves.
const childVariable = "REPLICA_TEST_CHILD"

func TestMain(m *testing.M) {
	flag.Parse()
	if flag.Lookup("test.bench").Value.String() == "" {
		wal.SegmentSizeBytes = 1 << 20 // many segments, little disk
	}
	if role := os.Getenv(childVariable); role != "" {
		os.Exit(childMain(role))
	}
	os.Exit(m.Run())
}

// A diary is a machine that remembers every command, in order. It answers with the number of the command from 1.
type diary struct {
	lines [][]byte
	times []int64
	chain uint64
	skew  uint64 // added to the hash, to play a machine that differs
}

func (d *diary) Apply(e Entry, answers []uint64) {
	for i, command := range e.Commands {
		d.lines = append(d.lines, append([]byte(nil), command...))
		d.times = append(d.times, e.Time)
		d.chain = xxh3.HashSeed(command, d.chain) + uint64(e.Time)
		answers[i] = uint64(len(d.lines))
	}
}

// itself is the diary within machines that are more.
func (d *diary) itself() *diary { return d }

func (d *diary) Hash() uint64 { return d.chain + d.skew }

func (d *diary) Snapshot(w io.Writer) error {
	b := binary.LittleEndian.AppendUint64(nil, d.chain)
	if _, err := w.Write(b); err != nil {
		return err
	}
	for i, line := range d.lines {
		b = binary.LittleEndian.AppendUint64(b[:0], uint64(d.times[i]))
		b = binary.LittleEndian.AppendUint32(b, uint32(len(line)))
		if _, err := w.Write(append(b, line...)); err != nil {
			return err
		}
	}
	return nil
}

func (d *diary) Restore(r io.Reader) error {
	in := bufio.NewReader(r)
	var head [12]byte
	if _, err := io.ReadFull(in, head[:8]); err != nil {
		return err
	}
	d.chain = binary.LittleEndian.Uint64(head[:])
	for {
		if _, err := io.ReadFull(in, head[:]); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		line := make([]byte, binary.LittleEndian.Uint32(head[8:]))
		if _, err := io.ReadFull(in, line); err != nil {
			return err
		}
		d.times = append(d.times, int64(binary.LittleEndian.Uint64(head[:])))
		d.lines = append(d.lines, line)
	}
}

func newDiary() Machine[uint64] { return &diary{} }

func testOptions(dir string) Options[uint64] {
	// A slow disk of a shared machine must not fail a test that is about something else.
	return Options[uint64]{Dir: dir, Group: 7, Node: 1, New: newDiary, Limits: Limits{StalledSync: 1 << 36}}
}

func open(t testing.TB, o Options[uint64]) *Group[uint64] {
	t.Helper()
	g, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	return g
}

func propose(t testing.TB, g *Group[uint64], command string) uint64 {
	t.Helper()
	answer, err := g.Propose(t.Context(), []byte(command))
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// lines is what the machine of g remembers.
func lines(t testing.TB, g *Group[uint64]) []string {
	t.Helper()
	var all []string
	err := g.Inspect(t.Context(), func(m Machine[uint64], _ uint64) {
		for _, line := range m.(*diary).lines {
			all = append(all, string(line))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func closeGroup(t testing.TB, g *Group[uint64]) {
	t.Helper()
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
}

// numbered is a command of its own length.
func numbered(n int) string { return fmt.Sprintf("command %d %0*d", n, n%97+1, n) }

// An unkeepable is a machine whose snapshot does not fit on the disk.
type unkeepable struct{ diary }

func (u *unkeepable) Snapshot(w io.Writer) error {
	_, _ = w.Write(make([]byte, 4<<20))
	return syscall.ENOSPC
}
