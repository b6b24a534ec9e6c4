package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"slices"
	"sync"
	"sync/atomic"

	"evenkeel/core/money"
	"evenkeel/core/must"
	"evenkeel/core/trade"
)

// Directory is the view of who may come in: accounts by login, API keys by id, sessions by the hash of their token.
// Each shard of the house has a shelf of its own in it: one goroutine folds into each, any number ask; a question
// allocates nothing but what it returns. A million accounts with a password take about 210 bytes each, an API key some
// 200 more (BenchmarkDirectoryMemory).
type Directory struct {
	shelves atomic.Pointer[[]*shelf] // by shard; a list that was stored is never changed
	growing sync.Mutex
}

// shelf is what is known of the accounts of one shard.
type shelf struct {
	mu       sync.RWMutex
	rows     []person // dense, by account number - 1
	count    int
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
	d.shelves.Store(&[]*shelf{})
	return d
}

func newShelf() *shelf {
	return &shelf{logins: map[string]trade.AccountID{}, keys: map[string]place{}, sessions: map[[32]byte]place{}}
}

// Replace tells anew what a shard has: describe is called with a function that takes each event. Whoever asks
// meanwhile is answered from what was there before, and from the new at once.
func (d *Directory) Replace(shard uint16, describe func(take func(*trade.Event))) {
	fresh := newShelf()
	describe(fresh.describe)
	d.growing.Lock()
	defer d.growing.Unlock()
	list := slices.Clone(*d.shelves.Load())
	for len(list) <= int(shard) {
		list = append(list, newShelf())
	}
	list[shard] = fresh
	d.shelves.Store(&list)
}

