package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/vmihailenco/msgpack/v5"

	"evenkeel/auth"
	"evenkeel/core/trade"
	"evenkeel/records"
)

// update is one trade update, as both of Alpaca's account streams give it.
type update struct {
	At          string      `json:"at"`
	Event       string      `json:"event"`
	EventID     string      `json:"event_id"`
	ExecutionID string      `json:"execution_id"`
	Order       orderEntity `json:"order"`
	PositionQty string      `json:"position_qty"`
	Price       *string     `json:"price,omitempty"`
	Qty         *string     `json:"qty,omitempty"`
	Timestamp   string      `json:"timestamp"`
	CN          updateCN    `json:"cn"`
}

type updateCN struct {
	Number uint64  `json:"event_number"`
	Reason *string `json:"reason,omitempty"`
}

// Times of the stream must rise strictly, because a client resumes a nanosecond behind the last one; the times of the
// books only never fall. So at is the event's time without its last 20 bits, with the last 20 bits of its number in
// their place: about a millisecond of precision (timestamp has the exact time), the same on every machine.
const (
	atBits = 20
	atMask = 1<<atBits - 1
)

func atOf(e *trade.Event) trade.Time { return e.Time&^atMask | trade.Time(e.Number&atMask) }

// atNear is how close to the end of their circle the last bits of a time must be for it to be taken for that of an
// event just before the numbers began again.
const atNear = 1 << 12

// since reports whether an event comes at or after a time of the stream: that of another event, or any that a client
// thinks of. Where the last bits begin again within one span, the events behind that are given rather than lost.
func since(e *trade.Event, at trade.Time) bool {
	mine := atOf(e)
	if mine >= at {
		return true
	}
	return mine&^atMask == at&^atMask && at&atMask > atMask-atNear && mine&atMask < atNear
}

// update makes the trade update of an event; false for an event that the streams do not have.
func (s *Server) update(e *trade.Event, native bool) (u update, ok bool) {
	word := updateWord(e)
	if word == "" {
		return u, false
	}
	u = update{At: stamp(atOf(e)), Event: word, EventID: eventID(e), ExecutionID: executionID(e),
		Order: s.order(&e.Order, native), PositionQty: shares(e.Position.Total), Timestamp: stamp(e.Time),
		CN: updateCN{Number: e.Number}}
	if e.Kind == trade.OrderTraded {
		u.Price, u.Qty = pointer(e.Trade.Price.String()), pointer(shares(e.Trade.Quantity))
	}
	if e.Kind == trade.CancelRefused || e.Kind == trade.ReplaceRefused {
		u.CN.Reason = pointer(refused(e.Order.Reason, e.Order.Numbers).Reason)
	}
	return u, true
}

// follow calls visit with the events of an account behind a number, in order and without a gap, from history, memory
// and then as they come, until visit or the context ends it. Between two looks it calls idle, when keep has passed in
// silence. Where a snapshot replaces the view, it goes on in the new one behind the last number.
func (s *Server) follow(
	ctx context.Context, c *call, after uint64, keep time.Duration, visit func(*trade.Event) error, idle func() error,
) error {
	ticker := time.NewTicker(keep)
	defer ticker.Stop()
	for {
		day := s.Day(c.who.Account)
		news, stop, err := day.Watch(c.who.Account)
		if err != nil {
			return err
		}
		for err == nil && !day.Retired() {
			var found int
			if found, err = s.visitEvents(c, &after, visit); err != nil {
				break
			}
			if found > 0 {
				ticker.Reset(keep)
				continue
			}
			select {
			case <-news:
			case <-ticker.C:
				err = idle()
			case <-ctx.Done():
				err = ctx.Err()
			}
		}
		stop()
		if err != nil {
			return err
		}
	}
}

// visitEvents gives out what there is behind a number, and moves it.
func (s *Server) visitEvents(c *call, after *uint64, visit func(*trade.Event) error) (found int, err error) {
	if !s.Directory.Holds(c.who, s.now()) {
		return 0, errGone
	}
	rows, err := s.events(c, records.EventFilter{After: *after, Direction: records.OldestFirst, Limit: records.MaxRows})
	if err != nil {
		return 0, err
	}
	for i := range rows {
		if err := visit(&rows[i]); err != nil {
			return i, err
		}
		*after = rows[i].Number
	}
	return len(rows), nil
}

