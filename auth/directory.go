package auth

import (
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"slices"
	"sync"

	"evenkeel/core/money"
	"evenkeel/core/must"
	"evenkeel/core/trade"
)

// Directory is the view of who may come in: accounts by login, API keys by id, sessions by the hash of their token. One
// goroutine folds, any number ask; a question allocates nothing but what it returns. A million accounts with a
// password each take about 250 bytes apiece (BenchmarkDirectoryMemory).
type Directory struct {
	mu       sync.RWMutex
	shards   map[uint16][]person // dense, by account number - 1
	logins   map[string]trade.AccountID
	keys     map[string]key
	sessions map[[32]byte]session
	held     map[trade.AccountID]*holding // of accounts that have keys or sessions
}

// person is what is kept of one account. The usual password hash is kept in place, an unusual one in unusual.
type person struct {
	login       string
	unusual     string
	salt        [16]byte
	password    [32]byte
	hash        Parameters
	permissions trade.Permissions
	commission  money.Rate
	opened      trade.Time
	settings    trade.Settings
	known       bool
}

type key struct {
	account     trade.AccountID
	secret      [32]byte
	permissions trade.Permissions
	label       string
	added       trade.Time
}

type session struct {
	account trade.AccountID
	label   string
	opened  trade.Time
	expires trade.Time
}

type holding struct {
	keys     []string
	sessions [][32]byte
}

// NewDirectory returns an empty directory.
func NewDirectory() *Directory {
	d := &Directory{}
	d.Reset()
	return d
}

// Reset forgets everything: the books are about to be described anew.
func (d *Directory) Reset() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shards = map[uint16][]person{}
	d.logins = map[string]trade.AccountID{}
	d.keys = map[string]key{}
	d.sessions = map[[32]byte]session{}
	d.held = map[trade.AccountID]*holding{}
}

// Fold takes events; those that are not about credentials are passed over. What it keeps, it copies.
func (d *Directory) Fold(events []trade.Event) {
	for i := range events {
		if k := events[i].Kind; k >= trade.AccountOpened && k <= trade.SettingsChanged {
			d.Describe(&events[i])
		}
	}
}

// Describe takes one event.
func (d *Directory) Describe(e *trade.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := &e.Credential
	switch e.Kind {
	case trade.AccountOpened:
		p := d.place(e.Account)
		p.login, p.known = string(c.Login), true
		p.permissions, p.commission, p.opened = c.Permissions, c.Commission, e.Time
		p.setHash(string(c.PasswordHash))
		d.logins[p.login] = e.Account
	case trade.PasswordSet:
		d.place(e.Account).setHash(string(c.PasswordHash))
	case trade.SettingsChanged:
		d.place(e.Account).settings = e.Settings
	case trade.KeyAdded:
		id := string(c.KeyID)
		if _, again := d.keys[id]; !again {
			h := d.holdingOf(e.Account)
			h.keys = append(h.keys, id)
		}
		d.keys[id] = key{account: e.Account, secret: c.Hash, permissions: c.Permissions, label: string(c.Label), added: e.Time}
	case trade.KeyRevoked:
		id := string(c.KeyID)
		delete(d.keys, id)
		if h := d.held[e.Account]; h != nil {
			h.keys = slices.DeleteFunc(h.keys, func(k string) bool { return k == id })
			d.drop(e.Account, h)
		}
	case trade.SessionOpened:
		if _, again := d.sessions[c.Hash]; !again {
			h := d.holdingOf(e.Account)
			h.sessions = append(h.sessions, c.Hash)
		}
		d.sessions[c.Hash] = session{account: e.Account, label: string(c.Label), opened: e.Time, expires: c.Expires}
	case trade.SessionClosed:
		delete(d.sessions, c.Hash)
		if h := d.held[e.Account]; h != nil {
			hash := c.Hash
			h.sessions = slices.DeleteFunc(h.sessions, func(s [32]byte) bool { return s == hash })
			d.drop(e.Account, h)
		}
	}
}

// place returns the row of an account, made when it is not there.
func (d *Directory) place(id trade.AccountID) *person {
	shard, number := uint16(id>>trade.ShardShift), int(id&trade.NumberMask)
	must.Hold(number > 0, "an account has a number")
	rows := d.shards[shard]
	if number > len(rows) {
		rows = slices.Grow(rows, number-len(rows))[:number]
		d.shards[shard] = rows
	}
	return &rows[number-1]
}

func (d *Directory) find(id trade.AccountID) *person {
	rows := d.shards[uint16(id>>trade.ShardShift)]
	if number := id & trade.NumberMask; number >= 1 && number <= trade.AccountID(len(rows)) && rows[number-1].known {
		return &rows[number-1]
	}
	return nil
}

