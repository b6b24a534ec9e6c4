package api

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"
	"unicode/utf8"

	"evenkeel/core/trade"
)

// Every reason of the language has a name, a code and both languages; read from its source, so that a new one is
// missed here and nowhere later.
func TestEveryReasonHasTexts(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../core/trade/reason.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "Reason" {
			count += len(spec.Names)
		}
		return true
	})
	if count < 70 || count != len(reasonTexts) {
		t.Errorf("core/trade has %d reasons, the table %d", count, len(reasonTexts))
	}
	names := map[string]trade.Reason{}
	for r, text := range reasonTexts {
		if other, twice := names[text.name]; twice {
			t.Errorf("%s names reasons %d and %d", text.name, r, other)
		}
		names[text.name] = r
		if _, edge := edgeTexts[text.name]; edge && r != trade.PriceOutsideCage {
			t.Errorf("%s is a reason of the edge too", text.name)
		}
		checkText(t, text.name, text)
	}
	for name, text := range edgeTexts {
		checkText(t, name, text)
	}
}

// The list of reasons is read as it stands, by people who meet one of them: nothing in it is left to be filled in.
func TestReasonsInGeneral(t *testing.T) {
	rows := reasonRows()
	if len(rows) < len(reasonTexts)+len(edgeTexts)-1 {
		t.Errorf("%d reasons are told of %d and %d", len(rows), len(reasonTexts), len(edgeTexts))
	}
	for _, row := range rows {
		for _, sentence := range []string{row.English, row.Chinese} {
			if strings.Contains(sentence, "%") || strings.Trim(sentence, "…: ") == "" {
				t.Errorf("%s is told as %q", row.Reason, sentence)
			}
		}
	}
}

func checkText(t *testing.T, name string, v text) {
	t.Helper()
	if name == "" || name != strings.ToUpper(name) || v.code < 200_00000 || v.code > 504_99999 {
		t.Errorf("%q has the code %d", name, v.code)
	}
	if v.english == "" || v.chinese == "" {
		t.Errorf("%s lacks a text", name)
	}
	if !utf8.ValidString(v.chinese) || strings.Contains(v.chinese, "%s") && strings.Count(v.english,
		"%s") != strings.Count(v.chinese, "%s") {
		t.Errorf("%s: the texts take different numbers: %q %q", name, v.english, v.chinese)
	}
}

// Every word table is whole: each constant of core/trade has its word, and no word stands for two.
func TestWordsAreWhole(t *testing.T) {
	seen := map[string]bool{}
	for s := trade.PendingNew; s <= trade.AwaitsCancel; s++ {
		if statusWords[s] == "" || seen[statusWords[s]] || compatStatus(s) == "suspended" {
			t.Errorf("status %d: %q %q", s, statusWords[s], compatStatus(s))
		}
		seen[statusWords[s]] = true
	}
	for p := trade.UnknownPhase; p <= trade.Halted; p++ {
		if w := phaseWords[p]; w.code == "" || w.name == "" || w.chinese == "" || seen[w.code+" phase"] {
			t.Errorf("phase %d: %+v", p, w)
		}
		seen[phaseWords[p].code+" phase"] = true
	}
	for k := trade.OrderPlaced; k <= trade.ReplaceRefused; k++ {
		if kindWords[k] == "" || updateWord(&trade.Event{Kind: k}) == "" {
			t.Errorf("event kind %d has no word", k)
		}
	}
	for k := trade.CashMoved; k <= trade.PositionDay; k++ {
		if kindWords[k] == "" {
			t.Errorf("event kind %d has no word", k)
		}
	}
	for o := trade.BestFiveCancel; o <= trade.FixedPrice; o++ {
		if back, ok := marketType(marketTypes[o]); !ok || back != o {
			t.Errorf("order type %d: %q", o, marketTypes[o])
		}
	}
	for b := trade.Main; b <= trade.ETF; b++ {
		if boardWords[b] == "" {
			t.Errorf("board %d has no word", b)
		}
	}
	for c := trade.UnknownCondition; c <= trade.Suspended; c++ {
		if conditionWords[c] == "" {
			t.Errorf("condition %d has no word", c)
		}
	}
}
