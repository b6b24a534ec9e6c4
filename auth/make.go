package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
)

// Sizes of what is made at random.
const (
	keyBytes    = 10 // 16 characters behind the prefix
	secretBytes = 32
	tokenBytes  = 32
	saltBytes   = 16
)

// KeyPrefix begins every API key id, so that a leaked one is recognised.
const KeyPrefix = "EK"

var letters = base32.StdEncoding.WithPadding(base32.NoPadding)

// NewKey makes an API key: the id may be shown again, the secret is shown once and only its hash is kept.
func NewKey() (id, secret string, secretHash [32]byte) {
	id = KeyPrefix + letters.EncodeToString(random(keyBytes))
	secret = base64.RawURLEncoding.EncodeToString(random(secretBytes))
	return id, secret, sha256.Sum256([]byte(secret))
}

// NewToken makes the opaque token of a session. Only its hash is kept.
func NewToken() (token string, hash [32]byte) {
	token = base64.RawURLEncoding.EncodeToString(random(tokenBytes))
	return token, HashToken(token)
}

// HashToken is what the books keep of a token or a secret: both are random and long, so one SHA-256 is enough.
func HashToken(token string) [32]byte { return sha256.Sum256([]byte(token)) }

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // crypto/rand never fails: it ends the program instead
	return b
}
