package api

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"evenkeel/auth"
	"evenkeel/core/trade"
	"evenkeel/intake"
)

// Second proofs: what a login asks for after the password. They are a document of the account in the books, which only
// the house writes, with the secret sealed (docs/adr/0015). Between its two steps a login is remembered by nobody: the
// client carries it, sealed.

// Times of second proofs.
const (
	loginStepTime = 5 * time.Minute  // from the password to the code
	enrolTime     = 10 * time.Minute // from the QR code to its first code
)

// Purposes of what clients carry for us.
const (
	purposeLogin = "login step"
	purposeEnrol = "totp enrolment"
)

// issuer is what authenticator apps show above the codes.
const issuer = "Evenkeel"

// loginStep is a login of which the password was right.
type loginStep struct {
	Account  trade.AccountID `json:"account"`
	Label    string          `json:"label"`
	Password [32]byte        `json:"password"` // a mark of its hash: after a change the step is worth nothing
}

// sealer returns what seals, or that it cannot be had now.
func (s *Server) sealer() (*auth.Sealer, error) {
	if s.Sealer != nil {
		if sealer := s.Sealer(); sealer != nil {
			return sealer, nil
		}
	}
	return nil, keyMissing()
}

// keyMissing refuses what needs the house's key, which this node asks the others for.
func keyMissing() error {
	f := say(sealMissing)
	f.After = time.Second
	return f
}

// proofs are the second proofs of an account.
func (s *Server) proofs(account trade.AccountID) (auth.Proofs, error) {
	document, _ := s.Documents.Document(account, auth.ProofsName)
	return auth.ReadProofs(document)
}

// keepProofs writes an account's second proofs to the books.
func (s *Server) keepProofs(c *call, account trade.AccountID, p *auth.Proofs) error {
	body := []byte{}
	if p.Asked() {
		var err error
		if body, err = json.Marshal(p); err != nil {
			return err
		}
	}
	answer, err := s.asHouse(c, account, &trade.Command{Kind: trade.PutDocumentKind,
		PutDocument: trade.PutDocument{Account: account, Name: []byte(auth.ProofsName), Body: body}})
	if err == nil && answer.Reason != trade.Accepted {
		err = refused(answer.Reason, answer.Numbers)
	}
	return err
}

// mark ties a step to the password that was right.
func (s *Server) mark(sealer *auth.Sealer, account trade.AccountID) [32]byte {
	known, _ := s.Directory.Account(account)
	_, encoded, _ := s.Directory.ByLogin(known.Login)
	return sealer.Derive("password mark", []byte(encoded))
}

// askSecond answers a right password with the step that is left.
func (s *Server) askSecond(c *call, account trade.AccountID, label string, p *auth.Proofs) (int, any, error) {
	sealer, err := s.sealer()
	if err != nil {
		return 0, nil, err
	}
	text, err := json.Marshal(loginStep{account, label, s.mark(sealer, account)})
	if err != nil {
		return 0, nil, err
	}
	end := s.Clock().Add(loginStepTime)
	methods := []string{}
	if len(p.TOTP) > 0 {
		methods = append(methods, "totp")
	}
	if len(p.Recovery) > 0 {
		methods = append(methods, "recovery")
	}
	passkey, err := s.challenge(c, account, p, end)
	if passkey != nil {
		methods = append(methods, "passkey")
	}
	return http.StatusAccepted, map[string]any{"step": encode(sealer.SealUntil(purposeLogin, end, text)),
		"methods": methods, "passkey": passkey, "expires": stamp(trade.Time(end.UnixNano()))}, err
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// carried opens what a client carried for us; what is not whole, not for this, or over is nothing.
func (s *Server) carried(sealer *auth.Sealer, purpose, text string, into any) bool {
	sealed, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return false
	}
	plain, err := sealer.OpenUntil(purpose, s.Clock(), sealed)
	return err == nil && json.Unmarshal(plain, into) == nil
}

