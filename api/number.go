package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"evenkeel/core/money"
)

// mostDigits bounds a number in a request; none of ours has more than 19.
const mostDigits = 40

// errNotNumber refuses what is neither a JSON number nor a string that holds one.
var errNotNumber = errors.New("not a number")

// absent reports whether a member of a request counts as not given: missing, null, or an empty string.
func absent(raw json.RawMessage) bool {
	return len(raw) == 0 || bytes.Equal(raw, []byte("null")) || bytes.Equal(raw, []byte(`""`))
}

// decimalText returns the digits of a JSON number or of a string that holds a number, without an exponent. Clients
// send "10.50", 10.5, 100.0 and 1e3; no float is ever made of them.
func decimalText(raw json.RawMessage) (string, error) {
	text := string(raw)
	if strings.HasPrefix(text, `"`) {
		if err := json.Unmarshal(raw, &text); err != nil {
			return "", errNotNumber
		}
		text = strings.TrimSpace(text)
	}
	return plainDecimal(text)
}

// plainDecimal writes an exponent out: 1.5e3 is 1500, 25e-2 is 0.25.
func plainDecimal(text string) (string, error) {
	at := strings.IndexAny(text, "eE")
	if at < 0 {
		if len(text) > mostDigits {
			return "", fmt.Errorf("%q: more than %d digits", clip(text), mostDigits)
		}
		return text, nil
	}
	exponent, err := strconv.Atoi(text[at+1:])
	if err != nil || exponent < -mostDigits || exponent > mostDigits || at > mostDigits {
		return "", fmt.Errorf("%q: %w", clip(text), errNotNumber)
	}
	sign, digits := "", text[:at]
	if digits != "" && (digits[0] == '-' || digits[0] == '+') {
		sign, digits = digits[:1], digits[1:]
	}
	whole, fraction, _ := strings.Cut(digits, ".")
	if whole == "" && fraction == "" || !allDigits(whole) || !allDigits(fraction) {
		return "", fmt.Errorf("%q: %w", clip(text), errNotNumber)
	}
	point := len(whole) + exponent
	all := whole + fraction
	switch {
	case point <= 0:
		all = "0." + strings.Repeat("0", -point) + all
	case point >= len(all):
		all += strings.Repeat("0", point-len(all))
	default:
		all = all[:point] + "." + all[point:]
	}
	return sign + all, nil
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// number is a JSON number that is exact: the decimal text of a price or an amount.
type number = json.Number

func priceNumber(p money.Price) number { return number(trimZeros(p.String())) }

func cashNumber(c money.Cash) number { return number(trimZeros(c.String())) }

// trimZeros takes the zeros off the end of a fraction: JSON numbers are shown as short as they are exact.
func trimZeros(s string) string {
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

func shares(q money.Quantity) string { return strconv.FormatInt(int64(q), 10) }

// ratio returns a/b with 8 places as decimal text; "0" when b is 0 or the result does not fit.
func ratio(a, b int64) string {
	if b == 0 {
		return "0"
	}
	v, ok := money.MulDiv(a, int64(money.Whole), b, money.HalfUp)
	if !ok {
		return "0"
	}
	sign := ""
	if v < 0 {
		sign, v = "-", -v
	}
	return trimZeros(fmt.Sprintf("%s%d.%08d", sign, v/int64(money.Whole), v%int64(money.Whole)))
}

// average returns amount/quantity as decimal text with 8 places: an average price is between two ticks.
func average(amount money.Cash, q money.Quantity) string {
	if q == 0 {
		return "0"
	}
	// amount counts 1/10,000 and the result 1/100,000,000.
	v, ok := money.MulDiv(int64(amount), money.Scale, int64(q), money.HalfUp)
	if !ok {
		return "0"
	}
	sign := ""
	if v < 0 {
		sign, v = "-", -v
	}
	const units = money.Scale * money.Scale
	text := fmt.Sprintf("%s%d.%08d", sign, v/units, v%units)
	whole, fraction, _ := strings.Cut(text, ".")
	fraction = strings.TrimRight(fraction, "0")
	for len(fraction) < 2 {
		fraction += "0"
	}
	return whole + "." + fraction
}
