// Package trade is the language of the house: commands that change the broker's books, the events that follow, the
// reasons of refusals, and the one encoding of them.
//
// Units: prices and cash in 1/10,000 CNY, quantities in shares, times in nanoseconds since 1970 UTC, days as YYYYMMDD.
// Invariants: numbers of kinds, reasons and fields are never changed and never used twice; what decodes encodes again
// to the same bytes; decoding allocates nothing (texts alias the input) and never panics. It never decides anything:
// an unknown side or type passes through, and the ladder that reads it refuses.
//
// Encoding: one byte of version, one of kind, then the member's fields in order. Integers are little-endian and of
// fixed size, a bool is a byte 0 or 1, a text is a uint32 length and its bytes.
package trade

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Version is the encoding that this binary writes. It reads every version from 1 to this one.
const Version = 1

// ErrUnreadable is wrapped by every decoding error.
var ErrUnreadable = errors.New("unreadable")

// ErrTooLong refuses to encode a text above its limit.
var ErrTooLong = errors.New("text above its limit")

// Coder walks the fields of a message, in one direction: it appends them to, or reads them from, a byte slice. One
// walk serves both, so that the two cannot differ. The first error stops it. Other rooms use it for their snapshots.
type Coder struct {
	bytes   []byte
	at      int
	reading bool
	err     error
}

// Writer returns a coder that appends to dst.
func Writer(dst []byte) Coder { return Coder{bytes: dst, at: nothingToRead} }

// nothingToRead is where a writer stands: so far behind every end that one comparison tells the two directions apart.
const nothingToRead = math.MaxInt / 2

// Reader returns a coder that reads src; texts will alias src.
func Reader(src []byte) Coder { return Coder{bytes: src, reading: true} }

// Reading reports the direction.
func (c *Coder) Reading() bool { return c.reading }

// Bytes returns what was written so far.
func (c *Coder) Bytes() []byte { return c.bytes }

// Err returns the first error.
func (c *Coder) Err() error { return c.err }

// Fail stops the coder with an error of the caller's, unless it stopped before. A reader that has stopped stands at
// its end, so that the walks need not ask.
func (c *Coder) Fail(err error) {
	if c.err == nil {
		c.err = err
	}
	if c.reading {
		c.at = len(c.bytes)
	}
}

// End checks, when reading, that nothing is left, and returns the first error.
func (c *Coder) End() error {
	if c.err == nil && c.reading && c.at != len(c.bytes) {
		c.err = fmt.Errorf("%w: %d bytes too many", ErrUnreadable, len(c.bytes)-c.at)
	}
	return c.err
}

func (c *Coder) take(n int) []byte {
	if len(c.bytes)-c.at < n {
		c.short(n)
		return nil
	}
	b := c.bytes[c.at : c.at+n]
	c.at += n
	return b
}

// short stops a reader that misses bytes.
func (c *Coder) short(n int) {
	if c.err == nil {
		c.Fail(fmt.Errorf("%w: ends at byte %d, %d more needed", ErrUnreadable, len(c.bytes), n-(len(c.bytes)-c.at)))
	}
}

// Int8 walks a one-byte number.
func Int8[T ~uint8](c *Coder, v *T) {
	if c.at < len(c.bytes) {
		*v = T(c.bytes[c.at])
		c.at++
	} else {
		c.other(uint64(*v), 1)
	}
}

// Int16 walks a two-byte number.
func Int16[T ~uint16](c *Coder, v *T) {
	if len(c.bytes)-c.at >= 2 {
		*v = T(binary.LittleEndian.Uint16(c.bytes[c.at:]))
		c.at += 2
	} else {
		c.other(uint64(*v), 2)
	}
}

// Int32 walks a four-byte number.
func Int32[T ~uint32 | ~int32](c *Coder, v *T) {
	if len(c.bytes)-c.at >= 4 {
		*v = T(binary.LittleEndian.Uint32(c.bytes[c.at:]))
		c.at += 4
	} else {
		c.other(uint64(*v), 4)
	}
}

// Int64 walks an eight-byte number.
func Int64[T ~uint64 | ~int64](c *Coder, v *T) {
	if len(c.bytes)-c.at >= 8 {
		*v = T(binary.LittleEndian.Uint64(c.bytes[c.at:]))
		c.at += 8
	} else {
		c.other(uint64(*v), 8)
	}
}

