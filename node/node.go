// Package node wires the rooms into one running machine: it starts them bottom-up, connects them, and stops them
// top-down. A machine may be alone, or one of several that hold the same books and answer as one.
//
// Order of the start: the data directory and how its books are laid out, the addresses (which answer "starting"
// until the house is open), the connections to the other nodes, the logs of the shards (replayed) and their views,
// history, the exchange when it runs in the same process, market data, the links to the exchange, the door, the
// record of peaks, the API, the demo accounts, the desk. Nothing waits for another node: a node comes up, says in
// /readyz what it waits for, and answers from what it has.
//
// Invariants: a failed log ends the process, since nothing may be taken without it; everything else may fail and come
// back. What only a leader does (rules, link, list of securities) is done while this node leads the shard with
// everything of earlier terms applied, and at no other time. Whoever was answered by this node reads here what he has
// done, or is told that it cannot be seen yet. Before a node ends, its leaderships have gone to others, where there
// are any.
//
// It never decides about trading; whoever reads it learns who knows whom.
//
// Source: docs/adr/0012 for shards and fresh answers.
package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"

	"evenkeel/api"
	"evenkeel/auth"
	"evenkeel/capacity"
	"evenkeel/core/rules"
	"evenkeel/core/trade"
	"evenkeel/exchange"
	"evenkeel/feed"
	"evenkeel/gate"
	"evenkeel/intake"
	"evenkeel/records"
	"evenkeel/relay"
	"evenkeel/replica"
	"evenkeel/venue"
)

// Limits of a node.
const (
	StartTime    = 60 * time.Second // for a step of the start; replaying a log may take longer
	DrainTime    = 5 * time.Second  // for requests under way when the node stops
	patience     = time.Second      // a step that takes longer says how far it is
	firstNode    = 1
	unitCompID   = "EVENKEEL-BROKER" // of shard 0 (exchange.Units)
	unitPBU      = "EK0001"
	exchangeData = "exchange"
	brokerData   = "broker"
)

// Config says what to run.
type Config struct {
	Dir  string // data directory
	Node uint64 // this machine's number, never used twice; 0: 1, the only one
	// The other nodes, where there are or will be any. PeerListen is the address at which they reach this one; "":
	// none.
	PeerListen string
	PeerTLS    string           // directory of this node's certificate among them (evenkeel ca)
	Peers      []replica.Member // where the nodes are; those of a new cluster
	Join       bool             // this node comes to others, which add it
	Shards     int              // over how many logs the accounts are spread; fixed at birth. 0: as at birth, then one
	// Hashes is the process that computes hashes of passwords (auth.ServeAside); nil: it is done here.
	Hashes    func() *exec.Cmd
	Listen    string // host:port of the API without TLS; loopback only
	ListenTLS string // host:port of the API with TLS; "" for none
	CertFile  string // with KeyFile: the certificate; "": one of our own, for this machine
	KeyFile   string

	ExchangeOrders   string         // order gateway of an exchange that runs elsewhere; "": one runs in this process
	ExchangeMarket   string         // its market data
	ExchangePassword venue.Password // for ExchangeOrders
	ExchangeTrust    *tls.Config    // of the authority that made its certificate; nil: it is on this machine
	Clock            exchange.Clock // of the exchange in this process
	Flow             exchange.Flow

	Records string      // where history is kept: "" for SQLite in Dir, or postgres://...
	Rules   string      // rule file; "": the embedded one
	Demo    bool        // demo accounts, deposits by the investor himself
	DemoN   int         // how many demo accounts
	Gate    gate.Limits // of connections
	Streams int         // open at once; 0: 4,096
	NoQueue bool        // all requests are taken at once: only to measure what the queue is for
	Version string
	Log     *slog.Logger
	Say     func(format string, args ...any) // progress for people; may be nil
}

