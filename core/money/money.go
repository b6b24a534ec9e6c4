// Package money holds exact prices, quantities and cash.
//
// Units: Price and Cash count 1/10,000 CNY, Quantity counts shares, Rate counts 1/100,000,000. Price times Quantity is
// therefore Cash without any scaling. Invariant: every operation is exact or says so; an overflow is reported by a
// false second result, never wrapped. It never uses floating point and never rounds without being told how.
//
// The scale of prices and amounts is that of the exchange's binary interface (Price x 10^4, amount x 10^4).
package money

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/bits"
)

// Price is a price of one share, in 1/10,000 CNY.
type Price int64

// Quantity is a number of shares.
type Quantity int64

// Cash is an amount of money, in 1/10,000 CNY; negative amounts are debts.
type Cash int64

// Rate is a ratio in 1/100,000,000: 0.00341 % is Rate(3410), 10 % is Rate(10,000,000).
type Rate int64

// The scales, and the smallest amounts that people pay.
const (
	Scale      = 10_000      // units of Price and Cash in one CNY
	Fen   Cash = Scale / 100 // one cent of CNY
	Whole Rate = 100_000_000 // the Rate that is 1
)

// Rounding says what to do with the part that does not fit.
type Rounding uint8

// Roundings of the market's rules. Ties of HalfUp go away from zero.
const (
	Down   Rounding = iota // towards zero
	HalfUp                 // to the nearest, ties away from zero
	Up                     // away from zero
)

// Add returns a+b, and false when the sum does not fit.
func Add[T ~int64](a, b T) (T, bool) {
	s := a + b
	return s, (s > a) == (b > 0)
}

// Sub returns a-b, and false when the difference does not fit.
func Sub[T ~int64](a, b T) (T, bool) {
	d := a - b
	return d, (d < a) == (b > 0)
}

// Amount returns p x q, and false when the product does not fit.
func Amount(p Price, q Quantity) (Cash, bool) {
	v, ok := MulDiv(int64(p), int64(q), 1, Down)
	return Cash(v), ok
}

// MostUnit is the largest unit that Apply rounds to: some 9.2 million CNY.
const MostUnit Cash = math.MaxInt64 / Cash(Whole)

// Apply returns c x r rounded to a multiple of unit, and false when it does not fit. unit must be positive and at most
// MostUnit.
func (r Rate) Apply(c, unit Cash, how Rounding) (Cash, bool) {
	if unit <= 0 || unit > MostUnit {
		return 0, false
	}
	n, ok := MulDiv(int64(c), int64(r), int64(Whole)*int64(unit), how)
	if !ok {
		return 0, false
	}
	return Amount(Price(n), Quantity(unit))
}

// Round returns v rounded to a multiple of unit, and false when it does not fit. unit must be positive.
func Round[T ~int64](v, unit T, how Rounding) (T, bool) {
	if unit <= 0 {
		return 0, false
	}
	n, ok := MulDiv(int64(v), 1, int64(unit), how)
	if !ok {
		return 0, false
	}
	m, ok := MulDiv(n, int64(unit), 1, Down)
	return T(m), ok
}

// MulDiv returns a x b / c with a 128-bit product, rounded as told; false when c is 0 or the result does not fit.
func MulDiv(a, b, c int64, how Rounding) (int64, bool) {
	if c == 0 {
		return 0, false
	}
	negative := (a < 0) != (b < 0) != (c < 0)
	hi, lo := bits.Mul64(magnitude(a), magnitude(b))
	d := magnitude(c)
	if hi >= d {
		return 0, false
	}
	q, r := bits.Div64(hi, lo, d)
	up := how == Up && r > 0 || how == HalfUp && r >= d-r && r > 0
	if up {
		if q == math.MaxUint64 {
			return 0, false
		}
		q++
	}
	switch {
	case negative && q <= 1<<63:
		return int64(-q), true // two's complement: -(1<<63) is representable
	case !negative && q <= math.MaxInt64:
		return int64(q), true
	}
	return 0, false
}

func magnitude(v int64) uint64 {
	if v < 0 {
		return -uint64(v)
	}
	return uint64(v)
}

// String prints the price in CNY without trailing zeros beyond two places: "10.50", "0.5055".
func (p Price) String() string { return string(appendDecimal(nil, int64(p))) }

// Text prints the price with at least so many places, as prices of a tick are set below each other: "0.990".
func (p Price) Text(places int) string {
	b := appendDecimal(nil, int64(p))
	for have := len(b) - 1 - bytes.IndexByte(b, '.'); have < places; have++ {
		b = append(b, '0')
	}
	return string(b)
}

