package load

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/coder/websocket"
)

// StreamResult is what readers of streams saw.
type StreamResult struct {
	Opened     int64    `json:"opened"`
	Refused    int64    `json:"refused"`
	Broken     int64    `json:"broken"` // ended before the load did
	Messages   int64    `json:"messages"`
	Seen       int      `json:"seen"`    // orders of the sample that their account's reader was told of
	LagP50     float64  `json:"lag_p50"` // ms, of quotes: from the exchange's time, where its clock is the wall's
	LagP99     float64  `json:"lag_p99"`
	Complaints []string `json:"complaints,omitempty"`
}

func (s *StreamResult) table(out io.Writer) {
	if s.Opened+s.Refused == 0 {
		return
	}
	_, _ = fmt.Fprintf(out, "streams: %d opened, %d refused, %d broken, %d messages, %d orders looked for in them; "+
		"quotes behind the exchange p50 %.1f, p99 %.1f ms\n",
		s.Opened, s.Refused, s.Broken, s.Messages, s.Seen, s.LagP50, s.LagP99)
}

// streams are the readers that are open during a load.
type streams struct {
	config *Config
	stop   context.CancelFunc
	work   sync.WaitGroup
	client *http.Client

	opened, refused, broken, messages atomic.Int64

	mu    sync.Mutex
	lag   *hdrhistogram.Histogram
	wrong []string
	told  map[int]map[string]struct{} // by account that has a reader: the client order ids that it was told of
	seen  int
}

// opening bounds the streams that are being opened at once.
const opening = 32

// openStreams opens the readers, and returns when each is open or refused.
func openStreams(ctx context.Context, c *Config) (*streams, error) {
	ctx, stop := context.WithCancel(ctx)
	s := &streams{config: c, stop: stop, lag: hdrhistogram.New(1, mostMicros, 2),
		told: map[int]map[string]struct{}{}, client: &http.Client{
			Transport: &http.Transport{TLSClientConfig: c.Trust, MaxConnsPerHost: 0}}}
	if _, _, err := Target(c.URL, c.Named); err != nil {
		stop()
		return nil, err
	}
	room := make(chan struct{}, opening)
	var ready sync.WaitGroup
	start := func(n int, one func(context.Context, int, func())) {
		for i := range n {
			room <- struct{}{}
			ready.Add(1)
			s.work.Go(func() {
				up := sync.OnceFunc(func() { <-room; ready.Done() })
				defer up()
				one(ctx, i, up)
				if ctx.Err() == nil {
					s.broken.Add(1)
				}
			})
		}
	}
	start(c.Streams.Events, s.events)
	start(c.Streams.Quotes, s.quotes)
	ready.Wait()
	return s, nil
}

func (s *streams) close() StreamResult {
	s.stop()
	s.work.Wait()
	s.client.CloseIdleConnections()
	s.mu.Lock()
	defer s.mu.Unlock()
	return StreamResult{Opened: s.opened.Load(), Refused: s.refused.Load(), Broken: s.broken.Load(),
		Messages: s.messages.Load(), Seen: s.seen, LagP50: float64(s.lag.ValueAtQuantile(50)) / 1000,
		LagP99: float64(s.lag.ValueAtQuantile(99)) / 1000, Complaints: s.wrong}
}

func (s *streams) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.wrong) < mostComplaints {
		s.wrong = append(s.wrong, fmt.Sprintf(format, args...))
	}
}

// mostTold bounds the orders of an account that are remembered from its stream; then it is not looked at any more.
const mostTold = 100_000

// tells takes note of an order that an account's reader was told of.
func (s *streams) tells(account int, client []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch ids := s.told[account]; {
	case ids == nil:
	case len(ids) >= mostTold:
		delete(s.told, account)
	default:
		ids[string(client)] = struct{}{}
	}
}

// watches says whether an account has a reader that is looked at: the first one, until it ends.
func (s *streams) watches(account int, begin bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if begin {
		s.told[account] = map[string]struct{}{}
	} else {
		delete(s.told, account)
	}
}

// await holds the streams to what was acknowledged: within AuditWait each order of the sample whose account has a
// reader was told to it.
func (s *streams) await(w *crowd) {
	for deadline := time.Now().Add(s.config.AuditWait); ; s.config.Sleep(20 * time.Millisecond) {
		missing := s.missing(w)
		if missing == nil {
			return
		}
		if time.Now().After(deadline) {
			s.say("order %s was acknowledged, and the account's open stream never told of it", w.clientID(missing))
			return
		}
	}
}