// postLoginSecond is POST /api/v1/login/second.
func postLoginSecond(s *Server, c *call) (int, any, error) {
	if s.origins.Check(c.r) != nil {
		return 0, nil, say(crossOrigin)
	}
	f, err := readForm(c.r)
	if err != nil {
		return 0, nil, err
	}
	text, code := f.text("step"), f.text("code")
	sealer, err := s.sealer()
	var step loginStep
	switch {
	case f.err != nil:
		return 0, nil, f.err
	case err != nil:
		return 0, nil, err
	case !s.carried(sealer, purposeLogin, text, &step) || step.Password != s.mark(sealer, step.Account):
		return 0, nil, say(stepOver)
	}
	if s.Fresh.All != nil { // a recovery code may have been used on another node a moment ago
		s.introduce(c.r.Context())
	}
	if f.has("credential") {
		used, err := s.provePasskey(c, sealer, step.Account, f)
		if err != nil {
			return 0, nil, wrongProof(err)
		}
		return s.openLogin(c, step.Account, step.Label, used.Once, true)
	}
	p, used, err := s.prove(sealer, step.Account, code)
	if err != nil {
		return 0, nil, wrongProof(err)
	}
	p.Spend(used)
	if err := s.keepProofs(c, step.Account, &p); err != nil {
		return 0, nil, err
	}
	return s.openLogin(c, step.Account, step.Label, used.Once, true)
}

// prove holds a code against the proofs of an account, a few times only.
func (s *Server) prove(sealer *auth.Sealer, id trade.AccountID, code string) (p auth.Proofs, u auth.Used, err error) {
	if p, err = s.proofs(id); err != nil {
		return p, u, err
	}
	err = s.Passwords.Guess(id, func() error {
		u, err = sealer.Prove(id, &p, code, s.Clock())
		return err
	})
	return p, u, err
}

// own checks that a person who has logged in asks: no key changes how its account is entered.
func own(c *call) error {
	if c.who.Via != auth.BySession {
		return say(notPermitted, "how an account is entered is changed after a login only")
	}
	return nil
}

// ownForm is what every step of an account's second proofs begins with: a session, the sealer, and the form.
func (s *Server) ownForm(c *call) (*auth.Sealer, *form, error) {
	if err := own(c); err != nil {
		return nil, nil, err
	}
	sealer, err := s.sealer()
	if err != nil {
		return nil, nil, err
	}
	f, err := readForm(c.r)
	return sealer, f, err
}

// getSecond is GET /api/v1/second.
func getSecond(s *Server, c *call) (int, any, error) {
	p, err := s.proofs(c.who.Account)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, map[string]any{"totp": len(p.TOTP) > 0, "passkeys": passkeyList(&p),
		"since":         stampOrNull(p.Since),
		"recovery_left": len(p.Recovery), "available": s.Sealer != nil && s.Sealer() != nil}, nil
}

// enrolment is a secret on its way into an app.
type enrolment struct {
	Account trade.AccountID `json:"account"`
	Secret  string          `json:"secret"`
}

// postTOTP is POST /api/v1/second/totp: it begins an enrolment. The password is asked for again, so that who finds a
// screen unlocked cannot lock its owner out.
func postTOTP(s *Server, c *call) (int, any, error) {
	_, known, err := s.again(c)
	if err != nil {
		return 0, nil, err
	}
	sealer, err := s.sealer()
	if err != nil {
		return 0, nil, err
	}
	if p, err := s.proofs(known.ID); err != nil || len(p.TOTP) > 0 {
		return 0, nil, faultOr(err, say(secondThere))
	}
	secret := auth.NewTOTP()
	text, err := json.Marshal(enrolment{c.who.Account, secret})
	if err != nil {
		return 0, nil, err
	}
	end := s.Clock().Add(enrolTime)
	return http.StatusOK, map[string]any{"secret": secret, "uri": auth.TOTPAddress(issuer, known.Login, secret),
		"enrolment": encode(sealer.SealUntil(purposeEnrol, end, text)), "expires": stamp(trade.Time(end.UnixNano()))}, nil
}

