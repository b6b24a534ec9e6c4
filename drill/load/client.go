package load

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// What a client waits for, and how long. None of them is the floor of what it measures: an election alone takes longer
// than HedgeAfter, and an error moves it on at once.
const (
	HedgeAfter   = 100 * time.Millisecond // without an answer the same is asked of another node, too
	AbandonAfter = time.Second            // an attempt without an answer is given up, and its connection with it
	pause        = 10 * time.Millisecond  // when all nodes have refused; it doubles up to mostPause
	mostPause    = 160 * time.Millisecond // and ends for all when anybody is answered
	Patience     = 15 * time.Second       // then a request has failed
	maxAnswer    = 1 << 20                // bytes of an answer
	maxHedges    = 32                     // such questions under way; without a bound a silence lasts
	maxDials     = 8                      // connections to one node that are being made: see dialer
	maxTickets   = 64                     // sessions of TLS that are resumed, so that a new connection costs little
)

// Node is one that a client may ask.
type Node struct {
	ID  uint64
	URL string
}

// Account is who asks.
type Account struct {
	Login  string `json:"login"`
	KeyID  string `json:"key_id"`
	Secret string `json:"secret"`
}

// Client is a program of an investor's that knows all nodes. It asks one of them, its home, and another one when that
// one is silent, gone, refuses, or says goodbye: an answer that is the last on its connection.
type Client struct {
	nodes []Node
	http  []*http.Client

	hedges     chan struct{} // those under way
	hedgeAfter time.Duration

	mu    sync.Mutex
	home  int
	heard []time.Time   // when each node answered last
	news  chan struct{} // closed at the next answer
}

// NewClient makes a client whose home is one of the nodes. trust may be nil for nodes without TLS.
func NewClient(nodes []Node, trust *tls.Config, home int) *Client {
	c := &Client{nodes: nodes, home: home, hedgeAfter: HedgeAfter, heard: make([]time.Time, len(nodes)),
		news: make(chan struct{}), hedges: make(chan struct{}, maxHedges)}
	if trust != nil {
		trust = trust.Clone()
		trust.ClientSessionCache = tls.NewLRUClientSessionCache(maxTickets)
	}
	for range nodes {
		// A connection of its own for each request under way: one lost packet holds up one request. They are kept: who
		// made new ones whenever much is under way would wear out the machine that he measures.
		transport := &http.Transport{DialContext: (&net.Dialer{Timeout: AbandonAfter}).DialContext,
			MaxIdleConnsPerHost: MaxFlight, IdleConnTimeout: time.Minute}
		if trust != nil {
			transport.DialTLSContext = dialer(trust)
		}
		c.http = append(c.http, &http.Client{Transport: transport})
	}
	return c
}

// dialer makes connections to one node, a few at a time. After a silence of all nodes every request that waits would
// make one at once, and the work of their handshakes would take the machine from the nodes that come back, until the
// requests are given up, and begin anew. Who waits for his turn takes a connection that somebody else has done with.
func dialer(trust *tls.Config) func(ctx context.Context, network, address string) (net.Conn, error) {
	d := &tls.Dialer{Config: trust}
	turns := make(chan struct{}, maxDials)
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		select {
		case turns <- struct{}{}:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		defer func() { <-turns }()
		ctx, cancel := context.WithTimeout(ctx, AbandonAfter)
		defer cancel()
		return d.DialContext(ctx, network, address)
	}
}

// Close lets go of the connections.
func (c *Client) Close() {
	for _, h := range c.http {
		h.CloseIdleConnections()
	}
}

// GoHome makes a node the client's home again.
func (c *Client) GoHome(home int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.home = home
}

// Answer is what a request ended with.
type Answer struct {
	Status   int // 0: nobody answered, or everybody refused for a reason of theirs
	Body     []byte
	Node     uint64
	Attempts int
	Err      error // of the last attempt, when Status is 0
}

// attempt is one question to one node.
type attempt struct {
	node   int
	status int
	body   []byte
	parts  bool // the node said goodbye: it will be gone soon
	err    error
}

