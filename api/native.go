package api

import (
	"cmp"
	_ "embed"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"evenkeel/auth"
	"evenkeel/core/money"
	"evenkeel/core/trade"
	"evenkeel/intake"
	"evenkeel/records"
)

// The native API is what Alpaca's lacks, in the house's own words. openapi.yaml describes it; a test holds real
// answers to that description.

//go:embed openapi.yaml
var openAPI []byte

// sessionCookie holds the token of a login in a browser: out of reach of scripts, and not sent along by other sites.
const sessionCookie = "evenkeel_session"

// postLogin is POST /api/v1/login.
func postLogin(s *Server, c *call) (int, any, error) {
	f, login := c.knock.form, c.knock.name
	password := f.text("password")
	label, err := labelOf(c, f)
	switch {
	case f.err != nil:
		return 0, nil, f.err
	case password == "":
		return 0, nil, say(missingField, "password")
	case err != nil:
		return 0, nil, err
	}
	if s.Fresh.All != nil { // the password may have been set on another node a moment ago
		s.introduce(c.r.Context())
	}
	account, err := s.Passwords.Login(c.r.Context(), s.Directory, login, password)
	if err != nil {
		return 0, nil, c.turnedBack(err)
	}
	p, err := s.proofs(account)
	var status int
	var body any
	switch {
	case err != nil:
	case p.Asked():
		status, body, err = s.askSecond(c, account, label, &p)
	default:
		token, _ := auth.NewToken()
		status, body, err = s.openLogin(c, account, label, token, false)
	}
	if err == nil {
		c.knock.pass.Spend()
	} else { // the password was right, and the house could not: a leader may just be missing
		c.knock.pass.Undo()
	}
	return status, body, err
}

// labelOf is what a login is called in the list of sessions: what it says itself, else what its program says it is.
func labelOf(c *call, f *form) (string, error) {
	label := f.text("label")
	if len(label) > trade.MaxLabel {
		return "", say(textTooLong, "label")
	}
	if label == "" {
		agent := c.r.UserAgent()
		label = strings.ToValidUTF8(agent[:min(len(agent), trade.MaxLabel)], "")
	}
	return label, nil
}

// openLogin opens a login for who has proved enough, with a token that was never used; ofCode: the token follows from
// a code that counts once. A random token that the books know already came from here: on its way to the leader the
// command was sent again.
func (s *Server) openLogin(c *call, account trade.AccountID, label, token string, ofCode bool) (int, any, error) {
	hash := auth.HashToken(token)
	expires := s.Clock().Add(s.Limits.Session)
	command := trade.Command{Kind: trade.OpenSessionKind, OpenSession: trade.OpenSession{Account: account,
		TokenHash: hash, Expires: trade.Time(expires.UnixNano()), Label: []byte(strings.ToValidUTF8(label, ""))}}
	answer, err := s.asHouse(c, account, &command)
	if err == nil && answer.Reason == trade.TooManySessions {
		answer, err = s.makeRoom(c, account, &command)
	}
	switch {
	case err != nil:
		return 0, nil, err
	case answer.Reason != trade.Accepted:
		return 0, nil, refused(answer.Reason, answer.Numbers)
	case answer.Replayed && ofCode:
		return 0, nil, say(codeUsed)
	}
	s.setCookie(c, token, expires)
	known, _ := s.Directory.Account(account)
	body := map[string]any{"expires": stamp(trade.Time(expires.UnixNano())),
		"account_id": accountID(account), "account_number": accountNumber(account), "login": known.Login,
		"permissions": permissionList(known.Permissions), "session_id": sessionID(hash)}
	if !fromPage(c.r) {
		body["token"] = token
	}
	s.keepDevice(c, account, body)
	return http.StatusOK, body, nil
}

// fromPage reports whether a page in a browser asks: it has the cookie, and no script of it is ever shown the token.
func fromPage(r *http.Request) bool {
	return r.Header.Get("Sec-Fetch-Site") != "" || r.Header.Get("Origin") != ""
}

func (s *Server) asHouse(c *call, account trade.AccountID, command *trade.Command) (trade.Answer, error) {
	return s.carry(c, auth.Principal{Account: account, Via: auth.ByHouse}, command)
}

