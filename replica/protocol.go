package replica

import (
	"fmt"
	"log/slog"
	"math"

	"go.etcd.io/raft/v3"

	"evenkeel/core/planted"
)

// protocolConfig is the configuration of the protocol. Settings with their reasons:
// pre-vote and check-quorum keep a voter that comes back, or is cut off, from disturbing a working leader; proposals
// are not forwarded, because the leader stamps their time; who is removed steps down; applying may run ahead of its
// answers by all that is in flight. A voter is sent at most 256 messages, and 16 MiB of them, ahead of its answers.
func protocolConfig(node uint64, memory *logMemory, applied uint64, limits Limits, log *slog.Logger) *raft.Config {
	reads := raft.ReadOnlySafe
	if planted.Is(planted.StaleReadOfDeposed) {
		reads = raft.ReadOnlyLeaseBased
	}
	elections := electionTicks
	if planted.Is(planted.SlowElection) {
		elections *= 10
	}
	return &raft.Config{
		ReadOnlyOption:            reads,
		ID:                        node,
		ElectionTick:              elections,
		HeartbeatTick:             heartbeatTicks,
		Storage:                   memory,
		Applied:                   applied,
		AsyncStorageWrites:        true,
		MaxSizePerMsg:             uint64(limits.EntryBytes),
		MaxCommittedSizePerReady:  uint64(limits.EntryBytes) * uint64(limits.InFlight),
		MaxUncommittedEntriesSize: math.MaxUint64, // InFlight bounds it
		MaxInflightMsgs:           maxInflightMessages,
		MaxInflightBytes:          uint64(limits.EntryBytes) * maxInflightMessages / 4,
		CheckQuorum:               true,
		PreVote:                   true,
		DisableProposalForwarding: true,
		StepDownOnRemoval:         true,
		Logger:                    raftLogger{log},
	}
}

const (
	electionTicks       = 10
	heartbeatTicks      = 2
	maxInflightMessages = 256
)

// raftLogger gives the protocol's own log to ours: its news are our details. Its panics are bugs and stay panics.
type raftLogger struct{ log *slog.Logger }

func (r raftLogger) Debug(v ...any)                   { r.log.Debug(fmt.Sprint(v...)) }
func (r raftLogger) Debugf(format string, v ...any)   { r.log.Debug(fmt.Sprintf(format, v...)) }
func (r raftLogger) Info(v ...any)                    { r.log.Debug(fmt.Sprint(v...)) }
func (r raftLogger) Infof(format string, v ...any)    { r.log.Debug(fmt.Sprintf(format, v...)) }
func (r raftLogger) Warning(v ...any)                 { r.log.Warn(fmt.Sprint(v...)) }
func (r raftLogger) Warningf(format string, v ...any) { r.log.Warn(fmt.Sprintf(format, v...)) }
func (r raftLogger) Error(v ...any)                   { r.log.Error(fmt.Sprint(v...)) }
func (r raftLogger) Errorf(format string, v ...any)   { r.log.Error(fmt.Sprintf(format, v...)) }
func (r raftLogger) Fatal(v ...any)                   { panic(fmt.Sprint(v...)) }
func (r raftLogger) Fatalf(format string, v ...any)   { panic(fmt.Sprintf(format, v...)) }
func (r raftLogger) Panic(v ...any)                   { panic(fmt.Sprint(v...)) }
func (r raftLogger) Panicf(format string, v ...any)   { panic(fmt.Sprintf(format, v...)) }
