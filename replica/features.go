package replica

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Feature is something that a group does only when it was activated by an entry of its log, so that all members
// begin at the same entry and none before its binary knows how.
type Feature struct {
	Number uint32
	Name   string
	Since  string // the first release that knows it
}

func (f Feature) String() string { return fmt.Sprintf("feature %d (%s)", f.Number, f.Name) }

// StateComparison: the members compare their states every Limits.CompareEvery.
const StateComparison uint32 = 1

// Known returns the features that this binary knows, by number. A line is only ever added at the end: numbers count
// from 1, are never used again, and a name stays what it was. A binary built with the tag "previous" knows one
// less, so that upgrades can be tried before there is a next release.
func Known() []Feature {
	all := []Feature{
		{StateComparison, "state comparison", "0.1.0"},
	}
	return all[:len(all)-withheld]
}

// Limits of what the log and snapshots say of features.
const (
	maxFeatures    = 1 << 10
	maxFeatureText = 64 // bytes of a name, or of a release
)

// numbersOf are the numbers of features, in order.
func numbersOf(features []Feature) []uint32 {
	numbers := make([]uint32, 0, len(features))
	for _, f := range features {
		numbers = append(numbers, f.Number)
	}
	slices.Sort(numbers)
	return numbers
}

// checkFeatures says what is wrong with the features that a binary says it knows.
func checkFeatures(features []Feature) error {
	if len(features) > maxFeatures {
		return fmt.Errorf("%d features are more than %d", len(features), maxFeatures)
	}
	for i, f := range features {
		if f.Number == 0 || i > 0 && f.Number <= features[i-1].Number || len(f.Name) > maxFeatureText ||
			len(f.Since) > maxFeatureText {
			return fmt.Errorf("%v stands where another should: numbers rise from 1, texts have at most %d bytes", f,
				maxFeatureText)
		}
	}
	return nil
}

// An UnknownFeatureError says that a group has a feature active that this binary does not know.
type UnknownFeatureError struct {
	Group   uint64
	Feature Feature
}

func (e *UnknownFeatureError) Error() string {
	return fmt.Sprintf("%v is active in group %d, and this binary does not know it: use release %s or a later one",
		e.Feature, e.Group, e.Feature.Since)
}

// A RefusedFeatureError says why a feature was not activated. Nothing happened.
type RefusedFeatureError struct {
	Feature Feature
	Missing []uint64 // nodes whose binary does not know it
	Silent  []uint64 // nodes that did not say what theirs knows
}

func (e *RefusedFeatureError) Error() string {
	var why []string
	if len(e.Missing) > 0 {
		why = append(why, fmt.Sprintf("the binary of %s does not know it: run release %s or a later one there",
			nodes(e.Missing), e.Feature.Since))
	}
	if len(e.Silent) > 0 {
		why = append(why, fmt.Sprintf("%s did not say what its binary knows: start it, or remove it from the group",
			nodes(e.Silent)))
	}
	return fmt.Sprintf("%v was not activated: %s", e.Feature, strings.Join(why, "; "))
}

// nodes words a list of nodes.
func nodes(ids []uint64) string {
	if len(ids) == 1 {
		return fmt.Sprint("node ", ids[0])
	}
	words := make([]string, 0, len(ids))
	for _, id := range ids {
		words = append(words, fmt.Sprint(id))
	}
	return "each of nodes " + strings.Join(words, ", ")
}

// FeatureState is what a group has agreed about features, and what its members know.
type FeatureState struct {
	Active []Feature
	Known  []NodeFeatures // of each node that said so, by node
}

// NodeFeatures are the numbers that one node's binary knows.
type NodeFeatures struct {
	Node    uint64
	Numbers []uint32 // rising
}

// A charter is what a group has agreed about itself by entries of its log: same log, same charter. It is part of
// snapshots, and a value: changing it makes another.
type charter struct {
	active []Feature      // by number
	known  []NodeFeatures // by node
	young  bool           // it knew of features before its first command
	born   bool           // its first features were agreed
}

// empty reports whether there is nothing that a release without features would not know.
func (c charter) empty() bool { return len(c.active) == 0 && len(c.known) == 0 && !c.young && !c.born }

func (c charter) has(number uint32) bool {
	return slices.ContainsFunc(c.active, func(f Feature) bool { return f.Number == number })
}

// knows returns what a node's binary knows, as the log has it.
func (c charter) knows(node uint64) (numbers []uint32, said bool) {
	for _, k := range c.known {
		if k.Node == node {
			return k.Numbers, true
		}
	}
	return nil, false
}

func (c charter) withKnown(k NodeFeatures) charter {
	known := slices.DeleteFunc(slices.Clone(c.known), func(old NodeFeatures) bool { return old.Node == k.Node })
	known = append(known, k)
	slices.SortFunc(known, func(a, b NodeFeatures) int { return cmp.Compare(a.Node, b.Node) })
	c.known = known
	return c
}

func (c charter) withActive(f Feature) charter {
	if c.has(f.Number) {
		return c
	}
	active := append(slices.Clone(c.active), f)
	slices.SortFunc(active, func(a, b Feature) int { return cmp.Compare(a.Number, b.Number) })
	c.active = active
	return c
}

// missing are those of nodes whose binary, as the log has it, does not know a feature.
func (c charter) missing(number uint32, nodes []uint64) []uint64 {
	var without []uint64
	for _, node := range nodes {
		if numbers, _ := c.knows(node); !slices.Contains(numbers, number) {
			without = append(without, node)
		}
	}
	return without
}

// check refuses a charter with an active feature that a binary does not know.
func (c charter) check(group uint64, features []Feature) error {
	for _, f := range c.active {
		if !slices.ContainsFunc(features, func(k Feature) bool { return k.Number == f.Number }) {
			return &UnknownFeatureError{Group: group, Feature: f}
		}
	}
	return nil
}
