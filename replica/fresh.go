package replica

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"sync"

	"go.etcd.io/raft/v3"

	"evenkeel/core/planted"
)

// fresh collects those who ask for a fresh index. One question to the leader is under way at a time; who comes
// meanwhile is in the next. The raft loop asks and answers.
type fresh struct {
	mutex   sync.Mutex
	refusal error                 // why nobody is taken in, nil while they are
	next    []func(uint64, error) // not asked yet

	// owned by the raft loop
	asked       []func(uint64, error) // the question under way is theirs
	first, last uint64                // ids under which it was asked
	ticks       int                   // since it was asked first
}

const (
	freshAgain  = electionTicks / 2 // ticks after which a question is asked again
	freshGiveUp = 3 * electionTicks // and after which it has failed
)

// newFresh begins ids where no earlier process of this node was: an answer to its question must not be taken for ours.
func newFresh() *fresh {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return &fresh{last: binary.LittleEndian.Uint64(b[:])}
}

// add takes somebody in; first says that the raft loop must be woken.
func (f *fresh) add(done func(uint64, error), limit int) (first bool, err error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if f.refusal != nil {
		return false, f.refusal
	}
	if len(f.next) >= limit {
		return false, ErrFull
	}
	f.next = append(f.next, done)
	return len(f.next) == 1, nil
}

// take begins the next question, if somebody waits for it and none is under way.
func (f *fresh) take() bool {
	if len(f.asked) > 0 {
		return false
	}
	f.mutex.Lock()
	f.asked, f.next = f.next, f.asked[:0]
	f.mutex.Unlock()
	f.first, f.ticks = f.last+1, 0
	return len(f.asked) > 0
}

// waits reports whether somebody waits for the next question.
func (f *fresh) waits() bool {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return len(f.next) > 0
}

func (f *fresh) answer(index uint64, err error) {
	for i, done := range f.asked {
		f.asked[i] = nil
		done(index, err)
	}
	f.asked = f.asked[:0]
}

// fail answers everybody.
func (f *fresh) fail(err error) {
	f.answer(0, err)
	if f.take() {
		f.answer(0, err)
	}
}

// refuse answers everybody and takes nobody in from now on.
func (f *fresh) refuse(why error) {
	f.mutex.Lock()
	f.refusal = why
	f.mutex.Unlock()
	f.fail(why)
}

// askFresh asks the leader for those who wait. It reports whether it did.
func (l *loop[A]) askFresh() bool {
	f := l.fresh
	if len(f.asked) > 0 || !f.waits() {
		return false
	}
	if l.leader == raft.None {
		f.fail(fmt.Errorf("%w: group %d is electing one", ErrNoLeader, l.group))
		return true
	}
	if l.leading && !l.isReady { // it does not know yet what is agreed
		return false
	}
	if !f.take() {
		return false
	}
	if planted.Is(planted.StaleRead) {
		f.answer(l.applied, nil)
		return true
	}
	l.readIndex()
	return true
}

func (l *loop[A]) readIndex() {
	l.fresh.last++
	l.raft.ReadIndex(binary.LittleEndian.AppendUint64(nil, l.fresh.last))
}

// takeFresh takes the leader's answers.
func (l *loop[A]) takeFresh(states []raft.ReadState) {
	for _, s := range states {
		if len(s.RequestCtx) != 8 {
			continue
		}
		id := binary.LittleEndian.Uint64(s.RequestCtx)
		if id-l.fresh.first <= l.fresh.last-l.fresh.first { // else it is an answer to an earlier question
			l.fresh.answer(s.Index, nil)
		}
	}
}

// tickFresh asks again when the question or its answer may be lost, and gives up in the end.
func (l *loop[A]) tickFresh() {
	f := l.fresh
	if len(f.asked) == 0 {
		if !f.waits() {
			f.ticks = 0
		} else if f.ticks++; f.ticks >= freshGiveUp {
			f.fail(fmt.Errorf("%w: this node leads group %d and is not ready", ErrNoLeader, l.group))
		}
		return
	}
	f.ticks++
	switch {
	case f.ticks >= freshGiveUp:
		f.fail(fmt.Errorf("%w: node %d, which leads group %d, does not answer", ErrNoLeader, l.leader, l.group))
	case f.ticks%freshAgain == 0:
		l.readIndex()
	}
}
