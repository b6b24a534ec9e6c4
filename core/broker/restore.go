package broker

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"github.com/zeebo/xxh3"

	"evenkeel/core/ledger"
	"evenkeel/core/money"
	"evenkeel/core/planted"
	"evenkeel/core/rules"
	"evenkeel/core/trade"
)

// opener reads frames.
type opener struct {
	r      io.Reader
	buffer []byte
	kind   uint8
	left   uint32 // records of the frame
	coder  trade.Coder
	seal   uint64
	frames int
}

// frame reads the next frame, after the records of the last one were all read.
func (f *opener) frame() error {
	if err := f.coder.End(); err != nil {
		return err
	}
	var head [headBytes]byte
	if _, err := io.ReadFull(f.r, head[:]); err != nil {
		return fmt.Errorf("%w: ends before frame %d: %w", ErrDamaged, f.frames, err)
	}
	f.kind, f.left = head[0], binary.LittleEndian.Uint32(head[1:])
	n := binary.LittleEndian.Uint32(head[5:])
	if n > mostOfFrame || f.left > n {
		return fmt.Errorf("%w: frame %d says that it has %d records in %d bytes", ErrDamaged, f.frames, f.left, n)
	}
	if int(n) > cap(f.buffer) {
		f.buffer = make([]byte, n)
	}
	f.buffer = f.buffer[:n]
	if _, err := io.ReadFull(f.r, f.buffer); err != nil {
		return fmt.Errorf("%w: ends in frame %d: %w", ErrDamaged, f.frames, err)
	}
	f.seal = xxh3.HashSeed(f.buffer, f.seal)
	if f.seal != binary.LittleEndian.Uint64(head[9:]) {
		return fmt.Errorf("%w: the checksum of frame %d differs", ErrDamaged, f.frames)
	}
	f.frames++
	f.coder = trade.Reader(f.buffer)
	return nil
}

// record readies the coder for the next record, which is of the kind.
func (f *opener) record(kind uint8) (*trade.Coder, error) {
	for f.left == 0 {
		if err := f.frame(); err != nil {
			return nil, err
		}
		if f.left == 0 && f.kind == endFrame {
			break
		}
	}
	if f.kind != kind {
		return nil, fmt.Errorf("%w: frame %d is of kind %d where %d is missing", ErrDamaged, f.frames-1, f.kind, kind)
	}
	f.left--
	return &f.coder, nil
}

// Restore replaces the state by what Snapshot wrote, for the same shard, and verifies it with Check. On an error the
// state is what it was: ErrNotSnapshot, ErrVersion, ErrDamaged, trade.ErrUnreadable, or what Check found.
func (s *State) Restore(r io.Reader) error {
	var head [len(magic) + 2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return fmt.Errorf("%w: %w", ErrNotSnapshot, err)
	}
	if string(head[:len(magic)]) != magic {
		return fmt.Errorf("%w: it begins with %q, not %q", ErrNotSnapshot, head[:len(magic)], magic)
	}
	if v := binary.LittleEndian.Uint16(head[len(magic):]); v != SnapshotVersion {
		return fmt.Errorf("%w: %d, this binary reads %d: use the binary that wrote it, or a newer one", ErrVersion, v,
			SnapshotVersion)
	}
	fresh := New(s.shard)
	f := opener{r: r}
	var have counts
	c, err := f.record(houseFrame)
	if err != nil {
		return fmt.Errorf("read snapshot: %w", err)
	}
	fresh.walkHouse(c, &have)
	fresh.rulesText = slices.Clone(fresh.rulesText)
	steps := [...]func(*opener, *counts) error{
		fresh.checkHouse(s.shard), fresh.readSecurities, fresh.readAccounts, fresh.readOrders, fresh.readQueues,
		fresh.readMovements,
	}
	for _, step := range steps {
		if err := step(&f, &have); err != nil {
			return fmt.Errorf("read snapshot: %w", err)
		}
	}
	if err := f.frame(); err != nil {
		return fmt.Errorf("read snapshot: %w", err)
	}
	if f.kind != endFrame || f.left != 0 || len(f.buffer) != 0 {
		return fmt.Errorf("read snapshot: %w: frame %d is of kind %d where the end is missing", ErrDamaged, f.frames-1,
			f.kind)
	}
	fresh.resum()
	if err := fresh.Check(); err != nil {
		return fmt.Errorf("read snapshot: %w", err)
	}
	*s = *fresh
	return nil
}

