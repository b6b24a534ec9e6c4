package replica

import (
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"evenkeel/core/planted"
)

// Chores are what a group does for its own sake, once every Limits.CompareEvery: members tell the leader what their
// binaries know; the leader has their states compared, and sees to it that features are activated. The raft loop owns
// them.
type chores struct {
	features []Feature         // that this binary knows
	latest   map[uint64]taken  // of each member, of this term
	reported map[uint64]report // what each member's binary knows, of this term
	asked    *taken            // the attest whose comparison is due, with what this node had
	patience int               // ticks until it goes without those that are silent
	waiting  []control         // to be proposed
	flying   map[controlKind]int
	order    *order // a feature that somebody wants activated
	ticks    int
	warned   string // of members that differ, so that it is said once
}

// An order is somebody's wish to activate a feature.
type order struct {
	feature Feature
	done    func(error) // called once
	ticks   int
}

// maxWaiting bounds chores.waiting: what does not fit is proposed at another time.
const maxWaiting = 64

// ErrActivating: another activation is under way. Nothing happened.
var ErrActivating = errors.New("another feature is being activated")

func newChores(features []Feature) *chores {
	c := &chores{features: features}
	c.begin()
	return c
}

// begin forgets what was of another term.
func (c *chores) begin() {
	c.latest, c.reported, c.flying = map[uint64]taken{}, map[uint64]report{}, map[controlKind]int{}
	c.asked, c.waiting, c.ticks = nil, nil, 0
}

// put has an entry proposed.
func (c *chores) put(entry control) {
	if len(c.waiting) < maxWaiting {
		c.waiting = append(c.waiting, entry)
	}
}

// pending reports whether an entry of a kind is on its way.
func (c *chores) pending(kind controlKind) bool {
	return c.flying[kind] > 0 || slices.ContainsFunc(c.waiting, func(e control) bool { return e.kind == kind })
}

// proposeChores hands the group's own entries to the protocol; like batches they take their place in flight.
func (l *loop[A]) proposeChores() {
	c := l.chores
	for len(c.waiting) > 0 && l.leading && l.transfer == nil && l.inFlight < l.limits.InFlight {
		entry := c.waiting[0]
		c.waiting = c.waiting[1:]
		l.time = max(l.time, l.clock().UnixNano())
		entry.time = l.time
		payload := encodeControl(l.group, &entry)
		if l.raft.Propose(payload) != nil {
			continue // leadership is on its way out; what matters is asked for again
		}
		c.flying[entry.kind]++
		l.proposed = append(l.proposed, &batch[A]{size: len(payload)})
		l.inFlight++
	}
}

// dropChores forgets what an older term wanted.
func (l *loop[A]) dropChores(why error) {
	l.chores.begin()
	if o := l.chores.order; o != nil {
		l.chores.order = nil
		o.done(why)
	}
}

// tickChores counts ticks and does what is due.
func (l *loop[A]) tickChores() {
	c := l.chores
	if c.order != nil {
		c.order.ticks++
	}
	if c.asked != nil {
		if c.patience--; c.patience <= 0 {
			l.closeComparison()
		}
	}
	every := max(1, int(l.limits.CompareEvery/l.limits.Tick))
	if c.ticks++; c.ticks < every {
		if l.leading && l.isReady {
			l.pursue(every)
		}
		return
	}
	c.ticks = 0
	own := report{kind: knowsReport, numbers: numbersOf(c.features)}
	switch {
	case l.leading && l.isReady:
		c.reported[l.node] = own
		l.pursue(every)
		l.startComparison()
	case l.leader != raft.None && l.leader != l.node:
		l.report(own)
	}
}

// report tells the leader something.
func (l *loop[A]) report(r report) {
	l.send([]*raftpb.Message{{
		Type: raftpb.MsgProp.Enum(), From: new(l.node), To: new(l.leader), Term: new(l.term),
		Entries: []*raftpb.Entry{{Data: encodeReport(r)}},
	}})
}

// reportOf takes a report out of the message that brought it; ok is false for any other message.
func reportOf(m *raftpb.Message) (r report, ok bool) {
	if m.GetType() != raftpb.MsgProp || len(m.Entries) != 1 {
		return report{}, false
	}
	r, err := decodeReport(m.Entries[0].Data)
	r.result.node = m.GetFrom()
	return r, err == nil
}

