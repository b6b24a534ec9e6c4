package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"evenkeel/auth"
	"evenkeel/core/broker"
	"evenkeel/core/money"
	"evenkeel/core/rules"
	"evenkeel/core/trade"
	"evenkeel/feed"
	"evenkeel/intake"
	"evenkeel/records"
	"evenkeel/replica"
	"evenkeel/szse"
)

// house is everything below the front door, real but for the log (commands are applied where they are submitted) and
// the exchange (the test says its reports). Its clock stands on a trading day in continuous trading.
type house struct {
	t         testing.TB
	mu        sync.Mutex
	state     *broker.State
	command   trade.Command
	out       trade.Output
	index     uint64
	report    uint64
	clock     time.Time
	day       *records.Day
	listing   *records.Listing
	directory *auth.Directory
	documents *records.Documents
	market    *feed.Market
	server    *Server
	url       string
	client    *http.Client
	account   trade.AccountID
	key       string
	secret    string
	stuck     bool // the log answers nothing
	twice     bool // a command reaches the books twice, as one that was sent again on its way to the leader
	full      error
	sent      map[trade.OrderID]trade.Outgoing
	sequence  uint64
}

const (
	houseDay = trade.Day(20260708)
	login    = "ann"
	password = "correct horse"
)

// cheap parameters of argon2id: what is tested is not how long they take.
var cheap = auth.Parameters{Memory: 64, Passes: 1, Threads: 1}

// openHouse builds a house; change may alter the parts of its server first.
func openHouse(t testing.TB, change ...func(*Parts)) *house {
	t.Helper()
	h := &house{t: t, state: broker.New(0), clock: time.Date(2026, 7, 8, 10, 0, 0, 0, shanghai),
		day: records.NewDay(), listing: records.NewListing(), directory: auth.NewDirectory(),
		documents: records.NewDocuments(), market: feed.NewMarket(), sent: map[trade.OrderID]trade.Outgoing{}}
	door := intake.New(intake.Parts{Log: func(trade.AccountID) intake.Log { return h },
		Board: func(id trade.SecurityID) (trade.Board, bool) { s, ok := h.listing.Security(id); return s.Board, ok }})
	parts := Parts{Door: door, Directory: h.directory, Passwords: auth.NewPasswords(auth.Limits{}, cheap, nil),
		Day:     func(trade.AccountID) *records.Day { return h.day },
		Listing: h.listing, Market: h.market, Documents: h.documents, Demo: true, Version: "test", Clock: h.now,
		Limits: Limits{Pace: time.Millisecond}}
	for _, c := range change {
		c(&parts)
	}
	h.server = New(parts)
	server := httptest.NewServer(h.server)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := h.server.Drain(ctx); err != nil {
			t.Error(err)
		}
		server.Close()
	})
	h.url, h.client = server.URL, server.Client()
	h.setUp()
	return h
}

// wide gives accounts budgets that no test uses up.
func wide(p *Parts) {
	d := p.Door.Parts
	for _, class := range intake.Classes() {
		d.Limits.Budget[class] = intake.Rate{PerSecond: 1_000_000, Burst: 1_000_000}
	}
	p.Door = intake.New(d)
}

func (h *house) now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.clock
}

