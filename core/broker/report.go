package broker

import (
	"evenkeel/core/planted"
	"evenkeel/core/trade"
)

// report applies the exchange's word: ReportGap, ReportRepeated, TooManyPartitions and CommandUnreadable change
// nothing; ReportUnknownRequest and ReportUntrue use up the index and change nothing else, or the link would stand
// still.
func (s *State) report(r *trade.Report) trade.Answer {
	if r.Type == trade.RefusedReport {
		return s.refusedReport(r)
	}
	if r.Type < trade.OrderAcceptedReport || r.Type > trade.CancelRejectedReport {
		return refuse(trade.CommandUnreadable)
	}
	p := s.partition(r.Partition)
	if planted.Is(planted.ReportTwice) && p != nil && r.Index <= p.last {
		return s.applyReport(r)
	}
	switch {
	case p == nil:
		return refuseWith(trade.TooManyPartitions, MaxPartitions+1, MaxPartitions, 0)
	case r.Index <= p.last:
		return refuseWith(trade.ReportRepeated, int64(r.Index), int64(p.last+1), int64(p.last+1))
	case r.Index > p.last+1:
		return refuseWith(trade.ReportGap, int64(r.Index), int64(p.last+1), int64(p.last+1))
	}
	p.last++
	answer := s.applyReport(r)
	if answer.Reason == trade.ReportUntrue {
		s.untrue++
	}
	s.taken(r.Partition, r.Index)
	return answer
}

// partition finds or makes a partition; a nil result says that there are too many.
func (s *State) partition(number uint32) *partition {
	for i := range s.partitions {
		if s.partitions[i].number == number {
			return &s.partitions[i]
		}
	}
	if len(s.partitions) >= MaxPartitions {
		return nil
	}
	s.partitions = append(s.partitions, partition{number: number})
	return &s.partitions[len(s.partitions)-1]
}

func (s *State) applyReport(r *trade.Report) trade.Answer {
	i, ok := s.seatOf(r.Request)
	if !ok {
		return refuse(trade.ReportUnknownRequest)
	}
	request := s.at(i)
	if request.queue > outbox || request.status == trade.AwaitsCancel {
		return s.untrueReport(i, request) // it was never sent
	}
	if request.target != 0 {
		old := s.at(request.target)
		switch r.Type {
		case trade.OrderCancelledReport:
			return s.cancelled(request.target, old, i, r)
		case trade.CancelRejectedReport:
			return s.cancelRejected(request.target, old, i, r.Reason, r.Numbers)
		}
		return s.untrueReport(request.target, old)
	}
	switch r.Type {
	case trade.OrderAcceptedReport:
		return s.accepted(i, request, r)
	case trade.OrderRejectedReport:
		return s.rejected(i, request, r.Reason, r.Numbers)
	case trade.TradeReport:
		return s.traded(i, request, r)
	case trade.OrderCancelledReport:
		return s.cancelled(i, request, 0, r)
	}
	return s.untrueReport(i, request) // a cancel's rejection, about an order
}

func (s *State) untrueReport(i seat, o *order) trade.Answer {
	answer := s.answer(i, o)
	answer.Reason = trade.ReportUntrue
	return answer
}

// confirm notes that the exchange has an order, which its first report of any kind says.
func (s *State) confirm(i seat, o *order, r *trade.Report) {
	if o.acceptedAt == 0 {
		o.acceptedAt = max(1, r.Time)
		o.venueOrder = r.VenueOrder
	}
	s.pull(i, o)
}

func (s *State) accepted(i seat, o *order, r *trade.Report) trade.Answer {
	switch {
	case o.acceptedAt != 0: // a trade came first, or the exchange says so again
		return s.answer(i, o)
	case o.status.Done():
		return s.untrueReport(i, o)
	}
	s.confirm(i, o, r)
	if o.status == trade.PendingNew {
		o.status = trade.Working
	}
	o.updated = s.now
	s.orderEvent(trade.OrderAccepted, i, o)
	return s.answer(i, o)
}

