package ledger

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"evenkeel/core/money"
	"evenkeel/core/rules"
	"evenkeel/core/trade"
)

func tariff(t testing.TB, board trade.Board) *rules.Tariff {
	t.Helper()
	venue := trade.SSE
	if board == trade.BSEMain {
		venue = trade.BSE
	}
	terms, ok := rules.Standard().Terms(venue, board, trade.Normal, 20260707)
	if !ok {
		t.Fatal("no terms")
	}
	return &terms.Tariff
}

// TestFees compares the quick way with that of core/rules, over the whole range of amounts.
func TestFees(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, board := range []trade.Board{trade.Main, trade.ETF, trade.BSEMain} {
		tariff := tariff(t, board)
		for i := range 200_000 {
			amount := money.Cash(r.Int64N(int64(MaxAmount)) >> r.IntN(50))
			if i < 20_000 {
				amount = money.Cash(i * 37)
			}
			rate := money.Rate(r.Int64N(int64(tariff.CommissionMost) + 1))
			for _, side := range []trade.Side{trade.Buy, trade.Sell} {
				got, ok := Fees(tariff, side, amount, rate)
				want, fits := tariff.Fees(side, amount, rate, rules.Inclusive)
				if !ok || !fits || got.Commission != want.Commission || got.StampDuty != want.Stamp ||
					got.Transfer != want.Transfer ||
					got.Total() != want.Total {
					t.Fatalf("board %d side %d amount %v rate %d: %+v, want %+v", board, side, amount, rate, got, want)
				}
			}
		}
	}
	capped, _ := Fees(tariff(t, trade.Main), trade.Buy, 10_000*money.Scale, 5_000_000)
	if capped.Commission != 30*money.Scale {
		t.Errorf("a commission of 5 %% on 10,000.00 is %v, and the law allows 30.00", capped.Commission)
	}
	if _, ok := Fees(tariff(t, trade.Main), trade.Buy, -1, 0); ok {
		t.Error("fees of a negative amount")
	}
}

// TestReleaseIsExact fills random orders in random pieces at random prices: what is frozen is the worst case of the
// rest after every fill, nothing is left over, and the books balance.
func TestReleaseIsExact(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	tariff := tariff(t, trade.Main)
	for range 3000 {
		var b Books
		b.List(1)
		n := b.Open(money.Rate(r.Int64N(300_000)))
		if reason, _ := b.MoveCash(n, 1e13); reason != trade.Accepted {
			t.Fatal(reason)
		}
		if _, reason, _ := b.MoveShares(n, 1, 10_000, 1e9); reason != trade.Accepted {
			t.Fatal(reason)
		}
		c := Claim{Price: money.Price(100 * (1 + r.Int64N(5000))), Quantity: 1 + money.Quantity(r.Int64N(5000)),
			Security: 1, Side: trade.Side(1 + r.IntN(2))}
		var cash money.Cash
		var shares money.Quantity
		if c.Side == trade.Buy {
			cash, _ = Worst(&c, tariff, b.Commission(n))
		} else {
			shares = c.Quantity
		}
		if !b.Freeze(n, &c, cash, shares) {
			t.Fatal("not enough")
		}
		check := func() {
			t.Helper()
			if err := b.Check(func(visit func(Number, *Claim)) { visit(n, &c) }); err != nil {
				t.Fatal(err)
			}
			if worst, ok := Worst(&c, tariff, b.Commission(n)); c.Side == trade.Buy && (!ok || worst != c.Cash) {
				t.Fatalf("%v frozen, %v needed", c.Cash, worst)
			}
		}
		for c.Left() > 0 && r.IntN(8) > 0 {
			price := c.Price
			if c.Side == trade.Buy {
				price = max(100, price-100*money.Price(r.IntN(30)))
			} else {
				price += 100 * money.Price(r.IntN(30))
			}
			if _, ok := b.Fill(n, &c, tariff, price, 1+money.Quantity(r.Int64N(int64(c.Left()))),
				r.IntN(2) == 0); !ok {
				t.Fatal("a fill was refused")
			}
			check()
		}
		b.Release(n, &c)
		if c.Cash != 0 || c.Shares != 0 || b.Balance(n).Frozen != 0 || b.Position(n, 1).Frozen != 0 {
			t.Fatalf("something stays frozen: %+v", c)
		}
		if c.Side == trade.Sell && c.Fees.Total() > c.Amount {
			t.Fatalf("%v of fees on %v", c.Fees.Total(), c.Amount)
		}
	}
}