// wrongProof tells a wrong password or code apart from a login that is over: 401 would send the screen to its start.
func wrongProof(err error) error {
	if f := faultOf(err); f.Status != http.StatusUnauthorized {
		return err
	}
	return say(proofWrong)
}

// postTOTPConfirm is POST /api/v1/second/totp/confirm: the first code shows that the app has the secret. Recovery
// codes are in this answer and nowhere else.
func postTOTPConfirm(s *Server, c *call) (int, any, error) {
	sealer, f, err := s.ownForm(c)
	if err != nil {
		return 0, nil, err
	}
	text, code := f.text("enrolment"), f.text("code")
	p, err := s.proofs(c.who.Account)
	var e enrolment
	switch {
	case f.err != nil:
		return 0, nil, f.err
	case err != nil:
		return 0, nil, err
	case len(p.TOTP) > 0:
		return 0, nil, say(secondThere)
	case !s.carried(sealer, purposeEnrol, text, &e) || e.Account != c.who.Account:
		return 0, nil, say(stepOver)
	}
	if err := s.Passwords.Guess(e.Account, func() error {
		if _, ok := auth.MatchTOTP(e.Secret, code, s.Clock()); !ok {
			return say(proofWrong)
		}
		return nil
	}); err != nil {
		return 0, nil, err
	}
	codes, kept := auth.NewRecovery()
	p.TOTP, p.Since, p.Recovery = sealer.KeepTOTP(e.Account, e.Secret), s.now(), kept
	if err := s.keepProofs(c, e.Account, &p); err != nil {
		return 0, nil, err
	}
	return http.StatusOK, map[string]any{"recovery_codes": codes}, nil
}

// proven runs a change of an account's second proofs when the request's code is right.
func proven(change func(s *Server, c *call, p *auth.Proofs) (int, any, error)) endpoint {
	return func(s *Server, c *call) (int, any, error) {
		sealer, f, err := s.ownForm(c)
		if err != nil {
			return 0, nil, err
		}
		code := f.text("code")
		if f.err != nil {
			return 0, nil, f.err
		}
		if p, err := s.proofs(c.who.Account); err != nil || !p.Asked() {
			return 0, nil, faultOr(err, say(notFound, "a second proof"))
		}
		p, used, err := s.prove(sealer, c.who.Account, code)
		if err != nil {
			return 0, nil, wrongProof(err)
		}
		p.Without(used.Recovery)
		return change(s, c, &p)
	}
}

func faultOr(err error, f *fault) error {
	if err != nil {
		return err
	}
	return f
}

// removeTOTP is POST /api/v1/second/totp/remove.
func removeTOTP(s *Server, c *call, p *auth.Proofs) (int, any, error) {
	p.TOTP, p.Since = nil, 0
	return http.StatusNoContent, nil, s.keepProofs(c, c.who.Account, p)
}

// renewRecovery is POST /api/v1/second/recovery: new codes, and the old ones are worth nothing.
func renewRecovery(s *Server, c *call, p *auth.Proofs) (int, any, error) {
	codes, kept := auth.NewRecovery()
	p.Recovery = kept
	if err := s.keepProofs(c, c.who.Account, p); err != nil {
		return 0, nil, err
	}
	return http.StatusOK, map[string]any{"recovery_codes": codes}, nil
}

// lockedCookie holds the token of a login that is locked, sealed: the browser's key opens nothing until the password
// was given again.
const lockedCookie = "evenkeel_locked"

const purposeLock = "locked login"

