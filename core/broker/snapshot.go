package broker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/zeebo/xxh3"

	"evenkeel/core/ledger"
	"evenkeel/core/rules"
	"evenkeel/core/trade"
)

// SnapshotVersion is the version that Snapshot writes and Restore reads. A change of any walk below takes the next
// number.
//
// A snapshot is a magic and a version, then frames: kind (1 byte), records (4), bytes (4), and the xxh3 of the bytes,
// seeded with that of the frame before (8), all little-endian; then so many records in the encoding of core/trade. The
// last frame is of kind endFrame and has none.
const SnapshotVersion = 1

// Errors of Restore. Compare with errors.Is; what breaks an encoding is trade.ErrUnreadable.
var (
	ErrNotSnapshot = errors.New("not a snapshot of the broker")
	ErrVersion     = errors.New("snapshot of an unknown version")
	ErrDamaged     = errors.New("damaged snapshot")
)

const (
	magic       = "EKBROKER"
	frameBytes  = 64 << 10 // a frame is closed when it has so many
	mostOfFrame = 8 << 20  // no record is so long; a longer frame is damaged
	headBytes   = 1 + 4 + 4 + 8
)

// Frames come in this order; those of a kind without records are missing.
const (
	houseFrame uint8 = 1 + iota
	securityFrame
	accountFrame
	orderFrame
	queueFrame
	movementFrame
	endFrame
)

// counts say how many records of each kind follow; they stand in the house's record.
type counts struct{ securities, accounts, orders, queued, movements uint32 }

// sealer writes frames.
type sealer struct {
	w     io.Writer
	coder trade.Coder
	kind  uint8
	count uint32
	seal  uint64
	err   error
}

// record writes one record.
func (f *sealer) record(kind uint8, walk func(*trade.Coder)) {
	if f.err != nil {
		return
	}
	if kind != f.kind {
		f.flush()
		f.kind = kind
	}
	walk(&f.coder)
	f.count++
	if len(f.coder.Bytes()) >= headBytes+frameBytes {
		f.flush()
	}
}

// flush writes the frame out; its head stands in front of its records in one buffer.
func (f *sealer) flush() {
	frame := f.coder.Bytes()
	if f.err == nil {
		f.err = f.coder.Err()
	}
	if f.err == nil && (f.count > 0 || f.kind == endFrame) {
		f.seal = xxh3.HashSeed(frame[headBytes:], f.seal)
		frame[0] = f.kind
		binary.LittleEndian.PutUint32(frame[1:], f.count)
		binary.LittleEndian.PutUint32(frame[5:], uint32(len(frame)-headBytes))
		binary.LittleEndian.PutUint64(frame[9:], f.seal)
		_, f.err = f.w.Write(frame)
	}
	f.count = 0
	f.coder = trade.Writer(frame[:headBytes])
}

// Snapshot writes the whole state: same state, same bytes. It changes nothing.
func (s *State) Snapshot(w io.Writer) error {
	head := binary.LittleEndian.AppendUint16([]byte(magic), SnapshotVersion)
	if _, err := w.Write(head); err != nil {
		return fmt.Errorf("write snapshot: %w", err)
	}
	f := sealer{w: w, coder: trade.Writer(make([]byte, headBytes, headBytes+2*frameBytes))}
	have := counts{
		uint32(len(s.securities)), uint32(s.accounts.Len()), uint32(s.orders.Len()), s.queued(), uint32(s.movements.Len()),
	}
	f.record(houseFrame, func(c *trade.Coder) { s.walkHouse(c, &have) })
	for i := range s.securities {
		f.record(securityFrame, func(c *trade.Coder) { s.walkSecurity(c, trade.SecurityID(i+1)) })
	}
	for n := range uint32(s.accounts.Len()) {
		f.record(accountFrame, func(c *trade.Coder) { s.walkAccount(c, ledger.Number(n)) })
	}
	for i := range uint32(s.orders.Len()) {
		f.record(orderFrame, func(c *trade.Coder) { s.walkOrder(c, s.orders.At(i)) })
	}
	for q := range s.chains {
		for i := s.chains[q].first; i != 0; i = s.at(i).next {
			in, at := queue(q), i
			f.record(queueFrame, func(c *trade.Coder) { walkQueued(c, &in, &at) })
		}
	}
	for i := range uint32(s.movements.Len()) {
		f.record(movementFrame, func(c *trade.Coder) { s.walkMovement(c, s.movements.At(i)) })
	}
	f.flush()
	f.kind = endFrame
	f.flush()
	if f.err != nil {
		return fmt.Errorf("write snapshot: %w", f.err)
	}
	return nil
}

