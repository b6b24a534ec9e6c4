package intake

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"evenkeel/auth"
	"evenkeel/core/trade"
	"evenkeel/records"
	"evenkeel/replica"
)

// log is a log that keeps what it was given and answers when it is told to.
type log struct {
	mu      sync.Mutex
	full    int // Submit fails with ErrFull so often
	fail    error
	hold    bool
	pending []func(trade.Answer, error)
	taken   []trade.Command
}

func (l *log) Submit(command []byte, done func(trade.Answer, error)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.full > 0 {
		l.full--
		return replica.ErrFull
	}
	if l.fail != nil {
		return l.fail
	}
	var c trade.Command
	if err := trade.DecodeCommand([]byte(string(command)), &c); err != nil {
		return err
	}
	l.taken = append(l.taken, c)
	if l.hold {
		l.pending = append(l.pending, done)
		return nil
	}
	go done(trade.Answer{Account: 1, Order: trade.OrderID(len(l.taken))}, nil)
	return nil
}

func (l *log) answerAll(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, done := range l.pending {
		done(trade.Answer{}, err)
	}
	l.pending = nil
}

func newDoor(l *log, limits Limits) *Door {
	return New(Parts{Log: func(id trade.AccountID) Log {
		if id>>trade.ShardShift != 0 {
			return nil
		}
		return l
	}, Limits: limits, Board: func(id trade.SecurityID) (trade.Board, bool) {
		return map[trade.SecurityID]trade.Board{1: trade.Main, 2: trade.STAR, 3: trade.ChiNext, 4: trade.BSEMain}[id], id < 5
	}})
}

func order(account trade.AccountID, security trade.SecurityID) *trade.Command {
	return &trade.Command{Kind: trade.PlaceOrderKind, PlaceOrder: trade.PlaceOrder{Account: account, Security: security,
		Side: trade.Buy, Type: trade.Limit, Price: 10, Quantity: 100, ClientID: []byte("x")}}
}

func cancel(account trade.AccountID) *trade.Command {
	return &trade.Command{Kind: trade.CancelOrderKind, CancelOrder: trade.CancelOrder{Account: account, Order: 1}}
}

var ann = auth.Principal{Account: 1, Permissions: trade.MayTrade | trade.MayRead | trade.MayMoveCash, Via: auth.ByKey}

func TestPermit(t *testing.T) {
	session := ann
	session.Via = auth.BySession
	reading := auth.Principal{Account: 1, Permissions: trade.MayRead, Via: auth.ByKey}
	staff := auth.Principal{Account: 7, Permissions: trade.MayOperate, Via: auth.BySession}
	house := auth.Principal{Via: auth.ByHouse}
	key := func(p trade.Permissions) *trade.Command {
		return &trade.Command{Kind: trade.AddKeyKind, AddKey: trade.AddKey{Account: 1, Permissions: p}}
	}
	cash := &trade.Command{Kind: trade.MoveCashKind, MoveCash: trade.MoveCash{Account: 1}}
	open := &trade.Command{Kind: trade.OpenSessionKind, OpenSession: trade.OpenSession{Account: 1}}
	for i, c := range []struct {
		who  auth.Principal
		c    *trade.Command
		want error
	}{
		{ann, order(1, 1), nil}, {ann, order(2, 1), ErrNotOwner}, {ann, order(1, 2), ErrBoardNotAllowed},
		{ann, order(1, 3), ErrBoardNotAllowed}, {ann, order(1, 4), ErrBoardNotAllowed}, {ann, order(1, 99), nil},
		{reading, order(1, 1), ErrNotPermitted}, {reading, order(1, 99), ErrNotPermitted}, {reading, cancel(1),
			ErrNotPermitted},
		{ann, cancel(1), nil}, {ann, cash, nil}, {reading, cash, ErrNotPermitted},
		{ann, key(trade.MayTrade), ErrNotPermitted}, {session, key(trade.MayTrade), nil}, {session, key(trade.MaySTAR),
			ErrNotPermitted},
		{session, open, ErrNotPermitted}, {house, open, nil}, {auth.Principal{}, order(1, 1), ErrNotOwner},
		{session, &trade.Command{Kind: trade.MoveSharesKind, MoveShares: trade.MoveShares{Account: 1}}, ErrNotPermitted},
		{session, &trade.Command{Kind: trade.StartDayKind}, ErrNotPermitted}, {staff,
			&trade.Command{Kind: trade.StartDayKind}, nil},
		{session, &trade.Command{Kind: trade.OpenAccountKind}, ErrNotPermitted}, {house,
			&trade.Command{Kind: trade.OpenAccountKind}, nil},
		{session, &trade.Command{Kind: trade.SetPasswordKind, SetPassword: trade.SetPassword{Account: 1}}, nil},
		{ann, &trade.Command{Kind: trade.SetPasswordKind, SetPassword: trade.SetPassword{Account: 1}}, ErrNotPermitted},
		{ann, &trade.Command{Kind: trade.CloseSessionKind, CloseSession: trade.CloseSession{Account: 1}}, ErrNotPermitted},
		{reading, &trade.Command{Kind: trade.PutDocumentKind, PutDocument: trade.PutDocument{Account: 1}}, nil},
		{ann, &trade.Command{Kind: trade.ReplaceOrderKind, ReplaceOrder: trade.ReplaceOrder{Account: 1}}, nil},
	} {
		l := &log{}
		_, err := newDoor(l, Limits{}).Take(t.Context(), c.who, c.c)
		if !errors.Is(err, c.want) || (err == nil) != (len(l.taken) == 1) {
			t.Errorf("case %d: %v, want %v; %d commands reached the log", i, err, c.want, len(l.taken))
		}
	}
}