// Node is one running machine.
type Node struct {
	config    Config
	log       *slog.Logger
	rules     *rules.Rules
	shards    []*shard
	directory *auth.Directory
	documents *records.Documents
	market    *feed.Market
	history   *records.History
	passwords *auth.Passwords
	aside     *auth.Aside // nil: hashes of passwords are computed here
	door      *intake.Door
	peaks     *capacity.Peaks
	servers   *servers
	cluster   *cluster
	relay     *relay.Relay // nil: this node is alone

	seal        atomic.Pointer[[auth.SealKeySize]byte] // of second proofs; nil: not known yet
	sealing     sync.Mutex                             // one key is kept at a time
	decided     atomic.Pointer[decision]               // what staff decided for the house
	acting      sync.Mutex                             // one act of staff at a time
	server      *api.Server
	definitions *definitions
	started     time.Time
	draining    atomic.Bool
	open        atomic.Bool   // everything was opened: others may ask
	broken      atomic.Bool   // a log has failed: the node ends
	operations  chan struct{} // operators' work that is under way here for other nodes
	failed      chan error    // the first of what ends the node

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
	n := &Node{config: c, log: c.Log, market: feed.NewMarket(), directory: auth.NewDirectory(),
		documents: records.NewDocuments(), definitions: newDefinitions(), failed: make(chan error, 1), started: time.Now(),
		operations: make(chan struct{}, maxOperations)}
	if n.cluster, err = newCluster(n); err != nil {
		return nil, err
	}
	if n.rules, err = rules.Parse(c.Rules); err != nil {
		return nil, fmt.Errorf("rule file: %w", err)
	}
	running, cancel := context.WithCancel(context.Background())
	n.cancel = cancel
	for _, step := range []func(context.Context, context.Context) error{
		n.openDir, n.openLayout, n.openSeal, n.openListeners, n.openCluster, n.learnLayout,
		n.openShards, n.openHistory, n.openExchange, n.openLinks, n.learnSeal, n.openDoor,
		n.openPeaks, n.openServers, n.openDemo, n.openDesk,
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
	n.open.Store(true)
	if n.config.inCluster() {
		n.work.Go(func() { n.balance(running) })
	}
	return n, nil
}

// openHistory opens the history, which follows behind for as long as the node runs.
func (n *Node) openHistory(_, running context.Context) (err error) {
	n.history, err = records.OpenHistory(records.HistoryOptions{URL: n.config.Records, Dir: n.config.Dir,
		Shards: len(n.shards), Log: n.log})
	if err != nil {
		return fmt.Errorf("open the records: %w", err)
	}
	for _, s := range n.shards {
		n.work.Go(func() {
			source := records.Source{Shard: s.number, Tail: s.views.tail, Replay: s.replay, Memory: s.day}
			if n.config.inCluster() && n.history.Shared() { // all nodes follow into one database: one writes at a time
				source.Writes = s.leads
			}
			n.history.Follow(running, source)
		})
	}
	return nil
}

// openLinks connects to the exchange, and waits for no link: trading is read-only until they are there.
func (n *Node) openLinks(_, running context.Context) (err error) {
	market := &feed.Link{Market: n.market, Log: n.log, Define: n.definitions.take}
	if market.Dial, err = venue.Dialer(n.config.ExchangeMarket, n.config.ExchangeTrust); err != nil {
		return fmt.Errorf("market data: %w", err)
	}
	for _, s := range n.shards {
		if err := s.openLink(); err != nil {
			return err
		}
	}
	for _, s := range n.shards {
		n.work.Go(func() { s.govern(running) })
	}
	n.work.Go(func() { market.Run(running) })
	return nil
}

// openDoor makes the one door.
func (n *Node) openDoor(_, running context.Context) error {
	n.lookAtHouse()
	n.work.Go(func() { n.watchHouse(running) })
	n.passwords = auth.NewPasswords(auth.Limits{}, auth.Parameters{}, nil)
	if n.config.Hashes != nil {
		n.aside = auth.NewAside(n.config.Hashes)
		n.passwords.Aside(n.aside)
	}
	n.door = intake.New(intake.Parts{
		Log: func(account trade.AccountID) intake.Log {
			if s := n.shardOf(account); s != nil {
				return s.log
			}
			return nil
		},
		Board: func(id trade.SecurityID) (trade.Board, bool) {
			s, ok := n.listing().Security(id)
			return s.Board, ok
		},
		OrderSecurity: func(a trade.AccountID, id trade.OrderID) trade.SecurityID {
			o, _ := n.dayOf(a).Order(a, id)
			return o.Security
		},
		ReadOnly: func() bool { return n.decision().ReadOnly },
		Limits: intake.Limits{Queue: intake.QueueLimits{Off: n.config.NoQueue, Pressure: intake.Pressure(),
			Network: intake.Network(running), Breath: intake.Breath(running)}},
	})
	return nil
}

// listing is the house's list of securities, phases and days: that of shard 0.
func (n *Node) listing() *records.Listing { return n.shards[0].views.listing }

// fail ends the node with an error; the first one counts. Where there are other nodes, whoever asks this one is sent
// to them at once: without its log it would only keep him waiting.
func (n *Node) fail(err error) {
	n.broken.Store(true)
	if n.open.Load() && !n.Alone() {
		n.leave(true)
		n.server.Refuse(true)
	}
	select {
	case n.failed <- err:
	default:
	}
}

// Alone reports whether nobody else could go on in this node's place.
func (n *Node) Alone() bool {
	for _, s := range n.shards {
		if !s.alone.Load() {
			return false
		}
	}
	return true
}

// Failed delivers the error that ends the node: without its log it must not go on.
func (n *Node) Failed() <-chan error { return n.failed }

// Close stops everything, top-down.
func (n *Node) Close() error {
	var errs []error
	if n.open.Load() { // others go on before anything ends here
		n.part()
	}
	if n.relay != nil && n.broken.Load() { // it hears of no leader any more: nobody is to wait for one
		n.relay.Close()
	}
	if n.servers != nil {
		errs = append(errs, n.servers.close())
	}
	n.market.Close()
	var farewells sync.WaitGroup // each waits for the exchange's own, a moment at most
	for _, s := range n.shards {
		if s.link != nil {
			farewells.Go(s.link.Close)
		}
	}
	farewells.Wait()
	n.cancel()
	n.work.Wait()
	if n.aside != nil {
		n.aside.Close()
	}
	if s := n.exchangeHere(); s != nil {
		errs = append(errs, s.Close())
	}
	if n.relay != nil {
		n.relay.Close()
	}
	for _, s := range n.shards {
		errs = append(errs, s.close())
	}
	errs = append(errs, n.cluster.close())
	if n.history != nil {
		errs = append(errs, n.history.Close())
	}
	return errors.Join(errs...)
}
