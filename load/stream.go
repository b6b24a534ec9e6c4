package load

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
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
	LagP50     float64  `json:"lag_p50"` // ms, of quotes: from the exchange's time, where its clock is the wall's
	LagP99     float64  `json:"lag_p99"`
	Complaints []string `json:"complaints,omitempty"`
}

func (s *StreamResult) table(out io.Writer) {
	if s.Opened+s.Refused == 0 {
		return
	}
	_, _ = fmt.Fprintf(out, "streams: %d opened, %d refused, %d broken, %d messages; quotes behind the exchange p50 %.1f, p99 %.1f ms\n",
		s.Opened, s.Refused, s.Broken, s.Messages, s.LagP50, s.LagP99)
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
}

// opening bounds the streams that are being opened at once.
const opening = 32

// openStreams opens the readers, and returns when each is open or refused.
func openStreams(ctx context.Context, c *Config) (*streams, error) {
	ctx, stop := context.WithCancel(ctx)
	s := &streams{config: c, stop: stop, lag: hdrhistogram.New(1, mostMicros, 2), client: &http.Client{
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
		Messages: s.messages.Load(), LagP50: float64(s.lag.ValueAtQuantile(50)) / 1000,
		LagP99: float64(s.lag.ValueAtQuantile(99)) / 1000, Complaints: s.wrong}
}

func (s *streams) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.wrong) < mostComplaints {
		s.wrong = append(s.wrong, fmt.Sprintf(format, args...))
	}
}

// events reads an account's own events. Their numbers grow by one.
func (s *streams) events(ctx context.Context, i int, up func()) {
	who := &s.config.Accounts[i%len(s.config.Accounts)]
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
	up()
	var before uint64
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		text, is := strings.CutPrefix(lines.Text(), "id:")
		if !is {
			continue
		}
		s.messages.Add(1)
		number, err := strconv.ParseUint(strings.TrimSpace(text), 10, 64)
		if err == nil && before != 0 && number <= before {
			s.say("event %d of %s came behind %d", number, who.Login, before)
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
		if told < before[symbol] {
			s.say("the stream's quote of %s went back by %v", symbol, time.Duration(before[symbol]-told))
		}
		before[symbol] = told
		s.mu.Lock()
		_ = s.lag.RecordValue(micros(time.Duration(now - told))) // within range
		s.mu.Unlock()
	}
}
