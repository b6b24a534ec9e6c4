package intake

import (
	"context"
	"errors"
	"math"
	"runtime/metrics"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// small is a queue with one place for commands and one for questions.
func small(waiting int) *Queue {
	return newQueue(QueueLimits{Waiting: waiting, CommandsFloor: 1, CommandsCeiling: 1, ViewsFloor: 1, ViewsCeiling: 1,
		Heavy: 1, Inside: 1}.withDefaults())
}

// guest is one request of a test.
type guest struct {
	name  string
	class Class
	key   uint64
}

// seat puts guests into the queue one after the other, while its places are taken, then frees the places one by one
// and returns in what order they were let in; those who were refused come with a minus.
func seat(t *testing.T, q *Queue, hold []Class, guests []guest, wait time.Duration) (order []string) {
	t.Helper()
	var mu sync.Mutex
	var all sync.WaitGroup
	var taken []Turn
	for _, c := range hold {
		turn, err := q.Enter(t.Context(), c, 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		taken = append(taken, turn)
	}
	for _, g := range guests {
		all.Go(func() {
			turn, err := q.Enter(t.Context(), g.class, g.key, nil)
			mu.Lock()
			var busy *BusyError
			switch {
			case err == nil:
				order = append(order, g.name)
			case errors.As(err, &busy) && busy.Class == g.class && busy.After >= time.Second:
				order = append(order, "-"+g.name)
			default:
				t.Error(err)
			}
			mu.Unlock()
			time.Sleep(time.Microsecond) // of the bubble: the work
			turn.End()
		})
		synctest.Wait()
		time.Sleep(time.Millisecond)
	}
	time.Sleep(wait)
	for i := range taken {
		taken[i].End()
		synctest.Wait()
	}
	all.Wait()
	return order
}

// The script of the queue: who comes first, who is refused.
func TestQueueOrder(t *testing.T) {
	for _, c := range []struct {
		name    string
		waiting int
		hold    []Class
		guests  []guest
		wait    time.Duration
		want    []string
	}{
		{"cancels go before orders, which go as they came", 9, []Class{Order},
			[]guest{{"o1", Order, 1}, {"o2", Order, 2}, {"c", Cancel, 3}, {"o3", Order, 1}}, 0,
			[]string{"c", "o1", "o2", "o3"}},
		{"questions go newest first, of accounts before markets", 9, []Class{Query},
			[]guest{{"p", Quote, 1}, {"q1", Query, 1}, {"q2", Query, 2}, {"m", Manage, 1}, {"q3", Query, 3}}, 0,
			[]string{"q3", "q2", "q1", "p", "m"}},
		{"quotes are passed over seven times", 19, []Class{Query},
			[]guest{{"p2", Quote, 1}, {"p1", Quote, 1}, {"1", Query, 1}, {"2", Query, 2}, {"3", Query, 3}, {"4", Query, 4},
				{"5", Query, 5}, {"6", Query, 6}, {"7", Query, 7}, {"8", Query, 8}, {"9", Query, 9}}, 0,
			[]string{"9", "8", "7", "6", "5", "4", "3", "p1", "2", "1", "p2"}},
		{"accounts take turns", 9, []Class{Order},
			[]guest{{"a1", Order, 1}, {"a2", Order, 1}, {"a3", Order, 1}, {"b1", Order, 2}, {"c1", Order, 3}, {"b2", Order, 2}},
			0, []string{"a1", "b1", "c1", "a2", "b2", "a3"}},
		{"accounts take turns where the newest goes first", 9, []Class{Query},
			[]guest{{"b1", Query, 2}, {"a1", Query, 1}, {"a2", Query, 1}, {"a3", Query, 1}}, 0,
			[]string{"a3", "b1", "a2", "a1"}},
		{"full: the oldest of the lowest class goes", 3, []Class{Order, Query},
			[]guest{{"o1", Order, 1}, {"p1", Quote, 1}, {"p2", Quote, 2}, {"c1", Cancel, 1}, {"q1", Query, 1},
				{"p3", Quote, 3}}, 0, []string{"-p1", "-p2", "-p3", "c1", "q1", "o1"}},
		{"full of its own class: the oldest goes", 2, []Class{Order},
			[]guest{{"o1", Order, 1}, {"o2", Order, 1}, {"o3", Order, 1}}, 0, []string{"-o1", "o2", "o3"}},
		{"patience ends, of orders before that of questions", 9, []Class{Order, Query},
			[]guest{{"o", Order, 1}, {"q", Query, 1}}, 450 * time.Millisecond, []string{"-o", "q"}},
		{"logins go as they came, and take turns with reports", 9, []Class{Heavy},
			[]guest{{"h1", Heavy, 1}, {"h2", Heavy, 2}, {"h3", Heavy, 3}, {"r1", Report, 1}, {"r2", Report, 2}}, 0,
			[]string{"r1", "h1", "r2", "h2", "h3"}},
		{"a question is let in while orders wait: they share nothing", 9, []Class{Order},
			[]guest{{"o", Order, 1}, {"q", Query, 1}}, 0, []string{"q", "o"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := small(c.waiting)
				if got := seat(t, q, c.hold, c.guests, c.wait); !slices.Equal(got, c.want) {
					t.Errorf("%v, want %v", got, c.want)
				}
				empty(t, q)
			})
		})
	}
}

