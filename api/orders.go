package api

import (
	"crypto/rand"
	"errors"
	"net/http"
	"strings"
	"time"

	"evenkeel/core/money"
	"evenkeel/core/risk"
	"evenkeel/core/rules"
	"evenkeel/core/trade"
	"evenkeel/intake"
	"evenkeel/records"
)

// postOrder is POST /v2/orders.
func postOrder(s *Server, c *call) (int, any, error) {
	f, err := readForm(c.r)
	if err != nil {
		return 0, nil, err
	}
	w, err := readWish(f)
	if err != nil {
		return 0, nil, err
	}
	if w.ClientID, err = s.idempotent(c, w.ClientID, f.raw); err != nil {
		return 0, nil, err
	}
	answer, err := s.place(c, &w, trade.REST)
	if err != nil {
		return 0, nil, err
	}
	if answer.Replayed {
		c.w.Header().Set("Idempotent-Replay", "true")
	}
	return s.orderAnswer(c, answer.Order)
}

// idempotent ties the Idempotency-Key of a request to its body, and makes the client order id where there is none.
func (s *Server) idempotent(c *call, clientID string, body []byte) (string, error) {
	key := c.r.Header.Get("Idempotency-Key")
	if key != "" {
		request := append([]byte(c.r.Method+" "+c.r.URL.Path+"\n"), body...)
		if err := s.Door.Keys.Claim(c.who.Account, key, request); err != nil {
			return "", err
		}
	}
	switch {
	case clientID != "":
		return clientID, nil
	case key != "":
		return intake.ClientID(key), nil
	}
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80 // a UUID of version 4
	return formatUUID(b), nil
}

// place turns a wish into a command and carries it to the books. A refusal comes back as a fault with the numbers
// that belong to it.
func (s *Server) place(c *call, w *wish, channel trade.Channel) (trade.Answer, error) {
	line, err := s.security(w.Symbol)
	if err != nil {
		var f *fault
		if errors.As(err, &f) {
			f.Status, f.Code = http.StatusUnprocessableEntity, edgeTexts[symbolUnknown].code
		}
		return trade.Answer{}, err
	}
	kind, err := w.orderType(line.Venue)
	if err != nil {
		return trade.Answer{}, err
	}
	_, again := s.Day(c.who.Account).OrderByClientID(c.who.Account, w.ClientID)
	if !again { // a replay has its answer already
		if err := s.cage(c, &line, &risk.Order{Side: w.Side, Type: kind, Price: w.Price, Quantity: w.Quantity}); err != nil {
			return trade.Answer{}, err
		}
	}
	command := trade.Command{Kind: trade.PlaceOrderKind, PlaceOrder: trade.PlaceOrder{
		Account: c.who.Account, Security: line.ID, Side: w.Side, Type: kind, Channel: channel, Price: w.Price,
		Quantity: w.Quantity, ClientID: []byte(w.ClientID)}}
	answer, err := s.carry(c, c.who, &command)
	if err != nil {
		return trade.Answer{}, findable(err, w.ClientID)
	}
	if answer.Reason != trade.Accepted {
		return trade.Answer{}, s.explained(c, refused(answer.Reason, answer.Numbers), answer.Reason, &line)
	}
	if c.hidden && !answer.Replayed { // what is known of an order just taken; one of before may be anything by now
		now, p := s.now(), &command.PlaceOrder
		c.placed = &trade.Order{ID: answer.Order, Account: p.Account, Security: p.Security, Side: p.Side, Type: p.Type,
			Status: trade.PendingNew, Channel: p.Channel, Price: p.Price, Quantity: p.Quantity, Placed: now, Updated: now,
			Day: line.Day, ClientID: p.ClientID}
	}
	return answer, nil
}

// findable adds the name by which a client can ask what became of an order, where that is not known: it may be ours.
func findable(err error, clientID string) error {
	if errors.Is(err, intake.ErrUnknown) {
		return faultOf(err).with("client_order_id", clientID)
	}
	return err
}

// explained adds what Alpaca's clients read from a refusal for lack of cash or shares.
func (s *Server) explained(c *call, f *fault, r trade.Reason, line *trade.Security) *fault {
	f = f.with("symbol", string(line.Symbol))
	switch r {
	case trade.InsufficientSellable:
		p, _ := s.Day(c.who.Account).Position(c.who.Account, line.ID)
		related := []string{}
		for _, o := range s.Day(c.who.Account).Orders(c.who.Account, records.OrderFilter{Open: true,
			Securities: []trade.SecurityID{line.ID}, Side: trade.Sell, Limit: 20}) {
			related = append(related, orderID(o.ID))
		}
		return f.with("available", shares(p.Sellable)).with("existing_qty", shares(p.Total)).
			with("held_for_orders", shares(p.Frozen)).with("related_orders", related)
	case trade.InsufficientCash:
		b, _ := s.Day(c.who.Account).Balance(c.who.Account)
		return f.with("buying_power", b.Available.String())
	}
	return f
}

