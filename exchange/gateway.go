package exchange

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	core "evenkeel/core/exchange"
	"evenkeel/core/trade"
	"evenkeel/replica"
	"evenkeel/szse"
)

// session is one broker's connection. Its reader goroutine takes requests; its writer sends reports from where the
// broker is, which makes it level-triggered: what was missed while it slept it finds by looking.
type session struct {
	server    *Server
	conn      net.Conn
	unit      Unit
	pbu       core.PBU
	heartbeat time.Duration
	news      signal
	// unanswered has a place for each request that waits for the journal, and for each refusal that waits to be sent:
	// the reader waits for one, so that neither grows without bound.
	unanswered chan struct{}
	ended      chan struct{} // closed by stop

	mu       sync.Mutex
	refusals [][]byte // encoded, waiting
	next     []uint64 // report index to send, by partition-1; nil before synchronisation
	over     error    // why the session ends
	logout   int32
}

// serveBroker holds one connection to the order gateway.
func (s *Server) serveBroker(ctx context.Context, conn net.Conn) {
	in := szse.NewReader(conn)
	b, err := s.logon(ctx, conn, in)
	if err != nil {
		s.log.Warn("logon refused", "from", conn.RemoteAddr(), "error", err)
		return
	}
	s.log.Info("broker logged on", "unit", b.unit.CompID, "from", conn.RemoteAddr())
	done := make(chan struct{})
	s.work.Go(func() {
		defer close(done)
		b.write(ctx)
		_ = conn.Close() // frees the reader
	})
	b.stop(b.read(in), szse.LogoutDone)
	<-done
	s.forget(b)
	_, why := b.why()
	s.log.Info("broker logged off", "unit", b.unit.CompID, "reason", why)
}

// forget frees the unit's place, unless a newer session has taken it.
func (s *Server) forget(b *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sessions[b.pbu] == b {
		delete(s.sessions, b.pbu)
	}
}

var errRefused = errors.New("logon refused")

// logon takes the first message, and makes the session the unit's only one: a newer one ends an older, since the older
// may be a broker that has died and does not know it.
func (s *Server) logon(ctx context.Context, conn net.Conn, in *szse.Reader) (*session, error) {
	_ = conn.SetDeadline(time.Now().Add(LogonTime))
	ending := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer ending()
	frame, err := in.Next()
	if err != nil {
		return nil, fmt.Errorf("read logon: %w", err)
	}
	var m szse.Logon
	if frame.Type != szse.TypeLogon {
		return nil, refuseLogon(conn, szse.LogoutProtocolError, "the first message is a Logon")
	}
	if err := m.Decode(frame.Body); err != nil {
		return nil, refuseLogon(conn, szse.LogoutProtocolError, err.Error())
	}
	unit, known := s.units[szse.Text(m.SenderCompID[:])]
	right := subtle.ConstantTimeCompare([]byte(unit.Password), []byte(szse.Text(m.Password[:]))) == 1
	if !known || !right {
		return nil, refuseLogon(conn, szse.LogoutWrongPassword, "unknown SenderCompID or wrong password")
	}
	if szse.Text(m.TargetCompID[:]) != CompID {
		return nil, refuseLogon(conn, szse.LogoutWrongTarget, "TargetCompID is "+CompID)
	}
	if m.HeartBtInt < HeartbeatLeast || m.HeartBtInt > HeartbeatMost {
		return nil, refuseLogon(conn, szse.LogoutProtocolError, fmt.Sprintf("HeartBtInt %d: %d to %d seconds",
			m.HeartBtInt, HeartbeatLeast, HeartbeatMost))
	}
	b := &session{server: s, conn: conn, unit: unit, heartbeat: time.Duration(m.HeartBtInt) * time.Second,
		news: newSignal(), unanswered: make(chan struct{}, MaxUnanswered), ended: make(chan struct{})}
	szse.SetText(b.pbu[:], unit.PBU)

	s.mu.Lock()
	old := s.sessions[b.pbu]
	full := old == nil && len(s.sessions) >= MaxSessions
	if !full {
		s.sessions[b.pbu] = b
	}
	s.mu.Unlock()
	if full {
		return nil, refuseLogon(conn, szse.LogoutAlreadyOn,
			fmt.Sprintf("%d sessions are open, no more are taken", MaxSessions))
	}
	if old != nil {
		old.stop(errors.New("the unit logged on again"), szse.LogoutAlreadyOn)
	}
	if err := b.welcome(&m); err != nil {
		s.forget(b)
		return nil, fmt.Errorf("answer the logon: %w", err)
	}
	return b, nil
}

