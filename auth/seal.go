package auth

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"time"
)

// SealKeySize is the size of the key under which secrets are sealed, in bytes.
const SealKeySize = 32

// ErrSeal refuses what was not sealed here, for this purpose, or is over.
var ErrSeal = errors.New("not sealed under this house's key for this purpose, or expired")

// Sealer seals what is secret and must leave the process: second proofs that are kept in the log, and the state
// between the two steps of a login, which the browser carries so that no node has to remember it. What is sealed for
// one purpose opens for no other.
//
// Source: NIST SP 800-38D (AES-GCM, random nonces of 96 bits), RFC 2104 (HMAC).
type Sealer struct {
	aead cipher.AEAD
	key  [SealKeySize]byte
}

// NewSealer returns a sealer with a key that all nodes of the house share.
func NewSealer(key [SealKeySize]byte) *Sealer {
	s := &Sealer{key: key}
	derived := s.Derive("seal")
	block, err := aes.NewCipher(derived[:])
	if err == nil {
		s.aead, err = cipher.NewGCM(block)
	}
	if err != nil {
		panic(err) // 32 bytes are a key of AES
	}
	return s
}

// NewSealKey makes a key.
func NewSealKey() (key [SealKeySize]byte) {
	copy(key[:], random(SealKeySize))
	return key
}

// Seal seals a text for a purpose.
func (s *Sealer) Seal(purpose string, text []byte) []byte {
	nonce := random(s.aead.NonceSize())
	return s.aead.Seal(nonce, nonce, text, []byte(purpose))
}

// Open opens what was sealed for a purpose; otherwise ErrSeal.
func (s *Sealer) Open(purpose string, sealed []byte) ([]byte, error) {
	n := s.aead.NonceSize()
	if len(sealed) < n {
		return nil, ErrSeal
	}
	text, err := s.aead.Open(nil, sealed[:n], sealed[n:], []byte(purpose))
	if err != nil {
		return nil, ErrSeal
	}
	return text, nil
}

// SealUntil seals a text that is over at a time.
func (s *Sealer) SealUntil(purpose string, end time.Time, text []byte) []byte {
	dated := binary.LittleEndian.AppendUint64(make([]byte, 0, 8+len(text)), uint64(end.UnixNano()))
	return s.Seal(purpose, append(dated, text...))
}

// OpenUntil opens what SealUntil sealed, unless it is over; otherwise ErrSeal.
func (s *Sealer) OpenUntil(purpose string, now time.Time, sealed []byte) ([]byte, error) {
	text, err := s.Open(purpose, sealed)
	if err != nil || len(text) < 8 || now.UnixNano() >= int64(binary.LittleEndian.Uint64(text)) {
		return nil, ErrSeal
	}
	return text[8:], nil
}

// Derive makes 32 bytes that only this house can make from the parts. The length of each part counts.
func (s *Sealer) Derive(purpose string, parts ...[]byte) (out [32]byte) {
	h := hmac.New(sha256.New, s.key[:])
	for _, part := range append([][]byte{[]byte(purpose)}, parts...) {
		h.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(part))))
		h.Write(part)
	}
	copy(out[:], h.Sum(nil))
	return out
}
