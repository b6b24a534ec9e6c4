package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"time"

	"evenkeel/core/money"
	"evenkeel/core/trade"
	"evenkeel/feed"
	"evenkeel/szse"
)

// The market on the screen's stream. Prices are decimal texts, quantities whole numbers.
type (
	screenQuote struct {
		Symbol   string         `json:"symbol"`
		Time     string         `json:"time"`     // of the exchange's data
		Received string         `json:"received"` // when it came to this node
		Sequence uint64         `json:"sequence"`
		Phase    string         `json:"phase"`
		Last     string         `json:"last"`
		Open     string         `json:"open"`
		High     string         `json:"high"`
		Low      string         `json:"low"`
		Previous string         `json:"previous_close"`
		Change   string         `json:"change"`
		Ratio    string         `json:"change_ratio"`
		Volume   int64          `json:"volume"`
		Turnover string         `json:"turnover"`
		Trades   uint64         `json:"trades"`
		Bid      string         `json:"bid"`
		BidSize  int64          `json:"bid_quantity"`
		Ask      string         `json:"ask"`
		AskSize  int64          `json:"ask_quantity"`
		Up       *string        `json:"limit_up"`
		Down     *string        `json:"limit_down"`
		Auction  *screenAuction `json:"auction"`
	}
	screenAuction struct {
		Price     string  `json:"price"`
		Matched   int64   `json:"matched"`
		Unmatched int64   `json:"unmatched"`
		Side      *string `json:"unmatched_side"`
	}
	screenDepth struct {
		Symbol   string        `json:"symbol"`
		Time     string        `json:"time"`
		Received string        `json:"received"`
		Sequence uint64        `json:"sequence"`
		Phase    string        `json:"phase"`
		Last     string        `json:"last"`
		Previous string        `json:"previous_close"`
		Bids     []screenLevel `json:"bids"`
		Asks     []screenLevel `json:"asks"`
	}
	screenLevel struct {
		Price    string `json:"price"`
		Quantity int64  `json:"quantity"`
		Orders   uint32 `json:"orders"`
	}
	screenTick struct {
		Number   uint64 `json:"number"`
		Day      string `json:"day"`
		Time     string `json:"time"`
		Price    string `json:"price"`
		Quantity int64  `json:"quantity"`
		Side     string `json:"side"` // of who came to the market: buy, sell, or none in a call
		Phase    string `json:"phase"`
	}
)

// The two encodings that all screens share.
const (
	quoteForm = iota
	depthForm
)

// places is how many places a security's prices are shown with: those of its tick.
func (s *Server) places(symbol string) int {
	line, known := s.Listing.Symbol(symbol)
	if !known {
		return 2
	}
	terms, _ := s.Rules().Terms(line.Venue, line.Board, line.Condition, line.Day)
	return terms.Tick.Places()
}

func screenQuoteOf(q *feed.Quote, places int) screenQuote {
	bid, ask := q.BestBid(), q.BestAsk()
	v := screenQuote{Symbol: q.Symbol, Time: stamp(q.Time), Received: stamp(trade.Time(q.Received.UnixNano())),
		Sequence: q.Sequence, Phase: phaseWords[q.Phase].name, Last: q.Last.Text(places), Open: q.Open.Text(places),
		High: q.High.Text(places), Low: q.Low.Text(places), Previous: q.PreviousClose.Text(places),
		Change: money.Price(0).Text(places), Ratio: "0", Volume: int64(q.Volume), Turnover: q.Turnover.String(),
		Trades: q.Trades, Bid: bid.Price.Text(places),
		BidSize: int64(bid.Quantity), Ask: ask.Price.Text(places), AskSize: int64(ask.Quantity)}
	if q.Last != 0 {
		v.Change = (q.Last - q.PreviousClose).Text(places)
		v.Ratio = ratio(int64(q.Last-q.PreviousClose), int64(q.PreviousClose))
	}
	if q.UpperLimit != 0 {
		v.Up, v.Down = pointer(q.UpperLimit.Text(places)), pointer(q.LowerLimit.Text(places))
	}
	if q.AuctionPrice != 0 {
		v.Auction = &screenAuction{Price: q.AuctionPrice.Text(places), Matched: int64(q.AuctionMatched),
			Unmatched: int64(q.AuctionUnmatched)}
		if q.AuctionSide != 0 {
			v.Auction.Side = pointer(sideWord(q.AuctionSide))
		}
	}
	return v
}

