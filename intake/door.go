package intake

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"evenkeel/auth"
	"evenkeel/core/trade"
	"evenkeel/replica"
)

// Log takes the commands of one shard; replica.Group[trade.Answer] is one. Submit copies the command. done is called
// once when Submit returns nil, and never otherwise.
type Log interface {
	Submit(command []byte, done func(trade.Answer, error)) error
}

// Parts are what a door is made of.
type Parts struct {
	Log    func(trade.AccountID) Log // of the account's shard; nil: that shard is not here
	Limits Limits
	Clock  func() time.Time // nil: time.Now
	// Board returns the board of a security, so that a key which may not trade there is refused; nil: not asked.
	Board func(trade.SecurityID) (trade.Board, bool)
	// OrderSecurity returns the security of an order; nil: a replacement needs the permission of any board.
	OrderSecurity func(trade.AccountID, trade.OrderID) trade.SecurityID
	// ReadOnly reports whether staff let nobody place orders or move anything now; nil: never. Cancels are taken.
	ReadOnly func() bool
}

// Door takes commands.
type Door struct {
	Parts
	Keys    *Keys
	Queue   *Queue
	budgets *budgets
	rooms   [classes]chan struct{} // one element per request under way
	waiting [classes]atomic.Int64  // requests that wait for budget or room
	leaves  [classes]func()
	buffers sync.Pool
}

// New returns a door.
func New(p Parts) *Door {
	if p.Clock == nil {
		p.Clock = time.Now
	}
	p.Limits = p.Limits.withDefaults()
	d := &Door{Parts: p}
	d.Keys = newKeys(p.Limits.Keys, p.Limits.KeyLife, p.Clock)
	d.Queue = newQueue(p.Limits.Queue)
	d.budgets = newBudgets(p.Limits.Budget, p.Limits.Accounts)
	for c := range classes {
		room := make(chan struct{}, p.Limits.InFlight[c])
		d.rooms[c], d.leaves[c] = room, func() { <-room }
	}
	d.buffers.New = func() any { b := make([]byte, 0, 512); return &b }
	return d
}

// Allowance is where an account stands with its budget of a class.
func (d *Door) Allowance(id trade.AccountID, c Class) Allowance {
	return d.budgets.allowance(id, c, d.Clock())
}

// InFlight is the number of requests of a class that are being worked on.
func (d *Door) InFlight(c Class) int { return len(d.rooms[c]) }

// Waiting is the number of requests of a class that wait for budget or room.
func (d *Door) Waiting(c Class) int { return int(d.waiting[c].Load()) }

// Query makes room for a question, of class Query or Quote, that is answered from views; release must be called when
// it is answered. It does not wait here: it is let in or refused with a BusyError.
func (d *Door) Query(id trade.AccountID, c Class) (release func(), err error) {
	if wait, ok := d.budgets.take(id, c, d.Clock(), 0); !ok {
		return nil, &BusyError{Class: c, Short: NoBudget, After: atLeast(wait)}
	}
	select {
	case d.rooms[c] <- struct{}{}:
		return d.leaves[c], nil
	default:
		return nil, &BusyError{Class: c, Short: NoRoom, After: time.Second}
	}
}

// Take carries a command to the books and returns their answer. Errors are ErrNotPermitted, ErrNotOwner,
// ErrReadOnly, BusyError, ErrTooLong and ErrUnavailable (nothing happened), ErrUnknown, and ErrHidden, which comes
// with the books' answer.
func (d *Door) Take(ctx context.Context, who auth.Principal, c *trade.Command) (trade.Answer, error) {
	account, err := d.permit(who, c)
	if err != nil {
		return trade.Answer{}, err
	}
	if who.Via != auth.ByHouse && d.ReadOnly != nil && adds(c.Kind) && d.ReadOnly() {
		return trade.Answer{}, ErrReadOnly
	}
	class := classOf(c.Kind)
	deadline := d.Clock().Add(d.Limits.Smooth)
	if who.Via != auth.ByHouse {
		if err := d.spend(ctx, account, class); err != nil {
			return trade.Answer{}, err
		}
	}
	if err := d.enter(ctx, class, deadline); err != nil {
		return trade.Answer{}, err
	}
	return d.submit(ctx, account, class, c, deadline)
}

// spend takes the account's budget. Orders and cancels that come in a short burst wait for it.
func (d *Door) spend(ctx context.Context, account trade.AccountID, class Class) error {
	most := time.Duration(0)
	if class >= Order {
		most = d.Limits.Smooth
	}
	wait, ok := d.budgets.take(account, class, d.Clock(), most)
	switch {
	case !ok:
		return &BusyError{Class: class, Short: NoBudget, After: atLeast(wait - most)}
	case wait > 0:
		return d.pause(ctx, class, wait)
	}
	return nil
}

