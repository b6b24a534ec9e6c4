package broker

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"evenkeel/core/money"
	"evenkeel/core/rules"
	"evenkeel/core/trade"
)

var update = flag.Bool("update", false, "write what the scripts of testdata/ say now")

// The scripts of testdata/*.txt are read by people first. A line at the left margin is a command; below it, indented,
// stands what came of it: the answer, the events, the new requests to the exchange. # begins a comment. The commands
// are those of the function words below. After every line the invariants of the whole house are checked, and every
// second line goes on with a state that was restored from a snapshot.

// constants are the names of core/trade's constants by type and value, read from its source: the language has no
// printer.
func constants(t testing.TB) map[string]map[uint64]string {
	t.Helper()
	names := map[string]map[uint64]string{}
	files, err := filepath.Glob("../trade/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no source of core/trade: %v", err)
	}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || spec.Type == nil || len(spec.Values) != 1 {
				return true
			}
			of, isName := spec.Type.(*ast.Ident)
			value, isNumber := spec.Values[0].(*ast.BasicLit)
			if !isName || !isNumber {
				return true
			}
			v, err := strconv.ParseUint(value.Value, 0, 64)
			if err != nil {
				return true
			}
			if names[of.Name] == nil {
				names[of.Name] = map[uint64]string{}
			}
			names[of.Name][v] = spec.Names[0].Name
			return true
		})
	}
	return names
}

type script struct {
	t        *testing.T
	names    map[string]map[uint64]string
	seen     map[string]bool // constants that were printed
	state    *State
	now      trade.Time
	accounts map[string]trade.AccountID
	orders   map[string]trade.OrderID // by client order id
	index    uint64
	day      trade.Day
	out      trade.Output
	said     strings.Builder
}

func newScript(t *testing.T) *script {
	return &script{
		t: t, names: constants(t), seen: map[string]bool{}, state: New(7), accounts: map[string]trade.AccountID{},
		orders: map[string]trade.OrderID{},
	}
}

// name prints a constant and notes that it was seen.
func (x *script) name(of string, v uint64) string {
	n, ok := x.names[of][v]
	if !ok {
		return fmt.Sprintf("%s(%d)", of, v)
	}
	x.seen[of+" "+n] = true
	return n
}

// value finds a constant by its name.
func value[T ~uint8 | ~uint16](x *script, of, name string) T {
	for v, n := range x.names[of] {
		if n == name {
			return T(v)
		}
	}
	x.t.Fatalf("there is no %s %s", of, name)
	return 0
}

func (x *script) say(format string, args ...any) { fmt.Fprintf(&x.said, "\t"+format+"\n", args...) }

// words are the fields of a line. The word behind a keyword ("as a1") is looked up by its keyword.
type words []string

func (w words) after(keyword, otherwise string) string {
	if i := slices.Index(w, keyword); i >= 0 && i+1 < len(w) {
		return w[i+1]
	}
	return otherwise
}

func (w words) at(i int) string {
	if i < len(w) {
		return w[i]
	}
	return ""
}

