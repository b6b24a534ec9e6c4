package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"evenkeel/auth"
	"evenkeel/books"
	"evenkeel/core/must"
	"evenkeel/core/trade"
	"evenkeel/exchange"
	"evenkeel/intake"
	"evenkeel/records"
	"evenkeel/relay"
	"evenkeel/replica"
	"evenkeel/venue"
)

// A shard is a slice of the accounts on this node: the group of its log, its books, and the views that follow them.
type shard struct {
	node   *Node
	number uint16
	group  *replica.Group[trade.Answer]
	log    intake.Log                  // where commands go: the group, or the relay to its leader
	live   atomic.Pointer[books.Books] // of the group; another one after a snapshot came
	views  *views
	link   *venue.Link
	office office

	ledMu      sync.Mutex
	leadership replica.Leadership
	relay      *relay.Shard // nil: this node is alone

	alone   atomic.Bool               // nobody else votes
	freshAt atomic.Pointer[time.Time] // when the views last were known to have everything

	look chan struct{} // somebody wants to know how the shard stands
	seen atomic.Pointer[lookout]
}

// groupOf is the group of a shard's log. Groups count from 1.
func groupOf(shard uint16) uint64 { return uint64(shard) + 1 }

// unitOf is the broker unit of a shard at the exchange: the name by which it logs on, and its number.
func unitOf(shard uint16) exchange.Unit {
	units, err := exchange.Units(unitCompID, unitPBU, "", int(shard)+1)
	must.Hold(err == nil, "every shard that there may be has a broker unit")
	return units[shard]
}

// day is the view of the shard's accounts. It must not be kept: a snapshot replaces it.
func (s *shard) day() *records.Day { return s.live.Load().Day() }

// shardOf is the shard of an account; nil where there is none such.
func (n *Node) shardOf(account trade.AccountID) *shard {
	if at := account >> trade.ShardShift; at < trade.AccountID(len(n.shards)) {
		return n.shards[at]
	}
	return nil
}

// shardOfLogin is the shard in which the account of a login is, or would be.
func (n *Node) shardOfLogin(login string) *shard { return n.shards[auth.ShardOf(login, len(n.shards))] }

// dayOf is the view of an account. An account of no shard has no rows in any.
func (n *Node) dayOf(account trade.AccountID) *records.Day {
	if s := n.shardOf(account); s != nil {
		return s.day()
	}
	return n.shards[0].day()
}

// openShards opens the broker's logs, replays them, and attaches the views.
func (n *Node) openShards(ctx, running context.Context) error {
	n.config.Say("opening the books in %s", n.config.Dir)
	for number := range n.config.Shards {
		s := &shard{node: n, number: uint16(number), look: make(chan struct{}, 1)}
		s.views = &views{shard: s.number, listing: records.NewListing(), directory: n.directory,
			outbox: venue.NewOutbox(), tail: records.NewTail(), documents: n.documents}
		s.office.init()
		n.shards = append(n.shards, s)
		if err := s.open(ctx); err != nil {
			return fmt.Errorf("open the books of shard %d: %w", number, err)
		}
		n.work.Go(func() { s.lookOut(running) })
		n.work.Go(func() {
			select {
			case err := <-s.group.Failed():
				n.fail(err)
			case <-running.Done():
			}
		})
	}
	return nil
}

func (s *shard) open(ctx context.Context) (err error) {
	n := s.node
	began := time.Now()
	var opened atomic.Bool // a machine that is made before is the live one: what is replayed into it, history may lack
	o := replica.Options[trade.Answer]{
		Dir: filepath.Join(n.config.Dir, brokerData), Group: groupOf(s.number), Node: n.config.Node, Log: n.log,
		New: func() replica.Machine[trade.Answer] {
			b := books.New(s.number)
			if !opened.Load() {
				b.Day().Feed(s.views.tail)
			}
			return b
		},
		Progress: func(done, total int64) {
			if time.Since(began) > patience { // a short log is nobody's business
				n.config.Say("replaying the log of shard %d: %d of %d MB", s.number, done>>20, total>>20)
			}
		},
		Led: s.led,
	}
	if n.config.inCluster() {
		o.Transport, o.MembersChanged, o.Replaced, o.Join = n.cluster, s.follow, s.attach, n.config.Join
		if !n.config.Join {
			o.Members = n.config.Peers
		}
	}
	if s.group, err = replica.Open(o); err != nil {
		return err
	}
	opened.Store(true)
	s.openLog()
	if err := s.group.Inspect(ctx, s.attach); err != nil {
		return err
	}
	s.node.cluster.forget(s.group.Removed())
	s.follow(s.group.Members())
	n.cluster.receivers[s.number].Store(s)
	if !s.alone.Load() { // whoever leads looks after the rules
		return nil
	}
	_, err = s.adoptRules(ctx)
	return err
}

