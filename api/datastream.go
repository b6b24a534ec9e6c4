package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/vmihailenco/msgpack/v5"

	"evenkeel/auth"
	"evenkeel/core/trade"
	"evenkeel/feed"
)

// Errors of the data stream. Clients know the codes.
type streamError struct {
	code int
	msg  string
}

var (
	invalidSyntax     = streamError{400, "invalid syntax"}
	notAuthenticated  = streamError{401, "not authenticated"}
	authFailed        = streamError{402, "auth failed"}
	alreadyAuth       = streamError{403, "already authenticated"}
	authTimeout       = streamError{404, "auth timeout"}
	symbolLimit       = streamError{405, "symbol limit exceeded"}
	connectionLimit   = streamError{406, "connection limit exceeded"}
	slowClient        = streamError{407, "slow client"}
	invalidForFeed    = streamError{410, "invalid subscribe action for this feed"}
	insufficientScope = streamError{411, "insufficient scope"}
	placeGone         = streamError{412, "updates behind that place are no longer kept here: what follows is now"}
	badManner         = streamError{400, "invalid syntax: conflate_ms is 0, or from 50 to 60000"}
	internalFault     = streamError{500, "internal error"}
)

// channels of the data stream, in the order in which they are acknowledged.
var channels = [...]struct {
	name string
	kind feed.UpdateKind
	none bool // nothing ever comes: there are no corrections, and no news
}{
	{name: "trades", kind: feed.TradeUpdate}, {name: "quotes", kind: feed.QuoteUpdate},
	{name: "bars", kind: feed.BarUpdate}, {name: "updatedBars", kind: feed.LateBarUpdate},
	{name: "dailyBars", kind: feed.DayBarUpdate}, {name: "statuses", kind: feed.StatusUpdate},
	{name: "lulds", kind: feed.LimitUpdate}, {name: "imbalances", kind: feed.ImbalanceUpdate},
	{name: "orderbooks", kind: feed.DepthUpdate}, {name: "news", none: true},
	{name: "corrections", none: true}, {name: "cancelErrors", none: true},
}

const newsChannel = 9 // in channels; the two behind it follow trades

// feeds that are served, all with the same data. delayed_sip is for requests: a stream of it would be old news.
var feeds = []string{"iex", "sip", "otc", "boats", "overnight", "test"}

// frameMessages bounds the messages of one frame.
const frameMessages = 256

// dataSession is one connection of the data stream.
type dataSession struct {
	s       *Server
	c       *call
	ws      *websocket.Conn
	place   *seat
	packed  bool
	manner  manner                  // of what comes; under writing
	news    bool                    // the stream of news, which has no other channel
	wants   [len(channels)][]string // sorted
	reader  *feed.Listener
	pumped  chan struct{}
	writing sync.Mutex
}

// Limits of the data stream.
const (
	leastPace  = 50 * time.Millisecond // at which a client may ask for the latest
	mostPace   = time.Minute
	placeEvery = 5 * time.Second // a place is told in silence, so that it does not grow old
)

// streamData is GET /v2/{feed}: market data over a WebSocket.
func streamData(s *Server, c *call) (int, any, error) {
	name := c.r.PathValue("feed")
	if name == "delayed_sip" {
		return 0, nil, say(featureNot, "a stream of delayed_sip", "use sip, or requests with feed=delayed_sip")
	}
	if !slices.Contains(feeds, name) || c.r.Header.Get("Upgrade") == "" {
		return 0, nil, say(notFound, clip(c.r.URL.Path))
	}
	return s.openData(c, false)
}

func (s *Server) openData(c *call, news bool) (int, any, error) {
	if err := upgrade(c.r); err != nil {
		return 0, nil, err
	}
	ctx, place, err := s.begin(c, "data")
	if err != nil {
		return 0, nil, err
	}
	defer place.end()
	ws, err := s.accept(c, true)
	if err != nil {
		return 0, nil, nil // the library has answered with the reason
	}
	defer func() { _ = ws.CloseNow() }()
	d := &dataSession{s: s, c: c, ws: ws, place: place, packed: wantsMsgpack(c.r), news: news}
	d.manner.packed = d.packed
	ctx, cancel := context.WithCancel(ctx)
	defer d.leave()
	defer cancel()
	d.run(ctx)
	return 0, nil, nil
}

// leave gives back what the session holds.
func (d *dataSession) leave() {
	if d.reader != nil {
		d.reader.Leave()
		<-d.pumped
	}
}

