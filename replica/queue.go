package replica

import "sync"

// A batch is the commands of one entry and who waits for their answers. When it was proposed it has its place in the
// log: only an entry with the same index and term is this batch.
type batch[A any] struct {
	payload     []byte // until it is proposed
	size        int    // of the payload
	dones       []func(A, error)
	index, term uint64
}

// A queue packs commands into batches as they come, until the raft loop takes them.
type queue[A any] struct {
	mutex    sync.Mutex
	limits   Limits
	refusal  error              // why nothing is taken in, nil while it is
	packed   []*batch[A]        // full batches, oldest first
	payload  []byte             // the batch being packed
	dones    []func(A, error)   // of the batch being packed
	spent    [][]func(A, error) // slices of answered batches, for reuse
	buffers  [][]byte           // of proposed batches, for reuse
	commands int
	bytes    int
	wake     chan struct{}
}

func newQueue[A any](limits Limits) *queue[A] {
	return &queue[A]{
		limits:  limits,
		refusal: ErrNotLeader,
		payload: appendPayloadHeader(make([]byte, 0, limits.EntryBytes)),
		wake:    make(chan struct{}, 1),
	}
}

func (q *queue[A]) submit(command []byte, done func(A, error)) error {
	size := commandOverhead + len(command)
	if payloadHeader+size > q.limits.EntryBytes {
		return ErrTooLarge
	}
	q.mutex.Lock()
	if refusal := q.refusal; refusal != nil {
		q.mutex.Unlock()
		return refusal
	}
	if q.commands >= q.limits.QueueCommands || q.bytes+size > q.limits.QueueBytes {
		q.mutex.Unlock()
		return ErrFull
	}
	sealed := len(q.dones) == q.limits.EntryCommands || len(q.payload)+size > q.limits.EntryBytes
	if sealed {
		q.seal()
	}
	first := len(q.dones) == 0
	q.payload = appendCommand(q.payload, command)
	q.dones = append(q.dones, done)
	q.commands++
	q.bytes += size
	q.mutex.Unlock()
	if sealed || first {
		notify(q.wake)
	}
	return nil
}

// seal moves the batch being packed to the packed ones. The mutex is held and there is at least one command.
func (q *queue[A]) seal() {
	q.packed = append(q.packed, &batch[A]{payload: q.payload, dones: q.dones})
	if last := len(q.buffers) - 1; last >= 0 {
		q.payload = q.buffers[last]
		q.buffers = q.buffers[:last]
	} else {
		q.payload = appendPayloadHeader(make([]byte, 0, cap(q.payload)))
	}
	q.dones = nil
	if last := len(q.spent) - 1; last >= 0 {
		q.dones = q.spent[last]
		q.spent = q.spent[:last]
	}
}

// take returns the oldest full batch; else, when unfull is set, what is there; else nil.
func (q *queue[A]) take(unfull bool) *batch[A] {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	if len(q.packed) == 0 {
		if !unfull || len(q.dones) == 0 {
			return nil
		}
		q.seal()
	}
	b := q.packed[0]
	q.packed[0] = nil
	q.packed = q.packed[1:]
	q.commands -= len(b.dones)
	q.bytes -= len(b.payload) - payloadHeader
	return b
}

// reuse takes back the payload of a proposed batch.
func (q *queue[A]) reuse(b *batch[A]) {
	q.mutex.Lock()
	if len(q.buffers) < q.limits.InFlight {
		q.buffers = append(q.buffers, b.payload[:payloadHeader])
	}
	q.mutex.Unlock()
	b.payload = nil
}

// recycle takes back what an answered batch no longer needs.
func (q *queue[A]) recycle(b *batch[A]) {
	clear(b.dones)
	q.mutex.Lock()
	if len(q.spent) < q.limits.InFlight {
		q.spent = append(q.spent, b.dones[:0])
	}
	q.mutex.Unlock()
	b.dones = nil
}

// accept lets commands in.
func (q *queue[A]) accept() {
	q.mutex.Lock()
	q.refusal = nil
	q.mutex.Unlock()
}

// refuse keeps commands out from now on, until accept, and returns what was waiting.
func (q *queue[A]) refuse(why error) []*batch[A] {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	q.refusal = why
	if len(q.dones) > 0 {
		q.seal()
	}
	waiting := q.packed
	q.packed, q.commands, q.bytes = nil, 0, 0
	return waiting
}

func (q *queue[A]) waiting() (commands, bytes int) {
	q.mutex.Lock()
	defer q.mutex.Unlock()
	return q.commands, q.bytes
}