// A short burst of orders waits for its budget; a long one is told when to come back. Cancels have a budget of their
// own.
func TestBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &log{}
		limits := Limits{}
		limits.Budget[Order] = Rate{PerSecond: 10, Burst: 5}
		limits.Budget[Cancel] = Rate{PerSecond: 100, Burst: 50}
		limits.Budget[Manage] = Rate{PerSecond: 1, Burst: 1}
		d := newDoor(l, limits)
		began := time.Now()
		for range 15 { // 5 at once, and 10 in the second that an order may wait
			if _, err := d.Take(t.Context(), ann, order(1, 1)); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("15 orders took %v", took)
		}
		var all sync.WaitGroup
		var mu sync.Mutex
		refused := 0
		for range 30 {
			all.Go(func() {
				var busy *BusyError
				if _, err := d.Take(t.Context(), ann, order(1, 1)); errors.As(err, &busy) {
					mu.Lock()
					refused++
					mu.Unlock()
					if busy.Short != NoBudget || busy.Class != Order || busy.After < time.Second {
						t.Errorf("%+v", busy)
					}
				} else if err != nil {
					t.Error(err)
				}
			})
		}
		if _, err := d.Take(t.Context(), ann, cancel(1)); err != nil {
			t.Errorf("a cancel behind a burst of orders: %v", err)
		}
		all.Wait()
		if refused != 20 {
			t.Errorf("%d of 30 orders were refused", refused)
		}
		settings := &trade.Command{Kind: trade.SetSettingsKind, SetSettings: trade.SetSettings{Account: 1}}
		_, first := d.Take(t.Context(), ann, settings)
		_, second := d.Take(t.Context(), ann, settings)
		var busy *BusyError
		if first != nil || !errors.As(second, &busy) {
			t.Errorf("settings do not wait: %v, %v", first, second)
		}
		a := d.Allowance(1, Order)
		if a.Limit != 600 || a.Remaining != 0 || !a.Reset.After(time.Now()) {
			t.Errorf("%+v", a)
		}
		if a := d.Allowance(2, Order); a.Remaining != 5 {
			t.Errorf("%+v", a)
		}
	})
}

