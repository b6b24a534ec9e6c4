package replica

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

func encodePayload(group uint64, time int64, commands ...[]byte) []byte {
	payload := appendPayloadHeader(nil)
	for _, command := range commands {
		payload = appendCommand(payload, command)
	}
	stampPayload(payload, group, time, len(commands))
	return payload
}

func FuzzPayload(f *testing.F) {
	f.Add(encodePayload(1, 2, []byte("a"), nil, []byte("bcd")))
	f.Add(encodePayload(1<<60, -1, make([]byte, 300)))
	f.Fuzz(func(t *testing.T, payload []byte) {
		group, time, commands, err := decodePayload(payload, nil)
		if err == nil && !bytes.Equal(encodePayload(group, time, commands...), payload) {
			t.Fatalf("%x has two encodings", payload)
		}
	})
}

func FuzzSnapshotHead(f *testing.F) {
	f.Add(encodeSnapshotHead(snapshotHead{group: 1, at: position{2, 3}, roster: newRoster([]Member{{ID: 1}}), bytes: 9}))
	three := newRoster([]Member{{ID: 1}, {ID: 2}, {ID: 3, Learner: true}})
	f.Add(encodeSnapshotHead(snapshotHead{time: -5, roster: three}))
	f.Add(encodeSnapshotHead(snapshotHead{roster: three, charter: charter{born: true, active: Known()}}))
	f.Add(encodeSnapshotHead(snapshotHead{roster: newRoster([]Member{{ID: 1, Address: "a:1"}, {ID: 3, Learner: true}})}))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, size, err := decodeSnapshotHead(b)
		if err == nil && !bytes.Equal(encodeSnapshotHead(h), b[:size]) {
			t.Fatalf("%x has two encodings", b)
		}
	})
}

// FuzzRecord holds the decoders of the log's messages to what the log's own package says of the same bytes.
func FuzzRecord(f *testing.F) {
	f.Add([]byte("\x08\x02\x10\x05\x1a\x04data"))
	f.Add([]byte("\x08\x00\x10\x01\x18\xac\x02\x22\x01x"))
	f.Add([]byte("\x08\x01\x10\x02\x18\x80\x80\x80\x10"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, err := decodeRecord(b); err == nil {
			again, err := decodeRecord(encodeRecord(got))
			if err != nil || got.kind != again.kind || got.crc != again.crc || !bytes.Equal(got.data, again.data) {
				t.Fatalf("record %x: %+v, again %+v, %v", b, got, again, err)
			}
		}
		if got, err := decodeLogEntry(b); err == nil {
			want := wal.MustUnmarshalEntry(b)
			if got.kind != want.GetType() || got.term != want.GetTerm() || got.index != want.GetIndex() ||
				!bytes.Equal(got.data, want.Data) {
				t.Fatalf("entry %x: %+v, the log's package says %v", b, got, want)
			}
		}
		if got, err := decodeHardState(b); err == nil {
			want := wal.MustUnmarshalState(b)
			if got.term != want.GetTerm() || got.vote != want.GetVote() || got.commit != want.GetCommit() {
				t.Fatalf("state %x: %+v, the log's package says %v", b, got, want)
			}
		}
	})
}

func encodeRecord(r record) []byte {
	b := binary.AppendUvarint([]byte{1 << 3}, uint64(r.kind))
	b = binary.AppendUvarint(append(b, 2<<3), uint64(r.crc))
	b = binary.AppendUvarint(append(b, 3<<3|2), uint64(len(r.data)))
	return append(b, r.data...)
}

// FuzzSegment reads any bytes as the only segment of a log: it ends, reports a place, or names the damage.
func FuzzSegment(f *testing.F) {
	o, _ := liveCopy(f, "first", "second", "third")
	path, _, end := lastSegment(f, o)
	whole, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole[:end])
	f.Add(whole[:end+512])
	f.Add(binary.LittleEndian.AppendUint64(nil, 1<<40))
	path = filepath.Join(f.TempDir(), filepath.Base(path))
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(path, b, fileMode); err != nil {
			t.Fatal(err)
		}
		reader, err := openCommitted(filepath.Dir(path), (&home{group: 7, node: 1}).identity(), position{})
		if err != nil {
			t.Fatal(err)
		}
		defer reader.close()
		if err := reader.read(position{}, func(logEntry) error { return nil }); err != nil {
			return
		}
		if reader.tail.offset > int64(len(b)) {
			t.Fatalf("the end of %d bytes is at %d", len(b), reader.tail.offset)
		}
		if _, err := laterState(reader.tail, reader.last.index); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzMembers(f *testing.F) {
	f.Add(encodeMembers([]Member{{ID: 1, Address: "a:1"}, {ID: 1 << 40, Learner: true}}))
	f.Add([]byte{0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		members, err := decodeMembers(b)
		if err == nil && len(b) > 0 && !bytes.Equal(encodeMembers(members), b) {
			t.Fatalf("%x has two encodings", b)
		}
	})
}

func FuzzRoster(f *testing.F) {
	r := newRoster([]Member{{ID: 1, Address: "a:1"}, {ID: 3, Learner: true}})
	r.removed = []uint64{2, 9}
	r.conf.VotersOutgoing, r.conf.AutoLeave = []uint64{1, 7}, new(true)
	f.Add(encodeRoster(r))
	f.Add(encodeRoster(newRoster(nil)))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decodeRoster(b)
		if err == nil && !bytes.Equal(encodeRoster(r), b) {
			t.Fatalf("%x has two encodings", b)
		}
	})
}

func FuzzMarker(f *testing.F) {
	for _, members := range [][]Member{nil, {{ID: 2}}, {{ID: 2, Address: "a:1"}, {ID: 3, Learner: true}}} {
		f.Add((&home{group: 1, node: 2, initial: newRoster(members)}).marker())
	}
	f.Fuzz(func(t *testing.T, text string) {
		h := &home{group: 1, node: 2}
		if err := h.readMarker(text); err == nil && h.marker() != text {
			t.Fatalf("%q has two readings", text)
		}
	})
}

// FuzzChange applies any change of members to a roster: it is refused, or makes a roster that can be written and read.
func FuzzChange(f *testing.F) {
	entry, err := proto.Marshal(&raftpb.ConfChangeV2{Context: encodeMembers([]Member{{ID: 4, Address: "d:4"}}),
		Changes: []*raftpb.ConfChangeSingle{{Type: raftpb.ConfChangeAddLearnerNode.Enum(), NodeId: new(uint64(4))}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(entry)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := newRoster([]Member{{ID: 1}, {ID: 2}, {ID: 3}})
		for range 2 {
			if err := r.reform(logEntry{kind: raftpb.EntryConfChangeV2, data: b}); err != nil {
				return
			}
		}
		back, err := decodeRoster(encodeRoster(r))
		if err != nil || back.conf.Equivalent(r.conf) != nil || !slices.Equal(back.removed, r.removed) {
			t.Fatalf("%+v reads back as %+v, %v", r, back, err)
		}
	})
}