// led takes who leads the group. It is called from the raft loop, in order, and does not block.
func (s *shard) led(l replica.Leadership) {
	s.ledMu.Lock()
	defer s.ledMu.Unlock()
	s.leadership = l
	if s.relay != nil {
		s.relay.Led(l)
	}
	s.office.set(tenure{leads: l.Ready, term: l.Term})
}

// openLog makes the log to which commands are given: the group's own end, or, where there are other nodes, whichever
// end its leader has.
func (s *shard) openLog() {
	s.log = s.group
	if s.node.relay == nil {
		return
	}
	s.ledMu.Lock()
	defer s.ledMu.Unlock()
	s.relay = s.node.relay.Shard(relay.Parts{Group: groupOf(s.number), Log: s.group, Today: s.today,
		Applied: s.applied, Await: s.await})
	s.relay.Led(s.leadership)
	s.log = s.relay
}

// today is the trading day of the shard's books here; 0 before they are open.
func (s *shard) today() trade.Day {
	if live := s.live.Load(); live != nil {
		return live.Day().Today()
	}
	return 0
}

// applied is the last entry in the shard's books here; 0 before they are open.
func (s *shard) applied() uint64 {
	if live := s.live.Load(); live != nil {
		return live.Day().Index()
	}
	return 0
}

// errLate says that this node's books are behind.
var errLate = fmt.Errorf("this node's books do not have the entry after %v", FreshWait)

// await calls done, once, when an entry is in the books here, or with an error: at the latest after FreshWait. A disk
// that hangs here must not keep those waiting whose orders were taken elsewhere.
func (s *shard) await(index uint64, done func(error)) {
	if index <= s.applied() {
		done(nil)
		return
	}
	var once sync.Once
	late := time.AfterFunc(FreshWait, func() { once.Do(func() { done(errLate) }) })
	s.group.AskAwait(index, func(err error) {
		late.Stop()
		once.Do(func() { done(err) })
	})
}

// attach makes the views those of a machine: the one that was opened, or one that took its place by a snapshot.
// Readers of the day before go on in the new one. It runs on the apply goroutine, between two entries.
func (s *shard) attach(m replica.Machine[trade.Answer], index uint64) {
	live := books.Of(m)
	attach(live, s.views, index)
	before := s.live.Swap(live)
	if before != nil && before != live {
		live.Day().Feed(s.views.tail)
		before.Day().Retire()
	}
}

// follow takes who belongs to the group. It must not block.
func (s *shard) follow(members []replica.Member) {
	voters := 0
	for _, m := range members {
		if !m.Learner {
			voters++
		}
	}
	s.alone.Store(voters == 1 && len(members) > 0 && members[0].ID == s.node.config.Node)
	s.node.cluster.follow(s.number, members)
}

// adoptRules puts the rules into the books, unless they are in force there. Other rules that are in force stay while
// nodes of different versions run: leadership moves between them during an upgrade, and each would bring its own back.
// It reports whether that is settled.
func (s *shard) adoptRules(ctx context.Context) (settled bool, err error) {
	var has, same bool
	if err := s.inspect(ctx, func(b *books.Books) {
		has, same = b.State().Rules() != nil, bytes.Equal(b.State().Rules(), []byte(s.node.config.Rules))
	}); err != nil || same {
		return err == nil, err
	}
	if has && s.node.cluster.mixed() {
		return false, nil
	}
	err = s.house(ctx, "adopt the rules", &trade.Command{Kind: trade.AdoptRulesKind,
		AdoptRules: trade.AdoptRules{Text: []byte(s.node.config.Rules)}})
	return err == nil, err
}