// The house is full of orders: further ones wait and are refused, cancels and queries have their own room.
func TestRooms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &log{hold: true}
		limits := Limits{}
		limits.InFlight = [classes]int{Query: 1, Manage: 1, Order: 2, Cancel: 1}
		d := newDoor(l, limits)
		var all sync.WaitGroup
		var mu sync.Mutex
		got := map[string]int{}
		for range 5 {
			all.Go(func() {
				_, err := d.Take(t.Context(), ann, order(1, 1))
				var busy *BusyError
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					got["done"]++
				case errors.As(err, &busy) && busy.Short == NoRoom:
					got["refused"]++
				default:
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if d.InFlight(Order) != 2 || d.Waiting(Order) != 2 { // one of five was refused at once
			t.Errorf("%d in flight, %d waiting", d.InFlight(Order), d.Waiting(Order))
		}
		release, err := d.Query(1, Query)
		if err != nil {
			t.Errorf("a query waits behind orders: %v", err)
		}
		var busy *BusyError
		if _, err := d.Query(1, Query); !errors.As(err, &busy) || busy.Class != Query {
			t.Errorf("%v", err)
		}
		release()
		all.Go(func() {
			if _, err := d.Take(t.Context(), ann, cancel(1)); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(2 * time.Second) // of the bubble: those that wait are refused
		l.answerAll(nil)
		all.Wait()
		if got["done"] != 2 || got["refused"] != 3 || d.InFlight(Order) != 0 || d.InFlight(Cancel) != 0 {
			t.Errorf("%v, %d in flight", got, d.InFlight(Order))
		}
	})
}

// What is not certain is said to be unknown, and what is certain not to have happened is not.
func TestOutcomes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &log{hold: true}
		d := newDoor(l, Limits{})
		take := func(end func()) error {
			var err error
			var all sync.WaitGroup
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			all.Go(func() { _, err = d.Take(ctx, ann, order(1, 1)) })
			synctest.Wait()
			if end == nil {
				cancel()
			} else {
				end()
			}
			all.Wait()
			l.answerAll(nil)
			return err
		}
		if err := take(nil); !errors.Is(err, ErrUnknown) || !errors.Is(err, context.Canceled) {
			t.Errorf("the client has gone: %v", err)
		}
		if err := take(func() { time.Sleep(11 * time.Second) }); !errors.Is(err, ErrUnknown) {
			t.Errorf("no answer: %v", err)
		}
		if err := take(func() { l.answerAll(replica.ErrUnknown) }); !errors.Is(err, ErrUnknown) {
			t.Errorf("%v", err)
		}
		if err := take(func() { l.answerAll(fmt.Errorf("surprise")) }); !errors.Is(err, ErrUnknown) {
			t.Errorf("an error that promises nothing: %v", err)
		}
		if err := take(func() { l.answerAll(replica.ErrNotLeader) }); !errors.Is(err, ErrUnavailable) || errors.Is(err,
			ErrUnknown) {
			t.Errorf("%v", err)
		}
		l.hold = false
		for _, cause := range []error{replica.ErrClosed, replica.ErrFailed, replica.ErrNotLeader} {
			l.fail = cause
			if _, err := d.Take(t.Context(), ann, order(1, 1)); !errors.Is(err, ErrUnavailable) {
				t.Errorf("%v: %v", cause, err)
			}
		}
		l.fail, l.full = nil, 3
		if _, err := d.Take(t.Context(), ann, order(1, 1)); err != nil {
			t.Errorf("a log that is full for a moment: %v", err)
		}
		l.full = 1 << 30
		var busy *BusyError
		if _, err := d.Take(t.Context(), ann, order(1, 1)); !errors.As(err, &busy) {
			t.Errorf("a log that stays full: %v", err)
		}
		l.full = 0
		far := order(1<<trade.ShardShift|1, 1)
		if _, err := d.Take(t.Context(), auth.Principal{Via: auth.ByHouse}, far); !errors.Is(err, ErrUnavailable) {
			t.Errorf("a shard that is not here: %v", err)
		}
		long := order(1, 1)
		long.PlaceOrder.ClientID = []byte(strings.Repeat("x", trade.MaxClientID+1))
		if _, err := d.Take(t.Context(), ann, long); !errors.Is(err, ErrTooLong) {
			t.Errorf("%v", err)
		}
		for c := range classes {
			if d.InFlight(c) != 0 || d.Waiting(c) != 0 {
				t.Errorf("class %v: %d in flight, %d waiting", c, d.InFlight(c), d.Waiting(c))
			}
		}
	})
}

// The budgets of accounts that are quiet, and of too many, are forgotten.
func TestBudgetsAreBounded(t *testing.T) {
	b := newBudgets([classes]Rate{Order: {1, 1}}, 640)
	for i := range 10_000 {
		b.take(trade.AccountID(i), Order, time.Unix(int64(i), 0), 0)
	}
	total := 0
	for i := range b.shards {
		total += len(b.shards[i].used)
	}
	if total > 640 {
		t.Errorf("%d accounts are remembered", total)
	}
}