func screenDepthOf(q *feed.Quote, places int) screenDepth {
	return screenDepth{Symbol: q.Symbol, Time: stamp(q.Time), Received: stamp(trade.Time(q.Received.UnixNano())),
		Sequence: q.Sequence, Phase: phaseWords[q.Phase].name, Last: q.Last.Text(places),
		Previous: q.PreviousClose.Text(places),
		Bids:     screenLevels(q.Bids[:q.BidCount], places), Asks: screenLevels(q.Asks[:q.AskCount], places)}
}

func screenLevels(from []szse.Level, places int) []screenLevel {
	rows := make([]screenLevel, len(from))
	for i, l := range from {
		rows[i] = screenLevel{Price: l.Price.Text(places), Quantity: int64(l.Quantity), Orders: l.Orders}
	}
	return rows
}

func screenTickOf(t *feed.Trade, places int) screenTick {
	v := screenTick{Number: t.Sequence, Day: dayText(t.Day), Time: stamp(t.Time), Price: t.Price.Text(places),
		Quantity: int64(t.Quantity), Side: "none", Phase: phaseWords[t.Phase].name}
	if t.Aggressor != 0 {
		v.Side = sideWord(t.Aggressor)
	}
	return v
}

// encoded is JSON of ours, which cannot be wrong.
func encoded(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

func (s *Server) quoteBytes(q *feed.Quote) []byte {
	return q.Form(quoteForm, func(q *feed.Quote) []byte { return encoded(screenQuoteOf(q, s.places(q.Symbol))) })
}

func (s *Server) depthBytes(q *feed.Quote) []byte {
	return q.Form(depthForm, func(q *feed.Quote) []byte { return encoded(screenDepthOf(q, s.places(q.Symbol))) })
}

// pump gives out what the market tells, a frame of quotes each screenFrame. Frames are due on a schedule of their own,
// so that a security that changes all the time is told of twenty times a second: what giving takes is no part of the
// pause, and a frame that waited for its first update is followed sooner. What could not be kept is not made up for.
func (v *screenSession) pump(ctx context.Context) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	due := time.Now()
	for {
		select {
		case <-pause.C:
		case <-ctx.Done():
			return
		}
		updates, err := v.reader.Next(ctx)
		now := time.Now()
		due = due.Add(screenFrame)
		if soonest := now.Add(screenFrame / 2); due.Before(soonest) {
			due = soonest
		}
		if err == nil && !v.s.Directory.Holds(v.c.who, v.s.now()) {
			err = errGone
		}
		switch {
		case err == nil:
			err = v.give(ctx, updates)
		case errors.Is(err, feed.ErrRestarted):
			err = v.again(ctx)
		case errors.Is(err, feed.ErrSlow):
			v.s.measures.cutOff.WithLabelValues("screen").Inc()
		}
		if err != nil {
			_ = v.ws.CloseNow()
			return
		}
		pause.Reset(max(0, time.Until(due)))
	}
}

// again asks anew when the exchange's stream of the day began anew, and gives the state of everything.
func (v *screenSession) again(ctx context.Context) error {
	reader, err := v.s.Market.SubscribeLatest()
	if err != nil {
		return err
	}
	v.giving.Lock()
	defer v.giving.Unlock()
	v.s.Market.Leave(v.reader)
	v.reader = reader
	v.ask()
	return v.present(ctx, keys(v.quotes), keys(v.depth), keys(v.ticks))
}

func keys[V any](m map[string]V) (all []string) {
	for k := range m {
		all = append(all, k)
	}
	return all
}

