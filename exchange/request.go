package exchange

import (
	"errors"
	"fmt"

	core "evenkeel/core/exchange"
	"evenkeel/core/trade"
	"evenkeel/szse"
)

// synchronise says from which report of each partition on the broker lacks them.
func (b *Session) synchronise(m *szse.ReportSynchronization) error {
	next := make([]uint64, b.gateway.config.Partitions)
	for _, p := range m.Points {
		if p.PartitionNo < 1 || int(p.PartitionNo) > len(next) {
			return fmt.Errorf("partition %d: 1 to %d", p.PartitionNo, len(next))
		}
		var first, end uint64
		b.gateway.config.View(func(m *core.Machine) { first, end = m.Kept(b.pbu, uint32(p.PartitionNo)) })
		if p.ReportIndex < int64(first) || p.ReportIndex > int64(end) {
			return fmt.Errorf("partition %d report %d: kept are %d to %d", p.PartitionNo, p.ReportIndex, first, end-1)
		}
		next[p.PartitionNo-1] = uint64(p.ReportIndex)
	}
	for i, n := range next {
		if n == 0 {
			return fmt.Errorf("partition %d: no report index", i+1)
		}
	}
	b.next = next
	b.news.tell()
	return nil
}

// submitOrder puts an order into the journal. The order's day is its TransactTime's.
func (b *Session) submitOrder(m *szse.NewOrder) {
	var c core.NewOrder
	var err error
	fail := func(e error) {
		if err == nil {
			err = e
		}
	}
	c.PBU, c.ClOrdID, c.Account, c.Security = b.pbu, m.ClOrdID, m.AccountID, m.SecurityID
	c.Day, c.Price = m.TransactTime.Day(), m.Price
	var e error
	c.Side, e = szse.SideOf(m.Side)
	fail(e)
	c.Type, e = m.Terms().OrderType(m.OrderQty)
	fail(e)
	c.Quantity, e = m.OrderQty.Shares()
	fail(e)
	if m.SubmittingPBUID != b.pbu {
		fail(fmt.Errorf("SubmittingPBUID is %s", szse.Text(b.pbu[:])))
	}
	if err != nil {
		b.reject(&m.OrderHead, szse.TypeNewOrder, szse.RejectUnreadable, err.Error())
		return
	}
	b.submit(&c, m.OrderHead, szse.TypeNewOrder)
}

func (b *Session) submitCancel(m *szse.OrderCancelRequest) {
	if m.SubmittingPBUID != b.pbu {
		b.reject(&m.OrderHead, szse.TypeOrderCancelRequest, szse.RejectUnreadable, "SubmittingPBUID is another's")
		return
	}
	c := core.Cancel{PBU: b.pbu, ClOrdID: m.ClOrdID, OrigClOrdID: m.OrigClOrdID, Security: m.SecurityID,
		Day: m.TransactTime.Day()}
	b.submit(&c, m.OrderHead, szse.TypeOrderCancelRequest)
}

// submit hands a request to the journal. It is under the lock, as stop is: a session that was ended submits nothing
// after that.
func (b *Session) submit(c core.Command, head szse.OrderHead, kind szse.MsgType) {
	err := b.gateway.config.Submit(core.AppendCommand(nil, c), func(a core.Answer, err error) {
		b.answered(&head, kind, a, err)
	})
	switch {
	case err == nil:
		b.pending++
	case errors.Is(err, b.gateway.config.Full):
		b.reject(&head, kind, szse.RejectThrottled, "the exchange is busy: send again later")
	default:
		b.reject(&head, kind, szse.RejectNotOpen, "the exchange takes nothing now")
	}
}

// answered hears what the books made of a request. It runs on the journal's goroutine.
func (b *Session) answered(head *szse.OrderHead, kind szse.MsgType, a core.Answer, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pending--
	switch {
	case err != nil:
		// Whether it is in the journal is not known. The broker learns it by synchronisation on a new session.
		b.stop(fmt.Errorf("journal: %w", err), szse.LogoutShuttingDown)
	case a.Reason == trade.DuplicateOrder:
		b.reject(head, kind, szse.RejectDuplicate, "the ClOrdID was used today")
	case a.Reason == trade.OrderLimitOfDay || a.Reason == trade.VenueThrottled:
		b.reject(head, kind, szse.RejectNotOpen, "the exchange takes no more requests today")
	}
	if b.deaf {
		b.news.tell()
	}
	if b.over != nil && b.pending == 0 {
		if b.gone {
			b.gateway.forget(b)
		}
		b.gateway.wake(b.pbu)
	}
}

// reject queues a business reject, which counts as unanswered until it is sent.
func (b *Session) reject(head *szse.OrderHead, kind szse.MsgType, code uint16, text string) {
	if b.over != nil {
		return
	}
	m := szse.BusinessReject{ApplID: head.ApplID, SubmittingPBUID: head.SubmittingPBUID, SecurityID: head.SecurityID,
		SecurityIDSource: head.SecurityIDSource, RefMsgType: kind, BusinessRejectRefID: head.ClOrdID,
		BusinessRejectReason: code, TransactTime: head.TransactTime}
	szse.ClipText(m.BusinessRejectText[:], text)
	b.refusals = append(b.refusals, m.Append(nil))
	b.news.tell()
}
