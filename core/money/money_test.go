package money

import (
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"
)

// edges are the values at which sums, products and signs change their behaviour.
var edges = []int64{
	math.MinInt64, math.MinInt64 + 1, math.MinInt64 / 2, -int64(Whole) * Scale, -10_001, -3, -2, -1, 0, 1, 2, 3, 99, 100,
	9_999, 10_000, int64(Whole), int64(Whole) * Scale, 3037000499, 3037000500, math.MaxInt64 / 2, math.MaxInt64/2 + 1,
	math.MaxInt64 - 1, math.MaxInt64,
}

// roundings are all of them.
var roundings = []Rounding{Down, HalfUp, Up}

func fits(v *big.Int) (int64, bool) { return v.Int64(), v.IsInt64() }

// exactMulDiv is the oracle: a x b / c in unlimited integers, rounded as the words of Rounding say.
func exactMulDiv(a, b, c int64, how Rounding) (*big.Int, bool) {
	if c == 0 {
		return nil, false
	}
	product := new(big.Int).Mul(big.NewInt(a), big.NewInt(b))
	divisor := big.NewInt(c)
	negative := product.Sign()*divisor.Sign() < 0
	quotient, rest := new(big.Int).QuoRem(product.Abs(product), divisor.Abs(divisor), new(big.Int))
	switch twice := new(big.Int).Lsh(rest, 1); {
	case how == Up && rest.Sign() > 0, how == HalfUp && twice.Cmp(divisor) >= 0:
		quotient.Add(quotient, big.NewInt(1))
	}
	if negative {
		quotient.Neg(quotient)
	}
	return quotient, true
}

func checkMulDiv(t *testing.T, a, b, c int64, how Rounding) {
	t.Helper()
	got, ok := MulDiv(a, b, c, how)
	exact, defined := exactMulDiv(a, b, c, how)
	if !defined {
		if ok || got != 0 {
			t.Errorf("MulDiv(%d, %d, %d, %d) = %d, %t; want 0, false", a, b, c, how, got, ok)
		}
		return
	}
	want, wantOK := fits(exact)
	if ok != wantOK || ok && got != want || !ok && got != 0 {
		t.Errorf("MulDiv(%d, %d, %d, %d) = %d, %t; exactly %v", a, b, c, how, got, ok, exact)
	}
}

func checkSums(t *testing.T, a, b int64) {
	t.Helper()
	sum := new(big.Int).Add(big.NewInt(a), big.NewInt(b))
	if got, ok := Add(Cash(a), Cash(b)); ok != sum.IsInt64() || ok && int64(got) != sum.Int64() {
		t.Errorf("Add(%d, %d) = %d, %t; exactly %v", a, b, int64(got), ok, sum)
	}
	difference := new(big.Int).Sub(big.NewInt(a), big.NewInt(b))
	if got, ok := Sub(Price(a), Price(b)); ok != difference.IsInt64() || ok && int64(got) != difference.Int64() {
		t.Errorf("Sub(%d, %d) = %d, %t; exactly %v", a, b, int64(got), ok, difference)
	}
	product := new(big.Int).Mul(big.NewInt(a), big.NewInt(b))
	if got, ok := Amount(Price(a), Quantity(b)); ok != product.IsInt64() || ok && int64(got) != product.Int64() {
		t.Errorf("Amount(%d, %d) = %d, %t; exactly %v", a, b, int64(got), ok, product)
	}
}

