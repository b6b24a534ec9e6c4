// Package szse speaks the exchange's binary order gateway: frames and fields, both directions.
//
// Everything on the wire is big-endian. A frame is MsgType uint32, BodyLength uint32, the body, and Checksum uint32:
// the sum of all bytes before it, modulo 256.
//
// Units of the order messages are the exchange's: prices count 1/10,000 CNY (money.Price as it is), quantities 1/100
// of a share (Qty), times are YYYYMMDDHHMMSSsss in Shanghai (Timestamp). Units of the market data messages are the
// house's: whole shares, 1/10,000 CNY, nanoseconds since 1970 UTC.
//
// Text is ASCII, left-aligned, padded with spaces. A decoder accepts printable characters only, and no text that
// starts with a space unless it is all spaces. An encoder writes a zero byte as a space, so that an unset field, and a
// field filled with copy, are valid.
//
// Invariants: what a decoder accepts, its encoder writes back byte for byte. A decoder is strict: a body is exactly as
// long as its layout, counts are bounded, and nothing panics whatever came. Reading and writing messages allocates
// nothing in steady state.
//
// The package never decides whether an order is allowed, never prints a password, and knows no connection.
//
// A session of ours is a little stricter than the public description where recovery needs it. After its Logon the
// gateway sends PlatformStateInfo and PlatformInfo; it sends TradingSessionStatus of each venue only after
// ReportSynchronization came and everything that it asked for was sent, and again at every change, in its place
// between the reports. So whoever reads "a new day" has read all reports of the old one. ReportFinished of each
// partition follows the last report of a day, and is sent again to who logs on before the next day begins. A
// synchronisation point beyond the gateway's last report + 1 is answered with Logout: the two do not know the same
// history. A new Logon of a unit ends its older session.
//
// Sources: the layouts of order entry are those that public codecs of the exchange's binary trading interface carry;
// values that were not seen in one stand in values.go and nowhere else, so that they are easy to change. The market
// data and reference messages (market.go) are our own layouts and numbers: the public codecs cover order entry only,
// and the simulated exchange publishes these on a second port in the same frames.
package szse

import (
	"encoding/binary"
	"fmt"
)

// Limits of a frame.
const (
	// HeadSize is the size of MsgType and BodyLength.
	HeadSize = 8
	// TailSize is the size of the checksum.
	TailSize = 4
	// MaxBody is the longest body, in bytes, that a reader takes: the longest message there is (ReportSynchronization
	// of MaxPartitions) with room to spare. A longer one is refused before it is read.
	MaxBody = 16 << 10
	// MaxFrame is the longest frame.
	MaxFrame = HeadSize + MaxBody + TailSize
	// MaxPartitions is how many partitions one PlatformInfo or ReportSynchronization may name.
	MaxPartitions = 1024
)

// MsgType is the number of a message.
type MsgType uint32

// Message numbers of the exchange.
const (
	TypeLogon                 MsgType = 1
	TypeLogout                MsgType = 2
	TypeHeartbeat             MsgType = 3
	TypeBusinessReject        MsgType = 4
	TypeReportSynchronization MsgType = 5
	TypePlatformStateInfo     MsgType = 6
	TypeReportFinished        MsgType = 7
	TypePlatformInfo          MsgType = 9
	TypeTradingSessionStatus  MsgType = 10
	TypeNewOrder              MsgType = 100101
	TypeOrderCancelRequest    MsgType = 190007
	TypeCancelReject          MsgType = 290008
	TypeExecutionConfirm      MsgType = 200102
	TypeExecutionReport       MsgType = 200115
)

// Message numbers of our own market data port.
const (
	TypeSecurityDefinition MsgType = 910001
	TypeQuote              MsgType = 910002
	TypeTradeTick          MsgType = 910003
	TypeSessionState       MsgType = 910004
	TypeBar                MsgType = 910005
	TypeSubscribe          MsgType = 910006
	TypeEndOfReplay        MsgType = 910007
)

// String names the message, or gives its number.
func (t MsgType) String() string {
	if l, ok := layoutOf(t); ok {
		return l.name
	}
	return fmt.Sprintf("MsgType %d", uint32(t))
}

// layout is the name of a message and the size of its body; variable sizes start at the size with no entries.
type layout struct {
	kind     MsgType
	name     string
	size     int
	variable bool
}

