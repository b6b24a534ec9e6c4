package api

import (
	"evenkeel/core/money"
	"evenkeel/core/trade"
)

// orderEntity is an order as Alpaca's clients know it, with what they do not know in cn.
type orderEntity struct {
	ID             string        `json:"id"`
	ClientOrderID  string        `json:"client_order_id"`
	CreatedAt      string        `json:"created_at"`
	UpdatedAt      string        `json:"updated_at"`
	SubmittedAt    string        `json:"submitted_at"`
	FilledAt       *string       `json:"filled_at"`
	ExpiredAt      *string       `json:"expired_at"`
	ExpiresAt      *string       `json:"expires_at"`
	CanceledAt     *string       `json:"canceled_at"`
	FailedAt       *string       `json:"failed_at"`
	ReplacedAt     *string       `json:"replaced_at"`
	ReplacedBy     *string       `json:"replaced_by"`
	Replaces       *string       `json:"replaces"`
	AssetID        string        `json:"asset_id"`
	Symbol         string        `json:"symbol"`
	AssetClass     string        `json:"asset_class"`
	Notional       *string       `json:"notional"`
	Qty            string        `json:"qty"`
	FilledQty      string        `json:"filled_qty"`
	FilledAvgPrice *string       `json:"filled_avg_price"`
	OrderClass     string        `json:"order_class"`
	OrderType      string        `json:"order_type"`
	Type           string        `json:"type"`
	Side           string        `json:"side"`
	PositionIntent string        `json:"position_intent"`
	TimeInForce    string        `json:"time_in_force"`
	LimitPrice     *string       `json:"limit_price"`
	StopPrice      *string       `json:"stop_price"`
	TrailPrice     *string       `json:"trail_price"`
	TrailPercent   *string       `json:"trail_percent"`
	HWM            *string       `json:"hwm"`
	Status         string        `json:"status"`
	ExtendedHours  bool          `json:"extended_hours"`
	RatioQty       *string       `json:"ratio_qty"`
	Legs           []orderEntity `json:"legs"`
	CN             orderCN       `json:"cn"`
}

// orderCN is what an order of an A share has beside.
type orderCN struct {
	Market          string   `json:"market"`
	AssetClass      string   `json:"asset_class"`
	Name            string   `json:"name"`
	StatusRaw       string   `json:"status_raw"`
	MarketType      *string  `json:"market_type"`
	ProtectionPrice *string  `json:"protection_price"`
	Day             string   `json:"day"`
	FilledAmount    string   `json:"filled_amount"`
	FrozenCash      string   `json:"frozen_cash"`
	FrozenQty       string   `json:"frozen_qty"`
	Fees            feesCN   `json:"fees"`
	Reason          *string  `json:"reason"`
	ReasonText      *string  `json:"reason_text"`
	ReasonTextZH    *string  `json:"reason_text_zh"`
	AcceptedAt      *string  `json:"accepted_at"`
	Channel         string   `json:"channel"`
	Numbers         *numbers `json:"numbers,omitempty"`
}

type numbers struct {
	Given   string `json:"given"`
	Bound   string `json:"bound"`
	Nearest string `json:"nearest,omitempty"`
}

type feesCN struct {
	Commission  string `json:"commission"`
	StampDuty   string `json:"stamp_duty"`
	TransferFee string `json:"transfer_fee"`
	Total       string `json:"total"`
}

func feesOf(f trade.Fees) feesCN {
	return feesCN{Commission: f.Commission.String(), StampDuty: f.StampDuty.String(), TransferFee: f.Transfer.String(),
		Total: f.Total().String()}
}

var channelWords = map[trade.Channel]string{
	trade.UnknownChannel: "unknown", trade.REST: "rest", trade.WebSocket: "websocket", trade.FIX: "fix",
	trade.Web: "web", trade.Desk: "desk",
}

// assetClass and exchange are of a closed set for Alpaca's clients; true values stand in cn.
func assetClass(native bool) string {
	if native {
		return "cn_equity"
	}
	return "us_equity"
}

func exchangeWord(v trade.Venue, native bool) string {
	if native {
		return marketCode(v)
	}
	return ""
}

