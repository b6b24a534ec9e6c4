package trade

import (
	"encoding/binary"

	"evenkeel/core/money"
)

// Two messages are nearly all that is ever encoded or decoded: the events of orders, and the reports of the exchange.
// This file does for them what the walks do, without asking at each field; TestStraight holds both to the same bytes.

// reportBytes is the length of an encoded report command: it has no text.
const reportBytes = 2 + 1 + 4 + 3*8 + 2*16 + 2*8 + 2 + 4*8

// read fills a report from the encoding of its command.
func (v *Report) read(b *[reportBytes]byte) {
	le := binary.LittleEndian
	v.Type, v.Partition, v.Index = ReportType(b[2]), le.Uint32(b[3:]), le.Uint64(b[7:])
	v.Request, v.Order = OrderID(le.Uint64(b[15:])), OrderID(le.Uint64(b[23:]))
	v.VenueOrder, v.Execution = [16]byte(b[31:]), [16]byte(b[47:])
	v.Price, v.Quantity = money.Price(le.Uint64(b[63:])), money.Quantity(le.Uint64(b[71:]))
	v.Reason = Reason(le.Uint16(b[79:]))
	v.Numbers.Given, v.Numbers.Bound = int64(le.Uint64(b[81:])), int64(le.Uint64(b[89:]))
	v.Numbers.Nearest, v.Time = int64(le.Uint64(b[97:])), Time(le.Uint64(b[105:]))
}

// appendOrderEvent appends the encoding of an event of an order. It changes nothing and returns false where the client
// order id is too long.
func appendOrderEvent(b []byte, m *Event) ([]byte, bool) {
	if len(m.Order.ClientID) > MaxClientID {
		return b, false
	}
	b = append(b, Version, byte(m.Kind))
	b = word(word(word(b, m.Time), m.Account), m.Number)
	b = half(b, m.Day)
	o, c, p, t := &m.Order, &m.Balance, &m.Position, &m.Trade
	b = half(word(word(b, o.ID), o.Account), o.Security)
	b = append(b, byte(o.Side), byte(o.Type), byte(o.Status), byte(o.Channel), byte(o.Reason), byte(o.Reason>>8))
	b = word(word(word(b, o.Numbers.Given), o.Numbers.Bound), o.Numbers.Nearest)
	b = word(word(word(word(b, o.Price), o.Quantity), o.Filled), o.Amount)
	b = word(word(b, o.FrozenCash), o.FrozenShares)
	b = word(word(word(b, o.Fees.Commission), o.Fees.StampDuty), o.Fees.Transfer)
	b = word(word(word(b, o.Replaces), o.ReplacedBy), o.Cancel)
	b = append(b, o.VenueOrder[:]...)
	b = word(word(word(word(b, o.Placed), o.Updated), o.AcceptedAt), o.DoneAt)
	b = half(half(b, o.Day), int32(len(o.ClientID)))
	b = append(b, o.ClientID...)
	b = word(word(word(b, c.Available), c.Frozen), c.Receivable)
	b = word(word(word(half(b, p.Security), p.Total), p.Sellable), p.Frozen)
	b = word(word(b, p.Bought), p.Cost)
	if m.Kind == OrderTraded {
		b = append(b, t.Execution[:]...)
		b = word(word(word(b, t.Price), t.Quantity), t.Amount)
		b = word(word(word(b, t.Fees.Commission), t.Fees.StampDuty), t.Fees.Transfer)
	}
	return b, true
}

func word[T ~int64 | ~uint64](b []byte, v T) []byte {
	return binary.LittleEndian.AppendUint64(b, uint64(v))
}
func half[T ~int32 | ~uint32](b []byte, v T) []byte {
	return binary.LittleEndian.AppendUint32(b, uint32(v))
}
