package load

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// order is one that was asked for.
type order struct {
	id       [36]byte
	number   uint64 // its client order id ends with it
	account  int32
	symbol   int8
	lots     int8
	fen      int16 // price in hundredths of a yuan
	sure     bool  // acknowledged
	asked    bool  // to be cancelled
	gone     bool  // the cancel was acknowledged
	inSample bool
}

type line struct {
	symbol      string
	least, most int // fen
}

// lines are what is traded: what is cheap, with the range in which an order rests. Prices are those of the demo.
var lines = [...]line{{"600000.SH", 915, 985}, {"000001.SZ", 1045, 1120}, {"601398.SH", 495, 535},
	{"000725.SZ", 370, 400}}

const (
	mostLive  = 600 // orders of an account that rest; then it cancels before it places. The books allow 1,000
	maxLiving = 2_000_000
)

// person is what a program knows about an account.
type person struct {
	headers []byte // of a request, with the host
	live    []*order
}

// crowd is the investors, and what they were told.
type crowd struct {
	host    string
	run     string // names this run in client order ids
	config  *Config
	logins  []int
	sampled int
	quotes  [len(lines)]atomic.Int64 // newest time that was told, ns
	number  uint64

	mu      sync.Mutex
	random  *rand.Rand
	people  []person
	turn    int
	ready   []int32 // accounts in the order in which their oldest order came: whoever cancels is taken from here
	sample  []*order
	placed  int
	checked Checks
}

func newCrowd(c *Config) *crowd {
	w := &crowd{config: c, logins: c.logins(), people: make([]person, len(c.Accounts)),
		random: rand.New(rand.NewPCG(c.Seed, 3)), //nolint:gosec // to be repeated
		run:    strconv.FormatInt(time.Now().UnixNano(), 36)}
	return w
}

// choose decides who asks, and for what. A cancel without an order that rests is an order, and one for an account
// that has too many is a cancel.
func (w *crowd) choose(a *ask) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.turn++
	a.account = int32(w.turn % len(w.people)) //nolint:gosec // few
	switch a.class {
	case Login:
		a.account = int32(w.logins[w.turn%len(w.logins)]) //nolint:gosec // few
	case Quote:
		a.symbol = int8(w.turn % len(lines)) //nolint:gosec // few
		a.seen = w.quotes[a.symbol].Load()
	case Query:
		if live := w.people[a.account].live; w.turn%3 == 0 && len(live) > 0 {
			a.order = live[len(live)-1]
		}
		a.symbol = int8(w.turn % 3) //nolint:gosec // few: which question
	case Cancel:
		w.cancel(a)
	case Order:
		if len(w.people[a.account].live) >= mostLive {
			w.cancelOf(a, a.account)
			return
		}
		w.place(a)
	}
}

// cancel takes the account whose order has rested longest.
func (w *crowd) cancel(a *ask) {
	for len(w.ready) > 0 {
		account := w.ready[0]
		w.ready = w.ready[1:]
		if len(w.people[account].live) > 0 {
			w.cancelOf(a, account)
			return
		}
	}
	a.class = Order
	w.place(a)
}

func (w *crowd) cancelOf(a *ask, account int32) {
	p := &w.people[account]
	a.class, a.account, a.order = Cancel, account, p.live[0]
	p.live = p.live[1:]
	a.order.asked = true
}

func (w *crowd) place(a *ask) {
	w.number++
	line := w.random.IntN(len(lines))
	o := &order{number: w.number, account: a.account,
		symbol: int8(line), lots: int8(1 + w.random.IntN(3)), //nolint:gosec // few
		fen: int16(lines[line].least + w.random.IntN(lines[line].most-lines[line].least))} //nolint:gosec // few
	a.order = o
}

func (w *crowd) clientID(o *order) string {
	return "L" + w.run + "-" + strconv.FormatUint(o.number, 10)
}

