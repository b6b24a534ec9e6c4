package api

import (
	"net/http"
	"slices"

	"evenkeel/core/money"
	"evenkeel/core/rules"
	"evenkeel/core/trade"
)

// getAccountNative is GET /api/v1/account: who one is and what one has.
func getAccountNative(s *Server, c *call) (int, any, error) {
	known, _ := s.Directory.Account(c.who.Account)
	standing, _ := s.Day(c.who.Account).Standing(c.who.Account)
	positions := []*nativePosition{}
	for i := range standing.Positions {
		positions = append(positions, s.nativePosition(&standing.Positions[i]))
	}
	value := s.worth(standing.Positions)
	return http.StatusOK, map[string]any{
		"account_id": accountID(c.who.Account), "account_number": accountNumber(c.who.Account), "login": known.Login,
		"permissions": permissionList(known.Permissions), "may": permissionList(c.who.Permissions),
		"via": c.who.Via.String(), "commission_rate": ratio(int64(known.Commission), int64(money.Whole)),
		"balance": balanceOf(standing.Balance), "positions": positions, "market_value": value.String(),
		"equity":       (standing.Balance.Available + standing.Balance.Frozen + value).String(),
		"event_number": standing.Number,
	}, nil
}

// postPreview is POST /api/v1/preview: what an order would cost and bind, and how much could be bought or sold. It
// checks nothing that the books check, and promises nothing.
func postPreview(s *Server, c *call) (int, any, error) {
	f, err := readForm(c.r)
	if err != nil {
		return 0, nil, err
	}
	given := f.has("quantity")
	f.otherwise("quantity", "1")
	if !f.has("price") {
		f.otherwise("type", `"BEST5_IOC"`)
	}
	w, err := readNative(f)
	if err != nil {
		return 0, nil, err
	}
	line, err := s.security(w.Symbol)
	if err != nil {
		return 0, nil, err
	}
	terms, ok := s.Rules().Terms(line.Venue, line.Board, line.Condition, line.Day)
	if !ok {
		return 0, nil, refused(trade.RulesMissing, trade.Numbers{})
	}
	known, _ := s.Directory.Account(c.who.Account)
	standing, _ := s.Day(c.who.Account).Standing(c.who.Account)
	price := w.Price
	if price == 0 { // a market order binds the upper limit when it buys, and may fetch the lower when it sells
		if price = line.UpperLimit; w.Side == trade.Sell {
			price = line.LowerLimit
		}
	}
	kind, err := w.orderType(line.Venue)
	if err != nil {
		return 0, nil, err
	}
	sellable := money.Quantity(0)
	for _, p := range standing.Positions {
		if p.Security == line.ID {
			sellable = p.Sellable
		}
	}
	most := buyable(&terms, kind, price, standing.Balance.Available, known.Commission)
	if w.Side == trade.Sell {
		_, most = terms.ValidQuantity(trade.Sell, kind, sellable, sellable)
	}
	quantity := w.Quantity
	if !given {
		quantity = most
	}
	fault, nearest := terms.ValidQuantity(w.Side, kind, quantity, max(sellable, 0))
	amount, fits := money.Amount(price, quantity)
	fees, charged := terms.Fees(w.Side, amount, known.Commission)
	if !fits || !charged {
		return 0, nil, refused(trade.AmountOverflows, trade.Numbers{})
	}
	total := amount + fees.Total
	if w.Side == trade.Sell {
		total = amount - fees.Total
	}
	return http.StatusOK, map[string]any{
		"symbol": string(line.Symbol), "side": sideWord(w.Side), "type": typeWord(kind), "price": price.String(),
		"quantity": shares(quantity), "valid": fault == trade.Accepted, "nearest_quantity": shares(nearest),
		"max_quantity": shares(most), "amount": amount.String(),
		"fees": map[string]any{"commission": fees.Commission.String(), "stamp_duty": fees.Stamp.String(),
			"transfer_fee": fees.Transfer.String(), "handling": fees.Handling.String(),
			"supervision": fees.Supervision.String(), "total": fees.Total.String()},
		"total": total.String(), "available": standing.Balance.Available.String(), "sellable": shares(sellable),
	}, nil
}

// buyable returns the largest valid quantity whose amount and fees the cash covers.
func buyable(t *rules.Terms, kind trade.OrderType, price money.Price, cash money.Cash,
	rate money.Rate) money.Quantity {
	if price <= 0 || cash <= 0 {
		return 0
	}
	affordable := func(q money.Quantity) bool {
		amount, ok := money.Amount(price, q)
		fees, charged := t.Fees(trade.Buy, amount, rate)
		total, fits := money.Add(amount, fees.Total)
		return ok && charged && fits && total <= cash
	}
	low, high := money.Quantity(0), money.Quantity(int64(cash)/int64(price))+1
	for high-low > 1 { // fees never fall when the amount rises
		if middle := low + (high-low)/2; affordable(middle) {
			low = middle
		} else {
			high = middle
		}
	}
	_, valid := t.ValidQuantity(trade.Buy, kind, low, 0)
	if valid > low {
		return 0
	}
	return valid
}

