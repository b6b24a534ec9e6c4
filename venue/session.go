package venue

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"evenkeel/core/trade"
	"evenkeel/szse"
)

// Errors that end a session; Status tells the last one.
var (
	// ErrSilence: nothing came for two heartbeat intervals.
	ErrSilence = errors.New("the exchange is silent")
	// ErrLogout: the exchange ended the session, or refused the logon; the text is its own.
	ErrLogout = errors.New("the exchange logged us out")
	// ErrGap: a report is missing, or the exchange's reports are not those that the books know.
	ErrGap = errors.New("reports do not follow each other")
	// ErrProtocol: the exchange sent something that the interface does not allow.
	ErrProtocol = errors.New("the exchange broke the protocol")
	// ErrLog: the replicated log did not take what the exchange said, or may not have.
	ErrLog = errors.New("the log did not take a report")

	errLeft = errors.New("logged out")
)

// session is one connection from logon to its end. The reading goroutine owns what is not marked otherwise.
type session struct {
	link    *Link
	conn    net.Conn
	ctx     context.Context
	end     context.CancelCauseFunc
	reader  *szse.Reader
	decoder szse.Decoder
	silence time.Duration // after which the session ends

	partitions []partition
	day        trade.Day // of the books, or proposed by this session
	finishing  bool      // EndDay was proposed by this session
	proposal   proposal
	done       func(trade.Answer, error) // answers every proposal of the session

	sender sender         // owned by the sending goroutine, but for its mailbox
	others sync.WaitGroup // the sending goroutine, and what it started
}

// partition is how far the reports of one partition have come.
type partition struct {
	number   int32
	asked    int64 // the first report that was asked for
	next     int64 // the one that must come next
	finished int64 // the day's last one, -1 before the exchange named it
}

// session connects, logs on and works until something ends it. It returns how long it was logged on, and why it ended.
func (l *Link) session(parent context.Context) (lasted time.Duration, err error) {
	conn, err := l.connect(parent)
	if err != nil {
		return 0, err
	}
	ctx, end := context.WithCancelCause(parent)
	defer end(nil)
	unhook := context.AfterFunc(ctx, func() { l.hangUp(parent, conn) })
	defer func() {
		unhook()
		l.hangUp(parent, conn)
	}()
	s := &session{link: l, conn: conn, ctx: ctx, end: end, silence: LogonTimeout}
	s.reader = szse.NewReader(listener{s})
	s.done = s.answered
	s.proposal.s = s
	s.sender.open(s)
	if err := s.logon(); err != nil {
		return 0, s.cause(err)
	}
	began := time.Now()
	l.counts.connected(began)
	defer l.counts.disconnected()
	l.o.Log.Info("logged on to the exchange", "address", l.o.Address, "target", l.o.Target)
	s.others.Go(func() { end(s.sender.run()) })
	defer s.others.Wait()
	err = s.read()
	end(err)
	return time.Since(began), s.cause(err)
}

// hangUp closes the connection. When the link was stopped, what the kernel has not sent yet is thrown away: the next
// leader speaks now.
func (l *Link) hangUp(parent context.Context, conn net.Conn) {
	if parent.Err() != nil && !l.isLeaving() {
		inner := conn
		if t, ok := conn.(*tls.Conn); ok {
			inner = t.NetConn()
		}
		if t, ok := inner.(*net.TCPConn); ok {
			_ = t.SetLinger(0) // best effort: the connection may be closed already
		}
		_ = inner.Close()
		return
	}
	_ = conn.Close() // nothing is owed to a connection that is given up
}

// cause prefers the reason for which the session was ended to what reading saw because of that.
func (s *session) cause(err error) error {
	if c := context.Cause(s.ctx); c != nil && !errors.Is(c, context.Canceled) {
		return c
	}
	return err
}

func (l *Link) connect(parent context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(parent, ConnectTimeout)
	defer cancel()
	conn, err := l.o.Dial(ctx, l.o.Address)
	if err != nil {
		return nil, fmt.Errorf("connect to the exchange: %w", err)
	}
	if l.o.TLS == nil {
		return conn, nil
	}
	config := l.o.TLS.Clone()
	if config.ServerName == "" && !config.InsecureSkipVerify {
		config.ServerName, _, _ = net.SplitHostPort(l.o.Address)
	}
	secured := tls.Client(conn, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("secure the connection to the exchange: %w", err)
	}
	return secured, nil
}

