package exchange

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	core "evenkeel/core/exchange"
	"evenkeel/core/rules"
	"evenkeel/core/trade"
)

// Sessions says who moves the phases.
type Sessions uint8

// Kinds of sessions.
const (
	Always Sessions = iota // one continuous session that never closes; a new day begins at midnight in Shanghai
	Real                   // the venues' own sessions, on trading days
	Manual                 // SetPhase and RollDay of this server
)

// Clock says what time the exchange believes it to be.
type Clock struct {
	Sessions Sessions
	Speed    int              // how much faster than the wall's; 0 or 1: the same
	Start    time.Time        // of the exchange's time when it is first set up; zero: now
	Wall     func() time.Time // nil: time.Now
}

// Limits of the clock.
const (
	MaxSpeed   = 3600
	clockStep  = 20 * time.Millisecond // how often phases are looked at
	clockTicks = 250                   // steps between two Ticks, by which a clock of its own goes on after a kill
)

// clock turns the wall's time into the exchange's.
type clock struct {
	Clock
	start  atomic.Int64              // exchange time, ns, at began
	began  atomic.Pointer[time.Time] // of the wall; nil: a clock of its own stands still until the exchange is set up
	looked trade.Time                // when the phases were last moved by the clock; 0: not yet
}

func newClock(c Clock) *clock {
	if c.Wall == nil {
		c.Wall = time.Now
	}
	c.Speed = max(1, min(c.Speed, MaxSpeed))
	k := &clock{Clock: c}
	k.start.Store(c.Wall().UnixNano())
	if !c.Start.IsZero() {
		k.start.Store(c.Start.UnixNano())
	}
	if !k.own() {
		k.begin()
	}
	return k
}

// own reports whether the clock differs from the wall's.
func (k *clock) own() bool { return k.Speed > 1 || !k.Start.IsZero() }

// begin lets the clock run.
func (k *clock) begin() {
	now := k.Wall()
	k.began.CompareAndSwap(nil, &now)
}

// now is the exchange's time. It runs on from the journal's last time when that is later.
func (k *clock) now() time.Time {
	var passed time.Duration
	if began := k.began.Load(); began != nil {
		passed = k.Wall().Sub(*began)
	}
	return time.Unix(0, k.start.Load()+int64(passed)*int64(k.Speed))
}

func (k *clock) resume(last trade.Time) {
	if k.own() && int64(last) > k.start.Load() {
		k.start.Store(int64(last))
	}
}

// prepare brings a journal to where trading can begin: rules, day, list, a past. It can be killed anywhere in it, and
// goes on from there.
func (s *Server) prepare(ctx context.Context, k *clock) error {
	var day trade.Day
	var adopted bool
	s.View(func(m *core.Machine) { day, adopted = m.Day(), string(m.RulesText()) == s.config.Rules })
	if err := s.must(ctx, "set up the players", &core.ForgetUnit{PBU: playersUnit}); err != nil {
		return err
	}
	if !adopted {
		if err := s.must(ctx, "adopt the rules", &core.AdoptRules{Text: []byte(s.config.Rules)}); err != nil {
			return err
		}
	}
	if day == 0 {
		first, _ := rules.Split(trade.Time(k.now().UnixNano()))
		if k.Sessions == Real {
			first = s.tradingDay(first)
		}
		if err := s.RollDay(ctx, first); err != nil {
			return err
		}
	}
	if err := s.setUpList(ctx); err != nil {
		return err
	}
	k.begin()
	if k.Sessions != Manual {
		return s.movePhases(ctx, k)
	}
	return nil
}

