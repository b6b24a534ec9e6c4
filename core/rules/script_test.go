package rules

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"evenkeel/core/money"
	"evenkeel/core/trade"
)

var update = flag.Bool("update", false, "write what the rules answer into testdata/*.txt")

// TestScripts runs testdata/*.txt: a line is a question, the indented lines below it are the answer.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := run(t, string(text))
			switch {
			case *update:
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			case got != string(text):
				t.Errorf("%s differs; the first line that does:\n%s", file, firstDifference(string(text), got))
			}
		})
	}
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			return fmt.Sprintf("line %d\nwant %s\ngot  %s", i+1, w[i], g[i])
		}
	}
	return fmt.Sprintf("one has %d lines, the other %d", len(w), len(g))
}

// run answers every question of a script again, and keeps the rest.
func run(t *testing.T, text string) string {
	r := Standard()
	var out bytes.Buffer
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "  ") {
			continue
		}
		out.WriteString(line)
		question := strings.TrimSpace(line)
		if question == "" || question[0] == '#' {
			continue
		}
		for answer := range strings.Lines(answer(t, r, question)) {
			out.WriteString("  " + strings.TrimRight(answer, "\n") + "\n")
		}
	}
	return out.String()
}

// asked is a question: a verb, the words behind it, and name=value pairs.
type asked struct {
	t     *testing.T
	verb  string
	words []string
	named []string
}

func answer(t *testing.T, r *Rules, question string) string {
	if rest, ok := strings.CutPrefix(question, "edit "); ok {
		return edited(t, rest)
	}
	q := asked{t: t}
	for i, f := range strings.Fields(question) {
		switch {
		case i == 0:
			q.verb = f
		case strings.Contains(f, "="):
			q.named = append(q.named, f)
		default:
			q.words = append(q.words, f)
		}
	}
	switch q.verb {
	case "phase":
		return q.phase(r)
	case "day":
		return q.day(r)
	case "marks":
		return marksOf(r)
	case "halts":
		return q.halts(r)
	case "lines":
		return q.lines(r)
	}
	terms, ok := q.terms(r)
	if !ok {
		missing := r.Missing(terms.Venue, terms.Board, terms.Condition, terms.Day)
		return "unknown: orders are refused; no row in table " + missing
	}
	switch q.verb {
	case "terms":
		text := describe(&terms)
		if days, ok := r.FreeDays(terms.Venue, terms.Board, terms.Day); ok {
			text += fmt.Sprintf("new listings have no limit for %d days\n", days)
		}
		return text
	case "limits":
		return q.limits(&terms)
	case "cage":
		return q.cage(&terms)
	case "fees":
		return q.fees(&terms)
	case "quantity":
		reason, nearest := terms.ValidQuantity(q.side(), q.orderType(), q.number("q"), q.number("sellable"))
		return fmt.Sprintf("%s, nearest %d", reasonText(reason), nearest)
	case "price":
		below, above, ok := terms.Ticks(q.price("p"))
		return fmt.Sprintf("valid %t, below %v, above %v, %t", terms.OnTick(q.price("p")), below, above, ok)
	}
	t.Fatalf("no such verb: %q", question)
	return ""
}

func (q *asked) value(name string) string {
	for _, n := range q.named {
		if v, ok := strings.CutPrefix(n, name+"="); ok {
			return v
		}
	}
	return ""
}

func (q *asked) price(name string) money.Price {
	if q.value(name) == "" {
		return 0
	}
	p, err := money.ParsePrice(q.value(name))
	if err != nil {
		q.t.Fatal(err)
	}
	return p
}

func (q *asked) number(name string) money.Quantity {
	if q.value(name) == "" {
		return 0
	}
	n, err := strconv.ParseInt(q.value(name), 10, 64)
	if err != nil {
		q.t.Fatal(err)
	}
	return money.Quantity(n)
}

func (q *asked) rate(name string) money.Rate {
	v, ok := parsePercent(q.value(name))
	if !ok {
		q.t.Fatalf("%s: no percentage in %v", name, q.named)
	}
	return money.Rate(v)
}

// word returns the place of the first word of the question that stands in a list, or 0.
func (q *asked) word(words []string) int64 {
	for _, w := range q.words {
		if i, ok := place(w, words); ok {
			return i
		}
	}
	return 0
}

func (q *asked) side() trade.Side {
	i, _ := place(q.value("side"), sideWords)
	return trade.Side(i)
}

func (q *asked) orderType() trade.OrderType {
	if i, ok := place(q.value("type"), typeWords); ok {
		return trade.OrderType(i)
	}
	return trade.Limit
}

func (q *asked) on() trade.Day {
	for _, w := range q.words {
		if d, ok := parseDay(w); ok {
			return trade.Day(d)
		}
	}
	q.t.Fatalf("%v has no day", q.words)
	return 0
}