// quoteLife is how old market data may be for advice to be given from it.
const quoteLife = 10 * time.Second

// cage refuses, before it goes in, a limit order that the exchange would reject for the price cage by the latest
// quote. It is advice: with an old quote, or none, the order goes in and the exchange decides. And it comes last: an
// order that the books would refuse is left to them, who say it better.
func (s *Server) cage(c *call, line *trade.Security, o *risk.Order) error {
	if o.Type != trade.Limit || o.Price <= 0 || s.Clock().Sub(s.Market.Heard()) > quoteLife {
		return nil
	}
	q, ok := s.Market.LatestQuote(string(line.Symbol))
	if !ok || q.Phase != trade.Continuous || q.UpperLimit > 0 && (o.Price > q.UpperLimit || o.Price < q.LowerLimit) {
		return nil
	}
	terms, ok := s.Rules().Terms(line.Venue, line.Board, line.Condition, line.Day)
	if !ok || !terms.OnTick(o.Price) || !s.covered(c, line, o, &terms) {
		return nil
	}
	seen := risk.Quote{BestBid: q.BestBid().Price, BestAsk: q.BestAsk().Price, Last: q.Last,
		PreviousClose: q.PreviousClose}
	reason, n := risk.Cage(o, &terms, q.Phase, seen)
	if reason == trade.Accepted || n.Bound <= 0 {
		return nil
	}
	bound := money.Price(n.Bound).String()
	reference := rules.Reference(o.Side, seen.BestBid, seen.BestAsk, seen.Last, seen.PreviousClose)
	return say(cageAdvice, o.Price, bound).numbers(o.Price.String(), bound, bound).
		with("symbol", string(line.Symbol)).with("reference", reference.String()).with("advice", true)
}

// covered reports whether the account has the cash or shares for an order of a valid quantity, as far as the views
// know.
func (s *Server) covered(c *call, line *trade.Security, o *risk.Order, t *rules.Terms) bool {
	p, _ := s.Day(c.who.Account).Position(c.who.Account, line.ID)
	if reason, _ := t.ValidQuantity(o.Side, o.Type, o.Quantity, p.Sellable); reason != trade.Accepted {
		return false
	}
	if o.Side == trade.Sell {
		return true
	}
	known, _ := s.Directory.Account(c.who.Account)
	b, _ := s.Day(c.who.Account).Balance(c.who.Account)
	amount, fits := money.Amount(o.Price, o.Quantity)
	fees, charged := t.Fees(trade.Buy, amount, known.Commission)
	return fits && charged && amount <= b.Available-fees.Total
}

// orderAnswer reads an order back from the records: an answer of the books is given after they were folded.
func (s *Server) orderAnswer(c *call, id trade.OrderID) (int, any, error) {
	o, err := s.findOrder(c, id)
	switch {
	case err == nil:
		return http.StatusOK, s.order(&o, c.native), nil
	case c.placed != nil && c.placed.ID == id:
		return http.StatusOK, s.order(c.placed, c.native), nil
	case c.hidden: // it was done: who is told to come back would do it again
		return 0, nil, say(outcomeUnknown)
	}
	return 0, nil, err
}

func (s *Server) findOrder(c *call, id trade.OrderID) (trade.Order, error) {
	if o, ok := s.Day(c.who.Account).Order(c.who.Account, id); ok {
		return o, nil
	}
	if s.older(c) {
		o, ok, err := s.past(c).Order(c.r.Context(), c.who.Account, id)
		if err != nil {
			return trade.Order{}, historyFault(err)
		}
		if ok {
			return o, nil
		}
	}
	return trade.Order{}, c.missing(say(orderUnknown, orderID(id)))
}

// missing is what a client is told who asks for what is not here: where the views may be behind, it may be elsewhere.
func (c *call) missing(f *fault) *fault {
	if c.stale {
		f = say(unavailable)
		f.After = time.Second
	}
	return f
}

// older reports whether there may be more of an account than the memory has: not when its first event is there.
func (s *Server) older(c *call) bool {
	day := s.Day(c.who.Account)
	return s.History != nil && day.FirstNumber(c.who.Account) != 1
}

func historyFault(err error) *fault {
	if busy := (*intake.BusyError)(nil); errors.As(err, &busy) {
		return busyFault(busy)
	}
	f := say(historyDown)
	f.After, f.cause = 10*time.Second, err
	return f
}

func (c *call) orderID() (trade.OrderID, error) {
	text := c.r.PathValue("id")
	number, ok := parseID(orderKind, text)
	if !ok {
		return 0, say(orderUnknown, clip(text))
	}
	return trade.OrderID(number), nil
}

