package api

import (
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"evenkeel/auth"
	"evenkeel/core/trade"
	"evenkeel/intake"
)

// Purposes of what clients carry for us about passkeys.
const (
	purposePasskey  = "passkey enrolment"
	purposeAssert   = "passkey challenge"
	purposeAnyone   = "passkey login"
	maxPasskeyName  = 64
	passkeysOfPages = "passkeys are for pages of this server, at a name and not at a number"
)

// asked is what a browser was asked about a passkey.
type asked struct {
	Account trade.AccountID `json:"account"`
	Site    auth.Site       `json:"site"`
	State   json.RawMessage `json:"state"`
	End     trade.Time      `json:"end"` // until when it can be answered
}

// site is the host of the page that asks. Whoever lies about it gains nothing: a passkey answers for the host alone at
// which its owner's browser is. An address in numbers has no passkeys (WebAuthn section 5.1.3).
func site(r *http.Request) (auth.Site, bool) {
	origin := r.Header.Get("Origin")
	u, err := url.Parse(origin)
	if err != nil || u.Hostname() == "" || !strings.EqualFold(u.Host, r.Host) || net.ParseIP(u.Hostname()) != nil {
		return auth.Site{}, false
	}
	return auth.Site{Host: u.Hostname(), Origin: origin}, true
}

// ask seals what a browser was asked.
func (s *Server) ask(purpose string, a asked, end time.Time) (string, error) {
	sealer, err := s.sealer()
	if err != nil {
		return "", err
	}
	a.End = trade.Time(end.UnixNano())
	text, err := json.Marshal(a)
	return encode(sealer.SealUntil(purpose, end, text)), err
}

// challenge is the passkey's part of a login's second step; nil when there is none for this page.
func (s *Server) challenge(c *call, account trade.AccountID, p *auth.Proofs, end time.Time) (any, error) {
	at, ok := site(c.r)
	if !ok {
		return nil, nil
	}
	known, _ := s.Directory.Account(account)
	options, state, err := p.AskPasskey(account, known.Login, at)
	if err != nil || options == nil {
		return nil, err
	}
	sealed, err := s.ask(purposeAssert, asked{Account: account, Site: at, State: state}, end)
	return map[string]any{"options": options, "challenge": sealed}, err
}

// provePasskey holds a proof against the challenge that came with the step.
func (s *Server) provePasskey(c *call, sealer *auth.Sealer, id trade.AccountID, f *form) (auth.Used, error) {
	var a asked
	var u auth.Used
	if !s.carried(sealer, purposeAssert, f.text("challenge"), &a) || a.Account != id {
		return u, say(stepOver)
	}
	return s.holdPasskey(c, sealer, id, &a, f.bytes["credential"])
}

// holdPasskey holds a proof against an account's passkeys, a few times only.
func (s *Server) holdPasskey(
	c *call, sealer *auth.Sealer, id trade.AccountID, a *asked, credential []byte,
) (u auth.Used, err error) {
	p, err := s.proofs(id)
	if err != nil {
		return u, err
	}
	known, _ := s.Directory.Account(id)
	err = s.Passwords.Guess(id, func() error {
		u, err = sealer.ProvePasskey(id, known.Login, &p, a.Site, a.State, credential, a.End)
		return err
	})
	if err == nil {
		err = s.keepProofs(c, id, &p)
	}
	return u, err
}

// postLoginPasskey is POST /api/v1/login/passkey: it begins a login by a passkey alone. Nobody remembers that it was
// asked: the client carries the challenge, sealed, and the books take a proof of it once.
func postLoginPasskey(s *Server, c *call) (int, any, error) {
	at, ok := site(c.r)
	if !ok {
		return 0, nil, say(notPermitted, passkeysOfPages)
	}
	options, state, err := auth.AskAnyPasskey(at)
	if err != nil {
		return 0, nil, err
	}
	end := s.Clock().Add(loginStepTime)
	sealed, err := s.ask(purposeAnyone, asked{Site: at, State: state}, end)
	return http.StatusOK, map[string]any{"options": options, "challenge": sealed,
		"expires": stamp(trade.Time(end.UnixNano()))}, err
}

// postLoginPasskeyConfirm is POST /api/v1/login/passkey/confirm. Whatever is wrong, the answer is the same: it tells
// nobody which accounts there are.
func postLoginPasskeyConfirm(s *Server, c *call) (int, any, error) {
	if s.origins.Check(c.r) != nil {
		return 0, nil, say(crossOrigin)
	}
	f, err := readForm(c.r)
	if err != nil {
		return 0, nil, err
	}
	text := f.text("challenge")
	label, err := labelOf(c, f)
	if err != nil {
		return 0, nil, err
	}
	sealer, err := s.sealer()
	var a asked
	switch {
	case f.err != nil:
		return 0, nil, f.err
	case err != nil:
		return 0, nil, err
	case !s.carried(sealer, purposeAnyone, text, &a):
		return 0, nil, say(stepOver)
	}
	id, err := sealer.OwnerOf(f.bytes["credential"])
	if err != nil {
		return 0, nil, wrongProof(err)
	}
	if s.Fresh.All != nil { // the passkey may have been removed on another node a moment ago
		s.introduce(c.r.Context())
	}
	used, err := s.holdPasskey(c, sealer, id, &a, f.bytes["credential"])
	if err != nil {
		return 0, nil, wrongProof(err)
	}
	return s.openLogin(c, id, label, used.Once, true)
}

