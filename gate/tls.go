package gate

import (
	"crypto/tls"
	"errors"
)

var errTooFast = errors.New("TLS handshakes come too fast")

// TLS puts the budget of handshakes before a configuration's own work: who is over it is told before a key is touched.
func (g *Gate) TLS(config *tls.Config) *tls.Config {
	config = config.Clone()
	own := config.GetConfigForClient
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if c, ok := hello.Conn.(*conn); ok && !g.shake(c) {
			g.counts[Handshake].Add(1)
			return nil, errTooFast
		}
		if own != nil {
			return own(hello)
		}
		return nil, nil
	}
	return config
}

// shake spends one handshake.
func (g *Gate) shake(c *conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.clock().UnixNano()
	if c.host == nil { // it has been closed
		return false
	}
	return c.host.buckets[handshakes].take(now, g.limits.HandshakesPerAddress) &&
		g.all[handshakes].take(now, g.limits.Handshakes)
}
