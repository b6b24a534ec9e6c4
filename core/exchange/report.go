package exchange

import (
	"encoding/binary"
	"sort"

	"evenkeel/core/money"
	"evenkeel/core/must"
	"evenkeel/core/trade"
)

// OrderNumber counts the orders of the exchange from 1, over all days.
type OrderNumber uint64

// ExecutionNumber counts what happened to orders from 1, over all days: a trade, or any other report. The two sides of
// a trade share theirs.
type ExecutionNumber uint64

// ID16 is an OrderID or ExecID as the wire carries it.
type ID16 [16]byte

// Report is what the exchange says to a broker unit about one of its requests. Index counts from 1 per (PBU,
// partition), without gaps, and goes on over days. Every member has one meaning whatever the Type; one that does not
// apply is zero.
type Report struct {
	Type trade.ReportType // all but RefusedReport
	// Status of the order after this report: Working, PartlyFilled, Filled, Cancelled, Rejected, Expired.
	Status       trade.OrderStatus
	Side         trade.Side
	OrderType    trade.OrderType
	Partition    uint32 // from 1
	Index        uint64
	Time         trade.Time
	PBU          PBU
	ClOrdID      ClOrdID // the request that the report answers: of the order, or of its cancel
	OrigClOrdID  ClOrdID // the order's, where ClOrdID is a cancel's; else zero bytes
	Account      Account // of the order
	Security     Code
	Order        OrderNumber // 0: an unknown order
	Execution    ExecutionNumber
	Price        money.Price    // of the order as entered
	Quantity     money.Quantity // of the order as entered
	Leaves       money.Quantity // of the order after this report
	Filled       money.Quantity // of the order after this report (CumQty)
	LastPrice    money.Price    // TradeReport: of this trade
	LastQuantity money.Quantity // TradeReport: of this trade
	Reason       trade.Reason   // of a rejection; why the rest was cancelled where nobody asked (ExpiredAtClose, ...)
	Numbers      trade.Numbers  // of Reason
}

// OrderID is the order's number as text: the partition in four digits, the number in twelve; spaces for no order.
func (r *Report) OrderID() ID16 { return id16(r.Partition, uint64(r.Order)) }

// ExecID is the execution's number as text, like OrderID.
func (r *Report) ExecID() ID16 { return id16(r.Partition, uint64(r.Execution)) }

func id16(partition uint32, number uint64) (id ID16) {
	if number == 0 {
		for i := range id {
			id[i] = ' '
		}
		return id
	}
	for i := len(id) - 1; i >= 4; i-- {
		id[i] = byte('0' + number%10)
		number /= 10
	}
	for i := 3; i >= 0; i-- {
		id[i] = byte('0' + partition%10)
		partition /= 10
	}
	return id
}

// Refusal is a business reject: the request was not taken, has no report index, and is not remembered. It goes to the
// broker at once or not at all.
type Refusal struct {
	Cancel   bool // the request was a Cancel, else a NewOrder
	PBU      PBU
	ClOrdID  ClOrdID
	Security Code
	Time     trade.Time
	Reason   trade.Reason // DuplicateOrder, OrderLimitOfDay, VenueThrottled
	Numbers  trade.Numbers
}

// record is a report as it is kept: what the day's tables of orders and cancels do not know.
type record struct {
	kind      trade.ReportType
	status    trade.OrderStatus
	reason    trade.Reason
	at        trade.Time
	order     uint32 // index in the day's orders + 1, 0 for none
	cancel    uint32 // index in the day's cancels + 1, 0 for none
	execution ExecutionNumber
	price     money.Price
	quantity  money.Quantity
	leaves    money.Quantity
	filled    money.Quantity
	numbers   trade.Numbers
}

// Sizes of a stream's chunks. Chunks grow, so that a unit with few reports costs little. A record never crosses a
// chunk's end, and a reader of any index decodes at most one chunk to find it.
const (
	firstChunk = 512
	largeChunk = 32 << 10
	maxRecord  = 1 + 1 + 12*binary.MaxVarintLen64
)

// chunkSize is the capacity of a stream's chunk by its place: a function of the place alone, so that a restored stream
// is cut where the original would be.
func chunkSize(place int) int { return min(largeChunk, firstChunk<<min(place, 16)) }

// Parts of a record that are often absent: bits of its first byte.
const (
	hasCancel = 1 << 5
	hasReason = 1 << 6
	hasTrade  = 1 << 7
	kindMask  = 1<<5 - 1
)

// chunk is a run of encoded records. Times are kept as distances from the record before, from base at the first.
type chunk struct {
	first uint64 // index of its first record
	base  trade.Time
	bytes []byte
}

// stream is what one (PBU, partition) was told on one day.
type stream struct {
	first, next uint64 // indexes [first, next)
	last        trade.Time
	chunks      []chunk
}