// welcome answers a logon: our own, then the state and the partitions of the platform.
func (b *session) welcome(m *szse.Logon) error {
	answer := szse.Logon{HeartBtInt: m.HeartBtInt, SenderCompID: m.TargetCompID, TargetCompID: m.SenderCompID,
		DefaultApplVerID: m.DefaultApplVerID}
	frames := answer.Append(nil)
	frames = (&szse.PlatformStateInfo{PlatformID: szse.PlatformAuction, PlatformState: szse.PlatformOpen}).Append(frames)
	info := szse.PlatformInfo{PlatformID: szse.PlatformAuction}
	for p := range b.server.config.Partitions {
		info.Partitions = append(info.Partitions, int32(p+1))
	}
	if _, err := b.conn.Write(info.Append(frames)); err != nil {
		return err
	}
	return b.conn.SetDeadline(time.Time{})
}

func refuseLogon(conn net.Conn, status int32, why string) error {
	m := szse.Logout{SessionStatus: status}
	szse.ClipText(m.Text[:], why)
	_, err := conn.Write(m.Append(nil))
	return errors.Join(fmt.Errorf("%w: %s", errRefused, why), err)
}

// stop ends the session; the first reason stays. When it has returned, nothing more of the session enters the journal.
func (b *session) stop(why error, status int32) {
	b.mu.Lock()
	if b.over == nil {
		if why == nil {
			why = io.EOF
		}
		b.over, b.logout = why, status
		close(b.ended)
	}
	b.mu.Unlock()
	b.news.tell()
}

// why is why the session is over, nil while it is not.
func (b *session) why() (status int32, over error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.logout, b.over
}

// end is stop for a server that shuts down.
func (b *session) end() {
	b.stop(errors.New("the exchange shuts down"), szse.LogoutShuttingDown)
	_ = b.conn.SetWriteDeadline(time.Now().Add(LogoutTime))
}

// read takes requests until the connection ends. A request's answer comes by report; only what never reaches the books
// is refused here.
func (b *session) read(in *szse.Reader) error {
	var order szse.NewOrder
	var cancel szse.OrderCancelRequest
	var sync szse.ReportSynchronization
	for {
		if err := b.conn.SetReadDeadline(time.Now().Add(2 * b.heartbeat)); err != nil {
			return err
		}
		frame, err := in.Next()
		if err != nil {
			return err
		}
		switch frame.Type {
		case szse.TypeHeartbeat:
		case szse.TypeLogout:
			return errors.New("logged out")
		case szse.TypeReportSynchronization:
			if err = sync.Decode(frame.Body); err == nil {
				err = b.synchronise(&sync)
			}
		case szse.TypeNewOrder:
			if err = order.Decode(frame.Body); err == nil {
				b.submitOrder(&order)
			}
		case szse.TypeOrderCancelRequest:
			if err = cancel.Decode(frame.Body); err == nil {
				b.submitCancel(&cancel)
			}
		default:
			err = fmt.Errorf("message type %d is not taken by this gateway", frame.Type)
		}
		if err != nil {
			b.stop(err, szse.LogoutProtocolError)
			return err
		}
	}
}

// synchronise says from which report of each partition on the broker lacks them.
func (b *session) synchronise(m *szse.ReportSynchronization) error {
	next := make([]uint64, b.server.config.Partitions)
	for _, p := range m.Points {
		if p.PartitionNo < 1 || int(p.PartitionNo) > len(next) {
			return fmt.Errorf("partition %d: 1 to %d", p.PartitionNo, len(next))
		}
		var first, end uint64
		b.server.View(func(m *core.Machine) { first, end = m.Kept(b.pbu, uint32(p.PartitionNo)) })
		if p.ReportIndex < int64(first) || p.ReportIndex > int64(end) {
			return fmt.Errorf("partition %d report %d: kept are %d to %d", p.PartitionNo, p.ReportIndex, first, end-1)
		}
		next[p.PartitionNo-1] = uint64(p.ReportIndex)
	}
	for i, n := range next {
		if n == 0 {
			return fmt.Errorf("partition %d: no report index", i+1)
		}
	}
	b.mu.Lock()
	b.next = next
	b.mu.Unlock()
	b.news.tell()
	return nil
}

