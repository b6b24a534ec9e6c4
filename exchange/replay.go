package exchange

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	core "evenkeel/core/exchange"
	"evenkeel/core/money"
	"evenkeel/core/rules"
	"evenkeel/core/trade"
	"evenkeel/szse"
)

// playWindow is how many recorded requests may be on their way to the journal, or wait for their first report.
const playWindow = 2048

// PlayFile plays a recording into a running exchange whose clock is Manual, at speed times the recorded pace (0: as
// fast as it goes).
func (s *Server) PlayFile(ctx context.Context, name, code string, speed int, out io.Writer) error {
	file, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("recording: %w", err)
	}
	rows, err := ReadRecording(file)
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	security, ok := core.MakeCode(code)
	var venue trade.Venue
	var day trade.Day
	s.View(func(m *core.Machine) {
		n, found := m.Find(security)
		ok = ok && found
		venue, day = m.Quote(n).Listing.Venue, m.Day()
	})
	if !ok {
		return fmt.Errorf("security %q is not listed", code)
	}
	_, _ = fmt.Fprintf(out, "playing %d rows of %s\n", len(rows), code)
	phases := Phases{Rules: s.rules, Venue: venue, Day: day}
	began := time.Now()
	window := make(chan struct{}, playWindow)
	for i := range rows {
		r := &rows[i]
		if speed > 0 {
			due := began.Add(time.Duration(r.At-rows[0].At) / time.Duration(speed))
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Until(due)):
			}
		}
		for _, phase := range phases.Next(r) {
			if err := s.SetPhase(ctx, venue, phase); err != nil {
				return err
			}
		}
		command := r.command(security, day)
		if command == nil {
			continue
		}
		select {
		case window <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := s.group.Submit(core.AppendCommand(nil, command), func(core.Answer, error) { <-window }); err != nil {
			return fmt.Errorf("row %d: %w", i+1, err)
		}
	}
	_, _ = fmt.Fprintf(out, "played %d rows\n", len(rows))
	return nil
}

func (r *Recorded) command(security core.Code, day trade.Day) core.Command {
	switch r.Kind {
	case RecordedUncross:
		return nil
	case RecordedCancel:
		return &core.Cancel{PBU: playUnit, ClOrdID: recordedID('X', r.Order), OrigClOrdID: recordedID('R', r.Order),
			Security: security, Day: day}
	}
	c := &core.NewOrder{PBU: playUnit, ClOrdID: recordedID('R', r.Order), Security: security, Side: r.Side,
		Type: trade.Limit, Day: day, Price: r.Price, Quantity: r.Quantity}
	copy(c.Account[:], "REPLAY      ")
	return c
}

// recordedID is a ClOrdID of a recorded order: a letter and nine digits.
func recordedID(letter byte, order uint64) (id core.ClOrdID) {
	copy(id[:], fmt.Sprintf("%c%09d", letter, order))
	return id
}

// RecordedDay is a recording and what must be known to play it.
type RecordedDay struct {
	Rows  []Recorded
	Code  string
	Venue trade.Venue
	Day   trade.Day
	Close money.Price // the previous close
}

// Replay starts an exchange in a directory of its own, plays the day to its gateway over TCP as a broker would, and
// returns the fills in the order in which they were reported.
func Replay(ctx context.Context, d *RecordedDay, out io.Writer) (_ []Fill, err error) {
	security, ok := core.MakeCode(d.Code)
	if !ok {
		return nil, fmt.Errorf("security %q: 1 to 8 characters", d.Code)
	}
	if !rules.ValidDay(d.Day) {
		return nil, fmt.Errorf("day %d: a day as YYYYMMDD", d.Day)
	}
	dir, err := os.MkdirTemp("", "evenkeel-replay-")
	if err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	unit := Unit{CompID: "RECORDED", PBU: "DAY", Password: "replay"}
	server, err := Open(Config{Dir: dir, Units: []Unit{unit},
		Clock: Clock{Sessions: Manual, Start: time.Unix(0, int64(rules.Join(d.Day, 0))).Add(9 * time.Hour)},
		List: []Listed{{Weight: 1, ListSecurity: core.ListSecurity{Code: security, Venue: d.Venue, Board: trade.Main,
			Condition: trade.Normal, PreviousClose: d.Close, ListedDay: 5000, Name: d.Code}}}})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", server.OrdersAddress())
	if err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	defer func() { _ = conn.Close() }()
	p := &player{conn: conn, in: szse.NewReader(conn), out: szse.NewWriter(conn), security: [8]byte(security),
		venue: d.Venue, day: d.Day, answers: make(chan struct{}, playWindow), ended: make(chan error, 1),
		told: make(chan struct{}, 1), trades: map[[16]byte]int{}}
	if err := p.logon(unit); err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	go func() { p.ended <- p.read() }()
	if err := p.play(ctx, server, d.Rows, out); err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	return p.fills, nil
}