func TestKeys(t *testing.T) {
	now := time.Unix(0, 0)
	k := newKeys(3, time.Hour, func() time.Time { return now })
	for _, c := range []struct {
		account   trade.AccountID
		key, body string
		want      error
	}{
		{1, "a", "x", nil}, {1, "a", "x", nil}, {1, "a", "y", ErrKeyReused}, {2, "a", "y", nil},
		{1, strings.Repeat("k", 129), "x", ErrKeyTooLong}, {1, "b", "", nil}, {1, "c", "", nil}, // the first is forgotten
		{1, "a", "y", nil},
	} {
		if err := k.Claim(c.account, c.key, []byte(c.body)); !errors.Is(err, c.want) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	now = now.Add(2 * time.Hour)
	if err := k.Claim(1, "a", []byte("z")); err != nil {
		t.Errorf("after its life: %v", err)
	}
	for i := range 1000 {
		if err := k.Claim(1, fmt.Sprint(i), nil); err != nil {
			t.Fatal(err)
		}
	}
	if len(k.seen) > 3 || len(k.order) > 20 {
		t.Errorf("%d keys, %d places", len(k.seen), len(k.order))
	}
	if id := ClientID("a"); len(id) > 40 || id == ClientID("b") || id != ClientID("a") {
		t.Errorf("%q", id)
	}
}

func TestSymbols(t *testing.T) {
	l := records.NewListing()
	for i, s := range []string{"600000.SH", "000001.SZ", "000001.SH", "920001.BJ"} {
		l.Describe(&trade.Event{Kind: trade.SecurityListed, Security: trade.Security{ID: trade.SecurityID(i + 1),
			Symbol: []byte(s)}})
	}
	symbols := NewSymbols(l)
	for text, want := range map[string]string{
		"600000.SH": "600000.SH", "SH600000": "600000.SH", "sh.600000": "600000.SH", "600000.XSHG": "600000.SH",
		"600000":    "600000.SH",
		"600000.ss": "600000.SH", "000001.XSHE": "000001.SZ", "SZ000001": "000001.SZ", "920001": "920001.BJ",
		"BJ920001": "920001.BJ",
	} {
		if s, err := symbols.Find(text); err != nil || string(s.Symbol) != want {
			t.Errorf("%s: %s %v", text, s.Symbol, err)
		}
	}
	if _, err := symbols.Find("000001"); !errors.Is(err, ErrSymbolAmbiguous) || !strings.Contains(err.Error(),
		"000001.SH") {
		t.Errorf("%v", err)
	}
	for _, text := range []string{"", "600001", "600001.SH", "AAPL", "60000", "6000000", "600000.US", ".600000",
		strings.Repeat("6", 99)} {
		if s, err := symbols.Find(text); !errors.Is(err, ErrSymbolUnknown) {
			t.Errorf("%q: %s %v", text, s.Symbol, err)
		}
	}
	l.Describe(&trade.Event{Kind: trade.SecurityListed, Security: trade.Security{ID: 5, Symbol: []byte("300001.SZ")}})
	if s, err := symbols.Find("300001"); err != nil || s.ID != 5 {
		t.Errorf("a new listing: %+v %v", s, err)
	}
}

// A symbol that is read has one canonical form, which is read alike.
func FuzzSymbol(f *testing.F) {
	for _, s := range []string{"600000.SH", "sh600000", "XSHG.600000", "000001", "ſh600000", "600000.", "600000.SHSH"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		code, venue, ok := ParseSymbol(text)
		if !ok || venue == 0 {
			return
		}
		again, same, ok := ParseSymbol(Canonical(code, venue))
		if !ok || again != code || same != venue {
			t.Fatalf("%q: %s %d became %s %d", text, code, venue, again, same)
		}
	})
}

func BenchmarkTake(b *testing.B) {
	limits := Limits{}
	limits.Budget[Order] = Rate{PerSecond: 1_000_000_000, Burst: 1 << 30}
	d := New(Parts{Log: func(trade.AccountID) Log { return instant{} }, Limits: limits})
	b.ReportAllocs()
	c := order(1, 1)
	for b.Loop() {
		if _, err := d.Take(b.Context(), ann, c); err != nil {
			b.Fatal(err)
		}
	}
}

type instant struct{}

func (instant) Submit(_ []byte, done func(trade.Answer, error)) error {
	done(trade.Answer{}, nil)
	return nil
}