// empty checks that nothing is left in a queue.
func empty(t *testing.T, q *Queue) {
	t.Helper()
	if q.waiting != 0 {
		t.Errorf("%d wait", q.waiting)
	}
	for c := range classes {
		l, p := &q.lines[c], &q.pools[poolOf[c]]
		if l.all.size != 0 || l.turns.size != 0 || len(l.askers) != 0 || p.of[c] != 0 || p.under != 0 {
			t.Errorf("class %v: %d wait, %d askers, %d under way", c, l.all.size, len(l.askers), p.of[c])
		}
	}
}

// A caller who goes is dropped, and takes nobody's turn.
func TestQueueGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := small(9)
		turn, err := q.Enter(t.Context(), Order, 1, nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := q.Enter(ctx, Order, 2, nil); !errors.Is(err, context.Canceled) {
				t.Errorf("who has gone: %v", err)
			}
		})
		synctest.Wait()
		all.Go(func() {
			turn, err := q.Enter(t.Context(), Order, 3, nil)
			if err != nil {
				t.Error(err)
			}
			turn.End()
		})
		synctest.Wait()
		cancel() // and in the same moment the place becomes free: whichever is seen first
		turn.End()
		all.Wait()
		empty(t, q)
		if s := q.Status(Order); s.Gone != 1 || s.Straight != 1 || s.Waited < 1 {
			t.Errorf("%+v", s)
		}
	})
}

// A storm of cancels leaves a quarter of the places to orders, and the other way round; so it is with questions.
func TestQueueShares(t *testing.T) {
	for storm, other := range map[Class]Class{Cancel: Order, Order: Cancel, Query: Quote, Quote: Manage} {
		q := newQueue(QueueLimits{CommandsFloor: 8, CommandsCeiling: 8, ViewsFloor: 8, ViewsCeiling: 8}.withDefaults())
		p := &q.pools[poolOf[storm]]
		for p.place(storm) {
			p.under++
			p.of[storm]++
		}
		if left := 8 - p.under; left < 1 || !p.place(other) {
			t.Errorf("a storm of %v leaves %d places, and none for %v", storm, left, other)
		}
		if storm >= Order && p.under != 6 {
			t.Errorf("a storm of %v takes %d of 8 places", storm, p.under)
		}
	}
}

// When to come back is spread, the wider the more are refused, and within its limit.
func TestQueueComesBackSpread(t *testing.T) {
	q := small(9)
	seen := map[time.Duration]bool{}
	longest := time.Duration(0)
	for i := range 1000 {
		var busy *BusyError
		if err := q.refuse(Query, time.Duration(i)*time.Millisecond); !errors.As(err, &busy) || busy.After < time.Second ||
			busy.After > 16*time.Second {
			t.Fatalf("%v", err)
		}
		seen[busy.After] = true
		longest = max(longest, busy.After)
	}
	if len(seen) < 10 || longest < 10*time.Second {
		t.Errorf("%d different times, the longest %v", len(seen), longest)
	}
	clear(seen)
	for range 100 {
		var busy *BusyError
		if err := q.refuse(Cancel, 0); !errors.As(err, &busy) {
			t.Fatal(err)
		}
		seen[busy.After] = true
	}
	if len(seen) != 2 || !seen[time.Second] || !seen[2*time.Second] {
		t.Errorf("cancels: %v", seen)
	}
}

// The limit grows while requests take what is usual, and shrinks when they take longer; what is quick is never slow.
func TestLimit(t *testing.T) {
	l, usual := newLimit(tune{4, 100, time.Millisecond, .2, .4}), &Usual{}
	now := time.Duration(0)
	run := func(windows int, took func() time.Duration, pressed bool) {
		for range windows {
			for !l.ripe(now) {
				now += 2 * time.Millisecond
				l.sample(usual, took(), l.size())
			}
			l.adapt(now, pressed)
		}
	}
	run(100, func() time.Duration { return 2 * time.Millisecond }, false)
	if l.size() != 100 {
		t.Fatalf("never slow: %d", l.size())
	}
	run(200, func() time.Duration { // a server that does ten at a time
		return 2 * time.Millisecond * time.Duration(max(10, l.size())) / 10
	}, false)
	if l.size() < 10 || l.size() > 17 {
		t.Errorf("ten at a time: %d", l.size())
	}
	run(100, func() time.Duration { return 2 * time.Millisecond }, true)
	if l.size() != 4 {
		t.Errorf("pressed: %d", l.size())
	}
	quick := &Usual{}
	l.sample(quick, time.Microsecond, 4)
	l.adapt(now, false)
	run(100, func() time.Duration { return 900 * time.Microsecond }, false)
	if l.size() != 100 {
		t.Errorf("quick: %d", l.size())
	}
}

