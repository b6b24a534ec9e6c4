package main

import (
	"fmt"

	"github.com/alpacahq/alpaca-trade-api-go/v3/alpaca"
	"github.com/shopspring/decimal"
)

// order is a buy of 100 shares; what else it shall be the caller changes.
func (i *investor) order(name string, fen int64) alpaca.PlaceOrderRequest {
	quantity := decimal.NewFromInt(100)
	return alpaca.PlaceOrderRequest{
		Symbol: i.chosen.symbol, Qty: &quantity, Side: alpaca.Buy, Type: alpaca.Limit, TimeInForce: alpaca.Day,
		LimitPrice: yuan(fen), ClientOrderID: i.run + "-" + name,
	}
}

// told waits for a trade update of this order.
func (i *investor) told(id, event string) error {
	_, err := i.updates.first(patience, func(u alpaca.TradeUpdate) bool {
		return u.Order.ID == id && u.Event == event
	})
	if err != nil {
		return fmt.Errorf("update %q of %s: %w", event, id, err)
	}
	return nil
}

func (i *investor) buyingPower() decimal.Decimal {
	account, err := i.trading.GetAccount()
	if err != nil {
		return decimal.Zero
	}
	return account.BuyingPower
}

// status waits until the order has it.
func (i *investor) status(id, want string) (order *alpaca.Order, err error) {
	err = until(patience, func() error {
		if order, err = i.trading.GetOrder(id); err != nil {
			return err
		}
		return hold(order.Status == want, "order %s is %s, not %s", id, order.Status, want)
	})
	return order, err
}

// trade places, amends, cancels and fills; what is wrong is refused.
func (i *investor) trade() {
	before := i.buyingPower()
	var placed, amended *alpaca.Order
	i.check("place", func() (err error) {
		if placed, err = i.trading.PlaceOrder(i.order("rest", i.chosen.rest)); err != nil {
			return err
		}
		if err = i.told(placed.ID, "new"); err != nil {
			return err
		}
		again, err := i.trading.GetOrderByClientOrderID(i.run + "-rest")
		if err != nil {
			return err
		}
		open, err := i.trading.GetOrders(alpaca.GetOrdersRequest{Status: "open", Symbols: []string{i.chosen.symbol}})
		if err != nil {
			return err
		}
		listed := false
		for _, one := range open {
			listed = listed || one.ID == placed.ID
		}
		return hold(again.ID == placed.ID && again.LimitPrice.Equal(*yuan(i.chosen.rest)) && again.Status == "new" &&
			listed && i.buyingPower().LessThan(before), "placed %+v, again %+v, listed %v", placed, again, listed)
	})
	if placed == nil {
		return
	}
	i.check("another order under the same client id refused", func() error {
		order, quantity := i.order("rest", i.chosen.rest), decimal.NewFromInt(200)
		order.Qty = &quantity
		_, err := i.trading.PlaceOrder(order)
		return refused(err, 422)
	})
	i.check("amend", func() (err error) {
		quantity := decimal.NewFromInt(200)
		amended, err = i.trading.ReplaceOrder(placed.ID, alpaca.ReplaceOrderRequest{
			Qty: &quantity, LimitPrice: yuan(i.chosen.rest + 1),
		})
		if err != nil {
			return err
		}
		if err := i.told(placed.ID, "replaced"); err != nil {
			return err
		}
		old, err := i.status(placed.ID, "replaced")
		if err != nil {
			return err
		}
		fresh, err := i.status(amended.ID, "new")
		if err != nil {
			return err
		}
		return hold(old.ReplacedBy != nil && *old.ReplacedBy == amended.ID && fresh.Replaces != nil &&
			*fresh.Replaces == placed.ID && fresh.Qty.Equal(quantity) && fresh.LimitPrice.Equal(*yuan(i.chosen.rest + 1)),
			"old %+v, new %+v", old, fresh)
	})
	if amended == nil {
		return
	}
	i.check("cancel", func() error {
		if err := i.trading.CancelOrder(amended.ID); err != nil {
			return err
		}
		if err := i.told(amended.ID, "canceled"); err != nil {
			return err
		}
		order, err := i.status(amended.ID, "canceled")
		if err != nil {
			return err
		}
		return hold(order.FilledQty.IsZero() && order.CanceledAt != nil && i.buyingPower().Equal(before),
			"%+v, buying power %s before and %s after", order, before, i.buyingPower())
	})
	i.check("cancel of a dead order refused", func() error { return refused(i.trading.CancelOrder(amended.ID), 422) })
	i.check("fill", i.fill)
	i.refusals()
	i.check("cancel all", i.trading.CancelAllOrders)
}

