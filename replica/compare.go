package replica

import (
	"fmt"
	"slices"
	"time"

	"evenkeel/core/planted"
)

// A Versioned machine says what its Hash is of. A release whose hashes differ from those of the one before it on
// equal states counts one further: members are compared with those of the same version only.
type Versioned interface {
	HashVersion() uint32
}

// A Patroller is a machine that can look through a part of its rows for some that no command changed. It is asked at
// each comparison, on the apply goroutine, with a number that counts up, and should take well below a millisecond.
type Patroller interface {
	Patrol(turn uint64) error
}

// attestsKept is how many hashes a node remembers until it hears what the others had.
const attestsKept = 8

// A taken is what a machine had at an attest.
type taken struct {
	index  uint64
	scheme uint32
	result
}

// A clerk reads the entries of the log's own on behalf of a machine: the live one, one that is being restored, or a
// shadow. All three read the same entries, so what a restart or a snapshot makes is compared with what most members
// had, too, wherever the log says what that was.
type clerk[A any] struct {
	group, node uint64
	features    []Feature // that this binary knows
	charter     charter
	commanded   bool // the machine has seen a command
	live        bool
	hashes      [attestsKept]taken // the last ones, in a ring
	next        int
	agreed      uint64 // the last attest at which the machine had what most members had
}

// A finding is what an entry of the log's own came to.
type finding struct {
	kind     controlKind
	taken    *taken  // of attest
	altered  error   // what the patrol found
	compared control // of compare
	opinion  opinion
	feature  Feature // of activate
	refusal  error   // why it was not activated
}

// An opinion is what a comparison says about one node.
type opinion uint8

const (
	noOpinion  opinion = iota // it was not asked, or did not remember
	sameAsMost                // most voters had what it had
	undecided                 // there is no majority
)

// read reads one entry of the log's own. Errors: *DivergedError when most members had another state than the machine,
// *UnknownFeatureError, ErrForeign, or what is wrong with the entry. Nothing later may be applied then.
func (c *clerk[A]) read(machine Machine[A], index uint64, payload []byte) (finding, error) {
	group, entry, err := decodeControl(payload)
	if err != nil {
		return finding{}, fmt.Errorf("entry %d of group %d: %w", index, c.group, err)
	}
	if group != c.group {
		return finding{}, fmt.Errorf("%w: entry %d is of group %d, this is %d", ErrForeign, index, group, c.group)
	}
	o := finding{kind: entry.kind}
	switch entry.kind {
	case attestControl:
		c.attest(machine, index, &entry, &o)
	case compareControl:
		o.compared = entry
		o.opinion, err = c.compare(&entry)
	case knowsControl:
		c.charter = c.charter.withKnown(entry.known[0])
		c.charter.young = c.charter.young || !c.commanded
	case activateControl:
		o.feature = entry.features[0]
		o.refusal = c.activate(o.feature, entry.nodes)
	case bornControl:
		c.bear(&entry)
	}
	if err == nil {
		err = c.charter.check(c.group, c.features)
	}
	return o, err
}

// attest takes the machine's hash. Only the live machine patrols: what a flip of memory did is not repeated by a
// replay.
func (c *clerk[A]) attest(machine Machine[A], index uint64, entry *control, o *finding) {
	h, ok := machine.(Hasher)
	if !ok || entry.scheme != schemeOf(machine) {
		return
	}
	t := taken{index: index, scheme: entry.scheme, result: result{node: c.node, hash: h.Hash()}}
	if p, ok := machine.(Patroller); ok && c.live {
		o.altered = p.Patrol(uint64(entry.time) / uint64(time.Second))
		t.altered = o.altered != nil
	}
	c.hashes[c.next] = t
	c.next = (c.next + 1) % attestsKept
	o.taken = &t
}

func schemeOf[A any](machine Machine[A]) uint32 {
	if v, ok := machine.(Versioned); ok {
		return v.HashVersion()
	}
	return 0
}

// compare looks whether the machine had what most voters had.
func (c *clerk[A]) compare(entry *control) (opinion, error) {
	at := slices.IndexFunc(c.hashes[:], func(t taken) bool {
		return t.index == entry.index && t.index != 0 && t.scheme == entry.scheme
	})
	most, agree, decided := entry.majority()
	switch {
	case !decided:
		return undecided, nil
	case at < 0:
		return noOpinion, nil
	case planted.Is(planted.DivergenceIgnored) && c.live:
		return noOpinion, nil
	case c.hashes[at].hash == most.hash && (c.hashes[at].altered == most.altered || !c.live):
		c.agreed = entry.index
		return sameAsMost, nil
	}
	return noOpinion, &DivergedError{Index: entry.index, Live: c.hashes[at].hash, Shadow: most.hash, Group: c.group,
		Node: c.node, Agree: agree, Altered: c.hashes[at].altered}
}

// majority returns what more than half of all voters had, and which nodes had it.
func (c *control) majority() (most result, agree []uint64, decided bool) {
	for _, r := range c.results {
		votes := 0
		agree = agree[:0]
		for _, other := range c.results {
			if other.hash != r.hash || other.altered != r.altered {
				continue
			}
			agree = append(agree, other.node)
			if !other.learner {
				votes++
			}
		}
		if votes > int(c.voters)/2 {
			return r, agree, true
		}
	}
	return result{}, nil, false
}

// differ reports whether any two had something else.
func (c *control) differ() bool {
	return slices.ContainsFunc(c.results, func(r result) bool {
		return r.hash != c.results[0].hash || r.altered != c.results[0].altered
	})
}

// String words what each had, for people.
func (c *control) String() string {
	text := fmt.Sprintf("states at index %d:", c.index)
	for _, r := range c.results {
		text += fmt.Sprintf(" node %d %016x", r.node, r.hash)
		if r.altered {
			text += " (with rows altered behind its back)"
		}
	}
	return text
}

// activate activates a feature unless a member's binary does not know it, as far as the log says.
func (c *clerk[A]) activate(f Feature, nodes []uint64) error {
	if missing := c.charter.missing(f.Number, nodes); len(missing) > 0 && !planted.Is(planted.FeatureUnasked) {
		return &RefusedFeatureError{Feature: f, Missing: missing}
	}
	c.charter = c.charter.withActive(f)
	return nil
}

// bear begins a new group with the features that all its members know.
func (c *clerk[A]) bear(entry *control) {
	if c.charter.born {
		return
	}
	nodes := make([]uint64, 0, len(entry.known))
	for _, k := range entry.known {
		c.charter = c.charter.withKnown(k)
		nodes = append(nodes, k.Node)
	}
	c.charter.born = true
	for _, f := range entry.features {
		if len(c.charter.missing(f.Number, nodes)) == 0 {
			c.charter = c.charter.withActive(f)
		}
	}
}
