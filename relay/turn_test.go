package relay

import (
	"errors"
	"testing"

	"evenkeel/core/trade"
	"evenkeel/replica"
)

// A noted is a log that notes what it is given, and answers nothing by itself.
type noted struct {
	kinds []trade.CommandKind
	dones []func(trade.Answer, error)
}

func (n *noted) Submit(command []byte, done func(trade.Answer, error)) error {
	n.kinds = append(n.kinds, trade.CommandKind(command[1]))
	n.dones = append(n.dones, done)
	return nil
}

const nextDay trade.Day = testDay + 1

func turning(t *testing.T) (s *Shard, log *noted, today *trade.Day) {
	r := New(nil, Limits{})
	t.Cleanup(r.Close)
	log, today = &noted{}, new(trade.Day)
	*today = testDay
	s = r.Shard(Parts{Group: group, Log: log, Today: func() trade.Day { return *today }})
	s.Follow(1, true, 1)
	return s, log, today
}

func startDay(t *testing.T) []byte {
	return encoded(t, &trade.Command{Kind: trade.StartDayKind, StartDay: trade.StartDay{Day: nextDay}})
}

// serveAgain plays another node's second try of a deposit of a day.
func serveAgain(t *testing.T, s *Shard, epoch uint64, day trade.Day) (what result) {
	body := appendCommand(appendQuestion(nil, group, 1, epoch), day, encoded(t, deposit(1, 1)))
	setCount(body, 1)
	what = answered
	s.relay.Serve(2, body, func(reply []byte, err error) {
		r, bad := readReply(reply, 1)
		if bad = errors.Join(err, bad); bad != nil {
			t.Fatal(bad)
		}
		var a trade.Answer
		what, _ = r.next(&a)
	})
	return what
}

// TestSecondTryBehindTheStartOfADay: the start of the next day is in the log's queue, and the books do not know of it.
// A second try that came behind it would be a second order, or a second deposit.
func TestSecondTryBehindTheStartOfADay(t *testing.T) {
	s, log, _ := turning(t)
	if what := serveAgain(t, s, 1, testDay); what != answered || len(log.kinds) != 1 { // not answered yet
		t.Fatalf("before the start of the day: %v, %d in the log", what, len(log.kinds))
	}
	if err := s.Link().Submit(startDay(t), func(trade.Answer, error) {}); err != nil {
		t.Fatal(err)
	}
	if what := serveAgain(t, s, 1, testDay); what != otherDay || len(log.kinds) != 2 {
		t.Fatalf("behind the start of the day: %v, %d in the log", what, len(log.kinds))
	}
	if what := serveAgain(t, s, 1, 0); what != answered || len(log.kinds) != 3 {
		t.Fatalf("a first try: %v, %d in the log", what, len(log.kinds))
	}
}

// TestSecondTryWaitsOverTheTurnOfADay: a command comes back on its day and waits for a leader; when this node leads,
// the day is another.
func TestSecondTryWaitsOverTheTurnOfADay(t *testing.T) {
	for _, began := range []func(s *Shard, today *trade.Day){
		func(_ *Shard, today *trade.Day) { *today = nextDay }, // applied
		func(s *Shard, _ *trade.Day) { // not yet
			if err := s.Link().Submit(startDay(t), func(trade.Answer, error) {}); err != nil {
				t.Fatal(err)
			}
		},
	} {
		s, log, today := turning(t)
		var said []error
		hear := func(_ trade.Answer, err error) { said = append(said, err) }
		if err := s.Submit(encoded(t, deposit(1, 1)), hear); err != nil {
			t.Fatal(err)
		}
		s.Follow(0, false, 2)
		log.dones[0](trade.Answer{}, replica.ErrUnknown)
		began(s, today)
		before := len(log.kinds)
		s.Follow(1, true, 3)
		if len(log.kinds) != before || len(said) != 1 || !errors.Is(said[0], replica.ErrUnknown) {
			t.Fatalf("%d more in the log, answered %v", len(log.kinds)-before, said)
		}
	}
}
