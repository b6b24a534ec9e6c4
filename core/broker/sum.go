package broker

import (
	"encoding/binary"
	"fmt"

	"github.com/zeebo/xxh3"

	"evenkeel/core/digest"
	"evenkeel/core/ledger"
)

// Kinds of rows, beside those of core/ledger. A number is never used again. What a row's hash covers is part of what
// replicas compare: a change takes a feature number of package replica, so that only equal binaries compare it.
const (
	orderRow    uint8 = 16
	clientRow   uint8 = 17
	movementRow uint8 = 18
	loginRow    uint8 = 19
	keyRow      uint8 = 20
	sessionRow  uint8 = 21
	documentRow uint8 = 22
	securityRow uint8 = 23
	houseRow    uint8 = 24
	queueRow    uint8 = 32 // + queue
)

// sums are the sums of the hashes of all rows that are not in core/ledger.
type sums struct {
	orders digest.Sums // each order holds what it put in: order.mark
	queues uint64      // each place in a queue: who stands behind whom
	day    uint64      // client order ids and references of the day
	papers uint64      // logins, keys, sessions, documents
	list   uint64      // securities; each holds what it put in: security.mark
	rules  uint64      // the rules' text
}

// Hash returns the hash of the whole state: of all events and requests so far, of all rows as they are now, and of
// what is too small to have rows. It is equal on replicas that applied the same log, and costs microseconds: a walk
// over the rows finds the same, which Check and Patrol verify.
func (s *State) Hash() uint64 {
	words := digest.Pair(0, s.digest, s.Sum()) + digest.Pair(1, s.houseHash(), 0)
	return digest.Row(houseRow, uint32(s.shard), words)
}

// Sum returns the sum of the hashes of all rows, as it was kept up to date.
func (s *State) Sum() uint64 {
	k := &s.sums
	return s.books.Sum() + k.orders.Total() + k.queues + k.day + k.papers + k.list + k.rules
}

// houseHash hashes what is hashed whenever it is asked for: clock, day, phases, the house's cash, partitions, tariffs.
func (s *State) houseHash() uint64 {
	h, ended := s.books.House(), uint64(0)
	if s.ended {
		ended = 1
	}
	sum := digest.Pair(0, uint64(s.now), uint64(s.day)<<1|ended) + digest.Pair(1, s.untrue, s.seed) +
		digest.Pair(2, s.base, uint64(h.External)) + digest.Pair(3, uint64(h.Market), uint64(h.Fees.Commission)) +
		digest.Pair(4, uint64(h.Fees.StampDuty), uint64(h.Fees.Transfer))
	place := uint64(5)
	for v := range s.markets {
		m := &s.markets[v]
		sum += digest.Pair(place, uint64(m.phase)|uint64(m.meets)<<8, uint64(m.orders)|uint64(m.cancels)<<8)
		place++
	}
	for i := range s.partitions {
		sum += digest.Pair(place, uint64(s.partitions[i].number), s.partitions[i].last)
		place++
	}
	for i := range s.tariffs {
		t := &s.tariffs[i]
		sum += digest.Pair(place, uint64(t.Buy.Stamp), uint64(t.Buy.Transfer)) +
			digest.Pair(place+1, uint64(t.Buy.Handling), uint64(t.Buy.Supervision)) +
			digest.Pair(place+2, uint64(t.Sell.Stamp), uint64(t.Sell.Transfer)) +
			digest.Pair(place+3, uint64(t.Sell.Handling), uint64(t.Sell.Supervision)) +
			digest.Pair(place+4, uint64(t.CommissionMost), uint64(t.CommissionMin))
		place += 5
	}
	return sum
}

// hash covers all of an order but its place in a queue and its texts, which have rows of their own.
func (o *order) hash(i seat) uint64 {
	venueLow, venueHigh := binary.LittleEndian.Uint64(o.venueOrder[:8]), binary.LittleEndian.Uint64(o.venueOrder[8:])
	return digest.Row(orderRow, uint32(i), digest.Pair(0, uint64(o.Claim.Price), uint64(o.Quantity))+
		digest.Pair(1, uint64(o.Filled), uint64(o.Amount))+
		digest.Pair(2, uint64(o.Cash), uint64(o.Shares))+
		digest.Pair(3, uint64(o.Fees.Commission), uint64(o.Fees.StampDuty))+
		digest.Pair(4, uint64(o.Fees.Transfer), uint64(o.price))+
		digest.Pair(5, uint64(o.Security)|uint64(o.Side)<<32|uint64(o.kind)<<40|uint64(o.status)<<48|
			uint64(o.channel)<<56, uint64(o.whole))+
		digest.Pair(6, uint64(o.account)|uint64(o.replaces)<<32, uint64(o.replacedBy)|uint64(o.cancel)<<32)+
		digest.Pair(7, uint64(o.target)|uint64(o.reason)<<32|uint64(o.tariff)<<48, uint64(o.numbers.Given))+
		digest.Pair(8, uint64(o.numbers.Bound), uint64(o.numbers.Nearest))+
		digest.Pair(9, venueLow, venueHigh)+
		digest.Pair(10, uint64(o.placed), uint64(o.updated))+
		digest.Pair(11, uint64(o.acceptedAt), uint64(o.doneAt)))
}

