package venue

import (
	"fmt"

	"evenkeel/core/money"
	"evenkeel/core/trade"
	"evenkeel/szse"
)

// encoder writes requests as messages of the exchange. Its messages are used again.
type encoder struct {
	unit   [6]byte
	order  szse.NewOrder
	cancel szse.OrderCancelRequest
}

// message returns the message of a request: the same one each time it is sent. An error means that the request cannot
// be said in the exchange's language, now or ever.
func (e *encoder) message(i *Item) (szse.Message, error) {
	if i.Cancel {
		e.cancel = szse.OrderCancelRequest{}
		return &e.cancel, e.fillCancel(&e.cancel, i)
	}
	e.order = szse.NewOrder{}
	return &e.order, e.fillOrder(&e.order, i)
}

func (e *encoder) fillHead(h *szse.OrderHead, i *Item) (err error) {
	if i.Venue == 0 {
		return fmt.Errorf("security %d: its listing is not known", i.Security)
	}
	h.SubmittingPBUID = e.unit
	h.SecurityID = i.Code
	h.OwnerType = szse.OwnerInvestor
	if h.SecurityIDSource, err = szse.SourceOf(i.Venue); err != nil {
		return err
	}
	if h.TransactTime, err = szse.FromTime(i.Time); err != nil {
		return err
	}
	// The layouts have no field for the trading day, and a market whose clock runs faster has days of its own.
	h.TransactTime = h.TransactTime.On(i.Day)
	h.ClOrdID, err = szse.ClOrdID(i.Request)
	return err
}

func (e *encoder) fillOrder(m *szse.NewOrder, i *Item) error {
	if err := e.fillHead(&m.OrderHead, i); err != nil {
		return err
	}
	var err error
	if m.AccountID, err = szse.AccountID(i.Account); err != nil {
		return err
	}
	if m.Side, err = szse.SideByte(i.Side); err != nil {
		return err
	}
	if m.OrderQty, err = szse.FromShares(i.Quantity); err != nil {
		return err
	}
	terms, err := szse.TermsOf(i.Type, m.OrderQty)
	if err != nil {
		return err
	}
	m.SetTerms(terms)
	m.Price, m.CashMargin = i.Price, szse.CashMarginCash
	return nil
}

func (e *encoder) fillCancel(m *szse.OrderCancelRequest, i *Item) error {
	if err := e.fillHead(&m.OrderHead, i); err != nil {
		return err
	}
	copy(m.ApplID[:], szse.ApplAuction)
	if i.Type == trade.FixedPrice {
		copy(m.ApplID[:], szse.ApplFixedPrice)
	}
	var err error
	if m.OrigClOrdID, err = szse.ClOrdID(i.Order); err != nil {
		return err
	}
	if m.Side, err = szse.SideByte(i.Side); err != nil {
		return err
	}
	m.OrderQty, err = szse.FromShares(i.Quantity)
	return err
}

// report translates a report of the exchange. An error means that the exchange said something that the interface does
// not allow: nothing of the session can be trusted then. A ClOrdID that is not of the broker's making becomes request
// 0, which the books do not know: its place is taken all the same.
func report(m szse.Report) (trade.Report, error) {
	h := m.Head()
	at, err := h.TransactTime.Time()
	if err != nil {
		return trade.Report{}, fmt.Errorf("%s %d of partition %d: TransactTime: %w", m.Type(), h.ReportIndex,
			h.PartitionNo, err)
	}
	r := trade.Report{Partition: uint32(h.PartitionNo), Index: uint64(h.ReportIndex), Time: at}
	switch m := m.(type) {
	case *szse.CancelReject:
		r.Type = trade.CancelRejectedReport
		r.Request, r.Order = ours(m.ClOrdID), ours(m.OrigClOrdID)
		r.VenueOrder = m.OrderID
		r.Reason = reason(m.CxlRejReason, trade.VenueRefused)
	case *szse.ExecutionReport:
		err = tradeReport(&r, m)
	case *szse.ExecutionConfirm:
		err = confirmReport(&r, m)
	}
	if err != nil {
		return trade.Report{}, fmt.Errorf("%s %d of partition %d: %w", m.Type(), h.ReportIndex, h.PartitionNo, err)
	}
	return r, nil
}

func tradeReport(r *trade.Report, m *szse.ExecutionReport) (err error) {
	if m.ExecType != szse.ExecTrade {
		return fmt.Errorf("ExecType %q: %w", m.ExecType, szse.ErrValue)
	}
	r.Type = trade.TradeReport
	r.Request = ours(m.ClOrdID)
	r.Order = r.Request
	r.VenueOrder, r.Execution = m.OrderID, m.ExecID
	r.Price = m.LastPx
	if r.Quantity, err = m.LastQty.Shares(); err != nil {
		return fmt.Errorf("LastQty: %w", err)
	}
	if r.Price <= 0 || r.Quantity <= 0 {
		return fmt.Errorf("a trade of %d shares at %d: %w", r.Quantity, r.Price, szse.ErrRange)
	}
	return nil
}

func confirmReport(r *trade.Report, m *szse.ExecutionConfirm) (err error) {
	r.Request = ours(m.ClOrdID)
	r.Order = r.Request
	r.VenueOrder, r.Execution = m.OrderID, m.ExecID
	switch m.ExecType {
	case szse.ExecNew:
		r.Type = trade.OrderAcceptedReport
	case szse.ExecRejected:
		r.Type = trade.OrderRejectedReport
		r.Reason = reason(m.OrdRejReason, trade.VenueRefused)
	case szse.ExecCancelled:
		r.Type = trade.OrderCancelledReport
		if szse.Text(m.OrigClOrdID[:]) != "" {
			r.Order = ours(m.OrigClOrdID)
		} else {
			r.Reason = reason(m.OrdRejReason, trade.CancelledByVenue)
		}
		r.Quantity, err = cancelled(m)
	default:
		return fmt.Errorf("ExecType %q: %w", m.ExecType, szse.ErrValue)
	}
	return err
}

// cancelled is what a cancel took away.
func cancelled(m *szse.ExecutionConfirm) (money.Quantity, error) {
	left, ok := money.Sub(m.OrderQty, m.CumQty)
	if !ok || left < 0 {
		return 0, fmt.Errorf("OrderQty %d, CumQty %d: %w", m.OrderQty, m.CumQty, szse.ErrRange)
	}
	return left.Shares()
}

// ours is the request that a ClOrdID names, 0 when the broker did not make it.
func ours(b [10]byte) trade.OrderID {
	id, err := szse.OrderID(b)
	if err != nil {
		return 0
	}
	return id
}

// lastReason bounds the reasons that the simulated exchange sends as the house knows them.
const lastReason = trade.ReportUnknownRequest

// reason is the reason that a code of the exchange means; another exchange's codes, and none, mean otherwise.
func reason(code uint16, otherwise trade.Reason) trade.Reason {
	if code == 0 || code > uint16(lastReason) {
		return otherwise
	}
	return trade.Reason(code)
}
