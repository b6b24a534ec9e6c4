package szse

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

func someFrames(t testing.TB) []byte {
	var all bytes.Buffer
	w := NewWriter(&all)
	for range 3 {
		for _, m := range everyMessage(t) {
			if err := w.Queue(filled(m)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return all.Bytes()
}

// TestReader gives the reader the same bytes in pieces of all kinds.
func TestReader(t *testing.T) {
	all := someFrames(t)
	for _, c := range []struct {
		name string
		wrap func(io.Reader) io.Reader
	}{
		{"whole", func(r io.Reader) io.Reader { return r }},
		{"byte by byte", iotest.OneByteReader},
		{"half", iotest.HalfReader},
		{"error with the last bytes", iotest.DataErrReader},
	} {
		r := NewReader(c.wrap(bytes.NewReader(all)))
		var again []byte
		var d Decoder
		for {
			f, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			m, err := d.Decode(f)
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			again = m.Append(again)
		}
		if !bytes.Equal(again, all) {
			t.Errorf("%s: other bytes came out", c.name)
		}
	}
}

func TestReaderEnds(t *testing.T) {
	frame := (&Logout{}).Append(nil)
	for n := range len(frame) {
		want := io.ErrUnexpectedEOF
		if n == 0 {
			want = io.EOF
		}
		if _, err := NewReader(bytes.NewReader(frame[:n])).Next(); !errors.Is(err, want) {
			t.Errorf("stream of %d bytes: %v, want %v", n, err, want)
		}
	}
	if _, err := NewReader(iotest.ErrReader(io.ErrClosedPipe)).Next(); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("the source's error: %v", err)
	}
	if _, err := NewReader(nothing{}).Next(); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a source that returns nothing: %v", err)
	}
}

type nothing struct{}

func (nothing) Read([]byte) (int, error) { return 0, nil }

func TestBuffered(t *testing.T) {
	two := (&Heartbeat{}).Append((&Heartbeat{}).Append(nil))
	r := NewReader(bytes.NewReader(two))
	if r.Buffered() {
		t.Error("buffered before the first read")
	}
	if _, err := r.Next(); err != nil || !r.Buffered() {
		t.Errorf("not buffered with a frame left, %v", err)
	}
	if _, err := r.Next(); err != nil || r.Buffered() {
		t.Errorf("buffered with nothing left, %v", err)
	}
}

func TestLongestFrame(t *testing.T) {
	f := Frame{Type: 77, Body: make([]byte, MaxBody)}
	frames := AppendFrame(AppendFrame(AppendFrame(nil, Frame{Type: 78, Body: []byte("x")}), f), f)
	r := NewReader(iotest.OneByteReader(bytes.NewReader(frames)))
	for i, want := range []int{1, MaxBody, MaxBody} {
		if f, err := r.Next(); err != nil || len(f.Body) != want {
			t.Errorf("frame %d: %d bytes, %v", i, len(f.Body), err)
		}
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestWriterKeepsItsError(t *testing.T) {
	broken := errors.New("broken")
	w := NewWriter(failing{broken})
	if err := w.Queue(&Heartbeat{}); err != nil || w.Queued() != 12 {
		t.Fatalf("queue: %v, %d bytes", err, w.Queued())
	}
	if err := w.Flush(); !errors.Is(err, broken) {
		t.Errorf("flush: %v", err)
	}
	if err := w.Queue(&Heartbeat{}); !errors.Is(err, broken) {
		t.Errorf("queue after the error: %v", err)
	}
	var out bytes.Buffer
	w = NewWriter(&out)
	for out.Len() == 0 {
		if err := w.Queue(&Logout{}); err != nil {
			t.Fatal(err)
		}
	}
	if out.Len() < WriteBuffer || out.Len() > WriteBuffer+MaxFrame || w.Queued() != 0 {
		t.Errorf("wrote %d bytes by itself", out.Len())
	}
}

// endless repeats the same bytes for ever.
type endless struct {
	bytes []byte
	at    int
}

func (e *endless) Read(b []byte) (int, error) {
	n := copy(b, e.bytes[e.at:])
	e.at = (e.at + n) % len(e.bytes)
	return n, nil
}

func TestNoAllocations(t *testing.T) {
	r := NewReader(&endless{bytes: someFrames(t)})
	w := NewWriter(io.Discard)
	var d Decoder
	step := func() {
		f, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		m, err := d.Decode(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Queue(m); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 * len(layouts) { // slices of messages grow once
		step()
	}
	if n := testing.AllocsPerRun(1000, step); n != 0 {
		t.Errorf("%v allocations per message", n)
	}
}

func BenchmarkReadReport(b *testing.B) {
	var m ExecutionReport
	filled(&m)
	r := NewReader(&endless{bytes: m.Append(nil)})
	var d Decoder
	b.ReportAllocs()
	for b.Loop() {
		f, err := r.Next()
		if err != nil {
			b.Fatal(err)
		}
		if _, err := d.Decode(f); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWriteOrder(b *testing.B) {
	var m NewOrder
	filled(&m)
	w := NewWriter(io.Discard)
	b.ReportAllocs()
	for b.Loop() {
		if err := w.Queue(&m); err != nil {
			b.Fatal(err)
		}
	}
}
