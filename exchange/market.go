package exchange

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"evenkeel/core/book"
	core "evenkeel/core/exchange"
	"evenkeel/core/money"
	"evenkeel/core/rules"
	"evenkeel/core/trade"
	"evenkeel/szse"
)

// marketChunk is about how many bytes for a reader are copied under the machine's lock at once.
const marketChunk = 256 << 10

// errBehind ends a reader that is further behind than the stream is kept.
var errBehind = errors.New("the reader is too far behind the day's stream")

// marketReader is one connection to market data.
type marketReader struct {
	conn net.Conn
	news signal
}

// cursor is how far a reader has been told.
type cursor struct {
	want   szse.Want
	stage  stage
	number core.SecurityNumber // of the stage, the next one
	fresh  bool                // the reader has nothing of today
	day    trade.Day
	next   uint64    // of the day's stream
	seen   []uint64  // version of each security's last quote, by number
	due    time.Time // of the next quotes
}

// stage is what a reader is told, in this order.
type stage uint8

const (
	stageDefinitions stage = iota
	stageDays
	stageMinutes
	stageStream
	stageLive
)

// serveReader holds one connection to market data.
func (s *Server) serveReader(ctx context.Context, conn net.Conn) {
	ctx, gone := context.WithCancel(ctx)
	defer gone()
	ending := context.AfterFunc(ctx, func() { hangUp(conn) })
	defer ending()
	_ = conn.SetDeadline(time.Now().Add(LogonTime))
	in := szse.NewReader(conn)
	ask, err := subscribed(in)
	r := &marketReader{conn: conn, news: newSignal()}
	if err == nil && !s.admit(r) {
		err = fmt.Errorf("%d readers are connected, no more are taken", MaxReaders)
	}
	if err != nil {
		s.log.Warn("market data refused", "from", conn.RemoteAddr(), "error", err)
		return
	}
	defer func() {
		s.mu.Lock()
		delete(s.readers, r)
		s.mu.Unlock()
	}()
	_ = conn.SetDeadline(time.Time{})
	heartbeat := time.Duration(ask.HeartBtInt) * time.Second
	s.work.Go(func() { // the other direction carries heartbeats only
		defer gone()
		for {
			_ = conn.SetReadDeadline(time.Now().Add(2 * heartbeat))
			if f, err := in.Next(); err != nil || f.Type != szse.TypeHeartbeat {
				return
			}
		}
	})
	if err := s.publish(ctx, r, &ask, heartbeat); err != nil && ctx.Err() == nil {
		s.log.Warn("market data reader cut off", "from", conn.RemoteAddr(), "error", err)
	}
}

// subscribed reads the first message.
func subscribed(in *szse.Reader) (ask szse.Subscribe, err error) {
	frame, err := in.Next()
	switch {
	case err != nil:
		return ask, err
	case frame.Type != szse.TypeSubscribe:
		return ask, fmt.Errorf("message type %d: the first message is a Subscribe", frame.Type)
	}
	if err = ask.Decode(frame.Body); err != nil {
		return ask, err
	}
	if ask.HeartBtInt < HeartbeatLeast || ask.HeartBtInt > HeartbeatMost {
		return ask, fmt.Errorf("HeartBtInt %d: %d to %d seconds", ask.HeartBtInt, HeartbeatLeast, HeartbeatMost)
	}
	return ask, nil
}

func (s *Server) admit(r *marketReader) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.readers) >= MaxReaders {
		return false
	}
	s.readers[r] = struct{}{}
	return true
}

// publish sends the past, then what comes.
func (s *Server) publish(ctx context.Context, r *marketReader, ask *szse.Subscribe, heartbeat time.Duration) error {
	frames, c := s.begin(ask)
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	pace := time.NewTicker(QuotePace)
	defer pace.Stop()
	for {
		var more bool
		var err error
		if frames, more, err = s.present(frames, c); err != nil {
			return err
		}
		if len(frames) > 0 {
			_ = r.conn.SetWriteDeadline(time.Now().Add(WriteTime))
			if _, err := r.conn.Write(frames); err != nil {
				return err
			}
		}
		if frames = frames[:0]; more {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-beat.C:
			frames = (&szse.Heartbeat{}).Append(frames)
		case <-pace.C: // quotes that were too young to be sent when they changed
		case <-r.news:
		}
	}
}

