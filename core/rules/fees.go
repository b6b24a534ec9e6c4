package rules

import (
	"evenkeel/core/money"
	"evenkeel/core/trade"
)

// Levies are what is charged on one side of a trade besides the broker's commission, as rates of the amount.
type Levies struct {
	Stamp       money.Rate // stamp duty
	Transfer    money.Rate // transfer fee of the clearing house
	Handling    money.Rate // handling fee of the exchange
	Supervision money.Rate // supervision fee of the regulator
}

// Tariff is what trading costs on one day.
type Tariff struct {
	Buy, Sell      Levies
	CommissionMost money.Rate // highest commission that may be agreed
	CommissionMin  money.Cash // least commission of an order with a trade, even where it is more than CommissionMost
}

// Quoting says what a commission rate contains.
type Quoting uint8

// Quotings. Inclusive is what investors are used to, and the default.
const (
	Inclusive Quoting = iota // handling and supervision are paid out of the commission
	Exclusive                // handling and supervision come on top of it
)

// Fees are the charges of one order, each rounded half-up to the fen.
type Fees struct {
	Commission  money.Cash
	Stamp       money.Cash
	Transfer    money.Cash
	Handling    money.Cash // for information under Inclusive quoting: it is a part of the commission
	Supervision money.Cash // for information under Inclusive quoting: it is a part of the commission
	Total       money.Cash // what the investor pays
}

// Fees returns the charges of an order whose trades sum to amount so far, at an agreed commission rate quoted
// inclusive. The commission minimum is per order, so the fees of an order are those of its cumulative amount, and
// what a further trade costs is the difference. They never fall when the amount rises: fees at the limit price are
// the worst case of a buy. An amount of 0 costs nothing. ok is false when the amount is negative, the side unknown,
// the rate negative or above CommissionMost, or a result does not fit.
func (t *Terms) Fees(side trade.Side, amount money.Cash, commission money.Rate) (f Fees, ok bool) {
	return t.Tariff.Fees(side, amount, commission, Inclusive)
}

// Fees is Terms.Fees with a choice of quoting.
func (t *Tariff) Fees(side trade.Side, amount money.Cash, commission money.Rate, quoting Quoting) (f Fees, ok bool) {
	if amount < 0 || commission < 0 || commission > t.CommissionMost {
		return Fees{}, false
	}
	levies := &t.Buy
	switch side {
	case trade.Buy:
	case trade.Sell:
		levies = &t.Sell
	default:
		return Fees{}, false
	}
	if amount == 0 {
		return Fees{}, true
	}
	f.Commission, ok = commission.Apply(amount, money.Fen, money.HalfUp)
	if !ok {
		return Fees{}, false
	}
	f.Commission = max(f.Commission, t.CommissionMin)
	items := [...]struct {
		rate money.Rate
		paid *money.Cash
		free bool // already in the commission
	}{
		{levies.Stamp, &f.Stamp, false},
		{levies.Transfer, &f.Transfer, false},
		{levies.Handling, &f.Handling, quoting == Inclusive},
		{levies.Supervision, &f.Supervision, quoting == Inclusive},
	}
	f.Total = f.Commission
	for i := range items {
		v, fits := items[i].rate.Apply(amount, money.Fen, money.HalfUp)
		*items[i].paid = v
		if !items[i].free {
			f.Total, ok = money.Add(f.Total, v)
		}
		if !fits || !ok {
			return Fees{}, false
		}
	}
	return f, true
}
