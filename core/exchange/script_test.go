package exchange

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"evenkeel/core/book"
	"evenkeel/core/money"
	"evenkeel/core/rules"
	"evenkeel/core/trade"
)

var update = flag.Bool("update", false, "write what the scripts of testdata say now")

// Words of the scripts.
var (
	venueWords = map[string]trade.Venue{"SSE": trade.SSE, "SZSE": trade.SZSE, "BSE": trade.BSE}
	boardWords = map[string]trade.Board{
		"main": trade.Main, "chinext": trade.ChiNext, "star": trade.STAR, "bse": trade.BSEMain, "etf": trade.ETF,
	}
	conditionWords = map[string]trade.Condition{
		"unknown": trade.UnknownCondition, "normal": trade.Normal, "ST": trade.SpecialTreatment, "*ST": trade.DelistingRisk,
		"new": trade.NewListing, "suspended": trade.Suspended,
	}
	sideWords = map[string]trade.Side{"buy": trade.Buy, "sell": trade.Sell}
	typeWords = map[string]trade.OrderType{
		"limit": trade.Limit, "best5-cancel": trade.BestFiveCancel, "best5-limit": trade.BestFiveLimit,
		"ioc": trade.ImmediateOrCancel, "opposite-best": trade.OppositeBest, "own-best": trade.OwnBest,
		"fok": trade.FillOrKill, "fixed": trade.FixedPrice,
	}
	phaseWords = map[string]trade.Phase{
		"before-open": trade.BeforeOpen, "opening-call": trade.OpeningCall, "opening-call-locked": trade.OpeningCallLocked,
		"opening-gap": trade.OpeningGap, "continuous": trade.Continuous, "lunch": trade.Lunch,
		"closing-call": trade.ClosingCall, "fixed-price-entry": trade.FixedPriceEntry,
		"fixed-price-trading": trade.FixedPriceTrading, "closed": trade.Closed,
		"volatility-halt": trade.VolatilityHalt, "halted": trade.Halted,
	}
)

func wordOf[T comparable](words map[string]T, v T) string {
	for w, value := range words {
		if value == v {
			return w
		}
	}
	return fmt.Sprint(v)
}

// reasonWords reads the reasons' names from where they are written.
func reasonWords(t *testing.T) map[trade.Reason]string {
	source, err := os.ReadFile("../trade/reason.go")
	if err != nil {
		t.Fatal(err)
	}
	words := map[trade.Reason]string{}
	for _, m := range regexp.MustCompile(`(?m)^\t(\w+) +Reason += (\d+)`).FindAllStringSubmatch(string(source), -1) {
		n, _ := strconv.Atoi(m[2])
		words[trade.Reason(n)] = m[1]
	}
	return words
}

// TestScripts runs the scripts of testdata: a command a line, what the exchange says is indented below it.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := runScript(t, string(text))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != string(text) {
				t.Error(firstDifference(string(text), got))
			}
		})
	}
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			return fmt.Sprintf("line %d:\nwant %s\ngot  %s\nafter %s", i+1, w[i], g[i], strings.Join(w[max(0, i-2):i], "\n"))
		}
	}
	return fmt.Sprintf("%d lines instead of %d", len(g), len(w))
}

type script struct {
	*floor
	t       *testing.T
	now     trade.Time
	day     trade.Day
	reasons map[trade.Reason]string
	out     strings.Builder
}

func runScript(t *testing.T, text string) string {
	s := &script{floor: newFloor(t, 2, 1), t: t, reasons: reasonWords(t)}
	s.apply(0, &AdoptRules{Text: []byte(rules.Embedded())})
	for i, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		if strings.HasPrefix(line, "  ") {
			continue
		}
		fmt.Fprintln(&s.out, line)
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(line, "#") {
			continue
		}
		func() {
			defer func() {
				if p := recover(); p != nil {
					t.Fatalf("line %d: %s: %v", i+1, line, p)
				}
			}()
			s.line(words)
		}()
	}
	return s.out.String()
}

