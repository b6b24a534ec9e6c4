package venue

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"evenkeel/core/trade"
	"evenkeel/szse"
)

// session carries one conversation over one connection: a reading goroutine gives it what comes and hands its
// proposals to the log, a writing one takes what is to go out and keeps its time.
type session struct {
	link *Link
	conn net.Conn
	talk *Conversation // under link.talk
	ctx  context.Context
	end  context.CancelCauseFunc
	done func(trade.Answer, error) // answers every proposal of the session

	proposing sync.Mutex // one hands proposals to the log at a time, so that they keep their order
}

// session connects, logs on and works until something ends it. It returns when the exchange answered the logon, and
// why it ended.
func (l *Link) session(parent context.Context) (since time.Time, err error) {
	conn, err := l.connect(parent)
	if err != nil {
		return time.Time{}, err
	}
	ctx, end := context.WithCancelCause(parent)
	defer end(nil)
	unhook := context.AfterFunc(ctx, func() { l.hangUp(parent, conn) })
	defer func() {
		unhook()
		l.hangUp(parent, conn)
	}()
	s := &session{link: l, conn: conn, ctx: ctx, end: end}
	s.done = s.answered
	l.talk.Lock()
	s.talk = l.Converse(time.Now())
	l.talk.Unlock()
	var writing sync.WaitGroup
	writing.Go(func() { end(s.write()) })
	err = s.read()
	end(err)
	writing.Wait()
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		err = cause // the reason for which it was ended, not what reading saw because of that
	}
	l.talk.Lock()
	defer l.talk.Unlock()
	s.talk.End(err)
	return s.talk.Since(), s.talk.Err()
}

// hangUp closes the connection, at once unless the link has said goodbye: TLS would wait seconds for a peer that takes
// nothing. When the link was stopped, what the kernel has not sent yet is thrown away: the next leader speaks now.
func (l *Link) hangUp(parent context.Context, conn net.Conn) {
	if l.isLeaving() {
		_ = conn.Close() // nothing is owed to a connection that is given up
		return
	}
	if secured, is := conn.(*tls.Conn); is {
		conn = secured.NetConn()
	}
	if t, is := conn.(*net.TCPConn); is && parent.Err() != nil {
		_ = t.SetLinger(0) // best effort: the connection may be closed already
	}
	_ = conn.Close()
}

func (l *Link) connect(parent context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(parent, ConnectTimeout)
	defer cancel()
	conn, err := l.o.Dial(ctx, l.o.Address)
	if err != nil {
		return nil, fmt.Errorf("connect to the exchange: %w", err)
	}
	return secure(ctx, conn, l.o.Address, l.o.TLS)
}

// tell wakes who waits on a channel of capacity 1; a wake-up that is already there is enough.
func tell(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}

// read gives the conversation what comes until the session ends. While the log does not keep up, it does not read: the
// exchange waits on TCP.
func (s *session) read() error {
	buffer := make([]byte, szse.ReadBuffer)
	start, end := 0, 0
	for {
		used, room, err := s.receive(buffer[start:end])
		if err != nil {
			return err
		}
		start += used
		full, err := s.propose()
		switch {
		case err != nil:
			return err
		case full || !room:
			if err := s.waitForLog(full); err != nil {
				return err
			}
			continue
		case used > 0 && start < end:
			continue // a piece was taken, the next may be whole too
		}
		end = copy(buffer, buffer[start:end])
		start = 0
		n, err := s.conn.Read(buffer[end:])
		end += n
		switch {
		case n > 0: // an error comes again with the next read
		case errors.Is(err, io.EOF) && end > 0:
			return fmt.Errorf("the exchange closed the connection: %w", io.ErrUnexpectedEOF)
		case errors.Is(err, io.EOF):
			return fmt.Errorf("the exchange closed the connection: %w", err)
		case err != nil:
			return fmt.Errorf("read from the exchange: %w", err)
		}
	}
}

