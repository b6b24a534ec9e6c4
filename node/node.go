// Package node wires the rooms into one running machine: it starts them bottom-up, connects them, and stops them
// top-down.
//
// Order of the start: the data directory, the addresses (which answer "starting" until the house is open), the
// broker's
// log (replayed), its views, the rules of the day, the exchange when it runs in the same process, market data, the
// link
// to the exchange, the door, the API, the demo accounts, the desk. Invariants: a failed log ends the process, since
// nothing may be taken without it; everything else may fail and come back. It never decides about trading; whoever
// reads it learns who knows whom.
package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"evenkeel/auth"
	"evenkeel/books"
	"evenkeel/core/rules"
	"evenkeel/core/trade"
	"evenkeel/exchange"
	"evenkeel/feed"
	"evenkeel/intake"
	"evenkeel/records"
	"evenkeel/replica"
	"evenkeel/venue"
)

// Limits of a node.
const (
	StartTime = 60 * time.Second // for a step of the start; replaying a log may take longer
	DrainTime = 5 * time.Second  // for requests under way when the node stops
	patience  = time.Second      // a step that takes longer says how far it is
	// stalledSync is how long a write of the log may take. A group of one has nobody who could go on instead, so a
	// disk
	// that stands still for a moment is waited for; the door tells those who wait that their outcome is unknown.
	stalledSync  = 30 * time.Second
	brokerGroup  = 1
	brokerNode   = 1
	unitCompID   = "EVENKEEL-BROKER"
	unitPBU      = "EK0001"
	exchangeData = "exchange"
	brokerData   = "broker"
)

// Config says what to run.
type Config struct {
	Dir       string // data directory
	Listen    string // host:port of the API without TLS; loopback only
	ListenTLS string // host:port of the API with TLS; "" for none
	CertFile  string // with KeyFile: the certificate; "": one of our own, for this machine
	KeyFile   string

	ExchangeOrders   string         // order gateway of an exchange that runs elsewhere; "": one runs in this process
	ExchangeMarket   string         // its market data
	ExchangePassword venue.Password // for ExchangeOrders
	Clock            exchange.Clock // of the exchange in this process
	Flow             exchange.Flow

	Records string // where history is kept: "" for SQLite in Dir, or postgres://...
	Rules   string // rule file; "": the embedded one
	Demo    bool   // demo accounts, deposits by the investor himself
	DemoN   int    // how many demo accounts
	Version string
	Log     *slog.Logger
	Say     func(format string, args ...any) // progress for people; may be nil
}

// Node is one running machine.
type Node struct {
	config    Config
	log       *slog.Logger
	group     *replica.Group[trade.Answer]
	books     *books.Books
	views     *views
	rules     *rules.Rules
	market    *feed.Market
	history   *records.History
	passwords *auth.Passwords
	door      *intake.Door
	link      *venue.Link
	servers   *servers

	exchangeMu    sync.Mutex
	exchange      *exchange.Server // nil: it runs elsewhere, or failed and is not back yet
	exchangeError error            // why it is not there

	demoMu      sync.Mutex
	demo        DemoFile
	demoMissing string // what the demo accounts wait for; "" when they are there

	cancel context.CancelFunc
	work   sync.WaitGroup
}

// Start starts a node. When it returns an error nothing runs.
func Start(ctx context.Context, c Config) (_ *Node, err error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Say == nil {
		c.Say = func(string, ...any) {}
	}
	if c.Rules == "" {
		c.Rules = rules.Embedded()
	}
	n := &Node{config: c, log: c.Log, market: feed.NewMarket()}
	if err := c.check(); err != nil {
		return nil, err
	}
	if n.rules, err = rules.Parse(c.Rules); err != nil {
		return nil, fmt.Errorf("rule file: %w", err)
	}
	running, cancel := context.WithCancel(context.Background())
	n.cancel = cancel
	for _, step := range []func(context.Context, context.Context) error{
		n.openDir, n.openListeners, n.openBooks, n.openHistory, n.openExchange, n.openLinks, n.openDoor,
		n.openServers,
		n.openDemo, n.openDesk,
	} {
		bounded, done := context.WithTimeout(ctx, StartTime)
		err := step(bounded, running)
		done()
		if err == nil && ctx.Err() != nil {
			err = fmt.Errorf("start: %w", ctx.Err()) // told to stop: nothing more is begun
		}
		if err != nil {
			return nil, errors.Join(err, n.Close())
		}
	}
	return n, nil
}

