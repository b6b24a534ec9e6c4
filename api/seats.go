package api

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"evenkeel/core/trade"
)

// seats are the places of open streams. Those of investors are counted, over the house and by account. Who has not
// yet said who they are (WebSockets tell it in a message) sits among the strangers: a few places, out of which the one
// that has been silent longest makes room for the next. So nobody without a key can keep investors out, however many
// connections they hold; and who has a key says so at once.
type seats struct {
	mu        sync.Mutex
	taken     int // by investors
	accounts  map[trade.AccountID]int
	strangers []*seat // oldest first
	all       map[*seat]struct{}
}

// seat is the place of one stream. Its stream ends with the request, when the server drains, or when it makes room.
type seat struct {
	server  *Server
	account trade.AccountID // 0: a stranger
	kind    string
	from    string                                   // its address
	lag     func(now time.Time) (time.Duration, int) // of its reader; nil: not known
	cancel  context.CancelCauseFunc
	end     func() // gives the place back; it may be called again
}

// Reasons for which a stream is cut off.
var (
	errDraining = errors.New("the server is being stopped")
	errStranger = errors.New("made room for the next: nobody said who it is")
	errGone     = errors.New("its key was revoked, or its session ended")
)

// begin counts a stream in, for whoever the call says.
func (s *Server) begin(c *call, kind string) (ctx context.Context, place *seat, err error) {
	ctx, cancel := context.WithCancelCause(c.r.Context())
	place = &seat{server: s, cancel: cancel, kind: kind, from: c.r.RemoteAddr}
	s.seats.mu.Lock()
	defer s.seats.mu.Unlock()
	if s.stopping.Err() != nil {
		f := say(draining)
		f.After, err = time.Second, f
	} else {
		err = place.sit(c.who.Account)
	}
	if err != nil {
		cancel(err)
		return nil, nil, err
	}
	s.seats.all[place] = struct{}{}
	s.streams.Add(1)
	gauge := s.measures.readers.WithLabelValues(kind)
	gauge.Inc()
	release := context.AfterFunc(s.stopping, func() { cancel(errDraining) })
	place.end = sync.OnceFunc(func() {
		release()
		cancel(nil)
		gauge.Dec()
		s.seats.mu.Lock()
		place.rise()
		delete(s.seats.all, place)
		s.seats.mu.Unlock()
		s.streams.Done()
	})
	return ctx, place, nil
}

// watch says how the lag of a stream's reader is known.
func (p *seat) watch(lag func(now time.Time) (time.Duration, int)) {
	p.server.seats.mu.Lock()
	defer p.server.seats.mu.Unlock()
	p.lag = lag
}

// know moves a stream to the account that it turned out to be of; 0 makes it a stranger's. After an error it is one.
func (p *seat) know(account trade.AccountID) error {
	p.server.seats.mu.Lock()
	defer p.server.seats.mu.Unlock()
	p.rise()
	err := p.sit(account)
	if err != nil {
		_ = p.sit(0) // strangers are always let in
	}
	return err
}

func (p *seat) sit(account trade.AccountID) error {
	all, limits := &p.server.seats, &p.server.Limits
	switch {
	case account == 0:
		if len(all.strangers) >= limits.Strangers {
			all.strangers[0].cancel(errStranger)
			all.strangers = slices.Delete(all.strangers, 0, 1)
		}
		all.strangers = append(all.strangers, p)
	case all.taken >= limits.Streams:
		return noStream(noRoom)
	case all.accounts[account] >= limits.PerAccount:
		return noStream(tooManyStreams)
	default:
		all.taken++
		all.accounts[account]++
	}
	p.account = account
	return nil
}

// streamsFull is when to come back for a stream, at the earliest; it may be told to wait twice as long, so that those
// who are turned away together do not come together.
const streamsFull = 10 * time.Second

// noStream refuses a stream.
func noStream(reason string) *fault {
	after := streamsFull + rand.N(streamsFull/time.Second+1)*time.Second
	var f *fault
	if reason == noRoom { // only this one says the time in words, too
		f = say(reason, seconds(after))
	} else {
		f = say(reason)
	}
	f.After = after
	return f
}

// rise leaves the place, if there still is one.
func (p *seat) rise() {
	all := &p.server.seats
	if p.account == 0 {
		all.strangers = slices.DeleteFunc(all.strangers, func(other *seat) bool { return other == p })
		return
	}
	all.taken--
	if all.accounts[p.account]--; all.accounts[p.account] == 0 {
		delete(all.accounts, p.account)
	}
	p.account = 0
}
