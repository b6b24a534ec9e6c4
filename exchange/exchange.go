// Package exchange is the simulated exchange as a server: a gateway that speaks the exchange's binary protocol on TCP
// (package szse), a journal, a clock that moves the phases, public market data on a second port, and players whose
// orders make a living market.
//
// Units: those of core/trade; times are the exchange's own clock, which may run faster than the wall's. Invariants: a
// request is answered after its command is in the journal on disk (package replica, a group of one) and was applied to
// core/exchange; after kill -9 the books, the reports and the public stream are what they were; a broker unit has one
// session, the newest, which is answered when the older can have no effect any more; reports are sent in order per
// partition, from the index that the broker asks for. It never changes the rules of core/exchange, and never waits for
// a slow broker or reader: their connections are cut. It never keeps the orders of its players when they are done: two
// days of them would be most of its memory.
package exchange

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	core "evenkeel/core/exchange"
	"evenkeel/core/rules"
	"evenkeel/core/trade"
	"evenkeel/replica"
	"evenkeel/szse"
)

// Limits of the server.
const (
	MaxSessions     = 64                    // brokers connected to the order gateway
	MaxReaders      = 256                   // readers connected to market data
	WriteTime       = 5 * time.Second       // a peer that takes nothing for so long is cut off
	LogonTime       = 5 * time.Second       // to send the first message
	HeartbeatLeast  = 1                     // seconds, of a Logon or Subscribe
	HeartbeatMost   = 60                    // seconds
	LogoutTime      = time.Second           // to send the last message when a session ends
	FenceTime       = 50 * time.Millisecond // to close an older session's connection before a newer one is answered
	MaxUnanswered   = 4096                  // requests of a session that wait for the journal, or whose refusal waits
	MaxStrangers    = 64                    // connections to a port that have not said who they are
	QuotePace       = 50 * time.Millisecond // from one quote of a security to the next, to one reader, on the whole
	KeptTicks       = 200_000               // messages of the day's public stream kept for readers that come later
	KeptEnded       = 10_000                // of the day before, for readers that are a moment behind at midnight
	KeptMinuteDays  = 5                     // trading days of minute candles
	KeptDayBars     = 500                   // day candles of a security
	journalGroup    = 1
	journalNode     = 1
	defaultPartions = 4
)

// PBUs of the exchange's own, which no broker may have.
var (
	playersUnit = core.PBU{'P', 'L', 'A', 'Y', 'E', 'R'}
	playUnit    = core.PBU{'R', 'E', 'P', 'L', 'A', 'Y'}
)

// Unit is a broker unit that may log on.
type Unit struct {
	CompID   string // SenderCompID
	PBU      string // SubmittingPBUID, at most 6 characters
	Password string
}

// Config says what exchange to run. Dir and at least one Unit are needed; zero members mean the defaults.
type Config struct {
	Dir        string
	Orders     string // address of the order gateway; default 127.0.0.1:0
	Market     string // address of market data; default 127.0.0.1:0
	Units      []Unit
	TLS        *tls.Config // of both ports; nil: plaintext, on loopback addresses only
	List       []Listed    // default ShippedList
	Rules      string      // rule file; default rules.Embedded
	Partitions uint32      // default 4; never changed over the journal's life
	Clock      Clock
	Flow       Flow // players; a zero Rate has none
	Log        *slog.Logger
}

// CompID is the exchange's own name in a Logon.
const CompID = "EVENKEEL-EXCHANGE"

// Server is a running exchange.
type Server struct {
	config  Config
	log     *slog.Logger
	group   *replica.Group[core.Answer]
	machine *Machine
	rules   *rules.Rules
	pinyin  map[core.Code]string
	orders  net.Listener
	market  net.Listener
	gateway *Gateway

	mu      sync.Mutex
	readers map[*marketReader]struct{}

	cancel context.CancelFunc
	work   sync.WaitGroup
}

