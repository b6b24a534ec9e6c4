package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"evenkeel/auth"
	"evenkeel/core/trade"
	"evenkeel/intake"
	"evenkeel/records"
	"evenkeel/waiting"
)

// The waiting room stands in front of the password of a login, and of nothing else (docs/adr/0019).

// knock is a login at the room's door.
type knock struct {
	form *form
	name string
	pass *waiting.Pass
}

// waits reports whether requests of a route go through the waiting room.
func (r *route) waits() bool { return r.pattern == "POST "+loginPath }

const loginPath = "/api/v1/login"

// pass refuses a login while more come than can even be looked at, before anything is found or made for it.
func (s *Server) pass(c *call) (over bool) {
	if c.r.URL.Path != loginPath || c.r.Method != http.MethodPost {
		return false
	}
	c.route = loginRoute
	if at, ok := c.r.Context().Value(turnedKey{}).(*turned); ok && at.looked.Swap(false) {
		return false // the turnstile has let it through
	}
	if err := c.readBody(); err != nil {
		c.fail(faultOf(err))
		return true
	}
	raw, _ := readAll(c.r) // it is in memory
	c.r.Body = io.NopCloser(bytes.NewReader(raw))
	if err := s.Door.Queue.Knock(bringsTicket(raw)); err != nil {
		c.fail(faultOf(err))
		return true
	}
	return false
}

// rested is how long a connection is not read again on which a login was told to come back later: far below all
// times to come back, and long for who does not listen. So a machine that hammers on a few connections costs little.
const rested = 500 * time.Millisecond

// rest is what keeps a login that was told to come back from coming at once. HTTP/2 streams are not held up by each
// other, and have limits of their own.
func (s *Server) rest(c *call) {
	if c.route != loginRoute || c.status != http.StatusServiceUnavailable || c.r.ProtoMajor > 1 || forwarded(c.r) {
		return
	}
	if http.NewResponseController(c.w).Flush() != nil { // the answer does not wait
		return
	}
	s.seats.mu.Lock()
	stopping := s.stopping
	s.seats.mu.Unlock()
	timer := time.NewTimer(rested)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.r.Context().Done():
	case <-stopping.Done():
	}
}

// forwarded reports whether a proxy sends a request on: then its connection is that of many, and nobody's login may
// hold up another's order.
func forwarded(r *http.Request) bool {
	return r.Header.Get("Via") != "" || r.Header.Get("Forwarded") != "" || r.Header.Get("X-Forwarded-For") != ""
}

// loginRoute is that of the waiting room.
var loginRoute = func() *route {
	for i := range nativeRoutes {
		if nativeRoutes[i].waits() {
			return &nativeRoutes[i]
		}
	}
	panic("nobody can log in")
}()

// newRoom makes the room of a server.
func newRoom(s *Server) *waiting.Room {
	return waiting.New(waiting.Parts{Clock: s.Clock, Limits: s.Limits.Waiting,
		Outlook: func() (wait, each time.Duration) { return s.Door.Queue.Outlook(intake.Heavy) },
		Sign: func(purpose string, of []byte) (sum [32]byte, ok bool) {
			sealer, err := s.sealer()
			if err != nil {
				return sum, false
			}
			return sealer.Derive(purpose, of), true
		}})
}

// knock lets a login in, or tells it its place. Another site must not log its visitors in, to an account of its own.
func (s *Server) knock(c *call) error {
	if s.origins.Check(c.r) != nil {
		return say(crossOrigin)
	}
	f, err := readForm(c.r)
	if err != nil {
		return err
	}
	k := knock{form: f, name: f.text("login")}
	ticket, device := f.text("ticket"), f.text("device")
	switch {
	case f.err != nil:
		return f.err
	case k.name == "":
		return say(missingField, "login")
	}
	if cookie, err := c.r.Cookie(deviceCookie); err == nil && device == "" {
		device = cookie.Value
	}
	lane := waiting.General
	if device != "" && s.engaged(k.name, device) {
		lane = waiting.First
	}
	var place *waiting.Place
	if k.pass, place = s.room.Enter(k.name, ticket, lane); place != nil {
		return waits(place)
	}
	c.knock = k
	return nil
}

