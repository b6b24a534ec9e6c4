package replica

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"

	"evenkeel/core/planted"
)

// Leadership is who leads a group, as one node knows it.
type Leadership struct {
	Leader  uint64 // node that leads, 0 while none is known
	Term    uint64
	Leading bool // this node leads and takes commands
	Ready   bool // this node leads and has applied everything of earlier terms
}

// A transfer is leadership on its way to another voter. Until it has arrived or failed nothing new is proposed:
// commands wait in the queue.
type transfer struct {
	to    uint64
	done  func(error)
	now   bool // do not wait for what is in flight
	begun bool // the protocol was told
	ticks int  // since it was asked, then since it was begun
	lost  bool // this node no longer leads, and does not know who does
}

// drainTicks is how long a transfer waits for what is in flight, so that nobody has to be told "unknown".
const drainTicks = electionTicks / 2

// follow follows who leads.
func (l *loop[A]) follow(now *raft.SoftState) {
	leading := now.RaftState == raft.StateLeader
	l.leader = now.Lead
	if leading != l.leading {
		l.leading, l.isReady = leading, false
		if leading {
			l.queue.accept()
			l.beginChores()
		} else {
			l.dropChores(ErrUnknown)
			l.abandon()
			why := ErrNotLeader
			if planted.Is(planted.TransferLosesQueue) {
				why = nil
			}
			l.lose(l.queue.refuse(ErrNotLeader), why)
		}
	}
	l.followTransfer()
}

// announce tells everybody who leads, when that has changed.
func (l *loop[A]) announce() {
	now := Leadership{Leader: l.leader, Term: l.term, Leading: l.leading, Ready: l.leading && l.isReady}
	if now == l.told {
		return
	}
	if now.Leader != l.told.Leader || now.Term != l.told.Term {
		l.fresh.fail(fmt.Errorf("%w: leadership of group %d changed while it was asked", ErrNoLeader, l.group))
	}
	l.told = now
	l.mutex.Lock()
	l.public.leadership = now
	l.mutex.Unlock()
	if l.led != nil {
		l.led(now)
	}
}

// startTransfer begins to give leadership to a voter, the one that has most of the log when to is 0.
func (l *loop[A]) startTransfer(t *transfer) {
	switch {
	case !l.leading:
		t.done(ErrNotLeader)
		return
	case t.to == l.node:
		t.done(nil)
		return
	case l.transfer != nil:
		t.done(fmt.Errorf("%w: to node %d", ErrTransferring, l.transfer.to))
		return
	case t.to == 0:
		if t.to, _ = l.successor(); t.to == 0 {
			t.done(fmt.Errorf("%w: group %d has no other voter that is up", ErrNoSuccessor, l.group))
			return
		}
	case !slices.Contains(l.memory.conf.GetVoters(), t.to):
		t.done(fmt.Errorf("%w: node %d does not vote in group %d", ErrNoSuccessor, t.to, l.group))
		return
	}
	l.transfer = t
}

// beginTransfer tells the protocol when nothing is in flight any more, or that has taken too long. It reports whether
// it did.
func (l *loop[A]) beginTransfer() bool {
	t := l.transfer
	if t == nil || t.begun || t.lost || !t.now && l.inFlight > 0 && t.ticks < drainTicks {
		return false
	}
	t.begun, t.ticks = true, 0
	l.raft.TransferLeader(t.to)
	return true
}

// followTransfer ends a transfer when somebody else leads.
func (l *loop[A]) followTransfer() {
	t := l.transfer
	if t == nil || l.leading && !t.lost {
		return
	}
	t.lost = true
	switch l.leader {
	case 0:
	case t.to:
		l.endTransfer(nil)
	default:
		l.endTransfer(fmt.Errorf("%w: node %d leads group %d, not node %d", ErrNotTransferred, l.leader, l.group, t.to))
	}
}

// tickTransfer gives up a transfer that takes too long. The protocol gives up after an election's time.
func (l *loop[A]) tickTransfer() {
	t := l.transfer
	if t == nil {
		return
	}
	t.ticks++
	if t.begun && t.ticks > electionTicks && !t.lost || t.ticks > 4*electionTicks {
		l.endTransfer(fmt.Errorf("%w: node %d did not take it over", ErrNotTransferred, t.to))
	}
}

func (l *loop[A]) endTransfer(err error) {
	t := l.transfer
	l.transfer = nil
	if err != nil {
		l.unwilling = t.to
	}
	t.done(err)
}

// successor is the voter besides this node that has most of the log and was heard of, 0 when there is none. One that
// did not take over the last time is the last choice.
func (l *loop[A]) successor() (best, match uint64) {
	l.raft.WithProgress(func(id uint64, kind raft.ProgressType, p tracker.Progress) {
		if id == l.node || kind == raft.ProgressTypeLearner || !l.hears(id) ||
			!slices.Contains(l.memory.conf.GetVoters(), id) {
			return
		}
		if best == 0 || best == l.unwilling || p.Match > match && id != l.unwilling {
			best, match = id, p.Match
		}
	})
	return best, match
}

