// Package planted names the bugs that are planted in the house on purpose, so that the simulation can prove that it
// would find them.
//
// Is(bug) is a constant false in an ordinary build: the compiler removes what stands behind it. In a build with the
// tag `planted` one bug is chosen (Choose), before anything runs, and Is says whether it is the one.
//
// A site is one line in the real code, of the form `if planted.Is(planted.SomeBug) { ... }`. Invariants: All
// lists every bug; each has one site or more, and no site is without a bug; no test but those of sim/ builds with the
// tag.
//
// Source: mutation testing (DeMillo, Lipton and Sayward, "Hints on Test Data Selection", 1978); the canary of this
// house, which is one bug for the unit tests, where these are for the whole.
package planted

// A Bug is one that can be planted, by name.
type Bug string

// None is no bug.
const None Bug = ""

// The bugs, by what goes wrong.
const (
	// Of the log: package replica.

	// AcknowledgeBeforeSync: the journal says that entries are on disk before it writes them.
	AcknowledgeBeforeSync Bug = "acknowledge-before-sync"
	// AnswerBeforeQuorum: a leader takes its own disk for a quorum.
	AnswerBeforeQuorum Bug = "answer-before-quorum"
	// VoteForgotten: a vote is not written.
	VoteForgotten Bug = "vote-forgotten"
	// TermForgotten: a state without entries is not written.
	TermForgotten Bug = "term-forgotten"
	// DamageTakenForEnd: damage in the last segment is taken for the unfinished end of the log.
	DamageTakenForEnd Bug = "damage-taken-for-end"
	// CorruptionAccepted: a checksum that does not match is passed over.
	CorruptionAccepted Bug = "corruption-accepted"
	// CommitAheadOfLog: at start everything in the log counts as agreed.
	CommitAheadOfLog Bug = "commit-ahead-of-log"
	// AppliedTwice: the first entry behind the snapshot is applied twice at start.
	AppliedTwice Bug = "applied-twice"
	// AnswerOnStepDown: commands in flight are answered as done when leadership is lost.
	AnswerOnStepDown Bug = "answer-on-step-down"
	// AnswerToWrongCommand: an answer goes to whoever waits at the index, whatever the term.
	AnswerToWrongCommand Bug = "answer-to-wrong-command"
	// ApplyMessageDropped: work for the applier is lost now and then.
	ApplyMessageDropped Bug = "apply-message-dropped"
	// TimeRunsBack: the time of entries is the leader's clock, unchecked.
	TimeRunsBack Bug = "time-runs-back"
	// StaleRead: a fresh read is answered from what is there.
	StaleRead Bug = "stale-read"
	// StaleReadOfDeposed: a leader answers fresh reads without asking whether it still leads.
	StaleReadOfDeposed Bug = "stale-read-of-deposed"
	// ReadBeforeApply: who waits for an entry is told before it is applied.
	ReadBeforeApply Bug = "read-before-apply"
	// SnapshotNotTaken: the machine goes on as it was after the leader's snapshot was installed.
	SnapshotNotTaken Bug = "snapshot-not-taken"
	// SnapshotLacksMembers: a snapshot has the members of the one before it.
	SnapshotLacksMembers Bug = "snapshot-lacks-members"
	// DropLogTooEarly: all segments of the log but the last are dropped.
	DropLogTooEarly Bug = "drop-log-too-early"
	// TransferLosesQueue: what waits is answered as done when leadership is lost.
	TransferLosesQueue Bug = "transfer-loses-queue"
	// FeatureUnasked: a feature is activated whatever the binaries of the members know.
	FeatureUnasked Bug = "feature-unasked"
	// SlowElection: who hears no leader waits ten times as long.
	SlowElection Bug = "slow-election"
	// DivergenceIgnored: a node whose state is not that of most members goes on.
	DivergenceIgnored Bug = "divergence-ignored"

	// Of the books: core/broker, core/ledger, records, books.
	// ClientIDsNotKept: client order ids are missing from the snapshot.
	ClientIDsNotKept Bug = "client-ids-not-kept"
	// SessionsNotKept: logins are missing from the snapshot.
	SessionsNotKept Bug = "sessions-not-kept"
	// MovementsNotKept: references of deposits are missing from the snapshot.
	MovementsNotKept Bug = "movements-not-kept"
	// OutboxNotKept: requests for the exchange are missing from the snapshot.
	OutboxNotKept Bug = "outbox-not-kept"
	// SettledEarly: shares bought today are sellable after a restore.
	SettledEarly Bug = "settled-early"
	// ClientIDsIgnored: the same client order id makes another order.
	ClientIDsIgnored Bug = "client-ids-ignored"
	// ReferenceIgnored: the same reference moves cash again.
	ReferenceIgnored Bug = "reference-ignored"
	// MapOrder: something of the state depends on the order of a map.
	MapOrder Bug = "map-order"
	// ClockInApply: something of the state depends on the machine's clock.
	ClockInApply Bug = "clock-in-apply"
	// FreezeKept: a cancelled order leaves some of its cash frozen.
	FreezeKept Bug = "freeze-kept"
	// FeeTwice: a fill is charged twice.
	FeeTwice Bug = "fee-twice"
	// SharesFromNothing: a fill now and then gives a lot too much, for which the house's side is booked, too.
	SharesFromNothing Bug = "shares-from-nothing"
	// EventSkipped: who goes on with an account's stream misses an event now and then.
	EventSkipped Bug = "event-skipped"
	// ReportTwice: a report that came before is applied again.
	ReportTwice Bug = "report-twice"
	// ReportSkipped: a report that seems of no interest is not given to the books.
	ReportSkipped Bug = "report-skipped"
	// DayNotCommitted: the day's records miss a movement of cash now and then.
	DayNotCommitted Bug = "day-not-committed"
	// DayNotRestored: the day's records of some accounts are not restored.
	DayNotRestored Bug = "day-not-restored"

	// Of the link and the exchange's gateway: venue, exchange.
	// OutboxNotResent: a new session sends only what is new.
	OutboxNotResent Bug = "outbox-not-resent"
	// OutboxUnfenced: a link that was stopped goes on sending.
	OutboxUnfenced Bug = "outbox-unfenced"
	// ClOrdIDRenewed: a request that is sent again has another ClOrdID.
	ClOrdIDRenewed Bug = "clordid-renewed"
	// SyncFromWrongIndex: reports are asked for from one behind what the books lack.
	SyncFromWrongIndex Bug = "sync-from-wrong-index"
	// PartitionForgotten: reports of the last partition are never asked for.
	PartitionForgotten Bug = "partition-forgotten"
	// RefusalNotTold: what the exchange refused for good is not told to the books.
	RefusalNotTold Bug = "refusal-not-told"
	// OldSessionSpeaks: an older session's requests are taken after a newer logon.
	OldSessionSpeaks Bug = "old-session-speaks"
	// DuplicateTaken: the exchange takes a ClOrdID twice.
	DuplicateTaken Bug = "duplicate-taken"
)

// All returns every bug, in the order above.
func All() []Bug {
	return []Bug{
		AcknowledgeBeforeSync, AnswerBeforeQuorum, VoteForgotten, TermForgotten, DamageTakenForEnd,
		CorruptionAccepted, CommitAheadOfLog, AppliedTwice, AnswerOnStepDown, AnswerToWrongCommand,
		ApplyMessageDropped, TimeRunsBack, StaleRead, StaleReadOfDeposed, ReadBeforeApply, SnapshotNotTaken,
		SnapshotLacksMembers, DropLogTooEarly, TransferLosesQueue, FeatureUnasked,
		SlowElection, DivergenceIgnored,
		ClientIDsNotKept, SessionsNotKept, MovementsNotKept, OutboxNotKept,
		SettledEarly, ClientIDsIgnored, ReferenceIgnored, MapOrder,
		ClockInApply, FreezeKept, FeeTwice, SharesFromNothing, EventSkipped, ReportTwice, ReportSkipped,
		DayNotCommitted, DayNotRestored,
		OutboxNotResent, OutboxUnfenced, ClOrdIDRenewed, SyncFromWrongIndex,
		PartitionForgotten, RefusalNotTold, OldSessionSpeaks, DuplicateTaken,
	}
}
