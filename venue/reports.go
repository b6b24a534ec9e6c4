package venue

import (
	"fmt"

	"evenkeel/core/planted"
	"evenkeel/core/trade"
	"evenkeel/szse"
)

// partition is how far the reports of one partition have come.
type partition struct {
	number   int32
	asked    int64 // the first report that was asked for
	next     int64 // the one that must come next
	finished int64 // the day's last one, -1 before the exchange named it
}

// held is what waits until all that was proposed before it is applied; the conversation does not listen meanwhile.
type held struct {
	what  heldKind
	day   trade.Day
	venue trade.Venue
	phase trade.Phase
}

type heldKind uint8

const (
	nothingHeld heldKind = iota
	startOfDay           // with a phase of the new day
	endOfDay
)

// takePlatform asks for the reports of the partitions that the conversation has not heard of yet.
func (c *Conversation) takePlatform(m *szse.PlatformInfo) error {
	for _, number := range m.Partitions {
		if number <= 0 {
			return fmt.Errorf("%w: partition %d, they count from 1", ErrProtocol, number)
		}
		if c.partition(number) != nil || planted.Is(planted.PartitionForgotten) && number == 3 {
			continue
		}
		if len(c.partitions) == szse.MaxPartitions {
			return fmt.Errorf("%w: more than %d partitions", ErrProtocol, szse.MaxPartitions)
		}
		from := int64(c.link.o.Outbox.Lacking(uint32(number)))
		if planted.Is(planted.SyncFromWrongIndex) && from > 1 {
			from++
		}
		c.partitions = append(c.partitions, partition{number: number, asked: from, next: from, finished: -1})
		c.requests.points = append(c.requests.points, szse.SyncPoint{PartitionNo: number, ReportIndex: from})
	}
	return nil
}

func (c *Conversation) partition(number int32) *partition {
	for i := range c.partitions {
		if c.partitions[i].number == number {
			return &c.partitions[i]
		}
	}
	return nil
}

func (c *Conversation) takeReport(m szse.Report) error {
	h := m.Head()
	p := c.partition(h.PartitionNo)
	switch {
	case p == nil:
		return fmt.Errorf("%w: a report of partition %d, which PlatformInfo did not name", ErrProtocol, h.PartitionNo)
	case h.ReportIndex < p.next && h.ReportIndex >= p.asked:
		c.link.counts.repeated.Add(1) // came in this session already
		return nil
	case h.ReportIndex < p.asked:
		return fmt.Errorf("%w: report %d of partition %d came, and %d was asked for: has the exchange lost its history?",
			ErrGap, h.ReportIndex, h.PartitionNo, p.asked)
	case h.ReportIndex > p.next:
		return fmt.Errorf("%w: report %d of partition %d came, and %d is next", ErrGap, h.ReportIndex, h.PartitionNo,
			p.next)
	}
	r, err := report(m)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	p.next++
	if planted.Is(planted.ReportSkipped) && r.Type == trade.CancelRejectedReport {
		return nil
	}
	if !c.requests.released {
		c.requests.quiet = c.now
		c.link.counts.synchronised.Add(1)
	}
	c.queue.command.Kind, c.queue.command.Report = trade.ReportKind, r
	return c.propose()
}

// takePhase proposes a venue's phase, and before it the day when it is a new one. What came before in the session is
// applied first: StartDay lets orders expire, and a trade of yesterday must not come after that.
func (c *Conversation) takePhase(m *szse.TradingSessionStatus) error {
	venue, phase, day, err := m.Phase()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	if day > c.day {
		c.held = held{what: startOfDay, day: day, venue: venue, phase: phase}
		c.letDayPass()
		return c.err
	}
	return c.proposePhase(venue, phase, day)
}

func (c *Conversation) proposePhase(venue trade.Venue, phase trade.Phase, day trade.Day) error {
	c.queue.command.Kind = trade.SetPhaseKind
	c.queue.command.SetPhase = trade.SetPhase{Venue: venue, Phase: phase, Day: day}
	if err := c.propose(); err != nil {
		return err
	}
	c.requests.mark(c.queue.proposed)
	return nil
}

// takeFinished proposes the day's end when the last report of each partition was applied.
func (c *Conversation) takeFinished(m *szse.ReportFinished) error {
	p := c.partition(m.PartitionNo)
	if p == nil {
		return fmt.Errorf("%w: the end of partition %d, which PlatformInfo did not name", ErrProtocol, m.PartitionNo)
	}
	if m.ReportIndex != p.next-1 {
		return fmt.Errorf("%w: partition %d ends with report %d, and %d was the last to come", ErrGap, m.PartitionNo,
			m.ReportIndex, p.next-1)
	}
	p.finished = m.ReportIndex
	for i := range c.partitions {
		if c.partitions[i].finished < 0 {
			return nil
		}
	}
	day, ended := c.link.o.Outbox.Day()
	if c.finishing || c.day == 0 || ended && day >= c.day {
		return nil
	}
	c.held = held{what: endOfDay, day: c.day}
	c.letDayPass()
	return c.err
}

// letDayPass proposes what is held when everything before it was applied.
func (c *Conversation) letDayPass() {
	if c.held.what == nothingHeld || c.link.window.used > 0 || c.stage == over {
		return
	}
	h := c.held
	c.held = held{}
	if h.what == endOfDay {
		c.finishing = true
		c.queue.command.Kind, c.queue.command.EndDay = trade.EndDayKind, trade.EndDay{Day: h.day}
		_ = c.fail(c.propose()) // told by Err
		return
	}
	c.day, c.finishing = h.day, false
	for i := range c.partitions {
		c.partitions[i].finished = -1
	}
	c.queue.command.Kind, c.queue.command.StartDay = trade.StartDayKind, trade.StartDay{Day: h.day}
	if c.fail(c.propose()) == nil {
		_ = c.fail(c.proposePhase(h.venue, h.phase, h.day))
	}
}
