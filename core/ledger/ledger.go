// Package ledger is what each account has: cash, shares, what of both is frozen for open orders, and what the house
// owes for it.
//
// Units: cash in 1/10,000 CNY, shares as whole numbers, securities by their dense number, accounts by a dense Number
// from 0.
//
// Invariants, verified by Check:
//   - The cash of all accounts, the fees taken, the market's side of all trades and the world outside sum to zero; so
//     do, for each security, the shares of all accounts, the market's side and custody.
//   - Nothing available, sellable or frozen is ever negative.
//   - A live buy has frozen exactly what the rest of it can cost at worst: left x frozen price, and the fees of the
//     whole less those charged already. A live sale has frozen exactly the shares that are left. A done order has
//     nothing frozen.
//   - Position.Total = Sellable + Frozen + Bought.
//
// Fees of an order are those of its cumulative amount, because the commission has a minimum per order; a fill charges
// the difference. A sale never pays more than a fill brings in: what does not fit is charged with later fills, stamp
// duty first, then the transfer fee, then the commission, and waived when there are none.
//
// It never decides whether an order may pass (core/risk does), never sees a clock, and never rounds but fees (half-up
// to the fen) and the cost of a part of a position (half-up, the remainder leaves with the last share).
//
// Source: market-rules of SSE, SZSE and BSE: T+1, settlement on the next trading day, fees per side; double-entry
// bookkeeping for the sums.
package ledger

import (
	"math"
	"math/bits"

	"evenkeel/core/digest"
	"evenkeel/core/money"
	"evenkeel/core/must"
	"evenkeel/core/trade"
)

// Limits of the books.
const (
	MaxAccounts   = 1 << 26                                     // accounts of one shard
	MaxSecurities = sheetOfPositions                            // securities in the list; an account can have all of them
	MaxAmount     = money.Cash(1_000_000_000_000 * money.Scale) // worst case of one order, one movement of cash, one cost
	MaxShares     = money.Quantity(100_000_000_000)             // shares of one movement or order
)

// Number is the dense number of an account in the books, from 0.
type Number uint32

// Card is what the broker asks of an account whenever it asks for its cash, and the books never do. It lies here so
// that both are in one line of the processor's cache. It is changed by SetCard, NextNumber and CountOpen only.
type Card struct {
	Number      uint64 // of the account's last event
	Permissions trade.Permissions
	Open        uint32 // open orders
	Settings    trade.Settings
}

// entry is one account, of 64 bytes: a line of the cache. Entries hold no pointers, so a million of them cost the
// garbage collector nothing.
type entry struct {
	available  money.Cash
	frozen     money.Cash
	receivable money.Cash
	commission money.Rate
	block      uint32 // first position in Books.positions
	count      uint16 // positions
	class      uint8  // the block has room for 1<<(class-1) positions; 0: no block
	card       Card
}

// Books are the ledgers of all accounts of one shard, and the house's side of them.
type Books struct {
	accounts  Sheets[entry]
	positions slab
	house     House
	custody   []money.Quantity // by security number - 1: brought in less taken out, negated
	market    []money.Quantity // by security number - 1: the market's side of trades

	sums   digest.Sums // of accounts and their positions, but for those that are held
	shares uint64      // sum of the rows of custody and market
	held   held
}

// House is the other side of every movement of cash. Market counts modulo 2^64: its turnover has no bound.
type House struct {
	External money.Cash // deposits less withdrawals, negated
	Market   money.Cash // what buyers paid less what sellers got, fees apart
	Fees     trade.Fees // taken, by item
}

// Open adds an account without cash or shares; commission is its agreed rate, inclusive of handling and supervision.
func (b *Books) Open(commission money.Rate) Number {
	must.Hold(b.accounts.Len() < MaxAccounts, "room for one more account")
	b.Settle()
	n, e := b.accounts.Add()
	e.commission = commission
	b.held.entry, b.held.number = e, Number(n) // a new row: no sum has it yet
	return Number(n)
}

// Accounts returns how many there are.
func (b *Books) Accounts() int { return b.accounts.Len() }

