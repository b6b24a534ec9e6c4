package relay

import (
	"sync"

	"evenkeel/core/trade"
)

// A turn keeps second tries in front of the start of the next trading day, where what makes them harmless is
// forgotten. The day of the books alone does not tell: a start may stand in the log's queue and not be applied yet.
// Of earlier leaders there is none such, because a leader is ready only when all of theirs is applied; so it is enough
// that this node's own starts come by here.
type turn struct {
	mutex sync.RWMutex // a start of a day is handed out under it alone, second tries beside each other
	begun trade.Day    // the newest day whose start was handed to the log
}

// Link is the local end of the log for who starts the trading days: the link to the exchange of a leader.
func (s *Shard) Link() Log { return starter{s} }

type starter struct{ shard *Shard }

// Submit implements Log.
func (l starter) Submit(command []byte, done func(trade.Answer, error)) error {
	s := l.shard
	if len(command) < 2 || trade.CommandKind(command[1]) != trade.StartDayKind {
		return s.Log.Submit(command, done)
	}
	var c trade.Command
	if err := trade.DecodeCommand(command, &c); err != nil {
		return err
	}
	s.turn.mutex.Lock()
	defer s.turn.mutex.Unlock()
	err := s.Log.Submit(command, done)
	if err == nil {
		s.turn.begun = max(s.turn.begun, c.StartDay.Day)
	}
	return err
}

// submit hands a command to the local log; day is that of a second try, 0 of a first. errOtherDay: the day is over,
// and nothing was handed out.
func (s *Shard) submit(day trade.Day, command []byte, done func(trade.Answer, error)) error {
	if day == 0 {
		return s.Log.Submit(command, done)
	}
	s.turn.mutex.RLock()
	defer s.turn.mutex.RUnlock()
	if day != max(s.turn.begun, s.Today()) {
		return errOtherDay
	}
	return s.Log.Submit(command, done)
}

// bound is the trading day on which alone an order may be handed out again; 0: on any, or it is a first try.
func (o *order) bound() trade.Day {
	if o.unknown && ruleOf(o.command).ofDay {
		return o.day
	}
	return 0
}