// terms reads "VENUE BOARD CONDITION DAY"; a board that is a venue's own name is written twice.
func (q *asked) terms(r *Rules) (Terms, bool) {
	if len(q.words) != 4 {
		q.t.Fatalf("want VENUE BOARD CONDITION DAY, not %v", q.words)
	}
	venue, _ := place(q.words[0], venueWords)
	board, _ := place(q.words[1], boardWords)
	condition, _ := place(q.words[2], conditionWords)
	if q.words[2] == "suspended" {
		condition = int64(trade.Suspended)
	}
	terms, ok := r.Terms(trade.Venue(venue), trade.Board(board), trade.Condition(condition), q.on())
	if !ok {
		terms.Venue, terms.Board, terms.Condition = trade.Venue(venue), trade.Board(board), trade.Condition(condition)
		terms.Day = q.on()
	}
	return terms, ok
}

func (q *asked) limits(t *Terms) string {
	down, up, ok := t.Limits(q.price("previous"))
	if !ok {
		return fmt.Sprintf("no answer; the security has a limit: %t", t.HasLimit)
	}
	return fmt.Sprintf("down %v, up %v", down, up)
}

func (q *asked) cage(t *Terms) string {
	ask := func(side trade.Side) string {
		reference := q.price("r")
		if reference == 0 {
			reference = Reference(side, q.price("bid"), q.price("ask"), q.price("last"), q.price("previous"))
		}
		bound, has := t.Cage(side, reference)
		if !has {
			return "no cage"
		}
		return bound.String()
	}
	return "buy at most " + ask(trade.Buy) + ", sell at least " + ask(trade.Sell)
}

func (q *asked) fees(t *Terms) string {
	amount, err := money.ParseCash(q.value("amount"))
	if err != nil {
		q.t.Fatal(err)
	}
	quoting := Inclusive
	if q.value("quoting") == "exclusive" {
		quoting = Exclusive
	}
	f, ok := t.Tariff.Fees(q.side(), amount, q.rate("commission"), quoting)
	if !ok {
		return "no answer"
	}
	return fmt.Sprintf("total %v = commission %v + stamp %v + transfer %v; handling %v, supervision %v",
		f.Total, f.Commission, f.Stamp, f.Transfer, f.Handling, f.Supervision)
}

func (q *asked) phase(r *Rules) string {
	venue := trade.Venue(q.word(venueWords))
	at, ok := parseTime(q.value("at"))
	if !ok {
		q.t.Fatalf("%v has no time", q.named)
	}
	phase := r.PhaseAt(venue, q.on(), TimeOfDay(at))
	orders, cancels := r.Takes(venue, q.on(), phase)
	if phase == trade.UnknownPhase {
		return "unknown"
	}
	text := fmt.Sprintf("%s: orders %s, cancels %s", phaseWords[phase], acceptanceWords[orders], acceptanceWords[cancels])
	if next, begins, ok := r.Next(venue, q.on(), TimeOfDay(at)); ok && phase != trade.Closed {
		text += fmt.Sprintf("; %s at %s", phaseWords[next], timeText(int64(begins)))
	}
	return text
}

func (q *asked) day(r *Rules) string {
	open, known := r.IsTradingDay(q.on())
	before, knownBefore := r.PreviousTradingDay(q.on())
	after, knownAfter := r.NextTradingDay(q.on())
	text := fmt.Sprintf("trading %t, previous %s, next %s", open, dayText(int64(before)), dayText(int64(after)))
	if !known || !knownBefore || !knownAfter {
		text += "; beyond the known calendar"
	}
	return text
}

// halts plays the trades of a new listing: "halts VENUE BOARD new DAY open=P trades=TIME@P,...".
func (q *asked) halts(r *Rules) string {
	terms, ok := q.terms(r)
	if !ok {
		return "unknown"
	}
	var marks HaltMarks
	var out strings.Builder
	for trade := range strings.SplitSeq(q.value("trades"), ",") {
		when, text, _ := strings.Cut(trade, "@")
		at, _ := parseTime(when)
		p, err := money.ParsePrice(text)
		if err != nil {
			q.t.Fatal(err)
		}
		var halts bool
		marks, halts = terms.Halt.Trips(q.price("open"), p, marks)
		fmt.Fprintf(&out, "%s at %v", when, p)
		if halts {
			fmt.Fprintf(&out, ": halted until %s", timeText(int64(terms.Halt.Until(TimeOfDay(at)))))
		}
		out.WriteByte('\n')
	}
	return out.String()
}

func (q *asked) lines(r *Rules) string {
	venue, board := trade.Venue(q.word(venueWords)), trade.Board(q.word(boardWords))
	text := ""
	if p, ok := r.Programme(venue, q.on()); ok {
		text += fmt.Sprintf("high-frequency: %d in a second or %d in a day\n", p.PerSecond, p.PerDay)
	}
	percentage := func(r money.Rate) string { return string(appendPercent(nil, int64(r))) }
	if s, ok := r.Spoofing(venue, board, q.on()); ok {
		text += fmt.Sprintf("spoofing: %s from the previous close, %s cancelled, moved %s, best %d levels\n",
			percentage(s.Distance), percentage(s.Cancelled), percentage(s.Moved), s.Levels)
	}
	if d, ok := r.Deviations(venue, board, q.on()); ok {
		text += fmt.Sprintf("deviation: 3 days %s; 10 days +%s/-%s; 30 days +%s/-%s\n", percentage(d.ThreeDays),
			percentage(d.TenUp), percentage(d.TenDown), percentage(d.ThirtyUp), percentage(d.ThirtyDown))
	}
	if text == "" {
		return "no rule"
	}
	return text
}

