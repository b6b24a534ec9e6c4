package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/coder/websocket"

	"evenkeel/core/trade"
	"evenkeel/records"
)

// sse is an open stream of server-sent events. Each write has its own deadline, and the server's times for whole
// requests are lifted.
type sse struct {
	w       http.ResponseWriter
	control *http.ResponseController
	write   time.Duration
	buffer  bytes.Buffer
}

func (s *Server) openSSE(c *call) *sse {
	e := &sse{w: c.w, control: http.NewResponseController(c.w), write: s.Limits.StreamWrite}
	_ = e.control.SetReadDeadline(time.Time{}) // a writer without deadlines has none to lift
	h := c.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no")
	c.status = http.StatusOK
	s.allowance(c)
	c.w.WriteHeader(http.StatusOK)
	return e
}

func (e *sse) flush() error {
	_ = e.control.SetWriteDeadline(time.Now().Add(e.write))
	if _, err := e.w.Write(e.buffer.Bytes()); err != nil {
		return err
	}
	e.buffer.Reset()
	err := e.control.Flush()
	_ = e.control.SetWriteDeadline(time.Time{}) // HTTP/2 resets a stream whose deadline passes, written to or not
	return err
}

// comment keeps the connection open.
func (e *sse) comment() error {
	e.buffer.WriteString(": keep-alive\n\n")
	return e.flush()
}

// data sends one event; id is left out when it is "".
func (e *sse) data(id string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if id != "" {
		fmt.Fprintf(&e.buffer, "id: %s\n", id)
	}
	e.buffer.WriteString("data: ")
	e.buffer.Write(b)
	e.buffer.WriteString("\n\n")
	return e.flush()
}

// stretch is which part of an account's stream a client asks for.
type stretch struct {
	after   uint64     // events behind this number
	since   trade.Time // of the stream's own time (at); 0: not asked
	until   trade.Time
	untilID uint64
	ends    bool // until was given: the stream ends when it is reached
}

// readStretch reads since, since_id, until and until_id. since or since_id, not both; until only with one of them.
func (s *Server) readStretch(c *call) (v stretch, err error) {
	q := c.query()
	sinceText, sinceID := q.text("since"), q.text("since_id")
	untilText, untilID := q.text("until"), q.text("until_id")
	v.since, v.until = q.moment("since"), q.moment("until")
	v.ends = untilText != "" || untilID != ""
	switch {
	case sinceText != "" && sinceID != "":
		q.wrong("since_id", "give since or since_id, not both")
	case untilText != "" && untilID != "":
		q.wrong("until_id", "give until or until_id, not both")
	case v.ends && sinceText == "" && sinceID == "":
		q.wrong("until", "needs since or since_id")
	case v.since != 0 && v.until != 0 && v.until < v.since:
		q.wrong("until", "is before since")
	}
	if sinceID != "" {
		number, err := parseEventID(c.who.Account, sinceID)
		if err != nil {
			q.wrong("since_id", err.Error())
		}
		v.after = max(number, 1) - 1 // since_id is inclusive
	}
	if untilID != "" {
		number, err := parseEventID(c.who.Account, untilID)
		if err != nil {
			q.wrong("until_id", err.Error())
		}
		v.untilID = number
	}
	if sinceText == "" && sinceID == "" {
		v.after = s.Day(c.who.Account).LastNumber(c.who.Account)
	}
	return v, q.err
}

// errEnd ends a stream that was asked for up to a point.
var errEnd = errors.New("the end that was asked for")

// streamEvents is GET /v2/events/trades: trade updates as server-sent events.
func streamEvents(s *Server, c *call) (int, any, error) {
	v, err := s.readStretch(c)
	if err != nil {
		return 0, nil, err
	}
	ctx, place, err := s.begin(c, "events")
	if err != nil {
		return 0, nil, err
	}
	defer place.end()
	if err := s.pace(ctx, c); err != nil {
		return 0, nil, abort(err)
	}
	out := s.openSSE(c)
	if err := out.comment(); err != nil {
		return 0, nil, abort(err)
	}
	err = s.replay(ctx, c, out, &v)
	if errors.Is(err, errEnd) {
		return 0, nil, nil
	}
	return 0, nil, abort(err)
}

