package broker

import (
	"bytes"

	"github.com/zeebo/xxh3"

	"evenkeel/core/ledger"
	"evenkeel/core/money"
	"evenkeel/core/trade"
)

// key is an API key. Texts of these records stand in State.texts.
type key struct {
	account     ledger.Number
	id          text
	label       text
	secret      [32]byte
	permissions trade.Permissions
}

// session is a login of a device.
type session struct {
	token   [32]byte
	expires trade.Time
	label   text
}

// document is a small text of an account.
type document struct{ name, body text }

// openAccount: LoginInvalid, CommissionInvalid, CommandUnreadable, LoginTaken, TooManyAccounts.
func (s *State) openAccount(c *trade.OpenAccount) trade.Answer {
	switch {
	case !validLogin(c.Login):
		return refuseWith(trade.LoginInvalid, int64(len(c.Login)), trade.MaxLogin, 0)
	case c.Commission < 0 || c.Commission > money.Whole:
		return refuseWith(trade.CommissionInvalid, int64(c.Commission), int64(money.Whole), 0)
	case len(c.PasswordHash) > trade.MaxHash:
		return refuse(trade.CommandUnreadable)
	case s.loginTaken(c.Login):
		return refuse(trade.LoginTaken)
	case s.accounts.Len() >= MaxAccounts:
		return refuseWith(trade.TooManyAccounts, MaxAccounts+1, MaxAccounts, 0)
	}
	n := s.books.Open(c.Commission)
	_, a := s.accounts.Add()
	a.login, a.password = s.texts.keep(c.Login), s.texts.keep(c.PasswordHash)
	s.books.SetCard(n, ledger.Card{Permissions: c.Permissions})
	s.sums.papers += s.loginHash(n, a)
	s.logins.put(xxh3.Hash(c.Login), uint32(n)+1)
	e := s.accountEvent(trade.AccountOpened, n)
	s.describeAccount(e, n, a)
	s.settled(e)
	return s.done(n)
}

func (s *State) describeAccount(e *trade.Event, n ledger.Number, a *account) {
	e.Credential = trade.Credential{
		Login: s.texts.read(a.login), PasswordHash: s.texts.read(a.password),
		Permissions: s.books.Card(n).Permissions, Commission: s.books.Commission(n),
	}
	e.Balance = s.books.Balance(n)
}

// validLogin allows letters, digits and ._-@+ of ASCII: what can be typed, compared and printed everywhere.
func validLogin(b []byte) bool {
	for _, c := range b {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && bytes.IndexByte([]byte("._-@+"), c) < 0 {
			return false
		}
	}
	return len(b) > 0 && len(b) <= trade.MaxLogin
}

func (s *State) loginTaken(login []byte) bool {
	hash := xxh3.Hash(login)
	number, next, ok := s.logins.probe(hash, hash)
	for ok {
		if bytes.Equal(s.texts.read(s.accounts.At(number-1).login), login) {
			return true
		}
		number, next, ok = s.logins.probe(hash, next)
	}
	return false
}

// setPassword: UnknownAccount, CommandUnreadable.
func (s *State) setPassword(c *trade.SetPassword) trade.Answer {
	n, a := s.account(c.Account)
	switch {
	case a == nil:
		return refuse(trade.UnknownAccount)
	case len(c.PasswordHash) > trade.MaxHash:
		return refuse(trade.CommandUnreadable)
	}
	s.sums.papers -= s.loginHash(n, a)
	s.texts.drop(a.password)
	a.password = s.texts.keep(c.PasswordHash)
	s.sums.papers += s.loginHash(n, a)
	e := s.accountEvent(trade.PasswordSet, n)
	s.describeAccount(e, n, a)
	s.settled(e)
	s.tidy()
	return s.done(n)
}

// addKey: UnknownAccount, CommandUnreadable, KeyTaken, TooManyKeys. The same key again is a replay.
func (s *State) addKey(c *trade.AddKey) trade.Answer {
	n, a := s.account(c.Account)
	switch {
	case a == nil:
		return refuse(trade.UnknownAccount)
	case len(c.KeyID) == 0 || len(c.KeyID) > trade.MaxKeyID || len(c.Label) > trade.MaxLabel:
		return refuse(trade.CommandUnreadable)
	}
	if i := s.findKey(c.KeyID); i != 0 {
		k := &s.keys.at(i).value
		if k.account == n && k.secret == c.SecretHash {
			return s.replayed(n)
		}
		return refuse(trade.KeyTaken)
	}
	if count := s.keys.count(a.keys); count >= MaxKeys {
		return refuseWith(trade.TooManyKeys, int64(count)+1, MaxKeys, MaxKeys)
	}
	i, k := s.keys.add(&a.keys)
	*k = key{
		account: n, id: s.texts.keep(c.KeyID), label: s.texts.keep(c.Label), secret: c.SecretHash,
		permissions: c.Permissions & s.books.Card(n).Permissions,
	}
	s.keyIDs.put(xxh3.Hash(c.KeyID), i)
	s.sums.papers += s.keyHash(n, k)
	s.keyEvent(trade.KeyAdded, n, a, k)
	return s.done(n)
}

