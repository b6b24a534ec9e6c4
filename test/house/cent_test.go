package house_test

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// fen is an amount in hundredths of a CNY: the tests' own arithmetic, in the smallest coin.
type fen int64

func (f fen) String() string {
	sign := ""
	if f < 0 {
		sign, f = "-", -f
	}
	return fmt.Sprintf("%s%d.%02d", sign, f/100, f%100)
}

// parse reads an amount such as 1234.50.
func parse(t *testing.T, text string) fen {
	t.Helper()
	whole, part, _ := strings.Cut(text, ".")
	for len(part) < 2 {
		part += "0"
	}
	v, err := strconv.ParseInt(whole+part[:2], 10, 64)
	if err != nil || strings.Trim(part[2:], "0") != "" {
		t.Fatalf("%q is no amount in whole cents", text)
	}
	return fen(v)
}

// part is amount x millionths, half-up to the cent: 250 millionths are 0.025 %.
func part(amount fen, millionths int64) fen {
	return fen((int64(amount)*millionths + 500_000) / 1_000_000)
}

// fees are what one order of this amount costs: commission 0.025 %, at least 5.00; transfer 0.001 % on both sides;
// stamp duty 0.05 % on sales. Since 2023-08-28.
type fees struct{ commission, stamp, transfer fen }

func feesOf(side string, amount fen) (f fees) {
	f.commission = max(500, part(amount, 250))
	f.transfer = part(amount, 10)
	if side == "sell" {
		f.stamp = part(amount, 500)
	}
	return f
}

func (f fees) total() fen { return f.commission + f.stamp + f.transfer }

// differences lists where two JSON values differ, a line each.
func differences(path string, a, b any) (lines []string) {
	left, isObject := a.(object)
	right, same := b.(object)
	if isObject && same {
		for name := range left {
			lines = append(lines, differences(path+"."+name, left[name], right[name])...)
		}
		for name := range right {
			if _, both := left[name]; !both {
				lines = append(lines, differences(path+"."+name, nil, right[name])...)
			}
		}
		return lines
	}
	if one, ok := rows(a); ok {
		if other, ok := rows(b); ok && len(one) == len(other) {
			for i := range one {
				lines = append(lines, differences(fmt.Sprintf("%s[%d]", path, i), one[i], other[i])...)
			}
			return lines
		}
	}
	if !reflect.DeepEqual(a, b) {
		lines = append(lines, fmt.Sprintf("%s: %v, then %v", path, a, b))
	}
	return lines
}

// rows are the elements of a list.
func rows(v any) (list []any, ok bool) {
	switch v := v.(type) {
	case []any:
		return v, true
	case []object:
		for i := range v {
			list = append(list, v[i])
		}
		return list, true
	}
	return nil, false
}
