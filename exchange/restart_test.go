package exchange

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	core "evenkeel/core/exchange"
	"evenkeel/core/rules"
	"evenkeel/core/trade"
	"evenkeel/szse"
)

// childVariable names the directory of an exchange that this test binary is to run, to be killed.
const childVariable = "EVENKEEL_EXCHANGE_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVariable); dir != "" {
		child(dir)
	}
	os.Exit(m.Run())
}

func child(dir string) {
	s, err := Open(Config{Dir: dir, Units: testUnits, Flow: Flow{Rate: 400, Seed: 1}})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	fmt.Println(s.OrdersAddress(), s.MarketAddress())
	select {}
}

// TestReopen: closed and opened again, with and without a snapshot, an exchange is what it was.
func TestReopen(t *testing.T) {
	dir := t.TempDir()
	s := opened(t, Config{Dir: dir})
	phase(t, s, trade.Continuous)
	b := online(t, s, testUnits[0])
	for i := range 40 {
		b.send(b.order("600000", fmt.Sprint(i), trade.Buy+trade.Side(i%2), 200, 10_0000))
	}
	b.send(b.cancel("600000", "c", "0"))
	b.answered("c")
	for round := range 4 {
		state, reports := books(s), everything(t, s, testUnits[0])
		stream, end := subscribe(t, s, szse.WantAll&^szse.WantQuotes, 0, 1).replay()
		if round%2 == 0 {
			if err := s.group.Snapshot(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = opened(t, Config{Dir: dir})
		if books(s) != state {
			t.Errorf("round %d: the state differs", round)
		}
		sameReports(t, everything(t, s, testUnits[0]), reports)
		again, endAgain := subscribe(t, s, szse.WantAll&^szse.WantQuotes, 0, 1).replay()
		if end != endAgain || strings.Join(stream, "\n") != strings.Join(again, "\n") {
			t.Errorf("round %d: market data differ: %d messages, were %d", round, len(again), len(stream))
		}
		b = online(t, s, testUnits[0])
		b.send(b.order("600036", fmt.Sprint("r", round), trade.Buy, 100, 35_0000))
		b.answered(fmt.Sprint("r", round))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestSetUpAnywhere: killed while it was set up for the first time, an exchange goes on where it was. The journal of a
// whole set-up is cut everywhere.
func TestSetUpAnywhere(t *testing.T) {
	list, err := ShippedList()
	if err != nil {
		t.Fatal(err)
	}
	pasts := 0
	for i := range list {
		if list[i].ListedDay > 1 {
			pasts++
		}
	}
	for listed := 0; listed <= len(list); listed += 26 {
		dir := t.TempDir()
		s := opened(t, Config{Dir: dir, List: append([]Listed{}, list[:listed]...)})
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = opened(t, Config{Dir: dir, Flow: Flow{Rate: 0.001, Seed: 1}})
		m := s.machine
		m.mu.RLock()
		if got := m.core.Securities(); int(got) != len(list) || len(m.tape.days) != pasts {
			t.Errorf("%d securities with %d pasts, want %d with %d", got, len(m.tape.days), len(list), pasts)
		}
		m.mu.RUnlock()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestNewRules: a rule file that differs from the journal's is adopted at the start.
func TestNewRules(t *testing.T) {
	dir := t.TempDir()
	if err := opened(t, Config{Dir: dir}).Close(); err != nil {
		t.Fatal(err)
	}
	changed := rules.Embedded() + "\n"
	s := open(t, Config{Dir: dir, Rules: changed})
	s.View(func(m *core.Machine) {
		if string(m.RulesText()) != changed {
			t.Error("the old rules stay")
		}
	})
}

// TestClose: it ends everything, quickly, whatever the peers do.
func TestClose(t *testing.T) {
	before := runtime.NumGoroutine()
	s := opened(t, Config{Dir: t.TempDir(), Flow: Flow{Rate: 500, Seed: 1}, Clock: always})
	for range 3 {
		dial(t, s.OrdersAddress()) // says nothing
		dial(t, s.MarketAddress())
		subscribe(t, s, szse.WantAll, 0, 1) // reads nothing
	}
	on, off := online(t, s, testUnits[0]), online(t, s, testUnits[1])
	await[*szse.TradingSessionStatus](on)
	_ = off.conn.Close()
	began := time.Now()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("closing took %v", took)
	}
	if m := await[*szse.Logout](on); m.SessionStatus != szse.LogoutShuttingDown {
		t.Errorf("the broker is told %+v", m)
	}
	for range 100 { // goroutines of the runtime and of the connections end a moment later
		if runtime.NumGoroutine() <= before {
			return
		}
		runtime.Gosched()
		time.Sleep(5 * time.Millisecond)
	}
	stacks := make([]byte, 1<<16)
	t.Errorf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
}

// running is an exchange in a process of its own.
type running struct {
	command        *exec.Cmd
	orders, market string
}

func run(t *testing.T, dir string) *running {
	t.Helper()
	r := &running{command: exec.Command(os.Args[0])}
	r.command.Env = append(os.Environ(), childVariable+"="+dir)
	r.command.Stderr = os.Stderr
	out, err := r.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.kill)
	line, _ := bufio.NewReader(out).ReadString('\n')
	if _, err := fmt.Sscan(line, &r.orders, &r.market); err != nil || r.orders == "error" {
		t.Fatalf("the exchange says %q", line)
	}
	return r
}

func (r *running) kill() {
	_ = r.command.Process.Kill()
	_ = r.command.Wait()
}

// TestKilled: kill -9 in the middle of everything. What a broker was told is told again, byte for byte, and the stream
// of market data goes on without a gap.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	told := map[int32][][]byte{}
	stream := map[uint64]string{}
	var last uint64
	var streamDay trade.Day
	rounds := 5
	if testing.Short() {
		rounds = 2
	}
	for round := range rounds {
		r := run(t, dir)
		conn := dial(t, r.orders)
		b := &broker{t: t, conn: conn, in: szse.NewReader(conn), unit: testUnits[0]}
		b.day, _ = rules.Split(trade.Time(time.Now().UnixNano()))
		b.send(logonOf(testUnits[0]))
		b.synchronise(1, 1, 1, 1)
		market := &reader{t: t, conn: dial(t, r.market)}
		market.in = szse.NewReader(market.conn)
		ask := szse.Subscribe{Want: szse.WantStream, Day: streamDay, From: last + 1, HeartBtInt: 30}
		if _, err := market.conn.Write(ask.Append(nil)); err != nil {
			t.Fatal(err)
		}
		sent := make(chan struct{})
		go func() { // until the kill
			defer close(sent)
			for i := 0; ; i++ {
				m := b.order("600000", fmt.Sprint(round, "-", i), trade.Buy+trade.Side(i%2), 100, 10_0000)
				if _, err := conn.Write(m.Append(nil)); err != nil {
					return
				}
			}
		}()
		heard := map[int32][][]byte{}
		for reports := 0; reports < 400*(round+1); {
			if m, ok := b.next().(szse.Report); ok {
				h := m.Head()
				if int(h.ReportIndex) != len(heard[h.PartitionNo])+1 {
					t.Fatalf("a gap before report %d of partition %d", h.ReportIndex, h.PartitionNo)
				}
				heard[h.PartitionNo] = append(heard[h.PartitionNo], m.Append(nil))
				reports++
			}
		}
		for p := range told {
			if n := len(told[p]); len(heard[p]) < n || !bytes.Equal(bytes.Join(heard[p][:n], nil), bytes.Join(told[p], nil)) {
				t.Fatalf("round %d: partition %d: the %d reports of before are not those of now", round, p, n)
			}
		}
		told = heard
		r.kill()
		<-sent
		for {
			m, err := market.read()
			if err != nil {
				break
			}
			var sequence uint64
			switch m := m.(type) {
			case *szse.TradeTick:
				sequence, streamDay = m.Sequence, m.Day
			case *szse.SessionState:
				sequence, streamDay = m.Sequence, m.Day
			default:
				continue
			}
			if sequence != last+1 {
				t.Fatalf("round %d: number %d of the stream after %d", round, sequence, last)
			}
			last = sequence
			stream[sequence] = fmt.Sprintf("%s %+v", m.Type(), m)
		}
	}
	r := run(t, dir)
	whole := &reader{t: t, conn: dial(t, r.market)}
	whole.in = szse.NewReader(whole.conn)
	ask := szse.Subscribe{Want: szse.WantStream, From: 1, HeartBtInt: 30}
	if _, err := whole.conn.Write(ask.Append(nil)); err != nil {
		t.Fatal(err)
	}
	all, _ := whole.replay()
	if len(all) < 100 {
		t.Errorf("a market of %d messages, of which %d were heard", len(all), len(stream))
	}
	for sequence, text := range stream {
		if uint64(len(all)) < sequence || all[sequence-1] != text {
			t.Fatalf("number %d of the stream was %s", sequence, text)
		}
	}
}

// TestFullDisk: a full disk stops the exchange with an error that says so, and loses nothing that was told.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=200m"); err != nil {
		t.Skipf("needs a small file system of its own, which only root may mount: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	s := opened(t, Config{Dir: dir})
	phase(t, s, trade.Continuous)
	b := online(t, s, testUnits[0])
	b.send(b.order("600000", "1", trade.Buy, 100, 10_0000))
	b.answered("1")
	filler, err := os.Create(filepath.Join(dir, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	for chunk := make([]byte, 1<<16); err == nil; {
		_, err = filler.Write(chunk)
	}
	_ = filler.Close()
	text := []byte(rules.Embedded() + strings.Repeat("# to fill the journal\n", 8000))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for err = nil; err == nil; {
		_, err = s.propose(ctx, &core.AdoptRules{Text: text})
	}
	select {
	case err = <-s.Failed():
		if !strings.Contains(err.Error(), "no space left") {
			t.Errorf("the error is %v", err)
		}
	case <-ctx.Done():
		t.Fatal("the exchange does not say that its journal failed")
	}
	b.send(b.order("600000", "2", trade.Buy, 100, 10_0000))
	for refused := false; !refused; {
		m, err := b.read()
		if err != nil {
			break
		}
		if r, ok := m.(*szse.BusinessReject); ok {
			refused = r.BusinessRejectReason == szse.RejectNotOpen
		}
	}
	told := everything(t, s, testUnits[0])
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filler.Name()); err != nil {
		t.Fatal(err)
	}
	s = open(t, Config{Dir: dir})
	sameReports(t, everything(t, s, testUnits[0]), told)
	b = online(t, s, testUnits[0])
	b.send(b.order("600000", "2", trade.Buy, 100, 10_0000))
	b.answered("2")
}
