package exchange

import (
	"encoding/binary"
	"errors"
	"fmt"

	"evenkeel/core/money"
	"evenkeel/core/must"
	"evenkeel/core/trade"
)

// CommandVersion is the first byte of an encoded command. A change of any layout below takes the next number.
const CommandVersion = 1

// Errors of the decoders; each comes wrapped with the place and the value.
var (
	ErrVersion   = errors.New("unknown version of the encoding")
	ErrKind      = errors.New("unknown kind of command")
	ErrTruncated = errors.New("truncated")
	ErrTrailing  = errors.New("bytes after the end")
	ErrValue     = errors.New("value out of range")
)

// AppendCommand appends the encoding of c: version, kind, then the members in order, integers big-endian, texts of
// variable length behind a 32-bit length.
func AppendCommand(b []byte, c Command) []byte {
	w := writer{b: append(b, CommandVersion, byte(c.Kind()))}
	switch c := c.(type) {
	case *ListSecurity:
		w.listing(c)
	case *NewOrder:
		w.bytes(c.PBU[:])
		w.bytes(c.ClOrdID[:])
		w.bytes(c.Account[:])
		w.bytes(c.Security[:])
		w.u8(uint8(c.Side))
		w.u8(uint8(c.Type))
		w.u32(uint32(c.Day))
		w.u64(uint64(c.Price))
		w.u64(uint64(c.Quantity))
	case *Cancel:
		w.bytes(c.PBU[:])
		w.bytes(c.ClOrdID[:])
		w.bytes(c.OrigClOrdID[:])
		w.bytes(c.Security[:])
		w.u32(uint32(c.Day))
	case *SetPhase:
		w.u8(uint8(c.Venue))
		w.u8(uint8(c.Phase))
	case *HaltSecurity:
		w.bytes(c.Security[:])
	case *ResumeSecurity:
		w.bytes(c.Security[:])
	case *Tick:
	case *RollDay:
		w.u32(uint32(c.Day))
	case *AdoptRules:
		w.text(c.Text)
	case *ForgetUnit:
		w.bytes(c.PBU[:])
	default:
		must.Hold(false, "a command of an unknown type is encoded")
	}
	return w.b
}

// Decoder decodes commands without allocating (ListSecurity's name excepted): it keeps one struct of each kind, so a
// decoded command is valid until the next call. AdoptRules.Text aliases the input.
type Decoder struct {
	list   ListSecurity
	order  NewOrder
	cancel Cancel
	phase  SetPhase
	halt   HaltSecurity
	resume ResumeSecurity
	tick   Tick
	roll   RollDay
	rules  AdoptRules
	forget ForgetUnit
}

// Command decodes one command that fills b. Errors are ErrVersion, ErrKind, ErrTruncated, ErrTrailing or ErrValue,
// wrapped.
func (d *Decoder) Command(b []byte) (Command, error) {
	r := reader{b: b}
	version, kind := r.u8(), CommandKind(r.u8())
	switch {
	case r.err != nil:
		return nil, fmt.Errorf("decode exchange command: %w", r.err)
	case version != CommandVersion:
		return nil, fmt.Errorf("decode exchange command: version %d, this program knows %d: %w",
			version, CommandVersion, ErrVersion)
	}
	c := d.body(kind, &r)
	switch {
	case c == nil:
		return nil, fmt.Errorf("decode exchange command: kind %d: %w", kind, ErrKind)
	case r.err == nil && len(r.b) > 0:
		r.err = fmt.Errorf("%d: %w", len(r.b), ErrTrailing)
	}
	if r.err != nil {
		return nil, fmt.Errorf("decode exchange command of kind %d: %w", kind, r.err)
	}
	return c, nil
}

