package kill

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"
)

// told is what a client knows of an order that it asked for.
type told uint8

const (
	unknown  told = iota // no answer, and not asked again yet
	accepted             // the broker has said that it has the order
	refused              // the broker has said that it has not taken it
	absent               // no answer; asked after a restart, the broker had never heard of it
)

func (t told) String() string { return [...]string{"unknown", "accepted", "refused", "absent"}[t] }

// note is one order as its client wrote it down.
type note struct {
	client    string // client order id
	id        string // by the broker
	told      told
	reason    string
	cancelled bool   // a cancel of it was acknowledged
	replaces  string // client order id
	body      map[string]string
}

// investor is one account's program: it places, cancels and replaces, and writes down what it was told and nothing
// else.
type investor struct {
	house   *house
	account *demoAccount
	number  int
	random  *rand.Rand
	placed  int
	notes   []*note
	live    []*note // accepted, and perhaps still to be cancelled

	lost, resolved, replayed int
	longest                  time.Duration // until an answer, from readiness on
}

// pace is how often an investor does something.
const pace = 12 * time.Millisecond

// run trades until the context ends; then nothing stays unknown.
func (i *investor) run(ctx context.Context) {
	ticker := time.NewTicker(pace)
	defer ticker.Stop()
	for ctx.Err() == nil {
		switch dice := i.random.IntN(100); {
		case dice < 60 || len(i.live) < 5:
			i.place()
		case dice < 85:
			i.cancel(i.pick())
		default:
			i.replace(i.pick())
		}
		<-ticker.C
	}
}

func (i *investor) pick() *note { return i.live[i.random.IntN(len(i.live))] }

func (i *investor) drop(n *note) {
	for at := range i.live {
		if i.live[at] == n {
			i.live = append(i.live[:at], i.live[at+1:]...)
			return
		}
	}
}

// lines are what the investors trade: what a demo account owns, and what is cheap enough to be bought all day.
var lines = []struct {
	symbol string
	close  float64
	tick   float64
}{{"600000.SH", 10.00, 0.01}, {"000001.SZ", 11.40, 0.01}, {"510300.SH", 3.912, 0.001}, {"601398.SH", 5.42, 0.01},
	{"000725.SZ", 4.06, 0.01}, {"920023.BJ", 3.64, 0.01}}

func (i *investor) place() {
	i.placed++
	n := &note{client: fmt.Sprintf("k%d-%d", i.number, i.placed)}
	which := i.random.IntN(len(lines))
	line := lines[which]
	side, price := "buy", line.close*(1-0.06*i.random.Float64()) // rests
	switch dice := i.random.IntN(10); {
	case dice < 3:
		price = line.close * 1.012 // trades
	case dice < 4:
		side, which = "sell", i.random.IntN(3) // of these the account has some
		line = lines[which]
		price = line.close * (0.988 + 0.06*i.random.Float64())
	}
	decimals := 2
	if line.tick < 0.01 {
		decimals = 3
	}
	n.body = map[string]string{"symbol": line.symbol, "qty": fmt.Sprint(100 * (1 + i.random.IntN(3))), "side": side,
		"type": "limit", "time_in_force": "day", "limit_price": fmt.Sprintf("%.*f", decimals, price),
		"client_order_id": n.client}
	i.notes = append(i.notes, n)
	a, err := i.house.call(context.Background(), i.account, http.MethodPost, "/v2/orders", n.body)
	i.hear(n, a, err, i.random.IntN(2) == 0)
}

// hear writes an answer down. Without one, the broker is asked when it is back: by sending the same again, or by the
// client order id.
func (i *investor) hear(n *note, a answer, err error, same bool) {
	var asked time.Time // first, since the house was ready
	again := time.NewTicker(pace)
	defer again.Stop()
	for err != nil {
		i.lost++
		i.house.ready()
		if asked.IsZero() {
			asked = time.Now()
		}
		if time.Since(asked) > patience {
			i.house.t.Errorf("%s: no answer since %v, though the broker says that it is ready: %v", n.client, patience, err)
			return
		}
		<-again.C
		if same {
			i.replayed++
			a, err = i.house.call(context.Background(), i.account, http.MethodPost, "/v2/orders", n.body)
			continue
		}
		path := "/v2/orders:by_client_order_id?client_order_id=" + url.QueryEscape(n.client)
		if a, err = i.house.call(context.Background(), i.account, http.MethodGet, path, nil); err == nil {
			i.resolved++
			if a.Status == http.StatusNotFound {
				n.told = absent
				i.longest = max(i.longest, time.Since(asked))
				return
			}
		}
	}
	if !asked.IsZero() {
		i.longest = max(i.longest, time.Since(asked))
	}
	if a.Status != http.StatusOK {
		n.told, n.reason = refused, fmt.Sprint(a.Status, " ", a.Reason, " ", a.Message)
		return
	}
	if a.Client != n.client || a.ID == "" {
		i.house.t.Errorf("asked about %s, told of %+v", n.client, a)
	}
	n.told, n.id = accepted, a.ID
	i.live = append(i.live, n)
}

func (i *investor) cancel(n *note) {
	i.drop(n)
	a, err := i.house.call(context.Background(), i.account, http.MethodDelete, "/v2/orders/"+n.id, nil)
	for err != nil {
		i.lost++
		i.house.ready()
		a, err = i.house.call(context.Background(), i.account, http.MethodDelete, "/v2/orders/"+n.id, nil)
	}
	switch a.Status {
	case http.StatusNoContent:
		n.cancelled = true
	case http.StatusNotFound:
		i.house.t.Errorf("order %s was accepted as %s, and its cancel says that there is none", n.client, n.id)
	}
}

func (i *investor) replace(old *note) {
	i.drop(old)
	i.placed++
	n := &note{client: fmt.Sprintf("k%d-%d", i.number, i.placed), replaces: old.client}
	n.body = map[string]string{"qty": fmt.Sprint(100 * (1 + i.random.IntN(4))), "client_order_id": n.client}
	i.notes = append(i.notes, n)
	a, err := i.house.call(context.Background(), i.account, http.MethodPatch, "/v2/orders/"+old.id, n.body)
	if err == nil && a.Status == http.StatusNotFound {
		i.house.t.Errorf("order %s was accepted as %s, and its replacement says that there is none", old.client, old.id)
	}
	i.hear(n, a, err, false)
}
