package api

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"evenkeel/core/trade"
)

// A watchlist is a document of the account: name "watchlist/<uuid>", body {name, symbols, created, updated}.
const watchlistPrefix = "watchlist/"

// Limits of a watchlist.
const (
	maxWatchlistName = 64 // characters
	maxWatched       = 500
)

type watchlist struct {
	ID      string     `json:"-"`
	Name    string     `json:"name"`
	Symbols []string   `json:"symbols"`
	Created trade.Time `json:"created"`
	Updated trade.Time `json:"updated"`
}

func (s *Server) watchlist(account trade.AccountID, id string) (w watchlist, ok bool) {
	body, ok := s.Documents.Document(account, watchlistPrefix+id)
	if !ok || json.Unmarshal(body, &w) != nil {
		return w, false
	}
	w.ID = id
	return w, true
}

// watchlists are those of an account, the oldest first.
func (s *Server) watchlists(account trade.AccountID) (list []watchlist) {
	for _, name := range s.Documents.Documents(account) {
		if id, ok := strings.CutPrefix(name, watchlistPrefix); ok {
			if w, ok := s.watchlist(account, id); ok {
				list = append(list, w)
			}
		}
	}
	slices.SortStableFunc(list, func(a, b watchlist) int { return cmp.Compare(a.Created, b.Created) })
	return list
}

// watchlistEntity is a watchlist as Alpaca's clients know it; cn.symbols are its symbols in their order, which a list
// of watchlists has too. A symbol that is no longer listed is left out.
func (s *Server) watchlistEntity(c *call, w *watchlist, withAssets bool) map[string]any {
	e := map[string]any{"id": w.ID, "account_id": accountID(c.who.Account), "name": w.Name,
		"created_at": stamp(w.Created), "updated_at": stamp(w.Updated)}
	assets, symbols := []assetEntity{}, []string{}
	for _, symbol := range w.Symbols {
		if line, ok := s.Listing.Symbol(symbol); ok {
			symbols = append(symbols, symbol)
			if withAssets {
				assets = append(assets, s.asset(&line, c.native))
			}
		}
	}
	e["cn"] = map[string]any{"symbols": symbols}
	if withAssets {
		e["assets"] = assets
	}
	return e
}

// keep writes a watchlist to the books.
func (s *Server) keep(c *call, w *watchlist) error {
	w.Updated = s.now()
	body, err := json.Marshal(w)
	if err != nil {
		return err
	}
	return s.take(c, &trade.Command{Kind: trade.PutDocumentKind, PutDocument: trade.PutDocument{Account: c.who.Account,
		Name: []byte(watchlistPrefix + w.ID), Body: body}})
}

// named finds the watchlist that a request means: by id in the path, or by name in the query.
func (s *Server) named(c *call) (watchlist, error) {
	if id := c.r.PathValue("id"); id != "" {
		if _, form := parseUUID(id); form {
			if w, ok := s.watchlist(c.who.Account, id); ok {
				return w, nil
			}
		}
		return watchlist{}, say(notFound, "watchlist "+clip(id))
	}
	name := c.r.URL.Query().Get("name")
	if name == "" {
		return watchlist{}, say(badQuery, "name", "is required")
	}
	for _, w := range s.watchlists(c.who.Account) {
		if w.Name == name {
			return w, nil
		}
	}
	return watchlist{}, say(notFound, "watchlist "+clip(name))
}

