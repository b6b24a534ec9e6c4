package broker

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"evenkeel/core/digest"
	"evenkeel/core/money"
	"evenkeel/core/trade"
)

// flips change one row each as a fault of memory would: no invariant that adds numbers up can see it.
var flips = map[string]func(s *State, i seat){
	"time of an order":        func(s *State, i seat) { s.at(i).updated ^= 1 << 40 },
	"price asked":             func(s *State, i seat) { s.at(i).price ^= 1 << 3 },
	"number of the exchange":  func(s *State, i seat) { s.at(i).venueOrder[7] ^= 1 },
	"channel":                 func(s *State, i seat) { s.at(i).channel ^= 2 },
	"client order id":         func(s *State, i seat) { flipText(&s.clientIDs, s.at(i).clientID) },
	"password":                func(s *State, i seat) { flipText(&s.texts, s.accounts.At(0).password) },
	"name of a security":      func(s *State, i seat) { flipText(&s.texts, s.securities[0].name) },
	"limit of the day":        func(s *State, i seat) { s.lines[0].upper ^= 1 << 9 },
	"end of a halt":           func(s *State, i seat) { s.lines[0].halted = !s.lines[0].halted },
	"rules":                   func(s *State, i seat) { s.rulesText[len(s.rulesText)/2] ^= 1 },
	"expiry of a session":     func(s *State, i seat) { s.sessions.at(1).value.expires ^= 1 << 50 },
	"permissions of a key":    func(s *State, i seat) { s.keys.at(1).value.permissions ^= 1 },
	"secret of a key":         func(s *State, i seat) { s.keys.at(1).value.secret[31] ^= 128 },
	"body of a document":      func(s *State, i seat) { flipText(&s.texts, s.documents.at(1).value.body) },
	"reference of a movement": func(s *State, i seat) { flipText(&s.clientIDs, lastMovement(s).reference) },
}

func lastMovement(s *State) *movement { return s.movements.At(uint32(s.movements.Len() - 1)) }

func flipText(a *archive, t text) { a.read(t)[0] ^= 1 << 5 }

// papered is a world in the middle of a day in which the first account has one of everything.
func papered(t *testing.T) (*world, seat) {
	t.Helper()
	w := newWorld(t, 77)
	id := trade.AccountID(3<<trade.ShardShift | 1)
	hash := hashOf("x")
	apply := func(c *trade.Command) {
		t.Helper()
		if a := w.apply(c); a.Reason != trade.Accepted {
			t.Fatalf("command of kind %d: refused for %d", c.Kind, a.Reason)
		}
	}
	for range 300 {
		w.step()
	}
	apply(&trade.Command{Kind: trade.SetPasswordKind, SetPassword: trade.SetPassword{Account: id,
		PasswordHash: []byte("$argon2id$")}})
	apply(&trade.Command{Kind: trade.AddKeyKind, AddKey: trade.AddKey{Account: id, KeyID: []byte("AK1"),
		SecretHash: hash, Permissions: trade.MayEverything}})
	apply(&trade.Command{Kind: trade.OpenSessionKind, OpenSession: trade.OpenSession{Account: id, TokenHash: hash,
		Expires: 1 << 60}})
	apply(&trade.Command{Kind: trade.PutDocumentKind, PutDocument: trade.PutDocument{Account: id, Name: []byte("list"),
		Body: []byte("body")}})
	apply(&trade.Command{Kind: trade.MoveCashKind, MoveCash: trade.MoveCash{Account: id, Amount: 1_0000_0000,
		Reference: []byte("gift")}})
	for i := seat(1); int(i) <= w.state.orders.Len(); i++ {
		if o := w.state.at(i); o.target == 0 && o.status.Done() {
			return w, i
		}
	}
	t.Fatal("no order of the world is done")
	return nil, 0
}

// TestFlips: Check and Verify go red on a change behind the books' back, and green when it is undone.
func TestFlips(t *testing.T) {
	w, i := papered(t)
	for name, flip := range flips {
		flip(w.state, i)
		if err := w.state.Verify(); !errors.Is(err, digest.ErrAltered) {
			t.Errorf("%s: Verify says %v", name, err)
		}
		if err := w.state.Check(); err == nil {
			t.Errorf("%s: Check sees nothing", name)
		}
		flip(w.state, i)
		if err := w.state.Check(); err != nil {
			t.Fatalf("%s, undone: %v", name, err)
		}
	}
}

// TestFlipIsSeen: whatever Flip changes, the next round of Patrol finds.
func TestFlipIsSeen(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	if row := New(1).Flip(random.IntN); row != "" {
		t.Errorf("an empty state has %s", row)
	}
	for range 200 {
		s := crowded(t, 5)
		row := s.Flip(random.IntN)
		if err := s.Patrol(0); !errors.Is(err, digest.ErrAltered) {
			t.Errorf("%s: Patrol says %v", row, err)
		}
	}
}