// queued counts the requests in queues.
func (s *State) queued() uint32 {
	n := uint32(0)
	for q := range s.chains {
		for i := s.chains[q].first; i != 0; i = s.at(i).next {
			n++
		}
	}
	return n
}

// The walks serve both directions, like those of core/trade: what is written is what is read. When reading, the record
// that they fill exists already and is zero.

func (s *State) walkHouse(c *trade.Coder, have *counts) {
	trade.Int16(c, &s.shard)
	trade.Int64(c, &s.now)
	trade.Int32(c, &s.day)
	c.Bool(&s.ended)
	trade.Int64(c, &s.digest)
	trade.Int64(c, &s.untrue)
	trade.Int64(c, &s.seed)
	trade.Int64(c, &s.base)
	c.Text(&s.rulesText, trade.MaxRules)
	s.books.WalkHouse(c)
	for v := range s.markets {
		trade.Int8(c, &s.markets[v].phase)
	}
	n := uint32(len(s.tariffs))
	trade.Int32(c, &n)
	for i := range n {
		if c.Reading() {
			if i >= MaxTariffs {
				c.Fail(fmt.Errorf("%w: %d tariffs", trade.ErrUnreadable, n))
			}
			if c.Err() != nil {
				return
			}
			s.tariffs = append(s.tariffs, rules.Tariff{})
		}
		walkTariff(c, &s.tariffs[i])
	}
	n = uint32(len(s.partitions))
	trade.Int32(c, &n)
	for i := range n {
		if c.Reading() {
			if i >= MaxPartitions {
				c.Fail(fmt.Errorf("%w: %d partitions", trade.ErrUnreadable, n))
			}
			if c.Err() != nil {
				return
			}
			s.partitions = append(s.partitions, partition{})
		}
		trade.Int32(c, &s.partitions[i].number)
		trade.Int64(c, &s.partitions[i].last)
	}
	trade.Int32(c, &have.securities)
	trade.Int32(c, &have.accounts)
	trade.Int32(c, &have.orders)
	trade.Int32(c, &have.queued)
	trade.Int32(c, &have.movements)
}

func walkTariff(c *trade.Coder, t *rules.Tariff) {
	for _, l := range [...]*rules.Levies{&t.Buy, &t.Sell} {
		trade.Int64(c, &l.Stamp)
		trade.Int64(c, &l.Transfer)
		trade.Int64(c, &l.Handling)
		trade.Int64(c, &l.Supervision)
	}
	trade.Int64(c, &t.CommissionMost)
	trade.Int64(c, &t.CommissionMin)
}

// walkText walks a text that stands in an archive.
func walkText(c *trade.Coder, in *archive, t *text, limit int) {
	var b []byte
	if !c.Reading() {
		b = in.read(*t)
	}
	c.Text(&b, limit)
	if c.Reading() && c.Err() == nil {
		*t = in.keep(b)
	}
}

func (s *State) walkSecurity(c *trade.Coder, id trade.SecurityID) {
	y := &s.securities[id-1]
	trade.Int32(c, &y.ID)
	walkText(c, &s.texts, &y.symbol, trade.MaxSymbol)
	walkText(c, &s.texts, &y.name, trade.MaxName)
	walkText(c, &s.texts, &y.pinyin, trade.MaxPinyin)
	trade.Int8(c, &y.Venue)
	trade.Int8(c, &y.Board)
	trade.Int8(c, &y.Condition)
	c.Bool(&y.TPlusZero)
	trade.Int64(c, &y.PreviousClose)
	trade.Int32(c, &y.Listed)
	trade.Int32(c, &y.Day)
	c.Bool(&s.lines[id-1].halted)
	s.books.WalkShares(c, id)
}