// begin is where a reader begins. When the stream cannot go on where the reader wants it to, because those messages
// are no longer kept, an EndOfReplay comes in front of everything: what the reader has of the day is void, candles
// take the place of what is not kept, and the stream begins where the message says.
func (s *Server) begin(ask *szse.Subscribe) (frames []byte, c *cursor) {
	m := s.machine
	m.mu.RLock()
	defer m.mu.RUnlock()
	c = &cursor{want: ask.Want, day: m.core.Day(), next: 1, number: 1}
	if ask.Day == c.day && ask.From > 0 && ask.From <= m.tape.next() {
		c.next = ask.From
	}
	if c.fresh = c.next == 1; c.next < m.tape.first() {
		c.fresh, c.next = true, m.tape.first()
		frames = (&szse.EndOfReplay{Day: c.day, Next: c.next}).Append(frames)
	}
	return frames, c
}

// present appends what the reader was not told, in pieces of about marketChunk.
func (s *Server) present(frames []byte, c *cursor) (_ []byte, more bool, err error) {
	s.machine.mu.RLock()
	defer s.machine.mu.RUnlock()
	m, t := s.machine.core, &s.machine.tape
	for ; c.stage < stageStream; c.stage, c.number = c.stage+1, 1 {
		for ; c.number <= m.Securities(); c.number++ {
			if len(frames) >= marketChunk {
				return frames, true, nil
			}
			frames = s.appendPast(frames, m, t, c)
		}
	}
	if c.day != m.Day() {
		if frames, err = s.nextDay(frames, m, t, c); err != nil {
			return frames, false, err
		}
	}
	if c.want&szse.WantStream == 0 {
		c.next = t.next()
	}
	if c.next < t.first() {
		return frames, false, errBehind
	}
	for ; c.next < t.next(); c.next++ {
		if len(frames) >= marketChunk {
			return frames, true, nil
		}
		frames = append(frames, t.frames[c.next-t.first()]...)
	}
	if c.stage == stageStream {
		c.stage = stageLive
		frames = (&szse.EndOfReplay{Day: c.day, Next: c.next}).Append(frames)
	}
	return s.appendQuotes(frames, m, t, c), false, nil
}

// appendPast appends what the reader's stage has about one security.
func (s *Server) appendPast(frames []byte, m *core.Machine, t *tape, c *cursor) []byte {
	switch {
	case c.stage == stageDefinitions && c.want&szse.WantDefinitions != 0:
		return s.appendDefinition(frames, m, c.number)
	case c.stage == stageDays && c.want&szse.WantDayBars != 0:
		q := m.Quote(c.number)
		for _, b := range t.days[q.Listing.Code] { // a copy: Append tidies its message, and others read too
			frames = b.Append(frames)
		}
	case c.stage == stageMinutes && c.want&szse.WantMinuteBars != 0:
		q := m.Quote(c.number)
		for _, b := range t.minutes[q.Listing.Code] {
			// Today's are of messages that are no longer in the stream: only who has nothing of today needs them.
			if b.Day != c.day || c.fresh {
				frames = b.Append(frames)
			}
		}
	}
	return frames
}

// nextDay finishes the stream of the day that is over, and begins the new one's.
func (s *Server) nextDay(frames []byte, m *core.Machine, t *tape, c *cursor) ([]byte, error) {
	if c.want&szse.WantStream != 0 {
		if c.day != t.ended.day || c.next < t.ended.first {
			return frames, errBehind
		}
		for _, f := range t.ended.frames[min(c.next-t.ended.first, uint64(len(t.ended.frames))):] {
			frames = append(frames, f...)
		}
	}
	c.day, c.next = m.Day(), 1
	for n := core.SecurityNumber(1); n <= m.Securities() && c.want&szse.WantDefinitions != 0; n++ {
		frames = s.appendDefinition(frames, m, n)
	}
	return frames, nil
}

