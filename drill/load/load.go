// Package load is investors' programs that never stop: orders and cancels on an absolute schedule, sent to whichever
// node answers, and a record of its own of everything that they were told.
//
// Units: time.Time of this machine's monotonic clock; orders in shares and yuan as the API writes them.
//
// Invariants: a request is due when the schedule says so, whatever became of those before it (an open loop), and waits
// are counted from then. A request that is asked twice is asked with the same client order id and the same words. An
// order stands in the record before it is sent.
//
// It never asks anybody but the API, and never looks into files of those that it measures.
//
// Source: Gil Tene, "How NOT to Measure Latency" (coordinated omission); Dean and Barroso, "The Tail at Scale", 2013
// (hedged requests).
package load

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Limits of a load.
const (
	MaxRate   = 2000 // requests a second
	MaxFlight = 128  // requests of a program under way; one that finds no room waits, and is counted from its time
	keepLive  = 20   // orders of an account that wait to be cancelled
)

// Kind of a request.
type Kind uint8

// Kinds.
const (
	Place Kind = iota
	Cancel
)

// Outcome is what a program knows of its request.
type Outcome uint8

// Outcomes.
const (
	Pending Outcome = iota
	Acknowledged
	Refused // for a reason of the business: the books have not got it
	Failed  // nobody answered within Patience
)

func (o Outcome) String() string {
	return [...]string{"pending", "acknowledged", "refused", "failed"}[o]
}

// Wish is an order as it was asked for.
type Wish struct {
	Symbol      string `json:"symbol"`
	Quantity    string `json:"qty"`
	Side        string `json:"side"`
	Type        string `json:"type"`
	TimeInForce string `json:"time_in_force"`
	Price       string `json:"limit_price"`
	ClientID    string `json:"client_order_id"`
}

// Request is one line of the record.
type Request struct {
	Kind      Kind      `json:"kind"`
	Program   int       `json:"program"`
	Account   int       `json:"account"`
	Wish      Wish      `json:"wish,omitzero"`
	Order     string    `json:"order,omitempty"` // by the broker
	Due       time.Time `json:"due"`
	Done      time.Time `json:"done,omitzero"`
	Node      uint64    `json:"node,omitempty"` // who answered
	Attempts  int       `json:"attempts"`
	Outcome   Outcome   `json:"outcome"`
	Why       string    `json:"why,omitempty"`
	Cancelled bool      `json:"cancelled,omitempty"` // a cancel of this order was acknowledged
	Asked     bool      `json:"asked,omitempty"`     // a cancel of this order was asked for
}

// Config of a load.
type Config struct {
	Nodes    []Node
	Trust    *tls.Config
	Accounts []Account
	Programs int // each with its own home among the nodes
	Rate     int // requests a second of all programs
	Seed     uint64
}

// Load is the programs and their record.
type Load struct {
	config  Config
	clients []*Client
	began   time.Time

	mu      sync.Mutex
	records []*Request
	live    [][]*Request // by account: acknowledged, and not asked to be cancelled
	wrong   []string     // answers that cannot be

	stop context.CancelFunc
	work sync.WaitGroup
}

// Start starts the programs.
func Start(c Config) (*Load, error) {
	if c.Rate < 1 || c.Rate > MaxRate || c.Programs < 1 || len(c.Accounts) < c.Programs || len(c.Nodes) == 0 {
		return nil, fmt.Errorf("load: a rate of 1 to %d, a node, a program and an account for each are needed", MaxRate)
	}
	l := &Load{config: c, began: time.Now(), live: make([][]*Request, len(c.Accounts))}
	ctx, stop := context.WithCancel(context.Background())
	l.stop = stop
	for p := range c.Programs {
		l.clients = append(l.clients, NewClient(c.Nodes, c.Trust, p%len(c.Nodes)))
	}
	for p := range c.Programs {
		l.work.Go(func() { l.run(ctx, p) })
	}
	return l, nil
}

// Stop ends the schedule and waits for what is under way.
func (l *Load) Stop() {
	l.stop()
	l.work.Wait()
	for _, c := range l.clients {
		c.Close()
	}
}

// GoHome sends every program back to the node that it began with.
func (l *Load) GoHome() {
	for p, c := range l.clients {
		c.GoHome(p % len(l.config.Nodes))
	}
}

// run is one program.
func (l *Load) run(ctx context.Context, program int) {
	gap := time.Second * time.Duration(l.config.Programs) / time.Duration(l.config.Rate)
	first := l.began.Add(gap * time.Duration(program) / time.Duration(l.config.Programs))
	random := rand.New(rand.NewPCG(l.config.Seed, uint64(program))) //nolint:gosec // choices that can be repeated
	var mine []int
	for a := program; a < len(l.config.Accounts); a += l.config.Programs {
		mine = append(mine, a)
	}
	room := make(chan struct{}, MaxFlight)
	var flight sync.WaitGroup
	defer flight.Wait()
	for i := 0; ; i++ {
		due := first.Add(gap * time.Duration(i))
		if !wait(ctx, time.Until(due)) {
			return
		}
		room <- struct{}{}
		account := mine[i%len(mine)]
		r, target := l.next(program, account, i, due, random)
		flight.Go(func() {
			defer func() { <-room }()
			if target != nil {
				l.cancel(r, target)
			} else {
				l.place(r)
			}
		})
	}
}

