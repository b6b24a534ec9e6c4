package szse

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"unicode/utf8"

	"evenkeel/core/must"
)

// cursor walks the fields of one body, writing or reading them. Each message lists its fields once, for both
// directions: the order and sizes of what is read cannot differ from what is written.
type cursor struct {
	kind    MsgType
	bytes   []byte // writing: everything so far; reading: the body
	at      int    // writing: where the frame starts; reading: the next field
	reading bool
	err     error // reading: the first field that was refused
}

// begin starts a frame behind dst.
func begin(dst []byte, kind MsgType) cursor {
	c := cursor{kind: kind, bytes: dst, at: len(dst)}
	c.bytes = binary.BigEndian.AppendUint32(c.bytes, uint32(kind))
	c.bytes = append(c.bytes, 0, 0, 0, 0) // BodyLength, known at the end
	return c
}

// end closes the frame with its length and checksum.
func (c *cursor) end() []byte {
	frame := c.bytes[c.at:]
	must.Hold(len(frame)-HeadSize <= MaxBody, "a message fits a frame")
	binary.BigEndian.PutUint32(frame[4:], uint32(len(frame)-HeadSize))
	return binary.BigEndian.AppendUint32(c.bytes, checksum(frame))
}

// open starts reading a body; a body of the wrong size is refused here, so that fixed fields cannot run over the end.
func open(body []byte, kind MsgType) cursor {
	c := cursor{kind: kind, bytes: body, reading: true}
	l, ok := layoutOf(kind)
	must.Hold(ok, "every message has a layout")
	if len(body) < l.size || len(body) > l.size && !l.variable {
		c.err = LengthError{Type: kind, Got: len(body), Want: l.size}
	}
	return c
}

// close ends reading: nothing may be left over.
func (c *cursor) close() error {
	if c.err == nil && c.at != len(c.bytes) {
		c.err = LengthError{Type: c.kind, Got: len(c.bytes), Want: c.at}
	}
	return c.err
}

// take returns the next n bytes, or nil after an error.
func (c *cursor) take(n int) []byte {
	if c.err != nil {
		return nil
	}
	if len(c.bytes)-c.at < n {
		c.err = LengthError{Type: c.kind, Got: len(c.bytes), Want: c.at + n}
		return nil
	}
	b := c.bytes[c.at : c.at+n]
	c.at += n
	return b
}

func (c *cursor) refuse(field, rule, got string) {
	if c.err == nil {
		c.err = FieldError{Type: c.kind, Field: field, Rule: rule, Got: got}
	}
}

// text is a field of printable ASCII, left-aligned, padded with spaces.
func (c *cursor) text(field string, v []byte) {
	if !c.reading {
		c.spaced(v)
		return
	}
	b := c.take(len(v))
	for i, x := range b {
		if x < ' ' || x > '~' {
			c.refuse(field, "text must be printable ASCII, padded with spaces", quoted(b))
			return
		}
		if x != ' ' && i > 0 && b[0] == ' ' {
			c.refuse(field, "text must be left-aligned", quoted(b))
			return
		}
	}
	copy(v, b)
}

// name is a field of UTF-8, left-aligned, padded with spaces, without control characters.
func (c *cursor) name(field string, v []byte) {
	if !c.reading {
		c.spaced(v)
		return
	}
	b := c.take(len(v))
	if !utf8.Valid(b) {
		c.refuse(field, "name must be UTF-8", quoted(b))
		return
	}
	for i, x := range b {
		if x < ' ' || x == 0x7f || x != ' ' && i > 0 && b[0] == ' ' {
			c.refuse(field, "name must be left-aligned, padded with spaces, without control characters", quoted(b))
			return
		}
	}
	copy(v, b)
}

// spaced writes text; a zero byte stands for padding.
func (c *cursor) spaced(v []byte) {
	start := len(c.bytes)
	c.bytes = append(c.bytes, v...)
	for i, x := range c.bytes[start:] {
		if x == 0 {
			c.bytes[start+i] = ' '
		}
	}
}

// char is a field of one character.
func (c *cursor) char(field string, v *byte) {
	if !c.reading {
		x := *v
		if x == 0 {
			x = ' '
		}
		c.bytes = append(c.bytes, x)
		return
	}
	if b := c.take(1); b != nil {
		if b[0] < ' ' || b[0] > '~' {
			c.refuse(field, "must be a printable ASCII character", quoted(b))
		}
		*v = b[0]
	}
}

func (c *cursor) u8(v *uint8) {
	if !c.reading {
		c.bytes = append(c.bytes, *v)
	} else if b := c.take(1); b != nil {
		*v = b[0]
	}
}

func (c *cursor) u16(v *uint16) {
	if !c.reading {
		c.bytes = binary.BigEndian.AppendUint16(c.bytes, *v)
	} else if b := c.take(2); b != nil {
		*v = binary.BigEndian.Uint16(b)
	}
}

func (c *cursor) u32(v *uint32) {
	if !c.reading {
		c.bytes = binary.BigEndian.AppendUint32(c.bytes, *v)
	} else if b := c.take(4); b != nil {
		*v = binary.BigEndian.Uint32(b)
	}
}

func (c *cursor) u64(v *uint64) {
	if !c.reading {
		c.bytes = binary.BigEndian.AppendUint64(c.bytes, *v)
	} else if b := c.take(8); b != nil {
		*v = binary.BigEndian.Uint64(b)
	}
}

func i32[T ~int32](c *cursor, v *T) {
	u := uint32(*v)
	c.u32(&u)
	*v = T(u)
}

func i64[T ~int64](c *cursor, v *T) {
	u := uint64(*v)
	c.u64(&u)
	*v = T(u)
}

// count is the number of entries of a list, size bytes each, that fill the rest of the body. It returns the number to
// walk: 0 when it was refused.
func (c *cursor) count(field string, n, most, size int) int {
	must.Hold(c.reading || n <= most, "a list that is sent is within its limit")
	u := uint32(n)
	c.u32(&u)
	if c.err != nil || !c.reading {
		return n
	}
	if int64(u) > int64(most) {
		c.refuse(field, "at most "+strconv.Itoa(most)+" entries are allowed", strconv.FormatUint(uint64(u), 10))
		return 0
	}
	if want := c.at + int(u)*size; want != len(c.bytes) {
		c.err = LengthError{Type: c.kind, Got: len(c.bytes), Want: want}
		return 0
	}
	return int(u)
}

// choice is a field of one byte with the values from low to high.
func choice[T ~uint8](c *cursor, field string, v *T, low, high T) {
	u := uint8(*v)
	c.u8(&u)
	if c.reading && c.err == nil && (T(u) < low || T(u) > high) {
		c.refuse(field, fmt.Sprintf("must be from %d to %d", uint8(low), uint8(high)), strconv.Itoa(int(u)))
		return
	}
	*v = T(u)
}

// flag is a field of one byte, 0 or 1.
func (c *cursor) flag(field string, v *bool) {
	var u uint8
	if *v {
		u = 1
	}
	choice(c, field, &u, 0, 1)
	*v = u == 1
}

// quoted shows a field's bytes in an error.
func quoted(b []byte) string {
	const most = 40
	if len(b) > most {
		return strconv.Quote(string(b[:most])) + "..."
	}
	return strconv.Quote(string(b))
}
