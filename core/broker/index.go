package broker

// index finds numbers by the 64-bit hashes of their names: open addressing, linear probing, at most three quarters
// full. It does not know the names: whoever asks compares the name of each number that probe returns. It is never
// walked in an order that could show.
type index struct {
	slots []slot
	used  int
}

// slot is free when its number is 0.
type slot struct {
	hash   uint64
	number uint32
}

const leastSlots = 1 << 6

// probe returns the next number with the hash; at is where to look, the hash itself at first and then what the last
// call returned. ok is false when there is no further one.
func (x *index) probe(hash, at uint64) (number uint32, next uint64, ok bool) {
	if len(x.slots) == 0 {
		return 0, 0, false
	}
	mask := uint64(len(x.slots) - 1)
	for {
		s := &x.slots[at&mask]
		at++
		switch {
		case s.number == 0:
			return 0, 0, false
		case s.hash == hash:
			return s.number, at, true
		}
	}
}

// put adds a number; it is not looked for first.
func (x *index) put(hash uint64, number uint32) {
	if (x.used+1)*4 > len(x.slots)*3 {
		x.grow()
	}
	x.used++
	x.place(slot{hash, number})
}

func (x *index) place(s slot) {
	mask := uint64(len(x.slots) - 1)
	at := s.hash & mask
	for x.slots[at].number != 0 {
		at = (at + 1) & mask
	}
	x.slots[at] = s
}

func (x *index) grow() {
	old := x.slots
	x.slots = make([]slot, max(leastSlots, 2*len(old)))
	for _, s := range old {
		if s.number != 0 {
			x.place(s)
		}
	}
}

// remove takes a number out, if it is there, and moves what was displaced by it back.
func (x *index) remove(hash uint64, number uint32) {
	if len(x.slots) == 0 {
		return
	}
	mask := uint64(len(x.slots) - 1)
	at := hash & mask
	for x.slots[at].number != number || x.slots[at].hash != hash {
		if x.slots[at].number == 0 {
			return
		}
		at = (at + 1) & mask
	}
	x.used--
	for next := (at + 1) & mask; x.slots[next].number != 0; next = (next + 1) & mask {
		// A slot may move back to the gap unless its home lies behind the gap.
		home := x.slots[next].hash & mask
		if (next-home)&mask >= (next-at)&mask {
			x.slots[at] = x.slots[next]
			at = next
		}
	}
	x.slots[at] = slot{}
}

// clear forgets all and keeps the memory.
func (x *index) clear() {
	clear(x.slots)
	x.used = 0
}