// order makes the entity of an order.
func (s *Server) order(o *trade.Order, native bool) orderEntity {
	line, _ := s.Listing.Security(o.Security)
	e := orderEntity{
		ID: orderID(o.ID), ClientOrderID: string(o.ClientID), CreatedAt: stamp(o.Placed), UpdatedAt: stamp(o.Updated),
		SubmittedAt: stamp(o.Placed), AssetID: securityID(o.Security), Symbol: string(line.Symbol),
		AssetClass: assetClass(native), Qty: shares(o.Quantity), FilledQty: shares(o.Filled), OrderClass: "simple",
		OrderType: kindOf(o.Type), Type: kindOf(o.Type), Side: sideWord(o.Side), TimeInForce: forceOf(o.Type),
		Status: compatStatus(o.Status), PositionIntent: "buy_to_open",
	}
	if native {
		e.Status = statusWords[o.Status]
	}
	if o.Side == trade.Sell {
		e.PositionIntent = "sell_to_close"
	}
	if o.Filled > 0 {
		e.FilledAvgPrice = pointer(average(o.Amount, o.Filled))
	}
	if o.Replaces != 0 {
		e.Replaces = pointer(orderID(o.Replaces))
	}
	if o.ReplacedBy != 0 {
		e.ReplacedBy = pointer(orderID(o.ReplacedBy))
	}
	if o.Price != 0 && !o.Type.Market() {
		e.LimitPrice = pointer(o.Price.String())
	}
	done := stampOrNull(o.DoneAt)
	switch o.Status {
	case trade.Filled:
		e.FilledAt = done
	case trade.Cancelled:
		e.CanceledAt = done
	case trade.Rejected:
		e.FailedAt = done
	case trade.Expired:
		e.ExpiredAt = done
	case trade.Replaced:
		e.ReplacedAt = done
	}
	e.CN = orderCNOf(o, &line)
	return e
}

func orderCNOf(o *trade.Order, line *trade.Security) orderCN {
	cn := orderCN{
		Market: marketCode(line.Venue), AssetClass: "cn_equity", Name: string(line.Name), StatusRaw: statusWords[o.Status],
		Day: dayText(o.Day), FilledAmount: o.Amount.String(), FrozenCash: o.FrozenCash.String(),
		FrozenQty: shares(o.FrozenShares), Fees: feesOf(o.Fees), AcceptedAt: stampOrNull(o.AcceptedAt),
		Channel: channelWords[o.Channel],
	}
	if word := marketTypes[o.Type]; word != "" {
		cn.MarketType = &word
	}
	if o.Price != 0 && o.Type.Market() {
		cn.ProtectionPrice = pointer(o.Price.String())
	}
	if o.Reason != trade.Accepted {
		n := o.Numbers
		if n == (trade.Numbers{}) && o.Reason.Unit() == trade.Prices { // an exchange's report carries no numbers
			n.Given = int64(o.Price)
		}
		f := refused(o.Reason, n)
		cn.Reason, cn.ReasonText, cn.ReasonTextZH = &f.Reason, &f.English, &f.Chinese
		if f.Given != "" {
			cn.Numbers = &numbers{Given: f.Given, Bound: f.Bound, Nearest: f.Nearest}
		}
	}
	return cn
}

// positionEntity is a position as Alpaca's clients know it.
type positionEntity struct {
	AssetID                string     `json:"asset_id"`
	Symbol                 string     `json:"symbol"`
	Exchange               string     `json:"exchange"`
	AssetClass             string     `json:"asset_class"`
	AssetMarginable        bool       `json:"asset_marginable"` //nolint:misspell // a name of Alpaca
	Qty                    string     `json:"qty"`
	QtyAvailable           string     `json:"qty_available"`
	AvgEntryPrice          string     `json:"avg_entry_price"`
	Side                   string     `json:"side"`
	MarketValue            string     `json:"market_value"`
	CostBasis              string     `json:"cost_basis"`
	UnrealizedPL           string     `json:"unrealized_pl"`
	UnrealizedPLPC         string     `json:"unrealized_plpc"`
	UnrealizedIntradayPL   string     `json:"unrealized_intraday_pl"`
	UnrealizedIntradayPLPC string     `json:"unrealized_intraday_plpc"`
	CurrentPrice           string     `json:"current_price"`
	LastdayPrice           string     `json:"lastday_price"`
	ChangeToday            string     `json:"change_today"`
	CN                     positionCN `json:"cn"`
}

type positionCN struct {
	Market       string  `json:"market"`
	AssetClass   string  `json:"asset_class"`
	Name         string  `json:"name"`
	Board        string  `json:"board"`
	PrevQty      string  `json:"prev_qty"`
	TodayBuyQty  string  `json:"today_buy_qty"`
	FrozenQty    string  `json:"frozen_qty"`
	SellableFrom *string `json:"sellable_from"` // the day on which today's shares become sellable
}

func (s *Server) position(p *trade.Position, native bool) positionEntity {
	line, _ := s.Listing.Security(p.Security)
	symbol := string(line.Symbol)
	last, before := s.Market.Last(symbol), line.PreviousClose
	if last == 0 {
		last = before
	}
	value, _ := money.Amount(last, p.Total)
	// Shares bought today gain from their cost, the others from the previous close; the cost of a part is in
	// proportion.
	boughtCost, _ := money.MulDiv(int64(p.Cost), int64(p.Bought), max(1, int64(p.Total)), money.HalfUp)
	then, _ := money.Amount(before, p.Total-p.Bought)
	then += money.Cash(boughtCost)
	cn := positionCN{Market: marketCode(line.Venue), AssetClass: "cn_equity", Name: string(line.Name),
		Board: boardWords[line.Board], PrevQty: shares(p.Total - p.Bought), TodayBuyQty: shares(p.Bought),
		FrozenQty: shares(p.Frozen)}
	if p.Bought > 0 && !line.TPlusZero {
		if next, _ := s.Rules().NextTradingDay(line.Day); next != 0 {
			cn.SellableFrom = pointer(dayText(next))
		}
	}
	return positionEntity{
		AssetID: securityID(p.Security), Symbol: symbol, Exchange: exchangeWord(line.Venue, native),
		AssetClass: assetClass(native), Qty: shares(p.Total), QtyAvailable: shares(p.Sellable),
		AvgEntryPrice: average(p.Cost, p.Total), Side: "long", MarketValue: value.String(), CostBasis: p.Cost.String(),
		UnrealizedPL: (value - p.Cost).String(), UnrealizedPLPC: ratio(int64(value-p.Cost), int64(p.Cost)),
		UnrealizedIntradayPL: (value - then).String(), UnrealizedIntradayPLPC: ratio(int64(value-then), int64(then)),
		CurrentPrice: last.String(), LastdayPrice: before.String(), ChangeToday: ratio(int64(last-before), int64(before)),
		CN: cn,
	}
}