// submitOrder puts an order into the journal. The order's day is its TransactTime's.
func (b *session) submitOrder(m *szse.NewOrder) {
	var c core.NewOrder
	var err error
	fail := func(e error) {
		if err == nil {
			err = e
		}
	}
	c.PBU, c.ClOrdID, c.Account, c.Security = b.pbu, m.ClOrdID, m.AccountID, m.SecurityID
	c.Day, c.Price = m.TransactTime.Day(), m.Price
	var e error
	c.Side, e = szse.SideOf(m.Side)
	fail(e)
	c.Type, e = m.Terms().OrderType(m.OrderQty)
	fail(e)
	c.Quantity, e = m.OrderQty.Shares()
	fail(e)
	if m.SubmittingPBUID != b.pbu {
		fail(fmt.Errorf("SubmittingPBUID is %s", szse.Text(b.pbu[:])))
	}
	if err != nil {
		b.refuse(&m.OrderHead, szse.TypeNewOrder, err.Error())
		return
	}
	b.submit(&c, m.OrderHead, szse.TypeNewOrder)
}

func (b *session) submitCancel(m *szse.OrderCancelRequest) {
	if m.SubmittingPBUID != b.pbu {
		b.refuse(&m.OrderHead, szse.TypeOrderCancelRequest, "SubmittingPBUID is another's")
		return
	}
	c := core.Cancel{PBU: b.pbu, ClOrdID: m.ClOrdID, OrigClOrdID: m.OrigClOrdID, Security: m.SecurityID,
		Day: m.TransactTime.Day()}
	b.submit(&c, m.OrderHead, szse.TypeOrderCancelRequest)
}

// submit hands a request to the journal.
func (b *session) submit(c core.Command, head szse.OrderHead, kind szse.MsgType) {
	select {
	case b.unanswered <- struct{}{}:
	case <-b.ended:
		return
	}
	// Under the lock, so that a session that was ended by a newer one submits nothing after that.
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over != nil {
		return
	}
	err := b.server.group.Submit(core.AppendCommand(nil, c), func(a core.Answer, err error) {
		switch {
		case err != nil:
			// Whether it is in the journal is not known. The broker learns it by synchronisation on a new session.
			b.stop(fmt.Errorf("journal: %w", err), szse.LogoutShuttingDown)
		case a.Reason == trade.DuplicateOrder:
			b.reject(&head, kind, szse.RejectDuplicate, "the ClOrdID was used today")
		case a.Reason == trade.OrderLimitOfDay || a.Reason == trade.VenueThrottled:
			b.reject(&head, kind, szse.RejectNotOpen, "the exchange takes no more requests today")
		default:
			<-b.unanswered // a report is its answer
		}
	})
	switch {
	case errors.Is(err, replica.ErrFull):
		b.queue(&head, kind, szse.RejectThrottled, "the exchange is busy: send again later")
	case err != nil:
		b.queue(&head, kind, szse.RejectNotOpen, "the exchange takes nothing now")
	}
}

// refuse is for a request that is not submitted.
func (b *session) refuse(head *szse.OrderHead, kind szse.MsgType, why string) {
	select {
	case b.unanswered <- struct{}{}:
		b.reject(head, kind, szse.RejectUnreadable, why)
	case <-b.ended:
	}
}

// reject queues a business reject, which has the request's place in unanswered until it is sent.
func (b *session) reject(head *szse.OrderHead, kind szse.MsgType, code uint16, text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.queue(head, kind, code, text)
}

// queue is reject for who holds the lock.
func (b *session) queue(head *szse.OrderHead, kind szse.MsgType, code uint16, text string) {
	m := szse.BusinessReject{ApplID: head.ApplID, SubmittingPBUID: head.SubmittingPBUID, SecurityID: head.SecurityID,
		SecurityIDSource: head.SecurityIDSource, RefMsgType: kind, BusinessRejectRefID: head.ClOrdID,
		BusinessRejectReason: code, TransactTime: head.TransactTime}
	szse.ClipText(m.BusinessRejectText[:], text)
	b.refusals = append(b.refusals, m.Append(nil))
	b.news.tell()
}
