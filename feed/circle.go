package feed

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"sync"
	"time"
)

// Form is how listeners are told: those who want the same in the same form share each frame.
type Form struct {
	Name  string        // two forms of a name, a number of messages and a pace give the same bytes
	Every time.Duration // 0: every update; else the latest of each kind and security, once in so long
	Most  int           // updates of one frame; 0: 256
	// Encode makes a frame of updates that are not to be changed. place is that of the last update that it takes in.
	Encode func(updates []*Update, place Place) []byte
}

// Place is where a market's stream of updates is: each has a number, greater than that of the one before. Numbers are
// a market's own, and begin anew when it does.
type Place struct{ Epoch, Number uint64 }

// Frame is updates that listeners share.
type Frame struct {
	updates []*Update
	place   Place
	begins  uint64 // updates that the circle had been told before it
	readers int    // who have it next, or are at it; under the circle's lock
	form    *Form
	once    sync.Once
	bytes   []byte
}

// Bytes is the frame's encoding. It is made once, by whoever asks first.
func (f *Frame) Bytes() []byte {
	f.once.Do(func() { f.bytes = f.form.Encode(f.updates, f.place) })
	return f.bytes
}

// Updates is how many updates the frame has.
func (f *Frame) Updates() int { return len(f.updates) }

// born is when the oldest of its updates was told.
func (f *Frame) born() time.Time { return f.updates[0].At }

// circle is what those share who want the same in the same form: frames, in order. A frame is cut when somebody wants
// the next one, of whatever has come by then, and is forgotten when everybody has had it. So the slower the network
// takes frames, the fewer and the larger they are.
type circle struct {
	key      [sha256.Size]byte
	form     Form
	interest Interest
	members  int // under the market's lock

	mu      sync.Mutex
	frames  []*Frame
	first   uint64    // number of frames[0]
	tail    int       // members who have had all frames
	pending []*Update // in no frame yet
	slots   map[snapshot]int
	total   uint64    // updates told so far, but for those whose place a newer one took
	cut     time.Time // when the last frame was
	latest  Place
	err     error
	news    chan struct{} // wakes one member, who cuts a frame
	made    chan struct{} // closed when a frame has been cut: wakes the others
	timer   *time.Timer   // of a circle with a pace, when its next frame is due
}

// foldable kinds are those of which a listener at a pace gets the latest. Candles are told once a minute, and each
// counts.
var foldable = [updateKinds]bool{TradeUpdate: true, QuoteUpdate: true, DepthUpdate: true, StatusUpdate: true,
	LimitUpdate: true, ImbalanceUpdate: true}

func newCircle(key [sha256.Size]byte, in Interest, form Form) *circle {
	if form.Most <= 0 {
		form.Most = 256
	}
	c := &circle{key: key, form: form, interest: in, news: make(chan struct{}, 1), made: make(chan struct{})}
	if form.Every > 0 {
		c.slots = map[snapshot]int{}
	}
	return c
}

// keyOf is the same for those who want the same in the same form.
func keyOf(in *Interest, form *Form) (key [sha256.Size]byte) {
	h := sha256.New()
	number := func(n int64) { _ = binary.Write(h, binary.LittleEndian, n) }
	text := func(s string) { number(int64(len(s))); _, _ = h.Write([]byte(s)) }
	text(form.Name)
	number(int64(form.Every))
	number(int64(form.Most))
	for kind := range in.Every {
		var symbols []string
		for symbol, wants := range in.Symbols[kind] {
			if wants {
				symbols = append(symbols, symbol)
			}
		}
		slices.Sort(symbols)
		if in.Every[kind] {
			symbols = []string{"*"}
		}
		number(int64(len(symbols)))
		for _, symbol := range symbols {
			text(symbol)
		}
	}
	h.Sum(key[:0])
	return key
}

// take takes an update in, and wakes whoever cuts the frame. It waits for nobody.
func (c *circle) take(u *Update) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.latest.Number = u.Number
	if c.form.Every > 0 && foldable[u.Kind] {
		slot := snapshot{u.Kind, u.Symbol}
		if at, waits := c.slots[slot]; waits {
			c.pending[at] = u
			return
		}
		c.slots[slot] = len(c.pending)
	}
	c.pending = append(c.pending, u)
	c.total++
	c.shed()
	if len(c.pending) == 1 {
		c.call(u.At)
	}
}

// call wakes a member when the next frame is due.
func (c *circle) call(now time.Time) {
	wait := c.cut.Add(c.form.Every).Sub(now)
	switch {
	case c.form.Every == 0 || wait <= 0:
		c.wake()
	case c.timer == nil:
		c.timer = time.AfterFunc(wait, c.wake)
	default:
		c.timer.Reset(wait)
	}
}