// settleOrder takes an order as it is now into the sums. It may be called twice; a change after the last call is lost
// to the sums, which Check finds.
func (s *State) settleOrder(i seat, o *order) {
	h := o.hash(i)
	s.sums.orders.Add(uint32(i-1), h-o.mark)
	o.mark = h
}

// link is the row of a place in a queue: who stands behind whom, 0 for the first.
func link(q queue, before, i seat) uint64 {
	return digest.Row(queueRow+uint8(q), uint32(i), digest.Pair(0, uint64(before), 1))
}

// clientIDHash is the row of an order's client order id; hash is clientHash of it.
func clientIDHash(i seat, hash uint64) uint64 { return digest.Row(clientRow, uint32(i), hash) }

// movedHash is the row of a reference; hash is movementHash of it.
func movedHash(i uint32, hash uint64) uint64 { return digest.Row(movementRow, i, hash) }

func (s *State) loginHash(n ledger.Number, a *account) uint64 {
	return digest.Row(loginRow, uint32(n), xxh3.HashSeed(s.texts.read(a.password), xxh3.Hash(s.texts.read(a.login))))
}

func (s *State) keyHash(n ledger.Number, k *key) uint64 {
	texts := xxh3.HashSeed(s.texts.read(k.label), xxh3.Hash(s.texts.read(k.id)))
	return digest.Row(keyRow, uint32(n), digest.Pair(0, xxh3.HashSeed(k.secret[:], texts), uint64(k.permissions))+
		digest.Pair(1, uint64(k.account), 0))
}

func (s *State) sessionHash(n ledger.Number, one *session) uint64 {
	token := xxh3.HashSeed(one.token[:], xxh3.Hash(s.texts.read(one.label)))
	return digest.Row(sessionRow, uint32(n), digest.Pair(0, token, uint64(one.expires)))
}

func (s *State) documentHash(n ledger.Number, d *document) uint64 {
	return digest.Row(documentRow, uint32(n), xxh3.HashSeed(s.texts.read(d.body), xxh3.Hash(s.texts.read(d.name))))
}

func (s *State) rulesHash() uint64 { return digest.Row(houseRow, 1<<31, xxh3.Hash(s.rulesText)) }

// securityHash covers a security and what the rules make of it today.
func (s *State) securityHash(y *security) uint64 {
	at := &s.lines[y.ID-1]
	flags := uint64(0)
	for i, flag := range [...]bool{y.TPlusZero, at.known, at.halted, at.tPlusZero} {
		if flag {
			flags |= 1 << i
		}
	}
	texts := xxh3.HashSeed(s.texts.read(y.pinyin), xxh3.HashSeed(s.texts.read(y.name), xxh3.Hash(s.texts.read(y.symbol))))
	return digest.Row(securityRow, uint32(y.ID), digest.Pair(0, texts, uint64(y.PreviousClose))+
		digest.Pair(1, uint64(y.Listed)|uint64(y.Day)<<32, flags|uint64(y.Venue)<<8|uint64(y.Board)<<16|
			uint64(y.Condition)<<24|uint64(at.venue)<<32|uint64(at.board)<<40|uint64(at.condition)<<48)+
		digest.Pair(2, uint64(at.upper), uint64(at.lower))+
		digest.Pair(3, uint64(at.day), uint64(at.tariff)))
}

// settleSecurity takes a security as it is now into the sums.
func (s *State) settleSecurity(y *security) {
	h := s.securityHash(y)
	s.sums.list += h - y.mark
	y.mark = h
}

