package exchange

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	core "evenkeel/core/exchange"
	"evenkeel/core/money"
	"evenkeel/core/rules"
	"evenkeel/core/trade"
)

// A recording is a day's inbound orders of one security, as CSV (gzip or plain) with a header line:
//
//	biz,time,type,order,side,price_milli,qty
//
// time is HHMMSS and hundredths of a second without a leading zero; type is A (a limit order that rests), M (a limit
// order that trades on arrival), X (a cancel of `order`) or U (the moment of an uncross); side is B or S; price_milli is
// CNY x 1000.

// MaxRecording bounds the rows of a recording.
const MaxRecording = 20_000_000

// RecordedKind is what a row does.
type RecordedKind byte

// Kinds of rows.
const (
	RecordedOrder   RecordedKind = 'A'
	RecordedTaker   RecordedKind = 'M'
	RecordedCancel  RecordedKind = 'X'
	RecordedUncross RecordedKind = 'U'
)

// Recorded is one row.
type Recorded struct {
	At       rules.TimeOfDay
	Kind     RecordedKind
	Order    uint64
	Side     trade.Side
	Price    money.Price
	Quantity money.Quantity
}

// ReadRecording reads a recording. Errors name the line, the column and what is allowed.
func ReadRecording(r io.Reader) ([]Recorded, error) {
	in, err := unpacked(r)
	if err != nil {
		return nil, fmt.Errorf("recording: %w", err)
	}
	rows := csv.NewReader(in)
	rows.FieldsPerRecord, rows.ReuseRecord = 7, true
	var all []Recorded
	for line := 1; ; line++ {
		row, err := rows.Read()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("recording: %w", err)
		}
		if line == 1 {
			continue // the header
		}
		if len(all) == MaxRecording {
			return nil, fmt.Errorf("recording: more than %d rows", MaxRecording)
		}
		one, err := readRecorded(row)
		if err != nil {
			return nil, fmt.Errorf("recording, line %d: %w", line, err)
		}
		if n := len(all); n > 0 && one.At < all[n-1].At {
			return nil, fmt.Errorf("recording, line %d: time %s is before the row in front of it", line, row[1])
		}
		all = append(all, one)
	}
}

// unpacked sees through gzip.
func unpacked(r io.Reader) (io.Reader, error) {
	in := bufio.NewReader(r)
	head, err := in.Peek(2)
	if err != nil && err != io.EOF {
		return nil, err
	}
	if len(head) == 2 && head[0] == 0x1f && head[1] == 0x8b {
		return gzip.NewReader(in)
	}
	return in, nil
}

func readRecorded(row []string) (r Recorded, err error) {
	number := func(column int, name string, most uint64) uint64 {
		v, e := strconv.ParseUint(row[column], 10, 64)
		if (e != nil || v > most) && err == nil {
			err = fmt.Errorf("%s %q: 0 to %d", name, row[column], most)
		}
		return v
	}
	clock := number(1, "time", 23_59_59_99)
	seconds := clock/1_000_000*3600 + clock/10_000%100*60 + clock/100%100
	r.At = rules.TimeOfDay((time.Duration(seconds)*100 + time.Duration(clock%100)) * 10 * time.Millisecond)
	if len(row[2]) != 1 {
		return r, fmt.Errorf("type %q: A, M, X or U", row[2])
	}
	r.Kind = RecordedKind(row[2][0])
	switch r.Kind {
	case RecordedUncross:
		return r, err
	case RecordedCancel:
		r.Order = number(3, "order", 1<<62)
		return r, err
	case RecordedOrder, RecordedTaker:
	default:
		return r, fmt.Errorf("type %q: A, M, X or U", row[2])
	}
	r.Order = number(3, "order", 1<<62)
	if r.Side, err = word("side", row[4], map[string]trade.Side{"B": trade.Buy, "S": trade.Sell}); err != nil {
		return r, err
	}
	r.Price = money.Price(number(5, "price_milli", 1<<40)) * (money.Scale / 1000)
	r.Quantity = money.Quantity(number(6, "qty", 1<<40))
	return r, err
}

