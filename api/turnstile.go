package api

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"evenkeel/intake"
)

// Turnstile stands before a listener without TLS, and turns logins away while more come than can be looked at
// (Queue.Knock): where the request lies as it came from the network, before a request is made of it, since in a storm
// that is most of the work. All else, and every login that it does not understand to the last byte, goes on as it is.
//
// It answers a request only where one must begin, and where all that is there is one whole request: on a new
// connection, or behind an answer to a request that it read in the same way. So what a client sends can never be taken
// for another request than the server behind would have taken it for.
type Turnstile struct {
	server atomic.Pointer[Server] // nil: all goes on
}

// Guard tells it which server it stands before.
func (t *Turnstile) Guard(s *Server) { t.server.Store(s) }

// Listen puts it before a listener.
func (t *Turnstile) Listen(l net.Listener) net.Listener { return &turnstileListener{l, t} }

type turnstileListener struct {
	net.Listener
	turnstile *Turnstile
}

// Accept returns the next connection.
func (l *turnstileListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	turned := &turned{Conn: c, turnstile: l.turnstile}
	turned.begins.Store(true)
	return turned, nil
}

// turned is a connection behind the turnstile.
type turned struct {
	net.Conn
	turnstile *Turnstile
	begins    atomic.Bool // what comes next is the beginning of a request
	whole     atomic.Bool // what went on last was one whole request, and nothing behind it
	looked    atomic.Bool // the login that went on last was let through here
	late      bool        // an answer was given here, so that the deadline is ours
}

// NetConn is the connection below.
func (c *turned) NetConn() net.Conn { return c.Conn }

type turnedKey struct{}

// Context lets the server find the connection of a request.
func (t *Turnstile) Context(ctx context.Context, c net.Conn) context.Context {
	if c, ok := c.(*turned); ok {
		return context.WithValue(ctx, turnedKey{}, c)
	}
	return ctx
}

// Follow is told of a connection's states: idle is behind an answer.
func (t *Turnstile) Follow(c net.Conn, state http.ConnState) {
	if c, ok := c.(*turned); ok && state == http.StateIdle {
		c.begins.Store(c.whole.Load())
	}
}

// Read reads, and answers logins that cannot be looked at.
func (c *turned) Read(b []byte) (int, error) {
	for {
		begins := c.begins.Load()
		n, err := c.Conn.Read(b)
		if n == 0 || err != nil {
			return n, err
		}
		login, ok := attempt{}, false
		if begins {
			login, ok = parseAttempt(b[:n])
		}
		if turn := c.turnstile.turn(login, ok); turn != nil {
			if err := c.refuse(turn, login); err != nil {
				return 0, err
			}
			continue
		}
		c.begins.Store(false)
		c.whole.Store(ok)
		c.looked.Store(ok)
		if c.late {
			c.late = false
			_ = c.Conn.SetReadDeadline(time.Now().Add(readTimeout)) // the rest of it comes in time or not at all
		}
		return n, nil
	}
}

// refuse answers in its turn, and lets the connection rest where it is one person's.
func (c *turned) refuse(busy *intake.BusyError, login attempt) error {
	s := c.turnstile.server.Load()
	s.Door.Queue.Leave()
	if _, err := c.Conn.Write(s.turnedAway.answer(seconds(busy.After), login.chinese)); err != nil {
		return err
	}
	if login.direct {
		time.Sleep(rested)
	}
	c.late = true
	return c.Conn.SetReadDeadline(time.Now().Add(idleTimeout))
}

// turn is why a login is turned away; nil: it goes on.
func (t *Turnstile) turn(login attempt, ok bool) *intake.BusyError {
	s := t.server.Load()
	if !ok || s == nil || s.refusing.Load() {
		return nil
	}
	err := s.Door.Queue.Knock(login.ticket)
	busy, refused := errors.AsType[*intake.BusyError](err)
	if !refused {
		return nil
	}
	s.measures.turned.Inc()
	s.measures.turnedAway.Inc()
	return busy
}

// attempt is a login as it came.
type attempt struct {
	chinese bool
	ticket  bool // it brings one, or says so
	direct  bool // no proxy says that the connection is that of many
}

const attemptLine = "POST " + loginPath + " HTTP/1.1\r\n"

