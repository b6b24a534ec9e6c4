// Package surge shows what the door does to a crowd: it drives servers of its own, with the door and without, beyond
// what they can carry, and says what those who trade and those who look were told.
//
// Two crowds drive a server at once, each on connections of its own, as investors' machines are: those who trade (a
// share of TradeShare of all requests) and those who look. Loads are open: what is due is due, whatever became of what
// was before. The knee of a server is the highest rate of both together at which 99 of 100 requests of each class are
// answered within their objective. Units: requests a second, milliseconds, shares from 0 to 1.
//
// Invariants: connections, rates and time are bounded; nothing but this machine is driven; the door and the plain
// server get the same crowds, seeds and data in the same run. It starts and ends its own processes only. The server
// has all processors but one, which the crowds have: a crowd is elsewhere, and takes no time from it. Who looks has at
// most Lookers connections: of those who wait for one the newest goes first, since people who waited long have given
// up, and what never gets one has failed.
//
// Source: Mogul and Ramakrishnan, Eliminating Receive Livelock, ACM TOCS 15(3), 1997.
package surge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"evenkeel/load"
)

// Limits of a proof.
const (
	TradeShare   = 0.01   // of a crowd: at ten times the knee those who trade still fit
	Lookers      = 2000   // connections of those who look
	LoginLookers = 8000   // of a storm of logins: that many people try twice in three seconds
	Traders      = 400    // connections of those who trade
	Times        = 10     // how far beyond the knee
	Logins       = 12_000 // attempts a second of a storm of logins
	mostRate     = 20_000
	leastRate    = 200
	Accounts     = 1500 // each may ask 50 questions a second
)

// Config of a proof.
type Config struct {
	Program  string   // the house's binary
	Words    []string // that make it drive a crowd: Drive
	Dir      string   // for data and logs
	Seconds  time.Duration
	Patience time.Duration // 2 s, as a person has: how long an attack's honest client waits for an answer
	Knee     float64       // requests a second; 0: it is looked for
	Accounts int
	// Make opens accounts at the desk of a server with that data directory.
	Make  func(ctx context.Context, data string, n int) ([]load.Account, error)
	Say   func(format string, args ...any)
	Only  Kind     // "": both
	Cases []string // or kinds of attacks, by name; empty: all
}

func (c *Config) setDefaults() error {
	if c.Seconds == 0 {
		c.Seconds = 5 * time.Second
	}
	if c.Patience == 0 {
		c.Patience = patience
	}
	if c.Say == nil {
		c.Say = func(string, ...any) {}
	}
	if c.Program == "" || c.Dir == "" || c.Make == nil || c.Seconds < time.Second || c.Seconds > time.Minute {
		return errors.New("surge: a program, a directory, accounts, and 1 s to 1 min for each case are needed")
	}
	return nil
}

// crowd drives a server with both crowds, or one where a rate is zero; who looks begins two seconds behind.
type crowd struct {
	trade, look float64  // requests a second
	tradeMix    load.Mix // zero: 3 orders to 2 cancels
	lookMix     load.Mix // zero: 2 quotes to 1 question
	lookers     int      // connections; 0: Lookers
	shape       string
	lasts       time.Duration
}

// Cases are the names of all.
func Cases() (names []string) {
	for _, k := range cases(1, time.Second) {
		names = append(names, k.name)
	}
	return names
}

// Run proves, or shows that it cannot be proved.
func Run(ctx context.Context, c Config) (*Result, error) {
	if err := c.setDefaults(); err != nil {
		return nil, err
	}
	for _, name := range c.Cases {
		if !slices.Contains(Cases(), name) {
			return nil, fmt.Errorf("surge: the case %q is not known; known: %s", name, strings.Join(Cases(), "; "))
		}
	}
	r := &Result{Machine: load.Machine(), Began: time.Now(), Seconds: c.Seconds.Seconds(), Knee: c.Knee,
		only: c.Cases}
	for _, kind := range []Kind{Door, Plain} {
		if c.Only != "" && c.Only != kind {
			continue
		}
		if err := r.of(ctx, &c, kind); err != nil {
			return r, fmt.Errorf("surge: the server %v: %w", kind, err)
		}
	}
	r.judge()
	r.Took = time.Since(r.Began).Seconds()
	return r, nil
}

