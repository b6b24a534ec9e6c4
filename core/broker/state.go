// Package broker is the broker's books as a deterministic state machine: accounts and credentials, the list of
// securities, orders and their life, the outbox of requests to the exchange, and the reports that come back.
//
// Units: those of core/money and core/trade. Time is that of the log entry and never runs backwards in the state.
//
// Invariants, verified by Check (with those of core/ledger):
//   - Same commands, same state, same events, same snapshot bytes.
//   - The sum of the hashes of all rows, kept up to date by every command, is what a walk over the rows finds.
//   - A refused command changes nothing but the clock; its Answer says why. Two exceptions, because a link must not
//     stall on them: a report for an unknown request (ReportUnknownRequest) and one that contradicts the books
//     (ReportUntrue) use up their index.
//   - A report is applied once, in order, per partition.
//   - An order has something frozen while it lives and nothing when it is done; the outbox holds exactly the requests
//     that the exchange has not confirmed.
//   - Client order ids are unique per account and day, references of movements likewise; the second time is answered
//     like the first (Replayed, with the order's present status). Refused commands leave no id behind.
//   - Numbers of requests are dense and never used twice; orders and cancels share the sequence.
//
// Phases: an order goes to the outbox (PendingNew) where the phase takes orders, and waits (Held) where the rules say
// that the broker holds them and the phase that follows takes the type; else it is refused. UnknownPhase counts as
// BeforeOpen once a day has started. When a phase takes them, held orders and cancels go out in the order in which
// they came. A cancel of a held order is immediate. A security takes orders only on the day that its last ListSecurity
// named.
//
// It never sends anything, never sees a clock, a socket or a password, and never repairs what an exchange said.
//
// Source: trading rules of SSE, SZSE and BSE for phases; SZSE binary interface, for ClOrdID, ReportIndex and the order
// of reports of one partition.
package broker

import (
	"evenkeel/core/ledger"
	"evenkeel/core/money"
	"evenkeel/core/rules"
	"evenkeel/core/trade"
)

// Limits of one shard. MaxOpenOrders stands in core/risk, MaxSecurities and MaxAmount in core/ledger.
const (
	MaxAccounts       = ledger.MaxAccounts
	MaxKeys           = 16      // API keys of an account
	MaxSessions       = 32      // sessions of an account
	MaxDocuments      = 32      // documents of an account
	MaxOrdersOfDay    = 1 << 28 // orders and cancels of a day
	MaxMovementsOfDay = 1 << 26 // movements of cash and shares of a day
	MaxPartitions     = 1024    // report partitions of all venues
	MaxTariffs        = 4096    // tables of fees that held on one day
)

// account is what the broker knows of an account besides its ledger and its card there.
type account struct {
	login     text // in State.texts, like all others here
	password  text
	keys      uint32 // first of its list; 0: none
	sessions  uint32
	documents uint32
}

// security is one entry of the list, as it was given.
type security struct {
	trade.Security // texts are empty: they stand below
	symbol         text
	name           text
	pinyin         text
	mark           uint64 // what State.sums has of it
}

// line is what an order asks of a security, kept apart because it is asked so often: the lines of all securities fit
// in a processor's cache.
type line struct {
	upper, lower money.Price // limits of the day, 0: none
	day          trade.Day   // for which all this holds
	terms        uint16      // in State.terms
	tariff       uint16      // in State.tariffs
	venue        trade.Venue
	board        trade.Board
	condition    trade.Condition
	tPlusZero    bool
	known        bool // terms hold
	halted       bool
}

// market is where a venue stands.
type market struct {
	phase   trade.Phase
	meets   trade.Phase // the phase that an order of now will meet: the present one, or the next where orders are held
	orders  rules.Acceptance
	cancels rules.Acceptance
}

// partition is how far the reports of one partition were applied.
type partition struct {
	number uint32
	last   uint64
}

// movement is a reference that was used today.
type movement struct {
	account   ledger.Number
	shares    bool
	reference text // in State.clientIDs
}

// State is everything that one shard of the broker knows. One goroutine owns it.
type State struct {
	shard   uint16
	now     trade.Time
	day     trade.Day
	ended   bool
	digest  uint64 // of all events and requests so far: each seeds the next
	sums    sums   // of the rows as they are now
	untrue  uint64 // reports that could not be true
	seed    uint64 // of the hashes of client ids and references: unknown to clients, new every day
	out     *trade.Output
	words   [8 * hashedWords]byte // of an order's event, to be hashed
	scratch [64]byte              // of what is shorter
	coded   []byte                // of events that are rare

	books     ledger.Books
	accounts  ledger.Sheets[account]
	logins    index
	keys      drawer[key]
	keyIDs    index
	sessions  drawer[session]
	documents drawer[document]
	texts     archive

	rulesText  []byte
	rules      *rules.Rules
	securities []security
	lines      []line        // of the securities
	terms      []rules.Terms // that lines refer to; each once, and some that none refers to any more
	symbols    index
	markets    [trade.BSE + 1]market
	partitions []partition

	// Of the day; cleared by StartDay.
	base      uint64 // the last request number of the days before
	orders    ledger.Sheets[order]
	chains    [queues]chain
	tariffs   []rules.Tariff
	clients   index
	movements ledger.Sheets[movement]
	moved     index
	clientIDs archive
}

