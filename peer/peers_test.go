package peer

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/raft/v3/raftpb"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain: " + what)
		}
	}
}

// TestMain looks for goroutines of this package that outlive the tests.
func TestMain(m *testing.M) {
	code := m.Run()
	deadline := time.Now().Add(patience)
	left := leftBehind()
	for ; len(left) > 0 && time.Now().Before(deadline) && code == 0; left = leftBehind() {
		time.Sleep(10 * time.Millisecond)
	}
	if code == 0 && len(left) > 0 {
		fmt.Printf("%d goroutines were left behind:\n%s\n", len(left), strings.Join(left, "\n\n"))
		code = 1
	}
	os.Exit(code)
}

func leftBehind() []string {
	buffer := make([]byte, 1<<20)
	stacks := strings.Split(string(buffer[:runtime.Stack(buffer, true)]), "\n\n")
	return slices.DeleteFunc(stacks, func(stack string) bool {
		return !strings.Contains(stack, "evenkeel/peer.") || strings.Contains(stack, "TestMain")
	})
}

// A member is one node of a test.
type member struct {
	*Peers
	address string

	mutex       sync.Mutex
	got         []string // "from/group: index" of messages, in the order of arrival
	unreachable map[uint64]int
}

func listen(t testing.TB, address string) net.Listener {
	t.Helper()
	var l net.Listener
	eventually(t, "listen at "+address, func() (ok bool) {
		var err error
		l, err = net.Listen("tcp", address)
		return err == nil
	})
	return l
}

// start starts a node; change may alter its configuration.
func start(t testing.TB, i *Identity, address string, change func(*Config)) *member {
	t.Helper()
	m := &member{unreachable: map[uint64]int{}}
	c := Config{
		Identity: i, Listener: listen(t, address), Hello: fmt.Appendf(nil, "binary of node %d", i.Node),
		Messages: func(group uint64, message *raftpb.Message) {
			m.mutex.Lock()
			defer m.mutex.Unlock()
			m.got = append(m.got, fmt.Sprintf("%d/%d: %d", message.GetFrom(), group, message.GetIndex()))
		},
		Unreachable: func(node, _ uint64) {
			m.mutex.Lock()
			defer m.mutex.Unlock()
			m.unreachable[node]++
		},
	}
	c.Limits.Silence = 5 * time.Second // a test machine may be busy with others
	if change != nil {
		change(&c)
	}
	m.address = c.Listener.Addr().String()
	p, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	m.Peers = p
	t.Cleanup(func() { _ = p.Close() })
	return m
}

func (m *member) received() []string {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return slices.Clone(m.got)
}

func (m *member) missed(node uint64) int {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return m.unreachable[node]
}

// of is what a node knows of another.
func (m *member) of(node uint64) Status {
	for _, s := range m.Status() {
		if s.Node == node {
			return s
		}
	}
	return Status{}
}

func (m *member) connected(node uint64) bool { s := m.of(node); return s.Messages && s.Calls }

// trio starts three nodes that know each other.
func trio(t testing.TB, change func(*Config)) (*Authority, map[uint64]*member) {
	t.Helper()
	a := newAuthority(t)
	members := map[uint64]*member{}
	for node := uint64(1); node <= 3; node++ {
		members[node] = start(t, identity(t, a, node), "127.0.0.1:0", change)
	}
	for node, m := range members {
		for other, o := range members {
			m.SetPeer(other, o.address)
			_ = node
		}
	}
	for node, m := range members {
		for other := range members {
			if other != node {
				eventually(t, fmt.Sprintf("%d connects to %d", node, other), func() bool { return m.connected(other) })
			}
		}
	}
	return a, members
}

func message(from, to, index uint64, size int) *raftpb.Message {
	kind := raftpb.MsgApp
	m := &raftpb.Message{Type: &kind, From: &from, To: &to, Index: &index, Term: new(uint64(1))}
	if size > 0 {
		m.Entries = []*raftpb.Entry{{Data: bytes.Repeat([]byte{byte(index)}, size)}}
	}
	return m
}

