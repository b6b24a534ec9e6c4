package api

import (
	"strings"

	"evenkeel/core/trade"
)

// The words of the protocols for the numbers of core/trade. Alpaca's clients know a closed set of each; the house's
// own words stand in the cn objects and in the native API.

// compatStatus is an order's status in the words that every client knows.
func compatStatus(s trade.OrderStatus) string {
	switch s {
	case trade.PendingNew:
		return "pending_new"
	case trade.Held, trade.AwaitsCancel:
		return "accepted"
	case trade.Working:
		return "new"
	case trade.PartlyFilled:
		return "partially_filled"
	case trade.CancelPending:
		return "pending_cancel"
	case trade.ReplacePending:
		return "pending_replace"
	case trade.Filled:
		return "filled"
	case trade.Cancelled:
		return "canceled"
	case trade.Rejected:
		return "rejected"
	case trade.Expired:
		return "expired"
	case trade.Replaced:
		return "replaced"
	}
	return "suspended"
}

var statusWords = map[trade.OrderStatus]string{
	trade.PendingNew: "PENDING_NEW", trade.Held: "HELD", trade.Working: "WORKING", trade.PartlyFilled: "PARTLY_FILLED",
	trade.CancelPending: "CANCEL_PENDING", trade.ReplacePending: "REPLACE_PENDING", trade.Filled: "FILLED",
	trade.Cancelled: "CANCELLED", trade.Rejected: "REJECTED", trade.Expired: "EXPIRED", trade.Replaced: "REPLACED",
	trade.AwaitsCancel: "AWAITS_CANCEL",
}

// marketTypes are the order types beyond plain limit orders, as cn.market_type names them.
var marketTypes = map[trade.OrderType]string{
	trade.BestFiveCancel: "BEST5_IOC", trade.BestFiveLimit: "BEST5_TO_LIMIT", trade.ImmediateOrCancel: "IOC",
	trade.FillOrKill: "FOK", trade.OwnBest: "OWN_BEST", trade.OppositeBest: "OPPOSITE_BEST",
	trade.FixedPrice: "FIXED_PRICE",
}

func marketType(word string) (trade.OrderType, bool) {
	for t, name := range marketTypes {
		if name == word {
			return t, true
		}
	}
	return 0, false
}

// typeWords are all order types as the native API names them.
func typeWord(t trade.OrderType) string {
	if t == trade.Limit {
		return "LIMIT"
	}
	return marketTypes[t]
}

func sideWord(s trade.Side) string {
	if s == trade.Sell {
		return "sell"
	}
	return "buy"
}

// marketCode is the ISO 10383 code of a venue.
func marketCode(v trade.Venue) string {
	switch v {
	case trade.SSE:
		return "XSHG"
	case trade.SZSE:
		return "XSHE"
	case trade.BSE:
		return "BJSE"
	}
	return ""
}

// venueOf reads a market's code, acronym or suffix.
func venueOf(word string) (trade.Venue, bool) {
	switch strings.ToUpper(word) {
	case "XSHG", "SSE", "SH":
		return trade.SSE, true
	case "XSHE", "SZSE", "SZ":
		return trade.SZSE, true
	case "BJSE", "BSE", "BJ":
		return trade.BSE, true
	}
	return 0, false
}

var venues = [...]struct {
	venue               trade.Venue
	acronym, bic, name  string
	nameZH              string
	shortOfTape, suffix string
}{
	{trade.SSE, "SSE", "", "Shanghai Stock Exchange", "上海证券交易所", "A", ".SH"},
	{trade.SZSE, "SZSE", "", "Shenzhen Stock Exchange", "深圳证券交易所", "B", ".SZ"},
	{trade.BSE, "BSE", "", "Beijing Stock Exchange", "北京证券交易所", "C", ".BJ"},
}

// venueOfSymbol reads the end of a canonical symbol.
func venueOfSymbol(symbol string) trade.Venue {
	for _, v := range venues {
		if strings.HasSuffix(symbol, v.suffix) {
			return v.venue
		}
	}
	return 0
}

// exchangeLetter is the one-letter exchange of trades and quotes: S, Z or J.
func exchangeLetter(symbol string) string {
	switch venueOfSymbol(symbol) {
	case trade.SSE:
		return "S"
	case trade.SZSE:
		return "Z"
	case trade.BSE:
		return "J"
	}
	return ""
}

// tape is the tape of a symbol: A Shanghai, B Shenzhen, C Beijing.
func tape(symbol string) string {
	for _, v := range venues {
		if strings.HasSuffix(symbol, v.suffix) {
			return v.shortOfTape
		}
	}
	return ""
}

var boardWords = map[trade.Board]string{
	trade.Main: "MAIN", trade.ChiNext: "CHINEXT", trade.STAR: "STAR", trade.BSEMain: "BSE", trade.ETF: "ETF",
}

var conditionWords = map[trade.Condition]string{
	trade.UnknownCondition: "UNKNOWN", trade.Normal: "NORMAL", trade.SpecialTreatment: "ST", trade.DelistingRisk: "*ST",
	trade.NewListing: "NEW_LISTING", trade.Suspended: "SUSPENDED",
}

