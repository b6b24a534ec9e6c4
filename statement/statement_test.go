package statement

import (
	"bytes"
	"regexp"
	"strconv"
	"testing"

	"evenkeel/core/money"
)

const yuan = money.Cash(money.Scale)

func month(trades int) *Statement {
	s := &Statement{Chinese: true, Month: "2026-11", Number: "000000000001", Login: "demo1", Made: "2026-11-26 10:00:00",
		Opening: 1_000_000 * yuan, Movements: []Movement{{"2026-11-02 09:00:00", 50_000 * yuan, "入金"},
			{"2026-11-03 09:00:00", -20_000 * yuan, "出金"}},
		Positions: []Position{{"600519.SH", "贵州茅台", 100, 168_800 * yuan}}}
	for i := range trades {
		s.Trades = append(s.Trades, Trade{"2026-11-04 10:00:" + strconv.Itoa(10+i%50), "000001.SZ", "平安银行", i%2 == 0,
			money.Price(11 * money.Scale), 100, 1100 * yuan, 5 * yuan})
	}
	s.Closing = s.Opening + s.Sums().Net
	return s
}

func TestSums(t *testing.T) {
	s := month(3)
	v := s.Sums()
	want := Sums{In: 50_000 * yuan, Out: 20_000 * yuan, Bought: 2200 * yuan, Sold: 1100 * yuan, Fees: 15 * yuan,
		Net: (30_000 - 1100 - 15) * yuan}
	if v != want || !s.Balanced() {
		t.Errorf("sums are %+v, want %+v; balanced %t", v, want, s.Balanced())
	}
	if s.Closing++; s.Balanced() {
		t.Error("a month with a cent too much is balanced")
	}
}

// TestPages: a long month goes on over pages, and each file holds only the part of the font that it needs.
func TestPages(t *testing.T) {
	for trades, pages := range map[int]int{0: 1, 200: 5} {
		var b bytes.Buffer
		if err := month(trades).Write(&b); err != nil {
			t.Fatal(err)
		}
		if got := len(regexp.MustCompile(`/Type /Page\b`).FindAll(b.Bytes(), -1)); got != pages {
			t.Errorf("%d trades are on %d pages, want %d", trades, got, pages)
		}
		if b.Len() > 200_000 {
			t.Errorf("%d trades take %d bytes", trades, b.Len())
		}
	}
}

func TestUnknownCharacter(t *testing.T) {
	s := month(1)
	s.Movements[0].Reference = "\U0001F600 \u4DB5" // neither is in GB 2312
	if err := s.Write(&bytes.Buffer{}); err != nil {
		t.Error(err)
	}
}

func TestGroup(t *testing.T) {
	for in, out := range map[string]string{"0.00": "0.00", "-1234567.80": "-1,234,567.80", "999": "999",
		"1000": "1,000"} {
		if got := group(in); got != out {
			t.Errorf("%s becomes %s, want %s", in, got, out)
		}
	}
}
