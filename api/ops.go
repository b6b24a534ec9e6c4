package api

import (
	"context"
	"net/http"
	"strings"
	"unicode/utf8"

	"evenkeel/auth"
	"evenkeel/capacity"
	"evenkeel/core/trade"
	"evenkeel/intake"
)

// Ops is what staff see of the house and do about it. Whoever implements it knows all nodes.
type Ops interface {
	Look(ctx context.Context) OpsLook
	// Act carries an act out and records it with its reason and who did it, before and after. What went wrong is said
	// in the act that comes back; an error means that nothing was recorded, and nothing done.
	Act(ctx context.Context, a OpsAct) (OpsAct, error)
}

// OpsLook is how the house is now.
type OpsLook struct {
	Time  string     `json:"time"`
	Node  uint64     `json:"node"` // that answers
	Nodes []OpsNode  `json:"nodes"`
	House OpsHouse   `json:"house"`
	Halts []OpsHalt  `json:"halts"`
	Acts  []OpsAct   `json:"acts"` // newest first
	Demo  bool       `json:"demo"`
	Rules OpsMeaning `json:"limits"`
}

// OpsMeaning says what the numbers are to be held against.
type OpsMeaning struct {
	Bounds []float64 `json:"latency_bounds"` // seconds, of the latencies' buckets; the last one is without end
}

// OpsHouse is what staff have decided for the whole house.
type OpsHouse struct {
	ReadOnly bool    `json:"read_only"`
	Reason   string  `json:"reason"`
	Who      string  `json:"who"`
	Since    *string `json:"since"`
}

// OpsHalt is a security that staff have halted.
type OpsHalt struct {
	Symbol string `json:"symbol"`
	Name   string `json:"name"`
}

// OpsNode is a node as it says itself; of one that does not answer only Trouble is known.
type OpsNode struct {
	Node     uint64     `json:"node"`
	Trouble  string     `json:"trouble"`
	Version  string     `json:"version"`
	Draining bool       `json:"draining"`
	Up       int64      `json:"up_ms"`
	Waits    []string   `json:"waits"`
	Load     *OpsLoad   `json:"load,omitempty"`
	Shards   []OpsShard `json:"shards"`
}

// OpsShard is a shard on a node.
type OpsShard struct {
	Shard      uint16 `json:"shard"`
	Leader     uint64 `json:"leader"`
	Leads      bool   `json:"leads"`
	Term       uint64 `json:"term"`
	Applied    uint64 `json:"applied"`
	Committed  uint64 `json:"committed"`
	Queued     int    `json:"queued"`
	InFlight   int    `json:"in_flight"`
	Syncs      uint64 `json:"syncs"`
	SlowSyncs  uint64 `json:"slow_syncs"`
	Snapshot   uint64 `json:"snapshot"`
	Link       string `json:"link"` // of a leader: up, or why it is not; else empty
	Outbox     int    `json:"outbox"`
	Oldest     int64  `json:"oldest_ms"` // how long the oldest of the outbox waits
	Reports    uint64 `json:"reports"`
	Reconnects uint64 `json:"reconnects"`
	Differ     string `json:"differ"`
	Voters     int    `json:"voters"`
	Well       int    `json:"voters_well"` // as the leader knows them
}

// OpsLoad is how busy a node's front door is. Counts are since its start.
type OpsLoad struct {
	Classes  []OpsClass `json:"classes"`
	Requests uint64     `json:"requests"`
	Refused  uint64     `json:"refused"`
	Streams  int        `json:"streams"`
	Room     OpsRoom    `json:"room"`
	Lag      OpsLag     `json:"lag"`
	Orders   []uint64   `json:"order_latency"` // requests up to each bound, then all
	Reads    []uint64   `json:"read_latency"`
	// Capacity is what the node was asked for at most, and what it can carry; nil: not recorded.
	Capacity *capacity.Report `json:"capacity,omitempty"`
}

// OpsRoom is how the waiting room of logins is.
type OpsRoom struct {
	Waiting  int     `json:"waiting"`     // places whose turn has not come
	First    int     `json:"first"`       // of those, who has open orders or positions
	Rate     float64 `json:"called"`      // a second, lately
	Expected int     `json:"expected_s"`  // how long who comes now waits
	Oldest   int     `json:"oldest_s"`    // how long who is next has waited
	Turned   uint64  `json:"turned_away"` // logins that were not even looked at, since the start
}

