package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"slices"
	"sync"

	"evenkeel/core/money"
	"evenkeel/core/must"
	"evenkeel/core/trade"
)

// Directory is the view of who may come in: accounts by login, API keys by id, sessions by the hash of their token.
// One goroutine folds, any number ask; a question allocates nothing but what it returns. A million accounts with a
// password take about 210 bytes each, an API key some 200 more (BenchmarkDirectoryMemory).
type Directory struct {
	mu       sync.RWMutex
	shards   map[uint16][]person // dense, by account number - 1
	logins   map[string]trade.AccountID
	keys     map[string]place
	sessions map[[32]byte]place
	keyRows  drawer[key]
	openRows drawer[session]
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
	key         place // the newest; it knows the one before
	session     place
}

type key struct {
	id          string
	account     trade.AccountID
	secret      [32]byte
	permissions trade.Permissions
	next        place
	label       string
	added       trade.Time
}

type session struct {
	hash    [32]byte
	account trade.AccountID
	label   string
	opened  trade.Time
	expires trade.Time
	next    place
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
	d.keys, d.keyRows = map[string]place{}, drawer[key]{}
	d.sessions, d.openRows = map[[32]byte]place{}, drawer[session]{}
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
		p := d.person(e.Account)
		p.login, p.known = string(c.Login), true
		p.permissions, p.commission, p.opened = c.Permissions, c.Commission, e.Time
		p.setHash(c.PasswordHash)
		d.logins[p.login] = e.Account
	case trade.PasswordSet:
		d.person(e.Account).setHash(c.PasswordHash)
	case trade.SettingsChanged:
		d.person(e.Account).settings = e.Settings
	case trade.KeyAdded:
		d.addKey(e)
	case trade.KeyRevoked:
		d.dropKey(e.Account, string(c.KeyID))
	case trade.SessionOpened:
		d.addSession(e)
	case trade.SessionClosed:
		d.dropSession(e.Account, c.Hash)
	}
}

func (d *Directory) addKey(e *trade.Event) {
	c := &e.Credential
	d.dropKey(e.Account, string(c.KeyID)) // told again: the newest word holds
	p := d.person(e.Account)
	id := string(c.KeyID)
	p.key = d.keyRows.put(key{id: id, account: e.Account, secret: c.Hash, permissions: c.Permissions, next: p.key,
		label: string(c.Label), added: e.Time})
	d.keys[id] = p.key
}

func (d *Directory) dropKey(account trade.AccountID, id string) {
	at, known := d.keys[id]
	if !known || d.keyRows.at(at).account != account {
		return
	}
	delete(d.keys, id)
	link := &d.person(account).key
	for *link != at {
		link = &d.keyRows.at(*link).next
	}
	*link = d.keyRows.at(at).next
	d.keyRows.drop(at)
}

func (d *Directory) addSession(e *trade.Event) {
	c := &e.Credential
	d.dropSession(e.Account, c.Hash)
	p := d.person(e.Account)
	p.session = d.openRows.put(session{hash: c.Hash, account: e.Account, label: string(c.Label), opened: e.Time,
		expires: c.Expires, next: p.session})
	d.sessions[c.Hash] = p.session
}

func (d *Directory) dropSession(account trade.AccountID, hash [32]byte) {
	at, known := d.sessions[hash]
	if !known || d.openRows.at(at).account != account {
		return
	}
	delete(d.sessions, hash)
	link := &d.person(account).session
	for *link != at {
		link = &d.openRows.at(*link).next
	}
	*link = d.openRows.at(at).next
	d.openRows.drop(at)
}

// person returns the row of an account, made when it is not there.
func (d *Directory) person(id trade.AccountID) *person {
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

func (p *person) setHash(encoded []byte) {
	p.unusual = ""
	if p.hash = parseUsual(encoded, &p.salt, &p.password); p.hash == (Parameters{}) {
		p.unusual = string(encoded) // "" is an account without a password
	}
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
	var k key
	allowed := trade.Permissions(0)
	d.mu.RLock()
	at, known := d.keys[id]
	if known {
		k = *d.keyRows.at(at)
	}
	p := d.find(k.account)
	if p != nil {
		allowed = p.permissions
	}
	d.mu.RUnlock()
	same := subtle.ConstantTimeCompare(given[:], k.secret[:]) == 1
	if !known || !same || p == nil {
		return Principal{}, ErrNobody
	}
	return Principal{Account: k.account, Permissions: k.permissions & allowed, Via: ByKey, Key: k.id}, nil
}

// ByToken returns who holds a session that has not expired.
func (d *Directory) ByToken(token string, now trade.Time) (Principal, error) {
	hash := HashToken(token)
	d.mu.RLock()
	defer d.mu.RUnlock()
	at, known := d.sessions[hash] // the map's lookup is by a hash that the asker cannot steer
	if !known {
		return Principal{}, ErrNobody
	}
	s := d.openRows.at(at)
	p := d.find(s.account)
	if p == nil || s.expires <= now {
		return Principal{}, ErrNobody
	}
	return Principal{Account: s.account, Permissions: p.permissions, Via: BySession, Session: hash}, nil
}

// Holds reports whether what somebody proved who they are with still is there: the key was not revoked, the session
// was neither closed nor has it expired. Streams ask it, since they outlive the request that they began with.
func (d *Directory) Holds(p Principal, now trade.Time) bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	switch p.Via {
	case ByKey:
		at, known := d.keys[p.Key]
		return known && d.keyRows.at(at).account == p.Account
	case BySession:
		at, known := d.sessions[p.Session]
		return known && d.openRows.at(at).account == p.Account && d.openRows.at(at).expires > now
	}
	return p.Via == ByHouse
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
	p := d.find(id)
	if p == nil {
		return nil
	}
	var keys []Key
	for at := p.key; at != 0; at = d.keyRows.at(at).next {
		k := d.keyRows.at(at)
		keys = append(keys, Key{ID: k.id, Label: k.label, Permissions: k.permissions, Added: k.added})
	}
	slices.Reverse(keys)
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
	p := d.find(id)
	if p == nil {
		return nil
	}
	var sessions []Session
	for at := p.session; at != 0; at = d.openRows.at(at).next {
		if s := d.openRows.at(at); s.expires > now {
			sessions = append(sessions, Session{Hash: s.hash, Label: s.label, Opened: s.opened, Expires: s.expires})
		}
	}
	slices.Reverse(sessions)
	return sessions
}
