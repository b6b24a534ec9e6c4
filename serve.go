package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"evenkeel/auth"
	"evenkeel/exchange"
	"evenkeel/gate"
	"evenkeel/node"
	"evenkeel/peer"
	"evenkeel/replica"
	"evenkeel/venue"
)

// passwordVariable names the environment variable of the exchange's password; a flag would be seen by everybody.
const passwordVariable = "EVENKEEL_EXCHANGE_PASSWORD" //nolint:gosec // a name, not a password

// clockFlags are the flags of a simulated exchange's time and players.
type clockFlags struct {
	sessions, start string
	speed           int
	flow            float64
	seed            uint64
	even            bool
}

func (c *clockFlags) add(f *flagSet) {
	f.StringVar(&c.sessions, "sessions", "always",
		"of the simulated exchange: always (one session that never closes) or real (the venues' own hours)")
	f.StringVar(&c.start, "start", "",
		"its time when it is first set up, such as 2026-11-23T09:10:00+08:00 (default: now)")
	f.IntVar(&c.speed, "speed", 1, fmt.Sprintf("how much faster than the wall its clock runs, 1 to %d",
		exchange.MaxSpeed))
	f.Float64Var(&c.flow, "flow", 60, fmt.Sprintf("orders and cancels a second of its players, 0 to %d",
		exchange.MaxFlow))
	f.Uint64Var(&c.seed, "seed", 1, "of the players' choices")
	f.BoolVar(&c.even, "flow-even", false, "securities take turns in the flow, all day alike: for measures")
}

func (c *clockFlags) read() (clock exchange.Clock, flow exchange.Flow, err error) {
	switch c.sessions {
	case "always":
		clock.Sessions = exchange.Always
	case "real":
		clock.Sessions = exchange.Real
	default:
		return clock, flow, fmt.Errorf("--sessions %q: always or real", c.sessions)
	}
	if c.start != "" {
		if clock.Start, err = time.Parse(time.RFC3339, c.start); err != nil {
			return clock, flow, fmt.Errorf("--start %q: a time such as 2026-11-23T09:10:00+08:00", c.start)
		}
	}
	if c.speed < 1 || c.speed > exchange.MaxSpeed {
		return clock, flow, fmt.Errorf("--speed %d: 1 to %d", c.speed, exchange.MaxSpeed)
	}
	if c.flow < 0 || c.flow > exchange.MaxFlow {
		return clock, flow, fmt.Errorf("--flow %v: 0 to %d", c.flow, exchange.MaxFlow)
	}
	clock.Speed = c.speed
	return clock, exchange.Flow{Rate: c.flow, Seed: c.seed, Even: c.even}, nil
}

// gateFlags are the limits of connections; the function that it returns reads the trusted balancers.
func gateFlags(f *flagSet, l *gate.Limits) (trusted func() ([]netip.Prefix, error)) {
	f.IntVar(&l.Connections, "connections", 0,
		"of clients at once; 0: 16384, and never more than three quarters of the file descriptors")
	f.IntVar(&l.PerAddress, "connections-per-address", 0, "of clients at once; 0: 4096")
	f.IntVar(&l.StrangersPerAddress.PerSecond, "strangers-per-address", 0,
		"requests a second of those who have not said who they are, logins apart, and four times as many at once; 0: 600; "+
			"more behind a proxy that hides its clients' addresses, since they are one then")
	list := f.String("proxy-from", "",
		"balancers whose PROXY header (version 1 or 2) says who the client is, such as 10.0.0.5,10.1.0.0/16")
	return func() (all []netip.Prefix, err error) {
		for text := range strings.SplitSeq(*list, ",") {
			if text == "" {
				continue
			}
			p, err := netip.ParsePrefix(text)
			if err != nil {
				var a netip.Addr
				if a, err = netip.ParseAddr(text); err != nil {
					return nil, fmt.Errorf("--proxy-from %q: an address, or a network such as 10.1.0.0/16", text)
				}
				p = netip.PrefixFrom(a, a.BitLen())
			}
			all = append(all, p)
		}
		return all, nil
	}
}

