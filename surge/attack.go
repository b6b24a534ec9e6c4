package surge

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"evenkeel/load"
)

// MostAttackers is how many connections one kind of attack may have at once.
const MostAttackers = 2000

// probeRate is how many requests an honest client sends a second while somebody attacks.
const probeRate = 40

// Attack is what one kind did, and what an honest client was told meanwhile.
type Attack struct {
	Kind     string  `json:"kind"`
	From     string  `json:"from"`
	Made     int64   `json:"made"` // connections, streams or messages, as the kind has it
	Lost     int64   `json:"lost"` // of the connections: refused, or cut off
	Due      int     `json:"due"`  // requests of the honest client
	Answered int     `json:"answered"`
	Refused  int     `json:"refused"` // and told when to come back
	P50      float64 `json:"p50"`
	P99      float64 `json:"p99"`
	Held     bool    `json:"held"` // 99 of 100 answered, p99 within 50 ms
}

// AttackResult is all of them.
type AttackResult struct {
	Machine string   `json:"machine"`
	Attacks []Attack `json:"attacks"`
}

// target is what attackers know.
type target struct {
	plain, secure string
	trust         *tls.Config
	made, lost    atomic.Int64
	failed        atomic.Pointer[error] // of a published program
}

// kind is one kind of attack: what n attackers do until ctx ends.
type kind struct {
	name  string
	storm func(ctx context.Context, t *target, from net.IP, n int)
	n     int // of each hundred attackers
}

// each lets every attacker do the same, on and on.
func each(act func(ctx context.Context, t *target, from net.IP)) func(context.Context, *target, net.IP, int) {
	return func(ctx context.Context, t *target, from net.IP, n int) {
		var all sync.WaitGroup
		for range n {
			all.Go(func() {
				for ctx.Err() == nil {
					act(ctx, t, from)
					pause(ctx, 5*time.Millisecond)
				}
			})
		}
		all.Wait()
	}
}

var kinds = []kind{
	{"nothing", each(func(context.Context, *target, net.IP) {}), 0},
	{"slow headers", each(slowHeaders), 100},
	{"slow body", each(slowBody), 100},
	{"ranges", each(ranges), 5},
	{"slow read", each(slowRead), 50},
	{"TLS handshakes", each(handshakes), 10},
	{"HTTP/2 rapid reset", each(rapidReset), 2},
	{"WebSockets", each(webSockets), 50},
}

// Attacks are the names of all kinds, those of programs that are not installed too.
func Attacks() (names []string) {
	for i := range kinds {
		names = append(names, kinds[i].name)
	}
	for i := range tools {
		names = append(names, tools[i].name)
	}
	return names
}

// RunAttacks attacks a server of its own in every way, each from another loopback address, and asks it meanwhile what
// an honest client asks.
func RunAttacks(ctx context.Context, c Config, attackers int) (result *AttackResult, err error) {
	if err := c.setDefaults(); err != nil {
		return nil, err
	}
	for _, name := range c.Cases {
		if !slices.Contains(Attacks(), name) {
			return nil, fmt.Errorf("surge: the attack %q is not known; known: %s", name, strings.Join(Attacks(), "; "))
		}
	}
	if attackers < 1 || attackers > MostAttackers {
		return nil, fmt.Errorf("surge: %d attackers: 1 to %d", attackers, MostAttackers)
	}
	c.Accounts = 0
	s, err := start(ctx, &c, Door)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	if err := pin(os.Getpid(), 0, 1); err != nil { // attackers are elsewhere, too
		return nil, err
	}
	t, err := s.target(filepath.Join(c.Dir, string(Door)))
	if err != nil {
		return nil, err
	}
	result = &AttackResult{Machine: load.Machine()}
	published, missing := installed()
	for _, program := range missing {
		c.Say("%s is not installed: its attacks are left out", program)
	}
	for i, k := range slices.Concat(kinds, published) {
		if len(c.Cases) > 0 && !slices.Contains(c.Cases, k.name) {
			continue
		}
		a, err := s.under(ctx, t, k, net.IPv4(127, 0, 1, byte(1+i)), (attackers*k.n+99)/100, c.Seconds,
			c.Patience)
		if err != nil {
			return result, fmt.Errorf("%s: %w", k.name, err)
		}
		result.Attacks = append(result.Attacks, a)
		c.Say("%-20s %7d made, %6d lost; %d of %d answered, p50 %.1f, p99 %.1f ms", a.Kind, a.Made, a.Lost, a.Answered,
			a.Due, a.P50, a.P99)
		if err := s.settle(ctx); err != nil {
			return result, err
		}
	}
	return result, nil
}

