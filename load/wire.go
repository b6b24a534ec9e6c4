package load

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// Limits of an answer.
const (
	maxHeaders = 64
	maxLine    = 8 << 10
	maxBody    = 4 << 20
)

// reply is an HTTP/1.1 answer, read into memory that the next one uses again.
type reply struct {
	status     int
	retryAfter int // seconds; -1: it does not say
	closes     bool
	chunked    bool
	length     int64 // -1: until the end of the connection
	body       []byte
}

var errReply = errors.New("not an HTTP/1.1 answer")

// readReply reads an answer to anything but HEAD. What a stream sends is read by its own reader, behind readHead.
func readReply(br *bufio.Reader, a *reply) error {
	if err := readHead(br, a); err != nil {
		return err
	}
	return a.readBody(br)
}

func readLine(br *bufio.Reader) ([]byte, error) {
	line, err := br.ReadSlice('\n')
	if err != nil {
		if errors.Is(err, bufio.ErrBufferFull) {
			return nil, fmt.Errorf("%w: a line of more than %d bytes", errReply, maxLine)
		}
		return nil, err
	}
	return bytes.TrimRight(line, "\r\n"), nil
}

// readHead reads the status and the headers that matter; informational answers are passed over.
func readHead(br *bufio.Reader, a *reply) error {
	for {
		*a = reply{retryAfter: -1, length: -1, body: a.body[:0]}
		line, err := readLine(br)
		if err != nil {
			return err
		}
		if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) || len(line) > 12 && line[12] != ' ' {
			return fmt.Errorf("%w: %.40q", errReply, line)
		}
		if a.status = digits(line[9:12]); a.status < 100 {
			return fmt.Errorf("%w: %.40q", errReply, line)
		}
		if err := a.readHeaders(br); err != nil {
			return err
		}
		if a.status >= 200 || a.status == 101 {
			return nil
		}
	}
}

func (a *reply) readHeaders(br *bufio.Reader) error {
	for range maxHeaders {
		line, err := readLine(br)
		if err != nil {
			return err
		}
		if len(line) == 0 {
			return nil
		}
		name, value, has := bytes.Cut(line, []byte(":"))
		if !has || len(name) == 0 {
			return fmt.Errorf("%w: header %.40q", errReply, line)
		}
		value = bytes.TrimSpace(value)
		switch {
		case named(name, "content-length"):
			if a.length = int64(digits(value)); a.length < 0 {
				return fmt.Errorf("%w: length %.40q", errReply, value)
			}
		case named(name, "transfer-encoding"):
			if a.chunked = named(value, "chunked"); !a.chunked {
				return fmt.Errorf("%w: encoding %.40q", errReply, value)
			}
		case named(name, "connection"):
			a.closes = a.closes || named(value, "close")
		case named(name, "retry-after"):
			a.retryAfter = digits(value)
		}
	}
	return fmt.Errorf("%w: more than %d headers", errReply, maxHeaders)
}

// named compares without regard to case; name is lower.
func named(b []byte, name string) bool {
	return len(b) == len(name) && bytes.EqualFold(b, []byte(name))
}

// digits reads a number of at most 9 digits; -1 when it is none.
func digits(b []byte) (n int) {
	if len(b) == 0 || len(b) > 9 {
		return -1
	}
	for _, d := range b {
		if d < '0' || d > '9' {
			return -1
		}
		n = 10*n + int(d-'0')
	}
	return n
}

func (a *reply) readBody(br *bufio.Reader) error {
	switch {
	case a.status == 204 || a.status == 304 || a.status == 101:
		return nil
	case a.chunked:
		for {
			n, err := chunkSize(br)
			if err != nil {
				return err
			}
			if n == 0 {
				return a.trailer(br)
			}
			if err := a.take(br, n); err != nil {
				return err
			}
			if line, err := readLine(br); err != nil || len(line) > 0 {
				return errors.Join(errReply, err)
			}
		}
	case a.length >= 0:
		return a.take(br, a.length)
	}
	a.closes = true
	rest, err := io.ReadAll(io.LimitReader(br, maxBody))
	a.body = append(a.body, rest...)
	return err
}

func (a *reply) trailer(br *bufio.Reader) error {
	for range maxHeaders {
		line, err := readLine(br)
		if err != nil || len(line) == 0 {
			return err
		}
	}
	return errReply
}

// chunkSize reads the line before a chunk.
func chunkSize(br *bufio.Reader) (int64, error) {
	line, err := readLine(br)
	if err != nil {
		return 0, err
	}
	text, _, _ := bytes.Cut(line, []byte(";"))
	n, err := strconv.ParseUint(string(bytes.TrimSpace(text)), 16, 31)
	if err != nil {
		return 0, fmt.Errorf("%w: chunk %.40q", errReply, line)
	}
	return int64(n), nil
}

// take reads n bytes of a body.
func (a *reply) take(br *bufio.Reader, n int64) error {
	at := len(a.body)
	if n > maxBody || int64(at)+n > maxBody {
		return fmt.Errorf("%w: a body of more than %d bytes", errReply, maxBody)
	}
	for cap(a.body) < at+int(n) {
		a.body = append(a.body[:cap(a.body)], 0)
	}
	a.body = a.body[:at+int(n)]
	_, err := io.ReadFull(br, a.body[at:])
	return err
}

// member finds a text member of a JSON object without reading the rest: the first of that name, unescaped. It is for
// answers whose form a sample is held to in full.
func member(body []byte, name string) []byte {
	for rest := body; ; {
		at := bytes.Index(rest, []byte(name))
		if at < 1 {
			return nil
		}
		end := at + len(name)
		if rest[at-1] == '"' && end+2 < len(rest) && rest[end] == '"' && rest[end+1] == ':' && rest[end+2] == '"' {
			value := rest[end+3:]
			if stop := bytes.IndexByte(value, '"'); stop >= 0 {
				return value[:stop]
			}
			return nil
		}
		rest = rest[end:]
	}
}
