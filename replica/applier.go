package replica

import (
	"context"
	"sync"
	"sync/atomic"

	"go.etcd.io/raft/v3/raftpb"

	"evenkeel/core/planted"
)

// An applier owns the machine: it applies agreed entries in order, answers those who proposed them, and between
// entries runs what asks to look. All answers are given here, those of lost commands too.
type applier[A any] struct {
	group     uint64
	machine   Machine[A]
	in        *mailbox[applierWork[A]]
	recycle   func(*batch[A])
	applied   func(appliedWork)        // called after each message, with its response
	marked    func(mark)               // called with what a snapshot is to be made of
	replaced  func(Machine[A], uint64) // nil, or called when another machine is in place
	broken    func(error)              // called once, when an entry cannot be understood, or the state is wrong
	home      *home
	clerk     *clerk[A]
	features  []Feature     // that this binary knows
	hashes    bool          // the machine has a hash
	scheme    uint32        // of what
	found     func(finding) // called with what an entry of the log's own came to
	charter   atomic.Pointer[charter]
	commanded atomic.Bool      // the machine has seen a command
	stopped   chan struct{}    // closed when the applier has ended
	spent     []applierWork[A] // reused
	failed    bool             // an entry could not be understood
	ended     bool
	time      int64        // of the last entry applied
	commands  [][]byte     // reused
	answers   []A          // reused
	looking   atomic.Int64 // inspections and requests of snapshots waiting

	readers readers

	mutex sync.Mutex
	place position // last entry applied, for others to read

	bytes atomic.Uint64 // of entries applied behind the snapshot that the group started from
}

// applierWork is one of: agreed entries, lost commands, somebody who wants to look, another machine, a snapshot to
// mark, the end.
type applierWork[A any] struct {
	message *raftpb.Message
	batches []*batch[A] // of message.Entries, the own ones, in order
	lost    []*batch[A] // never applied as proposed
	why     error       // what the lost are told
	look    *inspection[A]
	replace *arrival[A]
	mark    *markRequest
	stop    bool
}

// appliedWork tells the raft loop that the entries of a message are applied.
type appliedWork struct {
	message *raftpb.Message
	own     int // how many of them were own batches
}

// An inspection runs once or is abandoned, whichever comes first.
type inspection[A any] struct {
	look  func(Machine[A], uint64)
	begun atomic.Bool
	done  chan struct{}
}

// A markRequest asks for a snapshot; done (which may be nil) hears how it went, and waiting is then one less.
type markRequest struct {
	done    func(error)
	waiting *atomic.Int64
}

func (r *markRequest) tell(err error) {
	if r.done != nil {
		r.waiting.Add(-1)
		r.done(err)
	}
}

// A mark is where a snapshot is to be made, and what the live machine was there.
type mark struct {
	at     position
	time   int64
	hash   uint64
	hashed bool
	bytes  uint64 // applier.bytes there
	size   uint64 // bytes of the newest snapshot, once the keeper has done its part
	roster
	charter charter
	*markRequest
}

// run is the applier's goroutine.
func (a *applier[A]) run() {
	for !a.ended {
		<-a.in.wake
		a.step()
	}
}

// step does what lies in the mailbox and reports whether there was anything.
func (a *applier[A]) step() bool {
	work := a.in.take(a.spent)
	a.spent = work
	for i := range work {
		w := &work[i]
		switch {
		case w.message != nil:
			a.take(w)
		case w.lost != nil:
			a.lose(w.lost, w.why)
		case w.look != nil:
			a.inspect(w.look)
		case w.replace != nil:
			a.replace(w.replace)
		case w.mark != nil:
			a.marked(a.newMark(w.mark))
		case w.stop:
			a.refuse(work[i+1:])
			a.readers.refuse(ErrClosed)
			a.ended = true
			close(a.stopped)
			return true
		}
	}
	return len(work) > 0
}

// take applies the entries of a message, unless an earlier one could not be understood.
func (a *applier[A]) take(w *applierWork[A]) {
	if a.failed {
		a.lose(w.batches, ErrUnknown)
		return
	}
	if err := a.apply(w.message, w.batches); err != nil {
		a.failed = true
		a.broken(err)
	}
}

