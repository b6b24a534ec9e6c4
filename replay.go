package main

import (
	"compress/gzip"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"time"

	core "evenkeel/core/exchange"
	"evenkeel/core/money"
	"evenkeel/core/rules"
	"evenkeel/core/trade"
	"evenkeel/exchange"
	"evenkeel/szse"
)

const replayUsage = `Play a recorded day through the exchange's gateway over TCP, in the exchange's own protocol, and compare the fills
with the recorded ones. The exchange is started for the run in a directory of its own.

  evenkeel replay --inbound inbound.csv.gz --fills fills.csv.gz --day 20230207 --close 1795.00

The files are described in exchange/recording.go: biz,time,type,order,side,price_milli,qty for the inbound orders, and
biz,time,phase,buy_order,sell_order,price_milli,qty for the fills.`

// replayWindow is how many requests may wait for their first report.
const replayWindow = 2048

func replay(ctx context.Context, args []string, out io.Writer) error {
	f := flags("replay", replayUsage, out)
	inbound := f.String("inbound", "", "recorded orders (CSV, may be .gz)")
	fills := f.String("fills", "", "recorded fills to compare with (CSV, may be .gz); empty: none")
	code := f.String("security", "600519", "the security's code")
	venue := f.String("venue", "SSE", "its venue: SSE or SZSE")
	day := f.Int("day", 20230207, "the recorded trading day, YYYYMMDD: it chooses the rules")
	close := f.String("close", "1795.00", "the previous close, from which the day's limits are computed")
	if err := parse(f, args); err != nil {
		return err
	}
	if *inbound == "" {
		return errors.New("replay: --inbound is needed; `evenkeel replay --help` shows an example")
	}
	price, err := money.ParsePrice(*close)
	if err != nil {
		return fmt.Errorf("--close %w", err)
	}
	v := trade.SSE
	if *venue == "SZSE" {
		v = trade.SZSE
	} else if *venue != "SSE" {
		return fmt.Errorf("--venue %q: SSE or SZSE", *venue)
	}
	rows, err := readRecording(*inbound)
	if err != nil {
		return err
	}
	var want []fill
	if *fills != "" {
		if want, err = readFills(*fills); err != nil {
			return err
		}
	}
	began := time.Now()
	got, err := playDay(ctx, rows, *code, v, trade.Day(*day), price, out)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "%d orders and cancels, %d fills in %v\n", len(rows), len(got), time.Since(began).Round(time.Millisecond))
	if len(got) > 0 {
		_, _ = fmt.Fprintf(out, "first price %v, last price %v\n", got[0].price, got[len(got)-1].price)
	}
	if *fills == "" {
		return nil
	}
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return fmt.Errorf("fill %d differs: recorded %+v, here %+v", i+1, want[i], got[i])
		}
	}
	if len(got) != len(want) {
		return fmt.Errorf("%d fills were recorded, here are %d", len(want), len(got))
	}
	_, _ = fmt.Fprintf(out, "all %d fills are the recorded ones, in order\n", len(want))
	return nil
}

func readRecording(name string) (_ []exchange.Recorded, err error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("recording: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return exchange.ReadRecording(file)
}

// fill is one trade of a recording.
type fill struct {
	buy, sell uint64
	price     money.Price
	quantity  money.Quantity
}

func readFills(name string) (_ []fill, err error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("recorded fills: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		return nil, fmt.Errorf("recorded fills: %w", err)
	}
	rows, err := csv.NewReader(unpacked).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("recorded fills: %w", err)
	}
	var all []fill
	for i, row := range rows[min(1, len(rows)):] {
		if len(row) != 7 {
			return nil, fmt.Errorf("recorded fills, line %d: 7 columns are needed", i+2)
		}
		var n [4]int64
		for k, column := range []int{3, 4, 5, 6} {
			if n[k], err = strconv.ParseInt(row[column], 10, 64); err != nil {
				return nil, fmt.Errorf("recorded fills, line %d: %w", i+2, err)
			}
		}
		all = append(all, fill{uint64(n[0]), uint64(n[1]), money.Price(n[2]) * (money.Scale / 1000), money.Quantity(n[3])})
	}
	return all, nil
}

