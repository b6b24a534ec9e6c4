package relay

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"evenkeel/core/trade"
	"evenkeel/peer"
	"evenkeel/replica"
)

// A Shard is the log of one shard as seen from this node. It implements intake.Log.
//
// A gate stands between what waits and the leader. While it is open, commands are handed out as they come. The first
// that comes back shuts it; when nothing is out any more, those that came back stand in front of what waits, in their
// order, the epoch ends, and the gate opens again.
type Shard struct {
	Parts
	relay   *Relay
	turn    turn
	orders  sync.Pool    // of *order
	held    atomic.Int64 // commands that wait or are out
	out     atomic.Int64 // commands at the local log
	shut    atomic.Bool  // the gate
	idle    atomic.Bool  // nothing waits and no call is out: there is nothing to look for
	again   atomic.Uint64
	unknown atomic.Uint64
	served  atomic.Uint64

	mutex     sync.Mutex
	leader    uint64 // 0 while none is known
	self      bool   // it is this node, and it is ready
	rising    bool   // it is this node, and it will be ready in a moment
	early     []early
	waking    bool // what came early is being served
	term      uint64
	epoch     uint64
	number    uint64 // of the newest command
	queue     line   // what waits, by number
	back      []*order
	batches   []*batch // on their way
	spent     []*batch // for reuse
	body      []byte   // of the call being made
	pause     time.Time
	giveUp    time.Time // when the old leader's calls are no longer waited for; zero: they are
	looked    time.Time // for what is overdue
	closed    bool
	ended     []ending // answers to be given when the mutex is free
	forwarded uint64
	guests    map[uint64]*guest // other nodes' epochs
}

// An order is one command on its way.
type order struct {
	shard   *Shard
	command []byte
	done    func(trade.Answer, error)
	number  uint64
	since   time.Time
	day     trade.Day
	unknown bool                      // a log may have seen it
	local   func(trade.Answer, error) // what the local log is given, made once
}

// An ending is an answer to be given.
type ending struct {
	done   func(trade.Answer, error)
	answer trade.Answer
	err    error
	index  uint64 // is to be in the books here first; 0: it comes from them
}

// A batch is the commands of one call. Once it is given up its orders are nil, and its answer means nothing.
type batch struct {
	orders []*order
	count  int
	done   func([]byte, error) // made once
}

// Ends of commands that found no leader, or not in time.
var (
	errNoLeader = fmt.Errorf("%w: no leader took the command in time", replica.ErrNotLeader)
	errNoAnswer = fmt.Errorf("%w: no leader answered in time", replica.ErrUnknown)
	errOtherDay = fmt.Errorf("%w: the trading day ended before it could be asked again", replica.ErrUnknown)
)

func newShard(r *Relay, p Parts) *Shard {
	s := &Shard{Parts: p, relay: r, epoch: uint64(r.now().UnixNano()), guests: map[uint64]*guest{}}
	s.orders.New = func() any {
		o := &order{shard: s}
		o.local = o.returned
		return o
	}
	s.shut.Store(true)
	s.idle.Store(true)
	return s
}

// Submit takes a command in. The command is copied. When it returns nil, done is called exactly once, possibly before
// Submit returns: with the books' answer, with replica.ErrUnknown, or with an error after which nothing happened
// (replica.ErrNotLeader, ErrTooLarge, ErrClosed, ErrFailed). done must not block. When it returns an error
// (replica.ErrFull, ErrTooLarge, ErrClosed, ErrFailed), done is never called and nothing happened.
func (s *Shard) Submit(command []byte, done func(trade.Answer, error)) error {
	limits := &s.relay.limits
	if len(command) > limits.CallBytes {
		return replica.ErrTooLarge
	}
	if s.held.Add(1) > int64(limits.Commands) {
		s.held.Add(-1)
		return replica.ErrFull
	}
	o, _ := s.orders.Get().(*order)
	o.command = append(o.command[:0], command...)
	o.done, o.since, o.day, o.unknown = done, s.relay.now(), s.Today(), false
	s.mutex.Lock()
	err := s.admit(o)
	s.unlock()
	if err != nil {
		s.release(o)
	}
	return err
}

// admit hands a new command out, or lets it wait. The mutex is held.
func (s *Shard) admit(o *order) error {
	s.number++
	o.number = s.number
	switch {
	case s.closed:
		return replica.ErrClosed
	case s.self && !s.shut.Load():
		err := s.hand(o)
		if !errors.Is(err, replica.ErrNotLeader) {
			return err
		}
		s.stop(true) // Follow will say who does lead
	case s.queue.bytes+len(o.command) > s.relay.limits.Bytes:
		return replica.ErrFull
	}
	s.queue.push(o)
	s.pump()
	return nil
}