// TestMessages sends on all paths of three nodes, for several groups at once: everything arrives, each path in order.
func TestMessages(t *testing.T) {
	const groups, each = 4, 500
	_, members := trio(t, nil)
	var senders sync.WaitGroup
	for node, m := range members {
		for group := uint64(1); group <= groups; group++ {
			senders.Go(func() {
				for index := range uint64(each) {
					var batch []*raftpb.Message
					for other := range members {
						if other != node {
							batch = append(batch, message(node, other, index, int(index)%2000))
						}
					}
					m.Send(group, batch)
				}
			})
		}
	}
	senders.Wait()
	for node, m := range members {
		eventually(t, "all messages", func() bool { return len(m.received()) == groups*each*2 })
		next := map[string]uint64{}
		for _, line := range m.received() {
			path, index, _ := strings.Cut(line, ": ")
			if index != fmt.Sprint(next[path]) {
				t.Fatalf("node %d got %s, want index %d", node, line, next[path])
			}
			next[path]++
		}
		for other := range members {
			if s := m.of(other); other != node && (s.Dropped != 0 || s.Sent == 0 || s.Received == 0 || s.Connects != 2 ||
				string(s.Hello) != fmt.Sprintf("binary of node %d", other) || s.Version != newestVersion) {
				t.Errorf("node %d of node %d: %+v", node, other, s)
			}
		}
		eventually(t, "a round trip", func() bool { return m.of(node%3+1).RoundTrip > 0 })
	}
}

// TestLargeMessage carries a message far above the read buffer, between small ones.
func TestLargeMessage(t *testing.T) {
	sizes := make(chan int, 3)
	_, members := trio(t, func(c *Config) {
		c.Messages = func(_ uint64, m *raftpb.Message) {
			data := m.GetEntries()[0].GetData()
			if bytes.Count(data, data[:1]) != len(data) {
				t.Error("the bytes of a message were changed on the way")
			}
			sizes <- len(data)
		}
	})
	for _, size := range []int{1, 16 << 20, 2} {
		members[1].Send(1, []*raftpb.Message{message(1, 2, uint64(size), size)})
		select {
		case got := <-sizes:
			if got != size {
				t.Fatalf("%d bytes arrived as %d", size, got)
			}
		case <-time.After(patience):
			t.Fatalf("%d bytes did not arrive: %+v", size, members[1].of(2))
		}
	}
	members[1].Send(1, []*raftpb.Message{message(1, 2, 1, maxFrame)})
	if members[1].of(2).Dropped != 1 || members[1].missed(2) != 1 {
		t.Error("a message above the limit was not reported")
	}
}

// TestStrangers shows that nobody gets in who is not who he should be, and that each is told why.
func TestStrangers(t *testing.T) {
	a := newAuthority(t)
	server := start(t, identity(t, a, 1), "127.0.0.1:0", nil)
	moved := start(t, identity(t, a, 2), "127.0.0.1:0", nil)
	foreign := identity(t, newAuthority(t), 8)
	disguised := *foreign // its certificate is of another cluster, and it says otherwise and believes ours
	disguised.Name, disguised.roots = Name{a.Cluster, 3}, identity(t, a, 3).roots
	liar := *identity(t, a, 4) // its certificate says 4, its hello 5
	liar.Node = 5
	for _, c := range []struct {
		what    string
		who     *Identity
		node    uint64
		address string
		says    string
	}{
		{"a node of another authority", foreign, 1, server.address, "certificate"},
		{"one that only claims our cluster", &disguised, 1, server.address, "tls"},
		{"another node at the address", identity(t, a, 6), 1, moved.address, "node-1."},
		{"a hello that is not the certificate's", &liar, 1, server.address,
			"the certificate is node 4's, the hello node 5's"},
	} {
		m := start(t, c.who, "127.0.0.1:0", nil)
		m.SetPeer(c.node, c.address)
		eventually(t, c.what, func() bool { return m.of(c.node).Trouble != "" })
		if s := m.of(c.node); s.Connects != 0 || !strings.Contains(s.Trouble, c.says) {
			t.Errorf("%s: %d connections, %q", c.what, s.Connects, s.Trouble)
		}
	}
	good := start(t, identity(t, a, 7), "127.0.0.1:0", nil)
	good.SetPeer(1, server.address)
	eventually(t, "a good node", func() bool { return good.connected(1) })
}

