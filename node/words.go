package node

import (
	"fmt"
	"strconv"
	"strings"

	"evenkeel/core/money"
	"evenkeel/core/trade"
)

// permissionWords are how people write permissions, in the order in which they are shown.
var permissionWords = []struct {
	word string
	bits trade.Permissions
}{
	{"all", trade.MayEverything}, {"read", trade.MayRead}, {"trade", trade.MayTrade}, {"star", trade.MaySTAR},
	{"chinext", trade.MayChiNext}, {"bse", trade.MayBSE}, {"cash", trade.MayMoveCash}, {"operate", trade.MayOperate},
}

// ParsePermissions reads words separated by commas; nothing is "all".
func ParsePermissions(s string) (p trade.Permissions, err error) {
	if s == "" {
		return trade.MayEverything, nil
	}
next:
	for _, word := range strings.Split(s, ",") {
		known := make([]string, 0, len(permissionWords))
		for _, w := range permissionWords {
			if w.word == strings.TrimSpace(word) {
				p |= w.bits
				continue next
			}
			known = append(known, w.word)
		}
		return 0, fmt.Errorf("permission %q: one of %s", word, strings.Join(known, ", "))
	}
	return p, nil
}

// maxCommission is the most that a broker may charge: 0.3 %, in 1/10,000 of a percent (CSRC, SPC and STA, Zheng Jian
// Fa
// 2002 No. 21).
const maxCommission = 3 * money.Scale / 10

// parsePercent reads a rate such as 0.025 (percent); nothing is the demo's commission.
func parsePercent(s string) (money.Rate, error) {
	if s == "" {
		return demoCommission, nil
	}
	v, err := money.ParsePrice(strings.TrimSuffix(s, "%")) // 1/10,000 of a percent
	if err != nil || v < 0 || v > maxCommission {
		return 0, fmt.Errorf("commission %q: percent, such as 0.025; at most 0.3 by law", s)
	}
	return money.Rate(v) * (money.Whole / 100 / money.Scale), nil
}

// reasonText is what a refusal of the books means to whoever works at the desk, or reads why a start failed.
func reasonText(r trade.Reason) string {
	texts := map[trade.Reason]string{
		trade.UnknownAccount:       "the account does not exist",
		trade.LoginTaken:           "the login is taken",
		trade.LoginInvalid:         fmt.Sprintf("a login has 1 to %d bytes", trade.MaxLogin),
		trade.UnknownKey:           "the account has no such key",
		trade.TooManyKeys:          "the account has as many keys as it may have",
		trade.TooManyAccounts:      "the books are full: no more accounts",
		trade.UnknownSecurity:      "the security is not listed",
		trade.QuantityNotPositive:  "the quantity is zero",
		trade.AmountNotPositive:    "the amount is zero, or of the wrong sign",
		trade.AmountOverflows:      "the amount is too large",
		trade.InsufficientCash:     "more than is available",
		trade.NotWithdrawable:      "more than may be withdrawn today",
		trade.InsufficientSellable: "more than is sellable today",
		trade.OrderLimitOfDay:      "the books take no more movements today",
		trade.RulesInvalid:         "the rule file is not valid",
		trade.CommandUnreadable:    "a text is too long, or the command cannot be read",
	}
	if text, ok := texts[r]; ok {
		return text
	}
	return fmt.Sprintf("the books refused: reason %d", r)
}

func inUnit(u trade.Unit, v int64) string {
	switch u {
	case trade.Prices:
		return money.Price(v).String()
	case trade.Money:
		return money.Cash(v).String()
	}
	return strconv.FormatInt(v, 10)
}