func (s *session) receive(b []byte) (used int, room bool, err error) {
	s.link.talk.Lock()
	used, err = s.talk.Receive(time.Now(), b)
	room = s.talk.Room()
	s.link.waits = !room
	stirred := s.talk.stirred()
	s.link.talk.Unlock()
	if stirred {
		tell(s.link.speak)
	}
	return used, room, err
}

// waitForLog returns when something was answered, or after FullPause when the log was full: others fill it too.
func (s *session) waitForLog(full bool) error {
	var pause <-chan time.Time
	if full {
		timer := time.NewTimer(FullPause)
		defer timer.Stop()
		pause = timer.C
	}
	select {
	case <-s.ctx.Done():
		return context.Cause(s.ctx)
	case <-s.link.listen:
	case <-pause:
	}
	return nil
}

// propose hands the log what waits for it, and reports whether the log was full.
func (s *session) propose() (full bool, err error) {
	s.proposing.Lock()
	defer s.proposing.Unlock()
	l := s.link
	l.talk.Lock()
	defer l.talk.Unlock()
	for s.ctx.Err() == nil {
		command := s.talk.Proposal()
		if command == nil {
			return false, s.talk.Err()
		}
		l.talk.Unlock() // the answer may come before Submit returns
		err := l.o.Proposer.Submit(command, s.done)
		l.talk.Lock()
		s.talk.Given(err == nil)
		switch {
		case err == nil:
		case l.o.Full != nil && errors.Is(err, l.o.Full):
			l.counts.full.Add(1)
			l.waits = true
			return true, nil
		default:
			err = fmt.Errorf("%w: %w", ErrLog, err)
			s.talk.End(err)
			return false, err
		}
	}
	return false, context.Cause(s.ctx)
}

// answered hears what the books made of a command. It runs on the log's goroutine.
func (s *session) answered(a trade.Answer, err error) {
	s.link.talk.Lock()
	s.talk.Answered(a, err)
	why, waits, stirred := s.talk.Err(), s.link.waits, s.talk.stirred()
	s.link.waits = false
	s.link.talk.Unlock()
	if why != nil {
		s.end(why)
	}
	if waits { // perhaps a later session, whose window this answer makes room in
		tell(s.link.listen)
	}
	if stirred {
		tell(s.link.speak)
	}
}

// write sends what is to be sent until the session ends.
func (s *session) write() error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	leaving := s.link.leaving
	var out []byte
	for s.ctx.Err() == nil {
		more, pause, err := s.speak(&out)
		switch {
		case err != nil:
			return err
		case more:
			continue
		}
		timer.Reset(pause)
		select {
		case <-s.ctx.Done():
		case <-leaving:
			leaving = nil // said once
			s.link.talk.Lock()
			s.talk.Leave()
			s.link.talk.Unlock()
		case <-s.link.speak:
		case <-s.link.o.Outbox.Changed():
		case <-timer.C:
		}
	}
	return nil
}

// speak writes a piece of what is to be written; when there is none it says how long to pause.
func (s *session) speak(out *[]byte) (more bool, pause time.Duration, err error) {
	l, now := s.link, time.Now()
	l.talk.Lock()
	if err := s.talk.Tick(now); err != nil {
		l.talk.Unlock()
		return false, 0, err
	}
	*out = s.talk.Output(now, (*out)[:0])
	pause = s.talk.NextTimer(now).Sub(now)
	refused := s.talk.queue.waiting()
	limit, err := s.talk.silence, s.talk.Err()
	l.talk.Unlock()
	if err == nil && len(*out) > 0 {
		if err = s.conn.SetWriteDeadline(now.Add(limit)); err == nil {
			_, err = s.conn.Write(*out)
		}
		if err != nil {
			err = fmt.Errorf("write to the exchange: %w", err)
		}
	}
	if err == nil && refused { // what cannot be said
		var full bool
		if full, err = s.propose(); full {
			pause = min(pause, FullPause)
		}
	}
	return len(*out) > 0, max(pause, 0), err
}
