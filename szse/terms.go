package szse

import (
	"fmt"

	"evenkeel/core/trade"
)

// Terms are the fields that together say how an order wants to be matched.
type Terms struct {
	ApplID         [3]byte
	OrdType        byte
	TimeInForce    byte
	MaxPriceLevels uint16
	MinQty         Qty
}

// terms lists how each order type stands on the wire. Fill or kill differs from immediate or cancel by MinQty alone.
var terms = [...]struct {
	kind           trade.OrderType
	appl           string
	ordType, force byte
	levels         uint16
	whole          bool // MinQty is the order's quantity
}{
	{trade.Limit, ApplAuction, OrdTypeLimit, TimeInForceDay, LevelsAll, false},
	{trade.BestFiveCancel, ApplAuction, OrdTypeMarket, TimeInForceImmediate, LevelsFive, false},
	{trade.BestFiveLimit, ApplAuction, OrdTypeMarket, TimeInForceDay, LevelsFive, false}, // ours: SSE has it, SZSE not
	{trade.ImmediateOrCancel, ApplAuction, OrdTypeMarket, TimeInForceImmediate, LevelsAll, false},
	{trade.OppositeBest, ApplAuction, OrdTypeMarket, TimeInForceDay, LevelsOne, false},
	{trade.OwnBest, ApplAuction, OrdTypeOwnBest, TimeInForceDay, LevelsAll, false},
	{trade.FillOrKill, ApplAuction, OrdTypeMarket, TimeInForceImmediate, LevelsAll, true},
	{trade.FixedPrice, ApplFixedPrice, OrdTypeLimit, TimeInForceDay, LevelsAll, false}, // ours: see ApplFixedPrice
}

// TermsOf returns how an order of this type and quantity stands on the wire. Errors: ErrValue for an unknown type.
func TermsOf(kind trade.OrderType, quantity Qty) (Terms, error) {
	for i := range terms {
		t := &terms[i]
		if t.kind != kind {
			continue
		}
		w := Terms{OrdType: t.ordType, TimeInForce: t.force, MaxPriceLevels: t.levels}
		copy(w.ApplID[:], t.appl)
		if t.whole {
			w.MinQty = quantity
		}
		return w, nil
	}
	return Terms{}, fmt.Errorf("order type %d: %w", kind, ErrValue)
}

// OrderType returns the type that the terms mean in an order of this quantity. Errors: ErrValue for a combination that
// no type has; a MinQty other than 0 and the whole quantity is one.
func (w Terms) OrderType(quantity Qty) (trade.OrderType, error) {
	for i := range terms {
		t := &terms[i]
		same := string(w.ApplID[:]) == t.appl && w.OrdType == t.ordType && w.TimeInForce == t.force &&
			w.MaxPriceLevels == t.levels
		if same && (t.whole && w.MinQty == quantity || !t.whole && w.MinQty == 0) {
			return t.kind, nil
		}
	}
	return 0, fmt.Errorf("ApplID %s, OrdType %s, TimeInForce %s, MaxPriceLevels %d, MinQty %d: %w of an order type",
		quoted(w.ApplID[:]), quoted([]byte{w.OrdType}), quoted([]byte{w.TimeInForce}), w.MaxPriceLevels,
		int64(w.MinQty), ErrValue)
}

// Terms returns the order's terms.
func (m *NewOrder) Terms() Terms {
	return Terms{m.ApplID, m.OrdType, m.TimeInForce, m.MaxPriceLevels, m.MinQty}
}

// SetTerms writes terms into the order.
func (m *NewOrder) SetTerms(w Terms) {
	m.ApplID, m.OrdType, m.TimeInForce = w.ApplID, w.OrdType, w.TimeInForce
	m.MaxPriceLevels, m.MinQty = w.MaxPriceLevels, w.MinQty
}

// SideByte returns a side as the wire has it, or ErrValue.
func SideByte(s trade.Side) (byte, error) {
	switch s {
	case trade.Buy:
		return SideBuy, nil
	case trade.Sell:
		return SideSell, nil
	}
	return 0, fmt.Errorf("side %d: %w", s, ErrValue)
}