// accept upgrades to a WebSocket. Browsers of other sites are let in only where credentials come in a message.
func (s *Server) accept(c *call, anyOrigin bool) (*websocket.Conn, error) {
	taken := &hijacker{ResponseWriter: c.w}
	ws, err := websocket.Accept(taken, c.r, &websocket.AcceptOptions{
		InsecureSkipVerify: anyOrigin, CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		c.status = http.StatusBadRequest // the library has answered
		return nil, err
	}
	c.status, c.conn = http.StatusSwitchingProtocols, taken.conn
	s.listenTo(c, ws)
	return ws, nil
}

// strangerMessage is the largest message of who has not said who they are.
const strangerMessage = 4 << 10

// talked is why a stream ended whose client said much, and not who they are.
const talked = "say who you are first"

// talks reports whether a stranger has said enough, after so many messages.
func (s *Server) talks(c *call, words int) bool {
	return c.who.Account == 0 && words >= s.Limits.StreamWords
}

// listenTo bounds what may be said on a stream.
func (s *Server) listenTo(c *call, ws *websocket.Conn) {
	most := s.Limits.StreamMessage
	if c.who.Account == 0 {
		most = min(most, strangerMessage)
	}
	ws.SetReadLimit(most)
}

// ping asks whether somebody is there. Nothing else is sent meanwhile, so it waits no longer than a write may take.
func (s *Server) ping(ctx context.Context, ws *websocket.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, s.Limits.StreamWrite)
	defer cancel()
	return ws.Ping(ctx)
}

// upgrade refuses a request that is not for a WebSocket, in the words of every other refusal.
func upgrade(r *http.Request) error {
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") || r.ProtoMajor != 1 {
		return say(webSocketOnly)
	}
	return nil
}

// wantsMsgpack reports whether a stream is asked for in MessagePack.
func wantsMsgpack(r *http.Request) bool {
	return r.Header.Get("Content-Type") == "application/msgpack"
}

// tradeSession is one connection of /stream.
type tradeSession struct {
	s       *Server
	c       *call
	ws      *websocket.Conn
	place   *seat
	late    *time.Timer // ends it when nobody says who it is
	msgpack bool
	writing sync.Mutex
	cancel  context.CancelFunc // of the updates under way
	done    chan struct{}
}

// streamTrades is GET /stream: trade updates over a WebSocket, in binary frames that hold JSON (or MessagePack).
func streamTrades(s *Server, c *call) (int, any, error) {
	if err := upgrade(c.r); err != nil {
		return 0, nil, err
	}
	ctx, place, err := s.begin(c, "trade_updates")
	if err != nil {
		return 0, nil, err
	}
	defer place.end()
	ws, err := s.accept(c, true)
	if err != nil {
		return 0, nil, nil // the library has answered with the reason
	}
	defer func() { _ = ws.CloseNow() }()
	t := &tradeSession{s: s, c: c, ws: ws, place: place, msgpack: wantsMsgpack(c.r),
		late: time.AfterFunc(s.Limits.StreamAuth, func() { place.cancel(errStranger) })}
	defer t.late.Stop()
	defer t.unlisten()
	for words := 0; ; words++ {
		_, message, err := ws.Read(ctx)
		if err != nil {
			return 0, nil, nil // the client has gone, or we drain: both end the stream without a word
		}
		if s.talks(t.c, words) {
			_ = ws.Close(websocket.StatusPolicyViolation, talked)
			return 0, nil, nil
		}
		if err := t.take(ctx, message); err != nil {
			return 0, nil, nil // as above
		}
	}
}

// tradeMessage is what a client may say on /stream, in both forms that are in use.
type tradeMessage struct {
	Action string `json:"action" msgpack:"action"`
	Key    string `json:"key" msgpack:"key"`
	Secret string `json:"secret" msgpack:"secret"`
	Data   struct {
		KeyID   string   `json:"key_id" msgpack:"key_id"`
		Secret  string   `json:"secret_key" msgpack:"secret_key"`
		Streams []string `json:"streams" msgpack:"streams"`
	} `json:"data" msgpack:"data"`
}

// heartbeat is the single byte that older clients send to keep a connection open.
const heartbeat = 0x01

func parseTradeMessage(b []byte) (m tradeMessage, err error) {
	if len(b) > 0 && b[0] == '{' {
		err = json.Unmarshal(b, &m)
		return m, err
	}
	if err = boundedMsgpack(b); err == nil {
		err = msgpack.Unmarshal(b, &m)
	}
	return m, err
}