// List makes room for the securities numbered 1 to n.
func (b *Books) List(n trade.SecurityID) {
	must.Hold(n <= MaxSecurities, "room for one more security")
	for trade.SecurityID(len(b.custody)) < n {
		b.custody, b.market = append(b.custody, 0), append(b.market, 0)
		b.shares += b.sharesHash(uint32(len(b.custody) - 1))
	}
}

// Card returns an account's card.
func (b *Books) Card(n Number) Card { return b.accounts.At(uint32(n)).card }

// SetCard replaces an account's card.
func (b *Books) SetCard(n Number, card Card) { b.open(n).card = card }

// NextNumber numbers the next event of an account.
func (b *Books) NextNumber(n Number) uint64 {
	e := b.open(n)
	e.card.Number++
	return e.card.Number
}

// OrderOpened counts one more open order of an account.
func (b *Books) OrderOpened(n Number) { b.open(n).card.Open++ }

// OrderClosed counts one less.
func (b *Books) OrderClosed(n Number) {
	e := b.open(n)
	must.Hold(e.card.Open > 0, "open orders are counted")
	e.card.Open--
}

// Balance returns an account's cash.
func (b *Books) Balance(n Number) trade.Balance {
	e := b.accounts.At(uint32(n))
	return trade.Balance{Available: e.available, Frozen: e.frozen, Receivable: e.receivable}
}

// Commission returns an account's agreed rate.
func (b *Books) Commission(n Number) money.Rate { return b.accounts.At(uint32(n)).commission }

// Sellable returns the shares of a security that an account can sell now.
func (b *Books) Sellable(n Number, security trade.SecurityID) money.Quantity {
	if p := b.find(b.accounts.At(uint32(n)), security); p != nil {
		return p.sellable
	}
	return 0
}

// Position returns what an account has of a security; where it has nothing all but Security is zero.
func (b *Books) Position(n Number, security trade.SecurityID) trade.Position {
	if p := b.find(b.accounts.At(uint32(n)), security); p != nil {
		return p.position()
	}
	return trade.Position{Security: security}
}

// Show writes an account's cash and what it has of a security where the caller keeps them: both are asked for after
// every change of an order.
func (b *Books) Show(n Number, security trade.SecurityID, cash *trade.Balance, shares *trade.Position) {
	e := b.accounts.At(uint32(n))
	cash.Available, cash.Frozen, cash.Receivable = e.available, e.frozen, e.receivable
	p := b.find(e, security)
	if p == nil {
		*shares = trade.Position{Security: security}
		return
	}
	shares.Security, shares.Total, shares.Sellable = security, p.total(), p.sellable
	shares.Frozen, shares.Bought, shares.Cost = p.frozen, p.bought, p.cost
}

// Positions returns how many positions an account has; those emptied today are counted until the next day.
func (b *Books) Positions(n Number) int { return int(b.accounts.At(uint32(n)).count) }

// PositionAt returns the i-th position of an account, in the order of their securities.
func (b *Books) PositionAt(n Number, i int) trade.Position {
	e := b.accounts.At(uint32(n))
	must.Hold(i >= 0 && i < int(e.count), "the position exists")
	return b.positions.at(e.block + uint32(i)).position()
}

// House returns the house's side.
func (b *Books) House() House { return b.house }

// MoveCash deposits (amount > 0) or withdraws. Refused: AmountNotPositive (zero), AmountOverflows, NotWithdrawable.
func (b *Books) MoveCash(n Number, amount money.Cash) (trade.Reason, trade.Numbers) {
	e := b.accounts.At(uint32(n))
	switch {
	case amount == 0:
		return trade.AmountNotPositive, trade.Numbers{Bound: int64(money.Fen), Nearest: int64(money.Fen)}
	case amount > MaxAmount || amount < -MaxAmount:
		return trade.AmountOverflows, within(int64(amount), int64(MaxAmount))
	}
	if amount < 0 {
		if most := b.Balance(n).Withdrawable(); -amount > most {
			return trade.NotWithdrawable, within(int64(-amount), int64(most))
		}
	}
	available, ok := money.Add(e.available, amount)
	external, fits := money.Sub(b.house.External, amount)
	if _, all := money.Add(available, e.frozen); !ok || !fits || !all {
		return trade.AmountOverflows, trade.Numbers{Given: int64(amount)}
	}
	b.open(n)
	e.available, b.house.External = available, external
	return trade.Accepted, trade.Numbers{}
}

