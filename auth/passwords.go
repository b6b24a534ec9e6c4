package auth

import (
	"context"
	"errors"
	"hash/maphash"
	"runtime"
	"sync"
	"time"

	"evenkeel/core/trade"
)

// Limits of Passwords. Zero means the default.
type Limits struct {
	AtOnce  int // max(1, GOMAXPROCS-1): hashes computed at the same time
	Waiting int // 256: logins that wait for their turn; one more is refused at once
	// HashTime is the guess of what one hash takes, from which the time to come back is made: 40 ms.
	HashTime time.Duration
	Logins   int           // 65,536: login names whose failures are remembered
	Free     int           // 5: failures in a row before the first pause
	Pause    time.Duration // 1 s: the first pause, doubled with every further failure
	MaxPause time.Duration // 15 min: the longest, and how long failures are remembered
}

func (l Limits) withDefaults() Limits {
	set(&l.AtOnce, max(1, runtime.GOMAXPROCS(0)-1))
	set(&l.Waiting, 256)
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
	waiting    chan struct{}

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
	return &Passwords{
		limits: l, parameters: p, clock: clock,
		decoy:   Hash{Parameters: p, Salt: random(saltBytes), Key: random(32)}.String(),
		turns:   make(chan struct{}, l.AtOnce),
		waiting: make(chan struct{}, l.Waiting+l.AtOnce),
		seed:    maphash.MakeSeed(), failed: map[uint64]failures{},
	}
}

// turn waits for one of the few places where a hash is computed; release must be called. A full queue is refused at
// once with a LaterError.
func (p *Passwords) turn(ctx context.Context) (release func(), err error) {
	select {
	case p.waiting <- struct{}{}:
	default:
		after := time.Duration(p.limits.Waiting/p.limits.AtOnce+1) * p.limits.HashTime
		return nil, &LaterError{After: max(time.Second, after.Round(time.Second)), Cause: ErrTooManyLogins}
	}
	select {
	case p.turns <- struct{}{}:
		return func() { <-p.turns; <-p.waiting }, nil
	case <-ctx.Done():
		<-p.waiting
		return nil, ctx.Err()
	}
}

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
	h.Key = h.derive(password)
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
	return h.matches(password) && known, nil
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