// playDay starts an exchange and plays the rows to it as a broker would, over TCP.
func playDay(ctx context.Context, rows []exchange.Recorded, code string, v trade.Venue, day trade.Day, close money.Price, out io.Writer) (_ []fill, err error) {
	dir, err := os.MkdirTemp("", "evenkeel-replay-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	security, ok := core.MakeCode(code)
	if !ok {
		return nil, fmt.Errorf("--security %q: 1 to 8 characters", code)
	}
	start := time.Unix(0, int64(rules.Join(day, 0))+int64(9*time.Hour))
	unit := exchange.Unit{CompID: "REPLAY", PBU: "REPLAY", Password: "replay"}
	server, err := exchange.Open(exchange.Config{Dir: dir, Units: []exchange.Unit{unit},
		Clock: exchange.Clock{Sessions: exchange.Manual, Start: start},
		List: []exchange.Listed{{Weight: 1, ListSecurity: core.ListSecurity{Code: security, Venue: v, Board: trade.Main,
			Condition: trade.Normal, PreviousClose: close, ListedDay: 5000, Name: code}}}})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	conn, err := net.Dial("tcp", server.OrdersAddress())
	if err != nil {
		return nil, err
	}
	p := &player{conn: conn, in: szse.NewReader(conn), security: [8]byte(security), venue: v, day: day, acked: make(chan struct{}, replayWindow),
		trades: map[[16]byte]int{}, out: out}
	defer func() { _ = conn.Close() }()
	if err := p.logon(unit); err != nil {
		return nil, err
	}
	read := make(chan error, 1)
	go func() { read <- p.read() }()
	phases := exchange.Phases{Rules: rules.Standard(), Venue: v, Day: day}
	for i := range rows {
		for _, phase := range phases.Next(&rows[i]) {
			if err := p.settle(ctx, read); err != nil {
				return nil, err
			}
			if err := server.SetPhase(ctx, v, phase); err != nil {
				return nil, err
			}
		}
		if err := p.send(ctx, &rows[i], read); err != nil {
			return nil, fmt.Errorf("row %d: %w", i+1, err)
		}
		if i%10_000 == 0 && i > 0 {
			_, _ = fmt.Fprintf(out, "sent %d of %d\n", i, len(rows))
		}
	}
	if err := p.settle(ctx, read); err != nil {
		return nil, err
	}
	if _, err := conn.Write((&szse.Logout{SessionStatus: szse.LogoutDone, Text: blank200()}).Append(nil)); err != nil {
		return nil, err
	}
	if err := <-read; err != nil {
		return nil, err
	}
	return p.fills, nil
}

func blank200() (b [200]byte) {
	szse.SetText(b[:], "")
	return b
}

// player is a broker's side of the gateway, as plain as it can be.
type player struct {
	conn     net.Conn
	in       *szse.Reader
	security [8]byte
	venue    trade.Venue
	day      trade.Day
	frame    []byte
	sent     int
	answered int
	acked    chan struct{} // one element per request that was answered
	trades   map[[16]byte]int
	fills    []fill
	out      io.Writer
}

func (p *player) logon(unit exchange.Unit) error {
	m := szse.Logon{HeartBtInt: 60}
	szse.SetText(m.SenderCompID[:], unit.CompID)
	szse.SetText(m.TargetCompID[:], exchange.CompID)
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

// send sends one row; it waits while replayWindow requests are unanswered.
func (p *player) send(ctx context.Context, r *exchange.Recorded, read <-chan error) error {
	if r.Kind == exchange.RecordedUncross {
		return nil
	}
	for p.sent-p.answered >= replayWindow {
		if err := p.await(ctx, read); err != nil {
			return err
		}
	}
	head := szse.OrderHead{SecurityID: p.security, OwnerType: szse.OwnerInvestor}
	copy(head.ApplID[:], szse.ApplAuction)
	szse.SetText(head.SubmittingPBUID[:], "REPLAY")
	head.SecurityIDSource, _ = szse.SourceOf(p.venue)
	szse.SetText(head.ClearingFirm[:], "")
	szse.SetText(head.UserInfo[:], "")
	head.TransactTime, _ = szse.FromTime(rules.Join(p.day, r.At))
	if r.Kind == exchange.RecordedCancel {
		m := szse.OrderCancelRequest{OrderHead: head, Side: szse.SideBuy}
		m.ClOrdID, m.OrigClOrdID = exchange.RecordedID('X', r.Order), exchange.RecordedID('R', r.Order)
		szse.SetText(m.OrderID[:], "")
		p.frame = m.Append(p.frame[:0])
	} else {
		m := szse.NewOrder{OrderHead: head, Price: r.Price}
		m.ClOrdID = exchange.RecordedID('R', r.Order)
		m.OrderQty, _ = szse.FromShares(r.Quantity)
		m.Side, _ = szse.SideByte(r.Side)
		terms, _ := szse.TermsOf(trade.Limit, m.OrderQty)
		m.SetTerms(terms)
		m.CashMargin = szse.CashMarginCash
		szse.SetText(m.AccountID[:], "REPLAY")
		szse.SetText(m.BranchID[:], "")
		szse.SetText(m.OrderRestrictions[:], "")
		p.frame = m.Append(p.frame[:0])
	}
	p.sent++
	_, err := p.conn.Write(p.frame)
	return err
}

// settle waits until every request was answered: the phase may then change.
func (p *player) settle(ctx context.Context, read <-chan error) error {
	for p.answered < p.sent {
		if err := p.await(ctx, read); err != nil {
			return err
		}
	}
	return nil
}

func (p *player) await(ctx context.Context, read <-chan error) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case err := <-read:
		return fmt.Errorf("the exchange ended the session: %w", err)
	case <-p.acked:
		p.answered++
		return nil
	}
}

