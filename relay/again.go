package relay

import "evenkeel/core/trade"

// A rule says whether a command whose outcome is unknown may be handed out again, and what the answer to the second
// try means then.
type rule struct {
	again bool
	// ofDay: what makes a second time harmless is forgotten at the end of the trading day (StartDay frees client order
	// ids and references, and order numbers of the day before are unknown).
	ofDay bool
	// means turns the answer to a second try into the one to give; nil: as it is. false: nobody knows the first answer.
	means func(second *trade.Answer, c *trade.Command) bool
}

// secondTries are the rules by kind of command. Each line rests on what core/broker does with the same command for the
// second time; the test beside this file plays every line against it. A kind that is not here is never handed out
// twice.
//
// Kinds that set a value (settings, documents, halts, rules, lists) may be set once more after another node's wish for
// the same value came in between: both wishes were under way at once, and the later one to arrive stands.
var secondTries = map[trade.CommandKind]rule{
	// A client order id stands for one order of the day: the second answer is Replayed and tells how the order stands.
	trade.PlaceOrderKind:   {again: true, ofDay: true},
	trade.ReplaceOrderKind: {again: true, ofDay: true},
	// A reference moves once a day; the second answer is Replayed.
	trade.MoveCashKind:   {again: true, ofDay: true},
	trade.MoveSharesKind: {again: true, ofDay: true},
	// A second cancel finds the first one pending, or the order cancelled.
	trade.CancelOrderKind: {again: true, ofDay: true, means: cancelled},
	// The same key or token again is Replayed.
	trade.AddKeyKind:      {again: true},
	trade.OpenSessionKind: {again: true},
	// What the first try took away is unknown to the second.
	trade.RevokeKeyKind:    {again: true, means: goneBy(trade.UnknownKey)},
	trade.CloseSessionKind: {again: true, means: goneBy(trade.UnknownSession)},
	// Setting what is set already changes nothing.
	trade.SetSettingsKind:  {again: true},
	trade.HaltSecurityKind: {again: true},
	trade.AdoptRulesKind:   {again: true},
	trade.ListSecurityKind: {again: true},
	trade.PutDocumentKind:  {again: true, means: removed},
	// One login is one account, so that a second try makes no second one; but a login that is taken may be taken by
	// somebody else.
	trade.OpenAccountKind: {again: true, means: func(second *trade.Answer, _ *trade.Command) bool {
		return second.Reason != trade.LoginTaken
	}},
	// Not here: SetPassword (what protects an account is not set twice without being asked), and SetPhase, Report,
	// StartDay, EndDay (the link to the exchange proposes them, and asks the exchange after a change of leader).
}

// ruleOf reads the kind of an encoded command (core/trade: a byte of version, one of kind).
func ruleOf(command []byte) rule {
	if len(command) < 2 || command[0] < 1 || command[0] > trade.Version {
		return rule{}
	}
	return secondTries[trade.CommandKind(command[1])]
}

// meaning turns the answer to a second try of a command into the one to give; false: it stays unknown.
func meaning(command []byte, second *trade.Answer) bool {
	r := ruleOf(command)
	if r.means == nil {
		return true
	}
	var c trade.Command
	if err := trade.DecodeCommand(command, &c); err != nil {
		return true // the books could not read it either
	}
	return r.means(second, &c)
}

// cancelled: the order's cancel is pending, or it was cancelled. That is what was asked for, whoever asked first.
func cancelled(second *trade.Answer, c *trade.Command) bool {
	done := second.Reason == trade.OrderAlreadyDone && second.Status == trade.Cancelled
	if second.Reason == trade.CancelPendingNow || done {
		*second = trade.Answer{Status: second.Status, Account: c.CancelOrder.Account, Order: c.CancelOrder.Order}
	}
	return true
}

// goneBy: what is unknown to the second try is not there, as was asked for.
func goneBy(reason trade.Reason) func(*trade.Answer, *trade.Command) bool {
	return func(second *trade.Answer, c *trade.Command) bool {
		if second.Reason == reason {
			*second = trade.Answer{Account: max(c.RevokeKey.Account, c.CloseSession.Account)}
		}
		return true
	}
}

// removed: a document that is not there needs no removal.
func removed(second *trade.Answer, c *trade.Command) bool {
	if second.Reason == trade.UnknownDocument && len(c.PutDocument.Body) == 0 {
		*second = trade.Answer{Account: c.PutDocument.Account}
	}
	return true
}
