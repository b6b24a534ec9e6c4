package exchange

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	core "evenkeel/core/exchange"
	"evenkeel/core/rules"
	"evenkeel/core/trade"
	"evenkeel/szse"
)

// tape is what was made public: the day's stream of trades and phases, numbered, and candles of the past. Messages of
// the stream beyond KeptTicks live on as the minute candles of today that they were part of.
type tape struct {
	day     trade.Day
	frames  [][]byte                 // the stream's messages, encoded
	dropped uint64                   // of the day's first messages, how many are no longer in frames
	minutes map[core.Code][]szse.Bar // of KeptMinuteDays days, oldest first; of today only what was dropped
	today   map[core.Code][]szse.Bar // of today, whole
	days    map[core.Code][]szse.Bar // of the past
	ended   ended                    // not in a snapshot: who comes after a restart begins with today
	version []uint64                 // by security number: counts its changes
}

// ended is the end of the day before.
type ended struct {
	day    trade.Day
	first  uint64
	frames [][]byte
}

func newTape() tape {
	return tape{minutes: map[core.Code][]szse.Bar{}, today: map[core.Code][]szse.Bar{}, days: map[core.Code][]szse.Bar{}}
}

// next is the number of the next message of the stream.
func (t *tape) next() uint64 { return t.dropped + uint64(len(t.frames)) + 1 }

// first is the number of the oldest message that is kept.
func (t *tape) first() uint64 { return t.dropped + 1 }

// frameSize is the size of the longest message of the stream, a TradeTick.
const frameSize = szse.HeadSize + 63 + szse.TailSize

// take adds what a command made public on a day.
func (t *tape) take(m *core.Machine, day trade.Day, phases []core.PhaseChange, trades []core.Trade,
	changed []core.SecurityNumber) {
	for i := range phases {
		if phases[i].Security != 0 {
			continue // the security's quote tells it
		}
		p := szse.SessionState{Sequence: t.next(), Day: day, Venue: phases[i].Venue, Phase: phases[i].Phase,
			Time: phases[i].Time}
		t.append(p.Append(make([]byte, 0, frameSize)))
	}
	for i := range trades {
		q := m.Quote(trades[i].Security)
		tick := szse.TradeTick{Sequence: t.next(), Day: day, Security: nameOf(&q), Time: trades[i].Time,
			Price: trades[i].Price, Quantity: trades[i].Quantity, Aggressor: trades[i].Aggressor,
			BuyOrder: uint64(trades[i].Buy), SellOrder: uint64(trades[i].Sell), Phase: trades[i].Phase}
		t.append(tick.Append(make([]byte, 0, frameSize)))
		t.today[q.Listing.Code] = addTick(t.today[q.Listing.Code], &tick)
	}
	for _, n := range changed {
		for int(n) >= len(t.version) {
			t.version = append(t.version, 0)
		}
		t.version[n]++
	}
}

func nameOf(q *core.Quote) szse.Security {
	return szse.Security{Venue: q.Listing.Venue, Code: q.Listing.Code}
}

func (t *tape) append(frame []byte) {
	t.frames = append(t.frames, frame)
	if len(t.frames) < 2*KeptTicks { // move once in a while, not each time
		return
	}
	for _, f := range t.frames[:KeptTicks] {
		t.fold(f)
	}
	t.frames = slices.Clone(t.frames[KeptTicks:])
	t.dropped += KeptTicks
}

// fold keeps a dropped trade in its minute.
func (t *tape) fold(frame []byte) {
	f, _, err := szse.ParseFrame(frame)
	if err != nil || f.Type != szse.TypeTradeTick {
		return
	}
	var tick szse.TradeTick
	if tick.Decode(f.Body) == nil {
		t.minutes[tick.Code] = addTick(t.minutes[tick.Code], &tick)
	}
}

// addTick adds a trade to the minute that it belongs to, the last one.
func addTick(bars []szse.Bar, tick *szse.TradeTick) []szse.Bar {
	const minute = trade.Time(60_000_000_000)
	start := tick.Time - tick.Time%minute
	if n := len(bars); n == 0 || bars[n-1].Start != start {
		bars = append(bars, szse.Bar{Security: tick.Security, Minutes: 1, Day: tick.Day, Start: start,
			Open: tick.Price, High: tick.Price, Low: tick.Price})
	}
	b := &bars[len(bars)-1]
	b.High, b.Low, b.Close = max(b.High, tick.Price), min(b.Low, tick.Price), tick.Price
	b.Volume += tick.Quantity
	b.Turnover += cashOf(tick)
	b.Trades++
	return bars
}

