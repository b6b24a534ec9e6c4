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
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"evenkeel/intake"
)

// Turnstile stands before a listener without TLS, and turns requests away: logins while more come than can be looked
// at (Queue.Knock), orders and questions while too many of their class wait (Queue.Crowded). It does so where the
// request lies as it came from the network, before a request is made of it, since in a storm that is most of the work.
// Cancels, and every request that it does not understand to the last byte, go on as they are.
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
	begins    atomic.Bool   // what comes next is the beginning of a request
	whole     atomic.Bool   // what went on last was one whole request, and nothing behind it
	looked    atomic.Bool   // the login that went on last was let through here
	asker     atomic.Uint64 // who asked last, as the queue has it; 0: nobody yet
	late      bool          // an answer was given here, so that the deadline is ours
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

// Read reads, and answers requests for which there is no room.
func (c *turned) Read(b []byte) (int, error) {
	for {
		begins := c.begins.Load()
		n, err := c.Conn.Read(b)
		if n == 0 || err != nil {
			return n, err
		}
		asked, ok := attempt{}, false
		if begins {
			asked, ok = parseAttempt(b[:n])
		}
		if turn := c.turnstile.turn(&asked, c.asker.Load()); turn != nil {
			if err := c.refuse(turn, &asked); err != nil {
				return 0, err
			}
			continue
		}
		c.begins.Store(false)
		c.whole.Store(ok)
		c.looked.Store(asked.door != nil && asked.door.route.waits())
		if c.late {
			c.late = false
			_ = c.Conn.SetReadDeadline(time.Now().Add(readTimeout)) // the rest of it comes in time or not at all
		}
		return n, nil
	}
}

// refuse answers in its turn, and lets the connection of a login rest where it is one person's.
func (c *turned) refuse(busy *intake.BusyError, asked *attempt) error {
	s := c.turnstile.server.Load()
	s.Door.Queue.Leave()
	if _, err := c.Conn.Write(s.turnedAway.answer(seconds(busy.After), asked.chinese)); err != nil {
		return err
	}
	if asked.direct && asked.door.route.waits() {
		time.Sleep(rested)
	}
	c.late = true
	return c.Conn.SetReadDeadline(time.Now().Add(idleTimeout))
}

// turn is why a request is turned away; nil: it goes on.
func (t *Turnstile) turn(asked *attempt, asker uint64) *intake.BusyError {
	s := t.server.Load()
	if asked.door == nil || s == nil || s.refusing.Load() {
		return nil
	}
	var err error
	if asked.door.route.waits() {
		err = s.Door.Queue.Knock(asked.ticket)
	} else {
		err = s.Door.Queue.Crowded(asked.door.route.class, asker)
	}
	busy, refused := errors.AsType[*intake.BusyError](err)
	if !refused {
		return nil
	}
	s.measures.turnedAway(asked.door.route.pattern)
	return busy
}

// door is a route that the turnstile stands before.
type door struct {
	method, path string
	route        *route
}

// doors are the routes of logins, orders and questions, by method and path; behind them those with a variable in the
// path, the fewest first. Other routes without one are known too, so that none is taken for one of those.
var doors, variableDoors = func() (whole map[string]*door, variable []*door) {
	whole = map[string]*door{}
	for i := range routeTable {
		r := &routeTable[i]
		method, path, _ := strings.Cut(r.pattern, " ")
		d := &door{method, path, r}
		if !r.waits() && (r.stream || !intake.Crowds(r.class)) {
			d.route = nil
		}
		if strings.Contains(path, "{") {
			variable = append(variable, d)
		} else {
			whole[method+path] = d
		}
	}
	variables := func(d *door) int { return strings.Count(d.path, "{") }
	slices.SortStableFunc(variable, func(a, b *door) int { return variables(a) - variables(b) })
	return whole, variable
}()

// doorOf finds the door of a request; nil: there is none.
func doorOf(method, path []byte) *door {
	var name [128]byte
	if len(method)+len(path) > len(name) {
		return nil
	}
	n := copy(name[:], method)
	n += copy(name[n:], path)
	d := doors[string(name[:n])]
	for i := 0; d == nil && i < len(variableDoors); i++ {
		if v := variableDoors[i]; v.method == string(method) && v.has(path) {
			d = v
		}
	}
	if d == nil || d.route == nil {
		return nil
	}
	return d
}

// has reports whether a path is that of the door, segment by segment.
func (d *door) has(path []byte) bool {
	pattern, more, given := d.path, true, true
	for more && given {
		var want string
		var got []byte
		want, pattern, more = strings.Cut(pattern, "/")
		got, path, given = bytes.Cut(path, []byte("/"))
		if strings.HasPrefix(want, "{") {
			if len(got) == 0 {
				return false
			}
		} else if want != string(got) {
			return false
		}
	}
	return more == given
}

// attempt is a request as it came.
type attempt struct {
	door    *door // nil: it goes on
	chinese bool
	ticket  bool // a login brings one, or says so
	direct  bool // no proxy says that the connection is that of many
}

// parseAttempt reads a request that is all of b. It takes less than the server does: whatever could be read in two
// ways is not ok.
func parseAttempt(b []byte) (a attempt, ok bool) {
	line, rest, ok := bytes.Cut(b, []byte(" HTTP/1.1\r\n"))
	if !ok {
		return a, false
	}
	method, target, ok := bytes.Cut(line, []byte(" "))
	path, query, _ := bytes.Cut(target, []byte("?"))
	if !ok || !plainMethod(method) || !plainPath(path) || !plainQuery(query) {
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
		case named(name, "connection") && named(value, "keep-alive"):
		case named(name, "transfer-encoding"), named(name, "expect"), named(name, "connection"), named(name, "upgrade"),
			named(name, "trailer"), named(name, "te"):
			return a, false
		case named(name, "via"), named(name, "forwarded"), named(name, "x-forwarded-for"):
			a.direct = false
		case named(name, "accept-language"):
			a.chinese = len(value) > 1 && strings.EqualFold(string(value[:2]), "zh")
		}
	}
	if hosts != 1 || lengths > 1 || lengths == 0 && len(body) > 0 {
		return a, false
	}
	a.door = doorOf(method, path)
	a.ticket = a.door != nil && a.door.route.waits() && bringsTicket(body)
	return a, true
}

// plainMethod reports whether a method is one of those that the server has.
func plainMethod(b []byte) bool {
	switch string(b) {
	case http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
		return true
	}
	return false
}

// plainPath reports whether a path is read in one way: nothing in it is encoded, and it does not go up or nowhere.
func plainPath(b []byte) bool {
	for i, c := range b {
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && (i == 0 || !strings.ContainsRune("/_-.:", rune(c))) &&
			(i > 0 || c != '/') {
			return false
		}
		if i > 0 && b[i-1] == '/' && (c == '/' || c == '.') {
			return false
		}
	}
	return len(b) > 0
}

// plainQuery reports whether a query is of what can be printed, without a fragment.
func plainQuery(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c >= 0x7f || c == '#' {
			return false
		}
	}
	return true
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

// turnedAway counts an answer that the server itself never sees.
func (m *measures) turnedAway(pattern string) {
	m.requests.WithLabelValues(pattern, strconv.Itoa(http.StatusServiceUnavailable)).Inc()
	m.refusals.WithLabelValues(noRoom).Inc()
}
