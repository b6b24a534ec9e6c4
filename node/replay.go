package node

import (
	"context"
	"errors"
	"fmt"

	"evenkeel/core/broker"
	"evenkeel/core/must"
	"evenkeel/core/trade"
	"evenkeel/records"
	"evenkeel/replica"
)

// replay makes the events of the log's entries behind an index again, by books of their own that begin with the log.
// It is how a lost history is filled; it costs about as long as the log is.
func (s *shard) replay(ctx context.Context, after uint64, visit func(records.Entry) error) error {
	state := broker.New(s.number)
	var command trade.Command
	var out trade.Output
	err := s.group.Replay(0, func(e replica.Entry) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		var events [][]byte
		for _, c := range e.Commands {
			out.Reset()
			if trade.DecodeCommand(c, &command) != nil {
				continue // refused then, refused now
			}
			state.Apply(trade.Time(e.Time), &command, &out)
			for i := range out.Events {
				if e.Index <= after || !out.Events[i].Kind.Numbered() {
					continue
				}
				encoded, err := trade.AppendEvent(nil, &out.Events[i])
				must.Hold(err == nil, "an event of the books can be encoded")
				events = append(events, encoded)
			}
		}
		if e.Index <= after {
			return nil
		}
		if err := visit(records.EntryOf(e.Index, events...)); err != nil {
			return fmt.Errorf("entry %d: %w", e.Index, err)
		}
		return nil
	})
	if errors.Is(err, replica.ErrGone) { // this node began with a snapshot of another
		return fmt.Errorf("%w: %w", records.ErrLogGone, err)
	}
	return err
}