// readWatchlist fills name and symbols from a request. Symbols are kept in their canonical form, each once.
func (s *Server) readWatchlist(c *call, w *watchlist) error {
	f, err := readForm(c.r)
	if err != nil {
		return err
	}
	name := f.text("name")
	symbols := f.texts("symbols")
	if f.err != nil {
		return f.err
	}
	if name != "" {
		w.Name = name
	}
	switch {
	case w.Name == "":
		return say(missingField, "name")
	case utf8.RuneCountInString(w.Name) > maxWatchlistName:
		return say(badField, "name", "has at most 64 characters")
	}
	for _, other := range s.watchlists(c.who.Account) {
		if other.Name == w.Name && other.ID != w.ID {
			return say(nameTaken, clip(w.Name))
		}
	}
	if f.has("symbols") || string(f.bytes["symbols"]) == "[]" {
		w.Symbols = []string{}
	}
	for _, symbol := range symbols {
		if err := s.watch(w, symbol); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) watch(w *watchlist, symbol string) error {
	line, err := s.symbols.Find(symbol)
	if err != nil {
		return err
	}
	for _, has := range w.Symbols {
		if has == string(line.Symbol) {
			return nil
		}
	}
	if len(w.Symbols) >= maxWatched {
		return say(badField, "symbols", "a watchlist has at most 500")
	}
	w.Symbols = append(w.Symbols, string(line.Symbol))
	return nil
}

// getWatchlists is GET /v2/watchlists.
func getWatchlists(s *Server, c *call) (int, any, error) {
	list := []any{}
	for _, w := range s.watchlists(c.who.Account) {
		list = append(list, s.watchlistEntity(c, &w, false))
	}
	return http.StatusOK, list, nil
}

// postWatchlist is POST /v2/watchlists.
func postWatchlist(s *Server, c *call) (int, any, error) {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	w := watchlist{ID: formatUUID(b), Symbols: []string{}, Created: s.now()}
	if err := s.readWatchlist(c, &w); err != nil {
		return 0, nil, err
	}
	if err := s.keep(c, &w); err != nil {
		return 0, nil, err
	}
	return http.StatusOK, s.watchlistEntity(c, &w, true), nil
}

// getWatchlist is GET /v2/watchlists/{id} and /v2/watchlists:by_name.
func getWatchlist(s *Server, c *call) (int, any, error) {
	w, err := s.named(c)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, s.watchlistEntity(c, &w, true), nil
}

// putWatchlist is PUT /v2/watchlists/{id}: a new name, or new symbols, or both.
func putWatchlist(s *Server, c *call) (int, any, error) {
	w, err := s.named(c)
	if err != nil {
		return 0, nil, err
	}
	if err := s.readWatchlist(c, &w); err != nil {
		return 0, nil, err
	}
	if err := s.keep(c, &w); err != nil {
		return 0, nil, err
	}
	return http.StatusOK, s.watchlistEntity(c, &w, true), nil
}

// addToWatchlist is POST /v2/watchlists/{id}: one more symbol.
func addToWatchlist(s *Server, c *call) (int, any, error) {
	w, err := s.named(c)
	if err != nil {
		return 0, nil, err
	}
	f, err := readForm(c.r)
	if err != nil {
		return 0, nil, err
	}
	symbol := f.text("symbol")
	switch {
	case f.err != nil:
		return 0, nil, f.err
	case symbol == "":
		return 0, nil, say(missingField, "symbol")
	}
	if err := s.watch(&w, symbol); err != nil {
		return 0, nil, err
	}
	if err := s.keep(c, &w); err != nil {
		return 0, nil, err
	}
	return http.StatusOK, s.watchlistEntity(c, &w, true), nil
}

// deleteFromWatchlist is DELETE /v2/watchlists/{id}/{symbol}.
func deleteFromWatchlist(s *Server, c *call) (int, any, error) {
	w, err := s.named(c)
	if err != nil {
		return 0, nil, err
	}
	line, err := s.security(c.r.PathValue("symbol"))
	if err != nil {
		return 0, nil, err
	}
	for i, symbol := range w.Symbols {
		if symbol == string(line.Symbol) {
			w.Symbols = append(w.Symbols[:i], w.Symbols[i+1:]...)
			if err := s.keep(c, &w); err != nil {
				return 0, nil, err
			}
			return http.StatusOK, s.watchlistEntity(c, &w, true), nil
		}
	}
	return 0, nil, say(notFound, string(line.Symbol))
}

// deleteWatchlist is DELETE /v2/watchlists/{id}.
func deleteWatchlist(s *Server, c *call) (int, any, error) {
	w, err := s.named(c)
	if err != nil {
		return 0, nil, err
	}
	err = s.take(c, &trade.Command{Kind: trade.PutDocumentKind, PutDocument: trade.PutDocument{Account: c.who.Account,
		Name: []byte(watchlistPrefix + w.ID)}})
	if err != nil {
		return 0, nil, err
	}
	return http.StatusNoContent, nil, nil
}
