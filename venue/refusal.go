package venue

import (
	"cmp"
	"slices"

	"evenkeel/core/planted"
	"evenkeel/core/trade"
	"evenkeel/szse"
)

// refusals remembers, over the sessions of one leadership, what the exchange refused without a report index.
type refusals struct {
	final map[trade.OrderID]trade.Reason // refused for good: never sent again
	tries map[trade.OrderID]int          // refused for a reason that we do not know
}

func (r *refusals) forget() {
	r.final, r.tries = map[trade.OrderID]trade.Reason{}, map[trade.OrderID]int{}
}

// refuse remembers that a request was refused for good.
func (r *refusals) refuse(request trade.OrderID, why trade.Reason) {
	r.final[request] = why
	delete(r.tries, request)
}

func (r *refusals) isFinal(request trade.OrderID) bool {
	_, is := r.final[request]
	return is
}

// tried counts an unknown refusal, and reports whether it was one too many.
func (r *refusals) tried(request trade.OrderID) bool {
	r.tries[request]++
	return r.tries[request] >= RefusalTries
}

// pending returns what was refused for good and still waits in the outbox, and forgets the rest.
func (r *refusals) pending(b *Outbox) []refusal {
	var list []refusal
	for request, why := range r.final {
		if item, waits := b.Item(request); waits {
			list = append(list, refusal{item, why})
		} else {
			delete(r.final, request)
		}
	}
	for request := range r.tries {
		if _, waits := b.Item(request); !waits {
			delete(r.tries, request)
		}
	}
	slices.SortFunc(list, func(a, b refusal) int { return cmp.Compare(a.item.Position, b.item.Position) })
	return list
}

type refusal struct {
	item Item
	why  trade.Reason
}

// takeReject decides what a BusinessReject means; the package comment has the table.
func (c *Conversation) takeReject(m *szse.BusinessReject) error {
	counts := &c.link.counts
	if m.BusinessRejectReason == szse.RejectDuplicate {
		counts.duplicates.Add(1)
		return nil
	}
	request := ours(m.BusinessRejectRefID)
	item, waits := c.link.o.Outbox.Item(request)
	if !waits || c.link.refused.isFinal(request) {
		counts.stale.Add(1) // a report was quicker, or it is not about a request of ours
		return nil
	}
	c.link.o.Log.Warn("the exchange refused a request", "request", szse.Text(m.BusinessRejectRefID[:]),
		"reason", m.BusinessRejectReason, "text", szse.Text(m.BusinessRejectText[:]))
	why := trade.VenueRefused
	switch m.BusinessRejectReason {
	case szse.RejectThrottled, szse.RejectNotOpen:
		counts.throttled.Add(1)
		c.again(item.Position)
		return nil
	case szse.RejectUnknownSecurity:
		why = trade.UnknownSecurity
	case szse.RejectUnreadable, szse.RejectApplication:
	default:
		if !c.link.refused.tried(request) {
			counts.throttled.Add(1)
			c.again(item.Position)
			return nil
		}
	}
	c.link.refused.refuse(request, why)
	counts.refused.Add(1)
	if planted.Is(planted.RefusalNotTold) {
		return nil
	}
	return c.refuse(refusal{item, why})
}

func (c *Conversation) refuse(r refusal) error {
	c.queue.command.Kind = trade.ReportKind
	c.queue.command.Report = trade.Report{
		Type: trade.RefusedReport, Request: r.item.Request, Order: r.item.Order, Reason: r.why, Time: r.item.Time,
	}
	return c.propose()
}
