package api

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash/maphash"
	"io"
	"maps"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"evenkeel/auth"
	"evenkeel/core/trade"
	"evenkeel/intake"
)

// call is one request on its way.
type call struct {
	w       http.ResponseWriter
	r       *http.Request
	conn    *streamConn // below a WebSocket, once it is one
	id      string
	route   *route
	who     auth.Principal
	token   string // of the cookie; empty: another way was taken
	native  bool   // X-Enum-Profile: native
	chinese bool   // Accept-Language
	status  int
	refused string        // reason of a refusal, for the measures
	stale   bool          // the views may lack what other nodes have acknowledged
	placed  *trade.Order  // by this request, where the views lack it
	hidden  bool          // the views lack what this very request has done
	knock   knock         // of a login
	usual   *intake.Usual // what such requests take
	turn    intake.Turn   // to be worked on; its end lets the next in
	heavy   bool          // the turn is one of the few for heavy questions
	release func()        // gives the room for questions back; nil: none was taken
}

// endpoint answers a request: a status and a body to encode as JSON (nil: no body), or an error.
type endpoint func(s *Server, c *call) (status int, body any, err error)

// access says who may ask.
type access uint8

const (
	reader access = iota // a key or session that may read
	anyone               // nobody is asked who they are
	holder               // any key or session; what it may do is intake's matter
	chart                // reader, and in the demo anyone
)

// route is one line of the table.
type route struct {
	pattern string
	access  access
	class   intake.Class // its line in the queue, and its budget: of questions here, of commands in the door
	answer  endpoint
	stream  bool // takes over the connection
}

// protected are the headers of every answer: it is data, which no browser runs, frames, keeps or tells others of.
var protected = [...][2]string{
	{"X-Content-Type-Options", "nosniff"},
	{"Cache-Control", "no-store"},
	{"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"},
	{"Cross-Origin-Resource-Policy", "same-origin"},
	{"Referrer-Policy", "no-referrer"},
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{w: w, r: r, id: requestID()}
	w.Header().Set("X-Request-Id", c.id)
	protect(w.Header())
	c.native = r.Header.Get("X-Enum-Profile") == "native"
	c.chinese = readsChinese(r)
	began := time.Now()
	defer func() {
		fault := recover()
		aborted := fault == any(http.ErrAbortHandler)
		if fault != nil && !aborted {
			s.Log.Error("a request met a bug", "request", c.id, "path", r.URL.Path, "panic", fault, "stack",
				string(debug.Stack()))
			if c.status == 0 {
				c.fail(say(internalError))
			}
		}
		s.measures.observe(c, time.Since(began))
		if aborted {
			panic(fault)
		}
		s.rest(c)
	}()
	if r.ContentLength > s.Limits.Body { // refused before it comes
		c.fail(say(bodyTooLarge, s.Limits.Body))
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, s.Limits.Body)
	if !s.pass(c) {
		s.dispatch(c)
	}
}

// readsChinese reports whether who asks would rather read Chinese.
func readsChinese(r *http.Request) bool {
	return strings.HasPrefix(strings.ToLower(r.Header.Get("Accept-Language")), "zh")
}

// protect sets the headers of every answer.
func protect(h http.Header) {
	for _, line := range protected {
		h.Set(line[0], line[1])
	}
}

// dispatch finds the route. A path that only lacks its method says so; nothing redirects.
func (s *Server) dispatch(c *call) {
	r := c.r.WithContext(context.WithValue(c.r.Context(), callKey{}, c))
	c.r = r
	if h, pattern := s.mux.Handler(r); pattern != "" && !redirects(h) {
		s.mux.ServeHTTP(c.w, r)
		return
	}
	var allowed []string
	for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
		other := *r
		other.Method = method
		if h, pattern := s.mux.Handler(&other); pattern != "" && !redirects(h) {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) > 0 {
		c.w.Header().Set("Allow", strings.Join(allowed, ", "))
		c.fail(say(methodNotAllowed, r.Method, strings.Join(allowed, ", ")))
		return
	}
	c.fail(say(notFound, clip(r.URL.Path)))
}

// redirects reports whether the mux would answer with a redirect to a cleaner path; clients of ours refuse those.
func redirects(h http.Handler) bool {
	_, ours := h.(*routeHandler)
	return !ours
}

type callKey struct{}

// routeHandler is a route as the mux sees it.
type routeHandler struct {
	server *Server
	route  *route
	usual  *intake.Usual
}

func (h *routeHandler) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	c, _ := r.Context().Value(callKey{}).(*call)
	c.r, c.route, c.usual = r, h.route, h.usual
	h.server.answer(c)
}

