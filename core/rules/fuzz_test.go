package rules

import (
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"evenkeel/core/money"
	"evenkeel/core/trade"
)

// stripped is a text without comments and empty lines, with one space between words.
func stripped(text string) string {
	var b strings.Builder
	for line := range strings.SplitSeq(text, "\n") {
		line, _, _ = strings.Cut(strings.TrimSuffix(line, "\r"), "#")
		words := strings.FieldsFunc(line, func(c rune) bool { return c == ' ' || c == '\t' })
		if len(words) > 0 {
			b.WriteString(strings.Join(words, " ") + "\n")
		}
	}
	return b.String()
}

// small is a text with few rows (SSE alone, without holidays), so that a fuzzer's change meets something.
func small() string {
	var b strings.Builder
	for line := range strings.Lines(stripped(Embedded())) {
		if strings.HasPrefix(line, "SZSE ") || strings.HasPrefix(line, "BSE ") || strings.HasPrefix(line, "closed 202") {
			continue
		}
		b.WriteString(strings.NewReplacer("SSE,SZSE", "SSE", "Main,ChiNext,STAR", "Main,STAR").Replace(line))
	}
	return b.String()
}

// FuzzParse puts a line in the place of another, or reads it as the whole text. What is accepted prints back word for
// word, reads again, and answers without panic; what is refused says why in a short line.
func FuzzParse(f *testing.F) {
	lines := strings.Split(small(), "\n")
	for i, line := range lines {
		f.Add(uint16(i), line)
	}
	f.Add(uint16(math.MaxUint16), "table ticks\nvenue board from to tick mark source\n")
	f.Add(uint16(math.MaxUint16), "")
	f.Fuzz(func(t *testing.T, at uint16, line string) {
		text := line
		if int(at) < len(lines) {
			changed := slices.Clone(lines)
			changed[at] = line
			text = strings.Join(changed, "\n")
		}
		r, err := Parse(text)
		if err != nil {
			if len(err.Error()) > 600 || strings.ContainsAny(err.Error(), "\n\x00") {
				t.Fatalf("an error of %d bytes: %q", len(err.Error()), err)
			}
			return
		}
		if got, want := r.String(), stripped(text); got != want {
			t.Fatalf("accepted, and printed differently:\n%s", firstDifference(want, got))
		}
		if again, err := Parse(r.String()); err != nil || again.String() != r.String() {
			t.Fatalf("printed, and refused: %v", err)
		}
		for _, day := range []trade.Day{FirstDay, 20190722, 20260706, LastDay} {
			r.NextTradingDay(day)
			r.PreviousTradingDay(day)
			r.PhaseAt(trade.SSE, day, 12*Hour)
			r.Takes(trade.SSE, day, trade.Lunch)
			for _, board := range []trade.Board{trade.Main, trade.STAR, trade.ETF} {
				terms, _ := r.Terms(trade.SSE, board, trade.Normal, day)
				terms.Limits(123_400)
				terms.Cage(trade.Sell, 123_400)
				terms.Fees(trade.Sell, 123_400, 25_000)
				terms.ValidQuantity(trade.Sell, trade.Limit, 1234, 2345)
			}
		}
	})
}

// TestSmallSeed keeps the fuzzer's seed parsable, or it would fuzz nothing but errors.
func TestSmallSeed(t *testing.T) {
	if _, err := Parse(small()); err != nil {
		t.Fatal(err)
	}
}

