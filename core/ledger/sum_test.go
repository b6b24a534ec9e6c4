package ledger

import (
	"errors"
	"math/rand/v2"
	"testing"

	"evenkeel/core/digest"
	"evenkeel/core/money"
	"evenkeel/core/trade"
)

func verify(b *Books) error {
	for i := range b.Sheets() {
		if err := b.VerifySheet(i); err != nil {
			return err
		}
	}
	return b.VerifyShares()
}

// TestSumIsKept: whatever is booked, the sum that is kept is the one that a walk finds, after every command.
func TestSumIsKept(t *testing.T) {
	var b Books
	r := rand.New(rand.NewPCG(3, 4))
	b.List(40)
	for range digest.SheetRows + 20 {
		b.Open(25000)
	}
	seen := map[uint64]bool{}
	for i := range 30_000 {
		n := Number(digest.SheetRows - 10 + r.IntN(30))
		y := trade.SecurityID(1 + r.IntN(40))
		switch r.IntN(6) {
		case 0:
			b.MoveCash(n, money.Cash(r.IntN(1_000_000)-100_000))
		case 1, 2:
			b.MoveShares(n, y, money.Quantity(r.IntN(2000)-700), 1000)
		case 3:
			b.SetCard(n, Card{Number: r.Uint64N(100), Permissions: trade.Permissions(r.IntN(9))})
		case 4:
			b.NextNumber(n)
			b.OrderOpened(n)
		default:
			b.NewDay(n)
		}
		if i%100 == 0 {
			if err := verify(&b); err != nil {
				t.Fatalf("after %d changes: %v", i, err)
			}
			seen[b.Sum()] = true
		}
	}
	if len(seen) < 290 {
		t.Errorf("only %d sums in 300 samples", len(seen))
	}
	kept := b.Sum()
	b.Resum()
	if b.Sum() != kept {
		t.Errorf("a walk sums to %016x, kept was %016x", b.Sum(), kept)
	}
}

// TestAlteredRows: each part of a row is covered.
func TestAlteredRows(t *testing.T) {
	var b Books
	b.List(3)
	n := b.Open(25000)
	b.MoveCash(n, 1_0000_0000)
	b.MoveShares(n, 2, 500, 100)
	b.Settle()
	e := b.accounts.At(0)
	p := b.find(e, 2)
	for name, flip := range map[string]func(){
		"available":   func() { e.available ^= 1 << 60 },
		"frozen":      func() { e.frozen ^= 1 },
		"receivable":  func() { e.receivable ^= 1 << 20 },
		"commission":  func() { e.commission ^= 4 },
		"number":      func() { e.card.Number ^= 1 << 63 },
		"permissions": func() { e.card.Permissions ^= 1 },
		"open orders": func() { e.card.Open ^= 1 << 31 },
		"suspended":   func() { e.card.Settings.SuspendTrading = !e.card.Settings.SuspendTrading },
		"mail":        func() { e.card.Settings.ConfirmByMail = !e.card.Settings.ConfirmByMail },
		"security":    func() { p.security ^= 1 },
		"sellable":    func() { p.sellable ^= 1 << 40 },
		"of frozen":   func() { p.frozen ^= 1 << 33 },
		"bought":      func() { p.bought ^= 2 },
		"cost":        func() { p.cost ^= 1 },
		"custody":     func() { b.custody[2] ^= 1 },
		"market":      func() { b.market[0] ^= 1 },
	} {
		flip()
		if err := verify(&b); !errors.Is(err, digest.ErrAltered) {
			t.Errorf("%s: %v", name, err)
		}
		flip()
		if err := verify(&b); err != nil {
			t.Fatalf("%s, undone: %v", name, err)
		}
	}
}