// TestWelcomes holds the check of a hello to its ladder.
func TestWelcomes(t *testing.T) {
	a := newAuthority(t)
	p := start(t, identity(t, a, 1), "127.0.0.1:0", nil)
	p.Drop(9)
	p.oldest, p.newest = 4, 6
	good := greeting{oldest: 5, newest: 8, lane: calls, from: 2, to: 1, cluster: a.Cluster}
	if version, err := p.welcomes(&good, 2); version != 6 || err != nil {
		t.Errorf("version %d, %v", version, err)
	}
	for _, c := range []struct {
		change func(*greeting)
		says   string
	}{
		{func(g *greeting) { g.from = 3 }, "the certificate is node 2's, the hello node 3's"},
		{func(g *greeting) { g.to = 3 }, "this is node 1, not node 3"},
		{func(g *greeting) { g.cluster = "x" }, "not cluster x"},
		{func(g *greeting) { g.oldest, g.newest = 1, 3 }, "versions 4 to 6 of the protocol are spoken here, not 1 to 3"},
		{func(g *greeting) { g.oldest, g.newest = 7, 9 }, "not 7 to 9"},
		{func(g *greeting) { g.lane = 9 }, "there is no lane 9 here"},
	} {
		g := good
		if c.change(&g); true {
			if _, err := p.welcomes(&g, 2); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want %q", err, c.says)
			}
		}
	}
	for node, says := range map[uint64]string{9: "no longer part", 1: "does not call itself"} {
		g := good
		g.from = node
		if _, err := p.welcomes(&g, node); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
}

// TestVersions lets binaries of different ages talk: the newest version that both know, or a refusal that names both
// ranges.
func TestVersions(t *testing.T) {
	a := newAuthority(t)
	server := start(t, identity(t, a, 1), "127.0.0.1:0", nil) // speaks 1
	for node, c := range map[uint64]struct {
		oldest, newest uint16
		version        uint16
	}{2: {1, 3, 1}, 3: {1, 1, 1}, 4: {2, 3, 0}} {
		m := &member{unreachable: map[uint64]int{}}
		p, err := open(Config{Identity: identity(t, a, node), Listener: listen(t, "127.0.0.1:0")}, c.oldest, c.newest)
		if err != nil {
			t.Fatal(err)
		}
		m.Peers = p
		t.Cleanup(func() { _ = p.Close() })
		p.SetPeer(1, server.address)
		if c.version == 0 {
			eventually(t, "a refusal", func() bool { return strings.Contains(m.of(1).Trouble, "not 2 to 3") })
			continue
		}
		eventually(t, "a connection", func() bool { return m.connected(1) })
		if s := m.of(1); s.Version != c.version {
			t.Errorf("node %d speaks version %d", node, s.Version)
		}
	}
}

// TestGreeted: every node hears what those say of themselves that dial it.
func TestGreeted(t *testing.T) {
	var mutex sync.Mutex
	heard := map[string]bool{}
	trio(t, func(c *Config) {
		c.Greeted = func(node uint64, hello []byte) {
			mutex.Lock()
			defer mutex.Unlock()
			heard[fmt.Sprintf("%d to %d: %s", node, c.Identity.Node, hello)] = true
		}
	})
	eventually(t, "everybody to have said hello to everybody", func() bool {
		mutex.Lock()
		defer mutex.Unlock()
		return len(heard) == 6 && heard["2 to 3: binary of node 2"] && heard["3 to 1: binary of node 3"]
	})
}