// checkRound compares Round and Apply with the oracle: a multiple of unit, or false when it does not fit.
func checkRound(t *testing.T, v, unit int64, r Rate, how Rounding) {
	t.Helper()
	exact := func(a, b, c int64) (int64, bool) {
		n, _ := exactMulDiv(a, b, c, how)
		return fits(n.Mul(n, big.NewInt(unit)))
	}
	if unit <= 0 {
		_, rounded := Round(Cash(v), Cash(unit), how)
		_, applied := r.Apply(Cash(v), Cash(unit), how)
		if rounded || applied {
			t.Errorf("a unit of %d is accepted", unit)
		}
		return
	}
	want, wantOK := exact(v, 1, unit)
	if got, ok := Round(Cash(v), Cash(unit), how); ok != wantOK || ok && int64(got) != want {
		t.Errorf("Round(%d, %d, %d) = %d, %t; want %d, %t", v, unit, how, int64(got), ok, want, wantOK)
	}
	if unit > int64(MostUnit) {
		if _, ok := r.Apply(Cash(v), Cash(unit), how); ok {
			t.Errorf("Apply takes a unit of %d, above MostUnit", unit)
		}
		return
	}
	want, wantOK = exact(v, int64(r), int64(Whole)*unit)
	if got, ok := r.Apply(Cash(v), Cash(unit), how); ok != wantOK || ok && int64(got) != want {
		t.Errorf("Rate(%d).Apply(%d, %d, %d) = %d, %t; want %d, %t", int64(r), v, unit, how, int64(got), ok, want, wantOK)
	}
}

func TestEdges(t *testing.T) {
	for _, a := range edges {
		for _, b := range edges {
			checkSums(t, a, b)
			for _, c := range edges {
				for _, how := range roundings {
					checkMulDiv(t, a, b, c, how)
					checkRound(t, a, b, Rate(c), how)
				}
			}
		}
	}
}

// TestWords pins the meaning of the roundings, on both sides of zero, in numbers that a reader can check.
func TestWords(t *testing.T) {
	for _, c := range []struct {
		v, unit                   Cash
		down, halfUp, up          Cash
		negDown, negHalfUp, negUp Cash
	}{
		{149, 100, 100, 100, 200, -100, -100, -200},
		{150, 100, 100, 200, 200, -100, -200, -200},
		{100, 100, 100, 100, 100, -100, -100, -100},
		{1, 3, 0, 0, 3, 0, 0, -3},
		{2, 3, 0, 3, 3, 0, -3, -3},
	} {
		for i, want := range []Cash{c.down, c.halfUp, c.up} {
			if got, ok := Round(c.v, c.unit, roundings[i]); !ok || got != want {
				t.Errorf("Round(%d, %d, %d) = %d, %t; want %d", int64(c.v), int64(c.unit), i, int64(got), ok, int64(want))
			}
		}
		for i, want := range []Cash{c.negDown, c.negHalfUp, c.negUp} {
			if got, ok := Round(-c.v, c.unit, roundings[i]); !ok || got != want {
				t.Errorf("Round(%d, %d, %d) = %d, %t; want %d", int64(-c.v), int64(c.unit), i, int64(got), ok, int64(want))
			}
		}
	}
	// A quotient of 2^64 - 1 and a rest, which rounding up must not wrap to 0.
	const near = 1<<63 - 1<<32 + 1
	if v, ok := MulDiv(near, near, 1<<62-1<<32+2, Up); ok {
		t.Errorf("a quotient of 2^64 is %d", v)
	}
	// 0.00341 % of 10,000.00 is 0.341: 0.34 to the fen.
	if fee, ok := Rate(3410).Apply(10_000*Scale, Fen, HalfUp); !ok || fee.String() != "0.34" {
		t.Errorf("handling fee %v, %t", fee, ok)
	}
	// 100 shares at 1808.08.
	if c, ok := Amount(18_080_800, 100); !ok || c.String() != "180808.00" {
		t.Errorf("amount %v, %t", c, ok)
	}
}

func TestText(t *testing.T) {
	for _, c := range []struct {
		price, tick Price
		want        string
	}{
		{9900, 10, "0.990"}, {9910, 10, "0.991"}, {10000, 10, "1.000"}, {10000, 100, "1.00"}, {-40, 10, "-0.004"},
		{5055, 100, "0.5055"}, {0, 10, "0.000"}, {9900, 1, "0.9900"}, {9900, 50, "0.990"}, {9900, 1000, "0.99"},
	} {
		if got := c.price.Text(c.tick.Places()); got != c.want {
			t.Errorf("%v at a tick of %v: %s, want %s", c.price, c.tick, got, c.want)
		}
	}
}

