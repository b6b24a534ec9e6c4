package main

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/alpacahq/alpaca-trade-api-go/v3/alpaca"
	"github.com/alpacahq/alpaca-trade-api-go/v3/marketdata"
	"github.com/shopspring/decimal"
)

// A security is what the orders are placed in, with prices in fen.
type security struct {
	symbol string
	rest   int64 // a limit that buys nothing now
	cross  int64 // a limit that buys at once
}

func fen(price float64) int64 { return int64(math.Round(price * 100)) }

func yuan(fen int64) *decimal.Decimal {
	d := decimal.New(fen, -2)
	return &d
}

// read checks what an investor reads before trading, and chooses what to trade.
func (i *investor) read() {
	i.check("account", func() error {
		account, err := i.trading.GetAccount()
		if err != nil {
			return err
		}
		return hold(account.Status == "ACTIVE" && account.Currency == "CNY" && account.ID != "" &&
			account.Cash.IsPositive() && account.BuyingPower.IsPositive() && !account.TradingBlocked &&
			!account.Equity.LessThan(account.Cash), "%+v", *account)
	})
	i.check("wrong secret refused", func() error {
		_, err := alpaca.NewClient(alpaca.ClientOpts{APISecret: "wrong"}).GetAccount()
		return refused(err, 401)
	})
	i.check("assets", func() error {
		var err error
		if i.listed, err = i.trading.GetAssets(alpaca.GetAssetsRequest{Status: "active"}); err != nil {
			return err
		}
		if err := hold(len(i.listed) >= 20, "only %d", len(i.listed)); err != nil {
			return err
		}
		one, err := i.trading.GetAsset(i.listed[0].Symbol)
		if err != nil {
			return err
		}
		return hold(one.ID == i.listed[0].ID && one.Name != "" && one.Class == alpaca.USEquity && one.Exchange == "",
			"%+v", *one)
	})
	i.check("unknown asset", func() error {
		_, err := i.trading.GetAsset("999999.SH")
		return refused(err, 404)
	})
	i.check("clock", func() error {
		clock, err := i.trading.GetClock()
		if err != nil {
			return err
		}
		i.started = clock.Timestamp
		return hold(clock.IsOpen && clock.NextClose.After(clock.Timestamp) && clock.NextOpen.After(clock.Timestamp),
			"%+v", *clock)
	})
	i.check("calendar", func() error {
		days, err := i.trading.GetCalendar(alpaca.GetCalendarRequest{
			Start: i.started.AddDate(0, 0, -14), End: i.started,
		})
		if err != nil {
			return err
		}
		return hold(len(days) >= 3 && days[0].Open == "09:30" && days[0].Close == "15:00", "%+v", days)
	})
	i.check("snapshots", i.choose)
	i.check("bars in pages", i.daily)
}

// choose reads snapshots and picks a main-board security that is some way from its price limits.
func (i *investor) choose() error {
	var symbols []string
	for _, asset := range i.listed {
		if asset.Tradable && (strings.HasPrefix(asset.Symbol, "60") || strings.HasPrefix(asset.Symbol, "00")) {
			symbols = append(symbols, asset.Symbol)
		}
	}
	return until(patience, func() error {
		snapshots, err := i.market.GetSnapshots(symbols, marketdata.GetSnapshotRequest{})
		if err != nil {
			return err
		}
		for _, symbol := range symbols {
			s := snapshots[symbol]
			if s == nil || s.LatestTrade == nil || s.LatestQuote == nil || s.DailyBar == nil || s.PrevDailyBar == nil {
				continue
			}
			bid, ask, previous := fen(s.LatestQuote.BidPrice), fen(s.LatestQuote.AskPrice), fen(s.PrevDailyBar.Close)
			chosen := security{symbol, bid * 97 / 100, ask * 101 / 100}
			// Within 4 per cent of the previous close no daily limit is near, not even one of 5 per cent.
			if bid > 1_000 && bid < ask && ask < 20_000 && chosen.rest > previous*96/100 && chosen.cross < previous*104/100 {
				i.chosen = chosen
				return nil
			}
		}
		return fmt.Errorf("none of %d main-board securities is some way from its limits: %+v", len(symbols), snapshots)
	})
}

// daily reads one bar a page.
func (i *investor) daily() error {
	symbols := []string{i.chosen.symbol}
	for _, asset := range i.listed {
		if asset.Symbol != i.chosen.symbol && len(symbols) < 4 {
			symbols = append(symbols, asset.Symbol)
		}
	}
	return until(patience, func() error {
		bars, err := i.market.GetMultiBars(symbols, marketdata.GetBarsRequest{
			TimeFrame: marketdata.OneDay, Start: i.started.Add(-10 * 24 * time.Hour), PageLimit: 1,
		})
		if err != nil {
			return err
		}
		count := 0
		for symbol, of := range bars {
			for _, b := range of {
				if b.Volume == 0 || b.Low > b.Open || b.Low > b.Close || b.High < b.Open || b.High < b.Close {
					return fmt.Errorf("%s: %+v", symbol, b)
				}
			}
			count += len(of)
		}
		return hold(count >= 2 && len(bars[i.chosen.symbol]) > 0, "%d bars on as many pages: %+v", count, bars)
	})
}