func (d *Decoder) body(kind CommandKind, r *reader) Command {
	switch kind {
	case ListSecurityKind:
		r.listing(&d.list)
		return &d.list
	case NewOrderKind:
		c := &d.order
		r.bytes(c.PBU[:])
		r.bytes(c.ClOrdID[:])
		r.bytes(c.Account[:])
		r.bytes(c.Security[:])
		c.Side, c.Type = trade.Side(r.u8()), trade.OrderType(r.u8())
		c.Day = trade.Day(r.u32())
		c.Price, c.Quantity = money.Price(r.u64()), money.Quantity(r.u64())
		return c
	case CancelKind:
		c := &d.cancel
		r.bytes(c.PBU[:])
		r.bytes(c.ClOrdID[:])
		r.bytes(c.OrigClOrdID[:])
		r.bytes(c.Security[:])
		c.Day = trade.Day(r.u32())
		return c
	case SetPhaseKind:
		d.phase.Venue, d.phase.Phase = trade.Venue(r.u8()), trade.Phase(r.u8())
		return &d.phase
	case HaltSecurityKind:
		r.bytes(d.halt.Security[:])
		return &d.halt
	case ResumeSecurityKind:
		r.bytes(d.resume.Security[:])
		return &d.resume
	case TickKind:
		return &d.tick
	case RollDayKind:
		d.roll.Day = trade.Day(r.u32())
		return &d.roll
	case AdoptRulesKind:
		d.rules.Text = r.text(trade.MaxRules)
		return &d.rules
	case ForgetUnitKind:
		r.bytes(d.forget.PBU[:])
		return &d.forget
	}
	return nil
}

func (w *writer) listing(c *ListSecurity) {
	w.bytes(c.Code[:])
	w.u8(uint8(c.Venue))
	w.u8(uint8(c.Board))
	w.u8(uint8(c.Condition))
	w.u32(uint32(c.Flags))
	w.u64(uint64(c.PreviousClose))
	w.u32(uint32(c.ListedDay))
	w.u32(uint32(len(c.Name)))
	w.b = append(w.b, c.Name...)
}

func (r *reader) listing(c *ListSecurity) {
	r.bytes(c.Code[:])
	c.Venue, c.Board, c.Condition = trade.Venue(r.u8()), trade.Board(r.u8()), trade.Condition(r.u8())
	c.Flags = Flags(r.u32())
	c.PreviousClose, c.ListedDay = money.Price(r.u64()), int32(r.u32())
	c.Name = string(r.text(trade.MaxName))
}

// writer appends fixed-width big-endian values.
type writer struct{ b []byte }

func (w *writer) u8(v uint8)     { w.b = append(w.b, v) }
func (w *writer) u16(v uint16)   { w.b = binary.BigEndian.AppendUint16(w.b, v) }
func (w *writer) u32(v uint32)   { w.b = binary.BigEndian.AppendUint32(w.b, v) }
func (w *writer) u64(v uint64)   { w.b = binary.BigEndian.AppendUint64(w.b, v) }
func (w *writer) bytes(v []byte) { w.b = append(w.b, v...) }
func (w *writer) text(v []byte)  { w.u32(uint32(len(v))); w.bytes(v) }
func (w *writer) bool(v bool) {
	if v {
		w.u8(1)
		return
	}
	w.u8(0)
}

// reader is the writer's mirror. After the first error every value is zero and the error stays.
type reader struct {
	b   []byte
	err error
}

func (r *reader) take(n int) []byte {
	if r.err != nil {
		return nil
	}
	if n > len(r.b) {
		r.err = fmt.Errorf("%d bytes wanted, %d left: %w", n, len(r.b), ErrTruncated)
		return nil
	}
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) u8() uint8 {
	if v := r.take(1); v != nil {
		return v[0]
	}
	return 0
}

func (r *reader) u16() uint16 {
	if v := r.take(2); v != nil {
		return binary.BigEndian.Uint16(v)
	}
	return 0
}

func (r *reader) u32() uint32 {
	if v := r.take(4); v != nil {
		return binary.BigEndian.Uint32(v)
	}
	return 0
}

func (r *reader) u64() uint64 {
	if v := r.take(8); v != nil {
		return binary.BigEndian.Uint64(v)
	}
	return 0
}

func (r *reader) bytes(into []byte) { copy(into, r.take(len(into))) }

func (r *reader) text(most uint32) []byte {
	n := r.u32()
	if n > most {
		r.fail("a text of %d bytes, at most %d", uint64(n), uint64(most))
		return nil
	}
	return r.take(int(n))
}

func (r *reader) bool() bool {
	v := r.u8()
	if v > 1 {
		r.fail("a truth value of %d, at most %d", uint64(v), 1)
	}
	return v == 1
}

// fail keeps the first error.
func (r *reader) fail(format string, value, most uint64) {
	if r.err == nil {
		r.err = fmt.Errorf(format+": %w", value, most, ErrValue)
	}
}