// player is a broker's side of the gateway, as plain as it can be.
type player struct {
	conn     net.Conn
	in       *szse.Reader
	out      *szse.Writer
	security [8]byte
	venue    trade.Venue
	day      trade.Day
	sent     int
	answered int
	answers  chan struct{} // one for each request that was answered
	ended    chan error    // why reading ended; then fills may be looked at
	phase    atomic.Uint32 // of the venue, as last told; every report of before it has come
	told     chan struct{} // a phase was told since anybody looked
	trades   map[[16]byte]int
	fills    []Fill
}

func (p *player) logon(unit Unit) error {
	m := szse.Logon{HeartBtInt: HeartbeatMost}
	szse.SetText(m.SenderCompID[:], unit.CompID)
	szse.SetText(m.TargetCompID[:], CompID)
	szse.SetText(m.Password[:], unit.Password)
	szse.SetText(m.DefaultApplVerID[:], szse.DefaultApplVer)
	if _, err := p.conn.Write(m.Append(nil)); err != nil {
		return err
	}
	var info szse.PlatformInfo
	for {
		frame, err := p.in.Next()
		if err != nil {
			return fmt.Errorf("log on: %w", err)
		}
		if frame.Type != szse.TypePlatformInfo {
			continue
		}
		if err := info.Decode(frame.Body); err != nil {
			return err
		}
		break
	}
	var sync szse.ReportSynchronization
	for _, partition := range info.Partitions {
		sync.Points = append(sync.Points, szse.SyncPoint{PartitionNo: partition, ReportIndex: 1})
	}
	_, err := p.conn.Write(sync.Append(nil))
	return err
}

// play sends the rows, each phase when everything before it was answered, and logs out.
func (p *player) play(ctx context.Context, server *Server, rows []Recorded, out io.Writer) error {
	phases := Phases{Rules: server.rules, Venue: p.venue, Day: p.day}
	last, phased := trade.Phase(0), false
	for i := range rows {
		for _, phase := range phases.Next(&rows[i]) {
			if err := p.settle(ctx, 0); err != nil {
				return err
			}
			if err := server.SetPhase(ctx, p.venue, phase); err != nil {
				return err
			}
			last, phased = phase, true
		}
		if rows[i].Kind == RecordedUncross {
			continue
		}
		if err := p.settle(ctx, playWindow-1); err != nil {
			return err
		}
		if err := p.send(&rows[i]); err != nil {
			return fmt.Errorf("row %d: %w", i+1, err)
		}
		if i%10_000 == 0 && i > 0 {
			_, _ = fmt.Fprintf(out, "sent %d of %d\n", i, len(rows))
		}
	}
	if err := p.settle(ctx, 0); err != nil {
		return err
	}
	if phased {
		if err := p.awaitPhase(ctx, last); err != nil {
			return err
		}
	}
	if err := p.out.Queue(&szse.Logout{SessionStatus: szse.LogoutDone}); err != nil {
		return err
	}
	if err := p.out.Flush(); err != nil {
		return err
	}
	return <-p.ended
}

// settle waits until at most so many requests are unanswered.
func (p *player) settle(ctx context.Context, most int) error {
	for p.sent-p.answered > most {
		if len(p.answers) == 0 {
			if err := p.out.Flush(); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-p.ended:
			return fmt.Errorf("the exchange ended the session: %w", err)
		case <-p.answers:
			p.answered++
		}
	}
	return nil
}

