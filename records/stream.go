package records

import (
	"encoding/binary"
	"fmt"
	"slices"

	"evenkeel/core/must"
	"evenkeel/core/trade"
)

// chunkBytes is the most room that a chunk of an account's stream has. It bounds what a reader takes at a time.
const chunkBytes = 64 << 10

// fillBytes is what the event of a fill has more than others of its order.
const fillBytes = 64

// stock is memory that is fetched in large pieces and given out in small ones, to all accounts of a shard: the small
// ones would cost more to allocate than all the rest of a fold. A piece is free when nothing of it is needed any more;
// that is soon after, because it serves one day (sweep).
type stock struct {
	orders []trade.Order
	bytes  []byte
}

const (
	stockOrders = 16
	stockBytes  = 16 << 10
)

// order returns a zero order.
func (s *stock) order() *trade.Order {
	if len(s.orders) == 0 {
		s.orders = make([]trade.Order, stockOrders)
	}
	o := &s.orders[0]
	s.orders = s.orders[1:]
	return o
}

// room returns an empty slice with room for n bytes and no more.
func (s *stock) room(n int) []byte {
	if n > stockBytes/4 {
		return make([]byte, 0, n)
	}
	if len(s.bytes) < n {
		s.bytes = make([]byte, stockBytes)
	}
	b := s.bytes[:0:n]
	s.bytes = s.bytes[n:]
	return b
}

// keep returns a copy of a text, nil of an empty one.
func (s *stock) keep(text []byte) []byte {
	if len(text) == 0 {
		return nil
	}
	return append(s.room(len(text)), text...)
}

// stream is one account's events of the kept days, encoded one behind the other as (uint32 length, event). Encoded
// they take a third of the memory, and a snapshot is a copy.
//
// What was written into a chunk is never written again, so who copied a chunk under the lock may read it without.
type stream struct {
	chunks []chunk // oldest first; none is empty
}

// chunk is a piece of a stream, of one trading day.
type chunk struct {
	first     uint64 // number of its first event
	count     uint32
	day       trade.Day
	firstTime trade.Time
	lastTime  trade.Time
	bytes     []byte
}

func (c *chunk) last() uint64 { return c.first + uint64(c.count) - 1 }

func (s *stream) first() uint64 {
	if len(s.chunks) == 0 {
		return 0
	}
	return s.chunks[0].first
}

func (s *stream) last() uint64 {
	if len(s.chunks) == 0 {
		return 0
	}
	return s.chunks[len(s.chunks)-1].last()
}

// add appends an event whose number is the next one.
func (s *stream) add(e *trade.Event, frame []byte, from *stock) {
	n := len(s.chunks)
	must.Hold(n == 0 || e.Number == s.last()+1, "event numbers of an account have no gap")
	need := 4 + len(frame)
	if n == 0 || s.chunks[n-1].day != e.Day || cap(s.chunks[n-1].bytes)-len(s.chunks[n-1].bytes) < need {
		// Most accounts have an event or two on a day, or one order that is placed, accepted and filled: that fits
		// exactly, then each chunk has twice the room of the one before. Nothing is moved.
		room := need
		switch {
		case n > 0:
			room = max(need, min(2*cap(s.chunks[n-1].bytes), chunkBytes))
		case e.Kind == trade.OrderPlaced:
			room = 3*need + fillBytes
		}
		s.chunks = append(s.chunks, chunk{first: e.Number, day: e.Day, firstTime: e.Time, bytes: from.room(room)})
		n++
	}
	c := &s.chunks[n-1]
	c.bytes = binary.LittleEndian.AppendUint32(c.bytes, uint32(len(frame)))
	c.bytes = append(c.bytes, frame...)
	c.count++
	c.lastTime = max(c.lastTime, e.Time)
}

// forget drops the days before oldest. What is left is copied: a reader may hold the old list.
func (s *stream) forget(oldest trade.Day) {
	n := 0
	for n < len(s.chunks) && s.chunks[n].day < oldest {
		n++
	}
	if n > 0 {
		s.chunks = slices.Clone(s.chunks[n:])
	}
	if len(s.chunks) == 0 {
		s.chunks = nil
	}
}

// from returns the part of the stream that is not older than a day.
func (s *stream) from(oldest trade.Day) stream {
	n := 0
	for n < len(s.chunks) && s.chunks[n].day < oldest {
		n++
	}
	return stream{chunks: s.chunks[n:]}
}

// size is the number of bytes.
func (s stream) size() (n int) {
	for i := range s.chunks {
		n += len(s.chunks[i].bytes)
	}
	return n
}

// lacks reports whether an event behind a number is not here, when the account's last event is number last.
func (s *stream) lacks(after, last uint64) bool {
	if len(s.chunks) == 0 {
		return after < last
	}
	return after < s.first()-1
}

// begins reports whether all events of a time and later are here. What was forgotten may be as old as the first that
// is here: a day turns within one entry.
func (s *stream) begins(from trade.Time) bool {
	return len(s.chunks) > 0 && from > s.chunks[0].firstTime
}

// since returns the first chunk that has an event behind a number, and false when there is none.
func (s *stream) since(after uint64) (chunk, bool) {
	at, _ := slices.BinarySearchFunc(s.chunks, after, func(c chunk, after uint64) int {
		if c.last() > after {
			return 1
		}
		return -1
	})
	if at == len(s.chunks) {
		return chunk{}, false
	}
	return s.chunks[at], true
}

// until returns the last chunk that has an event before a number, and false when there is none; 0 is open.
func (s *stream) until(before uint64) (chunk, bool) {
	at := len(s.chunks)
	if before != 0 {
		at, _ = slices.BinarySearchFunc(s.chunks, before, func(c chunk, before uint64) int {
			if c.first >= before {
				return 1
			}
			return -1
		})
	}
	if at == 0 {
		return chunk{}, false
	}
	return s.chunks[at-1], true
}

// choose appends the events of a chunk that a filter chooses, up to its limit. It needs no lock.
func (c *chunk) choose(rows []trade.Event, f *EventFilter) []trade.Event {
	if c.lastTime < f.From || f.Until != 0 && c.firstTime >= f.Until {
		return rows
	}
	bodies := make([][]byte, 0, c.count)
	err := frames(c.bytes, func(frame []byte) error { bodies = append(bodies, frame); return nil })
	must.Hold(err == nil && len(bodies) == int(c.count), "a chunk in memory can be walked")
	if f.Direction == NewestFirst {
		slices.Reverse(bodies)
	}
	var e trade.Event
	for _, body := range bodies {
		if len(rows) >= f.limit() {
			break
		}
		err := trade.DecodeEvent(body, &e)
		must.Hold(err == nil, "an event in memory can be decoded")
		if f.chooses(&e) {
			rows = append(rows, trade.Event{})
			// Again and alone: texts must not hold the whole chunk in memory, and no other event's members may show.
			err := trade.DecodeEvent(slices.Clone(body), &rows[len(rows)-1])
			must.Hold(err == nil, "an event in memory can be decoded")
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
