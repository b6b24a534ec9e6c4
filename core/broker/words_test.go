package broker

import (
	"strconv"
	"strings"
	"testing"

	"evenkeel/core/money"
	"evenkeel/core/trade"
)

// command reads one command of a script.
func (x *script) command(c *trade.Command, w words) {
	switch w[0] {
	case "rules":
		c.Kind, c.AdoptRules.Text = trade.AdoptRulesKind, standardRules()
		if w.at(1) == "bad" {
			c.AdoptRules.Text = []byte("table lots\nnonsense\n")
		} else if w.at(1) == "with" { // rules with 0.00341% 0.00400%
			c.AdoptRules.Text = []byte(strings.ReplaceAll(string(standardRules()), w.at(2), w.at(3)))
		}
	case "day", "endday":
		day := trade.Day(sure[int](x.t)(strconv.Atoi(w.at(1))))
		c.Kind, c.StartDay.Day, c.EndDay.Day = trade.StartDayKind, day, day
		if w[0] == "endday" {
			c.Kind = trade.EndDayKind
		}
	case "phase": // phase SSE Continuous [on 20260708]
		day := trade.Day(sure[int](x.t)(strconv.Atoi(w.after("on", strconv.Itoa(int(x.day))))))
		c.Kind = trade.SetPhaseKind
		c.SetPhase = trade.SetPhase{Venue: x.venue(w.at(1)), Phase: value[trade.Phase](x, "Phase", w.at(2)), Day: day}
	case "list":
		x.list(c, w)
	case "halt", "resume":
		c.Kind, c.HaltSecurity = trade.HaltSecurityKind, trade.HaltSecurity{Security: x.symbol(w.at(1)),
			Halted: w[0] == "halt"}
	case "deposit", "withdraw": // deposit alice 100.00 ref 1
		amount := x.cash(w.at(2))
		if w[0] == "withdraw" {
			amount = -amount
		}
		c.Kind = trade.MoveCashKind
		c.MoveCash = trade.MoveCash{Account: x.account(w.at(1)), Amount: amount, Reference: []byte(w.after("ref",
			x.fresh()))}
	case "shares": // shares alice 600000.SH 1000 cost 9000.00 ref s1
		c.Kind = trade.MoveSharesKind
		c.MoveShares = trade.MoveShares{
			Account: x.account(w.at(1)), Security: x.symbol(w.at(2)), Quantity: x.shares(w.at(3)),
			Cost: x.cash(w.after("cost", "0")), Reference: []byte(w.after("ref", x.fresh())),
		}
	case "buy", "sell", "trade-side-9":
		x.place(c, w)
	case "cancel": // cancel alice a1
		c.Kind, c.CancelOrder = trade.CancelOrderKind, trade.CancelOrder{Account: x.account(w.at(1)),
			Order: x.order(w.at(2))}
	case "replace": // replace alice a1 200 @ 10.10 as a2
		c.Kind = trade.ReplaceOrderKind
		c.ReplaceOrder = trade.ReplaceOrder{
			Account: x.account(w.at(1)), Order: x.order(w.at(2)), Quantity: x.shares(w.at(3)),
			Price: x.price(w.after("@", "0")), ClientID: []byte(w.after("as", "")),
		}
	case "report":
		x.report(c, w)
	default:
		x.credential(c, w)
	}
}

// fresh is a reference that was not used before.
func (x *script) fresh() string { return "at" + strconv.FormatInt(int64(x.now), 10) }

func (x *script) venue(s string) trade.Venue {
	if s == "nowhere" {
		return 9
	}
	return value[trade.Venue](x, "Venue", s)
}