// layouts are all messages that the package knows.
var layouts = [...]layout{
	{TypeLogon, "Logon", 92, false},
	{TypeLogout, "Logout", 204, false},
	{TypeHeartbeat, "Heartbeat", 0, false},
	{TypeBusinessReject, "BusinessReject", 103, false},
	{TypeReportSynchronization, "ReportSynchronization", 4, true},
	{TypePlatformStateInfo, "PlatformStateInfo", 4, false},
	{TypeReportFinished, "ReportFinished", 14, false},
	{TypePlatformInfo, "PlatformInfo", 6, true},
	{TypeTradingSessionStatus, "TradingSessionStatus", 42, false},
	{TypeNewOrder, "NewOrder", 109, false},
	{TypeOrderCancelRequest, "OrderCancelRequest", 86, false},
	{TypeCancelReject, "CancelReject", 115, false},
	{TypeExecutionConfirm, "ExecutionConfirm", 199, false},
	{TypeExecutionReport, "ExecutionReport", 163, false},
	{TypeSecurityDefinition, "SecurityDefinition", 100, false},
	{TypeQuote, "Quote", 133, true},
	{TypeTradeTick, "TradeTick", 63, false},
	{TypeSessionState, "SessionState", 30, false},
	{TypeBar, "Bar", 79, false},
	{TypeSubscribe, "Subscribe", 20, false},
	{TypeEndOfReplay, "EndOfReplay", 12, false},
}

func layoutOf(t MsgType) (layout, bool) {
	for i := range layouts {
		if layouts[i].kind == t {
			return layouts[i], true
		}
	}
	return layout{}, false
}

// Message is a message of the wire. Its pointer types are the structs of this package.
type Message interface {
	// Type is the message's number.
	Type() MsgType
	// Append appends the whole frame, checksum included.
	Append(dst []byte) []byte
	// Decode fills the message from a frame's body. On an error (LengthError, FieldError) the message is undefined.
	// Slices of the message are used again; nothing of body is kept.
	Decode(body []byte) error
}

// Frame is a message as it came: its number and body, checksum verified.
type Frame struct {
	Type MsgType
	Body []byte
}

// ParseFrame reads the frame at the start of b. It returns the frame and its whole size, or size 0 and no error when b
// does not yet hold a whole one. Errors are TooLongError and ChecksumError. The body is a part of b.
func ParseFrame(b []byte) (Frame, int, error) {
	if len(b) < HeadSize {
		return Frame{}, 0, nil
	}
	kind := MsgType(binary.BigEndian.Uint32(b))
	length := binary.BigEndian.Uint32(b[4:])
	if length > MaxBody {
		return Frame{}, 0, TooLongError{Type: kind, Length: length}
	}
	size := HeadSize + int(length) + TailSize
	if len(b) < size {
		return Frame{}, 0, nil
	}
	got := binary.BigEndian.Uint32(b[size-TailSize:])
	if want := checksum(b[:size-TailSize]); got != want {
		return Frame{}, 0, ChecksumError{Type: kind, Got: got, Want: want}
	}
	return Frame{Type: kind, Body: b[HeadSize : size-TailSize : size-TailSize]}, size, nil
}

// AppendFrame appends the frame of a body as it is.
func AppendFrame(dst []byte, f Frame) []byte {
	start := len(dst)
	dst = binary.BigEndian.AppendUint32(dst, uint32(f.Type))
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(f.Body)))
	dst = append(dst, f.Body...)
	return binary.BigEndian.AppendUint32(dst, checksum(dst[start:]))
}

func checksum(b []byte) uint32 {
	var sum uint8
	for _, c := range b {
		sum += c
	}
	return uint32(sum)
}

// TooLongError refuses a frame whose body is longer than MaxBody.
type TooLongError struct {
	Type   MsgType
	Length uint32
}

func (e TooLongError) Error() string {
	return fmt.Sprintf("frame of %s: body of %d bytes, at most %d are allowed", e.Type, e.Length, MaxBody)
}

// ChecksumError refuses a frame whose checksum is not the sum of its bytes modulo 256.
type ChecksumError struct {
	Type      MsgType
	Got, Want uint32
}

func (e ChecksumError) Error() string {
	return fmt.Sprintf("frame of %s: checksum is %d, the sum of its bytes modulo 256 is %d", e.Type, e.Got, e.Want)
}

// UnknownTypeError names a message number that the package does not know. Its frame was whole, and can be skipped.
type UnknownTypeError struct{ Type MsgType }

func (e UnknownTypeError) Error() string {
	return fmt.Sprintf("unknown message: %s", e.Type)
}

// LengthError refuses a body that is not as long as its message's layout.
type LengthError struct {
	Type      MsgType
	Got, Want int // bytes
}

func (e LengthError) Error() string {
	return fmt.Sprintf("%s: body of %d bytes, its layout has %d", e.Type, e.Got, e.Want)
}

// FieldError refuses the value of one field.
type FieldError struct {
	Type  MsgType
	Field string
	Rule  string // what would be valid
	Got   string // what came, shortened
}

func (e FieldError) Error() string {
	return fmt.Sprintf("%s.%s is %s: %s", e.Type, e.Field, e.Got, e.Rule)
}