// checkHouse returns the step that looks at what the house's record said.
func (s *State) checkHouse(shard uint16) func(*opener, *counts) error {
	return func(f *opener, have *counts) error {
		if err := f.coder.Err(); err != nil {
			return err
		}
		switch {
		case s.shard != shard:
			return fmt.Errorf("%w: it is of shard %d, not %d", ErrDamaged, s.shard, shard)
		case have.securities > ledger.MaxSecurities || have.accounts > MaxAccounts || have.orders > MaxOrdersOfDay ||
			have.movements > MaxMovementsOfDay || s.base > trade.NumberMask-MaxOrdersOfDay:
			return fmt.Errorf("%w: %+v are more than there can be", ErrDamaged, *have)
		case s.day != 0 && !rules.ValidDay(s.day):
			return fmt.Errorf("%w: %d is not a day", ErrDamaged, s.day)
		}
		for i := range s.partitions {
			for _, other := range s.partitions[:i] {
				if other.number == s.partitions[i].number {
					return fmt.Errorf("%w: partition %d stands twice", ErrDamaged, other.number)
				}
			}
		}
		for i := range s.tariffs {
			if !sound(&s.tariffs[i]) {
				return fmt.Errorf("%w: tariff %d has a negative rate, or one above the whole", ErrDamaged, i)
			}
		}
		if len(s.rulesText) > 0 {
			parsed, err := rules.Parse(string(s.rulesText))
			if err != nil {
				return fmt.Errorf("its rules: %w", err)
			}
			s.rules = parsed
		}
		for v := range s.markets {
			s.lookPhase(trade.Venue(v))
		}
		return nil
	}
}

// sound reports whether all rates lie between nothing and the whole: what rules.Parse lets through.
func sound(t *rules.Tariff) bool {
	for _, l := range [...]*rules.Levies{&t.Buy, &t.Sell} {
		for _, rate := range [...]int64{int64(l.Stamp), int64(l.Transfer), int64(l.Handling), int64(l.Supervision)} {
			if rate < 0 || rate > int64(mostRate) {
				return false
			}
		}
	}
	return t.CommissionMost >= 0 && t.CommissionMost <= mostRate && t.CommissionMin >= 0 &&
		t.CommissionMin <= ledger.MaxAmount
}

func (s *State) readSecurities(f *opener, have *counts) error {
	for i := range have.securities {
		c, err := f.record(securityFrame)
		if err != nil {
			return err
		}
		id := trade.SecurityID(i + 1)
		s.securities, s.lines = append(s.securities, security{}), append(s.lines, line{})
		s.books.List(id)
		s.walkSecurity(c, id)
		y := &s.securities[i]
		switch {
		case c.Err() != nil:
			return c.Err()
		case y.ID != id || y.Venue < trade.SSE || y.Venue > trade.BSE || y.PreviousClose < 0 || !rules.ValidDay(y.Day):
			return fmt.Errorf("%w: security %d stands as %d, venue %d, day %d", ErrDamaged, id, y.ID, y.Venue, y.Day)
		case y.symbol == 0 || s.findSymbol(s.texts.read(y.symbol)) != nil:
			return fmt.Errorf("%w: security %d has the symbol of another, or none", ErrDamaged, id)
		}
		s.symbols.put(xxh3.Hash(s.texts.read(y.symbol)), uint32(id))
		s.look(y)
	}
	return nil
}