// TestRestart ends a node and starts it again at the same address.
func TestRestart(t *testing.T) {
	a, members := trio(t, nil)
	address := members[2].address
	_ = members[2].Close()
	members[1].Send(1, []*raftpb.Message{message(1, 2, 1, 10)}) // makes the loss of it reported
	eventually(t, "the loss of every lane", func() bool { s := members[1].of(2); return !s.Messages && !s.Calls })
	members[1].Send(1, []*raftpb.Message{message(1, 2, 2, 10)})
	if members[1].missed(2) == 0 {
		t.Error("a message to a node that is gone was not reported")
	}
	if members[1].Connected(2) {
		t.Error("still connected for calls")
	}
	dir := a.dir + "/node-2"
	i, err := LoadIdentity(dir)
	if err != nil {
		t.Fatal(err)
	}
	again := start(t, i, address, nil)
	began := time.Now()
	eventually(t, "both to connect again", func() bool { return members[1].connected(2) && members[3].connected(2) })
	t.Logf("connected %v after the restart", time.Since(began))
	members[1].Send(1, []*raftpb.Message{message(1, 2, 3, 10)})
	eventually(t, "a message", func() bool { return len(again.received()) == 1 })
}

func TestSetPeerAndDrop(t *testing.T) {
	a, members := trio(t, nil)
	members[1].SetPeer(1, "127.0.0.1:1") // itself: nothing to do
	members[1].Drop(2)
	eventually(t, "both ends to part", func() bool { return len(members[1].Status()) == 1 && !members[2].connected(1) })
	eventually(t, "the reason", func() bool {
		return strings.Contains(members[2].of(1).Trouble, "no longer part of the cluster")
	})
	members[1].Send(1, []*raftpb.Message{message(1, 2, 1, 0)})
	if members[1].missed(2) == 0 {
		t.Error("a message to a dropped node was not reported")
	}
	members[1].SetPeer(2, members[2].address)
	eventually(t, "both to be back", func() bool { return members[1].connected(2) && members[2].connected(1) })
	// Node 2 moves: its process ends here, and another with its identity starts elsewhere.
	_ = members[2].Close()
	i, err := LoadIdentity(a.dir + "/node-2")
	if err != nil {
		t.Fatal(err)
	}
	moved := start(t, i, "127.0.0.1:0", nil)
	members[1].SetPeer(2, moved.address)
	eventually(t, "the new address", func() bool { return members[1].connected(2) })
	members[1].Send(1, []*raftpb.Message{message(1, 2, 1, 0)})
	eventually(t, "a message", func() bool { return len(moved.received()) == 1 })
}

// echo answers calls with their own body; kind 1 is answered later, by release.
type echo struct {
	mutex sync.Mutex
	held  []func()
}

func (e *echo) call(_ uint64, kind uint16, body []byte, answer func([]byte, error)) {
	switch kind {
	case 0:
		answer(body, nil)
	case 1:
		copied := slices.Clone(body)
		e.mutex.Lock()
		e.held = append(e.held, func() { answer(copied, nil) })
		e.mutex.Unlock()
	default:
		answer(nil, fmt.Errorf("kind %d is not known", kind))
		answer(body, nil) // the second answer does nothing
	}
}

func (e *echo) waiting() int {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	return len(e.held)
}

// release answers what is held, the last first.
func (e *echo) release() {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	slices.Reverse(e.held)
	for _, answer := range e.held {
		answer()
	}
	e.held = nil
}