// makeRoom ends the session that would expire first, and opens the new one: who knows the password is never kept out.
func (s *Server) makeRoom(c *call, account trade.AccountID, open *trade.Command) (trade.Answer, error) {
	if list := s.Directory.Sessions(account, 0); len(list) > 0 {
		first := slices.MinFunc(list, func(a, b auth.Session) int { return cmp.Compare(a.Expires, b.Expires) })
		if _, err := s.asHouse(c, account, &trade.Command{Kind: trade.CloseSessionKind,
			CloseSession: trade.CloseSession{Account: account, TokenHash: first.Hash}}); err != nil {
			return trade.Answer{}, err
		}
	}
	return s.asHouse(c, account, open)
}

func (s *Server) setCookie(c *call, token string, expires time.Time) {
	s.setCookieNamed(c, sessionCookie, token, expires)
}

func (s *Server) setCookieNamed(c *call, name, token string, expires time.Time) {
	s.setCookieAt(c, "/", name, token, expires)
}

func (s *Server) setCookieAt(c *call, path, name, token string, expires time.Time) {
	//nolint:gosec // Secure is set wherever TLS is; the demo on loopback has none
	cookie := http.Cookie{Name: name, Value: token, Path: path, Expires: expires, HttpOnly: true,
		Secure: s.SecureCookies || c.r.TLS != nil, SameSite: http.SameSiteStrictMode}
	if token == "" {
		cookie.MaxAge = -1
	}
	http.SetCookie(c.w, &cookie)
}

// sessionID names a session to its owner without giving its hash away.
func sessionID(hash [32]byte) string { return hashedUUID([]byte("session"), hash[:]) }

// postLogout is POST /api/v1/logout.
func postLogout(s *Server, c *call) (int, any, error) {
	if c.who.Via != auth.BySession {
		return 0, nil, say(notPermitted, "only a login can log out")
	}
	if err := s.closeSession(c, c.who.Session); err != nil {
		return 0, nil, err
	}
	s.setCookie(c, "", time.Unix(0, 0))
	return http.StatusNoContent, nil, nil
}

func (s *Server) closeSession(c *call, hash [32]byte) error {
	return s.take(c, &trade.Command{Kind: trade.CloseSessionKind,
		CloseSession: trade.CloseSession{Account: c.who.Account, TokenHash: hash}})
}

// getSessions is GET /api/v1/sessions.
func getSessions(s *Server, c *call) (int, any, error) {
	list := []any{}
	for _, one := range s.Directory.Sessions(c.who.Account, s.now()) {
		list = append(list, map[string]any{"id": sessionID(one.Hash), "label": one.Label, "opened": stamp(one.Opened),
			"expires": stamp(one.Expires), "current": c.who.Via == auth.BySession && one.Hash == c.who.Session})
	}
	return http.StatusOK, map[string]any{"sessions": list}, nil
}

// deleteSession is DELETE /api/v1/sessions/{id}.
func deleteSession(s *Server, c *call) (int, any, error) {
	id := c.r.PathValue("id")
	for _, one := range s.Directory.Sessions(c.who.Account, 0) {
		if sessionID(one.Hash) == id {
			return http.StatusNoContent, nil, s.closeSession(c, one.Hash)
		}
	}
	return 0, nil, say(notFound, "session "+clip(id))
}

// postPassword is POST /api/v1/password. All other sessions end: one of them may be why the password is changed.
func postPassword(s *Server, c *call) (int, any, error) {
	if c.who.Via != auth.BySession { // before anything is computed
		return 0, nil, say(notPermitted, "changing the password needs a login")
	}
	f, err := readForm(c.r)
	if err != nil {
		return 0, nil, err
	}
	old, fresh := f.text("old_password"), f.text("new_password")
	known, _ := s.Directory.Account(c.who.Account)
	if f.err != nil {
		return 0, nil, f.err
	}
	if _, err := s.Passwords.Login(c.r.Context(), s.Directory, known.Login, old); err != nil {
		return 0, nil, wrongProof(err)
	}
	encoded, err := s.Passwords.Encode(c.r.Context(), fresh)
	if err != nil {
		return 0, nil, err
	}
	if err := s.take(c, &trade.Command{Kind: trade.SetPasswordKind,
		SetPassword: trade.SetPassword{Account: c.who.Account, PasswordHash: []byte(encoded)}}); err != nil {
		return 0, nil, err
	}
	for _, other := range s.Directory.Sessions(c.who.Account, s.now()) {
		if other.Hash == c.who.Session {
			continue
		}
		if _, err := s.asHouse(c, c.who.Account, &trade.Command{Kind: trade.CloseSessionKind,
			CloseSession: trade.CloseSession{Account: c.who.Account, TokenHash: other.Hash}}); err != nil {
			return 0, nil, err
		}
	}
	return http.StatusNoContent, nil, nil
}