// postLock is POST /api/v1/lock: the screen was left alone.
func postLock(s *Server, c *call) (int, any, error) {
	if c.token == "" {
		return 0, nil, say(notPermitted, "only a login in a browser can be locked")
	}
	sealer, err := s.sealer()
	if err != nil {
		return 0, nil, err
	}
	list := s.Directory.Sessions(c.who.Account, s.now())
	at := slices.IndexFunc(list, func(one auth.Session) bool { return one.Hash == c.who.Session })
	if at < 0 {
		return 0, nil, auth.ErrNobody
	}
	end := time.Unix(0, int64(list[at].Expires))
	s.setCookieNamed(c, lockedCookie, encode(sealer.SealUntil(purposeLock, end, []byte(c.token))), end)
	s.setCookie(c, "", time.Unix(0, 0))
	return http.StatusNoContent, nil, nil
}

// locked finds the login that a browser has locked.
func (s *Server) locked(c *call) (token string, who auth.Principal, err error) {
	if s.origins.Check(c.r) != nil {
		return "", who, say(crossOrigin)
	}
	sealer, err := s.sealer()
	if err != nil {
		return "", who, err
	}
	cookie, err := c.r.Cookie(lockedCookie)
	if err != nil {
		return "", who, auth.ErrNobody
	}
	sealed, err := base64.RawURLEncoding.DecodeString(cookie.Value)
	if err != nil {
		return "", who, auth.ErrNobody
	}
	plain, err := sealer.OpenUntil(purposeLock, s.Clock(), sealed)
	if err != nil {
		return "", who, auth.ErrNobody
	}
	who, err = s.introduced(c.r.Context(), func() (auth.Principal, error) {
		return s.Directory.ByToken(string(plain), s.now())
	})
	return string(plain), who, err
}

// getLock is GET /api/v1/lock: whose login is locked in this browser; null: nobody's.
func getLock(s *Server, c *call) (int, any, error) {
	_, who, err := s.locked(c)
	if errors.Is(err, auth.ErrNobody) {
		return http.StatusOK, map[string]any{"login": nil}, nil
	}
	if err != nil {
		return 0, nil, err
	}
	known, _ := s.Directory.Account(who.Account)
	return http.StatusOK, map[string]any{"login": known.Login}, nil
}

// postUnlock is POST /api/v1/unlock.
func postUnlock(s *Server, c *call) (int, any, error) {
	token, who, err := s.locked(c)
	if err != nil {
		return 0, nil, err
	}
	f, err := readForm(c.r)
	if err != nil {
		return 0, nil, err
	}
	password := f.text("password")
	if f.err != nil {
		return 0, nil, f.err
	}
	known, _ := s.Directory.Account(who.Account)
	if _, err := s.Passwords.Login(c.r.Context(), s.Directory, known.Login, password); err != nil {
		return 0, nil, wrongProof(err)
	}
	for _, one := range s.Directory.Sessions(who.Account, s.now()) {
		if one.Hash == who.Session {
			s.setCookie(c, token, time.Unix(0, int64(one.Expires)))
		}
	}
	s.setCookieNamed(c, lockedCookie, "", time.Unix(0, 0))
	return http.StatusNoContent, nil, nil
}

// secondRoutes are the native API's second proofs and the lock.
var secondRoutes = []route{
	{"POST /api/v1/login/second", anyone, intake.Manage, postLoginSecond, false},
	{"GET /api/v1/second", reader, intake.Query, getSecond, false},
	{"POST /api/v1/second/totp", holder, intake.Heavy, postTOTP, false},
	{"POST /api/v1/second/totp/confirm", holder, intake.Manage, postTOTPConfirm, false},
	{"POST /api/v1/second/totp/remove", holder, intake.Manage, proven(removeTOTP), false},
	{"POST /api/v1/second/recovery", holder, intake.Manage, proven(renewRecovery), false},
	{"GET /api/v1/lock", anyone, intake.Query, getLock, false},
	{"POST /api/v1/lock", holder, intake.Manage, postLock, false},
	{"POST /api/v1/unlock", anyone, intake.Heavy, postUnlock, false},
}
