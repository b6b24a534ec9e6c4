package api

import (
	"net/http"
	"strings"

	"evenkeel/core/money"
	"evenkeel/core/trade"
	"evenkeel/records"
)

// accountEntity is an account as Alpaca's clients know it. Fields that Alpaca dropped in 2026 stay: older clients
// insist on them.
type accountEntity struct {
	ID                       string    `json:"id"`
	AccountNumber            string    `json:"account_number"`
	Status                   string    `json:"status"`
	CryptoStatus             string    `json:"crypto_status"`
	Currency                 string    `json:"currency"`
	Cash                     string    `json:"cash"`
	BuyingPower              string    `json:"buying_power"`
	RegtBuyingPower          string    `json:"regt_buying_power"`
	NonMarginableBuyingPower string    `json:"non_marginable_buying_power"` //nolint:misspell // a name of Alpaca
	EffectiveBuyingPower     string    `json:"effective_buying_power"`
	DaytradingBuyingPower    string    `json:"daytrading_buying_power"`
	LastDaytradingPower      string    `json:"last_daytrading_buying_power"`
	OptionsBuyingPower       string    `json:"options_buying_power"`
	BodDtbp                  string    `json:"bod_dtbp"`
	PortfolioValue           string    `json:"portfolio_value"`
	Equity                   string    `json:"equity"`
	LastEquity               string    `json:"last_equity"`
	LongMarketValue          string    `json:"long_market_value"`
	ShortMarketValue         string    `json:"short_market_value"`
	PositionMarketValue      string    `json:"position_market_value"`
	InitialMargin            string    `json:"initial_margin"`
	MaintenanceMargin        string    `json:"maintenance_margin"`
	LastMaintenanceMargin    string    `json:"last_maintenance_margin"`
	SMA                      string    `json:"sma"`
	Multiplier               string    `json:"multiplier"`
	AccruedFees              string    `json:"accrued_fees"`
	PendingRegTafFees        string    `json:"pending_reg_taf_fees"`
	PendingTransferIn        string    `json:"pending_transfer_in"`
	PendingTransferOut       string    `json:"pending_transfer_out"`
	IntradayAdjustments      string    `json:"intraday_adjustments"`
	BalanceAsof              string    `json:"balance_asof"`
	PatternDayTrader         bool      `json:"pattern_day_trader"`
	TradingBlocked           bool      `json:"trading_blocked"`
	TransfersBlocked         bool      `json:"transfers_blocked"`
	AccountBlocked           bool      `json:"account_blocked"`
	ShortingEnabled          bool      `json:"shorting_enabled"`
	TradeSuspendedByUser     bool      `json:"trade_suspended_by_user"`
	CreatedAt                string    `json:"created_at"`
	DaytradeCount            int       `json:"daytrade_count"`
	LastDaytradeCount        int       `json:"last_daytrade_count"`
	CryptoTier               int       `json:"crypto_tier"`
	OptionsApprovedLevel     int       `json:"options_approved_level"`
	OptionsTradingLevel      int       `json:"options_trading_level"`
	CN                       accountCN `json:"cn"`
}

type accountCN struct {
	Available    string   `json:"available"`
	Frozen       string   `json:"frozen"`
	Withdrawable string   `json:"withdrawable"`
	InTransit    string   `json:"in_transit"` // sale proceeds of today
	Login        string   `json:"login"`
	Permissions  []string `json:"permissions"`
	Commission   string   `json:"commission_rate"`
	Day          *string  `json:"day"`
	Number       uint64   `json:"event_number"`
}

// worth values the positions by the latest prices; an amount that does not fit is left out, which only absurd
// quantities reach.
func (s *Server) worth(positions []trade.Position) (sum money.Cash) {
	for i := range positions {
		line, _ := s.Listing.Security(positions[i].Security)
		last := s.Market.Last(string(line.Symbol))
		if last == 0 {
			last = line.PreviousClose
		}
		value, ok := money.Amount(last, positions[i].Total)
		if total, fits := money.Add(sum, value); ok && fits {
			sum = total
		}
	}
	return sum
}