// logFlag chooses how much the log says.
func logFlag(f *flagSet) func() (*slog.Logger, error) {
	level := f.String("log", "warn", "what the log on standard error says: debug, info, warn or error")
	return func() (*slog.Logger, error) {
		var l slog.Level
		if err := l.UnmarshalText([]byte(*level)); err != nil {
			return nil, fmt.Errorf("--log %q: debug, info, warn or error", *level)
		}
		return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: l})), nil
	}
}

const serveUsage = `Run Evenkeel on this machine: the broker's books on a durable log, its API, and, unless
--exchange names one that runs elsewhere, a simulated exchange with players. The first start makes demo accounts and
prints their keys; they are kept, for programs, in demo.json of the data directory (readable by you alone).

  evenkeel serve
  evenkeel serve --data /srv/evenkeel --listen 127.0.0.1:9000 --listen-tls 127.0.0.1:9443
  evenkeel serve --sessions real                       the venues' own trading hours
  evenkeel serve --records postgres://user@/evenkeel   history in PostgreSQL (password in PGPASSWORD or ~/.pgpass)
  evenkeel serve --peer-listen 10.0.0.1:7100 --peers 1=10.0.0.1:7100,2=10.0.0.2:7100,3=10.0.0.3:7100 \
    --peer-tls node-1 --listen-tls 10.0.0.1:8443 --exchange 10.0.0.9:7001 --market 10.0.0.9:7002    one of three
  evenkeel serve --exchange 127.0.0.1:7001 --market 127.0.0.1:7002 --exchange-password-file data/exchange/password`

func serve(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 1 && args[0] == hashesWord {
		return auth.ServeAside(os.Stdin, out)
	}
	f := flags("serve", serveUsage, out)
	var c node.Config
	var clock clockFlags
	f.StringVar(&c.Dir, "data", "data", "directory of everything that is kept")
	f.StringVar(&c.Listen, "listen", "127.0.0.1:8080", "address of the API without TLS: a loopback address")
	f.StringVar(&c.ListenTLS, "listen-tls", "127.0.0.1:0",
		"address of the API with TLS; empty for none (port 0: any)")
	f.StringVar(&c.CertFile, "tls-cert", "", "certificate file (PEM) for --listen-tls; default: one of our own")
	f.StringVar(&c.KeyFile, "tls-key", "", "key file (PEM) of --tls-cert")
	f.StringVar(&c.ExchangeOrders, "exchange", "", "order gateway of an exchange that runs elsewhere")
	f.StringVar(&c.ExchangeMarket, "market", "", "market data of the exchange that runs elsewhere")
	passwordFile := f.String("exchange-password-file", "",
		"file with the password for --exchange; default: "+passwordVariable)
	exchangeCA := f.String("exchange-ca", "", "file (PEM) of the authority that made the exchange's certificate; "+
		"default: that of --peer-tls for an exchange elsewhere, none for one on this machine")
	f.StringVar(&c.Records, "records", "",
		"where history is kept: postgres://...; default: SQLite in the data directory")
	rulesFile := f.String("rules", "", "rule file in place of the built-in one")
	f.IntVar(&c.DemoN, "demo", 4,
		"how many demo accounts the first start makes; 0: none, and no deposits over the API")
	f.IntVar(&c.Shards, "shards", 0, fmt.Sprintf("over how many logs the accounts are spread, 1 to %d; fixed when the "+
		"data directory is made (default: as it was made, then 1)", node.MaxShards))
	peers := f.String("peers", "",
		"where the nodes of the cluster are, this one too, such as 1=10.0.0.1:7100,2=10.0.0.2:7100,3=10.0.0.3:7100")
	f.StringVar(&c.PeerListen, "peer-listen", "", "address at which the other nodes reach this one; empty: it is alone")
	f.StringVar(&c.PeerTLS, "peer-tls", "", "directory of this node's certificate, as `evenkeel ca node` made it")
	f.Uint64Var(&c.Node, "node", 0, "this node's id (default: as its certificate says; alone: 1)")
	f.BoolVar(&c.Join, "join", false, "this node comes to a cluster that runs, which `evenkeel node add` tells of it")
	f.BoolVar(&c.NoQueue, "no-queue", false, "for measurements: take all requests at once, as a server without a door")
	f.IntVar(&c.Streams, "streams", 0, "open at once; 0: 4096")
	proxies := gateFlags(f, &c.Gate)
	clock.add(f)
	logger := logFlag(f)
	if err := parse(f, args); err != nil {
		return err
	}
	err := hashesAside(&c)
	if err != nil {
		return err
	}
	if c.Log, err = logger(); err != nil {
		return err
	}
	if c.Peers, err = node.ParsePeers(*peers); err != nil {
		return err
	}
	if c.Gate.Trusted, err = proxies(); err != nil {
		return err
	}
	if c.Clock, c.Flow, err = clock.read(); err != nil {
		return err
	}
	if (c.ExchangeOrders == "") != (c.ExchangeMarket == "") {
		return wrong(f, "--exchange and --market go together: its order gateway and its market data")
	}
	for name, address := range map[string]string{"--exchange": c.ExchangeOrders, "--market": c.ExchangeMarket} {
		if _, _, err := net.SplitHostPort(address); address != "" && err != nil {
			return wrong(f, fmt.Sprintf("%s %q: host:port, such as 127.0.0.1:7001", name, address))
		}
	}
	if c.ExchangeOrders != "" {
		if c.ExchangePassword, err = venue.ReadPassword(*passwordFile, passwordVariable); err != nil {
			return err
		}
		if c.ExchangeTrust, err = trustOf(*exchangeCA, c.ExchangeOrders, c.PeerTLS); err != nil {
			return err
		}
	}
	if *rulesFile != "" {
		text, err := os.ReadFile(*rulesFile)
		if err != nil {
			return fmt.Errorf("rule file: %w", err)
		}
		c.Rules = string(text)
	}
	c.Version, c.Demo = Version, c.DemoN > 0
	c.Say = func(format string, args ...any) { _, _ = fmt.Fprintf(out, format+"\n", args...) }
	return serveUntil(ctx, c, out)
}

