package api

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/vmihailenco/msgpack/v5"
	"github.com/vmihailenco/msgpack/v5/msgpcode"

	"evenkeel/core/money"
	"evenkeel/core/trade"
)

// wire writes the messages of the data stream, in JSON or MessagePack: maps whose members keep the order in which
// they are written, because the published Go client wants "T" first. MessagePack has no decimals: prices go out as
// the nearest 64-bit float there, and only there.
type wire struct {
	b      []byte
	packed bool
	rest   bool // JSON: a comma goes before the next member
}

// array begins an array of n elements, to be ended with endArray.
func (w *wire) array(n int) {
	switch {
	case !w.packed:
		w.b = append(w.b, '[')
	case n < 16:
		w.b = append(w.b, 0x90|byte(n))
	default:
		w.b = append(w.b, msgpcode.Array32)
		w.b = binary.BigEndian.AppendUint32(w.b, uint32(n))
	}
}

func (w *wire) endArray() {
	if !w.packed {
		w.b = append(w.b, ']')
	}
}

// element goes before the element i of an array.
func (w *wire) element(i int) {
	if !w.packed && i > 0 {
		w.b = append(w.b, ',')
	}
}

// object begins a map of n members, to be ended with endObject.
func (w *wire) object(n int) {
	w.rest = false
	if w.packed {
		w.b = append(w.b, 0x80|byte(n)) // all of ours have fewer than 16
		return
	}
	w.b = append(w.b, '{')
}

func (w *wire) endObject() {
	w.rest = true
	if !w.packed {
		w.b = append(w.b, '}')
	}
}

func (w *wire) name(name string) {
	if w.packed {
		w.text(name)
		return
	}
	if w.rest {
		w.b = append(w.b, ',')
	}
	w.rest = true
	w.b = strconv.AppendQuote(w.b, name)
	w.b = append(w.b, ':')
}

func (w *wire) text(v string) {
	if !w.packed {
		w.b = appendJSONText(w.b, v)
		return
	}
	switch n := len(v); {
	case n < 32:
		w.b = append(w.b, 0xa0|byte(n))
	case n < 1<<8:
		w.b = append(w.b, msgpcode.Str8, byte(n))
	default:
		v = v[:min(n, math.MaxUint16)]
		w.b = append(w.b, msgpcode.Str16)
		w.b = binary.BigEndian.AppendUint16(w.b, uint16(len(v)))
	}
	w.b = append(w.b, v...)
}

// appendJSONText quotes a text. Ours are symbols, codes and names; the rare control character is written as \u00xx.
func appendJSONText(b []byte, v string) []byte {
	b = append(b, '"')
	for _, r := range v {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < 0x20:
			b = append(b, `\u00`...)
			b = append(b, "0123456789abcdef"[r>>4], "0123456789abcdef"[r&15])
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}

func (w *wire) member(name, v string) {
	w.name(name)
	w.text(v)
}

func (w *wire) price(name string, p money.Price) {
	w.name(name)
	if !w.packed {
		w.b = append(w.b, trimZeros(p.String())...)
		return
	}
	w.b = append(w.b, msgpcode.Double)
	w.b = binary.BigEndian.AppendUint64(w.b, math.Float64bits(float64(p)/money.Scale))
}

func (w *wire) count(name string, v uint64) {
	w.name(name)
	switch {
	case !w.packed:
		w.b = strconv.AppendUint(w.b, v, 10)
	case v < 128:
		w.b = append(w.b, byte(v))
	case v <= math.MaxUint32:
		w.b = append(w.b, msgpcode.Uint32)
		w.b = binary.BigEndian.AppendUint32(w.b, uint32(v))
	default:
		w.b = append(w.b, msgpcode.Uint64)
		w.b = binary.BigEndian.AppendUint64(w.b, v)
	}
}

func (w *wire) boolean(name string, v bool) {
	w.name(name)
	switch {
	case !w.packed:
		w.b = strconv.AppendBool(w.b, v)
	case v:
		w.b = append(w.b, msgpcode.True)
	default:
		w.b = append(w.b, msgpcode.False)
	}
}

func (w *wire) texts(name string, all ...string) {
	w.name(name)
	w.array(len(all))
	for i, v := range all {
		w.element(i)
		w.text(v)
	}
	w.endArray()
}

// moment writes the time of a message: RFC 3339 in JSON, the timestamp extension (-1) with 64 bits in MessagePack.
func (w *wire) moment(t trade.Time) {
	w.name("t")
	if !w.packed {
		w.b = append(w.b, '"')
		w.b = time.Unix(0, int64(t)).UTC().AppendFormat(w.b, time.RFC3339Nano)
		w.b = append(w.b, '"')
		return
	}
	const seconds = trade.Time(time.Second)
	t = max(0, t)
	w.b = append(w.b, msgpcode.FixExt8, 0xff)
	w.b = binary.BigEndian.AppendUint64(w.b, uint64(t%seconds)<<34|uint64(t/seconds))
}

// maxDepth bounds how deep a message of a client may be nested.
const maxDepth = 8

var errDepth = errors.New("nested too deep")

// boundedMsgpack walks a message and refuses what is nested too deep, or is not one whole value: the decoder
// recurses.
func boundedMsgpack(b []byte) error {
	in := bytes.NewReader(b)
	d := msgpack.NewDecoder(in)
	if err := walkMsgpack(d, 0); err != nil {
		return err
	}
	if in.Len() > 0 {
		return errors.New("bytes behind the message")
	}
	return nil
}

func walkMsgpack(d *msgpack.Decoder, depth int) error {
	if depth > maxDepth {
		return errDepth
	}
	code, err := d.PeekCode()
	if err != nil {
		return err
	}
	var n int
	values := 1
	switch {
	case msgpcode.IsFixedArray(code), code == msgpcode.Array16, code == msgpcode.Array32:
		n, err = d.DecodeArrayLen()
	case msgpcode.IsFixedMap(code), code == msgpcode.Map16, code == msgpcode.Map32:
		n, err = d.DecodeMapLen()
		values = 2
	default:
		return d.Skip()
	}
	for i := 0; err == nil && i < n*values; i++ {
		err = walkMsgpack(d, depth+1)
	}
	return err
}