// hears reports whether another node was heard of within an election's time. What the protocol calls active does not
// tell: it begins to count anew once an election's time, and for a moment nobody is.
func (l *loop[A]) hears(node uint64) bool {
	at, heard := l.heard[node]
	return heard && l.beat-at <= electionTicks
}

// bequeath asks the successor of a leader that stops to stand for election at once: the others need not find out by
// its silence. A leader that stops sends
// nothing after it.
func (l *loop[A]) bequeath() {
	if !l.leading {
		return
	}
	if to, _ := l.successor(); to != 0 {
		l.handOver(to)
	}
}

// handOver asks a voter to stand for election at once.
func (l *loop[A]) handOver(to uint64) {
	l.transport.Send(l.group, []*raftpb.Message{{Type: raftpb.MsgTimeoutNow.Enum(), From: new(l.node), To: new(to),
		Term: new(l.term)}})
}

// deafTicks is after how long without a word from enough voters a leader thinks itself deaf: three heartbeats are
// unanswered then. The protocol has it step down after one to two election times.
const (
	deafTicks = 3 * heartbeatTicks
	askAgain  = 3 // ticks after which it asks another voter
)

// listen asks another voter to stand for election when this leader no longer hears enough of them. They may still
// hear this node, and would wait for as long as it speaks. As long as it leads it asks another one every askAgain
// ticks: what it says may be lost as well, or come too late. Whoever has heard of an election meanwhile does not
// listen to it.
func (l *loop[A]) listen() {
	if !l.leading {
		l.deaf = 0
		return
	}
	if l.transfer != nil {
		return
	}
	voters := l.memory.conf.GetVoters()
	up := 0
	for _, id := range voters {
		if at, heard := l.heard[id]; id == l.node || heard && l.beat-at <= deafTicks {
			up++
		}
	}
	if up > len(voters)/2 {
		l.deaf = 0
		return
	}
	if l.deaf++; l.deaf%askAgain != 1 {
		return
	}
	if l.deaf == 1 {
		l.asked = nil
		l.log.Warn("too few voters are heard of: another one is asked to take over", "group", l.group, "term", l.term)
	}
	if to := l.heir(); to != 0 {
		l.asked = append(l.asked, to)
		l.handOver(to)
	}
}

// heir is whom a deaf leader asks next: of those voters that it has asked least often, the one that has most of the
// log.
func (l *loop[A]) heir() (best uint64) {
	fewest, most := 0, uint64(0)
	l.raft.WithProgress(func(id uint64, kind raft.ProgressType, p tracker.Progress) {
		if id == l.node || kind == raft.ProgressTypeLearner || !slices.Contains(l.memory.conf.GetVoters(), id) {
			return
		}
		asked := 0
		for _, before := range l.asked {
			if before == id {
				asked++
			}
		}
		if best == 0 || asked < fewest || asked == fewest && p.Match > most {
			best, fewest, most = id, asked, p.Match
		}
	})
	return best
}

// watch looks at the journal's write under way: over SlowSync a leader gives leadership to a voter that has saved
// more, over StalledSync the group fails.
func (l *loop[A]) watch() {
	under := l.underWay()
	if under >= l.limits.StalledSync {
		l.fail(fmt.Errorf("writing the log %s has taken %v and the limit is %v; check the disk, then start again: what was "+
			"acknowledged is kept", l.journal.dir, l.journal.busyFor().Round(time.Millisecond), l.limits.StalledSync))
		return
	}
	l.hung = under >= l.limits.SlowSync
	if !l.hung || !l.leading {
		return
	}
	if l.transfer != nil {
		l.transfer.now = true
		return
	}
	to, match := l.successor()
	if match <= l.memory.end() { // it has saved no more than this node: where all disks are slow, nobody does better
		return
	}
	l.log.Warn("the log's disk hangs: leadership is given away", "group", l.group, "to", to, "under way", under)
	l.startTransfer(&transfer{to: to, now: true, done: func(err error) {
		if err != nil {
			l.log.Warn("giving leadership away", "group", l.group, "error", err)
		}
	}})
}

// underWay is how long one write of the journal has gone on. Ticks are counted, not time: when the process itself
// stood still (stopped, or on a machine that was), the disk is not to blame.
func (l *loop[A]) underWay() time.Duration {
	now := l.journal.busySince.Load()
	if now == 0 || now != l.watched {
		l.watched, l.ticks = now, 0
		return 0
	}
	l.ticks++
	return time.Duration(l.ticks) * l.limits.Tick
}

// Errors of Transfer and Fresh.
var (
	// ErrNoSuccessor: nobody can take leadership over. Nothing happened.
	ErrNoSuccessor = errors.New("no successor for leadership")
	// ErrTransferring: leadership is on its way already. Nothing happened.
	ErrTransferring = errors.New("leadership is being transferred")
	// ErrNotTransferred: leadership was offered and not taken, or another node has it.
	ErrNotTransferred = errors.New("leadership was not transferred")
	// ErrNoLeader: no leader is known, or it changed or fell silent while it was asked. Nothing happened.
	ErrNoLeader = errors.New("no leader")
)
