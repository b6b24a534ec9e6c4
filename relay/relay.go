// Package relay takes the commands of a shard on any node and brings them to the shard's log, wherever its leader is:
// on this node straight in, on another over its connection, packed with what else goes there at the moment. While no
// leader is known they wait, and after a change of leader those that the books make harmless to repeat are sent again.
//
// Units: sizes are bytes, times are nanoseconds of this process's clock, epochs count up and are never used twice.
//
// Invariants:
//   - Every command that Submit took is answered exactly once, within Limits.Outcome of being taken in, unless the
//     local log holds its answer back.
//   - Commands of one shard reach its log in the order in which they were taken in on this node, those of an account
//     therefore too, whatever fails on the way: when one comes back, all that were handed out come back or are
//     answered before anything is handed out again, and the node that was asked lets none of the old epoch in after it
//     has refused one of it, or seen a later epoch.
//   - A command whose outcome is unknown is handed out again only where again.go says that a second time changes
//     nothing, and never on another trading day. Any other is answered replica.ErrUnknown.
//   - Nothing here blocks. What waits and what is on its way is bounded in number and bytes; above that Submit is
//     refused with replica.ErrFull.
//
// It never decides who leads: it is told (Follow), by the shard's own group on this node. It never changes a command,
// and reads one only to know what a second try of it means.
//
// Source: Ongaro, "Consensus: Bridging Theory and Practice" (2014), section 6, for finding the leader and for the
// harm of repeated commands.
package relay

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"evenkeel/core/trade"
)

// CallKind is the kind of the calls by which one relay asks another (peer.Config.Call).
const CallKind = 1

// Log is the local end of a shard's log; replica.Group[trade.Answer] is one. Submit copies the command. done is called
// once when Submit returns nil, and never otherwise; never from within Submit.
type Log interface {
	Submit(command []byte, done func(trade.Answer, error)) error
}

// Caller reaches other nodes; peer.Peers is one. done is called once when CallAsync returns nil, never from within it,
// and never otherwise.
type Caller interface {
	CallAsync(to uint64, kind uint16, body []byte, done func(answer []byte, err error)) error
}

// Limits of one shard's relay. Zero means the default, which is given with each.
type Limits struct {
	Commands     int           // 65,536: commands that wait or are on their way; one more is replica.ErrFull
	Bytes        int           // 64 MiB: bytes of those that wait; more is replica.ErrFull
	Calls        int           // 16: calls on their way to the leader; more commands wait and share the next
	CallCommands int           // 1,024: commands in one call
	CallBytes    int           // 256 KiB: bytes of them; a larger command is replica.ErrTooLarge
	Leaderless   time.Duration // 3 s: a command that no log has seen waits so long; then it is refused
	Outcome      time.Duration // 8 s: a command that a log may have seen is tried so long (the door waits 10 s)
	Grace        time.Duration // 20 ms: a deposed leader's last answers are waited for so long
	Pause        time.Duration // 5 ms: before the next try at a leader that is full, not ready or not connected
}

func orDefault[T int | time.Duration](value *T, fallback T) {
	if *value <= 0 {
		*value = fallback
	}
}

func (l Limits) withDefaults() Limits {
	orDefault(&l.Commands, 1<<16)
	orDefault(&l.Bytes, 64<<20)
	orDefault(&l.Calls, 16)
	orDefault(&l.CallCommands, 1024)
	orDefault(&l.CallBytes, 256<<10)
	orDefault(&l.Leaderless, 3*time.Second)
	orDefault(&l.Outcome, 8*time.Second)
	orDefault(&l.Grace, 20*time.Millisecond)
	orDefault(&l.Pause, 5*time.Millisecond)
	return l
}

// maxCallCommands is the largest CallCommands that a node accepts from another.
const maxCallCommands = 1 << 16

// step is how often a relay looks for what is overdue.
const step = 5 * time.Millisecond

// A Relay is the shards of one node. Its methods may be called from any goroutine.
type Relay struct {
	peers  Caller
	limits Limits

	now func() time.Time

	mutex  sync.Mutex
	shards map[uint64]*Shard

	stopping chan struct{}
	stopped  chan struct{}
	closing  sync.Once
}

