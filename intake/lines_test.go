package intake

import (
	"slices"
	"testing"
	"time"
)

// plainLine is the obvious line: a list by age, from which whoever is next is looked for.
type plainLine struct {
	newestFirst bool
	all         []*entry
	turns       []uint64 // accounts, the next first
}

func (l *plainLine) push(e *entry) {
	if !slices.Contains(l.turns, e.key) {
		if l.newestFirst {
			l.turns = slices.Insert(l.turns, 0, e.key)
		} else {
			l.turns = append(l.turns, e.key)
		}
	}
	l.all = append(l.all, e)
}

func (l *plainLine) take() *entry {
	if len(l.all) == 0 {
		return nil
	}
	key, mine := l.turns[0], []*entry{}
	for _, e := range l.all {
		if e.key == key {
			mine = append(mine, e)
		}
	}
	next := mine[0]
	if l.newestFirst {
		next = mine[len(mine)-1]
	}
	l.remove(next)
	if len(mine) > 1 {
		l.turns = append(l.turns[1:], key)
	}
	return next
}

func (l *plainLine) remove(e *entry) {
	l.all = slices.DeleteFunc(l.all, func(other *entry) bool { return other == e })
	if !slices.ContainsFunc(l.all, func(other *entry) bool { return other.key == e.key }) {
		l.turns = slices.DeleteFunc(l.turns, func(k uint64) bool { return k == e.key })
	}
}

// The line and the obvious one give the same answers, whatever is done to them: a byte is a step.
func FuzzLine(f *testing.F) {
	f.Add([]byte("\x00\x01\x02\x00\x80\x80\xc1\x80\x80"), true)
	f.Add([]byte("\x03\x03\x03\x02\x80\xc0\x01\x80\x80\x80\x80"), false)
	f.Fuzz(func(t *testing.T, steps []byte, newestFirst bool) {
		l := line{newestFirst: newestFirst, askers: map[uint64]*asker{}}
		plain := plainLine{newestFirst: newestFirst}
		for i, step := range steps {
			switch step >> 6 {
			case 0, 1:
				e := &entry{key: uint64(step % 8), since: time.Duration(i)}
				l.push(e)
				plain.push(e)
			case 2:
				if got, want := l.take(), plain.take(); got != want {
					t.Fatalf("step %d: %+v, want %+v", i, got, want)
				}
			default:
				if len(plain.all) > 0 {
					e := plain.all[int(step&0x3f)%len(plain.all)]
					l.remove(e)
					plain.remove(e)
				}
			}
			if l.all.size != len(plain.all) || l.turns.size != len(plain.turns) || len(l.askers) != len(plain.turns) {
				t.Fatalf("step %d: %d wait, %d take turns; %d and %d", i, l.all.size, l.turns.size, len(plain.all),
					len(plain.turns))
			}
			for e, j := l.all.first, 0; e != nil; e, j = e.age.after, j+1 {
				if e != plain.all[j] {
					t.Fatalf("step %d: not by age", i)
				}
			}
		}
	})
}
