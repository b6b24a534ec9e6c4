package relay

import (
	"encoding/binary"
	"fmt"

	"evenkeel/core/trade"
)

// callVersion is the version of the calls between relays that this binary writes and reads.
const callVersion = 1

// A question is one call: commands of one shard, in order.
//
//	uint8 version, uint64 group, uint64 term, uint64 epoch, uint32 count, then count times
//	uint32 day (0: a first try), uint32 length, the command
type question struct {
	group    uint64
	term     uint64 // in which the asking node believes that the asked one leads
	epoch    uint64 // of the asking node's shard
	count    int
	commands []byte // checked to hold count commands
}

const (
	questionHeader  = 1 + 3*8 + 4
	commandOverhead = 4 + 4
)

// appendQuestion begins a question; setCount ends it.
func appendQuestion(b []byte, group, term, epoch uint64) []byte {
	le := binary.LittleEndian
	b = le.AppendUint64(append(b, callVersion), group)
	return append(le.AppendUint64(le.AppendUint64(b, term), epoch), 0, 0, 0, 0)
}

// setCount corrects the number of commands at the head of a question.
func setCount(b []byte, count int) { binary.LittleEndian.PutUint32(b[25:], uint32(count)) }

func appendCommand(b []byte, day trade.Day, command []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(day))
	return append(binary.LittleEndian.AppendUint32(b, uint32(len(command))), command...)
}

// readQuestion checks the whole call.
func readQuestion(b []byte) (q question, err error) {
	if len(b) < questionHeader || b[0] != callVersion {
		return q, fmt.Errorf("%w: %d bytes, or of another version than %d", errCall, len(b), callVersion)
	}
	le := binary.LittleEndian
	count := le.Uint32(b[25:])
	q = question{le.Uint64(b[1:]), le.Uint64(b[9:]), le.Uint64(b[17:]), int(count), b[questionHeader:]}
	if count == 0 || count > maxCallCommands {
		return q, fmt.Errorf("%w: %d commands, 1 to %d", errCall, count, maxCallCommands)
	}
	rest := q.commands
	for range count {
		if len(rest) < commandOverhead || uint64(len(rest)-commandOverhead) < uint64(le.Uint32(rest[4:])) {
			return q, fmt.Errorf("%w: it ends within a command", errCall)
		}
		rest = rest[commandOverhead+int(le.Uint32(rest[4:])):]
	}
	if len(rest) > 0 {
		return q, fmt.Errorf("%w: %d bytes too many", errCall, len(rest))
	}
	return q, nil
}

// next takes the first command off a question that was checked.
func (q *question) next() (day trade.Day, command []byte) {
	le := binary.LittleEndian
	size := int(le.Uint32(q.commands[4:]))
	day = trade.Day(le.Uint32(q.commands))
	command = q.commands[commandOverhead : commandOverhead+size : commandOverhead+size]
	q.commands = q.commands[commandOverhead+size:]
	return day, command
}

// A result is what came of one command at the node that was asked. Numbers never change.
type result uint8

const (
	answered  result = 0 // the books' answer follows
	notLeader result = 1 // nothing happened: ask the leader
	full      result = 2 // nothing happened: ask again later
	unknown   result = 3 // it may have happened
	tooLarge  result = 4 // nothing happened, and nothing ever will
	otherDay  result = 5 // not tried again: the trading day is another
)

// A reply is the answer to a question: uint8 version, uint64 newest epoch, uint64 index of the log at or behind which
// everything lies that was answered, uint32 count, then count times uint8 result and, where it is answered, the
// answer.
const replyHeader = 1 + 8 + 8 + 4

func appendReply(b []byte, epoch, index uint64, count int) []byte {
	b = binary.LittleEndian.AppendUint64(append(b, callVersion), epoch)
	b = binary.LittleEndian.AppendUint64(b, index)
	return binary.LittleEndian.AppendUint32(b, uint32(count))
}

func appendResult(b []byte, r result, a *trade.Answer) []byte {
	if b = append(b, byte(r)); r == answered {
		b = trade.AppendAnswer(b, a)
	}
	return b
}

// A replyReader reads a reply, result by result.
type replyReader struct {
	epoch uint64
	index uint64
	rest  []byte
}

// readReply checks all of a reply to a question of so many commands.
func readReply(b []byte, count int) (r replyReader, err error) {
	if len(b) < replyHeader || b[0] != callVersion || int64(binary.LittleEndian.Uint32(b[17:])) != int64(count) {
		return r, fmt.Errorf("%w: a reply of %d bytes to %d commands", errCall, len(b), count)
	}
	r = replyReader{binary.LittleEndian.Uint64(b[1:]), binary.LittleEndian.Uint64(b[9:]), b[replyHeader:]}
	check := r
	for range count {
		var a trade.Answer
		if _, err := check.next(&a); err != nil {
			return r, err
		}
	}
	if len(check.rest) > 0 {
		return r, fmt.Errorf("%w: %d bytes too many in a reply", errCall, len(check.rest))
	}
	return r, nil
}

// next reads one result; a is filled where it is answered.
func (r *replyReader) next(a *trade.Answer) (result, error) {
	if len(r.rest) == 0 || result(r.rest[0]) > otherDay {
		return 0, fmt.Errorf("%w: a reply ends early, or with a result that is none", errCall)
	}
	what := result(r.rest[0])
	r.rest = r.rest[1:]
	if what != answered {
		return what, nil
	}
	if len(r.rest) < trade.AnswerBytes {
		return 0, fmt.Errorf("%w: a reply ends within an answer", errCall)
	}
	err := trade.DecodeAnswer(r.rest[:trade.AnswerBytes], a)
	if r.rest = r.rest[trade.AnswerBytes:]; err != nil {
		return 0, fmt.Errorf("%w: %w", errCall, err)
	}
	return what, nil
}
