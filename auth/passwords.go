package auth

import (
	"context"
	"crypto/subtle"
	"errors"
	"hash/maphash"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"evenkeel/core/trade"
)

// Limits of Passwords. Zero means the default.
type Limits struct {
	AtOnce  int // max(1, GOMAXPROCS-1): hashes computed at the same time
	Waiting int // 256: logins that wait for their turn; one more is refused at once
	// Longest is how long a login may wait for its turn, 1.5 s: who would wait longer, as far as can be foreseen, is
	// refused at once, and who did is refused then.
	Longest  time.Duration
	HashTime time.Duration // 40 ms: the guess of what one hash takes, until some were computed
	Logins   int           // 65,536: login names whose failures are remembered
	Free     int           // 5: failures in a row before the first pause
	Pause    time.Duration // 1 s: the first pause, doubled with every further failure
	MaxPause time.Duration // 15 min: the longest, and how long failures are remembered
}

func (l Limits) withDefaults() Limits {
	set(&l.AtOnce, max(1, runtime.GOMAXPROCS(0)-1))
	set(&l.Waiting, 256)
	set(&l.Longest, 1500*time.Millisecond)
	set(&l.HashTime, 40*time.Millisecond)
	set(&l.Logins, 65_536)
	set(&l.Free, 5)
	set(&l.Pause, time.Second)
	set(&l.MaxPause, 15*time.Minute)
	return l
}

func set[T int | time.Duration](v *T, otherwise T) {
	if *v <= 0 {
		*v = otherwise
	}
}

// Passwords computes and checks argon2id hashes, a few at a time.
type Passwords struct {
	limits     Limits
	parameters Parameters
	clock      func() time.Time
	decoy      string // checked for an unknown login, so that it costs the same
	turns      chan struct{}
	lining     sync.Mutex // who comes to the line
	waiting    chan struct{}
	took       atomic.Int64 // ns: a sliding mean of what one hash takes
	aside      *Aside       // where hashes are computed; nil: here

	mu     sync.Mutex
	seed   maphash.Seed
	failed map[uint64]failures
}

type failures struct {
	count int
	last  time.Time
}

// NewPasswords returns a checker. A nil clock is time.Now; zero parameters are DefaultParameters.
func NewPasswords(l Limits, p Parameters, clock func() time.Time) *Passwords {
	if p == (Parameters{}) {
		p = DefaultParameters
	}
	if clock == nil {
		clock = time.Now
	}
	l = l.withDefaults()
	made := &Passwords{
		limits: l, parameters: p, clock: clock,
		decoy:   Hash{Parameters: p, Salt: random(saltBytes), Key: random(32)}.String(),
		turns:   make(chan struct{}, l.AtOnce),
		waiting: make(chan struct{}, l.Waiting+l.AtOnce),
		seed:    maphash.MakeSeed(), failed: map[uint64]failures{},
	}
	made.took.Store(int64(l.HashTime))
	return made
}

// turn waits for one of the few places where a hash is computed; release must be called. Who would wait too long is
// refused at once with a LaterError, since a time to come back that is told now is worth more than a login that comes
// when nobody looks any more.
func (p *Passwords) turn(ctx context.Context) (release func(), err error) {
	later, ok := p.line()
	if !ok {
		return nil, later
	}
	timer := time.NewTimer(p.limits.Longest)
	defer timer.Stop()
	select {
	case p.turns <- struct{}{}:
		began := time.Now()
		return func() {
			p.took.Add((int64(time.Since(began)) - p.took.Load()) / slide)
			<-p.turns
			<-p.waiting
		}, nil
	case <-timer.C:
		<-p.waiting
		return nil, later
	case <-ctx.Done():
		<-p.waiting
		return nil, ctx.Err()
	}
}

// line takes a place in the line, when the wait for the turn will not be too long; later says when to come back if it
// is.
func (p *Passwords) line() (later *LaterError, ok bool) {
	p.lining.Lock()
	defer p.lining.Unlock()
	ahead := time.Duration(max(0, len(p.waiting)+1-p.limits.AtOnce))
	wait := ahead * time.Duration(p.took.Load()) / time.Duration(p.limits.AtOnce)
	later = &LaterError{After: max(time.Second, wait.Round(time.Second)), Cause: ErrTooManyLogins}
	if wait > p.limits.Longest || len(p.waiting) == cap(p.waiting) {
		return later, false
	}
	p.waiting <- struct{}{}
	return later, true
}

