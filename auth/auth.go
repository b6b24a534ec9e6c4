// Package auth knows who is asking, and what they may do.
//
// It holds the Directory, a view of logins, API keys, sessions and settings that is folded from the events of the
// broker's books; Passwords, the one place where argon2id runs; and the Sealer, under whose key second proofs (TOTP,
// passkeys, recovery codes) are kept.
//
// Units: times in nanoseconds since 1970 UTC, memory of argon2id in KiB. Invariants: secrets of keys, tokens and
// passwords are never kept, only their hashes, and secrets of second proofs only sealed; every comparison of a hash
// takes the same time wherever it differs; an unknown login costs what a wrong password costs; at most max(1,
// GOMAXPROCS-1) hashes are computed at once and a bounded number wait, so that a storm of logins cannot starve
// orders. It never changes the books: it makes the hashes, and others propose the commands.
//
// Source: RFC 9106 (argon2), RFC 6750 (bearer tokens), OWASP Password Storage Cheat Sheet (argon2id parameters), RFC
// 6238 (TOTP).
package auth

import (
	"errors"
	"fmt"
	"time"

	"evenkeel/core/trade"
)

// Via is how somebody proved who they are.
type Via uint8

// Ways of proof.
const (
	ByNothing Via = iota
	ByKey         // API key id and secret
	BySession     // token of a login
	ByHouse       // a command of the house itself: the demo's setup, a desk
)

func (v Via) String() string {
	switch v {
	case ByKey:
		return "key"
	case BySession:
		return "session"
	case ByHouse:
		return "house"
	}
	return "nothing"
}

// Principal is somebody who has proved who they are.
type Principal struct {
	Account     trade.AccountID
	Permissions trade.Permissions
	Via         Via
	Key         string   // the API key's id, when Via is ByKey
	Session     [32]byte // SHA-256 of the token, when Via is BySession
	Measures    bool     // a key of staff: it operates nothing, but may read the measures
}

// May reports whether the principal has all of the permissions.
func (p Principal) May(want trade.Permissions) bool { return p.Permissions&want == want }

// MayAny reports whether the principal has one of the permissions.
func (p Principal) MayAny(want trade.Permissions) bool { return p.Permissions&want != 0 }

// Errors of asking who somebody is. They never say which part was wrong.
var (
	// ErrNobody: no such key, secret, token or login with that password.
	ErrNobody = errors.New("not authorised: unknown credentials")
	// ErrTooManyLogins is wrapped by LaterError.
	ErrTooManyLogins = errors.New("too many logins at once")
	// ErrHash refuses an encoded password hash that is not one of ours.
	ErrHash = errors.New("not an argon2id hash within the limits")
	// ErrPasswordLength refuses a password that is shorter than MinPassword or longer than MaxPassword.
	ErrPasswordLength = fmt.Errorf("a password has %d to %d bytes", MinPassword, MaxPassword)
)

// LaterError refuses now and says when to come back.
type LaterError struct {
	After time.Duration
	Cause error
}

func (e *LaterError) Error() string { return fmt.Sprintf("%v: come back in %v", e.Cause, e.After) }

func (e *LaterError) Unwrap() error { return e.Cause }
