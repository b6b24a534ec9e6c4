package api

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"evenkeel/auth"
	"evenkeel/core/trade"
	"evenkeel/intake"
)

// A house may run on several nodes, each with views of its own that follow the log. Any of them answers: before it
// does, its views are brought up to everything that any of them had acknowledged, so that who has just placed an order
// on one node finds it on all. Every answer about an account names the log entry that it reflects at the least; a
// client may send that back, to whatever node, and is answered from views that have it. Where the leader cannot be
// asked in time, what is known is answered all the same, and marked.

// Headers of an answer about an account, and of a request. They are written "<shard>:<index>", and in milliseconds or
// "unknown".
const (
	indexHeader = "X-Evenkeel-Index"
	staleHeader = "X-Evenkeel-Stale"
)

// Fresh brings the views of accounts up to date. It waits for a bounded time. nil parts are views that always are.
type Fresh struct {
	// Account waits until the views of an account's shard have everything that was acknowledged before the call, and
	// the log's entry least. An error says that they may not; then age is how long ago they did, negative when never.
	// ErrWrong says that they are not those of the other nodes: nothing of them is answered.
	Account func(ctx context.Context, account trade.AccountID, least uint64) (age time.Duration, err error)
	// All does so for all shards: whose a key or a login is, is not known before.
	All func(ctx context.Context) error
	// Lately reports that the views of an account's shard had, at some time within RevocationLag, everything that was
	// acknowledged until then; it waits until they do, for a bounded time. It costs nothing when they had.
	Lately func(ctx context.Context, account trade.AccountID) error
}

// RevocationLag is how long after a key was revoked or a session ended, on whatever node, a command by it may still be
// taken by a node that is behind. A cancel is taken by what is known here: it waits for nothing.
const RevocationLag = 3 * time.Second

// ErrWrong: the views of this node are not late, but wrong: most nodes have others.
var ErrWrong = errors.New("what this node has is not what most nodes have")

// ofAccount are the paths whose answers are about an account.
var ofAccount = []string{"/v2/account", "/v2/orders", "/v2/positions", "/v2/watchlists", "/v2/events/trades",
	"/api/v1/account", "/api/v1/orders", "/api/v1/events", "/api/v1/preview", "/api/v1/sessions", "/api/v1/keys",
	"/api/v1/password", "/api/v1/stream", "/api/v1/statements"}

// straightIn are requests that the books alone decide: they need no view to be fresh before they go in.
var straightIn = []string{"POST /v2/orders", "PATCH /v2/orders/{id}", "DELETE /v2/orders/{id}", "POST /api/v1/orders",
	"DELETE /api/v1/orders/{id}", "POST /api/v1/keys", "DELETE /api/v1/keys/{id}"}

// reads reports whether a route answers from the views of an account.
func (r *route) reads() bool {
	for _, straight := range straightIn {
		if r.pattern == straight {
			return false
		}
	}
	_, path, _ := strings.Cut(r.pattern, " ")
	for _, prefix := range ofAccount {
		if rest, ours := strings.CutPrefix(path, prefix); ours && (rest == "" || rest[0] == '/' || rest[0] == ':') {
			return r.access != anyone
		}
	}
	return false
}

// commands reports whether a route carries the word of somebody to the books by what is known of him here.
func (r *route) commands() bool {
	return r.access != anyone && !r.reads() && r.class != intake.Cancel && !strings.HasPrefix(r.pattern, "GET ")
}

// vouch holds that what somebody proved who they are with was not revoked, as of RevocationLag ago at the most.
func (s *Server) vouch(ctx context.Context, c *call) error {
	if s.Fresh.Lately == nil {
		return nil
	}
	if err := s.Fresh.Lately(ctx, c.who.Account); err != nil {
		return fmt.Errorf("%w: whether its key or session still holds is not known here: %w", intake.ErrUnavailable, err)
	}
	return s.holds(c)
}

// holds refuses who proved who they are with what was revoked since, as is known now.
func (s *Server) holds(c *call) error {
	if !s.Directory.Holds(c.who, s.now()) {
		return auth.ErrNobody
	}
	return nil
}