// fill buys at once and compares fills, position and cash.
func (i *investor) fill() error {
	before, err := i.trading.GetAccount()
	if err != nil {
		return err
	}
	if err := i.choose(); err != nil { // the market has moved
		return err
	}
	held, sellable := i.holding()
	placed, err := i.trading.PlaceOrder(i.order("fill", i.chosen.cross))
	if err != nil {
		return err
	}
	if err = i.told(placed.ID, "fill"); err != nil {
		return err
	}
	if i.filled, err = i.status(placed.ID, "filled"); err != nil {
		return err
	}
	quantity, amount := decimal.Zero, decimal.Zero
	for _, update := range i.updates.all() {
		if update.Order.ID == placed.ID && (update.Event == "fill" || update.Event == "partial_fill") {
			quantity = quantity.Add(*update.Qty)
			amount = amount.Add(update.Price.Mul(*update.Qty))
		}
	}
	if !quantity.Equal(decimal.NewFromInt(100)) || i.filled.FilledAvgPrice == nil ||
		!amount.Div(quantity).Round(4).Equal(i.filled.FilledAvgPrice.Round(4)) ||
		i.filled.FilledAvgPrice.GreaterThan(*i.filled.LimitPrice) {
		return fmt.Errorf("updates say %s shares for %s, the order says %+v", quantity, amount, i.filled)
	}
	heldNow, sellableNow := i.holding()
	if !heldNow.Sub(held).Equal(quantity) || !sellableNow.Equal(sellable) {
		return fmt.Errorf("held %s then %s, sellable %s then %s: bought today is not sellable today",
			held, heldNow, sellable, sellableNow)
	}
	after, err := i.trading.GetAccount()
	if err != nil {
		return err
	}
	fees := before.Cash.Sub(after.Cash).Sub(amount)
	return hold(fees.IsPositive() && fees.LessThan(amount.Mul(decimal.New(1, -2)).Add(decimal.NewFromInt(6))),
		"cash %s then %s for %s: fees of %s", before.Cash, after.Cash, amount, fees)
}

// holding returns the position in the chosen security: total and sellable.
func (i *investor) holding() (total, sellable decimal.Decimal) {
	position, err := i.trading.GetPosition(i.chosen.symbol)
	if err != nil {
		return decimal.Zero, decimal.Zero
	}
	return position.Qty, position.QtyAvailable
}

func (i *investor) refusals() {
	_, sellable := i.holding()
	for _, c := range []struct {
		name   string
		status int
		order  func(*alpaca.PlaceOrderRequest)
	}{
		{"nothing sellable", 403, func(o *alpaca.PlaceOrderRequest) {
			quantity := sellable.Add(decimal.NewFromInt(100))
			o.Side, o.Qty, o.LimitPrice = alpaca.Sell, &quantity, yuan(i.chosen.cross)
		}},
		{"no cash", 403, func(o *alpaca.PlaceOrderRequest) {
			quantity := i.buyingPower().Div(*o.LimitPrice).Div(decimal.NewFromInt(100)).Ceil().Mul(decimal.NewFromInt(100))
			o.Qty = &quantity
		}},
		{"odd lot", 422, func(o *alpaca.PlaceOrderRequest) {
			quantity := decimal.NewFromInt(150)
			o.Qty = &quantity
		}},
		{"off the tick", 422, func(o *alpaca.PlaceOrderRequest) {
			price := o.LimitPrice.Add(decimal.New(1, -3))
			o.LimitPrice = &price
		}},
		{"beyond the price limit", 422, func(o *alpaca.PlaceOrderRequest) {
			price := o.LimitPrice.Div(decimal.NewFromInt(2)).Round(2)
			o.LimitPrice = &price
		}},
		{"unknown symbol", 422, func(o *alpaca.PlaceOrderRequest) { o.Symbol = "999999.SH" }},
	} {
		i.check("refused: "+c.name, func() error {
			order := i.order("bad", i.chosen.rest)
			order.ClientOrderID += "-" + c.name
			c.order(&order)
			_, err := i.trading.PlaceOrder(order)
			return refused(err, c.status)
		})
	}
}