// setUp lists securities, begins the day and opens an account with a key, cash and shares.
func (h *house) setUp() {
	h.must(&trade.Command{Kind: trade.AdoptRulesKind, AdoptRules: trade.AdoptRules{Text: []byte(rules.Embedded())}})
	h.must(&trade.Command{Kind: trade.StartDayKind, StartDay: trade.StartDay{Day: houseDay}})
	for _, s := range []trade.Security{
		{Symbol: []byte("600000.SH"), Name: []byte("浦发银行"), Pinyin: []byte("pfyh"), Venue: trade.SSE, Board: trade.Main,
			PreviousClose: 100_000},
		{Symbol: []byte("000001.SZ"), Name: []byte("平安银行"), Pinyin: []byte("payh"), Venue: trade.SZSE, Board: trade.Main,
			PreviousClose: 114_000},
		{Symbol: []byte("688001.SH"), Name: []byte("华兴源创"), Pinyin: []byte("hxyc"), Venue: trade.SSE, Board: trade.STAR,
			PreviousClose: 300_000},
		{Symbol: []byte("300001.SZ"), Name: []byte("特锐德"), Pinyin: []byte("trd"), Venue: trade.SZSE, Board: trade.ChiNext,
			PreviousClose: 200_000},
	} {
		s.Condition, s.Listed, s.Day = trade.Normal, 20100101, houseDay
		h.must(&trade.Command{Kind: trade.ListSecurityKind, ListSecurity: trade.ListSecurity{Security: s}})
	}
	for _, v := range []trade.Venue{trade.SSE, trade.SZSE, trade.BSE} {
		h.must(&trade.Command{Kind: trade.SetPhaseKind, SetPhase: trade.SetPhase{Venue: v, Phase: trade.Continuous,
			Day: houseDay}})
	}
	h.account, h.key, h.secret = h.open(login, trade.MayEverything&^trade.MaySTAR)
	h.must(&trade.Command{Kind: trade.MoveCashKind, MoveCash: trade.MoveCash{Account: h.account,
		Amount:    1_000_000 * money.Scale,
		Reference: []byte("first")}})
	h.must(&trade.Command{Kind: trade.MoveSharesKind, MoveShares: trade.MoveShares{Account: h.account, Security: 1,
		Quantity: 1050,
		Cost:     9_450 * money.Scale, Reference: []byte("custody")}})
	h.quote("600000.SH", 99_900, 100_100)
	h.quote("000001.SZ", 113_900, 114_100)
}

// open opens an account with a password and a key.
func (h *house) open(name string, p trade.Permissions) (id trade.AccountID, key, secret string) {
	key, secret, _ = auth.NewKey()
	return h.openAs(name, key, secret, p), key, secret
}

// openAs opens an account with a password and the key given.
func (h *house) openAs(name, key, secret string, p trade.Permissions) trade.AccountID {
	encoded, err := h.server.Passwords.Encode(context.Background(), password)
	if err != nil {
		h.t.Fatal(err)
	}
	answer := h.must(&trade.Command{Kind: trade.OpenAccountKind, OpenAccount: trade.OpenAccount{Login: []byte(name),
		PasswordHash: []byte(encoded), Permissions: p, Commission: 25_000}})
	h.must(&trade.Command{Kind: trade.AddKeyKind, AddKey: trade.AddKey{Account: answer.Account, KeyID: []byte(key),
		SecretHash:  auth.HashToken(secret),
		Permissions: p, Label: []byte("test")}})
	return answer.Account
}

// Submit implements intake.Log.
func (h *house) Submit(command []byte, done func(trade.Answer, error)) error {
	h.mu.Lock()
	if h.full != nil {
		defer h.mu.Unlock()
		return h.full
	}
	answer, err := h.apply(command)
	if h.twice {
		answer, err = h.apply(command)
	}
	stuck := h.stuck
	h.mu.Unlock()
	if !stuck {
		done(answer, err)
	}
	return nil
}

func (h *house) apply(command []byte) (trade.Answer, error) {
	if err := trade.DecodeCommand(bytes.Clone(command), &h.command); err != nil {
		return trade.Answer{}, err
	}
	h.index++
	h.clock = h.clock.Add(time.Millisecond)
	h.out.Reset()
	answer := h.state.Apply(trade.Time(h.clock.UnixNano()), &h.command, &h.out)
	h.listing.Fold(h.out.Events)
	h.directory.Fold(h.out.Events)
	for i := range h.out.Events {
		h.documents.Describe(&h.out.Events[i])
	}
	h.day.Fold(h.out.Events)
	h.day.Commit(h.index)
	for _, o := range h.out.Outgoing {
		h.sent[o.Request] = o
	}
	return answer, nil
}

