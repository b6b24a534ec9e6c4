package gate

import (
	"context"
	"time"
)

// Strangers are requests of those who have not said who they are, but for logins: pages, times, what is refused for
// want of a key. Everybody may ask them, so an attack is made of them, and each costs about as much as an order. They
// have a rate, from one address and over all. Who is over it waits for his turn; whose turn is far is refused, and not
// at once either, since who is answered asks again.
const (
	strangersTurn = time.Second // the longest that one waits, and how long who is refused has waited
	strangersWait = 1024        // requests that wait at once, over all; who comes then loses the connection
	answerUnit    = 32 << 10    // bytes of answers that count as a request
)

// HTTP/2 lets a client send requests without waiting for answers, and even those that are refused are read: Go's
// server reads on for a second behind its last word (seen: ten connections that reset their streams filled a
// processor). So what comes over TLS is read no faster than the address may ask, but for the first of each connection,
// and again behind each request of somebody who is known, and while it lasts (a stream): they wait for no stranger.
const (
	freeBytes    = 16 << 10        // of a connection: a handshake, and the requests of a page
	askedUnit    = 512             // bytes behind that which count as a request
	readPatience = 5 * time.Second // so long a connection waits to be read on, then it ends
	readLook     = 50 * time.Millisecond
)

// Known says that a request is of somebody who is known.
func (g *Gate) Known(ctx context.Context) {
	if c, ok := ctx.Value(connKey{}).(*conn); ok {
		c.known.Store(true)
		c.came.Store(0)
	}
}

// mayRead waits until more of a connection may be read; false: it has ended.
func (c *conn) mayRead() bool {
	for left := readPatience; c.came.Load() > freeBytes && !c.known.Load(); left -= readLook {
		wait, ok := c.overdue()
		switch {
		case !ok:
			return false
		case wait <= 0:
			return true
		case left <= 0:
			c.gate.counts[Strangers].Add(1)
			_ = c.Close()
			return false
		}
		time.Sleep(min(wait, readLook))
	}
	return true
}

// overdue is how far the address is behind the turns that it may wait for; false: the connection has ended.
func (c *conn) overdue() (time.Duration, bool) {
	g := c.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	if c.host == nil {
		return 0, false
	}
	return c.host.buckets[strangers].after(g.clock().UnixNano(), g.limits.StrangersPerAddress) - strangersTurn, true
}

// asked counts what came, when it is more than is free.
func (c *conn) asked(n int) {
	if c.known.Load() {
		return
	}
	before := c.came.Load()
	came := c.came.Add(int64(n))
	units := (came - freeBytes) / askedUnit
	if came <= freeBytes || units == (before-freeBytes)/askedUnit {
		return
	}
	g := c.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	if c.host != nil {
		c.host.buckets[strangers].spend(g.clock().UnixNano(), g.limits.StrangersPerAddress,
			units-max(0, (before-freeBytes)/askedUnit))
	}
}

// Stranger takes a turn for a request of somebody unknown. Where there is none it returns false after a while: the
// request is refused then, and its connection is to be ended.
func (g *Gate) Stranger(ctx context.Context) bool {
	c, ok := ctx.Value(connKey{}).(*conn)
	if !ok {
		return true
	}
	c.stranger.Store(true)
	wait, ok := g.turn(c)
	if wait == 0 {
		return true
	}
	if g.waiting.Add(1) > strangersWait {
		g.waiting.Add(-1)
		g.counts[Strangers].Add(1)
		_ = c.Close()
		return false
	}
	defer g.waiting.Add(-1)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		if !ok { // asked too much, and does not even wait: each new request would be work again
			g.counts[Strangers].Add(1)
			_ = c.Close()
		}
		return false
	}
	if !ok {
		g.counts[Strangers].Add(1)
	}
	return ok
}

// turn is how long a stranger waits; ok: until his turn.
func (g *Gate) turn(c *conn) (wait time.Duration, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if c.host == nil { // it has been closed
		return strangersTurn, false
	}
	now := g.clock().UnixNano()
	wait = max(c.host.buckets[strangers].after(now, g.limits.StrangersPerAddress),
		g.all[strangers].after(now, g.limits.Strangers))
	if wait > strangersTurn {
		return strangersTurn, false
	}
	c.host.buckets[strangers].spend(now, g.limits.StrangersPerAddress, 1)
	g.all[strangers].spend(now, g.limits.Strangers, 1)
	return wait, true
}

// pay counts what a stranger was answered, when the request is over.
func (g *Gate) pay(c *conn) {
	bytes := c.answered.Swap(0)
	if !c.stranger.Swap(false) || bytes < answerUnit {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if c.host == nil {
		return
	}
	now := g.clock().UnixNano()
	c.host.buckets[strangers].spend(now, g.limits.StrangersPerAddress, bytes/answerUnit)
	g.all[strangers].spend(now, g.limits.Strangers, bytes/answerUnit)
}

// after is how long until one more is within the rate.
func (b *bucket) after(now int64, r Rate) time.Duration {
	each := int64(time.Second) / int64(r.PerSecond)
	return time.Duration(max(0, max(int64(*b), now)+each-now-each*int64(r.Burst)))
}

// spend takes n, whether there are so many or not.
func (b *bucket) spend(now int64, r Rate, n int64) {
	*b = bucket(max(int64(*b), now) + int64(time.Second)/int64(r.PerSecond)*n)
}
