package cluster_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"
)

// flow is clients that place orders one after the other, each with a client order id of its own, at whatever node
// answers: what a program does that knows all addresses and tries again. It remembers what it was told.
type flow struct {
	stop     context.CancelFunc
	work     sync.WaitGroup
	accounts []account

	mu     sync.Mutex
	urls   []string
	told   map[string]told // by client order id
	failed []error         // what was not taken in the end
	gaps   []time.Duration // between a client's acknowledgements
	tries  int
}

// told is what became of an order.
type told struct {
	who account
	id  string
}

const (
	flowPause = 20 * time.Millisecond // between two orders of one client: an account may place 50 a second
	flowRetry = 10 * time.Millisecond
	flowTries = 1500
)

// begin starts a client for each account, at any node.
func begin(c *cluster) *flow { return beginAt(c, c.nodes, c.accounts) }

// beginAt starts a client for each of some accounts, at any of some nodes.
func beginAt(c *cluster, nodes []*machine, accounts []account) *flow {
	ctx, cancel := context.WithCancel(context.Background())
	f := &flow{stop: cancel, told: map[string]told{}, accounts: accounts}
	for _, m := range nodes {
		f.urls = append(f.urls, m.url)
	}
	for number, who := range accounts {
		f.work.Go(func() { f.trade(ctx, number, who) })
	}
	c.t.Cleanup(func() { cancel(); f.work.Wait() })
	return f
}

// learn tells the clients of one more node.
func (f *flow) learn(m *machine) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.urls = append(f.urls, m.url)
}

func (f *flow) url(at int) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.urls[at%len(f.urls)]
}

func (f *flow) trade(ctx context.Context, number int, who account) {
	at, last := number, time.Now()
	for i := 0; ctx.Err() == nil; i++ {
		name := fmt.Sprintf("%s-%d", who.Login, i)
		id, err := f.place(ctx, &at, who, name)
		if err != nil {
			f.mu.Lock()
			f.failed = append(f.failed, err)
			f.mu.Unlock()
			return
		}
		now := time.Now()
		f.mu.Lock()
		f.told[name] = told{who, id}
		f.gaps = append(f.gaps, now.Sub(last))
		f.mu.Unlock()
		last = now
		time.Sleep(flowPause)
	}
}

// place places an order, at the next node when one does not take it, until one does.
func (f *flow) place(ctx context.Context, at *int, who account, name string) (id string, err error) {
	for range flowTries {
		status, text, err := ask(context.WithoutCancel(ctx), f.url(*at), who, "POST", "/v2/orders", limit(name))
		switch {
		case err == nil && status == http.StatusOK:
			var o struct {
				ID     string `json:"id"`
				Client string `json:"client_order_id"`
			}
			if err := json.Unmarshal(text, &o); err != nil || o.Client != name {
				return "", fmt.Errorf("%s was answered %s", name, text)
			}
			return o.ID, nil
		case err == nil && status < 500 && status != http.StatusTooManyRequests:
			return "", fmt.Errorf("%s: status %d: %s", name, status, text)
		}
		f.mu.Lock()
		f.tries++
		f.mu.Unlock()
		*at++
		time.Sleep(flowRetry)
	}
	return "", fmt.Errorf("%s: not taken after %d tries", name, flowTries)
}

// count is how many orders were acknowledged.
func (f *flow) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.told)
}

// more waits until so many orders more were acknowledged.
func (f *flow) more(c *cluster, count int) {
	c.t.Helper()
	want := f.count() + count
	c.eventually(fmt.Sprintf("%d orders more are acknowledged", count), func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		if len(f.failed) > 0 {
			c.t.Fatal(errors.Join(f.failed...))
		}
		if len(f.told) < want {
			return fmt.Errorf("%d of %d", len(f.told), want)
		}
		return nil
	})
}

// end stops the clients, and holds what they were told against what every node tells: each order is there once, under
// the id that it was acknowledged with, and there is none that nobody placed.
func (f *flow) end(c *cluster, nodes ...*machine) {
	c.t.Helper()
	f.stop()
	f.work.Wait()
	for _, err := range f.failed {
		c.t.Error(err)
	}
	for _, m := range nodes {
		for _, who := range f.accounts {
			f.compare(c, m, who)
		}
	}
	slices.Sort(f.gaps)
	if n := len(f.gaps); n > 0 {
		c.t.Logf("%d orders, %d tries more; between two acknowledgements of a client: p50 %v, p99 %v, longest %v", len(f.told),
			f.tries, f.gaps[n/2].Round(time.Millisecond), f.gaps[n*99/100].Round(time.Millisecond),
			f.gaps[n-1].Round(time.Millisecond))
	}
}

// compare asks a node for all orders of an account.
func (f *flow) compare(c *cluster, m *machine, who account) {
	c.t.Helper()
	found := map[string]string{}
	for after := ""; ; {
		path := "/v2/orders?status=all&limit=500&direction=asc"
		if after != "" {
			path += "&after_order_id=" + after
		}
		var page []struct {
			ID     string `json:"id"`
			Client string `json:"client_order_id"`
		}
		status, text, err := ask(c.t.Context(), m.url, who, "GET", path, nil)
		if err == nil {
			err = json.Unmarshal(text, &page)
		}
		if err != nil || status != http.StatusOK {
			c.t.Fatalf("node %d: orders of %s: status %d, %v: %s", m.id, who.Login, status, err, text)
		}
		for _, o := range page {
			if before, twice := found[o.Client]; twice {
				c.t.Errorf("node %d: %s is there as %s and as %s", m.id, o.Client, before, o.ID)
			}
			found[o.Client] = o.ID
			after = o.ID
		}
		if len(page) < 500 {
			break
		}
	}
	for name, one := range f.told {
		if one.who.Login != who.Login {
			continue
		}
		if found[name] != one.id {
			c.t.Errorf("node %d: %s was acknowledged as %s, and is there as %q", m.id, name, one.id, found[name])
		}
		delete(found, name)
	}
	if len(found) > 0 {
		c.t.Errorf("node %d has orders of %s that nobody was told of: %v", m.id, who.Login, found)
	}
}

// longest bounds the longest gap that a client saw. The bound is generous: the machine of the tests is shared; how
// long it is where it matters is what drills measure.
func (f *flow) longest(t *testing.T, what string, most time.Duration) {
	t.Helper()
	if got := slices.Max(f.gaps); got > most {
		t.Errorf("%s: a client waited %v for an acknowledgement, want %v at most", what, got, most)
	}
}
