package venue

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"evenkeel/core/money"
	"evenkeel/core/trade"
	"evenkeel/szse"
)

func item() Item {
	return Item{Code: [8]byte([]byte("600519  ")), Venue: trade.SSE, Position: 1, Outgoing: trade.Outgoing{
		Request: 36, Order: 36, Account: 7, Security: 1, Side: trade.Sell, Type: trade.FillOrKill, Price: 11_4000,
		Quantity: 500, Day: 20260708, Time: testTime}}
}

func TestOrderMessage(t *testing.T) {
	e := encoder{unit: [6]byte([]byte("000701"))}
	i := item()
	m, err := e.message(&i)
	if err != nil {
		t.Fatal(err)
	}
	o := m.(*szse.NewOrder)
	got := fmt.Sprintf("%s %s %s %s %s %s %d %d %c %d %d", o.SubmittingPBUID, o.SecurityID, o.SecurityIDSource[:3],
		o.ClOrdID, o.AccountID, o.ApplID, o.TransactTime, o.OrderQty, o.Side, o.MinQty, o.Price)
	// The date is the trading day, the time of day that of the entry.
	if want := "000701 600519   101 0000000010 0000000007   010 20260708093000000 50000 2 50000 114000"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	first := string(m.Append(nil))
	if m, err = e.message(&i); err != nil || string(m.Append(nil)) != first {
		t.Errorf("a second sending differs, %v", err)
	}
	i.Cancel, i.Request, i.Type = true, 37, trade.FixedPrice
	m, err = e.message(&i)
	if err != nil {
		t.Fatal(err)
	}
	c := m.(*szse.OrderCancelRequest)
	if got := fmt.Sprintf("%s %s %s", c.ClOrdID, c.OrigClOrdID, c.ApplID); got != "0000000011 0000000010 370" {
		t.Errorf("cancel %s", got)
	}
}

func TestWhatCannotBeSaid(t *testing.T) {
	for name, change := range map[string]func(*Item){
		"a security without a listing": func(i *Item) { i.Venue = 0 },
		"an unknown venue":             func(i *Item) { i.Venue = 9 },
		"an order beyond ClOrdIDs":     func(i *Item) { i.Request = math.MaxUint64 },
		"an account beyond AccountIDs": func(i *Item) { i.Account = math.MaxUint64 },
		"an unknown side":              func(i *Item) { i.Side = 3 },
		"an unknown type":              func(i *Item) { i.Type = 99 },
		"too many shares":              func(i *Item) { i.Quantity = math.MaxInt64 },
		"a time before 1970":           func(i *Item) { i.Time = math.MinInt64 },
		"a cancel of nothing":          func(i *Item) { i.Cancel, i.Order = true, math.MaxUint64 },
	} {
		var e encoder
		i := item()
		change(&i)
		if m, err := e.message(&i); err == nil {
			t.Errorf("%s: %v", name, m)
		}
	}
}

func head() szse.ReportHead {
	return szse.ReportHead{PartitionNo: 3, ReportIndex: 9, TransactTime: 20260707_093000_000}
}

