package feed

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"evenkeel/core/money"
)

// inWords encodes updates as the numbers of their trades and the prices of their quotes.
func inWords(calls *int) Form {
	var mu sync.Mutex
	return Form{Name: "words", Most: 4, Encode: func(updates []*Update, place Place) []byte {
		mu.Lock()
		*calls++
		mu.Unlock()
		var words []string
		for _, u := range updates {
			if u.Trade != nil {
				words = append(words, fmt.Sprintf("t%d", u.Trade.Sequence))
			} else {
				words = append(words, fmt.Sprintf("q%d", u.Quote.Bids[0].Price))
			}
		}
		return []byte(strings.Join(words, " ") + fmt.Sprintf(" @%d ", place.Number))
	}}
}

func want(kinds ...UpdateKind) (in Interest) {
	for _, kind := range kinds {
		in.Want(kind, symbol)
	}
	return in
}

func listener(t *testing.T, m *Market, in Interest, form Form) *Listener {
	t.Helper()
	l := must(m.Listen())
	if err := l.Ask(in, form, Place{}); err != nil {
		t.Fatal(err)
	}
	return l
}

// heard is what there is for a listener.
func heard(l *Listener) (text string, err error) {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for {
		f, err := l.Next(ended)
		if errors.Is(err, context.Canceled) {
			return text, nil
		}
		if err != nil {
			return text, err
		}
		text += string(f.Bytes())
	}
}

func hears(t *testing.T, who string, l *Listener, want string, wantErr error) {
	t.Helper()
	if text, err := heard(l); text != want || !errors.Is(err, wantErr) {
		t.Errorf("%s: %q, %v; want %q, %v", who, text, err, want, wantErr)
	}
}

// Those who want the same share what is encoded, whenever they come for it; one that asks for something else meanwhile
// has what it wanted before, once and in order.
func TestListenersShare(t *testing.T) {
	m, calls := newTape(), 0
	form := inWords(&calls)
	a, b := listener(t, m.Market, want(TradeUpdate), form), listener(t, m.Market, want(TradeUpdate), form)
	for range 5 {
		m.trade(at0, 100, 1)
	}
	hears(t, "a", a, "t1 t2 t3 t4 @4 t5 @5 ", nil)
	m.trade(at0, 100, 1)
	late := listener(t, m.Market, want(TradeUpdate), form)
	hears(t, "b", b, "t1 t2 t3 t4 @4 t5 @5 t6 @6 ", nil)
	hears(t, "a", a, "t6 @6 ", nil)
	hears(t, "late", late, "", nil)
	if calls != 3 || m.Circles() != 1 {
		t.Errorf("%d encodings, %d circles", calls, m.Circles())
	}
	m.trade(at0, 100, 1)
	if err := b.Ask(want(TradeUpdate, QuoteUpdate), form, Place{}); err != nil || m.Circles() != 2 {
		t.Error(err, m.Circles())
	}
	m.Quote(quote(3))
	m.trade(at0, 100, 1)
	hears(t, "b", b, "t7 @7 q3 t8 @12 ", nil) // depth and limits have numbers too
	hears(t, "a", a, "t7 @7 t8 @12 ", nil)
	if _, behind := a.Lag(time.Now()); behind != 0 {
		t.Errorf("%d behind", behind)
	}
	m.trade(at0, 100, 1)
	if age, behind := a.Lag(time.Now().Add(time.Second)); age < time.Second || behind != 1 {
		t.Errorf("lag %v, %d", age, behind)
	}
	for _, l := range []*Listener{a, b, late} {
		l.Leave()
	}
	if m.Circles() != 0 || m.Readers() != 0 || len(m.wanted[TradeUpdate].symbols) != 0 {
		t.Errorf("%d circles, %d readers", m.Circles(), m.Readers())
	}
}

// A listener at a pace has the latest of each security, no sooner than it asked for.
func TestListenersPace(t *testing.T) {
	m, calls := newTape(), 0
	form := inWords(&calls)
	form.Every = time.Hour
	l := listener(t, m.Market, want(TradeUpdate, QuoteUpdate), form)
	m.Quote(quote(1))
	hears(t, "the first", l, "q1 @1 ", nil)
	for n := range 3 {
		m.Quote(quote(money.Price(10 + n)))
		m.trade(at0, 100, 1)
	}
	hears(t, "before its time", l, "", nil)
	if age, behind := l.Lag(time.Now()); age != 0 || behind != 2 {
		t.Errorf("lag %v, %d", age, behind)
	}
	l.circle.cut = l.circle.cut.Add(-time.Hour)
	hears(t, "at its time", l, fmt.Sprintf("q12 t3 @%d ", m.number), nil)
}

