package node

import (
	"fmt"
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

// parsePercent reads a rate such as 0.025 (percent); nothing is the demo's commission.
func parsePercent(s string) (money.Rate, error) {
	if s == "" {
		return demoCommission, nil
	}
	v, err := money.ParsePrice(strings.TrimSuffix(s, "%")) // 1/10,000 of a percent
	if err != nil || v < 0 || v > 100*money.Scale {
		return 0, fmt.Errorf("commission %q: percent, such as 0.025", s)
	}
	return money.Rate(v) * (money.Whole / 100 / money.Scale), nil
}
