package api

import "evenkeel/core/trade"

// text is how a refusal is told: its stable name, its code (HTTP status and five digits), and a sentence in English
// and in Chinese.
type text struct {
	name    string
	code    int
	english string
	chinese string
}

// Codes of refusals. Clients know the first five; the last digits only tell ours apart.
const (
	codeBadRequest   = 400_10001 // invalid request parameter
	codeUnauthorized = 401_10000
	codeForbidden    = 403_10000 // insufficient buying power or shares, or not permitted
	codeNotFound     = 404_10000
	codeUnprocessed  = 422_10000
	codeInternal     = 500_10000
)

// Reasons of the edge itself.
const (
	badJSON          = "BAD_JSON"
	badField         = "BAD_FIELD"
	badQuery         = "BAD_PARAMETER"
	missingField     = "MISSING_FIELD"
	bodyTooLarge     = "BODY_TOO_LARGE"
	unauthorized     = "UNAUTHORIZED"
	notPermitted     = "NOT_PERMITTED"
	notFound         = "NOT_FOUND"
	methodNotAllowed = "METHOD_NOT_ALLOWED"
	symbolUnknown    = "SYMBOL_UNKNOWN"
	positionUnknown  = "POSITION_UNKNOWN"
	orderUnknown     = "ORDER_UNKNOWN"
	typeUnavailable  = "ORDER_TYPE_NOT_AVAILABLE"
	tifUnavailable   = "TIME_IN_FORCE_NOT_AVAILABLE"
	classUnavailable = "ORDER_CLASS_NOT_AVAILABLE"
	featureNot       = "NOT_AVAILABLE"
	cageAdvice       = "PRICE_OUTSIDE_CAGE"
	keyReused        = "IDEMPOTENCY_KEY_REUSED"
	keyTooLong       = "IDEMPOTENCY_KEY_TOO_LONG"
	textTooLong      = "TEXT_TOO_LONG"
	rateLimited      = "RATE_LIMITED"
	noRoom           = "NO_ROOM"
	tooManyLogins    = "TOO_MANY_LOGINS"
	loginWaits       = "LOGIN_WAITS"
	ticketOver       = "TICKET_OVER"
	tooManyStreams   = "TOO_MANY_STREAMS"
	passwordLength   = "PASSWORD_LENGTH"
	outcomeUnknown   = "OUTCOME_UNKNOWN"
	unavailable      = "UNAVAILABLE"
	historyDown      = "HISTORY_UNAVAILABLE"
	requestEnded     = "REQUEST_ENDED"
	numberGone       = "NUMBER_GONE"
	draining         = "DRAINING"
	crossOrigin      = "CROSS_ORIGIN"
	nameTaken        = "NAME_TAKEN"
	referenceUsed    = "REFERENCE_USED"
	webSocketOnly    = "WEBSOCKET_ONLY"
	sealMissing      = "SECOND_PROOF_UNAVAILABLE"
	stepOver         = "STEP_OVER"
	secondThere      = "SECOND_PROOF_EXISTS"
	proofWrong       = "PROOF_WRONG"
	codeUsed         = "CODE_USED"
	secondNeeded     = "SECOND_PROOF_NEEDED"
	actNotTaken      = "ACT_NOT_TAKEN"
	readOnly         = "READ_ONLY"
	internalError    = "INTERNAL"
)