// logon sends our Logon and reads the gateway's.
func (s *session) logon() error {
	o := &s.link.o
	var m szse.Logon
	copy(m.SenderCompID[:], o.Sender)
	copy(m.TargetCompID[:], o.Target)
	copy(m.Password[:], string(o.Password))
	copy(m.DefaultApplVerID[:], szse.DefaultApplVer)
	m.HeartBtInt = int32(o.Heartbeat / time.Second)
	if err := s.sender.now(&m); err != nil {
		return err
	}
	got, err := s.next()
	if err != nil {
		return err
	}
	switch m := got.(type) {
	case *szse.Logout:
		return logout(m)
	case *szse.Logon:
		if szse.Text(m.SenderCompID[:]) != o.Target || szse.Text(m.TargetCompID[:]) != o.Sender {
			return fmt.Errorf("%w: %v answers the logon of %s to %s", ErrProtocol, m, o.Sender, o.Target)
		}
		const longest = 300 // seconds; a gateway that would speak less often is broken
		if m.HeartBtInt < 1 || m.HeartBtInt > longest {
			return fmt.Errorf("%w: heartbeat of %d s, 1 to %d are possible", ErrProtocol, m.HeartBtInt, longest)
		}
		s.silence = 2 * time.Duration(m.HeartBtInt) * time.Second
		return nil
	}
	return fmt.Errorf("%w: %s came in place of Logon", ErrProtocol, got.Type())
}

func logout(m *szse.Logout) error {
	return fmt.Errorf("%w: status %d, %q", ErrLogout, m.SessionStatus, szse.Text(m.Text[:]))
}

// listener reads the connection and notices silence. Time in which the session does not read does not count.
type listener struct{ s *session }

func (l listener) Read(b []byte) (int, error) {
	if err := l.s.conn.SetReadDeadline(time.Now().Add(l.s.silence)); err != nil {
		return 0, err
	}
	n, err := l.s.conn.Read(b)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return n, fmt.Errorf("%w: nothing came for %v", ErrSilence, l.s.silence)
	}
	if n > 0 {
		l.s.link.counts.heard(time.Now())
	}
	return n, err
}

// next reads a message. Unknown ones are skipped and counted: a newer exchange may send more than we know.
func (s *session) next() (szse.Message, error) {
	for {
		frame, err := s.reader.Next()
		switch {
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			return nil, fmt.Errorf("the exchange closed the connection: %w", err)
		case err != nil:
			return nil, fmt.Errorf("read from the exchange: %w", err)
		}
		m, err := s.decoder.Decode(frame)
		if err == nil {
			return m, nil
		}
		var unknown szse.UnknownTypeError
		if !errors.As(err, &unknown) {
			return nil, fmt.Errorf("%w: %w", ErrProtocol, err)
		}
		s.link.counts.skipped.Add(1)
	}
}

// read takes messages until the session ends.
func (s *session) read() error {
	s.day, _ = s.link.o.Outbox.Day()
	if err := s.refuseAgain(); err != nil {
		return err
	}
	for {
		m, err := s.next()
		if err != nil {
			return err
		}
		if err := s.take(m); err != nil {
			return err
		}
	}
}

func (s *session) take(m szse.Message) error {
	switch m := m.(type) {
	case szse.Report:
		return s.takeReport(m)
	case *szse.Heartbeat:
		return nil
	case *szse.BusinessReject:
		return s.takeReject(m)
	case *szse.PlatformStateInfo:
		s.sender.mail(func(b *mailbox) { b.open = m.PlatformState == szse.PlatformOpen })
		return nil
	case *szse.PlatformInfo:
		return s.takePlatform(m)
	case *szse.TradingSessionStatus:
		return s.takePhase(m)
	case *szse.ReportFinished:
		return s.takeFinished(m)
	case *szse.Logout:
		return logout(m)
	}
	return fmt.Errorf("%w: %s came within a session", ErrProtocol, m.Type())
}

