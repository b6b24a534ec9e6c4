package trade

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"testing"
)

// TestStraight compares the straight ways with the walks, on random values.
func TestStraight(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	for range 200 {
		var e Event
		fill(r, reflect.ValueOf(&e).Elem())
		for kind := range EventKind(255) {
			if e.Kind = kind; !kind.OfOrder() {
				continue
			}
			w := Writer([]byte{7, Version, byte(kind)})
			e.walk(&w)
			got, err := AppendEvent([]byte{7}, &e)
			if err != nil || !bytes.Equal(got, w.Bytes()) {
				t.Fatalf("kind %d: %x, %v, want %x", kind, got, err, w.Bytes())
			}
		}
		c := Command{Kind: ReportKind}
		fill(r, reflect.ValueOf(&c.Report).Elem())
		b, err := AppendCommand(nil, &c)
		if err != nil || len(b) != reportBytes {
			t.Fatalf("a report of %d bytes, %v", len(b), err)
		}
		var got Command
		if err := DecodeCommand(b, &got); err != nil || !reflect.DeepEqual(got, c) {
			t.Fatalf("%+v, %v, want %+v", got.Report, err, c.Report)
		}
	}
}