func (c *circle) wake() {
	select {
	case c.news <- struct{}{}:
	default:
	}
}

// shed forgets the oldest frames while more than MaxBehind updates wait for somebody: who had those next is lost.
func (c *circle) shed() {
	for len(c.frames) > 0 && c.total-c.frames[0].begins > MaxBehind {
		c.forget(1)
	}
	if len(c.pending) > MaxBehind { // nobody has come for a frame all the while
		c.pending, c.tail = nil, 0
		clear(c.slots)
		c.first++ // the frame that was next is never made
	}
}

func (c *circle) forget(n int) {
	clear(c.frames[:n])
	c.frames = c.frames[n:]
	c.first += uint64(n)
}

// trim forgets the frames that everybody has had.
func (c *circle) trim() {
	n := 0
	for n < len(c.frames) && c.frames[n].readers == 0 {
		n++
	}
	c.forget(n)
}

// seal cuts a frame of what is pending. Those at the tail have it next.
func (c *circle) seal(now time.Time) *Frame {
	n := min(len(c.pending), c.form.Most)
	f := &Frame{updates: c.pending[:n:n], place: c.latest, form: &c.form, readers: c.tail,
		begins: c.total - uint64(len(c.pending))}
	c.pending = c.pending[n:]
	if len(c.pending) > 0 && c.form.Every == 0 {
		f.place.Number = f.updates[n-1].Number // of a circle with a pace, only the last frame of a cut takes all in
	} else if len(c.pending) > 0 {
		f.place.Number = 0
	}
	if len(c.pending) == 0 {
		c.pending = nil
		clear(c.slots)
		c.cut = now
	} else {
		for slot, at := range c.slots {
			if at < n {
				delete(c.slots, slot)
			} else {
				c.slots[slot] = at - n
			}
		}
	}
	c.frames, c.tail = append(c.frames, f), 0
	close(c.made)
	c.made = make(chan struct{})
	return f
}

// end ends every member, behind what there is.
func (c *circle) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
	}
	for len(c.pending) > 0 {
		c.seal(time.Now())
	}
	close(c.made)
	c.made = make(chan struct{})
}

// next is the frame of a number, if there is one, or can be: it is cut when it is due.
func (c *circle) next(number uint64) (f *Frame, err error) {
	now := time.Time{}
	end := c.first + uint64(len(c.frames))
	switch {
	case number < c.first:
		return nil, ErrSlow
	case number < end:
		return c.frames[number-c.first], nil
	case len(c.pending) == 0:
		return nil, c.err
	case c.form.Every > 0:
		if now = time.Now(); now.Before(c.cut.Add(c.form.Every)) {
			return nil, nil
		}
	}
	return c.seal(now), nil
}

// enter places a member behind everything that has been told, and returns the number of the frame that it has next.
func (c *circle) enter() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.pending) > 0 { // those who were here have it next
		c.seal(time.Now())
	}
	c.trim()
	c.tail++
	return c.first + uint64(len(c.frames))
}

// pass moves a member behind the frame that it has had. One whose next frame is forgotten is lost.
func (c *circle) pass(number uint64) {
	if number >= c.first {
		c.frames[number-c.first].readers--
	}
	switch end := c.first + uint64(len(c.frames)); {
	case number+1 < c.first:
	case number+1 < end:
		c.frames[number+1-c.first].readers++
	default:
		c.tail++
	}
	c.trim()
}

func (c *circle) ended() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err != nil
}

// leave takes a member out that has number next, and returns the frames that it has not had.
func (c *circle) leave(number uint64) (left []*Frame, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.pending) > 0 && number >= c.first {
		c.seal(time.Now())
	}
	switch end := c.first + uint64(len(c.frames)); {
	case number < c.first:
		return nil, ErrSlow
	case number == end:
		c.tail--
	default:
		left = slices.Clone(c.frames[number-c.first:])
		c.frames[number-c.first].readers--
	}
	c.trim()
	return left, c.err
}

// lag is how old the oldest update is that a member with number next has not had, and how many there are. What waits
// because the member wants it at a pace is not late before it is due.
func (c *circle) lag(number uint64, now time.Time) (age time.Duration, behind int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch end := c.first + uint64(len(c.frames)); {
	case number < c.first:
		return 0, MaxBehind
	case number < end:
		f := c.frames[number-c.first]
		return now.Sub(f.born()), int(c.total - f.begins) //nolint:gosec // at most MaxBehind
	case len(c.pending) == 0:
		return 0, 0
	}
	born := c.pending[0].At
	if due := c.cut.Add(c.form.Every); c.form.Every > 0 && due.After(born) {
		born = due
	}
	return max(0, now.Sub(born)), len(c.pending)
}
