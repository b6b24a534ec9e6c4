package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"

	"evenkeel/core/trade"
)

// Names of documents. Those that begin with HousePrefix are read and written by the house alone.
const (
	HousePrefix = "auth/"
	ProofsName  = HousePrefix + "proofs" // an account's second proofs
)

// Sizes and limits of second proofs.
const (
	totpSecret    = 20 // bytes, RFC 4226 section 4
	totpPeriod    = 30 * time.Second
	totpSkew      = 1 // periods before and after, for clocks that are off (RFC 6238 section 5.2)
	recoveryCodes = 10
	recoveryBytes = 10 // 80 bits: nobody guesses one, so a plain hash is enough
)

// Proofs are an account's second proofs, as its document says them: what is asked for after the password.
type Proofs struct {
	TOTP     []byte     `json:"totp,omitempty"` // the secret, sealed for this account; empty: none
	Since    trade.Time `json:"since,omitempty"`
	Last     uint64     `json:"last,omitempty"`     // the period of the code that opened a login last
	Recovery [][]byte   `json:"recovery,omitempty"` // SHA-256 of each recovery code that was not used
	Passkeys []Passkey  `json:"passkeys,omitempty"`
	Handle   []byte     `json:"handle,omitempty"` // by which devices know the account: its number, sealed
}

// ReadProofs reads a document of proofs. No document is no proofs; one that cannot be read is an error, never "none".
func ReadProofs(document []byte) (p Proofs, err error) {
	if len(document) == 0 {
		return p, nil
	}
	if err := json.Unmarshal(document, &p); err != nil {
		return p, fmt.Errorf("second proofs: %w", err)
	}
	return p, nil
}

// Asked reports whether a login needs a second proof.
func (p *Proofs) Asked() bool { return len(p.TOTP) > 0 || len(p.Passkeys) > 0 }

// NewTOTP makes the secret of an authenticator app, in the base32 that such apps take.
func NewTOTP() string { return letters.EncodeToString(random(totpSecret)) }

// TOTPAddress is what the QR code of an enrolment says (Key URI Format of authenticator apps).
func TOTPAddress(issuer, login, secret string) string {
	v := url.Values{"secret": {secret}, "issuer": {issuer}, "algorithm": {"SHA1"}, "digits": {"6"}, "period": {"30"}}
	return "otpauth://totp/" + url.PathEscape(issuer+":"+login) + "?" + strings.ReplaceAll(v.Encode(), "+", "%20")
}

// MatchTOTP reports whether a code is right about now, and for which period. A code is never to be taken twice: that
// is the caller's matter (RFC 6238 section 5.2).
func MatchTOTP(secret, code string, now time.Time) (period uint64, ok bool) {
	at := uint64(now.Unix()) / uint64(totpPeriod/time.Second)
	for step := at - totpSkew; step <= at+totpSkew; step++ {
		want, err := codeOf(secret, step)
		if err == nil && subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 {
			period, ok = step, true
		}
	}
	return period, ok
}

// CodeTOTP is the code that an app shows at a time.
func CodeTOTP(secret string, now time.Time) (string, error) {
	return codeOf(secret, uint64(now.Unix())/uint64(totpPeriod/time.Second))
}

func codeOf(secret string, period uint64) (string, error) {
	return hotp.GenerateCodeCustom(secret, period, hotp.ValidateOpts{Digits: otp.DigitsSix,
		Algorithm: otp.AlgorithmSHA1})
}

// NewRecovery makes recovery codes, to be shown once, and what is kept of them.
func NewRecovery() (codes []string, kept [][]byte) {
	for range recoveryCodes {
		text := strings.ToLower(letters.EncodeToString(random(recoveryBytes)))
		codes = append(codes, text[:4]+"-"+text[4:8]+"-"+text[8:12]+"-"+text[12:])
		kept = append(kept, hashRecovery(text))
	}
	return codes, kept
}

// hashRecovery is what is kept of a recovery code, however it is written.
func hashRecovery(code string) []byte {
	code = strings.ToUpper(strings.NewReplacer("-", "", " ", "").Replace(code))
	raw, err := letters.DecodeString(code)
	if err != nil || len(raw) != recoveryBytes {
		return nil
	}
	sum := sha256.Sum256(raw)
	return sum[:]
}

// purposeTOTP binds a sealed secret to its account: moved to another, it opens nothing.
func purposeTOTP(id trade.AccountID) string { return fmt.Sprint("totp/", uint64(id)) }

// KeepTOTP seals a secret for an account.
func (s *Sealer) KeepTOTP(id trade.AccountID, secret string) []byte {
	return s.Seal(purposeTOTP(id), []byte(secret))
}

// Used is a proof that held. Once of them is the token of the login that it opens: the books take a token once, so
// whatever node is asked, and however often, one code opens one login.
type Used struct {
	Once     string
	Recovery []byte // what to strike off the proofs; nil: it was no recovery code
	Period   uint64 // of a code of the app; 0: it was none
}

// ErrCodeUsed refuses a code that has opened a login, or one of before it.
var ErrCodeUsed = errors.New("the code was used")

// Prove holds a code against an account's proofs: six digits of the app, or a recovery code. ErrNobody when it is
// wrong, ErrCodeUsed when it has opened a login, ErrSeal when the proofs were sealed under another key.
func (s *Sealer) Prove(id trade.AccountID, p *Proofs, code string, now time.Time) (u Used, err error) {
	account := binary.LittleEndian.AppendUint64(nil, uint64(id))
	code = strings.TrimSpace(code)
	if hash := hashRecovery(code); hash != nil {
		for _, kept := range p.Recovery {
			if subtle.ConstantTimeCompare(kept, hash) == 1 {
				u.Recovery = kept
			}
		}
		if u.Recovery == nil {
			return u, ErrNobody
		}
		return s.once(u, account, hash), nil
	}
	if len(p.TOTP) == 0 {
		return u, ErrNobody
	}
	secret, err := s.Open(purposeTOTP(id), p.TOTP)
	if err != nil {
		return u, err
	}
	period, ok := MatchTOTP(string(secret), strings.ReplaceAll(code, " ", ""), now)
	if !ok {
		return u, ErrNobody
	}
	if period <= p.Last {
		return u, ErrCodeUsed
	}
	u.Period = period
	return s.once(u, account, binary.LittleEndian.AppendUint64(nil, period)), nil
}

func (s *Sealer) once(u Used, parts ...[]byte) Used {
	token := s.Derive("one code, one login", parts...)
	u.Once = base64.RawURLEncoding.EncodeToString(token[:])
	return u
}

// Without strikes a recovery code off.
func (p *Proofs) Without(hash []byte) {
	p.Recovery = slices.DeleteFunc(p.Recovery, func(kept []byte) bool { return slices.Equal(kept, hash) })
}

// Spend notes that a proof opens a login: it opens no other, also when the books have forgotten that login's token.
func (p *Proofs) Spend(u Used) {
	p.Without(u.Recovery)
	p.Last = max(p.Last, u.Period)
}

// Guess runs a check of somebody's second proof; those that fail in a row are paused like failed passwords, so that
// six digits cannot be tried through.
func (p *Passwords) Guess(id trade.AccountID, check func() error) error {
	name := maphash.Comparable(p.seed, [2]uint64{uint64(id), 2})
	if err := p.paused(name); err != nil {
		return err
	}
	if err := check(); err != nil {
		p.fail(name)
		return err
	}
	p.mu.Lock()
	delete(p.failed, name)
	p.mu.Unlock()
	return nil
}