// edgeTexts are the refusals of the edge. Their sentences take the arguments of say.
var edgeTexts = map[string]text{
	badJSON:          {"", codeBadRequest, "the body is not valid JSON: %s", "请求体不是有效的 JSON:%s"},
	badField:         {"", 422_10001, "%s: %s", "%[1]s:取值无效(%[2]s)"},
	badQuery:         {"", codeBadRequest, "%s: %s", "查询参数 %[1]s:取值无效(%[2]s)"},
	missingField:     {"", 422_10002, "%s is required", "缺少必填项 %s"},
	bodyTooLarge:     {"", 413_10000, "the body is larger than %d bytes", "请求体超过 %d 字节"},
	unauthorized:     {"", codeUnauthorized, "unknown credentials", "身份验证失败"},
	notPermitted:     {"", 403_10001, "%s", "没有权限(%s)"},
	notFound:         {"", codeNotFound, "%s not found", "未找到 %s"},
	methodNotAllowed: {"", 405_10000, "%s is not allowed here; allowed: %s", "此处不允许 %s,允许的方法:%s"},
	symbolUnknown:    {"", 422_10003, "%s", "证券代码无法识别(%s)"},
	positionUnknown:  {"", 404_10001, "position does not exist: %s", "没有该证券的持仓:%s"},
	orderUnknown:     {"", 404_10002, "order not found: %s", "未找到委托:%s"},
	typeUnavailable:  {"", 422_10004, "order type %s is not available; available: %s", "不支持委托类型 %s,可用:%s"},
	tifUnavailable: {"", 422_10005, "time_in_force %s is not available for this order; available: %s",
		"该委托不支持有效期 %s,可用:%s"},
	classUnavailable: {"", 422_10006, "order_class %s is not available; available: simple", "不支持委托组合 %s,可用:simple"},
	featureNot:       {"", 422_10007, "%s is not available: %s", "不支持 %s(%s)"},
	cageAdvice: {"", 422_10000, "the price %s is outside the price cage: the bound is %s now",
		"价格 %s 超出有效申报价格范围,当前界限 %s"},
	keyReused: {"", 422_10008, "this Idempotency-Key came before with another request",
		"该 Idempotency-Key 已用于另一个请求"},
	keyTooLong:     {"", 422_10009, "an Idempotency-Key has at most %d bytes", "Idempotency-Key 最长 %d 字节"},
	textTooLong:    {"", 422_10010, "%s", "文本过长(%s)"},
	rateLimited:    {"", 429_10000, "too many requests: come back in %d s", "请求过于频繁,请在 %d 秒后重试"},
	noRoom:         {"", 503_10001, "the house is full: come back in %d s", "系统繁忙,请在 %d 秒后重试"},
	tooManyLogins:  {"", 429_10001, "too many logins: come back in %d s", "登录过于频繁,请在 %d 秒后重试"},
	tooManyStreams: {"", 429_10002, "this account has too many streams open", "该账户打开的推送连接过多"},
	loginWaits: {"", 503_10009, "many are logging in: you have a place in line, come back in %d s",
		"登录人数较多,您已在排队,请在 %d 秒后再来"},
	ticketOver:     {"", 422_10018, "this place in line is over: log in again", "该排队号已失效,请重新登录"},
	passwordLength: {"", 422_10011, "a password has %d to %d bytes", "密码长度应为 %d 至 %d 字节"},
	// Not 504: the published Python client repeats a POST then, and what has no client_order_id would be done twice.
	outcomeUnknown: {"", 500_10010,
		"the outcome is unknown: the request may have been carried out; ask for the order by its client_order_id, or repeat the same request",
		"结果未知:请求可能已被执行;请按 client_order_id 查询,或重发相同请求"},
	unavailable:   {"", 503_10000, "the books take no commands now", "系统暂时无法受理"},
	historyDown:   {"", 503_10002, "history is not available now", "历史数据暂不可用"},
	requestEnded:  {"", 503_10003, "the request ended before it was handled", "请求在处理前已结束"},
	draining:      {"", 503_10004, "this server is being stopped", "服务器正在停机"},
	numberGone:    {"", 410_10000, "trades from %s on are no longer kept; the oldest is %s", "%s 起的成交已不再保留,最早为 %s"},
	crossOrigin:   {"", 403_10002, "a request from another site was refused", "拒绝来自其他网站的请求"},
	referenceUsed: {"", 422_10013, "the reference %s stands for another movement of today", "备注号 %s 已用于今日另一笔划转"},
	webSocketOnly: {"", 426_10000, "this is a stream: ask for it as a WebSocket, over HTTP/1.1",
		"此为推送连接,请使用 WebSocket(HTTP/1.1)"},
	nameTaken: {"", 422_10012, "the name %s is taken", "名称 %s 已被使用"},
	sealMissing: {"", 503_10006, "second proofs and places in line cannot be looked at now: this node " +
		"lacks the house's key, and asks the others for it",
		"本节点正在获取密钥,暂时无法处理二次验证和排队号"},
	stepOver:     {"", 422_10014, "this step is over or not whole: begin again", "本步骤已失效,请重新开始"},
	secondThere:  {"", 422_10015, "the account has a second proof: remove it first", "账户已启用二次验证,请先关闭"},
	proofWrong:   {"", 422_10016, "the password or code is wrong", "密码或验证码不正确"},
	codeUsed:     {"", 422_10017, "this code was used: wait for the next one", "该验证码已被使用,请等待下一个"},
	secondNeeded: {"", 403_10006, "staff need a second proof: set it up in the settings", "运维人员须先在设置中启用二次验证"},
	actNotTaken:  {"", 503_10007, "nothing was done: %s", "未执行任何操作:%s"},
	readOnly: {"", 503_10008, "the house is read-only now: orders can be cancelled and looked at, not placed",
		"系统暂为只读:可以查询和撤单,不能新下委托"},
	internalError: {"", codeInternal, "something went wrong on our side; the request_id helps us to find it",
		"系统内部错误,请提供 request_id 以便查找"},
}

