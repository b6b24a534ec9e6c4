package api

import (
	"evenkeel/core/trade"
	"evenkeel/feed"
	"evenkeel/szse"
)

// writeUpdate writes one message of the data stream.
func writeUpdate(w *wire, u *feed.Update) {
	switch u.Kind {
	case feed.TradeUpdate:
		writeTrade(w, u.Trade)
	case feed.QuoteUpdate:
		writeQuote(w, u.Quote)
	case feed.DepthUpdate:
		writeBook(w, u.Quote)
	case feed.BarUpdate:
		writeBar(w, "b", u.Candle)
	case feed.LateBarUpdate:
		writeBar(w, "u", u.Candle)
	case feed.DayBarUpdate:
		writeBar(w, "d", u.Candle)
	case feed.StatusUpdate:
		writeStatus(w, u.Status)
	case feed.LimitUpdate:
		w.object(7)
		w.member("T", "l")
		w.member("S", u.Symbol)
		w.price("u", u.Quote.UpperLimit)
		w.price("d", u.Quote.LowerLimit)
		w.member("i", "B") // both limits hold; 0 is none
		w.moment(u.Quote.Time)
		w.member("z", tape(u.Symbol))
		w.endObject()
	case feed.ImbalanceUpdate:
		writeImbalance(w, u.Quote)
	}
}

func writeTrade(w *wire, t *feed.Trade) {
	w.object(9)
	w.member("T", "t")
	w.member("S", t.Symbol)
	w.count("i", t.Sequence)
	w.member("x", exchangeLetter(t.Symbol))
	w.price("p", t.Price)
	w.count("s", uint64(small(t.Quantity)))
	w.moment(t.Time)
	w.texts("c", condition(t))
	w.member("z", tape(t.Symbol))
	w.endObject()
}

func writeQuote(w *wire, q *feed.Quote) {
	bid, ask, x := q.BestBid(), q.BestAsk(), exchangeLetter(q.Symbol)
	w.object(11)
	w.member("T", "q")
	w.member("S", q.Symbol)
	w.member("bx", x)
	w.price("bp", bid.Price)
	w.count("bs", uint64(small(bid.Quantity)))
	w.member("ax", x)
	w.price("ap", ask.Price)
	w.count("as", uint64(small(ask.Quantity)))
	w.moment(q.Time)
	w.texts("c", "R")
	w.member("z", tape(q.Symbol))
	w.endObject()
}

func writeBook(w *wire, q *feed.Quote) {
	w.object(6)
	w.member("T", "o")
	w.member("S", q.Symbol)
	w.moment(q.Time)
	writeLevels(w, "b", q.Bids[:q.BidCount])
	writeLevels(w, "a", q.Asks[:q.AskCount])
	w.boolean("r", true) // every book is whole: the market tells levels, not their changes
	w.endObject()
}

func writeLevels(w *wire, name string, levels []szse.Level) {
	w.name(name)
	w.array(len(levels))
	for i := range levels {
		w.element(i)
		w.object(2)
		w.price("p", levels[i].Price)
		w.count("s", uint64(max(0, levels[i].Quantity)))
		w.endObject()
	}
	w.endArray()
	w.rest = true
}

func writeBar(w *wire, kind string, c *feed.Candle) {
	w.object(10)
	w.member("T", kind)
	w.member("S", c.Symbol)
	w.price("o", c.Open)
	w.price("h", c.High)
	w.price("l", c.Low)
	w.price("c", c.Close)
	w.count("v", uint64(max(0, c.Volume)))
	w.moment(c.Start)
	w.count("n", c.Trades)
	w.price("vw", c.Average())
	w.endObject()
}

func writeStatus(w *wire, s *feed.Status) {
	phase := phaseWords[s.Phase]
	w.object(8)
	w.member("T", "s")
	w.member("S", s.Symbol)
	w.member("sc", phase.code)
	w.member("sm", phase.english)
	w.member("rc", phase.name)
	w.member("rm", phase.chinese)
	w.moment(s.Time)
	w.member("z", tape(s.Symbol))
	w.endObject()
}

// writeImbalance tells a call auction: p is the virtual price, mq would match, uq would not, on side us.
func writeImbalance(w *wire, q *feed.Quote) {
	side := ""
	switch q.AuctionSide {
	case trade.Buy:
		side = "buy"
	case trade.Sell:
		side = "sell"
	}
	w.object(8)
	w.member("T", "i")
	w.member("S", q.Symbol)
	w.price("p", q.AuctionPrice)
	w.moment(q.Time)
	w.member("z", tape(q.Symbol))
	w.count("mq", uint64(max(0, q.AuctionMatched)))
	w.count("uq", uint64(max(0, q.AuctionUnmatched)))
	w.member("us", side)
	w.endObject()
}
