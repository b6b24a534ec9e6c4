package ledger

import (
	"math"
	"math/bits"

	"evenkeel/core/money"
	"evenkeel/core/must"
	"evenkeel/core/planted"
	"evenkeel/core/rules"
	"evenkeel/core/trade"
)

// Claim is the part of an order that the books account for. It belongs to the order, and only the books change what is
// Filled, Amount, Cash, Shares and Fees.
type Claim struct {
	Price    money.Price // what a share of a buy can cost at most
	Quantity money.Quantity
	Filled   money.Quantity
	Amount   money.Cash     // sum of price x quantity of its fills
	Cash     money.Cash     // frozen
	Shares   money.Quantity // frozen
	Fees     trade.Fees     // charged so far
	Security trade.SecurityID
	Side     trade.Side
}

// Left is what is still to be filled.
func (c *Claim) Left() money.Quantity { return c.Quantity - c.Filled }

// Fees returns the fees of an order with the cumulative amount, at a commission rate quoted inclusive; a rate above
// the highest that may be agreed counts as that. ok is false when something does not fit. It gives what
// rules.Tariff.Fees gives, without the items that are for information only.
func Fees(t *rules.Tariff, side trade.Side, amount money.Cash, commission money.Rate) (f trade.Fees, ok bool) {
	if amount <= 0 {
		return trade.Fees{}, amount == 0
	}
	levies := &t.Buy
	if side == trade.Sell {
		levies = &t.Sell
	}
	taken, fits := charge(min(commission, t.CommissionMost), amount)
	f.Commission = max(taken, t.CommissionMin)
	f.StampDuty, ok = charge(levies.Stamp, amount)
	fits = fits && ok
	f.Transfer, ok = charge(levies.Transfer, amount)
	return f, fits && ok && f.Commission <= MaxAmount*2 && f.StampDuty <= MaxAmount*2 && f.Transfer <= MaxAmount*2
}

// charge returns amount x rate, half-up to the fen. Nearly all products fit in 64 bits, where the division is by a
// constant and cheap; the others go the long way.
func charge(rate money.Rate, amount money.Cash) (money.Cash, bool) {
	const unit, half = uint64(money.Whole) * uint64(money.Fen), uint64(money.Whole) * uint64(money.Fen) / 2
	if rate == 0 {
		return 0, true
	}
	if hi, lo := bits.Mul64(uint64(rate), uint64(amount)); hi == 0 && lo <= math.MaxUint64-half && rate > 0 &&
		amount >= 0 {
		return money.Cash((lo + half) / unit * uint64(money.Fen)), true
	}
	return rate.Apply(amount, money.Fen, money.HalfUp)
}

// Worst returns what the rest of a buy can cost at worst: left x price, and the fees of the whole less those charged.
// ok is false when that is above MaxAmount.
func Worst(c *Claim, t *rules.Tariff, commission money.Rate) (cash money.Cash, ok bool) {
	if c.Left() == 0 {
		return 0, true
	}
	rest, fits := product(c.Price, c.Left())
	if !fits || rest > MaxAmount {
		return 0, false
	}
	fees, ok := Fees(t, c.Side, c.Amount+rest, commission)
	cash = rest + fees.Total() - c.Fees.Total()
	return cash, ok && cash <= MaxAmount
}

// Freeze sets aside for a claim, which has nothing frozen yet, cash or shares. It changes nothing and returns false
// when the account has less.
func (b *Books) Freeze(n Number, c *Claim, cash money.Cash, shares money.Quantity) bool {
	must.Hold(c.Cash == 0 && c.Shares == 0 && cash >= 0 && shares >= 0, "a claim is frozen once")
	e := b.accounts.At(uint32(n))
	if cash > e.available {
		return false
	}
	if shares > 0 {
		p := b.find(e, c.Security)
		if p == nil || p.sellable < shares {
			return false
		}
		b.open(n)
		b.openPosition(p)
		p.sellable, p.frozen = p.sellable-shares, p.frozen+shares
	}
	b.open(n)
	e.available, e.frozen = e.available-cash, e.frozen+cash
	c.Cash, c.Shares = cash, shares
	return true
}

// Release gives back all that is frozen for a claim.
func (b *Books) Release(n Number, c *Claim) {
	e := b.open(n)
	if c.Cash != 0 {
		must.Hold(e.frozen >= c.Cash, "what is released was frozen")
		e.available, e.frozen = e.available+c.Cash, e.frozen-c.Cash
		c.Cash = 0
	}
	if c.Shares != 0 {
		p := b.find(e, c.Security)
		must.Hold(p != nil && p.frozen >= c.Shares, "what is released was frozen")
		b.openPosition(p)
		p.sellable, p.frozen = p.sellable+c.Shares, p.frozen-c.Shares
		c.Shares = 0
	}
}