// getKeys is GET /api/v1/keys.
func getKeys(s *Server, c *call) (int, any, error) {
	list := []any{}
	for _, k := range s.Directory.Keys(c.who.Account) {
		list = append(list, map[string]any{"id": k.ID, "label": k.Label, "permissions": permissionList(k.Permissions),
			"added": stamp(k.Added)})
	}
	return http.StatusOK, map[string]any{"keys": list}, nil
}

// postKey is POST /api/v1/keys. The secret is in this answer and nowhere else.
func postKey(s *Server, c *call) (int, any, error) {
	f, err := readForm(c.r)
	if err != nil {
		return 0, nil, err
	}
	label, words := f.text("label"), f.texts("permissions")
	permissions, unknown := permissionsOf(words)
	switch {
	case f.err != nil:
		return 0, nil, f.err
	case unknown != "":
		return 0, nil, say(badField, "permissions", clip(unknown)+" is unknown")
	case len(label) > trade.MaxLabel:
		return 0, nil, say(textTooLong, "label")
	}
	if len(words) == 0 {
		permissions = c.who.Permissions &^ (trade.MayMoveCash | trade.MayOperate)
	}
	id, secret, hash := auth.NewKey()
	if err := s.take(c, &trade.Command{Kind: trade.AddKeyKind, AddKey: trade.AddKey{Account: c.who.Account,
		KeyID: []byte(id), SecretHash: hash, Permissions: permissions, Label: []byte(label)}}); err != nil {
		return 0, nil, err
	}
	return http.StatusCreated, map[string]any{"id": id, "secret": secret, "label": label,
		"permissions": permissionList(permissions)}, nil
}

// deleteKey is DELETE /api/v1/keys/{id}.
func deleteKey(s *Server, c *call) (int, any, error) {
	id := c.r.PathValue("id")
	if len(id) > trade.MaxKeyID {
		return 0, nil, say(notFound, "key "+clip(id))
	}
	return http.StatusNoContent, nil, s.take(c, &trade.Command{Kind: trade.RevokeKeyKind,
		RevokeKey: trade.RevokeKey{Account: c.who.Account, KeyID: []byte(id)}})
}

// postOrderNative is POST /api/v1/orders, in the words of the exchanges.
func postOrderNative(s *Server, c *call) (int, any, error) {
	f, err := readForm(c.r)
	if err != nil {
		return 0, nil, err
	}
	w, err := readNative(f)
	if err != nil {
		return 0, nil, err
	}
	if w.ClientID, err = s.idempotent(c, w.ClientID, f.raw); err != nil {
		return 0, nil, err
	}
	channel := trade.REST
	if c.who.Via == auth.BySession {
		channel = trade.Web
	}
	answer, err := s.place(c, &w, channel)
	if err != nil {
		return 0, nil, err
	}
	if answer.Replayed {
		c.w.Header().Set("Idempotent-Replay", "true")
	}
	c.native = true
	_, body, err := s.orderAnswer(c, answer.Order)
	return http.StatusCreated, body, err
}

// readNative reads {symbol, side, type, price, quantity, client_order_id}; type is LIMIT or one of cn.market_type.
func readNative(f *form) (w wish, err error) {
	w = wish{Symbol: f.text("symbol"), ClientID: f.text("client_order_id"), Price: f.price("price"),
		Quantity: f.quantity("quantity"), Kind: "limit", Force: "day"}
	side, kind := strings.ToLower(f.text("side")), strings.ToUpper(f.text("type"))
	switch side {
	case "buy":
		w.Side = trade.Buy
	case "sell":
		w.Side = trade.Sell
	default:
		f.wrong("side", "must be buy or sell")
	}
	if kind != "LIMIT" && kind != "" {
		t, ok := marketType(kind)
		if !ok {
			f.wrong("type", "must be LIMIT, BEST5_IOC, BEST5_TO_LIMIT, IOC, FOK, OWN_BEST, OPPOSITE_BEST or FIXED_PRICE")
		}
		w.MarketType = t
		if t.Market() {
			w.Kind = "market"
		}
	}
	switch {
	case f.err != nil:
	case w.Symbol == "":
		f.fail(say(missingField, "symbol"))
	case w.Quantity <= 0:
		f.fail(refused(trade.QuantityNotPositive, trade.Numbers{Given: int64(w.Quantity)}))
	case w.Kind == "limit" && w.Price == 0:
		f.fail(say(missingField, "price"))
	case len(w.ClientID) > trade.MaxClientID:
		f.fail(refused(trade.ClientIDTooLong, trade.Numbers{Given: int64(len(w.ClientID)), Bound: trade.MaxClientID}))
	}
	return w, f.err
}