func (s *State) walkAccount(c *trade.Coder, n ledger.Number) {
	a := s.accounts.At(uint32(n))
	card := s.books.Card(n)
	trade.Int64(c, &card.Number)
	walkText(c, &s.texts, &a.login, trade.MaxLogin)
	walkText(c, &s.texts, &a.password, trade.MaxHash)
	trade.Int32(c, &card.Permissions)
	c.Bool(&card.Settings.SuspendTrading)
	c.Bool(&card.Settings.ConfirmByMail)
	if c.Reading() {
		s.books.SetCard(n, card)
	}
	s.books.Walk(c, n)
	walkList(c, &s.keys, &a.keys, MaxKeys, func(k *key) {
		k.account = n
		walkText(c, &s.texts, &k.id, trade.MaxKeyID)
		walkText(c, &s.texts, &k.label, trade.MaxLabel)
		c.Fixed(k.secret[:])
		trade.Int32(c, &k.permissions)
	})
	walkList(c, &s.sessions, &a.sessions, MaxSessions, func(one *session) {
		c.Fixed(one.token[:])
		trade.Int64(c, &one.expires)
		walkText(c, &s.texts, &one.label, trade.MaxLabel)
	})
	walkList(c, &s.documents, &a.documents, MaxDocuments, func(d *document) {
		walkText(c, &s.texts, &d.name, trade.MaxDocName)
		walkText(c, &s.texts, &d.body, trade.MaxDocument)
	})
}

// walkList walks an account's records of one kind.
func walkList[T any](c *trade.Coder, d *drawer[T], first *uint32, limit int, walk func(*T)) {
	n := uint8(d.count(*first))
	trade.Int8(c, &n)
	if int(n) > limit {
		c.Fail(fmt.Errorf("%w: %d records, at most %d", trade.ErrUnreadable, n, limit))
	}
	if !c.Reading() {
		for i := *first; i != 0; i = d.at(i).next {
			walk(&d.at(i).value)
		}
		return
	}
	for range n {
		if c.Err() != nil {
			return
		}
		_, v := d.add(first)
		walk(v)
	}
}

func (s *State) walkOrder(c *trade.Coder, o *order) {
	o.Claim.Walk(c)
	trade.Int64(c, &o.price)
	trade.Int64(c, &o.whole)
	trade.Int32(c, &o.account)
	trade.Int32(c, &o.replaces)
	trade.Int32(c, &o.replacedBy)
	trade.Int32(c, &o.cancel)
	trade.Int32(c, &o.target)
	trade.Int8(c, &o.kind)
	trade.Int8(c, &o.status)
	trade.Int8(c, &o.channel)
	trade.Int16(c, &o.reason)
	trade.Int16(c, &o.tariff)
	trade.Int64(c, &o.numbers.Given)
	trade.Int64(c, &o.numbers.Bound)
	trade.Int64(c, &o.numbers.Nearest)
	walkText(c, &s.clientIDs, &o.clientID, trade.MaxClientID)
	c.Fixed(o.venueOrder[:])
	trade.Int64(c, &o.placed)
	trade.Int64(c, &o.updated)
	trade.Int64(c, &o.acceptedAt)
	trade.Int64(c, &o.doneAt)
}

func walkQueued(c *trade.Coder, q *queue, i *seat) {
	trade.Int8(c, q)
	trade.Int32(c, i)
}

func (s *State) walkMovement(c *trade.Coder, m *movement) {
	trade.Int32(c, &m.account)
	c.Bool(&m.shares)
	walkText(c, &s.clientIDs, &m.reference, trade.MaxReference)
}