// onReport takes what a member tells the leader.
func (l *loop[A]) onReport(m *raftpb.Message) {
	from := m.GetFrom()
	r, ok := reportOf(m)
	if !ok || !l.leading || !slices.Contains(l.memberIDs(), from) {
		return
	}
	switch r.kind {
	case knowsReport:
		l.chores.reported[from] = r
		l.showKnowledge()
		return
	case wantReport:
		l.onWanted(from, r.index)
		return
	}
	l.onTaken(from, taken{index: r.index, scheme: r.scheme, result: r.result})
}

// onTaken takes what a member had at an attest: this node's own goes to the leader.
func (l *loop[A]) onTaken(from uint64, t taken) {
	c := l.chores
	if !l.leading {
		if l.leader != raft.None {
			l.report(report{kind: hashReport, scheme: t.scheme, index: t.index, result: t.result})
		}
		return
	}
	c.latest[from] = t
	if from == l.node {
		c.asked, c.patience = &t, max(electionTicks, int(l.limits.CompareEvery/l.limits.Tick)/2)
	}
	if c.asked == nil {
		return
	}
	for _, id := range l.memberIDs() {
		if c.latest[id].index != c.asked.index {
			return
		}
	}
	l.closeComparison()
}

// startComparison has all members take their hash at one entry.
func (l *loop[A]) startComparison() {
	c := l.chores
	underWay := c.asked != nil || c.pending(attestControl) || c.pending(compareControl)
	if underWay || len(l.memberIDs()) < 2 || !l.applier.hashes || !l.applier.agreed().has(StateComparison) {
		return
	}
	c.put(control{kind: attestControl, scheme: l.applier.scheme})
}

// closeComparison lays what the members had before all of them.
func (l *loop[A]) closeComparison() {
	c := l.chores
	asked := c.asked
	c.asked = nil
	if !l.leading || asked == nil {
		return
	}
	entry := control{kind: compareControl, scheme: asked.scheme, index: asked.index,
		voters: uint16(len(l.voterIDs()))}
	for _, id := range l.memberIDs() {
		t, heard := c.latest[id]
		if !heard || t.index != asked.index || t.scheme != asked.scheme {
			continue
		}
		t.node, t.learner = id, !slices.Contains(l.voterIDs(), id)
		entry.results = append(entry.results, t.result)
	}
	if len(entry.results) > 1 {
		c.put(entry)
	}
}

// onFinding follows what an entry of the log's own came to, on every member.
func (l *loop[A]) onFinding(f *finding) {
	c := l.chores
	c.flying[f.kind] = max(0, c.flying[f.kind]-1)
	switch f.kind {
	case attestControl:
		if f.altered != nil {
			l.log.Error("the state has rows that no command changed; the others decide what becomes of this node",
				"group", l.group, "error", f.altered)
		}
		if f.taken != nil {
			l.onTaken(l.node, *f.taken)
		}
	case compareControl:
		l.onCompared(f)
	case activateControl:
		l.endOrder(f)
	}
	l.showKnowledge()
}

// onCompared says loudly when members differ and none is known to be wrong: there are too few to tell, or each has
// another state. Nobody stops then, because nobody knows who should; trading goes on with the leader's state.
func (l *loop[A]) onCompared(f *finding) {
	text := ""
	if f.opinion == undecided && f.compared.differ() {
		text = fmt.Sprintf("members of group %d have different states and there is no majority: %s; stop trading, compare "+
			"the books with the exchange, and keep the nodes that are right", l.group, f.compared.String())
	}
	if text != "" && l.chores.warned == "" {
		l.log.Error("states differ", "group", l.group, "error", text)
	}
	l.chores.warned = text
	l.mutex.Lock()
	l.public.differ = text
	if f.opinion == sameAsMost {
		l.public.compared = f.compared.index
	}
	l.mutex.Unlock()
}