func (d *dataSession) run(ctx context.Context) {
	if d.send(ctx, func(w *wire) { success(w, "connected") }) != nil {
		return
	}
	late := time.AfterFunc(d.s.Limits.StreamAuth, func() {
		_ = d.refuse(ctx, authTimeout)
		_ = d.ws.Close(websocket.StatusPolicyViolation, "auth timeout")
	})
	defer late.Stop()
	for words := 0; ; words++ {
		_, message, err := d.ws.Read(ctx)
		if err != nil {
			return
		}
		if d.s.talks(d.c, words) {
			_ = d.ws.Close(websocket.StatusPolicyViolation, talked)
			return
		}
		m, err := parseDataMessage(message)
		if err != nil {
			err = d.refuse(ctx, invalidSyntax)
		} else {
			err = d.take(ctx, &m, late)
		}
		if err != nil {
			return
		}
	}
}

// dataMessage is what a client may say.
type dataMessage struct {
	Action      string   `json:"action" msgpack:"action"`
	Key         string   `json:"key" msgpack:"key"`
	Secret      string   `json:"secret" msgpack:"secret"`
	Trades      []string `json:"trades" msgpack:"trades"`
	Quotes      []string `json:"quotes" msgpack:"quotes"`
	Bars        []string `json:"bars" msgpack:"bars"`
	UpdatedBars []string `json:"updatedBars" msgpack:"updatedBars"`
	DailyBars   []string `json:"dailyBars" msgpack:"dailyBars"`
	Statuses    []string `json:"statuses" msgpack:"statuses"`
	LULDs       []string `json:"lulds" msgpack:"lulds"`
	Imbalances  []string `json:"imbalances" msgpack:"imbalances"`
	Orderbooks  []string `json:"orderbooks" msgpack:"orderbooks"`
	News        []string `json:"news" msgpack:"news"`
	// Of a subscription, and of ours alone; what is left out stays as it was.
	Conflate *int64 `json:"conflate_ms" msgpack:"conflate_ms"` // 0: every update; else the latest, once in so many ms
	Places   *bool  `json:"places" msgpack:"places"`           // whether frames end with their place
	Behind   string `json:"behind" msgpack:"behind"`           // the place to go on behind
}

// set changes how market data is wanted.
func (v *manner) set(m *dataMessage) bool {
	if m.Conflate != nil {
		n := *m.Conflate
		if n != 0 && (n < leastPace.Milliseconds() || n > mostPace.Milliseconds()) {
			return false
		}
		v.every = time.Duration(n) * time.Millisecond
	}
	if m.Places != nil {
		v.places = *m.Places
	}
	return true
}

// lists are the symbols of each channel, as channels orders them.
func (m *dataMessage) lists() [len(channels)][]string {
	return [len(channels)][]string{m.Trades, m.Quotes, m.Bars, m.UpdatedBars, m.DailyBars, m.Statuses, m.LULDs,
		m.Imbalances, m.Orderbooks, m.News}
}

// parseDataMessage reads JSON or MessagePack, whichever it is: the first byte of a JSON object is no map.
func parseDataMessage(b []byte) (m dataMessage, err error) {
	if len(b) == 0 {
		return m, errors.New("an empty message")
	}
	if b[0] < 0x80 {
		err = json.Unmarshal(b, &m)
		return m, err
	}
	if err = boundedMsgpack(b); err == nil {
		err = msgpack.Unmarshal(b, &m)
	}
	return m, err
}

func (d *dataSession) take(ctx context.Context, m *dataMessage, late *time.Timer) error {
	switch {
	case m.Action == "auth":
		return d.authenticate(ctx, m, late)
	case d.c.who.Account == 0:
		return d.refuse(ctx, notAuthenticated)
	case m.Action == "subscribe", m.Action == "unsubscribe":
		return d.subscribe(ctx, m)
	}
	return d.refuse(ctx, invalidSyntax)
}

func (d *dataSession) authenticate(ctx context.Context, m *dataMessage, late *time.Timer) error {
	if d.c.who.Account != 0 {
		return d.refuse(ctx, alreadyAuth)
	}
	who, err := d.s.introduced(ctx, func() (auth.Principal, error) {
		if m.Key == "oauth" {
			return d.s.Directory.ByToken(m.Secret, d.s.now())
		}
		return d.s.Directory.ByKey(m.Key, m.Secret)
	})
	switch {
	case err != nil:
		return d.refuse(ctx, authFailed)
	case !who.MayAny(trade.MayRead | trade.EveryBoard):
		return d.refuse(ctx, insufficientScope)
	case d.place.know(who.Account) != nil:
		return d.refuse(ctx, connectionLimit)
	}
	late.Stop()
	d.c.who = who
	d.s.listenTo(d.c, d.ws)
	return d.send(ctx, func(w *wire) { success(w, "authenticated") })
}

// longestSymbol bounds a text that may be a symbol, in bytes: what is not listed is kept and said back too.
const longestSymbol = 32