// getAccount is GET /v2/account.
func getAccount(s *Server, c *call) (int, any, error) {
	known, _ := s.Directory.Account(c.who.Account)
	standing, _ := s.Day(c.who.Account).Standing(c.who.Account)
	return http.StatusOK, s.account(c.who.Account, known.Login, known.Permissions, known.Commission, known.Opened,
		known.Settings, &standing), nil
}

func (s *Server) account(
	id trade.AccountID, login string, permissions trade.Permissions, commission money.Rate, opened trade.Time,
	settings trade.Settings, standing *records.Standing,
) accountEntity {
	b := standing.Balance
	cash := b.Available + b.Frozen
	long := s.worth(standing.Positions)
	equity := cash + long
	last := money.Cash(standing.Equity)
	if standing.EquityDay == 0 {
		last = equity
	}
	today, _ := s.Listing.Today()
	const zero = "0"
	e := accountEntity{
		ID: accountID(id), AccountNumber: accountNumber(id), Status: "ACTIVE", CryptoStatus: "INACTIVE", Currency: "CNY",
		Cash: cash.String(), BuyingPower: b.Available.String(), RegtBuyingPower: b.Available.String(),
		NonMarginableBuyingPower: b.Available.String(), EffectiveBuyingPower: b.Available.String(),
		DaytradingBuyingPower: zero, LastDaytradingPower: zero, OptionsBuyingPower: zero, BodDtbp: zero,
		PortfolioValue: equity.String(), Equity: equity.String(), LastEquity: last.String(),
		LongMarketValue: long.String(), ShortMarketValue: zero, PositionMarketValue: long.String(),
		InitialMargin: zero, MaintenanceMargin: zero, LastMaintenanceMargin: zero, SMA: zero, Multiplier: "1",
		AccruedFees: zero, PendingRegTafFees: zero, PendingTransferIn: zero, PendingTransferOut: zero,
		IntradayAdjustments: zero, BalanceAsof: dayText(dayOf(s.Clock())), TradeSuspendedByUser: settings.SuspendTrading,
		TradingBlocked: permissions&trade.EveryBoard == 0, TransfersBlocked: permissions&trade.MayMoveCash == 0,
		CreatedAt: stamp(opened),
		CN: accountCN{Available: b.Available.String(), Frozen: b.Frozen.String(), Withdrawable: b.Withdrawable().String(),
			InTransit: b.Receivable.String(), Login: login, Permissions: permissionList(permissions),
			Commission: ratio(int64(commission), int64(money.Whole)), Number: standing.Number},
	}
	if today != 0 {
		e.CN.Day, e.BalanceAsof = pointer(dayText(today)), dayText(today)
	}
	return e
}

// accountNumber is the number that people read out: two digits of the shard, then the dense number.
func accountNumber(id trade.AccountID) string {
	const width = 12
	digits := shares(money.Quantity(uint64(id)>>trade.ShardShift*1e10 + uint64(id)&trade.NumberMask))
	return strings.Repeat("0", max(0, width-len(digits))) + digits
}

// configurations are the settings of an account in Alpaca's words. What the books have no setting for is fixed.
type configurations struct {
	DTBPCheck              string `json:"dtbp_check"`
	PDTCheck               string `json:"pdt_check"`
	FractionalTrading      bool   `json:"fractional_trading"`
	MaxMarginMultiplier    string `json:"max_margin_multiplier"`
	MaxOptionsTradingLevel int    `json:"max_options_trading_level"`
	NoShorting             bool   `json:"no_shorting"`
	PTPNoExceptionEntry    bool   `json:"ptp_no_exception_entry"`
	SuspendTrade           bool   `json:"suspend_trade"`
	TradeSuspendedByUser   bool   `json:"trade_suspended_by_user"`
	TradeConfirmEmail      string `json:"trade_confirm_email"`
	DisableOvernight       bool   `json:"disable_overnight_trading"`
}

