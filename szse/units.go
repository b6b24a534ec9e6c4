package szse

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"evenkeel/core/money"
	"evenkeel/core/trade"
)

// Qty is a quantity on the wire: 1/100 of a share.
type Qty int64

// QtyScale is how many Qty one share is.
const QtyScale = 100

// Errors of the conversions, wrapped with the value.
var (
	ErrFraction  = errors.New("not a whole number of shares (a multiple of 100)")
	ErrRange     = errors.New("out of range")
	ErrTimestamp = errors.New("not a time YYYYMMDDHHMMSSsss of the years 1970 to 2261")
	ErrValue     = errors.New("unknown value")
)

// Shares returns the quantity in whole shares, or ErrFraction.
func (q Qty) Shares() (money.Quantity, error) {
	if q%QtyScale != 0 {
		return 0, fmt.Errorf("quantity %d/100: %w", int64(q), ErrFraction)
	}
	return money.Quantity(q / QtyScale), nil
}

// FromShares returns a quantity as the wire has it, or ErrRange.
func FromShares(q money.Quantity) (Qty, error) {
	if q > math.MaxInt64/QtyScale || q < math.MinInt64/QtyScale {
		return 0, fmt.Errorf("quantity %d: %w, at most %d", int64(q), ErrRange, int64(math.MaxInt64/QtyScale))
	}
	return Qty(q * QtyScale), nil
}

// Timestamp is a time on the wire, YYYYMMDDHHMMSSsss in Shanghai; 0 is none.
type Timestamp int64

// shanghai is UTC+8 all year: China has kept no summer time since 1992, and none is assumed before.
var shanghai = time.FixedZone("Asia/Shanghai", 8*60*60)

// The times that a trade.Time and a Timestamp both can say.
const (
	firstYear = 1970
	lastYear  = 2261
)

// FromTime returns a time as the wire has it; what is below a millisecond is cut. Times before 1970 in Shanghai are
// ErrRange.
func FromTime(t trade.Time) (Timestamp, error) {
	d := time.Unix(0, int64(t)).In(shanghai)
	year, month, day := d.Date()
	if year < firstYear || year > lastYear {
		return 0, fmt.Errorf("time %d ns: year %d: %w", int64(t), year, ErrRange)
	}
	hour, minute, second := d.Clock()
	v := int64(year)*10_000 + int64(month)*100 + int64(day)
	v = v*1_000_000 + int64(hour)*10_000 + int64(minute)*100 + int64(second)
	return Timestamp(v*1000 + int64(d.Nanosecond()/1_000_000)), nil
}

// Time returns the moment that the timestamp names, or ErrTimestamp when there is no such moment.
func (s Timestamp) Time() (trade.Time, error) {
	v := int64(s)
	clock := v / 1000 % 1_000_000
	date := v / 1_000_000_000
	year, month, day := int(date/10_000), int(date/100%100), int(date%100)
	hour, minute, second := int(clock/10_000), int(clock/100%100), int(clock%100)
	if v < 0 || year < firstYear || year > lastYear || hour > 23 || minute > 59 || second > 59 {
		return 0, fmt.Errorf("%d: %w", v, ErrTimestamp)
	}
	d := time.Date(year, time.Month(month), day, hour, minute, second, int(v%1000)*1_000_000, shanghai)
	if d.Day() != day || d.Month() != time.Month(month) { // time.Date normalises 31 June to 1 July
		return 0, fmt.Errorf("%d: %w", v, ErrTimestamp)
	}
	return trade.Time(d.UnixNano()), nil
}

// Day is the timestamp's date.
func (s Timestamp) Day() trade.Day { return trade.Day(s / 1_000_000_000) }

// On returns the same time of day on another date.
func (s Timestamp) On(d trade.Day) Timestamp { return Timestamp(d)*1_000_000_000 + s%1_000_000_000 }

// Text returns a text field without its padding.
func Text(field []byte) string { return string(trimmed(field)) }

func trimmed(field []byte) []byte { return bytes.TrimRight(field, " \x00") }

// SetText fills a text field, padded with spaces. It reports whether s fitted and is printable ASCII without a space
// in front; otherwise the field is blank.
func SetText(field []byte, s string) bool {
	ok := len(s) <= len(field) && (s == "" || s[0] != ' ')
	for i := 0; i < len(s) && ok; i++ {
		ok = s[i] >= ' ' && s[i] <= '~'
	}
	n := 0
	if ok {
		n = copy(field, s)
	}
	for i := n; i < len(field); i++ {
		field[i] = ' '
	}
	return ok
}

// ClipText fills a text field for people to read: what does not fit is cut, what is not printable ASCII becomes '?'.
func ClipText(field []byte, s string) {
	for i := range field {
		switch {
		case i >= len(s):
			field[i] = ' '
		case s[i] < ' ' || s[i] > '~' || i == 0 && s[i] == ' ':
			field[i] = '?'
		default:
			field[i] = s[i]
		}
	}
}

// A ClOrdID is ten digits of base 36 (0-9, A-Z): two of the shard, eight of the number.
const (
	clOrdBase = 36
	shardWide = 2
	// MaxShard is the highest shard that a ClOrdID can name.
	MaxShard = clOrdBase*clOrdBase - 1
	// MaxOrderNumber is the highest dense number that a ClOrdID can name: 36^8 - 1, more than 7,000 years of a
	// million orders a day.
	MaxOrderNumber = 2_821_109_907_455
)

// ClOrdID returns the ten-character form of an order's name, or ErrRange above MaxShard or MaxOrderNumber.
func ClOrdID(id trade.OrderID) ([10]byte, error) {
	var b [10]byte
	return b, spell(b[:], uint64(id))
}

// AccountID returns the twelve-character form of an account's name: the ten of ClOrdID and two spaces. ErrRange as
// there.
func AccountID(id trade.AccountID) ([12]byte, error) {
	b := [12]byte{10: ' ', 11: ' '}
	return b, spell(b[:10], uint64(id))
}

func spell(b []byte, name uint64) error {
	shard, number := name>>trade.ShardShift, name&trade.NumberMask
	if shard > MaxShard || number > MaxOrderNumber {
		return fmt.Errorf("number %d of shard %d: %w, at most %d of %d", number, shard, ErrRange,
			int64(MaxOrderNumber), MaxShard)
	}
	digits(b[:shardWide], shard)
	digits(b[shardWide:], number)
	return nil
}

func digits(b []byte, v uint64) {
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[v%clOrdBase]
		v /= clOrdBase
	}
}

// OrderID returns the order that a ClOrdID names, or ErrValue when it is not of the form that ClOrdID makes.
func OrderID(b [10]byte) (trade.OrderID, error) {
	shard, ok1 := undigits(b[:shardWide])
	number, ok2 := undigits(b[shardWide:])
	if !ok1 || !ok2 {
		return 0, fmt.Errorf("ClOrdID %s: %w, ten of 0-9 and A-Z are expected", quoted(b[:]), ErrValue)
	}
	return trade.OrderID(shard<<trade.ShardShift | number), nil
}

func undigits(b []byte) (uint64, bool) {
	var v uint64
	for _, x := range b {
		switch {
		case x >= '0' && x <= '9':
			v = v*clOrdBase + uint64(x-'0')
		case x >= 'A' && x <= 'Z':
			v = v*clOrdBase + uint64(x-'A') + 10
		default:
			return 0, false
		}
	}
	return v, true
}

func decimal(v int64) string { return strconv.FormatInt(v, 10) }