// Phases moves through the phases that a recording was made in: by the time of its rows, and across a match only when
// the row says that the exchange matched.
type Phases struct {
	Rules     *rules.Rules
	Venue     trade.Venue
	Day       trade.Day
	phase     trade.Phase
	uncrossed int
}

// Next returns the phases to enter before the row, in order.
func (p *Phases) Next(r *Recorded) (enter []trade.Phase) {
	want := p.Rules.Session(p.Venue, p.Day, r.At)
	switch {
	case r.Kind == RecordedUncross && p.uncrossed == 0:
		want = trade.OpeningGap
		p.uncrossed++
	case r.Kind == RecordedUncross:
		want = trade.Closed
		p.uncrossed++
	case want >= trade.OpeningGap && p.uncrossed == 0:
		return nil // the opening match is still to come
	case want > trade.ClosingCall && p.uncrossed < 2:
		want = trade.ClosingCall
	}
	if want == p.phase {
		return nil
	}
	if want == trade.OpeningCallLocked && p.phase < trade.OpeningCall {
		enter = append(enter, trade.OpeningCall)
	}
	p.phase = want
	return append(enter, want)
}

// playWindow is how many recorded requests may be on their way to the journal.
const playWindow = 1024

// PlayFile plays a recording into a running exchange whose clock is Manual, at speed times the recorded pace (0: as fast
// as it goes).
func (s *Server) PlayFile(ctx context.Context, name, code string, speed int, out io.Writer) error {
	file, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("recording: %w", err)
	}
	rows, err := ReadRecording(file)
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	security, ok := core.MakeCode(code)
	var venue trade.Venue
	var day trade.Day
	s.View(func(m *core.Machine) {
		n, found := m.Find(security)
		ok = ok && found
		venue, day = m.Quote(n).Listing.Venue, m.Day()
	})
	if !ok {
		return fmt.Errorf("security %q is not listed", code)
	}
	_, _ = fmt.Fprintf(out, "playing %d rows of %s\n", len(rows), code)
	phases := Phases{Rules: s.rules, Venue: venue, Day: day}
	began := time.Now()
	window := make(chan struct{}, playWindow)
	for i := range rows {
		r := &rows[i]
		if speed > 0 {
			due := began.Add(time.Duration(r.At-rows[0].At) / time.Duration(speed))
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Until(due)):
			}
		}
		for _, phase := range phases.Next(r) {
			if err := s.SetPhase(ctx, venue, phase); err != nil {
				return err
			}
		}
		command := r.command(security, day)
		if command == nil {
			continue
		}
		window <- struct{}{}
		if err := s.group.Submit(core.AppendCommand(nil, command), func(core.Answer, error) { <-window }); err != nil {
			return fmt.Errorf("row %d: %w", i+1, err)
		}
	}
	_, _ = fmt.Fprintf(out, "played %d rows\n", len(rows))
	return nil
}

func (r *Recorded) command(security core.Code, day trade.Day) core.Command {
	switch r.Kind {
	case RecordedUncross:
		return nil
	case RecordedCancel:
		return &core.Cancel{PBU: playUnit, ClOrdID: RecordedID('X', r.Order), OrigClOrdID: RecordedID('R', r.Order), Security: security, Day: day}
	}
	c := &core.NewOrder{PBU: playUnit, ClOrdID: RecordedID('R', r.Order), Security: security, Side: r.Side, Type: trade.Limit, Day: day,
		Price: r.Price, Quantity: r.Quantity}
	copy(c.Account[:], "REPLAY      ")
	return c
}

// RecordedID is a ClOrdID of a recorded order: a letter and nine digits.
func RecordedID(letter byte, order uint64) (id core.ClOrdID) {
	copy(id[:], fmt.Sprintf("%c%09d", letter, order%1_000_000_000))
	return id
}
