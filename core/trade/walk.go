package trade

import "fmt"

func (m *Command) walk(c *Coder) {
	switch m.Kind {
	case OpenAccountKind:
		v := &m.OpenAccount
		c.Text(&v.Login, MaxLogin)
		c.Text(&v.PasswordHash, MaxHash)
		Int32(c, &v.Permissions)
		Int64(c, &v.Commission)
	case SetPasswordKind:
		Int64(c, &m.SetPassword.Account)
		c.Text(&m.SetPassword.PasswordHash, MaxHash)
	case AddKeyKind:
		v := &m.AddKey
		Int64(c, &v.Account)
		c.Text(&v.KeyID, MaxKeyID)
		c.Fixed(v.SecretHash[:])
		Int32(c, &v.Permissions)
		c.Text(&v.Label, MaxLabel)
	case RevokeKeyKind:
		Int64(c, &m.RevokeKey.Account)
		c.Text(&m.RevokeKey.KeyID, MaxKeyID)
	case OpenSessionKind:
		v := &m.OpenSession
		Int64(c, &v.Account)
		c.Fixed(v.TokenHash[:])
		Int64(c, &v.Expires)
		c.Text(&v.Label, MaxLabel)
	case CloseSessionKind:
		Int64(c, &m.CloseSession.Account)
		c.Fixed(m.CloseSession.TokenHash[:])
	case SetSettingsKind:
		Int64(c, &m.SetSettings.Account)
		m.SetSettings.Settings.walk(c)
	case MoveCashKind:
		v := &m.MoveCash
		Int64(c, &v.Account)
		Int64(c, &v.Amount)
		c.Text(&v.Reference, MaxReference)
	case MoveSharesKind:
		v := &m.MoveShares
		Int64(c, &v.Account)
		Int32(c, &v.Security)
		Int64(c, &v.Quantity)
		Int64(c, &v.Cost)
		c.Text(&v.Reference, MaxReference)
	case PlaceOrderKind:
		m.PlaceOrder.walk(c)
	case CancelOrderKind:
		v := &m.CancelOrder
		Int64(c, &v.Account)
		Int64(c, &v.Order)
		Int8(c, &v.Channel)
	case ReplaceOrderKind:
		v := &m.ReplaceOrder
		Int64(c, &v.Account)
		Int64(c, &v.Order)
		Int8(c, &v.Channel)
		Int64(c, &v.Price)
		Int64(c, &v.Quantity)
		c.Text(&v.ClientID, MaxClientID)
	case PutDocumentKind:
		Int64(c, &m.PutDocument.Account)
		c.Text(&m.PutDocument.Name, MaxDocName)
		c.Text(&m.PutDocument.Body, MaxDocument)
	case AdoptRulesKind:
		c.Text(&m.AdoptRules.Text, MaxRules)
	case ListSecurityKind:
		m.ListSecurity.Security.Walk(c)
	case SetPhaseKind:
		m.SetPhase.walk(c)
	case HaltSecurityKind:
		Int32(c, &m.HaltSecurity.Security)
		c.Bool(&m.HaltSecurity.Halted)
	case ReportKind:
		m.Report.walk(c)
	case StartDayKind:
		Int32(c, &m.StartDay.Day)
	case EndDayKind:
		Int32(c, &m.EndDay.Day)
	default:
		c.Fail(fmt.Errorf("%w: unknown command kind %d: use a newer binary", ErrUnreadable, m.Kind))
	}
}

func (v *PlaceOrder) walk(c *Coder) {
	Int64(c, &v.Account)
	Int32(c, &v.Security)
	Int8(c, &v.Side)
	Int8(c, &v.Type)
	Int8(c, &v.Channel)
	Int64(c, &v.Price)
	Int64(c, &v.Quantity)
	c.Text(&v.ClientID, MaxClientID)
}

func (v *Report) walk(c *Coder) {
	Int8(c, &v.Type)
	Int32(c, &v.Partition)
	Int64(c, &v.Index)
	Int64(c, &v.Request)
	Int64(c, &v.Order)
	c.Fixed(v.VenueOrder[:])
	c.Fixed(v.Execution[:])
	Int64(c, &v.Price)
	Int64(c, &v.Quantity)
	Int16(c, &v.Reason)
	v.Numbers.walk(c)
	Int64(c, &v.Time)
}

func (v *Answer) walk(c *Coder) {
	Int16(c, &v.Reason)
	c.Bool(&v.Replayed)
	Int8(c, &v.Status)
	Int64(c, &v.Account)
	Int64(c, &v.Order)
	Int32(c, &v.Security)
	Int64(c, &v.Number)
	v.Numbers.walk(c)
}

func (v *Numbers) walk(c *Coder) {
	Int64(c, &v.Given)
	Int64(c, &v.Bound)
	Int64(c, &v.Nearest)
}

func (v *Settings) walk(c *Coder) {
	c.Bool(&v.SuspendTrading)
	c.Bool(&v.ConfirmByMail)
}

func (v *SetPhase) walk(c *Coder) {
	Int8(c, &v.Venue)
	Int8(c, &v.Phase)
	Int32(c, &v.Day)
}