// hand gives a command to the local log. The mutex is held.
func (s *Shard) hand(o *order) error {
	s.out.Add(1)
	err := s.submit(o.bound(), o.command, o.local)
	if err != nil {
		s.out.Add(-1)
	}
	return err
}

// stop shuts the gate, for a moment at least when pause is set. The mutex is held.
func (s *Shard) stop(pause bool) {
	s.shut.Store(true)
	s.idle.Store(false)
	if pause {
		s.pause = s.relay.now().Add(s.relay.limits.Pause)
	}
}

// unlock frees the mutex and gives the answers that came up meanwhile.
func (s *Shard) unlock() {
	s.idle.Store(!s.closed && len(s.batches) == 0 && s.queue.count == 0 && len(s.back) == 0 && !s.shut.Load())
	ended := s.ended
	s.ended = nil
	s.mutex.Unlock()
	for len(ended) > 0 { // those of one reply together
		n := 1
		for n < len(ended) && ended[n].index == ended[0].index {
			n++
		}
		s.tell(ended[:n:n])
		ended = ended[n:]
	}
}

// tell gives answers, when what they tell of is in the books here.
func (s *Shard) tell(ended []ending) {
	give := func(err error) {
		for i := range ended {
			if err != nil { // these books are slow, have failed, or are closed
				ended[i].err = fmt.Errorf("%w: %w", replica.ErrHidden, err)
			}
			ended[i].done(ended[i].answer, ended[i].err)
		}
	}
	if ended[0].index == 0 || s.Await == nil {
		give(nil)
		return
	}
	s.Await(ended[0].index, give)
}

// end has an order answered at unlock. The mutex is held.
func (s *Shard) end(o *order, a trade.Answer, err error) {
	if errors.Is(err, replica.ErrUnknown) {
		s.unknown.Add(1)
	}
	s.ended = append(s.ended, ending{done: o.done, answer: a, err: err})
	s.release(o)
}

// release takes an order back for reuse.
func (s *Shard) release(o *order) {
	o.done = nil
	s.held.Add(-1)
	s.orders.Put(o)
}

// returned is the local log's answer to an order.
func (o *order) returned(a trade.Answer, err error) {
	s := o.shard
	if err == nil && (!o.unknown || meaning(o.command, &a)) {
		done := o.done
		s.release(o)
		done(a, nil)
	} else {
		s.mutex.Lock()
		s.cameBack(o, a, err)
		s.unlock()
	}
	if s.out.Add(-1) == 0 && s.shut.Load() {
		s.mutex.Lock()
		s.regroup(s.relay.now())
		s.unlock()
	}
}

// cameBack decides about an order that came back without the books' answer, or with one that tells nothing. The mutex
// is held.
func (s *Shard) cameBack(o *order, a trade.Answer, err error) {
	switch {
	case err == nil:
		s.end(o, trade.Answer{}, fmt.Errorf("%w: a second try was refused for %d", replica.ErrUnknown, a.Reason))
		return
	case errors.Is(err, replica.ErrUnknown):
		o.unknown = true
	case !errors.Is(err, replica.ErrNotLeader) && !errors.Is(err, replica.ErrFull):
		if o.unknown {
			err = fmt.Errorf("%w: %w", replica.ErrUnknown, err)
		}
		s.end(o, a, err) // the local log is no more, or will never take it
		return
	}
	s.back = append(s.back, o)
	s.stop(!errors.Is(err, replica.ErrUnknown)) // who refuses now may take it in a moment
	if s.closed {
		s.regroup(s.relay.now())
	}
}

// line is what waits, by number.
type line struct {
	orders []*order
	first  int // of orders, what is before has left
	count  int
	bytes  int
}

func (l *line) push(o *order) {
	if l.first > len(l.orders)/2 && len(l.orders) == cap(l.orders) { // rather than grow, close the gap
		l.orders = slices.Delete(l.orders, 0, l.first)
		l.first = 0
	}
	l.orders = append(l.orders, o)
	l.count++
	l.bytes += len(o.command)
}

func (l *line) peek() *order { return l.orders[l.first] }

func (l *line) pop() *order {
	o := l.orders[l.first]
	l.orders[l.first] = nil
	l.first++
	l.count--
	l.bytes -= len(o.command)
	if l.count == 0 {
		l.orders, l.first = l.orders[:0], 0
	}
	return o
}

// replace fills the line anew.
func (l *line) replace(orders []*order) {
	*l = line{}
	for _, o := range orders {
		l.push(o)
	}
}

