package exchange

import (
	"maps"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	core "evenkeel/core/exchange"
	"evenkeel/core/trade"
	"evenkeel/szse"
)

// TestRealSessions runs a whole day at 1,800 times the wall's speed, and goes on at midnight.
func TestRealSessions(t *testing.T) {
	dir := t.TempDir()
	const speed = 1800 // a session in 13 seconds
	clock := Clock{Sessions: Real, Speed: speed, Start: time.Date(2026, 7, 23, 1, 10, 0, 0, time.UTC)}
	s := opened(t, Config{Dir: dir, Flow: Flow{Rate: 1500, Seed: 2}, Clock: clock})
	b := online(t, s, testUnits[0])
	r := subscribe(t, s, szse.WantStream, 0, 0)
	told := make(chan []trade.Phase, 1)
	go func() { // what the broker is told of SZSE, until the day's end
		var phases []trade.Phase
		finished := 0
		for finished < 4 {
			m, err := b.read()
			if err != nil {
				break
			}
			switch m := m.(type) {
			case *szse.ReportFinished:
				finished++
			case *szse.TradingSessionStatus:
				if v, p, _, err := m.Phase(); err == nil && v == trade.SZSE {
					phases = append(phases, p)
				}
			}
		}
		told <- phases
	}()
	seen := map[trade.Phase]int{}
	byPhase := map[trade.Phase]int{}
	ends := map[trade.Venue]bool{}
	for len(ends) < 3 {
		switch m := r.next().(type) {
		case *szse.SessionState:
			seen[m.Phase]++
			if m.Phase == trade.Closed {
				ends[m.Venue] = true
			}
		case *szse.TradeTick:
			byPhase[m.Phase]++
		}
	}
	for p := trade.OpeningCall; p <= trade.Closed; p++ {
		if seen[p] == 0 {
			t.Errorf("phase %d was not seen: %v", p, seen)
		}
	}
	if byPhase[trade.OpeningCall]+byPhase[trade.OpeningCallLocked] == 0 || byPhase[trade.Continuous] == 0 ||
		byPhase[trade.ClosingCall] == 0 {
		t.Errorf("trades by phase %v", byPhase)
	}
	closes := map[core.Code]core.Quote{}
	s.View(func(m *core.Machine) {
		for n := core.SecurityNumber(1); n <= m.Securities(); n++ {
			q := m.Quote(n)
			closes[q.Listing.Code] = q
			if q.Close == 0 || q.OpenOrders != 0 {
				t.Errorf("%s closed at %v with %d orders", q.Listing.Code, q.Close, q.OpenOrders)
			}
		}
	})
	phases := <-told
	if !slices.Contains(phases, trade.Continuous) || !slices.Contains(phases, trade.ClosingCall) ||
		phases[len(phases)-1] != trade.Closed {
		t.Errorf("the broker was told %v", phases)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	clock.Start = time.Date(2026, 7, 23, 15, 55, 0, 0, time.UTC) // in the night
	s = open(t, Config{Dir: dir, Clock: clock})
	next := subscribe(t, s, szse.WantDefinitions|szse.WantStream, 0, 0)
	day := trade.Day(0)
	for day != testDay+1 {
		switch m := next.next().(type) {
		case *szse.SessionState:
			day = m.Day
		case *szse.SecurityDefinition:
			q := closes[m.Code]
			if m.Day == testDay+1 && m.PreviousClose != q.Close {
				t.Errorf("%s closed at %v, and begins with %v", q.Listing.Code, q.Close, m.PreviousClose)
			}
		}
	}
	t.Log("phases", slices.Sorted(maps.Keys(seen)), "trades by phase", byPhase)
}

// TestPausedClock: a machine that stood still over whole phases goes through each of them, in order.
func TestPausedClock(t *testing.T) {
	var paused atomic.Int64 // ns that the wall is ahead of the system's
	clock := Clock{Sessions: Real, Start: time.Date(2026, 7, 23, 1, 20, 0, 0, time.UTC),
		Wall: func() time.Time { return time.Now().Add(time.Duration(paused.Load())) }}
	s := open(t, Config{Dir: t.TempDir(), Clock: clock})
	r := subscribe(t, s, szse.WantStream, 0, 0)
	seen := map[trade.Venue][]trade.Phase{}
	until := func(p trade.Phase, times int) {
		for count := 0; count < times; {
			if m, ok := r.next().(*szse.SessionState); ok {
				seen[m.Venue] = append(seen[m.Venue], m.Phase)
				if m.Phase == p && m.Venue == trade.SZSE {
					count++
				}
			}
		}
	}
	until(trade.OpeningCallLocked, 1)
	paused.Add(int64(4 * time.Hour))
	until(trade.Continuous, 2)
	want := []trade.Phase{trade.OpeningCallLocked, trade.OpeningGap, trade.Continuous, trade.Lunch, trade.Continuous}
	if got := seen[trade.SZSE]; len(got) < len(want) || !slices.Equal(got[len(got)-len(want):], want) {
		t.Errorf("the venue went through %v, want %v", got, want)
	}
}

// TestMidnight: a session that never closes begins a new day at midnight in Shanghai; a broker is told everything.
func TestMidnight(t *testing.T) {
	clock := Clock{Sessions: Always, Start: time.Date(2026, 7, 23, 15, 59, 59, 0, time.UTC)}
	s := open(t, Config{Dir: t.TempDir(), Clock: clock})
	b := online(t, s, testUnits[0])
	await[*szse.TradingSessionStatus](b)
	b.send(b.order("600000", "1", trade.Buy, 100, 10_0000))
	var got []string
	for len(got) == 0 || got[len(got)-1] != "continuous" {
		switch m := b.next().(type) {
		case *szse.ExecutionConfirm:
			got = append(got, map[byte]string{szse.ExecNew: "accepted", szse.ExecCancelled: "expired"}[m.ExecType])
		case *szse.ReportFinished:
			if got[len(got)-1] != "finished" {
				got = append(got, "finished")
			}
		case *szse.TradingSessionStatus:
			if _, p, day, _ := m.Phase(); day == testDay+1 && p == trade.Continuous {
				got = append(got, "continuous")
			}
		}
	}
	if want := []string{"accepted", "expired", "finished", "continuous"}; !slices.Equal(got, want) {
		t.Errorf("the broker is told %v, want %v", got, want)
	}
}

func TestHoliday(t *testing.T) {
	saturday := time.Date(2026, 7, 25, 2, 0, 0, 0, time.UTC)
	s := open(t, Config{Dir: t.TempDir(), Clock: Clock{Sessions: Real, Start: saturday}})
	s.View(func(m *core.Machine) {
		if m.Day() != 20260724 || m.VenuePhase(trade.SSE) != trade.Closed {
			t.Errorf("on a Saturday it is day %d, phase %d", m.Day(), m.VenuePhase(trade.SSE))
		}
	})
}