// trustOf is whom the links to the exchange trust; nil, which is plaintext, when it is on this machine and no file is
// given.
func trustOf(file, address, peerTLS string) (*tls.Config, error) {
	host, _, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	here := host == "localhost" || ip != nil && ip.IsLoopback()
	if err == nil && file == "" && peerTLS != "" && !here {
		file = filepath.Join(peerTLS, peer.AuthorityFile)
	}
	if file == "" {
		return nil, nil
	}
	return venue.Trust(file)
}

// farewell is how long a server whose log failed still answers questions, and refuses orders in words, before it
// ends; where there are other nodes it ends at once.
const farewell = 5 * time.Second

// A node whose state was not that of most members comes back by itself, with a state made anew; a few times, since a
// machine that does so again and again is broken.
const (
	comebacks      = 3
	comebackWindow = time.Hour
)

func serveUntil(ctx context.Context, c node.Config, out io.Writer) error {
	tuneMemory()
	var back []time.Time
	for {
		err := serveOnce(ctx, c, out)
		var diverged *replica.DivergedError
		if !errors.As(err, &diverged) || len(diverged.Agree) == 0 || ctx.Err() != nil {
			return err
		}
		back = slices.DeleteFunc(back, func(at time.Time) bool { return time.Since(at) > comebackWindow })
		if len(back) >= comebacks {
			return fmt.Errorf("%w (%d times within %v: this node stays away)", err, comebacks+1, comebackWindow)
		}
		back = append(back, time.Now())
		_, _ = fmt.Fprintln(os.Stderr, "evenkeel: coming back, with a state made anew from a snapshot and the log")
	}
}

func serveOnce(ctx context.Context, c node.Config, out io.Writer) error {
	n, err := node.Start(ctx, c)
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		_, _ = fmt.Fprintln(out, "stopped before it was up")
		return nil //nolint:nilerr // that is what was asked for
	}
	if err != nil {
		return err
	}
	_, _ = io.WriteString(out, n.Welcome())
	select {
	case <-ctx.Done():
		_, _ = fmt.Fprintln(out, "stopping")
		return n.Close()
	case err = <-n.Failed():
	}
	err = fmt.Errorf("the log failed, and nothing may be taken without it: %w", err)
	_, _ = fmt.Fprintf(os.Stderr, "evenkeel: %v\nending; what was acknowledged is on the disk\n", err)
	if n.Alone() { // nobody else would answer
		select {
		case <-ctx.Done():
		case <-time.After(farewell):
		}
	}
	return errors.Join(err, n.Close())
}