func (s *State) keyEvent(kind trade.EventKind, n ledger.Number, a *account, k *key) {
	e := s.accountEvent(kind, n)
	s.describeKey(e, n, a, k)
	s.settled(e)
}

func (s *State) describeKey(e *trade.Event, n ledger.Number, a *account, k *key) {
	e.Credential = trade.Credential{
		Login: s.texts.read(a.login), KeyID: s.texts.read(k.id), Label: s.texts.read(k.label), Hash: k.secret,
		Permissions: k.permissions,
	}
	e.Balance = s.books.Balance(n)
}

// findKey returns the number of a key, 0 when there is none.
func (s *State) findKey(id []byte) uint32 {
	hash := xxh3.Hash(id)
	number, next, ok := s.keyIDs.probe(hash, hash)
	for ok {
		if bytes.Equal(s.texts.read(s.keys.at(number).value.id), id) {
			return number
		}
		number, next, ok = s.keyIDs.probe(hash, next)
	}
	return 0
}

// revokeKey: UnknownAccount, UnknownKey.
func (s *State) revokeKey(c *trade.RevokeKey) trade.Answer {
	n, a := s.account(c.Account)
	if a == nil {
		return refuse(trade.UnknownAccount)
	}
	i := s.findKey(c.KeyID)
	if i == 0 || s.keys.at(i).value.account != n {
		return refuse(trade.UnknownKey)
	}
	k := s.keys.at(i).value
	s.sums.papers -= s.keyHash(n, &k)
	s.keyIDs.remove(xxh3.Hash(c.KeyID), i)
	s.keys.remove(&a.keys, i)
	s.keyEvent(trade.KeyRevoked, n, a, &k)
	s.texts.drop(k.id)
	s.texts.drop(k.label)
	s.tidy()
	return s.done(n)
}

// openSession: UnknownAccount, CommandUnreadable, TooManySessions. The same token again is a replay. Where an account
// has MaxSessions, the one that expired first makes room.
func (s *State) openSession(c *trade.OpenSession) trade.Answer {
	n, a := s.account(c.Account)
	switch {
	case a == nil:
		return refuse(trade.UnknownAccount)
	case len(c.Label) > trade.MaxLabel:
		return refuse(trade.CommandUnreadable)
	}
	count, oldest := 0, uint32(0)
	for i := a.sessions; i != 0; i = s.sessions.at(i).next {
		one := &s.sessions.at(i).value
		if one.token == c.TokenHash {
			return s.replayed(n)
		}
		if one.expires <= s.now && (oldest == 0 || one.expires < s.sessions.at(oldest).value.expires) {
			oldest = i
		}
		count++
	}
	if count >= MaxSessions {
		if oldest == 0 {
			return refuseWith(trade.TooManySessions, int64(count)+1, MaxSessions, MaxSessions)
		}
		s.dropSession(n, a, oldest)
	}
	_, one := s.sessions.add(&a.sessions)
	*one = session{token: c.TokenHash, expires: c.Expires, label: s.texts.keep(c.Label)}
	s.sums.papers += s.sessionHash(n, one)
	s.sessionEvent(trade.SessionOpened, n, a, one)
	s.tidy()
	return s.done(n)
}

func (s *State) sessionEvent(kind trade.EventKind, n ledger.Number, a *account, one *session) {
	e := s.accountEvent(kind, n)
	s.describeSession(e, n, a, one)
	s.settled(e)
}

func (s *State) describeSession(e *trade.Event, n ledger.Number, a *account, one *session) {
	e.Credential = trade.Credential{
		Login: s.texts.read(a.login), Label: s.texts.read(one.label), Hash: one.token, Expires: one.expires,
		Permissions: s.books.Card(n).Permissions,
	}
	e.Balance = s.books.Balance(n)
}