// awaitPhase waits until the exchange tells the phase, which it does behind the reports of what led to it: who logs
// out before may miss the trades of an auction.
func (p *player) awaitPhase(ctx context.Context, phase trade.Phase) error {
	for trade.Phase(p.phase.Load()) != phase {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-p.ended:
			return fmt.Errorf("the exchange ended the session: %w", err)
		case <-p.told:
		}
	}
	return nil
}

func (p *player) send(r *Recorded) error {
	head := szse.OrderHead{SecurityID: p.security, OwnerType: szse.OwnerInvestor}
	copy(head.ApplID[:], szse.ApplAuction)
	szse.SetText(head.SubmittingPBUID[:], "DAY")
	var err error
	if head.SecurityIDSource, err = szse.SourceOf(p.venue); err != nil {
		return err
	}
	if head.TransactTime, err = szse.FromTime(rules.Join(p.day, r.At)); err != nil {
		return err
	}
	p.sent++
	if r.Kind == RecordedCancel {
		m := szse.OrderCancelRequest{OrderHead: head, Side: szse.SideBuy, OrigClOrdID: recordedID('R', r.Order)}
		m.ClOrdID = recordedID('X', r.Order)
		return p.out.Queue(&m)
	}
	m := szse.NewOrder{OrderHead: head, Price: r.Price}
	m.ClOrdID = recordedID('R', r.Order)
	if m.OrderQty, err = szse.FromShares(r.Quantity); err != nil {
		return err
	}
	if m.Side, err = szse.SideByte(r.Side); err != nil {
		return err
	}
	terms, err := szse.TermsOf(trade.Limit, m.OrderQty)
	if err != nil {
		return err
	}
	m.SetTerms(terms)
	m.CashMargin = szse.CashMarginCash
	szse.SetText(m.AccountID[:], "REPLAY")
	return p.out.Queue(&m)
}

// read takes reports until the exchange logs the player out.
func (p *player) read() error {
	var d szse.Decoder
	for {
		frame, err := p.in.Next()
		if err != nil {
			return err
		}
		m, err := d.Decode(frame)
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case *szse.ExecutionConfirm:
			if m.ExecType == szse.ExecRejected {
				return fmt.Errorf("order %s was rejected: reason %d", m.ClOrdID, m.OrdRejReason)
			}
			if m.ExecType == szse.ExecNew || szse.Text(m.OrigClOrdID[:]) != "" {
				p.answers <- struct{}{}
			}
		case *szse.CancelReject:
			return fmt.Errorf("cancel %s was rejected: reason %d", m.ClOrdID, m.CxlRejReason)
		case *szse.BusinessReject:
			return fmt.Errorf("request %s was refused: %s", m.BusinessRejectRefID, szse.Text(m.BusinessRejectText[:]))
		case *szse.ExecutionReport:
			if err := p.trade(m); err != nil {
				return err
			}
		case *szse.TradingSessionStatus:
			venue, phase, _, err := m.Phase()
			if err != nil {
				return err
			}
			if venue != p.venue {
				continue
			}
			p.phase.Store(uint32(phase))
			select {
			case p.told <- struct{}{}:
			default:
			}
		case *szse.Logout:
			return nil
		}
	}
}

// trade joins the two sides of a trade, which come as two reports of one ExecID.
func (p *player) trade(m *szse.ExecutionReport) error {
	number, err := strconv.ParseUint(string(m.ClOrdID[1:]), 10, 64)
	if err != nil {
		return fmt.Errorf("ClOrdID %q: %w", m.ClOrdID, err)
	}
	quantity, err := m.LastQty.Shares()
	if err != nil {
		return err
	}
	at, second := p.trades[m.ExecID]
	if second {
		delete(p.trades, m.ExecID)
	} else {
		at = len(p.fills)
		p.trades[m.ExecID] = at
		p.fills = append(p.fills, Fill{Price: m.LastPx, Quantity: quantity})
	}
	if m.Side == szse.SideBuy {
		p.fills[at].Buy = number
	} else {
		p.fills[at].Sell = number
	}
	return nil
}