func TestUntrueFillsChangeNothing(t *testing.T) {
	tariff := tariff(t, trade.Main)
	var b Books
	b.List(1)
	n := b.Open(25000)
	b.MoveCash(n, 1e9)
	c := Claim{Price: 10_0000, Quantity: 100, Security: 1, Side: trade.Buy}
	worst, _ := Worst(&c, tariff, 25000)
	if b.Freeze(n, &c, 1e9+1, 0) || !b.Freeze(n, &c, worst, 0) {
		t.Fatal("freezing more than there is, or not what there is")
	}
	was, balance := c, b.Balance(n)
	for _, f := range []struct {
		price    money.Price
		quantity money.Quantity
	}{{10_0000, 101}, {10_0000, 0}, {10_0000, -5}, {0, 5}, {-1, 5}, {10_0100, 100}, {math.MaxInt64, 100}} {
		if _, ok := b.Fill(n, &c, tariff, f.price, f.quantity, false); ok || c != was || b.Balance(n) != balance {
			t.Errorf("a fill of %d at %v was booked", f.quantity, f.price)
		}
	}
}

// TestCheckSees breaks the books in every way that Check looks for.
func TestCheckSees(t *testing.T) {
	for name, spoil := range map[string]func(*Books){
		"cash from nowhere":      func(b *Books) { b.accounts.At(0).available++ },
		"frozen without orders":  func(b *Books) { b.accounts.At(0).frozen++; b.accounts.At(0).available-- },
		"receivable of no sale":  func(b *Books) { b.accounts.At(0).receivable++ },
		"less than nothing":      func(b *Books) { b.accounts.At(0).available -= 1e10; b.house.External += 1e10 },
		"fees from nowhere":      func(b *Books) { b.house.Fees.Transfer++ },
		"shares from nowhere":    func(b *Books) { b.positions.at(b.accounts.At(0).block).sellable++ },
		"shares frozen for none": func(b *Books) { p := b.positions.at(b.accounts.At(0).block); p.sellable--; p.frozen++ },
		"less than no shares": func(b *Books) {
			b.positions.at(b.accounts.At(0).block).sellable -= 300
			b.custody[0] += 300
		},
		"custody that is gone": func(b *Books) { b.custody[1]-- },
		"order of positions":   func(b *Books) { b.positions.at(b.accounts.At(0).block).security = 2 },
	} {
		var b Books
		b.List(2)
		n := b.Open(0)
		b.MoveCash(n, 1e9)
		b.MoveShares(n, 1, 200, 5)
		b.MoveShares(n, 2, 200, 5)
		if err := b.Check(func(func(Number, *Claim)) {}); err != nil {
			t.Fatal(err)
		}
		spoil(&b)
		if b.Check(func(func(Number, *Claim)) {}) == nil {
			t.Errorf("%s went unseen", name)
		}
	}
}

// TestPositions compares the slab with a map over many accounts that gain and lose positions, day after day.
func TestPositions(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	const accounts, securities = 40, 300
	var b Books
	b.List(securities)
	held := map[[2]int]money.Quantity{}
	for range accounts {
		b.Open(0)
	}
	for i := range 60_000 {
		n, y := r.IntN(accounts), 1+r.IntN(1+r.IntN(securities))
		key := [2]int{n, y}
		if r.IntN(3) == 0 {
			b.MoveShares(Number(n), trade.SecurityID(y), -held[key], 0)
			delete(held, key)
		} else {
			b.MoveShares(Number(n), trade.SecurityID(y), 7, 10)
			held[key] += 7
		}
		if i%5000 == 0 {
			for n := range Number(accounts) {
				b.NewDay(n)
			}
		}
	}
	sum := 0
	for n := range Number(accounts) {
		b.NewDay(n)
		sum += b.Positions(n)
	}
	for key, quantity := range held {
		if p := b.Position(Number(key[0]), trade.SecurityID(key[1])); p.Total != quantity {
			t.Fatalf("account %d has %d of %d, want %d", key[0], p.Total, key[1], quantity)
		}
	}
	if sum != len(held) {
		t.Errorf("%d positions, want %d", sum, len(held))
	}
	if err := b.Check(func(func(Number, *Claim)) {}); err != nil {
		t.Error(err)
	}
}

// TestEntryIsALine: an account's cash and card are in one line of the cache.
func TestEntryIsALine(t *testing.T) {
	if size := reflect.TypeFor[entry]().Size(); size != 64 {
		t.Errorf("an entry of %d bytes", size)
	}
}
