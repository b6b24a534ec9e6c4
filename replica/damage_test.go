package replica

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/raft/v3/raftpb"
)

// TestDamageIsNoUnfinishedEnd flips bits of a log whose entries end in zeros, as many do: whatever is damaged before
// the last record is called damage, and never taken for an unfinished end of the log behind which nothing was said.
func TestDamageIsNoUnfinishedEnd(t *testing.T) {
	random := rand.New(rand.NewPCG(59, 1))
	dir := filepath.Join(t.TempDir(), "log")
	log, err := wal.Create(nil, dir, []byte("damage"))
	if err != nil {
		t.Fatal(err)
	}
	const entries = 80
	for i := range uint64(entries) {
		data := make([]byte, 1+random.IntN(900))
		for at := range data[:len(data)/2] {
			data[at] = byte(1 + random.IntN(255))
		}
		state := &raftpb.HardState{Term: new(uint64(1)), Vote: new(uint64(1)), Commit: new(i)}
		entry := &raftpb.Entry{Term: new(uint64(1)), Index: new(i + 1), Data: data}
		if err := log.Save(state, []*raftpb.Entry{entry}); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	segments, err := listSegments(dir)
	if err != nil || len(segments) != 1 {
		t.Fatalf("%v, %v", segments, err)
	}
	file, err := os.OpenFile(segments[0].path, os.O_RDWR, fileMode)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close() //nolint:errcheck // only of a test
	flip := func(at int64, bit byte) {
		var b [1]byte
		if _, err := file.ReadAt(b[:], at); err != nil {
			t.Fatal(err)
		}
		b[0] ^= bit
		if _, err := file.WriteAt(b[:], at); err != nil {
			t.Fatal(err)
		}
	}
	read := func() (last uint64, lastAt int64, err error) {
		r := newRecordReader(segments)
		defer r.close()
		for {
			at := r.offset
			rec, err := r.next()
			if err != nil {
				return last, lastAt, err
			}
			if rec.kind == entryRecord {
				last++
				lastAt = at
			}
		}
	}
	_, end, _ := read()
	refused := 0
	for range 4000 {
		at, bit := random.Int64N(end), byte(1)<<random.IntN(8)
		flip(at, bit)
		last, _, err := read()
		flip(at, bit)
		var damage *CorruptError
		switch {
		case errors.As(err, &damage):
			refused++
		case last < entries:
			t.Fatalf("a bit flipped at %d of %d: the log is said to end after entry %d of %d: %v", at, end, last, entries, err)
		}
	}
	if refused < 3000 {
		t.Errorf("only %d of 4000 flips were noticed", refused)
	}
}