// pace holds a new stream when its key opens them too fast.
func (s *Server) pace(ctx context.Context, c *call) error {
	key := c.who.Key
	if key == "" {
		key = string(c.who.Session[:])
	}
	wait := s.paces.wait(key)
	if wait == 0 {
		return nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// abort breaks the connection off. A clean end would stop the published Go client for ever.
func abort(error) error { panic(http.ErrAbortHandler) }

// replay gives out a stretch, and goes on live when it has no end.
func (s *Server) replay(ctx context.Context, c *call, out *sse, v *stretch) error {
	last := s.Day(c.who.Account).LastNumber(c.who.Account)
	if v.since != 0 {
		v.after = s.numberBefore(c, v.since)
	}
	visit := func(e *trade.Event) error {
		if v.untilID != 0 && e.Number > v.untilID || v.until != 0 && atOf(e) > v.until {
			return errEnd
		}
		if u, ok := s.update(e, c.native); ok && (v.since == 0 || since(e, v.since)) {
			return out.data("", u)
		}
		return nil
	}
	if v.ends {
		// What was asked for may lie wholly in the past: then there is no event behind it to end the stream.
		if v.untilID != 0 {
			last = min(last, v.untilID)
		}
		if v.after >= last && (v.untilID != 0 || v.until <= s.now()) {
			return errEnd
		}
		inner := visit
		visit = func(e *trade.Event) error {
			if err := inner(e); err != nil {
				return err
			}
			if e.Number >= last && (v.untilID != 0 || v.until <= s.now()) {
				return errEnd
			}
			return nil
		}
	}
	return s.follow(ctx, c, v.after, s.Limits.KeepAlive, visit, func() error {
		if v.until != 0 && s.now() > v.until {
			return errEnd
		}
		return out.comment()
	})
}

// numberBefore returns a number behind which all events since a time are; it may be too small, never too large.
func (s *Server) numberBefore(c *call, at trade.Time) uint64 {
	rows, err := s.events(c, records.EventFilter{From: at &^ atMask, Direction: records.OldestFirst, Limit: 1})
	switch {
	case err != nil:
		return 0
	case len(rows) == 0:
		return s.Day(c.who.Account).LastNumber(c.who.Account)
	}
	return rows[0].Number - 1
}

// nativeEvent is an event of an account as the native API gives it: numbered without gaps.
type nativeEvent struct {
	Number   uint64          `json:"number"`
	ID       string          `json:"id"`
	Kind     string          `json:"kind"`
	Time     string          `json:"time"`
	Day      string          `json:"day"`
	Order    *orderEntity    `json:"order,omitempty"`
	Trade    *nativeTrade    `json:"trade,omitempty"`
	Balance  *nativeBalance  `json:"balance,omitempty"`
	Position *nativePosition `json:"position,omitempty"`
	Amount   *string         `json:"amount,omitempty"`
	Ref      *string         `json:"reference,omitempty"`
	Quantity *string         `json:"quantity,omitempty"`
	Equity   *string         `json:"equity,omitempty"`
}

type nativeTrade struct {
	ExecutionID string `json:"execution_id"`
	Price       string `json:"price"`
	Quantity    string `json:"quantity"`
	Amount      string `json:"amount"`
	Fees        feesCN `json:"fees"`
}

type nativeBalance struct {
	Available    string `json:"available"`
	Frozen       string `json:"frozen"`
	Receivable   string `json:"receivable"`
	Withdrawable string `json:"withdrawable"`
}

type nativePosition struct {
	Symbol   string `json:"symbol"`
	Name     string `json:"name"`
	Total    string `json:"total"`
	Sellable string `json:"sellable"`
	Frozen   string `json:"frozen"`
	Bought   string `json:"bought_today"`
	Cost     string `json:"cost"`
}

func balanceOf(b trade.Balance) *nativeBalance {
	return &nativeBalance{Available: b.Available.String(), Frozen: b.Frozen.String(), Receivable: b.Receivable.String(),
		Withdrawable: b.Withdrawable().String()}
}

func (s *Server) nativePosition(p *trade.Position) *nativePosition {
	line, _ := s.Listing.Security(p.Security)
	return &nativePosition{Symbol: string(line.Symbol), Name: string(line.Name), Total: shares(p.Total),
		Sellable: shares(p.Sellable), Frozen: shares(p.Frozen), Bought: shares(p.Bought), Cost: p.Cost.String()}
}

func (s *Server) nativeEvent(e *trade.Event) nativeEvent {
	n := nativeEvent{Number: e.Number, ID: eventID(e), Kind: kindWords[e.Kind], Time: stamp(e.Time), Day: dayText(e.Day)}
	switch {
	case e.Kind.OfOrder():
		n.Order, n.Balance = pointer(s.order(&e.Order, true)), balanceOf(e.Balance)
		if e.Position.Security != 0 {
			n.Position = s.nativePosition(&e.Position)
		}
		if e.Kind == trade.OrderTraded {
			n.Trade = &nativeTrade{ExecutionID: executionID(e), Price: e.Trade.Price.String(),
				Quantity: shares(e.Trade.Quantity), Amount: e.Trade.Amount.String(), Fees: feesOf(e.Trade.Fees)}
		}
	case e.Kind == trade.CashMoved:
		n.Amount, n.Ref, n.Balance = pointer(e.Cash.Amount.String()), pointer(string(e.Cash.Reference)), balanceOf(e.Balance)
	case e.Kind == trade.SharesMoved:
		n.Quantity, n.Ref = pointer(shares(e.Shares.Quantity)), pointer(string(e.Shares.Reference))
		n.Position, n.Balance = s.nativePosition(&e.Position), balanceOf(e.Balance)
	case e.Kind == trade.AccountDay:
		n.Balance, n.Equity = balanceOf(e.Balance), pointer(e.Equity.String())
	case e.Kind == trade.PositionDay:
		n.Position = s.nativePosition(&e.Position)
	}
	return n
}

// streamNative is GET /api/v1/events?from=N: the account's events from number N on, then live; server-sent events, or
// a WebSocket when the request asks for one. Last-Event-ID goes on where a browser was.
func streamNative(s *Server, c *call) (int, any, error) {
	after, err := s.readFrom(c)
	if err != nil {
		return 0, nil, err
	}
	ctx, place, err := s.begin(c, "native")
	if err != nil {
		return 0, nil, err
	}
	defer place.end()
	if upgrade(c.r) == nil {
		s.nativeSocket(ctx, c, after)
		return 0, nil, nil
	}
	if err := s.pace(ctx, c); err != nil {
		return 0, nil, abort(err)
	}
	out := s.openSSE(c)
	if err := out.comment(); err != nil {
		return 0, nil, abort(err)
	}
	return 0, nil, abort(s.follow(ctx, c, after, s.Limits.KeepAlive, func(e *trade.Event) error {
		return out.data(strconv.FormatUint(e.Number, 10), s.nativeEvent(e))
	}, out.comment))
}

// readFrom reads from (inclusive, 1 is the first event), else Last-Event-ID (exclusive); else the stream is live
// only.
func (s *Server) readFrom(c *call) (after uint64, err error) {
	text, header := c.r.URL.Query().Get("from"), c.r.Header.Get("Last-Event-Id")
	last := s.Day(c.who.Account).LastNumber(c.who.Account)
	if c.stale && text+header != "" { // the number may be right, and not here yet
		f := say(unavailable)
		f.After = time.Second
		return 0, f
	}
	switch {
	case header != "":
		if after, err = strconv.ParseUint(header, 10, 64); err != nil || after > last {
			return 0, say(badQuery, "Last-Event-ID", fmt.Sprintf("%q is not a number up to %d", clip(header), last))
		}
		return after, nil
	case text == "":
		return last, nil
	}
	from, err := strconv.ParseUint(text, 10, 64)
	if err != nil || from < 1 || from > last+1 {
		f := say(badQuery, "from", fmt.Sprintf("%q is not a number from 1 to %d", clip(text), last+1))
		return 0, f.numbers(clip(text), strconv.FormatUint(last+1, 10), strconv.FormatUint(last+1, 10))
	}
	return from - 1, nil
}

// nativeSocket gives the events out over a WebSocket, one JSON text frame each.
func (s *Server) nativeSocket(ctx context.Context, c *call, after uint64) {
	ws, err := s.accept(c, false)
	if err != nil {
		return
	}
	defer func() { _ = ws.CloseNow() }()
	ctx = ws.CloseRead(ctx) // it says nothing, and we hear when it goes
	_ = s.follow(ctx, c, after, s.Limits.KeepAlive, func(e *trade.Event) error {
		b, err := json.Marshal(s.nativeEvent(e))
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, s.Limits.StreamWrite)
		defer cancel()
		return ws.Write(ctx, websocket.MessageText, b)
	}, func() error { return s.ping(ctx, ws) }) // whatever ended it, the connection is cut
}

// getEvents is GET /api/v1/events/list: a page of the account's events.
func getEvents(s *Server, c *call) (int, any, error) {
	q := c.query()
	limit := q.integer("limit", 100, 1, records.MaxRows)
	if q.err != nil {
		return 0, nil, q.err
	}
	after := uint64(0)
	if c.r.URL.Query().Get("from") != "" {
		var err error
		if after, err = s.readFrom(c); err != nil {
			return 0, nil, err
		}
	}
	rows, err := s.events(c, records.EventFilter{After: after, Direction: records.OldestFirst, Limit: limit})
	if err != nil {
		return 0, nil, err
	}
	list := make([]nativeEvent, len(rows))
	for i := range rows {
		list[i] = s.nativeEvent(&rows[i])
	}
	return http.StatusOK, map[string]any{"events": list, "last": s.Day(c.who.Account).LastNumber(c.who.Account)}, nil
}