// getOrder is GET /v2/orders/{id}.
func getOrder(s *Server, c *call) (int, any, error) {
	id, err := c.orderID()
	if err != nil {
		return 0, nil, err
	}
	return s.orderAnswer(c, id)
}

// getOrderByClientID is GET /v2/orders:by_client_order_id.
func getOrderByClientID(s *Server, c *call) (int, any, error) {
	client := c.r.URL.Query().Get("client_order_id")
	if client == "" {
		return 0, nil, say(badQuery, "client_order_id", "is required")
	}
	o, ok := s.Day(c.who.Account).OrderByClientID(c.who.Account, client)
	if !ok && s.older(c) {
		var err error
		if o, ok, err = s.past(c).OrderByClientID(c.r.Context(), c.who.Account, client); err != nil {
			return 0, nil, historyFault(err)
		}
	}
	if !ok {
		return 0, nil, c.missing(say(orderUnknown, clip(client)))
	}
	return http.StatusOK, s.order(&o, c.native), nil
}

// Limits of GET /v2/orders, of Alpaca.
const (
	ordersDefault = 50
	ordersMost    = 500
)

// getOrders is GET /v2/orders.
func getOrders(s *Server, c *call) (int, any, error) {
	q := c.query()
	f := records.OrderFilter{Limit: q.integer("limit", ordersDefault, 1, ordersMost), After: q.moment("after"),
		Until: q.moment("until")}
	switch q.choice("status", "open", "closed", "all") {
	case "open":
		f.Open = true
	case "closed":
		f.Closed = true
	}
	if q.choice("direction", "desc", "asc") == "asc" {
		f.Direction = records.OldestFirst
	}
	switch q.choice("side", "any", "buy", "sell") {
	case "buy":
		f.Side = trade.Buy
	case "sell":
		f.Side = trade.Sell
	}
	for name, cursor := range map[string]*trade.OrderID{"before_order_id": &f.BeforeID, "after_order_id": &f.AfterID} {
		if text := q.text(name); text != "" {
			number, ok := parseID(orderKind, text)
			if !ok {
				q.wrong(name, "is not an order id")
			}
			*cursor = trade.OrderID(number)
		}
	}
	classes := q.list("asset_class")
	none := len(classes) > 0
	for _, class := range classes {
		none = none && class != "us_equity" && class != "cn_equity" && class != "all"
	}
	if q.err != nil {
		return 0, nil, q.err
	}
	symbols := q.list("symbols")
	for _, symbol := range symbols {
		if line, err := s.symbols.Find(symbol); err == nil {
			f.Securities = append(f.Securities, line.ID)
		}
	}
	list := []orderEntity{}
	if none || len(symbols) > 0 && len(f.Securities) == 0 {
		return http.StatusOK, list, nil
	}
	rows, err := s.orderRows(c, &f)
	if err != nil {
		return 0, nil, err
	}
	for i := range rows {
		list = append(list, s.order(&rows[i], c.native))
	}
	return http.StatusOK, list, nil
}

// orderRows reads orders from memory, and what is older from history. Open orders are always in memory. When history
// is down the newest orders are still shown.
func (s *Server) orderRows(c *call, f *records.OrderFilter) ([]trade.Order, error) {
	rows := s.Day(c.who.Account).Orders(c.who.Account, *f)
	if !s.older(c) || f.Open != f.Closed && f.Open {
		return rows, nil
	}
	if f.Direction == records.OldestFirst {
		old, err := s.past(c).Orders(c.r.Context(), c.who.Account, *f)
		if err != nil {
			return nil, historyFault(err)
		}
		return merge(old, rows, f.Limit), nil
	}
	if len(rows) >= f.Limit {
		return rows, nil
	}
	old, err := s.past(c).Orders(c.r.Context(), c.who.Account, *f)
	if err != nil {
		s.Log.Warn("older orders are left out", "request", c.id, "error", err)
		c.w.Header().Set("X-History", "unavailable")
		return rows, nil
	}
	return merge(rows, old, f.Limit), nil
}

// merge appends the orders of second that first does not have. Memory has the last word on an order that both have.
func merge(first, second []trade.Order, limit int) []trade.Order {
	at := map[trade.OrderID]int{}
	for i := range first {
		at[first[i].ID] = i
	}
	for i := range second {
		if k, both := at[second[i].ID]; !both {
			first = append(first, second[i])
		} else if second[i].Updated > first[k].Updated {
			first[k] = second[i]
		}
	}
	if len(first) > limit {
		first = first[:limit]
	}
	return first
}

