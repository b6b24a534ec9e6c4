package szse

import (
	"io"
)

// ReadBuffer is the size of a Reader's buffer: it holds at least one longest frame, and many usual ones.
const ReadBuffer = 64 << 10

// Reader takes frames from a byte stream. It reads ahead, into one buffer that it keeps.
type Reader struct {
	source     io.Reader
	buffer     []byte
	start, end int // what was read and not yet returned
}

// NewReader returns a reader of source.
func NewReader(source io.Reader) *Reader {
	return &Reader{source: source, buffer: make([]byte, ReadBuffer)}
}

// Next returns the next frame. Its body is valid until the following call. Errors: io.EOF when the stream ended
// between two frames, io.ErrUnexpectedEOF when it ended within one, TooLongError, ChecksumError, or the source's own.
// After TooLongError or ChecksumError the place of the next frame is unknown: the connection is of no more use.
func (r *Reader) Next() (Frame, error) {
	for {
		frame, size, err := ParseFrame(r.buffer[r.start:r.end])
		if err != nil {
			return Frame{}, err
		}
		if size > 0 {
			r.start += size
			return frame, nil
		}
		if err := r.fill(); err != nil {
			return Frame{}, err
		}
	}
}

// Buffered reports whether Next would return, a frame or an error, without reading from the source.
func (r *Reader) Buffered() bool {
	_, size, err := ParseFrame(r.buffer[r.start:r.end])
	return size > 0 || err != nil
}

// fill reads more, after it made room by moving what is left to the front.
func (r *Reader) fill() error {
	if r.start > 0 {
		r.end = copy(r.buffer, r.buffer[r.start:r.end])
		r.start = 0
	}
	const mostEmptyReads = 100 // a source that returns nothing so often is broken
	for range mostEmptyReads {
		n, err := r.source.Read(r.buffer[r.end:])
		r.end += n
		switch {
		case n > 0:
			return nil // the error, if any, comes again with the next read
		case err == io.EOF && r.end > 0:
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		}
	}
	return io.ErrNoProgress
}

// WriteBuffer is how many bytes a Writer collects before it writes them by itself.
const WriteBuffer = 32 << 10

// Writer collects frames and writes them together.
type Writer struct {
	to     io.Writer
	buffer []byte
	err    error
}

// NewWriter returns a writer to to.
func NewWriter(to io.Writer) *Writer {
	return &Writer{to: to, buffer: make([]byte, 0, WriteBuffer+MaxFrame)}
}

// Queue adds a message; it writes when WriteBuffer bytes have been collected. The first error of the underlying writer
// is returned by this and every later call.
func (w *Writer) Queue(m Message) error {
	if w.err != nil {
		return w.err
	}
	w.buffer = m.Append(w.buffer)
	if len(w.buffer) >= WriteBuffer {
		return w.Flush()
	}
	return nil
}

// Queued is how many bytes wait for Flush.
func (w *Writer) Queued() int { return len(w.buffer) }

// Flush writes what was collected.
func (w *Writer) Flush() error {
	if w.err != nil || len(w.buffer) == 0 {
		return w.err
	}
	_, w.err = w.to.Write(w.buffer)
	w.buffer = w.buffer[:0]
	return w.err
}

// Decoder decodes frames into messages that it keeps and uses again, one of each kind.
type Decoder struct {
	logon                 Logon
	logout                Logout
	heartbeat             Heartbeat
	businessReject        BusinessReject
	reportSynchronization ReportSynchronization
	platformStateInfo     PlatformStateInfo
	reportFinished        ReportFinished
	platformInfo          PlatformInfo
	tradingSessionStatus  TradingSessionStatus
	newOrder              NewOrder
	orderCancelRequest    OrderCancelRequest
	cancelReject          CancelReject
	executionConfirm      ExecutionConfirm
	executionReport       ExecutionReport
	securityDefinition    SecurityDefinition
	quote                 Quote
	tradeTick             TradeTick
	sessionState          SessionState
	bar                   Bar
	subscribe             Subscribe
	endOfReplay           EndOfReplay
}

// Decode returns the frame's message, valid until the next frame of the same type is decoded. Errors:
// UnknownTypeError, LengthError, FieldError.
func (d *Decoder) Decode(f Frame) (Message, error) {
	m := d.message(f.Type)
	if m == nil {
		return nil, UnknownTypeError{Type: f.Type}
	}
	if err := m.Decode(f.Body); err != nil {
		return nil, err
	}
	return m, nil
}

func (d *Decoder) message(t MsgType) Message {
	switch t {
	case TypeLogon:
		return &d.logon
	case TypeLogout:
		return &d.logout
	case TypeHeartbeat:
		return &d.heartbeat
	case TypeBusinessReject:
		return &d.businessReject
	case TypeReportSynchronization:
		return &d.reportSynchronization
	case TypePlatformStateInfo:
		return &d.platformStateInfo
	case TypeReportFinished:
		return &d.reportFinished
	case TypePlatformInfo:
		return &d.platformInfo
	case TypeTradingSessionStatus:
		return &d.tradingSessionStatus
	case TypeNewOrder:
		return &d.newOrder
	case TypeOrderCancelRequest:
		return &d.orderCancelRequest
	case TypeCancelReject:
		return &d.cancelReject
	case TypeExecutionConfirm:
		return &d.executionConfirm
	case TypeExecutionReport:
		return &d.executionReport
	}
	return d.marketMessage(t)
}

func (d *Decoder) marketMessage(t MsgType) Message {
	switch t {
	case TypeSecurityDefinition:
		return &d.securityDefinition
	case TypeQuote:
		return &d.quote
	case TypeTradeTick:
		return &d.tradeTick
	case TypeSessionState:
		return &d.sessionState
	case TypeBar:
		return &d.bar
	case TypeSubscribe:
		return &d.subscribe
	case TypeEndOfReplay:
		return &d.endOfReplay
	}
	return nil
}