// read takes reports until the exchange logs the player out.
func (p *player) read() error {
	var confirm szse.ExecutionConfirm
	var report szse.ExecutionReport
	var reject szse.CancelReject
	for {
		frame, err := p.in.Next()
		if err != nil {
			return err
		}
		switch frame.Type {
		case szse.TypeExecutionConfirm:
			if err := confirm.Decode(frame.Body); err != nil {
				return err
			}
			if confirm.ExecType == szse.ExecRejected {
				return fmt.Errorf("order %s was rejected: reason %d", confirm.ClOrdID, confirm.OrdRejReason)
			}
			if confirm.ExecType == szse.ExecNew || szse.Text(confirm.OrigClOrdID[:]) != "" {
				p.acked <- struct{}{}
			}
		case szse.TypeCancelReject:
			if err := reject.Decode(frame.Body); err != nil {
				return err
			}
			return fmt.Errorf("cancel %s was rejected: reason %d", reject.ClOrdID, reject.CxlRejReason)
		case szse.TypeExecutionReport:
			if err := report.Decode(frame.Body); err != nil {
				return err
			}
			if err := p.trade(&report); err != nil {
				return err
			}
		case szse.TypeBusinessReject:
			return errors.New("a request was refused by the gateway")
		case szse.TypeLogout:
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
	if !second {
		at = len(p.fills)
		p.trades[m.ExecID] = at
		p.fills = append(p.fills, fill{price: m.LastPx, quantity: quantity})
	} else {
		delete(p.trades, m.ExecID)
	}
	if m.Side == szse.SideBuy {
		p.fills[at].buy = number
	} else {
		p.fills[at].sell = number
	}
	return nil
}