// deleteOrder is DELETE /v2/orders/{id}: 204, the cancel is under way.
func deleteOrder(s *Server, c *call) (int, any, error) {
	id, err := c.orderID()
	if err != nil {
		return 0, nil, err
	}
	if err := s.cancel(c, id); err != nil {
		return 0, nil, err
	}
	return http.StatusNoContent, nil, nil
}

func (s *Server) cancel(c *call, id trade.OrderID) error {
	return s.take(c, &trade.Command{Kind: trade.CancelOrderKind,
		CancelOrder: trade.CancelOrder{Account: c.who.Account, Order: id, Channel: trade.REST}})
}

// outcome is one line of a 207.
type outcome struct {
	ID     string `json:"id,omitempty"`
	Symbol string `json:"symbol,omitempty"`
	Status int    `json:"status"`
	Body   any    `json:"body,omitempty"`
}

// deleteOrders is DELETE /v2/orders: a line for each open order.
func deleteOrders(s *Server, c *call) (int, any, error) {
	return http.StatusMultiStatus, s.cancelAll(c, 0), nil
}

// cancelAll cancels the open orders, of one security when it is given. A refusal of one does not stop the others.
func (s *Server) cancelAll(c *call, only trade.SecurityID) []outcome {
	f := records.OrderFilter{Open: true, Direction: records.OldestFirst}
	if only != 0 {
		f.Securities = []trade.SecurityID{only}
	}
	list := []outcome{}
	for {
		rows := s.Day(c.who.Account).Orders(c.who.Account, f)
		for i := range rows {
			f.AfterID = rows[i].ID
			if rows[i].Status == trade.CancelPending || rows[i].Status == trade.ReplacePending {
				continue
			}
			line := outcome{ID: orderID(rows[i].ID), Status: http.StatusOK}
			if err := s.cancel(c, rows[i].ID); err != nil {
				refusal := faultOf(err)
				line.Status, line.Body = refusal.Status, refusal.entity(c.id, c.chinese)
			}
			list = append(list, line)
		}
		if len(rows) < records.MaxRows {
			return list
		}
	}
}

// patchOrder is PATCH /v2/orders/{id}: the answer is the new order.
func patchOrder(s *Server, c *call) (int, any, error) {
	id, err := c.orderID()
	if err != nil {
		return 0, nil, err
	}
	f, err := readForm(c.r)
	if err != nil {
		return 0, nil, err
	}
	for _, name := range []string{"stop_price", "trail"} {
		if f.has(name) {
			f.fail(say(featureNot, name, "only qty and limit_price can be replaced"))
		}
	}
	if force := strings.ToLower(f.text("time_in_force")); force != "" && force != "day" {
		f.fail(say(tifUnavailable, clip(force), "day"))
	}
	v := trade.ReplaceOrder{Account: c.who.Account, Order: id, Channel: trade.REST, Price: f.price("limit_price"),
		Quantity: f.quantity("qty")}
	client := f.text("client_order_id")
	switch {
	case f.err != nil:
		return 0, nil, f.err
	case f.has("qty") && v.Quantity <= 0:
		return 0, nil, refused(trade.QuantityNotPositive, trade.Numbers{Given: int64(v.Quantity)})
	case len(client) > trade.MaxClientID:
		return 0, nil, refused(trade.ClientIDTooLong, trade.Numbers{Given: int64(len(client)), Bound: trade.MaxClientID})
	}
	if client, err = s.idempotent(c, client, f.raw); err != nil {
		return 0, nil, err
	}
	v.ClientID = []byte(client)
	if err := s.cageReplacement(c, &v); err != nil {
		return 0, nil, err
	}
	answer, err := s.carry(c, c.who, &trade.Command{Kind: trade.ReplaceOrderKind, ReplaceOrder: v})
	if err != nil {
		return 0, nil, findable(err, client)
	}
	if answer.Reason != trade.Accepted {
		return 0, nil, refused(answer.Reason, answer.Numbers)
	}
	if answer.Replayed {
		c.w.Header().Set("Idempotent-Replay", "true")
	}
	return s.orderAnswer(c, answer.Order)
}

// cageReplacement gives the advice of cage for a replacement. What the old order binds is not counted as free, so the
// advice is given less often than it could be.
func (s *Server) cageReplacement(c *call, v *trade.ReplaceOrder) error {
	if _, again := s.Day(c.who.Account).OrderByClientID(c.who.Account, string(v.ClientID)); again || v.Price == 0 {
		return nil
	}
	old, ok := s.Day(c.who.Account).Order(c.who.Account, v.Order)
	line, known := s.Listing.Security(old.Security)
	if !ok || !known || old.Status.Done() {
		return nil
	}
	quantity := old.Quantity
	if v.Quantity != 0 {
		quantity = v.Quantity
	}
	return s.cage(c, &line, &risk.Order{Side: old.Side, Type: old.Type, Price: v.Price, Quantity: quantity})
}