// appendQuotes appends what has changed since the reader was told, once in QuotePace. Times are due on a schedule of
// their own: one that waited for a change is followed sooner, so that the pace is kept on the whole.
func (s *Server) appendQuotes(frames []byte, m *core.Machine, t *tape, c *cursor) []byte {
	now := time.Now()
	if c.want&szse.WantQuotes == 0 || now.Before(c.due) {
		return frames
	}
	c.due = c.due.Add(QuotePace)
	if soonest := now.Add(QuotePace / 2); c.due.Before(soonest) {
		c.due = soonest
	}
	for n := core.SecurityNumber(1); n <= m.Securities(); n++ {
		for int(n) >= len(c.seen) {
			c.seen = append(c.seen, 0)
		}
		version := uint64(1)
		if int(n) < len(t.version) {
			version += t.version[n]
		}
		if c.seen[n] != version {
			c.seen[n] = version
			frames = appendQuote(frames, m, t, n)
		}
	}
	return frames
}

func (s *Server) appendDefinition(frames []byte, m *core.Machine, n core.SecurityNumber) []byte {
	q := m.Quote(n)
	d := szse.SecurityDefinition{Security: nameOf(&q), Board: q.Listing.Board, Condition: q.Listing.Condition,
		PreviousClose: q.Listing.PreviousClose, UpperLimit: q.Upper, LowerLimit: q.Lower, Tick: q.Tick,
		TPlusZero: q.Listing.Flags&core.SameDaySale != 0, Day: m.Day()}
	copy(d.Name[:], q.Listing.Name)
	for i := len(q.Listing.Name); i < len(d.Name); i++ {
		d.Name[i] = ' '
	}
	szse.SetText(d.Pinyin[:], s.pinyin[q.Listing.Code])
	d.Listed = s.listedDay(m.Day(), q.Listing.ListedDay)
	return d.Append(frames)
}

// listedDay counts back the trading days since listing; of long ago it is a guess by the calendar's proportion.
func (s *Server) listedDay(today trade.Day, days int32) trade.Day {
	const counted = 40
	if days > counted {
		return rules.AddDays(today, -int(days)*365/244)
	}
	for ; days > 1; days-- {
		today, _ = s.rules.PreviousTradingDay(today)
	}
	return today
}

func appendQuote(frames []byte, m *core.Machine, t *tape, n core.SecurityNumber) []byte {
	q := m.Quote(n)
	out := szse.Quote{Security: nameOf(&q), Phase: q.Phase, Time: m.Now(), Sequence: t.next() - 1,
		Last: q.Statistics.Last, Open: q.Statistics.Open, High: q.Statistics.High, Low: q.Statistics.Low,
		PreviousClose: q.Listing.PreviousClose,
		UpperLimit:    q.Upper, LowerLimit: q.Lower, Volume: q.Statistics.Volume, Turnover: q.Statistics.Turnover,
		Trades: q.Statistics.Trades}
	out.BidCount = levelsOf(&out.Bids, m, n, trade.Buy)
	out.AskCount = levelsOf(&out.Asks, m, n, trade.Sell)
	if a, ok := m.Auction(n); ok {
		out.AuctionPrice, out.AuctionMatched, out.AuctionUnmatched = a.Price, a.Matched, a.Unmatched
		if a.Unmatched > 0 {
			out.AuctionSide = a.UnmatchedSide
		}
	}
	return out.Append(frames)
}

func levelsOf(into *[szse.MaxDepth]szse.Level, m *core.Machine, n core.SecurityNumber, side trade.Side) uint8 {
	var levels [szse.MaxDepth]book.Level
	count := m.Depth(n, side, levels[:])
	for i := range count {
		into[i] = szse.Level{Price: levels[i].Price, Quantity: levels[i].Quantity, Orders: uint32(levels[i].Orders)}
	}
	return uint8(count)
}

func cashOf(t *szse.TradeTick) money.Cash {
	amount, _ := money.Amount(t.Price, t.Quantity) // a quantity of shares at a limit of the book fits
	return amount
}