// line carries out one line:
//
//	HH:MM:SS[.mmm]                               the time from here on
//	day YYYYMMDD
//	list CODE VENUE BOARD CONDITION PREVIOUS [day of listing]
//	phase VENUE PHASE
//	halt CODE | resume CODE | tick
//	PBU buy|sell TYPE CODE QUANTITY PRICE|- ID [written on YYYYMMDD]
//	PBU cancel ID CODE CANCEL-ID [written on YYYYMMDD]
//	show CODE                                    quote and depth, or the auction
//	reports PBU PARTITION FROM
func (s *script) line(w []string) {
	switch {
	case len(w) == 1 && strings.Contains(w[0], ":"):
		_, midnight := s.day, rules.Join(s.day, 0)
		var hour, minute int
		var second float64
		if _, err := fmt.Sscanf(w[0], "%d:%d:%g", &hour, &minute, &second); err != nil {
			panic(err)
		}
		s.now = midnight + trade.Time(hour*3600+minute*60)*1_000_000_000 + trade.Time(second*1000)*1_000_000
	case w[0] == "day":
		s.day = trade.Day(number(w[1]))
		s.now = max(s.now, rules.Join(s.day, 0))
		s.do(&RollDay{Day: s.day})
	case w[0] == "list":
		c := &ListSecurity{
			Code: code(w[1]), Venue: lookUp(venueWords, w[2]), Board: lookUp(boardWords, w[3]),
			Condition: lookUp(conditionWords, w[4]), PreviousClose: price(w[5]), ListedDay: 1000,
		}
		if len(w) > 6 {
			c.ListedDay = int32(number(w[6]))
		}
		s.do(c)
	case w[0] == "phase":
		s.do(&SetPhase{Venue: lookUp(venueWords, w[1]), Phase: lookUp(phaseWords, w[2])})
	case w[0] == "halt":
		s.do(&HaltSecurity{Security: code(w[1])})
	case w[0] == "resume":
		s.do(&ResumeSecurity{Security: code(w[1])})
	case w[0] == "tick":
		s.do(&Tick{})
	case w[0] == "show":
		s.show(w[1])
	case w[0] == "reports":
		s.m.Reports(unit(w[1]), uint32(number(w[2])), uint64(number(w[3])), func(r *Report) bool {
			s.report(r)
			return true
		})
	case w[1] == "cancel":
		c := &Cancel{PBU: unit(w[0]), OrigClOrdID: clOrd(w[2]), Security: code(w[3]), ClOrdID: clOrd(w[4]), Day: s.day}
		if len(w) > 5 {
			c.Day = trade.Day(number(w[7]))
		}
		s.do(c)
	default:
		c := &NewOrder{
			PBU: unit(w[0]), Side: lookUp(sideWords, w[1]), Type: lookUp(typeWords, w[2]), Security: code(w[3]),
			Quantity: money.Quantity(number(w[4])), Price: price(w[5]), ClOrdID: clOrd(w[6]), Account: account("A1"),
			Day: s.day,
		}
		if len(w) > 7 {
			c.Day = trade.Day(number(w[9]))
		}
		s.do(c)
	}
}

func lookUp[T any](words map[string]T, w string) T {
	v, ok := words[w]
	if !ok {
		panic("no such word: " + w)
	}
	return v
}

