package records

import (
	"slices"
	"sync"

	"evenkeel/core/trade"
)

// Documents is the view of the accounts' small texts: watchlists, layouts.
type Documents struct {
	mu     sync.RWMutex
	shards map[uint16]texts
}

// texts are those of the accounts of one shard, by name.
type texts map[trade.AccountID]map[string][]byte

// NewDocuments returns an empty view.
func NewDocuments() *Documents { return &Documents{shards: map[uint16]texts{}} }

// Replace tells anew what a shard has: describe is called with a function that takes each event. Whoever asks
// meanwhile is answered from what was there before.
func (d *Documents) Replace(shard uint16, describe func(take func(*trade.Event))) {
	fresh := texts{}
	describe(fresh.take)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shards[shard] = fresh
}

// Describe takes one event; those that are not about documents are passed over. What it keeps, it copies.
func (d *Documents) Describe(e *trade.Event) {
	if e.Kind != trade.DocumentPut {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	shard := uint16(e.Account >> trade.ShardShift)
	if d.shards[shard] == nil {
		d.shards[shard] = texts{}
	}
	d.shards[shard].take(e)
}

func (t texts) take(e *trade.Event) {
	if e.Kind != trade.DocumentPut {
		return
	}
	name := string(e.Document.Name)
	if len(e.Document.Body) == 0 {
		delete(t[e.Account], name)
		return
	}
	if t[e.Account] == nil {
		t[e.Account] = map[string][]byte{}
	}
	t[e.Account][name] = slices.Clone(e.Document.Body)
}

// of returns the texts of an account, under the lock.
func (d *Documents) of(id trade.AccountID) map[string][]byte {
	return d.shards[uint16(id>>trade.ShardShift)][id]
}

// Document returns one text of an account. It must not be changed.
func (d *Documents) Document(id trade.AccountID, name string) (body []byte, ok bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	body, ok = d.of(id)[name]
	return body, ok
}

// Documents returns the names of an account's texts, sorted.
func (d *Documents) Documents(id trade.AccountID) (names []string) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	for name := range d.of(id) {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