// next chooses what a program does: when an account has enough live orders, the oldest is cancelled.
func (l *Load) next(program, account, i int, due time.Time, random *rand.Rand) (r, target *Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r = &Request{Program: program, Account: account, Due: due}
	if live := l.live[account]; len(live) > keepLive || len(live) > 2 && random.IntN(3) == 0 {
		target, l.live[account] = live[0], live[1:]
		target.Asked = true
		r.Kind, r.Order, r.Wish.ClientID = Cancel, target.Order, target.Wish.ClientID
	} else {
		r.Wish = wish(random)
		r.Wish.ClientID = fmt.Sprintf("d%d-%d-%d", l.config.Seed, program, i)
	}
	l.records = append(l.records, r)
	return r, target
}

// lines are what is traded: what is cheap enough to be bought all day.
var lines = []struct {
	symbol string
	close  float64
}{{"600000.SH", 10.00}, {"000001.SZ", 11.40}, {"601398.SH", 5.42}, {"000725.SZ", 4.06}}

// wish is a purchase that mostly waits below the market, and sometimes trades.
func wish(random *rand.Rand) Wish {
	line := lines[random.IntN(len(lines))]
	price := line.close * (1 - 0.01 - 0.05*random.Float64())
	if random.IntN(12) == 0 {
		price = line.close * 1.012
	}
	return Wish{Symbol: line.symbol, Quantity: fmt.Sprint(100 * (1 + random.IntN(3))), Side: "buy", Type: "limit",
		TimeInForce: "day", Price: fmt.Sprintf("%.2f", price)}
}

// told is what the API says of an order, or why not.
type told struct {
	ID       string `json:"id"`
	ClientID string `json:"client_order_id"`
	Symbol   string `json:"symbol"`
	Quantity string `json:"qty"`
	Side     string `json:"side"`
	Price    string `json:"limit_price"`
	Status   string `json:"status"`
	Reason   string `json:"reason"`
	Message  string `json:"message"`
}

func (l *Load) place(r *Request) {
	body, err := json.Marshal(r.Wish)
	if err != nil {
		panic(err)
	}
	who := l.config.Accounts[r.Account]
	a := l.clients[r.Program].Call(context.Background(), who, http.MethodPost, "/v2/orders", body)
	var t told
	err = json.Unmarshal(a.Body, &t)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hear(r, a)
	if r.Outcome != Acknowledged {
		r.Why = strings.TrimSpace(r.Why + " " + t.Reason + " " + t.Message)
		return
	}
	if wrong := errors.Join(err, t.differs(r.Wish)); wrong != nil {
		l.wrong = append(l.wrong, fmt.Sprintf("%s: the answer is not about what was asked: %v", r.Wish.ClientID, wrong))
	}
	r.Order = t.ID
	l.live[r.Account] = append(l.live[r.Account], r)
}

// differs says where an order is not the one that was asked for.
func (t *told) differs(w Wish) error {
	if t.ClientID != w.ClientID || t.ID == "" || t.Symbol != w.Symbol || t.Quantity != w.Quantity ||
		t.Side != w.Side || Trimmed(t.Price) != Trimmed(w.Price) {
		return fmt.Errorf("asked for %+v, told of %+v", w, *t)
	}
	return nil
}

// Trimmed is a price without zeros that say nothing.
func Trimmed(price string) string {
	if strings.Contains(price, ".") {
		return strings.TrimRight(strings.TrimRight(price, "0"), ".")
	}
	return price
}

func (l *Load) cancel(r, target *Request) {
	a := l.clients[r.Program].Call(context.Background(), l.config.Accounts[r.Account], http.MethodDelete,
		"/v2/orders/"+target.Order, nil)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hear(r, a)
	switch {
	case a.Status == http.StatusNotFound:
		l.wrong = append(l.wrong, fmt.Sprintf("%s was acknowledged as %s, and its cancel says that there is none",
			target.Wish.ClientID, target.Order))
	case a.Status == http.StatusUnprocessableEntity: // it has traded, or an attempt before has cancelled it
		r.Outcome = Acknowledged
	case r.Outcome == Acknowledged:
		target.Cancelled = true
	}
}

// hear writes an answer down.
func (l *Load) hear(r *Request, a Answer) {
	r.Done, r.Node, r.Attempts = time.Now(), a.Node, a.Attempts
	switch {
	case a.Status == 0:
		r.Outcome, r.Why = Failed, fmt.Sprint(a.Err)
	case a.Status < http.StatusMultipleChoices:
		r.Outcome = Acknowledged
	default:
		r.Outcome, r.Why = Refused, fmt.Sprint(a.Status)
	}
}

// Requests are a copy of the record of those that were due in a time; zero times: all.
func (l *Load) Requests(from, until time.Time) (all []Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.records {
		if (from.IsZero() || !r.Due.Before(from)) && (until.IsZero() || !r.Due.After(until)) {
			all = append(all, *r)
		}
	}
	return all
}

// Behind is how long the oldest request that has no answer has been due; 0: every one has its answer.
func (l *Load) Behind() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	behind := time.Duration(0)
	for _, r := range l.records {
		if r.Outcome == Pending {
			behind = max(behind, time.Since(r.Due))
		}
	}
	return behind
}

// Wrong are answers that cannot be.
func (l *Load) Wrong() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.wrong...)
}