// freshen brings the views of who asks up to date, and says in the answer's headers how far they are.
func (s *Server) freshen(ctx context.Context, c *call) error {
	least, err := readIndex(c)
	if err != nil {
		return err
	}
	if s.Fresh.Account != nil {
		age, err := s.Fresh.Account(ctx, c.who.Account, least)
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, ErrWrong):
			return fmt.Errorf("%w: %w", intake.ErrUnavailable, err)
		case age < 0:
			c.stale = true
			c.w.Header().Set(staleHeader, "unknown")
		default:
			c.stale = true
			c.w.Header().Set(staleHeader, strconv.FormatInt(age.Milliseconds(), 10))
		}
	}
	s.reflects(c)
	return nil
}

// reflects names the log entry that the views of who asks have at the least.
func (s *Server) reflects(c *call) {
	c.w.Header().Set(indexHeader, fmt.Sprintf("%d:%d", c.who.Account>>trade.ShardShift, s.Day(c.who.Account).Index()))
}

// readIndex reads the log entry that the client wants reflected. One of another shard says nothing about its account.
func readIndex(c *call) (least uint64, err error) {
	text := c.r.Header.Get(indexHeader)
	if text == "" {
		return 0, nil
	}
	of, at, _ := strings.Cut(text, ":")
	shard, err := strconv.ParseUint(of, 10, 16)
	if err == nil {
		least, err = strconv.ParseUint(at, 10, 64)
	}
	if err != nil {
		return 0, say(badQuery, indexHeader, strconv.Quote(clip(text))+" is not <shard>:<index>, as an answer gave it")
	}
	if shard != uint64(c.who.Account>>trade.ShardShift) {
		return 0, nil
	}
	return least, nil
}

// carry carries a command to the books, and says in the answer's headers how far the views are then. They have what it
// did, or the call says that it is hidden.
func (s *Server) carry(c *call, who auth.Principal, command *trade.Command) (trade.Answer, error) {
	answer, err := s.Door.Take(c.r.Context(), who, command)
	if errors.Is(err, intake.ErrHidden) {
		s.Log.Warn("done, and not to be seen here yet", "request", c.id, "error", err)
		c.stale, c.hidden, err = true, true, nil
		c.w.Header().Set(staleHeader, "unknown")
	}
	if c.who.Account != 0 {
		s.reflects(c)
	}
	return answer, err
}

// strangersPause is the least time between two questions to the leaders for the sake of credentials that are not
// known: whoever makes them up must not keep the leaders busy.
const strangersPause = 20 * time.Millisecond

// introductions bring the directory up to date for those whose credentials are unknown here: they may have been made
// on another node a moment ago. Those who come while the leaders are asked share the next question.
type introductions struct {
	mu      sync.Mutex
	waiting int
	next    chan struct{} // closed when the next question has been answered; nil: nobody waits for one
	asked   time.Time
}

// maxIntroductions bounds those who wait for a question.
const maxIntroductions = 1024

// introduced asks again who somebody is, where it was not known, once the directory is up to date.
func (s *Server) introduced(ctx context.Context, ask func() (auth.Principal, error)) (auth.Principal, error) {
	who, err := ask()
	if !errors.Is(err, auth.ErrNobody) || s.Fresh.All == nil || !s.introduce(ctx) {
		return who, err
	}
	return ask()
}

// introduce waits until the directory has what was acknowledged before the call. It reports false when it may not.
func (s *Server) introduce(ctx context.Context) bool {
	i := &s.introductions
	i.mu.Lock()
	if i.waiting >= maxIntroductions {
		i.mu.Unlock()
		return false
	}
	i.waiting++
	if i.next == nil {
		i.next = make(chan struct{})
		go s.askLeaders(max(0, strangersPause-time.Since(i.asked)))
	}
	next := i.next
	i.mu.Unlock()
	defer func() {
		i.mu.Lock()
		i.waiting--
		i.mu.Unlock()
	}()
	select {
	case <-next:
		return true
	case <-ctx.Done():
		return false
	}
}

// askLeaders asks, after a pause, for all who wait by then.
func (s *Server) askLeaders(pause time.Duration) {
	time.Sleep(pause)
	i := &s.introductions
	i.mu.Lock()
	next := i.next
	i.next, i.asked = nil, time.Now()
	i.mu.Unlock()
	if err := s.Fresh.All(context.Background()); err != nil {
		s.Log.Warn("unknown credentials are refused by what is known here", "error", err)
	}
	close(next)
}