// edited replaces the one place of the embedded text that holds OLD: `edit OLD -> NEW`, where \n is a line break.
func edited(t *testing.T, question string) string {
	before, after, ok := strings.Cut(question, " -> ")
	if !ok {
		t.Fatalf("want edit OLD -> NEW, not %q", question)
	}
	after = strings.NewReplacer(`\n`, "\n", `\0`, "\x00", `\xff`, "\xff").Replace(after)
	text := spaced(Embedded())
	if strings.Count(text, before) != 1 {
		t.Fatalf("%q stands %d times in the text", before, strings.Count(text, before))
	}
	if _, err := Parse(strings.Replace(text, before, after, 1)); err != nil {
		return err.Error()
	}
	return "accepted"
}

// spaced makes each run of spaces one, keeping lines and comments.
func spaced(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(strings.Join(strings.Fields(line), " ") + "\n")
	}
	return b.String()
}

// marksOf lists the rows that are not verified, so that a new one is seen in review.
func marksOf(r *Rules) string {
	var b strings.Builder
	for _, row := range r.Rows() {
		if row.Mark != "seen" {
			fmt.Fprintf(&b, "%s: %s %s %s\n", row.Table, row.Text, row.Mark, row.Source)
		}
	}
	return b.String()
}

func describe(t *Terms) string {
	var b strings.Builder
	fmt.Fprintf(&b, "tick %v\n", t.Tick)
	fmt.Fprintf(&b, "buy %d + n x %d, sell %d + n x %d, odd lot %s, largest limit %d, largest market %d\n", t.BuyMinimum,
		t.BuyIncrement, t.SellMinimum, t.SellIncrement, map[bool]string{true: "once", false: "refused"}[t.OddLotOnce],
		t.MaxLimit, t.MaxMarket)
	for o := trade.Limit; o <= trade.FixedPrice; o++ {
		if !t.Types.Has(o) {
			continue
		}
		fmt.Fprintf(&b, "%s:", typeWords[o])
		for p := trade.BeforeOpen; p <= trade.Halted; p++ {
			if t.Accepts(o, p) {
				b.WriteString(" " + phaseWords[p])
			}
		}
		if t.Protected.Has(o) {
			b.WriteString(", with a protection price")
		}
		b.WriteByte('\n')
	}
	if t.HasLimit {
		fmt.Fprintf(&b, "limit %s %s\n", appendPercent(nil, int64(t.LimitRate)), roundingWords[t.LimitRounding])
	} else {
		fmt.Fprintf(&b, "no limit; halts at %s and %s for %d minutes, to %s\n", appendPercent(nil, int64(t.Halt.First)),
			appendPercent(nil, int64(t.Halt.Second)), t.Halt.Length/Minute, timeText(int64(t.Halt.End)))
	}
	if t.HasCage {
		fmt.Fprintf(&b, "cage %s or %d ticks\n", appendPercent(nil, int64(t.CageRate)), t.CageTicks)
	} else {
		b.WriteString("no cage\n")
	}
	fmt.Fprintf(&b, "sellable after %d days; on the same day %t, with the T+0 flag %t\n", t.ShareDays,
		t.Sellable(false), t.Sellable(true))
	fmt.Fprintf(&b, "fixed price after hours: %t\n", t.FixedPrice())
	fmt.Fprintf(&b, "closing price %s, call auction %s\n", closingWords[t.Closing], tieBreakWords[t.TieBreak])
	for _, side := range [...]struct {
		name string
		l    Levies
	}{{"buy", t.Tariff.Buy}, {"sell", t.Tariff.Sell}} {
		fmt.Fprintf(&b, "%s: stamp %s, transfer %s, handling %s, supervision %s\n", side.name,
			appendPercent(nil, int64(side.l.Stamp)), appendPercent(nil, int64(side.l.Transfer)),
			appendPercent(nil, int64(side.l.Handling)), appendPercent(nil, int64(side.l.Supervision)))
	}
	fmt.Fprintf(&b, "commission at most %s, at least %v\n", appendPercent(nil, int64(t.Tariff.CommissionMost)),
		t.Tariff.CommissionMin)
	return b.String()
}

func reasonText(r trade.Reason) string {
	switch r {
	case trade.Accepted:
		return "sound"
	case trade.SideUnknown:
		return "side unknown"
	case trade.QuantityNotPositive:
		return "not positive"
	case trade.QuantityAboveMaximum:
		return "above the maximum"
	case trade.InsufficientSellable:
		return "more than is sellable"
	case trade.OddLotNotWhole:
		return "part of an odd lot"
	case trade.QuantityBelowMinimum:
		return "below the minimum"
	case trade.QuantityNotInLots:
		return "not in lots"
	}
	return fmt.Sprint(r)
}