// roll makes today the newest day of the past.
func (t *tape) roll(m *core.Machine) {
	for n := core.SecurityNumber(1); n <= m.Securities(); n++ {
		q := m.Quote(n)
		code := q.Listing.Code
		minutes := t.today[code]
		if len(minutes) == 0 {
			continue
		}
		whole := minutes[0]
		whole.Minutes = szse.DayBar
		start, _ := rules.Split(whole.Start)
		whole.Start = rules.Join(start, 0)
		for i := range minutes[1:] {
			b := &minutes[1+i]
			whole.High, whole.Low, whole.Close = max(whole.High, b.High), min(whole.Low, b.Low), b.Close
			whole.Volume += b.Volume
			whole.Turnover += b.Turnover
			whole.Trades += b.Trades
		}
		t.days[code] = last(append(t.days[code], whole), KeptDayBars)
		past := slices.DeleteFunc(t.minutes[code], func(b szse.Bar) bool { return b.Day == t.day })
		t.minutes[code] = lastDays(append(past, minutes...), KeptMinuteDays)
	}
	skipped := max(0, len(t.frames)-KeptEnded)
	t.ended = ended{day: t.day, first: t.first() + uint64(skipped), frames: slices.Clone(t.frames[skipped:])}
	t.day, t.frames, t.dropped = m.Day(), nil, 0
	clear(t.today)
}

func last(bars []szse.Bar, n int) []szse.Bar {
	if len(bars) <= n {
		return bars
	}
	return slices.Clone(bars[len(bars)-n:])
}

func lastDays(bars []szse.Bar, n int) []szse.Bar {
	days, day := 0, trade.Day(0)
	for i := len(bars) - 1; i >= 0; i-- {
		if bars[i].Day != day {
			days, day = days+1, bars[i].Day
		}
		if days > n {
			return slices.Clone(bars[i+1:])
		}
	}
	return bars
}

// remember takes encoded Bars of the past.
func (t *tape) remember(frames []byte) {
	for len(frames) > 0 {
		f, size, err := szse.ParseFrame(frames)
		if err != nil || size == 0 || f.Type != szse.TypeBar {
			return // what was proposed by this server cannot be unreadable; another version's stays unread
		}
		var b szse.Bar
		if b.Decode(f.Body) == nil {
			into := t.minutes
			if b.Minutes == szse.DayBar {
				into = t.days
			}
			into[b.Code] = append(into[b.Code], b)
		}
		frames = frames[size:]
	}
}

const tapeVersion = 1

func (t *tape) snapshot(w io.Writer) error {
	head := binary.BigEndian.AppendUint32(nil, tapeVersion)
	head = binary.BigEndian.AppendUint32(head, uint32(t.day))
	head = binary.BigEndian.AppendUint64(head, t.dropped)
	if err := writeBytes(w, head); err != nil {
		return err
	}
	if err := writeBytes(w, slices.Concat(t.frames...)); err != nil {
		return err
	}
	for _, bars := range []map[core.Code][]szse.Bar{t.minutes, t.today, t.days} {
		codes := make([]core.Code, 0, len(bars))
		for code := range bars {
			codes = append(codes, code)
		}
		slices.SortFunc(codes, func(a, b core.Code) int { return slices.Compare(a[:], b[:]) })
		var b []byte
		for _, code := range codes {
			for i := range bars[code] {
				b = bars[code][i].Append(b)
			}
		}
		if err := writeBytes(w, b); err != nil {
			return err
		}
	}
	return nil
}

func (t *tape) restore(r io.Reader) error {
	head, err := readBytes(r)
	if err != nil {
		return err
	}
	if len(head) != 16 || binary.BigEndian.Uint32(head) != tapeVersion {
		return fmt.Errorf("unknown version, this binary reads %d", tapeVersion)
	}
	t.day, t.dropped = trade.Day(binary.BigEndian.Uint32(head[4:])), binary.BigEndian.Uint64(head[8:])
	stream, err := readBytes(r)
	if err != nil {
		return err
	}
	for len(stream) > 0 {
		_, size, err := szse.ParseFrame(stream)
		if err != nil || size == 0 {
			return fmt.Errorf("the day's stream breaks off: %w", io.ErrUnexpectedEOF)
		}
		t.frames = append(t.frames, stream[:size:size])
		stream = stream[size:]
	}
	for _, bars := range []map[core.Code][]szse.Bar{t.minutes, t.today, t.days} {
		b, err := readBytes(r)
		if err != nil {
			return err
		}
		for len(b) > 0 {
			f, size, err := szse.ParseFrame(b)
			if err != nil || size == 0 {
				return fmt.Errorf("candles break off: %w", io.ErrUnexpectedEOF)
			}
			var bar szse.Bar
			if err := bar.Decode(f.Body); err != nil {
				return fmt.Errorf("candles: %w", err)
			}
			bars[bar.Code] = append(bars[bar.Code], bar)
			b = b[size:]
		}
	}
	return nil
}