const exchangeUsage = `Run the simulated exchange alone: an order gateway that speaks the exchange's binary
protocol, market data on a second port, and players. A broker logs on with the password in the file "password" of the
data directory, which the first start makes.

  evenkeel exchange --data data/exchange --orders 127.0.0.1:7001 --market 127.0.0.1:7002
  evenkeel exchange --sessions real --start 2026-11-23T09:10:00+08:00 --speed 60     a day in 6 minutes
  evenkeel exchange --units 2                          a broker whose accounts are split over two shards
  evenkeel exchange --orders 10.0.0.9:7001 --market 10.0.0.9:7002 --tls-cert exchange.pem --tls-key exchange.key
  evenkeel exchange --replay inbound.csv.gz --speed 10      a recorded day in place of players`

func runExchange(ctx context.Context, args []string, out io.Writer) error {
	f := flags("exchange", exchangeUsage, out)
	var clock clockFlags
	c := exchange.Config{}
	f.StringVar(&c.Dir, "data", filepath.Join("data", "exchange"), "directory of the exchange's journal")
	f.StringVar(&c.Orders, "orders", "127.0.0.1:7001", "address of the order gateway")
	f.StringVar(&c.Market, "market", "127.0.0.1:7002", "address of market data")
	listFile := f.String("securities", "", "list of securities (CSV) in place of the built-in one, when first set up")
	recording := f.String("replay", "", "recorded orders to play in place of players (CSV, may be .gz)")
	code := f.String("security", "600519", "the security that --replay is a recording of")
	compID := f.String("unit", "EVENKEEL-BROKER", "SenderCompID of the broker that may log on")
	pbu := f.String("pbu", "EK0001", "its broker unit, at most 6 characters")
	units := f.Int("units", 1, fmt.Sprintf("how many units the broker has, one for each of its shards, 1 to %d: "+
		"unit 2 is <unit>-2 with the next PBU, and so on", exchange.MaxSessions))
	certificate := f.String("tls-cert", "", "certificate file (PEM) of both ports; without it they are of loopback")
	key := f.String("tls-key", "", "key file (PEM) of --tls-cert")
	clock.add(f)
	logger := logFlag(f)
	if err := parse(f, args); err != nil {
		return err
	}
	var err error
	if c.Log, err = logger(); err != nil {
		return err
	}
	if c.Clock, c.Flow, err = clock.read(); err != nil {
		return err
	}
	if *listFile != "" {
		if c.List, err = readList(*listFile); err != nil {
			return err
		}
	}
	if *recording != "" {
		c.Flow.Rate, c.Clock.Sessions = 0, exchange.Manual
	}
	password, err := passwordIn(c.Dir)
	if err != nil {
		return err
	}
	if c.Units, err = exchange.Units(*compID, *pbu, string(password), *units); err != nil {
		return err
	}
	if *certificate != "" || *key != "" {
		if c.TLS, err = exchange.ReadTLS(*certificate, *key); err != nil {
			return err
		}
	}
	s, err := exchange.Open(c)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "orders %s\nmarket %s\npassword in %s\n", s.OrdersAddress(), s.MarketAddress(),
		filepath.Join(c.Dir, "password"))
	played := make(chan error, 1)
	if *recording != "" {
		go func() { played <- s.PlayFile(ctx, *recording, *code, clock.speed, out) }()
	}
	select {
	case <-ctx.Done():
	case err = <-s.Failed():
		err = fmt.Errorf("the journal failed: %w", err)
	case err = <-played:
	}
	return errors.Join(err, s.Close())
}

func readList(name string) (_ []exchange.Listed, err error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("list of securities: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return exchange.ReadList(file)
}

// passwordIn reads the exchange's password of a directory, and makes one the first time.
func passwordIn(dir string) (venue.Password, error) {
	name := filepath.Join(dir, "password")
	if _, err := os.Stat(name); errors.Is(err, os.ErrNotExist) {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return "", fmt.Errorf("password of the exchange: %w", err)
		}
		if err := os.WriteFile(name, []byte(strings.TrimSpace(node.NewPassword())+"\n"), 0o600); err != nil {
			return "", fmt.Errorf("password of the exchange: %w", err)
		}
	}
	return venue.ReadPassword(name, "")
}
