package api

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"evenkeel/core/money"
	"evenkeel/feed"
	"evenkeel/intake"
)

// boardAge is how long an order of the board holds: all who look within it share one sorting.
const boardAge = time.Second

// boardKeys are what the board can be sorted by: how two quotes compare.
var boardKeys = map[string]func(a, b *feed.Quote) int{
	"last":     func(a, b *feed.Quote) int { return cmp.Compare(a.Last, b.Last) },
	"change":   func(a, b *feed.Quote) int { return cmp.Compare(rise(a), rise(b)) },
	"ratio":    compareRatios,
	"bid":      func(a, b *feed.Quote) int { return cmp.Compare(a.BestBid().Price, b.BestBid().Price) },
	"ask":      func(a, b *feed.Quote) int { return cmp.Compare(a.BestAsk().Price, b.BestAsk().Price) },
	"volume":   func(a, b *feed.Quote) int { return cmp.Compare(a.Volume, b.Volume) },
	"turnover": func(a, b *feed.Quote) int { return cmp.Compare(a.Turnover, b.Turnover) },
}

// rise is how far a quote is from the close before; none while nothing was traded.
func rise(q *feed.Quote) money.Price {
	if q.Last == 0 {
		return 0
	}
	return q.Last - q.PreviousClose
}

// compareRatios compares rises by the closes before them, exactly.
func compareRatios(a, b *feed.Quote) int {
	return cmp.Compare(int64(rise(a))*int64(max(b.PreviousClose, 1)), int64(rise(b))*int64(max(a.PreviousClose, 1)))
}

// boardOrders are the symbols by each key, largest first, as they were within boardAge.
type boardOrders struct {
	mu   sync.Mutex
	made map[string]boardOrder
}

type boardOrder struct {
	at      time.Time
	symbols []string
}

func (b *boardOrders) by(m *feed.Market, key string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if had, ok := b.made[key]; ok && time.Since(had.at) < boardAge {
		return had.symbols
	}
	var quotes []*feed.Quote
	for _, symbol := range m.Symbols() {
		if q, ok := m.LatestQuote(symbol); ok {
			quotes = append(quotes, q)
		}
	}
	compare := boardKeys[key]
	slices.SortFunc(quotes, func(a, b *feed.Quote) int {
		return cmp.Or(compare(b, a), strings.Compare(a.Symbol, b.Symbol))
	})
	symbols := make([]string, len(quotes))
	for i, q := range quotes {
		symbols[i] = q.Symbol
	}
	if b.made == nil {
		b.made = map[string]boardOrder{}
	}
	b.made[key] = boardOrder{time.Now(), symbols}
	return symbols
}

// getBoard is GET /api/v1/board?by=: the symbols that have a quote, largest first.
func getBoard(s *Server, c *call) (int, any, error) {
	q := c.query()
	key := q.text("by")
	if _, ok := boardKeys[key]; !ok {
		q.wrong("by", "must be last, change, ratio, bid, ask, volume or turnover")
	}
	if q.err != nil {
		return 0, nil, q.err
	}
	return http.StatusOK, map[string]any{"by": key, "symbols": s.orders.by(s.Market, key)}, nil
}

// boardRoutes are the board's.
var boardRoutes = []route{{"GET /api/v1/board", reader, intake.Quote, getBoard, false}}
