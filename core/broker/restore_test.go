package broker

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/zeebo/xxh3"

	"evenkeel/core/ledger"
	"evenkeel/core/risk"
	"evenkeel/core/trade"
)

// snapshotOf takes a snapshot of a world in the middle of a day.
func snapshotOf(t testing.TB, seed uint64, steps int) []byte {
	w := newWorld(t, seed)
	for range steps {
		w.step()
	}
	var b bytes.Buffer
	if err := w.state.Snapshot(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// reseal corrects the checksums of a snapshot, as far as its frames can be told apart.
func reseal(b []byte) []byte {
	b = slices.Clone(b)
	seal := uint64(0)
	for at := len(magic) + 2; at+headBytes <= len(b); {
		n := int(binary.LittleEndian.Uint32(b[at+5:]))
		from := at + headBytes
		if n > len(b)-from {
			break
		}
		seal = xxh3.HashSeed(b[from:from+n], seal)
		binary.LittleEndian.PutUint64(b[at+9:], seal)
		at = from + n
	}
	return b
}

func TestRestoreRefuses(t *testing.T) {
	good := snapshotOf(t, 5, 400)
	s := New(3)
	if err := s.Restore(bytes.NewReader(good)); err != nil {
		t.Fatal(err)
	}
	digest := s.Hash()
	for n := 0; n < len(good); n += 1 + n/50 {
		if err := s.Restore(bytes.NewReader(good[:n])); err == nil {
			t.Fatalf("the first %d of %d bytes were enough", n, len(good))
		}
	}
	for at := 0; at < len(good); at += 1 + at/200 {
		bad := slices.Clone(good)
		bad[at] ^= 0x40
		if err := s.Restore(bytes.NewReader(bad)); err == nil {
			t.Fatalf("a changed byte %d went unseen", at)
		}
	}
	future := slices.Clone(good)
	future[len(magic)]++
	if err := s.Restore(bytes.NewReader(future)); !errors.Is(err, ErrVersion) {
		t.Errorf("a version of the future: %v", err)
	}
	if err := s.Restore(bytes.NewReader([]byte("SQLite format 3\x00"))); !errors.Is(err, ErrNotSnapshot) {
		t.Errorf("another file: %v", err)
	}
	if err := New(4).Restore(bytes.NewReader(good)); !errors.Is(err, ErrDamaged) {
		t.Errorf("another shard: %v", err)
	}
	if s.Hash() != digest || s.Check() != nil {
		t.Error("a refused snapshot changed the state")
	}
}

// failing is a device that is full after so many bytes.
type failing struct{ left int }

var errFull = errors.New("no space left on device")

func (f *failing) Write(b []byte) (int, error) {
	if len(b) > f.left {
		return f.left, errFull
	}
	f.left -= len(b)
	return len(b), nil
}

func TestSnapshotOnFullDisk(t *testing.T) {
	w := newWorld(t, 5)
	for n := range 20 {
		if err := w.state.Snapshot(&failing{n * 500}); !errors.Is(err, errFull) {
			t.Fatalf("a disk of %d bytes: %v", n*500, err)
		}
	}
}

// FuzzRestore reads snapshots that the fuzzer made: its input is a whole snapshot, or (first byte 1 to 3) changes to a
// real one, five bytes each: where, and what to flip. Checksums are corrected, so that it gets past them. What is
// accepted balances, is written again as the same bytes, and carries on without a panic.
func FuzzRestore(f *testing.F) {
	var real [4][]byte
	for seed := range uint64(3) {
		real[seed+1] = snapshotOf(f, 100+seed, 30+int(seed)*50)
		f.Add([]byte{byte(seed + 1)})
		f.Add([]byte{byte(seed + 1), 200, 200, 0, 0, 1, 40, 210, 0, 0, 7})
	}
	empty := bytes.Buffer{}
	if err := New(3).Snapshot(&empty); err != nil {
		f.Fatal(err)
	}
	f.Add(empty.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 0 && b[0] >= 1 && b[0] <= 3 {
			b = flipped(real[b[0]], b[1:])
		}
		b = reseal(b)
		s, r := New(3), bytes.NewReader(b)
		if s.Restore(r) != nil {
			return
		}
		read, _ := r.Seek(0, io.SeekCurrent)
		var again bytes.Buffer
		if err := s.Snapshot(&again); err != nil {
			t.Fatal(err)
		}
		// Frames may be cut otherwise: compare what a second turn says.
		twin := New(3)
		if err := twin.Restore(bytes.NewReader(again.Bytes())); err != nil {
			t.Fatalf("what was written of %d bytes cannot be read: %v", read, err)
		}
		var third bytes.Buffer
		if err := twin.Snapshot(&third); err != nil || !bytes.Equal(third.Bytes(), again.Bytes()) {
			t.Fatalf("the snapshot of a snapshot is another: %v", err)
		}
		carryOn(t, s)
	})
}

// flipped changes a snapshot; most changes go behind the rules, whose text is half of it.
func flipped(of, changes []byte) []byte {
	b := slices.Clone(of)
	rules := len(standardRules())
	for ; len(changes) >= 5; changes = changes[5:] {
		at := int(binary.LittleEndian.Uint32(changes))
		if at%8 > 0 {
			at = rules + at%(len(b)-rules)
		}
		b[at%len(b)] ^= changes[4]
	}
	return b
}

// carryOn pushes every order of a state along.
func carryOn(t *testing.T, s *State) {
	var out trade.Output
	s.Describe(func(e *trade.Event) {
		if _, err := trade.AppendEvent(nil, e); err != nil {
			t.Fatal(err)
		}
	})
	for i := seat(1); int(i) <= min(s.orders.Len(), 200); i++ {
		o := s.at(i)
		if o.target != 0 {
			continue
		}
		c := trade.Command{Kind: trade.ReportKind}
		c.Report = trade.Report{Type: trade.TradeReport, Partition: 900, Index: uint64(i), Request: s.id(i),
			Price: o.Claim.Price, Quantity: 1}
		s.Apply(0, &c, &out)
		c.Kind, c.CancelOrder = trade.CancelOrderKind, trade.CancelOrder{Account: s.accountID(o.account),
			Order: s.id(i)}
		s.Apply(0, &c, &out)
		out.Reset()
	}
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	s.Apply(0, &trade.Command{Kind: trade.StartDayKind, StartDay: trade.StartDay{Day: 21991231}}, &out)
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
}

// TestDescribe folds what Describe tells after a restore and compares it with what the events of the run said.
func TestDescribe(t *testing.T) {
	w := newWorld(t, 77)
	for range 3000 {
		w.step()
	}
	twin := followed(t, w)
	orders, numbers := map[trade.OrderID]trade.Order{}, map[trade.AccountID]uint64{}
	kinds := map[trade.EventKind]int{}
	twin.Describe(func(e *trade.Event) {
		kinds[e.Kind]++
		if e.Kind != trade.AccountOpened && e.Number != 0 {
			t.Fatalf("event of kind %d is numbered %d", e.Kind, e.Number)
		}
		switch e.Kind {
		case trade.AccountOpened:
			numbers[e.Account] = e.Number
			if e.Balance != w.balances[e.Account] {
				t.Fatalf("account %d has %+v, said %+v", e.Account, w.balances[e.Account], e.Balance)
			}
		case trade.PositionDay:
			key := [2]uint64{uint64(e.Account), uint64(e.Position.Security)}
			if w.held[key] != e.Position {
				t.Fatalf("account %d has %+v, said %+v", e.Account, w.held[key], e.Position)
			}
		case trade.OrderPlaced:
			o := e.Order
			o.ClientID = nil
			orders[o.ID] = o
		case trade.ReportTaken:
			if w.index[e.Report.Partition] != e.Report.Index {
				t.Fatalf("partition %d is at %d, said %d", e.Report.Partition, w.index[e.Report.Partition],
					e.Report.Index)
			}
		}
	})
	if len(orders) != len(w.orders) || len(numbers) != w.accounts {
		t.Fatalf("told %d orders of %d, %d accounts of %d", len(orders), len(w.orders), len(numbers), w.accounts)
	}
	for id, n := range w.numbers {
		if numbers[id] != n {
			t.Fatalf("account %d is at event %d, said %d", id, n, numbers[id])
		}
	}
	for id, o := range orders {
		if was := w.orders[id]; was.Status != o.Status || was.Filled != o.Filled || was.Fees != o.Fees ||
			was.FrozenCash != o.FrozenCash {
			t.Fatalf("order %d is %+v, said %+v", id, was, o)
		}
	}
	for _, kind := range []trade.EventKind{trade.DayStarted, trade.RulesAdopted, trade.SecurityListed,
		trade.PhaseChanged,
		trade.SettingsChanged, trade.KeyAdded, trade.SessionOpened, trade.DocumentPut} {
		if kinds[kind] == 0 {
			t.Errorf("nothing of kind %d was told", kind)
		}
	}
}

// TestDrain turns a day with many positions: the output never holds much, and loses nothing.
func TestDrain(t *testing.T) {
	s := benchState(t, 4000, 50)
	var out trade.Output
	events, largest := 0, 0
	out.Drain = func(o *trade.Output) {
		events += len(o.Events)
		largest = max(largest, len(o.Events))
	}
	s.Apply(2, &trade.Command{Kind: trade.StartDayKind, StartDay: trade.StartDay{Day: 20260708}}, &out)
	events += len(out.Events)
	largest = max(largest, len(out.Events))
	positions := 0
	for n := range ledger.Number(s.accounts.Len()) {
		positions += s.books.Positions(n)
	}
	if events != 1+4000+positions || largest > trade.DrainAt+100 {
		t.Errorf("%d events, at most %d at once", events, largest)
	}
}

// TestLimits reaches the limits that scripts do not.
func TestLimits(t *testing.T) {
	s := New(1)
	var out trade.Output
	apply := func(c *trade.Command) trade.Answer {
		out.Reset()
		return s.Apply(10, c, &out)
	}
	expect := func(what string, a trade.Answer, reason trade.Reason) {
		t.Helper()
		if a.Reason != reason {
			t.Errorf("%s: reason %d, want %d", what, a.Reason, reason)
		}
		if err := s.Check(); err != nil {
			t.Fatal(err)
		}
	}
	apply(&trade.Command{Kind: trade.AdoptRulesKind, AdoptRules: trade.AdoptRules{Text: standardRules()}})
	listAll(s, 1, 20260707, func(c *trade.Command) { apply(c) })
	open := trade.Command{Kind: trade.OpenAccountKind}
	open.OpenAccount = trade.OpenAccount{Login: []byte("a"), Permissions: trade.MayEverything}
	account := apply(&open).Account
	for i := range 60 {
		key := trade.Command{Kind: trade.AddKeyKind, AddKey: trade.AddKey{Account: account, KeyID: []byte{'k',
			byte(i)}}}
		session := trade.Command{Kind: trade.OpenSessionKind, OpenSession: trade.OpenSession{Account: account,
			TokenHash: [32]byte{byte(i), 1}, Expires: 20}}
		document := trade.Command{Kind: trade.PutDocumentKind, PutDocument: trade.PutDocument{Account: account,
			Name: []byte{'d', byte(i)}, Body: []byte("x")}}
		for _, c := range []struct {
			what  string
			at    int
			c     *trade.Command
			wants trade.Reason
		}{{"key", MaxKeys, &key, trade.TooManyKeys}, {"session", MaxSessions, &session,
			trade.TooManySessions}, {"document", MaxDocuments, &document, trade.TooManyDocuments}} {
			want := trade.Accepted
			if i >= c.at {
				want = c.wants
			}
			expect(c.what, apply(c.c), want)
		}
	}
	// Expired sessions make room, the oldest first.
	out.Reset()
	late := trade.Command{Kind: trade.OpenSessionKind, OpenSession: trade.OpenSession{Account: account,
		TokenHash: [32]byte{99}, Expires: 90}}
	if a := s.Apply(30, &late, &out); a.Reason != trade.Accepted || len(out.Events) != 2 ||
		out.Events[0].Kind != trade.SessionClosed {
		t.Errorf("no room beside expired sessions: %+v", a)
	}
	cash := trade.Command{Kind: trade.MoveCashKind, MoveCash: trade.MoveCash{Account: account, Amount: 1e14,
		Reference: []byte("r")}}
	expect("deposit", apply(&cash), trade.Accepted)
	place := trade.Command{Kind: trade.PlaceOrderKind}
	place.PlaceOrder = trade.PlaceOrder{Account: account, Security: 1, Side: trade.Buy, Type: trade.Limit,
		Price: 10_0000, Quantity: 100}
	for i := range risk.MaxOpenOrders + 1 {
		place.PlaceOrder.ClientID = []byte{1, byte(i), byte(i >> 8)}
		a := apply(&place)
		if want := i >= risk.MaxOpenOrders; (a.Reason == trade.TooManyOpenOrders) != want {
			t.Fatalf("open order %d: reason %d", i+1, a.Reason)
		}
	}
	place.PlaceOrder.ClientID = bytes.Repeat([]byte("x"), trade.MaxClientID+1)
	expect("a long client id", apply(&place), trade.ClientIDTooLong)
	expect("no kind", apply(&trade.Command{}), trade.CommandUnreadable)
	big := trade.Command{Kind: trade.PutDocumentKind, PutDocument: trade.PutDocument{Account: account,
		Name: []byte("d"), Body: make([]byte, trade.MaxDocument+1)}}
	expect("a large document", apply(&big), trade.DocumentTooLarge)
	expect("large rules", apply(&trade.Command{Kind: trade.AdoptRulesKind,
		AdoptRules: trade.AdoptRules{Text: make([]byte, trade.MaxRules+1)}}), trade.RulesInvalid)
	for i := range uint32(MaxPartitions + 1) {
		c := trade.Command{Kind: trade.ReportKind, Report: trade.Report{Type: trade.OrderAcceptedReport, Partition: i,
			Index: 1}}
		if a := apply(&c); (a.Reason == trade.TooManyPartitions) != (i >= MaxPartitions) {
			t.Fatalf("partition %d: reason %d", i, a.Reason)
		}
	}
}

// TestArchive gives up passwords until the archive is copied, and finds everything again.
func TestArchive(t *testing.T) {
	s := New(1)
	var out trade.Output
	for i := range 100 {
		c := trade.Command{Kind: trade.OpenAccountKind, OpenAccount: trade.OpenAccount{Login: []byte{'a',
			byte('a' + i/26), byte('a' + i%26)}}}
		s.Apply(1, &c, &out)
	}
	for i := range 60_000 {
		c := trade.Command{Kind: trade.SetPasswordKind, SetPassword: trade.SetPassword{
			Account: s.accountID(ledger.Number(i % 100)), PasswordHash: bytes.Repeat([]byte{byte(i)}, trade.MaxHash),
		}}
		out.Reset()
		s.Apply(1, &c, &out)
	}
	if n := len(s.texts.pages); n > 10 {
		t.Errorf("%d pages for 100 passwords", n)
	}
	for i := range 100 {
		a := s.accounts.At(uint32(i))
		if !s.loginTaken([]byte{'a', byte('a' + i/26), byte('a' + i%26)}) ||
			s.texts.read(a.password)[255] != byte(59_900+i) {
			t.Fatalf("account %d lost its texts", i)
		}
	}
}

// TestIndex compares the index with Go's map under random insertions and removals, collisions included.
func TestIndex(t *testing.T) {
	w := newWorld(t, 9)
	var x index
	in := map[[2]uint64]bool{}
	for range 200_000 {
		hash, number := w.r.Uint64N(400)<<58|w.r.Uint64N(9), uint32(1+w.r.IntN(50))
		key := [2]uint64{hash, uint64(number)}
		switch {
		case in[key]:
			x.remove(hash, number)
			delete(in, key)
		case len(in) < 300:
			x.put(hash, number)
			in[key] = true
		default:
			x.remove(hash, number) // which is not there
		}
		if x.used != len(in) {
			t.Fatalf("%d of %d", x.used, len(in))
		}
		probe := [2]uint64{w.r.Uint64N(400)<<58 | w.r.Uint64N(9), 0}
		found := 0
		for n, at, ok := x.probe(probe[0], probe[0]); ok; n, at, ok = x.probe(probe[0], at) {
			if !in[[2]uint64{probe[0], uint64(n)}] {
				t.Fatalf("%d is not there", n)
			}
			found++
		}
		want := 0
		for n := range uint64(51) {
			if in[[2]uint64{probe[0], n}] {
				want++
			}
		}
		if found != want {
			t.Fatalf("found %d of %d", found, want)
		}
	}
}

// TestAllocations: in steady state placing, accepting, trading, cancelling and replacing allocate nothing.
func TestAllocations(t *testing.T) {
	s := benchState(t, 100, 10)
	var out trade.Output
	index, number := uint64(0), uint64(0)
	id := func() trade.OrderID { number++; return trade.OrderID(1<<trade.ShardShift | number) }
	var c trade.Command
	client := []byte("00000000")
	apply := func() {
		out.Reset()
		if a := s.Apply(5, &c, &out); a.Reason != trade.Accepted {
			t.Fatalf("command of kind %d: refused for %d %+v", c.Kind, a.Reason, a.Numbers)
		}
	}
	report := func(kind trade.ReportType, request trade.OrderID, price, quantity int64) {
		index++
		c.Kind = trade.ReportKind
		c.Report = trade.Report{Type: kind, Partition: 1, Index: index, Request: request}
		c.Report.Price, c.Report.Quantity = 9_9900*min(1, 1), 0
		if quantity > 0 {
			c.Report.Quantity = 100
		}
		apply()
	}
	named := func() {
		for i := range client {
			client[i]++
			if client[i] != 0 {
				break
			}
		}
	}
	cycle := func() {
		for i := range 2 {
			named()
			c.Kind = trade.PlaceOrderKind
			c.PlaceOrder = trade.PlaceOrder{
				Account: 1<<trade.ShardShift | 1, Security: trade.SecurityID(1 + i), Side: trade.Buy, Type: trade.Limit,
				Price: 9_9900, Quantity: 200, ClientID: client,
			}
			apply()
			placed := id()
			report(trade.OrderAcceptedReport, placed, 0, 0)
			report(trade.TradeReport, placed, 1, 1)
			c.Kind, c.CancelOrder = trade.CancelOrderKind, trade.CancelOrder{Account: 1<<trade.ShardShift | 1,
				Order: placed}
			if i == 1 {
				named()
				c.Kind = trade.ReplaceOrderKind
				c.ReplaceOrder = trade.ReplaceOrder{Account: 1<<trade.ShardShift | 1, Order: placed, Price: 9_9800,
					ClientID: client}
			}
			apply()
			cancel := id()
			report(trade.OrderCancelledReport, cancel, 0, 1)
			if i == 1 {
				report(trade.OrderRejectedReport, id(), 0, 0)
			}
		}
	}
	// The tables of the day double now and then, and pages are added; between that there is nothing.
	for range 3000 {
		cycle()
	}
	if n := testing.AllocsPerRun(1000, cycle); n != 0 {
		t.Errorf("%v allocations in a cycle of 13 commands", n)
	}
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
}

// TestRestoreSurvives flips bytes of a real snapshot behind the rules, corrects the checksums, and carries on with
// whatever is accepted.
func TestRestoreSurvives(t *testing.T) {
	w := newWorld(t, 41)
	real := snapshotOf(t, 42, 300)
	rounds := 800
	if testing.Short() {
		rounds = 300
	}
	accepted := 0
	for range rounds {
		changes := make([]byte, 5*(1+w.r.IntN(2)))
		for i := range changes {
			changes[i] = byte(w.r.Uint32())
		}
		b := reseal(flipped(real, changes))
		s := New(3)
		if s.Restore(bytes.NewReader(b)) == nil {
			accepted++
			carryOn(t, s)
		}
	}
	if accepted == 0 {
		t.Error("nothing was accepted: the test reaches nothing")
	}
}
