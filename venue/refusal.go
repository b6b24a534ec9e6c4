package venue

import (
	"sync"

	"evenkeel/core/trade"
	"evenkeel/szse"
)

// refusals remembers, over the sessions of one leadership, what the exchange refused without a report index.
type refusals struct {
	mu    sync.Mutex
	final map[trade.OrderID]trade.Reason // refused for good: never sent again
	tries map[trade.OrderID]int          // refused for a reason that we do not know
}

func (r *refusals) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.final, r.tries = map[trade.OrderID]trade.Reason{}, map[trade.OrderID]int{}
}

// refuse remembers that a request was refused for good.
func (r *refusals) refuse(request trade.OrderID, why trade.Reason) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.final[request] = why
	delete(r.tries, request)
}

func (r *refusals) isFinal(request trade.OrderID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, is := r.final[request]
	return is
}

// tried counts an unknown refusal, and reports whether it was one too many.
func (r *refusals) tried(request trade.OrderID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tries[request]++
	return r.tries[request] >= RefusalTries
}

// pending returns what was refused for good and still waits in the outbox, and forgets the rest.
func (r *refusals) pending(b *Outbox) []refusal {
	r.mu.Lock()
	defer r.mu.Unlock()
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
	return list
}

type refusal struct {
	item Item
	why  trade.Reason
}

// takeReject decides what a BusinessReject means; the package comment has the table.
func (s *session) takeReject(m *szse.BusinessReject) error {
	counts := &s.link.counts
	if m.BusinessRejectReason == szse.RejectDuplicate {
		counts.duplicates.Add(1)
		return nil
	}
	request := ours(m.BusinessRejectRefID)
	item, waits := s.link.o.Outbox.Item(request)
	if !waits || s.link.refused.isFinal(request) {
		counts.stale.Add(1) // a report was quicker, or it is not about a request of ours
		return nil
	}
	s.link.o.Log.Warn("the exchange refused a request", "request", szse.Text(m.BusinessRejectRefID[:]),
		"reason", m.BusinessRejectReason, "text", szse.Text(m.BusinessRejectText[:]))
	why := trade.VenueRefused
	switch m.BusinessRejectReason {
	case szse.RejectThrottled, szse.RejectNotOpen:
		counts.throttled.Add(1)
		s.sender.again(item.Position)
		return nil
	case szse.RejectUnknownSecurity:
		why = trade.UnknownSecurity
	case szse.RejectUnreadable, szse.RejectApplication:
	default:
		if !s.link.refused.tried(request) {
			counts.throttled.Add(1)
			s.sender.again(item.Position)
			return nil
		}
	}
	s.link.refused.refuse(request, why)
	counts.refused.Add(1)
	return s.proposal.refuse(refusal{item, why})
}

// refuseAgain proposes the refusals whose outcome an earlier session did not learn.
func (s *session) refuseAgain() error {
	for _, r := range s.link.refused.pending(s.link.o.Outbox) {
		if err := s.proposal.refuse(r); err != nil {
			return err
		}
	}
	return nil
}

func (p *proposal) refuse(r refusal) error {
	p.command.Kind = trade.ReportKind
	p.command.Report = trade.Report{
		Type: trade.RefusedReport, Request: r.item.Request, Order: r.item.Order, Reason: r.why, Time: r.item.Time,
	}
	return p.submit()
}