// phaseWord is a phase as the statuses channel and the native API name it, with a sentence.
type phaseWord struct{ code, name, english, chinese string }

var phaseWords = map[trade.Phase]phaseWord{
	trade.UnknownPhase:      {"U", "UNKNOWN", "Unknown", "未知"},
	trade.BeforeOpen:        {"B", "BEFORE_OPEN", "Before the open", "开盘前"},
	trade.OpeningCall:       {"O", "OPENING_CALL", "Opening call auction", "开盘集合竞价"},
	trade.OpeningCallLocked: {"L", "OPENING_CALL_LOCKED", "Opening call auction, no cancels", "开盘集合竞价(不可撤单)"},
	trade.OpeningGap:        {"G", "OPENING_GAP", "Between the opening call and continuous trading", "开盘前静默期"},
	trade.Continuous:        {"T", "CONTINUOUS", "Trading", "连续竞价"},
	trade.Lunch:             {"N", "LUNCH", "Lunch break", "午间休市"},
	trade.ClosingCall:       {"C", "CLOSING_CALL", "Closing call auction, no cancels", "收盘集合竞价(不可撤单)"},
	trade.FixedPriceEntry:   {"E", "FIXED_PRICE_ENTRY", "Fixed-price orders are taken", "盘后定价申报"},
	trade.FixedPriceTrading: {"P", "FIXED_PRICE_TRADING", "Fixed-price trading after hours", "盘后定价交易"},
	trade.Closed:            {"X", "CLOSED", "Closed", "已闭市"},
	trade.VolatilityHalt:    {"V", "VOLATILITY_HALT", "Volatility halt", "盘中临时停牌"},
	trade.Halted:            {"H", "HALTED", "Halted", "停牌"},
}

// marketPhase is a phase in the five words of Alpaca's clock: closed, pre, core, lunch, post.
func marketPhase(p trade.Phase) string {
	switch p {
	case trade.OpeningCall, trade.OpeningCallLocked, trade.OpeningGap:
		return "pre"
	case trade.Continuous, trade.ClosingCall, trade.VolatilityHalt:
		return "core"
	case trade.Lunch:
		return "lunch"
	case trade.FixedPriceEntry, trade.FixedPriceTrading:
		return "post"
	}
	return "closed"
}

// updateWord is the name of an account's event as Alpaca's streams call it; "" for one that they do not have.
func updateWord(e *trade.Event) string {
	switch e.Kind {
	case trade.OrderPlaced:
		if e.Order.Status == trade.PendingNew {
			return "pending_new"
		}
		return "accepted"
	case trade.OrderReleased:
		return "pending_new"
	case trade.OrderAccepted:
		return "new"
	case trade.OrderTraded:
		if e.Order.Left() == 0 {
			return "fill"
		}
		return "partial_fill"
	case trade.CancelRequested:
		return "pending_cancel"
	case trade.OrderCancelled:
		return "canceled"
	case trade.OrderRejected:
		return "rejected"
	case trade.OrderExpired:
		return "expired"
	case trade.CancelRefused:
		return "order_cancel_rejected"
	case trade.ReplaceRequested:
		return "pending_replace"
	case trade.OrderReplaced:
		return "replaced"
	case trade.ReplaceRefused:
		return "order_replace_rejected"
	}
	return ""
}

var kindWords = map[trade.EventKind]string{
	trade.OrderPlaced: "ORDER_PLACED", trade.OrderReleased: "ORDER_RELEASED", trade.OrderAccepted: "ORDER_ACCEPTED",
	trade.OrderTraded: "ORDER_TRADED", trade.CancelRequested: "CANCEL_REQUESTED", trade.OrderCancelled: "ORDER_CANCELLED",
	trade.OrderRejected: "ORDER_REJECTED", trade.OrderExpired: "ORDER_EXPIRED", trade.CancelRefused: "CANCEL_REFUSED",
	trade.ReplaceRequested: "REPLACE_REQUESTED", trade.OrderReplaced: "ORDER_REPLACED",
	trade.ReplaceRefused: "REPLACE_REFUSED", trade.CashMoved: "CASH_MOVED", trade.SharesMoved: "SHARES_MOVED",
	trade.AccountDay: "ACCOUNT_DAY", trade.PositionDay: "POSITION_DAY",
}

var permissionWords = []struct {
	bit  trade.Permissions
	word string
}{
	{trade.MayTrade, "trade"}, {trade.MaySTAR, "star"}, {trade.MayChiNext, "chinext"}, {trade.MayBSE, "bse"},
	{trade.MayRead, "read"}, {trade.MayMoveCash, "move_cash"}, {trade.MayOperate, "operate"},
}

func permissionList(p trade.Permissions) []string {
	words := []string{}
	for _, w := range permissionWords {
		if p&w.bit != 0 {
			words = append(words, w.word)
		}
	}
	return words
}

func permissionsOf(words []string) (p trade.Permissions, unknown string) {
	for _, word := range words {
		found := false
		for _, w := range permissionWords {
			if w.word == word {
				p, found = p|w.bit, true
			}
		}
		if !found {
			return 0, word
		}
	}
	return p, ""
}