// regroup begins a new epoch when nothing is out any more: what came back stands in front again, and where there is a
// leader the gate opens. The mutex is held.
func (s *Shard) regroup(now time.Time) {
	if !s.shut.Load() || s.out.Load() > 0 || len(s.batches) > 0 {
		return
	}
	if len(s.back) > 0 {
		s.epoch++
		slices.SortFunc(s.back, func(a, b *order) int { return int(int64(a.number - b.number)) })
		kept := s.back[:0]
		for _, o := range s.back {
			if s.mayRepeat(o, now) {
				kept = append(kept, o)
			}
		}
		s.queue.replace(slices.Concat(kept, s.queue.orders[s.queue.first:]))
		clear(s.back)
		s.back = s.back[:0]
	}
	if s.closed {
		s.drop(func(*order) bool { return true }, replica.ErrClosed)
		return
	}
	if s.leader != 0 && !now.Before(s.pause) {
		s.shut.Store(false)
		s.giveUp = time.Time{}
		s.pump()
	}
}

// mayRepeat answers an order that must not be handed out again. The mutex is held.
func (s *Shard) mayRepeat(o *order, now time.Time) bool {
	if !o.unknown {
		return true
	}
	r := ruleOf(o.command)
	switch {
	case !r.again:
		s.end(o, trade.Answer{}, replica.ErrUnknown)
	case now.Sub(o.since) >= s.relay.limits.Outcome:
		s.end(o, trade.Answer{}, errNoAnswer)
	case r.ofDay && o.day != s.Today():
		s.end(o, trade.Answer{}, errOtherDay)
	default:
		s.again.Add(1)
		return true
	}
	return false
}

// drop answers what waits and is over: with err where nothing happened, else unknown. The mutex is held.
func (s *Shard) drop(over func(*order) bool, err error) {
	if s.queue.count == 0 {
		return
	}
	var kept []*order
	for _, o := range s.queue.orders[s.queue.first:] {
		switch {
		case !over(o):
			kept = append(kept, o)
		case o.unknown:
			s.end(o, trade.Answer{}, errNoAnswer)
		default:
			s.end(o, trade.Answer{}, err)
		}
	}
	if len(kept) < s.queue.count {
		s.queue.replace(kept)
	}
}

// pump hands out what waits. The mutex is held.
func (s *Shard) pump() {
	if s.closed {
		return
	}
	for !s.shut.Load() && s.queue.count > 0 {
		if !s.self {
			if len(s.batches) >= s.relay.limits.Calls {
				return
			}
			s.call()
			continue
		}
		o := s.queue.pop()
		err := s.hand(o)
		switch {
		case err == nil:
		case errors.Is(err, replica.ErrFull), errors.Is(err, replica.ErrNotLeader):
			s.back = append(s.back, o)
			s.stop(true) // the next tick looks again
		case errors.Is(err, errOtherDay):
			s.end(o, trade.Answer{}, err)
		default:
			s.cameBack(o, trade.Answer{}, err)
		}
	}
}

// call packs what waits into a call to the leader. The mutex is held.
func (s *Shard) call() {
	limits := &s.relay.limits
	b := s.batch()
	s.body = appendQuestion(s.body[:0], s.Group, s.term, s.epoch)
	for s.queue.count > 0 && len(b.orders) < limits.CallCommands {
		o := s.queue.peek()
		if len(b.orders) > 0 && len(s.body)+len(o.command) > limits.CallBytes {
			break
		}
		s.body = appendCommand(s.body, o.bound(), o.command)
		b.orders = append(b.orders, s.queue.pop())
	}
	b.count = len(b.orders)
	setCount(s.body, b.count)
	err := peer.ErrNotSent
	if s.relay.peers != nil {
		err = s.relay.peers.CallAsync(s.leader, CallKind, s.body, b.done)
	}
	if err != nil {
		s.back = append(s.back, b.orders...)
		s.reuse(b)
		s.stop(true) // the next tick looks again
		return
	}
	s.forwarded += uint64(b.count)
	s.batches = append(s.batches, b)
}

func (s *Shard) batch() *batch {
	if last := len(s.spent) - 1; last >= 0 {
		b := s.spent[last]
		s.spent = s.spent[:last]
		return b
	}
	b := &batch{}
	b.done = func(body []byte, err error) { s.replied(b, body, err) }
	return b
}

func (s *Shard) reuse(b *batch) {
	clear(b.orders)
	b.orders = b.orders[:0]
	if len(s.spent) < s.relay.limits.Calls {
		s.spent = append(s.spent, b)
	}
}

