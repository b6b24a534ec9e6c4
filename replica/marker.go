package replica

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// A marker says whose a directory is. Version 1 knows voters, version 2 members; what version 1 can say is written in
// it.
//
//	replica 1        replica 2
//	group 7          group 7
//	node 1           node 1
//	voters 1 2 3     member 1 voter 10.0.0.1:7000
//	                 member 2 learner -
//
// A node that joined later has none of the members: it learns them from a snapshot.
const (
	markerVersion = 2
	plainVersion  = 1
	markerVoter   = "voter"
	markerLearner = "learner"
	noAddress     = "-"
)

func (h *home) marker() string {
	members := h.initial.members()
	more := func(m Member) bool { return m.Learner || m.Address != "" }
	plain := len(members) > 0 && !slices.ContainsFunc(members, more)
	var text strings.Builder
	if plain {
		fmt.Fprintf(&text, "replica %d\ngroup %d\nnode %d\nvoters", plainVersion, h.group, h.node)
		for _, m := range members {
			fmt.Fprintf(&text, " %d", m.ID)
		}
		text.WriteString("\n")
		return text.String()
	}
	fmt.Fprintf(&text, "replica %d\ngroup %d\nnode %d\n", markerVersion, h.group, h.node)
	for _, m := range members {
		role, address := markerVoter, m.Address
		if m.Learner {
			role = markerLearner
		}
		if address == "" {
			address = noAddress
		}
		fmt.Fprintf(&text, "member %d %s %s\n", m.ID, role, address)
	}
	return text.String()
}

// readMarker checks that the directory is this group's and node's, and takes the members from it.
func (h *home) readMarker(text string) error {
	var version int
	var group, node uint64
	n, _ := fmt.Sscanf(text, "replica %d\ngroup %d\nnode %d\n", &version, &group, &node)
	bad := &CorruptError{File: filepath.Join(h.dir, markerName), Cause: errors.New("not a marker")}
	if n != 3 {
		return bad
	}
	if version != plainVersion && version != markerVersion {
		return fmt.Errorf("%s has layout version %d, known is %d: a newer release wrote it", h.dir, version, markerVersion)
	}
	if group != h.group || node != h.node {
		return fmt.Errorf("%w: %s is of group %d, node %d; this is group %d, node %d", ErrForeign, h.dir, group, node,
			h.group, h.node)
	}
	var members []Member
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 {
			return bad
		}
		switch words[0] {
		case "voters":
			for _, word := range words[1:] {
				members = append(members, Member{ID: idOf(word)})
			}
		case "member":
			if len(words) != 4 {
				return bad
			}
			m := Member{ID: idOf(words[1]), Learner: words[2] == markerLearner}
			if words[3] != noAddress {
				m.Address = words[3]
			}
			members = append(members, m)
		}
	}
	if len(members) > 0 {
		if err := checkMembers(members, node); err != nil {
			return &CorruptError{File: bad.File, Cause: err}
		}
	}
	h.initial = newRoster(members)
	if h.marker() != text {
		return bad
	}
	return nil
}

// idOf is the id that a word says, 0 when it says none.
func idOf(word string) uint64 {
	var id uint64
	if _, err := fmt.Sscan(word, &id); err != nil {
		return 0
	}
	return id
}