// Call asks until somebody answers for good. What is asked must be harmless to ask twice.
func (c *Client) Call(ctx context.Context, who Account, method, path string, body []byte) Answer {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	q := &question{client: c, who: who, method: method, path: path, body: body, asked: make([]bool, len(c.nodes)),
		tried: make([]bool, len(c.nodes)), answers: make(chan attempt, len(c.nodes))}
	hedge := time.NewTimer(c.hedgeAfter)
	defer hedge.Stop()
	at, rest := q.ask(ctx, c.where(), func() {}), pause
	for {
		select {
		case a := <-q.answers:
			q.asked[a.node] = false
			if a.parts {
				c.part(a.node)
			}
			if a.err == nil {
				c.answered(a.node)
				return Answer{Status: a.status, Body: a.body, Node: c.nodes[a.node].ID, Attempts: q.attempts}
			}
			q.last = fmt.Errorf("node %d: %w", c.nodes[a.node].ID, a.err)
			c.leave(a.node)
			if !slices.Contains(q.asked, true) && !slices.Contains(q.tried, false) {
				c.rest(ctx, rest)
				rest = min(2*rest, mostPause)
				clear(q.tried)
			}
			at = q.ask(ctx, c.after(a.node), func() {})
			hedge.Reset(c.hedgeAfter)
		case <-hedge.C:
			c.leave(at)
			select {
			case c.hedges <- struct{}{}:
				at = q.ask(ctx, c.after(at), func() { <-c.hedges })
			default: // enough others find out
			}
			hedge.Reset(c.hedgeAfter)
		case <-ctx.Done():
			return Answer{Attempts: q.attempts, Err: errors.Join(ctx.Err(), q.last)}
		}
	}
}

// question is one request and its attempts.
type question struct {
	client       *Client
	who          Account
	method, path string
	body         []byte
	attempts     int
	asked, tried []bool // attempts under way; nodes that had their turn
	answers      chan attempt
	last         error
}

// ask asks a node, or the next one that is not asked already. ended is called when that is over, or was not done.
func (q *question) ask(ctx context.Context, node int, ended func()) int {
	for range q.asked {
		if !q.asked[node] {
			q.asked[node], q.tried[node] = true, true
			q.attempts++
			go func() {
				defer ended()
				q.answers <- q.client.once(ctx, node, q)
			}()
			return node
		}
		node = q.client.after(node)
	}
	ended()
	return node
}

// once asks one node once. It goes on after another node has answered: to end it would be to close its connection, and
// whoever hedges would need a new one each time.
func (c *Client) once(ctx context.Context, node int, q *question) (a attempt) {
	a.node = node
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), AbandonAfter)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, q.method, c.nodes[node].URL+q.path, bytes.NewReader(q.body))
	if err != nil {
		a.err = err
		return a
	}
	request.Header.Set("APCA-API-KEY-ID", q.who.KeyID)
	request.Header.Set("APCA-API-SECRET-KEY", q.who.Secret)
	if len(q.body) > 0 {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := c.http[node].Do(request)
	if err != nil {
		a.err = err
		return a
	}
	a.status, a.parts = response.StatusCode, response.Close
	a.body, a.err = io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	a.err = errors.Join(a.err, response.Body.Close())
	if a.err == nil && later(a.status) {
		a.err = fmt.Errorf("%s %s: %d %s", q.method, q.path, a.status, a.body)
	}
	return a
}

// later reports whether an answer only says that somebody, or somebody later, will have one.
func later(status int) bool {
	return status >= http.StatusInternalServerError || status == http.StatusTooManyRequests ||
		status == http.StatusRequestTimeout
}

func (c *Client) where() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.home
}

func (c *Client) after(node int) int { return (node + 1) % len(c.nodes) }

func (c *Client) answered(node int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard[node] = time.Now()
	close(c.news)
	c.news = make(chan struct{})
}

// rest waits until somebody is answered, but not longer than so.
func (c *Client) rest(ctx context.Context, most time.Duration) {
	c.mu.Lock()
	news := c.news
	c.mu.Unlock()
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-news:
	case <-ctx.Done():
	}
}

// leave makes the next node the home, when it was this one and has been silent for as long as one waits.
func (c *Client) leave(node int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.home == node && time.Since(c.heard[node]) > c.hedgeAfter/2 {
		c.home = c.after(node)
	}
}

// part makes the next node the home when the home said goodbye.
func (c *Client) part(node int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.home == node {
		c.home = c.after(node)
	}
}

// wait answers false when the time is over before.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