func TestReports(t *testing.T) {
	order, cancel := [10]byte([]byte("0000000010")), [10]byte([]byte("0000000011"))
	blank := [10]byte([]byte("          "))
	same := trade.Report{Partition: 3, Index: 9, Time: testTime}
	with := func(change func(*trade.Report)) trade.Report { r := same; change(&r); return r }
	for name, c := range map[string]struct {
		m    szse.Report
		want trade.Report
	}{
		"accepted": {&szse.ExecutionConfirm{ReportHead: head(), ClOrdID: order, OrigClOrdID: blank, ExecType: szse.ExecNew,
			OrderID: [16]byte{1}, ExecID: [16]byte{2}, OrderQty: 500_00},
			with(func(r *trade.Report) {
				r.Type, r.Request, r.Order = trade.OrderAcceptedReport, 36, 36
				r.VenueOrder, r.Execution = [16]byte{1}, [16]byte{2}
			})},
		"rejected": {&szse.ExecutionConfirm{ReportHead: head(), ClOrdID: order, ExecType: szse.ExecRejected,
			OrdRejReason: uint16(trade.PriceAboveLimit)},
			with(func(r *trade.Report) {
				r.Type, r.Request, r.Order, r.Reason = trade.OrderRejectedReport, 36, 36, trade.PriceAboveLimit
			})},
		"rejected for another exchange's reason": {&szse.ExecutionConfirm{ReportHead: head(), ClOrdID: order,
			ExecType: szse.ExecRejected, OrdRejReason: 20010},
			with(func(r *trade.Report) {
				r.Type, r.Request, r.Order, r.Reason = trade.OrderRejectedReport, 36, 36, trade.VenueRefused
			})},
		"cancelled on request": {&szse.ExecutionConfirm{ReportHead: head(), ClOrdID: cancel, OrigClOrdID: order,
			ExecType: szse.ExecCancelled, OrderQty: 500_00, CumQty: 200_00},
			with(func(r *trade.Report) {
				r.Type, r.Request, r.Order, r.Quantity = trade.OrderCancelledReport, 37, 36, 300
			})},
		"cancelled by rule": {&szse.ExecutionConfirm{ReportHead: head(), ClOrdID: order, OrigClOrdID: blank,
			ExecType: szse.ExecCancelled, OrderQty: 500_00, OrdRejReason: uint16(trade.TypeRemainder)},
			with(func(r *trade.Report) {
				r.Type, r.Request, r.Order, r.Quantity = trade.OrderCancelledReport, 36, 36, 500
				r.Reason = trade.TypeRemainder
			})},
		"cancelled, nobody says why": {&szse.ExecutionConfirm{ReportHead: head(), ClOrdID: order,
			ExecType: szse.ExecCancelled, OrderQty: 100},
			with(func(r *trade.Report) {
				r.Type, r.Request, r.Order, r.Quantity = trade.OrderCancelledReport, 36, 36, 1
				r.Reason = trade.CancelledByVenue
			})},
		"trade": {&szse.ExecutionReport{ReportHead: head(), ClOrdID: order, ExecType: szse.ExecTrade, LastPx: 114000,
			LastQty: 300_00, ExecID: [16]byte{4}},
			with(func(r *trade.Report) {
				r.Type, r.Request, r.Order = trade.TradeReport, 36, 36
				r.Price, r.Quantity, r.Execution = 11_4000, 300, [16]byte{4}
			})},
		"cancel rejected": {&szse.CancelReject{ReportHead: head(), ClOrdID: cancel, OrigClOrdID: order,
			CxlRejReason: uint16(trade.OrderAlreadyDone)},
			with(func(r *trade.Report) {
				r.Type, r.Request, r.Order, r.Reason = trade.CancelRejectedReport, 37, 36, trade.OrderAlreadyDone
			})},
	} {
		if got, err := report(c.m); err != nil || got != c.want {
			t.Errorf("%s: %v\n got %+v\nwant %+v", name, err, got, c.want)
		}
	}
}

func TestReportsThatCannotBe(t *testing.T) {
	old := head()
	old.TransactTime = 1
	for want, m := range map[string]szse.Report{
		"TransactTime":   &szse.CancelReject{ReportHead: old},
		"ExecType 'X'":   &szse.ExecutionConfirm{ReportHead: head(), ExecType: 'X'},
		"ExecType '0'":   &szse.ExecutionReport{ReportHead: head(), ExecType: szse.ExecNew},
		"LastQty":        &szse.ExecutionReport{ReportHead: head(), ExecType: szse.ExecTrade, LastPx: 1, LastQty: 150},
		"a trade of 0":   &szse.ExecutionReport{ReportHead: head(), ExecType: szse.ExecTrade, LastPx: 1},
		"10 shares at 0": &szse.ExecutionReport{ReportHead: head(), ExecType: szse.ExecTrade, LastQty: 1000},
		"OrderQty 1, CumQty": &szse.ExecutionConfirm{ReportHead: head(), ExecType: szse.ExecCancelled, OrderQty: 1,
			CumQty: 2},
		"whole number": &szse.ExecutionConfirm{ReportHead: head(), ExecType: szse.ExecCancelled, OrderQty: 150},
	} {
		if _, err := report(m); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// FuzzReport gives the translation any report that the codec accepts: it refuses it or names its place as it came.
func FuzzReport(f *testing.F) {
	for _, m := range []szse.Report{&szse.CancelReject{ReportHead: head()},
		&szse.ExecutionConfirm{ReportHead: head(), ExecType: '4'},
		&szse.ExecutionReport{ReportHead: head(), ExecType: 'F', LastPx: 1, LastQty: 100}} {
		frame, _, err := szse.ParseFrame(m.Append(nil))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint32(frame.Type), frame.Body)
	}
	var d szse.Decoder
	f.Fuzz(func(t *testing.T, kind uint32, body []byte) {
		got, err := d.Decode(szse.Frame{Type: szse.MsgType(kind), Body: body})
		m, is := got.(szse.Report)
		if err != nil || !is {
			return
		}
		r, err := report(m)
		if err != nil {
			if !errors.Is(err, szse.ErrValue) && !errors.Is(err, szse.ErrRange) && !errors.Is(err, szse.ErrFraction) &&
				!errors.Is(err, szse.ErrTimestamp) {
				t.Fatal(err)
			}
			return
		}
		if int64(r.Index) != m.Head().ReportIndex || r.Type == 0 || r.Quantity < 0 || r.Price < money.Price(0) {
			t.Fatalf("%+v became %+v", m, r)
		}
		var again trade.Command
		encoded, err := trade.AppendCommand(nil, &trade.Command{Kind: trade.ReportKind, Report: r})
		if err != nil {
			t.Fatal(err)
		}
		if err := trade.DecodeCommand(encoded, &again); err != nil || again.Report != r {
			t.Fatalf("%+v came back as %+v, %v", r, again.Report, err)
		}
	})
}
