package replica

import (
	"bytes"
	"testing"
)

var (
	someFeature = Feature{7, "colour", "1.2.3"}
	someControl = []control{
		{kind: attestControl, time: -5, scheme: 3},
		{kind: compareControl, time: 9, scheme: 3, index: 1 << 40, voters: 3, results: []result{
			{node: 1, hash: 5}, {node: 2, hash: 6, altered: true}, {node: 9, learner: true}}},
		{kind: knowsControl, known: []NodeFeatures{{4, []uint32{1, 2, 1 << 31}}}},
		{kind: activateControl, features: []Feature{someFeature}, nodes: []uint64{1, 2, 1 << 60}},
		{kind: bornControl, features: []Feature{{1, "a", ""}, someFeature},
			known: []NodeFeatures{{1, nil}, {2, []uint32{7}}}},
	}
)

func FuzzControl(f *testing.F) {
	for _, c := range someControl {
		f.Add(encodeControl(1<<50, &c))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		group, c, err := decodeControl(b)
		if err == nil && !bytes.Equal(encodeControl(group, &c), b) {
			t.Fatalf("%x has two encodings", b)
		}
	})
}

func FuzzCharter(f *testing.F) {
	f.Add(encodeCharter(charter{}))
	f.Add(encodeCharter(charter{born: true, active: []Feature{someFeature},
		known: []NodeFeatures{{1, []uint32{7}}, {5, nil}}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := decodeCharter(b)
		if err == nil && !bytes.Equal(encodeCharter(c), b) {
			t.Fatalf("%x has two encodings", b)
		}
	})
}

func FuzzReport(f *testing.F) {
	f.Add(encodeReport(report{kind: knowsReport, numbers: []uint32{1, 2}}))
	f.Add(encodeReport(report{kind: wantReport, index: 9}))
	f.Add(encodeReport(report{kind: hashReport, scheme: 1, index: 2, result: result{altered: true, hash: 3}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decodeReport(b)
		if err == nil && !bytes.Equal(encodeReport(r), b) {
			t.Fatalf("%x has two encodings", b)
		}
	})
}

// TestControlsAreRead: each kind of entry is read as it was written, and no shorter text of it is.
func TestControlsAreRead(t *testing.T) {
	for _, c := range someControl {
		b := encodeControl(8, &c)
		if group, got, err := decodeControl(b); err != nil || group != 8 || !bytes.Equal(encodeControl(8, &got), b) {
			t.Errorf("%+v is read as %+v, %v", c, got, err)
		}
		for n := range b {
			if _, got, err := decodeControl(b[:n]); err == nil {
				t.Errorf("%d of %d bytes of %+v are read as %+v", n, len(b), c, got)
			}
		}
	}
}
