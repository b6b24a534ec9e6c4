package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/coder/websocket"

	"evenkeel/core/trade"
	"evenkeel/feed"
	"evenkeel/intake"
)

// The screen has one WebSocket for everything that it shows. What is old news there is never sent: of a security only
// the newest quote goes out, and no more than screenAhead bytes of the market are on the way at a time, so that a slow
// network gets fewer quotes and not older ones. Events of the account are numbered, and go on behind any number, on
// any node.

// Limits of the screen's stream.
const (
	screenFrame  = 50 * time.Millisecond  // from one frame of quotes to the next; never less than half of it
	screenLook   = 250 * time.Millisecond // how often the status is looked at
	screenStatus = 2 * time.Second        // a status that has not changed is sent so often
	screenAhead  = 64 << 10               // bytes of market data on the way to a client
	screenRows   = 256                    // rows of one frame: events get in between
	maxDepths    = 32                     // securities whose depth, or whose trades, one stream may follow
	screenTicks  = 60                     // trades that a subscription begins with
)

// screenMessage is what the screen may say.
type screenMessage struct {
	Op     string          `json:"op"` // subscribe, unsubscribe, events, ping
	Quotes []string        `json:"quotes"`
	Depth  []string        `json:"depth"`
	Ticks  []string        `json:"ticks"`
	After  json.RawMessage `json:"after"` // of events: a number, as text or not
	ID     json.RawMessage `json:"id"`    // of ping: said back
}

// longestID bounds what is said back to a ping, in bytes.
const longestID = 64

func parseScreenMessage(b []byte) (m screenMessage, err error) {
	if err = json.Unmarshal(b, &m); err == nil && len(m.ID) > longestID {
		err = errors.New("the id is too long")
	}
	return m, err
}

// number reads after; live is true when there is none.
func (m *screenMessage) number() (after uint64, live bool, err error) {
	if absent(m.After) {
		return 0, true, nil
	}
	text := string(m.After)
	if text[0] == '"' {
		if err := json.Unmarshal(m.After, &text); err != nil {
			return 0, false, err
		}
	}
	after, err = strconv.ParseUint(text, 10, 63)
	return after, false, err
}

// screenSession is one connection of the screen.
type screenSession struct {
	s       *Server
	c       *call
	ws      *websocket.Conn
	writing sync.Mutex

	giving sync.Mutex // what of the market is sent next, and what was
	reader *feed.Reader
	quotes map[string]bool
	depth  map[string]bool
	ticks  map[string]tapeFrom // what is next of each
	ahead  int                 // bytes of market data since the client was known to have read them

	events context.CancelFunc // ends the events under way
	ended  chan struct{}
}

// streamScreen is GET /api/v1/stream.
func streamScreen(s *Server, c *call) (int, any, error) {
	if err := upgrade(c.r); err != nil {
		return 0, nil, err
	}
	ctx, place, err := s.begin(c, "screen")
	if err != nil {
		return 0, nil, err
	}
	defer place.end()
	reader, err := s.Market.SubscribeLatest()
	if err != nil {
		return 0, nil, noStream(noRoom)
	}
	v := &screenSession{s: s, c: c, reader: reader, quotes: map[string]bool{}, depth: map[string]bool{},
		ticks: map[string]tapeFrom{}}
	defer func() { s.Market.Leave(v.reader) }()
	place.watch(reader.Lag)
	if v.ws, err = s.accept(c, false); err != nil {
		return 0, nil, nil // the library has answered with the reason
	}
	defer func() { _ = v.ws.CloseNow() }()
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { v.pump(ctx) })
	running.Go(func() { v.standing(ctx) })
	v.listen(ctx)
	cancel()
	v.stopEvents()
	running.Wait()
	return 0, nil, nil
}

// listen takes what the client says until it goes.
func (v *screenSession) listen(ctx context.Context) {
	for {
		_, message, err := v.ws.Read(ctx)
		if err != nil {
			return
		}
		m, err := parseScreenMessage(message)
		if err != nil {
			err = v.refuse(ctx, "", say(badJSON, "it cannot be read"))
		} else {
			err = v.take(ctx, &m)
		}
		if err != nil {
			return
		}
	}
}

func (v *screenSession) take(ctx context.Context, m *screenMessage) error {
	switch m.Op {
	case "ping":
		pong := map[string]any{"t": "pong", "time": stamp(v.s.now())}
		if len(m.ID) > 0 && string(m.ID) != "null" {
			pong["id"] = m.ID
		}
		return v.say(ctx, pong)
	case "subscribe", "unsubscribe", "events":
	default:
		return v.refuse(ctx, m.Op, say(badField, "op", "must be subscribe, unsubscribe, events or ping"))
	}
	release, err := v.s.Door.Query(v.c.who.Account, intake.Query)
	if err != nil {
		return v.refuse(ctx, m.Op, err)
	}
	defer release()
	switch m.Op {
	case "events":
		return v.follow(ctx, m)
	case "subscribe":
		return v.subscribe(ctx, m)
	}
	return v.unsubscribe(m)
}

// subscribe adds to what is wanted, and gives its state now.
func (v *screenSession) subscribe(ctx context.Context, m *screenMessage) error {
	if len(m.Quotes) > v.s.Limits.Symbols || len(m.Depth) > maxDepths || len(m.Ticks) > maxDepths {
		return v.refuse(ctx, m.Op, v.tooMany())
	}
	quotes, depth, ticks, err := v.found(m)
	if err != nil {
		if err := v.refuse(ctx, m.Op, err); err != nil { // what is listed is served
			return err
		}
	}
	v.giving.Lock()
	defer v.giving.Unlock()
	if len(v.quotes)+len(quotes) > 2*v.s.Limits.Symbols || len(v.depth)+len(depth) > 2*maxDepths ||
		len(v.ticks)+len(ticks) > 2*maxDepths {
		return v.refuse(ctx, m.Op, v.tooMany())
	}
	for _, symbol := range quotes {
		v.quotes[symbol] = true
	}
	for _, symbol := range depth {
		v.depth[symbol] = true
	}
	for _, symbol := range ticks {
		v.ticks[symbol] = tapeFrom{}
	}
	v.ask()
	return v.present(ctx, quotes, depth, ticks)
}