// Fill books one fill of a claim. sellable says whether bought shares can be sold today. It changes nothing and
// returns false for a fill that cannot be true: of more than is left, of nothing, at no price, above the frozen price
// of a buy, or of an amount that does not fit.
func (b *Books) Fill(n Number, c *Claim, t *rules.Tariff, price money.Price, quantity money.Quantity, sellable bool) (
	trade.Trade, bool,
) {
	if price <= 0 || quantity <= 0 || quantity > c.Left() {
		return trade.Trade{}, false
	}
	amount, ok := product(price, quantity)
	if !ok || amount > MaxAmount || c.Amount > MaxAmount {
		return trade.Trade{}, false
	}
	done := trade.Trade{Price: price, Quantity: quantity, Amount: amount}
	if c.Side == trade.Sell {
		ok = b.fillSale(n, c, t, &done)
	} else {
		ok = b.fillBuy(n, c, t, &done, sellable)
	}
	return done, ok
}

func (b *Books) fillBuy(n Number, c *Claim, t *rules.Tariff, done *trade.Trade, sellable bool) bool {
	e := b.accounts.At(uint32(n))
	fees, ok := Fees(t, trade.Buy, c.Amount+done.Amount, e.commission)
	if !ok || done.Price > c.Price {
		return false
	}
	after := Claim{
		Price: c.Price, Quantity: c.Quantity, Filled: c.Filled + done.Quantity, Amount: c.Amount + done.Amount,
		Fees: fees, Security: c.Security, Side: c.Side,
	}
	after.Cash, ok = Worst(&after, t, e.commission)
	done.Fees = minus(fees, c.Fees)
	paid := done.Amount + done.Fees.Total()
	if planted.Is(planted.FeeTwice) {
		paid += done.Fees.Commission
	}
	back := c.Cash - after.Cash - paid
	must.Hold(ok && back >= 0, "a fill costs no more than was frozen for it")
	p := b.insert(b.open(n), c.Security)
	cost, fits := money.Add(p.cost, paid)
	bought := p.bought + done.Quantity
	if !fits || bought < 0 || bought > math.MaxInt64/4 {
		return false
	}
	if sellable {
		p.sellable += done.Quantity
	} else {
		p.bought = bought
	}
	p.cost = cost
	if planted.Is(planted.SharesFromNothing) && done.Quantity%700 == 0 {
		p.sellable += 100
		b.moveHouse(c.Security, 0, -100)
	}
	e.frozen, e.available = e.frozen-c.Cash+after.Cash, e.available+back
	b.house.Market += done.Amount
	b.take(done.Fees)
	b.moveHouse(c.Security, 0, -done.Quantity)
	*c = after
	return true
}

func (b *Books) fillSale(n Number, c *Claim, t *rules.Tariff, done *trade.Trade) bool {
	e := b.accounts.At(uint32(n))
	fees, ok := Fees(t, trade.Sell, c.Amount+done.Amount, e.commission)
	if !ok {
		return false
	}
	// What the fill brings in bounds what it can be charged; duties that are owed to others go first.
	owed := minus(fees, c.Fees)
	left := done.Amount
	done.Fees.StampDuty = min(owed.StampDuty, left)
	left -= done.Fees.StampDuty
	done.Fees.Transfer = min(owed.Transfer, left)
	left -= done.Fees.Transfer
	done.Fees.Commission = min(owed.Commission, left)
	left -= done.Fees.Commission

	p := b.find(e, c.Security)
	must.Hold(p != nil && p.frozen >= done.Quantity && c.Shares >= done.Quantity, "sold shares were frozen")
	available, ok := money.Add(e.available, left)
	receivable, fits := money.Add(e.receivable, left)
	if _, all := money.Add(available, e.frozen); !ok || !fits || !all {
		return false
	}
	cost := p.part(done.Quantity)
	b.open(n)
	b.openPosition(p)
	p.frozen, p.cost = p.frozen-done.Quantity, p.cost-cost
	e.available, e.receivable = available, receivable
	b.house.Market -= done.Amount
	b.take(done.Fees)
	b.moveHouse(c.Security, 0, done.Quantity)
	c.Filled, c.Shares, c.Amount = c.Filled+done.Quantity, c.Shares-done.Quantity, c.Amount+done.Amount
	c.Fees = trade.Fees{
		Commission: c.Fees.Commission + done.Fees.Commission, StampDuty: c.Fees.StampDuty + done.Fees.StampDuty,
		Transfer: c.Fees.Transfer + done.Fees.Transfer,
	}
	return true
}

func (b *Books) take(f trade.Fees) {
	b.house.Fees.Commission += f.Commission
	b.house.Fees.StampDuty += f.StampDuty
	b.house.Fees.Transfer += f.Transfer
}

func minus(a, b trade.Fees) trade.Fees {
	return trade.Fees{
		Commission: a.Commission - b.Commission, StampDuty: a.StampDuty - b.StampDuty, Transfer: a.Transfer - b.Transfer,
	}
}
