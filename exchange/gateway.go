package exchange

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	core "evenkeel/core/exchange"
	"evenkeel/szse"
)

// Gateway is the order gateway as a machine that is stepped from outside: no goroutine, no socket, no clock. The
// server drives it with goroutines and connections, the simulation with neither. Its methods, and those of its
// sessions, may be used by many goroutines.
//
// A unit has one session, the newest: the older may be a broker that has died and does not know it. A newer Logon is
// answered only when the older session can have no effect any more: what it had handed to the journal is applied,
// nothing more of it is taken, and its connection is closed or FenceTime has passed.
type Gateway struct {
	config GatewayConfig
	units  map[string]Unit // by CompID

	mu       sync.Mutex
	sessions map[core.PBU]*Session
}

// GatewayConfig is what a gateway stands on.
type GatewayConfig struct {
	Partitions uint32
	Units      []Unit
	// View runs look on the exchange's state while nothing changes it.
	View func(look func(*core.Machine))
	// Submit hands a command, which is copied, to the journal. When it returns nil, done is called exactly once, later
	// than Submit returned; when it returns an error nothing happened.
	Submit func(command []byte, done func(core.Answer, error)) error
	Full   error // by which Submit says that it takes nothing at the moment
}

// NewGateway makes a gateway. Errors: a unit that cannot be.
func NewGateway(c GatewayConfig) (*Gateway, error) {
	g := &Gateway{config: c, units: map[string]Unit{}, sessions: map[core.PBU]*Session{}}
	taken := map[core.PBU]bool{playersUnit: true, playUnit: true}
	for _, u := range c.Units {
		if u.CompID == "" || len(u.CompID) > 20 || u.PBU == "" || len(u.PBU) > 6 || len(u.Password) > 16 {
			return nil, fmt.Errorf("broker unit %q: a name of 1 to 20 characters, a PBU of 1 to 6, a password of at most 16",
				u.CompID)
		}
		var pbu core.PBU
		if _, twice := g.units[u.CompID]; twice || !szse.SetText(pbu[:], u.PBU) || taken[pbu] {
			return nil, fmt.Errorf("broker unit %q, PBU %q: each is ASCII, used once, and not the exchange's own",
				u.CompID, u.PBU)
		}
		taken[pbu] = true
		g.units[u.CompID] = u
	}
	return g, nil
}

// Units are the units of one broker, one for each of its shards: the first is called as given, the others <name>-2 and
// so on; their PBUs count up from the digits at the end of the first one's.
func Units(compID, pbu, password string, n int) (list []Unit, err error) {
	if n < 1 || n > MaxSessions {
		return nil, fmt.Errorf("%d broker units: 1 to %d", n, MaxSessions)
	}
	letters := strings.TrimRight(pbu, "0123456789")
	width := len(pbu) - len(letters)
	first, err := strconv.Atoi(pbu[len(letters):])
	if n > 1 && err != nil {
		return nil, fmt.Errorf("PBU %q: for %d units it ends with a number, such as EK0001", pbu, n)
	}
	list = []Unit{{CompID: compID, PBU: pbu, Password: password}}
	for k := 2; k <= n; k++ {
		u := Unit{CompID: fmt.Sprintf("%s-%d", compID, k), PBU: fmt.Sprintf("%s%0*d", letters, width, first+k-1),
			Password: password}
		if len(u.PBU) > len(pbu) || len(u.CompID) > 20 {
			return nil, fmt.Errorf("broker unit %q, PBU %q: unit %d of %d would be %q, PBU %q, which is too long", compID, pbu,
				k, n, u.CompID, u.PBU)
		}
		list = append(list, u)
	}
	return list, nil
}

// Session begins a session on a new connection.
func (g *Gateway) Session(now time.Time) *Session {
	return &Session{gateway: g, began: now, heard: now, news: newSignal()}
}

// hear wakes who may have something to send: the journal has applied something.
func (g *Gateway) hear() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, b := range g.sessions {
		b.news.tell()
	}
}

// wake has a unit's session look whether the older one rests.
func (g *Gateway) wake(pbu core.PBU) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if b := g.sessions[pbu]; b != nil {
		b.news.tell()
	}
}