func configurationsOf(v trade.Settings) configurations {
	c := configurations{DTBPCheck: "entry", PDTCheck: "entry", MaxMarginMultiplier: "1", NoShorting: true,
		SuspendTrade: v.SuspendTrading, TradeSuspendedByUser: v.SuspendTrading, TradeConfirmEmail: "none",
		DisableOvernight: true}
	if v.ConfirmByMail {
		c.TradeConfirmEmail = "all"
	}
	return c
}

// getConfigurations is GET /v2/account/configurations.
func getConfigurations(s *Server, c *call) (int, any, error) {
	known, _ := s.Directory.Account(c.who.Account)
	return http.StatusOK, configurationsOf(known.Settings), nil
}

// patchConfigurations is PATCH /v2/account/configurations. What cannot be had is refused; what is fixed anyway may be
// repeated.
func patchConfigurations(s *Server, c *call) (int, any, error) {
	f, err := readForm(c.r)
	if err != nil {
		return 0, nil, err
	}
	known, _ := s.Directory.Account(c.who.Account)
	v := known.Settings
	v.SuspendTrading = f.boolean("suspend_trade", f.boolean("trade_suspended_by_user", v.SuspendTrading))
	switch word := f.text("trade_confirm_email"); word {
	case "all":
		v.ConfirmByMail = true
	case "none":
		v.ConfirmByMail = false
	case "":
	default:
		f.wrong("trade_confirm_email", "must be all or none")
	}
	if !f.boolean("no_shorting", true) {
		f.fail(say(featureNot, "no_shorting", "shares that are not held cannot be sold"))
	}
	if f.boolean("fractional_trading", false) {
		f.fail(say(featureNot, "fractional_trading", "orders are for whole shares"))
	}
	if f.err != nil {
		return 0, nil, f.err
	}
	if v != known.Settings {
		command := trade.Command{Kind: trade.SetSettingsKind,
			SetSettings: trade.SetSettings{Account: c.who.Account, Settings: v}}
		if err := s.take(c, &command); err != nil {
			return 0, nil, err
		}
	}
	return http.StatusOK, configurationsOf(v), nil
}

// take carries a command to the books and turns their refusal into a fault.
func (s *Server) take(c *call, command *trade.Command) error {
	answer, err := s.carry(c, c.who, command)
	if err != nil {
		return err
	}
	if answer.Reason != trade.Accepted {
		return refused(answer.Reason, answer.Numbers)
	}
	return nil
}

// getPositions is GET /v2/positions.
func getPositions(s *Server, c *call) (int, any, error) {
	standing, _ := s.Day(c.who.Account).Standing(c.who.Account)
	list := make([]positionEntity, 0, len(standing.Positions))
	for i := range standing.Positions {
		if standing.Positions[i].Total > 0 {
			list = append(list, s.position(&standing.Positions[i], c.native))
		}
	}
	return http.StatusOK, list, nil
}

// getPosition is GET /v2/positions/{symbol_or_asset_id}.
func getPosition(s *Server, c *call) (int, any, error) {
	line, err := s.security(c.r.PathValue("symbol"))
	if err != nil {
		return 0, nil, err
	}
	p, ok := s.Day(c.who.Account).Position(c.who.Account, line.ID)
	if !ok || p.Total == 0 {
		return 0, nil, say(positionUnknown, line.Symbol)
	}
	return http.StatusOK, s.position(&p, c.native), nil
}

// security finds a security by any of its symbols or by its id.
func (s *Server) security(text string) (trade.Security, error) {
	if number, ok := parseID(securityKind, text); ok {
		if line, known := s.Listing.Security(trade.SecurityID(number)); known && number <= 1<<32-1 {
			return line, nil
		}
		return trade.Security{}, say(notFound, clip(text))
	}
	line, err := s.symbols.Find(text)
	if err != nil {
		f := say(symbolUnknown, err.Error())
		f.Status, f.Code = http.StatusNotFound, codeNotFound
		return trade.Security{}, f
	}
	return line, nil
}
