package peer

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"go.etcd.io/raft/v3/raftpb"
)

func snapshotMessage(from, to, index uint64) *raftpb.Message {
	m := message(from, to, index, 0)
	kind := raftpb.MsgSnap
	m.Type = &kind
	m.Snapshot = &raftpb.Snapshot{Metadata: &raftpb.SnapshotMetadata{Index: &index, Term: new(uint64(3))}}
	return m
}

// deliver sends a snapshot and waits for its end.
func deliver(t *testing.T, m *member, to uint64, r io.Reader, size int64) error {
	t.Helper()
	told := make(chan error, 2)
	m.SendSnapshot(7, snapshotMessage(1, to, 42), func() (io.ReadCloser, int64, error) {
		return io.NopCloser(r), size, nil
	}, func(err error) { told <- err })
	select {
	case err := <-told:
		return err
	case <-time.After(patience):
		t.Fatal("a snapshot without an end")
		return nil
	}
}

// installer is a handler that keeps what arrives.
type installer struct {
	mutex sync.Mutex
	sums  [][32]byte
	under atomic.Int64 // installations under way
	most  int64
	hold  chan struct{} // nil, or what an installation waits for
	fails string
	early bool // leave the rest unread
}

func (i *installer) snapshot(group uint64, m *raftpb.Message, r io.Reader) error {
	now := i.under.Add(1)
	defer i.under.Add(-1)
	i.mutex.Lock()
	i.most = max(i.most, now)
	i.mutex.Unlock()
	if group != 7 || m.GetSnapshot().GetMetadata().GetIndex() != 42 {
		return fmt.Errorf("group %d, %v", group, m)
	}
	if i.early {
		return nil
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, r); err != nil {
		return err
	}
	if i.hold != nil {
		<-i.hold
	}
	if i.fails != "" {
		return errors.New(i.fails)
	}
	i.mutex.Lock()
	i.sums = append(i.sums, [32]byte(sum.Sum(nil)))
	i.mutex.Unlock()
	return nil
}

func noise(size int) []byte {
	b := make([]byte, size)
	source := rand.NewChaCha8([32]byte{1})
	_, _ = source.Read(b)
	return b
}

func TestSnapshot(t *testing.T) {
	i := &installer{}
	_, members := trio(t, func(c *Config) { c.Snapshot, c.Limits.SnapshotRate = i.snapshot, 1<<30 })
	for n, size := range []int{0, 1, snapshotChunk, snapshotChunk + 1, 20 << 20} {
		content := noise(size)
		if err := deliver(t, members[1], 2, bytes.NewReader(content), int64(size)); err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		i.mutex.Lock()
		if len(i.sums) != n+1 || i.sums[n] != sha256.Sum256(content) {
			t.Fatalf("%d bytes arrived as others", size)
		}
		i.mutex.Unlock()
	}
}

func TestSnapshotsThatFail(t *testing.T) {
	i := &installer{}
	_, members := trio(t, func(c *Config) { c.Snapshot = i.snapshot })
	content := noise(3 << 20)
	send := func(r io.Reader, size int64) error { return deliver(t, members[1], 2, r, size) }
	var remote *RemoteError
	for _, c := range []struct {
		what  string
		r     io.Reader
		size  int64
		says  string
		there bool // the other node says it
	}{
		{"a reader that breaks", io.MultiReader(bytes.NewReader(content), iotest.ErrReader(errors.New("bad sector"))), 4 << 20,
			"read the snapshot: bad sector", false},
		{"too short", bytes.NewReader(content), 4 << 20, "has 3145728 bytes, 4194304 were announced", false},
		{"too long", bytes.NewReader(content), 1 << 20, "in a snapshot with 0 to come", true},
	} {
		err := send(c.r, c.size)
		if c.there && !errors.As(err, &remote) { // who sends may be at its end, and count, before it hears the other node
			c.says = "has 3145728 bytes, 1048576 were announced"
		}
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.what, err)
		}
	}
	i.fails = "the disk is full"
	if err := send(bytes.NewReader(content), 3<<20); !errors.As(err, &remote) || remote.Text != "the disk is full" {
		t.Errorf("a failed installation: %v", err)
	}
	i.fails, i.early = "", true
	if err := send(bytes.NewReader(content), 3<<20); err == nil || !strings.Contains(err.Error(), "not read to its end") {
		t.Errorf("a snapshot that was not read: %v", err)
	}
	i.early = false
	if len(i.sums) != 0 {
		t.Errorf("%d broken snapshots were installed", len(i.sums))
	}
	if err := deliver(t, members[1], 9, bytes.NewReader(content), 3<<20); !errors.Is(err, ErrNotSent) {
		t.Errorf("to nobody: %v", err)
	}
	told := make(chan error, 1)
	members[1].SendSnapshot(7, snapshotMessage(1, 2, 42), func() (io.ReadCloser, int64, error) {
		return nil, 0, errors.New("no such file")
	}, func(err error) { told <- err })
	if err := <-told; err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("a snapshot that cannot be opened: %v", err)
	}
	if err := send(bytes.NewReader(content), 3<<20); err != nil {
		t.Errorf("a good one after all that: %v", err)
	}
}

// TestSnapshotsTakeTurns holds a slow installation to its own lane: others wait, messages pass, silence is no fault of
// a node that waits for its disk, and when it dies all are told.
func TestSnapshotsTakeTurns(t *testing.T) {
	i := &installer{hold: make(chan struct{})}
	_, members := trio(t, func(c *Config) {
		c.Snapshot = i.snapshot
		c.Limits.Silence, c.Limits.Snapshots = 300*time.Millisecond, 2
	})
	release := sync.OnceFunc(func() { close(i.hold) })
	t.Cleanup(release) // a handler that waits keeps its node from closing
	told := make(chan error, 10)
	send := func() {
		members[1].SendSnapshot(7, snapshotMessage(1, 2, 42), func() (io.ReadCloser, int64, error) {
			return io.NopCloser(bytes.NewReader(noise(1 << 20))), 1 << 20, nil
		}, func(err error) { told <- err })
	}
	send()
	eventually(t, "the first to arrive", func() bool { return i.under.Load() == 1 })
	for range 3 { // one more than may wait
		send()
	}
	if err := <-told; !errors.Is(err, ErrNotSent) {
		t.Errorf("one too many: %v", err)
	}
	if s := members[1].of(2); s.Snapshots != 3 {
		t.Errorf("%+v", s)
	}
	began := time.Now()
	long := 3 * members[2].config.Limits.Silence
	eventually(t, "more silence than is allowed", func() bool { return time.Since(began) > long })
	members[1].Send(1, []*raftpb.Message{message(1, 2, 1, 10)})
	eventually(t, "a message", func() bool { return len(members[2].received()) == 1 })
	i.hold <- struct{}{}
	if err := <-told; err != nil {
		t.Errorf("the first: %v", err)
	}
	eventually(t, "the second to arrive", func() bool { return i.under.Load() == 1 })
	closed := make(chan struct{})
	go func() { defer close(closed); _ = members[1].Close() }()
	for range 2 {
		if err := <-told; err == nil {
			t.Error("a snapshot was installed that nobody installed")
		}
	}
	<-closed
	release()
	i.mutex.Lock()
	defer i.mutex.Unlock()
	if i.most != 1 {
		t.Errorf("%d installations at once", i.most)
	}
}