// house proposes a command of the house itself, whose refusal is an error.
func (s *shard) house(ctx context.Context, what string, c *trade.Command) error {
	_, err := s.ask(ctx, what, c)
	return err
}

func (s *shard) ask(ctx context.Context, what string, c *trade.Command) (trade.Answer, error) {
	encoded, err := trade.AppendCommand(nil, c)
	if err != nil {
		return trade.Answer{}, fmt.Errorf("%s: %w", what, err)
	}
	answer, err := s.propose(ctx, encoded)
	if err == nil && answer.Reason != trade.Accepted {
		err = &RefusedError{Reason: answer.Reason, Numbers: answer.Numbers}
	}
	if err != nil {
		return answer, fmt.Errorf("%s: %w", what, err)
	}
	return answer, nil
}

// propose hands a command to the log, wherever its leader is, and waits for the answer.
func (s *shard) propose(ctx context.Context, command []byte) (trade.Answer, error) {
	type answered struct {
		answer trade.Answer
		err    error
	}
	result := make(chan answered, 1)
	if err := s.log.Submit(command, func(a trade.Answer, err error) { result <- answered{a, err} }); err != nil {
		return trade.Answer{}, err
	}
	select {
	case r := <-result:
		if errors.Is(r.err, replica.ErrHidden) { // done all the same
			return r.answer, nil
		}
		return r.answer, r.err
	case <-ctx.Done():
		return trade.Answer{}, fmt.Errorf("%w: %w", replica.ErrUnknown, ctx.Err())
	}
}

// inspect runs look on the books between two entries.
func (s *shard) inspect(ctx context.Context, look func(*books.Books)) error {
	err := s.group.Inspect(ctx, func(m replica.Machine[trade.Answer], _ uint64) { look(books.Of(m)) })
	if err != nil {
		return fmt.Errorf("look at the books of shard %d: %w", s.number, err)
	}
	return nil
}

// openLink makes the shard's link to the exchange. It is started when this node leads the shard.
func (s *shard) openLink() (err error) {
	unit, n := unitOf(s.number), s.node
	proposer := venue.Proposer(s.group)
	if s.relay != nil {
		proposer = s.relay.Link()
	}
	s.link, err = venue.New(venue.Options{
		Address: n.config.ExchangeOrders, Sender: unit.CompID, Target: exchange.CompID, Unit: unit.PBU,
		Password: n.config.ExchangePassword, Outbox: s.views.outbox, Proposer: proposer, Full: replica.ErrFull,
		Log: n.log.With("shard", s.number), TLS: n.config.ExchangeTrust, Confirm: s.confirm,
	})
	return err
}

// confirm asks a quorum whether this node still leads the shard: a link that connected without leading would end the
// leader's session.
func (s *shard) confirm(ctx context.Context) error {
	if _, err := s.group.Fresh(ctx); err != nil {
		return err
	}
	if l := s.group.Leadership(); !l.Leading {
		return fmt.Errorf("node %d leads shard %d", l.Leader, s.number)
	}
	return nil
}

// close closes the shard's log; its link has ended.
func (s *shard) close() error {
	if s.group == nil {
		return nil
	}
	if err := s.group.Close(); err != nil {
		return fmt.Errorf("shard %d: %w", s.number, err)
	}
	return nil
}

// RefusedError is a refusal of the books.
type RefusedError struct {
	Reason  trade.Reason
	Numbers trade.Numbers
}

func (e *RefusedError) Error() string {
	text := reasonText(e.Reason)
	if e.Numbers != (trade.Numbers{}) {
		text += fmt.Sprintf(" (given %s, bound %s)", inUnit(e.Reason.Unit(), e.Numbers.Given), inUnit(e.Reason.Unit(),
			e.Numbers.Bound))
	}
	return text
}

// isRefusal reports whether the books refused: the same command is refused again.
func isRefusal(err error) bool {
	var refused *RefusedError
	return errors.As(err, &refused)
}