// list 600000.SH SSE Main close 10.00 [condition Normal] [on 20260707] [t0 yes] [number 2]
func (x *script) list(c *trade.Command, w words) {
	day := trade.Day(sure[int](x.t)(strconv.Atoi(w.after("on", strconv.Itoa(int(x.day))))))
	c.Kind = trade.ListSecurityKind
	c.ListSecurity.Security = trade.Security{
		Symbol: []byte(w.at(1)), Name: []byte("浦发银行"), Pinyin: []byte("pfyh"), Venue: x.venue(w.at(2)),
		Board: value[trade.Board](x, "Board", w.at(3)), Condition: value[trade.Condition](x, "Condition",
			w.after("condition", "Normal")),
		TPlusZero: w.after("t0", "") == "yes", PreviousClose: x.price(w.after("close",
			"0")), Listed: 19991110, Day: day,
	}
	number := sure[int](x.t)(strconv.Atoi(w.after("number", "0")))
	c.ListSecurity.Security.ID = trade.SecurityID(number)
}

// buy alice 600000.SH 100 @ 10.00 as a1 [type BestFiveCancel]
func (x *script) place(c *trade.Command, w words) {
	side := map[string]trade.Side{"buy": trade.Buy, "sell": trade.Sell}[w[0]]
	id := w.after("as", "")
	if n := w.after("long", ""); n != "" {
		id = strings.Repeat("x", sure[int](x.t)(strconv.Atoi(n)))
	}
	c.Kind = trade.PlaceOrderKind
	c.PlaceOrder = trade.PlaceOrder{
		Account: x.account(w.at(1)), Security: x.symbol(w.at(2)), Side: side, Channel: trade.REST,
		Type: value[trade.OrderType](x, "OrderType", w.after("type", "Limit")), Quantity: x.shares(w.at(3)),
		Price: x.price(w.after("@", "0")), ClientID: []byte(id),
	}
}

// report accept|reject|trade|cancelled|cancel-rejected|refused a1 [200 @ 10.00] [of #3] [because Reason] [index 7]
// [partition 2]
func (x *script) report(c *trade.Command, w words) {
	kinds := map[string]trade.ReportType{
		"accept": trade.OrderAcceptedReport, "reject": trade.OrderRejectedReport, "trade": trade.TradeReport,
		"cancelled": trade.OrderCancelledReport, "cancel-rejected": trade.CancelRejectedReport,
		"refused":  trade.RefusedReport,
		"nonsense": 9,
	}
	kind, ok := kinds[w.at(1)]
	if !ok {
		x.t.Fatalf("there is no report %q", w.at(1))
	}
	index := x.index + 1
	if kind == trade.RefusedReport {
		index = 0
	}
	c.Kind = trade.ReportKind
	c.Report = trade.Report{
		Type: kind, Partition: uint32(sure[int](x.t)(strconv.Atoi(w.after("partition", "1")))),
		Index:   sure[uint64](x.t)(strconv.ParseUint(w.after("index", strconv.FormatUint(index, 10)), 10, 64)),
		Request: x.order(w.at(2)), Order: x.order(w.at(2)), Price: x.price(w.after("@", "0")), Time: x.now,
		Reason: value[trade.Reason](x, "Reason", w.after("because", "Accepted")),
	}
	copy(c.Report.VenueOrder[:], "V"+w.at(2))
	if q, err := money.ParseQuantity(w.at(3)); err == nil {
		c.Report.Quantity = q
	}
}

