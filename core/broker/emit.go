package broker

import (
	"encoding/binary"

	"github.com/zeebo/xxh3"

	"evenkeel/core/ledger"
	"evenkeel/core/must"
	"evenkeel/core/trade"
)

// emit appends an event of the house or, from accountEvent, of an account. Members that the kind does not have stay as
// they are: an event is a kilobyte, and clearing it would cost more than the rest of a command.
func (s *State) emit(kind trade.EventKind) *trade.Event {
	n := len(s.out.Events)
	if n == cap(s.out.Events) {
		s.out.Events = append(s.out.Events, trade.Event{})
	} else {
		s.out.Events = s.out.Events[:n+1]
	}
	e := &s.out.Events[n]
	e.Kind, e.Time, e.Account, e.Number, e.Day = kind, s.now, 0, 0, s.day
	return e
}

// accountEvent begins an event of an account; kinds of its stream take the next number.
func (s *State) accountEvent(kind trade.EventKind, n ledger.Number) *trade.Event {
	e := s.emit(kind)
	e.Account = s.accountID(n)
	if kind.Numbered() {
		e.Number = s.books.NextNumber(n)
	}
	return e
}

// orderEvent tells what happened to an order, with what it left behind.
func (s *State) orderEvent(kind trade.EventKind, i seat, o *order) *trade.Event {
	e := s.accountEvent(kind, o.account)
	s.describe(&e.Order, i, o)
	s.books.Show(o.account, o.Security, &e.Balance, &e.Position)
	s.hashOrder(e)
	s.settleOrder(i, o)
	return e
}

// settled ends an event that is not about an order: it is folded into the digest by its encoding.
func (s *State) settled(e *trade.Event) {
	var err error
	s.coded, err = trade.AppendEvent(s.coded[:0], e)
	must.Hold(err == nil, "an event can be encoded")
	s.digest = xxh3.HashSeed(s.coded, s.digest)
}

// hashedWords is how many numbers of an order's event are hashed.
const hashedWords = 27

// put writes the i-th of the words that are hashed.
func put(w *[8 * hashedWords]byte, i int, v uint64) { binary.LittleEndian.PutUint64(w[8*i:], v) }

// hashOrder folds an order's event into the digest: not all of it, but all that is not implied by what came before.
func (s *State) hashOrder(e *trade.Event) {
	o, b, p := &e.Order, &e.Balance, &e.Position
	w := &s.words // each at a place that the compiler knows: no check, no loop
	put(w, 0, uint64(e.Kind)|uint64(o.Status)<<8|uint64(o.Side)<<16|uint64(o.Type)<<24|uint64(o.Reason)<<32|
		uint64(o.Channel)<<48)
	put(w, 1, uint64(e.Time))
	put(w, 2, uint64(e.Account))
	put(w, 3, e.Number)
	put(w, 4, uint64(o.ID))
	put(w, 5, uint64(o.Security))
	put(w, 6, uint64(o.Price))
	put(w, 7, uint64(o.Quantity))
	put(w, 8, uint64(o.Filled))
	put(w, 9, uint64(o.Amount))
	put(w, 10, uint64(o.FrozenCash))
	put(w, 11, uint64(o.FrozenShares))
	put(w, 12, uint64(o.Fees.Commission))
	put(w, 13, uint64(o.Fees.StampDuty))
	put(w, 14, uint64(o.Fees.Transfer))
	put(w, 15, uint64(o.Replaces))
	put(w, 16, uint64(o.ReplacedBy))
	put(w, 17, uint64(o.Cancel))
	copy(w[8*18:], o.VenueOrder[:])
	put(w, 20, uint64(b.Available))
	put(w, 21, uint64(b.Frozen))
	put(w, 22, uint64(b.Receivable))
	put(w, 23, uint64(p.Sellable))
	put(w, 24, uint64(p.Frozen))
	put(w, 25, uint64(p.Bought))
	put(w, 26, uint64(p.Cost))
	s.digest = xxh3.HashSeed(w[:], s.digest)
	if e.Kind == trade.OrderPlaced {
		s.digest = xxh3.HashSeed(o.ClientID, s.digest)
	}
}

// hashTrade folds a fill's own numbers in; what it did to order and cash is in hashOrder.
func (s *State) hashTrade(t *trade.Trade) {
	words := append(s.scratch[:0], t.Execution[:]...)
	for _, v := range [...]uint64{uint64(t.Price), uint64(t.Quantity), uint64(t.Amount)} {
		words = binary.LittleEndian.AppendUint64(words, v)
	}
	s.digest = xxh3.HashSeed(words, s.digest)
}

// hashOutgoing folds a request in; its order was hashed when it was placed.
func (s *State) hashOutgoing(i seat, o *order) {
	words := binary.LittleEndian.AppendUint64(s.scratch[:0], uint64(i)|uint64(o.target)<<32)
	s.digest = xxh3.HashSeed(words, s.digest)
}

// taken tells that a report's index was used up.
func (s *State) taken(partition uint32, index uint64) {
	e := s.emit(trade.ReportTaken)
	e.Report = trade.ReportPlace{Partition: partition, Index: index}
	words := binary.LittleEndian.AppendUint64(s.scratch[:0], uint64(partition)<<8|uint64(trade.ReportTaken))
	words = binary.LittleEndian.AppendUint64(words, index)
	s.digest = xxh3.HashSeed(words, s.digest)
}

// drain hands a long output over in the middle of a command.
func (s *State) drain() {
	if s.out.Drain != nil && len(s.out.Events) >= trade.DrainAt {
		s.out.Drain(s.out)
		s.out.Reset()
	}
}