// assetEntity is a security as Alpaca's clients know it.
type assetEntity struct {
	ID                           string   `json:"id"`
	Class                        string   `json:"class"`
	Exchange                     string   `json:"exchange"`
	Symbol                       string   `json:"symbol"`
	Name                         string   `json:"name"`
	Status                       string   `json:"status"`
	Tradable                     bool     `json:"tradable"`
	Marginable                   bool     `json:"marginable"` //nolint:misspell // a name of Alpaca
	Shortable                    bool     `json:"shortable"`
	EasyToBorrow                 bool     `json:"easy_to_borrow"`
	Fractionable                 bool     `json:"fractionable"`
	MaintenanceMarginRequirement int      `json:"maintenance_margin_requirement"`
	MarginRequirementLong        string   `json:"margin_requirement_long"`
	MarginRequirementShort       string   `json:"margin_requirement_short"`
	MinOrderSize                 string   `json:"min_order_size"`
	MinTradeIncrement            string   `json:"min_trade_increment"`
	PriceIncrement               string   `json:"price_increment"`
	Attributes                   []string `json:"attributes"`
	CN                           assetCN  `json:"cn"`
}

type assetCN struct {
	Market     string   `json:"market"`
	AssetClass string   `json:"asset_class"`
	Board      string   `json:"board"`
	Condition  string   `json:"condition"`
	ST         bool     `json:"st"`
	Suspended  bool     `json:"suspended"`
	Halted     bool     `json:"halted"`
	TPlusZero  bool     `json:"t_plus_zero"`
	Pinyin     string   `json:"pinyin"`
	Listed     *string  `json:"listed"`
	PrevClose  string   `json:"prev_close"`
	LimitUp    *string  `json:"limit_up"`
	LimitDown  *string  `json:"limit_down"`
	BuyLot     string   `json:"buy_lot"`
	SellOddOK  bool     `json:"sell_odd_ok"`
	MaxQty     string   `json:"max_qty"`
	MaxMarket  string   `json:"max_market_qty"`
	OrderTypes []string `json:"order_types"`
}

func (s *Server) asset(line *trade.Security, native bool) assetEntity {
	halted := s.Listing.Halted(line.ID)
	terms, known := s.Rules().Terms(line.Venue, line.Board, line.Condition, line.Day)
	a := assetEntity{
		ID: securityID(line.ID), Class: assetClass(native), Exchange: exchangeWord(line.Venue, native),
		Symbol: string(line.Symbol), Name: string(line.Name), Status: "active", Tradable: known && !halted,
		MaintenanceMarginRequirement: 100, MarginRequirementLong: "100", MarginRequirementShort: "100",
		MinOrderSize: shares(terms.BuyMinimum), MinTradeIncrement: shares(terms.BuyIncrement),
		PriceIncrement: terms.Tick.String(), Attributes: []string{},
		CN: assetCN{
			Market: marketCode(line.Venue), AssetClass: "cn_equity", Board: boardWords[line.Board],
			Condition: conditionWords[line.Condition], Suspended: line.Condition == trade.Suspended, Halted: halted,
			ST:        line.Condition == trade.SpecialTreatment || line.Condition == trade.DelistingRisk,
			TPlusZero: line.TPlusZero, Pinyin: string(line.Pinyin), PrevClose: line.PreviousClose.String(),
			BuyLot: shares(terms.BuyMinimum), SellOddOK: terms.OddLotOnce, MaxQty: shares(terms.MaxLimit),
			MaxMarket: shares(terms.MaxMarket), OrderTypes: []string{},
		},
	}
	if line.Listed != 0 {
		a.CN.Listed = pointer(dayText(line.Listed))
	}
	if line.UpperLimit != 0 {
		a.CN.LimitUp, a.CN.LimitDown = pointer(line.UpperLimit.String()), pointer(line.LowerLimit.String())
	}
	for t := trade.Limit; t <= trade.FixedPrice; t++ {
		if known && terms.Types.Has(t) {
			a.CN.OrderTypes = append(a.CN.OrderTypes, typeWord(t))
		}
	}
	return a
}