// credential reads the commands about who asks.
func (x *script) credential(c *trade.Command, w words) {
	of := x.account(w.at(1))
	switch w[0] {
	case "open": // open alice [may 31] [commission 0.00025 as a Rate] [login bad]
		c.Kind = trade.OpenAccountKind
		c.OpenAccount = trade.OpenAccount{
			Login: []byte(w.after("login", w.at(1))), PasswordHash: []byte("$argon2id$" + w.at(1)),
			Permissions: trade.Permissions(sure[int](x.t)(strconv.Atoi(w.after("may",
				strconv.Itoa(int(trade.MayEverything)))))),
			Commission: money.Rate(sure[int](x.t)(strconv.Atoi(w.after("commission", "25000")))),
		}
	case "password":
		c.Kind, c.SetPassword = trade.SetPasswordKind, trade.SetPassword{Account: of, PasswordHash: []byte(w.at(2))}
	case "key": // key alice K1 may 1
		c.Kind = trade.AddKeyKind
		c.AddKey = trade.AddKey{
			Account: of, KeyID: []byte(w.at(2)), SecretHash: hashOf(w.after("secret",
				w.at(2))), Label: []byte("laptop"),
			Permissions: trade.Permissions(sure[int](x.t)(strconv.Atoi(w.after("may", "1")))),
		}
	case "revoke":
		c.Kind, c.RevokeKey = trade.RevokeKeyKind, trade.RevokeKey{Account: of, KeyID: []byte(w.at(2))}
	case "session": // session alice phone for 60
		seconds := sure[int](x.t)(strconv.Atoi(w.after("for", "3600")))
		c.Kind = trade.OpenSessionKind
		c.OpenSession = trade.OpenSession{
			Account: of, TokenHash: hashOf(w.at(2)), Expires: x.now + trade.Time(seconds)*1_000_000_000, Label: []byte(w.at(2)),
		}
	case "logout":
		c.Kind, c.CloseSession = trade.CloseSessionKind, trade.CloseSession{Account: of, TokenHash: hashOf(w.at(2))}
	case "suspend", "unsuspend":
		c.Kind, c.SetSettings = trade.SetSettingsKind, trade.SetSettings{Account: of,
			Settings: trade.Settings{SuspendTrading: w[0] == "suspend"}}
	case "document": // document alice watchlist [body]
		c.Kind, c.PutDocument = trade.PutDocumentKind, trade.PutDocument{Account: of, Name: []byte(w.at(2)),
			Body: []byte(w.at(3))}
	}
}

// everythingSeen fails where the scripts do not show a command, a status, an event, or a reason that this room gives.
func everythingSeen(t *testing.T, seen map[string]bool) {
	t.Helper()
	elsewhere := map[string]bool{ // given by other rooms, or shown by tests that need thousands of commands
		"CommandKind NoCommand": true, "OrderStatus NoStatus": true, "EventKind NoEvent": true,
	}
	for of, names := range constants(t) {
		if of != "CommandKind" && of != "OrderStatus" && of != "EventKind" {
			continue
		}
		for _, name := range names {
			if !seen[of+" "+name] && !elsewhere[of+" "+name] {
				t.Errorf("no script shows %s %s", of, name)
			}
		}
	}
	for _, name := range strings.Fields(`UnknownAccount AccountBlocked TradingSuspended UnknownSecurity BoardNotAllowed
		ConditionUnknown SecuritySuspended RulesMissing SecurityHalted MarketClosed SideUnknown MarketOrderNoLimit
		TypeNotAvailable MarketOrderNotNow FixedPriceNotNow PriceMissing PriceNotAllowed PriceNotOnTick PriceAboveLimit
		PriceBelowLimit QuantityNotPositive QuantityAboveMaximum QuantityBelowMinimum OddLotNotWhole QuantityNotInLots
		AmountOverflows InsufficientCash InsufficientSellable ClientIDUsed LoginTaken LoginInvalid
		CommissionInvalid UnknownKey KeyTaken UnknownSession UnknownDocument WrongDay AmountNotPositive NotWithdrawable
		UnknownOrder NotOwner OrderAlreadyDone CancelPendingNow NoCancelInThisPhase NothingToReplace ReplaceBelowFilled
		FilledBeforeReplace ReportGap ReportRepeated ReportUnknownRequest ReportUntrue RulesInvalid DayNotLater
		CommandUnreadable ExpiredAtClose CancelledByVenue TypeRemainder VenueRefused`) {
		if !seen["Reason "+name] {
			t.Errorf("no script shows the reason %s", name)
		}
	}
}