// Places is how many places a multiple of p has at most, and at least two.
func (p Price) Places() int {
	switch {
	case p%(Scale/100) == 0:
		return 2
	case p%(Scale/1000) == 0:
		return 3
	}
	return 4
}

// String prints the amount in CNY without trailing zeros beyond two places.
func (c Cash) String() string { return string(appendDecimal(nil, int64(c))) }

// AppendPrice appends p as String prints it.
func AppendPrice(b []byte, p Price) []byte { return appendDecimal(b, int64(p)) }

// AppendCash appends c as String prints it.
func AppendCash(b []byte, c Cash) []byte { return appendDecimal(b, int64(c)) }

func appendDecimal(b []byte, v int64) []byte {
	if v < 0 {
		b = append(b, '-')
	}
	u := magnitude(v)
	b = appendUint(b, u/Scale, 1)
	b = append(b, '.')
	switch f := u % Scale; {
	case f%100 == 0:
		b = appendUint(b, f/100, 2)
	case f%10 == 0:
		b = appendUint(b, f/10, 3)
	default:
		b = appendUint(b, f, 4)
	}
	return b
}

func appendUint(b []byte, u uint64, width int) []byte {
	var digits [20]byte
	i := len(digits)
	for u > 0 || len(digits)-i < width {
		i--
		digits[i] = byte('0' + u%10)
		u /= 10
	}
	return append(b, digits[i:]...)
}

// Errors of the parsers.
var (
	ErrSyntax    = errors.New("not a decimal number")
	ErrPrecision = errors.New("more than 4 decimal places")
	ErrRange     = errors.New("number out of range")
)

// ParsePrice reads a decimal number of CNY with at most 4 places ("10.5", "-0.01", "100.00000"; zeros beyond the
// fourth place are allowed). Errors are ErrSyntax, ErrPrecision or ErrRange, wrapped with the text.
func ParsePrice(s string) (Price, error) { return parse[Price](s) }

// ParseCash reads an amount like ParsePrice.
func ParseCash(s string) (Cash, error) { return parse[Cash](s) }

// MostParsedQuantity is the largest number of shares that ParseQuantity reads.
const MostParsedQuantity Quantity = math.MaxInt64 / Scale

// ParseQuantity reads a whole number of shares up to MostParsedQuantity either way; a fraction of zeros ("100.0") is
// allowed.
func ParseQuantity(s string) (Quantity, error) {
	v, err := parse[int64](s)
	if err != nil {
		return 0, err
	}
	if v%Scale != 0 {
		return 0, fmt.Errorf("%q: %w", clip(s), ErrFraction)
	}
	return Quantity(v / Scale), nil
}

// ErrFraction refuses a part of a share.
var ErrFraction = errors.New("not a whole number of shares")

func parse[T ~int64](s string) (T, error) {
	digits, negative := s, false
	if digits != "" && (digits[0] == '-' || digits[0] == '+') {
		negative, digits = digits[0] == '-', digits[1:]
	}
	var v uint64
	most := uint64(math.MaxInt64)
	if negative {
		most = 1 << 63
	}
	places, seen := -1, false
	for i := 0; i < len(digits); i++ {
		c := digits[i]
		switch {
		case c == '.' && places < 0:
			places = 0
			continue
		case c < '0' || c > '9':
			return 0, fmt.Errorf("%q: %w", clip(s), ErrSyntax)
		}
		seen = true
		if places >= 4 {
			if c != '0' {
				return 0, fmt.Errorf("%q: %w", clip(s), ErrPrecision)
			}
			continue
		}
		if v > (most-uint64(c-'0'))/10 {
			return 0, fmt.Errorf("%q: %w", clip(s), ErrRange)
		}
		v = v*10 + uint64(c-'0')
		if places >= 0 {
			places++
		}
	}
	if !seen {
		return 0, fmt.Errorf("%q: %w", clip(s), ErrSyntax)
	}
	for places = max(places, 0); places < 4; places++ {
		if v > most/10 {
			return 0, fmt.Errorf("%q: %w", clip(s), ErrRange)
		}
		v *= 10
	}
	if negative {
		return T(-v), nil // two's complement: -(1<<63) is representable
	}
	return T(v), nil
}

// clip keeps an error message short whatever the input was.
func clip(s string) string {
	const most = 40
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}