// FuzzDays compares the civil days with package time.
func FuzzDays(f *testing.F) {
	f.Add(int32(19920229), int64(0))
	f.Add(int32(20000229), int64(1_790_000_000_123_456_789))
	f.Add(int32(21000229), int64(-1))
	f.Add(int32(21991231), int64(-28_800_000_000_001))
	f.Add(int32(19700102), int64(57_600_000_000_000)) // midnight in Shanghai, and a moment before
	f.Add(int32(19700101), int64(57_599_999_999_999))
	shanghaiZone := time.FixedZone("Asia/Shanghai", 8*60*60)
	f.Fuzz(func(t *testing.T, d int32, n int64) {
		y, m, day := int(d)/10000, int(d)/100%100, int(d)%100
		date := time.Date(y, time.Month(m), day, 0, 0, 0, 0, shanghaiZone)
		back := trade.Day(date.Year()*10000 + int(date.Month())*100 + date.Day())
		valid := d >= int32(FirstDay) && d <= int32(LastDay) && back == trade.Day(d)
		if ValidDay(trade.Day(d)) != valid {
			t.Fatalf("ValidDay(%d) = %t", d, !valid)
		}
		if valid {
			if Weekday(trade.Day(d)) != int(date.Weekday()) {
				t.Fatalf("Weekday(%d) = %d", d, Weekday(trade.Day(d)))
			}
			next := date.AddDate(0, 0, 1)
			want := trade.Day(next.Year()*10000 + int(next.Month())*100 + next.Day())
			if got := AddDays(trade.Day(d), 1); got != want || AddDays(got, -1) != trade.Day(d) ||
				DaysBetween(trade.Day(d), got) != 1 {
				t.Fatalf("after %d comes %d, want %d", d, got, want)
			}
			if Join(trade.Day(d), 0) != trade.Time(date.UnixNano()) && y < 2262 {
				t.Fatalf("Join(%d, 0) = %d", d, Join(trade.Day(d), 0))
			}
		}
		moment := time.Unix(0, n).In(shanghaiZone)
		gotDay, at := Split(trade.Time(n))
		if gotDay != trade.Day(moment.Year()*10000+int(moment.Month())*100+moment.Day()) || at < 0 || at >= FullDay ||
			int64(at/Second) != int64(moment.Hour()*3600+moment.Minute()*60+moment.Second()) {
			t.Fatalf("Split(%d) = %d, %d; want %v", n, gotDay, at, moment)
		}
		if Join(gotDay, at) != trade.Time(n) {
			t.Fatalf("Join(Split(%d)) = %d", n, Join(gotDay, at))
		}
	})
}

// someTerms picks terms by a number.
func someTerms(r *Rules, pick uint8) Terms {
	venues := []trade.Venue{trade.SSE, trade.SZSE, trade.SSE, trade.BSE, trade.SZSE}
	boards := []trade.Board{trade.Main, trade.ChiNext, trade.STAR, trade.BSEMain, trade.ETF}
	i := int(pick) % len(venues)
	terms, _ := r.Terms(venues[i], boards[i], trade.Normal, []trade.Day{20230207, 20260706}[int(pick)/len(venues)%2])
	return terms
}

// FuzzPrices compares limits, cages and ticks with unlimited integers.
func FuzzPrices(f *testing.F) {
	f.Add(int64(114_000), uint8(0))
	f.Add(int64(18_200), uint8(3))
	f.Add(int64(1), uint8(7))
	f.Add(int64(9_223_372_036_854_775_807), uint8(2))
	r := Standard()
	f.Fuzz(func(t *testing.T, p int64, pick uint8) {
		terms := someTerms(r, pick)
		tick := int64(terms.Tick)
		down, up, ok := terms.Limits(money.Price(p))
		if ok != (p > 0 && up > 0) {
			t.Fatalf("Limits(%d) = %v, %v, %t", p, down, up, ok)
		}
		if ok {
			checkLimits(t, &terms, p, down, up)
		}
		checkCage(t, &terms, p)
		below, above, ok := terms.Ticks(money.Price(p))
		switch {
		case ok && p > 0 && (int64(below) > p || p-int64(below) >= tick || int64(above) < p || int64(above)-p >= tick):
			t.Fatalf("Ticks(%d) = %v, %v", p, below, above)
		case ok && (above <= 0 || !terms.OnTick(above) || below != 0 && !terms.OnTick(below)):
			t.Fatalf("Ticks(%d) = %v, %v, not on the tick", p, below, above)
		case terms.OnTick(money.Price(p)) && (int64(below) != p || below != above):
			t.Fatalf("Ticks(%d) = %v, %v, which is on the tick", p, below, above)
		}
	})
}

