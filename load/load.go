// Package load drives a server with requests on an absolute schedule, as a crowd of investors would, and says what
// they were told: how long each class waited, what was refused and with a time to come back, what failed, and
// whether the answers were true.
//
// Units: rates in requests a second; waits in microseconds inside and milliseconds in reports.
//
// Invariants: the loop is open: a request is due when the schedule says so, whatever became of those before it, and
// its wait is counted from then, so that time in which the driver itself was late is in it. How late the driver was is
// reported, and beyond MaxLate the run is not valid. Connections, requests under way, those that wait for a
// connection and time are bounded. An order goes under a client order id of its own; what was acknowledged is looked
// for when the load is over. Who is given a place in the waiting room of logins comes back with his ticket when he is
// told to, whatever he does else when he is refused, until he is called or the load is over.
//
// It never asks anybody but the API, and drives this machine alone unless the server is named as one to be tested.
//
// Source: Gil Tene, "How NOT to Measure Latency" (coordinated omission); HdrHistogram; RFC 9112 (HTTP/1.1); RFC 6585
// (429); RFC 9110 10.2.3 (Retry-After).
package load

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"runtime"
	"time"
)

// Limits of a load.
const (
	MaxRate        = 200_000
	MaxTime        = 30 * time.Minute
	MaxConnections = 20_000
	MaxPipeline    = 64
	MaxSources     = 250     // 127.0.0.1 to 127.0.0.250
	MaxWaiting     = 500_000 // requests that wait for a connection; one more has failed
	MaxStreams     = 50_000
	MaxTries       = 5 // of a request that is tried again; who has a ticket may look more often
	MaxDrivers     = 16

	// MaxLate is how late the driver may send 99 of 100 requests: above, what is measured is the driver.
	MaxLate = 10 * time.Millisecond
)

// Class of requests: what they are to an investor, and what the door knows them by.
type Class uint8

// Classes.
const (
	Order Class = iota
	Cancel
	Query // of an account
	Quote
	Login
	Classes
)

var classNames = [Classes]string{"order", "cancel", "query", "quote", "login"}

func (c Class) String() string { return classNames[c] }

// objectives are within what time an answer is useful.
var objectives = [Classes]time.Duration{Order: 100 * time.Millisecond, Cancel: 50 * time.Millisecond,
	Query: 200 * time.Millisecond, Quote: 200 * time.Millisecond, Login: 2 * time.Second}

// Objective of a class: an answer that comes later is late.
func (c Class) Objective() time.Duration { return objectives[c] }

// Account is who asks. Without a password it does not log in.
type Account struct {
	Login    string `json:"login"`
	Password string `json:"password,omitempty"`
	KeyID    string `json:"key_id"`
	Secret   string `json:"secret"`
}

// Retry is what a program does that was refused, or not answered.
type Retry uint8

// Retries.
const (
	Never  Retry = iota
	Polite       // comes back when it was told to, a little later at random; without a time, after 1 s, 2 s, 4 s
	Rude         // comes back at once
)

// Config of a load.
type Config struct {
	URL      string
	Trust    *tls.Config // for https; nil: the system's
	Named    string      // a host that is not this machine, and was named as one to be tested
	Accounts []Account

	Mix     Mix
	Rate    float64       // requests a second of the whole mix, times what the shape says
	Shape   string        // of Shapes
	Lasts   time.Duration // of the shape
	Warm    time.Duration // before it, at its first rate, not counted
	Poisson bool          // arrivals at random; else evenly

	Drivers     int           // goroutines that send, each its part of the one schedule; 0: one for each processor
	Connections int           // at most; they are made as they are needed
	Pipeline    int           // requests under way on one connection, when all are in use
	Newest      bool          // who came last goes first when a connection is free: who came long ago has given up
	Sources     int           // loopback addresses that connections come from
	Patience    time.Duration // then a request is given up, and its connection with it
	Retry       Retry
	Stay        time.Duration // who has a ticket of the waiting room comes back for so long behind the shape; 0: Patience
	Audit       int           // orders that are looked for at the end
	AuditWait   time.Duration // how long what was told may take to show; 0: 10 s
	Streams     Streams
	Seed        uint64
	Objectives  [Classes]time.Duration // 0: as the class has it

	Say   func(line string)   // told the state every second; nil: nobody
	Sleep func(time.Duration) // waits; nil: the machine's clock
}

