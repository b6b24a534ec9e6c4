package rules

import (
	"evenkeel/core/money"
	"evenkeel/core/trade"
)

// resolve fills the terms of a security on a day, and returns the first table that has no row for it, or complete.
func (r *Rules) resolve(
	t *Terms, venue trade.Venue, board trade.Board, condition trade.Condition, day trade.Day,
) tableID {
	t.Venue, t.Board, t.Condition, t.Day = venue, board, condition, day
	if !has(venue, board) {
		return lots
	}
	one := func(id tableID) *cells { return r.find(id, venue, board, condition, day) }
	if c := one(lots); c != nil {
		t.BuyMinimum, t.BuyIncrement = money.Quantity(c[lotBuyLeast]), money.Quantity(c[lotBuyStep])
		t.SellMinimum, t.SellIncrement = money.Quantity(c[lotSellLeast]), money.Quantity(c[lotSellStep])
		t.OddLotOnce = c[lotOdd] == 1
		t.MaxLimit, t.MaxMarket = money.Quantity(c[lotMaxLimit]), money.Quantity(c[lotMaxMarket])
	} else {
		return lots
	}
	if c := one(ticks); c != nil {
		t.Tick = money.Price(c[tickTick])
	} else {
		return ticks
	}
	if c := one(limits); c != nil {
		t.HasLimit = c[limitRate] != absent
		t.LimitRate = money.Rate(max(c[limitRate], 0))
		t.LimitRounding, t.LimitTicks = money.Rounding(c[limitRounding]), c[limitTicks]
	} else {
		return limits
	}
	if c := one(cages); c != nil {
		t.HasCage = c[cageRate] != absent
		t.CageRate = money.Rate(max(c[cageRate], 0))
		t.CageTicks, t.CageRounding = c[cageTicks], money.Rounding(c[cageRounding])
	} else {
		return cages
	}
	if c := one(halts); c != nil && !t.HasLimit {
		t.Halt = Halt{
			First: money.Rate(c[haltFirst]), Second: money.Rate(c[haltSecond]),
			Length: TimeOfDay(c[haltMinutes]) * Minute, End: TimeOfDay(c[haltEnd]),
		}
	} else if !t.HasLimit {
		return halts // without a limit there must be a rule that halts
	}
	if c := one(settlement); c != nil {
		t.ShareDays, t.SameDaySale = int(c[settlementDays]), c[settlementSameDay] == 1
	} else {
		return settlement
	}
	if c := one(closings); c != nil {
		t.Closing = Closing(c[closingRule])
	} else {
		return closings
	}
	if c := one(auctions); c != nil {
		t.TieBreak = TieBreak(c[auctionRule])
	} else {
		return auctions
	}
	if !r.resolveTypes(t) {
		return types
	}
	return r.resolveTariff(t)
}

// resolveTypes fills the order types; limit orders must be among them.
func (r *Rules) resolveTypes(t *Terms) bool {
	rows := r.tables[types]
	for i := range rows {
		c := &rows[i].cells
		if !schemas[types].covers(c, t.Venue, t.Board, t.Condition, t.Day) || c[typeLimited] == 1 && !t.HasLimit {
			continue
		}
		t.Types |= TypeSet(c[typeTypes])
		if c[typeProtected] == 1 {
			t.Protected |= TypeSet(c[typeTypes])
		}
		for o := range t.phases {
			if TypeSet(c[typeTypes]).Has(trade.OrderType(o)) {
				t.phases[o] = PhaseSet(c[typePhases])
			}
		}
	}
	return t.Types.Has(trade.Limit)
}

// resolveTariff fills commission and levies; every item must have a row on both sides, if only of 0 %.
func (r *Rules) resolveTariff(t *Terms) tableID {
	c := r.find(commissions, t.Venue, t.Board, t.Condition, t.Day)
	if c == nil {
		return commissions
	}
	t.Tariff.CommissionMost, t.Tariff.CommissionMin = money.Rate(c[commissionMost]), money.Cash(c[commissionLeast])
	found := 0
	rows := r.tables[levies]
	for i := range rows {
		c := &rows[i].cells
		if !schemas[levies].covers(c, t.Venue, t.Board, t.Condition, t.Day) {
			continue
		}
		sides := [...]struct {
			side   trade.Side
			levies *Levies
		}{{trade.Buy, &t.Tariff.Buy}, {trade.Sell, &t.Tariff.Sell}}
		for _, s := range sides {
			if !inSet(c, levySides, uint8(s.side)) {
				continue
			}
			found++
			items := [...]*money.Rate{&s.levies.Stamp, &s.levies.Transfer, &s.levies.Handling, &s.levies.Supervision}
			*items[c[levyItem]] = money.Rate(c[levyRate])
		}
	}
	if found != 2*len(itemWords) {
		return levies
	}
	return complete
}
