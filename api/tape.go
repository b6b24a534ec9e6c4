package api

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"

	"evenkeel/core/trade"
	"evenkeel/feed"
)

// The tape is the market's trades under the exchange's own numbers, which are the same on every node: who loses a
// stream goes on, here or elsewhere, behind the last number that he had.

// tapeTrade is a trade of the market as the native API gives it.
type tapeTrade struct {
	ID       string `json:"id"` // day and number: 20261123-17
	Number   uint64 `json:"number"`
	Day      string `json:"day"`
	Symbol   string `json:"symbol"`
	Price    string `json:"price"`
	Quantity string `json:"quantity"`
	Time     string `json:"time"`
}

func tapeOf(t *feed.Trade) tapeTrade {
	return tapeTrade{ID: tapeID(t.Day, t.Sequence), Number: t.Sequence, Day: dayText(t.Day), Symbol: t.Symbol,
		Price: t.Price.String(), Quantity: shares(t.Quantity), Time: stamp(t.Time)}
}

func tapeID(day trade.Day, number uint64) string { return fmt.Sprintf("%d-%d", day, number) }

// readTapeID reads a day and a number.
func readTapeID(text string) (day trade.Day, number uint64, err error) {
	first, second, _ := strings.Cut(text, "-")
	d, err := strconv.ParseUint(first, 10, 31)
	if err == nil {
		number, err = strconv.ParseUint(second, 10, 63)
	}
	return trade.Day(d), number, err
}

// streamTape is GET /api/v1/trades?symbols=...&from=<day>-<number>: the market's trades from a number on, then live;
// server-sent events, or a WebSocket when the request asks for one. Last-Event-ID goes on behind what a browser had.
func streamTape(s *Server, c *call) (int, any, error) {
	q := c.query()
	a, err := s.readAsk(c, q)
	if err != nil {
		return 0, nil, err
	}
	reader, err := s.Market.Subscribe()
	if err != nil {
		return 0, nil, noStream(noRoom)
	}
	defer s.Market.Leave(reader)
	var interest feed.Interest
	interest.Want(feed.TradeUpdate, a.symbols...)
	reader.Ask(interest)
	past, from, err := s.tapePast(c, a.symbols) // behind Ask: what comes meanwhile is in the reader's queue
	if err != nil {
		return 0, nil, err
	}
	ctx, place, err := s.begin(c, "tape")
	if err != nil {
		return 0, nil, err
	}
	defer place.end()
	place.watch(reader.Lag)
	if upgrade(c.r) == nil {
		s.tapeSocket(ctx, c, reader, past, from)
		return 0, nil, nil
	}
	if err := s.pace(ctx, c); err != nil {
		return 0, nil, abort(err)
	}
	out := s.openSSE(c)
	if err := out.comment(); err != nil {
		return 0, nil, abort(err)
	}
	return 0, nil, abort(s.tape(ctx, c, reader, past, from, func(t *feed.Trade) error {
		return out.data(tapeID(t.Day, t.Sequence), tapeOf(t))
	}, out.comment))
}

// tapeFrom is where the live part of a tape begins: a number of a day, inclusive.
type tapeFrom struct {
	day    trade.Day
	number uint64
}

func (f tapeFrom) wants(t *feed.Trade) bool {
	return t.Day > f.day || t.Day == f.day && t.Sequence >= f.number
}

// tapePast reads from which number on the trades are wanted, and returns those that there were. Numbers that are no
// longer kept are refused: there would be a gap.
func (s *Server) tapePast(c *call, symbols []string) (past []*feed.Trade, from tapeFrom, err error) {
	name, text, behind := "from", c.r.URL.Query().Get("from"), uint64(0)
	if header := c.r.Header.Get("Last-Event-Id"); header != "" {
		name, text, behind = "Last-Event-ID", header, 1
	}
	from.number = math.MaxUint64 // only what comes
	if text != "" {
		if from.day, from.number, err = readTapeID(text); err != nil {
			return nil, from, say(badQuery, name, strconv.Quote(clip(text))+" is not <day>-<number>, as an id gives it")
		}
		from.number += behind
	}
	rows, oldest, next, told := s.Market.TradesFrom(symbols, from.number)
	day, _ := s.Market.Place()
	switch {
	case !told:
		f := say(unavailable)
		f.After = time.Second
		return nil, from, f
	case text == "":
		return nil, tapeFrom{day, next}, nil
	case from.day > day: // this node has not heard of that day yet
		return nil, from, nil
	case from.day < day || from.number < oldest:
		return nil, from, say(numberGone, clip(text), tapeID(day, oldest))
	}
	return rows, tapeFrom{day, max(next, from.number)}, nil
}

// tape gives out the past, and then what comes.
func (s *Server) tape(
	ctx context.Context, c *call, reader *feed.Reader, past []*feed.Trade, from tapeFrom, visit func(*feed.Trade) error,
	idle func() error,
) error {
	for _, t := range past {
		if err := visit(t); err != nil {
			return err
		}
	}
	for {
		if !s.Directory.Holds(c.who, s.now()) {
			return errGone
		}
		waiting, cancel := context.WithTimeout(ctx, s.Limits.KeepAlive)
		updates, err := reader.Next(waiting)
		silent := waiting.Err() != nil && ctx.Err() == nil
		cancel()
		switch {
		case err != nil && silent:
			if err := idle(); err != nil {
				return err
			}
		case err != nil:
			return err
		}
		for i := range updates {
			if t := updates[i].Trade; t != nil && from.wants(t) {
				if err := visit(t); err != nil {
					return err
				}
			}
		}
	}
}

// tapeSocket gives the trades out over a WebSocket, one JSON text frame each.
func (s *Server) tapeSocket(ctx context.Context, c *call, reader *feed.Reader, past []*feed.Trade, from tapeFrom) {
	ws, err := s.accept(c, false)
	if err != nil {
		return
	}
	defer func() { _ = ws.CloseNow() }()
	ctx = ws.CloseRead(ctx) // it says nothing, and we hear when it goes
	_ = s.tape(ctx, c, reader, past, from, func(t *feed.Trade) error {
		b, err := json.Marshal(tapeOf(t))
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, s.Limits.StreamWrite)
		defer cancel()
		return ws.Write(ctx, websocket.MessageText, b)
	}, func() error { return s.ping(ctx, ws) }) // whatever ended it, the connection is cut
}
