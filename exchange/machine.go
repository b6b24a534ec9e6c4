package exchange

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"sync"

	core "evenkeel/core/exchange"
	"evenkeel/core/trade"
	"evenkeel/replica"
)

// Machine is what the journal is applied to: the exchange's state and its public tape. Readers hold the lock for
// reading while they copy what they send.
type Machine struct {
	mu      sync.RWMutex
	core    *core.Machine
	tape    tape
	out     core.Output
	decoder core.Decoder
	heard   func()             // nil for a shadow
	watch   func(*core.Output) // of the players; nil when there are none
}

// NewMachine is an exchange before its first day.
func NewMachine(partitions uint32) *Machine {
	return &Machine{core: core.New(partitions), tape: newTape()}
}

// View runs look on the exchange's state while nothing changes it.
func (m *Machine) View(look func(m *core.Machine)) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	look(m.core)
}

// SetUp is the commands by which an exchange begins its first day.
func SetUp(rules string, day trade.Day, list []Listed) (commands [][]byte) {
	commands = append(commands, core.AppendCommand(nil, &core.AdoptRules{Text: []byte(rules)}),
		core.AppendCommand(nil, &core.RollDay{Day: day}))
	for i := range list {
		commands = append(commands, core.AppendCommand(nil, &list[i].ListSecurity))
	}
	return commands
}

// historyKind begins a command of the server's own: bars of a past that was made up when the market was set up.
const historyKind = 0xF0

// Apply implements replica.Machine.
func (m *Machine) Apply(e replica.Entry, answers []core.Answer) {
	m.mu.Lock()
	m.out.Reset()
	for i, b := range e.Commands {
		if len(b) > 0 && b[0] == historyKind {
			m.tape.remember(b[1:])
			continue
		}
		c, err := m.decoder.Command(b)
		if err != nil {
			answers[i] = core.Answer{Reason: trade.CommandUnreadable}
			continue
		}
		trades, phases, changed := len(m.out.Trades), len(m.out.Phases), len(m.out.Changed)
		day := m.core.Day()
		answers[i] = m.core.Apply(trade.Time(e.Time), c, &m.out)
		fresh := m.out.Phases[phases:]
		if m.core.Day() != day {
			// What closed the old day comes first; a day begins with BeforeOpen.
			ended := max(0, slices.IndexFunc(fresh, func(p core.PhaseChange) bool { return p.Phase == trade.BeforeOpen }))
			m.tape.take(m.core, day, fresh[:ended], m.out.Trades[trades:], nil)
			m.tape.roll(m.core)
			fresh, trades = fresh[ended:], len(m.out.Trades)
		}
		m.tape.take(m.core, m.core.Day(), fresh, m.out.Trades[trades:], m.out.Changed[changed:])
	}
	if m.watch != nil {
		m.watch(&m.out)
	}
	m.mu.Unlock()
	if m.heard != nil {
		m.heard()
	}
}

// Snapshot implements replica.Machine.
func (m *Machine) Snapshot(w io.Writer) error {
	out := bufio.NewWriterSize(w, 1<<20)
	if err := m.tape.snapshot(out); err != nil {
		return fmt.Errorf("snapshot of the tape: %w", err)
	}
	if _, err := out.Write(m.core.AppendSnapshot(nil)); err != nil {
		return fmt.Errorf("snapshot of the exchange: %w", err)
	}
	return out.Flush()
}

// Restore implements replica.Machine.
func (m *Machine) Restore(r io.Reader) error {
	in := bufio.NewReaderSize(r, 1<<20)
	if err := m.tape.restore(in); err != nil {
		return fmt.Errorf("snapshot of the tape: %w", err)
	}
	b, err := io.ReadAll(in)
	if err != nil {
		return fmt.Errorf("snapshot of the exchange: %w", err)
	}
	restored, err := core.Restore(b)
	if err != nil {
		return fmt.Errorf("snapshot of the exchange: %w", err)
	}
	m.core = restored
	return nil
}

// writeBytes and readBytes are a length and as many bytes.
func writeBytes(w io.Writer, b []byte) error {
	var head [8]byte
	binary.BigEndian.PutUint64(head[:], uint64(len(b)))
	if _, err := w.Write(head[:]); err != nil {
		return err
	}
	_, err := w.Write(b)
	return err
}

// maxPart bounds one part of a snapshot, so that a broken length cannot exhaust the memory.
const maxPart = 1 << 32

func readBytes(r io.Reader) ([]byte, error) {
	var head [8]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint64(head[:])
	if n > maxPart {
		return nil, fmt.Errorf("a part of %d bytes, at most %d: %w", n, maxPart, io.ErrUnexpectedEOF)
	}
	b, err := io.ReadAll(io.LimitReader(r, int64(n)))
	if err == nil && uint64(len(b)) != n {
		err = io.ErrUnexpectedEOF
	}
	return b, err
}
