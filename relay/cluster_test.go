package relay

import (
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"evenkeel/books"
	"evenkeel/core/trade"
	"evenkeel/peer"
	"evenkeel/records"
	"evenkeel/replica"
)

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain: " + what)
		}
	}
}

const group = 1

// A station is one node of a test: connections, a voter of one group with the broker's books, and a relay.
type station struct {
	node  uint64
	peers *peer.Peers
	group *replica.Group[trade.Answer]
	relay *Relay
	shard *Shard
	day   *records.Day
	dead  atomic.Bool
}

// cluster starts three nodes.
func cluster(t testing.TB, limits Limits) map[uint64]*station {
	t.Helper()
	dir := t.TempDir()
	a, err := peer.CreateAuthority(filepath.Join(dir, "pki"))
	if err != nil {
		t.Fatal(err)
	}
	stations := map[uint64]*station{}
	addresses := map[uint64]string{}
	for node := uint64(1); node <= 3; node++ {
		stations[node] = &station{node: node}
		addresses[node] = stations[node].connect(t, a)
	}
	for node, s := range stations {
		s.open(t, filepath.Join(dir, fmt.Sprint(node)), limits)
		t.Cleanup(s.kill)
	}
	for _, s := range stations { // only now, so that nothing arrives before there is a group
		for node, address := range addresses {
			s.peers.SetPeer(node, address)
		}
	}
	return stations
}