// enter takes a place in the class's room. It waits for one when the class may wait, as long as fewer wait than the
// room holds.
func (d *Door) enter(ctx context.Context, class Class, deadline time.Time) error {
	select {
	case d.rooms[class] <- struct{}{}:
		return nil
	default:
	}
	full := &BusyError{Class: class, Short: NoRoom, After: time.Second}
	if class < Order || int(d.waiting[class].Load()) >= d.Limits.InFlight[class] {
		return full
	}
	d.waiting[class].Add(1)
	defer d.waiting[class].Add(-1)
	timer := time.NewTimer(deadline.Sub(d.Clock()))
	defer timer.Stop()
	select {
	case d.rooms[class] <- struct{}{}:
		return nil
	case <-timer.C:
		return full
	case <-ctx.Done():
		return ctx.Err()
	}
}

// answered is what a log said.
type answered struct {
	answer trade.Answer
	err    error
}

// retryEvery is the pause between two tries at a log whose queue is full.
const retryEvery = 5 * time.Millisecond

// submit encodes the command, hands it over and waits. The place in the room is given back when the log has answered,
// not when the caller has gone: what is in flight is in flight.
func (d *Door) submit(
	ctx context.Context, account trade.AccountID, class Class, c *trade.Command, deadline time.Time,
) (trade.Answer, error) {
	leave := d.leaves[class]
	log := d.Log(account)
	if log == nil {
		leave()
		return trade.Answer{}, ErrUnavailable
	}
	buffer, _ := d.buffers.Get().(*[]byte)
	defer d.buffers.Put(buffer)
	encoded, err := trade.AppendCommand((*buffer)[:0], c)
	*buffer = encoded
	if err != nil {
		leave()
		return trade.Answer{}, err
	}
	result := make(chan answered, 1)
	done := func(a trade.Answer, err error) {
		leave()
		result <- answered{a, err}
	}
	for {
		err = log.Submit(encoded, done)
		if !errors.Is(err, replica.ErrFull) || class < Order || d.Clock().After(deadline) {
			break
		}
		if err := d.pause(ctx, class, retryEvery); err != nil {
			leave()
			return trade.Answer{}, err
		}
	}
	if err != nil {
		leave()
		return trade.Answer{}, refusal(class, err)
	}
	return d.await(ctx, result)
}

func (d *Door) await(ctx context.Context, result <-chan answered) (trade.Answer, error) {
	timer := time.NewTimer(d.Limits.Answer)
	defer timer.Stop()
	select {
	case r := <-result:
		if errors.Is(r.err, replica.ErrHidden) {
			return r.answer, fmt.Errorf("%w: %w", ErrHidden, r.err)
		}
		if r.err != nil {
			return trade.Answer{}, outcome(r.err)
		}
		return r.answer, nil
	case <-timer.C:
		return trade.Answer{}, fmt.Errorf("no answer within %v: %w", d.Limits.Answer, ErrUnknown)
	case <-ctx.Done():
		return trade.Answer{}, fmt.Errorf("%w: %w", ErrUnknown, ctx.Err())
	}
}

func (d *Door) pause(ctx context.Context, class Class, wait time.Duration) error {
	d.waiting[class].Add(1)
	defer d.waiting[class].Add(-1)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// refusal turns an error of Submit, after which nothing happened, into one of ours.
func refusal(class Class, err error) error {
	switch {
	case errors.Is(err, replica.ErrFull):
		return &BusyError{Class: class, Short: NoRoom, After: time.Second}
	case errors.Is(err, replica.ErrTooLarge):
		return fmt.Errorf("%w: %w", ErrTooLong, err)
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// outcome turns an error that came instead of an answer into one of ours. Only errors that promise that nothing
// happened are refusals.
func outcome(err error) error {
	switch {
	case errors.Is(err, replica.ErrUnknown):
	case errors.Is(err, replica.ErrNotLeader), errors.Is(err, replica.ErrClosed), errors.Is(err, replica.ErrFailed):
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return fmt.Errorf("%w: %w", ErrUnknown, err)
}

// atLeast rounds a time to come back up to a whole second, the smallest that Retry-After can say.
func atLeast(after time.Duration) time.Duration {
	return max(time.Second, (after + time.Second - 1).Truncate(time.Second))
}