// must applies a command that the books accept.
func (h *house) must(c *trade.Command) trade.Answer {
	h.t.Helper()
	encoded, err := trade.AppendCommand(nil, c)
	if err != nil {
		h.t.Fatal(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	answer, err := h.apply(encoded)
	if err != nil || answer.Reason != trade.Accepted {
		h.t.Fatalf("command %d: %v, reason %d %+v", c.Kind, err, answer.Reason, answer.Numbers)
	}
	return answer
}

// exchange says a report about a request.
func (h *house) exchange(r trade.Report) {
	h.t.Helper()
	h.report++
	r.Partition, r.Index, r.Time = 1, h.report, trade.Time(h.clock.UnixNano())
	if r.Order == 0 {
		r.Order = r.Request
	}
	h.must(&trade.Command{Kind: trade.ReportKind, Report: r})
}

// accept and fill are the exchange's two commonest words.
func (h *house) accept(id trade.OrderID) {
	h.t.Helper()
	h.exchange(trade.Report{Type: trade.OrderAcceptedReport, Request: id, VenueOrder: [16]byte{'A', byte(id)}})
}

func (h *house) fill(id trade.OrderID, q money.Quantity, p money.Price) {
	h.t.Helper()
	h.exchange(trade.Report{Type: trade.TradeReport, Request: id, Quantity: q, Price: p,
		Execution: [16]byte{'E', byte(h.report), byte(h.report >> 8)}})
}

// quote tells the market a bid and an ask of 1,000 shares each, in continuous trading.
func (h *house) quote(symbol string, bid, ask money.Price) {
	h.t.Helper()
	line, ok := h.listing.Symbol(symbol)
	if !ok {
		h.t.Fatalf("%s is not listed", symbol)
	}
	q := szse.Quote{Security: marketName(symbol, line.Venue), Phase: trade.Continuous,
		Time:          trade.Time(h.now().UnixNano()),
		PreviousClose: line.PreviousClose, UpperLimit: line.UpperLimit, LowerLimit: line.LowerLimit, BidCount: 1,
		AskCount: 1}
	q.Bids[0] = szse.Level{Price: bid, Quantity: 1000, Orders: 2}
	q.Asks[0] = szse.Level{Price: ask, Quantity: 900, Orders: 1}
	h.market.Quote(&q)
	h.market.Hear(h.now())
}

// tick tells the market a trade.
func (h *house) tick(symbol string, p money.Price, q money.Quantity) {
	h.t.Helper()
	line, _ := h.listing.Symbol(symbol)
	h.sequence++
	h.market.Trade(&szse.TradeTick{Sequence: h.sequence, Day: houseDay, Security: marketName(symbol, line.Venue),
		Time: trade.Time(h.now().UnixNano()), Price: p, Quantity: q, Aggressor: trade.Buy, Phase: trade.Continuous})
}

func marketName(symbol string, v trade.Venue) (s szse.Security) {
	s.Venue = v
	for i := range s.Code {
		s.Code[i] = ' '
	}
	copy(s.Code[:], symbol[:6])
	return s
}

// reply is what a request was answered with.
type reply struct {
	status int
	header http.Header
	raw    string
	json   map[string]any
}

// ask sends a request with the account's key; more are name, value pairs of headers.
func (h *house) ask(method, path, body string, more ...string) reply {
	h.t.Helper()
	headers := append([]string{"APCA-API-KEY-ID", h.key, "APCA-API-SECRET-KEY", h.secret}, more...)
	return h.send(method, path, body, headers...)
}

func (h *house) send(method, path, body string, headers ...string) reply {
	h.t.Helper()
	r, err := http.NewRequestWithContext(h.t.Context(), method, h.url+path, bytes.NewBufferString(body))
	if err != nil {
		h.t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := h.client.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	v := reply{status: answer.StatusCode, header: answer.Header, raw: string(raw)}
	_ = json.Unmarshal(raw, &v.json) // lists and texts stay raw
	return v
}

// list decodes a reply that is a list of objects.
func (r reply) list(t testing.TB) (all []map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.raw), &all); err != nil {
		t.Fatalf("%v: %s", err, r.raw)
	}
	return all
}

// place places an order that is accepted, and returns its number.
func (h *house) place(body string) trade.OrderID {
	h.t.Helper()
	r := h.ask("POST", "/v2/orders", body)
	if r.status != http.StatusOK {
		h.t.Fatalf("%d %s", r.status, r.raw)
	}
	number, ok := parseID(orderKind, r.json["id"].(string))
	if !ok {
		h.t.Fatalf("id %v", r.json["id"])
	}
	return trade.OrderID(number)
}

var errFull = replica.ErrFull
