package venue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"evenkeel/core/trade"
)

// proposal is what one goroutine needs to hand commands to the log without allocating.
type proposal struct {
	s       *session
	command trade.Command
	encoded []byte
}

// submit hands the command to the log. While the log or the window is full it waits.
func (p *proposal) submit() error {
	var err error
	if p.encoded, err = trade.AppendCommand(p.encoded[:0], &p.command); err != nil {
		return fmt.Errorf("%w: %w", ErrLog, err)
	}
	link := p.s.link
	if err := link.window.enter(p.s.ctx); err != nil {
		return err
	}
	var freed <-chan struct{}
	for {
		err := link.o.Proposer.Submit(p.encoded, p.s.done)
		if err == nil {
			return nil
		}
		if link.o.Full == nil || !errors.Is(err, link.o.Full) {
			link.window.leave()
			return fmt.Errorf("%w: %w", ErrLog, err)
		}
		if freed == nil { // look again: something may have left before we listened
			freed = link.window.next()
			continue
		}
		link.counts.full.Add(1)
		timer := time.NewTimer(FullPause)
		select {
		case <-p.s.ctx.Done():
			timer.Stop()
			link.window.leave()
			return context.Cause(p.s.ctx)
		case <-freed: // one of ours was taken, so there is room
			timer.Stop()
		case <-timer.C:
		}
		freed = nil
	}
}

// answered hears what the books made of a command. It runs on the log's goroutine.
func (s *session) answered(a trade.Answer, err error) {
	counts := &s.link.counts
	switch {
	case err != nil:
		s.end(fmt.Errorf("%w: %w", ErrLog, err))
	case a.Reason == trade.Accepted:
		counts.applied.Add(1)
	case a.Reason == trade.ReportRepeated:
		counts.repeated.Add(1)
	case a.Reason == trade.ReportGap:
		s.end(fmt.Errorf("%w: the books refuse a report: %d was given, %d is next", ErrGap, a.Numbers.Given,
			a.Numbers.Bound))
	default: // a day that is not later, a report that is about nothing the books know: theirs to say
		counts.why.Store(uint32(a.Reason))
		counts.unwanted.Add(1)
	}
	s.link.window.leave() // last: who waits for it may look at the counts
}