// Who falls behind is cut off, alone, and comes back to the place that it had, within what is kept.
func TestListenersComeBack(t *testing.T) {
	m, calls := newTape(), 0
	form := inWords(&calls)
	slow, quick := listener(t, m.Market, want(TradeUpdate), form), listener(t, m.Market, want(TradeUpdate), form)
	m.trade(at0, 100, 1)
	hears(t, "slow", slow, "t1 @1 ", nil)
	place := Place{m.epoch, 1}
	for range MaxBehind + 8 {
		m.trade(at0, 100, 1)
		if _, err := heard(quick); err != nil {
			t.Fatal(err)
		}
	}
	hears(t, "slow", slow, "", ErrSlow)
	slow.Leave()
	if again := must(m.Listen()); !errors.Is(again.Ask(want(TradeUpdate), form, place), ErrPlace) {
		t.Error("more than a listener may be behind was given")
	}
	place.Number = m.number - 6
	again := must(m.Listen())
	if err := again.Ask(want(TradeUpdate), form, place); err != nil {
		t.Fatal(err)
	}
	m.trade(at0, 100, 1)
	from := m.next - 6
	hears(t, "again", again, fmt.Sprintf("t%d t%d t%d t%d @%d t%d t%d @%d t%d @%d ", from, from+1, from+2, from+3,
		place.Number+4, from+4, from+5, place.Number+6, from+6, place.Number+7), nil)
	for _, wrong := range []Place{{m.epoch + 1, m.number}, {m.epoch, m.number + 1}} {
		if err := again.Ask(want(TradeUpdate), form, wrong); !errors.Is(err, ErrPlace) {
			t.Errorf("%v: %v", wrong, err)
		}
	}
	for range MaxKept {
		m.Quote(quote(money.Price(m.number)))
	}
	if err := again.Ask(want(TradeUpdate), form, place); !errors.Is(err, ErrPlace) {
		t.Errorf("a place that is not kept: %v", err)
	}
	if p, ok := again.Place(); !ok || p.Number != m.number {
		t.Errorf("%v, %v", p, ok)
	}
	none := listener(t, m.Market, want(TradeUpdate), form) // nobody of its circle comes for anything
	again.Leave()
	quick.Leave()
	for range MaxBehind + 2 {
		m.trade(at0, 100, 1)
	}
	hears(t, "who never came", none, "", ErrSlow)
	m.Restart(firstDay)
	after := must(m.Listen())
	if err := after.Ask(want(TradeUpdate), form, place); !errors.Is(err, ErrPlace) {
		t.Errorf("after a restart: %v", err)
	}
}

// Many listeners come, change, dawdle and leave while the market runs. Each hears its trades without a gap.
func TestListenersRace(t *testing.T) {
	m, calls := newTape(), 0
	form := inWords(&calls)
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for n := range 16 {
		all.Go(func() {
			chance := rand.New(rand.NewPCG(uint64(n), 1))
			l := must(m.Listen())
			defer func() { l.Leave() }()
			if err := l.Ask(want(TradeUpdate), form, Place{}); err != nil {
				t.Error(err)
			}
			before := uint64(0)
			for {
				f, err := l.Next(ctx)
				if err != nil {
					if ctx.Err() == nil {
						t.Error(err)
					}
					return
				}
				for _, u := range f.updates {
					if u.Trade == nil {
						continue
					}
					if now := u.Trade.Sequence; before != 0 && now != before+1 {
						t.Errorf("trade %d behind %d", now, before)
					}
					before = u.Trade.Sequence
				}
				_ = f.Bytes()
				switch chance.IntN(20) {
				case 0:
					_ = l.Ask(want(TradeUpdate, QuoteUpdate), form, Place{})
				case 1:
					_ = l.Ask(want(TradeUpdate), form, Place{})
				case 2: // comes back
					l.Leave()
					l = must(m.Listen())
					if err := l.Ask(want(TradeUpdate), form, f.place); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	for n := range 4000 {
		m.trade(at0, 100, 1)
		if n%3 == 0 {
			m.Quote(quote(money.Price(n)))
		}
		if n%10 == 0 {
			time.Sleep(10 * time.Microsecond) // so that readers get a turn on a machine with one processor
		}
	}
	stop()
	all.Wait()
	if m.Circles() != 0 || m.Readers() != 0 {
		t.Errorf("%d circles, %d readers", m.Circles(), m.Readers())
	}
}

func BenchmarkListeners(b *testing.B) {
	for _, n := range []int{1, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			m, calls := newTape(), 0
			form := inWords(&calls)
			var all []*Listener
			for range n {
				l := must(m.Listen())
				_ = l.Ask(want(TradeUpdate), form, Place{})
				all = append(all, l)
			}
			b.ReportAllocs()
			for range b.N {
				m.trade(at0, 100, 1)
				for _, l := range all {
					if _, _, _, err := l.take(); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