// New returns a relay. peers may be nil where there is one node.
func New(peers Caller, limits Limits) *Relay {
	r := NewManual(peers, limits, time.Now)
	go r.run()
	return r
}

// NewManual returns a relay without a goroutine and without a clock of its own: whoever holds it calls Tick every few
// milliseconds, and does not call Close.
func NewManual(peers Caller, limits Limits, clock func() time.Time) *Relay {
	return &Relay{
		peers: peers, limits: limits.withDefaults(), now: clock, shards: map[uint64]*Shard{},
		stopping: make(chan struct{}), stopped: make(chan struct{}),
	}
}

// Tick looks for what is overdue.
func (r *Relay) Tick() {
	now := r.now()
	for _, s := range r.all() {
		s.tick(now)
	}
}

// Parts are what the relay of a shard is made of.
type Parts struct {
	Group uint64 // the shard's log
	Log   Log    // its end on this node
	// Today is the trading day of the shard's books on this node, as far as they have been applied; nil: days are not
	// looked at.
	Today func() trade.Day
	// Applied is the last entry of the log in the shard's books on this node, and Await calls done when an entry is in
	// them, or with an error when it will not be, or not soon. An answer that comes from another node is given when
	// the entry that it came from is in the books of this one: who was answered here, reads here what he has done.
	// When that is not to be had, the answer is given with replica.ErrHidden. nil: answers are given as they come.
	Applied func() uint64
	Await   func(index uint64, done func(error))
}

// Shard adds a shard. It takes commands at once; they wait for the first Follow that names a leader.
func (r *Relay) Shard(p Parts) *Shard {
	if p.Today == nil {
		p.Today = func() trade.Day { return 0 }
	}
	if p.Applied == nil {
		p.Applied = func() uint64 { return 0 }
	}
	s := newShard(r, p)
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.shards[p.Group] = s
	return s
}

func (r *Relay) shard(group uint64) *Shard {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return r.shards[group]
}

// Close answers everything that waits; what is on its way is answered by its log, or by the end of its connection.
func (r *Relay) Close() {
	r.closing.Do(func() {
		close(r.stopping)
		<-r.stopped
		for _, s := range r.all() {
			s.close()
		}
	})
}

func (r *Relay) all() []*Shard {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return slices.SortedFunc(maps.Values(r.shards), func(a, b *Shard) int { return cmp.Compare(a.Group, b.Group) })
}

// run looks for what is overdue.
func (r *Relay) run() {
	defer close(r.stopped)
	ticker := time.NewTicker(step)
	defer ticker.Stop()
	for {
		select {
		case <-r.stopping:
			return
		case <-ticker.C:
			r.Tick()
		}
	}
}

// Serve takes a call of another node's relay: peer.Config.Call, for CallKind.
func (r *Relay) Serve(from uint64, body []byte, answer func([]byte, error)) {
	q, err := readQuestion(body)
	if err != nil {
		answer(nil, err)
		return
	}
	s := r.shard(q.group)
	if s == nil {
		answer(nil, fmt.Errorf("%w: group %d is not here", errCall, q.group))
		return
	}
	s.serve(from, &q, answer)
}

// errCall is wrapped by everything that is wrong with a call.
var errCall = errors.New("a call that cannot be")

// Status is what a shard's relay says of itself.
type Status struct {
	Group     uint64
	Leader    uint64 // node that commands go to, 0 while none is known
	Held      int    // commands that wait or are on their way
	Waiting   int    // of them, those that wait
	Calls     int    // calls on their way
	Forwarded uint64 // commands that went to another node
	Again     uint64 // commands that were handed out once more
	Unknown   uint64 // commands that were answered replica.ErrUnknown
	Served    uint64 // commands of other nodes that came in
}

// Status lists the shards by group.
func (r *Relay) Status() []Status {
	shards := r.all()
	statuses := make([]Status, len(shards))
	for i, s := range shards {
		statuses[i] = s.Status()
	}
	return statuses
}