func (s *streams) missing(w *crowd) *order {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = 0
	for _, o := range w.sample {
		ids := s.told[int(o.account)]
		if ids == nil {
			continue
		}
		if _, was := ids[w.clientID(o)]; !was {
			return o
		}
		s.seen++
	}
	return nil
}

// events reads an account's own events. Their numbers grow by one.
func (s *streams) events(ctx context.Context, i int, up func()) {
	account := i % len(s.config.Accounts)
	who := &s.config.Accounts[account]
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.config.URL+"/api/v1/events", nil)
	if err != nil {
		s.say("%v", err)
		return
	}
	request.Header.Set("APCA-API-KEY-ID", who.KeyID)
	request.Header.Set("APCA-API-SECRET-KEY", who.Secret)
	response, err := s.client.Do(request)
	if err != nil {
		s.refused.Add(1)
		return
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		s.refused.Add(1)
		return
	}
	s.opened.Add(1)
	first := i == account
	if first {
		s.watches(account, true)
		defer func() {
			if ctx.Err() == nil {
				s.watches(account, false) // broken, and counted as such: it is not silent
			}
		}()
	}
	up()
	var before uint64
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		line := lines.Bytes()
		if first && bytes.HasPrefix(line, []byte("data:")) {
			if client := member(line, "client_order_id"); client != nil {
				s.tells(account, client)
			}
			continue
		}
		text, is := bytes.CutPrefix(line, []byte("id:"))
		if !is {
			continue
		}
		s.messages.Add(1)
		number, err := strconv.ParseUint(string(bytes.TrimSpace(text)), 10, 64)
		if err != nil || before != 0 && number != before+1 {
			s.say("event %.20q of %s came behind %d", text, who.Login, before)
		}
		before = number
	}
}

// quotes reads quotes over a WebSocket. The time of a security's quotes does not go back.
func (s *streams) quotes(ctx context.Context, i int, up func()) {
	who := &s.config.Accounts[i%len(s.config.Accounts)]
	options := &websocket.DialOptions{HTTPClient: s.client}
	ws, _, err := websocket.Dial(ctx, s.config.URL+"/v2/iex", options) //nolint:bodyclose // it is the library's
	if err != nil {
		s.refused.Add(1)
		return
	}
	defer func() { _ = ws.CloseNow() }()
	ws.SetReadLimit(1 << 22)
	want := `["*"]`
	if s.config.Streams.Symbols > 0 {
		var some []string
		for n := range min(s.config.Streams.Symbols, len(lines)) {
			some = append(some, strconv.Quote(lines[n].symbol))
		}
		want = "[" + strings.Join(some, ",") + "]"
	}
	for _, text := range []string{fmt.Sprintf(`{"action":"auth","key":%q,"secret":%q}`, who.KeyID, who.Secret),
		`{"action":"subscribe","quotes":` + want + `}`} {
		if err := ws.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
			s.refused.Add(1)
			return
		}
	}
	before := map[string]int64{}
	for {
		_, body, err := ws.Read(ctx)
		if err != nil {
			if !errors.Is(err, context.Canceled) && ctx.Err() == nil {
				s.say("a stream of quotes broke: %v", err)
			}
			return
		}
		switch {
		case bytes.Contains(body, []byte(`"T":"error"`)):
			s.refused.Add(1)
			return
		case bytes.Contains(body, []byte(`"T":"subscription"`)):
			s.opened.Add(1)
			up()
		default:
			s.read(body, before)
		}
	}
}

// read holds the quotes of a frame to those before.
func (s *streams) read(body []byte, before map[string]int64) {
	now := time.Now().UnixNano()
	for quote := range bytes.SplitSeq(body, []byte("},{")) {
		at, err := time.Parse(time.RFC3339Nano, string(member(quote, "t")))
		if err != nil {
			continue
		}
		s.messages.Add(1)
		symbol, told := string(member(quote, "S")), at.UnixNano()
		if n := s.config.Streams.Symbols; n > 0 && !slices.ContainsFunc(lines[:min(n, len(lines))],
			func(l line) bool { return l.symbol == symbol }) {
			s.say("a quote of %q was not asked for", symbol)
		}
		if told < before[symbol] {
			s.say("the stream's quote of %s went back by %v", symbol, time.Duration(before[symbol]-told))
		}
		before[symbol] = told
		s.mu.Lock()
		_ = s.lag.RecordValue(micros(time.Duration(now - told))) // within range
		s.mu.Unlock()
	}
}
