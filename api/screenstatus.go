package api

import (
	"bytes"
	"context"
	"sync"
	"time"

	"evenkeel/core/trade"
)

// House is how the house stands for an account, as this node knows it.
type House struct {
	Leader  bool   // somebody leads the account's shard
	Orders  Link   // the leader's session with the exchange
	Trouble string // why Orders is down
	// Oldest is how long the exchange has not confirmed the oldest order or cancel that it was given, if Orders is slow.
	Oldest   time.Duration
	ReadOnly bool // orders are refused, by somebody's word
	// ReadOnlyWhy is the reason that was given for it.
	ReadOnlyWhy string
	Behind      time.Duration // how long ago this node's views were known to be whole; negative: never
	Stale       bool          // they may lack what was acknowledged elsewhere
}

// Link says whether a session stands.
type Link uint8

// A link that nobody knows of may be either.
const (
	LinkUnknown Link = iota
	LinkUp
	LinkDown
	LinkSlow // it stands, and the exchange takes long to answer
)

func (l Link) String() string { return [...]string{"unknown", "up", "down", "slow"}[l] }

// quietData is how long the exchange's market data may be silent before the screen says so: its heartbeats come every
// three seconds, and quotes in trading more often than those.
const quietData = 5 * time.Second

// screenStanding is a status frame of the screen.
type screenStanding struct {
	Time     string         `json:"time"` // of this server
	Version  string         `json:"version"`
	Demo     bool           `json:"demo"`
	Phases   []any          `json:"phases"`
	Exchange screenExchange `json:"exchange"`
	Leader   bool           `json:"leader_known"`
	ReadOnly bool           `json:"read_only"`
	Why      *string        `json:"read_only_reason"`
	Halts    []string       `json:"halts"` // securities that the house halted
	Stale    bool           `json:"stale"`
	Behind   *int64         `json:"stale_ms"`   // how old this node's views may be; null: not stale, or unknown
	Last     uint64         `json:"last_event"` // the number of the account's newest event here
}

type screenExchange struct {
	Orders  string  `json:"orders"`
	Trouble *string `json:"orders_trouble"`
	Oldest  *int64  `json:"orders_oldest_ms"` // how long the oldest unconfirmed request waits, while orders are slow
	Data    string  `json:"data"`
	Heard   *string `json:"data_heard"` // when market data was last heard of, heartbeats too
}

// house is how the house stands, where nobody says otherwise.
func (s *Server) house(account trade.AccountID) House {
	if s.House == nil {
		return House{Leader: true}
	}
	return s.House(account)
}

func (s *Server) standing(account trade.AccountID) screenStanding {
	h := s.house(account)
	v := screenStanding{Time: stamp(s.now()), Version: s.Version, Demo: s.Demo, Phases: s.board.read(s),
		Exchange: screenExchange{Orders: h.Orders.String(), Data: "down"}, Leader: h.Leader, ReadOnly: h.ReadOnly,
		Halts: s.Listing.Halts(), Stale: h.Stale, Last: s.Day(account).LastNumber(account)}
	if h.ReadOnly {
		v.Why = &h.ReadOnlyWhy
	}
	if h.Trouble != "" {
		v.Exchange.Trouble = &h.Trouble
	}
	if h.Orders == LinkSlow {
		v.Exchange.Oldest = pointer(h.Oldest.Milliseconds())
	}
	if h.Stale && h.Behind >= 0 {
		v.Behind = pointer(h.Behind.Milliseconds())
	}
	if heard := s.Market.Heard(); !heard.IsZero() {
		v.Exchange.Heard = pointer(stamp(trade.Time(heard.UnixNano())))
		if s.Clock().Sub(heard) < quietData {
			v.Exchange.Data = "up"
		}
	}
	return v
}

// phaseBoard are the phases, made once for all who look at them within a moment.
type phaseBoard struct {
	mu   sync.Mutex
	rows []any
	made time.Time
}

func (b *phaseBoard) read(s *Server) []any {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rows == nil || time.Since(b.made) > screenLook/2 {
		b.rows, b.made = s.phases(), time.Now()
	}
	return b.rows
}

// standing says how the house stands: when it changes, and so that nobody takes silence for an answer.
func (v *screenSession) standing(ctx context.Context) {
	ticker := time.NewTicker(screenLook)
	defer ticker.Stop()
	var told []byte
	var at time.Time
	for {
		if !v.s.Directory.Holds(v.c.who, v.s.now()) {
			_ = v.ws.CloseNow()
			return
		}
		var news <-chan struct{}
		if v.s.HouseNews != nil {
			news = v.s.HouseNews() // before it is read: what changes from here on is told
		}
		now := v.s.standing(v.c.who.Account)
		changes := now
		changes.Time, changes.Last, changes.Behind, changes.Exchange.Heard, changes.Exchange.Oldest = "", 0, nil, nil, nil
		if known := encoded(changes); !bytes.Equal(known, told) || time.Since(at) >= screenStatus {
			told, at = known, time.Now()
			if v.say(ctx, map[string]any{"t": "status", "d": now}) != nil {
				_ = v.ws.CloseNow()
				return
			}
		}
		select {
		case <-ticker.C:
		case <-news:
		case <-ctx.Done():
			return
		}
	}
}
