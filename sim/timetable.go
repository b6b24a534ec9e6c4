package sim

// A timetable holds what is to happen, by time; of one time, in the order in which it was put in. It is a binary heap
// of values: nothing is allocated but what is put in.
type timetable struct {
	heap     []appointment
	sequence uint64
}

// An appointment is something that happens at a time.
type appointment struct {
	at       int64 // ns since 1970, of the world
	sequence uint64
	tag      tag
	do       func()
}

func (a *appointment) before(b *appointment) bool {
	return a.at < b.at || a.at == b.at && a.sequence < b.sequence
}

func (t *timetable) put(at int64, what tag, do func()) {
	t.sequence++
	t.heap = append(t.heap, appointment{at, t.sequence, what, do})
	i := len(t.heap) - 1
	for i > 0 {
		above := (i - 1) / 2
		if !t.heap[i].before(&t.heap[above]) {
			break
		}
		t.heap[i], t.heap[above] = t.heap[above], t.heap[i]
		i = above
	}
}

// take removes and returns the next appointment; ok is false when there is none.
func (t *timetable) take() (next appointment, ok bool) {
	if len(t.heap) == 0 {
		return appointment{}, false
	}
	next = t.heap[0]
	last := len(t.heap) - 1
	t.heap[0] = t.heap[last]
	t.heap[last] = appointment{}
	t.heap = t.heap[:last]
	for i := 0; ; {
		least := i
		for _, below := range [...]int{2*i + 1, 2*i + 2} {
			if below < last && t.heap[below].before(&t.heap[least]) {
				least = below
			}
		}
		if least == i {
			return next, true
		}
		t.heap[i], t.heap[least] = t.heap[least], t.heap[i]
		i = least
	}
}
