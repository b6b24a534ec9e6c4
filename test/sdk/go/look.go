package main

import (
	"fmt"

	"github.com/alpacahq/alpaca-trade-api-go/v3/alpaca"
	"github.com/shopspring/decimal"
)

// look reads what the trading left behind: positions, activities, the history of the portfolio.
func (i *investor) look() {
	if i.filled == nil {
		return
	}
	i.check("positions", func() error {
		positions, err := i.trading.GetPositions()
		if err != nil {
			return err
		}
		for _, p := range positions {
			if p.Symbol == i.filled.Symbol {
				return hold(p.Side == "long" && p.AssetID == i.filled.AssetID && p.AvgEntryPrice.IsPositive() &&
					p.MarketValue != nil && p.CurrentPrice != nil && p.MarketValue.Equal(p.CurrentPrice.Mul(p.Qty)),
					"%+v", p)
			}
		}
		return fmt.Errorf("%s is not among %d positions", i.filled.Symbol, len(positions))
	})
	i.check("activities", func() error {
		return until(patience, func() error {
			fills, err := i.trading.GetAccountActivities(alpaca.GetAccountActivitiesRequest{ActivityTypes: []string{"FILL"}})
			if err != nil {
				return err
			}
			quantity := decimal.Zero
			for _, fill := range fills {
				if fill.OrderID == i.filled.ID && fill.Symbol == i.filled.Symbol && fill.Side == "buy" {
					quantity = quantity.Add(fill.Qty)
				}
			}
			return hold(quantity.Equal(i.filled.FilledQty), "fills of %s shares, not %s", quantity, i.filled.FilledQty)
		})
	})
	i.check("activities in pages", func() error {
		page, err := i.trading.GetAccountActivities(alpaca.GetAccountActivitiesRequest{PageSize: 1})
		if err != nil {
			return err
		}
		if len(page) != 1 {
			return fmt.Errorf("a page of one holds %d", len(page))
		}
		next, err := i.trading.GetAccountActivities(alpaca.GetAccountActivitiesRequest{PageSize: 1, PageToken: page[0].ID})
		if err != nil {
			return err
		}
		return hold(len(next) == 0 || next[0].ID != page[0].ID, "the second page repeats %s", page[0].ID)
	})
	i.check("portfolio history", func() error {
		history, err := i.trading.GetPortfolioHistory(alpaca.GetPortfolioHistoryRequest{
			Period: "1D", TimeFrame: alpaca.Min5,
		})
		if err != nil {
			return err
		}
		n := len(history.Timestamp)
		return hold(n > 0 && len(history.Equity) == n && len(history.ProfitLoss) == n && len(history.ProfitLossPct) == n &&
			history.BaseValue.IsPositive() && history.Equity[n-1].IsPositive(), "%+v", *history)
	})
}

// lists makes a watchlist, changes it and takes it away.
func (i *investor) lists() {
	i.check("watchlists", func() error {
		first, second := i.listed[0].Symbol, i.listed[1].Symbol
		made, err := i.trading.CreateWatchlist(alpaca.CreateWatchlistRequest{Name: i.run, Symbols: []string{first}})
		if err != nil {
			return err
		}
		added, err := i.trading.AddSymbolToWatchlist(made.ID, alpaca.AddSymbolToWatchlistRequest{Symbol: second})
		if err != nil {
			return err
		}
		if len(added.Assets) != 2 || added.Assets[0].Symbol != first || added.Assets[1].Symbol != second {
			return fmt.Errorf("added %s to %s: %+v", second, first, added)
		}
		err = i.trading.RemoveSymbolFromWatchlist(made.ID, alpaca.RemoveSymbolFromWatchlistRequest{Symbol: first})
		if err != nil {
			return err
		}
		left, err := i.trading.UpdateWatchlist(made.ID, alpaca.UpdateWatchlistRequest{
			Name: i.run + "b", Symbols: []string{second},
		})
		if err != nil {
			return err
		}
		all, err := i.trading.GetWatchlists()
		if err != nil {
			return err
		}
		if len(left.Assets) != 1 || left.Name != i.run+"b" || len(all) == 0 {
			return fmt.Errorf("left %+v, all %+v", left, all)
		}
		if err := i.trading.DeleteWatchlist(made.ID); err != nil {
			return err
		}
		_, err = i.trading.GetWatchlist(made.ID)
		return refused(err, 404)
	})
}