// deleteOrderNative is DELETE /api/v1/orders/{id}.
func deleteOrderNative(s *Server, c *call) (int, any, error) {
	id, err := c.orderID()
	if err != nil {
		return 0, nil, err
	}
	if err := s.cancel(c, id); err != nil {
		return 0, nil, err
	}
	c.native = true
	status, body, err := s.orderAnswer(c, id)
	if err == nil {
		status = http.StatusAccepted
	}
	return status, body, err
}

// postCash is POST /api/v1/cash: a deposit, or with a negative amount a withdrawal. In the demo an account moves its
// own cash; elsewhere that is the bank's word.
func postCash(s *Server, c *call) (int, any, error) {
	if !s.Demo && !c.who.May(trade.MayOperate) {
		return 0, nil, say(notPermitted, "deposits and withdrawals come from the bank, not from here")
	}
	f, err := readForm(c.r)
	if err != nil {
		return 0, nil, err
	}
	amount, reference := f.cash("amount"), f.text("reference")
	switch {
	case f.err != nil:
		return 0, nil, f.err
	case amount == 0:
		return 0, nil, refused(trade.AmountNotPositive, trade.Numbers{})
	case len(reference) > trade.MaxReference:
		return 0, nil, say(textTooLong, "reference")
	}
	if amount%money.Fen != 0 {
		nearest, _ := money.Round(amount, money.Fen, money.Down)
		return 0, nil, say(badField, "amount", "is in whole cents").numbers(amount.String(), "0.01", nearest.String())
	}
	if reference == "" {
		if reference, err = s.idempotent(c, "", f.raw); err != nil {
			return 0, nil, err
		}
	}
	answer, err := s.carry(c, c.who, &trade.Command{Kind: trade.MoveCashKind,
		MoveCash: trade.MoveCash{Account: c.who.Account, Amount: amount, Reference: []byte(reference)}})
	switch {
	case err != nil:
		return 0, nil, err
	case answer.Reason != trade.Accepted:
		return 0, nil, refused(answer.Reason, answer.Numbers)
	case answer.Replayed: // the books moved nothing: that is right only for the same movement
		if !s.hasMoved(c, reference, amount) {
			return 0, nil, say(referenceUsed, clip(reference))
		}
		c.w.Header().Set("Idempotent-Replay", "true")
	}
	b, _ := s.Day(c.who.Account).Balance(c.who.Account)
	return http.StatusOK, map[string]any{"amount": amount.String(), "reference": reference, "balance": balanceOf(b)}, nil
}

// hasMoved reports whether the newest movement of cash under a reference is of an amount.
func (s *Server) hasMoved(c *call, reference string, amount money.Cash) bool {
	rows, err := s.events(c, records.EventFilter{Kinds: []trade.EventKind{trade.CashMoved}, Limit: records.MaxRows})
	for i := range rows {
		if string(rows[i].Cash.Reference) == reference {
			return err == nil && rows[i].Cash.Amount == amount
		}
	}
	return false
}

func getOpenAPI(_ *Server, c *call) (int, any, error) {
	c.deliver(http.StatusOK, "application/yaml; charset=utf-8", openAPI)
	return 0, nil, nil
}

// reasonRow is a refusal as the list of reasons tells it.
type reasonRow struct {
	Reason  string `json:"reason"`
	Code    int    `json:"code"`
	Status  int    `json:"status"`
	English string `json:"message_en"`
	Chinese string `json:"message_zh"`
}

// general are the English sentences of refusals that say by themselves only what differs from case to case.
var general = map[string]string{
	badField:      "a field is not valid",
	badQuery:      "a query parameter is not valid",
	notPermitted:  "not permitted",
	symbolUnknown: "the symbol is unknown or ambiguous",
	textTooLong:   "a text is too long",
}

// blanks finds what a sentence leaves open, in brackets or not.
var blanks = regexp.MustCompile(`\(%(?:\[\d\])?[sd]\)|%(?:\[\d\])?[sd]`)