// MoveShares brings shares in (quantity > 0) at a cost, sellable at once, or takes them out. moved is the cost that
// came or went with them. Refused: QuantityNotPositive (zero), QuantityAboveMaximum, AmountNotPositive (a negative
// cost), AmountOverflows, InsufficientSellable.
func (b *Books) MoveShares(n Number, security trade.SecurityID, quantity money.Quantity, cost money.Cash) (
	moved money.Cash, reason trade.Reason, numbers trade.Numbers,
) {
	switch {
	case quantity == 0:
		return 0, trade.QuantityNotPositive, trade.Numbers{Bound: 1, Nearest: 1}
	case quantity > MaxShares || quantity < -MaxShares:
		return 0, trade.QuantityAboveMaximum, within(int64(quantity), int64(MaxShares))
	case cost < 0:
		return 0, trade.AmountNotPositive, trade.Numbers{Given: int64(cost)}
	case cost > MaxAmount:
		return 0, trade.AmountOverflows, within(int64(cost), int64(MaxAmount))
	}
	e := b.accounts.At(uint32(n))
	if quantity < 0 {
		p := b.find(e, security)
		var sellable money.Quantity
		if p != nil {
			sellable = p.sellable
		}
		if -quantity > sellable {
			return 0, trade.InsufficientSellable, within(int64(-quantity), int64(sellable))
		}
		moved = p.part(-quantity)
		b.open(n)
		b.openPosition(p)
		p.sellable, p.cost = p.sellable+quantity, p.cost-moved
		b.moveHouse(security, -quantity, 0)
		return -moved, trade.Accepted, trade.Numbers{}
	}
	p := b.insert(b.open(n), security)
	sellable, ok := money.Add(p.sellable, quantity)
	sum, fits := money.Add(p.cost, cost)
	if !ok || !fits || sellable > math.MaxInt64/4 {
		return 0, trade.AmountOverflows, trade.Numbers{Given: int64(cost)}
	}
	p.sellable, p.cost = sellable, sum
	b.moveHouse(security, -quantity, 0)
	return cost, trade.Accepted, trade.Numbers{}
}

// NewDay turns an account's day: proceeds become withdrawable, bought shares sellable, empty positions go. Nothing may
// be frozen any more.
func (b *Books) NewDay(n Number) {
	e := b.open(n)
	b.settlePosition()
	must.Hold(e.frozen == 0, "no cash is frozen when a day begins")
	e.receivable = 0
	kept := uint16(0)
	for i := range e.count {
		p := *b.positions.at(e.block + uint32(i))
		b.sums.Add(uint32(n), -p.hash(n))
		must.Hold(p.frozen == 0, "no shares are frozen when a day begins")
		p.sellable, p.bought = p.sellable+p.bought, 0
		if p.sellable == 0 {
			must.Hold(p.cost == 0, "an empty position has no cost")
			continue
		}
		*b.positions.at(e.block + uint32(kept)) = p
		b.sums.Add(uint32(n), p.hash(n))
		kept++
	}
	e.count = kept
	if kept == 0 && e.class > 0 {
		b.positions.give(e.block, e.class)
		e.block, e.class = 0, 0
	}
}

func within(given, bound int64) trade.Numbers {
	return trade.Numbers{Given: given, Bound: bound, Nearest: bound}
}

// product returns p x q of numbers that are not negative, and false when it does not fit.
func product(p money.Price, q money.Quantity) (money.Cash, bool) {
	hi, lo := bits.Mul64(uint64(p), uint64(q))
	return money.Cash(lo), hi == 0 && lo <= math.MaxInt64 && p >= 0 && q >= 0
}
