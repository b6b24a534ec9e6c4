package api

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"strconv"

	"evenkeel/core/money"
	"evenkeel/core/trade"
)

// deletePosition is DELETE /v2/positions/{symbol}: a market order where the exchange takes one now, else a limit
// order at the lowest price of the day, for what is asked of what is sellable.
func deletePosition(s *Server, c *call) (int, any, error) {
	line, err := s.security(c.r.PathValue("symbol"))
	if err != nil {
		return 0, nil, err
	}
	p, ok := s.Day(c.who.Account).Position(c.who.Account, line.ID)
	if !ok || p.Total == 0 {
		return 0, nil, say(positionUnknown, line.Symbol)
	}
	q := c.query()
	quantity, err := closing(q, &p)
	if err != nil {
		return 0, nil, err
	}
	id, err := s.closePosition(c, &line, quantity)
	if err != nil {
		return 0, nil, err
	}
	return s.orderAnswer(c, id)
}

// closing reads qty or percentage; without them all that is sellable is meant.
func closing(q *query, p *trade.Position) (money.Quantity, error) {
	quantity, percentage := q.text("qty"), q.text("percentage")
	switch {
	case quantity != "" && percentage != "":
		return 0, say(badQuery, "percentage", "give qty or percentage, not both")
	case quantity != "":
		v, err := money.ParseQuantity(quantity)
		if err != nil || v <= 0 {
			return 0, say(badQuery, "qty", strconv.Quote(clip(quantity))+" is not a positive number of shares")
		}
		return v, nil
	case percentage != "":
		share, err := money.ParseCash(percentage)
		if err != nil || share <= 0 || share > 100*money.Scale {
			return 0, say(badQuery, "percentage", strconv.Quote(clip(percentage))+" is not above 0 and at most 100")
		}
		v, _ := money.MulDiv(int64(p.Total), int64(share), 100*money.Scale, money.Down)
		return money.Quantity(v), nil
	}
	return p.Sellable, nil
}

// closePosition sells. The market type is the one that the rules have for the security in this phase.
func (s *Server) closePosition(c *call, line *trade.Security, quantity money.Quantity) (trade.OrderID, error) {
	w := wish{Symbol: string(line.Symbol), Side: trade.Sell, Kind: "limit", Force: "day", Quantity: quantity,
		Price: line.LowerLimit}
	phase, _ := s.Listing.Phase(line.Venue)
	terms, known := s.Rules().Terms(line.Venue, line.Board, line.Condition, line.Day)
	for _, t := range []trade.OrderType{trade.BestFiveCancel, trade.ImmediateOrCancel} {
		if known && terms.HasLimit && terms.Accepts(t, phase) {
			w.Kind, w.MarketType, w.Price = "market", t, 0
			break
		}
	}
	var b [8]byte
	_, _ = rand.Read(b[:])
	w.ClientID = "close-" + hex.EncodeToString(b[:])
	if w.Kind == "limit" && w.Price == 0 {
		return 0, refused(trade.MarketOrderNotNow, trade.Numbers{})
	}
	answer, err := s.place(c, &w, trade.REST)
	return answer.Order, err
}

// deletePositions is DELETE /v2/positions: a line for each position.
func deletePositions(s *Server, c *call) (int, any, error) {
	q := c.query()
	cancels := q.boolean("cancel_orders")
	if q.err != nil {
		return 0, nil, q.err
	}
	if cancels {
		s.cancelAll(c, 0)
	}
	standing, _ := s.Day(c.who.Account).Standing(c.who.Account)
	list := []outcome{}
	for i := range standing.Positions {
		p := &standing.Positions[i]
		line, known := s.Listing.Security(p.Security)
		if p.Total == 0 || !known {
			continue
		}
		one := outcome{Symbol: string(line.Symbol), Status: http.StatusOK}
		var id trade.OrderID
		var err error
		if p.Sellable == 0 {
			err = s.explained(c, refused(trade.InsufficientSellable, trade.Numbers{Given: int64(p.Total)}),
				trade.InsufficientSellable, &line)
		} else {
			id, err = s.closePosition(c, &line, p.Sellable)
		}
		if err == nil {
			_, one.Body, err = s.orderAnswer(c, id)
		}
		if err != nil {
			refusal := faultOf(err)
			one.Status, one.Body = refusal.Status, refusal.entity(c.id, c.chinese)
		}
		list = append(list, one)
	}
	return http.StatusMultiStatus, list, nil
}
