package node

import (
	"bytes"
	"errors"
	"strings"
	"time"

	"evenkeel/core/trade"
	"evenkeel/feed"
	"evenkeel/replica"
	"evenkeel/szse"
)

// define puts a definition of the exchange into the books, unless they have it. It is called by the goroutine of the
// market data, which may wait: quotes of an unknown security are of no use.
func (n *Node) define(d *szse.SecurityDefinition) {
	symbol := feed.Symbol(d.Security)
	known, listed := n.views.listing.Symbol(symbol)
	s := trade.Security{Symbol: []byte(symbol), Name: []byte(szse.Text(d.Name[:])),
		Pinyin: []byte(strings.ToLower(szse.Text(d.Pinyin[:]))),
		Venue:  d.Venue, Board: d.Board, Condition: d.Condition, TPlusZero: d.TPlusZero,
		PreviousClose: d.PreviousClose,
		Listed:        d.Listed, Day: d.Day}
	if listed && same(&known, &s) {
		return
	}
	command, err := trade.AppendCommand(nil, &trade.Command{Kind: trade.ListSecurityKind,
		ListSecurity: trade.ListSecurity{Security: s}})
	if err != nil {
		n.log.Error("a definition does not fit the books", "symbol", symbol, "error", err)
		return
	}
	answered := make(chan error, 1)
	for {
		err := n.group.Submit(command, func(a trade.Answer, err error) {
			if err == nil && a.Reason != trade.Accepted {
				err = &RefusedError{Reason: a.Reason, Numbers: a.Numbers}
			}
			answered <- err
		})
		if errors.Is(err, replica.ErrFull) {
			time.Sleep(fullPause)
			continue
		}
		if err == nil {
			err = <-answered
		}
		if err != nil {
			n.log.Warn("list a security", "symbol", symbol, "error", err)
		}
		return
	}
}

// fullPause is how long a definition waits when the log's queue is full: orders go first.
const fullPause = 50 * time.Millisecond

// same compares what a definition says; the limits are the books' own.
func same(a, b *trade.Security) bool {
	return a.Venue == b.Venue && a.Board == b.Board && a.Condition == b.Condition && a.TPlusZero == b.TPlusZero &&
		a.PreviousClose == b.PreviousClose && a.Listed == b.Listed && a.Day == b.Day &&
		bytes.Equal(a.Name, b.Name) && bytes.Equal(a.Pinyin, b.Pinyin)
}
