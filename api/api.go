// Package api is the HTTP front door: it translates, and decides nothing.
//
// It speaks Alpaca's trading and market-data API (/v2, /v3, the three streams), so that existing programs work by
// setting a base URL; a native API under /api/v1 for what that lacks (login, keys, depth, fees, deposits in the demo,
// account events by number), described by openapi.yaml; and TradingView's UDF under /udf. Units on the wire: money,
// prices and quantities of the trading API are decimal strings in CNY and shares, of the data API JSON numbers; times
// are RFC 3339 in UTC with nanoseconds. Invariants: no float is ever made of a number; an unknown member of a request
// never reaches the books; every answer has X-Request-ID and X-RateLimit-*; every refusal has a code, a stable
// reason, a sentence in English and Chinese and, where there are any, the numbers and the nearest valid value;
// nothing redirects; a stream that falls behind is cut off; a drained stream is aborted, never ended cleanly.
//
// It never asks the core: commands go through intake, questions are answered from records, feed and auth. The one
// advice that it gives before an order goes in (the price cage by the latest quote) is a courtesy: the exchange
// decides.
//
// Source: the published SDKs of Alpaca (Go 3.10.0, Node 3.1.3 and 4.0.2, Python 0.43.5), RFC 9110, RFC 6585, RFC
// 9562, WHATWG HTML (server-sent events), RFC 6455, the MessagePack specification, TradingView's UDF.
package api

import (
	"context"
	"hash/maphash"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"evenkeel/auth"
	"evenkeel/capacity"
	"evenkeel/core/rules"
	"evenkeel/core/trade"
	"evenkeel/feed"
	"evenkeel/intake"
	"evenkeel/records"
	"evenkeel/waiting"
)

// Limits of the front door. Zero members mean the default.
type Limits struct {
	Body          int64         // 64 KiB: the largest request body
	Streams       int           // 4,096: streams open at once, over all accounts
	PerAccount    int           // 64: streams of one account, as records has readers
	Strangers     int           // 256: streams that have not said who they are
	StreamMessage int64         // 1 MiB: the largest message that a client may send on a stream; 4 KiB before it is known
	StreamWords   int           // 16: messages of a stream before it is known, then it ends
	StreamWrite   time.Duration // 5 s: the longest that one write to a stream may take
	StreamAuth    time.Duration // 10 s: how long a WebSocket may stay unauthenticated
	Symbols       int           // 10,000: symbols of one request or subscription
	Session       time.Duration // 24 h: life of a login
	Waiting       waiting.Limits
	Pace          time.Duration // 1 s: how long a new event stream is held when its key opens them too fast
	Request       time.Duration // 20 s: the longest that a request other than a stream may take
	KeepAlive     time.Duration // 15 s: a silent event stream sends a comment so often
}

func (l Limits) withDefaults() Limits {
	set(&l.Body, 64<<10)
	set(&l.Streams, 4096)
	set(&l.PerAccount, records.MaxWatchers)
	set(&l.Strangers, 256)
	set(&l.StreamMessage, 1<<20)
	set(&l.StreamWords, 16)
	set(&l.StreamWrite, 5*time.Second)
	set(&l.StreamAuth, 10*time.Second)
	set(&l.Symbols, 10_000)
	set(&l.Session, 24*time.Hour)
	set(&l.Pace, time.Second)
	set(&l.Request, 20*time.Second)
	set(&l.KeepAlive, 15*time.Second)
	return l
}

func set[T int | int64 | time.Duration](v *T, otherwise T) {
	if *v <= 0 {
		*v = otherwise
	}
}

// History answers what the views in memory have forgotten. It may be down: then its errors say so.
type History interface {
	Orders(ctx context.Context, id trade.AccountID, f records.OrderFilter) ([]trade.Order, error)
	Order(ctx context.Context, id trade.AccountID, order trade.OrderID) (o trade.Order, ok bool, err error)
	OrderByClientID(ctx context.Context, id trade.AccountID, client string) (o trade.Order, ok bool, err error)
	Events(ctx context.Context, id trade.AccountID, f records.EventFilter) ([]trade.Event, error)
}

// Documents are the small texts that accounts keep: watchlists. A body that was given out is not changed.
type Documents interface {
	Document(id trade.AccountID, name string) (body []byte, ok bool)
	Documents(id trade.AccountID) (names []string) // sorted
}