func (s *State) dropSession(n ledger.Number, a *account, i uint32) {
	one := s.sessions.at(i).value
	s.sums.papers -= s.sessionHash(n, &one)
	s.sessions.remove(&a.sessions, i)
	s.sessionEvent(trade.SessionClosed, n, a, &one)
	s.texts.drop(one.label)
}

// closeSession: UnknownAccount, UnknownSession.
func (s *State) closeSession(c *trade.CloseSession) trade.Answer {
	n, a := s.account(c.Account)
	if a == nil {
		return refuse(trade.UnknownAccount)
	}
	for i := a.sessions; i != 0; i = s.sessions.at(i).next {
		if s.sessions.at(i).value.token == c.TokenHash {
			s.dropSession(n, a, i)
			s.tidy()
			return s.done(n)
		}
	}
	return refuse(trade.UnknownSession)
}

// setSettings: UnknownAccount. The settings that hold already are a replay.
func (s *State) setSettings(c *trade.SetSettings) trade.Answer {
	n, a := s.account(c.Account)
	switch {
	case a == nil:
		return refuse(trade.UnknownAccount)
	case s.books.Card(n).Settings == c.Settings:
		return s.replayed(n)
	}
	card := s.books.Card(n)
	card.Settings = c.Settings
	s.books.SetCard(n, card)
	e := s.accountEvent(trade.SettingsChanged, n)
	e.Settings = c.Settings
	s.settled(e)
	return s.done(n)
}

// putDocument: UnknownAccount, CommandUnreadable, DocumentTooLarge, UnknownDocument (of a removal), TooManyDocuments.
func (s *State) putDocument(c *trade.PutDocument) trade.Answer {
	n, a := s.account(c.Account)
	switch {
	case a == nil:
		return refuse(trade.UnknownAccount)
	case len(c.Name) == 0 || len(c.Name) > trade.MaxDocName:
		return refuse(trade.CommandUnreadable)
	case len(c.Body) > trade.MaxDocument:
		return refuseWith(trade.DocumentTooLarge, int64(len(c.Body)), trade.MaxDocument, trade.MaxDocument)
	}
	i := a.documents
	for i != 0 && !bytes.Equal(s.texts.read(s.documents.at(i).value.name), c.Name) {
		i = s.documents.at(i).next
	}
	switch {
	case i == 0 && len(c.Body) == 0:
		return refuse(trade.UnknownDocument)
	case i == 0:
		if count := s.documents.count(a.documents); count >= MaxDocuments {
			return refuseWith(trade.TooManyDocuments, int64(count)+1, MaxDocuments, MaxDocuments)
		}
		var d *document
		_, d = s.documents.add(&a.documents)
		d.name, d.body = s.texts.keep(c.Name), s.texts.keep(c.Body)
		s.sums.papers += s.documentHash(n, d)
	default:
		d := &s.documents.at(i).value
		s.sums.papers -= s.documentHash(n, d)
		s.texts.drop(d.body)
		d.body = s.texts.keep(c.Body)
		if len(c.Body) > 0 {
			s.sums.papers += s.documentHash(n, d)
		} else {
			s.texts.drop(d.name)
			s.documents.remove(&a.documents, i)
		}
	}
	e := s.accountEvent(trade.DocumentPut, n)
	e.Document = trade.Document{Name: c.Name, Body: c.Body}
	s.settled(e)
	s.tidy()
	return s.done(n)
}

// tidy copies all texts that live into a new archive when most of the old one is dead. Events of this command alias
// the old one, which lives as long as they do.
func (s *State) tidy() {
	if !s.texts.wasteful() {
		return
	}
	var fresh archive
	move := func(t *text) { *t = fresh.keep(s.texts.read(*t)) }
	for n := range uint32(s.accounts.Len()) {
		a := s.accounts.At(n)
		move(&a.login)
		move(&a.password)
		for i := a.keys; i != 0; i = s.keys.at(i).next {
			move(&s.keys.at(i).value.id)
			move(&s.keys.at(i).value.label)
		}
		for i := a.sessions; i != 0; i = s.sessions.at(i).next {
			move(&s.sessions.at(i).value.label)
		}
		for i := a.documents; i != 0; i = s.documents.at(i).next {
			move(&s.documents.at(i).value.name)
			move(&s.documents.at(i).value.body)
		}
	}
	for i := range s.securities {
		move(&s.securities[i].symbol)
		move(&s.securities[i].name)
		move(&s.securities[i].pinyin)
	}
	s.texts = fresh
}
