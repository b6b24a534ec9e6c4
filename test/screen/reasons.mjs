// Every reason of core/trade for which something is refused or ended, and where an investor is told of it on a screen. `in`
// names the spec that meets it in a browser: each play of that spec, in each language, fails unless it does. `never` says
// why no screen of an investor meets it. screen_test.go holds this against core/trade both ways.

/** By the name in core/trade: what the API calls it, and where it is met. */
export const reasons = {
  // who asks
  UnknownAccount: { said: 'UNKNOWN_ACCOUNT', never: 'who is logged in has an account, and no account is ever taken away' },
  AccountBlocked: { said: 'ACCOUNT_BLOCKED', never: 'nobody can take all permissions from an account: the desk gives some, and there is no command that takes them back' },
  TradingSuspended: { said: 'TRADING_SUSPENDED', in: 'unsent' },
  BoardNotAllowed: { said: 'BOARD_NOT_ALLOWED', in: 'unsent' },
  LoginTaken: { said: 'LOGIN_TAKEN', never: 'accounts are opened at the desk' },
  LoginInvalid: { said: 'LOGIN_INVALID', never: 'accounts are opened at the desk' },
  UnknownKey: { said: 'UNKNOWN_KEY', in: 'limits' },
  TooManyKeys: { said: 'TOO_MANY_KEYS', in: 'limits' },
  UnknownSession: { said: 'UNKNOWN_SESSION', never: 'a login that is over is NOT_FOUND or UNAUTHORIZED at the edge, before the books are asked' },
  TooManySessions: { said: 'TOO_MANY_SESSIONS', never: 'a new login takes the place of the one that would end first' },
  TooManyAccounts: { said: 'TOO_MANY_ACCOUNTS', never: 'accounts are opened at the desk' },
  DocumentTooLarge: { said: 'DOCUMENT_TOO_LARGE', never: 'a group of securities, the only document that a screen writes, has at most 500 codes and a name of 64 characters: less than half of what fits' },
  TooManyDocuments: { said: 'TOO_MANY_DOCUMENTS', in: 'limits' },
  UnknownDocument: { said: 'UNKNOWN_DOCUMENT', never: 'a group that is gone is NOT_FOUND at the edge, before the books are asked' },
  KeyTaken: { said: 'KEY_TAKEN', never: 'the house makes the id of a key, at random' },
  CommissionInvalid: { said: 'COMMISSION_INVALID', never: 'the commission is agreed at the desk' },

  // the security and the moment
  UnknownSecurity: { said: 'UNKNOWN_SECURITY', never: 'an unknown code is SYMBOL_UNKNOWN at the edge, before the books are asked' },
  ConditionUnknown: { said: 'CONDITION_UNKNOWN', never: 'only in the moment at midnight between the start of a day and the exchange\u2019s list of that day, in which no browser can be held' },
  SecuritySuspended: { said: 'SECURITY_SUSPENDED', in: 'unsent' },
  SecurityHalted: { said: 'SECURITY_HALTED', in: 'decided' },
  MarketClosed: { said: 'MARKET_CLOSED', in: 'hours' },
  NoCancelInThisPhase: { said: 'NO_CANCEL_PHASE', in: 'hours' },
  MarketOrderNotNow: { said: 'MARKET_ORDER_NOT_NOW', in: 'hours' },
  MarketOrderNoLimit: { said: 'MARKET_ORDER_NO_LIMIT', in: 'unsent' },
  FixedPriceNotNow: { said: 'FIXED_PRICE_NOT_NOW', in: 'unsent' },
  WrongDay: { said: 'WRONG_DAY', never: 'of an order that was on its way at midnight, when the books end it with their day: it expired, whatever the exchange says later' },
  RulesMissing: { said: 'RULES_MISSING', in: 'listed' },
  TooManySecurities: { said: 'TOO_MANY_SECURITIES', never: 'securities are listed by the exchange' },
  NotTradableOnChannel: { said: 'NOT_TRADABLE_ON_CHANNEL', never: 'no rule that is in force is about a channel: nothing is refused for it' },

  // the order
  TypeNotAvailable: { said: 'TYPE_NOT_AVAILABLE', in: 'unsent' },
  SideUnknown: { said: 'SIDE_UNKNOWN', never: 'another side is BAD_FIELD at the edge, before the books are asked' },
  PriceMissing: { said: 'PRICE_MISSING', never: 'an order without its price is MISSING_FIELD at the edge, before the books are asked' },
  PriceNotAllowed: { said: 'PRICE_NOT_ALLOWED', in: 'unsent' },
  PriceNotOnTick: { said: 'PRICE_NOT_ON_TICK', in: 'refusals' },
  PriceAboveLimit: { said: 'PRICE_ABOVE_LIMIT', in: 'refusals' },
  PriceBelowLimit: { said: 'PRICE_BELOW_LIMIT', in: 'refusals' },
  PriceOutsideCage: { said: 'PRICE_OUTSIDE_CAGE', in: 'refusals' },
  QuantityNotPositive: { said: 'QUANTITY_NOT_POSITIVE', in: 'unsent' },
  QuantityBelowMinimum: { said: 'QUANTITY_BELOW_MINIMUM', in: 'refusals' },
  QuantityNotInLots: { said: 'QUANTITY_NOT_IN_LOTS', in: 'refusals' },
  OddLotNotWhole: { said: 'ODD_LOT_NOT_WHOLE', in: 'refusals' },
  QuantityAboveMaximum: { said: 'QUANTITY_ABOVE_MAXIMUM', in: 'refusals' },
  FixedPriceVoid: { said: 'FIXED_PRICE_VOID', in: 'hours' },
  ClientIDUsed: { said: 'CLIENT_ORDER_ID_USED', in: 'unsent' },
  ClientIDTooLong: { said: 'CLIENT_ORDER_ID_TOO_LONG', in: 'unsent' },
  TooManyOpenOrders: { said: 'TOO_MANY_OPEN_ORDERS', in: 'limits' },
  AmountOverflows: { said: 'AMOUNT_OVERFLOWS', in: 'limits' },
  NoOppositeSide: { said: 'NO_OPPOSITE_SIDE', in: 'ends' },
  CannotFillWhole: { said: 'CANNOT_FILL_WHOLE', in: 'ends' },

  // money and shares
  InsufficientCash: { said: 'INSUFFICIENT_CASH', in: 'refusals' },
  InsufficientSellable: { said: 'INSUFFICIENT_SELLABLE', in: 'refusals' },
  AmountNotPositive: { said: 'AMOUNT_NOT_POSITIVE', in: 'limits' },
  NotWithdrawable: { said: 'NOT_WITHDRAWABLE', in: 'limits' },

  // an order that exists, or should
  UnknownOrder: { said: 'UNKNOWN_ORDER', in: 'ends' },
  OrderAlreadyDone: { said: 'ORDER_ALREADY_DONE', in: 'ends' },
  CancelPendingNow: { said: 'CANCEL_PENDING', in: 'hours' },
  NothingToReplace: { said: 'NOTHING_TO_REPLACE', never: 'only programs replace orders, and are told at once: no order comes of it that a screen could show' },
  ReplaceBelowFilled: { said: 'REPLACE_BELOW_FILLED', never: 'only programs replace orders, and are told at once: no order comes of it that a screen could show' },
  FilledBeforeReplace: { said: 'FILLED_BEFORE_REPLACE', in: 'hours' },
  DuplicateOrder: { said: 'DUPLICATE_ORDER', never: 'the exchange says it of an order that was sent again, and the books go on with the first' },
  NotOwner: { said: 'NOT_OWNER', in: 'ends' },

  // between machines
  ReportGap: { said: 'REPORT_GAP', never: 'between the link and the books: the link sends the missing report' },
  ReportRepeated: { said: 'REPORT_REPEATED', never: 'between the link and the books: the report counts once' },
  RulesInvalid: { said: 'RULES_INVALID', never: 'the rule file is the operator\u2019s, read when the program starts' },
  DayNotLater: { said: 'DAY_NOT_LATER', never: 'between the exchange\u2019s clock and the books' },
  CommandUnreadable: { said: 'COMMAND_UNREADABLE', never: 'the edge makes the commands, and refuses every text that is too long for one' },
  VenueRefused: { said: 'VENUE_REFUSED', never: 'for codes of another exchange: the simulated one gives every reason its number' },
  VenueThrottled: { said: 'VENUE_THROTTLED', never: 'for more broker units than the exchange has room for: the house has one' },
  ExpiredAtClose: { said: 'EXPIRED_AT_CLOSE', in: 'hours' },
  CancelledByVenue: { said: 'CANCELLED_BY_VENUE', never: 'for an exchange that says no reason: the simulated one says why it ends an order' },
  OrderLimitOfDay: { said: 'ORDER_LIMIT_OF_DAY', never: 'after 268 million orders and cancels of a day' },
  TypeRemainder: { said: 'TYPE_REMAINDER', in: 'ends' },
  ReportUnknownRequest: { said: 'REPORT_UNKNOWN_REQUEST', never: 'between the exchange and the books: no order is concerned' },
  ReportUntrue: { said: 'REPORT_UNTRUE', never: 'between the exchange and the books: the report changes nothing' },
  TooManyPartitions: { said: 'TOO_MANY_PARTITIONS', never: 'between the exchange and the books' },
}

/** What a play of a spec lacks, or has met against what stands above; '' when it is as it should be. */
export function judge(spec, met) {
  const all = Object.values(reasons)
  const lacks = all.filter((r) => r.in === spec && !met.has(r.said)).map((r) => r.said)
  const denied = all.filter((r) => r.never && met.has(r.said)).map((r) => r.said)
  return [lacks.length ? `it did not meet ${lacks.join(', ')}` : '', denied.length ? `it met ${denied.join(', ')}, which reasons.mjs says nobody can` : ''].filter(Boolean).join('; ')
}