// pursue brings the group's features forward: a new group begins with those that all members know; an existing one
// gets those that were ordered. What the log has of a member's knowledge is brought up to date first.
func (l *loop[A]) pursue(every int) {
	c := l.chores
	agreed := l.applier.agreed()
	newborn := !agreed.born && (agreed.young || !l.applier.commanded.Load())
	if newborn {
		l.beBorn(agreed)
	}
	if c.order == nil && !agreed.born {
		return // a group that an earlier release made: its log stays one that this release can read
	}
	current := !newborn
	for _, id := range l.memberIDs() {
		r, heard := c.reported[id]
		if !heard {
			continue
		}
		if numbers, said := agreed.knows(id); !said || !slices.Equal(numbers, r.numbers) {
			current = false
			if !newborn && !c.pending(knowsControl) {
				c.put(control{kind: knowsControl, known: []NodeFeatures{{Node: id, Numbers: r.numbers}}})
			}
		}
	}
	if c.order != nil && !c.pending(activateControl) {
		l.pursueOrder(current, 3*every)
	}
}

// beBorn gives a new group its first features, when all members have said what they know. Before its first command
// the log notes that the group is one that knows of features, so that another leader goes on with this.
func (l *loop[A]) beBorn(agreed charter) {
	c := l.chores
	if c.pending(bornControl) || c.pending(knowsControl) {
		return
	}
	entry := control{kind: bornControl}
	for _, id := range l.memberIDs() {
		r, heard := c.reported[id]
		if !heard {
			if _, said := agreed.knows(l.node); !said {
				c.put(control{kind: knowsControl, known: []NodeFeatures{{l.node, numbersOf(c.features)}}})
			}
			return
		}
		entry.known = append(entry.known, NodeFeatures{id, r.numbers})
	}
	for _, f := range c.features {
		everybody := !slices.ContainsFunc(entry.known, func(k NodeFeatures) bool {
			return !slices.Contains(k.Numbers, f.Number)
		})
		if everybody {
			entry.features = append(entry.features, f)
		}
	}
	c.put(entry)
}

// startOrder takes a wish to activate a feature.
func (l *loop[A]) startOrder(o *order) {
	c := l.chores
	at := slices.IndexFunc(c.features, func(f Feature) bool { return f.Number == o.feature.Number })
	switch {
	case !l.leading || !l.isReady:
		o.done(ErrNotLeader)
	case c.order != nil:
		o.done(fmt.Errorf("%w: %v", ErrActivating, c.order.feature))
	case l.applier.agreed().has(o.feature.Number):
		o.done(nil)
	case at < 0:
		o.feature.Name, o.feature.Since = "unknown", "that brings it"
		o.done(&RefusedFeatureError{Feature: o.feature, Missing: []uint64{l.node}})
	default:
		o.feature, c.order = c.features[at], o
		// What was said before may be of a binary that runs no more: all say it again, within Limits.CompareEvery.
		c.reported = map[uint64]report{l.node: {kind: knowsReport, numbers: numbersOf(c.features)}}
	}
}

// pursueOrder proposes the activation when the log has what all members know, and refuses it when one does not know
// the feature, or stays silent for too long.
func (l *loop[A]) pursueOrder(current bool, patience int) {
	c := l.chores
	refusal := &RefusedFeatureError{Feature: c.order.feature}
	for _, id := range l.memberIDs() {
		r, heard := c.reported[id]
		switch {
		case !heard:
			refusal.Silent = append(refusal.Silent, id)
		case !slices.Contains(r.numbers, c.order.feature.Number):
			refusal.Missing = append(refusal.Missing, id)
		}
	}
	switch {
	case len(refusal.Silent) > 0 && c.order.ticks <= patience:
	case len(refusal.Silent)+len(refusal.Missing) > 0 && !planted.Is(planted.FeatureUnasked):
		done := c.order.done
		c.order = nil
		done(refusal)
	case l.change != nil || l.memory.joint(): // whoever comes with it is asked, too
	case current:
		c.put(control{kind: activateControl, features: []Feature{c.order.feature}, nodes: l.memberIDs()})
	}
}

func (l *loop[A]) endOrder(f *finding) {
	o := l.chores.order
	if o == nil || o.feature.Number != f.feature.Number {
		return
	}
	l.chores.order = nil
	o.done(f.refusal)
}

// showKnowledge publishes what is known of features: what the log says, and on the leader what members said since.
func (l *loop[A]) showKnowledge() {
	agreed := l.applier.agreed()
	for id, r := range l.chores.reported {
		agreed = agreed.withKnown(NodeFeatures{id, r.numbers})
	}
	l.mutex.Lock()
	l.public.features = FeatureState{Active: agreed.active, Known: agreed.known}
	l.mutex.Unlock()
}
