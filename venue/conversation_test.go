package venue

import (
	"encoding/binary"
	"testing"
	"time"

	"evenkeel/core/trade"
	"evenkeel/szse"
)

// stepped is a conversation whose log answers in order when it is told to.
type stepped struct {
	link  *Link
	talk  *Conversation
	now   time.Time
	under int // commands that the log has
}

func newStepped(t testing.TB) *stepped {
	b := NewOutbox()
	b.Learn(&trade.Event{Kind: trade.SecurityListed,
		Security: trade.Security{ID: 1, Symbol: []byte("600519.SH"), Venue: trade.SSE}})
	for id := trade.OrderID(2); id < 40; id += 2 { // every fifth one has no form at the exchange
		b.Add(trade.Outgoing{Request: id, Order: id, Account: 7, Security: trade.SecurityID(1 + id%10/8), Side: trade.Buy,
			Type: trade.Limit, Price: 1, Quantity: 100, Day: testDay, Time: testTime})
	}
	l, err := New(Options{Address: "127.0.0.1:1", Sender: "BROKER", Target: "SZSE", Unit: "000701", Password: "secret",
		Outbox: b, Proposer: &books{}, InFlight: 5})
	if err != nil {
		t.Fatal(err)
	}
	s := &stepped{link: l, now: time.Unix(0, int64(testTime))}
	s.talk = l.Converse(s.now)
	return s
}

// settle lets the log take and answer everything, and checks that the conversation listens in the end.
func (s *stepped) settle(t testing.TB) {
	for range 1000 {
		for s.talk.Proposal() != nil {
			s.under++
			s.talk.Given(true)
		}
		s.talk.Output(s.now, nil)
		if s.under == 0 && s.talk.Proposal() == nil {
			break
		}
		if s.talk.queue.out {
			s.talk.Given(false)
			continue
		}
		s.under--
		s.talk.Answered(trade.Answer{}, nil)
	}
	if s.under > 0 || s.link.window.used > 0 {
		t.Fatalf("the log has answered all, and %d commands of %d seem to be under way", s.link.window.used, s.under)
	}
	if s.talk.Err() == nil && !s.talk.Room() {
		t.Fatal("the log has answered all, and the conversation does not listen")
	}
}

// step does what one byte says.
func (s *stepped) step(op byte, frames []byte) (rest []byte) {
	switch op % 8 {
	case 0:
		s.now = s.now.Add(time.Duration(op) * time.Millisecond)
		_ = s.talk.Tick(s.now)
	case 1:
		s.talk.Output(s.now, nil)
	case 2:
		if s.talk.Proposal() != nil {
			taken := op&16 == 0
			if taken {
				s.under++
			}
			s.talk.Given(taken)
		}
	case 3:
		if s.under > 0 {
			s.under--
			s.talk.Answered(trade.Answer{Reason: trade.Reason(op >> 3)}, nil)
		}
	case 4:
		if op&16 != 0 {
			s.talk.Leave()
		}
	default:
		used, _ := s.talk.Receive(s.now, frames)
		frames = frames[used:]
	}
	return frames
}

// FuzzConversation gives a conversation any frames, with a right checksum or not, and any order of everything else
// that may happen. It never panics, never loses count of what is under way, and never stops listening for good.
func FuzzConversation(f *testing.F) {
	hello := szse.Logon{HeartBtInt: 5}
	copy(hello.SenderCompID[:], "SZSE")
	copy(hello.TargetCompID[:], "BROKER")
	frames := hello.Append(nil)
	frames = (&szse.PlatformStateInfo{PlatformID: 1, PlatformState: szse.PlatformOpen}).Append(frames)
	frames = (&szse.PlatformInfo{PlatformID: 1, Partitions: []int32{1, 2}}).Append(frames)
	f.Add([]byte{5, 2, 3, 1}, frames, true)
	for i := range 8 {
		m := szse.ExecutionReport{ReportHead: szse.ReportHead{PartitionNo: 1, ReportIndex: int64(i + 1),
			TransactTime: 20260707_093000_000}, ClOrdID: [10]byte([]byte("0000000002")), ExecType: szse.ExecTrade, LastPx: 1,
			LastQty: 100}
		frames = m.Append(frames)
	}
	var phase szse.TradingSessionStatus
	if err := phase.SetPhase(trade.SSE, trade.Continuous, 20260707_093000_000, 0); err != nil {
		f.Fatal(err)
	}
	frames = phase.Append(frames)
	f.Add([]byte{1, 5, 1, 2, 3, 5, 2, 3, 2, 2, 5, 3, 3, 1}, frames, true)
	frames = (&szse.BusinessReject{BusinessRejectReason: szse.RejectUnreadable,
		BusinessRejectRefID: [10]byte([]byte("0000000004"))}).Append(frames)
	frames = (&szse.ReportFinished{PartitionNo: 1, ReportIndex: 8}).Append(frames)
	frames = (&szse.ReportFinished{PartitionNo: 2}).Append(frames)
	f.Add([]byte{1, 5, 1, 2, 2, 3, 3, 5, 18, 2, 3}, frames, false)
	f.Add([]byte{0}, (&szse.Logout{SessionStatus: 7}).Append(nil), false)
	f.Fuzz(func(t *testing.T, ops, frames []byte, seal bool) {
		s := newStepped(t)
		if seal {
			frames = sealed(frames)
		}
		s.talk.Output(s.now, nil)
		for _, op := range ops {
			frames = s.step(op, frames)
		}
		s.settle(t)
		_, _ = s.talk.Receive(s.now, frames)
		s.settle(t)
		s.talk.End(errUnknown)
		s.settle(t)
	})
}

// sealed gives frames a right checksum, as far as they have a length that makes sense.
func sealed(frames []byte) (whole []byte) {
	for len(frames) > szse.HeadSize+szse.TailSize {
		kind := szse.MsgType(binary.BigEndian.Uint32(frames))
		length := min(int(frames[6])<<8|int(frames[7]), len(frames)-szse.HeadSize-szse.TailSize)
		body := frames[szse.HeadSize : szse.HeadSize+length]
		whole = szse.AppendFrame(whole, szse.Frame{Type: kind, Body: body})
		frames = frames[szse.HeadSize+length+szse.TailSize:]
	}
	return whole
}

// TestEndedWhileHandedOut ends conversations at the worst moment of a proposal's way to the log: no place of the
// window is lost or freed twice.
func TestEndedWhileHandedOut(t *testing.T) {
	for _, taken := range []bool{true, false} {
		for _, answeredFirst := range []bool{true, false} {
			if answeredFirst && !taken {
				continue
			}
			s := newStepped(t)
			s.talk.stage, s.talk.began = atWork, s.now
			for range 3 {
				s.talk.queue.command.Kind = trade.EndDayKind
				if err := s.talk.propose(); err != nil {
					t.Fatal(err)
				}
			}
			s.talk.Proposal()
			if answeredFirst {
				s.talk.Answered(trade.Answer{}, errUnknown) // ends it
			} else {
				s.talk.End(errUnknown)
			}
			s.talk.Given(taken)
			if taken && !answeredFirst {
				if s.link.window.used != 1 {
					t.Errorf("%d are under way, want 1", s.link.window.used)
				}
				s.talk.Answered(trade.Answer{}, nil)
			}
			if s.link.window.used != 0 || s.talk.Proposal() != nil {
				t.Errorf("taken %v, answered first %v: %d are under way", taken, answeredFirst, s.link.window.used)
			}
		}
	}
}