// answer identifies the asker, waits for a turn, and runs the endpoint.
func (s *Server) answer(c *call) {
	defer c.leave()
	if err := s.admit(c); err != nil {
		busy, ok := errors.AsType[*intake.BusyError](err)
		if ok && busy.Short == intake.NoRoom && intake.Crowds(busy.Class) {
			s.Door.Queue.Leave() // like those who are turned away before they are read
		}
		c.fail(s.logged(c, faultOf(err)))
		return
	}
	if c.route.stream { // it has room of its own, for as long as it lasts
		c.leave()
	} else {
		ctx, cancel := context.WithTimeout(c.r.Context(), s.Limits.Request)
		defer cancel()
		c.r = c.r.WithContext(ctx)
	}
	var err error
	switch {
	case c.route.reads():
		if err = s.freshen(c.r.Context(), c); err == nil {
			err = s.holds(c)
		}
	case c.route.commands():
		err = s.vouch(c.r.Context(), c)
	}
	var status int
	var body any
	if err == nil {
		status, body, err = c.route.answer(s, c)
	}
	s.allowance(c)
	switch {
	case err != nil:
		c.fail(s.logged(c, faultOf(err)))
	case status != 0: // 0: the endpoint wrote its answer itself
		c.write(status, body)
	}
}

// leave lets the next request in. What follows is only to write, which takes as long as the client likes.
func (c *call) leave() {
	c.turn.End()
	if c.release != nil {
		c.release()
		c.release = nil
	}
}

// admit checks who asks, and waits for a turn. What will be refused whoever asks is refused first; the body comes
// last, so that whether the client is still there is known while it waits.
func (s *Server) admit(c *call) error {
	if s.refusing.Load() && !c.route.probes() {
		f := say(draining)
		f.After = time.Second
		return f
	}
	if err := s.Door.Queue.Full(c.route.class); err != nil {
		return err
	}
	if err := s.entitled(c); err != nil {
		return err
	}
	if class := c.route.class; (class == intake.Query || class == intake.Quote) && c.route.access != anyone {
		release, err := s.Door.Query(c.who.Account, class)
		if err != nil {
			s.allowance(c)
			return err
		}
		c.release = release
	}
	if err := c.readBody(); err != nil {
		return err
	}
	if c.route.waits() {
		if err := s.knock(c); err != nil {
			return err
		}
	}
	asker := s.asker(c)
	if at, ok := c.r.Context().Value(turnedKey{}).(*turned); ok {
		at.asker.Store(asker)
	}
	turn, err := s.Door.Queue.Enter(c.r.Context(), c.route.class, asker, c.usual)
	c.turn = turn
	return c.turnedBack(err)
}

// entitled checks who asks.
func (s *Server) entitled(c *call) error {
	if c.route.access == anyone {
		return nil
	}
	who, err := s.identify(c)
	open := c.route.access == chart && s.Demo && errors.Is(err, auth.ErrNobody)
	if err != nil && !open {
		return err
	}
	c.who = who
	if !open && c.route.access != holder && !who.MayAny(trade.MayRead|trade.EveryBoard) {
		return say(notPermitted, "reading needs the permission to read")
	}
	return nil
}

// asker is between whom requests of a class take turns: the account, or the address of somebody who is not known.
func (s *Server) asker(c *call) uint64 {
	const stranger = 1 << 63 // no account has so high a number
	if c.who.Account != 0 {
		return uint64(c.who.Account)
	}
	host := c.r.RemoteAddr
	if colon := strings.LastIndexByte(host, ':'); colon >= 0 {
		host = host[:colon]
	}
	return maphash.String(s.seed, host) | stranger
}

// readBody takes the body in.
func (c *call) readBody() error {
	if c.r.ContentLength == 0 || c.route.stream || c.r.Method == http.MethodGet {
		return nil
	}
	raw, err := readAll(c.r)
	c.r.Body = io.NopCloser(bytes.NewReader(raw))
	return err
}

// identify reads the credentials: an API key in the headers of Alpaca, a bearer token, HTTP Basic with key and
// secret, or the session cookie. A cookie is only heard when the request comes from our own pages. Credentials that
// are not known may have been made on another node a moment ago.
func (s *Server) identify(c *call) (auth.Principal, error) {
	ask, err := s.credentials(c)
	if err != nil {
		return auth.Principal{}, err
	}
	return s.introduced(c.r.Context(), ask)
}

// credentials reads what somebody says that they are.
func (s *Server) credentials(c *call) (ask func() (auth.Principal, error), err error) {
	byKey := func(id, secret string) (func() (auth.Principal, error), error) {
		return func() (auth.Principal, error) { return s.Directory.ByKey(id, secret) }, nil
	}
	byToken := func(token string) (func() (auth.Principal, error), error) {
		return func() (auth.Principal, error) { return s.Directory.ByToken(token, s.now()) }, nil
	}
	h := c.r.Header
	if id := h.Get("Apca-Api-Key-Id"); id != "" {
		return byKey(id, h.Get("Apca-Api-Secret-Key"))
	}
	if scheme, token, _ := strings.Cut(h.Get("Authorization"), " "); strings.EqualFold(scheme, "Bearer") {
		return byToken(token)
	}
	if id, secret, ok := c.r.BasicAuth(); ok {
		return byKey(id, secret)
	}
	cookie, err := c.r.Cookie(sessionCookie)
	if err != nil {
		return nil, auth.ErrNobody
	}
	if err := s.origins.Check(c.r); err != nil {
		return nil, say(crossOrigin)
	}
	c.token = cookie.Value
	return byToken(cookie.Value)
}