// rejected ends an order that the exchange does not take. That its number was used already is said of a resent order:
// the reports about the first one are on their way, and count.
func (s *State) rejected(i seat, o *order, reason trade.Reason, numbers trade.Numbers) trade.Answer {
	switch {
	case reason == trade.DuplicateOrder:
		return s.answer(i, o)
	case o.status == trade.Expired && o.acceptedAt == 0: // the day ended here while it was on its way
		return s.answer(i, o)
	case o.status.Done() || o.acceptedAt != 0:
		return s.untrueReport(i, o)
	case reason == trade.Accepted:
		reason = trade.VenueRefused
	}
	by := o.replacedBy
	waits := o.status == trade.ReplacePending
	if o.cancel != 0 { // there is nothing to cancel, and nobody needs the answer
		s.pull(o.cancel, s.at(o.cancel))
		o.cancel = 0
	}
	s.end(i, o, trade.Rejected, reason)
	o.numbers = numbers
	if waits {
		o.replacedBy = 0
	}
	s.orderEvent(trade.OrderRejected, i, o)
	if waits {
		s.refuseReplacement(by, reason)
	}
	return s.answer(i, o)
}

func (s *State) traded(i seat, o *order, r *trade.Report) trade.Answer {
	if o.status.Done() || o.Side == trade.Sell && o.price > 0 && r.Price < o.price {
		return s.untrueReport(i, o)
	}
	fill, ok := s.books.Fill(o.account, &o.Claim, &s.tariffs[o.tariff], r.Price, r.Quantity,
		s.sellableToday(s.line(o.Security)))
	if !ok {
		return s.untrueReport(i, o)
	}
	fill.Execution = r.Execution
	s.confirm(i, o, r)
	o.updated = s.now
	by := o.replacedBy
	waits := o.status == trade.ReplacePending
	switch {
	case o.Left() == 0:
		s.dropCancel(o)
		s.end(i, o, trade.Filled, trade.Accepted)
		if waits {
			o.replacedBy = 0
		}
	case o.status != trade.CancelPending && o.status != trade.ReplacePending:
		o.status = trade.PartlyFilled
	}
	e := s.orderEvent(trade.OrderTraded, i, o)
	e.Trade = fill
	s.hashTrade(&fill)
	if waits && o.status == trade.Filled {
		s.refuseReplacement(by, trade.FilledBeforeReplace)
	}
	return s.answer(i, o)
}

// cancelled ends an order at the exchange: at our request, or (request 0) at the exchange's own will.
func (s *State) cancelled(i seat, o *order, request seat, r *trade.Report) trade.Answer {
	if o.status.Done() || r.Quantity != 0 && r.Quantity != o.Left() {
		return s.untrueReport(i, o)
	}
	s.confirm(i, o, r)
	reason := r.Reason
	if request != 0 {
		s.pull(request, s.at(request))
		if o.cancel == request {
			o.cancel = 0
		}
	} else if s.dropCancel(o); reason == trade.Accepted {
		reason = trade.CancelledByVenue
		if o.kind.Market() {
			reason = trade.TypeRemainder
		}
	}
	by := o.replacedBy
	waits := o.status == trade.ReplacePending
	if waits && request != 0 {
		s.succeed(i, o, by, reason)
		return s.answer(i, o)
	}
	status, event := trade.Cancelled, trade.OrderCancelled
	if reason == trade.ExpiredAtClose { // the exchange says so by a cancel that nobody asked for
		status, event = trade.Expired, trade.OrderExpired
	}
	s.end(i, o, status, reason)
	o.numbers = r.Numbers
	if waits {
		o.replacedBy = 0
	}
	s.orderEvent(event, i, o)
	if waits {
		s.refuseReplacement(by, reason)
	}
	return s.answer(i, o)
}