func (s *station) connect(t testing.TB, a *peer.Authority) string {
	t.Helper()
	dir, err := a.IssueNode(s.node, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	identity, err := peer.LoadIdentity(dir)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.peers, err = peer.New(peer.Config{
		Identity: identity, Listener: l,
		Messages: func(_ uint64, m *raftpb.Message) { s.group.Receive(m) },
		Call: func(from uint64, _ uint16, body []byte, answer func([]byte, error)) {
			s.relay.Serve(from, body, answer)
		},
		Snapshot:    func(uint64, *raftpb.Message, io.Reader) error { return errors.New("no snapshots in this test") },
		Unreachable: func(node, _ uint64) { s.group.Unreachable(node) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}

func (s *station) open(t testing.TB, dir string, limits Limits) {
	t.Helper()
	s.relay = New(s.peers, limits)
	var led func(replica.Leadership)
	ready := make(chan struct{})
	live := true
	g, err := replica.Open(replica.Options[trade.Answer]{
		Dir: dir, Group: group, Node: s.node, Members: []replica.Member{{ID: 1}, {ID: 2}, {ID: 3}}, Transport: s.peers,
		New: func() replica.Machine[trade.Answer] {
			b := books.New(1)
			if live {
				s.day, live = b.Day(), false
			}
			return b
		},
		Led: func(l replica.Leadership) { <-ready; led(l) },
	})
	if err != nil {
		t.Fatal(err)
	}
	s.group = g
	s.shard = s.relay.Shard(Parts{Group: group, Log: g, Today: s.day.Today})
	led = s.shard.Led
	close(ready)
}

// kill ends a node as abruptly as one process can: its connections first.
func (s *station) kill() {
	if s.dead.Swap(true) {
		return
	}
	_ = s.peers.Close()
	_ = s.group.Close()
	s.relay.Close()
}

// leader waits for a node that leads and is ready, and is known to the others that live.
func leader(t testing.TB, stations map[uint64]*station) *station {
	t.Helper()
	var found *station
	eventually(t, "a leader that all know", func() bool {
		found = nil
		for _, s := range stations {
			if !s.dead.Load() && s.group.Leadership().Ready {
				found = s
			}
		}
		for _, s := range stations {
			if found == nil || !s.dead.Load() && s.shard.Status().Leader != found.node {
				return false
			}
		}
		return true
	})
	return found
}

func encoded(t testing.TB, c *trade.Command) []byte {
	t.Helper()
	b, err := trade.AppendCommand(nil, c)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// ask submits a command and waits for its answer.
func (s *station) ask(t testing.TB, c *trade.Command) trade.Answer {
	t.Helper()
	type said struct {
		answer trade.Answer
		err    error
	}
	answers := make(chan said, 2)
	if err := s.shard.Submit(encoded(t, c), func(a trade.Answer, err error) { answers <- said{a, err} }); err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-answers:
		if got.err != nil {
			t.Fatal(got.err)
		}
		return got.answer
	case <-time.After(patience):
		t.Fatal("no answer")
		return trade.Answer{}
	}
}

func openAccount(login string) *trade.Command {
	return &trade.Command{Kind: trade.OpenAccountKind, OpenAccount: trade.OpenAccount{
		Login: []byte(login), Permissions: trade.MayEverything,
	}}
}

func deposit(account trade.AccountID, n int) *trade.Command {
	return &trade.Command{Kind: trade.MoveCashKind, MoveCash: trade.MoveCash{
		Account: account, Amount: 100, Reference: fmt.Appendf(nil, "%08d", n),
	}}
}

// An investor submits deposits through one node, several at a time, and counts the answers of each.
type investor struct {
	account trade.AccountID
	at      *station

	mutex   sync.Mutex
	sent    int
	refused int // by Submit: they have no answer
	answers map[int]int
	wrong   []string
	room    chan struct{}
}

func (v *investor) run(t testing.TB, stop <-chan struct{}) {
	for n := 0; ; {
		select {
		case <-stop:
			return
		case v.room <- struct{}{}:
		}
		number := n
		err := v.at.shard.Submit(encoded(t, deposit(v.account, n)), func(a trade.Answer, err error) {
			v.mutex.Lock()
			defer v.mutex.Unlock()
			v.answers[number]++
			if err != nil || a.Reason != trade.Accepted || a.Account != v.account {
				v.wrong = append(v.wrong, fmt.Sprintf("%d: %+v, %v", number, a, err))
			}
			<-v.room
		})
		if err != nil {
			v.refused++
			<-v.room
			if errors.Is(err, replica.ErrClosed) {
				return
			}
			continue
		}
		v.sent++
		n++
	}
}

// investors open an account each and begin.
func investors(t testing.TB, stations map[uint64]*station, each, flight int) (all []*investor, stop func()) {
	t.Helper()
	halt := make(chan struct{})
	var work sync.WaitGroup
	for node, s := range stations {
		for n := range each {
			v := &investor{at: s, answers: map[int]int{}, room: make(chan struct{}, flight)}
			v.account = s.ask(t, openAccount(fmt.Sprintf("investor-%d-%d", node, n))).Account
			all = append(all, v)
			work.Go(func() { v.run(t, halt) })
		}
	}
	return all, sync.OnceFunc(func() { close(halt); work.Wait() })
}

// audit waits for the last answers and compares what investors were told with the books of a node.
func audit(t *testing.T, all []*investor, s *station) (total int) {
	t.Helper()
	for _, v := range all {
		if v.at.dead.Load() {
			continue // nobody is left to be told
		}
		eventually(t, "every answer", func() bool {
			v.mutex.Lock()
			defer v.mutex.Unlock()
			return len(v.answers) == v.sent
		})
		v.mutex.Lock()
		for n, times := range v.answers {
			if times != 1 {
				t.Errorf("command %d of account %d was answered %d times", n, v.account, times)
			}
		}
		if len(v.wrong) > 0 {
			t.Errorf("account %d: %d wrong answers, the first %s", v.account, len(v.wrong), v.wrong[0])
		}
		v.mutex.Unlock()
		total += v.sent
		eventually(t, "the books to hold all", func() bool {
			b, _ := s.day.Balance(v.account)
			return int(b.Available) >= 100*v.sent
		})
		if b, _ := s.day.Balance(v.account); int(b.Available) != 100*v.sent {
			t.Errorf("account %d sent %d commands, and the books moved %d", v.account, v.sent, b.Available/100)
		}
		inOrder(t, s, v)
	}
	return total
}

// inOrder checks that the account's movements lie in the log as they were submitted.
func inOrder(t *testing.T, s *station, v *investor) {
	t.Helper()
	next, after := 0, uint64(0)
	for {
		events, err := s.day.Events(v.account, records.EventFilter{After: after, Direction: records.OldestFirst})
		if err != nil {
			t.Fatal(err)
		}
		if len(events) == 0 {
			return
		}
		for i := range events {
			after = events[i].Number
			if events[i].Kind != trade.CashMoved {
				continue
			}
			if want := fmt.Sprintf("%08d", next); string(events[i].Cash.Reference) != want {
				t.Errorf("account %d: movement %s, want %s", v.account, events[i].Cash.Reference, want)
				return
			}
			next++
		}
	}
}

// TestForwarding submits on all nodes: the same books everywhere, in order.
func TestForwarding(t *testing.T) {
	stations := cluster(t, Limits{})
	at := leader(t, stations)
	all, stop := investors(t, stations, 2, 32)
	time.Sleep(300 * time.Millisecond)
	stop()
	for _, s := range stations {
		t.Logf("node %d: %d commands, %+v", s.node, audit(t, all, s), s.shard.Status())
		if st := s.shard.Status(); st.Held != 0 || st.Again != 0 || st.Unknown != 0 || s == at && st.Served == 0 ||
			s != at && st.Forwarded == 0 {
			t.Errorf("node %d: %+v", s.node, st)
		}
	}
}

// TestLeadershipMoves hands leadership around under load.
func TestLeadershipMoves(t *testing.T) {
	stations := cluster(t, Limits{})
	leader(t, stations)
	all, stop := investors(t, stations, 2, 32)
	for n := range uint64(9) {
		to := n%3 + 1
		at := leader(t, stations)
		_ = at.group.Transfer(t.Context(), to) // where it is refused, leadership stays: that is load, too
		time.Sleep(20 * time.Millisecond)
	}
	stop()
	again := uint64(0)
	for _, s := range stations {
		audit(t, all, s)
		again += s.shard.Status().Again
	}
	t.Logf("%d commands, %d handed out again", audit(t, all, stations[1]), again)
}

// TestLeaderDies kills the leader under load: what the others' investors had on the way is answered, once, and is in
// the books, once, in order.
func TestLeaderDies(t *testing.T) {
	for round := range 3 {
		stations := cluster(t, Limits{})
		at := leader(t, stations)
		all, stop := investors(t, stations, 2, 64)
		time.Sleep(100 * time.Millisecond)
		began := time.Now()
		at.kill()
		next := leader(t, stations)
		took := time.Since(began)
		time.Sleep(50 * time.Millisecond)
		stop()
		for _, s := range stations {
			if s != at {
				t.Logf("round %d, node %d: %d commands, a leader after %v, %+v", round, s.node, audit(t, all, s), took,
					s.shard.Status())
			}
		}
		_ = next
		for _, s := range stations {
			s.kill()
		}
	}
}