// SideOf returns the side that a byte of the wire means, or ErrValue.
func SideOf(b byte) (trade.Side, error) {
	switch b {
	case SideBuy:
		return trade.Buy, nil
	case SideSell:
		return trade.Sell, nil
	}
	return 0, fmt.Errorf("side %s: %w", quoted([]byte{b}), ErrValue)
}

var venues = [...]struct {
	venue          trade.Venue
	source, market string
}{
	{trade.SSE, SourceSSE, MarketSSE},
	{trade.SZSE, SourceSZSE, MarketSZSE},
	{trade.BSE, SourceBSE, MarketBSE},
}

// SourceOf returns the SecurityIDSource of a venue, or ErrValue.
func SourceOf(v trade.Venue) ([4]byte, error) {
	var b [4]byte
	for i := range venues {
		if venues[i].venue == v {
			SetText(b[:], venues[i].source)
			return b, nil
		}
	}
	return b, fmt.Errorf("venue %d: %w", v, ErrValue)
}

// VenueOf returns the venue of a SecurityIDSource, or ErrValue.
func VenueOf(source [4]byte) (trade.Venue, error) {
	for i := range venues {
		if string(trimmed(source[:])) == venues[i].source {
			return venues[i].venue, nil
		}
	}
	return 0, fmt.Errorf("SecurityIDSource %s: %w", quoted(source[:]), ErrValue)
}

var sessions = [...]struct {
	phase trade.Phase
	name  string
}{
	{trade.BeforeOpen, SessionBeforeOpen},
	{trade.OpeningCall, SessionOpeningCall},
	{trade.OpeningCallLocked, SessionOpeningCallLocked},
	{trade.OpeningGap, SessionOpeningGap},
	{trade.Continuous, SessionContinuous},
	{trade.Lunch, SessionLunch},
	{trade.ClosingCall, SessionClosingCall},
	{trade.FixedPriceEntry, SessionFixedPriceEntry},
	{trade.FixedPriceTrading, SessionFixedPriceTrading},
	{trade.Closed, SessionClosed},
}

// SetPhase fills the message for a venue's phase, its day and start taken from start, and end 0 when not known.
// Errors: ErrValue for a venue or phase without a name on the wire (phases of one security have none).
func (m *TradingSessionStatus) SetPhase(v trade.Venue, p trade.Phase, start, end Timestamp) error {
	*m = TradingSessionStatus{TradSesStatus: SessionOpenStatus, TradSesStartTime: start, TradSesEndTime: end}
	if p == trade.Closed || p == trade.BeforeOpen {
		m.TradSesStatus = SessionClosedStatus
	}
	for i := range venues {
		if venues[i].venue == v {
			copy(m.MarketID[:], venues[i].market)
		}
	}
	for i := range sessions {
		if sessions[i].phase == p {
			copy(m.TradingSessionID[:], sessions[i].name)
		}
	}
	if m.MarketID[0] == 0 || m.TradingSessionID[0] == 0 {
		return fmt.Errorf("phase %d of venue %d: %w", p, v, ErrValue)
	}
	return nil
}

// Phase returns the venue, phase and trading day that the message means, or ErrValue.
func (m *TradingSessionStatus) Phase() (trade.Venue, trade.Phase, trade.Day, error) {
	var venue trade.Venue
	var phase trade.Phase
	for i := range venues {
		if string(trimmed(m.MarketID[:])) == venues[i].market {
			venue = venues[i].venue
		}
	}
	for i := range sessions {
		if string(trimmed(m.TradingSessionID[:])) == sessions[i].name {
			phase = sessions[i].phase
		}
	}
	if venue == 0 || phase == 0 {
		return 0, 0, 0, fmt.Errorf("MarketID %s, TradingSessionID %s: %w", quoted(m.MarketID[:]),
			quoted(m.TradingSessionID[:]), ErrValue)
	}
	if _, err := m.TradSesStartTime.Time(); err != nil {
		return 0, 0, 0, fmt.Errorf("TradSesStartTime: %w", err)
	}
	return venue, phase, m.TradSesStartTime.Day(), nil
}
