package width

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// maxFrame bounds a frame, in bytes.
const maxFrame = 1 << 22

// opcodes of frames (RFC 6455, 5.2).
const (
	opContinuation = 0
	opText         = 1
	opBinary       = 2
	opClose        = 8
	opPing         = 9
	opPong         = 10
)

var errMasked = errors.New("a server's frame is masked")

// frames calls each with every whole frame of b, and returns how many bytes those were: what is behind them is the
// beginning of a frame that has not come yet. Frames of a server are not masked; compression was not asked for.
func frames(b []byte, each func(opcode byte, payload []byte) error) (done int, err error) {
	for {
		rest := b[done:]
		if len(rest) < 2 {
			return done, nil
		}
		opcode, n, header := rest[0]&15, uint64(rest[1]&127), 2
		switch {
		case rest[1] >= 128:
			return done, errMasked
		case rest[0]&0x70 != 0:
			return done, fmt.Errorf("a frame's first byte is %#x", rest[0])
		case n == 126:
			if header = 4; len(rest) < header {
				return done, nil
			}
			n = uint64(binary.BigEndian.Uint16(rest[2:]))
		case n == 127:
			if header = 10; len(rest) < header {
				return done, nil
			}
			n = binary.BigEndian.Uint64(rest[2:])
		}
		if n > maxFrame {
			return done, fmt.Errorf("a frame of %d bytes, at most %d are taken", n, maxFrame)
		}
		end := header + int(n)
		if len(rest) < end {
			return done, nil
		}
		if err := each(opcode, rest[header:end]); err != nil {
			return done, err
		}
		done += end
	}
}

// masked is a client's frame.
func masked(opcode byte, payload []byte) []byte {
	b := []byte{0x80 | opcode}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	default:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(min(n, 1<<16-1))) //nolint:gosec // bounded
	}
	b = append(b, 0, 0, 0, 0) // a mask of zeroes, which changes nothing
	return append(b, payload...)
}