// subscribe changes what is wanted, says what is wanted now, and only then lets the data come.
func (d *dataSession) subscribe(ctx context.Context, m *dataMessage) error {
	lists, add := m.lists(), m.Action == "subscribe"
	manner, behind := d.manner, feed.Place{}
	if !manner.set(m) {
		return d.refuse(ctx, badManner)
	}
	if m.Behind != "" {
		var err error
		if behind, err = readPlace(m.Behind); err != nil {
			return d.refuse(ctx, invalidSyntax)
		}
	}
	next := d.wants
	total := 0
	for i := range channels {
		switch {
		case len(lists[i]) > d.s.Limits.Symbols:
			return d.refuse(ctx, symbolLimit)
		case slices.ContainsFunc(lists[i], func(symbol string) bool { return len(symbol) > longestSymbol }):
			return d.refuse(ctx, invalidSyntax)
		}
		if d.news && i != newsChannel && len(lists[i]) > 0 {
			return d.refuse(ctx, invalidForFeed)
		}
		next[i] = d.changed(next[i], lists[i], add)
		total += len(next[i])
	}
	next[newsChannel+1], next[newsChannel+2] = next[0], next[0] // corrections and cancels come with the trades
	if total > d.s.Limits.Symbols {
		return d.refuse(ctx, symbolLimit)
	}
	if d.reader == nil {
		reader, err := d.s.Market.Listen()
		if err != nil {
			return d.refuse(ctx, connectionLimit)
		}
		d.reader, d.pumped = reader, make(chan struct{})
		d.place.watch(reader.Lag)
		go d.pump(ctx)
	}
	before := d.wants
	d.writing.Lock() // the pump reads how
	d.wants, d.manner = next, manner
	d.writing.Unlock()
	if err := d.acknowledge(ctx); err != nil {
		return err
	}
	var interest feed.Interest
	for i, channel := range channels {
		if !channel.none {
			interest.Want(channel.kind, next[i]...)
		}
	}
	switch err := d.reader.Ask(interest, manner.form(), behind); {
	case errors.Is(err, feed.ErrPlace):
		if err := d.refuse(ctx, placeGone); err != nil {
			return err
		}
	case err != nil: // the pump says it
		return nil
	case behind != (feed.Place{}):
		return nil // what there was behind the place comes instead
	}
	return d.present(ctx, &before)
}

// changed adds symbols to a sorted list or takes them away. Symbols become canonical; one that is not listed stays as
// it is, and nothing comes for it.
func (d *dataSession) changed(list, symbols []string, add bool) []string {
	list = slices.Clone(list)
	for _, symbol := range symbols {
		if line, err := d.s.symbols.Find(symbol); err == nil {
			symbol = string(line.Symbol)
		}
		at, has := slices.BinarySearch(list, symbol)
		switch {
		case add && !has && len(list) <= d.s.Limits.Symbols:
			list = slices.Insert(list, at, symbol)
		case !add && has:
			list = slices.Delete(list, at, at+1)
		}
	}
	return list
}

func (d *dataSession) acknowledge(ctx context.Context) error {
	return d.send(ctx, func(w *wire) {
		members := 1 + len(channels)
		if d.manner.every > 0 {
			members++
		}
		w.object(members)
		w.member("T", "subscription")
		for i, channel := range channels {
			w.texts(channel.name, d.wants[i]...)
		}
		if d.manner.every > 0 {
			w.count("conflate_ms", uint64(d.manner.every.Milliseconds())) //nolint:gosec // positive
		}
		w.endObject()
	})
}

// present gives the state of what is newly wanted, where a client could not wait for the next change: phases, limits
// and order books.
func (d *dataSession) present(ctx context.Context, before *[len(channels)][]string) error {
	var updates []*feed.Update
	for i, channel := range channels {
		switch channel.kind {
		case feed.StatusUpdate, feed.LimitUpdate, feed.DepthUpdate:
		default:
			continue
		}
		symbols := d.wants[i]
		if slices.Contains(symbols, "*") {
			symbols = d.s.Market.Symbols()
		}
		for _, symbol := range symbols {
			q, ok := d.s.Market.LatestQuote(symbol)
			if !ok || slices.Contains(before[i], symbol) || slices.Contains(before[i], "*") {
				continue
			}
			u := &feed.Update{Kind: channel.kind, Symbol: symbol, Quote: q}
			if channel.kind == feed.StatusUpdate {
				u.Status = &feed.Status{Symbol: symbol, Phase: q.Phase, Time: q.Time}
			}
			updates = append(updates, u)
		}
	}
	return d.give(updates)
}