// openBooks opens the broker's log, replays it, and attaches the views.
func (n *Node) openBooks(ctx, _ context.Context) (err error) {
	n.config.Say("opening the books in %s", n.config.Dir)
	began := time.Now()
	tail := records.NewTail()
	var opened atomic.Bool // a machine that is made before is the live one: what is replayed into it, history may lack
	n.group, err = replica.Open(replica.Options[trade.Answer]{
		Dir: filepath.Join(n.config.Dir, brokerData), Group: brokerGroup, Node: brokerNode, Log: n.log,
		New: func() replica.Machine[trade.Answer] {
			b := books.New(0)
			if !opened.Load() {
				b.Day().Feed(tail)
			}
			return b
		},
		Progress: func(done, total int64) {
			if time.Since(began) > patience { // a short log is nobody's business
				n.config.Say("replaying the log: %d of %d MB", done>>20, total>>20)
			}
		},
	})
	if err != nil {
		return fmt.Errorf("open the books: %w", err)
	}
	opened.Store(true)
	n.views = &views{listing: records.NewListing(), directory: auth.NewDirectory(), outbox: venue.NewOutbox(),
		tail: tail, documents: records.NewDocuments()}
	if err := n.group.Inspect(ctx, func(m replica.Machine[trade.Answer], index uint64) {
		n.books = books.Of(m)
		attach(n.books, n.views, index)
	}); err != nil {
		return fmt.Errorf("open the books: %w", err)
	}
	c := trade.Command{Kind: trade.AdoptRulesKind, AdoptRules: trade.AdoptRules{Text: []byte(n.config.Rules)}}
	return n.house(ctx, "adopt the rules", &c)
}

// house proposes a command of the house itself, whose refusal is an error.
func (n *Node) house(ctx context.Context, what string, c *trade.Command) error {
	_, err := n.ask(ctx, what, c)
	return err
}

func (n *Node) ask(ctx context.Context, what string, c *trade.Command) (trade.Answer, error) {
	encoded, err := trade.AppendCommand(nil, c)
	if err != nil {
		return trade.Answer{}, fmt.Errorf("%s: %w", what, err)
	}
	answer, err := n.group.Propose(ctx, encoded)
	if err == nil && answer.Reason != trade.Accepted {
		err = &RefusedError{Reason: answer.Reason, Numbers: answer.Numbers}
	}
	if err != nil {
		return answer, fmt.Errorf("%s: %w", what, err)
	}
	return answer, nil
}

// RefusedError is a refusal of the books.
type RefusedError struct {
	Reason  trade.Reason
	Numbers trade.Numbers
}

func (e *RefusedError) Error() string {
	text := reasonText(e.Reason)
	if e.Numbers != (trade.Numbers{}) {
		text += fmt.Sprintf(" (given %s, bound %s)", inUnit(e.Reason.Unit(), e.Numbers.Given), inUnit(e.Reason.Unit(),
			e.Numbers.Bound))
	}
	return text
}

// openHistory opens the history, which follows behind for as long as the node runs.
func (n *Node) openHistory(_, running context.Context) (err error) {
	n.history, err = records.OpenHistory(records.HistoryOptions{URL: n.config.Records, Dir: n.config.Dir, Log: n.log})
	if err != nil {
		return fmt.Errorf("open the records: %w", err)
	}
	n.work.Go(func() { n.history.Follow(running, n.views.tail, n.replay) })
	return nil
}

// openLinks connects to the exchange, and waits for neither link: trading is read-only until they are there.
func (n *Node) openLinks(_, running context.Context) (err error) {
	market := &feed.Link{Market: n.market, Log: n.log, Define: n.define, Dial: func(ctx context.Context) (net.Conn,
		error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", n.config.ExchangeMarket)
	}}
	n.link, err = venue.New(venue.Options{
		Address: n.config.ExchangeOrders, Sender: unitCompID, Target: exchange.CompID, Unit: unitPBU,
		Password: n.config.ExchangePassword, Outbox: n.views.outbox, Proposer: n.group, Full: replica.ErrFull,
		Log: n.log,
	})
	if err != nil {
		return err
	}
	n.work.Go(func() { market.Run(running) })
	n.link.Start()
	return nil
}

// openDoor makes the one door.
func (n *Node) openDoor(_, _ context.Context) error {
	n.passwords = auth.NewPasswords(auth.Limits{}, auth.Parameters{}, nil)
	n.door = intake.New(intake.Parts{
		Log: func(trade.AccountID) intake.Log { return n.group },
		Board: func(id trade.SecurityID) (trade.Board, bool) {
			s, ok := n.views.listing.Security(id)
			return s.Board, ok
		},
		OrderSecurity: func(a trade.AccountID, id trade.OrderID) trade.SecurityID {
			o, _ := n.books.Day().Order(a, id)
			return o.Security
		},
	})
	return nil
}

// Failed delivers the error that ends the node: without its log it must not go on.
func (n *Node) Failed() <-chan error { return n.group.Failed() }

// Close stops everything, top-down.
func (n *Node) Close() error {
	var errs []error
	if n.servers != nil {
		errs = append(errs, n.servers.close())
	}
	n.market.Close()
	if n.link != nil {
		n.link.Close()
	}
	n.cancel()
	n.work.Wait()
	if s := n.exchangeHere(); s != nil {
		errs = append(errs, s.Close())
	}
	if n.group != nil {
		errs = append(errs, n.group.Close())
	}
	if n.history != nil {
		errs = append(errs, n.history.Close())
	}
	return errors.Join(errs...)
}
