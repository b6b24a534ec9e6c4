package auth

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"evenkeel/core/trade"
)

// The codes of RFC 6238, appendix B, for SHA-1: the last six of the eight digits.
func TestTOTPOfTheStandard(t *testing.T) {
	secret := letters.EncodeToString([]byte("12345678901234567890"))
	for at, code := range map[int64]string{59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924",
		2000000000: "279037"} {
		period, ok := MatchTOTP(secret, code, time.Unix(at, 0))
		if !ok || period != uint64(at/30) {
			t.Errorf("at %d %s: %v %v", at, code, period, ok)
		}
		for _, off := range []int64{-90, 90} {
			if _, ok := MatchTOTP(secret, code, time.Unix(at+off, 0)); ok && at > 90 {
				t.Errorf("%s holds %d s later", code, off)
			}
		}
	}
}

func TestSeal(t *testing.T) {
	s, other := NewSealer(NewSealKey()), NewSealer(NewSealKey())
	sealed := s.Seal("a", []byte("secret"))
	if text, err := s.Open("a", sealed); err != nil || string(text) != "secret" {
		t.Errorf("%q %v", text, err)
	}
	broken := append([]byte{}, sealed...)
	broken[len(broken)-1] ^= 1
	for what, open := range map[string]func() ([]byte, error){
		"another purpose": func() ([]byte, error) { return s.Open("b", sealed) },
		"another key":     func() ([]byte, error) { return other.Open("a", sealed) },
		"a changed bit":   func() ([]byte, error) { return s.Open("a", broken) },
		"nothing":         func() ([]byte, error) { return s.Open("a", nil) },
		"no time":         func() ([]byte, error) { return s.OpenUntil("a", time.Unix(1, 0), sealed) },
	} {
		if text, err := open(); !errors.Is(err, ErrSeal) {
			t.Errorf("%s: %q %v", what, text, err)
		}
	}
	end := time.Unix(1000, 0)
	dated := s.SealUntil("a", end, []byte("x"))
	if text, err := s.OpenUntil("a", end.Add(-1), dated); err != nil || string(text) != "x" {
		t.Errorf("%q %v", text, err)
	}
	if _, err := s.OpenUntil("a", end, dated); !errors.Is(err, ErrSeal) {
		t.Errorf("over, and it opens: %v", err)
	}
	if s.Derive("x", []byte("ab"), []byte("c")) == s.Derive("x", []byte("a"), []byte("bc")) {
		t.Error("parts run together")
	}
}

func TestProve(t *testing.T) {
	s, now := NewSealer(NewSealKey()), time.Unix(1_000_000_000, 0)
	secret := letters.EncodeToString([]byte("12345678901234567890"))
	codes, kept := NewRecovery()
	p := Proofs{TOTP: s.KeepTOTP(7, secret), Recovery: kept}
	document, err := json.Marshal(p)
	if err != nil || strings.Contains(string(document), secret) {
		t.Fatalf("%s %v", document, err)
	}
	if p, err = ReadProofs(document); err != nil || !p.Asked() || len(p.Recovery) != 10 {
		t.Fatalf("%+v %v", p, err)
	}
	if _, err := ReadProofs([]byte("{")); err == nil {
		t.Error("a damaged document is no proofs")
	}
	seen := map[string]bool{}
	for at := range int64(4) { // each period has its own
		now := now.Add(time.Duration(at) * totpPeriod)
		u, err := s.Prove(7, &p, codeAt(secret, now), now)
		if err != nil || seen[u.Once] || u.Recovery != nil {
			t.Errorf("%+v %v", u, err)
		}
		seen[u.Once] = true
	}
	first, _ := s.Prove(7, &p, codeAt(secret, now), now)
	later, err := s.Prove(7, &p, codeAt(secret, now), now.Add(totpPeriod))
	if err != nil || first.Once != later.Once {
		t.Error("the same code opens two logins")
	}
	if _, err := s.Prove(8, &p, codeAt(secret, now), now); !errors.Is(err, ErrSeal) {
		t.Errorf("proofs of one account are good for another: %v", err)
	}
	for _, wrong := range []string{"", "000000", "12345", codes[0][1:], "aaaa-aaaa-aaaa-aaaa"} {
		if _, err := s.Prove(7, &p, wrong, now); !errors.Is(err, ErrNobody) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	u, err := s.Prove(7, &p, strings.ToUpper(strings.ReplaceAll(codes[3], "-", " ")), now)
	if err != nil || u.Recovery == nil {
		t.Fatalf("%+v %v", u, err)
	}
	p.Without(u.Recovery)
	if _, err := s.Prove(7, &p, codes[3], now); !errors.Is(err, ErrNobody) || len(p.Recovery) != 9 {
		t.Errorf("a recovery code is good twice: %v", err)
	}
}

func codeAt(secret string, now time.Time) string {
	code, _ := CodeTOTP(secret, now)
	return code
}

func TestGuess(t *testing.T) {
	now := time.Unix(1000, 0)
	p := NewPasswords(Limits{Free: 3, Pause: 10 * time.Second}, cheap, func() time.Time { return now })
	wrong := func() error { return ErrNobody }
	for range 3 {
		if err := p.Guess(1, wrong); !errors.Is(err, ErrNobody) {
			t.Error(err)
		}
	}
	var later *LaterError
	if err := p.Guess(1, func() error { return nil }); !errors.As(err, &later) {
		t.Errorf("guessed on without a pause: %v", err)
	}
	if err := p.Guess(2, func() error { return nil }); err != nil {
		t.Errorf("another account is paused with it: %v", err)
	}
	now = now.Add(11 * time.Second)
	if err := p.Guess(1, func() error { return nil }); err != nil {
		t.Error(err)
	}
}

// A key never operates, whatever its account may; it reads the measures.
func TestKeysDoNotOperate(t *testing.T) {
	d := NewDirectory()
	id, secret, hash := NewKey()
	d.Fold([]trade.Event{{Kind: trade.AccountOpened, Account: 1, Credential: trade.Credential{Login: []byte("staff"),
		Permissions: trade.MayOperate | trade.MayRead}}, {Kind: trade.KeyAdded, Account: 1,
		Credential: trade.Credential{KeyID: []byte(id), Hash: hash, Permissions: trade.MayOperate | trade.MayRead}}})
	who, err := d.ByKey(id, secret)
	if err != nil || who.May(trade.MayOperate) || !who.May(trade.MayRead) || !who.Measures {
		t.Errorf("%+v %v", who, err)
	}
}