// takePlatform asks for the reports of the partitions that the session has not heard of yet.
func (s *session) takePlatform(m *szse.PlatformInfo) error {
	var points []szse.SyncPoint
	for _, number := range m.Partitions {
		if number <= 0 {
			return fmt.Errorf("%w: partition %d, they count from 1", ErrProtocol, number)
		}
		if s.partition(number) != nil {
			continue
		}
		if len(s.partitions) == szse.MaxPartitions {
			return fmt.Errorf("%w: more than %d partitions", ErrProtocol, szse.MaxPartitions)
		}
		from := int64(s.link.o.Outbox.Lacking(uint32(number)))
		s.partitions = append(s.partitions, partition{number: number, asked: from, next: from, finished: -1})
		points = append(points, szse.SyncPoint{PartitionNo: number, ReportIndex: from})
	}
	s.sender.mail(func(b *mailbox) { b.points = append(b.points, points...) })
	return nil
}

func (s *session) partition(number int32) *partition {
	for i := range s.partitions {
		if s.partitions[i].number == number {
			return &s.partitions[i]
		}
	}
	return nil
}

func (s *session) takeReport(m szse.Report) error {
	h := m.Head()
	p := s.partition(h.PartitionNo)
	switch {
	case p == nil:
		return fmt.Errorf("%w: a report of partition %d, which PlatformInfo did not name", ErrProtocol, h.PartitionNo)
	case h.ReportIndex < p.next && h.ReportIndex >= p.asked:
		s.link.counts.repeated.Add(1) // came in this session already
		return nil
	case h.ReportIndex < p.asked:
		return fmt.Errorf("%w: report %d of partition %d came, and %d was asked for: has the exchange lost its history?",
			ErrGap, h.ReportIndex, h.PartitionNo, p.asked)
	case h.ReportIndex > p.next:
		return fmt.Errorf("%w: report %d of partition %d came, and %d is next", ErrGap, h.ReportIndex, h.PartitionNo,
			p.next)
	}
	r, err := report(m)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	p.next++
	s.proposal.command.Kind, s.proposal.command.Report = trade.ReportKind, r
	return s.proposal.submit()
}

// takePhase proposes a venue's phase, and before it the day when it is a new one. What came before in the session is
// applied first: StartDay lets orders expire, and a trade of yesterday must not come after that.
func (s *session) takePhase(m *szse.TradingSessionStatus) error {
	venue, phase, day, err := m.Phase()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	if day > s.day {
		if err := s.link.window.drain(s.ctx); err != nil {
			return err
		}
		s.day, s.finishing = day, false
		for i := range s.partitions {
			s.partitions[i].finished = -1
		}
		s.proposal.command.Kind, s.proposal.command.StartDay = trade.StartDayKind, trade.StartDay{Day: day}
		if err := s.proposal.submit(); err != nil {
			return err
		}
	}
	s.proposal.command.Kind = trade.SetPhaseKind
	s.proposal.command.SetPhase = trade.SetPhase{Venue: venue, Phase: phase, Day: day}
	return s.proposal.submit()
}

// takeFinished proposes the day's end when the last report of each partition was applied.
func (s *session) takeFinished(m *szse.ReportFinished) error {
	p := s.partition(m.PartitionNo)
	if p == nil {
		return fmt.Errorf("%w: the end of partition %d, which PlatformInfo did not name", ErrProtocol, m.PartitionNo)
	}
	if m.ReportIndex != p.next-1 {
		return fmt.Errorf("%w: partition %d ends with report %d, and %d was the last to come", ErrGap, m.PartitionNo,
			m.ReportIndex, p.next-1)
	}
	p.finished = m.ReportIndex
	for i := range s.partitions {
		if s.partitions[i].finished < 0 {
			return nil
		}
	}
	day, ended := s.link.o.Outbox.Day()
	if s.finishing || s.day == 0 || ended && day >= s.day {
		return nil
	}
	if err := s.link.window.drain(s.ctx); err != nil {
		return err
	}
	s.finishing = true
	s.proposal.command.Kind, s.proposal.command.EndDay = trade.EndDayKind, trade.EndDay{Day: s.day}
	return s.proposal.submit()
}
