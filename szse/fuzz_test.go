package szse

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"evenkeel/core/trade"
)

// FuzzDecode gives any body to any decoder: what it accepts it writes again to the same bytes.
func FuzzDecode(f *testing.F) {
	for i, m := range everyMessage(f) {
		frame := filled(m).Append(nil)
		f.Add(i, frame[HeadSize:len(frame)-TailSize])
	}
	f.Add(0, []byte{})
	var d Decoder
	f.Fuzz(func(t *testing.T, which int, body []byte) {
		kind := layouts[uint(which)%uint(len(layouts))].kind
		if len(body) > MaxBody {
			return
		}
		m, err := d.Decode(Frame{Type: kind, Body: body})
		if err != nil {
			var length LengthError
			var field FieldError
			if !errors.As(err, &length) && !errors.As(err, &field) || err.Error() == "" {
				t.Fatalf("%s: %v", kind, err)
			}
			return
		}
		frame := m.Append(nil)
		if got := frame[HeadSize : len(frame)-TailSize]; !bytes.Equal(got, body) {
			t.Fatalf("%s:\n got %x\nwant %x", kind, got, body)
		}
		if again, size, err := ParseFrame(frame); err != nil || size != len(frame) || again.Type != kind {
			t.Fatalf("%s: its own frame is refused: %v", kind, err)
		}
	})
}

// FuzzReader gives the reader any bytes, whole and one by one: both ways it returns the same frames and the same
// error, and what it returned encodes again to the bytes that it read.
func FuzzReader(f *testing.F) {
	f.Add(someFrames(f)[:2000])
	f.Add((&Heartbeat{}).Append(nil))
	f.Add([]byte{0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, input []byte) {
		whole, wholeErr := readAll(NewReader(bytes.NewReader(input)))
		single, singleErr := readAll(NewReader(iotest.OneByteReader(bytes.NewReader(input))))
		if !bytes.Equal(whole, single) || wholeErr.Error() != singleErr.Error() {
			t.Fatalf("whole %v, byte by byte %v", wholeErr, singleErr)
		}
		if !bytes.HasPrefix(input, whole) || errors.Is(wholeErr, io.EOF) && len(whole) != len(input) {
			t.Fatalf("read %d of %d bytes, %v", len(whole), len(input), wholeErr)
		}
	})
}

func readAll(r *Reader) ([]byte, error) {
	var all []byte
	for {
		f, err := r.Next()
		if err != nil {
			return all, err
		}
		all = AppendFrame(all, f)
	}
}

// FuzzUnits checks that each conversion that accepts a value has an inverse.
func FuzzUnits(f *testing.F) {
	f.Add(int64(20260707093000123), []byte("0000000042"), byte('1'), byte('3'), uint16(5), int64(100))
	f.Add(int64(19700101080000000), []byte("ZZZZZZZZZZ"), byte('2'), byte('0'), uint16(0), int64(0))
	f.Fuzz(func(t *testing.T, n int64, id []byte, ordType, force byte, levels uint16, least int64) {
		if at, err := Timestamp(n).Time(); err == nil {
			if back, err := FromTime(at); err != nil || back != Timestamp(n) {
				t.Fatalf("timestamp %d came back as %d, %v", n, back, err)
			}
		}
		if stamp, err := FromTime(trade.Time(n)); err == nil {
			if at, err := stamp.Time(); err != nil || int64(at)/1e6 != n/1e6 && n >= 0 {
				t.Fatalf("time %d came back as %d, %v", n, at, err)
			}
		}
		if q, err := Qty(n).Shares(); err == nil {
			if back, err := FromShares(q); err != nil || back != Qty(n) {
				t.Fatalf("quantity %d came back as %d, %v", n, back, err)
			}
		}
		if len(id) == 10 {
			if order, err := OrderID([10]byte(id)); err == nil {
				if back, err := ClOrdID(order); err != nil || !bytes.Equal(back[:], id) {
					t.Fatalf("ClOrdID %q came back as %q, %v", id, back, err)
				}
			}
		}
		w := Terms{[3]byte([]byte(ApplAuction)), ordType, force, levels, Qty(least)}
		if kind, err := w.OrderType(Qty(n)); err == nil {
			if back, err := TermsOf(kind, Qty(n)); err != nil || back != w {
				t.Fatalf("terms %v came back as %v, %v", w, back, err)
			}
		}
	})
}