func (t *tradeSession) take(ctx context.Context, b []byte) error {
	if len(b) == 1 && b[0] == heartbeat {
		return nil
	}
	m, err := parseTradeMessage(b)
	if err != nil {
		return t.fault(ctx, "invalid syntax")
	}
	switch m.Action {
	case "authenticate", "auth":
		return t.authenticate(ctx, &m)
	case "listen":
		return t.listen(ctx, m.Data.Streams)
	}
	return t.fault(ctx, "unknown action "+clip(m.Action))
}

func (t *tradeSession) fault(ctx context.Context, message string) error {
	return t.write(ctx, map[string]any{"action": "error", "data": map[string]any{"error_message": message}})
}

func (t *tradeSession) authenticate(ctx context.Context, m *tradeMessage) error {
	id, secret := m.Data.KeyID, m.Data.Secret
	if id == "" {
		id, secret = m.Key, m.Secret
	}
	who, err := t.s.introduced(ctx, func() (auth.Principal, error) {
		if id == "oauth" || id == "" && secret != "" {
			return t.s.Directory.ByToken(secret, t.s.now())
		}
		return t.s.Directory.ByKey(id, secret)
	})
	status := "authorized"
	if err != nil || !who.MayAny(trade.MayRead|trade.EveryBoard) {
		status, who = "unauthorized", auth.Principal{}
	}
	t.unlisten()
	t.late.Stop()
	if err := t.place.know(who.Account); err != nil {
		return errors.Join(err, t.fault(ctx, faultOf(err).English)) // it ends the stream
	}
	if who.Account == 0 {
		t.late.Reset(t.s.Limits.StreamAuth)
	}
	t.c.who = who
	t.s.listenTo(t.c, t.ws)
	return t.write(ctx, map[string]any{"stream": "authorization", "data": map[string]any{"status": status,
		"action": "authenticate"}})
}

const tradeUpdates = "trade_updates"

// listen replaces what is listened to. Updates begin with the next event.
func (t *tradeSession) listen(ctx context.Context, streams []string) error {
	if t.c.who.Account == 0 {
		return t.write(ctx, map[string]any{"stream": "authorization", "data": map[string]any{"status": "unauthorized",
			"action": "listen"}})
	}
	t.unlisten()
	heard := []string{}
	for _, name := range streams {
		if name == tradeUpdates || name == "account_updates" {
			heard = append(heard, name)
		}
	}
	if t.s.Fresh.Account != nil {
		_, _ = t.s.Fresh.Account(ctx, t.c.who.Account, 0) // what is old must not come as new; if it does, its number tells
	}
	after := t.s.Day(t.c.who.Account).LastNumber(t.c.who.Account)
	if err := t.write(ctx, map[string]any{"stream": "listening", "data": map[string]any{"streams": heard}}); err != nil {
		return err
	}
	for _, name := range heard {
		if name == tradeUpdates {
			ctx, cancel := context.WithCancel(ctx)
			t.cancel, t.done = cancel, make(chan struct{})
			go t.run(ctx, after, t.done)
			break
		}
	}
	return nil
}

func (t *tradeSession) unlisten() {
	if t.cancel != nil {
		t.cancel()
		<-t.done
		t.cancel = nil
	}
}

// run gives the updates out. When it fails the connection is cut: the client comes back.
func (t *tradeSession) run(ctx context.Context, after uint64, done chan struct{}) {
	defer close(done)
	err := t.s.follow(ctx, t.c, after, t.s.Limits.KeepAlive, func(e *trade.Event) error {
		u, ok := t.s.update(e, t.c.native)
		if !ok {
			return nil
		}
		return t.write(ctx, map[string]any{"stream": tradeUpdates, "data": u})
	}, func() error { return t.s.ping(ctx, t.ws) })
	if err != nil && ctx.Err() == nil {
		t.s.measures.cutOff.WithLabelValues(tradeUpdates).Inc()
		_ = t.ws.CloseNow()
	}
}

// write sends one message; who does not read it in time is cut off.
func (t *tradeSession) write(ctx context.Context, message any) error {
	b, err := encodeMessage(message, t.msgpack)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, t.s.Limits.StreamWrite)
	defer cancel()
	t.writing.Lock()
	defer t.writing.Unlock()
	return t.ws.Write(ctx, websocket.MessageBinary, b)
}

// encodeMessage writes JSON, or MessagePack with the same names.
func encodeMessage(message any, packed bool) ([]byte, error) {
	if !packed {
		return json.Marshal(message)
	}
	var b bytes.Buffer
	e := msgpack.NewEncoder(&b)
	e.SetCustomStructTag("json")
	err := e.Encode(message)
	return b.Bytes(), err
}
