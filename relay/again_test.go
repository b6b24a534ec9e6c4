package relay

import (
	"testing"

	"evenkeel/core/broker"
	"evenkeel/core/rules"
	"evenkeel/core/trade"
)

// A desk is the broker's books with a day begun, one security and one account with cash, shares, a key, a session, a
// document, and a working order.
type desk struct {
	t       *testing.T
	state   *broker.State
	out     trade.Output
	account trade.AccountID
	order   trade.OrderID
}

const testDay = 20260707

func newDesk(t *testing.T) *desk {
	d := &desk{t: t, state: broker.New(1)}
	for _, c := range []trade.Command{
		{Kind: trade.AdoptRulesKind, AdoptRules: trade.AdoptRules{Text: []byte(rules.Embedded())}},
		{Kind: trade.ListSecurityKind, ListSecurity: security()},
		{Kind: trade.StartDayKind, StartDay: trade.StartDay{Day: testDay}},
		{Kind: trade.SetPhaseKind, SetPhase: trade.SetPhase{Venue: trade.SSE, Phase: trade.Continuous, Day: testDay}},
	} {
		d.must(&c)
	}
	d.account = d.must(openAccount("alice")).Account
	d.must(deposit(d.account, 1))
	for _, c := range []trade.Command{
		{Kind: trade.MoveCashKind, MoveCash: trade.MoveCash{Account: d.account, Amount: 1e9, Reference: []byte("much")}},
		{Kind: trade.MoveSharesKind, MoveShares: trade.MoveShares{Account: d.account, Security: 1, Quantity: 1e4, Cost: 1e8,
			Reference: []byte("shares")}},
		{Kind: trade.AddKeyKind, AddKey: trade.AddKey{Account: d.account, KeyID: []byte("old key")}},
		{Kind: trade.OpenSessionKind, OpenSession: trade.OpenSession{Account: d.account, TokenHash: [32]byte{1},
			Expires: 1e18}},
		{Kind: trade.PutDocumentKind, PutDocument: trade.PutDocument{Account: d.account, Name: []byte("old"),
			Body: []byte("text")}},
	} {
		d.must(&c)
	}
	d.order = d.must(d.place("working")).Order
	d.must(&trade.Command{Kind: trade.ReportKind, Report: trade.Report{Type: trade.OrderAcceptedReport, Partition: 1,
		Index: 1, Request: d.order, Order: d.order, Time: 1}})
	return d
}

func security() trade.ListSecurity {
	return trade.ListSecurity{Security: trade.Security{Symbol: []byte("600000.SH"), Name: []byte("bank"),
		Venue: trade.SSE, Board: trade.Main, Condition: trade.Normal, PreviousClose: 10_0000, Day: testDay}}
}

func (d *desk) place(id string) *trade.Command {
	return &trade.Command{Kind: trade.PlaceOrderKind, PlaceOrder: trade.PlaceOrder{Account: d.account, Security: 1,
		Side: trade.Buy, Type: trade.Limit, Price: 10_0000, Quantity: 200, ClientID: []byte(id)}}
}

func (d *desk) apply(c *trade.Command) trade.Answer {
	d.out.Reset()
	return d.state.Apply(1, c, &d.out)
}

func (d *desk) must(c *trade.Command) trade.Answer {
	d.t.Helper()
	a := d.apply(c)
	if a.Reason != trade.Accepted {
		d.t.Fatalf("command of kind %d: refused for %d", c.Kind, a.Reason)
	}
	return a
}