// of drives one server through every case.
func (r *Result) of(ctx context.Context, c *Config, kind Kind) (err error) {
	s, err := start(ctx, c, kind)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	if r.Knee == 0 {
		if r.Knee, err = r.findKnee(ctx, c, s); err != nil {
			return err
		}
	}
	for _, k := range cases(r.Knee, c.Seconds) {
		if len(c.Cases) > 0 && !slices.Contains(c.Cases, k.name) {
			continue
		}
		traders, lookers, err := s.drive(ctx, k.crowd)
		if err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
		row := newRow(k.name, kind, k.crowd, traders, lookers)
		r.Cases = append(r.Cases, row)
		c.Say("%s", row.line())
		if err := s.settle(ctx); err != nil {
			return err
		}
	}
	return nil
}

// situation is one thing that is done to a server.
type situation struct {
	name string
	crowd
}

// Names of the cases.
const (
	quiet      = "quiet"
	quietAgain = "quiet again"
	nearly     = "0.9 x the knee"
	atKnee     = "the knee"
	surge      = "10 x the knee"
	over       = "10 x, and then 0.8 x"
	orderStorm = "order storm"
	queryStorm = "query storm"
	loginStorm = "login storm"
)

// steady is how many requests those who trade send a second while others storm.
const steady = 150

func cases(knee float64, lasts time.Duration) []situation {
	both := func(times float64, shape string, lasts time.Duration) crowd {
		return crowd{trade: knee * TradeShare * times, look: knee * (1 - TradeShare) * times, shape: shape, lasts: lasts}
	}
	return []situation{
		{quiet, crowd{trade: steady, shape: "flat", lasts: lasts}},
		{nearly, both(.9, "flat", lasts)},
		{atKnee, both(1, "flat", lasts)},
		{surge, both(Times, "flat", lasts)},
		{over, both(1, "surge", 3*lasts)},
		{queryStorm, crowd{trade: steady, look: Times * knee, shape: "flat", lasts: lasts}},
		{loginStorm, crowd{trade: steady, look: Logins, lookMix: load.Mix{load.Login: 1}, lookers: LoginLookers,
			shape: "flat", lasts: lasts}},
		{orderStorm, crowd{trade: steady, tradeMix: load.Mix{load.Order: 2, load.Cancel: 1}, look: knee * 2,
			lookMix: load.Mix{load.Order: 1}, shape: "flat", lasts: lasts}},
		{quietAgain, crowd{trade: steady, shape: "flat", lasts: lasts}},
	}
}

// findKnee raises the rate until a class misses its objective, and halves the distance until it is known to a tenth.
func (r *Result) findKnee(ctx context.Context, c *Config, s *server) (float64, error) {
	holds := func(rate float64) (bool, error) {
		k := crowd{trade: rate * TradeShare, look: rate * (1 - TradeShare), shape: "flat", lasts: c.Seconds * 3 / 5}
		traders, lookers, err := s.drive(ctx, k)
		if err != nil {
			return false, err
		}
		row := newRow(fmt.Sprintf("knee: %.0f/s", rate), Door, k, traders, lookers)
		ok := row.worst() >= .99 && row.Valid
		r.Steps = append(r.Steps, Step{Rate: rate, Holds: ok, Useful: row.Useful})
		c.Say("%s  %v", row.line(), map[bool]string{true: "holds", false: "does not hold"}[ok])
		return ok, s.settle(ctx)
	}
	twice := func(rate float64) (bool, error) { // the machine's noise is no knee
		ok, err := holds(rate)
		if err == nil && !ok {
			ok, err = holds(rate)
		}
		return ok, err
	}
	low, high := 0.0, leastRate*8.0
	for {
		ok, err := twice(high)
		if err != nil {
			return 0, err
		}
		if !ok {
			break
		}
		if low = high; low >= mostRate {
			return low, nil
		}
		high = min(high*1.6, mostRate)
	}
	for low == 0 || high/low > 1.1 {
		middle := (low + high) / 2
		if middle < leastRate {
			return 0, fmt.Errorf("nothing holds at %d requests a second: the machine has too little left", leastRate)
		}
		ok, err := twice(middle)
		if err != nil {
			return 0, err
		}
		if ok {
			low = middle
		} else {
			high = middle
		}
	}
	return low, nil
}