// reasonTexts are the refusals of the books and of the exchange. A test holds that none is missing.
var reasonTexts = map[trade.Reason]text{
	trade.Accepted:       {"ACCEPTED", 200_00000, "accepted", "已接受"},
	trade.UnknownAccount: {"UNKNOWN_ACCOUNT", 404_10003, "the account does not exist", "账户不存在"},
	trade.AccountBlocked: {"ACCOUNT_BLOCKED", 403_10003, "the account is blocked", "账户已冻结"},
	trade.TradingSuspended: {"TRADING_SUSPENDED", 403_10004, "trading is suspended by the account's own setting",
		"账户已自行暂停交易"},
	trade.BoardNotAllowed: {"BOARD_NOT_ALLOWED", 403_10005, "no permission to trade on the board of this security",
		"未开通该证券所属板块的交易权限"},
	trade.LoginTaken:       {"LOGIN_TAKEN", 422_10100, "the login name is taken", "登录名已被使用"},
	trade.LoginInvalid:     {"LOGIN_INVALID", 422_10101, "the login name is not valid", "登录名无效"},
	trade.UnknownKey:       {"UNKNOWN_KEY", 404_10004, "the API key does not exist", "API 密钥不存在"},
	trade.TooManyKeys:      {"TOO_MANY_KEYS", 422_10102, "the account has too many API keys", "账户的 API 密钥过多"},
	trade.UnknownSession:   {"UNKNOWN_SESSION", 404_10005, "the session does not exist", "会话不存在"},
	trade.TooManySessions:  {"TOO_MANY_SESSIONS", 422_10103, "the account has too many sessions", "账户的会话过多"},
	trade.TooManyAccounts:  {"TOO_MANY_ACCOUNTS", 503_10100, "no more accounts can be opened here", "无法再开立更多账户"},
	trade.DocumentTooLarge: {"DOCUMENT_TOO_LARGE", 422_10104, "the document is too large", "文档过大"},
	trade.TooManyDocuments: {"TOO_MANY_DOCUMENTS", 422_10105, "the account keeps too many documents", "账户的文档过多"},
	trade.UnknownDocument:  {"UNKNOWN_DOCUMENT", 404_10006, "the document does not exist", "文档不存在"},

	trade.KeyTaken:          {"KEY_TAKEN", 422_10106, "the API key id stands for another key", "API 密钥编号已被使用"},
	trade.CommissionInvalid: {"COMMISSION_INVALID", 422_10107, "the commission rate is not valid", "佣金费率无效"},

	trade.UnknownSecurity: {"UNKNOWN_SECURITY", 422_10110, "the security is not listed", "证券不存在"},
	trade.ConditionUnknown: {"CONDITION_UNKNOWN", 422_10111,
		"the state of the security at the exchange is not known, so it takes no orders", "证券状态未知,暂不接受委托"},
	trade.SecuritySuspended: {"SECURITY_SUSPENDED", 422_10112, "the security is suspended", "证券停牌"},
	trade.SecurityHalted:    {"SECURITY_HALTED", 422_10113, "the security is halted", "证券临时停牌"},
	trade.MarketClosed:      {"MARKET_CLOSED", 422_10114, "the market is closed", "市场已闭市"},
	trade.NoCancelInThisPhase: {"NO_CANCEL_PHASE", 422_10115,
		"cancels are not taken in this phase (09:20-09:25 and the closing call)", "当前时段不接受撤单(9:20-9:25 及收盘集合竞价)"},
	trade.MarketOrderNotNow: {"MARKET_ORDER_NOT_NOW", 422_10116, "market orders are for continuous trading only",
		"市价委托仅限连续竞价时段"},
	trade.MarketOrderNoLimit: {"MARKET_ORDER_NO_LIMIT", 422_10117,
		"market orders are only for securities with a daily price limit", "无涨跌幅限制的证券不接受市价委托"},
	trade.FixedPriceNotNow: {"FIXED_PRICE_NOT_NOW", 422_10118, "fixed-price orders are not taken in this phase",
		"当前时段不接受盘后定价委托"},
	trade.WrongDay: {"WRONG_DAY", 422_10119, "the order belongs to another trading day", "委托不属于当前交易日"},
	trade.RulesMissing: {"RULES_MISSING", 422_10120, "no rule is in force for this security today, so it takes no orders",
		"该证券今日没有适用规则,暂不接受委托"},
	trade.TooManySecurities: {"TOO_MANY_SECURITIES", 503_10101, "the list of securities is full", "证券列表已满"},
	trade.NotTradableOnChannel: {"NOT_TRADABLE_ON_CHANNEL", 422_10121, "the security is not tradable on this channel",
		"该渠道不支持此证券"},

	trade.TypeNotAvailable: {"TYPE_NOT_AVAILABLE", 422_10130,
		"the exchange does not take this order type for this security",
		"交易所不支持该证券使用此委托类型"},
	trade.SideUnknown:     {"SIDE_UNKNOWN", 422_10131, "the side is neither buy nor sell", "买卖方向无效"},
	trade.PriceMissing:    {"PRICE_MISSING", 422_10132, "this order type needs a limit_price", "该委托类型必须填写价格"},
	trade.PriceNotAllowed: {"PRICE_NOT_ALLOWED", 422_10133, "this order type takes no limit_price", "该委托类型不可填写价格"},
	trade.PriceNotOnTick: {"PRICE_NOT_ON_TICK", codeUnprocessed, "the price is not a multiple of the tick",
		"价格不是最小变动单位的整数倍"},
	trade.PriceAboveLimit: {"PRICE_ABOVE_LIMIT", codeUnprocessed, "the price is above the day's upper limit", "价格高于涨停价"},
	trade.PriceBelowLimit: {"PRICE_BELOW_LIMIT", codeUnprocessed, "the price is below the day's lower limit", "价格低于跌停价"},
	trade.PriceOutsideCage: {cageAdvice, codeUnprocessed, "the price is outside the price cage",
		"价格超出有效申报价格范围"},
	trade.QuantityNotPositive: {"QUANTITY_NOT_POSITIVE", codeUnprocessed, "the quantity is not positive", "数量必须大于零"},
	trade.QuantityBelowMinimum: {"QUANTITY_BELOW_MINIMUM", codeUnprocessed, "the quantity is below the minimum",
		"数量低于最小申报数量"},
	trade.QuantityNotInLots: {"QUANTITY_NOT_IN_LOTS", codeUnprocessed, "the quantity is not a whole number of lots",
		"数量不是整手"},
	trade.OddLotNotWhole: {"ODD_LOT_NOT_WHOLE", codeUnprocessed, "an odd lot is sold whole, in one order",
		"零股必须一次性申报卖出"},
	trade.QuantityAboveMaximum: {"QUANTITY_ABOVE_MAXIMUM", codeUnprocessed, "the quantity is above the maximum",
		"数量超过单笔上限"},
	trade.FixedPriceVoid: {"FIXED_PRICE_VOID", 422_10134,
		"the limit is on the wrong side of the closing price: buy at it or above, sell at it or below",
		"限价与收盘价的方向不符,委托无效:买入限价应不低于收盘价,卖出限价应不高于收盘价"},
	trade.ClientIDUsed: {"CLIENT_ORDER_ID_USED", 422_10135,
		"client_order_id must be unique: it stands for another order of today", "client_order_id 已用于今日另一笔委托"},
	trade.ClientIDTooLong: {"CLIENT_ORDER_ID_TOO_LONG", 422_10136, "the client_order_id is too long",
		"client_order_id 过长"},
	trade.TooManyOpenOrders: {"TOO_MANY_OPEN_ORDERS", 422_10137, "the account has too many open orders", "未完成委托过多"},
	trade.AmountOverflows:   {"AMOUNT_OVERFLOWS", 422_10138, "price times quantity is too large", "委托金额过大"},
	trade.NoOppositeSide: {"NO_OPPOSITE_SIDE", 422_10139, "there is nothing to trade with, or to take a price from",
		"对手方无报价"},
	trade.CannotFillWhole: {"CANNOT_FILL_WHOLE", 422_10140, "the order cannot be filled whole", "无法全部成交"},

	trade.InsufficientCash: {"INSUFFICIENT_CASH", codeForbidden, "insufficient buying power", "可用资金不足"},
	trade.InsufficientSellable: {"INSUFFICIENT_SELLABLE", codeForbidden,
		"insufficient qty available for order: shares bought today are sellable on the next trading day",
		"可卖数量不足(当日买入次一交易日方可卖出)"},
	trade.AmountNotPositive: {"AMOUNT_NOT_POSITIVE", 422_10141, "the amount is not positive", "金额必须大于零"},
	trade.NotWithdrawable: {"NOT_WITHDRAWABLE", 403_10006,
		"the amount is not withdrawable today: sale proceeds reach the bank on the next trading day",
		"超过可取金额(当日卖出资金次一交易日可取)"},

	trade.UnknownOrder: {"UNKNOWN_ORDER", 404_10007, "the order does not exist", "委托不存在"},
	trade.OrderAlreadyDone: {"ORDER_ALREADY_DONE", 422_10150, "the order is done and can no longer be changed",
		"委托已完成,无法更改"},
	trade.CancelPendingNow: {"CANCEL_PENDING", 422_10151, "a cancel of this order is under way", "撤单正在处理中"},
	trade.NothingToReplace: {"NOTHING_TO_REPLACE", 422_10152, "the replacement changes nothing", "改单内容没有变化"},
	trade.ReplaceBelowFilled: {"REPLACE_BELOW_FILLED", 422_10153, "the new quantity is not above what was filled",
		"改单数量须大于已成交数量"},
	trade.FilledBeforeReplace: {"FILLED_BEFORE_REPLACE", 422_10154, "the order was filled before it could be replaced",
		"委托在改单前已成交"},
	trade.DuplicateOrder: {"DUPLICATE_ORDER", 422_10155, "the exchange has this order already", "交易所已有该委托"},
	trade.NotOwner:       {"NOT_OWNER", 404_10008, "the order does not exist", "委托不存在"},

	trade.ReportGap:      {"REPORT_GAP", 500_10001, "a report of the exchange came too early", "交易所回报序号不连续"},
	trade.ReportRepeated: {"REPORT_REPEATED", 500_10002, "a report of the exchange came again", "交易所回报重复"},
	trade.RulesInvalid:   {"RULES_INVALID", 422_10160, "the rule file is not valid", "规则文件无效"},
	trade.DayNotLater: {"DAY_NOT_LATER", 422_10161, "the trading day is not later than the current one",
		"交易日必须晚于当前交易日"},
	trade.CommandUnreadable: {"COMMAND_UNREADABLE", 500_10003, "the command could not be read", "指令无法解析"},
	trade.VenueRefused:      {"VENUE_REFUSED", 422_10162, "the exchange refused the order", "交易所拒绝该委托"},
	trade.VenueThrottled:    {"VENUE_THROTTLED", 422_10163, "the exchange took too many orders at once", "交易所流量控制"},
	trade.ExpiredAtClose:    {"EXPIRED_AT_CLOSE", 422_10164, "the order expired at the end of the day", "委托在收市时失效"},
	trade.CancelledByVenue:  {"CANCELLED_BY_VENUE", 422_10165, "the exchange cancelled the order", "交易所已撤销该委托"},
	trade.OrderLimitOfDay:   {"ORDER_LIMIT_OF_DAY", 503_10102, "no order numbers are left today", "今日委托编号已用尽"},
	trade.TypeRemainder:     {"TYPE_REMAINDER", 422_10166, "the order type cancels what is left", "按委托类型,剩余部分自动撤销"},
	trade.ReportUnknownRequest: {"REPORT_UNKNOWN_REQUEST", 500_10004,
		"a report of the exchange names no request of ours", "交易所回报对应的委托不存在"},
	trade.ReportUntrue: {"REPORT_UNTRUE", 500_10005, "a report of the exchange contradicts the books",
		"交易所回报与账簿不符"},
	trade.TooManyPartitions: {"TOO_MANY_PARTITIONS", 500_10006, "the exchange has too many partitions", "交易所回报分区过多"},
}
