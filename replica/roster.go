package replica

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.etcd.io/raft/v3/confchange"
	"go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
	"google.golang.org/protobuf/proto"
)

// A Member is one node of a group. A voter counts for the quorum; a learner gets the log and does not.
type Member struct {
	ID      uint64
	Address string // where the other nodes reach it; "" when they know
	Learner bool
}

// A roster is who belongs to a group as of an entry of its log.
type roster struct {
	conf      *raftpb.ConfState
	addresses map[uint64]string // of members that have one
	removed   []uint64          // ids that were members and are no longer, in order; never used again
}

// newRoster is the roster of a new group.
func newRoster(members []Member) roster {
	r := roster{conf: &raftpb.ConfState{AutoLeave: new(false)}, addresses: map[uint64]string{}}
	for _, m := range members {
		if m.Learner {
			r.conf.Learners = append(r.conf.Learners, m.ID)
		} else {
			r.conf.Voters = append(r.conf.Voters, m.ID)
		}
		if m.Address != "" {
			r.addresses[m.ID] = m.Address
		}
	}
	slices.Sort(r.conf.Voters)
	slices.Sort(r.conf.Learners)
	return r
}

// voters are all whose votes count, in a change of members those of before it too.
func (r roster) voters() []uint64 {
	all := slices.Concat(r.conf.GetVoters(), r.conf.GetVotersOutgoing())
	slices.Sort(all)
	return slices.Compact(all)
}

// ids are all members, in order.
func (r roster) ids() []uint64 {
	all := slices.Concat(r.voters(), r.conf.GetLearners(), r.conf.GetLearnersNext())
	slices.Sort(all)
	return slices.Compact(all)
}

func (r roster) members() []Member {
	var all []Member
	voters := r.voters()
	for _, id := range r.ids() {
		_, votes := slices.BinarySearch(voters, id)
		all = append(all, Member{ID: id, Address: r.addresses[id], Learner: !votes})
	}
	return all
}

// alone reports whether node decides by itself.
func (r roster) alone(node uint64) bool { return slices.Equal(r.voters(), []uint64{node}) }

// checkMembers says what is wrong with the members of a new group.
func checkMembers(members []Member, node uint64) error {
	sorted := slices.SortedFunc(slices.Values(members), func(a, b Member) int { return cmp.Compare(a.ID, b.ID) })
	for i, m := range sorted {
		switch {
		case m.ID == 0 || m.ID >= maxNode:
			return fmt.Errorf("member %d: ids begin at 1 and are less than %d", m.ID, uint64(maxNode))
		case i > 0 && sorted[i-1].ID == m.ID:
			return fmt.Errorf("member %d is named twice", m.ID)
		}
		if err := checkAddress(m); err != nil {
			return err
		}
	}
	if len(members) > maxMembers {
		return fmt.Errorf("%d members are more than %d", len(members), maxMembers)
	}
	if !slices.ContainsFunc(members, func(m Member) bool { return m.ID == node }) {
		return fmt.Errorf("node %d is not among the members %v", node, members)
	}
	if !slices.ContainsFunc(members, func(m Member) bool { return !m.Learner }) {
		return fmt.Errorf("none of the members %v votes", members)
	}
	return nil
}

// maxAddress bounds the length of an address.
const maxAddress = 255

func checkAddress(m Member) error {
	if m.Address == noAddress || len(m.Address) > maxAddress ||
		strings.ContainsFunc(m.Address, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return fmt.Errorf("member %d: address %.300q is not up to %d printable characters without a blank", m.ID, m.Address,
			maxAddress)
	}
	return nil
}

// after is the roster after a change of members, whose context names those it adds.
func (r roster) after(c *raftpb.ConfChangeV2) (roster, error) {
	added, err := decodeMembers(c.GetContext())
	if err != nil {
		return roster{}, err
	}
	changer := confchange.Changer{Tracker: tracker.MakeProgressTracker(1, 0), LastIndex: 1}
	changer.Tracker.Config, changer.Tracker.Progress, err = confchange.Restore(changer, r.conf)
	if err != nil {
		return roster{}, err
	}
	switch auto, joint := c.EnterJoint(); {
	case c.LeaveJoint():
		changer.Tracker.Config, changer.Tracker.Progress, err = changer.LeaveJoint()
	case joint:
		changer.Tracker.Config, changer.Tracker.Progress, err = changer.EnterJoint(auto, c.Changes...)
	default:
		changer.Tracker.Config, changer.Tracker.Progress, err = changer.Simple(c.Changes...)
	}
	if err != nil {
		return roster{}, err
	}
	next := roster{conf: changer.Tracker.ConfState(), addresses: map[uint64]string{}, removed: slices.Clone(r.removed)}
	ids := next.ids()
	for _, id := range r.ids() {
		if _, still := slices.BinarySearch(ids, id); !still {
			next.removed = append(next.removed, id)
		} else if address := r.addresses[id]; address != "" {
			next.addresses[id] = address
		}
	}
	slices.Sort(next.removed)
	for _, m := range added {
		if _, there := slices.BinarySearch(ids, m.ID); there && m.Address != "" {
			next.addresses[m.ID] = m.Address
		}
	}
	return next, nil
}

// wasRemoved reports whether id was a member and is no longer.
func (r roster) wasRemoved(id uint64) bool {
	_, found := slices.BinarySearch(r.removed, id)
	return found
}

// joint reports whether a change of members is under way.
func (r roster) joint() bool { return len(r.conf.GetVotersOutgoing()) > 0 }