func (s *State) readAccounts(f *opener, have *counts) error {
	for range have.accounts {
		c, err := f.record(accountFrame)
		if err != nil {
			return err
		}
		n := s.books.Open(0)
		_, a := s.accounts.Add()
		s.walkAccount(c, n)
		if c.Err() != nil {
			return c.Err()
		}
		if planted.Is(planted.SessionsNotKept) {
			a.sessions = 0
		}
		login := s.texts.read(a.login)
		if !validLogin(login) || s.loginTaken(login) || s.books.Commission(n) < 0 || s.books.Commission(n) > mostRate {
			return fmt.Errorf("%w: account %d has no login of its own, or a commission of %d", ErrDamaged, n,
				s.books.Commission(n))
		}
		s.logins.put(xxh3.Hash(login), uint32(n)+1)
		for i := a.keys; i != 0; i = s.keys.at(i).next {
			id := s.texts.read(s.keys.at(i).value.id)
			if len(id) == 0 || s.findKey(id) != 0 {
				return fmt.Errorf("%w: account %d has a key of another's id, or of none", ErrDamaged, n)
			}
			s.keyIDs.put(xxh3.Hash(id), i)
		}
	}
	return nil
}

func (s *State) readOrders(f *opener, have *counts) error {
	for range have.orders {
		c, err := f.record(orderFrame)
		if err != nil {
			return err
		}
		at, o := s.orders.Add()
		s.walkOrder(c, o)
		switch {
		case c.Err() != nil:
			return c.Err()
		case int(o.account) >= s.accounts.Len():
			return fmt.Errorf("%w: request %d is of account %d, of %d", ErrDamaged, at+1, o.account, s.accounts.Len())
		case o.target != 0:
			continue
		}
		id := s.clientIDs.read(o.clientID)
		hash := s.clientHash(o.account, id)
		if len(id) == 0 || s.findClient(o.account, id, hash) != 0 {
			return fmt.Errorf("%w: order %d has the client order id of another, or none", ErrDamaged, at+1)
		}
		if !planted.Is(planted.ClientIDsNotKept) {
			s.clients.put(hash, at+1)
		}
		if !o.status.Done() {
			s.books.OrderOpened(o.account)
		}
	}
	return nil
}

func (s *State) readQueues(f *opener, have *counts) error {
	s.out = &trade.Output{} // what goes into the outbox again is not new
	digest := s.digest
	for range have.queued {
		c, err := f.record(queueFrame)
		if err != nil {
			return err
		}
		var q queue
		var i seat
		walkQueued(c, &q, &i)
		switch {
		case c.Err() != nil:
			return c.Err()
		case q == noQueue || int(q) >= queues || i == 0 || !s.has(i) || s.at(i).queue != noQueue:
			return fmt.Errorf("%w: request %d is in queue %d, or in two", ErrDamaged, i, q)
		case !s.has(s.at(i).target):
			return fmt.Errorf("%w: request %d cancels %d, of %d", ErrDamaged, i, s.at(i).target, s.orders.Len())
		}
		s.push(i, s.at(i), q)
		s.out.Reset()
	}
	s.out, s.digest = nil, digest
	return nil
}

func (s *State) readMovements(f *opener, have *counts) error {
	for range have.movements {
		c, err := f.record(movementFrame)
		if err != nil {
			return err
		}
		at, m := s.movements.Add()
		s.walkMovement(c, m)
		switch {
		case c.Err() != nil:
			return c.Err()
		case int(m.account) >= s.accounts.Len():
			return fmt.Errorf("%w: a movement of account %d, of %d", ErrDamaged, m.account, s.accounts.Len())
		}
		if !planted.Is(planted.MovementsNotKept) {
			s.moved.put(s.movementHash(m.account, m.shares, s.clientIDs.read(m.reference)), at+1)
		}
	}
	return nil
}

const mostRate = money.Whole
