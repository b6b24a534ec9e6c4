package replica

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Entries of the log's own, which no machine sees. Their payload, all numbers little-endian:
//
//	version u8 = 2 | group u64 | time i64 | kind u8 | body
//
//	attest    scheme u32
//	compare   scheme u32 | index u64 | voters u16 | count u16 >= 1 | count times: node u64, flags u8, hash u64
//	knows     node u64 | numbers
//	activate  feature | count u16 >= 1 | nodes u64 each
//	born      count u16 | features | count u16 >= 1 | count times: node u64, numbers
//
//	numbers   count u16 | count times u32, rising
//	feature   number u32 | name length u8, name | since length u8, since
//
// Lists rise (by node, by number), so a payload has exactly one encoding. Kinds and layouts never change; a new kind
// takes a feature's number, so that no binary meets one that it does not know.
const controlVersion = 2

type controlKind uint8

const (
	attestControl   controlKind = 1 // every member takes its hash at this entry
	compareControl  controlKind = 2 // what they had
	knowsControl    controlKind = 3 // what a node's binary knows
	activateControl controlKind = 4
	bornControl     controlKind = 5 // the first features of a new group
)

// A control is one such entry; members that its kind does not have are zero.
type control struct {
	kind     controlKind
	time     int64
	scheme   uint32 // what the hashes are of: machines of another scheme are not compared
	index    uint64 // of the attest
	voters   uint16 // of the group, when the hashes were asked for
	results  []result
	known    []NodeFeatures // of knows one, of born each member's
	features []Feature      // of activate one
	nodes    []uint64       // the members that must know the feature
}

// A result is what one node had at an attest.
type result struct {
	node    uint64
	altered bool // the machine found rows of its own that no command had changed
	learner bool // it does not vote, and does not count
	hash    uint64
}

const (
	controlHeader = 1 + 8 + 8 + 1
	alteredFlag   = 1
	learnerFlag   = 2
)

// isControl reports whether an entry's payload is of the log's own.
func isControl(payload []byte) bool { return firstByte(payload) == controlVersion }

func encodeControl(group uint64, c *control) []byte {
	b := append(make([]byte, 0, 128), controlVersion)
	b = binary.LittleEndian.AppendUint64(b, group)
	b = binary.LittleEndian.AppendUint64(b, uint64(c.time))
	b = append(b, byte(c.kind))
	switch c.kind {
	case attestControl:
		b = binary.LittleEndian.AppendUint32(b, c.scheme)
	case compareControl:
		b = binary.LittleEndian.AppendUint32(b, c.scheme)
		b = binary.LittleEndian.AppendUint64(b, c.index)
		b = binary.LittleEndian.AppendUint16(b, c.voters)
		b = binary.LittleEndian.AppendUint16(b, uint16(len(c.results)))
		for _, r := range c.results {
			b = binary.LittleEndian.AppendUint64(b, r.node)
			b = append(b, r.flags())
			b = binary.LittleEndian.AppendUint64(b, r.hash)
		}
	case knowsControl:
		b = appendKnown(b, c.known[0])
	case activateControl:
		b = appendFeature(b, c.features[0])
		b = binary.LittleEndian.AppendUint16(b, uint16(len(c.nodes)))
		for _, node := range c.nodes {
			b = binary.LittleEndian.AppendUint64(b, node)
		}
	case bornControl:
		b = appendFeatures(b, c.features)
		b = appendKnowledge(b, c.known)
	}
	return b
}

func (r result) flags() byte {
	flags := byte(0)
	if r.altered {
		flags |= alteredFlag
	}
	if r.learner {
		flags |= learnerFlag
	}
	return flags
}

func appendFeature(b []byte, f Feature) []byte {
	b = binary.LittleEndian.AppendUint32(b, f.Number)
	b = append(append(b, byte(len(f.Name))), f.Name...)
	return append(append(b, byte(len(f.Since))), f.Since...)
}

func appendFeatures(b []byte, features []Feature) []byte {
	b = binary.LittleEndian.AppendUint16(b, uint16(len(features)))
	for _, f := range features {
		b = appendFeature(b, f)
	}
	return b
}

