package node

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"evenkeel/core/must"
	"evenkeel/core/trade"
	"evenkeel/feed"
	"evenkeel/replica"
	"evenkeel/szse"
)

// definitions are the securities as the exchange last defined them, in the order in which they first came. The leader
// of shard 0 lists them in its books; whoever leads next finds here what is still to be listed.
type definitions struct {
	mu    sync.Mutex
	list  []trade.Security
	place map[string]int
	news  chan struct{} // closed, and made anew, with every change
}

func newDefinitions() *definitions {
	return &definitions{place: map[string]int{}, news: make(chan struct{})}
}

// take takes a definition of the exchange.
func (d *definitions) take(v *szse.SecurityDefinition) {
	symbol := feed.Symbol(v.Security)
	s := trade.Security{Symbol: []byte(symbol), Name: []byte(szse.Text(v.Name[:])),
		Pinyin: []byte(strings.ToLower(szse.Text(v.Pinyin[:]))),
		Venue:  v.Venue, Board: v.Board, Condition: v.Condition, TPlusZero: v.TPlusZero,
		PreviousClose: v.PreviousClose,
		Listed:        v.Listed, Day: v.Day}
	d.mu.Lock()
	defer d.mu.Unlock()
	at, known := d.place[symbol]
	switch {
	case known && same(&d.list[at], &s):
		return
	case known:
		d.list[at] = s
	default:
		d.place[symbol] = len(d.list)
		d.list = append(d.list, s)
	}
	close(d.news)
	d.news = make(chan struct{})
}

// all returns the definitions, and a channel that is closed when there are others.
func (d *definitions) all() ([]trade.Security, <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.list), d.news
}

// wanted is what should be listed in the shard, in order, and a channel that is closed when that changes. Shard 0
// lists what the exchange defines. The others list what shard 0 has, by its numbers: a security has the same number in
// all of them.
func (s *shard) wanted() ([]trade.Security, <-chan struct{}) {
	if s.number == 0 {
		return s.node.definitions.all()
	}
	first := s.node.shards[0].views.listing
	news := first.News() // before the list: what changes meanwhile is told
	return first.Securities(), news
}

// keepListed keeps the shard's list of securities as it should be, for as long as this node leads it.
func (s *shard) keepListed(ctx context.Context) {
	for {
		list, news := s.wanted()
		if err := s.list(ctx, list); err != nil && ctx.Err() == nil {
			s.node.log.Warn("list securities", "shard", s.number, "error", err)
			if !isRefusal(err) {
				if !pause(ctx, dutyPause) {
					return
				}
				continue
			}
		}
		if err := s.followHalts(ctx); err != nil && ctx.Err() == nil {
			s.node.log.Warn("halts of shard 0", "shard", s.number, "error", err)
			if !pause(ctx, dutyPause) {
				return
			}
			continue
		}
		select {
		case <-news:
		case <-ctx.Done():
			return
		}
	}
}

// list lists what differs, in order. The commands follow each other closely: should leadership end among them, those
// that are in the log are the first ones, and the next leader goes on behind them.
func (s *shard) list(ctx context.Context, wanted []trade.Security) error {
	answers := make(chan error, len(wanted))
	asked := 0
	var err error
	for i := range wanted {
		want := &wanted[i]
		have, listed := s.views.listing.Symbol(string(want.Symbol))
		if s.number > 0 && listed {
			must.Hold(have.ID == want.ID, "a security has the same number in all shards")
		}
		if len(want.Symbol) == 0 || listed && same(&have, want) {
			continue
		}
		if err = s.listOne(ctx, want, answers); err != nil {
			break
		}
		asked++
	}
	for range asked {
		select {
		case answer := <-answers:
			err = errors.Join(err, answer)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return err
}

// listOne hands a security to the log. When the log's queue is full it waits: orders go first.
func (s *shard) listOne(ctx context.Context, want *trade.Security, answers chan<- error) error {
	command, err := trade.AppendCommand(nil, &trade.Command{Kind: trade.ListSecurityKind,
		ListSecurity: trade.ListSecurity{Security: *want}})
	if err != nil {
		return err
	}
	for {
		err := s.group.Submit(command, func(a trade.Answer, err error) {
			if err == nil && a.Reason != trade.Accepted {
				err = &RefusedError{Reason: a.Reason, Numbers: a.Numbers}
			}
			answers <- err
		})
		if !errors.Is(err, replica.ErrFull) {
			return err
		}
		if !pause(ctx, dutyPause) {
			return ctx.Err()
		}
	}
}

// unlisted counts what the shard's list lacks of shard 0's.
func (s *shard) unlisted() (n int) {
	if s.number == 0 {
		return 0
	}
	first := s.node.shards[0].views.listing.Securities()
	for i := range first {
		if _, listed := s.views.listing.Symbol(string(first[i].Symbol)); !listed {
			n++
		}
	}
	return n
}

// same compares what a definition says; the limits are the books' own.
func same(a, b *trade.Security) bool {
	return a.Venue == b.Venue && a.Board == b.Board && a.Condition == b.Condition && a.TPlusZero == b.TPlusZero &&
		a.PreviousClose == b.PreviousClose && a.Listed == b.Listed && a.Day == b.Day &&
		bytes.Equal(a.Name, b.Name) && bytes.Equal(a.Pinyin, b.Pinyin)
}