// turnedBack gives a login for which the work had no room after all a place in line. Other errors stay as they are.
func (c *call) turnedBack(err error) error {
	var busy *intake.BusyError
	if c.knock.pass == nil || !errors.As(err, &busy) && !errors.Is(err, auth.ErrTooManyLogins) {
		return err
	}
	place := c.knock.pass.TurnBack()
	c.knock.pass = nil
	if place == nil {
		return err
	}
	return waits(place)
}

// waits is the answer to a login that has to wait.
func waits(p *waiting.Place) error {
	f := say(loginWaits, seconds(p.Return)).with("waiting", placeBody(p))
	f.After = p.Return
	return f
}

func placeBody(p *waiting.Place) map[string]any {
	return map[string]any{"ticket": p.Ticket, "lane": p.Lane.String(), "ahead": p.Ahead, "waiting": p.Waiting,
		"expected_seconds": int(p.Expected.Round(time.Second).Seconds()), "return_seconds": seconds(p.Return),
		"since": stamp(trade.Time(p.Since.UnixNano())), "until": stamp(trade.Time(p.Until.UnixNano())),
		"called": p.Called, "renewed": p.Renewed}
}

// postLoginPlace is POST /api/v1/login/place: how long it still is, without a password.
func postLoginPlace(s *Server, c *call) (int, any, error) {
	f, err := readForm(c.r)
	if err != nil {
		return 0, nil, err
	}
	ticket := f.text("ticket")
	if f.err != nil {
		return 0, nil, f.err
	}
	place, err := s.room.Look(ticket)
	switch {
	case errors.Is(err, waiting.ErrKey):
		return 0, nil, keyMissing()
	case err != nil:
		return 0, nil, say(ticketOver)
	}
	return http.StatusOK, placeBody(place), nil
}

// deviceCookie says, sealed, whose login a device has had before. It opens nothing: it only tells who waits in front,
// and says so of an account to nobody who has not once given its password here.
const deviceCookie = "evenkeel_device"

const (
	purposeDevice = "known device"
	deviceLife    = 90 * 24 * time.Hour
)

// known is a login that a device has had. It is over when the password is another one.
type known struct {
	Account  trade.AccountID `json:"a"`
	Password [32]byte        `json:"p"`
}

// keepDevice gives the device of a login its mark: a page in the browser as a cookie, a program in the answer.
func (s *Server) keepDevice(c *call, account trade.AccountID, body map[string]any) {
	sealer, err := s.sealer()
	if err != nil {
		return
	}
	text, err := json.Marshal(known{account, s.mark(sealer, account)})
	if err != nil {
		return
	}
	end := s.Clock().Add(deviceLife)
	device := encode(sealer.SealUntil(purposeDevice, end, text))
	if fromPage(c.r) {
		s.setCookieAt(c, "/api/v1/login", deviceCookie, device, end)
		return
	}
	body["device"] = device
}

// engaged reports whether a device has had the login before, and its account has open orders or positions.
func (s *Server) engaged(login, device string) bool {
	sealer, err := s.sealer()
	if err != nil {
		return false
	}
	var k known
	if !s.carried(sealer, purposeDevice, device, &k) || k.Password != s.mark(sealer, k.Account) {
		return false
	}
	if who, ok := s.Directory.Account(k.Account); !ok || who.Login != login {
		return false
	}
	day := s.Day(k.Account)
	if day == nil {
		return false
	}
	if len(day.Orders(k.Account, records.OrderFilter{Open: true, Direction: records.NewestFirst, Limit: 1})) > 0 {
		return true
	}
	standing, _ := day.Standing(k.Account)
	for i := range standing.Positions {
		if standing.Positions[i].Total > 0 {
			return true
		}
	}
	return false
}

// loginRoutes are those of who waits to log in.
var loginRoutes = []route{
	{"POST /api/v1/login/place", anyone, intake.Manage, postLoginPlace, false},
}