// Open starts an exchange: it restores the journal, begins the trading day, and listens. Close ends it.
func Open(c Config) (_ *Server, err error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Rules == "" {
		c.Rules = rules.Embedded()
	}
	if c.Partitions == 0 {
		c.Partitions = defaultPartions
	}
	if c.List == nil {
		if c.List, err = ShippedList(); err != nil {
			return nil, err
		}
	}
	s := &Server{config: c, log: c.Log, readers: map[*marketReader]struct{}{}, pinyin: map[core.Code]string{}}
	if s.rules, err = rules.Parse(c.Rules); err != nil {
		return nil, fmt.Errorf("exchange rules: %w", err)
	}
	s.gateway, err = NewGateway(GatewayConfig{Partitions: c.Partitions, Units: c.Units, View: s.View,
		Full:   replica.ErrFull,
		Submit: func(command []byte, done func(core.Answer, error)) error { return s.group.Submit(command, done) }})
	if err != nil {
		return nil, err
	}
	for _, l := range c.List {
		s.pinyin[l.Code] = l.Pinyin
	}
	clock := newClock(c.Clock)
	s.group, err = replica.Open(replica.Options[core.Answer]{
		Dir: c.Dir, Group: journalGroup, Node: journalNode, DropOldLog: true, Log: c.Log, Clock: clock.now,
		New: func() replica.Machine[core.Answer] { return NewMachine(c.Partitions) },
	})
	if err != nil {
		return nil, fmt.Errorf("exchange journal: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	if err := s.start(ctx, clock); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Server) start(ctx context.Context, clock *clock) (err error) {
	if err = s.group.Inspect(ctx, func(m replica.Machine[core.Answer], _ uint64) {
		s.machine = m.(*Machine) //nolint:errcheck // Open's New makes no other
		s.machine.heard = s.hear
		clock.resume(s.machine.core.Now())
	}); err != nil {
		return fmt.Errorf("exchange journal: %w", err)
	}
	if err = s.prepare(ctx, clock); err != nil {
		return err
	}
	if s.orders, err = s.listen(s.config.Orders); err != nil {
		return fmt.Errorf("order gateway: %w", err)
	}
	if s.market, err = s.listen(s.config.Market); err != nil {
		return fmt.Errorf("market data: %w", err)
	}
	s.work.Go(func() { s.accept(ctx, s.orders, MaxSessions+MaxStrangers, s.serveBroker) })
	s.work.Go(func() { s.accept(ctx, s.market, MaxReaders+MaxStrangers, s.serveReader) })
	s.work.Go(func() { s.keepTime(ctx, clock) })
	if s.config.Flow.Rate > 0 {
		s.work.Go(func() { newPlayers(s, s.config.Flow).run(ctx) })
	}
	return nil
}

// OrdersAddress is where brokers connect.
func (s *Server) OrdersAddress() string { return s.orders.Addr().String() }

// MarketAddress is where readers of market data connect.
func (s *Server) MarketAddress() string { return s.market.Addr().String() }

// Failed delivers the error that stopped the journal.
func (s *Server) Failed() <-chan error { return s.group.Failed() }

// Journal is the state of the journal.
func (s *Server) Journal() replica.Status { return s.group.Status() }

// View runs look on the machine while nothing changes it.
func (s *Server) View(look func(m *core.Machine)) {
	s.machine.View(look)
}

// Close ends sessions, players and the journal.
func (s *Server) Close() error {
	s.cancel()
	for _, l := range []net.Listener{s.orders, s.market} {
		if l != nil {
			_ = l.Close()
		}
	}
	for _, b := range s.gateway.all() {
		b.End(errClosing, szse.LogoutShuttingDown)
	}
	s.mu.Lock()
	for r := range s.readers {
		_ = r.conn.Close()
	}
	s.mu.Unlock()
	s.work.Wait()
	if err := s.group.Close(); err != nil {
		return fmt.Errorf("close the exchange's journal: %w", err)
	}
	return nil
}

// propose puts a command into the journal and waits for its answer.
func (s *Server) propose(ctx context.Context, c core.Command) (core.Answer, error) {
	return s.group.Propose(ctx, core.AppendCommand(nil, c))
}

// SetPhase moves a venue, for a clock that is Manual.
func (s *Server) SetPhase(ctx context.Context, v trade.Venue, p trade.Phase) error {
	return s.must(ctx, "set the phase", &core.SetPhase{Venue: v, Phase: p})
}

// RollDay begins a day, for a clock that is Manual. Venues that are open are closed first, in the old day.
func (s *Server) RollDay(ctx context.Context, d trade.Day) error {
	var open []trade.Venue
	s.View(func(m *core.Machine) {
		for v := trade.SSE; v <= trade.BSE && m.Day() != 0 && d > m.Day(); v++ {
			if m.VenuePhase(v) != trade.Closed {
				open = append(open, v)
			}
		}
	})
	for _, v := range open {
		if err := s.SetPhase(ctx, v, trade.Closed); err != nil {
			return err
		}
	}
	return s.must(ctx, "begin the day", &core.RollDay{Day: d})
}

// must proposes a command of the exchange itself, whose refusal is an error.
func (s *Server) must(ctx context.Context, what string, c core.Command) error {
	answer, err := s.propose(ctx, c)
	if err == nil && answer.Reason != trade.Accepted {
		err = fmt.Errorf("refused: reason %d", answer.Reason)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// hear is called on the journal's apply goroutine after each entry: it wakes who may have something to send.
func (s *Server) hear() {
	s.gateway.hear()
	s.mu.Lock()
	defer s.mu.Unlock()
	for r := range s.readers {
		r.news.tell()
	}
}

// signal wakes one goroutine; telling twice before it looked is telling once.
type signal chan struct{}

func newSignal() signal { return make(signal, 1) }

func (c signal) tell() {
	select {
	case c <- struct{}{}:
	default:
	}
}