// cancelRejected lets an order live on that the exchange did not cancel. That the cancel's number was used already is
// said of a resent one: what the exchange says of the first counts.
func (s *State) cancelRejected(i seat, o *order, request seat, reason trade.Reason,
	numbers trade.Numbers) trade.Answer {
	if reason == trade.DuplicateOrder {
		return s.answer(i, o)
	}
	s.pull(request, s.at(request))
	if o.cancel != request {
		return s.answer(i, o) // the order ended, and nobody waits for this
	}
	o.cancel, o.updated = 0, s.now
	by := o.replacedBy
	waits := o.status == trade.ReplacePending
	if waits {
		o.replacedBy = 0
	}
	if !o.status.Done() {
		o.settle()
	}
	if reason == trade.Accepted {
		reason = trade.VenueRefused
	}
	kept, keptNumbers := o.reason, o.numbers
	o.reason, o.numbers = reason, numbers // for the event: the order itself has nothing to explain
	s.orderEvent(trade.CancelRefused, i, o)
	o.reason, o.numbers = kept, keptNumbers
	s.settleOrder(i, o)
	if waits {
		s.refuseReplacement(by, reason)
	}
	return s.answer(i, o)
}

// refuseReplacement ends a replacement whose time did not come.
func (s *State) refuseReplacement(by seat, reason trade.Reason) {
	fresh := s.at(by)
	s.end(by, fresh, trade.Rejected, reason)
	s.orderEvent(trade.ReplaceRefused, by, fresh)
}

// succeed puts a replacement in the place of its old order, whose cancel is certain now: it goes down the ladder again
// with what the old one's fills have left of it.
func (s *State) succeed(i seat, old *order, by seat, reason trade.Reason) {
	fresh := s.at(by)
	left := fresh.whole - old.Filled
	if left <= 0 {
		old.replacedBy = 0
		s.end(i, old, trade.Cancelled, reason)
		s.orderEvent(trade.OrderCancelled, i, old)
		s.refuseReplacement(by, trade.FilledBeforeReplace)
		return
	}
	s.books.Release(old.account, &old.Claim)
	s.books.Release(fresh.account, &fresh.Claim)
	y := s.line(fresh.Security)
	asked := fresh.asked(left)
	v := s.ladder(&asked, fresh.account, fresh.Security, nil, 2)
	if v.Reason != trade.Accepted {
		old.replacedBy = 0
		s.end(i, old, trade.Cancelled, reason)
		s.orderEvent(trade.OrderCancelled, i, old)
		s.end(by, fresh, trade.Rejected, v.Reason)
		fresh.numbers = v.Numbers
		s.orderEvent(trade.OrderRejected, by, fresh)
		return
	}
	s.end(i, old, trade.Replaced, reason)
	s.orderEvent(trade.OrderReplaced, i, old)
	// What the ladder says is of a new order, today: its frozen price, and its fees where the rules changed meanwhile.
	fresh.Claim = claimOf(fresh.Security, fresh.Side, v.Price, left)
	fresh.tariff, fresh.updated = y.tariff, s.now
	s.books.Freeze(fresh.account, &fresh.Claim, v.Cash, v.Shares)
	s.enter(by, fresh, y, v.Hold)
	s.orderEvent(trade.OrderReleased, by, fresh)
}

// refusedReport is a business reject. It has no place in a partition, so it may come twice and late: it counts only
// while the request is unconfirmed.
func (s *State) refusedReport(r *trade.Report) trade.Answer {
	i, ok := s.seatOf(r.Request)
	if !ok {
		return refuse(trade.ReportUnknownRequest)
	}
	request := s.at(i)
	if request.queue != outbox {
		return refuse(trade.ReportRepeated)
	}
	if request.target == 0 {
		return s.rejected(i, request, r.Reason, r.Numbers)
	}
	return s.cancelRejected(request.target, s.at(request.target), i, r.Reason, r.Numbers)
}
