package peer

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"google.golang.org/protobuf/proto"

	"go.etcd.io/raft/v3/raftpb"
)

// kind is what a frame is. Numbers never change and are never used twice.
type kind uint8

const (
	helloFrame    kind = 1 // greeting: the first from the end that dials
	welcomeFrame  kind = 2 // welcome: the first from the other
	refusalFrame  kind = 3 // text: in place of a welcome
	pingFrame     kind = 4 // uint64 that comes back
	pongFrame     kind = 5 // the same
	messageFrame  kind = 6 // uint64 group, raftpb.Message
	_             kind = 7
	callFrame     kind = 8  // uint64 id, uint16 kind, body
	answerFrame   kind = 9  // uint64 id, uint8 outcome, body or text
	snapshotFrame kind = 10 // uint64 group, uint64 size, raftpb.Message
	chunkFrame    kind = 11 // bytes of a snapshot
	wholeFrame    kind = 12 // nothing: the snapshot is complete
	brokenFrame   kind = 13 // text: why the snapshot cannot be completed
	resultFrame   kind = 14 // text: why the snapshot was not installed, "" when it was
)

// Sizes of frames.
const (
	frameHeader  = 5        // length and kind
	maxFrame     = 32 << 20 // the length of any frame; an entry of the log has at most 16 MiB
	maxText      = 4096     // of a refusal or an error; more is cut
	readAhead    = 64 << 10 // frames up to this are read without a copy
	growth       = 1 << 20  // larger ones make room in such steps, so that a length alone reserves nothing
	callHeader   = 1 + 8 + 2
	answerHeader = 1 + 8 + 1
)

// outcome is what an answer holds.
type outcome uint8

const (
	answered outcome = 0 // the body
	failed   outcome = 1 // the handler's error
	refused  outcome = 2 // why the call was not given to a handler
)

// errFrame is wrapped by everything that is wrong with a frame.
var errFrame = errors.New("a frame that cannot be")

// begin starts a frame at the end of b; end, given where it began, closes it.
func begin(b []byte, k kind) []byte { return append(b, 0, 0, 0, 0, byte(k)) }

func end(b []byte, at int) []byte {
	binary.LittleEndian.PutUint32(b[at:], uint32(len(b)-at-4))
	return b
}

func appendText(b []byte, k kind, text string) []byte {
	at := len(b)
	b = begin(b, k)
	return end(append(b, text[:min(len(text), maxText)]...), at)
}

func appendMark(b []byte, k kind, mark uint64) []byte {
	at := len(b)
	return end(binary.LittleEndian.AppendUint64(begin(b, k), mark), at)
}

// appendMessage appends a message; on an error b is as it was.
func appendMessage(b []byte, group uint64, m *raftpb.Message) ([]byte, error) {
	at := len(b)
	full, err := proto.MarshalOptions{}.MarshalAppend(
		binary.LittleEndian.AppendUint64(begin(b, messageFrame), group), m)
	if err != nil {
		return b, fmt.Errorf("encode a message: %w", err)
	}
	return end(full, at), nil
}

func appendCall(b []byte, id uint64, callKind uint16, body []byte) []byte {
	at := len(b)
	b = binary.LittleEndian.AppendUint64(begin(b, callFrame), id)
	b = binary.LittleEndian.AppendUint16(b, callKind)
	return end(append(b, body...), at)
}

func appendAnswer(b []byte, id uint64, o outcome, body []byte) []byte {
	at := len(b)
	b = binary.LittleEndian.AppendUint64(begin(b, answerFrame), id)
	return end(append(append(b, byte(o)), body...), at)
}

func appendSnapshot(b []byte, group uint64, size int64, message []byte) []byte {
	at := len(b)
	b = binary.LittleEndian.AppendUint64(begin(b, snapshotFrame), group)
	return end(append(binary.LittleEndian.AppendUint64(b, uint64(size)), message...), at)
}

func appendChunk(b, chunk []byte) []byte {
	at := len(b)
	return end(append(begin(b, chunkFrame), chunk...), at)
}

// readMessage reads the fields of a messageFrame. The message shares nothing with b.
func readMessage(b []byte) (group uint64, m *raftpb.Message, err error) {
	if len(b) < 8 {
		return 0, nil, fmt.Errorf("%w: a message of %d bytes", errFrame, len(b))
	}
	m = new(raftpb.Message)
	if err := proto.Unmarshal(b[8:], m); err != nil {
		return 0, nil, fmt.Errorf("%w: a message that cannot be decoded: %w", errFrame, err)
	}
	return binary.LittleEndian.Uint64(b), m, nil
}

func readCall(b []byte) (id uint64, callKind uint16, body []byte, err error) {
	if len(b) < callHeader-1 {
		return 0, 0, nil, fmt.Errorf("%w: a call of %d bytes", errFrame, len(b))
	}
	return binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint16(b[8:]), b[10:], nil
}

func readAnswer(b []byte) (id uint64, o outcome, body []byte, err error) {
	if len(b) < answerHeader-1 || outcome(b[8]) > refused {
		return 0, 0, nil, fmt.Errorf("%w: an answer of %d bytes", errFrame, len(b))
	}
	return binary.LittleEndian.Uint64(b), outcome(b[8]), b[9:], nil
}