func (d *Directory) holdingOf(id trade.AccountID) *holding {
	h := d.held[id]
	if h == nil {
		h = &holding{}
		d.held[id] = h
	}
	return h
}

func (d *Directory) drop(id trade.AccountID, h *holding) {
	if len(h.keys) == 0 && len(h.sessions) == 0 {
		delete(d.held, id)
	}
}

func (p *person) setHash(encoded string) {
	h, err := ParseHash(encoded)
	if err == nil && len(h.Salt) == len(p.salt) && len(h.Key) == len(p.password) {
		p.hash, p.unusual = h.Parameters, ""
		copy(p.salt[:], h.Salt)
		copy(p.password[:], h.Key)
		return
	}
	p.hash, p.unusual = Parameters{}, encoded // "" is an account without a password
}

func (p *person) passwordHash() string {
	if p.hash == (Parameters{}) {
		return p.unusual
	}
	return Hash{Parameters: p.hash, Salt: p.salt[:], Key: p.password[:]}.String()
}

// Account is what the directory knows of an account.
type Account struct {
	ID          trade.AccountID
	Login       string
	Permissions trade.Permissions
	Commission  money.Rate
	Opened      trade.Time
	Settings    trade.Settings
}

// Account returns an account, and false when there is none.
func (d *Directory) Account(id trade.AccountID) (Account, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	p := d.find(id)
	if p == nil {
		return Account{}, false
	}
	return Account{ID: id, Login: p.login, Permissions: p.permissions, Commission: p.commission, Opened: p.opened,
		Settings: p.settings}, true
}

// Accounts counts the accounts.
func (d *Directory) Accounts() int {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return len(d.logins)
}

// ByLogin returns the account of a login name and its encoded password hash ("" when it has none).
func (d *Directory) ByLogin(login string) (id trade.AccountID, encoded string, ok bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	id, ok = d.logins[login]
	if p := d.find(id); ok && p != nil {
		return id, p.passwordHash(), true
	}
	return 0, "", false
}

// ByKey returns who holds an API key. An unknown key costs the same as a wrong secret.
func (d *Directory) ByKey(id, secret string) (Principal, error) {
	given := sha256.Sum256([]byte(secret))
	d.mu.RLock()
	k, known := d.keys[id]
	p := d.find(k.account)
	allowed := trade.Permissions(0)
	if p != nil {
		allowed = p.permissions
	}
	d.mu.RUnlock()
	same := subtle.ConstantTimeCompare(given[:], k.secret[:]) == 1
	if !known || !same || p == nil {
		return Principal{}, ErrNobody
	}
	return Principal{Account: k.account, Permissions: k.permissions & allowed, Via: ByKey, Key: id}, nil
}

// ByToken returns who holds a session that has not expired.
func (d *Directory) ByToken(token string, now trade.Time) (Principal, error) {
	hash := HashToken(token)
	d.mu.RLock()
	defer d.mu.RUnlock()
	s, known := d.sessions[hash] // the map's lookup is by a hash that the asker cannot steer
	p := d.find(s.account)
	if !known || p == nil || s.expires <= now {
		return Principal{}, ErrNobody
	}
	return Principal{Account: s.account, Permissions: p.permissions, Via: BySession, Session: hash}, nil
}

// Key is an API key as its owner may see it.
type Key struct {
	ID          string
	Label       string
	Permissions trade.Permissions
	Added       trade.Time
}

// Keys returns an account's API keys in the order in which they were added.
func (d *Directory) Keys(id trade.AccountID) []Key {
	d.mu.RLock()
	defer d.mu.RUnlock()
	h := d.held[id]
	if h == nil {
		return nil
	}
	keys := make([]Key, len(h.keys))
	for i, name := range h.keys {
		k := d.keys[name]
		keys[i] = Key{ID: name, Label: k.label, Permissions: k.permissions, Added: k.added}
	}
	return keys
}

// Session is a session as its owner may see it.
type Session struct {
	Hash    [32]byte
	Label   string
	Opened  trade.Time
	Expires trade.Time
}

// Sessions returns an account's sessions that have not expired, oldest first.
func (d *Directory) Sessions(id trade.AccountID, now trade.Time) []Session {
	d.mu.RLock()
	defer d.mu.RUnlock()
	h := d.held[id]
	if h == nil {
		return nil
	}
	var sessions []Session
	for _, hash := range h.sessions {
		if s := d.sessions[hash]; s.expires > now {
			sessions = append(sessions, Session{Hash: hash, Label: s.label, Opened: s.opened, Expires: s.expires})
		}
	}
	slices.SortStableFunc(sessions, func(a, b Session) int { return cmp.Compare(a.Opened, b.Opened) })
	return sessions
}