func TestCalls(t *testing.T) {
	e := &echo{}
	_, members := trio(t, func(c *Config) { c.Call, c.Limits.Calls, c.Limits.CallBytes = e.call, 100, 100<<10 })
	if answer, err := members[1].Call(t.Context(), 2, 0, []byte("hello")); err != nil || string(answer) != "hello" {
		t.Fatal(string(answer), err)
	}
	var remote *RemoteError
	_, err := members[1].Call(t.Context(), 2, 9, nil)
	if !errors.As(err, &remote) || remote.Text != "kind 9 is not known" {
		t.Errorf("an error of the handler: %v", err)
	}
	large := bytes.Repeat([]byte("x"), 100<<10)
	if answer, err := members[1].Call(t.Context(), 2, 0, large); err != nil || !bytes.Equal(answer, large) {
		t.Error("a large call", err)
	}
	if err := members[1].CallAsync(2, 0, append(large, 'x'), nil); !errors.Is(err, ErrNotSent) {
		t.Errorf("a call above the limit: %v", err)
	}
	if err := members[1].CallAsync(9, 0, nil, nil); !errors.Is(err, ErrNotSent) {
		t.Errorf("a call to nobody: %v", err)
	}
	// As many as may wait, answered in the opposite order.
	type pair struct{ asked, answered uint64 }
	answers := make(chan pair, 100)
	for n := range uint64(100) {
		err := members[1].CallAsync(2, 1, binary.LittleEndian.AppendUint64(nil, n), func(b []byte, err error) {
			if err != nil {
				t.Error(err)
			}
			answers <- pair{n, binary.LittleEndian.Uint64(b)}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := members[1].CallAsync(2, 0, nil, nil); !errors.Is(err, ErrNotSent) {
		t.Errorf("one call too many: %v", err)
	}
	eventually(t, "all calls to arrive", func() bool { return e.waiting() == 100 })
	if s := members[1].of(2); s.CallsOut != 100 || s.Refused != 1 {
		t.Errorf("%+v", s)
	}
	e.release()
	for range 100 {
		if p := <-answers; p.asked != p.answered {
			t.Fatalf("call %d got the answer of %d", p.asked, p.answered)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := members[1].Call(ctx, 2, 1, nil); !errors.Is(err, ErrUnknown) || !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that stopped waiting: %v", err)
	}
}

// TestCallsOfALostConnection tells the calls that the other node may have seen from those that it has not.
func TestCallsOfALostConnection(t *testing.T) {
	e := &echo{}
	_, members := trio(t, func(c *Config) {
		c.Call, c.Limits.Pulse = e.call, time.Hour // a sign of life would wake the writer
	})
	outcomes := make(chan error, 200)
	done := func(_ []byte, err error) { outcomes <- err }
	for range 10 {
		if err := members[1].CallAsync(2, 1, []byte("held"), done); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the calls to arrive", func() bool { return e.waiting() == 10 })
	// What waits behind a writer that cannot write was not sent.
	c := members[1].remote(2).calls.now.Load()
	c.mutex.Lock()
	for range 10 {
		c.queued(appendCall(c.pending, c.calls.add(c.appended, done), 1, []byte("never sent")))
	}
	c.mutex.Unlock()
	_ = members[2].Close()
	unknown, notSent := 0, 0
	for range 20 {
		switch err := <-outcomes; {
		case errors.Is(err, ErrUnknown):
			unknown++
		case errors.Is(err, ErrNotSent):
			notSent++
		default:
			t.Fatal(err)
		}
	}
	if unknown != 10 || notSent != 10 {
		t.Errorf("%d unknown and %d not sent", unknown, notSent)
	}
	e.release() // answers to nobody
	eventually(t, "the loss", func() bool { return !members[1].Connected(2) })
	if err := members[1].CallAsync(2, 0, nil, done); !errors.Is(err, ErrNotSent) {
		t.Errorf("a call without a connection: %v", err)
	}
}

// TestCallsUnderRestarts counts that every call is answered once, whatever happens to the connection.
func TestCallsUnderRestarts(t *testing.T) {
	_, members := trio(t, func(c *Config) { c.Call = (&echo{}).call })
	var asked, told atomic.Int64
	stop := make(chan struct{})
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if members[1].CallAsync(2, 0, []byte("x"), func([]byte, error) { told.Add(1) }) == nil {
					asked.Add(1)
				} else {
					time.Sleep(time.Millisecond)
				}
			}
		})
	}
	for range 20 {
		want := members[1].of(2).Connects + 1
		eventually(t, "a connection", func() bool { return members[1].of(2).Connects >= want || members[1].Connected(2) })
		if c := members[1].remote(2).calls.now.Load(); c != nil {
			before := told.Load()
			eventually(t, "answers", func() bool { return told.Load() > before })
			c.close(errors.New("cut by the test"))
		}
	}
	close(stop)
	callers.Wait()
	eventually(t, "every call's end", func() bool { return told.Load() >= asked.Load() })
	time.Sleep(20 * time.Millisecond) // a second answer would come now
	if asked.Load() != told.Load() || asked.Load() == 0 {
		t.Errorf("%d calls, %d answers", asked.Load(), told.Load())
	}
}

// TestSlowNode blocks one node's handler: what is sent to it is bounded, dropped and reported, and the others do not
// notice.
func TestSlowNode(t *testing.T) {
	a := newAuthority(t)
	release := make(chan struct{})
	small := func(c *Config) { c.Limits.QueueBytes = 1 << 20 }
	sender := start(t, identity(t, a, 1), "127.0.0.1:0", small)
	slow := start(t, identity(t, a, 2), "127.0.0.1:0", func(c *Config) {
		small(c)
		c.Messages = func(uint64, *raftpb.Message) { <-release }
	})
	quick := start(t, identity(t, a, 3), "127.0.0.1:0", small)
	let := sync.OnceFunc(func() { close(release) })
	t.Cleanup(let) // a handler that waits keeps its node from closing
	sender.SetPeer(2, slow.address)
	sender.SetPeer(3, quick.address)
	eventually(t, "connections", func() bool { return sender.connected(2) && sender.connected(3) })
	eventually(t, "a full queue", func() bool {
		began := time.Now()
		sender.Send(1, []*raftpb.Message{message(1, 2, 1, 64<<10)})
		if took := time.Since(began); took > 5*time.Second {
			t.Fatalf("a send took %v", took)
		}
		return sender.of(2).Dropped > 10
	})
	if s := sender.of(2); s.QueueBytes > 1<<20+64<<10+100 || sender.missed(2) == 0 {
		t.Errorf("%+v, reported %d times", s, sender.missed(2))
	}
	for index := range uint64(100) {
		sender.Send(1, []*raftpb.Message{message(1, 3, index, 100)})
	}
	eventually(t, "the quick node", func() bool { return len(quick.received()) == 100 })
	let()
}

// A path forwards bytes between two addresses until it is cut: then they go nowhere, and nobody is told.
type path struct {
	listener net.Listener
	target   string
	cut      atomic.Bool
	work     sync.WaitGroup
	mutex    sync.Mutex
	ends     []net.Conn
}

func newPath(t testing.TB, target string) *path {
	p := &path{listener: listen(t, "127.0.0.1:0"), target: target}
	p.work.Go(func() {
		for {
			in, err := p.listener.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", p.target)
			if err != nil {
				_ = in.Close()
				continue
			}
			p.mutex.Lock()
			p.ends = append(p.ends, in, out)
			p.mutex.Unlock()
			p.work.Go(func() { p.carry(in, out) })
			p.work.Go(func() { p.carry(out, in) })
		}
	})
	t.Cleanup(func() {
		_ = p.listener.Close()
		p.mutex.Lock()
		for _, c := range p.ends {
			_ = c.Close()
		}
		p.mutex.Unlock()
		p.work.Wait()
	})
	return p
}

// carry goes on swallowing what a cut path is given; a connection that was cut once stays dead.
func (p *path) carry(to, from net.Conn) {
	b := make([]byte, 64<<10)
	dead := false
	for {
		n, err := from.Read(b)
		if dead = dead || p.cut.Load(); dead && err == nil {
			continue
		}
		if err == nil {
			_, err = to.Write(b[:n])
		}
		if err != nil {
			if !dead { // across a cut, the end of a connection is not seen either
				_ = to.Close()
			}
			return
		}
	}
}

// TestSilence cuts a path without a word: both ends notice, calls are told, and the way back is found when it heals.
func TestSilence(t *testing.T) {
	a := newAuthority(t)
	e := &echo{}
	change := func(c *Config) { c.Call, c.Limits.Silence = e.call, 200*time.Millisecond }
	one := start(t, identity(t, a, 1), "127.0.0.1:0", change)
	two := start(t, identity(t, a, 2), "127.0.0.1:0", change)
	way := newPath(t, two.address)
	one.SetPeer(2, way.listener.Addr().String())
	eventually(t, "a connection", func() bool { return one.connected(2) })
	told := make(chan error, 1)
	if err := one.CallAsync(2, 1, nil, func(_ []byte, err error) { told <- err }); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the call", func() bool { return e.waiting() == 1 })
	way.cut.Store(true)
	began := time.Now()
	if err := <-told; !errors.Is(err, ErrUnknown) || !errors.Is(err, errSilent) {
		t.Errorf("a call across a cut: %v", err)
	}
	took := time.Since(began)
	t.Logf("noticed after %v", took)
	eventually(t, "the other end to notice", func() bool {
		two.Peers.mutex.Lock()
		defer two.Peers.mutex.Unlock()
		return len(two.open) == 0
	})
	way.cut.Store(false)
	began = time.Now()
	eventually(t, "the way back", func() bool { return one.connected(2) })
	t.Logf("back after %v", time.Since(began))
}

// TestTornFrames sends what no node of ours sends, over good connections: they end, and the node lives on.
func TestTornFrames(t *testing.T) {
	a := newAuthority(t)
	server := start(t, identity(t, a, 1), "127.0.0.1:0", func(c *Config) {
		c.Limits.Hello = 100 * time.Millisecond
		c.Limits.CallBytes = 1000
	})
	client := start(t, identity(t, a, 2), "127.0.0.1:0", nil)
	r := &remote{peers: client.Peers, node: 1, address: server.address}
	whole, _ := appendMessage(nil, 1, message(2, 1, 1, 100))
	stranger, _ := appendMessage(nil, 1, message(3, 1, 1, 100))
	elsewhere, _ := appendMessage(nil, 1, message(2, 3, 1, 100))
	for _, c := range []struct {
		what  string
		lane  lane
		bytes []byte
	}{
		{"half a frame", messages, whole[:len(whole)/2]}, {"half a header", messages, whole[:3]},
		{"an endless frame", messages, []byte{255, 255, 255, 255, byte(messageFrame)}},
		{"an empty frame", messages, []byte{0, 0, 0, 0, 0, 0}}, {"a kind that is none", messages, []byte{1, 0, 0, 0, 99}},
		{"a message of another node", messages, stranger}, {"a message to another node", messages, elsewhere},
		{"a message on the calls lane", calls, whole}, {"a call on the messages lane", messages, appendCall(nil, 1, 1, nil)},
		{"a large call", calls, appendCall(nil, 1, 1, make([]byte, 1001))},
		{"an answer from the end that asks", calls, appendAnswer(nil, 1, answered, nil)},
		{"a second hello", messages, (&greeting{}).appendTo(nil)},
		{"half a message", messages, []byte{9 + 2, 0, 0, 0, byte(messageFrame), 1, 0, 0, 0, 0, 0, 0, 0, 255, 255}},
		{"a short sign of life", messages, []byte{2, 0, 0, 0, byte(pingFrame), 1}},
		{"a chunk of nothing", bulk, appendChunk(nil, []byte("x"))},
	} {
		conn, err := r.dial(t.Context(), c.lane)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.socket.Write(c.bytes); err != nil {
			t.Fatal(err)
		}
		if len(c.bytes) < len(whole) && c.bytes[0] == whole[0] { // the rest never comes
			_ = plainSocket(conn.socket).(*net.TCPConn).CloseWrite()
		}
		_ = conn.socket.SetReadDeadline(time.Now().Add(patience))
		_, err = io.Copy(io.Discard, conn.socket)
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			t.Errorf("%s: the connection lives on", c.what)
		}
		_ = plainSocket(conn.socket).Close()
	}
	// One that never says hello is let go.
	silent, err := net.Dial("tcp", server.address)
	if err != nil {
		t.Fatal(err)
	}
	_ = silent.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.Copy(io.Discard, silent); err != nil {
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			t.Error("a connection without a word is kept")
		}
	}
	_ = silent.Close()
	client.SetPeer(1, server.address)
	eventually(t, "a good connection", func() bool { return client.connected(1) })
	client.Send(1, []*raftpb.Message{message(2, 1, 5, 10)})
	eventually(t, "a good message", func() bool { return slices.Equal(server.received(), []string{"2/1: 5"}) })
}
