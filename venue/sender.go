package venue

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"evenkeel/core/trade"
	"evenkeel/szse"
)

// sender is the writing half of a session.
type sender struct {
	s      *session
	writer *szse.Writer
	wrote  time.Time // when something was last written

	encoder  encoder
	position uint64 // of the outbox: everything up to it was sent in this session
	batch    []Item
	synced   bool     // reports were asked for, so requests may go out
	repeat   []uint64 // positions to send again, in order

	throttle time.Duration // the pause after the next throttled request
	resume   time.Time     // nothing is sent before it

	mu   sync.Mutex
	mbox mailbox
	wake chan struct{} // of capacity 1
}

// mailbox is what the reading half tells the writing half.
type mailbox struct {
	open   bool // the platform takes requests
	points []szse.SyncPoint
	again  []uint64 // positions of requests that were refused for now
}

func (w *sender) open(s *session) {
	w.s = s
	w.writer = szse.NewWriter(s.conn)
	w.wake = make(chan struct{}, 1)
	w.throttle = LeastThrottle
	copy(w.encoder.unit[:], s.link.o.Unit)
}

// mail changes the mailbox and wakes the sender.
func (w *sender) mail(change func(*mailbox)) {
	w.mu.Lock()
	change(&w.mbox)
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default: // a wake-up that is already there is enough
	}
}

// again has a request sent again after a pause.
func (w *sender) again(position uint64) {
	w.mail(func(b *mailbox) { b.again = append(b.again, position) })
}

// now writes one message at once.
func (w *sender) now(m szse.Message) error {
	if err := w.writer.Queue(m); err != nil {
		return fmt.Errorf("write to the exchange: %w", err)
	}
	return w.flush()
}

func (w *sender) flush() error {
	if w.writer.Queued() == 0 {
		return nil
	}
	w.wrote = time.Now()
	if err := w.s.conn.SetWriteDeadline(w.wrote.Add(w.s.silence)); err != nil {
		return fmt.Errorf("write to the exchange: %w", err)
	}
	if err := w.writer.Flush(); err != nil {
		return fmt.Errorf("write to the exchange: %w", err)
	}
	return nil
}

// run sends what is to be sent until the session ends.
func (w *sender) run() error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		more, err := w.send()
		if err != nil {
			return err
		}
		if more {
			if w.s.ctx.Err() != nil {
				return nil
			}
			continue
		}
		timer.Reset(w.sleep())
		select {
		case <-w.s.ctx.Done():
			return nil
		case <-w.s.link.leaving:
			return w.leave()
		case <-w.wake:
		case <-w.s.link.o.Outbox.Changed():
		case <-timer.C:
		}
	}
}

// sleep is how long there is nothing to do: until the next heartbeat or the end of a pause.
func (w *sender) sleep() time.Duration {
	d := time.Until(w.wrote.Add(w.s.link.o.Heartbeat))
	if pause := time.Until(w.resume); pause > 0 {
		d = min(d, pause)
	}
	return max(d, 0)
}

// leave says goodbye and lets the reading half wait for the answer.
func (w *sender) leave() error {
	m := szse.Logout{SessionStatus: szse.LogoutDone}
	if err := w.now(&m); err != nil {
		return err
	}
	<-w.s.ctx.Done()
	return errLeft
}

// send does one round of work, and reports whether there is more at once.
func (w *sender) send() (more bool, err error) {
	w.mu.Lock()
	open, points, again := w.mbox.open, w.mbox.points, w.mbox.again
	w.mbox.points, w.mbox.again = nil, nil
	w.mu.Unlock()
	if len(points) > 0 {
		m := szse.ReportSynchronization{Points: points}
		if err := w.now(&m); err != nil {
			return false, err
		}
		w.synced = true
	}
	w.pauseFor(again)
	now := time.Now()
	if w.synced && open && !now.Before(w.resume) {
		if more, err = w.sendBatch(); err != nil {
			return false, err
		}
	}
	if w.writer.Queued() == 0 && now.Sub(w.wrote) >= w.s.link.o.Heartbeat {
		var m szse.Heartbeat
		if err := w.writer.Queue(&m); err != nil {
			return false, fmt.Errorf("write to the exchange: %w", err)
		}
	}
	return more, w.flush()
}

// pauseFor takes in requests that were refused for now. All refusals of one pause double it once: a burst of them says
// no more than one.
func (w *sender) pauseFor(again []uint64) {
	if len(again) == 0 {
		return
	}
	for _, position := range again {
		if i, there := slices.BinarySearch(w.repeat, position); !there {
			w.repeat = slices.Insert(w.repeat, i, position)
		}
	}
	now := time.Now()
	if now.Before(w.resume) {
		return
	}
	const calm = 2 * MostThrottle // after so long without a refusal the pauses begin small again
	if now.Sub(w.resume) > calm {
		w.throttle = LeastThrottle
	}
	w.resume = now.Add(w.throttle)
	w.throttle = min(2*w.throttle, MostThrottle)
}

// sendBatch queues the next requests: first those to be sent again, which are older, then new ones.
func (w *sender) sendBatch() (more bool, err error) {
	outbox := w.s.link.o.Outbox
	w.batch = w.batch[:0]
	for len(w.repeat) > 0 && len(w.batch) < sendBatch {
		position := w.repeat[0]
		w.repeat = w.repeat[1:]
		before := len(w.batch)
		w.batch = outbox.After(position-1, w.batch, 1)
		if len(w.batch) > before && w.batch[before].Position != position {
			w.batch = w.batch[:before] // confirmed in the meantime
		}
	}
	if room := sendBatch - len(w.batch); room > 0 {
		w.batch = outbox.After(w.position, w.batch, room)
	}
	for i := range w.batch {
		item := &w.batch[i]
		w.position = max(w.position, item.Position)
		if w.s.link.refused.isFinal(item.Request) {
			continue
		}
		m, err := w.encoder.message(item)
		if err != nil {
			w.cannotSay(item, err)
			continue
		}
		if err := w.writer.Queue(m); err != nil {
			return false, fmt.Errorf("write to the exchange: %w", err)
		}
		w.s.link.counts.sent.Add(1)
	}
	return len(w.batch) == sendBatch, nil
}

// cannotSay refuses a request that has no form at the exchange. It was never sent, and never will be.
func (w *sender) cannotSay(item *Item, err error) {
	w.s.link.o.Log.Error("a request cannot be sent to the exchange", "request", uint64(item.Request), "error", err)
	w.s.link.refused.refuse(item.Request, trade.VenueRefused)
	w.s.link.counts.refused.Add(1)
	own := &proposal{s: w.s}
	r := refusal{*item, trade.VenueRefused}
	w.s.others.Go(func() { // the log may be slow, and heartbeats go on
		if err := own.refuse(r); err != nil {
			w.s.end(err)
		}
	})
}