// build writes a request.
func (w *crowd) build(b []byte, a *ask) []byte {
	switch a.class {
	case Order:
		o, line := a.order, lines[a.order.symbol]
		body := make([]byte, 0, 200)
		body = append(append(body, `{"symbol":"`...), line.symbol...)
		body = append(strconv.AppendInt(append(body, `","qty":"`...), int64(o.lots)*100, 10), `","side":"buy","type":"limit","time_in_force":"day","limit_price":"`...)
		body = append(appendFen(body, int(o.fen)), `","client_order_id":"L`...)
		body = append(append(body, w.run...), '-')
		body = append(strconv.AppendUint(body, o.number, 10), `"}`...)
		return w.post(b, "/v2/orders", a.account, body)
	case Login:
		who := &w.config.Accounts[a.account]
		told := map[string]string{"login": who.Login, "password": who.Password, "label": "load"}
		if a.ticket != "" {
			told["ticket"] = a.ticket
		}
		body, _ := json.Marshal(told) // texts always can
		return w.post(b, "/api/v1/login", -1, body)
	case Cancel:
		b = append(append(b, "DELETE /v2/orders/"...), a.order.id[:]...)
	case Quote:
		b = append(append(b, "GET /v2/stocks/quotes/latest?symbols="...), lines[a.symbol].symbol...)
	default:
		switch {
		case a.order != nil:
			b = append(append(b, "GET /v2/orders/"...), a.order.id[:]...)
		case a.symbol == 0:
			b = append(b, "GET /v2/account"...)
		case a.symbol == 1:
			b = append(b, "GET /v2/positions"...)
		default:
			b = append(b, "GET /v2/orders?status=open&limit=20"...)
		}
	}
	b = append(b, " HTTP/1.1\r\n"...)
	return append(w.who(b, a.account), "\r\n"...)
}

func (w *crowd) post(b []byte, path string, account int32, body []byte) []byte {
	b = append(append(append(b, "POST "...), path...), " HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: "...)
	b = append(strconv.AppendInt(b, int64(len(body)), 10), "\r\n"...)
	return append(append(w.who(b, account), "\r\n"...), body...)
}

// who writes the headers of an account; -1 is nobody.
func (w *crowd) who(b []byte, account int32) []byte {
	b = append(append(append(b, "Host: "...), w.host...), "\r\n"...)
	if account < 0 {
		return b
	}
	a := &w.config.Accounts[account]
	b = append(append(append(b, "APCA-API-KEY-ID: "...), a.KeyID...), "\r\n"...)
	return append(append(append(b, "APCA-API-SECRET-KEY: "...), a.Secret...), "\r\n"...)
}

func appendFen(b []byte, fen int) []byte {
	b = append(strconv.AppendInt(b, int64(fen/100), 10), '.', byte('0'+fen/10%10), byte('0'+fen%10))
	return b
}

// learn takes in an answer, and holds it to what was asked and told before.
func (w *crowd) learn(a *ask, r *reply, o Outcome) {
	if o != Answered {
		w.lose(a)
		return
	}
	switch a.class {
	case Order:
		w.acknowledged(a, r)
	case Cancel:
		w.mu.Lock()
		w.checked.Cancels++
		a.order.gone = r.status < 300
		w.mu.Unlock()
	case Quote:
		w.quoted(a, r)
	case Query:
		if a.order != nil && !bytes.Equal(member(r.body, "id"), a.order.id[:]) {
			w.say("an order that was acknowledged was asked for by its id, and another was told: %.80q", r.body)
		}
	}
}

// lose takes note that a request had no effect that is known. The cancel of an order may be asked again.
func (w *crowd) lose(a *ask) {
	if a.class != Cancel || a.order == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if p := &w.people[a.order.account]; len(p.live) < mostLive && a.tries == 0 && w.config.Retry == Never {
		p.live = append(p.live, a.order)
		w.ready = append(w.ready, a.order.account)
	}
}

// fullCheck is how often an answer to an order is read in full.
const fullCheck = 16