// A storm of ten times what the house can do, in virtual time: what fits is all answered in time, and the rest of the
// work goes to questions that are still waited for. The machine of the test does one thing after the other, 4 a
// millisecond.
func TestQueueStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(QueueLimits{CommandsFloor: 16, CommandsCeiling: 64, ViewsFloor: 2, ViewsCeiling: 64, Heavy: 1,
			Inside: 4}.withDefaults())
		processor := make(chan struct{}, 1)
		usual := [classes]Usual{}
		type outcome struct{ answered, refused, late atomic.Int64 }
		var got [classes]outcome
		var all sync.WaitGroup
		ask := func(c Class, key uint64, objective time.Duration) {
			all.Go(func() {
				due := time.Now()
				turn, err := q.Enter(t.Context(), c, key, &usual[c])
				if err != nil {
					got[c].refused.Add(1)
					return
				}
				processor <- struct{}{}
				time.Sleep(250 * time.Microsecond)
				<-processor
				turn.End()
				if time.Since(due) > objective {
					got[c].late.Add(1)
				} else {
					got[c].answered.Add(1)
				}
			})
		}
		const seconds = 2
		for i := range seconds * 1000 { // 4,000 a second is all that it can do; 40,000 are asked
			if i%10 == 0 {
				ask(Cancel, uint64(i), 50*time.Millisecond) // 100 a second
			}
			if i%2 == 0 {
				ask(Order, uint64(i), 100*time.Millisecond) // 500 a second
			}
			for j := range 39 {
				ask(Query, uint64(i*39+j), 500*time.Millisecond)
			}
			time.Sleep(time.Millisecond)
		}
		all.Wait()
		empty(t, q)
		for c, want := range map[Class]int64{Cancel: seconds * 100, Order: seconds * 500} {
			if n := got[c].answered.Load(); n != want {
				t.Errorf("%v: %d of %d answered in time, %d late, %d refused", c, n, want, got[c].late.Load(),
					got[c].refused.Load())
			}
		}
		useful := got[Cancel].answered.Load() + got[Order].answered.Load() + got[Query].answered.Load()
		if useful < seconds*4000*9/10 {
			t.Errorf("%d useful answers in %d s, the machine could give %d", useful, seconds, seconds*4000)
		}
		if got[Query].refused.Load() == 0 {
			t.Error("nobody was refused")
		}
	})
}

// To be let in and to leave costs no allocation, nor does a wait.
func TestQueueAllocations(t *testing.T) {
	q := newQueue(QueueLimits{}.withDefaults())
	ctx, usual := t.Context(), &Usual{}
	if n := testing.AllocsPerRun(1000, func() {
		turn, err := q.Enter(ctx, Order, 1, usual)
		if err != nil {
			t.Fatal(err)
		}
		turn.End()
	}); n > 0 {
		t.Errorf("%v allocations to be let in", n)
	}
	l := &line{askers: map[uint64]*asker{}}
	entries := [3]entry{}
	if n := testing.AllocsPerRun(1000, func() {
		for i := range entries {
			entries[i].key = uint64(i)
			l.push(&entries[i])
		}
		l.remove(&entries[1])
		if l.take() != &entries[0] || l.take() != &entries[2] {
			t.Fatal("not in order")
		}
	}); n > 0 {
		t.Errorf("%v allocations to wait", n)
	}
}

func TestPressure(t *testing.T) {
	h := &metrics.Float64Histogram{Buckets: []float64{0, 1, 2, 3, math.Inf(1)}, Counts: []uint64{90, 5, 5, 0}}
	none := make([]uint64, 4)
	if d := share(h, none, .9); d != time.Second {
		t.Errorf("nine in ten: %v", d)
	}
	if d := share(h, none, .95); d != 2*time.Second {
		t.Errorf("%v", d)
	}
	if d := share(h, h.Counts, .9); d != 0 {
		t.Errorf("nobody waited: %v", d)
	}
	h.Counts = []uint64{0, 0, 0, 9}
	if d := share(h, none, .9); d != 3*time.Second {
		t.Errorf("endless: %v", d)
	}
	if d := Pressure()(); d < 0 || d > time.Hour {
		t.Errorf("%v", d)
	}
}

func BenchmarkQueueStraight(b *testing.B) {
	q := newQueue(QueueLimits{}.withDefaults())
	usual := &Usual{}
	b.ReportAllocs()
	for b.Loop() {
		turn, _ := q.Enter(b.Context(), Order, 1, usual)
		turn.End()
	}
}

// What it costs to refuse: the queue is full, and each newcomer pushes the oldest out.
func BenchmarkQueueRefuse(b *testing.B) {
	q := small(1)
	for _, c := range []Class{Order, Cancel} {
		turn, _ := q.Enter(b.Context(), c, 1, nil)
		defer turn.End()
		go func() { _, _ = q.Enter(b.Context(), Order, 1, nil) }()
	}
	b.ReportAllocs()
	for b.Loop() {
		_ = q.Full(Query)
	}
}
