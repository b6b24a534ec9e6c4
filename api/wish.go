package api

import (
	"strings"

	"evenkeel/core/money"
	"evenkeel/core/trade"
)

// wish is an order as a client asks for it, before anything is looked up: texts still are what was sent.
type wish struct {
	Symbol     string
	Side       trade.Side
	Kind       string // market or limit
	Force      string // day, ioc, fok
	Price      money.Price
	Quantity   money.Quantity
	ClientID   string
	MarketType trade.OrderType // 0: not given
}

// Order types and times in force that Alpaca knows. Those that the exchanges here do not have are refused by name, so
// that nobody believes to hold a stop order that nobody watches.
const (
	limitDay    = "limit with day; market with day, ioc or fok; cn.market_type"
	forceLimit  = "day"
	forceMarket = "day, ioc, fok"
)

// readWish reads an order request. Members that it does not name never get further.
func readWish(f *form) (w wish, err error) {
	w.Symbol = f.text("symbol")
	w.ClientID = f.text("client_order_id")
	w.Kind, w.Force = strings.ToLower(f.text("type")), strings.ToLower(f.text("time_in_force"))
	refuseUnavailable(f, &w)
	switch side := strings.ToLower(f.text("side")); side {
	case "buy":
		w.Side = trade.Buy
	case "sell":
		w.Side = trade.Sell
	case "":
		f.fail(say(missingField, "side"))
	default:
		f.wrong("side", "must be buy or sell")
	}
	w.Quantity = f.quantity("qty")
	w.Price = f.price("limit_price")
	cn := f.object("cn")
	word := cn.text("market_type")
	if cn.err != nil {
		f.wrong("cn.market_type", "must be a string")
	}
	if word != "" {
		t, known := marketType(strings.ToUpper(word))
		if !known {
			f.wrong("cn.market_type", "must be BEST5_IOC, BEST5_TO_LIMIT, IOC, FOK, OWN_BEST, OPPOSITE_BEST or FIXED_PRICE")
		}
		w.MarketType = t
	}
	switch {
	case f.err != nil:
	case w.Symbol == "":
		f.fail(say(missingField, "symbol"))
	case !f.has("qty"):
		f.fail(say(missingField, "qty"))
	case w.Quantity <= 0:
		f.fail(refused(trade.QuantityNotPositive, trade.Numbers{Given: int64(w.Quantity)}))
	case w.Kind == "limit" && w.Price == 0:
		f.fail(say(missingField, "limit_price"))
	case len(w.ClientID) > trade.MaxClientID:
		f.fail(refused(trade.ClientIDTooLong, trade.Numbers{Given: int64(len(w.ClientID)), Bound: trade.MaxClientID,
			Nearest: trade.MaxClientID}))
	}
	return w, f.err
}

// refuseUnavailable refuses what Alpaca has and the exchanges here have not, naming what there is.
func refuseUnavailable(f *form, w *wish) {
	switch w.Kind {
	case "":
		w.Kind = "limit"
		if !f.has("limit_price") {
			w.Kind = "market"
		}
	case "market", "limit":
	default:
		f.fail(say(typeUnavailable, clip(w.Kind), limitDay))
	}
	if class := f.text("order_class"); class != "" && class != "simple" {
		f.fail(say(classUnavailable, clip(class)))
	}
	for _, name := range []string{"take_profit", "stop_loss", "stop_price", "trail_price", "trail_percent", "legs"} {
		if f.has(name) && string(f.bytes[name]) != "[]" {
			f.fail(say(typeUnavailable, name, limitDay))
		}
	}
	if f.has("notional") {
		f.fail(say(featureNot, "notional", "orders are for whole shares: give qty"))
	}
	if f.has("advanced_instructions") {
		f.fail(say(featureNot, "advanced_instructions", "an order goes to the exchange as it is"))
	}
	if intent := f.text("position_intent"); intent == "buy_to_close" || intent == "sell_to_open" {
		f.fail(say(featureNot, "position_intent "+intent, "shares that are not held cannot be sold"))
	}
	if f.boolean("extended_hours", false) {
		f.fail(say(featureNot, "extended_hours", "after hours there is cn.market_type FIXED_PRICE"))
	}
	available := forceMarket
	if w.Kind == "limit" {
		available = forceLimit
	}
	switch w.Force {
	case "":
		w.Force = "day"
	case "day":
	case "ioc", "fok":
		if w.Kind == "limit" {
			f.fail(say(tifUnavailable, w.Force, available))
		}
	default:
		f.fail(say(tifUnavailable, clip(w.Force), available))
	}
}

// orderType chooses the exchange's order type for a wish at a venue.
//
//	limit  day             -> Limit
//	market day   all       -> BestFiveCancel
//	market ioc   SSE       -> BestFiveCancel
//	market ioc   SZSE, BSE -> ImmediateOrCancel
//	market fok   SZSE, BSE -> FillOrKill (SSE has none)
//
// cn.market_type says it exactly; whether the exchange has it for the security is for the rules to say.
func (w *wish) orderType(v trade.Venue) (trade.OrderType, error) {
	if w.MarketType != 0 {
		if w.Kind == "limit" && w.MarketType != trade.FixedPrice && w.Price == 0 {
			return 0, say(missingField, "limit_price")
		}
		return w.MarketType, nil
	}
	switch {
	case w.Kind == "limit":
		return trade.Limit, nil
	case w.Force == "fok" && v == trade.SSE:
		return 0, say(tifUnavailable, "fok", "day, ioc (SSE)")
	case w.Force == "fok":
		return trade.FillOrKill, nil
	case w.Force == "ioc" && v != trade.SSE:
		return trade.ImmediateOrCancel, nil
	}
	return trade.BestFiveCancel, nil
}

// forceOf is the time in force that an order type has in the words of Alpaca.
func forceOf(t trade.OrderType) string {
	switch t {
	case trade.ImmediateOrCancel:
		return "ioc"
	case trade.FillOrKill:
		return "fok"
	}
	return "day"
}

// kindOf is market or limit.
func kindOf(t trade.OrderType) string {
	if t.Market() {
		return "market"
	}
	return "limit"
}
