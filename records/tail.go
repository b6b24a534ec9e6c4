package records

import (
	"encoding/binary"
	"sync"
)

// Tail holds the encoded events that SQL has not taken yet, in the log's order. Folding never waits for it: when it is
// full it forgets the oldest entries, and the writer, seeing the gap, reads the log again from where it stands.
type Tail struct {
	mu      sync.Mutex
	entries []tailEntry
	size    int
	from    uint64 // every entry with events after this index is here
	index   uint64 // the last entry that was folded, with events or without
	begun   bool
	open    []byte // of the entry being folded
	news    chan struct{}
}

type tailEntry struct {
	index  uint64
	events []byte // (uint32 length, event)*
}

// NewTail returns an empty tail, which says nothing before it is told where it begins (Begin).
func NewTail() *Tail { return &Tail{news: make(chan struct{}, 1)} }

func (t *Tail) add(event []byte) {
	t.open = binary.LittleEndian.AppendUint32(t.open, uint32(len(event)))
	t.open = append(t.open, event...)
}

// commit closes the entry that was being folded.
func (t *Tail) commit(index uint64) {
	t.mu.Lock()
	t.index = max(t.index, index)
	if len(t.open) == 0 {
		t.mu.Unlock()
		return
	}
	t.entries = append(t.entries, tailEntry{index: index, events: append([]byte(nil), t.open...)})
	t.size += len(t.open)
	t.open = t.open[:0]
	for t.size > TailBytes && len(t.entries) > 0 {
		t.drop()
	}
	t.mu.Unlock()
	select {
	case t.news <- struct{}{}:
	default:
	}
}

func (t *Tail) drop() {
	t.from = t.entries[0].index
	t.size -= len(t.entries[0].events)
	t.entries[0].events = nil
	t.entries = t.entries[1:]
}

// Begin says that events up to a log index will not come: they were applied before this tail began.
func (t *Tail) Begin(index uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.entries, t.size, t.from, t.open = nil, 0, index, t.open[:0]
	t.index, t.begun = index, true
}

// place returns the log index that the tail reaches, and false before it has begun.
func (t *Tail) place() (index uint64, begun bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.index, t.begun
}

// first returns the log index behind which the tail has everything.
func (t *Tail) first() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.from
}

// After returns up to most bytes of entries behind a log index, and false when some of them are no longer here.
func (t *Tail) After(index uint64, most int) (entries []Entry, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if index < t.from {
		return nil, false
	}
	for _, e := range t.entries {
		if e.index <= index {
			continue
		}
		if most -= len(e.events); most < 0 && len(entries) > 0 {
			break
		}
		entries = append(entries, Entry{Index: e.index, events: e.events})
	}
	return entries, true
}

// Taken forgets the entries up to a log index.
func (t *Tail) Taken(index uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.entries) > 0 && t.entries[0].index <= index {
		t.drop()
	}
	t.from = max(t.from, index)
}

// News receives a value when entries came that nobody has asked for yet.
func (t *Tail) News() <-chan struct{} { return t.news }

// Waiting is the number of bytes that SQL has not taken.
func (t *Tail) Waiting() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.size
}

// Entry is what one entry of the log left for history.
type Entry struct {
	Index  uint64
	events []byte
}

// Events walks the encoded events of the entry, in order.
func (e Entry) Events(visit func(encoded []byte) error) error { return frames(e.events, visit) }

// EntryOf makes an entry of encoded events, for a caller that reads the log itself.
func EntryOf(index uint64, encoded ...[]byte) Entry {
	e := Entry{Index: index}
	for _, b := range encoded {
		e.events = binary.LittleEndian.AppendUint32(e.events, uint32(len(b)))
		e.events = append(e.events, b...)
	}
	return e
}