// target reads where the server is.
func (s *server) target(data string) (*target, error) {
	var demo struct{ HTTPS, CA string }
	text, err := os.ReadFile(filepath.Join(data, "demo.json")) //nolint:gosec // ours
	if err == nil {
		err = json.Unmarshal(text, &demo)
	}
	if err != nil {
		return nil, fmt.Errorf("addresses of the server: %w", err)
	}
	pem, err := os.ReadFile(demo.CA)
	if err != nil {
		return nil, fmt.Errorf("authority of the server: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return &target{plain: strings.TrimPrefix(s.url, "http://"), secure: strings.TrimPrefix(demo.HTTPS, "https://"),
		trust: &tls.Config{RootCAs: roots, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12}}, nil
}

// under asks what an honest client asks while n attackers of a kind act.
func (s *server) under(
	ctx context.Context, t *target, k kind, from net.IP, n int, lasts, patient time.Duration,
) (Attack, error) {
	t.made.Store(0)
	t.lost.Store(0)
	acting, stop := context.WithTimeout(ctx, lasts+headway+3*patient+30*time.Second)
	defer stop()
	var all sync.WaitGroup
	all.Go(func() { k.storm(acting, t, from, n) })
	honest := plan{URL: s.url, Accounts: s.accounts, Mix: load.Mix{load.Order: 2, load.Cancel: 1, load.Query: 2},
		Rate: probeRate, Shape: "flat", Lasts: lasts, Warm: headway, Connections: 16,
		Patience: patient, Seed: 1}
	told, err := s.loose(ctx, honest, tradeNice)
	stop()
	all.Wait()
	a := Attack{Kind: k.name, From: from.String(), Made: t.made.Load(), Lost: t.lost.Load()}
	if failed := t.failed.Load(); err == nil && failed != nil {
		err = *failed
	}
	if err != nil {
		return a, err
	}
	for i := range told.Rows {
		row := &told.Rows[i]
		a.Due, a.Answered, a.Refused = a.Due+row.Due, a.Answered+row.Answered, a.Refused+row.Refused
		a.P50, a.P99 = max(a.P50, row.P50), max(a.P99, row.P99)
	}
	a.Held = a.Answered*100 >= a.Due*99 && a.P99 <= 50
	return a, nil
}

// Held reports whether the honest client was served through all of them.
func (r *AttackResult) Held() bool {
	for i := range r.Attacks {
		if !r.Attacks[i].Held {
			return false
		}
	}
	return true
}

// JSON writes everything.
func (r *AttackResult) JSON(out io.Writer) error {
	e := json.NewEncoder(out)
	e.SetIndent("", " ")
	return e.Encode(r)
}

// Table writes it for people.
func (r *AttackResult) Table(out io.Writer) error {
	_, _ = fmt.Fprintf(out, "%s; an honest client sends %d requests a second\n\n", r.Machine, probeRate)
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(w, "attack\tmade\tlost\tdue\tanswered\tp50 ms\tp99 ms\t\t")
	for i := range r.Attacks {
		a := &r.Attacks[i]
		_, _ = fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%.1f\t%.1f\t%s\t\n", a.Kind, a.Made, a.Lost, a.Due,
			a.Answered, a.P50, a.P99, map[bool]string{true: "held", false: "NOT HELD"}[a.Held])
	}
	return w.Flush()
}
