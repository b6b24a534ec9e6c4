package waiting

import (
	"crypto/hmac"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"time"
)

// Lane is one of the lines beside each other.
type Lane uint8

// Lanes.
const (
	General Lane = iota
	First        // who has open orders or positions
	Lanes
)

func (l Lane) String() string {
	if l == First {
		return "first"
	}
	return "general"
}

// Ticket is a place in a line. It says itself all that the house has to know of who waits.
type Ticket struct {
	Line  uint64    // whose numbers its place is of: each room has one of its own from each start on
	Place uint64    // in its lane, from 1
	Since time.Time // when who waits came, in milliseconds
	Until time.Time // when it is worth nothing any more, in milliseconds; every look at it puts this off
	Lane  Lane
	Name  Mark // for whom
}

// Mark stands for a login name, whether or not there is such a login: the house alone can make it.
type Mark [8]byte

// ErrTicket refuses a ticket that is not one of this house, or is over, or is not for this login.
var ErrTicket = errors.New("no ticket of this house for this login, or over")

// ErrKey says that this node cannot read tickets yet: it lacks the house's key.
var ErrKey = errors.New("this node lacks the key of tickets")

// Signer makes 32 bytes that only this house can make, for a purpose; all nodes make the same. ok is false while this
// node lacks the key.
type Signer func(purpose string, of []byte) (sum [32]byte, ok bool)

const (
	ticketSize   = 1 + 8 + 8 + 8 + 8 + 8 // lane, line, place, since, until, name
	sumSize      = 16
	purposeOf    = "waiting room ticket" // of what is signed; a new form of tickets gets a new one
	purposeNames = "waiting room name"
)

// base64 that has one text for each ticket.
var text64 = base64.RawURLEncoding.Strict()

// maxTicket is how long the text of a ticket is, in bytes.
var maxTicket = text64.EncodedLen(ticketSize + sumSize)

func (t *Ticket) plain() []byte {
	b := append(make([]byte, 0, ticketSize+sumSize), byte(t.Lane))
	b = binary.BigEndian.AppendUint64(b, t.Line)
	b = binary.BigEndian.AppendUint64(b, t.Place)
	b = binary.BigEndian.AppendUint64(b, uint64(t.Since.UnixMilli())) //nolint:gosec // after 1970
	b = binary.BigEndian.AppendUint64(b, uint64(t.Until.UnixMilli())) //nolint:gosec // after 1970
	return append(b, t.Name[:]...)
}

// text signs a ticket.
func (t *Ticket) text(sign Signer) (string, bool) {
	b := t.plain()
	sum, ok := sign(purposeOf, b)
	return text64.EncodeToString(append(b, sum[:sumSize]...)), ok
}

// parse reads a ticket that this house signed; whether it is over, and for whom it is, is for others to look at.
func parse(text string, sign Signer) (t Ticket, err error) {
	if len(text) != maxTicket {
		return t, ErrTicket
	}
	b, err := text64.DecodeString(text)
	if err != nil || len(b) != ticketSize+sumSize {
		return t, ErrTicket
	}
	sum, ok := sign(purposeOf, b[:ticketSize])
	if !ok {
		return t, ErrKey
	}
	if !hmac.Equal(sum[:sumSize], b[ticketSize:]) {
		return t, ErrTicket
	}
	at := func(i int) time.Time {
		return time.UnixMilli(int64(binary.BigEndian.Uint64(b[i:]))) //nolint:gosec // as it was signed
	}
	t = Ticket{Lane: Lane(b[0]), Line: binary.BigEndian.Uint64(b[1:]), Place: binary.BigEndian.Uint64(b[9:]),
		Since: at(17), Until: at(25), Name: Mark(b[33:ticketSize])}
	if t.Lane >= Lanes { // of a newer release: it waits like everybody
		t.Lane = General
	}
	return t, nil
}

func mark(name string, sign Signer) (m Mark, ok bool) {
	sum, ok := sign(purposeNames, []byte(name))
	copy(m[:], sum[:])
	return m, ok
}