// shelf returns the shelf of an account's shard, nil when nothing is known of that shard.
func (d *Directory) shelf(id trade.AccountID) *shelf {
	list, shard := *d.shelves.Load(), id>>trade.ShardShift
	if shard >= trade.AccountID(len(list)) {
		return nil
	}
	return list[shard]
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
	if e.Account == 0 {
		return
	}
	s := d.shelf(e.Account)
	if s == nil {
		d.Replace(uint16(e.Account>>trade.ShardShift), func(func(*trade.Event)) {})
		s = d.shelf(e.Account)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.describe(e)
}

// describe takes one event, under the lock or before anybody else knows the shelf.
func (d *shelf) describe(e *trade.Event) {
	c := &e.Credential
	switch e.Kind {
	case trade.AccountOpened:
		p := d.person(e.Account)
		if !p.known {
			d.count++
		}
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

func (d *shelf) addKey(e *trade.Event) {
	c := &e.Credential
	d.dropKey(e.Account, string(c.KeyID)) // told again: the newest word holds
	p := d.person(e.Account)
	id := string(c.KeyID)
	p.key = d.keyRows.put(key{id: id, account: e.Account, secret: c.Hash, permissions: c.Permissions, next: p.key,
		label: string(c.Label), added: e.Time})
	d.keys[id] = p.key
}

func (d *shelf) dropKey(account trade.AccountID, id string) {
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

func (d *shelf) addSession(e *trade.Event) {
	c := &e.Credential
	d.dropSession(e.Account, c.Hash)
	p := d.person(e.Account)
	p.session = d.openRows.put(session{hash: c.Hash, account: e.Account, label: string(c.Label), opened: e.Time,
		expires: c.Expires, next: p.session})
	d.sessions[c.Hash] = p.session
}

func (d *shelf) dropSession(account trade.AccountID, hash [32]byte) {
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
func (d *shelf) person(id trade.AccountID) *person {
	number := int(id & trade.NumberMask)
	must.Hold(number > 0, "an account has a number")
	if number > len(d.rows) {
		d.rows = slices.Grow(d.rows, number-len(d.rows))[:number]
	}
	return &d.rows[number-1]
}

// find returns the row of an account that exists, under the lock.
func (d *shelf) find(id trade.AccountID) *person {
	if number := id & trade.NumberMask; number >= 1 && number <= trade.AccountID(len(d.rows)) && d.rows[number-1].known {
		return &d.rows[number-1]
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
func (d *Directory) Account(id trade.AccountID) (a Account, ok bool) {
	d.read(id, func(_ *shelf, p *person) {
		a, ok = Account{ID: id, Login: p.login, Permissions: p.permissions, Commission: p.commission, Opened: p.opened,
			Settings: p.settings}, true
	})
	return a, ok
}

// read runs look with an account's row, under the lock; not at all when there is no such account.
func (d *Directory) read(id trade.AccountID, look func(*shelf, *person)) {
	s := d.shelf(id)
	if s == nil {
		return
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if p := s.find(id); p != nil {
		look(s, p)
	}
}

// Accounts counts the accounts of all shards.
func (d *Directory) Accounts() (n int) {
	for _, s := range *d.shelves.Load() {
		s.mu.RLock()
		n += s.count
		s.mu.RUnlock()
	}
	return n
}

// Visit calls visit with the accounts of all shards, shard by shard and by number, until it returns false. It holds no
// lock meanwhile.
func (d *Directory) Visit(visit func(Account) bool) {
	for shard, s := range *d.shelves.Load() {
		s.mu.RLock()
		most := len(s.rows)
		s.mu.RUnlock()
		for number := range most {
			a, ok := d.Account(trade.AccountID(shard)<<trade.ShardShift | trade.AccountID(number+1))
			if ok && !visit(a) {
				return
			}
		}
	}
}

// ByLogin returns the account of a login name and its encoded password hash ("" when it has none).
func (d *Directory) ByLogin(login string) (id trade.AccountID, encoded string, ok bool) {
	for _, s := range *d.shelves.Load() {
		s.mu.RLock()
		id, ok = s.logins[login]
		if p := s.find(id); ok && p != nil {
			encoded = p.passwordHash()
			s.mu.RUnlock()
			return id, encoded, true
		}
		s.mu.RUnlock()
	}
	return 0, "", false
}

// ByKey returns who holds an API key. An unknown key costs the same as a wrong secret. A key never operates the house,
// whatever its account may: that takes a person who has logged in.
func (d *Directory) ByKey(id, secret string) (Principal, error) {
	given := sha256.Sum256([]byte(secret))
	var k key
	allowed, known := trade.Permissions(0), false
	for _, s := range *d.shelves.Load() {
		s.mu.RLock()
		if at, here := s.keys[id]; here {
			k = *s.keyRows.at(at)
			if p := s.find(k.account); p != nil {
				allowed, known = p.permissions, true
			}
		}
		s.mu.RUnlock()
	}
	same := subtle.ConstantTimeCompare(given[:], k.secret[:]) == 1
	if !known || !same {
		return Principal{}, ErrNobody
	}
	allowed &= k.permissions
	return Principal{Account: k.account, Permissions: allowed &^ trade.MayOperate, Via: ByKey, Key: k.id,
		Measures: allowed&trade.MayOperate != 0}, nil
}

// ByToken returns who holds a session that has not expired.
func (d *Directory) ByToken(token string, now trade.Time) (Principal, error) {
	hash := HashToken(token)
	for _, s := range *d.shelves.Load() {
		s.mu.RLock()
		at, known := s.sessions[hash] // the map's lookup is by a hash that the asker cannot steer
		var one session
		var p *person
		permissions := trade.Permissions(0)
		if known {
			one = *s.openRows.at(at)
			if p = s.find(one.account); p != nil {
				permissions = p.permissions
			}
		}
		s.mu.RUnlock()
		if known && p != nil && one.expires > now {
			return Principal{Account: one.account, Permissions: permissions, Via: BySession, Session: hash}, nil
		}
	}
	return Principal{}, ErrNobody
}

// Holds reports whether what somebody proved who they are with still is there: the key was not revoked, the session
// was neither closed nor has it expired. Streams ask it, since they outlive the request that they began with.
func (d *Directory) Holds(p Principal, now trade.Time) (holds bool) {
	d.read(p.Account, func(s *shelf, _ *person) {
		switch p.Via {
		case ByKey:
			at, known := s.keys[p.Key]
			holds = known && s.keyRows.at(at).account == p.Account
		case BySession:
			at, known := s.sessions[p.Session]
			holds = known && s.openRows.at(at).account == p.Account && s.openRows.at(at).expires > now
		}
	})
	return holds || p.Via == ByHouse
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
	var keys []Key
	d.read(id, func(s *shelf, p *person) {
		for at := p.key; at != 0; at = s.keyRows.at(at).next {
			k := s.keyRows.at(at)
			keys = append(keys, Key{ID: k.id, Label: k.label, Permissions: k.permissions, Added: k.added})
		}
	})
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
	var sessions []Session
	d.read(id, func(s *shelf, p *person) {
		for at := p.session; at != 0; at = s.openRows.at(at).next {
			if one := s.openRows.at(at); one.expires > now {
				sessions = append(sessions, Session{Hash: one.hash, Label: one.label, Opened: one.opened,
					Expires: one.expires})
			}
		}
	})
	slices.Reverse(sessions)
	return sessions
}
