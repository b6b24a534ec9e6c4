package broker

import "evenkeel/core/must"

// text is a text in an archive: where it begins, and its length in the low 16 bits. The zero value is the empty text.
type text uint64

const (
	textBits  = 16
	pageBytes = 1 << 20 // a text lies within one page
)

func (t text) length() int { return int(t & (1<<textBits - 1)) }

// archive keeps texts in pages that never move, without a pointer for each. Texts are only added; dead counts the
// bytes of those given up, so that the owner can copy what lives into a new archive.
type archive struct {
	pages [][]byte
	next  uint64 // where the next text goes
	live  int
	dead  int
}

// keep copies a text into the archive.
func (a *archive) keep(b []byte) text {
	if len(b) == 0 {
		return 0
	}
	must.Hold(len(b) < 1<<textBits, "a text is shorter than 65,536 bytes")
	if a.next%pageBytes+uint64(len(b)) > pageBytes {
		a.next += pageBytes - a.next%pageBytes
	}
	page := int(a.next / pageBytes)
	if page == len(a.pages) {
		a.pages = append(a.pages, make([]byte, pageBytes))
	}
	copy(a.pages[page][a.next%pageBytes:], b)
	t := text(a.next<<textBits | uint64(len(b)))
	a.next += uint64(len(b))
	a.live += len(b)
	return t
}

// read returns a text; the bytes must not be changed, and are valid until the archive is cleared.
func (a *archive) read(t text) []byte {
	n := uint64(t.length())
	if n == 0 {
		return nil
	}
	at := uint64(t) >> textBits
	from := at % pageBytes
	return a.pages[at/pageBytes][from : from+n : from+n]
}

// drop says that a text is not needed any more.
func (a *archive) drop(t text) {
	a.live -= t.length()
	a.dead += t.length()
}

// clear forgets all texts and keeps the memory.
func (a *archive) clear() { a.next, a.live, a.dead = 0, 0, 0 }

// wasteful says that more than half of a large archive is dead.
func (a *archive) wasteful() bool { return a.dead > a.live && a.dead > 4*pageBytes }
