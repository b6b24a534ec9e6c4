package rules

import (
	"evenkeel/core/money"
	"evenkeel/core/trade"
)

// ValidQuantity checks the quantity of a new order against minimum, increment, maximum and the odd-lot rule. The
// reason is Accepted or, the first that holds, SideUnknown, QuantityNotPositive, QuantityAboveMaximum,
// InsufficientSellable, OddLotNotWhole, QuantityBelowMinimum or QuantityNotInLots. It also returns the nearest valid
// quantity: quantity itself when it is sound, else the largest valid one below it, else the smallest valid one, else
// 0 when there is none (nothing to sell). sellable is what the account could sell now, and counts for sales only; who
// does not know it (an exchange) passes the quantity itself.
func (t *Terms) ValidQuantity(side trade.Side, o trade.OrderType, quantity, sellable money.Quantity) (
	reason trade.Reason, nearest money.Quantity,
) {
	most := t.MaxLimit
	if o.Market() {
		most = t.MaxMarket
	}
	switch side {
	case trade.Buy:
	case trade.Sell:
		return t.sale(quantity, sellable, most)
	default:
		return trade.SideUnknown, 0
	}
	nearest = clamp(quantity, t.BuyMinimum, t.BuyIncrement, most)
	switch {
	case quantity <= 0:
		return trade.QuantityNotPositive, nearest
	case quantity > most:
		return trade.QuantityAboveMaximum, nearest
	case quantity < t.BuyMinimum:
		return trade.QuantityBelowMinimum, nearest
	case nearest != quantity:
		return trade.QuantityNotInLots, nearest
	}
	return trade.Accepted, quantity
}

// sale is ValidQuantity for sales. Valid are whole lots (SellMinimum plus increments) and, where the rule is
// OddLotOnce, quantities that take the whole odd lot with them: all that makes no increment, or a rest below the
// minimum.
func (t *Terms) sale(quantity, sellable, most money.Quantity) (trade.Reason, money.Quantity) {
	sellable = max(sellable, 0)
	nearest := t.nearestSale(quantity, sellable, most)
	odd := t.oddLot(sellable)
	switch {
	case quantity <= 0:
		return trade.QuantityNotPositive, nearest
	case quantity > most:
		return trade.QuantityAboveMaximum, nearest
	case quantity > sellable:
		return trade.InsufficientSellable, nearest
	case nearest == quantity:
		return trade.Accepted, quantity
	case odd > 0 && quantity < odd:
		return trade.OddLotNotWhole, nearest
	case quantity < t.SellMinimum:
		return trade.QuantityBelowMinimum, nearest
	}
	return trade.QuantityNotInLots, nearest
}

// oddLot returns the part of a balance that makes no lot: under main-board terms 50 of 250, under STAR terms 150 of
// 150 and nothing of 250.
func (t *Terms) oddLot(sellable money.Quantity) money.Quantity {
	switch {
	case !t.OddLotOnce || t.SellIncrement <= 0:
		return 0
	case sellable < t.SellMinimum:
		return sellable
	}
	return (sellable - t.SellMinimum) % t.SellIncrement
}

func (t *Terms) nearestSale(quantity, sellable, most money.Quantity) money.Quantity {
	most = min(most, sellable)
	best := clamp(quantity, t.SellMinimum, t.SellIncrement, most)
	odd := t.oddLot(sellable)
	if odd == 0 || odd > most {
		return best
	}
	// The odd lot alone, or with whole lots behind it.
	with := clamp(quantity, odd, t.SellIncrement, most)
	switch {
	case best == 0, with <= quantity && (with > best || best > quantity):
		return with
	case with > quantity && best > quantity:
		return min(with, best)
	}
	return best
}

// clamp returns the largest of least, least+step, ... that is at most quantity and most; least when quantity is below
// it; 0 when least itself is above most.
func clamp(quantity, least, step, most money.Quantity) money.Quantity {
	if step <= 0 || least <= 0 || least > most {
		return 0
	}
	quantity = min(quantity, most)
	if quantity < least {
		return least
	}
	return quantity - (quantity-least)%step
}