func TestTextOfATick(t *testing.T) {
	for _, c := range []struct {
		v    int64
		want string
	}{
		{0, "0.00"},
		{1, "0.0001"},
		{-1, "-0.0001"},
		{10, "0.001"},
		{100, "0.01"},
		{5055, "0.5055"},
		{105_000, "10.50"},
		{-105_050, "-10.505"},
		{math.MaxInt64, "922337203685477.5807"},
		{math.MinInt64, "-922337203685477.5808"},
	} {
		if got := Price(c.v).String(); got != c.want {
			t.Errorf("Price(%d) prints %q, want %q", c.v, got, c.want)
		}
		if got := Cash(c.v).String(); got != c.want {
			t.Errorf("Cash(%d) prints %q, want %q", c.v, got, c.want)
		}
		if got, err := ParseCash(c.want); err != nil || got != Cash(c.v) {
			t.Errorf("ParseCash(%q) = %d, %v; want %d", c.want, int64(got), err, c.v)
		}
	}
	if got := string(AppendCash(append(AppendPrice([]byte("p="), 105_000), " c="...), -1)); got != "p=10.50 c=-0.0001" {
		t.Errorf("appended %q", got)
	}
}

func TestParse(t *testing.T) {
	long := strings.Repeat("9", 1000)
	for _, c := range []struct {
		text string
		want int64
		err  error
	}{
		{"10.5", 105_000, nil},
		{"+10.5", 105_000, nil},
		{"-0.01", -100, nil},
		{"-0", 0, nil},
		{"007", 70_000, nil},
		{".5", 5_000, nil},
		{"5.", 50_000, nil},
		{"100.00000", 1_000_000, nil},
		{"0.0001", 1, nil},
		{"0.00001", 0, ErrPrecision},
		{"0.00010000000000000000000000001", 0, ErrPrecision},
		{"", 0, ErrSyntax},
		{"-", 0, ErrSyntax},
		{".", 0, ErrSyntax},
		{"+-1", 0, ErrSyntax},
		{"1.2.3", 0, ErrSyntax},
		{"1.00000.", 0, ErrSyntax},
		{"1,000", 0, ErrSyntax},
		{"1e3", 0, ErrSyntax},
		{" 1", 0, ErrSyntax},
		{"0x1", 0, ErrSyntax},
		{"NaN", 0, ErrSyntax},
		{"１", 0, ErrSyntax},
		{"922337203685477.5807", math.MaxInt64, nil},
		{"922337203685477.5808", 0, ErrRange},
		{"-922337203685477.5808", math.MinInt64, nil},
		{"-922337203685477.5809", 0, ErrRange},
		{"922337203685478", 0, ErrRange},
		{"9223372036854775807", 0, ErrRange},
		{long, 0, ErrRange},
	} {
		got, err := ParsePrice(c.text)
		if int64(got) != c.want || !errors.Is(err, c.err) {
			t.Errorf("ParsePrice(%q) = %d, %v; want %d, %v", clip(c.text), int64(got), err, c.want, c.err)
		}
		if err != nil && len(err.Error()) > 120 {
			t.Errorf("an error of %d bytes", len(err.Error()))
		}
	}
}

func TestParseQuantity(t *testing.T) {
	for _, c := range []struct {
		text string
		want Quantity
		err  error
	}{
		{"100", 100, nil},
		{"100.0", 100, nil},
		{"-200", -200, nil},
		{"0.5", 0, ErrFraction},
		{"1.00001", 0, ErrPrecision},
		{"922337203685477", MostParsedQuantity, nil},
		{"922337203685478", 0, ErrRange},
		{"ten", 0, ErrSyntax},
	} {
		if got, err := ParseQuantity(c.text); got != c.want || !errors.Is(err, c.err) {
			t.Errorf("ParseQuantity(%q) = %d, %v; want %d, %v", c.text, got, err, c.want, c.err)
		}
	}
}

