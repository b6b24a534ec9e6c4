package width

import (
	"bytes"
	"fmt"
	"testing"
)

// However a stream is cut, the same frames are found in it.
func FuzzFrames(f *testing.F) {
	f.Add([]byte("\x81\x02hi\x89\x00\x82\x7e\x00\x03abc\x88\x00"), 3)
	f.Add([]byte("\x81\x7f\x00\x00\x00\x00\x00\x00\x00\x01x\x81\x81"), 1)
	f.Fuzz(func(t *testing.T, b []byte, at int) {
		read := func(pieces ...[]byte) (said string) {
			var kept []byte
			for _, piece := range pieces {
				kept = append(kept, piece...)
				done, err := frames(kept, func(opcode byte, payload []byte) error {
					said += fmt.Sprintf("%d %x\n", opcode, payload)
					return nil
				})
				if done < 0 || done > len(kept) {
					t.Fatalf("%d of %d bytes", done, len(kept))
				}
				if err != nil {
					return said + "wrong"
				}
				kept = kept[done:]
			}
			return said
		}
		if at < 0 || at > len(b) {
			at = len(b) / 2
		}
		if whole, cut := read(b), read(b[:at], b[at:]); whole != cut {
			t.Fatalf("%q, cut at %d %q", whole, at, cut)
		}
	})
}

// What a client says begins like the examples of RFC 6455 (5.7), but for the mask.
func TestMasked(t *testing.T) {
	if b := masked(opText, []byte("Hello")); !bytes.Equal(b, []byte("\x81\x85\x00\x00\x00\x00Hello")) {
		t.Errorf("%x", b)
	}
	if b := masked(opBinary, make([]byte, 256)); !bytes.HasPrefix(b, []byte("\x82\xfe\x01\x00\x00\x00\x00\x00")) {
		t.Errorf("%x", b[:8])
	}
}
