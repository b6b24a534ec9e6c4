package api

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"evenkeel/feed"
)

// streamBuffer is what is kept for each direction of an open WebSocket, in bytes: a client says little, and frames of
// the market go out as they are.
const streamBuffer = 1 << 10

// streamConn is the connection below a WebSocket. A prepared frame goes around the library, in one write; the
// library's own frames that may come between are small enough to be one write too.
type streamConn struct {
	net.Conn
	writing sync.Mutex
}

// Write writes the library's bytes.
func (c *streamConn) Write(b []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	return c.Conn.Write(b)
}

// prepared writes a whole frame, within a time. After an error the connection is of no use.
func (c *streamConn) prepared(frame []byte, within time.Duration) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	err := c.SetWriteDeadline(time.Now().Add(within))
	if err == nil {
		_, err = c.Conn.Write(frame)
	}
	return errors.Join(err, c.SetWriteDeadline(time.Time{}))
}

// hijacker gives the WebSocket library a connection of ours.
type hijacker struct {
	http.ResponseWriter
	conn *streamConn
}

// Hijack implements http.Hijacker.
func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	raw, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, fmt.Errorf("taking the connection over: %w", err)
	}
	h.conn = &streamConn{Conn: raw}
	reader := rw.Reader
	if reader.Buffered() == 0 { // else it has what the client said too early
		reader = bufio.NewReaderSize(h.conn, streamBuffer)
	}
	return h.conn, bufio.NewReadWriter(reader, bufio.NewWriterSize(h.conn, streamBuffer)), nil
}

// longestHeader is the longest header of a WebSocket's frame that is not masked.
const longestHeader = 10

// frameOf makes a WebSocket's frame, not masked and not compressed, of a payload that stands longestHeader bytes
// behind the beginning of b (RFC 6455, 5.2).
func frameOf(b []byte, binaryFrame bool) []byte {
	opcode := byte(0x81) // the last of a text message
	if binaryFrame {
		opcode = 0x82
	}
	n := len(b) - longestHeader
	header := make([]byte, 0, longestHeader)
	switch {
	case n < 126:
		header = append(header, opcode, byte(n))
	case n <= math.MaxUint16:
		header = binary.BigEndian.AppendUint16(append(header, opcode, 126), uint16(n))
	default:
		header = binary.BigEndian.AppendUint64(append(header, opcode, 127), uint64(n))
	}
	b = b[longestHeader-len(header):]
	copy(b, header)
	return b
}

// The two encodings of an update that all streams share.
const (
	jsonUpdate = iota
	packedUpdate
)

// manner is how a client wants its market data.
type manner struct {
	packed bool
	places bool          // each frame ends with its place, to come back to
	every  time.Duration // 0: every update; else the latest of each security, once in so long
}

// form is how listeners share frames of a manner.
func (v manner) form() feed.Form {
	name := "json"
	if v.packed {
		name = "msgpack"
	}
	if v.places {
		name += " with places"
	}
	return feed.Form{Name: name, Every: v.every, Most: frameMessages, Encode: v.encode}
}

func (v manner) encode(updates []*feed.Update, place feed.Place) []byte {
	rows := make([][]byte, len(updates))
	n := longestHeader + 64
	for i, u := range updates {
		rows[i] = updateBytes(u, v.packed)
		n += len(rows[i]) + 1
	}
	w := wire{packed: v.packed, b: make([]byte, longestHeader, n)}
	placed := v.places && place.Number != 0
	count := len(rows)
	if placed {
		count++
	}
	w.array(count)
	for i, row := range rows {
		w.element(i)
		w.b = append(w.b, row...)
	}
	if placed {
		w.element(len(rows))
		writePlace(&w, place)
	}
	w.endArray()
	return frameOf(w.b, v.packed)
}

// updateBytes is one message of the data stream, encoded once for everybody.
func updateBytes(u *feed.Update, packed bool) []byte {
	which := jsonUpdate
	if packed {
		which = packedUpdate
	}
	return u.Form(which, func(u *feed.Update) []byte {
		w := wire{packed: packed, b: make([]byte, 0, 192)}
		writeUpdate(&w, u)
		return w.b
	})
}

func writePlace(w *wire, p feed.Place) {
	w.object(2)
	w.member("T", "place")
	w.member("place", placeText(p))
	w.endObject()
}

// placeText is a place as clients are told it, and say it when they come back.
func placeText(p feed.Place) string { return fmt.Sprintf("%016x-%d", p.Epoch, p.Number) }

func readPlace(text string) (p feed.Place, err error) {
	epoch, number, found := strings.Cut(text, "-")
	if !found || len(epoch) != 16 {
		return p, fmt.Errorf("%.40q is not a place, as the stream tells it", text)
	}
	if p.Epoch, err = strconv.ParseUint(epoch, 16, 64); err == nil {
		p.Number, err = strconv.ParseUint(number, 10, 64)
	}
	if err == nil && placeText(p) != text {
		err = fmt.Errorf("%.40q is not written as the stream writes it", text)
	}
	return p, err
}

// late reports whether a write ran out of time.
func late(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