// give writes what updates are about: of a quote, as it is now.
func (v *screenSession) give(ctx context.Context, updates []*feed.Update) error {
	v.giving.Lock()
	defer v.giving.Unlock()
	var quotes, depth []string
	ticks := map[string][]*feed.Trade{}
	for i := range updates {
		u := updates[i]
		if t := u.Trade; t != nil {
			if next, wanted := v.ticks[u.Symbol]; wanted && next.wants(t) {
				ticks[u.Symbol] = append(ticks[u.Symbol], t)
			}
			continue
		}
		if v.quotes[u.Symbol] {
			quotes = append(quotes, u.Symbol)
		}
		if v.depth[u.Symbol] {
			depth = append(depth, u.Symbol)
		}
	}
	if err := v.giveQuotes(ctx, quotes, depth); err != nil {
		return err
	}
	for symbol, rows := range ticks {
		if err := v.giveTicks(ctx, symbol, rows, false); err != nil {
			return err
		}
	}
	return nil
}

// present gives the state of what is newly wanted. Under giving.
func (v *screenSession) present(ctx context.Context, quotes, depth, ticks []string) error {
	if err := v.giveQuotes(ctx, quotes, depth); err != nil {
		return err
	}
	day, _ := v.s.Market.Place()
	for _, symbol := range ticks {
		rows := v.s.Market.Trades(symbol, feed.Interval{Newest: true, Limit: screenTicks})
		var today []*feed.Trade // oldest first
		for i := len(rows) - 1; i >= 0; i-- {
			if rows[i].Day == day {
				today = append(today, rows[i])
			}
		}
		v.ticks[symbol] = tapeFrom{day: day}
		if err := v.giveTicks(ctx, symbol, today, true); err != nil {
			return err
		}
	}
	return nil
}

// giveQuotes writes the quotes and the depth of securities as they are now.
func (v *screenSession) giveQuotes(ctx context.Context, quotes, depth []string) error {
	var frame bytes.Buffer
	for len(quotes) > 0 {
		n := min(len(quotes), screenRows)
		frame.Reset()
		frame.WriteString(`{"t":"quotes","d":[`)
		rows := 0
		for _, symbol := range quotes[:n] {
			q, ok := v.s.Market.LatestQuote(symbol)
			if !ok {
				continue
			}
			if rows > 0 {
				frame.WriteByte(',')
			}
			rows++
			frame.Write(v.s.quoteBytes(q))
		}
		frame.WriteString(`]}`)
		quotes = quotes[n:]
		if rows == 0 {
			continue
		}
		if err := v.market(ctx, frame.Bytes()); err != nil {
			return err
		}
	}
	for _, symbol := range depth {
		q, ok := v.s.Market.LatestQuote(symbol)
		if !ok {
			continue
		}
		frame.Reset()
		frame.WriteString(`{"t":"depth","d":`)
		frame.Write(v.s.depthBytes(q))
		frame.WriteByte('}')
		if err := v.market(ctx, frame.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

// giveTicks writes trades of a security; snapshot says that they take the place of all that the client has.
func (v *screenSession) giveTicks(ctx context.Context, symbol string, rows []*feed.Trade, snapshot bool) error {
	for first := true; first || len(rows) > 0; first = false {
		n := min(len(rows), screenRows)
		list, places := make([]screenTick, n), v.s.places(symbol)
		for i, t := range rows[:n] {
			list[i] = screenTickOf(t, places)
			v.ticks[symbol] = tapeFrom{day: t.Day, number: t.Sequence + 1}
		}
		rows = rows[n:]
		if err := v.market(ctx, encoded(map[string]any{"t": "ticks", "symbol": symbol, "snapshot": snapshot && first,
			"d": list})); err != nil {
			return err
		}
	}
	return nil
}

// market writes a frame of market data, when the client has read enough of those before: a browser answers a ping
// behind what it has read.
func (v *screenSession) market(ctx context.Context, b []byte) error {
	if v.ahead > screenAhead {
		if err := v.s.ping(ctx, v.ws); err != nil {
			if ctx.Err() == nil {
				v.s.measures.cutOff.WithLabelValues("screen").Inc()
			}
			return err
		}
		v.ahead = 0
	}
	v.ahead += len(b)
	return v.write(ctx, b)
}