// Walk walks a security.
func (v *Security) Walk(c *Coder) {
	Int32(c, &v.ID)
	c.Text(&v.Symbol, MaxSymbol)
	c.Text(&v.Name, MaxName)
	c.Text(&v.Pinyin, MaxPinyin)
	Int8(c, &v.Venue)
	Int8(c, &v.Board)
	Int8(c, &v.Condition)
	c.Bool(&v.TPlusZero)
	Int64(c, &v.PreviousClose)
	Int32(c, &v.Listed)
	Int32(c, &v.Day)
	Int64(c, &v.UpperLimit)
	Int64(c, &v.LowerLimit)
}

// Walk walks an order.
func (v *Order) Walk(c *Coder) {
	Int64(c, &v.ID)
	Int64(c, &v.Account)
	Int32(c, &v.Security)
	Int8(c, &v.Side)
	Int8(c, &v.Type)
	Int8(c, &v.Status)
	Int8(c, &v.Channel)
	Int16(c, &v.Reason)
	v.Numbers.walk(c)
	Int64(c, &v.Price)
	Int64(c, &v.Quantity)
	Int64(c, &v.Filled)
	Int64(c, &v.Amount)
	Int64(c, &v.FrozenCash)
	Int64(c, &v.FrozenShares)
	v.Fees.walk(c)
	Int64(c, &v.Replaces)
	Int64(c, &v.ReplacedBy)
	Int64(c, &v.Cancel)
	c.Fixed(v.VenueOrder[:])
	Int64(c, &v.Placed)
	Int64(c, &v.Updated)
	Int64(c, &v.AcceptedAt)
	Int64(c, &v.DoneAt)
	Int32(c, &v.Day)
	c.Text(&v.ClientID, MaxClientID)
}

func (v *Fees) walk(c *Coder) {
	Int64(c, &v.Commission)
	Int64(c, &v.StampDuty)
	Int64(c, &v.Transfer)
}

// Walk walks a balance.
func (v *Balance) Walk(c *Coder) {
	Int64(c, &v.Available)
	Int64(c, &v.Frozen)
	Int64(c, &v.Receivable)
}

// Walk walks a position.
func (v *Position) Walk(c *Coder) {
	Int32(c, &v.Security)
	Int64(c, &v.Total)
	Int64(c, &v.Sellable)
	Int64(c, &v.Frozen)
	Int64(c, &v.Bought)
	Int64(c, &v.Cost)
}

func (m *Event) walk(c *Coder) {
	Int64(c, &m.Time)
	Int64(c, &m.Account)
	Int64(c, &m.Number)
	Int32(c, &m.Day)
	if m.Kind.OfOrder() {
		m.Order.Walk(c)
		m.Balance.Walk(c)
		m.Position.Walk(c)
		if m.Kind == OrderTraded {
			m.Trade.walk(c)
		}
		return
	}
	switch m.Kind {
	case CashMoved:
		Int64(c, &m.Cash.Amount)
		c.Text(&m.Cash.Reference, MaxReference)
		m.Balance.Walk(c)
	case SharesMoved:
		Int64(c, &m.Shares.Quantity)
		Int64(c, &m.Shares.Cost)
		c.Text(&m.Shares.Reference, MaxReference)
		m.Position.Walk(c)
		m.Balance.Walk(c)
	case AccountDay:
		m.Balance.Walk(c)
		Int64(c, &m.Equity)
	case PositionDay:
		m.Position.Walk(c)
	case AccountOpened, PasswordSet, KeyAdded, KeyRevoked, SessionOpened, SessionClosed:
		m.Credential.walk(c)
		m.Balance.Walk(c)
	case SettingsChanged:
		m.Settings.walk(c)
	case DocumentPut:
		c.Text(&m.Document.Name, MaxDocName)
		c.Text(&m.Document.Body, MaxDocument)
	case SecurityListed:
		m.Security.Walk(c)
	case PhaseChanged:
		m.Phase.walk(c)
	case SecurityHalt:
		Int32(c, &m.Security.ID)
		c.Bool(&m.Halted)
	case ReportTaken:
		Int32(c, &m.Report.Partition)
		Int64(c, &m.Report.Index)
	case RulesAdopted, DayStarted, DayEnded:
	default:
		c.Fail(fmt.Errorf("%w: unknown event kind %d: use a newer binary", ErrUnreadable, m.Kind))
	}
}

func (v *Trade) walk(c *Coder) {
	c.Fixed(v.Execution[:])
	Int64(c, &v.Price)
	Int64(c, &v.Quantity)
	Int64(c, &v.Amount)
	v.Fees.walk(c)
}

func (v *Credential) walk(c *Coder) {
	c.Text(&v.Login, MaxLogin)
	c.Text(&v.PasswordHash, MaxHash)
	c.Text(&v.KeyID, MaxKeyID)
	c.Text(&v.Label, MaxLabel)
	c.Fixed(v.Hash[:])
	Int32(c, &v.Permissions)
	Int64(c, &v.Commission)
	Int64(c, &v.Expires)
}