// inGeneral is a sentence as it holds for every case: what differs is an ellipsis, and left out in brackets.
func inGeneral(sentence string) string {
	return blanks.ReplaceAllStringFunc(sentence, func(blank string) string {
		if blank[0] == '(' {
			return ""
		}
		return "…"
	})
}

// reasonRows are all refusals, by name.
func reasonRows() (rows []reasonRow) {
	row := func(name string, t text) {
		english := cmp.Or(general[name], inGeneral(t.english))
		rows = append(rows, reasonRow{name, t.code, t.code / 100_000, english, inGeneral(t.chinese)})
	}
	for _, t := range reasonTexts {
		row(t.name, t)
	}
	for name, t := range edgeTexts {
		row(name, t)
	}
	slices.SortStableFunc(rows, func(a, b reasonRow) int { return strings.Compare(a.Reason, b.Reason) })
	return slices.CompactFunc(rows, func(a, b reasonRow) bool { return a.Reason == b.Reason })
}

func getReasons(_ *Server, c *call) (int, any, error) {
	rows := reasonRows()
	name := c.r.PathValue("name")
	if name == "" {
		return http.StatusOK, map[string]any{"reasons": rows}, nil
	}
	for _, row := range rows {
		if row.Reason == name {
			return http.StatusOK, row, nil
		}
	}
	return 0, nil, say(notFound, "reason "+clip(name))
}

// nativeRoutes are the native API.
var nativeRoutes = concat(boardRoutes, chartRoutes, loginRoutes, secondRoutes, passkeyRoutes, opsRoutes, []route{
	{"POST /api/v1/login", anyone, intake.Heavy, postLogin, false},
	{"POST /api/v1/logout", holder, intake.Manage, postLogout, false},
	{"GET /api/v1/sessions", reader, intake.Query, getSessions, false},
	{"DELETE /api/v1/sessions/{id}", holder, intake.Manage, deleteSession, false},
	{"POST /api/v1/password", holder, intake.Heavy, postPassword, false},
	{"GET /api/v1/keys", reader, intake.Query, getKeys, false},
	{"POST /api/v1/keys", holder, intake.Manage, postKey, false},
	{"DELETE /api/v1/keys/{id}", holder, intake.Manage, deleteKey, false},
	{"GET /api/v1/account", reader, intake.Query, getAccountNative, false},
	{"POST /api/v1/cash", holder, intake.Manage, postCash, false},
	{"POST /api/v1/orders", holder, intake.Order, postOrderNative, false},
	{"GET /api/v1/orders", reader, intake.Query, nativeOf(getOrders), false},
	{"GET /api/v1/orders/{id}", reader, intake.Query, nativeOf(getOrder), false},
	{"DELETE /api/v1/orders/{id}", holder, intake.Cancel, deleteOrderNative, false},
	{"POST /api/v1/preview", reader, intake.Query, postPreview, false},
	{"GET /api/v1/securities", reader, intake.Quote, getSecurities, false},
	{"GET /api/v1/securities/{symbol}", reader, intake.Quote, nativeOf(getAsset), false},
	{"GET /api/v1/quotes/{symbol}", reader, intake.Quote, getQuoteNative, false},
	{"GET /api/v1/depth/{symbol}", reader, intake.Quote, getDepth, false},
	{"GET /api/v1/trades", reader, intake.Quote, streamTape, true},
	{"GET /api/v1/phases", reader, intake.Quote, getPhases, false},
	{"GET /api/v1/stream", reader, intake.Query, streamScreen, true},
	{"GET /api/v1/events", reader, intake.Query, streamNative, true},
	{"GET /api/v1/events/list", reader, intake.Query, getEvents, false},
	{"GET /api/v1/capacity", anyone, intake.Inside, getCapacity, false},
	{"GET /api/v1/statements", reader, intake.Query, getStatements, false},
	{"GET /api/v1/statements/{month}", reader, intake.Report, getStatement, false},
	{"GET /api/v1/demo", anyone, intake.Quote, getDemo, false},
	{"GET /api/v1/reasons", anyone, intake.Quote, getReasons, false},
	{"GET /api/v1/reasons/{name}", anyone, intake.Quote, getReasons, false},
	{"GET /api/v1/openapi.yaml", anyone, intake.Quote, getOpenAPI, false},
})

// nativeOf is an endpoint with the house's own words.
func nativeOf(e endpoint) endpoint {
	return func(s *Server, c *call) (int, any, error) {
		c.native = true
		return e(s, c)
	}
}