// walkSums finds the sums again, from all rows but those of core/ledger.
func (s *State) walkSums() sums {
	var k sums
	for sheet := range s.orderSheets() {
		k.orders.Add(uint32(sheet)*digest.SheetRows, s.walkOrders(sheet))
	}
	for q := range s.chains {
		before := seat(0)
		for i := s.chains[q].first; i != 0; before, i = i, s.at(i).next {
			k.queues += link(queue(q), before, i)
		}
	}
	for i := seat(1); int(i) <= s.orders.Len(); i++ {
		if o := s.at(i); o.target == 0 {
			k.day += clientIDHash(i, s.clientHash(o.account, s.clientIDs.read(o.clientID)))
		}
	}
	for i := range uint32(s.movements.Len()) {
		m := s.movements.At(i)
		k.day += movedHash(i, s.movementHash(m.account, m.shares, s.clientIDs.read(m.reference)))
	}
	for n := range ledger.Number(s.accounts.Len()) {
		k.papers += s.walkPapers(n, s.accounts.At(uint32(n)))
	}
	for i := range s.securities {
		k.list += s.securityHash(&s.securities[i])
	}
	k.rules = s.rulesHash()
	return k
}

func (s *State) walkPapers(n ledger.Number, a *account) uint64 {
	sum := s.loginHash(n, a)
	for i := a.keys; i != 0; i = s.keys.at(i).next {
		sum += s.keyHash(n, &s.keys.at(i).value)
	}
	for i := a.sessions; i != 0; i = s.sessions.at(i).next {
		sum += s.sessionHash(n, &s.sessions.at(i).value)
	}
	for i := a.documents; i != 0; i = s.documents.at(i).next {
		sum += s.documentHash(n, &s.documents.at(i).value)
	}
	return sum
}

func (s *State) orderSheets() int { return (s.orders.Len() + digest.SheetRows - 1) / digest.SheetRows }

func (s *State) walkOrders(sheet int) uint64 {
	sum := uint64(0)
	for i := sheet * digest.SheetRows; i < min((sheet+1)*digest.SheetRows, s.orders.Len()); i++ {
		sum += s.orders.At(uint32(i)).hash(seat(i + 1))
	}
	return sum
}

// resum takes the sums from a walk, after a Restore.
func (s *State) resum() {
	s.books.Resum()
	s.sums = s.walkSums()
	for i := seat(1); int(i) <= s.orders.Len(); i++ {
		o := s.at(i)
		o.mark = o.hash(i)
	}
	for i := range s.securities {
		s.securities[i].mark = s.securityHash(&s.securities[i])
	}
}

// Verify walks all rows and compares their sums with those that were kept up to date: digest.ErrAltered says that a
// row was changed by something else than a command, in memory or by a wrong program.
func (s *State) Verify() error {
	for sheet := range s.books.Sheets() {
		if err := s.books.VerifySheet(sheet); err != nil {
			return err
		}
	}
	if err := s.books.VerifyShares(); err != nil {
		return err
	}
	for sheet := range s.orderSheets() {
		if err := s.verifyOrders(sheet); err != nil {
			return err
		}
	}
	is, was := s.walkSums(), &s.sums
	for _, part := range [...]struct {
		name    string
		is, was uint64
	}{
		{"queues", is.queues, was.queues}, {"client order ids and references", is.day, was.day},
		{"logins, keys, sessions and documents", is.papers, was.papers}, {"securities", is.list, was.list},
		{"the rules", is.rules, was.rules},
	} {
		if part.is != part.was {
			return fmt.Errorf("%w: %s sum to %016x, kept is %016x", digest.ErrAltered, part.name, part.is, part.was)
		}
	}
	return nil
}

func (s *State) verifyOrders(sheet int) error {
	if is, was := s.walkOrders(sheet), s.sums.orders.Sheet(sheet); is != was {
		return fmt.Errorf("%w: requests from %d sum to %016x, kept is %016x", digest.ErrAltered,
			sheet*digest.SheetRows+1, is, was)
	}
	return nil
}

// Patrol verifies one sheet of accounts and one of orders, the turn-th, and begins again when all had their turn: a
// walk in small steps, some 100 microseconds each, for a machine that has no time for Verify. The error is Verify's.
func (s *State) Patrol(turn uint64) error {
	if sheets := s.books.Sheets(); sheets > 0 {
		if err := s.books.VerifySheet(int(turn % uint64(sheets))); err != nil {
			return err
		}
	}
	if sheets := s.orderSheets(); sheets > 0 {
		return s.verifyOrders(int(turn % uint64(sheets)))
	}
	return nil
}
