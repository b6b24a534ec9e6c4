package auth

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"

	"evenkeel/core/trade"
)

// Limits of passwords and their hashes. A hash outside them is refused and never computed: its parameters come from
// the books, and a hostile one could ask for all memory.
const (
	MinPassword = 8
	MaxPassword = 256
	MaxMemory   = 256 << 10 // KiB
	MaxPasses   = 16
	MaxThreads  = 16
	minSalt     = 8
	maxSalt     = 48
	minKey      = 16
	maxKey      = 64
)

// Parameters of argon2id.
type Parameters struct {
	Memory  uint32 // KiB
	Passes  uint32
	Threads uint8
}

// DefaultParameters are OWASP's first choice of 2024: 19 MiB, 2 passes, one thread.
var DefaultParameters = Parameters{Memory: 19 << 10, Passes: 2, Threads: 1}

func (p Parameters) valid() bool {
	return p.Threads >= 1 && p.Threads <= MaxThreads && p.Passes >= 1 && p.Passes <= MaxPasses &&
		p.Memory >= 8*uint32(p.Threads) && p.Memory <= MaxMemory
}

// Hash is an argon2id hash with all that is needed to check a password against it.
type Hash struct {
	Parameters
	Salt []byte
	Key  []byte
}

const hashPrefix = "$argon2id$v=19$"

// String encodes the hash in the usual form: $argon2id$v=19$m=19456,t=2,p=1$salt$key, base64 without padding.
func (h Hash) String() string {
	b := append(h.append(make([]byte, 0, 128)), '$')
	b = base64.RawStdEncoding.AppendEncode(b, h.Salt)
	b = append(b, '$')
	b = base64.RawStdEncoding.AppendEncode(b, h.Key)
	return string(b)
}

func (p Parameters) append(b []byte) []byte {
	b = append(b, hashPrefix+"m="...)
	b = strconv.AppendUint(b, uint64(p.Memory), 10)
	b = append(b, ",t="...)
	b = strconv.AppendUint(b, uint64(p.Passes), 10)
	b = append(b, ",p="...)
	return strconv.AppendUint(b, uint64(p.Threads), 10)
}

// ParseHash reads what String wrote, and nothing else: what it takes prints the same again. Errors wrap ErrHash.
func ParseHash(encoded string) (Hash, error) {
	if len(encoded) > trade.MaxHash {
		return Hash{}, fmt.Errorf("%w: %d bytes, at most %d", ErrHash, len(encoded), trade.MaxHash)
	}
	rest, ok := strings.CutPrefix(encoded, hashPrefix)
	if !ok {
		return Hash{}, fmt.Errorf("%w: it does not begin with %s", ErrHash, hashPrefix)
	}
	parts := strings.Split(rest, "$")
	if len(parts) != 3 {
		return Hash{}, fmt.Errorf("%w: %d parts, not 3", ErrHash, len(parts))
	}
	var h Hash
	if !parseParameters(parts[0], &h.Parameters) || !h.valid() {
		return Hash{}, fmt.Errorf("%w: its parameters are broken or above the limits", ErrHash)
	}
	var err error
	if h.Salt, err = base64.RawStdEncoding.Strict().DecodeString(parts[1]); err != nil {
		return Hash{}, fmt.Errorf("%w: its salt is not base64", ErrHash)
	}
	if h.Key, err = base64.RawStdEncoding.Strict().DecodeString(parts[2]); err != nil {
		return Hash{}, fmt.Errorf("%w: its key is not base64", ErrHash)
	}
	if len(h.Salt) < minSalt || len(h.Salt) > maxSalt || len(h.Key) < minKey || len(h.Key) > maxKey {
		return Hash{}, fmt.Errorf("%w: salt of %d and key of %d bytes", ErrHash, len(h.Salt), len(h.Key))
	}
	if h.String() != encoded { // line breaks inside base64, numbers with leading zeros
		return Hash{}, fmt.Errorf("%w: not in its one form", ErrHash)
	}
	return h, nil
}

// parseUsual is ParseHash for hashes with a salt of 16 and a key of 32 bytes, which it fills, without allocating.
// Zero parameters mean that it is not one.
func parseUsual(encoded []byte, salt *[16]byte, key *[32]byte) (p Parameters) {
	const saltText, keyText = 22, 43 // base64 without padding
	head := len(encoded) - saltText - keyText - 2
	if head < len(hashPrefix) || string(encoded[:len(hashPrefix)]) != hashPrefix || encoded[head] != '$' ||
		encoded[head+1+saltText] != '$' {
		return Parameters{}
	}
	strict := base64.RawStdEncoding.Strict()
	n, err := strict.Decode(salt[:], encoded[head+1:head+1+saltText])
	if err != nil || n != len(salt) {
		return Parameters{}
	}
	if n, err = strict.Decode(key[:], encoded[head+2+saltText:]); err != nil || n != len(key) {
		return Parameters{}
	}
	if !parseParameters(string(encoded[len(hashPrefix):head]), &p) || !p.valid() ||
		string(p.append(nil)) != string(encoded[:head]) {
		return Parameters{}
	}
	return p
}

func parseParameters(text string, p *Parameters) bool {
	values := [3]uint64{}
	for i, name := range [3]string{"m=", "t=", "p="} {
		field, rest, more := strings.Cut(text, ",")
		digits, ok := strings.CutPrefix(field, name)
		if !ok || more != (i < 2) {
			return false
		}
		text = rest
		v, err := strconv.ParseUint(digits, 10, 32)
		if err != nil {
			return false
		}
		values[i] = v
	}
	if values[2] > MaxThreads {
		return false
	}
	p.Memory, p.Passes, p.Threads = uint32(values[0]), uint32(values[1]), uint8(values[2])
	return true
}

// derive computes the key of a password. It takes the time and memory that the parameters say: only Passwords calls
// it.
func (h Hash) derive(password string) []byte {
	return argon2.IDKey([]byte(password), h.Salt, h.Passes, h.Memory, h.Threads, uint32(len(h.Key)))
}