// TestRules plays every command that may be handed out again twice against the books: the second time changes nothing
// that counts, and what the investor is told is what the first try was answered.
func TestRules(t *testing.T) {
	cases := map[trade.CommandKind]func(d *desk, c *trade.Command){
		trade.PlaceOrderKind: func(d *desk, c *trade.Command) { *c = *d.place("new") },
		trade.ReplaceOrderKind: func(d *desk, c *trade.Command) {
			c.ReplaceOrder = trade.ReplaceOrder{Account: d.account, Order: d.order, Price: 9_9900, ClientID: []byte("r")}
		},
		trade.CancelOrderKind: func(d *desk, c *trade.Command) {
			c.CancelOrder = trade.CancelOrder{Account: d.account, Order: d.order}
		},
		trade.MoveCashKind: func(d *desk, c *trade.Command) { *c = *deposit(d.account, 2) },
		trade.MoveSharesKind: func(d *desk, c *trade.Command) {
			c.MoveShares = trade.MoveShares{Account: d.account, Security: 1, Quantity: 100, Cost: 1, Reference: []byte("m")}
		},
		trade.AddKeyKind: func(d *desk, c *trade.Command) {
			c.AddKey = trade.AddKey{Account: d.account, KeyID: []byte("new key"), SecretHash: [32]byte{7}}
		},
		trade.RevokeKeyKind: func(d *desk, c *trade.Command) {
			c.RevokeKey = trade.RevokeKey{Account: d.account, KeyID: []byte("old key")}
		},
		trade.OpenSessionKind: func(d *desk, c *trade.Command) {
			c.OpenSession = trade.OpenSession{Account: d.account, TokenHash: [32]byte{2}, Expires: 1e18}
		},
		trade.CloseSessionKind: func(d *desk, c *trade.Command) {
			c.CloseSession = trade.CloseSession{Account: d.account, TokenHash: [32]byte{1}}
		},
		trade.SetSettingsKind: func(d *desk, c *trade.Command) {
			c.SetSettings = trade.SetSettings{Account: d.account, Settings: trade.Settings{SuspendTrading: true}}
		},
		trade.PutDocumentKind: func(d *desk, c *trade.Command) {
			c.PutDocument = trade.PutDocument{Account: d.account, Name: []byte("old")} // a removal
		},
		trade.HaltSecurityKind: func(_ *desk, c *trade.Command) {
			c.HaltSecurity = trade.HaltSecurity{Security: 1, Halted: true}
		},
		trade.AdoptRulesKind: func(_ *desk, c *trade.Command) {
			c.AdoptRules = trade.AdoptRules{Text: []byte(rules.Embedded())}
		},
		trade.ListSecurityKind: func(_ *desk, c *trade.Command) { c.ListSecurity = security() },
	}
	for kind := range allRules() {
		if cases[kind] == nil && kind != trade.OpenAccountKind { // which TestSecondOpenAccount plays
			t.Errorf("kind %d may be handed out again, and is not tried here", kind)
		}
	}
	for kind, fill := range cases {
		d := newDesk(t)
		c := trade.Command{Kind: kind}
		fill(d, &c)
		c.Kind = kind
		b := encoded(t, &c)
		if !ruleOf(b).again {
			t.Errorf("kind %d is tried here, and may not be handed out again", kind)
		}
		first := d.must(&c)
		hash := d.state.Hash()
		second := d.apply(&c)
		setsValue := kind == trade.AdoptRulesKind || kind == trade.ListSecurityKind
		if d.state.Hash() != hash && !setsValue {
			t.Errorf("kind %d: the second time changed the books", kind)
		}
		if !meaning(b, &second) || second.Reason != trade.Accepted {
			t.Errorf("kind %d: the second answer means %+v", kind, second)
		}
		if second.Account != first.Account || second.Order != first.Order || second.Status != first.Status {
			t.Errorf("kind %d: answered first %+v, then %+v", kind, first, second)
		}
	}
}

// allRules lists the kinds that may be handed out again.
func allRules() map[trade.CommandKind]rule {
	again := map[trade.CommandKind]rule{}
	for kind := range trade.CommandKind(255) {
		if r := ruleOf([]byte{trade.Version, byte(kind)}); r.again {
			again[kind] = r
		}
	}
	return again
}

// TestSecondOpenAccount: a login that is taken by then may be anybody's.
func TestSecondOpenAccount(t *testing.T) {
	d := newDesk(t)
	c := openAccount("bob")
	if first := d.must(c); !meaning(encoded(t, c), &first) {
		t.Error("a good answer is not believed")
	}
	if second := d.apply(c); second.Reason != trade.LoginTaken || meaning(encoded(t, c), &second) {
		t.Errorf("%+v is believed", second)
	}
}

// TestSecondCancel: an order that was cancelled by then was cancelled as asked; one that was filled was not.
func TestSecondCancel(t *testing.T) {
	for _, c := range []struct {
		report trade.ReportType
		index  uint64
		want   trade.Reason
		status trade.OrderStatus
	}{
		{trade.OrderCancelledReport, 2, trade.Accepted, trade.Cancelled},
		{trade.TradeReport, 2, trade.OrderAlreadyDone, trade.Filled},
	} {
		d := newDesk(t)
		cancel := &trade.Command{Kind: trade.CancelOrderKind,
			CancelOrder: trade.CancelOrder{Account: d.account, Order: d.order}}
		d.must(cancel)
		request := d.order
		if c.report == trade.OrderCancelledReport {
			request++ // the cancel's own number
		}
		d.must(&trade.Command{Kind: trade.ReportKind, Report: trade.Report{Type: c.report, Partition: 1, Index: c.index,
			Request: request, Order: d.order, Price: 10_0000, Quantity: 200, Time: 1}})
		second := d.apply(cancel)
		if !meaning(encoded(t, cancel), &second) || second.Reason != c.want || second.Status != c.status {
			t.Errorf("after a report of type %d: %+v", c.report, second)
		}
	}
}

// TestNeverAgain holds the list of what is not handed out twice, and that what cannot be read is not.
func TestNeverAgain(t *testing.T) {
	for _, kind := range []trade.CommandKind{trade.SetPasswordKind, trade.SetPhaseKind, trade.ReportKind,
		trade.StartDayKind, trade.EndDayKind} {
		if ruleOf(encoded(t, &trade.Command{Kind: kind})).again {
			t.Errorf("kind %d may be handed out again", kind)
		}
	}
	place := byte(trade.PlaceOrderKind)
	for _, b := range [][]byte{nil, {1}, {0, place}, {trade.Version + 1, place}} {
		if ruleOf(b).again {
			t.Errorf("%x may be handed out again", b)
		}
	}
}
