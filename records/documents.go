package records

import (
	"slices"
	"sync"

	"evenkeel/core/trade"
)

// Documents is the view of the accounts' small texts: watchlists, layouts.
type Documents struct {
	mu   sync.RWMutex
	rows map[trade.AccountID]map[string][]byte
}

// NewDocuments returns an empty view.
func NewDocuments() *Documents {
	d := &Documents{}
	d.Reset()
	return d
}

// Reset forgets everything.
func (d *Documents) Reset() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rows = map[trade.AccountID]map[string][]byte{}
}

// Describe takes one event; those that are not about documents are passed over. What it keeps, it copies.
func (d *Documents) Describe(e *trade.Event) {
	if e.Kind != trade.DocumentPut {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	name := string(e.Document.Name)
	if len(e.Document.Body) == 0 {
		delete(d.rows[e.Account], name)
		return
	}
	if d.rows[e.Account] == nil {
		d.rows[e.Account] = map[string][]byte{}
	}
	d.rows[e.Account][name] = slices.Clone(e.Document.Body)
}

// Document returns one text of an account. It must not be changed.
func (d *Documents) Document(id trade.AccountID, name string) (body []byte, ok bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	body, ok = d.rows[id][name]
	return body, ok
}

// Documents returns the names of an account's texts, sorted.
func (d *Documents) Documents(id trade.AccountID) (names []string) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	for name := range d.rows[id] {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
