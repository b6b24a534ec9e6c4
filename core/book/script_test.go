package book

import (
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

var update = flag.Bool("update", false, "write what the scripts of testdata say now")

// market is what Book and Plain have in common.
type market interface {
	Submit(Order, *[]Fill) Result
	Rest(Order) Result
	Cancel(Handle, uint64) (money.Quantity, bool)
	Best(trade.Side) (money.Price, money.Quantity, bool)
	Depth(trade.Side, []Level) int
	Count() int
	Auction(Rule) (Auction, bool)
	Uncross(money.Price, *[]Fill) money.Quantity
}

// TestScripts runs the scripts of testdata: a command a line, answers are the indented lines below it. Both books must
// give the same ones.
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
			for name, fresh := range map[string]func() market{
				"fast":  func() market { return New(Options{Tick: 100}) },
				"plain": func() market { return NewPlain(Options{Tick: 100}) },
			} {
				got := runScript(t, string(text), fresh)
				if *update {
					if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
						t.Fatal(err)
					}
				} else if got != string(text) {
					t.Errorf("%s book: %s", name, firstDifference(string(text), got))
				}
			}
		})
	}
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range w {
		if i >= len(g) || w[i] != g[i] {
			return fmt.Sprintf("line %d: want %q, got %q", i+1, w[i], strings.Join(g[min(i, len(g)):min(i+1, len(g))], ""))
		}
	}
	return fmt.Sprintf("%d lines more", len(g)-len(w))
}

var typeNames = map[string]trade.OrderType{
	"limit": trade.Limit, "best-5-cancel": trade.BestFiveCancel, "best-5-limit": trade.BestFiveLimit,
	"ioc": trade.ImmediateOrCancel, "opposite-best": trade.OppositeBest, "own-best": trade.OwnBest,
	"fok": trade.FillOrKill, "fixed-price": trade.FixedPrice,
}

var outcomeNames = map[Outcome]string{
	Filled: "filled", Rests: "rests", RestCancelled: "rest cancelled", NoOppositeSide: "no opposite side",
	NoOwnSide: "no own side", NotFillable: "not fillable", BeyondProtection: "beyond protection",
	InvalidSide: "invalid side", InvalidType: "invalid type", InvalidQuantity: "invalid quantity",
	InvalidPrice: "invalid price", BookFull: "book full",
}

var sideNames = map[trade.Side]string{trade.Buy: "buy", trade.Sell: "sell"}

var venueNames = map[string]trade.Venue{"sse": trade.SSE, "szse": trade.SZSE, "bse": trade.BSE}

func runScript(t *testing.T, text string, fresh func() market) string {
	t.Helper()
	var out strings.Builder
	m, handles := fresh(), map[uint64]Handle{}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "  ") {
			continue
		}
		out.WriteString(line)
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		if words[0] == "new" {
			m, handles = fresh(), map[uint64]Handle{}
			continue
		}
		say := func(format string, args ...any) { fmt.Fprintf(&out, "  "+format+"\n", args...) }
		runCommand(t, m, handles, words, say)
	}
	return out.String()
}

func runCommand(t *testing.T, m market, handles map[uint64]Handle, words []string, say func(string, ...any)) {
	t.Helper()
	price := func(s string) money.Price {
		if s == "-" {
			return 0
		}
		p, err := money.ParsePrice(s)
		if err != nil {
			t.Fatal(words, err)
		}
		return p
	}
	var fills []Fill
	defer func() {
		for _, f := range fills {
			say("trade %v x %d: maker %d leaves %d, taker %d leaves %d",
				f.Price, f.Quantity, f.Maker, f.MakerLeft, f.Taker, f.TakerLeft)
		}
	}()
	id, _ := strconv.ParseUint(words[len(words)-1], 10, 64)
	switch words[0] {
	case "rest", "buy", "sell", "none":
		words = append(words, "", "", "", "")
		rest := words[0] == "rest"
		if rest {
			words = words[1:]
		}
		side := map[string]trade.Side{"buy": trade.Buy, "sell": trade.Sell}[words[0]]
		quantity, _ := strconv.ParseInt(words[3], 10, 64)
		o := Order{ID: id, Side: side, Type: typeNames[words[1]], Price: price(words[2]), Quantity: money.Quantity(quantity)}
		var r Result
		if rest {
			r = m.Rest(o)
		} else {
			r = m.Submit(o, &fills)
		}
		handles[id] = r.Handle
		if !r.Outcome.Refused() && r.Filled+r.Rested+r.Cancelled != o.Quantity {
			t.Errorf("%v: %+v does not add up", words, r)
		}
		if !rest || r.Outcome != Rests {
			say("%s: filled %d, rests %d at %v, cancelled %d",
				outcomeNames[r.Outcome], r.Filled, r.Rested, r.Price, r.Cancelled)
		}
	case "cancel":
		left, ok := m.Cancel(handles[id], id)
		say("%v, %d left", ok, left)
	case "depth":
		var levels [20]Level
		for _, side := range []trade.Side{trade.Sell, trade.Buy} {
			n := m.Depth(side, levels[:])
			for i, l := range levels[:n] {
				if side == trade.Sell {
					l = levels[n-1-i]
				}
				say("%-4s %v x %d in %d", sideNames[side], l.Price, l.Quantity, l.Orders)
			}
		}
	case "auction":
		rule := Rule{Venue: venueNames[words[1]]}
		if len(words) > 2 {
			rule.Reference = price(words[2])
		}
		a, ok := m.Auction(rule)
		if !ok {
			say("none")
			break
		}
		say("%s", strings.TrimSpace(fmt.Sprintf("%v x %d, unmatched %d %s",
			a.Price, a.Matched, a.Unmatched, sideNames[a.UnmatchedSide])))
	case "uncross":
		say("%d traded", m.Uncross(price(words[1]), &fills))
	default:
		t.Fatalf("unknown command %q", words)
	}
}
