package api

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"github.com/oklog/ulid/v2"

	"evenkeel/core/trade"
)

// Ids of entities are UUIDs of version 8 (RFC 9562, section 5.8) that carry the number of the books:
//
//	octet  0..2  65 76 6b ("evk")
//	octet  3     the kind
//	octet  4..5  the shard, big-endian
//	octet  6..7  80 00 (version 8)
//	octet  8..9  80 00 (variant)
//	octet 10..15 the dense number, big-endian
//
// 65766b02-0001-8000-8000-00000000002a is order 42 of shard 1. Nothing is hidden in them and nothing is gained by
// guessing one: who asks must own what it names.
type idKind byte

const (
	accountKind  idKind = 1
	orderKind    idKind = 2
	securityKind idKind = 3
)

const uuidLength = 36

// formatID returns the UUID of a number of the books: the shard in the high 16 bits, the dense number in the low 48.
func formatID(kind idKind, number uint64) string {
	var b [16]byte
	b[0], b[1], b[2], b[3] = 'e', 'v', 'k', byte(kind)
	binary.BigEndian.PutUint16(b[4:], uint16(number>>trade.ShardShift))
	b[6], b[8] = 0x80, 0x80
	var low [8]byte
	binary.BigEndian.PutUint64(low[:], number&trade.NumberMask)
	copy(b[10:], low[2:])
	return formatUUID(b)
}

func formatUUID(b [16]byte) string {
	dst := make([]byte, 0, uuidLength)
	dst = hex.AppendEncode(dst, b[0:4])
	dst = append(dst, '-')
	dst = hex.AppendEncode(dst, b[4:6])
	dst = append(dst, '-')
	dst = hex.AppendEncode(dst, b[6:8])
	dst = append(dst, '-')
	dst = hex.AppendEncode(dst, b[8:10])
	dst = append(dst, '-')
	dst = hex.AppendEncode(dst, b[10:16])
	return string(dst)
}

// parseUUID reads the one form that formatUUID writes: lower case, with hyphens.
func parseUUID(s string) (b [16]byte, ok bool) {
	if len(s) != uuidLength || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return b, false
	}
	at := 0
	for i := 0; i < len(s); i++ {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			continue
		}
		var v byte
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			v = c - '0'
		case c >= 'a' && c <= 'f':
			v = c - 'a' + 10
		default:
			return b, false
		}
		b[at/2] = b[at/2]<<4 | v
		at++
	}
	return b, true
}

// parseID reads what formatID wrote for the kind, and nothing else.
func parseID(kind idKind, s string) (number uint64, ok bool) {
	b, ok := parseUUID(s)
	if !ok {
		return 0, false
	}
	var low [8]byte
	copy(low[2:], b[10:])
	number = uint64(binary.BigEndian.Uint16(b[4:]))<<trade.ShardShift | binary.BigEndian.Uint64(low[:])
	if number&trade.NumberMask == 0 || formatID(kind, number) != s {
		return 0, false
	}
	return number, true
}

func accountID(id trade.AccountID) string   { return formatID(accountKind, uint64(id)) }
func orderID(id trade.OrderID) string       { return formatID(orderKind, uint64(id)) }
func securityID(id trade.SecurityID) string { return formatID(securityKind, uint64(id)) }

// hashedUUID is a UUID of version 8 that only names: an execution of the exchange, an event of an account.
func hashedUUID(parts ...[]byte) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write(p)
	}
	var b [16]byte
	copy(b[:], h.Sum(nil))
	b[6] = b[6]&0x0f | 0x80
	b[8] = b[8]&0x3f | 0x80
	return formatUUID(b)
}

// executionID names a fill, or the event itself where there was none; the same on every machine and at every replay.
func executionID(e *trade.Event) string {
	var n [16]byte
	binary.BigEndian.PutUint64(n[:8], uint64(e.Account))
	binary.BigEndian.PutUint64(n[8:], e.Number)
	if e.Kind != trade.OrderTraded {
		return hashedUUID([]byte("event"), n[:])
	}
	return hashedUUID([]byte("fill"), n[:], e.Trade.Execution[:])
}

// eventID is the ULID of an event: its time in milliseconds, then 48 bits of its number, then 32 bits of its account.
// Times of an account never fall and numbers rise, so the ids of an account sort as its events do.
func eventID(e *trade.Event) string {
	var id ulid.ULID
	if ms := int64(e.Time) / 1e6; ms >= 0 {
		_ = id.SetTime(uint64(ms)) // fails beyond the year 10889 only
	}
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], e.Number)
	copy(id[6:12], n[2:])
	binary.BigEndian.PutUint32(id[12:], uint32(e.Account))
	return id.String()
}

// parseEventID returns the number of an event of the account.
func parseEventID(account trade.AccountID, s string) (number uint64, err error) {
	id, err := ulid.ParseStrict(s)
	if err != nil {
		return 0, fmt.Errorf("%q is not an event id", clip(s))
	}
	if binary.BigEndian.Uint32(id[12:]) != uint32(account) {
		return 0, fmt.Errorf("%q is not an event of this account", clip(s))
	}
	var n [8]byte
	copy(n[2:], id[6:12])
	return binary.BigEndian.Uint64(n[:]), nil
}

// clip keeps a message short whatever the input was.
func clip(s string) string {
	const most = 40
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}