func TestNoAllocations(t *testing.T) {
	buffer := make([]byte, 0, 64)
	var sink Cash
	if n := testing.AllocsPerRun(100, func() {
		a, _ := Add(Cash(1), sink)
		b, _ := Sub(a, Cash(3))
		c, _ := Amount(105_000, 300)
		d, _ := Rate(3410).Apply(c, Fen, HalfUp)
		e, _ := Round(b+d, Fen, Up)
		f, _ := MulDiv(math.MaxInt64, 7, 9, HalfUp)
		p, _ := ParsePrice("1808.08")
		buffer = AppendPrice(AppendCash(buffer[:0], e), p)
		sink = Cash(f) + e
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzArithmetic(f *testing.F) {
	for i := range edges {
		f.Add(edges[i], edges[(i*7+3)%len(edges)], edges[(i*5+1)%len(edges)])
	}
	f.Fuzz(func(t *testing.T, a, b, c int64) {
		checkSums(t, a, b)
		for _, how := range roundings {
			checkMulDiv(t, a, b, c, how)
			checkRound(t, a, b, Rate(c), how)
		}
	})
}

// FuzzParse holds the parser to an oracle in unlimited integers, and to printing back what it read.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"0", "-0.0001", "10.50", "922337203685477.5807", "-922337203685477.5808", "1.00000", ".5", "5.", "+1",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ParseCash(s)
		exact, isDecimal := exactDecimal(s)
		want, ok := int64(0), false
		if isDecimal {
			scaled := new(big.Rat).Mul(exact, big.NewRat(Scale, 1))
			if scaled.IsInt() {
				want, ok = fits(scaled.Num())
			}
		}
		if ok != (err == nil) || ok && int64(got) != want || err != nil && got != 0 {
			t.Fatalf("ParseCash(%q) = %d, %v; exactly %v", s, int64(got), err, exact)
		}
		if err != nil {
			return
		}
		text := got.String()
		if again, err := ParseCash(text); err != nil || again != got || again.String() != text {
			t.Fatalf("%q is read as %s and then %v, %v", s, text, again, err)
		}
	})
}

// exactDecimal reads sign, digits, point, digits, with at least one digit.
func exactDecimal(s string) (*big.Rat, bool) {
	body := s
	if body != "" && (body[0] == '+' || body[0] == '-') {
		body = body[1:]
	}
	if strings.Trim(body, "0123456789.") != "" || strings.Count(body, ".") > 1 || strings.Trim(body, ".") == "" {
		return nil, false
	}
	whole, places, _ := strings.Cut(body, ".")
	n, ok := new(big.Int).SetString("0"+whole+places, 10)
	if !ok {
		return nil, false
	}
	r := new(big.Rat).SetFrac(n, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(len(places))), nil))
	if s[0] == '-' {
		r.Neg(r)
	}
	return r, true
}

// FuzzText prints every number so that it reads back the same.
func FuzzText(f *testing.F) {
	for _, v := range edges {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v int64) {
		if got, err := ParsePrice(Price(v).String()); err != nil || got != Price(v) {
			t.Fatalf("%d prints %s, which reads %d, %v", v, Price(v), int64(got), err)
		}
	})
}

func BenchmarkMulDiv(b *testing.B) {
	for b.Loop() {
		MulDiv(123_456_789_012, 11_000_000, 100_000_000, HalfUp)
	}
}

func BenchmarkApply(b *testing.B) {
	for b.Loop() {
		Rate(3410).Apply(123_456_789_012, Fen, HalfUp)
	}
}