// allowance writes the X-RateLimit headers.
func (s *Server) allowance(c *call) {
	a := s.Door.Allowance(c.who.Account, c.class())
	h := c.w.Header()
	h.Set("X-Ratelimit-Limit", strconv.Itoa(a.Limit))
	h.Set("X-Ratelimit-Remaining", strconv.Itoa(a.Remaining))
	h.Set("X-Ratelimit-Reset", strconv.FormatInt(a.Reset.Unix(), 10))
}

func (c *call) class() intake.Class {
	if c.route == nil {
		return intake.Query
	}
	return c.route.class
}

// logged writes faults of ours to the log; refusals are the client's matter.
func (s *Server) logged(c *call, f *fault) *fault {
	if f.Status >= 500 && f.Reason != noRoom && f.Reason != loginWaits { // those are many, and counted
		s.Log.Warn("request failed", "request", c.id, "method", c.r.Method, "path", c.r.URL.Path, "reason", f.Reason,
			"error", f.cause)
	}
	return f
}

// write encodes an answer.
func (c *call) write(status int, body any) {
	if body == nil {
		c.status = status
		c.w.WriteHeader(status)
		return
	}
	encoded, err := json.Marshal(body)
	if err != nil {
		panic(err) // entities are ours: one that cannot be encoded is a bug
	}
	c.deliver(status, "application/json; charset=utf-8", encoded)
}

// deliver sends an answer, when its turn is over: how long that takes is the client's matter, and a slow reader must
// not hold the place of somebody's question.
func (c *call) deliver(status int, kind string, body []byte) {
	c.leave()
	c.status = status
	c.w.Header().Set("Content-Type", kind)
	c.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	c.w.WriteHeader(status)
	_, _ = c.w.Write(body) // the client may have gone
}

// fail writes a refusal.
func (c *call) fail(f *fault) {
	c.refused = f.Reason
	h := c.w.Header()
	if f.After > 0 {
		h.Set("Retry-After", strconv.Itoa(seconds(f.After)))
	}
	if f.Status == http.StatusUnauthorized {
		h.Set("Www-Authenticate", `Bearer realm="evenkeel"`)
	}
	if h.Get("X-Ratelimit-Limit") == "" { // nobody is known yet, so nothing is left for them
		h.Set("X-Ratelimit-Limit", "0")
		h.Set("X-Ratelimit-Remaining", "0")
		h.Set("X-Ratelimit-Reset", strconv.FormatInt(time.Now().Unix(), 10))
	}
	c.write(f.Status, f.entity(c.id, c.chinese))
}

// faultBody is a refusal as JSON, its members in alphabetical order. Where many are refused it is most of the work,
// and a map would be twice as much.
type faultBody struct {
	Bound   string `json:"bound,omitempty"`
	Code    int    `json:"code"`
	Docs    string `json:"docs"`
	Given   string `json:"given,omitempty"`
	Message string `json:"message"`
	English string `json:"message_en"`
	Chinese string `json:"message_zh"`
	Nearest string `json:"nearest,omitempty"`
	Reason  string `json:"reason"`
	Request string `json:"request_id"`
}

func (f *fault) body(request string, chinese bool) *faultBody {
	body := &faultBody{Bound: f.Bound, Code: f.Code, Docs: "/api/v1/reasons/" + f.Reason, Given: f.Given,
		Message: f.English, English: f.English, Chinese: f.Chinese, Nearest: f.Nearest, Reason: f.Reason, Request: request}
	if chinese {
		body.Message = f.Chinese
	}
	return body
}

// entity is the refusal as it is encoded.
func (f *fault) entity(request string, chinese bool) any {
	body := f.body(request, chinese)
	if len(f.Extra) > 0 {
		return f.wider(body)
	}
	return body
}

// wider adds the further members of a refusal.
func (f *fault) wider(b *faultBody) map[string]any {
	all := map[string]any{"code": b.Code, "docs": b.Docs, "message": b.Message, "message_en": b.English,
		"message_zh": b.Chinese, "reason": b.Reason, "request_id": b.Request}
	for name, text := range map[string]string{"bound": b.Bound, "given": b.Given, "nearest": b.Nearest} {
		if text != "" {
			all[name] = text
		}
	}
	maps.Copy(all, f.Extra)
	return all
}

func requestID() string {
	var b [12]byte
	_, _ = rand.Read(b[:])
	return "req-" + hex.EncodeToString(b[:])
}