// OpsClass is a class of requests.
type OpsClass struct {
	Class    string `json:"class"`
	InFlight int    `json:"in_flight"`
	Waiting  int    `json:"waiting"`
}

// OpsAct is what a member of staff did.
type OpsAct struct {
	Number  uint64 `json:"number"`
	Time    string `json:"time"`
	Who     string `json:"who"`
	Act     string `json:"act"`
	Symbol  string `json:"symbol,omitempty"`
	Node    uint64 `json:"node,omitempty"`
	Shard   *int   `json:"shard,omitempty"`
	Reason  string `json:"reason"`
	Outcome string `json:"outcome"` // asked, done, failed
	Said    string `json:"said"`
}

// Acts of staff.
const (
	ActHalt      = "halt"
	ActResume    = "resume"
	ActReadOnly  = "read_only"
	ActReadWrite = "read_write"
	ActDrain     = "drain"
	ActUndrain   = "undrain"
	ActTransfer  = "transfer"
)

// maxReason bounds the reason of an act, in characters.
const maxReason = 200

// isStaff checks that a member of staff asks, in person: by the cookie of a login, never by a key, and with a second
// proof unless this is a demo.
func (s *Server) isStaff(c *call) error {
	switch {
	case c.who.Via != auth.BySession || c.token == "" || !c.who.May(trade.MayOperate):
		return say(notPermitted, "this is for staff, logged in in a browser")
	case s.Ops == nil:
		return say(notFound, clip(c.r.URL.Path))
	case s.Demo:
		return nil
	}
	p, err := s.proofs(c.who.Account)
	if err == nil && !p.Asked() {
		return say(secondNeeded)
	}
	return err
}

// getOps is GET /api/v1/ops.
func getOps(s *Server, c *call) (int, any, error) {
	if err := s.isStaff(c); err != nil {
		return 0, nil, err
	}
	look := s.Ops.Look(c.r.Context())
	look.Time, look.Demo, look.Rules = stamp(s.now()), s.Demo, OpsMeaning{Bounds: latencyBounds}
	return http.StatusOK, look, nil
}

// postAct is POST /api/v1/ops/acts.
func postAct(s *Server, c *call) (int, any, error) {
	if err := s.isStaff(c); err != nil {
		return 0, nil, err
	}
	f, err := readForm(c.r)
	if err != nil {
		return 0, nil, err
	}
	known, _ := s.Directory.Account(c.who.Account)
	a := OpsAct{Time: stamp(s.now()), Who: known.Login, Act: f.text("act"), Symbol: f.text("symbol"),
		Node: uint64(f.quantity("node")), Reason: strings.TrimSpace(f.text("reason"))}
	if f.has("shard") {
		a.Shard = pointer(int(f.quantity("shard")))
	}
	switch {
	case f.err != nil:
		return 0, nil, f.err
	case a.Reason == "":
		return 0, nil, say(missingField, "reason")
	case utf8.RuneCountInString(a.Reason) > maxReason:
		return 0, nil, say(textTooLong, "reason")
	}
	switch a.Act {
	case ActHalt, ActResume:
		line, err := s.security(a.Symbol)
		if err != nil {
			return 0, nil, err
		}
		a.Symbol = string(line.Symbol)
	case ActDrain, ActUndrain, ActTransfer:
		if a.Node == 0 {
			return 0, nil, say(missingField, "node")
		}
		if a.Act == ActTransfer && a.Shard == nil {
			return 0, nil, say(missingField, "shard")
		}
	case ActReadOnly, ActReadWrite:
	default:
		return 0, nil, say(badField, "act", "is unknown")
	}
	done, err := s.Ops.Act(c.r.Context(), a)
	if err != nil {
		s.Log.Warn("an act of staff was not taken", "who", a.Who, "act", a.Act, "error", err)
		f := say(actNotTaken, err.Error())
		f.cause = err
		return 0, nil, f
	}
	s.Log.Warn("an act of staff", "who", a.Who, "act", a.Act, "symbol", a.Symbol, "node", a.Node, "reason", a.Reason,
		"outcome", done.Outcome, "said", done.Said)
	return http.StatusOK, done, nil
}

// opsRoutes are for staff.
var opsRoutes = []route{
	{"GET /api/v1/ops", holder, intake.Query, getOps, false},
	{"POST /api/v1/ops/acts", holder, intake.Manage, postAct, false},
}
