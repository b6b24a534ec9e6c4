// Package books is the machine of a shard's log: the broker's state (core/broker), and the day's records (records.Day)
// folded from its events. The records are part of its snapshots, because the log behind a snapshot may be gone.
//
// Invariants: same entries, same answers, same snapshot; a command that cannot be read is answered
// CommandUnreadable and changes nothing; a snapshot is written only of books that add up. Views beyond these two
// (outbox, logins, lists) follow by Follow, on the live machine alone: a shadow feeds nobody.
//
// It never sends anything and never decides about trading. One goroutine owns it, the applier of its log.
//
// Source: package replica, for what a machine must hold.
package books

import (
	"bufio"
	"fmt"
	"io"
	"time"

	"evenkeel/core/broker"
	"evenkeel/core/must"
	"evenkeel/core/planted"
	"evenkeel/core/trade"
	"evenkeel/records"
	"evenkeel/replica"
)

// Books implement replica.Machine and replica.Hasher.
type Books struct {
	state   *broker.State
	day     *records.Day
	command trade.Command
	out     trade.Output
	follow  func(*trade.Output) // nil for a shadow, and for the live machine until Follow
}

// snapshotBuffer is how much of a snapshot is written or read at once.
const snapshotBuffer = 1 << 16

// New returns the empty books of a shard.
func New(shard uint16) *Books {
	b := &Books{state: broker.New(shard), day: records.NewDay()}
	b.out.Drain = b.take
	return b
}

// Of is the machine of a shard's group.
func Of(m replica.Machine[trade.Answer]) *Books {
	b, ok := m.(*Books)
	must.Hold(ok, "the machine of the broker's group is its books")
	return b
}

// State is the broker's state; it changes with Apply only.
func (b *Books) State() *broker.State { return b.state }

// Day is the view of the accounts; any goroutine may ask it.
func (b *Books) Day() *records.Day { return b.day }

// Follow has follow called with what every command leaves behind, from here on. It is called between two entries.
func (b *Books) Follow(follow func(*trade.Output)) { b.follow = follow }

// Apply implements replica.Machine.
func (b *Books) Apply(e replica.Entry, answers []trade.Answer) {
	if planted.Is(planted.ClockInApply) {
		e.Time += time.Now().UnixNano() % 2
	}
	if planted.Is(planted.MapOrder) {
		e.Commands = inMapOrder(e.Commands)
	}
	for i, command := range e.Commands {
		b.out.Reset()
		if err := trade.DecodeCommand(command, &b.command); err != nil {
			answers[i] = trade.Answer{Reason: trade.CommandUnreadable}
			continue
		}
		answers[i] = b.state.Apply(trade.Time(e.Time), &b.command, &b.out)
		b.take(&b.out)
	}
	b.day.Commit(e.Index)
}

// inMapOrder gives commands in the order of a map. Only a planted bug does that.
func inMapOrder(commands [][]byte) [][]byte {
	places := map[int][]byte{}
	for i, c := range commands {
		places[i] = c
	}
	var mixed [][]byte
	for _, c := range places {
		mixed = append(mixed, c)
	}
	return mixed
}

// take gives what was left behind to the views.
func (b *Books) take(out *trade.Output) {
	b.day.Fold(out.Events)
	if b.follow != nil {
		b.follow(out)
	}
}

// Hash implements replica.Hasher.
func (b *Books) Hash() uint64 { return b.state.Hash() }

// HashVersion implements replica.Versioned. It counts one further whenever what core/broker hashes changes.
func (b *Books) HashVersion() uint32 { return 1 }

// Patrol implements replica.Patroller.
func (b *Books) Patrol(turn uint64) error { return b.state.Patrol(turn) }

// Snapshot implements replica.Machine.
func (b *Books) Snapshot(w io.Writer) error {
	if err := b.state.Check(); err != nil {
		return fmt.Errorf("the books do not add up: %w", err)
	}
	out := bufio.NewWriterSize(w, snapshotBuffer)
	if err := b.state.Snapshot(out); err != nil {
		return fmt.Errorf("snapshot of the books: %w", err)
	}
	if err := b.day.Snapshot(out); err != nil {
		return fmt.Errorf("snapshot of the records: %w", err)
	}
	return out.Flush()
}

// Restore implements replica.Machine.
func (b *Books) Restore(r io.Reader) error {
	in := bufio.NewReaderSize(r, snapshotBuffer)
	if err := b.state.Restore(in); err != nil {
		return fmt.Errorf("snapshot of the books: %w", err)
	}
	if err := b.day.Restore(in); err != nil {
		return fmt.Errorf("snapshot of the records: %w", err)
	}
	b.state.Describe(b.day.Describe)
	return nil
}