// getSecurities is GET /api/v1/securities?q=: the list, or what matches a text.
func getSecurities(s *Server, c *call) (int, any, error) {
	q := c.query()
	text := q.text("q")
	limit := q.integer("limit", 1000, 1, 10_000)
	if q.err != nil {
		return 0, nil, q.err
	}
	list := []assetEntity{}
	for _, line := range s.Listing.Securities() {
		if line.ID != 0 && (text == "" || assetMatches(&line, text)) && len(list) < limit {
			list = append(list, s.asset(&line, true))
		}
	}
	return http.StatusOK, map[string]any{"securities": list}, nil
}

// getQuoteNative is GET /api/v1/quotes/{symbol}.
func getQuoteNative(s *Server, c *call) (int, any, error) {
	line, err := s.security(c.r.PathValue("symbol"))
	if err != nil {
		return 0, nil, err
	}
	q, ok := s.Market.LatestQuote(string(line.Symbol))
	if !ok {
		return 0, nil, say(notFound, "quote of "+string(line.Symbol))
	}
	body := map[string]any{
		"symbol": q.Symbol, "name": string(line.Name), "time": stamp(q.Time), "phase": phaseWords[q.Phase].name,
		"last": q.Last.String(), "open": q.Open.String(), "high": q.High.String(), "low": q.Low.String(),
		"previous_close": q.PreviousClose.String(), "volume": shares(q.Volume), "turnover": q.Turnover.String(),
		"trades": q.Trades, "change": "0.00", "change_ratio": "0", "limit_up": nil, "limit_down": nil, "auction": nil,
	}
	if q.Last != 0 {
		body["change"] = (q.Last - q.PreviousClose).String()
		body["change_ratio"] = ratio(int64(q.Last-q.PreviousClose), int64(q.PreviousClose))
	}
	if q.UpperLimit != 0 {
		body["limit_up"], body["limit_down"] = q.UpperLimit.String(), q.LowerLimit.String()
	}
	if q.AuctionPrice != 0 {
		body["auction"] = map[string]any{"price": q.AuctionPrice.String(), "matched": shares(q.AuctionMatched),
			"unmatched": shares(q.AuctionUnmatched), "unmatched_side": auctionSide(q.AuctionSide)}
	}
	return http.StatusOK, body, nil
}

func auctionSide(side trade.Side) any {
	if side == 0 {
		return nil
	}
	return sideWord(side)
}

// getDepth is GET /api/v1/depth/{symbol}?levels=5.
func getDepth(s *Server, c *call) (int, any, error) {
	line, err := s.security(c.r.PathValue("symbol"))
	if err != nil {
		return 0, nil, err
	}
	params := c.query()
	levels := params.integer("levels", 10, 1, 10)
	if params.err != nil {
		return 0, nil, params.err
	}
	q, ok := s.Market.LatestQuote(string(line.Symbol))
	if !ok {
		return 0, nil, say(notFound, "depth of "+string(line.Symbol))
	}
	bids, asks := []any{}, []any{}
	for i := range min(levels, int(q.BidCount)) {
		l := q.Bids[i]
		bids = append(bids, map[string]any{"price": l.Price.String(), "quantity": shares(l.Quantity), "orders": l.Orders})
	}
	for i := range min(levels, int(q.AskCount)) {
		l := q.Asks[i]
		asks = append(asks, map[string]any{"price": l.Price.String(), "quantity": shares(l.Quantity), "orders": l.Orders})
	}
	return http.StatusOK, map[string]any{"symbol": q.Symbol, "time": stamp(q.Time), "sequence": q.Sequence,
		"phase": phaseWords[q.Phase].name, "bids": bids, "asks": asks}, nil
}

// getPhases is GET /api/v1/phases: where each venue stands in its day.
func getPhases(s *Server, _ *call) (int, any, error) {
	return http.StatusOK, map[string]any{"phases": s.phases(), "time": stamp(s.now())}, nil
}

// phases are where each venue stands in its day.
func (s *Server) phases() (list []any) {
	today, _ := s.Listing.Today()
	table := s.Rules()
	for _, v := range venues {
		n := s.session(v.venue)
		orders, cancels := table.Takes(v.venue, today, n.phase)
		day := any(nil)
		if today != 0 {
			day = dayText(today)
		}
		list = append(list, map[string]any{"market": marketCode(v.venue), "phase": phaseWords[n.phase].name,
			"text_en": phaseWords[n.phase].english, "text_zh": phaseWords[n.phase].chinese, "until": stampOrNull(n.until),
			"day": day, "open": n.open, "orders": acceptanceWord(orders), "cancels": acceptanceWord(cancels),
			"next_open": stamp(n.nextOpen), "next_close": stamp(n.nextClose)})
	}
	return list
}

func acceptanceWord(a rules.Acceptance) string {
	words := []string{"refused", "taken", "held"}
	return words[slices.Index([]rules.Acceptance{rules.Refused, rules.Taken, rules.Held}, a)]
}