func sure[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func (x *script) cash(s string) money.Cash   { return sure[money.Cash](x.t)(money.ParseCash(s)) }
func (x *script) price(s string) money.Price { return sure[money.Price](x.t)(money.ParsePrice(s)) }
func (x *script) shares(s string) money.Quantity {
	return sure[money.Quantity](x.t)(money.ParseQuantity(s))
}

func (x *script) symbol(s string) trade.SecurityID {
	if y := x.state.findSymbol([]byte(s)); y != nil {
		return y.ID
	}
	return 999
}

func (x *script) account(s string) trade.AccountID {
	if id, ok := x.accounts[s]; ok {
		return id
	}
	return 7<<trade.ShardShift | 9999
}

// order finds an order by its client order id, or a request by its number ("#3").
func (x *script) order(s string) trade.OrderID {
	if n, ok := strings.CutPrefix(s, "#"); ok {
		return 7<<trade.ShardShift | trade.OrderID(sure[uint64](x.t)(strconv.ParseUint(n, 10, 64)))
	}
	if id, ok := x.orders[s]; ok {
		return id
	}
	return 7<<trade.ShardShift | 9999
}

// run carries out a line.
func (x *script) run(line string) {
	w := words(strings.Fields(line))
	var c trade.Command
	switch w[0] {
	case "show":
		x.show(w)
		return
	case "outbox":
		x.state.Outbox(func(o trade.Outgoing) { x.say("%s", x.outgoing(&o)) })
		return
	case "house":
		h := x.state.House()
		x.say("outside %v, market %v, fees %v (commission %v, stamp duty %v, transfer %v)", h.External, h.Market,
			h.Fees.Total(), h.Fees.Commission, h.Fees.StampDuty, h.Fees.Transfer)
		return
	case "untrue":
		x.say("%d reports could not be true", x.state.Untrue())
		return
	}
	x.command(&c, w)
	if c.Kind == trade.NoCommand {
		x.t.Fatalf("nobody understands %q", line)
	}
	x.name("CommandKind", uint64(c.Kind))
	// Through the encoding, as in the log.
	encoded, err := trade.AppendCommand(nil, &c)
	if err != nil {
		x.t.Fatalf("%q: %v", line, err)
	}
	var again trade.Command
	if err := trade.DecodeCommand(encoded, &again); err != nil {
		x.t.Fatalf("%q: %v", line, err)
	}
	x.now += 1_000_000_000
	x.out.Reset()
	answer := x.state.Apply(x.now, &again, &x.out)
	x.answered(&c, w, &answer)
}

func (x *script) answered(c *trade.Command, w words, a *trade.Answer) {
	if a.Reason == trade.Accepted {
		if id := w.after("as", ""); id != "" && a.Order != 0 {
			x.orders[id] = a.Order
		}
		if c.Kind == trade.OpenAccountKind {
			x.accounts[w.at(1)] = a.Account
		}
		if c.Kind == trade.StartDayKind {
			x.day = c.StartDay.Day
		}
	}
	if a.Reason != trade.ReportGap && a.Reason != trade.ReportRepeated && a.Reason != trade.CommandUnreadable &&
		c.Kind == trade.ReportKind && c.Report.Partition == 1 {
		x.index = max(x.index, c.Report.Index)
	}
	if a.Reason != trade.Accepted {
		x.say("refused: %s%s", x.name("Reason", uint64(a.Reason)), x.numbers(a.Reason, a.Numbers))
	} else if a.Replayed {
		x.say("as before%s", x.status(a.Status))
	}
	for i := range x.out.Events {
		if e := &x.out.Events[i]; e.Kind != trade.ReportTaken {
			x.say("%s", x.event(e))
		} else {
			x.name("EventKind", uint64(e.Kind))
		}
	}
	for i := range x.out.Outgoing {
		x.say("-> %s", x.outgoing(&x.out.Outgoing[i]))
	}
	for _, id := range x.out.Confirmed {
		x.say("confirmed #%d", uint64(id)&trade.NumberMask)
	}
}

func (x *script) status(s trade.OrderStatus) string {
	if s == trade.NoStatus {
		return ""
	}
	return ": " + x.name("OrderStatus", uint64(s))
}

func (x *script) numbers(r trade.Reason, n trade.Numbers) string {
	if n == (trade.Numbers{}) {
		return ""
	}
	show := func(v int64) string { return strconv.FormatInt(v, 10) }
	if u := r.Unit(); u == trade.Prices || u == trade.Money {
		show = func(v int64) string { return money.Cash(v).String() }
	}
	return fmt.Sprintf(", given %s, bound %s, nearest %s", show(n.Given), show(n.Bound), show(n.Nearest))
}

func (x *script) show(w words) {
	if a, ok := x.accounts[w.at(1)]; ok {
		n, _ := x.state.account(a)
		b := x.state.books.Balance(n)
		x.say("available %v, frozen %v, receivable %v, withdrawable %v", b.Available, b.Frozen, b.Receivable,
			b.Withdrawable())
		for i := range x.state.books.Positions(n) {
			p := x.state.books.PositionAt(n, i)
			x.say("%s: %s", x.state.texts.read(x.state.security(p.Security).symbol), position(&p))
		}
		return
	}
	i, ok := x.state.seatOf(x.order(w.at(1)))
	if !ok {
		x.t.Fatalf("nobody knows %q", w.at(1))
	}
	var o trade.Order
	x.state.describe(&o, i, x.state.at(i))
	x.say("%s", x.describe(&o))
}

func position(p *trade.Position) string {
	return fmt.Sprintf("%d shares (sellable %d, frozen %d, bought today %d), cost %v", p.Total, p.Sellable, p.Frozen,
		p.Bought, p.Cost)
}

func (x *script) describe(o *trade.Order) string {
	side := "buy"
	if o.Side == trade.Sell {
		side = "sell"
	}
	s := fmt.Sprintf("%s (#%d) %s: %s %d @ %v", o.ClientID, uint64(o.ID)&trade.NumberMask, x.name("OrderStatus",
		uint64(o.Status)),
		side, o.Quantity, o.Price)
	if o.Type != trade.Limit {
		s += " " + x.name("OrderType", uint64(o.Type))
	}
	if o.Filled > 0 {
		s += fmt.Sprintf(", filled %d for %v, fees %v", o.Filled, o.Amount, o.Fees.Total())
	}
	if o.FrozenCash > 0 {
		s += fmt.Sprintf(", frozen %v", o.FrozenCash)
	}
	if o.FrozenShares > 0 {
		s += fmt.Sprintf(", frozen %d shares", o.FrozenShares)
	}
	if o.Reason != trade.Accepted {
		s += ", because " + x.name("Reason", uint64(o.Reason)) + x.numbers(o.Reason, o.Numbers)
	}
	return s
}

func (x *script) event(e *trade.Event) string {
	s := x.name("EventKind", uint64(e.Kind))
	if e.Kind.Numbered() {
		s = fmt.Sprintf("%d. %s", e.Number, s)
	}
	switch {
	case e.Kind.OfOrder():
		s += " " + x.describe(&e.Order)
		if e.Kind == trade.OrderTraded {
			s += fmt.Sprintf("; %d @ %v, fees %v + %v + %v", e.Trade.Quantity, e.Trade.Price, e.Trade.Fees.Commission,
				e.Trade.Fees.StampDuty, e.Trade.Fees.Transfer)
		}
		s += fmt.Sprintf("; available %v", e.Balance.Available)
	case e.Kind == trade.CashMoved:
		s += fmt.Sprintf(" %v %q; available %v", e.Cash.Amount, e.Cash.Reference, e.Balance.Available)
	case e.Kind == trade.SharesMoved:
		s += fmt.Sprintf(" %d for %v; %s", e.Shares.Quantity, e.Shares.Cost, position(&e.Position))
	case e.Kind == trade.AccountDay:
		s += fmt.Sprintf(" %d: equity %v, available %v", e.Day, e.Equity, e.Balance.Available)
	case e.Kind == trade.PositionDay:
		s += fmt.Sprintf(" %d: %s", e.Day, position(&e.Position))
	case e.Kind == trade.SecurityListed:
		s += fmt.Sprintf(" %d %s limits %v to %v", e.Security.ID, e.Security.Symbol, e.Security.LowerLimit,
			e.Security.UpperLimit)
	case e.Kind == trade.PhaseChanged:
		s += fmt.Sprintf(" %s %s", x.name("Venue", uint64(e.Phase.Venue)), x.name("Phase", uint64(e.Phase.Phase)))
	case e.Kind == trade.SecurityHalt:
		s += fmt.Sprintf(" %d %t", e.Security.ID, e.Halted)
	case e.Kind == trade.SettingsChanged:
		s += fmt.Sprintf(" %+v", e.Settings)
	case e.Kind == trade.DocumentPut:
		s += fmt.Sprintf(" %s %q", e.Document.Name, e.Document.Body)
	case e.Kind >= trade.AccountOpened && e.Kind <= trade.SessionClosed:
		s += fmt.Sprintf(" %s %s %s may %d, hash %x", e.Credential.Login, e.Credential.KeyID, e.Credential.Label,
			e.Credential.Permissions, e.Credential.Hash[:2])
	case e.Kind == trade.DayStarted || e.Kind == trade.DayEnded:
		s += fmt.Sprintf(" %d", e.Day)
	}
	return s
}

func (x *script) outgoing(o *trade.Outgoing) string {
	number := func(id trade.OrderID) uint64 { return uint64(id) & trade.NumberMask }
	if o.Cancel {
		return fmt.Sprintf("#%d cancel #%d", number(o.Request), number(o.Order))
	}
	side := map[trade.Side]string{trade.Buy: "buy", trade.Sell: "sell"}[o.Side]
	return fmt.Sprintf("#%d %s %d of %d @ %v %s", number(o.Request), side, o.Quantity, o.Security, o.Price,
		x.name("OrderType", uint64(o.Type)))
}

// check verifies the invariants, and that a restored state is the same.
func (x *script) check(line string, swap bool) {
	if err := x.state.Check(); err != nil {
		x.t.Fatalf("after %q: %v", line, err)
	}
	var first, second bytes.Buffer
	if err := x.state.Snapshot(&first); err != nil {
		x.t.Fatal(err)
	}
	fresh := New(7)
	if err := fresh.Restore(bytes.NewReader(first.Bytes())); err != nil {
		x.t.Fatalf("after %q: %v", line, err)
	}
	if err := fresh.Snapshot(&second); err != nil {
		x.t.Fatal(err)
	}
	if fresh.Hash() != x.state.Hash() || !bytes.Equal(first.Bytes(), second.Bytes()) {
		x.t.Fatalf("after %q: the restored state is another", line)
	}
	if swap {
		x.state = fresh
	}
}

func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	seen := map[string]bool{}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			was, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			x := newScript(t)
			lines := 0
			for line := range strings.Lines(string(was)) {
				command := strings.TrimSpace(strings.Split(line, "#!")[0])
				if strings.HasPrefix(line, "\t") {
					continue
				}
				x.said.WriteString(line)
				if command == "" || strings.HasPrefix(command, "#") {
					continue
				}
				x.run(command)
				lines++
				x.check(command, lines%2 == 0)
			}
			maps.Copy(seen, x.seen)
			if got := x.said.String(); got != string(was) {
				if !*update {
					t.Fatalf("%s says otherwise now (see with -update):\n%s", name, firstDifference(string(was), got))
				}
				if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
	if !t.Failed() {
		everythingSeen(t, seen)
	}
}

func firstDifference(was, is string) string {
	a, b := strings.Split(was, "\n"), strings.Split(is, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("line %d\nwas %s\nis  %s", i+1, a[i], b[i])
		}
	}
	return fmt.Sprintf("%d lines, were %d", len(b), len(a))
}

// standardRules are the embedded tables.
func standardRules() []byte { return []byte(rules.Embedded()) }

func hashOf(s string) [32]byte { return sha256.Sum256([]byte(s)) }