// add keeps r and returns its index.
func (s *stream) add(r *record) uint64 {
	if n := len(s.chunks); n == 0 || chunkSize(n-1)-len(s.chunks[n-1].bytes) < maxRecord {
		s.chunks = append(s.chunks, chunk{first: s.next, base: r.at, bytes: make([]byte, 0, chunkSize(n))})
		s.last = r.at
	}
	must.Hold(r.at >= s.last, "a report is older than the one before it")
	c := &s.chunks[len(s.chunks)-1]
	c.bytes = appendRecord(c.bytes, r, s.last)
	s.last = r.at
	s.next++
	return s.next - 1
}

// skip gives the next index to a report that is not kept.
func (s *stream) skip() uint64 {
	s.next++
	s.first = s.next
	return s.next - 1
}

// visit calls with each record from index on, until it returns false.
func (s *stream) visit(from uint64, visit func(index uint64, r *record) bool) {
	from = max(from, s.first)
	if from >= s.next {
		return
	}
	i := sort.Search(len(s.chunks), func(i int) bool { return s.chunks[i].first > from }) - 1
	var r record
	for ; i < len(s.chunks); i++ {
		c := &s.chunks[i]
		rest, index := c.bytes, c.first
		r.at = c.base
		for len(rest) > 0 {
			rest = readRecord(rest, &r)
			must.Hold(rest != nil, "a kept report does not decode")
			if index >= from && !visit(index, &r) {
				return
			}
			index++
		}
	}
}

func appendRecord(b []byte, r *record, before trade.Time) []byte {
	head := byte(r.kind)
	if r.cancel != 0 {
		head |= hasCancel
	}
	if r.reason != trade.Accepted {
		head |= hasReason
	}
	if r.quantity != 0 {
		head |= hasTrade
	}
	b = append(b, head, byte(r.status))
	b = binary.AppendUvarint(b, uint64(r.at-before))
	b = binary.AppendUvarint(b, uint64(r.order))
	b = binary.AppendUvarint(b, uint64(r.execution))
	b = binary.AppendUvarint(b, uint64(r.leaves))
	b = binary.AppendUvarint(b, uint64(r.filled))
	if head&hasCancel != 0 {
		b = binary.AppendUvarint(b, uint64(r.cancel))
	}
	if head&hasTrade != 0 {
		b = binary.AppendUvarint(b, uint64(r.price))
		b = binary.AppendUvarint(b, uint64(r.quantity))
	}
	if head&hasReason != 0 {
		b = binary.AppendUvarint(b, uint64(r.reason))
		b = binary.AppendVarint(b, r.numbers.Given)
		b = binary.AppendVarint(b, r.numbers.Bound)
		b = binary.AppendVarint(b, r.numbers.Nearest)
	}
	return b
}

// readRecord decodes the next record into r, whose time is that of the record before, and returns what is left; nil
// when b is no record.
func readRecord(b []byte, r *record) []byte {
	if len(b) < 2 {
		return nil
	}
	v := varints{b: b[2:]}
	head := b[0]
	before := r.at
	*r = record{kind: trade.ReportType(head & kindMask), status: trade.OrderStatus(b[1])}
	r.at = before + trade.Time(v.unsigned(1<<63-1))
	r.order = uint32(v.unsigned(1<<32 - 1))
	r.execution = ExecutionNumber(v.unsigned(1<<63 - 1))
	r.leaves = money.Quantity(v.unsigned(1<<63 - 1))
	r.filled = money.Quantity(v.unsigned(1<<63 - 1))
	if head&hasCancel != 0 {
		r.cancel = uint32(v.unsigned(1<<32 - 1))
	}
	if head&hasTrade != 0 {
		r.price = money.Price(v.unsigned(1<<63 - 1))
		r.quantity = money.Quantity(v.unsigned(1<<63 - 1))
	}
	if head&hasReason != 0 {
		r.reason = trade.Reason(v.unsigned(1<<16 - 1))
		r.numbers.Given = v.signed()
		r.numbers.Bound = v.signed()
		r.numbers.Nearest = v.signed()
	}
	if v.bad || r.at < before {
		return nil
	}
	return v.b
}

// varints reads variable-length integers; after the first bad one everything is zero.
type varints struct {
	b   []byte
	bad bool
}

func (v *varints) unsigned(most uint64) uint64 {
	u, n := binary.Uvarint(v.b)
	if v.bad || n <= 0 || u > most {
		v.bad = true
		return 0
	}
	v.b = v.b[n:]
	return u
}

func (v *varints) signed() int64 {
	i, n := binary.Varint(v.b)
	if v.bad || n <= 0 {
		v.bad = true
		return 0
	}
	v.b = v.b[n:]
	return i
}