// Parts are what a server is made of. Door, Directory, Passwords, Day, Listing, Market and Documents are required.
type Parts struct {
	Door      *intake.Door
	Directory *auth.Directory
	Passwords *auth.Passwords
	Day       func(trade.AccountID) *records.Day // of the account's shard; not kept, since a snapshot replaces it
	Listing   *records.Listing
	Market    *feed.Market
	Documents Documents
	History   History             // nil: nothing is older than the views
	Rules     func() *rules.Rules // the rules in force; nil: the embedded ones
	Clock     func() time.Time    // nil: time.Now
	// Ready says why the house cannot work now; empty: it can. nil: always.
	Ready func() []string
	Fresh Fresh // how the views are brought up to date; zero: they always are
	// House says how the house stands for an account, without waiting for anybody. nil: well.
	House func(trade.AccountID) House
	// HouseNews is a channel that is closed when staff decide otherwise for the house; nil: nobody tells.
	HouseNews func() <-chan struct{}
	// Demo opens what only a demo has: deposits and withdrawals by the account itself, charts without a login.
	Demo bool
	// Ops is what staff see and do; nil: there is no such page.
	Ops Ops
	// Sealer seals second proofs; nil, or a nil one: none can be set up or used now.
	Sealer func() *auth.Sealer
	// DemoLogins are the accounts that a demo server made, for its login page; nil: none.
	DemoLogins func() []DemoLogin
	// Capacity is what this node was asked for at most, and what it can carry; nil: not recorded.
	Capacity func() capacity.Report
	// SecureCookies marks the session cookie for TLS only: set it wherever TLS ends in front of us.
	SecureCookies bool
	Version       string
	Gauges        []prometheus.Collector
	Limits        Limits
	Log           *slog.Logger // nil: silent
}

// Server is the front door as an http.Handler.
type Server struct {
	Parts
	mux      *http.ServeMux
	symbols  *intake.Symbols
	measures *measures
	origins  *http.CrossOriginProtection
	paces    *paces
	seed     maphash.Seed

	stopping context.Context // ends when Drain begins; under seats.mu
	stop     context.CancelFunc
	refusing atomic.Bool
	streams  sync.WaitGroup
	seats    seats

	introductions introductions
	board         phaseBoard
	orders        boardOrders
	finder        finder
	room          *waiting.Room
	turnedAway    *turnedAway
}

// New returns a server. It starts nothing.
func New(p Parts) *Server {
	p.Limits = p.Limits.withDefaults()
	if p.Clock == nil {
		p.Clock = time.Now
	}
	if p.Rules == nil {
		standard := rules.Standard()
		p.Rules = func() *rules.Rules { return standard }
	}
	if p.Log == nil {
		p.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		Parts: p, symbols: intake.NewSymbols(p.Listing), origins: http.NewCrossOriginProtection(),
		paces: newPaces(p.Limits.Pace, p.Clock),
		seats: seats{accounts: map[trade.AccountID]int{}, all: map[*seat]struct{}{}},
		seed:  maphash.MakeSeed(),
	}
	s.stopping, s.stop = context.WithCancel(context.Background())
	s.room = newRoom(s)
	s.turnedAway = makeTurnedAway()
	s.measures = newMeasures(s, p.Gauges)
	s.mux = s.routes()
	return s
}

// Drain cuts every stream off, so that their clients come back elsewhere, and waits until they have ended or ctx has.
// New streams are refused until Refuse(false); other requests go on.
func (s *Server) Drain(ctx context.Context) error {
	s.seats.mu.Lock() // no stream is counted in behind this
	s.stop()
	s.seats.mu.Unlock()
	ended := make(chan struct{})
	go func() { s.streams.Wait(); close(ended) }()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Refuse says whether new requests are refused with a time to come back, but for those that ask how this server is.
// Refuse(false) takes streams again too, when all that Drain cut off have ended.
func (s *Server) Refuse(refuse bool) {
	s.refusing.Store(refuse)
	if refuse {
		return
	}
	s.streams.Wait()
	s.seats.mu.Lock()
	defer s.seats.mu.Unlock()
	if s.stopping.Err() != nil {
		s.stopping, s.stop = context.WithCancel(context.Background())
	}
}

// drains reports whether streams are refused.
func (s *Server) drains() bool {
	s.seats.mu.Lock()
	defer s.seats.mu.Unlock()
	return s.stopping.Err() != nil
}

// http2Streams is how many requests one HTTP/2 connection may have under way: a page has few, and each is a goroutine.
const http2Streams = 100

// Times of a connection.
const (
	readTimeout = 15 * time.Second // of headers and body: 64 KiB come within it on the slowest of networks
	idleTimeout = 2 * time.Minute
)

// HTTPServer returns a server with this house's timeouts around the handler. Streams set their own.
func HTTPServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       readTimeout,
		WriteTimeout:      40 * time.Second, // the longest request takes half of it
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    32 << 10,
		HTTP2: &http.HTTP2Config{MaxConcurrentStreams: http2Streams, SendPingTimeout: 30 * time.Second,
			PingTimeout: 15 * time.Second, WriteByteTimeout: 20 * time.Second, MaxReceiveBufferPerConnection: 1 << 20,
			MaxReceiveBufferPerStream: 64 << 10},
	}
}

// now is the time of the house.
func (s *Server) now() trade.Time { return trade.Time(s.Clock().UnixNano()) }