// again reads a form with the password of who has logged in, and checks it.
func (s *Server) again(c *call) (*form, auth.Account, error) {
	known, _ := s.Directory.Account(c.who.Account)
	if err := own(c); err != nil {
		return nil, known, err
	}
	f, err := readForm(c.r)
	if err != nil {
		return nil, known, err
	}
	password := f.text("password")
	if f.err != nil {
		return nil, known, f.err
	}
	if _, err := s.Passwords.Login(c.r.Context(), s.Directory, known.Login, password); err != nil {
		return nil, known, wrongProof(err)
	}
	return f, known, nil
}

// postPasskey is POST /api/v1/second/passkeys: it begins an enrolment.
func postPasskey(s *Server, c *call) (int, any, error) {
	_, known, err := s.again(c)
	if err != nil {
		return 0, nil, err
	}
	at, ok := site(c.r)
	if !ok {
		return 0, nil, say(notPermitted, passkeysOfPages)
	}
	sealer, err := s.sealer()
	if err != nil {
		return 0, nil, err
	}
	p, err := s.proofs(known.ID)
	if err != nil {
		return 0, nil, err
	}
	options, state, err := sealer.BeginPasskey(known.ID, known.Login, &p, at)
	if err != nil {
		return 0, nil, err
	}
	sealed, err := s.ask(purposePasskey, asked{Account: known.ID, Site: at, State: state}, s.Clock().Add(enrolTime))
	return http.StatusOK, map[string]any{"options": options, "enrolment": sealed}, err
}

// postPasskeyConfirm is POST /api/v1/second/passkeys/confirm. The first second proof comes with recovery codes.
func postPasskeyConfirm(s *Server, c *call) (int, any, error) {
	sealer, f, err := s.ownForm(c)
	if err != nil {
		return 0, nil, err
	}
	var a asked
	text, name := f.text("enrolment"), f.text("name")
	switch {
	case f.err != nil:
		return 0, nil, f.err
	case len(name) > maxPasskeyName:
		return 0, nil, say(textTooLong, "name")
	case !s.carried(sealer, purposePasskey, text, &a) || a.Account != c.who.Account:
		return 0, nil, say(stepOver)
	}
	p, err := s.proofs(a.Account)
	if err != nil {
		return 0, nil, err
	}
	known, _ := s.Directory.Account(a.Account)
	first := !p.Asked()
	if err := p.AddPasskey(a.Account, known.Login, a.Site, a.State, f.bytes["credential"], name, s.now()); err != nil {
		return 0, nil, wrongProof(err)
	}
	codes := []string{}
	if first {
		codes, p.Recovery = auth.NewRecovery()
	}
	return http.StatusOK, map[string]any{"recovery_codes": codes}, s.keepProofs(c, a.Account, &p)
}

// removePasskey is POST /api/v1/second/passkeys/remove.
func removePasskey(s *Server, c *call) (int, any, error) {
	f, known, err := s.again(c)
	if err != nil {
		return 0, nil, err
	}
	id := f.text("id")
	p, err := s.proofs(known.ID)
	switch {
	case f.err != nil:
		return 0, nil, f.err
	case err != nil:
		return 0, nil, err
	}
	had := len(p.Passkeys)
	p.Passkeys = slices.DeleteFunc(p.Passkeys, func(k auth.Passkey) bool { return encode(k.Credential.ID) == id })
	if len(p.Passkeys) == had {
		return 0, nil, say(notFound, "passkey "+clip(id))
	}
	return http.StatusNoContent, nil, s.keepProofs(c, known.ID, &p)
}

// passkeyList is what an owner sees of his passkeys.
func passkeyList(p *auth.Proofs) []any {
	list := []any{}
	for _, k := range p.Passkeys {
		list = append(list, map[string]any{"id": encode(k.Credential.ID), "name": k.Name, "site": k.Site,
			"since": stamp(k.Since)})
	}
	return list
}

var passkeyRoutes = []route{
	{"POST /api/v1/login/passkey", anyone, intake.Heavy, postLoginPasskey, false},
	{"POST /api/v1/login/passkey/confirm", anyone, intake.Heavy, postLoginPasskeyConfirm, false},
	{"POST /api/v1/second/passkeys", holder, intake.Heavy, postPasskey, false},
	{"POST /api/v1/second/passkeys/confirm", holder, intake.Manage, postPasskeyConfirm, false},
	{"POST /api/v1/second/passkeys/remove", holder, intake.Heavy, removePasskey, false},
}
