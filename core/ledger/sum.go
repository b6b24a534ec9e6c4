package ledger

import (
	"fmt"

	"evenkeel/core/digest"
	"evenkeel/core/money"
	"evenkeel/core/trade"
)

// Kinds of rows. A number is never used again; a change of what a row's hash covers takes a new one.
const (
	entryRow    uint8 = 1
	positionRow uint8 = 2
	sharesRow   uint8 = 3
)

// held is the account that the present command changes, and its position: their hashes are not in the sums until
// Settle adds them. Commands are about one account at a time, so one place is enough.
type held struct {
	entry    *entry // nil: none
	number   Number
	position *position // of the same account; nil: none
}

func (e *entry) hash(n Number) uint64 {
	settings := uint64(0)
	if e.card.Settings.SuspendTrading {
		settings |= 1
	}
	if e.card.Settings.ConfirmByMail {
		settings |= 2
	}
	return digest.Row(entryRow, uint32(n), digest.Pair(0, uint64(e.available), uint64(e.frozen))+
		digest.Pair(1, uint64(e.receivable), uint64(e.commission))+
		digest.Pair(2, e.card.Number, uint64(e.card.Permissions)|uint64(e.card.Open)<<32)+
		digest.Pair(3, settings, 0))
}

func (p *position) hash(n Number) uint64 {
	return digest.Row(positionRow, uint32(n), digest.Pair(0, uint64(p.sellable), uint64(p.frozen))+
		digest.Pair(1, uint64(p.bought), uint64(p.cost))+digest.Pair(2, uint64(p.security), 0))
}

// open finds an account that is about to be changed: the old row's hash leaves the sum.
func (b *Books) open(n Number) *entry {
	e := b.accounts.At(uint32(n))
	if b.held.entry != e {
		b.Settle()
		b.sums.Add(uint32(n), -e.hash(n))
		b.held.entry, b.held.number = e, n
	}
	return e
}

// openPosition says that a position of the account that is open is about to be changed.
func (b *Books) openPosition(p *position) {
	if b.held.position != p {
		b.settlePosition()
		b.sums.Add(uint32(b.held.number), -p.hash(b.held.number))
		b.held.position = p
	}
}

func (b *Books) settlePosition() {
	if p := b.held.position; p != nil {
		b.sums.Add(uint32(b.held.number), p.hash(b.held.number))
		b.held.position = nil
	}
}

// Settle ends a command: the rows that it changed are in the sums again.
func (b *Books) Settle() {
	b.settlePosition()
	if e := b.held.entry; e != nil {
		b.sums.Add(uint32(b.held.number), e.hash(b.held.number))
		b.held.entry = nil
	}
}

// sharesHash is that of the house's side of a security, by its number - 1.
func (b *Books) sharesHash(i uint32) uint64 {
	return digest.Row(sharesRow, i, digest.Pair(0, uint64(b.custody[i]), uint64(b.market[i])))
}

// moveHouse books shares on the house's side.
func (b *Books) moveHouse(security trade.SecurityID, custody, market money.Quantity) {
	i := uint32(security - 1)
	b.shares -= b.sharesHash(i)
	b.custody[i] += custody
	b.market[i] += market
	b.shares += b.sharesHash(i)
}

// Sum is the sum of the hashes of all rows: accounts with their cards, positions, the house's shares. It is kept up to
// date, and Verify finds it by a walk. The house's cash is not in it: House shows it.
func (b *Books) Sum() uint64 {
	b.Settle()
	return b.sums.Total() + b.shares
}

// Sheets is how many sheets of digest.SheetRows accounts there are.
func (b *Books) Sheets() int { return (b.accounts.Len() + digest.SheetRows - 1) / digest.SheetRows }

// VerifySheet walks the accounts of a sheet, and compares the sum of their rows with the one kept: digest.ErrAltered.
func (b *Books) VerifySheet(i int) error {
	b.Settle()
	if is, was := b.walkSheet(i), b.sums.Sheet(i); is != was {
		return fmt.Errorf("%w: accounts %d to %d sum to %016x, kept is %016x", digest.ErrAltered, i*digest.SheetRows,
			min((i+1)*digest.SheetRows, b.accounts.Len())-1, is, was)
	}
	return nil
}

// VerifyShares does the same with the house's side of all securities.
func (b *Books) VerifyShares() error {
	if is := b.walkShares(); is != b.shares {
		return fmt.Errorf("%w: the house's shares sum to %016x, kept is %016x", digest.ErrAltered, is, b.shares)
	}
	return nil
}

// Resum takes the sums from a walk: for rows that were read, not booked.
func (b *Books) Resum() {
	b.held = held{}
	b.sums.Clear()
	for i := range b.Sheets() {
		b.sums.Add(uint32(i)*digest.SheetRows, b.walkSheet(i))
	}
	b.shares = b.walkShares()
}

func (b *Books) walkSheet(i int) uint64 {
	sum := uint64(0)
	for n := i * digest.SheetRows; n < min((i+1)*digest.SheetRows, b.accounts.Len()); n++ {
		e := b.accounts.At(uint32(n))
		sum += e.hash(Number(n))
		for k := range e.count {
			sum += b.positions.at(e.block + uint32(k)).hash(Number(n))
		}
	}
	return sum
}

func (b *Books) walkShares() uint64 {
	sum := uint64(0)
	for i := range b.custody {
		sum += b.sharesHash(uint32(i))
	}
	return sum
}

// Flip changes one bit of an account's cash behind the books' back, as a fault of memory does.
func (b *Books) Flip(n Number, bit int) { b.accounts.At(uint32(n)).available ^= money.Cash(1) << bit }