// pump gives out what the market tells. A reader that falls behind is warned; when it goes on to, it is told so and
// cut off.
func (d *dataSession) pump(ctx context.Context) {
	defer close(d.pumped)
	warned := false
	for {
		err := d.step(ctx, &warned)
		switch {
		case err == nil:
			continue
		case errors.Is(err, feed.ErrSlow), late(err) && ctx.Err() == nil:
			d.s.measures.cutOff.WithLabelValues("data").Inc()
			_ = d.refuse(ctx, slowClient)
		case errors.Is(err, feed.ErrClosed):
			_ = d.refuse(ctx, internalFault)
		}
		_ = d.ws.CloseNow()
		return
	}
}

// step gives out one frame; in silence, the place.
func (d *dataSession) step(ctx context.Context, warned *bool) error {
	waiting, cancel := context.WithTimeout(ctx, placeEvery)
	defer cancel()
	frame, err := d.reader.Next(waiting)
	silent := err != nil && errors.Is(err, waiting.Err()) && ctx.Err() == nil
	switch {
	case err != nil && !silent:
		return err
	case !d.s.Directory.Holds(d.c.who, d.s.now()):
		return errGone
	case silent:
		return d.tellPlace(ctx)
	}
	began := time.Now()
	if err := d.prepared(frame.Bytes()); err != nil {
		return err
	}
	took := time.Since(began)
	_, behind := d.reader.Lag(began)
	switch slow := behind > feed.MaxBehind/2 || took > d.s.Limits.StreamWrite/2; {
	case slow && !*warned:
		d.s.measures.warned.WithLabelValues("data").Inc()
		if err := d.warn(ctx, behind, took); err != nil {
			return err
		}
		*warned = true
	case !slow && behind < feed.MaxBehind/4:
		*warned = false
	}
	return nil
}

// warn tells a client that it will be cut off when it goes on like this.
func (d *dataSession) warn(ctx context.Context, behind int, took time.Duration) error {
	return d.send(ctx, func(w *wire) {
		w.object(7)
		w.member("T", "warning")
		w.count("code", uint64(slowClient.code))
		w.member("msg", slowClient.msg)
		w.count("behind", uint64(max(0, behind)))
		w.count("behind_limit", feed.MaxBehind)
		w.count("write_ms", uint64(took.Milliseconds()))                         //nolint:gosec // positive
		w.count("write_limit_ms", uint64(d.s.Limits.StreamWrite.Milliseconds())) //nolint:gosec // positive
		w.endObject()
	})
}

// tellPlace tells where the stream is, where nothing that is wanted is on the way.
func (d *dataSession) tellPlace(ctx context.Context) error {
	d.writing.Lock()
	places := d.manner.places
	d.writing.Unlock()
	if p, ok := d.reader.Place(); places && ok {
		return d.send(ctx, func(w *wire) { writePlace(w, p) })
	}
	return nil
}

// give writes updates of this client's own in frames of at most frameMessages.
func (d *dataSession) give(updates []*feed.Update) error {
	own := d.manner
	own.places = false
	for len(updates) > 0 {
		n := min(len(updates), frameMessages)
		if err := d.prepared(own.encode(updates[:n], feed.Place{})); err != nil {
			return err
		}
		updates = updates[n:]
	}
	return nil
}

// prepared writes a whole frame.
func (d *dataSession) prepared(frame []byte) error {
	d.writing.Lock()
	defer d.writing.Unlock()
	return d.c.conn.prepared(frame, d.s.Limits.StreamWrite)
}

func (d *dataSession) refuse(ctx context.Context, e streamError) error {
	return d.send(ctx, func(w *wire) {
		w.object(3)
		w.member("T", "error")
		w.count("code", uint64(e.code))
		w.member("msg", e.msg)
		w.endObject()
	})
}

func success(w *wire, msg string) {
	w.object(2)
	w.member("T", "success")
	w.member("msg", msg)
	w.endObject()
}

// send writes a frame with exactly one message.
func (d *dataSession) send(ctx context.Context, message func(*wire)) error {
	w := wire{packed: d.packed}
	w.array(1)
	message(&w)
	w.endArray()
	return d.write(ctx, w.b)
}

func (d *dataSession) write(ctx context.Context, b []byte) error {
	ctx, cancel := context.WithTimeout(ctx, d.s.Limits.StreamWrite)
	defer cancel()
	d.writing.Lock()
	defer d.writing.Unlock()
	kind := websocket.MessageText
	if d.packed {
		kind = websocket.MessageBinary
	}
	return d.ws.Write(ctx, kind, b)
}

// newsOrStream is GET /v1beta1/news: a list that is empty, or the stream of news, on which nothing comes.
func newsOrStream(s *Server, c *call) (int, any, error) {
	if c.r.Header.Get("Upgrade") != "" {
		return s.openData(c, true)
	}
	if _, err := s.identify(c); err != nil {
		return 0, nil, err
	}
	return http.StatusOK, map[string]any{"news": []any{}, "next_page_token": nil}, nil
}