// Streams that are open during a load.
type Streams struct {
	Events  int // server-sent events: an account's own
	Quotes  int // WebSocket: quotes of every security
	Symbols int // that a reader of quotes asks for; 0: all
}

func (c *Config) setDefaults() {
	if c.Shape == "" {
		c.Shape = "flat"
	}
	if c.Connections == 0 {
		c.Connections = 512
	}
	if c.Drivers == 0 {
		c.Drivers = min(MaxDrivers, runtime.GOMAXPROCS(0), c.Connections)
	}
	c.Pipeline, c.Sources = max(1, c.Pipeline), max(1, c.Sources)
	if c.Patience == 0 {
		c.Patience = 5 * time.Second
	}
	for class := range Classes {
		if c.Objectives[class] == 0 {
			c.Objectives[class] = objectives[class]
		}
	}
	if c.Stay == 0 {
		c.Stay = c.Patience
	}
	if c.AuditWait == 0 {
		c.AuditWait = auditWait
	}
	if c.Sleep == nil {
		c.Sleep = sleep
	}
	if c.Say == nil {
		c.Say = func(string) {}
	}
}

// check refuses what cannot be carried out.
func (c *Config) check() error {
	c.setDefaults()
	within := func(name string, v, least, most float64) error {
		if v < least || v > most {
			return fmt.Errorf("load: %s %g: %g to %g", name, v, least, most)
		}
		return nil
	}
	if err := errors.Join(
		within("rate", c.Rate, 0.1, MaxRate), within("seconds", c.Lasts.Seconds(), 1, MaxTime.Seconds()),
		within("warm-up seconds", c.Warm.Seconds(), 0, MaxTime.Seconds()),
		within("connections", float64(c.Connections), 1, MaxConnections),
		within("stay seconds", c.Stay.Seconds(), 0, MaxTime.Seconds()),
		within("drivers", float64(c.Drivers), 1, float64(max(1, min(MaxDrivers, c.Connections)))),
		within("pipeline", float64(c.Pipeline), 1, MaxPipeline),
		within("sources", float64(c.Sources), 1, MaxSources),
		within("streams", float64(c.Streams.Events+c.Streams.Quotes), 0, MaxStreams),
	); err != nil {
		return err
	}
	if len(c.Accounts) == 0 {
		return errors.New("load: there are no accounts")
	}
	if c.Mix.sum() == 0 {
		return errors.New("load: the mix is empty")
	}
	if c.Mix[Login] > 0 && len(c.logins()) == 0 {
		return errors.New("load: no account has a password, and the mix has logins")
	}
	return nil
}

// logins are the accounts that can log in.
func (c *Config) logins() (some []int) {
	for i := range c.Accounts {
		if c.Accounts[i].Password != "" {
			some = append(some, i)
		}
	}
	return some
}

// Target reads the address of a server, and refuses one that is not this machine and was not named.
func Target(text, named string) (u *url.URL, address string, err error) {
	u, err = url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, "", fmt.Errorf("load: %q: an address such as http://127.0.0.1:8080", text)
	}
	host, port := u.Hostname(), u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	ip := net.ParseIP(host)
	if host == "localhost" {
		host, ip = "127.0.0.1", net.IPv4(127, 0, 0, 1)
	}
	if (ip == nil || !ip.IsLoopback()) && u.Hostname() != named {
		return nil, "", fmt.Errorf("load: %s is another machine: a load may take a server down, so it must be named "+
			"as one that is there to be tested (--test-server %s)", u.Hostname(), u.Hostname())
	}
	return u, net.JoinHostPort(host, port), nil
}