// New returns the empty state of a shard: no accounts, no rules, no day.
func New(shard uint16) *State {
	s := &State{shard: shard}
	s.sums.rules = s.rulesHash()
	return s
}

// Apply carries out one command of the log and appends what came of it to out; now is the time of the log entry. An
// event holds what its kind says, its other members are stale. Bytes in it are valid until the next Apply. In steady
// state placing, cancelling, replacing and reports allocate nothing.
func (s *State) Apply(now trade.Time, c *trade.Command, out *trade.Output) trade.Answer {
	s.now, s.out = max(s.now, now), out
	answer := s.apply(c)
	s.books.Settle()
	s.out = nil
	return answer
}

func (s *State) apply(c *trade.Command) trade.Answer {
	switch c.Kind {
	case trade.PlaceOrderKind:
		return s.place(&c.PlaceOrder)
	case trade.ReportKind:
		return s.report(&c.Report)
	case trade.CancelOrderKind:
		return s.cancelOrder(&c.CancelOrder)
	case trade.ReplaceOrderKind:
		return s.replace(&c.ReplaceOrder)
	case trade.MoveCashKind:
		return s.moveCash(&c.MoveCash)
	case trade.MoveSharesKind:
		return s.moveShares(&c.MoveShares)
	case trade.OpenAccountKind:
		return s.openAccount(&c.OpenAccount)
	case trade.SetPasswordKind:
		return s.setPassword(&c.SetPassword)
	case trade.AddKeyKind:
		return s.addKey(&c.AddKey)
	case trade.RevokeKeyKind:
		return s.revokeKey(&c.RevokeKey)
	case trade.OpenSessionKind:
		return s.openSession(&c.OpenSession)
	case trade.CloseSessionKind:
		return s.closeSession(&c.CloseSession)
	case trade.SetSettingsKind:
		return s.setSettings(&c.SetSettings)
	case trade.PutDocumentKind:
		return s.putDocument(&c.PutDocument)
	case trade.AdoptRulesKind:
		return s.adoptRules(c.AdoptRules.Text)
	case trade.ListSecurityKind:
		return s.listSecurity(&c.ListSecurity.Security)
	case trade.SetPhaseKind:
		return s.setPhase(&c.SetPhase)
	case trade.HaltSecurityKind:
		return s.haltSecurity(&c.HaltSecurity)
	case trade.StartDayKind:
		return s.startDay(c.StartDay.Day)
	case trade.EndDayKind:
		return s.endDay(c.EndDay.Day)
	}
	return refuse(trade.CommandUnreadable)
}

// Rules returns the text of the rules in force, nil before the first. It must not be changed, nor kept beyond the next
// Apply.
func (s *State) Rules() []byte { return s.rulesText }

// Untrue returns how many reports contradicted the books. It should be 0, and somebody should be woken when it is not.
func (s *State) Untrue() uint64 { return s.untrue }

// Balance returns an account's cash; it is for tests and operators, views fold events.
func (s *State) Balance(id trade.AccountID) (trade.Balance, bool) {
	n, a := s.account(id)
	if a == nil {
		return trade.Balance{}, false
	}
	return s.books.Balance(n), true
}

// House returns the house's side of the books.
func (s *State) House() ledger.House { return s.books.House() }

// accountID returns the id of a number in the books.
func (s *State) accountID(n ledger.Number) trade.AccountID {
	return trade.AccountID(uint64(s.shard)<<trade.ShardShift | uint64(n) + 1)
}

// account finds an account, nil when there is none.
func (s *State) account(id trade.AccountID) (ledger.Number, *account) {
	number := uint64(id) & trade.NumberMask
	if uint64(id)>>trade.ShardShift != uint64(s.shard) || number == 0 || number > uint64(s.accounts.Len()) {
		return 0, nil
	}
	return ledger.Number(number - 1), s.accounts.At(uint32(number - 1))
}

// security finds a line of the list, nil when there is none.
func (s *State) security(id trade.SecurityID) *security {
	if id == 0 || uint64(id) > uint64(len(s.securities)) {
		return nil
	}
	return &s.securities[id-1]
}

// line finds a security's line, nil when there is none.
func (s *State) line(id trade.SecurityID) *line {
	if id == 0 || uint64(id) > uint64(len(s.lines)) {
		return nil
	}
	return &s.lines[id-1]
}

// done answers an account's command that was carried out.
func (s *State) done(n ledger.Number) trade.Answer {
	return trade.Answer{Account: s.accountID(n), Number: s.books.Card(n).Number}
}

// replayed answers an account's command that came before.
func (s *State) replayed(n ledger.Number) trade.Answer {
	answer := s.done(n)
	answer.Replayed = true
	return answer
}

func refuse(reason trade.Reason) trade.Answer { return trade.Answer{Reason: reason} }

func refuseWith(reason trade.Reason, given, bound, nearest int64) trade.Answer {
	return trade.Answer{Reason: reason, Numbers: trade.Numbers{Given: given, Bound: bound, Nearest: nearest}}
}

// sellableToday reports whether shares bought today can be sold today.
func (s *State) sellableToday(y *line) bool { return y.known && s.terms[y.terms].Sellable(y.tPlusZero) }

// claimOf is the claim of an order that was not placed.
func claimOf(y trade.SecurityID, side trade.Side, price money.Price, quantity money.Quantity) ledger.Claim {
	return ledger.Claim{Price: price, Quantity: quantity, Security: y, Side: side}
}
