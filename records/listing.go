package records

import (
	"bytes"
	"slices"
	"sync"

	"evenkeel/core/trade"
)

// Listing is the view of the house's own facts: the list of securities, the venues' phases, the trading day.
type Listing struct {
	mu      sync.RWMutex
	facts   facts
	changes uint64
	news    chan struct{} // closed, and made anew, with every change
}

type facts struct {
	securities []trade.Security // by ID, from 1
	symbols    map[string]trade.SecurityID
	halted     map[trade.SecurityID]bool
	phases     map[trade.Venue]trade.SetPhase
	today      trade.Day
	ended      bool
}

// NewListing returns an empty listing.
func NewListing() *Listing { return &Listing{facts: noFacts(), news: make(chan struct{})} }

func noFacts() facts {
	return facts{symbols: map[string]trade.SecurityID{}, halted: map[trade.SecurityID]bool{},
		phases: map[trade.Venue]trade.SetPhase{}}
}

// Replace tells everything anew: describe is called with a function that takes each event. Whoever asks meanwhile is
// answered from what was there before.
func (l *Listing) Replace(describe func(take func(*trade.Event))) {
	fresh := noFacts()
	describe(func(e *trade.Event) { fresh.take(e) })
	l.mu.Lock()
	defer l.mu.Unlock()
	l.facts = fresh
	l.changed()
}

func (l *Listing) changed() {
	l.changes++
	close(l.news)
	l.news = make(chan struct{})
}

// Fold takes events; those that are not about the house are passed over.
func (l *Listing) Fold(events []trade.Event) {
	for i := range events {
		if events[i].Account == 0 {
			l.Describe(&events[i])
		}
	}
}

// Describe takes one event about the house.
func (l *Listing) Describe(e *trade.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.facts.take(e) {
		l.changed()
	}
}

// take reports whether an event changed anything.
func (l *facts) take(e *trade.Event) bool {
	switch e.Kind {
	case trade.SecurityListed:
		s := e.Security
		s.Symbol, s.Name, s.Pinyin = bytes.Clone(s.Symbol), bytes.Clone(s.Name), bytes.Clone(s.Pinyin)
		for int(s.ID) > len(l.securities) {
			l.securities = append(l.securities, trade.Security{})
		}
		l.securities[s.ID-1] = s
		l.symbols[string(s.Symbol)] = s.ID
	case trade.PhaseChanged:
		l.phases[e.Phase.Venue] = e.Phase
	case trade.SecurityHalt:
		l.halted[e.Security.ID] = e.Halted
	case trade.DayStarted:
		l.today, l.ended = e.Day, false
	case trade.DayEnded:
		l.ended = true
	default:
		return false
	}
	return true
}

// Security returns a line of the list. Its texts must not be changed.
func (l *Listing) Security(id trade.SecurityID) (trade.Security, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if id == 0 || int(id) > len(l.facts.securities) || l.facts.securities[id-1].ID == 0 {
		return trade.Security{}, false
	}
	return l.facts.securities[id-1], true
}

// Symbol returns the line of a canonical symbol (600519.SH).
func (l *Listing) Symbol(symbol string) (trade.Security, bool) {
	l.mu.RLock()
	id := l.facts.symbols[symbol]
	l.mu.RUnlock()
	return l.Security(id)
}

// Securities returns the whole list, by ID.
func (l *Listing) Securities() []trade.Security {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return slices.Clone(l.facts.securities)
}

// Halted reports whether the broker halted a security.
func (l *Listing) Halted(id trade.SecurityID) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.facts.halted[id]
}

// Halts returns the symbols that the broker halted, sorted.
func (l *Listing) Halts() []string {
	l.mu.RLock()
	defer l.mu.RUnlock()
	symbols := []string{}
	for id, halted := range l.facts.halted {
		if halted && id > 0 && int(id) <= len(l.facts.securities) {
			symbols = append(symbols, string(l.facts.securities[id-1].Symbol))
		}
	}
	slices.Sort(symbols)
	return symbols
}

// Phase returns a venue's phase as the exchange last said, and its day.
func (l *Listing) Phase(v trade.Venue) (trade.Phase, trade.Day) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	p := l.facts.phases[v]
	return p.Phase, p.Day
}

// Today returns the trading day, and whether it has ended.
func (l *Listing) Today() (day trade.Day, ended bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.facts.today, l.facts.ended
}

// Changes counts the changes of the listing, so that a reader can keep what it made of it.
func (l *Listing) Changes() uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.changes
}

// News returns a channel that is closed with the next change.
func (l *Listing) News() <-chan struct{} {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.news
}