func (v *screenSession) tooMany() *fault {
	return say(badField, "symbols", fmt.Sprintf("at most %d quotes, %d depths and %d tick lists", v.s.Limits.Symbols,
		maxDepths, maxDepths))
}

// found are the canonical symbols of a message. The error names one that is not listed.
func (v *screenSession) found(m *screenMessage) (quotes, depth, ticks []string, err error) {
	find := func(list []string) (symbols []string) {
		for _, text := range list {
			line, wrong := v.s.symbols.Find(text)
			if wrong != nil {
				err = wrong
				continue
			}
			if symbol := string(line.Symbol); !slices.Contains(symbols[max(0, len(symbols)-1):], symbol) {
				symbols = append(symbols, symbol)
			}
		}
		return symbols
	}
	quotes, depth, ticks = find(m.Quotes), find(m.Depth), find(m.Ticks)
	return quotes, depth, ticks, err
}

func (v *screenSession) unsubscribe(m *screenMessage) error {
	v.giving.Lock()
	defer v.giving.Unlock()
	drop := func(list []string, forget func(symbol string), every func()) {
		for _, text := range list {
			if text == "*" {
				every()
			} else if line, err := v.s.symbols.Find(text); err == nil {
				forget(string(line.Symbol))
			}
		}
	}
	drop(m.Quotes, func(symbol string) { delete(v.quotes, symbol) }, func() { clear(v.quotes) })
	drop(m.Depth, func(symbol string) { delete(v.depth, symbol) }, func() { clear(v.depth) })
	drop(m.Ticks, func(symbol string) { delete(v.ticks, symbol) }, func() { clear(v.ticks) })
	v.ask()
	return nil
}

// ask tells the market what is wanted. Under giving.
func (v *screenSession) ask() {
	var in feed.Interest
	for symbol := range v.quotes {
		in.Want(feed.DepthUpdate, symbol)
	}
	for symbol := range v.depth {
		in.Want(feed.DepthUpdate, symbol)
	}
	for symbol := range v.ticks {
		in.Want(feed.TradeUpdate, symbol)
	}
	v.reader.Ask(in)
}

// follow answers {"op":"events"}: the events of the account behind a number, and then as they come.
func (v *screenSession) follow(ctx context.Context, m *screenMessage) error {
	after, live, err := m.number()
	if err != nil {
		return v.refuse(ctx, m.Op, say(badField, "after", "must be the number of an event"))
	}
	v.stopEvents()
	stale := false
	if v.s.Fresh.Account != nil {
		_, err := v.s.Fresh.Account(ctx, v.c.who.Account, 0)
		stale = err != nil
	}
	last := v.s.Day(v.c.who.Account).LastNumber(v.c.who.Account)
	switch {
	case live:
		after = last
	case after > last && !stale: // where this node may be behind, the number is waited for
		return v.refuse(ctx, m.Op, say(badField, "after", "is beyond the last event").numbers(
			strconv.FormatUint(after, 10), strconv.FormatUint(last, 10), strconv.FormatUint(last, 10)))
	}
	if err := v.say(ctx, map[string]any{"t": "events", "after": strconv.FormatUint(after, 10)}); err != nil {
		return err
	}
	ctx, v.events = context.WithCancel(ctx)
	v.ended = make(chan struct{})
	go v.giveEvents(ctx, after, v.ended)
	return nil
}

func (v *screenSession) stopEvents() {
	if v.events != nil {
		v.events()
		<-v.ended
		v.events = nil
	}
}

// giveEvents gives the events out. Where they cannot be had the client is told, and the rest of the stream goes on.
func (v *screenSession) giveEvents(ctx context.Context, after uint64, ended chan struct{}) {
	defer close(ended)
	err := v.s.follow(ctx, v.c, after, v.s.Limits.KeepAlive, func(e *trade.Event) error {
		return v.say(ctx, map[string]any{"t": "event", "d": v.s.nativeEvent(e)})
	}, func() error { return nil })
	switch {
	case ctx.Err() != nil:
	case errors.Is(err, errGone):
		_ = v.ws.CloseNow()
	case v.refuse(ctx, "events", err) != nil:
		_ = v.ws.CloseNow()
	}
}

// refuse says why something cannot be had.
func (v *screenSession) refuse(ctx context.Context, op string, err error) error {
	f := faultOf(err)
	body := f.wider(f.body(v.c.id, v.c.chinese))
	body["t"] = "error"
	if op != "" {
		body["op"] = clip(op)
	}
	if f.After > 0 {
		body["retry_after"] = seconds(f.After)
	}
	return v.say(ctx, body)
}

func (v *screenSession) say(ctx context.Context, message any) error {
	b, err := json.Marshal(message)
	if err != nil {
		return err
	}
	return v.write(ctx, b)
}

// write sends one frame; who does not take it in time is cut off.
func (v *screenSession) write(ctx context.Context, b []byte) error {
	bounded, cancel := context.WithTimeout(ctx, v.s.Limits.StreamWrite)
	defer cancel()
	v.writing.Lock()
	defer v.writing.Unlock()
	err := v.ws.Write(bounded, websocket.MessageText, b)
	if err != nil && ctx.Err() == nil {
		v.s.measures.cutOff.WithLabelValues("screen").Inc()
	}
	return err
}