func number(w string) int64 {
	n, err := strconv.ParseInt(w, 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}

func price(w string) money.Price {
	if w == "-" {
		return 0
	}
	p, err := money.ParsePrice(w)
	if err != nil {
		panic(err)
	}
	return p
}

func (s *script) say(format string, args ...any) { fmt.Fprintf(&s.out, "  "+format+"\n", args...) }

func (s *script) do(c Command) {
	a := s.apply(s.now, c)
	out := &s.floor.out
	if k := c.Kind(); a.Reason != trade.Accepted && k != NewOrderKind && k != CancelKind {
		s.say("answer: %s", s.why(a.Reason, a.Numbers))
	}
	for i := range out.Refusals {
		r := &out.Refusals[i]
		s.say("refused %s %s: %s", trim(r.PBU[:]), trim(r.ClOrdID[:]), s.why(r.Reason, r.Numbers))
	}
	for i := range out.Phases {
		p := &out.Phases[i]
		who := wordOf(venueWords, p.Venue)
		if p.Security != 0 {
			who = s.m.Quote(p.Security).Listing.Code.String()
		}
		s.say("phase %s %s", who, wordOf(phaseWords, p.Phase))
	}
	for i := range out.Reports {
		s.report(&out.Reports[i])
	}
	for i := range out.Trades {
		t := &out.Trades[i]
		how := "in the call"
		if t.Aggressor != 0 {
			how = wordOf(sideWords, t.Aggressor)
		}
		name := s.m.Quote(t.Security).Listing.Code
		s.say("trade %s %d at %v, order %d from %d, %s", name, t.Quantity, t.Price, t.Buy, t.Sell, how)
	}
}

func (s *script) report(r *Report) {
	head := fmt.Sprintf("%s %d/%d %s", trim(r.PBU[:]), r.Partition, r.Index, trim(r.ClOrdID[:]))
	if r.OrigClOrdID != (ClOrdID{}) {
		head += " for " + trim(r.OrigClOrdID[:])
	}
	switch r.Type {
	case trade.OrderAcceptedReport:
		s.say("%s: accepted as %s", head, r.OrderID())
	case trade.OrderRejectedReport:
		s.say("%s: rejected, %s", head, s.why(r.Reason, r.Numbers))
	case trade.TradeReport:
		s.say("%s: traded %d at %v, leaves %d, filled %d", head, r.LastQuantity, r.LastPrice, r.Leaves, r.Filled)
	case trade.OrderCancelledReport:
		why := ""
		if r.Reason != trade.Accepted {
			why = ", " + s.why(r.Reason, r.Numbers)
		}
		s.say("%s: cancelled %d, filled %d%s", head, r.Quantity-r.Filled, r.Filled, why)
	case trade.CancelRejectedReport:
		s.say("%s: cancel rejected, %s", head, s.why(r.Reason, r.Numbers))
	}
}

func (s *script) why(r trade.Reason, n trade.Numbers) string {
	if n == (trade.Numbers{}) {
		return s.reasons[r]
	}
	if r.Unit() == trade.Prices {
		return fmt.Sprintf("%s: given %v, bound %v, nearest %v", s.reasons[r],
			money.Price(n.Given), money.Price(n.Bound), money.Price(n.Nearest))
	}
	return fmt.Sprintf("%s: given %d, bound %d, nearest %d", s.reasons[r], n.Given, n.Bound, n.Nearest)
}

func (s *script) show(name string) {
	n, ok := s.m.Find(code(name))
	if !ok {
		s.say("not listed")
		return
	}
	q := s.m.Quote(n)
	s.say("%s %s, limits %v to %v, previous close %v, close %v", name, wordOf(phaseWords, q.Phase), q.Lower, q.Upper,
		q.Listing.PreviousClose, q.Close)
	d := &q.Statistics
	s.say("open %v, high %v, low %v, last %v, volume %d, turnover %v, trades %d", d.Open, d.High, d.Low, d.Last, d.Volume,
		d.Turnover, d.Trades)
	if a, ok := s.m.Auction(n); ok {
		s.say("auction %v, matched %d, unmatched %d %s", a.Price, a.Matched, a.Unmatched, wordOf(sideWords, a.UnmatchedSide))
	}
	var levels [5]book.Level
	for i := s.m.Depth(n, trade.Sell, levels[:]) - 1; i >= 0; i-- {
		s.say("sell %v x %d", levels[i].Price, levels[i].Quantity)
	}
	for i := range levels[:s.m.Depth(n, trade.Buy, levels[:])] {
		s.say("buy  %v x %d", levels[i].Price, levels[i].Quantity)
	}
}
