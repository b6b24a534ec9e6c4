package records

import (
	"encoding/binary"
	"fmt"
	"slices"

	"evenkeel/core/must"
	"evenkeel/core/trade"
)

// stream is one account's events of the kept days, encoded one behind the other as (uint32 length, event), with where
// each begins. Encoded they take a third of the memory, and a snapshot is a copy.
type stream struct {
	bytes     []byte
	offsets   []uint32 // of event first+i
	first     uint64
	firstTime trade.Time
	day       trade.Day
	dayStart  int // index in offsets where day began
}

func (s *stream) last() uint64 {
	if len(s.offsets) == 0 {
		return 0
	}
	return s.first + uint64(len(s.offsets)) - 1
}

func (s *stream) add(e *trade.Event, frame []byte) {
	must.Hold(len(s.offsets) == 0 || e.Number == s.last()+1, "event numbers of an account have no gap")
	if e.Day > s.day {
		s.forget(s.dayStart) // what was today becomes the day before, and the day before that goes
		s.day, s.dayStart = e.Day, len(s.offsets)
	}
	if len(s.offsets) == 0 {
		s.first, s.firstTime = e.Number, e.Time
	}
	s.offsets = append(s.offsets, uint32(len(s.bytes)))
	s.bytes = binary.LittleEndian.AppendUint32(s.bytes, uint32(len(frame)))
	s.bytes = append(s.bytes, frame...)
}

// forget drops the first n events.
func (s *stream) forget(n int) {
	if n == 0 {
		return
	}
	if n == len(s.offsets) {
		s.bytes, s.offsets, s.dayStart = s.bytes[:0], s.offsets[:0], 0
		return
	}
	cut := s.offsets[n]
	s.bytes = append([]byte(nil), s.bytes[cut:]...)
	s.offsets = slices.Clone(s.offsets[n:])
	for i := range s.offsets {
		s.offsets[i] -= cut
	}
	s.first += uint64(n)
	s.dayStart = max(0, s.dayStart-n)
	var e trade.Event
	s.decode(0, &e)
	s.firstTime = e.Time
}

func (s *stream) decode(i int, e *trade.Event) {
	at := s.offsets[i]
	n := binary.LittleEndian.Uint32(s.bytes[at:])
	err := trade.DecodeEvent(slices.Clone(s.bytes[at+4:at+4+n]), e) // a copy: texts must outlive the lock
	must.Hold(err == nil, "an event in memory can be decoded")
}

func (s *stream) read(f *EventFilter) (rows []trade.Event) {
	n := len(s.offsets)
	from := 0
	if f.After >= s.first && n > 0 {
		from = int(min(uint64(n), f.After-s.first+1))
	}
	for i := from; i < n && len(rows) < f.limit(); i++ {
		at := i
		if f.Direction == NewestFirst {
			at = n - 1 - (i - from)
		}
		var e trade.Event
		s.decode(at, &e)
		if f.chooses(&e) {
			rows = append(rows, e)
		}
	}
	return rows
}

// frames walks (length, bytes) pairs.
func frames(b []byte, visit func([]byte) error) error {
	for len(b) > 0 {
		if len(b) < 4 {
			return fmt.Errorf("%w: %d bytes left of a length", trade.ErrUnreadable, len(b))
		}
		n := binary.LittleEndian.Uint32(b)
		if uint64(n) > uint64(len(b)-4) {
			return fmt.Errorf("%w: an event of %d bytes, %d are left", trade.ErrUnreadable, n, len(b)-4)
		}
		if err := visit(b[4 : 4+n]); err != nil {
			return err
		}
		b = b[4+n:]
	}
	return nil
}