// all are the sessions of units that are logged on.
func (g *Gateway) all() (list []*Session) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, b := range g.sessions {
		list = append(list, b)
	}
	return list
}

// forget frees the unit's place, unless a newer session has taken it.
func (g *Gateway) forget(b *Session) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.sessions[b.pbu] == b {
		delete(g.sessions, b.pbu)
	}
}

// enter makes a session its unit's only one. It returns the older one.
func (g *Gateway) enter(b *Session) (older *Session, full bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	older = g.sessions[b.pbu]
	if older == nil && len(g.sessions) >= MaxSessions {
		return nil, true
	}
	g.sessions[b.pbu] = b
	return older, false
}

var (
	errRefused  = errors.New("logon refused")
	errReplaced = errors.New("the unit logged on again")
)

// takeLogon takes the first message.
func (b *Session) takeLogon(frame szse.Frame) {
	var m szse.Logon
	refuse := func(status int32, why string) { b.stop(fmt.Errorf("%w: %s", errRefused, why), status) }
	if frame.Type != szse.TypeLogon {
		refuse(szse.LogoutProtocolError, "the first message is a Logon")
		return
	}
	if err := m.Decode(frame.Body); err != nil {
		refuse(szse.LogoutProtocolError, err.Error())
		return
	}
	unit, known := b.gateway.units[szse.Text(m.SenderCompID[:])]
	right := subtle.ConstantTimeCompare([]byte(unit.Password), []byte(szse.Text(m.Password[:]))) == 1
	switch {
	case !known || !right:
		refuse(szse.LogoutWrongPassword, "unknown SenderCompID or wrong password")
		return
	case szse.Text(m.TargetCompID[:]) != CompID:
		refuse(szse.LogoutWrongTarget, "TargetCompID is "+CompID)
		return
	case m.HeartBtInt < HeartbeatLeast || m.HeartBtInt > HeartbeatMost:
		refuse(szse.LogoutProtocolError, fmt.Sprintf("HeartBtInt %d: %d to %d seconds", m.HeartBtInt, HeartbeatLeast,
			HeartbeatMost))
		return
	}
	b.unit, b.logon, b.heartbeat = unit, m, time.Duration(m.HeartBtInt)*time.Second
	b.logon.Password = [16]byte{}
	szse.SetText(b.pbu[:], unit.PBU)
	older, full := b.gateway.enter(b)
	if full {
		refuse(szse.LogoutAlreadyOn, fmt.Sprintf("%d sessions are open, no more are taken", MaxSessions))
		return
	}
	b.stage, b.older, b.fenced = fencing, older, b.now
	b.news.tell()
	if older != nil {
		older.End(errReplaced, szse.LogoutAlreadyOn)
	}
}

// resting reports whether nothing of a session, nor of those before it, is on its way to the journal, and whether
// their connections are closed.
func (b *Session) resting() (journal, connection bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	journal, connection = b.pending == 0, b.gone
	if b.older != nil {
		j, c := b.older.resting()
		journal, connection = journal && j, connection && c
	}
	return journal, connection
}

// greet answers the logon when the older session rests: our own Logon, then the state and the partitions of the
// platform.
func (b *Session) greet(into []byte) []byte {
	if b.older != nil {
		journal, connection := b.older.resting()
		switch waited := b.now.Sub(b.fenced); {
		case journal && (connection || waited >= FenceTime):
		case waited >= LogonTime:
			b.stop(fmt.Errorf("%w: the journal does not answer the older session", errRefused), szse.LogoutShuttingDown)
			return into
		default:
			return into
		}
	}
	b.stage, b.older = serving, nil
	m := &b.logon
	answer := szse.Logon{HeartBtInt: m.HeartBtInt, SenderCompID: m.TargetCompID, TargetCompID: m.SenderCompID,
		DefaultApplVerID: m.DefaultApplVerID}
	into = answer.Append(into)
	into = (&szse.PlatformStateInfo{PlatformID: szse.PlatformAuction, PlatformState: szse.PlatformOpen}).Append(into)
	info := szse.PlatformInfo{PlatformID: szse.PlatformAuction}
	for p := range b.gateway.config.Partitions {
		info.Partitions = append(info.Partitions, int32(p+1))
	}
	return info.Append(into)
}
