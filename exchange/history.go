package exchange

import (
	"math"
	"math/rand/v2"
	"time"

	"evenkeel/core/money"
	"evenkeel/core/rules"
	"evenkeel/core/trade"
	"evenkeel/szse"
)

// A simulated market is given a made-up past, so that charts and averages have something to show: day candles, and
// minute candles of the last days, from a random walk that ends at the previous close.
const (
	madeDays       = 250
	madeMinuteDays = 2
	dayVolatility  = 0.018
)

// makePast is the past of a security that has none, as one entry of the journal, so it is there whole or not at all;
// nil when there is nothing to add.
func (s *Server) makePast(l *Listed, seed uint64) []byte {
	m := s.machine
	m.mu.RLock()
	has := len(m.tape.days[l.Code])+len(m.tape.minutes[l.Code])+len(m.tape.today[l.Code]) > 0
	today := m.core.Day()
	m.mu.RUnlock()
	if has {
		return nil
	}
	var days []trade.Day // newest first
	for day := today; len(days) < madeDays; {
		before, _ := s.rules.PreviousTradingDay(day)
		if before == day || before == 0 {
			break
		}
		day = before
		days = append(days, day)
	}
	random := rand.New(rand.NewPCG(s.config.Flow.Seed, seed+0x70617374)) //nolint:gosec // a made-up market
	entry := []byte{historyKind}
	for _, b := range s.pastOf(l, days, random) {
		entry = b.Append(entry)
	}
	if len(entry) == 1 {
		return nil
	}
	return entry
}

// pastOf walks back from the previous close; candles are returned oldest first.
func (s *Server) pastOf(l *Listed, days []trade.Day, random *rand.Rand) []szse.Bar {
	tick := money.Price(100)
	if l.Board == trade.ETF {
		tick = 10
	}
	days = days[:min(len(days), int(l.ListedDay)-1)]
	whole := make([]szse.Bar, 0, len(days))
	var minutes []szse.Bar
	last := float64(l.PreviousClose)
	for i, day := range days {
		open := last * math.Exp(random.NormFloat64()*dayVolatility)
		bars := s.minutesOf(l, day, open, last, tick, random)
		b := bars[0]
		b.Minutes, b.Start = szse.DayBar, rules.Join(day, 0)
		for k := range bars[1:] {
			m := &bars[1+k]
			b.High, b.Low, b.Close = max(b.High, m.High), min(b.Low, m.Low), m.Close
			b.Volume += m.Volume
			b.Turnover += m.Turnover
			b.Trades += m.Trades
		}
		whole = append(whole, b)
		if i < madeMinuteDays {
			minutes = append(bars, minutes...)
		}
		last = open * math.Exp(random.NormFloat64()*dayVolatility/3)
	}
	for i, k := 0, len(whole)-1; i < k; i, k = i+1, k-1 {
		whole[i], whole[k] = whole[k], whole[i]
	}
	return append(whole, minutes...)
}

// minutesOf is a day of 240 minutes from open to close: a random walk bent so that it ends at the close.
func (s *Server) minutesOf(l *Listed, day trade.Day, open, last float64, tick money.Price,
	random *rand.Rand) []szse.Bar {
	const count = 240
	var path [count + 1]float64
	for i := 1; i <= count; i++ {
		path[i] = path[i-1] + random.NormFloat64()*dayVolatility/16
	}
	end := math.Log(last/open) - path[count]
	price := func(i int) money.Price {
		p := open * math.Exp(path[i]+end*float64(i)/count)
		return max(tick, money.Price(math.Round(p/float64(tick)))*tick)
	}
	bars := make([]szse.Bar, count)
	for i := range bars {
		minute := 9*60 + 30 + i
		if i >= count/2 {
			minute = 13*60 + i - count/2
		}
		from, to := price(i), price(i+1)
		busy := float64(l.Weight) * activity(time.Duration(minute)*time.Minute)
		volume := money.Quantity(math.Ceil(busy*math.Exp(random.NormFloat64()*0.8)*20)) * 100
		turnover, _ := money.Amount((from+to)/2, volume)
		bars[i] = szse.Bar{Security: szse.Security{Venue: l.Venue, Code: l.Code}, Minutes: 1, Day: day,
			Start: rules.Join(day, 0) + trade.Time(minute)*60_000_000_000, Open: from, Close: to,
			High:   max(from, to) + tick*money.Price(random.IntN(2)),
			Low:    max(tick, min(from, to)-tick*money.Price(random.IntN(2))),
			Volume: volume, Turnover: turnover, Trades: uint64(volume/400) + 1}
	}
	return bars
}