// parseAttempt reads a login that is all of b. It takes less than the server does: whatever could be read in two ways
// is not ok.
func parseAttempt(b []byte) (a attempt, ok bool) {
	rest, ok := bytes.CutPrefix(b, []byte(attemptLine))
	if !ok {
		return a, false
	}
	head, body, ok := bytes.Cut(rest, []byte("\r\n\r\n"))
	if !ok {
		return a, false
	}
	a.direct = true
	hosts, lengths := 0, 0
	for more := true; more; {
		var line []byte
		line, head, more = bytes.Cut(head, []byte("\r\n"))
		name, value, has := bytes.Cut(line, []byte(":"))
		if !has || !plainHeader(name, value) {
			return a, false
		}
		value = bytes.TrimSpace(value)
		switch {
		case named(name, "content-length"):
			lengths++
			if n, err := strconv.ParseUint(string(value), 10, 31); err != nil || int(n) != len(body) || value[0] == '+' {
				return a, false
			}
		case named(name, "host"):
			hosts++
		case named(name, "transfer-encoding"), named(name, "expect"), named(name, "connection"), named(name, "upgrade"),
			named(name, "trailer"), named(name, "te"):
			return a, false
		case named(name, "via"), named(name, "forwarded"), named(name, "x-forwarded-for"):
			a.direct = false
		case named(name, "accept-language"):
			a.chinese = len(value) > 1 && strings.EqualFold(string(value[:2]), "zh")
		}
	}
	a.ticket = bringsTicket(body)
	return a, hosts == 1 && lengths == 1
}

// bringsTicket reports whether the body of a login looks as if there were a ticket in it. Who only says so is found
// out when it is read.
func bringsTicket(body []byte) bool { return bytes.Contains(body, []byte(`"ticket"`)) }

func named(b []byte, name string) bool {
	return len(b) == len(name) && bytes.EqualFold(b, []byte(name))
}

// plainHeader reports whether a header is of letters, digits and dashes, and its value of what can be printed.
func plainHeader(name, value []byte) bool {
	for _, b := range name {
		if (b|0x20 < 'a' || b|0x20 > 'z') && (b < '0' || b > '9') && b != '-' {
			return false
		}
	}
	for _, b := range value {
		if b < ' ' && b != '\t' || b == 0x7f {
			return false
		}
	}
	return len(name) > 0
}

// turnedAway are the answers of the turnstile, by the time to come back and the language. All that is written into
// them later is who was answered when.
type turnedAway [2][longestTurn + 1]struct{ head, middle, body []byte }

const (
	longestTurn   = 31 // s: no class of requests is told to come back later
	requestDigits = 24
)

// makeTurnedAway writes the answers as every refusal of the server is written.
func makeTurnedAway() *turnedAway {
	all := &turnedAway{}
	mark := "req-" + strings.Repeat("0", requestDigits)
	for language := range all {
		for after := range all[language] {
			f := busyFault(&intake.BusyError{Class: intake.Heavy, Short: intake.NoRoom,
				After: time.Duration(after) * time.Second})
			body, err := json.Marshal(f.body(mark, language == 1))
			if err != nil {
				panic(err) // it is texts and a number
			}
			var head strings.Builder
			fmt.Fprintf(&head, "HTTP/1.1 %d %s\r\nRetry-After: %d\r\nContent-Type: application/json; charset=utf-8\r\n"+
				"Content-Length: %d\r\nX-Ratelimit-Limit: 0\r\nX-Ratelimit-Remaining: 0\r\n", f.Status,
				http.StatusText(f.Status), max(1, after), len(body))
			for _, line := range protected {
				fmt.Fprintf(&head, "%s: %s\r\n", line[0], line[1])
			}
			a := &all[language][after]
			a.head = []byte(head.String() + "X-Request-Id: req-")
			a.middle, a.body, _ = bytes.Cut(body, []byte(mark[4:]))
			a.middle = append([]byte("\r\n\r\n"), a.middle...)
		}
	}
	return all
}

// answer is what a login is told.
func (t *turnedAway) answer(after int, chinese bool) []byte {
	language := 0
	if chinese {
		language = 1
	}
	a := &t[language][min(after, longestTurn)]
	now := time.Now()
	var id [requestDigits / 2]byte
	for i := 0; i < len(id); i += 4 {
		n := rand.Uint32()
		id[i], id[i+1], id[i+2], id[i+3] = byte(n), byte(n>>8), byte(n>>16), byte(n>>24)
	}
	var digits [requestDigits]byte
	hex.Encode(digits[:], id[:])
	b := append(make([]byte, 0, 2048), a.head...)
	b = append(b, digits[:]...)
	b = append(b, "\r\nDate: "...)
	b = now.UTC().AppendFormat(b, http.TimeFormat)
	b = append(b, "\r\nX-Ratelimit-Reset: "...)
	b = strconv.AppendInt(b, now.Unix(), 10)
	b = append(b, a.middle...)
	b = append(b, digits[:]...)
	return append(b, a.body...)
}

// turnstileMeasures are those of answers that the server itself never sees.
func (m *measures) turnstileMeasures() (requests, refusals prometheus.Counter) {
	return m.requests.WithLabelValues("POST "+loginPath, strconv.Itoa(http.StatusServiceUnavailable)),
		m.refusals.WithLabelValues(noRoom)
}