// setUpList lists what is not listed, and gives a past to what has none when there are players.
func (s *Server) setUpList(ctx context.Context) error {
	var entries [][]byte
	for i := range s.config.List {
		l := &s.config.List[i]
		var found bool
		s.View(func(m *core.Machine) { _, found = m.Find(l.Code) })
		if !found {
			entries = append(entries, core.AppendCommand(nil, &l.ListSecurity))
		}
		if s.config.Flow.Rate > 0 {
			if past := s.makePast(l, uint64(i)); past != nil {
				entries = append(entries, past)
			}
		}
	}
	answers := make(chan error, len(entries))
	for _, entry := range entries {
		err := s.group.Submit(entry, func(a core.Answer, err error) {
			if err == nil && a.Reason != trade.Accepted {
				err = fmt.Errorf("refused: reason %d, %+v", a.Reason, a.Numbers)
			}
			answers <- err
		})
		if err != nil {
			answers <- err
		}
	}
	for range entries {
		select {
		case err := <-answers:
			if err != nil {
				return fmt.Errorf("set up the list of securities: %w", err)
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// tradingDay is the day itself, or the trading day before it: on a holiday the last day stays.
func (s *Server) tradingDay(day trade.Day) trade.Day {
	if open, _ := s.rules.IsTradingDay(day); open {
		return day
	}
	before, _ := s.rules.PreviousTradingDay(day)
	return before
}

// keepTime moves the phases until the server closes.
func (s *Server) keepTime(ctx context.Context, k *clock) {
	ticker := time.NewTicker(clockStep)
	defer ticker.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if k.Sessions != Manual {
			if err := s.movePhases(ctx, k); err != nil && ctx.Err() == nil {
				s.log.Warn("move the phases", "error", err)
			}
		}
		var due bool
		s.View(func(m *core.Machine) { due = m.NextResume() <= trade.Time(k.now().UnixNano()) })
		if due || n%clockTicks == 0 {
			_ = s.must(ctx, "tick", &core.Tick{}) // a failed journal is told by Failed
		}
	}
}

// movePhases begins the day and moves the venues to where they should be now. A phase that came and went since the
// last look, because the machine paused, is gone through: nothing between two matches is left out.
func (s *Server) movePhases(ctx context.Context, k *clock) error {
	now := trade.Time(k.now().UnixNano())
	day, at := rules.Split(now)
	var current trade.Day
	var phases [trade.BSE + 1]trade.Phase
	s.View(func(m *core.Machine) {
		current = m.Day()
		for v := trade.SSE; v <= trade.BSE; v++ {
			phases[v] = m.VenuePhase(v)
		}
	})
	begin := day > current
	if k.Sessions == Real && begin {
		begin, _ = s.rules.IsTradingDay(day)
	}
	if begin {
		if err := s.RollDay(ctx, day); err != nil {
			return err
		}
		current, phases = day, [trade.BSE + 1]trade.Phase{}
	}
	lookedDay, looked := rules.Split(k.looked)
	for v := trade.SSE; v <= trade.BSE; v++ {
		want := trade.Continuous
		if k.Sessions == Real {
			want = trade.Closed // of a day that is over
			if day == current {
				if day == lookedDay {
					if err := s.walkPhases(ctx, v, day, looked, at); err != nil {
						return err
					}
					s.View(func(m *core.Machine) { phases[v] = m.VenuePhase(v) })
				}
				want = s.rules.PhaseAt(v, day, at)
			}
		}
		if want != phases[v] && want != trade.UnknownPhase {
			if err := s.SetPhase(ctx, v, want); err != nil {
				return err
			}
		}
	}
	k.looked = now
	return nil
}

// walkPhases moves a venue through the phases of a day that began after one time of it and up to another.
func (s *Server) walkPhases(ctx context.Context, v trade.Venue, day trade.Day, after, to rules.TimeOfDay) error {
	if open, _ := s.rules.IsTradingDay(day); !open {
		return nil
	}
	for {
		phase, begins, ok := s.rules.Next(v, day, after)
		if !ok || begins > to {
			return nil
		}
		if err := s.SetPhase(ctx, v, phase); err != nil {
			return err
		}
		after = begins
	}
}

// startOf is a moment of the machine's day: now, or the day's beginning when the clock is elsewhere.
func startOf(m *core.Machine) trade.Time {
	if day, _ := rules.Split(m.Now()); day == m.Day() {
		return m.Now()
	}
	return rules.Join(m.Day(), 0)
}