// crowded is a state with so many orders, one account after the other.
func crowded(t *testing.T, orders int) *State {
	t.Helper()
	s := benchState(t, 60, 3)
	var out trade.Output
	for k := range orders {
		out.Reset()
		c := trade.Command{Kind: trade.PlaceOrderKind, PlaceOrder: trade.PlaceOrder{
			Account: trade.AccountID(1<<trade.ShardShift | (k%60 + 1)), Security: 1, Side: trade.Buy, Type: trade.Limit,
			Price: 9_9900, Quantity: 100, ClientID: fmt.Append(nil, k),
		}}
		if a := s.Apply(2, &c, &out); a.Reason != trade.Accepted {
			t.Fatalf("order %d is refused for %d", k, a.Reason)
		}
	}
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestQueueOrder: two requests that change places in a queue are seen, though each is still in it once.
func TestQueueOrder(t *testing.T) {
	s := crowded(t, 3)
	c := &s.chains[outbox]
	if c.first != 1 || c.last != 3 {
		t.Fatalf("the outbox is %+v", c)
	}
	s.at(1).next, s.at(1).prev, s.at(2).next, s.at(2).prev, s.at(3).prev, c.first = 3, 2, 1, 0, 1, 2
	if err := s.checkQueues(); err != nil {
		t.Fatalf("the plain check already sees it: %v", err)
	}
	if err := s.Verify(); !errors.Is(err, digest.ErrAltered) {
		t.Errorf("requests 1 and 2 changed places: Verify says %v", err)
	}
}

// TestFlipShowsLater: the hash that is kept does not show a flip that nobody walked over, and shows it as soon as a
// command touches the row.
func TestFlipShowsLater(t *testing.T) {
	a, b := crowded(t, 5), crowded(t, 5)
	b.at(2).price ^= 1 << 4
	if a.Hash() != b.Hash() {
		t.Fatal("twins differ before the row is touched: Hash is said not to walk")
	}
	id := trade.AccountID(1<<trade.ShardShift | 2)
	c := trade.Command{Kind: trade.CancelOrderKind, CancelOrder: trade.CancelOrder{Account: id, Order: a.id(2)}}
	var out trade.Output
	a.Apply(9, &c, &out)
	b.Apply(9, &c, &out)
	if a.Sum() == b.Sum() || a.Hash() == b.Hash() {
		t.Error("the flip went unseen when its row was touched")
	}
}

// TestEndOfDaySettles: an order that was filled while its cancel was at the exchange forgets the cancel at the day's
// end.
func TestEndOfDaySettles(t *testing.T) {
	s := crowded(t, 1)
	var out trade.Output
	report := func(index uint64, kind trade.ReportType, quantity money.Quantity) trade.Command {
		return trade.Command{Kind: trade.ReportKind, Report: trade.Report{Type: kind, Partition: 1, Index: index,
			Request: s.id(1), Price: 9_9900, Quantity: quantity}}
	}
	for _, c := range []trade.Command{
		report(1, trade.OrderAcceptedReport, 0),
		{Kind: trade.CancelOrderKind, CancelOrder: trade.CancelOrder{Account: 1<<trade.ShardShift | 1, Order: s.id(1)}},
		report(2, trade.TradeReport, 100),
		{Kind: trade.EndDayKind, EndDay: trade.EndDay{Day: s.day}},
	} {
		if a := s.Apply(3, &c, &out); a.Reason != trade.Accepted {
			t.Fatalf("command of kind %d is refused for %d", c.Kind, a.Reason)
		}
		if err := s.Check(); err != nil {
			t.Fatalf("after a command of kind %d: %v", c.Kind, err)
		}
	}
}

// TestPatrol: in as many turns as there are sheets every order is walked over.
func TestPatrol(t *testing.T) {
	s := crowded(t, digest.SheetRows+10)
	for turn := range uint64(4) {
		if err := s.Patrol(turn); err != nil {
			t.Fatal(err)
		}
	}
	s.at(digest.SheetRows + 3).whole ^= 1
	found := 0
	for turn := range uint64(4) {
		if err := s.Patrol(turn); errors.Is(err, digest.ErrAltered) {
			found++
		}
	}
	if found != 2 {
		t.Errorf("found in %d of 4 turns over 2 sheets", found)
	}
}

// BenchmarkHash measures what a comparison of replicas asks for every second, and Verify what a snapshot does.
func BenchmarkHash(b *testing.B) {
	s := benchState(b, benchAccounts, benchSecurities)
	b.Run("kept", func(b *testing.B) {
		for b.Loop() {
			s.Hash()
		}
	})
	b.Run("walked", func(b *testing.B) {
		for b.Loop() {
			if err := s.Verify(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("patrol", func(b *testing.B) {
		for turn := uint64(0); b.Loop(); turn++ {
			if err := s.Patrol(turn); err != nil {
				b.Fatal(err)
			}
		}
	})
}