// replied is the answer to a call, or why there is none.
func (s *Shard) replied(b *batch, body []byte, err error) {
	s.mutex.Lock()
	defer s.unlock()
	at := slices.Index(s.batches, b)
	if at < 0 { // it was given up
		s.reuse(b)
		return
	}
	s.batches = slices.Delete(s.batches, at, at+1)
	var reply replyReader
	if err == nil {
		reply, err = readReply(body, b.count)
	}
	if err != nil {
		if !errors.Is(err, peer.ErrNotSent) {
			err = fmt.Errorf("%w: %w", replica.ErrUnknown, err)
		} else {
			err = replica.ErrNotLeader
		}
		for _, o := range b.orders {
			s.cameBack(o, trade.Answer{}, err)
		}
	} else {
		s.epoch = max(s.epoch, reply.epoch)
		for _, o := range b.orders {
			s.settle(o, &reply)
		}
	}
	s.reuse(b)
	s.regroup(s.relay.now())
	s.pump()
}

// settle does what the next result of a reply says about an order. The mutex is held.
func (s *Shard) settle(o *order, reply *replyReader) {
	var a trade.Answer
	what, _ := reply.next(&a) // the reply was checked
	switch what {
	case answered:
		if o.unknown && !meaning(o.command, &a) {
			s.cameBack(o, a, nil)
			return
		}
		s.end(o, a, nil)
		s.ended[len(s.ended)-1].index = reply.index
	case notLeader:
		s.cameBack(o, a, replica.ErrNotLeader)
	case full:
		s.cameBack(o, a, replica.ErrFull)
	case unknown:
		s.cameBack(o, a, replica.ErrUnknown)
	case tooLarge:
		s.cameBack(o, a, replica.ErrTooLarge)
	case otherDay:
		s.end(o, a, errOtherDay)
	}
}

// Follow says who leads the shard's log: 0 while none is known; self when it is this node, and it is ready
// (replica.Leadership.Ready). It must be told of every change, in order, and never blocks.
func (s *Shard) Follow(leader uint64, self bool, term uint64) {
	s.follow(leader, self, false, term)
}

func (s *Shard) follow(leader uint64, self, rising bool, term uint64) {
	defer s.wake()
	s.mutex.Lock()
	defer s.unlock()
	if leader == s.leader && self == s.self && rising == s.rising && term == s.term {
		return
	}
	s.leader, s.self, s.rising, s.term = leader, self, rising, term
	s.stop(false)
	s.pause = time.Time{}
	now := s.relay.now()
	if len(s.batches) > 0 && s.giveUp.IsZero() {
		s.giveUp = now.Add(s.relay.limits.Grace)
	}
	s.regroup(now)
}

// Led is Follow for replica.Options.Led.
func (s *Shard) Led(l replica.Leadership) {
	rising := l.Leading && !l.Ready
	if rising {
		l.Leader = 0 // it will be ready in a moment
	}
	s.follow(l.Leader, l.Ready, rising, l.Term)
}

// tick gives up a deposed leader's calls, opens the gate after a pause, and answers what has waited too long.
func (s *Shard) tick(now time.Time) {
	if s.idle.Load() {
		return
	}
	s.mutex.Lock()
	defer s.unlock()
	limits := &s.relay.limits
	if !s.giveUp.IsZero() && !now.Before(s.giveUp) {
		s.giveUp = time.Time{}
		s.abandon(func(*order) bool { return false })
	}
	if now.Sub(s.looked) >= limits.Leaderless/32 {
		s.looked = now
		s.abandon(func(o *order) bool { return now.Sub(o.since) < limits.Outcome })
		s.drop(func(o *order) bool {
			age := now.Sub(o.since)
			return age >= limits.Outcome || !o.unknown && age >= limits.Leaderless
		}, errNoLeader)
	}
	s.regroup(now)
}

// abandon waits no longer for the calls whose oldest command is not kept. Their commands are out no more; whether they
// were carried out is unknown. The mutex is held.
func (s *Shard) abandon(keep func(*order) bool) {
	kept := s.batches[:0]
	for _, b := range s.batches {
		if keep(b.orders[0]) {
			kept = append(kept, b)
			continue
		}
		for _, o := range b.orders {
			s.cameBack(o, trade.Answer{}, replica.ErrUnknown)
		}
		b.orders = nil
	}
	clear(s.batches[len(kept):])
	s.batches = kept
}

// close answers what waits; what is out is answered as it comes back.
func (s *Shard) close() {
	defer s.wake()
	s.mutex.Lock()
	defer s.unlock()
	s.closed = true
	s.shut.Store(true)
	s.drop(func(*order) bool { return true }, replica.ErrClosed)
	s.regroup(s.relay.now())
}

// Status says how the shard's relay is doing.
func (s *Shard) Status() Status {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return Status{
		Group: s.Group, Leader: s.leader, Held: int(s.held.Load()), Waiting: s.queue.count + len(s.back),
		Calls: len(s.batches), Forwarded: s.forwarded, Again: s.again.Load(), Unknown: s.unknown.Load(),
		Served: s.served.Load(),
	}
}
