package node

import (
	"bufio"
	"fmt"
	"io"

	"evenkeel/auth"
	"evenkeel/core/broker"
	"evenkeel/core/must"
	"evenkeel/core/trade"
	"evenkeel/records"
	"evenkeel/replica"
	"evenkeel/venue"
)

// books is what the broker's log is applied to: the state machine, and the day's records folded from its events. The
// records are part of its snapshots, because the log behind a snapshot may be gone.
type books struct {
	state   *broker.State
	day     *records.Day
	command trade.Command
	out     trade.Output
	views   *views // nil for a shadow, and for the live one until attach
}

// views are the other views that the live machine feeds.
type views struct {
	listing   *records.Listing
	directory *auth.Directory
	outbox    *venue.Outbox
	tail      *records.Tail
	documents *records.Documents
}

func newBooks(shard uint16) *books {
	b := &books{state: broker.New(shard), day: records.NewDay()}
	b.out.Drain = b.take
	return b
}

// booksOf is the machine of a group of ours.
func booksOf(m replica.Machine[trade.Answer]) *books {
	b, ok := m.(*books)
	must.Hold(ok, "the machine of the broker's group is its books")
	return b
}

// Apply implements replica.Machine.
func (b *books) Apply(e replica.Entry, answers []trade.Answer) {
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

// take gives what was left behind to the views.
func (b *books) take(out *trade.Output) {
	b.day.Fold(out.Events)
	if b.views != nil {
		b.views.fold(out)
	}
}

// Hash implements replica.Hasher.
func (b *books) Hash() uint64 { return b.state.Hash() }

// Snapshot implements replica.Machine.
func (b *books) Snapshot(w io.Writer) error {
	if err := b.state.Check(); err != nil {
		return fmt.Errorf("the books do not add up: %w", err)
	}
	out := bufio.NewWriterSize(w, 1<<20)
	if err := b.state.Snapshot(out); err != nil {
		return fmt.Errorf("snapshot of the books: %w", err)
	}
	if err := b.day.Snapshot(out); err != nil {
		return fmt.Errorf("snapshot of the records: %w", err)
	}
	return out.Flush()
}

// Restore implements replica.Machine.
func (b *books) Restore(r io.Reader) error {
	in := bufio.NewReaderSize(r, 1<<20)
	if err := b.state.Restore(in); err != nil {
		return fmt.Errorf("snapshot of the books: %w", err)
	}
	if err := b.day.Restore(in); err != nil {
		return fmt.Errorf("snapshot of the records: %w", err)
	}
	b.state.Describe(b.day.Describe)
	return nil
}

// attach makes the views tell what the books hold now, and follow them from here on. It runs between two entries.
func (b *books) attach(v *views, index uint64) {
	v.outbox.Reset()
	v.listing.Reset()
	v.directory.Reset()
	v.documents.Reset()
	b.state.Describe(func(e *trade.Event) {
		v.listing.Describe(e)
		v.directory.Describe(e)
		v.outbox.Learn(e)
		v.documents.Describe(e)
	})
	b.state.Outbox(v.outbox.Add)
	b.day.Commit(index)
	b.views = v
}

func (v *views) fold(out *trade.Output) {
	v.listing.Fold(out.Events)
	v.directory.Fold(out.Events)
	for i := range out.Events {
		v.documents.Describe(&out.Events[i])
	}
	v.outbox.Fold(out)
}