// The encodings of members and rosters, all numbers little-endian. Members are the context of a change in the log, a
// roster is in the head of a snapshot:
//
//	members  count u16 | count times: id u64, learner u8, length of address u8, address
//	roster   voters, learners, outgoing voters, next learners, removed, addresses u32 each | leaves by itself u8 |
//	         ids u64 each | count of addresses times: id u64, length of address u8, address; by id
func encodeMembers(members []Member) []byte {
	b := binary.LittleEndian.AppendUint16(nil, uint16(len(members)))
	for _, m := range members {
		b = binary.LittleEndian.AppendUint64(b, m.ID)
		b = append(b, boolByte(m.Learner), byte(len(m.Address)))
		b = append(b, m.Address...)
	}
	return b
}

var errNotRoster = errors.New("not a roster of members")

// decodeMembers decodes what encodeMembers made. Nothing is nobody.
func decodeMembers(b []byte) ([]Member, error) {
	if len(b) == 0 {
		return nil, nil
	}
	if len(b) < 2 {
		return nil, errNotRoster
	}
	count := binary.LittleEndian.Uint16(b)
	b = b[2:]
	var members []Member
	for range count {
		if len(b) < 10 || b[8] > 1 || len(b) < 10+int(b[9]) {
			return nil, errNotRoster
		}
		members = append(members, Member{ID: binary.LittleEndian.Uint64(b), Learner: b[8] == 1,
			Address: string(b[10 : 10+int(b[9])])})
		b = b[10+int(b[9]):]
	}
	if len(b) > 0 {
		return nil, errNotRoster
	}
	return members, nil
}

func boolByte(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// lists are the ids of a roster in the order of their encoding.
func (r roster) lists() [5][]uint64 {
	return [5][]uint64{r.conf.GetVoters(), r.conf.GetLearners(), r.conf.GetVotersOutgoing(), r.conf.GetLearnersNext(),
		r.removed}
}

const rosterFixed = 6*4 + 1

func encodeRoster(r roster) []byte {
	var b []byte
	for _, list := range r.lists() {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(list)))
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(len(r.addresses)))
	b = append(b, boolByte(r.conf.GetAutoLeave()))
	for _, list := range r.lists() {
		for _, id := range list {
			b = binary.LittleEndian.AppendUint64(b, id)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(r.addresses)) {
		b = binary.LittleEndian.AppendUint64(b, id)
		b = append(b, byte(len(r.addresses[id])))
		b = append(b, r.addresses[id]...)
	}
	return b
}

func decodeRoster(b []byte) (roster, error) {
	if len(b) < rosterFixed || b[rosterFixed-1] > 1 {
		return roster{}, errNotRoster
	}
	var lists [5][]uint64
	counts, rest := b[:rosterFixed], b[rosterFixed:]
	for i := range lists {
		count := uint64(binary.LittleEndian.Uint32(counts[4*i:]))
		if count > uint64(len(rest))/8 {
			return roster{}, errNotRoster
		}
		for range count {
			lists[i] = append(lists[i], binary.LittleEndian.Uint64(rest))
			rest = rest[8:]
		}
	}
	r := roster{addresses: map[uint64]string{}, removed: lists[4], conf: &raftpb.ConfState{Voters: lists[0],
		Learners: lists[1], VotersOutgoing: lists[2], LearnersNext: lists[3], AutoLeave: new(b[rosterFixed-1] == 1)}}
	if !ascending(r.removed) {
		return roster{}, errNotRoster
	}
	before := uint64(0)
	for range binary.LittleEndian.Uint32(counts[20:]) {
		if len(rest) < 9 || rest[8] == 0 || len(rest) < 9+int(rest[8]) {
			return roster{}, errNotRoster
		}
		id := binary.LittleEndian.Uint64(rest)
		if id <= before {
			return roster{}, errNotRoster
		}
		before = id
		r.addresses[id] = string(rest[9 : 9+int(rest[8])])
		rest = rest[9+int(rest[8]):]
	}
	if len(rest) > 0 {
		return roster{}, errNotRoster
	}
	return r, nil
}

// ascending reports whether ids grow from each to the next.
func ascending(ids []uint64) bool {
	for i := 1; i < len(ids); i++ {
		if ids[i-1] >= ids[i] {
			return false
		}
	}
	return true
}

// plain reports whether a roster is only voters and learners: the first layout of snapshots can say it.
func (r roster) plain() bool {
	return len(r.addresses) == 0 && len(r.removed) == 0 && !r.joint() && len(r.conf.GetLearnersNext()) == 0 &&
		!r.conf.GetAutoLeave()
}

// decodeChange decodes an entry that changes members.
func decodeChange(data []byte) (*raftpb.ConfChangeV2, error) {
	c := &raftpb.ConfChangeV2{}
	if err := proto.Unmarshal(data, c); err != nil {
		return nil, err
	}
	if t := c.GetTransition(); t < raftpb.ConfChangeTransitionAuto || t > raftpb.ConfChangeTransitionJointExplicit {
		return nil, fmt.Errorf("unknown transition %d", t) // the protocol's package panics
	}
	if _, err := decodeMembers(c.GetContext()); err != nil {
		return nil, err
	}
	return c, nil
}

// reform changes the roster as an entry of the log says, if that changes members.
func (r *roster) reform(e logEntry) error {
	if e.kind != raftpb.EntryConfChangeV2 {
		return nil
	}
	c, err := decodeChange(e.data)
	if err == nil {
		var next roster
		if next, err = r.after(c); err == nil {
			*r = next
		}
	}
	if err != nil {
		return fmt.Errorf("entry %d changes the members: %w", e.index, err)
	}
	return nil
}