// apply applies the entries of a message. An entry that cannot be understood ends it: nothing later is applied.
func (a *applier[A]) apply(message *raftpb.Message, batches []*batch[A]) error {
	own := len(batches)
	if planted.Is(planted.ReadBeforeApply) {
		a.readers.reach(message.Entries[len(message.Entries)-1].GetIndex())
	}
	for _, e := range message.Entries {
		place := position{e.GetIndex(), e.GetTerm()}
		entry, ok, err := unpack(a.group, e.GetType(), place.index, e.Data, a.commands[:0])
		if isControl(e.Data) && e.GetType() == raftpb.EntryNormal {
			err = a.govern(place.index, e.Data)
		}
		if err != nil {
			a.lose(batches, ErrUnknown)
			return err
		}
		var answers []A
		if ok {
			a.commands = entry.Commands
			answers = a.fold(entry)
		}
		a.bytes.Add(uint64(len(e.Data)))
		a.mutex.Lock()
		a.place = place // before the answers: who has one finds the entry in Status and Replay
		a.mutex.Unlock()
		a.readers.reach(place.index)
		if len(batches) > 0 && batches[0].index == place.index {
			a.answer(batches[0], answers)
			batches = batches[1:]
		}
	}
	a.applied(appliedWork{message: message, own: own})
	return nil
}

// fold applies one entry and returns the answers, which are valid until the next.
func (a *applier[A]) fold(e Entry) []A {
	n := len(e.Commands)
	if cap(a.answers) < n {
		a.answers = make([]A, n)
	}
	answers := a.answers[:n]
	clear(answers)
	a.machine.Apply(e, answers)
	a.time = e.Time
	if !a.clerk.commanded {
		a.clerk.commanded = true
		a.commanded.Store(true)
	}
	return answers
}

func (a *applier[A]) answer(b *batch[A], answers []A) {
	for i, done := range b.dones {
		done(answers[i], nil)
	}
	a.recycle(b)
}

func (a *applier[A]) lose(lost []*batch[A], why error) {
	var none A
	for _, b := range lost {
		for _, done := range b.dones {
			done(none, why)
		}
		a.recycle(b)
	}
}

func (a *applier[A]) inspect(i *inspection[A]) {
	a.looking.Add(-1)
	if i.begun.CompareAndSwap(false, true) {
		i.look(a.machine, a.place.index)
		close(i.done)
	}
}

// admit counts one more who waits, if that many may.
func (a *applier[A]) admit(limits Limits) error {
	select {
	case <-a.stopped:
		return ErrClosed
	default:
	}
	if a.looking.Add(1) > int64(limits.Inspections) {
		a.looking.Add(-1)
		return ErrFull
	}
	return nil
}

// await waits for an inspection to run, or abandons it when ctx ends first or the applier has ended.
func (a *applier[A]) await(ctx context.Context, i *inspection[A]) error {
	var why error
	select {
	case <-i.done:
		return nil
	case <-ctx.Done():
		why = ctx.Err()
	case <-a.stopped:
		why = ErrClosed
	}
	if i.begun.CompareAndSwap(false, true) {
		return why
	}
	<-i.done // it runs: look must not be left to run behind the caller's back
	return nil
}

func (a *applier[A]) newMark(r *markRequest) mark {
	m := mark{at: a.place, time: a.time, bytes: a.bytes.Load(), charter: a.clerk.charter, markRequest: r}
	if h, ok := a.machine.(Hasher); ok {
		m.hash, m.hashed = h.Hash(), true
	}
	return m
}

// refuse answers what came in behind the end.
func (a *applier[A]) refuse(work []applierWork[A]) {
	for _, w := range work {
		a.lose(w.batches, ErrUnknown)
		a.lose(w.lost, w.why)
		if w.mark != nil {
			w.mark.tell(ErrClosed)
		}
	}
}

// applies is the last entry applied.
func (a *applier[A]) applies() position {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	return a.place
}