func (w *crowd) acknowledged(a *ask, r *reply) {
	id := member(r.body, "id")
	o := a.order
	if len(id) != len(o.id) || string(member(r.body, "client_order_id")) != w.clientID(o) {
		w.say("the answer to an order is not about it: %.120q", r.body)
		return
	}
	if o.number%fullCheck == 0 {
		if err := w.same(o, r.body); err != nil {
			w.say("%v", err)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	copy(o.id[:], id)
	if o.sure {
		return // told again
	}
	o.sure = true
	w.placed++
	w.checked.Orders++
	p := &w.people[o.account]
	if len(w.ready) < maxLiving {
		p.live = append(p.live, o)
		w.ready = append(w.ready, o.account)
	}
	w.keep(o)
}

// keep draws the sample that is audited: each order has the same chance.
func (w *crowd) keep(o *order) {
	switch at := w.random.IntN(w.placed); {
	case len(w.sample) < w.config.Audit:
		w.sample = append(w.sample, o)
	case at < w.config.Audit:
		w.sample[at] = o
	}
}

// told is what the API says of an order.
type told struct {
	ID       string `json:"id"`
	ClientID string `json:"client_order_id"`
	Symbol   string `json:"symbol"`
	Quantity string `json:"qty"`
	Side     string `json:"side"`
	Price    string `json:"limit_price"`
	Status   string `json:"status"`
}

// same holds what is told of an order to what was asked for.
func (w *crowd) same(o *order, body []byte) error {
	var t told
	if err := json.Unmarshal(body, &t); err != nil {
		return fmt.Errorf("the answer about an order is no JSON: %w", err)
	}
	want := told{ID: t.ID, ClientID: w.clientID(o), Symbol: lines[o.symbol].symbol,
		Quantity: strconv.Itoa(int(o.lots) * 100),
		Side:     "buy", Price: string(appendFen(nil, int(o.fen))), Status: t.Status}
	if t.Price != want.Price {
		if v, err := strconv.ParseFloat(t.Price, 64); err == nil && strconv.FormatFloat(v, 'f', 2, 64) == want.Price {
			t.Price = want.Price
		}
	}
	if t != want || t.ID == "" {
		return fmt.Errorf("asked for %+v, told of %+v", want, t)
	}
	return nil
}

// quoted holds a quote to the newest one that had been told when this one was asked for: time does not go back.
func (w *crowd) quoted(a *ask, r *reply) {
	at, err := time.Parse(time.RFC3339Nano, string(member(r.body, "t")))
	if err != nil {
		w.say("a quote has no time: %.120q", r.body)
		return
	}
	told := at.UnixNano()
	if told < a.seen {
		w.say("a quote of %s went back by %v", lines[a.symbol].symbol, time.Duration(a.seen-told))
	}
	for newest := &w.quotes[a.symbol]; ; {
		if before := newest.Load(); before >= told || newest.CompareAndSwap(before, told) {
			break
		}
	}
	w.mu.Lock()
	w.checked.Quotes++
	w.mu.Unlock()
}

func (w *crowd) say(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.checked.add(fmt.Sprintf(format, args...))
}

func (w *crowd) checks() *Checks { return &w.checked }

// auditWait is how long an order that was cancelled may take to be so at the exchange.
const auditWait = 10 * time.Second

// audit looks for a sample of what was acknowledged, as who has forgotten its id.
func (r *run) audit(ctx interface{ Err() error }, k *Checks) {
	w := r.crowd
	deadline := time.Now().Add(w.config.AuditWait + time.Duration(len(w.sample))*10*time.Millisecond)
	br, err := r.workers[0].pool.plain()
	if err != nil {
		k.Unaudited = err.Error()
		return
	}
	defer func() { _ = br.net.Close() }()
	for _, o := range w.sample {
		for {
			if ctx.Err() != nil || time.Now().After(deadline) {
				k.Unaudited = "the time for it was over"
				return
			}
			again, err := w.look(br, o)
			if errors.Is(err, errLater) || again && err == nil {
				r.config.Sleep(20 * time.Millisecond)
				continue
			}
			if err != nil {
				k.add(err.Error())
			}
			break
		}
		k.Found++
	}
}

var errLater = errors.New("asked to come back")

// look asks for one order. again says that a cancel is on its way.
func (w *crowd) look(c *conn, o *order) (again bool, err error) {
	b := append(append([]byte(nil), "GET /v2/orders:by_client_order_id?client_order_id="...), w.clientID(o)...)
	b = append(w.who(append(b, " HTTP/1.1\r\n"...), o.account), "\r\n"...)
	if _, err := c.net.Write(b); err != nil {
		return false, fmt.Errorf("audit: %w", err)
	}
	var r reply
	switch err := readReply(c.br, &r); {
	case err != nil:
		return false, fmt.Errorf("audit: %w", err)
	case r.status == 429 || r.status >= 500:
		return true, errLater
	case r.status != 200:
		return false, fmt.Errorf("order %s was acknowledged, and is not to be found: %d %.120s", w.clientID(o), r.status, r.body)
	}
	if err := w.same(o, r.body); err != nil {
		return false, err
	}
	if !o.gone {
		return false, nil
	}
	switch status := string(member(r.body, "status")); {
	case status == "canceled" || status == "filled" || strings.HasPrefix(status, "done"):
		return false, nil
	case status == "new" || status == "partially_filled" || status == "accepted" ||
		strings.HasPrefix(status, "pending"):
		return true, nil
	default:
		return false, fmt.Errorf("order %s was cancelled, and is %q", w.clientID(o), status)
	}
}
