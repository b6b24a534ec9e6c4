package exchange

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"evenkeel/core/money"
	"evenkeel/core/rules"
	"evenkeel/core/trade"
)

// A recording is a day's inbound orders of one security, as CSV (gzip or plain) with a header line:
//
//	biz,time,type,order,side,price_milli,qty
//
// time is HHMMSS and hundredths of a second without a leading zero; type is A (a limit order that rests), M (a limit
// order that trades on arrival), X (a cancel of `order`) or U (the moment of an uncross); side is B or S; price_milli
// is CNY x 1000.

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

// Headers of the two files of a recorded day.
const (
	recordingHeader = "biz,time,type,order,side,price_milli,qty"
	fillsHeader     = "biz,time,phase,buy_order,sell_order,price_milli,qty"
)

// ReadRecording reads a recording. Errors name the line, the column and what is allowed.
func ReadRecording(r io.Reader) ([]Recorded, error) {
	var all []Recorded
	err := eachRow(r, "recording", recordingHeader, func(row []string) error {
		one, err := readRecorded(row)
		if err == nil && len(all) > 0 && one.At < all[len(all)-1].At {
			err = fmt.Errorf("time %s is before the row in front of it", row[1])
		}
		all = append(all, one)
		return err
	})
	return all, err
}

// Fill is one trade of a recording; the numbers are those of the recorded orders.
type Fill struct {
	Buy, Sell uint64
	Price     money.Price
	Quantity  money.Quantity
}

// ReadFills reads the trades that belong to a recording.
func ReadFills(r io.Reader) ([]Fill, error) {
	var all []Fill
	err := eachRow(r, "recorded fills", fillsHeader, func(row []string) (err error) {
		n := numbers{row: row}
		all = append(all, Fill{Buy: n.at(3, "buy_order", mostNumber), Sell: n.at(4, "sell_order", mostNumber),
			Price:    money.Price(n.at(5, "price_milli", mostValue)) * (money.Scale / 1000),
			Quantity: money.Quantity(n.at(6, "qty", mostValue))})
		return n.err
	})
	return all, err
}

// eachRow calls visit with the cells of each line after the header, of a file that may be gzip.
func eachRow(r io.Reader, what, header string, visit func(row []string) error) error {
	in, err := unpacked(r)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	columns := strings.Count(header, ",") + 1
	lines := bufio.NewScanner(in) // a line of more than 64 KiB is an error
	for line := 1; lines.Scan(); line++ {
		text := strings.TrimSuffix(lines.Text(), "\r")
		switch row := strings.Split(text, ","); {
		case line == 1 && text != header:
			return fmt.Errorf("%s, line 1: the columns are %s", what, header)
		case line == 1:
			continue
		case line > MaxRecording:
			return fmt.Errorf("%s: more than %d rows", what, MaxRecording)
		case len(row) != columns:
			err = fmt.Errorf("%d columns, %d are needed: %s", len(row), columns, header)
		default:
			err = visit(row)
		}
		if err != nil {
			return fmt.Errorf("%s, line %d: %w", what, line, err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
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

// Bounds of a recording's numbers: what a ClOrdID can carry, and prices and quantities with room to spare.
const (
	mostNumber = 999_999_999
	mostValue  = 1 << 40
)

// numbers reads cells; the first error stays.
type numbers struct {
	row []string
	err error
}

func (n *numbers) at(column int, name string, most uint64) uint64 {
	v, err := strconv.ParseUint(n.row[column], 10, 64)
	if (err != nil || v > most) && n.err == nil {
		n.err = fmt.Errorf("%s %q: 0 to %d", name, n.row[column], most)
	}
	return v
}

func readRecorded(row []string) (r Recorded, err error) {
	n := numbers{row: row}
	clock := n.at(1, "time", 23_59_59_99)
	if clock/10_000%100 > 59 || clock/100%100 > 59 {
		return r, fmt.Errorf("time %q: HHMMSS and hundredths of a second", row[1])
	}
	seconds := clock/1_000_000*3600 + clock/10_000%100*60 + clock/100%100
	r.At = rules.TimeOfDay(seconds*100+clock%100) * rules.TimeOfDay(10*time.Millisecond)
	if len(row[2]) == 1 {
		r.Kind = RecordedKind(row[2][0])
	}
	switch r.Kind {
	case RecordedUncross:
		return r, n.err
	case RecordedCancel:
		r.Order = n.at(3, "order", mostNumber)
		return r, n.err
	case RecordedOrder, RecordedTaker:
	default:
		return r, fmt.Errorf("type %q: A, M, X or U", row[2])
	}
	r.Order = n.at(3, "order", mostNumber)
	if r.Side, err = word("side", row[4], sideWords); err != nil {
		return r, err
	}
	r.Price = money.Price(n.at(5, "price_milli", mostValue)) * (money.Scale / 1000)
	r.Quantity = money.Quantity(n.at(6, "qty", mostValue))
	return r, n.err
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
