package replica

import (
	"encoding/binary"
	"fmt"
	"math"
)

// The payload of a log entry, all numbers little-endian:
//
//	version u8 = 1 | group u64 | time i64 | count u32 >= 1 | count times: length u32, command
//
// Nothing follows the last command, so a payload has exactly one encoding. The numbers of the layout never change; a
// new layout gets a new version.
const (
	payloadVersion  = 1
	payloadHeader   = 1 + 8 + 8 + 4
	commandOverhead = 4
)

// appendPayloadHeader appends a header whose group, time and count stampPayload fills in later.
func appendPayloadHeader(to []byte) []byte {
	var header [payloadHeader]byte
	header[0] = payloadVersion
	return append(to, header[:]...)
}

func appendCommand(to, command []byte) []byte {
	to = binary.LittleEndian.AppendUint32(to, uint32(len(command)))
	return append(to, command...)
}

func stampPayload(payload []byte, group uint64, time int64, count int) {
	binary.LittleEndian.PutUint64(payload[1:], group)
	binary.LittleEndian.PutUint64(payload[9:], uint64(time))
	binary.LittleEndian.PutUint32(payload[17:], uint32(count))
}

// decodePayload splits a payload into its commands, which alias it and are appended to into.
func decodePayload(payload []byte, into [][]byte) (group uint64, time int64, commands [][]byte, err error) {
	if len(payload) == 0 || payload[0] != payloadVersion {
		return 0, 0, nil, fmt.Errorf("entry has layout version %d, known is %d: a newer release wrote it", firstByte(payload),
			payloadVersion)
	}
	if len(payload) < payloadHeader {
		return 0, 0, nil, fmt.Errorf("entry of %d bytes is shorter than its header of %d", len(payload), payloadHeader)
	}
	group = binary.LittleEndian.Uint64(payload[1:])
	time = int64(binary.LittleEndian.Uint64(payload[9:]))
	count := binary.LittleEndian.Uint32(payload[17:])
	rest := payload[payloadHeader:]
	if count == 0 || uint64(count) > uint64(len(rest)/commandOverhead) {
		return 0, 0, nil, fmt.Errorf("entry of %d bytes says it holds %d commands", len(payload), count)
	}
	for range count {
		if len(rest) < commandOverhead {
			return 0, 0, nil, fmt.Errorf("entry ends before its %d commands do", count)
		}
		length := binary.LittleEndian.Uint32(rest)
		rest = rest[commandOverhead:]
		if uint64(length) > uint64(len(rest)) {
			return 0, 0, nil, fmt.Errorf("command of %d bytes in an entry with %d left", length, len(rest))
		}
		into = append(into, rest[:length:length])
		rest = rest[length:]
	}
	if len(rest) != 0 {
		return 0, 0, nil, fmt.Errorf("%d bytes after the last command of an entry", len(rest))
	}
	return group, time, into, nil
}

// payloadTime is the time of a payload, or the least time for an entry that is not a payload.
func payloadTime(payload []byte) int64 {
	switch version := firstByte(payload); {
	case version == payloadVersion && len(payload) >= payloadHeader:
	case version == controlVersion && len(payload) >= controlHeader:
	default:
		return math.MinInt64
	}
	return int64(binary.LittleEndian.Uint64(payload[9:]))
}

func firstByte(b []byte) byte {
	if len(b) == 0 {
		return 0
	}
	return b[0]
}