// other is what is not reading: it appends the low n bytes of v, or stops a reader that misses them.
func (c *Coder) other(v uint64, n int) {
	switch {
	case c.reading:
		c.short(n)
	case n == 8:
		c.bytes = binary.LittleEndian.AppendUint64(c.bytes, v)
	case n == 4:
		c.bytes = binary.LittleEndian.AppendUint32(c.bytes, uint32(v))
	case n == 2:
		c.bytes = binary.LittleEndian.AppendUint16(c.bytes, uint16(v))
	default:
		c.bytes = append(c.bytes, byte(v))
	}
}

// Bool walks a byte that is 0 or 1.
func (c *Coder) Bool(v *bool) {
	var b uint8
	if *v {
		b = 1
	}
	Int8(c, &b)
	if c.reading && c.err == nil {
		if b > 1 {
			c.Fail(fmt.Errorf("%w: a bool of %d at byte %d", ErrUnreadable, b, c.at-1))
		}
		*v = b == 1
	}
}

// Fixed walks bytes of a fixed number.
func (c *Coder) Fixed(v []byte) {
	if !c.reading {
		c.bytes = append(c.bytes, v...)
	} else if b := c.take(len(v)); b != nil {
		copy(v, b)
	}
}

// Text walks a text of at most limit bytes. What is read aliases the input.
func (c *Coder) Text(v *[]byte, limit int) {
	n := uint32(len(*v))
	if !c.reading && len(*v) > limit {
		c.Fail(fmt.Errorf("%w: %d bytes, at most %d", ErrTooLong, len(*v), limit))
		return
	}
	Int32(c, &n)
	if !c.reading {
		c.bytes = append(c.bytes, *v...)
		return
	}
	if c.err == nil && int64(n) > int64(limit) {
		c.Fail(fmt.Errorf("%w: a text of %d bytes at byte %d, at most %d", ErrUnreadable, n, c.at-4, limit))
		return
	}
	if b := c.take(int(n)); b != nil && c.err == nil {
		*v = b[:len(b):len(b)]
	}
}

// AppendCommand appends the encoding of a command. It fails, with ErrTooLong, on a text above its limit, and on an
// unknown kind.
func AppendCommand(dst []byte, m *Command) ([]byte, error) {
	c := Writer(dst)
	version := uint8(Version)
	Int8(&c, &version)
	Int8(&c, &m.Kind)
	m.walk(&c)
	return c.bytes, c.End()
}

// DecodeCommand reads what AppendCommand wrote into m, whose other members are left as they are.
func DecodeCommand(src []byte, m *Command) error {
	if len(src) == reportBytes && src[0] == Version && src[1] == byte(ReportKind) {
		m.Kind = ReportKind
		m.Report.read((*[reportBytes]byte)(src))
		return nil
	}
	c := Reader(src)
	c.version("command")
	Int8(&c, &m.Kind)
	m.walk(&c)
	return c.End()
}

// AppendEvent appends the encoding of an event, like AppendCommand.
func AppendEvent(dst []byte, m *Event) ([]byte, error) {
	if m.Kind.OfOrder() {
		if b, ok := appendOrderEvent(dst, m); ok {
			return b, nil
		}
	}
	c := Writer(dst)
	version := uint8(Version)
	Int8(&c, &version)
	Int8(&c, &m.Kind)
	m.walk(&c)
	return c.bytes, c.End()
}

// DecodeEvent reads what AppendEvent wrote into m; members that the kind does not have are left as they are.
func DecodeEvent(src []byte, m *Event) error {
	c := Reader(src)
	c.version("event")
	Int8(&c, &m.Kind)
	m.walk(&c)
	return c.End()
}

// AppendAnswer appends the encoding of an answer, which has a fixed length: it goes between nodes, never into the log.
func AppendAnswer(dst []byte, m *Answer) []byte {
	c := Writer(dst)
	version := uint8(Version)
	Int8(&c, &version)
	m.walk(&c)
	return c.bytes
}

// AnswerBytes is the length of an encoded answer.
const AnswerBytes = 1 + 2 + 1 + 1 + 8 + 8 + 4 + 8 + 3*8

// DecodeAnswer reads what AppendAnswer wrote into m.
func DecodeAnswer(src []byte, m *Answer) error {
	c := Reader(src)
	c.version("answer")
	m.walk(&c)
	return c.End()
}

func (c *Coder) version(what string) {
	var v uint8
	Int8(c, &v)
	if c.err == nil && (v < 1 || v > Version) {
		c.Fail(fmt.Errorf("%w: %s of version %d, this binary reads 1 to %d: use a newer one", ErrUnreadable, what, v,
			Version))
	}
}