func checkLimits(t *testing.T, terms *Terms, p int64, down, up money.Price) {
	tick, rate := int64(terms.Tick), int64(terms.LimitRate)
	if !terms.OnTick(down) || !terms.OnTick(up) {
		t.Fatalf("limits of %d are %v and %v, not on the tick", p, down, up)
	}
	wantUp := rounded(p, int64(money.Whole)+rate, tick, terms.LimitRounding)
	least := new(big.Int).Add(big.NewInt(p), big.NewInt(tick))
	if wantUp.Cmp(least) < 0 {
		wantUp = least.Add(least, big.NewInt(tick-1))
		wantUp.Sub(wantUp, new(big.Int).Mod(wantUp, big.NewInt(tick)))
	}
	wantDown := rounded(p, int64(money.Whole)-rate, tick, terms.LimitRounding)
	if most := big.NewInt(p - tick); wantDown.Cmp(most) > 0 {
		wantDown = most.Sub(most, new(big.Int).Mod(most, big.NewInt(tick)))
	}
	if wantDown.Cmp(big.NewInt(tick)) < 0 {
		wantDown = big.NewInt(tick)
	}
	if wantUp.Cmp(big.NewInt(int64(up))) != 0 || wantDown.Cmp(big.NewInt(int64(down))) != 0 {
		t.Fatalf("limits of %d are %d and %d, want %v and %v", p, int64(down), int64(up), wantDown, wantUp)
	}
}

func checkCage(t *testing.T, terms *Terms, p int64) {
	tick, rate := int64(terms.Tick), int64(terms.CageRate)
	buy, has := terms.Cage(trade.Buy, money.Price(p))
	sell, _ := terms.Cage(trade.Sell, money.Price(p))
	if has != terms.HasCage {
		t.Fatalf("Cage has %t", has)
	}
	if !has || p <= 0 || buy == 0 || sell == 0 {
		if has && p >= tick && p < 1<<55 {
			t.Fatalf("no cage for %d", p)
		}
		letsBuy := buy == 0 && terms.InCage(trade.Buy, 1, money.Price(p))
		letsSell := sell == 0 && terms.InCage(trade.Sell, 1<<62, money.Price(p))
		if has && (letsBuy || letsSell) {
			t.Fatalf("a cage that is not known for %d lets an order in", p)
		}
		return
	}
	away := terms.CageTicks * tick
	wantBuy := rounded(p, int64(money.Whole)+rate, tick, terms.CageRounding)
	wantSell := rounded(p, int64(money.Whole)-rate, tick, terms.CageRounding)
	if away > 0 {
		if alternative := big.NewInt((p + away) / tick * tick); wantBuy.Cmp(alternative) < 0 {
			wantBuy = alternative
		}
		if alternative := big.NewInt((p - away + tick - 1) / tick * tick); wantSell.Cmp(alternative) > 0 {
			wantSell = alternative
		}
	}
	if wantSell.Cmp(big.NewInt(tick)) < 0 {
		wantSell = big.NewInt(tick)
	}
	if wantBuy.Cmp(big.NewInt(int64(buy))) != 0 || wantSell.Cmp(big.NewInt(int64(sell))) != 0 {
		t.Fatalf("cage of %d is %d and %d, want %v and %v", p, int64(buy), int64(sell), wantBuy, wantSell)
	}
	if !terms.InCage(trade.Buy, buy, money.Price(p)) || terms.InCage(trade.Buy, buy+1, money.Price(p)) ||
		!terms.InCage(trade.Sell, sell, money.Price(p)) || terms.InCage(trade.Sell, sell-1, money.Price(p)) {
		t.Fatalf("InCage and Cage of %d differ", p)
	}
}

