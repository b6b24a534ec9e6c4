package broker

import (
	"evenkeel/core/ledger"
	"evenkeel/core/trade"
)

// Describe tells the whole contents of the state as events, so that views can be rebuilt after a Restore. Each has
// Number 0, but for AccountOpened: its Number is that of the last event of the account's stream, with which the stream
// goes on. Time is that of the last command. The kinds, in this order:
//
//	DayStarted       the present day, where one has begun; DayEnded too where it is over
//	RulesAdopted     where rules are in force
//	SecurityListed   each security, by number; SecurityHalt for those halted
//	PhaseChanged     each venue's phase of today
//	ReportTaken      each partition: the last index that was applied
//	then for each account, by number:
//	AccountOpened    credential and present balance
//	SettingsChanged
//	KeyAdded, SessionOpened, DocumentPut   each one it has
//	PositionDay      each position
//	then
//	OrderPlaced      each order of the day, done ones included, by number, as it is now (Status tells), with the present
//	                 balance and position
//
// The event and its texts are valid during the call only.
func (s *State) Describe(visit func(*trade.Event)) {
	var e trade.Event
	tell := func(kind trade.EventKind, account trade.AccountID) {
		e.Kind, e.Time, e.Account, e.Day = kind, s.now, account, s.day
		visit(&e)
		e.Number = 0
	}
	s.describeHouse(&e, tell)
	for n := range ledger.Number(s.accounts.Len()) {
		s.describeAccountAll(&e, n, tell)
	}
	for i := seat(1); int(i) <= s.orders.Len(); i++ {
		o := s.at(i)
		if o.target != 0 {
			continue
		}
		s.describe(&e.Order, i, o)
		e.Balance, e.Position = s.books.Balance(o.account), s.books.Position(o.account, o.Security)
		tell(trade.OrderPlaced, s.accountID(o.account))
	}
}

func (s *State) describeHouse(e *trade.Event, tell func(trade.EventKind, trade.AccountID)) {
	if s.day != 0 {
		tell(trade.DayStarted, 0)
	}
	if s.ended {
		tell(trade.DayEnded, 0)
	}
	if s.rules != nil {
		tell(trade.RulesAdopted, 0)
	}
	for i := range s.securities {
		s.describeSecurity(&e.Security, &s.securities[i])
		tell(trade.SecurityListed, 0)
		if s.lines[i].halted {
			e.Halted = true
			tell(trade.SecurityHalt, 0)
		}
	}
	for v := trade.SSE; v <= trade.BSE && s.day != 0; v++ {
		e.Phase = trade.SetPhase{Venue: v, Phase: s.markets[v].phase, Day: s.day}
		tell(trade.PhaseChanged, 0)
	}
	for i := range s.partitions {
		e.Report = trade.ReportPlace{Partition: s.partitions[i].number, Index: s.partitions[i].last}
		tell(trade.ReportTaken, 0)
	}
}

func (s *State) describeAccountAll(e *trade.Event, n ledger.Number, tell func(trade.EventKind, trade.AccountID)) {
	a, id := s.accounts.At(uint32(n)), s.accountID(n)
	s.describeAccount(e, n, a)
	e.Number = s.books.Card(n).Number
	tell(trade.AccountOpened, id)
	e.Settings = s.books.Card(n).Settings
	tell(trade.SettingsChanged, id)
	for i := a.keys; i != 0; i = s.keys.at(i).next {
		s.describeKey(e, n, a, &s.keys.at(i).value)
		tell(trade.KeyAdded, id)
	}
	for i := a.sessions; i != 0; i = s.sessions.at(i).next {
		s.describeSession(e, n, a, &s.sessions.at(i).value)
		tell(trade.SessionOpened, id)
	}
	for i := a.documents; i != 0; i = s.documents.at(i).next {
		d := &s.documents.at(i).value
		e.Document = trade.Document{Name: s.texts.read(d.name), Body: s.texts.read(d.body)}
		tell(trade.DocumentPut, id)
	}
	for i := range s.books.Positions(n) {
		e.Position = s.books.PositionAt(n, i)
		tell(trade.PositionDay, id)
	}
}