func readSnapshot(b []byte) (group uint64, size int64, m *raftpb.Message, err error) {
	if len(b) < 16 || int64(binary.LittleEndian.Uint64(b[8:])) < 0 {
		return 0, 0, nil, fmt.Errorf("%w: a snapshot's header of %d bytes", errFrame, len(b))
	}
	m = new(raftpb.Message)
	if err := proto.Unmarshal(b[16:], m); err != nil {
		return 0, 0, nil, fmt.Errorf("%w: a snapshot's message that cannot be decoded: %w", errFrame, err)
	}
	return binary.LittleEndian.Uint64(b), int64(binary.LittleEndian.Uint64(b[8:])), m, nil
}

func readMark(b []byte) (uint64, error) {
	if len(b) != 8 {
		return 0, fmt.Errorf("%w: a sign of life of %d bytes", errFrame, len(b))
	}
	return binary.LittleEndian.Uint64(b), nil
}

// A lane is what a connection is for. Numbers never change.
type lane uint8

const (
	messages lane = 1
	calls    lane = 2
	bulk     lane = 3
)

func (l lane) String() string {
	switch l {
	case messages:
		return "messages"
	case calls:
		return "calls"
	case bulk:
		return "bulk"
	}
	return fmt.Sprintf("lane %d", uint8(l))
}

// A greeting is the first word of the end that dials. Its form never changes: a later version adds to opaque.
type greeting struct {
	oldest, newest uint16 // versions that it speaks
	lane           lane
	from, to       uint64
	cluster        string
	opaque         []byte
}

// maxCluster is the longest cluster id on the wire.
const maxCluster = 64

func (g *greeting) appendTo(b []byte) []byte {
	at := len(b)
	b = binary.LittleEndian.AppendUint16(begin(b, helloFrame), g.oldest)
	b = append(binary.LittleEndian.AppendUint16(b, g.newest), byte(g.lane))
	b = binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(b, g.from), g.to)
	b = append(append(b, byte(len(g.cluster))), g.cluster...)
	return end(append(b, g.opaque...), at)
}

func readGreeting(b []byte) (g greeting, err error) {
	const fixed = 2 + 2 + 1 + 8 + 8 + 1
	if len(b) < fixed || b[fixed-1] > maxCluster || len(b) < fixed+int(b[fixed-1]) {
		return g, fmt.Errorf("%w: a hello of %d bytes", errFrame, len(b))
	}
	le := binary.LittleEndian
	g.oldest, g.newest, g.lane = le.Uint16(b), le.Uint16(b[2:]), lane(b[4])
	g.from, g.to = le.Uint64(b[5:]), le.Uint64(b[13:])
	rest := b[fixed:]
	g.cluster, g.opaque = string(rest[:b[fixed-1]]), slices.Clone(rest[b[fixed-1]:])
	if len(g.opaque) > MaxHello {
		return g, fmt.Errorf("%w: a hello of %d bytes", errFrame, len(b))
	}
	return g, nil
}

// A welcome is the first word of the end that was dialled: the version to speak, and who it is. Its form never
// changes.
type welcome struct {
	version uint16
	node    uint64
	opaque  []byte
}

func (w *welcome) appendTo(b []byte) []byte {
	at := len(b)
	b = binary.LittleEndian.AppendUint16(begin(b, welcomeFrame), w.version)
	return end(append(binary.LittleEndian.AppendUint64(b, w.node), w.opaque...), at)
}

func readWelcome(b []byte) (w welcome, err error) {
	if len(b) < 10 || len(b) > 10+MaxHello {
		return w, fmt.Errorf("%w: a welcome of %d bytes", errFrame, len(b))
	}
	w.version, w.node = binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint64(b[2:])
	w.opaque = slices.Clone(b[10:])
	return w, nil
}

// A frameReader takes frames off a stream.
type frameReader struct {
	in    *bufio.Reader
	large []byte // of the last frame above readAhead
	spent int    // bytes of in that the last frame aliases
}

func newFrameReader(r io.Reader) *frameReader {
	return &frameReader{in: bufio.NewReaderSize(r, readAhead)}
}

// next returns the next frame; body is valid until the call after. The end of the stream between two frames is io.EOF.
func (f *frameReader) next(limit int) (k kind, body []byte, err error) {
	if f.spent > 0 {
		_, _ = f.in.Discard(f.spent) // it was peeked, so it is there
		f.spent = 0
	}
	if cap(f.large) > growth {
		f.large = nil
	}
	head, err := f.in.Peek(frameHeader)
	if err != nil {
		if errors.Is(err, io.EOF) && len(head) > 0 {
			err = io.ErrUnexpectedEOF
		}
		return 0, nil, err
	}
	size := int(binary.LittleEndian.Uint32(head)) - 1
	k = kind(head[4])
	if size < 0 || size > limit {
		return 0, nil, fmt.Errorf("%w: kind %d of %d bytes, at most %d", errFrame, k, size, limit)
	}
	if frameHeader+size <= readAhead {
		b, err := f.in.Peek(frameHeader + size)
		if err != nil {
			return 0, nil, torn(err)
		}
		f.spent = len(b)
		return k, b[frameHeader:], nil
	}
	_, _ = f.in.Discard(frameHeader)
	f.large = f.large[:0]
	for len(f.large) < size {
		step := min(growth, size-len(f.large))
		f.large = slices.Grow(f.large, step)
		at := len(f.large)
		f.large = f.large[:at+step]
		if _, err := io.ReadFull(f.in, f.large[at:]); err != nil {
			return 0, nil, torn(err)
		}
	}
	return k, f.large, nil
}

func torn(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