func appendNumbers(b []byte, numbers []uint32) []byte {
	b = binary.LittleEndian.AppendUint16(b, uint16(len(numbers)))
	for _, n := range numbers {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	return b
}

func appendKnown(b []byte, k NodeFeatures) []byte {
	return appendNumbers(binary.LittleEndian.AppendUint64(b, k.Node), k.Numbers)
}

func appendKnowledge(b []byte, known []NodeFeatures) []byte {
	b = binary.LittleEndian.AppendUint16(b, uint16(len(known)))
	for _, k := range known {
		b = appendKnown(b, k)
	}
	return b
}

// decodeControl decodes an entry of the log's own.
func decodeControl(payload []byte) (group uint64, c control, err error) {
	d := decoder{rest: payload}
	if version := d.byte(); d.err == nil && version != controlVersion {
		d.fail(fmt.Errorf("layout version %d, not %d", version, controlVersion))
	}
	group, c.time, c.kind = d.word(), int64(d.word()), controlKind(d.byte())
	switch c.kind {
	case attestControl:
		c.scheme = d.number()
	case compareControl:
		c.scheme, c.index, c.voters = d.number(), d.word(), d.short()
		c.results = d.results()
	case knowsControl:
		c.known = []NodeFeatures{d.known(0)}
	case activateControl:
		c.features = []Feature{d.feature(0)}
		c.nodes = d.nodes()
	case bornControl:
		c.features = d.features()
		if c.known = d.knowledge(); len(c.known) == 0 {
			d.fail(errors.New("a group without members"))
		}
	default:
		d.fail(fmt.Errorf("kind %d, which this release does not know: a newer one wrote it", c.kind))
	}
	if err := d.end(); err != nil {
		return 0, control{}, fmt.Errorf("entry of the log's own: %w", err)
	}
	return group, c, nil
}

// A charter in a snapshot's head: flags u8 | count u16 | features | count u16 | count times: node u64, numbers.
const (
	youngFlag = 1
	bornFlag  = 2
)

func encodeCharter(c charter) []byte {
	flags := byte(0)
	if c.young {
		flags |= youngFlag
	}
	if c.born {
		flags |= bornFlag
	}
	return appendKnowledge(appendFeatures([]byte{flags}, c.active), c.known)
}

func decodeCharter(b []byte) (charter, error) {
	d := decoder{rest: b}
	flags := d.byte()
	c := charter{young: flags&youngFlag != 0, born: flags&bornFlag != 0}
	if flags&^(youngFlag|bornFlag) != 0 {
		d.fail(fmt.Errorf("flags %02x", flags))
	}
	c.active, c.known = d.features(), d.knowledge()
	if err := d.end(); err != nil {
		return charter{}, fmt.Errorf("what the group agreed about itself: %w", err)
	}
	return c, nil
}

// A decoder takes numbers off the front of bytes; the first error stays.
type decoder struct {
	rest []byte
	err  error
}

func (d *decoder) fail(err error) {
	if d.err == nil {
		d.err = err
	}
}

// take returns the next n bytes, or zeros where they are missing.
func (d *decoder) take(n int) []byte {
	if len(d.rest) < n {
		d.fail(io.ErrUnexpectedEOF)
		d.rest = nil
		return make([]byte, n)
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) byte() byte     { return d.take(1)[0] }
func (d *decoder) short() uint16  { return binary.LittleEndian.Uint16(d.take(2)) }
func (d *decoder) number() uint32 { return binary.LittleEndian.Uint32(d.take(4)) }
func (d *decoder) word() uint64   { return binary.LittleEndian.Uint64(d.take(8)) }

// end says whether all went well and nothing follows.
func (d *decoder) end() error {
	if d.err == nil && len(d.rest) > 0 {
		d.err = fmt.Errorf("%d bytes follow its end", len(d.rest))
	}
	return d.err
}

// count reads how many items follow, of at least size bytes each.
func (d *decoder) count(least, most, size int) int {
	n := int(d.short())
	if d.err == nil && (n < least || n > most || n*size > len(d.rest)) {
		d.fail(fmt.Errorf("%d items in %d bytes", n, len(d.rest)))
	}
	if d.err != nil {
		return 0
	}
	return n
}

// rises takes the next of a list of numbers, which must be greater than the one before it.
func (d *decoder) rises(before, next uint64) uint64 {
	if next <= before {
		d.fail(fmt.Errorf("%d follows %d", next, before))
	}
	return next
}

func (d *decoder) result(node uint64) result {
	flags := d.byte()
	if flags&^(alteredFlag|learnerFlag) != 0 {
		d.fail(fmt.Errorf("flags %02x", flags))
	}
	return result{node: node, altered: flags&alteredFlag != 0, learner: flags&learnerFlag != 0, hash: d.word()}
}

func (d *decoder) results() []result {
	var all []result
	before := uint64(0)
	for range d.count(1, maxMembers, 17) {
		before = d.rises(before, d.word())
		all = append(all, d.result(before))
	}
	return all
}

func (d *decoder) nodes() []uint64 {
	var all []uint64
	before := uint64(0)
	for range d.count(1, maxMembers, 8) {
		before = d.rises(before, d.word())
		all = append(all, before)
	}
	return all
}

func (d *decoder) numbers() []uint32 {
	var all []uint32
	before := uint64(0)
	for range d.count(0, maxFeatures, 4) {
		before = d.rises(before, uint64(d.number()))
		all = append(all, uint32(before))
	}
	return all
}

func (d *decoder) known(before uint64) NodeFeatures {
	return NodeFeatures{Node: d.rises(before, d.word()), Numbers: d.numbers()}
}

func (d *decoder) knowledge() []NodeFeatures {
	var all []NodeFeatures
	before := uint64(0)
	for range d.count(0, maxMembers, 10) {
		k := d.known(before)
		before = k.Node
		all = append(all, k)
	}
	return all
}

func (d *decoder) feature(before uint32) Feature {
	number := uint32(d.rises(uint64(before), uint64(d.number())))
	return Feature{Number: number, Name: d.text(), Since: d.text()}
}

func (d *decoder) text() string {
	n := int(d.byte())
	if n > maxFeatureText {
		d.fail(fmt.Errorf("a text of %d bytes", n))
		return ""
	}
	return string(d.take(n))
}

func (d *decoder) features() []Feature {
	var all []Feature
	before := uint32(0)
	for range d.count(0, maxFeatures, 6) {
		f := d.feature(before)
		before = f.Number
		all = append(all, f)
	}
	return all
}

// A report is what a member tells the leader, outside the log: the hash that it had at an attest, what its binary
// knows, or that it needs a snapshot. It travels as the protocol's message for handing something to the leader
// (MsgProp), which nothing else uses here: commands are never forwarded.
//
//	version u8 = 1 | kind u8 | hash: scheme u32, index u64, flags u8, hash u64 | knows: numbers | want: index u64
type report struct {
	kind    reportKind
	scheme  uint32
	index   uint64
	result  result // node is the sender's, and not in the report
	numbers []uint32
}

type reportKind uint8

const (
	reportVersion            = 1
	hashReport    reportKind = 1
	knowsReport   reportKind = 2
	wantReport    reportKind = 3 // a snapshot of this index or later
)

func encodeReport(r report) []byte {
	b := []byte{reportVersion, byte(r.kind)}
	switch r.kind {
	case knowsReport:
		return appendNumbers(b, r.numbers)
	case wantReport:
		return binary.LittleEndian.AppendUint64(b, r.index)
	}
	b = binary.LittleEndian.AppendUint32(b, r.scheme)
	b = binary.LittleEndian.AppendUint64(b, r.index)
	b = append(b, r.result.flags())
	return binary.LittleEndian.AppendUint64(b, r.result.hash)
}

func decodeReport(b []byte) (report, error) {
	d := decoder{rest: b}
	if version := d.byte(); version != reportVersion {
		d.fail(fmt.Errorf("layout version %d, not %d", version, reportVersion))
	}
	r := report{kind: reportKind(d.byte())}
	switch r.kind {
	case hashReport:
		r.scheme, r.index = d.number(), d.word()
		r.result = d.result(0)
	case knowsReport:
		r.numbers = d.numbers()
	case wantReport:
		r.index = d.word()
	default:
		d.fail(fmt.Errorf("kind %d", r.kind))
	}
	if err := d.end(); err != nil {
		return report{}, fmt.Errorf("report of a member: %w", err)
	}
	return r, nil
}