// slide is over how many hashes the mean of what one takes slides.
const slide = 8

// Waiting is the number of hashes being computed or waited for.
func (p *Passwords) Waiting() int { return len(p.waiting) }

// Encode returns the encoded hash of a new password.
func (p *Passwords) Encode(ctx context.Context, password string) (string, error) {
	if len(password) < MinPassword || len(password) > MaxPassword {
		return "", ErrPasswordLength
	}
	release, err := p.turn(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	h := Hash{Parameters: p.parameters, Salt: random(saltBytes), Key: make([]byte, 32)}
	h.Key = p.derive(h, password)
	return h.String(), nil
}

// Check reports whether a password belongs to an encoded hash. A hash that is not one of ours belongs to no password,
// and costs as much.
func (p *Passwords) Check(ctx context.Context, encoded, password string) (bool, error) {
	release, err := p.turn(ctx)
	if err != nil {
		return false, err
	}
	defer release()
	h, err := ParseHash(encoded)
	known := err == nil
	if !known {
		if h, err = ParseHash(p.decoy); err != nil {
			return false, err
		}
	}
	if len(password) > MaxPassword {
		password, known = password[:MaxPassword], false
	}
	return subtle.ConstantTimeCompare(p.derive(h, password), h.Key) == 1 && known, nil
}

// Aside lets hashes be computed in another process. It is called before the first is.
func (p *Passwords) Aside(a *Aside) { p.aside = a }

// derive computes a hash aside where it can, and else here: a process that ended costs nobody his login.
func (p *Passwords) derive(h Hash, password string) []byte {
	if p.aside != nil {
		if key, err := p.aside.derive(h, password); err == nil {
			return key
		}
	}
	return h.derive(password)
}

// Login returns the account of a login name and password. Errors are ErrNobody, a LaterError (too many at once, or
// too many failures of this name), or the context's.
func (p *Passwords) Login(ctx context.Context, d *Directory, login, password string) (trade.AccountID, error) {
	name := maphash.String(p.seed, login)
	if err := p.paused(name); err != nil {
		return 0, err
	}
	account, encoded, _ := d.ByLogin(login) // "" for an unknown name, which Check takes as long for as for any other
	matches, err := p.Check(ctx, encoded, password)
	if err != nil {
		return 0, err
	}
	if !matches {
		p.fail(name)
		return 0, ErrNobody
	}
	p.mu.Lock()
	delete(p.failed, name)
	p.mu.Unlock()
	return account, nil
}

// ErrTooManyFailures is wrapped by the LaterError of a login name with too many failures in a row.
var ErrTooManyFailures = errors.New("too many failed logins")

// paused refuses while a name's failures are too fresh. Unknown names are treated alike: nobody learns which exist.
func (p *Passwords) paused(name uint64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	f, found := p.failed[name]
	if !found || f.count < p.limits.Free {
		return nil
	}
	pause := p.limits.MaxPause
	if doublings := f.count - p.limits.Free; doublings < 20 {
		pause = min(pause, p.limits.Pause<<doublings)
	}
	if left := pause - p.clock().Sub(f.last); left > 0 {
		return &LaterError{After: max(time.Second, left), Cause: ErrTooManyFailures}
	}
	return nil
}

func (p *Passwords) fail(name uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock()
	f := p.failed[name]
	if now.Sub(f.last) > p.limits.MaxPause {
		f.count = 0
	}
	if len(p.failed) >= p.limits.Logins {
		p.forget(now)
	}
	p.failed[name] = failures{count: f.count + 1, last: now}
}

// forget makes room: old failures go first, and when all are fresh, some go (the order of a map is as good as any).
func (p *Passwords) forget(now time.Time) {
	for name, f := range p.failed {
		if now.Sub(f.last) > p.limits.MaxPause {
			delete(p.failed, name)
		}
	}
	for name := range p.failed {
		if len(p.failed) < p.limits.Logins {
			return
		}
		delete(p.failed, name)
	}
}