// FuzzFees compares every item with unlimited integers, and holds that fees never fall when the amount rises.
func FuzzFees(f *testing.F) {
	f.Add(int64(100_000_000), int64(25_000), int64(1), true, false, uint8(0))
	f.Add(int64(9_223_372_036_854_775_807), int64(300_000), int64(1), false, true, uint8(1))
	r := Standard()
	f.Fuzz(func(t *testing.T, amount, rate, more int64, sell, exclusive bool, pick uint8) {
		terms := someTerms(r, pick)
		side, levies, quoting := trade.Buy, terms.Tariff.Buy, Inclusive
		if sell {
			side, levies = trade.Sell, terms.Tariff.Sell
		}
		if exclusive {
			quoting = Exclusive
		}
		got, ok := terms.Tariff.Fees(side, money.Cash(amount), money.Rate(rate), quoting)
		if refused := amount < 0 || rate < 0 || rate > int64(terms.Tariff.CommissionMost); refused != !ok {
			// The largest rates are far below 1, so that every amount has its fees.
			t.Fatalf("Fees(%d, %d) = %+v, %t", amount, rate, got, ok)
		}
		if !ok || amount == 0 {
			if got != (Fees{}) {
				t.Fatalf("fees of nothing: %+v", got)
			}
			return
		}
		item := func(r money.Rate) money.Cash {
			return money.Cash(rounded(amount, int64(r), int64(money.Fen), money.HalfUp).Int64())
		}
		want := Fees{
			Commission: max(item(money.Rate(rate)), terms.Tariff.CommissionMin), Stamp: item(levies.Stamp),
			Transfer: item(levies.Transfer), Handling: item(levies.Handling), Supervision: item(levies.Supervision),
		}
		want.Total = want.Commission + want.Stamp + want.Transfer
		if exclusive {
			want.Total += want.Handling + want.Supervision
		}
		if got != want {
			t.Fatalf("Fees(%d, %d) = %+v, want %+v", amount, rate, got, want)
		}
		if larger, fits := money.Add(amount, max(more, 0)); fits {
			if further, _ := terms.Tariff.Fees(side, money.Cash(larger), money.Rate(rate), quoting); further.Total < got.Total {
				t.Fatalf("fees fall from %v to %v when the amount rises from %d to %d", got.Total, further.Total, amount, larger)
			}
		}
	})
}

// validSale says in plain words which sales the odd-lot rule allows.
func validSale(terms *Terms, q, sellable money.Quantity) bool {
	least, step := terms.SellMinimum, terms.SellIncrement
	switch {
	case q <= 0 || q > sellable || q > terms.MaxLimit:
		return false
	case q >= least && (q-least)%step == 0:
		return true // whole lots
	case sellable < least:
		return q == sellable // the rest, at once
	case step > 1:
		return (sellable-q)%step == 0 // takes the whole odd lot with it: what stays is lots
	}
	return false
}

func validBuy(terms *Terms, q money.Quantity) bool {
	return q >= terms.BuyMinimum && q <= terms.MaxLimit && (q-terms.BuyMinimum)%terms.BuyIncrement == 0
}

// TestQuantities compares every small quantity with the rule in plain words: Accepted exactly if valid, and else the
// nearest valid quantity below, or the smallest.
func TestQuantities(t *testing.T) {
	r := Standard()
	for pick := range uint8(5) {
		terms := someTerms(r, pick)
		terms.MaxLimit = 530 // so that the maximum is met too
		for sellable := money.Quantity(-1); sellable <= top; sellable++ {
			checkQuantities(t, func(q money.Quantity) (trade.Reason, money.Quantity) {
				return terms.ValidQuantity(trade.Sell, trade.Limit, q, sellable)
			}, func(q money.Quantity) bool { return validSale(&terms, q, sellable) })
			if t.Failed() {
				t.Fatalf("selling of %d on board %d", sellable, terms.Board)
			}
		}
		checkQuantities(t, func(q money.Quantity) (trade.Reason, money.Quantity) {
			return terms.ValidQuantity(trade.Buy, trade.Limit, q, 0)
		}, func(q money.Quantity) bool { return validBuy(&terms, q) })
	}
}

// top is above the largest quantity that the test allows.
const top = 640

func checkQuantities(
	t *testing.T, ask func(money.Quantity) (trade.Reason, money.Quantity), valid func(money.Quantity) bool,
) {
	t.Helper()
	smallest := money.Quantity(0)
	for q := money.Quantity(top); q > 0; q-- {
		if valid(q) {
			smallest = q
		}
	}
	want := smallest // the largest valid quantity up to q
	for q := money.Quantity(-2); q <= top; q++ {
		if valid(q) {
			want = q
		}
		if reason, nearest := ask(q); (reason == trade.Accepted) != valid(q) || nearest != want {
			t.Errorf("%d: reason %d, nearest %d; valid %t, nearest %d", q, reason, nearest, valid(q), want)
		}
	}
}
